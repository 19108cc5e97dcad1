/* http_call.c - one request and its answer
 * SPDX-License-Identifier: Apache-2.0
 */
#include "http_private.h"
#include "http_proof.h"

#include <stdlib.h>
#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>
#include <openssl/crypto.h>
#include <openssl/err.h>

#define HEADERS_MAX (64 * 1024)

/* A call under way. */
typedef struct call_t {
    scep_http_client_t *client;
    const scep_http_request_t *request;
    scep_http_response_t *response;
    CURL *curl;
    struct curl_slist *fields; /**< of the request's header */
    int failed;                /**< a step of the preparation */
    int repeatable;            /**< the method changes nothing */
    int sent, answered;
    int over;             /**< the answer is too long */
    apr_size_t body_sent; /**< ask_first: octets of the request's */
    apr_size_t header_len;
    char *body;
    apr_size_t body_len, body_room;
    scep_http_proof_t proof; /**< of KERBEROS */
    char error[CURL_ERROR_SIZE];
    apr_pool_t *p;
} call_t;

/* The first round of NTLM has no body. */
static int asks_first(const call_t *call)
{
    const scep_http_settings_t *settings = &call->client->settings;

    return settings->ask_first && call->request->body_len &&
           settings->auth != SCEP_HTTP_AUTH_NTLM;
}

/*
 * libcurl sends a request again, by itself, where a connection that was
 * kept open ends before the answer.  The service may have acted on the
 * first one, so only the caller can decide that.
 */
static int before_request(void *callv, char *remote_ip, char *local_ip,
                          int remote_port, int local_port)
{
    call_t *call = callv;

    (void)remote_ip;
    (void)local_ip;
    (void)remote_port;
    (void)local_port;
    if (call->sent && !call->answered && !call->repeatable)
        return CURL_PREREQFUNC_ABORT;
    if (call->client->gss &&
        !scep_http_proof_offer(&call->proof, call->curl, call->p))
        return CURL_PREREQFUNC_ABORT;
    call->sent |= !asks_first(call);
    call->answered = 0;
    return CURL_PREREQFUNC_OK;
}

static size_t give_body(char *to, size_t one, size_t room, void *callv)
{
    call_t *call = callv;
    apr_size_t left = call->request->body_len - call->body_sent;
    apr_size_t len = room * one < left ? room * one : left;

    memcpy(to, (const char *)call->request->body + call->body_sent, len);
    call->body_sent += len;
    call->sent = 1;
    return len;
}

static size_t take_header(char *data, size_t one, size_t len, void *callv)
{
    call_t *call = callv;
    char *line, *value;

    (void)one;
    call->header_len += len;
    if (call->header_len > HEADERS_MAX) {
        call->over = 1;
        return 0;
    }
    line = apr_pstrmemdup(call->p, data, len);
    line[strcspn(line, "\r\n")] = '\0';
    if (!strncmp(line, "HTTP/", 5)) {
        value = strchr(line, ' ');
        call->answered = !value || value[1] != '1';
        /* A new answer, after "100 Continue" or a round of Negotiate. */
        apr_table_clear(call->response->headers);
        call->body_len = 0;
    } else if ((value = strchr(line, ':'))) {
        *value++ = '\0';
        while (apr_isspace(*value))
            value++;
        apr_table_mergen(call->response->headers, line, value);
    }
    return len;
}

static size_t take_body(char *data, size_t one, size_t len, void *callv)
{
    call_t *call = callv;

    (void)one;
    if (len > call->client->settings.max_response - call->body_len) {
        call->over = 1;
        return 0;
    }
    if (len >= call->body_room - call->body_len) {
        apr_size_t room = 2 * (call->body_len + len) + 1024;
        char *body = apr_palloc(call->p, room);
        if (call->body_len)
            memcpy(body, call->body, call->body_len);
        call->body = body;
        call->body_room = room;
    }
    memcpy(call->body + call->body_len, data, len);
    call->body_len += len;
    return len;
}

#define SET(call, option, value)                                              \
    ((call)->failed |=                                                        \
     curl_easy_setopt((call)->curl, (option), (value)) != CURLE_OK)

