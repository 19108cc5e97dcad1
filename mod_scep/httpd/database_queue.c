/* database_queue.c - SQLite's one writer: many transactions in one
 * SPDX-License-Identifier: Apache-2.0
 *
 * Who comes to the head of the queue writes for all who stand in it, and the
 * COMMIT, with its wait for the disk, is one.  Where the rows of one are not
 * as it expected, which is seldom, all is rolled back and done again with a
 * savepoint for each, so that it does not take the others along; savepoints
 * for nothing would cost more than what they guard.  Between processes the
 * mutex decides whose turn it is: in SQLite's own busy handler they would
 * sleep and spin.
 *
 * The writer keeps its connection, and with it SQLite's cache of pages.
 */
#include "database_private.h"

#include <http_main.h>

/* Most jobs of one COMMIT. */
#define TOGETHER 64

/* How long the first one waits for others that are likely to come. */
#define GATHER apr_time_from_msec(2)

/* Where other processes took so long, somebody else has SQLite's lock. */
#define PATIENCE apr_time_from_sec(5)

/* @return APR_SUCCESS, whatever became of the job; else what is left of the
 *         transaction is not known */
static apr_status_t write_guarded(scep_session_t *session, scep_job_t *job)
{
    if (mod_scep_session_query(session, "SAVEPOINT scep"))
        return APR_EGENERAL;
    job->rv = mod_scep_session_steps(session, job);
    /* SQLite may have rolled back everything, and then this fails, too */
    if (job->rv != APR_SUCCESS &&
        mod_scep_session_query(session, "ROLLBACK TO scep"))
        return APR_EGENERAL;
    return mod_scep_session_query(session, "RELEASE scep") ? APR_EGENERAL
                                                           : APR_SUCCESS;
}

/* Nothing is written. */
static apr_status_t give_up(scep_session_t *session, scep_job_t *const *jobs,
                            int count)
{
    mod_scep_session_undo(session, jobs[0]->p);
    for (int i = 0; i < count; i++)
        if (!jobs[i]->refused)
            jobs[i]->rv = APR_EGENERAL;
    return APR_EGENERAL;
}

/* The tables are there, in this very file. */
static void make_known(scep_database_t *database)
{
    scep_link_t *link = database->link;

    if (!atomic_load(&link->inode))
        atomic_store(&link->inode, mod_scep_database_inode(link));
    atomic_store(&database->ready, 1);
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
        if (job->rv == APR_SUCCESS && !atomic_load(&job->database->ready))
            make_known(job->database);
    }
    return failed;
}

/*
 * Writes what can be written.
 * @param guard  a job that does not go is left out; else nothing is written
 *               then
 * @param failed  set to the session of what failed, or NULL
 * @return APR_EMISMATCH: nothing is written, the rows of one were not as it
 *         expected
 */
static apr_status_t write_all(ap_dbd_t *dbd, scep_job_t *const *jobs,
                              int count, int guard, scep_session_t **failed)
{
    scep_session_t *session = mod_scep_session_of(jobs[0]->database, dbd);
    apr_status_t rv = APR_SUCCESS;

    *failed = prepare_all(dbd, jobs, count);
    if (*failed && !guard)
        return give_up(*failed, jobs, count);
    if (mod_scep_session_begin(session, jobs[0]->p)) {
        *failed = session;
        return give_up(session, jobs, count);
    }
    for (int i = 0; i < count && rv == APR_SUCCESS; i++) {
        if (jobs[i]->rv != APR_SUCCESS)
            continue;
        session = mod_scep_session_of(jobs[i]->database, dbd);
        if (guard)
            rv = write_guarded(session, jobs[i]);
        else
            rv = jobs[i]->rv = mod_scep_session_steps(session, jobs[i]);
        if (rv == APR_EGENERAL || jobs[i]->rv == APR_EGENERAL)
            *failed = session;
    }
    if (rv == APR_SUCCESS && mod_scep_session_commit(session, jobs[0]->p)) {
        rv = APR_EGENERAL;
        session->said = NULL;
        *failed = session;
    }
    if (rv != APR_SUCCESS)
        give_up(session, jobs, count);
    return rv;
}

/* Whether look has not refused everything. */
static int any_done(scep_job_t *const *jobs, int count)
{
    for (int i = 0; i < count; i++)
        if (!jobs[i]->refused)
            return 1;
    return 0;
}

static void drop_writer(scep_link_t *link)
{
    if (link->writer)
        link->close(ap_server_conf, link->writer);
    link->writer = NULL;
}

static void not_written(scep_link_t *link, scep_job_t *const *jobs, int count,
                        const char *why)
{
    for (int i = 0; i < count; i++) {
        jobs[i]->rv = APR_EGENERAL;
        jobs[i]->unreached = 1;
    }
    mod_scep_database_tell(link, why);
}

