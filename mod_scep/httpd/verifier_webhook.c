/* verifier_webhook.c - verifier "webhook": the customer's validator decides
 * SPDX-License-Identifier: Apache-2.0
 *
 * Only its own word about a request refuses or grants it.  Whatever else
 * comes, or does not, is an outage: the device may try again.
 */
#include "verifier_webhook.h"

#include <apr_strings.h>
#include <http_core.h>
#include <openssl/rand.h>

#include <stdatomic.h>

#include "gate.h"
#include "metrics.h"
#include "providers.h"
#include "spool.h"

/* The queue of notifications: a busy day's, each with a certificate. */
#define QUEUE_MAX 10000
#define NOTICE_MAX 65536
/* Notifications that one walk delivers: the watchdog has more to do. */
#define NOTICES_A_WALK 16
/* After that a notification which the webhook does not take is given up. */
#define NOTICE_LIFE apr_time_from_sec(7 * 86400)

/* The time that verify would take is imitated up to this. */
#define PRETEND_MAX apr_time_from_sec(2)

/* 32 hexadecimal digits and a NUL */
#define REQUEST_ID_SIZE 33

typedef struct webhook_t {
    const char *profile;
    const char *state_dir;
    server_rec *server;
    const scep_webhook_conf_t *conf;
    scep_http_client_t *client;
    scep_gate_t *gate;
    scep_spool_t spool;
    int failing; /**< the last notification was not taken; of maintain */
    _Atomic apr_int64_t usual; /**< time that the last question took */
} webhook_t;

static const char *check(const scep_verifier_setup_t *setup, void **data)
{
    const scep_dir_conf_t *dir =
        ap_get_module_config((ap_conf_vector_t *)setup->conf, &scep_module);
    const scep_webhook_conf_t *conf = dir->profile_section->webhook;
    webhook_t *webhook = apr_pcalloc(setup->p, sizeof(*webhook));

    if (!conf || !conf->url)
        return "ScepWebhook is missing: name the validator's URL";
    if (!conf->id) {
        return "ScepWebhookSecret is missing: name the id and the file of "
               "the key that signs what is asked";
    }
    webhook->profile = setup->profile;
    webhook->state_dir = setup->state_dir;
    webhook->server = setup->server;
    webhook->conf = conf;
    webhook->client = scep_http_client_create(&conf->http, setup->p);
    if (!webhook->client)
        return "out of memory";
    webhook->spool.name =
        apr_pstrcat(setup->p, "webhook-", setup->profile, NULL);
    webhook->spool.max = QUEUE_MAX;
    webhook->spool.max_size = NOTICE_MAX;
    *data = webhook;
    return NULL;
}

static void count(const webhook_t *webhook, scep_webhook_outcome_t outcome,
                  apr_pool_t *p)
{
    static const char *const names[] = { [SCEP_WEBHOOK_DOWN] = "failed",
                                         [SCEP_WEBHOOK_ALLOWED] = "allowed",
                                         [SCEP_WEBHOOK_DENIED] = "denied" };

    mod_scep_metrics_count("scep_webhook_questions_total",
                           apr_psprintf(p, "profile=\"%s\",outcome=\"%s\"",
                                        webhook->profile, names[outcome]));
}

static apr_status_t open_state(void *data, server_rec *s, apr_pool_t *pconf)
{
    webhook_t *webhook = data;
    apr_status_t rv = mod_scep_gate_open(&webhook->gate, pconf);

    if (rv == APR_SUCCESS && webhook->conf->notify_url) {
        rv =
            mod_scep_spool_open(&webhook->spool, webhook->state_dir, s, pconf);
    }
    return rv;
}

static void set_request_id(char id[REQUEST_ID_SIZE],
                           const unsigned char octets[16])
{
    for (int i = 0; i < 16; i++)
        apr_snprintf(id + 2 * i, 3, "%02x", octets[i]);
}

/* Posts a signed document.  @return what kept it from being answered */
static const char *post(const webhook_t *webhook, const char *url,
                        const char *body, apr_size_t len,
                        const char *request_id, scep_http_response_t *response,
                        apr_pool_t *p)
{
    char signature[SCEP_WEBHOOK_SIGNATURE_SIZE];
    apr_table_t *headers = apr_table_make(p, 5);
    const scep_http_request_t request = {
        .url = url, .headers = headers, .body = body, .body_len = len
    };

    if (scep_webhook_sign(&webhook->conf->key, body, len, signature) !=
        APR_SUCCESS)
        return "the request cannot be signed";
    apr_table_setn(headers, "Content-Type", "application/json");
    apr_table_setn(headers, "Accept", "application/json");
    apr_table_setn(headers, "X-Smallstep-Signature", signature);
    apr_table_setn(headers, "X-Smallstep-Webhook-ID", webhook->conf->id);
    apr_table_setn(headers, "X-Request-Id", request_id);
    return scep_http_client_call(webhook->client, &request, response, p) ==
                   APR_SUCCESS
               ? NULL
               : response->error;
}

