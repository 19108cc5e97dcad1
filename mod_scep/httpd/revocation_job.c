/* revocation_job.c - certificates that are superseded, and revoked in time
 * SPDX-License-Identifier: Apache-2.0
 */
#include "revocation_job.h"

#include <apr_strings.h>
#include <http_core.h>
#include <mod_watchdog.h>
#include <openssl/err.h>
#include <openssl/rand.h>

#include "audit.h"
#include "gate.h"
#include "ledger.h"
#include "verifier_cert.h"

#define DUTY "revoke"
/* How long a turn keeps the duty, and what it does at most. */
#define DUTY_TIME apr_time_from_sec(120)
#define TURN_MAX 16
/* How often a CA of this process is asked for its CRL, which it renews then:
 * somebody may publish the file. */
#define CRL_ROUND apr_time_from_sec(10)
/* What a connector takes that does not say how long it does. */
#define CALL_TIME apr_time_from_sec(60)
/* After a failure, doubled from the one to the other. */
#define RETRY_FIRST apr_time_from_sec(10)
#define RETRY_MOST apr_time_from_sec(3600)
/* A CA that is not configured now, or cannot revoke. */
#define ORPHAN_WAIT apr_time_from_sec(3600)

/* A CA that does not revoke just now, of one process. */
typedef struct pause_t {
    apr_time_t until;
    apr_interval_time_t wait;
} pause_t;

struct scep_revocation_job_t {
    server_rec *server;
    char node[33];   /* who this process is; "": not yet known */
    pause_t *pauses; /* as many as there are CAs */
    apr_time_t crl_due;
};

/* ------------------------------------------------------------------ */
/* Into the ledger                                                      */

/* @return as mod_scep_ledger_certificate_change */
static apr_status_t change(server_rec *s, scep_certificate_state_t from,
                           const scep_certificate_t *row,
                           const scep_event_t *event, apr_pool_t *p)
{
    apr_array_header_t *events = apr_array_make(p, 1, sizeof(*event));
    apr_status_t rv;

    if (event)
        APR_ARRAY_PUSH(events, scep_event_t) = *event;
    rv = mod_scep_ledger_certificate_change(mod_scep_conf_get(s)->ledger, from,
                                            row, events, p);
    if (rv == APR_SUCCESS)
        mod_scep_audit_log(s, events, p);
    return rv;
}

static scep_event_t event_of(scep_event_type_t type,
                             const scep_certificate_t *row, const char *actor,
                             apr_time_t now, const char *detail)
{
    const scep_event_t event = { .type = type,
                                 .time = now,
                                 .profile = row->profile,
                                 .actor = actor,
                                 .enrolment = row->enrolment,
                                 .ca = row->ca,
                                 .serial = row->serial,
                                 .detail = detail };

    return event;
}

/* NULL: no reason to revoke for.  A hold could not be lifted again. */
static const char *reason_text(int reason)
{
    return reason == CRL_REASON_CERTIFICATE_HOLD ||
                   reason == CRL_REASON_REMOVE_FROM_CRL ||
                   scep_crl_reason_find(scep_crl_reason_name(reason)) < 0
               ? NULL
               : scep_crl_reason_name(reason);
}

