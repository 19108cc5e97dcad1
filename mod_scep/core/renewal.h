/* renewal.h - whether an existing certificate proves who asks for the next
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SCEP_RENEWAL_H
#define SCEP_RENEWAL_H

#include "name.h"

/** Which names a renewal may ask for. */
typedef enum {
    SCEP_RENEWAL_SUBSET = 0, /**< the subject, and no SAN but the old ones */
    SCEP_RENEWAL_SAME,       /**< the subject and all the old SANs */
    SCEP_RENEWAL_ANY         /**< whatever the profile's policy allows */
} scep_renewal_names_t;

/** What an existing certificate must be.  The owner keeps it alive. */
typedef struct scep_renewal_rule_t {
    const STACK_OF(X509) *chain; /**< the profile's CA: issuing CA first */
    apr_interval_time_t grace;   /**< how long past notAfter it still serves */
    /** what the profile's certificates are for, const ASN1_OBJECT *: one
     * without all of these was not made for this profile */
    const apr_array_header_t *ext_key_usage;
    scep_renewal_names_t names;
    /** how long before notAfter it serves at the earliest, and the same in
     * percent of its lifetime; 0: as soon as it is valid */
    apr_interval_time_t window;
    int window_percent;
} scep_renewal_rule_t;

/**
 * Checks the certificate that signed a request for its successor: issued by
 * chain[0], valid or in its grace and not too young, no CA, made for
 * signatures, and the request has its names (RFC 8894 section 2.5, C-71,
 * C-73).  Whether it is revoked, or belongs to another profile, is to be
 * found out when it has passed.
 * @param sans  of the request, may be NULL
 * @return NULL: it proves the request; else why not
 */
const char *scep_renewal_check(const scep_renewal_rule_t *rule, X509 *signer,
                               const X509_NAME *subject,
                               const GENERAL_NAMES *sans, apr_time_t now,
                               apr_pool_t *p);

/**
 * Says whether a certificate is for what the profile's are for.  The CA may
 * have made it in other ways and for other ends: where nobody knows under
 * which profile it was issued, this has to tell.
 * @return NULL, or that it is not
 */
const char *scep_renewal_check_purpose(const scep_renewal_rule_t *rule,
                                       X509 *signer);

#endif
