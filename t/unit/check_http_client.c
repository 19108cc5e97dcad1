/* check_http_client.c - tests of the HTTP client against a server of its own
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dlfcn.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <apr_strings.h>
#include <check.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "../../ca-connectors/http/http_client.h"
#include "http_server.h"
#include "run.h"
#include "support.h"

#define THREADS 8
#define CALLS 20

static apr_pool_t *pool;
static http_server_t *server;
static scep_http_response_t response;
static char *dir;
static EVP_PKEY *key, *ca_key;
static X509 *ca, *good_cert, *wrong_cert;

static int unanswered[2]; /* a pipe, closed when the resolver may go on */

/* A name that the resolver does not answer for. */
int getaddrinfo(const char *node, const char *service,
                const struct addrinfo *hints, struct addrinfo **res)
{
    static __typeof__(getaddrinfo) *next;

    if (!strcmp(node, "unanswered.test")) {
        char nothing;
        return read(unanswered[0], &nothing, 1) < 0 ? EAI_SYSTEM : EAI_FAIL;
    }
    *(void **)&next = dlsym(RTLD_NEXT, "getaddrinfo");
    return next(node, service, hints, res);
}

static void setup_pool(void)
{
    ck_assert_int_eq(apr_pool_create(&pool, support_pool()), APR_SUCCESS);
    signal(SIGPIPE, SIG_IGN);
    ck_assert_ptr_null(scep_http_init());
}

static void setup(void)
{
    setup_pool();
    server = http_server_start(NULL);
}

/* The end of the pool closes the clients' connections. */
static void teardown(void)
{
    apr_pool_destroy(pool);
    if (server)
        http_server_stop(server);
    ck_assert_uint_eq(ERR_peek_error(), 0);
}

static const char *url(const char *path)
{
    return apr_psprintf(pool, "http://127.0.0.1:%d%s",
                        http_server_port(server), path);
}

/* Settings with patience for a busy machine. */
static scep_http_settings_t plain(void)
{
    return (scep_http_settings_t){ .allow_http = SCEP_HTTP_LOOPBACK,
                                   .timeout = apr_time_from_sec(40),
                                   .connect_timeout = apr_time_from_sec(20) };
}

static scep_http_client_t *client_of(const scep_http_settings_t *settings)
{
    scep_http_client_t *client = scep_http_client_create(settings, pool);

    ck_assert_ptr_nonnull(client);
    return client;
}

static scep_http_client_t *plain_client(void)
{
    scep_http_settings_t settings = plain();

    return client_of(&settings);
}

static apr_status_t ask_url(scep_http_client_t *client, const char *at)
{
    scep_http_request_t request = { .url = at, .body = "ask", .body_len = 3 };

    return scep_http_client_call(client, &request, &response, pool);
}

static apr_status_t ask(scep_http_client_t *client, const char *path)
{
    return ask_url(client, url(path));
}

/* A call that failed, and whether something may have reached the service. */
static void check_failed(apr_status_t rv, apr_status_t expected, int sent)
{
    ck_assert_int_eq(rv, expected);
    ck_assert_int_eq(response.status, 0);
    ck_assert_ptr_null(response.body);
    ck_assert_int_eq(response.sent, sent);
    ck_assert_ptr_nonnull(response.error);
}

START_TEST(an_answer_comes_with_its_parts)
{
    ck_assert_int_eq(ask(plain_client(), "/ok"), APR_SUCCESS);
    ck_assert_int_eq(response.status, 200);
    ck_assert_uint_eq(response.body_len, 5);
    ck_assert_str_eq(response.body, "hello");
    ck_assert_str_eq(apr_table_get(response.headers, "x-one"), "1");
    ck_assert_int_eq(response.sent, 1);
    ck_assert_ptr_null(response.error);
}
END_TEST

START_TEST(any_status_is_an_answer)
{
    scep_http_client_t *client = plain_client();

    ck_assert_int_eq(ask(client, "/status/503"), APR_SUCCESS);
    ck_assert_int_eq(response.status, 503);
    ck_assert_int_eq(ask(client, "/status/204"), APR_SUCCESS);
    ck_assert_int_eq(response.status, 204);
    ck_assert_str_eq(response.body, "");
}
END_TEST

