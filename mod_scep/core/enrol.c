/* enrol.c - one enrolment: verify, allow, submit, settle
 * SPDX-License-Identifier: Apache-2.0
 */
#include "enrol_private.h"

#include "device.h"
#include "network.h"
#include "work_record.h"

/* Every messageType is refused here unless it is named: default deny. */
apr_status_t scep_enrol_check_type(const scep_enrol_profile_t *profile,
                                   int type, scep_result_t *res, apr_pool_t *p)
{
    switch (type) {
    case SCEP_TYPE_PKCS_REQ:
        return APR_SUCCESS;
    case SCEP_TYPE_CERT_POLL:
        if (profile->pending_life)
            return APR_SUCCESS;
        return scep_result_fail(res, p, SCEP_REASON_NO_TRANSACTION,
                                "CertPoll, and without ScepLedger no "
                                "transaction is known");
    case SCEP_TYPE_RENEWAL_REQ:
        if (profile->renewal)
            return APR_SUCCESS;
        return scep_result_fail(res, p, SCEP_REASON_MESSAGE_TYPE,
                                "RenewalReq, and renewal is not offered");
    default:
        return scep_result_fail(res, p, SCEP_REASON_MESSAGE_TYPE,
                                "messageType %d is not served", type);
    }
}

static apr_status_t check_type(const scep_enrol_t *enrol)
{
    const scep_message_t *message = enrol->message;
    apr_status_t rv = scep_enrol_check_type(enrol->profile, message->type,
                                            enrol->res, enrol->p);

    if (rv == APR_SUCCESS && message->type == SCEP_TYPE_RENEWAL_REQ &&
        !message->signer) {
        return scep_result_fail(enrol->res, enrol->p, SCEP_REASON_MESSAGE_TYPE,
                                "RenewalReq, and not signed by a "
                                "certificate of a CA");
    }
    return rv;
}

/*
 * A first request is signed by the key that it asks a certificate for.
 * Without this, whoever sees a CSR could have it enveloped to a key of their
 * own.  Where another key has signed, the certificate of that key has to
 * prove the whole request.
 */
static apr_status_t check_signer(scep_enrol_t *enrol)
{
    const scep_message_t *message = enrol->message;
    int same =
        enrol->csr->spki_len == message->signer_spki_len &&
        !memcmp(enrol->csr->spki, message->signer_spki, enrol->csr->spki_len);

    enrol->who.renewal = !same || message->type == SCEP_TYPE_RENEWAL_REQ;
    if (!same && (!enrol->profile->renewal || !message->signer)) {
        return scep_result_fail(enrol->res, enrol->p, SCEP_REASON_SIGNER,
                                "the request is signed by another key than "
                                "the CSR's");
    }
    return APR_SUCCESS;
}

apr_status_t scep_enrol_name_transaction(scep_enrol_t *enrol,
                                         const scep_csr_t *csr)
{
    if (scep_transaction_name(&enrol->transaction, enrol->profile->name,
                              enrol->message, csr, enrol->profile->chain,
                              enrol->alg, enrol->p) != APR_SUCCESS) {
        return scep_result_fail(enrol->res, enrol->p, SCEP_REASON_INTERNAL,
                                "digest of the transaction");
    }
    memcpy(enrol->who.facts.transaction, enrol->transaction.digest,
           sizeof(enrol->who.facts.transaction));
    enrol->answer->enrolment =
        enrol->ops->ledger ? enrol->transaction.key : NULL;
    return APR_SUCCESS;
}

