/* check_challenge_table.c - tests of the challenge table
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <check.h>
#include <openssl/err.h>

#include "../../mod_scep/core/challenge_record.h"
#include "run.h"

#define T0 1800000000
#define LEASE apr_time_from_sec(60)

static const unsigned char key[SCEP_TABLE_KEY_LEN] = "a key for tests";
static apr_pool_t *pool;
static void *mem;
static apr_size_t size;
static scep_table_t *table;
static scep_challenge_claim_t claim;

static void setup(void)
{
    ck_assert_int_eq(apr_initialize(), APR_SUCCESS);
    ck_assert_int_eq(apr_pool_create(&pool, NULL), APR_SUCCESS);
    mem = NULL;
}

static void teardown(void)
{
    ck_assert_uint_eq(ERR_peek_error(), 0);
    apr_pool_destroy(pool);
    if (mem)
        munmap(mem, size);
    apr_terminate();
}

/** Makes the table of a test, full of what a format must not rely on. */
static void make(apr_uint64_t capacity)
{
    const char *error = NULL;

    if (mem)
        munmap(mem, size);
    size = scep_table_size(capacity);
    ck_assert_uint_gt(size, 0);
    mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
               -1, 0);
    ck_assert_ptr_ne(mem, MAP_FAILED);
    memset(mem, 0xa5, size);
    ck_assert_int_eq(scep_table_format(mem, size, capacity, key, pool),
                     APR_SUCCESS);
    ck_assert_int_eq(scep_table_open(&table, mem, size, key, &error, pool),
                     APR_SUCCESS);
    scep_table_attach(table, getpid());
    ck_assert_uint_eq(scep_table_capacity(table), capacity);
}

static apr_time_t at(int seconds)
{
    return apr_time_from_sec(T0 + seconds);
}

static const char *secret(unsigned int n)
{
    static _Thread_local char text[4][40];
    static _Thread_local unsigned int turn;
    char *s = text[turn++ % 4];

    snprintf(s, sizeof(text[0]), "%08X-SECRET-%08X", n, n * 2654435761u);
    return s;
}

static char last_id[SCEP_CHALLENGE_ID_SIZE];

/** Issues at T0 + from a challenge that lives so many seconds. */
static apr_status_t issue(const char *password, int from, int ttl)
{
    scep_challenge_spec_t spec = { .secret = password,
                                   .profile = "default",
                                   .created = at(from),
                                   .expires = at(from + ttl) };

    return scep_table_issue(table, &spec, 0xabcd1234, last_id);
}

static scep_challenge_outcome_t claim_at(const char *password, apr_time_t now)
{
    scep_challenge_facts_t facts = { .profile = "default",
                                     .subject = "CN=device",
                                     .sans = "" };

    return scep_table_claim(table, password, &facts, now, LEASE, &claim);
}

static apr_uint64_t live(int seconds)
{
    scep_challenge_stats_t stats;

    scep_table_stats(table, at(seconds), &stats);
    return stats.live;
}

static uint32_t slot_of(const char *id)
{
    return (uint32_t)(strtoull(id, NULL, 16) >> 32);
}

/* ------------------------------------------------------------------ */
/* Capacity                                                             */

static const unsigned int capacities[] = { 1,  2,   10,  16,   17,    31,
                                           33, 100, 257, 1000, 100000 };

START_TEST(takes_exactly_its_capacity)
{
    unsigned int capacity = capacities[_i];

    make(capacity);
    for (unsigned int n = 0; n < capacity; n++)
        ck_assert_int_eq(issue(secret(n), 0, 100), APR_SUCCESS);
    ck_assert_int_eq(issue("one more", 0, 100), APR_ENOSPC);
    ck_assert_uint_eq(live(0), capacity);
    for (unsigned int n = 0; n < capacity; n++)
        ck_assert_int_eq(claim_at(secret(n), at(1)), SCEP_CHALLENGE_CLAIMED);
    ck_assert_int_eq(issue("one more", 1, 100), APR_ENOSPC);
}
END_TEST

/* Full all the time, each challenge replaced 20 times in random order: the
 * load on the buckets gets as uneven as it ever will. */
START_TEST(takes_exactly_its_capacity_after_churn)
{
    unsigned int capacity = capacities[_i];
    unsigned int next = capacity, turns = 20 * capacity;
    unsigned int *held = calloc(capacity, sizeof(*held));

    if (turns > 300000)
        turns = 300000;
    make(capacity);
    srandom(capacity);
    for (unsigned int n = 0; n < capacity; n++) {
        held[n] = n;
        ck_assert_int_eq(issue(secret(n), 0, 100), APR_SUCCESS);
    }
    for (unsigned int turn = 0; turn < turns; turn++) {
        unsigned int victim = (unsigned int)random() % capacity;

        ck_assert_int_eq(claim_at(secret(held[victim]), at(1)),
                         SCEP_CHALLENGE_CLAIMED);
        if (turn % 2)
            ck_assert_int_eq(scep_table_commit(table, &claim), APR_SUCCESS);
        else {
            ck_assert_int_eq(scep_table_release(table, &claim), APR_SUCCESS);
            ck_assert_int_eq(scep_table_revoke(table, claim.id, at(1)),
                             APR_SUCCESS);
        }
        held[victim] = next++;
        ck_assert_int_eq(issue(secret(held[victim]), 1, 100), APR_SUCCESS);
    }
    ck_assert_int_eq(issue("one more", 1, 100), APR_ENOSPC);
    for (unsigned int n = 0; n < capacity; n++)
        ck_assert_int_eq(claim_at(secret(held[n]), at(1)),
                         SCEP_CHALLENGE_CLAIMED);
    free(held);
}
END_TEST

START_TEST(expired_challenges_do_not_count)
{
    unsigned int capacity = capacities[_i];

    make(capacity);
    for (int turn = 0; turn < 3; turn++) {
        int from = 10 * turn;

        for (unsigned int n = 0; n < capacity; n++)
            ck_assert_int_eq(issue(secret(n), from, 10), APR_SUCCESS);
        ck_assert_int_eq(issue("one more", from + 9, 10), APR_ENOSPC);
        ck_assert_uint_eq(live(from + 9), capacity);
        ck_assert_uint_eq(live(from + 10), 0);
    }
}
END_TEST

/* A lease that runs on keeps the place beyond the expiry, no longer. */
START_TEST(a_claimed_challenge_counts_until_its_lease_ends)
{
    make(1);
    ck_assert_int_eq(issue(secret(1), 0, 10), APR_SUCCESS);
    ck_assert_int_eq(claim_at(secret(1), at(9)), SCEP_CHALLENGE_CLAIMED);
    ck_assert_int_eq(issue(secret(2), 68, 10), APR_ENOSPC);
    ck_assert_uint_eq(live(68), 1);
    ck_assert_uint_eq(live(69), 0);
    ck_assert_int_eq(issue(secret(2), 69, 10), APR_SUCCESS);
    ck_assert_int_eq(scep_table_commit(table, &claim), APR_EGENERAL);
}
END_TEST

