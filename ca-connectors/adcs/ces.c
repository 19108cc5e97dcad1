/* ces.c - calls of the enrolment web service
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adcs.h"

#include <apr_strings.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>

#include "ces_proto.h"

/* RFC 4122, 4.4: a random one. */
static const char *new_message_id(apr_pool_t *p)
{
    unsigned char r[16];

    if (RAND_bytes(r, sizeof(r)) != 1) {
        ERR_clear_error();
        return NULL;
    }
    r[6] = (unsigned char)((r[6] & 0x0f) | 0x40);
    r[8] = (unsigned char)((r[8] & 0x3f) | 0x80);
    return apr_psprintf(p,
                        "urn:uuid:%02x%02x%02x%02x-%02x%02x-%02x%02x-"
                        "%02x%02x-%02x%02x%02x%02x%02x%02x",
                        r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8],
                        r[9], r[10], r[11], r[12], r[13], r[14], r[15]);
}

static void unanswered(const scep_http_response_t *response,
                       const char *polled, scep_ca_result_t *result)
{
    result->reason = response->error;
    result->outcome = response->sent ? SCEP_CA_UNKNOWN : SCEP_CA_UNAVAILABLE;
    if (polled) {
        result->outcome = SCEP_CA_PENDING;
        result->handle = polled;
    }
}

static void call(scep_adcs_t *ca, scep_ces_order_t *order, const char *polled,
                 scep_ca_result_t *result, apr_pool_t *p)
{
    scep_http_response_t response = { 0 };
    apr_table_t *headers = apr_table_make(p, 1);
    scep_http_request_t request = { .url = order->url, .headers = headers };

    order->message_id = new_message_id(p);
    if (!order->message_id) {
        response.error = "OpenSSL fails at random octets";
        unanswered(&response, polled, result);
        return;
    }
    if (ca->conf->auth == SCEP_ADCS_AUTH_USERNAMETOKEN) {
        order->user = ca->conf->user;
        order->password = ca->password;
    }
    apr_table_setn(headers, "Content-Type", CES_CONTENT_TYPE);
    request.body = scep_ces_proto_order(order, p);
    request.body_len = strlen(request.body);
    if (scep_http_client_call(ca->client, &request, &response, p) ==
        APR_SUCCESS) {
        scep_ces_proto_answered(response.status, response.body,
                                response.body_len, polled, result, p);
        if (response.error && result->reason)
            result->reason =
                apr_pstrcat(p, result->reason, ": ", response.error, NULL);
    } else {
        unanswered(&response, polled, result);
    }
    OPENSSL_cleanse((char *)request.body, request.body_len);
}

void scep_ces_submit(scep_adcs_t *ca, const scep_ca_request_t *request,
                     scep_ca_result_t *result, apr_pool_t *p)
{
    scep_ces_order_t order = { .url = ca->conf->url,
                               .template = ca->conf->template,
                               .is_cms = ca->signer != NULL };
    const char *error =
        scep_adcs_order(ca, request, &order.der, &order.len, p);

    if (error) {
        result->outcome = SCEP_CA_UNAVAILABLE;
        result->reason = error;
    } else {
        call(ca, &order, NULL, result, p);
    }
}

void scep_ces_poll(scep_adcs_t *ca, const char *handle,
                   scep_ca_result_t *result, apr_pool_t *p)
{
    scep_ces_order_t order = { .url = NULL };

    order.url =
        scep_ces_proto_handle(handle, ca->conf->url, &order.request_id, p);
    if (order.url) {
        call(ca, &order, handle, result, p);
    } else {
        result->outcome = SCEP_CA_REJECTED;
        result->fail_info = SCEP_FAIL_BAD_CERT_ID;
        result->reason = "this is no handle of the connector to ADCS";
    }
}

apr_status_t scep_ces_health(scep_adcs_t *ca, const char **text, apr_pool_t *p)
{
    scep_http_response_t response = { 0 };
    const scep_http_request_t request = { .url = ca->conf->url };
    apr_status_t rv =
        scep_http_client_call(ca->client, &request, &response, p);

    if (rv != APR_SUCCESS) {
        *text = response.error;
        return rv;
    }
    *text = apr_psprintf(p, "the enrolment web service answers HTTP %d%s%s",
                         response.status, response.error ? ": " : "",
                         response.error ? response.error : "");
    /* a GET is none of its calls: how it says so is all the same */
    return response.status >= 500 || response.status == 401 ||
                   response.status == 403 || response.status == 404
               ? APR_EGENERAL
               : APR_SUCCESS;
}
