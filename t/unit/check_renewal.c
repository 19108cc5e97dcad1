/* check_renewal.c - which certificates prove a renewal
 * SPDX-License-Identifier: Apache-2.0
 */
#include <apr_strings.h>
#include <openssl/err.h>

#include "renewal.h"
#include "run.h"
#include "support.h"

static apr_pool_t *pool;
static EVP_PKEY *ca_key, *other_key, *device_key;
static X509 *ca;
static STACK_OF(X509) *chain;
static apr_array_header_t *client_auth;
static apr_time_t now;
static scep_renewal_rule_t rule; /* of each test anew */

/* How a certificate differs from a good one; NULL and 0 do not, "" stands
 * for an extension that is absent. */
typedef struct {
    const char *cn, *san, *usage, *extended, *constraints;
    EVP_PKEY *issuer_key;
    const char *issuer_cn;
    long from, to; /* seconds from now */
} plan_t;

static const char *or_good(const char *value, const char *good)
{
    return value ? value : good;
}

static void add_name(X509_NAME *name, const char *cn)
{
    ck_assert_int_eq(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                                (const unsigned char *)cn, -1,
                                                -1, 0),
                     1);
}

static void add_extension(X509 *cert, int nid, const char *value)
{
    X509_EXTENSION *ext;

    if (!*value)
        return;
    ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    ck_assert_ptr_nonnull(ext);
    X509_add_ext(cert, ext, -1);
    X509_EXTENSION_free(ext);
}

static X509 *make(const plan_t *plan)
{
    X509 *cert = X509_new();
    time_t at = (time_t)apr_time_sec(now);

    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 7);
    add_name(X509_get_subject_name(cert), or_good(plan->cn, "device"));
    add_name(X509_get_issuer_name(cert), or_good(plan->issuer_cn, "CA"));
    X509_time_adj(X509_getm_notBefore(cert), plan->from ? plan->from : -3600,
                  &at);
    X509_time_adj(X509_getm_notAfter(cert), plan->to ? plan->to : 3600, &at);
    X509_set_pubkey(cert, device_key);
    add_extension(cert, NID_subject_alt_name,
                  or_good(plan->san, "DNS:a.example,DNS:b.example"));
    add_extension(cert, NID_key_usage,
                  or_good(plan->usage, "digitalSignature"));
    add_extension(cert, NID_ext_key_usage,
                  or_good(plan->extended, "clientAuth"));
    add_extension(cert, NID_basic_constraints, or_good(plan->constraints, ""));
    ck_assert_int_gt(X509_sign(cert,
                               plan->issuer_key ? plan->issuer_key : ca_key,
                               EVP_sha256()),
                     0);
    return cert;
}

/* A request for cn with SANs, signed by a certificate to that plan. */
static const char *ask(const plan_t *plan, const char *cn, const char *san)
{
    X509 *signer = make(plan);
    X509_NAME *subject = X509_NAME_new();
    GENERAL_NAMES *sans = NULL;
    const char *answer;

    add_name(subject, cn);
    if (san) {
        X509_EXTENSION *ext =
            X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, san);
        sans = X509V3_EXT_d2i(ext);
        X509_EXTENSION_free(ext);
    }
    answer = scep_renewal_check(&rule, signer, subject, sans, now, pool);
    if (!answer)
        answer = scep_renewal_check_purpose(&rule, signer);
    ck_assert_uint_eq(ERR_peek_error(), 0);
    GENERAL_NAMES_free(sans);
    X509_NAME_free(subject);
    X509_free(signer);
    return answer;
}

START_TEST(c71_a_valid_certificate_of_the_ca_proves)
{
    const plan_t good = { NULL };

    ck_assert_ptr_null(ask(&good, "device", "DNS:a.example,DNS:b.example"));
    ck_assert_ptr_null(ask(&good, "device", "DNS:B.example"));
    ck_assert_ptr_null(ask(&good, "device", NULL));
}
END_TEST

START_TEST(c73_no_new_name)
{
    const plan_t good = { NULL };

    ck_assert_str_eq(ask(&good, "other", NULL),
                     "the request is for another subject than the "
                     "certificate's");
    ck_assert_ptr_nonnull(ask(&good, "device", "DNS:c.example"));
    ck_assert_ptr_nonnull(ask(&good, "device", "DNS:a.example,IP:192.0.2.1"));
    ck_assert_ptr_nonnull(ask(&good, "device", "email:a.example"));
}
END_TEST

