/* work.c - an accepted enrolment on its way to its end
 * SPDX-License-Identifier: Apache-2.0
 */
#include "work.h"

#include <apr_escape.h>
#include <apr_strings.h>

#include "enrol.h"
#include "work_record.h"

/* Between two looks at what is not decided: at first, and at the most. */
#define RETRY_FIRST apr_time_from_sec(2)
#define RETRY_MOST apr_time_from_sec(300)

/* What the steps below share. */
typedef struct step_t {
    scep_work_t *work;
    scep_record_t *record;
    const char *token; /**< that holds the record */
    const scep_csr_t *csr;
    const scep_policy_answer_t *allowed;
    scep_ca_result_t result;
    int spend; /**< the challenge is used up */
    apr_pool_t *p;
} step_t;

static apr_time_t now_of(const step_t *step)
{
    return step->work->ops->clock(step->work->baton);
}

static int has_ledger(const step_t *step)
{
    return step->work->ops->update != NULL;
}

apr_time_t scep_work_end(const scep_enrol_profile_t *profile,
                         const scep_record_t *record)
{
    return record->created + (record->state == SCEP_STATE_APPROVAL
                                  ? profile->approval_life
                                  : profile->pending_life);
}

/* ------------------------------------------------------------------ */
/* States                                                               */

static void set_state(step_t *step, scep_state_t state, const char *detail)
{
    step->record->state = state;
    step->record->detail = detail ? detail : "";
}

/* To be looked at again: later each time, or when the CA says. */
static void set_due(step_t *step, apr_interval_time_t wait)
{
    unsigned int tries = step->record->tries;

    if (wait <= 0)
        wait = tries > 8 ? RETRY_MOST : RETRY_FIRST << tries;
    if (wait > RETRY_MOST && step->record->state != SCEP_STATE_CA_PENDING)
        wait = RETRY_MOST;
    step->record->due = now_of(step) + wait;
}

static void end(step_t *step, scep_state_t state, const scep_result_t *why)
{
    set_state(step, state, why->detail);
    step->record->reason = why->reason;
    step->record->fail_info = why->fail_info;
}

/* Ends it for a reason of ours. */
static void fail(step_t *step, scep_state_t state, scep_reason_t reason,
                 const char *detail)
{
    scep_result_t why = SCEP_RESULT_INIT;

    scep_result_fail(&why, step->p, reason, "%s", detail);
    end(step, state, &why);
}

/* ------------------------------------------------------------------ */
/* The request                                                          */

/* What the device had asked for, read again in another process.  Who asked
 * was found out when it came; whether it is allowed is as of now. */
static apr_status_t reread(step_t *step)
{
    const scep_enrol_profile_t *profile = step->work->profile;
    scep_policy_answer_t *allowed = apr_pcalloc(step->p, sizeof(*allowed));
    scep_result_t why = SCEP_RESULT_INIT;
    scep_csr_t *csr;
    apr_status_t rv;

    if (step->csr)
        return APR_SUCCESS;
    rv = scep_csr_parse(&csr, step->record->csr, step->record->csr_len, NULL,
                        NULL, 0, &why, step->p);
    if (rv == APR_SUCCESS)
        rv = scep_csr_verify(csr, profile->digests, step->work->alg, &why,
                             step->p);
    if (rv == APR_SUCCESS)
        rv = scep_policy_apply(&profile->policy, csr,
                               *step->record->device ? step->record->device
                                                     : NULL,
                               allowed, &why, step->p);
    if (rv != APR_SUCCESS) {
        end(step, SCEP_STATE_REJECTED, &why);
        return rv;
    }
    step->csr = csr;
    step->allowed = allowed;
    return APR_SUCCESS;
}

static void make_request(const step_t *step, scep_ca_request_t *request,
                         apr_time_t when)
{
    const scep_enrol_profile_t *profile = step->work->profile;
    const scep_csr_t *csr = step->csr;
    const scep_ca_request_t made = {
        .profile = profile->name,
        .transaction_id = step->record->transaction_id,
        .idempotency_key = step->record->key,
        .csr = csr->der,
        .csr_len = csr->der_len,
        .subject = step->allowed->subject,
        .spki = csr->spki,
        .spki_len = csr->spki_len,
        .key = csr->key,
        .extensions = step->allowed->extensions,
        .validity = profile->validity,
        .key_usage = profile->key_usage,
        .ext_key_usage = profile->ext_key_usage,
        .now = when,
        .challenge = profile->ca_checks_challenge ? csr->challenge : NULL,
        .sans = csr->sans,
    };

    *request = made;
}

