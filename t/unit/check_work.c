/* check_work.c - an enrolment and its ledger, with a death at every step
 * SPDX-License-Identifier: Apache-2.0
 *
 * A world of one device, one challenge, one CA and a ledger of few rows.  The
 * process can die before and after each call that it makes; what a watchdog
 * and the device do afterwards must end in one certificate, asked for once.
 */
#include <setjmp.h>
#include <stdlib.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <openssl/err.h>

#include "enrol.h"
#include "run.h"
#include "support.h"

#define START apr_time_from_sec(1800000000)
#define HOUR apr_time_from_sec(3600)
#define LEASE apr_time_from_sec(30)
#define ROWS_MAX 8

typedef enum { FREE = 0, CLAIMED, HELD, SPENT } challenge_t;

typedef struct world_t {
    apr_time_t now;
    challenge_t challenge;
    apr_time_t challenge_lease;
    scep_record_t rows[ROWS_MAX];
    int count;
    int ledger_down;
    char *bought; /**< serial that the ledger has */
    /* the CA */
    scep_ca_outcome_t says; /**< to submit, where it makes none at once */
    int device_fault;
    int hides; /**< it makes a certificate, and the answer is lost */
    int made, submits, looked, polled;
    int can_look_up;
    /* the verifier */
    int must_settle, told, settle_fails, hold_lost;
    int approval, nameless, old_revoked;
    /* death */
    int step, die_at;
    jmp_buf dead;
} world_t;

static apr_pool_t *pool;
static EVP_PKEY *device_key, *other_key, *ca_key;
static X509 *ca_cert, *issued;
static STACK_OF(X509) *chain;
static scep_alg_t *alg;
static scep_message_t message;
static scep_enrol_profile_t profile;
static world_t world;

static void breathe(void)
{
    if (++world.step == world.die_at)
        longjmp(world.dead, 1);
}

/* ------------------------------------------------------------------ */
/* The verifier                                                         */

static void verify(void *baton, const scep_verify_request_t *request,
                   scep_verify_result_t *result, apr_pool_t *p)
{
    (void)baton;
    (void)request;
    (void)p;
    breathe();
    if (world.challenge == FREE ||
        (world.challenge == CLAIMED && world.challenge_lease < world.now)) {
        world.challenge = CLAIMED;
        world.challenge_lease = world.now + 2 * LEASE;
        result->outcome = SCEP_VERIFY_GRANTED;
        result->token = &world;
        result->once = 1;
    } else {
        result->busy = world.challenge != SPENT;
    }
    result->id = "0123456789abcdef";
    breathe();
}

static apr_status_t hold(void *baton, void *token, const scep_record_t *record,
                         apr_time_t until, apr_pool_t *p)
{
    (void)baton;
    (void)p;
    ck_assert_ptr_nonnull(record);
    if (world.old_revoked)
        return APR_EACCES;
    ck_assert_ptr_eq(token, &world);
    ck_assert(until > world.now);
    breathe();
    if (world.hold_lost || world.challenge == FREE || world.challenge == SPENT)
        return APR_EGENERAL;
    world.challenge = HELD;
    breathe();
    return APR_SUCCESS;
}

static apr_status_t settle(void *baton, void *token,
                           const scep_record_t *record,
                           const scep_verify_end_t *end, apr_pool_t *p)
{
    (void)baton;
    (void)record;
    (void)p;
    ck_assert_ptr_eq(token, &world);
    breathe();
    if (world.settle_fails) {
        world.settle_fails--;
        return APR_EAGAIN;
    }
    ck_assert(!end->certificate || world.bought);
    world.challenge = end->spend ? SPENT : FREE;
    if (!end->undecided)
        world.told++;
    breathe();
    return APR_SUCCESS;
}

/* ------------------------------------------------------------------ */
/* The CA                                                               */

static void deliver(scep_ca_result_t *result)
{
    result->outcome = SCEP_CA_ISSUED;
    result->certificate = issued;
}

static void submit(void *baton, const scep_ca_request_t *request,
                   scep_ca_result_t *result, apr_pool_t *p)
{
    (void)baton;
    (void)p;
    breathe();
    /* Whoever reaches the CA has a record and a challenge of its own; what
     * is signed here reaches nobody yet. */
    ck_assert(world.challenge == HELD ||
              (profile.ca_signs_here && world.challenge == CLAIMED));
    if (!profile.ca_signs_here) {
        ck_assert_int_gt(world.count, 0);
        ck_assert_str_eq(request->idempotency_key,
                         world.rows[world.count - 1].key);
        ck_assert_int_eq(world.rows[world.count - 1].state,
                         SCEP_STATE_SUBMITTED);
    }
    world.submits++;
    result->outcome = world.says;
    result->reason = "as the test says";
    result->device_fault = world.device_fault;
    if (world.says == SCEP_CA_PENDING)
        result->handle = "4711";
    if (world.says == SCEP_CA_ISSUED || world.hides)
        world.made++;
    if (world.says == SCEP_CA_ISSUED)
        deliver(result);
    breathe();
}

