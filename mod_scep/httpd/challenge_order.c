/* challenge_order.c - one way to issue a challenge, for every front door
 * SPDX-License-Identifier: Apache-2.0
 */
#include "challenge_order.h"

#include <apr_strings.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "admin.h"
#include "audit.h"
#include "callers.h"
#include "core/network.h"
#include "core/utf8.h"
#include "json.h"
#include "metrics.h"

#define OCTETS_MAX 32

/* What is left of a name in front of its digest. */
#define PREFIX_MAX (SCEP_CHALLENGE_REQUESTER_MAX - 9)

const char *mod_scep_order_requester_of(const char *name, apr_pool_t *p)
{
    unsigned char digest[EVP_MAX_MD_SIZE];

    if (strlen(name) <= SCEP_CHALLENGE_REQUESTER_MAX &&
        scep_utf8_is_printable(name))
        return name;
    if (EVP_Digest(name, strlen(name), digest, NULL, EVP_sha256(), NULL) !=
        1) {
        ERR_clear_error();
        return NULL;
    }
    return apr_psprintf(p, "%s~%02x%02x%02x%02x",
                        scep_utf8_clean(name, PREFIX_MAX, p), digest[0],
                        digest[1], digest[2], digest[3]);
}

const char *mod_scep_order_requester(request_rec *r)
{
    return mod_scep_order_requester_of(mod_scep_admin_actor(r), r->pool);
}

void mod_scep_order_init(scep_order_t *order, request_rec *r)
{
    memset(order, 0, sizeof(*order));
    order->r = r;
    order->spec.requester = mod_scep_order_requester(r);
    order->spec.created = r->request_time;
}

const char *mod_scep_order_profile(scep_order_t *order, const char *name)
{
    request_rec *r = order->r;
    const scep_profile_t *profile =
        name ? mod_scep_conf_find_profile(mod_scep_conf_get(r->server), name)
             : mod_scep_conf_profile(r);

    if (!profile) {
        return name ? apr_psprintf(r->pool, "There is no profile \"%s\".",
                                   scep_utf8_clean(name, 100, r->pool))
                    : "Say in \"profile\" which profile the challenge is "
                      "for.";
    }
    order->profile = profile;
    order->spec.profile = profile->name;
    return NULL;
}

/* What a parser says may quote octets that are no text. */
static const char *wrong(const scep_order_t *order, const char *member,
                         const char *err)
{
    apr_pool_t *p = order->r->pool;

    return apr_psprintf(p, "\"%s\": %s.", member,
                        scep_utf8_clean(err, strlen(err), p));
}

const char *mod_scep_order_subject(scep_order_t *order, const char *dn)
{
    apr_pool_t *p = order->r->pool;
    X509_NAME *name;
    const char *err;

    if (!dn)
        return NULL;
    err = scep_name_parse(&name, dn, p);
    if (err)
        return wrong(order, "subject", apr_pstrcat(p, "no DN: ", err, NULL));
    order->subject = name;
    order->subject_text = scep_name_text(name, p);
    order->spec.subject = scep_name_canonical(name, p);
    return NULL;
}

const char *mod_scep_order_sans(scep_order_t *order,
                                const apr_array_header_t *words)
{
    const char *err = NULL;

    if (!words)
        return NULL;
    order->spec.sans = scep_name_sans_parse(words, &err, order->r->pool);
    return order->spec.sans
               ? NULL
               : wrong(order, "sans", err ? err : "a value is malformed");
}

const char *mod_scep_order_device(scep_order_t *order, const char *device)
{
    apr_pool_t *p = order->r->pool;

    if (!device)
        return NULL;
    if (scep_utf8_is_printable(device))
        order->spec.device = scep_device_canonical(device, p);
    return order->spec.device
               ? NULL
               : wrong(order, "device",
                       apr_psprintf(p,
                                    "give 1 to %d octets of UTF-8 text "
                                    "without control characters",
                                    SCEP_DEVICE_MAX));
}

const char *mod_scep_order_network(scep_order_t *order, const char *network)
{
    const char *err;

    if (!network)
        return NULL;
    err = scep_network_parse(&order->network, network, order->r->pool);
    order->spec.network = &order->network;
    return err ? wrong(order, "network", err) : NULL;
}

const char *mod_scep_order_note(scep_order_t *order, const char *note)
{
    if (!note)
        return NULL;
    if (strlen(note) > SCEP_CHALLENGE_NOTE_MAX ||
        !scep_utf8_is_printable(note)) {
        return wrong(order, "note",
                     apr_psprintf(order->r->pool,
                                  "give at most %d octets of UTF-8 text "
                                  "without control characters",
                                  SCEP_CHALLENGE_NOTE_MAX));
    }
    order->spec.note = note;
    return NULL;
}

