/* fuzz_query.c - fuzz target: the query string of a GET
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <openssl/err.h>

#include "fuzz.h"
#include "query.h"

#define MESSAGE_MAX 4096

const char *const fuzz_seeds[] = { "t/fuzz/corpus/query", NULL };

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *args = apr_pstrmemdup(pool, (const char *)data, size);
    scep_result_t res = SCEP_RESULT_INIT;
    scep_query_t query;
    const unsigned char *der;
    apr_size_t len;

    if (scep_query_parse(&query, args, &res, pool) == APR_SUCCESS &&
        scep_query_message(query.message, MESSAGE_MAX, &der, &len, &res,
                           pool) == APR_SUCCESS) {
        if (len == 0 || len > MESSAGE_MAX)
            abort();
    } else if (res.reason != SCEP_REASON_BAD_QUERY || !res.detail) {
        abort();
    }
    if (ERR_peek_error())
        abort();
    apr_pool_clear(pool);
    return 0;
}
