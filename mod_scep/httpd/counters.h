/* counters.h - counts of events that all processes share
 * SPDX-License-Identifier: Apache-2.0
 *
 * A fixed table in a file of the state directory, mapped by the parent, so
 * that a limit holds over processes, reloads and restarts.  A key has one
 * count for the current window of time.  Lock-free; where the table has no
 * room the count that ended first gives way.
 */
#ifndef MOD_SCEP_COUNTERS_H
#define MOD_SCEP_COUNTERS_H

#include "log.h"

/** In the parent, before children exist. */
apr_status_t mod_scep_counters_open(const char *state_dir, server_rec *s,
                                    apr_pool_t *pconf);

/**
 * Counts one more.
 * @param key  names what is counted, such as "static/NAME"; a digest of it
 *             is kept
 * @param window  a window begins with the first event after the last one's
 *                end and is so long
 * @return the count of the window with this one
 */
apr_uint32_t mod_scep_counters_add(const char *key, apr_interval_time_t window,
                                   apr_time_t now);

/** The same for several at once. */
apr_uint32_t mod_scep_counters_add_many(const char *key, apr_uint32_t number,
                                        apr_interval_time_t window,
                                        apr_time_t now);

/** Takes back one that add has counted. */
void mod_scep_counters_undo(const char *key, apr_time_t now);

/**
 * Ends a key's window.
 * @return what it had counted: each event is told to one caller
 */
apr_uint32_t mod_scep_counters_forget(const char *key, apr_time_t now);

/**
 * Looks without counting.
 * @param ends  set to the end of the window where the count is not 0
 */
apr_uint32_t mod_scep_counters_get(const char *key, apr_time_t now,
                                   apr_time_t *ends);

/** Makes the counts durable; for the watchdog. */
void mod_scep_counters_maintain(server_rec *s);

#endif
