/* csr.h - a PKCS#10 request: read once, the octets kept as they came
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SCEP_CSR_H
#define SCEP_CSR_H

#include "alg.h"
#include "result.h"

/** Longest challengePassword, octets (Intune's are several kilobytes). */
#define SCEP_CHALLENGE_MAX 16384

/** Most attributes, extensions and SANs that a CSR may carry. */
#define SCEP_CSR_ATTRIBUTES_MAX 32
#define SCEP_CSR_EXTENSIONS_MAX 64
#define SCEP_CSR_SANS_MAX 256

typedef struct scep_csr_t {
    const unsigned char *der; /**< the caller's octets */
    apr_size_t der_len;
    const X509_NAME *subject;  /**< may have no RDN */
    const unsigned char *spki; /**< DER SubjectPublicKeyInfo */
    apr_size_t spki_len;
    EVP_PKEY *key;       /**< lives with the pool */
    unsigned int digest; /**< of its signature, SCEP_DIGEST_*; 0: none known */
    /* The rest is for use after scep_csr_verify only. */
    const char *challenge; /**< UTF-8, NULL where absent or empty */
    STACK_OF(X509_EXTENSION) *extensions; /**< as asked for, may be NULL */
    GENERAL_NAMES *sans;                  /**< NULL where there is none */
    const char *fault; /**< what is wrong with its content, or NULL */
    struct scep_csr_signed_t *signed_part; /**< for scep_csr_verify */
} scep_csr_t;

/**
 * Reads a PKCS#10.  Structure that is no PKCS#10 at all is
 * SCEP_REASON_CHECK: whoever sent a garbled envelope must see what a wrong
 * key shows.  A public key that cannot be read is SCEP_REASON_POP.
 *
 * Wrong content (two challengePasswords, two extensionRequests or
 * extensions of one type, several values, a NUL in the challenge, over
 * SCEP_CHALLENGE_MAX, a malformed SAN) is kept in csr->fault and told by
 * scep_csr_verify, once possession is proven.  Told before, it would answer
 * questions about the challenge to someone who changes bits of another
 * device's envelope and signs that himself: CBC lets him.  So nothing but
 * SCEP_REASON_CHECK and SCEP_REASON_POP comes before that proof.
 *
 * Attributes may be in any order (strongSwan).  The key is not decoded
 * again where its octets equal known_spki: that costs 100 us.
 *
 * @param known_key, known_spki, known_spki_len  the signer's, or NULL
 */
apr_status_t scep_csr_parse(scep_csr_t **csr, const unsigned char *der,
                            apr_size_t len, EVP_PKEY *known_key,
                            const unsigned char *known_spki,
                            apr_size_t known_spki_len, scep_result_t *res,
                            apr_pool_t *p);

/**
 * Proves possession: verifies the CSR's signature over the octets received
 * (never a re-encoding), then tells what parsing found wrong with its
 * content.  SCEP_REASON_POP; then SCEP_REASON_DIGEST where the digest is
 * none of digests; then SCEP_REASON_CSR.
 */
apr_status_t scep_csr_verify(const scep_csr_t *csr, unsigned int digests,
                             const scep_alg_t *alg, scep_result_t *res,
                             apr_pool_t *p);

#endif
