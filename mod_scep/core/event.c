/* event.c - what the audit trail is made of
 * SPDX-License-Identifier: Apache-2.0
 */
#include "event.h"

#include <apr_strings.h>

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "utf8.h"

/* Digested of each event: another set of columns has another number. */
#define FORM 1

#define UNKNOWN "event-"

static const char *const names[] = {
    [SCEP_EVENT_CONFIGURED] = "configuration-loaded",
    [SCEP_EVENT_CHALLENGE_ISSUED] = "challenge-issued",
    [SCEP_EVENT_CHALLENGE_EXTENDED] = "challenge-extended",
    [SCEP_EVENT_CHALLENGE_REVOKED] = "challenge-revoked",
    [SCEP_EVENT_CHALLENGE_USED] = "challenge-used",
    [SCEP_EVENT_CHALLENGE_REFUSED] = "challenge-refused",
    [SCEP_EVENT_CHALLENGE_BREACH] = "challenge-breach",
    [SCEP_EVENT_REQUEST_RECEIVED] = "request-received",
    [SCEP_EVENT_REQUEST_REFUSED] = "request-refused",
    [SCEP_EVENT_APPROVAL_WANTED] = "approval-wanted",
    [SCEP_EVENT_APPROVED] = "approved",
    [SCEP_EVENT_DISAPPROVED] = "disapproved",
    [SCEP_EVENT_CA_CALLED] = "ca-called",
    [SCEP_EVENT_CERTIFICATE_ISSUED] = "certificate-issued",
    [SCEP_EVENT_CERTIFICATE_RENEWED] = "certificate-renewed",
    [SCEP_EVENT_CERTIFICATE_SUPERSEDED] = "certificate-superseded",
    [SCEP_EVENT_CERTIFICATE_REVOKED] = "certificate-revoked",
    [SCEP_EVENT_ENROLMENT_ENDED] = "enrolment-ended",
    [SCEP_EVENT_REQUESTS_REFUSED] = "requests-refused",
};

#define NAMES (int)(sizeof(names) / sizeof(*names))

#define TEXT(member)                                                          \
    {                                                                         \
#member, offsetof(scep_event_t, member)                               \
    }

static const struct {
    const char *name;
    size_t place;
} texts[SCEP_EVENT_TEXTS] = {
    TEXT(profile),    TEXT(actor),     TEXT(address),
    TEXT(challenge),  TEXT(enrolment), TEXT(ca),
    TEXT(ca_request), TEXT(serial),    TEXT(detail),
};

const char *scep_event_member(int number)
{
    return texts[number].name;
}

const char *scep_event_text(const scep_event_t *event, int number)
{
    const char *text;

    memcpy(&text, (const char *)event + texts[number].place, sizeof(text));
    return text ? text : "";
}

void scep_event_set_text(scep_event_t *event, int number, const char *text)
{
    memcpy((char *)event + texts[number].place, &text, sizeof(text));
}

const char *scep_event_name(scep_event_type_t type, apr_pool_t *p)
{
    int number = (int)type;

    return number > 0 && number < NAMES && names[number]
               ? names[number]
               : apr_psprintf(p, UNKNOWN "%d", number);
}

scep_event_type_t scep_event_type(const char *name)
{
    size_t prefix = strlen(UNKNOWN);
    size_t digits;

    for (int i = 1; i < NAMES; i++)
        if (names[i] && !strcmp(names[i], name))
            return (scep_event_type_t)i;
    if (strncmp(name, UNKNOWN, prefix))
        return (scep_event_type_t)0;
    digits = strspn(name + prefix, "0123456789");
    return (scep_event_type_t)(digits && digits < 9 && !name[prefix + digits]
                                   ? atoi(name + prefix)
                                   : 0);
}

void scep_event_clean(scep_event_t *clean, const scep_event_t *event,
                      apr_size_t max, apr_pool_t *p)
{
    *clean = *event;
    for (int i = 0; i < SCEP_EVENT_TEXTS; i++) {
        const char *text = scep_event_text(event, i);

        if (strlen(text) > max || !scep_utf8_is_printable(text))
            text = scep_utf8_clean(text, max, p);
        scep_event_set_text(clean, i, text);
    }
}

static unsigned char *put_number(unsigned char *at, apr_uint64_t number,
                                 int octets)
{
    for (int i = octets; i > 0; i--)
        *at++ = (unsigned char)(number >> 8 * (i - 1));
    return at;
}

const unsigned char *scep_event_canonical(const scep_event_t *event,
                                          apr_size_t *len, apr_pool_t *p)
{
    apr_size_t size = 1 + 4 + 8;
    unsigned char *octets, *at;

    for (int i = 0; i < SCEP_EVENT_TEXTS; i++)
        size += 4 + strlen(scep_event_text(event, i));
    octets = at = apr_palloc(p, size);
    *at++ = FORM;
    at = put_number(at, (apr_uint64_t)event->type, 4);
    at = put_number(at, (apr_uint64_t)event->time, 8);
    for (int i = 0; i < SCEP_EVENT_TEXTS; i++) {
        const char *text = scep_event_text(event, i);
        apr_size_t text_len = strlen(text);

        at = put_number(at, text_len, 4);
        memcpy(at, text, text_len);
        at += text_len;
    }
    *len = size;
    return octets;
}
