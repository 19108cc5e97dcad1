/* name.c - names as text: for people, and in one canonical form to bind to
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "name.h"

static const struct {
    const char *word;
    unsigned int bit;
} san_types[] = {
    { "dns", SCEP_SAN_DNS },     { "ip", SCEP_SAN_IP },
    { "email", SCEP_SAN_EMAIL }, { "uri", SCEP_SAN_URI },
    { "upn", SCEP_SAN_UPN },     { "sid", SCEP_SAN_SID },
    { "rid", SCEP_SAN_RID },     { "dirname", SCEP_SAN_DIRNAME },
    { "other", SCEP_SAN_OTHER },
};

#define SAN_TYPES (sizeof(san_types) / sizeof(san_types[0]))

unsigned int scep_name_san_type(const char *word)
{
    apr_size_t i;

    for (i = 0; i < SAN_TYPES; i++)
        if (strcasecmp(word, san_types[i].word) == 0)
            return san_types[i].bit;
    return 0;
}

const char *scep_name_san_word(unsigned int bit)
{
    apr_size_t i;

    for (i = 0; i < SAN_TYPES; i++)
        if (san_types[i].bit == bit)
            return san_types[i].word;
    return "other";
}

/* ------------------------------------------------------------------ */
/* values as text                                                       */

const char *scep_name_utf8(const ASN1_STRING *string, apr_pool_t *p)
{
    unsigned char *utf8 = NULL;
    const char *text = NULL;
    int len;

    switch (string ? ASN1_STRING_type(string) : 0) {
    case V_ASN1_UTF8STRING:
    case V_ASN1_PRINTABLESTRING:
    case V_ASN1_NUMERICSTRING:
    case V_ASN1_IA5STRING:
    case V_ASN1_VISIBLESTRING:
    case V_ASN1_T61STRING:
    case V_ASN1_BMPSTRING:
    case V_ASN1_UNIVERSALSTRING:
        break;
    default:
        return NULL;
    }
    len = ASN1_STRING_to_UTF8(&utf8, string);
    if (len >= 0 && !memchr(utf8, '\0', (size_t)len))
        text = apr_pstrmemdup(p, (const char *)utf8, (apr_size_t)len);
    if (len >= 0)
        OPENSSL_clear_free(utf8, (size_t)len);
    ERR_clear_error();
    return text;
}

ASN1_STRING *scep_name_string_of(const ASN1_TYPE *value)
{
    switch (value ? ASN1_TYPE_get(value) : 0) {
    case 0:
    case V_ASN1_BOOLEAN:
    case V_ASN1_NULL:
    case V_ASN1_OBJECT:
        return NULL;
    default:
        return value->value.asn1_string;
    }
}

static const char *dotted(const ASN1_OBJECT *oid, apr_pool_t *p)
{
    char text[256]; /* no OID in use comes near */
    int len = OBJ_obj2txt(text, sizeof(text), oid, 1);

    ERR_clear_error();
    if (len <= 0 || len >= (int)sizeof(text))
        return NULL;
    return apr_pstrdup(p, text);
}

static const char *hex(const unsigned char *data, apr_size_t len,
                       apr_pool_t *p)
{
    static const char digits[] = "0123456789abcdef";
    char *text = apr_palloc(p, 2 * len + 1);
    apr_size_t i;

    for (i = 0; i < len; i++) {
        text[2 * i] = digits[data[i] >> 4];
        text[2 * i + 1] = digits[data[i] & 15];
    }
    text[2 * len] = '\0';
    return text;
}

const char *scep_name_oid_text(const ASN1_OBJECT *oid, apr_pool_t *p)
{
    int nid = OBJ_obj2nid(oid);
    const char *text = nid != NID_undef ? OBJ_nid2sn(nid) : dotted(oid, p);

    ERR_clear_error();
    return text ? text
                : apr_pstrcat(p, "#",
                              hex(OBJ_get0_data(oid), OBJ_length(oid), p),
                              NULL);
}

/* Escapes as RFC 4514 section 2.4 does, control characters too (C1 as
 * well, for terminals that obey them).  A '#' or space in front would be
 * read as something else, and so would a space at the end. */
