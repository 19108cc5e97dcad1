/* enrol_private.h - what the files of enrol.h share
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SCEP_ENROL_PRIVATE_H
#define SCEP_ENROL_PRIVATE_H

#include "enrol.h"

/** One enrolment. */
typedef struct scep_enrol_t {
    const scep_message_t *message;
    const scep_enrol_profile_t *profile;
    const scep_enrol_ops_t *ops;
    const scep_alg_t *alg;
    const char *address;
    apr_time_t now;
    scep_csr_t *csr;
    scep_policy_answer_t allowed;
    unsigned char client[16]; /**< address, as octets */
    scep_verify_request_t who;
    scep_verify_result_t verdict;
    scep_transaction_t transaction;
    scep_record_t record; /**< what is to be kept of it */
    int revive;           /**< an ended record of the same key is there */
    int must_settle;      /**< as in scep_work_t */
    scep_enrol_answer_t *answer;
    scep_result_t *res;
    apr_pool_t *p;
} scep_enrol_t;

/* enrol.c */

/** Names the transaction; csr: NULL for a CertPoll. */
apr_status_t scep_enrol_name_transaction(scep_enrol_t *enrol,
                                         const scep_csr_t *csr);

/* enrol_ledger.c */

/** Ends it for now: the ledger does not answer.  Never APR_SUCCESS. */
apr_status_t scep_enrol_ledger_down(scep_enrol_t *enrol);

/** Answers a CertPoll. */
apr_status_t scep_enrol_poll(scep_enrol_t *enrol);

/**
 * Looks whether the request has been here before.
 * @return whether it has, and the answer is made; or that this failed
 */
int scep_enrol_look(scep_enrol_t *enrol);

/**
 * Ends it where it could not be recorded.
 * @param taken  the same request at the same time has been faster; else there
 *               is no ledger now
 */
void scep_enrol_yield(scep_enrol_t *enrol, int taken);

/** Answers what no verifier has granted. */
void scep_enrol_refused(scep_enrol_t *enrol);

#endif
