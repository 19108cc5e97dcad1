/* output.h - JSON for people and for programs
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SCEPCTL_OUTPUT_H
#define SCEPCTL_OUTPUT_H

#include <jansson.h>

#include "scepctl.h"

/** A text without what a terminal would act upon. */
const char *ctl_output_clean(const char *text, apr_pool_t *p);

/** A value as one line of text. */
const char *ctl_output_text(const json_t *value, apr_pool_t *p);

/**
 * Prints a value as JSON, in ASCII.
 * @param flags  of json_dumps()
 */
void ctl_output_json(const json_t *value, size_t flags);

/** Prints an object: a line for each member, or JSON where --json says so. */
void ctl_output_object(const ctl_t *ctl, const json_t *object);

#endif
