/* counter_table.h - counts over windows of time: a lock-free table
 * SPDX-License-Identifier: Apache-2.0
 *
 * A fixed table of counts in memory that processes share, good for any
 * number of threads in any number of processes, each of which may be killed
 * at any instruction.  A key has one count, for the current window of time;
 * kept of it is a digest under a random seed, so that nobody outside can
 * choose which keys share a place.
 */
#ifndef SCEP_COUNTER_TABLE_H
#define SCEP_COUNTER_TABLE_H

#include "../mod_scep.h"

#define SCEP_COUNTERS_SEED_LEN 16
/** Where a count stays, however much is added. */
#define SCEP_COUNTERS_MAX 0xffffffu

/** One process's view of a table. */
typedef struct scep_counters_t scep_counters_t;

/** Octets that a table of so many cells needs; they are a multiple of 16. */
apr_size_t scep_counters_size(apr_uint32_t cells);

/**
 * Lays out an empty table.
 * @param mem  page-aligned, scep_counters_size(cells) octets
 */
void scep_counters_format(void *mem, apr_uint32_t cells,
                          const unsigned char seed[SCEP_COUNTERS_SEED_LEN]);

/**
 * Opens a formatted table.
 * @param error  set to a sentence on failure: no table, another version,
 *               cut off
 */
apr_status_t scep_counters_open(scep_counters_t **counters, void *mem,
                                apr_size_t size, const char **error,
                                apr_pool_t *p);

/**
 * Counts one more.
 * @param window  how long the count lives from its first event on; its end
 *                is rounded up to a whole second
 * @return the count with this one; APR_UINT32_MAX where it cannot be told
 */
apr_uint32_t scep_counters_add(scep_counters_t *counters, const char *key,
                               apr_interval_time_t window, apr_time_t now);

/** The same for several at once. */
apr_uint32_t scep_counters_add_many(scep_counters_t *counters, const char *key,
                                    apr_uint32_t number,
                                    apr_interval_time_t window,
                                    apr_time_t now);

/** Takes back one that add has counted. */
void scep_counters_undo(scep_counters_t *counters, const char *key,
                        apr_time_t now);

/**
 * Ends a key's window.
 * @return what it had counted: of several that forget at the same time each
 *         event is in the answer to one
 */
apr_uint32_t scep_counters_forget(scep_counters_t *counters, const char *key,
                                  apr_time_t now);

/**
 * Looks without counting.
 * @param ends  set to the end of the window where the count is not 0
 * @return as add
 */
apr_uint32_t scep_counters_get(const scep_counters_t *counters,
                               const char *key, apr_time_t now,
                               apr_time_t *ends);

#endif
