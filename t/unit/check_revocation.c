/* check_revocation.c - what CRLs and OCSP responses say of a certificate
 * SPDX-License-Identifier: Apache-2.0
 */
#include <apr_strings.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>

#include "ocsp.h"
#include "revocation.h"
#include "run.h"
#include "support.h"

#define POINT "http://ca.example/1.crl"

static apr_pool_t *pool;
static EVP_PKEY *ca_key, *other_key, *device_key, *responder_key;
static X509 *ca, *other_ca, *cert, *responder, *no_responder, *foreign;
static apr_time_t now;

static void extend(X509 *x, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *ext;

    X509V3_set_ctx_nodb(&ctx);
    ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    ck_assert_ptr_nonnull(ext);
    X509_add_ext(x, ext, -1);
    X509_EXTENSION_free(ext);
}

static X509 *make(const char *cn, EVP_PKEY *key, X509 *issuer,
                  EVP_PKEY *issuer_key, const char *usage, int nid,
                  const char *value)
{
    X509 *made = support_cert(cn, key, issuer, issuer_key, usage, pool);

    extend(made, nid, value);
    X509_sign(made, issuer_key ? issuer_key : key, EVP_sha256());
    return made;
}

/* ------------------------------------------------------------------ */
/* CRLs                                                                 */

/* How a CRL differs from a good one that lists nothing. */
typedef struct {
    EVP_PKEY *key;
    X509 *issuer;
    long from, to;     /* seconds from now; to 0: no nextUpdate */
    int lists;         /* the certificate is revoked */
    int reason;        /* CRLReason of that, 0: none */
    const char *idp;   /* issuingDistributionPoint */
    int critical;      /* 0: it is not */
    const char *other; /* an extension OID:VALUE, critical */
    int delta;
} plan_t;

static const plan_t good = { .from = -60, .to = 3600, .critical = 1 };

static void list(X509_CRL *crl, int reason)
{
    X509_REVOKED *entry = X509_REVOKED_new();
    ASN1_ENUMERATED *code = ASN1_ENUMERATED_new();

    X509_REVOKED_set_serialNumber(entry,
                                  (ASN1_INTEGER *)X509_get0_serialNumber(
                                      cert));
    X509_REVOKED_set_revocationDate(entry,
                                    (ASN1_TIME *)X509_CRL_get0_lastUpdate(
                                        crl));
    if (reason) {
        ASN1_ENUMERATED_set(code, reason);
        X509_REVOKED_add1_ext_i2d(entry, NID_crl_reason, code, 0, 0);
    }
    ASN1_ENUMERATED_free(code);
    X509_CRL_add0_revoked(crl, entry);
}

static void add_extensions(X509_CRL *crl, const plan_t *plan)
{
    X509_EXTENSION *ext;

    if (plan->idp) {
        ext =
            X509V3_EXT_conf_nid(NULL, NULL, NID_issuing_distribution_point,
                                apr_pstrcat(pool,
                                            plan->critical ? "critical," : "",
                                            plan->idp, NULL));
        ck_assert_ptr_nonnull(ext);
        X509_CRL_add_ext(crl, ext, -1);
        X509_EXTENSION_free(ext);
    }
    if (plan->other) {
        ext = X509V3_EXT_conf(NULL, NULL, "1.2.3.4.5", plan->other);
        ck_assert_ptr_nonnull(ext);
        X509_CRL_add_ext(crl, ext, -1);
        X509_EXTENSION_free(ext);
    }
    if (plan->delta) {
        ASN1_INTEGER *base = ASN1_INTEGER_new();
        ASN1_INTEGER_set(base, 1);
        X509_CRL_add1_ext_i2d(crl, NID_delta_crl, base, plan->critical, 0);
        ASN1_INTEGER_free(base);
    }
}

