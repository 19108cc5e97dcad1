/* json.c - JSON in and out of the admin API
 * SPDX-License-Identifier: Apache-2.0
 */
#include "json.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <http_protocol.h>
#include <openssl/crypto.h>

#include "core/utf8.h"
#include "http.h"

#define JSON_MAX 65536

/* The media type alone counts; a charset may follow if it is UTF-8. */
int mod_scep_json_is_announced(request_rec *r)
{
    static const char type[] = "application/json";
    const char *sent = apr_table_get(r->headers_in, "Content-Type");
    const char *charset;

    if (!sent || strncasecmp(sent, type, sizeof(type) - 1))
        return 0;
    sent += sizeof(type) - 1;
    while (apr_isspace(*sent))
        sent++;
    if (*sent && *sent != ';')
        return 0;
    charset = ap_strcasestr(sent, "charset=");
    if (!charset)
        return 1;
    charset += 8;
    charset += *charset == '"';
    return !strncasecmp(charset, "utf-8", 5);
}

/* What to change in a body that is not even text, or NULL. */
static const char *encoding_fault(const unsigned char *body, apr_size_t len)
{
    if (len > 1 && body[0] == 0x1f && body[1] == 0x8b)
        return "The body is compressed: send it as it is.";
    if (len > 1 && (!body[0] || !body[1] || body[0] >= 0xfe))
        return "The body is UTF-16 or UTF-32: send it as UTF-8.";
    if (len > 2 && !memcmp(body, "\xef\xbb\xbf", 3))
        return "The body begins with a byte order mark: leave it out.";
    return scep_utf8_is_valid((const char *)body, len)
               ? NULL
               : "The body is not UTF-8: send it as UTF-8.";
}

/* The parser's words, without what it quotes: that may be a secret. */
static const char *syntax_fault(const json_error_t *error, apr_pool_t *p)
{
    const char *quoted = strstr(error->text, " near ");
    enum json_error_code code = json_error_code(error);

    if (code == json_error_null_character ||
        code == json_error_null_byte_in_key)
        return "A string has a NUL in it (\\u0000): leave it out.";
    return apr_psprintf(p, "The body is no JSON: %.*s (line %d, column %d).",
                        quoted ? (int)(quoted - error->text)
                               : (int)strlen(error->text),
                        error->text, error->line, error->column);
}

int mod_scep_json_read(request_rec *r, json_t **object)
{
    const char *encoding = apr_table_get(r->headers_in, "Content-Encoding");
    const unsigned char *body;
    json_error_t error;
    const char *fault;
    apr_size_t len;
    int status;

    if (!mod_scep_json_is_announced(r) ||
        (encoding && strcasecmp(encoding, "identity"))) {
        return mod_scep_json_problem(r, HTTP_UNSUPPORTED_MEDIA_TYPE,
                                     "Send the request as application/json "
                                     "in UTF-8, without compression.");
    }
    status = mod_scep_http_body(r, JSON_MAX, &body, &len);
    if (status == HTTP_REQUEST_ENTITY_TOO_LARGE) {
        r->connection->keepalive = AP_CONN_CLOSE;
        return mod_scep_json_problem(r, status, "The body is over %d octets.",
                                     JSON_MAX);
    }
    if (status != OK)
        return status;
    mod_scep_http_forget(r, (void *)body, len);
    fault = encoding_fault(body, len);
    if (!fault) {
        *object = json_loadb((const char *)body, len, JSON_REJECT_DUPLICATES,
                             &error);
        fault = *object ? NULL : syntax_fault(&error, r->pool);
    }
    if (fault)
        return mod_scep_json_problem(r, HTTP_BAD_REQUEST, "%s", fault);
    if (!json_is_object(*object)) {
        json_decref(*object);
        *object = NULL;
        return mod_scep_json_problem(r, HTTP_BAD_REQUEST,
                                     "The body must be a JSON object.");
    }
    return OK;
}

const char *mod_scep_json_text(const json_t *object, const char *member,
                               const char **text, apr_pool_t *p)
{
    const json_t *value = json_object_get(object, member);

    *text = json_string_value(value);
    return value && !*text
               ? apr_psprintf(p, "\"%s\" must be a string.", member)
               : NULL;
}

const char *mod_scep_json_known(const json_t *object, const char *const *known,
                                apr_pool_t *p)
{
    const char *words = "", *key;
    json_t *value;
    int i;

    json_object_foreach((json_t *)object, key, value)
    {
        for (i = 0; known[i] && strcmp(known[i], key); i++) {
        }
        if (!known[i])
            break;
    }
    if (!key)
        return NULL;
    for (i = 0; known[i]; i++)
        words = apr_pstrcat(p, words, i ? ", " : "", known[i], NULL);
    return apr_psprintf(p, "There is no member \"%s\"; known are: %s.", key,
                        words);
}

static int send_as(request_rec *r, int status, const char *type,
                   json_t *object)
{
    char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
    apr_size_t len;
    char *body;

    json_decref(object);
    if (!text)
        return HTTP_INTERNAL_SERVER_ERROR;
    /* a challenge may be in it */
    len = strlen(text);
    body = apr_palloc(r->pool, len + 1);
    memcpy(body, text, len);
    body[len] = '\n';
    OPENSSL_cleanse(text, len);
    free(text);
    mod_scep_http_forget(r, body, len);
    r->status = status;
    return mod_scep_http_send(r, type, body, len + 1);
}

int mod_scep_json_send(request_rec *r, int status, json_t *object)
{
    return send_as(r, status, "application/json", object);
}

int mod_scep_json_problem(request_rec *r, int status, const char *fmt, ...)
{
    const char *line = ap_get_status_line(status);
    const char *detail;
    va_list args;

    va_start(args, fmt);
    detail = apr_pvsprintf(r->pool, fmt, args);
    va_end(args);
    detail = scep_utf8_clean(detail, strlen(detail), r->pool);
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                  SCEPLOGNO(0120) "admin request refused, HTTP %d: %s", status,
                  ap_escape_logitem(r->pool, detail));
    return send_as(r, status, "application/problem+json",
                   json_pack("{s:s, s:i, s:s}", "title", line + 4, "status",
                             status, "detail", detail));
}

int mod_scep_json_not_allowed(request_rec *r, const char *allowed)
{
    apr_table_setn(r->headers_out, "Allow", allowed);
    return mod_scep_json_problem(r, HTTP_METHOD_NOT_ALLOWED,
                                 "This resource knows %s.", allowed);
}

const char *mod_scep_json_time(apr_time_t time, apr_pool_t *p)
{
    apr_time_exp_t t;

    apr_time_exp_gmt(&t, time);
    return apr_psprintf(p, "%04d-%02d-%02dT%02d:%02d:%02dZ", t.tm_year + 1900,
                        t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min,
                        t.tm_sec);
}
