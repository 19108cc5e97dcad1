/* http_key.h - a client's key that no file holds
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SCEP_HTTP_KEY_H
#define SCEP_HTTP_KEY_H

#include <apr_pools.h>
#include <curl/curl.h>

/** A key and its certificate.  Thread-safe; each process loads the key for
 * itself, because sessions with a token do not outlive a fork. */
typedef struct scep_http_key_t scep_http_key_t;

/** @param certificate  PEM, the client's own first; must stay */
scep_http_key_t *scep_http_key_create(const char *uri,
                                      const struct curl_blob *certificate,
                                      apr_pool_t *p);

/**
 * Loads the key, once in a process.
 * @return NULL, or why it cannot be used; no part of the URI that may hold a
 *         PIN is in it
 */
const char *scep_http_key_load(scep_http_key_t *key, apr_pool_t *p);

/** For CURLOPT_SSL_CTX_FUNCTION, with the key as its data. */
CURLcode scep_http_key_use(CURL *curl, void *ssl_ctx, void *keyv);

#endif
