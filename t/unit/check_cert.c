/* check_cert.c - tests of a profile's certificates and what it publishes
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <check.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs7.h>

#include "cert.h"
#include "support.h"
#include "run.h"

#define CA_USAGE "critical,keyCertSign,cRLSign"
#define RA_USAGE "digitalSignature,keyEncipherment"
#define DAY apr_time_from_sec(24 * 60 * 60)

static apr_pool_t *shared, *pool;
static EVP_PKEY *root_key, *ca_key, *ra_key, *device_key;
static X509 *root, *ca, *ra;
static STACK_OF(X509) *chain;
static apr_time_t now;

static void setup_certs(void)
{
    shared = support_pool();
    root_key = support_ec("P-256", shared);
    ca_key = support_ec("P-256", shared);
    ra_key = support_rsa(2048, shared);
    device_key = support_rsa(2048, shared);
    root = support_cert("root", root_key, NULL, NULL, CA_USAGE, shared);
    ca = support_cert("ca", ca_key, root, root_key, CA_USAGE, shared);
    ra = support_cert("ra", ra_key, ca, ca_key, RA_USAGE, shared);
    chain = sk_X509_new_null();
    sk_X509_push(chain, ca);
    sk_X509_push(chain, root);
}

static void free_certs(void)
{
    sk_X509_free(chain);
}

static void setup(void)
{
    ck_assert_int_eq(apr_pool_create(&pool, shared), APR_SUCCESS);
    ERR_clear_error();
    now = apr_time_now();
}

static void teardown(void)
{
    ck_assert_uint_eq(ERR_peek_error(), 0);
    apr_pool_destroy(pool);
}

static STACK_OF(X509) *list(X509 *a, X509 *b, X509 *c)
{
    STACK_OF(X509) *certs = sk_X509_new_null();

    if (a)
        sk_X509_push(certs, a);
    if (b)
        sk_X509_push(certs, b);
    if (c)
        sk_X509_push(certs, c);
    return certs;
}

/* A certificate with one more extension. */
static X509 *with_extension(X509 *cert, const char *type, const char *value,
                            EVP_PKEY *issuer_key)
{
    X509_EXTENSION *extension = X509V3_EXT_conf(NULL, NULL, type, value);

    ck_assert_ptr_nonnull(extension);
    ck_assert_int_eq(X509_add_ext(cert, extension, -1), 1);
    ck_assert_int_gt(X509_sign(cert, issuer_key, EVP_sha256()), 0);
    X509_EXTENSION_free(extension);
    return cert;
}

static void says(const char *error, const char *what)
{
    ck_assert_msg(error && strstr(error, what), "%s", error);
}

/* ------------------------------------------------------------------ */

static const char *pem_of(X509 *cert)
{
    BIO *bio = BIO_new(BIO_s_mem());
    const char *text, *data;
    long len;

    ck_assert_int_eq(PEM_write_bio_X509(bio, cert), 1);
    len = BIO_get_mem_data(bio, (char **)&data);
    text = apr_pstrmemdup(pool, data, (apr_size_t)len);
    BIO_free(bio);
    return text;
}

static const char *key_pem(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    const char *text, *data;
    long len;

    ck_assert_int_eq(PEM_write_bio_PKCS8PrivateKey(bio, key, EVP_aes_128_cbc(),
                                                   "x", 1, NULL, NULL),
                     1);
    len = BIO_get_mem_data(bio, (char **)&data);
    text = apr_pstrmemdup(pool, data, (apr_size_t)len);
    BIO_free(bio);
    return text;
}

START_TEST(issue2_all_certificates_of_a_pem_text_are_read)
{
    STACK_OF(X509) *certs = NULL;
    const char *error = NULL, *text;

    text = apr_pstrcat(pool, "some words\n", key_pem(ra_key), pem_of(ca),
                       "\n more \n", pem_of(root), "the end", NULL);
    ck_assert_int_eq(scep_cert_read_pem(&certs, text, strlen(text), &error,
                                        pool),
                     APR_SUCCESS);
    ck_assert_int_eq(sk_X509_num(certs), 2);
    ck_assert_int_eq(X509_cmp(sk_X509_value(certs, 0), ca), 0);
    ck_assert_int_eq(X509_cmp(sk_X509_value(certs, 1), root), 0);
}
END_TEST

