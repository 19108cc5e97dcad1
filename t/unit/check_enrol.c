/* check_enrol.c - the outcome table, and that nobody slips past it
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <check.h>
#include <openssl/err.h>

#include "enrol.h"
#include "run.h"

#define NOW apr_time_from_sec(1800000000)

/* What the fake world was asked, and what it says. */
typedef struct world_t {
    scep_verify_outcome_t verdict;
    int breach;
    scep_ca_result_t answer;
    apr_status_t settle_status;
    int verified, submitted, settled, spent, revoked;
    scep_challenge_facts_t facts;
    char *challenge;
    int renewal;
    scep_verify_end_t end;
} world_t;

static apr_pool_t *pool;
static EVP_PKEY *device_key, *other_key, *ca_key;
static X509 *ca_cert;
static STACK_OF(X509) *chain;
static scep_alg_t *alg;
static scep_message_t message;
static scep_enrol_profile_t profile;
static world_t world;
static int ask_san; /* the next CSR has a subjectAltName */

static X509 *make_cert(EVP_PKEY *key, const char *cn, X509 *issuer,
                       EVP_PKEY *signer)
{
    X509 *cert = X509_new();
    X509_NAME *name = X509_get_subject_name(cert);

    X509_set_version(cert, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 4711);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                               (const unsigned char *)cn, -1, -1, 0);
    X509_set_issuer_name(cert, issuer ? X509_get_subject_name(issuer) : name);
    ASN1_TIME_set(X509_getm_notBefore(cert), apr_time_sec(NOW) - 3600);
    ASN1_TIME_set(X509_getm_notAfter(cert), apr_time_sec(NOW) + 86400);
    X509_set_pubkey(cert, key);
    if (!issuer) {
        X509_EXTENSION *ext =
            X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints,
                                "critical,CA:TRUE");
        X509_add_ext(cert, ext, -1);
        X509_EXTENSION_free(ext);
    }
    ck_assert_int_gt(X509_sign(cert, signer, EVP_sha256()), 0);
    return cert;
}

static void make_csr(EVP_PKEY *key, const char *challenge)
{
    X509_REQ *req = X509_REQ_new();
    unsigned char *der = NULL;
    int len;

    X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(req), "CN",
                               MBSTRING_UTF8, (const unsigned char *)"device",
                               -1, -1, 0);
    X509_REQ_set_pubkey(req, key);
    if (challenge) {
        X509_REQ_add1_attr_by_NID(req, NID_pkcs9_challengePassword,
                                  MBSTRING_ASC,
                                  (const unsigned char *)challenge, -1);
    }
    if (ask_san) {
        STACK_OF(X509_EXTENSION) *exts = sk_X509_EXTENSION_new_null();
        sk_X509_EXTENSION_push(exts,
                               X509V3_EXT_conf_nid(NULL, NULL,
                                                   NID_subject_alt_name,
                                                   "DNS:device.example"));
        X509_REQ_add_extensions(req, exts);
        sk_X509_EXTENSION_pop_free(exts, X509_EXTENSION_free);
    }
    ck_assert_int_gt(X509_REQ_sign(req, key, EVP_sha256()), 0);
    len = i2d_X509_REQ(req, &der);
    message.data = apr_pmemdup(pool, der, (apr_size_t)len);
    message.data_len = (apr_size_t)len;
    OPENSSL_free(der);
    X509_REQ_free(req);
}

static void sign_with(EVP_PKEY *key)
{
    unsigned char *der = NULL;
    int len = i2d_PUBKEY(key, &der);

    X509_free(message.signer);
    message.signer = make_cert(key, "device", NULL, key);
    message.signer_key = X509_get0_pubkey(message.signer);
    message.signer_spki = apr_pmemdup(pool, der, (apr_size_t)len);
    message.signer_spki_len = (apr_size_t)len;
    OPENSSL_free(der);
}

static void fake_verify(void *baton, const scep_verify_request_t *request,
                        scep_verify_result_t *result, apr_pool_t *p)
{
    (void)p;
    ck_assert_ptr_eq(baton, &world);
    ck_assert_int_eq(request->ca_longest, profile.ca_longest);
    world.verified++;
    world.renewal = request->renewal;
    world.facts = request->facts;
    world.challenge =
        request->challenge ? apr_pstrdup(pool, request->challenge) : NULL;
    result->outcome = world.verdict;
    result->breach = world.breach;
    result->token = &world;
    result->id = "0123456789abcdef";
    result->reason = "as the test says";
}

