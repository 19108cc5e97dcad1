/* http_client.c - clients: their settings and their idle handles
 * SPDX-License-Identifier: Apache-2.0
 */
#include "http_private.h"
#include "http_keytab.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <string.h>
#include <unistd.h>

#include <apr_file_io.h>
#include <apr_strings.h>
#include <openssl/crypto.h>
#include <openssl/err.h>

#define CONNECT_TIMEOUT_DEFAULT apr_time_from_sec(5)
#define TIMEOUT_DEFAULT apr_time_from_sec(10)
#define MAX_RESPONSE_DEFAULT (1024 * 1024)
#define MAX_IDLE_DEFAULT 16

#define FILE_MAX (1024 * 1024)

/*
 * libcurl leaves a thread behind where a name cannot be resolved in time, so
 * its code must stay mapped until the process has ended.
 */
static void pin_libcurl(void)
{
    Dl_info info;

    if (dladdr((void *)curl_easy_init, &info))
        (void)dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
}

const char *scep_http_init(void)
{
    static int done;
    CURLcode code;

    if (done)
        return NULL;
    code = curl_global_init(CURL_GLOBAL_DEFAULT);
    ERR_clear_error();
    if (code != CURLE_OK)
        return curl_easy_strerror(code);
    pin_libcurl();
    done = 1;
    return NULL;
}

/* Handles belong to the process that made them: in its child they are let
 * go, because closing them would say goodbye on the parent's connections. */
static void take_over(scep_http_client_t *client)
{
    pid_t self = getpid();

    if (client->owner != self) {
        client->owner = self;
        client->idle_count = 0;
    }
}

CURL *scep_http_handle_get(scep_http_client_t *client)
{
    CURL *curl = NULL;

    apr_thread_mutex_lock(client->mutex);
    take_over(client);
    /* The one put back last has the freshest connection. */
    if (client->idle_count)
        curl = client->idle[--client->idle_count];
    apr_thread_mutex_unlock(client->mutex);
    return curl ? curl : curl_easy_init();
}

void scep_http_handle_put(scep_http_client_t *client, CURL *curl)
{
    /* Forgets the request and what it points to, keeps the connection. */
    curl_easy_reset(curl);
    apr_thread_mutex_lock(client->mutex);
    if (client->idle_count < client->settings.max_idle) {
        client->idle[client->idle_count++] = curl;
        curl = NULL;
    }
    apr_thread_mutex_unlock(client->mutex);
    if (curl)
        curl_easy_cleanup(curl);
}

static apr_status_t client_cleanup(void *clientv)
{
    scep_http_client_t *client = clientv;

    take_over(client);
    while (client->idle_count)
        curl_easy_cleanup(client->idle[--client->idle_count]);
    ERR_clear_error();
    return APR_SUCCESS;
}

static apr_status_t text_cleanup(void *text)
{
    OPENSSL_cleanse(text, strlen(text));
    return APR_SUCCESS;
}

static const char *copy_secret(const char *secret, apr_pool_t *p)
{
    char *copy = apr_pstrdup(p, secret);

    if (copy)
        apr_pool_cleanup_register(p, copy, text_cleanup,
                                  apr_pool_cleanup_null);
    return copy;
}

static apr_status_t blob_cleanup(void *blobv)
{
    struct curl_blob *blob = blobv;

    OPENSSL_cleanse(blob->data, blob->len);
    return APR_SUCCESS;
}

/* Reads a file for good: whoever makes the calls may not be allowed to. */
static struct curl_blob *load(scep_http_client_t *client, const char *name,
                              apr_pool_t *p)
{
    struct curl_blob *blob = apr_pcalloc(p, sizeof(*blob));
    apr_file_t *file;
    apr_finfo_t info;
    apr_status_t rv;
    char reason[120];

    if (!name)
        return NULL;
    rv = apr_file_open(&file, name, APR_READ | APR_BINARY, APR_OS_DEFAULT, p);
    if (rv == APR_SUCCESS) {
        rv = apr_file_info_get(&info, APR_FINFO_SIZE, file);
        if (rv == APR_SUCCESS && info.size > FILE_MAX)
            rv = APR_ENOSPC;
        if (rv == APR_SUCCESS) {
            blob->flags = CURL_BLOB_NOCOPY;
            blob->data = apr_palloc(p, (apr_size_t)info.size + 1);
            rv = apr_file_read_full(file, blob->data, (apr_size_t)info.size,
                                    &blob->len);
            apr_pool_cleanup_register(p, blob, blob_cleanup,
                                      apr_pool_cleanup_null);
        }
        apr_file_close(file);
    }
    if (rv != APR_SUCCESS)
        client->fault = apr_psprintf(p, "cannot read %s: %s", name,
                                     apr_strerror(rv, reason, sizeof(reason)));
    return blob;
}

