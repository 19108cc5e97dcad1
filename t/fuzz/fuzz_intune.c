/* fuzz_intune.c - fuzz target: what Microsoft's servers answer
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <openssl/err.h>

#include "fuzz.h"
#include "httpd/intune_proto.h"

const char *const fuzz_seeds[] = { "t/fuzz/corpus/intune", NULL };

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

/* What goes into the log is short and has no control characters. */
static void check_words(const char *words)
{
    if (strlen(words) > 512)
        abort();
    for (; *words; words++)
        if (*words < ' ' || *words > '~')
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    scep_intune_token_t token;
    scep_intune_answer_t answer;
    const char *location, *action, *body;

    if (!mod_scep_intune_read_token(text, size, &token, pool)) {
        if (strpbrk(token.text, "\r\n ") || token.lifetime <= 0)
            abort();
    }
    if (!mod_scep_intune_read_services(text, size, &location, pool) &&
        !location)
        abort();
    if (!mod_scep_intune_read_answer(text, size, &answer, pool)) {
        check_words(answer.words);
        if (answer.success && strncmp(answer.words, "Success", 7))
            abort();
    }
    check_words(mod_scep_intune_fault(text, size, pool));
    if (mod_scep_intune_unpack(text, size, &action, &body, pool) &&
        strcmp(action, SCEP_INTUNE_SUCCESS) &&
        strcmp(action, SCEP_INTUNE_FAILURE))
        abort();
    if (ERR_peek_error())
        abort();
    apr_pool_clear(pool);
    return 0;
}
