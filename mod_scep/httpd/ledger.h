/* ledger.h - enrolments, certificates and events in SQL by mod_dbd
 * SPDX-License-Identifier: Apache-2.0
 *
 * The same statements on SQLite and PostgreSQL.  What is written together is
 * durable together or not at all, before the call returns.  Every call may
 * fail because the database does not work now; the log says so once, by
 * database.c, and the caller grants nothing.
 *
 * Several processes and nodes work on one ledger.  Who wants to change an
 * enrolment takes it first (receive does, or take) and holds it by a random
 * token until a lease is over; update works for that holder alone.
 */
#ifndef MOD_SCEP_LEDGER_H
#define MOD_SCEP_LEDGER_H

#include "core/record.h"
#include "core/seal.h"
#include "log.h"

typedef struct scep_ledger_t scep_ledger_t;

/** What a listing is to show.  Texts that are NULL and times of 0 filter
 * nothing. */
typedef struct scep_ledger_filter_t {
    const char *profile;
    int state;                 /**< -1: any; enrolments, certificates */
    int pending;               /**< enrolments that are not at their end */
    const char *challenge;     /**< enrolments, events: by what granted it */
    const char *enrolment;     /**< certificates, events */
    const char *serial;        /**< certificates, events */
    const char *subject;       /**< a part of it, whatever the case of its
                                    ASCII letters; enrolments, certificates */
    const char *device;        /**< certificates: canonical id */
    apr_time_t expires_before; /**< certificates: notAfter */
    apr_time_t since;          /**< enrolments, events: not before this;
                                    certificates: notAfter */
    int type;                  /**< events: 0 any */
    apr_int64_t seal;          /**< events: of this seal; -1: any */
    /** rows after this one, newest first; events in order of their number
     * where ascending */
    apr_int64_t after;
    int ascending;
    int limit; /**< most rows, at most 1000 */
} scep_ledger_filter_t;

/** An event as it is kept. */
typedef scep_sealed_event_t scep_ledger_event_t;

/** A record or a certificate with its place in listings. */
typedef struct scep_ledger_record_t {
    apr_int64_t number;
    scep_record_t record;
} scep_ledger_record_t;

typedef struct scep_ledger_certificate_t {
    apr_int64_t number;
    scep_certificate_t certificate;
} scep_ledger_certificate_t;

/** A seal over a batch of events. */
typedef scep_seal_t scep_ledger_seal_t;

/* ------------------------------------------------------------------ */
/* Life (ledger_open.c)                                                 */

/**
 * Makes a ledger of the tables PREFIX_enrolment and so on.
 * @return NULL, or what is wrong
 */
const char *mod_scep_ledger_create(scep_ledger_t **ledger, const char *prefix,
                                   apr_pool_t *pconf);
/** In the parent. */
apr_status_t mod_scep_ledger_open(scep_ledger_t *ledger, server_rec *s);
apr_status_t mod_scep_ledger_child_init(scep_ledger_t *ledger, server_rec *s,
                                        apr_pool_t *p);
/** Whether it answers now. */
apr_status_t mod_scep_ledger_health(scep_ledger_t *ledger, apr_pool_t *p);

/* ------------------------------------------------------------------ */
/* Enrolments (ledger_enrolments.c)                                     */

/**
 * Finds what a signer has under way or had with this transactionID: rows of
 * (profile, signer) whose transactionID is this one or that are not at their
 * end; newest first, 100 at most.
 * @param records  set to scep_record_t, without their CSRs
 */
apr_status_t mod_scep_ledger_seen(scep_ledger_t *ledger, const char *profile,
                                  const char *signer,
                                  const char *transaction_id,
                                  apr_array_header_t **records, apr_pool_t *p);

/**
 * Writes a new record with its events; its token and lease hold it for the
 * caller.
 * @param revive  an ended record of the same key steps aside for it
 * @param certificate  that it has bought already, or NULL
 * @param events  const scep_event_t
 * @return APR_SUCCESS; APR_EEXIST: there is one of that key
 */
