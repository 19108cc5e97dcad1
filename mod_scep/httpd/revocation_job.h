/* revocation_job.h - certificates that are superseded, and revoked in time
 * SPDX-License-Identifier: Apache-2.0
 *
 * Revocation needs a ledger.  What is to be revoked is written there first, as
 * SCEP_CERTIFICATE_REVOKING with the time when it is due; the watchdog has
 * the CA do it then, and tries again for as long as the CA does not answer.
 * From that time on the certificate renews nothing, whatever the CA says.
 */
#ifndef MOD_SCEP_REVOCATION_JOB_H
#define MOD_SCEP_REVOCATION_JOB_H

#include "conf.h"

/**
 * Does with the old certificate what ScepRenewalOld says, once its successor
 * is in the ledger.  Harmless where it has been called before, or where the
 * ledger does not know the old one.
 * @param old_serial  hex, lower case, as in the ledger
 * @param new_serial  ditto
 * @return APR_SUCCESS; else the ledger did not work, and it is to be called
 *         again
 */
apr_status_t mod_scep_renewal_done(server_rec *s,
                                   const scep_profile_t *profile,
                                   const char *old_serial,
                                   const char *new_serial, apr_time_t now,
                                   apr_pool_t *p);

/** Who wants a certificate revoked, and why. */
typedef struct scep_revocation_order_t {
    const char *ca;      /**< name of the CA */
    const char *serial;  /**< hex, lower case */
    int reason;          /**< CRLReason, RFC 5280 section 5.3.1 */
    const char *actor;   /**< for the event */
    const char *address; /**< for the event, or NULL */
} scep_revocation_order_t;

/**
 * Revokes a certificate now.  It is durable in the ledger before the CA is
 * asked.
 * @param error  set where the outcome is none of the first two, and where the
 *               CA has not done it yet: what is wrong, no secret in it
 * @return APR_SUCCESS: it is revoked; APR_EINPROGRESS: the CA did not do it,
 *         the watchdog tries on; APR_NOTFOUND: the ledger has no such
 *         certificate; APR_EEXIST: it was revoked before; APR_ENOTIMPL: this
 *         CA's connector cannot; APR_EINVAL: no reason for that; else the
 *         ledger did not work
 */
apr_status_t mod_scep_revoke_certificate(server_rec *s,
                                         const scep_revocation_order_t *order,
                                         apr_time_t now, const char **error,
                                         apr_pool_t *p);

typedef struct scep_revocation_job_t scep_revocation_job_t;

/** In the parent: prepares the job. */
apr_status_t mod_scep_revocation_job_open(scep_revocation_job_t **job,
                                          server_rec *s, apr_pool_t *pconf);

/**
 * What mod_watchdog calls, each second in one process of the server: has local
 * CAs renew their CRLs, and revokes what is due.  Of several nodes one at a
 * time revokes.
 * @param jobv  scep_revocation_job_t
 */
apr_status_t mod_scep_revocation_job_run(int state, void *jobv, apr_pool_t *p);

#endif
