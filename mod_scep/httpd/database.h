/* database.h - statements and transactions on the connections of mod_dbd
 * SPDX-License-Identifier: Apache-2.0
 *
 * mod_dbd makes and keeps the connections; which database that is, its own
 * directives of the main server say.  A statement is prepared on a
 * connection when it first runs there, after its owner has had a look at
 * the tables.  A connection that turns out to be dead is replaced, and while
 * no new one can be had callers are refused at once, so that a database that
 * is down or hangs does not hold up the server.
 *
 * PostgreSQL has as many writers as there are connections.  SQLite has one:
 * there, what the threads of a process want to write waits in a queue, and
 * who is at its head writes all of it in one transaction, so that many share
 * one wait for the disk; the processes take turns by the mutex
 * "scep-database".
 */
#ifndef MOD_SCEP_DATABASE_H
#define MOD_SCEP_DATABASE_H

#include <apr_dbd.h>

#include "log.h"

typedef struct scep_database_t scep_database_t;
typedef struct scep_session_t scep_session_t;

/** Most parameters of a statement. */
#define SCEP_DATABASE_ARGS 64

/** What an owner of tables brings along. */
typedef struct scep_database_setup_t {
    const char *name; /**< of the owner, among those in this process */
    /** in the form of apr_dbd_prepare(); one that begins with another word
     * than SELECT writes */
    const char *const *statements;
    int count; /**< of them */
    int pgsql; /**< PostgreSQL; else SQLite */
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

/** Checks the name that the names of tables begin with.
 * @return NULL, or what is wrong */
const char *mod_scep_database_check_prefix(const char *prefix);

/** Makes the mutex known to httpd, in pre_config. */
apr_status_t mod_scep_database_register(apr_pool_t *pconf);

/** @param setup  as long-lived as the pool */
scep_database_t *mod_scep_database_create(const scep_database_setup_t *setup,
                                          apr_pool_t *pconf);

/** In the parent: makes the mutex.  It never opens the database: what it
 * would make there as root, the children could not write. */
apr_status_t mod_scep_database_open(scep_database_t *database, server_rec *s);
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

/** A statement that may change any number of rows. */
#define SCEP_DATABASE_ANY (-1)

/** One statement of a transaction. */
typedef struct scep_step_t {
    int statement;
    const char *const *args; /**< as text, ended by NULL */
    int expected; /**< rows that it must change, or SCEP_DATABASE_ANY */
    int changed;  /**< set to how many it did */
} scep_step_t;

/**
 * Runs statements that are durable together when this returns, or not at
 * all.  Logs what is wrong.
 * @param steps  in their order
 * @param again  AGAIN: they may run twice where the answer to the first COMMIT
 *               is lost; the second time their own rows are there already
 * @return APR_SUCCESS; APR_EMISMATCH: a step would have changed another
 *         number of rows than expected, and nothing is written; else the
 *         database does not work, and whether it is written is not known
 */
apr_status_t mod_scep_database_transact(scep_database_t *database,
                                        scep_step_t *steps, int count,
                                        scep_again_t again, apr_pool_t *p);

/* For look: the text of a statement without parameters, as it is. */

/** @return zero where it worked */
int mod_scep_session_query(scep_session_t *session, const char *text);
/** @return rows as above, or NULL where it failed */
apr_array_header_t *mod_scep_session_select(scep_session_t *session,
                                            const char *text, apr_pool_t *p);
/** Rolls back after a failure, which stays the last one. */
void mod_scep_session_undo(scep_session_t *session, apr_pool_t *p);
/** What the database says of the last failure, fit for the log. */
const char *mod_scep_session_error(scep_session_t *session, apr_pool_t *p);

#endif