static apr_status_t fake_settle(void *baton, void *token,
                                const scep_record_t *record,
                                const scep_verify_end_t *end, apr_pool_t *p)
{
    (void)p;
    ck_assert_str_eq(record->profile, profile.name);
    ck_assert_ptr_eq(baton, &world);
    ck_assert_ptr_eq(token, &world);
    world.settled++;
    world.spent = end->spend;
    world.end = *end;
    return world.settle_status;
}

static void fake_submit(void *baton, const scep_ca_request_t *request,
                        scep_ca_result_t *result, apr_pool_t *p)
{
    (void)p;
    ck_assert_ptr_eq(baton, &world);
    ck_assert_uint_eq(strlen(request->idempotency_key), 64);
    ck_assert_uint_eq(request->csr_len, message.data_len);
    world.submitted++;
    *result = world.answer;
}

static apr_time_t fake_clock(void *baton)
{
    (void)baton;
    return NOW;
}

static void fake_revoke(void *baton, X509 *certificate, apr_pool_t *p)
{
    (void)p;
    ck_assert_ptr_eq(baton, &world);
    ck_assert_ptr_eq(certificate, world.answer.certificate);
    world.revoked++;
}

static void run_here(void *baton, scep_work_t *work, apr_pool_t *p)
{
    ck_assert_ptr_eq(baton, &world);
    scep_work_run(work, p);
}

static const scep_work_ops_t work_ops = { .clock = fake_clock,
                                          .submit = fake_submit,
                                          .revoke = fake_revoke,
                                          .settle = fake_settle };

static scep_result_t run(scep_enrol_answer_t *answer)
{
    const scep_enrol_ops_t ops = { .baton = &world,
                                   .work_baton = &world,
                                   .verify = fake_verify,
                                   .work = &work_ops,
                                   .run = run_here };
    scep_result_t res = SCEP_RESULT_INIT;

    scep_enrol_run(&message, &profile, &ops, alg, NULL, NOW, answer, &res,
                   pool);
    ck_assert_uint_eq(ERR_peek_error(), 0);
    /* Whatever happens, a grant is settled once and never without one. */
    ck_assert_int_eq(world.settled,
                     world.verified && world.verdict == SCEP_VERIFY_GRANTED);
    ck_assert(!answer->certificate || res.reason == SCEP_REASON_NONE);
    return res;
}

static void setup(void)
{
    static const scep_key_rule_t keys = SCEP_KEY_RULE_DEFAULT;

    apr_pool_create(&pool, NULL);
    memset(&world, 0, sizeof(world));
    ask_san = 0;
    memset(&message, 0, sizeof(message));
    memset(&profile, 0, sizeof(profile));
    ck_assert_int_eq(scep_alg_create(&alg, 0, pool), APR_SUCCESS);
    profile.name = "default";
    profile.policy.keys = keys;
    profile.policy.sans = SCEP_SANS_DEFAULT;
    profile.policy.extensions = apr_array_make(pool, 1, sizeof(void *));
    profile.digests = SCEP_DIGESTS_DEFAULT;
    profile.chain = chain;
    message.type = SCEP_TYPE_PKCS_REQ;
    message.transaction_id = "4711";
    message.digest = SCEP_DIGEST_SHA256;
    message.cipher = SCEP_CIPHER_AES128;
    sign_with(device_key);
    make_csr(device_key, "SECRET");
    world.verdict = SCEP_VERIFY_GRANTED;
    world.answer.outcome = SCEP_CA_ISSUED;
    world.answer.certificate =
        make_cert(device_key, "device", ca_cert, ca_key);
}

static void teardown(void)
{
    X509_free(message.signer);
    X509_free(world.answer.certificate);
    apr_pool_destroy(pool);
}

static void make_keys(void)
{
    device_key = EVP_RSA_gen(2048);
    other_key = EVP_RSA_gen(2048);
    ca_key = EVP_EC_gen("P-256");
    ca_cert = make_cert(ca_key, "CA", NULL, ca_key);
    chain = sk_X509_new_null();
    sk_X509_push(chain, ca_cert);
}

