/* verifier_static.c - verifier "static": shared secrets from files
 * SPDX-License-Identifier: Apache-2.0
 *
 * For devices that can do no other.  The parent reads the files; what it
 * keeps, and the children inherit, are salted scrypt hashes.
 */
#include "verifier_static.h"

#include <apr_strings.h>

#include "counters.h"
#include "json.h"
#include "keys.h"
#include "providers.h"
#include "static_match.h"

#define WARN_DEFAULT apr_time_from_sec(14 * 86400)
#define DAY apr_time_from_sec(86400)

/* A secret and the keys of its counters. */
typedef struct slot_t {
    const scep_static_secret_t *secret;
    const char *used;    /**< of certificates */
    const char *told[2]; /**< of warnings that it ends, that it has ended */
} slot_t;

/* One certificate, as it was counted. */
typedef struct use_t {
    const char *name;
    const char *used;
    apr_time_t ends; /**< of the day that it was counted in */
} use_t;

typedef struct scep_static_verifier_t {
    const char *profile;
    apr_interval_time_t warn;
    int count;
    slot_t slots[SCEP_STATIC_SECRETS_MAX];
    scep_static_matcher_t *matcher;
} scep_static_verifier_t;

/* ------------------------------------------------------------------ */
/* Configuration                                                        */

static scep_static_conf_t *statics_of(cmd_parms *cmd, void *dirv,
                                      const char **err)
{
    scep_profile_t *profile = mod_scep_conf_section(cmd, dirv, err);

    if (*err)
        return NULL;
    if (!profile->statics) {
        profile->statics = apr_pcalloc(cmd->pool, sizeof(*profile->statics));
        profile->statics->secrets =
            apr_array_make(cmd->pool, 4, sizeof(scep_static_secret_t *));
        profile->statics->warn = WARN_DEFAULT;
    }
    return profile->statics;
}

static const char *read_line(scep_static_conf_t *statics, const char *line,
                             apr_size_t len, apr_pool_t *p)
{
    scep_static_secret_t *secret = NULL;
    const char *err =
        memchr(line, '\0', len)
            ? "there is a NUL in the line"
            : scep_static_secret_parse(&secret, apr_pstrmemdup(p, line, len),
                                       p);

    if (err || !secret)
        return err;
    for (int i = 0; i < statics->secrets->nelts; i++) {
        if (!strcmp(APR_ARRAY_IDX(statics->secrets, i, scep_static_secret_t *)
                        ->name,
                    secret->name))
            return apr_psprintf(p, "the profile has a secret %s already",
                                secret->name);
    }
    if (statics->secrets->nelts == SCEP_STATIC_SECRETS_MAX) {
        return apr_psprintf(p, "a profile has %d secrets at most",
                            SCEP_STATIC_SECRETS_MAX);
    }
    APR_ARRAY_PUSH(statics->secrets, scep_static_secret_t *) = secret;
    return NULL;
}

const char *mod_scep_set_static_secrets(cmd_parms *cmd, void *dirv,
                                        const char *file)
{
    const char *err, *text = NULL, *end;
    scep_static_conf_t *statics = statics_of(cmd, dirv, &err);
    apr_size_t len = 0;
    apr_finfo_t info;
    int line = 0;

    if (err)
        return err;
    if ((err = mod_scep_keys_read_file(&file, &text, &len, cmd->pool)))
        return mod_scep_conf_error(cmd, "%s", err);
    if (apr_stat(&info, file, APR_FINFO_PROT, cmd->temp_pool) != APR_SUCCESS ||
        (info.protection &
         (APR_FPROT_WREAD | APR_FPROT_GWRITE | APR_FPROT_WWRITE))) {
        return mod_scep_conf_error(cmd,
                                   "%s can be read or changed by others: "
                                   "chmod 600 it",
                                   file);
    }
    for (const char *at = text; !err && at < text + len; at = end + 1) {
        end = memchr(at, '\n', (apr_size_t)(text + len - at));
        if (!end)
            end = text + len;
        line++;
        err = read_line(statics, at, (apr_size_t)(end - at), cmd->pool);
    }
    return err ? mod_scep_conf_error(cmd, "%s line %d: %s", file, line, err)
               : NULL;
}

const char *mod_scep_set_static_warn(cmd_parms *cmd, void *dirv,
                                     const char *time)
{
    const char *err;
    scep_static_conf_t *statics = statics_of(cmd, dirv, &err);

    if (!err && (err = mod_scep_conf_time(&statics->warn, time, cmd->pool)))
        err = mod_scep_conf_error(cmd, "%s", err);
    return err;
}

/* Key of the counter of certificates. */
static const char *counter_of(const char *profile, const char *name,
                              apr_pool_t *p)
{
    return apr_pstrcat(p, "static/", profile, "/", name, NULL);
}

