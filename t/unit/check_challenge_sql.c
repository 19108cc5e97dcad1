/* check_challenge_sql.c - tests of challenges as a database has them
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <check.h>
#include <openssl/err.h>
#include <openssl/hmac.h>

#include "../../mod_scep/httpd/challenge_sql.h"
#include "network.h"
#include "run.h"

#define NOW apr_time_from_sec(1000000)

static const unsigned char key[SCEP_TABLE_KEY_LEN] =
    "a key of thirty-two octets here";
static apr_pool_t *pool;
static scep_challenge_spec_t spec;
static scep_challenge_facts_t request;
static unsigned char address[16];

static void setup(void)
{
    ck_assert_int_eq(apr_initialize(), APR_SUCCESS);
    ck_assert_int_eq(apr_pool_create(&pool, NULL), APR_SUCCESS);
    memset(&spec, 0, sizeof(spec));
    memset(&request, 0, sizeof(request));
    spec.secret = "secret";
    spec.profile = request.profile = "default";
    spec.requester = "alice";
    spec.created = NOW;
    spec.expires = NOW + apr_time_from_sec(60);
    request.subject = "CN=x";
    request.sans = "";
}

static void teardown(void)
{
    ck_assert_uint_eq(ERR_peek_error(), 0);
    apr_pool_destroy(pool);
    apr_terminate();
}

/* ------------------------------------------------------------------ */

START_TEST(a_digest_is_hmac_of_the_kind_and_the_text)
{
    unsigned char expected[32];
    char hex[65];
    unsigned int len;

    ck_assert_ptr_nonnull(HMAC(EVP_sha256(), key, sizeof(key),
                               (const unsigned char *)"\001secret", 7,
                               expected, &len));
    for (int i = 0; i < 32; i++)
        apr_snprintf(hex + 2 * i, 3, "%02x", expected[i]);
    ck_assert_str_eq(scep_challenge_digest(key, SCEP_DIGEST_SECRET, "secret",
                                           64, pool),
                     hex);
    hex[15] = '\0';
    ck_assert_str_eq(scep_challenge_digest(key, SCEP_DIGEST_SECRET, "secret",
                                           15, pool),
                     hex);
    ck_assert_str_ne(scep_challenge_digest(key, SCEP_DIGEST_ID, "secret", 15,
                                           pool),
                     hex);
}
END_TEST

START_TEST(any_octets_come_back_and_are_plain_meanwhile)
{
    char all[256], back[256];
    const char *text;

    for (int i = 0; i < 255; i++)
        all[i] = (char)(i + 1);
    all[255] = '\0';
    text = scep_challenge_escape(all, sizeof(all), pool);
    for (const char *c = text; *c; c++)
        ck_assert_int_eq(*c >= 0x20 && *c < 0x7f, 1);
    scep_challenge_unescape(back, sizeof(back), text);
    ck_assert_str_eq(back, all);
    ck_assert_str_eq(scep_challenge_escape(NULL, 5, pool), "");
}
END_TEST

START_TEST(escaping_cuts_no_character_and_unescaping_no_more_than_fits)
{
    static const char *const odd[][2] = {
        { "%", "%" },   { "%4", "%4" }, { "%zz", "%zz" },
        { "%41", "A" }, { "a%", "a%" }, { "%%41", "%A" },
    };
    char back[4];

    ck_assert_str_eq(scep_challenge_escape("ab\xc3\xa4", 3, pool), "ab");
    ck_assert_str_eq(scep_challenge_escape("ab\xc3\xa4", 4, pool), "ab%c3%a4");
    scep_challenge_unescape(back, sizeof(back), "%61%62%63%64");
    ck_assert_str_eq(back, "abc");
    for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
        scep_challenge_unescape(back, sizeof(back), odd[i][0]);
        ck_assert_str_eq(back, odd[i][1]);
    }
}
END_TEST

