/* message_parse.c - reads a pkiMessage: structure and signed attributes
 * SPDX-License-Identifier: Apache-2.0
 */
#include "message_private.h"

#include <limits.h>
#include <string.h>

#include <apr_strings.h>
#include <openssl/err.h>

/* The signed attributes that a request is read by. */
enum {
    CONTENT_TYPE,
    MESSAGE_DIGEST,
    SIGNING_TIME,
    MESSAGE_TYPE,
    TRANSACTION_ID,
    SENDER_NONCE,
    ATTRIBUTES
};

static int attribute_index(const ASN1_OBJECT *type, const scep_oid_t *oid)
{
    switch (OBJ_obj2nid(type)) {
    case NID_pkcs9_contentType:
        return CONTENT_TYPE;
    case NID_pkcs9_messageDigest:
        return MESSAGE_DIGEST;
    case NID_pkcs9_signingTime:
        return SIGNING_TIME;
    default:
        break;
    }
    if (OBJ_cmp(type, oid->message_type) == 0)
        return MESSAGE_TYPE;
    if (OBJ_cmp(type, oid->transaction_id) == 0)
        return TRANSACTION_ID;
    if (OBJ_cmp(type, oid->sender_nonce) == 0)
        return SENDER_NONCE;
    return ATTRIBUTES;
}

/* Sorts the attributes' values out, returns what is wrong with them. */
static const char *collect(const STACK_OF(X509_ATTRIBUTE) *attributes,
                           const scep_oid_t *oid, ASN1_TYPE **values)
{
    const char *fault = NULL;

    for (int i = 0; i < sk_X509_ATTRIBUTE_num(attributes); i++) {
        X509_ATTRIBUTE *attribute = sk_X509_ATTRIBUTE_value(attributes, i);
        int at = attribute_index(X509_ATTRIBUTE_get0_object(attribute), oid);

        if (at == ATTRIBUTES)
            continue;
        if (values[at] != NULL)
            fault = "an attribute is given twice";
        else if (X509_ATTRIBUTE_count(attribute) != 1)
            fault = "an attribute does not have one value";
        else
            values[at] = X509_ATTRIBUTE_get0_type(attribute, 0);
    }
    return fault;
}

/* The text of any string type as UTF-8, NULL where it is none or has a NUL
 * or is longer than max octets. */
static const char *text_of(const ASN1_TYPE *value, int max, apr_pool_t *p)
{
    unsigned char *utf8 = NULL;
    const char *text = NULL;
    int len;

    if ((ASN1_tag2bit(value->type) &
         (B_ASN1_DIRECTORYSTRING | B_ASN1_IA5STRING | B_ASN1_NUMERICSTRING)) ==
        0)
        return NULL;
    len = ASN1_STRING_to_UTF8(&utf8, value->value.asn1_string);
    if (len > 0 && len <= max && memchr(utf8, '\0', len) == NULL)
        text = apr_pstrmemdup(p, (const char *)utf8, len);
    OPENSSL_free(utf8);
    return text;
}

static const char *read_type(scep_message_t *message, const ASN1_TYPE *value,
                             apr_pool_t *p)
{
    const char *text;
    int type = 0;

    if (value == NULL)
        return "messageType is missing";
    text = text_of(value, 9, p);
    if (text == NULL || *text == '0' ||
        strspn(text, "0123456789") != strlen(text))
        return "messageType is not a number";
    while (*text != '\0')
        type = type * 10 + (*text++ - '0');
    message->type = type;
    return NULL;
}

static const char *read_transaction_id(scep_message_t *message,
                                       const ASN1_TYPE *value, apr_pool_t *p)
{
    if (value == NULL)
        return "transactionID is missing";
    message->transaction_id = text_of(value, SCEP_TRANSACTION_ID_MAX, p);
    if (message->transaction_id == NULL)
        return "transactionID is not a text of 1 to 255 octets";
    message->transaction_id_tag = value->type;
    return NULL;
}

