/* next_ca.h - settings and directives of GetNextCACert
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MOD_SCEP_NEXT_CA_H
#define MOD_SCEP_NEXT_CA_H

#include "conf.h"

/** What follows a CA. */
typedef struct scep_next_ca_t {
    const ap_directive_t *where;
    STACK_OF(X509) *chain; /**< issuing CA first; NULL: not given */
    const char *signer;    /**< location of the CA's key, or "ra" */
    const char *file;      /**< of an answer that is signed already */
} scep_next_ca_t;

/**
 * Prepares a profile's answer to GetNextCACert.
 * @return NULL, or what is wrong; without ScepNextCAChain there is nothing to
 *         prepare, and at configtest there may be a key that is not loaded
 */
const char *mod_scep_next_ca_prepare(server_rec *s, scep_profile_t *profile,
                                     apr_pool_t *pconf);

const char *mod_scep_set_next_ca_chain(cmd_parms *cmd, void *dirv,
                                       const char *file);
const char *mod_scep_set_next_ca_signer(cmd_parms *cmd, void *dirv,
                                        const char *location);
const char *mod_scep_set_next_ca_signed(cmd_parms *cmd, void *dirv,
                                        const char *file);

/** Rows of the command table. */
#define SCEP_NEXT_CA_DIRECTIVES                                               \
    AP_INIT_TAKE1("ScepNextCAChain", mod_scep_set_next_ca_chain, NULL,        \
                  RSRC_CONF,                                                  \
                  "PEM file: certificates of the CA that will follow")        \
    , AP_INIT_TAKE1("ScepNextCASigner", mod_scep_set_next_ca_signer, NULL,    \
                    RSRC_CONF,                                                \
                    "key of the CA, that signs GetNextCACert's answer; or "   \
                    "ra")                                                     \
    , AP_INIT_TAKE1("ScepNextCASigned", mod_scep_set_next_ca_signed, NULL,    \
                    RSRC_CONF,                                                \
                    "file with an answer to GetNextCACert that the CA has "   \
                    "signed")

#endif
