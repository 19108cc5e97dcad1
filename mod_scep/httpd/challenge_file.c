/* challenge_file.c - the file behind a challenge table, and its key
 * SPDX-License-Identifier: Apache-2.0
 *
 * Whoever maps a table holds a shared lock on it; who gets the exclusive one
 * is alone with it.
 */
#include "challenge_file.h"

#include <apr_strings.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "state_file.h"

static apr_status_t load_key(scep_challenge_file_t *file, server_rec *s,
                             apr_pool_t *p)
{
    apr_status_t rv = mod_scep_state_key_load(file->key, file->key_path, s);

    if (rv != APR_ENOENT)
        return rv;
    if (access(file->path, F_OK) == 0) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, 0, s,
                     SCEPLOGNO(0202) "challenge store: %s is there and its "
                                     "key %s is not; put the key back, or "
                                     "remove %s: its challenges are lost",
                     file->path, file->key_path, file->path);
        return rv;
    }
    rv = mod_scep_state_key_make(file->key_path, s, p);
    return rv == APR_SUCCESS
               ? mod_scep_state_key_load(file->key, file->key_path, s)
               : rv;
}

/* ------------------------------------------------------------------ */
/* The table                                                            */

/**
 * Makes an empty table under a temporary name, locked and mapped.
 * @param made  fd, mem and size are set
 */
static apr_status_t make_table(const scep_challenge_file_t *file,
                               apr_uint64_t capacity,
                               scep_challenge_file_t *made, server_rec *s,
                               apr_pool_t *p)
{
    apr_status_t rv;

    *made = *file;
    made->path = mod_scep_state_file_temporary(file->path, p);
    made->size = scep_table_size(capacity);
    made->mem = MAP_FAILED;
    made->fd = open(made->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (made->fd < 0)
        return mod_scep_state_file_failed(s, "create", made->path);
    /* Reserved now: a disk that fills up later would be a SIGBUS. */
    errno = posix_fallocate(made->fd, 0, (off_t)made->size);
    if (errno != 0) {
        rv = mod_scep_state_file_failed(s,
                                        apr_psprintf(p,
                                                     "get the %" APR_SIZE_T_FMT
                                                     " octets for",
                                                     made->size),
                                        made->path);
        goto leave;
    }
    made->mem = mmap(NULL, made->size, PROT_READ | PROT_WRITE, MAP_SHARED,
                     made->fd, 0);
    if (made->mem == MAP_FAILED || flock(made->fd, LOCK_SH) != 0) {
        rv = mod_scep_state_file_failed(s, "map", made->path);
        goto leave;
    }
    rv = scep_table_format(made->mem, made->size, capacity, file->key, p);
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, rv, s,
                     SCEPLOGNO(0205) "challenge store: cannot lay out %s",
                     file->path);
    }

leave:
    if (rv != APR_SUCCESS) {
        if (made->mem != MAP_FAILED)
            munmap(made->mem, made->size);
        close(made->fd);
        unlink(made->path);
    }
    return rv;
}

static void drop_table(scep_challenge_file_t *file)
{
    munmap(file->mem, file->size);
    close(file->fd);
}

static int written(const scep_challenge_file_t *file)
{
    return msync(file->mem, file->size, MS_SYNC) == 0 && fsync(file->fd) == 0;
}

static apr_status_t create_table(const scep_challenge_file_t *file,
                                 apr_uint64_t capacity, server_rec *s,
                                 apr_pool_t *p)
{
    scep_challenge_file_t made;
    apr_status_t rv = make_table(file, capacity, &made, s, p);

    if (rv != APR_SUCCESS)
        return rv;
    /* Where another server was quicker, its table is as good. */
    if (!written(&made) ||
        (link(made.path, file->path) != 0 && errno != EEXIST) ||
        !mod_scep_state_file_sync(file->path, p))
        rv = mod_scep_state_file_failed(s, "write", file->path);
    unlink(made.path);
    drop_table(&made);
    return rv;
}

int mod_scep_challenge_file_replaced(const scep_challenge_file_t *file)
{
    struct stat mapped, named;

    return fstat(file->fd, &mapped) != 0 || stat(file->path, &named) != 0 ||
           mapped.st_dev != named.st_dev || mapped.st_ino != named.st_ino;
}

static int lock(int fd, int operation)
{
    int rc;

    do {
        rc = flock(fd, operation);
    } while (rc != 0 && errno == EINTR);
    return rc == 0;
}

/**
 * Opens and locks the table, made if need be.
 * @param alone  set if the lock is the exclusive one
 */
