/* challenge_record.h - the layout of the challenge table, for its own files
 * SPDX-License-Identifier: Apache-2.0
 *
 * Included by the challenge_*.c files, their tests and benchmark only.  The
 * reasoning is in challenge_table.c.
 */
#ifndef SCEP_CHALLENGE_RECORD_H
#define SCEP_CHALLENGE_RECORD_H

#include "challenge_table.h"

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#define SCEP_TABLE_MAGIC UINT64_C(0x6c62745f70656373) /* "scep_tbl" */
#define SCEP_TABLE_VERSION 2
#define SCEP_TABLE_HEADER 4096
#define SCEP_TABLE_BUCKET 16
#define SCEP_TABLE_CAPACITY_MAX (UINT64_C(1) << 28)

typedef _Atomic uint64_t scep_word_t;

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && sizeof(scep_word_t) == 8,
               "the table needs lock-free 64-bit atomics");

/* ------------------------------------------------------------------ */
/* Control words: state(3) tag(13) sequence(16) time(32)                */

typedef enum {
    SCEP_WORD_FREE = 0,
    SCEP_WORD_WRITING, /**< time: the writer's process id */
    SCEP_WORD_ISSUED,  /**< time: expiry */
    SCEP_WORD_CLAIMED, /**< time: end of the lease */
    SCEP_WORD_SPENT,   /**< time: expiry, here and below */
    SCEP_WORD_REVOKED,
    SCEP_WORD_EXPIRED,
    SCEP_WORD_ENDING /**< time: the state to come(3) process id(29) */
} scep_word_state_t;

static inline scep_word_state_t scep_word_state(uint64_t word)
{
    return (scep_word_state_t)(word >> 61);
}

static inline uint32_t scep_word_tag(uint64_t word)
{
    return (uint32_t)(word >> 48) & 0x1fff;
}

static inline uint32_t scep_word_time(uint64_t word)
{
    return (uint32_t)word;
}

/** The word that follows another one: its sequence is one higher. */
static inline uint64_t scep_word_next(uint64_t word, scep_word_state_t state,
                                      uint32_t tag, uint32_t time)
{
    uint64_t sequence = ((word >> 32) + 1) & 0xffff;

    return (uint64_t)state << 61 | (uint64_t)tag << 48 | sequence << 32 | time;
}

/** Half the range of the sequence. */
#define SCEP_WORD_HELD 0x8000u

/**
 * A claimed word with a longer lease.  Its sequence goes to the other half of
 * its range, and from there back again, so that a claim is known however
 * often it was held.
 */
static inline uint64_t scep_word_hold(uint64_t word, uint32_t until)
{
    return ((word ^ (uint64_t)SCEP_WORD_HELD << 32) & ~UINT64_C(0xffffffff)) |
           until;
}

/** What an ending challenge ends as; the state itself of any other. */
static inline scep_word_state_t scep_word_fate(uint64_t word)
{
    scep_word_state_t state = scep_word_state(word);

    return state == SCEP_WORD_ENDING
               ? (scep_word_state_t)(scep_word_time(word) >> 29)
               : state;
}

/** Whether the slot counts against the capacity. */
static inline int scep_word_counted(uint64_t word)
{
    scep_word_state_t state = scep_word_state(word);

    return state == SCEP_WORD_ISSUED || state == SCEP_WORD_CLAIMED;
}

/** Whether a process is between this word and the count. */
static inline int scep_word_moving(uint64_t word)
{
    scep_word_state_t state = scep_word_state(word);

    return state == SCEP_WORD_WRITING || state == SCEP_WORD_ENDING;
}

#define SCEP_WORD_PID 0x1fffffffu

/** The clock in words and records; it ends in 2106. */
static inline uint32_t scep_word_seconds(apr_time_t time)
{
    apr_time_t seconds = time < 0 ? 0 : apr_time_sec(time);

    return seconds > UINT32_MAX ? UINT32_MAX : (uint32_t)seconds;
}

/* ------------------------------------------------------------------ */
/* Records                                                              */

