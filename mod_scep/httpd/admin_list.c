/* admin_list.c - GET challenges: filtered, a page at a time
 * SPDX-License-Identifier: Apache-2.0
 */
#include "admin.h"

#include <apr_buckets.h>
#include <apr_strings.h>
#include <http_protocol.h>

#include "admin_query.h"
#include "callers.h"
#include "challenge_order.h"
#include "core/utf8.h"
#include "http.h"

#define LIMIT_DEFAULT 1000
#define LIMIT_MAX 10000

static const char *const state_names[] = {
    [SCEP_CHALLENGE_STATE_NONE] = "none",
    [SCEP_CHALLENGE_STATE_ISSUED] = "issued",
    [SCEP_CHALLENGE_STATE_CLAIMED] = "claimed",
    [SCEP_CHALLENGE_STATE_SPENT] = "spent",
    [SCEP_CHALLENGE_STATE_EXPIRED] = "expired",
    [SCEP_CHALLENGE_STATE_REVOKED] = "revoked",
};

#define STATES (sizeof(state_names) / sizeof(*state_names))

/* What a query asks for; NULL and NONE: everything. */
typedef struct filter_t {
    const scep_conf_t *conf;
    const char *profile;
    const char *requester; /**< as the store has it */
    const char *after;     /**< id */
    scep_challenge_state_t state;
    apr_uint64_t limit;
} filter_t;

/* The readers below say what is wrong in words for the caller, or NULL. */

static const char *read_state(filter_t *filter, const char *value)
{
    for (size_t i = SCEP_CHALLENGE_STATE_ISSUED; i < STATES; i++) {
        if (!strcmp(value, state_names[i])) {
            filter->state = (scep_challenge_state_t)i;
            return NULL;
        }
    }
    return "\"state\" is one of issued, claimed, spent, expired and revoked.";
}

static const char *read_limit(filter_t *filter, const char *value,
                              apr_pool_t *p)
{
    size_t digits = strspn(value, "0123456789");

    filter->limit = (apr_uint64_t)apr_atoi64(value);
    return digits && digits < 9 && !value[digits] && filter->limit &&
                   filter->limit <= LIMIT_MAX
               ? NULL
               : apr_psprintf(p, "\"limit\" is a number from 1 to %d.",
                              LIMIT_MAX);
}

static const char *read_filter(void *filterv, const char *name,
                               const char *value, apr_pool_t *p)
{
    filter_t *filter = filterv;

    if (!strcmp(name, "state"))
        return read_state(filter, value);
    if (!strcmp(name, "limit"))
        return read_limit(filter, value, p);
    if (!strcmp(name, "requester")) {
        filter->requester = mod_scep_order_requester_of(value, p);
        return filter->requester ? NULL : "\"requester\" cannot be digested.";
    }
    if (!strcmp(name, "after")) {
        filter->after = value;
        return strlen(value) == SCEP_CHALLENGE_ID_SIZE - 1 &&
                       strspn(value, "0123456789abcdef") == strlen(value)
                   ? NULL
                   : "\"after\" is the id of a challenge.";
    }
    if (strcmp(name, "profile")) {
        return apr_psprintf(p,
                            "There is no parameter \"%s\"; known are state, "
                            "profile, requester, limit and after.",
                            name);
    }
    filter->profile = value;
    return mod_scep_conf_find_profile(filter->conf, value)
               ? NULL
               : apr_psprintf(p, "There is no profile \"%s\".", value);
}

json_t *mod_scep_admin_row(const scep_challenge_info_t *info, apr_pool_t *p)
{
    json_t *bound = json_array(), *row;

    json_array_append_new(bound, json_string("profile"));
    if (info->bound_subject)
        json_array_append_new(bound, json_string("subject"));
    if (info->bound_sans)
        json_array_append_new(bound, json_string("sans"));
    if (info->bound_device)
        json_array_append_new(bound, json_string("device"));
    if (info->bound_network)
        json_array_append_new(bound, json_string("network"));
    row =
        json_pack("{s:s, s:s, s:s?, s:s, s:s, s:s, s:o, s:b}", "id", info->id,
                  "state", state_names[info->state], "profile", info->profile,
                  "created", mod_scep_json_time(info->created, p), "expires",
                  mod_scep_json_time(info->expires, p), "requester",
                  scep_utf8_clean(info->requester,
                                  SCEP_CHALLENGE_REQUESTER_MAX, p),
                  "bound", bound, "reusable", info->reusable);
    if (!info->reusable)
        json_object_set_new(row, "uses_left",
                            json_integer((json_int_t)info->uses_left));
    if (*info->note)
        json_object_set_new(row, "note",
                            json_string(
                                scep_utf8_clean(info->note,
                                                SCEP_CHALLENGE_NOTE_MAX, p)));
    return row;
}

