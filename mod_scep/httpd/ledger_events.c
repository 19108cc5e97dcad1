/* ledger_events.c - the ledger: events, and the seals over them
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ledger_sql.h"

#include <apr_strings.h>

#include <stdlib.h>

/* Of enrolments by one challenge: see SCEP_LEDGER_FEW. */
#define FEW 1000

apr_status_t mod_scep_ledger_events_add(scep_ledger_t *ledger,
                                        const apr_array_header_t *events,
                                        apr_pool_t *p)
{
    apr_array_header_t *steps = mod_scep_ledger_steps(p);

    mod_scep_ledger_event_steps(steps, events, p);
    /* run twice, they would be there twice */
    return steps->nelts
               ? mod_scep_ledger_transact(ledger, steps, SCEP_DATABASE_ONCE, p)
               : APR_SUCCESS;
}

/* ------------------------------------------------------------------ */
/* Lists                                                                */

/* Events of a seal stand between the first and the last that it names. */
static apr_status_t span_of_seal(scep_ledger_t *ledger, apr_int64_t number,
                                 scep_ledger_listing_t *listing, apr_pool_t *p)
{
    apr_array_header_t *seals;
    apr_status_t rv = mod_scep_ledger_seals(ledger, number - 1, 1, &seals, p);
    const scep_ledger_seal_t *seal;

    if (rv != APR_SUCCESS)
        return rv;
    seal = seals->nelts ? &APR_ARRAY_IDX(seals, 0, scep_ledger_seal_t) : NULL;
    if (!seal || seal->number != number)
        return APR_NOTFOUND;
    listing->first = APR_INT64_MAX;
    for (const char *leaf = seal->leaves; *leaf; leaf += strspn(leaf, " ")) {
        apr_int64_t event = apr_atoi64(leaf);

        if (event < listing->first)
            listing->first = event;
        if (event > listing->last)
            listing->last = event;
        leaf += strcspn(leaf, " ");
    }
    return APR_SUCCESS;
}

/* What a filter asks for by text, in the order of the statements. */
enum { BY_ENROLMENT = 0, BY_SERIAL, BY_CHALLENGE, TEXTS };

/* Parameters of one call, which the listing points to. */
typedef struct asked_t {
    const char *filter[16];
    const char *lead[3];
    const char *second[2];
} asked_t;

/* Whether a challenge has granted so few enrolments that their events can be
 * put together. */
static apr_status_t is_few(scep_ledger_t *ledger, const char *challenge,
                           int *few, apr_pool_t *p)
{
    const char *args[] = { challenge, NULL };
    apr_array_header_t *rows;
    apr_status_t rv =
        mod_scep_database_select(ledger->database, SCEP_LEDGER_FEW, args,
                                 SCEP_DATABASE_AGAIN, &rows, p);

    if (rv == APR_SUCCESS)
        *few = rows->nelts == 1 &&
               atoi(APR_ARRAY_IDX(rows, 0, const char *const *)[0]) < FEW;
    return rv;
}

/* Picks the shortest way to what a filter wants. */
static apr_status_t pick(scep_ledger_t *ledger,
                         const scep_ledger_filter_t *filter,
                         const char *const *texts, asked_t *asked,
                         scep_ledger_listing_t *listing, apr_pool_t *p)
{
    static const scep_ledger_statement_t ways[] = {
        SCEP_LEDGER_EVENT_ENROLMENT, SCEP_LEDGER_EVENT_SERIAL,
        SCEP_LEDGER_EVENT_CHALLENGE
    };
    apr_status_t rv = APR_SUCCESS;
    int by = 0, count = 0, few = 1;

    for (int i = 0; i < TEXTS; i++)
        count += *texts[i] != '\0';
    while (by < TEXTS && !*texts[by])
        by++;
    if (count == 1 && by == BY_CHALLENGE)
        rv = is_few(ledger, texts[by], &few, p);
    listing->indexed = 1;
    if (count == 1 && few) {
        listing->statement = ways[by];
        asked->lead[0] = asked->second[0] = texts[by];
        asked->lead[1] = by == BY_SERIAL ? texts[by] : NULL;
        listing->second = asked->second;
    } else if (count == 0 && filter->seal == 0) {
        listing->statement = SCEP_LEDGER_EVENT_UNSEALED;
    } else {
        int end = 7; /* of what every statement has */

        listing->statement = SCEP_LEDGER_EVENT_LIST;
        listing->indexed = 0;
        for (int i = 0; i < TEXTS; i++) {
            asked->filter[end++] = texts[i];
            asked->filter[end++] = texts[i];
        }
    }
    if (!filter->ascending)
        listing->statement++; /* the same, backward */
    return rv;
}

