/* ejbca_conf.c - the directives of the connector to EJBCA
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ejbca.h"

#include <apr_lib.h>
#include <apr_strings.h>

#include "ejbca_username.h"

void *scep_ejbca_conf_create(apr_pool_t *p, char *dir)
{
    (void)dir;
    return apr_pcalloc(p, sizeof(scep_ejbca_conf_t));
}

/* <ScepCA> is walked into a vector of its own, so nothing is inherited. */
void *scep_ejbca_conf_merge(apr_pool_t *p, void *basev, void *addv)
{
    (void)p;
    (void)basev;
    return addv;
}

/* Elsewhere than in <ScepCA> they would be read and never looked at. */
static const char *check_context(const cmd_parms *cmd)
{
    const ap_directive_t *in = cmd->directive->parent;

    if (in && !ap_cstr_casecmp(in->directive, "<ScepCA"))
        return NULL;
    return apr_pstrcat(cmd->pool, cmd->cmd->name,
                       " belongs inside <ScepCA ejbca NAME>", NULL);
}

static const char *mistake(const cmd_parms *cmd, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static const char *mistake(const cmd_parms *cmd, const char *fmt, ...)
{
    const char *text;
    va_list args;

    va_start(args, fmt);
    text = apr_pvsprintf(cmd->pool, fmt, args);
    va_end(args);
    return apr_pstrcat(cmd->pool, cmd->cmd->name, ": ", text, NULL);
}

static const char *take_file(cmd_parms *cmd, const char **to, const char *arg)
{
    const char *err = check_context(cmd);
    apr_finfo_t info;

    *to = ap_server_root_relative(cmd->pool, arg);
    if (!err &&
        (!*to ||
         apr_stat(&info, *to, APR_FINFO_TYPE, cmd->temp_pool) != APR_SUCCESS ||
         info.filetype != APR_REG))
        err = mistake(cmd, "there is no file %s", *to ? *to : arg);
    return err;
}

static const char *take_url(cmd_parms *cmd, const char **to, const char *arg)
{
    const char *err = check_context(cmd);
    const char *fault =
        scep_http_check_url(arg, SCEP_HTTP_LOOPBACK, cmd->temp_pool);
    char *url = apr_pstrdup(cmd->pool, arg);

    if (!err && !fault && strpbrk(arg, "?#"))
        fault = "a query does not belong into it";
    if (!err && fault)
        err = mistake(cmd, "%s: %s", arg, fault);
    for (size_t len = strlen(url); len && url[len - 1] == '/'; len--)
        url[len - 1] = '\0';
    *to = url;
    return err;
}

static const char **member(cmd_parms *cmd, void *confv)
{
    return (const char **)((char *)confv + (apr_size_t)cmd->info);
}

static const char *set_text(cmd_parms *cmd, void *confv, const char *arg)
{
    const char *err = check_context(cmd);

    if (!err && !*arg)
        err = mistake(cmd, "'%s' says nothing", arg);
    *member(cmd, confv) = arg;
    return err;
}

static const char *set_file(cmd_parms *cmd, void *confv, const char *arg)
{
    return take_file(cmd, member(cmd, confv), arg);
}

static const char *set_url(cmd_parms *cmd, void *confv, const char *arg)
{
    return take_url(cmd, member(cmd, confv), arg);
}

static const char *set_username(cmd_parms *cmd, void *confv, const char *arg)
{
    scep_ejbca_conf_t *conf = confv;
    const char *err = check_context(cmd);
    const char *fault = scep_ejbca_username_check(arg, cmd->temp_pool);

    conf->username = arg;
    return err || !fault
               ? err
               : apr_pstrcat(cmd->pool, cmd->cmd->name, ": ", fault, NULL);
}

static const char *set_mode(cmd_parms *cmd, void *confv, const char *arg)
{
    scep_ejbca_conf_t *conf = confv;

    conf->preregistered = !ap_cstr_casecmp(arg, "preregistered");
    if (!conf->preregistered && ap_cstr_casecmp(arg, "enroll"))
        return mistake(cmd, "'%s' is none of enroll preregistered", arg);
    return check_context(cmd);
}

static const char *set_certificate(cmd_parms *cmd, void *confv,
                                   const char *file, const char *key)
{
    scep_ejbca_conf_t *conf = confv;
    const char *err = take_file(cmd, &conf->certificate, file);

    if (err || !key)
        return err;
    if (strncasecmp(key, "pkcs11:", 7))
        return take_file(cmd, &conf->key, key);
    conf->key_uri = key;
    err = scep_http_check_key_uri(key);
    return err ? mistake(cmd, "%s", err) : NULL;
}

static const char *set_oauth(cmd_parms *cmd, void *confv, int argc,
                             char *const argv[])
{
    scep_ejbca_conf_t *conf = confv;

    if (argc < 3 || argc > 4)
        return mistake(cmd, "give TOKEN-URL CLIENT-ID file:SECRET [SCOPE]");
    conf->oauth_client = argv[1];
    conf->oauth_secret = argv[2];
    conf->oauth_scope = argc == 4 ? argv[3] : NULL;
    return take_url(cmd, &conf->oauth_url, argv[0]);
}

static const char *set_timeout(cmd_parms *cmd, void *confv, const char *arg)
{
    scep_ejbca_conf_t *conf = confv;

    if (!apr_isdigit(*arg) ||
        ap_timeout_parameter_parse(arg, &conf->timeout, "s") != APR_SUCCESS ||
        conf->timeout < apr_time_from_sec(1) ||
        conf->timeout > apr_time_from_sec(600))
        return mistake(cmd, "'%s' is no time from 1s to 10min", arg);
    return check_context(cmd);
}

static const char *set_binding(cmd_parms *cmd, void *confv, int on)
{
    scep_ejbca_conf_t *conf = confv;

    conf->no_binding = !on;
    return check_context(cmd);
}

#define WHERE (RSRC_CONF | ACCESS_CONF)
#define MEMBER(name) ((void *)APR_OFFSETOF(scep_ejbca_conf_t, name))

const command_rec scep_ejbca_commands[] = {
    AP_INIT_TAKE1("ScepEjbcaURL", set_url, MEMBER(url), WHERE,
                  "URL of EJBCA's REST API"),
    AP_INIT_TAKE1("ScepEjbcaCA", set_text, MEMBER(ca), WHERE,
                  "name of the CA in EJBCA"),
    AP_INIT_TAKE1("ScepEjbcaCertificateProfile", set_text,
                  MEMBER(certificate_profile), WHERE,
                  "name of the certificate profile"),
    AP_INIT_TAKE1("ScepEjbcaEndEntityProfile", set_text,
                  MEMBER(end_entity_profile), WHERE,
                  "name of the end entity profile"),
    AP_INIT_TAKE1("ScepEjbcaUsername", set_username, NULL, WHERE,
                  "username of a device: text with %{CN}, %{DNS}, "
                  "%{serialNumber} or %{SHA256}"),
    AP_INIT_TAKE1("ScepEjbcaMode", set_mode, NULL, WHERE,
                  "enroll, or preregistered: the end entity is there and "
                  "its enrolment code is the challenge"),
    AP_INIT_TAKE12("ScepEjbcaClientCertificate", set_certificate, NULL, WHERE,
                   "PEM file of the gateway's certificate; its key"),
    AP_INIT_TAKE1("ScepEjbcaToken", set_text, MEMBER(token), WHERE,
                  "bearer token: file:PATH or exec:PROGRAM"),
    AP_INIT_TAKE_ARGV("ScepEjbcaOAuth", set_oauth, NULL, WHERE,
                      "token URL, client id, file: or exec: with the secret, "
                      "scope"),
    AP_INIT_TAKE1("ScepEjbcaCAFile", set_file, MEMBER(ca_file), WHERE,
                  "PEM file: who may sign the server's certificate"),
    AP_INIT_TAKE1("ScepEjbcaProxy", set_text, MEMBER(proxy), WHERE,
                  "URL of a proxy"),
    AP_INIT_TAKE1("ScepEjbcaTimeout", set_timeout, NULL, WHERE,
                  "how long a call may take"),
    AP_INIT_FLAG("ScepEjbcaAccountBinding", set_binding, NULL, WHERE,
                 "send an account_binding_id to find a request again by"),
    AP_INIT_TAKE1("ScepEjbcaIssuer", set_text, MEMBER(issuer), WHERE,
                  "the CA's subject DN as EJBCA writes it"),
    { NULL, { NULL }, NULL, 0, RAW_ARGS, NULL }
};
