/* check_ca_openssl.c - tests of the local CA's certificates
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <apr_hash.h>
#include <apr_strings.h>
#include <check.h>
#include <openssl/conf.h>
#include <openssl/err.h>
#include <openssl/rand.h>

#include "../../ca-connectors/openssl/issue.h"
#include "run.h"

#define DAY apr_time_from_sec(86400)

static apr_pool_t *pool;
static EVP_PKEY *ec_ca_key, *rsa_ca_key, *rsa_key, *ec_key;
static apr_time_t now;

static EVP_PKEY *rsa(size_t bits)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", bits);

    ck_assert_ptr_nonnull(key);
    return key;
}

static EVP_PKEY *ec(const char *curve)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", curve);

    ck_assert_ptr_nonnull(key);
    return key;
}

static void setup_keys(void)
{
    ec_ca_key = ec("P-256");
    rsa_ca_key = rsa(2048);
    rsa_key = rsa(2048);
    ec_key = ec("P-256");
}

static void free_keys(void)
{
    EVP_PKEY_free(ec_ca_key);
    EVP_PKEY_free(rsa_ca_key);
    EVP_PKEY_free(rsa_key);
    EVP_PKEY_free(ec_key);
}

static void setup(void)
{
    ck_assert_int_eq(apr_initialize(), APR_SUCCESS);
    ck_assert_int_eq(apr_pool_create(&pool, NULL), APR_SUCCESS);
    now = apr_time_now();
}

/* Whatever a test did, nothing may be left for the next one on the thread. */
static void teardown(void)
{
    ck_assert_uint_eq(ERR_peek_error(), 0);
    apr_pool_destroy(pool);
    apr_terminate();
}

static apr_status_t name_free(void *data)
{
    X509_NAME_free(data);
    return APR_SUCCESS;
}

static apr_status_t cert_free(void *data)
{
    X509_free(data);
    return APR_SUCCESS;
}

static apr_status_t extensions_free(void *data)
{
    sk_X509_EXTENSION_pop_free(data, X509_EXTENSION_free);
    return APR_SUCCESS;
}

static X509_NAME *name(const char *cn)
{
    X509_NAME *made = X509_NAME_new();

    if (cn != NULL)
        ck_assert(X509_NAME_add_entry_by_txt(made, "CN", MBSTRING_UTF8,
                                             (const unsigned char *)cn, -1, -1,
                                             0));
    apr_pool_cleanup_register(pool, made, name_free, apr_pool_cleanup_null);
    return made;
}

static void add(X509 *x, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *ext;

    X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
    ext = X509V3_EXT_nconf_nid(NULL, &ctx, nid, value);
    ck_assert_ptr_nonnull(ext);
    ck_assert(X509_add_ext(x, ext, -1));
    X509_EXTENSION_free(ext);
}

typedef struct ca_t {
    EVP_PKEY *key;
    const char *constraints, *usage, *ski;
    apr_time_t from, until;
} ca_t;

static ca_t good_ca(EVP_PKEY *key)
{
    return (ca_t){ key,    "critical,CA:TRUE", "critical,keyCertSign,cRLSign",
                   "hash", now - 30 * DAY,     now + 3650 * DAY };
}

static X509 *ca_cert(const ca_t *ca)
{
    X509 *x = X509_new();

    ck_assert(X509_set_version(x, X509_VERSION_3));
    ck_assert(ASN1_INTEGER_set(X509_get_serialNumber(x), 1));
    ck_assert(X509_set_subject_name(x, name("Test CA")));
    ck_assert(X509_set_issuer_name(x, name("Test CA")));
    ck_assert(ASN1_TIME_set(X509_getm_notBefore(x), apr_time_sec(ca->from)));
    ck_assert(ASN1_TIME_set(X509_getm_notAfter(x), apr_time_sec(ca->until)));
    ck_assert(X509_set_pubkey(x, ca->key));
    if (ca->ski != NULL)
        add(x, NID_subject_key_identifier, ca->ski);
    if (ca->constraints != NULL)
        add(x, NID_basic_constraints, ca->constraints);
    if (ca->usage != NULL)
        add(x, NID_key_usage, ca->usage);
    ck_assert(X509_sign(x, ca->key, EVP_sha256()));
    apr_pool_cleanup_register(pool, x, cert_free, apr_pool_cleanup_null);
    return x;
}

static const scep_issuer_rule_t plain_rule = { "SHA256",
                                               apr_time_from_sec(600), NULL,
                                               NULL, NULL };

static scep_issuer_t *issuer_with(const ca_t *ca,
                                  const scep_issuer_rule_t *rule)
{
    scep_issuer_t *issuer = NULL;
    const char *error =
        scep_issuer_prepare(&issuer, ca_cert(ca), ca->key, rule, now, pool);

    ck_assert_msg(error == NULL, "%s", error);
    ck_assert_ptr_nonnull(issuer);
    return issuer;
}

static scep_issuer_t *issuer_of(EVP_PKEY *key)
{
    ca_t ca = good_ca(key);

    return issuer_with(&ca, &plain_rule);
}

