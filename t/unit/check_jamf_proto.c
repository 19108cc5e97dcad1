/* check_jamf_proto.c - tests of the event that Jamf Pro sends
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include <apr_strings.h>
#include <check.h>

#include "../../mod_scep/httpd/jamf_proto.h"
#include "run.h"
#include "support.h"

#define WEBHOOK "\"webhook\":{\"webhookEvent\":\"SCEPChallenge\"}"

static scep_jamf_event_t event;

static const char *take(const char *body)
{
    return mod_scep_jamf_proto_read(&event, body, strlen(body),
                                    support_pool());
}

/* Members of "event" in an event that is no probe. */
static const char *take_event(const char *members)
{
    return take(apr_pstrcat(support_pool(), "{" WEBHOOK ",\"event\":{",
                            members, ",\"payloadIdentifier\":\"x\"}}", NULL));
}

START_TEST(the_serial_number_comes_first)
{
    static const struct {
        const char *members;
        const char *device;
        const char *user;
    } cases[] = {
        { "\"a\":1", NULL, NULL },
        { "\"device\":{\"uuid\":\"U\",\"serialNumber\":\"S\"}", "S", NULL },
        { "\"device\":{\"uuid\":\"U\"},\"serialNumber\":\"S\"", "S", NULL },
        { "\"targetDevice\":{\"udid\":\"U\"}", "U", NULL },
        { "\"targetDevice\":{\"serialNumber\":\"T\"},"
          "\"device\":{\"serialNumber\":\"S\"}",
          "S", NULL },
        { "\"device\":null,\"udid\":\"U\",\"uuid\":\"V\"", "U", NULL },
        { "\"serialNumber\":\"\",\"uuid\":\"V\"", "V", NULL },
        { "\"username\":\"a\"", "a", "a" },
        { "\"username\":\"a\",\"udid\":\"U\"", "U", "a" },
        { "\"serialNumber\":null,\"username\":\"\"", NULL, NULL },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const char *err = take_event(cases[i].members);

        ck_assert_msg(!err, "%s: %s", cases[i].members, err);
        ck_assert_pstr_eq(event.device, cases[i].device);
        ck_assert_pstr_eq(event.user, cases[i].user);
        ck_assert_int_eq(event.probe, 0);
    }
}
END_TEST

START_TEST(a_device_that_is_no_text_is_a_mistake)
{
    static const char *const cases[] = {
        "\"device\":\"S\"",
        "\"device\":[]",
        "\"targetDevice\":1",
        "\"serialNumber\":5",
        "\"serialNumber\":\"S\",\"udid\":{}",
        "\"device\":{\"serialNumber\":\"S\"},\"serialNumber\":false",
        "\"device\":{\"serialNumber\":\"S\"},\"targetDevice\":[]",
        "\"username\":[]",
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        ck_assert_msg(take_event(cases[i]) != NULL, "%s", cases[i]);
}
END_TEST

START_TEST(a_probe_names_nothing)
{
    static const struct {
        const char *body;
        int probe;
    } cases[] = {
        { "{" WEBHOOK "}", 1 },
        { "{" WEBHOOK ",\"event\":null}", 1 },
        { "{" WEBHOOK ",\"event\":{\"payloadIdentifier\":\"\"}}", 1 },
        { "{" WEBHOOK ",\"event\":{\"payloadIdentifier\":\"x\"}}", 0 },
        { "{" WEBHOOK ",\"event\":{\"udid\":\"U\"}}", 0 },
        { "{\"webhook\":{\"webhookEvent\":\"SCEPChallenge\","
          "\"name\":\"x\"}}",
          0 },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        ck_assert_ptr_null(take(cases[i].body));
        ck_assert_msg(event.probe == cases[i].probe, "%s", cases[i].body);
    }
}
END_TEST

START_TEST(times_do_not_matter)
{
    ck_assert_ptr_null(take_event("\"eventTimestamp\":1757435578"));
    ck_assert_ptr_null(take_event("\"eventTimestamp\":1757435578123"));
    ck_assert_ptr_null(take_event("\"eventTimestamp\":"
                                  "99999999999999999999999999"));
    ck_assert_ptr_null(take_event("\"eventTimestamp\":\"now\""));
}
END_TEST

START_TEST(what_is_no_event)
{
    static const char *const cases[] = {
        "",
        "{",
        "[]",
        "null",
        "{}",
        "{\"event\":{}}",
        "{\"webhook\":\"SCEPChallenge\"}",
        "{\"webhook\":{}}",
        "{\"webhook\":{\"webhookEvent\":5}}",
        "{\"webhook\":{\"webhookEvent\":\"SCEPChallenge \"}}",
        "{\"webhook\":{\"webhookEvent\":\"PushSent\"}}",
        "{" WEBHOOK ",\"event\":[]}",
        "{" WEBHOOK "," WEBHOOK "}",
        "{" WEBHOOK "} x",
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        ck_assert_msg(take(cases[i]) != NULL, "%s", cases[i]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("jamf_proto");
    TCase *tcase = tcase_create("event");

    tcase_add_test(tcase, the_serial_number_comes_first);
    tcase_add_test(tcase, a_device_that_is_no_text_is_a_mistake);
    tcase_add_test(tcase, a_probe_names_nothing);
    tcase_add_test(tcase, times_do_not_matter);
    tcase_add_test(tcase, what_is_no_event);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
