/* check_policy_rules.c - tests of rules about names, keys, numbers, conditions
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>
#include <check.h>
#include <openssl/err.h>

#include "name_match.h"
#include "policy.h"
#include "policy_force.h"
#include "run.h"
#include "san_match.h"
#include "support.h"

static apr_pool_t *shared, *pool;
static EVP_PKEY *rsa, *three;
static scep_alg_t *alg;
static scep_weak_t *weak;
static scep_policy_t policy;
static scep_policy_answer_t answer;
static scep_result_t res;

static void setup_keys(void)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_RSA, NULL);
    BIGNUM *e = BN_new();

    shared = support_pool();
    rsa = support_rsa(2048, shared);
    ck_assert_int_eq(scep_alg_create(&alg, 0, shared), APR_SUCCESS);
    ck_assert_int_eq(scep_weak_create(&weak, shared), APR_SUCCESS);
    BN_set_word(e, 3);
    ck_assert_int_eq(EVP_PKEY_keygen_init(ctx), 1);
    ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, 2048), 1);
    ck_assert_int_eq(EVP_PKEY_CTX_set1_rsa_keygen_pubexp(ctx, e), 1);
    ck_assert_int_eq(EVP_PKEY_generate(ctx, &three), 1);
    BN_free(e);
    EVP_PKEY_CTX_free(ctx);
}

static void setup(void)
{
    const scep_policy_t fresh = { .keys = SCEP_KEY_RULE_DEFAULT,
                                  .sans = SCEP_SANS_DEFAULT,
                                  .exponent = SCEP_EXPONENT_DEFAULT,
                                  .weak = weak };

    ck_assert_int_eq(apr_pool_create(&pool, shared), APR_SUCCESS);
    ERR_clear_error();
    policy = fresh;
}

static void teardown(void)
{
    ck_assert_uint_eq(ERR_peek_error(), 0);
    apr_pool_destroy(pool);
}

/* ------------------------------------------------------------------ */

static scep_csr_t *csr_of(EVP_PKEY *key, const char *dn, const char *name,
                          const char *value)
{
    STACK_OF(X509_EXTENSION) *extensions = sk_X509_EXTENSION_new_null();
    X509_REQ *req = X509_REQ_new();
    X509_NAME *subject;
    unsigned char *der = NULL;
    scep_csr_t *csr = NULL;
    int len;

    ck_assert_ptr_null(scep_name_parse(&subject, dn, pool));
    ck_assert_int_eq(X509_REQ_set_subject_name(req, subject), 1);
    ck_assert_int_eq(X509_REQ_set_pubkey(req, key), 1);
    if (name) {
        sk_X509_EXTENSION_push(extensions,
                               X509V3_EXT_conf(NULL, NULL, name, value));
        ck_assert_int_eq(X509_REQ_add_extensions(req, extensions), 1);
    }
    ck_assert_int_gt(X509_REQ_sign(req, key, EVP_sha256()), 0);
    len = i2d_X509_REQ(req, &der);
    res = (scep_result_t)SCEP_RESULT_INIT;
    ck_assert_int_eq(scep_csr_parse(&csr, apr_pmemdup(pool, der, len),
                                    (apr_size_t)len, NULL, NULL, 0, &res,
                                    pool),
                     APR_SUCCESS);
    OPENSSL_free(der);
    X509_REQ_free(req);
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    ERR_clear_error();
    return csr;
}

static apr_status_t apply(const scep_csr_t *csr, const char *device)
{
    memset(&answer, 0, sizeof(answer));
    return scep_policy_apply(&policy, csr, device, &answer, &res, pool);
}

static void gives(const char *dn, const char *device, const char *subject)
{
    ck_assert_msg(apply(csr_of(rsa, dn, NULL, NULL), device) == APR_SUCCESS,
                  "%s: %s", dn, res.detail);
    ck_assert_str_eq(scep_name_text(answer.subject, pool), subject);
}

static void allows(const char *dn)
{
    gives(dn, NULL,
          scep_name_text(csr_of(rsa, dn, NULL, NULL)->subject, pool));
}

