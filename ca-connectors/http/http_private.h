/* http_private.h - what the files of the HTTP client share
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SCEP_HTTP_PRIVATE_H
#define SCEP_HTTP_PRIVATE_H

#include "http_client.h"
#include "http_gss.h"
#include "http_key.h"

#include <apr_thread_mutex.h>
#include <curl/curl.h>

struct scep_http_client_t {
    scep_http_settings_t settings;
    /* of the files in settings, NULL where none is named */
    struct curl_blob *ca, *certificate, *key;
    scep_http_key_t *uri_key; /**< of key_uri, else NULL */
    scep_http_gss_t *gss;     /**< KERBEROS, else NULL */
    const char *fault;        /**< why no call can be made, or NULL */
    apr_thread_mutex_t *mutex;
    pid_t owner; /**< of the idle handles */
    CURL **idle;
    unsigned int idle_count;
};

/** Takes an idle handle or makes one; NULL where there is no memory. */
CURL *scep_http_handle_get(scep_http_client_t *client);

/** Gives a handle back, its connection open. */
void scep_http_handle_put(scep_http_client_t *client, CURL *curl);

#endif
