/* callers.c - which challenges a caller may have, and how many
 * SPDX-License-Identifier: Apache-2.0
 */
#include "callers.h"

#include <apr_lib.h>
#include <apr_strings.h>

#include "core/name_match.h"

#define QUOTA_MAX 1000000000

/* One ScepChallengeAllow. */
typedef struct allow_t {
    const char *caller;
    apr_array_header_t *profiles; /**< const char *; empty: every one */
    apr_array_header_t *subjects; /**< const scep_name_pattern_t *; empty:
                                       bound to any or to none */
} allow_t;

/* One ScepChallengeQuota. */
typedef struct quota_t {
    const char *caller;
    apr_uint64_t number;
} quota_t;

struct scep_caller_conf_t {
    apr_array_header_t *allows; /**< allow_t; NULL: not configured */
    apr_array_header_t *quotas; /**< quota_t; NULL: not configured */
};

scep_caller_conf_t *mod_scep_callers_merge(apr_pool_t *p,
                                           scep_caller_conf_t *base,
                                           scep_caller_conf_t *add)
{
    scep_caller_conf_t *merged;

    if (!base || !add)
        return add ? add : base;
    merged = apr_pmemdup(p, add, sizeof(*merged));
    if (!add->allows)
        merged->allows = base->allows;
    if (!add->quotas)
        merged->quotas = base->quotas;
    return merged;
}

static const scep_caller_conf_t *conf_of(const request_rec *r)
{
    static const scep_caller_conf_t none = { NULL, NULL };
    const scep_dir_conf_t *dir =
        ap_get_module_config(r->per_dir_config, &scep_module);

    return dir->callers ? dir->callers : &none;
}

static int is_anybody(const char *caller)
{
    return !strcmp(caller, "*");
}

static int is_for(const char *caller, const request_rec *r)
{
    return is_anybody(caller) || (r->user && !strcmp(caller, r->user));
}

static int has_profile(const allow_t *allow, const char *profile)
{
    for (int i = 0; profile && i < allow->profiles->nelts; i++)
        if (!strcmp(APR_ARRAY_IDX(allow->profiles, i, const char *), profile))
            return 1;
    return allow->profiles->nelts == 0;
}

static int has_subject(const allow_t *allow, const X509_NAME *subject,
                       apr_pool_t *p)
{
    for (int i = 0; subject && i < allow->subjects->nelts; i++)
        if (scep_name_match(APR_ARRAY_IDX(allow->subjects, i,
                                          const scep_name_pattern_t *),
                            subject, p))
            return 1;
    return allow->subjects->nelts == 0;
}

const char *mod_scep_callers_refuse(request_rec *r,
                                    const scep_profile_t *profile,
                                    const X509_NAME *subject)
{
    const apr_array_header_t *allows = conf_of(r)->allows;
    int has_line = 0;

    for (int i = 0; allows && i < allows->nelts; i++) {
        const allow_t *allow = &APR_ARRAY_IDX(allows, i, allow_t);

        if (is_for(allow->caller, r) && has_profile(allow, profile->name)) {
            if (has_subject(allow, subject, r->pool))
                return NULL;
            has_line = 1;
        }
    }
    if (!allows)
        return NULL;
    if (!has_line) {
        return apr_psprintf(r->pool,
                            "You may not have challenges of profile %s.",
                            profile->name);
    }
    return subject ? apr_psprintf(r->pool,
                                  "You may not have challenges of profile %s "
                                  "for this subject.",
                                  profile->name)
                   : apr_psprintf(r->pool,
                                  "You may have challenges of profile %s for "
                                  "some subjects alone: give \"subject\".",
                                  profile->name);
}

int mod_scep_callers_sees(const request_rec *r, const char *self,
                          const scep_challenge_info_t *info)
{
    const apr_array_header_t *allows = conf_of(r)->allows;

    for (int i = 0; allows && i < allows->nelts; i++) {
        const allow_t *allow = &APR_ARRAY_IDX(allows, i, allow_t);

        if (is_for(allow->caller, r) && has_profile(allow, info->profile) &&
            (allow->subjects->nelts == 0 ||
             (self && !strcmp(info->requester, self))))
            return 1;
    }
    return allows == NULL;
}

int mod_scep_callers_has_profile(const request_rec *r, const char *profile)
{
    const apr_array_header_t *allows = conf_of(r)->allows;

    for (int i = 0; allows && i < allows->nelts; i++) {
        const allow_t *allow = &APR_ARRAY_IDX(allows, i, allow_t);

        if (is_for(allow->caller, r) && has_profile(allow, profile) &&
            allow->subjects->nelts == 0)
            return 1;
    }
    return allows == NULL;
}

int mod_scep_callers_sees_all(const request_rec *r)
{
    return mod_scep_callers_has_profile(r, NULL);
}

