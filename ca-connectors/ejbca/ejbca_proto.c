/* ejbca_proto.c - what goes to EJBCA's REST API and comes back
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ejbca_proto.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <openssl/err.h>

#include <string.h>

#include "ejbca_decode.h"

#define ERROR_TEXT_MAX 300

/* ------------------------------------------------------------------ */
/* Requests                                                             */

static const char *text_of(json_t *object, apr_pool_t *p)
{
    char *dumped = object ? json_dumps(object, JSON_COMPACT) : NULL;
    const char *text = dumped ? apr_pstrdup(p, dumped) : NULL;

    json_decref(object);
    if (dumped) {
        OPENSSL_cleanse(dumped, strlen(dumped));
        free(dumped);
    }
    return text;
}

const char *scep_ejbca_proto_order(const scep_ejbca_order_t *order,
                                   apr_pool_t *p)
{
    json_t *body =
        json_pack("{s:s, s:s, s:s, s:s, s:b, s:s}", "certificate_request",
                  scep_ejbca_encode(order->csr, order->csr_len, p),
                  "certificate_authority_name", order->ca, "username",
                  order->username, "password", order->password,
                  "include_chain", 1, "response_format", "DER");

    if (body && order->certificate_profile)
        json_object_set_new(body, "certificate_profile_name",
                            json_string(order->certificate_profile));
    if (body && order->end_entity_profile)
        json_object_set_new(body, "end_entity_profile_name",
                            json_string(order->end_entity_profile));
    if (body && order->binding)
        json_object_set_new(body, "account_binding_id",
                            json_string(order->binding));
    return text_of(body, p);
}

static json_t *criterion(const char *property, const char *operation,
                         const char *value)
{
    return json_pack("{s:s, s:s, s:s}", "property", property, "value", value,
                     "operation", operation);
}

/* ISO 8601, in whole seconds. */
static const char *date_text(apr_time_t time, apr_pool_t *p)
{
    apr_time_exp_t date;

    apr_time_exp_gmt(&date, time);
    return apr_psprintf(p, "%04d-%02d-%02dT%02d:%02d:%02dZ",
                        date.tm_year + 1900, date.tm_mon + 1, date.tm_mday,
                        date.tm_hour, date.tm_min, date.tm_sec);
}

const char *scep_ejbca_proto_search(const char *property, const char *value,
                                    apr_time_t since, apr_pool_t *p)
{
    json_t *criteria = json_pack("[o]", criterion(property, "EQUAL", value));

    if (since)
        json_array_append_new(criteria, criterion("ISSUED_DATE", "AFTER",
                                                  date_text(since, p)));
    return text_of(json_pack("{s:i, s:o}", "max_number_of_results",
                             EJBCA_SEARCH_MAX, "criteria", criteria),
                   p);
}

/* RFC 3986: what is not unreserved is escaped, slashes too. */
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

const char *scep_ejbca_proto_revoke(const char *issuer,
                                    const X509 *certificate, int reason,
                                    apr_pool_t *p)
{
    static const char *const reasons[] = {
        "UNSPECIFIED",      "KEY_COMPROMISE",
        "CA_COMPROMISE",    "AFFILIATION_CHANGED",
        "SUPERSEDED",       "CESSATION_OF_OPERATION",
        "CERTIFICATE_HOLD", NULL, /* 7 is not used by RFC 5280 */
        "REMOVE_FROM_CRL",  "PRIVILEGES_WITHDRAWN",
        "AA_COMPROMISE",
    };
    const ASN1_INTEGER *serial = X509_get0_serialNumber(certificate);
    const char *name = "UNSPECIFIED";
    char *hex = apr_palloc(p, 2 * (apr_size_t)serial->length + 1);

    hex[0] = '\0';
    for (int i = 0; i < serial->length; i++)
        apr_snprintf(hex + 2 * i, 3, "%02X", serial->data[i]);
    if (reason >= 0 && reason < (int)(sizeof(reasons) / sizeof(*reasons)) &&
        reasons[reason])
        name = reasons[reason];
    return apr_pstrcat(p, "/v1/certificate/", escape(issuer, p), "/", hex,
                       "/revoke?reason=", name, NULL);
}

