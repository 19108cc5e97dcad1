/* fuzz_cert_id.c - fuzz target: the content of a GetCert
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <openssl/err.h>

#include "cert_id.h"
#include "fuzz.h"

const char *const fuzz_seeds[] = { "t/fuzz/corpus/cert_id", NULL };

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
    scep_cert_id_t id = { NULL, NULL };

    if (!scep_cert_id_parse(&id, data, size, pool)) {
        size_t len = strlen(id.serial);

        if (!id.issuer || len == 0 || len > 2 * SCEP_SERIAL_MAX || len % 2 ||
            strspn(id.serial, "0123456789abcdef") != len)
            abort();
    }
    if (ERR_peek_error())
        abort();
    apr_pool_clear(pool);
    return 0;
}
