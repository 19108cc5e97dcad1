/* http_client.h - HTTP requests to CAs and validators, over libcurl
 * SPDX-License-Identifier: Apache-2.0
 *
 * One client for each remote service: its settings, and its idle libcurl
 * handles with their open connections.  Thread-safe.  A handle is made by
 * the process that uses it, never inherited over fork.  Protocols are https
 * and, where allowed, http; redirects are not followed; certificates are
 * verified; every call ends within its time-out and an answer is bounded.
 *
 * libcurl must have been initialised (scep_http_init in child_init at
 * APR_HOOK_FIRST, before mod_watchdog starts threads there).
 */
#ifndef SCEP_HTTP_CLIENT_H
#define SCEP_HTTP_CLIENT_H

#include <apr_pools.h>
#include <apr_tables.h>
#include <apr_time.h>

typedef struct scep_http_client_t scep_http_client_t;

/** How a client authenticates beside TLS. */
typedef enum {
    SCEP_HTTP_AUTH_NONE = 0,
    SCEP_HTTP_AUTH_BASIC,
    SCEP_HTTP_AUTH_BEARER,    /**< secret is the token */
    SCEP_HTTP_AUTH_NEGOTIATE, /**< Kerberos, from the credential cache */
    /** Kerberos by our own call of GSS-API: from a keytab, never anything
     * but Kerberos, and bound to the server's certificate (RFC 5929,
     * tls-server-end-point), as Extended Protection demands.  Where a KDC
     * says nothing, Kerberos' own patience (half a minute) may come on top of
     * the time-out for one call at a time; nothing is sent then. */
    SCEP_HTTP_AUTH_KERBEROS,
    SCEP_HTTP_AUTH_NTLM /**< user and secret; over HTTP/1.1 only */
} scep_http_auth_t;

/** For allow_http: plain http to loopback addresses only, or to any. */
#define SCEP_HTTP_LOOPBACK 1
#define SCEP_HTTP_ANY 2

/**
 * Settings.  Zero and NULL are the defaults named.  The files are read when
 * the client is made, so that children need not be able to.
 */
typedef struct scep_http_settings_t {
    apr_interval_time_t connect_timeout; /**< 5 s */
    apr_interval_time_t timeout;         /**< 10 s, of a whole call */
    apr_size_t max_response;             /**< 1 MiB */
    unsigned int max_idle;               /**< handles kept, 16 */
    const char *ca_file;                 /**< PEM; the system's */
    const char *certificate;             /**< of the client, PEM file */
    const char *key;                     /**< PEM file; in certificate */
    const char *proxy;                   /**< URL; no proxy */
    scep_http_auth_t auth;
    const char *user;
    const char *secret;
    int allow_http;         /**< SCEP_HTTP_*; 0: https only */
    const char *keytab;     /**< KERBEROS: file; needed */
    const char *principal;  /**< KERBEROS: of the client; the keytab's first */
    const char *user_agent; /**< NULL: none */
    /** OSSL_STORE URI of the client's key (pkcs11:...), in place of key; each
     * process loads it at its first call, by a provider or else by the engine
     * pkcs11, and must be allowed to read the token and what pin-source= names
     */
    const char *key_uri;
    const char *key_phrase; /**< of key, where it is encrypted */
    /**
     * A body goes out when the service has said that it wants it (100
     * Continue), or nothing for a second.  A connection that was kept open
     * and ends before that is replaced, for nothing was sent yet; it costs a
     * round trip.  For services that must not be asked twice; not with NTLM.
     */
    int ask_first;
} scep_http_settings_t;

typedef struct scep_http_request_t {
    const char *method; /**< NULL: POST where there is a body, else GET */
    const char *url;
    const apr_table_t *headers; /**< or NULL */
    const void *body;           /**< or NULL */
    apr_size_t body_len;
    /** in place of the settings' secret, where not NULL */
    const char *bearer;
} scep_http_request_t;

typedef struct scep_http_response_t {
    int status;           /**< 0: there was no answer */
    apr_table_t *headers; /**< of the last answer */
    const char *body;     /**< never NULL where there was one; has a NUL */
    apr_size_t body_len;
    /** zero: nothing reached the service, so a retry is harmless */
    int sent;
    /** for the log where the call failed, which is an APR error, and where
     * KERBEROS was answered 401; no secret, no control character */
    const char *error;
} scep_http_response_t;

/** Initialises libcurl for a process, once; @return NULL or the fault. */
const char *scep_http_init(void);

/**
 * Makes a client.  The settings are copied, secrets cleansed with the pool;
 * the pool's end closes the connections.
 */
scep_http_client_t *scep_http_client_create(
    const scep_http_settings_t *settings, apr_pool_t *p);

/**
 * Says whether a URL is one that the client would call.
 * @param allow_http  SCEP_HTTP_*; 0: https only
 * @return NULL, or what is wrong with it, in words that go after "URL: "
 */
const char *scep_http_check_url(const char *url, int allow_http,
                                apr_pool_t *p);

/**
 * Says whether a file has a certificate, to be trusted or to be shown.
 * @return NULL, or what is wrong
 */
const char *scep_http_check_ca_file(const char *file, apr_pool_t *p);

/**
 * Says whether a client's certificate and key belong together and can be
 * read without a pass phrase.
 * @param key_file  NULL: the key is in file too
 * @return NULL, or what is wrong
 */
const char *scep_http_check_certificate(const char *file, const char *key_file,
                                        apr_pool_t *p);

/**
 * Says whether a URI may stand for a key; opens nothing.  A PIN in it would
 * be a secret in the configuration, and libp11 logs URIs whole.
 * @return NULL, or what is wrong
 */
const char *scep_http_check_key_uri(const char *uri);

/**
 * Says whether a keytab can be used; asks no KDC.
 * @param principal  whose key it must have; NULL: anyone's
 * @return NULL, or what is wrong, for the log
 */
const char *scep_http_check_keytab(const char *file, const char *principal,
                                   apr_pool_t *p);

/**
 * Makes a request and waits for the answer.  It goes out once: where a
 * connection that was kept open ends without an answer the call fails, unless
 * the method is GET or HEAD, or unless KERBEROS got 401, by which the server
 * says that it did nothing: then once more, with new tickets.
 * @param response  filled in; an answer that was cut off counts as none
 * @return APR_SUCCESS with any HTTP status; APR_TIMEUP; APR_ENOSPC: over
 *         max_response; APR_EGENERAL.  response->error tells more
 */
apr_status_t scep_http_client_call(scep_http_client_t *client,
                                   const scep_http_request_t *request,
                                   scep_http_response_t *response,
                                   apr_pool_t *p);

#endif