const char *scep_ejbca_proto_chain(const char *issuer, apr_pool_t *p)
{
    return apr_pstrcat(p, EJBCA_CAS "/", escape(issuer, p),
                       "/certificate/download", NULL);
}

const char *scep_ejbca_proto_crl(const char *issuer, apr_pool_t *p)
{
    return apr_pstrcat(p, EJBCA_CAS "/", escape(issuer, p),
                       "/getLatestCrl?deltaCrl=false", NULL);
}

/* ------------------------------------------------------------------ */
/* Errors                                                               */

/* Some of what a front end's HTML says, on one line. */
static const char *plain(const char *body, apr_size_t len, apr_pool_t *p)
{
    char *out = apr_palloc(p, ERROR_TEXT_MAX + 1);
    apr_size_t n = 0;
    int in_tag = 0;

    for (apr_size_t i = 0; i < len && n < ERROR_TEXT_MAX; i++) {
        char c = body[i];

        if (c == '<' || c == '>') {
            in_tag = c == '<';
            c = ' ';
        }
        if (in_tag)
            continue;
        if (apr_isspace(c) || apr_iscntrl(c))
            c = ' ';
        if (c != ' ' || (n && out[n - 1] != ' '))
            out[n++] = c;
    }
    while (n && out[n - 1] == ' ')
        n--;
    out[n] = '\0';
    return out;
}

static const char *message_of(const char *body, apr_size_t len, apr_pool_t *p)
{
    json_t *object = json_loadb(body, len, 0, NULL);
    const char *text =
        json_string_value(json_object_get(object, "error_message"));
    const char *said =
        text ? plain(text, strlen(text), p) : plain(body, len, p);

    json_decref(object);
    return said;
}

const char *scep_ejbca_proto_error(int status, const char *body,
                                   apr_size_t len, apr_pool_t *p)
{
    const char *said = message_of(body, len, p);

    return apr_psprintf(p, "EJBCA answered HTTP %d%s%s", status,
                        *said ? ": " : ", and says nothing", said);
}

static void reject(scep_ca_result_t *result, scep_fail_info_t fail_info,
                   int device_fault, const char *reason)
{
    result->outcome = SCEP_CA_REJECTED;
    result->fail_info = fail_info;
    result->device_fault = device_fault;
    result->reason = reason;
}

/* What one text of a 400 means.  The texts are English by default and
 * depend on EJBCA's language, so the last resort is the status. */
typedef struct {
    const char *text;
    scep_ca_outcome_t outcome;
    scep_fail_info_t fail_info;
    int device_fault;
    const char *advice;
} meaning_t;

#define ADVICE_APPROVALS                                                      \
    "; switch approvals off for this CA and certificate profile"
#define ADVICE_NAMES "; see the names in <ScepCA>"
#define ADVICE_USERNAME "; see ScepEjbcaUsername"

static const meaning_t meanings[] = {
    { "is not active", SCEP_CA_UNAVAILABLE, 0, 0, "" },
    { "is offline", SCEP_CA_UNAVAILABLE, 0, 0, "" },
    { "was unavailable", SCEP_CA_UNAVAILABLE, 0, 0, "" },
    { "approvals are enabled", SCEP_CA_REJECTED, SCEP_FAIL_BAD_REQUEST, 0,
      ADVICE_APPROVALS },
    { "doesn't exist", SCEP_CA_REJECTED, SCEP_FAIL_BAD_REQUEST, 0,
      ADVICE_NAMES },
    { "does not exist", SCEP_CA_REJECTED, SCEP_FAIL_BAD_REQUEST, 0,
      ADVICE_NAMES },
    { "profile not found", SCEP_CA_REJECTED, SCEP_FAIL_BAD_REQUEST, 0,
      ADVICE_NAMES },
    { "same subject DN", SCEP_CA_REJECTED, SCEP_FAIL_BAD_REQUEST, 0,
      ADVICE_USERNAME },
    { "Illegal key", SCEP_CA_REJECTED, SCEP_FAIL_BAD_ALG, 1, "" },
};

