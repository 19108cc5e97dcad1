/* enrolment.c - SCEP enrolments made in advance, and a look at their answers
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/cms.h>
#include <openssl/pkcs7.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "enrolment.h"
#include "load.h"

#define OID_MESSAGE_TYPE "2.16.840.1.113733.1.9.2"
#define OID_PKI_STATUS "2.16.840.1.113733.1.9.3"
#define OID_FAIL_INFO "2.16.840.1.113733.1.9.4"
#define OID_SENDER_NONCE "2.16.840.1.113733.1.9.5"
#define OID_RECIPIENT_NONCE "2.16.840.1.113733.1.9.6"
#define OID_TRANSACTION_ID "2.16.840.1.113733.1.9.7"

/* ------------------------------------------------------------------ */
/* What is published                                                    */

static STACK_OF(X509) *read_published(const unsigned char *der, size_t len)
{
    const unsigned char *p = der;
    STACK_OF(X509) *certs = NULL;
    PKCS7 *p7 = d2i_PKCS7(NULL, &p, (long)len);
    X509 *one;

    if (p7 != NULL && PKCS7_type_is_signed(p7)) {
        certs = X509_chain_up_ref(p7->d.sign->cert);
    } else if (p7 == NULL) {
        p = der;
        one = d2i_X509(NULL, &p, (long)len);
        certs = sk_X509_new_null();
        if (one == NULL || !sk_X509_push(certs, one)) {
            sk_X509_free(certs);
            certs = NULL;
        }
    }
    PKCS7_free(p7);
    return certs;
}

/* The RA that decrypts where there is one, else the CA. */
static X509 *choose_recipient(const STACK_OF(X509) *certs)
{
    X509 *ca = NULL;
    int i;

    for (i = 0; i < sk_X509_num(certs); i++) {
        X509 *cert = sk_X509_value(certs, i);

        if (!EVP_PKEY_is_a(X509_get0_pubkey(cert), "RSA"))
            continue;
        if (X509_get_extension_flags(cert) & EXFLAG_CA)
            ca = cert;
        else if (X509_get_key_usage(cert) & KU_KEY_ENCIPHERMENT)
            return cert;
    }
    return ca;
}

const char *enrolment_plan(enrolment_plan_t *plan, size_t keys,
                           const unsigned char *published, size_t len)
{
    size_t i;

    plan->published = read_published(published, len);
    if (plan->published == NULL)
        return "GetCACert: neither a certificate nor a PKCS #7";
    plan->recipient = choose_recipient(plan->published);
    if (plan->recipient == NULL)
        return "GetCACert: no certificate that a request can be encrypted to";
    plan->keys = load_alloc(keys * sizeof(*plan->keys));
    plan->keys_len = keys;
    for (i = 0; i < keys; i++)
        if ((plan->keys[i] =
                 EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048)) == NULL)
            return "cannot make an RSA key";
    return NULL;
}

/* ------------------------------------------------------------------ */
/* Requests                                                             */

void enrolment_name(enrolment_t *e, const enrolment_plan_t *plan,
                    size_t number)
{
    unsigned char id[16];
    size_t i;

    memset(e, 0, sizeof(*e));
    if (RAND_bytes(id, sizeof(id)) != 1 ||
        RAND_bytes(e->nonce, sizeof(e->nonce)) != 1) {
        fputs("no random octets\n", stderr);
        exit(EXIT_FAILURE);
    }
    for (i = 0; i < sizeof(id); i++)
        snprintf(e->transaction_id + 2 * i, 3, "%02x", id[i]);
    snprintf(e->name, sizeof(e->name), "bench-%06zu-%.8s", number,
             e->transaction_id);
    e->key = plan->keys[number % plan->keys_len];
}

static X509_NAME *make_name(const enrolment_t *e)
{
    X509_NAME *name = X509_NAME_new();

    if (name != NULL &&
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                   (const unsigned char *)e->name, -1, -1, 0))
        return name;
    X509_NAME_free(name);
    return NULL;
}

static X509_REQ *make_csr(const enrolment_t *e, X509_NAME *name,
                          const char *challenge)
{
    X509_REQ *csr = X509_REQ_new();
    STACK_OF(X509_EXTENSION) *exts = sk_X509_EXTENSION_new_null();
    X509_EXTENSION *san;
    char text[64];
    int ok;

    snprintf(text, sizeof(text), "DNS:%s.example", e->name);
    san = X509V3_EXT_nconf_nid(NULL, NULL, NID_subject_alt_name, text);
    ok = csr != NULL && exts != NULL && san != NULL &&
         sk_X509_EXTENSION_push(exts, san) && X509_REQ_set_version(csr, 0) &&
         X509_REQ_set_subject_name(csr, name) &&
         X509_REQ_set_pubkey(csr, e->key) &&
         X509_REQ_add1_attr_by_NID(csr, NID_pkcs9_challengePassword,
                                   MBSTRING_ASC,
                                   (const unsigned char *)challenge, -1) &&
         X509_REQ_add_extensions(csr, exts) &&
         X509_REQ_sign(csr, e->key, EVP_sha256()) > 0;
    sk_X509_EXTENSION_pop_free(exts, X509_EXTENSION_free);
    if (ok)
        return csr;
    X509_REQ_free(csr);
    return NULL;
}

