/* cert_id.h - which certificate a GetCert or GetCRL is about
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SCEP_CERT_ID_H
#define SCEP_CERT_ID_H

#include "../mod_scep.h"

/** Longest serial number: more than 20 octets are against RFC 5280, and seen
 * (C-27). */
#define SCEP_SERIAL_MAX 64

/** IssuerAndSerialNumber, RFC 5652 section 10.2.4. */
typedef struct scep_cert_id_t {
    X509_NAME *issuer;  /**< freed with the pool */
    const char *serial; /**< hex, lower case, as a ledger has it */
} scep_cert_id_t;

/**
 * Reads the messageData of a GetCert or GetCRL (RFC 8894 section 3.3.4).
 * @return NULL, or what is wrong with it
 */
const char *scep_cert_id_parse(scep_cert_id_t *id, const unsigned char *der,
                               apr_size_t len, apr_pool_t *p);

/** The serial number of a certificate in the same form. */
const char *scep_cert_id_serial(const X509 *cert, apr_pool_t *p);

#endif
