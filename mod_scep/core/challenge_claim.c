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
static uint64_t shared_token(const scep_record_t *record)
{
    return (uint64_t)SCEP_WORD_ISSUED << 61 | record->random;
}

/** Takes what judge has granted; zero if it is no longer there. */
static int take(scep_table_t *table, uint32_t slot, uint64_t word,
                const scep_record_t *record, uint32_t lease_end,
                scep_challenge_claim_t *claim)
{
    scep_word_t *left = &table->records[slot][SCEP_RECORD_LEFT];
    uint64_t uses = record->uses_left;
    uint64_t next;

    claim->token[0] = shared_token(record);
    claim->token[1] = slot;
    if (record->uses == 0)
        return 1;
    if (record->uses > 1)
        return atomic_compare_exchange_strong(left, &uses, uses - 1);
    next = scep_word_next(word, SCEP_WORD_CLAIMED, scep_word_tag(word),
                          lease_end);
    claim->token[0] = next;
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
/* The ends of a claim that excludes others                             */

/** Reads when a claimed challenge expires; zero if the lease was lost. */
static int held(const scep_table_t *table, const scep_challenge_claim_t *claim,
                uint32_t slot, uint32_t *expires)
{
    scep_record_t record;

    if (!scep_record_load(table, slot, claim->token[0], &record))
        return 0;
    *expires = scep_life_expires(record.life);
    return 1;
}

static int commit_one(scep_table_t *table, const scep_challenge_claim_t *claim,
                      uint32_t slot)
{
    uint32_t expires;

    return held(table, claim, slot, &expires) &&
           scep_table_end(table, slot, claim->token[0], SCEP_WORD_SPENT,
                          expires);
}

static int release_one(scep_table_t *table,
                       const scep_challenge_claim_t *claim, uint32_t slot)
{
    uint64_t word = claim->token[0];
    uint32_t expires;

    return held(table, claim, slot, &expires) &&
           atomic_compare_exchange_strong(&table->words[slot], &word,
                                          scep_word_next(word,
                                                         SCEP_WORD_ISSUED,
                                                         scep_word_tag(word),
                                                         expires));
}

/* ------------------------------------------------------------------ */
/* The ends of a claim beside others                                    */

/** Reads what a shared claim is of; zero if that was revoked or is gone. */
static int still_there(const scep_table_t *table,
                       const scep_challenge_claim_t *claim, uint32_t slot,
                       uint64_t *word, scep_record_t *record)
{
    scep_word_state_t fate;

    do {
        *word = scep_table_word(table, slot);
        fate = scep_word_fate(*word);
        if (fate != SCEP_WORD_ISSUED && fate != SCEP_WORD_EXPIRED)
            return 0;
    } while (!scep_record_load(table, slot, *word, record));
    return claim->token[0] == shared_token(record) &&
           scep_record_shared(record) &&
           scep_record_valid(table, slot, *word, record);
}

static int commit_shared(scep_table_t *table,
                         const scep_challenge_claim_t *claim, uint32_t slot)
{
    scep_word_t *left = &table->records[slot][SCEP_RECORD_LEFT];

    for (;;) {
        uint64_t word, uses;
        scep_record_t record;
        uint32_t open, free;

        if (!still_there(table, claim, slot, &word, &record))
            return 0;
        if (record.uses == 0)
            return 1;
        uses = record.uses_left;
        open = scep_uses_open(uses);
        free = scep_uses_free(uses);
        if (open == free)
            return 0;
        /* The last one: its use is nobody else's any more, so the count
         * stays what it is while the word decides. */
        if (open == 1 && scep_word_state(word) == SCEP_WORD_ISSUED) {
            if (scep_table_end(table, slot, word, SCEP_WORD_SPENT,
                               scep_life_expires(record.life)))
                return 1;
            continue;
        }
        if (atomic_compare_exchange_strong(left, &uses,
                                           scep_uses_make(record.random,
                                                          open - 1, free)))
            return 1;
    }
}

static int release_shared(scep_table_t *table,
                          const scep_challenge_claim_t *claim, uint32_t slot)
{
    scep_word_t *left = &table->records[slot][SCEP_RECORD_LEFT];

    for (;;) {
        uint64_t word, uses;
        scep_record_t record;

        if (!still_there(table, claim, slot, &word, &record))
            return 0;
        if (record.uses == 0)
            return 1;
        uses = record.uses_left;
        if (scep_uses_open(uses) == scep_uses_free(uses))
            return 0;
        if (atomic_compare_exchange_strong(left, &uses, uses + 1))
            return 1;
    }
}

/* ------------------------------------------------------------------ */

apr_status_t scep_table_commit(scep_table_t *table,
                               const scep_challenge_claim_t *claim)
{
    uint32_t slot = (uint32_t)claim->token[1];
    int ok = 0;

    if (claim->token[1] >= table->slots)
        return APR_EGENERAL;
    if (scep_word_state(claim->token[0]) == SCEP_WORD_CLAIMED)
        ok = commit_one(table, claim, slot);
    else if (scep_word_state(claim->token[0]) == SCEP_WORD_ISSUED)
        ok = commit_shared(table, claim, slot);
    return ok ? APR_SUCCESS : APR_EGENERAL;
}

apr_status_t scep_table_release(scep_table_t *table,
                                const scep_challenge_claim_t *claim)
{
    uint32_t slot = (uint32_t)claim->token[1];
    int ok = 0;

    if (claim->token[1] >= table->slots)
        return APR_EGENERAL;
    if (scep_word_state(claim->token[0]) == SCEP_WORD_CLAIMED)
        ok = release_one(table, claim, slot);
    else if (scep_word_state(claim->token[0]) == SCEP_WORD_ISSUED)
        ok = release_shared(table, claim, slot);
    return ok ? APR_SUCCESS : APR_EGENERAL;
}
