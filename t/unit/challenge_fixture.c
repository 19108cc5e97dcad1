/* challenge_fixture.c - a challenge table to check things on
 * SPDX-License-Identifier: Apache-2.0
 */
#include "challenge_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <apr_general.h>
#include <openssl/err.h>

const unsigned char key[SCEP_TABLE_KEY_LEN] = "a key for tests";
apr_pool_t *pool;
void *mem;
apr_size_t size;
scep_table_t *table;
scep_challenge_claim_t claim;
char last_id[SCEP_CHALLENGE_ID_SIZE];

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

void make(apr_uint64_t capacity)
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

apr_time_t at(int seconds)
{
    return apr_time_from_sec(T0 + seconds);
}

const char *secret(unsigned int n)
{
    static _Thread_local char text[4][40];
    static _Thread_local unsigned int turn;
    char *s = text[turn++ % 4];

    snprintf(s, sizeof(text[0]), "%08X-SECRET-%08X", n, n * 2654435761u);
    return s;
}

apr_status_t issue(const char *password, int from, int ttl)
{
    scep_challenge_spec_t spec = { .secret = password,
                                   .profile = "default",
                                   .created = at(from),
                                   .expires = at(from + ttl) };

    return scep_table_issue(table, &spec, 0xabcd1234, last_id);
}

scep_challenge_outcome_t claim_at(const char *password, apr_time_t now)
{
    scep_challenge_facts_t facts = { .profile = "default",
                                     .subject = "CN=device",
                                     .sans = "" };

    return scep_table_claim(table, password, &facts, now, LEASE, &claim);
}

apr_uint64_t live(int seconds)
{
    scep_challenge_stats_t stats;

    scep_table_stats(table, at(seconds), &stats);
    return stats.live;
}

uint32_t slot_of(const char *id)
{
    return (uint32_t)(strtoull(id, NULL, 16) >> 32);
}

int collect(void *baton, const scep_challenge_info_t *info)
{
    rows_t *rows = baton;

    ck_assert_int_lt(rows->count, 8);
    rows->row[rows->count++] = *info;
    return rows->count == rows->stop_after;
}

const scep_challenge_info_t *list_row(const char *id, int seconds)
{
    static rows_t rows;
    apr_array_header_t *profiles = apr_array_make(pool, 2, sizeof(char *));

    APR_ARRAY_PUSH(profiles, const char *) = "other";
    APR_ARRAY_PUSH(profiles, const char *) = "default";
    memset(&rows, 0, sizeof(rows));
    ck_assert_int_eq(scep_table_list(table, at(seconds), profiles, NULL,
                                     collect, &rows, pool),
                     APR_SUCCESS);
    for (int i = 0; i < rows.count; i++)
        if (!strcmp(rows.row[i].id, id))
            return &rows.row[i];
    return NULL;
}

TCase *add_case(Suite *suite, const char *name)
{
    TCase *tc = tcase_create(name);

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 120);
    suite_add_tcase(suite, tc);
    return tc;
}