static void poll(void *baton, const char *handle, scep_ca_outcome_t state,
                 scep_ca_result_t *result, apr_pool_t *p)
{
    (void)baton;
    (void)p;
    breathe();
    ck_assert_str_eq(handle, "4711");
    ck_assert_int_eq(state, SCEP_CA_PENDING);
    world.polled++;
    result->outcome = SCEP_CA_PENDING;
    result->handle = "4711";
    if (world.polled >= 2) {
        world.made = 1;
        deliver(result);
    }
    breathe();
}

static int lookup(void *baton, const scep_ca_request_t *request,
                  scep_ca_result_t *result, apr_pool_t *p)
{
    (void)baton;
    (void)p;
    breathe();
    ck_assert(request->now <= world.now);
    if (!world.can_look_up)
        return 0;
    world.looked++;
    if (world.made)
        deliver(result);
    else
        result->outcome = SCEP_CA_UNAVAILABLE;
    breathe();
    return 1;
}

static void revoke_wrong(void *baton, X509 *certificate, apr_pool_t *p)
{
    (void)baton;
    (void)certificate;
    (void)p;
    ck_abort_msg("no certificate is wrong here");
}

static apr_time_t clock_now(void *baton)
{
    (void)baton;
    return world.now;
}

/* ------------------------------------------------------------------ */
/* The ledger                                                           */

static scep_record_t *find(const char *key)
{
    for (int i = 0; i < world.count; i++)
        if (!strcmp(world.rows[i].key, key))
            return &world.rows[i];
    return NULL;
}

static void buy(const scep_certificate_t *certificate)
{
    if (certificate) {
        ck_assert_ptr_null(world.bought);
        ck_assert_int_gt((int)certificate->der_len, 0);
        world.bought = apr_pstrdup(pool, certificate->serial);
    }
}

static apr_status_t update(void *baton, const char *token,
                           const scep_record_t *record,
                           const scep_certificate_t *certificate,
                           const apr_array_header_t *events, apr_pool_t *p)
{
    scep_record_t *row = find(record->key);

    (void)baton;
    (void)events;
    (void)p;
    breathe();
    if (world.ledger_down)
        return APR_EGENERAL;
    ck_assert_ptr_nonnull(row);
    if (strcmp(row->token, token))
        return APR_ENOENT;
    *row = *scep_record_copy(record, pool);
    buy(certificate);
    breathe();
    return APR_SUCCESS;
}

static apr_status_t seen(void *baton, const char *signer,
                         const char *transaction_id,
                         apr_array_header_t **records, apr_pool_t *p)
{
    (void)baton;
    breathe();
    if (world.ledger_down)
        return APR_EGENERAL;
    *records = apr_array_make(p, 2, sizeof(scep_record_t));
    for (int i = world.count - 1; i >= 0; i--) {
        const scep_record_t *row = &world.rows[i];

        if (!strcmp(row->signer, signer) &&
            (!strcmp(row->transaction_id, transaction_id) ||
             row->state < SCEP_STATE_ISSUED))
            APR_ARRAY_PUSH(*records, scep_record_t) = *row;
    }
    return APR_SUCCESS;
}

static apr_status_t get(void *baton, const char *key, scep_record_t *record,
                        apr_pool_t *p)
{
    scep_record_t *row = find(key);

    (void)baton;
    (void)p;
    if (!row)
        return APR_NOTFOUND;
    *record = *row;
    return APR_SUCCESS;
}

static apr_status_t certificate(void *baton, const scep_record_t *record,
                                X509 **found, apr_pool_t *p)
{
    (void)baton;
    (void)p;
    ck_assert_str_eq(record->serial, world.bought);
    *found = issued;
    return APR_SUCCESS;
}

static apr_status_t grant(void *baton, void *token, scep_record_t *record,
                          int *must_settle, apr_pool_t *p)
{
    (void)baton;
    (void)p;
    ck_assert_ptr_eq(token, &world);
    record->verifier = "otp";
    record->grant = "the world";
    *must_settle = world.must_settle;
    return world.nameless ? APR_EGENERAL : APR_SUCCESS;
}

