/* adcs_cms.c - requests that an enrolment agent has signed
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adcs_cms.h"

#include <apr_strings.h>
#include <openssl/cms.h>
#include <openssl/err.h>

const char *scep_adcs_cms_wrap(X509 *signer, EVP_PKEY *key,
                               const unsigned char *csr, apr_size_t csr_len,
                               const unsigned char **der, apr_size_t *len,
                               apr_pool_t *p)
{
    BIO *in = BIO_new_mem_buf(csr, (int)csr_len);
    CMS_ContentInfo *cms =
        in ? CMS_sign(signer, key, NULL, in, CMS_BINARY | CMS_NOSMIMECAP)
           : NULL;
    unsigned char *out = NULL;
    int out_len = cms ? i2d_CMS_ContentInfo(cms, &out) : -1;

    BIO_free(in);
    CMS_ContentInfo_free(cms);
    ERR_clear_error();
    if (out_len <= 0)
        return "the enrolment agent's signature failed";
    *der = apr_pmemdup(p, out, (apr_size_t)out_len);
    *len = (apr_size_t)out_len;
    OPENSSL_free(out);
    return NULL;
}