static X509 *make_signer(const enrolment_t *e, X509_NAME *name)
{
    X509 *cert = X509_new();

    if (cert != NULL && X509_set_version(cert, X509_VERSION_3) &&
        ASN1_STRING_set(X509_get_serialNumber(cert), "\x01", 1) &&
        X509_set_subject_name(cert, name) &&
        X509_set_issuer_name(cert, name) &&
        X509_gmtime_adj(X509_getm_notBefore(cert), -600) != NULL &&
        X509_gmtime_adj(X509_getm_notAfter(cert), 86400) != NULL &&
        X509_set_pubkey(cert, e->key) &&
        X509_sign(cert, e->key, EVP_sha256()) > 0)
        return cert;
    X509_free(cert);
    return NULL;
}

static int add_attribute(CMS_SignerInfo *si, const char *oid, int type,
                         const void *data, size_t len)
{
    ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
    int ok = object != NULL &&
             CMS_signed_add1_attr_by_OBJ(si, object, type, data, (int)len);

    ASN1_OBJECT_free(object);
    return ok;
}

/* messageData: the CSR, encrypted to the recipient. */
static BIO *make_envelope(X509_REQ *csr, const enrolment_plan_t *plan)
{
    STACK_OF(X509) *to = sk_X509_new_null();
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    CMS_ContentInfo *cms = NULL;
    int ok = to != NULL && in != NULL && out != NULL &&
             sk_X509_push(to, plan->recipient) && i2d_X509_REQ_bio(in, csr) &&
             (cms = CMS_encrypt(to, in, plan->cipher, CMS_BINARY)) != NULL &&
             i2d_CMS_bio(out, cms);

    CMS_ContentInfo_free(cms);
    BIO_free(in);
    sk_X509_free(to);
    if (ok)
        return out;
    BIO_free(out);
    return NULL;
}

static int make_message(enrolment_t *e, X509 *signer, BIO *envelope)
{
    const unsigned int flags = CMS_BINARY | CMS_NOSMIMECAP | CMS_PARTIAL;
    CMS_ContentInfo *cms = CMS_sign(NULL, NULL, NULL, NULL, flags);
    CMS_SignerInfo *si = NULL;
    int len = -1;

    if (cms != NULL)
        si = CMS_add1_signer(cms, signer, e->key, EVP_sha256(), flags);
    if (si != NULL &&
        add_attribute(si, OID_MESSAGE_TYPE, V_ASN1_PRINTABLESTRING, "19", 2) &&
        add_attribute(si, OID_TRANSACTION_ID, V_ASN1_PRINTABLESTRING,
                      e->transaction_id, strlen(e->transaction_id)) &&
        add_attribute(si, OID_SENDER_NONCE, V_ASN1_OCTET_STRING, e->nonce,
                      sizeof(e->nonce)) &&
        CMS_final(cms, envelope, NULL, CMS_BINARY))
        len = i2d_CMS_ContentInfo(cms, &e->message);
    CMS_ContentInfo_free(cms);
    e->message_len = len > 0 ? (size_t)len : 0;
    return len > 0;
}

const char *enrolment_build(enrolment_t *e, const enrolment_plan_t *plan,
                            const char *challenge, int keep)
{
    X509_NAME *name = make_name(e);
    X509_REQ *csr = name != NULL ? make_csr(e, name, challenge) : NULL;
    BIO *envelope = csr != NULL ? make_envelope(csr, plan) : NULL;
    X509 *signer = envelope != NULL ? make_signer(e, name) : NULL;
    int ok = signer != NULL && make_message(e, signer, envelope);

    X509_NAME_free(name);
    X509_REQ_free(csr);
    BIO_free(envelope);
    if (ok && keep)
        e->signer = signer;
    else
        X509_free(signer);
    return ok ? NULL : "cannot build a request";
}

void enrolment_free(enrolment_t *e)
{
    X509_free(e->signer);
    OPENSSL_free(e->message);
}

/* ------------------------------------------------------------------ */
/* Answers                                                              */

