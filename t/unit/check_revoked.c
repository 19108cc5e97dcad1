/* check_revoked.c - the local CA's list of revoked certificates and its CRL
 * SPDX-License-Identifier: Apache-2.0
 */
#include <apr_file_io.h>
#include <apr_strings.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../ca-connectors/openssl/revoked.h"
#include "../../ca-connectors/state/state_dir.h"
#include "run.h"
#include "support.h"

#define DAY apr_time_from_sec(86400)
#define PROCESSES 8
#define EACH 10

static apr_pool_t *pool;
static EVP_PKEY *ca_key, *other_key, *device_key;
static X509 *ca, *other_ca;
static scep_issuer_t *issuer;
static apr_time_t now;
static char dir[] = "/tmp/check-revoked-XXXXXX";

static scep_issuer_t *issuer_of(X509 *cert)
{
    static const scep_issuer_rule_t rule = { "SHA256", 0, NULL, NULL, NULL };
    scep_issuer_t *made;

    ck_assert_ptr_null(
        scep_issuer_prepare(&made, cert, ca_key, &rule, now, pool));
    return made;
}

/* The list as a process has it that has just begun. */
static scep_revoked_t *open_list(const scep_issuer_t *of)
{
    scep_revoked_t *list = apr_pcalloc(pool, sizeof(*list));
    const char *what;

    list->issuer = of;
    list->life = 7 * DAY;
    ck_assert_int_eq(scep_state_dir_open(&list->dir, dir, "ca", getuid(),
                                         getgid(), &what, pool),
                     APR_SUCCESS);
    ck_assert_int_eq(scep_revoked_init(list, pool), APR_SUCCESS);
    return list;
}

static X509 *device(void)
{
    return support_cert("device", device_key, ca, ca_key, "digitalSignature",
                        pool);
}

static X509_CRL *crl_at(scep_revoked_t *list, apr_time_t when)
{
    X509_CRL *crl = NULL;

    ck_assert_ptr_null(scep_revoked_crl(list, &crl, when, pool));
    ck_assert_int_eq(X509_CRL_verify(crl, ca_key), 1);
    ck_assert_int_eq(X509_NAME_cmp(X509_CRL_get_issuer(crl),
                                   X509_get_subject_name(ca)),
                     0);
    ck_assert_uint_eq(ERR_peek_error(), 0);
    return crl;
}

static int count(X509_CRL *crl)
{
    int found = sk_X509_REVOKED_num(X509_CRL_get_REVOKED(crl));

    return found < 0 ? 0 : found;
}

/* CRLReason of an entry, 0 where it has none; -1: it is not listed. */
static int reason_of(X509_CRL *crl, X509 *cert)
{
    X509_REVOKED *row;
    ASN1_ENUMERATED *code;
    int reason = 0;

    if (X509_CRL_get0_by_cert(crl, &row, cert) != 1)
        return -1;
    code = X509_REVOKED_get_ext_d2i(row, NID_crl_reason, NULL, NULL);
    if (code)
        reason = (int)ASN1_ENUMERATED_get(code);
    ASN1_ENUMERATED_free(code);
    return reason;
}

static apr_int64_t number_of(X509_CRL *crl)
{
    ASN1_INTEGER *number =
        X509_CRL_get_ext_d2i(crl, NID_crl_number, NULL, NULL);
    apr_int64_t value = -1;

    ck_assert_ptr_nonnull(number);
    ASN1_INTEGER_get_int64(&value, number);
    ASN1_INTEGER_free(number);
    return value;
}

START_TEST(a_ca_that_has_revoked_nothing_says_so)
{
    X509_CRL *crl = crl_at(open_list(issuer), now);

    ck_assert_int_eq(count(crl), 0);
    ck_assert_int_eq(X509_CRL_get_version(crl), X509_CRL_VERSION_2);
    ck_assert_int_ge(X509_CRL_get_ext_by_NID(crl, NID_authority_key_identifier,
                                             -1),
                     0);
    ck_assert_int_ge(number_of(crl), apr_time_sec(now));
}
END_TEST

