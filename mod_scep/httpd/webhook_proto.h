/* webhook_proto.h - what is said to a webhook and what it answers
 * SPDX-License-Identifier: Apache-2.0
 *
 * The form is that of step-ca's SCEP webhooks, so that their validators can
 * be used: JSON, signed with HMAC-SHA-256.
 */
#ifndef MOD_SCEP_WEBHOOK_PROTO_H
#define MOD_SCEP_WEBHOOK_PROTO_H

#include <apr_pools.h>

#include "mod_scep.h"

/** Longest answer that is read, octets. */
#define SCEP_WEBHOOK_ANSWER_MAX 65536

/** Least octets of the key that signs. */
#define SCEP_WEBHOOK_KEY_MIN 16

/** Hexadecimal digits of a signature, and a NUL. */
#define SCEP_WEBHOOK_SIGNATURE_SIZE 65

typedef struct scep_webhook_key_t {
    unsigned char *octets;
    apr_size_t len;
} scep_webhook_key_t;

/** What a webhook said.  Only a word of its own about the request counts. */
typedef enum {
    SCEP_WEBHOOK_DOWN = 0, /**< nothing that can be used: ask again later */
    SCEP_WEBHOOK_ALLOWED,
    SCEP_WEBHOOK_DENIED
} scep_webhook_outcome_t;

typedef struct scep_webhook_answer_t {
    scep_webhook_outcome_t outcome;
    const char *reason; /**< for the log, as it came but bounded; or NULL */
} scep_webhook_answer_t;

/**
 * Decodes a key from base64, in which step-ca shows it.
 * @param key  octets are cleansed with the pool
 * @return NULL, or what is wrong with it
 */
const char *scep_webhook_key(scep_webhook_key_t *key, const char *base64,
                             apr_pool_t *p);

/**
 * Signs a body.
 * @param signature  SCEP_WEBHOOK_SIGNATURE_SIZE octets
 */
apr_status_t scep_webhook_sign(const scep_webhook_key_t *key, const char *body,
                               apr_size_t len, char *signature);

/**
 * Makes the question whether a request is to be granted.  It holds the
 * challenge: the caller cleanses it.
 * @return NULL, or what of the request cannot be said
 */
const char *scep_webhook_question(char **body, apr_size_t *len,
                                  const char *profile,
                                  const scep_verify_request_t *request,
                                  apr_pool_t *p);

/** Reads the answer to it.  body may be any octets. */
void scep_webhook_answer(int status, const char *body, apr_size_t len,
                         scep_webhook_answer_t *answer, apr_pool_t *p);

/** A request that was granted, as its notification tells of it. */
typedef struct scep_webhook_grant_t {
    const char *transaction_id;
    const char *text; /**< JSON */
} scep_webhook_grant_t;

/**
 * Keeps of a request what its notification needs.  There is no challenge in
 * it, hence not the request as it came either.
 * @return zero where there is no memory, or no question could be made
 */
int scep_webhook_grant(scep_webhook_grant_t *grant,
                       const scep_verify_request_t *request, apr_pool_t *p);

/** Reads the text of a grant.  @return whether it is one */
int scep_webhook_thaw(scep_webhook_grant_t *grant, const char *text,
                      apr_pool_t *p);

/**
 * Makes the notification how a request has ended.
 * @return NULL where there is no memory
 */
const char *scep_webhook_notice(const char *profile,
                                const scep_webhook_grant_t *grant,
                                const scep_verify_end_t *end, apr_pool_t *p);

#endif
