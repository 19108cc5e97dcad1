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

static int digest_nid(unsigned int digest, const scep_alg_t *alg)
{
    return EVP_MD_get_type(scep_alg_md(alg, digest));
}

/* RSAES-OAEP-params: there even when empty, as .NET refuses them absent. */
static void put_oaep(scep_der_out_t *out, const scep_transport_t *transport,
                     const scep_alg_t *alg)
{
    const unsigned char *end = out->at, *field;

    if (transport->mgf1 != SCEP_DIGEST_SHA1) {
        field = out->at;
        scep_der_put_algorithm(out, digest_nid(transport->mgf1, alg));
        scep_der_put_oid(out, OBJ_nid2obj(NID_mgf1));
        scep_der_wrap(out, SCEP_DER_SEQUENCE, field);
        scep_der_wrap(out, SCEP_DER_CONTEXT(1), field);
    }
    if (transport->md != SCEP_DIGEST_SHA1) {
        field = out->at;
        scep_der_put_algorithm(out, digest_nid(transport->md, alg));
        scep_der_wrap(out, SCEP_DER_CONTEXT(0), field);
    }
    scep_der_wrap(out, SCEP_DER_SEQUENCE, end);
    scep_der_put_oid(out, OBJ_nid2obj(NID_rsaesOaep));
    scep_der_wrap(out, SCEP_DER_SEQUENCE, end);
}

static int wrap_key(const scep_message_t *message,
                    const scep_transport_t *transport,
                    const unsigned char *key, int key_len,
                    unsigned char *wrapped, size_t *len, const scep_alg_t *alg)
{
    EVP_PKEY_CTX *ctx =
        EVP_PKEY_CTX_new_from_pkey(NULL, message->signer_key, NULL);
    int ok;

    ok = ctx != NULL && EVP_PKEY_encrypt_init(ctx) > 0;
    if (ok && transport->oaep)
        ok = EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) > 0 &&
             EVP_PKEY_CTX_set_rsa_oaep_md(ctx,
                                          scep_alg_md(alg, transport->md)) >
                 0 &&
             EVP_PKEY_CTX_set_rsa_mgf1_md(ctx,
                                          scep_alg_md(alg, transport->mgf1)) >
                 0;
    ok = ok && EVP_PKEY_encrypt(ctx, wrapped, len, key, key_len) > 0;
    EVP_PKEY_CTX_free(ctx);
    return ok;
}

/* KeyTransRecipientInfo in its SET */
static int put_recipient(scep_der_out_t *out, const scep_message_t *message,
                         const scep_transport_t *transport,
                         const unsigned char *key, int key_len,
                         const scep_alg_t *alg)
{
    const unsigned char *end = out->at;
    unsigned char wrapped[WRAPPED_MAX];
    size_t len = sizeof(wrapped);

    if (!wrap_key(message, transport, key, key_len, wrapped, &len, alg))
        return 0;
    scep_der_put_element(out, SCEP_DER_OCTETS, wrapped, len);
    if (transport->oaep)
        put_oaep(out, transport, alg);
    else
        scep_der_put_algorithm(out, NID_rsaEncryption);
    scep_der_put(out, message->signer_id, message->signer_id_len);
    scep_der_put_element(out, SCEP_DER_INTEGER, "\0", 1);
    scep_der_wrap(out, SCEP_DER_SEQUENCE, end);
    scep_der_wrap(out, SCEP_DER_SET, end);
    return 1;
}

/* EncryptedContentInfo, with a key that it makes */
static int put_content(scep_der_out_t *out, const EVP_CIPHER *cipher,
                       const unsigned char *data, int len, unsigned char *key,
                       int *key_len, apr_pool_t *p)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    unsigned char *sealed = apr_palloc(p, len + EVP_MAX_BLOCK_LENGTH);
    const unsigned char *end = out->at, *field;
    unsigned char iv[EVP_MAX_IV_LENGTH];
    int ok, n = 0, last = 0;

    ok = ctx != NULL &&
         EVP_EncryptInit_ex2(ctx, cipher, NULL, NULL, NULL) == 1 &&
         EVP_CIPHER_CTX_rand_key(ctx, key) == 1 &&
         RAND_bytes(iv, EVP_CIPHER_get_iv_length(cipher)) == 1 &&
         EVP_EncryptInit_ex2(ctx, NULL, key, iv, NULL) == 1 &&
         EVP_EncryptUpdate(ctx, sealed, &n, data, len) == 1 &&
         EVP_EncryptFinal_ex(ctx, sealed + n, &last) == 1;
    if (ok) {
        *key_len = EVP_CIPHER_CTX_get_key_length(ctx);
        scep_der_put_element(out, SCEP_DER_CONTEXT_PRIMITIVE(0), sealed,
                             n + last);
        field = out->at;
        scep_der_put_element(out, SCEP_DER_OCTETS, iv,
                             EVP_CIPHER_get_iv_length(cipher));
        scep_der_put_oid(out, OBJ_nid2obj(EVP_CIPHER_get_nid(cipher)));
        scep_der_wrap(out, SCEP_DER_SEQUENCE, field);
        scep_der_put_oid(out, OBJ_nid2obj(NID_pkcs7_data));
        scep_der_wrap(out, SCEP_DER_SEQUENCE, end);
    }
    EVP_CIPHER_CTX_free(ctx);
    return ok;
}

apr_status_t scep_message_envelope(scep_der_out_t *out,
                                   const scep_message_t *message,
                                   const unsigned char *data, apr_size_t len,
                                   const scep_reply_form_t *form,
                                   const scep_alg_t *alg, scep_result_t *res,
                                   apr_pool_t *p)
{
    const EVP_CIPHER *cipher = scep_alg_evp_cipher(alg, message->cipher);
    const unsigned char *end = out->at;
    scep_transport_t transport = message->transport;
    unsigned char key[EVP_MAX_KEY_LENGTH];
    int key_len = 0, ok;

    if (form->force_pkcs1)
        transport.oaep = 0;
    ok = cipher != NULL &&
         put_content(out, cipher, data, (int)len, key, &key_len, p) &&
         put_recipient(out, message, &transport, key, key_len, alg);
    OPENSSL_cleanse(key, sizeof(key));
    if (!ok)
        return scep_result_fail(res, p, SCEP_REASON_INTERNAL,
                                "the reply cannot be encrypted");
    scep_der_put_element(out, SCEP_DER_INTEGER, "\0", 1);
    scep_der_wrap(out, SCEP_DER_SEQUENCE, end);
    scep_der_wrap(out, SCEP_DER_CONTEXT(0), end);
    scep_der_put_oid(out, OBJ_nid2obj(NID_pkcs7_enveloped));
    scep_der_wrap(out, SCEP_DER_SEQUENCE, end);
    return APR_SUCCESS;
}
