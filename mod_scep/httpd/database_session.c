/* database_session.c - what is prepared on a connection of mod_dbd
 * SPDX-License-Identifier: Apache-2.0
 *
 * mod_dbd's own prepared statements do not do: it prepares them when it
 * connects, before the tables are made, and PostgreSQL's driver forgets them
 * when it reconnects.  So they are prepared here, and all that were prepared
 * on a connection are dropped when one of them fails there.
 */
#include "database_private.h"

#include <apr_hash.h>
#include <apr_lib.h>
#include <apr_strings.h>

#define SESSIONS_KEY "mod_scep"

const char *mod_scep_session_error(scep_session_t *session, apr_pool_t *p)
{
    const char *text = session->said;
    char *line, *end;

    if (!text) {
        text = apr_dbd_error(session->dbd->driver, session->dbd->handle,
                             session->error);
    }
    line = apr_pstrdup(p, text ? text : "unknown error");
    end = line + strlen(line);
    while (end > line && apr_isspace(end[-1]))
        *--end = '\0';
    return ap_escape_logitem(p, line);
}

void mod_scep_session_keep_error(scep_session_t *session, apr_pool_t *p)
{
    if (!session->said)
        session->said = mod_scep_session_error(session, p);
}

int mod_scep_session_query(scep_session_t *session, const char *text)
{
    int changed = 0;

    session->error = apr_dbd_query(session->dbd->driver, session->dbd->handle,
                                   &changed, text);
    return session->error;
}

void mod_scep_session_undo(scep_session_t *session, apr_pool_t *p)
{
    int error = session->error;

    mod_scep_session_keep_error(session, p);
    mod_scep_session_query(session, "ROLLBACK");
    session->error = error;
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

scep_session_t *mod_scep_session_of(const scep_database_t *database,
                                    ap_dbd_t *dbd)
{
    const scep_database_setup_t *setup = database->setup;
    scep_session_t *first =
        apr_hash_get(dbd->prepared, SESSIONS_KEY, APR_HASH_KEY_STRING);
    scep_session_t *session = first;

    while (session && strcmp(session->owner, setup->name))
        session = session->next;
    if (!session) {
        session = apr_pcalloc(dbd->pool, sizeof(*session));
        session->next = first;
        session->owner = apr_pstrdup(dbd->pool, setup->name);
        session->count = setup->count;
        session->statements =
            apr_pcalloc(dbd->pool,
                        sizeof(*session->statements) * (size_t)setup->count);
        apr_hash_set(dbd->prepared, SESSIONS_KEY, APR_HASH_KEY_STRING,
                     session);
    }
    session->dbd = dbd;
    session->error = 0;
    session->said = NULL;
    return session;
}

void mod_scep_session_forget(ap_dbd_t *dbd)
{
    scep_session_t *session =
        apr_hash_get(dbd->prepared, SESSIONS_KEY, APR_HASH_KEY_STRING);

    for (; session; session = session->next) {
        session->looked = 0;
        session->begin = session->commit = NULL;
        memset(session->statements, 0,
               sizeof(*session->statements) * (size_t)session->count);
    }
}

static int prepare_one(scep_session_t *session, const char *text,
                       apr_dbd_prepared_t **made)
{
    if (*made)
        return 0;
    /* A name of before may still be known there. */
    session->error =
        apr_dbd_prepare(session->dbd->driver, session->dbd->pool,
                        session->dbd->handle, text,
                        apr_psprintf(session->dbd->pool, "scep_%s_%u",
                                     session->owner, ++session->names),
                        made);
    if (session->error)
        *made = NULL;
    return session->error;
}

static int run_prepared(scep_session_t *session, const char *text,
                        apr_dbd_prepared_t **made, apr_pool_t *p)
{
    int changed = 0;

    if (prepare_one(session, text, made))
        return session->error;
    session->error =
        apr_dbd_pquery(session->dbd->driver, p, session->dbd->handle, &changed,
                       *made, 0, NULL);
    return session->error;
}

int mod_scep_session_begin(scep_session_t *session, apr_pool_t *p)
{
    return run_prepared(session, "BEGIN IMMEDIATE", &session->begin, p);
}

int mod_scep_session_commit(scep_session_t *session, apr_pool_t *p)
{
    return run_prepared(session, "COMMIT", &session->commit, p);
}

apr_status_t mod_scep_session_prepare(scep_session_t *session,
                                      const scep_job_t *job, apr_pool_t *p)
{
    const scep_database_setup_t *setup = job->database->setup;

    session->error = 0;
    session->said = NULL;
    if (!session->looked) {
        apr_status_t rv = setup->look(setup->baton, session, p);
        if (rv != APR_SUCCESS)
            return rv;
        session->looked = 1;
    }
    for (int i = 0; i < job->count; i++)
        if (prepare_one(session, setup->statements[job->steps[i].statement],
                        &session->statements[job->steps[i].statement]))
            return APR_EGENERAL;
    return APR_SUCCESS;
}

apr_status_t mod_scep_session_execute(scep_session_t *session,
                                      scep_step_t *step,
                                      apr_array_header_t **rows, apr_pool_t *p)
{
    apr_dbd_prepared_t *prepared = session->statements[step->statement];
    const char *args[SCEP_DATABASE_ARGS];
    apr_dbd_results_t *results = NULL;
    int count = 0;

    while (step->args[count]) {
        args[count] = step->args[count];
        count++;
    }
    if (!rows) {
        session->error =
            apr_dbd_pquery(session->dbd->driver, p, session->dbd->handle,
                           &step->changed, prepared, count, args);
    } else {
        session->error =
            apr_dbd_pselect(session->dbd->driver, p, session->dbd->handle,
                            &results, prepared, 1, count, args);
        if (!session->error)
            *rows = rows_of(session, results, p);
    }
    return session->error ? APR_EGENERAL : APR_SUCCESS;
}

apr_status_t mod_scep_session_steps(scep_session_t *session,
                                    const scep_job_t *job)
{
    for (int i = 0; i < job->count; i++) {
        scep_step_t *step = &job->steps[i];

        if (mod_scep_session_execute(session, step, job->rows, job->p) !=
            APR_SUCCESS) {
            /* what follows would make the driver forget it */
            mod_scep_session_keep_error(session, job->p);
            return APR_EGENERAL;
        }
        if (step->expected != SCEP_DATABASE_ANY &&
            step->changed != step->expected)
            return APR_EMISMATCH;
    }
    return APR_SUCCESS;
}
