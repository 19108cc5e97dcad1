/* csr.c - a PKCS#10 request: read once, the octets kept as they came
 * SPDX-License-Identifier: Apache-2.0
 */
#include <limits.h>
#include <string.h>

#include <apr_strings.h>

#include <openssl/asn1t.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "csr.h"
#include "name.h"

/* CertificationRequest with its signed part raw: the signature is over the
 * octets that came. */
typedef struct scep_csr_signed_t {
    ASN1_STRING *info;
    X509_ALGOR *algorithm;
    ASN1_BIT_STRING *signature;
} request_t;

ASN1_SEQUENCE(request_t) = {
    ASN1_SIMPLE(request_t, info, ASN1_SEQUENCE),
    ASN1_SIMPLE(request_t, algorithm, X509_ALGOR),
    ASN1_SIMPLE(request_t, signature, ASN1_BIT_STRING),
} static_ASN1_SEQUENCE_END(request_t)

/* CertificationRequestInfo with the public key raw: X509_REQ would decode
 * it.  A SET OF that is read keeps the order that was sent. */
typedef struct {
    ASN1_INTEGER *version;
    X509_NAME *subject;
    ASN1_STRING *spki;
    STACK_OF(X509_ATTRIBUTE) *attributes;
} info_t;

ASN1_SEQUENCE(info_t) = {
    ASN1_SIMPLE(info_t, version, ASN1_INTEGER),
    ASN1_SIMPLE(info_t, subject, X509_NAME),
    ASN1_SIMPLE(info_t, spki, ASN1_SEQUENCE),
    ASN1_IMP_SET_OF_OPT(info_t, attributes, X509_ATTRIBUTE, 0),
} static_ASN1_SEQUENCE_END(info_t)

/* What goes with the pool. */
typedef struct {
    scep_csr_t csr;
    request_t *request;
    info_t *info;
    char *challenge;
} owned_t;

static void cleanse_string(ASN1_STRING *string)
{
    if (string && string->length > 0)
        OPENSSL_cleanse(string->data, (size_t)string->length);
}

/* The challenge is in the raw octets, in its attribute and in the text. */
static apr_status_t free_owned(void *data)
{
    owned_t *owned = data;
    int i, j;

    if (owned->challenge)
        OPENSSL_cleanse(owned->challenge, strlen(owned->challenge));
    if (owned->request)
        cleanse_string(owned->request->info);
    for (i = 0;
         owned->info && i < sk_X509_ATTRIBUTE_num(owned->info->attributes);
         i++) {
        X509_ATTRIBUTE *attribute =
            sk_X509_ATTRIBUTE_value(owned->info->attributes, i);

        for (j = 0; j < X509_ATTRIBUTE_count(attribute); j++)
            cleanse_string(
                scep_name_string_of(X509_ATTRIBUTE_get0_type(attribute, j)));
    }
    sk_X509_EXTENSION_pop_free(owned->csr.extensions, X509_EXTENSION_free);
    GENERAL_NAMES_free(owned->csr.sans);
    EVP_PKEY_free(owned->csr.key);
    ASN1_item_free((ASN1_VALUE *)owned->info, ASN1_ITEM_rptr(info_t));
    ASN1_item_free((ASN1_VALUE *)owned->request, ASN1_ITEM_rptr(request_t));
    return APR_SUCCESS;
}

/* ------------------------------------------------------------------ */
/* attributes: each reader gives NULL or what is wrong                  */

static const char *read_challenge(owned_t *owned, const ASN1_TYPE *value,
                                  apr_pool_t *p)
{
    char *text = (char *)scep_name_utf8(scep_name_string_of(value), p);

    if (!text)
        return "challengePassword is no text, malformed, or has a NUL in it";
    owned->challenge = text;
    if (strlen(text) > SCEP_CHALLENGE_MAX)
        return "challengePassword is too long";
    owned->csr.challenge = *text ? text : NULL;
    return NULL;
}

static const char *read_sans(owned_t *owned, X509_EXTENSION *extension)
{
    const ASN1_STRING *data = X509_EXTENSION_get_data(extension);
    const unsigned char *at = ASN1_STRING_get0_data(data);
    const unsigned char *end = at + ASN1_STRING_length(data);
    int n;

    owned->csr.sans = d2i_GENERAL_NAMES(NULL, &at, ASN1_STRING_length(data));
    if (!owned->csr.sans || at != end)
        return "subjectAltName is malformed";
    n = sk_GENERAL_NAME_num(owned->csr.sans);
    if (n < 1 || n > SCEP_CSR_SANS_MAX)
        return "subjectAltName has no name, or too many";
    return NULL;
}

