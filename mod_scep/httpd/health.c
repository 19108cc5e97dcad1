/* health.c - whether the gateway can do its work
 * SPDX-License-Identifier: Apache-2.0
 */
#include "health.h"

#include <apr_strings.h>
#include <http_protocol.h>

#include "admin_query.h"
#include "core/breaker.h"
#include "core/gate.h"
#include "core/utf8.h"
#include "gate.h"
#include "ledger.h"

/* What a connector takes at the most that asks its CA how it is. */
#define HEALTH_TIME apr_time_from_sec(60)

/* ------------------------------------------------------------------ */
/* Parts                                                                */

static int store_works(request_rec *r)
{
    const scep_conf_t *conf = mod_scep_conf_get(r->server);
    scep_challenge_stats_t stats;

    return conf->store_provider->stats(conf->store, r->request_time, &stats,
                                       r->pool) == APR_SUCCESS;
}

static int is_open(const scep_ca_t *ca)
{
    return ca->breaker && scep_breaker_open(ca->breaker) != 0;
}

/* Has a connector ask its CA.  That may take as long as its time-outs, so it
 * takes one of the CA's places, and leaves a CA alone that is left alone. */
static int ca_answers(request_rec *r, const scep_ca_t *ca, json_t *row)
{
    const char *text = NULL;
    scep_gate_place_t place;
    apr_status_t rv;

    if (!ca->provider->health || is_open(ca))
        return !is_open(ca);
    if (ca->gate &&
        !mod_scep_gate_enter(ca->gate, apr_time_now(), HEALTH_TIME, &place)) {
        mod_scep_admin_put(row, "detail", "too many requests wait for it",
                           r->pool);
        return 0;
    }
    rv = ca->provider->health(ca->data, &text, r->pool);
    if (ca->gate)
        scep_gate_leave(ca->gate, &place);
    json_object_set_new(row, "answers", json_boolean(rv == APR_SUCCESS));
    mod_scep_admin_put(row, "detail", text, r->pool);
    return rv == APR_SUCCESS;
}

/* ------------------------------------------------------------------ */
/* The resource                                                         */

static const char *read_parameter(void *ask, const char *name,
                                  const char *value, apr_pool_t *p)
{
    (void)p;
    if (strcmp(name, "ask") || strcmp(value, "cas"))
        return "Health takes ask=cas alone: have the CAs asked, too.";
    *(int *)ask = 1;
    return NULL;
}

static json_t *word(int good)
{
    return json_string(good ? "ok" : "down");
}

int mod_scep_health_answer(request_rec *r)
{
    const scep_conf_t *conf = mod_scep_conf_get(r->server);
    json_t *answer, *cas;
    int ask = 0, good, all;
    const char *err;

    if (r->method_number != M_GET)
        return mod_scep_json_not_allowed(r, "GET, HEAD");
    err = mod_scep_admin_query(r, read_parameter, &ask);
    if (err)
        return mod_scep_json_problem(r, HTTP_BAD_REQUEST, "%s", err);
    answer = json_object();
    all = store_works(r);
    json_object_set_new(answer, "store", word(all));
    if (conf->ledger) {
        good = mod_scep_ledger_health(conf->ledger, r->pool) == APR_SUCCESS;
        json_object_set_new(answer, "ledger", word(good));
        all &= good;
    }
    cas = json_array();
    for (int i = 0; i < conf->cas->nelts; i++) {
        const scep_ca_t *ca = APR_ARRAY_IDX(conf->cas, i, scep_ca_t *);
        json_t *row = json_pack("{s:s, s:s}", "name", ca->name, "connector",
                                ca->connector);

        good = ask ? ca_answers(r, ca, row) : !is_open(ca);
        json_object_set_new(row, "status", word(good));
        json_array_append_new(cas, row);
        all &= good;
    }
    json_object_set_new(answer, "cas", cas);
    json_object_set_new(answer, "status", word(all));
    return mod_scep_json_send(r, all ? HTTP_OK : HTTP_SERVICE_UNAVAILABLE,
                              answer);
}

/* ------------------------------------------------------------------ */
/* Metrics                                                              */

static void show_ledger(scep_metric_text_t *out, request_rec *r)
{
    scep_ledger_t *ledger = mod_scep_conf_get(r->server)->ledger;
    int waiting[SCEP_STATE_ISSUED];
    int up = ledger &&
             mod_scep_ledger_waiting(ledger, waiting, r->pool) == APR_SUCCESS;

    if (!ledger)
        return;
    scep_metric_text_describe(out, "scep_ledger_up", "gauge",
                              "Whether the ledger answers.");
    scep_metric_text_add(out, "scep_ledger_up", "", (apr_uint64_t)up);
    scep_metric_text_describe(out, "scep_enrolments_waiting", "gauge",
                              "Enrolments that are not at their end, by "
                              "state.");
    for (int state = 0; up && state <= SCEP_STATE_UNKNOWN; state++) {
        scep_metric_text_add(out, "scep_enrolments_waiting",
                             apr_psprintf(r->pool, "state=\"%s\"",
                                          scep_state_name(
                                              (scep_state_t)state)),
                             (apr_uint64_t)waiting[state]);
    }
}

void mod_scep_health_metrics(scep_metric_text_t *out, request_rec *r)
{
    const scep_conf_t *conf = mod_scep_conf_get(r->server);

    show_ledger(out, r);
    scep_metric_text_describe(out, "scep_ca_left_alone", "gauge",
                              "Whether a CA has failed again and again and "
                              "is not called for a while.");
    for (int i = 0; i < conf->cas->nelts; i++) {
        const scep_ca_t *ca = APR_ARRAY_IDX(conf->cas, i, scep_ca_t *);

        if (ca->breaker) {
            scep_metric_text_add(out, "scep_ca_left_alone",
                                 apr_psprintf(r->pool, "ca=\"%s\"", ca->name),
                                 (apr_uint64_t)is_open(ca));
        }
    }
}