static apr_status_t read_csr(scep_enrol_t *enrol)
{
    const scep_message_t *message = enrol->message;
    apr_status_t rv =
        scep_csr_parse(&enrol->csr, message->data, message->data_len,
                       message->signer_key, message->signer_spki,
                       message->signer_spki_len, enrol->res, enrol->p);

    if (rv != APR_SUCCESS)
        return rv;
    enrol->answer->csr = enrol->csr;
    enrol->answer->subject = scep_name_text(enrol->csr->subject, enrol->p);
    enrol->answer->sans = scep_name_sans_text(enrol->csr->sans, enrol->p);
    rv = scep_csr_verify(enrol->csr, enrol->profile->digests, enrol->alg,
                         enrol->res, enrol->p);
    if (rv != APR_SUCCESS) {
        return enrol->res->reason == SCEP_REASON_DIGEST
                   ? scep_result_by_rule(enrol->res, "ScepDigests", enrol->p)
                   : rv;
    }
    rv = check_signer(enrol);
    if (rv != APR_SUCCESS)
        return rv;
    rv = scep_alg_key_check(&enrol->profile->policy.keys, enrol->csr->key,
                            enrol->res, enrol->p);
    return rv == APR_SUCCESS
               ? scep_message_can_reply(message, enrol->res, enrol->p)
               : scep_result_by_rule(enrol->res, "ScepKeyTypes", enrol->p);
}

apr_status_t scep_enrol_name_facts(const scep_enrol_profile_t *profile,
                                   const scep_csr_t *csr,
                                   scep_challenge_facts_t *facts,
                                   scep_result_t *res, apr_pool_t *p)
{
    facts->profile = profile->name;
    facts->subject = scep_name_canonical(csr->subject, p);
    facts->sans = scep_name_sans_canonical(csr->sans, p);
    if (!facts->subject || !facts->sans) {
        return scep_result_fail(res, p, SCEP_REASON_CSR,
                                "the %s has a malformed value",
                                facts->subject ? "subjectAltName" : "subject");
    }
    facts->devices =
        scep_device_find(csr->subject, csr->sans, profile->device_from, p);
    return APR_SUCCESS;
}

static apr_status_t gather_facts(scep_enrol_t *enrol)
{
    scep_challenge_facts_t *facts = &enrol->who.facts;
    apr_status_t rv;

    enrol->who.challenge = enrol->csr->challenge;
    enrol->who.signer = enrol->message->signer;
    enrol->who.now = enrol->now;
    enrol->who.ca_longest = enrol->profile->ca_longest;
    enrol->who.transaction_id = enrol->message->transaction_id;
    enrol->who.address = enrol->address;
    enrol->who.csr = enrol->csr->der;
    enrol->who.csr_len = enrol->csr->der_len;
    enrol->who.subject = enrol->csr->subject;
    enrol->who.sans = enrol->csr->sans;
    enrol->who.wants_device =
        scep_policy_wants_device(&enrol->profile->policy);
    rv = scep_enrol_name_facts(enrol->profile, enrol->csr, facts, enrol->res,
                               enrol->p);
    if (rv != APR_SUCCESS)
        return rv;
    if (enrol->address && scep_network_address(enrol->client, enrol->address))
        facts->address = enrol->client;
    return scep_enrol_name_transaction(enrol, enrol->csr);
}

static apr_status_t verify(scep_enrol_t *enrol)
{
    scep_verify_result_t *verdict = &enrol->verdict;
    const char *reason;

    enrol->ops->verify(enrol->ops->baton, &enrol->who, verdict, enrol->p);
    reason = verdict->reason ? verdict->reason : "nobody granted it";
    enrol->answer->verified_by = verdict->id;
    switch (verdict->outcome) {
    case SCEP_VERIFY_GRANTED:
        return APR_SUCCESS;
    case SCEP_VERIFY_ERROR:
        return scep_result_fail(enrol->res, enrol->p,
                                SCEP_REASON_VERIFIER_DOWN, "%s", reason);
    default:
        return scep_result_fail(enrol->res, enrol->p,
                                verdict->breach ? SCEP_REASON_BREACH
                                                : SCEP_REASON_CHALLENGE,
                                "%s", reason);
    }
}

