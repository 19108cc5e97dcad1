/* refusals.c - ScepAuditRefusals: a flood of refusals is told as a number
 * SPDX-License-Identifier: Apache-2.0
 *
 * Both counts, of the events written and of the refusals without one, are
 * kept for ever and ended by the watchdog: a count that ends by itself would
 * give way to those of ScepLockout, of which strangers make any number.  When
 * one would end says when it began.
 */
#include "refusals.h"

#include <apr_strings.h>

#include "audit.h"
#include "core/counter_table.h"
#include "core/time_text.h"
#include "counters.h"

#define NUMBER_MAX 1000000
/* Forty years: the table's ends are seconds of 32 bits, not to be cut. */
#define FOR_EVER apr_time_from_sec(40 * 366 * 86400LL)

#define ADMITTED "refusals/admitted"
#define UNTOLD "refusals/untold/"

/* Of the process that has the watchdog: when it does its work again. */
static apr_time_t due;

const char *mod_scep_refusals_set(cmd_parms *cmd, void *dirv,
                                  const char *number, const char *time)
{
    scep_conf_t *conf = mod_scep_conf_get(cmd->server);
    const char *err = mod_scep_conf_context(cmd, dirv, 0);
    apr_int64_t value;
    char *end;

    if (err)
        return err;
    conf->audit_refusals_time = SCEP_REFUSALS_TIME;
    if (!time && !strcasecmp(number, "off")) {
        conf->audit_refusals = 0;
        return NULL;
    }
    value = apr_strtoi64(number, &end, 10);
    if (*end || end == number || value < 1 || value > NUMBER_MAX) {
        return mod_scep_conf_error(cmd,
                                   "give a number of refusals from 1 to "
                                   "%d, and a time if it is not 1min; or "
                                   "off",
                                   NUMBER_MAX);
    }
    conf->audit_refusals = (apr_uint32_t)value;
    return time ? mod_scep_conf_positive_time(cmd, time,
                                              &conf->audit_refusals_time)
                : NULL;
}

static const char *untold(const scep_profile_t *profile, apr_pool_t *p)
{
    return apr_pstrcat(p, UNTOLD, profile->name, NULL);
}

int mod_scep_refusals_count(const scep_profile_t *profile, apr_pool_t *p)
{
    return mod_scep_counters_add(untold(profile, p), FOR_EVER,
                                 apr_time_now()) != APR_UINT32_MAX;
}

int mod_scep_refusals_admit(const scep_conf_t *conf,
                            const scep_profile_t *profile, apr_pool_t *p)
{
    return conf->audit_refusals == 0 ||
           mod_scep_counters_add(ADMITTED, FOR_EVER, apr_time_now()) <=
               conf->audit_refusals ||
           !mod_scep_refusals_count(profile, p);
}

/* The table rounds ends up to a second: the first was no earlier than this. */
static const char *since(apr_time_t ends, apr_pool_t *p)
{
    return scep_time_text(ends - FOR_EVER - apr_time_from_sec(1), p);
}

/* As they were, with those that came meanwhile, from the first of all on. */
static void put_back(const char *key, apr_uint32_t number, apr_time_t ends,
                     apr_time_t now)
{
    number += mod_scep_counters_forget(key, now);
    mod_scep_counters_add_many(key, number, ends - now, now);
}

/* Who takes the count tells it, so that none is told twice. */
static void tell(server_rec *s, const scep_profile_t *profile, apr_time_t now,
                 apr_pool_t *p)
{
    const char *key = untold(profile, p);
    apr_time_t ends = now + FOR_EVER;
    apr_uint32_t number;
    scep_event_t event = { .type = SCEP_EVENT_REQUESTS_REFUSED,
                           .time = now,
                           .profile = profile->name,
                           .actor = "gateway" };

    (void)mod_scep_counters_get(key, now, &ends);
    number = mod_scep_counters_forget(key, now);
    if (!number)
        return;
    event.detail =
        apr_psprintf(p, "%u%s without an event of their own since %s", number,
                     number < SCEP_COUNTERS_MAX ? "" : " or more",
                     since(ends, p));
    if (mod_scep_audit_write_one(s, &event, p) != APR_SUCCESS)
        put_back(key, number, ends, now);
}

void mod_scep_refusals_tell(server_rec *s, apr_pool_t *p)
{
    const scep_conf_t *conf = mod_scep_conf_get(s);
    apr_time_t now = apr_time_now();

    if (now < due)
        return;
    due = now + conf->audit_refusals_time;
    mod_scep_counters_forget(ADMITTED, now);
    for (int i = 0; i < conf->profiles->nelts; i++)
        tell(s, APR_ARRAY_IDX(conf->profiles, i, scep_profile_t *), now, p);
}