START_TEST(a_redirect_is_not_followed)
{
    ck_assert_int_eq(ask(plain_client(), "/redirect"), APR_SUCCESS);
    ck_assert_int_eq(response.status, 302);
    ck_assert_uint_eq(http_server_requests(server), 1);
}
END_TEST

START_TEST(a_request_is_sent_as_it_was_given)
{
    apr_table_t *headers = apr_table_make(pool, 2);
    scep_http_request_t request = { .method = "PUT",
                                    .url = url("/echo?a=b"),
                                    .headers = headers,
                                    .body = "one\0two",
                                    .body_len = 7 };

    apr_table_set(headers, "Content-Type", "application/json");
    apr_table_set(headers, "X-Empty", "");
    ck_assert_int_eq(scep_http_client_call(plain_client(), &request, &response,
                                           pool),
                     APR_SUCCESS);
    ck_assert_int_eq(strncmp(response.body, "PUT /echo?a=b HTTP/1.1\r\n", 24),
                     0);
    ck_assert_ptr_nonnull(
        strstr(response.body, "\r\nContent-Type: application/json\r\n"));
    ck_assert_ptr_nonnull(strstr(response.body, "\r\nX-Empty:\r\n"));
    ck_assert_ptr_null(strstr(response.body, "Expect:"));
    ck_assert_mem_eq(response.body + response.body_len - 7, "one\0two", 7);
}
END_TEST

START_TEST(methods_follow_from_the_body)
{
    scep_http_client_t *client = plain_client();
    scep_http_request_t request = { .url = url("/echo") };

    ck_assert_int_eq(scep_http_client_call(client, &request, &response, pool),
                     APR_SUCCESS);
    ck_assert_int_eq(strncmp(response.body, "GET ", 4), 0);
    ck_assert_int_eq(ask(client, "/echo"), APR_SUCCESS);
    ck_assert_int_eq(strncmp(response.body, "POST ", 5), 0);
    ck_assert_ptr_null(strstr(response.body, "Content-Type"));
    request.method = "DELETE";
    ck_assert_int_eq(scep_http_client_call(client, &request, &response, pool),
                     APR_SUCCESS);
    ck_assert_int_eq(strncmp(response.body, "DELETE ", 7), 0);
    ck_assert_ptr_null(strstr(response.body, "Content-Length"));
    request.method = "POST";
    ck_assert_int_eq(scep_http_client_call(client, &request, &response, pool),
                     APR_SUCCESS);
    ck_assert_ptr_nonnull(strstr(response.body, "\r\nContent-Length: 0\r\n"));
    request.method = "HEAD";
    request.url = url("/status/200");
    ck_assert_int_eq(scep_http_client_call(client, &request, &response, pool),
                     APR_SUCCESS);
    ck_assert_uint_eq(response.body_len, 0);
}
END_TEST

START_TEST(credentials_go_along)
{
    scep_http_settings_t settings = plain();
    scep_http_client_t *client;
    scep_http_request_t request = { .url = url("/echo"), .bearer = "other" };

    settings.auth = SCEP_HTTP_AUTH_BASIC;
    settings.user = "user";
    settings.secret = "pass:word";
    ck_assert_int_eq(ask(client_of(&settings), "/echo"), APR_SUCCESS);
    ck_assert_ptr_nonnull(
        strstr(response.body,
               "\r\nAuthorization: Basic dXNlcjpwYXNzOndvcmQ=\r\n"));
    settings.auth = SCEP_HTTP_AUTH_BEARER;
    client = client_of(&settings);
    ck_assert_int_eq(ask(client, "/echo"), APR_SUCCESS);
    ck_assert_ptr_nonnull(
        strstr(response.body, "\r\nAuthorization: Bearer pass:word\r\n"));
    ck_assert_int_eq(scep_http_client_call(client, &request, &response, pool),
                     APR_SUCCESS);
    ck_assert_ptr_nonnull(
        strstr(response.body, "\r\nAuthorization: Bearer other\r\n"));
    ck_assert_ptr_null(strstr(response.body, "pass:word"));
}
END_TEST

