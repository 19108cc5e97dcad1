/* certsrv_proto.h - what goes to ADCS's web enrolment and comes back
 * SPDX-License-Identifier: Apache-2.0
 *
 * Texts alone: no connection, no clock, no randomness.  Whatever the pages
 * are asked, they answer 200 and HTML in the server's language, so that only
 * numbers and the ids of elements decide.
 */
#ifndef SCEP_CERTSRV_PROTO_H
#define SCEP_CERTSRV_PROTO_H

#include "../../mod_scep/mod_scep.h"
#include "certsrv_page.h"

/** Paths below /certsrv. */
#define CERTSRV_SUBMIT "/certfnsh.asp"
#define CERTSRV_ISSUERS "/certcarc.asp"

/** A request that ADCS has filed. */
typedef struct scep_certsrv_ticket_t {
    /** its number.  Where a page does not say so by more than its words,
     * the numbers in it, and one of them is the request's */
    apr_uint32_t ids[SCEP_CERTSRV_IDS_MAX];
    int count;
    int guessed;
    unsigned char key[32]; /**< SHA-256 of the SubjectPublicKeyInfo */
} scep_certsrv_ticket_t;

/** What an answer about one request id means. */
typedef enum {
    SCEP_CERTSRV_DECIDED = 0, /**< the result says it */
    SCEP_CERTSRV_UNCLEAR,     /**< the result says it; ask again later */
    SCEP_CERTSRV_OTHER        /**< this is not the request's id */
} scep_certsrv_found_t;

/**
 * The body of a submission.  There is no way to put more than the template
 * into its attributes: SAN: is never sent.
 * @param is_cms  der is CMS, not PKCS#10
 * @param template  name, or NULL
 * @return the form, or NULL: the template's name cannot be sent
 */
const char *scep_certsrv_proto_form(const unsigned char *der, apr_size_t len,
                                    int is_cms, const char *template,
                                    apr_pool_t *p);

/** Whether a template's name can be sent. */
int scep_certsrv_proto_is_template(const char *template);

/**
 * Says what the answer to a submission means.
 * @param ticket  its key is set; gets what numbers there are
 * @param result  REJECTED; UNAVAILABLE where ADCS could do nothing; UNKNOWN
 * @return whether the ticket is to be asked about; where there is no such
 *         request the result says it all the same
 */
int scep_certsrv_proto_submitted(int status, const char *body, apr_size_t len,
                                 scep_certsrv_ticket_t *ticket,
                                 scep_ca_result_t *result, apr_pool_t *p);

/** The path that fetches the certificate of a request. */
const char *scep_certsrv_proto_fetch(apr_uint32_t id, apr_pool_t *p);

/**
 * Says what the answer to that means.
 * @param ticket  of the request
 * @param id  what was asked for
 */
scep_certsrv_found_t scep_certsrv_proto_fetched(
    int status, const char *body, apr_size_t len,
    const scep_certsrv_ticket_t *ticket, apr_uint32_t id,
    scep_ca_result_t *result, apr_pool_t *p);

/** A ticket as a handle, and back; read says whether it is one. */
const char *scep_certsrv_proto_handle(const scep_certsrv_ticket_t *ticket,
                                      apr_pool_t *p);
int scep_certsrv_proto_read_handle(const char *handle,
                                   scep_certsrv_ticket_t *ticket);

/**
 * Reads from certcarc.asp how often the CA was renewed.
 * @return the path that fetches the chain of its latest certificate, or NULL
 */
const char *scep_certsrv_proto_issuers(int status, const char *body,
                                       apr_size_t len, apr_pool_t *p);

/** What an HTTP status says, for the log. */
const char *scep_certsrv_proto_error(int status, const char *body,
                                     apr_size_t len, apr_pool_t *p);

#endif
