/* challenge_record.c - what one slot of the challenge table holds
 * SPDX-License-Identifier: Apache-2.0
 */
#include "challenge_record.h"
#include "network.h"

#include <apr_strings.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/params.h>

#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* Texts of different kinds never have the same digest. */
enum {
    LABEL_KEY_ID = 0,
    LABEL_SEED,
    LABEL_SECRET,
    LABEL_PROFILE,
    LABEL_SUBJECT,
    LABEL_SANS,
    LABEL_DEVICE
};

/* ------------------------------------------------------------------ */
/* HMAC contexts                                                        */

/* Making a context costs five times what using one does, so idle ones wait
 * in an array that threads enter at different places.  An exchange takes
 * one out: nothing is tied to threads, whose ends a module that httpd may
 * unload could not watch. */

static unsigned int entrance(void)
{
    static _Thread_local char here;

    return (unsigned int)((uintptr_t)&here >> 6) * 2654435761u >> 24;
}

static EVP_MAC_CTX *context_take(scep_table_t *table)
{
    unsigned int first = entrance();

    for (unsigned int i = 0; i < SCEP_TABLE_CONTEXTS; i++) {
        scep_table_context_t *c =
            &table->contexts[(first + i) % SCEP_TABLE_CONTEXTS];

        if (atomic_load_explicit(&c->idle, memory_order_relaxed)) {
            void *context =
                atomic_exchange_explicit(&c->idle, NULL, memory_order_acquire);

            if (context)
                return context;
        }
    }
    return EVP_MAC_CTX_dup(table->prototype);
}

static void context_give(scep_table_t *table, EVP_MAC_CTX *context)
{
    unsigned int first = entrance();

    for (unsigned int i = 0; i < SCEP_TABLE_CONTEXTS; i++) {
        scep_table_context_t *c =
            &table->contexts[(first + i) % SCEP_TABLE_CONTEXTS];
        void *none = NULL;

        if (atomic_load_explicit(&c->idle, memory_order_relaxed) == NULL &&
            atomic_compare_exchange_strong_explicit(&c->idle, &none, context,
                                                    memory_order_release,
                                                    memory_order_relaxed))
            return;
    }
    EVP_MAC_CTX_free(context);
}

static apr_status_t key_cleanup(void *data)
{
    scep_table_t *table = data;

    for (unsigned int i = 0; i < SCEP_TABLE_CONTEXTS; i++)
        EVP_MAC_CTX_free(atomic_load(&table->contexts[i].idle));
    EVP_MAC_CTX_free(table->prototype);
    return APR_SUCCESS;
}

/** Writes the first len octets of HMAC(key, label | text); 1 on success. */
static int digest(EVP_MAC_CTX *context, unsigned char label, const char *text,
                  void *out, size_t len)
{
    unsigned char full[SCEP_TABLE_MAC_LEN];
    size_t full_len = 0;

    if (!EVP_MAC_init(context, NULL, 0, NULL) ||
        !EVP_MAC_update(context, &label, 1) ||
        !EVP_MAC_update(context, (const unsigned char *)text, strlen(text)) ||
        !EVP_MAC_final(context, full, &full_len, sizeof(full)) ||
        full_len != sizeof(full))
        return 0;
    memcpy(out, full, len);
    return 1;
}

