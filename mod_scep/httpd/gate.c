/* gate.c - half of httpd's workers may wait for a service
 * SPDX-License-Identifier: Apache-2.0
 */
#include "gate.h"

#include <ap_mpm.h>
#include <apr_shm.h>

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#define PLACES_MAX 1024

/* where a configuration keeps the one that it has */
#define GATE_KEY "mod_scep-gate"

static unsigned int half_of_workers(void)
{
    int processes = 1, threads = 1;
    unsigned int count;

    ap_mpm_query(AP_MPMQ_MAX_DAEMONS, &processes);
    ap_mpm_query(AP_MPMQ_MAX_THREADS, &threads);
    count = (unsigned int)(processes < 1 ? 1 : processes) *
            (unsigned int)(threads < 1 ? 1 : threads) / 2;
    return count < 1 ? 1 : count > PLACES_MAX ? PLACES_MAX : count;
}

apr_status_t mod_scep_gate_create(scep_gate_t **gate, unsigned int count,
                                  apr_pool_t *pconf)
{
    apr_shm_t *shm;
    apr_status_t rv;

    if (count == 0)
        count = half_of_workers();
    rv = apr_shm_create(&shm, scep_gate_size(count), NULL, pconf);
    if (rv == APR_SUCCESS)
        *gate = scep_gate_create(apr_shm_baseaddr_get(shm), count, pconf);
    return rv;
}

apr_status_t mod_scep_gate_open(scep_gate_t **gate, apr_pool_t *pconf)
{
    void *made = NULL;
    apr_status_t rv;

    apr_pool_userdata_get(&made, GATE_KEY, pconf);
    if (made) {
        *gate = made;
        return APR_SUCCESS;
    }
    rv = mod_scep_gate_create(gate, 0, pconf);
    return rv == APR_SUCCESS
               ? apr_pool_userdata_setn(*gate, GATE_KEY, NULL, pconf)
               : rv;
}

static int is_dead(pid_t pid)
{
    return kill(pid, 0) != 0 && errno == ESRCH;
}

int mod_scep_gate_enter(scep_gate_t *gate, apr_time_t now,
                        apr_interval_time_t longest, scep_gate_place_t *place)
{
    if (scep_gate_enter(gate, now, longest, getpid(), place))
        return 1;
    scep_gate_bury(gate, is_dead);
    return scep_gate_enter(gate, now, longest, getpid(), place);
}
