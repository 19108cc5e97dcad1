/* verifier_webhook.h - settings and directives of the verifier "webhook"
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MOD_SCEP_VERIFIER_WEBHOOK_H
#define MOD_SCEP_VERIFIER_WEBHOOK_H

#include "../../ca-connectors/http/http_client.h"
#include "conf.h"
#include "webhook_proto.h"

/** Longest ScepWebhookTimeout: a worker waits as long. */
#define SCEP_WEBHOOK_TIMEOUT_MAX apr_time_from_sec(60)

/** The validator of a profile. */
typedef struct scep_webhook_conf_t {
    const char *url;        /**< that is asked */
    const char *notify_url; /**< that is told how it ended; or NULL */
    const char *id;         /**< that the validator knows the key by */
    scep_webhook_key_t key; /**< no octets where nothing is to be signed:
                                 configtest runs no program */
    scep_http_settings_t http;
} scep_webhook_conf_t;

const char *mod_scep_set_webhook(cmd_parms *cmd, void *dirv, const char *url);
const char *mod_scep_set_webhook_secret(cmd_parms *cmd, void *dirv,
                                        const char *id, const char *location);
const char *mod_scep_set_webhook_auth(cmd_parms *cmd, void *dirv,
                                      const char *how, const char *first,
                                      const char *second);
const char *mod_scep_set_webhook_timeout(cmd_parms *cmd, void *dirv,
                                         const char *time);
const char *mod_scep_set_webhook_ca_file(cmd_parms *cmd, void *dirv,
                                         const char *file);
const char *mod_scep_set_webhook_certificate(cmd_parms *cmd, void *dirv,
                                             const char *file,
                                             const char *key);
const char *mod_scep_set_webhook_notify(cmd_parms *cmd, void *dirv,
                                        const char *url);

/** Rows of the command table. */
#define SCEP_WEBHOOK_DIRECTIVES                                               \
    AP_INIT_TAKE1("ScepWebhook", mod_scep_set_webhook, NULL, RSRC_CONF,       \
                  "URL of the validator that is asked")                       \
    ,                                                                         \
        AP_INIT_TAKE2("ScepWebhookSecret", mod_scep_set_webhook_secret, NULL, \
                      RSRC_CONF, "id and file: or exec: of the signing key"), \
        AP_INIT_TAKE23("ScepWebhookAuth", mod_scep_set_webhook_auth, NULL,    \
                       RSRC_CONF, "basic USER SECRET, or bearer SECRET"),     \
        AP_INIT_TAKE1("ScepWebhookTimeout", mod_scep_set_webhook_timeout,     \
                      NULL, RSRC_CONF,                                        \
                      "how long the validator is waited for")                 \
    , AP_INIT_TAKE1("ScepWebhookCAFile", mod_scep_set_webhook_ca_file, NULL,  \
                    RSRC_CONF, "PEM file of CAs that vouch for it")           \
    ,                                                                         \
        AP_INIT_TAKE12("ScepWebhookCertificate",                              \
                       mod_scep_set_webhook_certificate, NULL, RSRC_CONF,     \
                       "PEM files of the client certificate and its key"),    \
        AP_INIT_TAKE1("ScepWebhookNotify", mod_scep_set_webhook_notify, NULL, \
                      RSRC_CONF, "URL that is told how a request ended")

#endif