static void write_jobs(scep_link_t *link, scep_job_t *const *jobs, int count)
{
    apr_time_t begun = apr_time_now();
    scep_session_t *failed;

    if (!link->writer)
        link->writer = link->open(jobs[0]->p, ap_server_conf);
    if (!link->writer) {
        not_written(link, jobs, count, SCEP_DATABASE_NO_CONNECTION);
        return;
    }
    /* SQLite loses no answers: what has failed is not written.  It may go
     * the second time, where somebody has changed the tables since the
     * statements were prepared. */
    if (write_all(link->writer, jobs, count, 0, &failed) != APR_SUCCESS) {
        if (failed)
            mod_scep_session_forget(link->writer);
        if (apr_time_now() - begun < SCEP_DATABASE_SLOW)
            write_all(link->writer, jobs, count, 1, &failed);
    }
    if (!failed) {
        if (any_done(jobs, count))
            mod_scep_database_tell(link, NULL);
        return;
    }
    mod_scep_database_tell(link, mod_scep_session_error(failed, jobs[0]->p));
    mod_scep_session_forget(link->writer);
    drop_writer(link);
}

/* Before the child's pools go: mod_dbd wants its connections back. */
static apr_status_t end_writer(void *linkv)
{
    scep_link_t *link = linkv;

    apr_thread_mutex_lock(link->lock);
    link->ending = 1;
    if (!link->first)
        drop_writer(link);
    apr_thread_mutex_unlock(link->lock);
    return APR_SUCCESS;
}

apr_status_t mod_scep_queue_child_init(scep_link_t *link, apr_pool_t *p)
{
    apr_status_t rv =
        apr_proc_mutex_child_init(&link->turn,
                                  apr_proc_mutex_lockfile(link->turn), p);

    if (rv == APR_SUCCESS)
        rv = apr_thread_mutex_create(&link->lock, APR_THREAD_MUTEX_DEFAULT, p);
    if (rv == APR_SUCCESS)
        rv = apr_thread_cond_create(&link->enough, p);
    if (rv == APR_SUCCESS)
        apr_pool_pre_cleanup_register(p, link, end_writer);
    return rv;
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
    link->waiting -= count;
    link->together = count;
    if (!link->first)
        link->last = &link->first;
    for (int i = 0; i < count; i++) {
        jobs[i]->done = 1;
        if (i > 0)
            apr_thread_cond_signal(jobs[i]->turn);
    }
    if (link->first)
        apr_thread_cond_signal(link->first->turn);
    else if (link->ending)
        drop_writer(link);
}

/* With the lock held: where many came together the last time, they are about
 * to do so again, and a little patience saves them waits for the disk. */
static void gather(scep_link_t *link)
{
    const apr_time_t end = apr_time_now() + GATHER;
    apr_interval_time_t left = GATHER;

    while (link->waiting < link->together && left > 0) {
        apr_thread_cond_timedwait(link->enough, link->lock, left);
        left = end - apr_time_now();
    }
}

/* With the lock held, at the head of the queue. */
static void lead(scep_link_t *link, scep_job_t *job)
{
    apr_time_t begun = apr_time_now();
    scep_job_t *jobs[TOGETHER];
    apr_status_t rv;
    int count;

    gather(link);
    apr_thread_mutex_unlock(link->lock);
    /* Without its turn it is only slower: SQLite has a lock, too. */
    rv = apr_proc_mutex_lock(link->turn);
    apr_thread_mutex_lock(link->lock);
    count = take_jobs(job, jobs);
    apr_thread_mutex_unlock(link->lock);
    if (apr_time_now() - begun < PATIENCE)
        write_jobs(link, jobs, count);
    else
        not_written(link, jobs, count, "other processes wait for it, too");
    if (rv == APR_SUCCESS)
        apr_proc_mutex_unlock(link->turn);
    apr_thread_mutex_lock(link->lock);
    leave(link, jobs, count);
}

apr_status_t mod_scep_queue_run(scep_link_t *link, scep_job_t *job)
{
    apr_status_t rv = apr_thread_cond_create(&job->turn, job->p);

    if (rv != APR_SUCCESS)
        return rv;
    apr_thread_mutex_lock(link->lock);
    *link->last = job;
    link->last = &job->next;
    if (++link->waiting == link->together)
        apr_thread_cond_signal(link->enough);
    while (!job->done && link->first != job)
        apr_thread_cond_wait(job->turn, link->lock);
    if (!job->done)
        lead(link, job);
    apr_thread_mutex_unlock(link->lock);
    apr_thread_cond_destroy(job->turn);
    return job->rv;
}
