/* check_static_secret.c - tests of the lines of a file of static secrets
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <check.h>
#include <openssl/err.h>

#include "network.h"
#include "run.h"
#include "static_secret.h"

/* "password" as passlib's manual has it, and something cheap. */
#define PASSLIB                                                               \
    "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q"                            \
    "$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E"
#define SALT "AAECAwQFBgc"
#define HASH "AAECAwQFBgcICQoLDA0ODw"
#define CHEAP "$scrypt$ln=4,r=1,p=1$" SALT "$" HASH

static apr_pool_t *pool;
static scep_static_secret_t *secret;

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

static void parse(const char *line)
{
    const char *err = scep_static_secret_parse(&secret, line, pool);

    ck_assert_msg(err == NULL, "%s: %s", line, err);
    ck_assert_ptr_nonnull(secret);
}

static void refuse(const char *line, const char *word)
{
    const char *err = scep_static_secret_parse(&secret, line, pool);

    ck_assert_msg(err != NULL, "taken: %s", line);
    ck_assert_msg(strstr(err, word) != NULL, "%s: %s", line, err);
    ck_assert_ptr_null(secret);
}

static int is(const char *text)
{
    int same = -1;

    ck_assert_int_eq(scep_static_secret_verify(secret, text, &same),
                     APR_SUCCESS);
    return same;
}

/* A vector, past what parse would let through. */
static void vector(const char *text, const char *salt, unsigned int ln,
                   unsigned int r, unsigned int p, const char *hex)
{
    static scep_static_secret_t made;
    char octet[3] = "";

    memset(&made, 0, sizeof(made));
    made.cost.ln = ln;
    made.cost.r = r;
    made.cost.p = p;
    made.salt_len = strlen(salt);
    memcpy(made.salt, salt, made.salt_len);
    made.hash_len = strlen(hex) / 2;
    for (apr_size_t i = 0; i < made.hash_len; i++) {
        memcpy(octet, hex + 2 * i, 2);
        made.hash[i] = (unsigned char)strtoul(octet, NULL, 16);
    }
    secret = &made;
    ck_assert_int_eq(is(text), 1);
    ck_assert_int_eq(is("other"), 0);
    made.hash[made.hash_len - 1] ^= 1;
    ck_assert_int_eq(is(text), 0);
}

START_TEST(verifies_the_vectors_of_rfc_7914)
{
    vector("", "", 4, 1, 1,
           "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442"
           "fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906");
    vector("password", "NaCl", 10, 8, 16,
           "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
           "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640");
    vector("pleaseletmein", "SodiumChloride", 14, 8, 1,
           "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
           "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887");
}
END_TEST

START_TEST(verifies_what_passlib_wrote)
{
    parse("old-one " PASSLIB);
    ck_assert_str_eq(secret->name, "old-one");
    ck_assert_int_eq(is("password"), 1);
    ck_assert_int_eq(is("Password"), 0);
    ck_assert_int_eq(is("password "), 0);
    ck_assert_int_eq(is(""), 0);
}
END_TEST

START_TEST(verifies_what_it_hashed)
{
    static const scep_scrypt_t cost = { 10, 8, 2 };
    static const unsigned char salt[] = "sixteen octets..";
    const char *hash = NULL;

    ck_assert_int_eq(scep_static_secret_hash(&hash, "geheim\xc3\xa9", &cost,
                                             salt, 16, pool),
                     APR_SUCCESS);
    ck_assert_int_eq(
        strncmp(hash, "$scrypt$ln=10,r=8,p=2$c2l4dGVlbiBvY3RldHMuLg$", 45), 0);
    parse(apr_pstrcat(pool, "n ", hash, NULL));
    ck_assert_int_eq(is("geheim\xc3\xa9"), 1);
    ck_assert_int_eq(is("geheim\xe9"), 0);
    ck_assert_int_eq(scep_static_secret_hash(&hash, "x", &cost, salt, 7, pool),
                     APR_EINVAL);
}
END_TEST

