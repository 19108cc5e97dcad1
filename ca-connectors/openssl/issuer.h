/* issuer.h - a local CA: its certificate, key and common extensions
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SCEP_ISSUER_H
#define SCEP_ISSUER_H

#include <mod_scep.h>

/** What an administrator says about one CA. */
typedef struct scep_issuer_rule_t {
    const char *digest;                 /**< as OpenSSL names it, "SHA256" */
    apr_interval_time_t backdate;       /**< notBefore is this long ago */
    const apr_array_header_t *crl_urls; /**< const char *, may be NULL */
    const apr_array_header_t *issuer_urls; /**< ditto */
    const apr_array_header_t *ocsp_urls;   /**< ditto */
} scep_issuer_rule_t;

/** A CA that is ready to sign; only read once it is made. */
typedef struct scep_issuer_t {
    X509 *ca;
    EVP_PKEY *key; /**< NULL: not loaded */
    const char *digest;
    EVP_MD *sha1; /**< for key identifiers */
    /** ready to sign, copied for each certificate; NULL: cannot be shared */
    EVP_MD_CTX *signer;
    /** what all certificates of this CA carry */
    STACK_OF(X509_EXTENSION) *extensions;
    apr_int64_t not_before; /**< of the CA, in seconds */
    apr_int64_t not_after;  /**< ditto */
    apr_int64_t backdate;   /**< in seconds */
} scep_issuer_t;

/**
 * Checks a CA and builds all that its certificates have in common.
 * @param ca  certificate of the issuing CA; kept
 * @param key  its private key; kept.  NULL: encrypted and not asked for; the
 *             rest is checked all the same
 * @param now  the CA must not have expired at this time
 * @param p  lives as long as the issuer
 * @return NULL, or what is wrong, in words for the administrator
 */
const char *scep_issuer_prepare(scep_issuer_t **issuer, X509 *ca,
                                EVP_PKEY *key, const scep_issuer_rule_t *rule,
                                apr_time_t now, apr_pool_t *p);

/** Makes the identifier of a key: RFC 5280 section 4.2.1.2, method 1. */
int scep_issuer_key_id(const scep_issuer_t *issuer, const ASN1_BIT_STRING *key,
                       ASN1_OCTET_STRING *id);

/** Signs; the key must be loaded. */
int scep_issuer_sign(const scep_issuer_t *issuer, X509 *x);
int scep_issuer_sign_crl(const scep_issuer_t *issuer, X509_CRL *crl);

/** Seconds since 1970 of a time. */
int scep_issuer_seconds(const ASN1_TIME *time, apr_int64_t *seconds);

/** Says what failed, with OpenSSL's last error, and empties its queue. */
const char *scep_issuer_error(const char *what, apr_pool_t *p);

#endif
