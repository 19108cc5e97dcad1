/* check_record.c - what states and reasons are called
 * SPDX-License-Identifier: Apache-2.0
 */
#include <check.h>

#include "record.h"
#include "run.h"

START_TEST(names_of_states_are_found_again)
{
    static const scep_state_t states[] = {
        SCEP_STATE_RECEIVED,  SCEP_STATE_APPROVAL,   SCEP_STATE_QUEUED,
        SCEP_STATE_SUBMITTED, SCEP_STATE_CA_PENDING, SCEP_STATE_UNKNOWN,
        SCEP_STATE_ISSUED,    SCEP_STATE_REJECTED,   SCEP_STATE_FAILED,
        SCEP_STATE_SAME,
    };

    for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++) {
        const char *name = scep_state_name(states[i]);

        ck_assert_str_ne(name, "other");
        ck_assert_int_eq(scep_state_find(name), (int)states[i]);
    }
    ck_assert_str_eq(scep_state_name(SCEP_STATE_CA_PENDING), "ca-pending");
}
END_TEST

/* What a later version has written, and what stands between. */
START_TEST(unknown_states_have_a_name_that_is_none)
{
    ck_assert_str_eq(scep_state_name((scep_state_t)6), "other");
    ck_assert_str_eq(scep_state_name((scep_state_t)99), "other");
    ck_assert_str_eq(scep_certificate_state_name((scep_certificate_state_t)4),
                     "other");
    ck_assert_int_eq(scep_state_find("other"), -1);
    ck_assert_int_eq(scep_state_find(""), -1);
    ck_assert_int_eq(scep_state_find("Issued"), -1);
    ck_assert_int_eq(scep_certificate_state_find("issued"), -1);
}
END_TEST

START_TEST(names_of_certificate_states_are_found_again)
{
    for (int i = SCEP_CERTIFICATE_LIVE; i <= SCEP_CERTIFICATE_REVOKING; i++) {
        const char *name =
            scep_certificate_state_name((scep_certificate_state_t)i);

        ck_assert_str_ne(name, "other");
        ck_assert_int_eq(scep_certificate_state_find(name), i);
    }
}
END_TEST

/* RFC 5280 section 5.3.1: 7 is not used. */
START_TEST(reasons_are_those_of_the_rfc)
{
    ck_assert_str_eq(scep_crl_reason_name(0), "unspecified");
    ck_assert_str_eq(scep_crl_reason_name(1), "keyCompromise");
    ck_assert_str_eq(scep_crl_reason_name(10), "aACompromise");
    ck_assert_int_eq(scep_crl_reason_find("privilegeWithdrawn"), 9);
    ck_assert_int_eq(scep_crl_reason_find("removeFromCRL"), 8);
    ck_assert_str_eq(scep_crl_reason_name(7), "other");
    ck_assert_str_eq(scep_crl_reason_name(11), "other");
    ck_assert_str_eq(scep_crl_reason_name(-1), "other");
    ck_assert_int_eq(scep_crl_reason_find("keycompromise"), -1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("record");
    TCase *tcase = tcase_create("record");

    tcase_add_test(tcase, names_of_states_are_found_again);
    tcase_add_test(tcase, unknown_states_have_a_name_that_is_none);
    tcase_add_test(tcase, names_of_certificate_states_are_found_again);
    tcase_add_test(tcase, reasons_are_those_of_the_rfc);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
