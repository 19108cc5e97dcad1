/* conf.h - the configuration, as directives leave it and check.c resolves it
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MOD_SCEP_CONF_H
#define MOD_SCEP_CONF_H

#include "log.h"

#include "core/cert.h"
#include "core/device.h"
#include "core/enrol.h"
#include "core/gate.h"
#include "core/message.h"

/** One <ScepCA connector name>. */
typedef struct scep_ca_t {
    const char *name;
    const char *connector;
    const ap_directive_t *where;
    ap_conf_vector_t *conf; /**< the connector's own directives */
    const scep_ca_provider_t *provider;
    STACK_OF(X509) *chain; /**< ScepCAChain: issuing CA first; or NULL */
    void *data;            /**< the connector's, from its check */
    scep_gate_t *gate;     /**< NULL: it signs here, or nothing is open yet */
    struct scep_next_ca_t *next;    /**< what follows it; NULL: not known */
    struct scep_breaker_t *breaker; /**< ditto; NULL without a ledger, too */
    unsigned int max_concurrent;    /**< calls at a time; 0: the default */
    apr_interval_time_t patience;   /**< how long a device waits for it */
} scep_ca_t;

/** One certificate of the RA, and where its key is. */
typedef struct scep_ra_entry_t {
    const ap_directive_t *where;
    const char *cert_file;
    X509 *cert;
    const char *key_location; /**< file or URI */
    EVP_PKEY *key;            /**< NULL: encrypted, and this is configtest */
    unsigned int uses;        /**< SCEP_RA_* */
} scep_ra_entry_t;

/** How many certificates go along with an issued one. */
typedef enum {
    SCEP_REPLY_LEAF = 0,
    SCEP_REPLY_CA,
    SCEP_REPLY_CHAIN
} scep_reply_certs_t;

/** Bindings that a profile demands of every challenge, as bits of a set. */
typedef enum {
    SCEP_REQUIRE_SUBJECT = 1 << 0,
    SCEP_REQUIRE_SANS = 1 << 1,
    SCEP_REQUIRE_DEVICE = 1 << 2,
    SCEP_REQUIRE_NETWORK = 1 << 3
} scep_require_t;

/** A verifier of a profile with its own data. */
typedef struct scep_verifier_t {
    const char *name;
    const ap_directive_t *where; /**< NULL: nobody named it */
    const scep_verifier_provider_t *provider;
    void *data;
} scep_verifier_t;

/** One <ScepProfile name>. */
typedef struct scep_profile_t {
    const char *name;
    const ap_directive_t *where;
    const char *ca_name;
    const ap_directive_t *ca_where;
    const scep_ca_t *ca;
    ap_conf_vector_t *conf;         /**< directives of verifiers elsewhere */
    apr_array_header_t *ra_entries; /**< scep_ra_entry_t */
    apr_array_header_t *ra_keys;    /**< const char *, by number */
    scep_ra_t ra;
    apr_array_header_t *rollover; /**< scep_profile_ref_t; or NULL */
    scep_ra_t open_ra; /**< ra, and the RAs of rollover: envelopes may be
                            for any of them */

    scep_publish_t publish;
    int publish_reverse;
    apr_array_header_t *capabilities; /**< const char *, edits */
    int legacy_crypto;
    scep_message_rule_t rule;
    scep_enrol_profile_t enrol;
    apr_array_header_t *extensions;    /**< const ASN1_OBJECT * */
    apr_array_header_t *ext_key_usage; /**< const ASN1_OBJECT * */
    apr_array_header_t *verifiers;     /**< scep_verifier_t */
    apr_interval_time_t challenge_ttl;
    apr_interval_time_t challenge_max_ttl;
    apr_interval_time_t pending_life;   /**< with a ledger */
    unsigned int challenge_require;     /**< SCEP_REQUIRE_* */
    struct scep_static_conf_t *statics; /**< each NULL: not configured */
    struct scep_webhook_conf_t *webhook;
    struct scep_intune_conf_t *intune;
    struct scep_renewal_conf_t *renewal;
    struct scep_approval_conf_t *approval;
    scep_reply_form_t reply_form;
    scep_reply_certs_t reply_certs;
    int get_cert; /**< GetCert is served */
    int get_crl;  /**< GetCRL is */

    scep_body_t ca_caps; /**< prepared answers */
    scep_body_t ca_cert;
    scep_body_t next_ca; /**< no data: GetNextCACert is not served */
} scep_profile_t;

struct scep_dir_conf_t;

/** A mention of a profile by name, resolved when all are known. */
typedef struct scep_profile_ref_t {
    const char *name;
    const ap_directive_t *where;
    const struct scep_dir_conf_t *dir; /**< that it stands in */
    const scep_profile_t *profile;
} scep_profile_ref_t;

