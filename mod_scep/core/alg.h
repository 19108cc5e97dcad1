/* alg.h - digests, content ciphers and key rules, fetched once
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SCEP_ALG_H
#define SCEP_ALG_H

#include <openssl/cms.h>

#include "result.h"

/** Digests, as bits of a set. */
typedef enum {
    SCEP_DIGEST_MD5 = 1 << 0, /**< only with legacy crypto */
    SCEP_DIGEST_SHA1 = 1 << 1,
    SCEP_DIGEST_SHA256 = 1 << 2,
    SCEP_DIGEST_SHA384 = 1 << 3,
    SCEP_DIGEST_SHA512 = 1 << 4
} scep_digest_t;

/** Content-encryption algorithms, as bits of a set; all in CBC mode. */
typedef enum {
    SCEP_CIPHER_DES = 1 << 0, /**< only with legacy crypto */
    SCEP_CIPHER_DES3 = 1 << 1,
    SCEP_CIPHER_AES128 = 1 << 2,
    SCEP_CIPHER_AES192 = 1 << 3,
    SCEP_CIPHER_AES256 = 1 << 4
} scep_cipher_t;

#define SCEP_DIGESTS_DEFAULT                                                  \
    (SCEP_DIGEST_SHA256 | SCEP_DIGEST_SHA384 | SCEP_DIGEST_SHA512)
#define SCEP_DIGESTS_LEGACY (SCEP_DIGEST_MD5 | SCEP_DIGEST_SHA1)
#define SCEP_CIPHERS_DEFAULT                                                  \
    (SCEP_CIPHER_AES128 | SCEP_CIPHER_AES192 | SCEP_CIPHER_AES256)
#define SCEP_CIPHERS_LEGACY (SCEP_CIPHER_DES | SCEP_CIPHER_DES3)

/**
 * Algorithms fetched once and shared by all threads.  Single DES lives in
 * OpenSSL's legacy provider, so it comes from a library context of its own.
 */
typedef struct scep_alg_t scep_alg_t;

/**
 * Fetches the algorithms.
 * @param legacy  also load the legacy provider, for single DES
 * @param p  the set is freed with it
 * @return APR_SUCCESS; APR_ENOTIMPL: the legacy provider is not there
 */
apr_status_t scep_alg_create(scep_alg_t **alg, int legacy, apr_pool_t *p);

/** One bit for one name ("sha256", "aes128", any case), 0 if unknown. */
unsigned int scep_alg_digest_by_name(const char *name);
unsigned int scep_alg_cipher_by_name(const char *name);
/** One bit for one NID (NID_sha256, NID_aes_128_cbc), 0 if unknown. */
unsigned int scep_alg_digest_by_nid(int nid);
unsigned int scep_alg_cipher_by_nid(int nid);
/** The lower-case name of one bit. */
const char *scep_alg_digest_name(unsigned int digest);
const char *scep_alg_cipher_name(unsigned int cipher);

/** The fetched method for one bit; never NULL for a bit that was fetched. */
const EVP_MD *scep_alg_md(const scep_alg_t *alg, unsigned int digest);
const EVP_CIPHER *scep_alg_evp_cipher(const scep_alg_t *alg,
                                      unsigned int cipher);

/**
 * Decodes a DER SubjectPublicKeyInfo.  An RSA key takes 4 us here, where
 * OpenSSL's own decoder takes 90.
 * @return the caller's to free; NULL: no key that OpenSSL knows
 */
EVP_PKEY *scep_alg_key_decode(const unsigned char *spki, apr_size_t len);

/** Which public keys are good enough.  0 in rsa_min: no RSA at all. */
typedef struct scep_key_rule_t {
    int rsa_min, rsa_max; /**< bits */
    unsigned int curves;  /**< SCEP_CURVE_* */
} scep_key_rule_t;

#define SCEP_CURVE_P256 1u
#define SCEP_CURVE_P384 2u
#define SCEP_CURVE_P521 4u

#define SCEP_KEY_RULE_DEFAULT                                                 \
    {                                                                         \
        2048, 4096, SCEP_CURVE_P256 | SCEP_CURVE_P384 | SCEP_CURVE_P521       \
    }

/**
 * Parses one word of ScepKeyTypes: "rsa", "rsa:2048-4096", "rsa:3072",
 * "ec" (all curves), "ec:P-256", and adds it to the rule.
 * @return NULL, or what is wrong with the word
 */
const char *scep_alg_key_rule_add(scep_key_rule_t *rule, const char *word,
                                  apr_pool_t *p);

/** Checks a key; SCEP_REASON_KEY with a detail where it is not allowed. */
apr_status_t scep_alg_key_check(const scep_key_rule_t *rule,
                                const EVP_PKEY *key, scep_result_t *res,
                                apr_pool_t *p);

#endif
