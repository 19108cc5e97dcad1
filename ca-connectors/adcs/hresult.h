/* hresult.h - what the error numbers of ADCS mean
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SCEP_HRESULT_H
#define SCEP_HRESULT_H

#include "../../mod_scep/mod_scep.h"

/**
 * Says what becomes of a request that ended with a number.
 * @param code  HRESULT, such as 0x80094014
 * @param denied  the CA has done with the request: what is known to pass by
 *                itself is worth a new one, and a number that is not known
 *                is a refusal
 * @param handle  what poll needs, or NULL where the CA gave no request id
 * @param result  REJECTED with fail_info, device_fault and reason; PENDING
 *                with the handle where it passes by itself; without a handle
 *                UNAVAILABLE, or UNKNOWN where the CA may have issued
 */
void scep_hresult_decide(apr_uint32_t code, int denied, const char *handle,
                         scep_ca_result_t *result, apr_pool_t *p);

/** What a number means, for the log, such as "0x80094014 (...)". */
const char *scep_hresult_text(apr_uint32_t code, apr_pool_t *p);

#endif
