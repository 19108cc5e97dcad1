/* transaction.h - which enrolment a request belongs to
 * SPDX-License-Identifier: Apache-2.0
 *
 * Clients use a transactionID again, and even the same CSR, when they renew
 * send a PKCSReq again to poll, and several devices may use
 * one transactionID.  So an enrolment is named by profile, transactionID, CSR
 * and signer together.
 */
#ifndef SCEP_TRANSACTION_H
#define SCEP_TRANSACTION_H

#include "csr.h"
#include "message.h"
#include "record.h"

/** Hexadecimal digests that name things. */
typedef struct scep_transaction_t {
    unsigned char digest[32]; /**< of the transaction */
    const char *key;          /**< the same in hex */
    /** who may see the answer: for a certificate that the CA has issued,
     * that certificate with its key; else the key alone */
    const char *signer;
} scep_transaction_t;

/**
 * Names the transaction of a request.
 * @param chain  the CA's: issuing CA first
 * @param csr  NULL for a CertPoll: then there is a signer only
 * @return APR_SUCCESS; APR_EGENERAL: OpenSSL failed
 */
apr_status_t scep_transaction_name(scep_transaction_t *transaction,
                                   const char *profile,
                                   const scep_message_t *message,
                                   const scep_csr_t *csr,
                                   const STACK_OF(X509) *chain,
                                   const scep_alg_t *alg, apr_pool_t *p);

/** Hex SHA-256 of octets; NULL on failure. */
const char *scep_transaction_octets(const scep_alg_t *alg,
                                    const unsigned char *data, apr_size_t len,
                                    apr_pool_t *p);

/** What is known of the transaction of a request. */
typedef enum {
    SCEP_SEEN_NEW = 0, /**< nothing */
    SCEP_SEEN_SAME,    /**< the very same request */
    SCEP_SEEN_ENDED,   /**< the same, and it ended so that it may come anew */
    SCEP_SEEN_AGAIN,   /**< another transactionID for what is under way */
    SCEP_SEEN_CONFLICT /**< another CSR for a transaction under way */
} scep_seen_t;

/**
 * Judges a request by what its signer has under way.
 * @param records  scep_record_t of the signer, newest first
 * @param names  digest of the CSR's names
 * @param spki  digest of the CSR's key
 * @param found  set to the record that decides, or NULL
 */
scep_seen_t scep_transaction_judge(const apr_array_header_t *records,
                                   const scep_transaction_t *transaction,
                                   const char *transaction_id,
                                   const char *names, const char *spki,
                                   const scep_record_t **found);

/** The record that a CertPoll of this transactionID asks for, or NULL. */
const scep_record_t *scep_transaction_polled(const apr_array_header_t *records,
                                             const char *transaction_id);

#endif
