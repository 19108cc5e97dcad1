/* verifier_otp.c - verifier "otp": one-time passwords from the store
 * SPDX-License-Identifier: Apache-2.0
 */
#include "conf.h"

#include <apr_strings.h>
#include <http_main.h>

#include "core/claim_text.h"
#include "providers.h"

/* How long a request may take from the claim to the certificate, beside what
 * the CA takes.  A child that dies in between leaves the challenge locked for
 * so long. */
#define LEASE apr_time_from_sec(60)

#define NO_CHALLENGE "the CSR has no challengePassword"

static const char *refusal(scep_challenge_outcome_t outcome)
{
    switch (outcome) {
    case SCEP_CHALLENGE_NOT_FOUND:
        return "no such challenge";
    case SCEP_CHALLENGE_EXPIRED:
        return "the challenge has expired";
    case SCEP_CHALLENGE_REVOKED:
        return "the challenge was revoked";
    case SCEP_CHALLENGE_SPENT:
        return "the challenge was used before";
    case SCEP_CHALLENGE_BUSY:
        return "the challenge is being used by another request";
    case SCEP_CHALLENGE_BOUND_PROFILE:
        return "the challenge is for another profile";
    case SCEP_CHALLENGE_BOUND_SUBJECT:
        return "the challenge is for another subject";
    case SCEP_CHALLENGE_BOUND_SAN:
        return "the challenge is for other subjectAltNames";
    case SCEP_CHALLENGE_BOUND_DEVICE:
        return "the challenge is for another device";
    case SCEP_CHALLENGE_BOUND_NETWORK:
        return "the challenge is for another network";
    default:
        return "the challenge store failed";
    }
}

/* What the store's word means. */
static void report(scep_challenge_outcome_t outcome, const char *id,
                   scep_verify_result_t *result, apr_pool_t *p)
{
    result->id = *id ? apr_pstrdup(p, id) : NULL;
    switch (outcome) {
    case SCEP_CHALLENGE_CLAIMED:
        result->outcome = SCEP_VERIFY_GRANTED;
        return;
    case SCEP_CHALLENGE_NOT_FOUND:
        /* Another verifier may know a secret that the store does not. */
        result->outcome = SCEP_VERIFY_PASS;
        break;
    case SCEP_CHALLENGE_ERROR:
        /* Clients stop for good on FAILURE, and the store will be back. */
        result->outcome = SCEP_VERIFY_ERROR;
        break;
    default:
        result->outcome = SCEP_VERIFY_REFUSED;
        result->breach = outcome == SCEP_CHALLENGE_SPENT;
        result->busy = outcome == SCEP_CHALLENGE_BUSY;
    }
    result->reason = *id ? apr_psprintf(p, "%s (%s)", refusal(outcome), id)
                         : refusal(outcome);
}

/*
 * Which of its devices a request may claim as.  The store has digests alone
 * and says yes or no, so it is asked about each, and about none first: what
 * it grants then is bound to no device.  A binding never changes.
 * @param facts  of the request; its devices become that one
 * @param device  set to it, or to NULL
 */
static scep_challenge_outcome_t find_device(
    const scep_conf_t *conf, const scep_verify_request_t *request,
    scep_challenge_facts_t *facts, const char **device, apr_pool_t *p)
{
    const apr_array_header_t *devices = facts->devices;
    char id[SCEP_CHALLENGE_ID_SIZE];
    scep_challenge_outcome_t outcome;

    *device = NULL;
    facts->devices = NULL;
    outcome = conf->store_provider->check(conf->store, request->challenge,
                                          facts, request->now, id, p);
    for (int i = 0; outcome == SCEP_CHALLENGE_BOUND_DEVICE && devices &&
                    i < devices->nelts;
         i++) {
        apr_array_header_t *one = apr_array_make(p, 1, sizeof(const char *));

        APR_ARRAY_PUSH(one, const char *) =
            APR_ARRAY_IDX(devices, i, const char *);
        facts->devices = one;
        outcome = conf->store_provider->check(conf->store, request->challenge,
                                              facts, request->now, id, p);
        if (outcome == SCEP_CHALLENGE_CLAIMED)
            *device = APR_ARRAY_IDX(one, 0, const char *);
    }
    if (!*device)
        facts->devices = devices;
    return outcome;
}

static void verify(void *data, const scep_verify_request_t *request,
                   scep_verify_result_t *result, apr_pool_t *p)
{
    const scep_conf_t *conf = mod_scep_conf_get(ap_server_conf);
    scep_challenge_facts_t facts = request->facts;
    scep_challenge_claim_t *claim;
    scep_challenge_outcome_t outcome = SCEP_CHALLENGE_CLAIMED;

    (void)data;
    if (!request->challenge) {
        result->outcome = SCEP_VERIFY_PASS;
        result->reason = NO_CHALLENGE;
        return;
    }
    if (request->wants_device)
        outcome = find_device(conf, request, &facts, &result->device, p);
    claim = apr_pcalloc(p, sizeof(*claim));
    if (outcome != SCEP_CHALLENGE_ERROR) {
        outcome =
            conf->store_provider->claim(conf->store, request->challenge,
                                        &facts, request->now,
                                        LEASE + request->ca_longest, claim, p);
    }
    result->token = claim;
    result->once = claim->once;
    report(outcome, claim->id, result, p);
}

static void explain(void *data, const scep_verify_request_t *request,
                    scep_verify_result_t *result, apr_pool_t *p)
{
    const scep_conf_t *conf = mod_scep_conf_get(ap_server_conf);
    scep_challenge_facts_t facts = request->facts;
    char id[SCEP_CHALLENGE_ID_SIZE] = "";

    (void)data;
    if (!request->challenge) {
        result->outcome = SCEP_VERIFY_PASS;
        result->reason = NO_CHALLENGE;
        return;
    }
    if (request->wants_device)
        find_device(conf, request, &facts, &result->device, p);
    report(conf->store_provider->check(conf->store, request->challenge, &facts,
                                       request->now, id, p),
           id, result, p);
}

static apr_status_t settle(void *data, void *token,
                           const scep_verify_end_t *end, apr_pool_t *p)
{
    const scep_conf_t *conf = mod_scep_conf_get(ap_server_conf);

    (void)data;
    return end->spend ? conf->store_provider->commit(conf->store, token, p)
                      : conf->store_provider->release(conf->store, token, p);
}

static const char *freeze(void *data, void *token, apr_pool_t *p)
{
    (void)data;
    return scep_claim_text(token, p);
}

static void *thaw(void *data, const char *text, apr_pool_t *p)
{
    scep_challenge_claim_t *claim = apr_pcalloc(p, sizeof(*claim));

    (void)data;
    return scep_claim_parse(claim, text) ? claim : NULL;
}

static apr_status_t hold(void *data, void *token, apr_time_t until,
                         apr_pool_t *p)
{
    const scep_conf_t *conf = mod_scep_conf_get(ap_server_conf);

    (void)data;
    return conf->store_provider->hold
               ? conf->store_provider->hold(conf->store, token, until, p)
               : APR_ENOTIMPL;
}

const scep_verifier_provider_t mod_scep_verifier_otp = { .verify = verify,
                                                         .settle = settle,
                                                         .explain = explain,
                                                         .freeze = freeze,
                                                         .thaw = thaw,
                                                         .hold = hold,
                                                         .tells_device = 1 };
