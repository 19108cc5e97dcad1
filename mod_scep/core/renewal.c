/* renewal.c - whether an existing certificate proves who asks for the next
 * SPDX-License-Identifier: Apache-2.0
 */
#include "renewal.h"

#include <openssl/err.h>

#include <string.h>

/** As X509_cmp_time: negative: not after when; 0: malformed. */
static int compare_time(const ASN1_TIME *time, apr_time_t when)
{
    time_t seconds = (time_t)apr_time_sec(when);

    return time ? X509_cmp_time(time, &seconds) : 0;
}

const char *scep_renewal_check_crl(X509_CRL *crl, X509 *issuer, apr_time_t now)
{
    const char *fault = NULL;

    if (X509_NAME_cmp(X509_CRL_get_issuer(crl),
                      X509_get_subject_name(issuer)) != 0 ||
        X509_CRL_verify(crl, X509_get0_pubkey(issuer)) != 1)
        fault = "the CRL is not signed by the issuing CA";
    else if (compare_time(X509_CRL_get0_lastUpdate(crl), now) >= 0)
        fault = "the CRL is from the future";
    else if (compare_time(X509_CRL_get0_nextUpdate(crl), now) <= 0)
        fault = "the CRL is out of date";
    ERR_clear_error();
    return fault;
}

static const char *check_revocation(const scep_renewal_rule_t *rule,
                                    X509 *signer, X509 *issuer, apr_time_t now)
{
    const char *fault;
    X509_REVOKED *revoked;

    if (!rule->crl)
        return NULL;
    fault = scep_renewal_check_crl(rule->crl, issuer, now);
    /* removeFromCRL counts as no entry, and then gives 2 */
    if (!fault && X509_CRL_get0_by_cert(rule->crl, &revoked, signer) == 1)
        fault = "the certificate is revoked";
    return fault;
}

static int has_usage(const EXTENDED_KEY_USAGE *usages, const ASN1_OBJECT *oid)
{
    for (int i = 0; i < sk_ASN1_OBJECT_num(usages); i++)
        if (OBJ_cmp(sk_ASN1_OBJECT_value(usages, i), oid) == 0)
            return 1;
    return 0;
}

/* The CA may have made certificates by other ways and for other ends. */
static const char *check_usage(const scep_renewal_rule_t *rule, X509 *signer)
{
    EXTENDED_KEY_USAGE *usages =
        X509_get_ext_d2i(signer, NID_ext_key_usage, NULL, NULL);
    int n = rule->ext_key_usage ? rule->ext_key_usage->nelts : 0;
    int has_all = 1;

    for (int i = 0; has_all && i < n; i++)
        has_all = has_usage(usages, APR_ARRAY_IDX(rule->ext_key_usage, i,
                                                  const ASN1_OBJECT *));
    sk_ASN1_OBJECT_pop_free(usages, ASN1_OBJECT_free);
    if (!has_all)
        return "the certificate lacks an extended key usage of the profile";
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

static const char *check_names(X509 *signer, const X509_NAME *subject,
                               const GENERAL_NAMES *sans, apr_pool_t *p)
{
    const char *old = scep_name_canonical(X509_get_subject_name(signer), p);
    const char *wanted = scep_name_canonical(subject, p);
    const char *fault = NULL;
    GENERAL_NAMES *names;

    if (!old || !wanted || strcmp(old, wanted))
        return "the request is for another subject than the certificate's";
    names = X509_get_ext_d2i(signer, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; !fault && i < sk_GENERAL_NAME_num(sans); i++) {
        const char *san =
            scep_name_san_canonical(sk_GENERAL_NAME_value(sans, i), p);

        if (!san || !has_name(names, san, p))
            fault = "the request has a subjectAltName that the certificate "
                    "has not";
    }
    GENERAL_NAMES_free(names);
    return fault;
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
    else if (compare_time(X509_get0_notBefore(signer), now) >= 0)
        fault = "the certificate is not yet valid";
    else if (compare_time(X509_get0_notAfter(signer), now - rule->grace) <= 0)
        fault = "the certificate has expired";
    if (!fault)
        fault = check_usage(rule, signer);
    if (!fault)
        fault = check_revocation(rule, signer, issuer, now);
    if (!fault)
        fault = check_names(signer, subject, sans, p);
    ERR_clear_error();
    return fault;
}