/* What prepare says to a CA and a key. */
static const char *complaint(const ca_t *ca, EVP_PKEY *key)
{
    scep_issuer_t *issuer = NULL;
    const char *error =
        scep_issuer_prepare(&issuer, ca_cert(ca), key, &plain_rule, now, pool);

    ck_assert_ptr_nonnull(error);
    ck_assert_ptr_null(issuer);
    ck_assert_uint_eq(ERR_peek_error(), 0);
    return error;
}

static STACK_OF(X509_EXTENSION) *no_extensions(void)
{
    STACK_OF(X509_EXTENSION) *exts = sk_X509_EXTENSION_new_null();

    apr_pool_cleanup_register(pool, exts, extensions_free,
                              apr_pool_cleanup_null);
    return exts;
}

static void ask(STACK_OF(X509_EXTENSION) *exts, const char *oid, int critical,
                const void *data, int len)
{
    ASN1_OBJECT *type = OBJ_txt2obj(oid, 0);
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();

    ck_assert(ASN1_OCTET_STRING_set(value, data, len));
    ck_assert(sk_X509_EXTENSION_push(
        exts, X509_EXTENSION_create_by_OBJ(NULL, type, critical, value)));
    ASN1_OCTET_STRING_free(value);
    ASN1_OBJECT_free(type);
}

static void ask_conf(STACK_OF(X509_EXTENSION) *exts, int nid,
                     const char *value)
{
    X509_EXTENSION *ext = X509V3_EXT_nconf_nid(NULL, NULL, nid, value);

    ck_assert_ptr_nonnull(ext);
    ck_assert(sk_X509_EXTENSION_push(exts, ext));
}

static scep_ca_request_t request_for(EVP_PKEY *key)
{
    scep_ca_request_t request = { 0 };
    unsigned char *spki = NULL;
    int len = i2d_PUBKEY(key, &spki);

    ck_assert_int_gt(len, 0);
    request.profile = "default";
    request.subject = name("device-1");
    request.spki = apr_pmemdup(pool, spki, len);
    request.spki_len = len;
    request.key = key;
    request.validity = 365 * DAY;
    request.key_usage = KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT;
    request.now = now;
    OPENSSL_free(spki);
    return request;
}

static scep_ca_result_t run(const scep_issuer_t *issuer,
                            const scep_ca_request_t *request)
{
    unsigned char serial[SCEP_ISSUE_SERIAL_LEN];
    scep_ca_result_t result = { 0 };

    ck_assert_int_eq(RAND_bytes(serial, sizeof(serial)), 1);
    ERR_raise(ERR_LIB_USER, 1); /* of someone before us on the thread */
    scep_issue_certificate(issuer, request, serial, &result, pool);
    ck_assert_uint_eq(ERR_peek_error(), 0);
    return result;
}

static X509 *issued(const scep_issuer_t *issuer,
                    const scep_ca_request_t *request)
{
    scep_ca_result_t result = run(issuer, request);

    ck_assert_msg(result.outcome == SCEP_CA_ISSUED, "%s", result.reason);
    ck_assert_ptr_nonnull(result.certificate);
    return result.certificate;
}

static scep_ca_result_t not_issued(const scep_issuer_t *issuer,
                                   const scep_ca_request_t *request,
                                   scep_ca_outcome_t outcome)
{
    scep_ca_result_t result = run(issuer, request);

    ck_assert_int_eq(result.outcome, outcome);
    ck_assert_ptr_null(result.certificate);
    ck_assert_ptr_nonnull(result.reason);
    return result;
}

/* The certificate as a relying party sees it: decoded from its octets. */
static X509 *decoded(X509 *cert)
{
    unsigned char *der = NULL;
    int len = i2d_X509(cert, &der);
    const unsigned char *p = der;
    X509 *again = d2i_X509(NULL, &p, len);

    ck_assert_ptr_nonnull(again);
    ck_assert_ptr_eq(p, der + len);
    OPENSSL_free(der);
    apr_pool_cleanup_register(pool, again, cert_free, apr_pool_cleanup_null);
    return again;
}

static void assert_verifies(const scep_issuer_t *issuer, X509 *cert)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    int ok;

    ck_assert(X509_STORE_add_cert(store, issuer->ca));
    ck_assert(X509_STORE_CTX_init(ctx, store, decoded(cert), NULL));
    X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_X509_STRICT);
    ok = X509_verify_cert(ctx);
    ck_assert_msg(ok == 1, "%s",
                  X509_verify_cert_error_string(
                      X509_STORE_CTX_get_error(ctx)));
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
}

static X509_EXTENSION *find(X509 *cert, int nid)
{
    int at = X509_get_ext_by_NID(cert, nid, -1);

    ck_assert_int_eq(X509_get_ext_by_NID(cert, nid, at), -1);
    return at < 0 ? NULL : X509_get_ext(cert, at);
}

static void assert_extension(X509 *cert, int nid, int critical,
                             const void *data, int len)
{
    X509_EXTENSION *ext = find(cert, nid);
    const ASN1_OCTET_STRING *value;

    ck_assert_ptr_nonnull(ext);
    ck_assert_int_eq(X509_EXTENSION_get_critical(ext), critical);
    value = X509_EXTENSION_get_data(ext);
    ck_assert_int_eq(ASN1_STRING_length(value), len);
    ck_assert_mem_eq(ASN1_STRING_get0_data(value), data, len);
}