apr_status_t mod_scep_renewal_done(server_rec *s,
                                   const scep_profile_t *profile,
                                   const char *old_serial,
                                   const char *new_serial, apr_time_t now,
                                   apr_pool_t *p)
{
    const scep_renewal_conf_t *conf = profile->renewal;
    scep_ledger_t *ledger = mod_scep_conf_get(s)->ledger;
    scep_certificate_t row;
    scep_event_t event;
    apr_status_t rv;

    if (!ledger || !conf || conf->old == SCEP_OLD_KEEP)
        return APR_SUCCESS;
    rv = mod_scep_ledger_certificate_in(ledger, profile->name, old_serial,
                                        &row, p);
    if (rv != APR_SUCCESS || row.state != SCEP_CERTIFICATE_LIVE)
        return APR_STATUS_IS_NOTFOUND(rv) ? APR_SUCCESS : rv;
    row.state = conf->old == SCEP_OLD_REVOKE ? SCEP_CERTIFICATE_REVOKING
                                             : SCEP_CERTIFICATE_SUPERSEDED;
    row.reason = CRL_REASON_SUPERSEDED;
    row.changed = now;
    row.due = now + conf->old_after;
    row.successor = new_serial;
    event = event_of(SCEP_EVENT_CERTIFICATE_SUPERSEDED, &row, "gateway", now,
                     apr_pstrcat(p, "renewed by ", new_serial,
                                 conf->old == SCEP_OLD_REVOKE
                                     ? ", is to be revoked"
                                     : "",
                                 NULL));
    rv = change(s, SCEP_CERTIFICATE_LIVE, &row, &event, p);
    /* somebody has done it, or revoked it, at this moment */
    return APR_STATUS_IS_ENOENT(rv) ? APR_SUCCESS : rv;
}

/* ------------------------------------------------------------------ */
/* Out to the CA                                                        */

static apr_status_t call(const scep_ca_t *ca, const scep_certificate_t *row,
                         const char **error, apr_pool_t *p)
{
    const unsigned char *der = row->der;
    X509 *cert = d2i_X509(NULL, &der, (long)row->der_len);
    apr_interval_time_t longest =
        ca->provider->longest ? ca->provider->longest(ca->data) : 0;
    scep_gate_place_t place;
    apr_status_t rv = APR_EGENERAL;

    if (!cert) {
        ERR_clear_error();
        *error = "the ledger has no certificate of it";
        return rv;
    }
    if (ca->gate && !mod_scep_gate_enter(ca->gate, apr_time_now(),
                                         CALL_TIME + longest, &place)) {
        *error = "too many requests wait for the CA";
    } else {
        *error = NULL;
        rv = ca->provider->revoke(ca->data, cert, row->reason, error, p);
        if (rv != APR_SUCCESS && !*error)
            *error = "no reason given";
        if (ca->gate)
            scep_gate_leave(ca->gate, &place);
    }
    X509_free(cert);
    return rv;
}

/* @return APR_SUCCESS; APR_EGENERAL: the CA did not, *error says why; else
 *         the ledger did not work: it is repeated, and harmless */
static apr_status_t carry_out(server_rec *s, const scep_ca_t *ca,
                              scep_certificate_t *row, const char *actor,
                              const char *address, const char **error,
                              apr_pool_t *p)
{
    apr_time_t now = apr_time_now();
    scep_event_t event;
    apr_status_t rv;

    if (call(ca, row, error, p) != APR_SUCCESS)
        return APR_EGENERAL;
    row->state = SCEP_CERTIFICATE_REVOKED;
    row->changed = now;
    row->due = 0;
    event = event_of(SCEP_EVENT_CERTIFICATE_REVOKED, row, actor, now,
                     apr_pstrcat(p, "by the CA, ", reason_text(row->reason),
                                 NULL));
    event.address = address;
    rv = change(s, SCEP_CERTIFICATE_REVOKING, row, &event, p);
    if (APR_STATUS_IS_ENOENT(rv))
        rv = APR_SUCCESS; /* another node has said so */
    *error = "the ledger did not take it";
    if (rv == APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, s,
                     SCEPLOGNO(0584) "certificate %s revoked: profile %s, CA "
                                     "%s, %s, by %s",
                     row->serial, row->profile, row->ca,
                     reason_text(row->reason), ap_escape_logitem(p, actor));
    }
    return rv;
}

