/* cert_publish.c - what GetCACert and GetCACaps answer
 * SPDX-License-Identifier: Apache-2.0
 */
#include <limits.h>
#include <string.h>

#include <apr_strings.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "cert.h"

/* ------------------------------------------------------------------ */
/* certificates-only SignedData                                         */

/* ContentInfo's contentType; version, digestAlgorithms and encapContentInfo
 * without content; signerInfos */
static const unsigned char signed_data[] = {
    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02,
};
static const unsigned char head[] = {
    0x02, 0x01, 0x01, 0x31, 0x00, 0x30, 0x0b, 0x06, 0x09,
    0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01,
};
static const unsigned char tail[] = { 0x31, 0x00 };

/* tags within SignedData */
enum { CERTIFICATES = 0, CRLS = 1 };

static unsigned char *put(unsigned char *at, const unsigned char *octets,
                          apr_size_t len)
{
    memcpy(at, octets, len);
    return at + len;
}

/* Writes it around what is there in one element; returns that element's
 * place.  By hand: OpenSSL's encoder would sort the certificates. */
static unsigned char *wrap(int tag, int inner_len, const unsigned char **der,
                           apr_size_t *len, apr_pool_t *p)
{
    int body_len, content_len, info_len, total;
    unsigned char *out, *at;

    body_len = (int)sizeof(head) + ASN1_object_size(1, inner_len, tag) +
               (int)sizeof(tail);
    content_len = ASN1_object_size(1, body_len, V_ASN1_SEQUENCE);
    info_len = (int)sizeof(signed_data) + ASN1_object_size(1, content_len, 0);
    total = ASN1_object_size(1, info_len, V_ASN1_SEQUENCE);
    at = out = apr_palloc(p, (apr_size_t)total);
    ASN1_put_object(&at, 1, info_len, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL);
    at = put(at, signed_data, sizeof(signed_data));
    ASN1_put_object(&at, 1, content_len, 0, V_ASN1_CONTEXT_SPECIFIC);
    ASN1_put_object(&at, 1, body_len, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL);
    at = put(at, head, sizeof(head));
    ASN1_put_object(&at, 1, inner_len, tag, V_ASN1_CONTEXT_SPECIFIC);
    put(at + inner_len, tail, sizeof(tail));
    *der = out;
    *len = (apr_size_t)total;
    return at;
}

apr_status_t scep_cert_degenerate(const STACK_OF(X509) *certs,
                                  const unsigned char **der, apr_size_t *len,
                                  apr_pool_t *p)
{
    int i, certs_len = 0;
    unsigned char *at;

    ERR_clear_error();
    for (i = 0; i < sk_X509_num(certs); i++) {
        int one = i2d_X509(sk_X509_value(certs, i), NULL);

        if (one <= 0) {
            ERR_clear_error();
            return APR_EGENERAL;
        }
        certs_len += one;
    }
    if (certs_len == 0)
        return APR_EINVAL;
    at = wrap(CERTIFICATES, certs_len, der, len, p);
    for (i = 0; i < sk_X509_num(certs); i++)
        i2d_X509(sk_X509_value(certs, i), &at);
    return APR_SUCCESS;
}

apr_status_t scep_cert_degenerate_crl(const X509_CRL *crl,
                                      const unsigned char **der,
                                      apr_size_t *len, apr_pool_t *p)
{
    int crl_len = i2d_X509_CRL(crl, NULL);
    unsigned char *at;

    if (crl_len <= 0 || crl_len > INT_MAX / 2) {
        ERR_clear_error();
        return APR_EGENERAL;
    }
    at = wrap(CRLS, crl_len, der, len, p);
    i2d_X509_CRL(crl, &at);
    return APR_SUCCESS;
}

/* ------------------------------------------------------------------ */
/* GetCACert                                                            */

static int is_root(const X509 *cert)
{
    return X509_NAME_cmp(X509_get_subject_name(cert),
                         X509_get_issuer_name(cert)) == 0;
}

/* Adds a certificate once: a CA may be its own RA, and one certificate may
 * be named twice. */
static int add(STACK_OF(X509) *list, X509 *cert, int reverse)
{
    int i;

    for (i = 0; i < sk_X509_num(list); i++)
        if (X509_cmp(sk_X509_value(list, i), cert) == 0)
            return 1;
    return sk_X509_insert(list, cert, reverse ? 0 : -1) > 0;
}

