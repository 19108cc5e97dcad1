/* connection.c - calls to the admin API
 * SPDX-License-Identifier: Apache-2.0
 */
#include "connection.h"

#include <apr_file_io.h>
#include <apr_strings.h>
#include <openssl/crypto.h>

#include <stdlib.h>
#include <string.h>

#include "../../ca-connectors/http/http_client.h"
#include "secret_input.h"

#define TIMEOUT_DEFAULT 30
#define TIMEOUT_MAX 3600
#define ANSWER_MAX (64 * 1024 * 1024)

struct ctl_connection_t {
    ctl_t *ctl;
    const char *url; /**< ends with a '/' */
    scep_http_client_t *client;
};

const ctl_option_t ctl_connection_options[] = {
    { "url", "URL", "the admin API: https://host.example/scep-admin",
      "SCEPCTL_URL", 0 },
    { "user", "NAME", "authenticate with a password (Basic)", "SCEPCTL_USER",
      0 },
    { "password-file", "FILE", "where the password is; else it is asked for",
      "SCEPCTL_PASSWORD_FILE", 0 },
    { "cert", "FILE", "authenticate with this certificate (PEM)",
      "SCEPCTL_CERT", 0 },
    { "key", "FILE", "its private key, where it is in another file (PEM)",
      "SCEPCTL_KEY", 0 },
    { "negotiate", NULL, "authenticate with the Kerberos ticket that you have",
      NULL, 0 },
    { "cacert", "FILE", "trust these CAs and not the system's (PEM)",
      "SCEPCTL_CACERT", 0 },
    { "timeout", "SECONDS", "how long a call may take (30)", NULL, 0 },
    { NULL, NULL, NULL, NULL, 0 }
};

static const char *read_timeout(const ctl_t *ctl, apr_interval_time_t *timeout)
{
    const char *text = ctl_option(ctl, "timeout");
    char *end;
    apr_int64_t seconds =
        text ? apr_strtoi64(text, &end, 10) : TIMEOUT_DEFAULT;

    if (text && (*end || seconds < 1 || seconds > TIMEOUT_MAX))
        return "--timeout is a number of seconds from 1 to 3600";
    *timeout = apr_time_from_sec(seconds);
    return NULL;
}

/* They are read again when a call is made; but here it is clear whose
 * mistake it is. */
static const char *check_file(const ctl_t *ctl, const char *option)
{
    const char *name = ctl_option(ctl, option);
    apr_file_t *file;
    char reason[120];
    apr_status_t rv =
        name ? apr_file_open(&file, name, APR_READ, APR_OS_DEFAULT, ctl->p)
             : APR_SUCCESS;

    if (rv != APR_SUCCESS) {
        return apr_psprintf(ctl->p, "--%s: cannot open %s: %s", option, name,
                            apr_strerror(rv, reason, sizeof(reason)));
    }
    if (name)
        apr_file_close(file);
    return NULL;
}

static const char *check_files(const ctl_t *ctl)
{
    const char *err = check_file(ctl, "cacert");

    if (!err)
        err = check_file(ctl, "cert");
    return err ? err : check_file(ctl, "key");
}

static const char *read_settings(const ctl_t *ctl, const char *url,
                                 scep_http_settings_t *settings)
{
    const char *err;

    if (!url)
        return "say with --url or SCEPCTL_URL where the admin API is";
    if ((err = scep_http_check_url(url, SCEP_HTTP_LOOPBACK, ctl->p)))
        return apr_psprintf(ctl->p, "--url: %s", err);
    if (strpbrk(url, "?#"))
        return "--url: a query does not belong into it";
    if ((err = read_timeout(ctl, &settings->timeout)))
        return err;
    settings->connect_timeout = settings->timeout;
    settings->max_response = ANSWER_MAX;
    settings->allow_http = SCEP_HTTP_LOOPBACK;
    settings->ca_file = ctl_option(ctl, "cacert");
    settings->certificate = ctl_option(ctl, "cert");
    settings->key = ctl_option(ctl, "key");
    if (settings->key && !settings->certificate)
        return "--key needs --cert";
    settings->user = ctl_option(ctl, "user");
    if (ctl_option(ctl, "negotiate")) {
        if (settings->user)
            return "give --user or --negotiate";
        settings->auth = SCEP_HTTP_AUTH_NEGOTIATE;
    } else if (settings->user) {
        settings->auth = SCEP_HTTP_AUTH_BASIC;
        /* RFC 7617 */
        if (strchr(settings->user, ':'))
            return "--user has a ':', which a user's name cannot have";
    }
    return check_files(ctl);
}

