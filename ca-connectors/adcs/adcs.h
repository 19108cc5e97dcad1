/* adcs.h - one <ScepCA adcs>, for the connector's own files
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SCEP_ADCS_H
#define SCEP_ADCS_H

#include <httpd.h>
#include <http_config.h>

#include "../../mod_scep/mod_scep.h"
#include "../http/http_client.h"

extern module AP_MODULE_DECLARE_DATA scep_ca_adcs_module;

/** How ADCS is asked. */
typedef enum {
    SCEP_ADCS_CES = 0, /**< certificate enrolment web service: MS-WSTEP */
    SCEP_ADCS_CERTSRV  /**< web enrolment: pages for people */
} scep_adcs_interface_t;

/** How the gateway authenticates. */
typedef enum {
    SCEP_ADCS_AUTH_UNSET = 0,
    SCEP_ADCS_AUTH_USERNAMETOKEN, /**< in the SOAP header; CES only */
    SCEP_ADCS_AUTH_BASIC,
    SCEP_ADCS_AUTH_KERBEROS,
    SCEP_ADCS_AUTH_CERTIFICATE,
    SCEP_ADCS_AUTH_NTLM
} scep_adcs_auth_t;

/** The directives of one <ScepCA>; NULL: not given. */
typedef struct scep_adcs_conf_t {
    const char *url; /**< of CES, or of /certsrv; no slash at its end */
    scep_adcs_interface_t interface;
    const char *template; /**< name of the certificate template */
    scep_adcs_auth_t auth;
    const char *user;        /**< or the principal */
    const char *secret;      /**< file: or exec: */
    const char *keytab;      /**< file */
    const char *certificate; /**< of the client, and its key */
    const char *key;
    const char *key_uri;
    int allow_ntlm;
    const char *signer; /**< enrolment agent's certificate, and its key */
    const char *signer_key;
    const char *ca_file;
    const char *proxy;
    apr_interval_time_t timeout; /**< of one call */
    int microsoft_names;         /**< ScepAdcsMicrosoftNames allow */
} scep_adcs_conf_t;

/** A CA, checked. */
typedef struct scep_adcs_t {
    const scep_adcs_conf_t *conf;
    const char *name;
    const STACK_OF(X509) *chain;
    scep_http_client_t *client;
    const char *password; /**< USERNAMETOKEN: of conf->user */
    X509 *signer;         /**< enrolment agent, or NULL */
    EVP_PKEY *signer_key;
} scep_adcs_t;

extern const command_rec scep_adcs_commands[];
void *scep_adcs_conf_create(apr_pool_t *p, char *dir);
void *scep_adcs_conf_merge(apr_pool_t *p, void *basev, void *addv);

/**
 * What is sent for a request whose names have been looked at: its PKCS#10
 * or, where ca->signer is set, CMS SignedData with that inside.
 * @param der  lives as long as p, or as the request
 * @return NULL, or what failed, for the log
 */
const char *scep_adcs_order(const scep_adcs_t *ca,
                            const scep_ca_request_t *request,
                            const unsigned char **der, apr_size_t *len,
                            apr_pool_t *p);

/** As scep_ca_provider_t.submit and poll, by CES. */
void scep_ces_submit(scep_adcs_t *ca, const scep_ca_request_t *request,
                     scep_ca_result_t *result, apr_pool_t *p);
void scep_ces_poll(scep_adcs_t *ca, const char *handle,
                   scep_ca_result_t *result, apr_pool_t *p);

/** As scep_ca_provider_t.health: whether the service answers. */
apr_status_t scep_ces_health(scep_adcs_t *ca, const char **text,
                             apr_pool_t *p);

/** As submit, poll, ca_chain and health, by web enrolment. */
void scep_certsrv_submit(scep_adcs_t *ca, const scep_ca_request_t *request,
                         scep_ca_result_t *result, apr_pool_t *p);
void scep_certsrv_poll(scep_adcs_t *ca, const char *handle,
                       scep_ca_result_t *result, apr_pool_t *p);
apr_status_t scep_certsrv_chain(scep_adcs_t *ca, STACK_OF(X509) **chain,
                                apr_pool_t *p);
apr_status_t scep_certsrv_health(scep_adcs_t *ca, const char **text,
                                 apr_pool_t *p);

#endif
