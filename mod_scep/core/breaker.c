/* breaker.c - a service that fails again and again is left alone for a while
 * SPDX-License-Identifier: Apache-2.0
 */
#include "breaker.h"

#include <stdatomic.h>

/* Failures in a row in the upper 16 bits, milliseconds of the clock until
 * which it is open in the others; 0: closed. */
struct scep_breaker_t {
    _Atomic apr_uint64_t word;
};

#define UNTIL_BITS 48
#define UNTIL_MASK ((UINT64_C(1) << UNTIL_BITS) - 1)
#define FAILURES_MAX 0xffff

static apr_uint64_t make(apr_uint64_t failures, apr_time_t until)
{
    return failures << UNTIL_BITS |
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
                                          make(word >> UNTIL_BITS,
                                               now + longest));
}

static apr_uint64_t after_failure(apr_uint64_t word, apr_time_t now)
{
    apr_uint64_t failures = word >> UNTIL_BITS;
    apr_interval_time_t pause = SCEP_BREAKER_FIRST;

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

int scep_breaker_report(scep_breaker_t *breaker, int good, apr_time_t now)
{
    apr_uint64_t word = atomic_load(&breaker->word);
    apr_uint64_t next;

    do {
        next = good ? 0 : after_failure(word, now);
    } while (!atomic_compare_exchange_weak(&breaker->word, &word, next));
    return !(word & UNTIL_MASK) != !(next & UNTIL_MASK);
}

apr_time_t scep_breaker_open(const scep_breaker_t *breaker)
{
    return (apr_time_t)(atomic_load(&breaker->word) & UNTIL_MASK) * 1000;
}
