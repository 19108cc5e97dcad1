/* check_webhook_proto.c - tests of what is said to a webhook
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include <apr_strings.h>
#include <check.h>
#include <jansson.h>
#include <openssl/err.h>

#include "../../mod_scep/httpd/webhook_names.h"
#include "../../mod_scep/httpd/webhook_proto.h"
#include "run.h"
#include "support.h"

#define SECRET "a-challenge-for-one-device"
#define SECRET64 "YS1jaGFsbGVuZ2UtZm9yLW9uZS1kZXZpY2"

static apr_pool_t *pool;
static EVP_PKEY *key;
static X509_NAME *subject;
static GENERAL_NAMES *sans;
static scep_verify_request_t request;

static void add_subject(const char *type, int tag, const char *value)
{
    ck_assert_int_eq(X509_NAME_add_entry_by_txt(subject, type, tag,
                                                (const unsigned char *)value,
                                                -1, -1, 0),
                     1);
}

static void add_san(int type, int tag, const char *octets, int len)
{
    GENERAL_NAME *gn = GENERAL_NAME_new();
    ASN1_STRING *string = ASN1_STRING_type_new(tag);

    ck_assert_int_eq(ASN1_STRING_set(string, octets, len), 1);
    GENERAL_NAME_set0_value(gn, type, string);
    ck_assert_int_gt(sk_GENERAL_NAME_push(sans, gn), 0);
}

static void setup(void)
{
    pool = support_pool();
    key = support_ec("P-256", pool);
    subject = X509_NAME_new();
    sans = sk_GENERAL_NAME_new_null();
    memset(&request, 0, sizeof(request));
    request.challenge = SECRET;
    request.transaction_id = "4711";
    request.now = apr_time_from_sec(1800000000);
    request.csr = support_csr("device", key, SECRET, &request.csr_len, pool);
    request.subject = subject;
    request.sans = sans;
}

static void teardown(void)
{
    X509_NAME_free(subject);
    sk_GENERAL_NAME_pop_free(sans, GENERAL_NAME_free);
    ck_assert_uint_eq(ERR_peek_error(), 0);
}

/* ----------------------------------------------------------------- keys */

START_TEST(a_key_is_base64_of_16_octets_or_more)
{
    static const struct {
        const char *text;
        int len; /* 0: refused */
    } cases[] = {
        { "MDEyMzQ1Njc4OWFiY2RlZg==", 16 },
        { "MDEyMzQ1Njc4OWFiY2RlZmc=", 17 },
        { "MDEyMzQ1Njc4OWFiY2RlZmdo", 18 },
        { "MDEyMzQ1Njc4OWFiY2Rl", 0 },
        { "MDEyMzQ1Njc4OWFiY2RlZg", 0 },
        { "MDEyMzQ1Njc4OWFiY2RlZg=", 0 },
        { " MDEyMzQ1Njc4OWFiY2RlZg==", 0 },
        { "MDEyMzQ1Njc4OWFiY2RlZg==\n", 0 },
        { "MDEyMzQ1Njc4 OWFiY2RlZg==", 0 },
        { "MDEyMzQ1Njc4OWFiY2R_-w==", 0 },
        { "MDEy====Njc4OWFiY2RlZg==", 0 },
        { "====", 0 },
        { "=", 0 },
        { "", 0 },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        scep_webhook_key_t decoded;
        const char *err = scep_webhook_key(&decoded, cases[i].text, pool);
        ck_assert_msg((err == NULL) == (cases[i].len > 0), "%s: %s",
                      cases[i].text, err);
        if (!err) {
            ck_assert_uint_eq(decoded.len, cases[i].len);
            ck_assert_mem_eq(decoded.octets, "0123456789abcdefgh",
                             decoded.len);
        }
    }
}
END_TEST

START_TEST(a_signature_is_hmac_sha256)
{
    /* RFC 4231, test case 1 */
    unsigned char octets[20];
    scep_webhook_key_t one = { octets, sizeof(octets) };
    char signature[SCEP_WEBHOOK_SIGNATURE_SIZE];

    memset(octets, 0x0b, sizeof(octets));
    ck_assert_int_eq(scep_webhook_sign(&one, "Hi There", 8, signature),
                     APR_SUCCESS);
    ck_assert_str_eq(signature, "b0344c61d8db38535ca8afceaf0bf12b"
                                "881dc200c9833da726e9376c2e32cff7");
}
END_TEST

