/* ledger_enrolments.c - the ledger: enrolments on their way
 * SPDX-License-Identifier: Apache-2.0
 *
 * Each write leaves a random word in its row.  Where a COMMIT's answer was
 * lost and the transaction, run again, finds its rows changed, that word
 * tells whether it was this very call.
 */
#include "ledger_sql.h"

#include <apr_strings.h>
#include <openssl/err.h>
#include <openssl/rand.h>

#include <stdlib.h>

static const char *new_word(apr_pool_t *p)
{
    apr_uint64_t number;

    if (RAND_bytes((unsigned char *)&number, sizeof(number)) != 1) {
        ERR_clear_error();
        return NULL;
    }
    return apr_psprintf(p, "%016" APR_UINT64_T_HEX_FMT, number);
}

/* ------------------------------------------------------------------ */
/* Writing                                                              */

/* Whether a row is as a call has written it. */
static apr_status_t was_written(scep_ledger_t *ledger, const char *key,
                                const char *change, apr_status_t if_not,
                                apr_pool_t *p)
{
    const char *args[] = { mod_scep_ledger_text(key, p), NULL };
    apr_array_header_t *rows;
    apr_status_t rv =
        mod_scep_database_select(ledger->database, SCEP_LEDGER_WRITTEN, args,
                                 SCEP_DATABASE_AGAIN, &rows, p);

    if (rv != APR_SUCCESS)
        return rv;
    return rows->nelts == 1 &&
                   !strcmp(APR_ARRAY_IDX(rows, 0, const char *const *)[1],
                           change)
               ? APR_SUCCESS
               : if_not;
}

apr_status_t mod_scep_ledger_receive(scep_ledger_t *ledger,
                                     const scep_record_t *record, int revive,
                                     const scep_certificate_t *certificate,
                                     const apr_array_header_t *events,
                                     apr_pool_t *p)
{
    const char *args[SCEP_DATABASE_ARGS], *change = new_word(p);
    const char *bought[SCEP_LEDGER_CERT_COLUMNS];
    const char *revived[] = { mod_scep_ledger_text(record->key, p), change,
                              NULL };
    apr_array_header_t *steps = mod_scep_ledger_steps(p);
    apr_status_t rv;

    if (!change)
        return APR_EGENERAL;
    mod_scep_ledger_record_args(args, record, change, p);
    if (revive)
        mod_scep_ledger_step(steps, SCEP_LEDGER_REVIVE, revived,
                             SCEP_DATABASE_ANY);
    mod_scep_ledger_step(steps, SCEP_LEDGER_RECEIVE, args, 1);
    if (certificate) {
        mod_scep_ledger_certificate_args(bought, certificate, p);
        mod_scep_ledger_step(steps, SCEP_LEDGER_CERT_ADD, bought,
                             SCEP_DATABASE_ANY);
    }
    mod_scep_ledger_event_steps(steps, events, p);
    rv = mod_scep_ledger_transact(ledger, steps, SCEP_DATABASE_AGAIN, p);
    return rv == APR_EMISMATCH
               ? was_written(ledger, record->key, change, APR_EEXIST, p)
               : rv;
}

apr_status_t mod_scep_ledger_update(scep_ledger_t *ledger, const char *token,
                                    const scep_record_t *record,
                                    const scep_certificate_t *certificate,
                                    const apr_array_header_t *events,
                                    apr_pool_t *p)
{
    const char *args[SCEP_DATABASE_ARGS], *change = new_word(p);
    const char *bought[SCEP_LEDGER_CERT_COLUMNS];
    apr_array_header_t *steps = mod_scep_ledger_steps(p);
    apr_status_t rv;

    if (!change || !*token)
        return change ? APR_ENOENT : APR_EGENERAL;
    mod_scep_ledger_update_args(args, record, token, change, p);
    mod_scep_ledger_step(steps, SCEP_LEDGER_UPDATE, args, 1);
    if (certificate) {
        mod_scep_ledger_certificate_args(bought, certificate, p);
        /* a CA may give the same one again */
        mod_scep_ledger_step(steps, SCEP_LEDGER_CERT_ADD, bought,
                             SCEP_DATABASE_ANY);
    }
    mod_scep_ledger_event_steps(steps, events, p);
    rv = mod_scep_ledger_transact(ledger, steps, SCEP_DATABASE_AGAIN, p);
    return rv == APR_EMISMATCH
               ? was_written(ledger, record->key, change, APR_ENOENT, p)
               : rv;
}

/* The row of a statement that gives a record or nothing. */
static apr_status_t one_record(scep_ledger_t *ledger,
                               scep_ledger_statement_t statement,
                               const char *const *args, apr_status_t if_none,
                               scep_record_t *record, apr_pool_t *p)
{
    apr_array_header_t *rows;
    apr_status_t rv =
        mod_scep_database_select(ledger->database, (int)statement, args,
                                 SCEP_DATABASE_AGAIN, &rows, p);

    if (rv != APR_SUCCESS)
        return rv;
    if (rows->nelts != 1)
        return if_none;
    mod_scep_ledger_record_row(record,
                               APR_ARRAY_IDX(rows, 0, const char *const *), p);
    return APR_SUCCESS;
}

apr_status_t mod_scep_ledger_take(scep_ledger_t *ledger, const char *key,
                                  const char *token, apr_time_t now,
                                  apr_time_t lease, scep_record_t *record,
                                  apr_pool_t *p)
{
    const char *args[] = { token,
                           mod_scep_ledger_number(lease, p),
                           mod_scep_ledger_text(key, p),
                           mod_scep_ledger_number(now, p),
                           token,
                           NULL };

    return one_record(ledger, SCEP_LEDGER_TAKE, args, APR_EBUSY, record, p);
}

