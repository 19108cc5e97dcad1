/* adcs_conf.c - the directives of the connector to ADCS
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adcs.h"

#include <apr_lib.h>
#include <apr_strings.h>

#include "ces_proto.h"

void *scep_adcs_conf_create(apr_pool_t *p, char *dir)
{
    (void)dir;
    return apr_pcalloc(p, sizeof(scep_adcs_conf_t));
}

/* <ScepCA> is walked into a vector of its own, so nothing is inherited. */
void *scep_adcs_conf_merge(apr_pool_t *p, void *basev, void *addv)
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
                       " belongs inside <ScepCA adcs NAME>", NULL);
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

/* A file, or a key in a token. */
static const char *take_key(cmd_parms *cmd, const char **file,
                            const char **uri, const char *arg)
{
    const char *fault;

    if (strncasecmp(arg, "pkcs11:", 7))
        return take_file(cmd, file, arg);
    *uri = arg;
    fault = scep_http_check_key_uri(arg);
    return fault ? mistake(cmd, "%s", fault) : NULL;
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
    scep_adcs_conf_t *conf = confv;
    const char *err = check_context(cmd);
    const char *fault =
        scep_http_check_url(arg, SCEP_HTTP_LOOPBACK, cmd->temp_pool);
    char *url = apr_pstrdup(cmd->pool, arg);

    if (!err && !fault && strpbrk(arg, "?#"))
        fault = "a query does not belong into it";
    if (!err && !fault && strchr(arg, ' '))
        fault = "write %20 for a blank";
    if (!err && fault)
        err = mistake(cmd, "%s: %s", arg, fault);
    for (size_t len = strlen(url); len && url[len - 1] == '/'; len--)
        url[len - 1] = '\0';
    conf->url = url;
    return err;
}

static const char *set_interface(cmd_parms *cmd, void *confv, const char *arg)
{
    scep_adcs_conf_t *conf = confv;

    conf->interface =
        ap_cstr_casecmp(arg, "certsrv") ? SCEP_ADCS_CES : SCEP_ADCS_CERTSRV;
    if (conf->interface == SCEP_ADCS_CES && ap_cstr_casecmp(arg, "ces"))
        return mistake(cmd, "'%s' is none of ces certsrv", arg);
    return check_context(cmd);
}

/* It stands in XML, and in a line of attributes: Name:Value CR LF. */
static const char *set_template(cmd_parms *cmd, void *confv, const char *arg)
{
    scep_adcs_conf_t *conf = confv;

    if (!*arg || !scep_ces_proto_is_text(arg))
        return mistake(cmd, "'%s' is no name of a template", arg);
    conf->template = arg;
    return check_context(cmd);
}

typedef struct {
    const char *word;
    scep_adcs_auth_t auth;
    const char *arguments;
    int least, most; /* so many */
} way_t;

static const way_t ways[] = {
    { "usernametoken", SCEP_ADCS_AUTH_USERNAMETOKEN, "USER file:PASSWORD", 2,
      2 },
    { "basic", SCEP_ADCS_AUTH_BASIC, "USER file:PASSWORD", 2, 2 },
    { "kerberos", SCEP_ADCS_AUTH_KERBEROS, "PRINCIPAL KEYTABFILE", 2, 2 },
    { "certificate", SCEP_ADCS_AUTH_CERTIFICATE, "FILE [KEYFILE|pkcs11:URI]",
      1, 2 },
    { "ntlm", SCEP_ADCS_AUTH_NTLM, "USER file:PASSWORD", 2, 2 },
};

static const char *take_certificate(cmd_parms *cmd, scep_adcs_conf_t *conf,
                                    const char *file, const char *key)
{
    const char *err = take_file(cmd, &conf->certificate, file);

    if (err || !key)
        return err;
    return take_key(cmd, &conf->key, &conf->key_uri, key);
}

static const char *take_keytab(cmd_parms *cmd, scep_adcs_conf_t *conf,
                               const char *principal, const char *file)
{
    const char *err = take_file(cmd, &conf->keytab, file);
    const char *fault = NULL;

    conf->user = principal;
    if (!err)
        fault = scep_http_check_keytab(conf->keytab, principal, cmd->pool);
    return fault ? mistake(cmd, "%s", fault) : err;
}

