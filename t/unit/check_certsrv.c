/* check_certsrv.c - what certsrv is told, and what its pages mean
 * SPDX-License-Identifier: Apache-2.0
 *
 * The connection is a list of answers, and what a device sent is ready.
 */
#include <stdlib.h>

#include <apr_file_io.h>
#include <apr_strings.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "../../ca-connectors/adcs/adcs.h"
#include "../../ca-connectors/adcs/adcs_decode.h"
#include "../../ca-connectors/adcs/certsrv_proto.h"
#include "run.h"
#include "support.h"

static apr_pool_t *pool;
static EVP_PKEY *key, *other_key;
static X509 *cert, *other_cert;
static const char *pem, *other_pem;
static scep_certsrv_ticket_t ticket; /* with the key of cert */

static const char *const languages[] = { "en", "de", "fr" };
#define LANGUAGES 3

static const char *pem_of(X509 *x)
{
    BIO *out = BIO_new(BIO_s_mem());
    const char *text;
    char *at;
    long len;

    PEM_write_bio_X509(out, x);
    len = BIO_get_mem_data(out, &at);
    text = apr_pstrmemdup(pool, at, (apr_size_t)len);
    BIO_free(out);
    return text;
}

static void setup(void)
{
    unsigned char *der = NULL;
    int len;

    pool = support_pool();
    key = support_ec("P-256", pool);
    other_key = support_ec("P-256", pool);
    cert = support_cert("device", key, NULL, NULL, "digitalSignature", pool);
    other_cert =
        support_cert("other", other_key, NULL, NULL, "digitalSignature", pool);
    pem = pem_of(cert);
    other_pem = pem_of(other_cert);
    len = i2d_PUBKEY(key, &der);
    EVP_Digest(der, (size_t)len, ticket.key, NULL, EVP_sha256(), NULL);
    OPENSSL_free(der);
}

/* A page of t/data in one of the languages. */
static const char *page(const char *name, const char *language)
{
    const char *dir = getenv("srcdir");
    const char *path = apr_psprintf(pool, "%s/t/data/certsrv-%s-%s.html",
                                    dir ? dir : ".", name, language);
    char *text = apr_pcalloc(pool, 16384);
    apr_size_t len = 16383;
    apr_file_t *file;

    ck_assert_int_eq(apr_file_open(&file, path, APR_FOPEN_READ, 0, pool),
                     APR_SUCCESS);
    ck_assert_int_eq(apr_file_read(file, text, &len), APR_SUCCESS);
    ck_assert_uint_gt(len, 1000);
    apr_file_close(file);
    return text;
}

/* ------------------------------------------------------------------ */
/* The connection                                                       */

typedef struct answer_t {
    const char *path; /**< that must have been asked for */
    int status;       /**< 0: none */
    const char *body;
    int sent; /**< where there is none */
} answer_t;

static const answer_t *answers;
static int asked;

apr_status_t scep_http_client_call(scep_http_client_t *client,
                                   const scep_http_request_t *request,
                                   scep_http_response_t *response,
                                   apr_pool_t *p)
{
    const answer_t *answer = &answers[asked++];

    (void)client;
    (void)p;
    ck_assert_ptr_nonnull(answer->path);
    ck_assert_str_eq(request->url, apr_pstrcat(pool, "https://ca/certsrv",
                                               answer->path, NULL));
    ck_assert_int_eq(request->body != NULL,
                     !strcmp(answer->path, "/certfnsh.asp"));
    if (!answer->status) {
        response->sent = answer->sent;
        response->error = "time-out";
        return APR_TIMEUP;
    }
    response->status = answer->status;
    response->body = answer->body;
    response->body_len = strlen(answer->body);
    response->sent = 1;
    return APR_SUCCESS;
}

const char *scep_adcs_order(const scep_adcs_t *ca,
                            const scep_ca_request_t *request,
                            const unsigned char **der, apr_size_t *len,
                            apr_pool_t *p)
{
    (void)ca;
    (void)p;
    *der = request->csr;
    *len = request->csr_len;
    return NULL;
}

