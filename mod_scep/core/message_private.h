/* message_private.h - what the message_*.c files share
 * SPDX-License-Identifier: Apache-2.0
 *
 * Not OpenSSL's CMS calls: they decode every certificate and its key at
 * once, which would cost more than all else that an enrolment needs beside
 * its private key operations; they re-encode what was signed; and they fetch
 * all algorithms from one library context, where single DES needs another
 * than the RA's key.
 */
#ifndef SCEP_MESSAGE_PRIVATE_H
#define SCEP_MESSAGE_PRIVATE_H

#include "der.h"
#include "message.h"

#define SCEP_ATTRIBUTES_MAX 64

/** A SignedData with its only SignerInfo; parts point into the message. */
typedef struct scep_signed_t {
    int content_type;        /**< NID of eContentType */
    scep_der_t content;      /**< at is NULL where absent */
    scep_der_t certificates; /**< one after the other */
    int signers;             /**< how many; the rest is set if it is 1 */
    scep_der_t sid;          /**< with its header */
    int digest;              /**< NID */
    int algorithm;           /**< NID of signatureAlgorithm */
    scep_der_t signature;
    int has_attributes;
    /** the signed attributes with their headers, in the order sent */
    scep_der_t attributes[SCEP_ATTRIBUTES_MAX];
    apr_size_t attributes_len;
} scep_signed_t;

/** What a certificate can be named by. */
typedef struct scep_identity_t {
    scep_der_t issuer; /**< with its header */
    scep_der_t serial; /**< without */
    scep_der_t key_id; /**< without; at may be NULL */
} scep_identity_t;

/** Says whether a SignerIdentifier or RecipientIdentifier names it. */
int scep_message_names(scep_der_t id, const scep_identity_t *identity);

/**
 * Finds the signer, checks messageDigest and the signature, and sets what
 * the message tells of its signer.
 * @param digest  content of messageDigest
 */
apr_status_t scep_message_verify(scep_message_t *message,
                                 const scep_signed_t *data,
                                 const scep_der_t *digest,
                                 const scep_alg_t *alg, scep_result_t *res,
                                 apr_pool_t *p);

/** Decrypts the pkcsPKIEnvelope der into message->data. */
apr_status_t scep_message_decrypt(scep_message_t *message,
                                  const scep_der_t *der,
                                  const scep_message_rule_t *rule,
                                  const scep_ra_t *ra, const scep_alg_t *alg,
                                  scep_result_t *res, apr_pool_t *p);

/** Encrypts data to the message's signer, writes the envelope to out. */
apr_status_t scep_message_envelope(scep_der_out_t *out,
                                   const scep_message_t *message,
                                   const unsigned char *data, apr_size_t len,
                                   const scep_reply_form_t *form,
                                   const scep_alg_t *alg, scep_result_t *res,
                                   apr_pool_t *p);

#endif
