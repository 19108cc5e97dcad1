/* verifier_intune.c - verifier "intune": Microsoft's validation of SCEP
 * SPDX-License-Identifier: Apache-2.0
 *
 * Intune makes the challenge, so Intune is asked what it is worth, and told
 * which certificate came of it before the device gets that certificate.
 */
#include "conf.h"

#include <apr_strings.h>
#include <http_main.h>

#include "gate.h"
#include "intune_service.h"
#include "metrics.h"
#include "providers.h"
#include "spool.h"

/* Notifications that wait: how many, how long each. */
#define QUEUE_MAX 4096
#define NOTIFICATION_MAX (256 * 1024)
/* How many go out each second, when they can. */
#define DELIVER_MOST 3
/* After so long, or so many refusals, one is given up. */
#define GIVE_UP_AFTER apr_time_from_sec(7 * 24 * 3600)
#define GIVE_UP_ATTEMPTS 20

#define CALLER "mod_scep/" SCEP_VERSION

/* The CA may take so long between verify and settle. */
#define CA_TIME apr_time_from_sec(60)
/* The time that verify would take is imitated up to this. */
#define PRETEND_MAX apr_time_from_sec(2)

typedef struct scep_intune_t {
    const char *profile;
    const char *state_dir;
    const scep_intune_conf_t *conf;
    scep_intune_service_t *service;
    scep_gate_t *gate;
    scep_spool_t spool;
} scep_intune_t;

/* A request that Intune has granted.  Its place at the gate is kept, because
 * its end is told to Intune too; but not while it is frozen. */
typedef struct grant_t {
    scep_intune_request_t request;
    scep_gate_place_t place;
    int frozen; /**< a ledger settles it until that has succeeded */
} grant_t;

/* ------------------------------------------------------------------ */
/* Life                                                                 */

static const char *check(const scep_verifier_setup_t *setup, void **data)
{
    const scep_dir_conf_t *dir =
        ap_get_module_config((ap_conf_vector_t *)setup->conf, &scep_module);
    const scep_intune_conf_t *conf = dir->profile_section->intune;
    scep_intune_t *intune = apr_pcalloc(setup->p, sizeof(*intune));

    if (!conf || !conf->tenant) {
        return "ScepIntuneTenant is missing: name the tenant whose devices "
               "enrol";
    }
    if (!conf->client) {
        return "ScepIntuneClient is missing: name the application that is "
               "registered in the tenant, and its secret";
    }
    intune->profile = setup->profile;
    intune->state_dir = setup->state_dir;
    intune->conf = conf;
    intune->service = mod_scep_intune_service_create(conf, setup->p);
    if (!intune->service)
        return "no memory for it";
    intune->spool.name =
        apr_pstrcat(setup->p, "intune-", setup->profile, NULL);
    intune->spool.max = QUEUE_MAX;
    intune->spool.max_size = NOTIFICATION_MAX;
    *data = intune;
    return NULL;
}

static apr_status_t open_intune(void *data, server_rec *s, apr_pool_t *pconf)
{
    scep_intune_t *intune = data;
    apr_status_t rv = mod_scep_gate_open(&intune->gate, pconf);

    return rv == APR_SUCCESS ? mod_scep_spool_open(&intune->spool,
                                                   intune->state_dir, s, pconf)
                             : rv;
}

static apr_status_t child_init(void *data, server_rec *s, apr_pool_t *p)
{
    const scep_intune_t *intune = data;

    (void)s;
    return mod_scep_intune_service_child_init(intune->service, p);
}

/* ------------------------------------------------------------------ */
/* Requests                                                             */

static int has_challenge(const scep_verify_request_t *request,
                         scep_verify_result_t *result)
{
    if (request->challenge)
        return 1;
    result->outcome = SCEP_VERIFY_PASS;
    result->reason = "the CSR has no challengePassword";
    return 0;
}

/* Asks, and says what the answer means.  Only "Success" grants. */
static void ask(scep_intune_t *intune, const grant_t *grant,
                scep_verify_result_t *result, apr_pool_t *p)
{
    const char *body = mod_scep_intune_validate(&grant->request, p);
    scep_intune_call_t call;

    result->outcome = SCEP_VERIFY_ERROR;
    if (!body) {
        result->reason = "the question for Intune cannot be made";
        return;
    }
    if (mod_scep_intune_service_call(intune->service, SCEP_INTUNE_VALIDATE,
                                     body, &call, p) != APR_SUCCESS) {
        result->reason =
            apr_psprintf(p, "Intune: %s (%s)", call.fault, call.id);
    } else if (call.answer.success) {
        result->outcome = SCEP_VERIFY_GRANTED;
        result->id = apr_pstrcat(p, "intune:", call.id, NULL);
    } else {
        result->outcome = SCEP_VERIFY_REFUSED;
        result->reason =
            apr_psprintf(p, "Intune: %s (%s)", call.answer.words, call.id);
    }
}

