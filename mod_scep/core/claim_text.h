/* claim_text.h - a claim of a challenge as text
 * SPDX-License-Identifier: Apache-2.0
 *
 * So a ledger keeps what another process ends.  Without the store it is of
 * no use to anyone, and there is nothing of the secret in it.
 */
#ifndef SCEP_CLAIM_TEXT_H
#define SCEP_CLAIM_TEXT_H

#include "../mod_scep.h"

const char *scep_claim_text(const scep_challenge_claim_t *claim,
                            apr_pool_t *p);

/** @return whether the text is one that scep_claim_text() makes */
int scep_claim_parse(scep_challenge_claim_t *claim, const char *text);

#endif
