/* fuzz_ejbca.c - fuzz target: answers of EJBCA's REST API
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <openssl/err.h>

#include "../../ca-connectors/ejbca/ejbca_proto.h"
#include "fuzz.h"

const char *const fuzz_seeds[] = { "t/fuzz/corpus/ejbca", NULL };

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
    static const int statuses[] = { 201, 400, 403, 500 };
    static const unsigned char key[32];
    const char *body = apr_pstrmemdup(pool, (const char *)data, size);
    const char *text;
    X509 *found = NULL;
    X509_CRL *crl = NULL;

    for (size_t i = 0; i < sizeof(statuses) / sizeof(*statuses); i++) {
        scep_ca_result_t result = { 0 };

        scep_ejbca_proto_ordered(statuses[i], body, size, &result, pool);
        if ((result.outcome == SCEP_CA_ISSUED) != (result.certificate != NULL))
            abort();
    }
    if (scep_ejbca_proto_found(200, body, size, key, 0, &found) == APR_SUCCESS)
        X509_free(found);
    scep_ejbca_proto_read_crl(body, size, &crl, pool);
    scep_ejbca_proto_issuer(body, size, "CA", pool);
    scep_ejbca_proto_status(200, body, size, &text, pool);
    if (ERR_peek_error())
        abort();
    apr_pool_clear(pool);
    return 0;
}
