/* fuzz_webhook.c - fuzz target: what a webhook answers and what it is asked
 * SPDX-License-Identifier: Apache-2.0
 *
 * The input is an answer, and, where OpenSSL reads one, a request.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <jansson.h>
#include <openssl/err.h>

#include "../../mod_scep/httpd/webhook_proto.h"
#include "fuzz.h"

const char *const fuzz_seeds[] = { "t/fuzz/corpus/webhook",
                                   "t/fuzz/corpus/csr", NULL };

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

static void read_answer(const uint8_t *data, size_t size)
{
    scep_webhook_answer_t answer;
    json_t *reason;

    scep_webhook_answer(200, (const char *)data, size, &answer, pool);
    if ((answer.outcome == SCEP_WEBHOOK_ALLOWED) != (answer.reason == NULL))
        abort();
    if (answer.reason) {
        reason = json_string(answer.reason);
        if (!reason || strlen(answer.reason) > 255)
            abort();
        json_decref(reason);
    }
}

static void ask(const uint8_t *data, size_t size)
{
    const unsigned char *der = data;
    X509_REQ *csr = d2i_X509_REQ(NULL, &der, (long)size);
    STACK_OF(X509_EXTENSION) *extensions;
    GENERAL_NAMES *sans;
    scep_verify_request_t request = { .challenge = "secret",
                                      .transaction_id = "1",
                                      .csr = data,
                                      .csr_len = size };
    scep_verify_end_t end = { .reason = "no" };
    scep_webhook_grant_t grant, thawed;
    const char *fault;
    char *body;
    apr_size_t len;

    ERR_clear_error();
    if (!csr)
        return;
    extensions = X509_REQ_get_extensions(csr);
    sans = extensions
               ? X509V3_get_d2i(extensions, NID_subject_alt_name, NULL, NULL)
               : NULL;
    ERR_clear_error();
    request.subject = X509_REQ_get_subject_name(csr);
    request.sans = sans;
    fault = scep_webhook_question(&body, &len, "profile", &request, pool);
    if (!fault &&
        (strlen(body) != len || !scep_webhook_grant(&grant, &request, pool) ||
         !scep_webhook_thaw(&thawed, grant.text, pool) ||
         !scep_webhook_notice("profile", &thawed, &end, pool)))
        abort();
    GENERAL_NAMES_free(sans);
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    X509_REQ_free(csr);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scep_webhook_key_t key;

    read_answer(data, size);
    ERR_clear_error();
    ask(data, size);
    (void)scep_webhook_key(&key,
                           apr_pstrmemdup(pool, (const char *)data, size),
                           pool);
    if (ERR_peek_error())
        abort();
    apr_pool_clear(pool);
    return 0;
}
