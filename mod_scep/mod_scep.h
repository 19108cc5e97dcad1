/* mod_scep.h - the contracts between mod_scep and its providers
 * SPDX-License-Identifier: Apache-2.0
 *
 * The one installed header.  It serves three kinds of provider, each a
 * static const table registered in register_hooks with
 * ap_register_provider(p, GROUP, name, SCEP_PROVIDER_VERSION, &table):
 *
 *   scep-ca         a connector to a certification authority
 *   scep-challenge  a store of one-time challenges
 *   scep-verifier   a way to decide who is asking
 *
 * Callbacks get no request_rec, so that a watchdog can call them, and must
 * be thread-safe once child_init has run.  Members are only ever appended.
 */
#ifndef MOD_SCEP_H
#define MOD_SCEP_H

#include <apr_network_io.h>
#include <apr_pools.h>
#include <apr_tables.h>
#include <apr_time.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#ifdef __cplusplus
extern "C" {
#endif

/* httpd's own types, left opaque: the core includes this header too. */
struct server_rec;
struct ap_conf_vector_t;

/** The number in front of a message of the error log: SCEPLOGNO(0042)
 * "text".  The manual's errors.md lists them. */
#define SCEPLOGNO(n) "SCEP" #n ": "

#define SCEP_PROVIDER_VERSION "0"
#define SCEP_CA_PROVIDER_GROUP "scep-ca"
#define SCEP_CHALLENGE_PROVIDER_GROUP "scep-challenge"
#define SCEP_VERIFIER_PROVIDER_GROUP "scep-verifier"

/** failInfo, RFC 8894 section 3.2.1.4. */
typedef enum {
    SCEP_FAIL_BAD_ALG = 0,
    SCEP_FAIL_BAD_MESSAGE_CHECK = 1,
    SCEP_FAIL_BAD_REQUEST = 2,
    SCEP_FAIL_BAD_TIME = 3,
    SCEP_FAIL_BAD_CERT_ID = 4
} scep_fail_info_t;

/* ------------------------------------------------------------------ */
/* scep-ca: connectors                                                  */

/** What became of a submission.  The zero value is the careful one. */
typedef enum {
    SCEP_CA_UNKNOWN = 0, /**< it may have reached the CA; never resubmit */
    SCEP_CA_ISSUED,      /**< certificate is set */
    SCEP_CA_PENDING,     /**< handle and retry_after are set */
    SCEP_CA_REJECTED,    /**< fail_info and reason are set */
    SCEP_CA_UNAVAILABLE  /**< nothing reached the CA */
} scep_ca_outcome_t;

/**
 * One approved request.  Everything in it belongs to the caller and lives
 * for the call only.
 */
typedef struct scep_ca_request_t {
    const char *profile;         /**< name of the profile */
    const char *transaction_id;  /**< for the CA's own records */
    const char *idempotency_key; /**< hex; equal for equal requests */
    const unsigned char *csr;    /**< the PKCS#10 octets as received */
    apr_size_t csr_len;
    const X509_NAME *subject;  /**< the approved subject */
    const unsigned char *spki; /**< DER SubjectPublicKeyInfo of the CSR */
    apr_size_t spki_len;
    EVP_PKEY *key; /**< the same key, decoded */
    /** the approved extensions (subjectAltName and those that the profile's
     * allow list names), in the CSR's order; may be NULL */
    const STACK_OF(X509_EXTENSION) *extensions;
    apr_interval_time_t validity; /**< wanted lifetime; 0: the CA's choice */
    unsigned int key_usage;       /**< wanted KU_* bits, 0: the CA's choice */
    /** wanted extended key usages, const ASN1_OBJECT *; may be empty */
    const apr_array_header_t *ext_key_usage;
    apr_time_t now; /**< time of the request */
    /** the CSR's challengePassword, for a CA that checks it itself; NULL
     * where there is none or the CA does not */
    const char *challenge;
    const GENERAL_NAMES *sans; /**< of the CSR, may be NULL */
} scep_ca_request_t;

/** The answer; the caller hands it in zeroed. */
typedef struct scep_ca_result_t {
    scep_ca_outcome_t outcome;
    X509 *certificate;     /**< ISSUED: freed with the pool of the call */
    STACK_OF(X509) *chain; /**< as the CA sent it, may be NULL; ditto */
    /** PENDING: what poll needs, opaque text; UNKNOWN: the same, or NULL
     * where the outcome cannot be looked up */
    const char *handle;
    apr_interval_time_t retry_after; /**< PENDING, UNAVAILABLE; 0: default */
    scep_fail_info_t fail_info;      /**< REJECTED */
    /** REJECTED: the fault lies with the device's request and not with the
     * gateway's configuration, so its challenge is spent */
    int device_fault;
    /** for the log: what happened, no secret in it.  ISSUED: what was done
     * otherwise than asked, or NULL */
    const char *reason;
} scep_ca_result_t;

/** What check learns from, and may load into, one configured CA. */
typedef struct scep_ca_setup_t {
    const char *name;            /**< NAME of <ScepCA connector NAME> */
    const STACK_OF(X509) *chain; /**< ScepCAChain: issuing CA first */
    const struct ap_conf_vector_t *conf; /**< the connector's directives */
    struct server_rec *server;
    /**
     * Loads a private key from a PEM file or an OSSL_STORE URI, asking for
     * a pass phrase where the run allows it; kept over reloads.
     * @param key  set to a key that lives as long as the configuration, or
     *             to NULL where it is encrypted and configtest must not ask
     * @return NULL, or what is wrong, in words for the administrator
     */
    const char *(*load_key)(const struct scep_ca_setup_t *setup,
                            const char *location, EVP_PKEY **key,
                            apr_pool_t *p);
    apr_pool_t *p; /**< lives as long as the configuration */
    /**
     * Reads a secret: one line from file:PATH, which others must not be able
     * to read, or from exec:PROGRAM.
     * @param secret  cleansed with p; "" where configtest must not run the
     *                program
     * @return NULL, or what is wrong, in words for the administrator
     */
    const char *(*load_secret)(const struct scep_ca_setup_t *setup,
                               const char *location, const char **secret,
                               apr_pool_t *p);
    const char *state_dir; /**< absolute ScepStateDir */
} scep_ca_setup_t;

typedef struct scep_ca_provider_t {
    /**
     * Checks one <ScepCA> and prepares it.  Runs at configtest too: no
     * network, no writing.
     * @param ca  set to the connector's own data, handed to the calls below
     * @return NULL, or what is wrong and with which directive
     */
    const char *(*check)(const scep_ca_setup_t *setup, void **ca);

    /** Prepares a child process; optional. */
    apr_status_t (*child_init)(void *ca, struct server_rec *s, apr_pool_t *p);

    /** Asks for a certificate.  All that it has to say is in *result. */
    void (*submit)(void *ca, const scep_ca_request_t *request,
                   scep_ca_result_t *result, apr_pool_t *p);

    /**
     * Asks what became of a request; optional.  It submits nothing.
     * @param handle  of a result that was PENDING or UNKNOWN, perhaps of
     *                another process or from before a restart
     * @param result  what is not decided yet, or cannot be asked now, is
     *                PENDING or UNKNOWN, with a handle.  UNAVAILABLE: no
     *                certificate will come of it, and it may be submitted
     *                anew.  REJECTED with SCEP_FAIL_BAD_CERT_ID: the CA
     *                knows no such request
     */
    void (*poll)(void *ca, const char *handle, scep_ca_result_t *result,
                 apr_pool_t *p);

    /**
     * Fetches the CA's current chain; optional.
     * @param chain  issuing CA first; freed with p
     */
    apr_status_t (*ca_chain)(void *ca, STACK_OF(X509) **chain, apr_pool_t *p);

    /**
     * Fetches the CA's current CRL; optional.
     * @param crl  freed with p; NULL where the CA has made none yet.  Who
     *             goes by it verifies it
     */
    apr_status_t (*crl)(void *ca, X509_CRL **crl, apr_pool_t *p);

    /**
     * Revokes; optional.  APR_SUCCESS too where it was revoked already.
     * @param reason  CRLReason, RFC 5280 section 5.3.1
     * @param error  set on failure, for the log
     */
    apr_status_t (*revoke)(void *ca, const X509 *certificate, int reason,
                           const char **error, apr_pool_t *p);

    /** Says whether the CA answers; optional. */
    apr_status_t (*health)(void *ca, const char **text, apr_pool_t *p);

    /**
     * Non-zero: submit signs in this process with a key that check has
     * matched to chain[0], so its signatures are not verified once more
     * (with P-256 that would take longer than to sign).
     */
    int signs_here;

    /** In the parent, before children exist; may write; optional. */
    apr_status_t (*open)(void *ca, struct server_rec *s, apr_pool_t *pconf);

    /**
     * Says whether the CA itself checks the challengePassword that submit is
     * given, so that ScepVerify may name the verifier "ca"; optional.
     */
    int (*checks_challenge)(void *ca);

    /** How long submit takes at the very most; optional: moments. */
    apr_interval_time_t (*longest)(void *ca);

    /**
     * Finds out what became of a submit whose answer is lost because its
     * process died; sends nothing that could make a certificate.
     * UNAVAILABLE: none was made, for certain.  Optional: without it nobody
     * can tell.
     * @param request  the same, its now the time of that submit
     */
    void (*lookup)(void *ca, const scep_ca_request_t *request,
                   scep_ca_result_t *result, apr_pool_t *p);

    /**
     * Non-zero: the certificate gets the subject of scep_ca_request_t.  Else
     * the CA goes by the CSR, which nobody can change, and profiles that set
     * a subject (ScepSubjectForce) cannot have this connector.
     */
    int sets_subject;
} scep_ca_provider_t;

/* ------------------------------------------------------------------ */
/* scep-challenge: stores                                               */

/** Why a claim was refused, or that it was granted (0 never is). */
typedef enum {
    SCEP_CHALLENGE_ERROR = 0, /**< the store failed: a refusal */
    SCEP_CHALLENGE_CLAIMED,   /**< granted: commit or release follows */
    SCEP_CHALLENGE_NOT_FOUND,
    SCEP_CHALLENGE_EXPIRED,
    SCEP_CHALLENGE_REVOKED,
    SCEP_CHALLENGE_SPENT, /**< used before: a sign of a leak */
    /** another transaction is using it; of one with several uses: all that
     * are left are being used */
    SCEP_CHALLENGE_BUSY,
    SCEP_CHALLENGE_BOUND_PROFILE,
    SCEP_CHALLENGE_BOUND_SUBJECT,
    SCEP_CHALLENGE_BOUND_SAN,
    SCEP_CHALLENGE_BOUND_DEVICE,
    SCEP_CHALLENGE_BOUND_NETWORK
} scep_challenge_outcome_t;

typedef enum {
    SCEP_CHALLENGE_STATE_NONE = 0,
    SCEP_CHALLENGE_STATE_ISSUED,
    SCEP_CHALLENGE_STATE_CLAIMED,
    SCEP_CHALLENGE_STATE_SPENT,
    SCEP_CHALLENGE_STATE_EXPIRED,
    SCEP_CHALLENGE_STATE_REVOKED
} scep_challenge_state_t;

/** 16 hexadecimal digits and a NUL; names a challenge, is not secret. */
#define SCEP_CHALLENGE_ID_SIZE 17
/** Longest requester and note that a store keeps, without the NUL. */
#define SCEP_CHALLENGE_REQUESTER_MAX 31
#define SCEP_CHALLENGE_NOTE_MAX 31
/** Most uses of one challenge. */
#define SCEP_CHALLENGE_USES_MAX 10000
/** Most device ids that one request is looked up by. */
#define SCEP_CHALLENGE_DEVICES_MAX 8

/** An IP network; IPv4 stands in it as ::ffff:a.b.c.d. */
typedef struct scep_network_t {
    unsigned char address[16]; /**< bits after the prefix are zero */
    unsigned int prefix;       /**< of the 128 bits: 96 and up for IPv4 */
} scep_network_t;

/** What a new challenge permits.  A binding that is NULL binds nothing. */
typedef struct scep_challenge_spec_t {
    const char *secret;    /**< the one-time password itself */
    const char *profile;   /**< always set */
    const char *subject;   /**< canonical, scep_name_canonical() */
    const char *sans;      /**< canonical, scep_name_sans_canonical(); ""
                                binds to "no SAN at all" */
    const char *device;    /**< canonical, scep_device_canonical() */
    const char *requester; /**< who asked, cut to what the store keeps */
    apr_time_t created;
    apr_time_t expires;            /**< whole seconds count */
    const scep_network_t *network; /**< of the client */
    const char *note;              /**< for people; NULL for none */
    /** certificates that it is good for, at most SCEP_CHALLENGE_USES_MAX;
     * 0 counts as 1 */
    unsigned int uses;
    /** good for any number until it expires; bound to a subject */
    int reusable;
} scep_challenge_spec_t;

/** What is known of the request that presents a challenge. */
typedef struct scep_challenge_facts_t {
    const char *profile;
    const char *subject; /**< canonical */
    const char *sans;    /**< canonical; "" where there is none */
    /** canonical device ids, const char *, SCEP_CHALLENGE_DEVICES_MAX at
     * most; may be NULL */
    const apr_array_header_t *devices;
    /** 16 octets of the client's address, IPv4 as ::ffff:a.b.c.d; NULL where
     * unknown */
    const unsigned char *address;
    /** names the transaction: transactionID, CSR and signer digested */
    unsigned char transaction[32];
} scep_challenge_facts_t;

/** A granted claim; opaque but for id. */
typedef struct scep_challenge_claim_t {
    char id[SCEP_CHALLENGE_ID_SIZE];
    apr_uint64_t token[2];
    int once; /**< set by claim: it is good for one certificate in all */
} scep_challenge_claim_t;

/** One row of a listing. */
typedef struct scep_challenge_info_t {
    char id[SCEP_CHALLENGE_ID_SIZE];
    scep_challenge_state_t state;
    apr_time_t created;
    apr_time_t expires;
    char requester[SCEP_CHALLENGE_REQUESTER_MAX + 1];
    int bound_subject, bound_sans, bound_device, bound_network;
    const char *profile; /**< the name, if among those that were asked for */
    char note[SCEP_CHALLENGE_NOTE_MAX + 1];
    int several;            /**< made for several uses */
    unsigned int uses_left; /**< not being used just now; 0 if reusable */
    int reusable;
} scep_challenge_info_t;

typedef struct scep_challenge_stats_t {
    apr_uint64_t capacity; /**< live challenges that it holds; 0: no limit */
    apr_uint64_t live;     /**< issued or claimed, not expired */
    apr_uint64_t bytes;    /**< of memory or disk */
} scep_challenge_stats_t;

typedef struct scep_challenge_provider_t {
    /**
     * Parses the text between the store's parentheses.
     * @return NULL, or what is wrong with it
     */
    const char *(*create)(void **store, const char *name, const char *args,
                          apr_pool_t *pconf);
    /** In the parent, before children exist; may write state_dir. */
    apr_status_t (*open)(void *store, const char *state_dir,
                         struct server_rec *s, apr_pool_t *pconf);
    apr_status_t (*child_init)(void *store, struct server_rec *s,
                               apr_pool_t *p);
    /** @return APR_SUCCESS; APR_ENOSPC: full; APR_EEXIST: secret in use */
    apr_status_t (*issue)(void *store, const scep_challenge_spec_t *spec,
                          char id[SCEP_CHALLENGE_ID_SIZE], apr_pool_t *p);
    /**
     * Takes the challenge for one transaction until lease has passed.
     * Claiming again within the lease is BUSY, also for the same
     * transaction: its first request is still being worked on.  Of one with
     * several uses it takes one use, beside other claims and without a
     * lease; a reusable one it only looks at.
     */
    scep_challenge_outcome_t (*claim)(void *store, const char *secret,
                                      const scep_challenge_facts_t *facts,
                                      apr_time_t now,
                                      apr_interval_time_t lease,
                                      scep_challenge_claim_t *claim,
                                      apr_pool_t *p);
    /**
     * Spends it, or the use that was claimed.  Where the claim excludes
     * others it may be said again.  APR_EGENERAL: the lease was
     * lost, or it was revoked meanwhile; deliver nothing.  APR_EAGAIN: nor
     * where the store does not work now.
     */
    apr_status_t (*commit)(void *store, const scep_challenge_claim_t *claim,
                           apr_pool_t *p);
    /** Gives it back, as good as before. */
    apr_status_t (*release)(void *store, const scep_challenge_claim_t *claim,
                            apr_pool_t *p);
    /** @return APR_SUCCESS; APR_NOTFOUND; APR_EBUSY: claimed just now */
    apr_status_t (*revoke)(void *store, const char *id, apr_time_t now,
                           apr_pool_t *p);
    /**
     * Walks the challenges in the order of their ids.
     * @param visit  called for each, stops the walk by returning non-zero
     * @param profiles  names that info->profile is looked up in, char *
     * @param after  an id: only those behind it; NULL: all
     */
    apr_status_t (*list)(void *store, apr_time_t now,
                         const apr_array_header_t *profiles, const char *after,
                         int (*visit)(void *baton,
                                      const scep_challenge_info_t *info),
                         void *baton, apr_pool_t *p);
    apr_status_t (*stats)(void *store, apr_time_t now,
                          scep_challenge_stats_t *stats, apr_pool_t *p);
    /** Periodic work: reclaims what has expired, makes changes durable. */
    apr_status_t (*maintain)(void *store, apr_time_t now, apr_pool_t *p);
    /**
     * Moves the expiry of a live challenge to a later time.
     * @return APR_SUCCESS; APR_NOTFOUND: none is live; APR_EINVAL: that is
     *         not later
     */
    apr_status_t (*extend)(void *store, const char *id, apr_time_t expires,
                           apr_time_t now, apr_pool_t *p);
    /** One row of list.  @return APR_SUCCESS; APR_NOTFOUND */
    apr_status_t (*get)(void *store, const char *id, apr_time_t now,
                        const apr_array_header_t *profiles,
                        scep_challenge_info_t *info, apr_pool_t *p);
    /**
     * Says what claim would, and changes nothing.
     * @param id  set to the challenge's, or to "" where there is none
     */
    scep_challenge_outcome_t (*check)(void *store, const char *secret,
                                      const scep_challenge_facts_t *facts,
                                      apr_time_t now,
                                      char id[SCEP_CHALLENGE_ID_SIZE],
                                      apr_pool_t *p);
    /**
     * Counts the live challenges of a requester, as it was cut.
     * @param limit  where *count is not above it, it may be more than there
     *               are; else it is exact
     */
    apr_status_t (*count)(void *store, const char *requester,
                          apr_uint64_t limit, apr_time_t now,
                          apr_uint64_t *count, apr_pool_t *p);
    /**
     * Lengthens the lease of a claim, so that it outlives whoever made it; to
     * the end of the challenge at least, so that one whose commit never comes
     * is not used again.  Commit or release follow with the claim as it is
     * then or as it was.  Once more, with either and an end that is not
     * later, changes nothing and succeeds.  Where others may claim beside it
     * there is no lease, and nothing to lengthen.
     * @param until  whole seconds count; the challenge's own end where that
     *               is later, for whoever holds it may die without a word
     * @return APR_SUCCESS; APR_EGENERAL: the lease was lost, or it was
     *         revoked meanwhile; APR_EAGAIN: the store does not work now
     */
    apr_status_t (*hold)(void *store, scep_challenge_claim_t *claim,
                         apr_time_t until, apr_pool_t *p);
} scep_challenge_provider_t;

/* ------------------------------------------------------------------ */
/* scep-verifier: who is asking?                                        */

typedef enum {
    SCEP_VERIFY_REFUSED = 0,
    SCEP_VERIFY_GRANTED, /**< settle follows, once */
    SCEP_VERIFY_PASS,    /**< not for this verifier: ask the next one */
    SCEP_VERIFY_ERROR,   /**< cannot tell now: the device may try again */
    SCEP_VERIFY_UNKNOWN  /**< of explain: only verify itself can tell */
} scep_verify_outcome_t;

typedef struct scep_verify_result_t {
    scep_verify_outcome_t outcome;
    void *token; /**< for settle */
    /** names what granted it, or the challenge that was refused where that is
     * known, for log and audit trail */
    const char *id;
    const char *reason; /**< otherwise: why, for the log */
    int breach;         /**< REFUSED: a spent secret came again */
    /** GRANTED, and wants_device: which one of facts.devices the grant is
     * bound to; NULL: to none */
    const char *device;
    /** GRANTED by a certificate: the signer's, which it has verified */
    X509 *renews;
    /** REFUSED: another request has what id names at this moment, and may
     * yet give it back */
    int busy;
    /** GRANTED: id is that of something which is good for one certificate in
     * all, so a ledger that has one of it already knows better */
    int once;
} scep_verify_result_t;

typedef struct scep_verify_request_t {
    const char *challenge; /**< NULL where the CSR has none */
    scep_challenge_facts_t facts;
    X509 *signer; /**< NULL where the certificate is self-signed: no proof */
    apr_time_t now;
    const char *transaction_id;
    const char *address;      /**< the client's, as text; may be NULL */
    const unsigned char *csr; /**< the PKCS#10, its signature verified */
    apr_size_t csr_len;
    const X509_NAME *subject;
    const GENERAL_NAMES *sans; /**< may be NULL */
    /** the CSR's key did not sign the message, or it is a RenewalReq: proof
     * by the signer's certificate alone counts */
    int renewal;
    /** how long the CA may take, at the very most, before settle follows */
    apr_interval_time_t ca_longest;
    /** the answer must tell which device the grant is bound to */
    int wants_device;
} scep_verify_request_t;

/** How an enrolment that verify granted has ended. */
typedef struct scep_verify_end_t {
    /** non-zero: the grant is used up; zero: as if never asked */
    int spend;
    X509 *certificate;          /**< what was issued, or NULL */
    const char *ca;             /**< name of the CA that was asked, or NULL */
    scep_fail_info_t fail_info; /**< where there is no certificate */
    const char *reason;         /**< ditto: why, no secret in it, or NULL */
    apr_time_t now;
    /** no certificate, and no failure either: the CA has not decided or was
     * not reached, and the device will ask again */
    int undecided;
} scep_verify_end_t;

/** What check learns of the profile that names the verifier. */
typedef struct scep_verifier_setup_t {
    const char *profile;         /**< its name */
    const STACK_OF(X509) *chain; /**< of the profile's CA: issuing CA first */
    const struct ap_conf_vector_t *conf; /**< the profile's directives */
    const char *state_dir;               /**< absolute ScepStateDir */
    struct server_rec *server;
    apr_pool_t *p; /**< lives as long as the configuration */
} scep_verifier_setup_t;

typedef struct scep_verifier_provider_t {
    void (*verify)(void *verifier, const scep_verify_request_t *request,
                   scep_verify_result_t *result, apr_pool_t *p);
    /**
     * Ends what verify granted.
     * @return APR_SUCCESS; else, when spending: deliver nothing.
     *         APR_EAGAIN: the device may try again later; any other: the
     *         grant was lost
     */
    apr_status_t (*settle)(void *verifier, void *token,
                           const scep_verify_end_t *end, apr_pool_t *p);
    /**
     * Checks the configuration and prepares; optional.  Runs at configtest
     * too: no network, no writing.
     * @param verifier  set to the verifier's own data
     * @return NULL, or what is wrong and with which directive
     */
    const char *(*check)(const scep_verifier_setup_t *setup, void **verifier);
    /** In the parent, before children exist; may write; optional. */
    apr_status_t (*open)(void *verifier, struct server_rec *s,
                         apr_pool_t *pconf);
    /** Prepares a child process; optional. */
    apr_status_t (*child_init)(void *verifier, struct server_rec *s,
                               apr_pool_t *p);
    /**
     * Says what verify would, consuming nothing and telling nobody;
     * optional: without it nothing can be said.
     */
    void (*explain)(void *verifier, const scep_verify_request_t *request,
                    scep_verify_result_t *result, apr_pool_t *p);
    /**
     * Takes the time that verify would, because one before it has refused:
     * the client must not see from the time which one it was; optional.
     */
    void (*pretend)(void *verifier, const scep_verify_request_t *request,
                    apr_pool_t *p);
    /** Periodic work, each second in one process; optional. */
    void (*maintain)(void *verifier, struct server_rec *s, apr_time_t now,
                     apr_pool_t *p);
    /** Lines for GET metrics, in Prometheus's text format; optional. */
    const char *(*metrics)(void *verifier, apr_time_t now, apr_pool_t *p);
    /** Non-zero: what it goes by is the certificate that signed.  A profile
     * that names such a one serves renewals, and only these decide them. */
    int by_signer;

    /*
     * With a ledger an enrolment may end in another process than it began
     * in, weeks later.  Then settle follows with what thaw made of the text
     * that freeze gave, after hold.
     */

    /** What settle needs, as text without a secret; optional: nothing. */
    const char *(*freeze)(void *verifier, void *token, apr_pool_t *p);
    /** @return the token, or NULL where the text is none of its own */
    void *(*thaw)(void *verifier, const char *text, apr_pool_t *p);
    /**
     * Keeps a grant for a long time; called before the request goes anywhere,
     * by whoever works on it, and again after a crash; optional.
     * @return as the hold of a store: else nothing may be issued
     */
    apr_status_t (*hold)(void *verifier, void *token, apr_time_t until,
                         apr_pool_t *p);

    /** Non-zero: it can tell which device a grant is bound to. */
    int tells_device;

    /** Non-zero: settle tells somebody how it ended, which nobody else makes
     * up for.  It is then called until it succeeds, twice if need be, and a
     * certificate is not delivered before. */
    int must_settle;
} scep_verifier_provider_t;

#ifdef __cplusplus
}
#endif

#endif
