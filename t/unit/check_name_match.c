/* check_name_match.c - tests of patterns of subjects, and of text checks
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include <apr_general.h>
#include <check.h>
#include <openssl/err.h>

#include "name_match.h"
#include "run.h"
#include "utf8.h"

static apr_pool_t *pool;

static void setup(void)
{
    ck_assert_int_eq(apr_initialize(), APR_SUCCESS);
    ck_assert_int_eq(apr_pool_create(&pool, NULL), APR_SUCCESS);
}

static void teardown(void)
{
    ck_assert_uint_eq(ERR_peek_error(), 0);
    apr_pool_destroy(pool);
    apr_terminate();
}

/* ------------------------------------------------------------------ */

static int match(const char *pattern_text, const char *dn)
{
    const scep_name_pattern_t *pattern = NULL;
    X509_NAME *name = NULL;
    const char *error = scep_name_pattern_parse(&pattern, pattern_text, pool);

    ck_assert_msg(!error, "%s: %s", pattern_text, error);
    error = scep_name_parse(&name, dn, pool);
    ck_assert_msg(!error, "%s: %s", dn, error);
    return scep_name_match(pattern, name, pool);
}

static void fits(const char *pattern, const char *dn)
{
    ck_assert_msg(match(pattern, dn), "%s does not fit %s", dn, pattern);
}

static void differs(const char *pattern, const char *dn)
{
    ck_assert_msg(!match(pattern, dn), "%s fits %s", dn, pattern);
}

START_TEST(issue3_star_is_any_run_of_characters)
{
    fits("CN=*", "CN=a");
    fits("CN=*", "CN=");
    fits("CN=*", "CN=a b\\, c\\+d");
    fits("CN=a*c", "CN=ac");
    fits("CN=a*c", "CN=abcbc");
    fits("CN=*.example", "CN=a.b.example");
    fits("CN=**a**", "CN=bab");
    fits("CN=a*b*c", "CN=aXbYbZc");
    fits("CN=\xc3\xa4*", "CN=\xc3\xa4\xc3\xb6");
    fits("CN=a*", "CN=a*");
    differs("CN=a*c", "CN=acd");
    differs("CN=a*c", "CN=bac");
    differs("CN=a*b*c", "CN=acb");
    differs("CN=*.example", "CN=example");
    differs("CN=a", "CN=ab");
    differs("CN=ab", "CN=a");
    differs("CN=", "CN=a");
    differs("CN=a?", "CN=ab");
    differs("CN=[ab]", "CN=a");
}
END_TEST

START_TEST(issue3_values_are_compared_exactly)
{
    differs("CN=a*", "CN=A1");
    differs("CN=A,O=b", "CN=a,O=b");
    differs("CN=a b", "CN=a  b");
    fits("CN=a b", "CN=a\\ b");
    fits("cn=a,o=b", "CN=a,O=b");
}
END_TEST

START_TEST(issue3_an_escaped_star_is_itself)
{
    fits("CN=\\*.example", "CN=*.example");
    fits("CN=\\2a.example", "CN=*.example");
    fits("CN=\\*.*", "CN=*.example");
    fits("CN=\\\\*", "CN=\\\\a");
    differs("CN=\\*.example", "CN=a.example");
    differs("CN=\\2A.example", "CN=a.example");
    differs("CN=\\\\*", "CN=*");
    differs("CN=\\*", "CN=\\1A");
}
END_TEST

START_TEST(issue3_no_value_can_look_like_another_attribute)
{
    differs("CN=*,O=Example", "CN=\"evil,O=Example\"");
    differs("CN=*,O=Example", "CN=evil\\,O=Example");
    differs("CN=*,O=Example", "CN=evil\\,O\\=Example");
    differs("CN=*,O=Example", "CN=evil\\2CO=Example");
    differs("CN=*,O=Example", "CN=a,O=evil\\,O=Example");
    differs("CN=*,O=Example", "O=evil,CN=\\,O=Example");
    differs("CN=*,O=Example", "CN=evil\\+O=Example");
    differs("CN=*,O=Example", "/CN=evil,O=Example");
    differs("CN=*+O=Example", "CN=\"evil+O=Example\"");
    fits("CN=*,O=Example", "CN=\"not, evil\",O=Example");
    fits("CN=*", "CN=\"evil,O=Example\"");
}
END_TEST

