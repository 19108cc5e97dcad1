/* adcs_names.h - names that mean an account of Active Directory
 * SPDX-License-Identifier: Apache-2.0
 *
 * ADCS copies names and extensions of a request into the certificate where
 * the template says "supply in the request", and domain controllers take
 * some of them for an account.
 */
#ifndef SCEP_ADCS_NAMES_H
#define SCEP_ADCS_NAMES_H

#include <apr_pools.h>

/**
 * Looks for them in a PKCS#10: otherNames (UPNs among them), URIs with a SID,
 * the extension with a SID, Microsoft's extensions that name a template or
 * application policies, and name-value pairs for the CA.
 * @return NULL: there are none; or what was found, for the log
 */
const char *scep_adcs_names_check(const unsigned char *csr, apr_size_t len,
                                  apr_pool_t *p);

#endif
