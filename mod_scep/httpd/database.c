/* database.c - statements on the connections of mod_dbd
 * SPDX-License-Identifier: Apache-2.0
 *
 * mod_dbd's own prepared statements do not do: it prepares them when it
 * connects, before the tables are made, and PostgreSQL's driver forgets them
 * when it reconnects.  So they are prepared here, and all that were prepared
 * on a connection are dropped when one of them fails there.
 */
#include "database.h"

#include <apr_hash.h>
#include <apr_lib.h>
#include <apr_optional.h>
#include <apr_strings.h>
#include <http_main.h>
#include <mod_dbd.h>

#include <stdatomic.h>

#include "database_guard.h"

#define SESSION_KEY "mod_scep"

/* After a failure to connect, how long nobody tries again. */
#define PAUSE apr_time_from_sec(1)
/* No one try takes longer: see DBDParams in the manual. */
#define PROBE apr_time_from_sec(30)
/* What took longer is not tried again at once. */
#define SLOW apr_time_from_sec(2)

struct scep_database_t {
    const scep_database_setup_t *setup;
    APR_OPTIONAL_FN_TYPE(ap_dbd_open) * open;
    APR_OPTIONAL_FN_TYPE(ap_dbd_close) * close;
    scep_guard_t *guard;
    /** 0: it answers; else when somebody may try again */
    _Atomic apr_time_t pause;
    atomic_int troubled; /**< and the log says so */
};

/** What is prepared on one connection. */
struct scep_session_t {
    ap_dbd_t *dbd;
    int error;          /**< of the driver */
    int looked;         /**< at the tables */
    unsigned int names; /**< of prepared statements so far */
    apr_dbd_prepared_t **statements;
};

/* ------------------------------------------------------------------ */
/* Configuration                                                        */

const char *mod_scep_database_check(int *pgsql, int *bounded, apr_pool_t *p)
{
    const char *driver = NULL, *params = "";

    if (!APR_RETRIEVE_OPTIONAL_FN(ap_dbd_open) ||
        !APR_RETRIEVE_OPTIONAL_FN(ap_dbd_close))
        return "needs mod_dbd: load it";
    for (const ap_directive_t *d = ap_conftree; d; d = d->next)
        if (!strcasecmp(d->directive, "DBDriver"))
            driver = d->args;
        else if (!strcasecmp(d->directive, "DBDParams"))
            params = d->args;
    if (!driver) {
        return "needs DBDriver and DBDParams outside of any container: they "
               "say which database";
    }
    driver = ap_getword_conf(p, &driver);
    *pgsql = !strcmp(driver, "pgsql");
    *bounded = !*pgsql || strstr(params, "connect_timeout") != NULL;
    return *pgsql || !strcmp(driver, "sqlite3")
               ? NULL
               : apr_psprintf(p,
                              "works with DBDriver pgsql and sqlite3, not "
                              "with '%s'",
                              driver);
}

scep_database_t *mod_scep_database_create(const scep_database_setup_t *setup,
                                          apr_pool_t *pconf)
{
    scep_database_t *database = apr_pcalloc(pconf, sizeof(*database));

    database->setup = setup;
    database->open = APR_RETRIEVE_OPTIONAL_FN(ap_dbd_open);
    database->close = APR_RETRIEVE_OPTIONAL_FN(ap_dbd_close);
    database->guard = mod_scep_guard_create(pconf);
    return database;
}

apr_status_t mod_scep_database_open(scep_database_t *database, server_rec *s,
                                    apr_pool_t *pconf)
{
    return database->setup->pgsql
               ? mod_scep_guard_start(database->guard, s, pconf)
               : APR_SUCCESS;
}

apr_status_t mod_scep_database_child_init(scep_database_t *database,
                                          server_rec *s, apr_pool_t *p)
{
    return database->setup->pgsql
               ? mod_scep_guard_child_init(database->guard, s, p)
               : APR_SUCCESS;
}

/* ------------------------------------------------------------------ */
/* Sessions                                                             */

const char *mod_scep_session_error(scep_session_t *session, apr_pool_t *p)
{
    const char *text = apr_dbd_error(session->dbd->driver,
                                     session->dbd->handle, session->error);
    char *line = apr_pstrdup(p, text ? text : "unknown error");
    char *end = line + strlen(line);

    while (end > line && apr_isspace(end[-1]))
        *--end = '\0';
    return ap_escape_logitem(p, line);
}