static apr_int64_t seconds(const ASN1_TIME *time)
{
    struct tm tm;

    ck_assert(ASN1_TIME_to_tm(time, &tm));
    return timegm(&tm);
}

/* ------------------------------------------------------------------ */

START_TEST(certificate_has_what_was_approved)
{
    static const unsigned char no_ca[] = { 0x30, 0x00 };
    static const unsigned char usage[] = { 0x03, 0x02, 0x05, 0xa0 };
    static const unsigned char eku[] = { 0x30, 0x0a, 0x06, 0x08, 0x2b, 0x06,
                                         0x01, 0x05, 0x05, 0x07, 0x03, 0x02 };
    scep_issuer_t *issuer = issuer_of(ec_ca_key);
    scep_ca_request_t request = request_for(rsa_key);
    apr_array_header_t *usages =
        apr_array_make(pool, 1, sizeof(const ASN1_OBJECT *));
    unsigned char *spki = NULL;
    X509 *cert;

    APR_ARRAY_PUSH(usages, const ASN1_OBJECT *) = OBJ_nid2obj(NID_client_auth);
    request.ext_key_usage = usages;
    cert = issued(issuer, &request);
    assert_verifies(issuer, cert);
    cert = decoded(cert);
    ck_assert_int_eq(X509_get_version(cert), X509_VERSION_3);
    ck_assert_int_eq(X509_NAME_cmp(X509_get_issuer_name(cert),
                                   X509_get_subject_name(issuer->ca)),
                     0);
    ck_assert_int_eq(X509_NAME_cmp(X509_get_subject_name(cert),
                                   request.subject),
                     0);
    ck_assert_int_eq(i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &spki),
                     (int)request.spki_len);
    ck_assert_mem_eq(spki, request.spki, request.spki_len);
    OPENSSL_free(spki);
    assert_extension(cert, NID_basic_constraints, 1, no_ca, sizeof(no_ca));
    assert_extension(cert, NID_key_usage, 1, usage, sizeof(usage));
    assert_extension(cert, NID_ext_key_usage, 0, eku, sizeof(eku));
    ck_assert_int_eq(X509_get_ext_count(cert), 5);
    ck_assert_int_eq(X509_get_signature_nid(cert), NID_ecdsa_with_SHA256);
}
END_TEST

START_TEST(key_identifiers_are_sha1_of_the_key_bits)
{
    scep_issuer_t *issuer = issuer_of(ec_ca_key);
    scep_ca_request_t request = request_for(rsa_key);
    X509 *cert = decoded(issued(issuer, &request));
    unsigned char md[20];
    unsigned int len = sizeof(md);
    const ASN1_OCTET_STRING *akid;

    ck_assert(X509_pubkey_digest(cert, EVP_sha1(), md, &len));
    ck_assert_int_eq(ASN1_STRING_length(X509_get0_subject_key_id(cert)), 20);
    ck_assert_mem_eq(ASN1_STRING_get0_data(X509_get0_subject_key_id(cert)), md,
                     20);
    akid = X509_get0_authority_key_id(cert);
    ck_assert_ptr_nonnull(akid);
    ck_assert_int_eq(
        ASN1_OCTET_STRING_cmp(akid, X509_get0_subject_key_id(issuer->ca)), 0);
    /* C-26: critical, it is refused by strict parsers */
    ck_assert_int_eq(X509_EXTENSION_get_critical(
                         find(cert, NID_authority_key_identifier)),
                     0);
    ck_assert_ptr_null(X509_get0_authority_issuer(cert));
    ck_assert_int_eq(X509_EXTENSION_get_critical(
                         find(cert, NID_subject_key_identifier)),
                     0);
}
END_TEST

START_TEST(ca_without_key_identifier_gets_one_in_its_certificates)
{
    ca_t ca = good_ca(rsa_ca_key);
    scep_ca_request_t request = request_for(rsa_key);
    scep_issuer_t *issuer;
    unsigned char md[20];
    unsigned int len = sizeof(md);
    X509 *cert;

    ca.ski = NULL;
    issuer = issuer_with(&ca, &plain_rule);
    cert = decoded(issued(issuer, &request));
    ck_assert(X509_pubkey_digest(issuer->ca, EVP_sha1(), md, &len));
    ck_assert_mem_eq(ASN1_STRING_get0_data(X509_get0_authority_key_id(cert)),
                     md, 20);
}
END_TEST

