/* renewal_directives.c - directives of the verifier "cert"
 * SPDX-License-Identifier: Apache-2.0
 */
#include "verifier_cert.h"

#include <stdlib.h>

#define TIMEOUT_MAX apr_time_from_sec(60)

static scep_renewal_conf_t *renewal_of(cmd_parms *cmd, void *dirv,
                                       const char **err)
{
    scep_profile_t *profile = mod_scep_conf_section(cmd, dirv, err);

    if (*err)
        return NULL;
    if (!profile->renewal) {
        profile->renewal = apr_pcalloc(cmd->pool, sizeof(*profile->renewal));
        profile->renewal->old_after = SCEP_OLD_AFTER_DEFAULT;
    }
    return profile->renewal;
}

const char *mod_scep_set_renewal_revocation(cmd_parms *cmd, void *dirv,
                                            const char *words)
{
    const char *err;
    scep_renewal_conf_t *renewal = renewal_of(cmd, dirv, &err);

    if (!err && (err = mod_scep_revocation_parse(&renewal->revocation, words,
                                                 cmd->pool)))
        err = mod_scep_conf_error(cmd, "%s", err);
    return err;
}

const char *mod_scep_set_renewal_timeout(cmd_parms *cmd, void *dirv,
                                         const char *time)
{
    const char *err;
    scep_renewal_conf_t *renewal = renewal_of(cmd, dirv, &err);

    if (!err) {
        err = mod_scep_conf_positive_time(cmd, time,
                                          &renewal->revocation.timeout);
    }
    if (!err && renewal->revocation.timeout > TIMEOUT_MAX)
        err = mod_scep_conf_error(cmd, "'%s' is more than a minute", time);
    return err;
}

const char *mod_scep_set_renewal_grace(cmd_parms *cmd, void *dirv,
                                       const char *time)
{
    const char *err;
    scep_renewal_conf_t *renewal = renewal_of(cmd, dirv, &err);

    if (!err &&
        (err = mod_scep_conf_time(&renewal->rule.grace, time, cmd->pool)))
        err = mod_scep_conf_error(cmd, "%s", err);
    return err;
}

const char *mod_scep_set_renewal_window(cmd_parms *cmd, void *dirv,
                                        const char *time)
{
    const char *err;
    scep_renewal_conf_t *renewal = renewal_of(cmd, dirv, &err);
    long percent;
    char *end;

    if (err)
        return err;
    renewal->rule.window = 0;
    renewal->rule.window_percent = 0;
    if (!strcasecmp(time, "off"))
        return NULL;
    percent = strtol(time, &end, 10);
    if (end == time || strcmp(end, "%"))
        return mod_scep_conf_positive_time(cmd, time, &renewal->rule.window);
    if (percent < 1 || percent > 99)
        return mod_scep_conf_error(cmd, "give 1%% to 99%%");
    renewal->rule.window_percent = (int)percent;
    return NULL;
}

const char *mod_scep_set_renewal_names(cmd_parms *cmd, void *dirv,
                                       const char *word)
{
    static const char *const words[] = { [SCEP_RENEWAL_SUBSET] = "subset",
                                         [SCEP_RENEWAL_SAME] = "same",
                                         [SCEP_RENEWAL_ANY] = "any" };
    const char *err;
    scep_renewal_conf_t *renewal = renewal_of(cmd, dirv, &err);

    if (err)
        return err;
    for (unsigned int i = 0; i < sizeof(words) / sizeof(*words); i++) {
        if (!strcasecmp(word, words[i])) {
            renewal->rule.names = i;
            return NULL;
        }
    }
    return mod_scep_conf_unknown(cmd, word, "subset same any");
}

const char *mod_scep_set_renewal_old(cmd_parms *cmd, void *dirv,
                                     const char *what, const char *after,
                                     const char *time)
{
    static const char *const words[] = { [SCEP_OLD_SUPERSEDE] = "supersede",
                                         [SCEP_OLD_KEEP] = "keep",
                                         [SCEP_OLD_REVOKE] = "revoke" };
    const char *err;
    scep_renewal_conf_t *renewal = renewal_of(cmd, dirv, &err);
    unsigned int i = 0;

    if (err)
        return err;
    while (i < sizeof(words) / sizeof(*words) && strcasecmp(what, words[i]))
        i++;
    if (i == sizeof(words) / sizeof(*words))
        return mod_scep_conf_unknown(cmd, what, "keep supersede revoke");
    if (time && (i == SCEP_OLD_KEEP || strcasecmp(after, "after")))
        return mod_scep_conf_error(cmd, "give keep, or supersede or revoke "
                                        "after TIME");
    renewal->old = i;
    renewal->old_set = 1;
    renewal->old_after = SCEP_OLD_AFTER_DEFAULT;
    if (time &&
        (err = mod_scep_conf_time(&renewal->old_after, time, cmd->pool)))
        err = mod_scep_conf_error(cmd, "%s", err);
    return err;
}

const char *mod_scep_set_renewal_unknown(cmd_parms *cmd, void *dirv,
                                         const char *word)
{
    const char *err;
    scep_renewal_conf_t *renewal = renewal_of(cmd, dirv, &err);

    if (err)
        return err;
    renewal->unknown_refused = !strcasecmp(word, "refuse");
    return renewal->unknown_refused || !strcasecmp(word, "allow")
               ? NULL
               : mod_scep_conf_unknown(cmd, word, "allow refuse");
}
