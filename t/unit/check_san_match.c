/* check_san_match.c - tests of patterns of single names
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include <apr_general.h>
#include <check.h>
#include <openssl/err.h>

#include "glob.h"
#include "name_match.h"
#include "run.h"
#include "san_match.h"

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

/* "DNS:a" and so on, as openssl.cnf has it; but a URI may have commas. */
static GENERAL_NAMES *names_of(const char *san)
{
    X509_EXTENSION *extension;
    GENERAL_NAMES *names;

    if (!strncmp(san, "URI:", 4)) {
        GENERAL_NAME *name = GENERAL_NAME_new();
        ASN1_STRING *uri = ASN1_STRING_type_new(V_ASN1_IA5STRING);

        names = GENERAL_NAMES_new();
        ASN1_STRING_set(uri, san + 4, -1);
        GENERAL_NAME_set0_value(name, GEN_URI, uri);
        sk_GENERAL_NAME_push(names, name);
        return names;
    }
    extension = X509V3_EXT_conf(NULL, NULL, "subjectAltName", san);
    ck_assert_msg(extension != NULL, "%s", san);
    names = X509V3_EXT_d2i(extension);
    X509_EXTENSION_free(extension);
    return names;
}

static int match(const char *text, const char *san)
{
    const scep_san_pattern_t *pattern = NULL;
    const char *error = scep_san_pattern_parse(&pattern, text, pool);
    GENERAL_NAMES *names = names_of(san);
    int fits;

    ck_assert_msg(!error, "%s: %s", text, error);
    fits = scep_san_match(pattern, sk_GENERAL_NAME_value(names, 0), pool);
    GENERAL_NAMES_free(names);
    return fits;
}

static void fits(const char *pattern, const char *san)
{
    ck_assert_msg(match(pattern, san), "%s does not fit %s", san, pattern);
}

static void differs(const char *pattern, const char *san)
{
    ck_assert_msg(!match(pattern, san), "%s fits %s", san, pattern);
}

START_TEST(issue4_dns_names)
{
    fits("dns:*.example.com", "DNS:a.example.com");
    fits("dns:*.example.com", "DNS:a.b.EXAMPLE.com");
    fits("DNS:*.Example.COM", "DNS:a.example.com");
    fits("dns:*", "DNS:a");
    differs("dns:*.example.com", "DNS:example.com");
    differs("dns:*.example.com", "DNS:a.example.com.evil");
    differs("dns:*.example.com", "email:a@a.example.com");
    differs("dns:*", "IP:192.0.2.1");
    differs("dns:a.example", "DNS:b.example");
}
END_TEST

START_TEST(issue4_a_wildcard_name_fits_an_escaped_star_alone)
{
    differs("dns:*", "DNS:*.example.com");
    differs("dns:*.example.com", "DNS:*.example.com");
    differs("dns:*.com", "DNS:*.example.com");
    differs("dns:*", "DNS:a.*.example.com");
    differs("dns:*m", "DNS:a*m");
    fits("dns:\\*.example.com", "DNS:*.example.com");
    fits("dns:\\*.*", "DNS:*.example.com");
    differs("dns:\\*.example.com", "DNS:a.example.com");
    differs("dns:\\*.*", "DNS:*.*.com");
}
END_TEST

START_TEST(issue4_addresses)
{
    fits("ip:192.0.2.0/24", "IP:192.0.2.7");
    fits("ip:192.0.2.7", "IP:192.0.2.7");
    fits("ip:2001:db8::/32", "IP:2001:db8::1");
    fits("ip:*", "IP:2001:db8::1");
    differs("ip:192.0.2.0/24", "IP:192.0.3.7");
    differs("ip:2001:db8::/32", "IP:192.0.2.7");
    differs("ip:*", "DNS:192.0.2.7");
}
END_TEST

START_TEST(issue4_all_other_types)
{
    fits("email:*@example.com", "email:A.b@EXAMPLE.com");
    fits("email:A*@Example.Com", "email:A.b@example.com");
    differs("email:a*@example.com", "email:A.b@example.com");
    differs("email:*@example.com", "email:a@example.com.evil");
    fits("uri:urn:uuid:*", "URI:urn:uuid:1");
    differs("uri:urn:uuid:*", "URI:URN:uuid:1");
    fits("uri:*", "URI:https://a.example/*");
    differs("uri:*", "URI:tag:microsoft.com,2022-09-14:sid:S-1");
    fits("sid:S-1-5-*", "URI:TAG:microsoft.com,2022-09-14:sid:S-1-5-21");
    fits("sid:tag:microsoft.com,2022-09-14:sid:S-1-5-*",
         "URI:tag:microsoft.com,2022-09-14:sid:S-1-5-21");
    differs("sid:S-1-5-*", "URI:tag:microsoft.com,2022-09-14:sid:S-1-6");
    differs("sid:*", "URI:https://a.example/");
    fits("upn:*@example.com", "otherName:msUPN;UTF8:a@example.com");
    differs("upn:*@example.com", "otherName:msUPN;UTF8:a@example.org");
    differs("upn:*", "otherName:1.2.3;UTF8:a@example.org");
    fits("other:*", "otherName:1.2.3;UTF8:a");
    fits("rid:1.2.*", "RID:1.2.3");
    differs("rid:1.2.*", "RID:1.3.3");
}
END_TEST