START_TEST(every_ca_key_certifies_every_subject_key)
{
    EVP_PKEY *cas[] = { ec_ca_key, rsa_ca_key, ec("P-384"), ec("P-521"),
                        rsa(3072) };
    EVP_PKEY *keys[] = {
        rsa_key, rsa(3072),   rsa(4096),
        ec_key,  ec("P-384"), EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
    };
    size_t i, j;

    for (i = 0; i < sizeof(cas) / sizeof(cas[0]); i++) {
        scep_issuer_t *issuer = issuer_of(cas[i]);

        for (j = 0; j < sizeof(keys) / sizeof(keys[0]); j++) {
            scep_ca_request_t request = request_for(keys[j]);
            X509 *cert = issued(issuer, &request);

            assert_verifies(issuer, cert);
            ck_assert_int_eq(EVP_PKEY_eq(X509_get0_pubkey(decoded(cert)),
                                         keys[j]),
                             1);
        }
    }
    for (i = 2; i < sizeof(cas) / sizeof(cas[0]); i++)
        EVP_PKEY_free(cas[i]);
    for (j = 0; j < sizeof(keys) / sizeof(keys[0]); j++)
        if (keys[j] != rsa_key && keys[j] != ec_key)
            EVP_PKEY_free(keys[j]);
}
END_TEST

/* Half of all points end in a bit of zero; the BIT STRING must keep it. */
START_TEST(points_that_end_in_zeros_are_kept)
{
    scep_issuer_t *issuer = issuer_of(ec_ca_key);
    int i;

    for (i = 0; i < 600; i++) {
        EVP_PKEY *key = ec("P-256");
        scep_ca_request_t request = request_for(key);

        issued(issuer, &request);
        EVP_PKEY_free(key);
    }
}
END_TEST

START_TEST(digest_is_the_configured_one)
{
    static const struct {
        const char *digest;
        int ec, rsa;
    } rows[] = {
        { "SHA256", NID_ecdsa_with_SHA256, NID_sha256WithRSAEncryption },
        { "SHA384", NID_ecdsa_with_SHA384, NID_sha384WithRSAEncryption },
        { "SHA512", NID_ecdsa_with_SHA512, NID_sha512WithRSAEncryption }
    };
    ca_t ec_ca = good_ca(ec_ca_key), rsa_ca = good_ca(rsa_ca_key);
    scep_ca_request_t request = request_for(rsa_key);
    scep_issuer_rule_t rule = plain_rule;
    X509 *cert;
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        rule.digest = rows[i].digest;
        cert = issued(issuer_with(&ec_ca, &rule), &request);
        ck_assert_int_eq(X509_get_signature_nid(cert), rows[i].ec);
        cert = issued(issuer_with(&rsa_ca, &rule), &request);
        ck_assert_int_eq(X509_get_signature_nid(cert), rows[i].rsa);
    }
}
END_TEST

START_TEST(serials_are_long_positive_and_never_the_same)
{
    enum { COUNT = 10000 };
    scep_issuer_t *issuer = issuer_of(ec_ca_key);
    scep_ca_request_t request = request_for(rsa_key);
    apr_hash_t *seen = apr_hash_make(pool);
    int i, shorter = 0;

    for (i = 0; i < COUNT; i++) {
        X509 *cert = issued(issuer, &request);
        BIGNUM *n = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
        char *hex = BN_bn2hex(n);

        ck_assert(!BN_is_negative(n) && !BN_is_zero(n));
        ck_assert_int_le(BN_num_bits(n), 127);
        ck_assert_int_gt(BN_num_bits(n), 64);
        shorter += BN_num_bits(n) < 127;
        ck_assert_ptr_null(apr_hash_get(seen, hex, APR_HASH_KEY_STRING));
        apr_hash_set(seen, apr_pstrdup(pool, hex), APR_HASH_KEY_STRING, "");
        OPENSSL_free(hex);
        BN_free(n);
    }
    /* all 127 bits are random: half of them have the first one set */
    ck_assert_int_gt(shorter, COUNT * 45 / 100);
    ck_assert_int_lt(shorter, COUNT * 55 / 100);
}
END_TEST

START_TEST(serial_is_minimal_der_whatever_the_octets)
{
    static const unsigned char random[][SCEP_ISSUE_SERIAL_LEN] = {
        { 0xff, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 },
        { 0x80, 0x00, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 },
        { 0x00, 0x80, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 },
        { 0x00, 0x00, 0x7f, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 },
    };
    static const char *const hex[] = { "7F0102030405060708090A0B0C0D0E0F",
                                       "02030405060708090A0B0C0D0E0F",
                                       "8002030405060708090A0B0C0D0E0F",
                                       "7F030405060708090A0B0C0D0E0F" };
    scep_issuer_t *issuer = issuer_of(ec_ca_key);
    scep_ca_request_t request = request_for(rsa_key);
    size_t i;

    for (i = 0; i < sizeof(random) / sizeof(random[0]); i++) {
        scep_ca_result_t result = { 0 };
        unsigned char *der = NULL;
        char *text;
        BIGNUM *n;
        int len;

        scep_issue_certificate(issuer, &request, random[i], &result, pool);
        ck_assert_int_eq(result.outcome, SCEP_CA_ISSUED);
        len =
            i2d_ASN1_INTEGER(X509_get_serialNumber(result.certificate), &der);
        ck_assert(der[2] < 0x80);
        ck_assert(len < 3 || der[2] != 0 || der[3] >= 0x80);
        OPENSSL_free(der);
        n = ASN1_INTEGER_to_BN(X509_get_serialNumber(
                                   decoded(result.certificate)),
                               NULL);
        text = BN_bn2hex(n);
        ck_assert_str_eq(text, hex[i]);
        OPENSSL_free(text);
        BN_free(n);
    }
}
END_TEST

