/* name_parse.c - names that an administrator wrote
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "name.h"
#include "oid.h"

/* ------------------------------------------------------------------ */
/* distinguished names                                                  */

/* What people write, any case; the rest are names that OpenSSL knows. */
static const struct {
    const char *name;
    int nid;
} aliases[] = {
    { "CN", NID_commonName },
    { "C", NID_countryName },
    { "L", NID_localityName },
    { "S", NID_stateOrProvinceName },
    { "ST", NID_stateOrProvinceName },
    { "O", NID_organizationName },
    { "OU", NID_organizationalUnitName },
    { "E", NID_pkcs9_emailAddress },
    { "EMAIL", NID_pkcs9_emailAddress },
    { "EMAILADDRESS", NID_pkcs9_emailAddress },
    { "SERIALNUMBER", NID_serialNumber },
    { "UID", NID_userId },
    { "DC", NID_domainComponent },
    { "STREET", NID_streetAddress },
};

/* One attribute of the text. */
typedef struct pair_t {
    const ASN1_OBJECT *type;
    const char *value;
    int with_previous; /* joined to the one before it by '+' */
} pair_t;

/* The text while it is read. */
typedef struct reader_t {
    const char *s;
    int slashes; /* "/C=CH/CN=a": most significant first */
    char *room;  /* for values: with its NUL, none is longer than "=value" */
    apr_array_header_t *pairs;
    apr_pool_t *p;
} reader_t;

static int is_separator(const reader_t *r, char c)
{
    return r->slashes ? c == '/' : c == ',' || c == ';';
}

static void skip_blanks(reader_t *r)
{
    while (*r->s == ' ')
        r->s++;
}

static apr_status_t free_object(void *object)
{
    ASN1_OBJECT_free(object);
    return APR_SUCCESS;
}

const ASN1_OBJECT *scep_name_attribute_type(const char *text, apr_pool_t *p)
{
    ASN1_OBJECT *type = NULL;
    apr_size_t i;

    if (strncasecmp(text, "OID.", 4) == 0)
        text += 4;
    for (i = 0; !type && i < sizeof(aliases) / sizeof(aliases[0]); i++)
        if (strcasecmp(text, aliases[i].name) == 0)
            type = OBJ_nid2obj(aliases[i].nid);
    if (!type && *text)
        type = scep_oid_parse(text, 0);
    if (type)
        apr_pool_cleanup_register(p, type, free_object, apr_pool_cleanup_null);
    return type;
}

static const char *read_type(reader_t *r, const ASN1_OBJECT **type)
{
    const char *start = r->s, *equals = strchr(start, '='), *end = equals;
    const char *name;

    if (!equals)
        return apr_psprintf(r->p, "there is no '=' in '%s'", start);
    while (end > start && end[-1] == ' ')
        end--;
    name = apr_pstrmemdup(r->p, start, (apr_size_t)(end - start));
    r->s = equals + 1;
    *type = scep_name_attribute_type(name, r->p);
    return *type ? NULL
                 : apr_psprintf(r->p, "'%s' is no attribute type", name);
}

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = c ? strchr(digits, apr_tolower(c)) : NULL;

    return at ? (int)(at - digits) : -1;
}

/* Reads what follows a backslash. */
static const char *read_escape(reader_t *r, char *c)
{
    if (hex_digit(r->s[0]) >= 0 && hex_digit(r->s[1]) >= 0) {
        *c = (char)(hex_digit(r->s[0]) << 4 | hex_digit(r->s[1]));
        r->s += 2;
        return *c ? NULL : "a value has a NUL in it";
    }
    if (!*r->s)
        return "it ends in a backslash";
    *c = *r->s++;
    return NULL;
}

