/* message_build.c - builds the CertRep for an outcome
 * SPDX-License-Identifier: Apache-2.0
 */
#include "message_private.h"

#include <string.h>

#include <apr_strings.h>
#include <openssl/err.h>

#include "cert.h"

static int add_octets(CMS_SignerInfo *info, const ASN1_OBJECT *type,
                      const unsigned char *octets, apr_size_t len)
{
    return CMS_signed_add1_attr_by_OBJ(info, type, V_ASN1_OCTET_STRING, octets,
                                       (int)len) == 1;
}

static int add_text(CMS_SignerInfo *info, const ASN1_OBJECT *type, int tag,
                    const char *text)
{
    return CMS_signed_add1_attr_by_OBJ(info, type, tag, text,
                                       (int)strlen(text)) == 1;
}

static int add_number(CMS_SignerInfo *info, const ASN1_OBJECT *type,
                      unsigned int number)
{
    char text[2] = { (char)('0' + number % 10), '\0' };

    return add_text(info, type, V_ASN1_PRINTABLESTRING, text);
}

/* A client that sent its transactionID as a PrintableString with characters
 * that one must not have expects it back so. */
static int add_transaction_id(CMS_SignerInfo *info,
                              const scep_message_t *message,
                              const scep_oid_t *oid)
{
    const char *id = message->transaction_id;
    int tag = V_ASN1_PRINTABLESTRING;

    if (id == NULL)
        return 1;
    if (message->transaction_id_tag != V_ASN1_PRINTABLESTRING &&
        ASN1_PRINTABLE_type((const unsigned char *)id, -1) !=
            V_ASN1_PRINTABLESTRING)
        tag = V_ASN1_UTF8STRING;
    return add_text(info, oid->transaction_id, tag, id);
}

static int add_attributes(CMS_SignerInfo *info, const scep_message_t *message,
                          const scep_result_t *outcome,
                          const unsigned char nonce[SCEP_NONCE_LEN],
                          const scep_oid_t *oid)
{
    int ok;

    ok = add_transaction_id(info, message, oid) &&
         add_number(info, oid->message_type, SCEP_TYPE_CERT_REP) &&
         add_number(info, oid->pki_status, outcome->status) &&
         add_octets(info, oid->sender_nonce, nonce, SCEP_NONCE_LEN);
    if (ok && message->sender_nonce_len != 0)
        ok = add_octets(info, oid->recipient_nonce, message->sender_nonce,
                        message->sender_nonce_len);
    if (ok && outcome->status == SCEP_STATUS_FAILURE)
        ok = add_number(info, oid->fail_info, outcome->fail_info);
    if (ok && outcome->status == SCEP_STATUS_FAILURE && outcome->text != NULL)
        ok = add_text(info, oid->fail_info_text, V_ASN1_UTF8STRING,
                      outcome->text);
    return ok;
}

/* The issued certificate, degenerate and enveloped. */
static apr_status_t make_content(const scep_message_t *message,
                                 const STACK_OF(X509) *certs,
                                 const scep_reply_form_t *form,
                                 const scep_alg_t *alg,
                                 unsigned char **content, int *len,
                                 scep_result_t *res, apr_pool_t *p)
{
    const unsigned char *bag;
    apr_size_t bag_len;

    if (scep_cert_degenerate(certs, &bag, &bag_len, p) != APR_SUCCESS)
        return scep_result_fail(res, p, SCEP_REASON_INTERNAL,
                                "the certificates cannot be encoded");
    return scep_message_envelope(message, bag, bag_len, form, alg, content,
                                 len, res, p);
}

static CMS_ContentInfo *sign(const scep_message_t *message,
                             const scep_result_t *outcome, BIO *content,
                             int absent,
                             const unsigned char nonce[SCEP_NONCE_LEN],
                             const scep_reply_form_t *form,
                             const scep_ra_t *ra, const scep_alg_t *alg,
                             const scep_oid_t *oid)
{
    unsigned int flags = CMS_BINARY | (absent ? CMS_DETACHED : 0);
    const EVP_MD *md = NULL;
    CMS_ContentInfo *cms;
    CMS_SignerInfo *info;

    if (message->digest != 0)
        md = scep_alg_md(alg, message->digest);
    if (md == NULL)
        md = scep_alg_md(alg, SCEP_DIGEST_SHA256);
    cms = CMS_sign(NULL, NULL, NULL, content, flags | CMS_PARTIAL);
    if (cms == NULL)
        return NULL;
    info = CMS_add1_signer(cms, ra->sign.cert, ra->sign.key, md,
                           CMS_NOSMIMECAP |
                               (form->signer_absent ? CMS_NOCERTS : 0));
    if (info != NULL && add_attributes(info, message, outcome, nonce, oid) &&
        CMS_final(cms, content, NULL, flags) == 1)
        return cms;
    CMS_ContentInfo_free(cms);
    return NULL;
}

apr_status_t scep_message_reply(
    const scep_message_t *message, const scep_result_t *outcome,
    const STACK_OF(X509) *certs, const unsigned char nonce[SCEP_NONCE_LEN],
    const scep_reply_form_t *form, const scep_ra_t *ra, const scep_alg_t *alg,
    const scep_oid_t *oid, const unsigned char **der, apr_size_t *len,
    scep_result_t *res, apr_pool_t *p)
{
    int success = outcome->status == SCEP_STATUS_SUCCESS;
    unsigned char *content = NULL, *encoded = NULL;
    int content_len = 0, encoded_len;
    CMS_ContentInfo *cms = NULL;
    BIO *bio = NULL;
    apr_status_t rv = APR_SUCCESS;

    ERR_clear_error();
    if (success)
        rv = make_content(message, certs, form, alg, &content, &content_len,
                          res, p);
    if (rv != APR_SUCCESS)
        goto leave;
    bio = BIO_new_mem_buf(success ? (const void *)content : "", content_len);
    if (bio != NULL)
        cms = sign(message, outcome, bio, !success && form->content_absent,
                   nonce, form, ra, alg, oid);
    encoded_len = cms != NULL ? i2d_CMS_ContentInfo(cms, &encoded) : 0;
    if (encoded_len <= 0) {
        rv = scep_result_fail(res, p, SCEP_REASON_INTERNAL,
                              "the reply cannot be signed");
        goto leave;
    }
    *der = apr_pmemdup(p, encoded, encoded_len);
    *len = encoded_len;
leave:
    OPENSSL_free(encoded);
    CMS_ContentInfo_free(cms);
    BIO_free(bio);
    OPENSSL_free(content);
    ERR_clear_error();
    return rv;
}