static void refused(scep_ca_result_t *result, int status, const char *body,
                    apr_size_t len, apr_pool_t *p)
{
    const char *reason = scep_ejbca_proto_error(status, body, len, p);

    for (size_t i = 0; i < sizeof(meanings) / sizeof(*meanings); i++) {
        const meaning_t *meaning = &meanings[i];

        if (!strstr(reason, meaning->text))
            continue;
        reject(result, meaning->fail_info, meaning->device_fault,
               apr_pstrcat(p, reason, meaning->advice, NULL));
        result->outcome = meaning->outcome;
        return;
    }
    reject(result, SCEP_FAIL_BAD_REQUEST, 1, reason);
}

/* ------------------------------------------------------------------ */
/* Answers                                                              */

static int read_chain(scep_ca_result_t *result, const json_t *list,
                      apr_pool_t *p)
{
    const json_t *item;
    size_t i;

    if (!json_is_array(list))
        return 1;
    result->chain = sk_X509_new_null();
    scep_ejbca_keep_chain(result->chain, p);
    json_array_foreach((json_t *)list, i, item)
    {
        X509 *cert = scep_ejbca_certificate(json_string_value(item),
                                            json_string_length(item));

        if (!cert || !sk_X509_push(result->chain, cert)) {
            X509_free(cert);
            return 0;
        }
    }
    return 1;
}

/* Whether a certificate could be read: EJBCA has made one in any case. */
static int issued(scep_ca_result_t *result, const char *body, apr_size_t len,
                  apr_pool_t *p)
{
    json_t *object = json_loadb(body, len, 0, NULL);
    const json_t *text = json_object_get(object, "certificate");
    int ok = 0;

    result->certificate = scep_ejbca_certificate(json_string_value(text),
                                                 json_string_length(text));
    if (result->certificate) {
        scep_ejbca_keep(result->certificate, p);
        ok = read_chain(result, json_object_get(object, "certificate_chain"),
                        p);
    }
    json_decref(object);
    return ok;
}

void scep_ejbca_proto_ordered(int status, const char *body, apr_size_t len,
                              scep_ca_result_t *result, apr_pool_t *p)
{
    switch (status) {
    case 200:
    case 201:
        result->outcome = SCEP_CA_ISSUED;
        if (!issued(result, body, len, p)) {
            result->outcome = SCEP_CA_UNKNOWN;
            result->certificate = NULL;
            result->chain = NULL;
            result->reason = "EJBCA issued, but its answer has no "
                             "certificate that can be read";
        }
        break;
    case 202:
        reject(result, SCEP_FAIL_BAD_REQUEST, 0,
               "EJBCA waits for an approval" ADVICE_APPROVALS);
        break;
    case 400:
    case 409:
    case 422:
        refused(result, status, body, len, p);
        break;
    case 408:
    case 429:
        result->outcome = SCEP_CA_UNAVAILABLE;
        result->reason = scep_ejbca_proto_error(status, body, len, p);
        break;
    default:
        /* Redirects and the other 4xx come from before the enrolment: the
         * gateway's credentials, the protocol's switch, the path. */
        reject(result, SCEP_FAIL_BAD_REQUEST, 0,
               scep_ejbca_proto_error(status, body, len, p));
        if (status >= 500)
            result->outcome = SCEP_CA_UNKNOWN;
    }
    ERR_clear_error();
}

