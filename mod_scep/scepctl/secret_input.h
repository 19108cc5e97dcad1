/* secret_input.h - passwords and secrets, from anywhere but the command line
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SCEPCTL_SECRET_INPUT_H
#define SCEPCTL_SECRET_INPUT_H

#include "scepctl.h"

/** Longest password or secret, octets. */
#define CTL_SECRET_MAX 1024

/**
 * Reads the first line of a file that others cannot read.
 * @return NULL, or what is wrong; as below
 */
const char *ctl_secret_file(ctl_t *ctl, const char *file, char **secret);

/**
 * Reads a password for the server.
 * @param file  as above; NULL: the terminal
 */
const char *ctl_secret_password(ctl_t *ctl, const char *file, char **password);

/**
 * Asks for the pass phrase of a private key in PEM, where it has one.
 * @param phrase  set to it, or to NULL
 * @return NULL, or what is wrong; so it is where there is no such key
 */
const char *ctl_secret_phrase(ctl_t *ctl, const char *file, char **phrase);

/**
 * Reads a new secret: twice from the terminal, or one line of standard input
 * where that is none.
 * @return NULL, or what is wrong
 */
const char *ctl_secret_new(ctl_t *ctl, char **secret);

#endif
