/* name_match.c - subjects that an administrator allows, as patterns
 * SPDX-License-Identifier: Apache-2.0
 */
#include "name_match.h"

#include <apr_strings.h>
#include <openssl/err.h>

#include <string.h>

#include "glob.h"

typedef struct attribute_t {
    const ASN1_OBJECT *type;
    const char *value; /**< of a pattern: as scep_glob_fits has it */
} attribute_t;

struct scep_name_pattern_t {
    apr_array_header_t *rdns; /**< of arrays of attribute_t */
};

/* The RDNs of a name, or NULL where a value is no text. */
static apr_array_header_t *take_apart(const X509_NAME *name, apr_pool_t *p)
{
    int n = X509_NAME_entry_count(name), set = -1;
    apr_array_header_t *rdns =
        apr_array_make(p, n + 1, sizeof(apr_array_header_t *));
    apr_array_header_t *rdn = NULL;

    for (int i = 0; i < n; i++) {
        const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, i);
        attribute_t attribute = {
            X509_NAME_ENTRY_get_object(entry),
            scep_name_utf8(X509_NAME_ENTRY_get_data(entry), p)
        };

        if (!attribute.value)
            return NULL;
        if (!rdn || X509_NAME_ENTRY_set(entry) != set) {
            rdn = apr_array_make(p, 1, sizeof(attribute_t));
            APR_ARRAY_PUSH(rdns, apr_array_header_t *) = rdn;
            set = X509_NAME_ENTRY_set(entry);
        }
        APR_ARRAY_PUSH(rdn, attribute_t) = attribute;
    }
    return rdns;
}

/* The one attribute of a type, NULL where there is none or a second one. */
static const attribute_t *find_type(const apr_array_header_t *rdn,
                                    const ASN1_OBJECT *type)
{
    const attribute_t *found = NULL;

    for (int i = 0; i < rdn->nelts; i++) {
        const attribute_t *attribute = &APR_ARRAY_IDX(rdn, i, attribute_t);

        if (OBJ_cmp(attribute->type, type) == 0) {
            if (found)
                return NULL;
            found = attribute;
        }
    }
    return found;
}

/* Puts "\1A", which the parser reads as SCEP_GLOB_STAR, for each escaped '*'.
 */
static const char *hide_stars(const char **hidden, const char *text,
                              apr_pool_t *p)
{
    char *out = apr_palloc(p, 2 * strlen(text) + 1);

    *hidden = out;
    while (*text) {
        if (*text == SCEP_GLOB_STAR || !strncasecmp(text, "\\1A", 3))
            return "it has a control character in it";
        if (!strncmp(text, "\\*", 2) || !strncasecmp(text, "\\2A", 3)) {
            memcpy(out, "\\1A", 3);
            out += 3;
            text += text[1] == '*' ? 2 : 3;
            continue;
        }
        if (*text == '\\' && text[1])
            *out++ = *text++;
        *out++ = *text++;
    }
    *out = '\0';
    return NULL;
}

const char *scep_name_pattern_parse(const scep_name_pattern_t **pattern,
                                    const char *text, apr_pool_t *p)
{
    scep_name_pattern_t *made = apr_palloc(p, sizeof(*made));
    X509_NAME *name = NULL;
    const char *hidden, *error = hide_stars(&hidden, text, p);

    if (!error)
        error = scep_name_parse(&name, hidden, p);
    if (error)
        return error;
    made->rdns = take_apart(name, p);
    if (!made->rdns)
        return "a value is no UTF-8 text";
    if (made->rdns->nelts == 0)
        return "it names no attribute";
    for (int i = 0; i < made->rdns->nelts; i++) {
        const apr_array_header_t *rdn =
            APR_ARRAY_IDX(made->rdns, i, apr_array_header_t *);

        for (int j = 0; j < rdn->nelts; j++)
            if (!find_type(rdn, APR_ARRAY_IDX(rdn, j, attribute_t).type))
                return "'+' joins two attributes of one type";
    }
    *pattern = made;
    return NULL;
}

static int rdn_fits(const apr_array_header_t *pattern,
                    const apr_array_header_t *rdn)
{
    if (pattern->nelts != rdn->nelts)
        return 0;
    for (int i = 0; i < pattern->nelts; i++) {
        const attribute_t *wanted = &APR_ARRAY_IDX(pattern, i, attribute_t);
        const attribute_t *found = find_type(rdn, wanted->type);

        if (!found || !scep_glob_fits(wanted->value, found->value, 0))
            return 0;
    }
    return 1;
}

int scep_name_match(const scep_name_pattern_t *pattern, const X509_NAME *name,
                    apr_pool_t *p)
{
    const apr_array_header_t *rdns = take_apart(name, p);
    int n = pattern->rdns->nelts, forward = 0, backward = 0;

    ERR_clear_error();
    if (!rdns || rdns->nelts != n)
        return 0;
    for (int i = 0; i < n; i++) {
        const apr_array_header_t *wanted =
            APR_ARRAY_IDX(pattern->rdns, i, apr_array_header_t *);

        forward +=
            rdn_fits(wanted, APR_ARRAY_IDX(rdns, i, apr_array_header_t *));
        backward += rdn_fits(wanted, APR_ARRAY_IDX(rdns, n - 1 - i,
                                                   apr_array_header_t *));
    }
    return forward == n || backward == n;
}

const char *scep_name_attribute_pattern_parse(
    const scep_name_pattern_t **pattern, const char *text, apr_pool_t *p)
{
    const scep_name_pattern_t *made;
    const char *error = scep_name_pattern_parse(&made, text, p);

    if (error)
        return error;
    if (made->rdns->nelts > 1 ||
        APR_ARRAY_IDX(made->rdns, 0, apr_array_header_t *)->nelts > 1)
        return "it names more than one attribute";
    *pattern = made;
    return NULL;
}

int scep_name_match_attribute(const scep_name_pattern_t *pattern,
                              const X509_NAME_ENTRY *attribute, apr_pool_t *p)
{
    const attribute_t *wanted =
        &APR_ARRAY_IDX(APR_ARRAY_IDX(pattern->rdns, 0, apr_array_header_t *),
                       0, attribute_t);
    const char *value;

    if (OBJ_cmp(wanted->type, X509_NAME_ENTRY_get_object(attribute)) != 0)
        return 0;
    value = scep_name_utf8(X509_NAME_ENTRY_get_data(attribute), p);
    return value && scep_glob_fits(wanted->value, value, 0);
}
