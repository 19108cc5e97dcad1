/* log.h - what every file of the glue needs to log
 * SPDX-License-Identifier: Apache-2.0
 *
 * Each message has a number of its own, never used again for another; the
 * manual's errors.md lists them with cause and remedy.
 */
#ifndef MOD_SCEP_LOG_H
#define MOD_SCEP_LOG_H

#include <httpd.h>
#include <http_config.h>
#include <http_log.h>

#include "mod_scep.h"

extern module AP_MODULE_DECLARE_DATA scep_module;
APLOG_USE_MODULE(scep);

#endif
