/* database.c - statements and transactions on the connections of mod_dbd
 * SPDX-License-Identifier: Apache-2.0
 */
#include "database_private.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <http_main.h>

#include <stdlib.h>
#include <sys/stat.h>

#include "child.h"

#define MUTEX_TYPE "scep-database"
#define RETAINED "mod_scep_database_1"

/* After a failure to connect, how long nobody tries again. */
#define PAUSE apr_time_from_sec(1)
/* No one try takes longer: see DBDParams in the manual. */
#define PROBE apr_time_from_sec(30)

/* Of the configuration that is being read or in use. */
static scep_link_t *current;

/* ------------------------------------------------------------------ */
/* Configuration                                                        */

const char *mod_scep_database_check(int *pgsql, int *bounded, apr_pool_t *p)
{
    const char *driver = NULL, *params = "", *max = "";

    if (!APR_RETRIEVE_OPTIONAL_FN(ap_dbd_open) ||
        !APR_RETRIEVE_OPTIONAL_FN(ap_dbd_close))
        return "needs mod_dbd: load it";
    for (const ap_directive_t *d = ap_conftree; d; d = d->next)
        if (!strcasecmp(d->directive, "DBDriver"))
            driver = d->args;
        else if (!strcasecmp(d->directive, "DBDParams"))
            params = d->args;
        else if (!strcasecmp(d->directive, "DBDMax"))
            max = d->args;
    if (!driver) {
        return "needs DBDriver and DBDParams outside of any container: they "
               "say which database";
    }
    driver = ap_getword_conf(p, &driver);
    *pgsql = !strcmp(driver, "pgsql");
    *bounded = !*pgsql || strstr(params, "connect_timeout") != NULL;
    if (!*pgsql && strcmp(driver, "sqlite3")) {
        return apr_psprintf(p,
                            "works with DBDriver pgsql and sqlite3, not with "
                            "'%s'",
                            driver);
    }
    return !*pgsql && atoi(max) == 1
               ? "needs DBDMax 2 at least: who writes keeps a connection"
               : NULL;
}

/* SQLite's file, as mod_dbd is told. */
static const char *find_file(apr_pool_t *p)
{
    const char *params = "";

    for (const ap_directive_t *d = ap_conftree; d; d = d->next)
        if (!strcasecmp(d->directive, "DBDParams"))
            params = d->args;
    return ap_getword_conf(p, &params);
}

const char *mod_scep_database_check_prefix(const char *prefix)
{
    size_t len = strspn(prefix, "abcdefghijklmnopqrstuvwxyz0123456789_");

    return prefix[len] || len == 0 || len > 32 || apr_isdigit(*prefix)
               ? "is of small letters, digits and '_', 32 at most, the first "
                 "no digit"
               : NULL;
}

apr_status_t mod_scep_database_register(apr_pool_t *pconf)
{
    return ap_mutex_register(pconf, MUTEX_TYPE, NULL, APR_LOCK_DEFAULT, 0);
}

static apr_status_t forget_link(void *link)
{
    if (current == link)
        current = NULL;
    return APR_SUCCESS;
}

scep_database_t *mod_scep_database_create(const scep_database_setup_t *setup,
                                          apr_pool_t *pconf)
{
    scep_database_t *database = apr_pcalloc(pconf, sizeof(*database));

    if (!current) {
        current = apr_pcalloc(pconf, sizeof(*current));
        current->pgsql = setup->pgsql;
        current->file = setup->pgsql ? NULL : find_file(pconf);
        current->open = APR_RETRIEVE_OPTIONAL_FN(ap_dbd_open);
        current->close = APR_RETRIEVE_OPTIONAL_FN(ap_dbd_close);
        current->guard = mod_scep_guard_create(pconf);
        current->last = &current->first;
        apr_pool_cleanup_register(pconf, current, forget_link,
                                  apr_pool_cleanup_null);
    }
    database->setup = setup;
    database->link = current;
    return database;
}

/* One for as long as httpd runs: after a reload former children and new ones
 * write to the same file. */
static apr_status_t make_mutex(scep_link_t *link, server_rec *s)
{
    apr_proc_mutex_t **kept = ap_retained_data_get(RETAINED);
    apr_status_t rv = APR_SUCCESS;

    if (!kept)
        kept = ap_retained_data_create(RETAINED, sizeof(*kept));
    if (!*kept) {
        rv = ap_proc_mutex_create(kept, NULL, MUTEX_TYPE, NULL, s,
                                  s->process->pool, 0);
    }
    if (rv != APR_SUCCESS) {
        *kept = NULL;
        ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_EMERG, rv, s,
                     SCEPLOGNO(0500) "no mutex " MUTEX_TYPE " can be made: "
                                     "see httpd's directive Mutex");
    }
    link->turn = *kept;
    return rv;
}