START_TEST(serial_of_zero_is_never_used)
{
    static const unsigned char zero[SCEP_ISSUE_SERIAL_LEN] = { 0x80 };
    scep_ca_request_t request = request_for(rsa_key);
    scep_ca_result_t result = { 0 };

    scep_issue_certificate(issuer_of(ec_ca_key), &request, zero, &result,
                           pool);
    ck_assert_int_eq(result.outcome, SCEP_CA_UNAVAILABLE);
    ck_assert_ptr_null(result.certificate);
}
END_TEST

START_TEST(lifetime_is_as_asked_and_backdated)
{
    scep_issuer_t *issuer = issuer_of(ec_ca_key);
    scep_ca_request_t request = request_for(rsa_key);
    X509 *cert = issued(issuer, &request);

    ck_assert_int_eq(seconds(X509_get0_notBefore(cert)),
                     apr_time_sec(now) - 600);
    ck_assert_int_eq(seconds(X509_get0_notAfter(cert)),
                     apr_time_sec(now + 365 * DAY));
    request.validity = 0;
    cert = issued(issuer, &request);
    ck_assert_int_eq(seconds(X509_get0_notAfter(cert)),
                     apr_time_sec(now + SCEP_ISSUE_VALIDITY_DEFAULT));
}
END_TEST

START_TEST(lifetime_stays_inside_the_ca_s)
{
    ca_t ca = good_ca(ec_ca_key);
    scep_ca_request_t request = request_for(rsa_key);
    scep_issuer_t *issuer;
    scep_ca_result_t result;

    ca.from = now - apr_time_from_sec(60);
    ca.until = now + 30 * DAY;
    issuer = issuer_with(&ca, &plain_rule);
    result = run(issuer, &request);
    ck_assert_int_eq(result.outcome, SCEP_CA_ISSUED);
    ck_assert_ptr_nonnull(strstr(result.reason, "cut"));
    ck_assert_int_eq(seconds(X509_get0_notBefore(result.certificate)),
                     apr_time_sec(ca.from));
    ck_assert_int_eq(seconds(X509_get0_notAfter(result.certificate)),
                     apr_time_sec(ca.until));
    assert_verifies(issuer, result.certificate);
    request.validity = APR_INT64_MAX;
    ck_assert_int_eq(seconds(X509_get0_notAfter(issued(issuer, &request))),
                     apr_time_sec(ca.until));
}
END_TEST

START_TEST(lifetime_beyond_2049_is_encoded_as_it_must_be)
{
    ca_t ca = good_ca(ec_ca_key);
    scep_ca_request_t request = request_for(rsa_key);
    scep_issuer_t *issuer;
    X509 *cert;

    ca.until = now + 20000 * DAY;
    request.validity = 15000 * DAY;
    issuer = issuer_with(&ca, &plain_rule);
    cert = issued(issuer, &request);
    ck_assert_int_eq(X509_get0_notBefore(cert)->type, V_ASN1_UTCTIME);
    ck_assert_int_eq(X509_get0_notAfter(cert)->type, V_ASN1_GENERALIZEDTIME);
    assert_verifies(issuer, cert);
}
END_TEST

START_TEST(ca_outside_its_lifetime_issues_nothing)
{
    ca_t ca = good_ca(ec_ca_key);
    scep_ca_request_t request = request_for(rsa_key);
    scep_issuer_t *issuer;

    ca.until = now + DAY;
    issuer = issuer_with(&ca, &plain_rule);
    request.now = now + 2 * DAY;
    not_issued(issuer, &request, SCEP_CA_UNAVAILABLE);
    request.now = ca.from - DAY;
    not_issued(issuer, &request, SCEP_CA_UNAVAILABLE);
    request.now = now;
    request.validity = -1;
    ck_assert(!not_issued(issuer, &request, SCEP_CA_REJECTED).device_fault);
}
END_TEST

START_TEST(key_usage_fits_the_key)
{
    scep_issuer_t *issuer = issuer_of(ec_ca_key);
    scep_ca_request_t request = request_for(ec_key);

    ck_assert_uint_eq(X509_get_key_usage(decoded(issued(issuer, &request))),
                      KU_DIGITAL_SIGNATURE);
    request.key_usage = KU_KEY_ENCIPHERMENT;
    ck_assert_uint_eq(X509_get_key_usage(decoded(issued(issuer, &request))),
                      KU_DIGITAL_SIGNATURE);
    request.key_usage = KU_KEY_AGREEMENT | KU_DECIPHER_ONLY;
    ck_assert_uint_eq(X509_get_key_usage(decoded(issued(issuer, &request))),
                      KU_KEY_AGREEMENT | KU_DECIPHER_ONLY);
    request = request_for(rsa_key);
    request.key_usage = 0;
    ck_assert_uint_eq(X509_get_key_usage(decoded(issued(issuer, &request))),
                      KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT);
    request.key_usage = KU_NON_REPUDIATION | KU_DATA_ENCIPHERMENT;
    ck_assert_uint_eq(X509_get_key_usage(decoded(issued(issuer, &request))),
                      KU_NON_REPUDIATION | KU_DATA_ENCIPHERMENT);
    request.key_usage = KU_DIGITAL_SIGNATURE | KU_KEY_CERT_SIGN;
    ck_assert(!not_issued(issuer, &request, SCEP_CA_REJECTED).device_fault);
}
END_TEST

