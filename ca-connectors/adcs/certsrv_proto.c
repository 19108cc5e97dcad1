/* certsrv_proto.c - what goes to ADCS's web enrolment and comes back
 * SPDX-License-Identifier: Apache-2.0
 */
#include "certsrv_proto.h"

#include <apr_escape.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include <openssl/err.h>

#include <stdlib.h>
#include <string.h>

#include "adcs_decode.h"
#include "hresult.h"

/* Most renewals of a CA that anybody has seen, and then some. */
#define RENEWALS_MAX 9999
#define LINE 64

#define NO_REQUEST 0x80094002U
#define ADMIN_DENIED 0x80094014U

/* ------------------------------------------------------------------ */
/* Submission                                                           */

/* RFC 3986: what is not unreserved is escaped; "+" would be a blank. */
static const char *escape(const char *text, apr_pool_t *p)
{
    char *out = apr_palloc(p, 3 * strlen(text) + 1), *to = out;

    for (; *text; text++)
        if (apr_isalnum(*text) || strchr("-._~", *text))
            *to++ = *text;
        else
            to += apr_snprintf(to, 4, "%%%02X", (unsigned char)*text);
    *to = '\0';
    return out;
}

/* PEM; certreq writes this label over CMS too. */
static const char *armour(const unsigned char *der, apr_size_t len, int is_cms,
                          apr_pool_t *p)
{
    const char *base64 = scep_adcs_encode(der, len, p);
    const char *label =
        is_cms ? "NEW CERTIFICATE REQUEST" : "CERTIFICATE REQUEST";
    apr_size_t left = strlen(base64);
    char *lines = apr_palloc(p, left + left / LINE + 2), *to = lines;

    while (left) {
        apr_size_t n = left < LINE ? left : LINE;

        memcpy(to, base64, n);
        to += n;
        *to++ = '\n';
        base64 += n;
        left -= n;
    }
    *to = '\0';
    return apr_pstrcat(p, "-----BEGIN ", label, "-----\n", lines, "-----END ",
                       label, "-----\n", NULL);
}

/* A line break would begin another attribute. */
int scep_certsrv_proto_is_template(const char *template)
{
    for (const char *at = template; *at; at++)
        if (apr_iscntrl(*at))
            return 0;
    return *template && strlen(template) <= 255;
}

const char *scep_certsrv_proto_form(const unsigned char *der, apr_size_t len,
                                    int is_cms, const char *template,
                                    apr_pool_t *p)
{
    const char *attributes = "";

    if (template) {
        if (!scep_certsrv_proto_is_template(template))
            return NULL;
        attributes =
            apr_pstrcat(p, "CertificateTemplate:", template, "\r\n", NULL);
    }
    return apr_pstrcat(p, "Mode=newreq&CertRequest=",
                       escape(armour(der, len, is_cms, p), p),
                       "&CertAttrib=", escape(attributes, p),
                       "&FriendlyType=Saved-Request+Certificate"
                       "&TargetStoreFlags=0&SaveCert=yes",
                       NULL);
}

/* ------------------------------------------------------------------ */
/* Pages                                                                */

static void set(scep_ca_result_t *result, scep_ca_outcome_t outcome,
                const char *reason)
{
    result->outcome = outcome;
    result->fail_info = SCEP_FAIL_BAD_REQUEST;
    result->reason = reason;
}

static void refuse(scep_ca_result_t *result)
{
    set(result, SCEP_CA_REJECTED, "ADCS has denied the request");
    result->device_fault = 1;
}

/* An HRESULT from the most telling place, or 0. */
static apr_uint32_t error_of(const scep_certsrv_page_t *page, apr_pool_t *p)
{
    static const char *const places[] = { "locLastStatLabel", "locResultLabel",
                                          "locDispMsgLabel" };

    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
        const char *value = scep_certsrv_page_value(page, places[i], p);
        apr_uint32_t code = value ? scep_certsrv_page_hresult(value) : 0;

        if (code)
            return code;
    }
    return scep_certsrv_page_hresult(page->text);
}

/* -1: the page has none. */
static long disposition_of(const scep_certsrv_page_t *page, apr_pool_t *p)
{
    const char *number = scep_certsrv_page_value(page, "locDispLabel", p);

    return number && apr_isdigit(*number) ? strtol(number, NULL, 0) : -1;
}

/* Those of the CA's answers and those of its database do not overlap; 1, an
 * error, may be that of the question and so says nothing of the request. */
static int is_pending(long disposition)
{
    return disposition == 5 || disposition == 9;
}

static int is_issued(long disposition)
{
    return disposition == 3 || disposition == 4 || disposition == 20;
}

static int is_denied(long disposition)
{
    return disposition == 2 || disposition == 6 || disposition == 21 ||
           disposition == 30 || disposition == 31;
}

/* ------------------------------------------------------------------ */
/* The answer to it                                                     */

