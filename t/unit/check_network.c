/* check_network.c - networks, and the ids of devices
 * SPDX-License-Identifier: Apache-2.0
 */
#include <apr_strings.h>
#include <openssl/err.h>

#include "device.h"
#include "network.h"
#include "run.h"
#include "support.h"

static apr_pool_t *pool;

static void setup(void)
{
    pool = support_pool();
}

/* clang-format off */
static const struct {
    const char *network, *address;
    int inside;
} places[] = {
    { "192.0.2.0/24", "192.0.2.0", 1 },
    { "192.0.2.0/24", "192.0.2.255", 1 },
    { "192.0.2.0/24", "192.0.3.0", 0 },
    { "192.0.2.7", "192.0.2.7", 1 },
    { "192.0.2.7", "192.0.2.6", 0 },
    { "192.0.2.4/31", "192.0.2.5", 1 },
    { "192.0.2.4/31", "192.0.2.6", 0 },
    { "0.0.0.0/0", "203.0.113.9", 1 },
    { "0.0.0.0/0", "2001:db8::1", 0 },
    { "::ffff:192.0.2.0/120", "192.0.2.9", 1 },
    { "192.0.2.0/24", "::ffff:192.0.2.9", 1 },
    { "2001:db8::/32", "2001:db8:ffff::1", 1 },
    { "2001:db8::/32", "2001:db9::", 0 },
    { "2001:db8::1", "2001:db8::1", 1 },
    { "2001:db8::1", "2001:db8::2", 0 },
    { "fe80::/10", "fe80::1%eth0", 1 },
    { "::/0", "192.0.2.1", 1 },
};
/* clang-format on */

START_TEST(an_address_is_in_a_network_or_not)
{
    scep_network_t network;
    unsigned char address[16];

    ck_assert_ptr_null(scep_network_parse(&network, places[_i].network, pool));
    ck_assert(scep_network_address(address, places[_i].address));
    ck_assert_int_eq(scep_network_contains(&network, address),
                     places[_i].inside);
}
END_TEST

static const char *const no_networks[] = {
    "",
    "x",
    "192.0.2",
    "192.0.2.0/33",
    "192.0.2.0/",
    "192.0.2.0/-1",
    "192.0.2.0/ 8",
    "192.0.2.0/24/24",
    "192.0.2.1/24",
    "2001:db8::/129",
    "2001:db8::1/32",
    "fe80::1%eth0",
    "192.0.2.0/1x",
    "192.0.2.0/0000",
    "example.com",
    "1.2.3.4.5",
};

START_TEST(what_is_no_network_is_refused)
{
    scep_network_t network;

    ck_assert_ptr_nonnull(scep_network_parse(&network, no_networks[_i], pool));
}
END_TEST

START_TEST(what_is_no_address_is_none)
{
    unsigned char address[16];
    char long_text[100];

    memset(long_text, '1', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    ck_assert(!scep_network_address(address, ""));
    ck_assert(!scep_network_address(address, "unknown"));
    ck_assert(!scep_network_address(address, "192.0.2.0/24"));
    ck_assert(!scep_network_address(address, long_text));
}
END_TEST

static X509_NAME *subject(const char *dn)
{
    X509_NAME *name;

    ck_assert_ptr_null(scep_name_parse(&name, dn, pool));
    return name;
}

static const char *found(const char *dn, const char *san, unsigned int from)
{
    GENERAL_NAMES *sans = NULL;
    const char *text;

    if (san) {
        X509_EXTENSION *ext =
            X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, san);
        sans = X509V3_EXT_d2i(ext);
        X509_EXTENSION_free(ext);
    }
    text = apr_array_pstrcat(pool,
                             scep_device_find(subject(dn), sans, from, pool),
                             ' ');
    GENERAL_NAMES_free(sans);
    ck_assert_uint_eq(ERR_peek_error(), 0);
    return text;
}

START_TEST(a_device_is_found_where_it_is_looked_for)
{
    const char *dn = "CN=Host,serialNumber=C02X,O=Example";
    const char *san = "DNS:A.example,URI:urn:uuid:7,email:x@y.example,"
                      "otherName:1.3.6.1.4.1.311.20.2.3;UTF8:u@v";

    ck_assert_str_eq(found(dn, san, SCEP_DEVICE_DEFAULT), "host c02x");
    ck_assert_str_eq(found(dn, san, SCEP_DEVICE_CN), "host");
    ck_assert_str_eq(found(dn, san, SCEP_DEVICE_SERIAL), "c02x");
    ck_assert_str_eq(found(dn, san, SCEP_DEVICE_DNS), "a.example");
    ck_assert_str_eq(found(dn, san, SCEP_DEVICE_URI), "urn:uuid:7");
    ck_assert_str_eq(found(dn, san, SCEP_DEVICE_EMAIL), "x@y.example");
    ck_assert_str_eq(found(dn, san, SCEP_DEVICE_UPN), "u@v");
    ck_assert_str_eq(found("O=Example", NULL, ~0u), "");
}
END_TEST

START_TEST(eight_values_at_most)
{
    const char *list = apr_pstrdup(pool, "DNS:0");

    for (int i = 1; i < 20; i++)
        list = apr_psprintf(pool, "%s,DNS:%d", list, i);
    ck_assert_str_eq(found("CN=x", list, SCEP_DEVICE_CN | SCEP_DEVICE_DNS),
                     "x 0 1 2 3 4 5 6");
}
END_TEST

START_TEST(ids_have_one_form)
{
    char long_text[SCEP_DEVICE_MAX + 2];

    memset(long_text, 'A', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    ck_assert_str_eq(scep_device_canonical("0000-AbZ \xc3\x84", pool),
                     "0000-abz \xc3\x84");
    ck_assert_ptr_null(scep_device_canonical("", pool));
    ck_assert_ptr_null(scep_device_canonical("a\nb", pool));
    ck_assert_ptr_null(scep_device_canonical(long_text, pool));
    ck_assert_ptr_nonnull(scep_device_canonical(long_text + 1, pool));
}
END_TEST

START_TEST(sources_have_names)
{
    ck_assert_uint_eq(scep_device_source("CN"), SCEP_DEVICE_CN);
    ck_assert_uint_eq(scep_device_source("serialnumber"), SCEP_DEVICE_SERIAL);
    ck_assert_uint_eq(scep_device_source("upn"), SCEP_DEVICE_UPN);
    ck_assert_uint_eq(scep_device_source("ip"), 0);
    ck_assert_uint_eq(scep_device_source(""), 0);
}
END_TEST

static Suite *network_suite(void)
{
    Suite *suite = suite_create("network");
    TCase *tcase = tcase_create("network");

    tcase_add_unchecked_fixture(tcase, setup, NULL);
    tcase_add_loop_test(tcase, an_address_is_in_a_network_or_not, 0,
                        sizeof(places) / sizeof(*places));
    tcase_add_loop_test(tcase, what_is_no_network_is_refused, 0,
                        sizeof(no_networks) / sizeof(*no_networks));
    tcase_add_test(tcase, what_is_no_address_is_none);
    tcase_add_test(tcase, a_device_is_found_where_it_is_looked_for);
    tcase_add_test(tcase, eight_values_at_most);
    tcase_add_test(tcase, ids_have_one_form);
    tcase_add_test(tcase, sources_have_names);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return run_suite(network_suite());
}
