/* gate.c - a limit on how many requests wait for a service at once
 * SPDX-License-Identifier: Apache-2.0
 */
#include "gate.h"

#include <ap_mpm.h>
#include <apr_shm.h>

#include <stdatomic.h>

#define PLACES_MAX 1024

/* Each place holds the time until which it is taken, 0 where it is free. */
struct scep_gate_t {
    unsigned int count;
    _Atomic apr_uint64_t *places;
};

apr_status_t mod_scep_gate_create(scep_gate_t **gate, apr_pool_t *pconf)
{
    apr_shm_t *shm;
    int processes = 1, threads = 1;
    unsigned int count;
    apr_status_t rv;

    ap_mpm_query(AP_MPMQ_MAX_DAEMONS, &processes);
    ap_mpm_query(AP_MPMQ_MAX_THREADS, &threads);
    count = (unsigned int)(processes < 1 ? 1 : processes) *
            (unsigned int)(threads < 1 ? 1 : threads) / 2;
    if (count < 1)
        count = 1;
    if (count > PLACES_MAX)
        count = PLACES_MAX;
    rv = apr_shm_create(&shm, count * sizeof(apr_uint64_t), NULL, pconf);
    if (rv != APR_SUCCESS)
        return rv;
    *gate = apr_palloc(pconf, sizeof(**gate));
    (*gate)->count = count;
    (*gate)->places = apr_shm_baseaddr_get(shm);
    for (unsigned int i = 0; i < count; i++)
        atomic_init(&(*gate)->places[i], 0);
    return APR_SUCCESS;
}

int mod_scep_gate_enter(scep_gate_t *gate, apr_time_t now,
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

void mod_scep_gate_leave(scep_gate_t *gate, const scep_gate_place_t *place)
{
    apr_uint64_t until = place->until;

    /* not where it was too late, and another has it now */
    atomic_compare_exchange_strong(&gate->places[place->number], &until, 0);
}