apr_status_t mod_scep_ledger_events(scep_ledger_t *ledger,
                                    const scep_ledger_filter_t *filter,
                                    apr_array_header_t **made, apr_pool_t *p)
{
    const char *profile = mod_scep_ledger_text(filter->profile, p);
    const char *texts[] = { mod_scep_ledger_text(filter->enrolment, p),
                            mod_scep_ledger_text(filter->serial, p),
                            mod_scep_ledger_text(filter->challenge, p) };
    asked_t asked = {
        .filter = { profile, profile, apr_itoa(p, filter->type),
                    apr_itoa(p, filter->type ? filter->type : SCEP_LEDGER_ALL),
                    mod_scep_ledger_number(filter->since, p),
                    mod_scep_ledger_number(filter->seal < 0 ? 0 : filter->seal,
                                           p),
                    mod_scep_ledger_number(filter->seal < 0 ? APR_INT64_MAX
                                                            : filter->seal,
                                           p) }
    };
    scep_ledger_listing_t listing = { .span = SCEP_LEDGER_EVENT_SPAN,
                                      .times = SCEP_LEDGER_EVENT_TIME,
                                      .lead = asked.lead,
                                      .filter = asked.filter };
    apr_array_header_t *rows = NULL;
    apr_status_t rv = pick(ledger, filter, texts, &asked, &listing, p);

    if (rv == APR_SUCCESS && filter->seal > 0)
        rv = span_of_seal(ledger, filter->seal, &listing, p);
    if (rv == APR_SUCCESS)
        rv = mod_scep_ledger_rows(ledger, &listing, filter, &rows, p);
    if (rv != APR_SUCCESS && rv != APR_NOTFOUND)
        return rv;
    *made = apr_array_make(p, 8, sizeof(scep_ledger_event_t));
    for (int i = 0; rows && i < rows->nelts; i++)
        mod_scep_ledger_event_row(apr_array_push(*made),
                                  APR_ARRAY_IDX(rows, i, const char *const *),
                                  p);
    return APR_SUCCESS;
}

/* ------------------------------------------------------------------ */
/* Seals                                                                */

static int by_number(const void *av, const void *bv)
{
    apr_int64_t a = *(const apr_int64_t *)av, b = *(const apr_int64_t *)bv;

    return (a > b) - (a < b);
}

/* One step for each run of numbers without a gap: what is in a gap was
 * written by another node meanwhile, and is of a later seal. */
static void seal_steps(apr_array_header_t *steps, const char *seal,
                       const apr_array_header_t *numbers, apr_pool_t *p)
{
    apr_int64_t *sorted =
        apr_pmemdup(p, numbers->elts,
                    sizeof(*sorted) * (apr_size_t)numbers->nelts);
    int first = 0;

    qsort(sorted, (size_t)numbers->nelts, sizeof(*sorted), by_number);
    for (int i = 1; i <= numbers->nelts; i++) {
        const char **args;

        if (i < numbers->nelts && sorted[i] == sorted[i - 1] + 1)
            continue;
        args = apr_pcalloc(p, 4 * sizeof(*args));
        args[0] = seal;
        args[1] = mod_scep_ledger_number(sorted[first], p);
        args[2] = mod_scep_ledger_number(sorted[i - 1], p);
        mod_scep_ledger_step(steps, SCEP_LEDGER_SEAL_RUN, args, i - first);
        first = i;
    }
}

/* Whether a seal is there as a call has written it, its answer lost. */
static apr_status_t was_sealed(scep_ledger_t *ledger,
                               const scep_ledger_seal_t *wanted, apr_pool_t *p)
{
    apr_array_header_t *seals;
    const scep_ledger_seal_t *found;
    apr_status_t rv =
        mod_scep_ledger_seals(ledger, wanted->number - 1, 1, &seals, p);

    if (rv != APR_SUCCESS || seals->nelts == 0)
        return rv == APR_SUCCESS ? APR_EEXIST : rv;
    found = &APR_ARRAY_IDX(seals, 0, scep_ledger_seal_t);
    return found->number == wanted->number && found->time == wanted->time &&
                   !strcmp(found->signature, wanted->signature)
               ? APR_SUCCESS
               : APR_EEXIST;
}

apr_status_t mod_scep_ledger_seal(scep_ledger_t *ledger,
                                  const scep_ledger_seal_t *seal,
                                  const apr_array_header_t *numbers,
                                  apr_pool_t *p)
{
    const char *number = mod_scep_ledger_number(seal->number, p);
    const char *args[] = { number,
                           mod_scep_ledger_number(seal->time, p),
                           apr_itoa(p, seal->count),
                           seal->leaves,
                           seal->root,
                           seal->previous,
                           seal->certificate,
                           seal->signature,
                           NULL };
    apr_array_header_t *steps = mod_scep_ledger_steps(p);
    apr_status_t rv;

    mod_scep_ledger_step(steps, SCEP_LEDGER_SEAL, args, 1);
    seal_steps(steps, number, numbers, p);
    rv = mod_scep_ledger_transact(ledger, steps, SCEP_DATABASE_AGAIN, p);
    return rv == APR_EMISMATCH ? was_sealed(ledger, seal, p) : rv;
}

apr_status_t mod_scep_ledger_seals(scep_ledger_t *ledger, apr_int64_t after,
                                   int limit, apr_array_header_t **made,
                                   apr_pool_t *p)
{
    const char *last[] = { "1", NULL };
    const char *next[] = { mod_scep_ledger_number(after, p),
                           apr_itoa(p, limit), NULL };
    apr_array_header_t *rows;
    apr_status_t rv =
        mod_scep_database_select(ledger->database,
                                 limit < 0 ? SCEP_LEDGER_SEALS_LAST
                                           : SCEP_LEDGER_SEALS,
                                 limit < 0 ? last : next, SCEP_DATABASE_AGAIN,
                                 &rows, p);

    if (rv != APR_SUCCESS)
        return rv;
    *made = apr_array_make(p, rows->nelts, sizeof(scep_ledger_seal_t));
    for (int i = 0; i < rows->nelts; i++) {
        const char *const *row = APR_ARRAY_IDX(rows, i, const char *const *);
        scep_ledger_seal_t *seal = apr_array_push(*made);

        seal->number = apr_atoi64(row[0]);
        seal->time = apr_atoi64(row[1]);
        seal->count = atoi(row[2]);
        seal->leaves = row[3];
        seal->root = row[4];
        seal->previous = row[5];
        seal->certificate = row[6];
        seal->signature = row[7];
    }
    return APR_SUCCESS;
}
