/* challenge_sql.c - challenges in SQL: tables and statements
 * SPDX-License-Identifier: Apache-2.0
 */
#include "challenge_sql.h"

#include <apr_strings.h>

#include "sql_text.h"

/* Texts for mod_scep_sql_fill(). */

#define TIME "%lld"

/* state: 0 live, 1 spent, 2 revoked.  uses: 0 any number until it expires,
 * 1 once, more: so many; uses_free of them are nobody's, uses_open are not
 * committed.  An address is within a network if it is between its first and
 * last one. */
static const char *const tables[] = {
    "CREATE TABLE IF NOT EXISTS @challenge ("
    "id VARCHAR(16)# NOT NULL PRIMARY KEY, "
    "mac VARCHAR(64)# NOT NULL UNIQUE, "
    "profile VARCHAR(1024)# NOT NULL, "
    "subject VARCHAR(32)# NOT NULL, "
    "sans VARCHAR(32)# NOT NULL, "
    "device VARCHAR(32)# NOT NULL, "
    "net_first VARCHAR(32)# NOT NULL, "
    "net_last VARCHAR(32)# NOT NULL, "
    "requester VARCHAR(128)# NOT NULL, "
    "note VARCHAR(128)# NOT NULL, "
    "created BIGINT NOT NULL, "
    "expires BIGINT NOT NULL, "
    "uses BIGINT NOT NULL, "
    "uses_open BIGINT NOT NULL, "
    "uses_free BIGINT NOT NULL, "
    "state BIGINT NOT NULL DEFAULT 0, "
    "lease BIGINT NOT NULL DEFAULT 0, "
    "token VARCHAR(16)# NOT NULL DEFAULT '')",
    "CREATE INDEX IF NOT EXISTS @challenge_expires "
    "ON @challenge (expires)",
    "CREATE INDEX IF NOT EXISTS @challenge_requester "
    "ON @challenge (requester, state, expires)",
    "CREATE TABLE IF NOT EXISTS @meta ("
    "name VARCHAR(16) NOT NULL PRIMARY KEY, "
    "value VARCHAR(64) NOT NULL)",
    /* the last: until these are there, the tables are not */
    "INSERT INTO @meta (name, value) VALUES "
    "('version', '" SCEP_SQL_VERSION "'), ('key', '$') "
    "ON CONFLICT DO NOTHING",
};

#define ROW                                                                   \
    "id, state, created, expires, lease, requester, note, uses, uses_open, "  \
    "uses_free, profile, subject, sans, device, net_first, net_last, token"