static const char *read_value(reader_t *r, const char **value)
{
    char *o = r->room, *keep = o; /* blanks up to keep are wanted */
    const char *error;
    int quoted;

    skip_blanks(r);
    if (*r->s == '#')
        return "a value in '#' form is not supported; write it as text";
    quoted = *r->s == '"';
    r->s += quoted;
    while (*r->s &&
           (quoted ? *r->s != '"' : !is_separator(r, *r->s) && *r->s != '+')) {
        char c = *r->s++;

        if (c == '\\') {
            error = read_escape(r, o++);
            if (error)
                return error;
            keep = o;
            continue;
        }
        *o++ = c;
        if (quoted || c != ' ')
            keep = o;
    }
    *keep = '\0';
    *value = r->room;
    r->room = keep + 1;
    if (quoted && *r->s++ != '"')
        return "a quotation mark is not closed";
    skip_blanks(r);
    if (*r->s && *r->s != '+' && !is_separator(r, *r->s))
        return apr_psprintf(r->p, "a separator is missing before '%s'", r->s);
    return NULL;
}

static const char *read_pairs(reader_t *r)
{
    int joined = 0;

    for (;;) {
        pair_t *pair = apr_array_push(r->pairs);
        const char *error;

        pair->with_previous = joined;
        skip_blanks(r);
        error = read_type(r, &pair->type);
        if (!error)
            error = read_value(r, &pair->value);
        if (error)
            return error;
        if (!*r->s)
            return NULL;
        joined = *r->s++ == '+';
    }
}

static apr_status_t free_name(void *name)
{
    X509_NAME_free(name);
    return APR_SUCCESS;
}

/* Any type of string and any length: what matters is the text. */
static int add_pair(X509_NAME *name, const pair_t *pair, int loc, int set)
{
    X509_NAME_ENTRY *entry = NULL;
    int ok =
        X509_NAME_ENTRY_create_by_OBJ(&entry, pair->type, V_ASN1_UTF8STRING,
                                      (const unsigned char *)pair->value,
                                      -1) != NULL &&
        X509_NAME_add_entry(name, entry, loc, set);

    X509_NAME_ENTRY_free(entry);
    return ok;
}

const char *scep_name_parse(X509_NAME **name, const char *text, apr_pool_t *p)
{
    reader_t r = { text, 0, apr_palloc(p, strlen(text) + 1), NULL, p };
    X509_NAME *made;
    const char *error;
    int i;

    ERR_clear_error();
    r.pairs = apr_array_make(p, 8, sizeof(pair_t));
    skip_blanks(&r);
    r.slashes = *r.s == '/';
    r.s += r.slashes;
    if (*r.s && (error = read_pairs(&r)) != NULL)
        return error;
    made = X509_NAME_new();
    if (!made)
        return "out of memory";
    apr_pool_cleanup_register(p, made, free_name, apr_pool_cleanup_null);
    for (i = 0; i < r.pairs->nelts; i++) {
        const pair_t *pair = &APR_ARRAY_IDX(r.pairs, i, pair_t);
        int joined = pair->with_previous ? -1 : 0;
        int ok;

        if (r.slashes)
            ok = add_pair(made, pair, -1, joined);
        else if (joined)
            ok = add_pair(made, pair, 1, -1);
        else
            ok = add_pair(made, pair, 0, 0);
        if (!ok) {
            ERR_clear_error();
            return apr_psprintf(p, "'%s' is no UTF-8 text", pair->value);
        }
    }
    if (i2d_X509_NAME(made, NULL) < 0 || !scep_name_canonical(made, p)) {
        ERR_clear_error();
        return "a value is no UTF-8 text";
    }
    *name = made;
    return NULL;
}

/* ------------------------------------------------------------------ */
/* subjectAltName                                                       */

static ASN1_STRING *make_string(int type, const char *text)
{
    ASN1_STRING *string = ASN1_STRING_type_new(type);

    if (string && !ASN1_STRING_set(string, text, -1)) {
        ASN1_STRING_free(string);
        string = NULL;
    }
    return string;
}

static OTHERNAME *make_upn(const char *text)
{
    OTHERNAME *upn = OTHERNAME_new();
    ASN1_STRING *string = make_string(V_ASN1_UTF8STRING, text);

    if (!upn || !string) {
        OTHERNAME_free(upn);
        ASN1_STRING_free(string);
        return NULL;
    }
    upn->type_id = OBJ_nid2obj(NID_ms_upn);
    ASN1_TYPE_set(upn->value, V_ASN1_UTF8STRING, string);
    return upn;
}

