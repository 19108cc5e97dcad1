/* fuzz_seal.c - fuzz target: seals and events as a server may send them
 * SPDX-License-Identifier: Apache-2.0
 *
 * Each line is a seal, "S" and its columns, or an event, "E", its number, its
 * seal and a text; columns are set apart by tabs.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <openssl/err.h>

#include "fuzz.h"
#include "seal_walk.h"

#define COLUMNS 8

const char *const fuzz_seeds[] = { "t/fuzz/corpus/seal", NULL };

static apr_pool_t *pool;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    if (apr_initialize() != APR_SUCCESS ||
        apr_pool_create(&pool, NULL) != APR_SUCCESS)
        abort();
    return 0;
}

static void report(void *baton, const scep_seal_finding_t *finding)
{
    if (!*finding->what || !*finding->text)
        abort();
    ++*(apr_int64_t *)baton;
}

static void feed_seal(scep_seal_walk_t *walk, char *const *column)
{
    const scep_seal_t seal = { .number = apr_atoi64(column[0]),
                               .time = apr_atoi64(column[1]),
                               .count = atoi(column[2]),
                               .leaves = column[3],
                               .root = column[4],
                               .previous = column[5],
                               .certificate = column[6],
                               .signature = column[7] };

    scep_seal_walk_seal(walk, &seal);
}

static void feed_event(scep_seal_walk_t *walk, char *const *column)
{
    scep_sealed_event_t event = { .number = apr_atoi64(column[0]),
                                  .seal = apr_atoi64(column[1]) };

    event.event.type = scep_event_type(column[2]);
    event.event.detail = column[3];
    scep_seal_walk_event(walk, &event);
}

static void feed(scep_seal_walk_t *walk, char *line)
{
    char *column[COLUMNS], kind = *line, *next = line + (kind != '\0');

    for (int i = 0; i < COLUMNS; i++) {
        column[i] = next;
        next += strcspn(next, "\t");
        if (*next)
            *next++ = '\0';
    }
    if (kind == 'S')
        feed_seal(walk, column);
    else if (kind == 'E')
        feed_event(walk, column);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = apr_pstrmemdup(pool, (const char *)data, size), *end;
    apr_int64_t findings = 0;
    scep_seal_setup_t setup = { .trusted = sk_X509_new_null(),
                                .head = 3,
                                .report = report,
                                .baton = &findings };
    scep_seal_walk_t *walk = scep_seal_walk_create(&setup, pool);
    const scep_seal_sum_t *sum;

    for (char *line = text; *line; line = end) {
        end = line + strcspn(line, "\n");
        if (*end)
            *end++ = '\0';
        feed(walk, line);
    }
    sum = scep_seal_walk_end(walk, 3);
    /* nobody is trusted: no seal is good */
    if (sum->findings != findings || findings < sum->seals ||
        sum->signers->nelts || ERR_peek_error())
        abort();
    apr_pool_clear(pool);
    sk_X509_free(setup.trusted);
    return 0;
}