/* From here on it renews nothing, whatever becomes of the call. */
static apr_status_t order(server_rec *s, const scep_revocation_order_t *order,
                          scep_certificate_t *row, apr_time_t now,
                          apr_pool_t *p)
{
    scep_certificate_state_t from = row->state;
    scep_event_t event;

    row->state = SCEP_CERTIFICATE_REVOKING;
    row->reason = order->reason;
    row->changed = row->due = now;
    row->successor = "";
    event = event_of(SCEP_EVENT_CERTIFICATE_REVOKED, row, order->actor, now,
                     apr_pstrcat(p, "ordered, ", reason_text(order->reason),
                                 NULL));
    event.address = order->address;
    return change(s, from, row, &event, p);
}

apr_status_t mod_scep_revoke_certificate(server_rec *s,
                                         const scep_revocation_order_t *wanted,
                                         apr_time_t now, const char **error,
                                         apr_pool_t *p)
{
    const scep_conf_t *conf = mod_scep_conf_get(s);
    const scep_ca_t *ca = mod_scep_conf_find_ca(conf, wanted->ca);
    scep_certificate_t row;
    apr_status_t rv = APR_NOTFOUND;

    *error = "there is no such reason";
    if (!reason_text(wanted->reason))
        return APR_EINVAL;
    *error = "the ledger has no such certificate";
    if (conf->ledger) {
        rv = mod_scep_ledger_certificate(conf->ledger, wanted->ca,
                                         wanted->serial, &row, p);
    }
    if (rv != APR_SUCCESS) {
        if (!APR_STATUS_IS_NOTFOUND(rv))
            *error = "the ledger does not work now";
        return APR_STATUS_IS_NOTFOUND(rv) ? APR_NOTFOUND : rv;
    }
    *error = "it was revoked before";
    if (row.state == SCEP_CERTIFICATE_REVOKED)
        return APR_EEXIST;
    *error = "its CA is not configured, or the connector cannot revoke";
    if (!ca || !ca->provider->revoke)
        return APR_ENOTIMPL;
    rv = order(s, wanted, &row, now, p);
    if (rv != APR_SUCCESS) {
        *error = "the ledger does not work now";
        /* changed by somebody at this moment: as that one has it */
        return APR_STATUS_IS_ENOENT(rv) ? APR_EBUSY : rv;
    }
    return carry_out(s, ca, &row, wanted->actor, wanted->address, error, p) ==
                   APR_SUCCESS
               ? APR_SUCCESS
               : APR_EINPROGRESS;
}

/* ------------------------------------------------------------------ */
/* The watchdog                                                         */

apr_status_t mod_scep_revocation_job_open(scep_revocation_job_t **job,
                                          server_rec *s, apr_pool_t *pconf)
{
    const scep_conf_t *conf = mod_scep_conf_get(s);

    *job = apr_pcalloc(pconf, sizeof(**job));
    (*job)->server = s;
    (*job)->pauses =
        apr_pcalloc(pconf, sizeof(pause_t) * (apr_size_t)conf->cas->nelts);
    return APR_SUCCESS;
}

static int make_node(scep_revocation_job_t *job)
{
    unsigned char random[sizeof(job->node) / 2];

    if (*job->node)
        return 1;
    if (RAND_bytes(random, sizeof(random)) != 1) {
        ERR_clear_error();
        return 0;
    }
    for (size_t i = 0; i < sizeof(random); i++)
        apr_snprintf(job->node + 2 * i, 3, "%02x", random[i]);
    return 1;
}

/* The number of a CA that can revoke, or -1. */
static int find_ca(const scep_conf_t *conf, const char *name)
{
    for (int i = 0; i < conf->cas->nelts; i++) {
        const scep_ca_t *ca = APR_ARRAY_IDX(conf->cas, i, scep_ca_t *);

        if (!strcmp(ca->name, name))
            return ca->provider->revoke ? i : -1;
    }
    return -1;
}

/* Later: it must not keep others from their turn. */
static void put_off(server_rec *s, scep_certificate_t *row, apr_time_t due,
                    apr_pool_t *p)
{
    row->due = due;
    change(s, SCEP_CERTIFICATE_REVOKING, row, NULL, p);
}

