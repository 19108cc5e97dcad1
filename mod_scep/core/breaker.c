/* breaker.c - a service that fails again and again is left alone for a while
 * SPDX-License-Identifier: Apache-2.0
 */
#include "breaker.h"

#include <stdatomic.h>

/* Failures in a row in the upper 16 bits, whether somebody finds out now in
 * the next, and in the others milliseconds of the clock until which it is
 * open; 0: closed. */
struct scep_breaker_t {
    _Atomic apr_uint64_t word;
};

#define FAILURES_SHIFT 48
#define FINDING_OUT (UINT64_C(1) << 47)
#define UNTIL_MASK (FINDING_OUT - 1)
#define FAILURES_MAX 0xffff

static apr_uint64_t make(apr_uint64_t failures, apr_time_t until)
{
    return failures << FAILURES_SHIFT |
           ((apr_uint64_t)apr_time_as_msec(until) & UNTIL_MASK);
}

apr_size_t scep_breaker_size(void)
{
    return sizeof(scep_breaker_t);
}

scep_breaker_t *scep_breaker_create(void *mem)
{
    scep_breaker_t *breaker = mem;

    atomic_init(&breaker->word, 0);
    return breaker;
}

int scep_breaker_allow(scep_breaker_t *breaker, apr_time_t now,
                       apr_interval_time_t longest)
{
    apr_uint64_t word = atomic_load(&breaker->word);
    apr_uint64_t until = word & UNTIL_MASK;

    if (until == 0)
        return 1;
    if ((apr_uint64_t)apr_time_as_msec(now) < until)
        return 0;
    return atomic_compare_exchange_strong(&breaker->word, &word,
                                          FINDING_OUT |
                                              make(word >> FAILURES_SHIFT,
                                                   now + longest));
}

/* Who finds out decides how long it stays open, not calls of before. */
static apr_uint64_t after_failure(apr_uint64_t word, apr_time_t now)
{
    apr_uint64_t failures = word >> FAILURES_SHIFT;
    apr_interval_time_t pause = SCEP_BREAKER_FIRST;

    if ((word & UNTIL_MASK) && !(word & FINDING_OUT))
        return word;
    if (failures < FAILURES_MAX)
        failures++;
    if (failures < SCEP_BREAKER_FAILURES)
        return make(failures, 0);
    for (apr_uint64_t i = SCEP_BREAKER_FAILURES;
         i < failures && pause < SCEP_BREAKER_MOST; i++)
        pause *= 2;
    return make(failures,
                now + (pause < SCEP_BREAKER_MOST ? pause : SCEP_BREAKER_MOST));
}

/* The next one may find out at once. */
static apr_uint64_t after_nothing(apr_uint64_t word, apr_time_t now)
{
    return word & FINDING_OUT ? make(word >> FAILURES_SHIFT, now) : word;
}

int scep_breaker_report(scep_breaker_t *breaker, int good, apr_time_t now)
{
    apr_uint64_t word = atomic_load(&breaker->word);
    apr_uint64_t next;

    do {
        next = good > 0    ? 0
               : good == 0 ? after_failure(word, now)
                           : after_nothing(word, now);
    } while (!atomic_compare_exchange_weak(&breaker->word, &word, next));
    return !(word & UNTIL_MASK) != !(next & UNTIL_MASK);
}

apr_time_t scep_breaker_open(const scep_breaker_t *breaker)
{
    return (apr_time_t)(atomic_load(&breaker->word) & UNTIL_MASK) * 1000;
}
