/* check_message.c - pkiMessage: what is read, refused and answered
 * SPDX-License-Identifier: Apache-2.0
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_file_io.h>
#include <apr_strings.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/provider.h>

#include "message.h"
#include "support.h"
#include "run.h"

#define ALL_DIGESTS (SCEP_DIGESTS_DEFAULT | SCEP_DIGESTS_LEGACY)
#define ALL_CIPHERS (SCEP_CIPHERS_DEFAULT | SCEP_CIPHERS_LEGACY)

#define MESSAGE_TYPE "2.16.840.1.113733.1.9.2"
#define PKI_STATUS "2.16.840.1.113733.1.9.3"
#define FAIL_INFO "2.16.840.1.113733.1.9.4"
#define SENDER_NONCE "2.16.840.1.113733.1.9.5"
#define RECIPIENT_NONCE "2.16.840.1.113733.1.9.6"
#define TRANSACTION_ID "2.16.840.1.113733.1.9.7"
#define FAIL_INFO_TEXT "1.3.6.1.5.5.7.24.1"

static apr_pool_t *pool; /* of one test */
static scep_alg_t *alg;
static const scep_oid_t *oid;
static X509 *ra_cert, *client_cert;
static EVP_PKEY *ra_key, *client_key;
static scep_ra_t ra;
static scep_message_rule_t rule;
static const unsigned char nonce[SCEP_NONCE_LEN] = "0123456789abcdef";
static scep_reply_form_t form;

static scep_message_t *message;
static scep_result_t result;

/* Reads a file of t/data. */
static const unsigned char *data_file(const char *name, apr_size_t *len)
{
    const char *dir = getenv("srcdir");
    const char *path =
        apr_pstrcat(pool, dir != NULL ? dir : ".", "/t/data/", name, NULL);
    unsigned char *octets;
    apr_finfo_t info;
    apr_file_t *file;

    ck_assert_msg(apr_file_open(&file, path, APR_READ, 0, pool) == APR_SUCCESS,
                  "cannot open %s", path);
    ck_assert_int_eq(apr_file_info_get(&info, APR_FINFO_SIZE, file), 0);
    octets = apr_palloc(pool, info.size);
    ck_assert_int_eq(apr_file_read_full(file, octets, info.size, len), 0);
    apr_file_close(file);
    return octets;
}

static void load_pem(const char *name, X509 **cert, EVP_PKEY **key)
{
    apr_size_t len;
    const unsigned char *text = data_file(name, &len);
    BIO *bio = BIO_new_mem_buf(text, (int)len);

    *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    ck_assert(*cert != NULL && *key != NULL);
    BIO_free(bio);
}

static void set_up_all(void)
{
    scep_ra_pair_t pair;

    pool = support_pool();
    ck_assert_int_eq(scep_alg_create(&alg, 1, pool), APR_SUCCESS);
    ck_assert_int_eq(scep_oid_create(&oid, pool), APR_SUCCESS);
    load_pem("ra.pem", &ra_cert, &ra_key);
    load_pem("client.pem", &client_cert, &client_key);
    pair.cert = ra_cert;
    pair.key = ra_key;
    ra.sign = pair;
    ra.decrypt = apr_array_make(pool, 2, sizeof(pair));
    APR_ARRAY_PUSH(ra.decrypt, scep_ra_pair_t) = pair;
}

static void tear_down_all(void)
{
    X509_free(ra_cert);
    X509_free(client_cert);
    EVP_PKEY_free(ra_key);
    EVP_PKEY_free(client_key);
}

static void set_up(void)
{
    const scep_message_rule_t strict = { SCEP_DIGESTS_DEFAULT,
                                         SCEP_CIPHERS_DEFAULT, 0 };

    apr_pool_create(&pool, support_pool());
    rule = strict;
    ra.decrypt->nelts = 1;
    memset(&form, 0, sizeof(form));
}

static void tear_down(void)
{
    apr_pool_destroy(pool);
    ck_assert_uint_eq(ERR_peek_error(), 0);
}

static apr_status_t parse(const unsigned char *der, apr_size_t len)
{
    const scep_result_t none = SCEP_RESULT_INIT;
    apr_status_t rv;

    result = none;
    rv = scep_message_parse(&message, der, len, &rule, &ra, alg, oid,
                            apr_time_from_sec(1800000000), &result, pool);
    ck_assert_uint_eq(ERR_peek_error(), 0);
    ck_assert_int_eq(rv == APR_SUCCESS, result.reason == SCEP_REASON_NONE);
    return rv;
}

/* Reads a vector; the request in it is always the same. */
static void accept_vector(const char *name)
{
    apr_size_t len, csr_len;
    const unsigned char *der =
        data_file(apr_pstrcat(pool, "message-", name, ".der", NULL), &len);
    const unsigned char *csr = data_file("client-csr.der", &csr_len);

    ck_assert_msg(parse(der, len) == APR_SUCCESS, "%s: %s (%s)", name,
                  scep_result_reason_name(result.reason), result.detail);
    ck_assert_ptr_nonnull(message->transaction_id);
    ck_assert_ptr_nonnull(message->signer_key);
    ck_assert_int_eq(EVP_PKEY_eq(message->signer_key, client_key), 1);
    ck_assert_uint_eq(message->data_len, csr_len);
    ck_assert_mem_eq(message->data, csr, csr_len);
}