START_TEST(a_hundred_thousand_take_less_than_32_mib)
{
    ck_assert_uint_lt(scep_table_size(100000), 32 << 20);
    for (apr_uint64_t n = 1000; n <= 10000000; n *= 10)
        ck_assert_uint_le(scep_table_size(n), n * 256 + SCEP_TABLE_HEADER);
    ck_assert_uint_eq(scep_table_size(0), 0);
    ck_assert_uint_eq(scep_table_size(SCEP_TABLE_CAPACITY_MAX + 1), 0);
    ck_assert_uint_eq(scep_table_size(UINT64_MAX), 0);
}
END_TEST

START_TEST(a_live_challenge_is_never_evicted)
{
    make(1000);
    for (unsigned int n = 0; n < 500; n++)
        ck_assert_int_eq(issue(secret(n), 0, 1000), APR_SUCCESS);
    for (unsigned int n = 1000; n < 50000; n++) {
        ck_assert_int_eq(issue(secret(n), 1, 1000), APR_SUCCESS);
        ck_assert_int_eq(claim_at(secret(n), at(1)), SCEP_CHALLENGE_CLAIMED);
        ck_assert_int_eq(scep_table_commit(table, &claim), APR_SUCCESS);
    }
    for (unsigned int n = 0; n < 500; n++)
        ck_assert_int_eq(claim_at(secret(n), at(1)), SCEP_CHALLENGE_CLAIMED);
}
END_TEST

START_TEST(a_place_is_free_at_once_after_commit_and_revoke)
{
    make(1);
    for (unsigned int n = 0; n < 100; n++) {
        ck_assert_int_eq(issue(secret(n), 0, 100), APR_SUCCESS);
        ck_assert_int_eq(issue("one more", 0, 100), APR_ENOSPC);
        if (n % 2) {
            ck_assert_int_eq(scep_table_revoke(table, last_id, at(0)),
                             APR_SUCCESS);
            continue;
        }
        ck_assert_int_eq(claim_at(secret(n), at(0)), SCEP_CHALLENGE_CLAIMED);
        ck_assert_int_eq(scep_table_commit(table, &claim), APR_SUCCESS);
    }
}
END_TEST

/* ------------------------------------------------------------------ */
/* Issue                                                                */

START_TEST(issue_wants_secret_profile_and_future)
{
    scep_challenge_spec_t good = {
        .secret = "s", .profile = "p", .created = at(0), .expires = at(1)
    };
    scep_challenge_spec_t spec;

    make(10);
    spec = good;
    spec.secret = NULL;
    ck_assert_int_eq(scep_table_issue(table, &spec, 1, last_id), APR_EINVAL);
    spec.secret = "";
    ck_assert_int_eq(scep_table_issue(table, &spec, 1, last_id), APR_EINVAL);
    spec = good;
    spec.profile = NULL;
    ck_assert_int_eq(scep_table_issue(table, &spec, 1, last_id), APR_EINVAL);
    spec = good;
    spec.expires = spec.created;
    ck_assert_int_eq(scep_table_issue(table, &spec, 1, last_id), APR_EINVAL);
    ck_assert_uint_eq(live(0), 0);
    ck_assert_int_eq(scep_table_issue(table, &good, 1, last_id), APR_SUCCESS);
}
END_TEST

START_TEST(a_secret_in_use_is_refused)
{
    make(10);
    ck_assert_int_eq(issue(secret(1), 0, 100), APR_SUCCESS);
    ck_assert_int_eq(issue(secret(1), 1, 100), APR_EEXIST);
    ck_assert_int_eq(claim_at(secret(1), at(2)), SCEP_CHALLENGE_CLAIMED);
    ck_assert_int_eq(issue(secret(1), 2, 100), APR_EEXIST);
    ck_assert_uint_eq(live(2), 1);
    for (unsigned int n = 2; n <= 10; n++)
        ck_assert_int_eq(issue(secret(n), 2, 100), APR_SUCCESS);
    ck_assert_int_eq(issue(secret(11), 2, 100), APR_ENOSPC);
}
END_TEST

START_TEST(a_secret_that_is_over_may_be_issued_again)
{
    make(10);
    ck_assert_int_eq(issue(secret(1), 0, 100), APR_SUCCESS);
    ck_assert_int_eq(claim_at(secret(1), at(0)), SCEP_CHALLENGE_CLAIMED);
    ck_assert_int_eq(scep_table_commit(table, &claim), APR_SUCCESS);
    ck_assert_int_eq(issue(secret(1), 1, 100), APR_SUCCESS);
    ck_assert_int_eq(claim_at(secret(1), at(1)), SCEP_CHALLENGE_CLAIMED);
    ck_assert_int_eq(claim_at(secret(1), at(1)), SCEP_CHALLENGE_BUSY);
    ck_assert_int_eq(claim_at(secret(1), at(101)), SCEP_CHALLENGE_SPENT);
}
END_TEST

/* ------------------------------------------------------------------ */
/* Claim and its ends                                                   */

START_TEST(an_unknown_secret_is_not_found)
{
    make(10);
    ck_assert_int_eq(claim_at(secret(1), at(0)), SCEP_CHALLENGE_NOT_FOUND);
    ck_assert_int_eq(issue(secret(1), 0, 100), APR_SUCCESS);
    ck_assert_int_eq(claim_at(secret(2), at(0)), SCEP_CHALLENGE_NOT_FOUND);
    ck_assert_int_eq(claim_at("", at(0)), SCEP_CHALLENGE_NOT_FOUND);
}
END_TEST

START_TEST(a_claim_that_is_committed_is_spent)
{
    make(10);
    ck_assert_int_eq(issue(secret(1), 0, 100), APR_SUCCESS);
    ck_assert_int_eq(claim_at(secret(1), at(0)), SCEP_CHALLENGE_CLAIMED);
    ck_assert_str_eq(claim.id, last_id);
    ck_assert_int_eq(scep_table_commit(table, &claim), APR_SUCCESS);
    ck_assert_int_eq(claim_at(secret(1), at(0)), SCEP_CHALLENGE_SPENT);
    /* a breach is told even from one that would have expired */
    ck_assert_int_eq(claim_at(secret(1), at(500)), SCEP_CHALLENGE_SPENT);
    ck_assert_int_eq(scep_table_commit(table, &claim), APR_EGENERAL);
    ck_assert_int_eq(scep_table_release(table, &claim), APR_EGENERAL);
    ck_assert_uint_eq(live(0), 0);
}
END_TEST

START_TEST(a_claim_that_is_released_is_as_good_as_before)
{
    make(10);
    ck_assert_int_eq(issue(secret(1), 0, 100), APR_SUCCESS);
    for (int n = 0; n < 5; n++) {
        ck_assert_int_eq(claim_at(secret(1), at(99)), SCEP_CHALLENGE_CLAIMED);
        ck_assert_int_eq(scep_table_release(table, &claim), APR_SUCCESS);
        ck_assert_int_eq(scep_table_release(table, &claim), APR_EGENERAL);
        ck_assert_int_eq(scep_table_commit(table, &claim), APR_EGENERAL);
    }
    ck_assert_uint_eq(live(99), 1);
    ck_assert_int_eq(claim_at(secret(1), at(100)), SCEP_CHALLENGE_EXPIRED);
}
END_TEST