static void unreadable(const char *text, const char *why)
{
    STACK_OF(X509) *certs = NULL;
    const char *error = NULL;

    ck_assert_int_ne(scep_cert_read_pem(&certs, text, strlen(text), &error,
                                        pool),
                     APR_SUCCESS);
    says(error, why);
    ck_assert_ptr_null(certs);
}

START_TEST(issue2_a_pem_text_without_certificates_is_named)
{
    char *broken = apr_pstrdup(pool, pem_of(ca));

    unreadable("", "no PEM certificate");
    unreadable("nothing", "no PEM certificate");
    unreadable(key_pem(ra_key), "no PEM certificate");
    memcpy(broken + 40, "####", 4);
    unreadable(apr_pstrcat(pool, pem_of(root), broken, NULL),
               "certificate 2 cannot be read");
    unreadable("-----BEGIN CERTIFICATE-----\nAAAA\n"
               "-----END CERTIFICATE-----\n",
               "certificate 1 cannot be read");
    /* no pass phrase is asked for */
    unreadable("-----BEGIN CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\n"
               "DEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\n"
               "AAAAAAAAAAAAAAAAAAAAAA==\n-----END CERTIFICATE-----\n",
               "certificate 1 cannot be read");
}
END_TEST

/* ------------------------------------------------------------------ */

static const char *check_chain(X509 *a, X509 *b, X509 *c, apr_time_t when)
{
    STACK_OF(X509) *certs = list(a, b, c);
    const char *error = scep_cert_check_chain(certs, when, pool);

    sk_X509_free(certs);
    return error;
}

START_TEST(issue2_a_right_chain_is_accepted)
{
    EVP_PKEY *key = support_ec("P-384", pool);
    X509 *sub = support_cert("sub", key, ca, ca_key, CA_USAGE, pool);
    X509 *critical =
        with_extension(support_cert("sub", key, ca, ca_key, CA_USAGE, pool),
                       "authorityKeyIdentifier",
                       "critical,DER:30068004aabbccdd", ca_key);

    ck_assert_ptr_null(check_chain(ca, root, NULL, now));
    ck_assert_ptr_null(check_chain(root, NULL, NULL, now));
    ck_assert_ptr_null(check_chain(ca, NULL, NULL, now));
    ck_assert_ptr_null(check_chain(sub, ca, root, now));
    ck_assert_ptr_null(check_chain(sub, ca, NULL, now));
    /* C-26; that it does not match is for others to mind */
    ck_assert_ptr_null(check_chain(critical, ca, root, now));
}
END_TEST

START_TEST(issue2_a_root_of_version_1_is_accepted)
{
    X509 *old = support_cert("old", root_key, NULL, NULL, NULL, pool);
    X509 *sub = support_cert("sub", ca_key, old, root_key, CA_USAGE, pool);

    ck_assert_ptr_null(check_chain(sub, old, NULL, now));
}
END_TEST

