/* work.h - accepted enrolments on their way, in this process
 * SPDX-License-Identifier: Apache-2.0
 *
 * With a ledger, CAs that are other servers are called by threads of their
 * own: the device waits a little and is told PENDING then, so that no CA can
 * pin httpd's workers.  A watchdog takes up what is due.
 */
#ifndef MOD_SCEP_WORK_H
#define MOD_SCEP_WORK_H

#include "conf.h"
#include "core/work.h"

/** A grant of a verifier; the token that the core hands round. */
typedef struct scep_grant_t {
    const scep_verifier_t *verifier;
    void *token;
} scep_grant_t;

/** What the calls of mod_scep_work_ops get as their baton. */
typedef struct scep_work_baton_t {
    server_rec *server;
    const scep_profile_t *profile;
} scep_work_baton_t;

/** Without the update: there is no ledger. */
extern const scep_work_ops_t mod_scep_work_ops;
/** With it. */
extern const scep_work_ops_t mod_scep_work_ops_ledger;

/** Before children exist: places and breakers of each CA. */
apr_status_t mod_scep_work_open(const scep_conf_t *conf, server_rec *s,
                                apr_pool_t *pconf);
apr_status_t mod_scep_work_child_init(server_rec *s, apr_pool_t *p);

/** As run of scep_enrol_ops_t. */
void mod_scep_work_run(server_rec *s, const scep_profile_t *profile,
                       scep_work_t *work, apr_pool_t *p);

/**
 * Puts a random token and a lease into a record for the caller to hold it.
 * @return zero where there are no random octets
 */
int mod_scep_work_lease(const scep_profile_t *profile, scep_record_t *record,
                        apr_time_t now, apr_pool_t *p);

/** Takes up what is due; from a watchdog. */
void mod_scep_work_maintain(server_rec *s, apr_pool_t *p);

#endif
