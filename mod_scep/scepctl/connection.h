/* connection.h - calls to the admin API
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SCEPCTL_CONNECTION_H
#define SCEPCTL_CONNECTION_H

#include <jansson.h>

#include "scepctl.h"

extern const ctl_option_t ctl_connection_options[];

typedef struct ctl_connection_t ctl_connection_t;

/**
 * Prepares calls as the options say; may ask for a password.
 * @param connection  set where the answer is CTL_DONE
 */
ctl_status_t ctl_connection_open(ctl_connection_t **connection, ctl_t *ctl);

/**
 * Makes one call.  What goes wrong is said on standard error.
 * @param method  such as "GET"
 * @param path  below the API's URL, such as "challenges"
 * @param body  what to send, or NULL; its reference is taken
 * @param answer  set to the JSON that came, for the caller to decref, or to
 *                NULL where there was none (204)
 */
ctl_status_t ctl_connection_call(ctl_connection_t *connection,
                                 const char *method, const char *path,
                                 json_t *body, json_t **answer);

#endif