START_TEST(places_are_written_where_configured)
{
    ca_t ca = good_ca(ec_ca_key);
    scep_issuer_rule_t rule = plain_rule;
    apr_array_header_t *crl = apr_array_make(pool, 2, sizeof(char *));
    apr_array_header_t *aia = apr_array_make(pool, 1, sizeof(char *));
    apr_array_header_t *ocsp = apr_array_make(pool, 1, sizeof(char *));
    scep_ca_request_t request = request_for(rsa_key);
    CRL_DIST_POINTS *points;
    AUTHORITY_INFO_ACCESS *access;
    GENERAL_NAMES *names;
    ACCESS_DESCRIPTION *entry;
    X509 *cert;

    APR_ARRAY_PUSH(crl, const char *) = "http://a.example/ca.crl";
    APR_ARRAY_PUSH(crl, const char *) = "ldap://b.example/cn=ca";
    APR_ARRAY_PUSH(aia, const char *) = "http://a.example/ca.crt";
    APR_ARRAY_PUSH(ocsp, const char *) = "http://ocsp.example/";
    rule.crl_urls = crl;
    rule.issuer_urls = aia;
    rule.ocsp_urls = ocsp;
    cert = decoded(issued(issuer_with(&ca, &rule), &request));
    points = X509_get_ext_d2i(cert, NID_crl_distribution_points, NULL, NULL);
    ck_assert_int_eq(sk_DIST_POINT_num(points), 1);
    names = sk_DIST_POINT_value(points, 0)->distpoint->name.fullname;
    ck_assert_int_eq(sk_GENERAL_NAME_num(names), 2);
    ck_assert_int_eq(sk_GENERAL_NAME_value(names, 1)->type, GEN_URI);
    ck_assert_mem_eq(
        sk_GENERAL_NAME_value(names, 1)->d.uniformResourceIdentifier->data,
        "ldap://b.example/cn=ca", 22);
    CRL_DIST_POINTS_free(points);
    access = X509_get_ext_d2i(cert, NID_info_access, NULL, NULL);
    ck_assert_int_eq(sk_ACCESS_DESCRIPTION_num(access), 2);
    entry = sk_ACCESS_DESCRIPTION_value(access, 0);
    ck_assert_int_eq(OBJ_obj2nid(entry->method), NID_ad_OCSP);
    entry = sk_ACCESS_DESCRIPTION_value(access, 1);
    ck_assert_int_eq(OBJ_obj2nid(entry->method), NID_ad_ca_issuers);
    ck_assert_mem_eq(entry->location->d.uniformResourceIdentifier->data,
                     "http://a.example/ca.crt", 23);
    AUTHORITY_INFO_ACCESS_free(access);
    ck_assert_int_eq(X509_EXTENSION_get_critical(find(cert, NID_info_access)),
                     0);
}
END_TEST

START_TEST(c47_names_are_carried_octet_for_octet)
{
    /* ediPartyName and x400Address, which OpenSSL has no words for */
    static const unsigned char odd[] = { 0x30, 0x0c, 0xa5, 0x08, 0xa1,
                                         0x06, 0x0c, 0x04, 't',  'e',
                                         's',  't',  0xa3, 0x00 };
    static const char *const words[] = {
        "DNS:a.example, DNS:*.b.example",
        "IP:192.0.2.1, IP:2001:db8::1",
        "email:a@b.example",
        "URI:urn:uuid:1234",
        "RID:1.2.3.4",
        "otherName:1.3.6.1.4.1.311.20.2.3;UTF8:user@b.example"
    };
    scep_issuer_t *issuer = issuer_of(ec_ca_key);
    scep_ca_request_t request = request_for(rsa_key);
    STACK_OF(X509_EXTENSION) *exts = no_extensions();
    const ASN1_OCTET_STRING *value;
    size_t i;

    request.extensions = exts;
    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        X509_EXTENSION_free(sk_X509_EXTENSION_pop(exts));
        ask_conf(exts, NID_subject_alt_name, words[i]);
        value = X509_EXTENSION_get_data(sk_X509_EXTENSION_value(exts, 0));
        assert_extension(decoded(issued(issuer, &request)),
                         NID_subject_alt_name, 0, value->data, value->length);
    }
    X509_EXTENSION_free(sk_X509_EXTENSION_pop(exts));
    ask(exts, "2.5.29.17", 1, odd, sizeof(odd));
    assert_extension(issued(issuer, &request), NID_subject_alt_name, 1, odd,
                     sizeof(odd));
}
END_TEST

