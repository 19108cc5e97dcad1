/* admin_challenges.c - the resource "challenges" of the admin API
 * SPDX-License-Identifier: Apache-2.0
 */
#include "admin.h"

#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "conf.h"
#include "json.h"

/* 128 bits in upper-case hexadecimal: every device can take it (C-42). */
#define SECRET_OCTETS 16

/* A body, checked. */
typedef struct order_t {
    const scep_profile_t *profile;
    scep_challenge_spec_t spec;
    const char *subject; /**< as text, for the answer */
    json_t *sans;        /**< as sent, borrowed; or NULL */
} order_t;

/* The readers below say what is wrong in words for the caller, or NULL. */

static const char *check_members(json_t *body, apr_pool_t *p)
{
    static const char *const known[] = { "profile", "subject", "sans", "ttl",
                                         NULL };
    const char *key;
    json_t *value;

    json_object_foreach(body, key, value)
    {
        int i = 0;
        while (known[i] && strcmp(known[i], key))
            i++;
        if (!known[i]) {
            return apr_psprintf(p,
                                "There is no member \"%s\"; known are "
                                "profile, subject, sans and ttl.",
                                key);
        }
    }
    return NULL;
}

/* The text of a string that has no NUL in it, else NULL. */
static const char *plain_text(const json_t *value)
{
    const char *text = json_string_value(value);

    return text && strlen(text) == json_string_length(value) ? text : NULL;
}

static const char *read_profile(request_rec *r, json_t *body, order_t *order)
{
    const scep_conf_t *conf = mod_scep_conf_get(r->server);
    json_t *value = json_object_get(body, "profile");
    const char *name = plain_text(value);

    if (value && !name)
        return "\"profile\" must be a string.";
    order->profile = name ? mod_scep_conf_find_profile(conf, name)
                          : mod_scep_conf_profile(r);
    if (!order->profile) {
        return name
                   ? apr_psprintf(r->pool, "There is no profile \"%s\".", name)
                   : "Say in \"profile\" which profile the challenge is "
                     "for.";
    }
    order->spec.profile = order->profile->name;
    return NULL;
}

static const char *read_subject(request_rec *r, json_t *body, order_t *order)
{
    json_t *value = json_object_get(body, "subject");
    const char *text = plain_text(value), *err;
    X509_NAME *name;

    if (!value)
        return NULL;
    if (!text)
        return "\"subject\" must be a string.";
    err = scep_name_parse(&name, text, r->pool);
    if (err)
        return apr_psprintf(r->pool, "\"subject\" is no DN: %s.", err);
    order->subject = scep_name_text(name, r->pool);
    order->spec.subject = scep_name_canonical(name, r->pool);
    return order->spec.subject ? NULL : "\"subject\" has a malformed value.";
}

static const char *read_sans(request_rec *r, json_t *body, order_t *order)
{
    json_t *sans = json_object_get(body, "sans"), *value;
    apr_array_header_t *words;
    const char *err = NULL;
    size_t i;

    if (!sans)
        return NULL;
    words = apr_array_make(r->pool, 4, sizeof(const char *));
    json_array_foreach(sans, i, value)
    {
        if (!plain_text(value))
            break;
        APR_ARRAY_PUSH(words, const char *) = plain_text(value);
    }
    if (!json_is_array(sans) || i < json_array_size(sans)) {
        return "\"sans\" must be an array of strings such as "
               "\"dns:host.example\".";
    }
    order->spec.sans = scep_name_sans_parse(words, &err, r->pool);
    if (!order->spec.sans) {
        return apr_psprintf(r->pool, "\"sans\": %s.",
                            err ? err : "a value is malformed");
    }
    order->sans = sans;
    return NULL;
}

static const char *read_ttl(request_rec *r, json_t *body, order_t *order)
{
    json_t *value = json_object_get(body, "ttl");
    apr_interval_time_t ttl = order->profile->challenge_ttl;
    apr_interval_time_t cap = order->profile->challenge_max_ttl;
    const char *err = NULL;

    if (json_is_integer(value)) {
        json_int_t seconds = json_integer_value(value);
        ttl = seconds < 1                   ? 0
              : seconds > apr_time_sec(cap) ? cap + 1
                                            : apr_time_from_sec(seconds);
    } else if (plain_text(value)) {
        err = mod_scep_conf_time(&ttl, plain_text(value), r->pool);
    } else if (value) {
        err = "it must be a number of seconds or a string such as \"1h\"";
    }
    if (!err && ttl < apr_time_from_sec(1))
        err = "one second is the least";
    if (!err && ttl > cap) {
        err = apr_psprintf(r->pool,
                           "the profile allows %" APR_TIME_T_FMT
                           " seconds at most",
                           apr_time_sec(cap));
    }
    order->spec.created = r->request_time;
    order->spec.expires = r->request_time + ttl;
    return err ? apr_psprintf(r->pool, "\"ttl\": %s.", err) : NULL;
}

