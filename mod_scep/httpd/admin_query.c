/* admin_query.c - what is asked of the admin API's lists, and their pages
 * SPDX-License-Identifier: Apache-2.0
 */
#include "admin_query.h"

#include <apr_strings.h>
#include <http_protocol.h>

#include "callers.h"
#include "core/time_text.h"
#include "core/utf8.h"

/* ------------------------------------------------------------------ */
/* The query                                                            */

const char *mod_scep_admin_query(request_rec *r, scep_admin_reader_t *reader,
                                 void *baton)
{
    apr_table_t *seen = apr_table_make(r->pool, 5);
    const char *args = r->args ? r->args : "", *err = NULL;

    while (!err && *args) {
        char *value = ap_getword(r->pool, &args, '&');
        char *name = ap_getword(r->pool, (const char **)&value, '=');

        if (ap_unescape_urlencoded(name) != OK ||
            ap_unescape_urlencoded(value) != OK)
            err = "The query has an escape that is none.";
        else if (apr_table_get(seen, name))
            err = apr_psprintf(r->pool, "\"%s\" is given twice.", name);
        else
            err = reader(baton, name, value, r->pool);
        apr_table_setn(seen, name, value);
    }
    return err;
}

const char *mod_scep_admin_number(apr_int64_t *number, apr_int64_t least,
                                  apr_int64_t most, const char *name,
                                  const char *value, apr_pool_t *p)
{
    size_t digits = strspn(value, "0123456789");

    /* what is too large for it becomes the largest */
    *number = apr_atoi64(value);
    return digits && !value[digits] && *number >= least && *number <= most
               ? NULL
               : apr_psprintf(p,
                              "\"%s\" is a number from %" APR_INT64_T_FMT
                              " to %" APR_INT64_T_FMT ".",
                              name, least, most);
}

const char *mod_scep_admin_limit(int *limit, int most, const char *value,
                                 apr_pool_t *p)
{
    apr_int64_t number;
    const char *err =
        mod_scep_admin_number(&number, 1, most, "limit", value, p);

    *limit = (int)number;
    return err;
}

const char *mod_scep_admin_since(apr_time_t *since, const char *value,
                                 apr_pool_t *p)
{
    return scep_time_read(since, value, p) == APR_SUCCESS
               ? NULL
               : "\"since\" is a time such as 2027-03-31T12:00:00Z, or a "
                 "date.";
}

const char *mod_scep_admin_word(const char **text, const char *name,
                                const char *value, apr_pool_t *p)
{
    *text = value;
    return *value ? NULL : apr_psprintf(p, "\"%s\" is empty.", name);
}

/* ------------------------------------------------------------------ */
/* The ledger                                                           */

int mod_scep_admin_has_ledger(request_rec *r, const char *allowed, int *status)
{
    int post = !strcmp(allowed, "POST");

    if (r->method_number != (post ? M_POST : M_GET)) {
        *status = mod_scep_json_not_allowed(r, allowed);
        return 0;
    }
    if (!mod_scep_conf_get(r->server)->ledger) {
        *status = mod_scep_json_problem(r, HTTP_NOT_FOUND,
                                        "There is no ledger: ScepLedger is "
                                        "off.");
        return 0;
    }
    return 1;
}

int mod_scep_admin_ledger_down(request_rec *r)
{
    return mod_scep_json_problem(r, HTTP_SERVICE_UNAVAILABLE,
                                 "The ledger does not work now; see the "
                                 "server's error log.");
}

int mod_scep_admin_narrow(request_rec *r, const char **profile, int *status)
{
    const apr_array_header_t *only = mod_scep_callers_profiles(r);

    if (!only)
        return 1;
    if (*profile && mod_scep_callers_has_profile(r, *profile))
        return 1;
    if (*profile || only->nelts == 0) {
        *status = mod_scep_json_problem(r, HTTP_FORBIDDEN,
                                        "You may not see what belongs to "
                                        "%s%s.",
                                        *profile ? "profile " : "all callers",
                                        *profile ? *profile : "");
        return 0;
    }
    if (only->nelts > 1) {
        *status =
            mod_scep_json_problem(r, HTTP_BAD_REQUEST,
                                  "Say with \"profile\" which of yours: %s.",
                                  apr_array_pstrcat(r->pool, only, ','));
        return 0;
    }
    *profile = APR_ARRAY_IDX(only, 0, const char *);
    return 1;
}

int mod_scep_admin_page(request_rec *r, json_t *answer, const char *member,
                        json_t *rows, int limit)
{
    size_t count = json_array_size(rows);

    if (count && count == (size_t)limit) {
        json_object_set(answer, "next",
                        json_object_get(json_array_get(rows, count - 1),
                                        "number"));
    }
    json_object_set_new(answer, member, rows);
    return mod_scep_json_send(r, HTTP_OK, answer);
}

void mod_scep_admin_put(json_t *object, const char *member, const char *text,
                        apr_pool_t *p)
{
    if (text && *text) {
        json_object_set_new(object, member,
                            json_string(
                                scep_utf8_clean(text, strlen(text), p)));
    }
}

void mod_scep_admin_put_time(json_t *object, const char *member,
                             apr_time_t time, apr_pool_t *p)
{
    if (time > 0) {
        json_object_set_new(object, member,
                            json_string(mod_scep_json_time(time, p)));
    }
}
