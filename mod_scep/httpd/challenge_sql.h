/* challenge_sql.h - challenges in SQL: tables, statements, rows
 * SPDX-License-Identifier: Apache-2.0
 *
 * The same statements serve PostgreSQL and SQLite.  Texts that come from
 * outside are digests or escaped, so the database's encoding does not
 * matter.
 */
#ifndef MOD_SCEP_CHALLENGE_SQL_H
#define MOD_SCEP_CHALLENGE_SQL_H

#include "challenge_digest.h"

#define SCEP_SQL_VERSION "1"

/** Statements with the order of their parameters. */
typedef enum {
    SCEP_SQL_ISSUE = 0,       /**< the columns of the table, in its order */
    SCEP_SQL_CLAIM,           /**< see scep_sql_facts_t */
    SCEP_SQL_FIND,            /**< mac; gives SCEP_SQL_ROW */
    SCEP_SQL_GET,             /**< id; ditto */
    SCEP_SQL_LIST,            /**< id before the first; ditto */
    SCEP_SQL_COMMIT_ONE,      /**< id, token */
    SCEP_SQL_RELEASE_ONE,     /**< id, token */
    SCEP_SQL_COMMIT_SEVERAL,  /**< id */
    SCEP_SQL_RELEASE_SEVERAL, /**< id */
    SCEP_SQL_COMMIT_REUSABLE, /**< id */
    SCEP_SQL_REVOKE,          /**< id, now, now */
    SCEP_SQL_EXTEND,          /**< expires, id, now, expires */
    SCEP_SQL_STATS,           /**< now; gives live, bytes */
    SCEP_SQL_COUNT,           /**< requester, now; gives live */
    SCEP_SQL_PURGE,           /**< expiry, end of lease */
    SCEP_SQL_HOLD_ONE,        /**< lease, three times, id, token */
    SCEP_SQL_HOLD_SHARED,     /**< lease, three times, id */
    SCEP_SQL_STATEMENTS
} scep_sql_statement_t;

/** Rows that SCEP_SQL_LIST gives at most. */
#define SCEP_SQL_PAGE 500
/** Rows that SCEP_SQL_PURGE takes at most. */
#define SCEP_SQL_PURGE_MAX 1000

/** The text of a statement for tables of this prefix. */
const char *mod_scep_sql_statement(scep_sql_statement_t statement,
                                   const char *prefix, int pgsql,
                                   apr_pool_t *p);

/** Statements without parameters: what makes the tables, in order. */
apr_array_header_t *mod_scep_sql_tables(const char *prefix, int pgsql,
                                        const char *key_id, apr_pool_t *p);

/** Reads the version and the key's id: rows of name and value. */
const char *mod_scep_sql_meta(const char *prefix, apr_pool_t *p);

/**
 * Parameters of SCEP_SQL_ISSUE.
 * @param token  tells the row from one that was there
 * @return zero where OpenSSL fails
 */
int mod_scep_sql_issue(const char *args[],
                       const unsigned char key[SCEP_TABLE_KEY_LEN],
                       const scep_challenge_spec_t *spec, const char *token,
                       apr_pool_t *p);

/** A request as rows are compared with it. */
typedef struct scep_sql_facts_t {
    const char *mac;
    const char *profile;
    const char *subject; /**< what no row has, where it is not known */
    const char *sans;
    const char *device[SCEP_CHALLENGE_DEVICES_MAX];
    const char *address;
} scep_sql_facts_t;

/** @return zero where OpenSSL fails */
int mod_scep_sql_facts(scep_sql_facts_t *facts,
                       const unsigned char key[SCEP_TABLE_KEY_LEN],
                       const char *secret,
                       const scep_challenge_facts_t *request, apr_pool_t *p);

/** Parameters of SCEP_SQL_CLAIM. */
void mod_scep_sql_claim(const char *args[], const scep_sql_facts_t *facts,
                        const char *token, apr_time_t now,
                        apr_interval_time_t lease, apr_pool_t *p);

/** One row, read. */
typedef struct scep_sql_row_t {
    scep_challenge_info_t info; /**< but for profile */
    const char *profile;        /**< as it is in the table */
    const char *subject, *sans, *device, *first, *last, *token;
} scep_sql_row_t;

void mod_scep_sql_row(scep_sql_row_t *row, const char *const *columns,
                      apr_time_t now);

/** What a row answers to a request. */
scep_challenge_outcome_t mod_scep_sql_judge(const scep_sql_row_t *row,
                                            const scep_sql_facts_t *facts);

/** A profile's name as it is in the table. */
const char *mod_scep_sql_profile(const char *name, apr_pool_t *p);

/** A requester's name as it is in the table. */
const char *mod_scep_sql_requester(const char *name, apr_pool_t *p);

/** A time as a parameter: whole seconds. */
const char *mod_scep_sql_time(apr_time_t time, apr_pool_t *p);

#endif
