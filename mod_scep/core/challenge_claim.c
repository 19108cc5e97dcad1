/* challenge_claim.c - claims of challenges, and how they end
 * SPDX-License-Identifier: Apache-2.0
 */
#include "challenge_record.h"

#include <openssl/crypto.h>

/* ------------------------------------------------------------------ */
/* Claim                                                                */

/** Whether a request meets the bindings; CLAIMED if it does. */
static scep_challenge_outcome_t judge_bindings(const scep_table_t *table,
                                               const scep_record_t *record,
                                               const scep_digests_t *request)
{
    uint32_t missing = record->flags & ~request->set;
    int found = 0;

    for (int i = 0; i < SCEP_CHALLENGE_DEVICES_MAX; i++)
        found |= i < request->devices && request->device[i] == record->device;
    if (record->profile != request->profile)
        return SCEP_CHALLENGE_BOUND_PROFILE;
    if ((missing & SCEP_RECORD_SUBJECT) ||
        ((record->flags & SCEP_RECORD_SUBJECT) &&
         record->subject != request->subject))
        return SCEP_CHALLENGE_BOUND_SUBJECT;
    if ((missing & SCEP_RECORD_SANS) ||
        ((record->flags & SCEP_RECORD_SANS) && record->sans != request->sans))
        return SCEP_CHALLENGE_BOUND_SAN;
    if ((missing & SCEP_RECORD_DEVICE) ||
        ((record->flags & SCEP_RECORD_DEVICE) && !found))
        return SCEP_CHALLENGE_BOUND_DEVICE;
    if ((missing & SCEP_RECORD_NETWORK) ||
        ((record->flags & SCEP_RECORD_NETWORK) &&
         record->network !=
             scep_record_network(table, request->address, record->prefix)))
        return SCEP_CHALLENGE_BOUND_NETWORK;
    return SCEP_CHALLENGE_CLAIMED;
}

/** What a challenge in this state answers to a request. */
static scep_challenge_outcome_t judge(const scep_table_t *table, uint64_t word,
                                      const scep_record_t *record,
                                      const scep_digests_t *request,
                                      uint32_t now)
{
    scep_challenge_outcome_t bound = judge_bindings(table, record, request);
    int counted = record->uses > 1;

    switch (scep_word_fate(word)) {
    case SCEP_WORD_SPENT:
        return SCEP_CHALLENGE_SPENT;
    case SCEP_WORD_REVOKED:
        return SCEP_CHALLENGE_REVOKED;
    case SCEP_WORD_CLAIMED:
        if (now < scep_word_time(word))
            return SCEP_CHALLENGE_BUSY;
        break;
    case SCEP_WORD_ISSUED:
        break;
    default:
        return counted && scep_uses_open(record->uses_left) == 0
                   ? SCEP_CHALLENGE_SPENT
                   : SCEP_CHALLENGE_EXPIRED;
    }
    if (scep_life_over(record->life, now))
        return SCEP_CHALLENGE_EXPIRED;
    if (counted && scep_uses_free(record->uses_left) == 0)
        return SCEP_CHALLENGE_BUSY;
    return bound;
}

/** What a claim beside others holds instead of the claimed word. */
static uint64_t shared_token(uint64_t word, const scep_record_t *record)
{
    return (uint64_t)SCEP_WORD_ISSUED << 61 |
           (uint64_t)scep_word_tag(word) << 48 | record->random;
}

/** Takes what judge has granted; zero if it is no longer there. */
static int take(scep_table_t *table, uint32_t slot, uint64_t word,
                const scep_record_t *record, uint32_t lease_end,
                scep_challenge_claim_t *claim)
{
    scep_word_t *left = &table->records[slot][SCEP_RECORD_LEFT];
    uint64_t uses = record->uses_left;
    uint64_t next;

    claim->token[0] = shared_token(word, record);
    claim->token[1] = slot;
    claim->once = 0;
    if (record->uses == 0)
        return 1;
    if (record->uses > 1)
        return atomic_compare_exchange_strong(left, &uses, uses - 1);
    next = scep_word_next(word, SCEP_WORD_CLAIMED, scep_word_tag(word),
                          lease_end);
    claim->token[0] = next;
    claim->once = 1;
    return atomic_compare_exchange_strong(&table->words[slot], &word, next);
}