/* ------------------------------------------------------------- questions */

static json_t *question(void)
{
    char *body;
    apr_size_t len;
    json_t *root;

    ck_assert_ptr_null(
        scep_webhook_question(&body, &len, "profile", &request, pool));
    ck_assert_uint_eq(strlen(body), len);
    root = json_loadb(body, len, JSON_REJECT_DUPLICATES, NULL);
    ck_assert_ptr_nonnull(root);
    return root;
}

static const char *member(const json_t *root, const char *name)
{
    return json_string_value(json_object_get(root, name));
}

static void is_refused(const char *fault)
{
    char *body;
    apr_size_t len;
    const char *err =
        scep_webhook_question(&body, &len, "profile", &request, pool);

    ck_assert_ptr_nonnull(err);
    ck_assert_msg(strstr(err, fault) != NULL, "%s", err);
}

START_TEST(a_question_has_all_of_the_request)
{
    json_t *root, *csr;

    add_subject("CN", MBSTRING_UTF8, "device \"7\"");
    root = question();
    csr = json_object_get(root, "x509CertificateRequest");
    ck_assert_str_eq(member(root, "timestamp"), "2027-01-15T08:00:00Z");
    ck_assert_str_eq(member(root, "provisionerName"), "profile");
    ck_assert_str_eq(member(root, "scepChallenge"), SECRET);
    ck_assert_str_eq(member(root, "scepTransactionID"), "4711");
    ck_assert_str_eq(member(json_object_get(csr, "subject"), "commonName"),
                     "device \"7\"");
    ck_assert_str_eq(member(csr, "publicKeyAlgorithm"), "ECDSA");
    ck_assert_uint_gt(strlen(member(csr, "raw")), request.csr_len);
    ck_assert_uint_eq(json_array_size(json_object_get(csr, "dnsNames")), 0);
    json_decref(root);
}
END_TEST

START_TEST(a_challenge_may_have_any_character)
{
    json_t *root;

    request.challenge = "\"}, \\ \x01 \xc3\xbc \xf0\x9f\x94\x91 </script>";
    root = question();
    ck_assert_str_eq(member(root, "scepChallenge"), request.challenge);
    json_decref(root);
}
END_TEST

START_TEST(an_empty_subject_is_an_empty_object)
{
    json_t *root = question();
    const json_t *csr = json_object_get(root, "x509CertificateRequest");

    ck_assert_uint_eq(json_object_size(json_object_get(csr, "subject")), 0);
    ck_assert_str_eq(member(csr, "rawSubject"), "MAA=");
    json_decref(root);
}
END_TEST

START_TEST(what_the_form_would_hide_is_refused)
{
    add_subject("CN", MBSTRING_UTF8, "administrator");
    add_subject("CN", MBSTRING_UTF8, "device");
    is_refused("two of commonName");
}
END_TEST

START_TEST(a_second_serial_number_is_refused)
{
    add_subject("serialNumber", MBSTRING_ASC, "1");
    add_subject("serialNumber", MBSTRING_ASC, "2");
    is_refused("two of serialNumber");
}
END_TEST

START_TEST(a_value_that_is_no_text_is_refused)
{
    ck_assert_int_eq(X509_NAME_add_entry_by_txt(subject, "OU",
                                                V_ASN1_UTF8STRING,
                                                (const unsigned char *)"a\0b",
                                                3, -1, 0),
                     1);
    is_refused("no text");
}
END_TEST

START_TEST(an_address_of_five_octets_is_refused)
{
    add_san(GEN_IPADD, V_ASN1_OCTET_STRING, "12345", 5);
    is_refused("malformed");
}
END_TEST

START_TEST(a_name_with_a_nul_is_refused)
{
    add_san(GEN_DNS, V_ASN1_IA5STRING, "a.example\0.evil", 15);
    is_refused("malformed");
}
END_TEST

START_TEST(a_transaction_that_is_no_utf8_is_refused)
{
    request.transaction_id = "\xff";
    is_refused("UTF-8");
}
END_TEST

