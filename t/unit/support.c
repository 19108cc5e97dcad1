/* support.c - keys, certificates and requests for the unit tests
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

#define NEED(expression)                                                      \
    do {                                                                      \
        if (!(expression))                                                    \
            failed(#expression);                                              \
    } while (0)

static void failed(const char *what)
{
    fprintf(stderr, "support: %s failed\n", what);
    ERR_print_errors_fp(stderr);
    exit(EXIT_FAILURE);
}

#define CLEANUP(type)                                                         \
    static apr_status_t cleanup_##type(void *object)                          \
    {                                                                         \
        type##_free(object);                                                  \
        return APR_SUCCESS;                                                   \
    }

CLEANUP(EVP_PKEY)
CLEANUP(X509)

static apr_status_t cleanup_stack(void *stack)
{
    sk_X509_free(stack);
    return APR_SUCCESS;
}

static void keep(apr_pool_t *p, void *object, apr_status_t (*cleanup)(void *))
{
    NEED(object != NULL);
    apr_pool_cleanup_register(p, object, cleanup, apr_pool_cleanup_null);
}

apr_pool_t *support_pool(void)
{
    static apr_pool_t *pool;

    if (pool == NULL) {
        NEED(apr_initialize() == APR_SUCCESS);
        atexit(apr_terminate);
        NEED(apr_pool_create(&pool, NULL) == APR_SUCCESS);
    }
    return pool;
}

EVP_PKEY *support_rsa(int bits, apr_pool_t *p)
{
    EVP_PKEY *key = EVP_RSA_gen(bits);

    keep(p, key, cleanup_EVP_PKEY);
    return key;
}

EVP_PKEY *support_ec(const char *curve, apr_pool_t *p)
{
    EVP_PKEY *key = EVP_EC_gen(curve);

    keep(p, key, cleanup_EVP_PKEY);
    return key;
}

static void add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509_EXTENSION *extension;
    X509V3_CTX ctx;

    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    NEED(extension != NULL);
    NEED(X509_add_ext(cert, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

X509 *support_cert(const char *cn, EVP_PKEY *key, X509 *issuer,
                   EVP_PKEY *issuer_key, const char *usage, apr_pool_t *p)
{
    static long serial = 1000;
    X509 *cert = X509_new();
    X509_NAME *name;

    keep(p, cert, cleanup_X509);
    name = X509_get_subject_name(cert);
    NEED(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                    (const unsigned char *)cn, -1, -1, 0));
    if (issuer == NULL) {
        issuer = cert;
        issuer_key = key;
    }
    NEED(ASN1_INTEGER_set(X509_get_serialNumber(cert), serial++));
    NEED(X509_set_issuer_name(cert, X509_get_subject_name(issuer)));
    NEED(X509_gmtime_adj(X509_getm_notBefore(cert), -60) != NULL);
    NEED(X509_gmtime_adj(X509_getm_notAfter(cert), 86400) != NULL);
    NEED(X509_set_pubkey(cert, key));
    if (usage != NULL) {
        NEED(X509_set_version(cert, X509_VERSION_3));
        if (strstr(usage, "keyCertSign") != NULL)
            add_extension(cert, issuer, NID_basic_constraints,
                          "critical,CA:TRUE");
        add_extension(cert, issuer, NID_key_usage, usage);
        add_extension(cert, issuer, NID_subject_key_identifier, "hash");
    }
    NEED(X509_sign(cert, issuer_key, EVP_sha256()) > 0);
    return cert;
}

const unsigned char *support_csr(const char *cn, EVP_PKEY *key,
                                 const char *challenge, apr_size_t *len,
                                 apr_pool_t *p)
{
    X509_REQ *req = X509_REQ_new();
    unsigned char *der = NULL, *kept;
    int der_len;

    NEED(req != NULL);
    NEED(X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(req), "CN",
                                    MBSTRING_UTF8, (const unsigned char *)cn,
                                    -1, -1, 0));
    NEED(X509_REQ_set_pubkey(req, key));
    if (challenge != NULL)
        NEED(X509_REQ_add1_attr_by_NID(req, NID_pkcs9_challengePassword,
                                       V_ASN1_PRINTABLESTRING,
                                       (const unsigned char *)challenge,
                                       (int)strlen(challenge)));
    NEED(X509_REQ_sign(req, key, EVP_sha256()) > 0);
    der_len = i2d_X509_REQ(req, &der);
    NEED(der_len > 0);
    kept = apr_pmemdup(p, der, der_len);
    *len = der_len;
    OPENSSL_free(der);
    X509_REQ_free(req);
    return kept;
}

void support_request_init(support_request_t *request, X509 *signer,
                          EVP_PKEY *signer_key, X509 *recipient,
                          const unsigned char *data, apr_size_t data_len,
                          apr_pool_t *p)
{
    memset(request, 0, sizeof(*request));
    request->type = "19";
    request->transaction_id = "0123456789ABCDEF";
    request->transaction_id_tag = V_ASN1_PRINTABLESTRING;
    request->nonce_len = 16;
    request->signer = signer;
    request->signer_key = signer_key;
    request->recipients = sk_X509_new_null();
    keep(p, request->recipients, cleanup_stack);
    NEED(sk_X509_push(request->recipients, recipient) > 0);
    request->digest = "SHA256";
    request->cipher = "AES-128-CBC";
    request->data = data;
    request->data_len = data_len;
}

static const unsigned char *encode(CMS_ContentInfo *cms, apr_size_t *len,
                                   apr_pool_t *p)
{
    unsigned char *der = NULL, *kept;
    int der_len = i2d_CMS_ContentInfo(cms, &der);

    NEED(der_len > 0);
    kept = apr_pmemdup(p, der, der_len);
    *len = der_len;
    OPENSSL_free(der);
    CMS_ContentInfo_free(cms);
    return kept;
}

static void use_oaep(CMS_ContentInfo *cms, const char *digest)
{
    STACK_OF(CMS_RecipientInfo) *infos = CMS_get0_RecipientInfos(cms);

    for (int i = 0; i < sk_CMS_RecipientInfo_num(infos); i++) {
        EVP_PKEY_CTX *ctx = CMS_RecipientInfo_get0_pkey_ctx(
            sk_CMS_RecipientInfo_value(infos, i));
        const EVP_MD *md = EVP_get_digestbyname(digest);

        NEED(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) > 0);
        NEED(EVP_PKEY_CTX_set_rsa_oaep_md(ctx, md) > 0);
        NEED(EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, md) > 0);
    }
}

const unsigned char *support_envelope(const support_request_t *request,
                                      apr_size_t *len, apr_pool_t *p)
{
    BIO *in = BIO_new_mem_buf(request->data, (int)request->data_len);
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, request->cipher, NULL);
    CMS_ContentInfo *cms;

    NEED(cipher != NULL);
    cms = CMS_encrypt(NULL, NULL, cipher, CMS_BINARY | CMS_PARTIAL);
    NEED(cms != NULL);
    for (int i = 0; i < sk_X509_num(request->recipients); i++)
        NEED(CMS_add1_recipient_cert(cms,
                                     sk_X509_value(request->recipients, i),
                                     request->oaep != NULL ? CMS_KEY_PARAM
                                                           : 0) != NULL);
    if (request->oaep != NULL)
        use_oaep(cms, request->oaep);
    NEED(CMS_final(cms, in, NULL, CMS_BINARY) == 1);
    EVP_CIPHER_free(cipher);
    BIO_free(in);
    return encode(cms, len, p);
}

static void add_attribute(CMS_SignerInfo *info, const char *oid, int tag,
                          const void *value, int len)
{
    ASN1_OBJECT *type = OBJ_txt2obj(oid, 1);

    NEED(CMS_signed_add1_attr_by_OBJ(info, type, tag, value, len) == 1);
    ASN1_OBJECT_free(type);
}

const unsigned char *support_sign(const support_request_t *request,
                                  const unsigned char *content,
                                  apr_size_t content_len, apr_size_t *len,
                                  apr_pool_t *p)
{
    unsigned int flags = CMS_BINARY | CMS_PARTIAL | request->sign_flags;
    BIO *in = BIO_new_mem_buf(content, (int)content_len);
    unsigned char nonce[64];
    CMS_ContentInfo *cms;
    CMS_SignerInfo *info;

    cms = CMS_sign(NULL, NULL, NULL, in, flags);
    NEED(cms != NULL);
    info = CMS_add1_signer(cms, request->signer, request->signer_key,
                           EVP_get_digestbyname(request->digest),
                           CMS_NOSMIMECAP | request->sign_flags);
    NEED(info != NULL);
    for (int i = 0; i < request->nonce_len; i++)
        nonce[i] = (unsigned char)(i + 1);
    if (request->type != NULL)
        add_attribute(info, "2.16.840.1.113733.1.9.2", V_ASN1_PRINTABLESTRING,
                      request->type, (int)strlen(request->type));
    if (request->nonce_len != 0)
        add_attribute(info, "2.16.840.1.113733.1.9.5", V_ASN1_OCTET_STRING,
                      nonce, request->nonce_len);
    if (request->transaction_id != NULL)
        add_attribute(info, "2.16.840.1.113733.1.9.7",
                      request->transaction_id_tag, request->transaction_id,
                      (int)strlen(request->transaction_id));
    NEED(CMS_final(cms, in, NULL, flags) == 1);
    BIO_free(in);
    return encode(cms, len, p);
}

const unsigned char *support_request(const support_request_t *request,
                                     apr_size_t *len, apr_pool_t *p)
{
    apr_size_t envelope_len;
    const unsigned char *envelope =
        support_envelope(request, &envelope_len, p);

    return support_sign(request, envelope, envelope_len, len, p);
}
