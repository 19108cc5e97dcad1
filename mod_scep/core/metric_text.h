/* metric_text.h - numbers in Prometheus's text format, version 0.0.4
 * SPDX-License-Identifier: Apache-2.0
 *
 * The format wants all samples of a metric together, after one HELP and one
 * TYPE, while here they come from everywhere: this sorts them.
 */
#ifndef SCEP_METRIC_TEXT_H
#define SCEP_METRIC_TEXT_H

#include <apr_pools.h>

#define SCEP_METRIC_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

typedef struct scep_metric_text_t scep_metric_text_t;

scep_metric_text_t *scep_metric_text_create(apr_pool_t *p);

/** Says what a metric is: shown if it has a sample.  @param help  or NULL */
void scep_metric_text_describe(scep_metric_text_t *text, const char *name,
                               const char *type, const char *help);

/** Adds one sample.  @param labels  as they stand between the braces */
void scep_metric_text_add(scep_metric_text_t *text, const char *name,
                          const char *labels, apr_uint64_t value);

/** Adds lines in this format: samples, HELP and TYPE; others are left out. */
void scep_metric_text_lines(scep_metric_text_t *text, const char *lines);

const char *scep_metric_text_render(const scep_metric_text_t *text);

#endif