const char *mod_scep_order_ttl(scep_order_t *order, apr_interval_time_t ttl)
{
    apr_interval_time_t cap = order->profile->challenge_max_ttl;

    if (ttl < apr_time_from_sec(1))
        return wrong(order, "ttl", "one second is the least");
    if (ttl > cap) {
        return wrong(order, "ttl",
                     apr_psprintf(order->r->pool,
                                  "profile %s allows %" APR_TIME_T_FMT
                                  " seconds at most",
                                  order->profile->name, apr_time_sec(cap)));
    }
    order->ttl = ttl;
    return NULL;
}

const char *mod_scep_order_uses(scep_order_t *order, apr_int64_t uses)
{
    if (uses < 1 || uses > SCEP_CHALLENGE_USES_MAX) {
        return wrong(order, "uses",
                     apr_psprintf(order->r->pool, "give a number from 1 to %d",
                                  SCEP_CHALLENGE_USES_MAX));
    }
    order->spec.uses = (unsigned int)uses;
    return NULL;
}

/* Names what the profile demands and nobody gave, or NULL. */
static const char *missing(const scep_order_t *order)
{
    const scep_challenge_spec_t *spec = &order->spec;
    unsigned int demanded = order->profile->challenge_require;

    if (!spec->subject && (demanded & SCEP_REQUIRE_SUBJECT))
        return "subject";
    if (!spec->sans && (demanded & SCEP_REQUIRE_SANS))
        return "sans";
    if (!spec->device && (demanded & SCEP_REQUIRE_DEVICE))
        return "device";
    if (!spec->network && (demanded & SCEP_REQUIRE_NETWORK))
        return "network";
    return NULL;
}

static scep_order_outcome_t refuse(const scep_order_t *order,
                                   scep_order_outcome_t outcome,
                                   const char *why, const char **detail)
{
    request_rec *r = order->r;

    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                  SCEPLOGNO(0126) "no challenge of profile %s for %s: %s",
                  order->spec.profile,
                  ap_escape_logitem(r->pool, mod_scep_admin_actor(r)), why);
    *detail = why;
    return outcome;
}

/* Whether the caller may have it and the profile allows it. */
static scep_order_outcome_t judge(const scep_order_t *order,
                                  const char **detail)
{
    apr_pool_t *p = order->r->pool;
    const char *why =
        mod_scep_callers_refuse(order->r, order->profile, order->subject);

    if (why)
        return refuse(order, SCEP_ORDER_FORBIDDEN, why, detail);
    why = missing(order);
    if (why) {
        why = apr_psprintf(p,
                           "Challenges of profile %s must be bound: give "
                           "\"%s\".",
                           order->profile->name, why);
    } else if (order->spec.reusable && !order->spec.subject) {
        why = "A reusable challenge must be bound: give \"subject\".";
    } else if (order->spec.reusable && order->spec.uses) {
        why = "A challenge is reusable or good for some uses: leave out "
              "\"reusable\" or \"uses\".";
    }
    return why ? refuse(order, SCEP_ORDER_INCOMPLETE, why, detail)
               : SCEP_ORDER_DONE;
}

static scep_order_outcome_t down(const scep_order_t *order, apr_status_t rv,
                                 const char **detail)
{
    ap_log_rerror(APLOG_MARK, APLOG_ERR, rv, order->r,
                  SCEPLOGNO(0124) "the challenge store %s failed",
                  mod_scep_conf_get(order->r->server)->store_name);
    *detail = "The challenge store does not work now; see the server's error "
              "log.";
    return SCEP_ORDER_DOWN;
}

/*
 * Counts before the challenge is made, so that a caller who has enough of them
 * leaves nothing in the store, and again when it is there: of callers that ask
 * at the same time none then goes over the quota, whatever the order.
 * @param id  NULL: it is not there yet
 */
static scep_order_outcome_t check_quota(const scep_order_t *order,
                                        const char *id, const char **detail)
{
    request_rec *r = order->r;
    const scep_conf_t *conf = mod_scep_conf_get(r->server);
    apr_uint64_t quota, count = 0;
    apr_status_t rv, gone = APR_SUCCESS;

    if (!mod_scep_callers_quota(r, &quota))
        return SCEP_ORDER_DONE;
    rv = conf->store_provider->count(conf->store, order->spec.requester,
                                     id || !quota ? quota : quota - 1,
                                     r->request_time, &count, r->pool);
    if (rv == APR_SUCCESS && count + !id <= quota)
        return SCEP_ORDER_DONE;
    if (id) {
        gone = conf->store_provider->revoke(conf->store, id, r->request_time,
                                            r->pool);
    }
    if (rv != APR_SUCCESS || gone != APR_SUCCESS)
        return down(order, rv ? rv : gone, detail);
    return refuse(order, SCEP_ORDER_QUOTA,
                  apr_psprintf(r->pool,
                               "You have as many live challenges as you may, "
                               "%" APR_UINT64_T_FMT ": wait until some are "
                               "used or expire, or revoke some.",
                               quota),
                  detail);
}