START_TEST(statements_are_whole_in_both_dialects)
{
    for (int pgsql = 0; pgsql < 2; pgsql++) {
        apr_array_header_t *tables =
            mod_scep_sql_tables("pre", pgsql, "0011", pool);

        for (int i = 0; i < SCEP_SQL_STATEMENTS; i++) {
            const char *text = mod_scep_sql_statement((scep_sql_statement_t)i,
                                                      "pre", pgsql, pool);

            ck_assert_ptr_nonnull(strstr(text, " pre_challenge"));
            ck_assert_ptr_null(strpbrk(text, "@#$"));
        }
        for (int i = 0; i < tables->nelts; i++) {
            const char *text = APR_ARRAY_IDX(tables, i, const char *);

            ck_assert_ptr_nonnull(strstr(text, "pre_"));
            ck_assert_ptr_null(strpbrk(text, "@#$"));
        }
        ck_assert_int_eq(strstr(APR_ARRAY_IDX(tables, 0, const char *),
                                "id VARCHAR(16) COLLATE \"C\"") != NULL,
                         pgsql);
    }
}
END_TEST

/* ------------------------------------------------------------------ */

/* Writes a row as issue would have it and reads it. */
static void stored(scep_sql_row_t *row, int state, apr_time_t lease,
                   const char *uses_free)
{
    const char *args[32];
    const char **columns = apr_pcalloc(pool, 17 * sizeof(*columns));
    int i = 0;

    ck_assert_int_eq(mod_scep_sql_issue(args, key, &spec, "token", pool), 1);
    columns[i++] = args[0];
    columns[i++] = apr_itoa(pool, state);
    columns[i++] = args[10];
    columns[i++] = args[11];
    columns[i++] = mod_scep_sql_time(lease, pool);
    columns[i++] = args[8];
    columns[i++] = args[9];
    columns[i++] = args[12];
    columns[i++] = args[13];
    columns[i++] = uses_free ? uses_free : args[14];
    for (int j = 2; j < 8; j++)
        columns[i++] = args[j];
    columns[i++] = args[15];
    ck_assert_int_eq(i, 17);
    mod_scep_sql_row(row, columns, NOW);
}

static scep_challenge_outcome_t judged(int state, apr_time_t lease,
                                       const char *uses_free)
{
    scep_sql_facts_t facts;
    scep_sql_row_t row;

    ck_assert_int_eq(mod_scep_sql_facts(&facts, key, "secret", &request, pool),
                     1);
    stored(&row, state, lease, uses_free);
    return mod_scep_sql_judge(&row, &facts);
}

START_TEST(what_is_stored_is_told)
{
    scep_network_t network;
    scep_sql_row_t row;

    spec.note = "B\xc3\xbcro 50%";
    spec.requester = "j\xf6rg";
    spec.subject = "CN=x";
    spec.device = "d";
    spec.network = &network;
    spec.uses = 7;
    ck_assert_ptr_null(scep_network_parse(&network, "192.0.2.0/24", pool));
    stored(&row, 0, 0, "3");
    ck_assert_int_eq(row.info.state, SCEP_CHALLENGE_STATE_ISSUED);
    ck_assert_int_eq(row.info.created, spec.created);
    ck_assert_int_eq(row.info.expires, spec.expires);
    ck_assert_str_eq(row.info.note, spec.note);
    ck_assert_str_eq(row.info.requester, spec.requester);
    ck_assert_int_eq(row.info.bound_subject, 1);
    ck_assert_int_eq(row.info.bound_sans, 0);
    ck_assert_int_eq(row.info.bound_device, 1);
    ck_assert_int_eq(row.info.bound_network, 1);
    ck_assert_int_eq(row.info.several, 1);
    ck_assert_uint_eq(row.info.uses_left, 3);
    ck_assert_str_eq(row.first, "00000000000000000000ffffc0000200");
    ck_assert_str_eq(row.last, "00000000000000000000ffffc00002ff");
}
END_TEST

START_TEST(each_state_has_its_outcome)
{
    ck_assert_int_eq(judged(0, 0, NULL), SCEP_CHALLENGE_CLAIMED);
    ck_assert_int_eq(judged(1, 0, NULL), SCEP_CHALLENGE_SPENT);
    ck_assert_int_eq(judged(2, 0, NULL), SCEP_CHALLENGE_REVOKED);
    ck_assert_int_eq(judged(3, 0, NULL), SCEP_CHALLENGE_ERROR);
    ck_assert_int_eq(judged(0, NOW + APR_USEC_PER_SEC, NULL),
                     SCEP_CHALLENGE_BUSY);
    ck_assert_int_eq(judged(0, NOW, NULL), SCEP_CHALLENGE_CLAIMED);
    spec.uses = 2;
    ck_assert_int_eq(judged(0, 0, "0"), SCEP_CHALLENGE_BUSY);
    spec.expires = NOW;
    ck_assert_int_eq(judged(0, 0, NULL), SCEP_CHALLENGE_EXPIRED);
    /* a breach is one after the expiry, too */
    ck_assert_int_eq(judged(1, 0, NULL), SCEP_CHALLENGE_SPENT);
}
END_TEST

