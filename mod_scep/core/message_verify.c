/* message_verify.c - finds the signer of a pkiMessage, checks its signature
 * SPDX-License-Identifier: Apache-2.0
 */
#include "message_private.h"

#include <limits.h>
#include <string.h>

#include <apr_strings.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

static int same_name(const unsigned char *a, apr_size_t a_len,
                     const unsigned char *b, apr_size_t b_len)
{
    X509_NAME *a_name, *b_name;
    int same;

    if (a_len == b_len && memcmp(a, b, b_len) == 0)
        return 1;
    a_name = d2i_X509_NAME(NULL, &a, (long)a_len);
    b_name = d2i_X509_NAME(NULL, &b, (long)b_len);
    same =
        a_name != NULL && b_name != NULL && X509_NAME_cmp(a_name, b_name) == 0;
    X509_NAME_free(a_name);
    X509_NAME_free(b_name);
    return same;
}

static int names_key(const ASN1_STRING *id, const ASN1_OCTET_STRING *key_id)
{
    const unsigned char *at = ASN1_STRING_get0_data(id);
    ASN1_OCTET_STRING *named;
    int same;

    if (key_id == NULL)
        return 0;
    named =
        (ASN1_OCTET_STRING *)ASN1_item_d2i(NULL, &at, ASN1_STRING_length(id),
                                           ASN1_ITEM_rptr(scep_key_id_t));
    same = named != NULL && ASN1_OCTET_STRING_cmp(named, key_id) == 0;
    ASN1_OCTET_STRING_free(named);
    return same;
}

int scep_message_names(const ASN1_TYPE *id, const scep_identity_t *identity)
{
    scep_issuer_serial_t *named;
    int same;

    if (id->type == V_ASN1_OTHER)
        return names_key(id->value.asn1_string, identity->key_id);
    named = (scep_issuer_serial_t *)
        ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(scep_issuer_serial_t), id);
    same = named != NULL &&
           ASN1_INTEGER_cmp(named->serial, identity->serial) == 0 &&
           same_name(ASN1_STRING_get0_data(named->issuer),
                     ASN1_STRING_length(named->issuer), identity->issuer,
                     identity->issuer_len);
    ASN1_item_free((ASN1_VALUE *)named, ASN1_ITEM_rptr(scep_issuer_serial_t));
    return same;
}

static ASN1_OCTET_STRING *key_id_of(const ASN1_STRING *extensions)
{
    const unsigned char *at;
    ASN1_OCTET_STRING *key_id;
    X509_EXTENSIONS *list;

    if (extensions == NULL)
        return NULL;
    at = ASN1_STRING_get0_data(extensions);
    list = d2i_X509_EXTENSIONS(NULL, &at, ASN1_STRING_length(extensions));
    key_id = X509V3_get_d2i(list, NID_subject_key_identifier, NULL, NULL);
    sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
    return key_id;
}

static int is_signer(const ASN1_TYPE *sid, const scep_tbs_t *tbs)
{
    ASN1_OCTET_STRING *key_id = NULL;
    scep_identity_t identity;
    int is;

    /* asked for rarely, and slow to find */
    if (sid->type == V_ASN1_OTHER)
        key_id = key_id_of(tbs->extensions);
    identity.issuer = ASN1_STRING_get0_data(tbs->issuer);
    identity.issuer_len = ASN1_STRING_length(tbs->issuer);
    identity.serial = tbs->serial;
    identity.key_id = key_id;
    is = scep_message_names(sid, &identity);
    ASN1_OCTET_STRING_free(key_id);
    return is;
}

/* Finds the certificate that the SignerInfo names among those sent.
 * @param raw  set to its octets, inside data */
static scep_certificate_t *find_signer(const scep_signed_data_t *data,
                                       const ASN1_TYPE *sid,
                                       const ASN1_STRING **raw)
{
    for (int i = 0; i < sk_ASN1_TYPE_num(data->certificates); i++) {
        const ASN1_TYPE *value = sk_ASN1_TYPE_value(data->certificates, i);
        scep_certificate_t *certificate;

        if (value->type != V_ASN1_SEQUENCE)
            continue;
        certificate = (scep_certificate_t *)ASN1_TYPE_unpack_sequence(
            ASN1_ITEM_rptr(scep_certificate_t), value);
        if (certificate != NULL && is_signer(sid, certificate->tbs)) {
            *raw = value->value.sequence;
            return certificate;
        }
        ASN1_item_free((ASN1_VALUE *)certificate,
                       ASN1_ITEM_rptr(scep_certificate_t));
    }
    return NULL;
}

