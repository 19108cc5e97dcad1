/* secret.h - secrets that directives name: file:PATH or exec:PROGRAM
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MOD_SCEP_SECRET_H
#define MOD_SCEP_SECRET_H

#include "log.h"
#include "mod_scep.h"

/** Most octets of a secret. */
#define SCEP_SECRET_MAX 4096

/**
 * Reads the secret that a directive names: one line of 1 to SCEP_SECRET_MAX
 * octets, the end of the line cut off.  A file that others can read or
 * change is a mistake.  A program is run when the server starts and when it
 * reloads; if it fails at a reload, what it said before stays good.
 * @param location  file:PATH or exec:PROGRAM, relative to ServerRoot
 * @param secret  cleansed with cmd->pool; "" where the program is not run:
 *                at configtest, and in the first of the two passes
 * @return NULL, or what is wrong
 */
const char *mod_scep_secret_read(cmd_parms *cmd, const char *location,
                                 const char **secret);

/**
 * The same outside of a directive's handler.
 * @param what  names in the log what asks for it
 */
const char *mod_scep_secret_load(server_rec *s, const char *what,
                                 const char *location, const char **secret,
                                 apr_pool_t *p);

/** The same as scep_ca_setup_t.load_secret. */
const char *mod_scep_secret_load_for_ca(const scep_ca_setup_t *setup,
                                        const char *location,
                                        const char **secret, apr_pool_t *p);

/**
 * Runs a program and takes what it prints, up to size - 1 octets, with a NUL
 * after it.
 * @return NULL, or what is wrong; buf is cleansed then
 */
const char *mod_scep_secret_run(const char *const argv[], char *buf,
                                apr_size_t size, apr_size_t *len,
                                apr_pool_t *p);

#endif