static int approval(void *baton, const scep_policy_request_t *request,
                    apr_pool_t *p)
{
    (void)baton;
    (void)p;
    ck_assert_ptr_nonnull(request->csr);
    ck_assert_ptr_nonnull(request->subject);
    return world.approval;
}

static apr_status_t receive(void *baton, scep_record_t *record, int revive,
                            const scep_certificate_t *certificate,
                            const apr_array_header_t *events, apr_pool_t *p)
{
    scep_record_t *row = find(record->key);

    (void)baton;
    (void)p;
    breathe();
    if (world.ledger_down)
        return APR_EGENERAL;
    if (row && !revive)
        return APR_EEXIST;
    if (row)
        row->key = apr_pstrcat(pool, row->key, "-ended", NULL);
    ck_assert(record->state == SCEP_STATE_SAME || events->nelts >= 2);
    ck_assert(!certificate || record->state == SCEP_STATE_ISSUED);
    if (record->state < SCEP_STATE_ISSUED || !record->settled) {
        record->token = "device";
        record->lease = world.now + LEASE;
    }
    ck_assert_int_lt(world.count, ROWS_MAX);
    world.rows[world.count++] = *scep_record_copy(record, pool);
    buy(certificate);
    breathe();
    return APR_SUCCESS;
}

static apr_status_t holder(void *baton, const char *verified_by, int wait,
                           apr_pool_t *p)
{
    (void)wait;
    (void)baton;
    (void)p;
    if (world.ledger_down)
        return APR_EGENERAL;
    for (int i = 0; i < world.count; i++)
        if (!strcmp(world.rows[i].verified_by, verified_by) &&
            world.rows[i].state != SCEP_STATE_FAILED)
            return APR_SUCCESS;
    return APR_NOTFOUND;
}

/* ------------------------------------------------------------------ */
/* Who acts                                                             */

static const scep_work_ops_t work_ops = { .clock = clock_now,
                                          .submit = submit,
                                          .poll = poll,
                                          .lookup = lookup,
                                          .revoke = revoke_wrong,
                                          .hold = hold,
                                          .settle = settle,
                                          .receive = receive,
                                          .update = update };

static const scep_ledger_ops_t ledger_ops = { .seen = seen,
                                              .get = get,
                                              .certificate = certificate,
                                              .grant = grant,
                                              .holder = holder,
                                              .approval = approval };

static void run_here(void *baton, scep_work_t *work, apr_pool_t *p)
{
    (void)baton;
    scep_work_run(work, p);
}

static scep_result_t ask(scep_enrol_answer_t *answer)
{
    const scep_enrol_ops_t ops = { .work_baton = &world,
                                   .verify = verify,
                                   .work = &work_ops,
                                   .run = run_here,
                                   .ledger = &ledger_ops };
    scep_result_t res = SCEP_RESULT_INIT;

    scep_enrol_run(&message, &profile, &ops, alg, "192.0.2.1", world.now,
                   answer, &res, pool);
    return res;
}

/* The device; whether it has died on the way. */
static int ask_mortally(scep_result_t *res, scep_enrol_answer_t *answer)
{
    if (setjmp(world.dead))
        return 1;
    *res = ask(answer);
    return 0;
}

static void work_on(scep_record_t *row)
{
    scep_work_t work = { .profile = &profile,
                         .ops = &work_ops,
                         .alg = alg,
                         .grant = &world,
                         .must_settle = world.must_settle };

    row->token = "watchdog";
    row->lease = world.now + LEASE;
    work.record = scep_record_copy(row, pool);
    if (row->state == SCEP_STATE_ISSUED)
        work.certificate = issued;
    scep_work_run(&work, pool);
}

/* The same of a watchdog. */
static void work_mortally(scep_record_t *row)
{
    if (!setjmp(world.dead))
        work_on(row);
}

/* A watchdog, until nothing is due any more or nothing changes. */
static void watch(void)
{
    world.die_at = 0;
    for (int turn = 0; turn < 12; turn++) {
        world.now += HOUR;
        for (int i = 0; i < world.count; i++) {
            scep_record_t *row = &world.rows[i];

            if ((row->state < SCEP_STATE_ISSUED || !row->settled) &&
                row->due <= world.now &&
                (!*row->token || row->lease < world.now))
                work_on(row);
        }
    }
}

