/* seal.h - seals over batches of events: how they are made
 * SPDX-License-Identifier: Apache-2.0
 *
 * A seal holds the digest of each event of its batch, the root of a hash
 * tree over them (as in RFC 6962, section 2.1), the digest of the seal
 * before it, and a signature of the RA over all that.  Whoever trusts the
 * RA's certificate can tell later whether an event is as it was when it was
 * sealed; seal_walk.h does.
 */
#ifndef SCEP_SEAL_H
#define SCEP_SEAL_H

#include "event.h"

/** Most events of a batch. */
#define SCEP_SEAL_EVENTS_MAX 1000

#define SCEP_SEAL_DIGEST_LEN 32
/** A digest as hexadecimal digits and a NUL. */
#define SCEP_SEAL_DIGEST_SIZE (2 * SCEP_SEAL_DIGEST_LEN + 1)

/** An event as it is kept. */
typedef struct scep_sealed_event_t {
    apr_int64_t number;
    apr_int64_t seal; /**< number of its seal; 0: not sealed yet */
    scep_event_t event;
} scep_sealed_event_t;

/** A seal as it is kept.  Digests are lower-case hexadecimal. */
typedef struct scep_seal_t {
    apr_int64_t number; /**< 1, 2, 3 … */
    apr_time_t time;
    int count;
    const char *leaves; /**< "NUMBER:DIGEST" of each event, blanks between */
    const char *root;
    const char *previous;    /**< digest of the seal before; of the first
                                  one: zeros */
    const char *certificate; /**< of the RA, base64 DER */
    const char *signature;   /**< base64 */
} scep_seal_t;

/** One event of a seal. */
typedef struct scep_seal_leaf_t {
    apr_int64_t number;
    unsigned char digest[SCEP_SEAL_DIGEST_LEN];
} scep_seal_leaf_t;

/**
 * Seals a batch.
 * @param last  the seal before, NULL: there is none
 * @param events  scep_sealed_event_t in the order of their numbers, 1 to
 *                SCEP_SEAL_EVENTS_MAX
 * @param certificate  of key, which is RSA or EC
 * @return APR_EINVAL: not such events; APR_EGENERAL: OpenSSL fails, and its
 *         error queue says why
 */
apr_status_t scep_seal_make(scep_seal_t *seal, const scep_seal_t *last,
                            const apr_array_header_t *events, apr_time_t now,
                            X509 *certificate, EVP_PKEY *key, apr_pool_t *p);

/** The digest of an event, over all its columns. */
apr_status_t scep_seal_digest_event(unsigned char *digest,
                                    const scep_event_t *event, apr_pool_t *p);

/**
 * The digest of a seal, which the next one has as previous and which an
 * admin keeps elsewhere.
 * @param digest  SCEP_SEAL_DIGEST_SIZE
 * @return APR_EINVAL: it is malformed
 */
apr_status_t scep_seal_digest(char *digest, const scep_seal_t *seal,
                              apr_pool_t *p);

/**
 * Reads the list of events.
 * @param leaves  set to scep_seal_leaf_t in the order of their numbers
 * @return APR_SUCCESS; APR_EINVAL
 */
apr_status_t scep_seal_leaves(apr_array_header_t **leaves,
                              const scep_seal_t *seal, apr_pool_t *p);

/**
 * The root of the tree.
 * @param root  SCEP_SEAL_DIGEST_SIZE
 * @param leaves  one at least
 */
apr_status_t scep_seal_root(char *root, const apr_array_header_t *leaves,
                            apr_pool_t *p);

/** The certificate, freed with the pool; NULL: it cannot be read. */
X509 *scep_seal_certificate(const scep_seal_t *seal, apr_pool_t *p);

/** Whether the signature is that of a key. */
int scep_seal_is_signed(const scep_seal_t *seal, EVP_PKEY *key, apr_pool_t *p);

#endif
