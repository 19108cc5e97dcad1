/* check_event_json.c - unit tests of event_json.c
 * SPDX-License-Identifier: Apache-2.0
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "../../mod_scep/httpd/event_json.h"
#include "run.h"

static apr_pool_t *pool;

static void setup(void)
{
    apr_pool_create(&pool, NULL);
}

static void teardown(void)
{
    apr_pool_destroy(pool);
}

static scep_event_t issued(const char *detail)
{
    scep_event_t event = { .type = SCEP_EVENT_CERTIFICATE_ISSUED,
                           .time = apr_time_from_sec(1806494400) + 42,
                           .profile = "devices",
                           .actor = "device",
                           .serial = "4a1f",
                           .detail = detail };

    return event;
}

static const char *repeated(const char *piece, int times)
{
    char *text = apr_palloc(pool, strlen(piece) * (size_t)times + 1);
    char *end = text;

    for (int i = 0; i < times; i++)
        end = apr_cpystrn(end, piece, strlen(piece) + 1);
    return text;
}

START_TEST(a_line_has_every_member_that_is_set)
{
    scep_event_t event = issued("x");

    ck_assert_str_eq(mod_scep_event_line(&event, pool),
                     "{\"time\":\"2027-03-31T12:00:00.000042Z\","
                     "\"event\":\"certificate-issued\","
                     "\"profile\":\"devices\",\"actor\":\"device\","
                     "\"serial\":\"4a1f\",\"detail\":\"x\"}\n");
}
END_TEST

/* As JSON has it once more. */
static const char *detail_of(const char *line)
{
    json_t *object = json_loads(line, 0, NULL);
    const char *text = json_string_value(json_object_get(object, "detail"));
    const char *copy = text ? apr_pstrdup(pool, text) : NULL;

    json_decref(object);
    return copy;
}

START_TEST(what_devices_send_is_json_on_one_line)
{
    scep_event_t event = issued("a\"b\\c\n\r\x01\xff\xe2\x80\xa8\x1b[31m");
    const char *line = mod_scep_event_line(&event, pool);

    ck_assert_ptr_eq(strchr(line, '\n'), line + strlen(line) - 1);
    ck_assert_str_eq(detail_of(line), "a\"b\\c????\xe2\x80\xa8?[31m");
}
END_TEST

START_TEST(a_long_line_is_cut_to_what_a_pipe_takes_at_once)
{
    scep_event_t event = issued(repeated("x", 10000));
    const char *line = mod_scep_event_line(&event, pool);

    ck_assert_uint_le(strlen(line), PIPE_BUF);
    ck_assert_uint_ge(strlen(detail_of(line)), 1000);
    event.detail = repeated("\"", 10000);
    for (int i = 0; i < SCEP_EVENT_TEXTS; i++)
        scep_event_set_text(&event, i, repeated("\"\xc3\xa4", 5000));
    line = mod_scep_event_line(&event, pool);
    ck_assert_uint_le(strlen(line), PIPE_BUF);
    ck_assert_uint_ge(strlen(detail_of(line)), 100);
}
END_TEST

START_TEST(a_line_that_fits_is_whole)
{
    scep_event_t event = issued("");
    size_t rest =
        strlen(mod_scep_event_line(&event, pool)) + strlen(",\"detail\":\"\"");

    event = issued(repeated("x", (int)(PIPE_BUF - rest)));
    ck_assert_uint_eq(strlen(mod_scep_event_line(&event, pool)), PIPE_BUF);
    ck_assert_str_eq(detail_of(mod_scep_event_line(&event, pool)),
                     event.detail);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("event_json");
    TCase *tests = tcase_create("event_json");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_line_has_every_member_that_is_set);
    tcase_add_test(tests, what_devices_send_is_json_on_one_line);
    tcase_add_test(tests, a_long_line_is_cut_to_what_a_pipe_takes_at_once);
    tcase_add_test(tests, a_line_that_fits_is_whole);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
