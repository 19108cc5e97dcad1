/* renewal.h - whether an existing certificate proves who asks for the next
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SCEP_RENEWAL_H
#define SCEP_RENEWAL_H

#include "name.h"

/** What an existing certificate must be.  The owner keeps it alive. */
typedef struct scep_renewal_rule_t {
    const STACK_OF(X509) *chain; /**< the profile's CA: issuing CA first */
    X509_CRL *crl; /**< of the issuing CA; NULL: revocation is not looked at */
    apr_interval_time_t grace; /**< how long past notAfter it still serves */
    /** what the profile's certificates are for, const ASN1_OBJECT *: one
     * without all of these was not made for this profile */
    const apr_array_header_t *ext_key_usage;
} scep_renewal_rule_t;

/**
 * Checks the certificate that signed a request for its successor: issued by
 * chain[0], valid or in its grace, no CA, not revoked, made for signatures
 * and for what the profile is for, and the request has its subject and no
 * subjectAltName that it has not (RFC 8894 section 2.5, C-71, C-73).
 * @param sans  of the request, may be NULL
 * @return NULL: it proves the request; else why not
 */
const char *scep_renewal_check(const scep_renewal_rule_t *rule, X509 *signer,
                               const X509_NAME *subject,
                               const GENERAL_NAMES *sans, apr_time_t now,
                               apr_pool_t *p);

/**
 * Checks a CRL: signed by the issuing CA, and its nextUpdate not past.
 * @return NULL, or what is wrong: a certificate cannot be looked up in it
 */
const char *scep_renewal_check_crl(X509_CRL *crl, X509 *issuer,
                                   apr_time_t now);

#endif
