/* check_policy.c - tests of what a profile lets a certificate be
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <check.h>
#include <openssl/err.h>

#include "policy.h"
#include "support.h"
#include "run.h"

static apr_pool_t *shared, *pool;
static EVP_PKEY *rsa, *small, *ec;
static scep_policy_t policy;
static scep_policy_answer_t answer;
static scep_result_t res;

static void setup_keys(void)
{
    shared = support_pool();
    rsa = support_rsa(2048, shared);
    small = support_rsa(1024, shared);
    ec = support_ec("P-256", shared);
}

static void setup(void)
{
    const scep_policy_t fresh = { .keys = SCEP_KEY_RULE_DEFAULT,
                                  .sans = SCEP_SANS_DEFAULT };
    const scep_result_t fresh_res = SCEP_RESULT_INIT;

    ck_assert_int_eq(apr_pool_create(&pool, shared), APR_SUCCESS);
    ERR_clear_error();
    policy = fresh;
    res = fresh_res;
    memset(&answer, 0, sizeof(answer));
}

static void teardown(void)
{
    ck_assert_uint_eq(ERR_peek_error(), 0);
    apr_pool_destroy(pool);
}

/* ------------------------------------------------------------------ */

/* One extension a word, "type=value" as openssl.cnf has them. */
static STACK_OF(X509_EXTENSION) *extensions_of(const char *config)
{
    STACK_OF(X509_EXTENSION) *extensions = sk_X509_EXTENSION_new_null();
    char *copy = apr_pstrdup(pool, config), *state, *word;

    for (word = apr_strtok(copy, " ", &state); word;
         word = apr_strtok(NULL, " ", &state)) {
        char *value = strchr(word, '=');
        X509_EXTENSION *extension;

        *value++ = '\0';
        extension = X509V3_EXT_conf(NULL, NULL, word, value);
        ck_assert_msg(extension != NULL, "%s", word);
        sk_X509_EXTENSION_push(extensions, extension);
    }
    return extensions;
}

static scep_csr_t *csr_of(EVP_PKEY *key, const char *cn, const char *config)
{
    STACK_OF(X509_EXTENSION) *extensions = extensions_of(config);
    X509_REQ *req = X509_REQ_new();
    unsigned char *der = NULL;
    scep_csr_t *csr = NULL;
    int len;

    if (cn)
        ck_assert_int_eq(X509_NAME_add_entry_by_txt(
                             X509_REQ_get_subject_name(req), "CN",
                             MBSTRING_UTF8, (const void *)cn, -1, -1, 0),
                         1);
    ck_assert_int_eq(X509_REQ_set_pubkey(req, key), 1);
    if (sk_X509_EXTENSION_num(extensions) > 0)
        ck_assert_int_eq(X509_REQ_add_extensions(req, extensions), 1);
    ck_assert_int_gt(X509_REQ_sign(req, key, EVP_sha256()), 0);
    len = i2d_X509_REQ(req, &der);
    ck_assert_int_gt(len, 0);
    ck_assert_int_eq(scep_csr_parse(&csr, apr_pmemdup(pool, der, len),
                                    (apr_size_t)len, NULL, NULL, 0, &res,
                                    pool),
                     APR_SUCCESS);
    ck_assert_msg(!csr->fault, "%s", csr->fault);
    OPENSSL_free(der);
    X509_REQ_free(req);
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    return csr;
}

static apr_status_t apply(EVP_PKEY *key, const char *cn, const char *config)
{
    scep_csr_t *csr = csr_of(key, cn, config);

    ERR_clear_error();
    return scep_policy_apply(&policy, csr, NULL, &answer, &res, pool);
}

static void allows(const char *cn, const char *config)
{
    ck_assert_msg(apply(rsa, cn, config) == APR_SUCCESS, "%s: %s", config,
                  res.detail);
}

static void refuses(const char *cn, const char *config, const char *detail)
{
    ck_assert_msg(apply(rsa, cn, config) == APR_EGENERAL, "%s", config);
    ck_assert_int_eq(res.reason, SCEP_REASON_POLICY);
    ck_assert_int_eq(res.fail_info, SCEP_FAIL_BAD_REQUEST);
    ck_assert_msg(strstr(res.detail, detail) != NULL, "%s", res.detail);
    ck_assert_ptr_null(answer.extensions);
}

