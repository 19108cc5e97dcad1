/* seal.c - seals over batches of events: how they are made
 * SPDX-License-Identifier: Apache-2.0
 */
#include "seal.h"

#include <apr_strings.h>
#include <openssl/err.h>

#include <string.h>

/* What digests begin with, so that none can stand for one of another kind. */
#define EVENT 0x02
#define LEAF 0x00 /* these two as in RFC 6962 */
#define NODE 0x01

/* The RA's key signs replies, too: those begin with a SET OF attributes. */
#define DOMAIN "mod_scep seal 1"

/* DOMAIN with its NUL, number, time, count, root, previous, certificate */
#define SIGNED_LEN                                                            \
    (sizeof(DOMAIN) + 8 + 8 + 4 + 3 * (size_t)SCEP_SEAL_DIGEST_LEN)

#define HEX_LEN (2 * SCEP_SEAL_DIGEST_LEN)

/* The largest number, of an event that somebody has put there. */
#define NUMBER_MAX "9223372036854775807"

/* ------------------------------------------------------------------ */
/* Text of octets                                                       */

static void put_hex(char *text, const unsigned char *digest)
{
    static const char digits[] = "0123456789abcdef";

    for (int i = 0; i < SCEP_SEAL_DIGEST_LEN; i++) {
        *text++ = digits[digest[i] >> 4];
        *text++ = digits[digest[i] & 15];
    }
    *text = '\0';
}

static int digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

/* The first HEX_LEN characters of a text. */
static apr_status_t read_hex(unsigned char *digest, const char *text)
{
    for (int i = 0; i < SCEP_SEAL_DIGEST_LEN; i++, text += 2) {
        if (digit(text[0]) < 0 || digit(text[1]) < 0)
            return APR_EINVAL;
        digest[i] = (unsigned char)(digit(text[0]) << 4 | digit(text[1]));
    }
    return APR_SUCCESS;
}

static apr_status_t read_digest(unsigned char *digest, const char *text)
{
    return strlen(text) == HEX_LEN ? read_hex(digest, text) : APR_EINVAL;
}

static const char *base64(const unsigned char *octets, apr_size_t len,
                          apr_pool_t *p)
{
    char *text = apr_palloc(p, (len + 2) / 3 * 4 + 1);

    EVP_EncodeBlock((unsigned char *)text, octets, (int)len);
    return text;
}

/* NULL for what is not exactly what base64() writes. */
static unsigned char *unbase64(const char *text, apr_size_t *len,
                               apr_pool_t *p)
{
    apr_size_t size = strlen(text);
    unsigned char *octets = apr_palloc(p, size / 4 * 3 + 1);

    if (size == 0 || size % 4 || size > 65536 ||
        EVP_DecodeBlock(octets, (const unsigned char *)text, (int)size) < 0) {
        ERR_clear_error();
        return NULL;
    }
    *len = size / 4 * 3 - (text[size - 1] == '=') - (text[size - 2] == '=');
    return strcmp(base64(octets, *len, p), text) ? NULL : octets;
}

/* ------------------------------------------------------------------ */
/* Digests                                                              */

static unsigned char *put_number(unsigned char *at, apr_uint64_t number,
                                 int octets)
{
    for (int i = octets; i > 0; i--)
        *at++ = (unsigned char)(number >> 8 * (i - 1));
    return at;
}

static apr_status_t digest_of(unsigned char *digest, const void *octets,
                              apr_size_t len)
{
    return EVP_Digest(octets, len, digest, NULL, EVP_sha256(), NULL) == 1
               ? APR_SUCCESS
               : APR_EGENERAL;
}

apr_status_t scep_seal_digest_event(unsigned char *digest,
                                    const scep_event_t *event, apr_pool_t *p)
{
    const unsigned char *canonical;
    unsigned char *octets;
    scep_event_t clean;
    apr_size_t len;

    /* Who reads an event gets clean texts. */
    scep_event_clean(&clean, event, APR_SIZE_MAX, p);
    canonical = scep_event_canonical(&clean, &len, p);
    octets = apr_palloc(p, len + 1);
    *octets = EVENT;
    memcpy(octets + 1, canonical, len);
    return digest_of(digest, octets, len + 1);
}

/* The number is a part of the leaf, and so of the root: the list names a
 * missing event by it. */
static apr_status_t digest_leaf(unsigned char *digest,
                                const scep_seal_leaf_t *leaf)
{
    unsigned char octets[1 + 8 + SCEP_SEAL_DIGEST_LEN] = { LEAF };
    unsigned char *at = put_number(octets + 1, (apr_uint64_t)leaf->number, 8);

    memcpy(at, leaf->digest, SCEP_SEAL_DIGEST_LEN);
    return digest_of(digest, octets, sizeof(octets));
}

/*
 * RFC 6962 splits at the largest power of two below the count.  Putting
 * neighbours together level by level, an odd one out going up as it is, gives
 * the same tree.
 */
