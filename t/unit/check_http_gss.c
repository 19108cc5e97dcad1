/* check_http_gss.c - tests of what Kerberos needs beside a KDC
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>
#include <check.h>
#include <krb5.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "../../ca-connectors/http/http_binding.h"
#include "../../ca-connectors/http/http_client.h"
#include "../../ca-connectors/http/http_keytab.h"
#include "../../ca-connectors/http/http_proof.h"
#include "run.h"
#include "support.h"

static apr_pool_t *pool;
static char *dir;
static EVP_PKEY *rsa, *ec;

static void setup_keys(void)
{
    rsa = support_rsa(2048, support_pool());
    ec = support_ec("P-256", support_pool());
}

static void setup(void)
{
    ck_assert_int_eq(apr_pool_create(&pool, support_pool()), APR_SUCCESS);
    dir = apr_pstrdup(pool, "/tmp/scep-gss-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    setenv("KRB5_CONFIG", "/nonexistent", 1);
    ck_assert_ptr_null(scep_http_init());
}

static char *path_of(const char *name)
{
    return apr_pstrcat(pool, dir, "/", name, NULL);
}

static void teardown(void)
{
    unlink(path_of("keytab"));
    rmdir(dir);
    apr_pool_destroy(pool);
    ck_assert_uint_eq(ERR_peek_error(), 0);
}

/* ---------------------------------------------------------- bindings */

/* A certificate signed anew; padding 0: that of the key. */
static X509 *signed_by(EVP_PKEY *key, const EVP_MD *md, int padding,
                       const EVP_MD *mgf1)
{
    X509 *cert = support_cert("server", rsa, NULL, NULL, NULL, pool);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *options;

    ck_assert_int_eq(EVP_DigestSignInit(ctx, &options, md, NULL, key), 1);
    if (padding) {
        ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_padding(options, padding), 1);
        ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_mgf1_md(options, mgf1), 1);
    }
    ck_assert_int_gt(X509_sign_ctx(cert, ctx), 0);
    EVP_MD_CTX_free(ctx);
    return cert;
}

static void check_binding(X509 *cert, const char *hash)
{
    unsigned char binding[SCEP_HTTP_BINDING_MAX];
    unsigned char digest[EVP_MAX_MD_SIZE], *der = NULL;
    size_t digest_len, len = scep_http_binding_make(cert, binding);
    int der_len = i2d_X509(cert, &der);

    ck_assert_int_gt(der_len, 0);
    ck_assert_int_eq(EVP_Q_digest(NULL, hash, NULL, der, (size_t)der_len,
                                  digest, &digest_len),
                     1);
    OPENSSL_free(der);
    ck_assert_uint_eq(len, 21 + digest_len);
    ck_assert_mem_eq(binding, "tls-server-end-point:", 21);
    ck_assert_mem_eq(binding + 21, digest, digest_len);
}

START_TEST(a_binding_has_the_hash_of_the_signature)
{
    check_binding(signed_by(rsa, EVP_sha256(), 0, NULL), "SHA256");
    check_binding(signed_by(rsa, EVP_sha224(), 0, NULL), "SHA224");
    check_binding(signed_by(rsa, EVP_sha384(), 0, NULL), "SHA384");
    check_binding(signed_by(rsa, EVP_sha512(), 0, NULL), "SHA512");
    check_binding(signed_by(ec, EVP_sha256(), 0, NULL), "SHA256");
    check_binding(signed_by(ec, EVP_sha384(), 0, NULL), "SHA384");
}
END_TEST

START_TEST(a_binding_has_sha256_where_the_hash_is_weak)
{
    check_binding(signed_by(rsa, EVP_md5(), 0, NULL), "SHA256");
    check_binding(signed_by(rsa, EVP_sha1(), 0, NULL), "SHA256");
    check_binding(signed_by(ec, EVP_sha1(), 0, NULL), "SHA256");
}
END_TEST