START_TEST(c44_empty_subject_needs_a_critical_san)
{
    scep_issuer_t *issuer = issuer_of(ec_ca_key);
    scep_ca_request_t request = request_for(rsa_key);
    STACK_OF(X509_EXTENSION) *exts = no_extensions();
    X509 *cert;

    request.subject = name(NULL);
    request.extensions = exts;
    ck_assert(not_issued(issuer, &request, SCEP_CA_REJECTED).device_fault);
    ask_conf(exts, NID_subject_alt_name, "DNS:a.example");
    cert = issued(issuer, &request);
    ck_assert_int_eq(X509_EXTENSION_get_critical(
                         find(cert, NID_subject_alt_name)),
                     1);
    assert_verifies(issuer, cert);
    /* the caller's own extension is as it was */
    ck_assert_int_eq(X509_EXTENSION_get_critical(
                         sk_X509_EXTENSION_value(exts, 0)),
                     0);
}
END_TEST

START_TEST(extensions_of_the_ca_win_and_others_are_copied)
{
    static const unsigned char is_ca[] = { 0x30, 0x03, 0x01, 0x01, 0xff };
    static const unsigned char no_ca[] = { 0x30, 0x00 };
    static const unsigned char own[] = { 0x04, 0x02, 0x01, 0x02 };
    scep_issuer_t *issuer = issuer_of(ec_ca_key);
    scep_ca_request_t request = request_for(rsa_key);
    STACK_OF(X509_EXTENSION) *exts = no_extensions();
    scep_ca_result_t result;
    X509 *cert;

    ask(exts, "2.5.29.19", 1, is_ca, sizeof(is_ca));
    ask(exts, "1.3.6.1.4.1.99999.1", 0, own, sizeof(own));
    ask_conf(exts, NID_ext_key_usage, "serverAuth");
    request.extensions = exts;
    result = run(issuer, &request);
    ck_assert_int_eq(result.outcome, SCEP_CA_ISSUED);
    ck_assert_ptr_nonnull(strstr(result.reason, "Basic Constraints"));
    cert = decoded(result.certificate);
    assert_extension(cert, NID_basic_constraints, 1, no_ca, sizeof(no_ca));
    ck_assert_ptr_nonnull(find(cert, NID_ext_key_usage));
    ck_assert_int_eq(X509_get_ext_count(cert), 6);
    ask(exts, "1.3.6.1.4.1.99999.1", 0, own, sizeof(own));
    result = not_issued(issuer, &request, SCEP_CA_REJECTED);
    ck_assert(result.device_fault);
    ck_assert_int_eq(result.fail_info, SCEP_FAIL_BAD_REQUEST);
    ck_assert_ptr_nonnull(strstr(result.reason, "1.3.6.1.4.1.99999.1"));
}
END_TEST

START_TEST(subject_keeps_its_string_types)
{
    scep_issuer_t *issuer = issuer_of(ec_ca_key);
    scep_ca_request_t request = request_for(rsa_key);
    X509_NAME *subject = name(NULL), *in_cert;
    const ASN1_STRING *value;

    ck_assert(X509_NAME_add_entry_by_txt(subject, "O", V_ASN1_T61STRING,
                                         (const unsigned char *)"b", 1, -1,
                                         0));
    ck_assert(X509_NAME_add_entry_by_txt(subject, "unstructuredName",
                                         V_ASN1_IA5STRING,
                                         (const unsigned char *)"r1.example",
                                         -1, -1, 0));
    ck_assert(X509_NAME_add_entry_by_txt(subject, "CN", V_ASN1_BMPSTRING,
                                         (const unsigned char *)"\0a", 2, -1,
                                         -1));
    request.subject = subject;
    in_cert = X509_get_subject_name(decoded(issued(issuer, &request)));
    ck_assert_int_eq(X509_NAME_entry_count(in_cert), 3);
    value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(in_cert, 0));
    ck_assert_int_eq(value->type, V_ASN1_T61STRING);
    /* SET OF: the shorter one comes first */
    value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(in_cert, 1));
    ck_assert_int_eq(value->type, V_ASN1_BMPSTRING);
    value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(in_cert, 2));
    ck_assert_int_eq(value->type, V_ASN1_IA5STRING);
    ck_assert_int_eq(X509_NAME_ENTRY_set(X509_NAME_get_entry(in_cert, 1)),
                     X509_NAME_ENTRY_set(X509_NAME_get_entry(in_cert, 2)));
}
END_TEST

START_TEST(garbled_keys_are_the_device_s_fault)
{
    scep_issuer_t *issuer = issuer_of(ec_ca_key);
    scep_ca_request_t request = request_for(ec_key);
    apr_size_t len = request.spki_len;
    unsigned char *longer = apr_pcalloc(pool, len + 1);

    for (request.spki_len = 0; request.spki_len < len; request.spki_len++)
        ck_assert(not_issued(issuer, &request, SCEP_CA_REJECTED).device_fault);
    memcpy(longer, request.spki, len);
    request.spki = longer;
    request.spki_len = len + 1;
    ck_assert(not_issued(issuer, &request, SCEP_CA_REJECTED).device_fault);
    /* the same key, its length in two octets where one would do */
    memmove(longer + 2, longer + 1, len - 1);
    longer[1] = 0x81;
    ck_assert(not_issued(issuer, &request, SCEP_CA_REJECTED).device_fault);
}
END_TEST

