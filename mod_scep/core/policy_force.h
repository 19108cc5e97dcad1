/* policy_force.h - attributes that the profile sets in a subject
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SCEP_POLICY_FORCE_H
#define SCEP_POLICY_FORCE_H

#include "policy.h"

/** Stands in a value for the device. */
#define SCEP_POLICY_DEVICE "%{device}"

/**
 * Reads one attribute as scep_name_parse() does.  SCEP_POLICY_DEVICE in its
 * value is the device; an empty value takes the attribute out.
 * @return NULL, or what is wrong with the text
 */
const char *scep_policy_force_parse(scep_policy_force_t *force,
                                    const char *text, apr_pool_t *p);

/**
 * Sets attributes: one that a subject has is replaced where it stands, with
 * all others of its type taken out; one that it has not comes last.
 * @param force  scep_policy_force_t
 * @param device  NULL where none of them needs it
 * @param subject  set to a name that lives with the pool
 * @return NULL, or what is wrong with which attribute
 */
const char *scep_policy_force_subject(const apr_array_header_t *force,
                                      const char *device,
                                      const X509_NAME **subject,
                                      apr_pool_t *p);

/**
 * The device in a subject that was made so.
 * @return NULL where the policy puts none into subjects, or it is not there
 */
const char *scep_policy_device(const scep_policy_t *policy,
                               const X509_NAME *subject, apr_pool_t *p);

#endif