START_TEST(a_binding_has_the_hash_in_the_parameters_of_pss)
{
    int pss = RSA_PKCS1_PSS_PADDING;

    check_binding(signed_by(rsa, EVP_sha256(), pss, EVP_sha256()), "SHA256");
    check_binding(signed_by(rsa, EVP_sha384(), pss, EVP_sha384()), "SHA384");
    check_binding(signed_by(rsa, EVP_sha1(), pss, EVP_sha1()), "SHA256");
}
END_TEST

START_TEST(a_binding_has_sha256_where_there_is_no_hash)
{
    EVP_PKEY *ed25519 = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    EVP_PKEY *ed448 = EVP_PKEY_Q_keygen(NULL, NULL, "ED448");

    check_binding(signed_by(ed25519, NULL, 0, NULL), "SHA256");
    check_binding(signed_by(ed448, NULL, 0, NULL), "SHA256");
    EVP_PKEY_free(ed25519);
    EVP_PKEY_free(ed448);
}
END_TEST

/* What another program made of the same certificate:
 * openssl x509 -outform DER | sha384sum */
START_TEST(a_binding_is_what_others_compute)
{
    static const char pem[] =
        "-----BEGIN CERTIFICATE-----\n"
        "MIIBvjCCAUSgAwIBAgIUUXDKMQ4C+WViEZFXKUTs3+acrz0wCgYIKoZIzj0EAwMw\n"
        "FjEUMBIGA1UEAwwLY2EubGFiLnRlc3QwHhcNMjYxMTIwMjEyMzMyWhcNMzYxMTE3\n"
        "MjEyMzMyWjAWMRQwEgYDVQQDDAtjYS5sYWIudGVzdDB2MBAGByqGSM49AgEGBSuB\n"
        "BAAiA2IABJsfGh5KYBHiLbZqFUvQoIJZ/fOjZ9TFxNuerAr+Vcpcg66g6Y2O59uV\n"
        "AQ1RID74n/iqOenPPMeFySvlPMbDJx4302FGLPW4G48ja+klXB8yikVZ7yCo47Lp\n"
        "Eplj5Q21PaNTMFEwHQYDVR0OBBYEFELynxI3BG64yCTVy2Je2gLuvLxhMB8GA1Ud\n"
        "IwQYMBaAFELynxI3BG64yCTVy2Je2gLuvLxhMA8GA1UdEwEB/wQFMAMBAf8wCgYI\n"
        "KoZIzj0EAwMDaAAwZQIxAKBGwuao73+Cqyc18OPHobCyfA1IwszcdVccsEr9N5Zn\n"
        "6UivCHAIDE9Ij2ong2HOZgIwClczJbizwdgdATqvLpe6qXhKs7Drvm6i4N1M+N1h\n"
        "RVGi/9LxdBdK/UzcBkYlAb3m\n"
        "-----END CERTIFICATE-----\n";
    static const unsigned char expected[] = {
        0x75, 0x61, 0x2c, 0xe6, 0x3d, 0xa2, 0x96, 0xbe, 0x80, 0xc6, 0x94, 0x27,
        0x31, 0x86, 0xb7, 0xba, 0x86, 0x48, 0x4b, 0x7c, 0xd4, 0xe3, 0xea, 0x77,
        0x45, 0x37, 0xeb, 0x43, 0x44, 0x7b, 0xaf, 0xff, 0x8f, 0xcc, 0x83, 0xd9,
        0xb8, 0x40, 0x52, 0x66, 0x9e, 0xc0, 0x3e, 0x2f, 0x79, 0xcc, 0x75, 0x46
    };
    unsigned char binding[SCEP_HTTP_BINDING_MAX];
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);

    ck_assert_ptr_nonnull(cert);
    ck_assert_uint_eq(scep_http_binding_make(cert, binding),
                      21 + sizeof(expected));
    ck_assert_mem_eq(binding + 21, expected, sizeof(expected));
    X509_free(cert);
    BIO_free(bio);
}
END_TEST

