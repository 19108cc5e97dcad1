/* check_weak_key.c - tests of what makes an RSA key a weak one
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>
#include <check.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>

#include "run.h"
#include "support.h"
#include "weak_key.h"

/* Moduli of real keys that others test with: of an Infineon chip, of Debian's
 * openssl in 2008, and of a printer (its primes are next to each other). */
static const char roca[] =
    "9132ad211fcc0dfb4dae48326ac864c227e4b394b09bd1c4930e197028a3c907"
    "694d2b489e4f69754aeae338c6ead939c57f406985cbbb8edf9a2055cc2946bc"
    "05d365ba67e896c6d4811152cfa2d290514f90b352eeef27feb72fbd8dcd5bc9"
    "15a4f4494139cc1ca10a3244fa97e53275f57b5529b4e767379007798e112a4b"
    "a056c7b75cedb132cdf21f7bd3c9976d9da38815153477a13b3ebb2046d100a8"
    "51dc00698f530d19396f00fbef2c4bf1659ebc4c7fd9556b5ffc93f03ca2d3df"
    "acd222a5f028ab430a27ea31136c0c2f50c3c481931a635a37780f00d2727ae7"
    "1aee9b40f8d1aae68535c77a56317812beb5525d4a28364f31224acac52cf72d";
static const char debian[] =
    "c096530c4c4a343fc388ff8b6e14c88b617485966dd0f757f3decb2f03dfdfe6"
    "f518e0948f5387059bd5aa124f26d38f139dd6ebc234360561689758e9b14e03"
    "f714508167374cbf64e24e26c3cd95ed5a5d04e3c404be157bb8090e9ada9cdc"
    "53ef7e806c1e77b5f10242150a24e9adf991088daf20a75beb54bc91fe43dd87"
    "55447fd3abdefb9f1c987a8b0419824504e213f8dd26a9c6b7ed2f2103d84227"
    "20f7a7400ce34743e4ce40440c69013efea2a39790fcdfccbb424da1d824adfe"
    "58071ed76d41af836e4093ea60f5719e250fa214f8631153a81eefc17d82e3f8"
    "19da57691ed9602550074fdea73ac9e5cfe10f6b91adc31b402c3e370b03a559";
static const char fermat[] =
    "e36099d4b2fbf4b58d6a19bb57fc3443f67d86c759169ae8038d46ec28e0256a"
    "6730e95f7f9da57c81cd3567b0da5a716fec1a5f15e56c3731075f5351dcbab3"
    "2b16050c3d72b5ee6c1408aa0f8ce34fa3ef9c6962f4e75b6512af8706551d28"
    "19ac900224e4108d24b89f37580853a73aec654f90763d70e5a36fa7d1cbbeed"
    "927ab004b7471fa3fb71c91feeeaff9e1ef464f9913b84f8da37a8d356950d00"
    "019d6701fc749da72b5b88d48a6998ebcc096a4bc711ffbe6b89627683c14e14"
    "fa0ca26a17c228c067295ff8117cc7095537c275e6996e1dc1452cb7f5124036"
    "4e81841f5bb7df604df747bf774d269f38a35bf93402a08561ff89e0c43d2f97";

/* What "openssl rsa -modulus | sha1sum" ends in for the second. */
#define DEBIAN_LINE "b7ead9492dfd921fc4f9"

static apr_pool_t *shared, *pool;
static scep_weak_t *weak;

static void setup_once(void)
{
    shared = support_pool();
}

static void setup(void)
{
    ck_assert_int_eq(apr_pool_create(&pool, shared), APR_SUCCESS);
    ck_assert_int_eq(scep_weak_create(&weak, pool), APR_SUCCESS);
    ERR_clear_error();
}

static void teardown(void)
{
    ck_assert_uint_eq(ERR_peek_error(), 0);
    apr_pool_destroy(pool);
}

/* The SubjectPublicKeyInfo of two numbers. */
static const unsigned char *spki_of(const BIGNUM *n, const BIGNUM *e,
                                    apr_size_t *len)
{
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    unsigned char *der = NULL, *copy;
    EVP_PKEY *key = NULL;
    OSSL_PARAM *params;
    int size;

    ck_assert(OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n));
    ck_assert(OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e));
    params = OSSL_PARAM_BLD_to_param(build);
    ck_assert_int_eq(EVP_PKEY_fromdata_init(ctx), 1);
    ck_assert_int_eq(EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params),
                     1);
    size = i2d_PUBKEY(key, &der);
    ck_assert_int_gt(size, 0);
    copy = apr_pmemdup(pool, der, (apr_size_t)size);
    *len = (apr_size_t)size;
    OPENSSL_free(der);
    EVP_PKEY_free(key);
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    return copy;
}