int mod_scep_session_query(scep_session_t *session, const char *text)
{
    int changed = 0;

    session->error = apr_dbd_query(session->dbd->driver, session->dbd->handle,
                                   &changed, text);
    return session->error;
}

static apr_array_header_t *rows_of(scep_session_t *session,
                                   apr_dbd_results_t *results, apr_pool_t *p)
{
    const apr_dbd_driver_t *driver = session->dbd->driver;
    apr_array_header_t *rows = apr_array_make(p, 8, sizeof(char **));
    int columns = apr_dbd_num_cols(driver, results);
    apr_dbd_row_t *row = NULL; /* PostgreSQL's says which is the next */

    while (apr_dbd_get_row(driver, p, results, &row, -1) == 0) {
        const char **copy = apr_palloc(p, sizeof(*copy) * (size_t)columns);

        for (int i = 0; i < columns; i++) {
            const char *entry = apr_dbd_get_entry(driver, row, i);

            copy[i] = entry ? apr_pstrdup(p, entry) : "";
        }
        APR_ARRAY_PUSH(rows, const char **) = copy;
    }
    return rows;
}

apr_array_header_t *mod_scep_session_select(scep_session_t *session,
                                            const char *text, apr_pool_t *p)
{
    apr_dbd_results_t *results = NULL;

    session->error = apr_dbd_select(session->dbd->driver, p,
                                    session->dbd->handle, &results, text, 1);
    return session->error ? NULL : rows_of(session, results, p);
}

/* What was prepared on this connection, or none of it yet. */
static scep_session_t *session_of(scep_database_t *database, ap_dbd_t *dbd)
{
    scep_session_t *session =
        apr_hash_get(dbd->prepared, SESSION_KEY, APR_HASH_KEY_STRING);

    if (!session) {
        session = apr_pcalloc(dbd->pool, sizeof(*session));
        session->statements =
            apr_pcalloc(dbd->pool, sizeof(*session->statements) *
                                       (size_t)database->setup->count);
        apr_hash_set(dbd->prepared, SESSION_KEY, APR_HASH_KEY_STRING, session);
    }
    session->dbd = dbd;
    session->error = 0;
    return session;
}

static void forget(scep_database_t *database, scep_session_t *session)
{
    session->looked = 0;
    memset(session->statements, 0,
           sizeof(*session->statements) * (size_t)database->setup->count);
}

static apr_status_t prepare(scep_database_t *database, scep_session_t *session,
                            int statement, apr_pool_t *p)
{
    const scep_database_setup_t *setup = database->setup;
    apr_status_t rv;

    if (!session->looked) {
        rv = setup->look(setup->baton, session, p);
        if (rv != APR_SUCCESS)
            return rv;
        session->looked = 1;
    }
    if (session->statements[statement])
        return APR_SUCCESS;
    /* A name of before may still be known there. */
    session->error =
        apr_dbd_prepare(session->dbd->driver, session->dbd->pool,
                        session->dbd->handle, setup->statements[statement],
                        apr_psprintf(session->dbd->pool, "scep_%u",
                                     ++session->names),
                        &session->statements[statement]);
    if (session->error)
        session->statements[statement] = NULL;
    return session->error ? APR_EGENERAL : APR_SUCCESS;
}

/* ------------------------------------------------------------------ */
/* Jobs                                                                 */

/* One statement to run. */
typedef struct job_t {
    int statement;
    const char *const *args;
    scep_again_t again;
    int *changed;              /**< one of these two */
    apr_array_header_t **rows; /**< is not NULL */
    int refused;               /**< look did: it has said why */
} job_t;

static apr_status_t execute(scep_session_t *session, const job_t *job,
                            apr_pool_t *p)
{
    apr_dbd_prepared_t *prepared = session->statements[job->statement];
    const char *args[SCEP_DATABASE_ARGS];
    apr_dbd_results_t *results = NULL;
    int count = 0;

    while (job->args[count]) {
        args[count] = job->args[count];
        count++;
    }
    if (job->changed) {
        session->error =
            apr_dbd_pquery(session->dbd->driver, p, session->dbd->handle,
                           job->changed, prepared, count, args);
    } else {
        session->error =
            apr_dbd_pselect(session->dbd->driver, p, session->dbd->handle,
                            &results, prepared, 1, count, args);
        if (!session->error)
            *job->rows = rows_of(session, results, p);
    }
    return session->error ? APR_EGENERAL : APR_SUCCESS;
}

