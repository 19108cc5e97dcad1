/* check_event.c - unit tests of event.c and time_text.c
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include <apr_strings.h>

#include "event.h"
#include "run.h"
#include "time_text.h"
#include "utf8.h"

static apr_pool_t *pool;

static void setup(void)
{
    apr_pool_create(&pool, NULL);
}

static void teardown(void)
{
    apr_pool_destroy(pool);
}

START_TEST(every_type_has_a_name_of_its_own_that_leads_back)
{
    for (int i = 1; i <= SCEP_EVENT_REQUESTS_REFUSED; i++) {
        const char *name = scep_event_name((scep_event_type_t)i, pool);

        ck_assert_int_ne(strncmp(name, "event-", 6), 0);
        ck_assert_int_eq((int)scep_event_type(name), i);
    }
}
END_TEST

START_TEST(a_type_of_a_later_version_has_a_name_too)
{
    const char *name = scep_event_name((scep_event_type_t)99, pool);

    ck_assert_str_eq(name, "event-99");
    ck_assert_int_eq((int)scep_event_type(name), 99);
}
END_TEST

START_TEST(what_is_no_name_is_no_type)
{
    static const char *const words[] = { "",          "issued",
                                         "event-",    "event-9x",
                                         "event--1",  "event-0",
                                         "approved ", "event-999999999" };

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        ck_assert_int_eq((int)scep_event_type(words[i]), 0);
}
END_TEST

START_TEST(each_text_is_the_member_of_its_name)
{
    const scep_event_t event = { .profile = "profile",
                                 .actor = "actor",
                                 .address = "address",
                                 .challenge = "challenge",
                                 .enrolment = "enrolment",
                                 .ca = "ca",
                                 .ca_request = "ca_request",
                                 .serial = "serial",
                                 .detail = "detail" };
    scep_event_t copy = { 0 };

    for (int i = 0; i < SCEP_EVENT_TEXTS; i++) {
        ck_assert_str_eq(scep_event_text(&event, i), scep_event_member(i));
        ck_assert_str_eq(scep_event_text(&copy, i), "");
        scep_event_set_text(&copy, i, scep_event_text(&event, i));
    }
    ck_assert_mem_eq(&copy, &event, sizeof(event));
}
END_TEST

START_TEST(what_devices_send_becomes_clean_text)
{
    const scep_event_t event = { .actor = "dev\xff\xc3(",
                                 .detail = "a\nb\x7f\xc2\x9b"
                                           "31m \xc3\xa4 \xed\xa0\x80",
                                 .serial = "12345678" };
    scep_event_t clean, again;

    scep_event_clean(&clean, &event, 6, pool);
    ck_assert_str_eq(clean.actor, "dev??"
                                  "(");
    ck_assert_str_eq(clean.serial, "123456");
    ck_assert_str_eq(clean.ca, "");
    scep_event_clean(&clean, &event, 100, pool);
    ck_assert(scep_utf8_is_printable(clean.detail));
    ck_assert_str_eq(clean.detail, "a?b???31m \xc3\xa4 ???");
    scep_event_clean(&again, &clean, 100, pool);
    ck_assert_ptr_eq(again.detail, clean.detail);
}
END_TEST

START_TEST(the_canonical_form_is_what_it_has_always_been)
{
    static const char expected[] = "\1"
                                   "\0\0\0\2"
                                   "\0\6\x0a\x24\x18\x1e\x40\7"
                                   "\0\0\0\1p"
                                   "\0\0\0\2ac"
                                   "\0\0\0\0"
                                   "\0\0\0\0"
                                   "\0\0\0\0"
                                   "\0\0\0\0"
                                   "\0\0\0\0"
                                   "\0\0\0\0"
                                   "\0\0\0\3xyz";
    const scep_event_t event = { .type = SCEP_EVENT_CHALLENGE_ISSUED,
                                 .time = apr_time_from_sec(1700000000) + 7,
                                 .profile = "p",
                                 .actor = "ac",
                                 .detail = "xyz" };
    apr_size_t len;
    const unsigned char *octets = scep_event_canonical(&event, &len, pool);

    ck_assert_uint_eq(len, sizeof(expected) - 1);
    ck_assert_mem_eq(octets, expected, len);
}
END_TEST

START_TEST(texts_that_run_together_are_told_apart)
{
    scep_event_t one = { .profile = "ab", .actor = "c" };
    scep_event_t other = { .profile = "a", .actor = "bc" };
    apr_size_t len, other_len;
    const unsigned char *octets = scep_event_canonical(&one, &len, pool);
    const unsigned char *others =
        scep_event_canonical(&other, &other_len, pool);

    ck_assert_uint_eq(len, other_len);
    ck_assert_int_ne(memcmp(octets, others, len), 0);
}
END_TEST

START_TEST(a_time_is_read_as_it_was_written)
{
    apr_time_t time = apr_time_from_sec(1806494400) + 42, found;
    const char *text = scep_time_text(time, pool);

    ck_assert_str_eq(text, "2027-03-31T12:00:00.000042Z");
    ck_assert_int_eq(scep_time_read(&found, text, pool), APR_SUCCESS);
    ck_assert_int_eq(found, time);
    ck_assert_int_eq(scep_time_read(&found, "2027-03-31T12:00:00Z", pool),
                     APR_SUCCESS);
    ck_assert_int_eq(found, apr_time_from_sec(1806494400));
    ck_assert_int_eq(scep_time_read(&found, "2027-03-31", pool), APR_SUCCESS);
    ck_assert_int_eq(found, apr_time_from_sec(1806451200));
}
END_TEST

START_TEST(what_is_no_time_is_refused)
{
    static const char *const words[] = {
        "",
        "2027",
        "2027-02-30",
        "2027-13-01",
        "2027-00-10",
        "1969-12-31",
        "2027-03-31T24:00:00Z",
        "2027-03-31T12:60:00Z",
        "2027-03-31T12:00:00",
        "2027-03-31T12:00:00+01:00",
        "2027-03-31 12:00:00Z",
        "2027-03-31T12:00:00.00000Z",
        "2027-03-31T12:00:00.0000000Z",
        "2027-03-31T12:00:00.-00001Z",
        "2027-03-31T12:00:00.000001z",
        "x027-03-31",
    };
    apr_time_t time;

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        ck_assert_msg(scep_time_read(&time, words[i], pool) == APR_EINVAL,
                      "%s", words[i]);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("event");
    TCase *tests = tcase_create("event");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, every_type_has_a_name_of_its_own_that_leads_back);
    tcase_add_test(tests, a_type_of_a_later_version_has_a_name_too);
    tcase_add_test(tests, what_is_no_name_is_no_type);
    tcase_add_test(tests, each_text_is_the_member_of_its_name);
    tcase_add_test(tests, what_devices_send_becomes_clean_text);
    tcase_add_test(tests, the_canonical_form_is_what_it_has_always_been);
    tcase_add_test(tests, texts_that_run_together_are_told_apart);
    tcase_add_test(tests, a_time_is_read_as_it_was_written);
    tcase_add_test(tests, what_is_no_time_is_refused);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
