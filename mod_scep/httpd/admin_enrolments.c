/* admin_enrolments.c - GET enrolments: what waits, and what became of it
 * SPDX-License-Identifier: Apache-2.0
 */
#include "admin.h"

#include <apr_escape.h>
#include <apr_strings.h>
#include <http_protocol.h>

#include "admin_query.h"
#include "approval.h"
#include "callers.h"
#include "core/utf8.h"
#include "core/work.h"

#define LIMIT_DEFAULT 100
#define LIMIT_MAX 1000

/* ------------------------------------------------------------------ */
/* What is shown                                                        */

/* Who has approved it; how many more must. */
static void put_approvals(json_t *row, const scep_record_t *record,
                          const scep_profile_t *profile, apr_pool_t *p)
{
    json_t *names = json_array();
    char *left = apr_pstrdup(p, record->approvals), *name, *last;

    for (name = apr_strtok(left, "\n", &last); name;
         name = apr_strtok(NULL, "\n", &last)) {
        json_array_append_new(names,
                              json_string(
                                  scep_utf8_clean(name, strlen(name), p)));
    }
    if (record->state == SCEP_STATE_APPROVAL && profile) {
        json_object_set_new(row, "approvals_missing",
                            json_integer(
                                mod_scep_approval_missing(profile, record)));
    }
    if (json_array_size(names) || record->state == SCEP_STATE_APPROVAL)
        json_object_set(row, "approvals", names);
    json_decref(names);
}

static void put_state(json_t *row, const scep_record_t *record,
                      const scep_profile_t *profile, apr_pool_t *p)
{
    const int pending = record->state < SCEP_STATE_ISSUED;

    mod_scep_admin_put(row, "state", scep_state_name(record->state), p);
    if (record->state == SCEP_STATE_REJECTED ||
        record->state == SCEP_STATE_FAILED) {
        mod_scep_admin_put(row, "reason",
                           scep_result_reason_name(record->reason), p);
        mod_scep_admin_put(row, "fail_info",
                           scep_result_fail_info_name(record->fail_info), p);
    }
    mod_scep_admin_put(row, "detail", record->detail, p);
    put_approvals(row, record, profile, p);
    if (record->state == SCEP_STATE_SAME)
        mod_scep_admin_put(row, "same_as", record->handle, p);
    else
        mod_scep_admin_put(row, "ca_request", record->handle, p);
    mod_scep_admin_put(row, "serial", record->serial, p);
    mod_scep_admin_put_time(row, "created", record->created, p);
    mod_scep_admin_put_time(row, "submitted", record->submitted, p);
    mod_scep_admin_put_time(row, "updated", record->updated, p);
    if (pending) {
        mod_scep_admin_put_time(row, "due", record->due, p);
        if (profile) {
            mod_scep_admin_put_time(row, "expires",
                                    scep_work_end(&profile->enrol, record), p);
        }
    }
    if (record->tries)
        json_object_set_new(row, "tries", json_integer(record->tries));
    /* what is done but for the verifier, which must still hear of it */
    if (!pending && !record->settled)
        json_object_set_new(row, "settled", json_false());
}

json_t *mod_scep_admin_record(const request_rec *r,
                              const scep_record_t *record)
{
    const scep_profile_t *profile =
        mod_scep_conf_find_profile(mod_scep_conf_get(r->server),
                                   record->profile);
    apr_pool_t *p = r->pool;
    json_t *row = json_object();

    mod_scep_admin_put(row, "id", record->key, p);
    mod_scep_admin_put(row, "profile", record->profile, p);
    mod_scep_admin_put(row, "ca", record->ca, p);
    mod_scep_admin_put(row, "subject", record->subject, p);
    mod_scep_admin_put(row, "sans", record->sans, p);
    mod_scep_admin_put(row, "device", record->device, p);
    put_state(row, record, profile, p);
    mod_scep_admin_put(row, "transaction_id", record->transaction_id, p);
    mod_scep_admin_put(row, "address", record->address, p);
    mod_scep_admin_put(row, "verifier", record->verifier, p);
    mod_scep_admin_put(row, "verified_by", record->verified_by, p);
    mod_scep_admin_put(row, "requester", record->requester, p);
    mod_scep_admin_put(row, "renews", record->renews, p);
    return row;
}

/* One, with what is too much for a list.  The CSR stays where it is: the
 * challenge is in it. */
static json_t *whole(const request_rec *r, const scep_record_t *record)
{
    json_t *row = mod_scep_admin_record(r, record);

    json_object_set_new(row, "message_type", json_integer(record->type));
    mod_scep_admin_put(row, "key_digest", record->spki, r->pool);
    mod_scep_admin_put(row, "signer_digest", record->signer, r->pool);
    mod_scep_admin_put(row, "events",
                       apr_pstrcat(r->pool, "events?enrolment=", record->key,
                                   NULL),
                       r->pool);
    if (*record->serial) {
        mod_scep_admin_put(
            row, "certificate",
            apr_pstrcat(r->pool, "certificates/", record->serial, "?ca=",
                        apr_pescape_urlencoded(r->pool, record->ca), NULL),
            r->pool);
    }
    return row;
}

