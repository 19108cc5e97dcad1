/* ejbca_turns.h - one submission at a time for each username
 * SPDX-License-Identifier: Apache-2.0
 *
 * EJBCA changes the end entity and then signs: of two requests with one
 * username one could get the other's names.  The turns are shared by all
 * processes; one whose holder was killed ends with its time.
 */
#ifndef SCEP_EJBCA_TURNS_H
#define SCEP_EJBCA_TURNS_H

#include <apr_pools.h>
#include <apr_time.h>

typedef struct scep_ejbca_turns_t scep_ejbca_turns_t;

/** A turn that is held. */
typedef struct scep_ejbca_turn_t {
    unsigned int place;
    apr_uint64_t until;
} scep_ejbca_turn_t;

/** Octets of shared memory that they need, zeroed once. */
apr_size_t scep_ejbca_turns_size(void);

scep_ejbca_turns_t *scep_ejbca_turns_open(void *mem);

/**
 * Waits for the turn of a username.
 * @param patience  how long to wait
 * @param longest  how long the turn is held at the very most
 * @return zero where it did not come in time
 */
int scep_ejbca_turns_take(scep_ejbca_turns_t *turns, const char *username,
                          apr_interval_time_t patience,
                          apr_interval_time_t longest,
                          scep_ejbca_turn_t *turn);

void scep_ejbca_turns_give(scep_ejbca_turns_t *turns,
                           const scep_ejbca_turn_t *turn);

#endif
