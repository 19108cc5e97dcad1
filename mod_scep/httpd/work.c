/* work.c - accepted enrolments on their way, in this process
 * SPDX-License-Identifier: Apache-2.0
 */
#include "work.h"

#include <apr_strings.h>
#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>
#include <apr_thread_pool.h>
#include <openssl/rand.h>

#include "core/work_record.h"
#include "ledger.h"

/* Threads of a process that call CAs. */
#define THREADS_MAX 64
/* Of them, those that a watchdog may keep busy. */
#define DUE_MAX 16
/* Beside what the CA takes: how long a record is one's own. */
#define LEASE apr_time_from_sec(15)
/* When a record is looked at again that its configuration has left alone. */
#define ORPHAN_WAIT apr_time_from_sec(300)

/* The threads of a child. */
typedef struct workers_t {
    apr_thread_pool_t *threads;
    apr_thread_mutex_t *mutex; /**< over all that follows, and the jobs */
    apr_thread_cond_t *done;   /**< some job is */
    int busy;
} workers_t;

static workers_t *workers;

/* One record that a thread works on.  It belongs to its thread, unless a
 * device still waits when that is done. */
typedef struct job_t {
    apr_pool_t *p;
    scep_work_t work;
    scep_work_baton_t baton;
    int done;
    int awaited; /**< a device waits for it */
} job_t;

/* ------------------------------------------------------------------ */
/* Life                                                                 */

static apr_status_t end_threads(void *unused)
{
    (void)unused;
    if (workers)
        apr_thread_pool_destroy(workers->threads);
    workers = NULL;
    return APR_SUCCESS;
}

apr_status_t mod_scep_work_child_init(server_rec *s, apr_pool_t *p)
{
    workers_t *made = apr_pcalloc(p, sizeof(*made));
    apr_status_t rv;

    if (!mod_scep_conf_get(s)->ledger)
        return APR_SUCCESS;
    rv = apr_thread_mutex_create(&made->mutex, APR_THREAD_MUTEX_DEFAULT, p);
    if (rv == APR_SUCCESS)
        rv = apr_thread_cond_create(&made->done, p);
    if (rv == APR_SUCCESS)
        rv = apr_thread_pool_create(&made->threads, 0, THREADS_MAX, p);
    if (rv == APR_SUCCESS) {
        /* before anything that a thread may still use */
        apr_pool_pre_cleanup_register(p, NULL, end_threads);
        workers = made;
    }
    return rv;
}

int mod_scep_work_lease(const scep_profile_t *profile, scep_record_t *record,
                        apr_time_t now, apr_pool_t *p)
{
    apr_uint64_t random;

    if (RAND_bytes((unsigned char *)&random, sizeof(random)) != 1)
        return 0;
    record->token = apr_psprintf(p, "%016" APR_UINT64_T_HEX_FMT, random);
    record->lease = now + LEASE +
                    (profile->enrol.ca_signs_here
                         ? 0
                         : apr_time_from_sec(15) + profile->enrol.ca_longest);
    return 1;
}

/* ------------------------------------------------------------------ */
/* Jobs                                                                 */

static const char *or_dash(const char *text)
{
    return text && *text ? text : "-";
}

/* A refusal by the CA or by people is no fault; that nobody has decided may
 * be one. */
static int level_of(scep_reason_t reason)
{
    switch (reason) {
    case SCEP_REASON_CA_REJECTED:
    case SCEP_REASON_DISAPPROVED:
        return APLOG_INFO;
    case SCEP_REASON_EXPIRED:
        return APLOG_WARNING;
    default:
        return APLOG_ERR;
    }
}

