/* challenge_dbd.c - challenge store "dbd": tables that nodes share
 * SPDX-License-Identifier: Apache-2.0
 *
 * Every change is one conditional statement, so it does not matter which
 * process of which node makes it.
 */
#include "challenge_dbd.h"

#include <apr_strings.h>
#include <openssl/err.h>
#include <openssl/rand.h>

#include <stdlib.h>

#include "providers.h"

/* How long a row outlives its expiry, so that the log can say so. */
#define KEPT apr_time_from_sec(3600)
#define PURGE_EVERY apr_time_from_sec(60)
#define PURGE_RETRY apr_time_from_sec(5)

/* What a claim is of, in its token[1]. */
enum { OF_REUSABLE = 0, OF_ONE, OF_SEVERAL };

/* ------------------------------------------------------------------ */
/* Devices                                                              */

static const char *new_token(apr_uint64_t *number, apr_pool_t *p)
{
    if (RAND_bytes((unsigned char *)number, sizeof(*number)) != 1) {
        ERR_clear_error();
        return NULL;
    }
    return apr_psprintf(p, "%016" APR_UINT64_T_HEX_FMT, *number);
}

/* @return APR_NOTFOUND where no row has it */
static apr_status_t find(scep_challenge_dbd_t *store,
                         scep_sql_statement_t statement, const char *key,
                         apr_time_t now, scep_sql_row_t *row, apr_pool_t *p)
{
    const char *args[] = { key, NULL };
    apr_array_header_t *rows;
    apr_status_t rv =
        mod_scep_database_select(store->database, (int)statement, args,
                                 SCEP_DATABASE_AGAIN, &rows, p);

    if (rv != APR_SUCCESS)
        return rv;
    if (rows->nelts != 1)
        return APR_NOTFOUND;
    mod_scep_sql_row(row, APR_ARRAY_IDX(rows, 0, const char *const *), now);
    return APR_SUCCESS;
}

static apr_status_t dbd_issue(void *storev, const scep_challenge_spec_t *spec,
                              char id[SCEP_CHALLENGE_ID_SIZE], apr_pool_t *p)
{
    scep_challenge_dbd_t *store = storev;
    const char *args[SCEP_DATABASE_ARGS];
    apr_uint64_t number;
    const char *token = new_token(&number, p);
    scep_sql_row_t row;
    int changed = 0;
    apr_status_t rv;

    if (!token || !mod_scep_sql_issue(args, store->key, spec, token, p))
        return APR_EGENERAL;
    rv = mod_scep_database_query(store->database, SCEP_SQL_ISSUE, args,
                                 SCEP_DATABASE_AGAIN, &changed, p);
    if (rv == APR_SUCCESS && changed == 0) {
        /* there before, or put there by a first try whose answer was lost */
        rv = find(store, SCEP_SQL_GET, args[0], spec->created, &row, p);
        if (rv == APR_NOTFOUND ||
            (rv == APR_SUCCESS && strcmp(row.token, token)))
            rv = APR_EEXIST;
    }
    if (rv == APR_SUCCESS)
        apr_cpystrn(id, args[0], SCEP_CHALLENGE_ID_SIZE);
    return rv;
}

static scep_challenge_outcome_t judge(scep_challenge_dbd_t *store,
                                      const scep_sql_facts_t *facts,
                                      apr_time_t now,
                                      char id[SCEP_CHALLENGE_ID_SIZE],
                                      apr_pool_t *p)
{
    scep_sql_row_t row;
    apr_status_t rv = find(store, SCEP_SQL_FIND, facts->mac, now, &row, p);

    if (rv != APR_SUCCESS)
        return rv == APR_NOTFOUND ? SCEP_CHALLENGE_NOT_FOUND
                                  : SCEP_CHALLENGE_ERROR;
    apr_cpystrn(id, row.info.id, SCEP_CHALLENGE_ID_SIZE);
    return mod_scep_sql_judge(&row, facts);
}

