/* listing.c - lists of the admin API, page after page
 * SPDX-License-Identifier: Apache-2.0
 */
#include "listing.h"

#include <apr_escape.h>
#include <apr_strings.h>

#include <stdio.h>
#include <string.h>

#include "connection.h"
#include "output.h"

/* Rows that one call asks for. */
#define PAGE 1000

/* A listing while it is printed. */
typedef struct printing_t {
    const ctl_t *ctl;
    const ctl_listing_t *listing;
    apr_int64_t left; /**< rows that may still come; -1: any number */
    apr_int64_t rows; /**< that were printed */
    int begun;
    char after[64]; /**< what the next page begins after, or "" */
} printing_t;

static const char *query_of(const printing_t *printing, apr_pool_t *p)
{
    apr_int64_t limit =
        printing->left >= 0 && printing->left < PAGE ? printing->left : PAGE;
    const char *query = apr_psprintf(p, "%s?limit=%" APR_INT64_T_FMT,
                                     printing->listing->resource, limit);

    for (const char *const *filter = printing->listing->filters; *filter;
         filter++) {
        const char *value = ctl_option(printing->ctl, *filter);

        if (value)
            query = apr_pstrcat(p, query, "&", *filter, "=",
                                apr_pescape_urlencoded(p, value), NULL);
    }
    return *printing->after
               ? apr_pstrcat(p, query, "&after=",
                             apr_pescape_urlencoded(p, printing->after), NULL)
               : query;
}

const char *ctl_listing_text(const json_t *row, const char *member,
                             apr_pool_t *p)
{
    const json_t *value = json_object_get(row, member);

    return value ? ctl_output_text(value, p) : "-";
}

static void print_rows(printing_t *printing, const json_t *rows, apr_pool_t *p)
{
    int json = ctl_option(printing->ctl, "json") != NULL;
    json_t *row;
    size_t i;

    if (!printing->begun) {
        if (json)
            printf("[");
        else
            printing->listing->print_head();
        printing->begun = 1;
    }
    json_array_foreach(rows, i, row)
    {
        if (printing->left == 0)
            return;
        if (printing->left > 0)
            printing->left--;
        if (json) {
            printf("%s", printing->rows ? ",\n" : "");
            ctl_output_json(row, JSON_COMPACT);
        } else {
            printing->listing->print_row(row, p);
        }
        printing->rows++;
    }
}

/* A page; sets *more to whether there is another one behind it. */
static ctl_status_t list_page(printing_t *printing,
                              ctl_connection_t *connection, int *more,
                              apr_pool_t *p)
{
    const char *resource = printing->listing->resource;
    json_t *answer = NULL, *next;
    ctl_status_t status =
        ctl_connection_call(connection, "GET", query_of(printing, p), NULL,
                            &answer);

    *more = 0;
    if (status == CTL_DONE &&
        !json_is_array(json_object_get(answer, resource))) {
        ctl_complain(printing->ctl, "the answer has no %s in it", resource);
        status = CTL_REFUSED;
    }
    if (status == CTL_DONE) {
        print_rows(printing, json_object_get(answer, resource), p);
        next = json_object_get(answer, "next");
        *more = next && printing->left != 0;
        apr_cpystrn(printing->after, next ? ctl_output_text(next, p) : "",
                    sizeof(printing->after));
    }
    json_decref(answer);
    return status;
}

static ctl_status_t list_all(printing_t *printing,
                             ctl_connection_t *connection)
{
    ctl_status_t status;
    apr_pool_t *p;
    int more;

    apr_pool_create(&p, printing->ctl->p);
    do {
        apr_pool_clear(p);
        status = list_page(printing, connection, &more, p);
    } while (status == CTL_DONE && more);
    /* half a list must not look like a whole one */
    if (status == CTL_DONE && ctl_option(printing->ctl, "json"))
        printf("]\n");
    return status;
}

ctl_status_t ctl_listing_run(ctl_t *ctl, const ctl_listing_t *listing)
{
    printing_t printing = { .ctl = ctl, .listing = listing, .left = -1 };
    const char *limit = ctl_option(ctl, "limit");
    ctl_connection_t *connection;
    ctl_status_t status;
    char *end;

    if (limit) {
        printing.left = apr_strtoi64(limit, &end, 10);
        if (*end || printing.left < 1) {
            ctl_complain(ctl, "--limit is a number above 0");
            return CTL_USAGE;
        }
    }
    status = ctl_connection_open(&connection, ctl);
    return status == CTL_DONE ? list_all(&printing, connection) : status;
}
