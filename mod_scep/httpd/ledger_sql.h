/* ledger_sql.h - the ledger in SQL: tables, statements, rows
 * SPDX-License-Identifier: Apache-2.0
 *
 * The same statements serve PostgreSQL and SQLite.  Texts are escaped, so
 * the database's encoding does not matter; octets are in base64; times are
 * microseconds.
 */
#ifndef MOD_SCEP_LEDGER_SQL_H
#define MOD_SCEP_LEDGER_SQL_H

#include "database.h"
#include "ledger.h"

/** Statements with the order of their parameters; "filter" is what
 * mod_scep_ledger_filter_args() gives. */
/* With no more certificates than these the index by expiry is the shorter
 * way. */
#define SCEP_LEDGER_CERT_FEW_MOST 200000

typedef enum {
    SCEP_LEDGER_SEEN = 0, /**< signer, tid, profile, signer, tid, profile */
    SCEP_LEDGER_REVIVE,   /**< key, change */
    SCEP_LEDGER_RECEIVE,  /**< see mod_scep_ledger_record_args() */
    SCEP_LEDGER_UPDATE,   /**< see mod_scep_ledger_update_args() */
    SCEP_LEDGER_TAKE,     /**< token, lease, key, now, token; gives a record */
    SCEP_LEDGER_DUE,      /**< now, now, limit; gives keys */
    SCEP_LEDGER_GET,      /**< key; gives a record */
    SCEP_LEDGER_WRITTEN,  /**< key; gives token, change */
    SCEP_LEDGER_SPAN,     /**< two numbers; gives first and last between */
    SCEP_LEDGER_TIME,     /**< number; gives number and time after it */
    SCEP_LEDGER_LIST,     /**< from, to, filter, limit */
    SCEP_LEDGER_LIST_PENDING,   /**< ditto */
    SCEP_LEDGER_LIST_CHALLENGE, /**< challenge, from, to, filter, limit */
    SCEP_LEDGER_FEW,     /**< challenge; gives how many it has granted */
    SCEP_LEDGER_WAITING, /**< gives states and how many are in them */

    SCEP_LEDGER_CERT_ADD,    /**< see mod_scep_ledger_certificate_args() */
    SCEP_LEDGER_CERT_GET,    /**< serial, ca; gives a certificate */
    SCEP_LEDGER_CERT_ANY,    /**< serial; gives those of all CAs */
    SCEP_LEDGER_CERT_CHANGE, /**< state, reason, changed, due, successor,
                                  serial, ca, state */
    SCEP_LEDGER_CERT_DUE,    /**< now, limit; gives certificates */
    SCEP_LEDGER_CERT_NAMES,  /**< names, profile, now; gives a count */
    SCEP_LEDGER_CERT_KEY,    /**< spki, names, now; gives a count */
    SCEP_LEDGER_CERT_SPAN,
    SCEP_LEDGER_CERT_FEW,            /**< from, to; gives how many expire then,
                                         SCEP_LEDGER_CERT_FEW_MOST at most */
    SCEP_LEDGER_CERT_LIST,           /**< from, to, filter, limit */
    SCEP_LEDGER_CERT_LIST_EXPIRY,    /**< from, to, ditto */
    SCEP_LEDGER_CERT_LIST_SERIAL,    /**< serial, ditto */
    SCEP_LEDGER_CERT_LIST_ENROLMENT, /**< key, ditto */

    SCEP_LEDGER_EVENT_1, /**< one; see mod_scep_ledger_event_args() */
    SCEP_LEDGER_EVENT_2,
    SCEP_LEDGER_EVENT_3,
    SCEP_LEDGER_EVENT_4,
    SCEP_LEDGER_EVENT_SPAN,
    SCEP_LEDGER_EVENT_TIME,
    SCEP_LEDGER_EVENT_LIST, /**< from, to, filter, then enrolment, serial and
                                 challenge twice each, limit */
    SCEP_LEDGER_EVENT_LIST_BACK, /**< the same, the last ones first; so each */
    SCEP_LEDGER_EVENT_UNSEALED,  /**< from, to, filter, limit */
    SCEP_LEDGER_EVENT_UNSEALED_BACK,
    SCEP_LEDGER_EVENT_ENROLMENT, /**< key, from, to, filter, twice; limit */
    SCEP_LEDGER_EVENT_ENROLMENT_BACK,
    SCEP_LEDGER_EVENT_SERIAL, /**< ditto, but the first serial twice */
    SCEP_LEDGER_EVENT_SERIAL_BACK,
    SCEP_LEDGER_EVENT_CHALLENGE,
    SCEP_LEDGER_EVENT_CHALLENGE_BACK,

    SCEP_LEDGER_SEAL,       /**< the columns of the table, in its order */
    SCEP_LEDGER_SEAL_RUN,   /**< seal, first and last event */
    SCEP_LEDGER_SEALS,      /**< after, limit */
    SCEP_LEDGER_SEALS_LAST, /**< limit; the last ones first */

    SCEP_LEDGER_DUTY,          /**< duty, node, until, now */
    SCEP_LEDGER_RETAIN_EVENT,  /**< before, limit */
    SCEP_LEDGER_RETAIN_WINDOW, /**< number, rows; gives the last number of so
                                    many after it, and the first's time */
    SCEP_LEDGER_RETAIN,        /**< from, to, before */
    SCEP_LEDGER_RETAIN_CERT,   /**< before, now, limit */
    SCEP_LEDGER_STATEMENTS
} scep_ledger_statement_t;