/* Puts the question, with a place held; the challenge is in it. */
static void ask(webhook_t *webhook, const scep_verify_request_t *request,
                scep_verify_result_t *result, apr_pool_t *p)
{
    scep_webhook_answer_t answer = { SCEP_WEBHOOK_DOWN, NULL };
    scep_http_response_t response;
    unsigned char random[16];
    char *id = apr_palloc(p, REQUEST_ID_SIZE);
    apr_time_t began = apr_time_now();
    char *body;
    apr_size_t len;
    const char *fault =
        scep_webhook_question(&body, &len, webhook->profile, request, p);

    if (fault) {
        result->reason =
            apr_psprintf(p, "the webhook cannot be asked about the CSR: %s",
                         fault);
        return;
    }
    result->outcome = SCEP_VERIFY_ERROR;
    result->reason = "no random number for the webhook";
    if (RAND_bytes(random, sizeof(random)) == 1) {
        set_request_id(id, random);
        result->reason =
            post(webhook, webhook->conf->url, body, len, id, &response, p);
    }
    OPENSSL_cleanse(body, len);
    if (!result->reason) {
        atomic_store(&webhook->usual, apr_time_now() - began);
        scep_webhook_answer(response.status, response.body, response.body_len,
                            &answer, p);
        result->reason = answer.reason;
    }
    count(webhook, answer.outcome, p);
    if (answer.outcome == SCEP_WEBHOOK_ALLOWED)
        result->outcome = SCEP_VERIFY_GRANTED;
    else if (answer.outcome == SCEP_WEBHOOK_DENIED)
        result->outcome = SCEP_VERIFY_REFUSED;
    result->id = apr_pstrcat(p, "webhook:", id, NULL);
    if (result->reason)
        result->reason = apr_psprintf(p, "%s (%s)", result->reason, id);
}

static int is_asked(const scep_verify_request_t *request,
                    scep_verify_result_t *result)
{
    if (request->challenge)
        return 1;
    result->outcome = SCEP_VERIFY_PASS;
    result->reason = "the CSR has no challengePassword";
    return 0;
}

static void verify(void *data, const scep_verify_request_t *request,
                   scep_verify_result_t *result, apr_pool_t *p)
{
    webhook_t *webhook = data;
    scep_webhook_grant_t *grant = apr_palloc(p, sizeof(*grant));
    scep_gate_place_t place;

    if (!is_asked(request, result))
        return;
    if (!mod_scep_gate_enter(webhook->gate, apr_time_now(),
                             2 * webhook->conf->http.timeout, &place)) {
        result->outcome = SCEP_VERIFY_ERROR;
        result->reason = "too many requests wait for the webhook";
        return;
    }
    ask(webhook, request, result, p);
    scep_gate_leave(webhook->gate, &place);
    result->token = grant;
    if (result->outcome == SCEP_VERIFY_GRANTED &&
        !scep_webhook_grant(grant, request, p)) {
        result->outcome = SCEP_VERIFY_ERROR;
        result->reason = "out of memory";
    }
}

static void explain(void *data, const scep_verify_request_t *request,
                    scep_verify_result_t *result, apr_pool_t *p)
{
    (void)data;
    (void)p;
    if (!is_asked(request, result))
        return;
    result->outcome = SCEP_VERIFY_UNKNOWN;
    result->reason = "the webhook would be asked, and it alone knows";
}

static void pretend(void *data, const scep_verify_request_t *request,
                    apr_pool_t *p)
{
    webhook_t *webhook = data;
    apr_interval_time_t usual = atomic_load(&webhook->usual);

    (void)p;
    if (request->challenge)
        apr_sleep(usual < PRETEND_MAX ? usual : PRETEND_MAX);
}

