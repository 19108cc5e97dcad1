/* intune_service.c - calls of Intune's SCEP validation service
 * SPDX-License-Identifier: Apache-2.0
 */
#include "intune_service.h"

#include <apr_strings.h>
#include <apr_thread_mutex.h>
#include <http_main.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>

#include <stdatomic.h>

#include "../../ca-connectors/http/http_client.h"

/* A token is renewed so long before its end, or a quarter of its life. */
#define RENEW_BEFORE apr_time_from_sec(300)
/* A location is believed so long; a call that fails ends that at once. */
#define LOCATION_LIFE apr_time_from_sec(24 * 3600)
/* Where renewal fails and the old one is still good. */
#define RENEW_AGAIN apr_time_from_sec(30)
/* Longest Retry-After that is obeyed. */
#define QUIET_MAX 60

/* Something that was fetched, kept by one process. */
typedef struct cached_t {
    apr_pool_t *pool; /**< of text alone */
    char *text;       /**< NULL: there is none */
    apr_time_t renew; /**< then another one is fetched */
    apr_time_t ends;
    apr_time_t failed; /**< when fetching failed the last time */
    const char *fault; /**< what it said then, in fault_pool */
    apr_pool_t *fault_pool;
} cached_t;

struct scep_intune_service_t {
    const scep_intune_conf_t *conf;
    scep_http_client_t *client;
    apr_thread_mutex_t *mutex; /**< over what follows, calls included */
    cached_t graph_token, token, location;
    _Atomic apr_int64_t quiet_until; /**< the service asked for it */
    _Atomic apr_int64_t usual;
};

/* What a call carries along. */
typedef struct work_t {
    scep_intune_service_t *service;
    scep_intune_call_t *call;
    apr_time_t began;
    const char *token, *location;
    int late; /**< the last call of HTTP has timed out */
    apr_pool_t *p;
} work_t;

static apr_status_t cleanse(void *text)
{
    OPENSSL_cleanse(text, strlen(text));
    return APR_SUCCESS;
}

/* Text that is cleansed when its pool ends. */
static char *secret_copy(const char *text, apr_pool_t *p)
{
    char *copy = apr_pstrdup(p, text);

    apr_pool_cleanup_register(p, copy, cleanse, apr_pool_cleanup_null);
    return copy;
}

scep_intune_service_t *mod_scep_intune_service_create(
    const scep_intune_conf_t *conf, apr_pool_t *p)
{
    scep_intune_service_t *service = apr_pcalloc(p, sizeof(*service));
    const scep_http_settings_t settings = {
        .timeout = conf->timeout,
        .ca_file = conf->ca_file,
        .proxy = conf->proxy,
    };

    service->conf = conf;
    service->client = scep_http_client_create(&settings, p);
    return service->client ? service : NULL;
}

apr_status_t mod_scep_intune_service_child_init(scep_intune_service_t *service,
                                                apr_pool_t *p)
{
    cached_t *caches[] = { &service->graph_token, &service->token,
                           &service->location };
    apr_allocator_t *allocator;
    apr_pool_t *pool;
    apr_status_t rv = apr_allocator_create(&allocator);

    if (rv != APR_SUCCESS)
        return rv;
    /* Not the child's allocator, which no lock of ours would guard. */
    rv = apr_pool_create_ex(&pool, p, NULL, allocator);
    if (rv != APR_SUCCESS)
        return rv;
    apr_allocator_owner_set(allocator, pool);
    for (size_t i = 0; i < sizeof(caches) / sizeof(*caches); i++) {
        apr_pool_create(&caches[i]->pool, pool);
        apr_pool_create(&caches[i]->fault_pool, pool);
    }
    return apr_thread_mutex_create(&service->mutex, APR_THREAD_MUTEX_DEFAULT,
                                   p);
}

apr_interval_time_t mod_scep_intune_service_longest(
    const scep_intune_service_t *service)
{
    /* two others' and one's own search for tokens and location, and the
     * call and its repetitions */
    return 16 * service->conf->timeout;
}

