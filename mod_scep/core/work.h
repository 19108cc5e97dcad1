/* work.h - an accepted enrolment on its way to its end
 * SPDX-License-Identifier: Apache-2.0
 *
 * The outcome table of DESIGN.md.  Whoever holds a record takes it as far as
 * it goes now: the process that the device has asked, or a watchdog later,
 * on this node or another.  Every step may be the last one before a crash;
 * what is in the record then says what may be done.
 */
#ifndef SCEP_WORK_H
#define SCEP_WORK_H

#include "cert.h"
#include "csr.h"
#include "policy.h"
#include "record.h"

struct scep_enrol_profile_t;

/** What it needs of the world, with the work's own baton. */
typedef struct scep_work_ops_t {
    apr_time_t (*clock)(void *baton);
    /** the profile's connector */
    void (*submit)(void *baton, const scep_ca_request_t *request,
                   scep_ca_result_t *result, apr_pool_t *p);
    /** @param state  PENDING or UNKNOWN: what is known so far, and the
     *                outcome where the CA cannot be asked now */
    void (*poll)(void *baton, const char *handle, scep_ca_outcome_t state,
                 scep_ca_result_t *result, apr_pool_t *p);
    /** @return zero: the connector cannot */
    int (*lookup)(void *baton, const scep_ca_request_t *request,
                  scep_ca_result_t *result, apr_pool_t *p);
    /** revokes a certificate that failed its check, or raises an alarm */
    void (*revoke)(void *baton, X509 *certificate, apr_pool_t *p);
    /** the verifier that granted it; its token is of verify or thaw
     * @return also APR_EACCES: what is renewed has been revoked meanwhile */
    apr_status_t (*hold)(void *baton, void *token, const scep_record_t *record,
                         apr_time_t until, apr_pool_t *p);
    /** as that of a verifier; and what a renewal does to the certificate
     * that it renews */
    apr_status_t (*settle)(void *baton, void *token,
                           const scep_record_t *record,
                           const scep_verify_end_t *end, apr_pool_t *p);
    /**
     * Writes a new record with its events and what it has bought; where it is
     * not at its end or not settled, its token and lease are set to hold it.
     * @param revive  one of that key has ended and steps aside
     * @return APR_EEXIST: there is one of that key
     */
    apr_status_t (*receive)(void *baton, scep_record_t *record, int revive,
                            const scep_certificate_t *certificate,
                            const apr_array_header_t *events, apr_pool_t *p);
    /**
     * Keeps where the record is now; optional: there is no ledger, and what
     * is not decided at once is lost.  Events go to the audit trail with it.
     * @param token  that holds it
     * @param certificate  that it has bought, or NULL
     * @return APR_SUCCESS; APR_ENOENT: somebody else has taken it
     */
    apr_status_t (*update)(void *baton, const char *token,
                           const scep_record_t *record,
                           const scep_certificate_t *certificate,
                           const apr_array_header_t *events, apr_pool_t *p);
} scep_work_ops_t;

/** An enrolment that is being worked on. */
typedef struct scep_work_t {
    const struct scep_enrol_profile_t *profile;
    const scep_work_ops_t *ops;
    void *baton; /**< of ops */
    const scep_alg_t *alg;
    scep_record_t *record; /**< held by record->token; changed as it goes */
    void *grant;           /**< the verifier's token, NULL: it needs none */
    /** settle is called until it succeeds: scep_verifier_provider_t */
    int must_settle;
    /** both as the request came, or both NULL: they are made again */
    const scep_csr_t *csr;
    const scep_policy_answer_t *allowed;
    const char *defer; /**< why the CA is not asked now; NULL: it is */
    /** nothing of it is in the ledger: it is written there with its end.
     * What is signed here has not left the process before, and a crash leaves
     * nothing behind */
    int fresh;
    int revive; /**< as of receive */

    /* what came of it */
    /** to be delivered, or NULL; goes in with a record that is ISSUED */
    X509 *certificate;
    X509 *unrecorded;   /**< issued, and the ledger did not take it; or NULL */
    const char *remark; /**< what the CA did otherwise than asked, or NULL */
    scep_result_t res;  /**< for the device */
    int taken; /**< fresh: another request of the same key was faster */
    int asked; /**< the CA was, and said something new */
    scep_ca_outcome_t ca; /**< what it said */
} scep_work_t;

/**
 * Takes a record one step further: the claim is held, the CA asked for the
 * certificate or for what became of it, what it said kept and the verifier
 * told.  Afterwards nobody holds the record.
 */
void scep_work_run(scep_work_t *work, apr_pool_t *p);

/**
 * What a device is told of a record.
 * @param certificate  of an ISSUED one
 * @param res  SUCCESS where it can be delivered, PENDING or FAILURE
 */
void scep_work_answer(const scep_record_t *record, const X509 *certificate,
                      scep_result_t *res, apr_pool_t *p);

/** When an enrolment that began then is given up. */
apr_time_t scep_work_end(const struct scep_enrol_profile_t *profile,
                         const scep_record_t *record);

#endif
