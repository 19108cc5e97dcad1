/* check_challenge_hold.c - tests of claims that outlive who made them
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>
#include <sys/mman.h>

#include <apr_strings.h>

#include "../../mod_scep/core/claim_text.h"
#include "challenge_fixture.h"
#include "run.h"

static apr_status_t hold(scep_challenge_claim_t *of, int until)
{
    return scep_table_hold(table, of, at(until));
}

static void take(unsigned int n, int ttl)
{
    ck_assert_int_eq(issue(secret(n), 0, ttl), APR_SUCCESS);
    ck_assert_int_eq(claim_at(secret(n), at(0)), SCEP_CHALLENGE_CLAIMED);
}

/* Beyond its lease of 60 seconds and its own end. */
START_TEST(a_claim_that_is_held_excludes_others_and_lives)
{
    make(1);
    take(1, 100);
    ck_assert_int_eq(hold(&claim, 5000), APR_SUCCESS);
    for (int now = 0; now < 5000; now += 100) {
        scep_table_sweep(table, at(now), NULL);
        ck_assert_int_eq(claim_at(secret(1), at(now)), SCEP_CHALLENGE_BUSY);
        ck_assert_int_eq(list_row(last_id, now)->state,
                         SCEP_CHALLENGE_STATE_CLAIMED);
        ck_assert_uint_eq(live(now), 1);
        ck_assert_int_eq(scep_table_revoke(table, last_id, at(now)),
                         APR_EBUSY);
    }
    ck_assert_int_eq(issue(secret(2), 4999, 10), APR_ENOSPC);
}
END_TEST

START_TEST(a_claim_that_was_held_ends_like_any_other)
{
    scep_challenge_claim_t before;
    int released = _i & 1, first = _i & 2;

    make(1);
    take(1, 100);
    before = claim;
    ck_assert_int_eq(hold(&claim, 5000), APR_SUCCESS);
    scep_table_sweep(table, at(4999), NULL);
    /* with the claim as it was, or as it is */
    if (first)
        claim = before;
    if (released) {
        ck_assert_int_eq(scep_table_release(table, &claim), APR_SUCCESS);
        ck_assert_int_eq(claim_at(secret(1), at(99)), SCEP_CHALLENGE_CLAIMED);
        ck_assert_int_eq(scep_table_release(table, &claim), APR_SUCCESS);
        ck_assert_int_eq(claim_at(secret(1), at(100)), SCEP_CHALLENGE_EXPIRED);
    } else {
        ck_assert_int_eq(scep_table_commit(table, &claim), APR_SUCCESS);
        ck_assert_int_eq(scep_table_commit(table, &before), APR_SUCCESS);
        ck_assert_int_eq(claim_at(secret(1), at(0)), SCEP_CHALLENGE_SPENT);
    }
    ck_assert_int_eq(issue(secret(2), 4999, 10), APR_SUCCESS);
}
END_TEST

/* Nobody came back for it: its place is free again. */
START_TEST(a_hold_that_is_over_frees_the_place)
{
    make(1);
    take(1, 100);
    ck_assert_int_eq(hold(&claim, 5000), APR_SUCCESS);
    scep_table_sweep(table, at(5000), NULL);
    ck_assert_uint_eq(live(5000), 0);
    ck_assert_int_eq(list_row(last_id, 5000)->state,
                     SCEP_CHALLENGE_STATE_EXPIRED);
    ck_assert_int_eq(issue(secret(2), 5000, 10), APR_SUCCESS);
    ck_assert_int_eq(scep_table_commit(table, &claim), APR_EGENERAL);
    ck_assert_int_eq(hold(&claim, 6000), APR_EGENERAL);
}
END_TEST

