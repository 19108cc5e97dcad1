/* seal_job.c - upkeep of the audit trail: seals, and what it says by itself
 * SPDX-License-Identifier: Apache-2.0
 */
#include "seal_job.h"

#include <apr_network_io.h>
#include <apr_shm.h>
#include <apr_strings.h>
#include <mod_watchdog.h>
#include <openssl/err.h>
#include <openssl/rand.h>

#include <stdatomic.h>

#include "audit.h"
#include "conf.h"
#include "core/result.h"
#include "core/seal.h"
#include "ledger.h"
#include "loaded.h"
#include "refusals.h"

#define DUTY "seal"

/* Batches of one turn: after a long outage they are many. */
#define TURN_MAX 50

/* What one process of the server knows of the job. */
struct scep_seal_job_t {
    server_rec *server;
    const char *configuration; /**< its digest */
    atomic_int *told;          /**< of all processes: that it was loaded */
    char node[33];             /**< who this process is; "": not yet known */
    apr_time_t due;            /**< when seals are made again */
    int troubled;              /**< the last turn has failed */
};

apr_status_t mod_scep_seal_job_open(scep_seal_job_t **job, server_rec *s,
                                    apr_pool_t *pconf)
{
    scep_seal_job_t *made;
    apr_status_t rv;
    apr_shm_t *shm;

    *job = NULL;
    if (!mod_scep_audit_wanted(s))
        return APR_SUCCESS;
    made = apr_pcalloc(pconf, sizeof(*made));
    made->server = s;
    made->configuration = mod_scep_loaded_digest(pconf);
    rv = apr_shm_create(&shm, sizeof(*made->told), NULL, pconf);
    if (rv != APR_SUCCESS)
        return rv;
    made->told = apr_shm_baseaddr_get(shm);
    atomic_init(made->told, 0);
    *job = made;
    return APR_SUCCESS;
}

/* ------------------------------------------------------------------ */
/* What was configured                                                  */

/* The watchdog may go to another process: each configuration is told once. */
static void tell_configured(scep_seal_job_t *job, apr_pool_t *p)
{
    char host[APRMAXHOSTLEN + 1] = "";
    scep_event_t event = { .type = SCEP_EVENT_CONFIGURED,
                           .time = apr_time_now(),
                           .actor = "httpd" };

    if (apr_gethostname(host, sizeof(host), p) == APR_SUCCESS)
        event.address = host;
    event.detail = apr_psprintf(p, "mod_scep " SCEP_VERSION ", sha256:%s",
                                job->configuration);
    if (mod_scep_audit_write_one(job->server, &event, p) == APR_SUCCESS)
        atomic_store(job->told, 1);
}

/* ------------------------------------------------------------------ */
/* Seals                                                                */

/* Once that no seal is made, and once that they are again. */
static void tell(scep_seal_job_t *job, const char *why)
{
    if (why && !job->troubled) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, job->server,
                     SCEPLOGNO(0533) "events are not sealed: %s", why);
    } else if (!why && job->troubled) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, job->server,
                     SCEPLOGNO(0534) "events are sealed again");
    }
    job->troubled = why != NULL;
}

static const char *why_not(apr_status_t rv, const scep_seal_t *last,
                           apr_pool_t *p)
{
    return rv == APR_EINVAL
               ? apr_psprintf(p,
                              "seal %" APR_INT64_T_FMT ", which the next one "
                              "would follow, cannot be read",
                              last ? last->number : 0)
               : apr_pstrcat(p, "the RA's key does not sign: ",
                             scep_result_openssl_errors(p), NULL);
}

static apr_status_t seal_events(scep_seal_job_t *job,
                                const apr_array_header_t *events,
                                apr_pool_t *p)
{
    const scep_conf_t *conf = mod_scep_conf_get(job->server);
    const scep_ra_pair_t *ra =
        &APR_ARRAY_IDX(conf->profiles, 0, scep_profile_t *)->ra.sign;
    apr_array_header_t *last, *numbers;
    const scep_seal_t *before;
    scep_seal_t seal;
    apr_status_t rv = mod_scep_ledger_seals(conf->ledger, 0, -1, &last, p);

    if (rv != APR_SUCCESS)
        return rv;
    before = last->nelts ? &APR_ARRAY_IDX(last, 0, scep_seal_t) : NULL;
    ERR_clear_error();
    rv = scep_seal_make(&seal, before, events, apr_time_now(), ra->cert,
                        ra->key, p);
    tell(job, rv == APR_SUCCESS ? NULL : why_not(rv, before, p));
    if (rv != APR_SUCCESS)
        return rv;
    numbers = apr_array_make(p, events->nelts, sizeof(apr_int64_t));
    for (int i = 0; i < events->nelts; i++) {
        APR_ARRAY_PUSH(numbers, apr_int64_t) =
            APR_ARRAY_IDX(events, i, scep_sealed_event_t).number;
    }
    /* another node may have been quicker: the next turn sees what it left */
    return mod_scep_ledger_seal(conf->ledger, &seal, numbers, p);
}

/* One batch.  @param more  set to whether there may be another one */
static void seal_batch(scep_seal_job_t *job, int *more, apr_pool_t *p)
{
    const scep_conf_t *conf = mod_scep_conf_get(job->server);
    const scep_ledger_filter_t unsealed = {
        .state = -1, .seal = 0, .ascending = 1, .limit = SCEP_SEAL_EVENTS_MAX
    };
    apr_array_header_t *events;

    *more = 0;
    if (mod_scep_ledger_events(conf->ledger, &unsealed, &events, p) !=
            APR_SUCCESS ||
        events->nelts == 0)
        return;
    *more = seal_events(job, events, p) == APR_SUCCESS &&
            events->nelts == SCEP_SEAL_EVENTS_MAX;
}

static int make_node(scep_seal_job_t *job)
{
    unsigned char random[sizeof(job->node) / 2];

    if (*job->node)
        return 1;
    if (RAND_bytes(random, sizeof(random)) != 1) {
        ERR_clear_error();
        return 0;
    }
    for (size_t i = 0; i < sizeof(random); i++)
        apr_snprintf(job->node + 2 * i, 3, "%02x", random[i]);
    return 1;
}

static void make_seals(scep_seal_job_t *job, apr_pool_t *p)
{
    const scep_conf_t *conf = mod_scep_conf_get(job->server);
    apr_time_t now = apr_time_now();
    apr_pool_t *turn;
    int more = 1;

    if (!conf->ledger || !conf->audit_seal || now < job->due ||
        !make_node(job))
        return;
    job->due = now + conf->audit_seal;
    /* Two that seal at once would not harm each other, but waste work. */
    if (mod_scep_ledger_duty(conf->ledger, DUTY, job->node, now,
                             now + 2 * conf->audit_seal, p) != APR_SUCCESS)
        return;
    apr_pool_create(&turn, p);
    for (int i = 0; more && i < TURN_MAX; i++) {
        apr_pool_clear(turn);
        seal_batch(job, &more, turn);
    }
    apr_pool_destroy(turn);
    if (more)
        job->due = now;
}

apr_status_t mod_scep_seal_job_run(int state, void *jobv, apr_pool_t *p)
{
    scep_seal_job_t *job = jobv;

    if (state != AP_WATCHDOG_STATE_RUNNING)
        return APR_SUCCESS;
    if (!atomic_load(job->told))
        tell_configured(job, p);
    mod_scep_refusals_tell(job->server, p);
    make_seals(job, p);
    return APR_SUCCESS;
}
