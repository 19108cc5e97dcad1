/* ledger_sql.c - the ledger in SQL: tables and statements
 * SPDX-License-Identifier: Apache-2.0
 *
 * Texts for mod_scep_sql_fill().  SQLite's driver binds every parameter as
 * text, which becomes a number only where it is compared with a column; so a
 * filter by number is a range of a column, and nothing else.
 */
#include "ledger_sql.h"

#include <apr_strings.h>

#include "sql_text.h"

#define N "%lld"
/* Of PostgreSQL's locks that have no object; the number means nothing. */
#define MIGRATION_LOCK "7297320145"

/* An event and a certificate have their enrolment's number: by its key, which
 * is a digest and may be anywhere, each would change a page of an index more.
 * What has no enrolment here is rare, and found by what it says. */
#define RECORD_OF "coalesce((SELECT number FROM @enrolment WHERE key = %s), 0)"

/* What an index is for stands with the statement that uses it.  An enrolment
 * is not at its end below state 16. */
#define PENDING "state < 16"
#define TO_DO "(state < 16 OR settled = 0)"

static const char *const version_1[] = {
    "CREATE TABLE @enrolment (number ^, "
    "key TEXT# NOT NULL UNIQUE, "
    "profile TEXT# NOT NULL, "
    "ca TEXT# NOT NULL, "
    "transaction_id TEXT# NOT NULL, "
    "signer TEXT# NOT NULL, "
    "spki TEXT# NOT NULL, "
    "names TEXT# NOT NULL, "
    "device TEXT# NOT NULL, "
    "type BIGINT NOT NULL, "
    "csr TEXT# NOT NULL, "
    "subject TEXT# NOT NULL, "
    "sans TEXT# NOT NULL, "
    "address TEXT# NOT NULL, "
    "verifier TEXT# NOT NULL, "
    "granted TEXT# NOT NULL, "
    "verified_by TEXT# NOT NULL, "
    "requester TEXT# NOT NULL, "
    "renews TEXT# NOT NULL, "
    "created BIGINT NOT NULL, "
    "state BIGINT NOT NULL, "
    "handle TEXT# NOT NULL, "
    "serial TEXT# NOT NULL, "
    "reason TEXT# NOT NULL, "
    "fail_info BIGINT NOT NULL, "
    "detail TEXT# NOT NULL, "
    "settled BIGINT NOT NULL, "
    "tries BIGINT NOT NULL, "
    "due BIGINT NOT NULL, "
    "approvals TEXT# NOT NULL, "
    "submitted BIGINT NOT NULL, "
    "updated BIGINT NOT NULL, "
    "token TEXT# NOT NULL, "
    "lease BIGINT NOT NULL, "
    "change TEXT# NOT NULL)",
    "CREATE INDEX @enrolment_signer ON @enrolment (signer, transaction_id)",
    "CREATE INDEX @enrolment_pending ON @enrolment (signer) WHERE " PENDING,
    "CREATE INDEX @enrolment_due ON @enrolment (due) WHERE " TO_DO,
    "CREATE INDEX @enrolment_challenge ON @enrolment (verified_by, number)",

    "CREATE TABLE @certificate (number ^, "
    "record BIGINT NOT NULL, "
    "serial TEXT# NOT NULL, "
    "ca TEXT# NOT NULL, "
    "profile TEXT# NOT NULL, "
    "enrolment TEXT# NOT NULL, "
    "subject TEXT# NOT NULL, "
    "sans TEXT# NOT NULL, "
    "device TEXT# NOT NULL, "
    "names TEXT# NOT NULL, "
    "spki TEXT# NOT NULL, "
    "der TEXT# NOT NULL, "
    "not_before BIGINT NOT NULL, "
    "not_after BIGINT NOT NULL, "
    "state BIGINT NOT NULL, "
    "reason BIGINT NOT NULL, "
    "changed BIGINT NOT NULL, "
    "due BIGINT NOT NULL, "
    "successor TEXT# NOT NULL, "
    "UNIQUE (serial, ca))",
    "CREATE INDEX @certificate_names ON @certificate (names)",
    "CREATE INDEX @certificate_spki ON @certificate (spki)",
    "CREATE INDEX @certificate_expiry ON @certificate (not_after)",
    "CREATE INDEX @certificate_due ON @certificate (due) WHERE state = 3",

    /* no NOT NULL: for several rows at once SQLite would keep a copy of each
     * page, in case that the last one fails */
    "CREATE TABLE @event (number ^, "
    "time BIGINT, "
    "type BIGINT, "
    "profile TEXT#, "
    "actor TEXT#, "
    "address TEXT#, "
    "challenge TEXT#, "
    "enrolment TEXT#, "
    "ca TEXT#, "
    "ca_request TEXT#, "
    "serial TEXT#, "
    "detail TEXT#, "
    "record BIGINT, "
    "seal BIGINT DEFAULT 0)",
    "CREATE INDEX @event_record ON @event (record, number) "
    "WHERE record > 0",
    "CREATE INDEX @event_enrolment ON @event (enrolment, number) "
    "WHERE record = 0 AND enrolment <> ''",
    "CREATE INDEX @event_challenge ON @event (challenge, number) "
    "WHERE record = 0 AND challenge <> ''",
    "CREATE INDEX @event_serial ON @event (serial, number) "
    "WHERE record = 0 AND serial <> ''",
    "CREATE INDEX @event_unsealed ON @event (seal, number) WHERE seal = 0",

    "CREATE TABLE @seal (number BIGINT NOT NULL PRIMARY KEY, "
    "time BIGINT NOT NULL, "
    "count BIGINT NOT NULL, "
    "leaves TEXT# NOT NULL, "
    "root TEXT# NOT NULL, "
    "previous TEXT# NOT NULL, "
    "certificate TEXT# NOT NULL, "
    "signature TEXT# NOT NULL)",

    "CREATE TABLE @duty (name TEXT# NOT NULL PRIMARY KEY, "
    "node TEXT# NOT NULL, "
    "expires BIGINT NOT NULL)",
    NULL,
};

