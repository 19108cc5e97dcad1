/* ejbca.h - one <ScepCA ejbca>, for the connector's own files
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SCEP_EJBCA_H
#define SCEP_EJBCA_H

#include <httpd.h>
#include <http_config.h>

#include <apr_thread_mutex.h>

#include "../../mod_scep/mod_scep.h"
#include "../http/http_client.h"
#include "ejbca_turns.h"

/** Most calls of a submission: the order, a token and a second try, and
 * three searches. */
#define EJBCA_CALLS_MAX 6

extern module AP_MODULE_DECLARE_DATA scep_ca_ejbca_module;

/** The directives of one <ScepCA>; NULL: not given. */
typedef struct scep_ejbca_conf_t {
    const char *url; /**< of the API, without a slash at its end */
    const char *ca;
    const char *certificate_profile;
    const char *end_entity_profile;
    const char *username; /**< template */
    int preregistered;
    const char *certificate; /**< of the client, and its key */
    const char *key;
    const char *key_uri;
    const char *token;        /**< file: or exec: */
    const char *oauth_url;    /**< of the token endpoint */
    const char *oauth_client; /**< client id */
    const char *oauth_secret; /**< file: or exec: */
    const char *oauth_scope;
    const char *ca_file;
    const char *proxy;
    apr_interval_time_t timeout; /**< of one call */
    int no_binding;              /**< ScepEjbcaAccountBinding off */
    const char *issuer;          /**< DN as EJBCA writes it */
} scep_ejbca_conf_t;

/** A CA, checked. */
typedef struct scep_ejbca_t {
    const scep_ejbca_conf_t *conf;
    scep_http_client_t *client;
    scep_http_client_t *oauth; /**< NULL: no OAuth */
    const char *oauth_secret;
    scep_ejbca_turns_t *turns;
    /* of the child */
    apr_thread_mutex_t *mutex; /**< over what follows */
    char *bearer;              /**< OAuth's token, or NULL; malloc */
    apr_time_t bearer_until;
    apr_time_t no_bearer_at; /**< when none could be had */
    char no_bearer[256];     /**< and why */
    char *issuer; /**< as EJBCA said, or NULL; malloc; never changes then */
} scep_ejbca_t;

extern const command_rec scep_ejbca_commands[];
void *scep_ejbca_conf_create(apr_pool_t *p, char *dir);
void *scep_ejbca_conf_merge(apr_pool_t *p, void *basev, void *addv);

/**
 * Makes a call with whatever authenticates: with OAuth once more where a
 * token is no longer taken.
 * @param path  below the API's base
 * @param body  JSON, or NULL
 * @return as scep_http_client_call()
 */
apr_status_t scep_ejbca_call(scep_ejbca_t *ca, const char *method,
                             const char *path, const char *body,
                             scep_http_response_t *response, apr_pool_t *p);

/** As scep_ca_provider_t.submit, poll and lookup. */
void scep_ejbca_submit(void *ca, const scep_ca_request_t *request,
                       scep_ca_result_t *result, apr_pool_t *p);
void scep_ejbca_poll(void *ca, const char *handle, scep_ca_result_t *result,
                     apr_pool_t *p);
void scep_ejbca_lookup(void *ca, const scep_ca_request_t *request,
                       scep_ca_result_t *result, apr_pool_t *p);

/** As scep_ca_provider_t.ca_chain, crl, revoke and health. */
apr_status_t scep_ejbca_chain(void *ca, STACK_OF(X509) **chain, apr_pool_t *p);
apr_status_t scep_ejbca_latest_crl(void *ca, X509_CRL **crl, apr_pool_t *p);
apr_status_t scep_ejbca_revoke(void *ca, const X509 *certificate, int reason,
                               const char **error, apr_pool_t *p);
apr_status_t scep_ejbca_health(void *ca, const char **text, apr_pool_t *p);

#endif