START_TEST(what_is_revoked_stays_so)
{
    scep_revoked_t *list = open_list(issuer);
    X509 *one = device(), *two = device(), *other = device();
    X509_CRL *crl, *before = crl_at(list, now);

    ck_assert_ptr_null(scep_revoked_add(list, one, 4, now, pool));
    ck_assert_ptr_null(scep_revoked_add(list, two, 0, now, pool));
    crl = crl_at(list, now);
    ck_assert_int_eq(count(crl), 2);
    ck_assert_int_eq(reason_of(crl, one), 4);
    ck_assert_int_eq(reason_of(crl, two), 0);
    ck_assert_int_eq(reason_of(crl, other), -1);
    ck_assert_int_gt(number_of(crl), number_of(before));
    /* for a process that begins later too */
    crl = crl_at(open_list(issuer), now);
    ck_assert_int_eq(count(crl), 2);
}
END_TEST

START_TEST(twice_is_as_once)
{
    scep_revoked_t *list = open_list(issuer);
    X509 *one = device();

    ck_assert_ptr_null(scep_revoked_add(list, one, 1, now, pool));
    ck_assert_ptr_null(scep_revoked_add(list, one, 4, now + DAY, pool));
    ck_assert_int_eq(count(crl_at(list, now)), 1);
    ck_assert_int_eq(reason_of(crl_at(list, now), one), 1);
}
END_TEST

START_TEST(it_is_renewed_at_half_of_its_life)
{
    scep_revoked_t *list = open_list(issuer), *other = open_list(issuer);
    X509 *one = device();
    X509_CRL *first, *same, *next;

    ck_assert_ptr_null(scep_revoked_add(list, one, 4, now, pool));
    first = crl_at(list, now);
    same = crl_at(list, now + 3 * DAY);
    ck_assert_ptr_eq(first, same);
    next = crl_at(list, now + 4 * DAY);
    ck_assert_int_gt(number_of(next), number_of(first));
    ck_assert_int_eq(reason_of(next, one), 4);
    ck_assert_int_gt(X509_cmp_time(X509_CRL_get0_nextUpdate(next),
                                   &(time_t){
                                       (time_t)apr_time_sec(now + 10 * DAY) }),
                     0);
    /* and by one process for all */
    ck_assert_int_eq(number_of(crl_at(other, now + 4 * DAY)), number_of(next));
}
END_TEST

START_TEST(what_has_expired_for_long_goes)
{
    scep_revoked_t *list = open_list(issuer);
    X509 *one = device(), *two = device();
    apr_time_t later = now + DAY + SCEP_REVOKED_KEPT;

    ck_assert_ptr_null(scep_revoked_add(list, one, 4, now, pool));
    ck_assert_int_eq(count(crl_at(list, later - 2 * DAY)), 1);
    ck_assert_int_eq(count(crl_at(list, later + 8 * DAY)), 0);
    ck_assert_ptr_null(scep_revoked_add(list, two, 4, now, pool));
    ck_assert_int_eq(count(crl_at(list, now)), 1);
}
END_TEST

static void is_refused(const char *fault, const char *part)
{
    ck_assert_ptr_nonnull(fault);
    ck_assert_msg(strstr(fault, part) != NULL, "%s", fault);
}

START_TEST(of_this_ca_alone)
{
    scep_revoked_t *list = open_list(issuer);
    X509 *foreign = support_cert("device", device_key, other_ca, other_key,
                                 "digitalSignature", pool);
    X509 *forged = support_cert("device", device_key, ca, other_key,
                                "digitalSignature", pool);

    is_refused(scep_revoked_add(list, foreign, 4, now, pool), "not of this");
    is_refused(scep_revoked_add(list, forged, 4, now, pool), "not of this");
    ck_assert_int_eq(count(crl_at(list, now)), 0);
}
END_TEST

START_TEST(a_ca_that_may_not_sign_crls)
{
    X509 *blind = support_cert("CA", ca_key, NULL, NULL, "keyCertSign", pool);
    scep_revoked_t *list = open_list(issuer_of(blind));
    X509_CRL *crl = NULL;

    is_refused(scep_revoked_crl(list, &crl, now, pool), "cRLSign");
    is_refused(scep_revoked_add(list, device(), 4, now, pool), "cRLSign");
}
END_TEST

static void write_file(scep_revoked_t *list, const char *text)
{
    ck_assert_int_eq(scep_state_dir_write(list->dir, "crl.pem", text,
                                          strlen(text), pool),
                     APR_SUCCESS);
}

