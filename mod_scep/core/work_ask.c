/* work_ask.c - an accepted enrolment: what is asked of the CA
 * SPDX-License-Identifier: Apache-2.0
 */
#include "work_private.h"

#include <apr_strings.h>

#include "enrol.h"
#include "work_record.h"

apr_time_t scep_work_now(const scep_work_step_t *step)
{
    return step->work->ops->clock(step->work->baton);
}

int scep_work_has_ledger(const scep_work_step_t *step)
{
    return step->work->ops->update != NULL;
}

/* ------------------------------------------------------------------ */
/* States                                                               */

static void set_state(scep_work_step_t *step, scep_state_t state,
                      const char *detail)
{
    step->record->state = state;
    step->record->detail = detail ? detail : "";
}

/* To be looked at again: later each time, or when the CA says. */
static void set_due(scep_work_step_t *step, apr_interval_time_t wait)
{
    unsigned int tries = step->record->tries;

    if (wait <= 0)
        wait = tries > 8 ? SCEP_RETRY_MOST : SCEP_RETRY_FIRST << tries;
    if (wait > SCEP_RETRY_MOST && step->record->state != SCEP_STATE_CA_PENDING)
        wait = SCEP_RETRY_MOST;
    step->record->due = scep_work_now(step) + wait;
}

static void end(scep_work_step_t *step, scep_state_t state,
                const scep_result_t *why)
{
    set_state(step, state, why->detail);
    step->record->reason = why->reason;
    step->record->fail_info = why->fail_info;
}

/* Ends it for a reason of ours. */
void scep_work_fail(scep_work_step_t *step, scep_state_t state,
                    scep_reason_t reason, const char *detail)
{
    scep_result_t why = SCEP_RESULT_INIT;

    scep_result_fail(&why, step->p, reason, "%s", detail);
    end(step, state, &why);
}

/* ------------------------------------------------------------------ */
/* The request                                                          */

/* What the device had asked for, read again in another process.  Who asked
 * was found out when it came; whether it is allowed is as of now. */
static apr_status_t reread(scep_work_step_t *step)
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

static void make_request(const scep_work_step_t *step,
                         scep_ca_request_t *request, apr_time_t when)
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
static int keep(scep_work_step_t *step)
{
    const scep_work_ops_t *ops = step->work->ops;

    if (!scep_work_has_ledger(step))
        return 1;
    step->record->updated = scep_work_now(step);
    return ops->update(step->work->baton, step->token, step->record, NULL,
                       scep_work_no_events(step->p), step->p) == APR_SUCCESS;
}

/* The claim outlives whoever made it from here on.  Zero: go no further. */
static int hold(scep_work_step_t *step)
{
    const scep_work_ops_t *ops = step->work->ops;
    apr_status_t rv;

    if (!scep_work_has_ledger(step) || step->work->fresh)
        return 1;
    rv = ops->hold(step->work->baton, step->work->grant, step->record,
                   step->record->created + step->work->profile->pending_life,
                   step->p);
    if (rv == APR_SUCCESS)
        return 1;
    if (APR_STATUS_IS_EAGAIN(rv)) {
        step->record->detail = "the verifier cannot keep the grant now";
        set_due(step, 0);
    } else if (APR_STATUS_IS_EACCES(rv)) {
        scep_work_fail(step, SCEP_STATE_REJECTED, SCEP_REASON_CHALLENGE,
                       "the certificate that it renews has been revoked");
    } else {
        scep_work_fail(
            step, SCEP_STATE_FAILED, SCEP_REASON_CHALLENGE,
            "the hold on the challenge was lost before the CA was asked");
    }
    return 0;
}

/* ------------------------------------------------------------------ */
/* What the CA said                                                     */

/* @return what is wrong with the certificate, or NULL */
static const char *check_certificate(scep_work_step_t *step)
{
    const scep_enrol_profile_t *profile = step->work->profile;
    X509 *certificate = step->result.certificate;
    const char *fault, *other = NULL;

    if (!certificate)
        return "there is none";
    fault = scep_cert_check_issued(certificate, step->csr->spki,
                                   step->csr->spki_len, profile->chain,
                                   profile->ca_signs_here, scep_work_now(step),
                                   step->p);
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

static void judge_issued(scep_work_step_t *step)
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
    scep_work_fail(step, SCEP_STATE_REJECTED, SCEP_REASON_CA_BAD_CERT,
                   apr_psprintf(step->p,
                                "the certificate that the CA gave: %s",
                                fault));
}

static void judge_rejected(scep_work_step_t *step, const char *reason)
{
    step->spend = step->result.device_fault;
    scep_work_fail(step, step->spend ? SCEP_STATE_REJECTED : SCEP_STATE_FAILED,
                   step->spend ? SCEP_REASON_CA_REJECTED
                               : SCEP_REASON_CA_FAULT,
                   reason);
    step->record->fail_info = step->result.fail_info;
}

/* Turns the connector's word into ours. */
static void judge(scep_work_step_t *step)
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
static void heed(scep_work_step_t *step)
{
    scep_state_t before = step->record->state;

    judge(step);
    step->work->asked =
        step->record->tries == 1 || step->record->state != before;
}

/* ------------------------------------------------------------------ */
/* Asking the CA                                                        */

static void submit(scep_work_step_t *step)
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
    step->record->submitted = scep_work_now(step);
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
static void look_up(scep_work_step_t *step)
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

void scep_work_ask(scep_work_step_t *step)
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
