/* adcs_decode.c - certificates as ADCS sends them
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adcs_decode.h"

#include <apr_lib.h>
#include <openssl/err.h>
#include <openssl/cms.h>

#include <string.h>

/* Far over what any chain should have. */
#define OCTETS_MAX (1024 * 1024)
#define CHAIN_MAX 16

#define PEM_BEGIN "-----BEGIN "
#define PEM_END "-----END "

const char *scep_adcs_encode(const unsigned char *der, apr_size_t len,
                             apr_pool_t *p)
{
    char *text = apr_palloc(p, 4 * ((len + 2) / 3) + 1);

    EVP_EncodeBlock((unsigned char *)text, der, (int)len);
    return text;
}

const unsigned char *scep_adcs_octets(const char *text, apr_size_t text_len,
                                      apr_size_t *len, apr_pool_t *p)
{
    unsigned char *packed, *out;
    apr_size_t n = 0, padding = 0;

    if (text_len > 2 * OCTETS_MAX)
        return NULL;
    packed = apr_palloc(p, text_len + 1);
    for (apr_size_t i = 0; i < text_len; i++)
        if (!apr_isspace(text[i]))
            packed[n++] = (unsigned char)text[i];
    while (padding < n && packed[n - 1 - padding] == '=')
        padding++;
    out = apr_palloc(p, n / 4 * 3 + 1);
    if (n == 0 || padding > 2 || EVP_DecodeBlock(out, packed, (int)n) < 0) {
        ERR_clear_error();
        return NULL;
    }
    *len = n / 4 * 3 - padding;
    return out;
}

/* What stands between the lines of PEM. */
static const char *inside_pem(const char *text, apr_size_t *len)
{
    const char *end = text + *len;
    const char *begin = memchr(text, '\n', *len);

    for (const char *at = begin; at && at < end;
         at = memchr(at + 1, '-', (apr_size_t)(end - at - 1)))
        if ((apr_size_t)(end - at) > strlen(PEM_END) &&
            !memcmp(at, PEM_END, strlen(PEM_END))) {
            *len = (apr_size_t)(at - begin);
            return begin;
        }
    return NULL;
}

/* DER of any form. */
static const unsigned char *der_of(const char *text, apr_size_t text_len,
                                   apr_size_t *len, apr_pool_t *p)
{
    *len = text_len;
    if (!text || text_len < 4 || text_len > 2 * OCTETS_MAX)
        return NULL;
    if (text[0] == 0x30 && (text[1] & 0x80))
        return (const unsigned char *)text;
    if (text_len > strlen(PEM_BEGIN) &&
        !memcmp(text, PEM_BEGIN, strlen(PEM_BEGIN)))
        text = inside_pem(text, &text_len);
    return text ? scep_adcs_octets(text, text_len, len, p) : NULL;
}

static apr_status_t free_certificate(void *certificate)
{
    X509_free(certificate);
    return APR_SUCCESS;
}

X509 *scep_adcs_certificate(const char *text, apr_size_t len, apr_pool_t *p)
{
    const unsigned char *der = der_of(text, len, &len, p), *at = der;
    X509 *cert = der ? d2i_X509(NULL, &at, (long)len) : NULL;

    ERR_clear_error();
    if (cert && at != der + len) {
        X509_free(cert);
        cert = NULL;
    }
    if (cert)
        apr_pool_cleanup_register(p, cert, free_certificate,
                                  apr_pool_cleanup_null);
    return cert;
}

/* ------------------------------------------------------------------ */
/* Chains                                                               */

static int is_issuer(const X509 *issuer, const X509 *cert)
{
    return !X509_NAME_cmp(X509_get_subject_name(issuer),
                          X509_get_issuer_name(cert));
}

static int is_root(const X509 *cert)
{
    return is_issuer(cert, cert);
}

/* Where a chain begins that has no leaf: at one that issued no other. */
static int first_of(const STACK_OF(X509) *list)
{
    for (int i = 0; i < sk_X509_num(list); i++) {
        int issued = 0;

        for (int k = 0; k < sk_X509_num(list); k++)
            issued |= k != i && is_issuer(sk_X509_value(list, i),
                                          sk_X509_value(list, k));
        if (!issued)
            return i;
    }
    return sk_X509_num(list) > 0 ? 0 : -1;
}

static int issuer_of(const STACK_OF(X509) *list, const X509 *cert)
{
    for (int i = 0; i < sk_X509_num(list); i++)
        if (is_issuer(sk_X509_value(list, i), cert))
            return i;
    return -1;
}

static apr_status_t free_chain(void *chain)
{
    sk_X509_pop_free(chain, X509_free);
    return APR_SUCCESS;
}

/* By names alone: who uses the chain verifies it. */
static STACK_OF(X509) *in_order(const STACK_OF(X509) *list, const X509 *leaf)
{
    STACK_OF(X509) *chain = sk_X509_new_null();
    const X509 *last = leaf;
    int next = leaf ? issuer_of(list, leaf) : first_of(list);

    while (chain && next >= 0 && sk_X509_num(chain) < CHAIN_MAX) {
        X509 *cert = sk_X509_value(list, next);

        if (!X509_up_ref(cert))
            break;
        if (!sk_X509_push(chain, cert)) {
            X509_free(cert);
            break;
        }
        last = cert;
        next = is_root(last) ? -1 : issuer_of(list, last);
    }
    return chain;
}

STACK_OF(X509) *scep_adcs_chain(const char *text, apr_size_t len,
                                const X509 *leaf, apr_pool_t *p)
{
    const unsigned char *at = der_of(text, len, &len, p);
    CMS_ContentInfo *cms =
        at ? d2i_CMS_ContentInfo(NULL, &at, (long)len) : NULL;
    STACK_OF(X509) *list = cms ? CMS_get1_certs(cms) : NULL;
    STACK_OF(X509) *chain = in_order(list, leaf);

    sk_X509_pop_free(list, X509_free);
    CMS_ContentInfo_free(cms);
    ERR_clear_error();
    if (chain && sk_X509_num(chain) < 1) {
        sk_X509_free(chain);
        chain = NULL;
    }
    if (chain)
        apr_pool_cleanup_register(p, chain, free_chain, apr_pool_cleanup_null);
    return chain;
}
