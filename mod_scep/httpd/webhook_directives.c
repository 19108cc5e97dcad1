/* webhook_directives.c - directives of the verifier "webhook"
 * SPDX-License-Identifier: Apache-2.0
 */
#include "verifier_webhook.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <openssl/err.h>

#include "keys.h"
#include "secret.h"

#define TIMEOUT_DEFAULT apr_time_from_sec(10)
#define CONNECT_TIMEOUT apr_time_from_sec(5)

static scep_webhook_conf_t *webhook_of(cmd_parms *cmd, void *dirv,
                                       const char **err)
{
    scep_profile_t *profile = mod_scep_conf_section(cmd, dirv, err);

    if (*err)
        return NULL;
    if (!profile->webhook) {
        profile->webhook = apr_pcalloc(cmd->pool, sizeof(*profile->webhook));
        profile->webhook->http.timeout = TIMEOUT_DEFAULT;
        profile->webhook->http.connect_timeout = CONNECT_TIMEOUT;
        profile->webhook->http.max_response = SCEP_WEBHOOK_ANSWER_MAX;
        profile->webhook->http.allow_http = SCEP_HTTP_LOOPBACK;
    }
    return profile->webhook;
}

static const char *set_url(cmd_parms *cmd, const char **member,
                           const char *url)
{
    const char *err = scep_http_check_url(url, SCEP_HTTP_LOOPBACK, cmd->pool);

    if (err)
        return mod_scep_conf_error(cmd, "%s: %s", url, err);
    *member = url;
    return NULL;
}

const char *mod_scep_set_webhook(cmd_parms *cmd, void *dirv, const char *url)
{
    const char *err;
    scep_webhook_conf_t *conf = webhook_of(cmd, dirv, &err);

    return err ? err : set_url(cmd, &conf->url, url);
}

const char *mod_scep_set_webhook_notify(cmd_parms *cmd, void *dirv,
                                        const char *url)
{
    const char *err;
    scep_webhook_conf_t *conf = webhook_of(cmd, dirv, &err);

    return err ? err : set_url(cmd, &conf->notify_url, url);
}

/* What goes into a field of the header as one word. */
static int is_word(const char *text)
{
    for (const char *c = text; *c; c++)
        if (!apr_isgraph(*c))
            return 0;
    return *text && strlen(text) <= 128;
}

const char *mod_scep_set_webhook_secret(cmd_parms *cmd, void *dirv,
                                        const char *id, const char *location)
{
    const char *err, *text;
    scep_webhook_conf_t *conf = webhook_of(cmd, dirv, &err);

    if (err)
        return err;
    if (!is_word(id)) {
        return mod_scep_conf_error(cmd,
                                   "'%s' is no id: use up to 128 "
                                   "printable characters of ASCII",
                                   id);
    }
    if ((err = mod_scep_secret_read(cmd, location, &text)))
        return mod_scep_conf_error(cmd, "%s", err);
    if (*text && (err = scep_webhook_key(&conf->key, text, cmd->pool))) {
        return mod_scep_conf_error(cmd,
                                   "the key of %s: %s; make one with "
                                   "openssl rand -base64 32",
                                   location, err);
    }
    conf->id = id;
    return NULL;
}

const char *mod_scep_set_webhook_auth(cmd_parms *cmd, void *dirv,
                                      const char *how, const char *first,
                                      const char *second)
{
    const char *err;
    scep_webhook_conf_t *conf = webhook_of(cmd, dirv, &err);
    int basic = !strcasecmp(how, "basic");

    if (err)
        return err;
    if (!basic && strcasecmp(how, "bearer"))
        return mod_scep_conf_unknown(cmd, how, "basic bearer");
    if (basic != (second != NULL)) {
        return mod_scep_conf_error(cmd, "give basic USER file:PATH or bearer "
                                        "file:PATH");
    }
    if (basic && (!is_word(first) || strchr(first, ':')))
        return mod_scep_conf_error(cmd, "'%s' is no user's name", first);
    err =
        mod_scep_secret_read(cmd, basic ? second : first, &conf->http.secret);
    if (err)
        return mod_scep_conf_error(cmd, "%s", err);
    conf->http.auth = basic ? SCEP_HTTP_AUTH_BASIC : SCEP_HTTP_AUTH_BEARER;
    conf->http.user = basic ? first : NULL;
    return NULL;
}

const char *mod_scep_set_webhook_timeout(cmd_parms *cmd, void *dirv,
                                         const char *time)
{
    const char *err;
    scep_webhook_conf_t *conf = webhook_of(cmd, dirv, &err);

    if (!err)
        err = mod_scep_conf_positive_time(cmd, time, &conf->http.timeout);
    if (!err && conf->http.timeout > SCEP_WEBHOOK_TIMEOUT_MAX)
        err = mod_scep_conf_error(cmd, "'%s' is more than a minute", time);
    return err;
}

/* Reads the certificates of a PEM file, which becomes an absolute path. */
static const char *read_certs(cmd_parms *cmd, const char **file,
                              STACK_OF(X509) **certs)
{
    const char *err, *text;
    apr_size_t len;

    *certs = NULL;
    if ((err = mod_scep_keys_read_file(file, &text, &len, cmd->pool)))
        return mod_scep_conf_error(cmd, "%s", err);
    if (scep_cert_read_pem(certs, text, len, &err, cmd->pool) != APR_SUCCESS)
        return mod_scep_conf_error(cmd, "%s: %s", *file, err);
    return NULL;
}

const char *mod_scep_set_webhook_ca_file(cmd_parms *cmd, void *dirv,
                                         const char *file)
{
    const char *err;
    scep_webhook_conf_t *conf = webhook_of(cmd, dirv, &err);
    STACK_OF(X509) *certs;

    if (!err && !(err = read_certs(cmd, &file, &certs)))
        conf->http.ca_file = file;
    return err;
}

/* libcurl gets the file, so it must be one that needs no pass phrase. */
static const char *check_key(cmd_parms *cmd, const char **file, X509 *cert)
{
    const char *err, *text;
    apr_size_t len;
    EVP_PKEY *key;

    if ((err = mod_scep_keys_read_file(file, &text, &len, cmd->temp_pool)))
        return mod_scep_conf_error(cmd, "%s", err);
    if (strstr(text, "ENCRYPTED")) {
        return mod_scep_conf_error(cmd,
                                   "%s is encrypted, which is not "
                                   "supported here",
                                   *file);
    }
    err = mod_scep_keys_load(cmd->server, *file, &key, cmd->temp_pool);
    if (err)
        return mod_scep_conf_error(cmd, "%s", err);
    if (X509_check_private_key(cert, key) == 1)
        return NULL;
    ERR_clear_error();
    return mod_scep_conf_error(cmd, "the key in %s is another certificate's",
                               *file);
}

const char *mod_scep_set_webhook_certificate(cmd_parms *cmd, void *dirv,
                                             const char *file, const char *key)
{
    const char *err;
    scep_webhook_conf_t *conf = webhook_of(cmd, dirv, &err);
    STACK_OF(X509) *certs;

    if (!key)
        key = file;
    if (err || (err = read_certs(cmd, &file, &certs)) ||
        (err = check_key(cmd, &key, sk_X509_value(certs, 0))))
        return err;
    conf->http.certificate = file;
    conf->http.key = key;
    return NULL;
}
