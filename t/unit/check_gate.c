/* check_gate.c - unit tests of gate.c
 * SPDX-License-Identifier: Apache-2.0
 */
#include "gate.h"
#include "run.h"

#define NOW apr_time_from_sec(1700000000)
#define LONGEST apr_time_from_sec(10)
#define LATER apr_time_from_sec(3)
#define SELF 4711

static apr_pool_t *pool;
static scep_gate_t *gate;
static scep_gate_place_t places[3];

static void setup(void)
{
    apr_pool_create(&pool, NULL);
    gate = scep_gate_create(apr_palloc(pool, scep_gate_size(2)), 2, pool);
}

static void teardown(void)
{
    apr_pool_destroy(pool);
}

static int enter(int i, apr_time_t now)
{
    return scep_gate_enter(gate, now, LONGEST, SELF + i, &places[i]);
}

START_TEST(as_many_enter_as_there_are_places)
{
    ck_assert(enter(0, NOW));
    ck_assert(enter(1, NOW));
    ck_assert(!enter(2, NOW));
    scep_gate_leave(gate, &places[0]);
    ck_assert(enter(2, NOW));
    ck_assert(!enter(0, NOW));
}
END_TEST

START_TEST(a_place_that_nobody_left_is_free_after_its_time)
{
    ck_assert(enter(0, NOW));
    ck_assert(enter(1, NOW + LATER));
    ck_assert(!enter(2, NOW + LONGEST));
    ck_assert(enter(2, NOW + LONGEST + LATER));
    ck_assert_uint_eq(places[2].number, places[0].number);
}
END_TEST

START_TEST(who_leaves_too_late_takes_no_place_from_another)
{
    ck_assert(enter(0, NOW));
    ck_assert(enter(1, NOW + LATER));
    ck_assert(enter(2, NOW + LONGEST + LATER));
    scep_gate_leave(gate, &places[0]);
    ck_assert(!enter(0, NOW + LONGEST + LATER));
    scep_gate_leave(gate, &places[2]);
    ck_assert(enter(0, NOW + LONGEST + LATER));
}
END_TEST

static int is_the_first(pid_t pid)
{
    return pid == SELF;
}

START_TEST(the_dead_hold_no_place)
{
    ck_assert(enter(0, NOW));
    ck_assert(enter(1, NOW));
    scep_gate_bury(gate, is_the_first);
    ck_assert(enter(2, NOW));
    ck_assert_uint_eq(places[2].number, places[0].number);
    ck_assert(!enter(0, NOW));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gate");
    TCase *tests = tcase_create("gate");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, as_many_enter_as_there_are_places);
    tcase_add_test(tests, a_place_that_nobody_left_is_free_after_its_time);
    tcase_add_test(tests, who_leaves_too_late_takes_no_place_from_another);
    tcase_add_test(tests, the_dead_hold_no_place);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
