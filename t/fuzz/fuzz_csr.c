/* fuzz_csr.c - fuzz target: a PKCS#10, its names and the policy
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <openssl/err.h>

#include "fuzz.h"
#include "name_match.h"
#include "policy.h"
#include "policy_force.h"
#include "san_match.h"

const char *const fuzz_seeds[] = { "t/fuzz/corpus/csr", NULL };

static apr_pool_t *shared, *pool;
static scep_alg_t *alg;
static scep_weak_t *weak;
static apr_array_header_t *force, *allowed, *sans_allowed, *usages;

/* Rules that look at every part of a request. */
static int make_rules(apr_pool_t *p)
{
    static const char *const sans[] = { "dns:*a*", "ip:*",  "email:*@a*",
                                        "uri:*/*", "upn:*", "dirname:CN=*" };

    force = apr_array_make(p, 2, sizeof(scep_policy_force_t));
    allowed = apr_array_make(p, 1, sizeof(scep_name_pattern_t *));
    sans_allowed = apr_array_make(p, 6, sizeof(scep_san_pattern_t *));
    usages = apr_array_make(p, 1, sizeof(ASN1_OBJECT *));
    APR_ARRAY_PUSH(usages, ASN1_OBJECT *) = OBJ_nid2obj(NID_client_auth);
    for (int i = 0; i < 6; i++)
        if (scep_san_pattern_parse(apr_array_push(sans_allowed), sans[i], p))
            return 0;
    return scep_weak_create(&weak, p) == APR_SUCCESS &&
           !scep_policy_force_parse(apr_array_push(force), "CN=%{device}",
                                    p) &&
           !scep_policy_force_parse(apr_array_push(force), "OU=", p) &&
           !scep_name_attribute_pattern_parse(apr_array_push(allowed), "CN=d*",
                                              p);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    if (apr_initialize() != APR_SUCCESS ||
        apr_pool_create(&shared, NULL) != APR_SUCCESS ||
        apr_pool_create(&pool, shared) != APR_SUCCESS ||
        scep_alg_create(&alg, 0, shared) != APR_SUCCESS || !make_rules(shared))
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
                             .empty_subject = 1,
                             .weak = weak,
                             .force = force,
                             .allowed = allowed,
                             .sans_allowed = sans_allowed,
                             .usages_asked = usages };
    scep_result_t res = SCEP_RESULT_INIT;
    scep_policy_answer_t answer;
    scep_csr_t *csr;

    if (scep_csr_parse(&csr, data, size, NULL, NULL, 0, &res, pool) ==
        APR_SUCCESS) {
        scep_csr_verify(csr, SCEP_DIGESTS_DEFAULT, alg, &res, pool);
        check_name(csr->subject);
        scep_name_sans_text(csr->sans, pool);
        scep_name_sans_canonical(csr->sans, pool);
        for (int all = 1; all >= 0; all--) {
            /* without patterns, so that more is looked at */
            if (!all)
                policy.allowed = policy.sans_allowed = NULL;
            scep_policy_apply(&policy, csr, "d\xc3\xa4", &answer, &res, pool);
        }
    }
    if (ERR_peek_error())
        abort();
    apr_pool_clear(pool);
    return 0;
}
