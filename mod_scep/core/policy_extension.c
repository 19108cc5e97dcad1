/* policy_extension.c - which extensions a profile takes from a request
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include <apr_strings.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "policy_private.h"

/* Windows takes these for who someone is, or for what he may do; ADCS, for
 * what he is to be. */
static const char *const windows_extensions[] = {
    SCEP_WINDOWS_SID,
    "1.3.6.1.4.1.311.20.2",  /* certificate template by name */
    "1.3.6.1.4.1.311.21.7",  /* certificate template by OID */
    "1.3.6.1.4.1.311.21.10", /* application policies (CVE-2024-49019) */
};

static int is_windows(const ASN1_OBJECT *type)
{
    char text[64];
    int len = OBJ_obj2txt(text, sizeof(text), type, 1);

    ERR_clear_error();
    for (size_t i = 0; len > 0 && i < sizeof(windows_extensions) /
                                          sizeof(windows_extensions[0]);
         i++)
        if (strcmp(text, windows_extensions[i]) == 0)
            return 1;
    return 0;
}

/* ------------------------------------------------------------------ */
/* Extended key usages                                                  */

static X509_EXTENSION *asked_usages(const scep_policy_case_t *one)
{
    int at =
        X509v3_get_ext_by_NID(one->csr->extensions, NID_ext_key_usage, -1);

    return at < 0 ? NULL : X509v3_get_ext(one->csr->extensions, at);
}

int scep_policy_usages_applies(const scep_policy_case_t *one, const char **why)
{
    *why = one->policy->usages_asked ? "the CSR asks for none" : NULL;
    return one->policy->usages_asked && asked_usages(one);
}

apr_status_t scep_policy_usages(const scep_policy_case_t *one)
{
    EXTENDED_KEY_USAGE *usages = X509V3_EXT_d2i(asked_usages(one));
    apr_status_t rv = APR_SUCCESS;

    ERR_clear_error();
    if (!usages)
        return scep_policy_refuse(one, SCEP_REASON_POLICY,
                                  "malformed extendedKeyUsage");
    for (int i = 0; i < sk_ASN1_OBJECT_num(usages); i++) {
        const ASN1_OBJECT *usage = sk_ASN1_OBJECT_value(usages, i);

        if (!scep_policy_has_type(one->policy->usages_asked, usage))
            rv = scep_policy_refuse(one, SCEP_REASON_POLICY,
                                    "the CSR asks for the extended key usage "
                                    "%s",
                                    scep_name_oid_text(usage, one->p));
    }
    sk_ASN1_OBJECT_pop_free(usages, ASN1_OBJECT_free);
    return rv;
}

/* ------------------------------------------------------------------ */
/* All others                                                           */

/* Asking for CA:FALSE is common and harmless; the profile decides. */
static apr_status_t check_constraints(const scep_policy_case_t *one,
                                      X509_EXTENSION *extension)
{
    BASIC_CONSTRAINTS *constraints = X509V3_EXT_d2i(extension);
    int is_ca = constraints ? constraints->ca != 0 : -1;

    BASIC_CONSTRAINTS_free(constraints);
    if (is_ca < 0)
        return scep_policy_refuse(one, SCEP_REASON_POLICY,
                                  "malformed basicConstraints");
    if (is_ca > 0)
        return scep_policy_refuse(one, SCEP_REASON_POLICY,
                                  "the CSR asks for a CA certificate");
    return APR_SUCCESS;
}

/* Adds a copy.  Where nothing but the SAN names the device, RFC 5280 wants
 * it critical. */
static apr_status_t carry(const scep_policy_case_t *one,
                          const X509_EXTENSION *extension, int critical)
{
    STACK_OF(X509_EXTENSION) *extensions = one->answer->extensions;
    X509_EXTENSION *copy;

    if (!extensions)
        return APR_SUCCESS;
    copy = X509_EXTENSION_dup(extension);
    if (copy && (!critical || X509_EXTENSION_set_critical(copy, 1)) &&
        sk_X509_EXTENSION_push(extensions, copy))
        return APR_SUCCESS;
    X509_EXTENSION_free(copy);
    return scep_policy_refuse(one, SCEP_REASON_INTERNAL,
                              "an extension cannot be copied");
}

static apr_status_t check_one(const scep_policy_case_t *one,
                              X509_EXTENSION *extension)
{
    const ASN1_OBJECT *type = X509_EXTENSION_get_object(extension);
    scep_policy_answer_t *answer = one->answer;
    const char *name;

    switch (OBJ_obj2nid(type)) {
    case NID_subject_alt_name:
        return carry(one, extension,
                     X509_NAME_entry_count(answer->subject) == 0);
    case NID_basic_constraints:
        return check_constraints(one, extension);
    case NID_key_usage:
    case NID_ext_key_usage:
    case NID_subject_key_identifier:
    case NID_authority_key_identifier:
        return APR_SUCCESS;
    default:
        break;
    }
    if (scep_policy_has_type(one->policy->extensions, type))
        return carry(one, extension, 0);
    name = scep_name_oid_text(type, one->p);
    if (is_windows(type))
        return scep_policy_refuse(one, SCEP_REASON_POLICY,
                                  "the profile does not list Microsoft's "
                                  "extension %s",
                                  name);
    if (X509_EXTENSION_get_critical(extension))
        return scep_policy_refuse(one, SCEP_REASON_POLICY,
                                  "the profile does not list the critical "
                                  "extension %s",
                                  name);
    answer->dropped = answer->dropped ? apr_pstrcat(one->p, answer->dropped,
                                                    ", ", name, NULL)
                                      : name;
    return APR_SUCCESS;
}

int scep_policy_extensions_applies(const scep_policy_case_t *one,
                                   const char **why)
{
    *why = "the CSR asks for none";
    return sk_X509_EXTENSION_num(one->csr->extensions) > 0;
}

apr_status_t scep_policy_extensions(const scep_policy_case_t *one)
{
    apr_status_t rv = APR_SUCCESS;

    for (int i = 0; i < sk_X509_EXTENSION_num(one->csr->extensions); i++)
        if (check_one(one, sk_X509_EXTENSION_value(one->csr->extensions, i)) !=
            APR_SUCCESS)
            rv = APR_EGENERAL;
    ERR_clear_error();
    return rv;
}

const char *scep_policy_extensions_text(const scep_policy_case_t *one)
{
    return one->answer->dropped
               ? apr_pstrcat(one->p, "left out: ", one->answer->dropped, NULL)
               : NULL;
}
