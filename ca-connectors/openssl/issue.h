/* issue.h - makes a certificate out of an approved request
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SCEP_ISSUE_H
#define SCEP_ISSUE_H

#include "issuer.h"

/** Random octets that one serial number is made of. */
#define SCEP_ISSUE_SERIAL_LEN 16
/** Lifetime where a request leaves it to the CA. */
#define SCEP_ISSUE_VALIDITY_DEFAULT (apr_time_from_sec(86400) * 365)

/**
 * Issues one certificate.
 *
 * An extension of the request of a type that the CA writes itself gives way
 * to the CA's (result->reason names it); two of one type are refused.  A SAN
 * is critical where the subject is empty (RFC 5280, section 4.1.2.6).  The
 * lifetime ends with the CA's at the latest.  Key usages that encrypt are
 * left out for keys other than RSA (RFC 8813, section 3).
 *
 * @param serial  fresh random octets; 127 bits of them are used
 * @param result  ISSUED; REJECTED; UNAVAILABLE where the fault is ours
 * @param p  the certificate is freed with it
 */
void scep_issue_certificate(const scep_issuer_t *issuer,
                            const scep_ca_request_t *request,
                            const unsigned char serial[SCEP_ISSUE_SERIAL_LEN],
                            scep_ca_result_t *result, apr_pool_t *p);

#endif
