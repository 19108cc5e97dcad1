/* check_alg.c - algorithms by name, key rules, reading of public keys
 * SPDX-License-Identifier: Apache-2.0
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

#include "alg.h"
#include "oid.h"
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
    ck_assert_uint_eq(ERR_peek_error(), 0);
}

START_TEST(names_and_nids_are_bits)
{
    ck_assert_uint_eq(scep_alg_digest_by_name("sha256"), SCEP_DIGEST_SHA256);
    ck_assert_uint_eq(scep_alg_digest_by_name("SHA512"), SCEP_DIGEST_SHA512);
    ck_assert_uint_eq(scep_alg_digest_by_name("sha224"), 0);
    ck_assert_uint_eq(scep_alg_cipher_by_name("DES3"), SCEP_CIPHER_DES3);
    ck_assert_uint_eq(scep_alg_cipher_by_name("rc4"), 0);
    ck_assert_uint_eq(scep_alg_digest_by_nid(NID_sha384), SCEP_DIGEST_SHA384);
    ck_assert_uint_eq(scep_alg_cipher_by_nid(NID_aes_192_cbc),
                      SCEP_CIPHER_AES192);
    ck_assert_uint_eq(scep_alg_cipher_by_nid(NID_aes_128_gcm), 0);
    ck_assert_str_eq(scep_alg_digest_name(SCEP_DIGEST_MD5), "md5");
    ck_assert_str_eq(scep_alg_cipher_name(SCEP_CIPHER_AES256), "aes256");
    ck_assert_str_eq(scep_alg_cipher_name(0), "none");
}
END_TEST

START_TEST(r15_md5_and_des_are_not_there_without_legacy)
{
    scep_alg_t *alg;

    ck_assert_int_eq(scep_alg_create(&alg, 0, pool), APR_SUCCESS);
    ck_assert_ptr_null(scep_alg_md(alg, SCEP_DIGEST_MD5));
    ck_assert_ptr_null(scep_alg_evp_cipher(alg, SCEP_CIPHER_DES));
    ck_assert_ptr_nonnull(scep_alg_md(alg, SCEP_DIGEST_SHA1));
    ck_assert_ptr_nonnull(scep_alg_evp_cipher(alg, SCEP_CIPHER_DES3));
    ck_assert_int_eq(scep_alg_create(&alg, 1, pool), APR_SUCCESS);
    ck_assert_ptr_nonnull(scep_alg_md(alg, SCEP_DIGEST_MD5));
    ck_assert_ptr_nonnull(scep_alg_evp_cipher(alg, SCEP_CIPHER_DES));
}
END_TEST

START_TEST(oids_can_be_made_again_and_again)
{
    const scep_oid_t *oid;
    char text[64];

    for (int i = 0; i < 3; i++) {
        apr_pool_t *sub;

        apr_pool_create(&sub, pool);
        ck_assert_int_eq(scep_oid_create(&oid, sub), APR_SUCCESS);
        OBJ_obj2txt(text, sizeof(text), oid->transaction_id, 1);
        ck_assert_str_eq(text, "2.16.840.1.113733.1.9.7");
        OBJ_obj2txt(text, sizeof(text), oid->fail_info_text, 1);
        ck_assert_str_eq(text, "1.3.6.1.5.5.7.24.1"); /* C-61 */
        apr_pool_destroy(sub);
    }
}
END_TEST

static const char *add(scep_key_rule_t *rule, const char *word)
{
    return scep_alg_key_rule_add(rule, word, pool);
}

START_TEST(key_rules_are_read)
{
    scep_key_rule_t rule = { 0, 0, 0 };

    ck_assert_ptr_null(add(&rule, "rsa"));
    ck_assert_int_eq(rule.rsa_min, 2048);
    ck_assert_int_eq(rule.rsa_max, 4096);
    ck_assert_ptr_nonnull(add(&rule, "RSA:3072"));
    rule.rsa_min = 0;
    ck_assert_ptr_null(add(&rule, "RSA:3072"));
    ck_assert_int_eq(rule.rsa_min, 3072);
    ck_assert_int_eq(rule.rsa_max, 4096);
    rule.rsa_min = 0;
    ck_assert_ptr_null(add(&rule, "rsa:8192"));
    ck_assert_int_eq(rule.rsa_max, 8192);
    rule.rsa_min = 0;
    ck_assert_ptr_null(add(&rule, "rsa:2048-3072"));
    ck_assert_int_eq(rule.rsa_max, 3072);
    ck_assert_ptr_null(add(&rule, "ec:P-256"));
    ck_assert_uint_eq(rule.curves, SCEP_CURVE_P256);
    ck_assert_ptr_null(add(&rule, "ec:secp384r1"));
    ck_assert_uint_eq(rule.curves, SCEP_CURVE_P256 | SCEP_CURVE_P384);
    ck_assert_ptr_null(add(&rule, "EC"));
    ck_assert_uint_eq(rule.curves,
                      SCEP_CURVE_P256 | SCEP_CURVE_P384 | SCEP_CURVE_P521);
}
END_TEST

START_TEST(wrong_key_rules_say_what_is_wrong)
{
    static const char *const words[] = {
        "dsa",       "rsa:",          "rsa:x",          "rsa:2048-",
        "rsa:512",   "rsa:4096-2048", "rsa:2048-99999", "rsa:2048x",
        "rsa:-2048", "ec:",           "ec:P-224",       "rsa2048",
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        scep_key_rule_t rule = { 0, 0, 0 };

        ck_assert_msg(add(&rule, words[i]) != NULL, "%s was taken", words[i]);
        ck_assert_int_eq(rule.rsa_min, 0);
        ck_assert_uint_eq(rule.curves, 0);
    }
}
END_TEST

