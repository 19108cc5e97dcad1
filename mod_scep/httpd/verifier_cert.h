/* verifier_cert.h - directives of the verifier "cert"
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MOD_SCEP_VERIFIER_CERT_H
#define MOD_SCEP_VERIFIER_CERT_H

#include "conf.h"

/** How a profile renews. */
typedef struct scep_renewal_conf_t {
    const char *crl_file; /**< absolute; NULL: revocation is not looked at */
    int revocation_set;   /**< somebody said how */
    apr_interval_time_t grace;
} scep_renewal_conf_t;

const char *mod_scep_set_renewal_revocation(cmd_parms *cmd, void *dirv,
                                            const char *how);
const char *mod_scep_set_renewal_grace(cmd_parms *cmd, void *dirv,
                                       const char *time);

/** Rows of the command table. */
#define SCEP_RENEWAL_DIRECTIVES                                               \
    AP_INIT_TAKE1("ScepRenewalRevocation", mod_scep_set_renewal_revocation,   \
                  NULL, RSRC_CONF,                                            \
                  "where revoked certificates are known: crl:FILE or off")    \
    , AP_INIT_TAKE1("ScepRenewalGrace", mod_scep_set_renewal_grace, NULL,     \
                    RSRC_CONF,                                                \
                    "how long after its end a certificate still renews")

#endif
