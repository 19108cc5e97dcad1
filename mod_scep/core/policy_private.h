/* policy_private.h - what the files of the policy share
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SCEP_POLICY_PRIVATE_H
#define SCEP_POLICY_PRIVATE_H

#include "policy.h"

/**
 * Notes a fault: the first decides on the reason, the details stand after
 * each other.
 * @return APR_EGENERAL
 */
apr_status_t scep_policy_refuse(const scep_policy_case_t *one,
                                scep_reason_t reason, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

int scep_policy_has_type(const apr_array_header_t *types,
                         const ASN1_OBJECT *type);

/** By this extension Windows knows an account that may log on. */
#define SCEP_WINDOWS_SID "1.3.6.1.4.1.311.25.2"

/* policy_subject.c */
int scep_policy_force_applies(const scep_policy_case_t *one, const char **why);
apr_status_t scep_policy_force(const scep_policy_case_t *one);
apr_status_t scep_policy_empty(const scep_policy_case_t *one);
int scep_policy_wanted_applies(const scep_policy_case_t *one,
                               const char **why);
apr_status_t scep_policy_wanted(const scep_policy_case_t *one);
int scep_policy_allowed_applies(const scep_policy_case_t *one,
                                const char **why);
apr_status_t scep_policy_allowed(const scep_policy_case_t *one);
const char *scep_policy_subject_text(const scep_policy_case_t *one);

/* policy_san.c */
int scep_policy_sans_applies(const scep_policy_case_t *one, const char **why);
apr_status_t scep_policy_sans(const scep_policy_case_t *one);
int scep_policy_sans_wanted_applies(const scep_policy_case_t *one,
                                    const char **why);
apr_status_t scep_policy_sans_wanted(const scep_policy_case_t *one);
int scep_policy_sans_allowed_applies(const scep_policy_case_t *one,
                                     const char **why);
apr_status_t scep_policy_sans_allowed(const scep_policy_case_t *one);
const char *scep_policy_sans_text(const scep_policy_case_t *one);

/* policy_extension.c */
int scep_policy_usages_applies(const scep_policy_case_t *one,
                               const char **why);
apr_status_t scep_policy_usages(const scep_policy_case_t *one);
int scep_policy_extensions_applies(const scep_policy_case_t *one,
                                   const char **why);
apr_status_t scep_policy_extensions(const scep_policy_case_t *one);
const char *scep_policy_extensions_text(const scep_policy_case_t *one);

#endif
