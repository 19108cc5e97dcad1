/* challenge_record.c - what one slot of the challenge table holds
 * SPDX-License-Identifier: Apache-2.0
 */
#include "challenge_record.h"

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

apr_status_t scep_record_digest(scep_table_t *table, const char *secret,
                                const char *profile, const char *subject,
                                const char *sans, const char *device,
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
    ok = !secret || digest(context, LABEL_SECRET, secret, digests->mac, 32);
    /* The buckets come from memory while the rest is hashed. */
    scep_table_buckets(table, digests->mac, buckets);
    if (ok)
        ok = digest(context, LABEL_PROFILE, profile, &digests->profile, 8);

    if (ok && subject) {
        ok = digest(context, LABEL_SUBJECT, subject, digests->subject, 16);
        digests->set |= SCEP_RECORD_SUBJECT;
    }
    if (ok && sans) {
        ok = digest(context, LABEL_SANS, sans, digests->sans, 16);
        digests->set |= SCEP_RECORD_SANS;
    }
    if (ok && device) {
        ok = digest(context, LABEL_DEVICE, device, &digests->device, 8);
        digests->set |= SCEP_RECORD_DEVICE;
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

/* It tells a whole record from a torn one, no more: whoever can write the
 * file has better ways.  So it need not be cryptographic, but quick. */
static uint64_t check_of(const scep_table_t *table, uint32_t slot,
                         const scep_record_t *record)
{
    uint64_t h = table->seed ^ slot * UINT64_C(0x9e3779b97f4a7c15);

    for (int i = 0; i < SCEP_RECORD_CHECKED; i++) {
        h = (h ^ record->word[i]) * UINT64_C(0xff51afd7ed558ccd);
        h ^= h >> 32;
    }
    return h;
}

/** Cuts to what fits, not within a UTF-8 character. */
static void copy_requester(char to[SCEP_CHALLENGE_REQUESTER_MAX + 1],
                           const char *from)
{
    size_t len = from ? strlen(from) : 0;

    if (len > SCEP_CHALLENGE_REQUESTER_MAX) {
        len = SCEP_CHALLENGE_REQUESTER_MAX;
        while (len > 0 && (from[len] & 0xc0) == 0x80)
            len--;
    }
    if (len > 0)
        memcpy(to, from, len);
}

void scep_record_make(scep_record_t *record, const scep_challenge_spec_t *spec,
                      const scep_digests_t *digests, uint32_t random)
{
    memset(record, 0, sizeof(*record));
    memcpy(record->mac, digests->mac, sizeof(record->mac));
    memcpy(record->subject, digests->subject, sizeof(record->subject));
    memcpy(record->sans, digests->sans, sizeof(record->sans));
    record->profile = digests->profile;
    record->device = digests->device;
    record->flags = digests->set;
    record->created = scep_word_seconds(spec->created);
    record->expires = scep_word_seconds(spec->expires);
    record->random = random;
    copy_requester(record->requester, spec->requester);
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

int scep_record_valid(const scep_table_t *table, uint32_t slot, uint64_t word,
                      const scep_record_t *record)
{
    scep_word_state_t state = scep_word_state(word);

    /* Tag and expiry stand in both, so that a word that reached the disk
     * without its record does not revive the slot's former challenge. */
    return record->check == check_of(table, slot, record) &&
           (record->flags & ~(uint32_t)SCEP_RECORD_KNOWN) == 0 &&
           record->requester[SCEP_CHALLENGE_REQUESTER_MAX] == '\0' &&
           scep_word_tag(word) == scep_record_tag(record->mac) &&
           (state == SCEP_WORD_CLAIMED || state == SCEP_WORD_ENDING ||
            scep_word_time(word) == record->expires);
}

void scep_record_id(uint32_t slot, const scep_record_t *record,
                    char id[SCEP_CHALLENGE_ID_SIZE])
{
    snprintf(id, SCEP_CHALLENGE_ID_SIZE, "%08x%08x", slot, record->random);
}
