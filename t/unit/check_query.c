/* check_query.c - tests of query strings and of base64 as clients send it
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <check.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "query.h"
#include "run.h"

static apr_pool_t *pool;
static scep_result_t res;
static scep_query_t query;

static void setup(void)
{
    const scep_result_t fresh = SCEP_RESULT_INIT;

    ck_assert_int_eq(apr_initialize(), APR_SUCCESS);
    ck_assert_int_eq(apr_pool_create(&pool, NULL), APR_SUCCESS);
    res = fresh;
}

static void teardown(void)
{
    ck_assert_uint_eq(ERR_peek_error(), 0);
    apr_pool_destroy(pool);
    apr_terminate();
}

static void parse(const char *args)
{
    ck_assert_msg(scep_query_parse(&query, args, &res, pool) == APR_SUCCESS,
                  "%s: %s", args, res.detail);
}

static void refuse(const char *args, const char *detail)
{
    ck_assert_int_eq(scep_query_parse(&query, args, &res, pool), APR_EGENERAL);
    ck_assert_int_eq(res.reason, SCEP_REASON_BAD_QUERY);
    ck_assert_int_eq(res.http_status, 400);
    ck_assert_msg(strstr(res.detail, detail) != NULL, "%s", res.detail);
}

START_TEST(c02_operations_are_matched_case_sensitively)
{
    static const struct {
        const char *args;
        scep_op_t op;
    } cases[] = {
        { NULL, SCEP_OP_NONE },
        { "", SCEP_OP_NONE },
        { "operation", SCEP_OP_NONE },
        { "operation=", SCEP_OP_NONE },
        { "message=abc", SCEP_OP_NONE },
        { "operation=GetCACaps", SCEP_OP_GET_CA_CAPS },
        { "operation=GetCACert", SCEP_OP_GET_CA_CERT },
        { "operation=GetCACertChain", SCEP_OP_GET_CA_CERT_CHAIN },
        { "operation=GetNextCACert", SCEP_OP_GET_NEXT_CA_CERT },
        { "operation=PKIOperation", SCEP_OP_PKI_OPERATION },
        { "operation=PKI%4fperation", SCEP_OP_PKI_OPERATION },
        { "operation=pkioperation", SCEP_OP_OTHER },
        { "operation=PKIOperation2", SCEP_OP_OTHER },
        { "operation=PKIOperatio", SCEP_OP_OTHER },
        { "operation=%00", SCEP_OP_OTHER }, /* last: refused */
    };
    apr_size_t i, n = sizeof(cases) / sizeof(cases[0]) - 1;

    for (i = 0; i < n; i++) {
        parse(cases[i].args);
        ck_assert_msg(query.op == cases[i].op, "%s", cases[i].args);
    }
    refuse(cases[n].args, "percent escape");
}
END_TEST

START_TEST(q04_parameters_come_in_any_order_and_others_are_ignored)
{
    parse("message=a%3D=&x=%zz&operation=PKIOperation&Message=b&messages=c");
    ck_assert_int_eq(query.op, SCEP_OP_PKI_OPERATION);
    ck_assert_str_eq(query.name, "PKIOperation");
    ck_assert_str_eq(query.message, "a%3D=");

    parse("&&operation=GetCACert&&");
    ck_assert_int_eq(query.op, SCEP_OP_GET_CA_CERT);
    ck_assert_ptr_null(query.message);
}
END_TEST

START_TEST(c04_the_message_of_other_operations_is_left_alone)
{
    parse("operation=GetCACert&message=%zz*not base64");
    ck_assert_int_eq(query.op, SCEP_OP_GET_CA_CERT);
    ck_assert_str_eq(query.message, "%zz*not base64");
    parse("operation=GetCACert&message=");
    ck_assert_str_eq(query.message, "");
    parse("operation=GetCACaps&message");
    ck_assert_str_eq(query.message, "");
}
END_TEST

START_TEST(c02_a_parameter_given_twice_is_refused)
{
    refuse("operation=GetCACaps&operation=PKIOperation", "twice");
    refuse("operation=&operation=PKIOperation", "twice");
    refuse("operation&operation", "twice");
    refuse("message=a&operation=PKIOperation&message=a", "twice");
    refuse("message&message=a", "twice");
}
END_TEST

START_TEST(c02_bad_escapes_in_the_operation_are_refused)
{
    refuse("operation=%", "percent escape");
    refuse("operation=a%4", "percent escape");
    refuse("operation=%4g", "percent escape");
    refuse("operation=%g4", "percent escape");
    refuse("operation=%&message=41", "percent escape");
    refuse("operation=PKIOperation%00", "percent escape");
}
END_TEST

/* Octets whose base64 has '+', '/' and padding, and line ends to put in. */
static const unsigned char octets[] = { 0xfb, 0xef, 0xff, 0xfe, 0x30,
                                        0x82, 0x00, 0xbe, 0xfb, 0xff };

static void decodes(const char *message)
{
    const unsigned char *der;
    apr_size_t len;

    ck_assert_msg(scep_query_message(message, 100, &der, &len, &res, pool) ==
                      APR_SUCCESS,
                  "%s: %s", message, res.detail);
    ck_assert_msg(len == sizeof(octets) &&
                      memcmp(der, octets, sizeof(octets)) == 0,
                  "%s", message);
}

