/* check_der.c - reading and writing DER, and making DER of BER
 * SPDX-License-Identifier: Apache-2.0
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "der.h"
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
}

#define OCTETS(text) (const unsigned char *)(text), sizeof(text) - 1

static void becomes(const unsigned char *ber, apr_size_t len,
                    const unsigned char *der, apr_size_t der_len)
{
    scep_der_t out;

    ck_assert_int_eq(scep_der_from_ber(&out, ber, len, pool), 1);
    ck_assert_uint_eq(out.len, der_len);
    ck_assert_mem_eq(out.at, der, der_len);
}

static void is_refused(const unsigned char *ber, apr_size_t len)
{
    scep_der_t out;

    ck_assert_int_eq(scep_der_from_ber(&out, ber, len, pool), 0);
}

START_TEST(definite_input_is_not_copied)
{
    static const unsigned char der[] = { 0x30, 0x03, 0x02, 0x01, 0x05 };
    scep_der_t out;

    ck_assert_int_eq(scep_der_from_ber(&out, der, sizeof(der), pool), 1);
    ck_assert_ptr_eq(out.at, der);
    ck_assert_uint_eq(out.len, sizeof(der));
}
END_TEST

START_TEST(c28_indefinite_lengths_become_definite)
{
    becomes(OCTETS("\x30\x80\x02\x01\x05\x00\x00"),
            OCTETS("\x30\x03\x02\x01\x05"));
    becomes(OCTETS("\x30\x80\xa0\x80\x05\x00\x00\x00\x31\x80\x00\x00\x00\x00"),
            OCTETS("\x30\x06\xa0\x02\x05\x00\x31\x00"));
    /* what follows the element is left out */
    becomes(OCTETS("\x30\x80\x00\x00\xff\xff"), OCTETS("\x30\x00"));
}
END_TEST

START_TEST(q7_strings_in_pieces_are_joined)
{
    becomes(OCTETS("\x24\x80\x04\x01\x61\x04\x02\x62\x63\x00\x00"),
            OCTETS("\x04\x03\x61\x62\x63"));
    becomes(OCTETS("\x24\x05\x24\x03\x04\x01\x61"), OCTETS("\x04\x01\x61"));
    becomes(OCTETS("\x24\x00"), OCTETS("\x04\x00"));
    becomes(OCTETS("\x33\x80\x13\x01\x61\x00\x00"), OCTETS("\x13\x01\x61"));
    is_refused(OCTETS("\x24\x80\x30\x00\x00\x00"));
    is_refused(OCTETS("\x24\x03\x80\x01\x61"));
}
END_TEST

START_TEST(broken_ber_is_refused)
{
    is_refused(OCTETS("\x30\x80"));
    is_refused(OCTETS("\x30\x80\x00"));
    is_refused(OCTETS("\x30\x80\x02\x05\x01\x00\x00"));
    is_refused(OCTETS("\x30\x80\x02\x85\x00\x00\x00\x00\x01\x05\x00\x00"));
    is_refused(OCTETS("\x30\x80\x02\xff\x00\x00"));
}
END_TEST

START_TEST(long_content_gets_long_lengths)
{
    apr_size_t len = 70000, size = len + 16;
    unsigned char *ber = apr_pcalloc(pool, size);
    scep_der_t out, in, content;

    memcpy(ber, "\x30\x80\x04\x83\x01\x11\x70", 7);
    ck_assert_int_eq(scep_der_from_ber(&out, ber, 7 + len + 2, pool), 1);
    in = out;
    ck_assert_int_eq(scep_der_expect(&in, SCEP_DER_SEQUENCE, &content), 1);
    ck_assert_uint_eq(in.len, 0);
    in = content;
    ck_assert_int_eq(scep_der_expect(&in, SCEP_DER_OCTETS, &content), 1);
    ck_assert_uint_eq(content.len, len);
}
END_TEST

/* So many SEQUENCEs in each other, of definite length. */
static const unsigned char *nested(int depth, apr_size_t *len)
{
    unsigned char *der = apr_palloc(pool, (apr_size_t)depth * 2);

    *len = (apr_size_t)depth * 2;
    for (int i = 0; i < depth; i++) {
        der[2 * i] = 0x30;
        der[2 * i + 1] = (unsigned char)(2 * (depth - i - 1));
    }
    return der;
}

START_TEST(nesting_is_bounded)
{
    unsigned char indefinite[256];
    const unsigned char *der;
    scep_der_t out;
    apr_size_t len;

    for (int i = 0; i < 128; i++)
        memcpy(indefinite + 2 * i, "\x30\x80", 2);
    is_refused(indefinite, sizeof(indefinite));
    der = nested(30, &len);
    ck_assert_int_eq(scep_der_from_ber(&out, der, len, pool), 1);
    der = nested(60, &len);
    is_refused(der, len);
}
END_TEST

static void is_not_read(const unsigned char *der, apr_size_t len)
{
    scep_der_t in = { der, len }, content, whole;
    unsigned int tag;

    ck_assert_int_eq(scep_der_next(&in, &tag, &content, &whole), 0);
    ck_assert_ptr_eq(in.at, der);
    ck_assert_uint_eq(in.len, len);
}

