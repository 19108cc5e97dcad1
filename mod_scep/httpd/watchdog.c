/* watchdog.c - periodic work by mod_watchdog
 * SPDX-License-Identifier: Apache-2.0
 */
#include "watchdog.h"

#include <apr_optional.h>
#include <mod_watchdog.h>

#include <stdatomic.h>

#include "conf.h"
#include "counters.h"
#include "retention.h"
#include "revocation_job.h"
#include "seal_job.h"
#include "work.h"

/* Each has a thread of its own: services that verifiers talk to may be slow,
 * and what is to be durable must not wait for them. */
#define STORE_WATCHDOG "_mod_scep_"
#define VERIFIER_WATCHDOG "_mod_scep_verifiers_"
#define RETENTION_WATCHDOG "_mod_scep_retention_"
#define SEAL_WATCHDOG "_mod_scep_seals_"
#define ENROLMENT_WATCHDOG "_mod_scep_enrolments_"
#define REVOCATION_WATCHDOG "_mod_scep_revocations_"

/* One of them. */
typedef struct task_t {
    const char *name;
    ap_watchdog_callback_fn_t *run;
    void *baton; /**< NULL: there is nothing to do */
} task_t;

/* Of this process: tasks under way, and that it ends. */
static atomic_int running;
static atomic_int ending;

static apr_status_t run_task(int state, void *taskv, apr_pool_t *p)
{
    const task_t *task = taskv;
    apr_status_t rv = APR_SUCCESS;

    atomic_fetch_add(&running, 1);
    if (!atomic_load(&ending))
        rv = task->run(state, task->baton, p);
    atomic_fetch_sub(&running, 1);
    return rv;
}

static apr_status_t end_tasks(void *unused)
{
    (void)unused;
    atomic_store(&ending, 1);
    while (atomic_load(&running))
        apr_sleep(1000);
    return APR_SUCCESS;
}

void mod_scep_watchdog_child_init(apr_pool_t *p)
{
    apr_pool_pre_cleanup_register(p, NULL, end_tasks);
}

static apr_status_t maintain_verifiers(int state, void *sv, apr_pool_t *p)
{
    server_rec *s = sv;
    const scep_conf_t *conf = mod_scep_conf_get(s);

    if (state != AP_WATCHDOG_STATE_RUNNING)
        return APR_SUCCESS;
    for (int i = 0; i < conf->profiles->nelts; i++) {
        const apr_array_header_t *verifiers =
            APR_ARRAY_IDX(conf->profiles, i, scep_profile_t *)->verifiers;

        for (int j = 0; j < verifiers->nelts; j++) {
            const scep_verifier_t *verifier =
                &APR_ARRAY_IDX(verifiers, j, scep_verifier_t);

            if (verifier->provider->maintain) {
                verifier->provider->maintain(verifier->data, s, apr_time_now(),
                                             p);
            }
        }
    }
    return APR_SUCCESS;
}

static apr_status_t maintain_store(int state, void *sv, apr_pool_t *p)
{
    server_rec *s = sv;
    const scep_conf_t *conf = mod_scep_conf_get(s);
    apr_status_t rv;

    if (state != AP_WATCHDOG_STATE_RUNNING)
        return APR_SUCCESS;
    rv = conf->store_provider->maintain(conf->store, apr_time_now(), p);
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_ERR, rv, s,
                     SCEPLOGNO(0030) "challenge store %s: changes cannot be "
                                     "made durable",
                     conf->store_name);
    }
    mod_scep_counters_maintain(s);
    return APR_SUCCESS;
}

static apr_status_t maintain_enrolments(int state, void *sv, apr_pool_t *p)
{
    if (state == AP_WATCHDOG_STATE_RUNNING)
        mod_scep_work_maintain(sv, p);
    return APR_SUCCESS;
}

apr_status_t mod_scep_watchdog_start(server_rec *s, apr_pool_t *pconf)
{
    const task_t list[] = { { STORE_WATCHDOG, maintain_store, s },
                            { VERIFIER_WATCHDOG, maintain_verifiers, s },
                            { ENROLMENT_WATCHDOG, maintain_enrolments,
                              mod_scep_conf_get(s)->ledger ? s : NULL },
                            { SEAL_WATCHDOG, mod_scep_seal_job_run, NULL },
                            { REVOCATION_WATCHDOG, mod_scep_revocation_job_run,
                              NULL },
                            { RETENTION_WATCHDOG, mod_scep_retention_run,
                              mod_scep_conf_get(s)->retention ? s : NULL } };
    task_t *tasks = apr_pmemdup(pconf, list, sizeof(list));
    APR_OPTIONAL_FN_TYPE(ap_watchdog_get_instance) *get =
        APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_get_instance);
    APR_OPTIONAL_FN_TYPE(ap_watchdog_register_callback) *add =
        APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_register_callback);
    scep_seal_job_t *seal_job;
    scep_revocation_job_t *revocation_job;
    ap_watchdog_t *watchdog;
    apr_status_t rv = mod_scep_seal_job_open(&seal_job, s, pconf);

    if (!get || !add) {
        ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_ERR, 0, s,
                     SCEPLOGNO(0031) "mod_watchdog is needed: load it");
        return APR_ENOTIMPL;
    }
    tasks[3].baton = seal_job;
    if (rv == APR_SUCCESS)
        rv = mod_scep_revocation_job_open(&revocation_job, s, pconf);
    if (rv == APR_SUCCESS)
        tasks[4].baton = revocation_job;
    for (size_t i = 0; rv == APR_SUCCESS && i < sizeof(list) / sizeof(*list);
         i++) {
        if (!tasks[i].baton)
            continue;
        rv = get(&watchdog, tasks[i].name, 0, 1, pconf);
        if (rv == APR_SUCCESS)
            rv = add(watchdog, apr_time_from_sec(1), &tasks[i], run_task);
    }
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_ERR, rv, s,
                     SCEPLOGNO(0032) "cannot register with mod_watchdog");
    }
    return rv;
}
