/* check_challenge_table.c - tests of issuing and claiming challenges
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "../../mod_scep/core/network.h"
#include "challenge_fixture.h"
#include "run.h"

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
    static const scep_network_t nowhere = { .prefix = 129 };
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
    spec = good;
    spec.network = &nowhere;
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
    /* who died before it noted that may do so again */
    ck_assert_int_eq(scep_table_commit(table, &claim), APR_SUCCESS);
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
    /* state, tag, sequence but for what a hold changes, and the id */
    for (int bit = 32; bit < 64; bit++) {
        if (bit == 47)
            continue;
        forged = claim;
        forged.token[0] ^= UINT64_C(1) << bit;
        ck_assert_int_eq(scep_table_commit(table, &forged), APR_EGENERAL);
        ck_assert_int_eq(scep_table_release(table, &forged), APR_EGENERAL);
        ck_assert_int_eq(scep_table_hold(table, &forged, at(500)),
                         APR_EGENERAL);
    }
    forged = claim;
    forged.id[SCEP_CHALLENGE_ID_SIZE - 2] ^= 1;
    ck_assert_int_eq(scep_table_commit(table, &forged), APR_EGENERAL);
    forged.id[0] = '\0';
    ck_assert_int_eq(scep_table_commit(table, &forged), APR_EGENERAL);
    memset(&forged, 0, sizeof(forged));
    ck_assert_int_eq(scep_table_commit(table, &forged), APR_EGENERAL);
    ck_assert_int_eq(scep_table_hold(table, &forged, at(500)), APR_EGENERAL);
    /* the slot is where one looks first, and may be wrong */
    forged = claim;
    forged.token[1] = UINT64_MAX;
    ck_assert_int_eq(scep_table_commit(table, &forged), APR_SUCCESS);
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

static const char *const networks[][3] = {
    /* bound to, address, whether it is in there */
    { "192.0.2.0/24", "192.0.2.0", "yes" },
    { "192.0.2.0/24", "192.0.2.255", "yes" },
    { "192.0.2.0/24", "192.0.3.0", NULL },
    { "192.0.2.0/24", "::ffff:192.0.2.7", "yes" },
    { "192.0.2.0/24", "::192.0.2.7", NULL },
    { "192.0.2.7", "192.0.2.7", "yes" },
    { "192.0.2.7", "192.0.2.6", NULL },
    { "192.0.2.0/25", "192.0.2.128", NULL },
    { "0.0.0.0/0", "203.0.113.9", "yes" },
    { "0.0.0.0/0", "2001:db8::1", NULL },
    { "2001:db8::/32", "2001:db8:ffff::1", "yes" },
    { "2001:db8::/32", "2001:db9::1", NULL },
    { "2001:db8::1", "2001:db8::1", "yes" },
    { "2001:db8::1", "2001:db8::2", NULL },
    { "2001:db8:0:0:8000::/65", "2001:db8::8000:0:0:1", "yes" },
    { "2001:db8:0:0:8000::/65", "2001:db8::7000:0:0:1", NULL },
    { "::/0", "2001:db8::1", "yes" },
    { "::/0", "203.0.113.9", "yes" },
    { "::/0", NULL, NULL },
    { "192.0.2.0/24", NULL, NULL },
};

START_TEST(a_network_lets_in_its_own_addresses_alone)
{
    const char *const *c = networks[_i];
    scep_network_t network;
    unsigned char address[16];
    scep_challenge_spec_t spec = { .secret = "s",
                                   .profile = "p",
                                   .network = &network,
                                   .created = at(0),
                                   .expires = at(100) };
    scep_challenge_facts_t facts = { .profile = "p",
                                     .subject = "CN=x",
                                     .sans = "",
                                     .address = c[1] ? address : NULL };

    make(10);
    ck_assert_ptr_null(scep_network_parse(&network, c[0], pool));
    ck_assert(!c[1] || scep_network_address(address, c[1]));
    ck_assert_int_eq(scep_table_issue(table, &spec, 1, last_id), APR_SUCCESS);
    ck_assert_int_eq(scep_table_claim(table, "s", &facts, at(0), LEASE,
                                      &claim),
                     c[2] ? SCEP_CHALLENGE_CLAIMED
                          : SCEP_CHALLENGE_BOUND_NETWORK);
}
END_TEST

START_TEST(any_of_the_devices_of_a_request_may_be_the_one)
{
    scep_challenge_spec_t spec = { .secret = "s",
                                   .profile = "p",
                                   .device = "7",
                                   .created = at(0),
                                   .expires = at(100) };
    scep_challenge_facts_t facts = { .profile = "p", .sans = "" };

    make(10);
    ck_assert_int_eq(scep_table_issue(table, &spec, 1, last_id), APR_SUCCESS);
    for (int where = 0; where <= SCEP_CHALLENGE_DEVICES_MAX; where++) {
        apr_array_header_t *devices = devices_of(NULL);

        for (int n = 0; n <= SCEP_CHALLENGE_DEVICES_MAX; n++)
            APR_ARRAY_PUSH(devices, const char *) = n == where ? "7" : "77";
        facts.devices = devices;
        ck_assert_int_eq(scep_table_claim(table, "s", &facts, at(0), LEASE,
                                          &claim),
                         where < SCEP_CHALLENGE_DEVICES_MAX
                             ? SCEP_CHALLENGE_CLAIMED
                             : SCEP_CHALLENGE_BOUND_DEVICE);
        if (where < SCEP_CHALLENGE_DEVICES_MAX)
            ck_assert_int_eq(scep_table_release(table, &claim), APR_SUCCESS);
    }
    facts.devices = NULL;
    ck_assert_int_eq(scep_table_claim(table, "s", &facts, at(0), LEASE,
                                      &claim),
                     SCEP_CHALLENGE_BOUND_DEVICE);
}
END_TEST

/* ------------------------------------------------------------------ */

static Suite *table_suite(void)
{
    Suite *suite = suite_create("challenge_table");
    int sizes = sizeof(capacities) / sizeof(*capacities);
    TCase *tc;

    tc = add_case(suite, "capacity");
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
    tcase_add_loop_test(tc, a_network_lets_in_its_own_addresses_alone, 0,
                        sizeof(networks) / sizeof(*networks));
    tcase_add_test(tc, any_of_the_devices_of_a_request_may_be_the_one);
    return suite;
}

int main(void)
{
    return run_suite(table_suite());
}
