/* metrics.h - numbers for monitoring
 * SPDX-License-Identifier: Apache-2.0
 *
 * Counters since the server was started, shared by all processes and kept
 * over reloads; GET metrics of the admin API shows them in Prometheus's
 * text format together with gauges that are read at that moment.
 */
#ifndef MOD_SCEP_METRICS_H
#define MOD_SCEP_METRICS_H

#include "log.h"

/** In the parent, before children exist. */
apr_status_t mod_scep_metrics_open(server_rec *s, apr_pool_t *pconf);

/**
 * Counts one event.
 * @param name  of the metric, such as "scep_requests_total"
 * @param labels  as they are to stand between the braces; few and from
 *                configuration or code, never from a client; "" for none
 */
void mod_scep_metrics_count(const char *name, const char *labels);

/** Shows a counter as 0 before its first event, so that monitoring sees that
 * one as a change. */
void mod_scep_metrics_declare(const char *name, const char *labels);

/** Serves the admin API's resource "metrics". */
int mod_scep_metrics_answer(request_rec *r);

#endif
