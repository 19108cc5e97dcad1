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

typedef struct {
    unsigned int tag; /* 0: not there */
    scep_der_t content;
} value_t;

static int is_oid(const scep_der_t *type, const ASN1_OBJECT *oid)
{
    return type->len == OBJ_length(oid) &&
           memcmp(type->at, OBJ_get0_data(oid), type->len) == 0;
}

static int attribute_index(const scep_der_t *type, const scep_oid_t *oid)
{
    if (is_oid(type, OBJ_nid2obj(NID_pkcs9_contentType)))
        return CONTENT_TYPE;
    if (is_oid(type, OBJ_nid2obj(NID_pkcs9_messageDigest)))
        return MESSAGE_DIGEST;
    if (is_oid(type, OBJ_nid2obj(NID_pkcs9_signingTime)))
        return SIGNING_TIME;
    if (is_oid(type, oid->message_type))
        return MESSAGE_TYPE;
    if (is_oid(type, oid->transaction_id))
        return TRANSACTION_ID;
    if (is_oid(type, oid->sender_nonce))
        return SENDER_NONCE;
    return ATTRIBUTES;
}

/* Sorts the attributes' values out, returns what is wrong with them. */
static const char *collect(const scep_signed_t *data, const scep_oid_t *oid,
                           value_t *values)
{
    const char *fault = NULL;

    for (apr_size_t i = 0; i < data->attributes_len; i++) {
        scep_der_t in = data->attributes[i], attribute, type, set;
        int at;

        if (!scep_der_expect(&in, SCEP_DER_SEQUENCE, &attribute) ||
            !scep_der_expect(&attribute, SCEP_DER_OID, &type) ||
            !scep_der_expect(&attribute, SCEP_DER_SET, &set))
            return "an attribute cannot be read";
        at = attribute_index(&type, oid);
        if (at == ATTRIBUTES)
            continue;
        if (values[at].tag != 0)
            fault = "an attribute is given twice";
        else if (!scep_der_next(&set, &values[at].tag, &values[at].content,
                                NULL) ||
                 set.len != 0)
            fault = "an attribute does not have one value";
    }
    return fault;
}

/* The value as one of OpenSSL's strings, NULL where it is of no such type;
 * the caller's to free. */
static ASN1_STRING *string_of(const value_t *value, unsigned long types)
{
    ASN1_STRING *string;

    if ((ASN1_tag2bit((int)value->tag) & types) == 0)
        return NULL;
    string = ASN1_STRING_type_new((int)value->tag);
    if (string != NULL && ASN1_STRING_set(string, value->content.at,
                                          (int)value->content.len) != 1) {
        ASN1_STRING_free(string);
        string = NULL;
    }
    return string;
}

/* The text of any string type as UTF-8, NULL where it is none or has a NUL
 * or is longer than max octets. */
static const char *text_of(const value_t *value, int max, apr_pool_t *p)
{
    ASN1_STRING *string =
        string_of(value, B_ASN1_DIRECTORYSTRING | B_ASN1_IA5STRING |
                             B_ASN1_NUMERICSTRING);
    unsigned char *utf8 = NULL;
    const char *text = NULL;
    int len;

    if (string == NULL)
        return NULL;
    len = ASN1_STRING_to_UTF8(&utf8, string);
    if (len > 0 && len <= max && memchr(utf8, '\0', len) == NULL)
        text = apr_pstrmemdup(p, (const char *)utf8, len);
    OPENSSL_free(utf8);
    ASN1_STRING_free(string);
    return text;
}

static const char *read_type(scep_message_t *message, const value_t *value,
                             apr_pool_t *p)
{
    const char *text;
    int type = 0;

    if (value->tag == 0)
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
                                       const value_t *value, apr_pool_t *p)
{
    if (value->tag == 0)
        return "transactionID is missing";
    message->transaction_id = text_of(value, SCEP_TRANSACTION_ID_MAX, p);
    if (message->transaction_id == NULL)
        return "transactionID is not a text of 1 to 255 octets";
    message->transaction_id_tag = (int)value->tag;
    return NULL;
}

