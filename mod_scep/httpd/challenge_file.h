/* challenge_file.h - the file behind a challenge table, and its key
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MOD_SCEP_CHALLENGE_FILE_H
#define MOD_SCEP_CHALLENGE_FILE_H

#include <httpd.h>

#include "challenge_table.h"

/**
 * A table's file, mapped, and its key.  It outlives reloads, so nothing in
 * it may point into the DSO; a change to it is a change to the name it is
 * retained under.
 */
typedef struct scep_challenge_file_t {
    struct scep_challenge_file_t *next;
    const char *path;     /**< DIR/NAME.shm */
    const char *key_path; /**< DIR/NAME.key */
    /** Held for its lock: shared by all who map the file, and by the
     * children that outlive a killed parent. */
    int fd;
    void *mem;
    apr_size_t size;
    unsigned char key[SCEP_TABLE_KEY_LEN];
} scep_challenge_file_t;

/**
 * Maps the table, made at the first start, moved to another size if the
 * capacity has changed and nobody else uses it.  Logs what is wrong.
 * @param file  path and key_path are set; the rest is filled
 * @param capacity  wanted; an existing table may stay with its own
 * @param p  for temporary needs
 */
apr_status_t mod_scep_challenge_file_open(scep_challenge_file_t *file,
                                          apr_uint64_t capacity, server_rec *s,
                                          apr_pool_t *p);

/** Whether the path no longer names the file that is mapped. */
int mod_scep_challenge_file_replaced(const scep_challenge_file_t *file);

#endif