static void free_keys(void)
{
    sk_X509_free(chain);
    X509_free(ca_cert);
    EVP_PKEY_free(device_key);
    EVP_PKEY_free(other_key);
    EVP_PKEY_free(ca_key);
}

START_TEST(issued_is_success_and_spends)
{
    scep_enrol_answer_t answer;
    scep_result_t res;

    world.answer.reason = "cut";
    res = run(&answer);

    ck_assert_msg(res.reason == SCEP_REASON_NONE, "%s", res.detail);
    ck_assert_int_eq(res.status, SCEP_STATUS_SUCCESS);
    ck_assert_ptr_eq(answer.certificate, world.answer.certificate);
    ck_assert_str_eq(answer.verified_by, "0123456789abcdef");
    ck_assert_str_eq(answer.remark, "cut");
    ck_assert_str_eq(world.challenge, "SECRET");
    ck_assert_str_eq(world.facts.profile, "default");
    ck_assert_int_eq(world.spent, 1);
}
END_TEST

/* CVE-2026-30836: a type that nobody thought of skipped the challenge. */
START_TEST(c38_every_other_type_is_refused_unasked)
{
    scep_enrol_answer_t answer;
    scep_result_t res;

    message.type = _i - 1;
    if (message.type == SCEP_TYPE_PKCS_REQ)
        return;
    res = run(&answer);
    ck_assert_int_eq(res.status, SCEP_STATUS_FAILURE);
    ck_assert_int_eq(res.reason, message.type == SCEP_TYPE_CERT_POLL
                                     ? SCEP_REASON_NO_TRANSACTION
                                     : SCEP_REASON_MESSAGE_TYPE);
    ck_assert_int_eq(res.fail_info, message.type == SCEP_TYPE_CERT_POLL
                                        ? SCEP_FAIL_BAD_CERT_ID
                                        : SCEP_FAIL_BAD_REQUEST);
    ck_assert_int_eq(world.verified, 0);
    ck_assert_int_eq(world.submitted, 0);
}
END_TEST

START_TEST(r35_another_key_than_the_signers_is_refused)
{
    scep_enrol_answer_t answer;
    scep_result_t res;

    make_csr(other_key, "SECRET");
    res = run(&answer);
    ck_assert_int_eq(res.reason, SCEP_REASON_SIGNER);
    ck_assert_int_eq(world.verified, 0);
}
END_TEST

/* The verifiers are told what counts as proof. */
START_TEST(c71_a_renewal_is_known_as_one)
{
    scep_enrol_answer_t answer;

    profile.renewal = 1;
    run(&answer);
    ck_assert_int_eq(world.renewal, 0);
    world.settled = 0;
    message.type = SCEP_TYPE_RENEWAL_REQ;
    ck_assert_int_eq(run(&answer).status, SCEP_STATUS_SUCCESS);
    ck_assert_int_eq(world.renewal, 1);
    world.settled = 0;
    message.type = SCEP_TYPE_PKCS_REQ;
    make_csr(other_key, NULL);
    run(&answer);
    ck_assert_int_eq(world.verified, 3);
    ck_assert_int_eq(world.renewal, 1);
}
END_TEST

START_TEST(r38_a_renewal_needs_a_certificate)
{
    scep_enrol_answer_t answer;

    profile.renewal = 1;
    X509_free(message.signer);
    message.signer = NULL;
    message.type = SCEP_TYPE_RENEWAL_REQ;
    ck_assert_int_eq(run(&answer).reason, SCEP_REASON_MESSAGE_TYPE);
    message.type = SCEP_TYPE_PKCS_REQ;
    make_csr(other_key, "SECRET");
    ck_assert_int_eq(run(&answer).reason, SCEP_REASON_SIGNER);
    ck_assert_int_eq(world.verified, 0);
}
END_TEST

