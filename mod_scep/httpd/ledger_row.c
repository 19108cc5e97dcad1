/* ledger_row.c - the ledger in SQL: parameters and rows
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ledger_sql.h"

#include <apr_base64.h>
#include <apr_strings.h>

#include <stdlib.h>

#include "challenge_digest.h"
#include "core/result.h"

const char *mod_scep_ledger_number(apr_int64_t number, apr_pool_t *p)
{
    return apr_psprintf(p, "%" APR_INT64_T_FMT, number);
}

/* Most texts are as they will be: that costs a look and no copy. */
static int is_plain(const char *text)
{
    for (; *text; text++)
        if (*text < 0x20 || *text == 0x7f || *text == '%')
            return 0;
    return 1;
}

const char *mod_scep_ledger_text(const char *text, apr_pool_t *p)
{
    if (!text)
        return "";
    return is_plain(text) ? text
                          : scep_challenge_escape(text, strlen(text), p);
}

static const char *text_of(const char *column, apr_pool_t *p)
{
    apr_size_t size = strlen(column) + 1;
    char *text;

    if (!strchr(column, '%'))
        return column; /* which is in the pool of the rows */
    text = apr_palloc(p, size);
    scep_challenge_unescape(text, size, column);
    return text;
}

static const char *base64_of(const unsigned char *octets, apr_size_t len,
                             apr_pool_t *p)
{
    char *text = apr_palloc(p, (apr_size_t)apr_base64_encode_len((int)len));

    apr_base64_encode_binary(text, octets, (int)len);
    return text;
}

static const unsigned char *octets_of(const char *column, apr_size_t *len,
                                      apr_pool_t *p)
{
    unsigned char *octets =
        apr_palloc(p, (apr_size_t)apr_base64_decode_len(column) + 1);

    *len = (apr_size_t)apr_base64_decode_binary(octets, column);
    return octets;
}

/* A reason's number is not for ever, its name is. */
static scep_reason_t reason_of(const char *name)
{
    for (int i = 0; i < SCEP_REASON_COUNT; i++)
        if (!strcmp(name, scep_result_reason_name((scep_reason_t)i)))
            return (scep_reason_t)i;
    return SCEP_REASON_INTERNAL;
}

/* ------------------------------------------------------------------ */
/* Enrolments                                                           */

#define TEXT(value) args[i++] = mod_scep_ledger_text(value, p)
#define NUMBER(value) args[i++] = mod_scep_ledger_number((value), p)

/* What changes, in the order of both statements. */
static int changing_args(const char *args[], int i,
                         const scep_record_t *record, const char *change,
                         apr_pool_t *p)
{
    NUMBER(record->state);
    TEXT(record->handle);
    TEXT(record->serial);
    args[i++] = scep_result_reason_name(record->reason);
    NUMBER(record->fail_info);
    TEXT(record->detail);
    NUMBER(record->settled != 0);
    NUMBER(record->tries);
    NUMBER(record->due);
    TEXT(record->approvals);
    NUMBER(record->submitted);
    NUMBER(record->updated);
    TEXT(record->token);
    NUMBER(record->lease);
    args[i++] = change;
    return i;
}

void mod_scep_ledger_record_args(const char *args[],
                                 const scep_record_t *record,
                                 const char *change, apr_pool_t *p)
{
    int i = 0;

    TEXT(record->key);
    TEXT(record->profile);
    TEXT(record->ca);
    TEXT(record->transaction_id);
    TEXT(record->signer);
    TEXT(record->spki);
    TEXT(record->names);
    TEXT(record->device);
    NUMBER(record->type);
    args[i++] = record->state >= SCEP_STATE_ISSUED
                    ? ""
                    : base64_of(record->csr, record->csr_len, p);
    TEXT(record->subject);
    TEXT(record->sans);
    TEXT(record->address);
    TEXT(record->verifier);
    TEXT(record->grant);
    TEXT(record->verified_by);
    TEXT(record->requester);
    TEXT(record->renews);
    NUMBER(record->created);
    i = changing_args(args, i, record, change, p);
    args[i] = NULL;
}

void mod_scep_ledger_update_args(const char *args[],
                                 const scep_record_t *record,
                                 const char *token, const char *change,
                                 apr_pool_t *p)
{
    int i = changing_args(args, 0, record, change, p);

    args[i++] = record->state >= SCEP_STATE_ISSUED ? "over" : "";
    TEXT(record->key);
    TEXT(token);
    args[i] = NULL;
}

