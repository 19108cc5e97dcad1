/* check_seal_walk.c - unit tests of seal_walk.c and seal_trust.c
 * SPDX-License-Identifier: Apache-2.0
 *
 * A ledger of 3 seals over 4 events each, numbered 1, 4 … 34, and what
 * somebody who can write its tables might do to it.
 */
#include <string.h>

#include <apr_strings.h>
#include <openssl/err.h>

#include "run.h"
#include "seal_fixture.h"
#include "support.h"

static apr_pool_t *pool;
static seal_fixture_t ledger;

static void setup(void)
{
    apr_pool_create(&pool, NULL);
    seal_fixture_init(&ledger, pool);
    for (int i = 0; i < 3; i++)
        seal_fixture_seal(&ledger, 4);
}

static void teardown(void)
{
    sk_X509_free(ledger.setup.trusted);
    apr_pool_destroy(pool);
    ck_assert_uint_eq(ERR_peek_error(), 0);
}

static scep_sealed_event_t *event(int i)
{
    return &APR_ARRAY_IDX(ledger.events, i, scep_sealed_event_t);
}

static scep_seal_t *seal(int i)
{
    return &APR_ARRAY_IDX(ledger.seals, i, scep_seal_t);
}

static void remove_from(apr_array_header_t *array, int i)
{
    size_t size = (size_t)array->elt_size;
    char *at = array->elts + size * (size_t)i;

    memmove(at, at + size, size * (size_t)(--array->nelts - i));
}

static void finds(const char *expected)
{
    seal_fixture_walk(&ledger);
    ck_assert_str_eq(ledger.found, expected);
}

START_TEST(what_nobody_touched_is_as_it_was)
{
    char digest[SCEP_SEAL_DIGEST_SIZE];
    const scep_seal_signer_t *signer;

    finds("");
    ck_assert_int_eq(ledger.sum->seals, 3);
    ck_assert_int_eq(ledger.sum->sealed, 12);
    ck_assert_int_eq(ledger.sum->unsealed, 0);
    ck_assert_int_eq(ledger.sum->head, 3);
    ck_assert_int_eq(scep_seal_digest(digest, seal(2), pool), APR_SUCCESS);
    ck_assert_str_eq(ledger.sum->digest, digest);
    ck_assert_int_eq(ledger.sum->signers->nelts, 1);
    signer = &APR_ARRAY_IDX(ledger.sum->signers, 0, scep_seal_signer_t);
    ck_assert_int_eq(X509_cmp(signer->certificate, ledger.ra), 0);
    ck_assert_int_eq(signer->first, 1);
    ck_assert_int_eq(signer->last, 3);
}
END_TEST

START_TEST(an_empty_ledger_is_as_it_was)
{
    ledger.events->nelts = ledger.seals->nelts = 0;
    ledger.setup.head = ledger.head_at_end = 0;
    finds("");
    ck_assert_int_eq(ledger.sum->head, 0);
    ck_assert_str_eq(ledger.sum->digest, "");
}
END_TEST

/* ------------------------------------------------------------------ */
/* Events                                                               */

START_TEST(each_column_of_an_event_counts)
{
    scep_event_t good = event(5)->event;

    for (int i = 0; i < SCEP_EVENT_TEXTS; i++) {
        scep_event_set_text(&event(5)->event, i, "other");
        finds("changed:2:16");
        ck_assert_int_eq(ledger.sum->sealed, 11);
        event(5)->event = good;
    }
    event(5)->event.type = SCEP_EVENT_CHALLENGE_USED;
    finds("changed:2:16");
    event(5)->event = good;
    event(5)->event.time += 1;
    finds("changed:2:16");
}
END_TEST

START_TEST(a_text_that_is_missing_is_an_empty_one)
{
    event(5)->event.serial = "";
    finds("");
}
END_TEST

START_TEST(an_event_that_is_removed_is_named)
{
    remove_from(ledger.events, 7);
    finds("removed:2:22");
    remove_from(ledger.events, 0);
    finds("removed:1:1 removed:2:22");
    remove_from(ledger.events, 9);
    finds("removed:1:1 removed:2:22 removed:3:34");
}
END_TEST

