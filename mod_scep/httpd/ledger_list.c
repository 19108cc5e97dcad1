/* ledger_list.c - the ledger: pages of lists, and steps of transactions
 * SPDX-License-Identifier: Apache-2.0
 *
 * A filter that no index serves would have one statement look at millions of
 * rows, with SQLite's driver locked and against PostgreSQL's time limit.  So
 * such a list is made of many statements, over a span of numbers each.
 */
#include "ledger_sql.h"

#include <apr_lib.h>
#include <apr_strings.h>

#define SPAN 10000
#define LIMIT_MAX 1000

/* Clocks of nodes may differ, so numbers follow times up to this. */
#define SLACK apr_time_from_sec(3600)

/* ------------------------------------------------------------------ */
/* Lists                                                                */

const char *mod_scep_ledger_pattern(const char *part, apr_pool_t *p)
{
    const char *text = mod_scep_ledger_text(part, p);
    char *pattern = apr_palloc(p, 2 * strlen(text) + 3), *to = pattern;

    *to++ = '%';
    for (; *text; text++) {
        if (strchr("%_!", *text))
            *to++ = '!';
        *to++ = (char)apr_tolower(*text);
    }
    if (to > pattern + 1)
        *to++ = '%';
    *to = '\0';
    return pattern;
}

static int append(const char *args[], const char *const *more)
{
    int count = 0;

    while (more && more[count]) {
        args[count] = more[count];
        count++;
    }
    return count;
}

/* One statement: rows whose number is from first to last. */
static apr_status_t page(scep_ledger_t *ledger,
                         const scep_ledger_listing_t *listing,
                         apr_int64_t first, apr_int64_t last, int limit,
                         apr_array_header_t **rows, apr_pool_t *p)
{
    const char *args[SCEP_DATABASE_ARGS];
    const char *from = mod_scep_ledger_number(first - 1, p);
    const char *to =
        mod_scep_ledger_number(last < APR_INT64_MAX ? last + 1 : last, p);
    const char *const *leads[] = { listing->lead, listing->second };
    int count = 0;

    for (int i = 0; i < (listing->second ? 2 : 1); i++) {
        count += append(args + count, leads[i]);
        args[count++] = from;
        args[count++] = to;
        count += append(args + count, listing->filter);
    }
    args[count++] = apr_itoa(p, limit);
    args[count] = NULL;
    return mod_scep_database_select(ledger->database, (int)listing->statement,
                                    args, SCEP_DATABASE_AGAIN, rows, p);
}

static apr_status_t numbers(scep_ledger_t *ledger,
                            scep_ledger_statement_t statement,
                            const char *const *args, apr_int64_t *first,
                            apr_int64_t *last, apr_pool_t *p)
{
    apr_array_header_t *rows;
    const char *const *row;
    apr_status_t rv =
        mod_scep_database_select(ledger->database, (int)statement, args,
                                 SCEP_DATABASE_AGAIN, &rows, p);

    if (rv != APR_SUCCESS || rows->nelts != 1)
        return rv == APR_SUCCESS ? APR_EGENERAL : rv;
    row = APR_ARRAY_IDX(rows, 0, const char *const *);
    *first = apr_atoi64(row[0]);
    *last = apr_atoi64(row[1]);
    return APR_SUCCESS;
}

/* Raises first to the number where what is newer than a time begins. */
static apr_status_t skip_older(scep_ledger_t *ledger,
                               scep_ledger_statement_t statement,
                               apr_time_t since, apr_int64_t *first,
                               apr_int64_t last, apr_pool_t *p)
{
    apr_status_t rv = APR_SUCCESS;

    while (rv == APR_SUCCESS && *first < last) {
        apr_int64_t middle = *first + (last - *first) / 2, number, time;
        const char *args[] = { mod_scep_ledger_number(middle, p), NULL };

        rv = numbers(ledger, statement, args, &number, &time, p);
        if (rv == APR_SUCCESS && time < since - SLACK)
            *first = middle + 1;
        else
            last = middle;
    }
    return rv;
}

/* Narrows a span to the first and the last number that there are in it;
 * where there is none, first is behind last. */
static apr_status_t narrow(scep_ledger_t *ledger,
                           const scep_ledger_listing_t *listing,
                           apr_int64_t *first, apr_int64_t *last,
                           apr_pool_t *p)
{
    const char *args[] = { mod_scep_ledger_number(*first, p),
                           mod_scep_ledger_number(*last, p), NULL };
    apr_int64_t least, most;
    apr_status_t rv = numbers(ledger, listing->span, args, &least, &most, p);

    if (rv != APR_SUCCESS)
        return rv;
    *first = least > *first ? least : *first;
    *last = most < *last ? most : *last;
    return APR_SUCCESS;
}