START_TEST(a_hold_may_be_repeated_by_who_knows_only_the_first_claim)
{
    scep_challenge_claim_t first, held;

    make(2);
    take(1, 100);
    first = claim;
    ck_assert_int_eq(hold(&claim, 1000), APR_SUCCESS);
    ck_assert_mem_ne(claim.token, first.token, sizeof(first.token));
    held = claim;
    for (int until = 0; until <= 1000; until += 50) {
        claim = first;
        ck_assert_int_eq(hold(&claim, until), APR_SUCCESS);
        ck_assert_mem_eq(&claim, &held, sizeof(claim));
        ck_assert_int_eq(hold(&claim, until), APR_SUCCESS);
        ck_assert_mem_eq(&claim, &held, sizeof(claim));
    }
    /* and with a later end, however often */
    for (int until = 1001; until < 1100; until++) {
        claim = first;
        ck_assert_int_eq(hold(&claim, until), APR_SUCCESS);
        ck_assert_int_eq(claim_at(secret(1), at(until - 1)),
                         SCEP_CHALLENGE_BUSY);
        claim = first;
        ck_assert_int_eq(hold(&claim, 0), APR_SUCCESS);
    }
    ck_assert_int_eq(scep_table_commit(table, &held), APR_SUCCESS);
}
END_TEST

/* Whoever dies before the commit leaves nothing that could be used again. */
START_TEST(a_hold_lasts_as_long_as_the_challenge_at_least)
{
    make(2);
    take(1, 1000);
    ck_assert_int_eq(hold(&claim, 100), APR_SUCCESS);
    for (int now = 60; now < 1000; now += 20) {
        scep_table_sweep(table, at(now), NULL);
        ck_assert_int_eq(claim_at(secret(1), at(now)), SCEP_CHALLENGE_BUSY);
    }
    ck_assert_int_eq(claim_at(secret(1), at(1000)), SCEP_CHALLENGE_EXPIRED);
}
END_TEST

START_TEST(a_hold_never_shortens_the_lease)
{
    make(1);
    take(1, 20);
    ck_assert_int_eq(hold(&claim, 10), APR_SUCCESS);
    ck_assert_int_eq(claim_at(secret(1), at(59)), SCEP_CHALLENGE_BUSY);
    ck_assert_int_eq(scep_table_hold(table, &claim, -1), APR_SUCCESS);
    ck_assert_int_eq(claim_at(secret(1), at(59)), SCEP_CHALLENGE_BUSY);
    ck_assert_int_eq(scep_table_commit(table, &claim), APR_SUCCESS);
}
END_TEST

/* How a claim can end, and what happens to the challenge then; whatever it
 * is, who held the former claim gets nothing any more. */
static void lose(int how)
{
    scep_challenge_claim_t mine = claim;

    if (how == 0) {
        ck_assert_int_eq(scep_table_release(table, &claim), APR_SUCCESS);
    } else if (how == 1) {
        ck_assert_int_eq(claim_at(secret(1), at(60)), SCEP_CHALLENGE_CLAIMED);
    } else if (how == 2) {
        ck_assert_int_eq(claim_at(secret(1), at(60)), SCEP_CHALLENGE_CLAIMED);
        ck_assert_int_eq(hold(&claim, 5000), APR_SUCCESS);
    } else if (how == 3) {
        ck_assert_int_eq(claim_at(secret(1), at(60)), SCEP_CHALLENGE_CLAIMED);
        ck_assert_int_eq(scep_table_commit(table, &claim), APR_SUCCESS);
    } else if (how == 4) {
        ck_assert_int_eq(scep_table_release(table, &claim), APR_SUCCESS);
        ck_assert_int_eq(claim_at(secret(1), at(0)), SCEP_CHALLENGE_CLAIMED);
        ck_assert_int_eq(scep_table_commit(table, &claim), APR_SUCCESS);
    } else if (how == 5) {
        ck_assert_int_eq(scep_table_revoke(table, last_id, at(60)),
                         APR_SUCCESS);
    } else {
        scep_table_sweep(table, at(500), NULL);
    }
    claim = mine;
}

START_TEST(a_claim_that_was_lost_is_not_held)
{
    make(10);
    take(1, 100);
    lose(_i);
    ck_assert_int_eq(hold(&claim, 9000), APR_EGENERAL);
    ck_assert_int_eq(scep_table_commit(table, &claim), APR_EGENERAL);
    ck_assert_int_eq(scep_table_release(table, &claim), APR_EGENERAL);
}
END_TEST