/* ------------------------------------------------------------------ */
/* Before the CA                                                        */

/* Keeps the record as it is between two steps.  Zero: go no further. */
static int keep(step_t *step)
{
    const scep_work_ops_t *ops = step->work->ops;

    if (!has_ledger(step))
        return 1;
    step->record->updated = now_of(step);
    return ops->update(step->work->baton, step->token, step->record, NULL,
                       scep_work_no_events(step->p), step->p) == APR_SUCCESS;
}

/* The claim outlives whoever made it from here on.  Zero: go no further. */
static int hold(step_t *step)
{
    const scep_work_ops_t *ops = step->work->ops;
    apr_status_t rv;

    if (!has_ledger(step) || step->work->fresh)
        return 1;
    rv = ops->hold(step->work->baton, step->work->grant,
                   step->record->created + step->work->profile->pending_life,
                   step->p);
    if (rv == APR_SUCCESS)
        return 1;
    if (APR_STATUS_IS_EAGAIN(rv)) {
        step->record->detail = "the verifier cannot keep the grant now";
        set_due(step, 0);
    } else {
        fail(step, SCEP_STATE_FAILED, SCEP_REASON_CHALLENGE,
             "the hold on the challenge was lost before the CA was asked");
    }
    return 0;
}

static int past(const step_t *step)
{
    return has_ledger(step) &&
           now_of(step) >= scep_work_end(step->work->profile, step->record);
}

/* ------------------------------------------------------------------ */
/* What the CA said                                                     */

/* @return what is wrong with the certificate, or NULL */
static const char *check_certificate(step_t *step)
{
    const scep_enrol_profile_t *profile = step->work->profile;
    X509 *certificate = step->result.certificate;
    const char *fault, *other = NULL;

    if (!certificate)
        return "there is none";
    fault =
        scep_cert_check_issued(certificate, step->csr->spki,
                               step->csr->spki_len, profile->chain,
                               profile->ca_signs_here, now_of(step), step->p);
    /* what is signed here has the names that it is told */
    if (!fault && !profile->ca_signs_here)
        fault =
            scep_policy_check_issued(&profile->policy, certificate, step->csr,
                                     step->allowed->subject, &other, step->p);
    if (other)
        step->result.reason =
            step->result.reason
                ? apr_pstrcat(step->p, step->result.reason, "; ", other, NULL)
                : other;
    return fault;
}

static void judge_issued(step_t *step)
{
    X509 *certificate = step->result.certificate;
    const char *fault = check_certificate(step);

    step->spend = 1;
    if (!fault) {
        step->work->remark = step->result.reason;
        step->work->certificate = certificate;
        step->record->serial = scep_work_serial(certificate, step->p);
        set_state(step, SCEP_STATE_ISSUED, step->result.reason);
        return;
    }
    if (certificate)
        step->work->ops->revoke(step->work->baton, certificate, step->p);
    fail(step, SCEP_STATE_REJECTED, SCEP_REASON_CA_BAD_CERT,
         apr_psprintf(step->p, "the certificate that the CA gave: %s", fault));
}

static void judge_rejected(step_t *step, const char *reason)
{
    step->spend = step->result.device_fault;
    fail(step, step->spend ? SCEP_STATE_REJECTED : SCEP_STATE_FAILED,
         step->spend ? SCEP_REASON_CA_REJECTED : SCEP_REASON_CA_FAULT, reason);
    step->record->fail_info = step->result.fail_info;
}

/* Turns the connector's word into ours. */
static void judge(step_t *step)
{
    const scep_ca_result_t *result = &step->result;
    const char *reason = result->reason ? result->reason : "no reason given";

    step->work->ca = result->outcome;
    switch (result->outcome) {
    case SCEP_CA_ISSUED:
        judge_issued(step);
        return;
    case SCEP_CA_PENDING:
        step->spend = 1;
        set_state(step, SCEP_STATE_CA_PENDING, reason);
        break;
    case SCEP_CA_UNKNOWN:
        step->spend = 1;
        set_state(step, SCEP_STATE_UNKNOWN, reason);
        break;
    case SCEP_CA_REJECTED:
        judge_rejected(step, reason);
        return;
    case SCEP_CA_UNAVAILABLE:
        set_state(step, SCEP_STATE_QUEUED, reason);
        break;
    }
    if (result->handle)
        step->record->handle = apr_pstrdup(step->p, result->handle);
    set_due(step, result->retry_after);
}

/* A CA that is polled for weeks says the same each time, and that is no
 * event. */
static void heed(step_t *step)
{
    scep_state_t before = step->record->state;

    judge(step);
    step->work->asked =
        step->record->tries == 1 || step->record->state != before;
}