/**
 * Tries to claim what one slot holds.
 * @return NOT_FOUND: it holds something else
 */
static scep_challenge_outcome_t claim_slot(scep_table_t *table, uint32_t slot,
                                           const scep_digests_t *request,
                                           uint32_t now, uint32_t lease_end,
                                           scep_challenge_claim_t *claim,
                                           char id[SCEP_CHALLENGE_ID_SIZE])
{
    uint32_t tag = scep_record_tag(request->mac);

    for (;;) {
        uint64_t word = scep_table_word(table, slot);
        scep_record_t record;
        scep_challenge_outcome_t outcome;

        if (scep_word_tag(word) != tag ||
            scep_word_fate(word) == SCEP_WORD_FREE ||
            scep_word_state(word) == SCEP_WORD_WRITING)
            return SCEP_CHALLENGE_NOT_FOUND;
        if (!scep_record_load(table, slot, word, &record))
            continue;
        if (CRYPTO_memcmp(record.mac, request->mac, sizeof(record.mac)) != 0)
            return SCEP_CHALLENGE_NOT_FOUND;
        if (!scep_record_valid(table, slot, word, &record))
            return SCEP_CHALLENGE_ERROR;
        scep_record_id(slot, &record, id);
        outcome = judge(table, word, &record, request, now);
        if (outcome != SCEP_CHALLENGE_CLAIMED || !claim ||
            take(table, slot, word, &record, lease_end, claim))
            return outcome;
    }
}

scep_challenge_outcome_t scep_table_claim_digests(
    scep_table_t *table, const scep_digests_t *digests, apr_time_t now,
    apr_interval_time_t lease, scep_challenge_claim_t *claim,
    char id[SCEP_CHALLENGE_ID_SIZE])
{
    uint32_t seconds = scep_word_seconds(now);
    /* up, so that a lease is never shorter than it was asked for */
    uint32_t lease_end = scep_word_seconds(now + lease + APR_USEC_PER_SEC - 1);
    scep_challenge_outcome_t answer = SCEP_CHALLENGE_NOT_FOUND;
    uint32_t first[2];

    *id = '\0';
    scep_table_buckets(table, digests->mac, first);
    for (uint32_t i = 0; i < 2 * SCEP_TABLE_BUCKET; i++) {
        char seen[SCEP_CHALLENGE_ID_SIZE] = "";
        scep_challenge_outcome_t outcome =
            claim_slot(table,
                       first[i / SCEP_TABLE_BUCKET] + i % SCEP_TABLE_BUCKET,
                       digests, seconds, lease_end, claim, seen);

        if (outcome == SCEP_CHALLENGE_NOT_FOUND)
            continue;
        /* A secret that was used and issued again is in two slots; what is
         * live has the later values of the enumeration. */
        if (answer == SCEP_CHALLENGE_NOT_FOUND || outcome > answer ||
            outcome == SCEP_CHALLENGE_CLAIMED) {
            answer = outcome;
            memcpy(id, seen, sizeof(seen));
        }
        if (outcome == SCEP_CHALLENGE_CLAIMED)
            break;
    }
    return answer;
}

scep_challenge_outcome_t scep_table_claim(scep_table_t *table,
                                          const char *secret,
                                          const scep_challenge_facts_t *facts,
                                          apr_time_t now,
                                          apr_interval_time_t lease,
                                          scep_challenge_claim_t *claim)
{
    scep_digests_t digests;

    *claim->id = '\0';
    return scep_record_digest(table, secret, facts, &digests) == APR_SUCCESS
               ? scep_table_claim_digests(table, &digests, now, lease, claim,
                                          claim->id)
               : SCEP_CHALLENGE_ERROR;
}

scep_challenge_outcome_t scep_table_check(scep_table_t *table,
                                          const char *secret,
                                          const scep_challenge_facts_t *facts,
                                          apr_time_t now,
                                          char id[SCEP_CHALLENGE_ID_SIZE])
{
    scep_digests_t digests;

    *id = '\0';
    return scep_record_digest(table, secret, facts, &digests) == APR_SUCCESS
               ? scep_table_claim_digests(table, &digests, now, 0, NULL, id)
               : SCEP_CHALLENGE_ERROR;
}

