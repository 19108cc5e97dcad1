/* event_json.h - an event of the audit trail as a JSON object
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MOD_SCEP_EVENT_JSON_H
#define MOD_SCEP_EVENT_JSON_H

#include <jansson.h>

#include "core/event.h"

/**
 * The members time, event, and each text that is not empty.
 * @param max  octets of each text that are kept
 * @return NULL where memory is out
 */
json_t *mod_scep_event_json(const scep_event_t *event, apr_size_t max,
                            apr_pool_t *p);

/**
 * An event as one line, its end included, of PIPE_BUF octets at most: so
 * much the system writes into a pipe as one piece.  Texts of one that is
 * longer are cut.
 * @return NULL where memory is out
 */
const char *mod_scep_event_line(const scep_event_t *event, apr_pool_t *p);

#endif
