/* policy_directives.c - handlers of the directives that make a policy
 * SPDX-License-Identifier: Apache-2.0
 */
#include "policy_directives.h"

#include <ap_expr.h>
#include <apr_strings.h>

#include "core/name_match.h"
#include "core/oid.h"
#include "core/policy_force.h"
#include "core/san_match.h"
#include "keys.h"

#define CERTIFICATES_MAX 1000000
#define LIST_MAX 64 /* MiB; those of openssl-blacklist have two */

static scep_policy_t *policy_of(cmd_parms *cmd, void *dirv, const char **err)
{
    scep_profile_t *profile = mod_scep_conf_section(cmd, dirv, err);

    return *err ? NULL : &profile->enrol.policy;
}

/* A place at the end of a row that may not be there yet. */
static void *add(const apr_array_header_t **row, int size, apr_pool_t *p)
{
    apr_array_header_t *array =
        *row ? (apr_array_header_t *)*row : apr_array_make(p, 4, size);

    *row = array;
    return apr_array_push(array);
}

/* Hands on word after word; httpd's own ITERATE takes none at all for good. */
static const char *each(cmd_parms *cmd, void *dirv, const char *words,
                        const char *(*set)(cmd_parms *cmd, void *dirv,
                                           const char *word))
{
    const char *err = *words ? NULL
                             : mod_scep_conf_error(cmd, "needs at least one "
                                                        "argument");

    while (!err && *words)
        err = set(cmd, dirv, ap_getword_conf(cmd->pool, &words));
    return err;
}

/* ------------------------------------------------------------------ */
/* Keys                                                                 */

static const char *add_weak_keys(cmd_parms *cmd, void *dirv, const char *file)
{
    const char *err = mod_scep_conf_context(cmd, dirv, 0), *text;
    scep_conf_t *conf = mod_scep_conf_get(cmd->server);
    apr_size_t len;

    if (err)
        return err;
    if ((err = mod_scep_keys_read_large(&file, &text, &len, LIST_MAX,
                                        cmd->temp_pool)))
        return mod_scep_conf_error(cmd, "%s", err);
    if (!conf->weak && scep_weak_create(&conf->weak, cmd->pool) != APR_SUCCESS)
        return mod_scep_conf_error(cmd, "out of memory");
    err = scep_weak_add(conf->weak, text, len, cmd->pool);
    return err ? mod_scep_conf_error(cmd, "%s: %s", file, err) : NULL;
}

const char *mod_scep_set_weak_keys(cmd_parms *cmd, void *dirv,
                                   const char *words)
{
    return each(cmd, dirv, words, add_weak_keys);
}

const char *mod_scep_set_rsa_exponent(cmd_parms *cmd, void *dirv,
                                      const char *least)
{
    const char *err;
    scep_policy_t *policy = policy_of(cmd, dirv, &err);
    size_t digits = strspn(least, "0123456789");

    if (err)
        return err;
    if (digits == 0 || digits > 10 || least[digits] || apr_atoi64(least) < 3)
        return mod_scep_conf_error(cmd, "'%s' is no number from 3 on", least);
    policy->exponent = (apr_uint64_t)apr_atoi64(least);
    return NULL;
}

const char *mod_scep_set_key_reuse(cmd_parms *cmd, void *dirv, int on)
{
    const char *err;
    scep_policy_t *policy = policy_of(cmd, dirv, &err);

    if (!err)
        policy->key_once = !on;
    return err;
}

/* ------------------------------------------------------------------ */
/* Names                                                                */

static const char *add_subject_force(cmd_parms *cmd, void *dirv,
                                     const char *attribute)
{
    const char *err;
    scep_policy_t *policy = policy_of(cmd, dirv, &err);
    scep_policy_force_t force;

    if (err)
        return err;
    err = scep_policy_force_parse(&force, attribute, cmd->pool);
    if (err)
        return mod_scep_conf_error(cmd, "'%s': %s", attribute, err);
    for (int i = 0; policy->force && i < policy->force->nelts; i++)
        if (OBJ_cmp(APR_ARRAY_IDX(policy->force, i, scep_policy_force_t).type,
                    force.type) == 0)
            return mod_scep_conf_error(cmd,
                                       "'%s': this attribute is set "
                                       "already",
                                       attribute);
    *(scep_policy_force_t *)add(&policy->force, sizeof(force), cmd->pool) =
        force;
    return NULL;
}

const char *mod_scep_set_subject_force(cmd_parms *cmd, void *dirv,
                                       const char *words)
{
    return each(cmd, dirv, words, add_subject_force);
}

