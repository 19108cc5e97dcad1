/* check_metric_text.c - tests of Prometheus's text format
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include <apr_general.h>
#include <check.h>

#include "metric_text.h"
#include "run.h"

static apr_pool_t *pool;
static scep_metric_text_t *text;

static void setup(void)
{
    ck_assert_int_eq(apr_pool_create(&pool, NULL), APR_SUCCESS);
    text = scep_metric_text_create(pool);
}

static void teardown(void)
{
    apr_pool_destroy(pool);
}

static void renders(const char *wanted)
{
    ck_assert_str_eq(scep_metric_text_render(text), wanted);
}

START_TEST(nothing_is_nothing)
{
    scep_metric_text_describe(text, "a", "counter", "Unused.");
    renders("");
}
END_TEST

START_TEST(samples_stand_together_in_order)
{
    scep_metric_text_add(text, "b", "", 1);
    scep_metric_text_add(text, "a", "l=\"2\"", 2);
    scep_metric_text_add(text, "b", "l=\"1\"", APR_UINT64_MAX);
    scep_metric_text_add(text, "a", "l=\"1\"", 0);
    scep_metric_text_describe(text, "a", "counter", "What a is.");
    renders("# HELP a What a is.\n"
            "# TYPE a counter\n"
            "a{l=\"1\"} 0\n"
            "a{l=\"2\"} 2\n"
            "# TYPE b untyped\n"
            "b 1\n"
            "b{l=\"1\"} 18446744073709551615\n");
}
END_TEST

START_TEST(lines_of_several_join)
{
    static const char *const lines = "# HELP a What.\n# TYPE a gauge\na{x=\"1 "
                                     "{}\"} 1\n";

    scep_metric_text_lines(text, lines);
    scep_metric_text_lines(text, "# HELP a What.\n# TYPE a gauge\na 2.5\n");
    renders("# HELP a What.\n"
            "# TYPE a gauge\n"
            "a 2.5\n"
            "a{x=\"1 {}\"} 1\n");
}
END_TEST

START_TEST(what_is_no_line_is_left_out)
{
    scep_metric_text_lines(text, "\n\n# a comment\n# HELP \n# TYPE\n"
                                 "\xff 1\n{x} 1\nname-with-hyphen 1\nb 1");
    renders("# TYPE b untyped\nb 1\n");
    scep_metric_text_lines(text, "");
    renders("# TYPE b untyped\nb 1\n");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("metric_text");
    TCase *tc = tcase_create("metric_text");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, nothing_is_nothing);
    tcase_add_test(tc, samples_stand_together_in_order);
    tcase_add_test(tc, lines_of_several_join);
    tcase_add_test(tc, what_is_no_line_is_left_out);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
