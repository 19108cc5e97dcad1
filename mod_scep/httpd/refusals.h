/* refusals.h - ScepAuditRefusals: a flood of refusals is told as a number
 * SPDX-License-Identifier: Apache-2.0
 *
 * Whoever can reach the server can be refused as often as he likes, and an
 * event of the ledger costs a transaction and its row for ever.  So many
 * refusals of a time have events of their own; of more than these the
 * watchdog writes how many there were, one event a profile.
 */
#ifndef MOD_SCEP_REFUSALS_H
#define MOD_SCEP_REFUSALS_H

#include "conf.h"

/**
 * Whether one more refusal has an event of its own.  If not it is counted.
 */
int mod_scep_refusals_admit(const scep_conf_t *conf,
                            const scep_profile_t *profile, apr_pool_t *p);

/**
 * Counts a refusal that has no event.
 * @return zero where it cannot
 */
int mod_scep_refusals_count(const scep_profile_t *profile, apr_pool_t *p);

/** Writes how many were counted; for the watchdog. */
void mod_scep_refusals_tell(server_rec *s, apr_pool_t *p);

const char *mod_scep_refusals_set(cmd_parms *cmd, void *dirv,
                                  const char *number, const char *time);

#define SCEP_REFUSALS_NUMBER 100
#define SCEP_REFUSALS_TIME apr_time_from_sec(60)

#define SCEP_REFUSALS_DIRECTIVES                                              \
    AP_INIT_TAKE12("ScepAuditRefusals", mod_scep_refusals_set, NULL,          \
                   RSRC_CONF,                                                 \
                   "refusals, in a time, that have an event each; or off")

#endif