const char *scep_certsrv_proto_error(int status, const char *body,
                                     apr_size_t len, apr_pool_t *p)
{
    const char *said =
        scep_certsrv_page_tidy(scep_certsrv_page_read(body, len, p)->text, p);

    return apr_psprintf(p, "certsrv answered HTTP %d%s%s", status,
                        *said ? ": " : ", and says nothing", said);
}

/* The id in "certnew.cer?ReqID=7&", also of a script; 0: there is none. */
static apr_uint32_t linked_id(const char *body, apr_size_t len)
{
    static const char name[] = "ReqID=";
    const apr_size_t name_len = sizeof(name) - 1;

    for (apr_size_t i = 0; i + name_len < len; i++) {
        apr_uint64_t id = 0;

        if (strncasecmp(body + i, name, name_len))
            continue;
        for (i += name_len; i < len && apr_isdigit(body[i]); i++)
            if (id <= APR_INT32_MAX)
                id = 10 * id + (apr_uint64_t)(body[i] - '0');
        if (id > 0 && id <= APR_INT32_MAX)
            return (apr_uint32_t)id;
        i--;
    }
    return 0;
}

/*
 * What a page without a link means.  An error page has a disposition field,
 * and no number in it is a request id; the others have sentences, in which the
 * id stands somewhere.  A number that the CA refuses with decides at once.
 */
static int judge_answer(const scep_certsrv_page_t *page,
                        scep_certsrv_ticket_t *ticket,
                        scep_ca_result_t *result, apr_pool_t *p)
{
    long disposition = disposition_of(page, p);
    apr_uint32_t code = error_of(page, p);
    const char *said = scep_certsrv_page_tidy(page->text, p);

    if (!scep_certsrv_page_value(page, "locDispLabel", p)) {
        ticket->count = scep_certsrv_page_numbers(page->text, ticket->ids);
        ticket->guessed = 1;
    }
    if (code)
        scep_hresult_decide(code, is_denied(disposition), NULL, result, p);
    else if (is_denied(disposition))
        refuse(result);
    else
        set(result, SCEP_CA_UNKNOWN,
            "certsrv does not say what became of the request");
    result->reason =
        apr_pstrcat(p, result->reason, "; the page: ", said, NULL);
    return ticket->count > 0 && result->outcome != SCEP_CA_REJECTED;
}

int scep_certsrv_proto_submitted(int status, const char *body, apr_size_t len,
                                 scep_certsrv_ticket_t *ticket,
                                 scep_ca_result_t *result, apr_pool_t *p)
{
    apr_uint32_t id;
    const char *reason;

    ticket->count = 0;
    ticket->guessed = 0;
    if (status == 200) {
        id = linked_id(body, len);
        if (!id)
            return judge_answer(scep_certsrv_page_read(body, len, p), ticket,
                                result, p);
        ticket->ids[ticket->count++] = id;
        return 1;
    }
    reason = scep_certsrv_proto_error(status, body, len, p);
    if (status == 408 || status == 429)
        set(result, SCEP_CA_UNAVAILABLE, reason);
    else if (status >= 300 && status < 500)
        /* from before the page runs: credentials, rights, the path */
        set(result, SCEP_CA_REJECTED, reason);
    else
        set(result, SCEP_CA_UNKNOWN, reason);
    return 0;
}

/* ------------------------------------------------------------------ */
/* Fetching                                                             */

const char *scep_certsrv_proto_fetch(apr_uint32_t id, apr_pool_t *p)
{
    return apr_psprintf(p, "/certnew.cer?ReqID=%u&Enc=b64", id);
}

static int has_key(const X509 *cert, const unsigned char key[32])
{
    unsigned char *der = NULL, digest[EVP_MAX_MD_SIZE];
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
    int same =
        len > 0 &&
        EVP_Digest(der, (size_t)len, digest, NULL, EVP_sha256(), NULL) == 1 &&
        !memcmp(digest, key, 32);

    OPENSSL_free(der);
    return same;
}

static scep_certsrv_found_t unclear(scep_ca_result_t *result,
                                    const char *reason)
{
    set(result, SCEP_CA_UNKNOWN, reason);
    return SCEP_CERTSRV_UNCLEAR;
}