static const char *read_order(request_rec *r, json_t *body, order_t *order)
{
    const char *err = check_members(body, r->pool);

    if (!err)
        err = read_profile(r, body, order);
    if (!err)
        err = read_subject(r, body, order);
    if (!err)
        err = read_sans(r, body, order);
    return err ? err : read_ttl(r, body, order);
}

static int answer_created(request_rec *r, const order_t *order, const char *id,
                          const char *secret)
{
    json_t *answer =
        json_pack("{s:s, s:s, s:s, s:s}", "id", id, "challenge", secret,
                  "profile", order->spec.profile, "expires",
                  mod_scep_json_time(order->spec.expires, r->pool));

    if (answer && order->subject)
        json_object_set_new(answer, "subject", json_string(order->subject));
    if (answer && order->sans)
        json_object_set(answer, "sans", order->sans);
    return mod_scep_json_send(r, HTTP_CREATED, answer);
}

static int issue(request_rec *r, order_t *order)
{
    const scep_conf_t *conf = mod_scep_conf_get(r->server);
    unsigned char random[SECRET_OCTETS];
    char secret[2 * SECRET_OCTETS + 1], id[SCEP_CHALLENGE_ID_SIZE];
    apr_status_t rv;
    int status;

    if (RAND_bytes(random, sizeof(random)) != 1)
        return HTTP_INTERNAL_SERVER_ERROR;
    for (int i = 0; i < SECRET_OCTETS; i++)
        apr_snprintf(secret + 2 * i, 3, "%02X", random[i]);
    order->spec.secret = secret;
    order->spec.requester = mod_scep_admin_actor(r);
    rv = conf->store_provider->issue(conf->store, &order->spec, id, r->pool);
    if (rv == APR_SUCCESS) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                      SCEPLOGNO(0122) "challenge %s issued to %s: profile "
                                      "%s, subject \"%s\", expires %s",
                      id, ap_escape_logitem(r->pool, order->spec.requester),
                      order->spec.profile,
                      order->subject
                          ? ap_escape_logitem(r->pool, order->subject)
                          : "-",
                      mod_scep_json_time(order->spec.expires, r->pool));
        status = answer_created(r, order, id, secret);
    } else if (APR_STATUS_IS_ENOSPC(rv)) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                      SCEPLOGNO(0123) "the challenge store %s is full",
                      conf->store_name);
        status = mod_scep_json_problem(r, HTTP_INSUFFICIENT_STORAGE,
                                       "The challenge store is full: wait "
                                       "until challenges are used or expire, "
                                       "or raise ScepChallengeStore.");
    } else {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, rv, r,
                      SCEPLOGNO(0124) "the challenge store %s failed",
                      conf->store_name);
        status = mod_scep_json_problem(r, HTTP_SERVICE_UNAVAILABLE,
                                       "The challenge store does not work "
                                       "now; see the server's error log.");
    }
    OPENSSL_cleanse(secret, sizeof(secret));
    OPENSSL_cleanse(random, sizeof(random));
    return status;
}

static int create(request_rec *r)
{
    order_t order = { 0 };
    json_t *body = NULL;
    int status = mod_scep_json_read(r, &body);
    const char *err;

    if (!body)
        return status;
    err = read_order(r, body, &order);
    status = err ? mod_scep_json_problem(r, HTTP_BAD_REQUEST, "%s", err)
                 : issue(r, &order);
    json_decref(body);
    return status;
}

static const char *state_name(scep_challenge_state_t state)
{
    static const char *const names[] = {
        [SCEP_CHALLENGE_STATE_NONE] = "none",
        [SCEP_CHALLENGE_STATE_ISSUED] = "issued",
        [SCEP_CHALLENGE_STATE_CLAIMED] = "claimed",
        [SCEP_CHALLENGE_STATE_SPENT] = "spent",
        [SCEP_CHALLENGE_STATE_EXPIRED] = "expired",
        [SCEP_CHALLENGE_STATE_REVOKED] = "revoked",
    };
    return names[state];
}

typedef struct listing_t {
    request_rec *r;
    apr_pool_t *p; /**< cleared for each row */
    apr_uint64_t rows;
} listing_t;

