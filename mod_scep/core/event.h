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
    SCEP_EVENT_ENROLMENT_ENDED, /**< without a certificate; detail: why */
    SCEP_EVENT_REQUESTS_REFUSED /**< detail: how many more there were */
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

/** Texts of an event: profile, actor and what follows. */
#define SCEP_EVENT_TEXTS 9

/** What a text is called where events are shown, such as "ca_request". */
const char *scep_event_member(int number);

/** The text of that number, "" where it is NULL. */
const char *scep_event_text(const scep_event_t *event, int number);

/** @param text  not copied */
void scep_event_set_text(scep_event_t *event, int number, const char *text);

/** The name of a type, such as "challenge-issued"; "event-99" of one that
 * only a later version knows. */
const char *scep_event_name(scep_event_type_t type, apr_pool_t *p);

/** The type of such a name, or 0. */
scep_event_type_t scep_event_type(const char *name);

/**
 * Makes the texts of an event what is kept of them: none is NULL, all are
 * UTF-8 without control characters ('?' stands for what is not), whatever a
 * device has sent.  What is clean stays as it is.
 * @param max  octets of each text that are kept
 */
void scep_event_clean(scep_event_t *clean, const scep_event_t *event,
                      apr_size_t max, apr_pool_t *p);

/**
 * The octets that are digested of an event: every column of it, numbers
 * with their most significant octet first, texts behind their length.
 */
const unsigned char *scep_event_canonical(const scep_event_t *event,
                                          apr_size_t *len, apr_pool_t *p);

#endif
