/* check_ejbca.c - what EJBCA is told, and what its answers mean
 * SPDX-License-Identifier: Apache-2.0
 */
#include <apr_strings.h>
#include <jansson.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "../../ca-connectors/ejbca/ejbca_decode.h"
#include "../../ca-connectors/ejbca/ejbca_proto.h"
#include "../../ca-connectors/ejbca/ejbca_turns.h"
#include "../../ca-connectors/ejbca/ejbca_username.h"
#include "run.h"
#include "support.h"

static apr_pool_t *pool;
static EVP_PKEY *key, *other_key;
static X509 *cert, *other_cert;
static const char *cert_text; /* base64 of DER */
static const char *other_text;

static const char *base64_of(X509 *x)
{
    unsigned char *der = NULL;
    int len = i2d_X509(x, &der);
    const char *text = scep_ejbca_encode(der, (apr_size_t)len, pool);

    OPENSSL_free(der);
    return text;
}

static void setup(void)
{
    pool = support_pool();
    key = support_ec("P-256", pool);
    other_key = support_ec("P-256", pool);
    cert = support_cert("device", key, NULL, NULL, "digitalSignature", pool);
    other_cert =
        support_cert("other", other_key, NULL, NULL, "digitalSignature", pool);
    cert_text = base64_of(cert);
    other_text = base64_of(other_cert);
}

static scep_ca_result_t ordered(int status, const char *body)
{
    scep_ca_result_t result = { 0 };

    scep_ejbca_proto_ordered(status, body, strlen(body), &result, pool);
    ck_assert_uint_eq(ERR_peek_error(), 0);
    if (result.outcome != SCEP_CA_ISSUED)
        ck_assert_ptr_nonnull(result.reason);
    return result;
}

/* ------------------------------------------------------------------ */

START_TEST(an_order_says_what_ejbca_needs)
{
    static const unsigned char csr[] = { 0x30, 0x03, 0x02, 0x01, 0xfb };
    const scep_ejbca_order_t order = { csr,      sizeof(csr), "Issuing \"CA\"",
                                       "CP",     "EEP",       "scep-x",
                                       "secret", "b1nd" };
    json_t *body = json_loads(scep_ejbca_proto_order(&order, pool), 0, NULL);
    const char *request, *ca, *cp, *eep, *user, *password, *binding, *format;
    int chain;

    ck_assert_int_eq(
        json_unpack(body, "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:s !}",
                    "certificate_request", &request,
                    "certificate_authority_name", &ca,
                    "certificate_profile_name", &cp, "end_entity_profile_name",
                    &eep, "username", &user, "password", &password,
                    "account_binding_id", &binding, "include_chain", &chain,
                    "response_format", &format),
        0);
    ck_assert_str_eq(request, "MAMCAfs=");
    ck_assert_str_eq(ca, "Issuing \"CA\"");
    ck_assert_str_eq(cp, "CP");
    ck_assert_str_eq(eep, "EEP");
    ck_assert_str_eq(user, "scep-x");
    ck_assert_str_eq(password, "secret");
    ck_assert_str_eq(binding, "b1nd");
    ck_assert_int_eq(chain, 1);
    ck_assert_str_eq(format, "DER");
    json_decref(body);
}
END_TEST

START_TEST(a_preregistered_order_names_no_profile)
{
    scep_ejbca_order_t order = {
        (const unsigned char *)"x", 1, "CA", NULL, NULL, "u", "p", NULL
    };
    const char *body = scep_ejbca_proto_order(&order, pool);

    ck_assert_ptr_null(strstr(body, "profile"));
    ck_assert_ptr_null(strstr(body, "binding"));
    order.password = "\xff";
    ck_assert_ptr_null(scep_ejbca_proto_order(&order, pool));
}
END_TEST

START_TEST(an_issued_certificate_is_read_with_its_chain)
{
    scep_ca_result_t result =
        ordered(201,
                apr_psprintf(pool,
                             "{\"certificate\":\"%s\",\"serial_number\":\"1\","
                             "\"response_format\":\"DER\","
                             "\"certificate_chain\":[\"%s\",\"%s\"]}",
                             cert_text, other_text, cert_text));

    ck_assert_int_eq(result.outcome, SCEP_CA_ISSUED);
    ck_assert_int_eq(X509_cmp(result.certificate, cert), 0);
    ck_assert_int_eq(sk_X509_num(result.chain), 2);
    ck_assert_int_eq(X509_cmp(sk_X509_value(result.chain, 0), other_cert), 0);
}
END_TEST

