/* work_ca.c - what accepted enrolments need: their CA, verifier and ledger
 * SPDX-License-Identifier: Apache-2.0
 */
#include "work.h"

#include <apr_shm.h>
#include <apr_strings.h>

#include "audit.h"
#include "core/breaker.h"
#include "core/work_record.h"
#include "gate.h"
#include "ledger.h"
#include "revocation_job.h"

/* What a connector takes that does not say how long it does. */
#define CALL_TIME apr_time_from_sec(60)
/* Calls at a time to one CA by threads of their own. */
#define CONCURRENT_DEFAULT 64

apr_status_t mod_scep_work_open(const scep_conf_t *conf, server_rec *s,
                                apr_pool_t *pconf)
{
    apr_status_t rv = APR_SUCCESS;

    (void)s;
    for (int i = 0; rv == APR_SUCCESS && i < conf->cas->nelts; i++) {
        scep_ca_t *ca = APR_ARRAY_IDX(conf->cas, i, scep_ca_t *);
        apr_shm_t *shm;

        if (ca->provider->signs_here)
            continue;
        rv = mod_scep_gate_create(&ca->gate,
                                  ca->max_concurrent ? ca->max_concurrent
                                  : conf->ledger     ? CONCURRENT_DEFAULT
                                                     : 0,
                                  pconf);
        if (rv == APR_SUCCESS && conf->ledger) {
            rv = apr_shm_create(&shm, scep_breaker_size(), NULL, pconf);
            if (rv == APR_SUCCESS)
                ca->breaker = scep_breaker_create(apr_shm_baseaddr_get(shm));
        }
    }
    return rv;
}

/* ------------------------------------------------------------------ */
/* The CA                                                               */

static const scep_ca_t *ca_of(const scep_work_baton_t *baton)
{
    return baton->profile->ca;
}

static apr_interval_time_t longest(const scep_work_baton_t *baton)
{
    return CALL_TIME + baton->profile->enrol.ca_longest;
}

/* Whether the CA may be called now.  Why not is in *reason. */
static int begin_call(const scep_work_baton_t *baton, scep_gate_place_t *place,
                      const char **reason)
{
    const scep_ca_t *ca = ca_of(baton);
    apr_time_t now = apr_time_now();

    if (ca->breaker && !scep_breaker_allow(ca->breaker, now, longest(baton))) {
        *reason = "the CA has failed again and again and is left alone for "
                  "a while";
        return 0;
    }
    if (ca->gate &&
        !mod_scep_gate_enter(ca->gate, now, longest(baton), place)) {
        if (ca->breaker)
            scep_breaker_report(ca->breaker, -1, now);
        *reason = "too many requests wait for the CA";
        return 0;
    }
    return 1;
}

/* @param good  the CA works: 1; it does not: 0; that cannot be said: -1 */
static void end_call(const scep_work_baton_t *baton,
                     const scep_gate_place_t *place, int good)
{
    const scep_ca_t *ca = ca_of(baton);

    if (ca->gate)
        scep_gate_leave(ca->gate, place);
    if (!ca->breaker ||
        !scep_breaker_report(ca->breaker, good, apr_time_now()))
        return;
    if (good > 0) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, baton->server,
                     SCEPLOGNO(0640) "CA %s answers again", ca->name);
    } else {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, baton->server,
                     SCEPLOGNO(0641) "CA %s has failed %d times in a row; it "
                                     "is tried again from time to time, and "
                                     "devices get PENDING until it answers",
                     ca->name, SCEP_BREAKER_FAILURES);
    }
}

static void submit(void *batonv, const scep_ca_request_t *request,
                   scep_ca_result_t *result, apr_pool_t *p)
{
    const scep_work_baton_t *baton = batonv;
    scep_gate_place_t place;

    if (!begin_call(baton, &place, &result->reason)) {
        result->outcome = SCEP_CA_UNAVAILABLE;
        return;
    }
    ca_of(baton)->provider->submit(ca_of(baton)->data, request, result, p);
    end_call(baton, &place,
             result->outcome != SCEP_CA_UNAVAILABLE &&
                 result->outcome != SCEP_CA_UNKNOWN);
}

/* What cannot be asked now is what it was. */
static int cannot_ask(const scep_work_baton_t *baton, scep_gate_place_t *place,
                      const char *handle, scep_ca_outcome_t state,
                      scep_ca_result_t *result)
{
    if (begin_call(baton, place, &result->reason))
        return 0;
    result->outcome = state;
    result->handle = handle;
    return 1;
}

static void poll(void *batonv, const char *handle, scep_ca_outcome_t state,
                 scep_ca_result_t *result, apr_pool_t *p)
{
    const scep_work_baton_t *baton = batonv;
    const scep_ca_t *ca = ca_of(baton);
    scep_gate_place_t place;

    if (cannot_ask(baton, &place, handle, state, result))
        return;
    if (ca->provider->poll) {
        ca->provider->poll(ca->data, handle, result, p);
    } else {
        result->outcome = state;
        result->reason = "the connector cannot poll";
    }
    end_call(baton, &place, result->outcome == SCEP_CA_ISSUED ? 1 : -1);
}