START_TEST(issue2_a_wrong_chain_is_explained)
{
    X509 *twin = support_cert("root", ca_key, NULL, NULL, CA_USAGE, pool);
    X509 *forged = support_cert("ca", ca_key, root, ra_key, CA_USAGE, pool);
    X509 *bad_root = support_cert("r", root_key, NULL, NULL, CA_USAGE, pool);
    X509 *no_sign = with_extension(support_cert("ca", ca_key, root, root_key,
                                                "cRLSign", pool),
                                   "basicConstraints", "CA:TRUE", root_key);

    bad_root = X509_dup(bad_root);
    ck_assert_int_gt(X509_sign(bad_root, ra_key, EVP_sha256()), 0);
    says(check_chain(NULL, NULL, NULL, now), "no CA certificate");
    says(check_chain(root, ca, NULL, now),
         "'CN=root' is not issued by 'CN=ca' that follows it; the issuing CA "
         "comes first");
    says(check_chain(ca, twin, NULL, now), "'CN=ca' is not issued by");
    says(check_chain(forged, root, NULL, now), "'CN=ca' is not issued by");
    says(check_chain(bad_root, NULL, NULL, now),
         "the signature of 'CN=r' is wrong");
    says(check_chain(ra, ca, root, now), "'CN=ra' is no CA certificate");
    says(check_chain(no_sign, root, NULL, now), "lacks keyCertSign");
    says(check_chain(ca, root, NULL, now + 2 * DAY),
         "'CN=ca' has expired on 20");
    says(check_chain(ca, root, NULL, now - DAY),
         "'CN=ca' is not valid before 20");
    X509_free(bad_root);
}
END_TEST

/* ------------------------------------------------------------------ */

static unsigned int uses_of(X509 *cert, EVP_PKEY *key)
{
    unsigned int uses = 0;
    const char *error = scep_cert_check_ra(cert, key, chain, now, &uses, pool);

    ck_assert_msg(!error, "%s", error);
    return uses;
}

START_TEST(q16_what_an_ra_certificate_serves_for)
{
    X509 *cert = ra;

    ck_assert_uint_eq(uses_of(cert, ra_key), SCEP_RA_SIGN | SCEP_RA_DECRYPT);
    ck_assert_uint_eq(uses_of(cert, NULL), SCEP_RA_SIGN | SCEP_RA_DECRYPT);
    cert = support_cert("ra", ra_key, ca, ca_key, "digitalSignature", pool);
    ck_assert_uint_eq(uses_of(cert, ra_key), SCEP_RA_SIGN);
    cert = support_cert("ra", ra_key, ca, ca_key, "keyEncipherment", pool);
    ck_assert_uint_eq(uses_of(cert, ra_key), SCEP_RA_DECRYPT);
    with_extension(cert, "extendedKeyUsage", "1.3.6.1.4.1.311.20.2.1", ca_key);
    ck_assert_uint_eq(uses_of(cert, ra_key), SCEP_RA_DECRYPT);
    cert = support_cert("ra", ra_key, ca, ca_key, NULL, pool);
    ck_assert_uint_eq(uses_of(cert, ra_key), SCEP_RA_SIGN | SCEP_RA_DECRYPT);
    cert =
        with_extension(support_cert("ra", ra_key, ca, ca_key, RA_USAGE, pool),
                       "authorityKeyIdentifier",
                       "critical,DER:30068004aabbccdd", ca_key);
    ck_assert_uint_eq(uses_of(cert, ra_key), SCEP_RA_SIGN | SCEP_RA_DECRYPT);
}
END_TEST

START_TEST(r19_a_ca_may_be_its_own_ra)
{
    X509 *both =
        support_cert("both", ra_key, NULL, NULL,
                     "keyCertSign,digitalSignature,keyEncipherment", pool);
    STACK_OF(X509) *own = list(both, NULL, NULL);
    unsigned int uses = 0;

    ck_assert_ptr_null(
        scep_cert_check_ra(both, ra_key, own, now, &uses, pool));
    ck_assert_uint_eq(uses, SCEP_RA_SIGN | SCEP_RA_DECRYPT);
    sk_X509_free(own);
}
END_TEST

static void ra_fails(X509 *cert, EVP_PKEY *key, apr_time_t when,
                     const char *why)
{
    unsigned int uses = 77;

    says(scep_cert_check_ra(cert, key, chain, when, &uses, pool), why);
    ck_assert_uint_eq(uses, 77);
}

