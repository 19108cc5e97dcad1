/* fuzz_csr.c - fuzz target: a PKCS#10, its names and the policy
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <openssl/err.h>

#include "fuzz.h"
#include "policy.h"

const char *const fuzz_seeds[] = { "t/fuzz/corpus/csr", NULL };

static apr_pool_t *shared, *pool;
static scep_alg_t *alg;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    if (apr_initialize() != APR_SUCCESS ||
        apr_pool_create(&shared, NULL) != APR_SUCCESS ||
        apr_pool_create(&pool, shared) != APR_SUCCESS ||
        scep_alg_create(&alg, 0, shared) != APR_SUCCESS)
        abort();
    atexit(apr_terminate); /* LeakSanitizer does not look into pools */
    return 0;
}

/* A name with a canonical form has a text that is read back as that name. */
static void check_name(const X509_NAME *name)
{
    const char *canonical = scep_name_canonical(name, pool);
    X509_NAME *again;

    if (canonical &&
        (scep_name_parse(&again, scep_name_text(name, pool), pool) ||
         strcmp(scep_name_canonical(again, pool), canonical) != 0))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scep_policy_t policy = { .keys = SCEP_KEY_RULE_DEFAULT,
                             .sans = ~0u,
                             .empty_subject = 1 };
    scep_result_t res = SCEP_RESULT_INIT;
    scep_policy_answer_t answer;
    scep_csr_t *csr;

    if (scep_csr_parse(&csr, data, size, NULL, NULL, 0, &res, pool) ==
        APR_SUCCESS) {
        scep_csr_verify(csr, SCEP_DIGESTS_DEFAULT, alg, &res, pool);
        check_name(csr->subject);
        scep_name_sans_text(csr->sans, pool);
        scep_name_sans_canonical(csr->sans, pool);
        scep_policy_apply(&policy, csr, NULL, &answer, &res, pool);
    }
    if (ERR_peek_error())
        abort();
    apr_pool_clear(pool);
    return 0;
}
