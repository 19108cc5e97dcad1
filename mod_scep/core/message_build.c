/* message_build.c - builds the CertRep for an outcome
 * SPDX-License-Identifier: Apache-2.0
 */
#include "message_private.h"

#include <string.h>

#include <openssl/err.h>

#include "cert.h"

#define TAG_PRINTABLE_STRING 0x13
#define TAG_UTF8_STRING 0x0c

/* contentType, messageDigest and SCEP's own */
#define ATTRIBUTES_MAX 9
/* the longest attribute is failInfoText or transactionID */
#define ATTRIBUTE_OVERHEAD 32
/* headers, algorithms, the RA's serial number, an initialisation vector */
#define SIGNED_OVERHEAD 1024

/* Signed attributes, each with its header. */
typedef struct {
    scep_der_t list[ATTRIBUTES_MAX];
    apr_size_t len;
    int failed;
    apr_pool_t *p;
} attributes_t;

static void add(attributes_t *attributes, const ASN1_OBJECT *type,
                unsigned int tag, const void *value, apr_size_t len)
{
    scep_der_t *attribute = &attributes->list[attributes->len++];
    scep_der_out_t out;
    const unsigned char *end;

    scep_der_out_init(&out, len + OBJ_length(type) + ATTRIBUTE_OVERHEAD,
                      attributes->p);
    end = out.at;
    scep_der_put_element(&out, tag, value, len);
    scep_der_wrap(&out, SCEP_DER_SET, end);
    scep_der_put_oid(&out, type);
    scep_der_wrap(&out, SCEP_DER_SEQUENCE, end);
    attribute->at = out.at;
    attribute->len = end - out.at;
    attributes->failed |= out.full;
}

static void add_number(attributes_t *attributes, const ASN1_OBJECT *type,
                       unsigned int number)
{
    char digit = (char)('0' + number % 10);

    add(attributes, type, TAG_PRINTABLE_STRING, &digit, 1);
}

/* A client that sent its transactionID as a PrintableString with characters
 * that one must not have expects it back so. */
static void add_transaction_id(attributes_t *attributes,
                               const scep_message_t *message,
                               const scep_oid_t *oid)
{
    const char *id = message->transaction_id;
    int type;

    if (id == NULL)
        return;
    type = ASN1_PRINTABLE_type((const unsigned char *)id, -1);
    if (type == V_ASN1_IA5STRING &&
        message->transaction_id_tag == V_ASN1_PRINTABLESTRING)
        type = V_ASN1_PRINTABLESTRING;
    add(attributes, oid->transaction_id,
        type == V_ASN1_PRINTABLESTRING ? TAG_PRINTABLE_STRING
                                       : TAG_UTF8_STRING,
        id, strlen(id));
}

static void add_all(attributes_t *attributes, const scep_message_t *message,
                    const scep_result_t *outcome,
                    const unsigned char nonce[SCEP_NONCE_LEN],
                    const scep_oid_t *oid)
{
    add_transaction_id(attributes, message, oid);
    add_number(attributes, oid->message_type, SCEP_TYPE_CERT_REP);
    add_number(attributes, oid->pki_status, outcome->status);
    add(attributes, oid->sender_nonce, SCEP_DER_OCTETS, nonce, SCEP_NONCE_LEN);
    if (message->sender_nonce_len != 0)
        add(attributes, oid->recipient_nonce, SCEP_DER_OCTETS,
            message->sender_nonce, message->sender_nonce_len);
    if (outcome->status != SCEP_STATUS_FAILURE)
        return;
    add_number(attributes, oid->fail_info, outcome->fail_info);
    if (outcome->text != NULL)
        add(attributes, oid->fail_info_text, TAG_UTF8_STRING, outcome->text,
            strlen(outcome->text));
}

/* contentType and messageDigest; then all in DER's order, as a SET. */
static int finish(attributes_t *attributes, const scep_der_t *content,
                  const EVP_MD *md, scep_der_t *set)
{
    const ASN1_OBJECT *data = OBJ_nid2obj(NID_pkcs7_data);
    unsigned char digest[EVP_MAX_MD_SIZE];
    const unsigned char *end;
    apr_size_t size = ATTRIBUTE_OVERHEAD;
    scep_der_out_t out;
    unsigned int len;

    if (EVP_Digest(content->at, content->len, digest, &len, md, NULL) != 1)
        return 0;
    add(attributes, OBJ_nid2obj(NID_pkcs9_contentType), SCEP_DER_OID,
        OBJ_get0_data(data), OBJ_length(data));
    add(attributes, OBJ_nid2obj(NID_pkcs9_messageDigest), SCEP_DER_OCTETS,
        digest, len);
    scep_der_sort(attributes->list, attributes->len);
    for (apr_size_t i = 0; i < attributes->len; i++)
        size += attributes->list[i].len;
    scep_der_out_init(&out, size, attributes->p);
    end = out.at;
    for (apr_size_t i = attributes->len; i > 0; i--)
        scep_der_put(&out, attributes->list[i - 1].at,
                     attributes->list[i - 1].len);
    scep_der_wrap(&out, SCEP_DER_SET, end);
    set->at = out.at;
    set->len = end - out.at;
    return !attributes->failed && !out.full;
}