static void refuse_vector(const char *name, scep_reason_t reason)
{
    apr_size_t len;
    const unsigned char *der =
        data_file(apr_pstrcat(pool, "message-", name, ".der", NULL), &len);
    ck_assert_msg(parse(der, len) != APR_SUCCESS, "%s was accepted", name);
    ck_assert_msg(result.reason == reason, "%s: %s (%s)", name,
                  scep_result_reason_name(result.reason), result.detail);
    ck_assert_int_eq(message == NULL, result.http_status != 0);
    if (message != NULL)
        ck_assert_ptr_null(message->data);
}

/* A request that OpenSSL made, with any change. */
static support_request_t request_init(void)
{
    support_request_t request;
    apr_size_t len;
    const unsigned char *csr = data_file("client-csr.der", &len);

    support_request_init(&request, client_cert, client_key, ra_cert, csr, len,
                         pool);
    return request;
}

static apr_status_t parse_request(const support_request_t *request)
{
    apr_size_t len;
    const unsigned char *der = support_request(request, &len, pool);

    return parse(der, len);
}

/* ---- reading ---- */

START_TEST(r23_attributes_and_content_are_read)
{
    unsigned char octets[16];

    for (int i = 0; i < 16; i++)
        octets[i] = (unsigned char)i;
    accept_vector("plain");
    ck_assert_int_eq(message->type, SCEP_TYPE_PKCS_REQ);
    ck_assert_str_eq(message->transaction_id, "vector");
    ck_assert_uint_eq(message->sender_nonce_len, 16);
    ck_assert_mem_eq(message->sender_nonce, octets, 16);
    ck_assert_uint_eq(message->digest, SCEP_DIGEST_SHA256);
    ck_assert_uint_eq(message->cipher, SCEP_CIPHER_AES128);
    ck_assert_int_eq(message->transport.oaep, 0);
    ck_assert_int_eq(message->self_signed, 1);
    ck_assert_ptr_null(message->signer);
}
END_TEST

START_TEST(r23_missing_attributes_are_refused)
{
    refuse_vector("no-id", SCEP_REASON_ATTRIBUTES);
    ck_assert_ptr_null(message->transaction_id);
    ck_assert_int_eq(message->type, 19);
    ck_assert_uint_eq(message->sender_nonce_len, 16);
    refuse_vector("no-type", SCEP_REASON_ATTRIBUTES);
    ck_assert_int_eq(message->type, -1);
    ck_assert_str_eq(message->transaction_id, "vector");
    refuse_vector("no-nonce", SCEP_REASON_ATTRIBUTES);
    ck_assert_uint_eq(message->sender_nonce_len, 0);
    refuse_vector("no-attributes", SCEP_REASON_ATTRIBUTES);
}
END_TEST

START_TEST(r22_contenttype_must_be_data)
{
    refuse_vector("no-content-type", SCEP_REASON_CHECK);
    refuse_vector("wrong-content-type", SCEP_REASON_CHECK);
    refuse_vector("wrong-econtent-type", SCEP_REASON_CHECK);
    refuse_vector("no-content", SCEP_REASON_CHECK);
}
END_TEST

START_TEST(attributes_given_twice_are_refused)
{
    refuse_vector("two-ids", SCEP_REASON_ATTRIBUTES);
    refuse_vector("two-values", SCEP_REASON_ATTRIBUTES);
    refuse_vector("no-value", SCEP_REASON_ATTRIBUTES);
}
END_TEST

START_TEST(there_is_exactly_one_signer)
{
    refuse_vector("two-signers", SCEP_REASON_CHECK);
    refuse_vector("no-signers", SCEP_REASON_CHECK);
}
END_TEST

START_TEST(c28_ber_is_read_at_every_level)
{
    accept_vector("ber");
    accept_vector("ber-in-der");
}
END_TEST

START_TEST(c29_oaep_parameters_absent_null_empty_or_given)
{
    accept_vector("oaep-absent");
    ck_assert_int_eq(message->transport.oaep, 1);
    ck_assert_uint_eq(message->transport.md, SCEP_DIGEST_SHA1);
    accept_vector("oaep-null");
    accept_vector("oaep-empty");
    accept_vector("oaep-label");
    accept_vector("oaep-sha256");
    ck_assert_uint_eq(message->transport.md, SCEP_DIGEST_SHA256);
    ck_assert_uint_eq(message->transport.mgf1, SCEP_DIGEST_SHA256);
    accept_vector("oaep-sha256-mgf1-sha1");
    ck_assert_uint_eq(message->transport.mgf1, SCEP_DIGEST_SHA1);
    refuse_vector("oaep-md5", SCEP_REASON_CIPHER);
}
END_TEST

START_TEST(c30_all_decryption_faults_are_alike)
{
    static const char *const names[] = {
        "bad-padding",  "bad-key-length", "bad-key",
        "bad-key-size", "bad-oaep",       "bad-content",
    };
    scep_result_t first;

    refuse_vector(names[0], SCEP_REASON_CHECK);
    first = result;
    for (size_t i = 1; i < sizeof(names) / sizeof(names[0]); i++) {
        refuse_vector(names[i], SCEP_REASON_CHECK);
        ck_assert_int_eq(result.status, first.status);
        ck_assert_int_eq(result.fail_info, first.fail_info);
        ck_assert_int_eq(result.http_status, first.http_status);
        ck_assert_str_eq(result.text, first.text);
        ck_assert_str_eq(result.detail, first.detail);
    }
}
END_TEST

