/* work_directives.c - how long and how many may wait for a CA
 * SPDX-License-Identifier: Apache-2.0
 */
#include "work_directives.h"

#include <apr_strings.h>

static scep_ca_t *ca_of(cmd_parms *cmd, void *dirv, const char **err)
{
    scep_dir_conf_t *dir = dirv;

    *err = dir && dir->ca_section
               ? NULL
               : mod_scep_conf_error(cmd, "belongs into <ScepCA>");
    return *err ? NULL : dir->ca_section;
}

const char *mod_scep_set_ca_max_concurrent(cmd_parms *cmd, void *dirv,
                                           const char *number)
{
    const char *err;
    scep_ca_t *ca = ca_of(cmd, dirv, &err);
    apr_off_t count;
    char *end;

    if (err)
        return err;
    if (apr_strtoff(&count, number, &end, 10) != APR_SUCCESS || *end ||
        count < 1 || count > 1024)
        return mod_scep_conf_error(cmd, "give a number from 1 to 1024");
    ca->max_concurrent = (unsigned int)count;
    return NULL;
}

const char *mod_scep_set_ca_wait(cmd_parms *cmd, void *dirv, const char *time)
{
    const char *err;
    scep_ca_t *ca = ca_of(cmd, dirv, &err);

    if (!err && (err = mod_scep_conf_time(&ca->patience, time, cmd->pool)))
        err = mod_scep_conf_error(cmd, "%s", err);
    return err;
}

const char *mod_scep_set_pending_life(cmd_parms *cmd, void *dirv,
                                      const char *time)
{
    const char *err;
    scep_profile_t *profile = mod_scep_conf_section(cmd, dirv, &err);

    return err ? err
               : mod_scep_conf_positive_time(cmd, time,
                                             &profile->pending_life);
}