/* The rule is named, and stands in front of what it says. */
static void refused(const char *rule, const char *detail)
{
    ck_assert_ptr_nonnull(res.rule);
    ck_assert_str_eq(res.rule, rule);
    ck_assert_msg(!strncmp(res.detail, rule, strlen(rule)), "%s", res.detail);
    ck_assert_msg(strstr(res.detail, detail) != NULL, "%s", res.detail);
    ck_assert_ptr_null(answer.subject);
}

static void refuses(const char *dn, const char *rule, const char *detail)
{
    ck_assert_msg(apply(csr_of(rsa, dn, NULL, NULL), NULL) == APR_EGENERAL,
                  "%s", dn);
    ck_assert_int_eq(res.reason, SCEP_REASON_POLICY);
    refused(rule, detail);
}

static void force(const char *text)
{
    apr_array_header_t *row =
        policy.force ? (apr_array_header_t *)policy.force
                     : apr_array_make(pool, 2, sizeof(scep_policy_force_t));
    const char *error =
        scep_policy_force_parse(apr_array_push(row), text, pool);

    ck_assert_msg(!error, "%s: %s", text, error);
    policy.force = row;
}

static void allow(const char *text)
{
    apr_array_header_t *row =
        policy.allowed
            ? (apr_array_header_t *)policy.allowed
            : apr_array_make(pool, 2, sizeof(const scep_name_pattern_t *));

    ck_assert_ptr_null(
        scep_name_attribute_pattern_parse(apr_array_push(row), text, pool));
    policy.allowed = row;
}

/* ------------------------------------------------------------------ */
/* Subjects                                                             */

START_TEST(issue4_attributes_that_a_subject_must_have)
{
    apr_array_header_t *row =
        apr_array_make(pool, 2, sizeof(const ASN1_OBJECT *));

    APR_ARRAY_PUSH(row, const ASN1_OBJECT *) =
        scep_name_attribute_type("cn", pool);
    APR_ARRAY_PUSH(row, const ASN1_OBJECT *) =
        scep_name_attribute_type("2.5.4.10", pool);
    policy.wanted = row;
    allows("CN=a,O=b");
    allows("CN=a,OU=c,O=b,C=CH");
    refuses("CN=a", "ScepSubjectRequire", "the subject has no O");
    refuses("O=a", "ScepSubjectRequire", "the subject has no CN");
    refuses("OU=a", "ScepSubjectRequire", "no CN; the subject has no O");
}
END_TEST

START_TEST(issue4_attributes_that_a_subject_may_have)
{
    allow("CN=*.example.com");
    allow("CN=gateway-*");
    allow("O=Example");
    allows("CN=a.example.com");
    allows("CN=gateway-1,O=Example");
    allows("CN=gateway-1,CN=a.example.com");
    refuses("CN=a.example.org", "ScepSubjectAllow", "CN=a.example.org");
    refuses("CN=a.example.com,O=Other", "ScepSubjectAllow", "O=Other");
    refuses("CN=a.example.com,OU=x", "ScepSubjectAllow", "OU=x");
    /* each of several, and each part of an RDN */
    refuses("CN=a.example.com,CN=admin", "ScepSubjectAllow", "CN=admin");
    refuses("CN=a.example.com+OU=x", "ScepSubjectAllow", "OU=x");
    refuses("O=a,OU=b", "ScepSubjectAllow", "; ");
}
END_TEST

/* ------------------------------------------------------------------ */
/* Forced attributes                                                    */

START_TEST(issue4_constants_are_set)
{
    force("O=Example AG");
    gives("CN=a,O=other,C=CH", NULL, "CN=a,O=Example AG,C=CH");
    gives("CN=a", NULL, "O=Example AG,CN=a");
    gives("CN=a,O=x,O=y", NULL, "CN=a,O=Example AG");
    gives("O=x+CN=a", NULL, "O=Example AG,CN=a");
    gives("", NULL, "O=Example AG");
    force("OU=");
    gives("CN=a,OU=x+OU=y,OU=z", NULL, "O=Example AG,CN=a");
}
END_TEST

