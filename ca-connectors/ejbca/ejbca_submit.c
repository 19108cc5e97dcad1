/* ejbca_submit.c - enrolments, and what became of them
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ejbca.h"

#include <apr_escape.h>
#include <apr_strings.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>

#include "ejbca_decode.h"
#include "ejbca_proto.h"
#include "ejbca_username.h"

/* EJBCA lets certificates begin ten minutes before they are made. */
#define BACKDATE_MAX apr_time_from_sec(900)
/* So long after the last call has ended nothing is under way any more. */
#define SETTLED apr_time_from_sec(600)

/* What is looked for where an answer is missing. */
typedef struct search_t {
    const char *username;
    const char *binding;   /**< or NULL */
    unsigned char key[32]; /**< SHA-256 of the SubjectPublicKeyInfo */
    apr_time_t began;      /**< it went out then, or later by a turn's time */
} search_t;

/* @return NULL, or what failed */
static const char *search_for(search_t *search, const scep_ejbca_t *ca,
                              const scep_ca_request_t *request, apr_pool_t *p)
{
    search->username = scep_ejbca_username(ca->conf->username, request, p);
    search->binding = ca->conf->no_binding || ca->conf->preregistered
                          ? NULL
                          : request->idempotency_key;
    if (search->username &&
        EVP_Digest(request->spki, request->spki_len, search->key, NULL,
                   EVP_sha256(), NULL) == 1)
        return NULL;
    ERR_clear_error();
    return "OpenSSL fails at a digest";
}

/* Waiting for a turn and the call itself take a time-out each. */
static int is_over(const scep_ejbca_t *ca, const search_t *search)
{
    return apr_time_now() - search->began > SETTLED + 2 * ca->conf->timeout;
}

/* ------------------------------------------------------------------ */
/* Looking up                                                           */

/* What is older than since is not it; only where it must EJBCA is told. */
static apr_status_t search_by(scep_ejbca_t *ca, const search_t *search,
                              const char *property, const char *value,
                              apr_time_t since, int told, X509 **found,
                              apr_pool_t *p)
{
    scep_http_response_t response;
    apr_status_t rv =
        scep_ejbca_call(ca, "POST", EJBCA_SEARCH,
                        scep_ejbca_proto_search(property, value,
                                                told ? since : 0, p),
                        &response, p);

    return rv == APR_SUCCESS
               ? scep_ejbca_proto_found(response.status, response.body,
                                        response.body_len, search->key, since,
                                        found)
               : rv;
}

/*
 * Looks for the certificate of a request.  The binding names it exactly; an
 * EJBCA that does not keep bindings is asked for the username, and for what
 * is no older than the request.  Where that has more certificates than an
 * answer, EJBCA has to look at the date.
 */
static apr_status_t look_up(scep_ejbca_t *ca, const search_t *search,
                            X509 **found, apr_pool_t *p)
{
    apr_time_t since = search->began - BACKDATE_MAX;
    apr_status_t rv = APR_SUCCESS;

    *found = NULL;
    if (search->binding)
        rv = search_by(ca, search, "EXTERNAL_ACCOUNT_BINDING_ID",
                       search->binding, 0, 0, found, p);
    if (!*found)
        rv = search_by(ca, search, "QUERY", search->username, since, 0, found,
                       p);
    if (APR_STATUS_IS_INCOMPLETE(rv))
        rv = search_by(ca, search, "QUERY", search->username, since, 1, found,
                       p);
    return rv;
}

static void deliver(scep_ca_result_t *result, X509 *certificate,
                    const char *reason, apr_pool_t *p)
{
    scep_ejbca_keep(certificate, p);
    result->outcome = SCEP_CA_ISSUED;
    result->certificate = certificate;
    result->chain = NULL;
    result->reason = reason;
}

/* What poll needs; a username has no blanks. */
static const char *handle_of(const search_t *search, apr_pool_t *p)
{
    return apr_psprintf(p, "%s %s %s %" APR_TIME_T_FMT, search->username,
                        search->binding ? search->binding : "-",
                        apr_pescape_hex(p, search->key, sizeof(search->key),
                                        0),
                        search->began);
}

static int read_handle(search_t *search, const char *handle, apr_pool_t *p)
{
    char *state, *text = apr_pstrdup(p, handle);
    const char *key, *began;
    apr_size_t len = 0;

    search->username = apr_strtok(text, " ", &state);
    search->binding = search->username ? apr_strtok(NULL, " ", &state) : NULL;
    key = search->binding ? apr_strtok(NULL, " ", &state) : NULL;
    began = key ? apr_strtok(NULL, " ", &state) : NULL;
    if (!began || strlen(key) != 2 * sizeof(search->key) ||
        apr_unescape_hex(search->key, key, APR_ESCAPE_STRING, 0, &len) !=
            APR_SUCCESS ||
        len != sizeof(search->key))
        return 0;
    if (!strcmp(search->binding, "-"))
        search->binding = NULL;
    search->began = apr_atoi64(began);
    return 1;
}

/**
 * Finds out what became of an order whose answer says too little.
 * @param over  EJBCA has done with it
 */
