/* admin_decide.c - POST enrolments/ID/approve and enrolments/ID/reject
 * SPDX-License-Identifier: Apache-2.0
 */
#include "admin.h"

#include <apr_strings.h>
#include <http_protocol.h>

#include "admin_query.h"
#include "approval.h"
#include "audit.h"
#include "challenge_order.h"
#include "core/utf8.h"
#include "core/work_record.h"
#include "work.h"

/* Octets of a note or a reason. */
#define TEXT_MAX 255

/* What one caller has decided. */
typedef struct decision_t {
    request_rec *r;
    const scep_profile_t *profile; /**< NULL: no longer configured */
    int approve;
    int again;         /**< what may have reached the CA is sent once more */
    const char *text;  /**< note or reason, or NULL */
    const char *actor; /**< as stores keep it */
    apr_time_t now;
    apr_array_header_t *events; /**< scep_event_t */
    int status;                 /**< of a refusal */
} decision_t;

/* ------------------------------------------------------------------ */
/* The body                                                             */

static const char *read_body(decision_t *decision, const json_t *body)
{
    static const char *const approving[] = { "note", "submit_again", NULL };
    static const char *const rejecting[] = { "reason", NULL };
    const char *name = decision->approve ? "note" : "reason";
    const json_t *again = json_object_get(body, "submit_again");
    apr_pool_t *p = decision->r->pool;
    const char *err =
        mod_scep_json_known(body, decision->approve ? approving : rejecting,
                            p);

    if (!err)
        err = mod_scep_json_text(body, name, &decision->text, p);
    if (!err && decision->text &&
        (strlen(decision->text) > TEXT_MAX ||
         !scep_utf8_is_printable(decision->text))) {
        err = apr_psprintf(p,
                           "\"%s\" is a line of at most %d octets, without "
                           "control characters.",
                           name, TEXT_MAX);
    }
    if (!err && again && !json_is_boolean(again))
        err = "\"submit_again\" must be true or false.";
    /* the body goes before the decision is written */
    if (!err && decision->text)
        decision->text = apr_pstrdup(p, decision->text);
    decision->again = json_is_true(again);
    return err;
}

/* ------------------------------------------------------------------ */
/* Deciding                                                             */

static scep_event_t *add_event(decision_t *decision, scep_event_type_t type,
                               const scep_record_t *record)
{
    scep_event_t *event = apr_array_push(decision->events);

    mod_scep_audit_begin(event, type, decision->r);
    event->profile = record->profile;
    event->challenge = record->verified_by;
    event->enrolment = record->key;
    event->detail = decision->text;
    return event;
}

/* Says why it cannot be so. */
static const char *refuse(decision_t *decision, int status, const char *why)
{
    decision->status = status;
    return why;
}

/* What is not told apart by a name may be one and the same person. */
static int counts_people(const scep_profile_t *profile)
{
    return !profile->approval || profile->approval->four_eyes ||
           profile->approval->approvers > 1;
}

static const char *approve(decision_t *decision, scep_record_t *record)
{
    const char *err;

    if (!decision->r->user && counts_people(decision->profile)) {
        return refuse(decision, HTTP_FORBIDDEN,
                      "You have no name: an endpoint where people approve "
                      "needs a Require that authenticates them.");
    }
    err = mod_scep_approval_add(decision->profile, record, decision->actor,
                                decision->now, decision->r->pool);
    if (err)
        return refuse(decision, HTTP_FORBIDDEN, err);
    add_event(decision, SCEP_EVENT_APPROVED, record);
    return NULL;
}

/* An administrator has looked at the CA, and nothing has come of it there. */
static void submit_again(decision_t *decision, scep_record_t *record)
{
    scep_event_t *event = add_event(decision, SCEP_EVENT_APPROVED, record);

    event->ca = record->ca;
    event->ca_request = record->handle;
    event->detail =
        apr_pstrcat(decision->r->pool, "to be submitted again",
                    decision->text ? ": " : "", decision->text, NULL);
    record->state = SCEP_STATE_QUEUED;
    record->handle = "";
    record->detail = "to be submitted again, an administrator says";
    record->submitted = 0;
    record->due = decision->now;
}

static const char *allow(decision_t *decision, scep_record_t *record)
{
    const int unknown = record->state == SCEP_STATE_UNKNOWN;

    if (record->state != SCEP_STATE_APPROVAL && !unknown) {
        return refuse(decision, HTTP_CONFLICT,
                      apr_psprintf(decision->r->pool,
                                   "Its state is %s: it does not wait for "
                                   "approval.",
                                   scep_state_name(record->state)));
    }
    if (!decision->profile) {
        return refuse(decision, HTTP_CONFLICT,
                      "Its profile is no longer configured.");
    }
    if (decision->now >= scep_work_end(&decision->profile->enrol, record)) {
        return refuse(decision, HTTP_CONFLICT,
                      "It has not been decided in time.");
    }
    if (unknown != decision->again) {
        return refuse(decision, HTTP_CONFLICT,
                      unknown ? "It may have reached the CA already: look "
                                "there what became of it, and where nothing "
                                "did, say \"submit_again\": true."
                              : "Nothing was submitted yet: leave out "
                                "\"submit_again\".");
    }
    if (!unknown)
        return approve(decision, record);
    submit_again(decision, record);
    return NULL;
}

