/* enrolment.c - a PKIOperation from its octets to the CertRep
 * SPDX-License-Identifier: Apache-2.0
 */
#include "enrolment.h"

#include <apr_strings.h>
#include <http_core.h>
#include <openssl/rand.h>

#include "access.h"
#include "audit.h"
#include "core/work_record.h"
#include "enrolment_ledger.h"
#include "http.h"
#include "lockout.h"
#include "metrics.h"
#include "policy_request.h"
#include "providers.h"
#include "refusals.h"
#include "rollover.h"
#include "work.h"

/* Where the outcome table leaves the delay open. */
#define RETRY_AFTER_DEFAULT 30
/*
 * Asks the verifiers in order; the first that does not pass decides.  Those
 * behind one that refused take their time all the same, so that the client
 * does not learn from it how far its secret got.
 */
static void ask_verifiers(void *batonv, const scep_verify_request_t *request,
                          scep_verify_result_t *result, apr_pool_t *p)
{
    scep_enrolment_baton_t *baton = batonv;
    const scep_profile_t *profile = baton->profile;
    int decided = 0;

    for (int i = 0; i < profile->verifiers->nelts; i++) {
        const scep_verifier_t *verifier =
            &APR_ARRAY_IDX(profile->verifiers, i, scep_verifier_t);
        if (request->renewal && !verifier->provider->by_signer)
            continue;
        if (decided) {
            if (verifier->provider->pretend)
                verifier->provider->pretend(verifier->data, request, p);
            continue;
        }
        memset(result, 0, sizeof(*result));
        verifier->provider->verify(verifier->data, request, result, p);
        baton->known =
            verifier->provider == &mod_scep_verifier_otp && result->id;
        if (result->outcome == SCEP_VERIFY_GRANTED) {
            scep_grant_t *grant = apr_palloc(p, sizeof(*grant));
            grant->verifier = verifier;
            grant->token = result->token;
            result->token = grant;
        }
        decided = result->outcome == SCEP_VERIFY_REFUSED;
        if (result->outcome == SCEP_VERIFY_GRANTED ||
            result->outcome == SCEP_VERIFY_ERROR)
            return;
    }
    result->outcome = SCEP_VERIFY_REFUSED;
}

static void run(void *batonv, scep_work_t *work, apr_pool_t *p)
{
    const scep_enrolment_baton_t *baton = batonv;

    mod_scep_work_run(baton->r->server, baton->profile, work, p);
}

static const char *status_text(const scep_result_t *res, apr_pool_t *p)
{
    if (res->http_status)
        return apr_itoa(p, res->http_status);
    return res->status == SCEP_STATUS_SUCCESS   ? "SUCCESS"
           : res->status == SCEP_STATUS_PENDING ? "PENDING"
                                                : "FAILURE";
}

/* Facts of the request, for CustomLog and ap_expr. */
static void note_outcome(request_rec *r, const scep_profile_t *profile,
                         const scep_message_t *message,
                         const scep_enrol_answer_t *answer,
                         const scep_result_t *res)
{
    mod_scep_http_note(r, "scep-profile", profile->name);
    if (message) {
        mod_scep_http_note(r, "scep-message-type",
                           apr_itoa(r->pool, message->type));
        mod_scep_http_note(r, "scep-transaction-id", message->transaction_id);
    }
    if (res->http_status == 0)
        mod_scep_http_note(r, "scep-status", status_text(res, r->pool));
    if (res->reason != SCEP_REASON_NONE) {
        mod_scep_http_note(r, "scep-reason",
                           scep_result_reason_name(res->reason));
        mod_scep_http_note(r, "scep-rule", res->rule);
        if (res->http_status == 0) {
            mod_scep_http_note(r, "scep-fail-info",
                               scep_result_fail_info_name(res->fail_info));
        }
    }
    if (answer->certificate) {
        mod_scep_http_note(r, "scep-serial",
                           scep_work_serial(answer->certificate, r->pool));
    }
}

static void count_outcome(request_rec *r, const scep_profile_t *profile,
                          const scep_result_t *res)
{
    mod_scep_metrics_request(r, profile, status_text(res, r->pool),
                             scep_result_reason_name(res->reason));
    if (res->reason == SCEP_REASON_BREACH) {
        mod_scep_http_note(r, "scep-event", "breach");
        mod_scep_metrics_count("scep_breach_total",
                               apr_psprintf(r->pool, "profile=\"%s\"",
                                            profile->name));
    }
    mod_scep_lockout_count(r, profile, res->reason);
}

static const char *or_dash(const char *text)
{
    return text && *text ? text : "-";
}

/* What came from outside stands in the log escaped, and not for ever. */
static const char *shown(request_rec *r, const char *text)
{
    const char *cut = apr_pstrndup(r->pool, or_dash(text), 256);

    return ap_escape_logitem(r->pool, cut);
}

