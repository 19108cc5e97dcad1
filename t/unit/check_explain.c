/* check_explain.c - tests of what explain says of rules and verifiers
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <check.h>
#include <openssl/err.h>

#include "explain.h"
#include "run.h"
#include "support.h"

static apr_pool_t *shared, *pool;
static EVP_PKEY *rsa;
static scep_alg_t *alg;
static scep_enrol_profile_t profile;
static scep_explain_request_t request;
static apr_array_header_t *verifiers;
static scep_explanation_t said;

static void setup_keys(void)
{
    shared = support_pool();
    rsa = support_rsa(2048, shared);
    ck_assert_int_eq(scep_alg_create(&alg, 0, shared), APR_SUCCESS);
}

static void setup(void)
{
    const scep_policy_t policy = { .keys = SCEP_KEY_RULE_DEFAULT,
                                   .sans = SCEP_SANS_DEFAULT };

    ck_assert_int_eq(apr_pool_create(&pool, shared), APR_SUCCESS);
    ERR_clear_error();
    memset(&profile, 0, sizeof(profile));
    profile.name = "p";
    profile.policy = policy;
    profile.digests = SCEP_DIGEST_SHA256;
    verifiers = apr_array_make(pool, 4, sizeof(scep_explain_verifier_t));
    memset(&request, 0, sizeof(request));
    request.profile = &profile;
    request.verifiers = verifiers;
    request.type = SCEP_TYPE_PKCS_REQ;
    request.csr = support_csr("device", rsa, "secret", &request.csr_len, pool);
    request.now = apr_time_from_sec(1800000000);
}

static void teardown(void)
{
    ck_assert_uint_eq(ERR_peek_error(), 0);
    apr_pool_destroy(pool);
}

/* ------------------------------------------------------------------ */
/* Verifiers that say what their data is                                */

static const char *seen_challenge;

static void say(void *data, const scep_verify_request_t *asked,
                scep_verify_result_t *result, apr_pool_t *p)
{
    const scep_verify_result_t *answer = data;

    (void)p;
    seen_challenge = asked->challenge;
    *result = *answer;
}

static void never(void *data, const scep_verify_request_t *asked,
                  scep_verify_result_t *result, apr_pool_t *p)
{
    (void)data;
    (void)asked;
    (void)result;
    (void)p;
    ck_abort_msg("explain must not verify");
}

static const scep_verifier_provider_t plain = { .verify = never,
                                                .explain = say };
static const scep_verifier_provider_t signing = { .verify = never,
                                                  .explain = say,
                                                  .by_signer = 1 };
static const scep_verifier_provider_t silent = { .verify = never };

static scep_verify_result_t grants = { .outcome = SCEP_VERIFY_GRANTED,
                                       .id = "id" };
static scep_verify_result_t passes = { .outcome = SCEP_VERIFY_PASS,
                                       .reason = "not mine" };
static scep_verify_result_t refuses = { .outcome = SCEP_VERIFY_REFUSED,
                                        .reason = "bound" };
static scep_verify_result_t breach = { .outcome = SCEP_VERIFY_REFUSED,
                                       .reason = "spent",
                                       .breach = 1 };
static scep_verify_result_t open_end = { .outcome = SCEP_VERIFY_UNKNOWN,
                                         .reason = "ask it" };
static scep_verify_result_t down = { .outcome = SCEP_VERIFY_ERROR,
                                     .reason = "down" };

static void add(const char *name, const scep_verifier_provider_t *provider,
                scep_verify_result_t *answer)
{
    scep_explain_verifier_t *verifier = apr_array_push(verifiers);

    verifier->name = name;
    verifier->provider = provider;
    verifier->data = answer;
}

static void explain(void)
{
    scep_explain(&request, alg, &said, pool);
}

