/* ces_proto.h - what goes to the enrolment web service and comes back
 * SPDX-License-Identifier: Apache-2.0
 *
 * Texts alone: no connection, no clock, no randomness.  The protocol is
 * MS-WSTEP over SOAP 1.2.  Answers are read by their elements: the words in
 * them depend on the server's language.
 */
#ifndef SCEP_CES_PROTO_H
#define SCEP_CES_PROTO_H

#include "../../mod_scep/mod_scep.h"

#define CES_CONTENT_TYPE "application/soap+xml; charset=utf-8"

/** One envelope. */
typedef struct scep_ces_order_t {
    const char *url;        /**< of the service */
    const char *message_id; /**< urn:uuid:... */
    const char *user;       /**< for the header's UsernameToken, or NULL */
    const char *password;
    const char *template;     /**< name of the certificate template */
    const unsigned char *der; /**< PKCS#10, or CMS with one in it */
    apr_size_t len;
    int is_cms;
    const char *request_id; /**< not NULL: only ask what became of it */
} scep_ces_order_t;

/** Initialises libxml2, before there are threads. */
void scep_ces_proto_init(void);

/** Says whether a text can stand in an envelope. */
int scep_ces_proto_is_text(const char *text);

/** The envelope; the caller cleanses it where there is a password. */
const char *scep_ces_proto_order(const scep_ces_order_t *order, apr_pool_t *p);

/**
 * Says what an answer means.
 * @param body  has a NUL at body[len]
 * @param polled  the handle that was asked for, or NULL: the answer is one to
 *                a request.  What says nothing of a request that was asked
 *                for leaves it PENDING
 * @param result  ISSUED with certificate and chain; PENDING; REJECTED;
 *                UNAVAILABLE where nothing was done, or where it was denied
 *                for what passes; UNKNOWN, with a handle where the answer
 *                gives a request id
 */
void scep_ces_proto_answered(int status, const char *body, apr_size_t len,
                             const char *polled, scep_ca_result_t *result,
                             apr_pool_t *p);

/**
 * Takes a handle apart: "ID" or "ID URL".
 * @param url  that of the service: where the handle's is not of the same
 *             server it is not called, for passwords go with it
 * @param request_id  set to the id
 * @return the URL to call, or NULL: this is no handle
 */
const char *scep_ces_proto_handle(const char *handle, const char *url,
                                  const char **request_id, apr_pool_t *p);

#endif
