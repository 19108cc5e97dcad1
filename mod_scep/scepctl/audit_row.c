/* audit_row.c - events and seals as the admin API shows them
 * SPDX-License-Identifier: Apache-2.0
 */
#include "audit_row.h"

#include <string.h>

#include "core/time_text.h"

static const char *text_of(const json_t *row, const char *member)
{
    const char *text = json_string_value(json_object_get(row, member));

    return text ? text : "";
}

static apr_int64_t number_of(const json_t *row, const char *member)
{
    return json_integer_value(json_object_get(row, member));
}

static apr_time_t time_of(const json_t *row, apr_pool_t *p)
{
    apr_time_t time;

    return scep_time_read(&time, text_of(row, "time"), p) == APR_SUCCESS ? time
                                                                         : -1;
}

void ctl_audit_read_event(scep_sealed_event_t *event, const json_t *row,
                          apr_pool_t *p)
{
    memset(event, 0, sizeof(*event));
    event->number = number_of(row, "number");
    event->seal = number_of(row, "seal");
    event->event.type = scep_event_type(text_of(row, "event"));
    event->event.time = time_of(row, p);
    for (int i = 0; i < SCEP_EVENT_TEXTS; i++) {
        scep_event_set_text(&event->event, i,
                            text_of(row, scep_event_member(i)));
    }
}

void ctl_audit_read_seal(scep_seal_t *seal, const json_t *row, apr_pool_t *p)
{
    apr_int64_t count = number_of(row, "count");

    seal->number = number_of(row, "number");
    seal->time = time_of(row, p);
    seal->count = count > 0 && count <= SCEP_SEAL_EVENTS_MAX ? (int)count : 0;
    seal->leaves = text_of(row, "leaves");
    seal->root = text_of(row, "root");
    seal->previous = text_of(row, "previous");
    seal->certificate = text_of(row, "certificate");
    seal->signature = text_of(row, "signature");
}
