/* revoked.h - what a local CA has revoked, and the CRL that says so
 * SPDX-License-Identifier: Apache-2.0
 *
 * Both are one file, crl.pem: a line for each certificate, and after them the
 * CRL, which every reader of PEM finds.  It is replaced as a whole, so that
 * they never differ, and by one process at a time.
 */
#ifndef SCEP_REVOKED_H
#define SCEP_REVOKED_H

#include <apr_thread_mutex.h>
#include <sys/stat.h>

#include "issuer.h"

/** How long a certificate stays on the CRL after its end: a device may renew
 * with one that has expired, and must not with one that was revoked. */
#define SCEP_REVOKED_KEPT (90 * apr_time_from_sec(86400))

/** The list of one CA in one process. */
typedef struct scep_revoked_t {
    const scep_issuer_t *issuer;
    apr_interval_time_t life;  /**< from thisUpdate to nextUpdate */
    int dir;                   /**< where the file is */
    apr_thread_mutex_t *mutex; /**< of the process, over what follows */
    X509_CRL *crl;             /**< as the file has it, or NULL */
    struct stat file;
} scep_revoked_t;

/** In a child: issuer, life and dir are set. */
apr_status_t scep_revoked_init(scep_revoked_t *list, apr_pool_t *p);

/**
 * Puts a certificate onto the list and makes a new CRL; both are on disk when
 * this returns.  Nothing happens where it is on the list already.
 * @param reason  CRLReason, RFC 5280 section 5.3.1
 * @return NULL, or why not, in words for the administrator
 */
const char *scep_revoked_add(scep_revoked_t *list, const X509 *certificate,
                             int reason, apr_time_t now, apr_pool_t *p);

/**
 * The CRL of now; where half of its life is over, or there is none yet, a new
 * one is made.
 * @param crl  freed with p
 * @return NULL, or why not
 */
const char *scep_revoked_crl(scep_revoked_t *list, X509_CRL **crl,
                             apr_time_t now, apr_pool_t *p);

#endif