START_TEST(elements_are_read_within_their_bounds)
{
    scep_der_t in = { OCTETS("\x02\x01\x05\x04\x00\x81") }, content, whole;
    unsigned int tag;

    ck_assert_int_eq(scep_der_next(&in, &tag, &content, &whole), 1);
    ck_assert_uint_eq(tag, SCEP_DER_INTEGER);
    ck_assert_uint_eq(content.len, 1);
    ck_assert_uint_eq(whole.len, 3);
    ck_assert_int_eq(scep_der_optional(&in, SCEP_DER_SET, &content), 1);
    ck_assert_ptr_null(content.at);
    ck_assert_int_eq(scep_der_expect(&in, SCEP_DER_OCTETS, &content), 1);
    ck_assert_uint_eq(content.len, 0);
    ck_assert_int_eq(scep_der_next(&in, &tag, &content, &whole), 0);
    is_not_read(OCTETS(""));
    is_not_read(OCTETS("\x02"));
    is_not_read(OCTETS("\x02\x02\x05"));
    is_not_read(OCTETS("\x02\x81"));
    is_not_read(OCTETS("\x02\x84\xff\xff\xff\xff\x05"));
    is_not_read(OCTETS("\x02\x80\x05\x00\x00"));
    is_not_read(OCTETS("\x30\x80\x00\x00"));
    is_not_read(OCTETS("\x1f\xff\xff"));
}
END_TEST

START_TEST(oids_are_known_by_their_content)
{
    scep_der_t sha256 = { OCTETS("\x60\x86\x48\x01\x65\x03\x04\x02\x01") };
    scep_der_t odd = { OCTETS("\x80\x01") }, none = { OCTETS("") };
    static const unsigned char zeros[200];
    scep_der_t far = { zeros, sizeof(zeros) };

    ck_assert_int_eq(scep_der_nid(&sha256), NID_sha256);
    ck_assert_int_eq(scep_der_nid(&odd), NID_undef);
    ck_assert_int_eq(scep_der_nid(&none), NID_undef);
    ck_assert_int_eq(scep_der_nid(&far), NID_undef);
}
END_TEST

START_TEST(what_is_written_is_der)
{
    static const unsigned char expected[] = {
        0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
        0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
    };
    unsigned char zeros[300] = { 0 };
    scep_der_out_t out;
    const unsigned char *end;
    scep_der_t in, content;

    scep_der_out_init(&out, 1024, pool);
    end = out.at;
    scep_der_put_algorithm(&out, NID_sha256);
    ck_assert_uint_eq(end - out.at, sizeof(expected));
    ck_assert_mem_eq(out.at, expected, sizeof(expected));
    scep_der_out_init(&out, 1024, pool);
    end = out.at;
    scep_der_put_element(&out, SCEP_DER_OCTETS, zeros, 200);
    scep_der_wrap(&out, SCEP_DER_CONTEXT(0), end);
    ck_assert_mem_eq(out.at, "\xa0\x81\xcb\x04\x81\xc8", 6);
    scep_der_put_element(&out, SCEP_DER_OCTETS, zeros, 300);
    ck_assert_mem_eq(out.at, "\x04\x82\x01\x2c", 4);
    in.at = out.at;
    in.len = end - out.at;
    ck_assert_int_eq(scep_der_expect(&in, SCEP_DER_OCTETS, &content), 1);
    ck_assert_int_eq(scep_der_expect(&in, SCEP_DER_CONTEXT(0), &content), 1);
    ck_assert_int_eq(out.full, 0);
}
END_TEST

START_TEST(a_full_buffer_is_remembered)
{
    scep_der_out_t out;

    scep_der_out_init(&out, 4, pool);
    scep_der_put(&out, "abc", 3);
    ck_assert_int_eq(out.full, 0);
    scep_der_put(&out, "de", 2);
    ck_assert_int_eq(out.full, 1);
    ck_assert_mem_eq(out.at, "abc", 3);
}
END_TEST

START_TEST(sets_are_sorted_as_der_has_them)
{
    scep_der_t list[] = {
        { OCTETS("b") }, { OCTETS("ab") }, { OCTETS("a") }, { OCTETS("aa") }
    };

    scep_der_sort(list, 4);
    ck_assert_mem_eq(list[0].at, "a", 1);
    ck_assert_mem_eq(list[1].at, "aa", 2);
    ck_assert_mem_eq(list[2].at, "ab", 2);
    ck_assert_mem_eq(list[3].at, "b", 1);
}
END_TEST

static Suite *der_suite(void)
{
    Suite *suite = suite_create("der");
    TCase *all = tcase_create("all");

    tcase_add_checked_fixture(all, set_up, tear_down);
    tcase_add_test(all, definite_input_is_not_copied);
    tcase_add_test(all, c28_indefinite_lengths_become_definite);
    tcase_add_test(all, q7_strings_in_pieces_are_joined);
    tcase_add_test(all, broken_ber_is_refused);
    tcase_add_test(all, long_content_gets_long_lengths);
    tcase_add_test(all, nesting_is_bounded);
    tcase_add_test(all, elements_are_read_within_their_bounds);
    tcase_add_test(all, oids_are_known_by_their_content);
    tcase_add_test(all, what_is_written_is_der);
    tcase_add_test(all, a_full_buffer_is_remembered);
    tcase_add_test(all, sets_are_sorted_as_der_has_them);
    suite_add_tcase(suite, all);
    return suite;
}

int main(void)
{
    return run_suite(der_suite());
}