static void note_failure(scep_revocation_job_t *job, pause_t *pause,
                         scep_certificate_t *row, const char *error,
                         apr_time_t now, apr_pool_t *p)
{
    if (!pause->wait) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, job->server,
                     SCEPLOGNO(0585) "CA %s does not revoke certificate %s, "
                                     "it is tried again: %s",
                     row->ca, row->serial, ap_escape_logitem(p, error));
    }
    pause->wait = pause->wait ? 2 * pause->wait : RETRY_FIRST;
    if (pause->wait > RETRY_MOST)
        pause->wait = RETRY_MOST;
    pause->until = now + pause->wait;
    put_off(job->server, row, pause->until, p);
}

static void take_up(scep_revocation_job_t *job, scep_certificate_t *row,
                    apr_pool_t *p)
{
    const scep_conf_t *conf = mod_scep_conf_get(job->server);
    int number = find_ca(conf, row->ca);
    apr_time_t now = apr_time_now();
    const char *error;
    pause_t *pause;
    apr_status_t rv;

    if (number < 0) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, job->server,
                     SCEPLOGNO(0586) "certificate %s is to be revoked, and "
                                     "CA %s is not configured or its "
                                     "connector cannot revoke",
                     row->serial, row->ca);
        put_off(job->server, row, now + ORPHAN_WAIT, p);
        return;
    }
    pause = &job->pauses[number];
    if (now < pause->until) {
        put_off(job->server, row, pause->until, p);
        return;
    }
    rv = carry_out(job->server, APR_ARRAY_IDX(conf->cas, number, scep_ca_t *),
                   row, "watchdog", NULL, &error, p);
    if (rv == APR_SUCCESS)
        memset(pause, 0, sizeof(*pause));
    else if (rv == APR_EGENERAL)
        note_failure(job, pause, row, error, now, p);
}

/* One that may not sign CRLs, or whose list is damaged, says so to whoever
 * needs it. */
static void renew_crls(scep_revocation_job_t *job, apr_time_t now,
                       apr_pool_t *p)
{
    const scep_conf_t *conf = mod_scep_conf_get(job->server);

    if (now < job->crl_due)
        return;
    job->crl_due = now + CRL_ROUND;
    for (int i = 0; i < conf->cas->nelts; i++) {
        const scep_ca_t *ca = APR_ARRAY_IDX(conf->cas, i, scep_ca_t *);
        X509_CRL *crl;

        if (ca->provider->signs_here && ca->provider->crl)
            ca->provider->crl(ca->data, &crl, p);
    }
}

static void revoke_due(scep_revocation_job_t *job, apr_time_t now,
                       apr_pool_t *p)
{
    scep_ledger_t *ledger = mod_scep_conf_get(job->server)->ledger;
    apr_array_header_t *rows;
    apr_pool_t *turn;

    /* Who is due is only read, each second; the duty would be a write. */
    if (!ledger || !make_node(job) ||
        mod_scep_ledger_certificates_due(ledger, now, TURN_MAX, &rows, p) !=
            APR_SUCCESS ||
        rows->nelts == 0 ||
        mod_scep_ledger_duty(ledger, DUTY, job->node, now, now + DUTY_TIME,
                             p) != APR_SUCCESS)
        return;
    apr_pool_create(&turn, p);
    for (int i = 0; i < rows->nelts && apr_time_now() < now + DUTY_TIME / 2;
         i++) {
        apr_pool_clear(turn);
        take_up(job,
                &APR_ARRAY_IDX(rows, i, scep_ledger_certificate_t).certificate,
                turn);
    }
    apr_pool_destroy(turn);
}

apr_status_t mod_scep_revocation_job_run(int state, void *jobv, apr_pool_t *p)
{
    apr_time_t now = apr_time_now();

    if (state == AP_WATCHDOG_STATE_RUNNING) {
        renew_crls(jobv, now, p);
        revoke_due(jobv, now, p);
    }
    return APR_SUCCESS;
}
