/* explain.h - which rule would decide what about a request
 * SPDX-License-Identifier: Apache-2.0
 *
 * Goes through the rules of an enrolment in the enrolment's order, but past
 * a refusal, so that all that is wrong shows at once.  Nothing is issued and
 * nothing consumed.  What depends on the pkiMessage around the CSR (its
 * digest, cipher, clock and signer) is not known here.
 */
#ifndef SCEP_EXPLAIN_H
#define SCEP_EXPLAIN_H

#include "enrol.h"

typedef enum {
    SCEP_STEP_PASSED = 0,
    SCEP_STEP_REFUSED,
    SCEP_STEP_NOT_APPLICABLE,
    SCEP_STEP_UNAVAILABLE, /**< a service is down: the device gets 503 */
    SCEP_STEP_UNKNOWN      /**< only the enrolment itself can tell */
} scep_step_result_t;

/** What one rule says. */
typedef struct scep_step_t {
    const char *rule; /**< the directive that sets it, where there is one */
    scep_step_result_t result;
    const char *detail;   /**< for people, may be NULL */
    scep_reason_t reason; /**< REFUSED, UNAVAILABLE */
    /** the enrolment would come to this rule and end at it */
    int decides;
} scep_step_t;

/** A verifier of the profile. */
typedef struct scep_explain_verifier_t {
    const char *name;
    const scep_verifier_provider_t *provider;
    void *data;
} scep_explain_verifier_t;

typedef struct scep_explain_request_t {
    const scep_enrol_profile_t *profile;
    const apr_array_header_t *verifiers; /**< scep_explain_verifier_t */
    int type;                            /**< messageType */
    const unsigned char *csr;
    apr_size_t csr_len;
    const char *challenge; /**< instead of the CSR's; NULL: the CSR's */
    const char *address;   /**< of the client; may be NULL */
    apr_time_t now;
    const scep_policy_ops_t *policy_ops; /**< for the address and for now */
} scep_explain_request_t;

typedef struct scep_explanation_t {
    const scep_csr_t *csr;         /**< NULL where it cannot be read */
    apr_array_header_t *steps;     /**< scep_step_t */
    const scep_step_t *decided_by; /**< the first that decides, or NULL */
    int unknown; /**< nothing refuses, but not all can be told */
} scep_explanation_t;

/** @param alg  with the profile's digests */
void scep_explain(const scep_explain_request_t *request, const scep_alg_t *alg,
                  scep_explanation_t *explanation, apr_pool_t *p);

/** "passed", "refused", "not applicable", "unavailable", "unknown" */
const char *scep_explain_result_name(scep_step_result_t result);

#endif
