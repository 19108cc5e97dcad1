/* challenge_manage.c - what administrators do with challenges
 * SPDX-License-Identifier: Apache-2.0
 */
#include "challenge_record.h"

/* ------------------------------------------------------------------ */
/* Looking                                                              */

/** The state of a whole record. */
static scep_challenge_state_t state_of(uint64_t word,
                                       const scep_record_t *record,
                                       uint32_t now)
{
    uint64_t uses = record->uses_left;

    switch (scep_word_fate(word)) {
    case SCEP_WORD_SPENT:
        return SCEP_CHALLENGE_STATE_SPENT;
    case SCEP_WORD_REVOKED:
        return SCEP_CHALLENGE_STATE_REVOKED;
    case SCEP_WORD_CLAIMED:
        if (now < scep_word_time(word))
            return SCEP_CHALLENGE_STATE_CLAIMED;
        break;
    case SCEP_WORD_ISSUED:
        break;
    default:
        return record->uses > 1 && scep_uses_open(uses) == 0
                   ? SCEP_CHALLENGE_STATE_SPENT
                   : SCEP_CHALLENGE_STATE_EXPIRED;
    }
    if (scep_life_over(record->life, now))
        return SCEP_CHALLENGE_STATE_EXPIRED;
    return record->uses > 1 && scep_uses_free(uses) == 0
               ? SCEP_CHALLENGE_STATE_CLAIMED
               : SCEP_CHALLENGE_STATE_ISSUED;
}

scep_challenge_state_t scep_table_inspect(const scep_table_t *table,
                                          uint32_t slot, uint32_t now,
                                          uint64_t *word,
                                          scep_record_t *record)
{
    do {
        *word = scep_table_word(table, slot);
        if (scep_word_fate(*word) == SCEP_WORD_FREE ||
            scep_word_state(*word) == SCEP_WORD_WRITING)
            return SCEP_CHALLENGE_STATE_NONE;
    } while (!scep_record_load(table, slot, *word, record));
    return scep_record_valid(table, slot, *word, record)
               ? state_of(*word, record, now)
               : SCEP_CHALLENGE_STATE_NONE;
}

static int is_live(scep_challenge_state_t state)
{
    return state == SCEP_CHALLENGE_STATE_ISSUED ||
           state == SCEP_CHALLENGE_STATE_CLAIMED;
}

/** What the names of profiles are compared by. */
static apr_status_t digest_profiles(scep_table_t *table,
                                    const apr_array_header_t *profiles,
                                    uint64_t **known, apr_pool_t *p)
{
    int count = profiles ? profiles->nelts : 0;

    *known = apr_pcalloc(p, sizeof(**known) * ((size_t)count + 1));
    for (int i = 0; i < count; i++) {
        scep_challenge_facts_t facts = {
            .profile = APR_ARRAY_IDX(profiles, i, const char *)
        };
        scep_digests_t digests;
        apr_status_t rv = scep_record_digest(table, NULL, &facts, &digests);

        if (rv != APR_SUCCESS)
            return rv;
        (*known)[i] = digests.profile;
    }
    return APR_SUCCESS;
}

static void describe(uint32_t slot, const scep_record_t *record,
                     scep_challenge_state_t state,
                     const apr_array_header_t *profiles, const uint64_t *known,
                     scep_challenge_info_t *info)
{
    memset(info, 0, sizeof(*info));
    info->state = state;
    scep_record_id(slot, record, info->id);
    info->created = apr_time_from_sec(record->created);
    info->expires = apr_time_from_sec(scep_life_expires(record->life));
    memcpy(info->requester, record->requester, sizeof(info->requester));
    memcpy(info->note, record->note, sizeof(info->note));
    info->bound_subject = (record->flags & SCEP_RECORD_SUBJECT) != 0;
    info->bound_sans = (record->flags & SCEP_RECORD_SANS) != 0;
    info->bound_device = (record->flags & SCEP_RECORD_DEVICE) != 0;
    info->bound_network = (record->flags & SCEP_RECORD_NETWORK) != 0;
    info->reusable = record->uses == 0;
    info->several = record->uses > 1;
    if (state == SCEP_CHALLENGE_STATE_ISSUED)
        info->uses_left = scep_uses_free(record->uses_left);
    for (int i = 0; profiles && i < profiles->nelts && !info->profile; i++)
        if (known[i] == record->profile)
            info->profile = APR_ARRAY_IDX(profiles, i, const char *);
}

/** Reads 16 hexadecimal digits. */
static int parse_id(const char *id, uint32_t *slot, uint32_t *random)
{
    uint64_t value = 0;
    size_t len;

    for (len = 0; len < SCEP_CHALLENGE_ID_SIZE && id[len]; len++) {
        int digit = OPENSSL_hexchar2int((unsigned char)id[len]);

        if (digit < 0)
            return 0;
        value = value << 4 | (uint64_t)digit;
    }
    *slot = (uint32_t)(value >> 32);
    *random = (uint32_t)value;
    return len == SCEP_CHALLENGE_ID_SIZE - 1;
}