static const char *add_subject_require(cmd_parms *cmd, void *dirv,
                                       const char *type)
{
    const char *err;
    scep_policy_t *policy = policy_of(cmd, dirv, &err);
    const ASN1_OBJECT *object;

    if (err)
        return err;
    object = scep_name_attribute_type(type, cmd->pool);
    if (!object)
        return mod_scep_conf_error(cmd, "'%s' is no attribute type", type);
    *(const ASN1_OBJECT **)add(&policy->wanted, sizeof(object), cmd->pool) =
        object;
    return NULL;
}

const char *mod_scep_set_subject_require(cmd_parms *cmd, void *dirv,
                                         const char *words)
{
    return each(cmd, dirv, words, add_subject_require);
}

static const char *add_subject_allow(cmd_parms *cmd, void *dirv,
                                     const char *pattern)
{
    const char *err;
    scep_policy_t *policy = policy_of(cmd, dirv, &err);
    const scep_name_pattern_t *parsed;

    if (err)
        return err;
    err = scep_name_attribute_pattern_parse(&parsed, pattern, cmd->pool);
    if (err)
        return mod_scep_conf_error(cmd,
                                   "'%s' is no pattern of an attribute: "
                                   "%s",
                                   pattern, err);
    *(const scep_name_pattern_t **)add(&policy->allowed, sizeof(parsed),
                                       cmd->pool) = parsed;
    return NULL;
}

const char *mod_scep_set_subject_allow(cmd_parms *cmd, void *dirv,
                                       const char *words)
{
    return each(cmd, dirv, words, add_subject_allow);
}

const char *mod_scep_set_san_require(cmd_parms *cmd, void *dirv,
                                     const char *words)
{
    const char *err;
    scep_policy_t *policy = policy_of(cmd, dirv, &err);

    return err ? err
               : mod_scep_conf_set(cmd, words, scep_name_san_type, ~0u,
                                   "dns ip email uri upn sid rid dirname "
                                   "other",
                                   &policy->sans_wanted);
}

static const char *add_san_allow(cmd_parms *cmd, void *dirv,
                                 const char *pattern)
{
    const char *err;
    scep_policy_t *policy = policy_of(cmd, dirv, &err);
    const scep_san_pattern_t *parsed;

    if (err)
        return err;
    err = scep_san_pattern_parse(&parsed, pattern, cmd->pool);
    if (err)
        return mod_scep_conf_error(cmd,
                                   "'%s' is no pattern of a "
                                   "subjectAltName: %s",
                                   pattern, err);
    *(const scep_san_pattern_t **)add(&policy->sans_allowed, sizeof(parsed),
                                      cmd->pool) = parsed;
    return NULL;
}

const char *mod_scep_set_san_allow(cmd_parms *cmd, void *dirv,
                                   const char *words)
{
    return each(cmd, dirv, words, add_san_allow);
}

/* ------------------------------------------------------------------ */
/* All others                                                           */

static apr_status_t free_object(void *object)
{
    ASN1_OBJECT_free(object);
    return APR_SUCCESS;
}

static const char *add_usage_allow(cmd_parms *cmd, void *dirv,
                                   const char *usage)
{
    const char *err;
    scep_policy_t *policy = policy_of(cmd, dirv, &err);
    ASN1_OBJECT *object;

    if (err)
        return err;
    object = scep_oid_parse(usage, 0);
    if (!object)
        return mod_scep_conf_error(
            cmd, "'%s' is no name or dotted object identifier", usage);
    apr_pool_cleanup_register(cmd->pool, object, free_object,
                              apr_pool_cleanup_null);
    *(const ASN1_OBJECT **)add(&policy->usages_asked, sizeof(object),
                               cmd->pool) = object;
    return NULL;
}

const char *mod_scep_set_usage_allow(cmd_parms *cmd, void *dirv,
                                     const char *words)
{
    return each(cmd, dirv, words, add_usage_allow);
}

