/* issuer.c - a local CA: its certificate, key and common extensions
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include <apr_strings.h>
#include <openssl/err.h>
#include <openssl/provider.h>

#include "issuer.h"

#define MIN_RSA_BITS 2048

const char *scep_issuer_error(const char *what, apr_pool_t *p)
{
    char text[256];
    unsigned long code = ERR_peek_last_error();

    ERR_clear_error();
    if (code == 0)
        return what;
    ERR_error_string_n(code, text, sizeof(text));
    return apr_pstrcat(p, what, ": ", text, NULL);
}

static apr_status_t issuer_free(void *data)
{
    scep_issuer_t *issuer = data;

    sk_X509_EXTENSION_pop_free(issuer->extensions, X509_EXTENSION_free);
    EVP_MD_CTX_free(issuer->signer);
    EVP_MD_free(issuer->sha1);
    EVP_PKEY_free(issuer->key);
    X509_free(issuer->ca);
    return APR_SUCCESS;
}

int scep_issuer_seconds(const ASN1_TIME *time, apr_int64_t *seconds)
{
    int days, rest;
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int ok = epoch != NULL && ASN1_TIME_diff(&days, &rest, epoch, time);

    if (ok)
        *seconds = (apr_int64_t)days * 86400 + rest;
    ASN1_TIME_free(epoch);
    return ok;
}

static const char *check_ca(scep_issuer_t *issuer, apr_time_t now)
{
    if ((X509_get_extension_flags(issuer->ca) & EXFLAG_CA) == 0)
        return "ScepCAChain: the first certificate is not that of a CA "
               "(basicConstraints)";
    if ((X509_get_key_usage(issuer->ca) & KU_KEY_CERT_SIGN) == 0)
        return "ScepCAChain: the first certificate may not sign "
               "certificates (keyUsage lacks keyCertSign)";
    if (!scep_issuer_seconds(X509_get0_notBefore(issuer->ca),
                             &issuer->not_before) ||
        !scep_issuer_seconds(X509_get0_notAfter(issuer->ca),
                             &issuer->not_after))
        return "ScepCAChain: the first certificate has no valid lifetime";
    if (apr_time_sec(now) > issuer->not_after)
        return "ScepCAChain: the first certificate has expired";
    return NULL;
}

static const char *check_key(const scep_issuer_t *issuer)
{
    if (EVP_PKEY_is_a(issuer->key, "RSA")) {
        if (EVP_PKEY_get_bits(issuer->key) < MIN_RSA_BITS)
            return "ScepOpenSSLKey: an RSA key of less than 2048 bits";
    } else if (!EVP_PKEY_is_a(issuer->key, "EC")) {
        return "ScepOpenSSLKey: neither an RSA nor an EC key";
    }
    if (!X509_check_private_key(issuer->ca, issuer->key))
        return "ScepOpenSSLKey: the key does not belong to the first "
               "certificate of ScepCAChain";
    return NULL;
}

static int start_signing(const scep_issuer_t *issuer, EVP_MD_CTX *ctx)
{
    return EVP_DigestSignInit_ex(ctx, NULL, issuer->digest, NULL, NULL,
                                 issuer->key, NULL);
}

/* Looking up digest and signature anew would cost each certificate 2 us. */
static int prepare_signer(scep_issuer_t *issuer)
{
    const OSSL_PROVIDER *home = EVP_PKEY_get0_provider(issuer->key);
    EVP_MD_CTX *signer = EVP_MD_CTX_new();

    if (signer == NULL || !start_signing(issuer, signer)) {
        EVP_MD_CTX_free(signer);
        return 0;
    }
    /* A token's session does not live on in a forked child. */
    if (home == NULL || strcmp(OSSL_PROVIDER_get0_name(home), "default")) {
        EVP_MD_CTX_free(signer);
        signer = NULL;
    }
    issuer->signer = signer;
    return 1;
}

