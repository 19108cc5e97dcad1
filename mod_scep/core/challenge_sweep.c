/* challenge_sweep.c - counting, reclaiming and moving challenges
 * SPDX-License-Identifier: Apache-2.0
 */
#include "challenge_record.h"

#include <string.h>

/* ------------------------------------------------------------------ */
/* The count of live challenges                                         */

/* The upper half counts the changes, so that one compare-and-swap can tell
 * that a recount saw a table in which nothing came or went. */
#define CHANGE (UINT64_C(1) << 32)

/** Whether a whole sweep in the second now would find nothing more. */
static int swept(scep_table_t *table, uint32_t now)
{
    uint64_t last =
        atomic_load_explicit(&table->header->swept, memory_order_acquire);

    /* far in the future: the clock was set back */
    return last >= now && last < (uint64_t)now + 60;
}

int scep_table_room(scep_table_t *table, uint32_t now)
{
    for (;;) {
        if ((uint32_t)atomic_load(&table->header->live) < table->capacity)
            return 1;
        /* Expiry goes by whole seconds: one sweep in each is enough. */
        if (swept(table, now))
            return 0;
        scep_table_sweep(table, apr_time_from_sec(now), NULL);
    }
}

int scep_table_count_in(scep_table_t *table)
{
    scep_word_t *live = &table->header->live;
    uint64_t count = atomic_load(live);

    do {
        if ((uint32_t)count >= table->capacity)
            return 0;
    } while (!atomic_compare_exchange_weak(live, &count, count + CHANGE + 1));
    return 1;
}

static void count_out(scep_table_t *table)
{
    scep_word_t *live = &table->header->live;
    uint64_t count = atomic_load(live);
    uint64_t less;

    do {
        less = count + CHANGE - ((uint32_t)count ? 1 : 0);
    } while (!atomic_compare_exchange_weak(live, &count, less));
}

/**
 * Counts what the words say.
 * @return zero if a process stands between a word and the count
 */
static int count_words(const scep_table_t *table, uint32_t *count)
{
    *count = 0;
    for (uint32_t slot = 0; slot < table->slots; slot++) {
        uint64_t word = scep_table_word(table, slot);

        if (scep_word_moving(word))
            return 0;
        *count += (uint32_t)scep_word_counted(word);
    }
    return 1;
}

/** Makes the count what the words say, if they hold still. */
static void recount(scep_table_t *table)
{
    for (int attempt = 0; attempt < 4; attempt++) {
        uint64_t before = atomic_load(&table->header->live);
        uint64_t changed = (before + CHANGE) & ~UINT64_C(0xffffffff);
        uint32_t count;

        if (count_words(table, &count) &&
            (count == (uint32_t)before ||
             atomic_compare_exchange_strong(&table->header->live, &before,
                                            changed | count)))
            return;
    }
}

/* ------------------------------------------------------------------ */
/* Reclaiming                                                           */

int scep_table_end(scep_table_t *table, uint32_t slot, uint64_t word,
                   scep_word_state_t state, uint32_t expires)
{
    uint32_t tag = scep_word_tag(word);
    uint64_t ending = scep_word_next(word, SCEP_WORD_ENDING, tag,
                                     (uint32_t)state << 29 | table->pid);

    if (!atomic_compare_exchange_strong(&table->words[slot], &word, ending))
        return 0;
    count_out(table);
    /* fails only if a sweep took this process for dead, and did the same */
    atomic_compare_exchange_strong(&table->words[slot], &ending,
                                   scep_word_next(ending, state, tag,
                                                  expires));
    return 1;
}

uint64_t scep_table_settle(scep_table_t *table, uint32_t slot, uint32_t now)
{
    for (;;) {
        uint64_t word = scep_table_word(table, slot);
        uint32_t expires = scep_word_time(word);
        scep_record_t record;

        if (!scep_word_counted(word) || now < expires)
            return word;
        if (!scep_record_load(table, slot, word, &record))
            continue;
        if (scep_record_valid(table, slot, word, &record)) {
            uint64_t life = record.life;

            expires = scep_life_expires(life);
            if (!scep_life_over(life, now)) {
                if (scep_word_state(word) == SCEP_WORD_CLAIMED)
                    return word;
                /* it was extended: the word catches up */
                atomic_compare_exchange_strong(
                    &table->words[slot], &word,
                    scep_word_next(word, SCEP_WORD_ISSUED, scep_word_tag(word),
                                   expires));
                continue;
            }
            if (!(life & SCEP_LIFE_CLOSED) &&
                !atomic_compare_exchange_strong(
                    &table->records[slot][SCEP_RECORD_LIFE], &life,
                    life | SCEP_LIFE_CLOSED))
                continue;
        }
        scep_table_end(table, slot, word, SCEP_WORD_EXPIRED, expires);
    }
}