START_TEST(reads_a_whole_line)
{
    parse("  a.B-c_9\t" CHEAP "  not-before=2026-12-01 "
          "not-after=2026-12-31T23:59:58+01:00 "
          "network=192.0.2.0/24,2001:db8::/32 limit=250/d \r");
    ck_assert_str_eq(secret->name, "a.B-c_9");
    ck_assert_uint_eq(secret->cost.ln, 4);
    ck_assert_uint_eq(secret->salt_len, 8);
    ck_assert_uint_eq(secret->hash_len, 16);
    ck_assert_uint_eq(secret->hash[15], 15);
    ck_assert_int_eq(apr_time_sec(secret->not_before), 1796083200);
    ck_assert_int_eq(apr_time_sec(secret->not_after), 1798757999);
    ck_assert_int_eq(secret->networks->nelts, 2);
    ck_assert_uint_eq(secret->limit, 250);
}
END_TEST

START_TEST(a_bare_line_limits_nothing)
{
    parse("n " CHEAP);
    ck_assert_int_eq(secret->not_before, 0);
    ck_assert_int_eq(secret->not_after, 0);
    ck_assert_ptr_null(secret->networks);
    ck_assert_uint_eq(secret->limit, 0);
    ck_assert_ptr_null(scep_static_secret_refusal(secret, NULL, 1));
}
END_TEST

START_TEST(comments_and_blank_lines_say_nothing)
{
    static const char *const lines[] = {
        "", " ", "\t\r", "#", "# n x", "   #x"
    };

    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        secret = (scep_static_secret_t *)&lines;
        ck_assert_ptr_null(scep_static_secret_parse(&secret, lines[i], pool));
        ck_assert_ptr_null(secret);
    }
}
END_TEST

START_TEST(a_date_ends_with_its_day)
{
    parse("n " CHEAP " not-before=2027-03-30 not-after=2027-03-31");
    ck_assert_int_eq(secret->not_after - secret->not_before,
                     apr_time_from_sec(2 * 86400));
    parse("n " CHEAP " not-before=2027-03-31 not-after=2027-03-31");
    ck_assert_int_eq(secret->not_after - secret->not_before,
                     apr_time_from_sec(86400));
    ck_assert_ptr_null(
        scep_static_secret_refusal(secret, NULL, secret->not_before));
    ck_assert_ptr_null(
        scep_static_secret_refusal(secret, NULL, secret->not_after - 1));
    ck_assert_ptr_nonnull(
        scep_static_secret_refusal(secret, NULL, secret->not_before - 1));
    ck_assert_ptr_nonnull(
        scep_static_secret_refusal(secret, NULL, secret->not_after));
}
END_TEST

START_TEST(a_network_keeps_others_out)
{
    unsigned char address[16];

    parse("n " CHEAP " network=192.0.2.0/24,2001:db8::1");
    ck_assert(scep_network_address(address, "192.0.2.77"));
    ck_assert_ptr_null(scep_static_secret_refusal(secret, address, 1));
    ck_assert(scep_network_address(address, "2001:db8::1"));
    ck_assert_ptr_null(scep_static_secret_refusal(secret, address, 1));
    ck_assert(scep_network_address(address, "192.0.3.1"));
    ck_assert_ptr_nonnull(scep_static_secret_refusal(secret, address, 1));
    ck_assert(scep_network_address(address, "2001:db8::2"));
    ck_assert_ptr_nonnull(scep_static_secret_refusal(secret, address, 1));
    ck_assert_ptr_nonnull(scep_static_secret_refusal(secret, NULL, 1));
}
END_TEST

START_TEST(a_line_cannot_demand_gigabytes)
{
    static const char *const costs[] = {
        "ln=20,r=8,p=1",         "ln=17,r=8,p=1",
        "ln=16,r=9,p=1",         "ln=16,r=8,p=5",
        "ln=15,r=8,p=9",         "ln=30,r=1,p=1",
        "ln=31,r=1,p=1",         "ln=64,r=8,p=1",
        "ln=4294967300,r=8,p=1", "ln=1,r=1024,p=1000",
        "ln=1,r=999999999,p=1",  "ln=16,r=1,p=1",
        "ln=1,r=1,p=999999999",  "ln=0,r=8,p=1",
        "ln=15,r=0,p=1",         "ln=15,r=8,p=0",
    };

    for (size_t i = 0; i < sizeof(costs) / sizeof(*costs); i++) {
        refuse(apr_pstrcat(pool, "n $scrypt$", costs[i], "$" SALT "$" HASH,
                           NULL),
               "hash");
    }
    parse("n $scrypt$ln=16,r=8,p=4$" SALT "$" HASH);
    parse("n $scrypt$ln=15,r=1,p=1$" SALT "$" HASH);
}
END_TEST

