/* challenge_kill.c - processes that are killed over the challenge table
 * SPDX-License-Identifier: Apache-2.0
 *
 * Workers that use one table with all their threads are killed at random and
 * replaced for SCEP_KILL_SECONDS (default 20).
 */
#include "challenge_support.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define CAPACITY 2000
#define UNTOUCHED 500
#define WORKERS 4
#define THREADS 2
#define SECRETS (1u << 26)
#define RECENT 1024

/* What was reported of a secret: whether it was revoked, and the grants. */
#define REVOKED 0x80
#define USES 5 /* of every third challenge */

typedef struct shared_t {
    atomic_int stop;
    atomic_uint next, issued;
    atomic_ulong calls, grants, extensions, faults;
    _Atomic uint64_t ids[RECENT];
    atomic_uchar fates[SECRETS];
} shared_t;

static shared_t *shared;
static scep_table_t *busy_table;

static int process_lives(pid_t pid)
{
    return kill(pid, 0) == 0 || errno != ESRCH;
}

static unsigned int uses_of(unsigned int n)
{
    return n % 3 ? 1 : USES;
}

static void note_grant(unsigned int n)
{
    unsigned char fate = atomic_fetch_add(&shared->fates[n], 1);

    /* of several uses one may be granted while another process revokes */
    if ((fate & ~REVOKED) >= (int)uses_of(n) ||
        (fate & REVOKED && uses_of(n) == 1))
        shared->faults++;
}

static void note_revocation(unsigned int n)
{
    unsigned char fate = atomic_fetch_or(&shared->fates[n], REVOKED);

    if (fate & REVOKED || fate == uses_of(n))
        shared->faults++;
}

/** An id that was issued lately; its low half is the secret's number. */
static uint64_t pick_recent(unsigned int *seed)
{
    return shared->ids[(unsigned int)rand_r(seed) % RECENT];
}

static void use_challenge(unsigned int *seed)
{
    unsigned int n = (unsigned int)pick_recent(seed);
    scep_challenge_claim_t claim;

    switch (test_claim(busy_table, "w", n, apr_time_now(), &claim)) {
    case SCEP_CHALLENGE_CLAIMED:
        if (rand_r(seed) % 4 == 0)
            (void)scep_table_release(busy_table, &claim);
        else if (rand_r(seed) % 4 != 0 &&
                 scep_table_commit(busy_table, &claim) == APR_SUCCESS) {
            note_grant(n);
            shared->grants++;
        }
        break;
    case SCEP_CHALLENGE_ERROR:
    case SCEP_CHALLENGE_BOUND_PROFILE:
    case SCEP_CHALLENGE_BOUND_SUBJECT:
        shared->faults++;
        break;
    default:
        break;
    }
}

static void issue_challenge(unsigned int *seed)
{
    unsigned int n = shared->next++;
    char id[SCEP_CHALLENGE_ID_SIZE];

    if (n >= SECRETS)
        return;
    if (test_issue_for(busy_table, "w", n, uses_of(n), apr_time_now(),
                       1 + rand_r(seed) % 3, id) == APR_SUCCESS)
        shared->ids[shared->issued++ % RECENT] = strtoull(id, NULL, 16);
}

static void revoke_challenge(unsigned int *seed)
{
    uint64_t number = pick_recent(seed);
    char id[SCEP_CHALLENGE_ID_SIZE];

    snprintf(id, sizeof(id), "%016llx", (unsigned long long)number);
    if (scep_table_revoke(busy_table, id, apr_time_now()) == APR_SUCCESS)
        note_revocation((unsigned int)number);
}

static void extend_challenge(unsigned int *seed)
{
    apr_time_t now = apr_time_now();
    char id[SCEP_CHALLENGE_ID_SIZE];

    snprintf(id, sizeof(id), "%016llx", (unsigned long long)pick_recent(seed));
    if (scep_table_extend(busy_table, id, now + apr_time_from_sec(3), now) ==
        APR_SUCCESS)
        shared->extensions++;
}

static void *work(void *baton)
{
    unsigned int seed = (unsigned int)getpid() * 2u + *(unsigned int *)baton;

    while (!shared->stop) {
        int choice = rand_r(&seed) % 1000;
        scep_challenge_stats_t stats;

        if (choice < 350)
            issue_challenge(&seed);
        else if (choice < 900)
            use_challenge(&seed);
        else if (choice < 960)
            revoke_challenge(&seed);
        else if (choice < 996)
            extend_challenge(&seed);
        else if (choice < 998)
            scep_table_stats(busy_table, apr_time_now(), &stats);
        else
            scep_table_sweep(busy_table, apr_time_now(), process_lives);
        shared->calls++;
    }
    return NULL;
}

