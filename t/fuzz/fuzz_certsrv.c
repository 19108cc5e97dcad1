/* fuzz_certsrv.c - fuzz target: pages of ADCS's web enrolment
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <openssl/err.h>

#include "../../ca-connectors/adcs/adcs_decode.h"
#include "../../ca-connectors/adcs/certsrv_proto.h"
#include "fuzz.h"

const char *const fuzz_seeds[] = { "t/fuzz/corpus/certsrv", NULL };

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

static void check(const scep_ca_result_t *result)
{
    if ((result->outcome == SCEP_CA_ISSUED) != (result->certificate != NULL) ||
        (result->outcome == SCEP_CA_PENDING && !result->handle) ||
        ERR_peek_error())
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *body = apr_pstrmemdup(pool, (const char *)data, size);

    for (int guessed = 0; guessed < 2; guessed++) {
        scep_certsrv_ticket_t ticket = { .ids = { 7 },
                                         .count = 1,
                                         .guessed = guessed };
        scep_ca_result_t result = { 0 };

        scep_certsrv_proto_fetched(200, body, size, &ticket, 7, &result, pool);
        check(&result);
    }
    for (int status = 200; status <= 500; status += 100) {
        scep_certsrv_ticket_t ticket = { 0 }, again;
        scep_ca_result_t result = { 0 };

        if (scep_certsrv_proto_submitted(status, body, size, &ticket, &result,
                                         pool) &&
            !scep_certsrv_proto_read_handle(scep_certsrv_proto_handle(&ticket,
                                                                      pool),
                                            &again))
            abort();
        check(&result);
    }
    scep_certsrv_proto_issuers(200, body, size, pool);
    scep_adcs_chain(body, size, NULL, pool);
    if (ERR_peek_error())
        abort();
    apr_pool_clear(pool);
    return 0;
}
