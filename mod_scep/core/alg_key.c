/* alg_key.c - public keys: reading them fast and saying which are allowed
 * SPDX-License-Identifier: Apache-2.0
 */
#include "alg.h"

#include <limits.h>
#include <stdlib.h>
#include <strings.h>

#include <apr_strings.h>
#include <openssl/asn1t.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>

#define RSA_BITS_DEFAULT_MIN 2048
#define RSA_BITS_DEFAULT_MAX 4096
#define RSA_BITS_MIN 1024
#define RSA_BITS_MAX 16384 /* what OpenSSL computes with */
#define RSA_EXPONENT_MAX 8 /* octets, likewise */

/* SubjectPublicKeyInfo without the decoding that X509_PUBKEY does at once */
typedef struct {
    X509_ALGOR *algorithm;
    ASN1_BIT_STRING *key;
} spki_t;

ASN1_SEQUENCE(spki_t) = {
    ASN1_SIMPLE(spki_t, algorithm, X509_ALGOR),
    ASN1_SIMPLE(spki_t, key, ASN1_BIT_STRING),
} static_ASN1_SEQUENCE_END(spki_t)

/* RSAPublicKey */
typedef struct {
    BIGNUM *modulus;
    BIGNUM *exponent;
} rsa_key_t;

ASN1_SEQUENCE(rsa_key_t) = {
    ASN1_SIMPLE(rsa_key_t, modulus, BIGNUM),
    ASN1_SIMPLE(rsa_key_t, exponent, BIGNUM),
} static_ASN1_SEQUENCE_END(rsa_key_t)

static const struct {
    unsigned int bit;
    int nid;
    const char *name;
} curves[] = {
    { SCEP_CURVE_P256, NID_X9_62_prime256v1, "P-256" },
    { SCEP_CURVE_P384, NID_secp384r1, "P-384" },
    { SCEP_CURVE_P521, NID_secp521r1, "P-521" },
};

#define CURVES (sizeof(curves) / sizeof(curves[0]))

static EVP_PKEY *make_rsa(const BIGNUM *modulus, const BIGNUM *exponent)
{
    unsigned char n[RSA_BITS_MAX / 8], e[RSA_EXPONENT_MAX];
    int n_len = BN_num_bytes(modulus), e_len = BN_num_bytes(exponent);
    EVP_PKEY_CTX *ctx = NULL;
    EVP_PKEY *key = NULL;
    OSSL_PARAM params[3];

    if (n_len == 0 || n_len > (int)sizeof(n) || !BN_is_odd(modulus) ||
        e_len == 0 || e_len > (int)sizeof(e) || !BN_is_odd(exponent) ||
        BN_is_one(exponent))
        return NULL;
    if (BN_bn2nativepad(modulus, n, n_len) != n_len ||
        BN_bn2nativepad(exponent, e, e_len) != e_len)
        return NULL;
    params[0] = OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_N, n, n_len);
    params[1] = OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_E, e, e_len);
    params[2] = OSSL_PARAM_construct_end();
    ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(ctx);
    return key;
}

static EVP_PKEY *decode_rsa(const spki_t *spki)
{
    const unsigned char *at = ASN1_STRING_get0_data(spki->key);
    EVP_PKEY *key = NULL;
    rsa_key_t *rsa;

    rsa = (rsa_key_t *)ASN1_item_d2i(NULL, &at, ASN1_STRING_length(spki->key),
                                     ASN1_ITEM_rptr(rsa_key_t));
    if (rsa != NULL)
        key = make_rsa(rsa->modulus, rsa->exponent);
    ASN1_item_free((ASN1_VALUE *)rsa, ASN1_ITEM_rptr(rsa_key_t));
    return key;
}

EVP_PKEY *scep_alg_key_decode(const unsigned char *spki, apr_size_t len)
{
    const unsigned char *at = spki;
    EVP_PKEY *key = NULL;
    spki_t *parsed = NULL;

    ERR_clear_error();
    if (len <= LONG_MAX)
        parsed = (spki_t *)ASN1_item_d2i(NULL, &at, (long)len,
                                         ASN1_ITEM_rptr(spki_t));
    if (parsed != NULL &&
        OBJ_obj2nid(parsed->algorithm->algorithm) == NID_rsaEncryption) {
        key = decode_rsa(parsed);
    } else if (parsed != NULL) {
        at = spki;
        key = d2i_PUBKEY(NULL, &at, (long)len);
    }
    ASN1_item_free((ASN1_VALUE *)parsed, ASN1_ITEM_rptr(spki_t));
    ERR_clear_error();
    return key;
}

