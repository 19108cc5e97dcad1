/* counter_table.c - counts over windows of time: a lock-free table
 * SPDX-License-Identifier: Apache-2.0
 *
 * A key's digest names one bucket of 16 cells and what a cell of it is
 * called.  A cell is two words, its name and its count, and each change is
 * one compare-and-swap:
 *
 *   name   digest(48) sequence(16)
 *   count  end(32) 1 sequence(7) count(24)     counting
 *          end(32) 0 digest(31)                 being named, until end
 *          0                                    free
 *
 * To count a key that has no cell, the cell whose end is earliest is marked
 * "being named" with the key's digest; then its name is changed, then its
 * count set to 1.  Whoever else counts that key meanwhile finds the mark and
 * goes on with it, so that a key has one cell and a process that dies in
 * between holds up nobody.  The sequence grows with each change of a name; a
 * count with another sequence than its name's is not that name's.
 */
#include "counter_table.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#define MAGIC UINT64_C(0x746e635f70656373) /* "scep_cnt" */
#define VERSION 1
#define HEADER 4096
#define BUCKET 16
/* Seconds in which a cell that is being named has its name for sure. */
#define NAMING 2

typedef _Atomic uint64_t word_t;

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && sizeof(word_t) == 8,
               "the table needs lock-free 64-bit atomics");

typedef struct header_t {
    uint64_t magic;
    uint32_t version;
    uint32_t cells;
    uint8_t seed[SCEP_COUNTERS_SEED_LEN];
} header_t;

typedef struct cell_t {
    word_t name;
    word_t count;
} cell_t;

struct scep_counters_t {
    const header_t *header;
    cell_t *cells;
    uint32_t buckets;
    EVP_MD *md;
};

/** What a key is in the table, and what a scan of its bucket has found. */
typedef struct place_t {
    cell_t *bucket;
    uint64_t digest; /**< 48 bits */
    cell_t *counting;
    uint64_t counting_word;
    uint64_t total; /**< of all cells that count it */
    uint32_t ends;
    cell_t *naming;
    uint64_t naming_word;
    cell_t *first; /**< the one to end, or that ended, first */
    uint64_t first_word;
} place_t;

/* ------------------------------------------------------------------ */
/* Words                                                                */

#define LIVE (UINT64_C(1) << 31)

static uint32_t end_of(uint64_t count)
{
    return (uint32_t)(count >> 32);
}

static uint64_t counting(uint32_t end, uint64_t name, uint64_t count)
{
    return (uint64_t)end << 32 | LIVE | (name & 0x7f) << 24 | count;
}

static uint64_t naming(uint32_t end, uint64_t digest)
{
    return (uint64_t)end << 32 | (digest & (LIVE - 1));
}

static int has_count(uint64_t count, uint64_t name)
{
    return (count & LIVE) && (count >> 24 & 0x7f) == (name & 0x7f);
}

static uint32_t seconds(apr_time_t time)
{
    apr_time_t whole = time < 0 ? 0 : apr_time_sec(time);

    return whole > UINT32_MAX ? UINT32_MAX : (uint32_t)whole;
}

/* ------------------------------------------------------------------ */
/* Layout                                                               */

apr_size_t scep_counters_size(apr_uint32_t cells)
{
    return HEADER + (apr_size_t)cells * sizeof(cell_t);
}

void scep_counters_format(void *mem, apr_uint32_t cells,
                          const unsigned char seed[SCEP_COUNTERS_SEED_LEN])
{
    header_t *header = mem;

    memset(mem, 0, scep_counters_size(cells));
    header->version = VERSION;
    header->cells = cells;
    memcpy(header->seed, seed, SCEP_COUNTERS_SEED_LEN);
    header->magic = MAGIC;
}

static apr_status_t free_md(void *md)
{
    EVP_MD_free(md);
    return APR_SUCCESS;
}

static const char *fault_of(const header_t *header, apr_size_t size)
{
    if (size < HEADER || header->magic != MAGIC)
        return "it is no table of counts";
    if (header->version != VERSION)
        return "it is of another version";
    if (header->cells == 0 || header->cells % BUCKET ||
        size != scep_counters_size(header->cells))
        return "it is cut off or has grown";
    return NULL;
}

apr_status_t scep_counters_open(scep_counters_t **counters, void *mem,
                                apr_size_t size, const char **error,
                                apr_pool_t *p)
{
    scep_counters_t *made = apr_pcalloc(p, sizeof(*made));

    *error = fault_of(mem, size);
    if (*error)
        return APR_EINVAL;
    made->md = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (!made->md) {
        ERR_clear_error();
        *error = "OpenSSL has no SHA-256";
        return APR_EGENERAL;
    }
    apr_pool_cleanup_register(p, made->md, free_md, apr_pool_cleanup_null);
    made->header = mem;
    made->cells = (cell_t *)((char *)mem + HEADER);
    made->buckets = made->header->cells / BUCKET;
    *counters = made;
    return APR_SUCCESS;
}

/* ------------------------------------------------------------------ */
/* Looking                                                              */

/* Digests a key.  Zero: OpenSSL cannot. */
static int locate(const scep_counters_t *counters, const char *key,
                  place_t *place)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    unsigned char out[EVP_MAX_MD_SIZE];
    uint64_t words[2];
    int good = ctx && EVP_DigestInit_ex(ctx, counters->md, NULL) &&
               EVP_DigestUpdate(ctx, counters->header->seed,
                                SCEP_COUNTERS_SEED_LEN) &&
               EVP_DigestUpdate(ctx, key, strlen(key)) &&
               EVP_DigestFinal_ex(ctx, out, NULL);

    EVP_MD_CTX_free(ctx);
    if (!good) {
        ERR_clear_error();
        return 0;
    }
    memcpy(words, out, sizeof(words));
    place->digest = words[0] >> 16;
    place->bucket = counters->cells + words[1] % counters->buckets * BUCKET;
    return 1;
}

