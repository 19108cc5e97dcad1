/* ejbca_decode.c - certificates and CRLs as EJBCA writes them into JSON
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ejbca_decode.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <string.h>

/* Far over what any certificate or CRL over REST should have. */
#define TEXT_MAX (8 * 1024 * 1024)

const char *scep_ejbca_encode(const unsigned char *der, apr_size_t len,
                              apr_pool_t *p)
{
    char *text = apr_palloc(p, 4 * ((len + 2) / 3) + 1);

    EVP_EncodeBlock((unsigned char *)text, der, (int)len);
    return text;
}

/* Decodes base64, with line breaks or without; NULL: it is none. */
static unsigned char *decode(const char *text, apr_size_t len, int *out_len)
{
    EVP_ENCODE_CTX *ctx = EVP_ENCODE_CTX_new();
    unsigned char *out = OPENSSL_malloc(len / 4 * 3 + 4);
    int n = 0, rest = 0;

    EVP_DecodeInit(ctx);
    if (!out ||
        EVP_DecodeUpdate(ctx, out, &n, (const unsigned char *)text, (int)len) <
            0 ||
        EVP_DecodeFinal(ctx, out + n, &rest) != 1) {
        OPENSSL_free(out);
        out = NULL;
    }
    EVP_ENCODE_CTX_free(ctx);
    *out_len = n + rest;
    return out;
}

/* DER out of base64, once or twice; the caller frees it. */
static unsigned char *octets(const char *text, apr_size_t len, int *out_len)
{
    unsigned char *once, *twice;

    if (!text || len == 0 || len > TEXT_MAX)
        return NULL;
    once = decode(text, len, out_len);
    /* DER begins with 0x30, and its base64 with "M" */
    if (!once || *out_len < 4 || once[0] != 'M')
        return once;
    twice = decode((const char *)once, (apr_size_t)*out_len, out_len);
    OPENSSL_free(once);
    return twice;
}

static X509 *read_pem(const char *text, apr_size_t len)
{
    BIO *in = BIO_new_mem_buf(text, (int)len);
    X509 *cert = in ? PEM_read_bio_X509(in, NULL, NULL, NULL) : NULL;

    BIO_free(in);
    return cert;
}

X509 *scep_ejbca_certificate(const char *text, apr_size_t len)
{
    const unsigned char *at;
    unsigned char *der;
    X509 *cert = NULL;
    int der_len;

    if (text && len < TEXT_MAX && !strncmp(text, "-----BEGIN", 10))
        return read_pem(text, len);
    at = der = octets(text, len, &der_len);
    if (der)
        cert = d2i_X509(NULL, &at, der_len);
    if (cert && at != der + der_len) {
        X509_free(cert);
        cert = NULL;
    }
    OPENSSL_free(der);
    return cert;
}

STACK_OF(X509) *scep_ejbca_pem_chain(const char *text, apr_size_t len)
{
    BIO *in = len < TEXT_MAX ? BIO_new_mem_buf(text, (int)len) : NULL;
    STACK_OF(X509) *chain = sk_X509_new_null();
    X509 *cert = NULL;
    unsigned long why;

    while (in && chain && (cert = PEM_read_bio_X509(in, NULL, NULL, NULL)) &&
           sk_X509_push(chain, cert))
        cert = NULL;
    X509_free(cert);
    BIO_free(in);
    /* the end of the text, after one at least */
    why = ERR_peek_last_error();
    if (sk_X509_num(chain) > 0 && ERR_GET_LIB(why) == ERR_LIB_PEM &&
        ERR_GET_REASON(why) == PEM_R_NO_START_LINE)
        return chain;
    sk_X509_pop_free(chain, X509_free);
    return NULL;
}

X509_CRL *scep_ejbca_crl(const char *text, apr_size_t len)
{
    const unsigned char *at;
    unsigned char *der;
    X509_CRL *crl = NULL;
    int der_len;

    at = der = octets(text, len, &der_len);
    if (der)
        crl = d2i_X509_CRL(NULL, &at, der_len);
    OPENSSL_free(der);
    return crl;
}

static apr_status_t free_certificate(void *certificate)
{
    X509_free(certificate);
    return APR_SUCCESS;
}

void scep_ejbca_keep(X509 *certificate, apr_pool_t *p)
{
    apr_pool_cleanup_register(p, certificate, free_certificate,
                              apr_pool_cleanup_null);
}

static apr_status_t free_chain(void *chain)
{
    sk_X509_pop_free(chain, X509_free);
    return APR_SUCCESS;
}

void scep_ejbca_keep_chain(STACK_OF(X509) *chain, apr_pool_t *p)
{
    apr_pool_cleanup_register(p, chain, free_chain, apr_pool_cleanup_null);
}

static apr_status_t free_crl(void *crl)
{
    X509_CRL_free(crl);
    return APR_SUCCESS;
}

void scep_ejbca_keep_crl(X509_CRL *crl, apr_pool_t *p)
{
    apr_pool_cleanup_register(p, crl, free_crl, apr_pool_cleanup_null);
}
