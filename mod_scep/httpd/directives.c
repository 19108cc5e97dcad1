/* directives.c - the command table, and directives outside the profiles
 * SPDX-License-Identifier: Apache-2.0
 */
#include "conf.h"

#include <apr_fnmatch.h>
#include <apr_strings.h>
#include <ap_provider.h>
#include <http_core.h>

#include "access.h"
#include "approval.h"
#include "audit.h"
#include "callers.h"
#include "intune_directives.h"
#include "jamf.h"
#include "keys.h"
#include "ledger.h"
#include "lockout.h"
#include "ndes.h"
#include "next_ca.h"
#include "policy_directives.h"
#include "profile_directives.h"
#include "refusals.h"
#include "retention.h"
#include "rollover.h"
#include "verifier_cert.h"
#include "verifier_static.h"
#include "verifier_webhook.h"
#include "work_directives.h"

static int is_directory(const char *path, apr_pool_t *p)
{
    apr_finfo_t info;

    return apr_stat(&info, path, APR_FINFO_TYPE, p) == APR_SUCCESS &&
           info.filetype == APR_DIR;
}

static const char *set_state_dir(cmd_parms *cmd, void *dirv, const char *path)
{
    const char *err = mod_scep_conf_context(cmd, dirv, 0);
    const char *full = ap_server_root_relative(cmd->temp_pool, path);
    apr_finfo_t info;

    if (err)
        return err;
    if (!*path || !full)
        return mod_scep_conf_error(cmd, "'%s' is no valid path", path);
    if (apr_stat(&info, full, APR_FINFO_TYPE, cmd->temp_pool) == APR_SUCCESS
            ? info.filetype != APR_DIR
            : !is_directory(ap_make_dirstr_parent(cmd->temp_pool, full),
                            cmd->temp_pool))
        return mod_scep_conf_error(cmd,
                                   "%s is no directory and cannot become one",
                                   full);
    mod_scep_conf_get(cmd->server)->state_dir = path;
    return NULL;
}

static const char *set_challenge_store(cmd_parms *cmd, void *dirv,
                                       const char *arg)
{
    scep_conf_t *conf = mod_scep_conf_get(cmd->server);
    const char *err = mod_scep_conf_context(cmd, dirv, 0);
    const char *colon = strchr(arg, ':');
    const char *open = colon ? strchr(colon, '(') : NULL;
    const char *close = open ? strchr(open, ')') : NULL;
    const char *provider;

    if (err)
        return err;
    if (!close || close[1] || open == colon + 1) {
        return mod_scep_conf_error(cmd, "give PROVIDER:NAME(ARGUMENTS), such "
                                        "as shm:challenges(100000)");
    }
    provider = apr_pstrmemdup(cmd->pool, arg, colon - arg);
    conf->store_provider = ap_lookup_provider(SCEP_CHALLENGE_PROVIDER_GROUP,
                                              provider, SCEP_PROVIDER_VERSION);
    if (!conf->store_provider)
        return mod_scep_conf_error(cmd, "unknown provider '%s'", provider);
    conf->store_name = arg;
    err = conf->store_provider->create(
        &conf->store, apr_pstrmemdup(cmd->pool, colon + 1, open - colon - 1),
        apr_pstrmemdup(cmd->pool, open + 1, close - open - 1), cmd->pool);
    return err ? mod_scep_conf_error(cmd, "%s", err) : NULL;
}

static const char *set_ledger(cmd_parms *cmd, void *dirv, const char *arg)
{
    scep_conf_t *conf = mod_scep_conf_get(cmd->server);
    const char *err = mod_scep_conf_context(cmd, dirv, 0);

    if (err)
        return err;
    conf->ledger = NULL;
    if (!strcasecmp(arg, "off"))
        return NULL;
    if (strncasecmp(arg, "dbd:", 4))
        return mod_scep_conf_error(cmd, "give off or dbd:PREFIX");
    err = mod_scep_ledger_create(&conf->ledger, arg + 4, cmd->pool);
    return err ? mod_scep_conf_error(cmd, "%s", err) : NULL;
}

static const char *set_pass_phrase_dialog(cmd_parms *cmd, void *dirv,
                                          const char *arg)
{
    scep_conf_t *conf = mod_scep_conf_get(cmd->server);
    const char *err = mod_scep_conf_context(cmd, dirv, 0);
    apr_finfo_t info;

    if (err)
        return err;
    if (!strcasecmp(arg, "builtin")) {
        conf->pass_phrase_dialog = NULL;
        return NULL;
    }
    if (strncasecmp(arg, "exec:", 5))
        return mod_scep_conf_error(cmd, "give builtin or exec:PROGRAM");
    conf->pass_phrase_dialog = ap_server_root_relative(cmd->pool, arg + 5);
    if (!conf->pass_phrase_dialog ||
        apr_stat(&info, conf->pass_phrase_dialog, APR_FINFO_TYPE, cmd->pool) !=
            APR_SUCCESS ||
        info.filetype != APR_REG)
        return mod_scep_conf_error(cmd, "there is no program %s", arg + 5);
    return NULL;
}

