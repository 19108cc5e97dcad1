/* check_challenge_uses.c - tests of challenges for more than one certificate
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "challenge_fixture.h"
#include "run.h"

static scep_challenge_claim_t claims[SCEP_CHALLENGE_USES_MAX];

static apr_status_t issue_for(unsigned int uses, int reusable, int ttl)
{
    scep_challenge_spec_t spec = { .secret = "s",
                                   .profile = "default",
                                   .subject = "CN=device",
                                   .uses = uses,
                                   .reusable = reusable,
                                   .created = at(0),
                                   .expires = at(ttl) };

    return scep_table_issue(table, &spec, 0xabcd1234, last_id);
}

/** Takes so many uses, which go to claims. */
static void take(unsigned int first, unsigned int count)
{
    for (unsigned int n = first; n < first + count; n++) {
        ck_assert_int_eq(claim_at("s", at(0)), SCEP_CHALLENGE_CLAIMED);
        ck_assert_str_eq(claim.id, last_id);
        claims[n] = claim;
    }
}

static apr_status_t commit(unsigned int n)
{
    return scep_table_commit(table, &claims[n]);
}

static apr_status_t release(unsigned int n)
{
    return scep_table_release(table, &claims[n]);
}

static const unsigned int numbers[] = { 2, 3, 16, 1000, 10000 };

START_TEST(as_many_are_let_in_as_there_are_uses)
{
    unsigned int uses = numbers[_i];

    make(1);
    ck_assert_int_eq(issue_for(uses, 0, 100), APR_SUCCESS);
    take(0, uses);
    ck_assert_int_eq(claim_at("s", at(0)), SCEP_CHALLENGE_BUSY);
    for (unsigned int n = 0; n < uses; n++) {
        ck_assert_uint_eq(live(0), 1);
        ck_assert_int_eq(commit(n), APR_SUCCESS);
        ck_assert_int_eq(claim_at("s", at(0)), n + 1 < uses
                                                   ? SCEP_CHALLENGE_BUSY
                                                   : SCEP_CHALLENGE_SPENT);
    }
    ck_assert_int_eq(claim_at("s", at(500)), SCEP_CHALLENGE_SPENT);
    ck_assert_uint_eq(live(0), 0);
    ck_assert_int_eq(issue("another", 0, 100), APR_SUCCESS);
}
END_TEST

START_TEST(uses_that_are_spent_one_by_one_are_counted_down)
{
    make(10);
    ck_assert_int_eq(issue_for(5, 0, 100), APR_SUCCESS);
    for (unsigned int n = 0; n < 5; n++) {
        const scep_challenge_info_t *row = list_row(last_id, 0);

        ck_assert(row->several && !row->reusable);
        ck_assert_uint_eq(row->uses_left, 5 - n);
        ck_assert_int_eq(row->state, SCEP_CHALLENGE_STATE_ISSUED);
        take(n, 1);
        row = list_row(last_id, 0);
        ck_assert_uint_eq(row->uses_left, 4 - n);
        ck_assert_int_eq(row->state, n == 4 ? SCEP_CHALLENGE_STATE_CLAIMED
                                            : SCEP_CHALLENGE_STATE_ISSUED);
        ck_assert_int_eq(commit(n), APR_SUCCESS);
    }
    ck_assert_int_eq(list_row(last_id, 0)->state, SCEP_CHALLENGE_STATE_SPENT);
    ck_assert_uint_eq(list_row(last_id, 0)->uses_left, 0);
}
END_TEST

START_TEST(a_use_that_is_released_is_as_good_as_before)
{
    make(10);
    ck_assert_int_eq(issue_for(3, 0, 100), APR_SUCCESS);
    for (int turn = 0; turn < 10; turn++) {
        take(0, 3);
        ck_assert_int_eq(claim_at("s", at(0)), SCEP_CHALLENGE_BUSY);
        for (unsigned int n = 0; n < 3; n++)
            ck_assert_int_eq(release(n), APR_SUCCESS);
        ck_assert_int_eq(release(0), APR_EGENERAL);
        ck_assert_int_eq(commit(0), APR_EGENERAL);
    }
    take(0, 3);
    ck_assert_int_eq(commit(1), APR_SUCCESS);
    ck_assert_int_eq(release(0), APR_SUCCESS);
    ck_assert_int_eq(commit(2), APR_SUCCESS);
    ck_assert_uint_eq(list_row(last_id, 0)->uses_left, 1);
    take(0, 1);
    ck_assert_int_eq(commit(0), APR_SUCCESS);
    ck_assert_int_eq(claim_at("s", at(0)), SCEP_CHALLENGE_SPENT);
}
END_TEST

