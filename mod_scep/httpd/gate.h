/* gate.h - half of httpd's workers may wait for a service
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MOD_SCEP_GATE_H
#define MOD_SCEP_GATE_H

#include "core/gate.h"
#include "log.h"

/** In the parent, before children exist: with half as many places as httpd
 * has workers. */
apr_status_t mod_scep_gate_create(scep_gate_t **gate, apr_pool_t *pconf);

#endif