START_TEST(issue4_the_device_is_set)
{
    force("CN=%{device}");
    gives("CN=administrator", "serial-1", "CN=serial-1");
    gives("CN=a,CN=b,O=c", "serial-1", "CN=serial-1,O=c");
    gives("serialNumber=SERIAL-1", "serial-1",
          "CN=serial-1,serialNumber=SERIAL-1");
    /* a value cannot become more than a value */
    gives("O=c", "x,O=y+CN=z", "CN=x\\,O=y\\+CN=z,O=c");
}
END_TEST

START_TEST(issue4_the_device_is_a_part)
{
    force("CN=d-%{device}.example.com");
    gives("CN=administrator", "1", "CN=d-1.example.com");
}
END_TEST

START_TEST(issue4_without_a_device_there_is_no_certificate)
{
    force("CN=%{device}");
    refuses("CN=a", "ScepSubjectForce", "bound to no device");
    ck_assert_int_eq(apply(csr_of(rsa, "CN=a", NULL, NULL),
                           apr_pstrcat(pool, "0123456789012345678901234567890",
                                       "1234567890123456789012345678901234",
                                       NULL)),
                     APR_EGENERAL);
    refused("ScepSubjectForce", "CN cannot be \"01234567");
}
END_TEST

START_TEST(issue4_what_is_forced_is_what_others_look_at)
{
    force("O=Example");
    allow("CN=*");
    refuses("CN=a", "ScepSubjectAllow", "O=Example");
    allow("O=Example");
    gives("CN=a,O=evil", NULL, "CN=a,O=Example");
    policy.empty_subject = 0;
    gives("", NULL, "O=Example");
}
END_TEST

START_TEST(issue4_what_cannot_be_forced)
{
    static const char *const bad[] = { "",
                                       "CN",
                                       "foo=a",
                                       "CN=a,O=b",
                                       "CN=a+O=b",
                                       "CN=%{other}",
                                       "CN=%{device}%{device}",
                                       "CN=%{device",
                                       "C=Switzerland",
                                       "C=%{device}CH" };
    scep_policy_force_t one;

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        ck_assert_msg(scep_policy_force_parse(&one, bad[i], pool) != NULL,
                      "%s", bad[i]);
    ck_assert_ptr_null(scep_policy_force_parse(&one, "CN=100% {a}", pool));
}
END_TEST

static X509_NAME *name_of(const char *dn)
{
    X509_NAME *name;

    ck_assert_ptr_null(scep_name_parse(&name, dn, pool));
    return name;
}

START_TEST(issue4_who_renews_keeps_the_device)
{
    force("O=Example");
    ck_assert(!scep_policy_wants_device(&policy));
    ck_assert_ptr_null(scep_policy_device(&policy, name_of("CN=d-1.x"), pool));
    force("CN=d-%{device}.x");
    ck_assert(scep_policy_wants_device(&policy));
    ck_assert_str_eq(scep_policy_device(&policy, name_of("CN=d-1.x"), pool),
                     "1");
    ck_assert_ptr_null(scep_policy_device(&policy, name_of("CN=d-.x"), pool));
    ck_assert_ptr_null(scep_policy_device(&policy, name_of("CN=e-1.x"), pool));
    ck_assert_ptr_null(scep_policy_device(&policy, name_of("CN=d-1.y"), pool));
    ck_assert_ptr_null(scep_policy_device(&policy, name_of("O=d-1.x"), pool));
    ck_assert_ptr_null(
        scep_policy_device(&policy, name_of("CN=d-1.x,CN=d-2.x"), pool));
}
END_TEST

START_TEST(issue4_the_device_of_a_grant)
{
    scep_policy_request_t request = { 0 };
    scep_verify_result_t verdict = { .device = "one" };

    force("CN=%{device}");
    scep_policy_granted(&policy, &verdict, &request, pool);
    ck_assert_str_eq(request.device, "one");
    ck_assert_ptr_null(request.renews);
    verdict.device = NULL;
    scep_policy_granted(&policy, &verdict, &request, pool);
    ck_assert_ptr_null(request.device);
    verdict.renews = support_cert("two", rsa, NULL, NULL, NULL, pool);
    scep_policy_granted(&policy, &verdict, &request, pool);
    ck_assert_str_eq(request.device, "two");
    ck_assert_ptr_nonnull(request.renews);
}
END_TEST

