/* check_next_ca.c - tests of the answer to GetNextCACert
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include <apr_strings.h>
#include <check.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "next_ca.h"
#include "run.h"
#include "support.h"

#define CA_USAGE "critical,keyCertSign,cRLSign"

static apr_pool_t *pool;
static EVP_PKEY *keys[2], *next_key;
static X509 *ca, *next;
static STACK_OF(X509) *chain, *next_chain;
static apr_time_t now;

static STACK_OF(X509) *only(X509 *cert)
{
    STACK_OF(X509) *certs = sk_X509_new_null();

    ck_assert_int_gt(sk_X509_push(certs, cert), 0);
    return certs;
}

/* With an RSA and with an EC key in turn. */
static void make(int which)
{
    ca = support_cert("now", keys[which], NULL, NULL, CA_USAGE, pool);
    chain = only(ca);
}

static void setup(void)
{
    pool = support_pool();
    keys[0] = support_rsa(2048, pool);
    keys[1] = support_ec("P-384", pool);
    next_key = support_ec("P-256", pool);
    next = support_cert("next", next_key, NULL, NULL, CA_USAGE, pool);
    next_chain = only(next);
    now = apr_time_now();
}

static void teardown(void)
{
    sk_X509_free(chain);
    sk_X509_free(next_chain);
    ck_assert_uint_eq(ERR_peek_error(), 0);
}

static scep_body_t sign(X509 *signer, EVP_PKEY *key)
{
    scep_body_t body = { NULL, NULL, 0 };
    const char *error = NULL;

    ck_assert_msg(scep_next_ca_sign(&body, next_chain, signer, key, now,
                                    &error, pool) == APR_SUCCESS,
                  "%s", error);
    ck_assert_str_eq(body.content_type, "application/x-x509-next-ca-cert");
    return body;
}

static const char *take(const unsigned char *der, apr_size_t len)
{
    scep_body_t body = { NULL, NULL, 0 };
    const char *error = scep_next_ca_take(&body, (const char *)der, len,
                                          next_chain, chain, pool);

    if (!error) {
        ck_assert_str_eq(body.content_type, "application/x-x509-next-ca-cert");
        ck_assert_uint_gt(body.len, 0);
    }
    return error;
}

START_TEST(what_the_ca_signs_is_taken)
{
    scep_body_t body;
    scep_body_t taken;

    make(_i);
    body = sign(ca, keys[_i]);
    ck_assert_ptr_null(scep_next_ca_take(&taken, (const char *)body.data,
                                         body.len, next_chain, chain, pool));
    ck_assert_uint_eq(taken.len, body.len);
    ck_assert_mem_eq(taken.data, body.data, body.len);
}
END_TEST

START_TEST(what_another_signs_is_not)
{
    EVP_PKEY *other = support_rsa(2048, pool);
    X509 *ra;
    scep_body_t body;

    make(0);
    /* one that the CA has certified, one of its name, the next itself */
    ra = support_cert("ra", other, ca, keys[0], "digitalSignature", pool);
    body = sign(ra, other);
    ck_assert_str_eq(take(body.data, body.len),
                     "it is not signed by the CA of ScepCAChain");
    body = sign(support_cert("now", other, NULL, NULL, CA_USAGE, pool), other);
    ck_assert_str_eq(take(body.data, body.len),
                     "it is not signed by the CA of ScepCAChain");
    body = sign(next, next_key);
    ck_assert_str_eq(take(body.data, body.len),
                     "it is not signed by the CA of ScepCAChain");
}
END_TEST

START_TEST(what_is_about_another_ca_is_not)
{
    scep_body_t body;

    make(0);
    body = sign(ca, keys[0]);
    sk_X509_free(next_chain);
    next_chain =
        only(support_cert("next", next_key, NULL, NULL, CA_USAGE, pool));
    ck_assert_str_eq(take(body.data, body.len),
                     "the CA of ScepNextCAChain is not in its content");
}
END_TEST

/* Whatever octet is another: it is refused, or it was not of the content. */
START_TEST(a_changed_answer_is_not_taken)
{
    unsigned char *copy;
    scep_body_t body;

    make(1);
    body = sign(ca, keys[1]);
    ck_assert_uint_gt(body.len, 100);
    copy = apr_palloc(pool, body.len + 1);
    memcpy(copy, body.data, body.len);
    for (apr_size_t i = 0; i < body.len; i += 7) {
        copy[i] ^= 1;
        (void)take(copy, body.len);
        ck_assert_uint_eq(ERR_peek_error(), 0);
        copy[i] ^= 1;
    }
    /* its last octet is the signature's */
    copy[body.len - 1] ^= 1;
    ck_assert_ptr_nonnull(take(copy, body.len));
    for (apr_size_t len = 0; len < body.len; len += 11)
        ck_assert_str_eq(take(body.data, len),
                         "it is no CMS, neither DER nor PEM");
}
END_TEST

START_TEST(the_next_ca_may_be_of_tomorrow)
{
    make(0);
    ck_assert_ptr_null(scep_next_ca_check(next_chain, chain, now, pool));
    X509_gmtime_adj(X509_getm_notBefore(next), 5 * 86400);
    X509_gmtime_adj(X509_getm_notAfter(next), 9 * 86400);
    ck_assert_int_gt(X509_sign(next, next_key, EVP_sha256()), 0);
    ck_assert_ptr_nonnull(scep_cert_check_chain(next_chain, now, pool));
    ck_assert_ptr_null(scep_next_ca_check(next_chain, chain, now, pool));
    /* but not of yesterday */
    X509_gmtime_adj(X509_getm_notBefore(next), -5 * 86400);
    X509_gmtime_adj(X509_getm_notAfter(next), -86400);
    ck_assert_int_gt(X509_sign(next, next_key, EVP_sha256()), 0);
    ck_assert_ptr_nonnull(scep_next_ca_check(next_chain, chain, now, pool));
}
END_TEST

START_TEST(the_next_ca_is_a_ca_and_another_one)
{
    make(0);
    ck_assert_str_eq(scep_next_ca_check(chain, chain, now, pool),
                     "it is the CA of ScepCAChain, and not the next one");
    sk_X509_free(next_chain);
    next_chain = only(
        support_cert("ra", next_key, ca, keys[0], "digitalSignature", pool));
    ck_assert_ptr_nonnull(scep_next_ca_check(next_chain, chain, now, pool));
    sk_X509_free(next_chain);
    next_chain = sk_X509_new_null();
    ck_assert_ptr_nonnull(scep_next_ca_check(next_chain, chain, now, pool));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("next_ca");
    TCase *tcase = tcase_create("next_ca");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, what_the_ca_signs_is_taken, 0, 2);
    tcase_add_test(tcase, what_another_signs_is_not);
    tcase_add_test(tcase, what_is_about_another_ca_is_not);
    tcase_add_test(tcase, a_changed_answer_is_not_taken);
    tcase_add_test(tcase, the_next_ca_may_be_of_tomorrow);
    tcase_add_test(tcase, the_next_ca_is_a_ca_and_another_one);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