/* ------------------------------------------------------------------ */
/* Asking the CA                                                        */

static void submit(step_t *step)
{
    const scep_work_ops_t *ops = step->work->ops;
    scep_ca_request_t request;

    if (!hold(step) || reread(step) != APR_SUCCESS)
        return;
    if (step->work->defer) {
        set_state(step, SCEP_STATE_QUEUED, step->work->defer);
        set_due(step, 0);
        return;
    }
    step->record->submitted = now_of(step);
    /* What is signed here has not left the host before it is in the
     * ledger: after a crash it is simply signed again. */
    if (!step->work->profile->ca_signs_here) {
        set_state(step, SCEP_STATE_SUBMITTED, NULL);
        if (!keep(step)) {
            step->token = NULL;
            return;
        }
    }
    step->record->tries++;
    make_request(step, &request, step->record->submitted);
    ops->submit(step->work->baton, &request, &step->result, step->p);
    heed(step);
}

/* What became of a request that is not known to have an end.  It is never
 * sent again unless the CA says that nothing came of it. */
static void look_up(step_t *step)
{
    const scep_work_ops_t *ops = step->work->ops;
    scep_ca_request_t request;

    if (reread(step) != APR_SUCCESS)
        return;
    step->record->tries++;
    if (*step->record->handle) {
        ops->poll(step->work->baton, step->record->handle,
                  step->record->state == SCEP_STATE_CA_PENDING
                      ? SCEP_CA_PENDING
                      : SCEP_CA_UNKNOWN,
                  &step->result, step->p);
        heed(step);
        return;
    }
    make_request(step, &request, step->record->submitted);
    if (ops->lookup(step->work->baton, &request, &step->result, step->p)) {
        heed(step);
        return;
    }
    set_state(step, SCEP_STATE_UNKNOWN,
              "the gateway cannot look up what became of it at the CA: an "
              "administrator must");
    step->record->due = scep_work_end(step->work->profile, step->record);
}

static void ask(step_t *step)
{
    switch (step->record->state) {
    case SCEP_STATE_APPROVAL:
        if (hold(step))
            step->record->due =
                scep_work_end(step->work->profile, step->record);
        return;
    case SCEP_STATE_RECEIVED:
    case SCEP_STATE_QUEUED:
        submit(step);
        return;
    default:
        look_up(step);
    }
}

/* ------------------------------------------------------------------ */
/* Afterwards                                                           */

static int is_over(const step_t *step)
{
    return step->record->state >= SCEP_STATE_ISSUED;
}

/* Tells the verifier what became of its grant. */
static apr_status_t settle(step_t *step)
{
    const scep_work_ops_t *ops = step->work->ops;
    const scep_record_t *record = step->record;
    const int issued = record->state == SCEP_STATE_ISSUED;
    const scep_verify_end_t how = {
        .spend = step->spend,
        .certificate = issued ? step->work->certificate : NULL,
        .ca = step->work->profile->ca,
        .fail_info = record->fail_info,
        .reason = issued ? NULL : record->detail,
        .now = now_of(step),
        .undecided = !is_over(step),
    };

    return ops->settle(step->work->baton, step->work->grant, record, &how,
                       step->p);
}

/* Writes it down as it is now. */
static apr_status_t record_it(step_t *step)
{
    scep_work_t *work = step->work;
    scep_record_t *record = step->record;
    apr_array_header_t *events = scep_work_events(work, record, step->p);
    scep_certificate_t *bought =
        record->state == SCEP_STATE_ISSUED
            ? scep_work_certificate(work, step->csr, step->allowed->subject,
                                    step->p)
            : NULL;
    apr_status_t rv;

    if (!work->fresh) {
        return work->ops->update(work->baton, step->token, record, bought,
                                 events, step->p);
    }
    events =
        apr_array_append(step->p, scep_work_received(record, step->p), events);
    rv = work->ops->receive(work->baton, record, work->revive, bought, events,
                            step->p);
    work->taken = APR_STATUS_IS_EEXIST(rv);
    step->token = record->token;
    return rv;
}

/* What is not recorded is not delivered.  Of a CA elsewhere it is found out
 * later what became of it; what was signed here never was. */
static void not_recorded(step_t *step)
{
    scep_work_t *work = step->work;

    if (work->fresh) {
        scep_result_fail(&work->res, step->p, SCEP_REASON_LEDGER_DOWN,
                         "the ledger does not take the enrolment");
        step->spend = 0;
        step->record->state = SCEP_STATE_QUEUED;
        settle(step);
    } else {
        work->unrecorded = work->certificate;
    }
    work->certificate = NULL;
    step->record->state = SCEP_STATE_UNKNOWN;
}