static void message_of(EVP_PKEY *key, const char *cn, const char *id)
{
    unsigned char *der = NULL;
    int len = i2d_PUBKEY(key, &der);

    message.transaction_id = id;
    message.signer_key = key;
    message.self_signed = 1;
    message.signer_spki = apr_pmemdup(pool, der, (apr_size_t)len);
    message.signer_spki_len = (apr_size_t)len;
    message.data = support_csr(cn, key, "SECRET", &message.data_len, pool);
    OPENSSL_free(der);
}

static void setup(void)
{
    static const scep_key_rule_t keys = SCEP_KEY_RULE_DEFAULT;

    apr_pool_create(&pool, NULL);
    memset(&world, 0, sizeof(world));
    memset(&message, 0, sizeof(message));
    memset(&profile, 0, sizeof(profile));
    ck_assert_int_eq(scep_alg_create(&alg, 0, pool), APR_SUCCESS);
    world.now = START;
    world.says = SCEP_CA_ISSUED;
    world.can_look_up = 1;
    profile.name = "default";
    profile.ca = "ca";
    profile.policy.keys = keys;
    profile.policy.sans = SCEP_SANS_DEFAULT;
    profile.policy.extensions = apr_array_make(pool, 1, sizeof(void *));
    profile.digests = SCEP_DIGESTS_DEFAULT;
    profile.chain = chain;
    profile.pending_life = 14 * 24 * HOUR;
    profile.approval_life = 7 * 24 * HOUR;
    message.type = SCEP_TYPE_PKCS_REQ;
    message.digest = SCEP_DIGEST_SHA256;
    message.cipher = SCEP_CIPHER_AES128;
    message_of(device_key, "device", "4711");
}

static void teardown(void)
{
    ck_assert_uint_eq(ERR_peek_error(), 0);
    apr_pool_destroy(pool);
}

static X509 *make_cert(const char *cn, EVP_PKEY *key, X509 *issuer)
{
    X509 *cert = X509_new();
    X509_NAME *name = X509_get_subject_name(cert);

    X509_set_version(cert, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 4711);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                               (const unsigned char *)cn, -1, -1, 0);
    X509_set_issuer_name(cert, issuer ? X509_get_subject_name(issuer) : name);
    ASN1_TIME_set(X509_getm_notBefore(cert), apr_time_sec(START) - 3600);
    ASN1_TIME_set(X509_getm_notAfter(cert), apr_time_sec(START) + 30 * 86400);
    X509_set_pubkey(cert, key);
    if (!issuer) {
        X509_EXTENSION *ext =
            X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints,
                                "critical,CA:TRUE");
        X509_add_ext(cert, ext, -1);
        X509_EXTENSION_free(ext);
    }
    ck_assert_int_gt(X509_sign(cert, ca_key, EVP_sha256()), 0);
    return cert;
}

static void make_keys(void)
{
    device_key = EVP_RSA_gen(2048);
    other_key = EVP_RSA_gen(2048);
    ca_key = EVP_EC_gen("P-256");
    ca_cert = make_cert("CA", ca_key, NULL);
    issued = make_cert("device", device_key, ca_cert);
    chain = sk_X509_new_null();
    sk_X509_push(chain, ca_cert);
}

static void free_keys(void)
{
    sk_X509_free(chain);
    X509_free(ca_cert);
    X509_free(issued);
    EVP_PKEY_free(device_key);
    EVP_PKEY_free(other_key);
    EVP_PKEY_free(ca_key);
}

/* ------------------------------------------------------------------ */
/* Life and death                                                       */

/* The kinds of CA and verifier that a death may come to. */
static const struct {
    int signs_here, says, hides, must_settle;
} worlds[] = {
    { 1, SCEP_CA_ISSUED, 0, 0 },      { 1, SCEP_CA_ISSUED, 0, 1 },
    { 0, SCEP_CA_ISSUED, 0, 0 },      { 0, SCEP_CA_ISSUED, 0, 1 },
    { 0, SCEP_CA_PENDING, 0, 0 },     { 0, SCEP_CA_PENDING, 0, 1 },
    { 0, SCEP_CA_UNKNOWN, 1, 0 },     { 0, SCEP_CA_UNKNOWN, 0, 0 },
    { 0, SCEP_CA_UNAVAILABLE, 0, 0 },
};

static void pick(int i)
{
    profile.ca_signs_here = worlds[i].signs_here;
    world.says = (scep_ca_outcome_t)worlds[i].says;
    world.hides = worlds[i].hides;
    world.must_settle = worlds[i].must_settle;
}