#define SCEP_RECORD_SUBJECT 0x1
#define SCEP_RECORD_SANS 0x2
#define SCEP_RECORD_DEVICE 0x4
#define SCEP_RECORD_NETWORK 0x8
#define SCEP_RECORD_KNOWN                                                     \
    (SCEP_RECORD_SUBJECT | SCEP_RECORD_SANS | SCEP_RECORD_DEVICE |            \
     SCEP_RECORD_NETWORK)

/** Octets of a secret's HMAC that are kept. */
#define SCEP_RECORD_MAC_LEN 20

/** What HMAC makes of the texts of a challenge or of a request. */
typedef struct scep_digests_t {
    unsigned char mac[SCEP_RECORD_MAC_LEN]; /**< of the secret */
    uint64_t subject;
    uint64_t sans;
    uint64_t profile;
    uint64_t device[SCEP_CHALLENGE_DEVICES_MAX];
    int devices;
    unsigned char address[16]; /**< itself: how much counts is not known */
    uint32_t set;              /**< SCEP_RECORD_* of those that were given */
} scep_digests_t;

#define SCEP_RECORD_WORDS 20
#define SCEP_RECORD_REQUESTER 9 /**< the first of its four words */
#define SCEP_RECORD_CHECKED 17  /**< the words that check covers */
#define SCEP_RECORD_LIFE 18     /**< the two that change */
#define SCEP_RECORD_LEFT 19

/** A record, copied out of the table. */
typedef union scep_record_t {
    uint64_t word[SCEP_RECORD_WORDS];
    struct {
        unsigned char mac[SCEP_RECORD_MAC_LEN];
        uint32_t random; /**< low half of the id, and the record's birth */
        uint64_t subject;
        uint64_t sans;
        uint64_t profile;
        uint64_t device;
        uint64_t network; /**< digest of the masked address */
        uint32_t created; /**< seconds since 1970 */
        uint16_t uses;    /**< certificates that it is made for; 0: any */
        uint8_t prefix;   /**< bits of the address that count */
        uint8_t flags;    /**< SCEP_RECORD_*; an unknown one is a refusal */
        char requester[SCEP_CHALLENGE_REQUESTER_MAX + 1];
        char note[SCEP_CHALLENGE_NOTE_MAX + 1];
        uint64_t check; /**< over all of the above and the slot number */
        uint64_t life;
        uint64_t uses_left;
    };
} scep_record_t;

_Static_assert(sizeof(scep_record_t) == 8 * SCEP_RECORD_WORDS &&
                   offsetof(scep_record_t, requester) ==
                       8 * SCEP_RECORD_REQUESTER &&
                   offsetof(scep_record_t, check) == 8 * SCEP_RECORD_CHECKED &&
                   offsetof(scep_record_t, life) == 8 * SCEP_RECORD_LIFE &&
                   offsetof(scep_record_t, uses_left) == 8 * SCEP_RECORD_LEFT,
               "the record's layout is part of the file format");

/** One word of a MAC, 0 or 1. */
static inline uint64_t scep_record_mac_word(
    const unsigned char mac[SCEP_RECORD_MAC_LEN], int which)
{
    uint64_t word;

    memcpy(&word, mac + 8 * which, sizeof(word));
    return word;
}

/** Thirteen bits of the MAC, kept in the control word. */
static inline uint32_t scep_record_tag(
    const unsigned char mac[SCEP_RECORD_MAC_LEN])
{
    return (uint32_t)scep_record_mac_word(mac, 1) & 0x1fff;
}

/* life: closed(1) extended(1) birth(30) expires(32) */

/** Found expired: it cannot be extended any more. */
#define SCEP_LIFE_CLOSED (UINT64_C(1) << 63)
#define SCEP_LIFE_EXTENDED (UINT64_C(1) << 62)

static inline uint64_t scep_life_make(uint32_t birth, uint32_t expires)
{
    return (uint64_t)(birth & 0x3fffffff) << 32 | expires;
}

