/* challenge_digest.h - what a database may know of a challenge's texts
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SCEP_CHALLENGE_DIGEST_H
#define SCEP_CHALLENGE_DIGEST_H

#include "challenge_table.h"

/** Texts of different kinds never have the same digest. */
typedef enum {
    SCEP_DIGEST_KEY = 0, /**< names the key itself; without a text */
    SCEP_DIGEST_SECRET,
    SCEP_DIGEST_ID,
    SCEP_DIGEST_SUBJECT,
    SCEP_DIGEST_SANS,
    SCEP_DIGEST_DEVICE
} scep_digest_kind_t;

/**
 * HMAC-SHA-256 of a text in lower-case hexadecimal.
 * @param digits  how many are wanted, 64 at most
 * @return NULL where OpenSSL fails
 */
const char *scep_challenge_digest(const unsigned char key[SCEP_TABLE_KEY_LEN],
                                  scep_digest_kind_t kind, const char *text,
                                  unsigned int digits, apr_pool_t *p);

/**
 * Makes a text printable ASCII, whatever octets are in it, because no two
 * databases agree on the others: "%" and two digits for each.
 * @param max  octets of the text to keep; a character is not cut
 */
const char *scep_challenge_escape(const char *text, apr_size_t max,
                                  apr_pool_t *p);

/** Turns that back; what does not fit in size octets with a NUL is cut. */
void scep_challenge_unescape(char *to, apr_size_t size, const char *text);

#endif