static int add_field(void *callv, const char *name, const char *value)
{
    call_t *call = callv;
    struct curl_slist *more;
    char *line =
        apr_psprintf(call->p, *value ? "%s: %s" : "%s;%s", name, value);

    more =
        strpbrk(line, "\r\n") ? NULL : curl_slist_append(call->fields, line);
    OPENSSL_cleanse(line, strlen(line));
    if (!more) {
        call->failed = 1;
        return 0;
    }
    call->fields = more;
    return 1;
}

static void remove_field(call_t *call, const char *name)
{
    struct curl_slist *more =
        curl_slist_append(call->fields, apr_pstrcat(call->p, name, ":", NULL));

    call->failed |= !more;
    if (more)
        call->fields = more;
}

/* One of them may be an Authorization. */
static void free_fields(call_t *call)
{
    for (struct curl_slist *it = call->fields; it; it = it->next)
        OPENSSL_cleanse(it->data, strlen(it->data));
    curl_slist_free_all(call->fields);
}

static void set_method(call_t *call)
{
    const scep_http_request_t *request = call->request;
    const char *method = request->method;

    if (!method)
        method = request->body ? "POST" : "GET";
    call->repeatable = !strcmp(method, "GET") || !strcmp(method, "HEAD");
    if (!strcmp(method, "HEAD")) {
        SET(call, CURLOPT_NOBODY, 1L);
    } else if (request->body || !strcmp(method, "POST")) {
        SET(call, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len);
        if (asks_first(call)) {
            SET(call, CURLOPT_POST, 1L);
            SET(call, CURLOPT_READFUNCTION, give_body);
            SET(call, CURLOPT_READDATA, call);
        } else {
            SET(call, CURLOPT_POSTFIELDS, request->body ? request->body : "");
        }
    }
    if (strcmp(method, "HEAD"))
        SET(call, CURLOPT_CUSTOMREQUEST, method);
}

static void set_fields(call_t *call)
{
    const apr_table_t *headers = call->request->headers;

    if (headers)
        apr_table_do(add_field, call, headers, NULL);
    /* A body of any size goes out at once, or none does; it is no HTML form
     * either. */
    if (asks_first(call))
        add_field(call, "Expect", "100-continue");
    else
        remove_field(call, "Expect");
    if (!headers || !apr_table_get(headers, "Content-Type"))
        remove_field(call, "Content-Type");
}

