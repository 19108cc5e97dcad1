/* renewal.c - whether an existing certificate proves who asks for the next
 * SPDX-License-Identifier: Apache-2.0
 */
#include "renewal.h"

#include <apr_strings.h>
#include <openssl/err.h>

#include <string.h>

#include "cert.h"

static int has_usage(const EXTENDED_KEY_USAGE *usages, const ASN1_OBJECT *oid)
{
    for (int i = 0; i < sk_ASN1_OBJECT_num(usages); i++)
        if (OBJ_cmp(sk_ASN1_OBJECT_value(usages, i), oid) == 0)
            return 1;
    return 0;
}

const char *scep_renewal_check_purpose(const scep_renewal_rule_t *rule,
                                       X509 *signer)
{
    EXTENDED_KEY_USAGE *usages =
        X509_get_ext_d2i(signer, NID_ext_key_usage, NULL, NULL);
    int n = rule->ext_key_usage ? rule->ext_key_usage->nelts : 0;
    int has_all = 1;

    for (int i = 0; has_all && i < n; i++)
        has_all = has_usage(usages, APR_ARRAY_IDX(rule->ext_key_usage, i,
                                                  const ASN1_OBJECT *));
    sk_ASN1_OBJECT_pop_free(usages, ASN1_OBJECT_free);
    ERR_clear_error();
    return has_all ? NULL
                   : "the certificate lacks an extended key usage of the "
                     "profile";
}

static const char *check_usage(X509 *signer)
{
    if (!(X509_get_key_usage(signer) & KU_DIGITAL_SIGNATURE))
        return "the certificate is not for signatures";
    return X509_check_ca(signer) ? "the certificate is that of a CA" : NULL;
}

static int has_name(const GENERAL_NAMES *names, const char *canonical,
                    apr_pool_t *p)
{
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const char *name =
            scep_name_san_canonical(sk_GENERAL_NAME_value(names, i), p);

        if (name && !strcmp(name, canonical))
            return 1;
    }
    return 0;
}

/* Whether each name of some is among others. */
static int are_among(const GENERAL_NAMES *some, const GENERAL_NAMES *others,
                     apr_pool_t *p)
{
    for (int i = 0; i < sk_GENERAL_NAME_num(some); i++) {
        const char *name =
            scep_name_san_canonical(sk_GENERAL_NAME_value(some, i), p);

        if (!name || !has_name(others, name, p))
            return 0;
    }
    return 1;
}

static const char *check_names(const scep_renewal_rule_t *rule, X509 *signer,
                               const X509_NAME *subject,
                               const GENERAL_NAMES *sans, apr_pool_t *p)
{
    const char *old = scep_name_canonical(X509_get_subject_name(signer), p);
    const char *wanted = scep_name_canonical(subject, p);
    const char *fault = NULL;
    GENERAL_NAMES *names;

    if (rule->names == SCEP_RENEWAL_ANY)
        return NULL;
    if (!old || !wanted || strcmp(old, wanted))
        return "the request is for another subject than the certificate's";
    names = X509_get_ext_d2i(signer, NID_subject_alt_name, NULL, NULL);
    if (!are_among(sans, names, p))
        fault = "the request has a subjectAltName that the certificate has "
                "not";
    else if (rule->names == SCEP_RENEWAL_SAME && !are_among(names, sans, p))
        fault = "the request lacks a subjectAltName of the certificate "
                "(ScepRenewalNames same)";
    GENERAL_NAMES_free(names);
    return fault;
}

static const char *check_window(const scep_renewal_rule_t *rule, X509 *signer,
                                apr_time_t now, apr_pool_t *p)
{
    apr_time_t from = scep_cert_time(X509_get0_notBefore(signer));
    apr_time_t until = scep_cert_time(X509_get0_notAfter(signer));
    apr_time_t opens = until - rule->window;
    char text[APR_RFC822_DATE_LEN];

    if (rule->window_percent)
        opens = until - (until - from) / 100 * rule->window_percent;
    else if (!rule->window)
        return NULL;
    if (now >= opens)
        return NULL;
    apr_rfc822_date(text, opens);
    return apr_psprintf(p,
                        "the certificate renews from %s on and not before "
                        "(ScepRenewalWindow)",
                        text);
}

const char *scep_renewal_check(const scep_renewal_rule_t *rule, X509 *signer,
                               const X509_NAME *subject,
                               const GENERAL_NAMES *sans, apr_time_t now,
                               apr_pool_t *p)
{
    X509 *issuer = sk_X509_value(rule->chain, 0);
    const char *fault = NULL;

    if (X509_NAME_cmp(X509_get_issuer_name(signer),
                      X509_get_subject_name(issuer)) != 0 ||
        X509_verify(signer, X509_get0_pubkey(issuer)) != 1)
        fault = "the request is signed by a certificate of another CA";
    else if (scep_cert_compare_time(X509_get0_notBefore(signer), now) >= 0)
        fault = "the certificate is not yet valid";
    else if (scep_cert_compare_time(X509_get0_notAfter(signer),
                                    now - rule->grace) <= 0)
        fault = "the certificate has expired";
    if (!fault)
        fault = check_usage(signer);
    if (!fault)
        fault = check_names(rule, signer, subject, sans, p);
    if (!fault)
        fault = check_window(rule, signer, now, p);
    ERR_clear_error();
    return fault;
}
