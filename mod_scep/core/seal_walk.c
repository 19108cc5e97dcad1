/* seal_walk.c - whether events are as they were when they were sealed
 * SPDX-License-Identifier: Apache-2.0
 */
#include "seal_walk.h"

#include <apr_strings.h>
#include <openssl/err.h>

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "seal_trust.h"

/* A seal some of whose events have not come yet. */
typedef struct open_seal_t {
    apr_int64_t number;
    apr_array_header_t *leaves; /**< scep_seal_leaf_t; NULL: unreadable */
    char *seen;                 /**< for each leaf: its event has come */
    int may_be_deleted;         /**< by retention: its events */
    apr_pool_t *p;
} open_seal_t;

/* Seals that are not there, or whose lists cannot be read. */
typedef struct gap_t {
    apr_int64_t first, last;
} gap_t;

/* An event with the number of a seal that is yet to come. */
typedef struct later_t {
    apr_int64_t number, seal;
} later_t;

struct scep_seal_walk_t {
    const scep_seal_setup_t *setup;
    scep_seal_trust_t *trust;
    scep_seal_sum_t sum;
    apr_int64_t event;         /**< number of the last event */
    apr_time_t time;           /**< of the last seal */
    apr_array_header_t *open;  /**< open_seal_t */
    apr_array_header_t *gaps;  /**< gap_t */
    apr_array_header_t *later; /**< later_t */
    apr_pool_t *p, *scratch;
};

static apr_status_t end_trust(void *trust)
{
    scep_seal_trust_free(trust);
    return APR_SUCCESS;
}

scep_seal_walk_t *scep_seal_walk_create(const scep_seal_setup_t *setup,
                                        apr_pool_t *p)
{
    scep_seal_walk_t *walk = apr_pcalloc(p, sizeof(*walk));

    walk->setup = setup;
    walk->p = p;
    apr_pool_create(&walk->scratch, p);
    walk->open = apr_array_make(p, 8, sizeof(open_seal_t));
    walk->gaps = apr_array_make(p, 4, sizeof(gap_t));
    walk->later = apr_array_make(p, 8, sizeof(later_t));
    walk->sum.signers = apr_array_make(p, 2, sizeof(scep_seal_signer_t));
    walk->trust = scep_seal_trust_create(setup->trusted, p);
    if (walk->trust)
        apr_pool_cleanup_register(p, walk->trust, end_trust,
                                  apr_pool_cleanup_null);
    return walk;
}

