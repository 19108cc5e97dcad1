/* approval.h - what people must approve before the CA is asked
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MOD_SCEP_APPROVAL_H
#define MOD_SCEP_APPROVAL_H

#include <ap_expr.h>

#include "conf.h"
#include "core/record.h"

/** ScepApproval and what belongs to it, of a profile. */
typedef struct scep_approval_conf_t {
    const ap_directive_t *where;
    int wanted;                 /**< 0: never */
    const ap_expr_info_t *when; /**< NULL: always where wanted */
    int approvers;              /**< different people who must say yes */
    int four_eyes;              /**< nobody approves what they asked for */
} scep_approval_conf_t;

/** Whether a request that has been allowed waits for people.  An expression
 * that fails says yes. */
int mod_scep_approval_wanted(request_rec *r, const scep_profile_t *profile);

/**
 * Who had a challenge of the store made, which has granted a request.
 * @return APR_SUCCESS; APR_EGENERAL: the store does not tell
 */
apr_status_t mod_scep_approval_requester(request_rec *r, const char *challenge,
                                         const char **requester);

/**
 * Adds the yes of one more.
 * @param record  changed: approvals; and its state where that was the last
 *                one that is needed
 * @param actor  as mod_scep_order_requester() has it: so a challenge says who
 *               had it made, and a long name is not another one when cut
 * @return NULL, or why this caller's yes does not count
 */
const char *mod_scep_approval_add(const scep_profile_t *profile,
                                  scep_record_t *record, const char *actor,
                                  apr_time_t now, apr_pool_t *p);

/** How many more must approve. */
int mod_scep_approval_missing(const scep_profile_t *profile,
                              const scep_record_t *record);

/** Finds what contradicts itself. @return NULL, or what is wrong */
const char *mod_scep_approval_check(const scep_conf_t *conf,
                                    const scep_profile_t *profile);

const char *mod_scep_set_approval(cmd_parms *cmd, void *dirv,
                                  const char *text);
const char *mod_scep_set_approvers(cmd_parms *cmd, void *dirv,
                                   const char *number);
const char *mod_scep_set_approval_four_eyes(cmd_parms *cmd, void *dirv,
                                            int on);
const char *mod_scep_set_approval_life(cmd_parms *cmd, void *dirv,
                                       const char *time);

#define SCEP_APPROVAL_DIRECTIVES                                              \
    AP_INIT_RAW_ARGS("ScepApproval", mod_scep_set_approval, NULL, RSRC_CONF,  \
                     "which requests people must approve: off, required or "  \
                     "expr=EXPRESSION"),                                      \
        AP_INIT_TAKE1("ScepApprovers", mod_scep_set_approvers, NULL,          \
                      RSRC_CONF, "how many people must approve a request")    \
    ,                                                                         \
        AP_INIT_FLAG("ScepApprovalFourEyes", mod_scep_set_approval_four_eyes, \
                     NULL, RSRC_CONF,                                         \
                     "nobody approves a request whose challenge they had "    \
                     "made"),                                                 \
        AP_INIT_TAKE1("ScepApprovalLife", mod_scep_set_approval_life, NULL,   \
                      RSRC_CONF, "how long a request waits for approval")

#endif
