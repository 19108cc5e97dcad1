/* http_binding.h - channel bindings (RFC 5929, tls-server-end-point)
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SCEP_HTTP_BINDING_H
#define SCEP_HTTP_BINDING_H

#include <openssl/x509.h>

#define SCEP_HTTP_BINDING_TYPE "tls-server-end-point:"

/** Octets that a binding may have. */
#define SCEP_HTTP_BINDING_MAX                                                 \
    (sizeof(SCEP_HTTP_BINDING_TYPE) - 1 + EVP_MAX_MD_SIZE)

/**
 * Gives what binds a token to the TLS connection of a server: the type's name
 * and a digest of the server's certificate, by the hash of the certificate's
 * own signature (of RSA-PSS, the one among its parameters); by SHA-256 where
 * that is MD5 or SHA-1, or where the signature has none of its own (Ed25519).
 * @param binding  room for SCEP_HTTP_BINDING_MAX octets
 * @return the octets written; 0 where it cannot be computed
 */
size_t scep_http_binding_make(const X509 *leaf, unsigned char *binding);

#endif