static void report(scep_seal_walk_t *walk, apr_int64_t seal, apr_int64_t event,
                   const char *what, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

static void report(scep_seal_walk_t *walk, apr_int64_t seal, apr_int64_t event,
                   const char *what, const char *fmt, ...)
{
    scep_seal_finding_t finding = { seal, event, what, NULL };
    va_list args;

    va_start(args, fmt);
    finding.text = apr_pvsprintf(walk->scratch, fmt, args);
    va_end(args);
    walk->sum.findings++;
    walk->setup->report(walk->setup->baton, &finding);
}

/* ------------------------------------------------------------------ */
/* Seals                                                                */

/* What can be said once no further event of a seal can come. */
static void close_seal(scep_seal_walk_t *walk, const open_seal_t *seal)
{
    for (int i = 0; i < seal->leaves->nelts; i++) {
        apr_int64_t number =
            APR_ARRAY_IDX(seal->leaves, i, scep_seal_leaf_t).number;

        if (seal->seen[i])
            continue;
        if (seal->may_be_deleted) {
            walk->sum.deleted++;
            continue;
        }
        report(walk, seal->number, number, "removed",
               "event %" APR_INT64_T_FMT " of seal %" APR_INT64_T_FMT
               " is missing",
               number, seal->number);
    }
    apr_pool_destroy(seal->p);
}

static int is_past(const open_seal_t *seal, apr_int64_t event)
{
    return APR_ARRAY_IDX(seal->leaves, seal->leaves->nelts - 1,
                         scep_seal_leaf_t)
               .number < event;
}

/* Closes what has no event from this one on. */
static void close_seals(scep_seal_walk_t *walk, apr_int64_t event)
{
    open_seal_t *open = (open_seal_t *)walk->open->elts;
    int kept = 0;

    for (int i = 0; i < walk->open->nelts; i++)
        if (is_past(&open[i], event))
            close_seal(walk, &open[i]);
        else
            open[kept++] = open[i];
    walk->open->nelts = kept;
}

static void add_gap(scep_seal_walk_t *walk, apr_int64_t first,
                    apr_int64_t last)
{
    gap_t *gap = apr_array_push(walk->gaps);

    gap->first = first;
    gap->last = last;
}

static int is_in_gap(const scep_seal_walk_t *walk, apr_int64_t seal)
{
    for (int i = 0; i < walk->gaps->nelts; i++) {
        const gap_t *gap = &APR_ARRAY_IDX(walk->gaps, i, gap_t);

        if (gap->first <= seal && seal <= gap->last)
            return 1;
    }
    return 0;
}

static void report_gap(scep_seal_walk_t *walk, apr_int64_t first,
                       apr_int64_t last)
{
    add_gap(walk, first, last);
    if (first == last) {
        report(walk, first, 0, "removed",
               "seal %" APR_INT64_T_FMT " is missing", first);
    } else {
        report(walk, first, 0, "removed",
               "seals %" APR_INT64_T_FMT " to %" APR_INT64_T_FMT
               " are missing",
               first, last);
    }
}

static void check_chain(scep_seal_walk_t *walk, const scep_seal_t *seal)
{
    if (seal->number > walk->sum.head + 1) {
        report_gap(walk, walk->sum.head + 1, seal->number - 1);
    } else if (walk->sum.head == 0
                   ? strspn(seal->previous, "0") != SCEP_SEAL_DIGEST_SIZE - 1
                   : strcmp(seal->previous, walk->sum.digest)) {
        report(walk, seal->number, 0, "chain",
               "seal %" APR_INT64_T_FMT " does not follow %s", seal->number,
               walk->sum.head ? "the seal that is before it"
                              : "from nothing, as the first one must");
    }
}

static void check_anchor(scep_seal_walk_t *walk, const scep_seal_t *seal)
{
    if (walk->setup->anchor && walk->setup->anchor == seal->number &&
        strcmp(walk->setup->anchor_digest, walk->sum.digest)) {
        report(walk, seal->number, 0, "replaced",
               "seal %" APR_INT64_T_FMT " is not the one that was noted",
               seal->number);
    }
}

/* Who has signed, for people to see. */
static void note_signer(scep_seal_walk_t *walk, X509 *certificate,
                        apr_int64_t number)
{
    scep_seal_signer_t *signer = NULL;

    for (int i = 0; i < walk->sum.signers->nelts; i++) {
        signer = &APR_ARRAY_IDX(walk->sum.signers, i, scep_seal_signer_t);
        if (!X509_cmp(signer->certificate, certificate))
            break;
        signer = NULL;
    }
    if (!signer) {
        if (!scep_seal_trust_keep(walk->trust, certificate))
            return;
        signer = apr_array_push(walk->sum.signers);
        signer->certificate = certificate;
        signer->first = number;
    }
    signer->last = number;
}

static void check_signature(scep_seal_walk_t *walk, const scep_seal_t *seal)
{
    X509 *certificate = scep_seal_certificate(seal, walk->scratch);
    EVP_PKEY *key = certificate ? X509_get0_pubkey(certificate) : NULL;
    const char *why;

    ERR_clear_error();
    if (!key) {
        report(walk, seal->number, 0, "changed",
               "seal %" APR_INT64_T_FMT " has no certificate that can be read",
               seal->number);
        return;
    }
    why = scep_seal_trust_refusal(walk->trust, certificate, seal->time,
                                  walk->scratch);
    if (why) {
        report(walk, seal->number, 0, "untrusted",
               "seal %" APR_INT64_T_FMT " is signed with a certificate that "
               "is not trusted: %s",
               seal->number, why);
    } else if (!scep_seal_is_signed(seal, key, walk->scratch)) {
        report(walk, seal->number, 0, "changed",
               "seal %" APR_INT64_T_FMT " is not what was signed",
               seal->number);
    } else {
        note_signer(walk, certificate, seal->number);
    }
}

/* Reads the list of events; NULL where it is none.  One that is not what
 * was sealed is better than none to find out what was changed. */
static apr_array_header_t *read_leaves(scep_seal_walk_t *walk,
                                       const scep_seal_t *seal, apr_pool_t *p)
{
    char root[SCEP_SEAL_DIGEST_SIZE] = "";
    apr_array_header_t *leaves = NULL;

    if (scep_seal_leaves(&leaves, seal, p) != APR_SUCCESS ||
        scep_seal_root(root, leaves, walk->scratch) != APR_SUCCESS ||
        strcmp(root, seal->root)) {
        report(walk, seal->number, 0, "changed",
               "the list of events of seal %" APR_INT64_T_FMT
               " is not what was sealed",
               seal->number);
    }
    if (!leaves)
        add_gap(walk, seal->number, seal->number);
    return leaves;
}

int scep_seal_walk_wants(const scep_seal_walk_t *walk, apr_int64_t seal)
{
    return seal > walk->sum.head && walk->sum.head < walk->setup->head;
}

static void open_seal(scep_seal_walk_t *walk, const scep_seal_t *seal)
{
    open_seal_t open = { .number = seal->number };

    apr_pool_create(&open.p, walk->p);
    open.may_be_deleted = walk->time < walk->setup->kept_since;
    open.leaves = read_leaves(walk, seal, open.p);
    if (!open.leaves) {
        apr_pool_destroy(open.p);
        return;
    }
    open.seen = apr_pcalloc(open.p, (apr_size_t)open.leaves->nelts);
    APR_ARRAY_PUSH(walk->open, open_seal_t) = open;
}

void scep_seal_walk_seal(scep_seal_walk_t *walk, const scep_seal_t *seal)
{
    if (seal->number <= walk->sum.head) {
        report(walk, seal->number, 0, "inserted",
               "seal %" APR_INT64_T_FMT " comes after seal %" APR_INT64_T_FMT,
               seal->number, walk->sum.head);
        apr_pool_clear(walk->scratch);
        return;
    }
    open_seal(walk, seal);
    check_chain(walk, seal);
    check_signature(walk, seal);
    if (scep_seal_digest(walk->sum.digest, seal, walk->scratch) != APR_SUCCESS)
        *walk->sum.digest = '\0';
    check_anchor(walk, seal);
    walk->sum.seals++;
    walk->sum.head = seal->number;
    walk->time = seal->time;
    /* what its events are compared with may lie behind them already */
    close_seals(walk, walk->event);
    apr_pool_clear(walk->scratch);
}

/* ------------------------------------------------------------------ */
/* Events                                                               */

static int compare(const void *number, const void *leaf)
{
    apr_int64_t a = *(const apr_int64_t *)number;
    apr_int64_t b = ((const scep_seal_leaf_t *)leaf)->number;

    return a < b ? -1 : a > b;
}

/* The place of an event in a seal's list, or -1. */
static int place_of(const open_seal_t *seal, apr_int64_t number)
{
    const scep_seal_leaf_t *leaves =
                               (const scep_seal_leaf_t *)seal->leaves->elts,
                           *found = bsearch(&number, leaves,
                                            (size_t)seal->leaves->nelts,
                                            sizeof(*leaves), compare);

    return found ? (int)(found - leaves) : -1;
}

static open_seal_t *find_open(scep_seal_walk_t *walk, apr_int64_t number)
{
    for (int i = 0; i < walk->open->nelts; i++) {
        open_seal_t *open = &APR_ARRAY_IDX(walk->open, i, open_seal_t);

        if (open->number == number)
            return open;
    }
    return NULL;
}

static void report_stranger(scep_seal_walk_t *walk,
                            const scep_sealed_event_t *event)
{
    const char *type = scep_event_name(event->event.type, walk->scratch);

    if (is_in_gap(walk, event->seal)) {
        report(walk, event->seal, event->number, "unproven",
               "event %" APR_INT64_T_FMT " (%s) cannot be proven without seal "
               "%" APR_INT64_T_FMT,
               event->number, type, event->seal);
    } else {
        report(walk, event->seal, event->number, "inserted",
               "event %" APR_INT64_T_FMT " (%s) is none of seal "
               "%" APR_INT64_T_FMT ", whose number it has",
               event->number, type, event->seal);
    }
}

static void check_event(scep_seal_walk_t *walk,
                        const scep_sealed_event_t *event)
{
    open_seal_t *open = find_open(walk, event->seal);
    int place = open ? place_of(open, event->number) : -1;
    unsigned char digest[SCEP_SEAL_DIGEST_LEN];

    if (place < 0) {
        report_stranger(walk, event);
        return;
    }
    open->seen[place] = 1;
    if (scep_seal_digest_event(digest, &event->event, walk->scratch) !=
            APR_SUCCESS ||
        memcmp(digest,
               APR_ARRAY_IDX(open->leaves, place, scep_seal_leaf_t).digest,
               sizeof(digest))) {
        report(walk, event->seal, event->number, "changed",
               "event %" APR_INT64_T_FMT " (%s) is not what was sealed with "
               "seal %" APR_INT64_T_FMT,
               event->number,
               scep_event_name(event->event.type, walk->scratch), event->seal);
        return;
    }
    walk->sum.sealed++;
}

void scep_seal_walk_event(scep_seal_walk_t *walk,
                          const scep_sealed_event_t *event)
{
    if (event->number <= walk->event) {
        report(walk, event->seal, event->number, "inserted",
               "event %" APR_INT64_T_FMT
               " comes after event %" APR_INT64_T_FMT,
               event->number, walk->event);
    } else {
        walk->event = event->number;
        close_seals(walk, event->number);
        if (event->seal == 0) {
            walk->sum.unsealed++;
        } else if (event->seal > walk->setup->head) {
            later_t *later = apr_array_push(walk->later);

            later->number = event->number;
            later->seal = event->seal;
        } else {
            check_event(walk, event);
        }
    }
    apr_pool_clear(walk->scratch);
}

/* ------------------------------------------------------------------ */
/* The end                                                              */

static void check_later(scep_seal_walk_t *walk, apr_int64_t head)
{
    for (int i = 0; i < walk->later->nelts; i++) {
        const later_t *later = &APR_ARRAY_IDX(walk->later, i, later_t);

        if (later->seal <= head) {
            walk->sum.later++;
            continue;
        }
        report(walk, later->seal, later->number, "inserted",
               "event %" APR_INT64_T_FMT " has the number of seal "
               "%" APR_INT64_T_FMT ", which does not exist",
               later->number, later->seal);
    }
}

static void check_tail(scep_seal_walk_t *walk)
{
    apr_int64_t wanted = walk->setup->head;

    if (walk->setup->anchor > wanted)
        wanted = walk->setup->anchor;
    if (wanted > walk->sum.head)
        report_gap(walk, walk->sum.head + 1, wanted);
}

const scep_seal_sum_t *scep_seal_walk_end(scep_seal_walk_t *walk,
                                          apr_int64_t head)
{
    for (int i = 0; i < walk->open->nelts; i++)
        close_seal(walk, &APR_ARRAY_IDX(walk->open, i, open_seal_t));
    walk->open->nelts = 0;
    check_later(walk, head);
    check_tail(walk);
    apr_pool_clear(walk->scratch);
    return &walk->sum;
}