/* What stands here has run somewhere, and is never changed. */
const char *const *const mod_scep_ledger_migrations[] = { version_1, NULL };

/* ------------------------------------------------------------------ */
/* Statements                                                           */

#define RECORD_1                                                              \
    "number, key, profile, ca, transaction_id, signer, spki, names, device, " \
    "type, "
#define RECORD_2                                                              \
    "subject, sans, address, verifier, granted, verified_by, requester, "     \
    "renews, created, state, handle, serial, reason, fail_info, detail, "     \
    "settled, tries, due, approvals, submitted, updated, token, lease"
#define RECORD RECORD_1 "csr, " RECORD_2
#define RECORD_WITHOUT_CSR RECORD_1 "'' AS csr, " RECORD_2

#define RECORD_FILTER "number > " N " AND number < " N RECORD_FILTER_REST
#define RECORD_FILTER_REST                                                    \
    " AND (%s = '' OR profile = %s) AND state >= " N " AND state <= " N       \
    " AND lower(subject) LIKE %s ESCAPE '!' AND created >= " N

#define CERT_1                                                                \
    "number, serial, ca, profile, enrolment, subject, sans, device, names, "  \
    "spki, "
#define CERT_2 "not_before, not_after, state, reason, changed, due, successor"
#define CERT CERT_1 "der, " CERT_2
#define CERT_LIST "SELECT " CERT_1 "'' AS der, " CERT_2 " FROM @certificate "
#define CERT_FILTER                                                           \
    " AND (%s = '' OR profile = %s) AND state >= " N " AND state <= " N       \
    " AND lower(subject) LIKE %s ESCAPE '!' AND (%s = '' OR device = %s) "
/* PostgreSQL plans without a look at the numbers, and takes any range for a
 * short one: the sums keep it from going through a whole index. */
#define AS_NUMBER "CAST(" N " AS BIGINT)"
#define CERT_FILTER_EXPIRY                                                    \
    CERT_FILTER "AND not_after + 0 < " AS_NUMBER                              \
                " AND not_after + 0 >= " AS_NUMBER