static void log_issued(request_rec *r, const scep_profile_t *profile,
                       const scep_message_t *message,
                       const scep_enrol_answer_t *answer)
{
    ap_log_rerror(
        APLOG_MARK, APLOG_INFO, 0, r,
        SCEPLOGNO(0100) "certificate %s issued: profile %s, CA %s, subject "
                        "\"%s\", SAN \"%s\", challenge %s, transaction "
                        "\"%s\"%s%s%s%s",
        scep_work_serial(answer->certificate, r->pool), profile->name,
        profile->ca->name, shown(r, answer->subject), shown(r, answer->sans),
        or_dash(answer->verified_by), shown(r, message->transaction_id),
        answer->dropped ? ", left out: " : "",
        answer->dropped ? shown(r, answer->dropped) : "",
        answer->remark ? ", the CA: " : "",
        answer->remark ? shown(r, answer->remark) : "");
}

/* One line an outcome.  What the administrator must see is not info. */
static void log_outcome(request_rec *r, const scep_profile_t *profile,
                        const scep_message_t *message,
                        const scep_enrol_answer_t *answer,
                        const scep_result_t *res)
{
    const char *name = scep_result_reason_name(res->reason);
    const char *detail = shown(r, res->detail);
    const char *subject = shown(r, answer->subject);
    const char *id = shown(r, message ? message->transaction_id : NULL);

    switch (res->reason) {
    case SCEP_REASON_NONE:
        if (answer->again) {
            ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                          SCEPLOGNO(0106) "%s again: profile %s, subject "
                                          "\"%s\", transaction \"%s\"",
                          answer->certificate ? "certificate sent" : "pending",
                          profile->name, subject, id);
        } else if (answer->sent) {
            ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                          SCEPLOGNO(0601) "%s sent: profile %s, to \"%s\", "
                                          "transaction \"%s\"",
                          answer->sent, profile->name, subject, id);
        } else if (answer->certificate) {
            log_issued(r, profile, message, answer);
        } else {
            ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                          SCEPLOGNO(0101) "pending: profile %s, "
                                          "subject \"%s\", transaction "
                                          "\"%s\": %s",
                          profile->name, subject, id, detail);
        }
        break;
    case SCEP_REASON_BREACH:
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r,
                      SCEPLOGNO(0103) "a spent challenge came again, which "
                                      "may mean that it leaked: profile %s, "
                                      "subject \"%s\", transaction \"%s\": "
                                      "%s",
                      profile->name, subject, id, detail);
        break;
    case SCEP_REASON_CA_FAULT:
    case SCEP_REASON_CA_BAD_CERT:
    case SCEP_REASON_CA_DOWN:
    case SCEP_REASON_VERIFIER_DOWN:
    case SCEP_REASON_LEDGER_DOWN:
    case SCEP_REASON_INTERNAL:
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                      SCEPLOGNO(0104) "no certificate, %s: profile %s, CA "
                                      "%s, subject \"%s\", transaction "
                                      "\"%s\": %s",
                      name, profile->name, profile->ca->name, subject, id,
                      detail);
        break;
    default:
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                      SCEPLOGNO(0102) "refused, %s: profile %s, subject "
                                      "\"%s\", transaction \"%s\": %s",
                      name, profile->name, subject, id, detail);
    }
}

/*
 * What of it the ledger does not learn from the enrolment itself.  A request
 * with a challenge of the store has its event always: such a refusal is what
 * one looks for in a trail, and no stranger can cause it.
 */
static void report_refusal(const scep_enrolment_baton_t *baton,
                           const scep_message_t *message,
                           const scep_enrol_answer_t *answer,
                           const scep_result_t *res)
{
    request_rec *r = baton->r;
    const scep_profile_t *profile = baton->profile;
    scep_event_t event = { .profile = profile->name,
                           .actor = "device",
                           .address = r->useragent_ip,
                           .challenge = answer->verified_by,
                           .enrolment = answer->enrolment };

    if (res->reason == SCEP_REASON_NONE || answer->again ||
        !mod_scep_audit_wanted(r->server))
        return;
    if (!baton->known && !mod_scep_refusals_admit(mod_scep_conf_get(r->server),
                                                  profile, r->pool))
        return;
    event.type =
        res->reason == SCEP_REASON_BREACH      ? SCEP_EVENT_CHALLENGE_BREACH
        : res->reason == SCEP_REASON_CHALLENGE ? SCEP_EVENT_CHALLENGE_REFUSED
                                               : SCEP_EVENT_REQUEST_REFUSED;
    event.time = apr_time_now();
    event.detail =
        apr_psprintf(r->pool, "%s: %s; transaction %s, subject %s",
                     scep_result_reason_name(res->reason),
                     or_dash(res->detail),
                     or_dash(message ? message->transaction_id : NULL),
                     or_dash(answer->subject));
    /* it is refused whether or not that is recorded */
    if (mod_scep_audit_write_one(r->server, &event, r->pool) != APR_SUCCESS)
        mod_scep_refusals_count(profile, r->pool);
}