apr_status_t mod_scep_database_open(scep_database_t *database, server_rec *s)
{
    scep_link_t *link = database->link;

    if (link->opened)
        return APR_SUCCESS;
    link->opened = 1;
    return link->pgsql ? APR_SUCCESS : make_mutex(link, s);
}

apr_status_t mod_scep_database_child_init(scep_database_t *database,
                                          server_rec *s, apr_pool_t *p)
{
    scep_link_t *link = database->link;

    if (link->in_child)
        return APR_SUCCESS;
    link->in_child = 1;
    return link->pgsql ? mod_scep_guard_child_init(link->guard, s)
                       : mod_scep_queue_child_init(link, p);
}

/* ------------------------------------------------------------------ */
/* Jobs                                                                 */

void mod_scep_database_tell(scep_link_t *link, const char *why)
{
    if (why && !atomic_exchange(&link->troubled, 1)) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, ap_server_conf,
                     SCEPLOGNO(0230) "the database does not work: %s; until "
                                     "it does nothing is issued or granted",
                     why);
    } else if (!why && atomic_load(&link->troubled) &&
               atomic_exchange(&link->troubled, 0)) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, ap_server_conf,
                     SCEPLOGNO(0231) "the database works again");
    }
}

/* @param sent  set once the database may have done it */
static apr_status_t transact(scep_session_t *session, scep_job_t *job,
                             int *sent)
{
    apr_status_t rv;

    if (mod_scep_session_query(session, "BEGIN"))
        return APR_EGENERAL;
    rv = mod_scep_session_steps(session, job);
    if (rv == APR_SUCCESS) {
        *sent = 1;
        if (mod_scep_session_query(session, "COMMIT"))
            rv = APR_EGENERAL;
    } else if (mod_scep_session_query(session, "ROLLBACK") &&
               rv == APR_EMISMATCH) {
        /* the connection is gone, and the transaction with it; but what was
         * counted was */
        session->error = 0;
        mod_scep_session_forget(session->dbd);
    }
    return rv;
}

static apr_status_t attempt(scep_session_t *session, scep_job_t *job,
                            int *sent)
{
    scep_guard_t *guard = job->database->link->guard;
    scep_watch_t watch;
    apr_status_t rv;

    *sent = 0;
    mod_scep_guard_enter(guard, &watch, session->dbd->driver,
                         session->dbd->handle);
    rv = mod_scep_session_prepare(session, job, job->p);
    job->refused = rv != APR_SUCCESS && !session->error;
    if (rv == APR_SUCCESS && job->transaction) {
        rv = transact(session, job, sent);
    } else if (rv == APR_SUCCESS) {
        *sent = 1;
        rv = mod_scep_session_execute(session, job->steps, job->rows, job->p);
    }
    mod_scep_guard_leave(guard, &watch);
    if (rv != APR_SUCCESS && rv != APR_EMISMATCH)
        mod_scep_session_forget(session->dbd);
    return rv;
}

static apr_status_t run_on(ap_dbd_t *dbd, scep_job_t *job)
{
    scep_session_t *session = mod_scep_session_of(job->database, dbd);
    scep_link_t *link = job->database->link;
    apr_time_t begun = apr_time_now();
    int sent;
    apr_status_t rv = attempt(session, job, &sent);

    /* Dead since it was last used, or without the statements that it knew:
     * a fresh one does it. */
    if (rv != APR_SUCCESS && rv != APR_EMISMATCH && !job->refused &&
        (job->again == SCEP_DATABASE_AGAIN || !sent) &&
        apr_time_now() - begun < SCEP_DATABASE_SLOW &&
        apr_dbd_check_conn(dbd->driver, job->p, dbd->handle) == APR_SUCCESS)
        rv = attempt(session, job, &sent);
    if (rv == APR_SUCCESS || rv == APR_EMISMATCH) {
        /* of SQLite one knows when it can be written to */
        if (link->pgsql)
            mod_scep_database_tell(link, NULL);
    } else if (!job->refused)
        mod_scep_database_tell(link, mod_scep_session_error(session, job->p));
    return rv;
}

/* While it is down, only one thread at a time finds out whether it still
 * is. */
static int may_try(_Atomic apr_time_t *pause)
{
    apr_time_t until = atomic_load(pause), now = apr_time_now();

    return until == 0 ||
           (now >= until &&
            atomic_compare_exchange_strong(pause, &until, now + PROBE));
}

