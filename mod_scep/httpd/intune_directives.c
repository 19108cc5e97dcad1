/* intune_directives.c - directives of the verifier "intune"
 * SPDX-License-Identifier: Apache-2.0
 */
#include "intune_directives.h"

#include <apr_lib.h>

#include "../../ca-connectors/http/http_client.h"
#include "intune_service.h"
#include "keys.h"
#include "secret.h"

#define TIMEOUT_DEFAULT apr_time_from_sec(10)

static scep_intune_conf_t *intune_of(cmd_parms *cmd, void *dirv,
                                     const char **err)
{
    scep_profile_t *profile = mod_scep_conf_section(cmd, dirv, err);

    if (*err)
        return NULL;
    if (!profile->intune) {
        profile->intune = apr_pcalloc(cmd->pool, sizeof(*profile->intune));
        profile->intune->timeout = TIMEOUT_DEFAULT;
    }
    return profile->intune;
}

/* Both go into URLs and forms, and neither needs more. */
static int is_id(const char *text)
{
    size_t len = strlen(text);

    for (const char *c = text; *c; c++)
        if (!apr_isalnum(*c) && *c != '.' && *c != '-')
            return 0;
    return len > 0 && len <= 253 && apr_isalnum(*text);
}

const char *mod_scep_set_intune_tenant(cmd_parms *cmd, void *dirv,
                                       const char *tenant)
{
    const char *err;
    scep_intune_conf_t *conf = intune_of(cmd, dirv, &err);

    if (err)
        return err;
    if (!is_id(tenant)) {
        return mod_scep_conf_error(cmd,
                                   "'%s' is no tenant: give its id, or "
                                   "its domain such as "
                                   "example.onmicrosoft.com",
                                   tenant);
    }
    conf->tenant = tenant;
    return NULL;
}

const char *mod_scep_set_intune_client(cmd_parms *cmd, void *dirv,
                                       const char *id, const char *location)
{
    const char *err;
    scep_intune_conf_t *conf = intune_of(cmd, dirv, &err);

    if (err)
        return err;
    if (!is_id(id))
        return mod_scep_conf_error(cmd, "'%s' is no id of an application", id);
    if ((err = mod_scep_secret_read(cmd, location, &conf->secret)))
        return mod_scep_conf_error(cmd, "%s", err);
    conf->client = id;
    return NULL;
}

static const char *set_url(cmd_parms *cmd, const char **member,
                           const char *url)
{
    const char *err = scep_http_check_url(url, 0, cmd->pool);

    if (!err && strpbrk(url, "?#"))
        err = "it must have no query";
    if (err)
        return mod_scep_conf_error(cmd, "%s: %s", url, err);
    *member = url;
    return NULL;
}

const char *mod_scep_set_intune_login(cmd_parms *cmd, void *dirv,
                                      const char *url)
{
    const char *err;
    scep_intune_conf_t *conf = intune_of(cmd, dirv, &err);

    return err ? err : set_url(cmd, &conf->login, url);
}

const char *mod_scep_set_intune_graph(cmd_parms *cmd, void *dirv,
                                      const char *url)
{
    const char *err;
    scep_intune_conf_t *conf = intune_of(cmd, dirv, &err);

    return err ? err : set_url(cmd, &conf->graph, url);
}

const char *mod_scep_set_intune_ca_file(cmd_parms *cmd, void *dirv,
                                        const char *file)
{
    const char *err, *text;
    scep_intune_conf_t *conf = intune_of(cmd, dirv, &err);
    STACK_OF(X509) *certs;
    apr_size_t len;

    if (err)
        return err;
    if ((err = mod_scep_keys_read_file(&file, &text, &len, cmd->pool)))
        return mod_scep_conf_error(cmd, "%s", err);
    if (scep_cert_read_pem(&certs, text, len, &err, cmd->pool) != APR_SUCCESS)
        return mod_scep_conf_error(cmd, "%s: %s", file, err);
    conf->ca_file = file;
    return NULL;
}

const char *mod_scep_set_intune_proxy(cmd_parms *cmd, void *dirv,
                                      const char *url)
{
    const char *err;
    scep_intune_conf_t *conf = intune_of(cmd, dirv, &err);

    if (err)
        return err;
    if (!strcasecmp(url, "none")) {
        conf->proxy = NULL;
        return NULL;
    }
    if ((err = scep_http_check_url(url, SCEP_HTTP_ANY, cmd->pool)))
        return mod_scep_conf_error(cmd, "%s: %s", url, err);
    conf->proxy = url;
    return NULL;
}

const char *mod_scep_set_intune_timeout(cmd_parms *cmd, void *dirv,
                                        const char *time)
{
    const char *err;
    scep_intune_conf_t *conf = intune_of(cmd, dirv, &err);

    return err ? err : mod_scep_conf_positive_time(cmd, time, &conf->timeout);
}