#define CERT_FILTER_ONE                                                       \
    "number + 0 > " AS_NUMBER                                                 \
    " AND number + 0 < " AS_NUMBER CERT_FILTER_EXPIRY                         \
    " ORDER BY number + 0 DESC LIMIT " N

#define EVENT                                                                 \
    "number, time, type, profile, actor, address, challenge, enrolment, ca, " \
    "ca_request, serial, detail, seal"
#define EVENT_LIST "SELECT " EVENT " FROM @event WHERE "
#define EVENT_FILTER                                                          \
    "number > " N " AND number < " N                                          \
    " AND (%s = '' OR profile = %s) AND type >= " N " AND type <= " N         \
    " AND time >= " N " AND seal >= " N " AND seal <= " N " "
#define EVENT_TEXTS                                                           \
    "AND (%s = '' OR enrolment = %s) AND (%s = '' OR serial = %s) "           \
    "AND (%s = '' OR challenge = %s) "
#define UP "ORDER BY number LIMIT " N
#define DOWN "ORDER BY number DESC LIMIT " N

/* Of some enrolments, and of none */
#define EVENT_BOTH(records, condition)                                        \
    EVENT_LIST "record IN (" records ") AND record > 0 AND " EVENT_FILTER     \
               "UNION ALL " EVENT_LIST "record = 0 AND " condition            \
               " AND " EVENT_FILTER
#define EVENTS_OF_ENROLMENT                                                   \
    EVENT_BOTH("SELECT number FROM @enrolment WHERE key = %s",                \
               "enrolment = %s AND enrolment <> ''")
#define EVENTS_OF_SERIAL                                                      \
    EVENT_LIST "record IN (SELECT record FROM @certificate "                  \
               "WHERE serial = %s) AND record > 0 AND serial = %s "           \
               "AND " EVENT_FILTER "UNION ALL " EVENT_LIST                    \
               "record = 0 AND serial = %s AND serial <> '' "                 \
               "AND " EVENT_FILTER
#define EVENTS_OF_CHALLENGE                                                   \
    EVENT_BOTH("SELECT number FROM @enrolment WHERE verified_by = %s",        \
               "challenge = %s AND challenge <> ''")

#define EVENT_ADD                                                             \
    "INSERT INTO @event (time, type, profile, actor, address, challenge, "    \
    "enrolment, ca, ca_request, serial, detail, record) VALUES "
#define EVENT_VALUES                                                          \
    "(" N ", " N ", %s, %s, %s, %s, %s, %s, %s, %s, %s, " RECORD_OF ")"

#define SPAN_OF(table)                                                        \
    "SELECT coalesce((SELECT min(number) FROM " table " WHERE number >= " N   \
    "), 1), coalesce((SELECT max(number) FROM " table " WHERE number <= " N   \
    "), 0)"

