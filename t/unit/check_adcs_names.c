/* check_adcs_names.c - what a request to ADCS must not contain
 * SPDX-License-Identifier: Apache-2.0
 */
#include <apr_strings.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "../../ca-connectors/adcs/adcs_names.h"
#include "run.h"
#include "support.h"

#define SID_URI "tag:microsoft.com,2022-09-14:sid:S-1-5-21-1-2-3-500"

static apr_pool_t *pool;
static EVP_PKEY *key;

static void setup(void)
{
    pool = support_pool();
    key = support_ec("P-256", pool);
}

static X509_EXTENSION *a_san(const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *extension;

    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, NULL, NULL, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &ctx, NID_subject_alt_name, value);
    ck_assert_ptr_nonnull(extension);
    return extension;
}

/* Beside a DNS name; a comma may stand in it. */
static X509_EXTENSION *a_uri(const char *uri)
{
    X509_EXTENSION *extension = a_san("DNS:a.example");
    GENERAL_NAMES *names = X509V3_EXT_d2i(extension);
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_IA5STRING *value = ASN1_IA5STRING_new();

    X509_EXTENSION_free(extension);
    ck_assert(ASN1_STRING_set(value, uri, -1));
    GENERAL_NAME_set0_value(name, GEN_URI, value);
    ck_assert(sk_GENERAL_NAME_push(names, name));
    extension = X509V3_EXT_i2d(NID_subject_alt_name, 0, names);
    ck_assert_ptr_nonnull(extension);
    GENERAL_NAMES_free(names);
    return extension;
}

static X509_EXTENSION *an_extension(const char *oid)
{
    static const unsigned char null[] = { 0x05, 0x00 };
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
    X509_EXTENSION *extension;

    ck_assert(ASN1_OCTET_STRING_set(value, null, sizeof(null)));
    extension = X509_EXTENSION_create_by_OBJ(NULL, object, 0, value);
    ck_assert_ptr_nonnull(extension);
    ASN1_OBJECT_free(object);
    ASN1_OCTET_STRING_free(value);
    return extension;
}

/* Puts it into an attribute, as one value more; takes it over. */
static void add(X509_REQ *request, const char *attribute,
                X509_EXTENSION *extension)
{
    X509_EXTENSIONS *list = sk_X509_EXTENSION_new_null();
    int at = X509_REQ_get_attr_by_NID(request, OBJ_sn2nid(attribute), -1);
    unsigned char *der = NULL;
    int len;

    sk_X509_EXTENSION_push(list, extension);
    len = i2d_X509_EXTENSIONS(list, &der);
    ck_assert_int_gt(len, 0);
    if (at < 0)
        ck_assert(X509_REQ_add1_attr_by_txt(request, attribute,
                                            V_ASN1_SEQUENCE, der, len));
    else
        ck_assert(X509_ATTRIBUTE_set1_data(X509_REQ_get_attr(request, at),
                                           V_ASN1_SEQUENCE, der, len));
    OPENSSL_free(der);
    sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
}

static X509_REQ *a_request(void)
{
    X509_REQ *request = X509_REQ_new();

    ck_assert(X509_REQ_set_pubkey(request, key));
    return request;
}

/* Signs it, frees it, and looks into it. */
static const char *found(X509_REQ *request)
{
    unsigned char *der = NULL;
    const char *text;
    int len;

    ck_assert_int_gt(X509_REQ_sign(request, key, EVP_sha256()), 0);
    len = i2d_X509_REQ(request, &der);
    ck_assert_int_gt(len, 0);
    text = scep_adcs_names_check(der, (apr_size_t)len, pool);
    OPENSSL_free(der);
    X509_REQ_free(request);
    ck_assert_uint_eq(ERR_peek_error(), 0);
    return text;
}

static const char *with_extension(X509_EXTENSION *extension)
{
    X509_REQ *request = a_request();

    add(request, SN_ext_req, extension);
    return found(request);
}

/* ------------------------------------------------------------------ */

START_TEST(names_of_a_device_pass)
{
    static const char *const good[] = {
        "DNS:a.example", "email:a@b.example",
        "IP:192.0.2.1",  "URI:https://a.example/",
        "RID:1.2.3.4",   "DNS:a.example, DNS:b.example"
    };

    ck_assert_ptr_null(with_extension(a_san(good[_i])));
}
END_TEST

START_TEST(names_of_an_account_do_not)
{
    static const struct {
        const char *san;
        const char *told;
    } bad[] = {
        { "otherName:msUPN;UTF8:administrator@lab.test", "a UPN" },
        { "DNS:a.example, otherName:msUPN;UTF8:a@b", "a UPN" },
        { "otherName:1.2.3.4;UTF8:x", "an otherName" },
    };
    const char *text = with_extension(a_san(bad[_i].san));

    ck_assert_ptr_nonnull(text);
    ck_assert_ptr_nonnull(strstr(text, bad[_i].told));
}
END_TEST