static const char *make_dirname(X509_NAME **name, const char *text,
                                apr_pool_t *p)
{
    X509_NAME *parsed;
    const char *error = scep_name_parse(&parsed, text, p);

    *name = error ? NULL : X509_NAME_dup(parsed);
    return error;
}

/* Makes the GeneralName for one word; NULL with *error set or, where only
 * the value is bad, not set. */
static GENERAL_NAME *make_san(unsigned int type, const char *value,
                              const char **error, apr_pool_t *p)
{
    GENERAL_NAME *gn = GENERAL_NAME_new();
    X509_NAME *dirname = NULL;
    void *made = NULL;
    int form = GEN_URI;

    if (type == SCEP_SAN_DNS) {
        form = GEN_DNS;
        made = make_string(V_ASN1_IA5STRING, value);
    } else if (type == SCEP_SAN_EMAIL) {
        form = GEN_EMAIL;
        made = make_string(V_ASN1_IA5STRING, value);
    } else if (type == SCEP_SAN_IP) {
        form = GEN_IPADD;
        made = a2i_IPADDRESS(value);
    } else if (type == SCEP_SAN_URI) {
        made = make_string(V_ASN1_IA5STRING, value);
    } else if (type == SCEP_SAN_SID) {
        if (strncasecmp(value, SCEP_SID_PREFIX, strlen(SCEP_SID_PREFIX)))
            value = apr_pstrcat(p, SCEP_SID_PREFIX, value, NULL);
        made = make_string(V_ASN1_IA5STRING, value);
    } else if (type == SCEP_SAN_UPN) {
        form = GEN_OTHERNAME;
        made = make_upn(value);
    } else if (type == SCEP_SAN_RID) {
        form = GEN_RID;
        made = scep_oid_parse(value, 1);
    } else if (type == SCEP_SAN_DIRNAME) {
        form = GEN_DIRNAME;
        *error = make_dirname(&dirname, value, p);
        made = dirname;
    }
    if (!gn || !made) {
        GENERAL_NAME_free(gn);
        return NULL;
    }
    GENERAL_NAME_set0_value(gn, form, made);
    return gn;
}

static const char *add_san(GENERAL_NAMES *sans, const char *word,
                           apr_pool_t *p)
{
    const char *colon = strchr(word, ':'), *error = NULL;
    unsigned int type =
        colon ? scep_name_san_type(
                    apr_pstrmemdup(p, word, (apr_size_t)(colon - word)))
              : 0;
    GENERAL_NAME *gn;

    if (type == 0 || type == SCEP_SAN_OTHER)
        return apr_psprintf(p,
                            "'%s' does not begin with dns:, ip:, email:, "
                            "uri:, upn:, sid:, rid: or dirname:",
                            word);
    gn = make_san(type, colon + 1, &error, p);
    if (gn &&
        !(scep_name_san_canonical(gn, p) && sk_GENERAL_NAME_push(sans, gn))) {
        GENERAL_NAME_free(gn);
        gn = NULL;
    }
    ERR_clear_error();
    if (error)
        return apr_psprintf(p, "'%s': %s", word, error);
    return gn ? NULL : apr_psprintf(p, "'%s' has a malformed value", word);
}

const char *scep_name_sans_parse(const apr_array_header_t *words,
                                 const char **error, apr_pool_t *p)
{
    GENERAL_NAMES *sans = GENERAL_NAMES_new();
    const char *canonical = NULL;
    int i;

    *error = sans ? NULL : "out of memory";
    for (i = 0; !*error && i < words->nelts; i++)
        *error = add_san(sans, APR_ARRAY_IDX(words, i, const char *), p);
    if (!*error)
        canonical = scep_name_sans_canonical(sans, p);
    GENERAL_NAMES_free(sans);
    return canonical;
}