/* What became of it while no device waited. */
static void log_outcome(const job_t *job)
{
    const scep_record_t *record = job->work.record;
    const char *subject = ap_escape_logitem(job->p, record->subject);
    const char *id = ap_escape_logitem(job->p, record->transaction_id);
    const char *detail = ap_escape_logitem(job->p, or_dash(record->detail));

    if (record->state == SCEP_STATE_ISSUED && job->work.certificate) {
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, job->baton.server,
                     SCEPLOGNO(0644) "certificate %s issued after PENDING: "
                                     "profile %s, CA %s, subject \"%s\", "
                                     "challenge %s, transaction \"%s\"",
                     record->serial, record->profile, record->ca, subject,
                     or_dash(record->verified_by), id);
    } else if (record->state > SCEP_STATE_ISSUED) {
        ap_log_error(APLOG_MARK, level_of(record->reason), 0,
                     job->baton.server,
                     SCEPLOGNO(0645) "no certificate after PENDING, %s: "
                                     "profile %s, CA %s, subject \"%s\", "
                                     "transaction \"%s\": %s",
                     scep_result_reason_name(record->reason), record->profile,
                     record->ca, subject, id, detail);
    } else {
        ap_log_error(APLOG_MARK, APLOG_DEBUG, 0, job->baton.server,
                     SCEPLOGNO(0649) "not decided yet: profile %s, CA %s, "
                                     "subject \"%s\", transaction \"%s\": %s",
                     record->profile, record->ca, subject, id, detail);
    }
}

/* What an administrator may have to look at, whether or not a device waits. */
static void log_loose_ends(const job_t *job)
{
    const scep_record_t *record = job->work.record;

    if (job->work.unrecorded) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, job->baton.server,
                     SCEPLOGNO(0647) "CA %s has issued certificate %s and the "
                                     "ledger did not take it; it is not "
                                     "delivered, and the CA will be asked "
                                     "again: enrolment %s",
                     record->ca,
                     scep_work_serial(job->work.unrecorded, job->p),
                     record->key);
    } else if (record->state == SCEP_STATE_UNKNOWN && job->work.asked) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, job->baton.server,
                     SCEPLOGNO(0646) "what became of a request at CA %s is "
                                     "not known: profile %s, subject \"%s\", "
                                     "transaction \"%s\", enrolment %s: %s",
                     record->ca, record->profile,
                     ap_escape_logitem(job->p, record->subject),
                     ap_escape_logitem(job->p, record->transaction_id),
                     record->key,
                     ap_escape_logitem(job->p, or_dash(record->detail)));
    }
}

static void *APR_THREAD_FUNC run_job(apr_thread_t *thread, void *jobv)
{
    job_t *job = jobv;
    workers_t *mine = workers;
    int awaited;

    (void)thread;
    scep_work_run(&job->work, job->p);
    log_loose_ends(job);
    apr_thread_mutex_lock(mine->mutex);
    mine->busy--;
    job->done = 1;
    awaited = job->awaited;
    if (awaited)
        apr_thread_cond_broadcast(mine->done);
    apr_thread_mutex_unlock(mine->mutex);
    if (!awaited) {
        log_outcome(job);
        apr_pool_destroy(job->p);
    }
    return NULL;
}

/* The grant as another process, or this one later, has it. */
static int thaw(job_t *job)
{
    const scep_record_t *record = job->work.record;
    const scep_profile_t *profile = job->baton.profile;

    for (int i = 0; i < profile->verifiers->nelts; i++) {
        const scep_verifier_t *verifier =
            &APR_ARRAY_IDX(profile->verifiers, i, scep_verifier_t);
        scep_grant_t *grant;

        if (strcmp(verifier->name, record->verifier))
            continue;
        grant = apr_pcalloc(job->p, sizeof(*grant));
        grant->verifier = verifier;
        if (*record->grant && verifier->provider->thaw)
            grant->token = verifier->provider->thaw(verifier->data,
                                                    record->grant, job->p);
        job->work.grant = grant;
        job->work.must_settle =
            verifier->provider->must_settle || *record->renews;
        return grant->token || !*record->grant;
    }
    return 0;
}

