/* ledger_upkeep.c - the ledger: duties, and what is kept for how long
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ledger_sql.h"

#include <apr_strings.h>

/* Rows that one statement deletes at most, and of each call's windows. */
#define TOGETHER 200
#define WINDOWS 20

apr_status_t mod_scep_ledger_duty(scep_ledger_t *ledger, const char *duty,
                                  const char *node, apr_time_t now,
                                  apr_time_t until, apr_pool_t *p)
{
    const char *args[] = { mod_scep_ledger_text(duty, p),
                           mod_scep_ledger_text(node, p),
                           mod_scep_ledger_number(until, p),
                           mod_scep_ledger_number(now, p), NULL };
    int changed = 0;
    apr_status_t rv =
        mod_scep_database_query(ledger->database, SCEP_LEDGER_DUTY, args,
                                SCEP_DATABASE_AGAIN, &changed, p);

    if (rv == APR_SUCCESS && changed != 1)
        rv = APR_EBUSY;
    return rv;
}

/* Goes through the enrolments once, some at a time: those of certificates
 * that live for years stand between others that may go. */
static apr_status_t retain_enrolments(scep_ledger_t *ledger, apr_time_t before,
                                      int *deleted, apr_pool_t *p)
{
    for (int i = 0; i < WINDOWS && *deleted == 0; i++) {
        const char *from = mod_scep_ledger_number(ledger->retained, p);
        const char *window[] = { from, apr_itoa(p, TOGETHER), NULL };
        const char *args[] = { from, NULL, mod_scep_ledger_number(before, p),
                               NULL };
        const char *const *row;
        apr_array_header_t *rows;
        int changed = 0;
        apr_status_t rv =
            mod_scep_database_select(ledger->database,
                                     SCEP_LEDGER_RETAIN_WINDOW, window,
                                     SCEP_DATABASE_AGAIN, &rows, p);

        if (rv != APR_SUCCESS || rows->nelts != 1)
            return rv == APR_SUCCESS ? APR_EGENERAL : rv;
        row = APR_ARRAY_IDX(rows, 0, const char *const *);
        if (apr_atoi64(row[0]) == 0 || apr_atoi64(row[1]) >= before) {
            ledger->retained = 0; /* at the end: from the start, next time */
            return APR_SUCCESS;
        }
        args[1] = row[0];
        rv = mod_scep_database_query(ledger->database, SCEP_LEDGER_RETAIN,
                                     args, SCEP_DATABASE_AGAIN, &changed, p);
        if (rv != APR_SUCCESS)
            return rv;
        ledger->retained = apr_atoi64(row[0]);
        *deleted += changed;
    }
    return APR_SUCCESS;
}

apr_status_t mod_scep_ledger_retain(scep_ledger_t *ledger, apr_time_t before,
                                    apr_time_t now, int *deleted,
                                    apr_pool_t *p)
{
    const char *time = mod_scep_ledger_number(before, p);
    const char *limit = apr_itoa(p, TOGETHER);
    const char *events[] = { time, limit, NULL };
    const char *certificates[] = { time, mod_scep_ledger_number(now, p), limit,
                                   NULL };
    int changed = 0, gone = 0;
    apr_status_t rv =
        mod_scep_database_query(ledger->database, SCEP_LEDGER_RETAIN_CERT,
                                certificates, SCEP_DATABASE_AGAIN, &changed,
                                p);

    if (rv == APR_SUCCESS)
        rv = retain_enrolments(ledger, before, &gone, p);
    gone += changed;
    if (rv == APR_SUCCESS) {
        changed = 0;
        rv =
            mod_scep_database_query(ledger->database, SCEP_LEDGER_RETAIN_EVENT,
                                    events, SCEP_DATABASE_AGAIN, &changed, p);
        gone += changed;
    }
    if (rv == APR_SUCCESS)
        *deleted = gone;
    return rv;
}
