/* admin.h - the resources of the admin API
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MOD_SCEP_ADMIN_H
#define MOD_SCEP_ADMIN_H

#include "log.h"

/**
 * Serves challenges and what is below it.
 * @param id  what follows "challenges/", NULL for the collection
 */
int mod_scep_admin_challenges(request_rec *r, const char *id);

/** Who is asking: the user that httpd authenticated, else the address. */
const char *mod_scep_admin_actor(const request_rec *r);

#endif
