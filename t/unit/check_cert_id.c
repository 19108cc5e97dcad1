/* check_cert_id.c - tests of which certificate a GetCert is about
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include <apr_strings.h>
#include <check.h>
#include <openssl/cms.h>
#include <openssl/err.h>

#include "cert.h"
#include "cert_id.h"
#include "run.h"
#include "support.h"

static apr_pool_t *pool;
static scep_cert_id_t id;

static void setup(void)
{
    pool = support_pool();
    memset(&id, 0, sizeof(id));
}

static void teardown(void)
{
    ck_assert_uint_eq(ERR_peek_error(), 0);
}

/* SEQUENCE { Name CN=a, INTEGER } around the octets of a number */
static const char *parse(const char *number, apr_size_t number_len)
{
    static const unsigned char issuer[] = { 0x30, 0x0c, 0x31, 0x0a, 0x30,
                                            0x08, 0x06, 0x03, 0x55, 0x04,
                                            0x03, 0x0c, 0x01, 'a' };
    unsigned char der[200] = { 0x30, 0 };
    apr_size_t len = 2;

    memcpy(der + len, issuer, sizeof(issuer));
    len += sizeof(issuer);
    der[len++] = 0x02;
    der[len++] = (unsigned char)number_len;
    memcpy(der + len, number, number_len);
    len += number_len;
    der[1] = (unsigned char)(len - 2);
    return scep_cert_id_parse(&id, der, len, pool);
}

START_TEST(a_serial_number_is_as_the_ledger_has_it)
{
    static const struct {
        const char *number;
        apr_size_t len;
        const char *serial; /* NULL: refused */
    } rows[] = {
        { "\x00", 1, "00" },
        { "\x01", 1, "01" },
        { "\x7f", 1, "7f" },
        { "\x00\x80", 2, "80" },
        { "\x12\x34\xab", 3, "1234ab" },
        { "\x00\xff\x00", 3, "ff00" },
        { "\x80", 1, NULL },
        { "\xff\xff", 2, NULL },
        { "", 0, NULL },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const char *fault = parse(rows[i].number, rows[i].len);

        ck_assert_msg((fault == NULL) == (rows[i].serial != NULL), "%d: %s",
                      (int)i, fault);
        if (!fault)
            ck_assert_str_eq(id.serial, rows[i].serial);
    }
}
END_TEST

START_TEST(a_serial_number_has_64_octets_at_most)
{
    char number[66];

    memset(number, 0x11, sizeof(number));
    ck_assert_ptr_null(parse(number, 64));
    ck_assert_uint_eq(strlen(id.serial), 128);
    ck_assert_ptr_nonnull(parse(number, 65));
    number[0] = 0;
    number[1] = (char)0x80;
    ck_assert_ptr_null(parse(number, 65));
    ck_assert_ptr_nonnull(parse(number, 66));
}
END_TEST

/* What OpenSSL's encoder makes of a certificate, and the certificate. */
START_TEST(a_certificate_is_found_by_what_it_says_of_itself)
{
    EVP_PKEY *key = support_ec("P-256", pool);
    X509 *cert =
        support_cert("device", key, NULL, NULL, "digitalSignature", pool);
    const unsigned char *issuer;
    unsigned char *serial = NULL, *der;
    size_t issuer_len;
    int serial_len;

    ck_assert_int_eq(X509_NAME_get0_der(X509_get_issuer_name(cert), &issuer,
                                        &issuer_len),
                     1);
    serial_len = i2d_ASN1_INTEGER(X509_get0_serialNumber(cert), &serial);
    ck_assert_int_gt(serial_len, 0);
    der = apr_palloc(pool, issuer_len + (size_t)serial_len + 2);
    der[0] = 0x30;
    der[1] = (unsigned char)(issuer_len + (size_t)serial_len);
    memcpy(der + 2, issuer, issuer_len);
    memcpy(der + 2 + issuer_len, serial, (size_t)serial_len);
    OPENSSL_free(serial);
    ck_assert_ptr_null(
        scep_cert_id_parse(&id, der, (apr_size_t)der[1] + 2, pool));
    ck_assert_str_eq(id.serial, scep_cert_id_serial(cert, pool));
    ck_assert_int_eq(X509_NAME_cmp(id.issuer, X509_get_issuer_name(cert)), 0);
    /* cut anywhere it is none */
    for (apr_size_t len = 0; len < (apr_size_t)der[1] + 2; len++)
        ck_assert_ptr_nonnull(scep_cert_id_parse(&id, der, len, pool));
}
END_TEST

START_TEST(the_crl_stands_alone_in_its_place)
{
    EVP_PKEY *key = support_ec("P-256", pool);
    X509 *ca = support_cert("ca", key, NULL, NULL, "cRLSign", pool);
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *time = ASN1_TIME_set(NULL, 1800000000);
    const unsigned char *der, *at;
    unsigned char *octets[2] = { NULL, NULL };
    STACK_OF(X509_CRL) *crls;
    CMS_ContentInfo *cms;
    apr_size_t len;

    ck_assert(X509_CRL_set_version(crl, X509_CRL_VERSION_2) &&
              X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca)) &&
              X509_CRL_set1_lastUpdate(crl, time) &&
              X509_CRL_set1_nextUpdate(crl, time) &&
              X509_CRL_sign(crl, key, EVP_sha256()) > 0);
    ck_assert_int_eq(scep_cert_degenerate_crl(crl, &der, &len, pool),
                     APR_SUCCESS);
    at = der;
    cms = d2i_CMS_ContentInfo(NULL, &at, (long)len);
    ck_assert_ptr_nonnull(cms);
    ck_assert_ptr_eq(at, der + len);
    ck_assert_ptr_null(CMS_get1_certs(cms));
    crls = CMS_get1_crls(cms);
    ck_assert_int_eq(sk_X509_CRL_num(crls), 1);
    ck_assert_int_eq(i2d_X509_CRL(sk_X509_CRL_value(crls, 0), &octets[0]),
                     i2d_X509_CRL(crl, &octets[1]));
    ck_assert_mem_eq(octets[0], octets[1], (size_t)i2d_X509_CRL(crl, NULL));
    OPENSSL_free(octets[0]);
    OPENSSL_free(octets[1]);
    sk_X509_CRL_pop_free(crls, X509_CRL_free);
    CMS_ContentInfo_free(cms);
    X509_CRL_free(crl);
    ASN1_TIME_free(time);
    /* one that is not signed cannot be written */
    crl = X509_CRL_new();
    ck_assert_int_ne(scep_cert_degenerate_crl(crl, &der, &len, pool),
                     APR_SUCCESS);
    X509_CRL_free(crl);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cert_id");
    TCase *tcase = tcase_create("cert_id");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_serial_number_is_as_the_ledger_has_it);
    tcase_add_test(tcase, a_serial_number_has_64_octets_at_most);
    tcase_add_test(tcase, a_certificate_is_found_by_what_it_says_of_itself);
    tcase_add_test(tcase, the_crl_stands_alone_in_its_place);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
