/* static_match.h - which of a profile's static secrets a challenge is
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MOD_SCEP_STATIC_MATCH_H
#define MOD_SCEP_STATIC_MATCH_H

#include "core/static_secret.h"

/** Most secrets of one profile: every guess is tried against all. */
#define SCEP_STATIC_SECRETS_MAX 16

typedef struct scep_static_matcher_t scep_static_matcher_t;

/** One bit for each secret, in their order. */
typedef apr_uint32_t scep_matches_t;

/** @param secrets  scep_static_secret_t *, SCEP_STATIC_SECRETS_MAX at most */
scep_static_matcher_t *mod_scep_static_match_create(
    const apr_array_header_t *secrets, apr_pool_t *p);

apr_status_t mod_scep_static_match_child_init(scep_static_matcher_t *matcher,
                                              apr_pool_t *p);

/**
 * Hashes a challenge with the salt of each secret, whatever comes of it.
 * A process does so for few challenges at a time, for the sake of its
 * memory; others wait for their turn.
 * @return APR_SUCCESS; APR_EAGAIN: its turn did not come; APR_EGENERAL
 */
apr_status_t mod_scep_static_match_try(scep_static_matcher_t *matcher,
                                       const char *challenge,
                                       scep_matches_t *matches);

/** What try has told this process before of the same challenge, at once. */
scep_matches_t mod_scep_static_match_recall(scep_static_matcher_t *matcher,
                                            const char *challenge);

#endif
