/* policy_subject.c - which subjects a profile allows and what it sets in them
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include <apr_strings.h>

#include <openssl/err.h>

#include "name_match.h"
#include "policy_force.h"
#include "policy_private.h"

const char *scep_policy_subject_text(const scep_policy_case_t *one)
{
    return scep_name_text(one->answer->subject, one->p);
}

int scep_policy_force_applies(const scep_policy_case_t *one, const char **why)
{
    *why = NULL;
    return one->policy->force != NULL;
}

apr_status_t scep_policy_force(const scep_policy_case_t *one)
{
    const char *fault;

    if (scep_policy_wants_device(one->policy) && !one->device)
        return scep_policy_refuse(one, SCEP_REASON_POLICY,
                                  "what granted the request is bound to no "
                                  "device that could be named");
    fault = scep_policy_force_subject(one->policy->force, one->device,
                                      &one->answer->subject, one->p);
    return fault ? scep_policy_refuse(one, SCEP_REASON_POLICY, "%s", fault)
                 : APR_SUCCESS;
}

apr_status_t scep_policy_empty(const scep_policy_case_t *one)
{
    const X509_NAME *subject = one->answer->subject;
    int empty = X509_NAME_entry_count(subject) == 0;

    if (empty && !one->policy->empty_subject)
        return scep_policy_refuse(one, SCEP_REASON_POLICY,
                                  "the CSR has an empty subject");
    if (empty && !one->csr->sans)
        return scep_policy_refuse(one, SCEP_REASON_POLICY,
                                  "the CSR has neither subject nor SAN");
    if (!scep_name_canonical(subject, one->p))
        return scep_policy_refuse(one, SCEP_REASON_POLICY,
                                  "a value of the subject is no text: %s",
                                  scep_name_text(subject, one->p));
    return APR_SUCCESS;
}

int scep_policy_wanted_applies(const scep_policy_case_t *one, const char **why)
{
    *why = NULL;
    return one->policy->wanted != NULL;
}

apr_status_t scep_policy_wanted(const scep_policy_case_t *one)
{
    const apr_array_header_t *wanted = one->policy->wanted;
    apr_status_t rv = APR_SUCCESS;

    for (int i = 0; i < wanted->nelts; i++) {
        const ASN1_OBJECT *type =
            APR_ARRAY_IDX(wanted, i, const ASN1_OBJECT *);

        if (X509_NAME_get_index_by_OBJ(one->answer->subject, type, -1) < 0)
            rv = scep_policy_refuse(one, SCEP_REASON_POLICY,
                                    "the subject has no %s",
                                    scep_name_oid_text(type, one->p));
    }
    return rv;
}

int scep_policy_allowed_applies(const scep_policy_case_t *one,
                                const char **why)
{
    *why = NULL;
    return one->policy->allowed != NULL;
}

static int is_allowed(const scep_policy_case_t *one,
                      const X509_NAME_ENTRY *attribute)
{
    const apr_array_header_t *allowed = one->policy->allowed;

    for (int i = 0; i < allowed->nelts; i++)
        if (scep_name_match_attribute(
                APR_ARRAY_IDX(allowed, i, const scep_name_pattern_t *),
                attribute, one->p))
            return 1;
    return 0;
}

apr_status_t scep_policy_allowed(const scep_policy_case_t *one)
{
    const X509_NAME *subject = one->answer->subject;
    apr_status_t rv = APR_SUCCESS;

    for (int i = 0; i < X509_NAME_entry_count(subject); i++) {
        const X509_NAME_ENTRY *entry = X509_NAME_get_entry(subject, i);

        if (!is_allowed(one, entry))
            rv = scep_policy_refuse(one, SCEP_REASON_POLICY,
                                    "the profile does not allow the "
                                    "attribute %s",
                                    scep_name_attribute_text(entry, one->p));
    }
    return rv;
}
