/* retention.h - what the ledger keeps, and for how long
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MOD_SCEP_RETENTION_H
#define MOD_SCEP_RETENTION_H

#include "conf.h"

const char *mod_scep_set_retention(cmd_parms *cmd, void *dirv,
                                   const char *time);

/** Finds what contradicts itself. @return NULL, or what is wrong */
const char *mod_scep_retention_check(const scep_conf_t *conf);

/** Deletes what is older than ScepRetention, a little at a time; once a
 * second, of a watchdog.  One node at a time does it. */
apr_status_t mod_scep_retention_run(int state, void *sv, apr_pool_t *p);

#define SCEP_RETENTION_DIRECTIVES                                             \
    AP_INIT_TAKE1("ScepRetention", mod_scep_set_retention, NULL, RSRC_CONF,   \
                  "how long the ledger keeps what is over: TIME or off")

#endif
