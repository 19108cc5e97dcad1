/* check_challenge_quota.c - tests of the count of a requester's challenges
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include <apr_strings.h>

#include "challenge_fixture.h"
#include "run.h"

/* Issues another one that lives so many seconds. */
static void issue_to(const char *requester, int ttl)
{
    static unsigned int n;
    scep_challenge_spec_t spec = { .secret = secret(n),
                                   .profile = "p",
                                   .requester = requester,
                                   .created = at(0),
                                   .expires = at(ttl) };

    ck_assert_int_eq(scep_table_issue(table, &spec, n++, last_id),
                     APR_SUCCESS);
}

static void withdraw(const char *id)
{
    ck_assert_int_eq(scep_table_revoke(table, id, at(0)), APR_SUCCESS);
}

static apr_uint64_t count(const char *requester, apr_uint64_t limit)
{
    return scep_table_count(table, requester, limit, at(0));
}

START_TEST(live_challenges_of_a_requester_are_counted)
{
    static const char *const names[] = {
        "alice", "bob", "alic", "0123456789012345678901234567890-and-more"
    };

    make(100);
    for (int who = 0; who < 4; who++)
        for (int i = 0; i < 5 + who; i++) {
            issue_to(names[who], i == 0 ? 10 : 100);
            if (i == 1)
                withdraw(last_id);
        }
    for (int who = 0; who < 4; who++) {
        apr_uint64_t all = (apr_uint64_t)(4 + who);

        ck_assert_uint_eq(scep_table_count(table, names[who], 0, at(9)), all);
        ck_assert_uint_eq(scep_table_count(table, names[who], 0, at(10)),
                          all - 1);
        ck_assert_uint_eq(scep_table_count(table, names[who], 0, at(100)), 0);
    }
    ck_assert_uint_eq(scep_table_count(table, "nobody", 0, at(0)), 0);
    ck_assert_uint_eq(scep_table_count(table, "", 0, at(0)), 0);
}
END_TEST

/* Nobody walks over the table for it: what has ended is still counted. */
START_TEST(within_the_limit_nobody_counts_again)
{
    char ids[10][SCEP_CHALLENGE_ID_SIZE];

    make(100);
    for (int i = 0; i < 10; i++) {
        issue_to("alice", 100);
        memcpy(ids[i], last_id, sizeof(last_id));
    }
    ck_assert_uint_eq(count("alice", 0), 10);
    for (int i = 0; i < 3; i++)
        withdraw(ids[i]);
    ck_assert_uint_eq(count("alice", 10), 10);
    issue_to("alice", 100);
    ck_assert_uint_eq(count("alice", 11), 11);
    /* over it is exact, and remembered */
    ck_assert_uint_eq(count("alice", 10), 8);
    issue_to("alice", 100);
    ck_assert_uint_eq(count("alice", 10), 9);
}
END_TEST

#define REQUESTERS 700
#define EACH 5

/* More of them than there is room for. */
START_TEST(it_is_never_too_few_and_over_the_limit_exact)
{
    char ids[REQUESTERS][EACH][SCEP_CHALLENGE_ID_SIZE];
    unsigned int live[REQUESTERS] = { 0 }, random = 1;

    make((apr_uint64_t)REQUESTERS * EACH);
    for (int turn = 0; turn < 40000; turn++) {
        unsigned int who, limit;
        apr_uint64_t told;
        const char *name;

        random = random * 1664525 + 1013904223;
        /* some ask often */
        who =
            random >> 8 & 1 ? (random >> 9) % 10 : (random >> 9) % REQUESTERS;
        limit = (random >> 20) % (EACH + 2);
        name = apr_psprintf(pool, "requester %u", who);
        if (live[who] == EACH || (live[who] && random >> 30 == 0)) {
            withdraw(ids[who][--live[who]]);
        } else {
            issue_to(name, 100);
            memcpy(ids[who][live[who]++], last_id, sizeof(last_id));
        }
        told = count(name, limit);
        ck_assert_uint_ge(told, live[who]);
        if (told > limit)
            ck_assert_uint_eq(told, live[who]);
    }
}
END_TEST

/* After a loss of power the header may be older than the challenges. */
START_TEST(who_opens_a_table_counts_anew)
{
    static char header[SCEP_TABLE_HEADER];
    const char *error;

    make(100);
    issue_to("alice", 100);
    ck_assert_uint_eq(count("alice", 0), 1);
    memcpy(header, mem, sizeof(header));
    for (int i = 0; i < 4; i++)
        issue_to("alice", 100);
    memcpy(mem, header, sizeof(header));
    ck_assert_int_eq(scep_table_open(&table, mem, size, key, &error, pool),
                     APR_SUCCESS);
    ck_assert_uint_eq(count("alice", 3), 5);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("challenge_quota");
    TCase *tc = add_case(suite, "count");

    tcase_add_test(tc, live_challenges_of_a_requester_are_counted);
    tcase_add_test(tc, within_the_limit_nobody_counts_again);
    tcase_add_test(tc, it_is_never_too_few_and_over_the_limit_exact);
    tcase_add_test(tc, who_opens_a_table_counts_anew);
    return run_suite(suite);
}
