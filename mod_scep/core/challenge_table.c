/* challenge_table.c - the challenge cache: a lock-free table in one mapping
 * SPDX-License-Identifier: Apache-2.0
 *
 * DESIGN
 *
 * Truth is in the control words.  A slot's word says what the slot is, for
 * which challenge (13 bits of its MAC), since how many changes (16 bits) and
 * until when.  Every change is one compare-and-swap of the whole word, with
 * the sequence advanced, so that of any number of callers who saw the same
 * word one wins and the others look again.  (A word comes back after 32,768
 * changes of its slot at the earliest, if tag and time are then the same too:
 * not while anyone looks.)  There is no other lock, and so none that a dead
 * process could hold.
 *
 *   FREE -> WRITING -> ISSUED <-> CLAIMED
 *                      ISSUED  |  CLAIMED -> ENDING -> SPENT   -> WRITING
 *                                                   -> REVOKED -> WRITING
 *                                                   -> EXPIRED -> WRITING
 *
 * A record is written only while its word is WRITING, by the process named
 * in it, and is immutable from then on but for its last two words; a claim
 * stores nothing else in it, since a claimant who stalled beyond its lease
 * would write into what belongs to another.  A reader loads the word, the
 * record, and the word again: if it is the same, the record was that of the
 * word.  A decision to grant is validated by the compare-and-swap, a refusal
 * by the second look.  Records are read with acquire and written with release
 * atomics instead of plain accesses between fences: the same instructions on
 * x86, and no data race in the language's terms.
 *
 * The last two words, life and uses, change by compare-and-swap too, in
 * whatever order with the control word.  Each bears the record's random
 * number (30 or 32 bits of it), so a swap by one who looked at an earlier
 * challenge of the slot fails.  Where it does not, the slot is about to be
 * written and the swap is lost with what it swapped: as if it had come before
 * the end of that challenge, which its caller did see alive.
 *
 * Life says when a challenge expires, and an extension is one swap of it.
 * The time in an ISSUED word is never later; when it comes, who notices
 * brings the word up to the life, or closes the life and then ends the
 * challenge.  A closed life cannot be extended: so of an extension and an
 * expiry one wins, and whoever was told that a challenge was extended will
 * not find it expired before.  A claim leaves the life alone, and its release
 * takes the expiry from there.
 *
 * A claim is the word that it made.  A hold gives it a later end: the word's
 * sequence goes to the other half of its range, with the next hold back
 * again, and all that changes a word else goes on from there.  So a claimed
 * word whose sequence is that of the claim, but for the highest bit, is of
 * that claim, and nobody else has had the challenge since.  That lets the
 * claim end, or be held again, by whoever knows what it was at first, such
 * as the process that goes on where another has died.  A spent word is of
 * the claim that is two changes back.  With the id the claim is found even
 * where a new capacity has put the challenge elsewhere.
 *
 * Uses.  A challenge for several certificates stays ISSUED.  Its count says
 * how many uses are free and how many are open, that is not committed; a
 * claim takes one of the free, a release gives it back, a commit closes an
 * open one that is not free.  Commits are what lets somebody in, and there is
 * an open use for each: never more of them than uses, whoever dies or stalls.
 * The last commit does not touch the count, which can be nobody else's by
 * then, but ends the challenge: one swap of the word that either a revocation
 * or the commit gets.  The other commits look whether it was revoked.  After
 * its expiry the word stays what it is, and the count alone says that all is
 * used up.  A claimant that dies keeps its use, which nobody else will get:
 * all the rest go on as before, and when only such uses are left the
 * challenge is busy until it expires.  There is no lease that could bring
 * them back, since a claimant who is merely slow would then be one too many.
 * A slot that expired may be somebody else's when a slow claimant commits: it
 * is refused.  Of a reusable challenge nothing is counted: claim and commit
 * look whether it is still good.
 *
 * Placement.  HMAC-SHA-256 of the secret picks two buckets of 16 slots; the
 * challenge goes to the one with fewer live ones.  There are 1.5 slots for
 * each challenge of capacity.  At that load the fluid limit of two-choice
 * placement under endless replacement has 1e-10 of the buckets full, and an
 * issue needs two full ones to fail: 2e-20.  So the count of live ones is
 * what limits the table, exactly at its capacity, and no challenge is ever
 * moved or evicted.  The third of the slots that is over remembers spent
 * and revoked challenges, to tell a leaked secret from an unknown one, for
 * as long as nobody needs the room: a slot that is free is taken first,
 * then expired, then spent past its expiry, then the spent one that would
 * expire first.  160 octets of record and 8 of word, 1.5 times, are 252
 * octets a challenge.
 *
 * The count of live ones changes while the word is WRITING or ENDING, which
 * name the process and, for ENDING, what it ends as: to all others an ending
 * challenge has ended.  So the words tell where the count may be behind.  A
 * recount sets it to what the words say if, throughout, no word was in such
 * a state and the count did not change; else it was not exact, and is tried
 * again in the next second.
 *
 * Death.  A process may end between any two instructions.  In WRITING or
 * ENDING: the word names the dead, a sweep frees the slot or ends the
 * challenge, and the recount does not care whether the dead one had counted.
 * Only death does that and never age, since a writer that merely stalled
 * would go on writing.  A death can leave the count too high and never too
 * low: the table may refuse early, until the next sweep.  After ISSUED: there
 * is a challenge that nobody was told of, until it expires.  In CLAIMED: the
 * lease ends, and the challenge may be claimed again, unless who knows the
 * claim has held it meanwhile.
 *
 * Expiry is noticed by the sweep that maintain runs each second, by each
 * issue for the next few buckets in turn, and by an issue that finds the
 * table full, which sweeps unless that was done in the same second: expiry
 * goes by whole seconds, so nothing more can have expired.
 *
 * Power loss.  Pages reach the disk in any order.  A check field over the
 * immutable part of the record and its slot number, the random number in life
 * and uses, and tag and expiry standing in word and record make a record that
 * is torn, or not that of its word, a refusal.  What was not yet on disk is
 * lost: with it the memory that a challenge, or a use, was spent in the last
 * second.
 *
 * Secrets.  A lookup needs 160 bits of the MAC, compared in constant time;
 * the bindings are 64-bit digests under the same key, which nobody can look
 * for collisions in without it.  A network is kept as the digest of its
 * address and its length, since what the client's address is to be cut to is
 * known only then: a keyed mix, that takes no time worth mentioning.  All
 * other hashing, of every device id that a request may mean too, is done
 * before the table is looked at, so the refusals cost the same but for some
 * loads.
 */