/* ------------------------------------------------------------------ */
/* Finding what a claim is of                                           */

/** A slot as one look saw it. */
typedef struct seen_t {
    uint32_t slot;
    uint64_t word;
    scep_record_t record;
} seen_t;

/** Looks at a slot; zero if there is nothing whole in it. */
static int look(const scep_table_t *table, uint32_t slot, seen_t *seen)
{
    scep_word_state_t state;

    seen->slot = slot;
    do {
        seen->word = scep_table_word(table, slot);
        state = scep_word_state(seen->word);
        if (state == SCEP_WORD_FREE || state == SCEP_WORD_WRITING)
            return 0;
    } while (!scep_record_load(table, slot, seen->word, &seen->record));
    return scep_record_valid(table, slot, seen->word, &seen->record);
}

/**
 * How many changes after another a word is, those by which a claim was held
 * not counted.
 */
static unsigned int changes_since(uint64_t word, uint64_t former)
{
    return (unsigned int)((word >> 32) - (former >> 32)) &
           (SCEP_WORD_HELD - 1);
}

/** Whether a claim that excludes others stands. */
static int is_held(const seen_t *seen, const scep_challenge_claim_t *claim)
{
    return scep_word_state(seen->word) == SCEP_WORD_CLAIMED &&
           changes_since(seen->word, claim->token[0]) == 0;
}

/** Whether such a claim was committed: no other end is so many changes
 * away. */
static int is_committed(const seen_t *seen,
                        const scep_challenge_claim_t *claim)
{
    return scep_word_fate(seen->word) == SCEP_WORD_SPENT &&
           changes_since(seen->word, claim->token[0]) ==
               (scep_word_state(seen->word) == SCEP_WORD_SPENT ? 2 : 1);
}

/** Whether what a shared claim is of was not revoked. */
static int is_shared(const seen_t *seen, const scep_challenge_claim_t *claim)
{
    scep_word_state_t fate = scep_word_fate(seen->word);

    return (fate == SCEP_WORD_ISSUED || fate == SCEP_WORD_EXPIRED) &&
           scep_record_shared(&seen->record) &&
           claim->token[0] == shared_token(seen->word, &seen->record);
}

/** Whether a slot that was looked at has what a claim is of, and as is
 * says. */
typedef int is_t(const seen_t *seen, const scep_challenge_claim_t *claim);

static int is_of(const scep_table_t *table, uint32_t slot, is_t *is,
                 const scep_challenge_claim_t *claim, seen_t *seen)
{
    return scep_word_tag(scep_table_word(table, slot)) ==
               scep_word_tag(claim->token[0]) &&
           look(table, slot, seen) && is(seen, claim) &&
           scep_record_is(&seen->record, claim->id);
}

/**
 * Finds what a claim is of: where it was made, or, if the table was given
 * another capacity since, anywhere.
 */
static int find(const scep_table_t *table, is_t *is,
                const scep_challenge_claim_t *claim, seen_t *seen)
{
    if (claim->token[1] < table->slots &&
        is_of(table, (uint32_t)claim->token[1], is, claim, seen))
        return 1;
    for (uint32_t slot = 0; slot < table->slots; slot++)
        if (is_of(table, slot, is, claim, seen))
            return 1;
    return 0;
}

/* ------------------------------------------------------------------ */
/* The ends of a claim that excludes others                             */

static int commit_one(scep_table_t *table, const scep_challenge_claim_t *claim)
{
    seen_t seen;

    while (find(table, is_held, claim, &seen))
        if (scep_table_end(table, seen.slot, seen.word, SCEP_WORD_SPENT,
                           scep_life_expires(seen.record.life)))
            return 1;
    /* once more, by who does not know that it did */
    return find(table, is_committed, claim, &seen);
}

