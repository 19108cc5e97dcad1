/* seal_fixture.c - events and seals for the unit tests
 * SPDX-License-Identifier: Apache-2.0
 */
#include "seal_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include <apr_strings.h>

#include "support.h"

void seal_fixture_event(scep_sealed_event_t *row, int i, apr_pool_t *p)
{
    memset(row, 0, sizeof(*row));
    row->number = 3 * i + 1;
    row->event.type = SCEP_EVENT_CHALLENGE_ISSUED;
    row->event.time = SEAL_NOW + i;
    row->event.profile = "p";
    row->event.detail = apr_psprintf(p, "event %d", i);
}

apr_array_header_t *seal_fixture_events(int first, int count, apr_pool_t *p)
{
    apr_array_header_t *events =
        apr_array_make(p, count + 1, sizeof(scep_sealed_event_t));

    for (int i = 0; i < count; i++)
        seal_fixture_event(apr_array_push(events), first + i, p);
    return events;
}

void seal_fixture_init(seal_fixture_t *fixture, apr_pool_t *p)
{
    static EVP_PKEY *ca_key, *ra_key;
    static X509 *ca, *ra;

    if (!ra) {
        apr_pool_t *forever = support_pool();

        ca_key = support_ec("P-256", forever);
        ra_key = support_rsa(2048, forever);
        ca = support_cert("CA", ca_key, NULL, NULL, "keyCertSign", forever);
        ra = support_cert("RA", ra_key, ca, ca_key, "digitalSignature",
                          forever);
    }
    memset(fixture, 0, sizeof(*fixture));
    fixture->p = p;
    fixture->events = apr_array_make(p, 16, sizeof(scep_sealed_event_t));
    fixture->seals = apr_array_make(p, 4, sizeof(scep_seal_t));
    fixture->ca_key = ca_key;
    fixture->ra_key = ra_key;
    fixture->ca = ca;
    fixture->ra = ra;
    fixture->setup.trusted = sk_X509_new_null();
    sk_X509_push(fixture->setup.trusted, ra);
}

void seal_fixture_seal(seal_fixture_t *fixture, int count)
{
    apr_array_header_t *batch =
        seal_fixture_events(fixture->events->nelts, count, fixture->p);
    int seals = fixture->seals->nelts;
    scep_seal_t *last =
        seals ? &APR_ARRAY_IDX(fixture->seals, seals - 1, scep_seal_t) : NULL;
    scep_seal_t seal;

    if (scep_seal_make(&seal, last, batch,
                       SEAL_NOW + apr_time_from_sec(seals + 1), fixture->ra,
                       fixture->ra_key, fixture->p) != APR_SUCCESS) {
        fprintf(stderr, "seal_fixture: no seal is made\n");
        exit(EXIT_FAILURE);
    }
    for (int i = 0; i < count; i++)
        APR_ARRAY_IDX(batch, i, scep_sealed_event_t).seal = seal.number;
    apr_array_cat(fixture->events, batch);
    APR_ARRAY_PUSH(fixture->seals, scep_seal_t) = seal;
    fixture->setup.head = fixture->head_at_end = seal.number;
}

static void note(void *baton, const scep_seal_finding_t *finding)
{
    seal_fixture_t *fixture = baton;

    fixture->found =
        apr_psprintf(fixture->p,
                     "%s%s%s:%" APR_INT64_T_FMT ":%" APR_INT64_T_FMT,
                     fixture->found, *fixture->found ? " " : "", finding->what,
                     finding->seal, finding->event);
}

void seal_fixture_walk(seal_fixture_t *fixture)
{
    scep_seal_walk_t *walk;
    int next = 0;

    fixture->found = "";
    fixture->setup.report = note;
    fixture->setup.baton = fixture;
    walk = scep_seal_walk_create(&fixture->setup, fixture->p);
    for (int i = 0; i < fixture->events->nelts; i++) {
        const scep_sealed_event_t *event =
            &APR_ARRAY_IDX(fixture->events, i, scep_sealed_event_t);

        while (next < fixture->seals->nelts &&
               scep_seal_walk_wants(walk, event->seal))
            scep_seal_walk_seal(walk, &APR_ARRAY_IDX(fixture->seals, next++,
                                                     scep_seal_t));
        scep_seal_walk_event(walk, event);
    }
    while (next < fixture->seals->nelts)
        scep_seal_walk_seal(walk, &APR_ARRAY_IDX(fixture->seals, next++,
                                                 scep_seal_t));
    fixture->sum = scep_seal_walk_end(walk, fixture->head_at_end);
}
