/* mod_scep_ca_openssl.c - connector to a local CA: a key and OpenSSL
 * SPDX-License-Identifier: Apache-2.0
 */
#include <httpd.h>
#include <http_config.h>
#include <http_log.h>

#include <apr_lib.h>
#include <apr_strings.h>
#include <apr_uri.h>
#include <ap_provider.h>
#include <openssl/err.h>
#include <openssl/rand.h>

#include <unixd.h>

#include "../state/state_dir.h"
#include "issue.h"
#include "revoked.h"

#define DIGEST_DEFAULT "SHA256"
#define BACKDATE_DEFAULT apr_time_from_sec(600)
#define BACKDATE_UNSET ((apr_interval_time_t)-1)
#define CRL_VALIDITY_DEFAULT apr_time_from_sec(7 * 86400)

extern module AP_MODULE_DECLARE_DATA scep_ca_openssl_module;
APLOG_USE_MODULE(scep_ca_openssl);

/* The directives of one <ScepCA>. */
typedef struct conf_t {
    const char *key;
    const char *digest;
    apr_interval_time_t backdate;
    apr_interval_time_t crl_validity; /* 0: not set */
    apr_array_header_t *crl_urls;
    apr_array_header_t *issuer_urls;
    apr_array_header_t *ocsp_urls;
} conf_t;

/* One <ScepCA>, checked. */
typedef struct local_ca_t {
    scep_issuer_t *issuer;
    const STACK_OF(X509) *chain;
    const char *name;
    const char *state_dir;
    scep_revoked_t revoked;
} local_ca_t;

/* ------------------------------------------------------------------ */
/* The provider                                                         */

static const char *check(const scep_ca_setup_t *setup, void **ca)
{
    const conf_t *conf =
        ap_get_module_config(setup->conf, &scep_ca_openssl_module);
    scep_issuer_rule_t rule = { DIGEST_DEFAULT, BACKDATE_DEFAULT, NULL, NULL,
                                NULL };
    local_ca_t *local = apr_pcalloc(setup->p, sizeof(*local));
    EVP_PKEY *key = NULL;
    const char *error;

    if (conf == NULL || conf->key == NULL)
        return "ScepOpenSSLKey is missing";
    if (sk_X509_num(setup->chain) < 1)
        return "ScepCAChain is missing";
    if ((error = setup->load_key(setup, conf->key, &key, setup->p)) != NULL)
        return apr_psprintf(setup->p, "ScepOpenSSLKey %s: %s", conf->key,
                            error);
    if (conf->digest != NULL)
        rule.digest = conf->digest;
    if (conf->backdate != BACKDATE_UNSET)
        rule.backdate = conf->backdate;
    rule.crl_urls = conf->crl_urls;
    rule.issuer_urls = conf->issuer_urls;
    rule.ocsp_urls = conf->ocsp_urls;
    local->chain = setup->chain;
    error = scep_issuer_prepare(&local->issuer, sk_X509_value(setup->chain, 0),
                                key, &rule, apr_time_now(), setup->p);
    local->name = setup->name;
    local->state_dir = setup->state_dir;
    local->revoked.issuer = local->issuer;
    local->revoked.life =
        conf->crl_validity != 0 ? conf->crl_validity : CRL_VALIDITY_DEFAULT;
    if (error == NULL)
        *ca = local;
    return error;
}

static apr_status_t open_state(void *ca, server_rec *s, apr_pool_t *pconf)
{
    local_ca_t *local = ca;
    const char *name = apr_pstrcat(pconf, "openssl-", local->name, NULL);
    const char *what;
    apr_status_t rv =
        scep_state_dir_open(&local->revoked.dir, local->state_dir, name,
                            ap_unixd_config.user_id, ap_unixd_config.group_id,
                            &what, pconf);

    if (rv != APR_SUCCESS)
        ap_log_error(APLOG_MARK, APLOG_EMERG, rv, s,
                     SCEPLOGNO(0590) "CA %s: cannot %s %s/%s", local->name,
                     what, local->state_dir, name);
    return rv;
}

static apr_status_t child_init(void *ca, server_rec *s, apr_pool_t *p)
{
    (void)s;
    return scep_revoked_init(&((local_ca_t *)ca)->revoked, p);
}

static void submit(void *ca, const scep_ca_request_t *request,
                   scep_ca_result_t *result, apr_pool_t *p)
{
    unsigned char serial[SCEP_ISSUE_SERIAL_LEN];

    if (RAND_bytes(serial, sizeof(serial)) != 1) {
        result->outcome = SCEP_CA_UNAVAILABLE;
        result->reason =
            scep_issuer_error("no random octets for a serial number", p);
        return;
    }
    scep_issue_certificate(((const local_ca_t *)ca)->issuer, request, serial,
                           result, p);
}

