/* counters.c - counts of events that all processes share
 * SPDX-License-Identifier: Apache-2.0
 *
 * The parent maps the file once, before there are children, and keeps the
 * mapping over reloads.  The counts only limit: where the file cannot be
 * used the server starts all the same, and says so.
 */
#include "counters.h"

#include <apr_strings.h>
#include <http_main.h>
#include <openssl/err.h>
#include <openssl/rand.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/counter_table.h"
#include "state_file.h"

/* No challenge store's file: those end in ".shm". */
#define FILE_NAME "counters.map"
#define CELLS 65536
#define RETAINED "mod_scep_counters_1"

/* A mapping; it outlives reloads, so nothing in it points into the DSO. */
typedef struct mapping_t {
    struct mapping_t *next;
    const char *path;
    void *mem;
    apr_size_t size;
    int in_file;
} mapping_t;

static scep_counters_t *counters;
static const mapping_t *mapped;
static int sync_failed;

/* ------------------------------------------------------------------ */
/* The file                                                             */

/* Lays out a table in memory that is shared and empty. */
static apr_status_t lay_out(void *mem)
{
    unsigned char seed[SCEP_COUNTERS_SEED_LEN];

    if (RAND_bytes(seed, sizeof(seed)) != 1) {
        ERR_clear_error();
        return APR_EGENERAL;
    }
    scep_counters_format(mem, CELLS, seed);
    return APR_SUCCESS;
}

static void *map(int fd, apr_size_t size)
{
    void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
                     MAP_SHARED | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);

    return mem == MAP_FAILED ? NULL : mem;
}

/*
 * Makes a table under a temporary name and puts it in the path's place.
 * APR_EEXIST: another server was quicker, and its table is as good.
 */
static apr_status_t create(mapping_t *mapping, int replace, apr_pool_t *p)
{
    const char *name = mod_scep_state_file_temporary(mapping->path, p);
    apr_size_t size = scep_counters_size(CELLS);
    apr_status_t rv;
    void *mem = NULL;
    int fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0)
        return errno;
    /* Reserved now: a disk that fills up later would be a SIGBUS. */
    rv = posix_fallocate(fd, 0, (off_t)size);
    if (rv == APR_SUCCESS) {
        mem = map(fd, size);
        rv = mem ? lay_out(mem) : errno;
    }
    if (rv == APR_SUCCESS &&
        (msync(mem, size, MS_SYNC) != 0 || fsync(fd) != 0 ||
         (replace ? rename(name, mapping->path) : link(name, mapping->path)) !=
             0 ||
         !mod_scep_state_file_sync(mapping->path, p)))
        rv = errno;
    close(fd);
    unlink(name);
    if (rv != APR_SUCCESS) {
        if (mem)
            munmap(mem, size);
        return rv;
    }
    mapping->mem = mem;
    mapping->size = size;
    return APR_SUCCESS;
}

/* Maps the file that is there.  APR_ENOENT: none is; APR_EINVAL: it is not
 * what it should be, and *error says why. */
static apr_status_t reuse(mapping_t *mapping, const char **error,
                          apr_pool_t *p)
{
    scep_counters_t *found;
    struct stat info;
    apr_status_t rv;
    int fd = open(mapping->path, O_RDWR | O_CLOEXEC);

    if (fd < 0)
        return errno;
    *error = "it is no table of counts";
    rv = fstat(fd, &info) == 0 ? APR_SUCCESS : errno;
    if (rv == APR_SUCCESS &&
        (!S_ISREG(info.st_mode) ||
         (apr_size_t)info.st_size < scep_counters_size(1)))
        rv = APR_EINVAL;
    if (rv == APR_SUCCESS) {
        mapping->size = (apr_size_t)info.st_size;
        mapping->mem = map(fd, mapping->size);
        rv = mapping->mem ? APR_SUCCESS : errno;
    }
    close(fd);
    if (rv == APR_SUCCESS &&
        scep_counters_open(&found, mapping->mem, mapping->size, error, p) !=
            APR_SUCCESS) {
        munmap(mapping->mem, mapping->size);
        rv = APR_EINVAL;
    }
    return rv;
}