static void count(const scep_intune_t *intune, scep_verify_outcome_t outcome,
                  apr_pool_t *p)
{
    const char *name = outcome == SCEP_VERIFY_GRANTED   ? "allowed"
                       : outcome == SCEP_VERIFY_REFUSED ? "denied"
                                                        : "failed";

    mod_scep_metrics_count("scep_intune_questions_total",
                           apr_psprintf(p, "profile=\"%s\",outcome=\"%s\"",
                                        intune->profile, name));
}

static int enter(const scep_intune_t *intune, grant_t *grant)
{
    return mod_scep_gate_enter(
        intune->gate, apr_time_now(),
        2 * mod_scep_intune_service_longest(intune->service) + CA_TIME,
        &grant->place);
}

static void verify(void *data, const scep_verify_request_t *request,
                   scep_verify_result_t *result, apr_pool_t *p)
{
    scep_intune_t *intune = data;
    grant_t *grant;

    if (!has_challenge(request, result))
        return;
    grant = apr_pcalloc(p, sizeof(*grant));
    grant->request.caller = CALLER;
    grant->request.transaction_id = request->transaction_id;
    grant->request.csr = request->csr;
    grant->request.csr_len = request->csr_len;
    if (!enter(intune, grant)) {
        result->outcome = SCEP_VERIFY_ERROR;
        result->reason = "too many requests wait for Intune";
        return;
    }
    ask(intune, grant, result, p);
    count(intune, result->outcome, p);
    result->token = grant;
    if (result->outcome != SCEP_VERIFY_GRANTED)
        scep_gate_leave(intune->gate, &grant->place);
}

static void explain(void *data, const scep_verify_request_t *request,
                    scep_verify_result_t *result, apr_pool_t *p)
{
    (void)data;
    (void)p;
    if (!has_challenge(request, result))
        return;
    result->outcome = SCEP_VERIFY_UNKNOWN;
    result->reason = "Intune would be asked, and it alone knows";
}

static void pretend(void *data, const scep_verify_request_t *request,
                    apr_pool_t *p)
{
    const scep_intune_t *intune = data;
    apr_interval_time_t usual = mod_scep_intune_service_usual(intune->service);

    (void)p;
    if (request->challenge)
        apr_sleep(usual < PRETEND_MAX ? usual : PRETEND_MAX);
}

/* Puts a notification into the queue; false: it cannot. */
static int put_off(const scep_intune_t *intune, const char *action,
                   const char *body, apr_time_t now, apr_pool_t *p)
{
    const char *document = body ? mod_scep_intune_pack(action, body, p) : NULL;
    apr_status_t rv = document
                          ? mod_scep_spool_put(&intune->spool, document,
                                               strlen(document), now, now, p)
                          : APR_ENOMEM;

    if (rv == APR_SUCCESS)
        return 1;
    ap_log_error(APLOG_MARK, APLOG_ERR, rv, ap_server_conf,
                 SCEPLOGNO(0353) "profile %s: Intune will not be told, %s "
                                 "cannot be queued in %s",
                 intune->profile, action, intune->spool.path);
    return 0;
}

/* The vendor's rule: a certificate that Intune does not know of is not
 * delivered. */
static apr_status_t tell_success(scep_intune_t *intune, const grant_t *grant,
                                 const scep_verify_end_t *end, apr_pool_t *p)
{
    const char *body =
        mod_scep_intune_success(&grant->request, end->certificate,
                                end->ca ? end->ca : intune->profile, p);
    scep_intune_call_t call;
    apr_status_t rv;

    if (!body) {
        put_off(intune, SCEP_INTUNE_SUCCESS, body, end->now, p);
        return APR_EAGAIN;
    }
    rv = mod_scep_intune_service_call(intune->service, SCEP_INTUNE_SUCCESS,
                                      body, &call, p);
    if (rv == APR_SUCCESS && call.answer.success)
        return APR_SUCCESS;
    if (grant->frozen) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, ap_server_conf,
                     SCEPLOGNO(0600) "profile %s: Intune was not told of a "
                                     "certificate, which is not delivered "
                                     "before that: %s (%s)",
                     intune->profile,
                     rv == APR_SUCCESS ? call.answer.words : call.fault,
                     call.id);
        return APR_EAGAIN;
    }
    if (put_off(intune, SCEP_INTUNE_SUCCESS, body, end->now, p)) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, ap_server_conf,
                     SCEPLOGNO(0354) "profile %s: Intune was not told of a "
                                     "certificate, which is not delivered; "
                                     "it is told later: %s (%s)",
                     intune->profile,
                     rv == APR_SUCCESS ? call.answer.words : call.fault,
                     call.id);
    }
    return APR_EAGAIN;
}

