/* json.h - JSON in and out of the admin API
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MOD_SCEP_JSON_H
#define MOD_SCEP_JSON_H

#include <jansson.h>

#include "log.h"

/** Whether a body is announced as application/json, in UTF-8 if at all. */
int mod_scep_json_is_announced(request_rec *r);

/**
 * Reads a request's body as one JSON object.  It must be announced as
 * application/json, be UTF-8 and have no member twice.
 * @param object  set to the object, which the caller decrefs, or to NULL
 * @return where there is no object, what the handler returns
 */
int mod_scep_json_read(request_rec *r, json_t **object);

/**
 * The text of a member, NULL where it is absent.
 * @return NULL, or a sentence that says that it is no text
 */
const char *mod_scep_json_text(const json_t *object, const char *member,
                               const char **text, apr_pool_t *p);

/**
 * Looks for members that nobody reads.
 * @param known  ends with NULL
 * @return NULL, or a sentence that names one
 */
const char *mod_scep_json_known(const json_t *object, const char *const *known,
                                apr_pool_t *p);

/** Sends an object with a status; takes the caller's reference. */
int mod_scep_json_send(request_rec *r, int status, json_t *object);

/** Answers a method that the resource does not have.
 * @param allowed  those that it has: "GET, HEAD" */
int mod_scep_json_not_allowed(request_rec *r, const char *allowed);

/**
 * Sends an application/problem+json (RFC 9457) and logs it.
 * @param fmt  one sentence that says what to change
 */
int mod_scep_json_problem(request_rec *r, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/** A time as RFC 3339 has it, in UTC, with whole seconds. */
const char *mod_scep_json_time(apr_time_t time, apr_pool_t *p);

#endif