/* ------------------------------------------------------------------ */
/* Reading                                                              */

apr_status_t mod_scep_ledger_seen(scep_ledger_t *ledger, const char *profile,
                                  const char *signer,
                                  const char *transaction_id,
                                  apr_array_header_t **records, apr_pool_t *p)
{
    const char *name = mod_scep_ledger_text(profile, p);
    const char *who = mod_scep_ledger_text(signer, p);
    const char *tid = mod_scep_ledger_text(transaction_id, p);
    const char *args[] = { who, tid, name, who, tid, name, NULL };
    apr_array_header_t *rows;
    apr_status_t rv =
        mod_scep_database_select(ledger->database, SCEP_LEDGER_SEEN, args,
                                 SCEP_DATABASE_AGAIN, &rows, p);

    if (rv != APR_SUCCESS)
        return rv;
    *records = apr_array_make(p, rows->nelts, sizeof(scep_record_t));
    for (int i = 0; i < rows->nelts; i++)
        mod_scep_ledger_record_row(apr_array_push(*records),
                                   APR_ARRAY_IDX(rows, i, const char *const *),
                                   p);
    return APR_SUCCESS;
}

apr_status_t mod_scep_ledger_due(scep_ledger_t *ledger, apr_time_t now,
                                 int limit, apr_array_header_t **keys,
                                 apr_pool_t *p)
{
    const char *time = mod_scep_ledger_number(now, p);
    const char *args[] = { time, time, apr_itoa(p, limit), NULL };
    apr_array_header_t *rows;
    apr_status_t rv =
        mod_scep_database_select(ledger->database, SCEP_LEDGER_DUE, args,
                                 SCEP_DATABASE_AGAIN, &rows, p);

    if (rv != APR_SUCCESS)
        return rv;
    *keys = apr_array_make(p, rows->nelts, sizeof(const char *));
    for (int i = 0; i < rows->nelts; i++)
        APR_ARRAY_PUSH(*keys, const char *) =
            APR_ARRAY_IDX(rows, i, const char *const *)[0];
    return APR_SUCCESS;
}

apr_status_t mod_scep_ledger_get(scep_ledger_t *ledger, const char *key,
                                 scep_record_t *record, apr_pool_t *p)
{
    const char *args[] = { mod_scep_ledger_text(key, p), NULL };

    return one_record(ledger, SCEP_LEDGER_GET, args, APR_NOTFOUND, record, p);
}

apr_status_t mod_scep_ledger_list(scep_ledger_t *ledger,
                                  const scep_ledger_filter_t *filter,
                                  apr_array_header_t **records, apr_pool_t *p)
{
    const char *profile = mod_scep_ledger_text(filter->profile, p);
    const int last = filter->pending ? SCEP_STATE_ISSUED - 1 : SCEP_LEDGER_ALL;
    const char *args[] = { profile,
                           profile,
                           apr_itoa(p, filter->state < 0 ? 0 : filter->state),
                           apr_itoa(p,
                                    filter->state < 0 ? last : filter->state),
                           mod_scep_ledger_pattern(filter->subject, p),
                           mod_scep_ledger_number(filter->since, p),
                           NULL };
    scep_ledger_listing_t listing = { .statement = SCEP_LEDGER_LIST,
                                      .span = SCEP_LEDGER_SPAN,
                                      .times = SCEP_LEDGER_TIME,
                                      .filter = args };
    const char *challenge[] = { mod_scep_ledger_text(filter->challenge, p),
                                NULL };
    apr_array_header_t *rows;
    apr_status_t rv;

    if (*challenge[0]) {
        listing.statement = SCEP_LEDGER_LIST_CHALLENGE;
        listing.lead = challenge;
        listing.indexed = 1;
    } else if (filter->pending) {
        listing.statement = SCEP_LEDGER_LIST_PENDING;
        listing.indexed = 1;
    }
    rv = mod_scep_ledger_rows(ledger, &listing, filter, &rows, p);
    if (rv != APR_SUCCESS)
        return rv;
    *records = apr_array_make(p, rows->nelts, sizeof(scep_ledger_record_t));
    for (int i = 0; i < rows->nelts; i++) {
        scep_ledger_record_t *row = apr_array_push(*records);

        row->number = mod_scep_ledger_record_row(
            &row->record, APR_ARRAY_IDX(rows, i, const char *const *), p);
    }
    return APR_SUCCESS;
}

apr_status_t mod_scep_ledger_waiting(scep_ledger_t *ledger,
                                     int counts[SCEP_STATE_ISSUED],
                                     apr_pool_t *p)
{
    static const char *const none[] = { NULL };
    apr_array_header_t *rows;
    apr_status_t rv =
        mod_scep_database_select(ledger->database, SCEP_LEDGER_WAITING, none,
                                 SCEP_DATABASE_AGAIN, &rows, p);

    for (int i = 0; i < SCEP_STATE_ISSUED; i++)
        counts[i] = 0;
    for (int i = 0; rv == APR_SUCCESS && i < rows->nelts; i++) {
        const char *const *row = APR_ARRAY_IDX(rows, i, const char *const *);
        int state = atoi(row[0]);

        if (state >= 0 && state < SCEP_STATE_ISSUED)
            counts[state] = atoi(row[1]);
    }
    return rv;
}