/* What never changes of a record. */
static apr_status_t describe(scep_enrol_t *enrol)
{
    const scep_enrol_profile_t *profile = enrol->profile;
    const scep_csr_t *csr = enrol->csr;
    int kept = enrol->ops->ledger != NULL;
    const scep_record_t made = {
        .key = enrol->transaction.key,
        .profile = profile->name,
        .ca = profile->ca ? profile->ca : "",
        .transaction_id = enrol->message->transaction_id,
        .signer = enrol->transaction.signer,
        .spki = kept ? scep_transaction_octets(enrol->alg, csr->spki,
                                               csr->spki_len, enrol->p)
                     : "",
        .names = kept ? scep_policy_names(csr->subject, csr->sans, enrol->alg,
                                          enrol->p)
                      : "",
        .device = "",
        .type = enrol->message->type,
        .csr = csr->der,
        .csr_len = csr->der_len,
        .subject = enrol->answer->subject ? enrol->answer->subject : "",
        .sans = enrol->answer->sans ? enrol->answer->sans : "",
        .address = enrol->address ? enrol->address : "",
        .verifier = "",
        .grant = "",
        .verified_by = "",
        .requester = "",
        .renews = "",
        .created = enrol->now,
        .handle = "",
        .serial = "",
        .detail = "",
        .approvals = "",
        .due = enrol->now,
        .updated = enrol->now,
        .token = "",
    };

    enrol->record = made;
    return made.spki && made.names
               ? APR_SUCCESS
               : scep_result_fail(enrol->res, enrol->p, SCEP_REASON_INTERNAL,
                                  "digests of the record");
}

/* ------------------------------------------------------------------ */
/* From the grant on                                                    */

/* It is not to be: as if the challenge had never been shown. */
static void give_back(scep_enrol_t *enrol)
{
    const scep_verify_end_t end = {
        .ca = enrol->profile->ca,
        .fail_info = enrol->res->fail_info,
        .reason = enrol->res->detail,
        .now = enrol->now,
        .undecided = enrol->res->status == SCEP_STATUS_PENDING ||
                     enrol->res->http_status,
    };

    enrol->ops->work->settle(enrol->ops->work_baton, enrol->verdict.token,
                             &enrol->record, &end, enrol->p);
}

/* Who granted it, and whether people must say yes, too. */
static apr_status_t prepare_record(scep_enrol_t *enrol)
{
    const scep_ledger_ops_t *ledger = enrol->ops->ledger;
    scep_record_t *record = &enrol->record;
    const scep_policy_request_t request = {
        .csr = enrol->csr,
        .subject = enrol->allowed.subject,
        .type = enrol->message->type,
        .device = *record->device ? record->device : NULL,
        .verified_by = enrol->verdict.id,
        .renews = *record->renews ? record->renews : NULL,
    };

    record->verified_by = enrol->verdict.id ? enrol->verdict.id : "";
    if (ledger->grant(enrol->ops->baton, enrol->verdict.token, record,
                      &enrol->must_settle, enrol->p) != APR_SUCCESS) {
        return scep_result_fail(enrol->res, enrol->p,
                                SCEP_REASON_VERIFIER_DOWN,
                                "who asked for the challenge cannot be told "
                                "now, and they must not approve it");
    }
    enrol->answer->renewal = *record->renews != '\0';
    if (ledger->approval(enrol->ops->baton, &request, enrol->p))
        record->state = SCEP_STATE_APPROVAL;
    return APR_SUCCESS;
}

/* From here on nothing of it is lost.  Zero: the answer is made already. */
static int receive(scep_enrol_t *enrol)
{
    scep_record_t *record = &enrol->record;
    apr_status_t rv =
        enrol->ops->work->receive(enrol->ops->work_baton, record,
                                  enrol->revive, NULL,
                                  scep_work_received(record, enrol->p),
                                  enrol->p);

    if (rv == APR_SUCCESS)
        return 1;
    scep_enrol_yield(enrol, APR_STATUS_IS_EEXIST(rv));
    give_back(enrol);
    return 0;
}

/* A store may forget: its last second when the power fails, a claim when its
 * lease is over.  The ledger does not. */