static const char *read_nonce(scep_message_t *message, const ASN1_TYPE *value)
{
    int len;

    if (value == NULL)
        return "senderNonce is missing";
    if (value->type != V_ASN1_OCTET_STRING)
        return "senderNonce is not an OCTET STRING";
    len = ASN1_STRING_length(value->value.octet_string);
    if (len < SCEP_NONCE_MIN || len > SCEP_NONCE_MAX)
        return "senderNonce is not of 8 to 32 octets";
    memcpy(message->sender_nonce,
           ASN1_STRING_get0_data(value->value.octet_string), len);
    message->sender_nonce_len = len;
    return NULL;
}

/* Reads all that there is, since the CertRep FAILURE needs it, and says
 * what is wrong first. */
static apr_status_t read_attributes(scep_message_t *message,
                                    ASN1_TYPE **values, const char *fault,
                                    scep_result_t *res, apr_pool_t *p)
{
    const char *faults[] = {
        fault,
        read_transaction_id(message, values[TRANSACTION_ID], p),
        read_type(message, values[MESSAGE_TYPE], p),
        read_nonce(message, values[SENDER_NONCE]),
    };

    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        if (faults[i] != NULL)
            return scep_result_fail(res, p, SCEP_REASON_ATTRIBUTES, "%s",
                                    faults[i]);
    }
    return APR_SUCCESS;
}

static apr_status_t check_time(const ASN1_TYPE *value, apr_time_t now,
                               apr_interval_time_t max_skew,
                               scep_result_t *res, apr_pool_t *p)
{
    apr_int64_t limit = apr_time_sec(max_skew), off;
    ASN1_TIME *ours;
    int days, seconds, ok;

    if (max_skew == 0 || value == NULL)
        return APR_SUCCESS;
    if (value->type != V_ASN1_UTCTIME && value->type != V_ASN1_GENERALIZEDTIME)
        return scep_result_fail(res, p, SCEP_REASON_TIME,
                                "signingTime is not a time");
    ours = ASN1_TIME_set(NULL, apr_time_sec(now));
    ok = ours != NULL &&
         ASN1_TIME_diff(&days, &seconds, ours, value->value.asn1_string) == 1;
    ASN1_TIME_free(ours);
    if (!ok)
        return scep_result_fail(res, p, SCEP_REASON_TIME,
                                "signingTime is not a time");
    off = (apr_int64_t)days * 86400 + seconds;
    if (off > limit || off < -limit)
        return scep_result_fail(res, p, SCEP_REASON_TIME,
                                "signingTime is off by %" APR_INT64_T_FMT
                                " seconds",
                                off);
    return APR_SUCCESS;
}

static int is_data(const ASN1_OBJECT *type)
{
    return OBJ_obj2nid(type) == NID_pkcs7_data;
}

/* Signature and envelope, once the attributes are known. */
static apr_status_t open_message(
    scep_message_t *message, const scep_signed_data_t *data,
    const unsigned char *set, apr_size_t set_len,
    const STACK_OF(X509_ATTRIBUTE) *attributes, ASN1_TYPE **values,
    const scep_message_rule_t *rule, const scep_ra_t *ra,
    const scep_alg_t *alg, apr_time_t now, scep_result_t *res, apr_pool_t *p)
{
    const ASN1_OCTET_STRING *content = data->content->content;
    const ASN1_TYPE *type = values[CONTENT_TYPE];
    apr_status_t rv;

    if (!is_data(data->content->type) || type == NULL ||
        type->type != V_ASN1_OBJECT || !is_data(type->value.object))
        return scep_result_fail(res, p, SCEP_REASON_CHECK,
                                "the signed content or its contentType "
                                "attribute is not data");
    if (content == NULL)
        return scep_result_fail(res, p, SCEP_REASON_CHECK,
                                "there is no signed content");
    rv = scep_message_verify(message, data, set, set_len, attributes,
                             values[MESSAGE_DIGEST], alg, res, p);
    if (rv == APR_SUCCESS)
        rv = check_time(values[SIGNING_TIME], now, rule->max_skew, res, p);
    if (rv == APR_SUCCESS)
        rv = scep_message_decrypt(message, ASN1_STRING_get0_data(content),
                                  ASN1_STRING_length(content), rule, ra, alg,
                                  res, p);
    return rv;
}

