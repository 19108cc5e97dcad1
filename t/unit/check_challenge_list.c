/* check_challenge_list.c - tests of ids, revocation and listings of challenges
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include <apr_strings.h>

#include "challenge_fixture.h"
#include "run.h"

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
    ck_assert_int_eq(scep_table_list(table, at(1), NULL, NULL, collect, &rows,
                                     pool),
                     APR_SUCCESS);
    ck_assert_int_eq(rows.count, 1);
}
END_TEST

/* Whoever asks for the next page does not walk over those before it. */
START_TEST(a_listing_begins_behind_an_id)
{
    char ids[6][SCEP_CHALLENGE_ID_SIZE], other[SCEP_CHALLENGE_ID_SIZE];
    rows_t all = { 0 };

    make(100);
    for (unsigned int n = 0; n < 6; n++)
        ck_assert_int_eq(issue(secret(n), 0, 100), APR_SUCCESS);
    ck_assert_int_eq(scep_table_list(table, at(1), NULL, NULL, collect, &all,
                                     pool),
                     APR_SUCCESS);
    ck_assert_int_eq(all.count, 6);
    for (int i = 0; i < 6; i++)
        memcpy(ids[i], all.row[i].id, sizeof(ids[i]));
    for (int i = 0; i < 6; i++) {
        rows_t rows = { 0 };

        ck_assert_int_eq(scep_table_list(table, at(1), NULL, ids[i], collect,
                                         &rows, pool),
                         APR_SUCCESS);
        ck_assert_int_eq(rows.count, 5 - i);
        if (i < 5)
            ck_assert_str_eq(rows.row[0].id, ids[i + 1]);
        /* an id of one that was in the slot before */
        memcpy(other, ids[i], sizeof(other));
        memcpy(other + 8, "00000000", 8);
        memset(&rows, 0, sizeof(rows));
        ck_assert_int_eq(scep_table_list(table, at(1), NULL, other, collect,
                                         &rows, pool),
                         APR_SUCCESS);
        ck_assert_int_eq(rows.count, 6 - i);
    }
    ck_assert_int_eq(scep_table_list(table, at(1), NULL, "no id", collect,
                                     &all, pool),
                     APR_EINVAL);
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

START_TEST(a_note_and_the_bindings_are_told)
{
    static const scep_network_t network = { .prefix = 96 };
    scep_challenge_spec_t spec = { .secret = "s",
                                   .profile = "default",
                                   .network = &network,
                                   .note = "for Jürg's new laptop, room 12",
                                   .created = at(0),
                                   .expires = at(100) };
    const scep_challenge_info_t *row;

    make(10);
    ck_assert_int_eq(scep_table_issue(table, &spec, 1, last_id), APR_SUCCESS);
    row = list_row(last_id, 1);
    ck_assert_str_eq(row->note, spec.note);
    ck_assert(row->bound_network && !row->bound_subject && !row->bound_sans &&
              !row->bound_device);
    ck_assert(!row->several && !row->reusable);
    ck_assert_uint_eq(row->uses_left, 1);
}
END_TEST

static apr_status_t get(const char *id, int seconds,
                        scep_challenge_info_t *info)
{
    apr_array_header_t *profiles = apr_array_make(pool, 1, sizeof(char *));

    APR_ARRAY_PUSH(profiles, const char *) = "default";
    return scep_table_get(table, id, at(seconds), profiles, info, pool);
}

START_TEST(one_challenge_is_told_as_in_a_listing)
{
    const scep_challenge_info_t *row;
    scep_challenge_info_t info;

    make(10);
    ck_assert_int_eq(issue(secret(1), 0, 100), APR_SUCCESS);
    ck_assert_int_eq(get(last_id, 0, &info), APR_SUCCESS);
    row = list_row(last_id, 0);
    ck_assert_str_eq(info.id, row->id);
    ck_assert_str_eq(info.profile, row->profile);
    ck_assert_int_eq(info.state, row->state);
    ck_assert_int_eq(info.created, row->created);
    ck_assert_int_eq(info.expires, row->expires);
    ck_assert_uint_eq(info.uses_left, row->uses_left);
    ck_assert_int_eq(get(last_id, 100, &info), APR_SUCCESS);
    ck_assert_int_eq(info.state, SCEP_CHALLENGE_STATE_EXPIRED);
    ck_assert_int_eq(scep_table_revoke(table, last_id, at(0)), APR_SUCCESS);
    ck_assert_int_eq(get(last_id, 0, &info), APR_SUCCESS);
    ck_assert_int_eq(info.state, SCEP_CHALLENGE_STATE_REVOKED);
    last_id[15] ^= 1;
    ck_assert_int_eq(get(last_id, 0, &info), APR_NOTFOUND);
    ck_assert_int_eq(get("", 0, &info), APR_NOTFOUND);
    ck_assert_int_eq(get("ffffffffffffffff", 0, &info), APR_NOTFOUND);
}
END_TEST

/* Every state, asked for with what claim would be asked with. */
START_TEST(a_check_says_what_a_claim_would_and_changes_nothing)
{
    static const scep_challenge_outcome_t outcomes[] = {
        SCEP_CHALLENGE_CLAIMED, SCEP_CHALLENGE_BUSY,
        SCEP_CHALLENGE_SPENT,   SCEP_CHALLENGE_REVOKED,
        SCEP_CHALLENGE_EXPIRED, SCEP_CHALLENGE_BOUND_PROFILE
    };
    scep_challenge_facts_t facts = { .profile = "default", .sans = "" };
    scep_challenge_spec_t other = { .secret = "the last",
                                    .profile = "other",
                                    .created = at(0),
                                    .expires = at(100) };
    const char *secrets[6];
    char ids[6][SCEP_CHALLENGE_ID_SIZE], id[SCEP_CHALLENGE_ID_SIZE] = "x";
    char *before;

    make(10);
    for (unsigned int n = 0; n < 5; n++) {
        secrets[n] = apr_pstrdup(pool, secret(n));
        ck_assert_int_eq(issue(secrets[n], 0, n == 4 ? 1 : 100), APR_SUCCESS);
        memcpy(ids[n], last_id, sizeof(last_id));
    }
    secrets[5] = other.secret;
    ck_assert_int_eq(scep_table_issue(table, &other, 5, ids[5]), APR_SUCCESS);
    ck_assert_int_eq(claim_at(secrets[1], at(0)), SCEP_CHALLENGE_CLAIMED);
    ck_assert_int_eq(claim_at(secrets[2], at(0)), SCEP_CHALLENGE_CLAIMED);
    ck_assert_int_eq(scep_table_commit(table, &claim), APR_SUCCESS);
    ck_assert_int_eq(scep_table_revoke(table, ids[3], at(0)), APR_SUCCESS);
    before = apr_pmemdup(pool, mem, size);
    for (unsigned int n = 0; n < 6; n++) {
        ck_assert_int_eq(scep_table_check(table, secrets[n], &facts, at(1),
                                          id),
                         outcomes[n]);
        ck_assert_str_eq(id, ids[n]);
    }
    ck_assert_int_eq(scep_table_check(table, secret(6), &facts, at(1), id),
                     SCEP_CHALLENGE_NOT_FOUND);
    ck_assert_str_eq(id, "");
    ck_assert_mem_eq(before, mem, size);
    for (unsigned int n = 0; n < 6; n++) {
        ck_assert_int_eq(claim_at(secrets[n], at(1)), outcomes[n]);
        ck_assert_str_eq(claim.id, ids[n]);
    }
}
END_TEST

/* ------------------------------------------------------------------ */

static Suite *list_suite(void)
{
    Suite *suite = suite_create("challenge_list");
    TCase *tc;

    tc = add_case(suite, "ids");
    tcase_add_test(tc, a_revoked_challenge_is_refused);
    tcase_add_test(tc, only_what_could_be_claimed_can_be_revoked);
    tcase_add_test(tc, an_id_that_is_none_is_not_found);
    tcase_add_test(tc, a_stale_id_hits_no_other_challenge);
    tcase_add_test(tc, a_listing_tells_every_state);
    tcase_add_test(tc, a_listing_tells_what_was_asked_for);
    tcase_add_test(tc, a_listing_begins_behind_an_id);
    tcase_add_test(tc, a_long_requester_is_cut_between_characters);
    tcase_add_test(tc, a_note_and_the_bindings_are_told);
    tcase_add_test(tc, one_challenge_is_told_as_in_a_listing);
    tcase_add_test(tc, a_check_says_what_a_claim_would_and_changes_nothing);
    return suite;
}

int main(void)
{
    return run_suite(list_suite());
}