static const scep_adcs_conf_t conf = { .url = "https://ca/certsrv",
                                       .template = "Device" };
static scep_adcs_t ca = { .conf = &conf };

static void is_over(void)
{
    ck_assert_ptr_null(answers[asked].path);
    ck_assert_uint_eq(ERR_peek_error(), 0);
}

static scep_ca_result_t submit(const answer_t *list)
{
    static const unsigned char csr[] = { 0x30, 0x03, 0x02, 0x01, 0xfb };
    scep_ca_result_t result = { 0 };
    unsigned char *spki = NULL;
    int len = i2d_PUBKEY(key, &spki);
    const scep_ca_request_t request = { .csr = csr,
                                        .csr_len = sizeof(csr),
                                        .spki = spki,
                                        .spki_len = (apr_size_t)len };

    answers = list;
    asked = 0;
    scep_certsrv_submit(&ca, &request, &result, pool);
    OPENSSL_free(spki);
    is_over();
    if (result.outcome != SCEP_CA_ISSUED)
        ck_assert_ptr_nonnull(result.reason);
    return result;
}

static scep_ca_result_t poll(const char *handle, const answer_t *list)
{
    scep_ca_result_t result = { 0 };

    answers = list;
    asked = 0;
    scep_certsrv_poll(&ca, handle, &result, pool);
    is_over();
    if (result.outcome != SCEP_CA_ISSUED)
        ck_assert_ptr_nonnull(result.reason);
    return result;
}

#define POST "/certfnsh.asp"
#define GET_7 "/certnew.cer?ReqID=7&Enc=b64"
#define GET_10 "/certnew.cer?ReqID=10&Enc=b64"

static const char *handle_7(void)
{
    scep_certsrv_ticket_t seven = ticket;

    seven.ids[0] = 7;
    seven.count = 1;
    return scep_certsrv_proto_handle(&seven, pool);
}

/* ------------------------------------------------------------------ */

START_TEST(a_form_has_the_template_and_nothing_else)
{
    static const unsigned char csr[] = { 0x30, 0x03, 0xfb, 0xef, 0xbe };

    ck_assert_str_eq(
        scep_certsrv_proto_form(csr, sizeof(csr), 0, "Web Server", pool),
        "Mode=newreq&CertRequest="
        "-----BEGIN%20CERTIFICATE%20REQUEST-----%0AMAP7774%3D%0A"
        "-----END%20CERTIFICATE%20REQUEST-----%0A"
        "&CertAttrib=CertificateTemplate%3AWeb%20Server%0D%0A"
        "&FriendlyType=Saved-Request+Certificate&TargetStoreFlags=0"
        "&SaveCert=yes");
    ck_assert_ptr_nonnull(
        strstr(scep_certsrv_proto_form(csr, sizeof(csr), 1, NULL, pool),
               "BEGIN%20NEW%20CERTIFICATE%20REQUEST"));
    ck_assert_ptr_null(
        scep_certsrv_proto_form(csr, sizeof(csr), 0,
                                "Device\r\nSAN:upn=administrator", pool));
    ck_assert_ptr_null(scep_certsrv_proto_form(csr, sizeof(csr), 0, "", pool));
}
END_TEST

START_TEST(a_plus_is_escaped_and_lines_are_broken)
{
    unsigned char csr[200];
    const char *form;

    memset(csr, 0xfb, sizeof(csr));
    csr[0] = 0x30;
    form = scep_certsrv_proto_form(csr, sizeof(csr), 0, "T", pool);
    ck_assert_ptr_nonnull(strstr(form, "%2B"));
    ck_assert_ptr_null(strchr(strstr(form, "BEGIN"), '\n'));
    ck_assert_int_eq(strchr(form, '+') > strstr(form, "FriendlyType"), 1);
}
END_TEST

