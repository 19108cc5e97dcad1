/* support.h - keys, certificates and requests for the unit tests
 * SPDX-License-Identifier: Apache-2.0
 *
 * Requests are made with OpenSSL's CMS calls, which the core does not read
 * with.  Everything lives with the pool; a step that fails ends the test.
 */
#ifndef SUPPORT_H
#define SUPPORT_H

#include <apr_pools.h>
#include <openssl/cms.h>
#include <openssl/x509v3.h>

/** Initialises APR; the pool lasts as long as the process. */
apr_pool_t *support_pool(void);

EVP_PKEY *support_rsa(int bits, apr_pool_t *p);
EVP_PKEY *support_ec(const char *curve, apr_pool_t *p);

/**
 * Makes a certificate, valid for a day.
 * @param issuer, issuer_key  NULL: self-signed
 * @param usage  keyUsage as in openssl.cnf, such as "digitalSignature"; NULL:
 *               a version 1 certificate without extensions
 */
X509 *support_cert(const char *cn, EVP_PKEY *key, X509 *issuer,
                   EVP_PKEY *issuer_key, const char *usage, apr_pool_t *p);

/** Makes a PKCS#10; challenge may be NULL. */
const unsigned char *support_csr(const char *cn, EVP_PKEY *key,
                                 const char *challenge, apr_size_t *len,
                                 apr_pool_t *p);

/** What goes into a request.  Start with support_request_init(). */
typedef struct support_request_t {
    const char *type;           /**< messageType; NULL: none */
    const char *transaction_id; /**< NULL: none */
    int transaction_id_tag;     /**< V_ASN1_PRINTABLESTRING */
    int nonce_len;              /**< of the octets 1, 2, 3 …; 0: none */
    X509 *signer;
    EVP_PKEY *signer_key;
    STACK_OF(X509) *recipients;
    const char *digest; /**< "SHA256" */
    const char *cipher; /**< "AES-128-CBC" */
    const char *oaep;   /**< digest of OAEP and its MGF1; NULL: PKCS#1 */
    const unsigned char *data; /**< messageData */
    apr_size_t data_len;
    unsigned int sign_flags; /**< CMS_* in addition */
} support_request_t;

/** A PKCSReq of a self-signed signer with AES-128 and SHA-256. */
void support_request_init(support_request_t *request, X509 *signer,
                          EVP_PKEY *signer_key, X509 *recipient,
                          const unsigned char *data, apr_size_t data_len,
                          apr_pool_t *p);

/** Makes the pkcsPKIEnvelope alone. */
const unsigned char *support_envelope(const support_request_t *request,
                                      apr_size_t *len, apr_pool_t *p);

/** Signs any content as the request says. */
const unsigned char *support_sign(const support_request_t *request,
                                  const unsigned char *content,
                                  apr_size_t content_len, apr_size_t *len,
                                  apr_pool_t *p);

/** Makes the whole pkiMessage. */
const unsigned char *support_request(const support_request_t *request,
                                     apr_size_t *len, apr_pool_t *p);

#endif
