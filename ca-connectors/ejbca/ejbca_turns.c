/* ejbca_turns.c - one submission at a time for each username
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ejbca_turns.h"

#include <stdatomic.h>
#include <stdint.h>

/* Usernames that share a place wait for each other without need. */
#define PLACES 65536
#define PAUSE (apr_time_from_msec(5))

/* When the turn ends, microseconds since 1970; 0: it is free.  Two turns of
 * one place never end at the same microsecond: see take. */
struct scep_ejbca_turns_t {
    _Atomic uint64_t until[PLACES];
};

apr_size_t scep_ejbca_turns_size(void)
{
    return sizeof(scep_ejbca_turns_t);
}

scep_ejbca_turns_t *scep_ejbca_turns_open(void *mem)
{
    return mem;
}

/* FNV-1a, mixed once more because names that differ in their last digit
 * alone are the rule; nobody gains by making others wait. */
static unsigned int place_of(const char *username)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (; *username; username++)
        hash = (hash ^ (unsigned char)*username) * UINT64_C(0x100000001b3);
    hash = (hash ^ hash >> 32) * UINT64_C(0x9e3779b97f4a7c15);
    return (unsigned int)(hash >> 32) % PLACES;
}

int scep_ejbca_turns_take(scep_ejbca_turns_t *turns, const char *username,
                          apr_interval_time_t patience,
                          apr_interval_time_t longest, scep_ejbca_turn_t *turn)
{
    unsigned int place = place_of(username);
    apr_time_t end = apr_time_now() + patience;

    for (;;) {
        apr_time_t now = apr_time_now();
        uint64_t held = atomic_load(&turns->until[place]);
        uint64_t until = (uint64_t)(now + longest);

        if (until <= held)
            until = held + 1;
        if (held < (uint64_t)now &&
            atomic_compare_exchange_strong(&turns->until[place], &held,
                                           until)) {
            turn->place = place;
            turn->until = until;
            return 1;
        }
        if (now >= end)
            return 0;
        apr_sleep(PAUSE);
    }
}

void scep_ejbca_turns_give(scep_ejbca_turns_t *turns,
                           const scep_ejbca_turn_t *turn)
{
    uint64_t until = turn->until;

    /* another's by now, if this one took too long */
    atomic_compare_exchange_strong(&turns->until[turn->place], &until, 0);
}