START_TEST(a_hash_of_another_form_is_refused)
{
    static const char *const hashes[] = {
        "",
        "$",
        "$scrypt$",
        "$scrypt",
        "secret",
        "{SHA}5en6G6MezRroT3XKqk=",
        "$2y$10$abcdefghijklmnopqrstuv",
        "scrypt$ln=4,r=1,p=1$" SALT "$" HASH,
        "$scrypt$ln=4,r=1$" SALT "$" HASH,
        "$scrypt$r=1,ln=4,p=1$" SALT "$" HASH,
        "$scrypt$ln=04,r=1,p=1$" SALT "$" HASH,
        "$scrypt$ln=+4,r=1,p=1$" SALT "$" HASH,
        "$scrypt$ln=-4,r=1,p=1$" SALT "$" HASH,
        "$scrypt$ln=4,r=1,p=1,x=1$" SALT "$" HASH,
        "$scrypt$ln=4,r=1,p=1$" SALT,
        "$scrypt$ln=4,r=1,p=1$" SALT "$",
        "$scrypt$ln=4,r=1,p=1$$" HASH,
        "$scrypt$ln=4,r=1,p=1",
        /* padded, the other alphabet, stray bits, too short, one too many */
        "$scrypt$ln=4,r=1,p=1$" SALT "=$" HASH,
        "$scrypt$ln=4,r=1,p=1$" SALT "$" HASH "==",
        "$scrypt$ln=4,r=1,p=1$__-_AwQFBgc$" HASH,
        "$scrypt$ln=4,r=1,p=1$AAECAwQFBgd$" HASH,
        "$scrypt$ln=4,r=1,p=1$AAECAwQFBg$" HASH,
        "$scrypt$ln=4,r=1,p=1$AAECAwQFBgcA$"
        "AAECAwQFBgcICQoLDA0O",
        "$scrypt$ln=4,r=1,p=1$" SALT "$" HASH "$",
        CHEAP "$" HASH,
        "$scrypt$ln=4,r=1,p=1$" SALT "$AAECAwQFBgcICQoL\xc3\xa9",
    };

    for (size_t i = 0; i < sizeof(hashes) / sizeof(*hashes); i++)
        refuse(apr_pstrcat(pool, "name ", hashes[i], NULL), "");
}
END_TEST

START_TEST(a_salt_or_hash_that_is_too_long_is_refused)
{
    char *long_text = apr_pcalloc(pool, 100001);

    memset(long_text, 'A', 88);
    refuse(apr_pstrcat(pool, "n $scrypt$ln=4,r=1,p=1$", long_text, "$" HASH,
                       NULL),
           "salt");
    refuse(apr_pstrcat(pool, "n $scrypt$ln=4,r=1,p=1$" SALT "$", long_text,
                       NULL),
           "hash");
    memset(long_text, 'A', 100000);
    refuse(apr_pstrcat(pool, "n $scrypt$ln=4,r=1,p=1$", long_text, "$" HASH,
                       NULL),
           "salt");
    refuse(apr_pstrcat(pool, long_text, " " CHEAP, NULL), "name");
    long_text[86] = '\0';
    parse(apr_pstrcat(pool, "n $scrypt$ln=4,r=1,p=1$", long_text, "$" HASH,
                      NULL));
    ck_assert_uint_eq(secret->salt_len, 64);
    refuse("a/b " CHEAP, "name");
    refuse("n\xc3\xa9 " CHEAP, "name");
    refuse(CHEAP, "name");
}
END_TEST