START_TEST(issue2_a_wrong_ra_certificate_is_explained)
{
    X509 *cert;

    ra_fails(ca, ca_key, now, "'CN=ca' has no RSA key");
    ra_fails(ra, device_key, now,
             "the private key does not belong to 'CN=ra'");
    ra_fails(ra, ra_key, now + 2 * DAY, "'CN=ra' has expired on");
    ra_fails(ra, ra_key, now - DAY, "'CN=ra' is not valid before");
    cert = support_cert("ra", ra_key, root, root_key, RA_USAGE, pool);
    ra_fails(cert, ra_key, now, "'CN=ra' is not issued by the CA 'CN=ca'");
    cert = support_cert("ra", ra_key, ca, root_key, RA_USAGE, pool);
    ra_fails(cert, ra_key, now, "is not issued by the CA");
    cert = support_cert("ra", ra_key, ca, ca_key, "nonRepudiation", pool);
    ra_fails(cert, ra_key, now, "neither digitalSignature nor");
}
END_TEST

/* ------------------------------------------------------------------ */

static int signs_here;

static const char *check_issued(X509 *cert, EVP_PKEY *key, apr_time_t when)
{
    unsigned char *spki = NULL;
    int len = i2d_PUBKEY(key, &spki);
    const char *error = scep_cert_check_issued(cert, spki, (apr_size_t)len,
                                               chain, signs_here, when, pool);

    OPENSSL_free(spki);
    return error;
}

START_TEST(issue2_what_a_ca_gives_is_checked)
{
    X509 *cert =
        support_cert("dev", device_key, ca, ca_key, "digitalSignature", pool);

    ck_assert_ptr_null(check_issued(cert, device_key, now));
    ck_assert_ptr_null(check_issued(cert, device_key, now + DAY + DAY / 2));
    ck_assert_ptr_null(check_issued(cert, device_key, now - DAY / 2));
    says(check_issued(cert, device_key, now + 3 * DAY), "has expired");
    says(check_issued(cert, device_key, now - 2 * DAY), "not valid before");
    says(check_issued(cert, ra_key, now), "key is not the request's");
    says(check_issued(ca, ca_key, now), "not issued by 'CN=ca'");
    cert = support_cert("dev", device_key, ca, root_key, "digitalSignature",
                        pool);
    says(check_issued(cert, device_key, now), "not issued by 'CN=ca'");
    /* a connector that signs here has made the signature itself */
    signs_here = 1;
    ck_assert_ptr_null(check_issued(cert, device_key, now));
    says(check_issued(cert, ra_key, now), "key is not the request's");
    says(check_issued(ca, ca_key, now), "not issued by 'CN=ca'");
    signs_here = 0;
    cert = support_cert("dev", device_key, ca, ca_key, CA_USAGE, pool);
    says(check_issued(cert, device_key, now), "CA certificate");
    cert = with_extension(support_cert("dev", device_key, ca, ca_key,
                                       "digitalSignature", pool),
                          "2.5.29.19", "DER:0500", ca_key);
    says(check_issued(cert, device_key, now), "malformed");
}
END_TEST

START_TEST(issue2_the_same_key_may_be_written_in_other_octets)
{
    X509 *cert =
        support_cert("dev", device_key, ca, ca_key, "digitalSignature", pool);
    unsigned char *spki = NULL, *copy;
    int len = i2d_PUBKEY(device_key, &spki);
    static const unsigned char rsa_null[] = { 0x01, 0x01, 0x01, 0x05, 0x00 };

    /* leave out the NULL parameters: 30 82 LL LL 30 0d OID 05 00 ... */
    ck_assert_mem_eq(spki + 14, rsa_null, sizeof(rsa_null));
    copy = apr_pmemdup(pool, spki, (apr_size_t)len);
    copy[2] = (unsigned char)((len - 6) >> 8);
    copy[3] = (unsigned char)(len - 6);
    copy[5] = 0x0b;
    memmove(copy + 17, copy + 19, (apr_size_t)len - 19);
    ck_assert_ptr_null(scep_cert_check_issued(cert, copy, (apr_size_t)len - 2,
                                              chain, 0, now, pool));
    OPENSSL_free(spki);
}
END_TEST

