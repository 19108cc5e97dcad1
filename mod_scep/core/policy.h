/* policy.h - what a profile lets a certificate be
 * SPDX-License-Identifier: Apache-2.0
 *
 * A policy is a row of rules, each set by a directive of its name.  They are
 * gone through in order, and the first that refuses ends it; explain.c goes
 * through the same row and past a refusal.
 */
#ifndef SCEP_POLICY_H
#define SCEP_POLICY_H

#include "csr.h"
#include "name.h"
#include "weak_key.h"

/** Least public exponent of RSA keys, SP 800-56B section 6.2. */
#define SCEP_EXPONENT_DEFAULT 65537

/** What ScepSubjectForce sets an attribute to. */
typedef struct scep_policy_force_t {
    const ASN1_OBJECT *type;
    const char *before; /**< the value; of one with a device: up to it */
    const char *after;  /**< what follows the device; NULL: there is none */
} scep_policy_force_t;

/** One ScepCondition. */
typedef struct scep_policy_condition_t {
    const char *name;
    void *expression; /**< for scep_policy_ops_t.holds */
} scep_policy_condition_t;

/** What a CA elsewhere may put into certificates, ScepIssuedNames. */
typedef enum {
    SCEP_ISSUED_POLICY = 0, /**< names that a request might have, too */
    SCEP_ISSUED_REQUEST,    /**< the names of the request */
    SCEP_ISSUED_ANY
} scep_issued_names_t;

typedef struct scep_policy_t {
    scep_key_rule_t keys;
    unsigned int sans; /**< SCEP_SAN_* that a CSR may ask for */
    int empty_subject; /**< accept an empty subject beside a SAN */
    /** extensions copied beside the SAN, const ASN1_OBJECT * */
    const apr_array_header_t *extensions;
    apr_uint64_t exponent;    /**< least public exponent of RSA keys */
    const scep_weak_t *weak;  /**< NULL: keys are not tested */
    unsigned int sans_wanted; /**< SCEP_SAN_* that a CSR must ask for */
    /* Each NULL: no such rule. */
    const apr_array_header_t *force;        /**< scep_policy_force_t */
    const apr_array_header_t *wanted;       /**< const ASN1_OBJECT * */
    const apr_array_header_t *allowed;      /**< scep_name_pattern_t * */
    const apr_array_header_t *sans_allowed; /**< scep_san_pattern_t * */
    const apr_array_header_t *usages_asked; /**< const ASN1_OBJECT * */
    const apr_array_header_t *conditions;   /**< scep_policy_condition_t */
    int key_once;          /**< a key is for one subject alone */
    int most_certificates; /**< live ones of one subject; 0: any number */
    scep_issued_names_t issued_names;
} scep_policy_t;

/** What was decided about a CSR. */
typedef struct scep_policy_answer_t {
    /** extensions to put into the certificate; NULL for none */
    STACK_OF(X509_EXTENSION) *extensions;
    const char *dropped;      /**< names of extensions left out, for the log */
    const X509_NAME *subject; /**< to put into the certificate */
} scep_policy_answer_t;

/** What a rule looks at and adds to. */
typedef struct scep_policy_case_t {
    const scep_policy_t *policy;
    const scep_csr_t *csr;
    /** canonical id of the device that the request was granted to, or NULL:
     * the grant is bound to none */
    const char *device;
    scep_policy_answer_t *answer;
    scep_result_t *res; /**< all faults that a rule finds, after each other */
    apr_pool_t *p;
} scep_policy_case_t;

/** One rule. */
typedef struct scep_policy_rule_t {
    const char *name; /**< of its directive */
    /** Whether there is something to look at; optional: always.
     * @param why  set to why not, NULL: the profile has no such rule */
    int (*applies)(const scep_policy_case_t *one, const char **why);
    /** @return APR_SUCCESS, or res says what is wrong */
    apr_status_t (*check)(const scep_policy_case_t *one);
    /** what was looked at, for people; optional */
    const char *(*describe)(const scep_policy_case_t *one);
    int names; /**< it looks at names: those in a certificate must keep it */
} scep_policy_rule_t;

/** The rules in their order, to one without a name. */
extern const scep_policy_rule_t scep_policy_rules[];

/**
 * Applies the rules that a CSR and its grant alone decide.  A SAN is carried
 * or the request is refused, never dropped.  Key usages, basicConstraints
 * and key identifiers are the profile's business and left out; asking to
 * be a CA is refused; Microsoft's SID, template and application policy
 * extensions and any critical extension that is not on the list are refused.
 * @param device  as in scep_policy_case_t
 * @param res  names the rule that refused
 */
apr_status_t scep_policy_apply(const scep_policy_t *policy,
                               const scep_csr_t *csr, const char *device,
                               scep_policy_answer_t *answer,
                               scep_result_t *res, apr_pool_t *p);