START_TEST(a_claim_excludes_others_until_its_lease_ends)
{
    scep_challenge_claim_t first;

    make(10);
    ck_assert_int_eq(issue(secret(1), 0, 1000), APR_SUCCESS);
    ck_assert_int_eq(claim_at(secret(1), at(5) + 1), SCEP_CHALLENGE_CLAIMED);
    first = claim;
    ck_assert_int_eq(claim_at(secret(1), at(5)), SCEP_CHALLENGE_BUSY);
    /* never shorter than asked for */
    ck_assert_int_eq(claim_at(secret(1), at(65)), SCEP_CHALLENGE_BUSY);
    ck_assert_int_eq(claim_at(secret(1), at(66)), SCEP_CHALLENGE_CLAIMED);
    ck_assert_int_eq(scep_table_commit(table, &first), APR_EGENERAL);
    ck_assert_int_eq(scep_table_release(table, &first), APR_EGENERAL);
    ck_assert_int_eq(claim_at(secret(1), at(66)), SCEP_CHALLENGE_BUSY);
    ck_assert_int_eq(scep_table_commit(table, &claim), APR_SUCCESS);
}
END_TEST

/* Late, but nobody else came: there is nothing to protect. */
START_TEST(a_lease_that_nobody_took_over_may_be_committed)
{
    make(10);
    ck_assert_int_eq(issue(secret(1), 0, 10), APR_SUCCESS);
    ck_assert_int_eq(claim_at(secret(1), at(1)), SCEP_CHALLENGE_CLAIMED);
    ck_assert_int_eq(scep_table_commit(table, &claim), APR_SUCCESS);
    ck_assert_int_eq(claim_at(secret(1), at(500)), SCEP_CHALLENGE_SPENT);
}
END_TEST

START_TEST(a_claim_released_after_expiry_is_expired)
{
    make(1);
    ck_assert_int_eq(issue(secret(1), 0, 10), APR_SUCCESS);
    ck_assert_int_eq(claim_at(secret(1), at(9)), SCEP_CHALLENGE_CLAIMED);
    ck_assert_int_eq(scep_table_release(table, &claim), APR_SUCCESS);
    ck_assert_int_eq(claim_at(secret(1), at(10)), SCEP_CHALLENGE_EXPIRED);
    ck_assert_int_eq(issue(secret(2), 10, 10), APR_SUCCESS);
}
END_TEST

START_TEST(expiry_is_told_from_unknown_also_after_a_sweep)
{
    make(10);
    ck_assert_int_eq(issue(secret(1), 0, 10), APR_SUCCESS);
    ck_assert_int_eq(claim_at(secret(1), at(10) - 1), SCEP_CHALLENGE_CLAIMED);
    ck_assert_int_eq(scep_table_release(table, &claim), APR_SUCCESS);
    ck_assert_int_eq(claim_at(secret(1), at(10)), SCEP_CHALLENGE_EXPIRED);
    scep_table_sweep(table, at(10), NULL);
    ck_assert_int_eq(claim_at(secret(1), at(10)), SCEP_CHALLENGE_EXPIRED);
    /* the clock set back does not bring it back */
    ck_assert_int_eq(claim_at(secret(1), at(0)), SCEP_CHALLENGE_EXPIRED);
}
END_TEST

START_TEST(a_claim_with_a_lost_lease_and_expired_is_expired)
{
    make(10);
    ck_assert_int_eq(issue(secret(1), 0, 10), APR_SUCCESS);
    ck_assert_int_eq(claim_at(secret(1), at(0)), SCEP_CHALLENGE_CLAIMED);
    ck_assert_int_eq(claim_at(secret(1), at(59)), SCEP_CHALLENGE_BUSY);
    ck_assert_int_eq(claim_at(secret(1), at(60)), SCEP_CHALLENGE_EXPIRED);
}
END_TEST

START_TEST(a_forged_token_ends_nothing)
{
    scep_challenge_claim_t forged;

    make(10);
    ck_assert_int_eq(issue(secret(1), 0, 100), APR_SUCCESS);
    ck_assert_int_eq(claim_at(secret(1), at(0)), SCEP_CHALLENGE_CLAIMED);
    forged = claim;
    forged.token[1] = UINT64_MAX;
    ck_assert_int_eq(scep_table_commit(table, &forged), APR_EGENERAL);
    forged.token[1] = table->slots;
    ck_assert_int_eq(scep_table_commit(table, &forged), APR_EGENERAL);
    memset(&forged, 0, sizeof(forged));
    ck_assert_int_eq(scep_table_commit(table, &forged), APR_EGENERAL);
    ck_assert_int_eq(scep_table_commit(table, &claim), APR_SUCCESS);
}
END_TEST

/* ------------------------------------------------------------------ */
/* Bindings                                                             */

typedef struct binding_case_t {
    const char *bound[3]; /* subject, sans, device */
    const char *facts[4]; /* profile, subject, sans, device */
    scep_challenge_outcome_t outcome;
} binding_case_t;

#define GRANTED SCEP_CHALLENGE_CLAIMED
#define BAD_PROFILE SCEP_CHALLENGE_BOUND_PROFILE
#define BAD_SUBJECT SCEP_CHALLENGE_BOUND_SUBJECT
#define BAD_SAN SCEP_CHALLENGE_BOUND_SAN
#define BAD_DEVICE SCEP_CHALLENGE_BOUND_DEVICE

/* clang-format off */
static const binding_case_t binding_cases[] = {
    { { NULL, NULL, NULL }, { "p", "CN=x", "dns:x", "d" }, GRANTED },
    { { NULL, NULL, NULL }, { "p", "", "", NULL }, GRANTED },
    { { NULL, NULL, NULL }, { "P", "", "", NULL }, BAD_PROFILE },
    { { "CN=x", NULL, NULL }, { "p", "CN=x", "", NULL }, GRANTED },
    { { "CN=x", NULL, NULL }, { "p", "CN=X", "", NULL }, BAD_SUBJECT },
    { { "CN=x", NULL, NULL }, { "p", "", "CN=x", "CN=x" }, BAD_SUBJECT },
    { { "CN=x", NULL, NULL }, { "p", NULL, "", NULL }, BAD_SUBJECT },
    { { "", NULL, NULL }, { "p", "", "dns:x", NULL }, GRANTED },
    { { "", NULL, NULL }, { "p", "CN=x", "dns:x", NULL }, BAD_SUBJECT },
    { { NULL, "", NULL }, { "p", "CN=x", "", NULL }, GRANTED },
    { { NULL, "", NULL }, { "p", "CN=x", "dns:x", NULL }, BAD_SAN },
    { { NULL, "", NULL }, { "p", "", NULL, NULL }, BAD_SAN },
    { { NULL, "dns:x", NULL }, { "p", "CN=x", "dns:x", NULL }, GRANTED },
    { { NULL, "dns:x", NULL }, { "p", "", "dns:x,dns:y", NULL }, BAD_SAN },
    { { NULL, "dns:x", NULL }, { "p", "", "", NULL }, BAD_SAN },
    { { NULL, NULL, "7" }, { "p", "", "", "7" }, GRANTED },
    { { NULL, NULL, "7" }, { "p", "", "", "8" }, BAD_DEVICE },
    { { NULL, NULL, "7" }, { "p", "", "", NULL }, BAD_DEVICE },
    { { "CN=x", "dns:x", "7" }, { "p", "CN=x", "dns:x", "7" }, GRANTED },
    { { "CN=x", "dns:x", "7" }, { "P", "CN=x", "dns:x", "7" }, BAD_PROFILE },
};
/* clang-format on */

