/* message_bench.c - what messages and policy cost beside RSA operations
 * SPDX-License-Identifier: Apache-2.0
 *
 * One thread, one request over and over: reading it and building its
 * SUCCESS, next to the bare operations that RFC 8894 forces (reading: one
 * private, one public; the reply: the same).  And the policy: all of it, and
 * the tests of the key in it with a list of 100,000.  Prints microseconds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <apr_strings.h>
#include <openssl/rsa.h>

#include "../unit/support.h"
#include "csr.h"
#include "message.h"
#include "policy.h"

#define BATCHES 200
#define ROUNDS 10
#define LISTED 100000

typedef struct {
    apr_pool_t *p; /* cleared each round */
    const unsigned char *der;
    apr_size_t len;
    scep_message_rule_t rule;
    scep_reply_form_t form;
    scep_ra_t ra;
    scep_alg_t *alg;
    const scep_oid_t *oid;
    scep_message_t *message; /* for the replies */
    scep_csr_t *csr;
    scep_weak_t *weak;
    scep_policy_t policy;
    STACK_OF(X509) *certs;
    EVP_PKEY_CTX *sign, *verify, *encrypt, *decrypt;
    unsigned char digest[32], signature[512], wrapped[512];
    size_t signature_len, wrapped_len;
} bench_t;

static void need(int ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "message_bench: %s failed\n", what);
        exit(EXIT_FAILURE);
    }
}

static void raw_sign(bench_t *bench)
{
    size_t len = sizeof(bench->signature);

    need(EVP_PKEY_sign(bench->sign, bench->signature, &len, bench->digest,
                       sizeof(bench->digest)) > 0,
         "sign");
    bench->signature_len = len;
}

static void raw_decrypt(bench_t *bench)
{
    unsigned char key[512];
    size_t len = sizeof(key);

    need(EVP_PKEY_decrypt(bench->decrypt, key, &len, bench->wrapped,
                          bench->wrapped_len) > 0,
         "decrypt");
}

static void raw_verify(bench_t *bench)
{
    need(EVP_PKEY_verify(bench->verify, bench->signature, bench->signature_len,
                         bench->digest, sizeof(bench->digest)) == 1,
         "verify");
}

static void raw_encrypt(bench_t *bench)
{
    size_t len = sizeof(bench->wrapped);

    need(EVP_PKEY_encrypt(bench->encrypt, bench->wrapped, &len, bench->digest,
                          16) > 0,
         "encrypt");
    bench->wrapped_len = len;
}

static scep_message_t *read_request(bench_t *bench, apr_pool_t *p)
{
    scep_result_t result = SCEP_RESULT_INIT;
    scep_message_t *message;

    need(scep_message_parse(&message, bench->der, bench->len, &bench->rule,
                            &bench->ra, bench->alg, bench->oid, apr_time_now(),
                            &result, p) == APR_SUCCESS,
         "scep_message_parse");
    return message;
}

static void parse(bench_t *bench)
{
    read_request(bench, bench->p);
}

static void answer(bench_t *bench, const scep_result_t *outcome)
{
    static const unsigned char nonce[SCEP_NONCE_LEN];
    scep_result_t result = SCEP_RESULT_INIT;
    const unsigned char *der;
    apr_size_t len;

    need(scep_message_reply(bench->message, outcome, bench->certs, NULL, nonce,
                            &bench->form, &bench->ra, bench->alg, bench->oid,
                            &der, &len, &result, bench->p) == APR_SUCCESS,
         "scep_message_reply");
}

static void success(bench_t *bench)
{
    const scep_result_t outcome = SCEP_RESULT_INIT;

    answer(bench, &outcome);
}

static void failure(bench_t *bench)
{
    scep_result_t outcome = SCEP_RESULT_INIT;

    scep_result_fail(&outcome, bench->p, SCEP_REASON_CHALLENGE, "bench");
    answer(bench, &outcome);
}

static void test_key(bench_t *bench)
{
    need(!scep_weak_key(bench->weak, bench->csr->spki, bench->csr->spki_len),
         "scep_weak_key");
}

static void allow(bench_t *bench)
{
    scep_result_t result = SCEP_RESULT_INIT;
    scep_policy_answer_t allowed;

    need(scep_policy_apply(&bench->policy, bench->csr, NULL, &allowed, &result,
                           bench->p) == APR_SUCCESS,
         "scep_policy_apply");
}

static void prepare_policy(bench_t *bench, const unsigned char *csr,
                           apr_size_t len, apr_pool_t *p)
{
    const scep_policy_t policy = { .keys = SCEP_KEY_RULE_DEFAULT,
                                   .sans = SCEP_SANS_DEFAULT,
                                   .exponent = SCEP_EXPONENT_DEFAULT };
    char *list = apr_palloc(p, 21 * LISTED + 1);
    scep_result_t result = SCEP_RESULT_INIT;

    for (int i = 0; i < LISTED; i++)
        apr_snprintf(list + (apr_size_t)21 * i, 22, "%020d\n", i);
    need(scep_weak_create(&bench->weak, p) == APR_SUCCESS &&
             !scep_weak_add(bench->weak, list, 21 * LISTED, p),
         "scep_weak_create");
    need(scep_csr_parse(&bench->csr, csr, len, NULL, NULL, 0, &result, p) ==
             APR_SUCCESS,
         "scep_csr_parse");
    bench->policy = policy;
    bench->policy.keys.rsa_min = 1024;
    bench->policy.weak = bench->weak;
}