static const char *const statements[SCEP_LEDGER_STATEMENTS] = {
    /* enrolment_signer, and for other transactionIDs enrolment_pending:
     * a signer may have had any number, but few under way */
    [SCEP_LEDGER_SEEN] =
        "SELECT " RECORD_WITHOUT_CSR " FROM @enrolment "
        "WHERE signer = %s AND transaction_id = %s AND profile = %s "
        "UNION ALL SELECT " RECORD_WITHOUT_CSR " FROM @enrolment "
        "WHERE signer = %s AND " PENDING
        " AND transaction_id <> %s AND profile = %s "
        "ORDER BY number DESC LIMIT 100",
    /* who has it under this name, later, is the new one; and one that this
     * very call has written, its answer lost, stays */
    [SCEP_LEDGER_REVIVE] = "UPDATE @enrolment SET key = key || '.' || number "
                           "WHERE key = %s AND state >= 16 AND change <> %s",
    [SCEP_LEDGER_RECEIVE] =
        "INSERT INTO @enrolment (key, profile, ca, transaction_id, signer, "
        "spki, names, device, type, csr, " RECORD_2 ", change) VALUES (%s, "
        "%s, %s, %s, %s, %s, %s, %s, " N
        ", %s, %s, %s, %s, %s, %s, %s, %s, %s, " N ", " N ", %s, %s, %s, " N
        ", %s, " N ", " N ", " N ", %s, " N ", " N ", %s, " N
        ", %s) ON CONFLICT DO NOTHING",
    /* the PKCS#10 has the challengePassword in it: it goes when it is no
     * longer needed */
    [SCEP_LEDGER_UPDATE] =
        "UPDATE @enrolment SET state = " N ", handle = %s, serial = %s, "
        "reason = %s, fail_info = " N ", detail = %s, settled = " N
        ", tries = " N ", due = " N ", approvals = %s, submitted = " N
        ", updated = " N ", token = %s, lease = " N ", change = %s, "
        "csr = CASE WHEN %s = 'over' THEN '' ELSE csr END "
        "WHERE key = %s AND token = %s",
    /* one that has been taken already, its answer lost, knows its token */
    [SCEP_LEDGER_TAKE] = "UPDATE @enrolment SET token = %s, lease = " N
                         " WHERE key = %s AND (token = '' OR lease <= " N
                         " OR token = %s) RETURNING " RECORD,
    /* enrolment_due */
    [SCEP_LEDGER_DUE] =
        "SELECT key FROM @enrolment WHERE " TO_DO " AND due <= " N
        " AND (token = '' OR lease <= " N ") ORDER BY due LIMIT " N,
    [SCEP_LEDGER_GET] = "SELECT " RECORD " FROM @enrolment WHERE key = %s",
    [SCEP_LEDGER_WRITTEN] =
        "SELECT token, change FROM @enrolment WHERE key = %s",
    [SCEP_LEDGER_SPAN] = SPAN_OF("@enrolment"),
    [SCEP_LEDGER_TIME] = "SELECT number, created FROM @enrolment "
                         "WHERE number >= " N " ORDER BY number LIMIT 1",
    [SCEP_LEDGER_LIST] = "SELECT " RECORD_WITHOUT_CSR
                         " FROM @enrolment WHERE " RECORD_FILTER " " DOWN,
    /* enrolment_pending: the sums keep SQLite from going by number through
     * all that have ended */
    [SCEP_LEDGER_LIST_PENDING] =
        "SELECT " RECORD_WITHOUT_CSR " FROM @enrolment WHERE " PENDING
        " AND number + 0 > CAST(" N " AS BIGINT) AND number + 0 < CAST(" N
        " AS BIGINT)" RECORD_FILTER_REST " ORDER BY number + 0 DESC LIMIT " N,
    [SCEP_LEDGER_FEW] = "SELECT count(*) FROM (SELECT 1 FROM @enrolment "
                        "WHERE verified_by = %s LIMIT 1000) AS few",
    [SCEP_LEDGER_LIST_CHALLENGE] =
        "SELECT " RECORD_WITHOUT_CSR
        " FROM @enrolment WHERE verified_by = %s AND " RECORD_FILTER " " DOWN,
    /* enrolment_pending; who has more than these waiting knows enough */
    [SCEP_LEDGER_WAITING] =
        "SELECT state, count(*) FROM (SELECT state FROM @enrolment "
        "WHERE " PENDING " LIMIT 100000) AS waiting GROUP BY state",

    [SCEP_LEDGER_CERT_ADD] =
        "INSERT INTO @certificate (record, serial, ca, profile, enrolment, "
        "subject, sans, device, names, spki, der, " CERT_2 ") "
        "VALUES (" RECORD_OF ", %s, %s, %s, %s, "
        "%s, %s, %s, %s, %s, %s, " N ", " N ", " N ", " N ", " N ", " N
        ", %s) ON CONFLICT DO NOTHING",
    [SCEP_LEDGER_CERT_GET] =
        "SELECT " CERT " FROM @certificate WHERE serial = %s AND ca = %s",
    [SCEP_LEDGER_CERT_ANY] =
        "SELECT " CERT " FROM @certificate WHERE serial = %s",
    [SCEP_LEDGER_CERT_CHANGE] =
        "UPDATE @certificate SET state = " N ", reason = " N ", changed = " N
        ", due = " N ", successor = %s WHERE serial = %s AND ca = %s "
        "AND state = " N,
    [SCEP_LEDGER_CERT_DUE] =
        "SELECT " CERT " FROM @certificate "
        "WHERE state = 3 AND due <= " N " ORDER BY due LIMIT " N,
    [SCEP_LEDGER_CERT_NAMES] =
        "SELECT count(*) FROM @certificate WHERE names = %s "
        "AND profile = %s AND state = 0 AND not_after > " N,
    [SCEP_LEDGER_CERT_KEY] =
        "SELECT count(*) FROM @certificate WHERE spki = %s "
        "AND names <> %s AND state = 0 AND not_after > " N,
    [SCEP_LEDGER_CERT_SPAN] = SPAN_OF("@certificate"),
    [SCEP_LEDGER_CERT_FEW] =
        "SELECT count(*) FROM (SELECT 1 FROM @certificate "
        "WHERE not_after >= " N " AND not_after < " N
        " LIMIT " APR_STRINGIFY(SCEP_LEDGER_CERT_FEW_MOST) ") AS few",
    [SCEP_LEDGER_CERT_LIST] = CERT_LIST
    "WHERE number > " N " AND number < " N CERT_FILTER_EXPIRY " " DOWN,
    /* certificate_expiry, for few */
    [SCEP_LEDGER_CERT_LIST_EXPIRY] =
        CERT_LIST "WHERE number IN (SELECT number FROM @certificate "
                  "WHERE not_after >= " N " AND not_after < " N
                  ") AND number > " N " AND number < " N CERT_FILTER
                  "AND not_after < " N " AND not_after >= " N " " DOWN,
    [SCEP_LEDGER_CERT_LIST_SERIAL] =
        CERT_LIST "WHERE serial = %s AND " CERT_FILTER_ONE,
    [SCEP_LEDGER_CERT_LIST_ENROLMENT] =
        CERT_LIST "WHERE (serial, ca) IN (SELECT serial, ca FROM @enrolment "
                  "WHERE key = %s) AND " CERT_FILTER_ONE,

    [SCEP_LEDGER_EVENT_1] = EVENT_ADD EVENT_VALUES,
    [SCEP_LEDGER_EVENT_2] = EVENT_ADD EVENT_VALUES ", " EVENT_VALUES,
    [SCEP_LEDGER_EVENT_3] =
        EVENT_ADD EVENT_VALUES ", " EVENT_VALUES ", " EVENT_VALUES,
    [SCEP_LEDGER_EVENT_4] = EVENT_ADD EVENT_VALUES
    ", " EVENT_VALUES ", " EVENT_VALUES ", " EVENT_VALUES,
    [SCEP_LEDGER_EVENT_SPAN] = SPAN_OF("@event"),
    [SCEP_LEDGER_EVENT_TIME] = "SELECT number, time FROM @event "
                               "WHERE number >= " N " ORDER BY number LIMIT 1",
    [SCEP_LEDGER_EVENT_LIST] = EVENT_LIST EVENT_FILTER EVENT_TEXTS UP,
    [SCEP_LEDGER_EVENT_LIST_BACK] = EVENT_LIST EVENT_FILTER EVENT_TEXTS DOWN,
    /* event_unsealed */
    [SCEP_LEDGER_EVENT_UNSEALED] = EVENT_LIST "seal = 0 AND " EVENT_FILTER UP,
    [SCEP_LEDGER_EVENT_UNSEALED_BACK] =
        EVENT_LIST "seal = 0 AND " EVENT_FILTER DOWN,
    /* event_record, and the one of the same name */
    [SCEP_LEDGER_EVENT_ENROLMENT] = EVENTS_OF_ENROLMENT UP,
    [SCEP_LEDGER_EVENT_ENROLMENT_BACK] = EVENTS_OF_ENROLMENT DOWN,
    [SCEP_LEDGER_EVENT_SERIAL] = EVENTS_OF_SERIAL UP,
    [SCEP_LEDGER_EVENT_SERIAL_BACK] = EVENTS_OF_SERIAL DOWN,
    [SCEP_LEDGER_EVENT_CHALLENGE] = EVENTS_OF_CHALLENGE UP,
    [SCEP_LEDGER_EVENT_CHALLENGE_BACK] = EVENTS_OF_CHALLENGE DOWN,

    [SCEP_LEDGER_SEAL] =
        "INSERT INTO @seal (number, time, count, leaves, root, previous, "
        "certificate, signature) VALUES (" N ", " N ", " N
        ", %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
    [SCEP_LEDGER_SEAL_RUN] =
        "UPDATE @event SET seal = " N " WHERE number >= " N " AND number <= " N
        " AND seal = 0",
    [SCEP_LEDGER_SEALS] =
        "SELECT number, time, count, leaves, root, previous, certificate, "
        "signature FROM @seal WHERE number > " N " " UP,
    [SCEP_LEDGER_SEALS_LAST] =
        "SELECT number, time, count, leaves, root, previous, certificate, "
        "signature FROM @seal " DOWN,

    [SCEP_LEDGER_DUTY] =
        "INSERT INTO @duty (name, node, expires) VALUES (%s, %s, " N
        ") ON CONFLICT (name) DO UPDATE SET node = excluded.node, "
        "expires = excluded.expires WHERE @duty.node = excluded.node "
        "OR @duty.expires <= " N,
    /* The oldest are the first: it never looks at more. */
    [SCEP_LEDGER_RETAIN_EVENT] =
        "DELETE FROM @event WHERE seal > 0 AND time < " N
        " AND number IN (SELECT number FROM @event ORDER BY number LIMIT " N
        ")",
    [SCEP_LEDGER_RETAIN_WINDOW] =
        "SELECT coalesce(max(number), 0), coalesce(min(created), 0) FROM "
        "(SELECT number, created FROM @enrolment WHERE number > " N
        " ORDER BY number LIMIT " N ") AS these",
    [SCEP_LEDGER_RETAIN] =
        "DELETE FROM @enrolment WHERE number > " N " AND number <= " N
        " AND state >= 16 AND settled = 1 AND updated < " N
        " AND NOT EXISTS (SELECT 1 FROM @certificate WHERE "
        "@certificate.serial = @enrolment.serial "
        "AND @certificate.ca = @enrolment.ca)",
    [SCEP_LEDGER_RETAIN_CERT] =
        "DELETE FROM @certificate WHERE number IN (SELECT number "
        "FROM @certificate WHERE not_after < " N " AND not_after < " N
        " ORDER BY not_after LIMIT " N ")",
};

