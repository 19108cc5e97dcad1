/* admin_events.c - GET events and GET seals: the audit trail
 * SPDX-License-Identifier: Apache-2.0
 */
#include "admin.h"

#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>

#include "callers.h"
#include "conf.h"
#include "core/time_text.h"
#include "event_json.h"
#include "ledger.h"

#define EVENTS_DEFAULT 100
#define EVENTS_MAX 1000

/* A seal over a full batch takes 80 KiB. */
#define SEALS_MAX 100

/* There is one behind it. */
#define NUMBER_MAX (APR_INT64_MAX - 1)

/* ------------------------------------------------------------------ */
/* The query string                                                     */

/* Says what is wrong with a parameter, or NULL. */
typedef const char *reader_t(scep_ledger_filter_t *filter, const char *name,
                             const char *value, apr_pool_t *p);

static const char *read_number(apr_int64_t *number, apr_int64_t least,
                               apr_int64_t most, const char *name,
                               const char *value, apr_pool_t *p)
{
    size_t digits = strspn(value, "0123456789");

    /* what is too large for it becomes the largest */
    *number = apr_atoi64(value);
    return digits && !value[digits] && *number >= least && *number <= most
               ? NULL
               : apr_psprintf(p,
                              "\"%s\" is a number from %" APR_INT64_T_FMT
                              " to %" APR_INT64_T_FMT ".",
                              name, least, most);
}

static const char *read_limit(scep_ledger_filter_t *filter, int most,
                              const char *value, apr_pool_t *p)
{
    apr_int64_t limit;
    const char *err = read_number(&limit, 1, most, "limit", value, p);

    filter->limit = (int)limit;
    return err;
}

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

static const char *read_event_filter(scep_ledger_filter_t *filter,
                                     const char *name, const char *value,
                                     apr_pool_t *p)
{
    const char **text = !strcmp(name, "profile")     ? &filter->profile
                        : !strcmp(name, "challenge") ? &filter->challenge
                        : !strcmp(name, "enrolment") ? &filter->enrolment
                        : !strcmp(name, "serial")    ? &filter->serial
                                                     : NULL;

    if (text) {
        *text = value;
        return *value ? NULL : apr_psprintf(p, "\"%s\" is empty.", name);
    }
    if (!strcmp(name, "type"))
        return read_type(filter, value);
    if (!strcmp(name, "order"))
        return read_order(filter, value);
    if (!strcmp(name, "limit"))
        return read_limit(filter, EVENTS_MAX, value, p);
    if (!strcmp(name, "after"))
        return read_number(&filter->after, 0, NUMBER_MAX, name, value, p);
    if (!strcmp(name, "seal"))
        return read_number(&filter->seal, 0, NUMBER_MAX, name, value, p);
    if (strcmp(name, "since")) {
        return apr_psprintf(p,
                            "There is no parameter \"%s\"; known are profile, "
                            "challenge, enrolment, serial, type, since, seal, "
                            "order, limit and after.",
                            name);
    }
    return scep_time_read(&filter->since, value, p) == APR_SUCCESS
               ? NULL
               : "\"since\" is a time such as 2027-03-31T12:00:00Z, or a "
                 "date.";
}

static const char *read_seal_filter(scep_ledger_filter_t *filter,
                                    const char *name, const char *value,
                                    apr_pool_t *p)
{
    if (!strcmp(name, "limit"))
        return read_limit(filter, SEALS_MAX, value, p);
    if (!strcmp(name, "after"))
        return read_number(&filter->after, 0, NUMBER_MAX, name, value, p);
    return apr_psprintf(p,
                        "There is no parameter \"%s\"; known are limit and "
                        "after.",
                        name);
}

static const char *read_query(request_rec *r, reader_t *reader,
                              scep_ledger_filter_t *filter)
{
    apr_table_t *seen = apr_table_make(r->pool, 5);
    const char *args = r->args ? r->args : "", *err = NULL;

    while (!err && *args) {
        char *value = ap_getword(r->pool, &args, '&');
        char *name = ap_getword(r->pool, (const char **)&value, '=');

        if (ap_unescape_urlencoded(name) != OK ||
            ap_unescape_urlencoded(value) != OK)
            err = "The query has an escape that is none.";
        else if (apr_table_get(seen, name))
            err = apr_psprintf(r->pool, "\"%s\" is given twice.", name);
        else
            err = reader(filter, name, value, r->pool);
        apr_table_setn(seen, name, value);
    }
    return err;
}

/* ------------------------------------------------------------------ */
/* Answers                                                              */

/* Whether there is an answer at all; else *status is what to return. */
static int may_ask(request_rec *r, reader_t *reader,
                   scep_ledger_filter_t *filter, int *status)
{
    const char *err;

    ap_allow_standard_methods(r, REPLACE_ALLOW, M_GET, -1);
    if (r->method_number != M_GET) {
        *status = HTTP_METHOD_NOT_ALLOWED;
        return 0;
    }
    if (!mod_scep_callers_sees_all(r)) {
        *status = mod_scep_json_problem(r, HTTP_FORBIDDEN,
                                        "The audit trail is for callers who "
                                        "may have every challenge.");
        return 0;
    }
    if (!mod_scep_conf_get(r->server)->ledger) {
        *status = mod_scep_json_problem(r, HTTP_NOT_FOUND,
                                        "There is no ledger: ScepLedger is "
                                        "off.");
        return 0;
    }
    err = read_query(r, reader, filter);
    if (err)
        *status = mod_scep_json_problem(r, HTTP_BAD_REQUEST, "%s", err);
    return err == NULL;
}

static int down(request_rec *r)
{
    return mod_scep_json_problem(r, HTTP_SERVICE_UNAVAILABLE,
                                 "The ledger does not work now; see the "
                                 "server's error log.");
}

/* A page with the number that the next one begins after, where it is full. */
static int send_page(request_rec *r, json_t *answer, const char *member,
                     json_t *rows, int limit)
{
    size_t count = json_array_size(rows);

    if (count == (size_t)limit) {
        json_object_set(answer, "next",
                        json_object_get(json_array_get(rows, count - 1),
                                        "number"));
    }
    json_object_set_new(answer, member, rows);
    return mod_scep_json_send(r, HTTP_OK, answer);
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
        return down(r);
    rows = json_array();
    for (int i = 0; i < events->nelts; i++) {
        json_array_append_new(rows,
                              event_row(&APR_ARRAY_IDX(events, i,
                                                       scep_ledger_event_t),
                                        r->pool));
    }
    return send_page(r, json_object(), "events", rows, filter.limit);
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
        return down(r);
    head = last->nelts ? APR_ARRAY_IDX(last, 0, scep_ledger_seal_t).number : 0;
    rows = json_array();
    for (int i = 0; i < seals->nelts; i++) {
        json_array_append_new(
            rows,
            seal_row(&APR_ARRAY_IDX(seals, i, scep_ledger_seal_t), r->pool));
    }
    answer = json_pack("{s:I}", "head", (json_int_t)head);
    return send_page(r, answer, "seals", rows, filter.limit);
}