static apr_status_t open_locked(scep_challenge_file_t *file,
                                apr_uint64_t capacity, int *alone,
                                server_rec *s, apr_pool_t *p)
{
    for (;;) {
        file->fd = open(file->path, O_RDWR | O_CLOEXEC);
        if (file->fd < 0 && errno == ENOENT) {
            apr_status_t rv = create_table(file, capacity, s, p);

            if (rv != APR_SUCCESS)
                return rv;
            continue;
        }
        if (file->fd < 0)
            return mod_scep_state_file_failed(s, "open", file->path);
        *alone = lock(file->fd, LOCK_EX | LOCK_NB);
        if (!*alone && !lock(file->fd, LOCK_SH)) {
            apr_status_t rv =
                mod_scep_state_file_failed(s, "lock", file->path);

            close(file->fd);
            return rv;
        }
        /* whoever was alone with it before may have put another there */
        if (!mod_scep_challenge_file_replaced(file))
            return APR_SUCCESS;
        close(file->fd);
    }
}

static apr_status_t map_table(scep_challenge_file_t *file,
                              scep_table_t **table, server_rec *s,
                              apr_pool_t *p)
{
    const char *error;
    struct stat info;
    apr_status_t rv;

    if (fstat(file->fd, &info) != 0)
        return mod_scep_state_file_failed(s, "look at", file->path);
    file->size = (apr_size_t)info.st_size;
    file->mem = file->size == 0
                    ? NULL
                    : mmap(NULL, file->size, PROT_READ | PROT_WRITE,
                           MAP_SHARED, file->fd, 0);
    if (file->mem == MAP_FAILED)
        return mod_scep_state_file_failed(s, "map", file->path);
    rv = scep_table_open(table, file->mem, file->size, file->key, &error, p);
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, 0, s,
                     SCEPLOGNO(0206) "challenge store: cannot use %s: %s; put "
                                     "the right file back, or stop every "
                                     "httpd that uses it and remove it: its "
                                     "challenges are lost",
                     file->path, error);
        if (file->mem)
            munmap(file->mem, file->size);
    }
    return rv;
}

/* ------------------------------------------------------------------ */
/* What may be done alone                                               */

static int nobody_lives(pid_t pid)
{
    (void)pid;
    return 0;
}

/** Moves the table to a file of another capacity; it stays if that fails. */
static apr_status_t resize(scep_challenge_file_t *file, scep_table_t *table,
                           apr_uint64_t capacity, server_rec *s, apr_pool_t *p)
{
    scep_challenge_file_t made;
    scep_table_t *to;
    const char *error;
    apr_status_t rv = make_table(file, capacity, &made, s, p);

    if (rv != APR_SUCCESS)
        return rv;
    rv = scep_table_open(&to, made.mem, made.size, made.key, &error, p);
    if (rv == APR_SUCCESS) {
        scep_table_attach(to, getpid());
        rv = scep_table_migrate(table, to, apr_time_now());
    }
    if (rv != APR_SUCCESS) {
        /* too small for what lives: the caller says so */
        unlink(made.path);
        drop_table(&made);
        return APR_SUCCESS;
    }
    if (!written(&made) || rename(made.path, file->path) != 0 ||
        !mod_scep_state_file_sync(file->path, p)) {
        rv = mod_scep_state_file_failed(s, "replace", file->path);
        unlink(made.path);
        drop_table(&made);
        return rv;
    }
    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s,
                 SCEPLOGNO(0207) "challenge store: moved %s from %lu to %lu "
                                 "challenges; those in it have new ids",
                 file->path, (unsigned long)scep_table_capacity(table),
                 (unsigned long)capacity);
    drop_table(file);
    file->fd = made.fd;
    file->mem = made.mem;
    file->size = made.size;
    return APR_SUCCESS;
}

apr_status_t mod_scep_challenge_file_open(scep_challenge_file_t *file,
                                          apr_uint64_t capacity, server_rec *s,
                                          apr_pool_t *p)
{
    apr_status_t rv = load_key(file, s, p);
    scep_table_t *table;
    int alone;

    if (rv != APR_SUCCESS)
        return rv;
    for (;;) {
        rv = open_locked(file, capacity, &alone, s, p);
        if (rv != APR_SUCCESS)
            return rv;
        rv = map_table(file, &table, s, p);
        if (rv != APR_SUCCESS) {
            close(file->fd);
            return rv;
        }
        if (!alone)
            return APR_SUCCESS;
        scep_table_attach(table, getpid());
        scep_table_sweep(table, apr_time_now(), nobody_lives);
        if (scep_table_capacity(table) != capacity)
            rv = resize(file, table, capacity, s, p);
        if (rv == APR_SUCCESS && !lock(file->fd, LOCK_SH))
            rv = mod_scep_state_file_failed(s, "lock", file->path);
        if (rv != APR_SUCCESS) {
            drop_table(file);
            return rv;
        }
        /* Between the two locks another server may have been alone. */
        if (!mod_scep_challenge_file_replaced(file))
            return APR_SUCCESS;
        drop_table(file);
    }
}
