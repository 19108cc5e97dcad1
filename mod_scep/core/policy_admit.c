/* policy_admit.c - rules that need the ledger, or the request around the CSR
 * SPDX-License-Identifier: Apache-2.0
 */
#include "policy.h"

#include <apr_escape.h>
#include <apr_strings.h>

#include "policy_force.h"

static const char *hex_digest(const scep_alg_t *alg, const void *data,
                              apr_size_t len, apr_pool_t *p)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size;

    return EVP_Digest(data, len, digest, &size,
                      scep_alg_md(alg, SCEP_DIGEST_SHA256), NULL) == 1
               ? apr_pescape_hex(p, digest, size, 0)
               : NULL;
}

const char *scep_policy_holder(const X509_NAME *subject,
                               const GENERAL_NAMES *sans,
                               const scep_alg_t *alg, apr_pool_t *p)
{
    const char *name = X509_NAME_entry_count(subject) > 0
                           ? scep_name_canonical(subject, p)
                           : scep_name_sans_canonical(sans, p);

    return name ? hex_digest(alg, name, strlen(name), p) : NULL;
}

const char *scep_policy_names(const X509_NAME *subject,
                              const GENERAL_NAMES *sans, const scep_alg_t *alg,
                              apr_pool_t *p)
{
    const char *name = scep_name_canonical(subject, p);
    const char *others = scep_name_sans_canonical(sans, p);

    if (!name || !others)
        return NULL;
    name = apr_pstrcat(p, name, "\n", others, NULL);
    return hex_digest(alg, name, strlen(name), p);
}

void scep_policy_granted(const scep_policy_t *policy,
                         const scep_verify_result_t *verdict,
                         scep_policy_request_t *request, apr_pool_t *p)
{
    X509 *old = verdict->renews;

    request->device = verdict->device;
    if (!old)
        return;
    if (!request->device)
        request->device =
            scep_policy_device(policy, X509_get_subject_name(old), p);
    request->renews = apr_pescape_hex(p, X509_get0_serialNumber(old)->data,
                                      X509_get0_serialNumber(old)->length, 0);
}

static apr_status_t no_ledger(scep_result_t *res, apr_pool_t *p)
{
    return scep_result_fail(res, p, SCEP_REASON_LEDGER_DOWN,
                            "the ledger does not say how many certificates "
                            "there are");
}

apr_status_t scep_policy_admit_key(const scep_policy_t *policy,
                                   const scep_policy_request_t *request,
                                   const scep_policy_ops_t *ops,
                                   const scep_alg_t *alg, scep_result_t *res,
                                   apr_pool_t *p)
{
    const scep_csr_t *csr = request->csr;
    const char *holder, *spki;
    int count = 0;

    if (!policy->key_once)
        return APR_SUCCESS;
    holder = scep_policy_holder(request->subject, csr->sans, alg, p);
    spki = hex_digest(alg, csr->spki, csr->spki_len, p);
    if (!ops || !holder || !spki ||
        ops->count_key(ops->baton, spki, holder, &count, p) != APR_SUCCESS)
        return no_ledger(res, p);
    if (count == 0)
        return APR_SUCCESS;
    return scep_result_fail(res, p, SCEP_REASON_KEY,
                            "the key has %d live certificate(s) for another "
                            "subject",
                            count);
}

apr_status_t scep_policy_admit_number(const scep_policy_t *policy,
                                      const scep_policy_request_t *request,
                                      const scep_policy_ops_t *ops,
                                      const scep_alg_t *alg,
                                      scep_result_t *res, apr_pool_t *p)
{
    const char *holder;
    int count = 0;

    if (!policy->most_certificates)
        return APR_SUCCESS;
    holder = scep_policy_holder(request->subject, request->csr->sans, alg, p);
    if (!ops || !holder ||
        ops->count_live(ops->baton, holder, request->renews, &count, p) !=
            APR_SUCCESS)
        return no_ledger(res, p);
    if (count < policy->most_certificates)
        return APR_SUCCESS;
    return scep_result_fail(res, p, SCEP_REASON_POLICY,
                            "the subject has %d live certificate(s) already",
                            count);
}

const char *scep_policy_condition_rule(
    const scep_policy_condition_t *condition, apr_pool_t *p)
{
    return apr_pstrcat(p, "ScepCondition ", condition->name, NULL);
}

apr_status_t scep_policy_admit_condition(
    const scep_policy_condition_t *condition,
    const scep_policy_request_t *request, const scep_policy_ops_t *ops,
    scep_result_t *res, apr_pool_t *p)
{
    const char *error = "nobody can tell";
    int holds =
        ops ? ops->holds(ops->baton, condition, request, &error, p) : -1;

    if (holds > 0)
        return APR_SUCCESS;
    return holds == 0
               ? scep_result_fail(res, p, SCEP_REASON_POLICY,
                                  "the condition does not hold")
               : scep_result_fail(res, p, SCEP_REASON_INTERNAL,
                                  "the condition cannot be evaluated: %s",
                                  error);
}

apr_status_t scep_policy_admit(const scep_policy_t *policy,
                               const scep_policy_request_t *request,
                               const scep_policy_ops_t *ops,
                               const scep_alg_t *alg, scep_result_t *res,
                               apr_pool_t *p)
{
    const apr_array_header_t *conditions = policy->conditions;

    for (int i = 0; conditions && i < conditions->nelts; i++) {
        const scep_policy_condition_t *condition =
            &APR_ARRAY_IDX(conditions, i, scep_policy_condition_t);

        if (scep_policy_admit_condition(condition, request, ops, res, p) !=
            APR_SUCCESS)
            return scep_result_by_rule(
                res, scep_policy_condition_rule(condition, p), p);
    }
    if (scep_policy_admit_key(policy, request, ops, alg, res, p) !=
        APR_SUCCESS)
        return scep_result_by_rule(res, "ScepKeyReuse", p);
    if (scep_policy_admit_number(policy, request, ops, alg, res, p) !=
        APR_SUCCESS)
        return scep_result_by_rule(res, "ScepMaxCertificates", p);
    return APR_SUCCESS;
}