/* Signs octets; the result is in p. */
static int sign(const scep_der_t *octets, EVP_PKEY *key, const EVP_MD *md,
                scep_der_t *signature, apr_pool_t *p)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t len = EVP_PKEY_get_size(key);
    unsigned char *made = apr_palloc(p, len);
    int ok;

    if (ctx == NULL)
        return 0;
    EVP_MD_CTX_set_flags(ctx, EVP_MD_CTX_FLAG_FINALISE); /* used once */
    ok = EVP_DigestSignInit(ctx, NULL, md, NULL, key) == 1 &&
         EVP_DigestSign(ctx, made, &len, octets->at, octets->len) == 1;
    signature->at = made;
    signature->len = len;
    EVP_MD_CTX_free(ctx);
    return ok;
}

/* IssuerAndSerialNumber of the RA's certificate */
static int put_signer_id(scep_der_out_t *out, const X509 *cert)
{
    const unsigned char *end = out->at, *issuer;
    unsigned char *serial = NULL;
    size_t issuer_len;
    int len;

    if (X509_NAME_get0_der(X509_get_issuer_name(cert), &issuer, &issuer_len) !=
        1)
        return 0;
    len = i2d_ASN1_INTEGER(X509_get0_serialNumber(cert), &serial);
    if (len <= 0)
        return 0;
    scep_der_put(out, serial, len);
    OPENSSL_free(serial);
    scep_der_put(out, issuer, issuer_len);
    scep_der_wrap(out, SCEP_DER_SEQUENCE, end);
    return 1;
}

/* SignerInfo in its SET.  Clients know no other signatureAlgorithm than
 * rsaEncryption. */
static int put_signer_info(scep_der_out_t *out, const scep_der_t *set,
                           const scep_der_t *signature, const X509 *cert,
                           int digest)
{
    const unsigned char *end = out->at;

    scep_der_put_element(out, SCEP_DER_OCTETS, signature->at, signature->len);
    scep_der_put_algorithm(out, NID_rsaEncryption);
    scep_der_put(out, set->at, set->len);
    if (out->full)
        return 0;
    out->at[0] = SCEP_DER_CONTEXT(0);
    scep_der_put_algorithm(out, digest);
    if (!put_signer_id(out, cert))
        return 0;
    scep_der_put_element(out, SCEP_DER_INTEGER, "\1", 1);
    scep_der_wrap(out, SCEP_DER_SEQUENCE, end);
    scep_der_wrap(out, SCEP_DER_SET, end);
    return 1;
}

/* What is signed: nothing, or the certificates or the CRL in their
 * envelope. */
static apr_status_t make_content(scep_der_t *content,
                                 const scep_message_t *message,
                                 const STACK_OF(X509) *certs,
                                 const X509_CRL *crl,
                                 const scep_reply_form_t *form,
                                 const scep_alg_t *alg, scep_result_t *res,
                                 apr_pool_t *p)
{
    const unsigned char *bag, *end;
    apr_size_t bag_len;
    scep_der_out_t out;
    apr_status_t rv;

    rv = crl ? scep_cert_degenerate_crl(crl, &bag, &bag_len, p)
             : scep_cert_degenerate(certs, &bag, &bag_len, p);
    if (rv != APR_SUCCESS)
        return scep_result_fail(res, p, SCEP_REASON_INTERNAL,
                                "the certificates cannot be encoded");
    scep_der_out_init(&out,
                      bag_len + message->signer_id_len +
                          EVP_PKEY_get_size(message->signer_key) +
                          SIGNED_OVERHEAD,
                      p);
    end = out.at;
    rv = scep_message_envelope(&out, message, bag, bag_len, form, alg, res, p);
    if (rv == APR_SUCCESS && out.full)
        rv = scep_result_fail(res, p, SCEP_REASON_INTERNAL,
                              "the envelope is too long");
    content->at = out.at;
    content->len = end - out.at;
    return rv;
}

