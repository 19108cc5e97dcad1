/* spool.c - a durable queue of small documents that are to be delivered
 * SPDX-License-Identifier: Apache-2.0
 *
 * The parent opens the directory and the children reach it through that
 * descriptor, because only root may search ScepStateDir itself.
 */
#include "spool.h"

#include <apr_file_io.h>
#include <apr_strings.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <unixd.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../ca-connectors/state/state_dir.h"

#define TEMPORARY "tmp-"
/* A put that took longer than this was killed. */
#define TEMPORARY_LIFE apr_time_from_sec(60)

#define LATER_FIRST apr_time_from_sec(30)
#define LATER_MOST apr_time_from_sec(3600)
#define PAUSE_FIRST apr_time_from_sec(5)
#define PAUSE_MOST apr_time_from_sec(300)

/* A file's name: CREATED-RANDOM-DUE-ATTEMPTS, of fixed length, so that the
 * names sort by age. */
typedef struct entry_t {
    apr_uint64_t created;
    apr_uint64_t random;
    apr_uint64_t due;
    unsigned int attempts;
} entry_t;

#define NAME_SIZE 60

static void name_make(char name[NAME_SIZE], const entry_t *entry)
{
    apr_snprintf(name, NAME_SIZE,
                 "%016" APR_UINT64_T_HEX_FMT "-%016" APR_UINT64_T_HEX_FMT
                 "-%016" APR_UINT64_T_HEX_FMT "-%04x",
                 entry->created, entry->random, entry->due, entry->attempts);
}

static int name_parse(entry_t *entry, const char *name)
{
    char again[NAME_SIZE];

    if (strlen(name) != 55)
        return 0;
    entry->created = strtoull(name, NULL, 16);
    entry->random = strtoull(name + 17, NULL, 16);
    entry->due = strtoull(name + 34, NULL, 16);
    entry->attempts = (unsigned int)strtoul(name + 51, NULL, 16);
    name_make(again, entry);
    return !strcmp(name, again);
}

static int by_age(const void *one, const void *other)
{
    const entry_t *a = one, *b = other;

    if (a->created != b->created)
        return a->created < b->created ? -1 : 1;
    return a->random < b->random ? -1 : a->random > b->random;
}

/* base, doubled for each that went before, up to most */
static apr_interval_time_t back_off(apr_interval_time_t base,
                                    unsigned int before,
                                    apr_interval_time_t most)
{
    while (before-- > 0 && base < most)
        base *= 2;
    return base < most ? base : most;
}

/* ------------------------------------------------------------------ */
/* The directory                                                        */

apr_status_t mod_scep_spool_open(scep_spool_t *spool, const char *state_dir,
                                 server_rec *s, apr_pool_t *pconf)
{
    const char *what;
    apr_status_t rv =
        scep_state_dir_open(&spool->fd, state_dir, spool->name,
                            ap_unixd_config.user_id, ap_unixd_config.group_id,
                            &what, pconf);

    spool->path = apr_pstrcat(pconf, state_dir, "/", spool->name, NULL);
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, rv, s,
                     SCEPLOGNO(0350) "queue of notifications: cannot %s %s",
                     what, spool->path);
    }
    return rv;
}

/*
 * Reads the names.  A descriptor of its own: the one that all processes
 * share has one position, and one lock.
 * @param fd  set to the new descriptor, which the caller closes
 */