static int add_fixed(scep_issuer_t *issuer, int nid, int critical, void *value)
{
    X509_EXTENSION *ext = X509V3_EXT_i2d(nid, critical, value);

    if (ext != NULL && sk_X509_EXTENSION_push(issuer->extensions, ext))
        return 1;
    X509_EXTENSION_free(ext);
    return 0;
}

int scep_issuer_key_id(const scep_issuer_t *issuer, const ASN1_BIT_STRING *key,
                       ASN1_OCTET_STRING *id)
{
    unsigned char md[EVP_MAX_MD_SIZE];
    unsigned int len;

    return EVP_Digest(ASN1_STRING_get0_data(key), ASN1_STRING_length(key), md,
                      &len, issuer->sha1, NULL) &&
           ASN1_OCTET_STRING_set(id, md, (int)len);
}

static int add_basic_constraints(scep_issuer_t *issuer)
{
    BASIC_CONSTRAINTS *bc = BASIC_CONSTRAINTS_new();
    int ok = bc != NULL && add_fixed(issuer, NID_basic_constraints, 1, bc);

    BASIC_CONSTRAINTS_free(bc);
    return ok;
}

static int add_authority_key_id(scep_issuer_t *issuer)
{
    const ASN1_OCTET_STRING *ski = X509_get0_subject_key_id(issuer->ca);
    AUTHORITY_KEYID *akid = AUTHORITY_KEYID_new();
    int ok = akid != NULL && (akid->keyid = ASN1_OCTET_STRING_new()) != NULL;

    if (ok && ski != NULL)
        ok = ASN1_STRING_copy(akid->keyid, ski);
    else if (ok)
        ok = scep_issuer_key_id(issuer, X509_get0_pubkey_bitstr(issuer->ca),
                                akid->keyid);
    ok = ok && add_fixed(issuer, NID_authority_key_identifier, 0, akid);
    AUTHORITY_KEYID_free(akid);
    return ok;
}

static GENERAL_NAME *url_name(const char *url)
{
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_IA5STRING *ia5 = ASN1_IA5STRING_new();

    if (name == NULL || ia5 == NULL || !ASN1_STRING_set(ia5, url, -1)) {
        GENERAL_NAME_free(name);
        ASN1_IA5STRING_free(ia5);
        return NULL;
    }
    GENERAL_NAME_set0_value(name, GEN_URI, ia5);
    return name;
}

/* One DistributionPoint: the URLs are places of one and the same CRL. */
static int add_crl_urls(scep_issuer_t *issuer, const apr_array_header_t *urls)
{
    CRL_DIST_POINTS *points;
    DIST_POINT *point;
    GENERAL_NAMES *names = NULL;
    int i, ok;

    if (urls == NULL || urls->nelts == 0)
        return 1;
    points = CRL_DIST_POINTS_new();
    point = DIST_POINT_new();
    ok = points != NULL && point != NULL;
    if (ok && !sk_DIST_POINT_push(points, point))
        ok = 0;
    else if (ok)
        ok = (point->distpoint = DIST_POINT_NAME_new()) != NULL &&
             (names = GENERAL_NAMES_new()) != NULL;
    if (ok) {
        point->distpoint->type = 0;
        point->distpoint->name.fullname = names;
    }
    for (i = 0; ok && i < urls->nelts; i++) {
        GENERAL_NAME *name = url_name(APR_ARRAY_IDX(urls, i, const char *));

        ok = name != NULL && sk_GENERAL_NAME_push(names, name);
        if (!ok)
            GENERAL_NAME_free(name);
    }
    ok = ok && add_fixed(issuer, NID_crl_distribution_points, 0, points);
    if (sk_DIST_POINT_num(points) < 1)
        DIST_POINT_free(point);
    CRL_DIST_POINTS_free(points);
    return ok;
}