#include "challenge_record.h"

#include <openssl/crypto.h>

#include <string.h>

/* ------------------------------------------------------------------ */
/* Layout                                                               */

static uint32_t buckets_for(apr_uint64_t capacity)
{
    uint64_t buckets =
        (capacity * 3 / 2 + SCEP_TABLE_BUCKET - 1) / SCEP_TABLE_BUCKET;

    return buckets < 2 ? 2 : (uint32_t)buckets;
}

apr_size_t scep_table_size(apr_uint64_t capacity)
{
    uint64_t size;

    if (capacity == 0 || capacity > SCEP_TABLE_CAPACITY_MAX)
        return 0;
    size = SCEP_TABLE_HEADER +
           (uint64_t)buckets_for(capacity) * SCEP_TABLE_BUCKET *
               (sizeof(scep_word_t) + sizeof(scep_record_t));
    return size > (apr_size_t)-1 / 2 ? 0 : (apr_size_t)size;
}

static void lay_out(scep_table_t *table, void *mem, apr_uint64_t capacity)
{
    table->header = mem;
    table->capacity = capacity;
    table->buckets = buckets_for(capacity);
    table->slots = table->buckets * SCEP_TABLE_BUCKET;
    table->words = (scep_word_t *)((char *)mem + SCEP_TABLE_HEADER);
    table->records =
        (scep_word_t(*)[SCEP_RECORD_WORDS])(table->words + table->slots);
}

apr_status_t scep_table_format(void *mem, apr_size_t size,
                               apr_uint64_t capacity,
                               const unsigned char key[SCEP_TABLE_KEY_LEN],
                               apr_pool_t *p)
{
    scep_table_t *table;
    uint8_t key_id[16];
    apr_status_t rv;

    if (scep_table_size(capacity) == 0 || size != scep_table_size(capacity))
        return APR_EINVAL;
    table = apr_pcalloc(p, sizeof(*table));
    rv = scep_record_open_key(table, key, key_id, p);
    if (rv != APR_SUCCESS)
        return rv;
    lay_out(table, mem, capacity);
    memset(mem, 0, SCEP_TABLE_HEADER);
    for (uint32_t slot = 0; slot < table->slots; slot++)
        atomic_init(&table->words[slot], 0);
    table->header->magic = SCEP_TABLE_MAGIC;
    table->header->version = SCEP_TABLE_VERSION;
    table->header->record_size = sizeof(scep_record_t);
    table->header->capacity = capacity;
    table->header->size = size;
    memcpy(table->header->key_id, key_id, sizeof(key_id));
    return APR_SUCCESS;
}