static void settle(scep_ejbca_t *ca, const search_t *search, int over,
                   const char *what, scep_ca_result_t *result, apr_pool_t *p)
{
    X509 *found;
    apr_status_t rv = look_up(ca, search, &found, p);

    result->handle = handle_of(search, p);
    if (found) {
        deliver(result, found,
                apr_pstrcat(p, what, "; the certificate was found in EJBCA",
                            NULL),
                p);
    } else if (rv == APR_SUCCESS && over) {
        result->outcome = SCEP_CA_UNAVAILABLE;
        result->reason =
            apr_pstrcat(p, what, "; no certificate was made", NULL);
    } else {
        result->outcome = SCEP_CA_UNKNOWN;
        result->reason =
            apr_pstrcat(p, what,
                        rv == APR_SUCCESS
                            ? "; no certificate is found in EJBCA yet"
                            : "; EJBCA cannot be asked what became of it",
                        NULL);
    }
}

void scep_ejbca_poll(void *cav, const char *handle, scep_ca_result_t *result,
                     apr_pool_t *p)
{
    search_t search;

    if (!read_handle(&search, handle, p)) {
        result->outcome = SCEP_CA_REJECTED;
        result->fail_info = SCEP_FAIL_BAD_CERT_ID;
        result->reason = "this is no handle of the connector to EJBCA";
        return;
    }
    settle(cav, &search, is_over(cav, &search), "the outcome was not known",
           result, p);
}

void scep_ejbca_lookup(void *cav, const scep_ca_request_t *request,
                       scep_ca_result_t *result, apr_pool_t *p)
{
    search_t search = { .began = request->now };
    const char *fault = search_for(&search, cav, request, p);

    if (fault)
        result->reason = fault;
    else
        settle(cav, &search, is_over(cav, &search),
               "the answer was not received", result, p);
}

/* ------------------------------------------------------------------ */
/* Submitting                                                           */

/* EJBCA wants a password for the end entity, and nobody is to know it. */
static const char *random_password(apr_pool_t *p)
{
    unsigned char random[16];
    const char *password;

    if (RAND_bytes(random, sizeof(random)) != 1) {
        ERR_clear_error();
        return NULL;
    }
    password = apr_pescape_hex(p, random, sizeof(random), 0);
    OPENSSL_cleanse(random, sizeof(random));
    return password;
}

static void send_order(scep_ejbca_t *ca, const char *body,
                       const search_t *search, scep_ca_result_t *result,
                       apr_pool_t *p)
{
    scep_http_response_t response;
    apr_status_t rv =
        scep_ejbca_call(ca, "POST",
                        ca->conf->preregistered ? EJBCA_REQUEST : EJBCA_ENROLL,
                        body, &response, p);

    if (rv == APR_SUCCESS) {
        scep_ejbca_proto_ordered(response.status, response.body,
                                 response.body_len, result, p);
        /* a front end's 502 or 504 says nothing of what goes on behind it */
        if (result->outcome == SCEP_CA_UNKNOWN)
            settle(ca, search,
                   response.status == 500 || response.status == 503,
                   result->reason, result, p);
    } else if (!response.sent) {
        result->outcome = SCEP_CA_UNAVAILABLE;
        result->reason = response.error;
    } else {
        settle(ca, search, 0, response.error, result, p);
    }
}

static void order(scep_ejbca_t *ca, const scep_ca_request_t *request,
                  search_t *search, const char *password,
                  scep_ca_result_t *result, apr_pool_t *p)
{
    const scep_ejbca_conf_t *conf = ca->conf;
    const scep_ejbca_order_t order = {
        .csr = request->csr,
        .csr_len = request->csr_len,
        .ca = conf->ca,
        .certificate_profile =
            conf->preregistered ? NULL : conf->certificate_profile,
        .end_entity_profile =
            conf->preregistered ? NULL : conf->end_entity_profile,
        .username = search->username,
        .password = password,
        .binding = search->binding,
    };
    const char *body = scep_ejbca_proto_order(&order, p);
    scep_ejbca_turn_t turn;

    if (!body) {
        result->outcome = SCEP_CA_REJECTED;
        result->fail_info = SCEP_FAIL_BAD_REQUEST;
        result->device_fault = 1;
        result->reason = "the challenge is no UTF-8";
    } else if (!scep_ejbca_turns_take(ca->turns, search->username,
                                      conf->timeout,
                                      EJBCA_CALLS_MAX * conf->timeout,
                                      &turn)) {
        result->outcome = SCEP_CA_UNAVAILABLE;
        result->reason = "another request of the same username is under way";
    } else {
        search->began = apr_time_now();
        send_order(ca, body, search, result, p);
        scep_ejbca_turns_give(ca->turns, &turn);
    }
    if (body)
        OPENSSL_cleanse((char *)body, strlen(body));
}

void scep_ejbca_submit(void *cav, const scep_ca_request_t *request,
                       scep_ca_result_t *result, apr_pool_t *p)
{
    scep_ejbca_t *ca = cav;
    const char *password =
        ca->conf->preregistered ? request->challenge : random_password(p);
    search_t search;
    const char *fault;

    if (!password && ca->conf->preregistered) {
        result->outcome = SCEP_CA_REJECTED;
        result->fail_info = SCEP_FAIL_BAD_REQUEST;
        result->device_fault = 1;
        result->reason = "there is no challenge to hand on to EJBCA";
        return;
    }
    fault = password ? search_for(&search, ca, request, p)
                     : "OpenSSL fails at random octets";
    if (fault) {
        result->outcome = SCEP_CA_UNAVAILABLE;
        result->reason = fault;
        return;
    }
    order(ca, request, &search, password, result, p);
}
