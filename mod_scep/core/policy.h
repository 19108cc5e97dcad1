/* policy.h - what a profile lets a certificate be
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SCEP_POLICY_H
#define SCEP_POLICY_H

#include "csr.h"
#include "name.h"

typedef struct scep_policy_t {
    scep_key_rule_t keys;
    unsigned int sans; /**< SCEP_SAN_* that a CSR may ask for */
    int empty_subject; /**< accept an empty subject beside a SAN */
    /** extensions copied beside the SAN, const ASN1_OBJECT * */
    const apr_array_header_t *extensions;
} scep_policy_t;

/** What was decided about a CSR. */
typedef struct scep_policy_answer_t {
    /** extensions to put into the certificate; NULL for none */
    STACK_OF(X509_EXTENSION) *extensions;
    const char *dropped; /**< names of extensions left out, for the log */
} scep_policy_answer_t;

/**
 * Applies the policy: key, subject, SAN types, extensions.  A SAN is carried
 * or the request is refused, never dropped.  Key usages, basicConstraints
 * and key identifiers are the profile's business and left out; asking to
 * be a CA is refused; Microsoft's SID and template extensions and any
 * critical extension that is not on the list are refused.
 */
apr_status_t scep_policy_apply(const scep_policy_t *policy,
                               const scep_csr_t *csr,
                               scep_policy_answer_t *answer,
                               scep_result_t *res, apr_pool_t *p);

/* The parts of it, for who wants to know of each; scep_policy_apply goes
 * through them in this order. */

apr_status_t scep_policy_subject(const scep_policy_t *policy,
                                 const scep_csr_t *csr, scep_result_t *res,
                                 apr_pool_t *p);
apr_status_t scep_policy_san(const scep_policy_t *policy,
                             const GENERAL_NAME *san, scep_result_t *res,
                             apr_pool_t *p);
/** @param answer  what was left out is added to dropped; the extension, to
 *                 extensions where that is not NULL */
apr_status_t scep_policy_extension(const scep_policy_t *policy,
                                   const scep_csr_t *csr,
                                   X509_EXTENSION *extension,
                                   scep_policy_answer_t *answer,
                                   scep_result_t *res, apr_pool_t *p);

#endif