static const scep_step_t *step(const char *rule)
{
    for (int i = 0; i < said.steps->nelts; i++) {
        const scep_step_t *one = &APR_ARRAY_IDX(said.steps, i, scep_step_t);

        if (!strcmp(one->rule, rule))
            return one;
    }
    ck_abort_msg("no step %s", rule);
}

static void allowed(void)
{
    ck_assert_msg(!said.decided_by, "%s: %s",
                  said.decided_by ? said.decided_by->rule : "",
                  said.decided_by ? said.decided_by->detail : "");
    ck_assert(!said.unknown);
}

static void decided_by(const char *rule, scep_reason_t reason)
{
    ck_assert_ptr_nonnull(said.decided_by);
    ck_assert_str_eq(said.decided_by->rule, rule);
    ck_assert_int_eq(said.decided_by->reason, reason);
    ck_assert(!said.unknown);
}

/* ------------------------------------------------------------------ */

START_TEST(one_that_grants_allows)
{
    add("a", &plain, &grants);
    explain();
    allowed();
    ck_assert_int_eq(step("ScepVerify a")->result, SCEP_STEP_PASSED);
    ck_assert_str_eq(step("ScepVerify a")->detail, "id");
    ck_assert_str_eq(seen_challenge, "secret");
}
END_TEST

START_TEST(the_challenge_asked_about_goes_before_the_csrs)
{
    request.challenge = "other";
    add("a", &plain, &grants);
    explain();
    ck_assert_str_eq(seen_challenge, "other");
}
END_TEST

START_TEST(one_that_passes_leaves_it_to_the_next)
{
    add("a", &plain, &passes);
    add("b", &plain, &grants);
    explain();
    allowed();
    ck_assert_int_eq(step("ScepVerify a")->result, SCEP_STEP_NOT_APPLICABLE);
    ck_assert_str_eq(step("ScepVerify a")->detail, "not mine");
}
END_TEST

START_TEST(one_that_refuses_decides_and_the_others_are_asked_all_the_same)
{
    add("a", &plain, &refuses);
    add("b", &plain, &grants);
    add("c", &plain, &breach);
    explain();
    decided_by("ScepVerify a", SCEP_REASON_CHALLENGE);
    ck_assert_int_eq(step("ScepVerify b")->result, SCEP_STEP_PASSED);
    ck_assert_int_eq(step("ScepVerify c")->result, SCEP_STEP_REFUSED);
    ck_assert_int_eq(step("ScepVerify c")->reason, SCEP_REASON_BREACH);
}
END_TEST

START_TEST(what_stands_behind_one_that_grants_decides_nothing)
{
    add("a", &plain, &grants);
    add("b", &plain, &refuses);
    add("c", &silent, NULL);
    explain();
    allowed();
    ck_assert_int_eq(step("ScepVerify b")->result, SCEP_STEP_REFUSED);
}
END_TEST

START_TEST(where_all_pass_nobody_grants)
{
    add("a", &plain, &passes);
    add("b", &plain, &passes);
    explain();
    decided_by("ScepVerify", SCEP_REASON_CHALLENGE);
    ck_assert_str_eq(step("ScepVerify")->detail, "not mine");
}
END_TEST

START_TEST(one_that_is_down_is_no_refusal_and_no_grant)
{
    add("a", &plain, &down);
    add("b", &plain, &grants);
    explain();
    decided_by("ScepVerify a", SCEP_REASON_VERIFIER_DOWN);
    ck_assert_int_eq(step("ScepVerify a")->result, SCEP_STEP_UNAVAILABLE);
}
END_TEST

START_TEST(one_that_cannot_tell_leaves_it_open)
{
    add("a", &silent, NULL);
    add("b", &plain, &refuses);
    explain();
    ck_assert_ptr_null(said.decided_by);
    ck_assert(said.unknown);
    ck_assert_int_eq(step("ScepVerify a")->result, SCEP_STEP_UNKNOWN);
}
END_TEST

