/* event.h - what the audit trail is made of
 * SPDX-License-Identifier: Apache-2.0
 *
 * One event is one thing that happened.  Events relate challenge, enrolment,
 * CA request and certificate to each other, and each names who did it and
 * from where.  No secret is ever in one.
 */
#ifndef SCEP_EVENT_H
#define SCEP_EVENT_H

#include "../mod_scep.h"

/** What happened.  The numbers stand in ledgers: they are only appended. */
typedef enum {
    SCEP_EVENT_CONFIGURED = 1,
    SCEP_EVENT_CHALLENGE_ISSUED,
    SCEP_EVENT_CHALLENGE_EXTENDED,
    SCEP_EVENT_CHALLENGE_REVOKED,
    SCEP_EVENT_CHALLENGE_USED,
    SCEP_EVENT_CHALLENGE_REFUSED,
    SCEP_EVENT_CHALLENGE_BREACH, /**< a spent one came again */
    SCEP_EVENT_REQUEST_RECEIVED,
    SCEP_EVENT_REQUEST_REFUSED, /**< by form or policy; detail: the rule */
    SCEP_EVENT_APPROVAL_WANTED,
    SCEP_EVENT_APPROVED,
    SCEP_EVENT_DISAPPROVED,
    SCEP_EVENT_CA_CALLED, /**< detail: what it said */
    SCEP_EVENT_CERTIFICATE_ISSUED,
    SCEP_EVENT_CERTIFICATE_RENEWED, /**< serial: of the new one */
    SCEP_EVENT_CERTIFICATE_SUPERSEDED,
    SCEP_EVENT_CERTIFICATE_REVOKED,
    SCEP_EVENT_ENROLMENT_ENDED /**< without a certificate; detail: why */
} scep_event_type_t;

/** One event.  Texts that are NULL or "" are not known or do not apply. */
typedef struct scep_event_t {
    scep_event_type_t type;
    apr_time_t time;
    const char *profile;
    const char *actor;      /**< who: a caller, "device", or a part of ours */
    const char *address;    /**< from where */
    const char *challenge;  /**< id of a challenge, or what else granted it */
    const char *enrolment;  /**< scep_record_t.key */
    const char *ca;         /**< name of the CA */
    const char *ca_request; /**< the CA's own handle of the request */
    const char *serial;     /**< of the certificate, hex */
    const char *detail;
} scep_event_t;

#endif