static int push_access(AUTHORITY_INFO_ACCESS *access, int method,
                       const apr_array_header_t *urls)
{
    int i;

    for (i = 0; urls != NULL && i < urls->nelts; i++) {
        ACCESS_DESCRIPTION *entry = ACCESS_DESCRIPTION_new();
        GENERAL_NAME *name = url_name(APR_ARRAY_IDX(urls, i, const char *));

        if (entry == NULL || name == NULL ||
            !sk_ACCESS_DESCRIPTION_push(access, entry)) {
            ACCESS_DESCRIPTION_free(entry);
            GENERAL_NAME_free(name);
            return 0;
        }
        entry->method = OBJ_nid2obj(method);
        GENERAL_NAME_free(entry->location);
        entry->location = name;
    }
    return 1;
}

static int add_access_urls(scep_issuer_t *issuer,
                           const scep_issuer_rule_t *rule)
{
    AUTHORITY_INFO_ACCESS *access = AUTHORITY_INFO_ACCESS_new();
    int ok = access != NULL &&
             push_access(access, NID_ad_OCSP, rule->ocsp_urls) &&
             push_access(access, NID_ad_ca_issuers, rule->issuer_urls);

    if (ok && sk_ACCESS_DESCRIPTION_num(access) > 0)
        ok = add_fixed(issuer, NID_info_access, 0, access);
    AUTHORITY_INFO_ACCESS_free(access);
    return ok;
}

const char *scep_issuer_prepare(scep_issuer_t **issuer, X509 *ca,
                                EVP_PKEY *key, const scep_issuer_rule_t *rule,
                                apr_time_t now, apr_pool_t *p)
{
    scep_issuer_t *made = apr_pcalloc(p, sizeof(*made));
    const char *error;

    ERR_clear_error();
    apr_pool_cleanup_register(p, made, issuer_free, apr_pool_cleanup_null);
    if (!X509_up_ref(ca))
        return scep_issuer_error("cannot keep the CA's certificate", p);
    made->ca = ca;
    made->digest = rule->digest;
    made->backdate = apr_time_sec(rule->backdate);
    if ((error = check_ca(made, now)) != NULL)
        goto leave;
    if ((made->sha1 = EVP_MD_fetch(NULL, "SHA1", NULL)) == NULL ||
        (made->extensions = sk_X509_EXTENSION_new_null()) == NULL ||
        !add_basic_constraints(made) || !add_authority_key_id(made) ||
        !add_crl_urls(made, rule->crl_urls) || !add_access_urls(made, rule)) {
        error = scep_issuer_error("cannot prepare the CA's extensions", p);
        goto leave;
    }
    if (key != NULL) {
        if (!EVP_PKEY_up_ref(key)) {
            error = scep_issuer_error("cannot keep the CA's key", p);
            goto leave;
        }
        made->key = key;
        if ((error = check_key(made)) != NULL)
            goto leave;
        if (!prepare_signer(made)) {
            error =
                scep_issuer_error("ScepOpenSSLKey: cannot sign with it", p);
            goto leave;
        }
    }
    *issuer = made;
leave:
    ERR_clear_error();
    return error;
}

/* NULL where it cannot sign. */
static EVP_MD_CTX *ready_to_sign(const scep_issuer_t *issuer)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int ok = ctx != NULL;

    if (ok && issuer->signer != NULL)
        ok = EVP_MD_CTX_copy_ex(ctx, issuer->signer);
    else if (ok)
        ok = start_signing(issuer, ctx);
    if (!ok) {
        EVP_MD_CTX_free(ctx);
        ctx = NULL;
    }
    return ctx;
}

int scep_issuer_sign(const scep_issuer_t *issuer, X509 *x)
{
    EVP_MD_CTX *ctx = ready_to_sign(issuer);
    int ok = ctx != NULL && X509_sign_ctx(x, ctx) > 0;

    EVP_MD_CTX_free(ctx);
    return ok;
}

int scep_issuer_sign_crl(const scep_issuer_t *issuer, X509_CRL *crl)
{
    EVP_MD_CTX *ctx = ready_to_sign(issuer);
    int ok = ctx != NULL && X509_CRL_sign_ctx(crl, ctx) > 0;

    EVP_MD_CTX_free(ctx);
    return ok;
}
