/* admin_certificates.c - the resource "certificates": the inventory
 * SPDX-License-Identifier: Apache-2.0
 */
#include "admin.h"

#include <apr_escape.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include <http_protocol.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "admin_query.h"
#include "callers.h"
#include "core/device.h"
#include "http.h"

#define LIMIT_DEFAULT 100
#define LIMIT_MAX 1000
/* CAs that one serial is looked up at. */
#define SAME_MAX 20

#define PEM_TYPE "application/x-pem-file"

/* ------------------------------------------------------------------ */
/* What is shown                                                        */

static json_t *row_of(const scep_certificate_t *certificate, apr_pool_t *p)
{
    json_t *row = json_object();

    mod_scep_admin_put(row, "serial", certificate->serial, p);
    mod_scep_admin_put(row, "ca", certificate->ca, p);
    mod_scep_admin_put(row, "profile", certificate->profile, p);
    mod_scep_admin_put(row, "state",
                       scep_certificate_state_name(certificate->state), p);
    mod_scep_admin_put(row, "subject", certificate->subject, p);
    mod_scep_admin_put(row, "sans", certificate->sans, p);
    mod_scep_admin_put(row, "device", certificate->device, p);
    mod_scep_admin_put_time(row, "not_before", certificate->not_before, p);
    mod_scep_admin_put_time(row, "not_after", certificate->not_after, p);
    mod_scep_admin_put(row, "enrolment", certificate->enrolment, p);
    if (certificate->state == SCEP_CERTIFICATE_REVOKED ||
        certificate->state == SCEP_CERTIFICATE_REVOKING) {
        mod_scep_admin_put(row, "reason",
                           scep_crl_reason_name(certificate->reason), p);
    }
    mod_scep_admin_put_time(row, "changed", certificate->changed, p);
    if (certificate->state == SCEP_CERTIFICATE_REVOKING)
        mod_scep_admin_put_time(row, "due", certificate->due, p);
    mod_scep_admin_put(row, "successor", certificate->successor, p);
    return row;
}

static const char *pem_of(const scep_certificate_t *certificate, apr_pool_t *p)
{
    BIO *bio = BIO_new(BIO_s_mem());
    const char *pem = NULL;
    char *data;
    long len;

    if (bio &&
        PEM_write_bio(bio, PEM_STRING_X509, "", certificate->der,
                      (long)certificate->der_len) > 0 &&
        (len = BIO_get_mem_data(bio, &data)) > 0)
        pem = apr_pstrmemdup(p, data, (apr_size_t)len);
    BIO_free(bio);
    ERR_clear_error();
    return pem;
}

static int wants_pem(const request_rec *r)
{
    const char *accept = apr_table_get(r->headers_in, "Accept");

    return accept && ap_strcasestr(accept, PEM_TYPE);
}

int mod_scep_admin_send_certificate(request_rec *r, int status,
                                    const scep_certificate_t *certificate,
                                    const char *detail)
{
    const char *pem = pem_of(certificate, r->pool);
    json_t *row;

    apr_table_mergen(r->headers_out, "Vary", "Accept");
    if (pem && wants_pem(r) && status == HTTP_OK)
        return mod_scep_http_send(r, PEM_TYPE, pem, strlen(pem));
    row = row_of(certificate, r->pool);
    mod_scep_admin_put(row, "detail", detail, r->pool);
    mod_scep_admin_put(row, "events",
                       apr_pstrcat(r->pool, "events?serial=",
                                   certificate->serial, NULL),
                       r->pool);
    if (pem)
        json_object_set_new(row, "pem", json_string(pem));
    return mod_scep_json_send(r, status, row);
}

/* ------------------------------------------------------------------ */
/* The list                                                             */

