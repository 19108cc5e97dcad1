/* check_intune_proto.c - unit tests of intune_proto.c
 * SPDX-License-Identifier: Apache-2.0
 *
 * The answers have the form that Microsoft documents; ids and tokens in them
 * are made up.
 */
#include <apr_strings.h>
#include <jansson.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "httpd/intune_proto.h"
#include "run.h"

#define TOKEN "eyJ0eXAiOiJKV1Qi.eyJhdWQiOiJodHRwczov.c2lnbmF0dXJl-_"
#define SECRET "s3cr~et&=%+ /"

static apr_pool_t *pool;
static const scep_intune_request_t request = { "mod_scep/test", "4711",
                                               (const unsigned char *)"csr",
                                               3 };

static void setup(void)
{
    apr_pool_create(&pool, NULL);
}

static void teardown(void)
{
    ck_assert_uint_eq(ERR_peek_error(), 0);
    apr_pool_destroy(pool);
}

/* A member of the object that is alone in a text. */
static const char *member(const char *text, const char *outer,
                          const char *name)
{
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    json_t *value = json_object_get(json_object_get(json, outer), name);
    const char *copy;

    ck_assert_uint_eq(json_object_size(json), 1);
    ck_assert_ptr_nonnull(value);
    copy = json_is_string(value)
               ? apr_pstrdup(pool, json_string_value(value))
               : apr_psprintf(pool, "%" APR_INT64_T_FMT,
                              (apr_int64_t)json_integer_value(value));
    json_decref(json);
    return copy;
}

START_TEST(a_token_is_asked_for_as_oauth_has_it)
{
    ck_assert_str_eq(mod_scep_intune_token_url("https://login.example/",
                                               "t.example", pool),
                     "https://login.example/t.example/oauth2/v2.0/token");
    ck_assert_str_eq(
        mod_scep_intune_token_form("id-1", SECRET, SCEP_INTUNE_SCOPE, pool),
        "grant_type=client_credentials&client_id=id-1&client_secret="
        "s3cr%7eet%26%3d%25%2b+%2f&scope="
        "https%3a%2f%2fapi.manage.microsoft.com%2f%2f.default");
    ck_assert_str_eq(mod_scep_intune_graph_scope("https://graph.example//",
                                                 pool),
                     "https://graph.example/.default");
}
END_TEST

START_TEST(a_token_is_read)
{
    static const struct {
        const char *text;
        int seconds; /* 0: it is none */
    } rows[] = {
        { "{\"token_type\":\"Bearer\",\"expires_in\":3599,"
          "\"ext_expires_in\":3599,\"access_token\":\"" TOKEN "\"}",
          3599 },
        { "{\"expires_in\":\"3599\",\"access_token\":\"" TOKEN "\"}", 3599 },
        { "{\"expires_in\":99999999,\"access_token\":\"a=\"}", 86400 },
        { "{\"expires_in\":0,\"access_token\":\"a\"}", 0 },
        { "{\"expires_in\":-1,\"access_token\":\"a\"}", 0 },
        { "{\"expires_in\":true,\"access_token\":\"a\"}", 0 },
        { "{\"access_token\":\"a\"}", 0 },
        { "{\"expires_in\":3599}", 0 },
        { "{\"expires_in\":3599,\"access_token\":\"\"}", 0 },
        { "{\"expires_in\":3599,\"access_token\":17}", 0 },
        { "{\"expires_in\":3599,\"access_token\":\"a b\"}", 0 },
        { "{\"expires_in\":3599,\"access_token\":\"a\\r\\nX: y\"}", 0 },
        { "{\"expires_in\":3599,\"access_token\":\"a\","
          "\"access_token\":\"b\"}",
          0 },
        { "[]", 0 },
        { "", 0 },
        { "<html>", 0 },
        { "{\"expires_in\":3599,\"access_token\":\"a\"", 0 },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        scep_intune_token_t token = { NULL, 0 };
        const char *fault =
            mod_scep_intune_read_token(rows[i].text, strlen(rows[i].text),
                                       &token, pool);

        ck_assert_msg((fault == NULL) == (rows[i].seconds > 0), "%s",
                      rows[i].text);
        ck_assert_int_eq(token.lifetime, apr_time_from_sec(rows[i].seconds));
        ck_assert((fault == NULL) == (token.text != NULL));
    }
}
END_TEST