/* ------------------------------------------------------------ keytabs */

static const char *keytab_with(const char *const *principals, mode_t mode)
{
    char *path = path_of("keytab");
    krb5_context context;
    krb5_keytab keytab;

    unlink(path);
    ck_assert_int_eq(krb5_init_context(&context), 0);
    ck_assert_int_eq(krb5_kt_resolve(context,
                                     apr_pstrcat(pool, "FILE:", path, NULL),
                                     &keytab),
                     0);
    for (; *principals; principals++) {
        krb5_keytab_entry entry = { .vno = 1 };

        ck_assert_int_eq(krb5_parse_name(context, *principals,
                                         &entry.principal),
                         0);
        ck_assert_int_eq(
            krb5_c_make_random_key(context, ENCTYPE_AES256_CTS_HMAC_SHA1_96,
                                   &entry.key),
            0);
        ck_assert_int_eq(krb5_kt_add_entry(context, keytab, &entry), 0);
        krb5_free_keytab_entry_contents(context, &entry);
    }
    krb5_kt_close(context, keytab);
    krb5_free_context(context);
    ck_assert_int_eq(chmod(path, mode), 0);
    return path;
}

static const char *const two[] = { "one@A.TEST", "HTTP/two@A.TEST", NULL };

START_TEST(a_keytab_stands_for_its_first_principal_or_the_one_named)
{
    const char *path = keytab_with(two, 0600);
    scep_http_keytab_t keytab;

    ck_assert_ptr_null(scep_http_keytab_read(path, NULL, &keytab, pool));
    ck_assert_str_eq(keytab.principal, "one@A.TEST");
    ck_assert_ptr_null(
        scep_http_keytab_read(path, "HTTP/two@A.TEST", &keytab, pool));
    ck_assert_str_eq(keytab.principal, "HTTP/two@A.TEST");
    ck_assert_ptr_null(scep_http_check_keytab(path, "one@A.TEST", pool));
}
END_TEST

START_TEST(a_keytab_is_not_needed_once_it_is_read)
{
    const char *path = keytab_with(two, 0600);
    scep_http_keytab_t keytab;
    krb5_context context;
    krb5_principal principal;
    krb5_keytab_entry entry;
    krb5_keytab copy;
    apr_pool_t *own;

    apr_pool_create(&own, pool);
    ck_assert_ptr_null(scep_http_keytab_read(path, NULL, &keytab, own));
    unlink(path);
    ck_assert_int_eq(krb5_init_context(&context), 0);
    ck_assert_int_eq(krb5_parse_name(context, keytab.principal, &principal),
                     0);
    ck_assert_int_eq(krb5_kt_resolve(context, keytab.name, &copy), 0);
    ck_assert_int_eq(krb5_kt_get_entry(context, copy, principal, 0, 0, &entry),
                     0);
    krb5_free_keytab_entry_contents(context, &entry);
    krb5_kt_close(context, copy);
    /* ... and is gone with its pool */
    path = apr_pstrdup(pool, keytab.name);
    apr_pool_destroy(own);
    ck_assert_int_eq(krb5_kt_resolve(context, path, &copy), 0);
    ck_assert_int_ne(krb5_kt_get_entry(context, copy, principal, 0, 0, &entry),
                     0);
    krb5_kt_close(context, copy);
    krb5_free_principal(context, principal);
    krb5_free_context(context);
}
END_TEST

static void check_fault(const char *path, const char *principal,
                        const char *words)
{
    const char *err = scep_http_check_keytab(path, principal, pool);

    ck_assert_ptr_nonnull(err);
    ck_assert_msg(strstr(err, words) != NULL, "%s", err);
}

static void write_keytab(const char *text)
{
    FILE *file = fopen(path_of("keytab"), "wb");

    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(chmod(path_of("keytab"), 0600), 0);
}

