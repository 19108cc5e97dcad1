/* admin.c - SetHandler scep-admin: who may call, and which resource
 * SPDX-License-Identifier: Apache-2.0
 */
#include "admin.h"

#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>

#include "conf.h"
#include "handler.h"
#include "http.h"
#include "json.h"
#include "metrics.h"

const char *mod_scep_admin_actor(const request_rec *r)
{
    return r->user ? r->user : r->useragent_ip;
}

/* A page of another site must not act with its reader's rights. */
static int is_foreign(request_rec *r)
{
    const char *origin = apr_table_get(r->headers_in, "Origin");
    const char *host = apr_table_get(r->headers_in, "Host");

    return origin &&
           (!host || strcasecmp(origin, apr_pstrcat(r->pool, ap_http_scheme(r),
                                                    "://", host, NULL)));
}

/* The path below the endpoint without slashes around it; NULL: not below. */
static const char *resource_of(request_rec *r, const scep_dir_conf_t *dir)
{
    apr_size_t len = strlen(dir->base);
    const char *path;
    char *resource;

    while (len && dir->base[len - 1] == '/')
        len--;
    if (strncmp(r->uri, dir->base, len) || (r->uri[len] && r->uri[len] != '/'))
        return NULL;
    path = r->uri + len;
    while (*path == '/')
        path++;
    resource = apr_pstrdup(r->pool, path);
    for (len = strlen(resource); len && resource[len - 1] == '/'; len--)
        resource[len - 1] = '\0';
    return resource;
}

int mod_scep_admin_handler(request_rec *r)
{
    const scep_dir_conf_t *dir;
    const char *resource;

    if (!r->handler || strcmp(r->handler, "scep-admin"))
        return DECLINED;
    dir = ap_get_module_config(r->per_dir_config, &scep_module);
    if (!mod_scep_http_is_guarded(r))
        return HTTP_FORBIDDEN;
    if (r->method_number != M_GET && is_foreign(r)) {
        return mod_scep_json_problem(r, HTTP_FORBIDDEN,
                                     "The Origin of the request is another "
                                     "site.");
    }
    resource = resource_of(r, dir);
    if (resource && !strcmp(resource, "challenges"))
        return mod_scep_admin_challenges(r, NULL);
    if (resource && !strncmp(resource, "challenges/", 11))
        return mod_scep_admin_challenges(r, resource + 11);
    if (resource && !strcmp(resource, "explain"))
        return mod_scep_admin_explain(r);
    if (resource && !strcmp(resource, "events"))
        return mod_scep_admin_events(r);
    if (resource && !strcmp(resource, "seals"))
        return mod_scep_admin_seals(r);
    if (resource && !strcmp(resource, "metrics"))
        return mod_scep_metrics_answer(r);
    return mod_scep_json_problem(r, HTTP_NOT_FOUND,
                                 "There is no such resource; there are "
                                 "challenges, events, explain, metrics and "
                                 "seals.");
}