static const char *reject(decision_t *decision, scep_record_t *record)
{
    apr_pool_t *p = decision->r->pool;
    scep_result_t why = SCEP_RESULT_INIT;
    scep_event_t *event;

    if (record->state >= SCEP_STATE_ISSUED) {
        return refuse(decision, HTTP_CONFLICT,
                      apr_psprintf(p,
                                   "Its state is %s: it is at its end "
                                   "already.",
                                   scep_state_name(record->state)));
    }
    scep_result_fail(&why, p, SCEP_REASON_DISAPPROVED, "by %s%s%s",
                     decision->actor, decision->text ? ": " : "",
                     decision->text ? decision->text : "");
    event = add_event(decision, SCEP_EVENT_DISAPPROVED, record);
    /* where the CA has it, this says who may have to look there */
    if (record->state >= SCEP_STATE_SUBMITTED) {
        event->ca = record->ca;
        event->ca_request = record->handle;
    }
    event = add_event(decision, SCEP_EVENT_ENROLMENT_ENDED, record);
    event->detail = apr_pstrcat(p, scep_result_reason_name(why.reason), ": ",
                                why.detail, NULL);
    record->state = SCEP_STATE_REJECTED;
    record->reason = why.reason;
    record->fail_info = why.fail_info;
    record->detail = why.detail;
    record->settled = 0;
    record->due = decision->now;
    return NULL;
}

/* Makes of a record what the decision says, with its events.
 * @return NULL, or why it cannot be so */
static const char *apply(decision_t *decision, scep_record_t *record)
{
    apr_array_clear(decision->events);
    return decision->approve ? allow(decision, record)
                             : reject(decision, record);
}

/* ------------------------------------------------------------------ */
/* Writing it down                                                      */

static int busy(request_rec *r)
{
    return mod_scep_json_problem(r, HTTP_CONFLICT,
                                 "It is being worked on at this moment: look "
                                 "at it again, then decide.");
}

static int answer_done(const decision_t *decision, const scep_record_t *record)
{
    request_rec *r = decision->r;

    mod_scep_audit_log(r->server, decision->events, r->pool);
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                  SCEPLOGNO(0660) "enrolment %s %s by %s: profile %s, "
                                  "subject \"%s\", transaction \"%s\", now "
                                  "%s",
                  record->key, decision->approve ? "approved" : "rejected",
                  ap_escape_logitem(r->pool, decision->actor), record->profile,
                  ap_escape_logitem(r->pool, record->subject),
                  ap_escape_logitem(r->pool, record->transaction_id),
                  scep_state_name(record->state));
    return mod_scep_json_send(r, HTTP_OK, mod_scep_admin_record(r, record));
}

/* Takes the record, so that nobody else works on it, looks once more at what
 * it is now, and lets it go as it shall be. */
static int carry_out(decision_t *decision, const char *key)
{
    request_rec *r = decision->r;
    const scep_conf_t *conf = mod_scep_conf_get(r->server);
    const scep_profile_t *any =
        decision->profile ? decision->profile
                          : APR_ARRAY_IDX(conf->profiles, 0, scep_profile_t *);
    scep_record_t record = { 0 }, lease = { 0 };
    const char *err;
    apr_status_t rv;

    if (!mod_scep_work_lease(any, &lease, decision->now, r->pool))
        return HTTP_INTERNAL_SERVER_ERROR;
    rv = mod_scep_ledger_take(conf->ledger, key, lease.token, decision->now,
                              lease.lease, &record, r->pool);
    if (rv != APR_SUCCESS)
        return APR_STATUS_IS_EBUSY(rv) ? busy(r)
                                       : mod_scep_admin_ledger_down(r);
    err = apply(decision, &record);
    if (err)
        apr_array_clear(decision->events);
    else
        record.updated = decision->now;
    record.token = "";
    rv = mod_scep_ledger_update(conf->ledger, lease.token, &record, NULL,
                                decision->events, r->pool);
    if (err)
        return mod_scep_json_problem(r, decision->status, "%s", err);
    if (rv != APR_SUCCESS)
        return APR_STATUS_IS_ENOENT(rv) ? busy(r)
                                        : mod_scep_admin_ledger_down(r);
    return answer_done(decision, &record);
}

/* Most refusals are found without taking it. */
static int decide(decision_t *decision, const char *key)
{
    request_rec *r = decision->r;
    const scep_conf_t *conf = mod_scep_conf_get(r->server);
    scep_record_t record;
    const char *err;
    int status;

    if (!mod_scep_admin_find_record(r, key, &record, &status))
        return status;
    decision->profile = mod_scep_conf_find_profile(conf, record.profile);
    decision->actor = mod_scep_order_requester(r);
    decision->now = apr_time_now();
    decision->events = apr_array_make(r->pool, 2, sizeof(scep_event_t));
    if (!decision->actor)
        return HTTP_INTERNAL_SERVER_ERROR;
    err = apply(decision, &record);
    return err ? mod_scep_json_problem(r, decision->status, "%s", err)
               : carry_out(decision, key);
}

int mod_scep_admin_decide(request_rec *r, const char *key, const char *verb)
{
    decision_t decision = { .r = r, .approve = !strcmp(verb, "approve") };
    json_t *body = NULL;
    const char *err;
    int status;

    if (!decision.approve && strcmp(verb, "reject")) {
        return mod_scep_json_problem(r, HTTP_NOT_FOUND,
                                     "An enrolment has approve and reject.");
    }
    if (!mod_scep_admin_has_ledger(r, "POST", &status))
        return status;
    if (r->args && *r->args) {
        return mod_scep_json_problem(r, HTTP_BAD_REQUEST,
                                     "This call takes no query: what it needs "
                                     "is in the path and the body.");
    }
    status = mod_scep_json_read(r, &body);
    if (!body)
        return status;
    err = read_body(&decision, body);
    json_decref(body);
    return err ? mod_scep_json_problem(r, HTTP_BAD_REQUEST, "%s", err)
               : decide(&decision, key);
}
