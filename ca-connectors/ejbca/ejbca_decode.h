/* ejbca_decode.h - certificates and CRLs as EJBCA writes them into JSON
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SCEP_EJBCA_DECODE_H
#define SCEP_EJBCA_DECODE_H

#include <apr_pools.h>
#include <openssl/x509.h>

/** Base64 on one line. */
const char *scep_ejbca_encode(const unsigned char *der, apr_size_t len,
                              apr_pool_t *p);

/**
 * Reads a certificate: base64 of DER as in answers to enrolments, base64 of
 * that as in those to searches, or PEM.
 * @param text  may be NULL
 * @return a certificate that the caller frees, or NULL
 */
X509 *scep_ejbca_certificate(const char *text, apr_size_t len);

/** Reads certificates in PEM, which the caller frees; NULL: none, or one that
 * is damaged. */
STACK_OF(X509) *scep_ejbca_pem_chain(const char *text, apr_size_t len);

/** The same of a CRL. */
X509_CRL *scep_ejbca_crl(const char *text, apr_size_t len);

/** Has it freed with the pool. */
void scep_ejbca_keep(X509 *certificate, apr_pool_t *p);
void scep_ejbca_keep_chain(STACK_OF(X509) *chain, apr_pool_t *p);
void scep_ejbca_keep_crl(X509_CRL *crl, apr_pool_t *p);

#endif
