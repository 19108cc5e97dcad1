/* http_proof.h - the Authorization field of Kerberos in one call
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SCEP_HTTP_PROOF_H
#define SCEP_HTTP_PROOF_H

#include "http_private.h"

typedef struct scep_http_proof_t {
    scep_http_gss_t *gss;
    scep_http_gss_peer_t peer;
    int tls;
    struct curl_slist field; /**< before those of the request */
    scep_http_gss_exchange_t *exchange;
    const char *error; /**< why no request went out, or NULL */
} scep_http_proof_t;

/**
 * @param fields  of the request's header; must stay as long as the proof
 * @return non-zero for success
 */
int scep_http_proof_init(scep_http_proof_t *proof,
                         const scep_http_client_t *client,
                         const scep_http_request_t *request,
                         struct curl_slist *fields, apr_pool_t *p);

/**
 * Fills in the field for a request that is about to go out.  To be called
 * when its connection is there, because the token is bound to the certificate
 * of that very connection.
 * @return non-zero for success; else proof->error says why not
 */
int scep_http_proof_offer(scep_http_proof_t *proof, CURL *curl, apr_pool_t *p);

/**
 * Finds the server's token among challenges.
 * @param challenges  value of WWW-Authenticate, or NULL
 * @return base64, or NULL
 */
const char *scep_http_proof_token(const char *challenges, apr_pool_t *p);

/**
 * Checks what the answer says of it.
 * @return NULL, or what is wrong
 */
const char *scep_http_proof_check(scep_http_proof_t *proof,
                                  const scep_http_response_t *response,
                                  apr_pool_t *p);

#endif
