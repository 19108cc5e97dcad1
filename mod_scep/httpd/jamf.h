/* jamf.h - SetHandler scep-jamf: Jamf Pro's webhook SCEPChallenge
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MOD_SCEP_JAMF_H
#define MOD_SCEP_JAMF_H

#include "log.h"

/** What a location demands of a webhook. */
typedef struct scep_jamf_conf_t scep_jamf_conf_t;

/** Answers an event with a challenge and nothing else. */
int mod_scep_jamf_handler(request_rec *r);

const char *mod_scep_jamf_set_secret(cmd_parms *cmd, void *dirv,
                                     const char *header, const char *location);

#define SCEP_JAMF_DIRECTIVES                                                  \
    AP_INIT_TAKE2("ScepJamfSecret", mod_scep_jamf_set_secret, NULL,           \
                  RSRC_CONF | ACCESS_CONF,                                    \
                  "header of a webhook and what it must hold: NAME and "      \
                  "file:PATH or exec:PROGRAM")

#endif