/* ------------------------------------------------------------------ */
/* The list                                                             */

static const char *read_state(scep_ledger_filter_t *filter, const char *value)
{
    filter->state = scep_state_find(value);
    if (filter->state < 0) {
        return "\"state\" is one of received, approval, queued, submitted, "
               "ca-pending, unknown, issued, rejected, failed and same.";
    }
    if (filter->state < SCEP_STATE_ISSUED)
        filter->pending = 1;
    return NULL;
}

static const char *read_filter(void *filterv, const char *name,
                               const char *value, apr_pool_t *p)
{
    scep_ledger_filter_t *filter = filterv;

    if (!strcmp(name, "state"))
        return read_state(filter, value);
    if (!strcmp(name, "pending")) {
        filter->pending = 1;
        return strcmp(value, "true") ? "\"pending\" is true where it is given."
                                     : NULL;
    }
    if (!strcmp(name, "profile"))
        return mod_scep_admin_word(&filter->profile, name, value, p);
    if (!strcmp(name, "challenge"))
        return mod_scep_admin_word(&filter->challenge, name, value, p);
    if (!strcmp(name, "subject"))
        return mod_scep_admin_word(&filter->subject, name, value, p);
    if (!strcmp(name, "since"))
        return mod_scep_admin_since(&filter->since, value, p);
    if (!strcmp(name, "limit"))
        return mod_scep_admin_limit(&filter->limit, LIMIT_MAX, value, p);
    if (!strcmp(name, "after")) {
        return mod_scep_admin_number(&filter->after, 1, SCEP_ADMIN_NUMBER_MAX,
                                     name, value, p);
    }
    return apr_psprintf(p,
                        "There is no parameter \"%s\"; known are state, "
                        "pending, profile, challenge, subject, since, limit "
                        "and after.",
                        name);
}

static int list(request_rec *r)
{
    scep_ledger_filter_t filter = { .state = -1, .limit = LIMIT_DEFAULT };
    const char *err = mod_scep_admin_query(r, read_filter, &filter);
    apr_array_header_t *found;
    json_t *rows;
    int status;

    if (err)
        return mod_scep_json_problem(r, HTTP_BAD_REQUEST, "%s", err);
    if (!mod_scep_admin_narrow(r, &filter.profile, &status))
        return status;
    if (mod_scep_ledger_list(mod_scep_conf_get(r->server)->ledger, &filter,
                             &found, r->pool) != APR_SUCCESS)
        return mod_scep_admin_ledger_down(r);
    rows = json_array();
    for (int i = 0; i < found->nelts; i++) {
        const scep_ledger_record_t *one =
            &APR_ARRAY_IDX(found, i, scep_ledger_record_t);
        json_t *row = mod_scep_admin_record(r, &one->record);

        json_object_set_new(row, "number",
                            json_integer((json_int_t)one->number));
        json_array_append_new(rows, row);
    }
    return mod_scep_admin_page(r, json_object(), "enrolments", rows,
                               filter.limit);
}

/* ------------------------------------------------------------------ */
/* One                                                                  */

/* A record that was asked for anew has ".NUMBER" behind its digest. */
static int is_key(const char *key)
{
    size_t digits = strspn(key, "0123456789abcdef");
    const char *rest = key + digits;

    return digits == SCEP_RECORD_DIGEST_SIZE - 1 &&
           (!*rest || (*rest == '.' && rest[1] && strlen(rest) < 21 &&
                       rest[1 + strspn(rest + 1, "0123456789")] == '\0'));
}

int mod_scep_admin_find_record(request_rec *r, const char *key,
                               scep_record_t *record, int *status)
{
    apr_status_t rv = APR_NOTFOUND;

    if (is_key(key))
        rv = mod_scep_ledger_get(mod_scep_conf_get(r->server)->ledger, key,
                                 record, r->pool);
    if (rv == APR_SUCCESS && mod_scep_callers_has_profile(r, record->profile))
        return 1;
    *status = rv == APR_SUCCESS || APR_STATUS_IS_NOTFOUND(rv)
                  ? mod_scep_json_problem(r, HTTP_NOT_FOUND,
                                          "There is no enrolment %s.", key)
                  : mod_scep_admin_ledger_down(r);
    return 0;
}

int mod_scep_admin_enrolments(request_rec *r, const char *path)
{
    const char *verb = path ? strchr(path, '/') : NULL;
    scep_record_t record;
    int status;

    if (verb) {
        return mod_scep_admin_decide(r,
                                     apr_pstrmemdup(r->pool, path,
                                                    (apr_size_t)(verb - path)),
                                     verb + 1);
    }
    if (!mod_scep_admin_has_ledger(r, "GET, HEAD", &status))
        return status;
    if (!path)
        return list(r);
    if (r->args && *r->args) {
        return mod_scep_json_problem(r, HTTP_BAD_REQUEST,
                                     "This call takes no query.");
    }
    if (!mod_scep_admin_find_record(r, path, &record, &status))
        return status;
    return mod_scep_json_send(r, HTTP_OK, whole(r, &record));
}
