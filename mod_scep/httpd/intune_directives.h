/* intune_directives.h - directives of the verifier "intune"
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MOD_SCEP_INTUNE_DIRECTIVES_H
#define MOD_SCEP_INTUNE_DIRECTIVES_H

#include "conf.h"

const char *mod_scep_set_intune_tenant(cmd_parms *cmd, void *dirv,
                                       const char *tenant);
const char *mod_scep_set_intune_client(cmd_parms *cmd, void *dirv,
                                       const char *id, const char *location);
const char *mod_scep_set_intune_login(cmd_parms *cmd, void *dirv,
                                      const char *url);
const char *mod_scep_set_intune_graph(cmd_parms *cmd, void *dirv,
                                      const char *url);
const char *mod_scep_set_intune_ca_file(cmd_parms *cmd, void *dirv,
                                        const char *file);
const char *mod_scep_set_intune_proxy(cmd_parms *cmd, void *dirv,
                                      const char *url);
const char *mod_scep_set_intune_timeout(cmd_parms *cmd, void *dirv,
                                        const char *time);

/** Rows of the command table. */
#define SCEP_INTUNE_DIRECTIVES                                                \
    AP_INIT_TAKE1("ScepIntuneTenant", mod_scep_set_intune_tenant, NULL,       \
                  RSRC_CONF, "the tenant: its id or domain")                  \
    ,                                                                         \
        AP_INIT_TAKE2("ScepIntuneClient", mod_scep_set_intune_client, NULL,   \
                      RSRC_CONF, "the application's id and secret"),          \
        AP_INIT_TAKE1("ScepIntuneLogin", mod_scep_set_intune_login, NULL,     \
                      RSRC_CONF, "URL of Microsoft Entra ID")                 \
    , AP_INIT_TAKE1("ScepIntuneGraph", mod_scep_set_intune_graph, NULL,       \
                    RSRC_CONF, "URL of Microsoft Graph")                      \
    , AP_INIT_TAKE1("ScepIntuneCAFile", mod_scep_set_intune_ca_file, NULL,    \
                    RSRC_CONF, "PEM file of CAs that vouch for them")         \
    , AP_INIT_TAKE1("ScepIntuneProxy", mod_scep_set_intune_proxy, NULL,       \
                    RSRC_CONF, "URL of the HTTP proxy to them, or none")      \
    , AP_INIT_TAKE1("ScepIntuneTimeout", mod_scep_set_intune_timeout, NULL,   \
                    RSRC_CONF, "how long a call of Intune may take")

#endif