apr_interval_time_t mod_scep_intune_service_usual(
    const scep_intune_service_t *service)
{
    return atomic_load(&service->usual);
}

/* A random UUID, RFC 4122 section 4.4. */
static int make_id(char id[37])
{
    unsigned char r[16];

    if (RAND_bytes(r, sizeof(r)) != 1) {
        ERR_clear_error();
        return 0;
    }
    r[6] = (r[6] & 0x0f) | 0x40;
    r[8] = (r[8] & 0x3f) | 0x80;
    apr_snprintf(id, 37,
                 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
                 "%02x%02x%02x%02x%02x%02x",
                 r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9],
                 r[10], r[11], r[12], r[13], r[14], r[15]);
    return 1;
}

/* ------------------------------------------------------------------ */
/* What is kept                                                         */

static void forget(cached_t *cached)
{
    cached->text = NULL;
    apr_pool_clear(cached->pool);
}

static void keep(cached_t *cached, const char *text,
                 apr_interval_time_t lifetime, apr_time_t now)
{
    apr_interval_time_t before = lifetime / 4;

    forget(cached);
    cached->text = secret_copy(text, cached->pool);
    cached->ends = now + lifetime;
    cached->renew =
        cached->ends - (before < RENEW_BEFORE ? before : RENEW_BEFORE);
}

/* Drops what has proven bad, unless another thread has replaced it. */
static void drop(work_t *work, cached_t *cached, const char *text)
{
    apr_thread_mutex_lock(work->service->mutex);
    if (cached->text && !strcmp(cached->text, text))
        forget(cached);
    apr_thread_mutex_unlock(work->service->mutex);
}

typedef const char *(*fetch_t)(work_t *work, cached_t *cached);

/*
 * Gives what is kept, or fetches it; the mutex is held.  Those who waited
 * for a fetch that failed share its failure: each in turn would wait for a
 * time-out of its own.
 * @return NULL, or why there is none
 */
static const char *obtain(work_t *work, cached_t *cached, fetch_t fetch,
                          const char **text)
{
    apr_time_t now = apr_time_now();
    const char *fault = NULL;

    if (!cached->text || now >= cached->renew) {
        if (cached->fault && cached->failed >= work->began) {
            fault = apr_pstrdup(work->p, cached->fault);
        } else {
            fault = fetch(work, cached);
            now = apr_time_now();
            apr_pool_clear(cached->fault_pool);
            cached->fault = apr_pstrdup(cached->fault_pool, fault);
            cached->failed = now;
        }
        if (fault && cached->text && now < cached->ends) {
            cached->renew = now + RENEW_AGAIN;
            fault = NULL;
        }
    }
    if (!fault)
        *text = secret_copy(cached->text, work->p);
    return fault;
}

/* One call; NULL where there is an answer with a status of success. */
static const char *call_http(work_t *work, const scep_http_request_t *request,
                             scep_http_response_t *response, const char *what)
{
    apr_status_t rv = scep_http_client_call(work->service->client, request,
                                            response, work->p);
    const char *codes;

    work->late = APR_STATUS_IS_TIMEUP(rv);
    if (rv != APR_SUCCESS)
        return apr_pstrcat(work->p, what, ": ", response->error, NULL);
    if (response->status >= 200 && response->status < 300)
        return NULL;
    codes = mod_scep_intune_fault(response->body, response->body_len, work->p);
    return apr_psprintf(work->p, "%s: HTTP status %d%s%s", what,
                        response->status, *codes ? ", " : "", codes);
}

