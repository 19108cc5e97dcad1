/* ndes.h - SetHandler scep-ndes: the page that hands out passwords
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MOD_SCEP_NDES_H
#define MOD_SCEP_NDES_H

#include "log.h"

/** What a location says of its page. */
typedef struct scep_ndes_conf_t scep_ndes_conf_t;

/** Those of a container over those above it; either may be NULL. */
scep_ndes_conf_t *mod_scep_ndes_merge(apr_pool_t *p,
                                      const scep_ndes_conf_t *base,
                                      const scep_ndes_conf_t *add);

/**
 * Stands in for Microsoft's /certsrv/mscep_admin/: management systems cut
 * the password out of the HTML.
 */
int mod_scep_ndes_handler(request_rec *r);

const char *mod_scep_ndes_set_encoding(cmd_parms *cmd, void *dirv,
                                       const char *arg);
const char *mod_scep_ndes_set_password_length(cmd_parms *cmd, void *dirv,
                                              const char *arg);

#define SCEP_NDES_DIRECTIVES                                                  \
    AP_INIT_TAKE1("ScepNdesEncoding", mod_scep_ndes_set_encoding, NULL,       \
                  RSRC_CONF | ACCESS_CONF,                                    \
                  "encoding of the NDES page: UTF-8 or UTF-16LE")             \
    , AP_INIT_TAKE1("ScepNdesPasswordLength",                                 \
                    mod_scep_ndes_set_password_length, NULL,                  \
                    RSRC_CONF | ACCESS_CONF,                                  \
                    "digits of a password on the NDES page")

#endif
