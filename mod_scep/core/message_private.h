/* message_private.h - what the message_*.c files share
 * SPDX-License-Identifier: Apache-2.0
 *
 * OpenSSL's CMS types decode every certificate and its key at once, which
 * would cost more than all else that an enrolment needs beside its private
 * key operations; re-encode signed attributes; and fetch all algorithms
 * from one library context, where single DES needs another than the RA's
 * key.  So requests are read, and envelopes written, with these templates;
 * BER is theirs to cope with.  A field that is an ASN1_STRING here holds
 * its whole encoding, tag and length included, except where it is named
 * after a string type.
 */
#ifndef SCEP_MESSAGE_PRIVATE_H
#define SCEP_MESSAGE_PRIVATE_H

#include <openssl/asn1t.h>

#include "message.h"

/* IssuerAndSerialNumber */
typedef struct {
    ASN1_STRING *issuer;
    ASN1_INTEGER *serial;
} scep_issuer_serial_t;

/* Certificate, as far as a message needs it */
typedef struct {
    ASN1_INTEGER *version;
    ASN1_INTEGER *serial;
    ASN1_STRING *algorithm;
    ASN1_STRING *issuer;
    ASN1_STRING *validity;
    ASN1_STRING *subject;
    ASN1_STRING *spki;
    ASN1_BIT_STRING *issuer_uid;
    ASN1_BIT_STRING *subject_uid;
    ASN1_STRING *extensions;
} scep_tbs_t;

typedef struct {
    scep_tbs_t *tbs;
    ASN1_STRING *algorithm;
    ASN1_BIT_STRING *signature;
} scep_certificate_t;

/* SignerInfo */
typedef struct {
    ASN1_INTEGER *version;
    ASN1_TYPE *sid;
    X509_ALGOR *digest;
    ASN1_STRING *attributes; /* signed ones, tagged [0]; may be NULL */
    X509_ALGOR *algorithm;
    ASN1_OCTET_STRING *signature;
    ASN1_STRING *unsigned_attributes;
} scep_signer_info_t;

DEFINE_STACK_OF(scep_signer_info_t)

/* EncapsulatedContentInfo */
typedef struct {
    ASN1_OBJECT *type;
    ASN1_OCTET_STRING *content; /* may be NULL */
} scep_encapsulated_t;

/* SignedData */
typedef struct {
    ASN1_INTEGER *version;
    STACK_OF(X509_ALGOR) *digests;
    scep_encapsulated_t *content;
    STACK_OF(ASN1_TYPE) *certificates;
    STACK_OF(ASN1_TYPE) *crls;
    STACK_OF(scep_signer_info_t) *signers;
} scep_signed_data_t;

/* KeyTransRecipientInfo */
typedef struct {
    ASN1_INTEGER *version;
    ASN1_TYPE *rid;
    X509_ALGOR *algorithm;
    ASN1_OCTET_STRING *key;
} scep_recipient_t;

/* EncryptedContentInfo */
typedef struct {
    ASN1_OBJECT *type;
    X509_ALGOR *algorithm;
    ASN1_OCTET_STRING *content; /* may be NULL */
} scep_encrypted_t;

/* EnvelopedData */
typedef struct {
    ASN1_INTEGER *version;
    ASN1_STRING *originator;
    STACK_OF(ASN1_TYPE) *recipients;
    scep_encrypted_t *encrypted;
    STACK_OF(ASN1_TYPE) *unprotected;
} scep_enveloped_data_t;

/* ContentInfo with either */
typedef struct {
    ASN1_OBJECT *type;
    scep_signed_data_t *content;
} scep_signed_t;

typedef struct {
    ASN1_OBJECT *type;
    scep_enveloped_data_t *content;
} scep_enveloped_t;

DECLARE_ASN1_ITEM(scep_issuer_serial_t)
DECLARE_ASN1_ITEM(scep_certificate_t)
DECLARE_ASN1_ITEM(scep_signed_t)
DECLARE_ASN1_ITEM(scep_recipient_t)
DECLARE_ASN1_ITEM(scep_enveloped_t)
/* subjectKeyIdentifier [0] of SignerIdentifier and RecipientIdentifier */
DECLARE_ASN1_ITEM(scep_key_id_t)
/* SET OF Attribute: any order when read, DER's when written */
DECLARE_ASN1_ITEM(scep_attributes_t)

/** What a certificate can be named by. */
typedef struct scep_identity_t {
    const unsigned char *issuer; /**< encoded */
    apr_size_t issuer_len;
    const ASN1_INTEGER *serial;
    const ASN1_OCTET_STRING *key_id; /**< or NULL */
} scep_identity_t;

/** Says whether a SignerIdentifier or RecipientIdentifier names it. */
int scep_message_names(const ASN1_TYPE *id, const scep_identity_t *identity);

/** The tag that signed attributes are hashed with instead of [0]. */
#define SCEP_TAG_SET 0x31

/**
 * Finds the signer, checks messageDigest and the signature, and sets what
 * the message tells of its signer.
 * @param set  the signed attributes as they came, but tagged as a SET
 * @param attributes  the same, decoded
 * @param digest  the value of messageDigest, NULL where there is none
 */
apr_status_t scep_message_verify(scep_message_t *message,
                                 const scep_signed_data_t *data,
                                 const unsigned char *set, apr_size_t set_len,
                                 const STACK_OF(X509_ATTRIBUTE) *attributes,
                                 const ASN1_TYPE *digest,
                                 const scep_alg_t *alg, scep_result_t *res,
                                 apr_pool_t *p);

/** Decrypts the pkcsPKIEnvelope der into message->data. */
apr_status_t scep_message_decrypt(scep_message_t *message,
                                  const unsigned char *der, apr_size_t len,
                                  const scep_message_rule_t *rule,
                                  const scep_ra_t *ra, const scep_alg_t *alg,
                                  scep_result_t *res, apr_pool_t *p);

/** Encrypts data to the message's signer; *der is for OPENSSL_free(). */
apr_status_t scep_message_envelope(const scep_message_t *message,
                                   const unsigned char *data, apr_size_t len,
                                   const scep_reply_form_t *form,
                                   const scep_alg_t *alg, unsigned char **der,
                                   int *der_len, scep_result_t *res,
                                   apr_pool_t *p);

#endif