START_TEST(c30_signature_faults_show_the_same_text)
{
    const char *text;

    refuse_vector("bad-padding", SCEP_REASON_CHECK);
    text = result.text;
    refuse_vector("bad-signature", SCEP_REASON_CHECK);
    ck_assert_str_eq(result.text, text);
    refuse_vector("bad-digest", SCEP_REASON_CHECK);
    ck_assert_str_eq(result.text, text);
    refuse_vector("no-digest", SCEP_REASON_CHECK);
    refuse_vector("no-signer-certificate", SCEP_REASON_CHECK);
    ck_assert_str_eq(result.text, text);
    ck_assert_str_eq(message->transaction_id, "vector");
}
END_TEST

START_TEST(c31_ciphers_by_rule)
{
    accept_vector("aes256");
    ck_assert_uint_eq(message->cipher, SCEP_CIPHER_AES256);
    refuse_vector("des3", SCEP_REASON_CIPHER);
    ck_assert_int_eq(result.fail_info, SCEP_FAIL_BAD_ALG);
    ck_assert_uint_eq(message->cipher, 0);
    refuse_vector("gcm", SCEP_REASON_CIPHER);
    rule.ciphers |= SCEP_CIPHER_DES3;
    accept_vector("des3");
    ck_assert_uint_eq(message->cipher, SCEP_CIPHER_DES3);
}
END_TEST

START_TEST(c32_digests_by_rule)
{
    accept_vector("sha384");
    ck_assert_uint_eq(message->digest, SCEP_DIGEST_SHA384);
    accept_vector("sha512");
    refuse_vector("sha1", SCEP_REASON_DIGEST);
    ck_assert_int_eq(result.fail_info, SCEP_FAIL_BAD_ALG);
    ck_assert_str_eq(message->transaction_id, "vector");
    refuse_vector("des-md5", SCEP_REASON_DIGEST);
    rule.digests |= SCEP_DIGEST_SHA1;
    accept_vector("sha1");
}
END_TEST

START_TEST(q18_des_and_md5_where_the_rule_has_them)
{
    rule.digests = ALL_DIGESTS;
    refuse_vector("des-md5", SCEP_REASON_CIPHER);
    rule.ciphers = ALL_CIPHERS;
    accept_vector("des-md5");
    ck_assert_uint_eq(message->digest, SCEP_DIGEST_MD5);
    ck_assert_uint_eq(message->cipher, SCEP_CIPHER_DES);
}
END_TEST

START_TEST(c33_unsorted_attributes)
{
    accept_vector("unsorted");
    accept_vector("unsorted-as-sent");
}
END_TEST

START_TEST(pss_signatures_are_verified)
{
    accept_vector("pss");
}
END_TEST

START_TEST(c35_signer_is_found_among_several)
{
    accept_vector("signer-last");
    accept_vector("signer-key-id");
    accept_vector("many-certificates");
    refuse_vector("too-many-certificates", SCEP_REASON_CHECK);
}
END_TEST

START_TEST(q10_v1_and_odd_serial_numbers)
{
    accept_vector("signer-v1");
    accept_vector("signer-negative");
}
END_TEST

START_TEST(c36_transaction_id_of_any_string_type)
{
    accept_vector("id-utf8");
    ck_assert_str_eq(message->transaction_id, "Ger\303\244t 1");
    accept_vector("id-bmp");
    ck_assert_str_eq(message->transaction_id, "Ger\303\244t 1");
    accept_vector("id-t61");
    ck_assert_str_eq(message->transaction_id, "Ger\303\244t 1");
    accept_vector("id-ia5");
    ck_assert_str_eq(message->transaction_id, "a@b_c");
    accept_vector("id-odd-printable");
    ck_assert_str_eq(message->transaction_id, "a@b_c");
    accept_vector("id-255");
    ck_assert_uint_eq(strlen(message->transaction_id), 255);
}
END_TEST

START_TEST(c36_transaction_id_bounds)
{
    refuse_vector("id-256", SCEP_REASON_ATTRIBUTES);
    refuse_vector("id-empty", SCEP_REASON_ATTRIBUTES);
    refuse_vector("id-nul", SCEP_REASON_ATTRIBUTES);
    refuse_vector("id-octets", SCEP_REASON_ATTRIBUTES);
    ck_assert_ptr_null(message->transaction_id);
}
END_TEST

START_TEST(c37_nonces_of_8_to_32_octets)
{
    accept_vector("nonce-8");
    ck_assert_uint_eq(message->sender_nonce_len, 8);
    accept_vector("nonce-32");
    ck_assert_uint_eq(message->sender_nonce_len, 32);
    refuse_vector("nonce-7", SCEP_REASON_ATTRIBUTES);
    refuse_vector("nonce-33", SCEP_REASON_ATTRIBUTES);
    refuse_vector("nonce-text", SCEP_REASON_ATTRIBUTES);
}
END_TEST

START_TEST(c38_unknown_message_type_is_kept)
{
    accept_vector("type-18");
    ck_assert_int_eq(message->type, 18);
    refuse_vector("type-word", SCEP_REASON_ATTRIBUTES);
    ck_assert_int_eq(message->type, -1);
    refuse_vector("type-zero", SCEP_REASON_ATTRIBUTES);
    refuse_vector("type-long", SCEP_REASON_ATTRIBUTES);
}
END_TEST

START_TEST(q11_our_recipientinfo_is_found)
{
    accept_vector("two-recipients");
    accept_vector("recipient-key-id");
    accept_vector("unknown-recipient-kind");
    refuse_vector("wrong-recipient", SCEP_REASON_CHECK);
}
END_TEST

