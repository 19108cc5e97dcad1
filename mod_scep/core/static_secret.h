/* static_secret.h - shared secrets in a file, as salted scrypt hashes
 * SPDX-License-Identifier: Apache-2.0
 *
 * A line of the file is
 *
 *   NAME $scrypt$ln=15,r=8,p=1$SALT$HASH [not-before=TIME] [not-after=TIME]
 *        [network=NETWORK[,NETWORK...]] [limit=N/d]
 *
 * with the hash in the form of the PHC string format and of passlib: base64
 * without padding.  TIME is RFC 3339 or a date alone, whose whole day counts,
 * in UTC.  Blank lines and those that begin with '#' say nothing.
 */
#ifndef SCEP_STATIC_SECRET_H
#define SCEP_STATIC_SECRET_H

#include "../mod_scep.h"

#define SCEP_STATIC_SALT_MAX 64
#define SCEP_STATIC_HASH_MAX 64
#define SCEP_STATIC_NAME_MAX 64

/** Cost of a hash: 128 * r * 2^ln octets of memory, passed over p times. */
typedef struct scep_scrypt_t {
    unsigned int ln;
    unsigned int r;
    unsigned int p;
} scep_scrypt_t;

/** 32 MiB. */
#define SCEP_SCRYPT_DEFAULT                                                   \
    {                                                                         \
        15, 8, 1                                                              \
    }

typedef struct scep_static_secret_t {
    const char *name;
    scep_scrypt_t cost;
    unsigned char salt[SCEP_STATIC_SALT_MAX];
    apr_size_t salt_len;
    unsigned char hash[SCEP_STATIC_HASH_MAX];
    apr_size_t hash_len;
    apr_time_t not_before;              /**< 0: since ever */
    apr_time_t not_after;               /**< first moment after; 0: no end */
    const apr_array_header_t *networks; /**< scep_network_t; NULL: any */
    apr_uint32_t limit;                 /**< certificates a day; 0: any */
} scep_static_secret_t;

/**
 * Reads one line.
 * @param secret  set to what it says, NULL where it says nothing
 * @return NULL, or what is wrong with it; repeats nothing that could be a
 *         secret which somebody wrote where its hash belongs
 */
const char *scep_static_secret_parse(scep_static_secret_t **secret,
                                     const char *line, apr_pool_t *p);

/**
 * A use of a secret, as text for who ends it later.
 * @param ends  when the day ends in which it was counted
 */
const char *scep_static_use_text(const char *name, apr_time_t ends,
                                 apr_pool_t *p);

/** @return whether the text is one; the secret may be gone since */
int scep_static_use_parse(const char **name, apr_time_t *ends,
                          const char *text, apr_pool_t *p);

/** NULL, or why a hash may not cost so much or so little. */
const char *scep_static_secret_check_cost(const scep_scrypt_t *cost);

/**
 * Makes the hash of a secret, as it stands in a line.
 * @param cost  as scep_static_secret_check_cost() has passed
 * @param salt  8 to SCEP_STATIC_SALT_MAX random octets
 */
apr_status_t scep_static_secret_hash(const char **hash, const char *text,
                                     const scep_scrypt_t *cost,
                                     const unsigned char *salt,
                                     apr_size_t salt_len, apr_pool_t *p);

/**
 * Compares a text with the secret; takes as long whatever comes of it.
 * @param same  set to whether it is the secret
 */
apr_status_t scep_static_secret_verify(const scep_static_secret_t *secret,
                                       const char *text, int *same);

/**
 * Whether the secret may be used now and from there.
 * @param address  16 octets, NULL where it is unknown
 * @return NULL, or why not
 */
const char *scep_static_secret_refusal(const scep_static_secret_t *secret,
                                       const unsigned char *address,
                                       apr_time_t now);

#endif