/* ------------------------------------------------------------------ */
/* SANs and usages                                                      */

START_TEST(issue4_sans_that_a_request_must_have)
{
    policy.sans_wanted = SCEP_SAN_DNS | SCEP_SAN_EMAIL;
    ck_assert_int_eq(apply(csr_of(rsa, "CN=a", "subjectAltName",
                                  "DNS:a,email:a@b,DNS:c"),
                           NULL),
                     APR_SUCCESS);
    ck_assert_int_eq(apply(csr_of(rsa, "CN=a", "subjectAltName", "DNS:a"),
                           NULL),
                     APR_EGENERAL);
    refused("ScepSubjectAltNameRequire", "no SAN of type email");
    refuses("CN=a", "ScepSubjectAltNameRequire", "type dns; ");
}
END_TEST

START_TEST(issue4_sans_that_a_request_may_have)
{
    apr_array_header_t *row =
        apr_array_make(pool, 2, sizeof(const scep_san_pattern_t *));

    ck_assert_ptr_null(scep_san_pattern_parse(apr_array_push(row),
                                              "dns:*.example.com", pool));
    ck_assert_ptr_null(
        scep_san_pattern_parse(apr_array_push(row), "upn:*", pool));
    policy.sans_allowed = row;
    allows("CN=a");
    ck_assert_int_eq(apply(csr_of(rsa, "CN=a", "subjectAltName",
                                  "DNS:a.example.com,DNS:b.example.com"),
                           NULL),
                     APR_SUCCESS);
    ck_assert_int_eq(apply(csr_of(rsa, "CN=a", "subjectAltName",
                                  "DNS:a.example.com,email:a@b"),
                           NULL),
                     APR_EGENERAL);
    refused("ScepSubjectAltNameAllow", "email:a@b");
    /* a pattern opens no type */
    ck_assert_int_eq(apply(csr_of(rsa, "CN=a", "subjectAltName",
                                  "otherName:msUPN;UTF8:a@b"),
                           NULL),
                     APR_EGENERAL);
    refused("ScepSubjectAltNames", "upn:a@b");
}
END_TEST

START_TEST(issue4_usages_that_a_request_may_ask_for)
{
    apr_array_header_t *row =
        apr_array_make(pool, 2, sizeof(const ASN1_OBJECT *));

    APR_ARRAY_PUSH(row, const ASN1_OBJECT *) = OBJ_nid2obj(NID_client_auth);
    ck_assert_int_eq(
        apply(csr_of(rsa, "CN=a", "extendedKeyUsage", "codeSigning"), NULL),
        APR_SUCCESS);
    policy.usages_asked = row;
    allows("CN=a");
    ck_assert_int_eq(
        apply(csr_of(rsa, "CN=a", "extendedKeyUsage", "clientAuth"), NULL),
        APR_SUCCESS);
    ck_assert_int_eq(apply(csr_of(rsa, "CN=a", "extendedKeyUsage",
                                  "clientAuth,codeSigning,1.2.3"),
                           NULL),
                     APR_EGENERAL);
    refused("ScepExtendedKeyUsageAllow", "codeSigning; ");
    ck_assert_int_eq(apply(csr_of(rsa, "CN=a", "2.5.29.37", "DER:0500"), NULL),
                     APR_EGENERAL);
    refused("ScepExtendedKeyUsageAllow", "malformed");
}
END_TEST

START_TEST(issue4_application_policies_are_refused_unless_listed)
{
    const char *oid = "1.3.6.1.4.1.311.21.10";
    ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
    apr_array_header_t *row =
        apr_array_make(pool, 1, sizeof(const ASN1_OBJECT *));

    ck_assert_int_eq(apply(csr_of(rsa, "CN=a", oid, "DER:3000"), NULL),
                     APR_EGENERAL);
    refused("ScepExtensions", "Microsoft's extension");
    APR_ARRAY_PUSH(row, const ASN1_OBJECT *) = object;
    policy.extensions = row;
    ck_assert_int_eq(apply(csr_of(rsa, "CN=a", oid, "DER:3000"), NULL),
                     APR_SUCCESS);
    ASN1_OBJECT_free(object);
}
END_TEST