apr_status_t scep_seal_root(char *root, const apr_array_header_t *leaves,
                            apr_pool_t *p)
{
    int count = leaves->nelts;
    unsigned char octets[1 + 2 * SCEP_SEAL_DIGEST_LEN] = { NODE };
    unsigned char(*level)[SCEP_SEAL_DIGEST_LEN] =
        apr_palloc(p, sizeof(*level) * (apr_size_t)(count ? count : 1));
    apr_status_t rv = count ? APR_SUCCESS : APR_EINVAL;

    for (int i = 0; rv == APR_SUCCESS && i < count; i++)
        rv =
            digest_leaf(level[i], &APR_ARRAY_IDX(leaves, i, scep_seal_leaf_t));
    for (; rv == APR_SUCCESS && count > 1; count = (count + 1) / 2) {
        for (int i = 0; rv == APR_SUCCESS && i < count / 2; i++) {
            memcpy(octets + 1, level[2 * i], sizeof(octets) - 1);
            rv = digest_of(level[i], octets, sizeof(octets));
        }
        if (count % 2)
            memcpy(level[count / 2], level[count - 1], sizeof(*level));
    }
    if (rv == APR_SUCCESS)
        put_hex(root, level[0]);
    return rv;
}

/* What is signed: all that is kept of a seal; the root stands for leaves. */
static apr_status_t signed_part(unsigned char *octets, const scep_seal_t *seal,
                                apr_pool_t *p)
{
    apr_size_t len;
    const unsigned char *der = unbase64(seal->certificate, &len, p);
    unsigned char *at = octets + sizeof(DOMAIN);

    if (!der)
        return APR_EINVAL;
    memcpy(octets, DOMAIN, sizeof(DOMAIN));
    at = put_number(at, (apr_uint64_t)seal->number, 8);
    at = put_number(at, (apr_uint64_t)seal->time, 8);
    at = put_number(at, (apr_uint64_t)seal->count, 4);
    if (read_digest(at, seal->root) != APR_SUCCESS ||
        read_digest(at + SCEP_SEAL_DIGEST_LEN, seal->previous) != APR_SUCCESS)
        return APR_EINVAL;
    return digest_of(at + 2 * (size_t)SCEP_SEAL_DIGEST_LEN, der, len);
}

apr_status_t scep_seal_digest(char *digest, const scep_seal_t *seal,
                              apr_pool_t *p)
{
    apr_size_t len;
    const unsigned char *signature = unbase64(seal->signature, &len, p);
    unsigned char *octets, found[SCEP_SEAL_DIGEST_LEN];
    apr_status_t rv;

    if (!signature)
        return APR_EINVAL;
    octets = apr_palloc(p, SIGNED_LEN + len);
    rv = signed_part(octets, seal, p);
    if (rv == APR_SUCCESS) {
        memcpy(octets + SIGNED_LEN, signature, len);
        rv = digest_of(found, octets, SIGNED_LEN + len);
    }
    if (rv == APR_SUCCESS)
        put_hex(digest, found);
    return rv;
}

/* ------------------------------------------------------------------ */
/* Making one                                                           */

static apr_status_t leaves_of(apr_array_header_t *leaves,
                              const apr_array_header_t *events, apr_pool_t *p)
{
    apr_int64_t number = 0;
    apr_status_t rv = APR_SUCCESS;

    for (int i = 0; rv == APR_SUCCESS && i < events->nelts; i++) {
        const scep_sealed_event_t *event =
            &APR_ARRAY_IDX(events, i, scep_sealed_event_t);
        scep_seal_leaf_t *leaf = apr_array_push(leaves);

        if (event->number <= number)
            return APR_EINVAL;
        leaf->number = number = event->number;
        rv = scep_seal_digest_event(leaf->digest, &event->event, p);
    }
    return rv;
}

static const char *leaves_text(const apr_array_header_t *leaves, apr_pool_t *p)
{
    apr_array_header_t *words =
        apr_array_make(p, leaves->nelts, sizeof(const char *));
    char digest[SCEP_SEAL_DIGEST_SIZE];

    for (int i = 0; i < leaves->nelts; i++) {
        const scep_seal_leaf_t *leaf =
            &APR_ARRAY_IDX(leaves, i, scep_seal_leaf_t);

        put_hex(digest, leaf->digest);
        APR_ARRAY_PUSH(words, const char *) =
            apr_psprintf(p, "%" APR_INT64_T_FMT ":%s", leaf->number, digest);
    }
    return apr_array_pstrcat(p, words, ' ');
}

static apr_status_t sign(scep_seal_t *seal, EVP_PKEY *key, apr_pool_t *p)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    unsigned char octets[SIGNED_LEN], *signature = NULL;
    apr_status_t rv = signed_part(octets, seal, p);
    size_t len = 0;

    if (rv == APR_SUCCESS) {
        rv = APR_EGENERAL;
        if (ctx &&
            EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
            EVP_DigestSign(ctx, NULL, &len, octets, sizeof(octets)) == 1) {
            signature = apr_palloc(p, len);
            if (EVP_DigestSign(ctx, signature, &len, octets, sizeof(octets)) ==
                1)
                rv = APR_SUCCESS;
        }
    }
    EVP_MD_CTX_free(ctx);
    if (rv == APR_SUCCESS)
        seal->signature = base64(signature, len, p);
    return rv;
}

