/* policy_issued.c - the names that a CA has put into a certificate
 * SPDX-License-Identifier: Apache-2.0
 *
 * The names in a request are looked at before it is sent.  What comes back is
 * the CA's: a template or a profile there may leave names out, add the
 * organization, or give a device the name of a user who may log on.
 */
#include <string.h>

#include <apr_strings.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "policy_private.h"

static int has_account(const X509 *certificate)
{
    ASN1_OBJECT *type = OBJ_txt2obj(SCEP_WINDOWS_SID, 1);
    int at = X509_get_ext_by_OBJ(certificate, type, -1);

    ASN1_OBJECT_free(type);
    return at >= 0;
}

static apr_status_t free_sans(void *sans)
{
    GENERAL_NAMES_free(sans);
    return APR_SUCCESS;
}

/* @return what is wrong, or NULL */
static const char *read_sans(X509 *certificate, GENERAL_NAMES **sans,
                             apr_pool_t *p)
{
    int found = -1;

    *sans = X509_get_ext_d2i(certificate, NID_subject_alt_name, &found, NULL);
    ERR_clear_error();
    if (!*sans)
        return found == -1 ? NULL : "its subjectAltName is malformed";
    apr_pool_cleanup_register(p, *sans, free_sans, apr_pool_cleanup_null);
    return NULL;
}

/* Forms that are not to be had are those of no name: never the same. */
static int same_forms(const char *one, const char *other)
{
    return one && other && !strcmp(one, other);
}

/* The first rule for names that they break, or NULL. */
static const char *broken_rule(const scep_policy_case_t *one)
{
    const char *why;

    for (const scep_policy_rule_t *rule = scep_policy_rules; rule->name;
         rule++)
        if (rule->names && (!rule->applies || rule->applies(one, &why)) &&
            rule->check(one) != APR_SUCCESS)
            return rule->name;
    return NULL;
}

const char *scep_policy_check_issued(const scep_policy_t *policy,
                                     X509 *certificate,
                                     const scep_csr_t *request,
                                     const X509_NAME *subject,
                                     const char **other, apr_pool_t *p)
{
    scep_csr_t issued = *request;
    scep_policy_answer_t made = { NULL, NULL, NULL };
    scep_result_t res = SCEP_RESULT_INIT;
    const scep_policy_case_t one = { policy, &issued, NULL, &made, &res, p };
    const char *fault, *rule;

    *other = NULL;
    if (policy->issued_names != SCEP_ISSUED_ANY && has_account(certificate) &&
        !(policy->sans & SCEP_SAN_SID))
        return "it has the SID of a Windows account, and "
               "ScepSubjectAltNames allows no sid";
    made.subject = issued.subject = X509_get_subject_name(certificate);
    fault = read_sans(certificate, &issued.sans, p);
    if (fault)
        return policy->issued_names == SCEP_ISSUED_ANY ? NULL : fault;
    if (same_forms(scep_name_canonical(issued.subject, p),
                   scep_name_canonical(subject, p)) &&
        same_forms(scep_name_sans_canonical(issued.sans, p),
                   scep_name_sans_canonical(request->sans, p)))
        return NULL;
    *other = apr_psprintf(p, "names other than asked for: subject %s, SAN %s",
                          scep_name_text(issued.subject, p),
                          issued.sans ? scep_name_sans_text(issued.sans, p)
                                      : "none");
    if (policy->issued_names == SCEP_ISSUED_ANY)
        return NULL;
    if (policy->issued_names == SCEP_ISSUED_REQUEST)
        return apr_pstrcat(p, "it has ", *other, " (ScepIssuedNames request)",
                           NULL);
    rule = broken_rule(&one);
    return rule ? apr_psprintf(p, "it has %s; %s (%s)", *other, res.detail,
                               rule)
                : NULL;
}