START_TEST(a_field_with_a_line_break_is_not_sent)
{
    apr_table_t *headers = apr_table_make(pool, 1);
    scep_http_request_t request = { .url = url("/ok"), .headers = headers };

    apr_table_set(headers, "X-A", "b\r\nX-C: d");
    check_failed(scep_http_client_call(plain_client(), &request, &response,
                                       pool),
                 APR_EGENERAL, 0);
    ck_assert_uint_eq(http_server_requests(server), 0);
}
END_TEST

START_TEST(many_calls_share_one_connection)
{
    scep_http_client_t *client = plain_client();

    for (int i = 0; i < CALLS; i++) {
        ck_assert_int_eq(ask(client, i % 2 ? "/status/404" : "/ok"),
                         APR_SUCCESS);
    }
    ck_assert_uint_eq(http_server_requests(server), CALLS);
    ck_assert_uint_eq(http_server_connections(server), 1);
}
END_TEST

START_TEST(a_connection_that_the_server_closed_is_replaced)
{
    scep_http_client_t *client = plain_client();

    ck_assert_int_eq(ask(client, "/hang-up"), APR_SUCCESS);
    http_server_await_hang_up(server);
    ck_assert_int_eq(ask(client, "/ok"), APR_SUCCESS);
    ck_assert_uint_eq(http_server_connections(server), 2);
}
END_TEST

START_TEST(a_post_without_an_answer_is_not_sent_again)
{
    scep_http_client_t *client = plain_client();
    scep_http_request_t request = { .url = url("/silent") };

    ck_assert_int_eq(ask(client, "/ok"), APR_SUCCESS);
    check_failed(ask(client, "/silent"), APR_EGENERAL, 1);
    ck_assert_uint_eq(http_server_requests(server), 2);
    ck_assert_int_eq(ask(client, "/ok"), APR_SUCCESS);
    /* a GET is, on a new connection */
    check_failed(scep_http_client_call(client, &request, &response, pool),
                 APR_EGENERAL, 1);
    ck_assert_uint_eq(http_server_requests(server), 5);
}
END_TEST

/* It ends in the moment in which the next request goes out. */
START_TEST(a_connection_that_ends_before_the_body_is_replaced)
{
    scep_http_settings_t settings = plain();
    scep_http_client_t *client;

    settings.ask_first = 1;
    client = client_of(&settings);
    ck_assert_int_eq(ask(client, "/ok"), APR_SUCCESS);
    ck_assert_int_eq(ask(client, "/stale"), APR_SUCCESS);
    ck_assert_str_eq(response.body, "hello");
    ck_assert_uint_eq(http_server_requests(server), 2);
    ck_assert_uint_eq(http_server_connections(server), 2);
    /* where the body went out it may have been acted upon */
    check_failed(ask(client, "/silent"), APR_EGENERAL, 1);
    ck_assert_uint_eq(http_server_requests(server), 3);
    client = plain_client();
    ck_assert_int_eq(ask(client, "/ok"), APR_SUCCESS);
    check_failed(ask(client, "/stale"), APR_EGENERAL, 1);
}
END_TEST

START_TEST(nobody_listening_means_that_nothing_was_sent)
{
    scep_http_client_t *client = plain_client();
    const char *at = url("/ok");

    http_server_stop(server);
    server = NULL;
    check_failed(ask_url(client, at), APR_EGENERAL, 0);
    ck_assert_ptr_nonnull(strstr(response.error, at));
}
END_TEST

START_TEST(a_slow_service_is_not_waited_for)
{
    scep_http_settings_t settings = plain();
    const char *const paths[] = { "/never", "/late" };

    settings.timeout = apr_time_from_msec(300);
    for (int i = 0; i < 2; i++) {
        check_failed(ask(client_of(&settings), paths[i]), APR_TIMEUP, 1);
        ck_assert_ptr_nonnull(strstr(response.error, "no answer in time"));
    }
}
END_TEST

START_TEST(a_resolver_that_does_not_answer_is_not_waited_for)
{
    scep_http_settings_t settings = { .timeout = apr_time_from_msec(300) };

    ck_assert_int_eq(pipe(unanswered), 0);
    check_failed(ask_url(client_of(&settings), "https://unanswered.test/"),
                 APR_TIMEUP, 0);
    close(unanswered[1]);
}
END_TEST

