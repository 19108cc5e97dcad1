/* gate.h - a limit on how many requests wait for a service at once
 * SPDX-License-Identifier: Apache-2.0
 *
 * A service that hangs must not take every worker of httpd with it.  The
 * places lie in memory that all processes share; one whose holder was killed
 * is free again when its time is over.
 */
#ifndef SCEP_GATE_H
#define SCEP_GATE_H

#include "../mod_scep.h"

typedef struct scep_gate_t scep_gate_t;

/** A place that is held. */
typedef struct scep_gate_place_t {
    unsigned int number;
    apr_uint64_t until;
} scep_gate_place_t;

/** Octets of shared memory for so many places. */
apr_size_t scep_gate_size(unsigned int count);

/**
 * Makes a gate with all places free.
 * @param mem  scep_gate_size(count) octets
 */
scep_gate_t *scep_gate_create(void *mem, unsigned int count, apr_pool_t *p);

/**
 * Takes a place, without waiting.
 * @param longest  what it takes at the very most
 * @return whether there was one
 */
int scep_gate_enter(scep_gate_t *gate, apr_time_t now,
                    apr_interval_time_t longest, scep_gate_place_t *place);

void scep_gate_leave(scep_gate_t *gate, const scep_gate_place_t *place);

#endif
