/* http_key.c - a client's key that no file holds
 * SPDX-License-Identifier: Apache-2.0
 */
/* Debian 12 has PKCS #11 as an engine only, and OpenSSL 3 calls them old. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "http_key.h"

#include <string.h>
#include <unistd.h>

#include <apr_strings.h>
#include <apr_thread_mutex.h>
#include <openssl/engine.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/store.h>

struct scep_http_key_t {
    const char *uri;
    const struct curl_blob *certificate;
    apr_thread_mutex_t *mutex;
    /* below: under the mutex */
    pid_t owner; /**< of the key, or of the failure */
    EVP_PKEY *pkey;
    char fault[256]; /**< why there is none */
};

static apr_status_t key_cleanup(void *keyv)
{
    scep_http_key_t *key = keyv;

    if (key->owner == getpid())
        EVP_PKEY_free(key->pkey);
    ERR_clear_error();
    return APR_SUCCESS;
}

scep_http_key_t *scep_http_key_create(const char *uri,
                                      const struct curl_blob *certificate,
                                      apr_pool_t *p)
{
    scep_http_key_t *key = apr_pcalloc(p, sizeof(*key));

    key->uri = apr_pstrdup(p, uri);
    key->certificate = certificate;
    if (apr_thread_mutex_create(&key->mutex, APR_THREAD_MUTEX_DEFAULT, p))
        return NULL;
    apr_pool_cleanup_register(p, key, key_cleanup, apr_pool_cleanup_null);
    return key;
}

/* By a provider, where one is loaded that knows such URIs. */
static EVP_PKEY *load_from_store(const char *uri)
{
    OSSL_STORE_CTX *store = OSSL_STORE_open(uri, NULL, NULL, NULL, NULL);
    EVP_PKEY *pkey = NULL;

    if (!store)
        return NULL;
    (void)OSSL_STORE_expect(store, OSSL_STORE_INFO_PKEY);
    while (!pkey && !OSSL_STORE_eof(store)) {
        OSSL_STORE_INFO *info = OSSL_STORE_load(store);
        if (info && OSSL_STORE_INFO_get_type(info) == OSSL_STORE_INFO_PKEY)
            pkey = OSSL_STORE_INFO_get1_PKEY(info);
        OSSL_STORE_INFO_free(info);
        if (!info && OSSL_STORE_error(store))
            break;
    }
    OSSL_STORE_close(store);
    return pkey;
}

static ENGINE *engine;

/* The process keeps it. */
static void find_engine(void)
{
    ENGINE *found;

    ENGINE_load_dynamic();
    found = ENGINE_by_id("pkcs11");
    if (found && ENGINE_init(found))
        engine = found;
    else
        ENGINE_free(found);
}

/* By libengine-pkcs11-openssl. */
static EVP_PKEY *load_from_engine(const char *uri)
{
    static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;

    if (!CRYPTO_THREAD_run_once(&once, find_engine) || !engine)
        return NULL;
    return ENGINE_load_private_key(engine, uri, NULL, NULL);
}

/* A PIN may stand in the query or among the attributes. */
static const char *shown_uri(const char *uri, apr_pool_t *p)
{
    const char *pin = strstr(uri, "pin-");
    size_t len = strcspn(uri, "?");

    if (pin && (size_t)(pin - uri) < len)
        len = (size_t)(pin - uri);
    return apr_pstrndup(p, uri, len);
}

static void load(scep_http_key_t *key, apr_pool_t *p)
{
    const char *reason;

    ERR_clear_error();
    key->pkey = load_from_store(key->uri);
    if (!key->pkey && !strncasecmp(key->uri, "pkcs11:", 7)) {
        ERR_clear_error();
        key->pkey = load_from_engine(key->uri);
    }
    reason = ERR_reason_error_string(ERR_peek_error());
    apr_snprintf(key->fault, sizeof(key->fault), "cannot load the key %s: %s",
                 shown_uri(key->uri, p),
                 reason ? reason : "nobody knows such URIs");
    ERR_clear_error();
}

const char *scep_http_key_load(scep_http_key_t *key, apr_pool_t *p)
{
    const char *err;

    apr_thread_mutex_lock(key->mutex);
    /* A token may count wrong PINs: a process asks it once. */
    if (key->owner != getpid()) {
        key->owner = getpid();
        load(key, p);
    }
    err = key->pkey ? NULL : apr_pstrdup(p, key->fault);
    apr_thread_mutex_unlock(key->mutex);
    return err;
}

static int use_chain(SSL_CTX *ctx, BIO *in)
{
    X509 *cert = PEM_read_bio_X509(in, NULL, NULL, NULL);
    int used = cert && SSL_CTX_use_certificate(ctx, cert) == 1;

    X509_free(cert);
    while (used && (cert = PEM_read_bio_X509(in, NULL, NULL, NULL))) {
        used = SSL_CTX_add1_chain_cert(ctx, cert) == 1;
        X509_free(cert);
    }
    return used;
}

CURLcode scep_http_key_use(CURL *curl, void *ssl_ctx, void *keyv)
{
    scep_http_key_t *key = keyv;
    BIO *in =
        BIO_new_mem_buf(key->certificate->data, (int)key->certificate->len);
    int used = in && use_chain(ssl_ctx, in) &&
               SSL_CTX_use_PrivateKey(ssl_ctx, key->pkey) == 1 &&
               SSL_CTX_check_private_key(ssl_ctx) == 1;

    (void)curl;
    BIO_free(in);
    ERR_clear_error();
    return used ? CURLE_OK : CURLE_SSL_CERTPROBLEM;
}
