/* admin_challenges.c - the resource "challenges" of the admin API
 * SPDX-License-Identifier: Apache-2.0
 */
#include "admin.h"

#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>

#include "audit.h"
#include "callers.h"
#include "challenge_order.h"

const apr_array_header_t *mod_scep_admin_profiles(const request_rec *r)
{
    const scep_conf_t *conf = mod_scep_conf_get(r->server);
    apr_array_header_t *names =
        apr_array_make(r->pool, conf->profiles->nelts, sizeof(const char *));

    for (int i = 0; i < conf->profiles->nelts; i++) {
        APR_ARRAY_PUSH(names, const char *) =
            APR_ARRAY_IDX(conf->profiles, i, scep_profile_t *)->name;
    }
    return names;
}

int mod_scep_admin_down(request_rec *r, apr_status_t rv)
{
    ap_log_rerror(APLOG_MARK, APLOG_ERR, rv, r,
                  SCEPLOGNO(0127) "the challenge store %s failed, and the "
                                  "admin API with it",
                  mod_scep_conf_get(r->server)->store_name);
    return mod_scep_json_problem(r, HTTP_SERVICE_UNAVAILABLE,
                                 "The challenge store does not work now; see "
                                 "the server's error log.");
}

static int not_live(request_rec *r, int status, const char *id)
{
    return mod_scep_json_problem(r, status, "There is no live challenge %s.",
                                 id);
}

/* Finds a challenge that the caller may know of; where there is none,
 * answers so and sets *status to what the handler returns. */
static int find(request_rec *r, const char *id, scep_challenge_info_t *info,
                int *status)
{
    const scep_conf_t *conf = mod_scep_conf_get(r->server);
    apr_status_t rv;

    if (strlen(id) != SCEP_CHALLENGE_ID_SIZE - 1 ||
        strspn(id, "0123456789abcdef") != strlen(id)) {
        *status = mod_scep_json_problem(r, HTTP_NOT_FOUND,
                                        "A challenge has an id of 16 "
                                        "hexadecimal digits.");
        return 0;
    }
    rv = conf->store_provider->get(conf->store, id, r->request_time,
                                   mod_scep_admin_profiles(r), info, r->pool);
    if (rv == APR_SUCCESS &&
        mod_scep_callers_sees(r, mod_scep_order_requester(r), info))
        return 1;
    *status = rv == APR_SUCCESS || APR_STATUS_IS_NOTFOUND(rv)
                  ? mod_scep_json_problem(r, HTTP_NOT_FOUND,
                                          "There is no challenge %s.", id)
                  : mod_scep_admin_down(r, rv);
    return 0;
}

static int unrecorded(request_rec *r, apr_status_t rv, const char *id,
                      const char *what)
{
    ap_log_rerror(APLOG_MARK, APLOG_ERR, rv, r,
                  SCEPLOGNO(0536) "the ledger does not take the event of "
                                  "challenge %s, which %s",
                  id, what);
    return mod_scep_json_problem(r, HTTP_SERVICE_UNAVAILABLE,
                                 "The ledger does not work now; challenge %s "
                                 "%s.",
                                 id, what);
}

static apr_status_t record(request_rec *r, scep_event_type_t type,
                           const scep_challenge_info_t *info,
                           const char *detail)
{
    scep_event_t event;

    mod_scep_audit_begin(&event, type, r);
    event.profile = info->profile;
    event.challenge = info->id;
    event.detail = detail;
    return mod_scep_audit_write_one(r->server, &event, r->pool);
}

static int withdraw(request_rec *r, const scep_challenge_info_t *info)
{
    const char *id = info->id;
    const scep_conf_t *conf = mod_scep_conf_get(r->server);
    apr_status_t rv = conf->store_provider->revoke(conf->store, id,
                                                   r->request_time, r->pool);

    if (APR_STATUS_IS_EBUSY(rv)) {
        return mod_scep_json_problem(r, HTTP_CONFLICT,
                                     "A device is using challenge %s at this "
                                     "moment.",
                                     id);
    }
    if (APR_STATUS_IS_NOTFOUND(rv))
        return not_live(r, HTTP_NOT_FOUND, id);
    if (rv != APR_SUCCESS)
        return mod_scep_admin_down(r, rv);
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                  SCEPLOGNO(0125) "challenge %s revoked by %s", id,
                  ap_escape_logitem(r->pool, mod_scep_admin_actor(r)));
    /* On record or not: it takes rights away and gives none. */
    rv = record(r, SCEP_EVENT_CHALLENGE_REVOKED, info, NULL);
    if (rv != APR_SUCCESS)
        return unrecorded(r, rv, id, "is revoked all the same");
    r->status = HTTP_NO_CONTENT;
    return OK;
}

/* Reads the new expiry.  @return NULL, or a sentence that says what is wrong
 */