/* By the page that comes where there is no certificate. */
static scep_certsrv_found_t judge_status(const scep_certsrv_page_t *page,
                                         const scep_certsrv_ticket_t *ticket,
                                         scep_ca_result_t *result,
                                         apr_pool_t *p)
{
    const char *said = scep_certsrv_page_value(page, "locDispMsgLabel", p);
    long disposition = disposition_of(page, p);
    apr_uint32_t code = error_of(page, p);
    int denied = is_denied(disposition);

    said = scep_certsrv_page_tidy(said ? said : page->text, p);
    if (is_pending(disposition) && code != ADMIN_DENIED) {
        set(result, SCEP_CA_PENDING,
            apr_pstrcat(p, "the request waits in ADCS: ", said, NULL));
        return SCEP_CERTSRV_DECIDED;
    }
    if (is_issued(disposition))
        return unclear(result, "ADCS issued, but does not hand it out");
    if (code == NO_REQUEST && ticket->guessed)
        return SCEP_CERTSRV_OTHER;
    if (code)
        scep_hresult_decide(code, denied, result->handle, result, p);
    else if (denied)
        refuse(result);
    else
        set(result, SCEP_CA_UNKNOWN,
            "certsrv does not say what became of the request");
    result->reason =
        apr_pstrcat(p, result->reason, "; the page: ", said, NULL);
    if (denied || code == ADMIN_DENIED)
        return SCEP_CERTSRV_DECIDED;
    if (result->outcome == SCEP_CA_REJECTED && ticket->guessed)
        return SCEP_CERTSRV_OTHER;
    /* that the account may not ask says nothing of the request */
    if (result->outcome == SCEP_CA_REJECTED && !result->device_fault &&
        code != NO_REQUEST)
        return unclear(result, result->reason);
    return result->outcome == SCEP_CA_REJECTED ? SCEP_CERTSRV_DECIDED
                                               : SCEP_CERTSRV_UNCLEAR;
}

scep_certsrv_found_t scep_certsrv_proto_fetched(
    int status, const char *body, apr_size_t len,
    const scep_certsrv_ticket_t *ticket, apr_uint32_t id,
    scep_ca_result_t *result, apr_pool_t *p)
{
    scep_certsrv_ticket_t one = *ticket;
    X509 *cert = status == 200 ? scep_adcs_certificate(body, len, p) : NULL;
    int is_ours = cert && has_key(cert, ticket->key);
    scep_certsrv_found_t found;

    ERR_clear_error();
    one.count = 1;
    one.ids[0] = id;
    result->handle = scep_certsrv_proto_handle(&one, p);
    if (is_ours) {
        set(result, SCEP_CA_ISSUED, NULL);
        result->certificate = cert;
        return SCEP_CERTSRV_DECIDED;
    }
    if (cert && ticket->guessed)
        return SCEP_CERTSRV_OTHER;
    if (cert)
        return unclear(result,
                       apr_psprintf(p,
                                    "the certificate of request %u has "
                                    "another key",
                                    id));
    if (status != 200)
        return unclear(result, scep_certsrv_proto_error(status, body, len, p));
    found =
        judge_status(scep_certsrv_page_read(body, len, p), ticket, result, p);
    ERR_clear_error();
    return found;
}

/* ------------------------------------------------------------------ */
/* Handles and issuers                                                  */

const char *scep_certsrv_proto_handle(const scep_certsrv_ticket_t *ticket,
                                      apr_pool_t *p)
{
    const char *text = ticket->guessed ? "?" : "";

    for (int i = 0; i < ticket->count; i++)
        text = apr_psprintf(p, "%s%s%u", text, i ? "," : "", ticket->ids[i]);
    return apr_pstrcat(p, text, " ",
                       apr_pescape_hex(p, ticket->key, sizeof(ticket->key), 0),
                       NULL);
}

int scep_certsrv_proto_read_handle(const char *handle,
                                   scep_certsrv_ticket_t *ticket)
{
    const char *key = strchr(handle, ' '), *at = handle;
    apr_size_t len = 0;

    memset(ticket, 0, sizeof(*ticket));
    ticket->guessed = *at == '?';
    at += ticket->guessed;
    while (ticket->count < SCEP_CERTSRV_IDS_MAX && apr_isdigit(*at)) {
        char *end;
        apr_int64_t id = apr_strtoi64(at, &end, 10);

        if (id <= 0 || id > APR_INT32_MAX)
            return 0;
        ticket->ids[ticket->count++] = (apr_uint32_t)id;
        at = *end == ',' ? end + 1 : end;
    }
    return ticket->count && at == key &&
           strlen(key + 1) == 2 * sizeof(ticket->key) &&
           apr_unescape_hex(ticket->key, key + 1, APR_ESCAPE_STRING, 0,
                            &len) == APR_SUCCESS &&
           len == sizeof(ticket->key);
}

const char *scep_certsrv_proto_issuers(int status, const char *body,
                                       apr_size_t len, apr_pool_t *p)
{
    const char *text = status == 200 ? apr_pstrmemdup(p, body, len) : "";
    const char *at = strstr(text, "nRenewals");
    apr_int64_t renewals;

    if (!at)
        return NULL;
    at += strlen("nRenewals");
    at += strspn(at, " \t=");
    if (!apr_isdigit(*at))
        return NULL;
    renewals = apr_atoi64(at);
    if (renewals < 0 || renewals > RENEWALS_MAX)
        return NULL;
    return apr_psprintf(p,
                        "/certnew.p7b?ReqID=CACert&Renewal=%" APR_INT64_T_FMT
                        "&Enc=bin",
                        renewals);
}