/* What it made went nowhere but into the memory of the process that died. */
static void lookup(void *ca, const scep_ca_request_t *request,
                   scep_ca_result_t *result, apr_pool_t *p)
{
    (void)ca;
    (void)request;
    (void)p;
    result->outcome = SCEP_CA_UNAVAILABLE;
    result->reason = "no certificate has left the process that died";
}

static apr_status_t chain_free(void *data)
{
    sk_X509_pop_free(data, X509_free);
    return APR_SUCCESS;
}

static apr_status_t ca_chain(void *ca, STACK_OF(X509) **chain, apr_pool_t *p)
{
    STACK_OF(X509) *copy =
        X509_chain_up_ref((STACK_OF(X509) *)((const local_ca_t *)ca)->chain);

    if (copy == NULL) {
        ERR_clear_error();
        return APR_ENOMEM;
    }
    apr_pool_cleanup_register(p, copy, chain_free, apr_pool_cleanup_null);
    *chain = copy;
    return APR_SUCCESS;
}

static apr_status_t health(void *ca, const char **text, apr_pool_t *p)
{
    const scep_issuer_t *issuer = ((const local_ca_t *)ca)->issuer;
    apr_int64_t now = apr_time_sec(apr_time_now());

    (void)p;
    if (issuer->key == NULL) {
        *text = "the CA's key is not loaded";
        return APR_EGENERAL;
    }
    if (now < issuer->not_before || now >= issuer->not_after) {
        *text = "the CA's certificate is not valid now";
        return APR_EGENERAL;
    }
    *text = "ready";
    return APR_SUCCESS;
}

static apr_status_t current_crl(void *ca, X509_CRL **found, apr_pool_t *p)
{
    return scep_revoked_crl(&((local_ca_t *)ca)->revoked, found,
                            apr_time_now(), p) == NULL
               ? APR_SUCCESS
               : APR_EGENERAL;
}

static apr_status_t revoke_certificate(void *ca, const X509 *certificate,
                                       int reason, const char **error,
                                       apr_pool_t *p)
{
    *error = scep_revoked_add(&((local_ca_t *)ca)->revoked, certificate,
                              reason, apr_time_now(), p);
    return *error == NULL ? APR_SUCCESS : APR_EGENERAL;
}

static const scep_ca_provider_t provider = { .check = check,
                                             .child_init = child_init,
                                             .submit = submit,
                                             .ca_chain = ca_chain,
                                             .crl = current_crl,
                                             .revoke = revoke_certificate,
                                             .health = health,
                                             .signs_here = 1,
                                             .open = open_state,
                                             .lookup = lookup,
                                             .sets_subject = 1 };

/* ------------------------------------------------------------------ */
/* The directives                                                       */

static void *create_conf(apr_pool_t *p, char *dir)
{
    conf_t *conf = apr_pcalloc(p, sizeof(*conf));

    (void)dir;
    conf->backdate = BACKDATE_UNSET;
    return conf;
}

static void *merge_conf(apr_pool_t *p, void *basev, void *addv)
{
    const conf_t *base = basev, *add = addv;
    conf_t *conf = apr_pcalloc(p, sizeof(*conf));

#define MERGE(member, unset)                                                  \
    conf->member = add->member != (unset) ? add->member : base->member
    MERGE(key, NULL);
    MERGE(digest, NULL);
    MERGE(backdate, BACKDATE_UNSET);
    MERGE(crl_validity, 0);
    MERGE(crl_urls, NULL);
    MERGE(issuer_urls, NULL);
    MERGE(ocsp_urls, NULL);
#undef MERGE
    return conf;
}

/* Elsewhere than in <ScepCA> they would be read and never looked at. */
static const char *check_context(const cmd_parms *cmd)
{
    const ap_directive_t *in = cmd->directive->parent;

    if (in != NULL && ap_cstr_casecmp(in->directive, "<ScepCA") == 0)
        return NULL;
    return apr_pstrcat(cmd->pool, cmd->cmd->name,
                       " belongs inside <ScepCA openssl NAME>", NULL);
}

static const char *set_key(cmd_parms *cmd, void *confv, const char *arg)
{
    conf_t *conf = confv;

    conf->key = arg;
    return check_context(cmd);
}