/* Says in message who the signer is. */
static int set_signer(scep_message_t *message, const scep_tbs_t *tbs,
                      const ASN1_STRING *raw, apr_pool_t *p)
{
    scep_issuer_serial_t id = { tbs->issuer, tbs->serial };
    const unsigned char *at = ASN1_STRING_get0_data(raw);
    unsigned char *der = NULL;
    int len;

    message->signer_spki_len = ASN1_STRING_length(tbs->spki);
    message->signer_spki = apr_pmemdup(p, ASN1_STRING_get0_data(tbs->spki),
                                       message->signer_spki_len);
    message->signer_key =
        scep_alg_key_decode(message->signer_spki, message->signer_spki_len);
    if (message->signer_key == NULL)
        return 0;
    message->self_signed = same_name(ASN1_STRING_get0_data(tbs->subject),
                                     ASN1_STRING_length(tbs->subject),
                                     ASN1_STRING_get0_data(tbs->issuer),
                                     ASN1_STRING_length(tbs->issuer));
    if (!message->self_signed) {
        message->signer = d2i_X509(NULL, &at, ASN1_STRING_length(raw));
        if (message->signer == NULL)
            return 0;
    }
    len = ASN1_item_i2d((ASN1_VALUE *)&id, &der,
                        ASN1_ITEM_rptr(scep_issuer_serial_t));
    if (len <= 0)
        return 0;
    message->signer_id = apr_pmemdup(p, der, len);
    message->signer_id_len = len;
    OPENSSL_free(der);
    return 1;
}

static int is_digest_of(const ASN1_OCTET_STRING *content,
                        const ASN1_TYPE *digest, const EVP_MD *md)
{
    unsigned char computed[EVP_MAX_MD_SIZE];
    unsigned int len;

    return digest != NULL && digest->type == V_ASN1_OCTET_STRING &&
           EVP_Digest(ASN1_STRING_get0_data(content),
                      ASN1_STRING_length(content), computed, &len, md,
                      NULL) == 1 &&
           ASN1_STRING_length(digest->value.octet_string) == (int)len &&
           memcmp(ASN1_STRING_get0_data(digest->value.octet_string), computed,
                  len) == 0;
}

/* The digest is the one that was found allowed, whatever name the
 * signatureAlgorithm gives it: only the key's type matters there. */
static int is_signature(const unsigned char *octets, apr_size_t len,
                        const scep_signer_info_t *info, EVP_PKEY *key,
                        const EVP_MD *md)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *key_ctx = NULL;
    int ok;

    ok =
        ctx != NULL && EVP_DigestVerifyInit(ctx, &key_ctx, md, NULL, key) == 1;
    if (ok && OBJ_obj2nid(info->algorithm->algorithm) == NID_rsassaPss)
        ok = EVP_PKEY_CTX_set_rsa_padding(key_ctx, RSA_PKCS1_PSS_PADDING) > 0;
    ok = ok && EVP_DigestVerify(ctx, ASN1_STRING_get0_data(info->signature),
                                ASN1_STRING_length(info->signature), octets,
                                len) == 1;
    EVP_MD_CTX_free(ctx);
    return ok;
}

/* Signatures are made over the attributes as DER sorts them, but not every
 * client sends them sorted, and some sign what they send. */
static int is_signed(const unsigned char *set, apr_size_t set_len,
                     const STACK_OF(X509_ATTRIBUTE) *attributes,
                     const scep_signer_info_t *info, EVP_PKEY *key,
                     const EVP_MD *md)
{
    unsigned char *der = NULL;
    int ok, len;

    if (is_signature(set, set_len, info, key, md))
        return 1;
    len = ASN1_item_i2d((const ASN1_VALUE *)attributes, &der,
                        ASN1_ITEM_rptr(scep_attributes_t));
    ok = len > 0 &&
         ((apr_size_t)len != set_len || memcmp(der, set, set_len) != 0) &&
         is_signature(der, len, info, key, md);
    OPENSSL_free(der);
    return ok;
}

apr_status_t scep_message_verify(scep_message_t *message,
                                 const scep_signed_data_t *data,
                                 const unsigned char *set, apr_size_t set_len,
                                 const STACK_OF(X509_ATTRIBUTE) *attributes,
                                 const ASN1_TYPE *digest,
                                 const scep_alg_t *alg, scep_result_t *res,
                                 apr_pool_t *p)
{
    const scep_signer_info_t *info =
        sk_scep_signer_info_t_value(data->signers, 0);
    const EVP_MD *md = scep_alg_md(alg, message->digest);
    scep_certificate_t *certificate = NULL;
    const ASN1_STRING *raw = NULL;
    const char *fault = NULL;

    certificate = find_signer(data, info->sid, &raw);
    if (md == NULL)
        fault = "the digest was not fetched";
    else if (certificate == NULL)
        fault = "the signer's certificate is not in the message";
    else if (!set_signer(message, certificate->tbs, raw, p))
        fault = "the signer's certificate cannot be read";
    else if (!is_digest_of(data->content->content, digest, md))
        fault = "messageDigest does not match the content";
    else if (!is_signed(set, set_len, attributes, info, message->signer_key,
                        md))
        fault = "the signature does not match the signed attributes";
    ASN1_item_free((ASN1_VALUE *)certificate,
                   ASN1_ITEM_rptr(scep_certificate_t));
    ERR_clear_error();
    if (fault != NULL)
        return scep_result_fail(res, p, SCEP_REASON_CHECK, "%s", fault);
    return APR_SUCCESS;
}
