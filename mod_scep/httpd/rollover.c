/* rollover.c - profiles that share an endpoint while a CA is replaced
 * SPDX-License-Identifier: Apache-2.0
 */
#include "rollover.h"

#include <apr_strings.h>

const char *mod_scep_set_rollover(cmd_parms *cmd, void *dirv, const char *name)
{
    const char *err;
    scep_profile_t *profile = mod_scep_conf_section(cmd, dirv, &err);
    scep_profile_ref_t *ref;

    if (err)
        return err;
    if (!strcmp(name, profile->name))
        return mod_scep_conf_error(cmd, "that is this profile itself");
    if (!profile->rollover)
        profile->rollover =
            apr_array_make(cmd->pool, 2, sizeof(scep_profile_ref_t));
    if (profile->rollover->nelts == SCEP_ROLLOVER_MAX)
        return mod_scep_conf_error(cmd, "takes %d names at most",
                                   SCEP_ROLLOVER_MAX);
    ref = apr_array_push(profile->rollover);
    ref->name = name;
    ref->where = cmd->directive;
    return NULL;
}

static int has(const apr_array_header_t *pairs, const X509 *cert)
{
    for (int i = 0; i < pairs->nelts; i++)
        if (X509_cmp(APR_ARRAY_IDX(pairs, i, scep_ra_pair_t).cert, cert) == 0)
            return 1;
    return 0;
}

const char *mod_scep_rollover_check(const scep_conf_t *conf,
                                    scep_profile_t *profile,
                                    const ap_directive_t **where,
                                    apr_pool_t *pconf)
{
    profile->open_ra = profile->ra;
    if (!profile->rollover)
        return NULL;
    profile->open_ra.decrypt = apr_array_copy(pconf, profile->ra.decrypt);
    for (int i = 0; i < profile->rollover->nelts; i++) {
        scep_profile_ref_t *ref =
            &APR_ARRAY_IDX(profile->rollover, i, scep_profile_ref_t);
        const apr_array_header_t *theirs;

        *where = ref->where;
        ref->profile = mod_scep_conf_find_profile(conf, ref->name);
        if (!ref->profile)
            return apr_psprintf(pconf, "there is no <ScepProfile> %s",
                                ref->name);
        theirs = ref->profile->ra.decrypt;
        for (int j = 0; j < theirs->nelts; j++) {
            const scep_ra_pair_t *pair =
                &APR_ARRAY_IDX(theirs, j, scep_ra_pair_t);

            if (has(profile->open_ra.decrypt, pair->cert)) {
                return apr_psprintf(
                    pconf,
                    "an RA certificate of %s is another profile's too: which "
                    "of them an envelope is for could not be told",
                    ref->name);
            }
            APR_ARRAY_PUSH(profile->open_ra.decrypt, scep_ra_pair_t) = *pair;
        }
    }
    return NULL;
}

const scep_profile_t *mod_scep_rollover_find(const scep_profile_t *profile,
                                             const scep_message_t *message)
{
    for (int i = 0; profile->rollover && i < profile->rollover->nelts; i++) {
        const scep_profile_t *other =
            APR_ARRAY_IDX(profile->rollover, i, scep_profile_ref_t).profile;

        if (message->recipient && has(other->ra.decrypt, message->recipient))
            return other;
    }
    return profile;
}
