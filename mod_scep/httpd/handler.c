/* handler.c - SetHandler scep: the operations of the SCEP endpoint
 * SPDX-License-Identifier: Apache-2.0
 */
#include "handler.h"

#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>

#include "conf.h"
#include "core/query.h"
#include "enrolment.h"
#include "http.h"
#include "lockout.h"
#include "metrics.h"

/* Old drafts asked for the chain by an operation of its own. */
#define CHAIN_TYPE "application/x-x509-ca-ra-cert-chain"

static apr_off_t max_message_size(const request_rec *r)
{
    const scep_dir_conf_t *dir =
        ap_get_module_config(r->per_dir_config, &scep_module);

    return dir->max_message_size < 0 ? SCEP_MAX_MESSAGE_SIZE
                                     : dir->max_message_size;
}

static int refuse_query(request_rec *r, const scep_profile_t *profile,
                        int status, const char *text, const char *detail)
{
    mod_scep_http_note(r, "scep-profile", profile->name);
    mod_scep_http_note(r, "scep-reason",
                       scep_result_reason_name(SCEP_REASON_BAD_QUERY));
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                  SCEPLOGNO(0110) "refused, HTTP %d: profile %s: %s: %s",
                  status, profile->name, text,
                  detail ? ap_escape_logitem(r->pool, detail) : "-");
    return mod_scep_http_refuse(r, status, text);
}

static int answer_post(request_rec *r, const scep_profile_t *profile)
{
    const unsigned char *der;
    apr_size_t len;
    int status = mod_scep_http_body(r, max_message_size(r), &der, &len);

    if (status == OK)
        return mod_scep_enrolment_answer(r, profile, der, len);
    if (ap_is_HTTP_ERROR(status)) {
        mod_scep_metrics_request(r, profile, apr_itoa(r->pool, status),
                                 scep_result_reason_name(
                                     SCEP_REASON_BAD_QUERY));
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                      SCEPLOGNO(0111) "refused, HTTP %d: profile %s: the "
                                      "body is %s",
                      status, profile->name,
                      status == HTTP_REQUEST_ENTITY_TOO_LARGE
                          ? "over ScepMaxMessageSize or LimitRequestBody"
                          : "cut off or malformed");
    }
    return status;
}

static int answer_get_message(request_rec *r, const scep_profile_t *profile,
                              const scep_query_t *query)
{
    scep_result_t res = SCEP_RESULT_INIT;
    const unsigned char *der;
    apr_size_t len;
    int status;

    if (scep_query_message(query->message, (apr_size_t)max_message_size(r),
                           &der, &len, &res, r->pool) == APR_SUCCESS)
        return mod_scep_enrolment_answer(r, profile, der, len);
    status = res.http_status ? res.http_status : HTTP_BAD_REQUEST;
    mod_scep_metrics_request(r, profile, apr_itoa(r->pool, status),
                             scep_result_reason_name(res.reason));
    mod_scep_lockout_count(r, profile, res.reason);
    return refuse_query(r, profile, status,
                        "The message parameter cannot be read.", res.detail);
}

static int answer_get(request_rec *r, const scep_profile_t *profile,
                      const scep_query_t *query)
{
    const scep_body_t *body = &profile->ca_cert;

    switch (query->op) {
    case SCEP_OP_GET_CA_CAPS:
        body = &profile->ca_caps;
        return mod_scep_http_send(r, body->content_type, body->data,
                                  body->len);
    case SCEP_OP_GET_CA_CERT:
        return mod_scep_http_send(r, body->content_type, body->data,
                                  body->len);
    case SCEP_OP_GET_CA_CERT_CHAIN:
        return mod_scep_http_send(r, CHAIN_TYPE, body->data, body->len);
    case SCEP_OP_GET_NEXT_CA_CERT:
        body = &profile->next_ca;
        if (body->data)
            return mod_scep_http_send(r, body->content_type, body->data,
                                      body->len);
        return refuse_query(r, profile, HTTP_NOT_FOUND,
                            "There is no next CA certificate.", NULL);
    case SCEP_OP_PKI_OPERATION:
        if (r->header_only)
            return HTTP_METHOD_NOT_ALLOWED;
        if (query->message)
            return answer_get_message(r, profile, query);
        return refuse_query(r, profile, HTTP_BAD_REQUEST,
                            "PKIOperation by GET needs a message parameter.",
                            NULL);
    case SCEP_OP_NONE:
        return refuse_query(r, profile, HTTP_BAD_REQUEST,
                            "The operation parameter is missing; SCEP knows "
                            "GetCACaps, GetCACert and PKIOperation.",
                            NULL);
    default:
        return refuse_query(r, profile, HTTP_BAD_REQUEST,
                            "This operation is not known.", query->name);
    }
}

int mod_scep_handler(request_rec *r)
{
    const scep_profile_t *profile;
    scep_result_t res = SCEP_RESULT_INIT;
    scep_query_t query;
    int status;

    if (!r->handler || strcmp(r->handler, "scep"))
        return DECLINED;
    ap_allow_standard_methods(r, REPLACE_ALLOW, M_GET, M_POST, -1);
    if (r->method_number != M_GET && r->method_number != M_POST)
        return HTTP_METHOD_NOT_ALLOWED;
    profile = mod_scep_conf_profile(r);
    if (!profile) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                      SCEPLOGNO(0112) "SetHandler scep, but no ScepProfile "
                                      "for this location");
        return HTTP_NOT_FOUND;
    }
    if (scep_query_parse(&query, r->args, &res, r->pool) != APR_SUCCESS) {
        return refuse_query(r, profile, HTTP_BAD_REQUEST,
                            "The query string cannot be read.", res.detail);
    }
    if ((query.op == SCEP_OP_PKI_OPERATION || r->method_number == M_POST) &&
        mod_scep_lockout_answer(r, profile, &status))
        return status;
    if (r->method_number == M_GET)
        return answer_get(r, profile, &query);
    if (query.op != SCEP_OP_PKI_OPERATION && query.op != SCEP_OP_NONE) {
        return refuse_query(r, profile, HTTP_BAD_REQUEST,
                            "By POST there is only PKIOperation.", query.name);
    }
    return answer_post(r, profile);
}