START_TEST(all_events_may_be_gone)
{
    ledger.events->nelts = 0;
    seal_fixture_walk(&ledger);
    ck_assert_int_eq(ledger.sum->findings, 12);
}
END_TEST

START_TEST(an_event_that_is_inserted_is_named)
{
    scep_sealed_event_t row = *event(5);

    row.number++;
    *(scep_sealed_event_t *)apr_array_push(ledger.events) = row;
    for (int i = ledger.events->nelts - 1; i > 6; i--)
        *event(i) = *event(i - 1);
    *event(6) = row;
    finds("inserted:2:17");
    event(6)->seal = 1;
    finds("inserted:1:17");
    event(6)->seal = 3;
    finds("inserted:3:17");
    event(6)->seal = 77;
    finds("inserted:77:17");
    event(6)->seal = -1;
    finds("inserted:-1:17");
    event(6)->seal = 0;
    finds("");
    ck_assert_int_eq(ledger.sum->unsealed, 1);
}
END_TEST

START_TEST(events_that_change_places_are_named)
{
    scep_event_t swapped = event(4)->event;

    event(4)->event = event(5)->event;
    event(5)->event = swapped;
    finds("changed:2:13 changed:2:16");
}
END_TEST

START_TEST(an_event_under_another_number_is_named)
{
    event(5)->number++;
    finds("inserted:2:17 removed:2:16");
}
END_TEST

START_TEST(an_event_that_is_taken_out_of_its_seal_is_named)
{
    event(5)->seal = 0;
    finds("removed:2:16");
    event(5)->seal = 3;
    finds("inserted:3:16 removed:2:16");
}
END_TEST

START_TEST(an_event_that_comes_twice_is_named)
{
    *event(6) = *event(5);
    finds("inserted:2:16 removed:2:19");
}
END_TEST

START_TEST(seals_made_while_it_walks_are_no_fault)
{
    ledger.setup.head = 2;
    remove_from(ledger.seals, 2);
    finds("");
    ck_assert_int_eq(ledger.sum->later, 4);
    ledger.head_at_end = 2;
    finds("inserted:3:25 inserted:3:28 inserted:3:31 inserted:3:34");
}
END_TEST

START_TEST(numbers_need_not_come_in_the_order_of_seals)
{
    apr_array_header_t *batch = seal_fixture_events(0, 2, pool);
    scep_seal_t made;

    /* 20 was committed after 34 was sealed */
    for (int i = 0; i < 2; i++)
        APR_ARRAY_IDX(batch, i, scep_sealed_event_t).number = i ? 50 : 20;
    ck_assert_int_eq(scep_seal_make(&made, seal(2), batch, SEAL_NOW, ledger.ra,
                                    ledger.ra_key, pool),
                     APR_SUCCESS);
    APR_ARRAY_PUSH(ledger.seals, scep_seal_t) = made;
    ledger.setup.head = ledger.head_at_end = 4;
    for (int i = 0; i < 2; i++)
        APR_ARRAY_IDX(batch, i, scep_sealed_event_t).seal = 4;
    apr_array_push(ledger.events);
    for (int i = ledger.events->nelts - 1; i > 7; i--)
        *event(i) = *event(i - 1);
    *event(7) = APR_ARRAY_IDX(batch, 0, scep_sealed_event_t);
    *(scep_sealed_event_t *)apr_array_push(ledger.events) =
        APR_ARRAY_IDX(batch, 1, scep_sealed_event_t);
    finds("");
    ck_assert_int_eq(ledger.sum->sealed, 14);
    remove_from(ledger.events, 7);
    finds("removed:4:20");
}
END_TEST

/* ------------------------------------------------------------------ */
/* Retention                                                            */

START_TEST(what_retention_deletes_is_counted_and_no_fault)
{
    for (int i = 0; i < 4; i++)
        remove_from(ledger.events, 0);
    finds("removed:1:1 removed:1:4 removed:1:7 removed:1:10");
    ledger.setup.kept_since = SEAL_NOW;
    finds("");
    ck_assert_int_eq(ledger.sum->deleted, 4);
    ck_assert_int_eq(ledger.sum->sealed, 8);
}
END_TEST