START_TEST(issue3_rdns_are_those_of_the_pattern_and_no_other)
{
    fits("CN=*,O=Example", "CN=a,O=Example");
    fits("CN=*,O=Example", "O=Example,CN=a");
    fits("C=CH,O=*,CN=*", "CN=a,O=b,C=CH");
    fits("OU=a*,OU=b*,CN=c", "CN=c,OU=b1,OU=a1");
    differs("CN=*,O=Example", "CN=a");
    differs("CN=*,O=Example", "O=Example");
    differs("CN=*,O=Example", "CN=a,O=Example,C=CH");
    differs("CN=*,O=Example", "CN=a,CN=b,O=Example");
    differs("CN=*,O=Example", "CN=a,OU=Example");
    differs("C=CH,O=*,CN=*", "O=b,CN=a,C=CH");
    differs("OU=a*,OU=b*,CN=c", "OU=b1,OU=a1,CN=c");
    differs("CN=*", "");
}
END_TEST

START_TEST(issue3_multi_valued_rdns_are_sets)
{
    fits("CN=*+serialNumber=1*,O=b", "serialNumber=12+CN=a,O=b");
    fits("CN=*+serialNumber=1*,O=b", "O=b,CN=a+serialNumber=1");
    fits("CN=*+UID=*", "UID=a+CN=b");
    differs("CN=*+serialNumber=1*,O=b", "CN=a,serialNumber=1,O=b");
    differs("CN=*,serialNumber=1", "CN=a+serialNumber=1");
    differs("CN=*", "CN=a+O=b");
    differs("CN=*+O=b", "CN=a");
    differs("CN=*+O=b", "CN=a+O=b+C=CH");
    differs("CN=*+O=b", "CN=a+CN=b");
    differs("CN=*+O=b", "CN=a+O=b+O=c");
    differs("CN=*,O=b", "CN=a+O=b,O=b");
}
END_TEST

START_TEST(issue3_a_value_that_is_no_text_fits_nothing)
{
    const scep_name_pattern_t *pattern;
    X509_NAME *name;
    ASN1_STRING *value;

    ck_assert_ptr_null(scep_name_pattern_parse(&pattern, "CN=*", pool));
    ck_assert_ptr_null(scep_name_parse(&name, "CN=a", pool));
    value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, 0));
    ck_assert(scep_name_match(pattern, name, pool));
    value->type = V_ASN1_OCTET_STRING;
    ck_assert(!scep_name_match(pattern, name, pool));
    value->type = V_ASN1_UTF8STRING;
    ck_assert_int_eq(ASN1_STRING_set(value, "a\0b", 3), 1);
    ck_assert(!scep_name_match(pattern, name, pool));
}
END_TEST

START_TEST(issue3_what_no_pattern_is_says_why)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        { "", "no attribute" },
        { "*", "no '='" },
        { "*=a", "attribute type" },
        { "CN=a+CN=*", "one type" },
        { "CN=\\", "backslash" },
        { "CN=a\x1a", "control character" },
        { "CN=a\\1A", "control character" },
        { "CN=\"*", "quotation mark" },
        { "CN=a,", "no '='" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const scep_name_pattern_t *pattern = NULL;
        const char *error =
            scep_name_pattern_parse(&pattern, cases[i].text, pool);

        ck_assert_msg(error && strstr(error, cases[i].why), "%s: %s",
                      cases[i].text, error ? error : "no error");
        ck_assert_ptr_null(pattern);
    }
}
END_TEST

