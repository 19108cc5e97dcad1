/* gate.c - a limit on how many requests wait for a service at once
 * SPDX-License-Identifier: Apache-2.0
 */
#include "gate.h"

#include <stdatomic.h>

/* Each place holds the second until which it is taken in its upper half, and
 * by which process in its lower; 0 where it is free. */
struct scep_gate_t {
    unsigned int count;
    _Atomic apr_uint64_t *places;
};

static apr_uint64_t second(apr_time_t time)
{
    return (apr_uint64_t)apr_time_sec(time);
}

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
                    apr_interval_time_t longest, pid_t self,
                    scep_gate_place_t *place)
{
    place->word = (second(now + longest) + 1) << 32 | (apr_uint32_t)self;
    for (unsigned int i = 0; i < gate->count; i++) {
        apr_uint64_t word = atomic_load(&gate->places[i]);

        if (word >> 32 < second(now) &&
            atomic_compare_exchange_strong(&gate->places[i], &word,
                                           place->word)) {
            place->number = i;
            return 1;
        }
    }
    return 0;
}

void scep_gate_bury(scep_gate_t *gate, int (*is_dead)(pid_t pid))
{
    for (unsigned int i = 0; i < gate->count; i++) {
        apr_uint64_t word = atomic_load(&gate->places[i]);

        if (word && is_dead((pid_t)(apr_uint32_t)word))
            atomic_compare_exchange_strong(&gate->places[i], &word, 0);
    }
}

void scep_gate_leave(scep_gate_t *gate, const scep_gate_place_t *place)
{
    apr_uint64_t word = place->word;

    /* not where it was too late, and another has it now */
    atomic_compare_exchange_strong(&gate->places[place->number], &word, 0);
}