/** Most events of one statement. */
#define SCEP_LEDGER_EVENTS 4
/** Columns of a row of each table, with its number in front. */
#define SCEP_LEDGER_RECORD_COLUMNS 34
#define SCEP_LEDGER_CERT_COLUMNS 20
#define SCEP_LEDGER_EVENT_COLUMNS 13

/** The text of a statement for tables of this prefix. */
const char *mod_scep_ledger_statement(scep_ledger_statement_t statement,
                                      const char *prefix, int pgsql,
                                      apr_pool_t *p);

/**
 * Texts for mod_scep_sql_fill(), each migration's ended by NULL, and so the
 * migrations: the first makes tables of version 1 of none, each other one
 * those of the next version.
 */
extern const char *const *const mod_scep_ledger_migrations[];

/** Reads the version: no row, or one. */
const char *mod_scep_ledger_read_version(const char *prefix, apr_pool_t *p);
/** Writes it. */
const char *mod_scep_ledger_write_version(const char *prefix, int version,
                                          apr_pool_t *p);
/** The table that it is in. */
const char *mod_scep_ledger_make_meta(const char *prefix, apr_pool_t *p);
/** In a transaction: lets one node migrate at a time.  NULL: BEGIN does. */
const char *mod_scep_ledger_lock(int pgsql);

/** A ledger. */
struct scep_ledger_t {
    const char *prefix; /**< of the tables' names */
    const char *const *const *migrations;
    int bounded; /**< there is a limit to connecting */
    scep_database_setup_t setup;
    scep_database_t *database;
    _Atomic int strange;  /**< the tables are, and the log says so */
    apr_int64_t retained; /**< enrolments up to this one were looked at */
};

/* ledger_row.c: parameters, ended by NULL, and rows */

const char *mod_scep_ledger_number(apr_int64_t number, apr_pool_t *p);
/** A text as it is in the tables. */
const char *mod_scep_ledger_text(const char *text, apr_pool_t *p);

/** Parameters of SCEP_LEDGER_RECEIVE. */
void mod_scep_ledger_record_args(const char *args[],
                                 const scep_record_t *record,
                                 const char *change, apr_pool_t *p);
/** Parameters of SCEP_LEDGER_UPDATE. */
void mod_scep_ledger_update_args(const char *args[],
                                 const scep_record_t *record,
                                 const char *token, const char *change,
                                 apr_pool_t *p);
apr_int64_t mod_scep_ledger_record_row(scep_record_t *record,
                                       const char *const *columns,
                                       apr_pool_t *p);

void mod_scep_ledger_certificate_args(const char *args[],
                                      const scep_certificate_t *certificate,
                                      apr_pool_t *p);
apr_int64_t mod_scep_ledger_certificate_row(scep_certificate_t *certificate,
                                            const char *const *columns,
                                            apr_pool_t *p);

/** Parameters for one event, after which others may follow.
 * @return how many */
int mod_scep_ledger_event_args(const char *args[], const scep_event_t *event,
                               apr_pool_t *p);
void mod_scep_ledger_event_row(scep_ledger_event_t *row,
                               const char *const *columns, apr_pool_t *p);

/* ledger_list.c */

/** More than any state or type. */
#define SCEP_LEDGER_ALL 1000000

/** A pattern of texts that have a part, in small letters. */
const char *mod_scep_ledger_pattern(const char *part, apr_pool_t *p);

/** How a list is made. */
typedef struct scep_ledger_listing_t {
    scep_ledger_statement_t statement;
    const char *const *lead;   /**< parameters before the numbers; or NULL */
    const char *const *filter; /**< and after them */
    const char *const *second; /**< parameters before a second pair of numbers
                                    with the filter; or NULL */
    int indexed; /**< an index leads to the rows: one statement does it */
    apr_int64_t first, last; /**< numbers; both 0: any */
    /* where it is not indexed */
    scep_ledger_statement_t span;  /**< of all numbers */
    scep_ledger_statement_t times; /**< number and time of the row at a
                                        number or after it; 0: as any */
} scep_ledger_listing_t;

/** @param rows  as mod_scep_database_select() gives them */
apr_status_t mod_scep_ledger_rows(scep_ledger_t *ledger,
                                  const scep_ledger_listing_t *listing,
                                  const scep_ledger_filter_t *filter,
                                  apr_array_header_t **rows, apr_pool_t *p);

/** @return scep_ledger_certificate_t */
apr_array_header_t *mod_scep_ledger_certificate_rows(
    const apr_array_header_t *rows, apr_pool_t *p);

/** @return scep_step_t, none yet */
apr_array_header_t *mod_scep_ledger_steps(apr_pool_t *p);
void mod_scep_ledger_step(apr_array_header_t *steps,
                          scep_ledger_statement_t statement,
                          const char *const *args, int expected);
/** @param events  const scep_event_t; may be NULL */
void mod_scep_ledger_event_steps(apr_array_header_t *steps,
                                 const apr_array_header_t *events,
                                 apr_pool_t *p);
apr_status_t mod_scep_ledger_transact(scep_ledger_t *ledger,
                                      apr_array_header_t *steps,
                                      scep_again_t again, apr_pool_t *p);

#endif
