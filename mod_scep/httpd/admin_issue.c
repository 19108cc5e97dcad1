/* admin_issue.c - POST challenges: what is asked for, and what was made
 * SPDX-License-Identifier: Apache-2.0
 */
#include "admin.h"

#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>
#include <openssl/crypto.h>

#include "challenge_order.h"

static const char *const members[] = { "profile", "subject",  "sans",
                                       "device",  "network",  "ttl",
                                       "uses",    "reusable", "note",
                                       NULL };

/* The readers below say what is wrong in words for the caller, or NULL. */

typedef const char *reader_t(scep_order_t *order, const char *text);

static const char *read_text(scep_order_t *order, json_t *body,
                             const char *member, reader_t *reader)
{
    const char *text;
    const char *err = mod_scep_json_text(body, member, &text, order->r->pool);

    return err ? err : reader(order, text);
}

static const char *read_sans(scep_order_t *order, json_t *body)
{
    json_t *sans = json_object_get(body, "sans"), *value;
    apr_array_header_t *words;
    size_t i;

    if (!sans)
        return NULL;
    words = apr_array_make(order->r->pool, 4, sizeof(const char *));
    json_array_foreach(sans, i, value)
    {
        if (!json_is_string(value))
            break;
        APR_ARRAY_PUSH(words, const char *) = json_string_value(value);
    }
    if (!json_is_array(sans) || i < json_array_size(sans)) {
        return "\"sans\" must be an array of strings such as "
               "\"dns:host.example\".";
    }
    return mod_scep_order_sans(order, words);
}

const char *mod_scep_admin_ttl(const json_t *body, apr_interval_time_t *ttl,
                               apr_pool_t *p)
{
    const json_t *value = json_object_get(body, "ttl");
    const char *err = NULL;

    if (json_is_integer(value)) {
        json_int_t seconds = json_integer_value(value);
        *ttl = apr_time_from_sec(seconds < 0            ? 0
                                 : seconds > 1000000000 ? 1000000000
                                                        : seconds);
    } else if (json_is_string(value)) {
        err = mod_scep_conf_time(ttl, json_string_value(value), p);
    } else if (value) {
        err = "it must be a number of seconds or a string such as \"1h\"";
    }
    return err ? apr_psprintf(p, "\"ttl\": %s.", err) : NULL;
}

static const char *read_ttl(scep_order_t *order, json_t *body)
{
    apr_interval_time_t ttl = order->profile->challenge_ttl;
    const char *err = mod_scep_admin_ttl(body, &ttl, order->r->pool);

    return err ? err : mod_scep_order_ttl(order, ttl);
}

static const char *read_uses(scep_order_t *order, json_t *body)
{
    const json_t *uses = json_object_get(body, "uses");
    const json_t *reusable = json_object_get(body, "reusable");

    if (reusable && !json_is_boolean(reusable))
        return "\"reusable\" must be true or false.";
    order->spec.reusable = json_is_true(reusable);
    if (!uses)
        return NULL;
    return json_is_integer(uses)
               ? mod_scep_order_uses(order, json_integer_value(uses))
               : "\"uses\" must be a whole number.";
}

static const char *read_order(scep_order_t *order, json_t *body)
{
    const char *err = mod_scep_json_known(body, members, order->r->pool);

    if (!err)
        err = read_text(order, body, "profile", mod_scep_order_profile);
    if (!err)
        err = read_text(order, body, "subject", mod_scep_order_subject);
    if (!err)
        err = read_sans(order, body);
    if (!err)
        err = read_text(order, body, "device", mod_scep_order_device);
    if (!err)
        err = read_text(order, body, "network", mod_scep_order_network);
    if (!err)
        err = read_text(order, body, "note", mod_scep_order_note);
    if (!err)
        err = read_ttl(order, body);
    return err ? err : read_uses(order, body);
}

/* Whether an endpoint is known to serve a profile.  Where the profile is
 * named by a container around the endpoint's, only a request can tell. */
