/* profile_directives.h - handlers of the directives inside <ScepProfile>
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MOD_SCEP_PROFILE_DIRECTIVES_H
#define MOD_SCEP_PROFILE_DIRECTIVES_H

#include "conf.h"

const char *mod_scep_set_ca(cmd_parms *cmd, void *dirv, const char *name);
const char *mod_scep_set_ra_certificate(cmd_parms *cmd, void *dirv,
                                        const char *file);
const char *mod_scep_set_ra_key(cmd_parms *cmd, void *dirv,
                                const char *location);
const char *mod_scep_set_get_ca_cert(cmd_parms *cmd, void *dirv,
                                     const char *form, const char *order);
const char *mod_scep_set_capabilities(cmd_parms *cmd, void *dirv,
                                      const char *words);
const char *mod_scep_set_digests(cmd_parms *cmd, void *dirv,
                                 const char *words);
const char *mod_scep_set_ciphers(cmd_parms *cmd, void *dirv,
                                 const char *words);
const char *mod_scep_set_legacy_crypto(cmd_parms *cmd, void *dirv, int on);
const char *mod_scep_set_key_types(cmd_parms *cmd, void *dirv,
                                   const char *words);
const char *mod_scep_set_sans(cmd_parms *cmd, void *dirv, const char *words);
const char *mod_scep_set_empty_subject(cmd_parms *cmd, void *dirv, int on);
const char *mod_scep_set_extensions(cmd_parms *cmd, void *dirv,
                                    const char *words);
const char *mod_scep_set_validity(cmd_parms *cmd, void *dirv,
                                  const char *time);
const char *mod_scep_set_key_usage(cmd_parms *cmd, void *dirv,
                                   const char *words);
const char *mod_scep_set_ext_key_usage(cmd_parms *cmd, void *dirv,
                                       const char *words);
const char *mod_scep_set_verify(cmd_parms *cmd, void *dirv, const char *words);
const char *mod_scep_set_challenge_ttl(cmd_parms *cmd, void *dirv,
                                       const char *time);
const char *mod_scep_set_challenge_max_ttl(cmd_parms *cmd, void *dirv,
                                           const char *time);
const char *mod_scep_set_challenge_require(cmd_parms *cmd, void *dirv,
                                           const char *words);
const char *mod_scep_set_device_id_from(cmd_parms *cmd, void *dirv,
                                        const char *words);
const char *mod_scep_set_reply_certificates(cmd_parms *cmd, void *dirv,
                                            const char *word);
const char *mod_scep_set_failure_content(cmd_parms *cmd, void *dirv,
                                         const char *word);
const char *mod_scep_set_reply_signer(cmd_parms *cmd, void *dirv, int on);
const char *mod_scep_set_reply_key_transport(cmd_parms *cmd, void *dirv,
                                             const char *word);
const char *mod_scep_set_max_clock_skew(cmd_parms *cmd, void *dirv,
                                        const char *time);

#endif
