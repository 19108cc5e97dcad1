/* handler.h - the content handlers
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MOD_SCEP_HANDLER_H
#define MOD_SCEP_HANDLER_H

#include "log.h"

/** SetHandler scep: the SCEP endpoint. */
int mod_scep_handler(request_rec *r);

/** SetHandler scep-admin: the admin API. */
int mod_scep_admin_handler(request_rec *r);

#endif
