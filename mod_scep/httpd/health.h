/* health.h - whether the gateway can do its work
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MOD_SCEP_HEALTH_H
#define MOD_SCEP_HEALTH_H

#include "conf.h"
#include "core/metric_text.h"

/** Serves the admin API's resource "health". */
int mod_scep_health_answer(request_rec *r);

/** What metrics shows of the ledger and the CAs. */
void mod_scep_health_metrics(scep_metric_text_t *out, request_rec *r);

#endif
