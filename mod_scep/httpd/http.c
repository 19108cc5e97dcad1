/* http.c - read what a client sends, answer it
 * SPDX-License-Identifier: Apache-2.0
 */
#include "http.h"

#include <apr_strings.h>
#include <http_protocol.h>
#include <openssl/crypto.h>
#include <util_filter.h>

/* Without a Content-Length a body grows from here. */
#define FIRST_ALLOCATION 8192

int mod_scep_http_is_guarded(request_rec *r)
{
    const scep_dir_conf_t *dir =
        ap_get_module_config(r->per_dir_config, &scep_module);

    if (dir->handler && !strcmp(dir->handler, r->handler) && dir->guarded &&
        dir->base)
        return 1;
    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                  SCEPLOGNO(0121) "SetHandler %s has no Require beside it in "
                                  "the server's configuration: nobody is let "
                                  "in",
                  r->handler);
    return 0;
}

typedef struct body_t {
    apr_pool_t *p;
    unsigned char *data;
    apr_size_t len, size;
    apr_size_t max;
} body_t;

static int body_add(body_t *body, const char *data, apr_size_t len)
{
    if (len > body->max - body->len)
        return HTTP_REQUEST_ENTITY_TOO_LARGE;
    if (len > body->size - body->len) {
        unsigned char *old = body->data;
        while (len > body->size - body->len)
            body->size *= 2;
        body->data = apr_palloc(body->p, body->size);
        memcpy(body->data, old, body->len);
    }
    memcpy(body->data + body->len, data, len);
    body->len += len;
    return OK;
}

/* Takes one brigade apart. *end is set where the body is complete. */
static int body_take(body_t *body, apr_bucket_brigade *bb, int *end)
{
    for (apr_bucket *b = APR_BRIGADE_FIRST(bb); b != APR_BRIGADE_SENTINEL(bb);
         b = APR_BUCKET_NEXT(b)) {
        const char *data;
        apr_size_t len;
        int status;

        if (APR_BUCKET_IS_EOS(b)) {
            *end = 1;
            return OK;
        }
        if (APR_BUCKET_IS_METADATA(b))
            continue;
        if (apr_bucket_read(b, &data, &len, APR_BLOCK_READ) != APR_SUCCESS)
            return HTTP_BAD_REQUEST;
        if ((status = body_add(body, data, len)) != OK)
            return status;
    }
    return OK;
}

int mod_scep_http_body(request_rec *r, apr_off_t max,
                       const unsigned char **data, apr_size_t *len)
{
    const char *length = apr_table_get(r->headers_in, "Content-Length");
    body_t body = { r->pool, NULL, 0, FIRST_ALLOCATION, (apr_size_t)max };
    apr_bucket_brigade *bb;
    int status = OK, end = 0;

    if (length) {
        apr_off_t announced;
        if (!ap_parse_strict_length(&announced, length))
            return HTTP_BAD_REQUEST;
        if (announced > max)
            return HTTP_REQUEST_ENTITY_TOO_LARGE;
        body.size = announced ? (apr_size_t)announced : 1;
    }
    body.data = apr_palloc(r->pool, body.size);
    bb = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    while (status == OK && !end) {
        apr_status_t rv =
            ap_get_brigade(r->input_filters, bb, AP_MODE_READBYTES,
                           APR_BLOCK_READ, HUGE_STRING_LEN);
        if (rv != APR_SUCCESS) {
            status = ap_map_http_request_error(rv, HTTP_BAD_REQUEST);
            break;
        }
        status = body_take(&body, bb, &end);
        apr_brigade_cleanup(bb);
    }
    apr_brigade_destroy(bb);
    *data = body.data;
    *len = body.len;
    return status;
}

int mod_scep_http_send(request_rec *r, const char *content_type,
                       const void *data, apr_size_t len)
{
    apr_bucket_alloc_t *alloc = r->connection->bucket_alloc;
    apr_bucket_brigade *bb = apr_brigade_create(r->pool, alloc);

    r->content_type = NULL;
    apr_table_setn(r->headers_out, "Content-Type", content_type);
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    ap_set_content_length(r, (apr_off_t)len);
    if (len) {
        APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_pool_create(data, len, r->pool,
                                                           alloc));
    }
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_eos_create(alloc));
    return ap_pass_brigade(r->output_filters, bb) == APR_SUCCESS
               ? OK
               : AP_FILTER_ERROR;
}

typedef struct secret_t {
    void *data;
    apr_size_t len;
} secret_t;

static apr_status_t forget(void *secretv)
{
    const secret_t *secret = secretv;

    OPENSSL_cleanse(secret->data, secret->len);
    return APR_SUCCESS;
}

/* To be called before the data is sent: what is not written when the pool
 * goes is copied first, as cleanups run last in, first out. */
void mod_scep_http_forget(request_rec *r, void *data, apr_size_t len)
{
    secret_t *secret = apr_palloc(r->pool, sizeof(*secret));

    secret->data = data;
    secret->len = len;
    apr_pool_cleanup_register(r->pool, secret, forget, apr_pool_cleanup_null);
}

int mod_scep_http_refuse(request_rec *r, int status, const char *text)
{
    const char *line = apr_pstrcat(r->pool, text, "\n", NULL);

    r->status = status;
    return mod_scep_http_send(r, "text/plain", line, strlen(line));
}

void mod_scep_http_note(request_rec *r, const char *name, const char *value)
{
    if (value) {
        apr_table_setn(r->notes, name, value);
        apr_table_setn(r->subprocess_env, name, value);
    }
}