static apr_array_header_t *devices_of(const char *device)
{
    apr_array_header_t *devices =
        apr_array_make(pool, 1, sizeof(const char *));

    if (device)
        APR_ARRAY_PUSH(devices, const char *) = device;
    return devices;
}

START_TEST(a_binding_is_met_or_the_claim_refused)
{
    const binding_case_t *c = &binding_cases[_i];
    scep_challenge_spec_t spec = { .secret = "s",
                                   .profile = "p",
                                   .subject = c->bound[0],
                                   .sans = c->bound[1],
                                   .device = c->bound[2],
                                   .created = at(0),
                                   .expires = at(100) };
    scep_challenge_facts_t facts = { .profile = c->facts[0],
                                     .subject = c->facts[1],
                                     .sans = c->facts[2],
                                     .devices = devices_of(c->facts[3]) };
    scep_challenge_facts_t right = { .profile = "p",
                                     .subject = c->bound[0],
                                     .sans = c->bound[1],
                                     .devices = devices_of(c->bound[2]) };

    make(10);
    ck_assert_int_eq(scep_table_issue(table, &spec, 1, last_id), APR_SUCCESS);
    ck_assert_int_eq(scep_table_claim(table, "s", &facts, at(0), LEASE,
                                      &claim),
                     c->outcome);
    /* a refusal neither spends nor locks */
    if (c->outcome != SCEP_CHALLENGE_CLAIMED)
        ck_assert_int_eq(scep_table_claim(table, "s", &right, at(0), LEASE,
                                          &claim),
                         SCEP_CHALLENGE_CLAIMED);
    /* what became of a challenge comes before what it was bound to */
    ck_assert_int_eq(scep_table_commit(table, &claim), APR_SUCCESS);
    ck_assert_int_eq(scep_table_claim(table, "s", &facts, at(0), LEASE,
                                      &claim),
                     SCEP_CHALLENGE_SPENT);
}
END_TEST

/* ------------------------------------------------------------------ */
/* Ids, revocation, listing                                             */

START_TEST(a_revoked_challenge_is_refused)
{
    make(10);
    ck_assert_int_eq(issue(secret(1), 0, 100), APR_SUCCESS);
    ck_assert_int_eq(scep_table_revoke(table, last_id, at(1)), APR_SUCCESS);
    ck_assert_int_eq(claim_at(secret(1), at(1)), SCEP_CHALLENGE_REVOKED);
    ck_assert_int_eq(scep_table_revoke(table, last_id, at(1)), APR_NOTFOUND);
    ck_assert_uint_eq(live(1), 0);
}
END_TEST

START_TEST(only_what_could_be_claimed_can_be_revoked)
{
    char id[SCEP_CHALLENGE_ID_SIZE];

    make(10);
    ck_assert_int_eq(issue(secret(1), 0, 100), APR_SUCCESS);
    memcpy(id, last_id, sizeof(id));
    ck_assert_int_eq(claim_at(secret(1), at(0)), SCEP_CHALLENGE_CLAIMED);
    ck_assert_int_eq(scep_table_revoke(table, id, at(59)), APR_EBUSY);
    ck_assert_int_eq(scep_table_revoke(table, id, at(60)), APR_SUCCESS);
    ck_assert_int_eq(scep_table_commit(table, &claim), APR_EGENERAL);
    ck_assert_int_eq(issue(secret(2), 0, 100), APR_SUCCESS);
    ck_assert_int_eq(scep_table_revoke(table, last_id, at(100)), APR_NOTFOUND);
    ck_assert_int_eq(claim_at(secret(2), at(0)), SCEP_CHALLENGE_CLAIMED);
    ck_assert_int_eq(scep_table_commit(table, &claim), APR_SUCCESS);
    ck_assert_int_eq(scep_table_revoke(table, last_id, at(0)), APR_NOTFOUND);
}
END_TEST

START_TEST(an_id_that_is_none_is_not_found)
{
    static const char *const ids[] = { "",
                                       "0",
                                       "000000000000000",
                                       "00000000000000000",
                                       "ffffffffffffffff",
                                       "0000000000000000",
                                       "000000000000000g",
                                       " 00000000000000",
                                       "-000000000000001",
                                       "../../../../../../../../etc/passwd" };

    make(10);
    ck_assert_int_eq(issue(secret(1), 0, 100), APR_SUCCESS);
    for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++)
        ck_assert_int_eq(scep_table_revoke(table, ids[i], at(0)),
                         APR_NOTFOUND);
    for (char *c = last_id; *c; c++)
        *c = (char)(*c >= 'a' ? *c - 'a' + 'A' : *c);
    ck_assert_int_eq(scep_table_revoke(table, last_id, at(0)), APR_SUCCESS);
}
END_TEST

START_TEST(a_stale_id_hits_no_other_challenge)
{
    scep_challenge_spec_t spec = { .profile = "p",
                                   .created = at(0),
                                   .expires = at(100) };
    char old[SCEP_CHALLENGE_ID_SIZE], new[SCEP_CHALLENGE_ID_SIZE];
    uint32_t slot;

    make(1);
    spec.secret = secret(0);
    ck_assert_int_eq(scep_table_issue(table, &spec, 7, old), APR_SUCCESS);
    slot = slot_of(old);
    ck_assert_int_eq(scep_table_revoke(table, old, at(0)), APR_SUCCESS);
    /* until the slot is used again */
    for (apr_uint32_t n = 1; n < 1000; n++) {
        spec.secret = secret(n);
        ck_assert_int_eq(scep_table_issue(table, &spec, 7 + n, new),
                         APR_SUCCESS);
        if (slot_of(new) == slot)
            break;
        ck_assert_int_eq(scep_table_revoke(table, new, at(0)), APR_SUCCESS);
    }
    ck_assert_uint_eq(slot_of(new), slot);
    ck_assert_int_eq(scep_table_revoke(table, old, at(0)), APR_NOTFOUND);
    ck_assert_int_eq(scep_table_revoke(table, new, at(0)), APR_SUCCESS);
}
END_TEST

typedef struct rows_t {
    scep_challenge_info_t row[8];
    int count;
    int stop_after;
} rows_t;

static int collect(void *baton, const scep_challenge_info_t *info)
{
    rows_t *rows = baton;

    ck_assert_int_lt(rows->count, 8);
    rows->row[rows->count++] = *info;
    return rows->count == rows->stop_after;
}