START_TEST(issue4_many_faults_are_no_long_text)
{
    char *sans = apr_pstrdup(pool, "IP:192.0.2.0");

    for (int i = 1; i < 250; i++)
        sans = apr_psprintf(pool, "%s,IP:192.0.2.%d", sans, i);
    policy.sans = SCEP_SAN_DNS;
    ck_assert_int_eq(apply(csr_of(rsa, "CN=a", "subjectAltName", sans), NULL),
                     APR_EGENERAL);
    refused("ScepSubjectAltNames", "192.0.2.9");
    ck_assert_uint_lt(strlen(res.detail), 800);
}
END_TEST

/* ------------------------------------------------------------------ */
/* Keys                                                                 */

START_TEST(issue4_small_exponents)
{
    scep_csr_t *csr = csr_of(three, "CN=a", NULL, NULL);

    ck_assert_int_eq(apply(csr, NULL), APR_EGENERAL);
    ck_assert_int_eq(res.reason, SCEP_REASON_KEY);
    ck_assert_int_eq(res.fail_info, SCEP_FAIL_BAD_ALG);
    refused("ScepRSAExponent", "public exponent 3, 65537 is the least");
    policy.exponent = 3;
    res = (scep_result_t)SCEP_RESULT_INIT;
    ck_assert_int_eq(apply(csr, NULL), APR_SUCCESS);
}
END_TEST

START_TEST(issue4_listed_keys)
{
    unsigned char digest[20];
    scep_weak_t *with_list;
    char *modulus, *line = apr_palloc(pool, 21);
    BIGNUM *n = NULL;
    const char *text;

    ck_assert_int_eq(scep_weak_create(&with_list, pool), APR_SUCCESS);
    ck_assert_int_eq(EVP_PKEY_get_bn_param(rsa, "n", &n), 1);
    modulus = BN_bn2hex(n);
    text = apr_pstrcat(pool, "Modulus=", modulus, "\n", NULL);
    ck_assert_int_eq(EVP_Digest(text, strlen(text), digest, NULL, EVP_sha1(),
                                NULL),
                     1);
    for (int i = 0; i < 10; i++)
        apr_snprintf(line + 2 * i, 3, "%02x", digest[10 + i]);
    ck_assert_ptr_null(scep_weak_add(with_list, line, 20, pool));
    allows("CN=a");
    policy.weak = with_list;
    ck_assert_int_eq(apply(csr_of(rsa, "CN=a", NULL, NULL), NULL),
                     APR_EGENERAL);
    ck_assert_int_eq(res.reason, SCEP_REASON_KEY);
    refused("ScepWeakKeys", "list of known keys");
    OPENSSL_free(modulus);
    BN_free(n);
}
END_TEST

/* ------------------------------------------------------------------ */
/* Numbers and conditions                                               */

static struct {
    int live, with_key, holds;
    apr_status_t rv;
    const char *holder, *renews, *spki;
    int asked;
} world;

static int fake_holds(void *baton, const scep_policy_condition_t *condition,
                      const scep_policy_request_t *request, const char **error,
                      apr_pool_t *p)
{
    (void)baton;
    (void)p;
    ck_assert_ptr_nonnull(request->subject);
    world.asked++;
    if (world.holds < 0)
        *error = "no such thing";
    return strcmp(condition->name, "good") == 0 ? 1 : world.holds;
}

static apr_status_t fake_live(void *baton, const char *holder,
                              const char *renews, int *count, apr_pool_t *p)
{
    (void)baton;
    (void)p;
    world.holder = holder;
    world.renews = renews;
    *count = world.live;
    return world.rv;
}

static apr_status_t fake_key(void *baton, const char *spki, const char *holder,
                             int *count, apr_pool_t *p)
{
    (void)baton;
    (void)p;
    world.holder = holder;
    world.spki = spki;
    *count = world.with_key;
    return world.rv;
}

