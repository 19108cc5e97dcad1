/* enrolment_ledger.h - what an enrolment needs of the ledger
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MOD_SCEP_ENROLMENT_LEDGER_H
#define MOD_SCEP_ENROLMENT_LEDGER_H

#include "conf.h"

/** What the calls of mod_scep_enrolment_ledger get as their baton. */
typedef struct scep_enrolment_baton_t {
    request_rec *r;
    const scep_profile_t *profile;
    /** it came with a challenge that the store knows, good or not */
    int known;
} scep_enrolment_baton_t;

extern const scep_ledger_ops_t mod_scep_enrolment_ledger;

#endif
