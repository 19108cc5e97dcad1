/* fuzz_message.c - fuzz target: a pkiMessage, and the reply to it
 * SPDX-License-Identifier: Apache-2.0
 *
 * An input that begins with 'e' is a pkcsPKIEnvelope to be signed first:
 * no mutation of a signed message would get behind its signature.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "../unit/support.h"
#include "csr.h"
#include "fuzz.h"
#include "message.h"

/* a century: signed just now, or long ago, is no reason to stop */
#define SKEW apr_time_from_sec((apr_int64_t)36525 * 24 * 60 * 60)

const char *const fuzz_seeds[] = { "t/fuzz/corpus/message", "t/data", NULL };

static apr_pool_t *shared, *pool;
static scep_alg_t *alg;
static const scep_oid_t *oid;
static scep_ra_t ra;
static support_request_t request;

static void load_ra(void)
{
    const char *source = getenv("srcdir");
    const char *path =
        apr_pstrcat(shared, source ? source : ".", "/t/data/ra.pem", NULL);
    BIO *bio = BIO_new_file(path, "r");

    if (!bio || !(ra.sign.cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) ||
        !(ra.sign.key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL)))
        abort();
    BIO_free(bio);
    ra.decrypt = apr_array_make(shared, 1, sizeof(scep_ra_pair_t));
    APR_ARRAY_PUSH(ra.decrypt, scep_ra_pair_t) = ra.sign;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    EVP_PKEY *key;

    (void)argc;
    (void)argv;
    shared = support_pool();
    if (apr_pool_create(&pool, shared) != APR_SUCCESS ||
        scep_alg_create(&alg, 1, shared) != APR_SUCCESS ||
        scep_oid_create(&oid, shared) != APR_SUCCESS)
        abort();
    load_ra();
    key = support_ec("P-256", shared);
    support_request_init(&request,
                         support_cert("fuzz", key, NULL, NULL, NULL, shared),
                         key, ra.sign.cert, NULL, 0, shared);
    return 0;
}

static void reply(const scep_message_t *message, scep_result_t *outcome)
{
    static const unsigned char nonce[SCEP_NONCE_LEN];
    const scep_reply_form_t form = { 0, 0, 0 };
    scep_result_t res = SCEP_RESULT_INIT;
    const unsigned char *der;
    apr_size_t len;

    if (outcome->status == SCEP_STATUS_FAILURE && !outcome->http_status)
        scep_message_reply(message, outcome, NULL, NULL, nonce, &form, &ra,
                           alg, oid, &der, &len, &res, pool);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const scep_message_rule_t rule = {
        SCEP_DIGESTS_DEFAULT | SCEP_DIGESTS_LEGACY,
        SCEP_CIPHERS_DEFAULT | SCEP_CIPHERS_LEGACY, SKEW
    };
    scep_result_t res = SCEP_RESULT_INIT;
    const unsigned char *der = data;
    apr_size_t len = size;
    scep_message_t *message;
    scep_csr_t *csr;

    if (size > 0 && data[0] == 'e')
        der = support_sign(&request, data + 1, size - 1, &len, pool);
    if (scep_message_parse(&message, der, len, &rule, &ra, alg, oid,
                           apr_time_from_sec(1700000000), &res,
                           pool) == APR_SUCCESS &&
        message->data)
        scep_csr_parse(&csr, message->data, message->data_len,
                       message->signer_key, message->signer_spki,
                       message->signer_spki_len, &res, pool);
    if (message)
        reply(message, &res);
    if (ERR_peek_error())
        abort();
    apr_pool_clear(pool);
    return 0;
}
