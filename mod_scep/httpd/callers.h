/* callers.h - which challenges a caller may have, and how many
 * SPDX-License-Identifier: Apache-2.0
 *
 * Require says who may call at all.  A caller is the name that httpd
 * authenticated; one without a name has what "*" has.
 */
#ifndef MOD_SCEP_CALLERS_H
#define MOD_SCEP_CALLERS_H

#include "conf.h"

typedef struct scep_caller_conf_t scep_caller_conf_t;

/** What a deeper container has of each directive replaces the outer's. */
scep_caller_conf_t *mod_scep_callers_merge(apr_pool_t *p,
                                           scep_caller_conf_t *base,
                                           scep_caller_conf_t *add);

/**
 * Whether a caller may have a challenge.
 * @param subject  NULL: not bound to any
 * @return NULL, or a sentence that says why not
 */
const char *mod_scep_callers_refuse(request_rec *r,
                                    const scep_profile_t *profile,
                                    const X509_NAME *subject);

/**
 * Whether a caller may see, extend and revoke a challenge that is there.
 * Where it may have those of some subjects alone, only what it asked for
 * itself: a store does not tell subjects.
 * @param self  mod_scep_order_requester()
 */
int mod_scep_callers_sees(const request_rec *r, const char *self,
                          const scep_challenge_info_t *info);

/** Whether a caller may have every challenge, and so see everything. */
int mod_scep_callers_sees_all(const request_rec *r);

/**
 * Whether a caller may have every challenge of a profile, and so see and
 * decide what comes of them.  Rights to some subjects alone are not enough.
 */
int mod_scep_callers_has_profile(const request_rec *r, const char *profile);

/**
 * The names of those profiles, const char *.
 * @return NULL: it may have every challenge of any
 */
apr_array_header_t *mod_scep_callers_profiles(const request_rec *r);

/**
 * The most live challenges that a caller may have.
 * @return zero: as many as it likes
 */
int mod_scep_callers_quota(request_rec *r, apr_uint64_t *quota);

const char *mod_scep_callers_set_allow(cmd_parms *cmd, void *dirv,
                                       const char *words);
const char *mod_scep_callers_set_quota(cmd_parms *cmd, void *dirv,
                                       const char *caller, const char *number);

#define SCEP_CALLERS_DIRECTIVES                                               \
    AP_INIT_RAW_ARGS("ScepChallengeAllow", mod_scep_callers_set_allow, NULL,  \
                     RSRC_CONF | ACCESS_CONF,                                 \
                     "challenges that a caller may have: CALLER or *, "       \
                     "profile=NAME, subject=PATTERN"),                        \
        AP_INIT_TAKE2("ScepChallengeQuota", mod_scep_callers_set_quota, NULL, \
                      RSRC_CONF | ACCESS_CONF,                                \
                      "live challenges that a caller may have: CALLER or *, " \
                      "and a number")

#endif
