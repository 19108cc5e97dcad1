/* http_binding.c - channel bindings (RFC 5929, tls-server-end-point)
 * SPDX-License-Identifier: Apache-2.0
 */
#include "http_binding.h"

#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>

static const EVP_MD *signature_hash(const X509 *leaf)
{
    const EVP_MD *md = NULL;
    int hash = NID_undef;

    if (X509_get_signature_info((X509 *)leaf, &hash, NULL, NULL, NULL) &&
        hash != NID_undef && hash != NID_md5 && hash != NID_sha1 &&
        hash != NID_md5_sha1)
        md = EVP_get_digestbynid(hash);
    return md ? md : EVP_sha256();
}

size_t scep_http_binding_make(const X509 *leaf, unsigned char *binding)
{
    size_t type_len = strlen(SCEP_HTTP_BINDING_TYPE);
    unsigned int len = 0;
    int made;

    memcpy(binding, SCEP_HTTP_BINDING_TYPE, type_len);
    made = X509_digest(leaf, signature_hash(leaf), binding + type_len, &len);
    ERR_clear_error();
    return made ? type_len + len : 0;
}
