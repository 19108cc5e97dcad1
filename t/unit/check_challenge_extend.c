/* check_challenge_extend.c - tests of challenges that are given more time
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "challenge_fixture.h"
#include "run.h"

static apr_status_t extend(int to, int now)
{
    return scep_table_extend(table, last_id, at(to), at(now));
}

static scep_word_t *life_of(const char *id)
{
    return &table->records[slot_of(id)][SCEP_RECORD_LIFE];
}

/* Whether a sweep comes at the end of the first time or not. */
START_TEST(an_extended_challenge_lives_longer)
{
    make(1);
    ck_assert_int_eq(issue(secret(1), 0, 10), APR_SUCCESS);
    ck_assert_int_eq(extend(20, 9), APR_SUCCESS);
    ck_assert_int_eq(list_row(last_id, 19)->state,
                     SCEP_CHALLENGE_STATE_ISSUED);
    ck_assert_int_eq(list_row(last_id, 0)->expires, at(20));
    ck_assert_int_eq(list_row(last_id, 0)->created, at(0));
    if (_i)
        scep_table_sweep(table, at(10), NULL);
    ck_assert_int_eq(claim_at(secret(1), at(19)), SCEP_CHALLENGE_CLAIMED);
    ck_assert_int_eq(scep_table_release(table, &claim), APR_SUCCESS);
    ck_assert_uint_eq(live(19), 1);
    ck_assert_uint_eq(live(20), 0);
    ck_assert_int_eq(issue(secret(2), 19, 10), APR_ENOSPC);
    ck_assert_int_eq(claim_at(secret(1), at(20)), SCEP_CHALLENGE_EXPIRED);
    ck_assert_int_eq(issue(secret(2), 20, 10), APR_SUCCESS);
}
END_TEST

START_TEST(an_extension_may_follow_another)
{
    make(1);
    ck_assert_int_eq(issue(secret(1), 0, 10), APR_SUCCESS);
    for (int to = 11; to < 1000; to += 7) {
        ck_assert_int_eq(extend(to, to - 9), APR_SUCCESS);
        if (to % 2)
            scep_table_sweep(table, at(to - 1), NULL);
        ck_assert_int_eq(claim_at(secret(1), at(to - 1)),
                         SCEP_CHALLENGE_CLAIMED);
        ck_assert_int_eq(scep_table_release(table, &claim), APR_SUCCESS);
    }
    ck_assert_int_eq(claim_at(secret(1), at(1000)), SCEP_CHALLENGE_EXPIRED);
}
END_TEST

START_TEST(an_extension_goes_forward)
{
    make(1);
    ck_assert_int_eq(issue(secret(1), 0, 10), APR_SUCCESS);
    ck_assert_int_eq(extend(10, 0), APR_EINVAL);
    ck_assert_int_eq(extend(9, 0), APR_EINVAL);
    ck_assert_int_eq(scep_table_extend(table, last_id, 0, at(0)), APR_EINVAL);
    ck_assert_int_eq(scep_table_extend(table, last_id, -1, at(0)), APR_EINVAL);
    ck_assert_int_eq(extend(30, 0), APR_SUCCESS);
    ck_assert_int_eq(extend(20, 0), APR_EINVAL);
    ck_assert_int_eq(claim_at(secret(1), at(29)), SCEP_CHALLENGE_CLAIMED);
}
END_TEST

START_TEST(what_is_over_is_not_extended)
{
    make(10);
    ck_assert_int_eq(issue(secret(1), 0, 10), APR_SUCCESS);
    ck_assert_int_eq(extend(20, 10), APR_NOTFOUND);
    ck_assert_int_eq(scep_table_revoke(table, last_id, at(0)), APR_SUCCESS);
    ck_assert_int_eq(extend(20, 0), APR_NOTFOUND);
    ck_assert_int_eq(claim_at(secret(1), at(0)), SCEP_CHALLENGE_REVOKED);

    ck_assert_int_eq(issue(secret(2), 0, 10), APR_SUCCESS);
    ck_assert_int_eq(claim_at(secret(2), at(0)), SCEP_CHALLENGE_CLAIMED);
    ck_assert_int_eq(scep_table_commit(table, &claim), APR_SUCCESS);
    ck_assert_int_eq(extend(20, 0), APR_NOTFOUND);

    ck_assert_int_eq(issue(secret(3), 0, 10), APR_SUCCESS);
    last_id[15] ^= 1;
    ck_assert_int_eq(extend(20, 0), APR_NOTFOUND);
    ck_assert_int_eq(scep_table_extend(table, "", at(20), at(0)),
                     APR_NOTFOUND);
    ck_assert_int_eq(scep_table_extend(table, "ffffffffffffffff", at(20),
                                       at(0)),
                     APR_NOTFOUND);
}
END_TEST