static const scep_challenge_info_t *list_row(const char *id, int seconds)
{
    static rows_t rows;
    apr_array_header_t *profiles = apr_array_make(pool, 2, sizeof(char *));

    APR_ARRAY_PUSH(profiles, const char *) = "other";
    APR_ARRAY_PUSH(profiles, const char *) = "default";
    memset(&rows, 0, sizeof(rows));
    ck_assert_int_eq(scep_table_list(table, at(seconds), profiles, collect,
                                     &rows, pool),
                     APR_SUCCESS);
    for (int i = 0; i < rows.count; i++)
        if (!strcmp(rows.row[i].id, id))
            return &rows.row[i];
    return NULL;
}

START_TEST(a_listing_tells_every_state)
{
    make(10);
    ck_assert_int_eq(issue(secret(1), 0, 100), APR_SUCCESS);
    ck_assert_int_eq(list_row(last_id, 0)->state, SCEP_CHALLENGE_STATE_ISSUED);
    ck_assert_int_eq(list_row(last_id, 100)->state,
                     SCEP_CHALLENGE_STATE_EXPIRED);
    ck_assert_int_eq(claim_at(secret(1), at(0)), SCEP_CHALLENGE_CLAIMED);
    ck_assert_int_eq(list_row(last_id, 59)->state,
                     SCEP_CHALLENGE_STATE_CLAIMED);
    ck_assert_int_eq(list_row(last_id, 60)->state,
                     SCEP_CHALLENGE_STATE_ISSUED);
    ck_assert_int_eq(list_row(last_id, 100)->state,
                     SCEP_CHALLENGE_STATE_EXPIRED);
    ck_assert_int_eq(scep_table_commit(table, &claim), APR_SUCCESS);
    ck_assert_int_eq(list_row(last_id, 0)->state, SCEP_CHALLENGE_STATE_SPENT);
    ck_assert_int_eq(issue(secret(2), 0, 100), APR_SUCCESS);
    ck_assert_int_eq(scep_table_revoke(table, last_id, at(0)), APR_SUCCESS);
    ck_assert_int_eq(list_row(last_id, 0)->state,
                     SCEP_CHALLENGE_STATE_REVOKED);
    ck_assert_int_eq(issue(secret(3), 0, 100), APR_SUCCESS);
    scep_table_sweep(table, at(100), NULL);
    ck_assert_int_eq(list_row(last_id, 100)->state,
                     SCEP_CHALLENGE_STATE_EXPIRED);
}
END_TEST

START_TEST(a_listing_tells_what_was_asked_for)
{
    scep_challenge_spec_t spec = { .secret = "s",
                                   .profile = "default",
                                   .subject = "CN=x",
                                   .device = "7",
                                   .requester = "alice",
                                   .created = at(1) + 5,
                                   .expires = at(100) + 5 };
    const scep_challenge_info_t *row;
    rows_t rows = { .stop_after = 1 };

    make(10);
    ck_assert_int_eq(scep_table_issue(table, &spec, 1, last_id), APR_SUCCESS);
    row = list_row(last_id, 1);
    ck_assert_ptr_nonnull(row);
    ck_assert_int_eq(row->created, at(1));
    ck_assert_int_eq(row->expires, at(100));
    ck_assert_str_eq(row->requester, "alice");
    ck_assert_str_eq(row->profile, "default");
    ck_assert(row->bound_subject && !row->bound_sans && row->bound_device &&
              !row->bound_network);
    spec.secret = "t";
    spec.profile = "unheard of";
    spec.requester = NULL;
    ck_assert_int_eq(scep_table_issue(table, &spec, 1, last_id), APR_SUCCESS);
    row = list_row(last_id, 1);
    ck_assert_ptr_null(row->profile);
    ck_assert_str_eq(row->requester, "");
    ck_assert_int_eq(scep_table_list(table, at(1), NULL, collect, &rows, pool),
                     APR_SUCCESS);
    ck_assert_int_eq(rows.count, 1);
}
END_TEST

START_TEST(a_long_requester_is_cut_between_characters)
{
    scep_challenge_spec_t spec = {
        .secret = "s", .profile = "p", .created = at(0), .expires = at(9)
    };

    make(10);
    spec.requester = "0123456789012345678901234567890123456789";
    ck_assert_int_eq(scep_table_issue(table, &spec, 1, last_id), APR_SUCCESS);
    ck_assert_str_eq(list_row(last_id, 0)->requester,
                     "0123456789012345678901234567890");
    spec.secret = "t";
    spec.requester = "01234567890123456789012345678\xe2\x82\xac";
    ck_assert_int_eq(scep_table_issue(table, &spec, 1, last_id), APR_SUCCESS);
    ck_assert_str_eq(list_row(last_id, 0)->requester,
                     "01234567890123456789012345678");
    spec.secret = "u";
    spec.requester = "0123456789012345678901234567\xe2\x82\xac";
    ck_assert_int_eq(scep_table_issue(table, &spec, 1, last_id), APR_SUCCESS);
    ck_assert_str_eq(list_row(last_id, 0)->requester, spec.requester);
}
END_TEST

/* ------------------------------------------------------------------ */
/* Slots in use again                                                   */

START_TEST(a_spent_challenge_is_remembered_while_there_is_room)
{
    make(1000);
    for (unsigned int n = 0; n < 400; n++) {
        ck_assert_int_eq(issue(secret(n), 0, 1000), APR_SUCCESS);
        ck_assert_int_eq(claim_at(secret(n), at(0)), SCEP_CHALLENGE_CLAIMED);
        ck_assert_int_eq(scep_table_commit(table, &claim), APR_SUCCESS);
    }
    for (unsigned int n = 1000; n < 1400; n++)
        ck_assert_int_eq(issue(secret(n), 0, 1000), APR_SUCCESS);
    scep_table_sweep(table, at(1), NULL);
    for (unsigned int n = 0; n < 400; n++)
        ck_assert_int_eq(claim_at(secret(n), at(1)), SCEP_CHALLENGE_SPENT);
}
END_TEST

/* Two buckets, so 32 slots that every challenge may use. */
START_TEST(slots_are_used_again_in_the_order_of_their_worth)
{
    static const scep_challenge_outcome_t gone[] = { SCEP_CHALLENGE_EXPIRED,
                                                     SCEP_CHALLENGE_SPENT,
                                                     SCEP_CHALLENGE_SPENT };
    static const int expiry[] = { 15, 10, 1000 };

    make(20);
    /* 10 that expire, 10 spent with an early expiry, 12 with a late one */
    for (unsigned int kind = 0; kind < 3; kind++)
        for (unsigned int n = 0; n < (kind == 2 ? 12 : 10); n++) {
            ck_assert_int_eq(issue(secret(100 * kind + n), 0,
                                   expiry[kind] + (kind == 2 ? (int)n : 0)),
                             APR_SUCCESS);
            if (kind == 0)
                continue;
            ck_assert_int_eq(claim_at(secret(100 * kind + n), at(1)),
                             SCEP_CHALLENGE_CLAIMED);
            ck_assert_int_eq(scep_table_commit(table, &claim), APR_SUCCESS);
        }
    /* each new one costs the table what is worth the least, per bucket */
    for (unsigned int n = 0; n < 20; n++) {
        int left[3] = { 0, 0, 0 };

        ck_assert_int_eq(issue(secret(1000 + n), 20, 1000), APR_SUCCESS);
        for (unsigned int kind = 0; kind < 3; kind++)
            for (unsigned int m = 0; m < (kind == 2 ? 12 : 10); m++)
                left[kind] +=
                    claim_at(secret(100 * kind + m), at(20)) == gone[kind];
        ck_assert_int_eq(left[0] + left[1] + left[2], 32 - (int)n - 1);
        if (n == 19)
            ck_assert_int_gt(left[2], left[0] + left[1]);
    }
}
END_TEST