static const char *set_ca_chain(cmd_parms *cmd, void *dirv, const char *file)
{
    scep_dir_conf_t *dir = dirv;
    const char *err, *text;
    apr_size_t len;

    if (!dir || !dir->ca_section)
        return mod_scep_conf_error(cmd, "belongs into <ScepCA>");
    if ((err = mod_scep_keys_read_file(&file, &text, &len, cmd->pool)))
        return mod_scep_conf_error(cmd, "%s", err);
    if (scep_cert_read_pem(&dir->ca_section->chain, text, len, &err,
                           cmd->pool) != APR_SUCCESS ||
        (err = scep_cert_check_chain(dir->ca_section->chain, apr_time_now(),
                                     cmd->pool)))
        return mod_scep_conf_error(cmd, "%s: %s", file, err);
    return NULL;
}

static const char *set_profile(cmd_parms *cmd, void *dirv, const char *name)
{
    scep_conf_t *conf = mod_scep_conf_get(cmd->server);
    const char *err = mod_scep_conf_context(cmd, dirv, 1);
    scep_dir_conf_t *dir = dirv;

    if (err)
        return err;
    dir->profile = apr_pcalloc(cmd->pool, sizeof(*dir->profile));
    dir->profile->name = name;
    dir->profile->where = cmd->directive;
    dir->profile->dir = dir;
    APR_ARRAY_PUSH(conf->refs, scep_profile_ref_t *) = dir->profile;
    return NULL;
}

static const char *set_max_message_size(cmd_parms *cmd, void *dirv,
                                        const char *arg)
{
    scep_dir_conf_t *dir = dirv;
    const char *err = mod_scep_conf_context(cmd, dirv, 1);
    apr_off_t size;
    char *end;

    if (err)
        return err;
    if (apr_strtoff(&size, arg, &end, 10) != APR_SUCCESS || *end ||
        size < 4096 || size > 16 * 1024 * 1024) {
        return mod_scep_conf_error(cmd, "give a number of octets from 4096 "
                                        "to 16777216");
    }
    dir->max_message_size = size;
    return NULL;
}

/* The path of the <Location> that a directive stands in; NULL elsewhere. */
static const char *location_path(const cmd_parms *cmd)
{
    const ap_directive_t *around = cmd->directive->parent;

    return around && !strcasecmp(around->directive, "<Location") &&
                   *around->args != '~' && !apr_fnmatch_test(cmd->path)
               ? cmd->path
               : NULL;
}

/*
 * SetHandler and Require are httpd's.  Several modules may own a directive,
 * and all of them are told; here it is only noted what stands together in
 * one container, because an admin endpoint without a Require of its own is
 * served to nobody.  What an .htaccess says never counts.
 */
static const char *note_handler(cmd_parms *cmd, void *dirv, const char *args)
{
    scep_dir_conf_t *dir = dirv;
    scep_conf_t *conf = mod_scep_conf_get(cmd->server);
    const char *name = ap_getword_conf(cmd->temp_pool, &args);
    scep_endpoint_t *endpoint;

    if (ap_check_cmd_context(cmd, NOT_IN_HTACCESS))
        return NULL;
    dir->handler = apr_pstrdup(cmd->pool, name);
    dir->base = cmd->path;
    if (mod_scep_conf_is_handler(name)) {
        endpoint = apr_array_push(conf->endpoints);
        endpoint->where = cmd->directive;
        endpoint->dir = dir;
        endpoint->server = cmd->server;
        endpoint->path = location_path(cmd);
    }
    return NULL;
}

/* A Require in a <Limit> of fewer leaves the others to everybody. */
#define ADMIN_METHODS                                                         \
    (AP_METHOD_BIT << M_GET | AP_METHOD_BIT << M_POST |                       \
     AP_METHOD_BIT << M_DELETE | AP_METHOD_BIT << M_PATCH)

static const char *note_require(cmd_parms *cmd, void *dirv, const char *args)
{
    scep_dir_conf_t *dir = dirv;

    (void)args;
    if (!ap_check_cmd_context(cmd, NOT_IN_HTACCESS) && cmd->path &&
        (cmd->limited & ADMIN_METHODS) == ADMIN_METHODS)
        dir->guarded = 1;
    return NULL;
}

