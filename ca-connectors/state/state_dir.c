/* state_dir.c - a directory below ScepStateDir that the children work in
 * SPDX-License-Identifier: Apache-2.0
 */
#include "state_dir.h"

#include <apr_strings.h>

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

static apr_status_t close_it(void *fd)
{
    close((int)(intptr_t)fd);
    return APR_SUCCESS;
}

static apr_status_t failed(const char **what, const char *step)
{
    *what = step;
    return errno;
}

apr_status_t scep_state_dir_open(int *fd, const char *state_dir,
                                 const char *name, uid_t uid, gid_t gid,
                                 const char **what, apr_pool_t *p)
{
    const char *path = apr_pstrcat(p, state_dir, "/", name, NULL);
    struct stat info;
    int opened;

    if ((mkdir(state_dir, 0700) != 0 && errno != EEXIST) ||
        (mkdir(path, 0700) != 0 && errno != EEXIST))
        return failed(what, "create");
    opened = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (opened < 0)
        return failed(what, "open");
    apr_pool_cleanup_register(p, (void *)(intptr_t)opened, close_it,
                              apr_pool_cleanup_null);
    if (fstat(opened, &info) != 0 ||
        (geteuid() == 0 && info.st_uid != uid && fchown(opened, uid, gid)))
        return failed(what, "hand over");
    *fd = opened;
    return APR_SUCCESS;
}

static int write_all(int fd, const char *data, apr_size_t len)
{
    while (len > 0) {
        ssize_t done = write(fd, data, len);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return 0;
        data += done;
        len -= (apr_size_t)done;
    }
    return 1;
}

apr_status_t scep_state_dir_write(int fd, const char *name, const void *data,
                                  apr_size_t len, apr_pool_t *p)
{
    const char *temporary =
        apr_psprintf(p, "tmp-%ld-%s", (long)getpid(), name);
    apr_status_t rv = APR_SUCCESS;
    int out;

    /* a former process of this number may have died over it */
    unlinkat(fd, temporary, 0);
    out = openat(fd, temporary,
                 O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (out < 0)
        return errno;
    if (!write_all(out, data, len) || fsync(out) != 0 ||
        renameat(fd, temporary, fd, name) != 0) {
        rv = errno;
        unlinkat(fd, temporary, 0);
    } else if (fsync(fd) != 0) {
        rv = errno;
    }
    close(out);
    return rv;
}

static int is_same(const struct stat *one, const struct stat *other)
{
    return one->st_ino == other->st_ino && one->st_dev == other->st_dev &&
           one->st_size == other->st_size &&
           one->st_mtim.tv_sec == other->st_mtim.tv_sec &&
           one->st_mtim.tv_nsec == other->st_mtim.tv_nsec;
}

/* As far as it goes: a file that shrinks meanwhile is shorter. */
static apr_status_t read_all(int fd, char *data, apr_size_t *len)
{
    apr_size_t got = 0;

    while (got < *len) {
        ssize_t done = read(fd, data + got, *len - got);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return errno;
        if (done == 0)
            break;
        got += (apr_size_t)done;
    }
    *len = got;
    data[got] = '\0';
    return APR_SUCCESS;
}

apr_status_t scep_state_dir_read(int fd, const char *name, apr_size_t max,
                                 struct stat *known, char **data,
                                 apr_size_t *len, apr_pool_t *p)
{
    struct stat info;
    apr_status_t rv = APR_SUCCESS;
    int in = openat(fd, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

    *data = NULL;
    if (in < 0)
        return errno;
    if (fstat(in, &info) != 0) {
        rv = errno;
    } else if (!S_ISREG(info.st_mode)) {
        rv = APR_EINVAL;
    } else if ((apr_uint64_t)info.st_size > max) {
        rv = APR_ENOSPC;
    } else if (!is_same(&info, known)) {
        *len = (apr_size_t)info.st_size;
        *data = apr_palloc(p, *len + 1);
        rv = read_all(in, *data, len);
        *known = info;
    }
    close(in);
    return rv;
}