static inline uint32_t scep_life_expires(uint64_t life)
{
    return (uint32_t)life;
}

static inline int scep_life_over(uint64_t life, uint32_t now)
{
    return (life & SCEP_LIFE_CLOSED) || now >= scep_life_expires(life);
}

/* uses: birth(32) not committed(16) not claimed(16) */

static inline uint64_t scep_uses_make(uint32_t birth, uint32_t open,
                                      uint32_t free)
{
    return (uint64_t)birth << 32 | open << 16 | free;
}

/** Uses that have not been committed: free ones, and those under way. */
static inline uint32_t scep_uses_open(uint64_t uses)
{
    return (uint32_t)uses >> 16;
}

/** Uses that may be claimed. */
static inline uint32_t scep_uses_free(uint64_t uses)
{
    return (uint32_t)uses & 0xffff;
}

/** Whether claims of it stand beside each other. */
static inline int scep_record_shared(const scep_record_t *record)
{
    return record->uses != 1;
}

/* ------------------------------------------------------------------ */
/* The table                                                            */

/** Requesters whose challenges are counted, and among how many of them one
 * has its place: a cache line. */
#define SCEP_TABLE_REQUESTERS 448
#define SCEP_TABLE_CELLS 8

typedef struct scep_table_header_t {
    uint64_t magic;
    uint32_t version;
    uint32_t record_size;
    uint64_t capacity;
    uint64_t size; /**< of the whole table, octets */
    uint8_t key_id[16];
    uint8_t fill[80];
    /* each on cache lines of its own */
    scep_word_t live; /**< changes(32) live(32) */
    uint8_t fill_live[120];
    scep_word_t cursor; /**< bucket that the next issue tidies */
    uint8_t fill_cursor[120];
    scep_word_t swept; /**< second of the last whole sweep */
    uint8_t fill_swept[120];
    /** challenge_quota.c; all zero in a file that was made before it */
    scep_word_t requesters[SCEP_TABLE_REQUESTERS];
} scep_table_header_t;

_Static_assert(sizeof(scep_table_header_t) <= SCEP_TABLE_HEADER,
               "the header is one page");

#define SCEP_TABLE_CONTEXTS 64

/** A place for an idle HMAC context, on a cache line of its own. */
typedef struct scep_table_context_t {
    _Alignas(64) void *_Atomic idle;
} scep_table_context_t;

struct scep_table_t {
    scep_table_header_t *header;
    scep_word_t *words;
    scep_word_t (*records)[SCEP_RECORD_WORDS];
    uint64_t capacity;
    uint32_t buckets;
    uint32_t slots;
    uint32_t pid;           /**< of this process */
    uint64_t seed;          /**< of the check field */
    EVP_MAC_CTX *prototype; /**< holds the key; only ever copied */
    scep_table_context_t *contexts;
};

static inline uint64_t scep_table_word(const scep_table_t *table,
                                       uint32_t slot)
{
    return atomic_load_explicit(&table->words[slot], memory_order_acquire);
}

/* challenge_record.c: the key and what it makes, records in and out */

apr_status_t scep_record_open_key(scep_table_t *table,
                                  const unsigned char *key, uint8_t key_id[16],
                                  apr_pool_t *p);
/** @param secret  NULL: not given, as may be all but the profile */
apr_status_t scep_record_digest(scep_table_t *table, const char *secret,
                                const scep_challenge_facts_t *facts,
                                scep_digests_t *digests);
/** The digest of a network, or of the network that an address is in. */
uint64_t scep_record_network(const scep_table_t *table,
                             const unsigned char address[16],
                             unsigned int prefix);
/** The digest of a text of 32 octets. */
uint64_t scep_record_text(const scep_table_t *table, const char text[32]);
/** Cuts to the 31 octets that fit, not within a UTF-8 character.
 * @param to  zeroed */
void scep_record_copy_text(char to[32], const char *from);
void scep_record_make(const scep_table_t *table, scep_record_t *record,
                      const scep_challenge_spec_t *spec,
                      const scep_digests_t *digests, uint32_t random);
