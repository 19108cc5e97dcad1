/* state_file.h - files that are whole or not there, and keys in such files
 * SPDX-License-Identifier: Apache-2.0
 *
 * Files come to be under a temporary name and get their own when they are
 * whole and on disk.
 */
#ifndef MOD_SCEP_STATE_FILE_H
#define MOD_SCEP_STATE_FILE_H

#include <httpd.h>

#include "challenge_table.h"

/** Logs what errno says cannot be done, and returns it. */
apr_status_t mod_scep_state_file_failed(server_rec *s, const char *what,
                                        const char *path);

/** The name that a file has until it is whole; nothing is there yet. */
const char *mod_scep_state_file_temporary(const char *path, apr_pool_t *p);

/** Makes the directory entry itself durable; zero: failed, see errno. */
int mod_scep_state_file_sync(const char *path, apr_pool_t *p);

/** Makes a new key, unless there is one by now.  Logs what is wrong. */
apr_status_t mod_scep_state_key_make(const char *path, server_rec *s,
                                     apr_pool_t *p);

/**
 * Reads a key.  Logs what is wrong, but for a file that is not there.
 * @return APR_SUCCESS; APR_ENOENT; another error
 */
apr_status_t mod_scep_state_key_load(unsigned char key[SCEP_TABLE_KEY_LEN],
                                     const char *path, server_rec *s);

#endif
