/* rollover.h - profiles that share an endpoint while a CA is replaced
 * SPDX-License-Identifier: Apache-2.0
 *
 * RFC 8894 section 5.1: while a CA is rolled over, the recipient of a
 * request's envelope says which of the two CAs shall issue.  Each is the CA
 * of a profile of its own, and both can be reached where the devices know
 * the one.
 */
#ifndef MOD_SCEP_ROLLOVER_H
#define MOD_SCEP_ROLLOVER_H

#include "conf.h"

/** Most profiles beside the one that an endpoint names. */
#define SCEP_ROLLOVER_MAX 4

const char *mod_scep_set_rollover(cmd_parms *cmd, void *dirv,
                                  const char *name);

/**
 * Resolves the names, and makes profile->open_ra of all RAs.  Each profile
 * has been checked for itself.
 * @param where  set on failure
 * @return NULL, or what is wrong
 */
const char *mod_scep_rollover_check(const scep_conf_t *conf,
                                    scep_profile_t *profile,
                                    const ap_directive_t **where,
                                    apr_pool_t *pconf);

/** The profile that a message was enveloped for. */
const scep_profile_t *mod_scep_rollover_find(const scep_profile_t *profile,
                                             const scep_message_t *message);

#endif
