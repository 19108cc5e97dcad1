/* section.c - the containers <ScepCA> and <ScepProfile>
 * SPDX-License-Identifier: Apache-2.0
 *
 * Both walk their content into a per-directory vector of its own, as
 * httpd's <AuthnProviderAlias> does, so that a connector's directives are
 * ordinary directives of the connector's module.
 */
#include "conf.h"

#include <apr_strings.h>
#include <ap_provider.h>

#include "providers.h"

/* What stands between the name of the container and its '>'. */
static const char *section_words(cmd_parms *cmd, const void *dirv,
                                 const char *arg, const char **words)
{
    const char *end = strrchr(arg, '>');
    const char *err = mod_scep_conf_context(cmd, dirv, 0);

    if (err)
        return err;
    if (!end)
        return mod_scep_conf_error(cmd, "the closing '>' is missing");
    *words = apr_pstrmemdup(cmd->pool, arg, end - arg);
    return NULL;
}

static const char *name_check(cmd_parms *cmd, const char *name)
{
    if (!*name)
        return mod_scep_conf_error(cmd, "needs a name");
    if (strlen(name) > 64 ||
        strspn(name,
               "abcdefghijklmnopqrstuvwxyz"
               "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != strlen(name)) {
        return mod_scep_conf_error(
            cmd,
            "'%s' is no name: use up to 64 letters, digits, "
            "'.', '_' and '-'",
            name);
    }
    return NULL;
}

static const char *taken(cmd_parms *cmd, const char *name,
                         const ap_directive_t *where)
{
    return mod_scep_conf_error(cmd, "%s is there already, on line %d of %s",
                               name, where->line_num, where->filename);
}

static ap_conf_vector_t *section_vector(cmd_parms *cmd, scep_dir_conf_t **dir)
{
    ap_conf_vector_t *vector = ap_create_per_dir_config(cmd->pool);

    *dir = ap_get_module_config(vector, &scep_module);
    if (!*dir) {
        *dir = mod_scep_conf_create_dir(cmd->pool, NULL);
        ap_set_module_config(vector, &scep_module, *dir);
    }
    return vector;
}

const char *mod_scep_section_ca(cmd_parms *cmd, void *dirv, const char *arg)
{
    scep_conf_t *conf = mod_scep_conf_get(cmd->server);
    const ap_directive_t *where = cmd->directive;
    const char *words, *err, *connector, *name;
    scep_dir_conf_t *dir;
    scep_ca_t *ca;

    if ((err = section_words(cmd, dirv, arg, &words)))
        return err;
    connector = ap_getword_conf(cmd->pool, &words);
    name = ap_getword_conf(cmd->pool, &words);
    if (*words)
        return mod_scep_conf_error(cmd, "takes a connector and a name");
    if ((err = name_check(cmd, name)))
        return err;
    if ((ca = mod_scep_conf_find_ca(conf, name)))
        return taken(cmd, name, ca->where);
    ca = apr_pcalloc(cmd->pool, sizeof(*ca));
    ca->name = name;
    ca->connector = connector;
    ca->where = where;
    ca->patience = apr_time_from_msec(900);
    ca->provider = ap_lookup_provider(SCEP_CA_PROVIDER_GROUP, connector,
                                      SCEP_PROVIDER_VERSION);
    if (!ca->provider) {
        return mod_scep_conf_error(
            cmd, "unknown connector '%s'; load mod_scep_ca_%s", connector,
            connector);
    }
    ca->conf = section_vector(cmd, &dir);
    dir->ca_section = ca;
    APR_ARRAY_PUSH(conf->cas, scep_ca_t *) = ca;
    return ap_walk_config(cmd->directive->first_child, cmd, ca->conf);
}

/* Everything that a directive may leave out. */
static scep_profile_t *profile_create(apr_pool_t *p, const char *name,
                                      const ap_directive_t *where)
{
    static const scep_key_rule_t keys = SCEP_KEY_RULE_DEFAULT;
    scep_profile_t *profile = apr_pcalloc(p, sizeof(*profile));

    profile->name = name;
    profile->where = where;
    profile->ra_entries = apr_array_make(p, 2, sizeof(scep_ra_entry_t));
    profile->ra_keys = apr_array_make(p, 2, sizeof(const char *));
    profile->publish = SCEP_PUBLISH_RA_CA_ROOT;
    profile->rule.digests = SCEP_DIGESTS_DEFAULT;
    profile->rule.ciphers = SCEP_CIPHERS_DEFAULT;
    profile->enrol.name = name;
    profile->enrol.policy.keys = keys;
    profile->enrol.policy.sans = SCEP_SANS_DEFAULT;
    profile->enrol.policy.exponent = SCEP_EXPONENT_DEFAULT;
    profile->enrol.validity = apr_time_from_sec(365 * 86400);
    profile->enrol.key_usage = KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT;
    profile->extensions = apr_array_make(p, 2, sizeof(ASN1_OBJECT *));
    profile->enrol.policy.extensions = profile->extensions;
    profile->ext_key_usage = apr_array_make(p, 2, sizeof(ASN1_OBJECT *));
    APR_ARRAY_PUSH(profile->ext_key_usage, ASN1_OBJECT *) =
        OBJ_nid2obj(NID_client_auth);
    profile->enrol.ext_key_usage = profile->ext_key_usage;
    profile->enrol.device_from = SCEP_DEVICE_DEFAULT;
    profile->challenge_ttl = apr_time_from_sec(3600);
    profile->challenge_max_ttl = apr_time_from_sec(7 * 86400);
    profile->pending_life = apr_time_from_sec(14 * 86400);
    profile->enrol.approval_life = apr_time_from_sec(7 * 86400);
    return profile;
}

const char *mod_scep_section_profile(cmd_parms *cmd, void *dirv,
                                     const char *arg)
{
    scep_conf_t *conf = mod_scep_conf_get(cmd->server);
    const ap_directive_t *where = cmd->directive;
    const char *words, *err, *name;
    ap_conf_vector_t *vector;
    scep_dir_conf_t *dir;
    scep_profile_t *profile;

    if ((err = section_words(cmd, dirv, arg, &words)))
        return err;
    name = ap_getword_conf(cmd->pool, &words);
    if (*words)
        return mod_scep_conf_error(cmd, "takes one name");
    if ((err = name_check(cmd, name)))
        return err;
    if ((profile = mod_scep_conf_find_profile(conf, name)))
        return taken(cmd, name, profile->where);
    profile = profile_create(cmd->pool, name, where);
    vector = section_vector(cmd, &dir);
    profile->conf = vector;
    dir->profile_section = profile;
    APR_ARRAY_PUSH(conf->profiles, scep_profile_t *) = profile;
    return ap_walk_config(cmd->directive->first_child, cmd, vector);
}
