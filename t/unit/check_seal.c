/* check_seal.c - unit tests of seal.c
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include <apr_strings.h>
#include <openssl/err.h>

#include "run.h"
#include "seal_fixture.h"
#include "support.h"

static apr_pool_t *pool;
static seal_fixture_t fixture;

static void setup(void)
{
    apr_pool_create(&pool, NULL);
    seal_fixture_init(&fixture, pool);
}

static void teardown(void)
{
    sk_X509_free(fixture.setup.trusted);
    apr_pool_destroy(pool);
    ck_assert_uint_eq(ERR_peek_error(), 0);
}

static scep_seal_t made(int count)
{
    scep_seal_t seal;

    ck_assert_int_eq(scep_seal_make(&seal, NULL,
                                    seal_fixture_events(0, count, pool),
                                    SEAL_NOW, fixture.ra, fixture.ra_key,
                                    pool),
                     APR_SUCCESS);
    return seal;
}

/* Computed by a program of its own, by the recursion of RFC 6962. */
START_TEST(the_tree_is_that_of_rfc_6962)
{
    static const struct {
        int count;
        const char *root;
    } known[] = {
        { 1, "e9c50407ea60a362329112c9f30a84b0"
             "fc4c2a8eb8107fb46b412a38232b83fd" },
        { 2, "2275e912f9f2bd327a59f1adb90f5754"
             "5bc922db4c0cfa792a34c01b02df5562" },
        { 3, "0400508bc4e13a8adcc659e721b9bdb4"
             "b2370d3ba7427a1e4134c37025ce64bd" },
        { 5, "7e8c6af6c7e9946fcec5f4bbf6643efb"
             "954606efa482f129e5b10ed53b5ec709" },
        { 7, "179ae7183c6e3dba0708516d8f8bd997"
             "c0b648a8b61556ca0ef1f4cd926ccb8d" },
        { 8, "8ea500987c4fd0e46e3e9bf620269626"
             "924530ae96f21f0412702ddbd1e083ea" },
        { 1000, "b3ad4acdb491a3a56ebd53142cf970c0"
                "d7885aefbbe9af0b8eacc72c988d4cb7" },
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        ck_assert_str_eq(made(known[i].count).root, known[i].root);
}
END_TEST

START_TEST(the_list_has_number_and_digest_of_each_event)
{
    scep_seal_t seal = made(2);
    apr_array_header_t *leaves;

    ck_assert_int_eq(strncmp(seal.leaves,
                             "1:15c33106c57bf8bc9f6079d3f05b1b33"
                             "869cb94a29ecedcb6d13fe2505cfb48b 4:",
                             69),
                     0);
    ck_assert_int_eq(scep_seal_leaves(&leaves, &seal, pool), APR_SUCCESS);
    ck_assert_int_eq(leaves->nelts, 2);
    ck_assert_int_eq(APR_ARRAY_IDX(leaves, 1, scep_seal_leaf_t).number, 4);
}
END_TEST

START_TEST(seals_are_numbered_and_chained)
{
    scep_seal_t first = made(1), second;
    char digest[SCEP_SEAL_DIGEST_SIZE];

    ck_assert_int_eq(first.number, 1);
    ck_assert_uint_eq(strspn(first.previous, "0"), 64);
    ck_assert_int_eq(scep_seal_make(&second, &first,
                                    seal_fixture_events(1, 4, pool), SEAL_NOW,
                                    fixture.ra, fixture.ra_key, pool),
                     APR_SUCCESS);
    ck_assert_int_eq(second.number, 2);
    ck_assert_int_eq(second.count, 4);
    ck_assert_int_eq(scep_seal_digest(digest, &first, pool), APR_SUCCESS);
    ck_assert_str_eq(second.previous, digest);
}
END_TEST

START_TEST(rsa_and_ec_keys_sign)
{
    EVP_PKEY *key = support_ec("P-384", pool);
    X509 *cert = support_cert("EC", key, NULL, NULL, "digitalSignature", pool);
    scep_seal_t seal = made(1);

    ck_assert(scep_seal_is_signed(&seal, fixture.ra_key, pool));
    ck_assert(!scep_seal_is_signed(&seal, key, pool));
    ck_assert_int_eq(scep_seal_make(&seal, NULL,
                                    seal_fixture_events(0, 1, pool), SEAL_NOW,
                                    cert, key, pool),
                     APR_SUCCESS);
    ck_assert(scep_seal_is_signed(&seal, key, pool));
    ck_assert(!scep_seal_is_signed(&seal, fixture.ra_key, pool));
    ck_assert_int_eq(X509_cmp(scep_seal_certificate(&seal, pool), cert), 0);
}
END_TEST

START_TEST(no_seal_is_made_of_no_batch)
{
    apr_array_header_t *twice = seal_fixture_events(0, 1, pool);
    scep_seal_t seal;

    apr_array_cat(twice, twice);
    ck_assert_int_eq(scep_seal_make(&seal, NULL, twice, SEAL_NOW, fixture.ra,
                                    fixture.ra_key, pool),
                     APR_EINVAL);
    ck_assert_int_eq(scep_seal_make(&seal, NULL,
                                    seal_fixture_events(0, 0, pool), SEAL_NOW,
                                    fixture.ra, fixture.ra_key, pool),
                     APR_EINVAL);
    ck_assert_int_eq(
        scep_seal_make(&seal, NULL,
                       seal_fixture_events(0, SCEP_SEAL_EVENTS_MAX + 1, pool),
                       SEAL_NOW, fixture.ra, fixture.ra_key, pool),
        APR_EINVAL);
}
END_TEST

START_TEST(nothing_follows_a_seal_that_is_malformed)
{
    scep_seal_t last = made(1), seal;

    last.signature = "?";
    ck_assert_int_eq(scep_seal_make(&seal, &last,
                                    seal_fixture_events(1, 1, pool), SEAL_NOW,
                                    fixture.ra, fixture.ra_key, pool),
                     APR_EINVAL);
}
END_TEST

static const char *replaced(const char *text, int at, const char *with)
{
    return apr_psprintf(pool, "%.*s%s%s", at, text, with, text + at + 1);
}

START_TEST(a_list_is_read_as_it_is_written_or_not_at_all)
{
    scep_seal_t good = made(2), seal = good;
    size_t len = strlen(good.leaves);
    const char *const wrong[] = {
        "",
        " ",
        ":",
        "1",
        "1:",
        replaced(good.leaves, 0, "01"),
        replaced(good.leaves, 0, "-1"),
        replaced(good.leaves, 0, ""),
        replaced(good.leaves, 0, "4"),
        replaced(good.leaves, 0, "9223372036854775808"),
        replaced(good.leaves, 0, "12345678901234567890"),
        replaced(good.leaves, 1, "::"),
        replaced(good.leaves, 1, " "),
        replaced(good.leaves, 10, "A"),
        replaced(good.leaves, 10, "g"),
        replaced(good.leaves, 10, ""),
        replaced(good.leaves, 10, "00"),
        replaced(good.leaves, 66, "  "),
        replaced(good.leaves, 66, ","),
        apr_pstrcat(pool, good.leaves, " ", NULL),
        apr_pstrmemdup(pool, good.leaves, len - 1),
        apr_pstrmemdup(pool, good.leaves, 66),
        apr_pstrmemdup(pool, good.leaves, 67),
    };
    apr_array_header_t *leaves;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        seal.leaves = wrong[i];
        ck_assert_msg(scep_seal_leaves(&leaves, &seal, pool) == APR_EINVAL,
                      "%s", wrong[i]);
    }
    seal.leaves = good.leaves;
    for (int count = -1; count < 4; count++) {
        seal.count = count;
        ck_assert_int_eq(scep_seal_leaves(&leaves, &seal, pool),
                         count == 2 ? APR_SUCCESS : APR_EINVAL);
    }
}
END_TEST