/* ------------------------------------------------------------------ */

static PKCS7 *pkcs7_of(const unsigned char *der, apr_size_t len)
{
    const unsigned char *at = der;
    PKCS7 *p7 = d2i_PKCS7(NULL, &at, (long)len);

    ck_assert_ptr_nonnull(p7);
    ck_assert_ptr_eq(at, der + len);
    ck_assert_int_eq(PKCS7_type_is_signed(p7), 1);
    return p7;
}

START_TEST(c20_the_content_of_a_degenerate_pkcs7_is_absent)
{
    STACK_OF(X509) *certs = list(ra, ca, root);
    const unsigned char *der;
    apr_size_t len;
    PKCS7 *p7;
    unsigned char *again = NULL;
    int again_len;

    ck_assert_int_eq(scep_cert_degenerate(certs, &der, &len, pool),
                     APR_SUCCESS);
    p7 = pkcs7_of(der, len);
    ck_assert_int_eq(OBJ_obj2nid(p7->d.sign->contents->type), NID_pkcs7_data);
    ck_assert_ptr_null(p7->d.sign->contents->d.ptr);
    ck_assert_int_eq(ASN1_INTEGER_get(p7->d.sign->version), 1);
    ck_assert_int_eq(sk_X509_ALGOR_num(p7->d.sign->md_algs), 0);
    ck_assert_int_eq(sk_PKCS7_SIGNER_INFO_num(p7->d.sign->signer_info), 0);
    ck_assert_ptr_null(p7->d.sign->crl);
    /* C-56: definite lengths, as OpenSSL itself would write it */
    again_len = i2d_PKCS7(p7, &again);
    ck_assert_int_eq(again_len, (int)len);
    ck_assert_mem_eq(again, der, len);
    OPENSSL_free(again);
    PKCS7_free(p7);
    sk_X509_free(certs);
}
END_TEST

START_TEST(q16_certificates_keep_their_order)
{
    X509 *order[][3] = {
        { ra, ca, root }, { root, ca, ra }, { ca, ra, root },
        { ca, root, ra }, { ra, root, ca }, { root, ra, ca }
    };
    int i, j;

    for (i = 0; i < 6; i++) {
        STACK_OF(X509) *certs = list(order[i][0], order[i][1], order[i][2]);
        const unsigned char *der;
        apr_size_t len;
        PKCS7 *p7;

        ck_assert_int_eq(scep_cert_degenerate(certs, &der, &len, pool),
                         APR_SUCCESS);
        p7 = pkcs7_of(der, len);
        for (j = 0; j < 3; j++)
            ck_assert_int_eq(X509_cmp(sk_X509_value(p7->d.sign->cert, j),
                                      order[i][j]),
                             0);
        PKCS7_free(p7);
        sk_X509_free(certs);
    }
}
END_TEST

START_TEST(c20_nothing_is_no_degenerate_pkcs7)
{
    const unsigned char *der = NULL;
    apr_size_t len;

    ck_assert_int_eq(scep_cert_degenerate(NULL, &der, &len, pool), APR_EINVAL);
    ck_assert_ptr_null(der);
}
END_TEST

