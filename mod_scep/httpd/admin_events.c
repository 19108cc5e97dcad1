/* admin_events.c - GET events and GET seals: the audit trail
 * SPDX-License-Identifier: Apache-2.0
 */
#include "admin.h"

#include <apr_strings.h>
#include <http_protocol.h>

#include "admin_query.h"
#include "callers.h"
#include "core/time_text.h"
#include "event_json.h"

#define EVENTS_DEFAULT 100
#define EVENTS_MAX 1000

/* A seal over a full batch takes 80 KiB. */
#define SEALS_MAX 100

/* ------------------------------------------------------------------ */
/* The query string                                                     */

static const char *read_type(scep_ledger_filter_t *filter, const char *value)
{
    filter->type = (int)scep_event_type(value);
    return filter->type ? NULL
                        : "\"type\" is that of an event, such as "
                          "certificate-issued.";
}

static const char *read_order(scep_ledger_filter_t *filter, const char *value)
{
    filter->ascending = !strcmp(value, "oldest");
    return filter->ascending || !strcmp(value, "newest")
               ? NULL
               : "\"order\" is oldest or newest: which comes first.";
}

static const char *read_event_filter(void *filterv, const char *name,
                                     const char *value, apr_pool_t *p)
{
    scep_ledger_filter_t *filter = filterv;
    const char **text = !strcmp(name, "profile")     ? &filter->profile
                        : !strcmp(name, "challenge") ? &filter->challenge
                        : !strcmp(name, "enrolment") ? &filter->enrolment
                        : !strcmp(name, "serial")    ? &filter->serial
                                                     : NULL;

    if (text)
        return mod_scep_admin_word(text, name, value, p);
    if (!strcmp(name, "type"))
        return read_type(filter, value);
    if (!strcmp(name, "order"))
        return read_order(filter, value);
    if (!strcmp(name, "limit"))
        return mod_scep_admin_limit(&filter->limit, EVENTS_MAX, value, p);
    if (!strcmp(name, "after"))
        return mod_scep_admin_number(&filter->after, 0, SCEP_ADMIN_NUMBER_MAX,
                                     name, value, p);
    if (!strcmp(name, "seal"))
        return mod_scep_admin_number(&filter->seal, 0, SCEP_ADMIN_NUMBER_MAX,
                                     name, value, p);
    if (!strcmp(name, "since"))
        return mod_scep_admin_since(&filter->since, value, p);
    return apr_psprintf(p,
                        "There is no parameter \"%s\"; known are profile, "
                        "challenge, enrolment, serial, type, since, seal, "
                        "order, limit and after.",
                        name);
}

static const char *read_seal_filter(void *filterv, const char *name,
                                    const char *value, apr_pool_t *p)
{
    scep_ledger_filter_t *filter = filterv;

    if (!strcmp(name, "limit"))
        return mod_scep_admin_limit(&filter->limit, SEALS_MAX, value, p);
    if (!strcmp(name, "after"))
        return mod_scep_admin_number(&filter->after, 0, SCEP_ADMIN_NUMBER_MAX,
                                     name, value, p);
    return apr_psprintf(p,
                        "There is no parameter \"%s\"; known are limit and "
                        "after.",
                        name);
}

/* ------------------------------------------------------------------ */
/* Answers                                                              */

/* Whether there is an answer at all; else *status is what to return. */
static int may_ask(request_rec *r, scep_admin_reader_t *reader,
                   scep_ledger_filter_t *filter, int *status)
{
    const char *err;

    if (!mod_scep_admin_has_ledger(r, "GET, HEAD", status))
        return 0;
    if (!mod_scep_callers_sees_all(r)) {
        *status = mod_scep_json_problem(r, HTTP_FORBIDDEN,
                                        "The audit trail is for callers who "
                                        "may have every challenge.");
        return 0;
    }
    err = mod_scep_admin_query(r, reader, filter);
    if (err)
        *status = mod_scep_json_problem(r, HTTP_BAD_REQUEST, "%s", err);
    return err == NULL;
}

static json_t *event_row(const scep_ledger_event_t *row, apr_pool_t *p)
{
    json_t *object = json_pack("{s:I, s:I}", "number", (json_int_t)row->number,
                               "seal", (json_int_t)row->seal);
    json_t *event = mod_scep_event_json(&row->event, APR_SIZE_MAX, p);

    json_object_update(object, event);
    json_decref(event);
    return object;
}

int mod_scep_admin_events(request_rec *r)
{
    scep_ledger_filter_t filter = { .state = -1,
                                    .seal = -1,
                                    .limit = EVENTS_DEFAULT };
    apr_array_header_t *events;
    json_t *rows;
    int status;

    if (!may_ask(r, read_event_filter, &filter, &status))
        return status;
    if (mod_scep_ledger_events(mod_scep_conf_get(r->server)->ledger, &filter,
                               &events, r->pool) != APR_SUCCESS)
        return mod_scep_admin_ledger_down(r);
    rows = json_array();
    for (int i = 0; i < events->nelts; i++) {
        json_array_append_new(rows,
                              event_row(&APR_ARRAY_IDX(events, i,
                                                       scep_ledger_event_t),
                                        r->pool));
    }
    return mod_scep_admin_page(r, json_object(), "events", rows, filter.limit);
}

/* What is no text any more, somebody has put there: it proves nothing. */
static json_t *text_of(const char *text)
{
    json_t *string = json_string(text);

    return string ? string : json_string("");
}

static json_t *seal_row(const scep_ledger_seal_t *seal, apr_pool_t *p)
{
    return json_pack("{s:I, s:s, s:i, s:o, s:o, s:o, s:o, s:o}", "number",
                     (json_int_t)seal->number, "time",
                     scep_time_text(seal->time, p), "count", seal->count,
                     "root", text_of(seal->root), "previous",
                     text_of(seal->previous), "certificate",
                     text_of(seal->certificate), "signature",
                     text_of(seal->signature), "leaves",
                     text_of(seal->leaves));
}

int mod_scep_admin_seals(request_rec *r)
{
    scep_ledger_t *ledger = mod_scep_conf_get(r->server)->ledger;
    scep_ledger_filter_t filter = { .limit = SEALS_MAX };
    apr_array_header_t *seals, *last;
    json_t *rows, *answer;
    apr_int64_t head;
    int status;

    if (!may_ask(r, read_seal_filter, &filter, &status))
        return status;
    if (mod_scep_ledger_seals(ledger, 0, -1, &last, r->pool) != APR_SUCCESS ||
        mod_scep_ledger_seals(ledger, filter.after, filter.limit, &seals,
                              r->pool) != APR_SUCCESS)
        return mod_scep_admin_ledger_down(r);
    head = last->nelts ? APR_ARRAY_IDX(last, 0, scep_ledger_seal_t).number : 0;
    rows = json_array();
    for (int i = 0; i < seals->nelts; i++) {
        json_array_append_new(
            rows,
            seal_row(&APR_ARRAY_IDX(seals, i, scep_ledger_seal_t), r->pool));
    }
    answer = json_pack("{s:I}", "head", (json_int_t)head);
    return mod_scep_admin_page(r, answer, "seals", rows, filter.limit);
}
