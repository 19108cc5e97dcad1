/* seal_trust.h - whose certificates may seal
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SCEP_SEAL_TRUST_H
#define SCEP_SEAL_TRUST_H

#include <apr_pools.h>
#include <apr_time.h>
#include <openssl/x509.h>

typedef struct scep_seal_trust_t scep_seal_trust_t;

/**
 * @param certs  as in scep_seal_setup_t
 * @return for scep_seal_trust_free(); NULL where OpenSSL fails
 */
scep_seal_trust_t *scep_seal_trust_create(STACK_OF(X509) *certs,
                                          apr_pool_t *p);
void scep_seal_trust_free(scep_seal_trust_t *trust);

/**
 * Whether a certificate could seal at a time.
 * @param trust  NULL trusts none
 * @return NULL, or why not
 */
const char *scep_seal_trust_refusal(scep_seal_trust_t *trust, X509 *cert,
                                    apr_time_t time, apr_pool_t *p);

/** Keeps a certificate as long as the trust lives.  @return 0: it cannot */
int scep_seal_trust_keep(scep_seal_trust_t *trust, X509 *cert);

#endif
