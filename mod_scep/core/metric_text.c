/* metric_text.c - numbers in Prometheus's text format, version 0.0.4
 * SPDX-License-Identifier: Apache-2.0
 */
#include "metric_text.h"

#include <apr_strings.h>
#include <apr_tables.h>

#include <stdlib.h>
#include <string.h>

#define NAME_OCTETS                                                           \
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_:"

typedef struct family_t {
    const char *name;
    const char *help; /**< text after the name, or NULL */
    const char *type;
    apr_array_header_t *samples; /**< const char *, whole lines */
} family_t;

struct scep_metric_text_t {
    apr_array_header_t *families; /**< family_t * */
    apr_pool_t *p;
};

scep_metric_text_t *scep_metric_text_create(apr_pool_t *p)
{
    scep_metric_text_t *text = apr_palloc(p, sizeof(*text));

    text->families = apr_array_make(p, 16, sizeof(family_t *));
    text->p = p;
    return text;
}

static family_t *find(scep_metric_text_t *text, const char *name)
{
    family_t *family;

    for (int i = 0; i < text->families->nelts; i++) {
        family = APR_ARRAY_IDX(text->families, i, family_t *);
        if (!strcmp(family->name, name))
            return family;
    }
    family = apr_pcalloc(text->p, sizeof(*family));
    family->name = apr_pstrdup(text->p, name);
    family->samples = apr_array_make(text->p, 4, sizeof(const char *));
    APR_ARRAY_PUSH(text->families, family_t *) = family;
    return family;
}

void scep_metric_text_describe(scep_metric_text_t *text, const char *name,
                               const char *type, const char *help)
{
    family_t *family = find(text, name);

    family->type = apr_pstrdup(text->p, type);
    family->help = apr_pstrdup(text->p, help);
}

void scep_metric_text_add(scep_metric_text_t *text, const char *name,
                          const char *labels, apr_uint64_t value)
{
    family_t *family = find(text, name);

    APR_ARRAY_PUSH(family->samples, const char *) =
        apr_psprintf(text->p, "%s%s%s%s %" APR_UINT64_T_FMT, name,
                     *labels ? "{" : "", labels, *labels ? "}" : "", value);
}

/* The name that a line is about, NULL where it has none. */
static const char *name_in(const char *line, apr_pool_t *p)
{
    apr_size_t len = strspn(line, NAME_OCTETS);

    return len && (line[len] == ' ' || line[len] == '{')
               ? apr_pstrmemdup(p, line, len)
               : NULL;
}

static void add_line(scep_metric_text_t *text, const char *line)
{
    int about = !strncmp(line, "# HELP ", 7)   ? 'H'
                : !strncmp(line, "# TYPE ", 7) ? 'T'
                                               : 0;
    const char *rest = about ? line + 7 : line;
    const char *name = name_in(rest, text->p);
    family_t *family;

    if (!name)
        return;
    family = find(text, name);
    rest += strlen(name) + 1;
    if (about == 'H')
        family->help = rest;
    else if (about == 'T')
        family->type = rest;
    else
        APR_ARRAY_PUSH(family->samples, const char *) = line;
}

void scep_metric_text_lines(scep_metric_text_t *text, const char *lines)
{
    char *last, *line = apr_pstrdup(text->p, lines);

    for (line = apr_strtok(line, "\n", &last); line;
         line = apr_strtok(NULL, "\n", &last))
        add_line(text, line);
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const family_t *const *)a)->name,
                  (*(const family_t *const *)b)->name);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void render_family(apr_array_header_t *parts, const family_t *family,
                          apr_pool_t *p)
{
    if (family->help) {
        APR_ARRAY_PUSH(parts, const char *) =
            apr_pstrcat(p, "# HELP ", family->name, " ", family->help, "\n",
                        NULL);
    }
    APR_ARRAY_PUSH(parts, const char *) =
        apr_pstrcat(p, "# TYPE ", family->name, " ",
                    family->type ? family->type : "untyped", "\n", NULL);
    qsort(family->samples->elts, (size_t)family->samples->nelts,
          sizeof(const char *), by_text);
    for (int i = 0; i < family->samples->nelts; i++) {
        APR_ARRAY_PUSH(parts, const char *) =
            APR_ARRAY_IDX(family->samples, i, const char *);
        APR_ARRAY_PUSH(parts, const char *) = "\n";
    }
}

const char *scep_metric_text_render(const scep_metric_text_t *text)
{
    apr_array_header_t *families = apr_array_copy(text->p, text->families);
    apr_array_header_t *parts =
        apr_array_make(text->p, 64, sizeof(const char *));

    qsort(families->elts, (size_t)families->nelts, sizeof(family_t *),
          by_name);
    for (int i = 0; i < families->nelts; i++) {
        const family_t *family = APR_ARRAY_IDX(families, i, family_t *);

        if (family->samples->nelts)
            render_family(parts, family, text->p);
    }
    return apr_array_pstrcat(text->p, parts, '\0');
}