START_TEST(an_answer_may_be_as_long_as_allowed_and_no_longer)
{
    scep_http_settings_t settings = plain();
    scep_http_client_t *client;

    settings.max_response = 100000;
    client = client_of(&settings);
    ck_assert_int_eq(ask(client, "/large/100000"), APR_SUCCESS);
    ck_assert_uint_eq(response.body_len, 100000);
    ck_assert_uint_eq(strlen(response.body), 100000);
    check_failed(ask(client, "/large/100001"), APR_ENOSPC, 1);
    check_failed(ask(client, "/chunks"), APR_ENOSPC, 1);
    check_failed(ask(client, "/headers"), APR_ENOSPC, 1);
    ck_assert_int_eq(ask(client, "/ok"), APR_SUCCESS);
}
END_TEST

START_TEST(an_answer_that_is_cut_off_is_none)
{
    check_failed(ask(plain_client(), "/cut"), APR_EGENERAL, 1);
}
END_TEST

static const char *write_pem(const char *name, X509 *cert, EVP_PKEY *with)
{
    const char *path = apr_pstrcat(pool, dir, "/", name, NULL);
    FILE *file = fopen(path, "w");

    ck_assert_ptr_nonnull(file);
    if (cert)
        ck_assert_int_eq(PEM_write_X509(file, cert), 1);
    if (with)
        ck_assert_int_eq(PEM_write_PrivateKey(file, with, NULL, NULL, 0, NULL,
                                              NULL),
                         1);
    fclose(file);
    return path;
}

static void setup_tls(void)
{
    setup_pool();
    key = support_ec("P-256", pool);
    ca_key = support_ec("P-256", pool);
    ca = support_cert("CA", ca_key, NULL, NULL, "keyCertSign", pool);
    good_cert =
        support_cert("127.0.0.1", key, ca, ca_key, "digitalSignature", pool);
    wrong_cert =
        support_cert("other.test", key, ca, ca_key, "digitalSignature", pool);
    dir = mkdtemp(apr_pstrdup(pool, "/tmp/check_http_client.XXXXXX"));
    ck_assert_ptr_nonnull(dir);
}

static void teardown_tls(void)
{
    unlink(apr_pstrcat(pool, dir, "/ca.pem", NULL));
    unlink(apr_pstrcat(pool, dir, "/client.pem", NULL));
    unlink(apr_pstrcat(pool, dir, "/client.key", NULL));
    ck_assert_int_eq(rmdir(dir), 0);
    teardown();
}

/* Starts a TLS server and says how to reach it. */
static const char *serve_tls(SSL_CTX *tls, X509 *cert)
{
    ck_assert_int_eq(SSL_CTX_use_certificate(tls, cert), 1);
    ck_assert_int_eq(SSL_CTX_use_PrivateKey(tls, key), 1);
    server = http_server_start(tls);
    return apr_psprintf(pool, "https://127.0.0.1:%d/ok",
                        http_server_port(server));
}

static SSL_CTX *tls_context(void)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());

    ck_assert_ptr_nonnull(tls);
    return tls;
}

START_TEST(a_server_of_the_ca_is_trusted)
{
    SSL_CTX *tls = tls_context();
    const char *at = serve_tls(tls, good_cert);
    scep_http_settings_t settings = plain();
    scep_http_client_t *client;

    settings.allow_http = 0;
    settings.ca_file = write_pem("ca.pem", ca, NULL);
    client = client_of(&settings);
    /* it was read when the client was made */
    ck_assert_int_eq(unlink(settings.ca_file), 0);
    for (int i = 0; i < CALLS; i++)
        ck_assert_int_eq(ask_url(client, at), APR_SUCCESS);
    ck_assert_str_eq(response.body, "hello");
    ck_assert_uint_eq(http_server_connections(server), 1);
    SSL_CTX_free(tls);
}
END_TEST

START_TEST(a_server_of_another_ca_gets_no_request)
{
    SSL_CTX *tls = tls_context();
    const char *at = serve_tls(tls, good_cert);
    scep_http_settings_t settings = plain();

    check_failed(ask_url(client_of(&settings), at), APR_EGENERAL, 0);
    ck_assert_ptr_nonnull(strstr(response.error, "certificate"));
    settings.ca_file =
        write_pem("ca.pem",
                  support_cert("CA", key, NULL, NULL, "keyCertSign", pool),
                  NULL);
    check_failed(ask_url(client_of(&settings), at), APR_EGENERAL, 0);
    ck_assert_uint_eq(http_server_requests(server), 0);
    SSL_CTX_free(tls);
}
END_TEST

