/* ejbca_username.c - the name of the end entity that a request belongs to
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ejbca_username.h"

#include <apr_escape.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include <openssl/err.h>

#include <string.h>

/* 192 bits: nobody finds two devices with one name. */
#define DIGEST_OCTETS 24

static const char *const variables[] = { "CN", "DNS", "serialNumber",
                                         "SHA256" };
enum { VAR_CN, VAR_DNS, VAR_SERIAL, VAR_SHA256, VARIABLES };

/* Which variable stands at "%{"; *len is set to its length with braces. */
static int variable_at(const char *text, size_t *len)
{
    for (int i = 0; i < VARIABLES; i++) {
        size_t name = strlen(variables[i]);

        if (!strncmp(text + 2, variables[i], name) && text[2 + name] == '}') {
            *len = name + 3;
            return i;
        }
    }
    return VARIABLES;
}

static int is_plain(const char *text)
{
    while (apr_isalnum(*text) || (*text && strchr("-._@", *text)))
        text++;
    return !*text;
}

const char *scep_ejbca_username_check(const char *template, apr_pool_t *p)
{
    const char *percent = strchr(template, '%');
    size_t len;

    if (!is_plain(percent ? apr_pstrmemdup(p, template, percent - template)
                          : template))
        return "a username has letters, digits and - . _ @";
    if (percent == template || !*template) {
        return "a username must begin with text of your own, such as scep-, "
               "so that no device can name an administrator";
    }
    for (; percent; percent = strchr(percent + len, '%'))
        if (percent[1] != '{' || variable_at(percent, &len) == VARIABLES)
            return "known are %{CN}, %{DNS}, %{serialNumber} and %{SHA256}";
    return NULL;
}

static const char *digest_of(const void *data, apr_size_t len, apr_pool_t *p)
{
    unsigned char digest[EVP_MAX_MD_SIZE];

    if (EVP_Digest(data, len, digest, NULL, EVP_sha256(), NULL) != 1) {
        ERR_clear_error();
        return NULL;
    }
    return apr_pescape_hex(p, digest, DIGEST_OCTETS, 0);
}

static const char *text_of(const ASN1_STRING *value, apr_pool_t *p)
{
    unsigned char *utf8 = NULL;
    int len = value ? ASN1_STRING_to_UTF8(&utf8, value) : -1;
    const char *text = NULL;

    if (len > 0 && !memchr(utf8, 0, (size_t)len))
        text = apr_pstrmemdup(p, (const char *)utf8, (apr_size_t)len);
    OPENSSL_free(utf8);
    ERR_clear_error();
    return text;
}

static const char *attribute(const X509_NAME *name, int nid, apr_pool_t *p)
{
    int at = X509_NAME_get_index_by_NID(name, nid, -1);

    return at < 0 ? NULL
                  : text_of(X509_NAME_ENTRY_get_data(
                                X509_NAME_get_entry(name, at)),
                            p);
}

static const char *first_dns(const GENERAL_NAMES *sans, apr_pool_t *p)
{
    for (int i = 0; i < sk_GENERAL_NAME_num(sans); i++) {
        const GENERAL_NAME *gn = sk_GENERAL_NAME_value(sans, i);

        if (gn->type == GEN_DNS)
            return text_of(gn->d.dNSName, p);
    }
    return NULL;
}

static const char *value_of(int variable, const scep_ca_request_t *request,
                            apr_pool_t *p)
{
    switch (variable) {
    case VAR_CN:
        return attribute(request->subject, NID_commonName, p);
    case VAR_SERIAL:
        return attribute(request->subject, NID_serialNumber, p);
    case VAR_DNS:
        return first_dns(request->sans, p);
    default:
        return digest_of(request->spki, request->spki_len, p);
    }
}

/* The template with its variables filled in; NULL: one has no value. */
static const char *fill_in(const char *template,
                           const scep_ca_request_t *request, apr_pool_t *p)
{
    const char *name = "", *percent;
    size_t len;

    while ((percent = strchr(template, '%'))) {
        const char *value = value_of(variable_at(percent, &len), request, p);

        if (!value)
            return NULL;
        name = apr_pstrcat(p, name,
                           apr_pstrmemdup(p, template, percent - template),
                           value, NULL);
        template = percent + len;
    }
    return apr_pstrcat(p, name, template, NULL);
}

const char *scep_ejbca_username(const char *template,
                                const scep_ca_request_t *request,
                                apr_pool_t *p)
{
    const char *name = fill_in(template, request, p);
    const char *prefix = apr_pstrmemdup(p, template, strcspn(template, "%"));
    const char *digest;

    if (name && strlen(name) <= EJBCA_USERNAME_MAX && is_plain(name))
        return name;
    digest = name ? digest_of(name, strlen(name), p)
                  : digest_of(request->spki, request->spki_len, p);
    return digest ? apr_pstrcat(p, prefix, digest, NULL) : NULL;
}