apr_status_t scep_record_open_key(scep_table_t *table,
                                  const unsigned char *key, uint8_t key_id[16],
                                  apr_pool_t *p)
{
    apr_status_t rv = APR_EGENERAL;
    OSSL_PARAM params[2] = { OSSL_PARAM_construct_utf8_string(
                                 OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
                             OSSL_PARAM_construct_end() };
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    size_t size = SCEP_TABLE_CONTEXTS * sizeof(*table->contexts);
    uintptr_t contexts = (uintptr_t)apr_pcalloc(p, size + 63);

    table->contexts = (scep_table_context_t *)((contexts + 63) & ~63ul);
    table->prototype = hmac ? EVP_MAC_CTX_new(hmac) : NULL;
    EVP_MAC_free(hmac);
    apr_pool_cleanup_register(p, table, key_cleanup, apr_pool_cleanup_null);
    if (table->prototype &&
        EVP_MAC_init(table->prototype, key, SCEP_TABLE_KEY_LEN, params)) {
        EVP_MAC_CTX *context = context_take(table);

        if (context) {
            if (digest(context, LABEL_KEY_ID, "", key_id, 16) &&
                digest(context, LABEL_SEED, "", &table->seed,
                       sizeof(table->seed)))
                rv = APR_SUCCESS;
            context_give(table, context);
        }
    }
    if (rv != APR_SUCCESS)
        ERR_clear_error();
    return rv;
}

/** The digests of all candidates for the device; 1 on success. */
static int digest_devices(EVP_MAC_CTX *context,
                          const apr_array_header_t *devices,
                          scep_digests_t *digests)
{
    int ok = 1;

    for (int i = 0;
         ok && devices && i < devices->nelts && i < SCEP_CHALLENGE_DEVICES_MAX;
         i++) {
        ok = digest(context, LABEL_DEVICE,
                    APR_ARRAY_IDX(devices, i, const char *),
                    &digests->device[i], 8);
        digests->devices++;
        digests->set |= SCEP_RECORD_DEVICE;
    }
    return ok;
}

apr_status_t scep_record_digest(scep_table_t *table, const char *secret,
                                const scep_challenge_facts_t *facts,
                                scep_digests_t *digests)
{
    EVP_MAC_CTX *context = context_take(table);
    uint32_t buckets[2];
    int ok;

    memset(digests, 0, sizeof(*digests));
    if (!context) {
        ERR_clear_error();
        return APR_ENOMEM;
    }
    ok = !secret || digest(context, LABEL_SECRET, secret, digests->mac,
                           sizeof(digests->mac));
    /* The buckets come from memory while the rest is hashed. */
    scep_table_buckets(table, digests->mac, buckets);
    if (ok)
        ok = digest(context, LABEL_PROFILE, facts->profile, &digests->profile,
                    8);
    if (ok && facts->subject) {
        ok = digest(context, LABEL_SUBJECT, facts->subject, &digests->subject,
                    8);
        digests->set |= SCEP_RECORD_SUBJECT;
    }
    if (ok && facts->sans) {
        ok = digest(context, LABEL_SANS, facts->sans, &digests->sans, 8);
        digests->set |= SCEP_RECORD_SANS;
    }
    if (ok)
        ok = digest_devices(context, facts->devices, digests);
    if (facts->address) {
        memcpy(digests->address, facts->address, sizeof(digests->address));
        digests->set |= SCEP_RECORD_NETWORK;
    }
    context_give(table, context);
    if (!ok) {
        ERR_clear_error();
        return APR_EGENERAL;
    }
    return APR_SUCCESS;
}

/* ------------------------------------------------------------------ */
/* Records                                                              */

/* Unknown without the key, but not cryptographic: it is to be quick. */
static uint64_t mix(uint64_t h, const uint64_t *words, int count)
{
    for (int i = 0; i < count; i++) {
        h = (h ^ words[i]) * UINT64_C(0xff51afd7ed558ccd);
        h ^= h >> 32;
    }
    return h;
}

/* It tells a whole record from a torn one, no more: whoever can write the
 * file has better ways. */
static uint64_t check_of(const scep_table_t *table, uint32_t slot,
                         const scep_record_t *record)
{
    return mix(table->seed ^ slot * UINT64_C(0x9e3779b97f4a7c15), record->word,
               SCEP_RECORD_CHECKED);
}

uint64_t scep_record_text(const scep_table_t *table, const char text[32])
{
    uint64_t words[4];

    memcpy(words, text, sizeof(words));
    return mix(table->seed, words, 4);
}

/* One to one in either half. */
uint64_t scep_record_network(const scep_table_t *table,
                             const unsigned char address[16],
                             unsigned int prefix)
{
    unsigned char masked[16];
    uint64_t half[2];

    scep_network_mask(masked, address, prefix);
    memcpy(half, masked, sizeof(half));
    return mix(table->seed, half, 2);
}

void scep_record_copy_text(char to[32], const char *from)
{
    size_t len = from ? strlen(from) : 0;

    if (len > 31) {
        len = 31;
        while (len > 0 && (from[len] & 0xc0) == 0x80)
            len--;
    }
    if (len > 0)
        memcpy(to, from, len);
}

void scep_record_make(const scep_table_t *table, scep_record_t *record,
                      const scep_challenge_spec_t *spec,
                      const scep_digests_t *digests, uint32_t random)
{
    memset(record, 0, sizeof(*record));
    memcpy(record->mac, digests->mac, sizeof(record->mac));
    record->random = random;
    record->subject = digests->subject;
    record->sans = digests->sans;
    record->profile = digests->profile;
    record->device = digests->device[0];
    record->flags = (uint8_t)digests->set;
    if (spec->network) {
        record->prefix = (uint8_t)spec->network->prefix;
        record->network = scep_record_network(table, digests->address,
                                              spec->network->prefix);
    }
    record->created = scep_word_seconds(spec->created);
    if (!spec->reusable)
        record->uses = (uint16_t)(spec->uses ? spec->uses : 1);
    scep_record_copy_text(record->requester, spec->requester);
    scep_record_copy_text(record->note, spec->note);
    record->life = scep_life_make(random, scep_word_seconds(spec->expires));
    record->uses_left = scep_uses_make(random, record->uses, record->uses);
}

void scep_record_store(scep_table_t *table, uint32_t slot,
                       scep_record_t *record)
{
    scep_word_t *to = table->records[slot];

    record->check = check_of(table, slot, record);
    /* Release: who reads one of these sees WRITING in the word after it. */
    for (int i = 0; i < SCEP_RECORD_WORDS; i++)
        atomic_store_explicit(&to[i], record->word[i], memory_order_release);
}

int scep_record_load(const scep_table_t *table, uint32_t slot, uint64_t word,
                     scep_record_t *record)
{
    scep_word_t *from = table->records[slot];

    /* Acquire: the word is read after all of these. */
    for (int i = 0; i < SCEP_RECORD_WORDS; i++)
        record->word[i] = atomic_load_explicit(&from[i], memory_order_acquire);
    return scep_table_word(table, slot) == word;
}

/** Whether the words that change are those of the record. */
static int changes_valid(const scep_record_t *record)
{
    uint32_t open = scep_uses_open(record->uses_left);
    uint32_t free = scep_uses_free(record->uses_left);

    return (record->life >> 32 & 0x3fffffff) ==
               (record->random & 0x3fffffff) &&
           record->uses_left >> 32 == record->random && free <= open &&
           open <= record->uses && (record->uses > 1 || free == record->uses);
}

/** Whether word and record agree on the expiry: a word is behind after an
 * extension, until it is next looked at. */
static int times_valid(uint64_t word, const scep_record_t *record)
{
    scep_word_state_t state = scep_word_state(word);
    uint32_t expires = scep_life_expires(record->life);

    return state == SCEP_WORD_CLAIMED || state == SCEP_WORD_ENDING ||
           scep_word_time(word) == expires ||
           ((record->life & SCEP_LIFE_EXTENDED) &&
            scep_word_time(word) < expires);
}

int scep_record_valid(const scep_table_t *table, uint32_t slot, uint64_t word,
                      const scep_record_t *record)
{
    /* Tag and expiry stand in both, so that a word that reached the disk
     * without its record does not revive the slot's former challenge. */
    return record->check == check_of(table, slot, record) &&
           (record->flags & ~SCEP_RECORD_KNOWN) == 0 &&
           record->prefix <= 128 && record->uses <= SCEP_CHALLENGE_USES_MAX &&
           record->requester[SCEP_CHALLENGE_REQUESTER_MAX] == '\0' &&
           record->note[SCEP_CHALLENGE_NOTE_MAX] == '\0' &&
           scep_word_tag(word) == scep_record_tag(record->mac) &&
           changes_valid(record) && times_valid(word, record);
}

void scep_record_id(uint32_t slot, const scep_record_t *record,
                    char id[SCEP_CHALLENGE_ID_SIZE])
{
    snprintf(id, SCEP_CHALLENGE_ID_SIZE, "%08x%08x", slot, record->random);
}

int scep_record_parse_id(const char *id, uint32_t *slot, uint32_t *random)
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

int scep_record_is(const scep_record_t *record, const char *id)
{
    uint32_t slot, random;

    return scep_record_parse_id(id, &slot, &random) &&
           random == record->random;
}