START_TEST(a_server_of_another_name_gets_no_request)
{
    SSL_CTX *tls = tls_context();
    const char *at = serve_tls(tls, wrong_cert);
    scep_http_settings_t settings = plain();

    settings.ca_file = write_pem("ca.pem", ca, NULL);
    check_failed(ask_url(client_of(&settings), at), APR_EGENERAL, 0);
    ck_assert_uint_eq(http_server_requests(server), 0);
    SSL_CTX_free(tls);
}
END_TEST

START_TEST(a_server_whose_certificate_has_expired_gets_no_request)
{
    SSL_CTX *tls = tls_context();
    const char *at;
    scep_http_settings_t settings = plain();

    ck_assert_ptr_nonnull(X509_gmtime_adj(X509_getm_notAfter(good_cert), -1));
    ck_assert_int_gt(X509_sign(good_cert, ca_key, EVP_sha256()), 0);
    at = serve_tls(tls, good_cert);
    settings.ca_file = write_pem("ca.pem", ca, NULL);
    check_failed(ask_url(client_of(&settings), at), APR_EGENERAL, 0);
    ck_assert_ptr_nonnull(strstr(response.error, "expired"));
    ck_assert_uint_eq(http_server_requests(server), 0);
    SSL_CTX_free(tls);
}
END_TEST

START_TEST(a_client_shows_its_certificate)
{
    SSL_CTX *tls = tls_context();
    const char *at;
    scep_http_settings_t settings = plain();
    scep_http_client_t *client;

    ck_assert_int_eq(X509_STORE_add_cert(SSL_CTX_get_cert_store(tls), ca), 1);
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                       NULL);
    SSL_CTX_set_session_id_context(tls, (const unsigned char *)"t", 1);
    at = serve_tls(tls, good_cert);
    settings.ca_file = write_pem("ca.pem", ca, NULL);
    ck_assert_int_ne(ask_url(client_of(&settings), at), APR_SUCCESS);
    settings.certificate = write_pem("client.pem", good_cert, NULL);
    settings.key = write_pem("client.key", NULL, key);
    client = client_of(&settings);
    /* children cannot read keys */
    ck_assert_int_eq(unlink(settings.key), 0);
    ck_assert_int_eq(ask_url(client, at), APR_SUCCESS);
    settings.certificate = write_pem("client.pem", good_cert, key);
    settings.key = NULL;
    ck_assert_int_eq(ask_url(client_of(&settings), at), APR_SUCCESS);
    SSL_CTX_free(tls);
}
END_TEST

START_TEST(a_key_can_be_under_a_pass_phrase)
{
    SSL_CTX *tls = tls_context();
    scep_http_settings_t settings = plain();
    const char *at;
    FILE *file;

    ck_assert_int_eq(X509_STORE_add_cert(SSL_CTX_get_cert_store(tls), ca), 1);
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                       NULL);
    SSL_CTX_set_session_id_context(tls, (const unsigned char *)"t", 1);
    at = serve_tls(tls, good_cert);
    settings.ca_file = write_pem("ca.pem", ca, NULL);
    settings.certificate = write_pem("client.pem", good_cert, NULL);
    settings.key = write_pem("client.key", NULL, NULL);
    file = fopen(settings.key, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(PEM_write_PrivateKey(file, key, EVP_aes_128_cbc(),
                                          (const unsigned char *)"open-it", 7,
                                          NULL, NULL),
                     1);
    fclose(file);
    ck_assert_int_ne(ask_url(client_of(&settings), at), APR_SUCCESS);
    settings.key_phrase = "wrong";
    ck_assert_int_ne(ask_url(client_of(&settings), at), APR_SUCCESS);
    settings.key_phrase = "open-it";
    ck_assert_int_eq(ask_url(client_of(&settings), at), APR_SUCCESS);
    SSL_CTX_free(tls);
}
END_TEST

START_TEST(a_file_that_cannot_be_read_fails_every_call)
{
    scep_http_settings_t settings = plain();

    settings.ca_file = "/nonexistent/ca.pem";
    check_failed(ask(client_of(&settings), "/ok"), APR_EGENERAL, 0);
    ck_assert_ptr_nonnull(strstr(response.error, "/nonexistent/ca.pem"));
    ck_assert_uint_eq(http_server_connections(server), 0);
}
END_TEST