static apr_status_t open_file(mapping_t *mapping, server_rec *s, apr_pool_t *p)
{
    const char *error;
    apr_status_t rv = APR_EEXIST;

    for (int turn = 0; turn < 3 && APR_STATUS_IS_EEXIST(rv); turn++) {
        rv = reuse(mapping, &error, p);
        if (rv == APR_EINVAL) {
            ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                         SCEPLOGNO(0140) "%s is replaced by an empty table, "
                                         "and what ScepLockout and the daily "
                                         "limits have counted is forgotten: "
                                         "%s",
                         mapping->path, error);
        } else if (!APR_STATUS_IS_ENOENT(rv)) {
            return rv;
        }
        rv = create(mapping, rv == APR_EINVAL, p);
    }
    return rv;
}

/* ------------------------------------------------------------------ */
/* The table                                                            */

static apr_status_t make(mapping_t *mapping, const char *state_dir,
                         server_rec *s, apr_pool_t *p)
{
    apr_status_t rv = open_file(mapping, s, p);

    if (APR_STATUS_IS_ENOENT(rv) && mkdir(state_dir, 0700) == 0)
        rv = open_file(mapping, s, p);
    mapping->in_file = rv == APR_SUCCESS;
    if (rv == APR_SUCCESS)
        return rv;
    ap_log_error(APLOG_MARK, APLOG_WARNING, rv, s,
                 SCEPLOGNO(0141) "%s cannot be used: what ScepLockout and "
                                 "the daily limits count is forgotten when "
                                 "httpd stops",
                 mapping->path);
    mapping->size = scep_counters_size(CELLS);
    mapping->mem = map(-1, mapping->size);
    rv = mapping->mem ? lay_out(mapping->mem) : errno;
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, rv, s,
                     SCEPLOGNO(0142) "no memory for the counts of events");
    }
    return rv;
}

apr_status_t mod_scep_counters_open(const char *state_dir, server_rec *s,
                                    apr_pool_t *pconf)
{
    const char *path = apr_pstrcat(pconf, state_dir, "/" FILE_NAME, NULL);
    mapping_t **mappings = ap_retained_data_get(RETAINED);
    mapping_t *mapping;
    const char *error;
    apr_status_t rv;

    if (!mappings)
        mappings = ap_retained_data_create(RETAINED, sizeof(*mappings));
    for (mapping = *mappings; mapping && strcmp(mapping->path, path);)
        mapping = mapping->next;
    if (!mapping) {
        mapping = apr_pcalloc(ap_pglobal, sizeof(*mapping));
        mapping->path = apr_pstrdup(ap_pglobal, path);
        rv = make(mapping, state_dir, s, pconf);
        if (rv != APR_SUCCESS)
            return rv;
        mapping->next = *mappings;
        *mappings = mapping;
    }
    rv = scep_counters_open(&counters, mapping->mem, mapping->size, &error,
                            pconf);
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, rv, s,
                     SCEPLOGNO(0143) "the counts of events cannot be used: "
                                     "%s",
                     error);
        return rv;
    }
    mapped = mapping;
    return APR_SUCCESS;
}

void mod_scep_counters_maintain(server_rec *s)
{
    int failed =
        mapped->in_file && msync(mapped->mem, mapped->size, MS_SYNC) != 0;

    if (failed && !sync_failed) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, errno, s,
                     SCEPLOGNO(0144) "%s cannot be made durable",
                     mapped->path);
    }
    sync_failed = failed;
}

apr_uint32_t mod_scep_counters_add(const char *key, apr_interval_time_t window,
                                   apr_time_t now)
{
    return scep_counters_add(counters, key, window, now);
}

apr_uint32_t mod_scep_counters_add_many(const char *key, apr_uint32_t number,
                                        apr_interval_time_t window,
                                        apr_time_t now)
{
    return scep_counters_add_many(counters, key, number, window, now);
}

void mod_scep_counters_undo(const char *key, apr_time_t now)
{
    scep_counters_undo(counters, key, now);
}

apr_uint32_t mod_scep_counters_forget(const char *key, apr_time_t now)
{
    return scep_counters_forget(counters, key, now);
}

apr_uint32_t mod_scep_counters_get(const char *key, apr_time_t now,
                                   apr_time_t *ends)
{
    return scep_counters_get(counters, key, now, ends);
}
