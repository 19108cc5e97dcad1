/* retention.c - what the ledger keeps, and for how long
 * SPDX-License-Identifier: Apache-2.0
 */
#include "retention.h"

#include <mod_watchdog.h>
#include <openssl/err.h>
#include <openssl/rand.h>

#include "ledger.h"

#define DUTY "retention"

/* A number without a unit means seconds, and was meant to mean days. */
#define LEAST apr_time_from_sec(86400)

/* Between two turns once nothing was left to delete. */
#define PAUSE apr_time_from_sec(60)
/* How long a node that is gone keeps others from it. */
#define LEASE apr_time_from_sec(180)

const char *mod_scep_set_retention(cmd_parms *cmd, void *dirv,
                                   const char *time)
{
    scep_conf_t *conf = mod_scep_conf_get(cmd->server);
    const char *err = mod_scep_conf_context(cmd, dirv, 0);
    apr_interval_time_t value = 0;

    if (!err && strcasecmp(time, "off"))
        err = mod_scep_conf_positive_time(cmd, time, &value);
    if (!err && value && value < LEAST)
        err = mod_scep_conf_error(cmd, "a day is the least: 365d are a year");
    if (err)
        return err;
    conf->retention = value;
    conf->retention_where = cmd->directive;
    return NULL;
}

const char *mod_scep_retention_check(const scep_conf_t *conf)
{
    return conf->retention && !conf->ledger
               ? "needs ScepLedger: nothing is kept without it"
               : NULL;
}

/* What names this process among those of all nodes; NULL: no randomness. */
static const char *node_of(void)
{
    static char node[33];
    unsigned char random[sizeof(node) / 2];

    if (*node)
        return node;
    if (RAND_bytes(random, sizeof(random)) != 1) {
        ERR_clear_error();
        return NULL;
    }
    for (size_t i = 0; i < sizeof(random); i++)
        apr_snprintf(node + 2 * i, 3, "%02x", random[i]);
    return node;
}

apr_status_t mod_scep_retention_run(int state, void *sv, apr_pool_t *p)
{
    static apr_time_t due; /* of this process: one thread comes here */
    static int gone;
    server_rec *s = sv;
    const scep_conf_t *conf = mod_scep_conf_get(s);
    const apr_time_t now = apr_time_now();
    const char *node = node_of();
    int deleted = 0;

    if (state != AP_WATCHDOG_STATE_RUNNING || now < due || !node)
        return APR_SUCCESS;
    due = now + PAUSE;
    if (mod_scep_ledger_duty(conf->ledger, DUTY, node, now, now + LEASE, p) !=
            APR_SUCCESS ||
        mod_scep_ledger_retain(conf->ledger, now - conf->retention, now,
                               &deleted, p) != APR_SUCCESS)
        return APR_SUCCESS;
    gone += deleted;
    if (deleted) {
        due = now; /* the next second */
    } else if (gone) {
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, s,
                     SCEPLOGNO(0662) "ScepRetention: %d rows of the ledger "
                                     "deleted",
                     gone);
        gone = 0;
    }
    return APR_SUCCESS;
}