START_TEST(keys_are_checked_by_type_size_and_curve)
{
    scep_key_rule_t rule = SCEP_KEY_RULE_DEFAULT;
    scep_result_t result = SCEP_RESULT_INIT;
    EVP_PKEY *p256 = support_ec("P-256", pool);
    EVP_PKEY *odd = support_ec("secp256k1", pool);
    EVP_PKEY *rsa = support_rsa(2048, pool), *small = support_rsa(1024, pool);
    EVP_PKEY *ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");

    ck_assert_int_eq(scep_alg_key_check(&rule, rsa, &result, pool), 0);
    ck_assert_int_eq(scep_alg_key_check(&rule, p256, &result, pool), 0);
    ck_assert_int_ne(scep_alg_key_check(&rule, small, &result, pool), 0);
    ck_assert_int_eq(result.reason, SCEP_REASON_KEY);
    ck_assert_int_ne(scep_alg_key_check(&rule, odd, &result, pool), 0);
    ck_assert_int_ne(scep_alg_key_check(&rule, ed, &result, pool), 0);
    rule.curves = SCEP_CURVE_P384;
    ck_assert_int_ne(scep_alg_key_check(&rule, p256, &result, pool), 0);
    rule.rsa_max = 1024;
    ck_assert_int_ne(scep_alg_key_check(&rule, rsa, &result, pool), 0);
    rule.rsa_min = 0;
    ck_assert_int_ne(scep_alg_key_check(&rule, rsa, &result, pool), 0);
    EVP_PKEY_free(ed);
}
END_TEST

static EVP_PKEY *decode(EVP_PKEY *key)
{
    unsigned char *spki = NULL;
    int len = i2d_PUBKEY(key, &spki);
    EVP_PKEY *again = scep_alg_key_decode(spki, len);

    for (int cut = 0; cut < len; cut++) {
        unsigned char *copy = malloc(cut + 1);

        memcpy(copy, spki, cut);
        ck_assert_ptr_null(scep_alg_key_decode(copy, cut));
        free(copy);
    }
    OPENSSL_free(spki);
    return again;
}

START_TEST(public_keys_are_read_as_openssl_reads_them)
{
    EVP_PKEY *keys[] = {
        support_rsa(2048, pool),
        support_rsa(1024, pool),
        support_ec("P-256", pool),
        EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"),
    };

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        EVP_PKEY *key = decode(keys[i]);

        ck_assert_ptr_nonnull(key);
        ck_assert_int_eq(EVP_PKEY_eq(key, keys[i]), 1);
        ck_assert_int_eq(EVP_PKEY_get_bits(key), EVP_PKEY_get_bits(keys[i]));
        EVP_PKEY_free(key);
    }
    EVP_PKEY_free(keys[3]);
}
END_TEST

/* An RSA SubjectPublicKeyInfo with such a modulus and exponent. */
static EVP_PKEY *decode_rsa(const char *modulus, const char *exponent)
{
    unsigned char spki[64], *at = spki;
    static const unsigned char head[] = { 0x30, 0x0d, 0x06, 0x09, 0x2a,
                                          0x86, 0x48, 0x86, 0xf7, 0x0d,
                                          0x01, 0x01, 0x01, 0x05, 0x00 };
    size_t n = strlen(modulus), e = strlen(exponent);

    *at++ = 0x30;
    *at++ = (unsigned char)(sizeof(head) + n + e + 9);
    memcpy(at, head, sizeof(head));
    at += sizeof(head);
    *at++ = 0x03;
    *at++ = (unsigned char)(n + e + 7);
    *at++ = 0;
    *at++ = 0x30;
    *at++ = (unsigned char)(n + e + 4);
    *at++ = 0x02;
    *at++ = (unsigned char)n;
    memcpy(at, modulus, n);
    at += n;
    *at++ = 0x02;
    *at++ = (unsigned char)e;
    memcpy(at, exponent, e);
    return scep_alg_key_decode(spki, at + e - spki);
}

START_TEST(rsa_keys_that_make_no_sense_are_not_read)
{
    EVP_PKEY *key = decode_rsa("\x7f\x01\x01\x01\x01", "\x03");

    ck_assert_ptr_nonnull(key);
    EVP_PKEY_free(key);
    ck_assert_ptr_null(decode_rsa("\x7f\x01\x01\x01\x02", "\x03"));
    ck_assert_ptr_null(decode_rsa("\x7f\x01\x01\x01\x01", "\x01"));
    ck_assert_ptr_null(decode_rsa("\x7f\x01\x01\x01\x01", "\x04"));
    ck_assert_ptr_null(decode_rsa("\x7f\x01\x01\x01\x01",
                                  "\x01\x01\x01\x01\x01\x01\x01\x01\x01"));
}
END_TEST

static Suite *alg_suite(void)
{
    Suite *suite = suite_create("alg");
    TCase *all = tcase_create("all");

    tcase_add_checked_fixture(all, set_up, tear_down);
    tcase_add_test(all, names_and_nids_are_bits);
    tcase_add_test(all, r15_md5_and_des_are_not_there_without_legacy);
    tcase_add_test(all, oids_can_be_made_again_and_again);
    tcase_add_test(all, key_rules_are_read);
    tcase_add_test(all, wrong_key_rules_say_what_is_wrong);
    tcase_add_test(all, keys_are_checked_by_type_size_and_curve);
    tcase_add_test(all, public_keys_are_read_as_openssl_reads_them);
    tcase_add_test(all, rsa_keys_that_make_no_sense_are_not_read);
    suite_add_tcase(suite, all);
    return suite;
}

int main(void)
{
    return run_suite(alg_suite());
}