START_TEST(a_use_has_no_lease)
{
    make(10);
    ck_assert_int_eq(issue_for(2, 0, 1000), APR_SUCCESS);
    take(0, 2);
    ck_assert_int_eq(claim_at("s", at(999)), SCEP_CHALLENGE_BUSY);
    ck_assert_int_eq(commit(0), APR_SUCCESS);
    ck_assert_int_eq(commit(1), APR_SUCCESS);
}
END_TEST

START_TEST(a_use_that_nobody_ends_is_lost_until_the_challenge_expires)
{
    make(1);
    ck_assert_int_eq(issue_for(3, 0, 100), APR_SUCCESS);
    take(0, 3);
    ck_assert_int_eq(commit(0), APR_SUCCESS);
    ck_assert_int_eq(commit(1), APR_SUCCESS);
    ck_assert_int_eq(claim_at("s", at(99)), SCEP_CHALLENGE_BUSY);
    ck_assert_int_eq(list_row(last_id, 99)->state,
                     SCEP_CHALLENGE_STATE_CLAIMED);
    ck_assert_int_eq(claim_at("s", at(100)), SCEP_CHALLENGE_EXPIRED);
    ck_assert_int_eq(issue("another", 99, 100), APR_ENOSPC);
    ck_assert_int_eq(issue("another", 100, 100), APR_SUCCESS);
}
END_TEST

/* Whatever is ended twice: there are no more commits than uses. */
START_TEST(an_end_too_many_lets_nobody_in)
{
    int commits = 0;

    make(10);
    ck_assert_int_eq(issue_for(4, 0, 100), APR_SUCCESS);
    for (int turn = 0; turn < 20; turn++) {
        scep_challenge_outcome_t outcome = claim_at("s", at(0));

        if (outcome != SCEP_CHALLENGE_CLAIMED)
            break;
        commits += scep_table_commit(table, &claim) == APR_SUCCESS;
        scep_table_release(table, &claim);
        commits += scep_table_commit(table, &claim) == APR_SUCCESS;
    }
    ck_assert_int_eq(commits, 4);
    ck_assert_int_eq(claim_at("s", at(0)), SCEP_CHALLENGE_SPENT);
}
END_TEST

START_TEST(uses_are_limited)
{
    make(10);
    ck_assert_int_eq(issue_for(SCEP_CHALLENGE_USES_MAX + 1, 0, 100),
                     APR_EINVAL);
    ck_assert_int_eq(issue_for((unsigned int)-1, 0, 100), APR_EINVAL);
    ck_assert_uint_eq(live(0), 0);
    for (unsigned int uses = 0; uses < 2; uses++) {
        make(10);
        ck_assert_int_eq(issue_for(uses, 0, 100), APR_SUCCESS);
        ck_assert(!list_row(last_id, 0)->several);
        take(0, 1);
        ck_assert_int_eq(claim_at("s", at(0)), SCEP_CHALLENGE_BUSY);
        ck_assert_int_eq(scep_table_revoke(table, last_id, at(0)), APR_EBUSY);
        ck_assert_int_eq(commit(0), APR_SUCCESS);
        ck_assert_int_eq(claim_at("s", at(0)), SCEP_CHALLENGE_SPENT);
    }
}
END_TEST

START_TEST(bindings_hold_for_every_use)
{
    scep_challenge_facts_t facts = { .profile = "default",
                                     .subject = "CN=another",
                                     .sans = "" };

    make(10);
    ck_assert_int_eq(issue_for(3, 0, 100), APR_SUCCESS);
    for (unsigned int n = 0; n < 3; n++) {
        ck_assert_int_eq(scep_table_claim(table, "s", &facts, at(0), LEASE,
                                          &claim),
                         SCEP_CHALLENGE_BOUND_SUBJECT);
        take(n, 1);
        ck_assert_int_eq(commit(n), APR_SUCCESS);
    }
    ck_assert_int_eq(scep_table_claim(table, "s", &facts, at(0), LEASE,
                                      &claim),
                     SCEP_CHALLENGE_SPENT);
}
END_TEST