static X509_CRL *make_crl(const plan_t *plan)
{
    X509_CRL *crl = X509_CRL_new();
    time_t at = (time_t)apr_time_sec(now);
    ASN1_TIME *last = X509_time_adj(NULL, plan->from, &at);
    ASN1_TIME *next = plan->to ? X509_time_adj(NULL, plan->to, &at) : NULL;

    X509_CRL_set_version(crl, 1);
    X509_CRL_set_issuer_name(crl, X509_get_subject_name(
                                      plan->issuer ? plan->issuer : ca));
    X509_CRL_set1_lastUpdate(crl, last);
    if (next)
        X509_CRL_set1_nextUpdate(crl, next);
    if (plan->lists)
        list(crl, plan->reason);
    add_extensions(crl, plan);
    ck_assert_int_gt(X509_CRL_sign(crl, plan->key ? plan->key : ca_key,
                                   EVP_sha256()),
                     0);
    ASN1_TIME_free(last);
    ASN1_TIME_free(next);
    return crl;
}

/* Through all the checks; *reason NULL where it is GOOD. */
static scep_revocation_t look(const plan_t *plan, const char **reason)
{
    X509_CRL *crl = make_crl(plan);
    scep_revocation_t answer = SCEP_REVOCATION_UNCLEAR;

    *reason = scep_revocation_check_crl(crl, ca);
    if (!*reason)
        *reason = scep_revocation_check_time(crl, now);
    if (!*reason)
        answer = scep_revocation_look_up(crl, cert, reason);
    ck_assert_uint_eq(ERR_peek_error(), 0);
    X509_CRL_free(crl);
    return answer;
}

static void expect(const plan_t *plan, scep_revocation_t wanted,
                   const char *part)
{
    const char *reason;

    ck_assert_int_eq(look(plan, &reason), wanted);
    ck_assert_msg(part ? reason && strstr(reason, part) : !reason,
                  "%s in place of %s", reason, part);
}

START_TEST(a_crl_tells_who_is_revoked)
{
    plan_t plan = good;

    expect(&plan, SCEP_REVOCATION_GOOD, NULL);
    plan.lists = 1;
    expect(&plan, SCEP_REVOCATION_REVOKED, "is revoked");
    plan.reason = CRL_REASON_CERTIFICATE_HOLD;
    expect(&plan, SCEP_REVOCATION_REVOKED, "is revoked");
    /* has no place in a CRL that is complete */
    plan.reason = CRL_REASON_REMOVE_FROM_CRL;
    expect(&plan, SCEP_REVOCATION_REVOKED, "is revoked");
}
END_TEST

START_TEST(a_crl_of_somebody_else_tells_nothing)
{
    plan_t plan = good;

    plan.key = other_key;
    expect(&plan, SCEP_REVOCATION_UNCLEAR, "not signed by the issuing CA");
    plan.issuer = other_ca;
    expect(&plan, SCEP_REVOCATION_UNCLEAR, "not signed by the issuing CA");
    plan.key = NULL;
    expect(&plan, SCEP_REVOCATION_UNCLEAR, "not signed by the issuing CA");
}
END_TEST

START_TEST(a_crl_of_another_time_tells_nothing)
{
    plan_t plan = good;

    plan.to = -1;
    expect(&plan, SCEP_REVOCATION_UNCLEAR, "out of date");
    plan.to = 0;
    expect(&plan, SCEP_REVOCATION_UNCLEAR, "out of date");
    plan.from = 60;
    plan.to = 3600;
    expect(&plan, SCEP_REVOCATION_UNCLEAR, "from the future");
}
END_TEST