START_TEST(an_issued_certificate_is_fetched)
{
    const answer_t list[] = { { POST, 200, page("issued", languages[_i]), 0 },
                              { GET_7, 200, pem, 0 },
                              { 0 } };
    scep_ca_result_t result = submit(list);

    ck_assert_int_eq(result.outcome, SCEP_CA_ISSUED);
    ck_assert_int_eq(X509_cmp(result.certificate, cert), 0);
}
END_TEST

START_TEST(a_certificate_of_another_key_is_not_believed)
{
    const answer_t list[] = { { POST, 200, page("issued", "en"), 0 },
                              { GET_7, 200, other_pem, 0 },
                              { 0 } };
    scep_ca_result_t result = submit(list);

    ck_assert_int_eq(result.outcome, SCEP_CA_UNKNOWN);
    ck_assert_ptr_null(result.certificate);
    ck_assert_str_eq(result.handle, handle_7());
}
END_TEST

START_TEST(a_cut_off_certificate_is_unknown_and_can_be_polled)
{
    const answer_t list[] = {
        { POST, 200, page("issued", "en"), 0 },
        { GET_7, 200, apr_pstrmemdup(pool, pem, strlen(pem) / 2), 0 },
        { 0 }
    };
    const answer_t again[] = { { GET_7, 200, pem, 0 }, { 0 } };
    scep_ca_result_t result = submit(list);

    ck_assert_int_eq(result.outcome, SCEP_CA_UNKNOWN);
    ck_assert_ptr_null(result.certificate);
    result = poll(result.handle, again);
    ck_assert_int_eq(result.outcome, SCEP_CA_ISSUED);
    ck_assert_int_eq(X509_cmp(result.certificate, cert), 0);
}
END_TEST

START_TEST(a_pending_request_is_polled_by_its_number)
{
    const answer_t list[] = { { POST, 200, page("pending", languages[_i]), 0 },
                              { GET_7, 200, page("waiting", languages[_i]),
                                0 },
                              { 0 } };
    const answer_t waiting[] = {
        { GET_7, 200, page("waiting", languages[_i]), 0 }, { 0 }
    };
    const answer_t issued[] = { { GET_7, 200, pem, 0 }, { 0 } };
    const answer_t refused[] = {
        { GET_7, 200, page("refused", languages[_i]), 0 }, { 0 }
    };
    scep_ca_result_t result = submit(list);
    const char *handle = result.handle;

    ck_assert_int_eq(result.outcome, SCEP_CA_PENDING);
    ck_assert_ptr_nonnull(handle);
    result = poll(handle, waiting);
    ck_assert_int_eq(result.outcome, SCEP_CA_PENDING);
    ck_assert_str_eq(result.handle, handle);
    ck_assert_int_eq(poll(handle, issued).outcome, SCEP_CA_ISSUED);
    result = poll(handle, refused);
    ck_assert_int_eq(result.outcome, SCEP_CA_REJECTED);
    ck_assert_int_eq(result.fail_info, SCEP_FAIL_BAD_REQUEST);
    ck_assert_int_eq(result.device_fault, 1);
    ck_assert_ptr_nonnull(strstr(result.reason, "0x80094014"));
}
END_TEST

START_TEST(other_languages_put_the_number_elsewhere)
{
    /* first ten days, then the number; and both of the same account */
    const answer_t list[] = {
        { POST, 200,
          "<p id=a>10 \xe6\x97\xa5\xe4\xbb\xa5\xe5\x86\x85\xe3\x80\x82"
          "<p id=b>\xe8\xa6\x81\xe6\xb1\x82 ID \xe3\x81\xaf 7 "
          "\xe3\x81\xa7\xe3\x81\x99",
          0 },
        { GET_10, 200, other_pem, 0 },
        { GET_7, 200, page("waiting", "en"), 0 },
        { 0 }
    };
    scep_ca_result_t result = submit(list);

    ck_assert_int_eq(result.outcome, SCEP_CA_PENDING);
    ck_assert_ptr_nonnull(strchr(result.handle, '7'));
}
END_TEST

