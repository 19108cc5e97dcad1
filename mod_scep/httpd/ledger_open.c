/* ledger_open.c - the ledger: configuration, tables and their migrations
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ledger_sql.h"

#include <apr_strings.h>
#include <http_main.h>

#include <stdatomic.h>
#include <stdlib.h>

#include "sql_text.h"

/* ------------------------------------------------------------------ */
/* Tables                                                               */

/* @return the tables' version; 0: there are none; -1: it cannot be read */
static int read_version(const scep_ledger_t *ledger, scep_session_t *session,
                        apr_pool_t *p)
{
    apr_array_header_t *rows = mod_scep_session_select(
        session, mod_scep_ledger_read_version(ledger->prefix, p), p);

    if (!rows)
        return -1;
    return rows->nelts ? atoi(APR_ARRAY_IDX(rows, 0, const char *const *)[0])
                       : 0;
}

/* The version that the last migration leads to. */
static int known_version(const scep_ledger_t *ledger)
{
    int version = 0;

    while (ledger->migrations[version])
        version++;
    return version;
}

static int run_migration(const scep_ledger_t *ledger, int version,
                         scep_session_t *session, apr_pool_t *p)
{
    const char *const *text = ledger->migrations[version - 1];

    for (; *text; text++)
        if (mod_scep_session_query(session,
                                   mod_scep_sql_fill(*text, ledger->prefix,
                                                     ledger->setup.pgsql, "",
                                                     p)))
            return -1;
    return mod_scep_session_query(session,
                                  mod_scep_ledger_write_version(ledger->prefix,
                                                                version, p))
               ? -1
               : version;
}

/* One transaction: a node that dies in it leaves the tables as they were,
 * and who comes meanwhile waits and finds what it has made. */
static int migrate(const scep_ledger_t *ledger, scep_session_t *session,
                   apr_pool_t *p)
{
    const char *lock = mod_scep_ledger_lock(ledger->setup.pgsql);
    int version, known = known_version(ledger);

    if (lock && !mod_scep_session_select(session, lock, p))
        return -1;
    if (mod_scep_session_query(session,
                               mod_scep_ledger_make_meta(ledger->prefix, p)))
        return -1;
    version = read_version(ledger, session, p);
    while (version >= 0 && version < known)
        version = run_migration(ledger, version + 1, session, p);
    return version;
}

static int make_tables(const scep_ledger_t *ledger, scep_session_t *session,
                       apr_pool_t *p)
{
    int version;

    if (mod_scep_session_query(session, ledger->setup.pgsql
                                            ? "BEGIN"
                                            : "BEGIN IMMEDIATE"))
        return -1;
    version = migrate(ledger, session, p);
    if (version < 0 || mod_scep_session_query(session, "COMMIT")) {
        mod_scep_session_undo(session, p);
        return -1;
    }
    return version;
}

/* Says what is wrong with the tables, once. */
static apr_status_t check_version(scep_ledger_t *ledger, int version)
{
    int known = known_version(ledger), strange = version != known;

    if (atomic_exchange(&ledger->strange, strange) != strange && strange) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, ap_server_conf,
                     SCEPLOGNO(0502) "ledger: the tables %s_* are of version "
                                     "%d, this mod_scep knows version "
                                     "%d; nothing is issued or granted",
                     ledger->prefix, version, known);
    }
    return strange ? APR_EGENERAL : APR_SUCCESS;
}

static apr_status_t look(void *ledgerv, scep_session_t *session, apr_pool_t *p)
{
    scep_ledger_t *ledger = ledgerv;
    int version;

    if (!ledger->setup.pgsql) {
        /* Readers do not wait for the writer then; whoever else writes is
         * waited for a little, before the driver does.  What is written is
         * on disk before the call returns.  All give rows. */
        mod_scep_session_select(session, "PRAGMA busy_timeout = 50", p);
        mod_scep_session_select(session, "PRAGMA journal_mode = WAL", p);
        mod_scep_session_select(session, "PRAGMA synchronous = FULL", p);
        mod_scep_session_select(session, "PRAGMA temp_store = MEMORY", p);
        mod_scep_session_select(session, "PRAGMA cache_size = -16000", p);
        mod_scep_session_select(session, "PRAGMA wal_autocheckpoint = 4000",
                                p);
    }
    version = read_version(ledger, session, p);
    if (version < known_version(ledger))
        version = make_tables(ledger, session, p);
    return version < 0 ? APR_EGENERAL : check_version(ledger, version);
}

/* ------------------------------------------------------------------ */
/* Life                                                                 */

const char *mod_scep_ledger_create(scep_ledger_t **made, const char *prefix,
                                   apr_pool_t *pconf)
{
    scep_ledger_t *ledger = apr_pcalloc(pconf, sizeof(*ledger));
    const char **statements;
    const char *err = mod_scep_database_check_prefix(prefix);

    if (err)
        return apr_psprintf(pconf, "a prefix in dbd:PREFIX %s", err);
    err =
        mod_scep_database_check(&ledger->setup.pgsql, &ledger->bounded, pconf);
    if (err)
        return err;
    statements =
        apr_pcalloc(pconf, sizeof(*statements) * SCEP_LEDGER_STATEMENTS);
    for (int i = 0; i < SCEP_LEDGER_STATEMENTS; i++) {
        statements[i] =
            mod_scep_ledger_statement((scep_ledger_statement_t)i, prefix,
                                      ledger->setup.pgsql, pconf);
    }
    ledger->prefix = apr_pstrdup(pconf, prefix);
    ledger->migrations = mod_scep_ledger_migrations;
    ledger->setup.name = "ledger";
    ledger->setup.statements = statements;
    ledger->setup.count = SCEP_LEDGER_STATEMENTS;
    ledger->setup.look = look;
    ledger->setup.baton = ledger;
    ledger->database = mod_scep_database_create(&ledger->setup, pconf);
    *made = ledger;
    return NULL;
}

apr_status_t mod_scep_ledger_open(scep_ledger_t *ledger, server_rec *s)
{
    if (!ledger->bounded) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     SCEPLOGNO(0501) "ledger: DBDParams has no "
                                     "connect_timeout; a database that hangs "
                                     "would hold up the server");
    }
    return mod_scep_database_open(ledger->database, s);
}

apr_status_t mod_scep_ledger_child_init(scep_ledger_t *ledger, server_rec *s,
                                        apr_pool_t *p)
{
    return mod_scep_database_child_init(ledger->database, s, p);
}

apr_status_t mod_scep_ledger_health(scep_ledger_t *ledger, apr_pool_t *p)
{
    const char *args[] = { "1", NULL };
    apr_array_header_t *rows;

    return mod_scep_database_select(ledger->database, SCEP_LEDGER_SEALS_LAST,
                                    args, SCEP_DATABASE_AGAIN, &rows, p);
}
