/* http_files.c - are the client's files what they should be?
 * SPDX-License-Identifier: Apache-2.0
 */
#include "http_client.h"

#include <string.h>

#include <apr_strings.h>
#include <openssl/err.h>
#include <openssl/pem.h>

/* Nobody is asked: an encrypted key is a mistake. */
static int no_phrase(char *buf, int size, int rwflag, void *data)
{
    (void)buf;
    (void)size;
    (void)rwflag;
    (void)data;
    return -1;
}

static X509 *first_certificate(const char *file)
{
    BIO *in = BIO_new_file(file, "r");
    X509 *cert = in ? PEM_read_bio_X509(in, NULL, no_phrase, NULL) : NULL;

    BIO_free(in);
    return cert;
}

static EVP_PKEY *first_key(const char *file)
{
    BIO *in = BIO_new_file(file, "r");
    EVP_PKEY *key =
        in ? PEM_read_bio_PrivateKey(in, NULL, no_phrase, NULL) : NULL;

    BIO_free(in);
    return key;
}

const char *scep_http_check_ca_file(const char *file, apr_pool_t *p)
{
    X509 *cert = first_certificate(file);

    X509_free(cert);
    ERR_clear_error();
    return cert ? NULL
                : apr_pstrcat(p, file, " has no certificate in PEM", NULL);
}

const char *scep_http_check_certificate(const char *file, const char *key_file,
                                        apr_pool_t *p)
{
    const char *err = scep_http_check_ca_file(file, p);
    X509 *cert = first_certificate(file);
    EVP_PKEY *key = first_key(key_file ? key_file : file);

    if (!err && !key) {
        err = apr_pstrcat(p, key_file ? key_file : file,
                          " has no private key in PEM, or an encrypted one",
                          NULL);
    } else if (!err && X509_check_private_key(cert, key) != 1) {
        err = apr_pstrcat(p, "the key in ", key_file ? key_file : file,
                          " is another certificate's", NULL);
    }
    EVP_PKEY_free(key);
    X509_free(cert);
    ERR_clear_error();
    return err;
}

const char *scep_http_check_key_uri(const char *uri)
{
    return strstr(uri, "pin-value") ? "the PIN belongs into a file: "
                                      "pin-source=file:PATH"
                                    : NULL;
}
