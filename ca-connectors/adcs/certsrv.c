/* certsrv.c - enrolments through ADCS's web enrolment
 * SPDX-License-Identifier: Apache-2.0
 */
#include "adcs.h"

#include <apr_strings.h>
#include <openssl/err.h>

#include "adcs_decode.h"
#include "certsrv_proto.h"

static apr_status_t call(scep_adcs_t *ca, const char *path, const char *form,
                         scep_http_response_t *response, apr_pool_t *p)
{
    apr_table_t *headers = apr_table_make(p, 1);
    const scep_http_request_t request = {
        .url = apr_pstrcat(p, ca->conf->url, path, NULL),
        .headers = headers,
        .body = form,
        .body_len = form ? strlen(form) : 0,
    };

    if (form)
        apr_table_setn(headers, "Content-Type",
                       "application/x-www-form-urlencoded");
    memset(response, 0, sizeof(*response));
    return scep_http_client_call(ca->client, &request, response, p);
}

/*
 * Asks what became of a request.
 * @param result  where none of the ticket's numbers is it, as it was
 */
static void ask(scep_adcs_t *ca, const scep_certsrv_ticket_t *ticket,
                scep_ca_result_t *result, apr_pool_t *p)
{
    scep_ca_result_t unclear = { 0 };
    apr_status_t rv = APR_SUCCESS;

    for (int i = 0; i < ticket->count && rv == APR_SUCCESS; i++) {
        scep_ca_result_t one = { 0 };
        scep_http_response_t response;
        scep_certsrv_found_t found = SCEP_CERTSRV_UNCLEAR;

        rv = call(ca, scep_certsrv_proto_fetch(ticket->ids[i], p), NULL,
                  &response, p);
        if (rv == APR_SUCCESS)
            found = scep_certsrv_proto_fetched(response.status, response.body,
                                               response.body_len, ticket,
                                               ticket->ids[i], &one, p);
        else
            one.reason = response.error;
        if (found == SCEP_CERTSRV_DECIDED) {
            *result = one;
            return;
        }
        if (found == SCEP_CERTSRV_UNCLEAR && !unclear.reason)
            unclear = one;
    }
    if (!unclear.reason)
        return;
    *result = unclear;
    result->handle = scep_certsrv_proto_handle(ticket, p);
}

static void send_form(scep_adcs_t *ca, const char *form,
                      scep_certsrv_ticket_t *ticket, scep_ca_result_t *result,
                      apr_pool_t *p)
{
    scep_http_response_t response;

    if (call(ca, CERTSRV_SUBMIT, form, &response, p) != APR_SUCCESS) {
        result->outcome =
            response.sent ? SCEP_CA_UNKNOWN : SCEP_CA_UNAVAILABLE;
        result->reason = response.error;
    } else if (scep_certsrv_proto_submitted(response.status, response.body,
                                            response.body_len, ticket, result,
                                            p)) {
        ask(ca, ticket, result, p);
    } else if (response.status == 401 && response.error) {
        result->reason =
            apr_pstrcat(p, result->reason, "; ", response.error, NULL);
    }
}

void scep_certsrv_submit(scep_adcs_t *ca, const scep_ca_request_t *request,
                         scep_ca_result_t *result, apr_pool_t *p)
{
    scep_certsrv_ticket_t ticket = { 0 };
    const unsigned char *der;
    apr_size_t len;
    const char *form;
    const char *fault = scep_adcs_order(ca, request, &der, &len, p);

    if (fault || EVP_Digest(request->spki, request->spki_len, ticket.key, NULL,
                            EVP_sha256(), NULL) != 1) {
        ERR_clear_error();
        result->outcome = SCEP_CA_UNAVAILABLE;
        result->reason = fault ? fault : "OpenSSL fails at a digest";
        return;
    }
    form = scep_certsrv_proto_form(der, len, ca->signer != NULL,
                                   ca->conf->template, p);
    if (form) {
        send_form(ca, form, &ticket, result, p);
    } else {
        result->outcome = SCEP_CA_REJECTED;
        result->fail_info = SCEP_FAIL_BAD_REQUEST;
        result->reason = "the name in ScepAdcsTemplate cannot be sent";
    }
}

void scep_certsrv_poll(scep_adcs_t *ca, const char *handle,
                       scep_ca_result_t *result, apr_pool_t *p)
{
    scep_certsrv_ticket_t ticket;

    if (!scep_certsrv_proto_read_handle(handle, &ticket)) {
        result->outcome = SCEP_CA_REJECTED;
        result->fail_info = SCEP_FAIL_BAD_CERT_ID;
        result->reason = "this is no handle of the connector to certsrv";
        return;
    }
    result->outcome = SCEP_CA_UNKNOWN;
    result->handle = handle;
    result->reason = "certsrv knows no such request";
    ask(ca, &ticket, result, p);
}

apr_status_t scep_certsrv_chain(scep_adcs_t *ca, STACK_OF(X509) **chain,
                                apr_pool_t *p)
{
    scep_http_response_t response;
    apr_status_t rv = call(ca, CERTSRV_ISSUERS, NULL, &response, p);
    const char *path;

    if (rv != APR_SUCCESS)
        return rv;
    path = scep_certsrv_proto_issuers(response.status, response.body,
                                      response.body_len, p);
    if (!path)
        return APR_EGENERAL;
    rv = call(ca, path, NULL, &response, p);
    if (rv != APR_SUCCESS)
        return rv;
    *chain = response.status == 200
                 ? scep_adcs_chain(response.body, response.body_len, NULL, p)
                 : NULL;
    return *chain ? APR_SUCCESS : APR_EGENERAL;
}

/* The page with the chain is asked for: it needs a CA that answers. */
apr_status_t scep_certsrv_health(scep_adcs_t *ca, const char **text,
                                 apr_pool_t *p)
{
    scep_http_response_t response;
    apr_status_t rv = call(ca, CERTSRV_ISSUERS, NULL, &response, p);

    if (rv != APR_SUCCESS) {
        *text = response.error;
        return rv;
    }
    if (!scep_certsrv_proto_issuers(response.status, response.body,
                                    response.body_len, p)) {
        *text = scep_certsrv_proto_error(response.status, response.body,
                                         response.body_len, p);
        if (response.error)
            *text = apr_pstrcat(p, *text, "; ", response.error, NULL);
        return APR_EGENERAL;
    }
    *text = "web enrolment hands out the CA's chain";
    return APR_SUCCESS;
}
