/* verifier_cert.h - settings and directives of the verifier "cert"
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MOD_SCEP_VERIFIER_CERT_H
#define MOD_SCEP_VERIFIER_CERT_H

#include "conf.h"
#include "core/renewal.h"
#include "revocation.h"

/** How a profile renews. */
typedef struct scep_renewal_conf_t {
    /** grace, names and window; the rest is set by the verifier's check */
    scep_renewal_rule_t rule;
    scep_revocation_conf_t revocation; /**< no sources: nobody said how */
} scep_renewal_conf_t;

const char *mod_scep_set_renewal_revocation(cmd_parms *cmd, void *dirv,
                                            const char *words);
const char *mod_scep_set_renewal_timeout(cmd_parms *cmd, void *dirv,
                                         const char *time);
const char *mod_scep_set_renewal_grace(cmd_parms *cmd, void *dirv,
                                       const char *time);
const char *mod_scep_set_renewal_window(cmd_parms *cmd, void *dirv,
                                        const char *time);
const char *mod_scep_set_renewal_names(cmd_parms *cmd, void *dirv,
                                       const char *word);

/** Rows of the command table. */
#define SCEP_RENEWAL_DIRECTIVES                                               \
    AP_INIT_RAW_ARGS("ScepRenewalRevocation",                                 \
                     mod_scep_set_renewal_revocation, NULL, RSRC_CONF,        \
                     "where revoked certificates are known, in order: "       \
                     "crl:FILE, crl:URL, ca, ocsp, ocsp:URL; or off")         \
    , AP_INIT_TAKE1("ScepRenewalTimeout", mod_scep_set_renewal_timeout, NULL, \
                    RSRC_CONF, "how long an OCSP responder is waited for")    \
    , AP_INIT_TAKE1("ScepRenewalGrace", mod_scep_set_renewal_grace, NULL,     \
                    RSRC_CONF,                                                \
                    "how long after its end a certificate still renews")      \
    , AP_INIT_TAKE1("ScepRenewalWindow", mod_scep_set_renewal_window, NULL,   \
                    RSRC_CONF,                                                \
                    "how long before its end a certificate renews at the "    \
                    "earliest: TIME, PERCENT% of its life, or off")           \
    , AP_INIT_TAKE1("ScepRenewalNames", mod_scep_set_renewal_names, NULL,     \
                    RSRC_CONF,                                                \
                    "names that a renewal may ask for: subset, same or any")

#endif