static scep_order_outcome_t store(scep_order_t *order, scep_issued_t *issued,
                                  const char **detail)
{
    request_rec *r = order->r;
    const scep_conf_t *conf = mod_scep_conf_get(r->server);
    scep_order_outcome_t outcome = check_quota(order, NULL, detail);
    apr_status_t rv;

    if (outcome != SCEP_ORDER_DONE)
        return outcome;
    order->spec.secret = issued->secret;
    rv = conf->store_provider->issue(conf->store, &order->spec, issued->id,
                                     r->pool);
    order->spec.secret = NULL;
    if (APR_STATUS_IS_ENOSPC(rv)) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                      SCEPLOGNO(0123) "the challenge store %s is full",
                      conf->store_name);
        *detail = "The challenge store is full: wait until challenges are "
                  "used or expire, or raise ScepChallengeStore.";
        return SCEP_ORDER_FULL;
    }
    return rv == APR_SUCCESS ? check_quota(order, issued->id, detail)
                             : down(order, rv, detail);
}

/* What the trail says of a challenge: the door, and what it is bound to. */
static const char *describe(const scep_order_t *order)
{
    apr_pool_t *p = order->r->pool;
    const char *text =
        apr_pstrcat(p, order->r->handler + strlen("scep-"), ", expires ",
                    mod_scep_json_time(order->spec.expires, p), NULL);

    if (order->subject)
        text = apr_pstrcat(p, text, ", subject ", order->subject_text, NULL);
    if (order->spec.sans)
        text = apr_pstrcat(p, text, ", sans", NULL);
    if (order->spec.device)
        text = apr_pstrcat(p, text, ", device", NULL);
    if (order->spec.network)
        text = apr_pstrcat(p, text, ", network", NULL);
    if (order->spec.reusable)
        text = apr_pstrcat(p, text, ", reusable", NULL);
    if (order->spec.uses > 1)
        text = apr_psprintf(p, "%s, %u uses", text, order->spec.uses);
    return order->spec.note
               ? apr_pstrcat(p, text, ", note: ", order->spec.note, NULL)
               : text;
}

/* A challenge that is not on record is given to nobody. */
static scep_order_outcome_t record(const scep_order_t *order, const char *id,
                                   const char **detail)
{
    request_rec *r = order->r;
    const scep_conf_t *conf = mod_scep_conf_get(r->server);
    scep_event_t event;
    apr_status_t rv, gone;

    mod_scep_audit_begin(&event, SCEP_EVENT_CHALLENGE_ISSUED, r);
    event.profile = order->spec.profile;
    event.challenge = id;
    event.detail = describe(order);
    rv = mod_scep_audit_write_one(r->server, &event, r->pool);
    if (rv == APR_SUCCESS)
        return SCEP_ORDER_DONE;
    gone = conf->store_provider->revoke(conf->store, id, r->request_time,
                                        r->pool);
    ap_log_rerror(APLOG_MARK, APLOG_ERR, rv, r,
                  SCEPLOGNO(0535) "the ledger does not take the event of "
                                  "challenge %s: it %s, and nobody has got it",
                  id,
                  gone == APR_SUCCESS ? "is revoked"
                                      : "cannot be revoked either");
    *detail = "The ledger does not work now; see the server's error log.";
    return SCEP_ORDER_DOWN;
}

scep_order_outcome_t mod_scep_order_issue(scep_order_t *order,
                                          unsigned int octets,
                                          scep_issued_t *issued,
                                          const char **detail)
{
    request_rec *r = order->r;
    unsigned char random[OCTETS_MAX];
    char *secret = apr_palloc(r->pool, 2 * octets + 1);
    scep_order_outcome_t outcome = judge(order, detail);

    if (outcome != SCEP_ORDER_DONE)
        return outcome;
    if (!order->spec.requester || RAND_bytes(random, (int)octets) != 1) {
        ERR_clear_error();
        return down(order, APR_EGENERAL, detail);
    }
    for (unsigned int i = 0; i < octets; i++)
        apr_snprintf(secret + 2 * i, 3, "%02X", random[i]);
    OPENSSL_cleanse(random, sizeof(random));
    issued->secret = secret;
    order->spec.expires =
        order->spec.created +
        (order->ttl ? order->ttl : order->profile->challenge_ttl);
    outcome = store(order, issued, detail);
    if (outcome == SCEP_ORDER_DONE && mod_scep_audit_wanted(r->server))
        outcome = record(order, issued->id, detail);
    if (outcome != SCEP_ORDER_DONE) {
        OPENSSL_cleanse(secret, 2 * octets);
        return outcome;
    }
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                  SCEPLOGNO(0122) "challenge %s issued to %s: profile %s, "
                                  "subject \"%s\", expires %s",
                  issued->id,
                  ap_escape_logitem(r->pool, mod_scep_admin_actor(r)),
                  order->spec.profile,
                  order->subject_text
                      ? ap_escape_logitem(r->pool, order->subject_text)
                      : "-",
                  mod_scep_json_time(order->spec.expires, r->pool));
    mod_scep_metrics_count("scep_challenges_issued_total",
                           apr_psprintf(r->pool, "profile=\"%s\",door=\"%s\"",
                                        order->spec.profile,
                                        r->handler + strlen("scep-")));
    return SCEP_ORDER_DONE;
}
