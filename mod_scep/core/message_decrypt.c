/* message_decrypt.c - opens the pkcsPKIEnvelope of a pkiMessage
 * SPDX-License-Identifier: Apache-2.0
 *
 * Who can tell a wrong padding of the content key from wrong content can
 * decrypt any message (RFC 3218).  So a random content key stands in for one
 * that cannot be unwrapped, without a branch, and what follows fails by
 * itself, in the same way, with the same words.
 */
#include "message_private.h"

#include <limits.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

#define WRAPPED_MAX 2048 /* octets of the RA's modulus */
#define RECIPIENTS_MAX 64

typedef struct {
    unsigned char *octets;
    apr_size_t len;
} secret_t;

static apr_status_t cleanse(void *baton)
{
    secret_t *secret = baton;

    OPENSSL_cleanse(secret->octets, secret->len);
    return APR_SUCCESS;
}

static unsigned char *secret_alloc(apr_size_t len, apr_pool_t *p)
{
    secret_t *secret = apr_palloc(p, sizeof(*secret));

    secret->octets = apr_palloc(p, len);
    secret->len = len;
    apr_pool_cleanup_register(p, secret, cleanse, apr_pool_cleanup_null);
    return secret->octets;
}

/* KeyTransRecipientInfo */
typedef struct {
    int algorithm;         /* NID */
    scep_der_t parameters; /* with their header; at may be NULL */
    scep_der_t key;
    EVP_PKEY *ours;   /* what opens it */
    const X509 *cert; /* that it is for */
} recipient_t;

/* EncryptedContentInfo */
typedef struct {
    int algorithm; /* NID */
    scep_der_t iv;
    scep_der_t content; /* at may be NULL */
} encrypted_t;

static int is_ours(const scep_der_t *rid, const scep_ra_pair_t *pair)
{
    const ASN1_OCTET_STRING *key_id = X509_get0_subject_key_id(pair->cert);
    const ASN1_INTEGER *serial = X509_get0_serialNumber(pair->cert);
    scep_identity_t identity = { { NULL, 0 }, { NULL, 0 }, { NULL, 0 } };
    unsigned char *der = NULL;
    scep_der_t in;
    int len, is;

    if (X509_NAME_get0_der(X509_get_issuer_name(pair->cert),
                           &identity.issuer.at, &identity.issuer.len) != 1)
        return 0;
    len = i2d_ASN1_INTEGER(serial, &der);
    in.at = der;
    in.len = len > 0 ? len : 0;
    if (key_id != NULL) {
        identity.key_id.at = ASN1_STRING_get0_data(key_id);
        identity.key_id.len = ASN1_STRING_length(key_id);
    }
    is = scep_der_expect(&in, SCEP_DER_INTEGER, &identity.serial) &&
         scep_message_names(*rid, &identity);
    OPENSSL_free(der);
    return is;
}

/* Reads one RecipientInfo, says whether the RA can open it. */
static int read_recipient(scep_der_t *in, const scep_ra_t *ra,
                          recipient_t *recipient)
{
    scep_der_t info, version, rid, content;
    unsigned int tag;

    if (!scep_der_expect(in, SCEP_DER_SEQUENCE, &info) ||
        !scep_der_expect(&info, SCEP_DER_INTEGER, &version) ||
        !scep_der_next(&info, &tag, &content, &rid) ||
        !scep_der_algorithm(&info, &recipient->algorithm,
                            &recipient->parameters) ||
        !scep_der_expect(&info, SCEP_DER_OCTETS, &recipient->key))
        return 0;
    for (int i = 0; i < ra->decrypt->nelts; i++) {
        const scep_ra_pair_t *pair =
            &APR_ARRAY_IDX(ra->decrypt, i, scep_ra_pair_t);

        if (is_ours(&rid, pair)) {
            recipient->ours = pair->key;
            recipient->cert = pair->cert;
            return 1;
        }
    }
    return 0;
}

static int find_recipient(scep_der_t in, const scep_ra_t *ra,
                          recipient_t *recipient)
{
    for (int i = 0; in.len > 0 && i < RECIPIENTS_MAX; i++) {
        scep_der_t at = in, content;
        unsigned int tag;

        if (read_recipient(&at, ra, recipient))
            return 1;
        if (!scep_der_next(&in, &tag, &content, NULL))
            return 0;
    }
    return 0;
}