/**
 * Looks at the names that a CA elsewhere has put into a certificate: where
 * they are not those of the request, they must keep the rules for names.
 * @param request  what was asked for
 * @param subject  what was allowed, of scep_policy_answer_t
 * @param other  set to the names, for people, where they are not those of the
 *               request; else to NULL
 * @return NULL, or what is wrong
 */
const char *scep_policy_check_issued(const scep_policy_t *policy,
                                     X509 *certificate,
                                     const scep_csr_t *request,
                                     const X509_NAME *subject,
                                     const char **other, apr_pool_t *p);

/** Whether ScepSubjectForce puts the device into subjects. */
int scep_policy_wants_device(const scep_policy_t *policy);

/* ------------------------------------------------------------------ */
/* What the CSR alone does not tell (policy_admit.c)                    */

/** A request that the rules above allow. */
typedef struct scep_policy_request_t {
    const scep_csr_t *csr;
    const X509_NAME *subject; /**< of scep_policy_answer_t */
    int type;                 /**< messageType */
    const char *device;       /**< as in scep_policy_case_t */
    const char *verified_by;  /**< what granted it, or NULL */
    const char *renews;       /**< serial of the certificate that has granted
                                   it, as in scep_certificate_t, or NULL */
} scep_policy_request_t;

/**
 * Notes what a verifier has found out: which device it granted the request
 * to, and which certificate is renewed.  The device of a renewal is the one
 * that ScepSubjectForce has put into the old subject.
 */
void scep_policy_granted(const scep_policy_t *policy,
                         const scep_verify_result_t *verdict,
                         scep_policy_request_t *request, apr_pool_t *p);

/** What of a policy only the server around it can tell. */
typedef struct scep_policy_ops_t {
    void *baton;
    /**
     * Evaluates a condition.
     * @return 1: it holds; 0: it does not; -1: that cannot be told, and
     *         *error says why
     */
    int (*holds)(void *baton, const scep_policy_condition_t *condition,
                 const scep_policy_request_t *request, const char **error,
                 apr_pool_t *p);
    /**
     * Counts live certificates of the profile for a subject.
     * @param holder  of scep_policy_holder
     * @param renews  one that does not count, or NULL
     */
    apr_status_t (*count_live)(void *baton, const char *holder,
                               const char *renews, int *count, apr_pool_t *p);
    /** Counts live certificates of a key for other subjects.
     * @param spki  SHA-256 of the SubjectPublicKeyInfo, hex */
    apr_status_t (*count_key)(void *baton, const char *spki,
                              const char *holder, int *count, apr_pool_t *p);
} scep_policy_ops_t;

/**
 * Applies the rules that need the ledger or the request around: a key's
 * other subjects, a subject's live certificates, conditions.
 * @param ops  NULL: where there is such a rule, it refuses
 * @param res  names the rule that refused
 */
apr_status_t scep_policy_admit(const scep_policy_t *policy,
                               const scep_policy_request_t *request,
                               const scep_policy_ops_t *ops,
                               const scep_alg_t *alg, scep_result_t *res,
                               apr_pool_t *p);

/* The parts of it, for explain.c; they do not name their rule. */

/** How a condition is named as a rule. */
const char *scep_policy_condition_rule(
    const scep_policy_condition_t *condition, apr_pool_t *p);

apr_status_t scep_policy_admit_key(const scep_policy_t *policy,
                                   const scep_policy_request_t *request,
                                   const scep_policy_ops_t *ops,
                                   const scep_alg_t *alg, scep_result_t *res,
                                   apr_pool_t *p);
apr_status_t scep_policy_admit_number(const scep_policy_t *policy,
                                      const scep_policy_request_t *request,
                                      const scep_policy_ops_t *ops,
                                      const scep_alg_t *alg,
                                      scep_result_t *res, apr_pool_t *p);
apr_status_t scep_policy_admit_condition(
    const scep_policy_condition_t *condition,
    const scep_policy_request_t *request, const scep_policy_ops_t *ops,
    scep_result_t *res, apr_pool_t *p);

/**
 * Who a certificate is for, as the ledger counts: a digest of its canonical
 * subject, or of its SANs where that is empty.
 * @param sans  may be NULL
 * @return hexadecimal, or NULL
 */
const char *scep_policy_holder(const X509_NAME *subject,
                               const GENERAL_NAMES *sans,
                               const scep_alg_t *alg, apr_pool_t *p);

/** The same of a request's subject and SANs together. */
const char *scep_policy_names(const X509_NAME *subject,
                              const GENERAL_NAMES *sans, const scep_alg_t *alg,
                              apr_pool_t *p);

#endif
