/* conf.c - create and merge the configuration, find things in it
 * SPDX-License-Identifier: Apache-2.0
 */
#include "conf.h"

#include <apr_strings.h>

#include "callers.h"
#include "ndes.h"
#include "refusals.h"

void *mod_scep_conf_create_dir(apr_pool_t *p, char *path)
{
    scep_dir_conf_t *dir = apr_pcalloc(p, sizeof(*dir));

    (void)path;
    dir->max_message_size = -1;
    return dir;
}

void *mod_scep_conf_merge_dir(apr_pool_t *p, void *basev, void *addv)
{
    const scep_dir_conf_t *base = basev, *add = addv;
    scep_dir_conf_t *dir = apr_pmemdup(p, add, sizeof(*dir));

    if (!add->profile)
        dir->profile = base->profile;
    if (add->max_message_size < 0)
        dir->max_message_size = base->max_message_size;
    dir->callers = mod_scep_callers_merge(p, base->callers, add->callers);
    if (!add->lockout)
        dir->lockout = base->lockout;
    dir->ndes = mod_scep_ndes_merge(p, base->ndes, add->ndes);
    if (!add->jamf)
        dir->jamf = base->jamf;
    /* A Require guards the handler that stands beside it or above it, never
     * one that a more specific container sets without a Require. */
    if (!add->handler) {
        dir->handler = base->handler;
        dir->base = base->base;
        dir->guarded = base->guarded || add->guarded;
    }
    return dir;
}

void *mod_scep_conf_create_server(apr_pool_t *p, server_rec *s)
{
    scep_conf_t *conf = apr_pcalloc(p, sizeof(*conf));

    (void)s;
    conf->state_dir = "scep";
    conf->audit_seal = apr_time_from_sec(10);
    conf->audit_refusals = SCEP_REFUSALS_NUMBER;
    conf->audit_refusals_time = SCEP_REFUSALS_TIME;
    conf->cas = apr_array_make(p, 2, sizeof(scep_ca_t *));
    conf->profiles = apr_array_make(p, 4, sizeof(scep_profile_t *));
    conf->refs = apr_array_make(p, 4, sizeof(scep_profile_ref_t *));
    conf->allowed_refs = apr_array_make(p, 4, sizeof(scep_profile_ref_t *));
    conf->endpoints = apr_array_make(p, 4, sizeof(scep_endpoint_t));
    return conf;
}

void *mod_scep_conf_merge_server(apr_pool_t *p, void *basev, void *addv)
{
    scep_conf_t *base = basev;
    const scep_conf_t *add = addv;

    (void)p;
    /* Named things are global; what a virtual host has are mentions. */
    apr_array_cat(base->refs, add->refs);
    apr_array_cat(base->allowed_refs, add->allowed_refs);
    apr_array_cat(base->endpoints, add->endpoints);
    return base;
}

int mod_scep_conf_is_handler(const char *name)
{
    static const char *const names[] = { "scep", "scep-admin", "scep-ndes",
                                         "scep-jamf" };

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (!strcmp(name, names[i]))
            return 1;
    return 0;
}

scep_conf_t *mod_scep_conf_get(const server_rec *s)
{
    return ap_get_module_config(s->module_config, &scep_module);
}

scep_profile_t *mod_scep_conf_find_profile(const scep_conf_t *conf,
                                           const char *name)
{
    for (int i = 0; i < conf->profiles->nelts; i++) {
        scep_profile_t *profile =
            APR_ARRAY_IDX(conf->profiles, i, scep_profile_t *);
        if (!strcmp(profile->name, name))
            return profile;
    }
    return NULL;
}

scep_ca_t *mod_scep_conf_find_ca(const scep_conf_t *conf, const char *name)
{
    for (int i = 0; i < conf->cas->nelts; i++) {
        scep_ca_t *ca = APR_ARRAY_IDX(conf->cas, i, scep_ca_t *);
        if (!strcmp(ca->name, name))
            return ca;
    }
    return NULL;
}