static apr_status_t list(const scep_spool_t *spool,
                         apr_array_header_t **entries,
                         apr_array_header_t *leftovers, int *fd, apr_pool_t *p)
{
    int copy = -1;
    DIR *dir = NULL;
    struct dirent *dirent;
    apr_status_t rv = APR_SUCCESS;

    *fd = openat(spool->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*fd < 0)
        return errno;
    copy = fcntl(*fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0 || !(dir = fdopendir(copy))) {
        rv = errno;
        goto leave;
    }
    *entries = apr_array_make(p, 16, sizeof(entry_t));
    while (errno = 0, (dirent = readdir(dir))) {
        entry_t entry;

        if (name_parse(&entry, dirent->d_name))
            APR_ARRAY_PUSH(*entries, entry_t) = entry;
        else if (leftovers &&
                 !strncmp(dirent->d_name, TEMPORARY, strlen(TEMPORARY)))
            APR_ARRAY_PUSH(leftovers, const char *) =
                apr_pstrdup(p, dirent->d_name);
    }
    rv = errno;

leave:
    if (dir)
        closedir(dir);
    else if (copy >= 0)
        close(copy);
    if (rv != APR_SUCCESS)
        close(*fd);
    return rv;
}

apr_status_t mod_scep_spool_count(const scep_spool_t *spool,
                                  unsigned int *count, apr_pool_t *p)
{
    apr_array_header_t *entries;
    int fd;
    apr_status_t rv = list(spool, &entries, NULL, &fd, p);

    if (rv != APR_SUCCESS)
        return rv;
    close(fd);
    *count = (unsigned int)entries->nelts;
    return APR_SUCCESS;
}

/* ------------------------------------------------------------------ */
/* In                                                                   */

static int write_all(int fd, const char *text, apr_size_t len)
{
    while (len > 0) {
        ssize_t done = write(fd, text, len);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return 0;
        text += done;
        len -= (apr_size_t)done;
    }
    return 1;
}