/* A serial as the ledger has it, of one as people copy it: 0A:FF. */
static const char *read_serial(const char *text, apr_pool_t *p)
{
    char *serial = apr_palloc(p, strlen(text) + 2), *to = serial;
    size_t digits = 0;

    for (const char *c = text; *c; c++)
        digits += *c != ':';
    if (digits % 2)
        *to++ = '0';
    for (; *text; text++) {
        if (*text == ':')
            continue;
        if (!apr_isxdigit(*text))
            return NULL;
        *to++ = (char)apr_tolower(*text);
    }
    *to = '\0';
    while (!strncmp(serial, "00", 2) && serial[2])
        serial += 2;
    return *serial ? serial : NULL;
}

/* What a query asks for. */
typedef struct query_t {
    scep_ledger_filter_t filter;
    apr_time_t now;
    const char *ca; /**< where one certificate is asked for */
} query_t;

static const char *read_expiring(query_t *query, const char *value,
                                 apr_pool_t *p)
{
    apr_interval_time_t time;

    if (mod_scep_conf_time(&time, value, p) || time <= 0)
        return "\"expiring\" is a time such as 30d.";
    query->filter.since = query->now;
    query->filter.expires_before = query->now + time;
    return NULL;
}

static const char *read_state(query_t *query, const char *value)
{
    query->filter.state = scep_certificate_state_find(value);
    return query->filter.state >= 0 ? NULL
                                    : "\"state\" is one of live, superseded, "
                                      "revoked and revoking.";
}

static const char *read_filter(void *queryv, const char *name,
                               const char *value, apr_pool_t *p)
{
    query_t *query = queryv;
    scep_ledger_filter_t *filter = &query->filter;

    if (!strcmp(name, "expiring"))
        return read_expiring(query, value, p);
    if (!strcmp(name, "state"))
        return read_state(query, value);
    if (!strcmp(name, "serial")) {
        filter->serial = read_serial(value, p);
        return filter->serial ? NULL : "\"serial\" is hexadecimal.";
    }
    if (!strcmp(name, "profile"))
        return mod_scep_admin_word(&filter->profile, name, value, p);
    if (!strcmp(name, "subject"))
        return mod_scep_admin_word(&filter->subject, name, value, p);
    if (!strcmp(name, "device")) {
        filter->device = scep_device_canonical(value, p);
        return filter->device ? NULL : "\"device\" is the id of a device.";
    }
    if (!strcmp(name, "enrolment"))
        return mod_scep_admin_word(&filter->enrolment, name, value, p);
    if (!strcmp(name, "limit"))
        return mod_scep_admin_limit(&filter->limit, LIMIT_MAX, value, p);
    if (!strcmp(name, "after")) {
        return mod_scep_admin_number(&filter->after, 1, SCEP_ADMIN_NUMBER_MAX,
                                     name, value, p);
    }
    return apr_psprintf(p,
                        "There is no parameter \"%s\"; known are expiring, "
                        "state, profile, subject, device, serial, enrolment, "
                        "limit and after.",
                        name);
}

static int list(request_rec *r)
{
    query_t query = { .filter = { .state = -1, .limit = LIMIT_DEFAULT },
                      .now = apr_time_now() };
    const char *err = mod_scep_admin_query(r, read_filter, &query);
    apr_array_header_t *found;
    json_t *rows;
    int status;

    if (err)
        return mod_scep_json_problem(r, HTTP_BAD_REQUEST, "%s", err);
    /* one that is renewed or revoked may expire as it likes */
    if (query.filter.expires_before && query.filter.state < 0)
        query.filter.state = SCEP_CERTIFICATE_LIVE;
    if (!mod_scep_admin_narrow(r, &query.filter.profile, &status))
        return status;
    if (mod_scep_ledger_certificates(mod_scep_conf_get(r->server)->ledger,
                                     &query.filter, &found,
                                     r->pool) != APR_SUCCESS)
        return mod_scep_admin_ledger_down(r);
    rows = json_array();
    for (int i = 0; i < found->nelts; i++) {
        const scep_ledger_certificate_t *one =
            &APR_ARRAY_IDX(found, i, scep_ledger_certificate_t);
        json_t *row = row_of(&one->certificate, r->pool);

        json_object_set_new(row, "number",
                            json_integer((json_int_t)one->number));
        json_array_append_new(rows, row);
    }
    return mod_scep_admin_page(r, json_object(), "certificates", rows,
                               query.filter.limit);
}

