/* challenge_kill.c - processes that die over the challenge table
 * SPDX-License-Identifier: Apache-2.0
 *
 * First, death at every instruction: a child goes through each operation in
 * single steps, and whenever the table has changed, a copy of it is what the
 * child's death at this very instruction would leave behind.  Then, death at
 * random: workers that use one table with all their threads are killed and
 * replaced for SCEP_KILL_SECONDS (default 20).
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <apr_general.h>

#include "../../mod_scep/core/challenge_table.h"

static const unsigned char key[SCEP_TABLE_KEY_LEN] = "a key for tests";
static apr_pool_t *pool;

#define REQUIRE(condition)                                                    \
    do {                                                                      \
        if (!(condition))                                                     \
            fail(__LINE__, #condition);                                       \
    } while (0)

static const char *stage = "setup";

static void fail(int line, const char *what)
{
    fprintf(stderr, "%s: line %d: %s\n", stage, line, what);
    kill(0, SIGKILL);
    abort();
}

static void *map(size_t octets)
{
    void *at = mmap(NULL, octets, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    REQUIRE(at != MAP_FAILED);
    return at;
}

static scep_table_t *open_at(void *mem, apr_uint64_t capacity)
{
    scep_table_t *table;
    const char *error;

    REQUIRE(scep_table_open(&table, mem, scep_table_size(capacity), key,
                            &error, pool) == APR_SUCCESS);
    scep_table_attach(table, getpid());
    return table;
}

static void name_secret(char secret[40], const char *kind, unsigned int n)
{
    snprintf(secret, 40, "%s-%u", kind, n);
}

static apr_status_t issue(scep_table_t *table, const char *kind,
                          unsigned int n, apr_time_t now, int ttl,
                          char id[SCEP_CHALLENGE_ID_SIZE])
{
    char secret[40];
    scep_challenge_spec_t spec = { .secret = secret,
                                   .profile = "p",
                                   .subject = "CN=device",
                                   .created = now,
                                   .expires = now + apr_time_from_sec(ttl) };

    name_secret(secret, kind, n);
    return scep_table_issue(table, &spec, n, id);
}

static scep_challenge_outcome_t take(scep_table_t *table, const char *kind,
                                     unsigned int n, apr_time_t now,
                                     scep_challenge_claim_t *claim)
{
    static const scep_challenge_facts_t facts = { .profile = "p",
                                                  .subject = "CN=device",
                                                  .sans = "" };
    char secret[40];

    name_secret(secret, kind, n);
    return scep_table_claim(table, secret, &facts, now, apr_time_from_sec(1),
                            claim);
}

static int nobody_lives(pid_t pid)
{
    (void)pid;
    return 0;
}

static int process_lives(pid_t pid)
{
    return kill(pid, 0) == 0 || errno != ESRCH;
}

/* ------------------------------------------------------------------ */
/* Death at every instruction                                           */

#define SMALL 6
#define BYSTANDERS 3
#define NOW apr_time_from_sec(1800000000)
#define LATER (NOW + apr_time_from_sec(5))

static scep_challenge_claim_t victim_claim;
static char victim_id[SCEP_CHALLENGE_ID_SIZE];

/** One operation on the challenge "v"; the states it may leave. */
typedef struct operation_t {
    const char *name;
    int issued, claimed; /* what "v" is beforehand */
    void (*act)(scep_table_t *table);
    /* what a claim later may say, before the operation and after it */
    scep_challenge_outcome_t before, after;
} operation_t;

static void act_issue(scep_table_t *table)
{
    (void)issue(table, "v", 0, NOW, 100, victim_id);
}

static void act_claim(scep_table_t *table)
{
    (void)take(table, "v", 0, NOW, &victim_claim);
}

static void act_commit(scep_table_t *table)
{
    (void)scep_table_commit(table, &victim_claim);
}

static void act_release(scep_table_t *table)
{
    (void)scep_table_release(table, &victim_claim);
}

static void act_revoke(scep_table_t *table)
{
    (void)scep_table_revoke(table, victim_id, NOW);
}

static void act_sweep(scep_table_t *table)
{
    scep_table_sweep(table, NOW + apr_time_from_sec(2), nobody_lives);
}