/* The certificates that are published, by name: "ra ca root". */
static const char *published(scep_publish_t form, int reverse,
                             const STACK_OF(X509) *ras,
                             const STACK_OF(X509) *cas)
{
    scep_body_t body;
    const char *text = "";
    PKCS7 *p7;
    int i;

    ck_assert_int_eq(scep_cert_publish(&body, form, reverse, ras, cas, pool),
                     APR_SUCCESS);
    if (strcmp(body.content_type, "application/x-x509-ca-cert") == 0) {
        const unsigned char *at = body.data;
        X509 *cert = d2i_X509(NULL, &at, (long)body.len);

        ck_assert_ptr_eq(at, body.data + body.len);
        text = apr_pstrcat(pool, "DER ",
                           X509_NAME_oneline(X509_get_subject_name(cert),
                                             apr_palloc(pool, 99), 99) +
                               4,
                           NULL);
        X509_free(cert);
        return text;
    }
    ck_assert_str_eq(body.content_type, "application/x-x509-ca-ra-cert");
    p7 = pkcs7_of(body.data, body.len);
    for (i = 0; i < sk_X509_num(p7->d.sign->cert); i++)
        text =
            apr_pstrcat(pool, text, i ? " " : "",
                        X509_NAME_oneline(X509_get_subject_name(sk_X509_value(
                                              p7->d.sign->cert, i)),
                                          apr_palloc(pool, 99), 99) +
                            4,
                        NULL);
    PKCS7_free(p7);
    return text;
}

START_TEST(c18_c19_forms_of_getcacert)
{
    X509 *second = support_cert("ra2", ra_key, ca, ca_key, RA_USAGE, pool);
    STACK_OF(X509) *ras = list(ra, NULL, NULL);
    STACK_OF(X509) *pair = list(ra, second, NULL);
    STACK_OF(X509) *only_root = list(root, NULL, NULL);
    STACK_OF(X509) *only_ca = list(ca, NULL, NULL);

    ck_assert_str_eq(published(SCEP_PUBLISH_CA, 0, ras, chain), "DER ca");
    ck_assert_str_eq(published(SCEP_PUBLISH_CA_CHAIN, 0, ras, chain),
                     "ca root");
    ck_assert_str_eq(published(SCEP_PUBLISH_CA_CHAIN, 1, ras, chain),
                     "root ca");
    ck_assert_str_eq(published(SCEP_PUBLISH_CA_CHAIN, 0, ras, only_root),
                     "DER root");
    ck_assert_str_eq(published(SCEP_PUBLISH_RA_CA, 0, ras, chain), "ra ca");
    ck_assert_str_eq(published(SCEP_PUBLISH_RA_CA, 0, ras, only_root),
                     "ra root");
    ck_assert_str_eq(published(SCEP_PUBLISH_RA_CA_ROOT, 0, ras, chain),
                     "ra ca root");
    ck_assert_str_eq(published(SCEP_PUBLISH_RA_CA_ROOT, 0, pair, chain),
                     "ra ra2 ca root");
    ck_assert_str_eq(published(SCEP_PUBLISH_RA_CA_ROOT, 1, pair, chain),
                     "root ca ra2 ra");
    /* Q-16: a CA that is its own RA is published once, as DER */
    ck_assert_str_eq(published(SCEP_PUBLISH_RA_CA_ROOT, 0, only_root,
                               only_root),
                     "DER root");
    ck_assert_str_eq(published(SCEP_PUBLISH_RA_CA, 0, only_ca, chain),
                     "DER ca");
    sk_X509_free(ras);
    sk_X509_free(pair);
    sk_X509_free(only_root);
    sk_X509_free(only_ca);
}
END_TEST

/* ------------------------------------------------------------------ */

static const char *caps(unsigned int digests, unsigned int ciphers,
                        const char *edits)
{
    apr_array_header_t *words = apr_array_make(pool, 4, sizeof(char *));
    char *copy = apr_pstrdup(pool, edits), *state, *word;

    for (word = apr_strtok(copy, " ", &state); word;
         word = apr_strtok(NULL, " ", &state))
        *(const char **)apr_array_push(words) = word;
    return scep_cert_capabilities(digests, ciphers, 0, 0,
                                  words->nelts ? words : NULL, pool);
}