START_TEST(pem_in_the_answer_is_read_too)
{
    const char *lines = "", *at = cert_text;
    const char *body;

    for (; strlen(at) > 64; at += 64)
        lines = apr_pstrcat(pool, lines, apr_pstrmemdup(pool, at, 64), "\\n",
                            NULL);
    body = apr_psprintf(pool,
                        "{\"certificate\":\"-----BEGIN CERTIFICATE-----"
                        "\\n%s%s\\n-----END CERTIFICATE-----\\n\"}",
                        lines, at);

    ck_assert_int_eq(ordered(200, body).outcome, SCEP_CA_ISSUED);
}
END_TEST

/* clang-format off */
static const char *const broken[] = {
    "", "{}", "[]", "null", "<html></html>", "{\"certificate\":",
    "{\"certificate\":null}", "{\"certificate\":[\"MIIB\"]}",
    "{\"certificate\":\"\"}", "{\"certificate\":\"MAMCAfs=\"}",
    "{\"certificate\":\"!!!!\"}", "{\"certificate\":\"TUFNQ0Fmcz0=\"}",
};
/* clang-format on */

START_TEST(an_answer_without_a_certificate_is_unknown)
{
    scep_ca_result_t result = ordered(201, broken[_i]);

    ck_assert_int_eq(result.outcome, SCEP_CA_UNKNOWN);
    ck_assert_ptr_null(result.certificate);
}
END_TEST

START_TEST(cut_off_answers_are_never_issued)
{
    const char *whole =
        apr_psprintf(pool, "{\"certificate\":\"%s\"}", cert_text);
    size_t len = strlen(whole);

    for (size_t i = 0; i < len; i += 7)
        ck_assert_int_eq(ordered(201, apr_pstrmemdup(pool, whole, i)).outcome,
                         SCEP_CA_UNKNOWN);
    ck_assert_int_eq(
        ordered(201, apr_psprintf(pool,
                                  "{\"certificate\":\"%s\","
                                  "\"certificate_chain\":[\"%s\",\"x\"]}",
                                  cert_text, other_text))
            .outcome,
        SCEP_CA_UNKNOWN);
}
END_TEST

#define ERROR(code, text)                                                     \
    "{\"error_code\":" #code ",\"error_message\":\"" text "\"}"

