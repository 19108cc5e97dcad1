/* child.h - how httpd's children begin and end
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MOD_SCEP_CHILD_H
#define MOD_SCEP_CHILD_H

#include "log.h"

#include <signal.h>

/**
 * Makes the exit of a child safe; in register_hooks, before anything else
 * that OpenSSL does in the process.
 */
void mod_scep_child_hooks(void);

/** Makes a child's pool fit for several threads, in child_init. */
apr_status_t mod_scep_child_share(apr_pool_t *pchild, server_rec *s);

/**
 * Keeps the signals away that would end this process where it stands.  Under
 * event and worker no thread of a child that has started gets them anyway.
 * @param before  set to what mod_scep_child_release wants
 */
void mod_scep_child_hold(sigset_t *before);
void mod_scep_child_release(const sigset_t *before);

#endif