START_TEST(c43_possession_is_proven_before_anybody_is_asked)
{
    scep_enrol_answer_t answer;
    unsigned char *der = apr_pmemdup(pool, message.data, message.data_len);
    scep_result_t res, other = SCEP_RESULT_INIT;

    der[message.data_len - 1] ^= 1;
    message.data = der;
    res = run(&answer);
    ck_assert_int_eq(res.reason, SCEP_REASON_POP);
    ck_assert_int_eq(res.fail_info, SCEP_FAIL_BAD_MESSAGE_CHECK);
    ck_assert_int_eq(world.verified, 0);
    /* one answer for every signature fault */
    scep_result_fail(&other, pool, SCEP_REASON_CHECK, "x");
    ck_assert_str_eq(res.text, other.text);
    ck_assert_int_eq(res.fail_info, other.fail_info);
}
END_TEST

START_TEST(c75_key_that_cannot_receive_is_refused_before_issue)
{
    scep_enrol_answer_t answer;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    scep_result_t res;

    sign_with(key);
    make_csr(key, "SECRET");
    res = run(&answer);
    EVP_PKEY_free(key);
    ck_assert_int_eq(res.reason, SCEP_REASON_ENVELOPE_KEY);
    ck_assert_int_eq(res.fail_info, SCEP_FAIL_BAD_ALG);
    ck_assert_int_eq(world.verified, 0);
}
END_TEST

START_TEST(refused_verdicts)
{
    static const struct {
        scep_verify_outcome_t verdict;
        int breach;
        scep_reason_t reason;
    } rows[] = {
        { SCEP_VERIFY_REFUSED, 0, SCEP_REASON_CHALLENGE },
        { SCEP_VERIFY_REFUSED, 1, SCEP_REASON_BREACH },
        { SCEP_VERIFY_PASS, 0, SCEP_REASON_CHALLENGE },
        { SCEP_VERIFY_ERROR, 0, SCEP_REASON_VERIFIER_DOWN },
    };
    scep_enrol_answer_t answer;
    scep_result_t res;

    world.verdict = rows[_i].verdict;
    world.breach = rows[_i].breach;
    res = run(&answer);
    ck_assert_int_eq(res.reason, rows[_i].reason);
    ck_assert_int_eq(res.http_status,
                     rows[_i].reason == SCEP_REASON_VERIFIER_DOWN ? 503 : 0);
    ck_assert_int_eq(world.submitted, 0);
}
END_TEST

/* To the client a breach looks like any refused challenge. */
START_TEST(breach_and_refusal_look_alike)
{
    scep_enrol_answer_t answer;
    scep_result_t refused, breach;

    world.verdict = SCEP_VERIFY_REFUSED;
    refused = run(&answer);
    world.verified = 0;
    world.breach = 1;
    breach = run(&answer);
    ck_assert_int_eq(refused.fail_info, breach.fail_info);
    ck_assert_ptr_eq(refused.text, breach.text);
}
END_TEST

START_TEST(weak_key_is_refused_before_anybody_is_asked)
{
    scep_enrol_answer_t answer;
    scep_result_t res;

    profile.policy.keys.rsa_min = 3072;
    res = run(&answer);
    ck_assert_int_eq(res.reason, SCEP_REASON_KEY);
    ck_assert_int_eq(world.verified, 0);
}
END_TEST

START_TEST(policy_refusal_gives_the_challenge_back)
{
    scep_enrol_answer_t answer;
    scep_result_t res;

    ask_san = 1;
    make_csr(device_key, "SECRET");
    profile.policy.sans = 0;
    res = run(&answer);
    ck_assert_int_eq(res.reason, SCEP_REASON_POLICY);
    ck_assert_str_eq(world.facts.sans,
                     scep_name_sans_canonical(answer.csr->sans, pool));
    ck_assert_int_eq(world.submitted, 0);
    ck_assert_int_eq(world.settled, 1);
    ck_assert_int_eq(world.spent, 0);
}
END_TEST