/* Nobody waits for the webhook to take a notification: it is queued. */
static apr_status_t settle(void *data, void *token,
                           const scep_verify_end_t *end, apr_pool_t *p)
{
    const webhook_t *webhook = data;
    apr_status_t rv = APR_EGENERAL;
    const char *notice;

    if (!webhook->conf->notify_url || end->undecided)
        return APR_SUCCESS;
    notice = scep_webhook_notice(webhook->profile, token, end, p);
    if (notice) {
        rv = mod_scep_spool_put(&webhook->spool, notice, strlen(notice),
                                end->now, end->now, p);
    }
    if (rv != APR_SUCCESS) {
        const scep_webhook_grant_t *grant = token;

        ap_log_error(APLOG_MARK, APLOG_ERR, rv, webhook->server,
                     SCEPLOGNO(0332) "profile %s: a notification for the "
                                     "webhook cannot be queued and is lost: "
                                     "transaction \"%s\"",
                     webhook->profile,
                     ap_escape_logitem(p, grant->transaction_id));
    }
    return APR_SUCCESS;
}

static const char *freeze(void *data, void *token, apr_pool_t *p)
{
    const scep_webhook_grant_t *grant = token;

    (void)data;
    (void)p;
    return grant->text;
}

static void *thaw(void *data, const char *text, apr_pool_t *p)
{
    scep_webhook_grant_t *grant = apr_palloc(p, sizeof(*grant));

    (void)data;
    return scep_webhook_thaw(grant, text, p) ? grant : NULL;
}

typedef struct delivery_t {
    webhook_t *webhook;
    server_rec *server;
    apr_time_t now;
} delivery_t;

/* A name for a notification that is the same each time it is sent. */
static int name_notice(char id[REQUEST_ID_SIZE],
                       const scep_spool_document_t *document)
{
    unsigned char digest[EVP_MAX_MD_SIZE];

    if (!EVP_Digest(document->text, document->len, digest, NULL, EVP_sha256(),
                    NULL))
        return 0;
    set_request_id(id, digest);
    return 1;
}

static int is_outage(int status)
{
    return status >= 500 || status == 429 || status == 408;
}

static scep_spool_outcome_t deliver(void *baton,
                                    const scep_spool_document_t *document,
                                    apr_pool_t *p)
{
    const delivery_t *delivery = baton;
    webhook_t *webhook = delivery->webhook;
    scep_http_response_t response = { 0 };
    char id[REQUEST_ID_SIZE];
    const char *fault =
        name_notice(id, document)
            ? post(webhook, webhook->conf->notify_url, document->text,
                   document->len, id, &response, p)
            : "it cannot be named";

    if (!fault && response.status >= 200 && response.status < 300) {
        webhook->failing = 0;
        return SCEP_SPOOL_DONE;
    }
    if (!fault)
        fault = apr_psprintf(p, "HTTP %d", response.status);
    if (delivery->now - document->created > NOTICE_LIFE) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, delivery->server,
                     SCEPLOGNO(0333) "profile %s: the webhook did not take "
                                     "a notification for 7 days, it is given "
                                     "up: %s",
                     webhook->profile, ap_escape_logitem(p, fault));
        return SCEP_SPOOL_DONE;
    }
    if (!webhook->failing) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, delivery->server,
                     SCEPLOGNO(0334) "profile %s: the webhook does not take "
                                     "notifications, they are kept and sent "
                                     "again: %s",
                     webhook->profile, ap_escape_logitem(p, fault));
    }
    webhook->failing = 1;
    return response.status && !is_outage(response.status) ? SCEP_SPOOL_LATER
                                                          : SCEP_SPOOL_DOWN;
}

static void maintain(void *data, server_rec *s, apr_time_t now, apr_pool_t *p)
{
    webhook_t *webhook = data;
    delivery_t delivery = { webhook, s, now };

    if (webhook->conf->notify_url) {
        mod_scep_spool_walk(&webhook->spool, NOTICES_A_WALK, deliver,
                            &delivery, s, now, p);
    }
}

static const char *metrics(void *data, apr_time_t now, apr_pool_t *p)
{
    const webhook_t *webhook = data;
    unsigned int count;

    (void)now;
    if (!webhook->conf->notify_url ||
        mod_scep_spool_count(&webhook->spool, &count, p) != APR_SUCCESS)
        return "";
    return apr_psprintf(p,
                        "scep_webhook_notifications_waiting{profile=\"%s\"} "
                        "%u\n",
                        webhook->profile, count);
}

const scep_verifier_provider_t mod_scep_verifier_webhook = {
    .verify = verify,
    .settle = settle,
    .must_settle = 1,
    .check = check,
    .open = open_state,
    .explain = explain,
    .pretend = pretend,
    .maintain = maintain,
    .metrics = metrics,
    .freeze = freeze,
    .thaw = thaw
};