/** Stores a record in a slot whose word this process has in WRITING. */
void scep_record_store(scep_table_t *table, uint32_t slot,
                       scep_record_t *record);
/** @return non-zero if the slot's word was the same all the while */
int scep_record_load(const scep_table_t *table, uint32_t slot, uint64_t word,
                     scep_record_t *record);
/** @return non-zero if a record that was loaded with word is whole */
int scep_record_valid(const scep_table_t *table, uint32_t slot, uint64_t word,
                      const scep_record_t *record);
void scep_record_id(uint32_t slot, const scep_record_t *record,
                    char id[SCEP_CHALLENGE_ID_SIZE]);
/** Reads what scep_record_id() has written; zero if it is none. */
int scep_record_parse_id(const char *id, uint32_t *slot, uint32_t *random);
/** Whether an id is of this record, in whatever slot. */
int scep_record_is(const scep_record_t *record, const char *id);

/* challenge_manage.c */

/**
 * What a slot holds, seen from outside.
 * @param word  set to its word
 * @param record  filled unless the answer is NONE
 */
scep_challenge_state_t scep_table_inspect(const scep_table_t *table,
                                          uint32_t slot, uint32_t now,
                                          uint64_t *word,
                                          scep_record_t *record);
/** Counts what is live.
 * @param requester  whose, as a record has it; NULL: everybody's */
apr_uint64_t scep_table_count_live(const scep_table_t *table, apr_time_t now,
                                   const char *requester);

/* challenge_quota.c */

/** To be called when the challenge is there. */
void scep_table_add_issued(scep_table_t *table, const scep_record_t *record);
void scep_table_forget_counts(scep_table_t *table);

/* challenge_sweep.c: counting and reclaiming */

/** Whether the count leaves room, after a sweep if need be. */
int scep_table_room(scep_table_t *table, uint32_t now);
/** Counts one in; zero if the table is full. */
int scep_table_count_in(scep_table_t *table);
/**
 * Ends a challenge and counts it out.
 * @param word  its word, counted in
 * @param state  what it ends as
 * @return zero if the word is no longer that
 */
int scep_table_end(scep_table_t *table, uint32_t slot, uint64_t word,
                   scep_word_state_t state, uint32_t expires);
/** Marks a slot expired if it is; @return the slot's word now. */
uint64_t scep_table_settle(scep_table_t *table, uint32_t slot, uint32_t now);
/** Settles the next few buckets. */
void scep_table_tidy(scep_table_t *table, uint32_t now);

/* challenge_table.c: layout and issue */

/** The first slots of the two buckets that a MAC may live in; has them
 * fetched into the cache. */
void scep_table_buckets(const scep_table_t *table,
                        const unsigned char mac[SCEP_RECORD_MAC_LEN],
                        uint32_t first[2]);
/**
 * Finds a slot for the challenge, puts its word to WRITING and counts it.
 * @param word  set to the slot's word
 * @return APR_SUCCESS; APR_ENOSPC
 */
apr_status_t scep_table_take(scep_table_t *table,
                             const unsigned char mac[SCEP_RECORD_MAC_LEN],
                             uint32_t now, uint32_t *slot, uint64_t *word);

/** scep_table_issue() after the hashing. */
apr_status_t scep_table_issue_digests(scep_table_t *table,
                                      const scep_challenge_spec_t *spec,
                                      const scep_digests_t *digests,
                                      uint32_t random,
                                      char id[SCEP_CHALLENGE_ID_SIZE]);

/* challenge_claim.c */

/**
 * scep_table_claim() and scep_table_check() after the hashing.
 * @param claim  NULL: only to look
 * @param id  set to that of the challenge which the answer is about
 */
scep_challenge_outcome_t scep_table_claim_digests(
    scep_table_t *table, const scep_digests_t *digests, apr_time_t now,
    apr_interval_time_t lease, scep_challenge_claim_t *claim,
    char id[SCEP_CHALLENGE_ID_SIZE]);

#endif