static const char *check(const scep_verifier_setup_t *setup, void **data)
{
    const scep_dir_conf_t *dir =
        ap_get_module_config((ap_conf_vector_t *)setup->conf, &scep_module);
    const scep_static_conf_t *statics = dir->profile_section->statics;
    scep_static_verifier_t *verifier =
        apr_pcalloc(setup->p, sizeof(*verifier));

    if (!statics || statics->secrets->nelts == 0) {
        return "there is no secret: name a file of them with "
               "ScepStaticSecrets";
    }
    verifier->profile = setup->profile;
    verifier->warn = statics->warn;
    verifier->count = statics->secrets->nelts;
    for (int i = 0; i < verifier->count; i++) {
        slot_t *slot = &verifier->slots[i];

        slot->secret =
            APR_ARRAY_IDX(statics->secrets, i, scep_static_secret_t *);
        slot->used = counter_of(setup->profile, slot->secret->name, setup->p);
        slot->told[0] = apr_pstrcat(setup->p, "static-ends/", setup->profile,
                                    "/", slot->secret->name, NULL);
        slot->told[1] = apr_pstrcat(setup->p, "static-ended/", setup->profile,
                                    "/", slot->secret->name, NULL);
    }
    verifier->matcher =
        mod_scep_static_match_create(statics->secrets, setup->p);
    *data = verifier;
    return NULL;
}

/* ------------------------------------------------------------------ */
/* The end of a secret                                                  */

static int is_ending(const scep_static_verifier_t *verifier,
                     const slot_t *slot, apr_time_t now)
{
    return slot->secret->not_after &&
           slot->secret->not_after - verifier->warn <= now;
}

/* Key of the counter of what is to be said of it now. */
static const char *told(const slot_t *slot, apr_time_t now)
{
    return slot->told[slot->secret->not_after <= now];
}

static void warn_of(const scep_static_verifier_t *verifier, const slot_t *slot,
                    server_rec *s, apr_time_t now, apr_pool_t *p)
{
    const scep_static_secret_t *secret = slot->secret;
    const char *end =
        mod_scep_json_time(secret->not_after - apr_time_from_sec(1), p);

    if (secret->not_after > now) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     SCEPLOGNO(0380) "profile %s: the static secret %s ends "
                                     "at %s; put its successor beside it and "
                                     "give that to the devices",
                     verifier->profile, secret->name, end);
    } else {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     SCEPLOGNO(0381) "profile %s: the static secret %s has "
                                     "ended at %s; take its line away",
                     verifier->profile, secret->name, end);
    }
}

static apr_status_t warn_at_start(void *data, server_rec *s, apr_pool_t *p)
{
    const scep_static_verifier_t *verifier = data;
    apr_time_t now = apr_time_now();

    for (int i = 0; i < verifier->count; i++) {
        const slot_t *slot = &verifier->slots[i];

        if (is_ending(verifier, slot, now)) {
            mod_scep_counters_add(told(slot, now), DAY, now);
            warn_of(verifier, slot, s, now, p);
        }
    }
    return APR_SUCCESS;
}

/* Once a day, over all processes and restarts. */
static void maintain(void *data, server_rec *s, apr_time_t now, apr_pool_t *p)
{
    const scep_static_verifier_t *verifier = data;
    apr_time_t ends;

    for (int i = 0; i < verifier->count; i++) {
        const slot_t *slot = &verifier->slots[i];

        if (is_ending(verifier, slot, now) &&
            mod_scep_counters_get(told(slot, now), now, &ends) == 0 &&
            mod_scep_counters_add(told(slot, now), DAY, now) == 1)
            warn_of(verifier, slot, s, now, p);
    }
}

static apr_status_t child_init(void *data, server_rec *s, apr_pool_t *p)
{
    (void)s;
    return mod_scep_static_match_child_init(
        ((scep_static_verifier_t *)data)->matcher, p);
}

/* ------------------------------------------------------------------ */
/* Requests                                                             */

/* Counts one certificate in, unless the day has had as many as it may. */
static int count_in(const slot_t *slot, apr_time_t now)
{
    apr_uint32_t count = mod_scep_counters_add(slot->used, DAY, now);

    if (!slot->secret->limit || count <= slot->secret->limit)
        return 1;
    mod_scep_counters_undo(slot->used, now);
    return 0;
}

/* What settle needs to take it back. */
static use_t *use_of(const slot_t *slot, apr_time_t now, apr_pool_t *p)
{
    use_t *use = apr_palloc(p, sizeof(*use));

    use->name = slot->secret->name;
    use->used = slot->used;
    use->ends = now + DAY;
    mod_scep_counters_get(slot->used, now, &use->ends);
    return use;
}

static int has_room(const slot_t *slot, apr_time_t now)
{
    apr_time_t ends;

    return !slot->secret->limit ||
           mod_scep_counters_get(slot->used, now, &ends) < slot->secret->limit;
}

/*
 * Grants by the first of the secrets that may be used here and now: the
 * same text can stand there twice, with other limits.
 * @param counting  zero: only says so
 */
