/* enrol.c - one enrolment: verify, allow, submit, settle
 * SPDX-License-Identifier: Apache-2.0
 */
#include "enrol.h"

#include <apr_strings.h>

#include "device.h"
#include "network.h"

/* What the steps below share. */
typedef struct enrol_t {
    const scep_message_t *message;
    const scep_enrol_profile_t *profile;
    const scep_enrol_ops_t *ops;
    const scep_alg_t *alg;
    const char *address;
    apr_time_t now;
    scep_csr_t *csr;
    scep_policy_answer_t allowed;
    unsigned char client[16]; /**< address, as octets */
    scep_verify_request_t who;
    scep_verify_result_t verdict;
    scep_enrol_answer_t *answer;
    scep_result_t *res;
    apr_pool_t *p;
} enrol_t;

/* Every messageType is refused here unless it is named: default deny. */
apr_status_t scep_enrol_check_type(const scep_enrol_profile_t *profile,
                                   int type, scep_result_t *res, apr_pool_t *p)
{
    switch (type) {
    case SCEP_TYPE_PKCS_REQ:
        return APR_SUCCESS;
    case SCEP_TYPE_CERT_POLL:
        return scep_result_fail(res, p, SCEP_REASON_NO_TRANSACTION,
                                "CertPoll for a transaction that is not "
                                "known");
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

static apr_status_t check_type(const enrol_t *enrol)
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
static apr_status_t check_signer(enrol_t *enrol)
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

static apr_status_t read_csr(enrol_t *enrol)
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

static int digest_part(EVP_MD_CTX *ctx, const void *data, apr_size_t len)
{
    unsigned char length[8];

    for (int i = 0; i < 8; i++)
        length[i] = (unsigned char)((apr_uint64_t)len >> (56 - 8 * i));
    return EVP_DigestUpdate(ctx, length, sizeof(length)) &&
           EVP_DigestUpdate(ctx, data, len);
}

/* One name for (profile, transactionID, CSR, signer): clients use the same
 * transactionID, and even the same CSR, when they renew. */
static apr_status_t name_transaction(enrol_t *enrol)
{
    const char *profile = enrol->profile->name;
    const char *id = enrol->message->transaction_id;
    const void *signer = "self";
    apr_size_t signer_len = 4;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int good;

    if (enrol->message->signer) {
        signer = enrol->message->signer_id;
        signer_len = enrol->message->signer_id_len;
    }
    good = ctx &&
           EVP_DigestInit_ex(ctx, scep_alg_md(enrol->alg, SCEP_DIGEST_SHA256),
                             NULL) &&
           digest_part(ctx, profile, strlen(profile)) &&
           digest_part(ctx, id, strlen(id)) &&
           digest_part(ctx, enrol->csr->der, enrol->csr->der_len) &&
           digest_part(ctx, signer, signer_len) &&
           EVP_DigestFinal_ex(ctx, enrol->who.facts.transaction, NULL);

    EVP_MD_CTX_free(ctx);
    return good ? APR_SUCCESS
                : scep_result_fail(enrol->res, enrol->p, SCEP_REASON_INTERNAL,
                                   "digest of the transaction");
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

static apr_status_t gather_facts(enrol_t *enrol)
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
    return name_transaction(enrol);
}

static apr_status_t verify(enrol_t *enrol)
{
    scep_verify_result_t *verdict = &enrol->verdict;
    const char *reason;

    enrol->ops->verify(enrol->ops->baton, &enrol->who, verdict, enrol->p);
    reason = verdict->reason ? verdict->reason : "nobody granted it";
    switch (verdict->outcome) {
    case SCEP_VERIFY_GRANTED:
        enrol->answer->verified_by = verdict->id;
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

static void submit(enrol_t *enrol, scep_ca_result_t *result)
{
    const scep_csr_t *csr = enrol->csr;
    char *key = apr_palloc(enrol->p, 65);
    scep_ca_request_t request = {
        .profile = enrol->profile->name,
        .transaction_id = enrol->message->transaction_id,
        .idempotency_key = key,
        .csr = csr->der,
        .csr_len = csr->der_len,
        .subject = enrol->allowed.subject,
        .spki = csr->spki,
        .spki_len = csr->spki_len,
        .key = csr->key,
        .extensions = enrol->allowed.extensions,
        .validity = enrol->profile->validity,
        .key_usage = enrol->profile->key_usage,
        .ext_key_usage = enrol->profile->ext_key_usage,
        .now = enrol->now,
        .challenge =
            enrol->profile->ca_checks_challenge ? csr->challenge : NULL,
        .sans = csr->sans,
    };

    for (int i = 0; i < 32; i++)
        apr_snprintf(key + 2 * i, 3, "%02x", enrol->who.facts.transaction[i]);
    enrol->ops->submit(enrol->ops->baton, &request, result, enrol->p);
}

/* Turns the connector's word into ours.  Returns whether it is spent. */
static int judge(enrol_t *enrol, scep_ca_result_t *result)
{
    const char *reason = result->reason ? result->reason : "no reason given";
    const char *fault;

    switch (result->outcome) {
    case SCEP_CA_ISSUED:
        enrol->answer->remark = result->reason;
        fault =
            result->certificate
                ? scep_cert_check_issued(result->certificate, enrol->csr->spki,
                                         enrol->csr->spki_len,
                                         enrol->profile->chain,
                                         enrol->profile->ca_signs_here,
                                         enrol->now, enrol->p)
                : "there is none";
        if (fault) {
            scep_result_fail(enrol->res, enrol->p, SCEP_REASON_CA_BAD_CERT,
                             "the certificate that the CA gave: %s", fault);
        }
        return 1;
    case SCEP_CA_PENDING:
    case SCEP_CA_UNKNOWN:
        enrol->res->status = SCEP_STATUS_PENDING;
        enrol->res->detail = reason;
        return 1;
    case SCEP_CA_REJECTED:
        scep_result_fail(enrol->res, enrol->p,
                         result->device_fault ? SCEP_REASON_CA_REJECTED
                                              : SCEP_REASON_CA_FAULT,
                         "%s", reason);
        enrol->res->fail_info = result->fail_info;
        return result->device_fault;
    case SCEP_CA_UNAVAILABLE:
        break;
    }
    scep_result_fail(enrol->res, enrol->p, SCEP_REASON_CA_DOWN, "%s", reason);
    if (result->retry_after)
        enrol->res->retry_after = result->retry_after;
    return 0;
}

/* Tells the verifier what became of its grant. */
static apr_status_t settle(enrol_t *enrol, int spend, X509 *certificate)
{
    const scep_result_t *res = enrol->res;
    int issued = res->reason == SCEP_REASON_NONE && certificate;
    const scep_verify_end_t end = {
        .spend = spend,
        .certificate = issued ? certificate : NULL,
        .ca = enrol->profile->ca,
        .fail_info = res->fail_info,
        .reason = issued ? NULL : res->detail,
        .now = enrol->now,
        .undecided = res->status == SCEP_STATUS_PENDING || res->http_status,
    };

    return enrol->ops->settle(enrol->ops->baton, enrol->verdict.token, &end,
                              enrol->p);
}

static apr_status_t allow(enrol_t *enrol)
{
    const scep_policy_t *policy = &enrol->profile->policy;
    scep_policy_request_t request = { .csr = enrol->csr,
                                      .type = enrol->message->type,
                                      .verified_by = enrol->verdict.id };
    apr_status_t rv;

    scep_policy_granted(policy, &enrol->verdict, &request, enrol->p);
    rv = scep_policy_apply(policy, enrol->csr, request.device, &enrol->allowed,
                           enrol->res, enrol->p);
    if (rv != APR_SUCCESS)
        return rv;
    request.subject = enrol->allowed.subject;
    return scep_policy_admit(policy, &request, enrol->ops->policy, enrol->alg,
                             enrol->res, enrol->p);
}

/* From here on the grant is held and must be settled exactly once. */
static void decide(enrol_t *enrol)
{
    scep_ca_result_t result = { 0 };
    apr_status_t rv;
    int spend = 0;

    if (allow(enrol) == APR_SUCCESS) {
        enrol->answer->dropped = enrol->allowed.dropped;
        submit(enrol, &result);
        spend = judge(enrol, &result);
    }
    rv = settle(enrol, spend, result.certificate);
    if (spend && APR_STATUS_IS_EAGAIN(rv)) {
        scep_result_fail(enrol->res, enrol->p, SCEP_REASON_VERIFIER_DOWN,
                         "the verifier cannot be told of the certificate; it "
                         "is not delivered");
        return;
    }
    if (spend && rv != APR_SUCCESS) {
        scep_result_fail(enrol->res, enrol->p, SCEP_REASON_CHALLENGE,
                         "the hold on the challenge was lost while the CA "
                         "worked; what it made is not delivered");
        return;
    }
    if (enrol->res->reason == SCEP_REASON_NONE &&
        enrol->res->status == SCEP_STATUS_SUCCESS)
        enrol->answer->certificate = result.certificate;
}

void scep_enrol_run(const scep_message_t *message,
                    const scep_enrol_profile_t *profile,
                    const scep_enrol_ops_t *ops, const scep_alg_t *alg,
                    const char *address, apr_time_t now,
                    scep_enrol_answer_t *answer, scep_result_t *res,
                    apr_pool_t *p)
{
    enrol_t enrol = { .message = message,
                      .profile = profile,
                      .ops = ops,
                      .alg = alg,
                      .address = address,
                      .now = now,
                      .answer = answer,
                      .res = res,
                      .p = p };

    memset(answer, 0, sizeof(*answer));
    if (check_type(&enrol) == APR_SUCCESS && read_csr(&enrol) == APR_SUCCESS &&
        gather_facts(&enrol) == APR_SUCCESS && verify(&enrol) == APR_SUCCESS)
        decide(&enrol);
}