static const char *escape(const char *text, const char *special, apr_pool_t *p)
{
    const unsigned char *s = (const unsigned char *)text;
    char *out = apr_palloc(p, 3 * strlen(text) + 1);
    char *o = out;

    for (; *s; s++) {
        int edge =
            o == out ? *s == ' ' || *s == '#' : *s == ' ' && s[1] == '\0';
        int c1 = (s[0] == 0xc2 && s[1] >= 0x80 && s[1] < 0xa0) ||
                 (o != out && s[0] >= 0x80 && s[0] < 0xa0 && s[-1] == 0xc2);

        if (*s < 0x20 || *s == 0x7f || c1) {
            *o++ = '\\';
            *o++ = "0123456789ABCDEF"[*s >> 4];
            *o++ = "0123456789ABCDEF"[*s & 15];
            continue;
        }
        if (edge || strchr(special, *s))
            *o++ = '\\';
        *o++ = (char)*s;
    }
    *o = '\0';
    return out;
}

/* ------------------------------------------------------------------ */
/* distinguished names                                                  */

static void push(apr_array_header_t *strings, const char *string)
{
    *(const char **)apr_array_push(strings) = string;
}

/* The value is '#' and its octets where it is no text. */
const char *scep_name_attribute_text(const X509_NAME_ENTRY *attribute,
                                     apr_pool_t *p)
{
    const ASN1_STRING *value = X509_NAME_ENTRY_get_data(attribute);
    const char *type =
        scep_name_oid_text(X509_NAME_ENTRY_get_object(attribute), p);
    const char *text = scep_name_utf8(value, p);

    if (text)
        return apr_pstrcat(p, type, "=", escape(text, "\"+,;<>\\", p), NULL);
    return apr_pstrcat(p, type, "=#",
                       hex(ASN1_STRING_get0_data(value),
                           (apr_size_t)ASN1_STRING_length(value), p),
                       NULL);
}

const char *scep_name_text(const X509_NAME *name, apr_pool_t *p)
{
    int i, start, end, n = X509_NAME_entry_count(name);
    apr_array_header_t *parts =
        apr_array_make(p, 2 * n + 1, sizeof(const char *));

    for (end = n; end > 0; end = start) {
        int set = X509_NAME_ENTRY_set(X509_NAME_get_entry(name, end - 1));

        for (start = end - 1; start > 0; start--)
            if (X509_NAME_ENTRY_set(X509_NAME_get_entry(name, start - 1)) !=
                set)
                break;
        for (i = start; i < end; i++) {
            const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, i);

            if (parts->nelts > 0)
                push(parts, i > start ? "+" : ",");
            push(parts, scep_name_attribute_text(entry, p));
        }
    }
    return apr_array_pstrcat(p, parts, '\0');
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void sort(apr_array_header_t *strings)
{
    if (strings->nelts > 1)
        qsort(strings->elts, (size_t)strings->nelts, (size_t)strings->elt_size,
              compare);
}

static const char *canonical_pair(const char *type, const char *value,
                                  apr_pool_t *p)
{
    return apr_psprintf(p, "%s=%" APR_SIZE_T_FMT ":%s", type, strlen(value),
                        value);
}

const char *scep_name_canonical(const X509_NAME *name, apr_pool_t *p)
{
    int i, set, n = X509_NAME_entry_count(name);
    apr_array_header_t *rdns = apr_array_make(p, n + 1, sizeof(const char *));
    apr_array_header_t *back = apr_array_make(p, n + 1, sizeof(const char *));
    const char *forward, *backward;

    for (i = 0; i < n;) {
        apr_array_header_t *rdn = apr_array_make(p, 1, sizeof(const char *));

        set = X509_NAME_ENTRY_set(X509_NAME_get_entry(name, i));
        for (; i < n; i++) {
            const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, i);
            const char *oid, *value;

            if (X509_NAME_ENTRY_set(entry) != set)
                break;
            oid = dotted(X509_NAME_ENTRY_get_object(entry), p);
            value = scep_name_utf8(X509_NAME_ENTRY_get_data(entry), p);
            if (!oid || !value)
                return NULL;
            push(rdn, canonical_pair(oid, value, p));
        }
        sort(rdn);
        push(rdns, apr_array_pstrcat(p, rdn, '+'));
    }
    for (i = rdns->nelts - 1; i >= 0; i--)
        push(back, APR_ARRAY_IDX(rdns, i, const char *));
    forward = apr_array_pstrcat(p, rdns, ',');
    backward = apr_array_pstrcat(p, back, ',');
    return strcmp(forward, backward) <= 0 ? forward : backward;
}