static pid_t start_worker(void)
{
    pid_t child = fork();

    REQUIRE(child >= 0);
    if (child == 0) {
        unsigned int number[THREADS];
        pthread_t threads[THREADS];

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        scep_table_attach(busy_table, getpid());
        for (unsigned int t = 0; t < THREADS; t++) {
            number[t] = t;
            if (pthread_create(&threads[t], NULL, work, &number[t]) != 0)
                _exit(1);
        }
        for (unsigned int t = 0; t < THREADS; t++)
            pthread_join(threads[t], NULL);
        _exit(0);
    }
    return child;
}

/** Kills and replaces workers until the time is over. */
static unsigned long massacre(pid_t workers[WORKERS], int seconds)
{
    apr_time_t end = apr_time_now() + apr_time_from_sec(seconds);
    apr_time_t check = apr_time_now() + apr_time_from_sec(5);
    unsigned long kills = 0, calls = 0;

    while (apr_time_now() < end) {
        int w = rand() % WORKERS;
        int status;

        usleep((useconds_t)rand() % 2000);
        kill(workers[w], SIGKILL);
        REQUIRE(waitpid(workers[w], &status, 0) == workers[w]);
        REQUIRE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        workers[w] = start_worker();
        kills++;
        REQUIRE(shared->faults == 0);
        if (apr_time_now() > check) {
            REQUIRE(shared->calls > calls);
            calls = shared->calls;
            check = apr_time_now() + apr_time_from_sec(5);
        }
    }
    shared->stop = 1;
    alarm(60); /* who hangs now, hangs on what a dead one left */
    for (int w = 0; w < WORKERS; w++) {
        int status;

        REQUIRE(waitpid(workers[w], &status, 0) == workers[w]);
        REQUIRE(status == 0);
    }
    alarm(0);
    return kills;
}

static void kill_at_random(int seconds)
{
    size_t size = scep_table_size(CAPACITY);
    void *mem = test_map(size);
    pid_t workers[WORKERS];
    apr_time_t now = apr_time_now();
    scep_challenge_claim_t claim;
    char id[SCEP_CHALLENGE_ID_SIZE];
    unsigned long kills;

    test_stage = "random";
    shared = test_map(sizeof(*shared));
    test_format(mem, CAPACITY);
    busy_table = test_open(mem, CAPACITY);
    for (unsigned int n = 0; n < UNTOUCHED; n++)
        REQUIRE(test_issue(busy_table, "u", n, now, 100000, id) ==
                APR_SUCCESS);
    srand((unsigned int)getpid());
    for (int w = 0; w < WORKERS; w++)
        workers[w] = start_worker();
    kills = massacre(workers, seconds);

    now = apr_time_now() + apr_time_from_sec(10);
    scep_table_sweep(busy_table, now, test_nobody_lives);
    for (unsigned int n = 0; n < CAPACITY - UNTOUCHED; n++)
        REQUIRE(test_issue(busy_table, "f", n, now, 100, id) == APR_SUCCESS);
    REQUIRE(test_issue(busy_table, "f", CAPACITY, now, 100, id) == APR_ENOSPC);
    for (unsigned int n = 0; n < UNTOUCHED; n++) {
        REQUIRE(test_claim(busy_table, "u", n, now, &claim) ==
                SCEP_CHALLENGE_CLAIMED);
        REQUIRE(scep_table_commit(busy_table, &claim) == APR_SUCCESS);
        REQUIRE(test_claim(busy_table, "u", n, now, &claim) ==
                SCEP_CHALLENGE_SPENT);
    }
    printf("random: %lu processes killed in %d s over %lu calls; %lu uses "
           "granted, none twice; %lu times extended\n",
           kills, seconds, shared->calls, shared->grants, shared->extensions);
    munmap(mem, size);
    munmap(shared, sizeof(*shared));
}

int main(void)
{
    const char *seconds = getenv("SCEP_KILL_SECONDS");

    test_start();
    kill_at_random(seconds ? atoi(seconds) : 20);
    test_end();
    return 0;
}
