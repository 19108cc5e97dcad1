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

/* Finds a RecipientInfo that one of the RA's certificates can open. */
static scep_recipient_t *find_recipient(const STACK_OF(ASN1_TYPE) *recipients,
                                        const scep_ra_t *ra,
                                        const scep_ra_pair_t **pair)
{
    for (int i = 0; i < sk_ASN1_TYPE_num(recipients); i++) {
        const ASN1_TYPE *value = sk_ASN1_TYPE_value(recipients, i);
        scep_recipient_t *recipient;

        if (value->type != V_ASN1_SEQUENCE)
            continue;
        recipient = (scep_recipient_t *)
            ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(scep_recipient_t), value);
        for (int j = 0; recipient != NULL && j < ra->decrypt->nelts; j++) {
            scep_identity_t identity;

            *pair = &APR_ARRAY_IDX(ra->decrypt, j, scep_ra_pair_t);
            if (!X509_NAME_get0_der(X509_get_issuer_name((*pair)->cert),
                                    &identity.issuer, &identity.issuer_len))
                continue;
            identity.serial = X509_get0_serialNumber((*pair)->cert);
            identity.key_id = X509_get0_subject_key_id((*pair)->cert);
            if (scep_message_names(recipient->rid, &identity))
                return recipient;
        }
        ASN1_item_free((ASN1_VALUE *)recipient,
                       ASN1_ITEM_rptr(scep_recipient_t));
    }
    return NULL;
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
 * mean the defaults, but OpenSSL's CMS code takes neither. */
static int read_transport(const X509_ALGOR *algorithm,
                          scep_transport_t *transport,
                          RSA_OAEP_PARAMS **params)
{
    const ASN1_TYPE *parameter = algorithm->parameter;
    int nid = OBJ_obj2nid(algorithm->algorithm);

    if (nid == NID_rsaEncryption)
        return 1;
    if (nid != NID_rsaesOaep)
        return 0;
    transport->oaep = 1;
    transport->md = transport->mgf1 = SCEP_DIGEST_SHA1;
    if (parameter == NULL || parameter->type == V_ASN1_NULL)
        return 1;
    *params = (RSA_OAEP_PARAMS *)
        ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(RSA_OAEP_PARAMS), parameter);
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
static void unwrap(EVP_PKEY_CTX *ctx, const ASN1_OCTET_STRING *wrapped,
                   unsigned char *key, size_t key_len)
{
    unsigned char opened[WRAPPED_MAX] = { 0 };
    size_t len = sizeof(opened), wrong, right;
    int ret;

    ret = EVP_PKEY_decrypt(ctx, opened, &len, ASN1_STRING_get0_data(wrapped),
                           ASN1_STRING_length(wrapped));
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
static int open_content(scep_message_t *message,
                        const scep_encrypted_t *encrypted,
                        const ASN1_OCTET_STRING *wrapped,
                        EVP_PKEY_CTX *unwrap_ctx, const EVP_CIPHER *cipher,
                        apr_pool_t *p)
{
    const ASN1_TYPE *iv = encrypted->algorithm->parameter;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    unsigned char key[EVP_MAX_KEY_LENGTH];
    unsigned char *data;
    int sealed, len = 0, last = 0, ok = 0;

    if (ctx == NULL || encrypted->content == NULL || iv == NULL ||
        iv->type != V_ASN1_OCTET_STRING ||
        ASN1_STRING_length(iv->value.octet_string) !=
            EVP_CIPHER_get_iv_length(cipher))
        goto leave;
    if (EVP_DecryptInit_ex2(ctx, cipher, NULL, NULL, NULL) != 1 ||
        EVP_CIPHER_CTX_rand_key(ctx, key) != 1)
        goto leave;
    unwrap(unwrap_ctx, wrapped, key, EVP_CIPHER_CTX_get_key_length(ctx));
    sealed = ASN1_STRING_length(encrypted->content);
    data = secret_alloc(sealed + EVP_MAX_BLOCK_LENGTH, p);
    ok = EVP_DecryptInit_ex2(ctx, NULL, key,
                             ASN1_STRING_get0_data(iv->value.octet_string),
                             NULL) == 1 &&
         EVP_DecryptUpdate(ctx, data, &len,
                           ASN1_STRING_get0_data(encrypted->content),
                           sealed) == 1 &&
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
                                  const scep_encrypted_t *encrypted,
                                  const scep_recipient_t *recipient,
                                  EVP_PKEY *key, const scep_alg_t *alg,
                                  scep_result_t *res, apr_pool_t *p)
{
    RSA_OAEP_PARAMS *params = NULL;
    EVP_PKEY_CTX *ctx = NULL;
    apr_status_t rv = APR_SUCCESS;

    if (!read_transport(recipient->algorithm, &message->transport, &params)) {
        rv = scep_result_fail(res, p, SCEP_REASON_CIPHER,
                              "the key transport algorithm is not supported");
        goto leave;
    }
    ctx = start_unwrap(key, &message->transport, params, alg);
    if (ctx == NULL ||
        !open_content(message, encrypted, recipient->key, ctx,
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
                                  const unsigned char *der, apr_size_t len,
                                  const scep_message_rule_t *rule,
                                  const scep_ra_t *ra, const scep_alg_t *alg,
                                  scep_result_t *res, apr_pool_t *p)
{
    const unsigned char *at = der;
    const scep_ra_pair_t *pair = NULL;
    scep_recipient_t *recipient = NULL;
    const scep_encrypted_t *encrypted;
    scep_enveloped_t *envelope;
    unsigned int cipher;
    apr_status_t rv;

    envelope =
        (scep_enveloped_t *)ASN1_item_d2i(NULL, &at, (long)len,
                                          ASN1_ITEM_rptr(scep_enveloped_t));
    ERR_clear_error();
    if (envelope == NULL ||
        OBJ_obj2nid(envelope->type) != NID_pkcs7_enveloped ||
        OBJ_obj2nid(envelope->content->encrypted->type) != NID_pkcs7_data) {
        rv = scep_result_fail(res, p, SCEP_REASON_CHECK,
                              "the content is not an EnvelopedData with "
                              "data in it");
        goto leave;
    }
    encrypted = envelope->content->encrypted;
    cipher =
        scep_alg_cipher_by_nid(OBJ_obj2nid(encrypted->algorithm->algorithm));
    message->cipher = cipher & rule->ciphers;
    if (message->cipher == 0 ||
        scep_alg_evp_cipher(alg, message->cipher) == NULL) {
        rv = scep_result_fail(res, p, SCEP_REASON_CIPHER,
                              "cipher %s is not allowed",
                              scep_alg_cipher_name(cipher));
        goto leave;
    }
    recipient = find_recipient(envelope->content->recipients, ra, &pair);
    if (recipient == NULL)
        rv = scep_result_fail(res, p, SCEP_REASON_CHECK,
                              "the envelope is for none of the RA's "
                              "certificates");
    else
        rv = open_envelope(message, encrypted, recipient, pair->key, alg, res,
                           p);
leave:
    ASN1_item_free((ASN1_VALUE *)recipient, ASN1_ITEM_rptr(scep_recipient_t));
    ASN1_item_free((ASN1_VALUE *)envelope, ASN1_ITEM_rptr(scep_enveloped_t));
    return rv;
}
