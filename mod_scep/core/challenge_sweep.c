/* challenge_sweep.c - counting, reclaiming, listing and moving challenges
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

static int count_in(scep_table_t *table)
{
    scep_word_t *live = &table->header->live;
    uint64_t count = atomic_load_explicit(live, memory_order_relaxed);

    do {
        if ((uint32_t)count >= table->capacity)
            return 0;
    } while (!atomic_compare_exchange_weak(live, &count, count + CHANGE + 1));
    return 1;
}

void scep_table_drop(scep_table_t *table)
{
    scep_word_t *live = &table->header->live;
    uint64_t count = atomic_load_explicit(live, memory_order_relaxed);
    uint64_t less;

    do {
        less = count + CHANGE - ((uint32_t)count ? 1 : 0);
    } while (!atomic_compare_exchange_weak(live, &count, less));
}

int scep_table_reserve(scep_table_t *table, uint32_t now)
{
    if (count_in(table))
        return 1;
    /* Expiry goes by whole seconds: one sweep in each is enough. */
    if (swept(table, now))
        return 0;
    scep_table_sweep(table, apr_time_from_sec(now), NULL);
    return count_in(table);
}

/** Makes the count what the words say, if they hold still. */
static void recount(scep_table_t *table)
{
    scep_word_t *live = &table->header->live;

    for (int attempt = 0; attempt < 4; attempt++) {
        uint64_t before = atomic_load(live);
        uint32_t count = 0;

        for (uint32_t slot = 0; slot < table->slots; slot++)
            count += scep_word_counted(scep_table_word(table, slot));
        if (count == (uint32_t)before)
            return;
        if (atomic_compare_exchange_strong(
                live, &before,
                ((before + CHANGE) & ~UINT64_C(0xffffffff)) | count))
            return;
    }
}

/* ------------------------------------------------------------------ */
/* Reclaiming                                                           */

uint64_t scep_table_settle(scep_table_t *table, uint32_t slot, uint32_t now)
{
    for (;;) {
        uint64_t word = scep_table_word(table, slot);
        scep_word_state_t state = scep_word_state(word);
        uint32_t expires = scep_word_time(word);
        uint64_t next;

        if ((state != SCEP_WORD_ISSUED && state != SCEP_WORD_CLAIMED) ||
            now < scep_word_time(word))
            return word;
        if (state == SCEP_WORD_CLAIMED) {
            scep_record_t record;

            if (!scep_record_load(table, slot, word, &record))
                continue;
            if (scep_record_valid(table, slot, word, &record)) {
                if (now < record.expires)
                    return word;
                expires = record.expires;
            }
        }
        next = scep_word_next(word, SCEP_WORD_EXPIRED, scep_word_tag(word),
                              expires);
        if (atomic_compare_exchange_strong(&table->words[slot], &word, next)) {
            scep_table_drop(table);
            return next;
        }
    }
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

        if (alive && scep_word_state(word) == SCEP_WORD_WRITING &&
            !alive((pid_t)scep_word_time(word)) &&
            atomic_compare_exchange_strong(&table->words[slot], &word,
                                           scep_word_next(word, SCEP_WORD_FREE,
                                                          0, 0)))
            scep_table_drop(table);
    }
    recount(table);
    atomic_store_explicit(&table->header->swept, seconds,
                          memory_order_release);
}

/* ------------------------------------------------------------------ */
/* Looking at all of them                                               */

/**
 * What a slot holds, seen from outside.
 * @param word  set to its word
 * @param record  filled unless the answer is NONE
 */
static scep_challenge_state_t inspect(const scep_table_t *table, uint32_t slot,
                                      uint32_t now, uint64_t *word,
                                      scep_record_t *record)
{
    for (;;) {
        scep_word_state_t state;

        *word = scep_table_word(table, slot);
        state = scep_word_state(*word);
        if (state == SCEP_WORD_FREE || state == SCEP_WORD_WRITING)
            return SCEP_CHALLENGE_STATE_NONE;
        if (!scep_record_load(table, slot, *word, record))
            continue;
        if (!scep_record_valid(table, slot, *word, record))
            return SCEP_CHALLENGE_STATE_NONE;
        if (state == SCEP_WORD_SPENT)
            return SCEP_CHALLENGE_STATE_SPENT;
        if (state == SCEP_WORD_REVOKED)
            return SCEP_CHALLENGE_STATE_REVOKED;
        if (state == SCEP_WORD_CLAIMED && now < scep_word_time(*word))
            return SCEP_CHALLENGE_STATE_CLAIMED;
        return now < record->expires && state != SCEP_WORD_EXPIRED
                   ? SCEP_CHALLENGE_STATE_ISSUED
                   : SCEP_CHALLENGE_STATE_EXPIRED;
    }
}