apr_status_t scep_table_open(scep_table_t **table, void *mem, apr_size_t size,
                             const unsigned char key[SCEP_TABLE_KEY_LEN],
                             const char **error, apr_pool_t *p)
{
    const scep_table_header_t *header = mem;
    scep_table_t *t;
    uint8_t key_id[16];
    apr_status_t rv;

    if (size < SCEP_TABLE_HEADER || header->magic != SCEP_TABLE_MAGIC) {
        *error = "it is not a challenge table";
        return APR_EINVAL;
    }
    if (header->version != SCEP_TABLE_VERSION ||
        header->record_size != sizeof(scep_record_t)) {
        *error = "it was made by another version of mod_scep";
        return APR_EINVAL;
    }
    if (size != header->size || size != scep_table_size(header->capacity)) {
        *error = "it is cut off or damaged: its size is not what its header "
                 "says";
        return APR_EINVAL;
    }
    t = apr_pcalloc(p, sizeof(*t));
    rv = scep_record_open_key(t, key, key_id, p);
    if (rv != APR_SUCCESS) {
        *error = "OpenSSL cannot compute HMAC-SHA-256";
        return rv;
    }
    if (CRYPTO_memcmp(key_id, header->key_id, sizeof(key_id)) != 0) {
        *error = "it was made with another key";
        return APR_EINVAL;
    }
    lay_out(t, mem, header->capacity);
    scep_table_forget_counts(t);
    *table = t;
    return APR_SUCCESS;
}

void scep_table_attach(scep_table_t *table, pid_t pid)
{
    table->pid = (uint32_t)pid & SCEP_WORD_PID;
}

apr_uint64_t scep_table_capacity(const scep_table_t *table)
{
    return table->capacity;
}

void scep_table_buckets(const scep_table_t *table,
                        const unsigned char mac[SCEP_RECORD_MAC_LEN],
                        uint32_t first[2])
{
    uint64_t bits = scep_record_mac_word(mac, 0);
    uint64_t one = ((bits & 0xffffffff) * table->buckets) >> 32;
    uint64_t other = one + 1 + (((bits >> 32) * (table->buckets - 1)) >> 32);

    first[0] = (uint32_t)one * SCEP_TABLE_BUCKET;
    first[1] = (uint32_t)(other % table->buckets) * SCEP_TABLE_BUCKET;
    for (int i = 0; i < 2; i++) {
        __builtin_prefetch((const void *)&table->words[first[i]]);
        __builtin_prefetch((const void *)&table->words[first[i] + 8]);
    }
}

/* ------------------------------------------------------------------ */
/* Issue                                                                */

/** How gladly a slot is given up, lowest first; UINT64_MAX: not at all. */
static uint64_t price_of(uint64_t word, uint32_t now)
{
    uint32_t time = scep_word_time(word);

    if (scep_word_counted(word) || scep_word_moving(word))
        return UINT64_MAX;
    if (scep_word_state(word) == SCEP_WORD_FREE)
        return 0;
    if (scep_word_state(word) == SCEP_WORD_EXPIRED)
        return UINT64_C(1) << 32 | time;
    return (now >= time ? UINT64_C(2) : UINT64_C(3)) << 32 | time;
}

/**
 * Picks the slot that a challenge should get.
 * @param word  set to what stands in it
 * @return zero if both buckets are full of live ones
 */
static int pick_slot(scep_table_t *table, const uint32_t first[2],
                     uint32_t now, uint32_t *slot, uint64_t *word)
{
    uint64_t best_price[2] = { UINT64_MAX, UINT64_MAX };
    uint64_t best_word[2] = { 0, 0 };
    uint32_t best_slot[2] = { 0, 0 };
    int live[2] = { 0, 0 };
    int pick;

    for (int b = 0; b < 2; b++) {
        for (uint32_t i = 0; i < SCEP_TABLE_BUCKET; i++) {
            uint64_t w = scep_table_settle(table, first[b] + i, now);
            uint64_t price = price_of(w, now);

            live[b] += price == UINT64_MAX;
            if (price < best_price[b]) {
                best_price[b] = price;
                best_word[b] = w;
                best_slot[b] = first[b] + i;
            }
        }
    }
    pick = live[1] < live[0] ||
           (live[1] == live[0] && best_price[1] < best_price[0]);
    *slot = best_slot[pick];
    *word = best_word[pick];
    return best_price[pick] != UINT64_MAX;
}

apr_status_t scep_table_take(scep_table_t *table,
                             const unsigned char mac[SCEP_RECORD_MAC_LEN],
                             uint32_t now, uint32_t *slot, uint64_t *word)
{
    uint32_t first[2];

    scep_table_buckets(table, mac, first);
    for (;;) {
        uint64_t before, seen;

        if (!scep_table_room(table, now) ||
            !pick_slot(table, first, now, slot, &before))
            return APR_ENOSPC;
        seen = before;
        *word = scep_word_next(before, SCEP_WORD_WRITING, scep_record_tag(mac),
                               table->pid);
        if (!atomic_compare_exchange_strong(&table->words[*slot], &seen,
                                            *word))
            continue;
        if (scep_table_count_in(table))
            return APR_SUCCESS;
        /* Someone took the last place; what was in the slot still is. */
        seen = *word;
        atomic_compare_exchange_strong(&table->words[*slot], &seen,
                                       scep_word_next(seen,
                                                      scep_word_state(before),
                                                      scep_word_tag(before),
                                                      scep_word_time(before)));
    }
}