ctl_status_t ctl_connection_open(ctl_connection_t **connection, ctl_t *ctl)
{
    scep_http_settings_t settings = { 0 };
    const char *url = ctl_option(ctl, "url");
    const char *err = read_settings(ctl, url, &settings);
    char *password = NULL, *phrase = NULL;

    if (!err && settings.certificate) {
        err = ctl_secret_phrase(ctl,
                                settings.key ? settings.key
                                             : settings.certificate,
                                &phrase);
        settings.key_phrase = phrase;
    }
    if (!err && settings.auth == SCEP_HTTP_AUTH_BASIC) {
        err = ctl_secret_password(ctl, ctl_option(ctl, "password-file"),
                                  &password);
        settings.secret = password;
    }
    if (!err)
        err = scep_http_init();
    if (err) {
        ctl_complain(ctl, "%s", err);
        return CTL_USAGE;
    }
    *connection = apr_pcalloc(ctl->p, sizeof(**connection));
    (*connection)->ctl = ctl;
    (*connection)->url =
        apr_pstrcat(ctl->p, url, url[strlen(url) - 1] == '/' ? "" : "/", NULL);
    (*connection)->client = scep_http_client_create(&settings, ctl->p);
    if (!(*connection)->client) {
        ctl_complain(ctl, "out of memory");
        return CTL_USAGE;
    }
    return CTL_DONE;
}

static ctl_status_t status_of(int status)
{
    switch (status) {
    case 404:
        return CTL_NOT_FOUND;
    case 429:
    case 502:
    case 503:
    case 504:
    case 507:
        return CTL_LATER;
    default:
        return CTL_REFUSED;
    }
}

/* Says what the server says of an answer that is none of 2xx. */
static ctl_status_t refused(const ctl_t *ctl,
                            const scep_http_response_t *response)
{
    const char *wait = apr_table_get(response->headers, "Retry-After");
    const char *type = apr_table_get(response->headers, "Content-Type");
    json_t *problem =
        type && !strncmp(type, "application/problem+json", 24)
            ? json_loadb(response->body, response->body_len, 0, NULL)
            : NULL;
    const char *detail = json_string_value(json_object_get(problem, "detail"));
    ctl_status_t status = status_of(response->status);

    if (detail) {
        ctl_complain(ctl, "%s (HTTP %d)", detail, response->status);
    } else if (response->status == 401) {
        ctl_complain(ctl, "the server wants to know who you are, or does not "
                          "believe it (HTTP 401)");
    } else if (status == CTL_LATER) {
        ctl_complain(ctl, "the server cannot do it now (HTTP %d)%s%s%s",
                     response->status, wait ? "; it says: again in " : "",
                     wait ? wait : "", wait ? " s" : "");
    } else {
        ctl_complain(ctl,
                     "the server answers HTTP %d: is this the URL of its "
                     "admin API, and may you call it?",
                     response->status);
        status = CTL_REFUSED;
    }
    json_decref(problem);
    return status;
}

static ctl_status_t understand(const ctl_t *ctl,
                               const scep_http_response_t *response,
                               json_t **answer)
{
    if (response->status < 200 || response->status > 299)
        return refused(ctl, response);
    if (response->status == 204)
        return CTL_DONE;
    *answer = json_loadb(response->body, response->body_len,
                         JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(*answer)) {
        json_decref(*answer);
        *answer = NULL;
        ctl_complain(ctl, "the answer is no JSON object: is this the URL of "
                          "the admin API?");
        return CTL_REFUSED;
    }
    return CTL_DONE;
}

ctl_status_t ctl_connection_call(ctl_connection_t *connection,
                                 const char *method, const char *path,
                                 json_t *body, json_t **answer)
{
    ctl_t *ctl = connection->ctl;
    scep_http_request_t request = { .method = method };
    scep_http_response_t response;
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    ctl_status_t status = CTL_UNREACHABLE;
    apr_table_t *headers;
    apr_pool_t *p;

    *answer = NULL;
    json_decref(body);
    apr_pool_create(&p, ctl->p);
    headers = apr_table_make(p, 2);
    apr_table_setn(headers, "User-Agent", "scepctl/" SCEP_VERSION);
    if (text)
        apr_table_setn(headers, "Content-Type", "application/json");
    request.url = apr_pstrcat(p, connection->url, path, NULL);
    request.headers = headers;
    request.body = text;
    request.body_len = text ? strlen(text) : 0;
    if (scep_http_client_call(connection->client, &request, &response, p) !=
        APR_SUCCESS) {
        ctl_complain(ctl, "%s",
                     response.error ? response.error : "the call failed");
    } else {
        status = understand(ctl, &response, answer);
        OPENSSL_cleanse((void *)response.body, response.body_len);
    }
    if (text)
        OPENSSL_cleanse(text, strlen(text));
    free(text);
    apr_pool_destroy(p);
    return status;
}