START_TEST(what_is_younger_must_be_there)
{
    /* seal 1 is of a second after SEAL_NOW: events of seal 2 are younger */
    ledger.setup.kept_since = SEAL_NOW + apr_time_from_sec(1);
    remove_from(ledger.events, 4);
    finds("removed:2:13");
    ledger.setup.kept_since += 1;
    finds("");
    event(5)->event.detail = "other";
    finds("changed:2:19");
}
END_TEST

/* ------------------------------------------------------------------ */
/* Seals                                                                */

START_TEST(a_seal_that_is_removed_is_named)
{
    remove_from(ledger.seals, 1);
    finds("removed:2:0 unproven:2:13 unproven:2:16 unproven:2:19"
          " unproven:2:22");
}
END_TEST

START_TEST(the_first_seal_must_be_there)
{
    remove_from(ledger.seals, 0);
    seal_fixture_walk(&ledger);
    ck_assert_ptr_nonnull(strstr(ledger.found, "removed:1:0"));
}
END_TEST

START_TEST(a_tail_that_is_cut_off_needs_an_anchor)
{
    char digest[SCEP_SEAL_DIGEST_SIZE];

    ck_assert_int_eq(scep_seal_digest(digest, seal(2), pool), APR_SUCCESS);
    ledger.setup.anchor = 3;
    ledger.setup.anchor_digest = digest;
    finds("");
    ledger.seals->nelts = 2;
    ledger.events->nelts = 8;
    ledger.setup.head = ledger.head_at_end = 2;
    finds("removed:3:0");
    ledger.setup.anchor = 0;
    finds("");
    ck_assert_int_eq(ledger.sum->head, 2);
}
END_TEST

START_TEST(a_history_that_was_written_anew_is_not_the_one_noted)
{
    char digest[SCEP_SEAL_DIGEST_SIZE];

    ck_assert_int_eq(scep_seal_digest(digest, seal(1), pool), APR_SUCCESS);
    ledger.setup.anchor = 2;
    ledger.setup.anchor_digest = digest;
    /* with the RA's own key */
    ledger.events->nelts = ledger.seals->nelts = 0;
    for (int i = 0; i < 3; i++)
        seal_fixture_seal(&ledger, 3);
    finds("replaced:2:0");
}
END_TEST

START_TEST(what_the_server_says_there_is_must_come)
{
    ledger.setup.head = 5;
    finds("removed:4:0");
}
END_TEST

START_TEST(seals_that_change_places_are_named)
{
    scep_seal_t first = *seal(0);

    *seal(0) = *seal(1);
    *seal(1) = first;
    seal_fixture_walk(&ledger);
    ck_assert_ptr_nonnull(strstr(ledger.found, "removed:1:0"));
    ck_assert_ptr_nonnull(strstr(ledger.found, "inserted:1:0"));
}
END_TEST

/* Changes that need no list: the seal is named, and no event. */
#define CHANGED(member, value, expected)                                      \
    do {                                                                      \
        scep_seal_t good = *seal(1);                                          \
        seal(1)->member = value;                                              \
        finds(expected);                                                      \
        *seal(1) = good;                                                      \
    } while (0)

START_TEST(each_column_of_a_seal_counts)
{
    const char *zeros = apr_psprintf(pool, "%064d", 0);

    CHANGED(time, good.time + 1, "changed:2:0 chain:3:0");
    CHANGED(root, zeros, "changed:2:0 changed:2:0 chain:3:0");
    CHANGED(root, "", "changed:2:0 changed:2:0 chain:3:0");
    CHANGED(previous, zeros, "chain:2:0 changed:2:0 chain:3:0");
    CHANGED(previous, "x", "chain:2:0 changed:2:0 chain:3:0");
    CHANGED(signature, seal(0)->signature, "changed:2:0 chain:3:0");
    CHANGED(signature, "", "changed:2:0 chain:3:0");
    CHANGED(certificate, "", "changed:2:0 chain:3:0");
    CHANGED(certificate, "AAAA", "changed:2:0 chain:3:0");
}
END_TEST

START_TEST(a_list_that_is_changed_is_named_and_so_is_the_event)
{
    char *leaves = apr_pstrdup(pool, seal(1)->leaves);

    /* the digest of event 13 */
    leaves[10] = leaves[10] == '0' ? '1' : '0';
    CHANGED(leaves, leaves, "changed:2:0 changed:2:13");
    CHANGED(leaves, seal(0)->leaves,
            "changed:2:0 removed:2:1 removed:2:4 removed:2:7 removed:2:10"
            " inserted:2:13 inserted:2:16 inserted:2:19 inserted:2:22");
    CHANGED(leaves, "",
            "changed:2:0 unproven:2:13 unproven:2:16 unproven:2:19"
            " unproven:2:22");
}
END_TEST