/* Late, but nobody else came. */
START_TEST(a_lease_that_nobody_took_over_may_be_held)
{
    make(10);
    take(1, 1000);
    ck_assert_int_eq(claim_at(secret(1), at(59)), SCEP_CHALLENGE_BUSY);
    ck_assert_int_eq(hold(&claim, 900), APR_SUCCESS);
    ck_assert_int_eq(claim_at(secret(1), at(899)), SCEP_CHALLENGE_BUSY);
}
END_TEST

static int give_other(const char *text, unsigned int uses, int reusable)
{
    scep_challenge_spec_t spec = { .secret = text,
                                   .profile = "default",
                                   .subject = "CN=device",
                                   .uses = uses,
                                   .reusable = reusable,
                                   .created = at(0),
                                   .expires = at(100) };

    return scep_table_issue(table, &spec, 1, last_id);
}

START_TEST(of_a_shared_claim_nothing_is_held_and_it_ends)
{
    scep_challenge_claim_t before;

    make(10);
    ck_assert_int_eq(give_other("s", _i ? 0 : 3, _i), APR_SUCCESS);
    ck_assert_int_eq(claim_at("s", at(0)), SCEP_CHALLENGE_CLAIMED);
    before = claim;
    ck_assert_int_eq(hold(&claim, 5000), APR_SUCCESS);
    ck_assert_int_eq(hold(&claim, 5000), APR_SUCCESS);
    ck_assert_mem_eq(&claim, &before, sizeof(claim));
    ck_assert_uint_eq(list_row(last_id, 0)->uses_left, _i ? 0 : 2);
    ck_assert_int_eq(list_row(last_id, 100)->state,
                     SCEP_CHALLENGE_STATE_EXPIRED);
    ck_assert_int_eq(scep_table_commit(table, &claim), APR_SUCCESS);
    /* what was revoked meanwhile may not be held */
    ck_assert_int_eq(claim_at("s", at(0)), SCEP_CHALLENGE_CLAIMED);
    ck_assert_int_eq(scep_table_revoke(table, last_id, at(0)), APR_SUCCESS);
    ck_assert_int_eq(hold(&claim, 5000), APR_EGENERAL);
}
END_TEST

/* The table was given another capacity: every slot is another, but a claim
 * that somebody wrote down finds its challenge. */
START_TEST(a_claim_is_found_after_a_move)
{
    static const unsigned int to_capacity[] = { 120, 5000 };
    scep_challenge_claim_t claims[103];
    scep_table_t *from;
    void *from_mem;
    apr_size_t from_size;

    make(300);
    for (unsigned int n = 0; n < 101; n++) {
        take(n, 100);
        claims[n] = claim;
        if (n % 2)
            ck_assert_int_eq(hold(&claim, 5000), APR_SUCCESS);
    }
    for (unsigned int n = 101; n < 103; n++) {
        ck_assert_int_eq(give_other(secret(n), n == 101 ? 0 : 2, n == 101),
                         APR_SUCCESS);
        ck_assert_int_eq(claim_at(secret(n), at(0)), SCEP_CHALLENGE_CLAIMED);
        claims[n] = claim;
    }
    from = table;
    from_mem = mem;
    from_size = size;
    mem = NULL;
    make(to_capacity[_i]);
    ck_assert_int_eq(scep_table_migrate(from, table, at(20)), APR_SUCCESS);
    munmap(from_mem, from_size);
    for (unsigned int n = 0; n < 103; n++) {
        if (n % 3 == 0)
            ck_assert_int_eq(hold(&claims[n], 6000), APR_SUCCESS);
        if (n % 5 == 0)
            ck_assert_int_eq(scep_table_release(table, &claims[n]),
                             APR_SUCCESS);
        else
            ck_assert_int_eq(scep_table_commit(table, &claims[n]),
                             APR_SUCCESS);
        ck_assert_int_eq(claim_at(secret(n), at(20)),
                         n % 5 == 0 || n > 100 ? SCEP_CHALLENGE_CLAIMED
                                               : SCEP_CHALLENGE_SPENT);
    }
}
END_TEST

