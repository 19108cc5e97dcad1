/* http.h - read what a client sends, answer it
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MOD_SCEP_HTTP_H
#define MOD_SCEP_HTTP_H

#include "conf.h"

/**
 * Whether the container that sets the request's handler has a Require of
 * its own.  Where it has none nobody may be served, which is logged.
 */
int mod_scep_http_is_guarded(request_rec *r);

/**
 * Reads a request's body, counting while it reads.
 * @return OK, or the HTTP status: 413 over max, 400 cut off, 408 …
 */
int mod_scep_http_body(request_rec *r, apr_off_t max,
                       const unsigned char **body, apr_size_t *len);

/**
 * Sends a body.  The Content-Type goes out as it is, bare: clients compare
 * it with ==, so AddDefaultCharset must not touch it.
 */
int mod_scep_http_send(request_rec *r, const char *content_type,
                       const void *data, apr_size_t len);

/** Overwrites data once the request is over: a secret is in it. */
void mod_scep_http_forget(request_rec *r, void *data, apr_size_t len);

/** Sends an error as one line of text; its status stays what it is. */
int mod_scep_http_refuse(request_rec *r, int status, const char *text);

/** Notes a fact of the request for CustomLog and ap_expr. */
void mod_scep_http_note(request_rec *r, const char *name, const char *value);

#endif
