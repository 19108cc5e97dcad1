/* breaker.h - a service that fails again and again is left alone for a while
 * SPDX-License-Identifier: Apache-2.0
 *
 * A circuit breaker in memory that all processes share.  After some calls in
 * a row that failed nobody calls for a time, then one does; if that fails
 * too, the time is longer.
 */
#ifndef SCEP_BREAKER_H
#define SCEP_BREAKER_H

#include <apr_time.h>

/** Calls in a row that fail before it opens. */
#define SCEP_BREAKER_FAILURES 5
/** How long it then is open, at first and at the most. */
#define SCEP_BREAKER_FIRST apr_time_from_sec(5)
#define SCEP_BREAKER_MOST apr_time_from_sec(60)

typedef struct scep_breaker_t scep_breaker_t;

/** Octets of shared memory. */
apr_size_t scep_breaker_size(void);

/** @param mem  scep_breaker_size() octets, aligned as by malloc */
scep_breaker_t *scep_breaker_create(void *mem);

/**
 * Whether a call may be made now.
 * @param longest  what it takes at the very most: until then the one that
 *                 finds out is the only one
 */
int scep_breaker_allow(scep_breaker_t *breaker, apr_time_t now,
                       apr_interval_time_t longest);

/**
 * Says how a call that was allowed has ended.
 * @param good  1: the service works; 0: it does not, which counts while it is
 *              closed and from the one that finds out; -1: that cannot be
 *              said, and another may find out
 * @return non-zero where that has opened or closed it
 */
int scep_breaker_report(scep_breaker_t *breaker, int good, apr_time_t now);

/** Until when it is open; 0: it is closed. */
apr_time_t scep_breaker_open(const scep_breaker_t *breaker);

#endif