START_TEST(a_crl_of_a_part_tells_nothing_of_the_rest)
{
    const struct {
        const char *idp, *fault;
    } rows[] = {
        { "onlyCA:TRUE", "end entities" },
        { "onlyAA:TRUE", "end entities" },
        { "indirectCRL:TRUE", "indirect" },
        { "onlysomereasons:keyCompromise", "some reasons" },
        { "fullname:URI:http://ca.example/2.crl", "another part" },
    };
    plan_t plan = good;

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        plan.idp = rows[i].idp;
        plan.critical = 1;
        expect(&plan, SCEP_REVOCATION_UNCLEAR, rows[i].fault);
        plan.critical = 0;
        expect(&plan, SCEP_REVOCATION_UNCLEAR, rows[i].fault);
    }
    plan.idp = "onlyuser:TRUE";
    expect(&plan, SCEP_REVOCATION_GOOD, NULL);
    plan.idp = "fullname:URI:" POINT;
    expect(&plan, SCEP_REVOCATION_GOOD, NULL);
    plan.lists = 1;
    expect(&plan, SCEP_REVOCATION_REVOKED, "is revoked");
}
END_TEST

START_TEST(a_delta_and_what_is_not_known_tell_nothing)
{
    plan_t plan = good;

    plan.delta = 1;
    expect(&plan, SCEP_REVOCATION_UNCLEAR, "delta");
    plan.critical = 0;
    expect(&plan, SCEP_REVOCATION_UNCLEAR, "delta");
    plan = good;
    plan.other = "critical,DER:0500";
    expect(&plan, SCEP_REVOCATION_UNCLEAR, "critical extension");
    plan.other = "DER:0500";
    expect(&plan, SCEP_REVOCATION_GOOD, NULL);
}
END_TEST

START_TEST(a_ca_that_may_not_sign_crls)
{
    X509 *blind = support_cert("CA", ca_key, NULL, NULL, "keyCertSign", pool);
    X509_CRL *crl = make_crl(&good);
    const char *fault = scep_revocation_check_crl(crl, blind);

    ck_assert_ptr_nonnull(fault);
    ck_assert_ptr_nonnull(strstr(fault, "cRLSign"));
    X509_CRL_free(crl);
}
END_TEST

/* ------------------------------------------------------------------ */
/* OCSP                                                                 */

/* How a response differs from a good one. */
typedef struct {
    X509 *signer;
    EVP_PKEY *key;
    X509 *about;
    int status;
    long from, to; /* seconds from now; to 0: no nextUpdate */
    int nonce;     /* 0: none, 1: that of the question, 2: another */
    int unsigned_; /* the signature is spoilt */
    int no_certs;
} reply_t;

static unsigned char nonce[SCEP_OCSP_NONCE_LEN] = { 1, 2, 3 };

static unsigned char *make_reply(const reply_t *plan, int *len)
{
    OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
    OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), plan->about, ca);
    time_t at = (time_t)apr_time_sec(now);
    ASN1_TIME *from = X509_time_adj(NULL, plan->from, &at);
    ASN1_TIME *to = plan->to ? X509_time_adj(NULL, plan->to, &at) : NULL;
    unsigned char other[SCEP_OCSP_NONCE_LEN] = { 9 }, *der = NULL;
    OCSP_RESPONSE *response;

    ASN1_TIME_to_generalizedtime(from, NULL);
    ck_assert_ptr_nonnull(
        OCSP_basic_add1_status(basic, id, plan->status,
                               OCSP_REVOKED_STATUS_KEYCOMPROMISE, from, from,
                               to));
    if (plan->nonce)
        OCSP_basic_add1_nonce(basic, plan->nonce == 1 ? nonce : other,
                              SCEP_OCSP_NONCE_LEN);
    ck_assert_int_eq(OCSP_basic_sign(basic, plan->signer, plan->key,
                                     EVP_sha256(), NULL,
                                     plan->no_certs ? OCSP_NOCERTS : 0),
                     1);
    response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
    *len = i2d_OCSP_RESPONSE(response, &der);
    if (plan->unsigned_) {
        /* an octet of the signature, which is near the end without certs */
        der[*len - 5] ^= 1;
    }
    OCSP_RESPONSE_free(response);
    OCSP_BASICRESP_free(basic);
    OCSP_CERTID_free(id);
    ASN1_TIME_free(from);
    ASN1_TIME_free(to);
    return der;
}