START_TEST(the_service_is_found_among_others)
{
    static const char text[] =
        "{\"@odata.context\":\"https://graph.microsoft.com/v1.0/$metadata\","
        "\"value\":[17,{},{\"providerName\":\"PkiConnectorFEService\","
        "\"uri\":\"https://fef.example/Pki\"},{\"capability\":\"x\","
        "\"providerId\":\"1\",\"providerName\":"
        "\"ScepRequestValidationFEService\",\"providerResourceId\":null,"
        "\"uri\":\"https://fef.example/RACerts/StatelessScep/\"}]}";
    static const char older[] =
        "{\"value\":[{\"serviceName\":\"sceprequestvalidationfeservice\","
        "\"uri\":\"https://old.example\"}]}";
    static const char *const bad[] = {
        "{\"value\":[]}",
        "{\"value\":{}}",
        "{\"value\":null}",
        "{\"value\":[{\"providerName\":\"ScepRequestValidationFEService\"}]}",
        "{\"value\":[{\"providerName\":\"ScepRequestValidationFEService\","
        "\"uri\":17}]}",
        "{}",
        "[]",
        "",
        "{\"value\":[{\"providerName\":\"ScepRequestValid",
    };
    const char *location = NULL;

    ck_assert_str_eq(mod_scep_intune_services_url("https://graph.example/",
                                                  pool),
                     "https://graph.example/v1.0/servicePrincipals/"
                     "appId=0000000a-0000-0000-c000-000000000000/endpoints");
    ck_assert_ptr_null(mod_scep_intune_read_services(text, sizeof(text) - 1,
                                                     &location, pool));
    ck_assert_str_eq(location, "https://fef.example/RACerts/StatelessScep");
    ck_assert_str_eq(mod_scep_intune_action_url(location, SCEP_INTUNE_VALIDATE,
                                                pool),
                     "https://fef.example/RACerts/StatelessScep/ScepActions/"
                     "validateRequest");
    ck_assert_ptr_null(mod_scep_intune_read_services(older, sizeof(older) - 1,
                                                     &location, pool));
    ck_assert_str_eq(location, "https://old.example");
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        location = NULL;
        ck_assert_ptr_nonnull(mod_scep_intune_read_services(bad[i],
                                                            strlen(bad[i]),
                                                            &location, pool));
        ck_assert_ptr_null(location);
    }
}
END_TEST

START_TEST(the_question_has_the_csr_in_base64)
{
    const char *text = mod_scep_intune_validate(&request, pool);

    ck_assert_str_eq(member(text, "request", "transactionId"), "4711");
    ck_assert_str_eq(member(text, "request", "certificateRequest"), "Y3Ny");
    ck_assert_str_eq(member(text, "request", "callerInfo"), "mod_scep/test");
}
END_TEST

START_TEST(what_is_not_printable_cannot_spoil_the_text)
{
    scep_intune_request_t odd = request;

    odd.transaction_id = "a\"b\\c\n\xff\xc3";
    ck_assert_str_eq(member(mod_scep_intune_validate(&odd, pool), "request",
                            "transactionId"),
                     "a\"b\\c???");
}
END_TEST

static X509 *make_certificate(const char *until)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    X509_NAME *name = X509_get_subject_name(cert);

    ck_assert_ptr_nonnull(key);
    X509_set_version(cert, X509_VERSION_3);
    ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), 0x0a0b0c);
    X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8,
                               (const unsigned char *)"Ex, ample", -1, -1, 0);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                               (const unsigned char *)"CA", -1, -1, 0);
    X509_set_issuer_name(cert, name);
    X509_gmtime_adj(X509_getm_notBefore(cert), 0);
    ck_assert_int_eq(ASN1_TIME_set_string(X509_getm_notAfter(cert), until), 1);
    X509_set_pubkey(cert, key);
    ck_assert_int_gt(X509_sign(cert, key, EVP_sha256()), 0);
    EVP_PKEY_free(key);
    return cert;
}

START_TEST(success_names_the_certificate)
{
    X509 *cert = make_certificate("20491231235959Z");
    const char *text =
        mod_scep_intune_success(&request, cert, "issuing", pool);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int len;
    const char *print = member(text, "notification", "certificateThumbprint");

    ck_assert_int_eq(X509_digest(cert, EVP_sha1(), digest, &len), 1);
    ck_assert_uint_eq(strlen(print), 40);
    for (unsigned int i = 0; i < len; i++)
        ck_assert_str_eq(apr_pstrmemdup(pool, print + 2 * i, 2),
                         apr_psprintf(pool, "%02X", digest[i]));
    ck_assert_str_eq(member(text, "notification", "certificateSerialNumber"),
                     "0A0B0C");
    ck_assert_str_eq(member(text, "notification",
                            "certificateExpirationDateUtc"),
                     "2049-12-31T23:59:59.000Z");
    ck_assert_str_eq(member(text, "notification",
                            "issuingCertificateAuthority"),
                     "CN=CA,O=Ex\\, ample");
    ck_assert_str_eq(member(text, "notification", "caConfiguration"),
                     "issuing");
    ck_assert_str_eq(member(text, "notification", "certificateAuthority"),
                     "issuing");
    ck_assert_str_eq(member(text, "notification", "transactionId"), "4711");
    ck_assert_str_eq(member(text, "notification", "certificateRequest"),
                     "Y3Ny");
    X509_free(cert);
}
END_TEST

