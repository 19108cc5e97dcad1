/* next_ca.h - the answer to GetNextCACert
 * SPDX-License-Identifier: Apache-2.0
 *
 * RFC 8894 section 4.7: a SignedData, signed by the current CA, whose
 * content is a degenerate SignedData with the certificates of the next one.
 * Clients trust it for that signature.
 */
#ifndef SCEP_NEXT_CA_H
#define SCEP_NEXT_CA_H

#include "cert.h"

/**
 * Checks the chain of the CA to come; it may not be valid yet.
 * @param chain  of the CA now: issuing CA first
 * @return NULL, or what is wrong
 */
const char *scep_next_ca_check(const STACK_OF(X509) *next,
                               const STACK_OF(X509) *chain, apr_time_t now,
                               apr_pool_t *p);

/**
 * Signs an answer.
 * @param certs  what it is to tell, in this order; it stands in the outer
 *               certificates too, where jscep looks
 * @param now  its signingTime
 * @param error  set on failure
 */
apr_status_t scep_next_ca_sign(scep_body_t *body, const STACK_OF(X509) *certs,
                               X509 *signer, EVP_PKEY *key, apr_time_t now,
                               const char **error, apr_pool_t *p);

/**
 * Takes an answer that was signed elsewhere, DER or PEM, if the current CA
 * has signed it and its content begins with the next CA.
 * @return NULL, or what is wrong
 */
const char *scep_next_ca_take(scep_body_t *body, const char *text,
                              apr_size_t len, const STACK_OF(X509) *next,
                              const STACK_OF(X509) *chain, apr_pool_t *p);

#endif
