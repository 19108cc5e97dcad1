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

/** Writes events that the ledger has got already, to ScepAuditLog alone. */
void mod_scep_audit_log(server_rec *s, const apr_array_header_t *events,
                        apr_pool_t *p);

#endif
