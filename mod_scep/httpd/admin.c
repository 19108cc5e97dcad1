/* admin.c - SetHandler scep-admin: who may call, and which resource
 * SPDX-License-Identifier: Apache-2.0
 */
#include "admin.h"

#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>

#include "conf.h"
#include "handler.h"
#include "health.h"
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

static int no_such(request_rec *r)
{
    return mod_scep_json_problem(r, HTTP_NOT_FOUND,
                                 "There is no such resource; there are "
                                 "certificates, challenges, enrolments, "
                                 "events, explain, health, metrics and "
                                 "seals.");
}

static int serve(request_rec *r, const char *resource)
{
    static const struct {
        const char *name;
        int (*serve)(request_rec *r);
    } single[] = { { "events", mod_scep_admin_events },
                   { "explain", mod_scep_admin_explain },
                   { "health", mod_scep_health_answer },
                   { "metrics", mod_scep_metrics_answer },
                   { "seals", mod_scep_admin_seals } };
    static const struct {
        const char *name;
        /* path: what follows the name and a slash, NULL for the collection */
        int (*serve)(request_rec *r, const char *path);
    } many[] = { { "certificates", mod_scep_admin_certificates },
                 { "challenges", mod_scep_admin_challenges },
                 { "enrolments", mod_scep_admin_enrolments } };

    for (size_t i = 0; i < sizeof(single) / sizeof(*single); i++)
        if (!strcmp(resource, single[i].name))
            return single[i].serve(r);
    for (size_t i = 0; i < sizeof(many) / sizeof(*many); i++) {
        size_t len = strlen(many[i].name);

        if (!strncmp(resource, many[i].name, len) && !resource[len])
            return many[i].serve(r, NULL);
        if (!strncmp(resource, many[i].name, len) && resource[len] == '/')
            return many[i].serve(r, resource + len + 1);
    }
    return no_such(r);
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
    return resource ? serve(r, resource) : no_such(r);
}
