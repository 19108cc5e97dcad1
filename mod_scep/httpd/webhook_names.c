/* webhook_names.c - requests and certificates as a webhook's JSON
 * SPDX-License-Identifier: Apache-2.0
 */
#include "webhook_names.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>
#include <openssl/err.h>

#include "core/name.h"

/* Attributes that have a member of their own, as step-ca calls them. */
static const struct {
    int nid;
    const char *member;
    int single; /* a string; else an array of strings */
} attributes[] = {
    { NID_countryName, "country", 0 },
    { NID_organizationName, "organization", 0 },
    { NID_organizationalUnitName, "organizationalUnit", 0 },
    { NID_localityName, "locality", 0 },
    { NID_stateOrProvinceName, "province", 0 },
    { NID_streetAddress, "streetAddress", 0 },
    { NID_postalCode, "postalCode", 0 },
    { NID_serialNumber, "serialNumber", 1 },
    { NID_commonName, "commonName", 1 },
};

json_t *scep_webhook_base64(const unsigned char *octets, apr_size_t len)
{
    char *text = malloc(4 * ((len + 2) / 3) + 1);
    json_t *json = NULL;

    if (text) {
        EVP_EncodeBlock((unsigned char *)text, octets, (int)len);
        json = json_string(text);
        OPENSSL_cleanse(text, strlen(text));
    }
    free(text);
    return json;
}

/* As scep_webhook_base64, of what an i2d function gave. */
static json_t *base64_of(unsigned char *der, int len)
{
    json_t *json = len > 0 ? scep_webhook_base64(der, (apr_size_t)len) : NULL;

    OPENSSL_free(der);
    return json;
}

static const char *dotted(const ASN1_OBJECT *oid, apr_pool_t *p)
{
    char text[256];
    int len = OBJ_obj2txt(text, sizeof(text), oid, 1);

    return len > 0 && len < (int)sizeof(text) ? apr_pstrdup(p, text) : "";
}

/* Appends to an array that is made when it is first needed. */
static int append(json_t *object, const char *member, json_t *value)
{
    json_t *array = json_object_get(object, member);

    if (!array && (json_object_set_new(object, member, json_array()) ||
                   !(array = json_object_get(object, member)))) {
        json_decref(value);
        return 0;
    }
    return !json_array_append_new(array, value);
}

static int add_attribute(json_t *subject, const X509_NAME_ENTRY *entry,
                         const char **fault, apr_pool_t *p)
{
    const ASN1_OBJECT *oid = X509_NAME_ENTRY_get_object(entry);
    const char *value = scep_name_utf8(X509_NAME_ENTRY_get_data(entry), p);
    int nid = OBJ_obj2nid(oid);

    if (!value) {
        *fault = "a value in the subject is no text";
        return 0;
    }
    for (size_t i = 0; i < sizeof(attributes) / sizeof(*attributes); i++) {
        const char *member = attributes[i].member;
        if (nid != attributes[i].nid)
            continue;
        if (!attributes[i].single)
            return append(subject, member, json_string(value));
        if (json_object_get(subject, member)) {
            *fault = apr_pstrcat(p, "the subject has two of ", member, NULL);
            return 0;
        }
        return !json_object_set_new(subject, member, json_string(value));
    }
    return append(subject, "extraNames",
                  json_pack("{s:s, s:s}", "type", dotted(oid, p), "value",
                            value));
}

static json_t *subject_json(const X509_NAME *name, const char **fault,
                            apr_pool_t *p)
{
    json_t *subject = json_object();
    int good = subject != NULL;

    for (int i = 0; good && i < X509_NAME_entry_count(name); i++)
        good = add_attribute(subject, X509_NAME_get_entry(name, i), fault, p);
    if (!good) {
        json_decref(subject);
        return NULL;
    }
    return subject;
}

/* The member for one type of SAN, NULL where step-ca has none, and its value
 * as it stands in the request. */
static const char *san_member(const GENERAL_NAME *gn, const char **value,
                              apr_pool_t *p)
{
    char address[INET6_ADDRSTRLEN] = "";

    switch (gn->type) {
    case GEN_DNS:
        *value = scep_name_utf8(gn->d.dNSName, p);
        return "dnsNames";
    case GEN_EMAIL:
        *value = scep_name_utf8(gn->d.rfc822Name, p);
        return "emailAddresses";
    case GEN_URI:
        *value = scep_name_utf8(gn->d.uniformResourceIdentifier, p);
        return "uris";
    case GEN_IPADD:
        *value = NULL;
        if (gn->d.iPAddress->length == 4 || gn->d.iPAddress->length == 16) {
            inet_ntop(gn->d.iPAddress->length == 4 ? AF_INET : AF_INET6,
                      gn->d.iPAddress->data, address, sizeof(address));
            *value = apr_pstrdup(p, address);
        }
        return "ipAddresses";
    default:
        return NULL;
    }
}

