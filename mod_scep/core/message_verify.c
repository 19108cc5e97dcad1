/* message_verify.c - finds the signer of a pkiMessage, checks its signature
 * SPDX-License-Identifier: Apache-2.0
 */
#include "message_private.h"

#include <string.h>

#include <apr_strings.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

/* Names and certificates are compared with whatever a client sends, so
 * both are bounded. */
#define NAME_MAX_LEN 4096
#define CERTIFICATES_MAX 16

/* As X.509 compares names, where they are not the same octets. */
static int same_name(const scep_der_t *a, const scep_der_t *b)
{
    const unsigned char *a_at = a->at, *b_at = b->at;
    X509_NAME *a_name, *b_name;
    int same;

    if (scep_der_equal(a, b))
        return 1;
    if (a->len > NAME_MAX_LEN || b->len > NAME_MAX_LEN)
        return 0;
    a_name = d2i_X509_NAME(NULL, &a_at, (long)a->len);
    b_name = d2i_X509_NAME(NULL, &b_at, (long)b->len);
    same =
        a_name != NULL && b_name != NULL && X509_NAME_cmp(a_name, b_name) == 0;
    X509_NAME_free(a_name);
    X509_NAME_free(b_name);
    return same;
}

int scep_message_names(scep_der_t id, const scep_identity_t *identity)
{
    scep_der_t named, issuer, serial;
    unsigned int tag;

    if (!scep_der_next(&id, &tag, &named, NULL))
        return 0;
    if (tag == SCEP_DER_CONTEXT_PRIMITIVE(0))
        return identity->key_id.at != NULL &&
               scep_der_equal(&named, &identity->key_id);
    return tag == SCEP_DER_SEQUENCE &&
           scep_der_expect_whole(&named, SCEP_DER_SEQUENCE, &issuer) &&
           scep_der_expect(&named, SCEP_DER_INTEGER, &serial) &&
           scep_der_equal(&serial, &identity->serial) &&
           same_name(&issuer, &identity->issuer);
}

/* A certificate, as far as a message needs it. */
typedef struct {
    scep_der_t whole;
    scep_der_t serial_whole;
    scep_identity_t identity;
    scep_der_t subject;
    scep_der_t spki;
    scep_der_t extensions; /* at may be NULL */
} certificate_t;

static int read_certificate(scep_der_t *in, certificate_t *certificate)
{
    scep_der_t outer, tbs, part, serial;

    if (!scep_der_expect_whole(in, SCEP_DER_SEQUENCE, &certificate->whole))
        return 0;
    part = certificate->whole;
    if (!scep_der_expect(&part, SCEP_DER_SEQUENCE, &outer) ||
        !scep_der_expect(&outer, SCEP_DER_SEQUENCE, &tbs) ||
        !scep_der_optional(&tbs, SCEP_DER_CONTEXT(0), &part) ||
        !scep_der_expect_whole(&tbs, SCEP_DER_INTEGER,
                               &certificate->serial_whole) ||
        !scep_der_expect(&tbs, SCEP_DER_SEQUENCE, &part) ||
        !scep_der_expect_whole(&tbs, SCEP_DER_SEQUENCE,
                               &certificate->identity.issuer) ||
        !scep_der_expect(&tbs, SCEP_DER_SEQUENCE, &part) ||
        !scep_der_expect_whole(&tbs, SCEP_DER_SEQUENCE,
                               &certificate->subject) ||
        !scep_der_expect_whole(&tbs, SCEP_DER_SEQUENCE, &certificate->spki) ||
        !scep_der_optional(&tbs, SCEP_DER_CONTEXT_PRIMITIVE(1), &part) ||
        !scep_der_optional(&tbs, SCEP_DER_CONTEXT_PRIMITIVE(2), &part) ||
        !scep_der_optional(&tbs, SCEP_DER_CONTEXT(3),
                           &certificate->extensions))
        return 0;
    serial = certificate->serial_whole;
    certificate->identity.key_id.at = NULL;
    return scep_der_expect(&serial, SCEP_DER_INTEGER,
                           &certificate->identity.serial);
}

static ASN1_OCTET_STRING *key_id_of(const scep_der_t *extensions)
{
    const unsigned char *at = extensions->at;
    ASN1_OCTET_STRING *key_id;
    X509_EXTENSIONS *list;

    if (at == NULL)
        return NULL;
    list = d2i_X509_EXTENSIONS(NULL, &at, (long)extensions->len);
    key_id = X509V3_get_d2i(list, NID_subject_key_identifier, NULL, NULL);
    sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
    return key_id;
}

static int is_signer(const scep_der_t *sid, certificate_t *certificate)
{
    ASN1_OCTET_STRING *key_id = NULL;
    int is;

    /* asked for rarely, and slow to find */
    if (sid->at[0] == SCEP_DER_CONTEXT_PRIMITIVE(0))
        key_id = key_id_of(&certificate->extensions);
    if (key_id != NULL) {
        certificate->identity.key_id.at = ASN1_STRING_get0_data(key_id);
        certificate->identity.key_id.len = ASN1_STRING_length(key_id);
    }
    is = scep_message_names(*sid, &certificate->identity);
    ASN1_OCTET_STRING_free(key_id);
    return is;
}