static pid_t dead_pid;

static int alive(pid_t pid)
{
    return pid != dead_pid;
}

/** Leaves a slot as a writer does that dies over it. */
static void die_writing(unsigned int n, pid_t pid)
{
    scep_challenge_facts_t facts = { .profile = "p" };
    scep_digests_t digests;
    uint32_t slot;
    uint64_t word;

    scep_table_attach(table, pid);
    ck_assert_int_eq(scep_record_digest(table, secret(n), &facts, &digests),
                     APR_SUCCESS);
    ck_assert_int_eq(scep_table_take(table, digests.mac, T0, &slot, &word),
                     APR_SUCCESS);
    scep_table_attach(table, getpid());
}

START_TEST(only_death_frees_a_half_written_slot)
{
    make(1);
    die_writing(1, 4711);
    dead_pid = 4712;
    ck_assert_int_eq(claim_at(secret(1), at(1)), SCEP_CHALLENGE_NOT_FOUND);
    scep_table_sweep(table, at(100000), alive);
    ck_assert_int_eq(issue(secret(2), 100001, 10), APR_ENOSPC);
    dead_pid = 4711;
    scep_table_sweep(table, at(100002), NULL);
    ck_assert_int_eq(issue(secret(2), 100002, 10), APR_ENOSPC);
    scep_table_sweep(table, at(100002), alive);
    ck_assert_int_eq(issue(secret(2), 100002, 10), APR_SUCCESS);
    ck_assert_int_eq(issue(secret(3), 100002, 10), APR_ENOSPC);
}
END_TEST

/* Dead between the word and the count, or just after it. */
START_TEST(a_commit_that_death_cut_short_is_a_commit)
{
    for (unsigned int counted = 0; counted < 2; counted++) {
        uint64_t word;
        uint32_t slot;

        make(1);
        ck_assert_int_eq(issue(secret(1), 0, 100), APR_SUCCESS);
        ck_assert_int_eq(claim_at(secret(1), at(0)), SCEP_CHALLENGE_CLAIMED);
        slot = slot_of(last_id);
        word = scep_word_next(claim.token[0], SCEP_WORD_ENDING,
                              scep_word_tag(claim.token[0]),
                              (uint32_t)SCEP_WORD_SPENT << 29 | 4711);
        atomic_store(&table->words[slot], word);
        if (counted)
            atomic_fetch_sub(&table->header->live, 1);
        ck_assert_int_eq(claim_at(secret(1), at(70)), SCEP_CHALLENGE_SPENT);
        ck_assert_int_eq(list_row(last_id, 0)->state,
                         SCEP_CHALLENGE_STATE_SPENT);
        ck_assert_int_eq(scep_table_revoke(table, last_id, at(70)),
                         APR_NOTFOUND);
        dead_pid = 4712;
        scep_table_sweep(table, at(1), alive);
        ck_assert_uint_eq(atomic_load(&table->words[slot]), word);
        dead_pid = 4711;
        scep_table_sweep(table, at(1), alive);
        ck_assert_int_eq(claim_at(secret(1), at(70)), SCEP_CHALLENGE_SPENT);
        ck_assert_int_eq(issue(secret(2), 1, 100), APR_SUCCESS);
        ck_assert_int_eq(issue(secret(3), 1, 100), APR_ENOSPC);
    }
}
END_TEST

/* A process that is between its word and the count will count yet. */
START_TEST(a_recount_waits_for_who_has_yet_to_count)
{
    uint32_t slot;
    uint64_t word;

    make(2);
    ck_assert_int_eq(issue(secret(1), 0, 100), APR_SUCCESS);
    ck_assert_int_eq(issue(secret(2), 0, 100), APR_SUCCESS);
    slot = slot_of(last_id);
    word = atomic_load(&table->words[slot]);
    atomic_store(&table->words[slot],
                 scep_word_next(word, SCEP_WORD_ENDING, scep_word_tag(word),
                                (uint32_t)SCEP_WORD_REVOKED << 29 | 4711));
    dead_pid = 4712;
    scep_table_sweep(table, at(1), alive);
    ck_assert_uint_eq((uint32_t)atomic_load(&table->header->live), 2);
    ck_assert_int_eq(issue(secret(3), 2, 100), APR_ENOSPC);
}
END_TEST

START_TEST(a_count_too_high_is_set_right)
{
    make(10);
    atomic_fetch_add(&table->header->live, 5);
    /* no watchdog: the issue that meets "full" does it, once a second */
    for (unsigned int n = 0; n < 10; n++)
        ck_assert_int_eq(issue(secret(n), 0, 1000), APR_SUCCESS);
    ck_assert_int_eq(issue(secret(10), 0, 1000), APR_ENOSPC);
    ck_assert_int_eq(scep_table_revoke(table, last_id, at(0)), APR_SUCCESS);
    atomic_fetch_add(&table->header->live, 1);
    ck_assert_int_eq(issue(secret(10), 0, 1000), APR_ENOSPC);
    ck_assert_int_eq(issue(secret(10), 1, 1000), APR_SUCCESS);
    atomic_fetch_add(&table->header->live, UINT32_MAX);
    scep_table_sweep(table, at(1), NULL);
    ck_assert_int_eq(issue(secret(11), 2, 1000), APR_ENOSPC);
    ck_assert_uint_eq((uint32_t)atomic_load(&table->header->live), 10);
}
END_TEST

START_TEST(a_clock_set_back_does_not_stop_the_sweeps)
{
    make(10);
    for (unsigned int n = 0; n < 10; n++)
        ck_assert_int_eq(issue(secret(n), 0, 10), APR_SUCCESS);
    /* the clock was an hour ahead */
    scep_table_sweep(table, at(-20), NULL);
    atomic_store(&table->header->swept, T0 + 3600);
    ck_assert_int_eq(issue(secret(10), 10, 10), APR_SUCCESS);
}
END_TEST

/* ------------------------------------------------------------------ */
/* Files                                                                */

