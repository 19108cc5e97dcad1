/* challenge_support.c - what the tests of dying and stalling processes share
 * SPDX-License-Identifier: Apache-2.0
 */
#include "challenge_support.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <apr_general.h>

static const unsigned char key[SCEP_TABLE_KEY_LEN] = "a key for tests";

apr_pool_t *test_pool;
const char *test_stage = "setup";

void test_start(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    /* a failure ends the children too: they are in its process group */
    setpgid(0, 0);
    REQUIRE(apr_initialize() == APR_SUCCESS);
    REQUIRE(apr_pool_create(&test_pool, NULL) == APR_SUCCESS);
}

void test_end(void)
{
    apr_pool_destroy(test_pool);
    apr_terminate();
}

void test_fail(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s: %s:%d: %s\n", test_stage, file, line, what);
    kill(0, SIGKILL);
    abort();
}

void *test_map(size_t octets)
{
    void *at = mmap(NULL, octets, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    REQUIRE(at != MAP_FAILED);
    return at;
}

void test_format(void *mem, apr_uint64_t capacity)
{
    REQUIRE(scep_table_format(mem, scep_table_size(capacity), capacity, key,
                              test_pool) == APR_SUCCESS);
}

scep_table_t *test_open(void *mem, apr_uint64_t capacity)
{
    scep_table_t *table;
    const char *error;

    REQUIRE(scep_table_open(&table, mem, scep_table_size(capacity), key,
                            &error, test_pool) == APR_SUCCESS);
    scep_table_attach(table, getpid());
    return table;
}

static void name_secret(char secret[40], const char *kind, unsigned int n)
{
    snprintf(secret, 40, "%s-%u", kind, n);
}

apr_status_t test_issue_for(scep_table_t *table, const char *kind,
                            unsigned int n, unsigned int uses, apr_time_t now,
                            int ttl, char id[SCEP_CHALLENGE_ID_SIZE])
{
    char secret[40];
    scep_challenge_spec_t spec = { .secret = secret,
                                   .profile = "p",
                                   .subject = "CN=device",
                                   .uses = uses,
                                   .created = now,
                                   .expires = now + apr_time_from_sec(ttl) };

    name_secret(secret, kind, n);
    return scep_table_issue(table, &spec, n, id);
}

apr_status_t test_issue(scep_table_t *table, const char *kind, unsigned int n,
                        apr_time_t now, int ttl,
                        char id[SCEP_CHALLENGE_ID_SIZE])
{
    return test_issue_for(table, kind, n, 1, now, ttl, id);
}

scep_challenge_outcome_t test_claim(scep_table_t *table, const char *kind,
                                    unsigned int n, apr_time_t now,
                                    scep_challenge_claim_t *claim)
{
    static const scep_challenge_facts_t facts = { .profile = "p",
                                                  .subject = "CN=device",
                                                  .sans = "" };
    char secret[40];

    name_secret(secret, kind, n);
    return scep_table_claim(table, secret, &facts, now, apr_time_from_sec(1),
                            claim);
}

int test_nobody_lives(pid_t pid)
{
    (void)pid;
    return 0;
}

int test_under_valgrind(void)
{
    const char *preload = getenv("LD_PRELOAD");

    return preload && strstr(preload, "vgpreload");
}