apr_status_t mod_scep_ledger_receive(scep_ledger_t *ledger,
                                     const scep_record_t *record, int revive,
                                     const scep_certificate_t *certificate,
                                     const apr_array_header_t *events,
                                     apr_pool_t *p);

/**
 * Writes where a record is now, if its token still holds it, with its events
 * and what it has bought.  At its end its CSR is forgotten: the challenge
 * stands in it.  A record that is let go has "" as its token.
 * @param token  that holds it
 * @param record  as it shall be
 * @param certificate  what was issued, or NULL
 * @return APR_SUCCESS; APR_ENOENT: somebody else has taken it
 */
apr_status_t mod_scep_ledger_update(scep_ledger_t *ledger, const char *token,
                                    const scep_record_t *record,
                                    const scep_certificate_t *certificate,
                                    const apr_array_header_t *events,
                                    apr_pool_t *p);

/**
 * Takes a record for the caller.
 * @param token  random, of the caller's making
 * @param record  set to it, with its CSR
 * @return APR_SUCCESS; APR_EBUSY: another holds it, or it is not there
 */
apr_status_t mod_scep_ledger_take(scep_ledger_t *ledger, const char *key,
                                  const char *token, apr_time_t now,
                                  apr_time_t lease, scep_record_t *record,
                                  apr_pool_t *p);

/**
 * Keys of records that somebody should look at: not at their end or not
 * settled, due, and held by nobody; the longest due first.
 * @param keys  set to const char *
 */
apr_status_t mod_scep_ledger_due(scep_ledger_t *ledger, apr_time_t now,
                                 int limit, apr_array_header_t **keys,
                                 apr_pool_t *p);

/** One record with its CSR.  @return APR_SUCCESS; APR_NOTFOUND */
apr_status_t mod_scep_ledger_get(scep_ledger_t *ledger, const char *key,
                                 scep_record_t *record, apr_pool_t *p);

/** @param rows  set to scep_ledger_record_t, without CSRs */
apr_status_t mod_scep_ledger_list(scep_ledger_t *ledger,
                                  const scep_ledger_filter_t *filter,
                                  apr_array_header_t **rows, apr_pool_t *p);

/**
 * Counts enrolments that are not at their end, the first 100000 of them.
 * @param counts  by state
 */
apr_status_t mod_scep_ledger_waiting(scep_ledger_t *ledger,
                                     int counts[SCEP_STATE_ISSUED],
                                     apr_pool_t *p);

/* ------------------------------------------------------------------ */
/* Certificates (ledger_certificates.c)                                 */

/** @return APR_SUCCESS; APR_NOTFOUND */
apr_status_t mod_scep_ledger_certificate(scep_ledger_t *ledger, const char *ca,
                                         const char *serial,
                                         scep_certificate_t *certificate,
                                         apr_pool_t *p);

/**
 * Finds the row of a certificate, whichever ScepCA it came through: several
 * may stand for one CA, and be renamed.
 * @param ca  whose row of the serial is given where none has these octets
 * @return APR_SUCCESS; APR_NOTFOUND
 */
apr_status_t mod_scep_ledger_certificate_of(scep_ledger_t *ledger,
                                            const char *ca, const char *serial,
                                            X509 *certificate,
                                            scep_certificate_t *found,
                                            apr_pool_t *p);

/**
 * Finds a certificate of a profile, whichever ScepCA it came through: what a
 * renewal renews has proved to be of its profile.
 * @return APR_SUCCESS; APR_NOTFOUND
 */
apr_status_t mod_scep_ledger_certificate_in(scep_ledger_t *ledger,
                                            const char *profile,
                                            const char *serial,
                                            scep_certificate_t *found,
                                            apr_pool_t *p);

/** Whether a row is that of a certificate.  A serial number says little where
 * a CA has been made anew. */
int mod_scep_ledger_is_that(const scep_certificate_t *row, X509 *certificate);