static const char *read_nonce(scep_message_t *message, const value_t *value)
{
    apr_size_t len = value->content.len;

    if (value->tag == 0)
        return "senderNonce is missing";
    if (value->tag != SCEP_DER_OCTETS)
        return "senderNonce is not an OCTET STRING";
    if (len < SCEP_NONCE_MIN || len > SCEP_NONCE_MAX)
        return "senderNonce is not of 8 to 32 octets";
    memcpy(message->sender_nonce, value->content.at, len);
    message->sender_nonce_len = len;
    return NULL;
}

/* Reads all that there is, since the CertRep FAILURE needs it, and says
 * what is wrong first. */
static apr_status_t read_attributes(scep_message_t *message,
                                    const value_t *values, const char *fault,
                                    scep_result_t *res, apr_pool_t *p)
{
    const char *faults[] = {
        fault,
        read_transaction_id(message, &values[TRANSACTION_ID], p),
        read_type(message, &values[MESSAGE_TYPE], p),
        read_nonce(message, &values[SENDER_NONCE]),
    };

    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        if (faults[i] != NULL)
            return scep_result_fail(res, p, SCEP_REASON_ATTRIBUTES, "%s",
                                    faults[i]);
    }
    return APR_SUCCESS;
}

static apr_status_t check_time(const value_t *value, apr_time_t now,
                               apr_interval_time_t max_skew,
                               scep_result_t *res, apr_pool_t *p)
{
    apr_int64_t limit = apr_time_sec(max_skew), off;
    ASN1_STRING *theirs;
    ASN1_TIME *ours;
    int days, seconds, ok;

    if (max_skew == 0 || value->tag == 0)
        return APR_SUCCESS;
    theirs = string_of(value, B_ASN1_TIME);
    ours = ASN1_TIME_set(NULL, apr_time_sec(now));
    ok = theirs != NULL && ours != NULL &&
         ASN1_TIME_diff(&days, &seconds, ours, theirs) == 1;
    ASN1_STRING_free(theirs);
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

/* SignerInfo */
static int read_signer_info(scep_der_t *in, scep_signed_t *data)
{
    scep_der_t info, version, attributes, parameters;
    unsigned int tag;
    scep_der_t content;

    if (!scep_der_expect(in, SCEP_DER_SEQUENCE, &info) ||
        !scep_der_expect(&info, SCEP_DER_INTEGER, &version) ||
        !scep_der_next(&info, &tag, &content, &data->sid) ||
        !scep_der_algorithm(&info, &data->digest, &parameters) ||
        !scep_der_optional(&info, SCEP_DER_CONTEXT(0), &attributes) ||
        !scep_der_algorithm(&info, &data->algorithm, &parameters) ||
        !scep_der_expect(&info, SCEP_DER_OCTETS, &data->signature))
        return 0;
    data->has_attributes = attributes.at != NULL;
    data->attributes_len = 0;
    while (attributes.len > 0)
        if (data->attributes_len == SCEP_ATTRIBUTES_MAX ||
            !scep_der_next(&attributes, &tag, &content,
                           &data->attributes[data->attributes_len++]))
            return 0;
    return 1;
}

/* ContentInfo with SignedData; what is behind it is not looked at. */
static int read_signed(scep_der_t in, scep_signed_t *data)
{
    scep_der_t info, type, explicit, body, part, encapsulated, infos;

    if (!scep_der_expect(&in, SCEP_DER_SEQUENCE, &info) ||
        !scep_der_expect(&info, SCEP_DER_OID, &type) ||
        scep_der_nid(&type) != NID_pkcs7_signed ||
        !scep_der_expect(&info, SCEP_DER_CONTEXT(0), &explicit) ||
        !scep_der_expect(&explicit, SCEP_DER_SEQUENCE, &body) ||
        !scep_der_expect(&body, SCEP_DER_INTEGER, &part) ||
        !scep_der_expect(&body, SCEP_DER_SET, &part) ||
        !scep_der_expect(&body, SCEP_DER_SEQUENCE, &encapsulated) ||
        !scep_der_optional(&body, SCEP_DER_CONTEXT(0), &data->certificates) ||
        !scep_der_optional(&body, SCEP_DER_CONTEXT(1), &part) ||
        !scep_der_expect(&body, SCEP_DER_SET, &infos))
        return 0;
    if (!scep_der_expect(&encapsulated, SCEP_DER_OID, &type) ||
        !scep_der_optional(&encapsulated, SCEP_DER_CONTEXT(0), &explicit))
        return 0;
    data->content_type = scep_der_nid(&type);
    data->content = explicit;
    if (explicit.at != NULL &&
        !scep_der_expect(&explicit, SCEP_DER_OCTETS, &data->content))
        return 0;
    for (data->signers = 0; infos.len > 0; data->signers++)
        if (!read_signer_info(&infos, data))
            return 0;
    return 1;
}

static int is_data_oid(const value_t *value)
{
    return value->tag == SCEP_DER_OID &&
           scep_der_nid(&value->content) == NID_pkcs7_data;
}

/* Signature and envelope, once the attributes are known. */
static apr_status_t open_message(
    scep_message_t *message, const scep_signed_t *data, const value_t *values,
    const scep_message_rule_t *rule, const scep_ra_t *ra,
    const scep_alg_t *alg, apr_time_t now, scep_result_t *res, apr_pool_t *p)
{
    scep_der_t envelope;
    apr_status_t rv;

    if (data->content_type != NID_pkcs7_data ||
        !is_data_oid(&values[CONTENT_TYPE]))
        return scep_result_fail(res, p, SCEP_REASON_CHECK,
                                "the signed content or its contentType "
                                "attribute is not data");
    if (data->content.at == NULL ||
        values[MESSAGE_DIGEST].tag != SCEP_DER_OCTETS)
        return scep_result_fail(res, p, SCEP_REASON_CHECK,
                                "there is no signed content or no "
                                "messageDigest");
    rv = scep_message_verify(message, data, &values[MESSAGE_DIGEST].content,
                             alg, res, p);
    if (rv == APR_SUCCESS)
        rv = check_time(&values[SIGNING_TIME], now, rule->max_skew, res, p);
    if (rv != APR_SUCCESS)
        return rv;
    if (!scep_der_from_ber(&envelope, data->content.at, data->content.len, p))
        return scep_result_fail(res, p, SCEP_REASON_CHECK,
                                "the content cannot be read");
    return scep_message_decrypt(message, &envelope, rule, ra, alg, res, p);
}

static apr_status_t read_message(scep_message_t *message,
                                 const scep_signed_t *data,
                                 const scep_message_rule_t *rule,
                                 const scep_ra_t *ra, const scep_alg_t *alg,
                                 const scep_oid_t *oid, apr_time_t now,
                                 scep_result_t *res, apr_pool_t *p)
{
    value_t values[ATTRIBUTES] = { { 0, { NULL, 0 } } };
    unsigned int digest;
    apr_status_t rv;

    if (data->signers != 1)
        return scep_result_fail(res, p, SCEP_REASON_CHECK,
                                "there is not exactly one SignerInfo");
    if (!data->has_attributes)
        return scep_result_fail(res, p, SCEP_REASON_ATTRIBUTES,
                                "there are no signed attributes");
    rv = read_attributes(message, values, collect(data, oid, values), res, p);
    digest = scep_alg_digest_by_nid(data->digest);
    message->digest = digest & rule->digests;
    if (rv == APR_SUCCESS && message->digest == 0)
        rv = scep_result_fail(res, p, SCEP_REASON_DIGEST,
                              "digest %s is not allowed",
                              scep_alg_digest_name(digest));
    if (rv == APR_SUCCESS)
        rv = open_message(message, data, values, rule, ra, alg, now, res, p);
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
    scep_signed_t data;
    scep_der_t in;
    apr_status_t rv;

    ERR_clear_error();
    *message = NULL;
    if (len > INT_MAX || !scep_der_from_ber(&in, der, len, p) ||
        !read_signed(in, &data))
        return scep_result_fail(res, p, SCEP_REASON_NOT_CMS,
                                "there is no SignedData in %" APR_SIZE_T_FMT
                                " octets",
                                len);
    *message = apr_pcalloc(p, sizeof(**message));
    (*message)->type = -1;
    apr_pool_cleanup_register(p, *message, free_signer, apr_pool_cleanup_null);
    rv = read_message(*message, &data, rule, ra, alg, oid, now, res, p);
    ERR_clear_error();
    return rv;
}
