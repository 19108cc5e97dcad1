/* loaded.h - which configuration this is
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MOD_SCEP_LOADED_H
#define MOD_SCEP_LOADED_H

#include "log.h"

/**
 * The SHA-256, in hexadecimal digits, of the directives that say what
 * mod_scep does: those of its modules, SetHandler, Require, and the
 * containers that these stand in, as they were read.
 */
const char *mod_scep_loaded_digest(apr_pool_t *p);

#endif
