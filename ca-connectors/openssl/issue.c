/* issue.c - makes a certificate out of an approved request
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include <apr_strings.h>
#include <openssl/err.h>

#include "issue.h"

/* Key usages that an RSA key alone has. */
#define KU_ENCRYPTS (KU_KEY_ENCIPHERMENT | KU_DATA_ENCIPHERMENT)
/* Bits of keyUsage, RFC 5280 section 4.2.1.3. */
#define KU_BITS 9

static int reject(scep_ca_result_t *result, int device_fault,
                  const char *reason)
{
    result->outcome = SCEP_CA_REJECTED;
    result->fail_info = SCEP_FAIL_BAD_REQUEST;
    result->device_fault = device_fault;
    result->reason = reason;
    return 0;
}

static int unavailable(scep_ca_result_t *result, const char *reason)
{
    result->outcome = SCEP_CA_UNAVAILABLE;
    result->reason = reason;
    return 0;
}

static void note(scep_ca_result_t *result, const char *text, apr_pool_t *p)
{
    result->reason = result->reason != NULL
                         ? apr_pstrcat(p, result->reason, "; ", text, NULL)
                         : text;
}

static int set_serial(X509 *x,
                      const unsigned char random[SCEP_ISSUE_SERIAL_LEN],
                      scep_ca_result_t *result)
{
    unsigned char serial[SCEP_ISSUE_SERIAL_LEN];
    int skip = 0;

    memcpy(serial, random, sizeof(serial));
    serial[0] &= 0x7f;
    /* DER: no octet of zero in front, save one that keeps it positive,
     * which the encoder adds itself */
    while (skip < SCEP_ISSUE_SERIAL_LEN && serial[skip] == 0)
        skip++;
    if (skip == SCEP_ISSUE_SERIAL_LEN)
        return unavailable(result, "the random serial number is zero");
    return ASN1_STRING_set(X509_get_serialNumber(x), serial + skip,
                           SCEP_ISSUE_SERIAL_LEN - skip);
}

static int set_validity(X509 *x, const scep_issuer_t *issuer,
                        const scep_ca_request_t *request,
                        scep_ca_result_t *result, apr_pool_t *p)
{
    apr_int64_t now = apr_time_sec(request->now);
    apr_int64_t wanted =
        apr_time_sec(request->validity != 0 ? request->validity
                                            : SCEP_ISSUE_VALIDITY_DEFAULT);
    apr_int64_t from = now - issuer->backdate, until;

    if (now < issuer->not_before)
        return unavailable(result, "the CA's certificate is not yet valid");
    if (now >= issuer->not_after)
        return unavailable(result, "the CA's certificate has expired");
    if (wanted <= 0)
        return reject(result, 0, "the wanted lifetime is not positive");
    if (from < issuer->not_before)
        from = issuer->not_before;
    until = now + wanted;
    if (wanted > issuer->not_after - now) {
        until = issuer->not_after;
        note(result, "the lifetime is cut to the CA's own", p);
    }
    return ASN1_TIME_set(X509_getm_notBefore(x), (time_t)from) != NULL &&
           ASN1_TIME_set(X509_getm_notAfter(x), (time_t)until) != NULL;
}

/*
 * Takes the key over as octets.  X509_set_pubkey would encode it and decode
 * what it encoded, for more than 100 us, and so would d2i_X509_PUBKEY.
 */
static int set_key(X509 *x, const scep_ca_request_t *request,
                   scep_ca_result_t *result)
{
    const unsigned char *der = request->spki;
    X509_PUBKEY *pub = X509_get_X509_PUBKEY(x);
    X509_ALGOR *algor = NULL, *own;
    ASN1_BIT_STRING *bits = NULL;
    unsigned char *again = NULL;
    long len;
    int tag, class, again_len, ok = 0;

    if (ASN1_get_object(&der, &len, &tag, &class, (long)request->spki_len) !=
            V_ASN1_CONSTRUCTED ||
        tag != V_ASN1_SEQUENCE || class != V_ASN1_UNIVERSAL)
        goto malformed;
    if ((algor = d2i_X509_ALGOR(NULL, &der, len)) == NULL)
        goto malformed;
    len = (long)(request->spki + request->spki_len - der);
    if ((bits = d2i_ASN1_BIT_STRING(NULL, &der, len)) == NULL)
        goto malformed;
    if (!X509_PUBKEY_get0_param(NULL, NULL, NULL, &own, pub) ||
        !X509_ALGOR_copy(own, algor) ||
        !ASN1_STRING_copy(X509_get0_pubkey_bitstr(x), bits) ||
        (again_len = i2d_X509_PUBKEY(pub, &again)) < 0)
        goto leave;
    /* A certificate is DER; a key that would change with it is no use. */
    if ((apr_size_t)again_len != request->spki_len ||
        memcmp(again, request->spki, request->spki_len) != 0)
        goto malformed;
    ok = 1;
    goto leave;
malformed:
    reject(result, 1, "the public key is not DER");
leave:
    OPENSSL_free(again);
    ASN1_BIT_STRING_free(bits);
    X509_ALGOR_free(algor);
    return ok;
}