START_TEST(r21_any_certificate_of_the_ra_decrypts)
{
    EVP_PKEY *key = support_rsa(2048, pool);
    X509 *cert =
        support_cert("old RA", key, NULL, NULL, "keyEncipherment", pool);
    support_request_t request = request_init();
    scep_ra_pair_t pair = { cert, key };

    sk_X509_set(request.recipients, 0, cert);
    ck_assert_int_ne(parse_request(&request), APR_SUCCESS);
    APR_ARRAY_PUSH(ra.decrypt, scep_ra_pair_t) = pair;
    ck_assert_int_eq(parse_request(&request), APR_SUCCESS);
}
END_TEST

START_TEST(r27_only_data_in_an_enveloped_data)
{
    refuse_vector("inner-signed", SCEP_REASON_CHECK);
    refuse_vector("auth-enveloped", SCEP_REASON_CHECK);
    refuse_vector("bare-data", SCEP_REASON_CHECK);
    refuse_vector("no-encrypted-content", SCEP_REASON_CHECK);
    refuse_vector("bad-iv", SCEP_REASON_CHECK);
}
END_TEST

START_TEST(r61_signing_time_only_where_asked_for)
{
    accept_vector("signing-time");
    rule.max_skew = apr_time_from_sec(3600);
    refuse_vector("signing-time", SCEP_REASON_TIME);
    ck_assert_int_eq(result.fail_info, SCEP_FAIL_BAD_TIME);
    accept_vector("plain");
    rule.max_skew = apr_time_from_sec(400 * 86400);
    accept_vector("signing-time");
}
END_TEST

START_TEST(c10_cut_off_messages_are_refused)
{
    apr_size_t len;
    const unsigned char *der = data_file("message-plain.der", &len);

    for (apr_size_t cut = 0; cut < len; cut++) {
        unsigned char *copy = malloc(cut + 1); /* for the sanitizers */

        memcpy(copy, der, cut);
        ck_assert_int_ne(parse(copy, cut), APR_SUCCESS);
        ck_assert_int_eq(result.http_status, 400);
        ck_assert_ptr_null(message);
        free(copy);
    }
}
END_TEST

START_TEST(c10_changed_octets_are_never_accepted_as_such)
{
    apr_size_t len, csr_len;
    const unsigned char *der = data_file("message-plain.der", &len);
    const unsigned char *csr = data_file("client-csr.der", &csr_len);

    for (apr_size_t at = 0; at < len; at += 3) {
        unsigned char *copy = apr_pmemdup(pool, der, len);

        copy[at] ^= 0x11;
        if (parse(copy, len) == APR_SUCCESS) {
            ck_assert_uint_eq(message->data_len, csr_len);
            ck_assert_mem_eq(message->data, csr, csr_len);
            ck_assert_str_eq(message->transaction_id, "vector");
        }
    }
}
END_TEST

START_TEST(nested_bombs_are_refused)
{
    unsigned char *deep = apr_palloc(pool, 1 << 20);

    refuse_vector("bomb", SCEP_REASON_NOT_CMS);
    refuse_vector("bomb-in-content", SCEP_REASON_CHECK);
    for (apr_size_t i = 0; i < 1 << 20; i += 2) {
        deep[i] = 0x30;
        deep[i + 1] = 0x80;
    }
    ck_assert_int_ne(parse(deep, 1 << 20), APR_SUCCESS);
    ck_assert_int_eq(result.http_status, 400);
}
END_TEST

START_TEST(other_structures_are_not_messages)
{
    apr_size_t len;
    const unsigned char *csr = data_file("client-csr.der", &len);
    support_request_t request = request_init();
    const unsigned char *der;

    ck_assert_int_ne(parse(csr, len), APR_SUCCESS);
    ck_assert_int_eq(result.reason, SCEP_REASON_NOT_CMS);
    der = support_envelope(&request, &len, pool);
    ck_assert_int_ne(parse(der, len), APR_SUCCESS);
    ck_assert_int_eq(result.reason, SCEP_REASON_NOT_CMS);
}
END_TEST

/* Reads what a client of Debian's sent when it was given ra.pem. */
static void accept_client(const char *name)
{
    apr_size_t len;
    const unsigned char *der = data_file(name, &len), *at;
    X509_REQ *req;

    ck_assert_msg(parse(der, len) == APR_SUCCESS, "%s: %s (%s)", name,
                  scep_result_reason_name(result.reason), result.detail);
    at = message->data;
    req = d2i_X509_REQ(NULL, &at, (long)message->data_len);
    ck_assert_ptr_nonnull(req);
    ck_assert_int_eq(EVP_PKEY_eq(X509_REQ_get0_pubkey(req),
                                 message->signer_key),
                     1);
    X509_REQ_free(req);
    ck_assert_int_eq(message->type, SCEP_TYPE_PKCS_REQ);
    ck_assert_uint_eq(message->sender_nonce_len, 16);
    ck_assert_int_eq(message->self_signed, 1);
}

START_TEST(q18_scepclient_is_read_with_legacy_crypto)
{
    apr_size_t len;
    const unsigned char *der = data_file("real-scepclient.der", &len);

    ck_assert_int_ne(parse(der, len), APR_SUCCESS);
    ck_assert_int_eq(result.reason, SCEP_REASON_DIGEST);
    rule.digests |= SCEP_DIGEST_SHA1;
    ck_assert_int_ne(parse(der, len), APR_SUCCESS);
    ck_assert_int_eq(result.reason, SCEP_REASON_CIPHER);
    rule.ciphers |= SCEP_CIPHER_DES;
    accept_client("real-scepclient.der");
    ck_assert_ptr_nonnull(strchr(message->transaction_id, '='));
}
END_TEST

