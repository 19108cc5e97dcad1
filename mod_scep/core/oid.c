/* oid.c - SCEP's attribute types, as objects outside OpenSSL's table
 * SPDX-License-Identifier: Apache-2.0
 */
#include "oid.h"

#include <string.h>

#include <openssl/err.h>

/* Verisign's arc, RFC 8894 section 3.2.1 */
#define VERISIGN_ATTRIBUTES "2.16.840.1.113733.1.9."

static apr_status_t free_objects(void *baton)
{
    scep_oid_t *oid = baton;

    ASN1_OBJECT_free(oid->message_type);
    ASN1_OBJECT_free(oid->pki_status);
    ASN1_OBJECT_free(oid->fail_info);
    ASN1_OBJECT_free(oid->sender_nonce);
    ASN1_OBJECT_free(oid->recipient_nonce);
    ASN1_OBJECT_free(oid->transaction_id);
    ASN1_OBJECT_free(oid->fail_info_text);
    return APR_SUCCESS;
}

apr_status_t scep_oid_create(const scep_oid_t **oid, apr_pool_t *p)
{
    scep_oid_t *made = apr_pcalloc(p, sizeof(*made));
    const struct {
        ASN1_OBJECT **object;
        const char *text;
    } list[] = {
        { &made->message_type, VERISIGN_ATTRIBUTES "2" },
        { &made->pki_status, VERISIGN_ATTRIBUTES "3" },
        { &made->fail_info, VERISIGN_ATTRIBUTES "4" },
        { &made->sender_nonce, VERISIGN_ATTRIBUTES "5" },
        { &made->recipient_nonce, VERISIGN_ATTRIBUTES "6" },
        { &made->transaction_id, VERISIGN_ATTRIBUTES "7" },
        { &made->fail_info_text, "1.3.6.1.5.5.7.24.1" },
    };

    apr_pool_cleanup_register(p, made, free_objects, apr_pool_cleanup_null);
    for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
        *list[i].object = OBJ_txt2obj(list[i].text, 1);
        if (*list[i].object == NULL) {
            ERR_clear_error();
            return APR_ENOMEM;
        }
    }
    *oid = made;
    return APR_SUCCESS;
}

static int is_dotted(const char *text)
{
    size_t digits = strspn(text, "0123456789");

    while (digits > 0 && text[digits] == '.') {
        text += digits + 1;
        digits = strspn(text, "0123456789");
    }
    return digits > 0 && text[digits] == '\0';
}

ASN1_OBJECT *scep_oid_parse(const char *text, int numbers_only)
{
    int number = strspn(text, "0123456789.") == strlen(text);
    ASN1_OBJECT *object = NULL;

    ERR_clear_error();
    if (number ? is_dotted(text) : !numbers_only)
        object = OBJ_txt2obj(text, number);
    ERR_clear_error();
    return object;
}
