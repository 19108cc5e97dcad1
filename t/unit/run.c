/* run.c - what main() of every Check program does
 * SPDX-License-Identifier: Apache-2.0
 */
#include "run.h"

#include <stdlib.h>

#include <apr_general.h>

int run_suite(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    int failed;

    if (apr_initialize() != APR_SUCCESS)
        return EXIT_FAILURE;
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    apr_terminate();
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
