/* message_envelope.c - encrypts a CertRep's content to the request's signer
 * SPDX-License-Identifier: Apache-2.0
 */
#include "message_private.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>

#define WRAPPED_MAX 2048 /* octets of the signer's modulus */
#define CONTENT_KEY_MAX 32

static int digest_size(unsigned int digest)
{
    switch (digest) {
    case SCEP_DIGEST_SHA1:
        return 20;
    case SCEP_DIGEST_SHA256:
        return 32;
    case SCEP_DIGEST_SHA384:
        return 48;
    default:
        return 64;
    }
}

apr_status_t scep_message_can_reply(const scep_message_t *message,
                                    scep_result_t *res, apr_pool_t *p)
{
    /* RFC 8017 sections 7.2.1 and 7.1.1 */
    int overhead = message->transport.oaep
                       ? 2 * digest_size(message->transport.md) + 2
                       : 11;

    if (!EVP_PKEY_is_a(message->signer_key, "RSA"))
        return scep_result_fail(res, p, SCEP_REASON_ENVELOPE_KEY,
                                "the signer's key is not an RSA key");
    if (EVP_PKEY_get_size(message->signer_key) < overhead + CONTENT_KEY_MAX)
        return scep_result_fail(res, p, SCEP_REASON_ENVELOPE_KEY,
                                "the signer's RSA key of %d bits is too "
                                "small for the content key",
                                EVP_PKEY_get_bits(message->signer_key));
    return APR_SUCCESS;
}

static X509_ALGOR *mgf1_of(const EVP_MD *md)
{
    X509_ALGOR *hash = X509_ALGOR_new(), *mask = X509_ALGOR_new();
    ASN1_STRING *packed = NULL;

    if (hash == NULL || mask == NULL)
        goto failed;
    X509_ALGOR_set_md(hash, md);
    packed = ASN1_item_pack(hash, ASN1_ITEM_rptr(X509_ALGOR), NULL);
    if (packed == NULL || X509_ALGOR_set0(mask, OBJ_nid2obj(NID_mgf1),
                                          V_ASN1_SEQUENCE, packed) != 1)
        goto failed;
    X509_ALGOR_free(hash);
    return mask;
failed:
    ASN1_STRING_free(packed);
    X509_ALGOR_free(mask);
    X509_ALGOR_free(hash);
    return NULL;
}

/* The parameters are there even when empty: .NET refuses them absent. */
static int set_oaep(X509_ALGOR *algorithm, const scep_transport_t *transport,
                    const scep_alg_t *alg)
{
    RSA_OAEP_PARAMS *params = RSA_OAEP_PARAMS_new();
    ASN1_STRING *packed = NULL;
    int ok = params != NULL;

    if (ok && transport->md != SCEP_DIGEST_SHA1) {
        params->hashFunc = X509_ALGOR_new();
        ok = params->hashFunc != NULL;
        if (ok)
            X509_ALGOR_set_md(params->hashFunc,
                              scep_alg_md(alg, transport->md));
    }
    if (ok && transport->mgf1 != SCEP_DIGEST_SHA1) {
        params->maskGenFunc = mgf1_of(scep_alg_md(alg, transport->mgf1));
        ok = params->maskGenFunc != NULL;
    }
    if (ok) {
        packed = ASN1_item_pack(params, ASN1_ITEM_rptr(RSA_OAEP_PARAMS), NULL);
        ok = packed != NULL &&
             X509_ALGOR_set0(algorithm, OBJ_nid2obj(NID_rsaesOaep),
                             V_ASN1_SEQUENCE, packed) == 1;
        if (!ok)
            ASN1_STRING_free(packed);
    }
    RSA_OAEP_PARAMS_free(params);
    return ok;
}

static int set_transport(EVP_PKEY_CTX *ctx, X509_ALGOR *algorithm,
                         const scep_transport_t *transport,
                         const scep_alg_t *alg)
{
    if (!transport->oaep)
        return X509_ALGOR_set0(algorithm, OBJ_nid2obj(NID_rsaEncryption),
                               V_ASN1_NULL, NULL) == 1;
    return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) > 0 &&
           EVP_PKEY_CTX_set_rsa_oaep_md(ctx, scep_alg_md(alg, transport->md)) >
               0 &&
           EVP_PKEY_CTX_set_rsa_mgf1_md(ctx,
                                        scep_alg_md(alg, transport->mgf1)) >
               0 &&
           set_oaep(algorithm, transport, alg);
}

static int set_sequence(ASN1_TYPE *any, const unsigned char *der, int len)
{
    ASN1_STRING *sequence = ASN1_STRING_type_new(V_ASN1_SEQUENCE);

    if (sequence == NULL || ASN1_STRING_set(sequence, der, len) != 1) {
        ASN1_STRING_free(sequence);
        return 0;
    }
    ASN1_TYPE_set(any, V_ASN1_SEQUENCE, sequence);
    return 1;
}

