/* policy_force.c - attributes that the profile sets in a subject
 * SPDX-License-Identifier: Apache-2.0
 */
#include "policy_force.h"

#include <string.h>

#include <apr_strings.h>

#include <openssl/err.h>

static apr_status_t free_name(void *name)
{
    X509_NAME_free(name);
    return APR_SUCCESS;
}

static const char *value_of(const scep_policy_force_t *force,
                            const char *device, apr_pool_t *p)
{
    return force->after
               ? apr_pstrcat(p, force->before, device, force->after, NULL)
               : force->before;
}

/* In the type of string and of the length that the attribute may have. */
static X509_NAME_ENTRY *make_entry(const ASN1_OBJECT *type, const char *value)
{
    return X509_NAME_ENTRY_create_by_OBJ(NULL, type, MBSTRING_UTF8,
                                         (const unsigned char *)value, -1);
}

const char *scep_policy_force_parse(scep_policy_force_t *force,
                                    const char *text, apr_pool_t *p)
{
    X509_NAME_ENTRY *entry;
    X509_NAME *name;
    const char *error = scep_name_parse(&name, text, p), *value, *device;

    if (error)
        return error;
    if (X509_NAME_entry_count(name) != 1)
        return "give one attribute and its value";
    entry = X509_NAME_get_entry(name, 0);
    force->type = X509_NAME_ENTRY_get_object(entry);
    value = scep_name_utf8(X509_NAME_ENTRY_get_data(entry), p);
    device = strstr(value, SCEP_POLICY_DEVICE);
    force->before = value;
    force->after = NULL;
    if (device) {
        force->before = apr_pstrmemdup(p, value, (apr_size_t)(device - value));
        force->after = device + strlen(SCEP_POLICY_DEVICE);
    }
    if (strstr(force->before, "%{") ||
        (force->after && strstr(force->after, "%{")))
        return "of the form %{...} there is " SCEP_POLICY_DEVICE
               " alone, and once";
    value = value_of(force, "1", p);
    entry = *value ? make_entry(force->type, value) : NULL;
    ERR_clear_error();
    if (*value && !entry)
        return "the attribute cannot have this value";
    X509_NAME_ENTRY_free(entry);
    return NULL;
}

/* Whether an entry shares its RDN with another. */
static int is_joined(const X509_NAME *name, int at)
{
    int set = X509_NAME_ENTRY_set(X509_NAME_get_entry(name, at));

    return (at > 0 &&
            X509_NAME_ENTRY_set(X509_NAME_get_entry(name, at - 1)) == set) ||
           (at + 1 < X509_NAME_entry_count(name) &&
            X509_NAME_ENTRY_set(X509_NAME_get_entry(name, at + 1)) == set);
}

static int set_attribute(X509_NAME *name, const ASN1_OBJECT *type,
                         const char *value)
{
    X509_NAME_ENTRY *entry = NULL;
    int at, place = -1, ok;

    while ((at = X509_NAME_get_index_by_OBJ(name, type, -1)) >= 0) {
        if (place < 0 && !is_joined(name, at))
            place = at;
        X509_NAME_ENTRY_free(X509_NAME_delete_entry(name, at));
    }
    if (!*value)
        return 1;
    entry = make_entry(type, value);
    ok = entry && X509_NAME_add_entry(name, entry, place, 0);
    X509_NAME_ENTRY_free(entry);
    return ok;
}

const char *scep_policy_force_subject(const apr_array_header_t *force,
                                      const char *device,
                                      const X509_NAME **subject, apr_pool_t *p)
{
    X509_NAME *name = X509_NAME_dup(*subject);

    if (!name)
        return "out of memory";
    apr_pool_cleanup_register(p, name, free_name, apr_pool_cleanup_null);
    for (int i = 0; i < force->nelts; i++) {
        const scep_policy_force_t *one =
            &APR_ARRAY_IDX(force, i, scep_policy_force_t);
        const char *value = value_of(one, device, p);

        if (!set_attribute(name, one->type, value)) {
            ERR_clear_error();
            return apr_psprintf(p, "%s cannot be \"%s\"",
                                scep_name_oid_text(one->type, p), value);
        }
    }
    /* OpenSSL encodes it when it is first wanted, and several threads may */
    if (i2d_X509_NAME(name, NULL) < 0) {
        ERR_clear_error();
        return "out of memory";
    }
    *subject = name;
    return NULL;
}

/* The first attribute that has the device in it; NULL: there is none. */
static const scep_policy_force_t *with_device(const scep_policy_t *policy)
{
    for (int i = 0; policy->force && i < policy->force->nelts; i++) {
        const scep_policy_force_t *force =
            &APR_ARRAY_IDX(policy->force, i, scep_policy_force_t);

        if (force->after)
            return force;
    }
    return NULL;
}

int scep_policy_wants_device(const scep_policy_t *policy)
{
    return with_device(policy) != NULL;
}

const char *scep_policy_device(const scep_policy_t *policy,
                               const X509_NAME *subject, apr_pool_t *p)
{
    const scep_policy_force_t *force = with_device(policy);
    const char *value = NULL;
    size_t before, after, len;
    int at = force ? X509_NAME_get_index_by_OBJ(subject, force->type, -1) : -1;

    if (at >= 0 && X509_NAME_get_index_by_OBJ(subject, force->type, at) < 0)
        value = scep_name_utf8(X509_NAME_ENTRY_get_data(
                                   X509_NAME_get_entry(subject, at)),
                               p);
    if (!value)
        return NULL;
    len = strlen(value);
    before = strlen(force->before);
    after = strlen(force->after);
    if (len <= before + after || strncmp(value, force->before, before) ||
        strcmp(value + len - after, force->after))
        return NULL;
    return apr_pstrmemdup(p, value + before, len - before - after);
}