/* A pattern of many stars takes time by the length, not by its power. */
START_TEST(issue3_many_stars_take_no_time)
{
    char pattern[3 * 100 + 8] = "CN=", dn[20000 + 8] = "CN=";

    for (int i = 0; i < 100; i++)
        strcat(pattern, "a*");
    strcat(pattern, "b");
    memset(dn + 3, 'a', 20000);
    differs(pattern, dn);
}
END_TEST

/* ------------------------------------------------------------------ */

static int valid(const char *text)
{
    return scep_utf8_is_valid(text, strlen(text));
}

START_TEST(issue3_utf8_is_what_rfc_3629_says)
{
    ck_assert(valid(""));
    ck_assert(valid("a\x01\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"));
    ck_assert(valid("\xf4\x8f\xbf\xbf"));
    ck_assert(scep_utf8_is_valid("a\0b", 3));
    ck_assert(!valid("\xc3"));
    ck_assert(!valid("\xe4"));
    ck_assert(!valid("a\x80"));
    ck_assert(!valid("\xc0\x80"));
    ck_assert(!valid("\xe0\x80\x80"));
    ck_assert(!valid("\xed\xa0\x80"));
    ck_assert(!valid("\xf4\x90\x80\x80"));
    ck_assert(!valid("\xf8\x88\x80\x80\x80"));
    ck_assert(!scep_utf8_is_valid("\xe2\x82\xac", 2));
}
END_TEST

START_TEST(issue3_control_characters_are_not_printable)
{
    ck_assert(scep_utf8_is_printable(""));
    ck_assert(scep_utf8_is_printable("a ~\xc2\xa0\xf0\x9f\x98\x80"));
    ck_assert(!scep_utf8_is_printable("a\n"));
    ck_assert(!scep_utf8_is_printable("\x1b[1m"));
    ck_assert(!scep_utf8_is_printable("\x7f"));
    ck_assert(!scep_utf8_is_printable("\xc2\x9b"));
    ck_assert(!scep_utf8_is_printable("\xff"));
}
END_TEST

START_TEST(issue3_text_is_cut_after_a_whole_character)
{
    ck_assert_str_eq(scep_utf8_clean("abc", 3, pool), "abc");
    ck_assert_str_eq(scep_utf8_clean("abc", 2, pool), "ab");
    ck_assert_str_eq(scep_utf8_clean("a\xc3\xa4", 2, pool), "a");
    ck_assert_str_eq(scep_utf8_clean("a\xc3\xa4", 3, pool), "a\xc3\xa4");
    ck_assert_str_eq(scep_utf8_clean("a\nb\xff\xc3", 9, pool), "a?b??");
    ck_assert_str_eq(scep_utf8_clean("abc", 0, pool), "");
    ck_assert_str_eq(scep_utf8_clean("", 3, pool), "");
}
END_TEST

/* ------------------------------------------------------------------ */

int main(void)
{
    Suite *suite = suite_create("name_match");
    TCase *cases = tcase_create("name_match");

    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, issue3_star_is_any_run_of_characters);
    tcase_add_test(cases, issue3_values_are_compared_exactly);
    tcase_add_test(cases, issue3_an_escaped_star_is_itself);
    tcase_add_test(cases, issue3_no_value_can_look_like_another_attribute);
    tcase_add_test(cases, issue3_rdns_are_those_of_the_pattern_and_no_other);
    tcase_add_test(cases, issue3_multi_valued_rdns_are_sets);
    tcase_add_test(cases, issue3_a_value_that_is_no_text_fits_nothing);
    tcase_add_test(cases, issue3_what_no_pattern_is_says_why);
    tcase_add_test(cases, issue3_many_stars_take_no_time);
    tcase_add_test(cases, issue3_utf8_is_what_rfc_3629_says);
    tcase_add_test(cases, issue3_control_characters_are_not_printable);
    tcase_add_test(cases, issue3_text_is_cut_after_a_whole_character);
    suite_add_tcase(suite, cases);
    return run_suite(suite);
}