/* Each name stands in sans, and again where step-ca has it. */
static int add_sans(json_t *csr, const GENERAL_NAMES *sans, const char **fault,
                    apr_pool_t *p)
{
    static const char *const members[] = { "dnsNames", "emailAddresses",
                                           "ipAddresses", "uris", "sans" };
    int good = 1;

    for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++)
        good &= !json_object_set_new(csr, members[i], json_array());
    for (int i = 0; good && i < sk_GENERAL_NAME_num(sans); i++) {
        const GENERAL_NAME *gn = sk_GENERAL_NAME_value(sans, i);
        const char *text = scep_name_san_text(gn, p);
        const char *colon = text ? strchr(text, ':') : NULL;
        const char *value = colon ? colon + 1 : NULL;
        const char *member = san_member(gn, &value, p);

        if (!colon || !value) {
            *fault = "a subjectAltName is malformed";
            return 0;
        }
        good = (!member || append(csr, member, json_string(value))) &&
               append(csr, "sans",
                      json_pack("{s:s%, s:s}", "type", text,
                                (size_t)(colon - text), "value", value));
    }
    return good;
}

static int add_extensions(json_t *json, X509_REQ *csr, apr_pool_t *p)
{
    STACK_OF(X509_EXTENSION) *extensions = X509_REQ_get_extensions(csr);
    int good = !json_object_set_new(json, "extensions", json_array());

    for (int i = 0; good && i < sk_X509_EXTENSION_num(extensions); i++) {
        X509_EXTENSION *it = sk_X509_EXTENSION_value(extensions, i);
        const ASN1_OCTET_STRING *data = X509_EXTENSION_get_data(it);

        good =
            append(json, "extensions",
                   json_pack("{s:s, s:b, s:o}", "id",
                             dotted(X509_EXTENSION_get_object(it), p),
                             "critical", X509_EXTENSION_get_critical(it),
                             "value",
                             scep_webhook_base64(data->data,
                                                 (apr_size_t)data->length)));
    }
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    return good;
}

/* The SubjectPublicKeyInfo, and its algorithm as Go calls it. */
static int add_key(json_t *json, const X509_PUBKEY *key)
{
    unsigned char *der = NULL;
    int len = i2d_X509_PUBKEY(key, &der);
    ASN1_OBJECT *oid = NULL;
    const char *algorithm = "";

    X509_PUBKEY_get0_param(&oid, NULL, NULL, NULL, key);
    switch (OBJ_obj2nid(oid)) {
    case NID_rsaEncryption:
        algorithm = "RSA";
        break;
    case NID_X9_62_id_ecPublicKey:
        algorithm = "ECDSA";
        break;
    case NID_ED25519:
        algorithm = "Ed25519";
        break;
    default:
        break;
    }
    return !json_object_set_new(json, "publicKey", base64_of(der, len)) &&
           !json_object_set_new(json, "publicKeyAlgorithm",
                                json_string(algorithm));
}

json_t *scep_webhook_csr_json(const scep_verify_request_t *request,
                              const char **fault, apr_pool_t *p)
{
    const unsigned char *der = request->csr;
    X509_REQ *csr = d2i_X509_REQ(NULL, &der, (long)request->csr_len);
    json_t *json = json_object(), *subject;
    unsigned char *name = NULL;
    int len, good;

    *fault = csr ? NULL : "OpenSSL cannot read it";
    subject = csr ? subject_json(request->subject, fault, p) : NULL;
    good = subject && !json_object_set_new(json, "subject", subject);
    len = good ? i2d_X509_NAME(request->subject, &name) : 0;
    good = good &&
           !json_object_set_new(json, "rawSubject", base64_of(name, len)) &&
           !json_object_set_new(json, "version",
                                json_integer(X509_REQ_get_version(csr))) &&
           add_sans(json, request->sans, fault, p) &&
           add_extensions(json, csr, p) &&
           add_key(json, X509_REQ_get_X509_PUBKEY(csr));
    X509_REQ_free(csr);
    ERR_clear_error();
    if (!good) {
        json_decref(json);
        return NULL;
    }
    return json;
}

static const char *time_text(const ASN1_TIME *time, apr_pool_t *p)
{
    struct tm t;

    if (!ASN1_TIME_to_tm(time, &t))
        return "";
    return apr_psprintf(p, "%04d-%02d-%02dT%02d:%02d:%02dZ", t.tm_year + 1900,
                        t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min,
                        t.tm_sec);
}

static json_t *serial_json(const X509 *cert)
{
    BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
    char *text = number ? BN_bn2dec(number) : NULL;
    json_t *json = text ? json_string(text) : NULL;

    OPENSSL_free(text);
    BN_free(number);
    return json;
}

/* A name that the form cannot say is left out; raw has it. */
static int add_name(json_t *json, const char *member, const X509_NAME *name,
                    apr_pool_t *p)
{
    const char *fault = NULL;
    json_t *value = subject_json(name, &fault, p);

    return value ? !json_object_set_new(json, member, value) : fault != NULL;
}

json_t *scep_webhook_cert_json(X509 *cert, apr_pool_t *p)
{
    json_t *json = json_object();
    unsigned char *der = NULL;
    int len = i2d_X509(cert, &der);
    int good =
        !json_object_set_new(json, "raw", base64_of(der, len)) &&
        add_name(json, "subject", X509_get_subject_name(cert), p) &&
        add_name(json, "issuer", X509_get_issuer_name(cert), p) &&
        !json_object_set_new(json, "serialNumber", serial_json(cert)) &&
        !json_object_set_new(json, "notBefore",
                             json_string(
                                 time_text(X509_get0_notBefore(cert), p))) &&
        !json_object_set_new(json, "notAfter",
                             json_string(
                                 time_text(X509_get0_notAfter(cert), p))) &&
        add_key(json, X509_get_X509_PUBKEY(cert));

    ERR_clear_error();
    if (!good) {
        json_decref(json);
        return NULL;
    }
    return json;
}
