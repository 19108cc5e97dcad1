/* revocation.h - whether a CRL says that a certificate is revoked
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SCEP_REVOCATION_H
#define SCEP_REVOCATION_H

#include "../mod_scep.h"

/** What is known of a certificate.  The zero value is the careful one. */
typedef enum {
    SCEP_REVOCATION_UNCLEAR = 0, /**< nobody can tell now */
    SCEP_REVOCATION_GOOD,
    SCEP_REVOCATION_REVOKED,
    SCEP_REVOCATION_UNKNOWN /**< who ought to know does not know it */
} scep_revocation_t;

/**
 * Checks what of a CRL stays as it is: that the issuing CA has signed it and
 * may, and that it is all there is to know of end entities (RFC 5280 sections
 * 5.2 and 6.3.3: no delta, no indirect one, not of some reasons only, no
 * critical extension of another kind).
 * @return NULL, or what is wrong: no certificate can be looked up in it
 */
const char *scep_revocation_check_crl(X509_CRL *crl, X509 *issuer);

/**
 * Checks that a CRL is of now: thisUpdate is not to come, nextUpdate neither
 * absent nor past.
 * @return NULL, or what is wrong: nothing can be looked up in it now
 */
const char *scep_revocation_check_time(const X509_CRL *crl, apr_time_t now);

/**
 * Looks a certificate up in a CRL that has passed both checks.  One that is
 * for a part of the certificates alone serves those that name its place.
 * @param reason  set unless it is GOOD
 */
scep_revocation_t scep_revocation_look_up(X509_CRL *crl, X509 *cert,
                                          const char **reason);

#endif