/* Finds the certificate that the SignerInfo names among those sent. */
static int find_signer(const scep_signed_t *data, certificate_t *certificate)
{
    scep_der_t in = data->certificates;

    for (int i = 0; in.len > 0 && i < CERTIFICATES_MAX; i++) {
        scep_der_t at = in, content;
        unsigned int tag;

        if (read_certificate(&at, certificate) &&
            is_signer(&data->sid, certificate))
            return 1;
        if (!scep_der_next(&in, &tag, &content, NULL))
            return 0;
    }
    return 0;
}

/* Says in message who the signer is. */
static int set_signer(scep_message_t *message,
                      const certificate_t *certificate, apr_pool_t *p)
{
    const scep_der_t *issuer = &certificate->identity.issuer;
    const scep_der_t *serial = &certificate->serial_whole;
    const unsigned char *at = certificate->whole.at, *end;
    scep_der_out_t id;

    message->signer_spki_len = certificate->spki.len;
    message->signer_spki =
        apr_pmemdup(p, certificate->spki.at, certificate->spki.len);
    message->signer_key =
        scep_alg_key_decode(message->signer_spki, message->signer_spki_len);
    if (message->signer_key == NULL)
        return 0;
    message->self_signed = same_name(&certificate->subject, issuer);
    if (!message->self_signed) {
        message->signer = d2i_X509(NULL, &at, (long)certificate->whole.len);
        if (message->signer == NULL)
            return 0;
    }
    scep_der_out_init(&id, issuer->len + serial->len + 8, p);
    end = id.at;
    scep_der_put(&id, serial->at, serial->len);
    scep_der_put(&id, issuer->at, issuer->len);
    scep_der_wrap(&id, SCEP_DER_SEQUENCE, end);
    message->signer_id = id.at;
    message->signer_id_len = end - id.at;
    return !id.full;
}

static int is_digest_of(const scep_der_t *content, const scep_der_t *digest,
                        const EVP_MD *md)
{
    unsigned char computed[EVP_MAX_MD_SIZE];
    unsigned int len;

    return EVP_Digest(content->at, content->len, computed, &len, md, NULL) ==
               1 &&
           digest->len == len && memcmp(digest->at, computed, len) == 0;
}

/* The digest is the one that was found allowed, whatever name the
 * signatureAlgorithm gives it: only the key's type matters there. */
static int is_signature(const scep_der_t *octets, const scep_signed_t *data,
                        EVP_PKEY *key, const EVP_MD *md)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *key_ctx = NULL;
    int ok;

    if (ctx == NULL)
        return 0;
    EVP_MD_CTX_set_flags(ctx, EVP_MD_CTX_FLAG_FINALISE); /* used once */
    ok = EVP_DigestVerifyInit(ctx, &key_ctx, md, NULL, key) == 1;
    if (ok && data->algorithm == NID_rsassaPss)
        ok = EVP_PKEY_CTX_set_rsa_padding(key_ctx, RSA_PKCS1_PSS_PADDING) > 0;
    ok = ok && EVP_DigestVerify(ctx, data->signature.at, data->signature.len,
                                octets->at, octets->len) == 1;
    EVP_MD_CTX_free(ctx);
    return ok;
}

static scep_der_t set_of(const scep_der_t *attributes, apr_size_t n,
                         apr_pool_t *p)
{
    apr_size_t len = 8;
    scep_der_out_t out;
    const unsigned char *end;
    scep_der_t set;

    for (apr_size_t i = 0; i < n; i++)
        len += attributes[i].len;
    scep_der_out_init(&out, len, p);
    end = out.at;
    for (apr_size_t i = n; i > 0; i--)
        scep_der_put(&out, attributes[i - 1].at, attributes[i - 1].len);
    scep_der_wrap(&out, SCEP_DER_SET, end);
    set.at = out.at;
    set.len = end - out.at;
    return set;
}

/* Signatures are made over the attributes as DER sorts them, but not every
 * client sends them sorted, and some sign what they send. */
static int is_signed(const scep_signed_t *data, EVP_PKEY *key,
                     const EVP_MD *md, apr_pool_t *p)
{
    scep_der_t sorted[SCEP_ATTRIBUTES_MAX], sent, der;

    sent = set_of(data->attributes, data->attributes_len, p);
    if (is_signature(&sent, data, key, md))
        return 1;
    memcpy(sorted, data->attributes, data->attributes_len * sizeof(sorted[0]));
    scep_der_sort(sorted, data->attributes_len);
    der = set_of(sorted, data->attributes_len, p);
    return !scep_der_equal(&sent, &der) && is_signature(&der, data, key, md);
}

apr_status_t scep_message_verify(scep_message_t *message,
                                 const scep_signed_t *data,
                                 const scep_der_t *digest,
                                 const scep_alg_t *alg, scep_result_t *res,
                                 apr_pool_t *p)
{
    const EVP_MD *md = scep_alg_md(alg, message->digest);
    certificate_t certificate;
    const char *fault = NULL;

    if (md == NULL)
        fault = "the digest was not fetched";
    else if (!find_signer(data, &certificate))
        fault = "the signer's certificate is not in the message";
    else if (!set_signer(message, &certificate, p))
        fault = "the signer's certificate cannot be read";
    else if (!is_digest_of(&data->content, digest, md))
        fault = "messageDigest does not match the content";
    else if (!is_signed(data, message->signer_key, md, p))
        fault = "the signature does not match the signed attributes";
    ERR_clear_error();
    if (fault != NULL)
        return scep_result_fail(res, p, SCEP_REASON_CHECK, "%s", fault);
    return APR_SUCCESS;
}
