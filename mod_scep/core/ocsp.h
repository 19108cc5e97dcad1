/* ocsp.h - what an OCSP responder is asked, and what its answer is worth
 * SPDX-License-Identifier: Apache-2.0
 *
 * RFC 6960, without I/O.
 */
#ifndef SCEP_OCSP_H
#define SCEP_OCSP_H

#include "revocation.h"

#define SCEP_OCSP_NONCE_LEN 16
#define SCEP_OCSP_REQUEST_TYPE "application/ocsp-request"

/** A question about one certificate. */
typedef struct scep_ocsp_t scep_ocsp_t;

/**
 * Makes the question.
 * @param nonce  fresh random octets; a responder may leave them out of its
 *               answer, as one that signs in advance does
 * @param der  set to what is to be posted
 */
apr_status_t scep_ocsp_ask(scep_ocsp_t **ocsp, X509 *cert, X509 *issuer,
                           unsigned char nonce[SCEP_OCSP_NONCE_LEN],
                           const unsigned char **der, apr_size_t *len,
                           apr_pool_t *p);

/**
 * Reads the answer: signed by the issuing CA or by whom it has certified for
 * that (id-kp-OCSPSigning), about this certificate, with the nonce or none,
 * and of now.  One without nextUpdate must be of these minutes.
 * @param until  set to nextUpdate; 0: it says none, ask again
 * @param reason  set unless it is GOOD
 */
scep_revocation_t scep_ocsp_answer(const scep_ocsp_t *ocsp,
                                   const unsigned char *der, apr_size_t len,
                                   X509 *issuer, apr_time_t now,
                                   apr_time_t *until, const char **reason,
                                   apr_pool_t *p);

/** The responder that a certificate names, by http or https; NULL: none. */
const char *scep_ocsp_url(X509 *cert, apr_pool_t *p);

#endif
