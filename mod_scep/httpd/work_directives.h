/* work_directives.h - how long and how many may wait for a CA
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MOD_SCEP_WORK_DIRECTIVES_H
#define MOD_SCEP_WORK_DIRECTIVES_H

#include "conf.h"

const char *mod_scep_set_ca_max_concurrent(cmd_parms *cmd, void *dirv,
                                           const char *number);
const char *mod_scep_set_ca_wait(cmd_parms *cmd, void *dirv, const char *time);
const char *mod_scep_set_pending_life(cmd_parms *cmd, void *dirv,
                                      const char *time);

#define SCEP_WORK_DIRECTIVES                                                  \
    AP_INIT_TAKE1("ScepCAMaxConcurrent", mod_scep_set_ca_max_concurrent,      \
                  NULL, RSRC_CONF, "calls to the CA at a time")               \
    , AP_INIT_TAKE1("ScepCAWait", mod_scep_set_ca_wait, NULL, RSRC_CONF,      \
                    "how long a device waits for the CA before it is told "   \
                    "PENDING")                                                \
    , AP_INIT_TAKE1("ScepPendingLife", mod_scep_set_pending_life, NULL,       \
                    RSRC_CONF,                                                \
                    "how long an enrolment may wait for its decision")

#endif
