/* enrol_ledger.c - one enrolment: what the ledger knows of it
 * SPDX-License-Identifier: Apache-2.0
 */
#include "enrol_private.h"

#include <apr_strings.h>

#include "work_record.h"

apr_status_t scep_enrol_ledger_down(scep_enrol_t *enrol)
{
    return scep_result_fail(enrol->res, enrol->p, SCEP_REASON_LEDGER_DOWN,
                            "the ledger does not answer");
}

/* Tells what a record says.  @return APR_SUCCESS: told; APR_NOTFOUND: what it
 * had bought is no more; else the ledger failed */
static apr_status_t tell(scep_enrol_t *enrol, const scep_record_t *record)
{
    const scep_ledger_ops_t *ledger = enrol->ops->ledger;
    X509 *certificate = NULL;
    scep_record_t other;
    apr_status_t rv;

    if (record->state == SCEP_STATE_SAME) {
        rv = ledger->get(enrol->ops->baton, record->handle, &other, enrol->p);
        if (rv != APR_SUCCESS)
            return rv;
        record = &other;
    }
    if (record->state == SCEP_STATE_ISSUED && record->settled) {
        rv = ledger->certificate(enrol->ops->baton, record, &certificate,
                                 enrol->p);
        if (rv != APR_SUCCESS)
            return rv;
    }
    scep_work_answer(record, certificate, enrol->res, enrol->p);
    enrol->answer->again = 1;
    enrol->answer->enrolment = apr_pstrdup(enrol->p, record->key);
    enrol->answer->verified_by = apr_pstrdup(enrol->p, record->verified_by);
    enrol->answer->subject = apr_pstrdup(enrol->p, record->subject);
    enrol->answer->sans = apr_pstrdup(enrol->p, record->sans);
    enrol->answer->certificate = certificate;
    return APR_SUCCESS;
}

static apr_status_t seen(scep_enrol_t *enrol, apr_array_header_t **records)
{
    return enrol->ops->ledger->seen(enrol->ops->baton,
                                    enrol->transaction.signer,
                                    enrol->message->transaction_id, records,
                                    enrol->p) == APR_SUCCESS
               ? APR_SUCCESS
               : scep_enrol_ledger_down(enrol);
}

apr_status_t scep_enrol_poll(scep_enrol_t *enrol)
{
    const scep_record_t *record;
    apr_array_header_t *records;
    apr_status_t rv = scep_enrol_name_transaction(enrol, NULL);

    if (rv == APR_SUCCESS)
        rv = seen(enrol, &records);
    if (rv != APR_SUCCESS)
        return rv;
    record = scep_transaction_polled(records, enrol->message->transaction_id);
    rv = record ? tell(enrol, record) : APR_NOTFOUND;
    if (APR_STATUS_IS_NOTFOUND(rv)) {
        return scep_result_fail(enrol->res, enrol->p,
                                SCEP_REASON_NO_TRANSACTION,
                                "CertPoll for a transaction that this signer "
                                "does not have");
    }
    return rv == APR_SUCCESS ? rv : scep_enrol_ledger_down(enrol);
}

/* Nothing is asked for twice: what is under way under another transactionID
 * answers for this one too (C-67). */
static apr_status_t join(scep_enrol_t *enrol, const scep_record_t *other)
{
    apr_status_t rv;

    enrol->record.state = SCEP_STATE_SAME;
    enrol->record.handle = other->key;
    enrol->record.verified_by = other->verified_by;
    enrol->record.settled = 1;
    rv = enrol->ops->work->receive(enrol->ops->work_baton, &enrol->record, 0,
                                   NULL, scep_work_no_events(enrol->p),
                                   enrol->p);
    if (rv == APR_SUCCESS || APR_STATUS_IS_EEXIST(rv))
        rv = tell(enrol, &enrol->record);
    return rv == APR_SUCCESS ? rv : scep_enrol_ledger_down(enrol);
}

/* @return whether the request is one that has been here before, and the
 *         answer is made; or that it failed */
int scep_enrol_look(scep_enrol_t *enrol)
{
    apr_array_header_t *records;
    const scep_record_t *found;
    apr_status_t rv;

    if (seen(enrol, &records) != APR_SUCCESS)
        return 1;
    switch (scep_transaction_judge(records, &enrol->transaction,
                                   enrol->message->transaction_id,
                                   enrol->record.names, enrol->record.spki,
                                   &found)) {
    case SCEP_SEEN_SAME:
        rv = tell(enrol, found);
        if (APR_STATUS_IS_NOTFOUND(rv))
            break;
        if (rv != APR_SUCCESS)
            scep_enrol_ledger_down(enrol);
        return 1;
    case SCEP_SEEN_AGAIN:
        join(enrol, found);
        return 1;
    case SCEP_SEEN_CONFLICT:
        scep_result_fail(enrol->res, enrol->p, SCEP_REASON_TRANSACTION,
                         "the transactionID belongs to another request that "
                         "is under way (%s)",
                         found->key);
        return 1;
    case SCEP_SEEN_ENDED:
        break;
    default:
        return 0;
    }
    /* It ended, or what it bought is no more: it may be asked anew. */
    enrol->revive = 1;
    return 0;
}

/* The same request at the same time has been faster, or there is no ledger
 * now. */
void scep_enrol_yield(scep_enrol_t *enrol, int taken)
{
    scep_result_t before = *enrol->res;

    if (taken && scep_enrol_look(enrol))
        return;
    *enrol->res = before;
    scep_enrol_ledger_down(enrol);
}

/* The same request at the same time may have the challenge.  And who has
 * claimed it may have died before its enrolment was recorded: then it is
 * free again when the lease is over, and no reason for a device to give up. */
void scep_enrol_refused(scep_enrol_t *enrol)
{
    const scep_ledger_ops_t *ledger = enrol->ops->ledger;
    const scep_result_t refused = *enrol->res;
    scep_record_t same;
    apr_status_t rv;

    if (scep_enrol_look(enrol))
        return;
    *enrol->res = refused;
    if (!enrol->verdict.busy || !enrol->verdict.id)
        return;
    rv = ledger->holder(enrol->ops->baton, enrol->verdict.id, 1, enrol->p);
    if (APR_STATUS_IS_NOTFOUND(rv)) {
        scep_result_fail(enrol->res, enrol->p, SCEP_REASON_VERIFIER_DOWN,
                         "%s, and no enrolment is known that does",
                         refused.detail);
        return;
    }
    if (rv == APR_SUCCESS)
        rv = ledger->get(enrol->ops->baton, enrol->transaction.key, &same,
                         enrol->p);
    if (rv == APR_SUCCESS)
        rv = tell(enrol, &same);
    if (rv != APR_SUCCESS && !APR_STATUS_IS_NOTFOUND(rv))
        scep_enrol_ledger_down(enrol);
}