static const char *fetch_with_scope(work_t *work, cached_t *cached,
                                    const char *scope)
{
    const scep_intune_conf_t *conf = work->service->conf;
    char *form =
        mod_scep_intune_token_form(conf->client, conf->secret, scope, work->p);
    apr_table_t *headers = apr_table_make(work->p, 1);
    scep_http_response_t response = { 0 };
    scep_http_request_t request = { .headers = headers,
                                    .body = form,
                                    .body_len = strlen(form) };
    scep_intune_token_t token;
    const char *fault;

    request.url = mod_scep_intune_token_url(conf->login ? conf->login
                                                        : SCEP_INTUNE_LOGIN,
                                            conf->tenant, work->p);
    apr_table_setn(headers, "Content-Type",
                   "application/x-www-form-urlencoded");
    fault = call_http(work, &request, &response, "no token");
    OPENSSL_cleanse(form, strlen(form));
    if (!fault) {
        fault = mod_scep_intune_read_token(response.body, response.body_len,
                                           &token, work->p);
    }
    if (!fault) {
        keep(cached, token.text, token.lifetime, apr_time_now());
        OPENSSL_cleanse((char *)token.text, strlen(token.text));
    }
    if (response.body)
        OPENSSL_cleanse((char *)response.body, response.body_len);
    return fault;
}

static const char *graph_of(const work_t *work)
{
    const char *graph = work->service->conf->graph;

    return graph ? graph : SCEP_INTUNE_GRAPH;
}

static const char *fetch_graph_token(work_t *work, cached_t *cached)
{
    return fetch_with_scope(work, cached,
                            mod_scep_intune_graph_scope(graph_of(work),
                                                        work->p));
}

static const char *fetch_token(work_t *work, cached_t *cached)
{
    return fetch_with_scope(work, cached, SCEP_INTUNE_SCOPE);
}

static const char *ask_graph(work_t *work, scep_http_response_t *response)
{
    cached_t *token = &work->service->graph_token;
    apr_table_t *headers = apr_table_make(work->p, 1);
    scep_http_request_t request = { .headers = headers };
    const char *fault =
        obtain(work, token, fetch_graph_token, &request.bearer);

    if (fault)
        return fault;
    request.url = mod_scep_intune_services_url(graph_of(work), work->p);
    apr_table_setn(headers, "client-request-id", work->call->id);
    fault = call_http(work, &request, response,
                      "Graph does not say where the "
                      "service is");
    if (response->status == HTTP_UNAUTHORIZED)
        forget(token);
    return fault;
}

static const char *fetch_location(work_t *work, cached_t *cached)
{
    scep_http_response_t response = { 0 };
    const char *fault = ask_graph(work, &response);
    const char *location;

    if (response.status == HTTP_UNAUTHORIZED) {
        memset(&response, 0, sizeof(response));
        fault = ask_graph(work, &response);
    }
    if (!fault) {
        fault = mod_scep_intune_read_services(response.body, response.body_len,
                                              &location, work->p);
    }
    if (!fault && (fault = scep_http_check_url(location, 0, work->p)))
        fault = apr_psprintf(work->p, "what Graph calls the service's URL: %s",
                             fault);
    if (!fault)
        keep(cached, location, LOCATION_LIFE, apr_time_now());
    return fault;
}

/* ------------------------------------------------------------------ */
/* Calls                                                                */

static const char *prepare(work_t *work)
{
    scep_intune_service_t *service = work->service;
    const char *fault;

    apr_thread_mutex_lock(service->mutex);
    fault = obtain(work, &service->location, fetch_location, &work->location);
    if (!fault)
        fault = obtain(work, &service->token, fetch_token, &work->token);
    apr_thread_mutex_unlock(service->mutex);
    return fault;
}

/* A service that asks to be left alone is, for a while. */
static void heed(work_t *work, const scep_http_response_t *response)
{
    const char *after = response->headers
                            ? apr_table_get(response->headers, "Retry-After")
                            : NULL;
    apr_int64_t seconds = after ? apr_atoi64(after) : 0;

    if (seconds > 0 && (response->status == HTTP_SERVICE_UNAVAILABLE ||
                        response->status == HTTP_TOO_MANY_REQUESTS)) {
        if (seconds > QUIET_MAX)
            seconds = QUIET_MAX;
        atomic_store(&work->service->quiet_until,
                     apr_time_now() + apr_time_from_sec(seconds));
    }
}

