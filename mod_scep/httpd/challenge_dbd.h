/* challenge_dbd.h - challenge store "dbd", for its own files
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MOD_SCEP_CHALLENGE_DBD_H
#define MOD_SCEP_CHALLENGE_DBD_H

#include "challenge_sql.h"
#include "database.h"

typedef struct scep_challenge_dbd_t {
    const char *prefix;   /**< of the tables' names */
    const char *key_file; /**< as configured */
    unsigned char key[SCEP_TABLE_KEY_LEN];
    const char *key_id;
    int bounded; /**< there is a limit to connecting */
    scep_database_setup_t setup;
    scep_database_t *database;
    _Atomic int strange; /**< the tables are, and the log says so */
    apr_time_t purge;    /**< when this process does so next */
} scep_challenge_dbd_t;

/* challenge_dbd_open.c: as the members of scep_challenge_provider_t */

const char *mod_scep_challenge_dbd_create(void **storev, const char *name,
                                          const char *args, apr_pool_t *pconf);
apr_status_t mod_scep_challenge_dbd_open(void *storev, const char *state_dir,
                                         server_rec *s, apr_pool_t *pconf);
apr_status_t mod_scep_challenge_dbd_child_init(void *storev, server_rec *s,
                                               apr_pool_t *p);

#endif
