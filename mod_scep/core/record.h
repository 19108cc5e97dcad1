/* record.h - an enrolment as the ledger keeps it
 * SPDX-License-Identifier: Apache-2.0
 *
 * A record is made when a request has been authenticated and allowed, is
 * durable before anything of it leaves the host, and holds all that another
 * process, or another node, needs to bring it to its end.
 */
#ifndef SCEP_RECORD_H
#define SCEP_RECORD_H

#include "event.h"
#include "result.h"

/** Where an enrolment is.  The numbers stand in ledgers: they are only
 * appended, and those below SCEP_STATE_ISSUED are not at their end. */
typedef enum {
    SCEP_STATE_RECEIVED = 0, /**< nothing of it has left the host */
    SCEP_STATE_APPROVAL,     /**< waits for people */
    SCEP_STATE_QUEUED,       /**< nothing reached the CA: again when due */
    SCEP_STATE_SUBMITTED,    /**< it may have reached the CA */
    SCEP_STATE_CA_PENDING,   /**< the CA waits; handle is set */
    SCEP_STATE_UNKNOWN,      /**< to be looked up, never sent again */
    SCEP_STATE_ISSUED = 16,  /**< serial is set */
    SCEP_STATE_REJECTED,     /**< the same request is refused again */
    SCEP_STATE_FAILED,       /**< a fault of ours: it may be asked anew */
    /** asked again under another transactionID: handle is the key of the
     * enrolment that answers */
    SCEP_STATE_SAME
} scep_state_t;

/** What a state is called, such as "ca-pending"; "other" where only a later
 * version knows it. */
const char *scep_state_name(scep_state_t state);

/** The state of such a name, or -1. */
int scep_state_find(const char *name);

/** Octets of a digest as hexadecimal digits and a NUL. */
#define SCEP_RECORD_DIGEST_SIZE 65

/** An enrolment.  No text is NULL, "" stands for none; lives with its pool. */
typedef struct scep_record_t {
    /* what never changes */
    const char *key; /**< digest of profile, transactionID, CSR, signer; its
                          public name */
    const char *profile;
    const char *ca;             /**< name of the CA */
    const char *transaction_id; /**< as it came */
    const char *signer;         /**< digest: who may ask for the answer */
    const char *spki;           /**< digest of the CSR's public key */
    const char *device;
    const char *names;        /**< digest of the canonical subject and SANs */
    int type;                 /**< messageType */
    const unsigned char *csr; /**< the PKCS#10 octets */
    apr_size_t csr_len;
    const char *subject;     /**< for people */
    const char *sans;        /**< for people */
    const char *address;     /**< the client's */
    const char *verifier;    /**< name of the one that granted it */
    const char *grant;       /**< what that one needs to settle; no secret */
    const char *verified_by; /**< id of a challenge, or what else */
    const char *requester;   /**< who had the challenge made, if known */
    const char *renews;      /**< serial of the certificate that signed */
    apr_time_t created;

    /* where it is; mod_scep_ledger_update() writes these */
    scep_state_t state;
    const char *handle;         /**< the connector's */
    const char *serial;         /**< of the certificate, hex */
    scep_reason_t reason;       /**< REJECTED, FAILED */
    scep_fail_info_t fail_info; /**< REJECTED, FAILED */
    const char *detail;         /**< what happened last, for people */
    int settled;                /**< the verifier knows how it ended */
    unsigned int tries;         /**< calls to the CA so far */
    apr_time_t due;             /**< when it is looked at again */
    const char *approvals;      /**< who has approved it, a line each */
    apr_time_t submitted; /**< when it first went to the CA; 0: not yet */
    apr_time_t updated;

    /* whose it is at this moment */
    const char *token; /**< random; "" where nobody works on it */
    apr_time_t lease;  /**< until when */
} scep_record_t;

/** A record that lives with a pool. */
scep_record_t *scep_record_copy(const scep_record_t *record, apr_pool_t *p);

typedef enum {
    SCEP_CERTIFICATE_LIVE = 0,
    SCEP_CERTIFICATE_SUPERSEDED, /**< renewed, and left to expire */
    SCEP_CERTIFICATE_REVOKED,
    SCEP_CERTIFICATE_REVOKING /**< to be revoked when due */
} scep_certificate_state_t;

/** As those of an enrolment's states. */
const char *scep_certificate_state_name(scep_certificate_state_t state);
int scep_certificate_state_find(const char *name);

/** The name of a CRLReason, RFC 5280 section 5.3.1. */
const char *scep_crl_reason_name(int reason);
/** Its number, or -1. */
int scep_crl_reason_find(const char *name);

/** A certificate as the ledger keeps it.  No text is NULL. */
typedef struct scep_certificate_t {
    const char *serial; /**< hex, lower case */
    const char *ca;
    const char *profile;
    const char *enrolment; /**< key of the record that bought it */
    const char *subject;   /**< for people */
    const char *sans;      /**< for people */
    const char *device;    /**< first canonical device id, or "" */
    const char *names;     /**< scep_policy_holder: whom it is for */
    const char *spki;      /**< as scep_record_t.spki */
    const unsigned char *der;
    apr_size_t der_len;
    apr_time_t not_before;
    apr_time_t not_after;
    scep_certificate_state_t state;
    int reason;            /**< CRLReason where revoked or to be */
    apr_time_t changed;    /**< when the state last did */
    apr_time_t due;        /**< REVOKING: when */
    const char *successor; /**< serial of the one that renewed it, or "" */
} scep_certificate_t;

#endif