/** @param rows  set to scep_ledger_certificate_t, without their octets */
apr_status_t mod_scep_ledger_certificates(scep_ledger_t *ledger,
                                          const scep_ledger_filter_t *filter,
                                          apr_array_header_t **rows,
                                          apr_pool_t *p);

/**
 * Moves a certificate from one state to another, with its events.
 * @param from  the state that it must be in
 * @param certificate  state, reason, changed, due and successor as they shall
 *                     be; ca and serial name it
 * @return APR_SUCCESS; APR_ENOENT: it is in another state
 */
apr_status_t mod_scep_ledger_certificate_change(
    scep_ledger_t *ledger, scep_certificate_state_t from,
    const scep_certificate_t *certificate, const apr_array_header_t *events,
    apr_pool_t *p);

/** REVOKING ones whose time has come.
 * @param rows  set to scep_ledger_certificate_t, with their octets */
apr_status_t mod_scep_ledger_certificates_due(scep_ledger_t *ledger,
                                              apr_time_t now, int limit,
                                              apr_array_header_t **rows,
                                              apr_pool_t *p);

/** Counts live certificates of a profile with these names. */
apr_status_t mod_scep_ledger_count_live(scep_ledger_t *ledger,
                                        const char *profile, const char *names,
                                        apr_time_t now, int *count,
                                        apr_pool_t *p);

/** Counts live certificates of this key with other names. */
apr_status_t mod_scep_ledger_count_key(scep_ledger_t *ledger, const char *spki,
                                       const char *names, apr_time_t now,
                                       int *count, apr_pool_t *p);

/* ------------------------------------------------------------------ */
/* Events and seals (ledger_events.c)                                   */

/** @param events  const scep_event_t */
apr_status_t mod_scep_ledger_events_add(scep_ledger_t *ledger,
                                        const apr_array_header_t *events,
                                        apr_pool_t *p);

/** @param rows  set to scep_ledger_event_t */
apr_status_t mod_scep_ledger_events(scep_ledger_t *ledger,
                                    const scep_ledger_filter_t *filter,
                                    apr_array_header_t **rows, apr_pool_t *p);

/**
 * Writes a seal over events that have none yet, and puts its number into
 * them.
 * @param numbers  apr_int64_t, of the events
 * @return APR_SUCCESS; APR_EEXIST: another has used that number, or one of
 *         the events is sealed already or gone
 */
apr_status_t mod_scep_ledger_seal(scep_ledger_t *ledger,
                                  const scep_ledger_seal_t *seal,
                                  const apr_array_header_t *numbers,
                                  apr_pool_t *p);

/**
 * @param after  seals after this number, in their order
 * @param limit  most of them; -1: the last one alone
 * @param rows  set to scep_ledger_seal_t
 */
apr_status_t mod_scep_ledger_seals(scep_ledger_t *ledger, apr_int64_t after,
                                   int limit, apr_array_header_t **rows,
                                   apr_pool_t *p);

/* ------------------------------------------------------------------ */
/* Upkeep (ledger_upkeep.c)                                             */

/**
 * Takes or keeps a duty that one node at a time has.
 * @param node  names the process that asks
 * @return APR_SUCCESS: it is the caller's until then; APR_EBUSY
 */
apr_status_t mod_scep_ledger_duty(scep_ledger_t *ledger, const char *duty,
                                  const char *node, apr_time_t now,
                                  apr_time_t until, apr_pool_t *p);

/**
 * Deletes what is older and no longer needed, some at a time: certificates
 * that have expired, enrolments at their end and settled, events that are
 * sealed; never an unsealed event or a live certificate, nor the record of
 * a certificate that is kept.
 * @param deleted  set to how many rows went; 0 does not yet mean that there
 *                 is no more: a call looks at some of the enrolments, and the
 *                 next one of this process goes on from there
 */
apr_status_t mod_scep_ledger_retain(scep_ledger_t *ledger, apr_time_t before,
                                    apr_time_t now, int *deleted,
                                    apr_pool_t *p);

#endif