/* ------------------------------------------------------------------ */
/* subjectAltName                                                       */

unsigned int scep_name_san_type_of(const GENERAL_NAME *gn)
{
    const ASN1_STRING *uri;

    switch (gn->type) {
    case GEN_DNS:
        return SCEP_SAN_DNS;
    case GEN_IPADD:
        return SCEP_SAN_IP;
    case GEN_EMAIL:
        return SCEP_SAN_EMAIL;
    case GEN_RID:
        return SCEP_SAN_RID;
    case GEN_DIRNAME:
        return SCEP_SAN_DIRNAME;
    case GEN_URI:
        uri = gn->d.uniformResourceIdentifier;
        if (ASN1_STRING_length(uri) < (int)strlen(SCEP_SID_PREFIX) ||
            strncasecmp((const char *)ASN1_STRING_get0_data(uri),
                        SCEP_SID_PREFIX, strlen(SCEP_SID_PREFIX)) != 0)
            return SCEP_SAN_URI;
        return SCEP_SAN_SID;
    case GEN_OTHERNAME:
        if (OBJ_obj2nid(gn->d.otherName->type_id) == NID_ms_upn)
            return SCEP_SAN_UPN;
        return SCEP_SAN_OTHER;
    default:
        return SCEP_SAN_OTHER;
    }
}

/* An IA5String that is some visible ASCII and nothing else. */
static char *visible(const ASN1_STRING *string, apr_pool_t *p)
{
    const unsigned char *data = ASN1_STRING_get0_data(string);
    int i, len = ASN1_STRING_length(string);

    for (i = 0; i < len; i++)
        if (data[i] <= 0x20 || data[i] >= 0x7f)
            return NULL;
    return len > 0 ? apr_pstrmemdup(p, (const char *)data, (apr_size_t)len)
                   : NULL;
}

static char *lower(char *text)
{
    char *s;

    for (s = text; s && *s; s++)
        *s = apr_tolower(*s);
    return text;
}

static const char *email_canonical(const ASN1_STRING *string, apr_pool_t *p)
{
    char *text = visible(string, p);
    char *at = text ? strrchr(text, '@') : NULL;

    if (!at || at == text || at[1] == '\0')
        return NULL;
    lower(at + 1);
    return text;
}

/* RFC 5952: the longest run of zero groups, the first of equals, is left
 * out. */
static const char *ipv6_text(const unsigned char *octets, apr_pool_t *p)
{
    unsigned int group[8];
    int i, run, best = -1, best_len = 1;
    const char *text = "";

    for (i = 0; i < 8; i++)
        group[i] = (unsigned int)octets[2 * i] << 8 | octets[2 * i + 1];
    for (i = 0; i < 8; i += run + 1) {
        for (run = 0; i + run < 8 && group[i + run] == 0; run++)
            continue;
        if (run > best_len) {
            best = i;
            best_len = run;
        }
    }
    for (i = 0; i < 8; i++) {
        if (i == best) {
            text = apr_pstrcat(p, text, "::", NULL);
            i += best_len - 1;
        } else {
            text = apr_psprintf(p, "%s%s%x", text,
                                i == 0 || i == best + best_len ? "" : ":",
                                group[i]);
        }
    }
    return text;
}

static const char *ip_text(const ASN1_OCTET_STRING *ip, apr_pool_t *p)
{
    const unsigned char *d = ASN1_STRING_get0_data(ip);

    switch (ASN1_STRING_length(ip)) {
    case 4:
        return apr_psprintf(p, "%u.%u.%u.%u", d[0], d[1], d[2], d[3]);
    case 16:
        return ipv6_text(d, p);
    default:
        return NULL;
    }
}

