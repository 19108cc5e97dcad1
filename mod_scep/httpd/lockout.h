/* lockout.h - ScepLockout: an address that is refused too often must wait
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MOD_SCEP_LOCKOUT_H
#define MOD_SCEP_LOCKOUT_H

#include "conf.h"

typedef struct scep_lockout_conf_t scep_lockout_conf_t;

/**
 * Answers a request of an address that is locked out, before any work.
 * @param status  what the handler returns
 * @return zero where the request may go on
 */
int mod_scep_lockout_answer(request_rec *r, const scep_profile_t *profile,
                            int *status);

/** Counts a refusal against the client's address, if it is of a kind that
 * somebody who guesses or tries out would cause. */
void mod_scep_lockout_count(request_rec *r, const scep_profile_t *profile,
                            scep_reason_t reason);

const char *mod_scep_lockout_set(cmd_parms *cmd, void *dirv,
                                 const char *number, const char *time,
                                 const char *duration);

#define SCEP_LOCKOUT_DIRECTIVES                                               \
    AP_INIT_TAKE123("ScepLockout", mod_scep_lockout_set, NULL,                \
                    RSRC_CONF | ACCESS_CONF,                                  \
                    "refusals, in a time, that lock an address out, and for " \
                    "how long; or off")

#endif
