/* keys.h - private keys: files and OSSL_STORE URIs, pass phrases
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MOD_SCEP_KEYS_H
#define MOD_SCEP_KEYS_H

#include "conf.h"

/**
 * Loads a private key.  A pass phrase is asked for once, at the first start;
 * it is kept in the parent's memory over reloads.
 * @param location  file (PEM, relative to ServerRoot) or URI
 * @param key  freed with p; NULL where it is encrypted and nobody may be
 *             asked (configtest)
 * @return NULL, or what is wrong
 */
const char *mod_scep_keys_load(server_rec *s, const char *location,
                               EVP_PKEY **key, apr_pool_t *p);

/** The same for connectors, see scep_ca_setup_t. */
const char *mod_scep_keys_load_for_ca(const scep_ca_setup_t *setup,
                                      const char *location, EVP_PKEY **key,
                                      apr_pool_t *p);

/** Reads a whole file of up to 1 MiB, relative to ServerRoot.
 * @return NULL, or why not */
const char *mod_scep_keys_read_file(const char **path, const char **text,
                                    apr_size_t *len, apr_pool_t *p);

/** The same of up to so many MiB. */
const char *mod_scep_keys_read_large(const char **path, const char **text,
                                     apr_size_t *len, int most, apr_pool_t *p);

#endif