/* Notes what one cell is to the key. */
static void look(place_t *place, cell_t *cell, uint32_t now)
{
    uint64_t count = atomic_load(&cell->count);
    uint64_t name = atomic_load(&cell->name);
    int over = end_of(count) <= now;

    if (!over && has_count(count, name) && name >> 16 == place->digest) {
        place->total += count & SCEP_COUNTERS_MAX;
        if (end_of(count) > place->ends)
            place->ends = end_of(count);
        if (!place->counting) {
            place->counting = cell;
            place->counting_word = count;
        }
    } else if (!over && !(count & LIVE)) {
        if (count == naming(end_of(count), place->digest)) {
            place->naming = cell;
            place->naming_word = count;
        }
        /* else it gives way only where all are being named */
        return;
    }
    if (!place->first || end_of(count) < end_of(place->first_word)) {
        place->first = cell;
        place->first_word = count;
    }
}

/* One look at each cell: who counts the same key at the same time sees the
 * same cell end first, and one of the two finds the other's mark. */
static void scan(place_t *place, uint32_t now)
{
    place->counting = place->naming = place->first = NULL;
    place->total = 0;
    place->ends = 0;
    for (int i = 0; i < BUCKET; i++)
        look(place, &place->bucket[i], now);
    if (!place->first) {
        place->first = place->bucket;
        place->first_word = atomic_load(&place->bucket->count);
    }
}

/* ------------------------------------------------------------------ */
/* Counting                                                             */

static int swap(word_t *word, uint64_t from, uint64_t to)
{
    return atomic_compare_exchange_strong(word, &from, to);
}

/* Gives a cell to the key.  Zero: another process was quicker. */
static int begin(place_t *place, uint32_t now, uint32_t end, uint32_t number)
{
    cell_t *cell = place->naming;
    uint64_t mark = place->naming_word;
    uint64_t name;

    if (!cell) {
        cell = place->first;
        mark = naming(now < UINT32_MAX - NAMING ? now + NAMING : UINT32_MAX,
                      place->digest);
        if (!swap(&cell->count, place->first_word, mark))
            return 0;
    }
    name = atomic_load(&cell->name);
    /* only a name that stood there under this mark may be changed */
    if (atomic_load(&cell->count) != mark)
        return 0;
    if (name >> 16 != place->digest) {
        uint64_t next = place->digest << 16 | ((name + 1) & 0xffff);

        if (!swap(&cell->name, name, next))
            return 0;
        name = next;
    }
    return swap(&cell->count, mark, counting(end, name, number));
}

apr_uint32_t scep_counters_add_many(scep_counters_t *counters, const char *key,
                                    apr_uint32_t number,
                                    apr_interval_time_t window, apr_time_t now)
{
    uint32_t second = seconds(now);
    uint32_t end = seconds(now + window + APR_USEC_PER_SEC - 1);
    uint32_t more;
    place_t place;

    if (!locate(counters, key, &place))
        return APR_UINT32_MAX;
    for (;;) {
        scan(&place, second);
        if (place.total >= SCEP_COUNTERS_MAX)
            return SCEP_COUNTERS_MAX;
        more = number < SCEP_COUNTERS_MAX - place.total
                   ? number
                   : SCEP_COUNTERS_MAX - (uint32_t)place.total;
        if (!place.counting) {
            if (begin(&place, second, end, more))
                return more;
        } else if (swap(&place.counting->count, place.counting_word,
                        place.counting_word + more)) {
            return (apr_uint32_t)place.total + more;
        }
    }
}

apr_uint32_t scep_counters_add(scep_counters_t *counters, const char *key,
                               apr_interval_time_t window, apr_time_t now)
{
    return scep_counters_add_many(counters, key, 1, window, now);
}

/* Takes back so many events or all that there are: without one there is no
 * window, and the cell is free. */
static uint32_t take_back(scep_counters_t *counters, const char *key,
                          uint32_t most, apr_time_t now)
{
    uint32_t taken = 0;
    place_t place;

    if (!locate(counters, key, &place))
        return 0;
    for (scan(&place, seconds(now)); place.counting && taken < most;
         scan(&place, seconds(now))) {
        uint64_t word = place.counting_word;
        uint32_t count = (uint32_t)(word & SCEP_COUNTERS_MAX);
        uint32_t number = count < most - taken ? count : most - taken;

        if (swap(&place.counting->count, word,
                 number < count ? word - number : 0))
            taken += number;
    }
    return taken;
}

void scep_counters_undo(scep_counters_t *counters, const char *key,
                        apr_time_t now)
{
    (void)take_back(counters, key, 1, now);
}

apr_uint32_t scep_counters_forget(scep_counters_t *counters, const char *key,
                                  apr_time_t now)
{
    return take_back(counters, key, UINT32_MAX, now);
}

apr_uint32_t scep_counters_get(const scep_counters_t *counters,
                               const char *key, apr_time_t now,
                               apr_time_t *ends)
{
    place_t place;

    if (!locate(counters, key, &place)) {
        *ends = now + APR_USEC_PER_SEC;
        return APR_UINT32_MAX;
    }
    scan(&place, seconds(now));
    if (place.total)
        *ends = apr_time_from_sec(place.ends);
    return place.total > SCEP_COUNTERS_MAX ? SCEP_COUNTERS_MAX
                                           : (apr_uint32_t)place.total;
}