/* Where a span has nothing it goes on to the next number that there is:
 * somebody may have put a row under any number. */
static apr_status_t walk(scep_ledger_t *ledger,
                         const scep_ledger_listing_t *listing,
                         const scep_ledger_filter_t *filter, apr_int64_t first,
                         apr_int64_t last, int limit, apr_array_header_t *all,
                         apr_pool_t *p)
{
    apr_status_t rv = APR_SUCCESS;

    while (rv == APR_SUCCESS && first <= last && all->nelts < limit) {
        apr_int64_t from = first, to = last;
        apr_array_header_t *rows;

        if (last - first >= SPAN && filter->ascending)
            to = first + SPAN - 1;
        else if (last - first >= SPAN)
            from = last - SPAN + 1;
        rv = page(ledger, listing, from, to, limit - all->nelts, &rows, p);
        if (rv == APR_SUCCESS)
            apr_array_cat(all, rows);
        if (filter->ascending)
            first = to + 1;
        else
            last = from - 1;
        if (rv == APR_SUCCESS && rows->nelts == 0 && first <= last)
            rv = narrow(ledger, listing, &first, &last, p);
    }
    return rv;
}

apr_status_t mod_scep_ledger_rows(scep_ledger_t *ledger,
                                  const scep_ledger_listing_t *listing,
                                  const scep_ledger_filter_t *filter,
                                  apr_array_header_t **rows, apr_pool_t *p)
{
    int limit = filter->limit > 0 && filter->limit < LIMIT_MAX ? filter->limit
                                                               : LIMIT_MAX;
    apr_int64_t low = 1, high = APR_INT64_MAX;
    apr_status_t rv;

    if (filter->ascending)
        low = filter->after + 1;
    else if (filter->after > 0)
        high = filter->after - 1;
    if (listing->last) {
        low = listing->first > low ? listing->first : low;
        high = listing->last < high ? listing->last : high;
    }
    if (listing->indexed)
        return page(ledger, listing, low, high, limit, rows, p);
    *rows = apr_array_make(p, limit, sizeof(char **));
    rv = narrow(ledger, listing, &low, &high, p);
    if (rv == APR_SUCCESS && listing->times && filter->since)
        rv = skip_older(ledger, listing->times, filter->since, &low, high, p);
    return rv == APR_SUCCESS
               ? walk(ledger, listing, filter, low, high, limit, *rows, p)
               : rv;
}

apr_array_header_t *mod_scep_ledger_certificate_rows(
    const apr_array_header_t *rows, apr_pool_t *p)
{
    apr_array_header_t *made =
        apr_array_make(p, rows->nelts, sizeof(scep_ledger_certificate_t));

    for (int i = 0; i < rows->nelts; i++) {
        scep_ledger_certificate_t *row = apr_array_push(made);

        row->number = mod_scep_ledger_certificate_row(
            &row->certificate, APR_ARRAY_IDX(rows, i, const char *const *), p);
    }
    return made;
}

/* ------------------------------------------------------------------ */
/* Transactions                                                         */

apr_array_header_t *mod_scep_ledger_steps(apr_pool_t *p)
{
    return apr_array_make(p, 6, sizeof(scep_step_t));
}

void mod_scep_ledger_step(apr_array_header_t *steps,
                          scep_ledger_statement_t statement,
                          const char *const *args, int expected)
{
    scep_step_t *step = apr_array_push(steps);

    step->statement = (int)statement;
    step->args = args;
    step->expected = expected;
}

void mod_scep_ledger_event_steps(apr_array_header_t *steps,
                                 const apr_array_header_t *events,
                                 apr_pool_t *p)
{
    int left = events ? events->nelts : 0;

    for (int next = 0; left > 0;) {
        int count = left < SCEP_LEDGER_EVENTS ? left : SCEP_LEDGER_EVENTS;
        const char **args = apr_palloc(p, sizeof(*args) * SCEP_DATABASE_ARGS);
        int filled = 0;

        for (int i = 0; i < count; i++) {
            filled +=
                mod_scep_ledger_event_args(args + filled,
                                           &APR_ARRAY_IDX(events, next + i,
                                                          const scep_event_t),
                                           p);
        }
        mod_scep_ledger_step(steps,
                             (scep_ledger_statement_t)(SCEP_LEDGER_EVENT_1 +
                                                       count - 1),
                             args, count);
        next += count;
        left -= count;
    }
}

apr_status_t mod_scep_ledger_transact(scep_ledger_t *ledger,
                                      apr_array_header_t *steps,
                                      scep_again_t again, apr_pool_t *p)
{
    return mod_scep_database_transact(ledger->database,
                                      (scep_step_t *)steps->elts, steps->nelts,
                                      again, p);
}