START_TEST(strongswan_is_read)
{
    accept_client("real-strongswan.der");
    ck_assert_uint_eq(message->digest, SCEP_DIGEST_SHA256);
    ck_assert_uint_eq(message->cipher, SCEP_CIPHER_AES128);
}
END_TEST

START_TEST(q10_certmonger_is_read)
{
    accept_client("real-certmonger.der");
    ck_assert_uint_eq(message->cipher, SCEP_CIPHER_AES256);
    ck_assert_uint_ge(strlen(message->transaction_id), 70);
}
END_TEST

START_TEST(issued_signers_are_decoded)
{
    EVP_PKEY *key = support_rsa(2048, pool);
    X509 *cert =
        support_cert("device", key, ra_cert, ra_key, "digitalSignature", pool);
    support_request_t request = request_init();

    request.signer = cert;
    request.signer_key = key;
    ck_assert_int_eq(parse_request(&request), APR_SUCCESS);
    ck_assert_int_eq(message->self_signed, 0);
    ck_assert_ptr_nonnull(message->signer);
    ck_assert_int_eq(X509_cmp(message->signer, cert), 0);
}
END_TEST

START_TEST(c75_keys_that_cannot_decrypt_are_refused)
{
    EVP_PKEY *key = support_ec("P-256", pool);
    support_request_t request = request_init();

    ck_assert_int_eq(parse_request(&request), APR_SUCCESS);
    ck_assert_int_eq(scep_message_can_reply(message, &result, pool),
                     APR_SUCCESS);
    request.signer_key = key;
    request.signer =
        support_cert("ec", key, NULL, NULL, "digitalSignature", pool);
    ck_assert_int_eq(parse_request(&request), APR_SUCCESS);
    ck_assert_int_ne(scep_message_can_reply(message, &result, pool),
                     APR_SUCCESS);
    ck_assert_int_eq(result.reason, SCEP_REASON_ENVELOPE_KEY);
    ck_assert_int_eq(result.fail_info, SCEP_FAIL_BAD_ALG);
}
END_TEST

/* ---- answering ---- */

static CMS_ContentInfo *reply; /* verified */

static CMS_SignerInfo *reply_signer(void)
{
    return sk_CMS_SignerInfo_value(CMS_get0_SignerInfos(reply), 0);
}

/* The only value of an attribute of the reply, NULL where it is absent. */
static ASN1_STRING *reply_attribute(const char *type, int *tag)
{
    ASN1_OBJECT *object = OBJ_txt2obj(type, 1);
    CMS_SignerInfo *info = reply_signer();
    int at = CMS_signed_get_attr_by_OBJ(info, object, -1);
    X509_ATTRIBUTE *attribute;
    ASN1_TYPE *value;

    ASN1_OBJECT_free(object);
    if (at < 0)
        return NULL;
    attribute = CMS_signed_get_attr(info, at);
    ck_assert_int_eq(X509_ATTRIBUTE_count(attribute), 1);
    value = X509_ATTRIBUTE_get0_type(attribute, 0);
    *tag = value->type;
    return value->value.asn1_string;
}

static void has_text(const char *type, int tag, const char *text)
{
    int found;
    const ASN1_STRING *string = reply_attribute(type, &found);

    ck_assert_ptr_nonnull(string);
    ck_assert_int_eq(found, tag);
    ck_assert_uint_eq(ASN1_STRING_length(string), strlen(text));
    ck_assert_mem_eq(ASN1_STRING_get0_data(string), text, strlen(text));
}

static void has_octets(const char *type, const unsigned char *octets,
                       apr_size_t len)
{
    int tag;
    const ASN1_STRING *string = reply_attribute(type, &tag);

    ck_assert_ptr_nonnull(string);
    ck_assert_int_eq(tag, V_ASN1_OCTET_STRING);
    ck_assert_uint_eq(ASN1_STRING_length(string), len);
    ck_assert_mem_eq(ASN1_STRING_get0_data(string), octets, len);
}

static void lacks(const char *type)
{
    int tag;

    ck_assert_ptr_null(reply_attribute(type, &tag));
}

static apr_status_t free_reply(void *cms)
{
    CMS_ContentInfo_free(cms);
    return APR_SUCCESS;
}

/* Builds a reply and lets OpenSSL verify it. */
static void answer(const scep_result_t *outcome, const STACK_OF(X509) *certs)
{
    STACK_OF(X509) *signers = sk_X509_new_null();
    const unsigned char *der, *at;
    unsigned char *again = NULL;
    BIO *out = BIO_new(BIO_s_mem());
    BIO *empty = BIO_new_mem_buf("", 0);
    apr_size_t len;
    int flags = CMS_NO_SIGNER_CERT_VERIFY | CMS_BINARY;
    int again_len;

    ck_assert_int_eq(scep_message_reply(message, outcome, certs, NULL, nonce,
                                        &form, &ra, alg, oid, &der, &len,
                                        &result, pool),
                     APR_SUCCESS);
    ck_assert_uint_eq(ERR_peek_error(), 0);
    at = der;
    reply = d2i_CMS_ContentInfo(NULL, &at, (long)len);
    ck_assert_ptr_nonnull(reply);
    apr_pool_cleanup_register(pool, reply, free_reply, apr_pool_cleanup_null);
    ck_assert_ptr_eq(at, der + len);
    again_len = i2d_CMS_ContentInfo(reply, &again);
    ck_assert_int_eq(again_len, (int)len); /* DER, C-56 */
    ck_assert_mem_eq(again, der, len);
    OPENSSL_free(again);
    sk_X509_push(signers, ra_cert);
    ck_assert_int_eq(CMS_verify(reply, signers, NULL,
                                form.content_absent ? empty : NULL, out,
                                flags),
                     1);
    BIO_free(empty);
    sk_X509_free(signers);
    BIO_free(out);
}