static const char *fault_of(const BIGNUM *n)
{
    BIGNUM *e = BN_new();
    const unsigned char *spki;
    apr_size_t len;

    BN_set_word(e, 65537);
    spki = spki_of(n, e, &len);
    BN_free(e);
    return scep_weak_key(weak, spki, len);
}

static const char *fault_of_hex(const char *modulus)
{
    BIGNUM *n = NULL;
    const char *fault;

    ck_assert_int_gt(BN_hex2bn(&n, modulus), 0);
    fault = fault_of(n);
    BN_free(n);
    return fault;
}

static void is_weak(const char *fault, const char *why)
{
    ck_assert_ptr_nonnull(fault);
    ck_assert_msg(strstr(fault, why) != NULL, "%s", fault);
}

static BIGNUM *prime_of(int bits)
{
    BIGNUM *prime = BN_new();

    ck_assert_int_eq(BN_generate_prime_ex(prime, bits, 0, NULL, NULL, NULL),
                     1);
    return prime;
}

/* ------------------------------------------------------------------ */

START_TEST(issue4_ordinary_keys_are_good)
{
    for (int i = 0; i < 8; i++) {
        EVP_PKEY *key = support_rsa(i ? 1024 : 3072, pool);
        unsigned char *der = NULL;
        int len = i2d_PUBKEY(key, &der);
        const char *fault = scep_weak_key(weak, der, (apr_size_t)len);

        ck_assert_msg(!fault, "%s", fault);
        ck_assert_uint_eq(scep_weak_exponent(der, (apr_size_t)len), 65537);
        OPENSSL_free(der);
    }
}
END_TEST

START_TEST(issue4_keys_of_real_devices_are_found)
{
    is_weak(fault_of_hex(roca), "ROCA");
    is_weak(fault_of_hex(fermat), "next to each other");
}
END_TEST

/* As the paper says how the library made its primes: k * M + 65537^a mod M. */
static BIGNUM *infineon_prime(void)
{
    BN_CTX *ctx = BN_CTX_new();
    BIGNUM *m = BN_new(), *k = BN_new(), *a = BN_new(), *g = BN_new();
    BIGNUM *prime = BN_new();

    BN_one(m);
    for (unsigned int p = 2; p <= 167; p++) {
        unsigned int d = 2;

        while (p % d)
            d++;
        if (d == p)
            BN_mul_word(m, p);
    }
    BN_set_word(g, 65537);
    do {
        BN_rand(k, 512 - BN_num_bits(m), BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY);
        BN_rand(a, 62, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY);
        BN_mod_exp(prime, g, a, m, ctx);
        BN_mul(k, k, m, ctx);
        BN_add(prime, prime, k);
    } while (BN_check_prime(prime, ctx, NULL) != 1);
    BN_free(m);
    BN_free(k);
    BN_free(a);
    BN_free(g);
    BN_CTX_free(ctx);
    return prime;
}

START_TEST(issue4_a_key_as_the_chip_makes_it_is_found)
{
    BIGNUM *p = infineon_prime(), *q = infineon_prime(), *n = BN_new();
    BIGNUM *other = prime_of(512);
    BN_CTX *ctx = BN_CTX_new();

    BN_mul(n, p, q, ctx);
    is_weak(fault_of(n), "ROCA");
    BN_mul(n, p, other, ctx);
    ck_assert_ptr_null(fault_of(n));
    BN_free(p);
    BN_free(q);
    BN_free(n);
    BN_free(other);
    BN_CTX_free(ctx);
}
END_TEST

START_TEST(issue4_small_factors_are_found_up_to_751)
{
    BIGNUM *n = prime_of(1024);

    BN_mul_word(n, 751);
    is_weak(fault_of(n), "small factor");
    BN_div_word(n, 751);
    BN_mul_word(n, 3);
    is_weak(fault_of(n), "small factor");
    BN_div_word(n, 3);
    BN_mul_word(n, 757);
    ck_assert_ptr_null(fault_of(n));
    BN_free(n);
}
END_TEST

START_TEST(issue4_factors_next_to_each_other_are_found)
{
    BIGNUM *p = prime_of(512), *q = BN_dup(p), *n = BN_new();
    BN_CTX *ctx = BN_CTX_new();

    BN_sqr(n, p, ctx);
    is_weak(fault_of(n), "next to each other");
    do
        BN_add_word(q, 2);
    while (BN_check_prime(q, ctx, NULL) != 1);
    BN_mul(n, p, q, ctx);
    is_weak(fault_of(n), "next to each other");
    /* as far apart as FIPS 186 has them at least */
    BN_set_bit(q, 512 - 50);
    BN_clear_bit(p, 512 - 50);
    BN_add_word(q, BN_is_odd(q) ? 0 : 1);
    while (BN_check_prime(q, ctx, NULL) != 1)
        BN_add_word(q, 2);
    while (BN_check_prime(p, ctx, NULL) != 1)
        BN_add_word(p, 2);
    BN_mul(n, p, q, ctx);
    ck_assert_ptr_null(fault_of(n));
    BN_free(p);
    BN_free(q);
    BN_free(n);
    BN_CTX_free(ctx);
}
END_TEST

