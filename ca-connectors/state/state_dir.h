/* state_dir.h - a directory below ScepStateDir that the children work in
 * SPDX-License-Identifier: Apache-2.0
 *
 * Only root may search ScepStateDir itself: the parent opens the directory
 * below it, and the children, to whom it belongs, reach it through that
 * descriptor.
 */
#ifndef SCEP_STATE_DIR_H
#define SCEP_STATE_DIR_H

#include <apr_pools.h>
#include <sys/stat.h>
#include <sys/types.h>

/**
 * In the parent, before children exist: makes a directory and keeps it open
 * until the pool ends.
 * @param fd  set to its descriptor
 * @param state_dir  made too where it is missing
 * @param uid, gid  whose it shall be
 * @param what  on failure set to what cannot be done
 */
apr_status_t scep_state_dir_open(int *fd, const char *state_dir,
                                 const char *name, uid_t uid, gid_t gid,
                                 const char **what, apr_pool_t *p);

/**
 * Writes a file that is whole or not there, and on disk when this returns.
 * Of two writers at once the last one stays.
 */
apr_status_t scep_state_dir_write(int fd, const char *name, const void *data,
                                  apr_size_t len, apr_pool_t *p);

/**
 * Reads a regular file; nothing else holds it up.
 * @param fd  AT_FDCWD: name is a path
 * @param known  as it was when the caller read it last; where it still is so,
 *               nothing is read and *data is NULL.  Set to what it is now
 * @param data  set to its octets and a NUL
 * @return APR_SUCCESS; APR_ENOENT; APR_ENOSPC: over max; another error
 */
apr_status_t scep_state_dir_read(int fd, const char *name, apr_size_t max,
                                 struct stat *known, char **data,
                                 apr_size_t *len, apr_pool_t *p);

#endif
