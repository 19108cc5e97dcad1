/* output.c - JSON for people and for programs
 * SPDX-License-Identifier: Apache-2.0
 */
#include "output.h"

#include <apr_strings.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *ctl_output_clean(const char *text, apr_pool_t *p)
{
    char *clean = apr_pstrdup(p, text);

    for (unsigned char *c = (unsigned char *)clean; *c; c++) {
        /* U+0080 to U+009F, in UTF-8, are controls, too */
        if (*c == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f)
            c[0] = c[1] = '?';
        else if (*c < ' ' || *c == 0x7f)
            *c = '?';
    }
    return clean;
}

/* Puts words together, each but the first behind a comma. */
static void push(apr_array_header_t *words, const char *word)
{
    if (words->nelts)
        APR_ARRAY_PUSH(words, const char *) = ", ";
    APR_ARRAY_PUSH(words, const char *) = word;
}

static const char *array_text(const json_t *array, apr_pool_t *p)
{
    apr_array_header_t *words = apr_array_make(p, 8, sizeof(const char *));

    for (size_t i = 0; i < json_array_size(array); i++)
        push(words, ctl_output_text(json_array_get(array, i), p));
    return words->nelts ? apr_array_pstrcat(p, words, 0) : "none";
}

static const char *object_text(const json_t *object, apr_pool_t *p)
{
    apr_array_header_t *words = apr_array_make(p, 8, sizeof(const char *));
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)object, key, value)
    {
        push(words, apr_pstrcat(p, ctl_output_clean(key, p), " ",
                                ctl_output_text(value, p), NULL));
    }
    return words->nelts ? apr_array_pstrcat(p, words, 0) : "none";
}

const char *ctl_output_text(const json_t *value, apr_pool_t *p)
{
    switch (json_typeof(value)) {
    case JSON_STRING:
        return ctl_output_clean(json_string_value(value), p);
    case JSON_INTEGER:
        /* APR does not know Jansson's own format, "%lld" */
        return apr_psprintf(p, "%" APR_INT64_T_FMT,
                            (apr_int64_t)json_integer_value(value));
    case JSON_REAL:
        return apr_psprintf(p, "%g", json_real_value(value));
    case JSON_TRUE:
        return "yes";
    case JSON_FALSE:
        return "no";
    case JSON_ARRAY:
        return array_text(value, p);
    case JSON_OBJECT:
        return object_text(value, p);
    default:
        return "-";
    }
}

void ctl_output_json(const json_t *value, size_t flags)
{
    char *text = json_dumps(value, flags | JSON_ENSURE_ASCII);

    for (const char *c = text ? text : "null"; *c; c++) {
        /* the one control character that jansson leaves as it is */
        if (*c == 0x7f)
            printf("\\u007f");
        else
            putchar(*c);
    }
    free(text);
}

void ctl_output_object(const ctl_t *ctl, const json_t *object)
{
    const char *key;
    json_t *value;
    int width = 0;

    if (ctl_option(ctl, "json")) {
        ctl_output_json(object, JSON_INDENT(2));
        printf("\n");
        return;
    }
    json_object_foreach((json_t *)object, key, value)
    {
        if ((int)strlen(key) > width)
            width = (int)strlen(key);
    }
    json_object_foreach((json_t *)object, key, value)
    {
        printf("%-*s  %s\n", width, ctl_output_clean(key, ctl->p),
               ctl_output_text(value, ctl->p));
    }
}
