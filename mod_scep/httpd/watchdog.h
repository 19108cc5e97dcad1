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

/** Has a child that ends wait for what is being done, before anything goes
 * that it uses: mod_dbd's connections go before mod_watchdog's threads do. */
void mod_scep_watchdog_child_init(apr_pool_t *p);

#endif