START_TEST(unfit_ca_certificates_are_refused)
{
    ca_t ca = good_ca(ec_ca_key);

    ca.usage = "critical,cRLSign";
    ck_assert_ptr_nonnull(strstr(complaint(&ca, ca.key), "keyCertSign"));
    ca = good_ca(ec_ca_key);
    ca.constraints = "critical,CA:FALSE";
    ck_assert_ptr_nonnull(strstr(complaint(&ca, ca.key), "basicConstraints"));
    ca = good_ca(ec_ca_key);
    ca.until = now - DAY;
    ck_assert_ptr_nonnull(strstr(complaint(&ca, ca.key), "expired"));
    /* the same without a key to look at, as configtest may have it */
    ck_assert_ptr_nonnull(strstr(complaint(&ca, NULL), "expired"));
}
END_TEST

START_TEST(unfit_keys_are_refused)
{
    EVP_PKEY *weak = rsa(1024),
             *other = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    ca_t ca = good_ca(ec_ca_key);

    ck_assert_ptr_nonnull(
        strstr(complaint(&ca, ec_key), "ScepOpenSSLKey: the key does not"));
    ck_assert_ptr_nonnull(
        strstr(complaint(&ca, rsa_key), "ScepOpenSSLKey: the key does not"));
    ck_assert_ptr_nonnull(strstr(complaint(&ca, other), "neither an RSA"));
    ca = good_ca(weak);
    ck_assert_ptr_nonnull(strstr(complaint(&ca, weak), "2048 bits"));
    EVP_PKEY_free(weak);
    EVP_PKEY_free(other);
}
END_TEST

START_TEST(ca_without_its_key_is_unavailable)
{
    ca_t ca = good_ca(ec_ca_key);
    scep_ca_request_t request = request_for(rsa_key);
    scep_issuer_t *issuer = NULL;

    ck_assert_ptr_null(scep_issuer_prepare(&issuer, ca_cert(&ca), NULL,
                                           &plain_rule, now, pool));
    not_issued(issuer, &request, SCEP_CA_UNAVAILABLE);
}
END_TEST

START_TEST(key_that_fails_to_sign_is_our_fault)
{
    scep_ca_request_t request = request_for(rsa_key);
    ca_t ca = good_ca(rsa_ca_key);
    scep_issuer_t *issuer = issuer_with(&ca, &plain_rule);
    unsigned char *der = NULL;
    const unsigned char *p;
    int len = i2d_PUBKEY(rsa_ca_key, &der);
    EVP_PKEY *whole = issuer->key;

    /* a public key in place of the private one: signing must fail */
    p = der;
    EVP_MD_CTX_free(issuer->signer);
    issuer->signer = NULL;
    issuer->key = d2i_PUBKEY(NULL, &p, len);
    OPENSSL_free(der);
    not_issued(issuer, &request, SCEP_CA_UNAVAILABLE);
    EVP_PKEY_free(issuer->key);
    issuer->key = whole;
    /* and without the prepared context a whole key signs all the same */
    assert_verifies(issuer, issued(issuer, &request));
}
END_TEST

/* ------------------------------------------------------------------ */

static Suite *suite(void)
{
    Suite *s = suite_create("ca_openssl");
    TCase *t = tcase_create("issue");

    tcase_add_unchecked_fixture(t, setup_keys, free_keys);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 120);
    tcase_add_test(t, certificate_has_what_was_approved);
    tcase_add_test(t, key_identifiers_are_sha1_of_the_key_bits);
    tcase_add_test(t, ca_without_key_identifier_gets_one_in_its_certificates);
    tcase_add_test(t, every_ca_key_certifies_every_subject_key);
    tcase_add_test(t, points_that_end_in_zeros_are_kept);
    tcase_add_test(t, digest_is_the_configured_one);
    tcase_add_test(t, serials_are_long_positive_and_never_the_same);
    tcase_add_test(t, serial_is_minimal_der_whatever_the_octets);
    tcase_add_test(t, serial_of_zero_is_never_used);
    tcase_add_test(t, lifetime_is_as_asked_and_backdated);
    tcase_add_test(t, lifetime_stays_inside_the_ca_s);
    tcase_add_test(t, lifetime_beyond_2049_is_encoded_as_it_must_be);
    tcase_add_test(t, ca_outside_its_lifetime_issues_nothing);
    tcase_add_test(t, key_usage_fits_the_key);
    tcase_add_test(t, places_are_written_where_configured);
    tcase_add_test(t, c47_names_are_carried_octet_for_octet);
    tcase_add_test(t, c44_empty_subject_needs_a_critical_san);
    tcase_add_test(t, extensions_of_the_ca_win_and_others_are_copied);
    tcase_add_test(t, subject_keeps_its_string_types);
    tcase_add_test(t, garbled_keys_are_the_device_s_fault);
    tcase_add_test(t, unfit_ca_certificates_are_refused);
    tcase_add_test(t, unfit_keys_are_refused);
    tcase_add_test(t, ca_without_its_key_is_unavailable);
    tcase_add_test(t, key_that_fails_to_sign_is_our_fault);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return run_suite(suite());
}