START_TEST(a_denied_request_is_refused_at_once)
{
    const answer_t list[] = { { POST, 200, page("denied", languages[_i]), 0 },
                              { 0 } };
    scep_ca_result_t result = submit(list);

    ck_assert_int_eq(result.outcome, SCEP_CA_REJECTED);
    ck_assert_int_eq(result.fail_info, SCEP_FAIL_BAD_REQUEST);
    /* a template that the CA does not have is the gateway's fault */
    ck_assert_int_eq(result.device_fault, 0);
    ck_assert_ptr_nonnull(strstr(result.reason, "0x80094800"));
    ck_assert_ptr_nonnull(strstr(result.reason, "ScepAdcsTemplate"));
}
END_TEST

START_TEST(a_ca_that_is_down_got_nothing)
{
    const answer_t list[] = { { POST, 200, page("down", languages[_i]), 0 },
                              { 0 } };
    scep_ca_result_t result = submit(list);

    ck_assert_int_eq(result.outcome, SCEP_CA_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(result.reason, "0x800706ba"));
}
END_TEST

START_TEST(a_ca_that_is_down_decides_no_pending_request)
{
    const answer_t list[] = { { GET_7, 200, page("down", languages[_i]), 0 },
                              { 0 } };
    scep_ca_result_t result = poll(handle_7(), list);

    ck_assert_int_eq(result.outcome, SCEP_CA_PENDING);
    ck_assert_str_eq(result.handle, handle_7());
}
END_TEST

START_TEST(a_reason_is_utf8_and_short)
{
    const answer_t list[] = { { POST, 200, page("denied", "fr"), 0 }, { 0 } };
    const char *reason = submit(list).reason;

    ck_assert_uint_lt(strlen(reason), 500);
    for (; *reason; reason++)
        ck_assert_int_gt(*reason, 31);
    ck_assert_str_eq(scep_certsrv_page_tidy("a\xe9 b\xc3\xa9\xc3", pool),
                     "a? b\xc3\xa9?");
}
END_TEST

/* clang-format off */
static const struct {
    int status;
    int sent; /* where there is no answer */
    const char *body;
    scep_ca_outcome_t outcome;
} posts[] = {
    { 0, 0, "", SCEP_CA_UNAVAILABLE },
    { 0, 1, "", SCEP_CA_UNKNOWN },
    { 401, 1, "<h1>Unauthorized</h1>", SCEP_CA_REJECTED },
    { 403, 1, "<h1>403.4 SSL required</h1>", SCEP_CA_REJECTED },
    { 404, 1, "", SCEP_CA_REJECTED },
    { 302, 1, "", SCEP_CA_REJECTED },
    { 408, 1, "", SCEP_CA_UNAVAILABLE },
    { 429, 1, "", SCEP_CA_UNAVAILABLE },
    { 500, 1, "error 'ASP 0113' Script timed out", SCEP_CA_UNKNOWN },
    { 502, 1, "", SCEP_CA_UNKNOWN },
    { 503, 1, "", SCEP_CA_UNKNOWN },
    { 200, 1, "", SCEP_CA_UNKNOWN },
    { 200, 1, "<html></html>", SCEP_CA_UNKNOWN },
    { 200, 1, "<html><body>Please log in</body></html>", SCEP_CA_UNKNOWN },
    { 200, 1, "<script>var n = 7; // 0x80094014", SCEP_CA_UNKNOWN },
    { 200, 1, "<!-- 7 0x80094014", SCEP_CA_UNKNOWN },
    { 200, 1, "<a href=\"certnew.cer?ReqID=CACert&Renewal=0\">",
      SCEP_CA_UNKNOWN },
    { 200, 1, "certnew.cer?ReqID=99999999999999999999&", SCEP_CA_UNKNOWN },
    { 200, 1, "certnew.cer?ReqID=", SCEP_CA_UNKNOWN },
    { 200, 1, "0x80094014 0x8009401", SCEP_CA_REJECTED },
    { 200, 1, "weak 0x80094016 (-2146877418)", SCEP_CA_REJECTED },
    /* a number that nobody knows, and no id */
    { 200, 1, "0x8fffffff", SCEP_CA_UNKNOWN },
};
/* clang-format on */

