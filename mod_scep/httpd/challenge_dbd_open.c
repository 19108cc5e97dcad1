/* challenge_dbd_open.c - challenge store "dbd": configuration, key, tables
 * SPDX-License-Identifier: Apache-2.0
 *
 * The parent reads the key and never opens the database: what it would make
 * there as root, the children could not write.
 */
#include "challenge_dbd.h"

#include <apr_file_info.h>
#include <apr_strings.h>
#include <http_main.h>
#include <openssl/crypto.h>

#include <stdatomic.h>

#include "state_file.h"

/* Another node may be making the tables at this moment. */
#define TABLES_TRIES 10
#define TABLES_PAUSE (APR_USEC_PER_SEC / 10)

/* ------------------------------------------------------------------ */
/* Tables                                                               */

/* @return the rows; NULL where the tables are not there, or not yet */
static apr_array_header_t *read_meta(scep_challenge_dbd_t *store,
                                     scep_session_t *session, apr_pool_t *p)
{
    apr_array_header_t *rows =
        mod_scep_session_select(session, mod_scep_sql_meta(store->prefix, p),
                                p);

    return rows && rows->nelts ? rows : NULL;
}

/* Nodes that start at once all try; PostgreSQL then fails for some of them,
 * who find what the others have made. */
static apr_array_header_t *make_tables(scep_challenge_dbd_t *store,
                                       scep_session_t *session, apr_pool_t *p)
{
    apr_array_header_t *texts =
        mod_scep_sql_tables(store->prefix, store->setup.pgsql, store->key_id,
                            p);
    apr_array_header_t *rows = read_meta(store, session, p);

    for (int turn = 1; !rows && turn <= TABLES_TRIES; turn++) {
        int failed = 0;

        if (turn > 1)
            apr_sleep(TABLES_PAUSE);
        for (int i = 0; i < texts->nelts && !failed; i++)
            failed =
                mod_scep_session_query(session,
                                       APR_ARRAY_IDX(texts, i, const char *));
        /* the last failure to make them is what the log has to say */
        if (!failed || turn < TABLES_TRIES)
            rows = read_meta(store, session, p);
    }
    return rows;
}

static const char *value_of(const apr_array_header_t *rows, const char *name)
{
    for (int i = 0; i < rows->nelts; i++) {
        const char *const *row = APR_ARRAY_IDX(rows, i, const char *const *);
        if (!strcmp(row[0], name))
            return row[1];
    }
    return "";
}

/* Says what is wrong with the tables, once. */
static apr_status_t check_meta(scep_challenge_dbd_t *store,
                               const apr_array_header_t *rows, apr_pool_t *p)
{
    const char *version = value_of(rows, "version");
    int strange = strcmp(version, SCEP_SQL_VERSION)              ? 1
                  : strcmp(value_of(rows, "key"), store->key_id) ? 2
                                                                 : 0;
    int told = atomic_exchange(&store->strange, strange) == strange;

    if (strange == 1 && !told) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, ap_server_conf,
                     SCEPLOGNO(0234) "challenge store: the tables %s_* are of "
                                     "version '%s', this mod_scep knows "
                                     "version " SCEP_SQL_VERSION "; nothing "
                                     "is issued or granted",
                     store->prefix, ap_escape_logitem(p, version));
    } else if (strange == 2 && !told) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, ap_server_conf,
                     SCEPLOGNO(0235) "challenge store: the tables %s_* were "
                                     "made with another key than %s; nothing "
                                     "is issued or granted until the key of "
                                     "the other nodes is there",
                     store->prefix, store->key_file);
    }
    return strange ? APR_EGENERAL : APR_SUCCESS;
}

static apr_status_t look(void *storev, scep_session_t *session, apr_pool_t *p)
{
    scep_challenge_dbd_t *store = storev;
    apr_array_header_t *rows;

    if (!store->setup.pgsql) {
        /* Readers do not wait for the writer then; who writes waits a
         * little, before the driver does.  Both give rows. */
        mod_scep_session_select(session, "PRAGMA busy_timeout = 50", p);
        mod_scep_session_select(session, "PRAGMA journal_mode = WAL", p);
    }
    rows = make_tables(store, session, p);
    return rows ? check_meta(store, rows, p) : APR_EGENERAL;
}

/* ------------------------------------------------------------------ */
/* Configuration                                                        */

