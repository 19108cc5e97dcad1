/* message.h - pkiMessage: read a request, build its CertRep
 * SPDX-License-Identifier: Apache-2.0
 *
 * RFC 8894 section 3.  No I/O, no clock, no randomness other than what the
 * caller hands in (and what OpenSSL needs for the content key).
 */
#ifndef SCEP_MESSAGE_H
#define SCEP_MESSAGE_H

#include "alg.h"
#include "oid.h"
#include "result.h"

/** messageType, RFC 8894 section 3.2.1.2. */
typedef enum {
    SCEP_TYPE_CERT_REP = 3,
    SCEP_TYPE_RENEWAL_REQ = 17,
    SCEP_TYPE_PKCS_REQ = 19,
    SCEP_TYPE_CERT_POLL = 20,
    SCEP_TYPE_GET_CERT = 21,
    SCEP_TYPE_GET_CRL = 22
} scep_message_type_t;

#define SCEP_NONCE_LEN 16
#define SCEP_NONCE_MIN 8
#define SCEP_NONCE_MAX 32
#define SCEP_TRANSACTION_ID_MAX 255

/** One certificate of the RA with its private key. */
typedef struct scep_ra_pair_t {
    X509 *cert;
    EVP_PKEY *key;
} scep_ra_pair_t;

/** The gateway's own identity.  The owner keeps it alive. */
typedef struct scep_ra_t {
    scep_ra_pair_t sign; /**< signs replies */
    /** envelopes may be addressed to any of these; scep_ra_pair_t */
    apr_array_header_t *decrypt;
} scep_ra_t;

/** Which algorithms a request may use, and what else is asked of it. */
typedef struct scep_message_rule_t {
    unsigned int digests;         /**< SCEP_DIGEST_* */
    unsigned int ciphers;         /**< SCEP_CIPHER_* */
    apr_interval_time_t max_skew; /**< of signingTime; 0: do not look */
} scep_message_rule_t;

/** Key transport of the request's envelope, mirrored in the reply. */
typedef struct scep_transport_t {
    int oaep;          /**< 0: RSAES-PKCS1-v1_5 */
    unsigned int md;   /**< OAEP: SCEP_DIGEST_* of the label hash */
    unsigned int mgf1; /**< OAEP: SCEP_DIGEST_* of the mask function */
} scep_transport_t;

/** A request, as far as it could be read.  Lives with its pool. */
typedef struct scep_message_t {
    int type;                   /**< any number that was sent; -1: none */
    const char *transaction_id; /**< NUL-terminated UTF-8, or NULL */
    int transaction_id_tag;     /**< V_ASN1_*: the string type it came as */
    unsigned char sender_nonce[SCEP_NONCE_MAX];
    apr_size_t sender_nonce_len; /**< 0: absent */
    unsigned int digest;         /**< SCEP_DIGEST_*; 0: none allowed */
    unsigned int cipher;         /**< SCEP_CIPHER_*; 0: none allowed */
    scep_transport_t transport;
    /** certificate of the RA that the envelope is for; NULL: not known */
    const X509 *recipient;
    /** the signer's certificate names itself as its issuer.  No more than a
     * hint: its own signature is not looked at, whoever made the request
     * could have made that too */
    int self_signed;
    /** certificate that signed the request; NULL where self_signed: such a
     * certificate says nothing but its key, and reading it costs 90 us */
    X509 *signer;
    EVP_PKEY *signer_key; /**< its key, verified the request; in the pool */
    /** DER SubjectPublicKeyInfo of the signer */
    const unsigned char *signer_spki;
    apr_size_t signer_spki_len;
    /** DER IssuerAndSerialNumber of the signer: names it in the reply */
    const unsigned char *signer_id;
    apr_size_t signer_id_len;
    const unsigned char *data; /**< decrypted messageData; cleansed */
    apr_size_t data_len;
} scep_message_t;

/**
 * Reads, verifies and decrypts a pkiMessage.
 *
 * Order: outer structure, signed attributes, algorithms, signature,
 * envelope.  Every fault of signature, padding, key or content is
 * SCEP_REASON_CHECK with the same text.
 *
 * @param message  set as soon as the outer SignedData could be read, also
 *                 when the call fails: the CertRep FAILURE needs it.  NULL:
 *                 not even that, res->http_status is 400
 * @param now  for max_skew
 */
apr_status_t scep_message_parse(scep_message_t **message,
                                const unsigned char *der, apr_size_t len,
                                const scep_message_rule_t *rule,
                                const scep_ra_t *ra, const scep_alg_t *alg,
                                const scep_oid_t *oid, apr_time_t now,
                                scep_result_t *res, apr_pool_t *p);

/** What a profile says about the form of its replies. */
typedef struct scep_reply_form_t {
    int content_absent; /**< PENDING and FAILURE without eContent (Q-8) */
    int signer_absent;  /**< leave the RA certificate out (C-58) */
    int force_pkcs1;    /**< never mirror OAEP (C-55) */
} scep_reply_form_t;

/**
 * Says whether a SUCCESS could be enveloped to the request's signer;
 * SCEP_REASON_ENVELOPE_KEY where not.  Ask before anything is issued.
 */
apr_status_t scep_message_can_reply(const scep_message_t *message,
                                    scep_result_t *res, apr_pool_t *p);

/**
 * Builds the CertRep for an outcome.
 * @param outcome  status, failInfo and text
 * @param certs  SUCCESS: the issued certificate first, then what follows it
 * @param crl  SUCCESS of a GetCRL: the CRL, instead of them; else NULL
 * @param nonce  16 fresh random octets, the reply's senderNonce
 * @param der  in p
 * @param res  set when building fails
 */
apr_status_t scep_message_reply(
    const scep_message_t *message, const scep_result_t *outcome,
    const STACK_OF(X509) *certs, const X509_CRL *crl,
    const unsigned char nonce[SCEP_NONCE_LEN], const scep_reply_form_t *form,
    const scep_ra_t *ra, const scep_alg_t *alg, const scep_oid_t *oid,
    const unsigned char **der, apr_size_t *len, scep_result_t *res,
    apr_pool_t *p);

#endif
