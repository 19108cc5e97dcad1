/* providers.h - the providers that this module brings itself
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MOD_SCEP_PROVIDERS_H
#define MOD_SCEP_PROVIDERS_H

#include "mod_scep.h"

/** Challenges in a table that all processes map, challenge_shm.c. */
extern const scep_challenge_provider_t mod_scep_challenge_shm;

/** Challenges in a database that nodes share, challenge_dbd.c. */
extern const scep_challenge_provider_t mod_scep_challenge_dbd;

/** One-time passwords from the challenge store, verifier_otp.c. */
extern const scep_verifier_provider_t mod_scep_verifier_otp;

/** The CA's own opinion of the challenge, verifier_ca.c. */
extern const scep_verifier_provider_t mod_scep_verifier_ca;

/** The certificate that is being renewed, verifier_cert.c. */
extern const scep_verifier_provider_t mod_scep_verifier_cert;

/** Microsoft Intune's validation of SCEP, verifier_intune.c. */
extern const scep_verifier_provider_t mod_scep_verifier_intune;

/** Shared secrets from files, verifier_static.c. */
extern const scep_verifier_provider_t mod_scep_verifier_static;

/** The customer's own validator, verifier_webhook.c. */
extern const scep_verifier_provider_t mod_scep_verifier_webhook;

#endif
