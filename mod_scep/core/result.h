/* result.h - what came of a request: for the client and for the log
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SCEP_RESULT_H
#define SCEP_RESULT_H

#include "../mod_scep.h"

/** pkiStatus, RFC 8894 section 3.2.1.3. */
typedef enum {
    SCEP_STATUS_SUCCESS = 0,
    SCEP_STATUS_FAILURE = 2,
    SCEP_STATUS_PENDING = 3
} scep_status_t;

/**
 * Every reason that a request can fail for.  The table in result.c gives
 * each a stable name (for logs and the environment), the failInfo and text
 * that the client sees, and the HTTP status where there is no CertRep.
 */
typedef enum {
    SCEP_REASON_NONE = 0,
    SCEP_REASON_NOT_CMS,        /**< 400: no SignedData that can be read */
    SCEP_REASON_BAD_QUERY,      /**< 400: operation, message, base64 */
    SCEP_REASON_CHECK,          /**< badMessageCheck: any fault of crypto */
    SCEP_REASON_DIGEST,         /**< badAlg: digest not allowed */
    SCEP_REASON_CIPHER,         /**< badAlg: content cipher not allowed */
    SCEP_REASON_KEY,            /**< badAlg: key type, size or curve */
    SCEP_REASON_ENVELOPE_KEY,   /**< badAlg: the reply cannot be encrypted */
    SCEP_REASON_ATTRIBUTES,     /**< badRequest: signed attributes */
    SCEP_REASON_MESSAGE_TYPE,   /**< badRequest: unknown or not served */
    SCEP_REASON_SIGNER,         /**< badRequest: signer and CSR do not match */
    SCEP_REASON_TIME,           /**< badTime */
    SCEP_REASON_CSR,            /**< badRequest: the PKCS#10's content */
    SCEP_REASON_POP,            /**< as CHECK: the CSR's own signature */
    SCEP_REASON_CHALLENGE,      /**< badRequest: missing or refused */
    SCEP_REASON_BREACH,         /**< the same to the client: spent before */
    SCEP_REASON_POLICY,         /**< badRequest: subject, SAN, extension */
    SCEP_REASON_NO_TRANSACTION, /**< badCertId: CertPoll for nothing known */
    SCEP_REASON_CERT_ID,        /**< badCertId: GetCert, GetCRL: not here */
    SCEP_REASON_CA_REJECTED,    /**< failInfo as the CA said */
    SCEP_REASON_CA_FAULT,       /**< ditto: it refuses the gateway */
    SCEP_REASON_CA_BAD_CERT, /**< badRequest: the CA's answer failed checks */
    SCEP_REASON_CA_DOWN,     /**< 503 and Retry-After */
    SCEP_REASON_VERIFIER_DOWN, /**< 503 and Retry-After */
    SCEP_REASON_LEDGER_DOWN,   /**< ditto: nothing can be recorded */
    SCEP_REASON_TRANSACTION,   /**< badRequest: its transactionID is in use */
    SCEP_REASON_DISAPPROVED,   /**< badRequest: people said no */
    SCEP_REASON_EXPIRED,       /**< badRequest: nobody decided in time */
    SCEP_REASON_LOCKOUT,       /**< 429 and Retry-After */
    SCEP_REASON_INTERNAL,      /**< 500: a fault of ours */
    SCEP_REASON_COUNT
} scep_reason_t;

/** The outcome of one request.  Start with SCEP_RESULT_INIT. */
typedef struct scep_result_t {
    scep_status_t status;
    scep_reason_t reason;
    scep_fail_info_t fail_info; /**< with SCEP_STATUS_FAILURE */
    const char *text;           /**< failInfoText for the client, or NULL */
    const char *detail; /**< for the log only; in the pool of the call */
    int http_status;    /**< 0: a CertRep is due; else this, no CertRep */
    apr_interval_time_t retry_after; /**< with 503 */
    /** the rule of the profile that refused: a directive, with the name of
     * its line where it has one; NULL: none of those */
    const char *rule;
} scep_result_t;

#define SCEP_RESULT_INIT                                                      \
    {                                                                         \
        SCEP_STATUS_SUCCESS, SCEP_REASON_NONE, SCEP_FAIL_BAD_REQUEST, NULL,   \
            NULL, 0, 0, NULL                                                  \
    }

/**
 * Records a failure: reason, failInfo, client's text and HTTP status from
 * the table, and a detail for the log.  OpenSSL's error queue is drained
 * into the detail.
 * @param p  pool that the detail is made in
 * @param fmt  printf format of the detail; what came from outside is given
 *             as it is, the glue escapes when it logs
 * @return always APR_EGENERAL, so that a caller can return it
 */
apr_status_t scep_result_fail(scep_result_t *res, apr_pool_t *p,
                              scep_reason_t reason, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/**
 * Says which rule of the profile a failure is by; its detail begins with it.
 * @param rule  lives as long as the result
 * @return always APR_EGENERAL
 */
apr_status_t scep_result_by_rule(scep_result_t *res, const char *rule,
                                 apr_pool_t *p);

/** The stable name of a reason, such as "bad-digest". */
const char *scep_result_reason_name(scep_reason_t reason);

/** RFC name of a failInfo, such as "badAlg". */
const char *scep_result_fail_info_name(scep_fail_info_t fail_info);

/** Empties OpenSSL's error queue into one line, "" where it is empty. */
const char *scep_result_openssl_errors(apr_pool_t *p);

#endif
