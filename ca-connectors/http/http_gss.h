/* http_gss.h - Kerberos tokens of our own, bound to the server's certificate
 * SPDX-License-Identifier: Apache-2.0
 *
 * libcurl before 8.10 binds no token to the TLS connection, takes its tickets
 * from what the environment names and, where gss-ntlmssp is installed, falls
 * back to NTLM unasked.  Here the tickets are got with a keytab, kept in
 * memory for this client alone, and SPNEGO may offer Kerberos only.
 */
#ifndef SCEP_HTTP_GSS_H
#define SCEP_HTTP_GSS_H

#include <apr_pools.h>
#include <apr_time.h>
#include <openssl/x509.h>

/** An identity: the keys of a principal and the tickets got with them.
 * Thread-safe; a child gets tickets of its own. */
typedef struct scep_http_gss_t scep_http_gss_t;

/** What one token is for. */
typedef struct scep_http_gss_peer_t {
    const char *host;
    const X509 *leaf;    /**< the connection's; NULL: it has no TLS */
    apr_time_t deadline; /**< no token is wanted after that */
} scep_http_gss_peer_t;

/** One request's exchange with the server; ended with the pool. */
typedef struct scep_http_gss_exchange_t scep_http_gss_exchange_t;

/**
 * @param keytab  file
 * @param principal  or NULL, that of the keytab's first entry
 * @return NULL, or what is wrong
 */
const char *scep_http_gss_create(scep_http_gss_t **gss, const char *keytab,
                                 const char *principal, apr_pool_t *p);

/** The principal in full. */
const char *scep_http_gss_principal(const scep_http_gss_t *gss);

/**
 * Makes a token for one request; may ask the KDC.
 * @param token  base64
 * @return NULL, or why there is none
 */
const char *scep_http_gss_begin(scep_http_gss_t *gss,
                                const scep_http_gss_peer_t *peer,
                                scep_http_gss_exchange_t **exchange,
                                char **token, apr_pool_t *p);

/**
 * Checks the token of an answer, by which the server proves that it could
 * read ours, or says why not.
 * @param token  base64
 * @return NULL, or what is wrong
 */
const char *scep_http_gss_end(scep_http_gss_exchange_t *exchange,
                              const char *token, apr_pool_t *p);

/**
 * Lets the tickets go because a server refused one of them: its key may have
 * changed since.
 * @return zero where there is no hope in others: that was tried shortly before
 */
int scep_http_gss_refresh(scep_http_gss_t *gss,
                          const scep_http_gss_exchange_t *refused);

#endif
