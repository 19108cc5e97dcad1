/* query.h - the operation and the message of an HTTP query string
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SCEP_QUERY_H
#define SCEP_QUERY_H

#include "result.h"

typedef enum {
    SCEP_OP_NONE = 0, /**< no operation parameter, or an empty one */
    SCEP_OP_GET_CA_CAPS,
    SCEP_OP_GET_CA_CERT,
    SCEP_OP_GET_CA_CERT_CHAIN, /**< of old drafts */
    SCEP_OP_GET_NEXT_CA_CERT,
    SCEP_OP_PKI_OPERATION,
    SCEP_OP_OTHER
} scep_op_t;

typedef struct scep_query_t {
    scep_op_t op;
    const char *name;    /**< the operation as sent, decoded; or NULL */
    const char *message; /**< the message parameter as sent, or NULL */
} scep_query_t;

/**
 * Splits a raw query string.  operation is matched case-sensitively; either
 * parameter given twice is SCEP_REASON_BAD_QUERY; others are ignored.
 * @param args  the raw query string, may be NULL
 */
apr_status_t scep_query_parse(scep_query_t *query, const char *args,
                              scep_result_t *res, apr_pool_t *p);

/**
 * Decodes a GET message (statement C-3): percent escapes, then base64 with
 * any of: '+' sent raw or turned to a space, raw '/', line ends inside,
 * padding missing, the base64url alphabet.
 * @param max  most octets accepted; over it SCEP_REASON_BAD_QUERY with
 *             http_status 414
 */
apr_status_t scep_query_message(const char *message, apr_size_t max,
                                const unsigned char **der, apr_size_t *len,
                                scep_result_t *res, apr_pool_t *p);

#endif
