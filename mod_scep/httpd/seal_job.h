/* seal_job.h - upkeep of the audit trail: seals, and what it says by itself
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MOD_SCEP_SEAL_JOB_H
#define MOD_SCEP_SEAL_JOB_H

#include "log.h"

typedef struct scep_seal_job_t scep_seal_job_t;

/**
 * In the parent: prepares the job of this configuration.
 * @param job  set to it, or to NULL where nothing takes events
 */
apr_status_t mod_scep_seal_job_open(scep_seal_job_t **job, server_rec *s,
                                    apr_pool_t *pconf);

/**
 * What mod_watchdog calls, each second in one process of the server.  Of
 * several nodes one at a time makes seals.
 * @param jobv  scep_seal_job_t
 */
apr_status_t mod_scep_seal_job_run(int state, void *jobv, apr_pool_t *p);

#endif
