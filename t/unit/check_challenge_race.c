/* check_challenge_race.c - the challenge table under threads and processes
 * SPDX-License-Identifier: Apache-2.0
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <apr_general.h>
#include <check.h>

#include "../../mod_scep/core/challenge_record.h"
#include "run.h"

#define PROCESSES 4
#define THREADS 16 /* in each process */
#define ROUNDS 10000
#define NOW apr_time_from_sec(1800000000)
#define LEASE apr_time_from_sec(60)

/** What all processes share beside the table. */
typedef struct shared_t {
    pthread_barrier_t barrier;
    atomic_int faults;
    atomic_int granted;
    atomic_int winners[ROUNDS];
    atomic_int issued[ROUNDS];
    char ids[ROUNDS][SCEP_CHALLENGE_ID_SIZE];
    scep_challenge_claim_t claims[ROUNDS];
} shared_t;

static const unsigned char key[SCEP_TABLE_KEY_LEN] = "a key for tests";
static apr_pool_t *pool;
static void *mem;
static apr_size_t size;
static scep_table_t *table;
static shared_t *shared;

static void *map(apr_size_t octets)
{
    void *at = mmap(NULL, octets, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    ck_assert_ptr_ne(at, MAP_FAILED);
    return at;
}

static void setup(void)
{
    pthread_barrierattr_t attr;

    ck_assert_int_eq(apr_initialize(), APR_SUCCESS);
    ck_assert_int_eq(apr_pool_create(&pool, NULL), APR_SUCCESS);
    shared = map(sizeof(*shared));
    pthread_barrierattr_init(&attr);
    pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    ck_assert_int_eq(pthread_barrier_init(&shared->barrier, &attr,
                                          PROCESSES * THREADS),
                     0);
    pthread_barrierattr_destroy(&attr);
}

static void make(apr_uint64_t capacity)
{
    const char *error;

    size = scep_table_size(capacity);
    mem = map(size);
    ck_assert_int_eq(scep_table_format(mem, size, capacity, key, pool),
                     APR_SUCCESS);
    ck_assert_int_eq(scep_table_open(&table, mem, size, key, &error, pool),
                     APR_SUCCESS);
    scep_table_attach(table, getpid());
}

static void teardown(void)
{
    apr_pool_destroy(pool);
    munmap(mem, size);
    munmap(shared, sizeof(*shared));
    apr_terminate();
}

static apr_status_t issue_for(const char *kind, int n, unsigned int uses,
                              int ttl, char id[SCEP_CHALLENGE_ID_SIZE])
{
    char secret[40];
    scep_challenge_spec_t spec = { .secret = secret,
                                   .profile = "p",
                                   .uses = uses,
                                   .created = NOW,
                                   .expires = NOW + apr_time_from_sec(ttl) };

    snprintf(secret, sizeof(secret), "%s-%d", kind, n);
    return scep_table_issue(table, &spec, (apr_uint32_t)n, id);
}

static apr_status_t issue(const char *kind, int n,
                          char id[SCEP_CHALLENGE_ID_SIZE])
{
    return issue_for(kind, n, 1, 1000, id);
}

static scep_challenge_outcome_t take_at(const char *kind, int n,
                                        apr_time_t now,
                                        scep_challenge_claim_t *claim)
{
    static const scep_challenge_facts_t facts = { .profile = "p",
                                                  .subject = "CN=device",
                                                  .sans = "" };
    char secret[40];

    snprintf(secret, sizeof(secret), "%s-%d", kind, n);
    return scep_table_claim(table, secret, &facts, now, LEASE, claim);
}

static scep_challenge_outcome_t take(const char *kind, int n,
                                     scep_challenge_claim_t *claim)
{
    return take_at(kind, n, NOW, claim);
}

/** Runs work in every thread of every process, with the thread's number. */
static void run(void *(*work)(void *number))
{
    pid_t children[PROCESSES];

    for (int p = 0; p < PROCESSES; p++) {
        children[p] = fork();
        ck_assert_int_ge(children[p], 0);
        if (children[p] == 0) {
            pthread_t threads[THREADS];
            int numbers[THREADS];

            scep_table_attach(table, getpid());

            for (int t = 0; t < THREADS; t++) {
                numbers[t] = p * THREADS + t;
                if (pthread_create(&threads[t], NULL, work, &numbers[t]))
                    abort();
            }
            for (int t = 0; t < THREADS; t++)
                pthread_join(threads[t], NULL);
            _exit(0);
        }
    }
    for (int p = 0; p < PROCESSES; p++) {
        int status;

        ck_assert_int_eq(waitpid(children[p], &status, 0), children[p]);
        ck_assert_int_eq(status, 0);
    }
    ck_assert_int_eq(shared->faults, 0);
}

/* ------------------------------------------------------------------ */

static void *claim_rounds(void *number)
{
    (void)number;
    for (int round = 0; round < ROUNDS; round++) {
        scep_challenge_claim_t claim;
        scep_challenge_outcome_t outcome;

        pthread_barrier_wait(&shared->barrier);
        outcome = take("c", round, &claim);
        if (outcome == SCEP_CHALLENGE_CLAIMED) {
            shared->winners[round]++;
            /* some while the others are still trying, some never */
            if (round % 2 && scep_table_commit(table, &claim) != APR_SUCCESS)
                shared->faults++;
        } else if (outcome != SCEP_CHALLENGE_BUSY &&
                   (outcome != SCEP_CHALLENGE_SPENT || round % 2 == 0)) {
            shared->faults++;
        }
    }
    return NULL;
}

START_TEST(of_64_who_claim_at_once_one_wins_10000_times)
{
    char id[SCEP_CHALLENGE_ID_SIZE];
    scep_challenge_stats_t stats;

    make(ROUNDS);
    for (int round = 0; round < ROUNDS; round++)
        ck_assert_int_eq(issue("c", round, id), APR_SUCCESS);
    run(claim_rounds);
    for (int round = 0; round < ROUNDS; round++)
        ck_assert_int_eq(shared->winners[round], 1);
    scep_table_stats(table, NOW, &stats);
    ck_assert_uint_eq(stats.live, ROUNDS / 2);
}
END_TEST

/* ------------------------------------------------------------------ */

/* Each claim is committed, released or left to one of those who revoke. */
static void *use_rounds(void *number)
{
    int me = *(int *)number;
    unsigned int seed = (unsigned int)me;

    for (int step = 0; step < 8000; step++) {
        int n = rand_r(&seed) % 200;
        scep_challenge_claim_t claim;

        switch (take("u", n, &claim)) {
        case SCEP_CHALLENGE_CLAIMED:
            if (rand_r(&seed) % 4) {
                if (scep_table_release(table, &claim) != APR_SUCCESS)
                    shared->faults++;
            } else if (scep_table_commit(table, &claim) != APR_SUCCESS) {
                shared->faults++;
            } else {
                shared->winners[n]++;
            }
            break;
        case SCEP_CHALLENGE_NOT_FOUND:
        case SCEP_CHALLENGE_SPENT:
        case SCEP_CHALLENGE_REVOKED: {
            char id[SCEP_CHALLENGE_ID_SIZE];

            if (issue("u", n, id) == APR_SUCCESS) {
                shared->issued[n]++;
                if (rand_r(&seed) % 8 == 0 &&
                    scep_table_revoke(table, id, NOW) == APR_SUCCESS)
                    shared->issued[n]--;
            }
            break;
        }
        case SCEP_CHALLENGE_BUSY:
            break;
        default:
            shared->faults++;
        }
        if (me == 0 && step % 50 == 0)
            scep_table_sweep(table, NOW, NULL);
    }
    return NULL;
}

/* Conservation: whatever was issued and not revoked was spent or lives. */
START_TEST(nothing_is_lost_or_doubled_in_a_crowd)
{
    scep_challenge_stats_t stats;
    int left = 0;
    char id[SCEP_CHALLENGE_ID_SIZE];

    make(250);
    run(use_rounds);
    for (int n = 0; n < 200; n++) {
        int alive = shared->issued[n] - shared->winners[n];

        ck_assert_int_ge(alive, 0);
        ck_assert_int_le(alive, 1);
        left += alive;
    }
    scep_table_stats(table, NOW, &stats);
    ck_assert_uint_eq(stats.live, (unsigned int)left);
    for (int n = 0; n < 250 - left; n++)
        ck_assert_int_eq(issue("fill", n, id), APR_SUCCESS);
    ck_assert_int_eq(issue("fill", 250, id), APR_ENOSPC);
}
END_TEST

/* ------------------------------------------------------------------ */

static void *issue_all(void *number)
{
    int me = *(int *)number;
    char id[SCEP_CHALLENGE_ID_SIZE];

    pthread_barrier_wait(&shared->barrier);
    for (int n = 0; n < 500; n++) {
        apr_status_t rv = issue("i", me * 500 + n, id);

        if (rv == APR_SUCCESS)
            shared->granted++;
        else if (rv != APR_ENOSPC)
            shared->faults++;
    }
    return NULL;
}

START_TEST(a_crowd_that_issues_fills_the_table_exactly)
{
    make(20000);
    run(issue_all);
    ck_assert_int_eq(shared->granted, 20000);
}
END_TEST

#define QUOTA 40

/* As challenge_order.c does it: who is over the quota takes its one back. */
static void *issue_within_quota(void *number)
{
    int me = *(int *)number;
    char kept[ROUNDS / 40][SCEP_CHALLENGE_ID_SIZE];
    int count = 0;

    pthread_barrier_wait(&shared->barrier);
    for (int n = 0; n < ROUNDS / 40; n++) {
        char id[SCEP_CHALLENGE_ID_SIZE];

        if (issue("q", me * ROUNDS + n, id) != APR_SUCCESS) {
            shared->faults++;
        } else if (scep_table_count(table, "", QUOTA, NOW) > QUOTA) {
            if (scep_table_revoke(table, id, NOW) != APR_SUCCESS)
                shared->faults++;
        } else {
            memcpy(kept[count++], id, sizeof(id));
            if (++shared->granted > QUOTA)
                shared->faults++;
        }
        /* some of them are used up meanwhile */
        if (count && n % 3 == me % 3) {
            shared->granted--;
            if (scep_table_revoke(table, kept[--count], NOW) != APR_SUCCESS)
                shared->faults++;
        }
    }
    shared->winners[me] = count;
    return NULL;
}

START_TEST(a_crowd_never_has_more_than_its_quota)
{
    int total = 0;

    make(20000);
    run(issue_within_quota);
    for (int n = 0; n < PROCESSES * THREADS; n++)
        total += shared->winners[n];
    ck_assert_int_eq(shared->granted, total);
    ck_assert_int_le(total, QUOTA);
    ck_assert_uint_eq(scep_table_count(table, "", 0, NOW),
                      (unsigned int)total);
}
END_TEST

static void *issue_same(void *number)
{
    char id[SCEP_CHALLENGE_ID_SIZE];

    (void)number;
    for (int round = 0; round < ROUNDS / 5; round++) {
        apr_status_t rv;

        pthread_barrier_wait(&shared->barrier);
        rv = issue("s", round, id);
        if (rv == APR_SUCCESS)
            shared->issued[round]++;
        else if (rv != APR_EEXIST)
            shared->faults++;
    }
    return NULL;
}

/* None may get it, if two see each other; two never. */
START_TEST(of_those_who_issue_one_secret_at_most_one_succeeds)
{
    scep_challenge_stats_t stats;
    int total = 0;

    make(ROUNDS);
    run(issue_same);
    for (int round = 0; round < ROUNDS / 5; round++) {
        ck_assert_int_le(shared->issued[round], 1);
        total += shared->issued[round];
    }
    scep_table_stats(table, NOW, &stats);
    ck_assert_uint_eq(stats.live, (unsigned int)total);
    ck_assert_int_gt(total, 0);
}
END_TEST

/* ------------------------------------------------------------------ */

#define SHARED_ROUNDS 300

static unsigned int uses_of(int round)
{
    return 2 + (unsigned int)round % 100;
}

/* Until it is spent: some give their use back at first. */
static void *share_rounds(void *number)
{
    unsigned int seed = (unsigned int)*(int *)number;

    for (int round = 0; round < SHARED_ROUNDS; round++) {
        scep_challenge_outcome_t outcome;
        scep_challenge_claim_t claim;

        pthread_barrier_wait(&shared->barrier);
        do {
            outcome = take("m", round, &claim);
            if (outcome == SCEP_CHALLENGE_BUSY) {
                sched_yield();
            } else if (outcome == SCEP_CHALLENGE_CLAIMED) {
                if (rand_r(&seed) % 3 == 0) {
                    if (scep_table_release(table, &claim) != APR_SUCCESS)
                        shared->faults++;
                } else if (scep_table_commit(table, &claim) != APR_SUCCESS) {
                    shared->faults++;
                } else {
                    shared->winners[round]++;
                }
            } else if (outcome != SCEP_CHALLENGE_SPENT) {
                shared->faults++;
            }
        } while (outcome != SCEP_CHALLENGE_SPENT && shared->faults == 0);
    }
    return NULL;
}

START_TEST(of_64_who_share_a_challenge_as_many_get_in_as_it_has_uses)
{
    scep_challenge_stats_t stats;

    make(SHARED_ROUNDS);
    for (int round = 0; round < SHARED_ROUNDS; round++)
        ck_assert_int_eq(issue_for("m", round, uses_of(round), 1000,
                                   shared->ids[round]),
                         APR_SUCCESS);
    run(share_rounds);
    for (int round = 0; round < SHARED_ROUNDS; round++)
        ck_assert_int_eq(shared->winners[round], uses_of(round));
    scep_table_stats(table, NOW, &stats);
    ck_assert_uint_eq(stats.live, 0);
}
END_TEST

/* Each uses what it gets; in every second round there is more than one use
 * for each, so that some are left in any case. */
static int revocable(int round)
{
    return round % 2;
}

/* @return the outcome of the claim that gave nothing, or CLAIMED */
static scep_challenge_outcome_t use_until_over(int round)
{
    for (;;) {
        scep_challenge_claim_t claim;
        scep_challenge_outcome_t outcome = take("v", round, &claim);
        int late = shared->issued[round] == 1;

        if (outcome == SCEP_CHALLENGE_BUSY) {
            sched_yield();
            continue;
        }
        if (outcome != SCEP_CHALLENGE_CLAIMED)
            return outcome;
        if (scep_table_commit(table, &claim) == APR_SUCCESS) {
            shared->winners[round]++;
            /* it was told that it is revoked before this began */
            if (late)
                shared->faults++;
        }
        if (revocable(round))
            return outcome;
    }
}

/* One revokes while the others use it up. */
static void *revoke_rounds(void *number)
{
    int me = *(int *)number;

    for (int round = 0; round < SHARED_ROUNDS; round++) {
        scep_challenge_outcome_t outcome;

        pthread_barrier_wait(&shared->barrier);
        if (me == round % (PROCESSES * THREADS)) {
            while (shared->winners[round] < round % 50)
                sched_yield();
            shared->issued[round] =
                scep_table_revoke(table, shared->ids[round], NOW) ==
                        APR_SUCCESS
                    ? 1
                    : 2;
            continue;
        }
        outcome = use_until_over(round);
        if (outcome != SCEP_CHALLENGE_REVOKED &&
            outcome != (revocable(round) ? SCEP_CHALLENGE_CLAIMED
                                         : SCEP_CHALLENGE_SPENT))
            shared->faults++;
    }
    return NULL;
}

START_TEST(a_challenge_in_use_is_revoked_or_used_up)
{
    make(SHARED_ROUNDS);
    for (int round = 0; round < SHARED_ROUNDS; round++)
        ck_assert_int_eq(issue_for("v", round,
                                   revocable(round) ? PROCESSES * THREADS
                                                    : uses_of(round),
                                   1000, shared->ids[round]),
                         APR_SUCCESS);
    run(revoke_rounds);
    for (int round = 0; round < SHARED_ROUNDS; round++)
        if (revocable(round))
            ck_assert_int_eq(shared->issued[round], 1);
        else if (shared->issued[round] == 1)
            ck_assert_int_lt(shared->winners[round], uses_of(round));
        else
            ck_assert_int_eq(shared->winners[round], uses_of(round));
}
END_TEST

/* ------------------------------------------------------------------ */

/* One extends, the others claim or find it expired, all in the second in
 * which their clocks may differ. */
static void *extend_rounds(void *number)
{
    int me = *(int *)number;
    apr_time_t before = NOW + apr_time_from_sec(9);
    apr_time_t after = NOW + apr_time_from_sec(10);

    for (int round = 0; round < ROUNDS / 5; round++) {
        const char *id = shared->ids[round];
        scep_challenge_claim_t claim;
        int mine = me == round % (PROCESSES * THREADS);

        if (mine && issue_for("e", round, round % 2 ? 1 : 50, 10,
                              shared->ids[round]) != APR_SUCCESS)
            shared->faults++;
        pthread_barrier_wait(&shared->barrier);
        if (mine) {
            apr_status_t rv =
                scep_table_extend(table, id, NOW + apr_time_from_sec(1000),
                                  before);

            if (rv == APR_SUCCESS)
                shared->winners[round]++;
            else if (rv != APR_NOTFOUND)
                shared->faults++;
        } else if (me % 4 == 0) {
            uint32_t slot = (uint32_t)(strtoull(id, NULL, 16) >> 32);

            scep_table_settle(table, slot, scep_word_seconds(after));
        } else if (take_at("e", round, me % 2 ? before : after, &claim) ==
                       SCEP_CHALLENGE_CLAIMED &&
                   scep_table_release(table, &claim) != APR_SUCCESS) {
            shared->faults++;
        }
    }
    return NULL;
}

START_TEST(what_was_extended_is_not_found_expired)
{
    int extended = 0;

    make(ROUNDS);
    run(extend_rounds);
    for (int round = 0; round < ROUNDS / 5; round++) {
        scep_challenge_claim_t claim;

        ck_assert_int_eq(take_at("e", round, NOW + apr_time_from_sec(999),
                                 &claim),
                         shared->winners[round] ? SCEP_CHALLENGE_CLAIMED
                                                : SCEP_CHALLENGE_EXPIRED);
        extended += shared->winners[round];
    }
    ck_assert_int_gt(extended, 0);
}
END_TEST

/* ------------------------------------------------------------------ */

/* Those who know the claim hold it, the others find its lease over. */
static void *hold_rounds(void *number)
{
    int me = *(int *)number;

    for (int round = 0; round < ROUNDS / 5; round++) {
        scep_challenge_claim_t claim = shared->claims[round];

        if (me == round % (PROCESSES * THREADS) &&
            (issue_for("h", round, 1, 90, claim.id) != APR_SUCCESS ||
             take("h", round, &shared->claims[round]) !=
                 SCEP_CHALLENGE_CLAIMED))
            shared->faults++;
        pthread_barrier_wait(&shared->barrier);
        if (me % 2) {
            claim = shared->claims[round];
            if (scep_table_hold(table, &claim,
                                NOW + apr_time_from_sec(100 + me)) ==
                APR_SUCCESS)
                shared->winners[round]++;
        } else if (take_at("h", round, NOW + LEASE, &claim) ==
                   SCEP_CHALLENGE_CLAIMED) {
            shared->issued[round]++;
        }
    }
    return NULL;
}

START_TEST(a_claim_is_held_by_all_who_know_it_or_lost_to_one_other)
{
    int held = 0;

    make(ROUNDS);
    run(hold_rounds);
    for (int round = 0; round < ROUNDS / 5; round++) {
        scep_challenge_claim_t *claim = &shared->claims[round];

        if (shared->issued[round] == 0) {
            ck_assert_int_eq(shared->winners[round], PROCESSES * THREADS / 2);
            /* the longest of them counts */
            ck_assert_int_eq(take_at("h", round,
                                     NOW + apr_time_from_sec(
                                               99 + PROCESSES * THREADS - 1),
                                     claim),
                             SCEP_CHALLENGE_BUSY);
            held++;
        } else {
            ck_assert_int_eq(shared->issued[round], 1);
            ck_assert_int_eq(shared->winners[round], 0);
        }
    }
    ck_assert_int_gt(held, 0);
    ck_assert_int_lt(held, ROUNDS / 5);
}
END_TEST

/* ------------------------------------------------------------------ */

int main(void)
{
    Suite *suite = suite_create("challenge_race");
    TCase *tc = tcase_create("race");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 1200);
    tcase_add_test(tc, of_64_who_claim_at_once_one_wins_10000_times);
    tcase_add_test(tc, nothing_is_lost_or_doubled_in_a_crowd);
    tcase_add_test(tc, a_crowd_that_issues_fills_the_table_exactly);
    tcase_add_test(tc, a_crowd_never_has_more_than_its_quota);
    tcase_add_test(tc, of_those_who_issue_one_secret_at_most_one_succeeds);
    tcase_add_test(tc,
                   of_64_who_share_a_challenge_as_many_get_in_as_it_has_uses);
    tcase_add_test(tc, a_challenge_in_use_is_revoked_or_used_up);
    tcase_add_test(tc, what_was_extended_is_not_found_expired);
    tcase_add_test(tc,
                   a_claim_is_held_by_all_who_know_it_or_lost_to_one_other);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
