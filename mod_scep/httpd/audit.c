/* audit.c - the audit trail: into the ledger, and a line each to a log
 * SPDX-License-Identifier: Apache-2.0
 */
#include "audit.h"

#include <apr_strings.h>
#include <http_core.h>

#include <stdatomic.h>

#include "admin.h"
#include "conf.h"
#include "event_json.h"
#include "ledger.h"

/* ScepAuditLog. */
typedef struct scep_audit_t {
    const char *name; /**< a file's, or '|' and a program */
    apr_file_t *file;
    atomic_int troubled; /**< the last line could not be written */
} scep_audit_t;

/* ------------------------------------------------------------------ */
/* Directives                                                           */

/* What cannot be opened later would end the server at a reload. */
static const char *check_file(cmd_parms *cmd, const char *name)
{
    apr_pool_t *p = cmd->temp_pool;
    const char *full = ap_server_root_relative(p, name);
    apr_finfo_t info;

    if (!full || !*name)
        return mod_scep_conf_error(cmd, "'%s' is no valid path", name);
    if (apr_stat(&info, full, APR_FINFO_TYPE, p) == APR_SUCCESS &&
        info.filetype == APR_DIR)
        return mod_scep_conf_error(cmd, "%s is a directory", full);
    if (apr_stat(&info, ap_make_dirstr_parent(p, full), APR_FINFO_TYPE, p) !=
            APR_SUCCESS ||
        info.filetype != APR_DIR)
        return mod_scep_conf_error(cmd, "there is no directory for %s", full);
    return NULL;
}

const char *mod_scep_audit_set_log(cmd_parms *cmd, void *dirv,
                                   const char *name)
{
    const char *err = mod_scep_conf_context(cmd, dirv, 0);
    scep_audit_t *audit;

    if (!err && *name != '|')
        err = check_file(cmd, name);
    else if (!err && !name[1])
        err = mod_scep_conf_error(cmd, "needs a program behind the |");
    if (err)
        return err;
    audit = apr_pcalloc(cmd->pool, sizeof(*audit));
    audit->name = name;
    mod_scep_conf_get(cmd->server)->audit = audit;
    return NULL;
}

const char *mod_scep_audit_set_seal(cmd_parms *cmd, void *dirv,
                                    const char *time)
{
    scep_conf_t *conf = mod_scep_conf_get(cmd->server);
    const char *err = mod_scep_conf_context(cmd, dirv, 0);

    if (!err && !strcasecmp(time, "off"))
        conf->audit_seal = 0;
    else if (!err)
        err = mod_scep_conf_positive_time(cmd, time, &conf->audit_seal);
    return err;
}

/* ------------------------------------------------------------------ */
/* ScepAuditLog                                                         */

/* As mod_log_config opens what CustomLog names. */
apr_status_t mod_scep_audit_open(server_rec *s, apr_pool_t *pconf)
{
    scep_audit_t *audit = mod_scep_conf_get(s)->audit;
    apr_status_t rv = APR_SUCCESS;

    if (!audit)
        return APR_SUCCESS;
    if (*audit->name == '|') {
        piped_log *log = ap_open_piped_log(pconf, audit->name + 1);

        if (log)
            audit->file = ap_piped_log_write_fd(log);
        else
            rv = APR_EGENERAL;
    } else {
        rv = apr_file_open(&audit->file,
                           ap_server_root_relative(pconf, audit->name),
                           APR_WRITE | APR_APPEND | APR_CREATE | APR_LARGEFILE,
                           APR_UREAD | APR_UWRITE | APR_GREAD, pconf);
    }
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_ERR, rv, s,
                     SCEPLOGNO(0530) "ScepAuditLog %s cannot be opened",
                     audit->name);
    }
    return rv;
}

/* Says once that it does not work, and once that it does again. */
static void tell(scep_audit_t *audit, server_rec *s, apr_status_t rv)
{
    if (rv != APR_SUCCESS && !atomic_exchange(&audit->troubled, 1)) {
        ap_log_error(APLOG_MARK, APLOG_ERR, rv, s,
                     SCEPLOGNO(0531) "ScepAuditLog %s cannot be written: "
                                     "events are missing in it until it can",
                     audit->name);
    } else if (rv == APR_SUCCESS && atomic_load(&audit->troubled) &&
               atomic_exchange(&audit->troubled, 0)) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s,
                     SCEPLOGNO(0532) "ScepAuditLog %s is written again",
                     audit->name);
    }
}

/* One call of write(2) a line: so lines of many processes never mix. */
static apr_status_t write_line(scep_audit_t *audit, const scep_event_t *event,
                               apr_pool_t *p)
{
    const char *line = mod_scep_event_line(event, p);
    apr_size_t len = line ? strlen(line) : 0, written = len;
    apr_status_t rv =
        line ? apr_file_write(audit->file, line, &written) : APR_ENOMEM;

    return rv == APR_SUCCESS && written < len ? APR_ENOSPC : rv;
}

void mod_scep_audit_log(server_rec *s, const apr_array_header_t *events,
                        apr_pool_t *p)
{
    scep_audit_t *audit = mod_scep_conf_get(s)->audit;

    for (int i = 0; audit && i < events->nelts; i++) {
        tell(audit, s,
             write_line(audit, &APR_ARRAY_IDX(events, i, const scep_event_t),
                        p));
    }
}

/* ------------------------------------------------------------------ */
/* Events                                                               */

int mod_scep_audit_wanted(const server_rec *s)
{
    const scep_conf_t *conf = mod_scep_conf_get(s);

    return conf->ledger || conf->audit;
}

apr_status_t mod_scep_audit_write(server_rec *s,
                                  const apr_array_header_t *events,
                                  apr_pool_t *p)
{
    const scep_conf_t *conf = mod_scep_conf_get(s);
    apr_status_t rv = conf->ledger
                          ? mod_scep_ledger_events_add(conf->ledger, events, p)
                          : APR_SUCCESS;

    if (rv == APR_SUCCESS)
        mod_scep_audit_log(s, events, p);
    return rv;
}

apr_status_t mod_scep_audit_write_one(server_rec *s, const scep_event_t *event,
                                      apr_pool_t *p)
{
    apr_array_header_t *events = apr_array_make(p, 1, sizeof(*event));

    APR_ARRAY_PUSH(events, scep_event_t) = *event;
    return mod_scep_audit_write(s, events, p);
}

void mod_scep_audit_begin(scep_event_t *event, scep_event_type_t type,
                          request_rec *r)
{
    memset(event, 0, sizeof(*event));
    event->type = type;
    event->time = apr_time_now();
    event->actor = mod_scep_admin_actor(r);
    event->address = r->useragent_ip;
}
