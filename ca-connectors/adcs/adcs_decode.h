/* adcs_decode.h - certificates as ADCS sends them
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SCEP_ADCS_DECODE_H
#define SCEP_ADCS_DECODE_H

#include <apr_pools.h>
#include <openssl/x509.h>

/** Base64 on one line. */
const char *scep_adcs_encode(const unsigned char *der, apr_size_t len,
                             apr_pool_t *p);

/**
 * Reads base64 with any blanks in it.
 * @return DER that lives as long as p, or NULL: it is no base64
 */
const unsigned char *scep_adcs_octets(const char *text, apr_size_t text_len,
                                      apr_size_t *len, apr_pool_t *p);

/**
 * Reads a certificate: DER, base64 of it, or PEM.
 * @return it, freed with p, or NULL
 */
X509 *scep_adcs_certificate(const char *text, apr_size_t len, apr_pool_t *p);

/**
 * Reads the certificates of a CMS SignedData (a CMC response, a .p7b): DER,
 * base64 of it, or PEM.  Issuers before roots where they lead on from leaf.
 * @param leaf  left out of the chain, and where it begins; NULL: all of them,
 *              and the first is one that issued no other
 * @return the chain, freed with p, or NULL: there is none
 */
STACK_OF(X509) *scep_adcs_chain(const char *text, apr_size_t len,
                                const X509 *leaf, apr_pool_t *p);

#endif