/* Afterwards all is well, whatever was before. */
static void check_end(int died)
{
    scep_enrol_answer_t answer;
    scep_result_t res;

    if (world.says == SCEP_CA_UNKNOWN || world.says == SCEP_CA_UNAVAILABLE) {
        if (!world.hides)
            world.says = SCEP_CA_ISSUED; /* it is back */
    }
    watch();
    res = ask(&answer);
    if (res.status == SCEP_STATUS_PENDING) {
        watch();
        res = ask(&answer);
    }
    ck_assert_int_eq(res.reason, SCEP_REASON_NONE);
    ck_assert_int_eq(res.status, SCEP_STATUS_SUCCESS);
    ck_assert_ptr_eq(answer.certificate, issued);
    ck_assert_ptr_nonnull(world.bought);
    /* a claim may have lapsed, where the ledger knows better */
    ck_assert(world.challenge != FREE);
    ck_assert_int_ge(world.told, world.must_settle);
    /* What a CA elsewhere made is never made again; what was signed here and
     * not recorded has not left the process. */
    ck_assert_int_ge(world.made, 1);
    ck_assert_int_le(world.made, profile.ca_signs_here && died ? 2 : 1);
    res = ask(&answer);
    ck_assert_int_eq(answer.again, 1);
    ck_assert_ptr_eq(answer.certificate, issued);
    /* nor may anybody else have the challenge */
    message_of(other_key, "other", "4712");
    res = ask(&answer);
    ck_assert(res.reason == SCEP_REASON_CHALLENGE ||
              res.reason == SCEP_REASON_BREACH);
}

START_TEST(a_death_at_any_step_loses_and_doubles_nothing)
{
    int deaths = 0;

    for (int die_at = 1;; die_at++) {
        scep_enrol_answer_t answer;
        scep_result_t res;
        int died;

        teardown();
        setup();
        pick(_i);
        world.die_at = die_at;
        died = ask_mortally(&res, &answer);
        deaths += died;
        check_end(died);
        if (!died)
            break;
    }
    ck_assert_int_ge(deaths, 8);
}
END_TEST

/* The watchdog dies, too, at each of its steps. */
START_TEST(a_death_of_the_watchdog_loses_and_doubles_nothing)
{
    for (int die_at = 1; die_at < 40; die_at++) {
        scep_enrol_answer_t answer;

        teardown();
        setup();
        pick(_i);
        (void)ask(&answer);
        if (!world.hides && (world.says == SCEP_CA_UNKNOWN ||
                             world.says == SCEP_CA_UNAVAILABLE))
            world.says = SCEP_CA_ISSUED;
        world.step = 0;
        world.die_at = die_at;
        world.now += HOUR;
        if (world.rows[0].state < SCEP_STATE_ISSUED || !world.rows[0].settled)
            work_mortally(&world.rows[0]);
        check_end(1);
    }
}
END_TEST

/* ------------------------------------------------------------------ */
/* The outcome table with a ledger                                      */

START_TEST(a_ca_that_is_down_is_pending_and_held)
{
    scep_enrol_answer_t answer;
    scep_result_t res;

    world.says = SCEP_CA_UNAVAILABLE;
    res = ask(&answer);
    ck_assert_int_eq(res.status, SCEP_STATUS_PENDING);
    ck_assert_int_eq(res.http_status, 0);
    ck_assert_int_eq(world.rows[0].state, SCEP_STATE_QUEUED);
    ck_assert_int_eq(world.challenge, HELD);
    ck_assert_str_eq(world.rows[0].token, "");
    ck_assert(world.rows[0].due > world.now);
    watch();
    ck_assert_int_gt(world.submits, 2);
    ck_assert_int_eq(ask(&answer).status, SCEP_STATUS_PENDING);
}
END_TEST

START_TEST(an_unknown_outcome_is_never_submitted_again)
{
    scep_enrol_answer_t answer;

    world.says = SCEP_CA_UNKNOWN;
    world.can_look_up = 0;
    ck_assert_int_eq(ask(&answer).status, SCEP_STATUS_PENDING);
    watch();
    ck_assert_int_eq(world.submits, 1);
    ck_assert_int_eq(world.rows[0].state, SCEP_STATE_UNKNOWN);
    ck_assert_int_eq(world.challenge, HELD);
    /* until its time is over */
    world.now += profile.pending_life;
    watch();
    ck_assert_int_eq(world.submits, 1);
    ck_assert_int_eq(ask(&answer).reason, SCEP_REASON_EXPIRED);
}
END_TEST

