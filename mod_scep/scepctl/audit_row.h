/* audit_row.h - events and seals as the admin API shows them
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SCEPCTL_AUDIT_ROW_H
#define SCEPCTL_AUDIT_ROW_H

#include <jansson.h>

#include "core/seal.h"

/* What cannot be read is as nobody would have sealed it: the walk finds that
 * it was changed.  Texts belong to the row. */

void ctl_audit_read_event(scep_sealed_event_t *event, const json_t *row,
                          apr_pool_t *p);
void ctl_audit_read_seal(scep_seal_t *seal, const json_t *row, apr_pool_t *p);

#endif