START_TEST(answers_without_a_number_mean_what_they_must)
{
    const answer_t list[] = {
        { POST, posts[_i].status, posts[_i].body, posts[_i].sent }, { 0 }
    };
    scep_ca_result_t result = submit(list);

    ck_assert_int_eq(result.outcome, posts[_i].outcome);
    ck_assert_ptr_null(result.handle);
    if (posts[_i].status > 200)
        ck_assert_int_eq(result.device_fault, 0);
}
END_TEST

/* clang-format off */
static const struct {
    int status;
    const char *body;
    scep_ca_outcome_t outcome;
} fetches[] = {
    { 0, "", SCEP_CA_UNKNOWN },
    { 401, "", SCEP_CA_UNKNOWN },
    { 500, "", SCEP_CA_UNKNOWN },
    { 200, "", SCEP_CA_UNKNOWN },
    { 200, "<html>", SCEP_CA_UNKNOWN },
    { 200, "-----BEGIN CERTIFICATE-----\nMAMCAfs=\n"
           "-----END CERTIFICATE-----\n", SCEP_CA_UNKNOWN },
    { 200, "<dt id=locDispLabel>x<dd>5", SCEP_CA_PENDING },
    { 200, "<DT ID='locDispLabel'>x</DT><DD> 9 -</DD>", SCEP_CA_PENDING },
    { 200, "<dt id=locDispLabel>x<dd>5<dt id=locLastStatLabel>y<dd>"
           "0x80094014", SCEP_CA_REJECTED },
    { 200, "<dt id=locDispLabel>x<dd>3", SCEP_CA_UNKNOWN },
    { 200, "<dt id=locDispLabel>x<dd>2", SCEP_CA_REJECTED },
    { 200, "<dt id=locDispLabel>x<dd>31", SCEP_CA_REJECTED },
    { 200, "<dt id=locDispLabel>x<dd>2<dt id=locLastStatLabel>y<dd>"
           "0x80092013", SCEP_CA_UNAVAILABLE },
    /* the question failed, not the request */
    { 200, "<dt id=locDispLabel>x<dd>1<dt id=locResultLabel>y<dd>0x800706ba",
      SCEP_CA_PENDING },
    { 200, "<dt id=locDispLabel>x<dd>1<dt id=locResultLabel>y<dd>0x80070005",
      SCEP_CA_UNKNOWN },
    { 200, "0x80094002", SCEP_CA_REJECTED },
    { 200, "<dt id=locDispLabel>", SCEP_CA_UNKNOWN },
};
/* clang-format on */

START_TEST(pages_about_a_request_mean_what_they_must)
{
    const answer_t list[] = {
        { GET_7, fetches[_i].status, fetches[_i].body, 1 }, { 0 }
    };
    scep_ca_result_t result = poll(handle_7(), list);

    ck_assert_int_eq(result.outcome, fetches[_i].outcome);
    if (result.outcome == SCEP_CA_PENDING || result.outcome == SCEP_CA_UNKNOWN)
        ck_assert_str_eq(result.handle, handle_7());
}
END_TEST

START_TEST(a_guess_that_ca_does_not_know_decides_nothing)
{
    const answer_t list[] = { { POST, 200, "<p>nummer 7, 10", 0 },
                              { GET_7, 200, "0x80094002", 0 },
                              { GET_10, 200,
                                "<dt id=locDispLabel>x<dd>2 0x80094002", 0 },
                              { 0 } };
    const answer_t down[] = { { POST, 200, "<p>7 10 0x800706be", 0 },
                              { GET_7, 0, "", 1 },
                              { 0 } };
    scep_ca_result_t result = submit(list);

    ck_assert_int_eq(result.outcome, SCEP_CA_UNKNOWN);
    ck_assert_ptr_null(result.handle);
    result = submit(down);
    ck_assert_int_eq(result.outcome, SCEP_CA_UNKNOWN);
    ck_assert_ptr_nonnull(result.handle);
}
END_TEST