START_TEST(a_table_in_a_file_survives_its_processes)
{
    char path[] = "challenge-table-XXXXXX";
    const char *error;
    FILE *file = fdopen(mkstemp(path), "w+b");
    char id[3][SCEP_CHALLENGE_ID_SIZE];

    ck_assert_ptr_nonnull(file);
    unlink(path);
    size = scep_table_size(100);
    ck_assert_int_eq(ftruncate(fileno(file), (off_t)size), 0);
    for (int turn = 0; turn < 3; turn++) {
        mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
                   fileno(file), 0);
        ck_assert_ptr_ne(mem, MAP_FAILED);
        if (turn == 0)
            ck_assert_int_eq(scep_table_format(mem, size, 100, key, pool),
                             APR_SUCCESS);
        ck_assert_int_eq(scep_table_open(&table, mem, size, key, &error, pool),
                         APR_SUCCESS);
        scep_table_attach(table, getpid());
        if (turn == 0) {
            for (unsigned int n = 0; n < 3; n++) {
                ck_assert_int_eq(issue(secret(n), 0, 100), APR_SUCCESS);
                memcpy(id[n], last_id, sizeof(last_id));
            }
            ck_assert_int_eq(claim_at(secret(2), at(0)),
                             SCEP_CHALLENGE_CLAIMED);
        } else if (turn == 1) {
            ck_assert_int_eq(claim_at(secret(2), at(1)), SCEP_CHALLENGE_BUSY);
            ck_assert_int_eq(scep_table_commit(table, &claim), APR_SUCCESS);
            ck_assert_int_eq(scep_table_revoke(table, id[1], at(1)),
                             APR_SUCCESS);
        } else {
            ck_assert_int_eq(claim_at(secret(0), at(2)),
                             SCEP_CHALLENGE_CLAIMED);
            ck_assert_str_eq(claim.id, id[0]);
            ck_assert_int_eq(claim_at(secret(1), at(2)),
                             SCEP_CHALLENGE_REVOKED);
            ck_assert_int_eq(claim_at(secret(2), at(2)), SCEP_CHALLENGE_SPENT);
        }
        if (turn < 2)
            munmap(mem, size);
    }
    fclose(file);
}
END_TEST

static void refused(const unsigned char *k, apr_size_t len, const char *why)
{
    scep_table_t *none = NULL;
    const char *error = NULL;

    ck_assert_int_ne(scep_table_open(&none, mem, len, k, &error, pool),
                     APR_SUCCESS);
    ck_assert_ptr_null(none);
    ck_assert_ptr_nonnull(strstr(error, why));
}

START_TEST(what_is_no_table_of_ours_is_refused)
{
    unsigned char other[SCEP_TABLE_KEY_LEN];
    scep_table_header_t *header;

    make(100);
    header = mem;
    memcpy(other, key, sizeof(other));
    other[31] ^= 1;
    refused(other, size, "another key");
    refused(key, size - 1, "cut off");
    refused(key, SCEP_TABLE_HEADER, "cut off");
    refused(key, SCEP_TABLE_HEADER - 1, "not a challenge table");
    refused(key, 0, "not a challenge table");
    header->version++;
    refused(key, size, "another version");
    header->version--;
    header->record_size += 8;
    refused(key, size, "another version");
    header->record_size -= 8;
    header->capacity += 16;
    refused(key, size, "cut off");
    header->capacity = UINT64_MAX;
    refused(key, size, "cut off");
    header->capacity = 100;
    header->size++;
    refused(key, size, "cut off");
    header->size--;
    header->magic ^= 1;
    refused(key, size, "not a challenge table");
    memset(mem, 0, size);
    refused(key, size, "not a challenge table");
}
END_TEST

START_TEST(format_wants_the_size_of_its_capacity)
{
    make(10);
    ck_assert_int_eq(scep_table_format(mem, size, 1000, key, pool),
                     APR_EINVAL);
    ck_assert_int_eq(scep_table_format(mem, size, 0, key, pool), APR_EINVAL);
}
END_TEST

/* One bit anywhere in what the record means: never a grant, never a crash,
 * never a listing of what is not so. */
START_TEST(a_torn_record_is_refused)
{
    char *record;
    rows_t rows;

    make(10);
    ck_assert_int_eq(issue(secret(1), 0, 100), APR_SUCCESS);
    record = (char *)table->records[slot_of(last_id)];
    for (int bit = 0; bit < 8 * 8 * (SCEP_RECORD_CHECKED + 1); bit++) {
        scep_challenge_outcome_t outcome;

        record[bit / 8] ^= (char)(1 << bit % 8);
        outcome = claim_at(secret(1), at(0));
        ck_assert_int_eq(outcome, bit < 160 ? SCEP_CHALLENGE_NOT_FOUND
                                            : SCEP_CHALLENGE_ERROR);
        ck_assert_int_eq(scep_table_revoke(table, last_id, at(0)),
                         APR_NOTFOUND);
        memset(&rows, 0, sizeof(rows));
        ck_assert_int_eq(scep_table_list(table, at(0), NULL, collect, &rows,
                                         pool),
                         APR_SUCCESS);
        ck_assert_int_eq(rows.count, 0);
        record[bit / 8] ^= (char)(1 << bit % 8);
    }
    ck_assert_int_eq(claim_at(secret(1), at(0)), SCEP_CHALLENGE_CLAIMED);
}
END_TEST

START_TEST(a_torn_record_costs_its_place_only_until_it_expires)
{
    make(1);
    ck_assert_int_eq(issue(secret(1), 0, 100), APR_SUCCESS);
    ck_assert_int_eq(claim_at(secret(1), at(0)), SCEP_CHALLENGE_CLAIMED);
    memset(table->records[slot_of(last_id)], 0xff, sizeof(scep_record_t));
    ck_assert_int_eq(issue(secret(2), 59, 100), APR_ENOSPC);
    ck_assert_int_eq(issue(secret(2), 60, 100), APR_SUCCESS);
}
END_TEST

/* The word reached the disk and the record did not: the one before is still
 * there, whole, and must not come back to life under the new word. */
START_TEST(a_record_of_the_word_before_is_refused)
{
    scep_record_t before;
    uint32_t slot;
    uint64_t word;

    make(10);
    ck_assert_int_eq(issue(secret(1), 0, 100), APR_SUCCESS);
    slot = slot_of(last_id);
    memcpy(&before, table->records[slot], sizeof(before));
    word = atomic_load(&table->words[slot]);
    /* another expiry */
    atomic_store(&table->words[slot], word + 1);
    ck_assert_int_eq(claim_at(secret(1), at(0)), SCEP_CHALLENGE_ERROR);
    /* another slot */
    memcpy(table->records[slot ^ 1], &before, sizeof(before));
    atomic_store(&table->words[slot], 0);
    atomic_store(&table->words[slot ^ 1], word);
    ck_assert_int_eq(claim_at(secret(1), at(0)), SCEP_CHALLENGE_ERROR);
}
END_TEST

START_TEST(what_a_newer_version_bound_is_refused)
{
    scep_record_t record;
    uint32_t slot;

    make(10);
    ck_assert_int_eq(issue(secret(1), 0, 100), APR_SUCCESS);
    slot = slot_of(last_id);
    memcpy(&record, table->records[slot], sizeof(record));
    record.flags |= 0x80;
    scep_record_store(table, slot, &record);
    ck_assert_int_eq(claim_at(secret(1), at(0)), SCEP_CHALLENGE_ERROR);
}
END_TEST

