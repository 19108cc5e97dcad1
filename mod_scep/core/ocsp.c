/* ocsp.c - what an OCSP responder is asked, and what its answer is worth
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ocsp.h"

#include <apr_strings.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>

#include "cert.h"

/* How far the responder's clock may be off, and how old an answer may be
 * that does not say until when it is good. */
#define SKEW apr_time_from_sec(300)

#define URL_MAX 1024

struct scep_ocsp_t {
    OCSP_REQUEST *request;
    OCSP_CERTID *id; /* in request */
};

static apr_status_t free_request(void *request)
{
    OCSP_REQUEST_free(request);
    return APR_SUCCESS;
}

/* SHA-1 names the issuer: what every responder knows (RFC 5019). */
static OCSP_CERTID *add_id(OCSP_REQUEST *request, X509 *cert, X509 *issuer)
{
    OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), cert, issuer);

    if (id && OCSP_request_add0_id(request, id))
        return id;
    OCSP_CERTID_free(id);
    return NULL;
}

static apr_status_t free_octets(void *octets)
{
    OPENSSL_free(octets);
    return APR_SUCCESS;
}

apr_status_t scep_ocsp_ask(scep_ocsp_t **ocsp, X509 *cert, X509 *issuer,
                           unsigned char nonce[SCEP_OCSP_NONCE_LEN],
                           const unsigned char **der, apr_size_t *len,
                           apr_pool_t *p)
{
    scep_ocsp_t *made = apr_pcalloc(p, sizeof(*made));
    unsigned char *octets = NULL;
    int size = -1;

    ERR_clear_error();
    if ((made->request = OCSP_REQUEST_new())) {
        apr_pool_cleanup_register(p, made->request, free_request,
                                  apr_pool_cleanup_null);
        if ((made->id = add_id(made->request, cert, issuer)) &&
            OCSP_request_add1_nonce(made->request, nonce,
                                    SCEP_OCSP_NONCE_LEN) == 1)
            size = i2d_OCSP_REQUEST(made->request, &octets);
    }
    ERR_clear_error();
    if (size < 0)
        return APR_EGENERAL;
    apr_pool_cleanup_register(p, octets, free_octets, apr_pool_cleanup_null);
    *ocsp = made;
    *der = octets;
    *len = (apr_size_t)size;
    return APR_SUCCESS;
}

/* The issuing CA is what is trusted, whoever may stand above it. */
static int is_signed(OCSP_BASICRESP *basic, X509 *issuer, apr_time_t now)
{
    X509_STORE *store = X509_STORE_new();
    STACK_OF(X509) *along = sk_X509_new_null();
    int good = store && along && X509_STORE_add_cert(store, issuer) &&
               sk_X509_push(along, issuer);

    if (good) {
        X509_VERIFY_PARAM_set_time(X509_STORE_get0_param(store),
                                   (time_t)apr_time_sec(now));
        good = OCSP_basic_verify(basic, along, store,
                                 OCSP_PARTIAL_CHAIN | OCSP_NOEXPLICIT) == 1;
    }
    sk_X509_free(along);
    X509_STORE_free(store);
    return good;
}

static const char *check_time(const ASN1_GENERALIZEDTIME *this_update,
                              const ASN1_GENERALIZEDTIME *next_update,
                              apr_time_t now)
{
    if (scep_cert_compare_time(this_update, now + SKEW) >= 0)
        return "the OCSP response is from the future";
    if (next_update ? scep_cert_compare_time(next_update, now - SKEW) <= 0
                    : scep_cert_compare_time(this_update, now - SKEW) <= 0)
        return "the OCSP response is out of date";
    return NULL;
}

static scep_revocation_t read_basic(const scep_ocsp_t *ocsp,
                                    OCSP_BASICRESP *basic, X509 *issuer,
                                    apr_time_t now, apr_time_t *until,
                                    const char **reason)
{
    ASN1_GENERALIZEDTIME *revoked_at, *this_update, *next_update;
    int status;

    /* 0: another nonce; -1: none in the answer */
    if (OCSP_check_nonce(ocsp->request, basic) == 0)
        *reason = "the OCSP response is for another question (nonce)";
    else if (!is_signed(basic, issuer, now))
        *reason = "the OCSP response is not signed by the issuing CA or by "
                  "a responder that it has certified";
    else if (!OCSP_resp_find_status(basic, ocsp->id, &status, NULL,
                                    &revoked_at, &this_update, &next_update))
        *reason = "the OCSP response is about another certificate";
    else if (!(*reason = check_time(this_update, next_update, now))) {
        *until = next_update ? scep_cert_time(next_update) : 0;
        switch (status) {
        case V_OCSP_CERTSTATUS_GOOD:
            return SCEP_REVOCATION_GOOD;
        case V_OCSP_CERTSTATUS_REVOKED:
            *reason = "the certificate is revoked";
            return SCEP_REVOCATION_REVOKED;
        default:
            *reason = "the OCSP responder does not know the certificate";
            return SCEP_REVOCATION_UNKNOWN;
        }
    }
    return SCEP_REVOCATION_UNCLEAR;
}

scep_revocation_t scep_ocsp_answer(const scep_ocsp_t *ocsp,
                                   const unsigned char *der, apr_size_t len,
                                   X509 *issuer, apr_time_t now,
                                   apr_time_t *until, const char **reason,
                                   apr_pool_t *p)
{
    const unsigned char *at = der;
    OCSP_RESPONSE *response;
    OCSP_BASICRESP *basic = NULL;
    scep_revocation_t answer = SCEP_REVOCATION_UNCLEAR;

    *until = 0;
    ERR_clear_error();
    response = d2i_OCSP_RESPONSE(NULL, &at, (long)len);
    if (!response || at != der + len)
        *reason = "the answer is no OCSP response";
    else if (OCSP_response_status(response) != OCSP_RESPONSE_STATUS_SUCCESSFUL)
        *reason = apr_psprintf(p, "the OCSP responder says \"%s\"",
                               OCSP_response_status_str(
                                   OCSP_response_status(response)));
    else if (!(basic = OCSP_response_get1_basic(response)))
        *reason = "the OCSP response is of a kind that is not known";
    else
        answer = read_basic(ocsp, basic, issuer, now, until, reason);
    OCSP_BASICRESP_free(basic);
    OCSP_RESPONSE_free(response);
    ERR_clear_error();
    return answer;
}

const char *scep_ocsp_url(X509 *cert, apr_pool_t *p)
{
    STACK_OF(OPENSSL_STRING) *urls = X509_get1_ocsp(cert);
    const char *found = NULL;

    for (int i = 0; !found && i < sk_OPENSSL_STRING_num(urls); i++) {
        const char *url = sk_OPENSSL_STRING_value(urls, i);

        if (!strncasecmp(url, "http", 4) && strlen(url) < URL_MAX)
            found = apr_pstrdup(p, url);
    }
    X509_email_free(urls);
    ERR_clear_error();
    return found;
}