static scep_revocation_t read_reply(const unsigned char *der, int len,
                                    apr_time_t *until, const char **reason)
{
    const unsigned char *question;
    scep_ocsp_t *ocsp;
    apr_size_t size;
    scep_revocation_t answer;

    ck_assert_int_eq(scep_ocsp_ask(&ocsp, cert, ca, nonce, &question, &size,
                                   pool),
                     APR_SUCCESS);
    *reason = NULL;
    answer = scep_ocsp_answer(ocsp, der, (apr_size_t)len, ca, now, until,
                              reason, pool);
    ck_assert_uint_eq(ERR_peek_error(), 0);
    return answer;
}

static void expect_reply(const reply_t *plan, scep_revocation_t wanted,
                         const char *part)
{
    const char *reason;
    apr_time_t until;
    int len;
    unsigned char *der = make_reply(plan, &len);

    ck_assert_int_eq(read_reply(der, len, &until, &reason), wanted);
    ck_assert_msg(part ? reason && strstr(reason, part) : !reason,
                  "%s in place of %s", reason, part);
    ck_assert_int_eq(apr_time_sec(until),
                     wanted != SCEP_REVOCATION_UNCLEAR && plan->to
                         ? apr_time_sec(now) + plan->to
                         : 0);
    OPENSSL_free(der);
}

static reply_t good_reply(void)
{
    const reply_t plan = { .signer = ca,
                           .key = ca_key,
                           .about = cert,
                           .status = V_OCSP_CERTSTATUS_GOOD,
                           .from = -60,
                           .to = 3600,
                           .nonce = 1 };
    return plan;
}

START_TEST(a_responder_tells)
{
    reply_t plan = good_reply();

    expect_reply(&plan, SCEP_REVOCATION_GOOD, NULL);
    plan.no_certs = 1;
    expect_reply(&plan, SCEP_REVOCATION_GOOD, NULL);
    plan.status = V_OCSP_CERTSTATUS_REVOKED;
    expect_reply(&plan, SCEP_REVOCATION_REVOKED, "is revoked");
    plan.status = V_OCSP_CERTSTATUS_UNKNOWN;
    expect_reply(&plan, SCEP_REVOCATION_UNKNOWN, "does not know");
}
END_TEST

START_TEST(a_responder_of_the_ca_tells_as_well)
{
    reply_t plan = good_reply();

    plan.signer = responder;
    plan.key = responder_key;
    expect_reply(&plan, SCEP_REVOCATION_GOOD, NULL);
    plan.status = V_OCSP_CERTSTATUS_REVOKED;
    expect_reply(&plan, SCEP_REVOCATION_REVOKED, "is revoked");
}
END_TEST

START_TEST(nobody_else_tells)
{
    reply_t plan = good_reply();
    X509 *const signers[] = { no_responder, foreign, other_ca };
    EVP_PKEY *const keys[] = { responder_key, responder_key, other_key };

    for (int i = 0; i < 3; i++) {
        plan.signer = signers[i];
        plan.key = keys[i];
        expect_reply(&plan, SCEP_REVOCATION_UNCLEAR, "not signed by");
    }
    plan = good_reply();
    plan.no_certs = plan.unsigned_ = 1;
    expect_reply(&plan, SCEP_REVOCATION_UNCLEAR, "not signed by");
}
END_TEST

START_TEST(an_answer_to_another_question)
{
    reply_t plan = good_reply();

    plan.about = responder;
    expect_reply(&plan, SCEP_REVOCATION_UNCLEAR, "another certificate");
    plan = good_reply();
    plan.nonce = 2;
    expect_reply(&plan, SCEP_REVOCATION_UNCLEAR, "nonce");
    plan.nonce = 0;
    expect_reply(&plan, SCEP_REVOCATION_GOOD, NULL);
}
END_TEST

