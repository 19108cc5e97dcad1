/* gate.c - a limit on how many requests wait for a service at once
 * SPDX-License-Identifier: Apache-2.0
 */
#include "gate.h"

#include <stdatomic.h>

/* Each place holds the time until which it is taken, 0 where it is free. */
struct scep_gate_t {
    unsigned int count;
    _Atomic apr_uint64_t *places;
};

apr_size_t scep_gate_size(unsigned int count)
{
    return count * sizeof(_Atomic apr_uint64_t);
}

scep_gate_t *scep_gate_create(void *mem, unsigned int count, apr_pool_t *p)
{
    scep_gate_t *gate = apr_palloc(p, sizeof(*gate));

    gate->count = count;
    gate->places = mem;
    for (unsigned int i = 0; i < count; i++)
        atomic_init(&gate->places[i], 0);
    return gate;
}

int scep_gate_enter(scep_gate_t *gate, apr_time_t now,
                    apr_interval_time_t longest, scep_gate_place_t *place)
{
    place->until = (apr_uint64_t)(now + longest);
    for (unsigned int i = 0; i < gate->count; i++) {
        apr_uint64_t until = atomic_load(&gate->places[i]);

        if (until < (apr_uint64_t)now &&
            atomic_compare_exchange_strong(&gate->places[i], &until,
                                           place->until)) {
            place->number = i;
            return 1;
        }
    }
    return 0;
}

void scep_gate_leave(scep_gate_t *gate, const scep_gate_place_t *place)
{
    apr_uint64_t until = place->until;

    /* not where it was too late, and another has it now */
    atomic_compare_exchange_strong(&gate->places[place->number], &until, 0);
}
