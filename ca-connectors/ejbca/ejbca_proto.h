/* ejbca_proto.h - what goes to EJBCA's REST API and comes back
 * SPDX-License-Identifier: Apache-2.0
 *
 * Texts alone: no connection, no clock, no randomness.  The API is that of
 * EJBCA 7 to 9, Community or Enterprise: /v1/certificate and /v1/ca.
 */
#ifndef SCEP_EJBCA_PROTO_H
#define SCEP_EJBCA_PROTO_H

#include "../../mod_scep/mod_scep.h"

/** Paths below the API's base. */
#define EJBCA_ENROLL "/v1/certificate/pkcs10enroll"
#define EJBCA_REQUEST "/v1/certificate/certificaterequest"
#define EJBCA_SEARCH "/v1/certificate/search"
#define EJBCA_STATUS "/v1/certificate/status"
#define EJBCA_CAS "/v1/ca"

/** Most results that a search asks for. */
#define EJBCA_SEARCH_MAX 100

/** One enrolment, as EJBCA is to see it. */
typedef struct scep_ejbca_order_t {
    const unsigned char *csr; /**< PKCS#10 */
    apr_size_t csr_len;
    const char *ca;                  /**< EJBCA's names */
    const char *certificate_profile; /**< NULL: the end entity is there */
    const char *end_entity_profile;  /**< ditto */
    const char *username;
    const char *password; /**< of the end entity: random, or the device's */
    const char *binding;  /**< account_binding_id, or NULL */
} scep_ejbca_order_t;

/** The body of pkcs10enroll or, without profiles, certificaterequest. */
const char *scep_ejbca_proto_order(const scep_ejbca_order_t *order,
                                   apr_pool_t *p);

/**
 * Says what the answer to an order means.
 * @param body  has a NUL at body[len]
 * @param result  ISSUED with certificate and chain; REJECTED; UNAVAILABLE
 *                where EJBCA says that it could do nothing; UNKNOWN where a
 *                certificate may have been made all the same
 */
void scep_ejbca_proto_ordered(int status, const char *body, apr_size_t len,
                              scep_ca_result_t *result, apr_pool_t *p);

/**
 * The body of a search.
 * @param property  QUERY or EXTERNAL_ACCOUNT_BINDING_ID
 * @param since  only what was issued after it; 0: all
 */
const char *scep_ejbca_proto_search(const char *property, const char *value,
                                    apr_time_t since, apr_pool_t *p);

/**
 * Picks from the answer to a search the youngest certificate with a key.
 * @param key  SHA-256 of its SubjectPublicKeyInfo
 * @param since  its notBefore must not be earlier
 * @param certificate  set to it, which the caller frees, or to NULL
 * @return APR_SUCCESS; APR_INCOMPLETE where it is not among these, and there
 *         are more; APR_EGENERAL where this is no answer to a search, or not
 *         one that can be read
 */
apr_status_t scep_ejbca_proto_found(int status, const char *body,
                                    apr_size_t len,
                                    const unsigned char key[32],
                                    apr_time_t since, X509 **certificate);

/** The path of a revocation; issuer as EJBCA writes it. */
const char *scep_ejbca_proto_revoke(const char *issuer,
                                    const X509 *certificate, int reason,
                                    apr_pool_t *p);

/** The path of the CA's chain. */
const char *scep_ejbca_proto_chain(const char *issuer, apr_pool_t *p);

/**
 * Reads a chain in PEM, issuing CA first.
 * @return a chain that is freed with the pool, or NULL where there is none
 */
STACK_OF(X509) *scep_ejbca_proto_read_chain(const char *body, apr_size_t len,
                                            apr_pool_t *p);

/** The path of the latest CRL. */
const char *scep_ejbca_proto_crl(const char *issuer, apr_pool_t *p);

/** Reads a CRL, freed with the pool; *crl NULL: there is none. */
apr_status_t scep_ejbca_proto_read_crl(const char *body, apr_size_t len,
                                       X509_CRL **crl, apr_pool_t *p);

/** The subject DN of a CA in the answer to GET /v1/ca, or NULL. */
const char *scep_ejbca_proto_issuer(const char *body, apr_size_t len,
                                    const char *ca, apr_pool_t *p);

/** What an error answer says, for the log; never NULL. */
const char *scep_ejbca_proto_error(int status, const char *body,
                                   apr_size_t len, apr_pool_t *p);

/** Whether GET status says that it works; *text for people. */
int scep_ejbca_proto_status(int status, const char *body, apr_size_t len,
                            const char **text, apr_pool_t *p);

#endif
