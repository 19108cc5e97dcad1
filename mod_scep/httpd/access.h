/* access.h - GetCert and GetCRL: certificates and CRLs for devices
 * SPDX-License-Identifier: Apache-2.0
 *
 * RFC 8894 sections 4.5 and 4.6.  The RFC lets anybody ask.  Here the device
 * has to show by its signature that it has a certificate of the profile's CA
 * itself, valid and not revoked, and it gets what is of its own profile.
 */
#ifndef MOD_SCEP_ACCESS_H
#define MOD_SCEP_ACCESS_H

#include "conf.h"

const char *mod_scep_set_get_cert(cmd_parms *cmd, void *dirv, int on);
const char *mod_scep_set_get_crl(cmd_parms *cmd, void *dirv, int on);

/** Checks ScepGetCert and ScepGetCRL.  @return NULL, or what is wrong */
const char *mod_scep_access_check(const scep_conf_t *conf,
                                  const scep_profile_t *profile);

/** Whether a message is one of the two, and its profile serves it. */
int mod_scep_access_serves(const scep_profile_t *profile,
                           const scep_message_t *message);

/**
 * Finds what the message asks for.
 * @param answer  certificate or crl, and sent, are set on success
 */
void mod_scep_access_run(request_rec *r, const scep_profile_t *profile,
                         const scep_message_t *message, apr_time_t now,
                         scep_enrol_answer_t *answer, scep_result_t *res);

#endif