static const operation_t operations[] = {
    { "issue", 0, 0, act_issue, SCEP_CHALLENGE_NOT_FOUND,
      SCEP_CHALLENGE_CLAIMED },
    { "issue a used secret", 1, 0, act_issue, SCEP_CHALLENGE_CLAIMED,
      SCEP_CHALLENGE_CLAIMED },
    { "claim", 1, 0, act_claim, SCEP_CHALLENGE_CLAIMED,
      SCEP_CHALLENGE_CLAIMED },
    { "commit", 1, 1, act_commit, SCEP_CHALLENGE_CLAIMED,
      SCEP_CHALLENGE_SPENT },
    { "release", 1, 1, act_release, SCEP_CHALLENGE_CLAIMED,
      SCEP_CHALLENGE_CLAIMED },
    { "revoke", 1, 0, act_revoke, SCEP_CHALLENGE_CLAIMED,
      SCEP_CHALLENGE_REVOKED },
    { "sweep", 1, 0, act_sweep, SCEP_CHALLENGE_CLAIMED,
      SCEP_CHALLENGE_CLAIMED },
};

/** Requires that what a death left is whole, and uses it up. */
static void examine(const operation_t *op, void *remains)
{
    scep_table_t *table = open_at(remains, SMALL);
    scep_challenge_claim_t claim;
    scep_challenge_stats_t stats;
    scep_challenge_outcome_t outcome;
    char id[SCEP_CHALLENGE_ID_SIZE];
    unsigned int room;

    scep_table_sweep(table, LATER, nobody_lives);
    outcome = take(table, "v", 0, LATER, &claim);
    REQUIRE(outcome == op->before || outcome == op->after);
    for (unsigned int n = 0; n < BYSTANDERS; n++)
        REQUIRE(take(table, "b", n, LATER, &claim) == SCEP_CHALLENGE_CLAIMED);
    scep_table_stats(table, LATER, &stats);
    REQUIRE(stats.live ==
            BYSTANDERS + (outcome == SCEP_CHALLENGE_CLAIMED ? 1 : 0));
    room = SMALL - (unsigned int)stats.live;
    for (unsigned int n = 0; n < room; n++)
        REQUIRE(issue(table, "f", n, LATER, 100, id) == APR_SUCCESS);
    REQUIRE(issue(table, "f", room, LATER, 100, id) == APR_ENOSPC);
}

/** A table with bystanders, one that expires, some that are spent. */
static void furnish(const operation_t *op, void *mem)
{
    scep_table_t *table;
    scep_challenge_claim_t claim;
    char id[SCEP_CHALLENGE_ID_SIZE];

    REQUIRE(scep_table_format(mem, scep_table_size(SMALL), SMALL, key, pool) ==
            APR_SUCCESS);
    table = open_at(mem, SMALL);
    for (unsigned int n = 0; n < 40; n++) {
        REQUIRE(issue(table, "s", n, NOW, 100, id) == APR_SUCCESS);
        REQUIRE(take(table, "s", n, NOW, &claim) == SCEP_CHALLENGE_CLAIMED);
        REQUIRE(scep_table_commit(table, &claim) == APR_SUCCESS);
    }
    for (unsigned int n = 0; n < BYSTANDERS; n++)
        REQUIRE(issue(table, "b", n, NOW, 100, id) == APR_SUCCESS);
    REQUIRE(issue(table, "e", 0, NOW, 1, id) == APR_SUCCESS);
    if (op->issued)
        act_issue(table);
    if (op->claimed)
        act_claim(table);
}

static void step_through(const operation_t *op, apr_pool_t *parent)
{
    size_t size = scep_table_size(SMALL);
    void *mem = map(size);
    char *last = calloc(1, size), *remains = map(size);
    unsigned long steps = 0, states = 0;
    pid_t child;
    int status;

    stage = op->name;
    furnish(op, mem);
    child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        scep_table_t *table = open_at(mem, SMALL);

        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            _exit(1);
        raise(SIGSTOP);
        op->act(table);
        raise(SIGSTOP);
        _exit(0);
    }
    REQUIRE(waitpid(child, &status, 0) == child && WIFSTOPPED(status));
    do {
        if (memcmp(last, mem, size) != 0) {
            apr_pool_create(&pool, parent);
            memcpy(last, mem, size);
            memcpy(remains, mem, size);
            examine(op, remains);
            apr_pool_destroy(pool);
            pool = parent;
            states++;
        }
        REQUIRE(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) == 0);
        REQUIRE(waitpid(child, &status, 0) == child && WIFSTOPPED(status));
        steps++;
    } while (WSTOPSIG(status) == SIGTRAP);
    REQUIRE(WSTOPSIG(status) == SIGSTOP);
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    REQUIRE(states > 1);
    printf("%s: whole after each of %lu instructions, %lu states\n", op->name,
           steps, states);
    munmap(mem, size);
    munmap(remains, size);
    free(last);
}

/* ------------------------------------------------------------------ */
/* Death at random                                                      */

