/* profile_directives.c - handlers of the directives inside <ScepProfile>
 * SPDX-License-Identifier: Apache-2.0
 */
#include "profile_directives.h"

#include <apr_strings.h>
#include <ap_provider.h>

#include "keys.h"

const char *mod_scep_set_ca(cmd_parms *cmd, void *dirv, const char *name)
{
    const char *err;
    scep_profile_t *profile = mod_scep_conf_section(cmd, dirv, &err);

    if (!err) {
        profile->ca_name = name;
        profile->ca_where = cmd->directive;
    }
    return err;
}

const char *mod_scep_set_ra_certificate(cmd_parms *cmd, void *dirv,
                                        const char *file)
{
    const char *err, *text;
    scep_profile_t *profile = mod_scep_conf_section(cmd, dirv, &err);
    scep_ra_entry_t *entry;
    STACK_OF(X509) *certs = NULL;
    apr_size_t len;

    if (err)
        return err;
    if ((err = mod_scep_keys_read_file(&file, &text, &len, cmd->pool)))
        return mod_scep_conf_error(cmd, "%s", err);
    if (scep_cert_read_pem(&certs, text, len, &err, cmd->pool) != APR_SUCCESS)
        return mod_scep_conf_error(cmd, "%s: %s", file, err);
    if (profile->ra_entries->nelts == 4)
        return mod_scep_conf_error(cmd, "may be given four times at most");
    entry = apr_array_push(profile->ra_entries);
    entry->where = cmd->directive;
    entry->cert_file = file;
    entry->cert = sk_X509_value(certs, 0);
    return NULL;
}

const char *mod_scep_set_ra_key(cmd_parms *cmd, void *dirv,
                                const char *location)
{
    const char *err;
    scep_profile_t *profile = mod_scep_conf_section(cmd, dirv, &err);

    if (!err)
        APR_ARRAY_PUSH(profile->ra_keys, const char *) = location;
    return err;
}

const char *mod_scep_set_get_ca_cert(cmd_parms *cmd, void *dirv,
                                     const char *form, const char *order)
{
    static const char *const forms[] = {
        [SCEP_PUBLISH_CA] = "ca",
        [SCEP_PUBLISH_CA_CHAIN] = "ca-chain",
        [SCEP_PUBLISH_RA_CA] = "ra+ca",
        [SCEP_PUBLISH_RA_CA_ROOT] = "ra+ca+root",
    };
    const char *err;
    scep_profile_t *profile = mod_scep_conf_section(cmd, dirv, &err);

    if (err)
        return err;
    if (order && strcasecmp(order, "reverse"))
        return mod_scep_conf_unknown(cmd, order, "reverse");
    for (unsigned int i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
        if (!strcasecmp(form, forms[i])) {
            profile->publish = i;
            profile->publish_reverse = order != NULL;
            return NULL;
        }
    }
    return mod_scep_conf_unknown(cmd, form, "ca ca-chain ra+ca ra+ca+root");
}

const char *mod_scep_set_capabilities(cmd_parms *cmd, void *dirv,
                                      const char *words)
{
    const char *err;
    scep_profile_t *profile = mod_scep_conf_section(cmd, dirv, &err);

    if (err)
        return err;
    if (!*words)
        return mod_scep_conf_error(cmd, "needs at least one word");
    profile->capabilities = apr_array_make(cmd->pool, 8, sizeof(char *));
    while (*words) {
        APR_ARRAY_PUSH(profile->capabilities, const char *) =
            ap_getword_conf(cmd->pool, &words);
    }
    return NULL;
}

const char *mod_scep_set_digests(cmd_parms *cmd, void *dirv, const char *words)
{
    const char *err;
    scep_profile_t *profile = mod_scep_conf_section(cmd, dirv, &err);

    return err ? err
               : mod_scep_conf_set(cmd, words, scep_alg_digest_by_name,
                                   SCEP_DIGESTS_DEFAULT | SCEP_DIGEST_SHA1,
                                   "sha1 sha256 sha384 sha512",
                                   &profile->rule.digests);
}

