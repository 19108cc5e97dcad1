/* weak_key.h - RSA keys whose private half is known or found in no time
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SCEP_WEAK_KEY_H
#define SCEP_WEAK_KEY_H

#include <apr_pools.h>

/** What the tests need, made once; then only read, by any thread. */
typedef struct scep_weak_t scep_weak_t;

/** @return APR_SUCCESS or APR_ENOMEM */
apr_status_t scep_weak_create(scep_weak_t **weak, apr_pool_t *p);

/**
 * Adds a list in the form of Debian's package openssl-blacklist: a line has
 * the last 20 hexadecimal digits of the SHA-1 of "Modulus=HEX\n", as "openssl
 * rsa -modulus" prints it; empty lines and those with '#' in front are
 * comments.
 * @return NULL, or what is wrong with which line
 */
const char *scep_weak_add(scep_weak_t *weak, const char *text, apr_size_t len,
                          apr_pool_t *p);

/** How many keys the lists have. */
apr_size_t scep_weak_listed(const scep_weak_t *weak);

/**
 * Whether somebody else may have the private key: it is on a list (Debian's
 * keys of CVE-2008-0166), an Infineon chip has made it (ROCA,
 * CVE-2017-15361), its modulus has a factor below 752 (SP 800-89 section
 * 5.3.3) or factors next to each other (Fermat, CVE-2022-26320).  Takes some
 * microseconds.  A key that is not RSA is none of these.
 * @param spki  DER SubjectPublicKeyInfo
 * @return NULL, or what is wrong with the key
 */
const char *scep_weak_key(const scep_weak_t *weak, const unsigned char *spki,
                          apr_size_t len);

/**
 * The public exponent of an RSA key.
 * @return 0 where it is no RSA key or has one of over 64 bits
 */
apr_uint64_t scep_weak_exponent(const unsigned char *spki, apr_size_t len);

#endif
