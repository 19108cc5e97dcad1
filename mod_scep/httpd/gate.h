/* gate.h - so many requests may wait for a service
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MOD_SCEP_GATE_H
#define MOD_SCEP_GATE_H

#include "core/gate.h"
#include "log.h"

/** In the parent, before children exist.
 * @param count  of places; 0: half as many as httpd has workers */
apr_status_t mod_scep_gate_create(scep_gate_t **gate, unsigned int count,
                                  apr_pool_t *pconf);

/** The latter, made once for a configuration: what verifiers ask shares it, so
 * that several services that hang at once take no more. */
apr_status_t mod_scep_gate_open(scep_gate_t **gate, apr_pool_t *pconf);

/** As scep_gate_enter, for this process; where all places are taken, those
 * that killed processes have held count as free. */
int mod_scep_gate_enter(scep_gate_t *gate, apr_time_t now,
                        apr_interval_time_t longest, scep_gate_place_t *place);

#endif
