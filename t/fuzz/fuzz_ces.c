/* fuzz_ces.c - fuzz target: answers of ADCS's enrolment web service
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <openssl/err.h>

#include "../../ca-connectors/adcs/adcs_decode.h"
#include "../../ca-connectors/adcs/adcs_names.h"
#include "../../ca-connectors/adcs/ces_proto.h"
#include "fuzz.h"

const char *const fuzz_seeds[] = { "t/fuzz/corpus/ces", "t/fuzz/corpus/csr",
                                   NULL };

static apr_pool_t *pool;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    if (apr_initialize() != APR_SUCCESS ||
        apr_pool_create(&pool, NULL) != APR_SUCCESS)
        abort();
    scep_ces_proto_init();
    return 0;
}

/* Whatever an answer says, poll asks the same server. */
static void follow(const char *handle)
{
    static const char url[] = "https://ces.example/CES";
    const char *id;
    const char *next = scep_ces_proto_handle(handle, url, &id, pool);

    if (!next || strncasecmp(next, url, sizeof("https://ces.example") - 1))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int statuses[] = { 200, 500, 403 };
    const char *body = apr_pstrmemdup(pool, (const char *)data, size);

    for (size_t i = 0; i < sizeof(statuses) / sizeof(*statuses); i++)
        for (int polled = 0; polled < 2; polled++) {
            scep_ca_result_t result = { 0 };

            scep_ces_proto_answered(statuses[i], body, size,
                                    polled ? "1" : NULL, &result, pool);
            if ((result.outcome == SCEP_CA_ISSUED) !=
                (result.certificate != NULL))
                abort();
            if (result.outcome == SCEP_CA_PENDING && !result.handle)
                abort();
            if (result.handle)
                follow(result.handle);
        }
    scep_adcs_certificate(body, size, pool);
    scep_adcs_chain(body, size, NULL, pool);
    scep_adcs_names_check(data, size, pool);
    if (ERR_peek_error())
        abort();
    apr_pool_clear(pool);
    return 0;
}
