/* gate.h - a limit on how many requests wait for a service at once
 * SPDX-License-Identifier: Apache-2.0
 *
 * A service that hangs must not take every worker of httpd with it.  The
 * places lie in memory that all processes share.  One whose holder was killed
 * is free again when somebody looks for the dead, or when its time is over.
 */
#ifndef SCEP_GATE_H
#define SCEP_GATE_H

#include <sys/types.h>

#include "../mod_scep.h"

typedef struct scep_gate_t scep_gate_t;

/** A place that is held. */
typedef struct scep_gate_place_t {
    unsigned int number;
    apr_uint64_t word; /**< what stands in it */
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
 * @param self  number of this process
 * @return whether there was one
 */
int scep_gate_enter(scep_gate_t *gate, apr_time_t now,
                    apr_interval_time_t longest, pid_t self,
                    scep_gate_place_t *place);

/** Frees the places of processes that is_dead says are no more. */
void scep_gate_bury(scep_gate_t *gate, int (*is_dead)(pid_t pid));

void scep_gate_leave(scep_gate_t *gate, const scep_gate_place_t *place);

#endif
