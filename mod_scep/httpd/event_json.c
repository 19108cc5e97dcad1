/* event_json.c - an event of the audit trail as a JSON object
 * SPDX-License-Identifier: Apache-2.0
 */
#include "event_json.h"

#include <apr_strings.h>

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/time_text.h"

json_t *mod_scep_event_json(const scep_event_t *event, apr_size_t max,
                            apr_pool_t *p)
{
    scep_event_t clean;
    json_t *object =
        json_pack("{s:s, s:s}", "time", scep_time_text(event->time, p),
                  "event", scep_event_name(event->type, p));
    int failed = object == NULL;

    scep_event_clean(&clean, event, max, p);
    for (int i = 0; !failed && i < SCEP_EVENT_TEXTS; i++) {
        const char *text = scep_event_text(&clean, i);

        if (*text)
            failed = json_object_set_new(object, scep_event_member(i),
                                         json_string(text)) != 0;
    }
    if (!failed)
        return object;
    json_decref(object);
    return NULL;
}

const char *mod_scep_event_line(const scep_event_t *event, apr_pool_t *p)
{
    const char *line = NULL;
    apr_size_t max = PIPE_BUF;

    do {
        json_t *object = mod_scep_event_json(event, max, p);
        char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;

        json_decref(object);
        line = text ? apr_pstrcat(p, text, "\n", NULL) : NULL;
        free(text);
        max /= 2;
    } while (line && strlen(line) > PIPE_BUF);
    return line;
}
