/* next_ca.c - the answer to GetNextCACert
 * SPDX-License-Identifier: Apache-2.0
 *
 * Made once, at the start, so OpenSSL's CMS calls serve.
 */
#include "next_ca.h"

#include <limits.h>

#include <apr_strings.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/pem.h>

const char *scep_next_ca_check(const STACK_OF(X509) *next,
                               const STACK_OF(X509) *chain, apr_time_t now,
                               apr_pool_t *p)
{
    X509 *first = sk_X509_value(next, 0);
    apr_time_t when = now;
    int days, seconds;
    ASN1_TIME *from;

    if (first && X509_cmp(first, sk_X509_value(chain, 0)) == 0)
        return "it is the CA of ScepCAChain, and not the next one";
    /* It is told of before its time. */
    from = ASN1_TIME_set(NULL, apr_time_sec(now));
    if (first && from &&
        ASN1_TIME_diff(&days, &seconds, from, X509_get0_notBefore(first)) &&
        (days > 0 || seconds > 0))
        when += apr_time_from_sec((apr_time_t)days * 86400 + seconds + 1);
    ASN1_TIME_free(from);
    ERR_clear_error();
    return scep_cert_check_chain(next, when, p);
}

/* ------------------------------------------------------------------ */
/* Signing                                                              */

static int add_certificates(CMS_ContentInfo *cms, const STACK_OF(X509) *certs,
                            X509 *signer)
{
    int seen = 0;

    for (int i = 0; i < sk_X509_num(certs); i++) {
        X509 *cert = sk_X509_value(certs, i);

        seen |= X509_cmp(cert, signer) == 0;
        if (!CMS_add1_cert(cms, cert))
            return 0;
    }
    return seen || CMS_add1_cert(cms, signer);
}

static int add_signer(CMS_ContentInfo *cms, X509 *signer, EVP_PKEY *key,
                      apr_time_t now)
{
    CMS_SignerInfo *info = CMS_add1_signer(cms, signer, key, EVP_sha256(),
                                           CMS_PARTIAL | CMS_BINARY |
                                               CMS_NOSMIMECAP | CMS_NOCERTS);
    ASN1_TIME *time = ASN1_TIME_set(NULL, apr_time_sec(now));
    int ok = info && time &&
             CMS_signed_add1_attr_by_NID(info, NID_pkcs9_signingTime,
                                         time->type, time, -1);

    ASN1_TIME_free(time);
    return ok;
}

static apr_status_t write_body(scep_body_t *body, CMS_ContentInfo *cms,
                               apr_pool_t *p)
{
    int len = i2d_CMS_ContentInfo(cms, NULL);
    unsigned char *at;

    if (len <= 0)
        return APR_EGENERAL;
    body->data = at = apr_palloc(p, (apr_size_t)len);
    body->len = (apr_size_t)len;
    body->content_type = "application/x-x509-next-ca-cert";
    i2d_CMS_ContentInfo(cms, &at);
    return APR_SUCCESS;
}

apr_status_t scep_next_ca_sign(scep_body_t *body, const STACK_OF(X509) *certs,
                               X509 *signer, EVP_PKEY *key, apr_time_t now,
                               const char **error, apr_pool_t *p)
{
    const unsigned char *content;
    CMS_ContentInfo *cms = NULL;
    apr_status_t rv;
    BIO *in = NULL;
    apr_size_t len;

    rv = scep_cert_degenerate(certs, &content, &len, p);
    if (rv == APR_SUCCESS) {
        in = BIO_new_mem_buf(content, (int)len);
        cms = CMS_sign(NULL, NULL, NULL, NULL, CMS_PARTIAL | CMS_BINARY);
        rv = in && cms && CMS_set_detached(cms, 0) &&
                     add_signer(cms, signer, key, now) &&
                     add_certificates(cms, certs, signer) &&
                     CMS_final(cms, in, NULL, CMS_BINARY)
                 ? write_body(body, cms, p)
                 : APR_EGENERAL;
    }
    if (rv != APR_SUCCESS)
        *error = apr_pstrcat(p, "GetNextCACert's answer cannot be signed: ",
                             scep_result_openssl_errors(p), NULL);
    CMS_ContentInfo_free(cms);
    BIO_free(in);
    ERR_clear_error();
    return rv;
}

/* ------------------------------------------------------------------ */
/* Signed elsewhere                                                     */

/* A PEM text of whatever label, which tools do not agree on, or DER. */
static CMS_ContentInfo *read_cms(const char *text, apr_size_t len)
{
    BIO *in = len <= INT_MAX ? BIO_new_mem_buf(text, (int)len) : NULL;
    const unsigned char *der = (const unsigned char *)text;
    char *label = NULL, *header = NULL;
    unsigned char *decoded = NULL;
    CMS_ContentInfo *cms = NULL;
    long der_len = (long)len, decoded_len;

    if (in && PEM_read_bio(in, &label, &header, &decoded, &decoded_len) == 1) {
        der = decoded;
        der_len = decoded_len;
    }
    if (in)
        cms = d2i_CMS_ContentInfo(NULL, &der, der_len);
    OPENSSL_free(label);
    OPENSSL_free(header);
    OPENSSL_free(decoded);
    BIO_free(in);
    return cms;
}

/* Whether one of its signatures is the CA's. */
static int is_signed_by(CMS_ContentInfo *cms, X509 *ca, BIO *content)
{
    STACK_OF(X509) *only = sk_X509_new_null();
    int ok =
        only && sk_X509_push(only, ca) &&
        CMS_verify(cms, only, NULL, NULL, content,
                   CMS_NOINTERN | CMS_NO_SIGNER_CERT_VERIFY | CMS_BINARY) == 1;

    sk_X509_free(only);
    return ok;
}

/* Whether a content has the next CA in its certificates. */
static int tells_of(BIO *content, X509 *next)
{
    CMS_ContentInfo *inner = d2i_CMS_bio(content, NULL);
    STACK_OF(X509) *certs = inner ? CMS_get1_certs(inner) : NULL;
    int found = 0;

    for (int i = 0; i < sk_X509_num(certs); i++)
        found |= X509_cmp(sk_X509_value(certs, i), next) == 0;
    sk_X509_pop_free(certs, X509_free);
    CMS_ContentInfo_free(inner);
    return found;
}

const char *scep_next_ca_take(scep_body_t *body, const char *text,
                              apr_size_t len, const STACK_OF(X509) *next,
                              const STACK_OF(X509) *chain, apr_pool_t *p)
{
    CMS_ContentInfo *cms = read_cms(text, len);
    BIO *content = BIO_new(BIO_s_mem());
    const char *error = NULL;

    if (!cms)
        error = "it is no CMS, neither DER nor PEM";
    else if (!content)
        error = "no memory for it";
    else if (!is_signed_by(cms, sk_X509_value(chain, 0), content))
        error = "it is not signed by the CA of ScepCAChain";
    else if (!tells_of(content, sk_X509_value(next, 0)))
        error = "the CA of ScepNextCAChain is not in its content";
    else if (write_body(body, cms, p) != APR_SUCCESS)
        error = "it cannot be encoded";
    BIO_free(content);
    CMS_ContentInfo_free(cms);
    ERR_clear_error();
    return error;
}
