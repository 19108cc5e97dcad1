/* metrics.h - numbers for monitoring
 * SPDX-License-Identifier: Apache-2.0
 *
 * Counters since the server was started, shared by all processes and kept
 * over reloads; GET metrics of the admin API shows them in Prometheus's
 * text format together with gauges that are read at that moment.
 */
#ifndef MOD_SCEP_METRICS_H
#define MOD_SCEP_METRICS_H

#include "conf.h"

/** In the parent, before children exist. */
apr_status_t mod_scep_metrics_open(server_rec *s, apr_pool_t *pconf);

/**
 * Counts one event.
 * @param name  of the metric, such as "scep_requests_total"
 * @param labels  as they are to stand between the braces; few and from
 *                configuration or code, never from a client; "" for none
 */
void mod_scep_metrics_count(const char *name, const char *labels);

/**
 * Counts one PKIOperation.
 * @param status  pkiStatus, or the HTTP status where there is no CertRep
 */
void mod_scep_metrics_request(request_rec *r, const scep_profile_t *profile,
                              const char *status, const char *reason);

/** Serves the admin API's resource "metrics". */
int mod_scep_metrics_answer(request_rec *r);

#endif