static const char *attempt(work_t *work, const char *action, const char *body,
                           scep_http_response_t *response)
{
    scep_http_request_t request = { .body = body, .body_len = strlen(body) };
    apr_table_t *headers = apr_table_make(work->p, 3);
    const char *fault = prepare(work);
    apr_time_t began = apr_time_now();

    if (fault)
        return fault;
    request.url = mod_scep_intune_action_url(work->location, action, work->p);
    request.bearer = work->token;
    request.headers = headers;
    apr_table_setn(headers, "Content-Type", "application/json");
    apr_table_setn(headers, "client-request-id", work->call->id);
    apr_table_setn(headers, "api-version", SCEP_INTUNE_API_VERSION);
    fault = call_http(work, &request, response, action);
    if (!fault && !strcmp(action, SCEP_INTUNE_VALIDATE))
        atomic_store(&work->service->usual, apr_time_now() - began);
    heed(work, response);
    return fault;
}

/* Whether the status says that this very message is wrong. */
static int is_unwanted(int status)
{
    return status >= 400 && status < 500 && status != HTTP_UNAUTHORIZED &&
           status != HTTP_FORBIDDEN && status != HTTP_NOT_FOUND &&
           status != HTTP_REQUEST_TIME_OUT && status != HTTP_TOO_MANY_REQUESTS;
}

/*
 * Tries again once with a new token where the old one was not taken, and
 * once at another place where the service was not found: both are kept, and
 * both may end before their time.  None of the actions does harm when it
 * comes twice.
 */
static const char *try_call(work_t *work, const char *action, const char *body,
                            scep_http_response_t *response)
{
    scep_intune_service_t *service = work->service;
    int renewed = 0, moved = 0;

    for (;;) {
        const char *fault;

        memset(response, 0, sizeof(*response));
        work->token = work->location = NULL;
        fault = attempt(work, action, body, response);
        if (!fault || !work->token)
            return fault;
        if (response->status == HTTP_UNAUTHORIZED) {
            drop(work, &service->token, work->token);
            if (renewed++)
                return fault;
            continue;
        }
        if (is_unwanted(response->status) ||
            response->status == HTTP_TOO_MANY_REQUESTS)
            return fault;
        drop(work, &service->location, work->location);
        /* A second time-out would be too much for the device. */
        if (moved++ || work->late ||
            (response->status && response->status != HTTP_NOT_FOUND))
            return fault;
    }
}

apr_status_t mod_scep_intune_service_call(scep_intune_service_t *service,
                                          const char *action, const char *body,
                                          scep_intune_call_t *call,
                                          apr_pool_t *p)
{
    scep_http_response_t response;
    work_t work = {
        .service = service, .call = call, .began = apr_time_now(), .p = p
    };
    apr_int64_t quiet = atomic_load(&service->quiet_until);

    memset(call, 0, sizeof(*call));
    if (!make_id(call->id)) {
        call->fault = "OpenSSL has no random numbers";
        return APR_EGENERAL;
    }
    if (work.began < quiet &&
        quiet - work.began <= apr_time_from_sec(QUIET_MAX)) {
        call->fault = "the service has asked not to be called for a while";
        return APR_EGENERAL;
    }
    call->fault = try_call(&work, action, body, &response);
    call->unwanted = is_unwanted(response.status);
    if (!call->fault) {
        call->fault =
            mod_scep_intune_read_answer(response.body, response.body_len,
                                        &call->answer, p);
    }
    ap_log_error(APLOG_MARK, APLOG_DEBUG, 0, ap_server_conf,
                 SCEPLOGNO(0352) "Intune: %s %s, client-request-id %s", action,
                 call->fault ? call->fault : call->answer.words, call->id);
    return call->fault ? APR_EGENERAL : APR_SUCCESS;
}