/* ContentInfo with EnvelopedData with data in it. */
static int read_envelope(scep_der_t in, scep_der_t *recipients,
                         encrypted_t *encrypted, apr_pool_t *p)
{
    scep_der_t info, type, explicit, body, part, parameters;

    if (!scep_der_expect(&in, SCEP_DER_SEQUENCE, &info) ||
        !scep_der_expect(&info, SCEP_DER_OID, &type) ||
        scep_der_nid(&type) != NID_pkcs7_enveloped ||
        !scep_der_expect(&info, SCEP_DER_CONTEXT(0), &explicit) ||
        !scep_der_expect(&explicit, SCEP_DER_SEQUENCE, &body) ||
        !scep_der_expect(&body, SCEP_DER_INTEGER, &part) ||
        !scep_der_optional(&body, SCEP_DER_CONTEXT(0), &part) ||
        !scep_der_expect(&body, SCEP_DER_SET, recipients) ||
        !scep_der_expect(&body, SCEP_DER_SEQUENCE, &info) ||
        !scep_der_expect(&info, SCEP_DER_OID, &type) ||
        scep_der_nid(&type) != NID_pkcs7_data ||
        !scep_der_algorithm(&info, &encrypted->algorithm, &parameters))
        return 0;
    /* what has no initialisation vector is no cipher that can be allowed,
     * so this is left to that check */
    if (!scep_der_expect(&parameters, SCEP_DER_OCTETS, &encrypted->iv))
        encrypted->iv.len = 0;
    if (!scep_der_optional(&info, SCEP_DER_CONTEXT_PRIMITIVE(0),
                           &encrypted->content))
        return 0;
    if (encrypted->content.at != NULL)
        return 1;
    return scep_der_expect(&info, SCEP_DER_CONTEXT(0), &part) &&
           scep_der_join(&part, &encrypted->content, p);
}

/* The digest of an AlgorithmIdentifier, where OAEP's default is SHA-1. */
static unsigned int digest_of(const X509_ALGOR *algorithm)
{
    if (algorithm == NULL)
        return SCEP_DIGEST_SHA1;
    return scep_alg_digest_by_nid(OBJ_obj2nid(algorithm->algorithm)) &
           ~(unsigned int)SCEP_DIGEST_MD5;
}

static unsigned int mgf1_digest_of(const X509_ALGOR *mask)
{
    unsigned int digest = 0;
    X509_ALGOR *hash;

    if (mask == NULL)
        return SCEP_DIGEST_SHA1;
    if (OBJ_obj2nid(mask->algorithm) != NID_mgf1 || mask->parameter == NULL)
        return 0;
    hash = (X509_ALGOR *)ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(X509_ALGOR),
                                                   mask->parameter);
    if (hash != NULL)
        digest = digest_of(hash);
    X509_ALGOR_free(hash);
    return digest;
}

/* Windows sends OAEP with parameters absent, NULL or given: the first two
 * mean the defaults. */
static int read_transport(const recipient_t *recipient,
                          scep_transport_t *transport,
                          RSA_OAEP_PARAMS **params)
{
    const scep_der_t *parameters = &recipient->parameters;
    const unsigned char *at = parameters->at;

    if (recipient->algorithm == NID_rsaEncryption)
        return 1;
    if (recipient->algorithm != NID_rsaesOaep)
        return 0;
    transport->oaep = 1;
    transport->md = transport->mgf1 = SCEP_DIGEST_SHA1;
    if (at == NULL || *at == SCEP_DER_NULL)
        return 1;
    *params = d2i_RSA_OAEP_PARAMS(NULL, &at, (long)parameters->len);
    if (*params == NULL)
        return 0;
    transport->md = digest_of((*params)->hashFunc);
    transport->mgf1 = mgf1_digest_of((*params)->maskGenFunc);
    return transport->md != 0 && transport->mgf1 != 0;
}

static int set_label(EVP_PKEY_CTX *ctx, const RSA_OAEP_PARAMS *params)
{
    const X509_ALGOR *source = params != NULL ? params->pSourceFunc : NULL;
    const ASN1_OCTET_STRING *label;
    unsigned char *copy;
    int len;

    if (source == NULL)
        return 1;
    if (OBJ_obj2nid(source->algorithm) != NID_pSpecified ||
        source->parameter == NULL ||
        source->parameter->type != V_ASN1_OCTET_STRING)
        return 0;
    label = source->parameter->value.octet_string;
    len = ASN1_STRING_length(label);
    if (len == 0)
        return 1;
    copy = OPENSSL_memdup(ASN1_STRING_get0_data(label), len);
    if (copy == NULL)
        return 0;
    if (EVP_PKEY_CTX_set0_rsa_oaep_label(ctx, copy, len) > 0)
        return 1;
    OPENSSL_free(copy);
    return 0;
}

static EVP_PKEY_CTX *start_unwrap(EVP_PKEY *key,
                                  const scep_transport_t *transport,
                                  const RSA_OAEP_PARAMS *params,
                                  const scep_alg_t *alg)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);

    if (ctx == NULL || EVP_PKEY_decrypt_init(ctx) <= 0)
        goto failed;
    if (!transport->oaep)
        return ctx;
    if (EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) > 0 &&
        EVP_PKEY_CTX_set_rsa_oaep_md(ctx, scep_alg_md(alg, transport->md)) >
            0 &&
        EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, scep_alg_md(alg, transport->mgf1)) >
            0 &&
        set_label(ctx, params))
        return ctx;
failed:
    EVP_PKEY_CTX_free(ctx);
    return NULL;
}

/* Puts the unwrapped key over the random one that is in key, if it can be
 * unwrapped and has the right length. */
