/* adcs_cms.h - requests that an enrolment agent has signed
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SCEP_ADCS_CMS_H
#define SCEP_ADCS_CMS_H

#include <apr_pools.h>
#include <openssl/x509.h>

/**
 * Puts a PKCS#10 into CMS SignedData (MS-WCCE 3.2.2.6.2.1.2.1).
 * @param der  set to it; lives as long as p
 * @return NULL, or what failed, for the log
 */
const char *scep_adcs_cms_wrap(X509 *signer, EVP_PKEY *key,
                               const unsigned char *csr, apr_size_t csr_len,
                               const unsigned char **der, apr_size_t *len,
                               apr_pool_t *p);

#endif
