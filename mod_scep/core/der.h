/* der.h - reading and writing DER without a copy, and BER by way of it
 * SPDX-License-Identifier: Apache-2.0
 *
 * OpenSSL's templates allocate every field when they read, and measure every
 * level anew when they write: 30 us for a pkiMessage and its CertRep, a
 * twentieth of what a whole enrolment may take.
 */
#ifndef SCEP_DER_H
#define SCEP_DER_H

#include <apr_pools.h>
#include <openssl/objects.h>

#define SCEP_DER_INTEGER 0x02
#define SCEP_DER_BIT_STRING 0x03
#define SCEP_DER_OCTETS 0x04
#define SCEP_DER_NULL 0x05
#define SCEP_DER_OID 0x06
#define SCEP_DER_SEQUENCE 0x30
#define SCEP_DER_SET 0x31
#define SCEP_DER_CONTEXT(n) (0xa0 + (n))           /**< constructed */
#define SCEP_DER_CONTEXT_PRIMITIVE(n) (0x80 + (n)) /**< primitive */

/** Octets that belong to somebody else; what is read is taken off. */
typedef struct scep_der_t {
    const unsigned char *at; /**< NULL: an element that was not there */
    apr_size_t len;
} scep_der_t;

/**
 * Reads one element of definite length.
 * @param tag  its first octet
 * @param whole  set to all of it, may be NULL
 * @return 0 where there is none that can be read
 */
int scep_der_next(scep_der_t *in, unsigned int *tag, scep_der_t *content,
                  scep_der_t *whole);

/** Reads one element that must have this tag. */
int scep_der_expect(scep_der_t *in, unsigned int tag, scep_der_t *content);

/** As scep_der_expect, but keeps the header. */
int scep_der_expect_whole(scep_der_t *in, unsigned int tag, scep_der_t *whole);

/** Reads one if it is the next; content->at is NULL where it is not. */
int scep_der_optional(scep_der_t *in, unsigned int tag, scep_der_t *content);

/** The NID of an OBJECT IDENTIFIER's content, NID_undef if unknown. */
int scep_der_nid(const scep_der_t *oid);

/**
 * Reads an AlgorithmIdentifier.
 * @param parameters  with their header; at is NULL where there are none
 */
int scep_der_algorithm(scep_der_t *in, int *nid, scep_der_t *parameters);

int scep_der_equal(const scep_der_t *a, const scep_der_t *b);

/**
 * Makes indefinite lengths definite and joins strings that come in pieces.
 * What needs neither is not copied.
 * @return 0 for what is no BER or nested too deeply
 */
int scep_der_from_ber(scep_der_t *der, const unsigned char *ber,
                      apr_size_t len, apr_pool_t *p);

/** Joins the pieces of an OCTET STRING that has an implicit tag. */
int scep_der_join(const scep_der_t *pieces, scep_der_t *joined, apr_pool_t *p);

/** Sorts the elements of a SET OF as DER has them. */
void scep_der_sort(scep_der_t *elements, apr_size_t n);

/**
 * Writes from the end to the beginning: content first, then its header.
 * What does not fit is remembered, not written.
 */
typedef struct scep_der_out_t {
    unsigned char *start; /**< of the buffer */
    unsigned char *at;    /**< of what is written so far */
    int full;
} scep_der_out_t;

void scep_der_out_init(scep_der_out_t *out, apr_size_t size, apr_pool_t *p);
void scep_der_put(scep_der_out_t *out, const void *octets, apr_size_t len);
/** Puts the header of what was written since out->at was end. */
void scep_der_wrap(scep_der_out_t *out, unsigned int tag,
                   const unsigned char *end);
/** An element of known content. */
void scep_der_put_element(scep_der_out_t *out, unsigned int tag,
                          const void *content, apr_size_t len);
void scep_der_put_oid(scep_der_out_t *out, const ASN1_OBJECT *oid);
/** AlgorithmIdentifier with NULL parameters. */
void scep_der_put_algorithm(scep_der_out_t *out, int nid);

#endif
