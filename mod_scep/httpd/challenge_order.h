/* challenge_order.h - one way to issue a challenge, for every front door
 * SPDX-License-Identifier: Apache-2.0
 *
 * The admin API, the NDES page and the Jamf webhook read what they are
 * asked for into an order and have it issued.  What the profile demands and
 * what the caller may have is decided here, for all of them.
 */
#ifndef MOD_SCEP_CHALLENGE_ORDER_H
#define MOD_SCEP_CHALLENGE_ORDER_H

#include "conf.h"

/** What somebody asks a challenge to be. */
typedef struct scep_order_t {
    request_rec *r;
    const scep_profile_t *profile;
    scep_challenge_spec_t spec;
    const X509_NAME *subject; /**< NULL: not bound */
    const char *subject_text; /**< for people */
    apr_interval_time_t ttl;  /**< 0: the profile's default */
    scep_network_t network;   /**< what spec.network points to */
} scep_order_t;

/** A challenge that was made. */
typedef struct scep_issued_t {
    char id[SCEP_CHALLENGE_ID_SIZE];
    const char *secret; /**< upper-case hexadecimal; the caller cleanses it */
} scep_issued_t;

/** Why there is none. */
typedef enum {
    SCEP_ORDER_DONE = 0,
    SCEP_ORDER_INCOMPLETE, /**< a binding is missing that the profile wants */
    SCEP_ORDER_FORBIDDEN,  /**< the caller may not have this one */
    SCEP_ORDER_QUOTA,      /**< the caller has as many as it may */
    SCEP_ORDER_FULL,       /**< the store has no room */
    SCEP_ORDER_DOWN        /**< the store does not work now */
} scep_order_outcome_t;

/** Octets of randomness in a secret: 128 bits, twice as many digits. */
#define SCEP_SECRET_OCTETS 16

/**
 * A caller's name as stores keep it: a long one, or one that is no text,
 * ends with '~' and 8 digits of its digest, so that two callers stay two.
 * @return NULL where OpenSSL fails
 */
const char *mod_scep_order_requester_of(const char *name, apr_pool_t *p);

/** That of whoever makes the request. */
const char *mod_scep_order_requester(request_rec *r);

/** Begins an order of whoever makes the request. */
void mod_scep_order_init(scep_order_t *order, request_rec *r);

/* Each reads one member and says what is wrong with it, or NULL.  A text
 * that is NULL was not given. */

/** @param name  NULL: the profile of the location, or the only one */
const char *mod_scep_order_profile(scep_order_t *order, const char *name);
const char *mod_scep_order_subject(scep_order_t *order, const char *dn);
/** @param words  const char *, such as "dns:a.example"; an empty array binds
 *                to no SAN at all */
const char *mod_scep_order_sans(scep_order_t *order,
                                const apr_array_header_t *words);
const char *mod_scep_order_device(scep_order_t *order, const char *device);
const char *mod_scep_order_network(scep_order_t *order, const char *network);
const char *mod_scep_order_note(scep_order_t *order, const char *note);
/** @param ttl  at least a second, at most the profile's ScepChallengeMaxTTL;
 *              after the profile */
const char *mod_scep_order_ttl(scep_order_t *order, apr_interval_time_t ttl);
/** @param uses  from 1 to SCEP_CHALLENGE_USES_MAX */
const char *mod_scep_order_uses(scep_order_t *order, apr_int64_t uses);

/**
 * Issues what was ordered, and logs it.
 * @param octets  of randomness in the secret, 8 to 32
 * @param issued  set where the answer is DONE
 * @param detail  set otherwise: a sentence that says what to change
 */
scep_order_outcome_t mod_scep_order_issue(scep_order_t *order,
                                          unsigned int octets,
                                          scep_issued_t *issued,
                                          const char **detail);

#endif
