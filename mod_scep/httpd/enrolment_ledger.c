/* enrolment_ledger.c - what an enrolment needs of the ledger
 * SPDX-License-Identifier: Apache-2.0
 */
#include "enrolment_ledger.h"

#include "approval.h"
#include "ledger.h"
#include "policy_request.h"
#include "providers.h"
#include "work.h"

/* How long a claim may be without an enrolment before it is looked at as left
 * behind, and between two looks. */
#define HOLDER_WAIT apr_time_from_msec(900)
#define HOLDER_STEP apr_time_from_msec(100)

static scep_ledger_t *ledger_of(const scep_enrolment_baton_t *baton)
{
    return mod_scep_conf_get(baton->r->server)->ledger;
}

static apr_status_t seen(void *batonv, const char *signer,
                         const char *transaction_id,
                         apr_array_header_t **records, apr_pool_t *p)
{
    const scep_enrolment_baton_t *baton = batonv;

    return mod_scep_ledger_seen(ledger_of(baton), baton->profile->name, signer,
                                transaction_id, records, p);
}

static apr_status_t get(void *baton, const char *key, scep_record_t *record,
                        apr_pool_t *p)
{
    return mod_scep_ledger_get(ledger_of(baton), key, record, p);
}

static apr_status_t free_certificate(void *certificate)
{
    X509_free(certificate);
    return APR_SUCCESS;
}

static apr_status_t certificate(void *batonv, const scep_record_t *record,
                                X509 **found, apr_pool_t *p)
{
    const scep_enrolment_baton_t *baton = batonv;
    scep_certificate_t row;
    const unsigned char *der;
    apr_status_t rv = mod_scep_ledger_certificate(ledger_of(baton), record->ca,
                                                  record->serial, &row, p);

    if (rv != APR_SUCCESS)
        return rv;
    if (row.state == SCEP_CERTIFICATE_REVOKED ||
        row.state == SCEP_CERTIFICATE_REVOKING ||
        row.not_after <= baton->r->request_time)
        return APR_NOTFOUND;
    der = row.der;
    *found = d2i_X509(NULL, &der, (long)row.der_len);
    if (!*found)
        return APR_EGENERAL;
    apr_pool_cleanup_register(p, *found, free_certificate,
                              apr_pool_cleanup_null);
    return APR_SUCCESS;
}

static apr_status_t grant(void *batonv, void *token, scep_record_t *record,
                          int *must_settle, apr_pool_t *p)
{
    const scep_enrolment_baton_t *baton = batonv;
    const scep_grant_t *granted = token;
    const scep_verifier_provider_t *provider = granted->verifier->provider;
    const char *text =
        provider->freeze
            ? provider->freeze(granted->verifier->data, granted->token, p)
            : NULL;
    const scep_approval_conf_t *approval = baton->profile->approval;
    apr_status_t rv;

    record->verifier = granted->verifier->name;
    record->grant = text ? text : "";
    *must_settle = provider->must_settle || *record->renews;
    if (!approval || provider != &mod_scep_verifier_otp)
        return APR_SUCCESS;
    rv = mod_scep_approval_requester(baton->r, record->verified_by,
                                     &record->requester);
    return approval->four_eyes ? rv : APR_SUCCESS;
}

static apr_status_t holder(void *batonv, const char *verified_by, int wait,
                           apr_pool_t *p)
{
    const scep_enrolment_baton_t *baton = batonv;
    const scep_ledger_filter_t filter = {
        .state = -1, .challenge = verified_by, .seal = -1, .limit = 10
    };
    const apr_time_t end = wait ? apr_time_now() + HOLDER_WAIT : 0;
    apr_array_header_t *rows;
    apr_status_t rv;

    for (;;) {
        rv = mod_scep_ledger_list(ledger_of(baton), &filter, &rows, p);
        for (int i = 0; rv == APR_SUCCESS && i < rows->nelts; i++)
            if (APR_ARRAY_IDX(rows, i, scep_ledger_record_t).record.state !=
                SCEP_STATE_FAILED)
                return APR_SUCCESS;
        if (rv != APR_SUCCESS || apr_time_now() >= end)
            return rv == APR_SUCCESS ? APR_NOTFOUND : rv;
        apr_sleep(HOLDER_STEP);
    }
}

static int approval(void *batonv, const scep_policy_request_t *request,
                    apr_pool_t *p)
{
    const scep_enrolment_baton_t *baton = batonv;

    (void)p;
    if (baton->profile->approval && baton->profile->approval->when)
        mod_scep_policy_note(baton->r, baton->profile, request);
    return mod_scep_approval_wanted(baton->r, baton->profile);
}

const scep_ledger_ops_t mod_scep_enrolment_ledger = { .seen = seen,
                                                      .get = get,
                                                      .certificate =
                                                          certificate,
                                                      .grant = grant,
                                                      .holder = holder,
                                                      .approval = approval };
