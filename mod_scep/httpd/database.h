/* database.h - statements on the connections of mod_dbd
 * SPDX-License-Identifier: Apache-2.0
 *
 * mod_dbd makes and keeps the connections; which database that is, its own
 * directives of the main server say.  A statement is prepared on a
 * connection when it first runs there, after the owner has had a look at the
 * tables.  A connection that turns out to be dead is replaced, and while no
 * new one can be had callers are refused at once, so that a database that
 * is down or hangs does not hold up the server.
 */
#ifndef MOD_SCEP_DATABASE_H
#define MOD_SCEP_DATABASE_H

#include <apr_dbd.h>

#include "log.h"

typedef struct scep_database_t scep_database_t;
typedef struct scep_session_t scep_session_t;

/** Most parameters of a statement. */
#define SCEP_DATABASE_ARGS 24

/** What a database is made of. */
typedef struct scep_database_setup_t {
    const char *const *statements; /**< in the form of apr_dbd_prepare() */
    int count;                     /**< of them */
    int pgsql;                     /**< PostgreSQL; else SQLite */
    /**
     * Looks at a new connection before a statement is prepared on it; logs
     * what is wrong.
     */
    apr_status_t (*look)(void *baton, scep_session_t *session, apr_pool_t *p);
    void *baton;
} scep_database_setup_t;

/**
 * Checks that mod_dbd is there and knows a database that this can use.
 * @param pgsql  set to whether it is PostgreSQL; else it is SQLite
 * @param bounded  set to whether DBDParams limits the time to connect
 * @return NULL, or what is wrong
 */
const char *mod_scep_database_check(int *pgsql, int *bounded, apr_pool_t *p);

/** @param setup  as long-lived as the pool */
scep_database_t *mod_scep_database_create(const scep_database_setup_t *setup,
                                          apr_pool_t *pconf);

/** In the parent: has mod_watchdog cut statements that hang. */
apr_status_t mod_scep_database_open(scep_database_t *database, server_rec *s,
                                    apr_pool_t *pconf);
apr_status_t mod_scep_database_child_init(scep_database_t *database,
                                          server_rec *s, apr_pool_t *p);

/** What may be done with a statement whose answer was lost. */
typedef enum { SCEP_DATABASE_ONCE = 0, SCEP_DATABASE_AGAIN } scep_again_t;

/**
 * Runs a statement that gives no rows.  Logs what is wrong.
 * @param args  its parameters as text, ended by NULL
 * @param again  AGAIN: it may run twice where the first time fails
 * @param changed  set to how many rows it has changed
 */
apr_status_t mod_scep_database_query(scep_database_t *database, int statement,
                                     const char *const *args,
                                     scep_again_t again, int *changed,
                                     apr_pool_t *p);

/**
 * Runs a statement that gives rows.  Logs what is wrong.
 * @param rows  set to const char *const *, one each: its columns as text
 */
apr_status_t mod_scep_database_select(scep_database_t *database, int statement,
                                      const char *const *args,
                                      scep_again_t again,
                                      apr_array_header_t **rows,
                                      apr_pool_t *p);

/* For look: the text of a statement without parameters, as it is. */

/** @return zero where it worked */
int mod_scep_session_query(scep_session_t *session, const char *text);
/** @return rows as above, or NULL where it failed */
apr_array_header_t *mod_scep_session_select(scep_session_t *session,
                                            const char *text, apr_pool_t *p);
/** What the database says of the last failure, fit for the log. */
const char *mod_scep_session_error(scep_session_t *session, apr_pool_t *p);

#endif
