/* challenge_fixture.h - a challenge table to check things on
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHALLENGE_FIXTURE_H
#define CHALLENGE_FIXTURE_H

#include <check.h>

#include "../../mod_scep/core/challenge_record.h"

#define T0 1800000000
#define LEASE apr_time_from_sec(60)

extern const unsigned char key[SCEP_TABLE_KEY_LEN];
extern apr_pool_t *pool;
extern void *mem;
extern apr_size_t size;
extern scep_table_t *table;
/** What the last claim was given. */
extern scep_challenge_claim_t claim;
/** Of the challenge that was issued last. */
extern char last_id[SCEP_CHALLENGE_ID_SIZE];

/** Adds a case whose tests begin without a table. */
TCase *add_case(Suite *suite, const char *name);

/** Makes the table of a test, full of what a format must not rely on. */
void make(apr_uint64_t capacity);

/** T0 and so many seconds. */
apr_time_t at(int seconds);

/** One of as many secrets as there are numbers. */
const char *secret(unsigned int n);

/** Issues at T0 + from a challenge that lives so many seconds. */
apr_status_t issue(const char *password, int from, int ttl);

/** Claims for profile "default" and subject "CN=device", without SANs. */
scep_challenge_outcome_t claim_at(const char *password, apr_time_t now);

/** Live challenges at T0 + seconds. */
apr_uint64_t live(int seconds);

uint32_t slot_of(const char *id);

/** Rows of a listing. */
typedef struct rows_t {
    scep_challenge_info_t row[8];
    int count;
    int stop_after;
} rows_t;

/** A visitor that collects in rows_t. */
int collect(void *baton, const scep_challenge_info_t *info);

/** The row of an id in a listing at T0 + seconds, or NULL. */
const scep_challenge_info_t *list_row(const char *id, int seconds);

#endif
