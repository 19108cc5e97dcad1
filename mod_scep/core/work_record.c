/* work_record.c - what work.c writes into a ledger
 * SPDX-License-Identifier: Apache-2.0
 */
#include "work_record.h"

#include <apr_escape.h>
#include <apr_strings.h>
#include <openssl/err.h>

#include "device.h"
#include "enrol.h"

const char *scep_work_serial(const X509 *certificate, apr_pool_t *p)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(certificate);

    return apr_pescape_hex(p, serial->data, serial->length, 0);
}

/* 0 where it is malformed. */
static apr_time_t time_of(const ASN1_TIME *time)
{
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int days = 0, seconds = 0;
    int good = epoch && ASN1_TIME_diff(&days, &seconds, epoch, time) == 1;

    ASN1_TIME_free(epoch);
    return good ? apr_time_from_sec(days * APR_INT64_C(86400) + seconds) : 0;
}

scep_certificate_t *scep_work_certificate(const scep_work_t *work,
                                          const scep_csr_t *csr,
                                          const X509_NAME *subject,
                                          apr_pool_t *p)
{
    const scep_record_t *record = work->record;
    scep_certificate_t *made = apr_pcalloc(p, sizeof(*made));
    const apr_array_header_t *devices =
        scep_device_find(csr->subject, csr->sans, work->profile->device_from,
                         p);
    const char *holder = scep_policy_holder(subject, csr->sans, work->alg, p);
    unsigned char *der = NULL;
    int len = i2d_X509(work->certificate, &der);

    made->serial = record->serial;
    made->ca = record->ca;
    made->profile = record->profile;
    made->enrolment = record->key;
    made->subject = record->subject;
    made->sans = record->sans;
    made->device = devices && devices->nelts
                       ? APR_ARRAY_IDX(devices, 0, const char *)
                       : "";
    made->names = holder ? holder : record->names;
    made->spki = record->spki;
    made->der = len > 0 ? apr_pmemdup(p, der, (apr_size_t)len) : NULL;
    made->der_len = len > 0 ? (apr_size_t)len : 0;
    made->not_before = time_of(X509_get0_notBefore(work->certificate));
    made->not_after = time_of(X509_get0_notAfter(work->certificate));
    made->state = SCEP_CERTIFICATE_LIVE;
    made->changed = record->updated;
    made->successor = "";
    OPENSSL_free(der);
    ERR_clear_error();
    return made;
}

scep_event_t *scep_work_event(apr_array_header_t *events,
                              scep_event_type_t type,
                              const scep_record_t *record, apr_time_t now)
{
    scep_event_t *event = apr_array_push(events);

    memset(event, 0, sizeof(*event));
    event->type = type;
    event->time = now;
    event->profile = record->profile;
    event->actor = "device";
    event->address = record->address;
    event->challenge = record->verified_by;
    event->enrolment = record->key;
    return event;
}

apr_array_header_t *scep_work_no_events(apr_pool_t *p)
{
    return apr_array_make(p, 1, sizeof(scep_event_t));
}

apr_array_header_t *scep_work_received(const scep_record_t *record,
                                       apr_pool_t *p)
{
    apr_array_header_t *events = apr_array_make(p, 3, sizeof(scep_event_t));
    scep_event_t *event = scep_work_event(events, SCEP_EVENT_REQUEST_RECEIVED,
                                          record, record->created);

    event->detail = apr_psprintf(p, "transaction %s, subject %s%s%s",
                                 record->transaction_id, record->subject,
                                 *record->sans ? ", SAN " : "", record->sans);
    event = scep_work_event(events, SCEP_EVENT_CHALLENGE_USED, record,
                            record->created);
    event->detail = record->verifier;
    if (record->state == SCEP_STATE_APPROVAL) {
        scep_work_event(events, SCEP_EVENT_APPROVAL_WANTED, record,
                        record->created);
    }
    return events;
}

static const char *outcome_name(scep_ca_outcome_t outcome)
{
    switch (outcome) {
    case SCEP_CA_ISSUED:
        return "issued";
    case SCEP_CA_PENDING:
        return "pending";
    case SCEP_CA_REJECTED:
        return "rejected";
    case SCEP_CA_UNAVAILABLE:
        return "unavailable";
    default:
        return "unknown";
    }
}

apr_array_header_t *scep_work_events(const scep_work_t *work,
                                     const scep_record_t *record,
                                     apr_pool_t *p)
{
    apr_array_header_t *events = apr_array_make(p, 3, sizeof(scep_event_t));
    apr_time_t now = record->updated;
    scep_event_t *event;

    if (work->asked) {
        event = scep_work_event(events, SCEP_EVENT_CA_CALLED, record, now);
        event->actor = "gateway";
        event->ca = record->ca;
        event->ca_request = record->handle;
        event->detail =
            apr_pstrcat(p, outcome_name(work->ca), *record->detail ? ": " : "",
                        record->detail, NULL);
    }
    if (record->state == SCEP_STATE_ISSUED) {
        event =
            scep_work_event(events,
                            *record->renews ? SCEP_EVENT_CERTIFICATE_RENEWED
                                            : SCEP_EVENT_CERTIFICATE_ISSUED,
                            record, now);
        event->ca = record->ca;
        event->serial = record->serial;
        event->detail = *record->renews
                            ? apr_pstrcat(p, record->subject, ", renews ",
                                          record->renews, NULL)
                            : record->subject;
    } else if (record->state > SCEP_STATE_ISSUED) {
        event =
            scep_work_event(events, SCEP_EVENT_ENROLMENT_ENDED, record, now);
        event->detail = apr_pstrcat(p, scep_result_reason_name(record->reason),
                                    ": ", record->detail, NULL);
    }
    return events;
}
