/* options.h - read the command line, tell what may stand on it
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SCEPCTL_OPTIONS_H
#define SCEPCTL_OPTIONS_H

#include "scepctl.h"

/**
 * Reads what follows the command's words: options in any place, operands,
 * "--" before operands that begin with a dash; then the environment.
 * @return NULL, or what is wrong
 */
const char *ctl_options_read(ctl_t *ctl, int argc, const char *const *argv);

/** Prints what a command is for and its options. */
void ctl_options_help(const ctl_command_t *command);

/** How a command is called, such as "scepctl challenge show ID". */
const char *ctl_options_synopsis(const ctl_command_t *command, apr_pool_t *p);

#endif