/* DESIGN.md, the table of outcomes, row by row. */
START_TEST(outcomes)
{
    static const struct {
        scep_ca_outcome_t outcome;
        int device_fault;
        scep_status_t status;
        scep_reason_t reason;
        int http_status, spent;
    } rows[] = {
        { SCEP_CA_PENDING, 0, SCEP_STATUS_PENDING, SCEP_REASON_NONE, 0, 1 },
        { SCEP_CA_UNKNOWN, 0, SCEP_STATUS_PENDING, SCEP_REASON_NONE, 0, 1 },
        { SCEP_CA_REJECTED, 0, SCEP_STATUS_FAILURE, SCEP_REASON_CA_FAULT, 0,
          0 },
        { SCEP_CA_REJECTED, 1, SCEP_STATUS_FAILURE, SCEP_REASON_CA_REJECTED, 0,
          1 },
        { SCEP_CA_UNAVAILABLE, 0, SCEP_STATUS_FAILURE, SCEP_REASON_CA_DOWN,
          503, 0 },
    };
    scep_enrol_answer_t answer;
    scep_result_t res;

    world.answer.outcome = rows[_i].outcome;
    world.answer.device_fault = rows[_i].device_fault;
    world.answer.fail_info = SCEP_FAIL_BAD_ALG;
    world.answer.retry_after = apr_time_from_sec(7);
    res = run(&answer);
    ck_assert_int_eq(res.reason, rows[_i].reason);
    ck_assert_int_eq(res.status, rows[_i].status);
    ck_assert_int_eq(res.http_status, rows[_i].http_status);
    ck_assert_int_eq(world.spent, rows[_i].spent);
    ck_assert_ptr_null(answer.certificate);
    if (rows[_i].reason == SCEP_REASON_CA_REJECTED)
        ck_assert_int_eq(res.fail_info, SCEP_FAIL_BAD_ALG);
    if (rows[_i].http_status)
        ck_assert_int_eq(apr_time_sec(res.retry_after), 7);
}
END_TEST

/* Whatever the CA says, a certificate for another key goes nowhere. */
START_TEST(certificate_for_another_key_is_not_delivered)
{
    scep_enrol_answer_t answer;
    scep_result_t res;

    X509_free(world.answer.certificate);
    world.answer.certificate =
        _i ? make_cert(other_key, "device", ca_cert, ca_key) : NULL;
    res = run(&answer);
    ck_assert_int_eq(res.reason, SCEP_REASON_CA_BAD_CERT);
    ck_assert_int_eq(res.fail_info, SCEP_FAIL_BAD_REQUEST);
    ck_assert_ptr_null(answer.certificate);
    ck_assert_int_eq(world.spent, 1);
}
END_TEST

START_TEST(certificate_of_another_ca_is_not_delivered)
{
    scep_enrol_answer_t answer;
    scep_result_t res;

    X509_free(world.answer.certificate);
    world.answer.certificate =
        make_cert(device_key, "device", ca_cert, other_key);
    res = run(&answer);
    ck_assert_int_eq(res.reason, SCEP_REASON_CA_BAD_CERT);
    ck_assert_ptr_null(answer.certificate);
}
END_TEST

START_TEST(lost_hold_delivers_nothing)
{
    scep_enrol_answer_t answer;
    scep_result_t res;

    world.settle_status = APR_EGENERAL;
    res = run(&answer);
    ck_assert_int_eq(res.reason, SCEP_REASON_CHALLENGE);
    ck_assert_int_eq(res.status, SCEP_STATUS_FAILURE);
    ck_assert_ptr_null(answer.certificate);
}
END_TEST

START_TEST(c76_a_verifier_that_cannot_be_told_holds_the_certificate_back)
{
    scep_enrol_answer_t answer;
    scep_result_t res;

    world.settle_status = APR_EAGAIN;
    res = run(&answer);
    ck_assert_int_eq(res.reason, SCEP_REASON_VERIFIER_DOWN);
    ck_assert_int_eq(res.http_status, 503);
    ck_assert_ptr_null(answer.certificate);
}
END_TEST