START_TEST(each_binding_holds)
{
    apr_array_header_t *devices =
        apr_array_make(pool, 2, sizeof(const char *));
    scep_network_t network;

    spec.profile = "other";
    ck_assert_int_eq(judged(0, 0, NULL), SCEP_CHALLENGE_BOUND_PROFILE);
    spec.profile = "default";
    spec.subject = "CN=y";
    ck_assert_int_eq(judged(0, 0, NULL), SCEP_CHALLENGE_BOUND_SUBJECT);
    request.subject = NULL;
    ck_assert_int_eq(judged(0, 0, NULL), SCEP_CHALLENGE_BOUND_SUBJECT);
    request.subject = "CN=y";
    spec.sans = "dns:a";
    ck_assert_int_eq(judged(0, 0, NULL), SCEP_CHALLENGE_BOUND_SAN);
    spec.sans = ""; /* bound to none at all */
    ck_assert_int_eq(judged(0, 0, NULL), SCEP_CHALLENGE_CLAIMED);
    request.sans = "dns:a";
    ck_assert_int_eq(judged(0, 0, NULL), SCEP_CHALLENGE_BOUND_SAN);
    spec.sans = NULL;
    spec.device = "d2";
    ck_assert_int_eq(judged(0, 0, NULL), SCEP_CHALLENGE_BOUND_DEVICE);
    request.devices = devices;
    APR_ARRAY_PUSH(devices, const char *) = "d1";
    ck_assert_int_eq(judged(0, 0, NULL), SCEP_CHALLENGE_BOUND_DEVICE);
    APR_ARRAY_PUSH(devices, const char *) = "d2";
    ck_assert_int_eq(judged(0, 0, NULL), SCEP_CHALLENGE_CLAIMED);
    spec.network = &network;
    ck_assert_ptr_null(scep_network_parse(&network, "192.0.2.0/24", pool));
    ck_assert_int_eq(judged(0, 0, NULL), SCEP_CHALLENGE_BOUND_NETWORK);
    request.address = address;
    ck_assert_int_eq(scep_network_address(address, "192.0.3.0"), 1);
    ck_assert_int_eq(judged(0, 0, NULL), SCEP_CHALLENGE_BOUND_NETWORK);
    ck_assert_int_eq(scep_network_address(address, "192.0.1.255"), 1);
    ck_assert_int_eq(judged(0, 0, NULL), SCEP_CHALLENGE_BOUND_NETWORK);
    ck_assert_int_eq(scep_network_address(address, "192.0.2.255"), 1);
    ck_assert_int_eq(judged(0, 0, NULL), SCEP_CHALLENGE_CLAIMED);
}
END_TEST

START_TEST(a_lease_is_rounded_up)
{
    const char *args[32];
    scep_sql_facts_t facts;
    int count = 0;

    ck_assert_int_eq(mod_scep_sql_facts(&facts, key, "secret", &request, pool),
                     1);
    mod_scep_sql_claim(args, &facts, "token", NOW + 1, apr_time_from_sec(60),
                       pool);
    ck_assert_str_eq(args[0], "1000061");
    while (args[count])
        count++;
    ck_assert_int_eq(count, 19);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("challenge_sql");
    TCase *tcase = tcase_create("challenge_sql");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_digest_is_hmac_of_the_kind_and_the_text);
    tcase_add_test(tcase, any_octets_come_back_and_are_plain_meanwhile);
    tcase_add_test(
        tcase, escaping_cuts_no_character_and_unescaping_no_more_than_fits);
    tcase_add_test(tcase, statements_are_whole_in_both_dialects);
    tcase_add_test(tcase, what_is_stored_is_told);
    tcase_add_test(tcase, each_state_has_its_outcome);
    tcase_add_test(tcase, each_binding_holds);
    tcase_add_test(tcase, a_lease_is_rounded_up);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
