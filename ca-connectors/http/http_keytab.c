/* http_keytab.c - Kerberos keys in memory, tickets in memory
 * SPDX-License-Identifier: Apache-2.0
 */
#include "http_keytab.h"

#include <errno.h>
#include <unistd.h>

#include <apr_file_info.h>
#include <apr_strings.h>
#include <krb5.h>

/* A reading under way, then its outcome. */
typedef struct reading_t {
    krb5_context context;
    krb5_keytab file, copy;
    krb5_principal wanted; /**< NULL: that of the first entry */
    int found;
    apr_pool_t *p;
} reading_t;

static apr_status_t reading_cleanup(void *readingv)
{
    reading_t *reading = readingv;

    if (reading->file)
        krb5_kt_close(reading->context, reading->file);
    if (reading->copy)
        krb5_kt_close(reading->context, reading->copy);
    krb5_free_principal(reading->context, reading->wanted);
    if (reading->context)
        krb5_free_context(reading->context);
    return APR_SUCCESS;
}

static const char *text_of(reading_t *reading, krb5_error_code code)
{
    const char *message = krb5_get_error_message(reading->context, code);
    const char *copy = apr_pstrdup(reading->p, message);

    krb5_free_error_message(reading->context, message);
    return copy;
}

static krb5_error_code take_entry(reading_t *reading, krb5_keytab_entry *entry)
{
    krb5_error_code code = 0;

    if (!reading->wanted)
        code = krb5_copy_principal(reading->context, entry->principal,
                                   &reading->wanted);
    if (!code && krb5_principal_compare(reading->context, reading->wanted,
                                        entry->principal)) {
        code = krb5_kt_add_entry(reading->context, reading->copy, entry);
        reading->found = 1;
    }
    return code;
}

static krb5_error_code take_entries(reading_t *reading)
{
    krb5_kt_cursor cursor;
    krb5_keytab_entry entry;
    krb5_error_code code =
        krb5_kt_start_seq_get(reading->context, reading->file, &cursor);

    if (code)
        return code;
    while (!code) {
        code = krb5_kt_next_entry(reading->context, reading->file, &entry,
                                  &cursor);
        if (code)
            break;
        code = take_entry(reading, &entry);
        krb5_free_keytab_entry_contents(reading->context, &entry);
    }
    krb5_kt_end_seq_get(reading->context, reading->file, &cursor);
    return code == KRB5_KT_END ? 0 : code;
}

static const char *check_file(const char *file, apr_pool_t *p)
{
    apr_finfo_t info;
    char reason[120];
    apr_status_t rv =
        apr_stat(&info, file, APR_FINFO_PROT | APR_FINFO_TYPE, p);

    if (rv == APR_SUCCESS && access(file, R_OK))
        rv = APR_FROM_OS_ERROR(errno);
    if (rv != APR_SUCCESS)
        return apr_psprintf(p, "cannot read the keytab %s: %s", file,
                            apr_strerror(rv, reason, sizeof(reason)));
    if (info.filetype != APR_REG)
        return apr_psprintf(p, "the keytab %s is no file", file);
    if (info.protection &
        (APR_FPROT_WREAD | APR_FPROT_GWRITE | APR_FPROT_WWRITE))
        return apr_psprintf(
            p, "the keytab %s can be read or changed by others: chmod 600 it",
            file);
    return NULL;
}

static krb5_error_code read_file(reading_t *reading, const char *file,
                                 const char *principal,
                                 scep_http_keytab_t *keytab)
{
    apr_pool_t *p = reading->p;
    krb5_context context = reading->context;
    krb5_error_code code;
    char *name = NULL;

    /* The process has one list of them; a reading's address is its own. */
    keytab->name = apr_psprintf(p, "MEMORY:scep-%pp", (void *)reading);
    code = krb5_kt_resolve(context, apr_pstrcat(p, "FILE:", file, NULL),
                           &reading->file);
    if (!code)
        code = krb5_kt_resolve(context, keytab->name, &reading->copy);
    if (!code && principal)
        code = krb5_parse_name(context, principal, &reading->wanted);
    if (!code)
        code = take_entries(reading);
    if (!code && reading->wanted)
        code = krb5_unparse_name(context, reading->wanted, &name);
    if (!code) {
        keytab->principal = apr_pstrdup(p, name ? name : principal);
        krb5_free_unparsed_name(context, name);
    }
    return code;
}

const char *scep_http_keytab_read(const char *file, const char *principal,
                                  scep_http_keytab_t *keytab, apr_pool_t *p)
{
    reading_t *reading = apr_pcalloc(p, sizeof(*reading));
    const char *err = check_file(file, p);
    krb5_error_code code;

    if (err)
        return err;
    reading->p = p;
    code = krb5_init_context(&reading->context);
    if (code) {
        reading->context = NULL;
        return apr_psprintf(p, "Kerberos cannot be set up: %s",
                            text_of(reading, code));
    }
    apr_pool_cleanup_register(p, reading, reading_cleanup,
                              apr_pool_cleanup_null);
    code = read_file(reading, file, principal, keytab);
    if (code) {
        err =
            apr_psprintf(p, "the keytab %s: %s", file, text_of(reading, code));
    } else if (!reading->found) {
        err = apr_psprintf(p, "the keytab %s has no key of %s", file,
                           principal ? keytab->principal : "anyone");
    }
    return err;
}

void scep_http_keytab_end_cache(const char *name)
{
    krb5_context context;
    krb5_ccache cache;

    if (krb5_init_context(&context))
        return;
    if (!krb5_cc_resolve(context, name, &cache))
        (void)krb5_cc_destroy(context, cache);
    krb5_free_context(context);
}
