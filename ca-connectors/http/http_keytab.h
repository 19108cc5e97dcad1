/* http_keytab.h - Kerberos keys in memory, tickets in memory
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SCEP_HTTP_KEYTAB_H
#define SCEP_HTTP_KEYTAB_H

#include <apr_pools.h>

typedef struct scep_http_keytab_t {
    const char *name;      /**< MEMORY:..., of a copy that lives as the pool */
    const char *principal; /**< in full */
} scep_http_keytab_t;

/**
 * Copies a keytab, so that whoever makes the calls need not be able to read
 * the file.
 * @param principal  whose keys are wanted; NULL: of the file's first entry
 * @return NULL, or what is wrong
 */
const char *scep_http_keytab_read(const char *file, const char *principal,
                                  scep_http_keytab_t *keytab, apr_pool_t *p);

/** Destroys a cache of tickets that no one uses any more. */
void scep_http_keytab_end_cache(const char *name);

#endif