START_TEST(what_is_no_request_is_refused)
{
    request.csr_len = 20;
    is_refused("OpenSSL");
}
END_TEST

/* --------------------------------------------------------------- answers */

static scep_webhook_answer_t answer_to(int status, const char *body)
{
    scep_webhook_answer_t answer;

    scep_webhook_answer(status, body, strlen(body), &answer, pool);
    ck_assert((answer.reason == NULL) ==
              (answer.outcome == SCEP_WEBHOOK_ALLOWED));
    return answer;
}

START_TEST(allow_true_alone_allows)
{
    static const char *const bodies[] = {
        "{\"allow\":true}",
        " {\"data\": {\"allow\": false}, \"allow\" : true }\r\n",
        "{\"allow\":true,\"error\":{\"code\":\"x\"}}",
    };

    for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++)
        ck_assert_int_eq(answer_to(200, bodies[i]).outcome,
                         SCEP_WEBHOOK_ALLOWED);
}
END_TEST

START_TEST(a_status_other_than_200_says_nothing)
{
    static const int codes[] = { 0,   100, 201, 202, 204, 206, 301, 302, 307,
                                 400, 401, 403, 404, 408, 418, 429, 500, 503 };

    for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
        ck_assert_int_eq(answer_to(codes[i], "{\"allow\":true}").outcome,
                         SCEP_WEBHOOK_DOWN);
        ck_assert_int_eq(answer_to(codes[i], "{\"allow\":false}").outcome,
                         SCEP_WEBHOOK_DOWN);
    }
}
END_TEST

START_TEST(what_is_not_understood_says_nothing)
{
    static const char *const bodies[] = {
        "",
        "null",
        "true",
        "[]",
        "[{\"allow\":true}]",
        "{}",
        "{\"allow\":\"true\"}",
        "{\"allow\":1}",
        "{\"allow\":null}",
        "{\"allow\":{}}",
        "{\"Allow\":true}",
        "{\"allow\":true",
        "{\"allow\":true}}",
        "{\"allow\":true}{\"allow\":true}",
        "{\"allow\":false,\"allow\":true}",
        "{\"allow\":true,}",
        "{'allow':true}",
        "{\"allow\":TRUE}",
        "\xef\xbb\xbf{\"allow\":true}",
        "{\"allow\":true,\"x\":\"\xff\"}",
        "{\"error\":{\"allow\":true}}",
        "<html>{\"allow\":true}</html>",
    };

    for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++)
        ck_assert_msg(answer_to(200, bodies[i]).outcome == SCEP_WEBHOOK_DOWN,
                      "%s", bodies[i]);
}
END_TEST

START_TEST(an_answer_with_a_nul_or_too_long_says_nothing)
{
    static const char nul[] = "{\"allow\":true}\0";
    scep_webhook_answer_t answer;
    char *padded = apr_pcalloc(pool, SCEP_WEBHOOK_ANSWER_MAX + 2);

    scep_webhook_answer(200, nul, sizeof(nul) - 1, &answer, pool);
    ck_assert_int_eq(answer.outcome, SCEP_WEBHOOK_DOWN);
    memset(padded, ' ', SCEP_WEBHOOK_ANSWER_MAX + 1);
    memcpy(padded, "{\"allow\":true}", 14);
    ck_assert_int_eq(answer_to(200, padded).outcome, SCEP_WEBHOOK_DOWN);
    padded[SCEP_WEBHOOK_ANSWER_MAX] = '\0';
    ck_assert_int_eq(answer_to(200, padded).outcome, SCEP_WEBHOOK_ALLOWED);
}
END_TEST