static const char *read_extensions(owned_t *owned, const ASN1_TYPE *value,
                                   apr_pool_t *p)
{
    const ASN1_STRING *data = scep_name_string_of(value);
    const unsigned char *at, *end;
    X509_EXTENSIONS *extensions;
    int i, j;

    if (!data || ASN1_STRING_type(data) != V_ASN1_SEQUENCE)
        return "extensionRequest is malformed";
    at = ASN1_STRING_get0_data(data);
    end = at + ASN1_STRING_length(data);
    extensions = d2i_X509_EXTENSIONS(NULL, &at, ASN1_STRING_length(data));
    if (!extensions || at != end) {
        sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
        return "extensionRequest is malformed";
    }
    owned->csr.extensions = extensions;
    if (sk_X509_EXTENSION_num(extensions) > SCEP_CSR_EXTENSIONS_MAX)
        return "it asks for too many extensions";
    for (i = 0; i < sk_X509_EXTENSION_num(extensions); i++) {
        const ASN1_OBJECT *type =
            X509_EXTENSION_get_object(sk_X509_EXTENSION_value(extensions, i));

        for (j = 0; j < i; j++) {
            if (OBJ_cmp(type, X509_EXTENSION_get_object(
                                  sk_X509_EXTENSION_value(extensions, j))) ==
                0)
                return apr_pstrcat(p, "it asks for two extensions ",
                                   scep_name_oid_text(type, p), NULL);
        }
    }
    i = X509v3_get_ext_by_NID(extensions, NID_subject_alt_name, -1);
    return i < 0 ? NULL : read_sans(owned, X509v3_get_ext(extensions, i));
}

static const char *read_attributes(owned_t *owned, apr_pool_t *p)
{
    const STACK_OF(X509_ATTRIBUTE) *attributes = owned->info->attributes;
    const char *fault = NULL;
    int i, challenges = 0, requests = 0;

    if (sk_X509_ATTRIBUTE_num(attributes) > SCEP_CSR_ATTRIBUTES_MAX)
        return "it has too many attributes";
    for (i = 0; !fault && i < sk_X509_ATTRIBUTE_num(attributes); i++) {
        X509_ATTRIBUTE *attribute = sk_X509_ATTRIBUTE_value(attributes, i);
        int nid = OBJ_obj2nid(X509_ATTRIBUTE_get0_object(attribute));
        int is_challenge = nid == NID_pkcs9_challengePassword;
        int is_request = nid == NID_ext_req || nid == NID_ms_ext_req;
        const ASN1_TYPE *value = X509_ATTRIBUTE_get0_type(attribute, 0);

        if (!is_challenge && !is_request)
            continue;
        challenges += is_challenge;
        requests += is_request;
        if (X509_ATTRIBUTE_count(attribute) != 1)
            fault =
                apr_psprintf(p, "%s has %d values instead of one",
                             OBJ_nid2sn(nid), X509_ATTRIBUTE_count(attribute));
        else if (challenges > 1)
            fault = "it has two challengePasswords";
        else if (requests > 1)
            fault = "it has two extensionRequests";
        else if (is_challenge)
            fault = read_challenge(owned, value, p);
        else
            fault = read_extensions(owned, value, p);
    }
    return fault;
}

/* ------------------------------------------------------------------ */

static unsigned int digest_of(const X509_ALGOR *algorithm)
{
    int nid = OBJ_obj2nid(algorithm->algorithm), md = NID_undef, key;
    RSA_PSS_PARAMS *pss;

    if (nid == NID_rsassaPss) {
        pss = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(RSA_PSS_PARAMS),
                                        algorithm->parameter);
        if (pss)
            md = pss->hashAlgorithm
                     ? OBJ_obj2nid(pss->hashAlgorithm->algorithm)
                     : NID_sha1;
        RSA_PSS_PARAMS_free(pss);
    } else if (!OBJ_find_sigid_algs(nid, &md, &key)) {
        return 0;
    }
    return scep_alg_digest_by_nid(md);
}

/* Reads the structure; zero where it is no PKCS#10. */
static int read_request(owned_t *owned, const unsigned char *der,
                        apr_size_t len)
{
    const unsigned char *at = der;
    const ASN1_STRING *info;

    if (len > INT_MAX)
        return 0;
    owned->request = (request_t *)ASN1_item_d2i(NULL, &at, (long)len,
                                                ASN1_ITEM_rptr(request_t));
    if (!owned->request || at != der + len)
        return 0;
    info = owned->request->info;
    at = ASN1_STRING_get0_data(info);
    owned->info = (info_t *)ASN1_item_d2i(NULL, &at, ASN1_STRING_length(info),
                                          ASN1_ITEM_rptr(info_t));
    return owned->info &&
           at == ASN1_STRING_get0_data(info) + ASN1_STRING_length(info);
}