/** Per directory, and inside our containers what is being described. */
typedef struct scep_dir_conf_t {
    scep_profile_ref_t *profile;
    apr_off_t max_message_size; /**< -1: not set */
    const char *handler;        /**< of ours, that SetHandler names here */
    const char *base;           /**< path of the container that says so */
    int guarded;                /**< that container has a Require of its own */
    /* each NULL: not configured here */
    struct scep_caller_conf_t *callers;
    struct scep_lockout_conf_t *lockout;
    struct scep_ndes_conf_t *ndes;
    struct scep_jamf_conf_t *jamf;
    scep_profile_t *profile_section; /**< inside <ScepProfile> */
    scep_ca_t *ca_section;           /**< inside <ScepCA> */
} scep_dir_conf_t;

#define SCEP_MAX_MESSAGE_SIZE 65536

/** A container with one of our handlers, to check that it can work. */
typedef struct scep_endpoint_t {
    const ap_directive_t *where;
    const scep_dir_conf_t *dir;
    const server_rec *server;
    const char *path; /**< NULL: not one path, but a pattern of several */
} scep_endpoint_t;

/** The server's configuration: one, shared by all virtual hosts. */
typedef struct scep_conf_t {
    const char *state_dir;
    const char *pass_phrase_dialog; /**< program, NULL: the terminal */
    const scep_challenge_provider_t *store_provider;
    const char *store_name; /**< as configured, for the log */
    void *store;
    struct scep_ledger_t *ledger;  /**< NULL: there is none */
    struct scep_audit_t *audit;    /**< ScepAuditLog; NULL: there is none */
    apr_interval_time_t retention; /**< ScepRetention; 0: off */
    const ap_directive_t *retention_where;
    apr_interval_time_t audit_seal; /**< ScepAuditSeal; 0: off */
    apr_uint32_t audit_refusals;    /**< ScepAuditRefusals; 0: off */
    apr_interval_time_t audit_refusals_time;
    apr_array_header_t *cas;          /**< scep_ca_t * */
    apr_array_header_t *profiles;     /**< scep_profile_t * */
    apr_array_header_t *refs;         /**< scep_profile_ref_t * */
    apr_array_header_t *allowed_refs; /**< those of ScepChallengeAllow */
    apr_array_header_t *endpoints;    /**< scep_endpoint_t */
    const scep_alg_t *alg;
    const scep_oid_t *oid;
    scep_weak_t *weak; /**< tests of keys, with the lists of ScepWeakKeys */
} scep_conf_t;

/** The configuration that a server runs with. */
scep_conf_t *mod_scep_conf_get(const server_rec *s);

/** The profile of a request, NULL where none is configured. */
const scep_profile_t *mod_scep_conf_profile(const request_rec *r);

/** A profile by name, or NULL. */
scep_profile_t *mod_scep_conf_find_profile(const scep_conf_t *conf,
                                           const char *name);

/** A CA by name, or NULL. */
scep_ca_t *mod_scep_conf_find_ca(const scep_conf_t *conf, const char *name);

/** Whether a handler's name is one of ours. */
int mod_scep_conf_is_handler(const char *name);

/** The profile that a directive describes, or NULL with *err set. */
scep_profile_t *mod_scep_conf_section(cmd_parms *cmd, void *dirv,
                                      const char **err);

/** Says that a word is none of those that are known. */
const char *mod_scep_conf_unknown(cmd_parms *cmd, const char *word,
                                  const char *known);

/** Adds up the bits that find gives for each word; one is the least. */
const char *mod_scep_conf_set(cmd_parms *cmd, const char *words,
                              unsigned int (*find)(const char *word),
                              unsigned int allowed, const char *known,
                              unsigned int *set);

/** Says what is wrong with a directive, its name in front. */
const char *mod_scep_conf_error(cmd_parms *cmd, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/**
 * Checks that a directive stands at the server's level, or in <Location> and
 * the like where in_location says that it may, and in no container of ours.
 * @return NULL, or what is wrong
 */
const char *mod_scep_conf_context(cmd_parms *cmd, const void *dirv,
                                  int in_location);

/** Parses TIME: a number with unit ms, s, min, h or d; bare: seconds. */
const char *mod_scep_conf_time(apr_interval_time_t *value, const char *text,
                               apr_pool_t *p);

/** The same for a directive that takes a second at least. */
const char *mod_scep_conf_positive_time(cmd_parms *cmd, const char *text,
                                        apr_interval_time_t *value);

/* For the module record. */
void *mod_scep_conf_create_dir(apr_pool_t *p, char *path);
void *mod_scep_conf_merge_dir(apr_pool_t *p, void *basev, void *addv);
void *mod_scep_conf_create_server(apr_pool_t *p, server_rec *s);
void *mod_scep_conf_merge_server(apr_pool_t *p, void *basev, void *addv);

/* Directives, by the file that has their handlers. */
const char *mod_scep_section_ca(cmd_parms *cmd, void *dirv, const char *arg);
const char *mod_scep_section_profile(cmd_parms *cmd, void *dirv,
                                     const char *arg);
extern const command_rec mod_scep_commands[];

/**
 * Resolves and checks everything that no single directive can.  Logs each
 * mistake with file and line.
 */
int mod_scep_check_config(apr_pool_t *pconf, apr_pool_t *plog,
                          apr_pool_t *ptemp, server_rec *s);

#endif