START_TEST(options_are_read_strictly)
{
    static const struct {
        const char *options, *word;
    } cases[] = {
        { "not-before", "behind" },
        { "Not-Before=2026-01-01", "behind" },
        { "expires=2026-01-01", "behind" },
        { "hunter2", "behind" },
        { "not-before=", "written" },
        { "not-before=tomorrow", "written" },
        { "not-before=2026-1-1", "written" },
        { "not-before=2026-01-01T10:00:00", "written" },
        { "not-before=2026-01-01T10:00Z", "written" },
        { "not-before=2026-01-01T10:00:00.5Z", "written" },
        { "not-before=2026-01-01T10:00:00+1:00", "written" },
        { "not-before=2026-01-01T10:00:00+24:00", "written" },
        { "not-before=2026-01-01x", "written" },
        { "not-before=2026-02-29", "no such" },
        { "not-before=2026-00-10", "no such" },
        { "not-before=2026-13-10", "no such" },
        { "not-before=2026-01-00", "no such" },
        { "not-before=0000-01-01", "no such" },
        { "not-before=1970-01-01", "no such" },
        { "not-before=2026-01-01T24:00:00Z", "no such" },
        { "not-before=2026-01-01T10:60:00Z", "no such" },
        { "not-before=2026-01-01T23:59:60Z", "no such" },
        { "not-before=2026-01-01 not-before=2026-01-02", "once" },
        { "not-after=2026-01-01 not-after=2026-01-01", "once" },
        { "not-before=2026-01-02 not-after=2026-01-01", "before" },
        { "not-before=2026-01-01T10:00:01Z not-after=2026-01-01T10:00:00Z",
          "before" },
        { "network=", "none" },
        { "network=,", "none" },
        { "network=x", "IP" },
        { "network=192.0.2.1/24", "bits" },
        { "network=192.0.2.0/33", "prefix" },
        { "network=192.0.2.0/24,", "" },
        { "network=192.0.2.1 network=192.0.2.2", "once" },
        { "limit=", "limit" },
        { "limit=0/d", "limit" },
        { "limit=5", "limit" },
        { "limit=5/h", "limit" },
        { "limit=5/day", "limit" },
        { "limit=-5/d", "limit" },
        { "limit=1000001/d", "limit" },
        { "limit=4294967297/d", "limit" },
        { "limit=5/d limit=6/d", "once" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const char *line =
            apr_pstrcat(pool, "n " CHEAP " ", cases[i].options, NULL);

        if (*cases[i].word)
            refuse(line, cases[i].word);
        else
            parse(line);
    }
}
END_TEST

START_TEST(a_use_is_read_as_it_was_written)
{
    static const char *const bad[] = {
        "",
        "printers",
        "printers ",
        " 1",
        "printers -1",
        "printers  1",
        "printers 1 ",
        "print/ers 1",
        "printers x",
        "printers 1x",
        "{\"a\": 1}",
        "printers 99999999999999999999",
    };
    const char *name;
    apr_time_t ends;

    ck_assert(scep_static_use_parse(
        &name, &ends,
        scep_static_use_text("printers-2.a_b", 1800000000123456, pool), pool));
    ck_assert_str_eq(name, "printers-2.a_b");
    ck_assert_int_eq(ends, 1800000000123456);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        ck_assert_msg(!scep_static_use_parse(&name, &ends, bad[i], pool), "%s",
                      bad[i]);
}
END_TEST

START_TEST(an_error_repeats_no_secret)
{
    static const char *const lines[] = {
        "hunter2/",
        "name hunter2/",
        "name hunter2/ more",
        "name $hunter2/",
        "n " CHEAP " hunter2/",
        "n $scrypt$ln=4,r=1,p=1$hunter2/$" HASH,
    };

    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        const char *err = scep_static_secret_parse(&secret, lines[i], pool);

        ck_assert_ptr_nonnull(err);
        ck_assert_ptr_null(strstr(err, "hunter2"));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("static_secret");
    TCase *tcase = tcase_create("static_secret");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, verifies_the_vectors_of_rfc_7914);
    tcase_add_test(tcase, verifies_what_passlib_wrote);
    tcase_add_test(tcase, verifies_what_it_hashed);
    tcase_add_test(tcase, reads_a_whole_line);
    tcase_add_test(tcase, a_bare_line_limits_nothing);
    tcase_add_test(tcase, comments_and_blank_lines_say_nothing);
    tcase_add_test(tcase, a_date_ends_with_its_day);
    tcase_add_test(tcase, a_network_keeps_others_out);
    tcase_add_test(tcase, a_line_cannot_demand_gigabytes);
    tcase_add_test(tcase, a_hash_of_another_form_is_refused);
    tcase_add_test(tcase, a_salt_or_hash_that_is_too_long_is_refused);
    tcase_add_test(tcase, options_are_read_strictly);
    tcase_add_test(tcase, an_error_repeats_no_secret);
    tcase_add_test(tcase, a_use_is_read_as_it_was_written);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