static int serves(const scep_conf_t *conf, const scep_endpoint_t *endpoint,
                  const scep_profile_t *profile)
{
    return !strcmp(endpoint->dir->handler, "scep") && endpoint->path &&
           (endpoint->dir->profile ? endpoint->dir->profile->profile == profile
                                   : conf->profiles->nelts == 1);
}

/* The URL for devices, NULL where this virtual host has none that is sure. */
static const char *scep_url(request_rec *r, const scep_profile_t *profile)
{
    const scep_conf_t *conf = mod_scep_conf_get(r->server);
    const scep_endpoint_t *found = NULL;

    for (int i = 0; i < conf->endpoints->nelts; i++) {
        const scep_endpoint_t *endpoint =
            &APR_ARRAY_IDX(conf->endpoints, i, scep_endpoint_t);

        if (!serves(conf, endpoint, profile))
            continue;
        /* every virtual host has those of the main server too */
        if (endpoint->server == r->server) {
            found = endpoint;
            break;
        }
        if (!endpoint->server->is_virtual && !found)
            found = endpoint;
    }
    return found ? ap_construct_url(r->pool,
                                    ap_os_escape_path(r->pool, found->path, 1),
                                    r)
                 : NULL;
}

/* Shows what was asked for as it was written, and the subject as read. */
static int answer_created(const scep_order_t *order, json_t *body,
                          const scep_issued_t *issued)
{
    static const char *const echoed[] = { "sans", "device",   "network",
                                          "uses", "reusable", "note",
                                          NULL };
    request_rec *r = order->r;
    const char *url = scep_url(r, order->profile);
    json_t *secret = json_string(issued->secret);
    json_t *answer =
        json_pack("{s:s, s:O, s:s, s:s}", "id", issued->id, "challenge",
                  secret, "profile", order->spec.profile, "expires",
                  mod_scep_json_time(order->spec.expires, r->pool));
    int status;

    if (url)
        json_object_set_new(answer, "url", json_string(url));
    if (order->subject)
        json_object_set_new(answer, "subject",
                            json_string(order->subject_text));
    for (int i = 0; echoed[i]; i++)
        if (json_object_get(body, echoed[i]))
            json_object_set(answer, echoed[i],
                            json_object_get(body, echoed[i]));
    status = mod_scep_json_send(r, HTTP_CREATED, answer);
    if (secret)
        OPENSSL_cleanse((char *)json_string_value(secret),
                        json_string_length(secret));
    json_decref(secret);
    return status;
}

static int issue(scep_order_t *order, json_t *body)
{
    static const int statuses[] = {
        [SCEP_ORDER_DONE] = HTTP_CREATED,
        [SCEP_ORDER_INCOMPLETE] = HTTP_BAD_REQUEST,
        [SCEP_ORDER_FORBIDDEN] = HTTP_FORBIDDEN,
        [SCEP_ORDER_QUOTA] = HTTP_TOO_MANY_REQUESTS,
        [SCEP_ORDER_FULL] = HTTP_INSUFFICIENT_STORAGE,
        [SCEP_ORDER_DOWN] = HTTP_SERVICE_UNAVAILABLE,
    };
    scep_issued_t issued;
    const char *detail;
    scep_order_outcome_t outcome =
        mod_scep_order_issue(order, SCEP_SECRET_OCTETS, &issued, &detail);
    int status;

    if (outcome != SCEP_ORDER_DONE) {
        return mod_scep_json_problem(order->r, statuses[outcome], "%s",
                                     detail);
    }
    status = answer_created(order, body, &issued);
    OPENSSL_cleanse((char *)issued.secret, strlen(issued.secret));
    return status;
}

int mod_scep_admin_issue(request_rec *r)
{
    scep_order_t order;
    json_t *body = NULL;
    int status = mod_scep_json_read(r, &body);
    const char *err;

    if (!body)
        return status;
    mod_scep_order_init(&order, r);
    err = read_order(&order, body);
    status = err ? mod_scep_json_problem(r, HTTP_BAD_REQUEST, "%s", err)
                 : issue(&order, body);
    json_decref(body);
    return status;
}