const char *mod_scep_set_ciphers(cmd_parms *cmd, void *dirv, const char *words)
{
    const char *err;
    scep_profile_t *profile = mod_scep_conf_section(cmd, dirv, &err);

    return err ? err
               : mod_scep_conf_set(cmd, words, scep_alg_cipher_by_name,
                                   SCEP_CIPHERS_DEFAULT | SCEP_CIPHER_DES3,
                                   "des3 aes128 aes192 aes256",
                                   &profile->rule.ciphers);
}

const char *mod_scep_set_legacy_crypto(cmd_parms *cmd, void *dirv, int on)
{
    const char *err;
    scep_profile_t *profile = mod_scep_conf_section(cmd, dirv, &err);

    if (!err)
        profile->legacy_crypto = on;
    return err;
}

const char *mod_scep_set_key_types(cmd_parms *cmd, void *dirv,
                                   const char *words)
{
    const char *err;
    scep_profile_t *profile = mod_scep_conf_section(cmd, dirv, &err);
    scep_key_rule_t rule = { 0, 0, 0 };

    if (err)
        return err;
    if (!*words)
        return mod_scep_conf_error(cmd, "needs at least one of rsa and ec");
    while (*words && !err) {
        err = scep_alg_key_rule_add(&rule, ap_getword_conf(cmd->pool, &words),
                                    cmd->pool);
    }
    profile->enrol.policy.keys = rule;
    return err ? mod_scep_conf_error(cmd, "%s", err) : NULL;
}

const char *mod_scep_set_sans(cmd_parms *cmd, void *dirv, const char *words)
{
    const char *err;
    scep_profile_t *profile = mod_scep_conf_section(cmd, dirv, &err);

    if (err)
        return err;
    if (!strcasecmp(words, "none")) {
        profile->enrol.policy.sans = 0;
        return NULL;
    }
    return mod_scep_conf_set(cmd, words, scep_name_san_type, ~0u,
                             "none dns ip email uri upn sid rid dirname other",
                             &profile->enrol.policy.sans);
}

const char *mod_scep_set_empty_subject(cmd_parms *cmd, void *dirv, int on)
{
    const char *err;
    scep_profile_t *profile = mod_scep_conf_section(cmd, dirv, &err);

    if (!err)
        profile->enrol.policy.empty_subject = on;
    return err;
}

static apr_status_t object_cleanup(void *object)
{
    ASN1_OBJECT_free(object);
    return APR_SUCCESS;
}

/* Reads names or numbers of objects into an array. */
static const char *objects(cmd_parms *cmd, const char *words, int no_name,
                           apr_array_header_t *array)
{
    if (!*words)
        return mod_scep_conf_error(cmd, "needs at least one word");
    apr_array_clear(array);
    while (*words) {
        const char *word = ap_getword_conf(cmd->pool, &words);
        ASN1_OBJECT *object = scep_oid_parse(word, no_name);
        if (!object) {
            return mod_scep_conf_error(
                cmd, "'%s' is no %s", word,
                no_name ? "dotted object identifier"
                        : "name or dotted object identifier");
        }
        apr_pool_cleanup_register(cmd->pool, object, object_cleanup,
                                  apr_pool_cleanup_null);
        APR_ARRAY_PUSH(array, ASN1_OBJECT *) = object;
    }
    return NULL;
}

const char *mod_scep_set_extensions(cmd_parms *cmd, void *dirv,
                                    const char *words)
{
    const char *err;
    scep_profile_t *profile = mod_scep_conf_section(cmd, dirv, &err);

    if (!err)
        err = objects(cmd, words, 1, profile->extensions);
    for (int i = 0; !err && i < profile->extensions->nelts; i++) {
        const ASN1_OBJECT *type =
            APR_ARRAY_IDX(profile->extensions, i, ASN1_OBJECT *);
        switch (OBJ_obj2nid(type)) {
        case NID_subject_alt_name:
        case NID_basic_constraints:
        case NID_key_usage:
        case NID_ext_key_usage:
        case NID_subject_key_identifier:
        case NID_authority_key_identifier:
            err = mod_scep_conf_error(cmd,
                                      "%s is never copied as it is; "
                                      "the profile's own directives decide",
                                      OBJ_nid2ln(OBJ_obj2nid(type)));
        }
    }
    return err;
}

const char *mod_scep_set_ext_key_usage(cmd_parms *cmd, void *dirv,
                                       const char *words)
{
    const char *err;
    scep_profile_t *profile = mod_scep_conf_section(cmd, dirv, &err);

    return err ? err : objects(cmd, words, 0, profile->ext_key_usage);
}