static const char *certificate_text(X509 *certificate, apr_pool_t *p)
{
    unsigned char *der = NULL;
    int len = i2d_X509(certificate, &der);
    const char *text = len > 0 ? base64(der, (apr_size_t)len, p) : NULL;

    OPENSSL_free(der);
    return text;
}

apr_status_t scep_seal_make(scep_seal_t *seal, const scep_seal_t *last,
                            const apr_array_header_t *events, apr_time_t now,
                            X509 *certificate, EVP_PKEY *key, apr_pool_t *p)
{
    apr_array_header_t *leaves =
        apr_array_make(p, events->nelts + 1, sizeof(scep_seal_leaf_t));
    char *root = apr_palloc(p, SCEP_SEAL_DIGEST_SIZE);
    char *previous = apr_palloc(p, SCEP_SEAL_DIGEST_SIZE);
    scep_seal_t made = { .number = last ? last->number + 1 : 1,
                         .time = now,
                         .count = events->nelts,
                         .root = root,
                         .previous = previous,
                         .certificate = certificate_text(certificate, p) };
    apr_status_t rv;

    if (events->nelts < 1 || events->nelts > SCEP_SEAL_EVENTS_MAX)
        return APR_EINVAL;
    if (!made.certificate)
        return APR_EGENERAL;
    memset(previous, '0', HEX_LEN);
    previous[HEX_LEN] = '\0';
    rv = last ? scep_seal_digest(previous, last, p) : APR_SUCCESS;
    if (rv == APR_SUCCESS)
        rv = leaves_of(leaves, events, p);
    if (rv == APR_SUCCESS)
        rv = scep_seal_root(root, leaves, p);
    if (rv == APR_SUCCESS)
        rv = sign(&made, key, p);
    if (rv != APR_SUCCESS)
        return rv;
    made.leaves = leaves_text(leaves, p);
    *seal = made;
    return APR_SUCCESS;
}

/* ------------------------------------------------------------------ */
/* Reading one                                                          */

/* "NUMBER:DIGEST", and what follows. */
static apr_status_t read_leaf(scep_seal_leaf_t *leaf, const char **text)
{
    size_t digits = strspn(*text, "0123456789");
    const char *hex = *text + digits + 1;

    if (digits < 1 || digits > strlen(NUMBER_MAX) || **text == '0' ||
        (digits == strlen(NUMBER_MAX) &&
         strncmp(*text, NUMBER_MAX, digits) > 0) ||
        hex[-1] != ':' || strspn(hex, "0123456789abcdef") != HEX_LEN)
        return APR_EINVAL;
    leaf->number = apr_atoi64(*text);
    *text = hex + HEX_LEN;
    return read_hex(leaf->digest, hex);
}

apr_status_t scep_seal_leaves(apr_array_header_t **leaves,
                              const scep_seal_t *seal, apr_pool_t *p)
{
    const char *text = seal->leaves;
    apr_array_header_t *found;
    scep_seal_leaf_t leaf = { 0 };

    if (seal->count < 1 || seal->count > SCEP_SEAL_EVENTS_MAX)
        return APR_EINVAL;
    found = apr_array_make(p, seal->count, sizeof(scep_seal_leaf_t));
    for (int i = 0; i < seal->count; i++) {
        apr_int64_t before = leaf.number;

        if ((i > 0 && *text++ != ' ') ||
            read_leaf(&leaf, &text) != APR_SUCCESS || leaf.number <= before)
            return APR_EINVAL;
        APR_ARRAY_PUSH(found, scep_seal_leaf_t) = leaf;
    }
    if (*text)
        return APR_EINVAL;
    *leaves = found;
    return APR_SUCCESS;
}

static apr_status_t free_certificate(void *certificate)
{
    X509_free(certificate);
    return APR_SUCCESS;
}

X509 *scep_seal_certificate(const scep_seal_t *seal, apr_pool_t *p)
{
    apr_size_t len;
    const unsigned char *der = unbase64(seal->certificate, &len, p);
    const unsigned char *end = der;
    X509 *certificate = der ? d2i_X509(NULL, &end, (long)len) : NULL;

    ERR_clear_error();
    if (!certificate)
        return NULL;
    apr_pool_cleanup_register(p, certificate, free_certificate,
                              apr_pool_cleanup_null);
    return end == der + len ? certificate : NULL;
}

int scep_seal_is_signed(const scep_seal_t *seal, EVP_PKEY *key, apr_pool_t *p)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    unsigned char octets[SIGNED_LEN];
    apr_size_t len;
    const unsigned char *signature = unbase64(seal->signature, &len, p);
    int good =
        ctx && signature && signed_part(octets, seal, p) == APR_SUCCESS &&
        EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
        EVP_DigestVerify(ctx, signature, len, octets, sizeof(octets)) == 1;

    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return good;
}