static const char *set_digest(cmd_parms *cmd, void *confv, const char *arg)
{
    static const char *const names[][2] = { { "sha256", "SHA256" },
                                            { "sha384", "SHA384" },
                                            { "sha512", "SHA512" } };
    conf_t *conf = confv;
    apr_size_t i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (ap_cstr_casecmp(arg, names[i][0]) == 0) {
            conf->digest = names[i][1];
            return check_context(cmd);
        }
    return apr_pstrcat(cmd->pool, "ScepOpenSSLDigest: unknown digest '", arg,
                       "'; sha256, sha384 and sha512 are known", NULL);
}

/* httpd's own parser knows hours at most. */
static const char *read_time(cmd_parms *cmd, const char *arg,
                             apr_interval_time_t *time)
{
    char *end;
    apr_int64_t days = apr_strtoi64(arg, &end, 10);

    if (apr_isdigit(arg[0]) && apr_strnatcasecmp(end, "d") == 0 &&
        days <= 36500)
        *time = days * apr_time_from_sec(86400);
    else if (!apr_isdigit(arg[0]) ||
             ap_timeout_parameter_parse(arg, time, "s") != APR_SUCCESS)
        return apr_pstrcat(cmd->pool, cmd->cmd->name, ": '", arg,
                           "' is no time such as 10min, 24h or 1d", NULL);
    return check_context(cmd);
}

static const char *set_backdate(cmd_parms *cmd, void *confv, const char *arg)
{
    return read_time(cmd, arg, &((conf_t *)confv)->backdate);
}

static const char *set_crl_validity(cmd_parms *cmd, void *confv,
                                    const char *arg)
{
    conf_t *conf = confv;
    const char *error = read_time(cmd, arg, &conf->crl_validity);

    if (error == NULL && conf->crl_validity < apr_time_from_sec(60))
        error = "ScepOpenSSLCRLValidity: a minute at least";
    return error;
}

static const char *add_url(cmd_parms *cmd, void *confv, const char *arg)
{
    apr_array_header_t **urls =
        (apr_array_header_t **)((char *)confv + (apr_size_t)cmd->info);
    apr_uri_t uri;
    const char *c;

    for (c = arg; apr_isascii(*c) && apr_isgraph(*c); c++)
        continue;
    if (*c != '\0' || apr_uri_parse(cmd->pool, arg, &uri) != APR_SUCCESS ||
        uri.scheme == NULL)
        return apr_pstrcat(cmd->pool, cmd->cmd->name, ": '", arg,
                           "' is no URL", NULL);
    if (*urls == NULL)
        *urls = apr_array_make(cmd->pool, 2, sizeof(const char *));
    APR_ARRAY_PUSH(*urls, const char *) = arg;
    return check_context(cmd);
}

#define WHERE (RSRC_CONF | ACCESS_CONF)
#define URLS(member) ((void *)APR_OFFSETOF(conf_t, member))

static const command_rec commands[] = {
    AP_INIT_TAKE1("ScepOpenSSLKey", set_key, NULL, WHERE,
                  "private key of the CA: a PEM file or a URI"),
    AP_INIT_TAKE1("ScepOpenSSLDigest", set_digest, NULL, WHERE,
                  "digest to sign with: sha256, sha384 or sha512"),
    AP_INIT_TAKE1("ScepOpenSSLBackdate", set_backdate, NULL, WHERE,
                  "how long before now a certificate begins to be valid"),
    AP_INIT_TAKE1("ScepOpenSSLCRLValidity", set_crl_validity, NULL, WHERE,
                  "how long a CRL is good for"),
    AP_INIT_ITERATE("ScepOpenSSLCRLDistributionPoint", add_url, URLS(crl_urls),
                    WHERE, "where the CA's CRL is found"),
    AP_INIT_ITERATE("ScepOpenSSLCAIssuers", add_url, URLS(issuer_urls), WHERE,
                    "where the CA's certificate is found"),
    AP_INIT_ITERATE("ScepOpenSSLOCSP", add_url, URLS(ocsp_urls), WHERE,
                    "where the CA's OCSP responder is found"),
    { NULL, { NULL }, NULL, 0, RAW_ARGS, NULL }
};

static void register_hooks(apr_pool_t *p)
{
    ap_register_provider(p, SCEP_CA_PROVIDER_GROUP, "openssl",
                         SCEP_PROVIDER_VERSION, &provider);
}

module AP_MODULE_DECLARE_DATA scep_ca_openssl_module = {
    STANDARD20_MODULE_STUFF,
    create_conf,
    merge_conf,
    NULL, /* server config */
    NULL, /* server merge */
    commands,
    register_hooks,
    AP_MODULE_FLAG_NONE
};