/* Found expired once: a clock set back does not bring it back. */
START_TEST(what_was_found_expired_is_not_extended)
{
    make(10);
    ck_assert_int_eq(issue(secret(1), 0, 10), APR_SUCCESS);
    scep_table_sweep(table, at(10), NULL);
    ck_assert_int_eq(extend(20, 5), APR_NOTFOUND);
    /* nor where who found it has closed its life, and died then */
    ck_assert_int_eq(issue(secret(2), 0, 10), APR_SUCCESS);
    atomic_fetch_or(life_of(last_id), SCEP_LIFE_CLOSED);
    ck_assert_int_eq(extend(20, 5), APR_NOTFOUND);
    ck_assert_int_eq(claim_at(secret(2), at(5)), SCEP_CHALLENGE_EXPIRED);
    ck_assert_int_eq(list_row(last_id, 5)->state,
                     SCEP_CHALLENGE_STATE_EXPIRED);
    scep_table_sweep(table, at(10), NULL);
    ck_assert_uint_eq((uint32_t)atomic_load(&table->header->live), 0);
}
END_TEST

START_TEST(a_claimed_challenge_is_extended_and_its_claim_stays)
{
    make(10);
    for (unsigned int n = 0; n < 3; n++) {
        ck_assert_int_eq(issue(secret(n), 0, 100), APR_SUCCESS);
        ck_assert_int_eq(claim_at(secret(n), at(0)), SCEP_CHALLENGE_CLAIMED);
        ck_assert_int_eq(extend(1000, 0), APR_SUCCESS);
        ck_assert_int_eq(claim_at(secret(n), at(59)), SCEP_CHALLENGE_BUSY);
        if (n == 0) {
            ck_assert_int_eq(scep_table_release(table, &claim), APR_SUCCESS);
            ck_assert_int_eq(claim_at(secret(n), at(999)),
                             SCEP_CHALLENGE_CLAIMED);
        } else if (n == 1) {
            ck_assert_int_eq(scep_table_commit(table, &claim), APR_SUCCESS);
            ck_assert_int_eq(claim_at(secret(n), at(999)),
                             SCEP_CHALLENGE_SPENT);
        } else {
            scep_table_sweep(table, at(100), NULL);
            ck_assert_int_eq(claim_at(secret(n), at(999)),
                             SCEP_CHALLENGE_CLAIMED);
        }
    }
}
END_TEST

START_TEST(a_spent_challenge_that_was_extended_is_remembered)
{
    make(10);
    ck_assert_int_eq(issue(secret(1), 0, 10), APR_SUCCESS);
    ck_assert_int_eq(extend(1000, 0), APR_SUCCESS);
    ck_assert_int_eq(claim_at(secret(1), at(500)), SCEP_CHALLENGE_CLAIMED);
    ck_assert_int_eq(scep_table_commit(table, &claim), APR_SUCCESS);
    scep_table_sweep(table, at(501), NULL);
    ck_assert_int_eq(claim_at(secret(1), at(501)), SCEP_CHALLENGE_SPENT);
    ck_assert_int_eq(list_row(last_id, 501)->state,
                     SCEP_CHALLENGE_STATE_SPENT);
}
END_TEST

START_TEST(challenges_for_several_are_extended_too)
{
    scep_challenge_spec_t spec = { .secret = "s",
                                   .profile = "default",
                                   .subject = "CN=device",
                                   .uses = _i ? 0 : 2,
                                   .reusable = _i,
                                   .created = at(0),
                                   .expires = at(10) };
    scep_challenge_claim_t first;

    make(1);
    ck_assert_int_eq(scep_table_issue(table, &spec, 1, last_id), APR_SUCCESS);
    ck_assert_int_eq(claim_at("s", at(0)), SCEP_CHALLENGE_CLAIMED);
    first = claim;
    ck_assert_int_eq(extend(20, 0), APR_SUCCESS);
    ck_assert_int_eq(scep_table_commit(table, &first), APR_SUCCESS);
    scep_table_sweep(table, at(10), NULL);
    ck_assert_int_eq(claim_at("s", at(19)), SCEP_CHALLENGE_CLAIMED);
    ck_assert_int_eq(extend(30, 19), APR_SUCCESS);
    ck_assert_int_eq(scep_table_commit(table, &claim), APR_SUCCESS);
    ck_assert_int_eq(claim_at("s", at(29)),
                     _i ? SCEP_CHALLENGE_CLAIMED : SCEP_CHALLENGE_SPENT);
    ck_assert_int_eq(extend(40, 19), _i ? APR_SUCCESS : APR_NOTFOUND);
}
END_TEST