/* clang-format off */
static const struct {
    int status;
    const char *body;
    scep_ca_outcome_t outcome;
    scep_fail_info_t fail_info;
    int device_fault;
} refusals[] = {
    { 400, ERROR(400, "CA with name \\\"X\\\" doesn't exist"),
      SCEP_CA_REJECTED, SCEP_FAIL_BAD_REQUEST, 0 },
    { 400, ERROR(400, "Certificate profile with name \\\"X\\\" doesn't exist"),
      SCEP_CA_REJECTED, SCEP_FAIL_BAD_REQUEST, 0 },
    { 400, ERROR(400, "Invalid certificate request"),
      SCEP_CA_REJECTED, SCEP_FAIL_BAD_REQUEST, 1 },
    { 400, ERROR(400, "Subject DN field 'O' must exist"),
      SCEP_CA_REJECTED, SCEP_FAIL_BAD_REQUEST, 1 },
    { 400, ERROR(400, "Single transaction enrollment request rejected since "
                 "approvals are enabled for this CA (1)."),
      SCEP_CA_REJECTED, SCEP_FAIL_BAD_REQUEST, 0 },
    { 400, ERROR(400, "User 'u' is not allowed to use same subject DN as the "
                 "user(s) [v] is/are using while issued by the same CA"),
      SCEP_CA_REJECTED, SCEP_FAIL_BAD_REQUEST, 0 },
    { 400, ERROR(400, "User 'u' is not allowed to use same key as another "
                 "user is using."),
      SCEP_CA_REJECTED, SCEP_FAIL_BAD_REQUEST, 1 },
    { 400, ERROR(400, "Illegal key length, not authorized by certificate "
                 "profile: 1024"),
      SCEP_CA_REJECTED, SCEP_FAIL_BAD_ALG, 1 },
    { 400, ERROR(400, "CA 'X' is not active. CA status=2"),
      SCEP_CA_UNAVAILABLE, 0, 0 },
    { 400, ERROR(400, "CA token is offline for CA 'X'."),
      SCEP_CA_UNAVAILABLE, 0, 0 },
    { 400, ERROR(400, "Signing CA 'X' is not active."),
      SCEP_CA_UNAVAILABLE, 0, 0 },
    { 400, "", SCEP_CA_REJECTED, SCEP_FAIL_BAD_REQUEST, 1 },
    { 409, ERROR(409, "Failed to generate certificate due to the new "
                 "certificate conflicting with an existing one."),
      SCEP_CA_REJECTED, SCEP_FAIL_BAD_REQUEST, 1 },
    { 202, "{\"status_code\":202}", SCEP_CA_REJECTED, SCEP_FAIL_BAD_REQUEST,
      0 },
    { 403, "<html><body>This service has been disabled.</body></html>",
      SCEP_CA_REJECTED, SCEP_FAIL_BAD_REQUEST, 0 },
    { 403, ERROR(403, "Administrator is not authorized to resource "
                 "/administrator. Msg: ."),
      SCEP_CA_REJECTED, SCEP_FAIL_BAD_REQUEST, 0 },
    { 404, ERROR(404, "RESTEASY003210: Could not find resource for full "
                 "path"),
      SCEP_CA_REJECTED, SCEP_FAIL_BAD_REQUEST, 0 },
    { 415, "", SCEP_CA_REJECTED, SCEP_FAIL_BAD_REQUEST, 0 },
    { 302, "", SCEP_CA_REJECTED, SCEP_FAIL_BAD_REQUEST, 0 },
    { 408, "", SCEP_CA_UNAVAILABLE, 0, 0 },
    { 429, "", SCEP_CA_UNAVAILABLE, 0, 0 },
    { 500, ERROR(500, "General failure."), SCEP_CA_UNKNOWN, 0, 0 },
    { 502, "<html>Bad Gateway</html>", SCEP_CA_UNKNOWN, 0, 0 },
    { 503, ERROR(503, "Device was unavailable."), SCEP_CA_UNKNOWN, 0, 0 },
};
/* clang-format on */

START_TEST(errors_mean_what_the_table_says)
{
    scep_ca_result_t result = ordered(refusals[_i].status, refusals[_i].body);

    ck_assert_int_eq(result.outcome, refusals[_i].outcome);
    if (result.outcome == SCEP_CA_REJECTED) {
        ck_assert_int_eq(result.fail_info, refusals[_i].fail_info);
        ck_assert_int_eq(result.device_fault, refusals[_i].device_fault);
    }
}
END_TEST

START_TEST(an_error_is_one_short_line)
{
    char *body = apr_palloc(pool, 5001);
    const char *text;

    memset(body, 'x', 5000);
    body[5000] = '\0';
    text = scep_ejbca_proto_error(500, body, 5000, pool);
    ck_assert_uint_lt(strlen(text), 400);
    text = scep_ejbca_proto_error(403, "<html>\r\n<h1>a</h1>\tb\x01</html>",
                                  26, pool);
    ck_assert_str_eq(text, "EJBCA answered HTTP 403: a b");
}
END_TEST

/* ------------------------------------------------------------------ */

static apr_status_t found(const char *body, EVP_PKEY *of, apr_time_t since,
                          X509 **x)
{
    unsigned char *der = NULL, digest[EVP_MAX_MD_SIZE];
    int len = i2d_PUBKEY(of, &der);

    EVP_Digest(der, (size_t)len, digest, NULL, EVP_sha256(), NULL);
    OPENSSL_free(der);
    return scep_ejbca_proto_found(200, body, strlen(body), digest, since, x);
}