START_TEST(c03_every_form_of_base64_is_decoded)
{
    decodes("++///jCCAL77/w==");                 /* raw */
    decodes("%2B%2b%2F%2f%2FjCCAL77%2Fw%3D%3D"); /* certmonger */
    decodes("++///jCCAL77/w%3D%3d");             /* macOS */
    decodes("%20%20///jCCAL77/w==");
    decodes("  ///jCCAL77/w==");       /* '+' made a space */
    decodes("++///jCC%0AAL77/w==%0A"); /* Cisco IOS */
    decodes("++///jCC%0D%0AAL77/w%0d%0a==%0D%0A");
    decodes("++///jCC\nAL77/w==\r\n");
    decodes("++///jCCAL77/w"); /* no padding */
    decodes("--___jCCAL77_w"); /* base64url */
    decodes("%2D-___jCCAL77_w==");
    decodes("%2B+///%6a%43CAL77/w==");
}
END_TEST

static void rejects(const char *message, const char *detail)
{
    const unsigned char *der = NULL;
    apr_size_t len = 0;

    ck_assert_msg(scep_query_message(message, 100, &der, &len, &res, pool) ==
                      APR_EGENERAL,
                  "%s", message);
    ck_assert_int_eq(res.reason, SCEP_REASON_BAD_QUERY);
    ck_assert_int_eq(res.http_status, 400);
    ck_assert_msg(strstr(res.detail, detail) != NULL, "%s: %s", message,
                  res.detail);
    ck_assert_ptr_null(der);
}

START_TEST(c03_what_is_not_base64_is_refused)
{
    rejects(NULL, "missing or empty");
    rejects("", "missing or empty");
    rejects("%0D%0A", "empty");
    rejects("==", "cut off");
    rejects("A", "cut off");
    rejects("AAAAA", "cut off");
    rejects("AAAAA===", "cut off");
    rejects("AA=", "cut off");
    rejects("AAA==", "cut off");
    rejects("AAAA=", "cut off");
    rejects("AAAA====", "cut off");
    rejects("AA==AAAA", "not base64");
    rejects("AAA=%0AAAA=", "not base64");
    rejects("AA*A", "not base64: octet 0x2a after 2 digits");
    rejects("AA\x80"
            "A",
            "not base64: octet 0x80");
    rejects("AA%FFA", "not base64: octet 0xff");
    rejects("AA%09A", "not base64");
    rejects("AAAA%00", "percent escape");
    rejects("AAAA%", "percent escape");
    rejects("AAAA%4", "percent escape");
    rejects("AAAA%4G", "percent escape");
    rejects("AAAA%G4", "percent escape");
}
END_TEST

START_TEST(c08_a_message_over_the_limit_is_414)
{
    const unsigned char *der;
    apr_size_t len;

    ck_assert_int_eq(scep_query_message("QUJDRA==", 4, &der, &len, &res, pool),
                     APR_SUCCESS);
    ck_assert_uint_eq(len, 4);
    ck_assert_int_eq(scep_query_message("QUJDRA==", 3, &der, &len, &res, pool),
                     APR_EGENERAL);
    ck_assert_int_eq(res.reason, SCEP_REASON_BAD_QUERY);
    ck_assert_int_eq(res.http_status, 414);
    ck_assert_int_eq(scep_query_message("QUJDRA==", 0, &der, &len, &res, pool),
                     APR_EGENERAL);
    ck_assert_int_eq(res.http_status, 414);
}
END_TEST

START_TEST(c03_all_lengths_and_octets_come_back)
{
    unsigned char in[256], text[400];
    apr_size_t n, i;

    for (i = 0; i < sizeof(in); i++)
        in[i] = (unsigned char)(i * 167 + 13);
    for (n = 1; n <= sizeof(in); n++) {
        const unsigned char *der;
        apr_size_t len;

        EVP_EncodeBlock(text, in, (int)n);
        ck_assert_int_eq(scep_query_message((char *)text, sizeof(in), &der,
                                            &len, &res, pool),
                         APR_SUCCESS);
        ck_assert_uint_eq(len, n);
        ck_assert_mem_eq(der, in, n);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("query");
    TCase *tcase = tcase_create("query");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, c02_operations_are_matched_case_sensitively);
    tcase_add_test(tcase,
                   q04_parameters_come_in_any_order_and_others_are_ignored);
    tcase_add_test(tcase, c04_the_message_of_other_operations_is_left_alone);
    tcase_add_test(tcase, c02_a_parameter_given_twice_is_refused);
    tcase_add_test(tcase, c02_bad_escapes_in_the_operation_are_refused);
    tcase_add_test(tcase, c03_every_form_of_base64_is_decoded);
    tcase_add_test(tcase, c03_what_is_not_base64_is_refused);
    tcase_add_test(tcase, c08_a_message_over_the_limit_is_414);
    tcase_add_test(tcase, c03_all_lengths_and_octets_come_back);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
