/* fuzz_static.c - fuzz target: a line of a file of static secrets
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <openssl/err.h>

#include "fuzz.h"
#include "static_secret.h"

const char *const fuzz_seeds[] = { "t/fuzz/corpus/static", NULL };

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
    static const unsigned char address[16] = { 0x20, 0x01, 0x0d, 0xb8 };
    const char *line = apr_pstrmemdup(pool, (const char *)data, size);
    scep_static_secret_t *secret;
    const char *err = scep_static_secret_parse(&secret, line, pool);

    if (err && (secret || !*err))
        abort();
    if (secret) {
        if (scep_static_secret_check_cost(&secret->cost) || !*secret->name ||
            secret->salt_len > SCEP_STATIC_SALT_MAX ||
            secret->hash_len > SCEP_STATIC_HASH_MAX || secret->hash_len == 0 ||
            secret->not_before < 0 || secret->not_after < 0)
            abort();
        scep_static_secret_refusal(secret, address, apr_time_from_sec(1));
        scep_static_secret_refusal(secret, NULL, secret->not_after);
    }
    if (ERR_peek_error())
        abort();
    apr_pool_clear(pool);
    return 0;
}