static const char *san_hex(const GENERAL_NAME *gn, apr_pool_t *p)
{
    unsigned char *der = NULL;
    int len = i2d_GENERAL_NAME(gn, &der);
    const char *text;

    ERR_clear_error();
    if (len <= 0)
        return NULL;
    text = hex(der, (apr_size_t)len, p);
    OPENSSL_free(der);
    return text;
}

/* The value in its canonical form, NULL where it is malformed. */
static const char *san_value(const GENERAL_NAME *gn, unsigned int type,
                             apr_pool_t *p)
{
    const char *text;

    switch (type) {
    case SCEP_SAN_DNS:
        return lower(visible(gn->d.dNSName, p));
    case SCEP_SAN_IP:
        return ip_text(gn->d.iPAddress, p);
    case SCEP_SAN_EMAIL:
        return email_canonical(gn->d.rfc822Name, p);
    case SCEP_SAN_URI:
    case SCEP_SAN_SID:
        return visible(gn->d.uniformResourceIdentifier, p);
    case SCEP_SAN_UPN:
        text = scep_name_utf8(scep_name_string_of(gn->d.otherName->value), p);
        return text && *text ? text : NULL;
    case SCEP_SAN_RID:
        return dotted(gn->d.registeredID, p);
    case SCEP_SAN_DIRNAME:
        return scep_name_canonical(gn->d.directoryName, p);
    default:
        return san_hex(gn, p);
    }
}

const char *scep_name_san_value(const GENERAL_NAME *gn, apr_pool_t *p)
{
    return san_value(gn, scep_name_san_type_of(gn), p);
}

const char *scep_name_san_text(const GENERAL_NAME *gn, apr_pool_t *p)
{
    unsigned int type = scep_name_san_type_of(gn);
    const char *text = NULL;

    if (type == SCEP_SAN_DIRNAME)
        text = scep_name_text(gn->d.directoryName, p);
    else if (type != SCEP_SAN_OTHER)
        text = san_value(gn, type, p);
    if (text)
        text = escape(text, ",\\", p);
    else
        text = apr_pstrcat(p, "#", san_hex(gn, p), NULL);
    return apr_pstrcat(p, scep_name_san_word(type), ":", text, NULL);
}

const char *scep_name_sans_text(const GENERAL_NAMES *sans, apr_pool_t *p)
{
    int i, n = sk_GENERAL_NAME_num(sans);
    apr_array_header_t *parts =
        apr_array_make(p, 2 * (n > 0 ? n : 0) + 1, sizeof(const char *));

    for (i = 0; i < n; i++) {
        if (i > 0)
            push(parts, ", ");
        push(parts, scep_name_san_text(sk_GENERAL_NAME_value(sans, i), p));
    }
    return apr_array_pstrcat(p, parts, '\0');
}

const char *scep_name_san_canonical(const GENERAL_NAME *gn, apr_pool_t *p)
{
    unsigned int type = scep_name_san_type_of(gn);
    const char *value = san_value(gn, type, p);

    return value ? canonical_pair(scep_name_san_word(type), value, p) : NULL;
}

const char *scep_name_sans_canonical(const GENERAL_NAMES *sans, apr_pool_t *p)
{
    int i, kept = 0, n = sk_GENERAL_NAME_num(sans);
    apr_array_header_t *parts =
        apr_array_make(p, n > 0 ? n : 1, sizeof(const char *));
    const char **part;

    for (i = 0; i < n; i++) {
        const char *text =
            scep_name_san_canonical(sk_GENERAL_NAME_value(sans, i), p);

        if (!text)
            return NULL;
        push(parts, text);
    }
    sort(parts);
    part = (const char **)parts->elts;
    for (i = 0; i < parts->nelts; i++)
        if (kept == 0 || strcmp(part[i], part[kept - 1]) != 0)
            part[kept++] = part[i];
    parts->nelts = kept;
    return apr_array_pstrcat(p, parts, ',');
}