START_TEST(a_move_to_another_capacity_keeps_what_lives)
{
    static const unsigned int to_capacity[] = { 150, 1000, 100000 };
    scep_table_t *from, *to;
    void *from_mem, *to_mem;
    apr_size_t from_size;
    const char *error;

    make(300);
    for (unsigned int n = 0; n < 200; n++)
        ck_assert_int_eq(issue(secret(n), 0, n < 50 ? 10 : 1000), APR_SUCCESS);
    for (unsigned int n = 150; n < 200; n++) {
        ck_assert_int_eq(claim_at(secret(n), at(0)), SCEP_CHALLENGE_CLAIMED);
        if (n >= 190)
            ck_assert_int_eq(scep_table_commit(table, &claim), APR_SUCCESS);
    }
    from = table;
    from_mem = mem;
    from_size = size;
    mem = NULL;
    make(to_capacity[_i]);
    ck_assert_int_eq(scep_table_migrate(from, table, at(20)), APR_SUCCESS);
    ck_assert_uint_eq(live(20), 140);
    for (unsigned int n = 0; n < 50; n++)
        ck_assert_int_eq(claim_at(secret(n), at(20)),
                         SCEP_CHALLENGE_NOT_FOUND);
    for (unsigned int n = 190; n < 200; n++)
        ck_assert_int_eq(claim_at(secret(n), at(20)), SCEP_CHALLENGE_SPENT);
    for (unsigned int n = 150; n < 190; n++)
        ck_assert_int_eq(claim_at(secret(n), at(20)), SCEP_CHALLENGE_BUSY);
    for (unsigned int n = 50; n < 190; n++) {
        ck_assert_int_eq(claim_at(secret(n), at(60)), SCEP_CHALLENGE_CLAIMED);
        ck_assert_int_eq(scep_table_release(table, &claim), APR_SUCCESS);
        ck_assert_int_eq(scep_table_revoke(table, claim.id, at(60)),
                         APR_SUCCESS);
    }
    for (unsigned int n = 0; n < to_capacity[_i]; n++)
        ck_assert_int_eq(issue(secret(1000 + n), 60, 100), APR_SUCCESS);
    ck_assert_int_eq(issue("one more", 60, 100), APR_ENOSPC);

    /* too small */
    to_mem = mmap(NULL, scep_table_size(139), PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(to_mem, MAP_FAILED);
    ck_assert_int_eq(scep_table_format(to_mem, scep_table_size(139), 139, key,
                                       pool),
                     APR_SUCCESS);
    ck_assert_int_eq(scep_table_open(&to, to_mem, scep_table_size(139), key,
                                     &error, pool),
                     APR_SUCCESS);
    ck_assert_int_eq(scep_table_migrate(from, to, at(20)), APR_ENOSPC);
    munmap(to_mem, scep_table_size(139));
    munmap(from_mem, from_size);
}
END_TEST

/* ------------------------------------------------------------------ */

static TCase *add_case(Suite *suite, const char *name)
{
    TCase *tc = tcase_create(name);

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 120);
    suite_add_tcase(suite, tc);
    return tc;
}

static Suite *table_suite(void)
{
    Suite *suite = suite_create("challenge_table");
    int sizes = sizeof(capacities) / sizeof(*capacities);
    TCase *tc = add_case(suite, "capacity");

    tcase_add_loop_test(tc, takes_exactly_its_capacity, 0, sizes);
    tcase_add_loop_test(tc, takes_exactly_its_capacity_after_churn, 0, sizes);
    tcase_add_loop_test(tc, expired_challenges_do_not_count, 0, sizes);
    tcase_add_test(tc, a_claimed_challenge_counts_until_its_lease_ends);
    tcase_add_test(tc, a_hundred_thousand_take_less_than_32_mib);
    tcase_add_test(tc, a_live_challenge_is_never_evicted);
    tcase_add_test(tc, a_place_is_free_at_once_after_commit_and_revoke);
    tc = add_case(suite, "issue");
    tcase_add_test(tc, issue_wants_secret_profile_and_future);
    tcase_add_test(tc, a_secret_in_use_is_refused);
    tcase_add_test(tc, a_secret_that_is_over_may_be_issued_again);
    tc = add_case(suite, "claim");
    tcase_add_test(tc, an_unknown_secret_is_not_found);
    tcase_add_test(tc, a_claim_that_is_committed_is_spent);
    tcase_add_test(tc, a_claim_that_is_released_is_as_good_as_before);
    tcase_add_test(tc, a_claim_excludes_others_until_its_lease_ends);
    tcase_add_test(tc, a_lease_that_nobody_took_over_may_be_committed);
    tcase_add_test(tc, a_claim_released_after_expiry_is_expired);
    tcase_add_test(tc, expiry_is_told_from_unknown_also_after_a_sweep);
    tcase_add_test(tc, a_claim_with_a_lost_lease_and_expired_is_expired);
    tcase_add_test(tc, a_forged_token_ends_nothing);
    tcase_add_loop_test(tc, a_binding_is_met_or_the_claim_refused, 0,
                        sizeof(binding_cases) / sizeof(*binding_cases));
    tc = add_case(suite, "ids");
    tcase_add_test(tc, a_revoked_challenge_is_refused);
    tcase_add_test(tc, only_what_could_be_claimed_can_be_revoked);
    tcase_add_test(tc, an_id_that_is_none_is_not_found);
    tcase_add_test(tc, a_stale_id_hits_no_other_challenge);
    tcase_add_test(tc, a_listing_tells_every_state);
    tcase_add_test(tc, a_listing_tells_what_was_asked_for);
    tcase_add_test(tc, a_long_requester_is_cut_between_characters);
    tc = add_case(suite, "slots");
    tcase_add_test(tc, a_spent_challenge_is_remembered_while_there_is_room);
    tcase_add_test(tc, slots_are_used_again_in_the_order_of_their_worth);
    tcase_add_test(tc, only_death_frees_a_half_written_slot);
    tcase_add_test(tc, a_commit_that_death_cut_short_is_a_commit);
    tcase_add_test(tc, a_recount_waits_for_who_has_yet_to_count);
    tcase_add_test(tc, a_count_too_high_is_set_right);
    tcase_add_test(tc, a_clock_set_back_does_not_stop_the_sweeps);
    tc = add_case(suite, "files");
    tcase_add_test(tc, a_table_in_a_file_survives_its_processes);
    tcase_add_test(tc, what_is_no_table_of_ours_is_refused);
    tcase_add_test(tc, format_wants_the_size_of_its_capacity);
    tcase_add_test(tc, a_torn_record_is_refused);
    tcase_add_test(tc, a_torn_record_costs_its_place_only_until_it_expires);
    tcase_add_test(tc, a_record_of_the_word_before_is_refused);
    tcase_add_test(tc, what_a_newer_version_bound_is_refused);
    tcase_add_loop_test(tc, a_move_to_another_capacity_keeps_what_lives, 0, 3);
    return suite;
}

int main(void)
{
    return run_suite(table_suite());
}
