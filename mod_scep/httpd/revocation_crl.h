/* revocation_crl.h - the CRL that a process goes by
 * SPDX-License-Identifier: Apache-2.0
 *
 * It is read by whichever process needs it, when its file has changed, and
 * verified then; a look-up costs no signature.
 */
#ifndef MOD_SCEP_REVOCATION_CRL_H
#define MOD_SCEP_REVOCATION_CRL_H

#include "core/revocation.h"
#include "revocation.h"

#include <apr_thread_mutex.h>
#include <sys/stat.h>

/** Most octets of a CRL: a million entries and more. */
#define SCEP_CRL_MAX (64 * 1024 * 1024)

/** The CRL of one source in one process. */
typedef struct scep_crl_cache_t {
    X509 *issuer;
    apr_thread_mutex_t *mutex; /**< over what follows */
    X509_CRL *crl;             /**< or NULL */
    const char *fault;         /**< why it is no use, whenever; or NULL */
    struct stat file;          /**< as it was read */
} scep_crl_cache_t;

/** In a child; issuer is set. */
apr_status_t mod_scep_crl_cache_init(scep_crl_cache_t *cache, apr_pool_t *p);

/** Reads PEM or DER; NULL where it is neither. */
X509_CRL *mod_scep_crl_parse(const char *data, apr_size_t len);

/**
 * The CRL of a file as it is now, verified but for its times.
 * @param fd  of its directory, or AT_FDCWD
 * @param crl  to be freed by the caller
 * @return NULL, or why there is none
 */
const char *mod_scep_crl_load(scep_crl_cache_t *cache, int fd,
                              const char *name, X509_CRL **crl, apr_pool_t *p);

/** The same for one that is at hand already; crl stays the caller's. */
const char *mod_scep_crl_verify(scep_crl_cache_t *cache, X509_CRL *crl);

/** As the member ask, by the source's member crl. */
scep_revocation_t mod_scep_crl_ask(scep_revocation_source_t *source,
                                   X509 *cert, apr_time_t now,
                                   const char **reason, apr_pool_t *p);

#endif