/** Whether another slot holds, or is about to hold, the same secret. */
static int is_duplicate(const scep_table_t *table,
                        const unsigned char mac[SCEP_RECORD_MAC_LEN],
                        uint32_t own)
{
    uint32_t first[2];

    scep_table_buckets(table, mac, first);
    for (uint32_t i = 0; i < 2 * SCEP_TABLE_BUCKET; i++) {
        uint32_t slot = first[i / SCEP_TABLE_BUCKET] + i % SCEP_TABLE_BUCKET;
        uint64_t word;
        scep_record_t record;
        int same;

        if (slot == own)
            continue;
        do {
            word = atomic_load(&table->words[slot]);
            same = (scep_word_counted(word) ||
                    scep_word_state(word) == SCEP_WORD_WRITING) &&
                   scep_word_tag(word) == scep_record_tag(mac);
        } while (same && !scep_record_load(table, slot, word, &record));
        if (same && CRYPTO_memcmp(record.mac, mac, sizeof(record.mac)) == 0)
            return 1;
    }
    return 0;
}

/**
 * Makes a written record a challenge, unless its secret is in use.  Of two
 * who issue one secret at once, each writes its record, changes its word,
 * and looks for the other: the total order of these makes at least one of
 * them see the other.  Only then may anyone claim it.
 */
static apr_status_t publish(scep_table_t *table, uint32_t slot, uint64_t word,
                            const scep_record_t *record)
{
    uint32_t tag = scep_word_tag(word);
    uint64_t written =
        scep_word_next(word, SCEP_WORD_WRITING, tag, table->pid);

    /* These fail only if a sweep took this process for dead. */
    if (!atomic_compare_exchange_strong(&table->words[slot], &word, written))
        return APR_EGENERAL;
    word = scep_word_next(written, SCEP_WORD_ISSUED, tag,
                          scep_life_expires(record->life));
    if (!is_duplicate(table, record->mac, slot))
        return atomic_compare_exchange_strong(&table->words[slot], &written,
                                              word)
                   ? APR_SUCCESS
                   : APR_EGENERAL;
    scep_table_end(table, slot, written, SCEP_WORD_FREE, 0);
    return APR_EEXIST;
}

apr_status_t scep_table_issue_digests(scep_table_t *table,
                                      const scep_challenge_spec_t *spec,
                                      const scep_digests_t *digests,
                                      uint32_t random,
                                      char id[SCEP_CHALLENGE_ID_SIZE])
{
    uint32_t now = scep_word_seconds(spec->created);
    scep_record_t record;
    uint32_t slot;
    uint64_t word;
    apr_status_t rv;

    scep_table_tidy(table, now);
    rv = scep_table_take(table, digests->mac, now, &slot, &word);
    if (rv != APR_SUCCESS)
        return rv;
    scep_record_make(table, &record, spec, digests, random);
    scep_record_store(table, slot, &record);
    rv = publish(table, slot, word, &record);
    if (rv == APR_SUCCESS) {
        scep_table_add_issued(table, &record);
        scep_record_id(slot, &record, id);
    }
    return rv;
}

/** Whether it is a challenge that makes sense. */
static int is_possible(const scep_challenge_spec_t *spec)
{
    return spec->secret && *spec->secret && spec->profile &&
           scep_word_seconds(spec->expires) >
               scep_word_seconds(spec->created) &&
           spec->uses <= SCEP_CHALLENGE_USES_MAX &&
           (!spec->network || spec->network->prefix <= 128) &&
           (!spec->reusable || (spec->subject && spec->uses <= 1));
}

apr_status_t scep_table_issue(scep_table_t *table,
                              const scep_challenge_spec_t *spec,
                              apr_uint32_t random,
                              char id[SCEP_CHALLENGE_ID_SIZE])
{
    const char *device = spec->device;
    apr_array_header_t devices = { .elt_size = sizeof(device),
                                   .nelts = device != NULL,
                                   .elts = (char *)&device };
    scep_challenge_facts_t facts = { .profile = spec->profile,
                                     .subject = spec->subject,
                                     .sans = spec->sans,
                                     .devices = &devices,
                                     .address = spec->network
                                                    ? spec->network->address
                                                    : NULL };
    scep_digests_t digests;
    apr_status_t rv;

    if (!is_possible(spec))
        return APR_EINVAL;
    rv = scep_record_digest(table, spec->secret, &facts, &digests);
    if (rv != APR_SUCCESS)
        return rv;
    return scep_table_issue_digests(table, spec, &digests, random, id);
}
