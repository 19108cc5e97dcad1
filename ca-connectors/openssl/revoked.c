/* revoked.c - what a local CA has revoked, and the CRL that says so
 * SPDX-License-Identifier: Apache-2.0
 */
#include "revoked.h"

#include <apr_escape.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "../state/state_dir.h"

#define FILE_NAME "crl.pem"
#define LOCK_NAME "lock"
#define FILE_MAX (256 * 1024 * 1024)
/* Octets of a serial number that is worth a line. */
#define SERIAL_MAX 64

/* One line: SERIAL REVOKED REASON NOT-AFTER, the times in seconds. */
typedef struct entry_t {
    const char *serial; /* hex, lower case */
    apr_int64_t revoked;
    int reason;
    apr_int64_t not_after;
} entry_t;

/* ------------------------------------------------------------------ */
/* The file                                                             */

static int read_number(const char **at, apr_int64_t *number)
{
    char *end;

    if (!apr_isdigit(**at))
        return 0;
    errno = 0;
    *number = apr_strtoi64(*at, &end, 10);
    *at = end + (*end == ' ');
    return errno == 0;
}

static const char *read_entry(entry_t *entry, const char *line, apr_pool_t *p)
{
    apr_size_t len = strspn(line, "0123456789abcdef");
    const char *at = line + len;
    apr_int64_t reason;

    if (len == 0 || len % 2 || len > 2 * SERIAL_MAX || *at++ != ' ' ||
        !read_number(&at, &entry->revoked) || !read_number(&at, &reason) ||
        reason > 10 || !read_number(&at, &entry->not_after) || *at != '\n')
        return NULL;
    entry->serial = apr_pstrmemdup(p, line, len);
    entry->reason = (int)reason;
    return at + 1;
}

static int count_of(X509_CRL *crl)
{
    int count = sk_X509_REVOKED_num(X509_CRL_get_REVOKED(crl));

    return count < 0 ? 0 : count; /* -1: no list at all */
}

/* @return NULL, or that the file is damaged */
static const char *read_list(const char *data, apr_size_t len,
                             apr_array_header_t *entries, X509_CRL **crl,
                             apr_pool_t *p)
{
    const char *at = data;
    BIO *in;

    while (at && *at && *at != '-') {
        entry_t entry;

        if ((at = read_entry(&entry, at, p)))
            APR_ARRAY_PUSH(entries, entry_t) = entry;
    }
    if (at) {
        in = BIO_new_mem_buf(at, (int)(len - (apr_size_t)(at - data)));
        *crl = in ? PEM_read_bio_X509_CRL(in, NULL, NULL, NULL) : NULL;
        BIO_free(in);
    }
    ERR_clear_error();
    if (*crl && count_of(*crl) == entries->nelts)
        return NULL;
    X509_CRL_free(*crl);
    *crl = NULL;
    return "its list of revoked certificates, " FILE_NAME
           " in ScepStateDir, is damaged: put back the one of a backup";
}

/* With the file locked.  *crl is NULL where there is none yet. */
static const char *load(const scep_revoked_t *list,
                        apr_array_header_t *entries, X509_CRL **crl,
                        apr_pool_t *p)
{
    struct stat unknown = { 0 };
    char *data;
    apr_size_t len;
    apr_status_t rv = scep_state_dir_read(list->dir, FILE_NAME, FILE_MAX,
                                          &unknown, &data, &len, p);

    *crl = NULL;
    if (APR_STATUS_IS_ENOENT(rv))
        return NULL;
    if (rv != APR_SUCCESS || !data)
        return "its list of revoked certificates cannot be read";
    return read_list(data, len, entries, crl, p);
}

/* ------------------------------------------------------------------ */
/* The CRL                                                              */

static int add_entry(X509_CRL *crl, const entry_t *entry)
{
    unsigned char octets[SERIAL_MAX];
    apr_size_t len = 0;
    X509_REVOKED *row = X509_REVOKED_new();
    ASN1_INTEGER *serial = ASN1_INTEGER_new();
    ASN1_TIME *when = ASN1_TIME_set(NULL, (time_t)entry->revoked);
    ASN1_ENUMERATED *reason = ASN1_ENUMERATED_new();
    int good = row && serial && when && reason &&
               apr_unescape_hex(octets, entry->serial, APR_ESCAPE_STRING, 0,
                                &len) == APR_SUCCESS &&
               ASN1_STRING_set(serial, octets, (int)len) &&
               X509_REVOKED_set_serialNumber(row, serial) &&
               X509_REVOKED_set_revocationDate(row, when);

    /* RFC 5280 section 5.3.1: "unspecified" is not written */
    if (good && entry->reason != CRL_REASON_UNSPECIFIED) {
        good = ASN1_ENUMERATED_set(reason, entry->reason) &&
               X509_REVOKED_add1_ext_i2d(row, NID_crl_reason, reason, 0, 0);
    }
    good = good && X509_CRL_add0_revoked(crl, row);
    if (!good)
        X509_REVOKED_free(row);
    ASN1_ENUMERATED_free(reason);
    ASN1_TIME_free(when);
    ASN1_INTEGER_free(serial);
    return good;
}

