/* lockout.c - ScepLockout: an address that is refused too often must wait
 * SPDX-License-Identifier: Apache-2.0
 *
 * Two counts an address: its refusals in the current window, and a lock,
 * whose window is as long as the lock.  They are the same for all locations
 * in which ScepLockout is on.
 */
#include "lockout.h"

#include <apr_strings.h>

#include "core/network.h"
#include "counters.h"
#include "http.h"
#include "metrics.h"

#define NUMBER_MAX 1000000

struct scep_lockout_conf_t {
    apr_uint32_t number; /**< 0: off */
    apr_interval_time_t time;
    apr_interval_time_t duration;
};

const char *mod_scep_lockout_set(cmd_parms *cmd, void *dirv,
                                 const char *number, const char *time,
                                 const char *duration)
{
    scep_dir_conf_t *dir = dirv;
    const char *err = mod_scep_conf_context(cmd, dirv, 1);
    scep_lockout_conf_t *lockout = apr_pcalloc(cmd->pool, sizeof(*lockout));
    apr_int64_t value;
    char *end;

    if (err)
        return err;
    dir->lockout = lockout;
    if (!time && !strcasecmp(number, "off"))
        return NULL;
    value = apr_strtoi64(number, &end, 10);
    if (*end || end == number || value < 1 || value > NUMBER_MAX || !time) {
        return mod_scep_conf_error(cmd,
                                   "give a number of refusals from 1 to "
                                   "%d and a time, such as 10 5min; or "
                                   "off",
                                   NUMBER_MAX);
    }
    lockout->number = (apr_uint32_t)value;
    err = mod_scep_conf_positive_time(cmd, time, &lockout->time);
    lockout->duration = lockout->time;
    if (!err && duration)
        err = mod_scep_conf_positive_time(cmd, duration, &lockout->duration);
    return err;
}

/* ScepLockout where the request is; NULL: off. */
static const scep_lockout_conf_t *conf_of(const request_rec *r)
{
    const scep_dir_conf_t *dir =
        ap_get_module_config(r->per_dir_config, &scep_module);

    return dir->lockout && dir->lockout->number ? dir->lockout : NULL;
}

/*
 * What is counted as one client: an IPv4 address, or the 64 bits of an IPv6
 * address that one subscriber has at the least.
 */
static const char *client_of(const request_rec *r)
{
    static const scep_network_t ipv4 = {
        .address = { [10] = 0xff, [11] = 0xff }, .prefix = 96
    };
    unsigned char address[16];
    char *text;

    if (!scep_network_address(address, r->useragent_ip))
        return r->useragent_ip;
    if (scep_network_contains(&ipv4, address)) {
        return apr_psprintf(r->pool, "%u.%u.%u.%u", address[12], address[13],
                            address[14], address[15]);
    }
    text = apr_pstrdup(r->pool, "");
    for (int i = 0; i < 8; i += 2) {
        text = apr_psprintf(r->pool, "%s%x:", text,
                            (unsigned)address[i] << 8 | address[i + 1]);
    }
    return apr_pstrcat(r->pool, text, ":/64", NULL);
}

int mod_scep_lockout_answer(request_rec *r, const scep_profile_t *profile,
                            int *status)
{
    const char *reason = scep_result_reason_name(SCEP_REASON_LOCKOUT);
    const char *client;
    apr_time_t ends, now = apr_time_now();

    if (!conf_of(r))
        return 0;
    client = client_of(r);
    if (mod_scep_counters_get(apr_pstrcat(r->pool, "locked/", client, NULL),
                              now, &ends) == 0)
        return 0;
    mod_scep_http_note(r, "scep-profile", profile->name);
    mod_scep_http_note(r, "scep-reason", reason);
    mod_scep_metrics_request(r, profile, "429", reason);
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                  SCEPLOGNO(0148) "refused, HTTP 429: profile %s: %s is "
                                  "locked out",
                  profile->name, client);
    apr_table_setn(r->headers_out, "Retry-After",
                   apr_psprintf(r->pool, "%" APR_TIME_T_FMT,
                                apr_time_sec(ends - now) + 1));
    *status = mod_scep_http_refuse(r, HTTP_TOO_MANY_REQUESTS,
                                   "Too many requests from this address were "
                                   "refused; try again later.");
    return 1;
}

/*
 * What a device causes that is as it should be, but badly configured, locks
 * nobody out, nor does a service that is down.
 */
static int is_suspect(scep_reason_t reason)
{
    switch (reason) {
    case SCEP_REASON_NOT_CMS:
    case SCEP_REASON_BAD_QUERY:
    case SCEP_REASON_CHECK:
    case SCEP_REASON_ATTRIBUTES:
    case SCEP_REASON_SIGNER:
    case SCEP_REASON_CSR:
    case SCEP_REASON_POP:
    case SCEP_REASON_CHALLENGE:
    case SCEP_REASON_BREACH:
        return 1;
    default:
        return 0;
    }
}

void mod_scep_lockout_count(request_rec *r, const scep_profile_t *profile,
                            scep_reason_t reason)
{
    const scep_lockout_conf_t *lockout = conf_of(r);
    apr_time_t now = apr_time_now();
    const char *client, *refused;

    if (!lockout || !is_suspect(reason))
        return;
    client = client_of(r);
    refused = apr_pstrcat(r->pool, "refused/", client, NULL);
    if (mod_scep_counters_add(refused, lockout->time, now) < lockout->number ||
        mod_scep_counters_add(apr_pstrcat(r->pool, "locked/", client, NULL),
                              lockout->duration, now) != 1)
        return;
    /* after the lock it begins at nought */
    mod_scep_counters_forget(refused, now);
    mod_scep_metrics_count("scep_lockouts_total",
                           apr_psprintf(r->pool, "profile=\"%s\"",
                                        profile->name));
    ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r,
                  SCEPLOGNO(0147) "%s is locked out for %ld s after %u "
                                  "refusals, the last one of profile %s: %s",
                  client, (long)apr_time_sec(lockout->duration),
                  lockout->number, profile->name,
                  scep_result_reason_name(reason));
}