apr_status_t scep_table_list(scep_table_t *table, apr_time_t now,
                             const apr_array_header_t *profiles,
                             const char *after,
                             int (*visit)(void *baton,
                                          const scep_challenge_info_t *info),
                             void *baton, apr_pool_t *p)
{
    uint64_t *known;
    uint32_t slot = 0, random;
    apr_status_t rv = digest_profiles(table, profiles, &known, p);

    if (rv != APR_SUCCESS)
        return rv;
    if (after && !parse_id(after, &slot, &random))
        return APR_EINVAL;
    for (; slot < table->slots; slot++) {
        uint64_t word;
        scep_record_t record;
        scep_challenge_info_t info;
        scep_challenge_state_t state =
            scep_table_inspect(table, slot, scep_word_seconds(now), &word,
                               &record);

        if (state == SCEP_CHALLENGE_STATE_NONE)
            continue;
        describe(slot, &record, state, profiles, known, &info);
        /* the first slot may hold another one by now */
        if ((!after || strcmp(info.id, after) > 0) && visit(baton, &info))
            break;
    }
    return APR_SUCCESS;
}

/** Whether a slot that holds one of the requester's looks like this.  One that
 * is being written may look like any: it was not there when the count began.
 */
static int is_of(const scep_table_t *table, uint32_t slot,
                 const char *requester)
{
    uint64_t words[4];

    for (int i = 0; i < 4; i++) {
        words[i] = atomic_load_explicit(
            &table->records[slot][SCEP_RECORD_REQUESTER + i],
            memory_order_relaxed);
    }
    return !memcmp(words, requester, sizeof(words));
}

apr_uint64_t scep_table_count_live(const scep_table_t *table, apr_time_t now,
                                   const char *requester)
{
    uint32_t seconds = scep_word_seconds(now);
    apr_uint64_t count = 0;

    for (uint32_t slot = 0; slot < table->slots; slot++) {
        uint64_t word = scep_table_word(table, slot);
        scep_record_t record;

        if (!scep_word_counted(word) ||
            (requester && !is_of(table, slot, requester)))
            continue;
        /* the word alone says it until its time has come */
        if (!requester && seconds < scep_word_time(word))
            count++;
        else if (is_live(scep_table_inspect(table, slot, seconds, &word,
                                            &record)) &&
                 (!requester || !memcmp(record.requester, requester,
                                        sizeof(record.requester))))
            count++;
    }
    return count;
}

void scep_table_stats(scep_table_t *table, apr_time_t now,
                      scep_challenge_stats_t *stats)
{
    memset(stats, 0, sizeof(*stats));
    stats->capacity = table->capacity;
    stats->bytes = table->header->size;
    stats->live = scep_table_count_live(table, now, NULL);
}

/* ------------------------------------------------------------------ */
/* One by its id                                                        */

/**
 * Finds what an id names.
 * @return NONE where there is no such challenge
 */
static scep_challenge_state_t find(const scep_table_t *table, const char *id,
                                   uint32_t now, uint32_t *slot,
                                   uint64_t *word, scep_record_t *record)
{
    scep_challenge_state_t state;
    uint32_t random;

    if (!scep_record_parse_id(id, slot, &random) || *slot >= table->slots)
        return SCEP_CHALLENGE_STATE_NONE;
    state = scep_table_inspect(table, *slot, now, word, record);
    return state != SCEP_CHALLENGE_STATE_NONE && record->random == random
               ? state
               : SCEP_CHALLENGE_STATE_NONE;
}

apr_status_t scep_table_get(scep_table_t *table, const char *id,
                            apr_time_t now, const apr_array_header_t *profiles,
                            scep_challenge_info_t *info, apr_pool_t *p)
{
    uint32_t slot;
    uint64_t word, *known;
    scep_record_t record;
    apr_status_t rv = digest_profiles(table, profiles, &known, p);
    scep_challenge_state_t state;

    if (rv != APR_SUCCESS)
        return rv;
    state = find(table, id, scep_word_seconds(now), &slot, &word, &record);
    if (state == SCEP_CHALLENGE_STATE_NONE)
        return APR_NOTFOUND;
    describe(slot, &record, state, profiles, known, info);
    return APR_SUCCESS;
}

apr_status_t scep_table_revoke(scep_table_t *table, const char *id,
                               apr_time_t now)
{
    for (;;) {
        uint32_t slot;
        uint64_t word;
        scep_record_t record;
        scep_challenge_state_t state =
            find(table, id, scep_word_seconds(now), &slot, &word, &record);

        if (!is_live(state))
            return APR_NOTFOUND;
        if (state == SCEP_CHALLENGE_STATE_CLAIMED &&
            !scep_record_shared(&record))
            return APR_EBUSY;
        if (scep_table_end(table, slot, word, SCEP_WORD_REVOKED,
                           scep_life_expires(record.life)))
            return APR_SUCCESS;
    }
}

apr_status_t scep_table_extend(scep_table_t *table, const char *id,
                               apr_time_t expires, apr_time_t now)
{
    uint32_t later = scep_word_seconds(expires);

    for (;;) {
        uint32_t slot;
        uint64_t word, life;
        scep_record_t record;

        if (!is_live(find(table, id, scep_word_seconds(now), &slot, &word,
                          &record)) ||
            scep_life_over(record.life, scep_word_seconds(now)))
            return APR_NOTFOUND;
        if (later <= scep_life_expires(record.life))
            return APR_EINVAL;
        life = record.life;
        if (atomic_compare_exchange_strong(
                &table->records[slot][SCEP_RECORD_LIFE], &life,
                scep_life_make(record.random, later) | SCEP_LIFE_EXTENDED))
            return APR_SUCCESS;
    }
}