/* Goes up also where the file was lost and begins anew. */
static int add_number(X509_CRL *crl, X509_CRL *before, apr_time_t now)
{
    ASN1_INTEGER *last =
        before ? X509_CRL_get_ext_d2i(before, NID_crl_number, NULL, NULL)
               : NULL;
    ASN1_INTEGER *number = ASN1_INTEGER_new();
    apr_int64_t value = 0;
    int good = number && (!last || ASN1_INTEGER_get_int64(&value, last));

    value = value < apr_time_sec(now) ? apr_time_sec(now) : value + 1;
    good = good && ASN1_INTEGER_set_int64(number, value) &&
           X509_CRL_add1_ext_i2d(crl, NID_crl_number, number, 0, 0) == 1;
    ASN1_INTEGER_free(number);
    ASN1_INTEGER_free(last);
    return good;
}

static int add_authority_key_id(X509_CRL *crl, const scep_issuer_t *issuer)
{
    int i = X509v3_get_ext_by_NID(issuer->extensions,
                                  NID_authority_key_identifier, -1);

    return i >= 0 &&
           X509_CRL_add_ext(crl,
                            sk_X509_EXTENSION_value(issuer->extensions, i),
                            -1);
}

static X509_CRL *make(const scep_revoked_t *list,
                      const apr_array_header_t *entries, X509_CRL *before,
                      apr_time_t now)
{
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *from = ASN1_TIME_set(NULL, (time_t)apr_time_sec(now));
    ASN1_TIME *until =
        ASN1_TIME_set(NULL, (time_t)apr_time_sec(now + list->life));
    int good =
        crl && from && until &&
        X509_CRL_set_version(crl, X509_CRL_VERSION_2) &&
        X509_CRL_set_issuer_name(crl,
                                 X509_get_subject_name(list->issuer->ca)) &&
        X509_CRL_set1_lastUpdate(crl, from) &&
        X509_CRL_set1_nextUpdate(crl, until) &&
        add_authority_key_id(crl, list->issuer) &&
        add_number(crl, before, now);

    for (int i = 0; good && i < entries->nelts; i++)
        good = add_entry(crl, &APR_ARRAY_IDX(entries, i, entry_t));
    good =
        good && X509_CRL_sort(crl) && scep_issuer_sign_crl(list->issuer, crl);
    ASN1_TIME_free(from);
    ASN1_TIME_free(until);
    if (!good) {
        X509_CRL_free(crl);
        crl = NULL;
    }
    return crl;
}

static const char *store(const scep_revoked_t *list,
                         const apr_array_header_t *entries, X509_CRL *crl,
                         apr_pool_t *p)
{
    BIO *out = BIO_new(BIO_s_mem());
    const char *fault = NULL;
    char *data;
    long len;

    for (int i = 0; out && i < entries->nelts; i++) {
        const entry_t *entry = &APR_ARRAY_IDX(entries, i, entry_t);

        BIO_puts(out, apr_psprintf(p,
                                   "%s %" APR_INT64_T_FMT
                                   " %d %" APR_INT64_T_FMT "\n",
                                   entry->serial, entry->revoked,
                                   entry->reason, entry->not_after));
    }
    if (!out || PEM_write_bio_X509_CRL(out, crl) != 1)
        fault = scep_issuer_error("the CRL cannot be written", p);
    else if ((len = BIO_get_mem_data(out, &data)) <= 0 ||
             scep_state_dir_write(list->dir, FILE_NAME, data, (apr_size_t)len,
                                  p) != APR_SUCCESS)
        fault = "the CRL cannot be written to ScepStateDir";
    BIO_free(out);
    return fault;
}

/* ------------------------------------------------------------------ */
/* Changes, one at a time over all processes                            */