START_TEST(a_fault_of_ours_may_be_asked_anew)
{
    scep_enrol_answer_t answer;

    world.says = SCEP_CA_REJECTED;
    ck_assert_int_eq(ask(&answer).reason, SCEP_REASON_CA_FAULT);
    ck_assert_int_eq(world.rows[0].state, SCEP_STATE_FAILED);
    ck_assert_int_eq(world.challenge, FREE);
    world.says = SCEP_CA_PENDING;
    ck_assert_int_eq(ask(&answer).status, SCEP_STATUS_PENDING);
    ck_assert_int_eq(answer.again, 0);
    ck_assert_int_eq(world.count, 2);
}
END_TEST

START_TEST(a_fault_of_the_device_stays_one)
{
    scep_enrol_answer_t answer;

    world.says = SCEP_CA_REJECTED;
    world.device_fault = 1;
    ck_assert_int_eq(ask(&answer).reason, SCEP_REASON_CA_REJECTED);
    ck_assert_int_eq(world.challenge, SPENT);
    world.says = SCEP_CA_ISSUED;
    ck_assert_int_eq(ask(&answer).reason, SCEP_REASON_CA_REJECTED);
    ck_assert_int_eq(answer.again, 1);
    ck_assert_int_eq(world.submits, 1);
}
END_TEST

START_TEST(a_lost_hold_issues_nothing)
{
    scep_enrol_answer_t answer;
    scep_result_t res;

    world.hold_lost = 1;
    res = ask(&answer);
    ck_assert_int_eq(res.reason, SCEP_REASON_CHALLENGE);
    ck_assert_int_eq(world.submits, 0);
    ck_assert_int_eq(world.rows[0].state, SCEP_STATE_FAILED);
}
END_TEST

/* Who has claimed it was killed before its enrolment was recorded. */
START_TEST(a_claim_left_behind_is_no_refusal)
{
    scep_enrol_answer_t answer;
    scep_result_t res;

    world.challenge = CLAIMED;
    world.challenge_lease = world.now + LEASE;
    res = ask(&answer);
    ck_assert_int_eq(res.reason, SCEP_REASON_VERIFIER_DOWN);
    ck_assert_int_eq(res.http_status, 503);
    ck_assert_int_eq(world.count, 0);
    world.now += LEASE + 1;
    ck_assert_int_eq(ask(&answer).status, SCEP_STATUS_SUCCESS);
}
END_TEST

START_TEST(a_claim_of_an_enrolment_is_a_refusal)
{
    scep_enrol_answer_t answer;

    world.says = SCEP_CA_PENDING;
    ck_assert_int_eq(ask(&answer).status, SCEP_STATUS_PENDING);
    world.rows[0].key = world.rows[0].signer = "another's";
    world.challenge = HELD;
    ck_assert_int_eq(ask(&answer).reason, SCEP_REASON_CHALLENGE);
    ck_assert_int_eq(world.count, 1);
}
END_TEST

START_TEST(without_the_ledger_nothing_is_issued)
{
    scep_enrol_answer_t answer;
    scep_result_t res;

    world.ledger_down = 1;
    res = ask(&answer);
    ck_assert_int_eq(res.http_status, 503);
    ck_assert_int_eq(res.reason, SCEP_REASON_LEDGER_DOWN);
    ck_assert_int_eq(world.submits, 0);
    ck_assert_int_eq(world.challenge, FREE);
}
END_TEST

START_TEST(a_verifier_that_must_know_is_told_before_delivery)
{
    scep_enrol_answer_t answer;
    scep_result_t res;

    world.must_settle = 1;
    world.settle_fails = 1;
    res = ask(&answer);
    ck_assert_int_eq(res.status, SCEP_STATUS_PENDING);
    ck_assert_ptr_null(answer.certificate);
    ck_assert_ptr_nonnull(world.bought);
    watch();
    ck_assert_int_eq(world.told, 1);
    ck_assert_ptr_eq((ask(&answer), answer.certificate), issued);
}
END_TEST

/* ------------------------------------------------------------------ */
/* Whose transaction                                                    */

START_TEST(c65_the_same_request_gets_the_same_answer)
{
    scep_enrol_answer_t answer;

    (void)ask(&answer);
    ck_assert_int_eq(answer.again, 0);
    for (int i = 0; i < 3; i++) {
        (void)ask(&answer);
        ck_assert_int_eq(answer.again, 1);
        ck_assert_ptr_eq(answer.certificate, issued);
    }
    ck_assert_int_eq(world.made, 1);
    ck_assert_int_eq(world.count, 1);
}
END_TEST

