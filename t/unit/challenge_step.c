/* challenge_step.c - processes that die or stall at every instruction
 * SPDX-License-Identifier: Apache-2.0
 *
 * A child goes through an operation on the challenge table in single steps.
 * Death: whenever the table has changed, a copy of it is what the child's
 * death at this instruction would leave, and must be whole.  Stalling: the
 * child is held up at an instruction while another process does a whole
 * operation of its own; then both must have got what is right.
 */
#include "challenge_support.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../mod_scep/core/challenge_record.h"

#define CAPACITY 6
#define BYSTANDERS 3
#define START apr_time_from_sec(1800000000)
#define AT(seconds) (START + apr_time_from_sec(seconds))
#define TTL 100

/** Set before a child is forked: what is known of the challenge "v". */
static scep_challenge_claim_t v_claim;
static char v_id[SCEP_CHALLENGE_ID_SIZE];
static const scep_challenge_facts_t v_facts = { .profile = "p",
                                                .subject = "CN=device",
                                                .sans = "" };
static scep_digests_t v_digests;

/* ------------------------------------------------------------------ */
/* Operations on "v", each as soon as it can be; they return their answer */

static int op_issue(scep_table_t *table)
{
    return test_issue(table, "v", 0, START, TTL, v_id);
}

static int op_claim(scep_table_t *table)
{
    return (int)test_claim(table, "v", 0, START, &v_claim);
}

/** Without the hashing, which touches nothing that is shared. */
static int op_claim_digests(scep_table_t *table)
{
    return (int)scep_table_claim_digests(table, &v_digests, START,
                                         apr_time_from_sec(1), &v_claim,
                                         v_claim.id);
}

static int op_commit(scep_table_t *table)
{
    return scep_table_commit(table, &v_claim);
}

static int op_release(scep_table_t *table)
{
    return scep_table_release(table, &v_claim);
}

static int op_revoke(scep_table_t *table)
{
    return scep_table_revoke(table, v_id, START);
}

static int op_sweep(scep_table_t *table)
{
    scep_table_sweep(table, AT(2), test_nobody_lives);
    return 0;
}

static int op_issue_digests(scep_table_t *table)
{
    scep_challenge_spec_t spec = { .created = START,
                                   .expires = AT(TTL),
                                   .requester = "test" };

    return scep_table_issue_digests(table, &spec, &v_digests, 0, v_id);
}

/** When the lease of a first claim is over. */
static int op_claim_later(scep_table_t *table)
{
    scep_challenge_claim_t claim;
    int outcome = (int)test_claim(table, "v", 0, AT(2), &claim);

    if (outcome == SCEP_CHALLENGE_CLAIMED)
        REQUIRE(scep_table_commit(table, &claim) == APR_SUCCESS);
    return outcome;
}

/** When all have expired: every slot changes hands. */
static int op_replace_all(scep_table_t *table)
{
    char id[SCEP_CHALLENGE_ID_SIZE];
    scep_challenge_claim_t claim;

    for (unsigned int n = 0; n < 40; n++) {
        REQUIRE(test_issue(table, "r", n, AT(2 * TTL), TTL, id) ==
                APR_SUCCESS);
        REQUIRE(test_claim(table, "r", n, AT(2 * TTL), &claim) ==
                SCEP_CHALLENGE_CLAIMED);
        REQUIRE(scep_table_commit(table, &claim) == APR_SUCCESS);
    }
    return 0;
}

static int op_issue_other(scep_table_t *table)
{
    char id[SCEP_CHALLENGE_ID_SIZE];

    return test_issue(table, "o", 0, START, TTL, id);
}

/* ------------------------------------------------------------------ */

