/* webhook_names.h - requests and certificates as a webhook's JSON
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MOD_SCEP_WEBHOOK_NAMES_H
#define MOD_SCEP_WEBHOOK_NAMES_H

#include <apr_pools.h>
#include <jansson.h>

#include "mod_scep.h"

/** Octets as a string of base64; NULL where there is no memory. */
json_t *scep_webhook_base64(const unsigned char *octets, apr_size_t len);

/**
 * Describes a request: subject, subjectAltName, extensions, public key.
 * What the form cannot say without hiding something is a fault: a second
 * commonName, a name that is no text.
 * @param fault  set where the answer is NULL and there was memory
 */
json_t *scep_webhook_csr_json(const scep_verify_request_t *request,
                              const char **fault, apr_pool_t *p);

/** Describes a certificate; NULL where there is no memory. */
json_t *scep_webhook_cert_json(X509 *cert, apr_pool_t *p);

#endif