const char *mod_scep_ledger_statement(scep_ledger_statement_t statement,
                                      const char *prefix, int pgsql,
                                      apr_pool_t *p)
{
    return mod_scep_sql_fill(statements[statement], prefix, pgsql, "", p);
}

/* The challenge store may have a table of this name, too. */

const char *mod_scep_ledger_make_meta(const char *prefix, apr_pool_t *p)
{
    return mod_scep_sql_fill("CREATE TABLE IF NOT EXISTS @meta ("
                             "name VARCHAR(16) NOT NULL PRIMARY KEY, "
                             "value VARCHAR(64) NOT NULL)",
                             prefix, 0, "", p);
}

const char *mod_scep_ledger_read_version(const char *prefix, apr_pool_t *p)
{
    return mod_scep_sql_fill("SELECT value FROM @meta WHERE name = 'ledger'",
                             prefix, 0, "", p);
}

const char *mod_scep_ledger_write_version(const char *prefix, int version,
                                          apr_pool_t *p)
{
    return mod_scep_sql_fill("INSERT INTO @meta (name, value) "
                             "VALUES ('ledger', '$') ON CONFLICT (name) "
                             "DO UPDATE SET value = excluded.value",
                             prefix, 0, apr_itoa(p, version), p);
}

const char *mod_scep_ledger_lock(int pgsql)
{
    return pgsql ? "SELECT pg_advisory_xact_lock(" MIGRATION_LOCK ")" : NULL;
}