START_TEST(a_certificate_of_the_next_century_has_its_date)
{
    X509 *cert = make_certificate("99991231235959Z");

    ck_assert_str_eq(member(mod_scep_intune_success(&request, cert, "issuing",
                                                    pool),
                            "notification", "certificateExpirationDateUtc"),
                     "9999-12-31T23:59:59.000Z");
    X509_free(cert);
}
END_TEST

START_TEST(failure_says_why_in_255_characters)
{
    char *reason = apr_palloc(pool, 1001);
    const char *text;

    memset(reason, 'x', 1000);
    reason[1000] = '\0';
    text =
        mod_scep_intune_failure(&request, SCEP_FAIL_BAD_CERT_ID, reason, pool);
    ck_assert_uint_eq(strlen(member(text, "notification", "errorDescription")),
                      255);
    ck_assert_str_eq(member(text, "notification", "hResult"), "-1610612732");
    text = mod_scep_intune_failure(&request, SCEP_FAIL_BAD_ALG, NULL, pool);
    ck_assert_str_eq(member(text, "notification", "hResult"), "-1610612736");
    ck_assert_str_eq(member(text, "notification", "errorDescription"),
                     "failed");
    text = mod_scep_intune_failure(&request, SCEP_FAIL_BAD_ALG, "", pool);
    ck_assert_str_eq(member(text, "notification", "errorDescription"),
                     "failed");
}
END_TEST

START_TEST(only_success_grants)
{
    static const struct {
        const char *text;
        int answered, success;
        const char *words;
    } rows[] = {
        { "{\"code\":\"Success\",\"errorDescription\":\"\"}", 1, 1,
          "Success" },
        { "{\"code\":\"Success\"}", 1, 1, "Success" },
        { "{\"code\":\"success\"}", 1, 0,
          "a code that is not known (success)" },
        { "{\"code\":\"Success\\u0000\"}", 0, 0, NULL },
        { "{\"code\":\"Success \"}", 1, 0,
          "a code that is not known (Success )" },
        { "{\"code\":\"\"}", 1, 0, "a code that is not known ()" },
        { "{\"code\":\"Unknown\",\"errorDescription\":null}", 1, 0,
          "Unknown" },
        { "{\"code\":\"ChallengeExpired\",\"errorDescription\":\"it is\"}", 1,
          0, "ChallengeExpired: it is" },
        { "{\"code\":\"BadUserIdInChallenge\",\"errorDescription\":17}", 1, 0,
          "BadUserIdInChallenge" },
        { "{\"code\":true}", 0, 0, NULL },
        { "{\"code\":0}", 0, 0, NULL },
        { "{\"code\":\"Unknown\",\"code\":\"Success\"}", 0, 0, NULL },
        { "{\"value\":{\"code\":\"Success\"}}", 0, 0, NULL },
        { "[{\"code\":\"Success\"}]", 0, 0, NULL },
        { "\"Success\"", 0, 0, NULL },
        { "Success", 0, 0, NULL },
        { "{\"code\":\"Success\"", 0, 0, NULL },
        { "{\"code\":\"Success\"} {}", 0, 0, NULL },
        { "", 0, 0, NULL },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        scep_intune_answer_t answer = { 0, NULL };
        const char *fault =
            mod_scep_intune_read_answer(rows[i].text, strlen(rows[i].text),
                                        &answer, pool);

        ck_assert_msg((fault == NULL) == rows[i].answered, "%s", rows[i].text);
        ck_assert_int_eq(answer.success, rows[i].success);
        if (!fault)
            ck_assert_str_eq(answer.words, rows[i].words);
    }
}
END_TEST

START_TEST(what_may_be_secret_is_not_shown)
{
    static const char text[] =
        "{\"code\":\"ChallengeDecryptionError\",\"errorDescription\":\"got "
        "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7\"}";
    scep_intune_answer_t answer;

    ck_assert_ptr_null(
        mod_scep_intune_read_answer(text, sizeof(text) - 1, &answer, pool));
    ck_assert_str_eq(answer.words, "ChallengeDecryptionError");
}
END_TEST