static void list(const char *oid)
{
    apr_array_header_t *oids =
        apr_array_make(pool, 1, sizeof(const ASN1_OBJECT *));

    *(const ASN1_OBJECT **)apr_array_push(oids) = OBJ_txt2obj(oid, 1);
    policy.extensions = oids;
}

static void unlist(void)
{
    ASN1_OBJECT_free((ASN1_OBJECT *)APR_ARRAY_IDX(policy.extensions, 0,
                                                  const ASN1_OBJECT *));
}

/* ------------------------------------------------------------------ */

START_TEST(issue2_a_plain_request_is_allowed)
{
    allows("dev", "");
    ck_assert_ptr_null(answer.extensions);
    ck_assert_ptr_null(answer.dropped);
}
END_TEST

START_TEST(issue2_keys_follow_the_rule)
{
    ck_assert_int_eq(apply(ec, "dev", ""), APR_SUCCESS);
    ck_assert_int_eq(apply(small, "dev", ""), APR_EGENERAL);
    ck_assert_int_eq(res.reason, SCEP_REASON_KEY);
    ck_assert_int_eq(res.fail_info, SCEP_FAIL_BAD_ALG);
    policy.keys.curves = 0;
    ck_assert_int_eq(apply(ec, "dev", ""), APR_EGENERAL);
    ck_assert_int_eq(res.reason, SCEP_REASON_KEY);
}
END_TEST

START_TEST(c44_an_empty_subject_needs_the_switch_and_a_san)
{
    X509_EXTENSION *extension;

    refuses(NULL, "subjectAltName=DNS:a", "empty subject");
    policy.empty_subject = 1;
    refuses(NULL, "", "neither subject nor SAN");
    allows(NULL, "subjectAltName=DNS:a");
    extension = sk_X509_EXTENSION_value(answer.extensions, 0);
    ck_assert_int_eq(X509_EXTENSION_get_critical(extension), 1);
}
END_TEST

START_TEST(c47_sans_are_carried)
{
    X509_EXTENSION *extension;

    allows("dev", "subjectAltName=DNS:a,IP:192.0.2.1,email:a@b,URI:urn:x");
    ck_assert_int_eq(sk_X509_EXTENSION_num(answer.extensions), 1);
    extension = sk_X509_EXTENSION_value(answer.extensions, 0);
    ck_assert_int_eq(OBJ_obj2nid(X509_EXTENSION_get_object(extension)),
                     NID_subject_alt_name);
    ck_assert_int_eq(X509_EXTENSION_get_critical(extension), 0);
    ck_assert_ptr_null(answer.dropped);
}
END_TEST

START_TEST(c47_a_san_that_is_not_allowed_is_named)
{
    policy.sans = SCEP_SAN_DNS;
    refuses("dev", "subjectAltName=DNS:a,IP:192.0.2.1", "ip:192.0.2.1");
    policy.sans = 0;
    refuses("dev", "subjectAltName=DNS:a.example", "dns:a.example");
    policy.sans = ~0u;
    allows("dev", "subjectAltName=DNS:a,RID:1.2.3");
}
END_TEST

START_TEST(c47_a_malformed_san_is_refused)
{
    refuses("dev", "subjectAltName=email:nobody", "malformed SAN email:");
    /* dNSName "a\0" */
    refuses("dev", "2.5.29.17=DER:3004820261:00", "malformed SAN dns:");
}
END_TEST

START_TEST(c48_names_that_windows_trusts_are_refused)
{
    refuses("dev", "subjectAltName=otherName:msUPN;UTF8:a@b", "upn:a@b");
    /* the URI tag:microsoft.com,2022-09-14:sid:S-1 */
    refuses("dev",
            "2.5.29.17=DER:302686247461673a6d6963726f736f66742e636f6d2c32"
            "3032322d30392d31343a7369643a532d31",
            "sid:tag:microsoft.com");
    refuses("dev", "1.3.6.1.4.1.311.25.2=DER:3000", "Microsoft's extension");
    refuses("dev", "1.3.6.1.4.1.311.20.2=DER:1e020041",
            "Microsoft's extension");
    refuses("dev", "1.3.6.1.4.1.311.21.7=DER:3000", "Microsoft's extension");

    list("1.3.6.1.4.1.311.25.2");
    allows("dev", "1.3.6.1.4.1.311.25.2=DER:3000");
    ck_assert_int_eq(sk_X509_EXTENSION_num(answer.extensions), 1);
    unlist();
    policy.extensions = NULL;
    policy.sans = SCEP_SAN_UPN;
    allows("dev", "subjectAltName=otherName:msUPN;UTF8:a@b");
}
END_TEST