/** A table with bystanders, one that expires soon, and many spent. */
static void furnish(void *mem, int issued, int claimed, unsigned int fill)
{
    scep_table_t *table;
    scep_challenge_claim_t claim;
    char id[SCEP_CHALLENGE_ID_SIZE];

    test_format(mem, CAPACITY);
    table = test_open(mem, CAPACITY);
    for (unsigned int n = 0; n < 40; n++) {
        REQUIRE(test_issue(table, "s", n, START, TTL, id) == APR_SUCCESS);
        REQUIRE(test_claim(table, "s", n, START, &claim) ==
                SCEP_CHALLENGE_CLAIMED);
        REQUIRE(scep_table_commit(table, &claim) == APR_SUCCESS);
    }
    for (unsigned int n = 0; n < BYSTANDERS; n++)
        REQUIRE(test_issue(table, "b", n, START, TTL, id) == APR_SUCCESS);
    for (unsigned int n = 0; n < fill; n++)
        REQUIRE(test_issue(table, "e", n, START, 1, id) == APR_SUCCESS);
    if (issued)
        REQUIRE(op_issue(table) == APR_SUCCESS);
    REQUIRE(scep_record_digest(table, "v-0", &v_facts, &v_digests) ==
            APR_SUCCESS);
    if (claimed)
        REQUIRE(op_claim(table) == SCEP_CHALLENGE_CLAIMED);
}

/** Requires that the live ones are what counts, and fills the table up. */
static void fill_up(scep_table_t *table, apr_time_t now)
{
    scep_challenge_stats_t stats;
    char id[SCEP_CHALLENGE_ID_SIZE];
    unsigned int room;

    scep_table_stats(table, now, &stats);
    REQUIRE(stats.live <= CAPACITY);
    room = CAPACITY - (unsigned int)stats.live;
    for (unsigned int n = 0; n < room; n++)
        REQUIRE(test_issue(table, "f", n, now, TTL, id) == APR_SUCCESS);
    REQUIRE(test_issue(table, "f", room, now, TTL, id) == APR_ENOSPC);
}

/** Starts a child that stops before the operation, and after it. */
static pid_t start_child(void *mem, int (*act)(scep_table_t *), int *answer)
{
    pid_t child = fork();
    int status;

    REQUIRE(child >= 0);
    if (child == 0) {
        scep_table_t *table = test_open(mem, CAPACITY);

        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            _exit(1);
        raise(SIGSTOP);
        *answer = act(table);
        raise(SIGSTOP);
        _exit(0);
    }
    REQUIRE(waitpid(child, &status, 0) == child && WIFSTOPPED(status));
    REQUIRE(ptrace(PTRACE_SETOPTIONS, child, NULL, PTRACE_O_EXITKILL) == 0);
    return child;
}

/** Executes one instruction; zero when the operation is over. */
static int step(pid_t child)
{
    int status;

    REQUIRE(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) == 0);
    REQUIRE(waitpid(child, &status, 0) == child && WIFSTOPPED(status));
    return WSTOPSIG(status) == SIGTRAP;
}

static void end_child(pid_t child)
{
    int status;

    kill(child, SIGKILL);
    REQUIRE(waitpid(child, &status, 0) == child);
}

/* ------------------------------------------------------------------ */
/* Death                                                                */

typedef struct death_t {
    const char *name;
    int (*act)(scep_table_t *table);
    int issued, claimed; /* what "v" is beforehand */
    /* what a claim later may say, before the operation and after it */
    scep_challenge_outcome_t before, after;
} death_t;

static const death_t deaths[] = {
    { "issue", op_issue, 0, 0, SCEP_CHALLENGE_NOT_FOUND,
      SCEP_CHALLENGE_CLAIMED },
    { "issue a used secret", op_issue, 1, 0, SCEP_CHALLENGE_CLAIMED,
      SCEP_CHALLENGE_CLAIMED },
    { "claim", op_claim, 1, 0, SCEP_CHALLENGE_CLAIMED,
      SCEP_CHALLENGE_CLAIMED },
    { "commit", op_commit, 1, 1, SCEP_CHALLENGE_CLAIMED,
      SCEP_CHALLENGE_SPENT },
    { "release", op_release, 1, 1, SCEP_CHALLENGE_CLAIMED,
      SCEP_CHALLENGE_CLAIMED },
    { "revoke", op_revoke, 1, 0, SCEP_CHALLENGE_CLAIMED,
      SCEP_CHALLENGE_REVOKED },
    { "sweep", op_sweep, 1, 0, SCEP_CHALLENGE_CLAIMED,
      SCEP_CHALLENGE_CLAIMED },
};