START_TEST(a_search_is_for_one_value_and_for_a_time_where_one_is_given)
{
    ck_assert_str_eq(scep_ejbca_proto_search("QUERY", "scep-\"x", 0, pool),
                     "{\"max_number_of_results\":100,\"criteria\":[{"
                     "\"property\":\"QUERY\",\"value\":\"scep-\\\"x\","
                     "\"operation\":\"EQUAL\"}]}");
    ck_assert_ptr_nonnull(
        strstr(scep_ejbca_proto_search("QUERY", "x",
                                       apr_time_from_sec(1700000000), pool),
               "{\"property\":\"ISSUED_DATE\",\"value\":"
               "\"2023-11-14T22:13:20Z\",\"operation\":\"AFTER\"}"));
}
END_TEST

START_TEST(a_search_finds_by_key_in_double_base64)
{
    const char *twice = scep_ejbca_encode((const unsigned char *)cert_text,
                                          strlen(cert_text), pool);
    const char *body = apr_psprintf(pool,
                                    "{\"certificates\":[{\"certificate\":"
                                    "\"%s\"},{\"certificate\":\"%s\"}],"
                                    "\"more_results\":true}",
                                    other_text, twice);
    X509 *x = NULL;

    ck_assert_int_eq(found(body, key, 0, &x), APR_SUCCESS);
    ck_assert_int_eq(X509_cmp(x, cert), 0);
    X509_free(x);
    /* too old; of those that are not told one may be it */
    x = NULL;
    ck_assert_int_eq(found(body, key, apr_time_now() + apr_time_from_sec(60),
                           &x),
                     APR_INCOMPLETE);
    ck_assert_ptr_null(x);
    ck_assert_int_eq(found("{\"certificates\":[]}", key, 0, &x), APR_SUCCESS);
    ck_assert_ptr_null(x);
    /* what cannot be read may have been it */
    ck_assert_int_eq(found("{\"certificates\":[{}]}", key, 0, &x),
                     APR_EGENERAL);
    ck_assert_int_ne(found("{}", key, 0, &x), APR_SUCCESS);
    ck_assert_int_ne(found("<html>", key, 0, &x), APR_SUCCESS);
    ck_assert_int_ne(found("", key, 0, &x), APR_SUCCESS);
}
END_TEST

START_TEST(paths_are_escaped)
{
    ck_assert_str_eq(
        scep_ejbca_proto_crl("CN=a/b,O=\xc3\xa4 +", pool),
        "/v1/ca/CN%3Da%2Fb%2CO%3D%C3%A4%20%2B/getLatestCrl?deltaCrl=false");
    ck_assert_ptr_nonnull(
        strstr(scep_ejbca_proto_revoke("CN=x", cert, 1, pool),
               "/revoke?reason=KEY_COMPROMISE"));
    ck_assert_ptr_nonnull(
        strstr(scep_ejbca_proto_revoke("CN=x", cert, 99, pool),
               "?reason=UNSPECIFIED"));
}
END_TEST

START_TEST(the_issuer_is_found_by_name)
{
    const char *body = "{\"certificate_authorities\":[{\"name\":\"A\","
                       "\"subject_dn\":\"CN=A\"},{\"name\":\"B\","
                       "\"subject_dn\":\"CN=B,C=SE\"}]}";

    ck_assert_str_eq(scep_ejbca_proto_issuer(body, strlen(body), "B", pool),
                     "CN=B,C=SE");
    ck_assert_ptr_null(scep_ejbca_proto_issuer(body, strlen(body), "C", pool));
    ck_assert_ptr_null(scep_ejbca_proto_issuer("", 0, "C", pool));
}
END_TEST

START_TEST(health_is_what_status_says)
{
    const char *good = "{\"status\":\"OK\",\"version\":\"1.0\","
                       "\"revision\":\"EJBCA 8.2.0.1 Community (x)\"}";
    const char *text;

    ck_assert(scep_ejbca_proto_status(200, good, strlen(good), &text, pool));
    ck_assert_str_eq(text, "EJBCA 8.2.0.1 Community (x)");
    ck_assert(!scep_ejbca_proto_status(200, "{}", 2, &text, pool));
    ck_assert(!scep_ejbca_proto_status(403, good, strlen(good), &text, pool));
}
END_TEST

