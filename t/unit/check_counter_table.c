/* check_counter_table.c - counts over windows, under threads and processes
 * SPDX-License-Identifier: Apache-2.0
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <apr_general.h>
#include <check.h>

#include "counter_table.h"
#include "run.h"

#define NOW apr_time_from_sec(1800000000)
#define SECOND apr_time_from_sec(1)
#define MINUTE apr_time_from_sec(60)
#define CELLS 64
#define PROCESSES 4
#define THREADS 4 /* in each process */
#define ROUNDS 5000

static const unsigned char seed[SCEP_COUNTERS_SEED_LEN] = "seed for tests";
static apr_pool_t *pool;
static void *mem;
static apr_size_t size;
static scep_counters_t *counters;
static _Atomic uint64_t *words; /* of the cells: name, count, name ... */
static const char *error;

static void *map(apr_size_t octets)
{
    void *at = mmap(NULL, octets, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    ck_assert_ptr_ne(at, MAP_FAILED);
    return at;
}

static void make(apr_uint32_t cells)
{
    size = scep_counters_size(cells);
    mem = map(size);
    words = (_Atomic uint64_t *)((char *)mem + 4096);
    scep_counters_format(mem, cells, seed);
    ck_assert_int_eq(scep_counters_open(&counters, mem, size, &error, pool),
                     APR_SUCCESS);
}

static void setup(void)
{
    ck_assert_int_eq(apr_initialize(), APR_SUCCESS);
    ck_assert_int_eq(apr_pool_create(&pool, NULL), APR_SUCCESS);
    make(CELLS);
}

static void teardown(void)
{
    apr_pool_destroy(pool);
    munmap(mem, size);
    apr_terminate();
}

static apr_uint32_t count(const char *key, apr_time_t now)
{
    apr_time_t ends;

    return scep_counters_get(counters, key, now, &ends);
}

/* The one cell of an almost empty table. */
static int used_cell(void)
{
    for (int i = 0; i < CELLS; i++)
        if (words[2 * i + 1])
            return i;
    ck_abort_msg("no cell is used");
}

/* ------------------------------------------------------------------ */

START_TEST(counts_up_and_tells_when_it_ends)
{
    apr_time_t ends = 0;

    ck_assert_uint_eq(scep_counters_get(counters, "a", NOW, &ends), 0);
    ck_assert_int_eq(ends, 0);
    for (apr_uint32_t i = 1; i <= 5; i++)
        ck_assert_uint_eq(scep_counters_add(counters, "a", MINUTE, NOW), i);
    ck_assert_uint_eq(scep_counters_add(counters, "b", SECOND, NOW), 1);
    ck_assert_uint_eq(scep_counters_get(counters, "a", NOW, &ends), 5);
    ck_assert_int_eq(ends, NOW + MINUTE);
}
END_TEST

START_TEST(a_window_begins_with_its_first_event_and_does_not_move)
{
    scep_counters_add(counters, "a", MINUTE, NOW);
    ck_assert_uint_eq(scep_counters_add(counters, "a", MINUTE,
                                        NOW + MINUTE - 1),
                      2);
    ck_assert_uint_eq(count("a", NOW + MINUTE - 1), 2);
    ck_assert_uint_eq(count("a", NOW + MINUTE), 0);
    ck_assert_uint_eq(scep_counters_add(counters, "a", MINUTE, NOW + MINUTE),
                      1);
    ck_assert_uint_eq(count("a", NOW + 2 * MINUTE - 1), 1);
}
END_TEST

START_TEST(an_end_is_rounded_up_to_a_second)
{
    scep_counters_add(counters, "a", 1, NOW + 1);
    ck_assert_uint_eq(count("a", NOW + SECOND - 1), 1);
    ck_assert_uint_eq(count("a", NOW + SECOND), 0);
}
END_TEST

START_TEST(undo_takes_one_back_and_the_last_one_ends_the_window)
{
    scep_counters_undo(counters, "a", NOW);
    scep_counters_add(counters, "a", MINUTE, NOW);
    scep_counters_add(counters, "a", MINUTE, NOW);
    scep_counters_undo(counters, "a", NOW);
    ck_assert_uint_eq(count("a", NOW), 1);
    scep_counters_undo(counters, "a", NOW);
    ck_assert_uint_eq(count("a", NOW), 0);
    scep_counters_undo(counters, "a", NOW);
    scep_counters_add(counters, "a", MINUTE, NOW + SECOND);
    ck_assert_uint_eq(count("a", NOW + MINUTE), 1);
}
END_TEST

START_TEST(forget_ends_a_window)
{
    scep_counters_add(counters, "a", MINUTE, NOW);
    scep_counters_add(counters, "a", MINUTE, NOW);
    scep_counters_add(counters, "b", MINUTE, NOW);
    scep_counters_forget(counters, "a", NOW);
    ck_assert_uint_eq(count("a", NOW), 0);
    ck_assert_uint_eq(count("b", NOW), 1);
}
END_TEST

START_TEST(forget_tells_what_was_counted)
{
    ck_assert_uint_eq(scep_counters_forget(counters, "a", NOW), 0);
    scep_counters_add(counters, "a", MINUTE, NOW);
    scep_counters_add(counters, "a", MINUTE, NOW);
    ck_assert_uint_eq(scep_counters_forget(counters, "a", NOW), 2);
    ck_assert_uint_eq(scep_counters_forget(counters, "a", NOW), 0);
}
END_TEST

START_TEST(several_are_added_at_once)
{
    ck_assert_uint_eq(scep_counters_add_many(counters, "a", 7, MINUTE, NOW),
                      7);
    ck_assert_uint_eq(scep_counters_add_many(counters, "a", 5, MINUTE, NOW),
                      12);
    scep_counters_undo(counters, "a", NOW);
    ck_assert_uint_eq(scep_counters_forget(counters, "a", NOW), 11);
}
END_TEST

START_TEST(several_stay_at_the_most)
{
    ck_assert_uint_eq(scep_counters_add_many(counters, "a", UINT32_MAX, MINUTE,
                                             NOW),
                      SCEP_COUNTERS_MAX);
    ck_assert_uint_eq(count("a", NOW), SCEP_COUNTERS_MAX);
    scep_counters_undo(counters, "a", NOW);
    ck_assert_uint_eq(scep_counters_add_many(counters, "a", 9, MINUTE, NOW),
                      SCEP_COUNTERS_MAX);
    ck_assert_uint_eq(count("a", NOW), SCEP_COUNTERS_MAX);
}
END_TEST

START_TEST(a_count_stays_at_its_most)
{
    int cell;

    scep_counters_add(counters, "a", MINUTE, NOW);
    cell = used_cell();
    words[2 * cell + 1] += SCEP_COUNTERS_MAX - 2;
    for (int i = 0; i < 3; i++)
        ck_assert_uint_eq(scep_counters_add(counters, "a", MINUTE, NOW),
                          SCEP_COUNTERS_MAX);
    scep_counters_undo(counters, "a", NOW);
    ck_assert_uint_eq(count("a", NOW), SCEP_COUNTERS_MAX - 1);
}
END_TEST

START_TEST(a_long_window_and_a_clock_before_1970_do_not_overflow)
{
    apr_time_t ends = 0;

    scep_counters_add(counters, "a", apr_time_from_sec(INT64_C(1) << 33), NOW);
    ck_assert_uint_eq(scep_counters_get(counters, "a", NOW, &ends), 1);
    ck_assert_int_eq(ends, apr_time_from_sec(UINT32_MAX));
    scep_counters_add(counters, "b", SECOND, -MINUTE);
    ck_assert_uint_eq(count("b", NOW), 0);
}
END_TEST

START_TEST(where_it_is_full_the_count_that_ends_first_gives_way)
{
    char key[32];
    int kept = 0;

    scep_counters_add(counters, "long", 1000 * MINUTE, NOW);
    for (int i = 0; i < 100 * CELLS; i++) {
        snprintf(key, sizeof(key), "short-%d", i);
        ck_assert_uint_eq(scep_counters_add(counters, key,
                                            MINUTE + apr_time_from_sec(i),
                                            NOW),
                          1);
    }
    for (int i = 0; i < 100 * CELLS; i++) {
        snprintf(key, sizeof(key), "short-%d", i);
        kept += count(key, NOW) == 1;
    }
    ck_assert_uint_eq(count("long", NOW), 1);
    ck_assert_int_eq(kept, CELLS - 1);
}
END_TEST

START_TEST(opens_what_it_has_made_and_nothing_else)
{
    scep_counters_t *other;
    uint32_t *header = mem;

    scep_counters_add(counters, "a", MINUTE, NOW);
    ck_assert_int_eq(scep_counters_open(&other, mem, size, &error, pool),
                     APR_SUCCESS);
    counters = other;
    ck_assert_uint_eq(count("a", NOW), 1);
    ck_assert_int_ne(scep_counters_open(&other, mem, size - 16, &error, pool),
                     APR_SUCCESS);
    ck_assert_ptr_nonnull(strstr(error, "cut off"));
    ck_assert_int_ne(scep_counters_open(&other, mem, 100, &error, pool),
                     APR_SUCCESS);
    header[2]++;
    ck_assert_int_ne(scep_counters_open(&other, mem, size, &error, pool),
                     APR_SUCCESS);
    ck_assert_ptr_nonnull(strstr(error, "version"));
    header[0]++;
    ck_assert_int_ne(scep_counters_open(&other, mem, size, &error, pool),
                     APR_SUCCESS);
    ck_assert_ptr_nonnull(strstr(error, "no table"));
}
END_TEST

START_TEST(rubbish_in_the_cells_is_outlived)
{
    char key[32];

    srand(1);
    for (int i = 0; i < 2 * CELLS; i++)
        words[i] =
            (uint64_t)rand() << 33 ^ (uint64_t)rand() << 11 ^ (uint64_t)rand();
    for (int i = 0; i < 10 * CELLS; i++) {
        snprintf(key, sizeof(key), "key-%d", i);
        ck_assert_uint_eq(scep_counters_add(counters, key, MINUTE, NOW), 1);
        ck_assert_uint_eq(scep_counters_add(counters, key, MINUTE, NOW), 2);
    }
}
END_TEST

/* ------------------------------------------------------------------ */
/* Side by side                                                         */

/** What processes share beside the table. */
typedef struct shared_t {
    pthread_barrier_t barrier;
    _Atomic uint32_t seen[PROCESSES * THREADS * ROUNDS + 1];
    atomic_int faults;
} shared_t;

static shared_t *shared;

static void share(void)
{
    pthread_barrierattr_t attr;

    shared = map(sizeof(*shared));
    pthread_barrierattr_init(&attr);
    pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init(&shared->barrier, &attr, PROCESSES * THREADS);
    pthread_barrierattr_destroy(&attr);
}

/* Runs work in threads of processes; each gets a number of its own. */
static void side_by_side(void *(*work)(void *number))
{
    pid_t children[PROCESSES];

    share();
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        ck_assert_int_ge(children[i], 0);
        if (children[i] == 0) {
            pthread_t threads[THREADS];

            for (int j = 0; j < THREADS; j++)
                pthread_create(&threads[j], NULL, work,
                               (void *)(intptr_t)(i * THREADS + j));
            for (int j = 0; j < THREADS; j++)
                pthread_join(threads[j], NULL);
            _exit(0);
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status;

        ck_assert_int_eq(waitpid(children[i], &status, 0), children[i]);
        ck_assert_int_eq(status, 0);
    }
}

static void *count_one_key(void *number)
{
    (void)number;
    pthread_barrier_wait(&shared->barrier);
    for (int i = 0; i < ROUNDS; i++) {
        apr_uint32_t n = scep_counters_add(counters, "a", MINUTE, NOW);

        atomic_fetch_add(&shared->seen[n], 1);
    }
    return NULL;
}

START_TEST(each_event_of_all_processes_has_a_number_of_its_own)
{
    side_by_side(count_one_key);
    for (int i = 1; i <= PROCESSES * THREADS * ROUNDS; i++)
        ck_assert_uint_eq(atomic_load(&shared->seen[i]), 1);
    munmap(shared, sizeof(*shared));
}
END_TEST

static void *count_and_forget(void *number)
{
    pthread_barrier_wait(&shared->barrier);
    for (int i = 0; i < ROUNDS; i++) {
        scep_counters_add_many(counters, "a", 3, MINUTE, NOW);
        if (i % 7 == (int)(intptr_t)number % 7) {
            atomic_fetch_add(&shared->seen[0],
                             scep_counters_forget(counters, "a", NOW));
        }
    }
    return NULL;
}

START_TEST(each_event_is_told_to_one_that_forgets)
{
    side_by_side(count_and_forget);
    ck_assert_uint_eq(atomic_load(&shared->seen[0]) + count("a", NOW),
                      3 * PROCESSES * THREADS * ROUNDS);
    munmap(shared, sizeof(*shared));
}
END_TEST

/* All begin the same new key at the same time, again and again. */
static void *begin_the_same_keys(void *number)
{
    (void)number;
    pthread_barrier_wait(&shared->barrier);
    for (int i = 0; i < ROUNDS; i++) {
        char key[32];

        snprintf(key, sizeof(key), "key-%d", i);
        atomic_fetch_add(&shared->seen[i],
                         scep_counters_add(counters, key, MINUTE, NOW) == 1);
    }
    return NULL;
}

START_TEST(a_key_that_all_begin_at_once_has_one_first_event)
{
    munmap(mem, size);
    make(8 * ROUNDS / 16 * 16);
    side_by_side(begin_the_same_keys);
    for (int i = 0; i < ROUNDS; i++) {
        char key[32];

        snprintf(key, sizeof(key), "key-%d", i);
        ck_assert_uint_eq(count(key, NOW), PROCESSES * THREADS);
        ck_assert_uint_eq(atomic_load(&shared->seen[i]), 1);
    }
    munmap(shared, sizeof(*shared));
}
END_TEST

/* More keys than the table has room for, adding, undoing, forgetting. */
static void *churn(void *number)
{
    unsigned int random = (unsigned int)(intptr_t)number;

    pthread_barrier_wait(&shared->barrier);
    for (int i = 0; i < ROUNDS; i++) {
        char key[32];
        apr_time_t now = NOW + apr_time_from_sec(i / 100);

        snprintf(key, sizeof(key), "key-%d", rand_r(&random) % (2 * CELLS));
        switch (rand_r(&random) % 4) {
        case 0:
            scep_counters_undo(counters, key, now);
            break;
        case 1:
            scep_counters_forget(counters, key, now);
            break;
        default:
            if (scep_counters_add(counters, key, 5 * SECOND, now) >
                PROCESSES * THREADS * ROUNDS)
                atomic_fetch_add(&shared->faults, 1);
        }
    }
    return NULL;
}

START_TEST(a_table_in_which_all_is_being_changed_stays_usable)
{
    char key[32];

    side_by_side(churn);
    ck_assert_int_eq(atomic_load(&shared->faults), 0);
    munmap(shared, sizeof(*shared));
    for (int i = 0; i < CELLS; i++) {
        snprintf(key, sizeof(key), "after-%d", i);
        ck_assert_uint_eq(scep_counters_add(counters, key, MINUTE,
                                            NOW + 100 * MINUTE),
                          1);
        ck_assert_uint_eq(count(key, NOW + 100 * MINUTE), 1);
    }
}
END_TEST

/* ------------------------------------------------------------------ */
/* Killed in between                                                    */

START_TEST(processes_that_are_killed_leave_it_usable_and_lose_one_at_most)
{
    enum { KILLS = 200 };
    _Atomic uint64_t *done = map(4096);
    apr_uint32_t counted;

    for (int i = 0; i < KILLS; i++) {
        pid_t child = fork();

        ck_assert_int_ge(child, 0);
        if (child == 0) {
            for (int n = 0;; n++) {
                char key[32];

                snprintf(key, sizeof(key), "other-%d", n % (4 * CELLS));
                scep_counters_add(counters, key, MINUTE, NOW);
                scep_counters_add(counters, "a", 100 * MINUTE, NOW);
                atomic_fetch_add(done, 1);
            }
        }
        usleep((useconds_t)(500 + i * 13 % 700));
        kill(child, SIGKILL);
        ck_assert_int_eq(waitpid(child, NULL, 0), child);
    }
    counted = count("a", NOW);
    ck_assert_uint_ge(counted, atomic_load(done));
    ck_assert_uint_le(counted, atomic_load(done) + KILLS);
    ck_assert_uint_eq(scep_counters_add(counters, "new", 100 * MINUTE, NOW),
                      1);
    munmap((void *)done, 4096);
}
END_TEST

/* A cell that a dead process was naming: the mark stands, the name does not.
 * Whoever counts the key goes on with it; others have it when it is over. */
START_TEST(a_cell_that_was_being_named_is_finished_or_reclaimed)
{
    int cell;

    scep_counters_add(counters, "a", MINUTE, NOW);
    cell = used_cell();
    words[2 * cell + 1] = (words[2 * cell] >> 16 & 0x7fffffff) |
                          (uint64_t)(apr_time_sec(NOW) + 2) << 32;
    words[2 * cell] = 0;
    ck_assert_uint_eq(count("a", NOW), 0);
    ck_assert_uint_eq(scep_counters_add(counters, "a", MINUTE, NOW), 1);
    ck_assert_uint_eq(scep_counters_add(counters, "a", MINUTE, NOW), 2);
    ck_assert_uint_eq(words[2 * cell + 1] & 0xffffff, 2);
    for (int i = 0; i < CELLS; i++)
        words[2 * i + 1] = (uint64_t)(apr_time_sec(NOW) + 2) << 32 | 5;
    ck_assert_uint_eq(scep_counters_add(counters, "b", MINUTE, NOW), 1);
    ck_assert_uint_eq(scep_counters_add(counters, "c", MINUTE,
                                        NOW + 2 * SECOND),
                      1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("counter_table");
    TCase *one = tcase_create("one"), *many = tcase_create("many");

    tcase_add_checked_fixture(one, setup, teardown);
    tcase_add_test(one, counts_up_and_tells_when_it_ends);
    tcase_add_test(one,
                   a_window_begins_with_its_first_event_and_does_not_move);
    tcase_add_test(one, an_end_is_rounded_up_to_a_second);
    tcase_add_test(one, undo_takes_one_back_and_the_last_one_ends_the_window);
    tcase_add_test(one, forget_ends_a_window);
    tcase_add_test(one, forget_tells_what_was_counted);
    tcase_add_test(one, several_are_added_at_once);
    tcase_add_test(one, several_stay_at_the_most);
    tcase_add_test(one, a_count_stays_at_its_most);
    tcase_add_test(one, a_long_window_and_a_clock_before_1970_do_not_overflow);
    tcase_add_test(one, where_it_is_full_the_count_that_ends_first_gives_way);
    tcase_add_test(one, opens_what_it_has_made_and_nothing_else);
    tcase_add_test(one, rubbish_in_the_cells_is_outlived);
    suite_add_tcase(suite, one);
    tcase_add_checked_fixture(many, setup, teardown);
    tcase_set_timeout(many, 120);
    tcase_add_test(many, each_event_of_all_processes_has_a_number_of_its_own);
    tcase_add_test(many, each_event_is_told_to_one_that_forgets);
    tcase_add_test(many, a_key_that_all_begin_at_once_has_one_first_event);
    tcase_add_test(many, a_table_in_which_all_is_being_changed_stays_usable);
    tcase_add_test(
        many, processes_that_are_killed_leave_it_usable_and_lose_one_at_most);
    tcase_add_test(many, a_cell_that_was_being_named_is_finished_or_reclaimed);
    suite_add_tcase(suite, many);
    return run_suite(suite);
}
