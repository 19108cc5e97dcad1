/* database_guard.h - no statement holds up a thread for ever
 * SPDX-License-Identifier: Apache-2.0
 *
 * PostgreSQL's library waits for an answer without an end, and a server
 * that is stopped but not gone keeps the connection alive.  So a thread of
 * each child cuts connections that wait too long, whereupon the statement
 * fails like any other.
 */
#ifndef MOD_SCEP_DATABASE_GUARD_H
#define MOD_SCEP_DATABASE_GUARD_H

#include <apr_dbd.h>

#include "log.h"

typedef struct scep_guard_t scep_guard_t;

/** A statement that runs; on the stack of whoever waits for it. */
typedef struct scep_watch_t {
    struct scep_watch_t *next;
    apr_time_t since;
    int fd; /**< -1: it cannot be cut */
} scep_watch_t;

scep_guard_t *mod_scep_guard_create(apr_pool_t *pconf);

/** Starts the thread.  It ends with the process. */
apr_status_t mod_scep_guard_child_init(scep_guard_t *guard, server_rec *s);

void mod_scep_guard_enter(scep_guard_t *guard, scep_watch_t *watch,
                          const apr_dbd_driver_t *driver, apr_dbd_t *handle);
void mod_scep_guard_leave(scep_guard_t *guard, scep_watch_t *watch);

#endif
