/* oid.h - SCEP's attribute types, as objects outside OpenSSL's table
 * SPDX-License-Identifier: Apache-2.0
 *
 * OBJ_create would fail on httpd's second configuration pass and on every
 * reload, so these are made with OBJ_txt2obj and live as long as the pool.
 */
#ifndef SCEP_OID_H
#define SCEP_OID_H

#include "result.h"

typedef struct scep_oid_t {
    ASN1_OBJECT *message_type;    /**< 2.16.840.1.113733.1.9.2 */
    ASN1_OBJECT *pki_status;      /**< 2.16.840.1.113733.1.9.3 */
    ASN1_OBJECT *fail_info;       /**< 2.16.840.1.113733.1.9.4 */
    ASN1_OBJECT *sender_nonce;    /**< 2.16.840.1.113733.1.9.5 */
    ASN1_OBJECT *recipient_nonce; /**< 2.16.840.1.113733.1.9.6 */
    ASN1_OBJECT *transaction_id;  /**< 2.16.840.1.113733.1.9.7 */
    ASN1_OBJECT *fail_info_text;  /**< 1.3.6.1.5.5.7.24.1 */
} scep_oid_t;

/** Makes the objects; they are freed with the pool. */
apr_status_t scep_oid_create(const scep_oid_t **oid, apr_pool_t *p);

/**
 * Reads a dotted number, or a name that OpenSSL knows.  OBJ_txt2obj alone
 * takes "1.2." too.
 * @param numbers_only  no names
 * @return what ASN1_OBJECT_free is for, or NULL
 */
ASN1_OBJECT *scep_oid_parse(const char *text, int numbers_only);

#endif
