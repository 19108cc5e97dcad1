/* watchdog.h - periodic work by mod_watchdog
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MOD_SCEP_WATCHDOG_H
#define MOD_SCEP_WATCHDOG_H

#include "log.h"

/**
 * Registers the periodic work, in post_config: one process of the server
 * does it, once a second.
 */
apr_status_t mod_scep_watchdog_start(server_rec *s, apr_pool_t *pconf);

#endif