START_TEST(a_chain_is_read_whole_or_not_at_all)
{
    BIO *out = BIO_new(BIO_s_mem());
    STACK_OF(X509) *chain;
    char *pem;
    apr_size_t len;

    PEM_write_bio_X509(out, cert);
    PEM_write_bio_X509(out, other_cert);
    len = (apr_size_t)BIO_get_mem_data(out, &pem);
    chain = scep_ejbca_proto_read_chain(pem, len, pool);
    ck_assert_int_eq(sk_X509_num(chain), 2);
    ck_assert_int_eq(X509_cmp(sk_X509_value(chain, 0), cert), 0);
    ck_assert_ptr_null(scep_ejbca_proto_read_chain(pem, 0, pool));
    ck_assert_ptr_null(scep_ejbca_proto_read_chain("<html>", 6, pool));
    ck_assert_ptr_null(scep_ejbca_proto_read_chain(pem, len - 40, pool));
    ck_assert_uint_eq(ERR_peek_error(), 0);
    ck_assert_str_eq(scep_ejbca_proto_chain("CN=a,O=b", pool),
                     "/v1/ca/CN%3Da%2CO%3Db/certificate/download");
    BIO_free(out);
}
END_TEST

START_TEST(no_crl_is_no_error)
{
    X509_CRL *crl;

    ck_assert_int_eq(scep_ejbca_proto_read_crl("{\"crl\":null}", 12, &crl,
                                               pool),
                     APR_SUCCESS);
    ck_assert_ptr_null(crl);
    ck_assert_int_ne(scep_ejbca_proto_read_crl("{\"crl\":\"x\"}", 11, &crl,
                                               pool),
                     APR_SUCCESS);
    ck_assert_int_ne(scep_ejbca_proto_read_crl("{}", 2, &crl, pool),
                     APR_SUCCESS);
}
END_TEST

/* ------------------------------------------------------------------ */

static const char *name_of(const char *template, const char *cn,
                           const char *serial, const char *san)
{
    X509_NAME *subject = X509_NAME_new();
    scep_ca_request_t request = { .subject = subject,
                                  .spki = (const unsigned char *)"key",
                                  .spki_len = 3 };
    GENERAL_NAMES *sans = NULL;
    const char *name;

    if (cn)
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                   (const unsigned char *)cn, -1, -1, 0);
    if (serial)
        X509_NAME_add_entry_by_txt(subject, "serialNumber", MBSTRING_ASC,
                                   (const unsigned char *)serial, -1, -1, 0);
    if (san) {
        X509_EXTENSION *ext =
            X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, san);
        sans = X509V3_EXT_d2i(ext);
        X509_EXTENSION_free(ext);
    }
    request.sans = sans;
    ck_assert_ptr_null(scep_ejbca_username_check(template, pool));
    name = scep_ejbca_username(template, &request, pool);
    ck_assert_ptr_nonnull(name);
    ck_assert_uint_eq(ERR_peek_error(), 0);
    GENERAL_NAMES_free(sans);
    X509_NAME_free(subject);
    return name;
}

START_TEST(a_username_is_the_devices_own)
{
    const char *fallback = name_of(EJBCA_USERNAME_DEFAULT, NULL, NULL, NULL);

    ck_assert_str_eq(name_of("scep-%{CN}", "device-1", NULL, NULL),
                     "scep-device-1");
    ck_assert_str_eq(name_of("g_%{serialNumber}.%{CN}x", "d", "S1", NULL),
                     "g_S1.dx");
    ck_assert_str_eq(name_of("h-%{DNS}", "d", NULL,
                             "IP:192.0.2.1,DNS:a.example"),
                     "h-a.example");
    ck_assert_str_eq(name_of("all", "d", NULL, NULL), "all");
    ck_assert_int_eq(strncmp(fallback, "scep-", 5), 0);
    ck_assert_uint_eq(strlen(fallback), 5 + 48);
    ck_assert_str_eq(fallback, name_of("scep-%{SHA256}", "x", NULL, NULL));
}
END_TEST