/* The disk has one page and not the other. */
START_TEST(a_torn_challenge_is_neither_held_nor_spent)
{
    scep_word_t *record;

    make(10);
    take(1, 100);
    record = table->records[slot_of(last_id)];
    for (int i = 0; i < SCEP_RECORD_WORDS; i++) {
        atomic_fetch_xor(&record[i], 1);
        if (i == SCEP_RECORD_LIFE) {
            /* a second more or less, which the word does not know */
            ck_assert_int_eq(hold(&claim, 500), APR_SUCCESS);
        } else {
            ck_assert_int_eq(hold(&claim, 500), APR_EGENERAL);
            ck_assert_int_eq(scep_table_commit(table, &claim), APR_EGENERAL);
            ck_assert_int_eq(scep_table_release(table, &claim), APR_EGENERAL);
        }
        atomic_fetch_xor(&record[i], 1);
    }
    ck_assert_int_eq(scep_table_commit(table, &claim), APR_SUCCESS);
}
END_TEST

/* ------------------------------------------------------------------ */

START_TEST(a_claim_is_read_as_it_was_written)
{
    scep_challenge_claim_t read;
    const char *text;

    make(10);
    take(1, 100);
    text = scep_claim_text(&claim, pool);
    ck_assert(scep_claim_parse(&read, text));
    ck_assert_str_eq(read.id, claim.id);
    ck_assert_mem_eq(read.token, claim.token, sizeof(read.token));
    ck_assert_int_eq(scep_table_hold(table, &read, at(5000)), APR_SUCCESS);
    ck_assert_int_eq(scep_table_commit(table, &read), APR_SUCCESS);
    /* a text that is longer, shorter or has another octet */
    for (size_t i = 0; i <= strlen(text); i++) {
        char *bad = apr_pstrdup(pool, text);

        ck_assert(!scep_claim_parse(&read, apr_pstrndup(pool, text, i)) ||
                  !text[i]);
        if (!text[i])
            break;
        bad[i] = 'x';
        ck_assert(!scep_claim_parse(&read, bad));
        bad[i] = '-';
        ck_assert(!scep_claim_parse(&read, bad));
    }
    ck_assert(!scep_claim_parse(&read, apr_pstrcat(pool, text, "0", NULL)));
    ck_assert(!scep_claim_parse(&read, apr_pstrcat(pool, " ", text, NULL)));
    ck_assert(!scep_claim_parse(&read, "{\"scepTransactionID\":\"1\"}"));
}
END_TEST

/* ------------------------------------------------------------------ */

static Suite *hold_suite(void)
{
    Suite *suite = suite_create("challenge_hold");
    TCase *tc = add_case(suite, "hold");

    tcase_add_test(tc, a_claim_that_is_held_excludes_others_and_lives);
    tcase_add_loop_test(tc, a_claim_that_was_held_ends_like_any_other, 0, 4);
    tcase_add_test(tc, a_hold_that_is_over_frees_the_place);
    tcase_add_test(tc,
                   a_hold_may_be_repeated_by_who_knows_only_the_first_claim);
    tcase_add_test(tc, a_hold_lasts_as_long_as_the_challenge_at_least);
    tcase_add_test(tc, a_hold_never_shortens_the_lease);
    tcase_add_loop_test(tc, a_claim_that_was_lost_is_not_held, 0, 7);
    tcase_add_test(tc, a_lease_that_nobody_took_over_may_be_held);
    tcase_add_loop_test(tc, of_a_shared_claim_nothing_is_held_and_it_ends, 0,
                        2);
    tcase_add_loop_test(tc, a_claim_is_found_after_a_move, 0, 2);
    tcase_add_test(tc, a_torn_challenge_is_neither_held_nor_spent);
    tc = add_case(suite, "text");
    tcase_add_test(tc, a_claim_is_read_as_it_was_written);
    return suite;
}

int main(void)
{
    return run_suite(hold_suite());
}
