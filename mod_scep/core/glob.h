/* glob.h - patterns in which '*' stands for any run of characters
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SCEP_GLOB_H
#define SCEP_GLOB_H

#include <apr_pools.h>

/** Stands in a pattern that was read for a '*' that means itself. */
#define SCEP_GLOB_STAR '\x1a'

/**
 * Reads a pattern as an administrator writes it: "\*" is the character
 * itself, and so is what follows any other backslash.
 * @return NULL, or what is wrong with the text
 */
const char *scep_glob_parse(const char **glob, const char *text,
                            apr_pool_t *p);

/**
 * Whether a text fits as a whole, compared exactly; a '*' fits an empty run
 * too.
 * @param glob  with '*' and SCEP_GLOB_STAR
 * @param keep_stars  a '*' of the text fits SCEP_GLOB_STAR alone
 */
int scep_glob_fits(const char *glob, const char *text, int keep_stars);

#endif
