/* ejbca_username.h - the name of the end entity that a request belongs to
 * SPDX-License-Identifier: Apache-2.0
 *
 * EJBCA overwrites the end entity of a username, so the name must be the
 * device's own and stay the same over renewals, and no device may reach
 * that of another user by what it writes into its CSR.
 */
#ifndef SCEP_EJBCA_USERNAME_H
#define SCEP_EJBCA_USERNAME_H

#include "../../mod_scep/mod_scep.h"

#define EJBCA_USERNAME_DEFAULT "scep-%{CN}"

/** Longest username that is not replaced by a digest, octets. */
#define EJBCA_USERNAME_MAX 200

/**
 * Checks a template: text that does not begin with a variable, and %{CN},
 * %{DNS}, %{serialNumber} or %{SHA256} in it.
 * @return NULL, or what is wrong
 */
const char *scep_ejbca_username_check(const char *template, apr_pool_t *p);

/**
 * Fills in a template for a request.  Where a variable has no value, the name
 * is the text before the first variable and the digest of the key; where the
 * name is over-long or has other characters than letters, digits and
 * "-._@", that text and the digest of the whole name.
 * @return NULL where a digest cannot be made
 */
const char *scep_ejbca_username(const char *template,
                                const scep_ca_request_t *request,
                                apr_pool_t *p);

#endif
