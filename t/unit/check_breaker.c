/* check_breaker.c - when a service is left alone, and for how long
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include <check.h>

#include "breaker.h"
#include "run.h"

#define NOW apr_time_from_sec(1800000000)
#define LONGEST apr_time_from_sec(30)

static void *memory;
static scep_breaker_t *breaker;

static void setup(void)
{
    memory = malloc(scep_breaker_size());
    breaker = scep_breaker_create(memory);
}

static void teardown(void)
{
    free(memory);
}

/* Fails as often as it takes to open it. */
static void open_it(apr_time_t now)
{
    for (int i = 1; i <= SCEP_BREAKER_FAILURES; i++) {
        ck_assert(scep_breaker_allow(breaker, now, LONGEST));
        ck_assert_int_eq(scep_breaker_report(breaker, 0, now),
                         i == SCEP_BREAKER_FAILURES);
    }
}

START_TEST(opens_after_failures_in_a_row)
{
    for (int i = 0; i < 10 * SCEP_BREAKER_FAILURES; i++) {
        ck_assert(scep_breaker_allow(breaker, NOW, LONGEST));
        ck_assert(!scep_breaker_report(breaker, i % SCEP_BREAKER_FAILURES == 0,
                                       NOW));
    }
    ck_assert_int_eq(scep_breaker_open(breaker), 0);
    ck_assert(!scep_breaker_report(breaker, 1, NOW));
    open_it(NOW);
    ck_assert(!scep_breaker_allow(breaker, NOW, LONGEST));
    ck_assert_int_eq(scep_breaker_open(breaker), NOW + SCEP_BREAKER_FIRST);
}
END_TEST

START_TEST(one_finds_out_and_only_one)
{
    apr_time_t then = NOW + SCEP_BREAKER_FIRST;

    open_it(NOW);
    ck_assert(scep_breaker_allow(breaker, then, LONGEST));
    ck_assert(!scep_breaker_allow(breaker, then, LONGEST));
    ck_assert(!scep_breaker_allow(breaker, then + LONGEST - 1000, LONGEST));
    /* who found out has died */
    ck_assert(scep_breaker_allow(breaker, then + LONGEST, LONGEST));
    ck_assert(scep_breaker_report(breaker, 1, then + LONGEST));
    ck_assert(scep_breaker_allow(breaker, then + LONGEST, LONGEST));
    ck_assert(scep_breaker_allow(breaker, then + LONGEST, LONGEST));
}
END_TEST

START_TEST(each_failure_doubles_the_time)
{
    apr_time_t now = NOW;
    apr_interval_time_t pause = SCEP_BREAKER_FIRST;

    open_it(now);
    for (int i = 0; i < 8; i++) {
        now = scep_breaker_open(breaker);
        ck_assert(scep_breaker_allow(breaker, now, LONGEST));
        ck_assert(!scep_breaker_report(breaker, 0, now));
        pause = pause * 2 < SCEP_BREAKER_MOST ? pause * 2 : SCEP_BREAKER_MOST;
        ck_assert_int_eq(scep_breaker_open(breaker), now + pause);
    }
}
END_TEST

START_TEST(who_cannot_say_lets_another_find_out)
{
    apr_time_t then = NOW + SCEP_BREAKER_FIRST;

    ck_assert(!scep_breaker_report(breaker, -1, NOW));
    ck_assert_int_eq(scep_breaker_open(breaker), 0);
    open_it(NOW);
    /* one of before it opened */
    ck_assert(!scep_breaker_report(breaker, -1, NOW));
    ck_assert_int_eq(scep_breaker_open(breaker), then);
    ck_assert(scep_breaker_allow(breaker, then, LONGEST));
    ck_assert(!scep_breaker_report(breaker, -1, then + 1000));
    ck_assert(scep_breaker_allow(breaker, then + 1000, LONGEST));
    ck_assert(!scep_breaker_allow(breaker, then + 1000, LONGEST));
    ck_assert(!scep_breaker_report(breaker, 0, then + 1000));
    ck_assert_int_eq(scep_breaker_open(breaker),
                     then + 1000 + 2 * SCEP_BREAKER_FIRST);
}
END_TEST

/* All calls to a CA that hangs fail together. */
START_TEST(calls_of_before_do_not_keep_it_open)
{
    open_it(NOW);
    for (int i = 0; i < 60; i++)
        ck_assert(!scep_breaker_report(breaker, 0, NOW + 1000));
    ck_assert_int_eq(scep_breaker_open(breaker), NOW + SCEP_BREAKER_FIRST);
    ck_assert(scep_breaker_report(breaker, 1, NOW + 2000));
    ck_assert(scep_breaker_allow(breaker, NOW + 2000, LONGEST));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("breaker");
    TCase *tcase = tcase_create("breaker");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, opens_after_failures_in_a_row);
    tcase_add_test(tcase, one_finds_out_and_only_one);
    tcase_add_test(tcase, each_failure_doubles_the_time);
    tcase_add_test(tcase, who_cannot_say_lets_another_find_out);
    tcase_add_test(tcase, calls_of_before_do_not_keep_it_open);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