static apr_status_t read_signer(scep_message_t *message,
                                const scep_signed_data_t *data,
                                const scep_message_rule_t *rule,
                                const scep_ra_t *ra, const scep_alg_t *alg,
                                const scep_oid_t *oid, apr_time_t now,
                                scep_result_t *res, apr_pool_t *p)
{
    const scep_signer_info_t *info =
        sk_scep_signer_info_t_value(data->signers, 0);
    STACK_OF(X509_ATTRIBUTE) *attributes = NULL;
    ASN1_TYPE *values[ATTRIBUTES] = { NULL };
    const unsigned char *at;
    unsigned char *set;
    apr_size_t set_len;
    apr_status_t rv;
    int digest;

    if (info->attributes == NULL)
        return scep_result_fail(res, p, SCEP_REASON_ATTRIBUTES,
                                "there are no signed attributes");
    set_len = ASN1_STRING_length(info->attributes);
    set = apr_pmemdup(p, ASN1_STRING_get0_data(info->attributes), set_len);
    set[0] = SCEP_TAG_SET;
    at = set;
    attributes = (STACK_OF(X509_ATTRIBUTE) *)ASN1_item_d2i(
        NULL, &at, (long)set_len, ASN1_ITEM_rptr(scep_attributes_t));
    if (attributes == NULL)
        return scep_result_fail(res, p, SCEP_REASON_ATTRIBUTES,
                                "the signed attributes cannot be read");
    rv = read_attributes(message, values, collect(attributes, oid, values),
                         res, p);
    digest = scep_alg_digest_by_nid(OBJ_obj2nid(info->digest->algorithm));
    message->digest = digest & rule->digests;
    if (rv == APR_SUCCESS && message->digest == 0)
        rv = scep_result_fail(res, p, SCEP_REASON_DIGEST,
                              "digest %s is not allowed",
                              scep_alg_digest_name(digest));
    if (rv == APR_SUCCESS)
        rv = open_message(message, data, set, set_len, attributes, values,
                          rule, ra, alg, now, res, p);
    sk_X509_ATTRIBUTE_pop_free(attributes, X509_ATTRIBUTE_free);
    return rv;
}

static apr_status_t free_signer(void *baton)
{
    scep_message_t *message = baton;

    EVP_PKEY_free(message->signer_key);
    X509_free(message->signer);
    return APR_SUCCESS;
}

apr_status_t scep_message_parse(scep_message_t **message,
                                const unsigned char *der, apr_size_t len,
                                const scep_message_rule_t *rule,
                                const scep_ra_t *ra, const scep_alg_t *alg,
                                const scep_oid_t *oid, apr_time_t now,
                                scep_result_t *res, apr_pool_t *p)
{
    const unsigned char *at = der;
    scep_signed_t *outer = NULL;
    apr_status_t rv;

    ERR_clear_error();
    *message = NULL;
    if (len <= LONG_MAX)
        outer = (scep_signed_t *)ASN1_item_d2i(NULL, &at, (long)len,
                                               ASN1_ITEM_rptr(scep_signed_t));
    if (outer == NULL || OBJ_obj2nid(outer->type) != NID_pkcs7_signed) {
        rv = scep_result_fail(res, p, SCEP_REASON_NOT_CMS,
                              "there is no SignedData in %" APR_SIZE_T_FMT
                              " octets",
                              len);
        goto leave;
    }
    *message = apr_pcalloc(p, sizeof(**message));
    (*message)->type = -1;
    apr_pool_cleanup_register(p, *message, free_signer, apr_pool_cleanup_null);
    if (sk_scep_signer_info_t_num(outer->content->signers) == 1)
        rv = read_signer(*message, outer->content, rule, ra, alg, oid, now,
                         res, p);
    else
        rv = scep_result_fail(res, p, SCEP_REASON_CHECK,
                              "there is not exactly one SignerInfo");
leave:
    ASN1_item_free((ASN1_VALUE *)outer, ASN1_ITEM_rptr(scep_signed_t));
    ERR_clear_error();
    return rv;
}