/* @param started  set if the statement itself may have run */
static apr_status_t attempt(scep_database_t *database, scep_session_t *session,
                            job_t *job, int *started, apr_pool_t *p)
{
    scep_watch_t watch;
    apr_status_t rv;

    mod_scep_guard_enter(database->guard, &watch, session->dbd->driver,
                         session->dbd->handle);
    rv = prepare(database, session, job->statement, p);
    job->refused = rv != APR_SUCCESS && !session->error;
    *started = rv == APR_SUCCESS;
    if (rv == APR_SUCCESS)
        rv = execute(session, job, p);
    mod_scep_guard_leave(database->guard, &watch);
    if (rv != APR_SUCCESS)
        forget(database, session);
    return rv;
}

/* Says once that it does not work, and once that it does again. */
static void tell(scep_database_t *database, const char *why)
{
    if (why && !atomic_exchange(&database->troubled, 1)) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, ap_server_conf,
                     SCEPLOGNO(0230) "the database does not work: %s; until "
                                     "it does nothing is issued or granted",
                     why);
    } else if (!why && atomic_load(&database->troubled) &&
               atomic_exchange(&database->troubled, 0)) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, ap_server_conf,
                     SCEPLOGNO(0231) "the database works again");
    }
}

static apr_status_t run_on(scep_database_t *database, ap_dbd_t *dbd,
                           job_t *job, apr_pool_t *p)
{
    scep_session_t *session = session_of(database, dbd);
    apr_time_t begun = apr_time_now();
    int started;
    apr_status_t rv = attempt(database, session, job, &started, p);

    /* Dead since it was last used, or without the statements that it knew:
     * a fresh one does it. */
    if (rv != APR_SUCCESS && !job->refused &&
        (job->again == SCEP_DATABASE_AGAIN || !started) &&
        apr_time_now() - begun < SLOW &&
        apr_dbd_check_conn(dbd->driver, p, dbd->handle) == APR_SUCCESS)
        rv = attempt(database, session, job, &started, p);
    if (rv == APR_SUCCESS)
        tell(database, NULL);
    else if (!job->refused)
        tell(database, mod_scep_session_error(session, p));
    return rv;
}

/* While it is down, only one thread at a time finds out whether it still
 * is. */
static int may_try(scep_database_t *database)
{
    apr_time_t pause = atomic_load(&database->pause), now = apr_time_now();

    return pause == 0 || (now >= pause &&
                          atomic_compare_exchange_strong(&database->pause,
                                                         &pause, now + PROBE));
}

static apr_status_t run(scep_database_t *database, job_t *job, apr_pool_t *p)
{
    apr_time_t begun = apr_time_now();
    apr_status_t rv = APR_EGENERAL;
    ap_dbd_t *dbd;

    if (!may_try(database))
        return rv;
    dbd = database->open(p, ap_server_conf);
    if (dbd) {
        rv = run_on(database, dbd, job, p);
        database->close(ap_server_conf, dbd);
    } else {
        tell(database, "no connection, see what mod_dbd says");
    }
    if (rv == APR_SUCCESS || job->refused)
        atomic_store(&database->pause, 0);
    else if (!dbd || apr_time_now() - begun > SLOW ||
             atomic_load(&database->pause))
        atomic_store(&database->pause, apr_time_now() + PAUSE);
    return rv;
}

apr_status_t mod_scep_database_query(scep_database_t *database, int statement,
                                     const char *const *args,
                                     scep_again_t again, int *changed,
                                     apr_pool_t *p)
{
    job_t job = { statement, args, again, changed, NULL, 0 };

    return run(database, &job, p);
}

apr_status_t mod_scep_database_select(scep_database_t *database, int statement,
                                      const char *const *args,
                                      scep_again_t again,
                                      apr_array_header_t **rows, apr_pool_t *p)
{
    job_t job = { statement, args, again, NULL, rows, 0 };

    return run(database, &job, p);
}