/* ------------------------------------------------------------------ */

/* A page of the one reached the disk and that of the other did not. */
START_TEST(a_word_later_than_its_life_is_refused)
{
    uint32_t slot;
    uint64_t before;

    make(10);
    ck_assert_int_eq(issue(secret(1), 0, 10), APR_SUCCESS);
    slot = slot_of(last_id);
    before = atomic_load(life_of(last_id));
    ck_assert_int_eq(extend(20, 0), APR_SUCCESS);
    scep_table_sweep(table, at(10), NULL);
    ck_assert_uint_eq(scep_word_time(atomic_load(&table->words[slot])),
                      T0 + 20);
    atomic_store(life_of(last_id), before);
    ck_assert_int_eq(claim_at(secret(1), at(5)), SCEP_CHALLENGE_ERROR);
    ck_assert_int_eq(extend(30, 5), APR_NOTFOUND);
    ck_assert_ptr_null(list_row(last_id, 5));
    /* it costs its place until the later time */
    scep_table_sweep(table, at(20), NULL);
    ck_assert_uint_eq((uint32_t)atomic_load(&table->header->live), 0);
}
END_TEST

/* One bit anywhere in the two words that change: no more time, no more
 * uses. */
START_TEST(a_torn_life_or_count_grants_nothing_more)
{
    scep_challenge_spec_t spec = { .secret = "s",
                                   .profile = "default",
                                   .created = at(0),
                                   .expires = at(100) };
    scep_word_t *words;

    make(10);
    ck_assert_int_eq(issue(secret(1), 0, 100), APR_SUCCESS);
    words = life_of(last_id);
    for (int bit = 0; bit < 128; bit++) {
        scep_challenge_outcome_t outcome;

        atomic_fetch_xor(&words[bit / 64], UINT64_C(1) << bit % 64);
        outcome = claim_at(secret(1), at(99));
        if (bit == 62) {
            /* extended to when it expires anyway */
            ck_assert_int_eq(outcome, SCEP_CHALLENGE_CLAIMED);
            ck_assert_int_eq(scep_table_release(table, &claim), APR_SUCCESS);
        } else {
            ck_assert_int_eq(outcome, bit == 63 ? SCEP_CHALLENGE_EXPIRED
                                                : SCEP_CHALLENGE_ERROR);
        }
        atomic_fetch_xor(&words[bit / 64], UINT64_C(1) << bit % 64);
    }
    ck_assert_int_eq(claim_at(secret(1), at(99)), SCEP_CHALLENGE_CLAIMED);

    spec.uses = 2;
    ck_assert_int_eq(scep_table_issue(table, &spec, 1, last_id), APR_SUCCESS);
    words = life_of(last_id);
    for (uint32_t open = 0; open < 4; open++)
        for (uint32_t free = 0; free < 4; free++) {
            int possible = open <= 2 && free <= open;
            int count = 0;

            atomic_store(&words[1], scep_uses_make(1, open, free));
            while (claim_at("s", at(0)) == SCEP_CHALLENGE_CLAIMED)
                count++;
            ck_assert_int_eq(count, possible ? (int)free : 0);
        }
}
END_TEST

/* ------------------------------------------------------------------ */

static Suite *extend_suite(void)
{
    Suite *suite = suite_create("challenge_extend");
    TCase *tc = add_case(suite, "extend");

    tcase_add_loop_test(tc, an_extended_challenge_lives_longer, 0, 2);
    tcase_add_test(tc, an_extension_may_follow_another);
    tcase_add_test(tc, an_extension_goes_forward);
    tcase_add_test(tc, what_is_over_is_not_extended);
    tcase_add_test(tc, what_was_found_expired_is_not_extended);
    tcase_add_test(tc, a_claimed_challenge_is_extended_and_its_claim_stays);
    tcase_add_test(tc, a_spent_challenge_that_was_extended_is_remembered);
    tcase_add_loop_test(tc, challenges_for_several_are_extended_too, 0, 2);
    tc = add_case(suite, "torn");
    tcase_add_test(tc, a_word_later_than_its_life_is_refused);
    tcase_add_test(tc, a_torn_life_or_count_grants_nothing_more);
    return suite;
}

int main(void)
{
    return run_suite(extend_suite());
}