static const scep_policy_ops_t ops = { NULL, fake_holds, fake_live, fake_key };

static apr_status_t admit(const char *dn, const scep_policy_ops_t *by)
{
    scep_policy_request_t request = { .csr = csr_of(rsa, dn, NULL, NULL),
                                      .renews = "0a" };

    request.subject = request.csr->subject;
    memset(&answer, 0, sizeof(answer));
    return scep_policy_admit(&policy, &request, by, alg, &res, pool);
}

START_TEST(issue4_without_such_rules_nobody_is_asked)
{
    memset(&world, 0, sizeof(world));
    ck_assert_int_eq(admit("CN=a", NULL), APR_SUCCESS);
    ck_assert_int_eq(admit("CN=a", &ops), APR_SUCCESS);
    ck_assert_int_eq(world.asked, 0);
    ck_assert_ptr_null(world.holder);
}
END_TEST

START_TEST(issue4_live_certificates_of_a_subject)
{
    memset(&world, 0, sizeof(world));
    policy.most_certificates = 2;
    world.live = 1;
    ck_assert_int_eq(admit("CN=a", &ops), APR_SUCCESS);
    ck_assert_str_eq(world.renews, "0a");
    ck_assert_uint_eq(strlen(world.holder), 64);
    world.live = 2;
    ck_assert_int_eq(admit("CN=a", &ops), APR_EGENERAL);
    ck_assert_int_eq(res.reason, SCEP_REASON_POLICY);
    refused("ScepMaxCertificates", "2 live certificate(s)");
    /* who cannot count refuses, and not for good */
    world.rv = APR_EGENERAL;
    world.live = 0;
    ck_assert_int_eq(admit("CN=a", &ops), APR_EGENERAL);
    ck_assert_int_eq(res.http_status, 503);
    refused("ScepMaxCertificates", "the ledger does not say");
    ck_assert_int_eq(admit("CN=a", NULL), APR_EGENERAL);
    refused("ScepMaxCertificates", "the ledger does not say");
}
END_TEST

START_TEST(issue4_a_key_of_another_subject)
{
    memset(&world, 0, sizeof(world));
    policy.key_once = 1;
    ck_assert_int_eq(admit("CN=a", &ops), APR_SUCCESS);
    ck_assert_uint_eq(strlen(world.spki), 64);
    ck_assert_uint_eq(strlen(world.holder), 64);
    world.with_key = 1;
    ck_assert_int_eq(admit("CN=a", &ops), APR_EGENERAL);
    ck_assert_int_eq(res.reason, SCEP_REASON_KEY);
    refused("ScepKeyReuse", "1 live certificate(s) for another subject");
    world.rv = APR_EGENERAL;
    world.with_key = 0;
    ck_assert_int_eq(admit("CN=a", &ops), APR_EGENERAL);
    ck_assert_int_eq(res.http_status, 503);
    refused("ScepKeyReuse", "the ledger");
}
END_TEST

START_TEST(issue4_holders_are_told_apart_by_subject_alone)
{
    GENERAL_NAMES *sans = csr_of(rsa, "CN=a", "subjectAltName", "DNS:a")->sans;
    const char *a = scep_policy_holder(name_of("CN=a,O=b"), NULL, alg, pool);

    ck_assert_str_eq(a,
                     scep_policy_holder(name_of("CN=a,O=b"), sans, alg, pool));
    ck_assert_str_eq(a,
                     scep_policy_holder(name_of("O=b,CN=a"), NULL, alg, pool));
    ck_assert_str_ne(a, scep_policy_holder(name_of("CN=a"), NULL, alg, pool));
    ck_assert_str_ne(scep_policy_holder(name_of(""), NULL, alg, pool),
                     scep_policy_holder(name_of(""), sans, alg, pool));
    /* all that a request asks for is another thing */
    a = scep_policy_names(name_of("CN=a,O=b"), sans, alg, pool);
    ck_assert_str_eq(a,
                     scep_policy_names(name_of("O=b,CN=a"), sans, alg, pool));
    ck_assert_str_ne(a,
                     scep_policy_names(name_of("CN=a,O=b"), NULL, alg, pool));
    ck_assert_str_ne(a,
                     scep_policy_names(name_of("CN=b,O=b"), sans, alg, pool));
}
END_TEST

