/* policy_request.c - what of a policy the request and the ledger decide
 * SPDX-License-Identifier: Apache-2.0
 */
#include "policy_request.h"

#include <ap_expr.h>
#include <apr_strings.h>

#include "http.h"
#include "ledger.h"

typedef struct asked_t {
    request_rec *r;
    const scep_profile_t *profile;
    scep_ledger_t *ledger; /**< NULL: there is none */
} asked_t;

/* The last one, which is the most specific. */
static const char *common_name(const X509_NAME *subject, apr_pool_t *p)
{
    int at = -1, next;

    while ((next = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >=
           0)
        at = next;
    return at < 0 ? NULL
                  : scep_name_utf8(X509_NAME_ENTRY_get_data(
                                       X509_NAME_get_entry(subject, at)),
                                   p);
}

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

void mod_scep_policy_note(request_rec *r, const scep_profile_t *profile,
                          const scep_policy_request_t *request)
{
    apr_pool_t *p = r->pool;

    mod_scep_http_note(r, "scep-profile", profile->name);
    mod_scep_http_note(r, "scep-message-type", apr_itoa(p, request->type));
    mod_scep_http_note(r, "scep-subject", scep_name_text(request->subject, p));
    mod_scep_http_note(r, "scep-cn",
                       or_empty(common_name(request->subject, p)));
    mod_scep_http_note(r, "scep-sans",
                       scep_name_sans_text(request->csr->sans, p));
    mod_scep_http_note(r, "scep-device", or_empty(request->device));
    mod_scep_http_note(r, "scep-verified-by", or_empty(request->verified_by));
}

static int holds(void *asked, const scep_policy_condition_t *condition,
                 const scep_policy_request_t *request, const char **error,
                 apr_pool_t *p)
{
    const asked_t *by = asked;
    int value;

    (void)p;
    *error = NULL;
    mod_scep_policy_note(by->r, by->profile, request);
    value = ap_expr_exec(by->r, condition->expression, error);
    return *error || value < 0 ? -1 : value > 0;
}

/* Whether the certificate that is renewed is among those that count. */
static int is_counted(const asked_t *by, const char *renews,
                      const char *holder, apr_time_t now, apr_pool_t *p,
                      apr_status_t *rv)
{
    scep_certificate_t old;

    *rv = mod_scep_ledger_certificate_in(by->ledger, by->profile->name, renews,
                                         &old, p);
    if (APR_STATUS_IS_NOTFOUND(*rv)) {
        *rv = APR_SUCCESS;
        return 0;
    }
    return *rv == APR_SUCCESS && old.state == SCEP_CERTIFICATE_LIVE &&
           old.not_after > now && !strcmp(old.names, holder);
}

static apr_status_t count_live(void *asked, const char *holder,
                               const char *renews, int *count, apr_pool_t *p)
{
    const asked_t *by = asked;
    apr_time_t now = by->r->request_time;
    apr_status_t rv;

    if (!by->ledger)
        return APR_ENOTIMPL;
    rv = mod_scep_ledger_count_live(by->ledger, by->profile->name, holder, now,
                                    count, p);
    if (rv == APR_SUCCESS && *count > 0 && renews)
        *count -= is_counted(by, renews, holder, now, p, &rv);
    return rv;
}

static apr_status_t count_key(void *asked, const char *spki,
                              const char *holder, int *count, apr_pool_t *p)
{
    const asked_t *by = asked;

    return by->ledger
               ? mod_scep_ledger_count_key(by->ledger, spki, holder,
                                           by->r->request_time, count, p)
               : APR_ENOTIMPL;
}

/* The request as it would be from another address, with notes of its own:
 * who explains must not change what is logged of himself. */
static request_rec *as_if_from(request_rec *r, const char *address)
{
    request_rec *other = apr_pmemdup(r->pool, r, sizeof(*r));

    other->notes = apr_table_clone(r->pool, r->notes);
    other->subprocess_env = apr_table_clone(r->pool, r->subprocess_env);
    other->useragent_ip = (char *)address;
    if (apr_sockaddr_info_get(&other->useragent_addr, address, APR_UNSPEC, 0,
                              0, r->pool) != APR_SUCCESS)
        return NULL;
    return other;
}

const scep_policy_ops_t *mod_scep_policy_ops(request_rec *r,
                                             const scep_profile_t *profile,
                                             const char *address)
{
    scep_policy_ops_t *ops = apr_palloc(r->pool, sizeof(*ops));
    asked_t *asked = apr_palloc(r->pool, sizeof(*asked));

    asked->r = address ? as_if_from(r, address) : r;
    asked->profile = profile;
    asked->ledger = mod_scep_conf_get(r->server)->ledger;
    if (!asked->r)
        return NULL;
    ops->baton = asked;
    ops->holds = holds;
    ops->count_live = count_live;
    ops->count_key = count_key;
    return ops;
}
