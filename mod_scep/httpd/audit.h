/* audit.h - the audit trail: into the ledger, and a line each to a log
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MOD_SCEP_AUDIT_H
#define MOD_SCEP_AUDIT_H

#include "core/event.h"
#include "log.h"

/** Whether anything takes events: ScepLedger or ScepAuditLog. */
int mod_scep_audit_wanted(const server_rec *s);

/**
 * Writes events to the ledger, where there is one, and then to ScepAuditLog.
 * @param events  const scep_event_t
 * @return else than APR_SUCCESS: the ledger did not take them, and what they
 *         tell of must not happen
 */
apr_status_t mod_scep_audit_write(server_rec *s,
                                  const apr_array_header_t *events,
                                  apr_pool_t *p);

/** The same for one event. */
apr_status_t mod_scep_audit_write_one(server_rec *s, const scep_event_t *event,
                                      apr_pool_t *p);

/** Writes events that the ledger has got already, to ScepAuditLog alone. */
void mod_scep_audit_log(server_rec *s, const apr_array_header_t *events,
                        apr_pool_t *p);

/** Begins an event of what a caller of an admin endpoint does at this moment.
 */
void mod_scep_audit_begin(scep_event_t *event, scep_event_type_t type,
                          request_rec *r);

/** In the parent: opens ScepAuditLog. */
apr_status_t mod_scep_audit_open(server_rec *s, apr_pool_t *pconf);

const char *mod_scep_audit_set_log(cmd_parms *cmd, void *dirv,
                                   const char *name);
const char *mod_scep_audit_set_seal(cmd_parms *cmd, void *dirv,
                                    const char *time);

#define SCEP_AUDIT_DIRECTIVES                                                 \
    AP_INIT_TAKE1("ScepAuditLog", mod_scep_audit_set_log, NULL, RSRC_CONF,    \
                  "file for events, one JSON object a line, or |PROGRAM")     \
    , AP_INIT_TAKE1("ScepAuditSeal", mod_scep_audit_set_seal, NULL,           \
                    RSRC_CONF,                                                \
                    "how long events of the ledger wait for a seal at "       \
                    "most, or off")

#endif