START_TEST(an_answer_of_another_time)
{
    reply_t plan = good_reply();

    plan.from = 600;
    expect_reply(&plan, SCEP_REVOCATION_UNCLEAR, "from the future");
    plan.from = -7200;
    plan.to = -600;
    expect_reply(&plan, SCEP_REVOCATION_UNCLEAR, "out of date");
    plan.to = 0;
    expect_reply(&plan, SCEP_REVOCATION_UNCLEAR, "out of date");
    plan.from = -60;
    expect_reply(&plan, SCEP_REVOCATION_GOOD, NULL);
}
END_TEST

START_TEST(what_is_no_answer)
{
    static const unsigned char later[] = { 0x30, 3, 0x0a, 1, 3 };
    reply_t plan = good_reply();
    const char *reason;
    apr_time_t until;
    int len;
    unsigned char *der = make_reply(&plan, &len);

    for (int cut = 0; cut < len; cut++)
        ck_assert_int_eq(read_reply(der, cut, &until, &reason),
                         SCEP_REVOCATION_UNCLEAR);
    ck_assert_ptr_nonnull(strstr(reason, "no OCSP response"));
    OPENSSL_free(der);
    ck_assert_int_eq(read_reply(later, sizeof(later), &until, &reason),
                     SCEP_REVOCATION_UNCLEAR);
    ck_assert_ptr_nonnull(strstr(reason, "trylater"));
}
END_TEST

START_TEST(the_responder_that_a_certificate_names)
{
    X509 *named = make("device", device_key, ca, ca_key, "digitalSignature",
                       NID_info_access,
                       "caIssuers;URI:http://ca.example/ca,"
                       "OCSP;URI:ldap://ocsp.example/,"
                       "OCSP;URI:http://ocsp.example/x");

    ck_assert_str_eq(scep_ocsp_url(named, pool), "http://ocsp.example/x");
    ck_assert_ptr_null(scep_ocsp_url(cert, pool));
}
END_TEST

static void setup(void)
{
    pool = support_pool();
    ca_key = support_ec("P-256", pool);
    other_key = support_ec("P-256", pool);
    device_key = support_ec("P-256", pool);
    responder_key = support_ec("P-256", pool);
    ca = support_cert("CA", ca_key, NULL, NULL, "keyCertSign,cRLSign", pool);
    other_ca = support_cert("Other", other_key, NULL, NULL,
                            "keyCertSign,cRLSign", pool);
    cert = make("device", device_key, ca, ca_key, "digitalSignature",
                NID_crl_distribution_points, "URI:" POINT);
    responder = make("OCSP", responder_key, ca, ca_key, "digitalSignature",
                     NID_ext_key_usage, "OCSPSigning");
    no_responder = make("client", responder_key, ca, ca_key,
                        "digitalSignature", NID_ext_key_usage, "clientAuth");
    foreign = make("OCSP", responder_key, other_ca, other_key,
                   "digitalSignature", NID_ext_key_usage, "OCSPSigning");
    now = apr_time_now();
}

static Suite *revocation_suite(void)
{
    Suite *suite = suite_create("revocation");
    TCase *tcase = tcase_create("revocation");

    tcase_add_unchecked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, a_crl_tells_who_is_revoked);
    tcase_add_test(tcase, a_crl_of_somebody_else_tells_nothing);
    tcase_add_test(tcase, a_crl_of_another_time_tells_nothing);
    tcase_add_test(tcase, a_crl_of_a_part_tells_nothing_of_the_rest);
    tcase_add_test(tcase, a_delta_and_what_is_not_known_tell_nothing);
    tcase_add_test(tcase, a_ca_that_may_not_sign_crls);
    tcase_add_test(tcase, a_responder_tells);
    tcase_add_test(tcase, a_responder_of_the_ca_tells_as_well);
    tcase_add_test(tcase, nobody_else_tells);
    tcase_add_test(tcase, an_answer_to_another_question);
    tcase_add_test(tcase, an_answer_of_another_time);
    tcase_add_test(tcase, what_is_no_answer);
    tcase_add_test(tcase, the_responder_that_a_certificate_names);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return run_suite(revocation_suite());
}