START_TEST(uris_of_microsoft_do_not)
{
    static const char *const bad[] = { SID_URI, "TAG:Microsoft.COM,2022:SID:",
                                       "tag:microsoft.com," };
    static const char *const good[] = { "tag:microsoft.com", "tag:a,2022:x",
                                        "" };

    ck_assert_ptr_nonnull(with_extension(a_uri(bad[_i])));
    ck_assert_ptr_null(with_extension(a_uri(good[_i])));
}
END_TEST

START_TEST(extensions_of_microsoft_do_not)
{
    static const char *const bad[] = { "1.3.6.1.4.1.311.25.2",
                                       "1.3.6.1.4.1.311.20.2",
                                       "1.3.6.1.4.1.311.21.7",
                                       "1.3.6.1.4.1.311.21.10" };

    ck_assert_ptr_nonnull(with_extension(an_extension(bad[_i])));
    ck_assert_ptr_null(with_extension(an_extension("1.2.3.4")));
}
END_TEST

/* OpenSSL itself looks into the first one alone. */
START_TEST(every_attribute_and_every_value_is_looked_at)
{
    X509_REQ *request = a_request();

    add(request, SN_ext_req, a_san("DNS:a.example"));
    add(request, SN_ext_req, a_uri(SID_URI));
    ck_assert_ptr_nonnull(found(request));
    request = a_request();
    add(request, SN_ext_req, a_san("DNS:a.example"));
    add(request, SN_ms_ext_req, a_uri(SID_URI));
    ck_assert_ptr_nonnull(found(request));
    request = a_request();
    add(request, SN_ms_ext_req, an_extension("1.3.6.1.4.1.311.25.2"));
    ck_assert_ptr_nonnull(found(request));
}
END_TEST

START_TEST(name_value_pairs_for_the_ca_do_not_pass)
{
    X509_REQ *request = a_request();

    ck_assert(X509_REQ_add1_attr_by_txt(request, "1.3.6.1.4.1.311.13.2.1",
                                        V_ASN1_SEQUENCE,
                                        (const unsigned char *)"\x30\x00", 2));
    ck_assert_ptr_nonnull(found(request));
}
END_TEST

START_TEST(other_attributes_pass)
{
    X509_REQ *request = a_request();

    ck_assert(X509_REQ_add1_attr_by_NID(request, NID_pkcs9_challengePassword,
                                        V_ASN1_PRINTABLESTRING,
                                        (const unsigned char *)"x", 1));
    /* szOID_OS_VERSION, as Windows sends it */
    ck_assert(X509_REQ_add1_attr_by_txt(request, "1.3.6.1.4.1.311.13.2.3",
                                        V_ASN1_IA5STRING,
                                        (const unsigned char *)"10.0", 4));
    ck_assert_ptr_null(found(request));
}
END_TEST

START_TEST(what_cannot_be_read_does_not_pass)
{
    apr_size_t len;
    const unsigned char *csr = support_csr("d", key, NULL, &len, pool);
    unsigned char *longer = apr_palloc(pool, len + 1);
    X509_REQ *request = a_request();

    memcpy(longer, csr, len);
    longer[len] = 0;
    ck_assert_ptr_null(scep_adcs_names_check(csr, len, pool));
    ck_assert_ptr_nonnull(scep_adcs_names_check(longer, len + 1, pool));
    for (apr_size_t i = 0; i < len; i++)
        ck_assert_ptr_nonnull(scep_adcs_names_check(csr, i, pool));
    add(request, SN_ext_req, an_extension("2.5.29.17"));
    ck_assert_ptr_nonnull(found(request));
    request = a_request();
    ck_assert(X509_REQ_add1_attr_by_txt(request, SN_ext_req, V_ASN1_IA5STRING,
                                        (const unsigned char *)"x", 1));
    ck_assert_ptr_nonnull(found(request));
}
END_TEST

static Suite *names_suite(void)
{
    Suite *suite = suite_create("adcs names");
    TCase *tcase = tcase_create("names");

    tcase_add_unchecked_fixture(tcase, setup, NULL);
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, names_of_a_device_pass, 0, 6);
    tcase_add_loop_test(tcase, names_of_an_account_do_not, 0, 3);
    tcase_add_loop_test(tcase, uris_of_microsoft_do_not, 0, 3);
    tcase_add_loop_test(tcase, extensions_of_microsoft_do_not, 0, 4);
    tcase_add_test(tcase, every_attribute_and_every_value_is_looked_at);
    tcase_add_test(tcase, name_value_pairs_for_the_ca_do_not_pass);
    tcase_add_test(tcase, other_attributes_pass);
    tcase_add_test(tcase, what_cannot_be_read_does_not_pass);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return run_suite(names_suite());
}
