/* verifier_cert.h - settings and directives of the verifier "cert"
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MOD_SCEP_VERIFIER_CERT_H
#define MOD_SCEP_VERIFIER_CERT_H

#include "conf.h"
#include "core/renewal.h"
#include "revocation.h"

/** What becomes of a certificate that has been renewed. */
typedef enum {
    SCEP_OLD_SUPERSEDE = 0, /**< it renews no more, and is left to expire */
    SCEP_OLD_KEEP,
    SCEP_OLD_REVOKE
} scep_renewal_old_t;

#define SCEP_OLD_AFTER_DEFAULT apr_time_from_sec(7 * 86400)

/** How a profile renews. */
typedef struct scep_renewal_conf_t {
    /** grace, names and window; the rest is set by the verifier's check */
    scep_renewal_rule_t rule;
    scep_revocation_conf_t revocation; /**< no sources: nobody said how */
    /* with a ledger */
    scep_renewal_old_t old;
    apr_interval_time_t old_after; /**< so long it may still renew */
    int old_set;                   /**< somebody said so */
    int unknown_refused; /**< one that the ledger does not know is no proof */
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
const char *mod_scep_set_renewal_old(cmd_parms *cmd, void *dirv,
                                     const char *what, const char *after,
                                     const char *time);
const char *mod_scep_set_renewal_unknown(cmd_parms *cmd, void *dirv,
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
                    "names that a renewal may ask for: subset, same or any")  \
    ,                                                                         \
        AP_INIT_TAKE13("ScepRenewalOld", mod_scep_set_renewal_old, NULL,      \
                       RSRC_CONF,                                             \
                       "the old certificate: keep, supersede, revoke"),       \
        AP_INIT_TAKE1("ScepRenewalUnknown", mod_scep_set_renewal_unknown,     \
                      NULL, RSRC_CONF,                                        \
                      "one unknown to the ledger: allow or refuse")

#endif
