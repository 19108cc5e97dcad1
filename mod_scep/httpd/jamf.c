/* jamf.c - SetHandler scep-jamf: Jamf Pro's webhook SCEPChallenge
 * SPDX-License-Identifier: Apache-2.0
 */
#include "jamf.h"

#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "challenge_order.h"
#include "http.h"
#include "jamf_proto.h"
#include "json.h"
#include "secret.h"

#define BODY_MAX 65536
#define DIGEST_LEN 32

/* Digests are compared: a length must not show either. */
typedef struct header_t {
    const char *name;
    int usable; /**< the secret was read */
    unsigned char digest[DIGEST_LEN];
} header_t;

struct scep_jamf_conf_t {
    apr_array_header_t *headers; /**< header_t */
};

static int digest_of(const char *text, unsigned char digest[DIGEST_LEN])
{
    int done =
        EVP_Digest(text, strlen(text), digest, NULL, EVP_sha256(), NULL) == 1;

    ERR_clear_error();
    return done;
}

const char *mod_scep_jamf_set_secret(cmd_parms *cmd, void *dirv,
                                     const char *name, const char *location)
{
    scep_dir_conf_t *dir = dirv;
    const char *err = mod_scep_conf_context(cmd, dirv, 1), *secret = "";
    header_t *header;

    if (err)
        return err;
    if (!*name || *ap_scan_http_token(name))
        return mod_scep_conf_error(cmd, "'%s' is no name of a header", name);
    err = mod_scep_secret_read(cmd, location, &secret);
    if (err)
        return mod_scep_conf_error(cmd, "%s", err);
    if (!dir->jamf) {
        dir->jamf = apr_pcalloc(cmd->pool, sizeof(*dir->jamf));
        dir->jamf->headers = apr_array_make(cmd->pool, 2, sizeof(header_t));
    }
    header = apr_array_push(dir->jamf->headers);
    header->name = name;
    /* configtest runs no program, and nothing may match "". */
    header->usable = *secret && digest_of(secret, header->digest);
    return NULL;
}

/* Every secret is compared, whichever it is. */
static int has_secret(request_rec *r, const scep_jamf_conf_t *conf)
{
    int found = 0;

    for (int i = 0; i < conf->headers->nelts; i++) {
        const header_t *header = &APR_ARRAY_IDX(conf->headers, i, header_t);
        const char *given = apr_table_get(r->headers_in, header->name);
        unsigned char digest[DIGEST_LEN];

        found |= digest_of(given ? given : "", digest) && given &&
                 header->usable &&
                 !CRYPTO_memcmp(digest, header->digest, DIGEST_LEN);
    }
    return found;
}

static int refuse(request_rec *r, int status, const char *detail)
{
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                  SCEPLOGNO(0310) "webhook of Jamf refused, HTTP %d: %s",
                  status, ap_escape_logitem(r->pool, detail));
    return mod_scep_http_refuse(r, status, detail);
}

static int send_text(request_rec *r, char *text)
{
    apr_size_t len = strlen(text);

    mod_scep_http_forget(r, text, len);
    return mod_scep_http_send(r, "text/plain", text, len);
}

/*
 * Jamf tries the webhook when it is set up, and wants to see some text.  It
 * gets one that looks right and opens nothing: nobody needs a challenge that
 * is for no device.
 */
static int answer_probe(request_rec *r)
{
    unsigned char random[SCEP_SECRET_OCTETS];
    char *text = apr_palloc(r->pool, 2 * sizeof(random) + 1);

    if (RAND_bytes(random, sizeof(random)) != 1) {
        ERR_clear_error();
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    for (size_t i = 0; i < sizeof(random); i++)
        apr_snprintf(text + 2 * i, 3, "%02X", random[i]);
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                  SCEPLOGNO(0312) "probe of Jamf's webhook answered; its text "
                                  "is no challenge");
    return send_text(r, text);
}

static const char *read_order(scep_order_t *order,
                              const scep_jamf_event_t *event)
{
    const char *err = mod_scep_order_profile(order, NULL);

    if (!err)
        err = mod_scep_order_device(order, event->device);
    if (!err && event->user && strlen(event->user) <= SCEP_CHALLENGE_NOTE_MAX)
        err = mod_scep_order_note(order, event->user);
    return err;
}

static int answer_event(request_rec *r, const scep_jamf_event_t *event)
{
    static const int status_of[] = {
        [SCEP_ORDER_INCOMPLETE] = HTTP_UNPROCESSABLE_ENTITY,
        [SCEP_ORDER_FORBIDDEN] = HTTP_FORBIDDEN,
        [SCEP_ORDER_QUOTA] = HTTP_TOO_MANY_REQUESTS,
        [SCEP_ORDER_FULL] = HTTP_INSUFFICIENT_STORAGE,
        [SCEP_ORDER_DOWN] = HTTP_SERVICE_UNAVAILABLE,
    };
    scep_order_outcome_t outcome;
    scep_order_t order;
    scep_issued_t issued;
    const char *detail;

    mod_scep_order_init(&order, r);
    detail = read_order(&order, event);
    if (detail)
        return refuse(r, HTTP_BAD_REQUEST, detail);
    outcome =
        mod_scep_order_issue(&order, SCEP_SECRET_OCTETS, &issued, &detail);
    return outcome == SCEP_ORDER_DONE
               ? send_text(r, (char *)issued.secret)
               : mod_scep_http_refuse(r, status_of[outcome], detail);
}

static int answer_post(request_rec *r)
{
    scep_jamf_event_t event;
    const unsigned char *body;
    const char *err;
    apr_size_t len;
    int status;

    if (!mod_scep_json_is_announced(r)) {
        return refuse(r, HTTP_UNSUPPORTED_MEDIA_TYPE,
                      "Send the webhook as application/json.");
    }
    status = mod_scep_http_body(r, BODY_MAX, &body, &len);
    if (status == HTTP_REQUEST_ENTITY_TOO_LARGE) {
        r->connection->keepalive = AP_CONN_CLOSE;
        return refuse(r, status, "The body is too long.");
    }
    if (status != OK)
        return status;
    err = mod_scep_jamf_proto_read(&event, (const char *)body, len, r->pool);
    if (err)
        return refuse(r, HTTP_BAD_REQUEST, err);
    return event.probe ? answer_probe(r) : answer_event(r, &event);
}

int mod_scep_jamf_handler(request_rec *r)
{
    const scep_dir_conf_t *dir;

    if (!r->handler || strcmp(r->handler, "scep-jamf"))
        return DECLINED;
    dir = ap_get_module_config(r->per_dir_config, &scep_module);
    if (!mod_scep_http_is_guarded(r))
        return HTTP_FORBIDDEN;
    if (dir->jamf && !has_secret(r, dir->jamf)) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                      SCEPLOGNO(0311) "webhook of Jamf refused, HTTP 401: no "
                                      "header holds what ScepJamfSecret "
                                      "demands");
        apr_table_setn(r->err_headers_out, "WWW-Authenticate",
                       "Header realm=\"SCEPChallenge\"");
        return mod_scep_http_refuse(r, HTTP_UNAUTHORIZED,
                                    "A header with the secret is missing.");
    }
    ap_allow_standard_methods(r, REPLACE_ALLOW, M_POST, -1);
    return r->method_number == M_POST ? answer_post(r)
                                      : HTTP_METHOD_NOT_ALLOWED;
}