static void prepare(bench_t *bench, int bits)
{
    apr_pool_t *p = support_pool();
    EVP_PKEY *ra_key = support_rsa(bits, p), *key = support_rsa(bits, p);
    X509 *ra = support_cert("RA", ra_key, NULL, NULL,
                            "digitalSignature,keyEncipherment", p);
    X509 *signer = support_cert("device", key, NULL, NULL,
                                "digitalSignature,keyEncipherment", p);
    scep_ra_pair_t pair = { ra, ra_key };
    support_request_t request;
    apr_size_t csr_len;
    const unsigned char *csr =
        support_csr("device", key, "challenge", &csr_len, p);

    memset(bench, 0, sizeof(*bench));
    need(apr_pool_create(&bench->p, p) == APR_SUCCESS, "apr_pool_create");
    support_request_init(&request, signer, key, ra, csr, csr_len, p);
    bench->der = support_request(&request, &bench->len, p);
    bench->rule.digests = SCEP_DIGESTS_DEFAULT;
    bench->rule.ciphers = SCEP_CIPHERS_DEFAULT;
    bench->ra.sign = pair;
    bench->ra.decrypt = apr_array_make(p, 1, sizeof(pair));
    APR_ARRAY_PUSH(bench->ra.decrypt, scep_ra_pair_t) = pair;
    need(scep_alg_create(&bench->alg, 0, p) == APR_SUCCESS, "scep_alg_create");
    need(scep_oid_create(&bench->oid, p) == APR_SUCCESS, "scep_oid_create");
    bench->certs = sk_X509_new_null();
    need(sk_X509_push(bench->certs, signer) > 0, "sk_X509_push");
    bench->sign = EVP_PKEY_CTX_new(ra_key, NULL);
    bench->verify = EVP_PKEY_CTX_new(ra_key, NULL);
    bench->encrypt = EVP_PKEY_CTX_new(ra_key, NULL);
    bench->decrypt = EVP_PKEY_CTX_new(ra_key, NULL);
    need(EVP_PKEY_sign_init(bench->sign) > 0 &&
             EVP_PKEY_CTX_set_signature_md(bench->sign, EVP_sha256()) > 0 &&
             EVP_PKEY_verify_init(bench->verify) > 0 &&
             EVP_PKEY_CTX_set_signature_md(bench->verify, EVP_sha256()) > 0 &&
             EVP_PKEY_encrypt_init(bench->encrypt) > 0 &&
             EVP_PKEY_decrypt_init(bench->decrypt) > 0,
         "EVP_PKEY_CTX_new");
    bench->message = read_request(bench, p);
    prepare_policy(bench, csr, csr_len, p);
}

static void finish(bench_t *bench)
{
    sk_X509_free(bench->certs);
    EVP_PKEY_CTX_free(bench->sign);
    EVP_PKEY_CTX_free(bench->verify);
    EVP_PKEY_CTX_free(bench->encrypt);
    EVP_PKEY_CTX_free(bench->decrypt);
}

typedef struct {
    void (*run)(bench_t *);
    double best; /* microseconds */
} operation_t;

/* Microseconds of this process: other processes do not count. */
static double used(void)
{
    struct timespec now;

    need(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now) == 0, "clock_gettime");
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* The best batch counts: what else runs on the machine only ever adds.  The
 * operations take turns, so that all see the same machine. */
static void measure(bench_t *bench, operation_t *operations, int n)
{
    for (int i = 0; i < BATCHES * n; i++) {
        operation_t *operation = &operations[i % n];
        double start = used(), took;

        for (int round = 0; round < ROUNDS; round++) {
            operation->run(bench);
            apr_pool_clear(bench->p);
        }
        took = (used() - start) / ROUNDS;
        if (i < n || took < operation->best)
            operation->best = took;
    }
}

enum {
    SIGN,
    VERIFY,
    ENCRYPT,
    DECRYPT,
    PARSE,
    SUCCESS,
    FAILURE,
    POLICY,
    WEAK,
    OPERATIONS
};

static void print(const char *name, double took, double rsa)
{
    printf("%-8s %7.1f us, of which RSA %7.1f, the rest %5.1f\n", name, took,
           rsa, took - rsa);
}

int main(int argc, char **argv)
{
    operation_t all[OPERATIONS] = {
        [SIGN] = { raw_sign, 0 },       [VERIFY] = { raw_verify, 0 },
        [ENCRYPT] = { raw_encrypt, 0 }, [DECRYPT] = { raw_decrypt, 0 },
        [PARSE] = { parse, 0 },         [SUCCESS] = { success, 0 },
        [FAILURE] = { failure, 0 },     [POLICY] = { allow, 0 },
        [WEAK] = { test_key, 0 },
    };
    bench_t bench;

    prepare(&bench, argc > 1 ? atoi(argv[1]) : 2048);
    raw_sign(&bench);
    raw_encrypt(&bench);
    measure(&bench, all, OPERATIONS);
    printf("bare RSA: sign %.1f, decrypt %.1f, verify %.1f, encrypt %.1f\n",
           all[SIGN].best, all[DECRYPT].best, all[VERIFY].best,
           all[ENCRYPT].best);
    print("parse", all[PARSE].best, all[DECRYPT].best + all[VERIFY].best);
    print("SUCCESS", all[SUCCESS].best, all[SIGN].best + all[ENCRYPT].best);
    print("FAILURE", all[FAILURE].best, all[SIGN].best);
    printf("policy   %7.1f us, of which tests of the key %.1f\n",
           all[POLICY].best, all[WEAK].best);
    finish(&bench);
    return EXIT_SUCCESS;
}