static unsigned int key_usage_by_name(const char *word)
{
    static const struct {
        const char *name;
        unsigned int bit;
    } usages[] = {
        { "digitalSignature", KU_DIGITAL_SIGNATURE },
        { "nonRepudiation", KU_NON_REPUDIATION },
        { "keyEncipherment", KU_KEY_ENCIPHERMENT },
        { "dataEncipherment", KU_DATA_ENCIPHERMENT },
        { "keyAgreement", KU_KEY_AGREEMENT },
    };

    for (unsigned int i = 0; i < sizeof(usages) / sizeof(*usages); i++)
        if (!strcasecmp(word, usages[i].name))
            return usages[i].bit;
    return 0;
}

const char *mod_scep_set_key_usage(cmd_parms *cmd, void *dirv,
                                   const char *words)
{
    const char *err;
    scep_profile_t *profile = mod_scep_conf_section(cmd, dirv, &err);

    return err ? err
               : mod_scep_conf_set(
                     cmd, words, key_usage_by_name, ~0u,
                     "digitalSignature nonRepudiation "
                     "keyEncipherment dataEncipherment keyAgreement",
                     &profile->enrol.key_usage);
}

const char *mod_scep_set_validity(cmd_parms *cmd, void *dirv, const char *time)
{
    const char *err;
    scep_profile_t *profile = mod_scep_conf_section(cmd, dirv, &err);

    return err ? err
               : mod_scep_conf_positive_time(cmd, time,
                                             &profile->enrol.validity);
}

const char *mod_scep_set_max_clock_skew(cmd_parms *cmd, void *dirv,
                                        const char *time)
{
    const char *err;
    scep_profile_t *profile = mod_scep_conf_section(cmd, dirv, &err);

    if (!err && !strcasecmp(time, "off")) {
        profile->rule.max_skew = 0;
        return NULL;
    }
    return err ? err
               : mod_scep_conf_positive_time(cmd, time,
                                             &profile->rule.max_skew);
}

/* One word of two: *value becomes 0 for the first, 1 for the second. */
static const char *either(cmd_parms *cmd, const char *word, const char *first,
                          const char *second, int *value)
{
    if (strcasecmp(word, first) && strcasecmp(word, second)) {
        return mod_scep_conf_unknown(cmd, word,
                                     apr_psprintf(cmd->pool, "%s %s", first,
                                                  second));
    }
    *value = !strcasecmp(word, second);
    return NULL;
}

const char *mod_scep_set_reply_certificates(cmd_parms *cmd, void *dirv,
                                            const char *word)
{
    static const char *const words[] = { [SCEP_REPLY_LEAF] = "leaf",
                                         [SCEP_REPLY_CA] = "ca",
                                         [SCEP_REPLY_CHAIN] = "chain" };
    const char *err;
    scep_profile_t *profile = mod_scep_conf_section(cmd, dirv, &err);

    if (err)
        return err;
    for (unsigned int i = 0; i < sizeof(words) / sizeof(*words); i++) {
        if (!strcasecmp(word, words[i])) {
            profile->reply_certs = i;
            return NULL;
        }
    }
    return mod_scep_conf_unknown(cmd, word, "leaf ca chain");
}

const char *mod_scep_set_failure_content(cmd_parms *cmd, void *dirv,
                                         const char *word)
{
    const char *err;
    scep_profile_t *profile = mod_scep_conf_section(cmd, dirv, &err);

    return err ? err
               : either(cmd, word, "empty", "absent",
                        &profile->reply_form.content_absent);
}

const char *mod_scep_set_reply_signer(cmd_parms *cmd, void *dirv, int on)
{
    const char *err;
    scep_profile_t *profile = mod_scep_conf_section(cmd, dirv, &err);

    if (!err)
        profile->reply_form.signer_absent = !on;
    return err;
}

const char *mod_scep_set_reply_key_transport(cmd_parms *cmd, void *dirv,
                                             const char *word)
{
    const char *err;
    scep_profile_t *profile = mod_scep_conf_section(cmd, dirv, &err);

    return err ? err
               : either(cmd, word, "mirror", "pkcs1",
                        &profile->reply_form.force_pkcs1);
}