#define PROFILE_TAKE1(name, handler, help)                                    \
    AP_INIT_TAKE1(name, handler, NULL, RSRC_CONF, help)
#define PROFILE_WORDS(name, handler, help)                                    \
    AP_INIT_RAW_ARGS(name, handler, NULL, RSRC_CONF, help)
#define PROFILE_FLAG(name, handler, help)                                     \
    AP_INIT_FLAG(name, handler, NULL, RSRC_CONF, help)

const command_rec mod_scep_commands[] = {
    AP_INIT_TAKE1("ScepStateDir", set_state_dir, NULL, RSRC_CONF,
                  "directory for durable state; made if it is missing"),
    AP_INIT_TAKE1("ScepChallengeStore", set_challenge_store, NULL, RSRC_CONF,
                  "where challenges live: PROVIDER:NAME(ARGUMENTS)"),
    AP_INIT_TAKE1("ScepLedger", set_ledger, NULL, RSRC_CONF,
                  "where enrolments are kept: off or dbd:PREFIX"),
    SCEP_AUDIT_DIRECTIVES,
    SCEP_REFUSALS_DIRECTIVES,
    SCEP_RETENTION_DIRECTIVES,
    AP_INIT_TAKE1("ScepPassPhraseDialog", set_pass_phrase_dialog, NULL,
                  RSRC_CONF, "how to get pass phrases: builtin or exec:FILE"),
    AP_INIT_RAW_ARGS("ScepWeakKeys", mod_scep_set_weak_keys, NULL, RSRC_CONF,
                     "files with known RSA keys, as openssl-blacklist has "
                     "them"),
    AP_INIT_RAW_ARGS("<ScepCA", mod_scep_section_ca, NULL, RSRC_CONF,
                     "a certification authority: connector and name"),
    AP_INIT_TAKE1("ScepCAChain", set_ca_chain, NULL, RSRC_CONF,
                  "PEM file: the issuing CA's certificate, then upward"),
    SCEP_NEXT_CA_DIRECTIVES,
    AP_INIT_RAW_ARGS("<ScepProfile", mod_scep_section_profile, NULL, RSRC_CONF,
                     "a kind of enrolment: its name"),
    PROFILE_TAKE1("ScepCA", mod_scep_set_ca, "name of the <ScepCA>"),
    PROFILE_TAKE1("ScepRACertificate", mod_scep_set_ra_certificate,
                  "PEM file: a certificate of the gateway itself"),
    PROFILE_TAKE1("ScepRAKey", mod_scep_set_ra_key,
                  "its private key: PEM file or OSSL_STORE URI"),
    AP_INIT_ITERATE("ScepRolloverProfile", mod_scep_set_rollover, NULL,
                    RSRC_CONF,
                    "profiles whose RA's envelopes are served here too"),
    AP_INIT_TAKE12("ScepGetCACert", mod_scep_set_get_ca_cert, NULL, RSRC_CONF,
                   "what is published: ca, ca-chain, ra+ca, ra+ca+root; "
                   "optionally reverse"),
    PROFILE_WORDS("ScepCapabilities", mod_scep_set_capabilities,
                  "changes the list of GetCACaps: +WORD, -WORD or a new list"),
    PROFILE_WORDS("ScepDigests", mod_scep_set_digests, "digests allowed"),
    PROFILE_WORDS("ScepCiphers", mod_scep_set_ciphers,
                  "content ciphers allowed"),
    PROFILE_FLAG("ScepLegacyCrypto", mod_scep_set_legacy_crypto,
                 "also allow SHA-1, 3DES, MD5 and single DES"),
    PROFILE_WORDS("ScepKeyTypes", mod_scep_set_key_types,
                  "keys allowed: rsa:MIN-MAX, ec:CURVE"),
    PROFILE_TAKE1("ScepRSAExponent", mod_scep_set_rsa_exponent,
                  "least public exponent of RSA keys"),
    PROFILE_FLAG("ScepKeyReuse", mod_scep_set_key_reuse,
                 "let a key have certificates for several subjects"),
    PROFILE_WORDS("ScepSubjectForce", mod_scep_set_subject_force,
                  "attributes that are set in the subject: TYPE=VALUE"),
    PROFILE_WORDS("ScepSubjectRequire", mod_scep_set_subject_require,
                  "types of attributes that a subject must have"),
    PROFILE_WORDS("ScepSubjectAllow", mod_scep_set_subject_allow,
                  "attributes that a subject may have: TYPE=PATTERN"),
    PROFILE_WORDS("ScepSubjectAltNames", mod_scep_set_sans,
                  "types of subjectAltName that a request may have"),
    PROFILE_WORDS("ScepSubjectAltNameRequire", mod_scep_set_san_require,
                  "types of subjectAltName that a request must have"),
    PROFILE_WORDS("ScepSubjectAltNameAllow", mod_scep_set_san_allow,
                  "subjectAltNames that a request may have: TYPE:PATTERN"),
    PROFILE_TAKE1("ScepIssuedNames", mod_scep_set_issued_names,
                  "which names the CA may put in: policy, request or any"),
    PROFILE_FLAG("ScepEmptySubject", mod_scep_set_empty_subject,
                 "accept an empty subject beside a subjectAltName"),
    PROFILE_WORDS("ScepExtensions", mod_scep_set_extensions,
                  "extensions copied from the request, dotted numbers"),
    PROFILE_TAKE1("ScepValidity", mod_scep_set_validity,
                  "lifetime of certificates"),
    PROFILE_WORDS("ScepKeyUsage", mod_scep_set_key_usage,
                  "key usages of certificates"),
    PROFILE_WORDS("ScepExtendedKeyUsage", mod_scep_set_ext_key_usage,
                  "extended key usages of certificates"),
    PROFILE_WORDS("ScepExtendedKeyUsageAllow", mod_scep_set_usage_allow,
                  "extended key usages that a request may ask for"),
    PROFILE_TAKE1("ScepMaxCertificates", mod_scep_set_max_certificates,
                  "live certificates that a subject may have; or off"),
    AP_INIT_TAKE2("ScepCondition", mod_scep_set_condition, NULL, RSRC_CONF,
                  "a name, and an expression that must hold"),
    PROFILE_WORDS("ScepVerify", mod_scep_set_verify,
                  "verifiers that may grant a request, in order"),
    PROFILE_TAKE1("ScepChallengeTTL", mod_scep_set_challenge_ttl,
                  "lifetime of challenges where none is asked for"),
    PROFILE_TAKE1("ScepChallengeMaxTTL", mod_scep_set_challenge_max_ttl,
                  "longest lifetime of challenges"),
    PROFILE_WORDS("ScepChallengeRequire", mod_scep_set_challenge_require,
                  "bindings that a challenge must have"),
    PROFILE_WORDS("ScepDeviceIdFrom", mod_scep_set_device_id_from,
                  "where a request names its device"),
    SCEP_APPROVAL_DIRECTIVES,
    SCEP_INTUNE_DIRECTIVES,
    SCEP_RENEWAL_DIRECTIVES,
    SCEP_STATIC_DIRECTIVES,
    SCEP_WEBHOOK_DIRECTIVES,
    SCEP_WORK_DIRECTIVES,
    PROFILE_TAKE1("ScepReplyCertificates", mod_scep_set_reply_certificates,
                  "what goes along with a certificate: leaf, ca, chain"),
    PROFILE_TAKE1("ScepFailureContent", mod_scep_set_failure_content,
                  "content of FAILURE and PENDING: empty or absent"),
    PROFILE_FLAG("ScepGetCert", mod_scep_set_get_cert,
                 "serve GetCert, from the ledger"),
    PROFILE_FLAG("ScepGetCRL", mod_scep_set_get_crl,
                 "serve GetCRL, with the CRL of ScepRenewalRevocation"),
    PROFILE_FLAG("ScepReplySigner", mod_scep_set_reply_signer,
                 "put the RA certificate into replies"),
    PROFILE_TAKE1("ScepReplyKeyTransport", mod_scep_set_reply_key_transport,
                  "key transport of replies: mirror or pkcs1"),
    PROFILE_TAKE1("ScepMaxClockSkew", mod_scep_set_max_clock_skew,
                  "refuse a signingTime further off than this; or off"),
    AP_INIT_TAKE1("ScepProfile", set_profile, NULL, RSRC_CONF | ACCESS_CONF,
                  "name of the profile that an endpoint serves"),
    AP_INIT_TAKE1("ScepMaxMessageSize", set_max_message_size, NULL,
                  RSRC_CONF | ACCESS_CONF, "most octets of a pkiMessage"),
    SCEP_LOCKOUT_DIRECTIVES,
    SCEP_CALLERS_DIRECTIVES,
    SCEP_NDES_DIRECTIVES,
    SCEP_JAMF_DIRECTIVES,
    AP_INIT_RAW_ARGS("SetHandler", note_handler, NULL, OR_FILEINFO,
                     "httpd's own, noted here"),
    AP_INIT_RAW_ARGS("Require", note_require, NULL, OR_AUTHCFG,
                     "httpd's own, noted here"),
    { NULL }
};
