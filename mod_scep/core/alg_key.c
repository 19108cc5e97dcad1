/* alg_key.c - public keys: reading them fast and saying which are allowed
 * SPDX-License-Identifier: Apache-2.0
 */
#include "alg.h"

#include <limits.h>
#include <stdlib.h>
#include <strings.h>

#include <apr_strings.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>

#include "der.h"

#define RSA_BITS_DEFAULT_MIN 2048
#define RSA_BITS_DEFAULT_MAX 4096
#define RSA_BITS_MIN 1024
#define RSA_BITS_MAX 16384 /* what OpenSSL computes with */
#define RSA_EXPONENT_MAX 8 /* octets, likewise */

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

/* A positive odd INTEGER in the machine's order, as OSSL_PARAM has them. */
static int read_odd(scep_der_t *in, unsigned char *native, apr_size_t size,
                    apr_size_t *len)
{
    scep_der_t integer;
    BIGNUM *number;
    int ok;

    if (!scep_der_expect(in, SCEP_DER_INTEGER, &integer) || integer.len == 0 ||
        (integer.at[0] & 0x80) != 0)
        return 0;
    number = BN_bin2bn(integer.at, (int)integer.len, NULL);
    if (number == NULL)
        return 0;
    *len = BN_num_bytes(number);
    ok = *len <= size && BN_is_odd(number) && !BN_is_one(number) &&
         BN_bn2nativepad(number, native, (int)*len) == (int)*len;
    BN_free(number);
    return ok;
}

/* RSAPublicKey */
static EVP_PKEY *decode_rsa(scep_der_t in)
{
    unsigned char n[RSA_BITS_MAX / 8], e[RSA_EXPONENT_MAX];
    apr_size_t n_len, e_len;
    scep_der_t numbers;
    EVP_PKEY_CTX *ctx;
    EVP_PKEY *key = NULL;
    OSSL_PARAM params[3];

    if (!scep_der_expect(&in, SCEP_DER_SEQUENCE, &numbers) ||
        !read_odd(&numbers, n, sizeof(n), &n_len) ||
        !read_odd(&numbers, e, sizeof(e), &e_len))
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

EVP_PKEY *scep_alg_key_decode(const unsigned char *spki, apr_size_t len)
{
    scep_der_t in = { spki, len }, info, parameters, bits;
    const unsigned char *at = spki;
    EVP_PKEY *key = NULL;
    int nid;

    ERR_clear_error();
    if (len <= INT_MAX && scep_der_expect(&in, SCEP_DER_SEQUENCE, &info) &&
        scep_der_algorithm(&info, &nid, &parameters) &&
        scep_der_expect(&info, SCEP_DER_BIT_STRING, &bits) && bits.len > 0 &&
        bits.at[0] == 0) {
        bits.at++;
        bits.len--;
        if (nid == NID_rsaEncryption)
            key = decode_rsa(bits);
        else
            key = d2i_PUBKEY(NULL, &at, (long)len);
    }
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
    for (size_t i = 0; i < CURVES; i++)
        if (curves[i].nid == nid)
            return curves[i].bit;
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