START_TEST(issue2_asking_to_be_a_ca_is_refused)
{
    refuses("dev", "basicConstraints=CA:TRUE", "CA certificate");
    refuses("dev", "basicConstraints=critical,CA:TRUE,pathlen:0",
            "CA certificate");
    refuses("dev", "2.5.29.19=DER:0500", "malformed basicConstraints");
    list("2.5.29.19");
    refuses("dev", "basicConstraints=CA:TRUE", "CA certificate");
    unlist();
    policy.extensions = NULL;
    allows("dev", "basicConstraints=critical,CA:FALSE");
    ck_assert_ptr_null(answer.extensions);
    ck_assert_ptr_null(answer.dropped);
}
END_TEST

START_TEST(issue2_what_the_profile_sets_is_left_out_quietly)
{
    allows("dev", "keyUsage=critical,digitalSignature,keyCertSign "
                  "extendedKeyUsage=critical,clientAuth "
                  "subjectKeyIdentifier=DER:0401aa "
                  "authorityKeyIdentifier=DER:3000 "
                  "basicConstraints=CA:FALSE");
    ck_assert_ptr_null(answer.extensions);
    ck_assert_ptr_null(answer.dropped);
}
END_TEST

START_TEST(issue2_other_extensions_are_named_or_refused)
{
    allows("dev", "1.2.3.4=DER:0500 nsComment=x subjectAltName=DNS:a");
    ck_assert_str_eq(answer.dropped, "1.2.3.4, nsComment");
    ck_assert_int_eq(sk_X509_EXTENSION_num(answer.extensions), 1);
    memset(&answer, 0, sizeof(answer));
    refuses("dev", "1.2.3.4=critical,DER:0500",
            "does not list the critical extension 1.2.3.4");
    list("1.2.3.4");
    allows("dev", "nsComment=x 1.2.3.4=critical,DER:0500");
    ck_assert_str_eq(answer.dropped, "nsComment");
    ck_assert_int_eq(sk_X509_EXTENSION_num(answer.extensions), 1);
    ck_assert_int_eq(X509_EXTENSION_get_critical(
                         sk_X509_EXTENSION_value(answer.extensions, 0)),
                     1);
    unlist();
}
END_TEST

START_TEST(issue2_a_subject_that_is_no_text_is_refused)
{
    scep_csr_t *csr = csr_of(rsa, "dev", "");

    ck_assert_int_eq(X509_NAME_add_entry_by_txt((X509_NAME *)csr->subject, "O",
                                                V_ASN1_UTF8STRING,
                                                (const unsigned char *)"a\0b",
                                                3, -1, 0),
                     1);
    ck_assert_int_eq(scep_policy_apply(&policy, csr, NULL, &answer, &res,
                                       pool),
                     APR_EGENERAL);
    ck_assert_int_eq(res.reason, SCEP_REASON_POLICY);
    ck_assert_ptr_nonnull(strstr(res.detail, "O=#610062"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("policy");
    TCase *tcase = tcase_create("policy");

    tcase_add_unchecked_fixture(tcase, setup_keys, NULL);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, issue2_a_plain_request_is_allowed);
    tcase_add_test(tcase, issue2_keys_follow_the_rule);
    tcase_add_test(tcase, c44_an_empty_subject_needs_the_switch_and_a_san);
    tcase_add_test(tcase, c47_sans_are_carried);
    tcase_add_test(tcase, c47_a_san_that_is_not_allowed_is_named);
    tcase_add_test(tcase, c47_a_malformed_san_is_refused);
    tcase_add_test(tcase, c48_names_that_windows_trusts_are_refused);
    tcase_add_test(tcase, issue2_asking_to_be_a_ca_is_refused);
    tcase_add_test(tcase, issue2_what_the_profile_sets_is_left_out_quietly);
    tcase_add_test(tcase, issue2_other_extensions_are_named_or_refused);
    tcase_add_test(tcase, issue2_a_subject_that_is_no_text_is_refused);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