apr_status_t mod_scep_spool_put(const scep_spool_t *spool, const char *text,
                                apr_size_t len, apr_time_t now, apr_time_t due,
                                apr_pool_t *p)
{
    entry_t entry = { .created = (apr_uint64_t)now, .due = (apr_uint64_t)due };
    char name[NAME_SIZE];
    const char *temporary;
    unsigned int count;
    apr_status_t rv = mod_scep_spool_count(spool, &count, p);
    int fd;

    if (rv != APR_SUCCESS)
        return rv;
    if (count >= spool->max || len > spool->max_size)
        return APR_ENOSPC;
    if (RAND_bytes((unsigned char *)&entry.random, sizeof(entry.random)) !=
        1) {
        ERR_clear_error();
        return APR_EGENERAL;
    }
    name_make(name, &entry);
    temporary = apr_pstrcat(p, TEMPORARY, name, NULL);
    fd = openat(spool->fd, temporary,
                O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno;
    if (!write_all(fd, text, len) || fsync(fd) != 0 ||
        renameat(spool->fd, temporary, spool->fd, name) != 0) {
        rv = errno;
        unlinkat(spool->fd, temporary, 0);
    } else if (fsync(spool->fd) != 0) {
        rv = errno;
    }
    close(fd);
    return rv;
}

/* ------------------------------------------------------------------ */
/* Out                                                                  */

static void remove_leftovers(const scep_spool_t *spool,
                             const apr_array_header_t *leftovers,
                             apr_time_t now)
{
    for (int i = 0; i < leftovers->nelts; i++) {
        const char *name = APR_ARRAY_IDX(leftovers, i, const char *);
        struct stat info;

        if (fstatat(spool->fd, name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
            apr_time_from_sec(info.st_mtime) + TEMPORARY_LIFE < now)
            unlinkat(spool->fd, name, 0);
    }
}

static apr_status_t read_document(const scep_spool_t *spool, const char *name,
                                  scep_spool_document_t *document,
                                  apr_pool_t *p)
{
    int fd = openat(spool->fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    char *text;
    apr_size_t len = 0;
    ssize_t got = 1;
    apr_status_t rv = APR_SUCCESS;

    if (fd < 0)
        return errno;
    text = apr_palloc(p, spool->max_size + 1);
    while (got > 0 && len < spool->max_size) {
        got = read(fd, text + len, spool->max_size - len);
        if (got < 0 && errno == EINTR)
            got = 1;
        else if (got > 0)
            len += (apr_size_t)got;
    }
    if (got < 0)
        rv = errno;
    close(fd);
    text[len] = '\0';
    document->text = text;
    document->len = len;
    return rv;
}

/* Gives a document the name that says when it is tried again. */
static apr_status_t put_off(const scep_spool_t *spool, const char *name,
                            const entry_t *entry, apr_time_t now)
{
    entry_t next = *entry;
    char renamed[NAME_SIZE];

    next.due = (apr_uint64_t)(now + back_off(LATER_FIRST, entry->attempts,
                                             LATER_MOST));
    if (next.attempts < 0xffff)
        next.attempts++;
    name_make(renamed, &next);
    return renameat(spool->fd, name, spool->fd, renamed) == 0 ? APR_SUCCESS
                                                              : errno;
}

/* Delivers one and does as that turned out; false ends the walk. */
static int take(scep_spool_t *spool, const entry_t *entry,
                scep_spool_outcome_t (*deliver)(
                    void *baton, const scep_spool_document_t *document,
                    apr_pool_t *p),
                void *baton, server_rec *s, apr_time_t now, apr_pool_t *p)
{
    scep_spool_document_t document = { .created = (apr_time_t)entry->created,
                                       .attempts = entry->attempts };
    scep_spool_outcome_t outcome = SCEP_SPOOL_LATER;
    char name[NAME_SIZE];
    apr_status_t rv;

    name_make(name, entry);
    rv = read_document(spool, name, &document, p);
    if (rv == APR_SUCCESS)
        outcome = deliver(baton, &document, p);
    if (outcome == SCEP_SPOOL_DOWN) {
        spool->paused =
            now + back_off(PAUSE_FIRST, spool->pauses++, PAUSE_MOST);
        return 0;
    }
    if (rv == APR_SUCCESS)
        spool->pauses = 0;
    if (outcome == SCEP_SPOOL_LATER) {
        apr_status_t off = put_off(spool, name, entry, now);

        rv = rv == APR_SUCCESS ? off : rv;
    } else if (unlinkat(spool->fd, name, 0) != 0 || fsync(spool->fd) != 0) {
        rv = errno;
    }
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_ERR, rv, s,
                     SCEPLOGNO(0351) "queue of notifications: cannot read, "
                                     "rename or remove %s/%s",
                     spool->path, name);
        /* not each second, and not what was delivered once more */
        spool->paused = now + PAUSE_MOST;
        return 0;
    }
    return 1;
}

void mod_scep_spool_walk(
    scep_spool_t *spool, unsigned int most,
    scep_spool_outcome_t (*deliver)(void *baton,
                                    const scep_spool_document_t *document,
                                    apr_pool_t *p),
    void *baton, server_rec *s, apr_time_t now, apr_pool_t *p)
{
    apr_array_header_t *entries, *leftovers;
    apr_pool_t *each;
    int fd;

    /* a clock that was set back must not stop the queue */
    if (now < spool->paused && spool->paused - now <= PAUSE_MOST)
        return;
    leftovers = apr_array_make(p, 1, sizeof(const char *));
    if (list(spool, &entries, leftovers, &fd, p) != APR_SUCCESS)
        return;
    /* During a graceful restart two generations have a watchdog. */
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        close(fd);
        return;
    }
    remove_leftovers(spool, leftovers, now);
    qsort(entries->elts, (size_t)entries->nelts, sizeof(entry_t), by_age);
    apr_pool_create(&each, p);
    for (int i = 0; i < entries->nelts && most > 0; i++) {
        const entry_t *entry = &APR_ARRAY_IDX(entries, i, entry_t);

        if (entry->due > (apr_uint64_t)now &&
            entry->due - (apr_uint64_t)now <= (apr_uint64_t)LATER_MOST)
            continue;
        most--;
        if (!take(spool, entry, deliver, baton, s, now, each))
            break;
        apr_pool_clear(each);
    }
    apr_pool_destroy(each);
    close(fd);
}