/* A job with a pool of its own; *record is copied. */
static job_t *make_job(server_rec *s, const scep_profile_t *profile,
                       const scep_record_t *record)
{
    apr_pool_t *p;
    job_t *job;

    if (apr_pool_create(&p, NULL) != APR_SUCCESS)
        return NULL;
    apr_pool_tag(p, "mod_scep job");
    job = apr_pcalloc(p, sizeof(*job));
    job->p = p;
    job->baton.server = s;
    job->baton.profile = profile;
    job->work.profile = &profile->enrol;
    job->work.ops = &mod_scep_work_ops_ledger;
    job->work.baton = &job->baton;
    job->work.alg = mod_scep_conf_get(s)->alg;
    job->work.record = scep_record_copy(record, p);
    return job;
}

/* Gives a job to a thread.  Zero: all are busy, and it is still the
 * caller's. */
static int start_job(job_t *job, int most)
{
    int started = 0;

    apr_thread_mutex_lock(workers->mutex);
    if (workers->busy < most) {
        workers->busy++;
        started = 1;
    }
    apr_thread_mutex_unlock(workers->mutex);
    if (!started)
        return 0;
    if (apr_thread_pool_push(workers->threads, run_job, job,
                             APR_THREAD_TASK_PRIORITY_NORMAL,
                             NULL) == APR_SUCCESS)
        return 1;
    apr_thread_mutex_lock(workers->mutex);
    workers->busy--;
    apr_thread_mutex_unlock(workers->mutex);
    return 0;
}

/* ------------------------------------------------------------------ */
/* For a device that waits                                              */

static apr_status_t free_certificate(void *certificate)
{
    X509_free(certificate);
    return APR_SUCCESS;
}

/* What a job that is done has to say, in the pool of the request. */
static void take_over(scep_work_t *work, const job_t *job, apr_pool_t *p)
{
    const scep_result_t *res = &job->work.res;

    *work->record = *scep_record_copy(job->work.record, p);
    work->res = *res;
    work->res.text = res->text; /* of a table */
    work->res.detail = res->detail ? apr_pstrdup(p, res->detail) : NULL;
    work->remark = job->work.remark ? apr_pstrdup(p, job->work.remark) : NULL;
    work->certificate = job->work.certificate;
    if (work->certificate && X509_up_ref(work->certificate)) {
        apr_pool_cleanup_register(p, work->certificate, free_certificate,
                                  apr_pool_cleanup_null);
    } else {
        work->certificate = NULL;
    }
}

/* @return whether it is done; if not, it no longer belongs to the caller */
static int await(job_t *job, apr_interval_time_t patience)
{
    apr_time_t until = apr_time_now() + patience, now;
    int done;

    apr_thread_mutex_lock(workers->mutex);
    while (!job->done && (now = apr_time_now()) < until)
        apr_thread_cond_timedwait(workers->done, workers->mutex, until - now);
    done = job->done;
    job->awaited = 0;
    apr_thread_mutex_unlock(workers->mutex);
    return done;
}

void mod_scep_work_run(server_rec *s, const scep_profile_t *profile,
                       scep_work_t *work, apr_pool_t *p)
{
    job_t *job;

    if (!workers || profile->enrol.ca_signs_here) {
        scep_work_run(work, p);
        return;
    }
    job = make_job(s, profile, work->record);
    if (job && thaw(job)) {
        job->awaited = 1;
        if (start_job(job, THREADS_MAX)) {
            if (await(job, profile->ca->patience)) {
                take_over(work, job, p);
                apr_pool_destroy(job->p);
            } else {
                scep_work_answer(work->record, NULL, &work->res, p);
            }
            return;
        }
    }
    if (job)
        apr_pool_destroy(job->p);
    work->defer = "too many requests wait for the CA";
    scep_work_run(work, p);
}

/* ------------------------------------------------------------------ */
/* For a watchdog                                                       */

