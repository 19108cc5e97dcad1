/* seal_fixture.h - events and seals for the unit tests
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SEAL_FIXTURE_H
#define SEAL_FIXTURE_H

#include "seal_walk.h"

#define SEAL_NOW apr_time_from_sec(1700000000)

/** The event of a place: its number is 3 * i + 1. */
void seal_fixture_event(scep_sealed_event_t *row, int i, apr_pool_t *p);

/** Events of places first to first + count - 1, scep_sealed_event_t. */
apr_array_header_t *seal_fixture_events(int first, int count, apr_pool_t *p);

/** A ledger as an attacker sees it: all of it can be changed. */
typedef struct seal_fixture_t {
    apr_pool_t *p;
    apr_array_header_t *events; /**< scep_sealed_event_t */
    apr_array_header_t *seals;  /**< scep_seal_t */
    EVP_PKEY *ca_key, *ra_key;
    X509 *ca, *ra;
    scep_seal_setup_t setup;
    apr_int64_t head_at_end;
    /** a word for each finding: "changed:SEAL:EVENT", blanks between */
    const char *found;
    const scep_seal_sum_t *sum;
} seal_fixture_t;

/** Makes the keys, once, and trusts the RA. */
void seal_fixture_init(seal_fixture_t *fixture, apr_pool_t *p);

/** Seals new events with the RA's key, a second after the last seal. */
void seal_fixture_seal(seal_fixture_t *fixture, int count);

/** Walks as scepctl does, and sets found and sum. */
void seal_fixture_walk(seal_fixture_t *fixture);

#endif