static int lookup(void *batonv, const scep_ca_request_t *request,
                  scep_ca_result_t *result, apr_pool_t *p)
{
    const scep_work_baton_t *baton = batonv;
    const scep_ca_t *ca = ca_of(baton);
    scep_gate_place_t place;

    if (!ca->provider->lookup)
        return 0;
    if (cannot_ask(baton, &place, NULL, SCEP_CA_UNKNOWN, result))
        return 1;
    ca->provider->lookup(ca->data, request, result, p);
    end_call(baton, &place, result->outcome == SCEP_CA_ISSUED ? 1 : -1);
    return 1;
}

static void revoke_wrong(void *batonv, X509 *certificate, apr_pool_t *p)
{
    const scep_work_baton_t *baton = batonv;
    const scep_ca_t *ca = ca_of(baton);
    const char *serial = scep_work_serial(certificate, p);
    const char *error = "the connector cannot revoke";

    if (!ca->provider->revoke ||
        ca->provider->revoke(ca->data, certificate, CRL_REASON_UNSPECIFIED,
                             &error, p) != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_ALERT, 0, baton->server,
                     SCEPLOGNO(0642) "certificate %s of CA %s is not what was "
                                     "asked for and could not be revoked: %s",
                     serial, ca->name, error ? error : "-");
        return;
    }
    ap_log_error(APLOG_MARK, APLOG_ALERT, 0, baton->server,
                 SCEPLOGNO(0643) "certificate %s of CA %s is not what was "
                                 "asked for and was revoked",
                 serial, ca->name);
}

/* ------------------------------------------------------------------ */
/* The verifier and the ledger                                          */

static apr_time_t clock_now(void *baton)
{
    (void)baton;
    return apr_time_now();
}

/* What is renewed may have been revoked since its holder asked.
 * @return APR_SUCCESS; APR_EACCES: it has; APR_EAGAIN: not known now */
static apr_status_t check_old(const scep_work_baton_t *baton,
                              const scep_record_t *record, apr_pool_t *p)
{
    scep_ledger_t *ledger = mod_scep_conf_get(baton->server)->ledger;
    scep_certificate_t old;
    apr_status_t rv;

    if (!*record->renews || !ledger)
        return APR_SUCCESS;
    rv = mod_scep_ledger_certificate_in(ledger, record->profile,
                                        record->renews, &old, p);
    if (APR_STATUS_IS_NOTFOUND(rv))
        return APR_SUCCESS;
    if (rv != APR_SUCCESS)
        return APR_EAGAIN;
    return old.state == SCEP_CERTIFICATE_REVOKED ||
                   (old.state == SCEP_CERTIFICATE_REVOKING && !*old.successor)
               ? APR_EACCES
               : APR_SUCCESS;
}

static apr_status_t hold(void *baton, void *token, const scep_record_t *record,
                         apr_time_t until, apr_pool_t *p)
{
    const scep_grant_t *grant = token;
    apr_status_t rv = check_old(baton, record, p);

    if (rv != APR_SUCCESS)
        return rv;
    return grant && grant->verifier->provider->hold
               ? grant->verifier->provider->hold(grant->verifier->data,
                                                 grant->token, until, p)
               : APR_SUCCESS;
}

static apr_status_t settle(void *batonv, void *token,
                           const scep_record_t *record,
                           const scep_verify_end_t *end, apr_pool_t *p)
{
    const scep_work_baton_t *baton = batonv;
    const scep_grant_t *grant = token;
    apr_status_t rv =
        grant ? grant->verifier->provider->settle(grant->verifier->data,
                                                  grant->token, end, p)
              : APR_SUCCESS;

    if (rv == APR_SUCCESS && end->certificate && *record->renews) {
        rv =
            mod_scep_renewal_done(baton->server, baton->profile,
                                  record->renews, record->serial, end->now, p);
    }
    return rv;
}

static apr_status_t receive(void *batonv, scep_record_t *record, int revive,
                            const scep_certificate_t *certificate,
                            const apr_array_header_t *events, apr_pool_t *p)
{
    const scep_work_baton_t *baton = batonv;
    const scep_conf_t *conf = mod_scep_conf_get(baton->server);
    int over = record->state >= SCEP_STATE_ISSUED && record->settled;
    apr_status_t rv;

    if (!over &&
        !mod_scep_work_lease(baton->profile, record, apr_time_now(), p))
        return APR_EGENERAL;
    rv = mod_scep_ledger_receive(conf->ledger, record, revive, certificate,
                                 events, p);
    if (rv == APR_SUCCESS)
        mod_scep_audit_log(baton->server, events, p);
    return rv;
}

static apr_status_t update(void *batonv, const char *token,
                           const scep_record_t *record,
                           const scep_certificate_t *certificate,
                           const apr_array_header_t *events, apr_pool_t *p)
{
    const scep_work_baton_t *baton = batonv;
    const scep_conf_t *conf = mod_scep_conf_get(baton->server);
    apr_status_t rv = mod_scep_ledger_update(conf->ledger, token, record,
                                             certificate, events, p);

    if (rv == APR_SUCCESS)
        mod_scep_audit_log(baton->server, events, p);
    return rv;
}

#define COMMON                                                                \
    .clock = clock_now, .submit = submit, .poll = poll, .lookup = lookup,     \
    .revoke = revoke_wrong, .hold = hold, .settle = settle

const scep_work_ops_t mod_scep_work_ops = { COMMON };
const scep_work_ops_t mod_scep_work_ops_ledger = { COMMON, .receive = receive,
                                                   .update = update };