static int release_one(scep_table_t *table,
                       const scep_challenge_claim_t *claim)
{
    seen_t seen;

    while (find(table, is_held, claim, &seen)) {
        uint64_t next = scep_word_next(seen.word, SCEP_WORD_ISSUED,
                                       scep_word_tag(seen.word),
                                       scep_life_expires(seen.record.life));

        if (atomic_compare_exchange_strong(&table->words[seen.slot],
                                           &seen.word, next))
            return 1;
    }
    return 0;
}

static int hold_one(scep_table_t *table, scep_challenge_claim_t *claim,
                    uint32_t until)
{
    seen_t seen;

    while (find(table, is_held, claim, &seen)) {
        uint64_t next = seen.word;
        uint32_t expires = scep_life_expires(seen.record.life);
        uint32_t end = until > expires ? until : expires;

        if (scep_word_time(seen.word) < end) {
            next = scep_word_hold(seen.word, end);
            if (!atomic_compare_exchange_strong(&table->words[seen.slot],
                                                &seen.word, next))
                continue;
        }
        claim->token[0] = next;
        claim->token[1] = seen.slot;
        return 1;
    }
    return 0;
}

/* ------------------------------------------------------------------ */
/* The ends of a claim beside others                                    */

static int commit_shared(scep_table_t *table,
                         const scep_challenge_claim_t *claim)
{
    seen_t seen;

    while (find(table, is_shared, claim, &seen)) {
        scep_word_t *left = &table->records[seen.slot][SCEP_RECORD_LEFT];
        uint64_t uses = seen.record.uses_left;
        uint32_t open = scep_uses_open(uses);
        uint32_t free = scep_uses_free(uses);

        if (seen.record.uses == 0)
            return 1;
        if (open == free)
            return 0;
        /* The last one: its use is nobody else's any more, so the count
         * stays what it is while the word decides. */
        if (open == 1 && scep_word_state(seen.word) == SCEP_WORD_ISSUED) {
            if (scep_table_end(table, seen.slot, seen.word, SCEP_WORD_SPENT,
                               scep_life_expires(seen.record.life)))
                return 1;
            continue;
        }
        if (atomic_compare_exchange_strong(left, &uses,
                                           scep_uses_make(seen.record.random,
                                                          open - 1, free)))
            return 1;
    }
    return 0;
}

static int release_shared(scep_table_t *table,
                          const scep_challenge_claim_t *claim)
{
    seen_t seen;

    while (find(table, is_shared, claim, &seen)) {
        scep_word_t *left = &table->records[seen.slot][SCEP_RECORD_LEFT];
        uint64_t uses = seen.record.uses_left;

        if (seen.record.uses == 0)
            return 1;
        if (scep_uses_open(uses) == scep_uses_free(uses))
            return 0;
        if (atomic_compare_exchange_strong(left, &uses, uses + 1))
            return 1;
    }
    return 0;
}

static int hold_shared(const scep_table_t *table,
                       scep_challenge_claim_t *claim)
{
    seen_t seen;

    if (!find(table, is_shared, claim, &seen))
        return 0;
    claim->token[1] = seen.slot;
    return 1;
}

/* ------------------------------------------------------------------ */

static int is_exclusive(const scep_challenge_claim_t *claim)
{
    return scep_word_state(claim->token[0]) == SCEP_WORD_CLAIMED;
}

apr_status_t scep_table_commit(scep_table_t *table,
                               const scep_challenge_claim_t *claim)
{
    int ok = is_exclusive(claim) ? commit_one(table, claim)
                                 : commit_shared(table, claim);

    return ok ? APR_SUCCESS : APR_EGENERAL;
}

apr_status_t scep_table_release(scep_table_t *table,
                                const scep_challenge_claim_t *claim)
{
    int ok = is_exclusive(claim) ? release_one(table, claim)
                                 : release_shared(table, claim);

    return ok ? APR_SUCCESS : APR_EGENERAL;
}

apr_status_t scep_table_hold(scep_table_t *table,
                             scep_challenge_claim_t *claim, apr_time_t until)
{
    int ok = is_exclusive(claim)
                 ? hold_one(table, claim, scep_word_seconds(until))
                 : hold_shared(table, claim);

    return ok ? APR_SUCCESS : APR_EGENERAL;
}