START_TEST(the_environment_names_no_proxy)
{
    scep_http_settings_t settings = plain();

    setenv("http_proxy", "http://127.0.0.1:1/", 1);
    setenv("all_proxy", "http://127.0.0.1:1/", 1);
    unsetenv("no_proxy");
    ck_assert_int_eq(ask(plain_client(), "/ok"), APR_SUCCESS);
    /* nor does it take back the one that was named */
    setenv("no_proxy", "*", 1);
    settings.proxy = url("");
    settings.allow_http = SCEP_HTTP_ANY;
    ck_assert_int_eq(ask_url(client_of(&settings), "http://far.test/echo"),
                     APR_SUCCESS);
    ck_assert_int_eq(strncmp(response.body, "POST http://far.test/echo HTTP",
                             30),
                     0);
}
END_TEST

START_TEST(the_log_sees_no_secret_of_a_url)
{
    scep_http_settings_t settings = plain();

    settings.max_response = 2;
    check_failed(ask(client_of(&settings), "/ok?token=hidden"), APR_ENOSPC, 1);
    ck_assert_ptr_null(strstr(response.error, "hidden"));
    check_failed(ask_url(plain_client(),
                         "http://user:hidden@127.0.0.1/ok#hidden"),
                 APR_EGENERAL, 0);
    ck_assert_ptr_null(strstr(response.error, "hidden"));
    ck_assert_ptr_nonnull(strstr(response.error, "http://127.0.0.1/ok: "));
}
END_TEST

START_TEST(urls_are_checked)
{
    static const struct {
        const char *url;
        int allow_http, good;
    } cases[] = {
        { "https://ca.example/path?query", 0, 1 },
        { "https://[2001:db8::1]:8443/", 0, 1 },
        { "http://ca.example/", 0, 0 },
        { "http://ca.example/", SCEP_HTTP_LOOPBACK, 0 },
        { "http://ca.example/", SCEP_HTTP_ANY, 1 },
        { "http://127.0.0.1:80/", SCEP_HTTP_LOOPBACK, 1 },
        { "http://127.9.9.9/", SCEP_HTTP_LOOPBACK, 1 },
        { "http://[::1]/", SCEP_HTTP_LOOPBACK, 1 },
        { "http://localhost/", SCEP_HTTP_LOOPBACK, 1 },
        { "http://127.0.0.1.example/", SCEP_HTTP_LOOPBACK, 0 },
        { "http://128.0.0.1/", SCEP_HTTP_LOOPBACK, 0 },
        { "http://127.0.0.1/", 0, 0 },
        { "https://user@ca.example/", 0, 0 },
        { "https://user:pass@ca.example/", 0, 0 },
        { "file:///etc/passwd", SCEP_HTTP_ANY, 0 },
        { "ftp://ca.example/", SCEP_HTTP_ANY, 0 },
        { "gopher://ca.example/", SCEP_HTTP_ANY, 0 },
        { "ca.example", SCEP_HTTP_ANY, 0 },
        { "/path", SCEP_HTTP_ANY, 0 },
        { "https://", 0, 0 },
        { "https://ca.example:99999/", 0, 0 },
        { "https://ca.example/a b", 0, 0 },
        { "https://ca.example/\r\nX: y", 0, 0 },
        { "", SCEP_HTTP_ANY, 0 },
    };

    for (unsigned int i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const char *err =
            scep_http_check_url(cases[i].url, cases[i].allow_http, pool);
        ck_assert_msg((err == NULL) == cases[i].good, "%s: %s", cases[i].url,
                      err);
    }
}
END_TEST

static const char *thread_url;

static void *many_calls(void *clientv)
{
    apr_pool_t *own;
    intptr_t failed = 0;

    ck_assert_int_eq(apr_pool_create(&own, NULL), APR_SUCCESS);
    for (int i = 0; i < CALLS; i++) {
        scep_http_request_t request = { .url = thread_url,
                                        .body = "ask",
                                        .body_len = 3 };
        scep_http_response_t answer;
        failed += scep_http_client_call(clientv, &request, &answer, own) !=
                      APR_SUCCESS ||
                  strcmp(answer.body, "hello");
    }
    apr_pool_destroy(own);
    return (void *)failed;
}

