/* verifier_static.h - directives of the verifier "static"
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MOD_SCEP_VERIFIER_STATIC_H
#define MOD_SCEP_VERIFIER_STATIC_H

#include "conf.h"

/** The static secrets of a profile. */
typedef struct scep_static_conf_t {
    apr_array_header_t *secrets; /**< scep_static_secret_t * */
    apr_interval_time_t warn;    /**< before the end of one */
} scep_static_conf_t;

const char *mod_scep_set_static_secrets(cmd_parms *cmd, void *dirv,
                                        const char *file);
const char *mod_scep_set_static_warn(cmd_parms *cmd, void *dirv,
                                     const char *time);

/** Rows of the command table. */
#define SCEP_STATIC_DIRECTIVES                                                \
    AP_INIT_TAKE1("ScepStaticSecrets", mod_scep_set_static_secrets, NULL,     \
                  RSRC_CONF, "file of static secrets, as scrypt hashes")      \
    , AP_INIT_TAKE1("ScepStaticWarn", mod_scep_set_static_warn, NULL,         \
                    RSRC_CONF,                                                \
                    "how long before its end a static secret is warned of")

#endif