static int grant(scep_static_verifier_t *verifier, scep_matches_t matches,
                 int counting, const scep_verify_request_t *request,
                 scep_verify_result_t *result, apr_pool_t *p)
{
    for (int i = 0; i < verifier->count; i++) {
        slot_t *slot = &verifier->slots[i];
        const char *why;

        if (!(matches & (scep_matches_t)1 << i))
            continue;
        why = scep_static_secret_refusal(slot->secret, request->facts.address,
                                         request->now);
        if (!why && !(counting ? count_in(slot, request->now)
                               : has_room(slot, request->now)))
            why = "its limit of today is reached";
        if (!why) {
            result->outcome = SCEP_VERIFY_GRANTED;
            result->id = apr_pstrcat(p, "static:", slot->secret->name, NULL);
            result->token = use_of(slot, request->now, p);
            return 1;
        }
        result->outcome = SCEP_VERIFY_REFUSED;
        result->reason = apr_psprintf(p, "the static secret %s: %s",
                                      slot->secret->name, why);
    }
    return 0;
}

static void decide(scep_static_verifier_t *verifier, int counting,
                   const scep_verify_request_t *request,
                   scep_verify_result_t *result, apr_pool_t *p)
{
    scep_matches_t matches;
    apr_status_t rv;

    if (!request->challenge) {
        result->outcome = SCEP_VERIFY_PASS;
        result->reason = "the CSR has no challengePassword";
        return;
    }
    /* One that is not granted must take its time even if it is known. */
    if (grant(verifier,
              mod_scep_static_match_recall(verifier->matcher,
                                           request->challenge),
              counting, request, result, p))
        return;
    rv = mod_scep_static_match_try(verifier->matcher, request->challenge,
                                   &matches);
    if (rv != APR_SUCCESS) {
        result->outcome = SCEP_VERIFY_ERROR;
        result->reason = APR_STATUS_IS_EAGAIN(rv)
                             ? "too many static secrets are being checked"
                             : "a static secret cannot be checked";
    } else if (!matches) {
        result->outcome = SCEP_VERIFY_PASS;
        result->reason = "no such static secret";
    } else {
        grant(verifier, matches, counting, request, result, p);
    }
}

static void verify(void *data, const scep_verify_request_t *request,
                   scep_verify_result_t *result, apr_pool_t *p)
{
    decide(data, 1, request, result, p);
}

static void explain(void *data, const scep_verify_request_t *request,
                    scep_verify_result_t *result, apr_pool_t *p)
{
    decide(data, 0, request, result, p);
}

static void pretend(void *data, const scep_verify_request_t *request,
                    apr_pool_t *p)
{
    const scep_static_verifier_t *verifier = data;
    scep_matches_t matches;

    (void)p;
    if (request->challenge) {
        mod_scep_static_match_try(verifier->matcher, request->challenge,
                                  &matches);
    }
}

static apr_status_t settle(void *data, void *token,
                           const scep_verify_end_t *end, apr_pool_t *p)
{
    const use_t *use = token;

    (void)data;
    (void)p;
    if (!end->spend && end->now < use->ends)
        mod_scep_counters_undo(use->used, end->now);
    return APR_SUCCESS;
}

static const char *freeze(void *data, void *token, apr_pool_t *p)
{
    const use_t *use = token;

    (void)data;
    return scep_static_use_text(use->name, use->ends, p);
}

/* A secret whose line is gone has its counter all the same. */
static void *thaw(void *data, const char *text, apr_pool_t *p)
{
    const scep_static_verifier_t *verifier = data;
    use_t *use = apr_palloc(p, sizeof(*use));

    if (!scep_static_use_parse(&use->name, &use->ends, text, p))
        return NULL;
    use->used = counter_of(verifier->profile, use->name, p);
    return use;
}

static const char *metrics(void *data, apr_time_t now, apr_pool_t *p)
{
    const scep_static_verifier_t *verifier = data;
    const char *text =
        "# HELP scep_static_secret_used Certificates of the last 24 hours.\n"
        "# TYPE scep_static_secret_used gauge\n"
        "# HELP scep_static_secret_not_after_seconds When it ends.\n"
        "# TYPE scep_static_secret_not_after_seconds gauge\n";
    apr_time_t ends;

    for (int i = 0; i < verifier->count; i++) {
        const slot_t *slot = &verifier->slots[i];
        const char *labels =
            apr_psprintf(p, "{profile=\"%s\",name=\"%s\"}", verifier->profile,
                         slot->secret->name);

        text =
            apr_psprintf(p, "%sscep_static_secret_used%s %u\n", text, labels,
                         mod_scep_counters_get(slot->used, now, &ends));
        if (slot->secret->not_after) {
            text = apr_psprintf(
                p,
                "%sscep_static_secret_not_after_seconds%s %" APR_TIME_T_FMT
                "\n",
                text, labels, apr_time_sec(slot->secret->not_after));
        }
    }
    return text;
}

const scep_verifier_provider_t mod_scep_verifier_static = {
    .verify = verify,
    .settle = settle,
    .check = check,
    .open = warn_at_start,
    .child_init = child_init,
    .explain = explain,
    .pretend = pretend,
    .maintain = maintain,
    .metrics = metrics,
    .freeze = freeze,
    .thaw = thaw
};