apr_status_t scep_csr_parse(scep_csr_t **csr, const unsigned char *der,
                            apr_size_t len, EVP_PKEY *known_key,
                            const unsigned char *known_spki,
                            apr_size_t known_spki_len, scep_result_t *res,
                            apr_pool_t *p)
{
    owned_t *owned = apr_pcalloc(p, sizeof(*owned));
    scep_csr_t *made = &owned->csr;

    ERR_clear_error();
    apr_pool_cleanup_register(p, owned, free_owned, apr_pool_cleanup_null);
    if (!read_request(owned, der, len))
        return scep_result_fail(res, p, SCEP_REASON_CHECK,
                                "the messageData is no PKCS#10");
    made->der = der;
    made->der_len = len;
    made->subject = owned->info->subject;
    made->spki = ASN1_STRING_get0_data(owned->info->spki);
    made->spki_len = (apr_size_t)ASN1_STRING_length(owned->info->spki);
    made->signed_part = owned->request;
    made->digest = digest_of(owned->request->algorithm);
    if (known_key && known_spki_len == made->spki_len &&
        memcmp(known_spki, made->spki, made->spki_len) == 0) {
        if (EVP_PKEY_up_ref(known_key))
            made->key = known_key;
    } else {
        made->key = scep_alg_key_decode(made->spki, made->spki_len);
    }
    if (!made->key)
        return scep_result_fail(res, p, SCEP_REASON_POP,
                                "the CSR's public key cannot be read");
    made->fault = read_attributes(owned, p);
    ERR_clear_error();
    *csr = made;
    return APR_SUCCESS;
}

static int key_fits(const EVP_PKEY *key, int signature)
{
    int md, type;

    if (!OBJ_find_sigid_algs(signature, &md, &type))
        return 0;
    switch (type) {
    case NID_rsaEncryption:
        return EVP_PKEY_is_a(key, "RSA");
    case NID_rsassaPss:
        return EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_is_a(key, "RSA-PSS");
    case NID_X9_62_id_ecPublicKey:
        return EVP_PKEY_is_a(key, "EC");
    default:
        return 0;
    }
}

/* A digest that is not allowed is computed all the same: see csr.h. */
static const EVP_MD *digest_method(const scep_csr_t *csr,
                                   const scep_alg_t *alg)
{
    const EVP_MD *md = scep_alg_md(alg, csr->digest);
    int nid, key;

    if (!md && OBJ_find_sigid_algs(OBJ_obj2nid(
                                       csr->signed_part->algorithm->algorithm),
                                   &nid, &key))
        md = EVP_get_digestbynid(nid);
    return md;
}

static int verify(const scep_csr_t *csr, const scep_alg_t *alg)
{
    const request_t *request = csr->signed_part;
    const EVP_MD *md;
    EVP_MD_CTX *ctx;
    int ok;

    if (request->signature->flags & 7)
        return 0; /* unused bits: no signature has any */
    if (OBJ_obj2nid(request->algorithm->algorithm) == NID_rsassaPss)
        return ASN1_item_verify(ASN1_ITEM_rptr(ASN1_SEQUENCE),
                                request->algorithm, request->signature,
                                request->info, csr->key) == 1;
    md = digest_method(csr, alg);
    ctx = md ? EVP_MD_CTX_new() : NULL;
    ok = ctx && EVP_DigestVerifyInit(ctx, NULL, md, NULL, csr->key) == 1 &&
         EVP_DigestVerify(ctx, ASN1_STRING_get0_data(request->signature),
                          (size_t)ASN1_STRING_length(request->signature),
                          ASN1_STRING_get0_data(request->info),
                          (size_t)ASN1_STRING_length(request->info)) == 1;
    EVP_MD_CTX_free(ctx);
    return ok;
}

apr_status_t scep_csr_verify(const scep_csr_t *csr, unsigned int digests,
                             const scep_alg_t *alg, scep_result_t *res,
                             apr_pool_t *p)
{
    const ASN1_OBJECT *algorithm = csr->signed_part->algorithm->algorithm;

    ERR_clear_error();
    if (!key_fits(csr->key, OBJ_obj2nid(algorithm)))
        return scep_result_fail(res, p, SCEP_REASON_POP,
                                "the CSR's signature algorithm %s does not "
                                "go with its %s key",
                                scep_name_oid_text(algorithm, p),
                                EVP_PKEY_get0_type_name(csr->key));
    if (!verify(csr, alg))
        return scep_result_fail(res, p, SCEP_REASON_POP,
                                "the CSR's signature %s does not verify",
                                scep_name_oid_text(algorithm, p));
    if (!(csr->digest & digests))
        return scep_result_fail(res, p, SCEP_REASON_DIGEST,
                                "the CSR is signed with %s",
                                csr->digest
                                    ? scep_alg_digest_name(csr->digest)
                                    : scep_name_oid_text(algorithm, p));
    if (csr->fault)
        return scep_result_fail(res, p, SCEP_REASON_CSR,
                                "the CSR is wrong: "
                                "%s",
                                csr->fault);
    return APR_SUCCESS;
}
