/* utf8.h - whether text from outside can be shown
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SCEP_UTF8_H
#define SCEP_UTF8_H

#include <apr_pools.h>

/** Whether octets are UTF-8, RFC 3629. */
int scep_utf8_is_valid(const char *text, apr_size_t len);

/** Whether a text is UTF-8 without control characters, C1 included. */
int scep_utf8_is_printable(const char *text);

/**
 * The part of a text that has room in max octets, ending with a whole
 * character, and with '?' for each octet that is not printable.
 */
const char *scep_utf8_clean(const char *text, apr_size_t max, apr_pool_t *p);

#endif
