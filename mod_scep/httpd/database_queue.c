/* database_queue.c - SQLite's one writer: many transactions in one
 * SPDX-License-Identifier: Apache-2.0
 *
 * Who comes to the head of the queue writes for all who stand in it.  Each
 * has a savepoint, so that one whose rows are not as it expected does not
 * take the others along; the COMMIT, and with it the wait for the disk, is
 * one.  Between processes the mutex decides whose turn it is: in SQLite's own
 * busy handler they would sleep and spin.
 */
#include "database_private.h"

#include <http_main.h>

/* Most jobs of one COMMIT. */
#define TOGETHER 64

/* @return APR_EGENERAL: what is left of the transaction is not known */
static apr_status_t write_one(scep_session_t *session, scep_job_t *job)
{
    apr_status_t rv;

    if (mod_scep_session_query(session, "SAVEPOINT scep"))
        return APR_EGENERAL;
    rv = mod_scep_session_steps(session, job);
    if (rv == APR_SUCCESS)
        return mod_scep_session_query(session, "RELEASE scep") ? APR_EGENERAL
                                                               : APR_SUCCESS;
    job->rv = rv;
    /* SQLite may have rolled back everything, and then this fails, too */
    return mod_scep_session_query(session, "ROLLBACK TO scep") ||
                   mod_scep_session_query(session, "RELEASE scep")
               ? APR_EGENERAL
               : APR_SUCCESS;
}

static scep_session_t *give_up(scep_session_t *session,
                               scep_job_t *const *jobs, int count)
{
    mod_scep_session_undo(session, jobs[0]->p);
    for (int i = 0; i < count; i++)
        if (!jobs[i]->refused)
            jobs[i]->rv = APR_EGENERAL;
    return session;
}

/* @return the session of what failed, or NULL */
static scep_session_t *prepare_all(ap_dbd_t *dbd, scep_job_t *const *jobs,
                                   int count)
{
    scep_session_t *failed = NULL;

    for (int i = 0; i < count; i++) {
        scep_job_t *job = jobs[i];
        scep_session_t *session = mod_scep_session_of(job->database, dbd);

        job->rv = mod_scep_session_prepare(session, job, job->p);
        job->refused = job->rv != APR_SUCCESS && !session->error;
        if (job->rv != APR_SUCCESS && !job->refused) {
            mod_scep_session_keep_error(session, jobs[0]->p);
            failed = session;
        }
    }
    return failed;
}

/*
 * Writes what can be written.
 * @param leave_out  a job that fails is left out, where SQLite can do that;
 *                   else nothing is written then
 * @return the session of what failed, or NULL
 */
static scep_session_t *write_all(ap_dbd_t *dbd, scep_job_t *const *jobs,
                                 int count, int leave_out)
{
    scep_session_t *failed = prepare_all(dbd, jobs, count), *session;

    session = mod_scep_session_of(jobs[0]->database, dbd);
    if (failed && !leave_out)
        return give_up(failed, jobs, count);
    if (mod_scep_session_query(session, "BEGIN IMMEDIATE"))
        return give_up(session, jobs, count);
    for (int i = 0; i < count; i++) {
        if (jobs[i]->rv != APR_SUCCESS)
            continue;
        session = mod_scep_session_of(jobs[i]->database, dbd);
        if (write_one(session, jobs[i]) != APR_SUCCESS ||
            (jobs[i]->rv == APR_EGENERAL && !leave_out))
            return give_up(session, jobs, count);
        if (jobs[i]->rv == APR_EGENERAL)
            failed = session;
    }
    if (mod_scep_session_query(session, "COMMIT")) {
        session->said = NULL;
        return give_up(session, jobs, count);
    }
    return failed;
}

/* Whether look has not refused everything. */
static int any_done(scep_job_t *const *jobs, int count)
{
    for (int i = 0; i < count; i++)
        if (!jobs[i]->refused)
            return 1;
    return 0;
}

static void write_jobs(scep_link_t *link, scep_job_t *const *jobs, int count)
{
    apr_pool_t *p = jobs[0]->p;
    ap_dbd_t *dbd = link->open(p, ap_server_conf);
    apr_time_t begun = apr_time_now();
    scep_session_t *failed;

    if (!dbd) {
        for (int i = 0; i < count; i++) {
            jobs[i]->rv = APR_EGENERAL;
            jobs[i]->unreached = 1;
        }
        mod_scep_database_tell(link, SCEP_DATABASE_NO_CONNECTION);
        return;
    }
    failed = write_all(dbd, jobs, count, 0);
    if (failed) {
        /* statements of before somebody changed the tables, or one job that
         * does not go: SQLite loses no answers, nothing is written */
        mod_scep_session_forget(dbd);
        if (apr_time_now() - begun < SCEP_DATABASE_SLOW)
            failed = write_all(dbd, jobs, count, 1);
    }
    if (failed) {
        mod_scep_database_tell(link, mod_scep_session_error(failed, p));
        mod_scep_session_forget(dbd);
    } else if (any_done(jobs, count)) {
        mod_scep_database_tell(link, NULL);
    }
    link->close(ap_server_conf, dbd);
}

/* With the lock held: the first one of the queue and those behind it. */
static int take_jobs(scep_job_t *job, scep_job_t **jobs)
{
    int count = 0;

    do {
        jobs[count++] = job;
        job = job->next;
    } while (job && count < TOGETHER);
    return count;
}

/* With the lock held: what the jobs wait for has happened. */
static void leave(scep_link_t *link, scep_job_t *const *jobs, int count)
{
    link->first = jobs[count - 1]->next;
    if (!link->first)
        link->last = &link->first;
    for (int i = 0; i < count; i++) {
        jobs[i]->done = 1;
        if (i > 0)
            apr_thread_cond_signal(jobs[i]->turn);
    }
    if (link->first)
        apr_thread_cond_signal(link->first->turn);
}

apr_status_t mod_scep_queue_run(scep_link_t *link, scep_job_t *job)
{
    scep_job_t *jobs[TOGETHER];
    apr_status_t rv = apr_thread_cond_create(&job->turn, job->p);
    int count;

    if (rv != APR_SUCCESS)
        return rv;
    apr_thread_mutex_lock(link->lock);
    *link->last = job;
    link->last = &job->next;
    while (!job->done && link->first != job)
        apr_thread_cond_wait(job->turn, link->lock);
    apr_thread_mutex_unlock(link->lock);
    if (!job->done) {
        rv = apr_proc_mutex_lock(link->turn);
        apr_thread_mutex_lock(link->lock);
        count = take_jobs(job, jobs);
        apr_thread_mutex_unlock(link->lock);
        /* Without its turn it is only slower: SQLite has a lock, too. */
        write_jobs(link, jobs, count);
        if (rv == APR_SUCCESS)
            apr_proc_mutex_unlock(link->turn);
        apr_thread_mutex_lock(link->lock);
        leave(link, jobs, count);
        apr_thread_mutex_unlock(link->lock);
    }
    apr_thread_cond_destroy(job->turn);
    return job->rv;
}