apr_int64_t mod_scep_ledger_record_row(scep_record_t *record,
                                       const char *const *columns,
                                       apr_pool_t *p)
{
    apr_int64_t number = apr_atoi64(*columns++);

    memset(record, 0, sizeof(*record));
    record->key = text_of(*columns++, p);
    record->profile = text_of(*columns++, p);
    record->ca = text_of(*columns++, p);
    record->transaction_id = text_of(*columns++, p);
    record->signer = text_of(*columns++, p);
    record->spki = text_of(*columns++, p);
    record->names = text_of(*columns++, p);
    record->device = text_of(*columns++, p);
    record->type = atoi(*columns++);
    record->csr = octets_of(*columns++, &record->csr_len, p);
    record->subject = text_of(*columns++, p);
    record->sans = text_of(*columns++, p);
    record->address = text_of(*columns++, p);
    record->verifier = text_of(*columns++, p);
    record->grant = text_of(*columns++, p);
    record->verified_by = text_of(*columns++, p);
    record->requester = text_of(*columns++, p);
    record->renews = text_of(*columns++, p);
    record->created = apr_atoi64(*columns++);
    record->state = (scep_state_t)atoi(*columns++);
    record->handle = text_of(*columns++, p);
    record->serial = text_of(*columns++, p);
    record->reason = reason_of(*columns++);
    record->fail_info = (scep_fail_info_t)atoi(*columns++);
    record->detail = text_of(*columns++, p);
    record->settled = atoi(*columns++);
    record->tries = (unsigned int)atoi(*columns++);
    record->due = apr_atoi64(*columns++);
    record->approvals = text_of(*columns++, p);
    record->submitted = apr_atoi64(*columns++);
    record->updated = apr_atoi64(*columns++);
    record->token = text_of(*columns++, p);
    record->lease = apr_atoi64(*columns++);
    return number;
}

/* ------------------------------------------------------------------ */
/* Certificates                                                         */

void mod_scep_ledger_certificate_args(const char *args[],
                                      const scep_certificate_t *certificate,
                                      apr_pool_t *p)
{
    int i = 0;

    TEXT(certificate->enrolment);
    TEXT(certificate->serial);
    TEXT(certificate->ca);
    TEXT(certificate->profile);
    TEXT(certificate->enrolment);
    TEXT(certificate->subject);
    TEXT(certificate->sans);
    TEXT(certificate->device);
    TEXT(certificate->names);
    TEXT(certificate->spki);
    args[i++] = base64_of(certificate->der, certificate->der_len, p);
    NUMBER(certificate->not_before);
    NUMBER(certificate->not_after);
    NUMBER(certificate->state);
    NUMBER(certificate->reason);
    NUMBER(certificate->changed);
    NUMBER(certificate->due);
    TEXT(certificate->successor);
    args[i] = NULL;
}

apr_int64_t mod_scep_ledger_certificate_row(scep_certificate_t *certificate,
                                            const char *const *columns,
                                            apr_pool_t *p)
{
    apr_int64_t number = apr_atoi64(*columns++);

    memset(certificate, 0, sizeof(*certificate));
    certificate->serial = text_of(*columns++, p);
    certificate->ca = text_of(*columns++, p);
    certificate->profile = text_of(*columns++, p);
    certificate->enrolment = text_of(*columns++, p);
    certificate->subject = text_of(*columns++, p);
    certificate->sans = text_of(*columns++, p);
    certificate->device = text_of(*columns++, p);
    certificate->names = text_of(*columns++, p);
    certificate->spki = text_of(*columns++, p);
    certificate->der = octets_of(*columns++, &certificate->der_len, p);
    certificate->not_before = apr_atoi64(*columns++);
    certificate->not_after = apr_atoi64(*columns++);
    certificate->state = (scep_certificate_state_t)atoi(*columns++);
    certificate->reason = atoi(*columns++);
    certificate->changed = apr_atoi64(*columns++);
    certificate->due = apr_atoi64(*columns++);
    certificate->successor = text_of(*columns++, p);
    return number;
}

/* ------------------------------------------------------------------ */
/* Events                                                               */

int mod_scep_ledger_event_args(const char *args[], const scep_event_t *event,
                               apr_pool_t *p)
{
    scep_event_t clean;
    int i = 0;

    /* what is sealed must be what is shown */
    scep_event_clean(&clean, event, APR_SIZE_MAX, p);
    NUMBER(event->time);
    NUMBER(event->type);
    TEXT(clean.profile);
    TEXT(clean.actor);
    TEXT(clean.address);
    TEXT(clean.challenge);
    TEXT(clean.enrolment);
    TEXT(clean.ca);
    TEXT(clean.ca_request);
    TEXT(clean.serial);
    TEXT(clean.detail);
    TEXT(event->enrolment); /* its number */
    args[i] = NULL;
    return i;
}

void mod_scep_ledger_event_row(scep_ledger_event_t *row,
                               const char *const *columns, apr_pool_t *p)
{
    scep_event_t *event = &row->event;

    row->number = apr_atoi64(*columns++);
    event->time = apr_atoi64(*columns++);
    event->type = (scep_event_type_t)atoi(*columns++);
    event->profile = text_of(*columns++, p);
    event->actor = text_of(*columns++, p);
    event->address = text_of(*columns++, p);
    event->challenge = text_of(*columns++, p);
    event->enrolment = text_of(*columns++, p);
    event->ca = text_of(*columns++, p);
    event->ca_request = text_of(*columns++, p);
    event->serial = text_of(*columns++, p);
    event->detail = text_of(*columns++, p);
    row->seal = apr_atoi64(*columns++);
}
