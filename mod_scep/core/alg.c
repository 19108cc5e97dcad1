/* alg.c - digests and content ciphers, fetched once
 * SPDX-License-Identifier: Apache-2.0
 */
#include "alg.h"

#include <strings.h>

#include <openssl/err.h>
#include <openssl/provider.h>

typedef struct {
    unsigned int bit;
    int nid;
    const char *name;
    const char *fetch; /* the name that OpenSSL's providers know */
} method_t;

static const method_t digests[] = {
    { SCEP_DIGEST_MD5, NID_md5, "md5", "MD5" },
    { SCEP_DIGEST_SHA1, NID_sha1, "sha1", "SHA1" },
    { SCEP_DIGEST_SHA256, NID_sha256, "sha256", "SHA256" },
    { SCEP_DIGEST_SHA384, NID_sha384, "sha384", "SHA384" },
    { SCEP_DIGEST_SHA512, NID_sha512, "sha512", "SHA512" },
};

static const method_t ciphers[] = {
    { SCEP_CIPHER_DES, NID_des_cbc, "des", "DES-CBC" },
    { SCEP_CIPHER_DES3, NID_des_ede3_cbc, "des3", "DES-EDE3-CBC" },
    { SCEP_CIPHER_AES128, NID_aes_128_cbc, "aes128", "AES-128-CBC" },
    { SCEP_CIPHER_AES192, NID_aes_192_cbc, "aes192", "AES-192-CBC" },
    { SCEP_CIPHER_AES256, NID_aes_256_cbc, "aes256", "AES-256-CBC" },
};

#define DIGESTS (sizeof(digests) / sizeof(digests[0]))
#define CIPHERS (sizeof(ciphers) / sizeof(ciphers[0]))

struct scep_alg_t {
    OSSL_LIB_CTX *legacy; /* NULL: without */
    OSSL_PROVIDER *legacy_provider;
    OSSL_PROVIDER *default_provider;
    EVP_MD *md[DIGESTS];
    EVP_CIPHER *cipher[CIPHERS];
};

static apr_status_t free_alg(void *baton)
{
    scep_alg_t *alg = baton;

    for (size_t i = 0; i < DIGESTS; i++)
        EVP_MD_free(alg->md[i]);
    for (size_t i = 0; i < CIPHERS; i++)
        EVP_CIPHER_free(alg->cipher[i]);
    if (alg->legacy_provider != NULL)
        OSSL_PROVIDER_unload(alg->legacy_provider);
    if (alg->default_provider != NULL)
        OSSL_PROVIDER_unload(alg->default_provider);
    OSSL_LIB_CTX_free(alg->legacy);
    return APR_SUCCESS;
}

/* The default provider is there for its random numbers: a content key that
 * the DES cipher makes is drawn in its own library context. */
static int load_legacy(scep_alg_t *alg)
{
    alg->legacy = OSSL_LIB_CTX_new();
    if (alg->legacy == NULL)
        return 0;
    alg->default_provider = OSSL_PROVIDER_load(alg->legacy, "default");
    alg->legacy_provider = OSSL_PROVIDER_load(alg->legacy, "legacy");
    return alg->default_provider != NULL && alg->legacy_provider != NULL;
}

static int fetch_all(scep_alg_t *alg)
{
    for (size_t i = 0; i < DIGESTS; i++) {
        if (digests[i].bit == SCEP_DIGEST_MD5 && alg->legacy == NULL)
            continue;
        alg->md[i] = EVP_MD_fetch(NULL, digests[i].fetch, NULL);
        if (alg->md[i] == NULL)
            return 0;
    }
    for (size_t i = 0; i < CIPHERS; i++) {
        int des = ciphers[i].bit == SCEP_CIPHER_DES;

        if (des && alg->legacy == NULL)
            continue;
        alg->cipher[i] =
            EVP_CIPHER_fetch(des ? alg->legacy : NULL, ciphers[i].fetch, NULL);
        if (alg->cipher[i] == NULL)
            return 0;
    }
    return 1;
}

apr_status_t scep_alg_create(scep_alg_t **alg, int legacy, apr_pool_t *p)
{
    scep_alg_t *made = apr_pcalloc(p, sizeof(*made));
    apr_status_t rv = APR_SUCCESS;

    ERR_clear_error();
    apr_pool_cleanup_register(p, made, free_alg, apr_pool_cleanup_null);
    if (legacy && !load_legacy(made))
        rv = APR_ENOTIMPL;
    else if (!fetch_all(made))
        rv = APR_EGENERAL;
    else
        *alg = made;
    ERR_clear_error();
    return rv;
}

static const method_t *by_name(const method_t *list, size_t n,
                               const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcasecmp(list[i].name, name) == 0)
            return &list[i];
    return NULL;
}

static const method_t *by_nid(const method_t *list, size_t n, int nid)
{
    for (size_t i = 0; i < n; i++)
        if (list[i].nid == nid)
            return &list[i];
    return NULL;
}

static const method_t *by_bit(const method_t *list, size_t n, unsigned int bit)
{
    for (size_t i = 0; i < n; i++)
        if (list[i].bit == bit)
            return &list[i];
    return NULL;
}

static unsigned int bit_of(const method_t *method)
{
    return method != NULL ? method->bit : 0;
}

unsigned int scep_alg_digest_by_name(const char *name)
{
    return bit_of(by_name(digests, DIGESTS, name));
}

unsigned int scep_alg_cipher_by_name(const char *name)
{
    return bit_of(by_name(ciphers, CIPHERS, name));
}

unsigned int scep_alg_digest_by_nid(int nid)
{
    return bit_of(by_nid(digests, DIGESTS, nid));
}

unsigned int scep_alg_cipher_by_nid(int nid)
{
    return bit_of(by_nid(ciphers, CIPHERS, nid));
}

const char *scep_alg_digest_name(unsigned int digest)
{
    const method_t *method = by_bit(digests, DIGESTS, digest);

    return method != NULL ? method->name : "none";
}

const char *scep_alg_cipher_name(unsigned int cipher)
{
    const method_t *method = by_bit(ciphers, CIPHERS, cipher);

    return method != NULL ? method->name : "none";
}

const EVP_MD *scep_alg_md(const scep_alg_t *alg, unsigned int digest)
{
    const method_t *method = by_bit(digests, DIGESTS, digest);

    return method != NULL ? alg->md[method - digests] : NULL;
}

const EVP_CIPHER *scep_alg_evp_cipher(const scep_alg_t *alg,
                                      unsigned int cipher)
{
    const method_t *method = by_bit(ciphers, CIPHERS, cipher);

    return method != NULL ? alg->cipher[method - ciphers] : NULL;
}