/* Connections keep a file that was removed: what they wrote would be gone. */
static int is_gone(const scep_link_t *link)
{
    apr_uint64_t inode = atomic_load(&link->inode);

    return inode && mod_scep_database_inode(link) != inode;
}

apr_uint64_t mod_scep_database_inode(const scep_link_t *link)
{
    struct stat info;

    return stat(link->file, &info)
               ? 0
               : (apr_uint64_t)info.st_ino + ((apr_uint64_t)info.st_dev << 40);
}

static int writes(const scep_job_t *job)
{
    return job->transaction ||
           strncmp(job->database->setup->statements[job->steps->statement],
                   "SELECT", 6) != 0;
}

/* SQLite's tables are made, where they are not there, by who writes: threads
 * that all try get into each other's way.  This writes nothing else. */
static apr_status_t make_ready(scep_job_t *job)
{
    scep_job_t nothing = { .database = job->database,
                           .transaction = 1,
                           .p = job->p };
    apr_status_t rv = mod_scep_queue_run(job->database->link, &nothing);

    job->refused = nothing.refused;
    job->unreached = nothing.unreached;
    return rv;
}

/* By a connection of this thread's own. */
static apr_status_t run_here(scep_job_t *job)
{
    scep_link_t *link = job->database->link;
    apr_status_t rv = APR_SUCCESS;
    ap_dbd_t *dbd;

    if (!link->pgsql && !atomic_load(&job->database->ready))
        rv = make_ready(job);
    if (rv != APR_SUCCESS)
        return rv; /* and it has been said why */
    dbd = link->open(job->p, ap_server_conf);
    if (!dbd) {
        mod_scep_database_tell(link, SCEP_DATABASE_NO_CONNECTION);
        job->unreached = 1;
        return APR_EGENERAL;
    }
    rv = run_on(dbd, job);
    link->close(ap_server_conf, dbd);
    return rv;
}

static apr_status_t run_held(scep_job_t *job)
{
    scep_link_t *link = job->database->link;
    int queue = !link->pgsql && writes(job);
    /* SQLite can be read while somebody else keeps on writing */
    _Atomic apr_time_t *pause = queue ? &link->write_pause : &link->pause;
    apr_time_t begun = apr_time_now();
    apr_status_t rv;

    if (is_gone(link)) {
        mod_scep_database_tell(link, "its file was removed or replaced");
        return APR_EGENERAL;
    }
    if (!may_try(pause))
        return APR_EGENERAL;
    rv = queue ? mod_scep_queue_run(link, job) : run_here(job);
    if (rv == APR_SUCCESS || rv == APR_EMISMATCH || job->refused)
        atomic_store(pause, 0);
    else if (job->unreached || apr_time_now() - begun > SCEP_DATABASE_SLOW ||
             atomic_load(pause))
        atomic_store(pause, apr_time_now() + PAUSE);
    return rv;
}

/* Who ends with a connection of mod_dbd's in hand, or at the head of the
 * queue, takes others of the process along. */
static apr_status_t run(scep_job_t *job)
{
    sigset_t before;
    apr_status_t rv;

    mod_scep_child_hold(&before);
    rv = run_held(job);
    mod_scep_child_release(&before);
    return rv;
}

apr_status_t mod_scep_database_query(scep_database_t *database, int statement,
                                     const char *const *args,
                                     scep_again_t again, int *changed,
                                     apr_pool_t *p)
{
    scep_step_t step = { statement, args, SCEP_DATABASE_ANY, 0 };
    scep_job_t job = { .database = database,
                       .steps = &step,
                       .count = 1,
                       .again = again,
                       .p = p };
    apr_status_t rv = run(&job);

    if (rv == APR_SUCCESS)
        *changed = step.changed;
    return rv;
}

apr_status_t mod_scep_database_select(scep_database_t *database, int statement,
                                      const char *const *args,
                                      scep_again_t again,
                                      apr_array_header_t **rows, apr_pool_t *p)
{
    scep_step_t step = { statement, args, SCEP_DATABASE_ANY, 0 };
    scep_job_t job = { .database = database,
                       .steps = &step,
                       .count = 1,
                       .again = again,
                       .rows = rows,
                       .p = p };

    return run(&job);
}

apr_status_t mod_scep_database_transact(scep_database_t *database,
                                        scep_step_t *steps, int count,
                                        scep_again_t again, apr_pool_t *p)
{
    scep_job_t job = { .database = database,
                       .steps = steps,
                       .count = count,
                       .transaction = 1,
                       .again = again,
                       .p = p };

    return run(&job);
}
