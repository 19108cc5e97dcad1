/* policy_san.c - which subjectAltNames a profile allows
 * SPDX-License-Identifier: Apache-2.0
 */
#include "policy_private.h"
#include "san_match.h"

#define NONE_ASKED "the CSR asks for none"

const char *scep_policy_sans_text(const scep_policy_case_t *one)
{
    return scep_name_sans_text(one->csr->sans, one->p);
}

int scep_policy_sans_applies(const scep_policy_case_t *one, const char **why)
{
    *why = NONE_ASKED;
    return one->csr->sans != NULL;
}

apr_status_t scep_policy_sans(const scep_policy_case_t *one)
{
    apr_status_t rv = APR_SUCCESS;

    for (int i = 0; i < sk_GENERAL_NAME_num(one->csr->sans); i++) {
        const GENERAL_NAME *san = sk_GENERAL_NAME_value(one->csr->sans, i);

        if (!(one->policy->sans & scep_name_san_type_of(san)))
            rv = scep_policy_refuse(one, SCEP_REASON_POLICY,
                                    "the profile does not allow the SAN %s",
                                    scep_name_san_text(san, one->p));
        else if (!scep_name_san_canonical(san, one->p))
            rv =
                scep_policy_refuse(one, SCEP_REASON_POLICY, "malformed SAN %s",
                                   scep_name_san_text(san, one->p));
    }
    return rv;
}

int scep_policy_sans_wanted_applies(const scep_policy_case_t *one,
                                    const char **why)
{
    *why = NULL;
    return one->policy->sans_wanted != 0;
}

apr_status_t scep_policy_sans_wanted(const scep_policy_case_t *one)
{
    unsigned int missing = one->policy->sans_wanted;
    apr_status_t rv = APR_SUCCESS;

    for (int i = 0; i < sk_GENERAL_NAME_num(one->csr->sans); i++)
        missing &=
            ~scep_name_san_type_of(sk_GENERAL_NAME_value(one->csr->sans, i));
    for (unsigned int bit = 1; missing; bit <<= 1) {
        if (missing & bit)
            rv = scep_policy_refuse(one, SCEP_REASON_POLICY,
                                    "the CSR asks for no SAN of type %s",
                                    scep_name_san_word(bit));
        missing &= ~bit;
    }
    return rv;
}

int scep_policy_sans_allowed_applies(const scep_policy_case_t *one,
                                     const char **why)
{
    *why = one->policy->sans_allowed ? NONE_ASKED : NULL;
    return one->policy->sans_allowed && one->csr->sans;
}

static int is_allowed(const scep_policy_case_t *one, const GENERAL_NAME *san)
{
    const apr_array_header_t *allowed = one->policy->sans_allowed;

    for (int i = 0; i < allowed->nelts; i++)
        if (scep_san_match(APR_ARRAY_IDX(allowed, i,
                                         const scep_san_pattern_t *),
                           san, one->p))
            return 1;
    return 0;
}

apr_status_t scep_policy_sans_allowed(const scep_policy_case_t *one)
{
    apr_status_t rv = APR_SUCCESS;

    for (int i = 0; i < sk_GENERAL_NAME_num(one->csr->sans); i++) {
        const GENERAL_NAME *san = sk_GENERAL_NAME_value(one->csr->sans, i);

        if (!is_allowed(one, san))
            rv = scep_policy_refuse(one, SCEP_REASON_POLICY,
                                    "the profile has no pattern for the SAN "
                                    "%s",
                                    scep_name_san_text(san, one->p));
    }
    return rv;
}
