/* enrol.h - one enrolment: verify, allow, submit, settle
 * SPDX-License-Identifier: Apache-2.0
 *
 * The one authorisation path for every message type, and the outcome table
 * of DESIGN.md.  What it needs of the world comes through scep_enrol_ops_t.
 */
#ifndef SCEP_ENROL_H
#define SCEP_ENROL_H

#include "cert.h"
#include "csr.h"
#include "message.h"
#include "policy.h"

/** How the gateway asks who the device is and gets it a certificate. */
typedef struct scep_enrol_ops_t {
    void *baton;
    /** asks the profile's verifiers in order */
    void (*verify)(void *baton, const scep_verify_request_t *request,
                   scep_verify_result_t *result, apr_pool_t *p);
    /** as scep_verifier_provider_t.settle */
    apr_status_t (*settle)(void *baton, void *token,
                           const scep_verify_end_t *end, apr_pool_t *p);
    /** hands the request to the profile's connector */
    void (*submit)(void *baton, const scep_ca_request_t *request,
                   scep_ca_result_t *result, apr_pool_t *p);
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
} scep_enrol_profile_t;

/** What came of it, beside the scep_result_t. */
typedef struct scep_enrol_answer_t {
    X509 *certificate;       /**< SUCCESS; lives with the pool */
    const scep_csr_t *csr;   /**< as far as it was read, or NULL */
    const char *subject;     /**< for the log, or NULL */
    const char *sans;        /**< for the log, or NULL */
    const char *verified_by; /**< id of what granted it, or NULL */
    const char *dropped;     /**< extensions left out, or NULL */
    const char *remark; /**< what the CA did otherwise than asked, or NULL */
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