/* Opens the reply's envelope with the client's key. */
static PKCS7 *open_reply(void)
{
    const ASN1_OCTET_STRING *content = *CMS_get0_content(reply);
    const unsigned char *at = ASN1_STRING_get0_data(content);
    CMS_ContentInfo *envelope =
        d2i_CMS_ContentInfo(NULL, &at, ASN1_STRING_length(content));
    BIO *out = BIO_new(BIO_s_mem());
    unsigned char *again = NULL;
    PKCS7 *bag;
    char *data;
    long len;

    ck_assert_ptr_nonnull(envelope);
    ck_assert_int_eq(i2d_CMS_ContentInfo(envelope, &again),
                     ASN1_STRING_length(content));
    ck_assert_mem_eq(again, ASN1_STRING_get0_data(content),
                     ASN1_STRING_length(content));
    OPENSSL_free(again);
    ck_assert_int_eq(sk_CMS_RecipientInfo_num(
                         CMS_get0_RecipientInfos(envelope)),
                     1);
    ck_assert_int_eq(CMS_decrypt(envelope, client_key, client_cert, NULL, out,
                                 CMS_BINARY),
                     1);
    len = BIO_get_mem_data(out, &data);
    at = (const unsigned char *)data;
    bag = d2i_PKCS7(NULL, &at, len);
    ck_assert_ptr_nonnull(bag);
    BIO_free(out);
    CMS_ContentInfo_free(envelope);
    return bag;
}

static scep_result_t failure(scep_reason_t reason)
{
    scep_result_t outcome = SCEP_RESULT_INIT;

    scep_result_fail(&outcome, pool, reason, "test");
    return outcome;
}

static int reply_digest(void)
{
    X509_ALGOR *digest;

    CMS_SignerInfo_get0_algs(reply_signer(), NULL, NULL, &digest, NULL);
    return OBJ_obj2nid(digest->algorithm);
}

START_TEST(r41_failure_has_its_attributes_and_empty_content)
{
    scep_result_t outcome = failure(SCEP_REASON_CHALLENGE);
    ASN1_OCTET_STRING **content;

    accept_vector("plain");
    answer(&outcome, NULL);
    has_text(MESSAGE_TYPE, V_ASN1_PRINTABLESTRING, "3");
    has_text(PKI_STATUS, V_ASN1_PRINTABLESTRING, "2");
    has_text(FAIL_INFO, V_ASN1_PRINTABLESTRING, "2");
    has_text(FAIL_INFO_TEXT, V_ASN1_UTF8STRING, outcome.text);
    has_text(TRANSACTION_ID, V_ASN1_PRINTABLESTRING, "vector");
    has_octets(SENDER_NONCE, nonce, SCEP_NONCE_LEN);
    has_octets(RECIPIENT_NONCE, message->sender_nonce, 16);
    content = CMS_get0_content(reply);
    ck_assert_ptr_nonnull(*content); /* */
    ck_assert_int_eq(ASN1_STRING_length(*content), 0);
}
END_TEST

START_TEST(q8_content_is_left_out_where_the_form_says)
{
    scep_result_t outcome = failure(SCEP_REASON_CHALLENGE);

    accept_vector("plain");
    form.content_absent = 1;
    answer(&outcome, NULL);
    ck_assert_ptr_null(*CMS_get0_content(reply));
}
END_TEST

START_TEST(r46_pending_has_no_failinfo_and_empty_content)
{
    scep_result_t outcome = SCEP_RESULT_INIT;

    outcome.status = SCEP_STATUS_PENDING;
    accept_vector("plain");
    answer(&outcome, NULL);
    has_text(PKI_STATUS, V_ASN1_PRINTABLESTRING, "3");
    lacks(FAIL_INFO);
    lacks(FAIL_INFO_TEXT);
    ck_assert_int_eq(ASN1_STRING_length(*CMS_get0_content(reply)), 0);
}
END_TEST

START_TEST(failure_leaves_out_what_the_request_lacked)
{
    scep_result_t outcome;

    refuse_vector("no-id", SCEP_REASON_ATTRIBUTES);
    outcome = result;
    answer(&outcome, NULL);
    lacks(TRANSACTION_ID);
    has_octets(RECIPIENT_NONCE, message->sender_nonce, 16);
    refuse_vector("no-nonce", SCEP_REASON_ATTRIBUTES);
    outcome = result;
    answer(&outcome, NULL);
    lacks(RECIPIENT_NONCE);
    has_text(TRANSACTION_ID, V_ASN1_PRINTABLESTRING, "vector");
    refuse_vector("two-signers", SCEP_REASON_CHECK);
    outcome = result;
    answer(&outcome, NULL);
    has_text(FAIL_INFO, V_ASN1_PRINTABLESTRING, "1");
}
END_TEST