START_TEST(threads_have_connections_of_their_own)
{
    scep_http_client_t *client = plain_client();
    pthread_t threads[THREADS];
    void *failed;

    thread_url = url("/ok");
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, many_calls, client),
                         0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], &failed);
        ck_assert_ptr_null(failed);
    }
    ck_assert_uint_eq(http_server_requests(server), THREADS * CALLS);
    ck_assert_uint_le(http_server_connections(server), THREADS);
}
END_TEST

START_TEST(a_child_leaves_its_parents_connections_alone)
{
    apr_pool_t *own;
    scep_http_client_t *client;
    scep_http_settings_t settings = plain();
    int status;
    pid_t child;

    ck_assert_int_eq(apr_pool_create(&own, pool), APR_SUCCESS);
    client = scep_http_client_create(&settings, own);
    ck_assert_int_eq(ask(client, "/ok"), APR_SUCCESS);
    child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        int good = ask(client, "/ok") == APR_SUCCESS &&
                   ask(client, "/ok") == APR_SUCCESS;
        apr_pool_destroy(own);
        /* Its parent's handle is left behind: nobody is to count that. */
        execlp(good ? "true" : "false", "sh", (char *)NULL);
        abort();
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ck_assert_uint_eq(http_server_connections(server), 2);
    ck_assert_int_eq(ask(client, "/ok"), APR_SUCCESS);
    ck_assert_uint_eq(http_server_connections(server), 2);
    ck_assert_uint_eq(http_server_requests(server), 4);
}
END_TEST

static TCase *case_plain(void)
{
    TCase *tests = tcase_create("http");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, an_answer_comes_with_its_parts);
    tcase_add_test(tests, any_status_is_an_answer);
    tcase_add_test(tests, a_redirect_is_not_followed);
    tcase_add_test(tests, a_request_is_sent_as_it_was_given);
    tcase_add_test(tests, methods_follow_from_the_body);
    tcase_add_test(tests, credentials_go_along);
    tcase_add_test(tests, a_field_with_a_line_break_is_not_sent);
    tcase_add_test(tests, many_calls_share_one_connection);
    tcase_add_test(tests, a_connection_that_the_server_closed_is_replaced);
    tcase_add_test(tests, a_post_without_an_answer_is_not_sent_again);
    tcase_add_test(tests, a_connection_that_ends_before_the_body_is_replaced);
    tcase_add_test(tests, nobody_listening_means_that_nothing_was_sent);
    tcase_add_test(tests, a_slow_service_is_not_waited_for);
    tcase_add_test(tests, a_resolver_that_does_not_answer_is_not_waited_for);
    tcase_add_test(tests, an_answer_may_be_as_long_as_allowed_and_no_longer);
    tcase_add_test(tests, an_answer_that_is_cut_off_is_none);
    tcase_add_test(tests, a_file_that_cannot_be_read_fails_every_call);
    tcase_add_test(tests, the_environment_names_no_proxy);
    tcase_add_test(tests, the_log_sees_no_secret_of_a_url);
    tcase_add_test(tests, urls_are_checked);
    tcase_add_test(tests, threads_have_connections_of_their_own);
    tcase_add_test(tests, a_child_leaves_its_parents_connections_alone);
    return tests;
}

static TCase *case_tls(void)
{
    TCase *tests = tcase_create("tls");

    tcase_add_checked_fixture(tests, setup_tls, teardown_tls);
    tcase_add_test(tests, a_server_of_the_ca_is_trusted);
    tcase_add_test(tests, a_server_of_another_ca_gets_no_request);
    tcase_add_test(tests, a_server_of_another_name_gets_no_request);
    tcase_add_test(tests,
                   a_server_whose_certificate_has_expired_gets_no_request);
    tcase_add_test(tests, a_client_shows_its_certificate);
    tcase_add_test(tests, a_key_can_be_under_a_pass_phrase);
    return tests;
}

int main(void)
{
    Suite *suite = suite_create("http_client");

    suite_add_tcase(suite, case_plain());
    suite_add_tcase(suite, case_tls());
    return run_suite(suite);
}
