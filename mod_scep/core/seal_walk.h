/* seal_walk.h - whether events are as they were when they were sealed
 * SPDX-License-Identifier: Apache-2.0
 *
 * A walk goes once through all events in the order of their numbers and
 * through all seals in the order of theirs, and keeps of them what it has not
 * seen the other half of yet.  It believes nothing that it is given but the
 * certificates that it trusts.
 *
 *   create, then for each event: seals up to that event's seal, the event;
 *   then the seals that are left, and the end.
 */
#ifndef SCEP_SEAL_WALK_H
#define SCEP_SEAL_WALK_H

#include "seal.h"

/** Something that is not as it was. */
typedef struct scep_seal_finding_t {
    apr_int64_t seal;  /**< number of a seal, 0: none */
    apr_int64_t event; /**< number of an event, 0: it is about the seal */
    const char *what;  /**< "changed" and the like, one word */
    const char *text;  /**< a sentence for people */
} scep_seal_finding_t;

/** @param finding  lives for the call */
typedef void scep_seal_report_t(void *baton,
                                const scep_seal_finding_t *finding);

/** Who has sealed. */
typedef struct scep_seal_signer_t {
    X509 *certificate;
    apr_int64_t first, last; /**< seals, from and to */
} scep_seal_signer_t;

/** What a walk has seen. */
typedef struct scep_seal_sum_t {
    apr_int64_t seals;
    apr_int64_t sealed;   /**< events that are as they were */
    apr_int64_t unsealed; /**< events that have no seal yet */
    apr_int64_t later;    /**< events sealed since the walk began */
    apr_int64_t deleted;  /**< events that retention may have deleted */
    apr_int64_t findings;
    apr_int64_t head; /**< number of the last seal; 0: none */
    char digest[SCEP_SEAL_DIGEST_SIZE]; /**< of it; "" where it is bad */
    apr_array_header_t *signers;        /**< scep_seal_signer_t */
} scep_seal_sum_t;

typedef struct scep_seal_walk_t scep_seal_walk_t;

typedef struct scep_seal_setup_t {
    /** Certificates of the RA, and of CAs that issue to no one who might want
     * to forge a seal: of what such a CA issued, a certificate counts whose
     * extendedKeyUsage, if it has one, is that of an RA. */
    STACK_OF(X509) *trusted;
    apr_int64_t head; /**< number of the last seal when the walk begins */
    /** an event may be missing that was sealed before; 0: none may */
    apr_time_t kept_since;
    /** a seal that was noted elsewhere; 0: none was */
    apr_int64_t anchor;
    const char *anchor_digest;
    scep_seal_report_t *report;
    void *baton;
} scep_seal_setup_t;

/** @param setup  lives as long as the walk */
scep_seal_walk_t *scep_seal_walk_create(const scep_seal_setup_t *setup,
                                        apr_pool_t *p);

/** Whether the walk wants the next seal before an event of this one. */
int scep_seal_walk_wants(const scep_seal_walk_t *walk, apr_int64_t seal);

void scep_seal_walk_seal(scep_seal_walk_t *walk, const scep_seal_t *seal);

void scep_seal_walk_event(scep_seal_walk_t *walk,
                          const scep_sealed_event_t *event);

/**
 * Ends the walk.
 * @param head  number of the last seal now
 * @return lives as long as the walk
 */
const scep_seal_sum_t *scep_seal_walk_end(scep_seal_walk_t *walk,
                                          apr_int64_t head);

#endif