START_TEST(c66_another_csr_while_the_first_is_pending_is_refused)
{
    scep_enrol_answer_t answer;

    world.says = SCEP_CA_PENDING;
    (void)ask(&answer);
    message_of(device_key, "something else", "4711");
    ck_assert_int_eq(ask(&answer).reason, SCEP_REASON_TRANSACTION);
    /* the first is not disturbed */
    message_of(device_key, "device", "4711");
    watch();
}
END_TEST

START_TEST(c66_another_csr_after_the_end_is_authenticated_anew)
{
    scep_enrol_answer_t answer;

    (void)ask(&answer);
    message_of(device_key, "something else", "4711");
    ck_assert_int_eq(ask(&answer).reason, SCEP_REASON_CHALLENGE);
    /* the ledger remembers what the store has forgotten */
    world.challenge = FREE;
    ck_assert_int_eq(ask(&answer).reason, SCEP_REASON_BREACH);
    ck_assert_int_eq(world.challenge, SPENT);
    /* with another challenge */
    world.challenge = FREE;
    world.rows[0].verified_by = "another";
    world.says = SCEP_CA_PENDING;
    ck_assert_int_eq(ask(&answer).status, SCEP_STATUS_PENDING);
    ck_assert_int_eq(answer.again, 0);
    ck_assert_int_eq(world.count, 2);
}
END_TEST

START_TEST(c67_another_id_for_what_is_pending_is_the_same_entry)
{
    scep_enrol_answer_t answer;
    apr_size_t len = message.data_len;
    const unsigned char *csr = message.data;

    world.says = SCEP_CA_PENDING;
    (void)ask(&answer);
    message_of(device_key, "device", "other id");
    message.data = csr;
    message.data_len = len;
    ck_assert_int_eq(ask(&answer).status, SCEP_STATUS_PENDING);
    ck_assert_int_eq(world.submits, 1);
    ck_assert_int_eq(world.rows[1].state, SCEP_STATE_SAME);
    watch();
    (void)ask(&answer);
    ck_assert_ptr_eq(answer.certificate, issued);
    message.type = SCEP_TYPE_CERT_POLL;
    (void)ask(&answer);
    ck_assert_ptr_eq(answer.certificate, issued);
}
END_TEST

START_TEST(c68_poll)
{
    scep_enrol_answer_t answer;

    message.type = SCEP_TYPE_CERT_POLL;
    ck_assert_int_eq(ask(&answer).reason, SCEP_REASON_NO_TRANSACTION);
    message.type = SCEP_TYPE_PKCS_REQ;
    world.says = SCEP_CA_PENDING;
    (void)ask(&answer);
    message.type = SCEP_TYPE_CERT_POLL;
    ck_assert_int_eq(ask(&answer).status, SCEP_STATUS_PENDING);
    watch();
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(ask(&answer).status, SCEP_STATUS_SUCCESS);
        ck_assert_ptr_eq(answer.certificate, issued);
    }
    /* another signer sees nothing of it */
    message_of(other_key, "device", "4711");
    ck_assert_int_eq(ask(&answer).reason, SCEP_REASON_NO_TRANSACTION);
}
END_TEST

START_TEST(another_signer_neither_sees_nor_disturbs)
{
    scep_enrol_answer_t answer;

    world.says = SCEP_CA_PENDING;
    (void)ask(&answer);
    message_of(other_key, "device", "4711");
    ck_assert_int_eq(ask(&answer).reason, SCEP_REASON_CHALLENGE);
    ck_assert_int_eq(world.count, 1);
    ck_assert_int_eq(world.challenge, HELD);
}
END_TEST

/* the identical CSR, signed by the certificate that it got. */
START_TEST(q12_the_same_csr_by_its_certificate_is_a_renewal)
{
    scep_enrol_answer_t answer;
    const char *first;

    profile.renewal = 1;
    (void)ask(&answer);
    first = answer.enrolment;
    message.signer = issued;
    message.self_signed = 0;
    message.signer_id = (const unsigned char *)"issuer and serial";
    message.signer_id_len = 17;
    message.type = SCEP_TYPE_RENEWAL_REQ;
    (void)ask(&answer);
    ck_assert_int_eq(answer.again, 0);
    ck_assert_str_ne(answer.enrolment, first);
}
END_TEST