/**
 * Finishes what a dead process began.  Whether it had counted is not known;
 * the recount that follows does not ask.
 */
static void bury(scep_table_t *table, uint32_t slot, uint64_t word)
{
    uint64_t next = scep_word_next(word, SCEP_WORD_FREE, 0, 0);

    if (scep_word_state(word) == SCEP_WORD_ENDING) {
        scep_record_t record;

        if (scep_record_load(table, slot, word, &record) &&
            scep_record_valid(table, slot, word, &record))
            next =
                scep_word_next(word, scep_word_fate(word), scep_word_tag(word),
                               scep_life_expires(record.life));
    }
    atomic_compare_exchange_strong(&table->words[slot], &word, next);
}

void scep_table_tidy(scep_table_t *table, uint32_t now)
{
    enum { BUCKETS = 4 };
    uint64_t bucket = atomic_fetch_add_explicit(&table->header->cursor,
                                                BUCKETS, memory_order_relaxed);

    for (int i = 0; i < BUCKETS; i++) {
        uint32_t first =
            (uint32_t)((bucket + (unsigned int)i) % table->buckets) *
            SCEP_TABLE_BUCKET;

        for (uint32_t slot = first; slot < first + SCEP_TABLE_BUCKET; slot++)
            scep_table_settle(table, slot, now);
    }
}

void scep_table_sweep(scep_table_t *table, apr_time_t now,
                      int (*alive)(pid_t pid))
{
    uint32_t seconds = scep_word_seconds(now);

    for (uint32_t slot = 0; slot < table->slots; slot++) {
        uint64_t word = scep_table_settle(table, slot, seconds);

        if (alive && scep_word_moving(word) &&
            !alive((pid_t)(scep_word_time(word) & SCEP_WORD_PID)))
            bury(table, slot, word);
    }
    recount(table);
    atomic_store_explicit(&table->header->swept, seconds,
                          memory_order_release);
}

/* ------------------------------------------------------------------ */
/* Moving                                                               */

/**
 * Copies one challenge; its slot, and with it its id, becomes another.
 * @param word  what it is to be, down to the sequence: by that a claim of it
 *              is known
 */
static apr_status_t move(scep_table_t *to, scep_record_t *record,
                         uint64_t word, uint32_t now, uint32_t *slot)
{
    uint64_t writing;
    apr_status_t rv = scep_table_take(to, record->mac, now, slot, &writing);

    if (rv == APR_SUCCESS) {
        scep_record_store(to, *slot, record);
        atomic_store(&to->words[*slot], word);
    }
    return rv;
}

apr_status_t scep_table_migrate(scep_table_t *from, scep_table_t *to,
                                apr_time_t now)
{
    uint32_t seconds = scep_word_seconds(now);

    for (uint32_t slot = 0; slot < from->slots; slot++) {
        uint64_t word;
        uint32_t to_slot;
        scep_record_t record;
        scep_challenge_state_t state =
            scep_table_inspect(from, slot, seconds, &word, &record);

        if (state == SCEP_CHALLENGE_STATE_ISSUED ||
            state == SCEP_CHALLENGE_STATE_CLAIMED) {
            apr_status_t rv = move(to, &record, word, seconds, &to_slot);

            if (rv != APR_SUCCESS)
                return rv;
        }
        /* Without room for its memory a spent one is merely unknown. */
        else if ((state == SCEP_CHALLENGE_STATE_SPENT ||
                  state == SCEP_CHALLENGE_STATE_REVOKED) &&
                 seconds < scep_life_expires(record.life)) {
            uint32_t expires = scep_life_expires(record.life);
            uint64_t issued = scep_word_next(word, SCEP_WORD_ISSUED,
                                             scep_word_tag(word), expires);

            if (move(to, &record, issued, seconds, &to_slot) == APR_SUCCESS)
                scep_table_end(to, to_slot, issued, scep_word_fate(word),
                               expires);
        }
    }
    return APR_SUCCESS;
}