START_TEST(the_number_of_an_event_in_the_list_counts)
{
    char *leaves = apr_pstrdup(pool, seal(1)->leaves);

    /* event 13 is removed, and the list says that it was 12 */
    remove_from(ledger.events, 4);
    leaves[1] = '2';
    seal(1)->leaves = leaves;
    finds("changed:2:0 removed:2:12");
}
END_TEST

/* Seals the events anew with a key of the attacker's. */
static void forge(X509 *cert, EVP_PKEY *key)
{
    event(5)->event.detail = "forged";
    for (int i = 0; i < 3; i++) {
        apr_array_header_t batch = *ledger.events;

        batch.elts += 4 * i * batch.elt_size;
        batch.nelts = 4;
        ck_assert_int_eq(scep_seal_make(seal(i), i ? seal(i - 1) : NULL,
                                        &batch, SEAL_NOW, cert, key, pool),
                         APR_SUCCESS);
    }
}

START_TEST(seals_under_another_certificate_are_not_trusted)
{
    EVP_PKEY *key = support_ec("P-256", pool);

    forge(support_cert("RA", key, NULL, NULL, "digitalSignature", pool), key);
    finds("untrusted:1:0 untrusted:2:0 untrusted:3:0");
    ck_assert_int_eq(ledger.sum->signers->nelts, 0);
}
END_TEST

START_TEST(seals_with_another_key_are_not_signed)
{
    forge(ledger.ra, support_rsa(2048, pool));
    finds("changed:1:0 changed:2:0 changed:3:0");
}
END_TEST

/* ------------------------------------------------------------------ */
/* Trust                                                                */

static void trust(X509 *cert)
{
    while (sk_X509_num(ledger.setup.trusted))
        sk_X509_pop(ledger.setup.trusted);
    if (cert)
        sk_X509_push(ledger.setup.trusted, cert);
}

static apr_time_t at_present;

/* As of today: the certificates are. */
static void seal_today(X509 *cert, EVP_PKEY *key)
{
    at_present = apr_time_now();
    ledger.seals->nelts = 1;
    ledger.events->nelts = 4;
    ledger.setup.head = ledger.head_at_end = 1;
    ck_assert_int_eq(scep_seal_make(seal(0), NULL, ledger.events, at_present,
                                    cert, key, pool),
                     APR_SUCCESS);
}

START_TEST(nothing_is_trusted_by_itself)
{
    trust(NULL);
    finds("untrusted:1:0 untrusted:2:0 untrusted:3:0");
}
END_TEST

START_TEST(a_ca_stands_for_its_ra)
{
    seal_today(ledger.ra, ledger.ra_key);
    trust(ledger.ca);
    finds("");
    /* a day is all that the certificate lives */
    ck_assert_int_eq(scep_seal_make(seal(0), NULL, ledger.events,
                                    at_present + apr_time_from_sec(200000),
                                    ledger.ra, ledger.ra_key, pool),
                     APR_SUCCESS);
    finds("untrusted:1:0");
    trust(ledger.ra);
    finds("");
}
END_TEST

START_TEST(another_ca_stands_for_nobody)
{
    EVP_PKEY *key = support_ec("P-256", pool);

    seal_today(ledger.ra, ledger.ra_key);
    trust(support_cert("CA", key, NULL, NULL, "keyCertSign", pool));
    finds("untrusted:1:0");
}
END_TEST

static X509 *with_usage(const char *value, EVP_PKEY *key)
{
    X509 *cert = support_cert("device", key, ledger.ca, ledger.ca_key,
                              "digitalSignature", pool);
    X509_EXTENSION *extension =
        X509V3_EXT_conf_nid(NULL, NULL, NID_ext_key_usage, value);

    X509_add_ext(cert, extension, -1);
    X509_EXTENSION_free(extension);
    X509_sign(cert, ledger.ca_key, EVP_sha256());
    return cert;
}

