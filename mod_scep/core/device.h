/* device.h - where a request names the device that makes it
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SCEP_DEVICE_H
#define SCEP_DEVICE_H

#include "name.h"

/** Places that a device id is looked for in, as bits of a set. */
typedef enum {
    SCEP_DEVICE_CN = 1 << 0,
    SCEP_DEVICE_SERIAL = 1 << 1, /**< the attribute serialNumber */
    SCEP_DEVICE_DNS = 1 << 2,    /**< SANs of these types */
    SCEP_DEVICE_URI = 1 << 3,
    SCEP_DEVICE_EMAIL = 1 << 4,
    SCEP_DEVICE_UPN = 1 << 5
} scep_device_source_t;

#define SCEP_DEVICE_DEFAULT (SCEP_DEVICE_CN | SCEP_DEVICE_SERIAL)
#define SCEP_DEVICE_WORDS "cn serialNumber dns uri email upn"

/** Longest device id, octets. */
#define SCEP_DEVICE_MAX 255

/** One bit for a word of SCEP_DEVICE_WORDS; 0 unknown. */
unsigned int scep_device_source(const char *word);

/**
 * The form that device ids are compared in: ASCII letters in lower case,
 * since MDMs and devices write UDIDs in either.
 * @return NULL where it is empty, over SCEP_DEVICE_MAX or has control
 *         characters
 */
const char *scep_device_canonical(const char *text, apr_pool_t *p);

/**
 * The canonical ids that a request names in the places of a set, each as the
 * whole value; at most SCEP_CHALLENGE_DEVICES_MAX, in the order of the bits.
 * @param sans  may be NULL
 * @return array of const char *
 */
apr_array_header_t *scep_device_find(const X509_NAME *subject,
                                     const GENERAL_NAMES *sans,
                                     unsigned int sources, apr_pool_t *p);

#endif
