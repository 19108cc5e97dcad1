/* challenge_support.h - what the tests of dying and stalling processes share
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHALLENGE_SUPPORT_H
#define CHALLENGE_SUPPORT_H

#include <stddef.h>

#include "../../mod_scep/core/challenge_table.h"

/** Ends the test, and every process of its group, unless it holds. */
#define REQUIRE(condition)                                                    \
    do {                                                                      \
        if (!(condition))                                                     \
            test_fail(__FILE__, __LINE__, #condition);                        \
    } while (0)

extern apr_pool_t *test_pool;
/** Said before what failed. */
extern const char *test_stage;

void test_start(void);
void test_end(void);
void test_fail(const char *file, int line, const char *what);

/** Zeroed memory that is shared with the children to come. */
void *test_map(size_t octets);
void test_format(void *mem, apr_uint64_t capacity);
scep_table_t *test_open(void *mem, apr_uint64_t capacity);

/** The secret is the kind and the number; the low half of the id too. */
apr_status_t test_issue(scep_table_t *table, const char *kind, unsigned int n,
                        apr_time_t now, int ttl,
                        char id[SCEP_CHALLENGE_ID_SIZE]);
apr_status_t test_issue_for(scep_table_t *table, const char *kind,
                            unsigned int n, unsigned int uses, apr_time_t now,
                            int ttl, char id[SCEP_CHALLENGE_ID_SIZE]);
/** Claims for one second. */
scep_challenge_outcome_t test_claim(scep_table_t *table, const char *kind,
                                    unsigned int n, apr_time_t now,
                                    scep_challenge_claim_t *claim);

/** For sweeps: all that once wrote are dead. */
int test_nobody_lives(pid_t pid);

/** Whether single steps would be Valgrind's own. */
int test_under_valgrind(void);

#endif