static int lock(const scep_revoked_t *list)
{
    int fd = openat(list->dir, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int taken = -1;

    while (fd >= 0 && (taken = flock(fd, LOCK_EX)) != 0 && errno == EINTR)
        continue;
    if (fd >= 0 && taken != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static int is_listed(const apr_array_header_t *entries, const char *serial)
{
    for (int i = 0; i < entries->nelts; i++)
        if (!strcmp(APR_ARRAY_IDX(entries, i, entry_t).serial, serial))
            return 1;
    return 0;
}

static void drop_old(apr_array_header_t *entries, apr_time_t now)
{
    int kept = 0;

    for (int i = 0; i < entries->nelts; i++) {
        const entry_t *entry = &APR_ARRAY_IDX(entries, i, entry_t);

        if (apr_time_from_sec(entry->not_after) + SCEP_REVOKED_KEPT > now)
            APR_ARRAY_IDX(entries, kept++, entry_t) = *entry;
    }
    entries->nelts = kept;
}

static int is_young(const X509_CRL *crl, apr_interval_time_t life,
                    apr_time_t now)
{
    time_t half = (time_t)apr_time_sec(now + life / 2);
    const ASN1_TIME *end = X509_CRL_get0_nextUpdate(crl);

    return end && X509_cmp_time(end, &half) > 0;
}

/* @param entry  to be added, or NULL: a new CRL, unless another process has
 *               made one meanwhile */
static const char *change(scep_revoked_t *list, const entry_t *entry,
                          apr_time_t now, apr_pool_t *p)
{
    apr_array_header_t *entries = apr_array_make(p, 16, sizeof(entry_t));
    X509_CRL *before = NULL, *crl = NULL;
    const char *fault;
    int fd = lock(list);

    if (fd < 0)
        return "its list of revoked certificates cannot be locked";
    fault = load(list, entries, &before, p);
    if (fault || (entry ? is_listed(entries, entry->serial)
                        : before && is_young(before, list->life, now)))
        goto leave;
    drop_old(entries, now);
    if (entry)
        APR_ARRAY_PUSH(entries, entry_t) = *entry;
    if (!(crl = make(list, entries, before, now)))
        fault = scep_issuer_error("the CRL cannot be made", p);
    else
        fault = store(list, entries, crl, p);
leave:
    X509_CRL_free(crl);
    X509_CRL_free(before);
    close(fd);
    ERR_clear_error();
    return fault;
}

/* ------------------------------------------------------------------ */

static apr_status_t forget(void *listv)
{
    scep_revoked_t *list = listv;

    X509_CRL_free(list->crl);
    list->crl = NULL;
    memset(&list->file, 0, sizeof(list->file));
    return APR_SUCCESS;
}

apr_status_t scep_revoked_init(scep_revoked_t *list, apr_pool_t *p)
{
    apr_pool_cleanup_register(p, list, forget, apr_pool_cleanup_null);
    return apr_thread_mutex_create(&list->mutex, APR_THREAD_MUTEX_DEFAULT, p);
}

static const char *check(const scep_revoked_t *list)
{
    if (!list->issuer->key)
        return "the CA's key is not loaded";
    return X509_get_key_usage(list->issuer->ca) & KU_CRL_SIGN
               ? NULL
               : "the CA's certificate may not sign CRLs: its keyUsage lacks "
                 "cRLSign";
}

const char *scep_revoked_add(scep_revoked_t *list, const X509 *certificate,
                             int reason, apr_time_t now, apr_pool_t *p)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(certificate);
    const char *fault = check(list);
    entry_t entry = { .revoked = apr_time_sec(now), .reason = reason };

    ERR_clear_error();
    if (!fault &&
        (X509_NAME_cmp(X509_get_issuer_name(certificate),
                       X509_get_subject_name(list->issuer->ca)) != 0 ||
         X509_verify((X509 *)certificate,
                     X509_get0_pubkey(list->issuer->ca)) != 1))
        fault = "the certificate is not of this CA";
    if (!fault && (serial->length < 1 || serial->length > SERIAL_MAX ||
                   !scep_issuer_seconds(X509_get0_notAfter(certificate),
                                        &entry.not_after)))
        fault = "the certificate cannot be listed";
    ERR_clear_error();
    if (fault)
        return fault;
    entry.serial = apr_pescape_hex(p, serial->data, serial->length, 0);
    return change(list, &entry, now, p);
}

/* What the file has now, into *list.  With the mutex held. */
static const char *refresh(scep_revoked_t *list, apr_pool_t *p)
{
    apr_array_header_t *entries;
    apr_pool_t *scratch;
    const char *fault = NULL;
    char *data;
    apr_size_t len;
    apr_status_t rv;

    apr_pool_create(&scratch, p);
    rv = scep_state_dir_read(list->dir, FILE_NAME, FILE_MAX, &list->file,
                             &data, &len, scratch);
    if (rv != APR_SUCCESS) {
        forget(list);
        if (!APR_STATUS_IS_ENOENT(rv))
            fault = "its list of revoked certificates cannot be read";
    } else if (data) {
        X509_CRL_free(list->crl);
        list->crl = NULL;
        entries = apr_array_make(scratch, 16, sizeof(entry_t));
        fault = read_list(data, len, entries, &list->crl, scratch);
        if (fault)
            forget(list);
    }
    apr_pool_destroy(scratch);
    return fault;
}

static apr_status_t free_crl(void *crl)
{
    X509_CRL_free(crl);
    return APR_SUCCESS;
}

const char *scep_revoked_crl(scep_revoked_t *list, X509_CRL **crl,
                             apr_time_t now, apr_pool_t *p)
{
    const char *fault = check(list);

    if (fault)
        return fault;
    apr_thread_mutex_lock(list->mutex);
    fault = refresh(list, p);
    if (!fault && !(list->crl && is_young(list->crl, list->life, now)) &&
        !(fault = change(list, NULL, now, p)))
        fault = refresh(list, p);
    if (!fault && list->crl && X509_CRL_up_ref(list->crl)) {
        apr_pool_cleanup_register(p, list->crl, free_crl,
                                  apr_pool_cleanup_null);
        *crl = list->crl;
    } else if (!fault) {
        fault = "the CRL cannot be kept";
    }
    apr_thread_mutex_unlock(list->mutex);
    return fault;
}
