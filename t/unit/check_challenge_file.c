/* check_challenge_file.c - tests of slots in use again, and of tables in files
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "challenge_fixture.h"
#include "run.h"

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
        ck_assert_int_eq(scep_table_list(table, at(0), NULL, NULL, collect,
                                         &rows, pool),
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

START_TEST(a_move_keeps_uses_and_life_and_notes)
{
    scep_challenge_spec_t spec = { .profile = "default",
                                   .subject = "CN=device",
                                   .note = "for room 12",
                                   .created = at(0),
                                   .expires = at(10) };
    char ids[3][SCEP_CHALLENGE_ID_SIZE];
    apr_size_t from_size;
    scep_table_t *from;
    void *from_mem;

    make(10);
    for (unsigned int n = 0; n < 3; n++) {
        spec.secret = secret(n);
        spec.uses = n == 1 ? 3 : 0;
        spec.reusable = n == 2;
        ck_assert_int_eq(scep_table_issue(table, &spec, n, ids[n]),
                         APR_SUCCESS);
        ck_assert_int_eq(scep_table_extend(table, ids[n], at(100), at(0)),
                         APR_SUCCESS);
    }
    /* one committed, one under way */
    ck_assert_int_eq(claim_at(secret(1), at(0)), SCEP_CHALLENGE_CLAIMED);
    ck_assert_int_eq(scep_table_commit(table, &claim), APR_SUCCESS);
    ck_assert_int_eq(claim_at(secret(1), at(0)), SCEP_CHALLENGE_CLAIMED);
    from = table;
    from_mem = mem;
    from_size = size;
    mem = NULL;
    make(500);
    ck_assert_int_eq(scep_table_migrate(from, table, at(20)), APR_SUCCESS);
    munmap(from_mem, from_size);
    ck_assert_uint_eq(live(99), 3);
    for (unsigned int n = 0; n < 3; n++) {
        const scep_challenge_info_t *row;

        ck_assert_int_eq(claim_at(secret(n), at(99)), SCEP_CHALLENGE_CLAIMED);
        row = list_row(claim.id, 99);
        ck_assert_str_eq(row->note, "for room 12");
        ck_assert_int_eq(row->expires, at(100));
        ck_assert_int_eq(scep_table_commit(table, &claim), APR_SUCCESS);
        ck_assert_int_eq(claim_at(secret(n), at(99)),
                         n == 0   ? SCEP_CHALLENGE_SPENT
                         : n == 1 ? SCEP_CHALLENGE_BUSY
                                  : SCEP_CHALLENGE_CLAIMED);
    }
}
END_TEST

START_TEST(a_table_of_the_first_version_is_refused)
{
    scep_table_header_t *header;

    make(100);
    header = mem;
    ck_assert_uint_eq(header->version, 2);
    header->version = 1;
    refused(key, size, "another version");
}
END_TEST

/* ------------------------------------------------------------------ */

static Suite *file_suite(void)
{
    Suite *suite = suite_create("challenge_file");
    TCase *tc;

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
    tcase_add_test(tc, a_move_keeps_uses_and_life_and_notes);
    tcase_add_test(tc, a_table_of_the_first_version_is_refused);
    return suite;
}

int main(void)
{
    return run_suite(file_suite());
}