/* A row at a time: a full store is too long a text to hold at once. */
static int list_row(void *baton, const scep_challenge_info_t *info)
{
    listing_t *listing = baton;
    json_t *bound = json_array(), *row;
    char *text;

    apr_pool_clear(listing->p);
    json_array_append_new(bound, json_string("profile"));
    if (info->bound_subject)
        json_array_append_new(bound, json_string("subject"));
    if (info->bound_sans)
        json_array_append_new(bound, json_string("sans"));
    if (info->bound_device)
        json_array_append_new(bound, json_string("device"));
    if (info->bound_network)
        json_array_append_new(bound, json_string("network"));
    row = json_pack("{s:s, s:s, s:s?, s:s, s:s, s:s, s:o}", "id", info->id,
                    "state", state_name(info->state), "profile", info->profile,
                    "created", mod_scep_json_time(info->created, listing->p),
                    "expires", mod_scep_json_time(info->expires, listing->p),
                    "requester", info->requester, "bound", bound);
    text = row ? json_dumps(row, JSON_COMPACT) : NULL;
    json_decref(row);
    if (!text)
        return 1;
    ap_rprintf(listing->r, "%s\n%s", listing->rows++ ? "," : "", text);
    free(text);
    return listing->r->connection->aborted;
}

static int list(request_rec *r)
{
    const scep_conf_t *conf = mod_scep_conf_get(r->server);
    apr_array_header_t *names =
        apr_array_make(r->pool, conf->profiles->nelts, sizeof(const char *));
    scep_challenge_stats_t stats;
    listing_t listing = { r, NULL, 0 };
    apr_status_t rv;

    for (int i = 0; i < conf->profiles->nelts; i++) {
        APR_ARRAY_PUSH(names, const char *) =
            APR_ARRAY_IDX(conf->profiles, i, scep_profile_t *)->name;
    }
    rv = conf->store_provider->stats(conf->store, r->request_time, &stats,
                                     r->pool);
    if (rv != APR_SUCCESS) {
        return mod_scep_json_problem(r, HTTP_SERVICE_UNAVAILABLE,
                                     "The challenge store does not work "
                                     "now; see the server's error log.");
    }
    apr_pool_create(&listing.p, r->pool);
    ap_set_content_type(r, "application/json");
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    ap_rprintf(r,
               "{\"capacity\":%" APR_UINT64_T_FMT
               ",\"live\":%" APR_UINT64_T_FMT ",\"challenges\":[",
               stats.capacity, stats.live);
    rv = conf->store_provider->list(conf->store, r->request_time, names,
                                    list_row, &listing, r->pool);
    ap_rputs(rv == APR_SUCCESS ? "]}\n" : "", r);
    return OK;
}

static int withdraw(request_rec *r, const char *id)
{
    const scep_conf_t *conf = mod_scep_conf_get(r->server);
    apr_status_t rv;

    if (strlen(id) != SCEP_CHALLENGE_ID_SIZE - 1 ||
        strspn(id, "0123456789abcdef") != strlen(id)) {
        return mod_scep_json_problem(r, HTTP_NOT_FOUND,
                                     "A challenge has an id of 16 "
                                     "hexadecimal digits.");
    }
    rv = conf->store_provider->revoke(conf->store, id, r->request_time,
                                      r->pool);
    if (APR_STATUS_IS_EBUSY(rv)) {
        return mod_scep_json_problem(r, HTTP_CONFLICT,
                                     "A device is using challenge %s at this "
                                     "moment.",
                                     id);
    }
    if (rv != APR_SUCCESS) {
        return mod_scep_json_problem(r, HTTP_NOT_FOUND,
                                     "There is no live challenge %s.", id);
    }
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                  SCEPLOGNO(0125) "challenge %s revoked by %s", id,
                  ap_escape_logitem(r->pool, mod_scep_admin_actor(r)));
    r->status = HTTP_NO_CONTENT;
    return OK;
}

int mod_scep_admin_challenges(request_rec *r, const char *id)
{
    if (id) {
        ap_allow_standard_methods(r, REPLACE_ALLOW, M_DELETE, -1);
        return r->method_number == M_DELETE ? withdraw(r, id)
                                            : HTTP_METHOD_NOT_ALLOWED;
    }
    ap_allow_standard_methods(r, REPLACE_ALLOW, M_GET, M_POST, -1);
    switch (r->method_number) {
    case M_GET:
        return list(r);
    case M_POST:
        return create(r);
    default:
        return HTTP_METHOD_NOT_ALLOWED;
    }
}