static apr_time_t not_before(const X509 *cert)
{
    struct tm tm;
    apr_time_exp_t exploded = { 0 };
    apr_time_t time = 0;

    if (!ASN1_TIME_to_tm(X509_get0_notBefore(cert), &tm))
        return 0;
    exploded.tm_year = tm.tm_year;
    exploded.tm_mon = tm.tm_mon;
    exploded.tm_mday = tm.tm_mday;
    exploded.tm_hour = tm.tm_hour;
    exploded.tm_min = tm.tm_min;
    exploded.tm_sec = tm.tm_sec;
    return apr_time_exp_gmt_get(&time, &exploded) == APR_SUCCESS ? time : 0;
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

apr_status_t scep_ejbca_proto_found(int status, const char *body,
                                    apr_size_t len,
                                    const unsigned char key[32],
                                    apr_time_t since, X509 **certificate)
{
    json_t *object = status == 200 ? json_loadb(body, len, 0, NULL) : NULL;
    json_t *list = json_object_get(object, "certificates"), *item;
    apr_time_t youngest = since;
    X509 *found = NULL;
    int whole = json_is_array(list);
    apr_status_t rv = APR_SUCCESS;
    size_t i;

    json_array_foreach(list, i, item)
    {
        const json_t *text = json_object_get(item, "certificate");
        X509 *cert = scep_ejbca_certificate(json_string_value(text),
                                            json_string_length(text));

        if (cert && has_key(cert, key) && not_before(cert) >= youngest) {
            X509_free(found);
            youngest = not_before(cert);
            found = cert;
        } else {
            whole &= cert != NULL;
            X509_free(cert);
        }
    }
    if (!found && !whole)
        rv = APR_EGENERAL;
    else if (!found && json_is_true(json_object_get(object, "more_results")))
        rv = APR_INCOMPLETE;
    json_decref(object);
    ERR_clear_error();
    if (rv == APR_SUCCESS)
        *certificate = found;
    return rv;
}

STACK_OF(X509) *scep_ejbca_proto_read_chain(const char *body, apr_size_t len,
                                            apr_pool_t *p)
{
    STACK_OF(X509) *chain = scep_ejbca_pem_chain(body, len);

    ERR_clear_error();
    if (chain)
        scep_ejbca_keep_chain(chain, p);
    return chain;
}

apr_status_t scep_ejbca_proto_read_crl(const char *body, apr_size_t len,
                                       X509_CRL **crl, apr_pool_t *p)
{
    json_t *object = json_loadb(body, len, 0, NULL);
    const json_t *text = json_object_get(object, "crl");
    apr_status_t rv = APR_EGENERAL;

    *crl = NULL;
    if (json_is_null(text))
        rv = APR_SUCCESS;
    else if (json_is_string(text) &&
             (*crl = scep_ejbca_crl(json_string_value(text),
                                    json_string_length(text))))
        rv = APR_SUCCESS;
    if (*crl)
        scep_ejbca_keep_crl(*crl, p);
    json_decref(object);
    ERR_clear_error();
    return rv;
}

const char *scep_ejbca_proto_issuer(const char *body, apr_size_t len,
                                    const char *ca, apr_pool_t *p)
{
    json_t *object = json_loadb(body, len, 0, NULL), *item;
    const char *issuer = NULL;
    size_t i;

    json_array_foreach(json_object_get(object, "certificate_authorities"), i,
                       item)
    {
        const char *name = json_string_value(json_object_get(item, "name"));
        const char *dn =
            json_string_value(json_object_get(item, "subject_dn"));

        if (name && dn && !strcmp(name, ca))
            issuer = apr_pstrdup(p, dn);
    }
    json_decref(object);
    return issuer;
}

int scep_ejbca_proto_status(int status, const char *body, apr_size_t len,
                            const char **text, apr_pool_t *p)
{
    json_t *object = status == 200 ? json_loadb(body, len, 0, NULL) : NULL;
    const char *word = json_string_value(json_object_get(object, "status"));
    const char *revision =
        json_string_value(json_object_get(object, "revision"));
    int works = word && !strcmp(word, "OK");

    *text = !works     ? scep_ejbca_proto_error(status, body, len, p)
            : revision ? plain(revision, strlen(revision), p)
                       : "EJBCA answers";
    json_decref(object);
    return works;
}