static const char *set_auth(cmd_parms *cmd, void *confv, int argc,
                            char *const argv[])
{
    scep_adcs_conf_t *conf = confv;
    const way_t *way = NULL;

    for (size_t i = 0; argc && i < sizeof(ways) / sizeof(*ways); i++)
        if (!ap_cstr_casecmp(argv[0], ways[i].word))
            way = &ways[i];
    if (!way)
        return mistake(cmd,
                       "'%s' is none of usernametoken basic kerberos "
                       "certificate ntlm",
                       argc ? argv[0] : "");
    if (argc - 1 < way->least || argc - 1 > way->most)
        return mistake(cmd, "give %s %s", way->word, way->arguments);
    conf->auth = way->auth;
    if (way->auth == SCEP_ADCS_AUTH_CERTIFICATE)
        return take_certificate(cmd, conf, argv[1], argc > 2 ? argv[2] : NULL);
    if (!*argv[1] || !scep_ces_proto_is_text(argv[1]))
        return mistake(cmd, "'%s' is no name of an account", argv[1]);
    if (way->auth == SCEP_ADCS_AUTH_KERBEROS)
        return take_keytab(cmd, conf, argv[1], argv[2]);
    conf->user = argv[1];
    conf->secret = argv[2];
    return check_context(cmd);
}

static const char *set_ntlm(cmd_parms *cmd, void *confv, int on)
{
    scep_adcs_conf_t *conf = confv;

    conf->allow_ntlm = on;
    return check_context(cmd);
}

static const char *set_signer(cmd_parms *cmd, void *confv, const char *file,
                              const char *key)
{
    scep_adcs_conf_t *conf = confv;
    const char *err = take_file(cmd, &conf->signer, file);

    conf->signer_key = conf->signer;
    if (err || !key)
        return err;
    return take_key(cmd, &conf->signer_key, &conf->signer_key, key);
}

static const char *set_timeout(cmd_parms *cmd, void *confv, const char *arg)
{
    scep_adcs_conf_t *conf = confv;

    if (!apr_isdigit(*arg) ||
        ap_timeout_parameter_parse(arg, &conf->timeout, "s") != APR_SUCCESS ||
        conf->timeout < apr_time_from_sec(1) ||
        conf->timeout > apr_time_from_sec(600))
        return mistake(cmd, "'%s' is no time from 1s to 10min", arg);
    return check_context(cmd);
}

static const char *set_names(cmd_parms *cmd, void *confv, const char *arg)
{
    scep_adcs_conf_t *conf = confv;

    conf->microsoft_names = !ap_cstr_casecmp(arg, "allow");
    if (!conf->microsoft_names && ap_cstr_casecmp(arg, "refuse"))
        return mistake(cmd, "'%s' is none of refuse allow", arg);
    return check_context(cmd);
}

#define WHERE (RSRC_CONF | ACCESS_CONF)
#define MEMBER(name) ((void *)APR_OFFSETOF(scep_adcs_conf_t, name))

const command_rec scep_adcs_commands[] = {
    AP_INIT_TAKE1("ScepAdcsURL", set_url, NULL, WHERE,
                  "URL of the enrolment web service, or of /certsrv"),
    AP_INIT_TAKE1("ScepAdcsInterface", set_interface, NULL, WHERE,
                  "ces, the enrolment web service, or certsrv, web "
                  "enrolment"),
    AP_INIT_TAKE1("ScepAdcsTemplate", set_template, NULL, WHERE,
                  "name of the certificate template"),
    AP_INIT_TAKE_ARGV("ScepAdcsAuth", set_auth, NULL, WHERE,
                      "usernametoken, basic, kerberos, certificate or ntlm, "
                      "and who the gateway is"),
    AP_INIT_FLAG("ScepAdcsAllowNTLM", set_ntlm, NULL, WHERE,
                 "let ScepAdcsAuth say ntlm"),
    AP_INIT_TAKE12("ScepAdcsSigner", set_signer, NULL, WHERE,
                   "PEM file of the enrolment agent's certificate; its key"),
    AP_INIT_TAKE1("ScepAdcsCAFile", set_file, MEMBER(ca_file), WHERE,
                  "PEM file: who may sign the server's certificate"),
    AP_INIT_TAKE1("ScepAdcsProxy", set_text, MEMBER(proxy), WHERE,
                  "URL of a proxy"),
    AP_INIT_TAKE1("ScepAdcsTimeout", set_timeout, NULL, WHERE,
                  "how long a call may take"),
    AP_INIT_TAKE1("ScepAdcsMicrosoftNames", set_names, NULL, WHERE,
                  "refuse or allow names that mean an account of Active "
                  "Directory"),
    { NULL, { NULL }, NULL, 0, RAW_ARGS, NULL }
};