START_TEST(a_refusal_says_why)
{
    static const struct {
        const char *error, *reason;
    } cases[] = {
        { "{\"code\":\"c\",\"message\":\"m\"}", ": c: m" },
        { "{\"code\":\"c\"}", ": c" },
        { "{\"message\":\"m\"}", ": m" },
        { "\"text\"", ": text" },
        { "{\"code\":\"\",\"message\":\"\"}", "" },
        { "{\"code\":7,\"message\":[]}", "" },
        { "null", "" },
        { "[\"x\"]", "" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        scep_webhook_answer_t answer =
            answer_to(200, apr_psprintf(pool, "{\"allow\":false,\"error\":%s}",
                                        cases[i].error));
        ck_assert_int_eq(answer.outcome, SCEP_WEBHOOK_DENIED);
        ck_assert_str_eq(answer.reason,
                         apr_pstrcat(pool, "the webhook refuses it",
                                     cases[i].reason, NULL));
    }
    ck_assert_int_eq(answer_to(200, "{\"allow\":false}").outcome,
                     SCEP_WEBHOOK_DENIED);
}
END_TEST

START_TEST(a_long_reason_is_cut_between_characters)
{
    char *text = apr_pcalloc(pool, 10001);
    const char *reason;
    json_t *json;

    for (int i = 0; i < 9999; i += 3)
        memcpy(text + i, "\xe2\x82\xac", 3);
    reason = answer_to(200, apr_psprintf(pool,
                                         "{\"allow\":false,\"error\":"
                                         "{\"code\":\"%s\","
                                         "\"message\":\"%s\"}}",
                                         text, text))
                 .reason;
    ck_assert_uint_lt(strlen(reason), 256);
    json = json_string(reason); /* UTF-8 alone */
    ck_assert_ptr_nonnull(json);
    json_decref(json);
}
END_TEST

/* --------------------------------------------------------- notifications */

static json_t *notice(const scep_verify_end_t *end)
{
    scep_webhook_grant_t grant;
    const char *text;
    json_t *root;

    ck_assert(scep_webhook_grant(&grant, &request, pool));
    text = scep_webhook_notice("profile", &grant, end, pool);
    ck_assert_ptr_nonnull(text);
    ck_assert_ptr_null(strstr(text, SECRET));
    ck_assert_ptr_null(strstr(text, SECRET64));
    root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    ck_assert_ptr_nonnull(root);
    ck_assert_str_eq(member(root, "scepTransactionID"), "4711");
    ck_assert_str_eq(member(root, "provisionerName"), "profile");
    return root;
}

START_TEST(a_notice_has_the_certificate_and_no_challenge)
{
    scep_verify_end_t end = { .now = request.now };
    json_t *root;
    const json_t *cert;

    add_subject("CN", MBSTRING_UTF8, "device");
    end.certificate =
        support_cert("device", key, NULL, NULL, "digitalSignature", pool);
    root = notice(&end);
    cert = json_object_get(root, "x509Certificate");
    ck_assert_str_eq(member(cert, "serialNumber"), "1000");
    ck_assert_str_eq(member(json_object_get(cert, "issuer"), "commonName"),
                     "device");
    ck_assert_ptr_nonnull(member(cert, "raw"));
    ck_assert_ptr_null(json_object_get(root, "scepErrorCode"));
    json_decref(root);
}
END_TEST

START_TEST(a_notice_of_a_failure_says_why)
{
    scep_verify_end_t end = { .fail_info = SCEP_FAIL_BAD_ALG,
                              .reason = "not allowed",
                              .now = request.now };
    json_t *root = notice(&end);
    const json_t *code = json_object_get(root, "scepErrorCode");

    ck_assert(json_is_integer(code) && json_integer_value(code) == 0);
    ck_assert_str_eq(member(root, "scepErrorDescription"), "not allowed");
    json_decref(root);
    end.reason = "SAN \xff";
    root = notice(&end);
    ck_assert_str_eq(member(root, "scepErrorDescription"), "");
    json_decref(root);
    end.reason = NULL;
    root = notice(&end);
    ck_assert_str_eq(member(root, "scepErrorDescription"), "");
    json_decref(root);
}
END_TEST

START_TEST(a_certificate_with_two_common_names_is_told_of)
{
    scep_verify_end_t end = { .now = request.now };
    X509 *cert =
        support_cert("one", key, NULL, NULL, "digitalSignature", pool);
    json_t *root;

    ck_assert_int_eq(X509_NAME_add_entry_by_txt(X509_get_subject_name(cert),
                                                "CN", MBSTRING_UTF8,
                                                (const unsigned char *)"two",
                                                -1, -1, 0),
                     1);
    end.certificate = cert;
    root = notice(&end);
    ck_assert_ptr_null(
        json_object_get(json_object_get(root, "x509Certificate"), "subject"));
    json_decref(root);
}
END_TEST

START_TEST(a_grant_that_was_frozen_gives_the_same_notice)
{
    scep_verify_end_t end = { .fail_info = SCEP_FAIL_BAD_ALG,
                              .now = request.now };
    scep_webhook_grant_t grant, thawed;

    add_subject("CN", MBSTRING_UTF8, "Gerät \"1\"");
    request.transaction_id = "a \\ \" b";
    ck_assert(scep_webhook_grant(&grant, &request, pool));
    ck_assert_ptr_null(strstr(grant.text, SECRET));
    ck_assert_ptr_null(strstr(grant.text, SECRET64));
    ck_assert(scep_webhook_thaw(&thawed, grant.text, pool));
    ck_assert_str_eq(thawed.transaction_id, request.transaction_id);
    ck_assert_str_eq(scep_webhook_notice("profile", &thawed, &end, pool),
                     scep_webhook_notice("profile", &grant, &end, pool));
}
END_TEST

START_TEST(what_is_no_grant_is_not_thawed)
{
    static const char *const bad[] = {
        "",
        "{",
        "[]",
        "{}",
        "1234567890abcdef 1234567890abcdef 1234567890abcdef",
        "{\"scepTransactionID\":\"1\"}",
        "{\"x509CertificateRequest\":{}}",
        "{\"scepTransactionID\":1,\"x509CertificateRequest\":{}}",
        "{\"scepTransactionID\":\"1\",\"x509CertificateRequest\":\"\"}",
        "{\"scepTransactionID\":\"1\",\"x509CertificateRequest\":{}}x",
        "{\"scepTransactionID\":\"1\",\"x509CertificateRequest\":{},"
        "\"x509Certificate\":{}}",
    };
    scep_webhook_grant_t grant;

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        ck_assert_msg(!scep_webhook_thaw(&grant, bad[i], pool), "%s", bad[i]);
    request.csr_len--;
    ck_assert(!scep_webhook_grant(&grant, &request, pool));
}
END_TEST

static TCase *case_questions(void)
{
    TCase *tests = tcase_create("questions");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_key_is_base64_of_16_octets_or_more);
    tcase_add_test(tests, a_signature_is_hmac_sha256);
    tcase_add_test(tests, a_question_has_all_of_the_request);
    tcase_add_test(tests, a_challenge_may_have_any_character);
    tcase_add_test(tests, an_empty_subject_is_an_empty_object);
    tcase_add_test(tests, what_the_form_would_hide_is_refused);
    tcase_add_test(tests, a_second_serial_number_is_refused);
    tcase_add_test(tests, a_value_that_is_no_text_is_refused);
    tcase_add_test(tests, an_address_of_five_octets_is_refused);
    tcase_add_test(tests, a_name_with_a_nul_is_refused);
    tcase_add_test(tests, a_transaction_that_is_no_utf8_is_refused);
    tcase_add_test(tests, what_is_no_request_is_refused);
    return tests;
}

static TCase *case_answers(void)
{
    TCase *tests = tcase_create("answers");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, allow_true_alone_allows);
    tcase_add_test(tests, a_status_other_than_200_says_nothing);
    tcase_add_test(tests, what_is_not_understood_says_nothing);
    tcase_add_test(tests, an_answer_with_a_nul_or_too_long_says_nothing);
    tcase_add_test(tests, a_refusal_says_why);
    tcase_add_test(tests, a_long_reason_is_cut_between_characters);
    tcase_add_test(tests, a_notice_has_the_certificate_and_no_challenge);
    tcase_add_test(tests, a_notice_of_a_failure_says_why);
    tcase_add_test(tests, a_grant_that_was_frozen_gives_the_same_notice);
    tcase_add_test(tests, what_is_no_grant_is_not_thawed);
    tcase_add_test(tests, a_certificate_with_two_common_names_is_told_of);
    return tests;
}

int main(void)
{
    Suite *suite = suite_create("webhook_proto");

    suite_add_tcase(suite, case_questions());
    suite_add_tcase(suite, case_answers());
    return run_suite(suite);
}