static scep_challenge_outcome_t dbd_claim(
    void *storev, const char *secret, const scep_challenge_facts_t *request,
    apr_time_t now, apr_interval_time_t lease, scep_challenge_claim_t *claim,
    apr_pool_t *p)
{
    scep_challenge_dbd_t *store = storev;
    const char *args[SCEP_DATABASE_ARGS], *const *columns, *token;
    apr_array_header_t *rows;
    scep_sql_facts_t facts;
    scep_challenge_outcome_t outcome;

    *claim->id = '\0';
    token = new_token(&claim->token[0], p);
    if (!token || !mod_scep_sql_facts(&facts, store->key, secret, request, p))
        return SCEP_CHALLENGE_ERROR;
    mod_scep_sql_claim(args, &facts, token, now, lease, p);
    if (mod_scep_database_select(store->database, SCEP_SQL_CLAIM, args,
                                 SCEP_DATABASE_AGAIN, &rows, p) != APR_SUCCESS)
        return SCEP_CHALLENGE_ERROR;
    if (rows->nelts == 1) {
        int uses;

        columns = APR_ARRAY_IDX(rows, 0, const char *const *);
        uses = atoi(columns[1]);
        apr_cpystrn(claim->id, columns[0], sizeof(claim->id));
        claim->token[1] = uses > 1 ? OF_SEVERAL : uses ? OF_ONE : OF_REUSABLE;
        claim->once = uses == 1;
        return SCEP_CHALLENGE_CLAIMED;
    }
    outcome = judge(store, &facts, now, claim->id, p);
    /* released since: the device may come again */
    return outcome == SCEP_CHALLENGE_CLAIMED ? SCEP_CHALLENGE_BUSY : outcome;
}

static scep_challenge_outcome_t dbd_check(
    void *storev, const char *secret, const scep_challenge_facts_t *request,
    apr_time_t now, char id[SCEP_CHALLENGE_ID_SIZE], apr_pool_t *p)
{
    scep_challenge_dbd_t *store = storev;
    scep_sql_facts_t facts;

    *id = '\0';
    return mod_scep_sql_facts(&facts, store->key, secret, request, p)
               ? judge(store, &facts, now, id, p)
               : SCEP_CHALLENGE_ERROR;
}

/* @return APR_EGENERAL where no row was as the claim says; APR_EAGAIN where
 *         the database does not work: no reason for a device to give up */
static apr_status_t change_claimed(scep_challenge_dbd_t *store,
                                   scep_sql_statement_t statement,
                                   scep_again_t again, const char *args[],
                                   apr_pool_t *p)
{
    int changed = 0;
    apr_status_t rv = mod_scep_database_query(store->database, (int)statement,
                                              args, again, &changed, p);

    if (rv != APR_SUCCESS)
        return APR_EAGAIN;
    return changed == 1 ? APR_SUCCESS : APR_EGENERAL;
}

/* What a row has in its token while the claim stands; NULL of a shared one,
 * which ends the parameters. */
static const char *token_of(const scep_challenge_claim_t *claim, apr_pool_t *p)
{
    return claim->token[1] == OF_ONE
               ? apr_psprintf(p, "%016" APR_UINT64_T_HEX_FMT, claim->token[0])
               : NULL;
}

static apr_status_t end(scep_challenge_dbd_t *store,
                        scep_sql_statement_t statement, scep_again_t again,
                        const scep_challenge_claim_t *claim, apr_pool_t *p)
{
    const char *args[] = { claim->id, token_of(claim, p), NULL };

    return change_claimed(store, statement, again, args, p);
}

static apr_status_t dbd_commit(void *storev,
                               const scep_challenge_claim_t *claim,
                               apr_pool_t *p)
{
    switch (claim->token[1]) {
    case OF_ONE:
        return end(storev, SCEP_SQL_COMMIT_ONE, SCEP_DATABASE_AGAIN, claim, p);
    case OF_SEVERAL:
        return end(storev, SCEP_SQL_COMMIT_SEVERAL, SCEP_DATABASE_ONCE, claim,
                   p);
    case OF_REUSABLE:
        return end(storev, SCEP_SQL_COMMIT_REUSABLE, SCEP_DATABASE_AGAIN,
                   claim, p);
    default:
        return APR_EINVAL;
    }
}

