/* policy.c - what a profile lets a certificate be
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include <apr_strings.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "policy.h"

/* Windows takes these for who someone is, or for what he may do. */
static const char *const windows_extensions[] = {
    "1.3.6.1.4.1.311.25.2", /* SID of the account */
    "1.3.6.1.4.1.311.20.2", /* certificate template by name */
    "1.3.6.1.4.1.311.21.7", /* certificate template by OID */
};

static apr_status_t free_extensions(void *extensions)
{
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    return APR_SUCCESS;
}

static int is_listed(const scep_policy_t *policy, const ASN1_OBJECT *type)
{
    int i;

    for (i = 0; policy->extensions && i < policy->extensions->nelts; i++)
        if (OBJ_cmp(APR_ARRAY_IDX(policy->extensions, i, const ASN1_OBJECT *),
                    type) == 0)
            return 1;
    return 0;
}

static int is_windows(const ASN1_OBJECT *type)
{
    char text[64];
    int len = OBJ_obj2txt(text, sizeof(text), type, 1);
    apr_size_t i;

    ERR_clear_error();
    for (i = 0; len > 0 &&
                i < sizeof(windows_extensions) / sizeof(windows_extensions[0]);
         i++)
        if (strcmp(text, windows_extensions[i]) == 0)
            return 1;
    return 0;
}

apr_status_t scep_policy_subject(const scep_policy_t *policy,
                                 const scep_csr_t *csr, scep_result_t *res,
                                 apr_pool_t *p)
{
    int empty = X509_NAME_entry_count(csr->subject) == 0;

    if (empty && !policy->empty_subject)
        return scep_result_fail(res, p, SCEP_REASON_POLICY,
                                "the CSR has an empty subject");
    if (empty && !csr->sans)
        return scep_result_fail(res, p, SCEP_REASON_POLICY,
                                "the CSR has neither subject nor SAN");
    if (!scep_name_canonical(csr->subject, p))
        return scep_result_fail(res, p, SCEP_REASON_POLICY,
                                "a value of the subject is no text: %s",
                                scep_name_text(csr->subject, p));
    return APR_SUCCESS;
}

apr_status_t scep_policy_san(const scep_policy_t *policy,
                             const GENERAL_NAME *san, scep_result_t *res,
                             apr_pool_t *p)
{
    if (!(policy->sans & scep_name_san_type_of(san)))
        return scep_result_fail(res, p, SCEP_REASON_POLICY,
                                "the profile does not allow the SAN %s",
                                scep_name_san_text(san, p));
    if (!scep_name_san_canonical(san, p))
        return scep_result_fail(res, p, SCEP_REASON_POLICY, "malformed SAN %s",
                                scep_name_san_text(san, p));
    return APR_SUCCESS;
}

/* Asking for CA:FALSE is common and harmless; the profile decides. */
static apr_status_t check_constraints(X509_EXTENSION *extension,
                                      scep_result_t *res, apr_pool_t *p)
{
    BASIC_CONSTRAINTS *constraints = X509V3_EXT_d2i(extension);
    int is_ca = constraints ? constraints->ca != 0 : -1;

    BASIC_CONSTRAINTS_free(constraints);
    if (is_ca < 0)
        return scep_result_fail(res, p, SCEP_REASON_POLICY,
                                "malformed basicConstraints");
    if (is_ca > 0)
        return scep_result_fail(res, p, SCEP_REASON_POLICY,
                                "the CSR asks for a CA certificate");
    return APR_SUCCESS;
}

/* Adds a copy.  Where nothing but the SAN names the device, RFC 5280 wants
 * it critical. */
static apr_status_t carry(STACK_OF(X509_EXTENSION) *extensions,
                          const X509_EXTENSION *extension, int critical,
                          scep_result_t *res, apr_pool_t *p)
{
    X509_EXTENSION *copy;

    if (!extensions)
        return APR_SUCCESS;
    copy = X509_EXTENSION_dup(extension);
    if (copy && (!critical || X509_EXTENSION_set_critical(copy, 1)) &&
        sk_X509_EXTENSION_push(extensions, copy))
        return APR_SUCCESS;
    X509_EXTENSION_free(copy);
    return scep_result_fail(res, p, SCEP_REASON_INTERNAL,
                            "an extension cannot be copied");
}

apr_status_t scep_policy_extension(const scep_policy_t *policy,
                                   const scep_csr_t *csr,
                                   X509_EXTENSION *extension,
                                   scep_policy_answer_t *answer,
                                   scep_result_t *res, apr_pool_t *p)
{
    const ASN1_OBJECT *type = X509_EXTENSION_get_object(extension);
    const char *name;

    switch (OBJ_obj2nid(type)) {
    case NID_subject_alt_name:
        return carry(answer->extensions, extension,
                     X509_NAME_entry_count(csr->subject) == 0, res, p);
    case NID_basic_constraints:
        return check_constraints(extension, res, p);
    case NID_key_usage:
    case NID_ext_key_usage:
    case NID_subject_key_identifier:
    case NID_authority_key_identifier:
        return APR_SUCCESS;
    default:
        break;
    }
    if (is_listed(policy, type))
        return carry(answer->extensions, extension, 0, res, p);
    name = scep_name_oid_text(type, p);
    if (is_windows(type))
        return scep_result_fail(res, p, SCEP_REASON_POLICY,
                                "the profile does not list Microsoft's "
                                "extension %s",
                                name);
    if (X509_EXTENSION_get_critical(extension))
        return scep_result_fail(res, p, SCEP_REASON_POLICY,
                                "the profile does not list the critical "
                                "extension %s",
                                name);
    answer->dropped = answer->dropped
                          ? apr_pstrcat(p, answer->dropped, ", ", name, NULL)
                          : name;
    return APR_SUCCESS;
}

apr_status_t scep_policy_apply(const scep_policy_t *policy,
                               const scep_csr_t *csr,
                               scep_policy_answer_t *answer,
                               scep_result_t *res, apr_pool_t *p)
{
    scep_policy_answer_t made = { NULL, NULL };
    apr_status_t rv;
    int i;

    ERR_clear_error();
    rv = scep_alg_key_check(&policy->keys, csr->key, res, p);
    if (rv == APR_SUCCESS)
        rv = scep_policy_subject(policy, csr, res, p);
    for (i = 0; rv == APR_SUCCESS && i < sk_GENERAL_NAME_num(csr->sans); i++)
        rv = scep_policy_san(policy, sk_GENERAL_NAME_value(csr->sans, i), res,
                             p);
    if (rv != APR_SUCCESS)
        return rv;
    made.extensions = sk_X509_EXTENSION_new_null();
    if (!made.extensions)
        return scep_result_fail(res, p, SCEP_REASON_INTERNAL, "no memory");
    apr_pool_cleanup_register(p, made.extensions, free_extensions,
                              apr_pool_cleanup_null);
    for (i = 0; i < sk_X509_EXTENSION_num(csr->extensions); i++) {
        rv = scep_policy_extension(policy, csr,
                                   sk_X509_EXTENSION_value(csr->extensions, i),
                                   &made, res, p);
        if (rv != APR_SUCCESS)
            return rv;
    }
    if (sk_X509_EXTENSION_num(made.extensions) == 0)
        made.extensions = NULL;
    *answer = made;
    ERR_clear_error();
    return APR_SUCCESS;
}