static const char *const statements[SCEP_SQL_STATEMENTS] = {
    [SCEP_SQL_ISSUE] =
        "INSERT INTO @challenge (id, mac, profile, subject, sans, device, "
        "net_first, net_last, requester, note, created, expires, uses, "
        "uses_open, "
        "uses_free, token) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, "
        "%s, " TIME ", " TIME ", %lld, %lld, %lld, %s) ON CONFLICT DO NOTHING",
    /* The one place where a challenge is granted.  A statement that ran
     * already, its answer lost, knows its own token. */
    [SCEP_SQL_CLAIM] =
        "UPDATE @challenge SET "
        "lease = CASE WHEN uses = 1 THEN " TIME " ELSE lease END, "
        "token = CASE WHEN uses = 1 THEN %s ELSE token END, "
        "uses_free = CASE WHEN uses > 1 THEN uses_free - 1 "
        "ELSE uses_free END "
        "WHERE mac = %s AND state = 0 AND expires > " TIME " "
        "AND (uses = 0 OR (uses = 1 AND (lease <= " TIME " OR token = %s)) "
        "OR (uses > 1 AND uses_free > 0)) "
        "AND profile = %s "
        "AND (subject = '' OR subject = %s) "
        "AND (sans = '' OR sans = %s) "
        "AND (device = '' OR device IN (%s, %s, %s, %s, %s, %s, %s, %s)) "
        "AND net_first <= %s AND net_last >= %s "
        "RETURNING id, uses",
    [SCEP_SQL_FIND] = "SELECT " ROW " FROM @challenge WHERE mac = %s",
    [SCEP_SQL_GET] = "SELECT " ROW " FROM @challenge WHERE id = %s",
    [SCEP_SQL_LIST] = "SELECT " ROW " FROM @challenge WHERE id > %s "
                      "ORDER BY id LIMIT " APR_STRINGIFY(SCEP_SQL_PAGE),
    [SCEP_SQL_COMMIT_ONE] =
        "UPDATE @challenge SET state = 1, lease = 0, uses_open = 0, "
        "uses_free = 0 WHERE id = %s AND token = %s AND state <> 2 "
        "AND uses = 1",
    [SCEP_SQL_RELEASE_ONE] =
        "UPDATE @challenge SET lease = 0, token = '' "
        "WHERE id = %s AND token = %s AND state = 0 AND uses = 1",
    [SCEP_SQL_COMMIT_SEVERAL] =
        "UPDATE @challenge SET uses_open = uses_open - 1, "
        "state = CASE WHEN uses_open <= 1 THEN 1 ELSE 0 END "
        "WHERE id = %s AND state = 0 AND uses > 1 AND uses_free < uses_open",
    [SCEP_SQL_RELEASE_SEVERAL] =
        "UPDATE @challenge SET uses_free = uses_free + 1 "
        "WHERE id = %s AND state = 0 AND uses > 1 AND uses_free < uses_open",
    [SCEP_SQL_COMMIT_REUSABLE] = "UPDATE @challenge SET state = 0 "
                                 "WHERE id = %s AND state = 0 AND uses = 0",
    [SCEP_SQL_REVOKE] =
        "UPDATE @challenge SET state = 2, lease = 0 WHERE id = %s "
        "AND state = 0 AND expires > " TIME " AND (uses <> 1 OR lease <= " TIME
        ")",
    [SCEP_SQL_EXTEND] = "UPDATE @challenge SET expires = " TIME
                        " WHERE id = %s AND state = 0 AND expires > " TIME
                        " AND expires < " TIME,
    [SCEP_SQL_STATS] = NULL, /* below */
    [SCEP_SQL_COUNT] = "SELECT count(*) FROM @challenge WHERE requester = %s "
                       "AND state = 0 AND expires > " TIME,
    [SCEP_SQL_PURGE] =
        "DELETE FROM @challenge WHERE id IN (SELECT id FROM @challenge "
        "WHERE expires < " TIME " AND lease < " TIME " ORDER BY expires "
        "LIMIT " APR_STRINGIFY(SCEP_SQL_PURGE_MAX) ")",
#define HOLD                                                                  \
    "UPDATE @challenge SET lease = CASE WHEN expires > " TIME                 \
    " AND expires > lease THEN expires WHEN lease < " TIME " THEN " TIME      \
    " ELSE lease END WHERE id = %s AND state = 0 "
    [SCEP_SQL_HOLD_ONE] = HOLD "AND uses = 1 AND token = %s",
    /* a use has no lease: that the row is not purged before is all */
    [SCEP_SQL_HOLD_SHARED] = HOLD "AND uses <> 1",
};

static const char *const stats[2] = {
    "SELECT count(*), (SELECT page_count * page_size FROM "
    "pragma_page_count(), pragma_page_size()) FROM @challenge "
    "WHERE state = 0 AND expires > " TIME,
    "SELECT count(*), pg_total_relation_size('@challenge') FROM @challenge "
    "WHERE state = 0 AND expires > " TIME
};

const char *mod_scep_sql_statement(scep_sql_statement_t statement,
                                   const char *prefix, int pgsql,
                                   apr_pool_t *p)
{
    return mod_scep_sql_fill(statement == SCEP_SQL_STATS
                                 ? stats[!!pgsql]
                                 : statements[statement],
                             prefix, pgsql, "", p);
}

apr_array_header_t *mod_scep_sql_tables(const char *prefix, int pgsql,
                                        const char *key_id, apr_pool_t *p)
{
    apr_array_header_t *made = apr_array_make(p, 5, sizeof(const char *));

    for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
        APR_ARRAY_PUSH(made, const char *) =
            mod_scep_sql_fill(tables[i], prefix, pgsql, key_id, p);
    return made;
}

const char *mod_scep_sql_meta(const char *prefix, apr_pool_t *p)
{
    return mod_scep_sql_fill("SELECT name, value FROM @meta "
                             "WHERE name IN ('version', 'key')",
                             prefix, 0, "", p);
}