static apr_status_t dbd_release(void *storev,
                                const scep_challenge_claim_t *claim,
                                apr_pool_t *p)
{
    switch (claim->token[1]) {
    case OF_ONE:
        return end(storev, SCEP_SQL_RELEASE_ONE, SCEP_DATABASE_AGAIN, claim,
                   p);
    case OF_SEVERAL:
        /* twice would give back a use of somebody else */
        return end(storev, SCEP_SQL_RELEASE_SEVERAL, SCEP_DATABASE_ONCE, claim,
                   p);
    case OF_REUSABLE:
        return APR_SUCCESS;
    default:
        return APR_EINVAL;
    }
}

/* The claim is what it was: only its own token ends it. */
static apr_status_t dbd_hold(void *storev, scep_challenge_claim_t *claim,
                             apr_time_t until, apr_pool_t *p)
{
    const char *lease = mod_scep_sql_time(until, p);
    const char *args[] = { lease, lease, lease, claim->id, token_of(claim, p),
                           NULL };

    if (claim->token[1] > OF_SEVERAL)
        return APR_EINVAL;
    return change_claimed(storev,
                          claim->token[1] == OF_ONE ? SCEP_SQL_HOLD_ONE
                                                    : SCEP_SQL_HOLD_SHARED,
                          SCEP_DATABASE_AGAIN, args, p);
}

/* ------------------------------------------------------------------ */
/* Administrators                                                       */

static int is_live(scep_challenge_state_t state)
{
    return state == SCEP_CHALLENGE_STATE_ISSUED ||
           state == SCEP_CHALLENGE_STATE_CLAIMED;
}

/* Changes one live row; the state says why none was. */
static apr_status_t change(scep_challenge_dbd_t *store,
                           scep_sql_statement_t statement, const char *args[],
                           const char *id, apr_time_t now,
                           apr_status_t refusal, apr_pool_t *p)
{
    scep_sql_row_t row;
    int changed = 0;
    apr_status_t rv =
        mod_scep_database_query(store->database, (int)statement, args,
                                SCEP_DATABASE_AGAIN, &changed, p);

    if (rv != APR_SUCCESS || changed == 1)
        return rv;
    rv = find(store, SCEP_SQL_GET, id, now, &row, p);
    if (rv != APR_SUCCESS)
        return rv;
    return is_live(row.info.state) ? refusal : APR_NOTFOUND;
}

static apr_status_t dbd_revoke(void *storev, const char *id, apr_time_t now,
                               apr_pool_t *p)
{
    const char *seconds = mod_scep_sql_time(now, p);
    const char *args[] = { id, seconds, seconds, NULL };

    return change(storev, SCEP_SQL_REVOKE, args, id, now, APR_EBUSY, p);
}

static apr_status_t dbd_extend(void *storev, const char *id,
                               apr_time_t expires, apr_time_t now,
                               apr_pool_t *p)
{
    const char *later = mod_scep_sql_time(expires, p);
    const char *args[] = { later, id, mod_scep_sql_time(now, p), later, NULL };

    return change(storev, SCEP_SQL_EXTEND, args, id, now, APR_EINVAL, p);
}

static void name_profile(scep_sql_row_t *row,
                         const apr_array_header_t *profiles, apr_pool_t *p)
{
    for (int i = 0; profiles && i < profiles->nelts; i++) {
        const char *name = APR_ARRAY_IDX(profiles, i, const char *);

        if (!strcmp(row->profile, mod_scep_sql_profile(name, p)))
            row->info.profile = name;
    }
}

static apr_status_t dbd_get(void *storev, const char *id, apr_time_t now,
                            const apr_array_header_t *profiles,
                            scep_challenge_info_t *info, apr_pool_t *p)
{
    scep_sql_row_t row;
    apr_status_t rv = find(storev, SCEP_SQL_GET, id, now, &row, p);

    if (rv != APR_SUCCESS)
        return rv;
    name_profile(&row, profiles, p);
    *info = row.info;
    return APR_SUCCESS;
}