const char *mod_scep_set_condition(cmd_parms *cmd, void *dirv,
                                   const char *name, const char *expression)
{
    const char *err;
    scep_policy_t *policy = policy_of(cmd, dirv, &err);
    scep_policy_condition_t made = { name, NULL };

    if (err)
        return err;
    if (!*name || strlen(name) > 64 ||
        strspn(name,
               "abcdefghijklmnopqrstuvwxyz"
               "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != strlen(name))
        return mod_scep_conf_error(cmd,
                                   "'%s' is no name: use up to 64 letters, "
                                   "digits, '.', '_' and '-'",
                                   name);
    for (int i = 0; policy->conditions && i < policy->conditions->nelts; i++)
        if (!strcmp(APR_ARRAY_IDX(policy->conditions, i,
                                  scep_policy_condition_t)
                        .name,
                    name))
            return mod_scep_conf_error(cmd, "%s is there already", name);
    /* what it looks at is no reason to send Vary */
    made.expression =
        ap_expr_parse_cmd(cmd, expression, AP_EXPR_FLAG_DONT_VARY, &err, NULL);
    if (err)
        return mod_scep_conf_error(cmd, "%s: %s", name, err);
    *(scep_policy_condition_t *)add(&policy->conditions, sizeof(made),
                                    cmd->pool) = made;
    return NULL;
}

const char *mod_scep_set_issued_names(cmd_parms *cmd, void *dirv,
                                      const char *word)
{
    const char *err;
    scep_policy_t *policy = policy_of(cmd, dirv, &err);

    if (err)
        return err;
    if (!strcasecmp(word, "policy"))
        policy->issued_names = SCEP_ISSUED_POLICY;
    else if (!strcasecmp(word, "request"))
        policy->issued_names = SCEP_ISSUED_REQUEST;
    else if (!strcasecmp(word, "any"))
        policy->issued_names = SCEP_ISSUED_ANY;
    else
        return mod_scep_conf_error(cmd, "give policy, request or any");
    return NULL;
}

const char *mod_scep_set_max_certificates(cmd_parms *cmd, void *dirv,
                                          const char *number)
{
    const char *err;
    scep_policy_t *policy = policy_of(cmd, dirv, &err);
    size_t digits = strspn(number, "0123456789");

    if (err)
        return err;
    if (!strcasecmp(number, "off")) {
        policy->most_certificates = 0;
        return NULL;
    }
    if (digits == 0 || digits > 7 || number[digits] || atoi(number) < 1 ||
        atoi(number) > CERTIFICATES_MAX)
        return mod_scep_conf_error(cmd,
                                   "'%s' is no number from 1 to %d, nor "
                                   "off",
                                   number, CERTIFICATES_MAX);
    policy->most_certificates = atoi(number);
    return NULL;
}

/* ------------------------------------------------------------------ */

/* A device that is put into subjects must be known of each request. */
static const char *check_device(const scep_profile_t *profile, apr_pool_t *p)
{
    for (int i = 0; i < profile->verifiers->nelts; i++) {
        const scep_verifier_t *verifier =
            &APR_ARRAY_IDX(profile->verifiers, i, scep_verifier_t);

        if (!verifier->provider->tells_device)
            return apr_pstrcat(p,
                               "ScepSubjectForce with " SCEP_POLICY_DEVICE
                               ": the verifier ",
                               verifier->name,
                               " does not tell which device it grants a "
                               "request to",
                               NULL);
    }
    if (!(profile->challenge_require & SCEP_REQUIRE_DEVICE))
        return "ScepSubjectForce with " SCEP_POLICY_DEVICE
               " needs ScepChallengeRequire device: no other challenge "
               "could be used";
    return NULL;
}

const char *mod_scep_policy_check(const scep_profile_t *profile,
                                  const scep_conf_t *conf, apr_pool_t *p)
{
    const scep_policy_t *policy = &profile->enrol.policy;

    if (policy->force && !profile->ca->provider->sets_subject)
        return apr_psprintf(p,
                            "ScepSubjectForce: the connector %s hands on the "
                            "request as the device has signed it, and cannot "
                            "change a subject",
                            profile->ca->connector);
    if (policy->sans_wanted & ~policy->sans)
        return "ScepSubjectAltNameRequire has a type that "
               "ScepSubjectAltNames does not allow";
    for (int i = 0; policy->sans_allowed && i < policy->sans_allowed->nelts;
         i++)
        if (!(scep_san_pattern_type(APR_ARRAY_IDX(
                  policy->sans_allowed, i, const scep_san_pattern_t *)) &
              policy->sans))
            return "ScepSubjectAltNameAllow has a type that "
                   "ScepSubjectAltNames does not allow";
    if (policy->key_once && !conf->ledger)
        return "ScepKeyReuse off needs ScepLedger";
    if (policy->most_certificates && !conf->ledger)
        return "ScepMaxCertificates needs ScepLedger";
    return scep_policy_wants_device(policy) ? check_device(profile, p) : NULL;
}
