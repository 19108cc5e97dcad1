/* challenge_claim.c - claims of challenges, their ends, and revocation
 * SPDX-License-Identifier: Apache-2.0
 */
#include "challenge_record.h"

#include <openssl/crypto.h>

/* ------------------------------------------------------------------ */
/* Claim                                                                */

/** What a challenge in this state answers to a request. */
static scep_challenge_outcome_t judge(uint64_t word,
                                      const scep_record_t *record,
                                      const scep_digests_t *request,
                                      uint32_t now)
{
    uint32_t missing = record->flags & ~request->set;

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
        return SCEP_CHALLENGE_EXPIRED;
    }
    if (now >= record->expires)
        return SCEP_CHALLENGE_EXPIRED;
    if (record->profile != request->profile)
        return SCEP_CHALLENGE_BOUND_PROFILE;
    if ((record->flags & SCEP_RECORD_SUBJECT) &&
        ((missing & SCEP_RECORD_SUBJECT) ||
         CRYPTO_memcmp(record->subject, request->subject,
                       sizeof(record->subject)) != 0))
        return SCEP_CHALLENGE_BOUND_SUBJECT;
    if ((record->flags & SCEP_RECORD_SANS) &&
        ((missing & SCEP_RECORD_SANS) ||
         CRYPTO_memcmp(record->sans, request->sans, sizeof(record->sans)) !=
             0))
        return SCEP_CHALLENGE_BOUND_SAN;
    if ((record->flags & SCEP_RECORD_DEVICE) &&
        ((missing & SCEP_RECORD_DEVICE) || record->device != request->device))
        return SCEP_CHALLENGE_BOUND_DEVICE;
    return SCEP_CHALLENGE_CLAIMED;
}

/**
 * Tries to claim what one slot holds.
 * @return NOT_FOUND: it holds something else
 */
static scep_challenge_outcome_t claim_slot(scep_table_t *table, uint32_t slot,
                                           const scep_digests_t *request,
                                           uint32_t now, uint32_t lease_end,
                                           scep_challenge_claim_t *claim)
{
    uint32_t tag = scep_record_tag(request->mac);

    for (;;) {
        uint64_t word = scep_table_word(table, slot);
        uint64_t next;
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
        outcome = judge(word, &record, request, now);
        if (outcome != SCEP_CHALLENGE_CLAIMED)
            return outcome;
        next = scep_word_next(word, SCEP_WORD_CLAIMED, tag, lease_end);
        if (!atomic_compare_exchange_strong(&table->words[slot], &word, next))
            continue;
        scep_record_id(slot, &record, claim->id);
        claim->token[0] = next;
        claim->token[1] = slot;
        return outcome;
    }
}

scep_challenge_outcome_t scep_table_claim_digests(
    scep_table_t *table, const scep_digests_t *digests, apr_time_t now,
    apr_interval_time_t lease, scep_challenge_claim_t *claim)
{
    uint32_t seconds = scep_word_seconds(now);
    /* up, so that a lease is never shorter than it was asked for */
    uint32_t lease_end = scep_word_seconds(now + lease + APR_USEC_PER_SEC - 1);
    scep_challenge_outcome_t answer = SCEP_CHALLENGE_ERROR;
    uint32_t first[2];
    int found = 0;

    scep_table_buckets(table, digests->mac, first);
    for (uint32_t i = 0; i < 2 * SCEP_TABLE_BUCKET; i++) {
        scep_challenge_outcome_t outcome =
            claim_slot(table,
                       first[i / SCEP_TABLE_BUCKET] + i % SCEP_TABLE_BUCKET,
                       digests, seconds, lease_end, claim);

        if (outcome == SCEP_CHALLENGE_CLAIMED)
            return outcome;
        if (outcome == SCEP_CHALLENGE_NOT_FOUND)
            continue;
        /* A secret that was used and issued again is in two slots; what is
         * live has the later values of the enumeration. */
        found = 1;
        if (outcome > answer)
            answer = outcome;
    }
    return found ? answer : SCEP_CHALLENGE_NOT_FOUND;
}

scep_challenge_outcome_t scep_table_claim(scep_table_t *table,
                                          const char *secret,
                                          const scep_challenge_facts_t *facts,
                                          apr_time_t now,
                                          apr_interval_time_t lease,
                                          scep_challenge_claim_t *claim)
{
    scep_challenge_outcome_t outcome = SCEP_CHALLENGE_ERROR;
    scep_digests_t digests;

    if (scep_record_digest(table, secret, facts->profile, facts->subject,
                           facts->sans,
                           facts->devices && facts->devices->nelts
                               ? APR_ARRAY_IDX(facts->devices, 0, const char *)
                               : NULL,
                           &digests) == APR_SUCCESS)
        outcome = scep_table_claim_digests(table, &digests, now, lease, claim);
    return outcome;
}

/* ------------------------------------------------------------------ */
/* The ends of a claim                                                  */

/** Reads when a claimed challenge expires; zero if the lease was lost. */
static int held(scep_table_t *table, const scep_challenge_claim_t *claim,
                uint32_t *slot, uint32_t *expires)
{
    scep_record_t record;

    *slot = (uint32_t)claim->token[1];
    if (claim->token[1] >= table->slots ||
        scep_word_state(claim->token[0]) != SCEP_WORD_CLAIMED ||
        !scep_record_load(table, *slot, claim->token[0], &record))
        return 0;
    *expires = record.expires;
    return 1;
}

apr_status_t scep_table_commit(scep_table_t *table,
                               const scep_challenge_claim_t *claim)
{
    uint32_t slot, expires;

    if (!held(table, claim, &slot, &expires) ||
        !scep_table_end(table, slot, claim->token[0], SCEP_WORD_SPENT,
                        expires))
        return APR_EGENERAL;
    return APR_SUCCESS;
}

apr_status_t scep_table_release(scep_table_t *table,
                                const scep_challenge_claim_t *claim)
{
    uint64_t word = claim->token[0];
    uint32_t slot, expires;

    if (!held(table, claim, &slot, &expires) ||
        !atomic_compare_exchange_strong(&table->words[slot], &word,
                                        scep_word_next(word, SCEP_WORD_ISSUED,
                                                       scep_word_tag(word),
                                                       expires)))
        return APR_EGENERAL;
    return APR_SUCCESS;
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

apr_status_t scep_table_revoke(scep_table_t *table, const char *id,
                               apr_time_t now)
{
    uint32_t seconds = scep_word_seconds(now);
    uint32_t slot, random;

    if (!parse_id(id, &slot, &random) || slot >= table->slots)
        return APR_NOTFOUND;
    for (;;) {
        uint64_t word = scep_table_word(table, slot);
        scep_record_t record;

        if (!scep_word_counted(word))
            return APR_NOTFOUND;
        if (!scep_record_load(table, slot, word, &record))
            continue;
        if (record.random != random ||
            !scep_record_valid(table, slot, word, &record))
            return APR_NOTFOUND;
        if (scep_word_state(word) == SCEP_WORD_CLAIMED &&
            seconds < scep_word_time(word))
            return APR_EBUSY;
        if (seconds >= record.expires)
            return APR_NOTFOUND;
        if (scep_table_end(table, slot, word, SCEP_WORD_REVOKED,
                           record.expires))
            return APR_SUCCESS;
    }
}