static apr_status_t load_certificate(job_t *job)
{
    const scep_record_t *record = job->work.record;
    scep_certificate_t row;
    const unsigned char *der;
    apr_status_t rv;

    if (record->state != SCEP_STATE_ISSUED)
        return APR_SUCCESS;
    rv = mod_scep_ledger_certificate(
        mod_scep_conf_get(job->baton.server)->ledger, record->ca,
        record->serial, &row, job->p);
    if (rv != APR_SUCCESS)
        return rv;
    der = row.der;
    job->work.certificate = d2i_X509(NULL, &der, (long)row.der_len);
    if (!job->work.certificate)
        return APR_EGENERAL;
    apr_pool_cleanup_register(job->p, job->work.certificate, free_certificate,
                              apr_pool_cleanup_null);
    return APR_SUCCESS;
}

/* Nobody can go on with it as the configuration is now. */
static void leave_alone(server_rec *s, scep_record_t *record, apr_pool_t *p)
{
    const char *token = record->token;
    apr_time_t now = apr_time_now();

    ap_log_error(APLOG_MARK, APLOG_ERR, 0, s,
                 SCEPLOGNO(0648) "enrolment %s waits, and profile %s with "
                                 "verifier \"%s\" is not configured as it was "
                                 "when it came",
                 record->key, record->profile,
                 ap_escape_logitem(p, record->verifier));
    record->due = now + ORPHAN_WAIT;
    record->token = "";
    mod_scep_ledger_update(mod_scep_conf_get(s)->ledger, token, record, NULL,
                           scep_work_no_events(p), p);
}

/* @return zero where no more can be done now */
static int take_up(server_rec *s, const char *key, apr_pool_t *p)
{
    const scep_conf_t *conf = mod_scep_conf_get(s);
    const scep_profile_t *profile;
    scep_record_t record = { 0 }, wanted = { 0 };
    job_t *job;
    int lost;

    /* the longest lease that any profile needs: it is not known yet which */
    for (int i = 0; i < conf->profiles->nelts; i++) {
        apr_time_t before = wanted.lease;
        if (!mod_scep_work_lease(APR_ARRAY_IDX(conf->profiles, i,
                                               scep_profile_t *),
                                 &wanted, apr_time_now(), p))
            return 0;
        if (wanted.lease < before)
            wanted.lease = before;
    }
    if (mod_scep_ledger_take(conf->ledger, key, wanted.token, apr_time_now(),
                             wanted.lease, &record, p) != APR_SUCCESS)
        return 1;
    profile = mod_scep_conf_find_profile(conf, record.profile);
    if (!profile || strcmp(profile->ca->name, record.ca)) {
        leave_alone(s, &record, p);
        return 1;
    }
    job = make_job(s, profile, &record);
    if (!job)
        return 0;
    lost = !thaw(job) || load_certificate(job) != APR_SUCCESS;
    if (lost)
        leave_alone(s, &record, p);
    else if (start_job(job, DUE_MAX))
        return 1;
    apr_pool_destroy(job->p);
    return lost;
}

void mod_scep_work_maintain(server_rec *s, apr_pool_t *p)
{
    const scep_conf_t *conf = mod_scep_conf_get(s);
    apr_array_header_t *keys;
    apr_pool_t *turn;
    int free;

    if (!workers)
        return;
    apr_thread_mutex_lock(workers->mutex);
    free = DUE_MAX - workers->busy;
    apr_thread_mutex_unlock(workers->mutex);
    if (free <= 0 || mod_scep_ledger_due(conf->ledger, apr_time_now(), free,
                                         &keys, p) != APR_SUCCESS)
        return;
    apr_pool_create(&turn, p);
    for (int i = 0; i < keys->nelts; i++) {
        if (!take_up(s, APR_ARRAY_IDX(keys, i, const char *), turn))
            break;
        apr_pool_clear(turn);
    }
    apr_pool_destroy(turn);
}