START_TEST(forged_and_foreign_certificates_prove_nothing)
{
    const plan_t plans[] = {
        { .issuer_key = other_key }, /* the CA's name alone */
        { .issuer_cn = "Other", .issuer_key = other_key },
        { .issuer_cn = "device", .issuer_key = device_key },
        { .from = 60 },
        { .to = -1 },
        { .extended = "" },
        { .extended = "serverAuth" },
        { .usage = "keyEncipherment" },
        { .constraints = "CA:TRUE", .usage = "" },
    };

    for (size_t i = 0; i < sizeof(plans) / sizeof(*plans); i++)
        ck_assert_msg(ask(&plans[i], "device", NULL) != NULL, "plan %zu", i);
}
END_TEST

START_TEST(grace_counts_from_the_end)
{
    const plan_t ended = { .to = -3600 };

    rule.grace = apr_time_from_sec(3601);
    ck_assert_ptr_null(ask(&ended, "device", NULL));
    rule.grace = apr_time_from_sec(3600);
    ck_assert_ptr_nonnull(ask(&ended, "device", NULL));
}
END_TEST

/* Seconds from now to the certificate's end are 3600, of its life 7200. */
static const char *ask_within(apr_interval_time_t window, int percent)
{
    rule.window = window;
    rule.window_percent = percent;
    return ask(&(plan_t){ NULL }, "device", NULL);
}

START_TEST(the_window_opens_before_the_end)
{
    const char *answer;

    ck_assert_ptr_null(ask_within(0, 0));
    ck_assert_ptr_null(ask_within(apr_time_from_sec(3601), 0));
    answer = ask_within(apr_time_from_sec(3599), 0);
    ck_assert_ptr_nonnull(answer);
    ck_assert_ptr_nonnull(strstr(answer, "(ScepRenewalWindow)"));
    ck_assert_ptr_null(ask_within(0, 51));
    ck_assert_ptr_nonnull(ask_within(0, 49));
}
END_TEST

START_TEST(names_as_the_rule_has_it)
{
    const plan_t good = { NULL };
    const char *answer;

    rule.names = SCEP_RENEWAL_SAME;
    ck_assert_ptr_null(ask(&good, "device", "DNS:b.example,DNS:A.example"));
    answer = ask(&good, "device", "DNS:a.example");
    ck_assert_ptr_nonnull(answer);
    ck_assert_ptr_nonnull(strstr(answer, "ScepRenewalNames same"));
    ck_assert_ptr_nonnull(ask(&good, "device", NULL));
    ck_assert_ptr_nonnull(ask(&good, "other", "DNS:a.example,DNS:b.example"));
    ck_assert_ptr_nonnull(
        ask(&good, "device", "DNS:a.example,DNS:b.example,DNS:c.example"));
    rule.names = SCEP_RENEWAL_ANY;
    ck_assert_ptr_null(ask(&good, "other", "DNS:c.example"));
    /* and nothing else is any laxer */
    ck_assert_ptr_nonnull(
        ask(&(plan_t){ .issuer_key = other_key }, "other", NULL));
}
END_TEST

static void setup(void)
{
    pool = support_pool();
    now = apr_time_now();
    ca_key = support_ec("P-256", pool);
    other_key = support_ec("P-256", pool);
    device_key = support_ec("P-256", pool);
    ca = make(&(plan_t){ .cn = "CA",
                         .san = "",
                         .usage = "keyCertSign,cRLSign",
                         .extended = "",
                         .constraints = "CA:TRUE" });
    X509_set_pubkey(ca, ca_key);
    X509_sign(ca, ca_key, EVP_sha256());
    client_auth = apr_array_make(pool, 1, sizeof(ASN1_OBJECT *));
    APR_ARRAY_PUSH(client_auth, ASN1_OBJECT *) = OBJ_nid2obj(NID_client_auth);
    chain = sk_X509_new_null();
    sk_X509_push(chain, ca);
}

static void plain_rule(void)
{
    memset(&rule, 0, sizeof(rule));
    rule.chain = chain;
    rule.ext_key_usage = client_auth;
}

static void teardown(void)
{
    sk_X509_free(chain);
    X509_free(ca);
}

static Suite *renewal_suite(void)
{
    Suite *suite = suite_create("renewal");
    TCase *tcase = tcase_create("renewal");

    tcase_add_unchecked_fixture(tcase, setup, teardown);
    tcase_add_checked_fixture(tcase, plain_rule, NULL);
    tcase_add_test(tcase, c71_a_valid_certificate_of_the_ca_proves);
    tcase_add_test(tcase, c73_no_new_name);
    tcase_add_test(tcase, forged_and_foreign_certificates_prove_nothing);
    tcase_add_test(tcase, grace_counts_from_the_end);
    tcase_add_test(tcase, the_window_opens_before_the_end);
    tcase_add_test(tcase, names_as_the_rule_has_it);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return run_suite(renewal_suite());
}