START_TEST(of_an_error_the_codes_alone_are_shown)
{
    static const struct {
        const char *text, *shown;
    } rows[] = {
        { "{\"error\":\"invalid_client\",\"error_description\":"
          "\"AADSTS7000215: Invalid client secret provided. Trace ID: 1\","
          "\"error_codes\":[7000215]}",
          "invalid_client AADSTS7000215" },
        { "{\"error\":{\"code\":\"Authorization_RequestDenied\","
          "\"message\":\"Insufficient privileges\"}}",
          "Authorization_RequestDenied" },
        { "{\"error\":\"" SECRET "\"}", "" },
        { "{\"error\":\"x\\ny\"}", "" },
        { "{\"error_description\":\"AADSTS: " SECRET "\"}", "AADSTS" },
        { "{\"error\":[]}", "" },
        { "<html>" SECRET "</html>", "" },
        { "", "" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        ck_assert_str_eq(mod_scep_intune_fault(rows[i].text,
                                               strlen(rows[i].text), pool),
                         rows[i].shown);
}
END_TEST

START_TEST(what_is_packed_is_unpacked_and_nothing_else)
{
    static const char *const bad[] = {
        "",
        "{}",
        "[]",
        "{\"action\":\"successNotification\"}",
        "{\"action\":\"validateRequest\",\"body\":\"{}\"}",
        "{\"action\":\"successNotification\",\"body\":{}}",
        "{\"action\":\"successNotification\",\"body\":\"{",
    };
    const char *packed =
        mod_scep_intune_pack(SCEP_INTUNE_FAILURE, "{\"a\":\"b\\n\"}", pool);
    const char *action = NULL, *body = NULL;

    ck_assert(
        mod_scep_intune_unpack(packed, strlen(packed), &action, &body, pool));
    ck_assert_str_eq(action, SCEP_INTUNE_FAILURE);
    ck_assert_str_eq(body, "{\"a\":\"b\\n\"}");
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        ck_assert(!mod_scep_intune_unpack(bad[i], strlen(bad[i]), &action,
                                          &body, pool));
}
END_TEST

START_TEST(a_request_that_was_frozen_is_the_same)
{
    static const unsigned char csr[] = { 0x30, 0x03, 0, 0xff, 0x7f };
    static const char *const bad[] = {
        "",
        "{}",
        "[]",
        "0123456789abcdef 0123456789abcdef 0123456789abcdef",
        "{\"transactionId\":\"1\"}",
        "{\"certificateRequest\":\"MAA=\"}",
        "{\"transactionId\":\"1\",\"certificateRequest\":\"\"}",
        "{\"transactionId\":\"1\",\"certificateRequest\":\"MA!=\"}",
        "{\"transactionId\":\"1\",\"certificateRequest\":17}",
        "{\"transactionId\":\"1\",\"certificateRequest\":\"MAA=\",\"a\":0}",
        "{\"transactionId\":\"1\",\"certificateRequest\":\"MAA=\"",
    };
    scep_intune_request_t first = { .transaction_id = "a \" \\ b",
                                    .csr = csr,
                                    .csr_len = sizeof(csr) };
    scep_intune_request_t thawed = { .caller = "x" };

    ck_assert(mod_scep_intune_thaw(mod_scep_intune_freeze(&first, pool),
                                   &thawed, pool));
    ck_assert_str_eq(thawed.transaction_id, first.transaction_id);
    ck_assert_uint_eq(thawed.csr_len, sizeof(csr));
    ck_assert_mem_eq(thawed.csr, csr, sizeof(csr));
    ck_assert_str_eq(thawed.caller, "x");
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        ck_assert_msg(!mod_scep_intune_thaw(bad[i], &thawed, pool), "%s",
                      bad[i]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("intune_proto");
    TCase *tests = tcase_create("intune_proto");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_token_is_asked_for_as_oauth_has_it);
    tcase_add_test(tests, a_token_is_read);
    tcase_add_test(tests, the_service_is_found_among_others);
    tcase_add_test(tests, the_question_has_the_csr_in_base64);
    tcase_add_test(tests, what_is_not_printable_cannot_spoil_the_text);
    tcase_add_test(tests, success_names_the_certificate);
    tcase_add_test(tests, a_certificate_of_the_next_century_has_its_date);
    tcase_add_test(tests, failure_says_why_in_255_characters);
    tcase_add_test(tests, only_success_grants);
    tcase_add_test(tests, a_request_that_was_frozen_is_the_same);
    tcase_add_test(tests, what_may_be_secret_is_not_shown);
    tcase_add_test(tests, of_an_error_the_codes_alone_are_shown);
    tcase_add_test(tests, what_is_packed_is_unpacked_and_nothing_else);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
