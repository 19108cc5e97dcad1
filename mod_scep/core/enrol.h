/* enrol.h - one enrolment: verify, allow, submit, settle
 * SPDX-License-Identifier: Apache-2.0
 *
 * The one authorisation path for every message type.  What it needs of the
 * world comes through scep_enrol_ops_t; how an accepted request goes on is in
 * work.h.
 */
#ifndef SCEP_ENROL_H
#define SCEP_ENROL_H

#include "cert.h"
#include "csr.h"
#include "message.h"
#include "policy.h"
#include "transaction.h"
#include "work.h"

/** What an enrolment needs of a ledger.  Every call may fail because it does
 * not work now. */
typedef struct scep_ledger_ops_t {
    /** what this signer has under way or had: scep_transaction_judge()
     * @param records  set to scep_record_t, newest first */
    apr_status_t (*seen)(void *baton, const char *signer,
                         const char *transaction_id,
                         apr_array_header_t **records, apr_pool_t *p);
    /** one record, without its CSR; APR_NOTFOUND */
    apr_status_t (*get)(void *baton, const char *key, scep_record_t *record,
                        apr_pool_t *p);
    /** what a record has bought; APR_NOTFOUND: it is revoked, has expired or
     * is not there any more */
    apr_status_t (*certificate)(void *baton, const scep_record_t *record,
                                X509 **certificate, apr_pool_t *p);
    /** says in the record who granted it, for whom, and what that one needs
     * to settle
     * @param must_settle  set as in scep_work_t
     * @return APR_SUCCESS; APR_EGENERAL: not known now for whom, and somebody
     *         wants to know */
    apr_status_t (*grant)(void *baton, void *token, scep_record_t *record,
                          int *must_settle, apr_pool_t *p);
    /** looks for an enrolment that keeps what granted it
     * @param wait  for a moment: it may just be recorded
     * @return APR_SUCCESS: there is one; APR_NOTFOUND */
    apr_status_t (*holder)(void *baton, const char *verified_by, int wait,
                           apr_pool_t *p);
    /** whether people must approve it */
    int (*approval)(void *baton, const scep_policy_request_t *request,
                    apr_pool_t *p);
} scep_ledger_ops_t;

/** How the gateway asks who the device is and gets it a certificate. */
typedef struct scep_enrol_ops_t {
    void *baton; /**< of the ledger's too */
    void *work_baton;
    /** asks the profile's verifiers in order */
    void (*verify)(void *baton, const scep_verify_request_t *request,
                   scep_verify_result_t *result, apr_pool_t *p);
    const scep_work_ops_t *work;
    /** as scep_work_run(), or hands it over and waits a little: then the
     * record's state is what is known by then */
    void (*run)(void *baton, scep_work_t *work, apr_pool_t *p);
    const scep_ledger_ops_t *ledger; /**< NULL: there is none */
    /** for rules of the policy; NULL: they refuse */
    const scep_policy_ops_t *policy;
} scep_enrol_ops_t;

/** What of a profile an enrolment needs.  The owner keeps it alive. */
typedef struct scep_enrol_profile_t {
    const char *name;
    scep_policy_t policy;
    unsigned int digests;        /**< allowed in the CSR too */
    const STACK_OF(X509) *chain; /**< the CA's: issuing CA first */
    int ca_signs_here;           /**< as in scep_ca_provider_t */
    apr_interval_time_t validity;
    unsigned int key_usage;
    const apr_array_header_t *ext_key_usage;
    const char *ca;           /**< name of the CA */
    unsigned int device_from; /**< SCEP_DEVICE_* */
    int renewal; /**< a verifier goes by the signer's certificate */
    int ca_checks_challenge;        /**< it is handed on to the CA */
    apr_interval_time_t ca_longest; /**< as in scep_ca_provider_t */
    /** how long an enrolment may wait for people and CAs */
    apr_interval_time_t pending_life;
    apr_interval_time_t approval_life; /**< for people alone */
} scep_enrol_profile_t;

/** What came of it, beside the scep_result_t. */
typedef struct scep_enrol_answer_t {
    X509 *certificate;     /**< SUCCESS; lives with the pool */
    const scep_csr_t *csr; /**< as far as it was read, or NULL */
    const char *subject;   /**< for the log, or NULL */
    const char *sans;      /**< for the log, or NULL */
    /** id of what granted it, or of the challenge that was refused, or NULL */
    const char *verified_by;
    const char *dropped; /**< extensions left out, or NULL */
    const char *remark;  /**< what the CA did otherwise than asked, or NULL */
    const char *enrolment; /**< key of its record, or NULL */
    int again;             /**< what had been decided before is told again */
    int renewal;           /**< the signer's certificate has granted it */
    X509 *unrecorded;      /**< as in scep_work_t */
    X509_CRL *crl;         /**< SUCCESS of a GetCRL; lives with the pool */
    const char *sent;      /**< GetCert, GetCRL: what that is, for the log */
} scep_enrol_answer_t;

/**
 * Takes a parsed message to its outcome.
 * @param address  the client's, as text; may be NULL
 * @param res  SUCCESS, PENDING or FAILURE, or an HTTP status (503)
 */
void scep_enrol_run(const scep_message_t *message,
                    const scep_enrol_profile_t *profile,
                    const scep_enrol_ops_t *ops, const scep_alg_t *alg,
                    const char *address, apr_time_t now,
                    scep_enrol_answer_t *answer, scep_result_t *res,
                    apr_pool_t *p);

/* The parts of it that explain.c shares. */

/** Whether a profile serves a messageType at all. */
apr_status_t scep_enrol_check_type(const scep_enrol_profile_t *profile,
                                   int type, scep_result_t *res,
                                   apr_pool_t *p);

/** What a challenge may be bound to: profile, names and devices. */
apr_status_t scep_enrol_name_facts(const scep_enrol_profile_t *profile,
                                   const scep_csr_t *csr,
                                   scep_challenge_facts_t *facts,
                                   scep_result_t *res, apr_pool_t *p);

#endif