START_TEST(c53_digest_is_mirrored_or_sha256)
{
    scep_result_t outcome;

    rule.digests |= SCEP_DIGEST_SHA1;
    accept_vector("sha1");
    outcome = failure(SCEP_REASON_CSR);
    answer(&outcome, NULL);
    ck_assert_int_eq(reply_digest(), NID_sha1);
    accept_vector("sha512");
    answer(&outcome, NULL);
    ck_assert_int_eq(reply_digest(), NID_sha512);
    refuse_vector("des-md5", SCEP_REASON_DIGEST);
    outcome = result;
    answer(&outcome, NULL);
    ck_assert_int_eq(reply_digest(), NID_sha256);
    has_text(FAIL_INFO, V_ASN1_PRINTABLESTRING, "0");
}
END_TEST

START_TEST(q2_signature_algorithm_is_rsaencryption)
{
    scep_result_t outcome = failure(SCEP_REASON_CSR);
    X509_ALGOR *algorithm;

    accept_vector("plain");
    answer(&outcome, NULL);
    CMS_SignerInfo_get0_algs(reply_signer(), NULL, NULL, NULL, &algorithm);
    ck_assert_int_eq(OBJ_obj2nid(algorithm->algorithm), NID_rsaEncryption);
}
END_TEST

START_TEST(r24_transaction_id_comes_back_printable_or_utf8)
{
    scep_result_t outcome = failure(SCEP_REASON_CSR);

    accept_vector("id-ia5");
    answer(&outcome, NULL);
    has_text(TRANSACTION_ID, V_ASN1_UTF8STRING, "a@b_c");
    accept_vector("id-odd-printable");
    answer(&outcome, NULL);
    has_text(TRANSACTION_ID, V_ASN1_PRINTABLESTRING, "a@b_c");
    accept_vector("id-bmp");
    answer(&outcome, NULL);
    has_text(TRANSACTION_ID, V_ASN1_UTF8STRING, "Ger\303\244t 1");
}
END_TEST

START_TEST(c58_signer_certificate_by_form)
{
    scep_result_t outcome = failure(SCEP_REASON_CSR);
    STACK_OF(X509) *certs;

    accept_vector("plain");
    answer(&outcome, NULL);
    certs = CMS_get1_certs(reply);
    ck_assert_int_eq(sk_X509_num(certs), 1);
    ck_assert_int_eq(X509_cmp(sk_X509_value(certs, 0), ra_cert), 0);
    sk_X509_pop_free(certs, X509_free);
    form.signer_absent = 1;
    answer(&outcome, NULL);
    ck_assert_ptr_null(CMS_get1_certs(reply));
}
END_TEST

START_TEST(r44_success_has_the_certificates_in_order_content_absent)
{
    const scep_result_t outcome = SCEP_RESULT_INIT;
    X509 *issued = support_cert("device-1", client_key, ra_cert, ra_key,
                                "digitalSignature", pool);
    STACK_OF(X509) *certs = sk_X509_new_null();
    PKCS7 *bag;

    sk_X509_push(certs, issued);
    sk_X509_push(certs, ra_cert);
    accept_vector("plain");
    answer(&outcome, certs);
    has_text(PKI_STATUS, V_ASN1_PRINTABLESTRING, "0");
    lacks(FAIL_INFO);
    bag = open_reply();
    ck_assert_int_eq(OBJ_obj2nid(bag->type), NID_pkcs7_signed);
    ck_assert_ptr_null(bag->d.sign->contents->d.ptr); /* C-20 */
    ck_assert_int_eq(sk_X509_num(bag->d.sign->cert), 2);
    ck_assert_int_eq(X509_cmp(sk_X509_value(bag->d.sign->cert, 0), issued), 0);
    ck_assert_int_eq(X509_cmp(sk_X509_value(bag->d.sign->cert, 1), ra_cert),
                     0);
    PKCS7_free(bag);
    sk_X509_free(certs);
}
END_TEST

/* The content cipher and key transport of a SUCCESS to a vector. */
static void success(const char *vector, int *cipher, X509_ALGOR **transport)
{
    const scep_result_t outcome = SCEP_RESULT_INIT;
    STACK_OF(X509) *certs = sk_X509_new_null();
    const ASN1_OCTET_STRING *content;
    const unsigned char *at;
    PKCS7 *envelope;

    accept_vector(vector);
    sk_X509_push(certs, client_cert);
    answer(&outcome, certs);
    sk_X509_free(certs);
    content = *CMS_get0_content(reply);
    at = ASN1_STRING_get0_data(content);
    envelope = d2i_PKCS7(NULL, &at, ASN1_STRING_length(content));
    ck_assert_ptr_nonnull(envelope);
    ck_assert_int_eq(OBJ_obj2nid(envelope->type), NID_pkcs7_enveloped);
    *cipher =
        OBJ_obj2nid(envelope->d.enveloped->enc_data->algorithm->algorithm);
    *transport = X509_ALGOR_dup(
        sk_PKCS7_RECIP_INFO_value(envelope->d.enveloped->recipientinfo, 0)
            ->key_enc_algor);
    PKCS7_free(envelope);
}

START_TEST(q1_cipher_is_mirrored)
{
    static const struct {
        const char *vector;
        int nid;
    } rows[] = {
        { "plain", NID_aes_128_cbc },
        { "aes256", NID_aes_256_cbc },
        { "des3", NID_des_ede3_cbc },
        { "des-md5", NID_des_cbc },
    };
    X509_ALGOR *transport;
    int cipher;

    rule.ciphers = ALL_CIPHERS;
    rule.digests = ALL_DIGESTS;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        success(rows[i].vector, &cipher, &transport);
        ck_assert_int_eq(cipher, rows[i].nid);
        ck_assert_int_eq(OBJ_obj2nid(transport->algorithm), NID_rsaEncryption);
        ck_assert_int_eq(transport->parameter->type, V_ASN1_NULL);
        X509_ALGOR_free(transport);
        if (rows[i].nid != NID_des_cbc)
            PKCS7_free(open_reply());
    }
}
END_TEST