START_TEST(approval_waits_and_holds)
{
    scep_enrol_answer_t answer;

    world.approval = 1;
    ck_assert_int_eq(ask(&answer).status, SCEP_STATUS_PENDING);
    ck_assert_int_eq(world.rows[0].state, SCEP_STATE_APPROVAL);
    ck_assert_int_eq(world.challenge, HELD);
    watch();
    ck_assert_int_eq(world.submits, 0);
    /* somebody approves */
    world.rows[0].state = SCEP_STATE_RECEIVED;
    world.rows[0].due = world.now;
    watch();
    (void)ask(&answer);
    ck_assert_ptr_eq(answer.certificate, issued);
}
END_TEST

START_TEST(what_renews_a_revoked_one_meanwhile_is_refused)
{
    scep_enrol_answer_t answer;
    scep_result_t res;

    world.approval = 1;
    ck_assert_int_eq(ask(&answer).status, SCEP_STATUS_PENDING);
    world.old_revoked = 1;
    world.rows[0].state = SCEP_STATE_RECEIVED;
    world.rows[0].due = world.now;
    watch();
    ck_assert_int_eq(world.submits, 0);
    ck_assert_int_eq(world.rows[0].state, SCEP_STATE_REJECTED);
    res = ask(&answer);
    ck_assert_int_eq(res.status, SCEP_STATUS_FAILURE);
    ck_assert_ptr_nonnull(strstr(res.detail, "has been revoked"));
}
END_TEST

/* Four eyes: who asked for the challenge must not approve it. */
START_TEST(who_asked_is_known_or_nobody_is_let_in)
{
    scep_enrol_answer_t answer;
    scep_result_t res;

    world.approval = 1;
    world.nameless = 1;
    res = ask(&answer);
    ck_assert_int_eq(res.http_status, 503);
    ck_assert_int_eq(res.reason, SCEP_REASON_VERIFIER_DOWN);
    ck_assert_int_eq(world.count, 0);
    ck_assert_int_eq(world.challenge, FREE);
    world.nameless = 0;
    ck_assert_int_eq(ask(&answer).status, SCEP_STATUS_PENDING);
    ck_assert_int_eq(world.rows[0].state, SCEP_STATE_APPROVAL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("work");
    TCase *deaths = tcase_create("deaths"), *table = tcase_create("table");
    const int count = sizeof(worlds) / sizeof(*worlds);

    tcase_add_unchecked_fixture(deaths, make_keys, free_keys);
    tcase_add_checked_fixture(deaths, setup, teardown);
    tcase_set_timeout(deaths, 120);
    tcase_add_loop_test(deaths, a_death_at_any_step_loses_and_doubles_nothing,
                        0, count);
    tcase_add_loop_test(deaths,
                        a_death_of_the_watchdog_loses_and_doubles_nothing, 0,
                        count);
    suite_add_tcase(suite, deaths);
    tcase_add_unchecked_fixture(table, make_keys, free_keys);
    tcase_add_checked_fixture(table, setup, teardown);
    tcase_add_test(table, a_ca_that_is_down_is_pending_and_held);
    tcase_add_test(table, an_unknown_outcome_is_never_submitted_again);
    tcase_add_test(table, a_fault_of_ours_may_be_asked_anew);
    tcase_add_test(table, a_fault_of_the_device_stays_one);
    tcase_add_test(table, a_lost_hold_issues_nothing);
    tcase_add_test(table, a_claim_left_behind_is_no_refusal);
    tcase_add_test(table, a_claim_of_an_enrolment_is_a_refusal);
    tcase_add_test(table, without_the_ledger_nothing_is_issued);
    tcase_add_test(table, a_verifier_that_must_know_is_told_before_delivery);
    tcase_add_test(table, c65_the_same_request_gets_the_same_answer);
    tcase_add_test(table,
                   c66_another_csr_while_the_first_is_pending_is_refused);
    tcase_add_test(table, c66_another_csr_after_the_end_is_authenticated_anew);
    tcase_add_test(table,
                   c67_another_id_for_what_is_pending_is_the_same_entry);
    tcase_add_test(table, c68_poll);
    tcase_add_test(table, another_signer_neither_sees_nor_disturbs);
    tcase_add_test(table, q12_the_same_csr_by_its_certificate_is_a_renewal);
    tcase_add_test(table, approval_waits_and_holds);
    tcase_add_test(table, what_renews_a_revoked_one_meanwhile_is_refused);
    tcase_add_test(table, who_asked_is_known_or_nobody_is_let_in);
    suite_add_tcase(suite, table);
    return run_suite(suite);
}