/* ------------------------------------------------------------------ */
/* One                                                                  */

static const char *read_ca(void *queryv, const char *name, const char *value,
                           apr_pool_t *p)
{
    query_t *query = queryv;

    return strcmp(name, "ca")
               ? "This call takes \"ca\" alone, the name of a CA."
               : mod_scep_admin_word(&query->ca, name, value, p);
}

/* The CA whose certificate is meant; else *status is what to return. */
static const char *ca_of(request_rec *r, const char *serial, int *status)
{
    const scep_ledger_filter_t filter = { .state = -1,
                                          .serial = serial,
                                          .limit = SAME_MAX };
    apr_array_header_t *found;
    const char *cas = NULL;
    int seen = 0;

    if (mod_scep_ledger_certificates(mod_scep_conf_get(r->server)->ledger,
                                     &filter, &found,
                                     r->pool) != APR_SUCCESS) {
        *status = mod_scep_admin_ledger_down(r);
        return NULL;
    }
    for (int i = 0; i < found->nelts; i++) {
        const scep_certificate_t *one =
            &APR_ARRAY_IDX(found, i, scep_ledger_certificate_t).certificate;

        if (!mod_scep_callers_has_profile(r, one->profile))
            continue;
        seen++;
        cas = cas ? apr_pstrcat(r->pool, cas, ", ", one->ca, NULL) : one->ca;
    }
    if (seen > 1) {
        *status = mod_scep_json_problem(r, HTTP_CONFLICT,
                                        "Several CAs have issued serial %s: "
                                        "say which one with ?ca=NAME: %s.",
                                        serial, cas);
        return NULL;
    }
    *status = HTTP_NOT_FOUND;
    return cas;
}

/* Finds the one that a path and a query name, and that the caller may know
 * of; else *status is what to return. */
int mod_scep_admin_find_certificate(request_rec *r, const char *text,
                                    scep_certificate_t *certificate,
                                    int *status)
{
    const char *serial = read_serial(text, r->pool);
    query_t query = { .ca = NULL };
    const char *err = mod_scep_admin_query(r, read_ca, &query);
    apr_status_t rv = APR_NOTFOUND;

    if (err) {
        *status = mod_scep_json_problem(r, HTTP_BAD_REQUEST, "%s", err);
        return 0;
    }
    *status = HTTP_NOT_FOUND;
    if (serial && !query.ca) {
        query.ca = ca_of(r, serial, status);
        if (!query.ca && *status != HTTP_NOT_FOUND)
            return 0;
    }
    if (serial && query.ca)
        rv = mod_scep_ledger_certificate(mod_scep_conf_get(r->server)->ledger,
                                         query.ca, serial, certificate,
                                         r->pool);
    if (rv == APR_SUCCESS &&
        mod_scep_callers_has_profile(r, certificate->profile))
        return 1;
    *status = rv == APR_SUCCESS || APR_STATUS_IS_NOTFOUND(rv)
                  ? mod_scep_json_problem(r, HTTP_NOT_FOUND,
                                          "There is no certificate %s.", text)
                  : mod_scep_admin_ledger_down(r);
    return 0;
}

int mod_scep_admin_certificates(request_rec *r, const char *path)
{
    const char *verb = path ? strchr(path, '/') : NULL;
    scep_certificate_t certificate;
    int status;

    if (verb && !strcmp(verb, "/revoke")) {
        return mod_scep_admin_revoke(
            r, apr_pstrmemdup(r->pool, path, (apr_size_t)(verb - path)));
    }
    if (verb) {
        return mod_scep_json_problem(r, HTTP_NOT_FOUND,
                                     "A certificate has revoke.");
    }
    if (!mod_scep_admin_has_ledger(r, "GET, HEAD", &status))
        return status;
    if (!path)
        return list(r);
    return mod_scep_admin_find_certificate(r, path, &certificate, &status)
               ? mod_scep_admin_send_certificate(r, HTTP_OK, &certificate,
                                                 NULL)
               : status;
}