START_TEST(a_device_of_the_ca_forges_nothing)
{
    EVP_PKEY *key = support_ec("P-256", pool);

    trust(ledger.ca);
    seal_today(with_usage("clientAuth", key), key);
    finds("untrusted:1:0");
    seal_today(with_usage("clientAuth,1.3.6.1.4.1.311.20.2.1", key), key);
    finds("");
    seal_today(with_usage("1.3.6.1.5.5.7.3.28", key), key);
    finds("");
    seal_today(support_cert("x", key, ledger.ca, ledger.ca_key,
                            "keyEncipherment", pool),
               key);
    finds("untrusted:1:0");
    seal_today(support_cert("x", key, ledger.ca, ledger.ca_key, "keyCertSign",
                            pool),
               key);
    finds("untrusted:1:0");
}
END_TEST

START_TEST(old_seals_keep_their_certificate)
{
    EVP_PKEY *key = support_ec("P-256", pool);

    ledger.ra = support_cert("new RA", key, ledger.ca, ledger.ca_key,
                             "digitalSignature", pool);
    ledger.ra_key = key;
    seal_fixture_seal(&ledger, 2);
    finds("untrusted:4:0");
    sk_X509_push(ledger.setup.trusted, ledger.ra);
    finds("");
    ck_assert_int_eq(ledger.sum->signers->nelts, 2);
    ck_assert_int_eq(
        APR_ARRAY_IDX(ledger.sum->signers, 1, scep_seal_signer_t).first, 4);
}
END_TEST

static TCase *add(Suite *suite, const char *name)
{
    TCase *tests = tcase_create(name);

    tcase_add_checked_fixture(tests, setup, teardown);
    suite_add_tcase(suite, tests);
    return tests;
}

int main(void)
{
    Suite *suite = suite_create("seal_walk");
    TCase *tests = add(suite, "events");

    tcase_add_test(tests, what_nobody_touched_is_as_it_was);
    tcase_add_test(tests, an_empty_ledger_is_as_it_was);
    tcase_add_test(tests, each_column_of_an_event_counts);
    tcase_add_test(tests, a_text_that_is_missing_is_an_empty_one);
    tcase_add_test(tests, an_event_that_is_removed_is_named);
    tcase_add_test(tests, all_events_may_be_gone);
    tcase_add_test(tests, an_event_that_is_inserted_is_named);
    tcase_add_test(tests, events_that_change_places_are_named);
    tcase_add_test(tests, an_event_under_another_number_is_named);
    tcase_add_test(tests, an_event_that_is_taken_out_of_its_seal_is_named);
    tcase_add_test(tests, an_event_that_comes_twice_is_named);
    tcase_add_test(tests, seals_made_while_it_walks_are_no_fault);
    tcase_add_test(tests, numbers_need_not_come_in_the_order_of_seals);
    tcase_add_test(tests, what_retention_deletes_is_counted_and_no_fault);
    tcase_add_test(tests, what_is_younger_must_be_there);
    tests = add(suite, "seals");
    tcase_add_test(tests, a_seal_that_is_removed_is_named);
    tcase_add_test(tests, the_first_seal_must_be_there);
    tcase_add_test(tests, a_tail_that_is_cut_off_needs_an_anchor);
    tcase_add_test(tests,
                   a_history_that_was_written_anew_is_not_the_one_noted);
    tcase_add_test(tests, what_the_server_says_there_is_must_come);
    tcase_add_test(tests, seals_that_change_places_are_named);
    tcase_add_test(tests, each_column_of_a_seal_counts);
    tcase_add_test(tests, a_list_that_is_changed_is_named_and_so_is_the_event);
    tcase_add_test(tests, the_number_of_an_event_in_the_list_counts);
    tcase_add_test(tests, seals_under_another_certificate_are_not_trusted);
    tcase_add_test(tests, seals_with_another_key_are_not_signed);
    tests = add(suite, "trust");
    tcase_add_test(tests, nothing_is_trusted_by_itself);
    tcase_add_test(tests, a_ca_stands_for_its_ra);
    tcase_add_test(tests, another_ca_stands_for_nobody);
    tcase_add_test(tests, a_device_of_the_ca_forges_nothing);
    tcase_add_test(tests, old_seals_keep_their_certificate);
    return run_suite(suite);
}
