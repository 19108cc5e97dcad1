/* policy.c - what a profile lets a certificate be
 * SPDX-License-Identifier: Apache-2.0
 */
#include "policy.h"

#include <string.h>

#include <apr_strings.h>

#include <openssl/err.h>

#include "policy_private.h"

/* Octets of a detail that is long enough: a CSR may have 256 bad names. */
#define DETAIL_MOST 512

apr_status_t scep_policy_refuse(const scep_policy_case_t *one,
                                scep_reason_t reason, const char *fmt, ...)
{
    scep_result_t *res = one->res;
    const char *before = res->reason == SCEP_REASON_NONE ? NULL : res->detail;
    const char *text;
    va_list args;

    va_start(args, fmt);
    text = apr_pvsprintf(one->p, fmt, args);
    va_end(args);
    if (before && strlen(before) > DETAIL_MOST)
        return APR_EGENERAL;
    if (before) {
        res->detail = apr_pstrcat(one->p, before, "; ", text, NULL);
        return APR_EGENERAL;
    }
    return scep_result_fail(res, one->p, reason, "%s", text);
}

int scep_policy_has_type(const apr_array_header_t *types,
                         const ASN1_OBJECT *type)
{
    for (int i = 0; types && i < types->nelts; i++)
        if (OBJ_cmp(APR_ARRAY_IDX(types, i, const ASN1_OBJECT *), type) == 0)
            return 1;
    return 0;
}

/* ------------------------------------------------------------------ */
/* The key                                                              */

static apr_status_t check_type(const scep_policy_case_t *one)
{
    return scep_alg_key_check(&one->policy->keys, one->csr->key, one->res,
                              one->p);
}

static const char *describe_type(const scep_policy_case_t *one)
{
    return apr_psprintf(one->p, "%s, %d bits",
                        EVP_PKEY_get0_type_name(one->csr->key),
                        EVP_PKEY_get_bits(one->csr->key));
}

static int is_rsa(const scep_policy_case_t *one, const char **why)
{
    *why = "the key is no RSA key";
    return EVP_PKEY_is_a(one->csr->key, "RSA");
}

static apr_status_t check_exponent(const scep_policy_case_t *one)
{
    apr_uint64_t e = scep_weak_exponent(one->csr->spki, one->csr->spki_len);

    if (e >= one->policy->exponent)
        return APR_SUCCESS;
    return scep_policy_refuse(one, SCEP_REASON_KEY,
                              "public exponent %" APR_UINT64_T_FMT
                              ", %" APR_UINT64_T_FMT " is the least",
                              e, one->policy->exponent);
}

static const char *describe_exponent(const scep_policy_case_t *one)
{
    return apr_psprintf(one->p, "%" APR_UINT64_T_FMT,
                        scep_weak_exponent(one->csr->spki,
                                           one->csr->spki_len));
}

static int is_tested(const scep_policy_case_t *one, const char **why)
{
    *why = NULL;
    return one->policy->weak ? is_rsa(one, why) : 0;
}

static apr_status_t check_weak(const scep_policy_case_t *one)
{
    const char *fault =
        scep_weak_key(one->policy->weak, one->csr->spki, one->csr->spki_len);

    return fault ? scep_policy_refuse(one, SCEP_REASON_KEY, "weak key: %s",
                                      fault)
                 : APR_SUCCESS;
}

/* ------------------------------------------------------------------ */

const scep_policy_rule_t scep_policy_rules[] = {
    { "ScepKeyTypes", NULL, check_type, describe_type, 0 },
    { "ScepRSAExponent", is_rsa, check_exponent, describe_exponent, 0 },
    { "ScepWeakKeys", is_tested, check_weak, NULL, 0 },
    { "ScepSubjectForce", scep_policy_force_applies, scep_policy_force,
      scep_policy_subject_text, 0 },
    { "ScepEmptySubject", NULL, scep_policy_empty, NULL, 1 },
    { "ScepSubjectRequire", scep_policy_wanted_applies, scep_policy_wanted,
      NULL, 1 },
    { "ScepSubjectAllow", scep_policy_allowed_applies, scep_policy_allowed,
      scep_policy_subject_text, 1 },
    { "ScepSubjectAltNames", scep_policy_sans_applies, scep_policy_sans,
      scep_policy_sans_text, 1 },
    { "ScepSubjectAltNameRequire", scep_policy_sans_wanted_applies,
      scep_policy_sans_wanted, NULL, 1 },
    { "ScepSubjectAltNameAllow", scep_policy_sans_allowed_applies,
      scep_policy_sans_allowed, scep_policy_sans_text, 1 },
    { "ScepExtendedKeyUsageAllow", scep_policy_usages_applies,
      scep_policy_usages, NULL, 0 },
    { "ScepExtensions", scep_policy_extensions_applies, scep_policy_extensions,
      scep_policy_extensions_text, 0 },
    { NULL, NULL, NULL, NULL, 0 }
};

static apr_status_t free_extensions(void *extensions)
{
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    return APR_SUCCESS;
}

apr_status_t scep_policy_apply(const scep_policy_t *policy,
                               const scep_csr_t *csr, const char *device,
                               scep_policy_answer_t *answer,
                               scep_result_t *res, apr_pool_t *p)
{
    scep_policy_answer_t made = { sk_X509_EXTENSION_new_null(), NULL,
                                  csr->subject };
    const scep_policy_case_t one = { policy, csr, device, &made, res, p };
    const char *why;

    ERR_clear_error();
    if (!made.extensions)
        return scep_result_fail(res, p, SCEP_REASON_INTERNAL, "no memory");
    apr_pool_cleanup_register(p, made.extensions, free_extensions,
                              apr_pool_cleanup_null);
    for (const scep_policy_rule_t *rule = scep_policy_rules; rule->name;
         rule++) {
        apr_status_t rv;

        if (rule->applies && !rule->applies(&one, &why))
            continue;
        rv = rule->check(&one);
        if (rv != APR_SUCCESS)
            return scep_result_by_rule(res, rule->name, p);
    }
    if (sk_X509_EXTENSION_num(made.extensions) == 0)
        made.extensions = NULL;
    *answer = made;
    ERR_clear_error();
    return APR_SUCCESS;
}
