/* jamf_proto.h - the event by which Jamf Pro asks for a challenge
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MOD_SCEP_JAMF_PROTO_H
#define MOD_SCEP_JAMF_PROTO_H

#include <apr_pools.h>

/** What of a SCEPChallenge event counts here. */
typedef struct scep_jamf_event_t {
    /** the device that the challenge is for: its serial number, else its
     * UDID, else the name of its user; NULL where the event has none */
    const char *device;
    const char *user; /**< NULL where the event has none */
    int probe;        /**< asks only whether somebody answers */
} scep_jamf_event_t;

/**
 * Reads an event as Jamf Pro, and Fleet in its manner, send it.  Members
 * that are not known are passed over, and so is everything about time; one
 * that names a device but is no text is a mistake, lest a challenge be bound
 * to less than was meant.
 * @return NULL, or what is wrong
 */
const char *mod_scep_jamf_proto_read(scep_jamf_event_t *event,
                                     const char *body, apr_size_t len,
                                     apr_pool_t *p);

#endif