apr_array_header_t *mod_scep_callers_profiles(const request_rec *r)
{
    const apr_array_header_t *allows = conf_of(r)->allows;
    apr_array_header_t *names = apr_array_make(r->pool, 4, sizeof(char *));

    for (int i = 0; allows && i < allows->nelts; i++) {
        const allow_t *allow = &APR_ARRAY_IDX(allows, i, allow_t);

        if (!is_for(allow->caller, r) || allow->subjects->nelts)
            continue;
        if (allow->profiles->nelts == 0)
            return NULL;
        for (int j = 0; j < allow->profiles->nelts; j++) {
            const char *name = APR_ARRAY_IDX(allow->profiles, j, const char *);
            int known = 0;

            for (int k = 0; k < names->nelts; k++)
                known |= !strcmp(APR_ARRAY_IDX(names, k, const char *), name);
            if (!known)
                APR_ARRAY_PUSH(names, const char *) = name;
        }
    }
    return allows ? names : NULL;
}

int mod_scep_callers_quota(request_rec *r, apr_uint64_t *quota)
{
    const apr_array_header_t *quotas = conf_of(r)->quotas;
    const quota_t *found = NULL;

    for (int i = 0; quotas && i < quotas->nelts; i++) {
        const quota_t *line = &APR_ARRAY_IDX(quotas, i, quota_t);

        /* a caller's own line goes before the one for anybody */
        if (is_for(line->caller, r) && (!found || is_anybody(found->caller)))
            found = line;
    }
    if (found)
        *quota = found->number;
    return found != NULL;
}

static scep_caller_conf_t *conf_in(cmd_parms *cmd, scep_dir_conf_t *dir)
{
    if (!dir->callers)
        dir->callers = apr_pcalloc(cmd->pool, sizeof(*dir->callers));
    return dir->callers;
}

/* Profiles may follow further down: check.c looks when all are known. */
static void mention(cmd_parms *cmd, scep_dir_conf_t *dir, const char *name)
{
    scep_profile_ref_t *ref = apr_pcalloc(cmd->pool, sizeof(*ref));

    ref->name = name;
    ref->where = cmd->directive;
    ref->dir = dir;
    APR_ARRAY_PUSH(mod_scep_conf_get(cmd->server)->allowed_refs,
                   scep_profile_ref_t *) = ref;
}

static const char *read_allow(cmd_parms *cmd, scep_dir_conf_t *dir,
                              const char *word, const allow_t *allow)
{
    const scep_name_pattern_t *pattern;
    const char *err;

    if (!strncasecmp(word, "profile=", 8)) {
        APR_ARRAY_PUSH(allow->profiles, const char *) = word + 8;
        mention(cmd, dir, word + 8);
        return NULL;
    }
    if (strncasecmp(word, "subject=", 8))
        return mod_scep_conf_unknown(cmd, word,
                                     "profile=NAME subject=PATTERN");
    err = scep_name_pattern_parse(&pattern, word + 8, cmd->pool);
    if (err)
        return mod_scep_conf_error(cmd, "'%s' is no pattern of a DN: %s",
                                   word + 8, err);
    APR_ARRAY_PUSH(allow->subjects, const scep_name_pattern_t *) = pattern;
    return NULL;
}

const char *mod_scep_callers_set_allow(cmd_parms *cmd, void *dirv,
                                       const char *words)
{
    const char *err = mod_scep_conf_context(cmd, dirv, 1);
    scep_dir_conf_t *dir = dirv;
    scep_caller_conf_t *callers;
    allow_t allow;

    if (err)
        return err;
    allow.caller = ap_getword_conf(cmd->pool, &words);
    allow.profiles = apr_array_make(cmd->pool, 1, sizeof(const char *));
    allow.subjects =
        apr_array_make(cmd->pool, 1, sizeof(const scep_name_pattern_t *));
    if (!*allow.caller)
        return mod_scep_conf_error(cmd, "needs the name of a caller or *");
    while (!err && *words)
        err = read_allow(cmd, dir, ap_getword_conf(cmd->pool, &words), &allow);
    if (err)
        return err;
    callers = conf_in(cmd, dir);
    if (!callers->allows)
        callers->allows = apr_array_make(cmd->pool, 2, sizeof(allow_t));
    APR_ARRAY_PUSH(callers->allows, allow_t) = allow;
    return NULL;
}

const char *mod_scep_callers_set_quota(cmd_parms *cmd, void *dirv,
                                       const char *caller, const char *number)
{
    const char *err = mod_scep_conf_context(cmd, dirv, 1);
    quota_t quota = { caller, (apr_uint64_t)apr_atoi64(number) };
    size_t digits = strspn(number, "0123456789");
    scep_caller_conf_t *callers;

    if (err)
        return err;
    if (!*caller)
        return mod_scep_conf_error(cmd, "needs the name of a caller or *");
    if (digits == 0 || digits > 10 || number[digits] ||
        quota.number > QUOTA_MAX) {
        return mod_scep_conf_error(cmd, "'%s' is no number from 0 to %d",
                                   number, QUOTA_MAX);
    }
    callers = conf_in(cmd, dirv);
    if (!callers->quotas)
        callers->quotas = apr_array_make(cmd->pool, 2, sizeof(quota_t));
    for (int i = 0; i < callers->quotas->nelts; i++)
        if (!strcmp(APR_ARRAY_IDX(callers->quotas, i, quota_t).caller, caller))
            return mod_scep_conf_error(cmd, "is given twice for %s", caller);
    APR_ARRAY_PUSH(callers->quotas, quota_t) = quota;
    return NULL;
}
