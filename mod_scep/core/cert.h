/* cert.h - the certificates that a profile works with and publishes
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SCEP_CERT_H
#define SCEP_CERT_H

#include "message.h"
#include "result.h"

/** Which certificates GetCACert publishes. */
typedef enum {
    SCEP_PUBLISH_CA,        /**< the issuing CA alone */
    SCEP_PUBLISH_CA_CHAIN,  /**< the CA chain, with its root */
    SCEP_PUBLISH_RA_CA,     /**< RA and CA chain, without the root */
    SCEP_PUBLISH_RA_CA_ROOT /**< RA and CA chain, with the root */
} scep_publish_t;

/** A prepared answer. */
typedef struct scep_body_t {
    const char *content_type;
    const unsigned char *data;
    apr_size_t len;
} scep_body_t;

/** -1: not after when, 1: after it, 0: absent, or no time that can be read. */
int scep_cert_compare_time(const ASN1_TIME *time, apr_time_t when);

/** The time itself; 0: absent, or none that can be read. */
apr_time_t scep_cert_time(const ASN1_TIME *time);

/** Reads all certificates of a PEM text.  *error set on failure. */
apr_status_t scep_cert_read_pem(STACK_OF(X509) **certs, const char *pem,
                                apr_size_t len, const char **error,
                                apr_pool_t *p);

/**
 * Checks a CA chain: issuing CA first, each signed by the next, all of them
 * CAs, not expired at now.
 * @return NULL, or what is wrong
 */
const char *scep_cert_check_chain(const STACK_OF(X509) *chain, apr_time_t now,
                                  apr_pool_t *p);

/** What a certificate of the RA may be used for: bits. */
#define SCEP_RA_SIGN 1u
#define SCEP_RA_DECRYPT 2u

/**
 * Checks one RA certificate: RSA, issued by chain[0] (or chain[0] itself),
 * valid at now, with a key usage that serves at least one purpose.
 * @param key  its private key, NULL: not loaded (the match is not checked)
 * @param uses  set to SCEP_RA_* bits
 * @return NULL, or what is wrong
 */
const char *scep_cert_check_ra(X509 *cert, EVP_PKEY *key,
                               const STACK_OF(X509) *chain, apr_time_t now,
                               unsigned int *uses, apr_pool_t *p);

/**
 * Checks what a CA gave back: the key is the CSR's, signed by chain[0],
 * valid at now within a day's skew, no CA.
 * @param signs_here  as in scep_ca_provider_t: chain[0]'s name is enough
 * @return NULL, or what is wrong
 */
const char *scep_cert_check_issued(X509 *cert, const unsigned char *spki,
                                   apr_size_t spki_len,
                                   const STACK_OF(X509) *chain, int signs_here,
                                   apr_time_t now, apr_pool_t *p);

/**
 * A degenerate certificates-only SignedData, content absent, certificates
 * in the order given (RFC 8894 section 3.4; Q-16: not sorted).
 */
apr_status_t scep_cert_degenerate(const STACK_OF(X509) *certs,
                                  const unsigned char **der, apr_size_t *len,
                                  apr_pool_t *p);

/** The same with a CRL alone (RFC 8894 section 4.6.1). */
apr_status_t scep_cert_degenerate_crl(const X509_CRL *crl,
                                      const unsigned char **der,
                                      apr_size_t *len, apr_pool_t *p);

/**
 * Prepares the answer to GetCACert.  One certificate: DER and
 * application/x-x509-ca-cert; more: application/x-x509-ca-ra-cert.
 * @param ra  the RA's certificates in the order to publish them
 * @param chain  the CA's: issuing CA first
 * @param reverse  root first, RA last
 */
apr_status_t scep_cert_publish(scep_body_t *body, scep_publish_t form,
                               int reverse, const STACK_OF(X509) *ra,
                               const STACK_OF(X509) *chain, apr_pool_t *p);

/**
 * The text of GetCACaps for what a profile allows, one keyword a line.
 * SCEPStandard, AES, SHA-256 and POSTPKIOperation as RFC 8894 has them,
 * SHA-384 for strongSwan.
 * @param renewal  whether renewals are served
 * @param next_ca  whether GetNextCACert is
 * @param edits  array of const char *: "-WORD" removes, "+WORD" adds, a bare
 *               first word starts from an empty list; may be NULL
 */
const char *scep_cert_capabilities(unsigned int digests, unsigned int ciphers,
                                   int renewal, int next_ca,
                                   const apr_array_header_t *edits,
                                   apr_pool_t *p);

#endif