/* "2048" or "2048-4096" */
static const char *parse_sizes(scep_key_rule_t *rule, const char *text)
{
    char *end;
    long min = strtol(text, &end, 10);
    long max = min > RSA_BITS_DEFAULT_MAX ? min : RSA_BITS_DEFAULT_MAX;

    if (end != text && *end == '-') {
        text = end + 1;
        max = strtol(text, &end, 10);
    }
    if (end == text || *end != '\0')
        return "give the sizes of RSA keys in bits, as rsa:2048-4096";
    if (min < RSA_BITS_MIN || max > RSA_BITS_MAX || min > max)
        return "RSA keys can be from 1024 to 16384 bits, smaller size first";
    rule->rsa_min = (int)min;
    rule->rsa_max = (int)max;
    return NULL;
}

static const char *parse_curve(scep_key_rule_t *rule, const char *name,
                               apr_pool_t *p)
{
    for (size_t i = 0; i < CURVES; i++) {
        if (strcasecmp(name, curves[i].name) == 0 ||
            strcasecmp(name, OBJ_nid2sn(curves[i].nid)) == 0) {
            rule->curves |= curves[i].bit;
            return NULL;
        }
    }
    return apr_psprintf(p, "unknown curve '%s': P-256, P-384 or P-521", name);
}

const char *scep_alg_key_rule_add(scep_key_rule_t *rule, const char *word,
                                  apr_pool_t *p)
{
    if (strncasecmp(word, "rsa", 3) == 0 &&
        (word[3] == '\0' || word[3] == ':')) {
        if (rule->rsa_min != 0)
            return "rsa is given twice";
        if (word[3] == ':')
            return parse_sizes(rule, word + 4);
        rule->rsa_min = RSA_BITS_DEFAULT_MIN;
        rule->rsa_max = RSA_BITS_DEFAULT_MAX;
        return NULL;
    }
    if (strncasecmp(word, "ec:", 3) == 0)
        return parse_curve(rule, word + 3, p);
    if (strcasecmp(word, "ec") == 0) {
        for (size_t i = 0; i < CURVES; i++)
            rule->curves |= curves[i].bit;
        return NULL;
    }
    return apr_psprintf(p, "unknown key type '%s': rsa or ec", word);
}

static unsigned int curve_of(const EVP_PKEY *key)
{
    char name[64];
    int nid;

    if (EVP_PKEY_get_group_name(key, name, sizeof(name), NULL) != 1)
        return 0;
    nid = OBJ_txt2nid(name);
    for (size_t i = 0; i < CURVES; i++) {
        if (curves[i].nid == nid)
            return curves[i].bit;
    }
    return 0;
}

apr_status_t scep_alg_key_check(const scep_key_rule_t *rule,
                                const EVP_PKEY *key, scep_result_t *res,
                                apr_pool_t *p)
{
    int bits = EVP_PKEY_get_bits(key);
    apr_status_t rv = APR_SUCCESS;

    ERR_clear_error();
    if (EVP_PKEY_is_a(key, "RSA")) {
        if (rule->rsa_min == 0)
            rv = scep_result_fail(res, p, SCEP_REASON_KEY,
                                  "RSA keys are not allowed");
        else if (bits < rule->rsa_min || bits > rule->rsa_max)
            rv = scep_result_fail(res, p, SCEP_REASON_KEY,
                                  "RSA key of %d bits, allowed: %d to %d",
                                  bits, rule->rsa_min, rule->rsa_max);
    } else if (EVP_PKEY_is_a(key, "EC")) {
        if ((rule->curves & curve_of(key)) == 0)
            rv = scep_result_fail(res, p, SCEP_REASON_KEY,
                                  "EC key of %d bits on a curve that is not "
                                  "allowed",
                                  bits);
    } else {
        rv = scep_result_fail(res, p, SCEP_REASON_KEY,
                              "neither an RSA nor an EC key");
    }
    ERR_clear_error();
    return rv;
}
