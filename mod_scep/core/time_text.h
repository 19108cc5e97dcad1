/* time_text.h - times as RFC 3339 has them, in UTC
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SCEP_TIME_TEXT_H
#define SCEP_TIME_TEXT_H

#include <apr_pools.h>
#include <apr_time.h>

/** A time with its microseconds: 2027-03-31T12:00:00.000000Z. */
const char *scep_time_text(apr_time_t time, apr_pool_t *p);

/**
 * Reads such a time, with microseconds or whole seconds, or a date, which
 * stands for its beginning.
 * @return APR_SUCCESS; APR_EINVAL
 */
apr_status_t scep_time_read(apr_time_t *time, const char *text, apr_pool_t *p);

#endif