const scep_profile_t *mod_scep_conf_profile(const request_rec *r)
{
    const scep_conf_t *conf = mod_scep_conf_get(r->server);
    const scep_dir_conf_t *dir =
        ap_get_module_config(r->per_dir_config, &scep_module);

    if (dir->profile)
        return dir->profile->profile;
    if (conf->profiles->nelts == 1)
        return APR_ARRAY_IDX(conf->profiles, 0, scep_profile_t *);
    return NULL;
}

const char *mod_scep_conf_error(cmd_parms *cmd, const char *fmt, ...)
{
    const char *text;
    va_list args;

    va_start(args, fmt);
    text = apr_pvsprintf(cmd->pool, fmt, args);
    va_end(args);
    return apr_pstrcat(cmd->pool, cmd->cmd->name,
                       *cmd->cmd->name == '<' ? ">: " : ": ", text, NULL);
}

scep_profile_t *mod_scep_conf_section(cmd_parms *cmd, void *dirv,
                                      const char **err)
{
    scep_dir_conf_t *dir = dirv;

    *err = dir && dir->profile_section
               ? NULL
               : mod_scep_conf_error(cmd, "belongs into <ScepProfile>");
    return *err ? NULL : dir->profile_section;
}

const char *mod_scep_conf_unknown(cmd_parms *cmd, const char *word,
                                  const char *known)
{
    return mod_scep_conf_error(cmd, "'%s' is none of %s", word, known);
}

const char *mod_scep_conf_set(cmd_parms *cmd, const char *words,
                              unsigned int (*find)(const char *word),
                              unsigned int allowed, const char *known,
                              unsigned int *set)
{
    unsigned int bits = 0;

    while (*words) {
        const char *word = ap_getword_conf(cmd->pool, &words);
        unsigned int bit = find(word) & allowed;
        if (!bit)
            return mod_scep_conf_unknown(cmd, word, known);
        bits |= bit;
    }
    if (!bits)
        return mod_scep_conf_error(cmd, "needs at least one of %s", known);
    *set = bits;
    return NULL;
}

const char *mod_scep_conf_context(cmd_parms *cmd, const void *dirv,
                                  int in_location)
{
    const scep_dir_conf_t *dir = dirv;

    if (dir && (dir->profile_section || dir->ca_section))
        return mod_scep_conf_error(cmd, "does not belong into %s",
                                   dir->ca_section ? "<ScepCA>"
                                                   : "<ScepProfile>");
    return ap_check_cmd_context(cmd,
                                in_location ? NOT_IN_HTACCESS : GLOBAL_ONLY);
}

const char *mod_scep_conf_time(apr_interval_time_t *value, const char *text,
                               apr_pool_t *p)
{
    static const struct {
        const char *unit;
        apr_interval_time_t length;
    } units[] = {
        { "", APR_USEC_PER_SEC },         { "ms", 1000 },
        { "s", APR_USEC_PER_SEC },        { "min", 60 * APR_USEC_PER_SEC },
        { "h", 3600 * APR_USEC_PER_SEC }, { "d", 86400 * APR_USEC_PER_SEC },
    };
    size_t digits = strspn(text, "0123456789");

    /* ap_timeout_parameter_parse knows no days and takes "1h30" for 1h */
    for (size_t i = 0;
         digits > 0 && digits < 9 && i < sizeof(units) / sizeof(*units); i++)
        if (!strcasecmp(text + digits, units[i].unit)) {
            *value = apr_atoi64(text) * units[i].length;
            return NULL;
        }
    return apr_psprintf(p,
                        "'%s' is no time: give a number with the unit ms, s, "
                        "min, h or d",
                        text);
}

const char *mod_scep_conf_positive_time(cmd_parms *cmd, const char *text,
                                        apr_interval_time_t *value)
{
    apr_interval_time_t parsed = 0;
    const char *err = mod_scep_conf_time(&parsed, text, cmd->pool);

    if (!err && parsed < apr_time_from_sec(1))
        err = "one second is the least";
    if (err)
        return mod_scep_conf_error(cmd, "%s", err);
    *value = parsed;
    return NULL;
}