START_TEST(a_list_has_numbers_of_any_size)
{
    scep_seal_t seal = made(1);
    apr_array_header_t *leaves;

    seal.leaves = replaced(seal.leaves, 0, "9223372036854775807");
    ck_assert_int_eq(scep_seal_leaves(&leaves, &seal, pool), APR_SUCCESS);
    ck_assert(APR_ARRAY_IDX(leaves, 0, scep_seal_leaf_t).number ==
              APR_INT64_MAX);
}
END_TEST

START_TEST(base64_has_one_form)
{
    scep_seal_t good = made(1), seal = good;
    char digest[SCEP_SEAL_DIGEST_SIZE];
    const char *const wrong[] = {
        "",
        "====",
        "A===",
        "AB==",
        apr_pstrcat(pool, good.signature, "\n", NULL),
        apr_pstrcat(pool, " ", good.signature, NULL),
        apr_pstrmemdup(pool, good.signature, strlen(good.signature) - 1),
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        seal = good;
        seal.signature = wrong[i];
        ck_assert_int_eq(scep_seal_digest(digest, &seal, pool), APR_EINVAL);
        ck_assert(!scep_seal_is_signed(&seal, fixture.ra_key, pool));
        seal = good;
        seal.certificate = wrong[i];
        ck_assert_int_eq(scep_seal_digest(digest, &seal, pool), APR_EINVAL);
        ck_assert_ptr_null(scep_seal_certificate(&seal, pool));
    }
}
END_TEST

START_TEST(a_certificate_with_more_behind_it_is_none)
{
    scep_seal_t seal = made(1);
    unsigned char *der = NULL;
    int len = i2d_X509(fixture.ra, &der);
    unsigned char *more = apr_pcalloc(pool, (apr_size_t)len + 1);
    char *text = apr_palloc(pool, ((apr_size_t)len + 3) / 3 * 4 + 1);

    memcpy(more, der, (size_t)len);
    EVP_EncodeBlock((unsigned char *)text, more, len + 1);
    OPENSSL_free(der);
    seal.certificate = text;
    ck_assert_ptr_null(scep_seal_certificate(&seal, pool));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("seal");
    TCase *tests = tcase_create("seal");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, the_tree_is_that_of_rfc_6962);
    tcase_add_test(tests, the_list_has_number_and_digest_of_each_event);
    tcase_add_test(tests, seals_are_numbered_and_chained);
    tcase_add_test(tests, rsa_and_ec_keys_sign);
    tcase_add_test(tests, no_seal_is_made_of_no_batch);
    tcase_add_test(tests, nothing_follows_a_seal_that_is_malformed);
    tcase_add_test(tests, a_list_is_read_as_it_is_written_or_not_at_all);
    tcase_add_test(tests, a_list_has_numbers_of_any_size);
    tcase_add_test(tests, base64_has_one_form);
    tcase_add_test(tests, a_certificate_with_more_behind_it_is_none);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