#define CAPACITY 2000
#define UNTOUCHED 500
#define WORKERS 4
#define THREADS 2
#define SECRETS (1u << 26)
#define RECENT 1024

enum { GRANTED = 1, REVOKED = 2 };

typedef struct shared_t {
    atomic_int stop;
    atomic_uint next, issued;
    atomic_ulong calls, grants, faults;
    _Atomic uint64_t ids[RECENT];
    atomic_uchar fates[SECRETS]; /* what was reported of each secret */
} shared_t;

static shared_t *shared;
static scep_table_t *busy_table;

/** Notes what became of a secret; each may get one fate, once. */
static void note(unsigned int n, unsigned char fate)
{
    if (atomic_fetch_or(&shared->fates[n], fate) != 0)
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

    switch (take(busy_table, "w", n, apr_time_now(), &claim)) {
    case SCEP_CHALLENGE_CLAIMED:
        if (rand_r(seed) % 4 == 0)
            (void)scep_table_release(busy_table, &claim);
        else if (rand_r(seed) % 4 != 0 &&
                 scep_table_commit(busy_table, &claim) == APR_SUCCESS) {
            note(n, GRANTED);
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
    if (issue(busy_table, "w", n, apr_time_now(), 1 + rand_r(seed) % 3, id) ==
        APR_SUCCESS)
        shared->ids[shared->issued++ % RECENT] = strtoull(id, NULL, 16);
}

static void revoke_challenge(unsigned int *seed)
{
    uint64_t number = pick_recent(seed);
    char id[SCEP_CHALLENGE_ID_SIZE];

    snprintf(id, sizeof(id), "%016llx", (unsigned long long)number);
    if (scep_table_revoke(busy_table, id, apr_time_now()) == APR_SUCCESS)
        note((unsigned int)number, REVOKED);
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
        else if (choice < 996)
            revoke_challenge(&seed);
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
    void *mem = map(size);
    pid_t workers[WORKERS];
    apr_time_t now = apr_time_now();
    scep_challenge_claim_t claim;
    char id[SCEP_CHALLENGE_ID_SIZE];
    unsigned long kills;

    stage = "random";
    shared = map(sizeof(*shared));
    REQUIRE(scep_table_format(mem, size, CAPACITY, key, pool) == APR_SUCCESS);
    busy_table = open_at(mem, CAPACITY);
    for (unsigned int n = 0; n < UNTOUCHED; n++)
        REQUIRE(issue(busy_table, "u", n, now, 100000, id) == APR_SUCCESS);
    srand((unsigned int)getpid());
    for (int w = 0; w < WORKERS; w++)
        workers[w] = start_worker();
    kills = massacre(workers, seconds);

    now = apr_time_now() + apr_time_from_sec(10);
    scep_table_sweep(busy_table, now, nobody_lives);
    for (unsigned int n = 0; n < CAPACITY - UNTOUCHED; n++)
        REQUIRE(issue(busy_table, "f", n, now, 100, id) == APR_SUCCESS);
    REQUIRE(issue(busy_table, "f", CAPACITY, now, 100, id) == APR_ENOSPC);
    for (unsigned int n = 0; n < UNTOUCHED; n++) {
        REQUIRE(take(busy_table, "u", n, now, &claim) ==
                SCEP_CHALLENGE_CLAIMED);
        REQUIRE(scep_table_commit(busy_table, &claim) == APR_SUCCESS);
        REQUIRE(take(busy_table, "u", n, now, &claim) == SCEP_CHALLENGE_SPENT);
    }
    printf("random: %lu processes killed in %d s over %lu calls; %lu "
           "challenges granted, none twice\n",
           kills, seconds, shared->calls, shared->grants);
    munmap(mem, size);
    munmap(shared, sizeof(*shared));
}

int main(void)
{
    const char *seconds = getenv("SCEP_KILL_SECONDS");
    const char *preload = getenv("LD_PRELOAD");

    setvbuf(stdout, NULL, _IOLBF, 0);
    /* a failure ends the workers too: they are its process group */
    setpgid(0, 0);
    REQUIRE(apr_initialize() == APR_SUCCESS);
    REQUIRE(apr_pool_create(&pool, NULL) == APR_SUCCESS);
    /* under Valgrind the steps would be Valgrind's own */
    if (!preload || !strstr(preload, "vgpreload"))
        for (size_t i = 0; i < sizeof(operations) / sizeof(*operations); i++)
            step_through(&operations[i], pool);
    kill_at_random(seconds ? atoi(seconds) : 20);
    apr_pool_destroy(pool);
    apr_terminate();
    return 0;
}