static apr_status_t check_unused(scep_enrol_t *enrol)
{
    const scep_verify_end_t spent = { .spend = 1,
                                      .ca = enrol->profile->ca,
                                      .reason = "it was used before",
                                      .now = enrol->now };
    apr_status_t rv;

    if (!enrol->ops->ledger || !enrol->verdict.once)
        return APR_SUCCESS;
    rv = enrol->ops->ledger->holder(enrol->ops->baton, enrol->verdict.id, 0,
                                    enrol->p);
    if (APR_STATUS_IS_NOTFOUND(rv))
        return APR_SUCCESS;
    if (rv != APR_SUCCESS) {
        scep_enrol_ledger_down(enrol);
        give_back(enrol);
        return rv;
    }
    enrol->ops->work->settle(enrol->ops->work_baton, enrol->verdict.token,
                             &enrol->record, &spent, enrol->p);
    return scep_result_fail(enrol->res, enrol->p, SCEP_REASON_BREACH,
                            "the ledger has another request that used the "
                            "challenge (%s)",
                            enrol->verdict.id);
}

static apr_status_t allow(scep_enrol_t *enrol)
{
    const scep_policy_t *policy = &enrol->profile->policy;
    scep_policy_request_t request = { .csr = enrol->csr,
                                      .type = enrol->message->type,
                                      .verified_by = enrol->verdict.id };
    apr_status_t rv;

    scep_policy_granted(policy, &enrol->verdict, &request, enrol->p);
    enrol->record.device = request.device ? request.device : "";
    enrol->record.renews = request.renews ? request.renews : "";
    rv = scep_policy_apply(policy, enrol->csr, request.device, &enrol->allowed,
                           enrol->res, enrol->p);
    if (rv != APR_SUCCESS)
        return rv;
    request.subject = enrol->allowed.subject;
    return scep_policy_admit(policy, &request, enrol->ops->policy, enrol->alg,
                             enrol->res, enrol->p);
}

/* From here on the grant is held and must be settled. */
static void decide(scep_enrol_t *enrol)
{
    scep_work_t work = { .profile = enrol->profile,
                         .ops = enrol->ops->work,
                         .baton = enrol->ops->work_baton,
                         .alg = enrol->alg,
                         .record = &enrol->record,
                         .grant = enrol->verdict.token,
                         .csr = enrol->csr,
                         .allowed = &enrol->allowed };

    if (check_unused(enrol) != APR_SUCCESS)
        return;
    if (allow(enrol) != APR_SUCCESS ||
        (enrol->ops->ledger && prepare_record(enrol) != APR_SUCCESS)) {
        give_back(enrol);
        return;
    }
    enrol->answer->dropped = enrol->allowed.dropped;
    if (enrol->ops->ledger) {
        work.must_settle = enrol->must_settle;
        work.revive = enrol->revive;
        work.fresh = enrol->profile->ca_signs_here &&
                     enrol->record.state == SCEP_STATE_RECEIVED;
        if (!work.fresh && !receive(enrol))
            return;
    }
    enrol->ops->run(enrol->ops->baton, &work, enrol->p);
    if (work.taken) {
        scep_enrol_yield(enrol, 1);
        return;
    }
    *enrol->res = work.res;
    enrol->answer->certificate = work.certificate;
    enrol->answer->unrecorded = work.unrecorded;
    enrol->answer->remark = work.remark;
}

static void request(scep_enrol_t *enrol)
{
    if (read_csr(enrol) != APR_SUCCESS || gather_facts(enrol) != APR_SUCCESS ||
        describe(enrol) != APR_SUCCESS)
        return;
    if (enrol->ops->ledger && scep_enrol_look(enrol))
        return;
    if (verify(enrol) == APR_SUCCESS)
        decide(enrol);
    else if (enrol->ops->ledger)
        scep_enrol_refused(enrol);
}

void scep_enrol_run(const scep_message_t *message,
                    const scep_enrol_profile_t *profile,
                    const scep_enrol_ops_t *ops, const scep_alg_t *alg,
                    const char *address, apr_time_t now,
                    scep_enrol_answer_t *answer, scep_result_t *res,
                    apr_pool_t *p)
{
    scep_enrol_t enrol = { .message = message,
                           .profile = profile,
                           .ops = ops,
                           .alg = alg,
                           .address = address,
                           .now = now,
                           .answer = answer,
                           .res = res,
                           .p = p };

    memset(answer, 0, sizeof(*answer));
    if (check_type(&enrol) != APR_SUCCESS)
        return;
    if (message->type == SCEP_TYPE_CERT_POLL)
        scep_enrol_poll(&enrol);
    else
        request(&enrol);
}
