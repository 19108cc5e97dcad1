/* challenge_quota.c - how many live challenges a requester has
 * SPDX-License-Identifier: Apache-2.0
 *
 * Nothing but a walk over the whole table tells, and a quota asks with each
 * issue.  So the header remembers what the last walks have found, each issue
 * adds one to that, and as challenges end by themselves it is never too few:
 * while it is within the quota, nobody has to walk.  When it is not, a walk
 * makes it exact again.
 *
 * A requester has a cell of one word:
 *
 *   digest(24) sequence(11) walking(1) number(28)
 *
 * The sequence changes when the cell becomes another requester's and when a
 * walk has set the number.  A walk notes the word, then walks, then sets the
 * number to what it has found and what was added meanwhile, if the sequence
 * is still the same.  Who issues makes the challenge visible, then adds: so
 * whatever the walk has not seen is added after it began.  A requester
 * without a cell has nothing added; what it issued is seen by the walk that
 * follows when it gets one.  Who dies between the two leaves the number
 * one too low, by a challenge that nobody was told of.  After a loss of power
 * the header may be older than the challenges, so who opens a table forgets
 * what it says.
 */
#include "challenge_record.h"

#define NUMBER UINT64_C(0x0fffffff)
#define WALKING (UINT64_C(1) << 28)
#define SEQUENCE (UINT64_C(0x7ff) << 29)
#define DIGEST (~(SEQUENCE | WALKING | NUMBER))

/** The cells that a requester's may be among, and what is in it then. */
typedef struct place_t {
    scep_word_t *cells;
    uint64_t digest;
} place_t;

static place_t place_of(const scep_table_t *table,
                        const char requester[SCEP_CHALLENGE_REQUESTER_MAX + 1])
{
    uint64_t h = scep_record_text(table, requester);
    place_t place = { table->header->requesters +
                          h % (SCEP_TABLE_REQUESTERS / SCEP_TABLE_CELLS) *
                              SCEP_TABLE_CELLS,
                      h & DIGEST };

    /* none at all is that of an empty cell */
    if (!place.digest)
        place.digest = DIGEST;
    return place;
}

static uint64_t next_sequence(uint64_t word)
{
    return (word + (UINT64_C(1) << 29)) & SEQUENCE;
}

void scep_table_add_issued(scep_table_t *table, const scep_record_t *record)
{
    place_t place = place_of(table, record->requester);

    for (int i = 0; i < SCEP_TABLE_CELLS; i++) {
        uint64_t word = atomic_load(&place.cells[i]);

        /* where it cannot count on, the cell is empty again */
        while ((word & DIGEST) == place.digest &&
               !atomic_compare_exchange_weak(&place.cells[i], &word,
                                             (word & NUMBER) == NUMBER
                                                 ? next_sequence(word)
                                                 : word + 1)) {
        }
    }
}

void scep_table_forget_counts(scep_table_t *table)
{
    for (int i = 0; i < SCEP_TABLE_REQUESTERS; i++) {
        scep_word_t *cell = &table->header->requesters[i];
        uint64_t word = atomic_load(cell);

        /* one that changes meanwhile is of a server that runs already */
        if (word & DIGEST)
            atomic_compare_exchange_strong(cell, &word, next_sequence(word));
    }
}

/** Finds the requester's cell, or gives it one.
 * @return NULL where others were quicker */
static scep_word_t *cell_of(const place_t *place, uint64_t *word)
{
    scep_word_t *cell =
        &place->cells[(place->digest >> 40) % SCEP_TABLE_CELLS];
    uint64_t before;

    for (int i = SCEP_TABLE_CELLS - 1; i >= 0; i--) {
        *word = atomic_load(&place->cells[i]);
        if ((*word & DIGEST) == place->digest)
            return &place->cells[i];
        if (!(*word & DIGEST))
            cell = &place->cells[i];
    }
    *word = atomic_load(cell);
    if ((*word & DIGEST) == place->digest)
        return cell;
    before = *word;
    *word = place->digest | next_sequence(before) | WALKING;
    return atomic_compare_exchange_strong(cell, &before, *word) ? cell : NULL;
}

/** Sets what a walk that began at word has found. */
static void remember(scep_word_t *cell, uint64_t word, apr_uint64_t found)
{
    uint64_t seen = atomic_load(cell), next;

    do {
        uint64_t number = found + ((seen - word) & NUMBER);

        if (((seen ^ word) & (DIGEST | SEQUENCE)) || number > NUMBER)
            return;
        next = (seen & DIGEST) | next_sequence(seen) | number;
    } while (!atomic_compare_exchange_weak(cell, &seen, next));
}

apr_uint64_t scep_table_count(scep_table_t *table, const char *requester,
                              apr_uint64_t limit, apr_time_t now)
{
    char cut[SCEP_CHALLENGE_REQUESTER_MAX + 1] = "";
    apr_uint64_t found;
    scep_word_t *cell;
    uint64_t word;
    place_t place;

    scep_record_copy_text(cut, requester);
    place = place_of(table, cut);
    cell = cell_of(&place, &word);
    if (cell && !(word & WALKING) && (word & NUMBER) <= limit)
        return word & NUMBER;
    /* nothing that is seen below may be older than the cell */
    atomic_thread_fence(memory_order_seq_cst);
    found = scep_table_count_live(table, now, cut);
    if (cell)
        remember(cell, word, found);
    return found;
}