/* Wraps the content key for the signer. */
static int add_recipient(scep_enveloped_data_t *data,
                         const scep_message_t *message,
                         const scep_transport_t *transport,
                         const unsigned char *key, int key_len,
                         const scep_alg_t *alg)
{
    EVP_PKEY_CTX *ctx =
        EVP_PKEY_CTX_new_from_pkey(NULL, message->signer_key, NULL);
    scep_recipient_t *recipient =
        (scep_recipient_t *)ASN1_item_new(ASN1_ITEM_rptr(scep_recipient_t));
    unsigned char wrapped[WRAPPED_MAX];
    size_t len = sizeof(wrapped);
    ASN1_TYPE *any = NULL;
    int ok;

    ok = ctx != NULL && recipient != NULL && EVP_PKEY_encrypt_init(ctx) > 0 &&
         set_transport(ctx, recipient->algorithm, transport, alg) &&
         EVP_PKEY_encrypt(ctx, wrapped, &len, key, key_len) > 0 &&
         ASN1_INTEGER_set(recipient->version, 0) == 1 &&
         set_sequence(recipient->rid, message->signer_id,
                      (int)message->signer_id_len) &&
         ASN1_OCTET_STRING_set(recipient->key, wrapped, (int)len) == 1;
    if (ok) {
        any = ASN1_TYPE_pack_sequence(ASN1_ITEM_rptr(scep_recipient_t),
                                      recipient, NULL);
        ok = any != NULL && sk_ASN1_TYPE_push(data->recipients, any) > 0;
        if (!ok)
            ASN1_TYPE_free(any);
    }
    ASN1_item_free((ASN1_VALUE *)recipient, ASN1_ITEM_rptr(scep_recipient_t));
    EVP_PKEY_CTX_free(ctx);
    return ok;
}

static int set_iv(X509_ALGOR *algorithm, const EVP_CIPHER *cipher,
                  const unsigned char *iv)
{
    ASN1_OCTET_STRING *parameter = ASN1_OCTET_STRING_new();

    if (parameter != NULL &&
        ASN1_OCTET_STRING_set(parameter, iv,
                              EVP_CIPHER_get_iv_length(cipher)) == 1 &&
        X509_ALGOR_set0(algorithm, OBJ_nid2obj(EVP_CIPHER_get_nid(cipher)),
                        V_ASN1_OCTET_STRING, parameter) == 1)
        return 1;
    ASN1_OCTET_STRING_free(parameter);
    return 0;
}

/* Encrypts the content with a key that it makes. */
static int seal(scep_encrypted_t *encrypted, const EVP_CIPHER *cipher,
                const unsigned char *data, int len, unsigned char *key,
                int *key_len)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    unsigned char *out = OPENSSL_malloc(len + EVP_MAX_BLOCK_LENGTH);
    unsigned char iv[EVP_MAX_IV_LENGTH];
    int ok, n = 0, last = 0;

    ok = ctx != NULL && out != NULL &&
         EVP_EncryptInit_ex2(ctx, cipher, NULL, NULL, NULL) == 1 &&
         EVP_CIPHER_CTX_rand_key(ctx, key) == 1 &&
         RAND_bytes(iv, EVP_CIPHER_get_iv_length(cipher)) == 1 &&
         EVP_EncryptInit_ex2(ctx, NULL, key, iv, NULL) == 1 &&
         EVP_EncryptUpdate(ctx, out, &n, data, len) == 1 &&
         EVP_EncryptFinal_ex(ctx, out + n, &last) == 1 &&
         set_iv(encrypted->algorithm, cipher, iv);
    if (ok) {
        encrypted->content = ASN1_OCTET_STRING_new();
        ok = encrypted->content != NULL;
    }
    if (ok) {
        ASN1_STRING_set0(encrypted->content, out, n + last);
        out = NULL;
        *key_len = EVP_CIPHER_CTX_get_key_length(ctx);
    }
    OPENSSL_free(out);
    EVP_CIPHER_CTX_free(ctx);
    return ok;
}

static int set_type(ASN1_OBJECT **type, int nid)
{
    ASN1_OBJECT_free(*type);
    *type = OBJ_nid2obj(nid);
    return *type != NULL;
}

apr_status_t scep_message_envelope(const scep_message_t *message,
                                   const unsigned char *data, apr_size_t len,
                                   const scep_reply_form_t *form,
                                   const scep_alg_t *alg, unsigned char **der,
                                   int *der_len, scep_result_t *res,
                                   apr_pool_t *p)
{
    const EVP_CIPHER *cipher = scep_alg_evp_cipher(alg, message->cipher);
    scep_enveloped_t *envelope =
        (scep_enveloped_t *)ASN1_item_new(ASN1_ITEM_rptr(scep_enveloped_t));
    scep_transport_t transport = message->transport;
    unsigned char key[EVP_MAX_KEY_LENGTH];
    int key_len = 0, ok;

    if (form->force_pkcs1)
        transport.oaep = 0;
    *der = NULL;
    ok = cipher != NULL && envelope != NULL &&
         set_type(&envelope->type, NID_pkcs7_enveloped) &&
         ASN1_INTEGER_set(envelope->content->version, 0) == 1 &&
         set_type(&envelope->content->encrypted->type, NID_pkcs7_data) &&
         seal(envelope->content->encrypted, cipher, data, (int)len, key,
              &key_len) &&
         add_recipient(envelope->content, message, &transport, key, key_len,
                       alg);
    if (ok) {
        *der_len = ASN1_item_i2d((ASN1_VALUE *)envelope, der,
                                 ASN1_ITEM_rptr(scep_enveloped_t));
        ok = *der_len > 0;
    }
    OPENSSL_cleanse(key, sizeof(key));
    ASN1_item_free((ASN1_VALUE *)envelope, ASN1_ITEM_rptr(scep_enveloped_t));
    if (!ok)
        return scep_result_fail(res, p, SCEP_REASON_INTERNAL,
                                "the reply cannot be encrypted");
    return APR_SUCCESS;
}
