/* approval.c - what people must approve before the CA is asked
 * SPDX-License-Identifier: Apache-2.0
 */
#include "approval.h"

#include <apr_strings.h>

#include <string.h>

#define APPROVERS_MAX 10

/* ------------------------------------------------------------------ */
/* Directives                                                           */

static scep_approval_conf_t *approval_of(cmd_parms *cmd, void *dirv,
                                         scep_profile_t **profile,
                                         const char **err)
{
    *profile = mod_scep_conf_section(cmd, dirv, err);
    if (*err)
        return NULL;
    if (!(*profile)->approval) {
        (*profile)->approval =
            apr_pcalloc(cmd->pool, sizeof(*(*profile)->approval));
        (*profile)->approval->approvers = 1;
        (*profile)->approval->four_eyes = 1;
    }
    (*profile)->approval->where = cmd->directive;
    return (*profile)->approval;
}

const char *mod_scep_set_approval(cmd_parms *cmd, void *dirv, const char *text)
{
    scep_profile_t *profile;
    const char *err;
    scep_approval_conf_t *approval = approval_of(cmd, dirv, &profile, &err);
    const char *word;

    if (err)
        return err;
    word = ap_getword_conf(cmd->pool, &text);
    if (*text)
        return mod_scep_conf_error(cmd, "takes one argument; put an "
                                        "expression with blanks in quotes");
    approval->when = NULL;
    approval->wanted = strcasecmp(word, "off") != 0;
    if (!approval->wanted || !strcasecmp(word, "required"))
        return NULL;
    if (strncasecmp(word, "expr=", 5))
        return mod_scep_conf_error(cmd, "give off, required or "
                                        "expr=EXPRESSION");
    approval->when = ap_expr_parse_cmd(cmd, word + 5, 0, &err, NULL);
    return err ? mod_scep_conf_error(cmd, "the expression '%s': %s", word + 5,
                                     err)
               : NULL;
}

const char *mod_scep_set_approvers(cmd_parms *cmd, void *dirv,
                                   const char *number)
{
    scep_profile_t *profile;
    const char *err;
    scep_approval_conf_t *approval = approval_of(cmd, dirv, &profile, &err);
    apr_off_t count;
    char *end;

    if (err)
        return err;
    if (apr_strtoff(&count, number, &end, 10) != APR_SUCCESS || *end ||
        count < 1 || count > APPROVERS_MAX)
        return mod_scep_conf_error(cmd, "give a number from 1 to %d",
                                   APPROVERS_MAX);
    approval->approvers = (int)count;
    return NULL;
}

const char *mod_scep_set_approval_four_eyes(cmd_parms *cmd, void *dirv, int on)
{
    scep_profile_t *profile;
    const char *err;
    scep_approval_conf_t *approval = approval_of(cmd, dirv, &profile, &err);

    if (!err)
        approval->four_eyes = on;
    return err;
}

const char *mod_scep_set_approval_life(cmd_parms *cmd, void *dirv,
                                       const char *time)
{
    const char *err;
    scep_profile_t *profile = mod_scep_conf_section(cmd, dirv, &err);

    return err ? err
               : mod_scep_conf_positive_time(cmd, time,
                                             &profile->enrol.approval_life);
}

const char *mod_scep_approval_check(const scep_conf_t *conf,
                                    const scep_profile_t *profile)
{
    if (!profile->approval || !profile->approval->wanted)
        return NULL;
    if (!conf->ledger)
        return "needs ScepLedger: a request that waits must not be lost";
    return profile->enrol.approval_life > profile->pending_life
               ? "ScepApprovalLife is over ScepPendingLife"
               : NULL;
}

/* ------------------------------------------------------------------ */
/* Deciding                                                             */

int mod_scep_approval_wanted(request_rec *r, const scep_profile_t *profile)
{
    const scep_approval_conf_t *approval = profile->approval;
    const char *err = NULL;
    int yes;

    if (!approval || !approval->wanted)
        return 0;
    if (!approval->when)
        return 1;
    yes = ap_expr_exec(r, approval->when, &err);
    if (err) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                      SCEPLOGNO(0650) "profile %s: the expression of "
                                      "ScepApproval fails, and the request "
                                      "waits for approval: %s",
                      profile->name, err);
    }
    return yes != 0 || err;
}

apr_status_t mod_scep_approval_requester(request_rec *r, const char *challenge,
                                         const char **requester)
{
    const scep_conf_t *conf = mod_scep_conf_get(r->server);
    apr_array_header_t *none = apr_array_make(r->pool, 1, sizeof(char *));
    scep_challenge_info_t info;

    if (conf->store_provider->get(conf->store, challenge, r->request_time,
                                  none, &info, r->pool) != APR_SUCCESS)
        return APR_EGENERAL;
    *requester = apr_pstrdup(r->pool, info.requester);
    return APR_SUCCESS;
}

/* Whether a line of text is this one. */
static int has_line(const char *text, const char *line)
{
    size_t len = strlen(line);

    while (*text) {
        size_t this = strcspn(text, "\n");

        if (this == len && !memcmp(text, line, len))
            return 1;
        text += this + (text[this] == '\n');
    }
    return 0;
}

static int count_lines(const char *text)
{
    int count = 0;

    for (; *text; text++)
        count += *text == '\n';
    return count;
}

int mod_scep_approval_missing(const scep_profile_t *profile,
                              const scep_record_t *record)
{
    int wanted = profile->approval ? profile->approval->approvers : 1;
    int missing = wanted - count_lines(record->approvals);

    return missing > 0 ? missing : 0;
}

const char *mod_scep_approval_add(const scep_profile_t *profile,
                                  scep_record_t *record, const char *actor,
                                  apr_time_t now, apr_pool_t *p)
{
    if (!*actor || strchr(actor, '\n'))
        return "A name with a line break approves nothing.";
    if ((!profile->approval || profile->approval->four_eyes) &&
        *record->requester && !strcmp(record->requester, actor))
        return "You had the challenge made that this request has used; "
               "somebody else must approve it.";
    if (has_line(record->approvals, actor))
        return "You have approved this already; somebody else must, too.";
    record->approvals = apr_pstrcat(p, record->approvals, actor, "\n", NULL);
    if (mod_scep_approval_missing(profile, record) == 0) {
        record->state = SCEP_STATE_RECEIVED;
        record->detail = "approved";
    }
    record->due = now;
    return NULL;
}