/* It would be worse to begin anew: what was revoked would be good. */
START_TEST(a_damaged_list_is_no_list)
{
    scep_revoked_t *list = open_list(issuer);
    struct stat unknown = { 0 };
    X509_CRL *crl = NULL;
    X509 *one = device();
    apr_size_t len;
    char *good;

    ck_assert_ptr_null(scep_revoked_add(list, one, 4, now, pool));
    ck_assert_int_eq(scep_state_dir_read(list->dir, "crl.pem", 65536, &unknown,
                                         &good, &len, pool),
                     APR_SUCCESS);
    const char *const spoilt[] = {
        "",
        "nothing\n",
        strchr(good, '\n') + 1,                      /* a line less */
        apr_pstrcat(pool, "0a 1 4 9\n", good, NULL), /* and more */
        apr_pstrcat(pool, "0", good, NULL),
        apr_pstrndup(pool, good, len / 2),
        apr_pstrndup(pool, good, (apr_size_t)(strchr(good, '-') - good)),
    };
    for (size_t i = 0; i < sizeof(spoilt) / sizeof(*spoilt); i++) {
        write_file(list, spoilt[i]);
        is_refused(scep_revoked_crl(list, &crl, now, pool), "damaged");
        is_refused(scep_revoked_add(list, device(), 4, now, pool), "damaged");
        is_refused(scep_revoked_crl(open_list(issuer), &crl, now, pool),
                   "damaged");
    }
    write_file(list, good);
    ck_assert_int_eq(reason_of(crl_at(list, now), one), 4);
    ck_assert_uint_eq(ERR_peek_error(), 0);
}
END_TEST

START_TEST(several_processes_lose_nothing)
{
    X509 *certs[PROCESSES][EACH];
    scep_revoked_t *list;
    X509_CRL *crl;

    for (int i = 0; i < PROCESSES; i++)
        for (int j = 0; j < EACH; j++)
            certs[i][j] = device();
    for (int i = 0; i < PROCESSES; i++) {
        pid_t pid = fork();

        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
            list = open_list(issuer);
            for (int j = 0; j < EACH; j++)
                if (scep_revoked_add(list, certs[i][j], 4, now, pool) ||
                    scep_revoked_crl(list, &crl, now, pool) ||
                    reason_of(crl, certs[i][j]) != 4)
                    _exit(1);
            _exit(0);
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status;

        ck_assert_int_gt(wait(&status), 0);
        ck_assert_int_eq(status, 0);
    }
    crl = crl_at(open_list(issuer), now);
    ck_assert_int_eq(count(crl), PROCESSES * EACH);
    for (int i = 0; i < PROCESSES; i++)
        for (int j = 0; j < EACH; j++)
            ck_assert_int_eq(reason_of(crl, certs[i][j]), 4);
}
END_TEST

static void setup(void)
{
    strcpy(dir + strlen(dir) - 6, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    pool = support_pool();
    now = apr_time_now();
    ca_key = support_ec("P-256", pool);
    other_key = support_ec("P-256", pool);
    device_key = support_ec("P-256", pool);
    ca = support_cert("CA", ca_key, NULL, NULL, "keyCertSign,cRLSign", pool);
    other_ca = support_cert("Other", other_key, NULL, NULL,
                            "keyCertSign,cRLSign", pool);
    issuer = issuer_of(ca);
}

static void teardown(void)
{
    static const char *const files[] = { "/ca/crl.pem", "/ca/lock" };

    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
        unlink(apr_pstrcat(pool, dir, files[i], NULL));
    ck_assert_int_eq(rmdir(apr_pstrcat(pool, dir, "/ca", NULL)), 0);
    ck_assert_int_eq(rmdir(dir), 0);
}

static Suite *revoked_suite(void)
{
    Suite *suite = suite_create("revoked");
    TCase *tcase = tcase_create("revoked");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_ca_that_has_revoked_nothing_says_so);
    tcase_add_test(tcase, what_is_revoked_stays_so);
    tcase_add_test(tcase, twice_is_as_once);
    tcase_add_test(tcase, it_is_renewed_at_half_of_its_life);
    tcase_add_test(tcase, what_has_expired_for_long_goes);
    tcase_add_test(tcase, of_this_ca_alone);
    tcase_add_test(tcase, a_ca_that_may_not_sign_crls);
    tcase_add_test(tcase, a_damaged_list_is_no_list);
    tcase_add_test(tcase, several_processes_lose_nothing);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(void)
{
    return run_suite(revoked_suite());
}