START_TEST(a_keytab_that_cannot_be_used_is_told_of)
{
    const char *path = path_of("keytab");

    check_fault(path, NULL, "No such file");
    check_fault(dir, NULL, "is no file");
    keytab_with(two, 0644);
    check_fault(path, NULL, "by others");
    keytab_with(two, 0600);
    check_fault(path, "three@A.TEST", "has no key of three@A.TEST");
    check_fault(path, "one@B.TEST", "has no key of one@B.TEST");
    check_fault(path, "a@b@c", "keytab");
    write_keytab("\x05\x02");
    check_fault(path, NULL, "has no key of anyone");
    write_keytab("no keytab at all");
    check_fault(path, NULL, "Unsupported key table format version");
    write_keytab("");
    check_fault(path, NULL, "Unsupported key table format version");
    keytab_with(two, 0600);
    ck_assert_int_eq(truncate(path, 8), 0);
    check_fault(path, NULL, "has no key of anyone");
}
END_TEST

/* -------------------------------------------------------------- calls */

START_TEST(a_call_without_a_keytab_sends_nothing)
{
    scep_http_settings_t settings = { .auth = SCEP_HTTP_AUTH_KERBEROS,
                                      .keytab = path_of("keytab"),
                                      .allow_http = SCEP_HTTP_LOOPBACK };
    scep_http_request_t request = { .url = "http://127.0.0.1:1/" };
    scep_http_client_t *client = scep_http_client_create(&settings, pool);
    scep_http_response_t response;

    ck_assert_int_eq(scep_http_client_call(client, &request, &response, pool),
                     APR_EGENERAL);
    ck_assert_int_eq(response.sent, 0);
    ck_assert_ptr_nonnull(strstr(response.error, "cannot read the keytab"));
}
END_TEST

static void check_token(const char *challenges, const char *token)
{
    const char *found = scep_http_proof_token(challenges, pool);

    if (token) {
        ck_assert_ptr_nonnull(found);
        ck_assert_str_eq(found, token);
    } else {
        ck_assert_ptr_null(found);
    }
}

START_TEST(the_servers_token_is_found_among_challenges)
{
    check_token(NULL, NULL);
    check_token("", NULL);
    check_token("Negotiate", NULL);
    check_token("Negotiate ", NULL);
    check_token("Negotiate, NTLM", NULL);
    check_token("Negotiate , NTLM", NULL);
    check_token("Negotiate b2s=", "b2s=");
    check_token("negotiate  b2s=, NTLM", "b2s=");
    check_token("NTLM, Negotiate b2s=", "b2s=");
    check_token("NTLM,Negotiate b2s=,Basic realm=\"x\"", "b2s=");
    check_token("Basic realm=\"a, Negotiate bm8=\", Negotiate b2s=", "b2s=");
    check_token("Basic realm=\"a, Negotiate bm8=", NULL);
    check_token("Basic realm=\"", NULL);
    check_token("NegotiateX b2s=", NULL);
    check_token(",,, Negotiate b2s=", "b2s=");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("http_gss");
    TCase *tests = tcase_create("gss");

    tcase_add_unchecked_fixture(tests, setup_keys, NULL);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_binding_has_the_hash_of_the_signature);
    tcase_add_test(tests, a_binding_has_sha256_where_the_hash_is_weak);
    tcase_add_test(tests, a_binding_has_the_hash_in_the_parameters_of_pss);
    tcase_add_test(tests, a_binding_has_sha256_where_there_is_no_hash);
    tcase_add_test(tests, a_binding_is_what_others_compute);
    tcase_add_test(tests,
                   a_keytab_stands_for_its_first_principal_or_the_one_named);
    tcase_add_test(tests, a_keytab_is_not_needed_once_it_is_read);
    tcase_add_test(tests, a_keytab_that_cannot_be_used_is_told_of);
    tcase_add_test(tests, a_call_without_a_keytab_sends_nothing);
    tcase_add_test(tests, the_servers_token_is_found_among_challenges);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