static int attribute_is(const CMS_SignerInfo *si, const char *oid,
                        const void *data, size_t len)
{
    ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
    int at = CMS_signed_get_attr_by_OBJ(si, object, -1);
    X509_ATTRIBUTE *attribute = at >= 0 ? CMS_signed_get_attr(si, at) : NULL;
    const ASN1_TYPE *value =
        attribute != NULL ? X509_ATTRIBUTE_get0_type(attribute, 0) : NULL;

    ASN1_OBJECT_free(object);
    return value != NULL &&
           (value->type == V_ASN1_PRINTABLESTRING ||
            value->type == V_ASN1_OCTET_STRING) &&
           (size_t)ASN1_STRING_length(value->value.asn1_string) == len &&
           memcmp(ASN1_STRING_get0_data(value->value.asn1_string), data,
                  len) == 0;
}

static const char *check_status(const CMS_SignerInfo *si)
{
    static const char *const reasons[] = {
        "FAILURE badAlg", "FAILURE badMessageCheck", "FAILURE badRequest",
        "FAILURE badTime", "FAILURE badCertId"
    };
    char digit[2] = "0";

    if (attribute_is(si, OID_PKI_STATUS, "0", 1))
        return NULL;
    if (attribute_is(si, OID_PKI_STATUS, "3", 1))
        return "PENDING";
    for (; digit[0] < '5'; digit[0]++)
        if (attribute_is(si, OID_FAIL_INFO, digit, 1))
            return reasons[digit[0] - '0'];
    return "no pkiStatus that is known";
}

static const char *check_certificate(const enrolment_t *e,
                                     const enrolment_plan_t *plan, X509 *cert)
{
    char name[64];
    int i;

    if (EVP_PKEY_eq(X509_get0_pubkey(cert), e->key) != 1)
        return "the certificate has another key";
    if (X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName,
                                  name, sizeof(name)) < 0 ||
        strcmp(name, e->name) != 0)
        return "the certificate has another name";
    for (i = 0; i < sk_X509_num(plan->published); i++) {
        X509 *ca = sk_X509_value(plan->published, i);

        if (X509_check_issued(ca, cert) == X509_V_OK &&
            X509_verify(cert, X509_get0_pubkey(ca)) == 1)
            return NULL;
    }
    return "no published certificate signed the issued one";
}

static const char *check_content(const enrolment_t *e,
                                 const enrolment_plan_t *plan,
                                 CMS_ContentInfo *outer)
{
    BIO *envelope = BIO_new(BIO_s_mem()), *content = BIO_new(BIO_s_mem());
    CMS_ContentInfo *inner = NULL;
    PKCS7 *p7 = NULL;
    const char *error = NULL;

    if (!CMS_verify(outer, plan->published, NULL, NULL, envelope,
                    CMS_NO_SIGNER_CERT_VERIFY | CMS_BINARY | CMS_NOINTERN))
        error = "not signed by a published certificate";
    else if ((inner = d2i_CMS_bio(envelope, NULL)) == NULL ||
             !CMS_decrypt(inner, e->key, e->signer, NULL, content, CMS_BINARY))
        error = "the answer cannot be decrypted";
    else if ((p7 = d2i_PKCS7_bio(content, NULL)) == NULL ||
             !PKCS7_type_is_signed(p7) || sk_X509_num(p7->d.sign->cert) < 1)
        error = "no certificate in the answer";
    else
        error = check_certificate(e, plan, sk_X509_value(p7->d.sign->cert, 0));
    PKCS7_free(p7);
    CMS_ContentInfo_free(inner);
    BIO_free(envelope);
    BIO_free(content);
    return error;
}

const char *enrolment_check(const enrolment_t *e, const enrolment_plan_t *plan,
                            const unsigned char *reply, size_t len)
{
    const unsigned char *p = reply;
    CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &p, (long)len);
    STACK_OF(CMS_SignerInfo) *signers =
        cms != NULL ? CMS_get0_SignerInfos(cms) : NULL;
    const CMS_SignerInfo *si;
    const char *error;

    if (sk_CMS_SignerInfo_num(signers) != 1) {
        error = "no SignedData with one signer";
        goto leave;
    }
    si = sk_CMS_SignerInfo_value(signers, 0);
    if ((error = check_status(si)) != NULL)
        goto leave;
    if (!attribute_is(si, OID_MESSAGE_TYPE, "3", 1))
        error = "not a CertRep";
    else if (!attribute_is(si, OID_TRANSACTION_ID, e->transaction_id,
                           strlen(e->transaction_id)))
        error = "another transactionID";
    else if (!attribute_is(si, OID_RECIPIENT_NONCE, e->nonce,
                           sizeof(e->nonce)))
        error = "another recipientNonce";
    else if (e->signer != NULL)
        error = check_content(e, plan, cms);
leave:
    CMS_ContentInfo_free(cms);
    return error;
}
