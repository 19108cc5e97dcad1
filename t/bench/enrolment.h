/* enrolment.h - SCEP enrolments made in advance, and a look at their answers
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef BENCH_ENROLMENT_H
#define BENCH_ENROLMENT_H

#include <stddef.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

#define ENROLMENT_NONCE_LEN 16

/** What all enrolments of a run have in common. */
typedef struct enrolment_plan_t {
    STACK_OF(X509) *published; /**< by GetCACert */
    X509 *recipient;           /**< among them: decrypts the requests */
    EVP_PKEY **keys;           /**< RSA keys of the devices, used in turn */
    size_t keys_len;
    const EVP_CIPHER *cipher;
} enrolment_plan_t;

/** One device that enrols. */
typedef struct enrolment_t {
    char transaction_id[40];
    char name[40]; /**< its common name */
    unsigned char nonce[ENROLMENT_NONCE_LEN];
    EVP_PKEY *key;          /**< belongs to the plan */
    X509 *signer;           /**< kept where the answer is to be decrypted */
    unsigned char *message; /**< the pkiMessage, OPENSSL_free */
    size_t message_len;
} enrolment_t;

/**
 * Makes keys and takes the answer to GetCACert.
 * @return NULL, or what is wrong
 */
const char *enrolment_plan(enrolment_plan_t *plan, size_t keys,
                           const unsigned char *published, size_t len);

/** Chooses transactionID, name and nonce. */
void enrolment_name(enrolment_t *e, const enrolment_plan_t *plan,
                    size_t number);

/**
 * Builds CSR, signer and pkiMessage (PKCSReq, SHA-256).
 * @param keep  keep the signer: enrolment_check may decrypt the answer
 * @return NULL, or what failed
 */
const char *enrolment_build(enrolment_t *e, const enrolment_plan_t *plan,
                            const char *challenge, int keep);

/**
 * Checks an answer: a CertRep with status SUCCESS, our transactionID and
 * nonce; where the signer was kept, its signature by a published certificate
 * too, and after decryption a certificate for our key and name that a
 * published one signed.
 * @return NULL, or what is wrong
 */
const char *enrolment_check(const enrolment_t *e, const enrolment_plan_t *plan,
                            const unsigned char *reply, size_t len);

void enrolment_free(enrolment_t *e);

#endif
