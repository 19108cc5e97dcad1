/* run.h - what main() of every Check program does
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RUN_H
#define RUN_H

#include <check.h>

/**
 * Runs a suite, as CK_VERBOSITY and its like in the environment say, with
 * APR initialised, and frees it.
 * @return the exit status
 */
int run_suite(Suite *suite);

#endif