START_TEST(odd_names_become_digests_that_differ)
{
    char long_cn[61];
    const char *odd[] = { "a b",  "a;b",      "a/b", "a|b",
                          "../b", "\xc3\xa4", "a*",  "a\nb" };

    memset(long_cn, 'x', 60);
    long_cn[60] = '\0';
    for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
        const char *name = name_of("scep-%{CN}", odd[i], NULL, NULL);

        ck_assert_uint_eq(strlen(name), 5 + 48);
        for (size_t j = 0; j < i; j++)
            ck_assert_str_ne(name, name_of("scep-%{CN}", odd[j], NULL, NULL));
    }
    ck_assert_uint_eq(strlen(name_of("scep-%{CN}%{CN}%{CN}%{CN}", long_cn,
                                     NULL, NULL)),
                      5 + 48);
}
END_TEST

/* clang-format off */
static const char *const bad_templates[] = {
    "", "%{CN}", "x-%{cn}", "x-%{CN", "x-%CN", "x-%{OU}", "x%", "a b%{CN}",
    "x;%{CN}",
};
/* clang-format on */

START_TEST(a_template_that_could_name_an_administrator_is_refused)
{
    ck_assert_ptr_nonnull(scep_ejbca_username_check(bad_templates[_i], pool));
}
END_TEST

START_TEST(one_turn_at_a_time_for_a_username)
{
    scep_ejbca_turns_t *turns =
        scep_ejbca_turns_open(apr_pcalloc(pool, scep_ejbca_turns_size()));
    apr_interval_time_t minute = apr_time_from_sec(60);
    scep_ejbca_turn_t first, second, other;

    ck_assert(scep_ejbca_turns_take(turns, "a", 0, minute, &first));
    ck_assert(!scep_ejbca_turns_take(turns, "a", 20000, minute, &second));
    ck_assert(scep_ejbca_turns_take(turns, "b", 0, minute, &other));
    scep_ejbca_turns_give(turns, &first);
    ck_assert(scep_ejbca_turns_take(turns, "a", 0, 1000, &second));
    /* its holder was killed */
    ck_assert(scep_ejbca_turns_take(turns, "a", minute, minute, &first));
    /* and was only slow */
    scep_ejbca_turns_give(turns, &second);
    ck_assert(!scep_ejbca_turns_take(turns, "a", 0, minute, &second));
}
END_TEST

static Suite *ejbca_suite(void)
{
    Suite *suite = suite_create("ejbca");
    TCase *tcase = tcase_create("ejbca");

    tcase_add_unchecked_fixture(tcase, setup, NULL);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, an_order_says_what_ejbca_needs);
    tcase_add_test(tcase, a_preregistered_order_names_no_profile);
    tcase_add_test(tcase, an_issued_certificate_is_read_with_its_chain);
    tcase_add_test(tcase, pem_in_the_answer_is_read_too);
    tcase_add_loop_test(tcase, an_answer_without_a_certificate_is_unknown, 0,
                        sizeof(broken) / sizeof(*broken));
    tcase_add_test(tcase, cut_off_answers_are_never_issued);
    tcase_add_loop_test(tcase, errors_mean_what_the_table_says, 0,
                        sizeof(refusals) / sizeof(*refusals));
    tcase_add_test(tcase, an_error_is_one_short_line);
    tcase_add_test(
        tcase, a_search_is_for_one_value_and_for_a_time_where_one_is_given);
    tcase_add_test(tcase, a_search_finds_by_key_in_double_base64);
    tcase_add_test(tcase, paths_are_escaped);
    tcase_add_test(tcase, the_issuer_is_found_by_name);
    tcase_add_test(tcase, health_is_what_status_says);
    tcase_add_test(tcase, a_chain_is_read_whole_or_not_at_all);
    tcase_add_test(tcase, no_crl_is_no_error);
    tcase_add_test(tcase, a_username_is_the_devices_own);
    tcase_add_test(tcase, odd_names_become_digests_that_differ);
    tcase_add_loop_test(tcase,
                        a_template_that_could_name_an_administrator_is_refused,
                        0, sizeof(bad_templates) / sizeof(*bad_templates));
    tcase_add_test(tcase, one_turn_at_a_time_for_a_username);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return run_suite(ejbca_suite());
}
