/* policy_directives.h - handlers of the directives that make a policy
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MOD_SCEP_POLICY_DIRECTIVES_H
#define MOD_SCEP_POLICY_DIRECTIVES_H

#include "conf.h"

const char *mod_scep_set_weak_keys(cmd_parms *cmd, void *dirv,
                                   const char *words);
const char *mod_scep_set_rsa_exponent(cmd_parms *cmd, void *dirv,
                                      const char *least);
const char *mod_scep_set_subject_force(cmd_parms *cmd, void *dirv,
                                       const char *words);
const char *mod_scep_set_subject_require(cmd_parms *cmd, void *dirv,
                                         const char *words);
const char *mod_scep_set_subject_allow(cmd_parms *cmd, void *dirv,
                                       const char *words);
const char *mod_scep_set_san_require(cmd_parms *cmd, void *dirv,
                                     const char *words);
const char *mod_scep_set_san_allow(cmd_parms *cmd, void *dirv,
                                   const char *words);
const char *mod_scep_set_usage_allow(cmd_parms *cmd, void *dirv,
                                     const char *words);
const char *mod_scep_set_condition(cmd_parms *cmd, void *dirv,
                                   const char *name, const char *expression);
const char *mod_scep_set_issued_names(cmd_parms *cmd, void *dirv,
                                      const char *word);
const char *mod_scep_set_key_reuse(cmd_parms *cmd, void *dirv, int on);
const char *mod_scep_set_max_certificates(cmd_parms *cmd, void *dirv,
                                          const char *number);

/**
 * Finds what is wrong with the policy of a profile whose CA and verifiers
 * are known.
 * @return NULL, or what is wrong and with which directive
 */
const char *mod_scep_policy_check(const scep_profile_t *profile,
                                  const scep_conf_t *conf, apr_pool_t *p);

#endif