static void load_keytab(scep_http_client_t *client, apr_pool_t *p)
{
    const scep_http_settings_t *settings = &client->settings;
    const char *err = scep_http_gss_create(&client->gss, settings->keytab,
                                           settings->principal, p);

    if (err)
        client->fault = err;
}

static void load_key(scep_http_client_t *client, apr_pool_t *p)
{
    if (client->certificate)
        client->uri_key = scep_http_key_create(client->settings.key_uri,
                                               client->certificate, p);
    if (!client->uri_key)
        client->fault = "a key without a certificate";
}

scep_http_client_t *scep_http_client_create(
    const scep_http_settings_t *settings, apr_pool_t *p)
{
    scep_http_client_t *client = apr_pcalloc(p, sizeof(*client));
    scep_http_settings_t *own = &client->settings;

    *own = *settings;
    if (!own->connect_timeout)
        own->connect_timeout = CONNECT_TIMEOUT_DEFAULT;
    if (!own->timeout)
        own->timeout = TIMEOUT_DEFAULT;
    if (!own->max_response)
        own->max_response = MAX_RESPONSE_DEFAULT;
    if (!own->max_idle)
        own->max_idle = MAX_IDLE_DEFAULT;
    own->proxy = apr_pstrdup(p, own->proxy);
    own->user = apr_pstrdup(p, own->user);
    own->secret = copy_secret(own->secret, p);
    own->user_agent = apr_pstrdup(p, own->user_agent);
    own->key_phrase = copy_secret(own->key_phrase ? own->key_phrase : "", p);
    client->ca = load(client, own->ca_file, p);
    client->certificate = load(client, own->certificate, p);
    if (own->key_uri)
        load_key(client, p);
    else
        client->key = load(client, own->key ? own->key : own->certificate, p);
    if (own->auth == SCEP_HTTP_AUTH_KERBEROS)
        load_keytab(client, p);
    client->owner = getpid();
    client->idle = apr_pcalloc(p, own->max_idle * sizeof(CURL *));
    if (apr_thread_mutex_create(&client->mutex, APR_THREAD_MUTEX_DEFAULT, p))
        return NULL;
    apr_pool_cleanup_register(p, client, client_cleanup,
                              apr_pool_cleanup_null);
    return client;
}

static int is_loopback(const char *host)
{
    unsigned char address[4];

    return !strcasecmp(host, "localhost") || !strcmp(host, "[::1]") ||
           (inet_pton(AF_INET, host, address) == 1 && address[0] == 127);
}

static const char *check_parts(CURLU *parts, int allow_http)
{
    char *scheme = NULL, *host = NULL, *user = NULL;
    const char *err = NULL;

    if (curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        curl_url_get(parts, CURLUPART_HOST, &host, 0) != CURLUE_OK || !*host) {
        err = "it is no URL of a host";
    } else if (curl_url_get(parts, CURLUPART_USER, &user, 0) == CURLUE_OK) {
        err = "a user's name does not belong into it";
    } else if (strcmp(scheme, "https") &&
               (strcmp(scheme, "http") || !allow_http)) {
        err = "it does not begin with https://";
    } else if (!strcmp(scheme, "http") && allow_http == SCEP_HTTP_LOOPBACK &&
               !is_loopback(host)) {
        err = "it does not begin with https://, which may be missing for a "
              "loopback address only";
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(user);
    return err;
}

const char *scep_http_check_url(const char *url, int allow_http, apr_pool_t *p)
{
    CURLU *parts = curl_url();
    const char *err;
    CURLUcode code;

    (void)p;
    if (!parts)
        return "out of memory";
    code = curl_url_set(parts, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME);
    err = code == CURLUE_OK ? check_parts(parts, allow_http)
                            : curl_url_strerror(code);
    curl_url_cleanup(parts);
    return err;
}

const char *scep_http_check_keytab(const char *file, const char *principal,
                                   apr_pool_t *p)
{
    scep_http_keytab_t keytab;
    apr_pool_t *own;
    const char *err;

    if (apr_pool_create(&own, p))
        return "out of memory";
    err = apr_pstrdup(p, scep_http_keytab_read(file, principal, &keytab, own));
    apr_pool_destroy(own);
    return err;
}