/* A page at a time, so that memory does not grow with the table. */
static apr_status_t dbd_list(void *storev, apr_time_t now,
                             const apr_array_header_t *profiles,
                             const char *after,
                             int (*visit)(void *baton,
                                          const scep_challenge_info_t *info),
                             void *baton, apr_pool_t *p)
{
    scep_challenge_dbd_t *store = storev;
    char last[SCEP_CHALLENGE_ID_SIZE] = "";
    const char *args[] = { last, NULL };
    int stop = 0, count = SCEP_SQL_PAGE;
    apr_status_t rv = apr_pool_create(&p, p);

    if (after)
        apr_cpystrn(last, after, sizeof(last));
    while (rv == APR_SUCCESS && !stop && count == SCEP_SQL_PAGE) {
        apr_array_header_t *rows;

        apr_pool_clear(p);
        rv = mod_scep_database_select(store->database, SCEP_SQL_LIST, args,
                                      SCEP_DATABASE_AGAIN, &rows, p);
        count = rv == APR_SUCCESS ? rows->nelts : 0;
        for (int i = 0; i < count && !stop; i++) {
            scep_sql_row_t row;

            mod_scep_sql_row(&row, APR_ARRAY_IDX(rows, i, const char *const *),
                             now);
            name_profile(&row, profiles, p);
            apr_cpystrn(last, row.info.id, sizeof(last));
            stop = visit(baton, &row.info);
        }
    }
    apr_pool_destroy(p);
    return rv;
}

/* The first row of a statement that counts. */
static apr_status_t numbers(scep_challenge_dbd_t *store,
                            scep_sql_statement_t statement,
                            const char *const *args,
                            const char *const **columns, apr_pool_t *p)
{
    apr_array_header_t *rows;
    apr_status_t rv =
        mod_scep_database_select(store->database, (int)statement, args,
                                 SCEP_DATABASE_AGAIN, &rows, p);

    if (rv == APR_SUCCESS && rows->nelts != 1)
        rv = APR_EGENERAL;
    if (rv == APR_SUCCESS)
        *columns = APR_ARRAY_IDX(rows, 0, const char *const *);
    return rv;
}

static apr_status_t dbd_stats(void *storev, apr_time_t now,
                              scep_challenge_stats_t *stats, apr_pool_t *p)
{
    const char *args[] = { mod_scep_sql_time(now, p), NULL };
    const char *const *columns;
    apr_status_t rv = numbers(storev, SCEP_SQL_STATS, args, &columns, p);

    if (rv == APR_SUCCESS) {
        stats->capacity = 0;
        stats->live = (apr_uint64_t)apr_atoi64(columns[0]);
        stats->bytes = (apr_uint64_t)apr_atoi64(columns[1]);
    }
    return rv;
}

static apr_status_t dbd_count(void *storev, const char *requester,
                              apr_uint64_t limit, apr_time_t now,
                              apr_uint64_t *count, apr_pool_t *p)
{
    const char *args[] = { mod_scep_sql_requester(requester, p),
                           mod_scep_sql_time(now, p), NULL };
    const char *const *columns;
    apr_status_t rv = numbers(storev, SCEP_SQL_COUNT, args, &columns, p);

    (void)limit;
    if (rv == APR_SUCCESS)
        *count = (apr_uint64_t)apr_atoi64(columns[0]);
    return rv;
}

/* What fails here has been logged, and fails nobody. */
static apr_status_t dbd_maintain(void *storev, apr_time_t now, apr_pool_t *p)
{
    scep_challenge_dbd_t *store = storev;
    const char *args[] = { mod_scep_sql_time(now - KEPT, p),
                           mod_scep_sql_time(now, p), NULL };
    int changed = 0;

    if (now < store->purge && store->purge < now + 2 * PURGE_EVERY)
        return APR_SUCCESS;
    if (mod_scep_database_query(store->database, SCEP_SQL_PURGE, args,
                                SCEP_DATABASE_AGAIN, &changed,
                                p) != APR_SUCCESS)
        store->purge = now + PURGE_RETRY;
    else if (changed < SCEP_SQL_PURGE_MAX)
        store->purge = now + PURGE_EVERY;
    return APR_SUCCESS;
}

const scep_challenge_provider_t mod_scep_challenge_dbd = {
    .create = mod_scep_challenge_dbd_create,
    .open = mod_scep_challenge_dbd_open,
    .child_init = mod_scep_challenge_dbd_child_init,
    .issue = dbd_issue,
    .claim = dbd_claim,
    .commit = dbd_commit,
    .release = dbd_release,
    .revoke = dbd_revoke,
    .list = dbd_list,
    .stats = dbd_stats,
    .maintain = dbd_maintain,
    .extend = dbd_extend,
    .get = dbd_get,
    .check = dbd_check,
    .count = dbd_count,
    .hold = dbd_hold
};