apr_status_t scep_table_list(scep_table_t *table, apr_time_t now,
                             const apr_array_header_t *profiles,
                             int (*visit)(void *baton,
                                          const scep_challenge_info_t *info),
                             void *baton, apr_pool_t *p)
{
    int count = profiles ? profiles->nelts : 0;
    uint64_t *known = apr_pcalloc(p, sizeof(*known) * ((size_t)count + 1));

    for (int i = 0; i < count; i++) {
        scep_digests_t digests;
        apr_status_t rv =
            scep_record_digest(table, NULL,
                               APR_ARRAY_IDX(profiles, i, const char *), NULL,
                               NULL, NULL, &digests);

        if (rv != APR_SUCCESS)
            return rv;
        known[i] = digests.profile;
    }
    for (uint32_t slot = 0; slot < table->slots; slot++) {
        uint64_t word;
        scep_record_t record;
        scep_challenge_info_t info = { .profile = NULL };

        info.state =
            inspect(table, slot, scep_word_seconds(now), &word, &record);
        if (info.state == SCEP_CHALLENGE_STATE_NONE)
            continue;
        scep_record_id(slot, &record, info.id);
        info.created = apr_time_from_sec(record.created);
        info.expires = apr_time_from_sec(record.expires);
        memcpy(info.requester, record.requester, sizeof(info.requester));
        info.bound_subject = (record.flags & SCEP_RECORD_SUBJECT) != 0;
        info.bound_sans = (record.flags & SCEP_RECORD_SANS) != 0;
        info.bound_device = (record.flags & SCEP_RECORD_DEVICE) != 0;
        for (int i = 0; i < count && !info.profile; i++)
            if (known[i] == record.profile)
                info.profile = APR_ARRAY_IDX(profiles, i, const char *);
        if (visit(baton, &info))
            break;
    }
    return APR_SUCCESS;
}

void scep_table_stats(scep_table_t *table, apr_time_t now,
                      scep_challenge_stats_t *stats)
{
    uint32_t seconds = scep_word_seconds(now);

    memset(stats, 0, sizeof(*stats));
    stats->capacity = table->capacity;
    stats->bytes = table->header->size;
    for (uint32_t slot = 0; slot < table->slots; slot++) {
        uint64_t word = scep_table_word(table, slot);
        scep_challenge_state_t state = SCEP_CHALLENGE_STATE_NONE;
        scep_record_t record;

        /* the record is needed only where a lease has run out */
        if (scep_word_counted(word) &&
            scep_word_state(word) != SCEP_WORD_WRITING) {
            if (seconds < scep_word_time(word))
                state = SCEP_CHALLENGE_STATE_ISSUED;
            else if (scep_word_state(word) == SCEP_WORD_CLAIMED)
                state = inspect(table, slot, seconds, &word, &record);
        }
        stats->live += state == SCEP_CHALLENGE_STATE_ISSUED ||
                       state == SCEP_CHALLENGE_STATE_CLAIMED;
    }
}

/* ------------------------------------------------------------------ */
/* Moving                                                               */

/** Copies one challenge; its slot, and with it its id, becomes another. */
static apr_status_t move(scep_table_t *to, scep_record_t *record,
                         scep_word_state_t state, uint32_t time, uint32_t now)
{
    uint32_t slot;
    uint64_t word;

    if (!scep_table_take(to, record->mac, 0, now, &slot, &word))
        return APR_ENOSPC;
    scep_record_store(to, slot, record);
    atomic_store(&to->words[slot],
                 scep_word_next(word, state, scep_word_tag(word), time));
    return APR_SUCCESS;
}

apr_status_t scep_table_migrate(scep_table_t *from, scep_table_t *to,
                                apr_time_t now)
{
    uint32_t seconds = scep_word_seconds(now);

    /* The live ones first: those that are spent or revoked fill up, and are
     * the first to yield. */
    for (int live = 1; live >= 0; live--) {
        for (uint32_t slot = 0; slot < from->slots; slot++) {
            uint64_t word;
            scep_record_t record;
            scep_challenge_state_t state =
                inspect(from, slot, seconds, &word, &record);
            apr_status_t rv = APR_SUCCESS;

            if (live && (state == SCEP_CHALLENGE_STATE_ISSUED ||
                         state == SCEP_CHALLENGE_STATE_CLAIMED)) {
                if (!scep_table_reserve(to, seconds))
                    return APR_ENOSPC;
                rv = move(to, &record, scep_word_state(word),
                          scep_word_time(word), seconds);
            } else if (!live &&
                       (state == SCEP_CHALLENGE_STATE_SPENT ||
                        state == SCEP_CHALLENGE_STATE_REVOKED) &&
                       seconds < record.expires) {
                /* no room for its memory: it is as good as unknown */
                (void)move(to, &record, scep_word_state(word),
                           scep_word_time(word), seconds);
            }
            if (rv != APR_SUCCESS)
                return rv;
        }
    }
    return APR_SUCCESS;
}