/* The issuing CA is always there, be it the root itself. */
static int collect(STACK_OF(X509) *list, scep_publish_t form, int reverse,
                   const STACK_OF(X509) *ra, const STACK_OF(X509) *chain)
{
    int i, ok = 1, n = form == SCEP_PUBLISH_CA ? 1 : sk_X509_num(chain);

    if (form == SCEP_PUBLISH_RA_CA || form == SCEP_PUBLISH_RA_CA_ROOT)
        for (i = 0; ok && i < sk_X509_num(ra); i++)
            ok = add(list, sk_X509_value(ra, i), reverse);
    for (i = 0; ok && i < n; i++) {
        X509 *cert = sk_X509_value(chain, i);

        if (i == 0 || form != SCEP_PUBLISH_RA_CA || !is_root(cert))
            ok = add(list, cert, reverse);
    }
    return ok;
}

static apr_status_t publish_one(scep_body_t *body, X509 *cert, apr_pool_t *p)
{
    int len = i2d_X509(cert, NULL);
    unsigned char *at;

    if (len <= 0)
        return APR_EGENERAL;
    body->data = at = apr_palloc(p, (apr_size_t)len);
    body->len = (apr_size_t)len;
    body->content_type = "application/x-x509-ca-cert";
    i2d_X509(cert, &at);
    return APR_SUCCESS;
}

apr_status_t scep_cert_publish(scep_body_t *body, scep_publish_t form,
                               int reverse, const STACK_OF(X509) *ra,
                               const STACK_OF(X509) *chain, apr_pool_t *p)
{
    STACK_OF(X509) *list = sk_X509_new_null();
    scep_body_t made = { "application/x-x509-ca-ra-cert", NULL, 0 };
    apr_status_t rv = APR_EGENERAL;

    ERR_clear_error();
    if (list && sk_X509_num(chain) > 0 &&
        collect(list, form, reverse, ra, chain)) {
        if (sk_X509_num(list) == 1)
            rv = publish_one(&made, sk_X509_value(list, 0), p);
        else
            rv = scep_cert_degenerate(list, &made.data, &made.len, p);
    }
    sk_X509_free(list);
    ERR_clear_error();
    if (rv == APR_SUCCESS)
        *body = made;
    return rv;
}

/* ------------------------------------------------------------------ */
/* GetCACaps                                                            */

static int find(const apr_array_header_t *words, const char *word)
{
    int i;

    for (i = 0; i < words->nelts; i++)
        if (strcmp(APR_ARRAY_IDX(words, i, const char *), word) == 0)
            return i;
    return -1;
}

static void add_word(apr_array_header_t *words, const char *word)
{
    if (*word && find(words, word) < 0)
        *(const char **)apr_array_push(words) = word;
}

static void remove_word(apr_array_header_t *words, const char *word)
{
    const char **list = (const char **)words->elts;
    int i = find(words, word);

    if (i >= 0) {
        words->nelts--;
        memmove(list + i, list + i + 1,
                (size_t)(words->nelts - i) * sizeof(*list));
    }
}

/* Every word alone too: old clients do not know what SCEPStandard implies
 * (C-15), and strongSwan looks for SHA-384. */
static void add_defaults(apr_array_header_t *words, unsigned int digests,
                         unsigned int ciphers, int renewal, int next_ca)
{
    int aes = (ciphers & SCEP_CIPHER_AES128) != 0;
    int sha256 = (digests & SCEP_DIGEST_SHA256) != 0;

    if (aes)
        add_word(words, "AES");
    if (ciphers & SCEP_CIPHER_DES3)
        add_word(words, "DES3");
    if (next_ca)
        add_word(words, "GetNextCACert");
    add_word(words, "POSTPKIOperation");
    if (renewal)
        add_word(words, "Renewal");
    if (aes && sha256)
        add_word(words, "SCEPStandard");
    if (digests & SCEP_DIGEST_SHA1)
        add_word(words, "SHA-1");
    if (sha256)
        add_word(words, "SHA-256");
    if (digests & SCEP_DIGEST_SHA384)
        add_word(words, "SHA-384");
    if (digests & SCEP_DIGEST_SHA512)
        add_word(words, "SHA-512");
}

const char *scep_cert_capabilities(unsigned int digests, unsigned int ciphers,
                                   int renewal, int next_ca,
                                   const apr_array_header_t *edits,
                                   apr_pool_t *p)
{
    apr_array_header_t *words = apr_array_make(p, 16, sizeof(const char *));
    int i, n = edits ? edits->nelts : 0;

    if (n == 0 || strchr("+-", *APR_ARRAY_IDX(edits, 0, const char *)))
        add_defaults(words, digests, ciphers, renewal, next_ca);
    for (i = 0; i < n; i++) {
        const char *word = APR_ARRAY_IDX(edits, i, const char *);

        if (*word == '-')
            remove_word(words, word + 1);
        else
            add_word(words, word + (*word == '+'));
    }
    if (words->nelts == 0)
        return "";
    return apr_pstrcat(p, apr_array_pstrcat(p, words, '\n'), "\n", NULL);
}