START_TEST(one_that_says_it_cannot_tell_leaves_it_open)
{
    add("a", &plain, &passes);
    add("b", &plain, &open_end);
    add("c", &plain, &grants);
    explain();
    ck_assert_ptr_null(said.decided_by);
    ck_assert(said.unknown);
    ck_assert_str_eq(step("ScepVerify b")->detail, "ask it");
    ck_assert_int_eq(step("ScepVerify c")->result, SCEP_STEP_PASSED);
}
END_TEST

START_TEST(what_another_rule_refuses_is_known_all_the_same)
{
    profile.policy.keys.rsa_min = 3072;
    add("a", &silent, NULL);
    explain();
    decided_by("ScepKeyTypes", SCEP_REASON_KEY);
}
END_TEST

START_TEST(a_renewal_asks_those_who_go_by_the_signer)
{
    request.type = SCEP_TYPE_RENEWAL_REQ;
    profile.renewal = 1;
    add("a", &plain, &grants);
    add("b", &signing, &passes);
    explain();
    decided_by("ScepVerify", SCEP_REASON_CHALLENGE);
    ck_assert_int_eq(step("ScepVerify a")->result, SCEP_STEP_NOT_APPLICABLE);
    APR_ARRAY_IDX(verifiers, 1, scep_explain_verifier_t).data = &grants;
    explain();
    allowed();
    profile.renewal = 0;
    explain();
    decided_by("messageType", SCEP_REASON_MESSAGE_TYPE);
}
END_TEST

/* Cut anywhere, it is a refusal that names a rule; nothing crashes. */
START_TEST(a_csr_that_is_cut_off)
{
    apr_size_t whole = request.csr_len;

    add("a", &plain, &grants);
    for (request.csr_len = 0; request.csr_len < whole; request.csr_len++) {
        explain();
        decided_by("PKCS#10", SCEP_REASON_CHECK);
        ck_assert_ptr_null(said.csr);
    }
}
END_TEST

/* A changed octet of what is signed is refused by some rule. */
START_TEST(a_csr_with_a_changed_octet)
{
    unsigned char *csr = apr_pmemdup(pool, request.csr, request.csr_len);
    apr_size_t signed_end = request.csr_len - 256 - 20;

    request.csr = csr;
    add("a", &plain, &grants);
    for (apr_size_t i = 0; i < signed_end; i++) {
        csr[i] ^= 1;
        explain();
        ck_assert_ptr_nonnull(said.decided_by);
        csr[i] ^= 1;
    }
    explain();
    allowed();
}
END_TEST

/* ------------------------------------------------------------------ */

/* ------------------------------------------------------------------ */
/* Rules that need the ledger or the request                            */

static int live, holding;
static apr_status_t counted;

static int hold(void *baton, const scep_policy_condition_t *condition,
                const scep_policy_request_t *asked, const char **error,
                apr_pool_t *p)
{
    (void)baton;
    (void)condition;
    (void)error;
    (void)p;
    ck_assert_str_eq(scep_name_text(asked->subject, pool), "CN=device");
    return holding;
}

static apr_status_t count(void *baton, const char *holder, const char *other,
                          int *number, apr_pool_t *p)
{
    (void)baton;
    (void)holder;
    (void)other;
    (void)p;
    *number = live;
    return counted;
}

static const scep_policy_ops_t policy_ops = { NULL, hold, count, count };

START_TEST(issue4_rules_that_count)
{
    add("a", &plain, &grants);
    request.policy_ops = &policy_ops;
    profile.policy.most_certificates = 1;
    profile.policy.key_once = 1;
    live = 0;
    counted = APR_SUCCESS;
    explain();
    allowed();
    ck_assert_int_eq(step("ScepKeyReuse")->result, SCEP_STEP_PASSED);
    live = 1;
    explain();
    decided_by("ScepKeyReuse", SCEP_REASON_KEY);
    ck_assert_int_eq(step("ScepMaxCertificates")->result, SCEP_STEP_REFUSED);
    counted = APR_EGENERAL;
    explain();
    decided_by("ScepKeyReuse", SCEP_REASON_LEDGER_DOWN);
    ck_assert_int_eq(step("ScepMaxCertificates")->result,
                     SCEP_STEP_UNAVAILABLE);
}
END_TEST