START_TEST(numbers_within_words_dates_and_versions_are_no_ids)
{
    apr_uint32_t ids[SCEP_CERTSRV_IDS_MAX];

    ck_assert_int_eq(
        scep_certsrv_page_numbers("CA2 20.11.2026 21:30 2026-11-20 1.2 0x7 "
                                  "007 0 99999999999 (WIN32: 1722 X) "
                                  "(WIN32/HTTP: 12029) -2146877420 a7b "
                                  "IIS/10 win-7",
                                  ids),
        0);
    ck_assert_int_eq(scep_certsrv_page_numbers("is 12. In (3), 4 5 6", ids),
                     4);
    ck_assert_uint_eq(ids[0], 12);
    ck_assert_uint_eq(ids[1], 3);
    ck_assert_uint_eq(ids[3], 5);
}
END_TEST

/* clang-format off */
static const char *const no_handles[] = {
    "", "7", "7 ", " ", "? 00", "x", "0 00", "-1 00", "7,8,9,10,11 00",
    "7 zz", "99999999999 00", "uuid 7",
};
/* clang-format on */

START_TEST(what_is_no_handle_is_refused)
{
    static const answer_t none[] = { { 0 } };
    scep_ca_result_t result = poll(no_handles[_i], none);

    ck_assert_int_eq(result.outcome, SCEP_CA_REJECTED);
    ck_assert_int_eq(result.fail_info, SCEP_FAIL_BAD_CERT_ID);
}
END_TEST

START_TEST(handles_come_back_as_they_were)
{
    scep_certsrv_ticket_t one = ticket, two;

    one.count = SCEP_CERTSRV_IDS_MAX;
    one.guessed = 1;
    for (int i = 0; i < one.count; i++)
        one.ids[i] = APR_INT32_MAX - (apr_uint32_t)i;
    ck_assert(
        scep_certsrv_proto_read_handle(scep_certsrv_proto_handle(&one, pool),
                                       &two));
    ck_assert_int_eq(two.count, one.count);
    ck_assert_int_eq(two.guessed, 1);
    ck_assert_mem_eq(two.ids, one.ids, sizeof(one.ids));
    ck_assert_mem_eq(two.key, one.key, sizeof(one.key));
}
END_TEST

/* ------------------------------------------------------------------ */

static const char *p7b_of(X509 *first, X509 *second)
{
    PKCS7 *cms = PKCS7_new();
    BIO *out = BIO_new(BIO_s_mem());
    const char *text;
    char *at;
    long len;

    ck_assert(PKCS7_set_type(cms, NID_pkcs7_signed));
    ck_assert(PKCS7_content_new(cms, NID_pkcs7_data));
    ck_assert(PKCS7_add_certificate(cms, first));
    ck_assert(PKCS7_add_certificate(cms, second));
    PEM_write_bio_PKCS7(out, cms);
    len = BIO_get_mem_data(out, &at);
    text = apr_pstrmemdup(pool, at, (apr_size_t)len);
    BIO_free(out);
    PKCS7_free(cms);
    return text;
}

