/* gate.h - a limit on how many requests wait for a service at once
 * SPDX-License-Identifier: Apache-2.0
 *
 * A service that hangs must not take every worker of httpd with it.  The
 * places are shared by all processes; one whose holder was killed is free
 * again when its time is over.
 */
#ifndef MOD_SCEP_GATE_H
#define MOD_SCEP_GATE_H

#include "log.h"

typedef struct scep_gate_t scep_gate_t;

/** A place that is held. */
typedef struct scep_gate_place_t {
    unsigned int number;
    apr_uint64_t until;
} scep_gate_place_t;

/** In the parent, before children exist: with half as many places as httpd
 * has workers. */
apr_status_t mod_scep_gate_create(scep_gate_t **gate, apr_pool_t *pconf);

/**
 * Takes a place, without waiting.
 * @param longest  what it takes at the very most
 * @return whether there was one
 */
int mod_scep_gate_enter(scep_gate_t *gate, apr_time_t now,
                        apr_interval_time_t longest, scep_gate_place_t *place);

void mod_scep_gate_leave(scep_gate_t *gate, const scep_gate_place_t *place);

#endif