static void unwrap(EVP_PKEY_CTX *ctx, const scep_der_t *wrapped,
                   unsigned char *key, size_t key_len)
{
    unsigned char opened[WRAPPED_MAX] = { 0 };
    size_t len = sizeof(opened), wrong, right;
    int ret;

    ret = EVP_PKEY_decrypt(ctx, opened, &len, wrapped->at, wrapped->len);
    wrong = (len ^ key_len) | (size_t)(ret ^ 1);
    right = (~wrong & (wrong - 1)) >> (sizeof(wrong) * CHAR_BIT - 1);
    for (size_t i = 0; i < key_len; i++)
        key[i] ^= (unsigned char)(0 - right) & (key[i] ^ opened[i]);
    OPENSSL_cleanse(opened, sizeof(opened));
}

/* Every messageData is a SEQUENCE.  A wrong key gives a right padding once
 * in 256 times: that must not look different to anyone, the log included. */
static int is_sequence(const unsigned char *data, int len)
{
    const unsigned char *at = data;
    long size;
    int tag, class;

    return (ASN1_get_object(&at, &size, &tag, &class, len) & 0x80) == 0 &&
           tag == V_ASN1_SEQUENCE && class == V_ASN1_UNIVERSAL;
}

/* The only faults before the last step are such as anybody can see in the
 * message; it sets message->data. */
static int open_content(scep_message_t *message, const encrypted_t *encrypted,
                        const scep_der_t *wrapped, EVP_PKEY_CTX *unwrap_ctx,
                        const EVP_CIPHER *cipher, apr_pool_t *p)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    unsigned char key[EVP_MAX_KEY_LENGTH];
    unsigned char *data;
    int sealed = (int)encrypted->content.len, len = 0, last = 0, ok = 0;

    if (ctx == NULL ||
        encrypted->iv.len != (apr_size_t)EVP_CIPHER_get_iv_length(cipher) ||
        EVP_DecryptInit_ex2(ctx, cipher, NULL, NULL, NULL) != 1 ||
        EVP_CIPHER_CTX_rand_key(ctx, key) != 1)
        goto leave;
    unwrap(unwrap_ctx, wrapped, key, EVP_CIPHER_CTX_get_key_length(ctx));
    data = secret_alloc(sealed + EVP_MAX_BLOCK_LENGTH, p);
    ok = EVP_DecryptInit_ex2(ctx, NULL, key, encrypted->iv.at, NULL) == 1 &&
         EVP_DecryptUpdate(ctx, data, &len, encrypted->content.at, sealed) ==
             1 &&
         EVP_DecryptFinal_ex(ctx, data + len, &last) == 1 &&
         is_sequence(data, len + last);
    if (ok) {
        message->data = data;
        message->data_len = len + last;
    }
leave:
    OPENSSL_cleanse(key, sizeof(key));
    EVP_CIPHER_CTX_free(ctx);
    return ok;
}

static apr_status_t open_envelope(scep_message_t *message,
                                  const encrypted_t *encrypted,
                                  const recipient_t *recipient,
                                  const scep_alg_t *alg, scep_result_t *res,
                                  apr_pool_t *p)
{
    RSA_OAEP_PARAMS *params = NULL;
    EVP_PKEY_CTX *ctx = NULL;
    apr_status_t rv = APR_SUCCESS;

    if (!read_transport(recipient, &message->transport, &params)) {
        rv = scep_result_fail(res, p, SCEP_REASON_CIPHER,
                              "the key transport algorithm is not supported");
        goto leave;
    }
    ctx = start_unwrap(recipient->ours, &message->transport, params, alg);
    if (ctx == NULL ||
        !open_content(message, encrypted, &recipient->key, ctx,
                      scep_alg_evp_cipher(alg, message->cipher), p)) {
        ERR_clear_error();
        rv = scep_result_fail(res, p, SCEP_REASON_CHECK,
                              "the envelope cannot be decrypted");
    }
leave:
    RSA_OAEP_PARAMS_free(params);
    EVP_PKEY_CTX_free(ctx);
    return rv;
}

apr_status_t scep_message_decrypt(scep_message_t *message,
                                  const scep_der_t *der,
                                  const scep_message_rule_t *rule,
                                  const scep_ra_t *ra, const scep_alg_t *alg,
                                  scep_result_t *res, apr_pool_t *p)
{
    recipient_t recipient;
    encrypted_t encrypted;
    scep_der_t recipients;
    unsigned int cipher;

    if (!read_envelope(*der, &recipients, &encrypted, p))
        return scep_result_fail(res, p, SCEP_REASON_CHECK,
                                "the content is not an EnvelopedData with "
                                "data in it");
    cipher = scep_alg_cipher_by_nid(encrypted.algorithm);
    message->cipher = cipher & rule->ciphers;
    if (message->cipher == 0 ||
        scep_alg_evp_cipher(alg, message->cipher) == NULL)
        return scep_result_fail(res, p, SCEP_REASON_CIPHER,
                                "cipher %s is not allowed",
                                scep_alg_cipher_name(cipher));
    if (!find_recipient(recipients, ra, &recipient))
        return scep_result_fail(res, p, SCEP_REASON_CHECK,
                                "the envelope is for none of the RA's "
                                "certificates");
    message->recipient = recipient.cert;
    return open_envelope(message, &encrypted, &recipient, alg, res, p);
}
