/* policy_request.h - what of a policy the request and the ledger decide
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MOD_SCEP_POLICY_REQUEST_H
#define MOD_SCEP_POLICY_REQUEST_H

#include "conf.h"

/** Notes what a request is, for expressions, and for CustomLog as well. */
void mod_scep_policy_note(request_rec *r, const scep_profile_t *profile,
                          const scep_policy_request_t *request);

/**
 * Makes the operations for one request.
 * @param address  the device's, where the request is not its own; or NULL
 */
const scep_policy_ops_t *mod_scep_policy_ops(request_rec *r,
                                             const scep_profile_t *profile,
                                             const char *address);

#endif
