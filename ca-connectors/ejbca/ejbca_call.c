/* ejbca_call.c - calls of EJBCA's API, and the tokens that go with them
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ejbca.h"

#include <apr_escape.h>
#include <apr_strings.h>
#include <jansson.h>
#include <openssl/crypto.h>

#include <stdlib.h>

/* A token is renewed so long before its end. */
#define TOKEN_MARGIN apr_time_from_sec(30)
/* Where the service does not say how long it is good. */
#define TOKEN_LIFE 300

static void forget_bearer(scep_ejbca_t *ca)
{
    if (ca->bearer) {
        OPENSSL_cleanse(ca->bearer, strlen(ca->bearer));
        free(ca->bearer);
    }
    ca->bearer = NULL;
}

/* Keeps the token of an answer; says whether there was one. */
static int keep_bearer(scep_ejbca_t *ca, const scep_http_response_t *response,
                       apr_time_t now)
{
    json_t *object = json_loadb(response->body, response->body_len, 0, NULL);
    const char *token =
        json_string_value(json_object_get(object, "access_token"));
    const json_t *life = json_object_get(object, "expires_in");
    json_int_t seconds =
        json_is_integer(life) ? json_integer_value(life) : TOKEN_LIFE;

    forget_bearer(ca);
    if (token && *token && !strpbrk(token, "\r\n")) {
        ca->bearer = strdup(token);
        ca->bearer_until =
            now + apr_time_from_sec(seconds < 0       ? 0
                                    : seconds > 86400 ? 86400
                                                      : seconds);
    }
    json_decref(object);
    OPENSSL_cleanse((char *)response->body, response->body_len);
    return ca->bearer != NULL;
}

static const char *fetch_bearer(scep_ejbca_t *ca, apr_pool_t *p)
{
    scep_http_response_t response = { 0 };
    apr_table_t *headers = apr_table_make(p, 1);
    const char *body =
        ca->conf->oauth_scope
            ? apr_pstrcat(p, "grant_type=client_credentials&scope=",
                          apr_pescape_urlencoded(p, ca->conf->oauth_scope),
                          NULL)
            : "grant_type=client_credentials";
    const scep_http_request_t request = { .url = ca->conf->oauth_url,
                                          .headers = headers,
                                          .body = body,
                                          .body_len = strlen(body) };

    apr_table_setn(headers, "Content-Type",
                   "application/x-www-form-urlencoded");
    if (scep_http_client_call(ca->oauth, &request, &response, p) !=
        APR_SUCCESS)
        return apr_pstrcat(p, "no token: ", response.error, NULL);
    if (response.status == 200 && keep_bearer(ca, &response, apr_time_now()))
        return NULL;
    return apr_psprintf(p, "no token: the token service answered HTTP %d",
                        response.status);
}

/*
 * The token to use now.  Others wait meanwhile: they need it too, and where
 * there is none they do not ask in their turn, or a service that hangs would
 * keep the last of them for as many time-outs as there are.
 * @param stale  one that was not taken, or NULL
 * @param error  set where there is no token
 */
static const char *bearer_of(scep_ejbca_t *ca, const char *stale,
                             const char **error, apr_pool_t *p)
{
    const char *bearer = NULL;
    apr_time_t asked = apr_time_now();

    *error = NULL;
    apr_thread_mutex_lock(ca->mutex);
    if (ca->no_bearer_at > asked) {
        *error = apr_pstrdup(p, ca->no_bearer);
    } else if (!ca->bearer ||
               apr_time_now() + TOKEN_MARGIN >= ca->bearer_until ||
               (stale && !strcmp(stale, ca->bearer))) {
        *error = fetch_bearer(ca, p);
        if (*error) {
            ca->no_bearer_at = apr_time_now();
            apr_cpystrn(ca->no_bearer, *error, sizeof(ca->no_bearer));
        }
    }
    if (!*error)
        bearer = apr_pstrdup(p, ca->bearer);
    apr_thread_mutex_unlock(ca->mutex);
    return bearer;
}

static apr_status_t call(scep_ejbca_t *ca, scep_http_request_t *request,
                         const char *stale, scep_http_response_t *response,
                         apr_pool_t *p)
{
    const char *error;

    memset(response, 0, sizeof(*response));
    if (ca->oauth) {
        request->bearer = bearer_of(ca, stale, &error, p);
        if (error) {
            response->error = error;
            return APR_EGENERAL;
        }
    }
    return scep_http_client_call(ca->client, request, response, p);
}

apr_status_t scep_ejbca_call(scep_ejbca_t *ca, const char *method,
                             const char *path, const char *body,
                             scep_http_response_t *response, apr_pool_t *p)
{
    apr_table_t *headers = apr_table_make(p, 3);
    scep_http_request_t request = { .method = method,
                                    .url = apr_pstrcat(p, ca->conf->url, path,
                                                       NULL),
                                    .headers = headers,
                                    .body = body,
                                    .body_len = body ? strlen(body) : 0 };
    apr_status_t rv;

    apr_table_setn(headers, "Accept", "application/json");
    if (body)
        apr_table_setn(headers, "Content-Type", "application/json");
    rv = call(ca, &request, NULL, response, p);
    /* EJBCA refuses before it does anything, and says 403 for a token that
     * has expired too. */
    if (rv == APR_SUCCESS && ca->oauth &&
        (response->status == 401 || response->status == 403))
        rv = call(ca, &request, request.bearer, response, p);
    return rv;
}