static int add_key_usage(X509 *x, const scep_ca_request_t *request,
                         scep_ca_result_t *result)
{
    unsigned int usage = request->key_usage;
    ASN1_OBJECT *type;
    ASN1_BIT_STRING *bits;
    int i, ok;

    if (usage & KU_KEY_CERT_SIGN)
        return reject(result, 0, "keyCertSign is not for end entities");
    if (usage == 0)
        usage = KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT;
    if (!X509_PUBKEY_get0_param(&type, NULL, NULL, NULL,
                                X509_get_X509_PUBKEY(x)))
        return 0;
    if (OBJ_obj2nid(type) != NID_rsaEncryption) {
        usage &= ~(unsigned int)KU_ENCRYPTS;
        if (usage == 0)
            usage = KU_DIGITAL_SIGNATURE;
    }
    bits = ASN1_BIT_STRING_new();
    ok = bits != NULL;
    /* KU_*: the octets of the BIT STRING, the first one lowest */
    for (i = 0; ok && i < KU_BITS; i++)
        if (usage & (i < 8 ? 0x80u >> i : 0x8000u))
            ok = ASN1_BIT_STRING_set_bit(bits, i, 1);
    ok = ok &&
         X509_add1_ext_i2d(x, NID_key_usage, bits, 1, X509V3_ADD_APPEND) == 1;
    ASN1_BIT_STRING_free(bits);
    return ok;
}

static int add_ext_key_usage(X509 *x, const apr_array_header_t *usages)
{
    EXTENDED_KEY_USAGE *eku;
    int i, ok;

    if (usages == NULL || usages->nelts == 0)
        return 1;
    eku = sk_ASN1_OBJECT_new_null();
    ok = eku != NULL;
    for (i = 0; ok && i < usages->nelts; i++)
        ok = sk_ASN1_OBJECT_push(eku,
                                 APR_ARRAY_IDX(usages, i, ASN1_OBJECT *)) > 0;
    ok = ok && X509_add1_ext_i2d(x, NID_ext_key_usage, eku, 0,
                                 X509V3_ADD_APPEND) == 1;
    sk_ASN1_OBJECT_free(eku);
    return ok;
}

static int add_subject_key_id(X509 *x, const scep_issuer_t *issuer)
{
    ASN1_OCTET_STRING *id = ASN1_OCTET_STRING_new();
    int ok = id != NULL &&
             scep_issuer_key_id(issuer, X509_get0_pubkey_bitstr(x), id) &&
             X509_add1_ext_i2d(x, NID_subject_key_identifier, id, 0,
                               X509V3_ADD_APPEND) == 1;

    ASN1_OCTET_STRING_free(id);
    return ok;
}

static const char *type_text(const ASN1_OBJECT *type, apr_pool_t *p)
{
    char text[80];

    if (OBJ_obj2txt(text, sizeof(text), type, 0) <= 0)
        return "an unknown one";
    return apr_pstrdup(p, text);
}

static int copy_extensions(X509 *x, const scep_ca_request_t *request,
                           scep_ca_result_t *result, apr_pool_t *p)
{
    int own = X509_get_ext_count(x), i, found, san = 0;
    int empty = X509_NAME_entry_count(request->subject) == 0;

    for (i = 0; i < sk_X509_EXTENSION_num(request->extensions); i++) {
        X509_EXTENSION *ext = sk_X509_EXTENSION_value(request->extensions, i);
        const ASN1_OBJECT *type = X509_EXTENSION_get_object(ext);

        found = X509_get_ext_by_OBJ(x, type, -1);
        if (found >= own)
            return reject(result, 1,
                          apr_pstrcat(p, "two extensions of one type: ",
                                      type_text(type, p), NULL));
        if (found >= 0) {
            note(result,
                 apr_pstrcat(p, "the CA's own extension stands for: ",
                             type_text(type, p), NULL),
                 p);
            continue;
        }
        if (!X509_add_ext(x, ext, -1))
            return 0;
        if (OBJ_obj2nid(type) == NID_subject_alt_name) {
            san = 1;
            if (empty && !X509_EXTENSION_set_critical(
                             X509_get_ext(x, X509_get_ext_count(x) - 1), 1))
                return 0;
        }
    }
    if (empty && !san)
        return reject(result, 1, "neither a subject nor a subjectAltName");
    return 1;
}

static int add_extensions(X509 *x, const scep_issuer_t *issuer,
                          const scep_ca_request_t *request,
                          scep_ca_result_t *result, apr_pool_t *p)
{
    int i;

    for (i = 0; i < sk_X509_EXTENSION_num(issuer->extensions); i++)
        if (!X509_add_ext(x, sk_X509_EXTENSION_value(issuer->extensions, i),
                          -1))
            return 0;
    return add_key_usage(x, request, result) &&
           add_ext_key_usage(x, request->ext_key_usage) &&
           add_subject_key_id(x, issuer) &&
           copy_extensions(x, request, result, p);
}

static apr_status_t certificate_free(void *data)
{
    X509_free(data);
    return APR_SUCCESS;
}

void scep_issue_certificate(const scep_issuer_t *issuer,
                            const scep_ca_request_t *request,
                            const unsigned char serial[SCEP_ISSUE_SERIAL_LEN],
                            scep_ca_result_t *result, apr_pool_t *p)
{
    X509 *x;

    ERR_clear_error();
    if (issuer->key == NULL) {
        unavailable(result, "the CA's key is not loaded");
        return;
    }
    x = X509_new();
    if (x != NULL && X509_set_version(x, X509_VERSION_3) &&
        set_serial(x, serial, result) &&
        X509_set_issuer_name(x, X509_get_subject_name(issuer->ca)) &&
        X509_set_subject_name(x, request->subject) &&
        set_validity(x, issuer, request, result, p) &&
        set_key(x, request, result) &&
        add_extensions(x, issuer, request, result, p) &&
        scep_issuer_sign(issuer, x)) {
        result->outcome = SCEP_CA_ISSUED;
        result->certificate = x;
        apr_pool_cleanup_register(p, x, certificate_free,
                                  apr_pool_cleanup_null);
        return;
    }
    X509_free(x);
    if (result->outcome == SCEP_CA_UNKNOWN)
        unavailable(result, scep_issuer_error("the CA's key did not sign", p));
    ERR_clear_error();
}