START_TEST(issue4_conditions_want_an_address)
{
    const scep_policy_condition_t condition = { "hours", NULL };
    apr_array_header_t *row = apr_array_make(pool, 1, sizeof(condition));

    APR_ARRAY_PUSH(row, scep_policy_condition_t) = condition;
    add("a", &plain, &grants);
    request.policy_ops = &policy_ops;
    profile.policy.conditions = row;
    explain();
    ck_assert(said.unknown);
    ck_assert_int_eq(step("ScepCondition hours")->result, SCEP_STEP_UNKNOWN);
    request.address = "192.0.2.1";
    holding = 1;
    explain();
    allowed();
    holding = 0;
    explain();
    decided_by("ScepCondition hours", SCEP_REASON_POLICY);
}
END_TEST

/* Rules behind it see what it has set, and a grant tells the device. */
START_TEST(issue4_the_device_of_the_one_that_grants)
{
    scep_verify_result_t bound = { .outcome = SCEP_VERIFY_GRANTED,
                                   .id = "id",
                                   .device = "d-1" };
    const scep_policy_force_t force = { scep_name_attribute_type("CN", pool),
                                        "", "" };
    apr_array_header_t *row = apr_array_make(pool, 1, sizeof(force));

    APR_ARRAY_PUSH(row, scep_policy_force_t) = force;
    profile.policy.force = row;
    add("a", &plain, &passes);
    add("b", &plain, &bound);
    add("c", &plain, &grants);
    explain();
    allowed();
    ck_assert_str_eq(step("ScepSubjectForce")->detail, "CN=d-1");
    bound.device = NULL;
    explain();
    decided_by("ScepSubjectForce", SCEP_REASON_POLICY);
}
END_TEST

START_TEST(issue4_rules_that_a_profile_has_not_are_not_shown)
{
    add("a", &plain, &grants);
    explain();
    for (int i = 0; i < said.steps->nelts; i++) {
        const char *rule = APR_ARRAY_IDX(said.steps, i, scep_step_t).rule;

        ck_assert_msg(!strstr(rule, "Force") && !strstr(rule, "Allow") &&
                          !strstr(rule, "Require") && !strstr(rule, "Max"),
                      "%s", rule);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("explain");
    TCase *tc = tcase_create("explain");

    tcase_add_unchecked_fixture(tc, setup_keys, NULL);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, one_that_grants_allows);
    tcase_add_test(tc, the_challenge_asked_about_goes_before_the_csrs);
    tcase_add_test(tc, one_that_passes_leaves_it_to_the_next);
    tcase_add_test(
        tc, one_that_refuses_decides_and_the_others_are_asked_all_the_same);
    tcase_add_test(tc, what_stands_behind_one_that_grants_decides_nothing);
    tcase_add_test(tc, where_all_pass_nobody_grants);
    tcase_add_test(tc, one_that_is_down_is_no_refusal_and_no_grant);
    tcase_add_test(tc, one_that_cannot_tell_leaves_it_open);
    tcase_add_test(tc, one_that_says_it_cannot_tell_leaves_it_open);
    tcase_add_test(tc, what_another_rule_refuses_is_known_all_the_same);
    tcase_add_test(tc, a_renewal_asks_those_who_go_by_the_signer);
    tcase_add_test(tc, a_csr_that_is_cut_off);
    tcase_add_test(tc, a_csr_with_a_changed_octet);
    tcase_add_test(tc, issue4_rules_that_count);
    tcase_add_test(tc, issue4_conditions_want_an_address);
    tcase_add_test(tc, issue4_the_device_of_the_one_that_grants);
    tcase_add_test(tc, issue4_rules_that_a_profile_has_not_are_not_shown);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