START_TEST(revocation_stops_the_uses_under_way)
{
    for (int reusable = 0; reusable < 2; reusable++) {
        make(1);
        ck_assert_int_eq(issue_for(reusable ? 0 : 3, reusable, 100),
                         APR_SUCCESS);
        take(0, 3);
        ck_assert_int_eq(commit(0), APR_SUCCESS);
        ck_assert_int_eq(scep_table_revoke(table, last_id, at(0)),
                         APR_SUCCESS);
        ck_assert_int_eq(scep_table_revoke(table, last_id, at(0)),
                         APR_NOTFOUND);
        ck_assert_int_eq(commit(1), APR_EGENERAL);
        ck_assert_int_eq(release(2), APR_EGENERAL);
        ck_assert_int_eq(claim_at("s", at(0)), SCEP_CHALLENGE_REVOKED);
        ck_assert_int_eq(issue("another", 0, 100), APR_SUCCESS);
    }
}
END_TEST

START_TEST(expiry_stops_claims_and_not_the_uses_under_way)
{
    for (int reusable = 0; reusable < 2; reusable++) {
        make(1);
        ck_assert_int_eq(issue_for(reusable ? 0 : 3, reusable, 100),
                         APR_SUCCESS);
        take(0, 3);
        ck_assert_int_eq(commit(0), APR_SUCCESS);
        scep_table_sweep(table, at(100), NULL);
        ck_assert_int_eq(claim_at("s", at(100)), SCEP_CHALLENGE_EXPIRED);
        ck_assert_int_eq(commit(1), APR_SUCCESS);
        ck_assert_int_eq(claim_at("s", at(100)), SCEP_CHALLENGE_EXPIRED);
        ck_assert_int_eq(commit(2), APR_SUCCESS);
        /* none is left: that it comes again is a sign of a leak */
        ck_assert_int_eq(claim_at("s", at(100)), reusable
                                                     ? SCEP_CHALLENGE_EXPIRED
                                                     : SCEP_CHALLENGE_SPENT);
        ck_assert_int_eq(list_row(last_id, 100)->state,
                         reusable ? SCEP_CHALLENGE_STATE_EXPIRED
                                  : SCEP_CHALLENGE_STATE_SPENT);
    }
}
END_TEST

/* Two buckets: every challenge may get the slot, once it has expired. */
START_TEST(a_use_of_what_is_forgotten_cannot_be_committed)
{
    scep_challenge_spec_t spec = {
        .profile = "default", .uses = 9, .created = at(100), .expires = at(200)
    };
    char old[SCEP_CHALLENGE_ID_SIZE], id[SCEP_CHALLENGE_ID_SIZE];

    make(20);
    ck_assert_int_eq(issue_for(_i ? 0 : 3, _i, 100), APR_SUCCESS);
    memcpy(old, last_id, sizeof(old));
    take(0, 1);
    for (unsigned int n = 0; n < 200; n++) {
        spec.secret = secret(n);
        ck_assert_int_eq(scep_table_issue(table, &spec, n, id), APR_SUCCESS);
        if (slot_of(id) == slot_of(old))
            break;
        ck_assert_int_eq(scep_table_revoke(table, id, at(100)), APR_SUCCESS);
    }
    ck_assert_uint_eq(slot_of(id), slot_of(old));
    ck_assert_int_eq(commit(0), APR_EGENERAL);
    ck_assert_int_eq(release(0), APR_EGENERAL);
    ck_assert_int_eq(claim_at(spec.secret, at(100)), SCEP_CHALLENGE_CLAIMED);
    ck_assert_int_eq(commit(0), APR_EGENERAL);
    ck_assert_int_eq(release(0), APR_EGENERAL);
    ck_assert_int_eq(scep_table_commit(table, &claim), APR_SUCCESS);
}
END_TEST

