/* name_match.h - subjects that an administrator allows, as patterns
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SCEP_NAME_MATCH_H
#define SCEP_NAME_MATCH_H

#include "name.h"

/** A DN whose values may have '*' in them. */
typedef struct scep_name_pattern_t scep_name_pattern_t;

/**
 * Reads a DN as scep_name_parse() does.  A '*' in a value stands for any
 * run of characters, an empty one too; "\*" for itself.
 * @return NULL, or what is wrong with the text
 */
const char *scep_name_pattern_parse(const scep_name_pattern_t **pattern,
                                    const char *text, apr_pool_t *p);

/**
 * Whether a name has the pattern's RDNs and no other, in its order or in
 * the reverse one, each with the same attribute types and with values that
 * fit.  Attributes are compared one by one and exactly, never as the text
 * of a DN: no value can look like another attribute.
 */
int scep_name_match(const scep_name_pattern_t *pattern, const X509_NAME *name,
                    apr_pool_t *p);

/** The same of one attribute alone: "CN=*.example.com". */
const char *scep_name_attribute_pattern_parse(
    const scep_name_pattern_t **pattern, const char *text, apr_pool_t *p);

/** Whether an attribute is of the pattern's type and its value fits. */
int scep_name_match_attribute(const scep_name_pattern_t *pattern,
                              const X509_NAME_ENTRY *attribute, apr_pool_t *p);

#endif
