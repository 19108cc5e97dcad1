/* check_result.c - reasons: their names, failInfo, texts and details
 * SPDX-License-Identifier: Apache-2.0
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "result.h"
#include "support.h"
#include "run.h"

static apr_pool_t *pool;

static void set_up(void)
{
    apr_pool_create(&pool, support_pool());
}

static void tear_down(void)
{
    apr_pool_destroy(pool);
}

static scep_result_t failed(scep_reason_t reason)
{
    scep_result_t result = SCEP_RESULT_INIT;

    ck_assert_int_eq(scep_result_fail(&result, pool, reason, "%s", "why"),
                     APR_EGENERAL);
    ck_assert_int_eq(result.reason, reason);
    ck_assert_int_eq(result.status, SCEP_STATUS_FAILURE);
    return result;
}

START_TEST(every_reason_has_a_name_of_its_own_and_a_text)
{
    for (int i = 1; i < SCEP_REASON_COUNT; i++) {
        const char *name = scep_result_reason_name(i);

        ck_assert_ptr_nonnull(name);
        ck_assert_ptr_nonnull(failed(i).text);
        for (int j = 0; j < i; j++)
            ck_assert_str_ne(name, scep_result_reason_name(j));
    }
    ck_assert_str_eq(scep_result_reason_name(SCEP_REASON_COUNT), "internal");
}
END_TEST

START_TEST(r42_failinfo_by_reason)
{
    ck_assert_int_eq(failed(SCEP_REASON_CHECK).fail_info,
                     SCEP_FAIL_BAD_MESSAGE_CHECK);
    ck_assert_int_eq(failed(SCEP_REASON_DIGEST).fail_info, SCEP_FAIL_BAD_ALG);
    ck_assert_int_eq(failed(SCEP_REASON_CIPHER).fail_info, SCEP_FAIL_BAD_ALG);
    ck_assert_int_eq(failed(SCEP_REASON_KEY).fail_info, SCEP_FAIL_BAD_ALG);
    ck_assert_int_eq(failed(SCEP_REASON_ENVELOPE_KEY).fail_info,
                     SCEP_FAIL_BAD_ALG);
    ck_assert_int_eq(failed(SCEP_REASON_TIME).fail_info, SCEP_FAIL_BAD_TIME);
    ck_assert_int_eq(failed(SCEP_REASON_NO_TRANSACTION).fail_info,
                     SCEP_FAIL_BAD_CERT_ID);
    ck_assert_int_eq(failed(SCEP_REASON_CHALLENGE).fail_info,
                     SCEP_FAIL_BAD_REQUEST);
    ck_assert_str_eq(scep_result_fail_info_name(SCEP_FAIL_BAD_ALG), "badAlg");
    ck_assert_str_eq(scep_result_fail_info_name(SCEP_FAIL_BAD_MESSAGE_CHECK),
                     "badMessageCheck");
    ck_assert_str_eq(scep_result_fail_info_name(SCEP_FAIL_BAD_REQUEST),
                     "badRequest");
    ck_assert_str_eq(scep_result_fail_info_name(SCEP_FAIL_BAD_TIME),
                     "badTime");
    ck_assert_str_eq(scep_result_fail_info_name(SCEP_FAIL_BAD_CERT_ID),
                     "badCertId");
    ck_assert_str_eq(scep_result_fail_info_name(99), "unknown");
}
END_TEST

START_TEST(r07_http_status_only_where_there_is_no_certrep)
{
    ck_assert_int_eq(failed(SCEP_REASON_NOT_CMS).http_status, 400);
    ck_assert_int_eq(failed(SCEP_REASON_BAD_QUERY).http_status, 400);
    ck_assert_int_eq(failed(SCEP_REASON_CA_DOWN).http_status, 503);
    ck_assert_int_eq(failed(SCEP_REASON_VERIFIER_DOWN).http_status, 503);
    ck_assert_int_eq(failed(SCEP_REASON_INTERNAL).http_status, 500);
    for (int i = SCEP_REASON_CHECK; i < SCEP_REASON_CA_DOWN; i++)
        ck_assert_int_eq(failed(i).http_status, 0);
}
END_TEST

START_TEST(a_breach_looks_like_a_wrong_challenge_to_the_client)
{
    ck_assert_str_eq(failed(SCEP_REASON_BREACH).text,
                     failed(SCEP_REASON_CHALLENGE).text);
    ck_assert_int_eq(failed(SCEP_REASON_BREACH).fail_info,
                     failed(SCEP_REASON_CHALLENGE).fail_info);
}
END_TEST

START_TEST(openssl_errors_are_drained_into_the_detail)
{
    scep_result_t result;

    ck_assert_str_eq(failed(SCEP_REASON_CSR).detail, "why");
    ERR_raise_data(ERR_LIB_ASN1, ERR_R_NESTED_ASN1_ERROR, "Type=%s", "X");
    ERR_raise(ERR_LIB_ASN1, ERR_R_PASSED_NULL_PARAMETER);
    result = failed(SCEP_REASON_CSR);
    ck_assert_uint_eq(ERR_peek_error(), 0);
    ck_assert_ptr_nonnull(strstr(result.detail, "why: nested asn1 error"));
    ck_assert_ptr_nonnull(strstr(result.detail, "(Type=X); "));
    ck_assert_str_eq(scep_result_openssl_errors(pool), "");
}
END_TEST

static Suite *result_suite(void)
{
    Suite *suite = suite_create("result");
    TCase *all = tcase_create("all");

    tcase_add_checked_fixture(all, set_up, tear_down);
    tcase_add_test(all, every_reason_has_a_name_of_its_own_and_a_text);
    tcase_add_test(all, r42_failinfo_by_reason);
    tcase_add_test(all, r07_http_status_only_where_there_is_no_certrep);
    tcase_add_test(all, a_breach_looks_like_a_wrong_challenge_to_the_client);
    tcase_add_test(all, openssl_errors_are_drained_into_the_detail);
    suite_add_tcase(suite, all);
    return suite;
}

int main(void)
{
    return run_suite(result_suite());
}