START_TEST(q03_getcacaps_lists_what_works)
{
    ck_assert_str_eq(caps(SCEP_DIGESTS_DEFAULT, SCEP_CIPHERS_DEFAULT, ""),
                     "AES\nPOSTPKIOperation\nSCEPStandard\nSHA-256\nSHA-384\n"
                     "SHA-512\n");
    ck_assert_str_eq(caps(SCEP_DIGESTS_DEFAULT | SCEP_DIGESTS_LEGACY,
                          SCEP_CIPHERS_DEFAULT | SCEP_CIPHERS_LEGACY, ""),
                     "AES\nDES3\nPOSTPKIOperation\nSCEPStandard\nSHA-1\n"
                     "SHA-256\nSHA-384\nSHA-512\n");
}
END_TEST

START_TEST(r20_getnextcacert_only_where_it_is_served)
{
    static const char *const word = "GetNextCACert\n";

    ck_assert_ptr_nonnull(
        strstr(scep_cert_capabilities(SCEP_DIGESTS_DEFAULT,
                                      SCEP_CIPHERS_DEFAULT, 0, 1, NULL, pool),
               word));
    ck_assert_ptr_null(
        strstr(scep_cert_capabilities(SCEP_DIGESTS_DEFAULT,
                                      SCEP_CIPHERS_DEFAULT, 1, 0, NULL, pool),
               word));
}
END_TEST

START_TEST(r12_scepstandard_only_with_aes_and_sha256)
{
    ck_assert_str_eq(caps(SCEP_DIGEST_SHA512, SCEP_CIPHER_AES128, ""),
                     "AES\nPOSTPKIOperation\nSHA-512\n");
    ck_assert_str_eq(caps(SCEP_DIGEST_SHA256, SCEP_CIPHER_AES256, ""),
                     "POSTPKIOperation\nSHA-256\n");
}
END_TEST

START_TEST(c16_the_list_can_be_edited)
{
    ck_assert_str_eq(caps(SCEP_DIGEST_SHA256, SCEP_CIPHER_AES128,
                          "-SCEPStandard +Renewal -SHA-1 +AES"),
                     "AES\nPOSTPKIOperation\nSHA-256\nRenewal\n");
    ck_assert_str_eq(caps(SCEP_DIGEST_SHA256, SCEP_CIPHER_AES128,
                          "AES Renewal AES"),
                     "AES\nRenewal\n");
    ck_assert_str_eq(caps(SCEP_DIGEST_SHA256, SCEP_CIPHER_AES128,
                          "-AES -POSTPKIOperation -SCEPStandard -SHA-256"),
                     "");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cert");
    TCase *tcase = tcase_create("cert");

    tcase_add_unchecked_fixture(tcase, setup_certs, free_certs);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, issue2_all_certificates_of_a_pem_text_are_read);
    tcase_add_test(tcase, issue2_a_pem_text_without_certificates_is_named);
    tcase_add_test(tcase, issue2_a_right_chain_is_accepted);
    tcase_add_test(tcase, issue2_a_root_of_version_1_is_accepted);
    tcase_add_test(tcase, issue2_a_wrong_chain_is_explained);
    tcase_add_test(tcase, q16_what_an_ra_certificate_serves_for);
    tcase_add_test(tcase, r19_a_ca_may_be_its_own_ra);
    tcase_add_test(tcase, issue2_a_wrong_ra_certificate_is_explained);
    tcase_add_test(tcase, issue2_what_a_ca_gives_is_checked);
    tcase_add_test(tcase, issue2_the_same_key_may_be_written_in_other_octets);
    tcase_add_test(tcase, c20_the_content_of_a_degenerate_pkcs7_is_absent);
    tcase_add_test(tcase, q16_certificates_keep_their_order);
    tcase_add_test(tcase, c20_nothing_is_no_degenerate_pkcs7);
    tcase_add_test(tcase, c18_c19_forms_of_getcacert);
    tcase_add_test(tcase, q03_getcacaps_lists_what_works);
    tcase_add_test(tcase, r20_getnextcacert_only_where_it_is_served);
    tcase_add_test(tcase, r12_scepstandard_only_with_aes_and_sha256);
    tcase_add_test(tcase, c16_the_list_can_be_edited);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