/* The certificate that was issued and what the profile sends along. */
static STACK_OF(X509) *reply_certs(const scep_profile_t *profile,
                                   X509 *certificate)
{
    STACK_OF(X509) *certs = sk_X509_new_null();
    int along = profile->reply_certs == SCEP_REPLY_LEAF ? 0
                : profile->reply_certs == SCEP_REPLY_CA
                    ? 1
                    : sk_X509_num(profile->ca->chain);
    int good = certs && sk_X509_push(certs, certificate);

    for (int i = 0; good && i < along; i++)
        good = sk_X509_push(certs, sk_X509_value(profile->ca->chain, i));
    if (!good) {
        sk_X509_free(certs);
        return NULL;
    }
    return certs;
}

static int send_cert_rep(request_rec *r, const scep_profile_t *profile,
                         const scep_message_t *message,
                         const scep_enrol_answer_t *answer,
                         const scep_result_t *res)
{
    const scep_conf_t *conf = mod_scep_conf_get(r->server);
    scep_result_t fault = SCEP_RESULT_INIT;
    unsigned char nonce[SCEP_NONCE_LEN];
    STACK_OF(X509) *certs = NULL;
    const unsigned char *der;
    apr_size_t len;
    apr_status_t rv = APR_EGENERAL;

    if (answer->certificate)
        certs = reply_certs(profile, answer->certificate);
    if ((!answer->certificate || certs) &&
        RAND_bytes(nonce, sizeof(nonce)) == 1) {
        rv = scep_message_reply(message, res, certs, answer->crl, nonce,
                                &profile->reply_form, &profile->ra, conf->alg,
                                conf->oid, &der, &len, &fault, r->pool);
    }
    sk_X509_free(certs);
    if (rv != APR_SUCCESS) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, rv, r,
                      SCEPLOGNO(0105) "the CertRep cannot be built: %s",
                      shown(r, fault.detail));
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    return mod_scep_http_send(r, "application/x-pki-message", der, len);
}

int mod_scep_enrolment_answer(request_rec *r, const scep_profile_t *profile,
                              const unsigned char *der, apr_size_t len)
{
    const scep_conf_t *conf = mod_scep_conf_get(r->server);
    scep_enrolment_baton_t baton = { r, profile, 0 };
    scep_work_baton_t work = { r->server, profile };
    const scep_enrol_ops_t ops = {
        .baton = &baton,
        .work_baton = &work,
        .verify = ask_verifiers,
        .work = conf->ledger ? &mod_scep_work_ops_ledger : &mod_scep_work_ops,
        .run = run,
        .policy = mod_scep_policy_ops(r, profile, NULL),
        .ledger = conf->ledger ? &mod_scep_enrolment_ledger : NULL,
    };
    scep_enrol_answer_t answer = { 0 };
    scep_result_t res = SCEP_RESULT_INIT;
    scep_message_t *message = NULL;
    apr_time_t now = apr_time_now();

    if (scep_message_parse(&message, der, len, &profile->rule,
                           &profile->open_ra, conf->alg, conf->oid, now, &res,
                           r->pool) == APR_SUCCESS) {
        const scep_profile_t *meant = mod_scep_rollover_find(profile, message);

        /* as if it had come to that profile's own endpoint */
        if (meant != profile)
            return mod_scep_enrolment_answer(r, meant, der, len);
        if (mod_scep_access_serves(profile, message))
            mod_scep_access_run(r, profile, message, now, &answer, &res);
        else
            scep_enrol_run(message, &profile->enrol, &ops, conf->alg,
                           r->useragent_ip, now, &answer, &res, r->pool);
    }
    note_outcome(r, profile, message, &answer, &res);
    log_outcome(r, profile, message, &answer, &res);
    count_outcome(r, profile, &res);
    report_refusal(&baton, message, &answer, &res);
    if (res.http_status == HTTP_SERVICE_UNAVAILABLE) {
        apr_int64_t wait = apr_time_sec(res.retry_after);
        apr_table_setn(r->err_headers_out, "Retry-After",
                       apr_psprintf(r->pool, "%" APR_INT64_T_FMT,
                                    wait > 0 ? wait : RETRY_AFTER_DEFAULT));
        return HTTP_SERVICE_UNAVAILABLE;
    }
    if (res.http_status == HTTP_INTERNAL_SERVER_ERROR)
        return HTTP_INTERNAL_SERVER_ERROR;
    if (res.http_status || !message) {
        return mod_scep_http_refuse(r, HTTP_BAD_REQUEST,
                                    "This is no pkiMessage: a CMS SignedData "
                                    "is expected.");
    }
    return send_cert_rep(r, profile, message, &answer, &res);
}
