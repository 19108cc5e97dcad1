/* message_asn1.c - templates of the structures that pkiMessages are made of
 * SPDX-License-Identifier: Apache-2.0
 */
#include "message_private.h"

/* clang-format off */
ASN1_SEQUENCE(scep_issuer_serial_t) = {
    ASN1_SIMPLE(scep_issuer_serial_t, issuer, ASN1_SEQUENCE),
    ASN1_SIMPLE(scep_issuer_serial_t, serial, ASN1_INTEGER),
} ASN1_SEQUENCE_END(scep_issuer_serial_t)

ASN1_SEQUENCE(scep_tbs_t) = {
    ASN1_EXP_OPT(scep_tbs_t, version, ASN1_INTEGER, 0),
    ASN1_SIMPLE(scep_tbs_t, serial, ASN1_INTEGER),
    ASN1_SIMPLE(scep_tbs_t, algorithm, ASN1_SEQUENCE),
    ASN1_SIMPLE(scep_tbs_t, issuer, ASN1_SEQUENCE),
    ASN1_SIMPLE(scep_tbs_t, validity, ASN1_SEQUENCE),
    ASN1_SIMPLE(scep_tbs_t, subject, ASN1_SEQUENCE),
    ASN1_SIMPLE(scep_tbs_t, spki, ASN1_SEQUENCE),
    ASN1_IMP_OPT(scep_tbs_t, issuer_uid, ASN1_BIT_STRING, 1),
    ASN1_IMP_OPT(scep_tbs_t, subject_uid, ASN1_BIT_STRING, 2),
    ASN1_EXP_OPT(scep_tbs_t, extensions, ASN1_SEQUENCE, 3),
} static_ASN1_SEQUENCE_END(scep_tbs_t)

ASN1_SEQUENCE(scep_certificate_t) = {
    ASN1_SIMPLE(scep_certificate_t, tbs, scep_tbs_t),
    ASN1_SIMPLE(scep_certificate_t, algorithm, ASN1_SEQUENCE),
    ASN1_SIMPLE(scep_certificate_t, signature, ASN1_BIT_STRING),
} ASN1_SEQUENCE_END(scep_certificate_t)

ASN1_SEQUENCE(scep_signer_info_t) = {
    ASN1_SIMPLE(scep_signer_info_t, version, ASN1_INTEGER),
    ASN1_SIMPLE(scep_signer_info_t, sid, ASN1_ANY),
    ASN1_SIMPLE(scep_signer_info_t, digest, X509_ALGOR),
    ASN1_IMP_OPT(scep_signer_info_t, attributes, ASN1_SEQUENCE, 0),
    ASN1_SIMPLE(scep_signer_info_t, algorithm, X509_ALGOR),
    ASN1_SIMPLE(scep_signer_info_t, signature, ASN1_OCTET_STRING),
    ASN1_IMP_OPT(scep_signer_info_t, unsigned_attributes, ASN1_SEQUENCE, 1),
} static_ASN1_SEQUENCE_END(scep_signer_info_t)

ASN1_SEQUENCE(scep_encapsulated_t) = {
    ASN1_SIMPLE(scep_encapsulated_t, type, ASN1_OBJECT),
    ASN1_EXP_OPT(scep_encapsulated_t, content, ASN1_OCTET_STRING, 0),
} static_ASN1_SEQUENCE_END(scep_encapsulated_t)

ASN1_SEQUENCE(scep_signed_data_t) = {
    ASN1_SIMPLE(scep_signed_data_t, version, ASN1_INTEGER),
    ASN1_SET_OF(scep_signed_data_t, digests, X509_ALGOR),
    ASN1_SIMPLE(scep_signed_data_t, content, scep_encapsulated_t),
    ASN1_IMP_SET_OF_OPT(scep_signed_data_t, certificates, ASN1_ANY, 0),
    ASN1_IMP_SET_OF_OPT(scep_signed_data_t, crls, ASN1_ANY, 1),
    ASN1_SET_OF(scep_signed_data_t, signers, scep_signer_info_t),
} static_ASN1_SEQUENCE_END(scep_signed_data_t)

ASN1_SEQUENCE(scep_signed_t) = {
    ASN1_SIMPLE(scep_signed_t, type, ASN1_OBJECT),
    ASN1_EXP(scep_signed_t, content, scep_signed_data_t, 0),
} ASN1_SEQUENCE_END(scep_signed_t)

ASN1_SEQUENCE(scep_recipient_t) = {
    ASN1_SIMPLE(scep_recipient_t, version, ASN1_INTEGER),
    ASN1_SIMPLE(scep_recipient_t, rid, ASN1_ANY),
    ASN1_SIMPLE(scep_recipient_t, algorithm, X509_ALGOR),
    ASN1_SIMPLE(scep_recipient_t, key, ASN1_OCTET_STRING),
} ASN1_SEQUENCE_END(scep_recipient_t)

ASN1_SEQUENCE(scep_encrypted_t) = {
    ASN1_SIMPLE(scep_encrypted_t, type, ASN1_OBJECT),
    ASN1_SIMPLE(scep_encrypted_t, algorithm, X509_ALGOR),
    ASN1_IMP_OPT(scep_encrypted_t, content, ASN1_OCTET_STRING, 0),
} static_ASN1_SEQUENCE_END(scep_encrypted_t)

ASN1_SEQUENCE(scep_enveloped_data_t) = {
    ASN1_SIMPLE(scep_enveloped_data_t, version, ASN1_INTEGER),
    ASN1_IMP_OPT(scep_enveloped_data_t, originator, ASN1_SEQUENCE, 0),
    ASN1_SET_OF(scep_enveloped_data_t, recipients, ASN1_ANY),
    ASN1_SIMPLE(scep_enveloped_data_t, encrypted, scep_encrypted_t),
    ASN1_IMP_SET_OF_OPT(scep_enveloped_data_t, unprotected, ASN1_ANY, 1),
} static_ASN1_SEQUENCE_END(scep_enveloped_data_t)

ASN1_SEQUENCE(scep_enveloped_t) = {
    ASN1_SIMPLE(scep_enveloped_t, type, ASN1_OBJECT),
    ASN1_EXP(scep_enveloped_t, content, scep_enveloped_data_t, 0),
} ASN1_SEQUENCE_END(scep_enveloped_t)

ASN1_ITEM_TEMPLATE(scep_key_id_t) =
    ASN1_EX_TEMPLATE_TYPE(ASN1_TFLG_IMPLICIT, 0, key_id, ASN1_OCTET_STRING)
ASN1_ITEM_TEMPLATE_END(scep_key_id_t)

ASN1_ITEM_TEMPLATE(scep_attributes_t) =
    ASN1_EX_TEMPLATE_TYPE(ASN1_TFLG_SET_OF, 0, attributes, X509_ATTRIBUTE)
ASN1_ITEM_TEMPLATE_END(scep_attributes_t)
/* clang-format on */
