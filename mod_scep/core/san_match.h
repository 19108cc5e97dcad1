/* san_match.h - subjectAltNames that an administrator allows, as patterns
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SCEP_SAN_MATCH_H
#define SCEP_SAN_MATCH_H

#include "name.h"

/** A type and what its value may be. */
typedef struct scep_san_pattern_t scep_san_pattern_t;

/**
 * Reads "dns:*.example.com", "ip:192.0.2.0/24", "email:*@example.com",
 * "uri:urn:uuid:*", "upn:*@example.com", "sid:S-1-5-21-1-2-3-*", "rid:1.2.*",
 * "dirname:CN=*,O=Example" or "other:*".  A '*' stands for any run of
 * characters, an empty one too; "\*" for itself.
 * @return NULL, or what is wrong with the text
 */
const char *scep_san_pattern_parse(const scep_san_pattern_t **pattern,
                                   const char *text, apr_pool_t *p);

/** The SCEP_SAN_* that it is for. */
unsigned int scep_san_pattern_type(const scep_san_pattern_t *pattern);

/**
 * Whether a SAN is of the pattern's type and fits.  DNS names and the
 * domains of mail addresses are compared in lower case, all else exactly;
 * the '*' of a wildcard name fits nothing but "\*".
 */
int scep_san_match(const scep_san_pattern_t *pattern, const GENERAL_NAME *san,
                   apr_pool_t *p);

#endif