START_TEST(a_forged_use_ends_nothing)
{
    scep_challenge_claim_t forged;

    make(10);
    ck_assert_int_eq(issue_for(2, 0, 100), APR_SUCCESS);
    take(0, 1);
    for (int bit = 0; bit < 64; bit++) {
        forged = claims[0];
        forged.token[0] ^= UINT64_C(1) << bit;
        ck_assert_int_eq(scep_table_commit(table, &forged), APR_EGENERAL);
        ck_assert_int_eq(scep_table_release(table, &forged), APR_EGENERAL);
    }
    ck_assert_int_eq(commit(0), APR_SUCCESS);

    /* nor does it end what others may not share */
    ck_assert_int_eq(issue(secret(1), 0, 100), APR_SUCCESS);
    forged.token[0] = (uint64_t)SCEP_WORD_ISSUED << 61 |
                      (uint64_t)scep_word_tag(claim.token[0]) << 48 | 0x1234;
    forged.token[1] = slot_of(last_id);
    ck_assert_int_eq(scep_table_commit(table, &forged), APR_EGENERAL);
    ck_assert_int_eq(scep_table_release(table, &forged), APR_EGENERAL);
    ck_assert_int_eq(claim_at(secret(1), at(0)), SCEP_CHALLENGE_CLAIMED);
    ck_assert_int_eq(scep_table_commit(table, &forged), APR_EGENERAL);
    ck_assert_int_eq(scep_table_commit(table, &claim), APR_SUCCESS);
}
END_TEST

/* ------------------------------------------------------------------ */

START_TEST(a_reusable_one_is_good_until_it_expires)
{
    const scep_challenge_info_t *row;

    make(1);
    ck_assert_int_eq(issue_for(0, 1, 100), APR_SUCCESS);
    for (int turn = 0; turn < 3; turn++) {
        take(0, 100);
        for (unsigned int n = 0; n < 100; n++)
            ck_assert_int_eq(n % 2 ? commit(n) : release(n), APR_SUCCESS);
    }
    row = list_row(last_id, 99);
    ck_assert(row->reusable && !row->several && row->bound_subject);
    ck_assert_uint_eq(row->uses_left, 0);
    ck_assert_int_eq(row->state, SCEP_CHALLENGE_STATE_ISSUED);
    ck_assert_int_eq(claim_at("s", at(99)), SCEP_CHALLENGE_CLAIMED);
    ck_assert_int_eq(claim_at("s", at(100)), SCEP_CHALLENGE_EXPIRED);
    ck_assert_int_eq(issue("another", 100, 1), APR_SUCCESS);
}
END_TEST

START_TEST(a_reusable_one_is_of_one_subject_and_counts_nothing)
{
    scep_challenge_spec_t spec = { .secret = "s",
                                   .profile = "default",
                                   .reusable = 1,
                                   .created = at(0),
                                   .expires = at(100) };
    scep_challenge_facts_t facts = { .profile = "default",
                                     .subject = "CN=another",
                                     .sans = "" };

    make(10);
    ck_assert_int_eq(scep_table_issue(table, &spec, 1, last_id), APR_EINVAL);
    ck_assert_int_eq(issue_for(2, 1, 100), APR_EINVAL);
    ck_assert_uint_eq(live(0), 0);
    ck_assert_int_eq(issue_for(1, 1, 100), APR_SUCCESS);
    ck_assert_int_eq(scep_table_claim(table, "s", &facts, at(0), LEASE,
                                      &claim),
                     SCEP_CHALLENGE_BOUND_SUBJECT);
    take(0, 2);
}
END_TEST

/* ------------------------------------------------------------------ */

static Suite *uses_suite(void)
{
    Suite *suite = suite_create("challenge_uses");
    TCase *tc = add_case(suite, "uses");

    tcase_add_loop_test(tc, as_many_are_let_in_as_there_are_uses, 0,
                        sizeof(numbers) / sizeof(*numbers));
    tcase_add_test(tc, uses_that_are_spent_one_by_one_are_counted_down);
    tcase_add_test(tc, a_use_that_is_released_is_as_good_as_before);
    tcase_add_test(tc, a_use_has_no_lease);
    tcase_add_test(tc,
                   a_use_that_nobody_ends_is_lost_until_the_challenge_expires);
    tcase_add_test(tc, an_end_too_many_lets_nobody_in);
    tcase_add_test(tc, uses_are_limited);
    tcase_add_test(tc, bindings_hold_for_every_use);
    tcase_add_test(tc, revocation_stops_the_uses_under_way);
    tcase_add_test(tc, expiry_stops_claims_and_not_the_uses_under_way);
    tcase_add_loop_test(tc, a_use_of_what_is_forgotten_cannot_be_committed, 0,
                        2);
    tcase_add_test(tc, a_forged_use_ends_nothing);
    tc = add_case(suite, "reusable");
    tcase_add_test(tc, a_reusable_one_is_good_until_it_expires);
    tcase_add_test(tc, a_reusable_one_is_of_one_subject_and_counts_nothing);
    return suite;
}

int main(void)
{
    return run_suite(uses_suite());
}
