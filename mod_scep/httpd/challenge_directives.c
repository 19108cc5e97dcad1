/* challenge_directives.c - who may enrol: verifiers, what challenges must be
 * SPDX-License-Identifier: Apache-2.0
 */
#include "profile_directives.h"

#include <ap_provider.h>

const char *mod_scep_set_verify(cmd_parms *cmd, void *dirv, const char *words)
{
    const char *err;
    scep_profile_t *profile = mod_scep_conf_section(cmd, dirv, &err);

    if (err)
        return err;
    if (!*words)
        return mod_scep_conf_error(cmd, "needs the name of a verifier");
    profile->verifiers = apr_array_make(cmd->pool, 2, sizeof(scep_verifier_t));
    while (*words) {
        const char *name = ap_getword_conf(cmd->pool, &words);
        scep_verifier_t *verifier;

        for (int i = 0; i < profile->verifiers->nelts; i++)
            if (!strcmp(
                    APR_ARRAY_IDX(profile->verifiers, i, scep_verifier_t).name,
                    name))
                return mod_scep_conf_error(cmd, "names '%s' twice", name);
        verifier = apr_array_push(profile->verifiers);
        verifier->name = name;
        verifier->where = cmd->directive;
        verifier->provider = ap_lookup_provider(SCEP_VERIFIER_PROVIDER_GROUP,
                                                name, SCEP_PROVIDER_VERSION);
        if (!verifier->provider)
            return mod_scep_conf_error(cmd, "unknown verifier '%s'", name);
    }
    return NULL;
}

const char *mod_scep_set_challenge_ttl(cmd_parms *cmd, void *dirv,
                                       const char *time)
{
    const char *err;
    scep_profile_t *profile = mod_scep_conf_section(cmd, dirv, &err);

    return err ? err
               : mod_scep_conf_positive_time(cmd, time,
                                             &profile->challenge_ttl);
}

const char *mod_scep_set_challenge_max_ttl(cmd_parms *cmd, void *dirv,
                                           const char *time)
{
    const char *err;
    scep_profile_t *profile = mod_scep_conf_section(cmd, dirv, &err);

    return err ? err
               : mod_scep_conf_positive_time(cmd, time,
                                             &profile->challenge_max_ttl);
}

static unsigned int require_by_name(const char *word)
{
    static const char *const words[] = { "subject", "sans", "device",
                                         "network" };

    for (unsigned int i = 0; i < sizeof(words) / sizeof(*words); i++)
        if (!strcasecmp(word, words[i]))
            return 1u << i;
    return 0;
}

const char *mod_scep_set_challenge_require(cmd_parms *cmd, void *dirv,
                                           const char *words)
{
    const char *err;
    scep_profile_t *profile = mod_scep_conf_section(cmd, dirv, &err);

    if (err)
        return err;
    if (!strcasecmp(words, "none")) {
        profile->challenge_require = 0;
        return NULL;
    }
    return mod_scep_conf_set(cmd, words, require_by_name, ~0u,
                             "subject sans device network, or none",
                             &profile->challenge_require);
}

const char *mod_scep_set_device_id_from(cmd_parms *cmd, void *dirv,
                                        const char *words)
{
    const char *err;
    scep_profile_t *profile = mod_scep_conf_section(cmd, dirv, &err);

    return err ? err
               : mod_scep_conf_set(cmd, words, scep_device_source, ~0u,
                                   SCEP_DEVICE_WORDS,
                                   &profile->enrol.device_from);
}