static const char *check_key_file(const char *path, apr_pool_t *p)
{
    const char *full = ap_server_root_relative(p, path);
    apr_finfo_t info;
    apr_status_t rv;

    if (!*path || !full)
        return "needs the file with the key that all nodes share: "
               "dbd:NAME(KEYFILE)";
    rv = apr_stat(&info, full, APR_FINFO_MIN | APR_FINFO_PROT, p);
    if (rv == APR_SUCCESS && info.filetype != APR_REG)
        return apr_psprintf(p, "the key %s is no file", full);
    if (rv == APR_SUCCESS && (info.protection & APR_FPROT_WREAD)) {
        return apr_psprintf(p, "others may read the key %s; chmod 600 it",
                            full);
    }
    if (rv == APR_SUCCESS && info.size != SCEP_TABLE_KEY_LEN) {
        return apr_psprintf(p, "%s is not a key of %d octets", full,
                            SCEP_TABLE_KEY_LEN);
    }
    if (rv != APR_SUCCESS && (apr_stat(&info, ap_make_dirstr_parent(p, full),
                                       APR_FINFO_TYPE, p) != APR_SUCCESS ||
                              info.filetype != APR_DIR))
        return apr_psprintf(p, "%s is in no directory", full);
    return NULL;
}

static apr_status_t forget_key(void *storev)
{
    scep_challenge_dbd_t *store = storev;

    OPENSSL_cleanse(store->key, sizeof(store->key));
    return APR_SUCCESS;
}

const char *mod_scep_challenge_dbd_create(void **storev, const char *name,
                                          const char *args, apr_pool_t *pconf)
{
    scep_challenge_dbd_t *store = apr_pcalloc(pconf, sizeof(*store));
    const char **statements, *err;

    err = mod_scep_database_check_prefix(name);
    if (err)
        return apr_psprintf(pconf, "a name in dbd:NAME(KEYFILE) %s", err);
    err = mod_scep_database_check(&store->setup.pgsql, &store->bounded, pconf);
    if (!err)
        err = check_key_file(args, pconf);
    if (err)
        return err;
    store->prefix = name;
    store->key_file = args;
    statements = apr_pcalloc(pconf, sizeof(*statements) * SCEP_SQL_STATEMENTS);
    for (int i = 0; i < SCEP_SQL_STATEMENTS; i++) {
        statements[i] = mod_scep_sql_statement((scep_sql_statement_t)i, name,
                                               store->setup.pgsql, pconf);
    }
    store->setup.name = "challenges";
    store->setup.statements = statements;
    store->setup.count = SCEP_SQL_STATEMENTS;
    store->setup.look = look;
    store->setup.baton = store;
    store->database = mod_scep_database_create(&store->setup, pconf);
    apr_pool_cleanup_register(pconf, store, forget_key, apr_pool_cleanup_null);
    *storev = store;
    return NULL;
}

apr_status_t mod_scep_challenge_dbd_open(void *storev, const char *state_dir,
                                         server_rec *s, apr_pool_t *pconf)
{
    scep_challenge_dbd_t *store = storev;
    const char *path = ap_server_root_relative(pconf, store->key_file);
    apr_status_t rv = mod_scep_state_key_load(store->key, path, s);

    (void)state_dir;
    if (rv == APR_ENOENT) {
        rv = mod_scep_state_key_make(path, s, pconf);
        if (rv == APR_SUCCESS)
            rv = mod_scep_state_key_load(store->key, path, s);
        if (rv == APR_SUCCESS) {
            ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s,
                         SCEPLOGNO(0232) "challenge store: made the key %s; "
                                         "copy it to every other node",
                         path);
        }
    }
    if (rv != APR_SUCCESS)
        return rv;
    store->key_id =
        scep_challenge_digest(store->key, SCEP_DIGEST_KEY, "", 32, pconf);
    if (!store->key_id)
        return APR_EGENERAL;
    if (!store->bounded) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     SCEPLOGNO(0233) "challenge store: DBDParams has no "
                                     "connect_timeout; a database that hangs "
                                     "would hold up the server");
    }
    return mod_scep_database_open(store->database, s);
}

apr_status_t mod_scep_challenge_dbd_child_init(void *storev, server_rec *s,
                                               apr_pool_t *p)
{
    scep_challenge_dbd_t *store = storev;

    return mod_scep_database_child_init(store->database, s, p);
}
