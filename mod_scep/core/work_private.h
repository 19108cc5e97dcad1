/* work_private.h - what the files of work.h share
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SCEP_WORK_PRIVATE_H
#define SCEP_WORK_PRIVATE_H

#include "work.h"

/* Between two looks at what is not decided: at first, and at the most. */
#define SCEP_RETRY_FIRST apr_time_from_sec(2)
#define SCEP_RETRY_MOST apr_time_from_sec(300)

/** One turn. */
typedef struct scep_work_step_t {
    scep_work_t *work;
    scep_record_t *record;
    const char *token; /**< that holds the record */
    const scep_csr_t *csr;
    const scep_policy_answer_t *allowed;
    scep_ca_result_t result;
    int spend; /**< the challenge is used up */
    apr_pool_t *p;
} scep_work_step_t;

/* work_ask.c */

apr_time_t scep_work_now(const scep_work_step_t *step);

int scep_work_has_ledger(const scep_work_step_t *step);

/** Ends it for a reason of ours. */
void scep_work_fail(scep_work_step_t *step, scep_state_t state,
                    scep_reason_t reason, const char *detail);

/** Does what its state asks for: the record is then as the CA has said. */
void scep_work_ask(scep_work_step_t *step);

#endif