static apr_status_t settle(void *data, void *token,
                           const scep_verify_end_t *end, apr_pool_t *p)
{
    scep_intune_t *intune = data;
    grant_t *grant = token;
    apr_status_t rv = APR_SUCCESS;

    if (end->certificate && grant->frozen && !enter(intune, grant))
        return APR_EAGAIN;
    if (end->certificate) {
        rv = tell_success(intune, grant, end, p);
    } else if (!end->undecided) {
        put_off(intune, SCEP_INTUNE_FAILURE,
                mod_scep_intune_failure(&grant->request, end->fail_info,
                                        end->reason, p),
                end->now, p);
    }
    scep_gate_leave(intune->gate, &grant->place);
    return rv;
}

static const char *freeze(void *data, void *token, apr_pool_t *p)
{
    const scep_intune_t *intune = data;
    grant_t *grant = token;

    scep_gate_leave(intune->gate, &grant->place);
    memset(&grant->place, 0, sizeof(grant->place));
    grant->frozen = 1;
    return mod_scep_intune_freeze(&grant->request, p);
}

static void *thaw(void *data, const char *text, apr_pool_t *p)
{
    grant_t *grant = apr_pcalloc(p, sizeof(*grant));

    (void)data;
    grant->request.caller = CALLER;
    grant->frozen = 1;
    return mod_scep_intune_thaw(text, &grant->request, p) ? grant : NULL;
}

/* ------------------------------------------------------------------ */
/* The queue                                                            */

static scep_spool_outcome_t give_up(const scep_intune_t *intune,
                                    const char *why)
{
    ap_log_error(APLOG_MARK, APLOG_ERR, 0, ap_server_conf,
                 SCEPLOGNO(0355) "profile %s: a notification to Intune is "
                                 "given up: %s",
                 intune->profile, why);
    return SCEP_SPOOL_DONE;
}

static scep_spool_outcome_t deliver(void *data,
                                    const scep_spool_document_t *document,
                                    apr_pool_t *p)
{
    scep_intune_t *intune = data;
    const char *action, *body, *why;
    scep_intune_call_t call;
    apr_status_t rv;

    if (!mod_scep_intune_unpack(document->text, document->len, &action, &body,
                                p))
        return give_up(intune, "its file is none of a notification");
    rv = mod_scep_intune_service_call(intune->service, action, body, &call, p);
    if (rv == APR_SUCCESS && call.answer.success) {
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, ap_server_conf,
                     SCEPLOGNO(0356) "profile %s: Intune has been told, %s "
                                     "(%s)",
                     intune->profile, action, call.id);
        return SCEP_SPOOL_DONE;
    }
    why = apr_psprintf(p, "%s, %s (%s)", action,
                       rv == APR_SUCCESS ? call.answer.words : call.fault,
                       call.id);
    if (apr_time_now() - document->created > GIVE_UP_AFTER ||
        document->attempts >= GIVE_UP_ATTEMPTS)
        return give_up(intune, why);
    if (rv == APR_SUCCESS || call.unwanted)
        return SCEP_SPOOL_LATER;
    if (intune->spool.pauses == 0) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, ap_server_conf,
                     SCEPLOGNO(0357) "profile %s: notifications to Intune "
                                     "wait: %s",
                     intune->profile, why);
    }
    return SCEP_SPOOL_DOWN;
}

static void maintain(void *data, server_rec *s, apr_time_t now, apr_pool_t *p)
{
    scep_intune_t *intune = data;

    mod_scep_spool_walk(&intune->spool, DELIVER_MOST, deliver, intune, s, now,
                        p);
}

#define WAITING "scep_intune_notifications_waiting"

static const char *metrics(void *data, apr_time_t now, apr_pool_t *p)
{
    const scep_intune_t *intune = data;
    unsigned int waiting;

    (void)now;
    if (mod_scep_spool_count(&intune->spool, &waiting, p) != APR_SUCCESS)
        return "";
    return apr_psprintf(p,
                        "# HELP " WAITING " Notifications to Intune that wait "
                        "in the queue.\n"
                        "# TYPE " WAITING " gauge\n" WAITING
                        "{profile=\"%s\"} %u\n",
                        intune->profile, waiting);
}

const scep_verifier_provider_t mod_scep_verifier_intune = {
    .verify = verify,
    .settle = settle,
    .must_settle = 1,
    .check = check,
    .open = open_intune,
    .child_init = child_init,
    .explain = explain,
    .pretend = pretend,
    .maintain = maintain,
    .metrics = metrics,
    .freeze = freeze,
    .thaw = thaw,
};
