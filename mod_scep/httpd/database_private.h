/* database_private.h - what the files of database.h share
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MOD_SCEP_DATABASE_PRIVATE_H
#define MOD_SCEP_DATABASE_PRIVATE_H

#include "database.h"

#include <apr_optional.h>
#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>
#include <mod_dbd.h>
#include <util_mutex.h>

#include <stdatomic.h>

#include "database_guard.h"

/* What took longer is not tried again at once. */
#define SCEP_DATABASE_SLOW apr_time_from_sec(2)

#define SCEP_DATABASE_NO_CONNECTION "no connection, see what mod_dbd says"

struct scep_job_t;

/** The way to the database, which all owners of tables go. */
typedef struct scep_link_t {
    int pgsql;
    APR_OPTIONAL_FN_TYPE(ap_dbd_open) * open;
    APR_OPTIONAL_FN_TYPE(ap_dbd_close) * close;
    scep_guard_t *guard;
    int opened, in_child;
    /** 0: it answers; else when somebody may try again */
    _Atomic apr_time_t pause;
    atomic_int troubled; /**< and the log says so */
    /* SQLite */
    _Atomic apr_time_t write_pause; /**< as pause, of who writes */
    const char *file;
    _Atomic apr_uint64_t inode; /**< of it; 0: not known */
    apr_proc_mutex_t *turn;     /**< between processes; not NULL once opened */
    ap_dbd_t *writer;           /**< of who is at the head of the queue */
    apr_thread_mutex_t *lock;   /**< of the queue */
    int ending;                 /**< the child does */
    struct scep_job_t *first;   /**< writes */
    struct scep_job_t **last;   /**< where the next one is linked */
    int waiting;                /**< how many there are */
    int together;               /**< jobs of the last COMMIT */
    apr_thread_cond_t *enough;  /**< as many wait */
} scep_link_t;

struct scep_database_t {
    const scep_database_setup_t *setup;
    scep_link_t *link;
    atomic_int ready; /**< SQLite: this process has seen its tables */
};

/** What one owner has prepared on one connection. */
struct scep_session_t {
    scep_session_t *next; /**< of another owner */
    const char *owner;
    ap_dbd_t *dbd;
    int error;          /**< of the driver */
    const char *said;   /**< with it, where the driver has forgotten since */
    int looked;         /**< at the tables */
    unsigned int names; /**< of prepared statements so far */
    int count;
    apr_dbd_prepared_t **statements;
    apr_dbd_prepared_t *begin, *commit; /**< of SQLite's writer */
};

/** What is to run: one statement, or several in a transaction. */
typedef struct scep_job_t {
    struct scep_job_t *next; /**< in the queue */
    scep_database_t *database;
    scep_step_t *steps;
    int count;
    int transaction;
    scep_again_t again;
    apr_array_header_t **rows; /**< of a single statement that gives some */
    apr_pool_t *p;
    /* as it came out */
    apr_status_t rv;
    int refused;   /**< look did: it has said why */
    int unreached; /**< there was no connection */
    int done;
    apr_thread_cond_t *turn;
} scep_job_t;

/* database_session.c */

/** Keeps what the database says of the last failure, before more runs. */
void mod_scep_session_keep_error(scep_session_t *session, apr_pool_t *p);

/** What an owner has prepared on a connection, or none of it yet. */
scep_session_t *mod_scep_session_of(const scep_database_t *database,
                                    ap_dbd_t *dbd);
/** Drops what anybody has prepared on a connection. */
void mod_scep_session_forget(ap_dbd_t *dbd);
/** Prepares the statements of a job.
 * @return APR_SUCCESS; else session->error tells a fault of the database
 *         from look's refusal */
apr_status_t mod_scep_session_prepare(scep_session_t *session,
                                      const scep_job_t *job, apr_pool_t *p);
/** Begins a transaction that writes, of SQLite; and ends it.
 * @return the driver's error, or 0 */
int mod_scep_session_begin(scep_session_t *session, apr_pool_t *p);
int mod_scep_session_commit(scep_session_t *session, apr_pool_t *p);
/** Runs one statement, which is prepared. */
apr_status_t mod_scep_session_execute(scep_session_t *session,
                                      scep_step_t *step,
                                      apr_array_header_t **rows,
                                      apr_pool_t *p);
/** Runs the steps of a transaction that has begun.
 * @return APR_EMISMATCH: one has changed another number of rows */
apr_status_t mod_scep_session_steps(scep_session_t *session,
                                    const scep_job_t *job);

/* database.c */

/** Says once that it does not work, and once that it does again. */
void mod_scep_database_tell(scep_link_t *link, const char *why);

/** What tells SQLite's file from another of its name; 0: it is not there. */
apr_uint64_t mod_scep_database_inode(const scep_link_t *link);

/* database_queue.c */

apr_status_t mod_scep_queue_child_init(scep_link_t *link, apr_pool_t *p);

/** Waits until a job has been written, by this thread or another. */
apr_status_t mod_scep_queue_run(scep_link_t *link, scep_job_t *job);

#endif