/* ContentInfo with SignedData */
static int put_signed(scep_der_out_t *out, const scep_der_t *content,
                      int absent, const scep_der_t *set,
                      const scep_der_t *signature,
                      const unsigned char *certificate, int certificate_len,
                      const X509 *signer, int digest)
{
    const unsigned char *end = out->at, *part;

    if (!put_signer_info(out, set, signature, signer, digest))
        return 0;
    if (certificate != NULL)
        scep_der_put_element(out, SCEP_DER_CONTEXT(0), certificate,
                             certificate_len);
    part = out->at;
    if (!absent) {
        scep_der_put_element(out, SCEP_DER_OCTETS, content->at, content->len);
        scep_der_wrap(out, SCEP_DER_CONTEXT(0), part);
    }
    scep_der_put_oid(out, OBJ_nid2obj(NID_pkcs7_data));
    scep_der_wrap(out, SCEP_DER_SEQUENCE, part);
    part = out->at;
    scep_der_put_algorithm(out, digest);
    scep_der_wrap(out, SCEP_DER_SET, part);
    scep_der_put_element(out, SCEP_DER_INTEGER, "\1", 1);
    scep_der_wrap(out, SCEP_DER_SEQUENCE, end);
    scep_der_wrap(out, SCEP_DER_CONTEXT(0), end);
    scep_der_put_oid(out, OBJ_nid2obj(NID_pkcs7_signed));
    scep_der_wrap(out, SCEP_DER_SEQUENCE, end);
    return !out->full;
}

static const EVP_MD *reply_digest(const scep_message_t *message,
                                  const scep_alg_t *alg)
{
    const EVP_MD *md = scep_alg_md(alg, message->digest);

    return md != NULL ? md : scep_alg_md(alg, SCEP_DIGEST_SHA256);
}

static apr_status_t make_reply(const scep_message_t *message,
                               attributes_t *attributes,
                               const scep_der_t *content, int absent,
                               const scep_reply_form_t *form,
                               const scep_ra_t *ra, const scep_alg_t *alg,
                               scep_der_t *der, scep_result_t *res,
                               apr_pool_t *p)
{
    const EVP_MD *md = reply_digest(message, alg);
    unsigned char *certificate = NULL;
    int certificate_len, ok;
    scep_der_t set, signature;
    const unsigned char *end;
    scep_der_out_t out;

    certificate_len = i2d_X509(ra->sign.cert, &certificate);
    ok = certificate_len > 0 && finish(attributes, content, md, &set) &&
         sign(&set, ra->sign.key, md, &signature, p);
    if (ok) {
        scep_der_out_init(&out,
                          content->len + set.len + signature.len +
                              2 * certificate_len + SIGNED_OVERHEAD,
                          p);
        end = out.at;
        ok = put_signed(&out, content, absent, &set, &signature,
                        form->signer_absent ? NULL : certificate,
                        certificate_len, ra->sign.cert, EVP_MD_get_type(md));
        der->at = out.at;
        der->len = end - out.at;
    }
    OPENSSL_free(certificate);
    if (!ok)
        return scep_result_fail(res, p, SCEP_REASON_INTERNAL,
                                "the reply cannot be signed");
    return APR_SUCCESS;
}

apr_status_t scep_message_reply(
    const scep_message_t *message, const scep_result_t *outcome,
    const STACK_OF(X509) *certs, const X509_CRL *crl,
    const unsigned char nonce[SCEP_NONCE_LEN], const scep_reply_form_t *form,
    const scep_ra_t *ra, const scep_alg_t *alg, const scep_oid_t *oid,
    const unsigned char **der, apr_size_t *len, scep_result_t *res,
    apr_pool_t *p)
{
    int success = outcome->status == SCEP_STATUS_SUCCESS;
    attributes_t attributes = { .p = p };
    scep_der_t content = { (const unsigned char *)"", 0 };
    scep_der_t reply = { NULL, 0 };
    apr_status_t rv = APR_SUCCESS;

    ERR_clear_error();
    if (success)
        rv = make_content(&content, message, certs, crl, form, alg, res, p);
    if (rv == APR_SUCCESS) {
        add_all(&attributes, message, outcome, nonce, oid);
        rv = make_reply(message, &attributes, &content,
                        !success && form->content_absent, form, ra, alg,
                        &reply, res, p);
    }
    if (rv == APR_SUCCESS) {
        *der = reply.at;
        *len = reply.len;
    }
    ERR_clear_error();
    return rv;
}