START_TEST(issue4_what_no_san_pattern_is_says_why)
{
    static const char *const bad[] = {
        "",         "*",         "example.com",    "foo:a",      "dns:",
        "dns:a\\",  "dns:\x1a",  "ip:192.0.2.1/8", "ip:a",       "ip:192.*",
        "other:ab", "dirname:a", "dirname:",       "dns:\\\x1a",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        const scep_san_pattern_t *pattern = NULL;

        ck_assert_msg(scep_san_pattern_parse(&pattern, bad[i], pool) != NULL,
                      "%s", bad[i]);
        ck_assert_ptr_null(pattern);
    }
}
END_TEST

START_TEST(issue4_a_pattern_knows_its_type)
{
    const scep_san_pattern_t *pattern;

    ck_assert_ptr_null(scep_san_pattern_parse(&pattern, "dirname:CN=*", pool));
    ck_assert_uint_eq(scep_san_pattern_type(pattern), SCEP_SAN_DIRNAME);
}
END_TEST

/* ------------------------------------------------------------------ */

static int match_attribute(const char *text, const char *dn)
{
    const scep_name_pattern_t *pattern = NULL;
    X509_NAME *name = NULL;
    const char *error =
        scep_name_attribute_pattern_parse(&pattern, text, pool);

    ck_assert_msg(!error, "%s: %s", text, error);
    ck_assert_ptr_null(scep_name_parse(&name, dn, pool));
    return scep_name_match_attribute(pattern, X509_NAME_get_entry(name, 0),
                                     pool);
}

START_TEST(issue4_attributes)
{
    const scep_name_pattern_t *pattern = NULL;

    ck_assert(match_attribute("CN=*.example.com", "CN=a.example.com"));
    ck_assert(match_attribute("commonName=a\\*", "CN=a*"));
    ck_assert(match_attribute("2.5.4.10=*", "O=b"));
    ck_assert(!match_attribute("CN=*.example.com", "CN=a.example.org"));
    ck_assert(!match_attribute("CN=*.example.com", "O=a.example.com"));
    ck_assert(!match_attribute("CN=a", "CN=A"));
    ck_assert_ptr_nonnull(
        scep_name_attribute_pattern_parse(&pattern, "CN=*,O=*", pool));
    ck_assert_ptr_nonnull(
        scep_name_attribute_pattern_parse(&pattern, "CN=*+O=*", pool));
    ck_assert_ptr_nonnull(
        scep_name_attribute_pattern_parse(&pattern, "", pool));
    ck_assert_ptr_nonnull(
        scep_name_attribute_pattern_parse(&pattern, "foo=*", pool));
    ck_assert_ptr_null(pattern);
}
END_TEST

START_TEST(issue4_backslashes)
{
    const char *glob;

    ck_assert_ptr_null(scep_glob_parse(&glob, "a\\\\*", pool));
    ck_assert_str_eq(glob, "a\\*");
    ck_assert(scep_glob_fits(glob, "a\\bc", 0));
    ck_assert_ptr_null(scep_glob_parse(&glob, "\\**\\a", pool));
    ck_assert(scep_glob_fits(glob, "*xa", 0));
    ck_assert(!scep_glob_fits(glob, "xxa", 0));
    ck_assert(scep_glob_fits("", "", 1));
    ck_assert(!scep_glob_fits("", "a", 1));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("san_match");
    TCase *cases = tcase_create("san_match");

    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, issue4_dns_names);
    tcase_add_test(cases, issue4_a_wildcard_name_fits_an_escaped_star_alone);
    tcase_add_test(cases, issue4_addresses);
    tcase_add_test(cases, issue4_all_other_types);
    tcase_add_test(cases, issue4_what_no_san_pattern_is_says_why);
    tcase_add_test(cases, issue4_a_pattern_knows_its_type);
    tcase_add_test(cases, issue4_attributes);
    tcase_add_test(cases, issue4_backslashes);
    suite_add_tcase(suite, cases);
    return run_suite(suite);
}
