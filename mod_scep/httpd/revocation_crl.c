/* revocation_crl.c - the CRL that a process goes by; CRLs in files
 * SPDX-License-Identifier: Apache-2.0
 */
#include "revocation_crl.h"

#include <apr_strings.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <fcntl.h>

#include "../../ca-connectors/state/state_dir.h"

static apr_status_t free_crl(void *data)
{
    scep_crl_cache_t *cache = data;

    X509_CRL_free(cache->crl);
    cache->crl = NULL;
    memset(&cache->file, 0, sizeof(cache->file));
    return APR_SUCCESS;
}

apr_status_t mod_scep_crl_cache_init(scep_crl_cache_t *cache, apr_pool_t *p)
{
    apr_pool_cleanup_register(p, cache, free_crl, apr_pool_cleanup_null);
    return apr_thread_mutex_create(&cache->mutex, APR_THREAD_MUTEX_DEFAULT, p);
}

X509_CRL *mod_scep_crl_parse(const char *data, apr_size_t len)
{
    BIO *in = BIO_new_mem_buf(data, (int)len);
    X509_CRL *crl = in ? PEM_read_bio_X509_CRL(in, NULL, NULL, NULL) : NULL;

    if (in && !crl && BIO_reset(in) == 1)
        crl = d2i_X509_CRL_bio(in, NULL);
    BIO_free(in);
    ERR_clear_error();
    return crl;
}

/* With the mutex held. */
static void keep(scep_crl_cache_t *cache, X509_CRL *crl)
{
    X509_CRL_free(cache->crl);
    cache->crl = crl;
    cache->fault = crl ? scep_revocation_check_crl(crl, cache->issuer)
                       : "the CRL cannot be read";
}

static void reload(scep_crl_cache_t *cache, int fd, const char *name,
                   apr_pool_t *p)
{
    apr_pool_t *scratch;
    char *data = NULL;
    apr_size_t len;

    apr_pool_create(&scratch, p);
    if (scep_state_dir_read(fd, name, SCEP_CRL_MAX, &cache->file, &data, &len,
                            scratch) != APR_SUCCESS) {
        memset(&cache->file, 0, sizeof(cache->file));
        keep(cache, NULL);
    } else if (data) {
        keep(cache, mod_scep_crl_parse(data, len));
    }
    apr_pool_destroy(scratch);
}

const char *mod_scep_crl_load(scep_crl_cache_t *cache, int fd,
                              const char *name, X509_CRL **crl, apr_pool_t *p)
{
    const char *fault;

    apr_thread_mutex_lock(cache->mutex);
    reload(cache, fd, name, p);
    fault = cache->fault;
    if (!fault && X509_CRL_up_ref(cache->crl))
        *crl = cache->crl;
    else if (!fault)
        fault = "the CRL cannot be kept";
    apr_thread_mutex_unlock(cache->mutex);
    return fault;
}

const char *mod_scep_crl_verify(scep_crl_cache_t *cache, X509_CRL *crl)
{
    const char *fault = "the CRL cannot be kept";

    apr_thread_mutex_lock(cache->mutex);
    if (crl == cache->crl)
        fault = cache->fault;
    else if (X509_CRL_up_ref(crl)) {
        keep(cache, crl);
        fault = cache->fault;
    }
    apr_thread_mutex_unlock(cache->mutex);
    return fault;
}

scep_revocation_t mod_scep_crl_ask(scep_revocation_source_t *source,
                                   X509 *cert, apr_time_t now,
                                   const char **reason, apr_pool_t *p)
{
    scep_revocation_t answer = SCEP_REVOCATION_UNCLEAR;
    X509_CRL *crl = NULL;

    *reason = source->kind->crl(source, &crl, p);
    if (*reason)
        return answer;
    *reason = scep_revocation_check_time(crl, now);
    if (!*reason)
        answer = scep_revocation_look_up(crl, cert, reason);
    X509_CRL_free(crl);
    return answer;
}

/* ------------------------------------------------------------------ */
/* The source crl:FILE                                                  */

static const char *check(scep_revocation_source_t *source, apr_pool_t *p)
{
    scep_crl_cache_t *cache = apr_pcalloc(p, sizeof(*cache));
    struct stat unknown = { 0 };
    const char *fault;
    X509_CRL *crl = NULL;
    apr_size_t len;
    char *data;

    cache->issuer = source->issuer;
    source->data = cache;
    if (scep_state_dir_read(AT_FDCWD, source->where, SCEP_CRL_MAX, &unknown,
                            &data, &len, p) == APR_SUCCESS &&
        data)
        crl = mod_scep_crl_parse(data, len);
    if (!crl)
        return apr_psprintf(p, "there is no CRL in %s", source->where);
    /* One that is only out of date is replaced while the server runs. */
    fault = scep_revocation_check_crl(crl, source->issuer);
    X509_CRL_free(crl);
    return fault;
}

static apr_status_t child_init(scep_revocation_source_t *source, apr_pool_t *p)
{
    return mod_scep_crl_cache_init(source->data, p);
}

static const char *load(scep_revocation_source_t *source, X509_CRL **crl,
                        apr_pool_t *p)
{
    return mod_scep_crl_load(source->data, AT_FDCWD, source->where, crl, p);
}

const scep_revocation_kind_t mod_scep_revocation_file = { .check = check,
                                                          .child_init =
                                                              child_init,
                                                          .ask =
                                                              mod_scep_crl_ask,
                                                          .crl = load };