static const char *read_extension(request_rec *r, const json_t *body,
                                  const scep_challenge_info_t *info,
                                  apr_time_t *expires)
{
    static const char *const members[] = { "ttl", NULL };
    const scep_profile_t *profile =
        mod_scep_conf_find_profile(mod_scep_conf_get(r->server),
                                   info->profile);
    apr_time_t last = info->created + profile->challenge_max_ttl;
    apr_interval_time_t ttl = 0;
    const char *err = mod_scep_json_known(body, members, r->pool);

    if (!err && !json_object_get(body, "ttl"))
        err = "Say in \"ttl\" for how long from now on.";
    if (!err)
        err = mod_scep_admin_ttl(body, &ttl, r->pool);
    if (!err && ttl < apr_time_from_sec(1))
        err = "\"ttl\": one second is the least.";
    *expires = r->request_time + ttl;
    if (!err && apr_time_sec(*expires) > apr_time_sec(last)) {
        err = apr_psprintf(r->pool,
                           "\"ttl\": profile %s lets this challenge live "
                           "until %s at most.",
                           profile->name, mod_scep_json_time(last, r->pool));
    }
    return err;
}

static int not_later(request_rec *r, const scep_challenge_info_t *info)
{
    return mod_scep_json_problem(r, HTTP_CONFLICT,
                                 "Challenge %s expires at %s, which is not "
                                 "earlier.",
                                 info->id,
                                 mod_scep_json_time(info->expires, r->pool));
}

static int extend_to(request_rec *r, scep_challenge_info_t *info,
                     apr_time_t expires)
{
    const scep_conf_t *conf = mod_scep_conf_get(r->server);
    apr_status_t rv;

    if (apr_time_sec(expires) <= apr_time_sec(info->expires))
        return not_later(r, info);
    /* On record first: an extension cannot be taken back. */
    rv = record(r, SCEP_EVENT_CHALLENGE_EXTENDED, info,
                apr_pstrcat(r->pool, "expires ",
                            mod_scep_json_time(expires, r->pool), NULL));
    if (rv != APR_SUCCESS)
        return unrecorded(r, rv, info->id, "is not extended");
    rv = conf->store_provider->extend(conf->store, info->id, expires,
                                      r->request_time, r->pool);
    if (APR_STATUS_IS_NOTFOUND(rv))
        return not_live(r, HTTP_CONFLICT, info->id);
    if (APR_STATUS_IS_EINVAL(rv))
        return not_later(r, info);
    if (rv != APR_SUCCESS)
        return mod_scep_admin_down(r, rv);
    info->expires = expires;
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                  SCEPLOGNO(0128) "challenge %s extended by %s, expires %s",
                  info->id,
                  ap_escape_logitem(r->pool, mod_scep_admin_actor(r)),
                  mod_scep_json_time(expires, r->pool));
    return mod_scep_json_send(r, HTTP_OK, mod_scep_admin_row(info, r->pool));
}

static int extend(request_rec *r, scep_challenge_info_t *info)
{
    apr_time_t expires;
    json_t *body = NULL;
    int status = mod_scep_json_read(r, &body);
    const char *err;

    if (!body)
        return status;
    if (info->state != SCEP_CHALLENGE_STATE_ISSUED &&
        info->state != SCEP_CHALLENGE_STATE_CLAIMED) {
        status = not_live(r, HTTP_CONFLICT, info->id);
    } else if (!info->profile) {
        status = mod_scep_json_problem(r, HTTP_CONFLICT,
                                       "The profile of challenge %s is no "
                                       "longer configured.",
                                       info->id);
    } else {
        err = read_extension(r, body, info, &expires);
        status = err ? mod_scep_json_problem(r, HTTP_BAD_REQUEST, "%s", err)
                     : extend_to(r, info, expires);
    }
    json_decref(body);
    return status;
}

static int serve_one(request_rec *r, const char *id)
{
    scep_challenge_info_t info;
    int status;

    if (r->method_number != M_GET && r->method_number != M_PATCH &&
        r->method_number != M_DELETE)
        return mod_scep_json_not_allowed(r, "GET, HEAD, PATCH, DELETE");
    if (!find(r, id, &info, &status))
        return status;
    switch (r->method_number) {
    case M_PATCH:
        return extend(r, &info);
    case M_DELETE:
        return withdraw(r, &info);
    default:
        return mod_scep_json_send(r, HTTP_OK,
                                  mod_scep_admin_row(&info, r->pool));
    }
}

int mod_scep_admin_challenges(request_rec *r, const char *id)
{
    /* what would be ignored was meant to bind or to filter something */
    if (r->args && *r->args && (id || r->method_number != M_GET)) {
        return mod_scep_json_problem(r, HTTP_BAD_REQUEST,
                                     "This call takes no query: what it needs "
                                     "is in the path and the body.");
    }
    if (id)
        return serve_one(r, id);
    switch (r->method_number) {
    case M_GET:
        return mod_scep_admin_list(r);
    case M_POST:
        return mod_scep_admin_issue(r);
    default:
        return mod_scep_json_not_allowed(r, "GET, HEAD, POST");
    }
}