/* A page while it grows, as text: it takes less than a tree of values. */
typedef struct page_t {
    request_rec *r;
    const char *self;
    const filter_t *filter;
    apr_pool_t *p; /**< cleared for each row */
    apr_bucket_brigade *rows;
    apr_uint64_t count;
    char last[SCEP_CHALLENGE_ID_SIZE];
    int more, failed;
} page_t;

static int is_wanted(const page_t *page, const scep_challenge_info_t *info)
{
    const filter_t *filter = page->filter;

    return (!filter->state || info->state == filter->state) &&
           (!filter->profile ||
            (info->profile && !strcmp(info->profile, filter->profile))) &&
           (!filter->requester ||
            !strcmp(info->requester, filter->requester)) &&
           mod_scep_callers_sees(page->r, page->self, info);
}

static int add_row(void *baton, const scep_challenge_info_t *info)
{
    page_t *page = baton;
    json_t *row;
    char *text;

    if (!is_wanted(page, info))
        return 0;
    page->more = page->count == page->filter->limit;
    if (page->more)
        return 1;
    apr_pool_clear(page->p);
    row = mod_scep_admin_row(info, page->p);
    text = row ? json_dumps(row, JSON_COMPACT) : NULL;
    json_decref(row);
    page->failed = !text || apr_brigade_putstrs(page->rows, NULL, NULL,
                                                page->count++ ? ",\n" : "\n",
                                                text, NULL) != APR_SUCCESS;
    free(text);
    apr_cpystrn(page->last, info->id, sizeof(page->last));
    return page->failed;
}

static int send_page(page_t *page, const scep_challenge_stats_t *stats)
{
    request_rec *r = page->r;
    const char *next =
        page->more ? apr_psprintf(r->pool, ",\"next\":\"%s\"", page->last)
                   : "";
    const char *head =
        apr_psprintf(r->pool,
                     "{\"capacity\":%" APR_UINT64_T_FMT
                     ",\"live\":%" APR_UINT64_T_FMT "%s,\"challenges\":[",
                     stats->capacity, stats->live, next);
    apr_size_t len;
    char *body;

    APR_BRIGADE_INSERT_HEAD(page->rows,
                            apr_bucket_pool_create(head, strlen(head), r->pool,
                                                   page->rows->bucket_alloc));
    if (apr_brigade_puts(page->rows, NULL, NULL, "]}\n") != APR_SUCCESS ||
        apr_brigade_pflatten(page->rows, &body, &len, r->pool) != APR_SUCCESS)
        return HTTP_INTERNAL_SERVER_ERROR;
    apr_brigade_destroy(page->rows);
    return mod_scep_http_send(r, "application/json", body, len);
}

int mod_scep_admin_list(request_rec *r)
{
    const scep_conf_t *conf = mod_scep_conf_get(r->server);
    filter_t filter = { .conf = conf, .limit = LIMIT_DEFAULT };
    page_t page = { .r = r, .filter = &filter };
    scep_challenge_stats_t stats;
    const char *err = mod_scep_admin_query(r, read_filter, &filter);
    apr_status_t rv;

    if (err)
        return mod_scep_json_problem(r, HTTP_BAD_REQUEST, "%s", err);
    page.self = mod_scep_order_requester(r);
    page.rows = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    apr_pool_create(&page.p, r->pool);
    rv = conf->store_provider->stats(conf->store, r->request_time, &stats,
                                     r->pool);
    if (rv == APR_SUCCESS) {
        rv = conf->store_provider->list(conf->store, r->request_time,
                                        mod_scep_admin_profiles(r),
                                        filter.after, add_row, &page, r->pool);
    }
    if (rv != APR_SUCCESS)
        return mod_scep_admin_down(r, rv);
    return page.failed ? HTTP_INTERNAL_SERVER_ERROR : send_page(&page, &stats);
}