START_TEST(c55_oaep_is_mirrored_with_explicit_parameters)
{
    X509_ALGOR *transport;
    int cipher;

    success("oaep-absent", &cipher, &transport);
    ck_assert_int_eq(OBJ_obj2nid(transport->algorithm), NID_rsaesOaep);
    ck_assert_int_eq(transport->parameter->type, V_ASN1_SEQUENCE);
    ck_assert_int_eq(ASN1_STRING_length(transport->parameter->value.sequence),
                     2);
    X509_ALGOR_free(transport);
    PKCS7_free(open_reply());
    success("oaep-sha256", &cipher, &transport);
    ck_assert_int_gt(ASN1_STRING_length(transport->parameter->value.sequence),
                     2);
    X509_ALGOR_free(transport);
    PKCS7_free(open_reply());
    success("oaep-sha256-mgf1-sha1", &cipher, &transport);
    X509_ALGOR_free(transport);
    PKCS7_free(open_reply());
    form.force_pkcs1 = 1;
    success("oaep-sha256", &cipher, &transport);
    ck_assert_int_eq(OBJ_obj2nid(transport->algorithm), NID_rsaEncryption);
    X509_ALGOR_free(transport);
    PKCS7_free(open_reply());
}
END_TEST

static Suite *message_suite(void)
{
    Suite *suite = suite_create("message");
    TCase *reading = tcase_create("reading");
    TCase *answering = tcase_create("answering");

    tcase_set_timeout(reading, 120); /* Valgrind on a busy machine */
    tcase_add_unchecked_fixture(reading, set_up_all, tear_down_all);
    tcase_add_checked_fixture(reading, set_up, tear_down);
    tcase_add_test(reading, r23_attributes_and_content_are_read);
    tcase_add_test(reading, r23_missing_attributes_are_refused);
    tcase_add_test(reading, r22_contenttype_must_be_data);
    tcase_add_test(reading, attributes_given_twice_are_refused);
    tcase_add_test(reading, there_is_exactly_one_signer);
    tcase_add_test(reading, c28_ber_is_read_at_every_level);
    tcase_add_test(reading, c29_oaep_parameters_absent_null_empty_or_given);
    tcase_add_test(reading, c30_all_decryption_faults_are_alike);
    tcase_add_test(reading, c30_signature_faults_show_the_same_text);
    tcase_add_test(reading, c31_ciphers_by_rule);
    tcase_add_test(reading, c32_digests_by_rule);
    tcase_add_test(reading, q18_des_and_md5_where_the_rule_has_them);
    tcase_add_test(reading, c33_unsorted_attributes);
    tcase_add_test(reading, pss_signatures_are_verified);
    tcase_add_test(reading, c35_signer_is_found_among_several);
    tcase_add_test(reading, q10_v1_and_odd_serial_numbers);
    tcase_add_test(reading, c36_transaction_id_of_any_string_type);
    tcase_add_test(reading, c36_transaction_id_bounds);
    tcase_add_test(reading, c37_nonces_of_8_to_32_octets);
    tcase_add_test(reading, c38_unknown_message_type_is_kept);
    tcase_add_test(reading, q11_our_recipientinfo_is_found);
    tcase_add_test(reading, r21_any_certificate_of_the_ra_decrypts);
    tcase_add_test(reading, r27_only_data_in_an_enveloped_data);
    tcase_add_test(reading, r61_signing_time_only_where_asked_for);
    tcase_add_test(reading, c10_cut_off_messages_are_refused);
    tcase_add_test(reading, c10_changed_octets_are_never_accepted_as_such);
    tcase_add_test(reading, nested_bombs_are_refused);
    tcase_add_test(reading, other_structures_are_not_messages);
    tcase_add_test(reading, q18_scepclient_is_read_with_legacy_crypto);
    tcase_add_test(reading, strongswan_is_read);
    tcase_add_test(reading, q10_certmonger_is_read);
    tcase_add_test(reading, issued_signers_are_decoded);
    tcase_add_test(reading, c75_keys_that_cannot_decrypt_are_refused);
    suite_add_tcase(suite, reading);
    tcase_add_unchecked_fixture(answering, set_up_all, tear_down_all);
    tcase_add_checked_fixture(answering, set_up, tear_down);
    tcase_add_test(answering,
                   r41_failure_has_its_attributes_and_empty_content);
    tcase_add_test(answering, q8_content_is_left_out_where_the_form_says);
    tcase_add_test(answering, r46_pending_has_no_failinfo_and_empty_content);
    tcase_add_test(answering, failure_leaves_out_what_the_request_lacked);
    tcase_add_test(answering, c53_digest_is_mirrored_or_sha256);
    tcase_add_test(answering, q2_signature_algorithm_is_rsaencryption);
    tcase_add_test(answering, r24_transaction_id_comes_back_printable_or_utf8);
    tcase_add_test(answering, c58_signer_certificate_by_form);
    tcase_add_test(answering,
                   r44_success_has_the_certificates_in_order_content_absent);
    tcase_add_test(answering, q1_cipher_is_mirrored);
    tcase_add_test(answering, c55_oaep_is_mirrored_with_explicit_parameters);
    suite_add_tcase(suite, answering);
    return suite;
}

int main(void)
{
    return run_suite(message_suite());
}
