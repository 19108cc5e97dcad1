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
static unsigned int v_uses;
static scep_challenge_claim_t v_claim, v_former; /* the last, the one before */
static char v_id[SCEP_CHALLENGE_ID_SIZE];
static const scep_challenge_facts_t v_facts = { .profile = "p",
                                                .subject = "CN=device",
                                                .sans = "" };
static scep_digests_t v_digests;

/* ------------------------------------------------------------------ */
/* Operations on "v", each as soon as it can be; they return their answer */

static int op_issue(scep_table_t *table)
{
    return test_issue_for(table, "v", 0, v_uses, START, TTL, v_id);
}

static int op_claim(scep_table_t *table)
{
    v_former = v_claim;
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

static int op_commit_former(scep_table_t *table)
{
    return scep_table_commit(table, &v_former);
}

static int op_release(scep_table_t *table)
{
    return scep_table_release(table, &v_claim);
}

/** By who knows the claim as it was; when its lease is over. */
static int op_hold(scep_table_t *table)
{
    scep_challenge_claim_t claim = v_claim;

    return scep_table_hold(table, &claim, AT(3 * TTL));
}

static int op_hold_less(scep_table_t *table)
{
    scep_challenge_claim_t claim = v_claim;

    return scep_table_hold(table, &claim, AT(2 * TTL));
}

static int op_revoke(scep_table_t *table)
{
    return scep_table_revoke(table, v_id, START);
}

static int op_extend(scep_table_t *table)
{
    return scep_table_extend(table, v_id, AT(3 * TTL), AT(TTL - 1));
}

static int op_extend_less(scep_table_t *table)
{
    return scep_table_extend(table, v_id, AT(2 * TTL), AT(TTL - 1));
}

/** By a clock ahead of the others; whether it lives on. */
static int op_settle(scep_table_t *table)
{
    uint32_t slot = (uint32_t)(strtoull(v_id, NULL, 16) >> 32);

    return scep_word_counted(
        scep_table_settle(table, slot, scep_word_seconds(AT(TTL))));
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

/** The same when the lease of a first claim is over. */
static int op_claim_digests_later(scep_table_t *table)
{
    scep_challenge_claim_t claim;

    return (int)scep_table_claim_digests(table, &v_digests, AT(2),
                                         apr_time_from_sec(1), &claim,
                                         claim.id);
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

/** What there is of "v" beforehand. */
typedef struct before_t {
    unsigned int uses;      /* 0: it is not issued */
    unsigned int committed; /* of its uses; then */
    unsigned int claimed;   /* by v_former and v_claim */
} before_t;

/** A table with bystanders, some that expire soon, and many spent. */
static void furnish(void *mem, const before_t *before, unsigned int fill)
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
    v_uses = before->uses ? before->uses : 1;
    if (before->uses)
        REQUIRE(op_issue(table) == APR_SUCCESS);
    REQUIRE(scep_record_digest(table, "v-0", &v_facts, &v_digests) ==
            APR_SUCCESS);
    for (unsigned int n = 0; n < before->committed + before->claimed; n++) {
        REQUIRE(op_claim(table) == SCEP_CHALLENGE_CLAIMED);
        if (n < before->committed)
            REQUIRE(op_commit(table) == APR_SUCCESS);
    }
}

/** How often "v" can still be used. */
static int use_up(scep_table_t *table, apr_time_t now)
{
    scep_challenge_claim_t claim;
    int grants = 0;

    while (test_claim(table, "v", 0, now, &claim) == SCEP_CHALLENGE_CLAIMED) {
        REQUIRE(scep_table_commit(table, &claim) == APR_SUCCESS);
        grants++;
    }
    return grants;
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

/** How often it can be used afterwards, and what it says then. */
typedef struct after_t {
    int grants;
    scep_challenge_outcome_t last;
} after_t;

typedef struct death_t {
    const char *name;
    int (*act)(scep_table_t *table);
    before_t before;
    int then; /* in how many seconds the remains are looked at */
    /* as if the operation had not been, and as if it had */
    after_t without, with;
} death_t;

#define BUSY SCEP_CHALLENGE_BUSY
#define SPENT SCEP_CHALLENGE_SPENT
#define EXPIRED SCEP_CHALLENGE_EXPIRED
#define REVOKED SCEP_CHALLENGE_REVOKED
#define NOT_FOUND SCEP_CHALLENGE_NOT_FOUND

/* A use that is under way in a dead process is lost: what is left is busy. */
/* clang-format off */
static const death_t deaths[] = {
    { "issue", op_issue, { 0, 0, 0 }, 5, { 0, NOT_FOUND }, { 1, SPENT } },
    { "issue a used secret", op_issue, { 1, 0, 0 }, 5,
      { 1, SPENT }, { 1, SPENT } },
    { "claim", op_claim, { 1, 0, 0 }, 5, { 1, SPENT }, { 1, SPENT } },
    { "commit", op_commit, { 1, 0, 1 }, 5, { 1, SPENT }, { 0, SPENT } },
    { "release", op_release, { 1, 0, 1 }, 5, { 1, SPENT }, { 1, SPENT } },
    { "hold", op_hold, { 1, 0, 1 }, 5, { 1, SPENT }, { 0, BUSY } },
    { "hold beyond the end", op_hold, { 1, 0, 1 }, TTL + 5,
      { 0, EXPIRED }, { 0, BUSY } },
    { "revoke", op_revoke, { 1, 0, 0 }, 5, { 1, SPENT }, { 0, REVOKED } },
    { "sweep", op_sweep, { 1, 0, 0 }, 5, { 1, SPENT }, { 1, SPENT } },
    { "extend", op_extend, { 1, 0, 0 }, TTL + 5,
      { 0, EXPIRED }, { 1, SPENT } },
    { "extend a claimed one", op_extend, { 1, 0, 1 }, TTL + 5,
      { 0, EXPIRED }, { 1, SPENT } },
    { "settle", op_settle, { 1, 0, 0 }, 5, { 1, SPENT }, { 0, EXPIRED } },
    { "issue for several", op_issue, { 0, 0, 0 }, 5,
      { 0, NOT_FOUND }, { 1, SPENT } },
    { "claim a use", op_claim, { 3, 0, 0 }, 5, { 3, SPENT }, { 2, BUSY } },
    { "claim the last use", op_claim, { 3, 2, 0 }, 5,
      { 1, SPENT }, { 0, BUSY } },
    { "commit a use", op_commit, { 3, 0, 1 }, 5, { 2, BUSY }, { 2, SPENT } },
    { "commit the last use", op_commit, { 3, 2, 1 }, 5,
      { 0, BUSY }, { 0, SPENT } },
    { "release a use", op_release, { 3, 0, 1 }, 5, { 2, BUSY }, { 3, SPENT } },
    { "release the last use", op_release, { 3, 2, 1 }, 5,
      { 0, BUSY }, { 1, SPENT } },
    { "revoke one in use", op_revoke, { 3, 1, 1 }, 5,
      { 1, BUSY }, { 0, REVOKED } },
    { "extend one in use", op_extend, { 3, 1, 1 }, TTL + 5,
      { 0, EXPIRED }, { 1, BUSY } },
};
/* clang-format on */

/** Requires that what a death left is whole, and uses it up. */
static void examine(const death_t *death, void *remains)
{
    scep_table_t *table = test_open(remains, CAPACITY);
    scep_challenge_claim_t claim;
    scep_challenge_outcome_t last;
    int grants;

    scep_table_sweep(table, AT(5), test_nobody_lives);
    for (unsigned int n = 0; n < BYSTANDERS; n++)
        REQUIRE(test_claim(table, "b", n, AT(5), &claim) ==
                SCEP_CHALLENGE_CLAIMED);
    scep_table_sweep(table, AT(death->then), test_nobody_lives);
    grants = use_up(table, AT(death->then));
    last = test_claim(table, "v", 0, AT(death->then), &claim);
    REQUIRE((grants == death->without.grants && last == death->without.last) ||
            (grants == death->with.grants && last == death->with.last));
    fill_up(table, AT(death->then));
    /* whatever is lost comes back when it expires */
    fill_up(table, AT(10 * TTL));
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
    furnish(mem, &death->before, 1);
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
    before_t before;
    unsigned int fill; /* challenges more, that expire soon */
    int then;
    /* the two ways it may go: what slow and quick answer, and how often "v"
     * can be used then */
    int first[3], second[3];
} stall_t;

#define GRANTED SCEP_CHALLENGE_CLAIMED
#define OK APR_SUCCESS
#define LOST APR_EGENERAL
#define NONE APR_NOTFOUND

/* clang-format off */
static const stall_t stalls[] = {
    { "claim while another claims", op_claim_digests, op_claim,
      { 1, 0, 0 }, 1, 5, { BUSY, GRANTED, 1 }, { GRANTED, BUSY, 1 } },
    { "claim while another revokes", op_claim_digests, op_revoke,
      { 1, 0, 0 }, 1, 5, { REVOKED, OK, 0 }, { GRANTED, APR_EBUSY, 1 } },
    { "claim while all is replaced", op_claim_digests, op_replace_all,
      { 1, 0, 0 }, 1, 4 * TTL, { NOT_FOUND, OK, 0 }, { GRANTED, OK, 0 } },
    { "revoke while another claims", op_revoke, op_claim,
      { 1, 0, 0 }, 1, 5, { APR_EBUSY, GRANTED, 1 }, { OK, REVOKED, 0 } },
    { "commit while another takes over", op_commit, op_claim_later,
      { 1, 0, 1 }, 1, 5, { LOST, GRANTED, 0 }, { OK, SPENT, 0 } },
    { "commit while all is replaced", op_commit, op_replace_all,
      { 1, 0, 1 }, 1, 4 * TTL, { LOST, OK, 0 }, { OK, OK, 0 } },
    { "release while another takes over", op_release, op_claim_later,
      { 1, 0, 1 }, 1, 5, { LOST, GRANTED, 0 }, { OK, GRANTED, 0 } },
    { "hold while another takes over", op_hold, op_claim_later,
      { 1, 0, 1 }, 1, 5, { LOST, GRANTED, 0 }, { OK, BUSY, 0 } },
    { "take over while another holds", op_claim_digests_later, op_hold,
      { 1, 0, 1 }, 1, 4 * TTL, { GRANTED, LOST, 0 }, { BUSY, OK, 0 } },
    { "hold while another commits", op_hold, op_commit,
      { 1, 0, 1 }, 1, 5, { LOST, OK, 0 }, { OK, OK, 0 } },
    { "commit while another holds", op_commit, op_hold,
      { 1, 0, 1 }, 1, 5, { OK, OK, 0 }, { OK, LOST, 0 } },
    { "release while another holds", op_release, op_hold,
      { 1, 0, 1 }, 1, 5, { OK, OK, 1 }, { OK, LOST, 1 } },
    { "hold while another releases", op_hold, op_release,
      { 1, 0, 1 }, 1, 5, { LOST, OK, 1 }, { OK, OK, 1 } },
    { "hold while another does", op_hold, op_hold_less,
      { 1, 0, 1 }, 1, TTL + 5, { OK, OK, 0 }, { OK, OK, 0 } },
    { "hold while another finds it expired", op_hold, op_settle,
      { 1, 0, 1 }, 1, TTL + 5, { LOST, 0, 0 }, { OK, 1, 0 } },
    { "find it expired while another holds", op_settle, op_hold,
      { 1, 0, 1 }, 1, TTL + 5, { 0, LOST, 0 }, { 1, OK, 0 } },
    { "hold while all is replaced", op_hold, op_replace_all,
      { 1, 0, 1 }, 1, 4 * TTL, { LOST, OK, 0 }, { OK, OK, 0 } },
    { "sweep while another claims", op_sweep, op_claim,
      { 1, 0, 0 }, 2, 5, { OK, GRANTED, 1 }, { OK, GRANTED, 1 } },
    { "sweep while all is replaced", op_sweep, op_replace_all,
      { 1, 0, 0 }, 2, 4 * TTL, { OK, OK, 0 }, { OK, OK, 0 } },
    { "issue what another issues", op_issue_digests, op_issue,
      { 0, 0, 0 }, 1, 5, { APR_EEXIST, OK, 1 }, { OK, APR_EEXIST, 1 } },
    { "issue into the last place", op_issue_digests, op_issue_other,
      { 0, 0, 0 }, 2, 5, { APR_ENOSPC, OK, 0 }, { OK, APR_ENOSPC, 1 } },

    { "extend while another finds it expired", op_extend, op_settle,
      { 1, 0, 0 }, 1, TTL + 5, { NONE, 0, 0 }, { OK, 1, 1 } },
    { "find it expired while another extends", op_settle, op_extend,
      { 1, 0, 0 }, 1, TTL + 5, { 0, NONE, 0 }, { 1, OK, 1 } },
    { "find a claim over while another extends", op_settle, op_extend,
      { 1, 0, 1 }, 1, TTL + 5, { 0, NONE, 0 }, { 1, OK, 1 } },
    { "extend while another claims", op_extend, op_claim,
      { 1, 0, 0 }, 1, TTL + 5, { OK, GRANTED, 1 }, { OK, GRANTED, 1 } },
    { "extend while another commits", op_extend, op_commit,
      { 1, 0, 1 }, 1, TTL + 5, { NONE, OK, 0 }, { OK, OK, 0 } },
    { "commit while another extends", op_commit, op_extend,
      { 1, 0, 1 }, 1, TTL + 5, { OK, NONE, 0 }, { OK, OK, 0 } },
    { "release while another extends", op_release, op_extend,
      { 1, 0, 1 }, 1, TTL + 5, { OK, OK, 1 }, { OK, OK, 1 } },
    { "extend while another extends", op_extend, op_extend_less,
      { 1, 0, 0 }, 1, 2 * TTL + 5, { OK, OK, 1 }, { OK, APR_EINVAL, 1 } },
    { "extend while all is replaced", op_extend, op_replace_all,
      { 1, 0, 0 }, 1, 6 * TTL, { NONE, OK, 0 }, { OK, OK, 0 } },

    { "claim a use while another does", op_claim_digests, op_claim,
      { 3, 0, 0 }, 1, 5, { GRANTED, GRANTED, 1 }, { GRANTED, GRANTED, 1 } },
    { "claim the last use while another does", op_claim_digests, op_claim,
      { 2, 1, 0 }, 1, 5, { BUSY, GRANTED, 0 }, { GRANTED, BUSY, 0 } },
    { "claim a use while another revokes", op_claim_digests, op_revoke,
      { 3, 0, 0 }, 1, 5, { REVOKED, OK, 0 }, { GRANTED, OK, 0 } },
    { "claim a use while another extends", op_claim_digests, op_extend,
      { 3, 0, 0 }, 1, TTL + 5, { GRANTED, OK, 2 }, { GRANTED, OK, 2 } },
    { "claim a use while all is replaced", op_claim_digests, op_replace_all,
      { 3, 0, 0 }, 1, 4 * TTL, { NOT_FOUND, OK, 0 }, { GRANTED, OK, 0 } },
    { "commit a use while another claims", op_commit, op_claim,
      { 3, 0, 1 }, 1, 5, { OK, GRANTED, 1 }, { OK, GRANTED, 1 } },
    { "commit the last two uses", op_commit, op_commit_former,
      { 3, 1, 2 }, 1, 5, { OK, OK, 0 }, { OK, OK, 0 } },
    { "commit a use while another revokes", op_commit, op_revoke,
      { 3, 0, 1 }, 1, 5, { LOST, OK, 0 }, { OK, OK, 0 } },
    { "commit the last use while another revokes", op_commit, op_revoke,
      { 3, 2, 1 }, 1, 5, { LOST, OK, 0 }, { OK, NONE, 0 } },
    { "commit the last use while another extends", op_commit, op_extend,
      { 3, 2, 1 }, 1, TTL + 5, { OK, OK, 0 }, { OK, NONE, 0 } },
    { "commit the last use while it expires", op_commit, op_settle,
      { 3, 2, 1 }, 1, 5, { OK, 0, 0 }, { OK, 0, 0 } },
    { "commit a use while all is replaced", op_commit, op_replace_all,
      { 3, 0, 1 }, 1, 4 * TTL, { LOST, OK, 0 }, { OK, OK, 0 } },
    { "release a use while another commits", op_release, op_commit_former,
      { 3, 1, 2 }, 1, 5, { OK, OK, 1 }, { OK, OK, 1 } },
    { "release the last use while another claims", op_release, op_claim,
      { 3, 2, 1 }, 1, 5, { OK, BUSY, 1 }, { OK, GRANTED, 0 } },
    { "release a use while all is replaced", op_release, op_replace_all,
      { 3, 0, 1 }, 1, 4 * TTL, { LOST, OK, 0 }, { OK, OK, 0 } },
};
/* clang-format on */

/** Whether it went one of the ways. */
static int went(const int way[3], int slow, int quick, int grants)
{
    return slow == way[0] && quick == way[1] && grants == way[2];
}

/** Holds the slow one up before instruction n, unless it ends before. */
static void stall_at(const stall_t *stall, void *mem, unsigned long n,
                     int *answer)
{
    scep_table_t *table;
    pid_t child;
    int quick, status, grants, going = 1;

    furnish(mem, &stall->before, stall->fill);
    child = start_child(mem, stall->slow, answer);
    for (unsigned long i = 0; i < n && going; i++)
        going = step(child);
    if (going) {
        table = test_open(mem, CAPACITY);
        quick = stall->quick(table);
        REQUIRE(ptrace(PTRACE_CONT, child, NULL, NULL) == 0);
        REQUIRE(waitpid(child, &status, 0) == child && WIFSTOPPED(status) &&
                WSTOPSIG(status) == SIGSTOP);
        scep_table_sweep(table, AT(stall->then), NULL);
        grants = use_up(table, AT(stall->then));
        REQUIRE(went(stall->first, *answer, quick, grants) ||
                went(stall->second, *answer, quick, grants));
        fill_up(table, AT(stall->then));
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
    furnish(mem, &stall->before, stall->fill);
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