START_TEST(issue4_conditions)
{
    apr_array_header_t *row =
        apr_array_make(pool, 2, sizeof(scep_policy_condition_t));
    scep_policy_condition_t *one = apr_array_push(row);

    memset(&world, 0, sizeof(world));
    one->name = "good";
    policy.conditions = row;
    ck_assert_int_eq(admit("CN=a", &ops), APR_SUCCESS);
    one = apr_array_push(row);
    one->name = "hours";
    ck_assert_int_eq(admit("CN=a", &ops), APR_EGENERAL);
    ck_assert_int_eq(world.asked, 3);
    ck_assert_int_eq(res.reason, SCEP_REASON_POLICY);
    refused("ScepCondition hours", "does not hold");
    world.holds = 1;
    ck_assert_int_eq(admit("CN=a", &ops), APR_SUCCESS);
    world.holds = -1;
    ck_assert_int_eq(admit("CN=a", &ops), APR_EGENERAL);
    ck_assert_int_eq(res.reason, SCEP_REASON_INTERNAL);
    refused("ScepCondition hours", "no such thing");
    ck_assert_int_eq(admit("CN=a", NULL), APR_EGENERAL);
    refused("ScepCondition good", "nobody can tell");
}
END_TEST

/* ------------------------------------------------------------------ */
/* What a CA makes of it                                                */

static const char *other;

/* A certificate with these names for a request of CN=a and dns:a. */
static const char *issued(const char *dn, const char *sans, const char *sid)
{
    const scep_csr_t *csr =
        csr_of(rsa, "CN=a", "subjectAltName", "DNS:a,DNS:b");
    X509 *certificate = X509_new();
    X509_EXTENSION *extension;
    const char *fault;

    ck_assert_int_eq(X509_set_subject_name(certificate, name_of(dn)), 1);
    if (sans) {
        extension = X509V3_EXT_conf(NULL, NULL, "subjectAltName", sans);
        ck_assert_ptr_nonnull(extension);
        X509_add_ext(certificate, extension, -1);
        X509_EXTENSION_free(extension);
    }
    if (sid) {
        extension = X509V3_EXT_conf(NULL, NULL, sid, "DER:0500");
        ck_assert_ptr_nonnull(extension);
        X509_add_ext(certificate, extension, -1);
        X509_EXTENSION_free(extension);
    }
    fault = scep_policy_check_issued(&policy, certificate, csr, csr->subject,
                                     &other, pool);
    X509_free(certificate);
    return fault;
}

#define SID "1.3.6.1.4.1.311.25.2"
#define UPN "DNS:a,otherName:1.3.6.1.4.1.311.20.2.3;UTF8:admin@b"

START_TEST(issue4_what_was_asked_for_is_in_order)
{
    static const scep_issued_names_t all[] = { SCEP_ISSUED_POLICY,
                                               SCEP_ISSUED_REQUEST,
                                               SCEP_ISSUED_ANY };

    policy.issued_names = all[_i];
    allow("CN=b"); /* of what was allowed before nothing is asked again */
    ck_assert_ptr_null(issued("CN=a", "DNS:a,DNS:b", NULL));
    ck_assert_ptr_null(other);
    ck_assert_ptr_null(issued("CN=a", "DNS:b,DNS:A", NULL));
    ck_assert_ptr_null(other);
}
END_TEST