static void set_auth(call_t *call)
{
    const scep_http_settings_t *settings = &call->client->settings;
    const char *secret = settings->secret ? settings->secret : "";

    if (settings->auth == SCEP_HTTP_AUTH_BEARER || call->request->bearer) {
        char *value =
            apr_pstrcat(call->p, "Bearer ",
                        call->request->bearer ? call->request->bearer : secret,
                        NULL);
        add_field(call, "Authorization", value);
        OPENSSL_cleanse(value, strlen(value));
    } else if (settings->auth == SCEP_HTTP_AUTH_BASIC) {
        SET(call, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
        SET(call, CURLOPT_USERNAME, settings->user ? settings->user : "");
        SET(call, CURLOPT_PASSWORD, secret);
    } else if (settings->auth == SCEP_HTTP_AUTH_NEGOTIATE) {
        SET(call, CURLOPT_HTTPAUTH, CURLAUTH_NEGOTIATE);
        SET(call, CURLOPT_USERPWD, ":");
    } else if (settings->auth == SCEP_HTTP_AUTH_NTLM) {
        SET(call, CURLOPT_HTTPAUTH, CURLAUTH_NTLM);
        SET(call, CURLOPT_USERNAME, settings->user ? settings->user : "");
        SET(call, CURLOPT_PASSWORD, secret);
    }
}

static void set_tls(call_t *call)
{
    const scep_http_client_t *client = call->client;

    SET(call, CURLOPT_SSL_VERIFYPEER, 1L);
    SET(call, CURLOPT_SSL_VERIFYHOST, 2L);
    SET(call, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (client->ca) {
        /* in place of the system's, which are a directory too */
        SET(call, CURLOPT_CAPATH, NULL);
        SET(call, CURLOPT_CAINFO_BLOB, client->ca);
    }
    if (client->uri_key) {
        SET(call, CURLOPT_SSL_CTX_FUNCTION, scep_http_key_use);
        SET(call, CURLOPT_SSL_CTX_DATA, client->uri_key);
    } else if (client->certificate) {
        SET(call, CURLOPT_SSLCERT_BLOB, client->certificate);
        SET(call, CURLOPT_SSLKEY_BLOB, client->key);
        /* libcurl 7.88 dereferences NULL where an encrypted key has none */
        SET(call, CURLOPT_KEYPASSWD, client->settings.key_phrase);
    }
}

/* A proxy that the environment names would see the secrets of http. */
static void set_transport(call_t *call)
{
    const scep_http_settings_t *settings = &call->client->settings;

    SET(call, CURLOPT_NOSIGNAL, 1L);
    SET(call, CURLOPT_CONNECTTIMEOUT_MS,
        (long)apr_time_as_msec(settings->connect_timeout));
    SET(call, CURLOPT_TIMEOUT_MS, (long)apr_time_as_msec(settings->timeout));
    /* Do not wait for the resolver beyond that. */
    SET(call, CURLOPT_QUICK_EXIT, 1L);
    SET(call, CURLOPT_PROTOCOLS_STR,
        settings->allow_http ? "https,http" : "https");
    SET(call, CURLOPT_FOLLOWLOCATION, 0L);
    SET(call, CURLOPT_PROXY, settings->proxy ? settings->proxy : "");
    SET(call, CURLOPT_NOPROXY, "");
    SET(call, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    /* one request at a time on a connection of its own */
    SET(call, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(call, CURLOPT_TCP_KEEPALIVE, 1L);
}

static void prepare(call_t *call)
{
    SET(call, CURLOPT_URL, call->request->url);
    SET(call, CURLOPT_ERRORBUFFER, call->error);
    SET(call, CURLOPT_PREREQFUNCTION, before_request);
    SET(call, CURLOPT_PREREQDATA, call);
    SET(call, CURLOPT_HEADERFUNCTION, take_header);
    SET(call, CURLOPT_HEADERDATA, call);
    SET(call, CURLOPT_WRITEFUNCTION, take_body);
    SET(call, CURLOPT_WRITEDATA, call);
    SET(call, CURLOPT_USERAGENT, call->client->settings.user_agent);
    set_transport(call);
    set_tls(call);
    set_method(call);
    set_fields(call);
    set_auth(call);
    if (call->client->gss) {
        call->failed |=
            !scep_http_proof_init(&call->proof, call->client, call->request,
                                  call->fields, call->p);
        SET(call, CURLOPT_HTTPHEADER, &call->proof.field);
    } else {
        SET(call, CURLOPT_HTTPHEADER, call->fields);
    }
}

/* A URL as it may stand in a log: without user and query. */
static const char *shown_url(const char *url, apr_pool_t *p)
{
    char *text = apr_pstrndup(p, url, strcspn(url, "?#"));
    char *authority = strstr(text, "://");
    char *at;

    if (!authority)
        return "the URL";
    authority += 3;
    at = authority + strcspn(authority, "/");
    while (at > authority && *at != '@')
        at--;
    if (*at == '@')
        memmove(authority, at + 1, strlen(at));
    return text;
}

static apr_status_t fail(scep_http_response_t *response, apr_status_t rv,
                         const char *url, const char *why, apr_pool_t *p)
{
    char *text = apr_pstrcat(p, shown_url(url, p), ": ", why, NULL);

    for (char *c = text; *c; c++)
        if (apr_iscntrl(*c))
            *c = '?';
    response->error = text;
    return rv;
}

/*
 * With TLS 1.3 the service says only after the request has gone out that it
 * does not take the client's certificate, and has not looked at it then.
 * OpenSSL's error is 0A000 and, in hexadecimal, 1000 and the alert's number
 * (RFC 8446 section 6).
 */
static int certificate_refused(const char *error)
{
    const char *at = strstr(error, "error:0A000");

    switch (at ? strtol(at + 11, NULL, 16) - 1000 : 0) {
    case 42:  /* bad_certificate */
    case 43:  /* unsupported_certificate */
    case 44:  /* certificate_revoked */
    case 45:  /* certificate_expired */
    case 46:  /* certificate_unknown */
    case 48:  /* unknown_ca */
    case 49:  /* access_denied */
    case 116: /* certificate_required */
        return 1;
    default:
        return 0;
    }
}

static apr_status_t perform(call_t *call)
{
    scep_http_response_t *response = call->response;
    const char *url = call->request->url;
    CURLcode code = curl_easy_perform(call->curl);
    long status = 0;

    response->sent = call->sent;
    if (call->over) {
        return fail(response, APR_ENOSPC, url, "the answer is too long",
                    call->p);
    }
    if (code == CURLE_OPERATION_TIMEDOUT)
        return fail(response, APR_TIMEUP, url, "no answer in time", call->p);
    if (code == CURLE_ABORTED_BY_CALLBACK) {
        return fail(response, APR_EGENERAL, url,
                    call->proof.error
                        ? call->proof.error
                        : "the connection was closed without an answer",
                    call->p);
    }
    if (code != CURLE_OK) {
        if (!call->answered && certificate_refused(call->error))
            response->sent = 0;
        return fail(response, APR_EGENERAL, url,
                    *call->error ? call->error : curl_easy_strerror(code),
                    call->p);
    }
    if (curl_easy_getinfo(call->curl, CURLINFO_RESPONSE_CODE, &status) ||
        status <= 0)
        return fail(response, APR_EGENERAL, url, "no HTTP status", call->p);
    response->status = (int)status;
    response->body = "";
    if (call->body_len) {
        call->body[call->body_len] = '\0';
        response->body = call->body;
        response->body_len = call->body_len;
    }
    return APR_SUCCESS;
}

static void begin(call_t *call)
{
    scep_http_response_t *response = call->response;

    memset(response, 0, sizeof(*response));
    response->headers = apr_table_make(call->p, 8);
    call->sent = call->answered = 0;
    call->header_len = call->body_len = call->body_sent = 0;
}

/* 401 says that nothing was done, whatever the method. */
static apr_status_t perform_proved(call_t *call)
{
    scep_http_response_t *response = call->response;
    const char *url = call->request->url, *err;
    apr_status_t rv = perform(call);

    if (rv == APR_SUCCESS && response->status == 401 &&
        scep_http_gss_refresh(call->client->gss, call->proof.exchange)) {
        begin(call);
        rv = perform(call);
    }
    if (rv != APR_SUCCESS)
        return rv;
    err = scep_http_proof_check(&call->proof, response, call->p);
    if (!err)
        return APR_SUCCESS;
    if (response->status == 401)
        return fail(response, APR_SUCCESS, url, err, call->p);
    /* Whoever sent it, nothing of it is to be believed. */
    response->status = 0;
    response->body = NULL;
    response->body_len = 0;
    apr_table_clear(response->headers);
    return fail(response, APR_EGENERAL, url, err, call->p);
}

apr_status_t scep_http_client_call(scep_http_client_t *client,
                                   const scep_http_request_t *request,
                                   scep_http_response_t *response,
                                   apr_pool_t *p)
{
    call_t call = {
        .client = client, .request = request, .response = response, .p = p
    };
    apr_status_t rv;
    const char *err =
        scep_http_check_url(request->url, client->settings.allow_http, p);

    begin(&call);
    if (err || (err = client->fault) ||
        (client->uri_key && (err = scep_http_key_load(client->uri_key, p))))
        return fail(response, APR_EGENERAL, request->url, err, p);
    call.curl = scep_http_handle_get(client);
    if (!call.curl)
        return fail(response, APR_EGENERAL, request->url, "out of memory", p);
    prepare(&call);
    if (call.failed) {
        rv = fail(response, APR_EGENERAL, request->url,
                  "the request cannot be made", p);
    } else {
        rv = client->gss ? perform_proved(&call) : perform(&call);
    }
    scep_http_handle_put(client, call.curl);
    free_fields(&call);
    ERR_clear_error();
    return rv;
}
