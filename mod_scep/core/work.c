/* work.c - an accepted enrolment on its way to its end
 * SPDX-License-Identifier: Apache-2.0
 */
#include "work_private.h"

#include "enrol.h"
#include "work_record.h"

apr_time_t scep_work_end(const scep_enrol_profile_t *profile,
                         const scep_record_t *record)
{
    return record->created + (record->state == SCEP_STATE_APPROVAL
                                  ? profile->approval_life
                                  : profile->pending_life);
}

static int past(const scep_work_step_t *step)
{
    return scep_work_has_ledger(step) &&
           scep_work_now(step) >=
               scep_work_end(step->work->profile, step->record);
}

static int is_over(const scep_work_step_t *step)
{
    return step->record->state >= SCEP_STATE_ISSUED;
}

/* Tells the verifier what became of its grant. */
static apr_status_t settle(scep_work_step_t *step)
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
        .now = scep_work_now(step),
        .undecided = !is_over(step),
    };

    return ops->settle(step->work->baton, step->work->grant, record, &how,
                       step->p);
}

/* Writes it down as it is now. */
static apr_status_t record_it(scep_work_step_t *step)
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
static void not_recorded(scep_work_step_t *step)
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
static void finish(scep_work_step_t *step)
{
    scep_work_t *work = step->work;
    scep_record_t *record = step->record;
    apr_status_t rv;

    record->updated = scep_work_now(step);
    record->settled = is_over(step) && !work->must_settle;
    if (is_over(step) && work->must_settle)
        record->due = record->updated + SCEP_RETRY_FIRST;
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
        record->updated = scep_work_now(step);
        work->ops->update(work->baton, step->token, record, NULL,
                          scep_work_no_events(step->p), step->p);
    }
}

/* Only an end that the verifier must still hear of is left to do: after twice
 * the time that it has waited since the last time. */
static void settle_late(scep_work_step_t *step)
{
    scep_record_t *record = step->record;
    apr_interval_time_t wait = 2 * (scep_work_now(step) - record->updated);

    if (wait < SCEP_RETRY_FIRST)
        wait = SCEP_RETRY_FIRST;
    if (wait > SCEP_RETRY_MOST)
        wait = SCEP_RETRY_MOST;
    step->spend = record->state != SCEP_STATE_FAILED;
    record->settled = settle(step) == APR_SUCCESS;
    record->token = "";
    record->updated = scep_work_now(step);
    record->due = record->updated + wait;
    step->work->ops->update(step->work->baton, step->token, record, NULL,
                            scep_work_no_events(step->p), step->p);
}

/* Without a ledger: what was not decided at once is over for us. */
static void finish_at_once(scep_work_step_t *step)
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
    scep_work_step_t step = { .work = work,
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
        scep_work_fail(&step, SCEP_STATE_REJECTED, SCEP_REASON_EXPIRED,
                       "it was not decided in ScepPendingLife");
    } else {
        scep_work_ask(&step);
    }
    if (!scep_work_has_ledger(&step)) {
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