/* With a ledger: the end is kept first and told then.  A grant that is only
 * held needs no more: nobody else can have it. */
static void finish(step_t *step)
{
    scep_work_t *work = step->work;
    scep_record_t *record = step->record;
    apr_status_t rv;

    record->updated = now_of(step);
    record->settled = is_over(step) && !work->must_settle;
    if (is_over(step) && work->must_settle)
        record->due = record->updated + RETRY_FIRST;
    else
        record->token = "";
    if (record_it(step) != APR_SUCCESS) {
        not_recorded(step);
        return;
    }
    work->fresh = 0;
    if (!is_over(step))
        return;
    rv = settle(step);
    if (work->must_settle) {
        record->settled = rv == APR_SUCCESS;
        record->token = "";
        record->updated = now_of(step);
        work->ops->update(work->baton, step->token, record, NULL,
                          scep_work_no_events(step->p), step->p);
    }
}

/* Only an end that the verifier must still hear of is left to do: after twice
 * the time that it has waited since the last time. */
static void settle_late(step_t *step)
{
    scep_record_t *record = step->record;
    apr_interval_time_t wait = 2 * (now_of(step) - record->updated);

    if (wait < RETRY_FIRST)
        wait = RETRY_FIRST;
    if (wait > RETRY_MOST)
        wait = RETRY_MOST;
    step->spend = record->state != SCEP_STATE_FAILED;
    record->settled = settle(step) == APR_SUCCESS;
    record->token = "";
    record->updated = now_of(step);
    record->due = record->updated + wait;
    step->work->ops->update(step->work->baton, step->token, record, NULL,
                            scep_work_no_events(step->p), step->p);
}

/* Without a ledger: what was not decided at once is over for us. */
static void finish_at_once(step_t *step)
{
    scep_work_t *work = step->work;
    const char *detail = step->record->detail;
    apr_status_t rv;

    if (step->record->state == SCEP_STATE_QUEUED) {
        scep_result_fail(&work->res, step->p, SCEP_REASON_CA_DOWN, "%s",
                         detail);
        if (step->result.retry_after)
            work->res.retry_after = step->result.retry_after;
        settle(step);
        return;
    }
    rv = settle(step);
    scep_work_answer(step->record, work->certificate, &work->res, step->p);
    if (!step->spend || rv == APR_SUCCESS)
        return;
    work->certificate = NULL;
    work->res = (scep_result_t)SCEP_RESULT_INIT;
    if (APR_STATUS_IS_EAGAIN(rv)) {
        scep_result_fail(&work->res, step->p, SCEP_REASON_VERIFIER_DOWN,
                         "the verifier cannot be told of the certificate; it "
                         "is not delivered");
    } else {
        scep_result_fail(&work->res, step->p, SCEP_REASON_CHALLENGE,
                         "the hold on the challenge was lost while the CA "
                         "worked; what it made is not delivered");
    }
}

void scep_work_answer(const scep_record_t *record, const X509 *certificate,
                      scep_result_t *res, apr_pool_t *p)
{
    *res = (scep_result_t)SCEP_RESULT_INIT;
    if (record->state < SCEP_STATE_ISSUED ||
        (record->state == SCEP_STATE_ISSUED && !certificate)) {
        res->status = SCEP_STATUS_PENDING;
        res->detail =
            *record->detail ? record->detail : "it is being worked on";
    } else if (record->state != SCEP_STATE_ISSUED) {
        scep_result_fail(res, p, record->reason, "%s", record->detail);
        res->fail_info = record->fail_info;
    }
}

void scep_work_run(scep_work_t *work, apr_pool_t *p)
{
    step_t step = { .work = work,
                    .record = work->record,
                    .token = work->record->token,
                    .csr = work->csr,
                    .allowed = work->allowed,
                    .p = p };

    if (is_over(&step)) {
        settle_late(&step);
        return;
    }
    if (past(&step)) {
        step.spend = 1;
        fail(&step, SCEP_STATE_REJECTED, SCEP_REASON_EXPIRED,
             "it was not decided in ScepPendingLife");
    } else {
        ask(&step);
    }
    if (!has_ledger(&step)) {
        finish_at_once(&step);
        return;
    }
    if (step.token)
        finish(&step);
    if (work->fresh)
        return;
    /* who must know of it first does not yet */
    if (!step.record->settled && work->must_settle)
        work->certificate = NULL;
    scep_work_answer(step.record, work->certificate, &work->res, p);
}