START_TEST(the_verifier_learns_how_it_ended)
{
    scep_enrol_answer_t answer;

    profile.ca = "issuing";
    profile.ca_longest = apr_time_from_sec(120);
    run(&answer);
    ck_assert_ptr_eq(world.end.certificate, answer.certificate);
    ck_assert_str_eq(world.end.ca, "issuing");
    ck_assert_ptr_null(world.end.reason);
    world.settled = 0;
    world.answer.outcome = SCEP_CA_REJECTED;
    world.answer.fail_info = SCEP_FAIL_BAD_TIME;
    world.answer.reason = "too late";
    run(&answer);
    ck_assert_ptr_null(world.end.certificate);
    ck_assert_int_eq(world.end.fail_info, SCEP_FAIL_BAD_TIME);
    ck_assert_str_eq(world.end.reason, "too late");
    ck_assert_int_eq(world.end.undecided, 0);
    world.settled = 0;
    world.answer.outcome = SCEP_CA_PENDING;
    run(&answer);
    ck_assert_int_eq(world.end.undecided, 1);
    world.settled = 0;
    world.answer.outcome = SCEP_CA_UNAVAILABLE;
    run(&answer);
    ck_assert_int_eq(world.end.undecided, 1);
}
END_TEST

START_TEST(c72_a_missing_challenge_is_no_empty_one)
{
    scep_enrol_answer_t answer;

    make_csr(device_key, _i ? "" : NULL);
    run(&answer);
    ck_assert_ptr_null(world.challenge);
}
END_TEST

/* The name of a transaction depends on each of its parts. */
START_TEST(transaction_is_profile_id_and_csr)
{
    scep_enrol_answer_t answer;
    unsigned char first[32];

    run(&answer);
    memcpy(first, world.facts.transaction, sizeof(first));
    world.settled = 0;
    run(&answer);
    ck_assert_mem_eq(first, world.facts.transaction, sizeof(first));
    world.settled = 0;
    message.transaction_id = "4712";
    run(&answer);
    ck_assert_mem_ne(first, world.facts.transaction, sizeof(first));
    world.settled = 0;
    message.transaction_id = "4711";
    profile.name = "other";
    run(&answer);
    ck_assert_mem_ne(first, world.facts.transaction, sizeof(first));
    world.settled = 0;
    profile.name = "default";
    make_csr(device_key, "OTHER");
    run(&answer);
    ck_assert_mem_ne(first, world.facts.transaction, sizeof(first));
}
END_TEST

START_TEST(cut_off_csr_never_gets_anywhere)
{
    scep_enrol_answer_t answer;
    apr_size_t len = message.data_len;

    for (message.data_len = 0; message.data_len < len; message.data_len++) {
        scep_result_t res = run(&answer);
        ck_assert_int_eq(res.reason, SCEP_REASON_CHECK);
    }
    ck_assert_int_eq(world.verified, 0);
}
END_TEST

static Suite *enrol_suite(void)
{
    Suite *suite = suite_create("enrol");
    TCase *tcase = tcase_create("enrol");

    tcase_add_unchecked_fixture(tcase, make_keys, free_keys);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, issued_is_success_and_spends);
    tcase_add_loop_test(tcase, c38_every_other_type_is_refused_unasked, 0, 40);
    tcase_add_test(tcase, r35_another_key_than_the_signers_is_refused);
    tcase_add_test(tcase, c71_a_renewal_is_known_as_one);
    tcase_add_test(tcase, r38_a_renewal_needs_a_certificate);
    tcase_add_test(tcase, c43_possession_is_proven_before_anybody_is_asked);
    tcase_add_test(tcase, c75_key_that_cannot_receive_is_refused_before_issue);
    tcase_add_loop_test(tcase, refused_verdicts, 0, 4);
    tcase_add_test(tcase, breach_and_refusal_look_alike);
    tcase_add_test(tcase, weak_key_is_refused_before_anybody_is_asked);
    tcase_add_test(tcase, policy_refusal_gives_the_challenge_back);
    tcase_add_loop_test(tcase, outcomes, 0, 5);
    tcase_add_loop_test(tcase, certificate_for_another_key_is_not_delivered, 0,
                        2);
    tcase_add_test(tcase, certificate_of_another_ca_is_not_delivered);
    tcase_add_test(tcase, lost_hold_delivers_nothing);
    tcase_add_test(
        tcase, c76_a_verifier_that_cannot_be_told_holds_the_certificate_back);
    tcase_add_test(tcase, the_verifier_learns_how_it_ended);
    tcase_add_loop_test(tcase, c72_a_missing_challenge_is_no_empty_one, 0, 2);
    tcase_add_test(tcase, transaction_is_profile_id_and_csr);
    tcase_add_test(tcase, cut_off_csr_never_gets_anywhere);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return run_suite(enrol_suite());
}
