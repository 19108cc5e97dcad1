/* name.h - names as text: for people, and in one canonical form to bind to
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SCEP_NAME_H
#define SCEP_NAME_H

#include "result.h"

/** GeneralName types that a CSR may ask for, as bits of a set. */
typedef enum {
    SCEP_SAN_DNS = 1 << 0,
    SCEP_SAN_IP = 1 << 1,
    SCEP_SAN_EMAIL = 1 << 2,
    SCEP_SAN_URI = 1 << 3,
    SCEP_SAN_UPN = 1 << 4, /**< otherName, Microsoft's logon name */
    SCEP_SAN_SID = 1 << 5, /**< URI tag:microsoft.com,...:sid:... */
    SCEP_SAN_RID = 1 << 6, /**< registeredID */
    SCEP_SAN_DIRNAME = 1 << 7,
    SCEP_SAN_OTHER = 1 << 8 /**< any other otherName, x400, EDI */
} scep_san_type_t;

/** Windows reads an account's SID out of a URI that begins so. */
#define SCEP_SID_PREFIX "tag:microsoft.com,2022-09-14:sid:"

#define SCEP_SANS_DEFAULT                                                     \
    (SCEP_SAN_DNS | SCEP_SAN_IP | SCEP_SAN_EMAIL | SCEP_SAN_URI)

/** One bit for "dns", "ip", "email", "uri", "upn", "sid", ...; 0 unknown. */
unsigned int scep_name_san_type(const char *word);
/** The word for one bit. */
const char *scep_name_san_word(unsigned int bit);

/**
 * The text of a character string of any type as UTF-8; T61String is read as
 * Latin-1, as every client means it.
 * @param string  may be NULL
 * @return NULL where it is no character string, malformed, or has a NUL
 */
const char *scep_name_utf8(const ASN1_STRING *string, apr_pool_t *p);

/**
 * Reads an attribute's type as it stands in a DN: "CN", "serialNumber", a
 * name that OpenSSL knows or a dotted number.
 * @return what is freed with the pool; NULL: it is none
 */
const ASN1_OBJECT *scep_name_attribute_type(const char *text, apr_pool_t *p);

/** The string in a value of any type, NULL where it holds none. */
ASN1_STRING *scep_name_string_of(const ASN1_TYPE *value);

/** The name of an OID as OpenSSL knows it, or dotted numbers. */
const char *scep_name_oid_text(const ASN1_OBJECT *oid, apr_pool_t *p);

/** One attribute as it stands in scep_name_text. */
const char *scep_name_attribute_text(const X509_NAME_ENTRY *attribute,
                                     apr_pool_t *p);

/** A name as RFC 4514 text, UTF-8, most specific first, for log and list. */
const char *scep_name_text(const X509_NAME *name, apr_pool_t *p);

/**
 * The canonical form of a subject: every RDN as sorted "oid=value" with
 * UTF-8 values compared exactly, lengths in front, so that two forms are
 * equal only where the names are.  A name and the same name with its RDNs
 * in reverse order have one form, because administrators write both.
 * @return NULL where a value is no text or has a NUL in it
 */
const char *scep_name_canonical(const X509_NAME *name, apr_pool_t *p);

/**
 * Reads a DN that an administrator wrote: "CN=a,O=b", "C=CH, O=b, CN=a",
 * "/C=CH/CN=a"; attribute names as OpenSSL knows them or dotted numbers,
 * RFC 4514 escapes, '+' for multi-valued RDNs.
 * @param name  set to a name that is freed with the pool
 * @return NULL, or what is wrong with the text
 */
const char *scep_name_parse(X509_NAME **name, const char *text, apr_pool_t *p);

/** The bit of one GeneralName. */
unsigned int scep_name_san_type_of(const GENERAL_NAME *gn);

/** One SAN for people; control characters and separators are escaped. */
const char *scep_name_san_text(const GENERAL_NAME *gn, apr_pool_t *p);

/** A set of SANs for people: "dns:a.example, ip:192.0.2.1". */
const char *scep_name_sans_text(const GENERAL_NAMES *sans, apr_pool_t *p);

/**
 * The value of a SAN in its canonical form, without its type.
 * @return NULL where it is malformed
 */
const char *scep_name_san_value(const GENERAL_NAME *gn, apr_pool_t *p);

/**
 * The canonical form of one SAN.
 * @return NULL where its value is malformed
 */
const char *scep_name_san_canonical(const GENERAL_NAME *gn, apr_pool_t *p);

/**
 * The canonical form of a SAN set: each as type and value (DNS names and
 * the domain of mail addresses in lower case), sorted, doubles removed.
 * "" for none.
 * @return NULL where a value is malformed
 */
const char *scep_name_sans_canonical(const GENERAL_NAMES *sans, apr_pool_t *p);

/**
 * The same from what an administrator wrote: "dns:a", "ip:192.0.2.1",
 * "email:x@y", "uri:...", "upn:...", "sid:S-1-5-...", "rid:1.2.3",
 * "dirname:CN=x".
 * @param words  array of const char *
 * @param error  set to what is wrong where the answer is NULL
 */
const char *scep_name_sans_parse(const apr_array_header_t *words,
                                 const char **error, apr_pool_t *p);

#endif