/** Requires that what a death left is whole, and uses it up. */
static void examine(const death_t *death, void *remains)
{
    scep_table_t *table = test_open(remains, CAPACITY);
    scep_challenge_claim_t claim;
    scep_challenge_outcome_t outcome;

    scep_table_sweep(table, AT(5), test_nobody_lives);
    outcome = test_claim(table, "v", 0, AT(5), &claim);
    REQUIRE(outcome == death->before || outcome == death->after);
    for (unsigned int n = 0; n < BYSTANDERS; n++)
        REQUIRE(test_claim(table, "b", n, AT(5), &claim) ==
                SCEP_CHALLENGE_CLAIMED);
    fill_up(table, AT(5));
}

static void die_everywhere(const death_t *death, int *answer)
{
    size_t size = scep_table_size(CAPACITY);
    void *mem = test_map(size), *remains = test_map(size);
    char *last = calloc(1, size);
    unsigned long steps = 0, states = 0;
    apr_pool_t *parent = test_pool;
    pid_t child;

    test_stage = death->name;
    furnish(mem, death->issued, death->claimed, 1);
    child = start_child(mem, death->act, answer);
    do {
        if (memcmp(last, mem, size) != 0) {
            REQUIRE(apr_pool_create(&test_pool, parent) == APR_SUCCESS);
            memcpy(last, mem, size);
            memcpy(remains, mem, size);
            examine(death, remains);
            apr_pool_destroy(test_pool);
            test_pool = parent;
            states++;
        }
        steps++;
    } while (step(child));
    end_child(child);
    REQUIRE(states > 1);
    printf("death in %s: whole after each of %lu instructions, %lu states\n",
           death->name, steps, states);
    munmap(mem, size);
    munmap(remains, size);
    free(last);
}

/* ------------------------------------------------------------------ */
/* Stalling                                                             */

typedef struct stall_t {
    const char *name;
    int (*slow)(scep_table_t *table);  /* is held up at some instruction */
    int (*quick)(scep_table_t *table); /* comes in between */
    int issued, claimed;
    unsigned int fill; /* challenges more, that expire soon */
    apr_time_t then;
    /* the two ways it may go: what slow and quick answer */
    int first[2], second[2];
} stall_t;

#define GRANTED SCEP_CHALLENGE_CLAIMED
#define BUSY SCEP_CHALLENGE_BUSY
#define OK APR_SUCCESS

/* clang-format off */
static const stall_t stalls[] = {
    { "claim while another claims", op_claim_digests, op_claim,
      1, 0, 1, AT(5), { BUSY, GRANTED }, { GRANTED, BUSY } },
    { "claim while another revokes", op_claim_digests, op_revoke,
      1, 0, 1, AT(5),
      { SCEP_CHALLENGE_REVOKED, OK }, { GRANTED, APR_EBUSY } },
    { "claim while all is replaced", op_claim_digests, op_replace_all,
      1, 0, 1, AT(4 * TTL),
      { SCEP_CHALLENGE_NOT_FOUND, OK }, { GRANTED, OK } },
    { "revoke while another claims", op_revoke, op_claim,
      1, 0, 1, AT(5),
      { APR_EBUSY, GRANTED }, { OK, SCEP_CHALLENGE_REVOKED } },
    { "commit while another takes over", op_commit, op_claim_later,
      1, 1, 1, AT(5),
      { APR_EGENERAL, GRANTED }, { OK, SCEP_CHALLENGE_SPENT } },
    { "commit while all is replaced", op_commit, op_replace_all,
      1, 1, 1, AT(4 * TTL), { APR_EGENERAL, OK }, { OK, OK } },
    { "release while another takes over", op_release, op_claim_later,
      1, 1, 1, AT(5), { APR_EGENERAL, GRANTED }, { OK, GRANTED } },
    { "sweep while another claims", op_sweep, op_claim,
      1, 0, 2, AT(5), { OK, GRANTED }, { OK, GRANTED } },
    { "sweep while all is replaced", op_sweep, op_replace_all,
      1, 0, 2, AT(4 * TTL), { OK, OK }, { OK, OK } },
    { "issue what another issues", op_issue_digests, op_issue,
      0, 0, 1, AT(5), { APR_EEXIST, OK }, { OK, APR_EEXIST } },
    { "issue into the last place", op_issue_digests, op_issue_other,
      0, 0, 2, AT(5), { APR_ENOSPC, OK }, { OK, APR_ENOSPC } },
};
/* clang-format on */