START_TEST(issue4_other_names_keep_the_rules)
{
    const char *fault;

    ck_assert_ptr_null(issued("CN=a,O=b", "DNS:c", NULL));
    ck_assert_ptr_nonnull(strstr(other, "O=b"));
    ck_assert_ptr_nonnull(strstr(other, "c"));
    ck_assert_ptr_null(issued("CN=b", NULL, NULL));
    ck_assert_ptr_nonnull(strstr(other, "SAN none"));
    fault = issued("CN=a", UPN, NULL);
    ck_assert_ptr_nonnull(fault);
    ck_assert_ptr_nonnull(strstr(fault, "(ScepSubjectAltNames)"));
    fault = issued("", "DNS:a", NULL);
    ck_assert_ptr_nonnull(fault);
    ck_assert_ptr_nonnull(strstr(fault, "(ScepEmptySubject)"));
    fault = issued("CN=a", "DNS:a,DNS:b", SID);
    ck_assert_ptr_nonnull(fault);
    ck_assert_ptr_nonnull(strstr(fault, "SID"));
    ck_assert_ptr_nonnull(issued("CN=a", NULL, "2.5.29.17")); /* no SAN */
    allow("CN=a");
    fault = issued("CN=a,O=b", NULL, NULL);
    ck_assert_ptr_nonnull(fault);
    ck_assert_ptr_nonnull(strstr(fault, "(ScepSubjectAllow)"));
    policy.sans |= SCEP_SAN_UPN | SCEP_SAN_SID;
    ck_assert_ptr_null(issued("CN=a", UPN, SID));
}
END_TEST

START_TEST(issue4_other_names_may_be_the_requests_alone)
{
    policy.issued_names = SCEP_ISSUED_REQUEST;
    ck_assert_ptr_nonnull(issued("CN=a", "DNS:a", NULL));
    ck_assert_ptr_nonnull(issued("CN=a", "DNS:a,DNS:b,DNS:c", NULL));
    ck_assert_ptr_nonnull(issued("CN=b", "DNS:a,DNS:b", NULL));
    ck_assert_ptr_nonnull(issued("CN=a", "DNS:a,DNS:b", SID));
}
END_TEST

START_TEST(issue4_the_ca_may_decide_alone)
{
    allow("CN=a");
    policy.issued_names = SCEP_ISSUED_ANY;
    ck_assert_ptr_null(issued("CN=b,O=c", UPN, SID));
    ck_assert_ptr_nonnull(strstr(other, "O=c"));
    ck_assert_ptr_null(issued("", NULL, "2.5.29.17"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("policy_rules");
    TCase *tcase = tcase_create("policy_rules");

    tcase_add_unchecked_fixture(tcase, setup_keys, NULL);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, issue4_attributes_that_a_subject_must_have);
    tcase_add_test(tcase, issue4_attributes_that_a_subject_may_have);
    tcase_add_test(tcase, issue4_constants_are_set);
    tcase_add_test(tcase, issue4_the_device_is_set);
    tcase_add_test(tcase, issue4_the_device_is_a_part);
    tcase_add_test(tcase, issue4_without_a_device_there_is_no_certificate);
    tcase_add_test(tcase, issue4_what_is_forced_is_what_others_look_at);
    tcase_add_test(tcase, issue4_what_cannot_be_forced);
    tcase_add_test(tcase, issue4_who_renews_keeps_the_device);
    tcase_add_test(tcase, issue4_the_device_of_a_grant);
    tcase_add_test(tcase, issue4_sans_that_a_request_must_have);
    tcase_add_test(tcase, issue4_sans_that_a_request_may_have);
    tcase_add_test(tcase, issue4_usages_that_a_request_may_ask_for);
    tcase_add_test(tcase,
                   issue4_application_policies_are_refused_unless_listed);
    tcase_add_test(tcase, issue4_many_faults_are_no_long_text);
    tcase_add_test(tcase, issue4_small_exponents);
    tcase_add_test(tcase, issue4_listed_keys);
    tcase_add_test(tcase, issue4_without_such_rules_nobody_is_asked);
    tcase_add_test(tcase, issue4_live_certificates_of_a_subject);
    tcase_add_test(tcase, issue4_a_key_of_another_subject);
    tcase_add_test(tcase, issue4_holders_are_told_apart_by_subject_alone);
    tcase_add_test(tcase, issue4_conditions);
    tcase_add_loop_test(tcase, issue4_what_was_asked_for_is_in_order, 0, 3);
    tcase_add_test(tcase, issue4_other_names_keep_the_rules);
    tcase_add_test(tcase, issue4_other_names_may_be_the_requests_alone);
    tcase_add_test(tcase, issue4_the_ca_may_decide_alone);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