START_TEST(the_chain_is_that_of_the_latest_renewal)
{
    X509 *sub = support_cert("sub", other_key, cert, key, "keyCertSign", pool);
    const answer_t list[] = { { "/certcarc.asp", 200,
                                "<script>\r\nvar nRenewals=2;\r\n", 0 },
                              { "/certnew.p7b?ReqID=CACert&Renewal=2&Enc=bin",
                                200, p7b_of(cert, sub), 0 },
                              { 0 } };
    STACK_OF(X509) *chain = NULL;

    answers = list;
    asked = 0;
    ck_assert_int_eq(scep_certsrv_chain(&ca, &chain, pool), APR_SUCCESS);
    is_over();
    ck_assert_int_eq(sk_X509_num(chain), 2);
    ck_assert_int_eq(X509_cmp(sk_X509_value(chain, 0), sub), 0);
    ck_assert_int_eq(X509_cmp(sk_X509_value(chain, 1), cert), 0);
}
END_TEST

START_TEST(a_chain_that_cannot_be_read_is_an_error)
{
    static const answer_t pages[][3] = {
        { { "/certcarc.asp", 0, "", 1 }, { 0 } },
        { { "/certcarc.asp", 401, "nRenewals=1;", 0 }, { 0 } },
        { { "/certcarc.asp", 200, "nRenewals", 0 }, { 0 } },
        { { "/certcarc.asp", 200, "nRenewals=99999999999999999999", 0 },
          { 0 } },
        { { "/certcarc.asp", 200, "var nRenewals = 0;", 0 },
          { "/certnew.p7b?ReqID=CACert&Renewal=0&Enc=bin", 200, "<html>", 0 },
          { 0 } },
    };
    STACK_OF(X509) *chain = NULL;

    for (size_t i = 0; i < sizeof(pages) / sizeof(*pages); i++) {
        answers = pages[i];
        asked = 0;
        ck_assert_int_ne(scep_certsrv_chain(&ca, &chain, pool), APR_SUCCESS);
        is_over();
        ck_assert_ptr_null(chain);
    }
}
END_TEST

static void add_calls(TCase *tcase)
{
    tcase_add_loop_test(tcase, an_issued_certificate_is_fetched, 0, LANGUAGES);
    tcase_add_test(tcase, a_certificate_of_another_key_is_not_believed);
    tcase_add_test(tcase, a_cut_off_certificate_is_unknown_and_can_be_polled);
    tcase_add_loop_test(tcase, a_pending_request_is_polled_by_its_number, 0,
                        LANGUAGES);
    tcase_add_test(tcase, other_languages_put_the_number_elsewhere);
    tcase_add_loop_test(tcase, a_denied_request_is_refused_at_once, 0,
                        LANGUAGES);
    tcase_add_loop_test(tcase, a_ca_that_is_down_got_nothing, 0, LANGUAGES);
    tcase_add_loop_test(tcase, a_ca_that_is_down_decides_no_pending_request, 0,
                        LANGUAGES);
    tcase_add_test(tcase, a_reason_is_utf8_and_short);
    tcase_add_loop_test(tcase, answers_without_a_number_mean_what_they_must, 0,
                        sizeof(posts) / sizeof(*posts));
    tcase_add_loop_test(tcase, pages_about_a_request_mean_what_they_must, 0,
                        sizeof(fetches) / sizeof(*fetches));
    tcase_add_test(tcase, a_guess_that_ca_does_not_know_decides_nothing);
    tcase_add_test(tcase, the_chain_is_that_of_the_latest_renewal);
    tcase_add_test(tcase, a_chain_that_cannot_be_read_is_an_error);
}

static Suite *certsrv_suite(void)
{
    Suite *suite = suite_create("certsrv");
    TCase *tcase = tcase_create("certsrv");

    tcase_add_unchecked_fixture(tcase, setup, NULL);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_form_has_the_template_and_nothing_else);
    tcase_add_test(tcase, a_plus_is_escaped_and_lines_are_broken);
    tcase_add_test(tcase, numbers_within_words_dates_and_versions_are_no_ids);
    tcase_add_loop_test(tcase, what_is_no_handle_is_refused, 0,
                        sizeof(no_handles) / sizeof(*no_handles));
    tcase_add_test(tcase, handles_come_back_as_they_were);
    add_calls(tcase);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return run_suite(certsrv_suite());
}