/** Holds the slow one up before instruction n, unless it ends before. */
static void stall_at(const stall_t *stall, void *mem, unsigned long n,
                     int *answer)
{
    scep_table_t *table;
    pid_t child;
    int quick, status, going = 1;

    furnish(mem, stall->issued, stall->claimed, stall->fill);
    child = start_child(mem, stall->slow, answer);
    for (unsigned long i = 0; i < n && going; i++)
        going = step(child);
    if (going) {
        table = test_open(mem, CAPACITY);
        quick = stall->quick(table);
        REQUIRE(ptrace(PTRACE_CONT, child, NULL, NULL) == 0);
        REQUIRE(waitpid(child, &status, 0) == child && WIFSTOPPED(status) &&
                WSTOPSIG(status) == SIGSTOP);
        REQUIRE((*answer == stall->first[0] && quick == stall->first[1]) ||
                (*answer == stall->second[0] && quick == stall->second[1]));
        scep_table_sweep(table, stall->then, NULL);
        fill_up(table, stall->then);
    }
    end_child(child);
}

/* Each point costs all the steps before it, so only some are tried, others
 * in each run: SCEP_STEPS is how many steps that may take for an operation. */
static void stall_everywhere(const stall_t *stall, unsigned long budget,
                             int *answer)
{
    void *mem = test_map(scep_table_size(CAPACITY));
    unsigned long length = 0, stride, tried = 0;
    apr_pool_t *parent = test_pool;
    pid_t child;

    test_stage = stall->name;
    furnish(mem, stall->issued, stall->claimed, stall->fill);
    child = start_child(mem, stall->slow, answer);
    while (step(child))
        length++;
    end_child(child);
    stride = 1 + length * length / 2 / budget;
    for (unsigned long n = (unsigned long)getpid() % stride; n < length;
         n += stride) {
        REQUIRE(apr_pool_create(&test_pool, parent) == APR_SUCCESS);
        stall_at(stall, mem, n, answer);
        apr_pool_destroy(test_pool);
        test_pool = parent;
        tried++;
    }
    printf("stalled in %s: right at %lu of %lu instructions\n", stall->name,
           tried, length);
    munmap(mem, scep_table_size(CAPACITY));
}

int main(void)
{
    const char *steps = getenv("SCEP_STEPS");
    unsigned long budget = steps ? strtoul(steps, NULL, 10) : 40000;
    int *answer;

    /* there the steps would be Valgrind's own */
    if (test_under_valgrind())
        return 0;
    test_start();
    REQUIRE(budget > 0);
    answer = test_map(sizeof(*answer));
    for (size_t i = 0; i < sizeof(deaths) / sizeof(*deaths); i++)
        die_everywhere(&deaths[i], answer);
    for (size_t i = 0; i < sizeof(stalls) / sizeof(*stalls); i++)
        stall_everywhere(&stalls[i], budget, answer);
    test_end();
    return 0;
}