static const char *add(const char *text)
{
    return scep_weak_add(weak, text, strlen(text), pool);
}

START_TEST(issue4_listed_keys_are_found)
{
    ck_assert_ptr_null(fault_of_hex(debian));
    ck_assert_ptr_null(add("# a comment\n\nffffffffffffffffffff\r\n"
                           "00000000000000000000\n"));
    ck_assert_uint_eq(scep_weak_listed(weak), 2);
    ck_assert_ptr_null(fault_of_hex(debian));
    ck_assert_ptr_null(add(DEBIAN_LINE));
    ck_assert_uint_eq(scep_weak_listed(weak), 3);
    is_weak(fault_of_hex(debian), "list");
    /* a second list takes nothing from the first, capitals are the same */
    ck_assert_ptr_null(add("AAAAAAAAAAAAAAAAAAAA\n"));
    is_weak(fault_of_hex(debian), "list");
}
END_TEST

START_TEST(issue4_a_list_with_a_capital_line_is_the_same)
{
    ck_assert_ptr_null(add("B7EAD9492DFD921FC4F9\n"));
    is_weak(fault_of_hex(debian), "list");
}
END_TEST

START_TEST(issue4_lists_that_are_none)
{
    static const char *const bad[] = {
        "b7ead9492dfd921fc4f\n",  "b7ead9492dfd921fc4f9a\n",
        "g7ead9492dfd921fc4f9\n", "b7:ad9492dfd921fc4f9\n",
        " 7ead9492dfd921fc4f9\n", "a6d0fdec21d718b7f75eb7ead9492dfd921fc4f9\n",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        const char *error =
            add(apr_pstrcat(pool, "# x\n", DEBIAN_LINE "\n", bad[i], NULL));

        ck_assert_msg(error != NULL, "%s", bad[i]);
        ck_assert_msg(!strncmp(error, "line 3 ", 7), "%s", error);
        ck_assert_uint_eq(scep_weak_listed(weak), 0);
    }
    ck_assert_ptr_null(add(""));
    ck_assert_uint_eq(scep_weak_listed(weak), 0);
}
END_TEST

START_TEST(issue4_exponents)
{
    static const struct {
        const char *hex;
        apr_uint64_t value;
    } rows[] = {
        { "3", 3 },
        { "11", 17 },
        { "10001", 65537 },
        { "FFFFFFFFFFFFFFFF", ~(apr_uint64_t)0 },
        { "010000000000000001", 0 },
    };
    BIGNUM *n = NULL;

    ck_assert_int_gt(BN_hex2bn(&n, debian), 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const unsigned char *spki;
        BIGNUM *e = NULL;
        apr_size_t len;

        ck_assert_int_gt(BN_hex2bn(&e, rows[i].hex), 0);
        spki = spki_of(n, e, &len);
        ck_assert_msg(scep_weak_exponent(spki, len) == rows[i].value, "%s",
                      rows[i].hex);
        BN_free(e);
    }
    BN_free(n);
}
END_TEST

START_TEST(issue4_what_is_no_rsa_key_is_none_of_these)
{
    EVP_PKEY *ec = support_ec("P-256", pool);
    unsigned char *der = NULL;
    int len = i2d_PUBKEY(ec, &der);

    ck_assert_ptr_null(scep_weak_key(weak, der, (apr_size_t)len));
    ck_assert_uint_eq(scep_weak_exponent(der, (apr_size_t)len), 0);
    for (int i = 0; i < len; i++)
        ck_assert_ptr_null(scep_weak_key(weak, der, (apr_size_t)i));
    OPENSSL_free(der);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("weak_key");
    TCase *tcase = tcase_create("weak_key");

    tcase_add_unchecked_fixture(tcase, setup_once, NULL);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, issue4_ordinary_keys_are_good);
    tcase_add_test(tcase, issue4_keys_of_real_devices_are_found);
    tcase_add_test(tcase, issue4_a_key_as_the_chip_makes_it_is_found);
    tcase_add_test(tcase, issue4_small_factors_are_found_up_to_751);
    tcase_add_test(tcase, issue4_factors_next_to_each_other_are_found);
    tcase_add_test(tcase, issue4_listed_keys_are_found);
    tcase_add_test(tcase, issue4_a_list_with_a_capital_line_is_the_same);
    tcase_add_test(tcase, issue4_lists_that_are_none);
    tcase_add_test(tcase, issue4_exponents);
    tcase_add_test(tcase, issue4_what_is_no_rsa_key_is_none_of_these);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
