/* ejbca_ask.c - what EJBCA is asked for beside enrolments
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ejbca.h"

#include <stdlib.h>
#include <string.h>

#include "ejbca_proto.h"

/*
 * The CA's DN in EJBCA's own form and order, which no library prints; asked
 * for once in a child.
 */
static const char *issuer_of(scep_ejbca_t *ca, const char **error,
                             apr_pool_t *p)
{
    scep_http_response_t response;
    const char *issuer = ca->conf->issuer;

    if (!issuer) {
        apr_thread_mutex_lock(ca->mutex);
        issuer = ca->issuer;
        apr_thread_mutex_unlock(ca->mutex);
    }
    if (issuer)
        return issuer;
    if (scep_ejbca_call(ca, "GET", EJBCA_CAS, NULL, &response, p) !=
        APR_SUCCESS) {
        *error = response.error;
    } else if (response.status != 200) {
        *error = scep_ejbca_proto_error(response.status, response.body,
                                        response.body_len, p);
    } else if (!(issuer =
                     scep_ejbca_proto_issuer(response.body, response.body_len,
                                             ca->conf->ca, p))) {
        *error = "EJBCA does not list the CA: give its DN as ScepEjbcaIssuer";
    } else {
        apr_thread_mutex_lock(ca->mutex);
        if (!ca->issuer)
            ca->issuer = strdup(issuer);
        apr_thread_mutex_unlock(ca->mutex);
    }
    return issuer;
}

apr_status_t scep_ejbca_chain(void *cav, STACK_OF(X509) **chain, apr_pool_t *p)
{
    scep_ejbca_t *ca = cav;
    scep_http_response_t response;
    const char *error, *issuer = issuer_of(ca, &error, p);
    STACK_OF(X509) *found;
    apr_status_t rv;

    if (!issuer)
        return APR_EGENERAL;
    rv = scep_ejbca_call(ca, "GET", scep_ejbca_proto_chain(issuer, p), NULL,
                         &response, p);
    if (rv != APR_SUCCESS)
        return rv;
    found =
        response.status == 200
            ? scep_ejbca_proto_read_chain(response.body, response.body_len, p)
            : NULL;
    if (!found)
        return APR_EGENERAL;
    *chain = found;
    return APR_SUCCESS;
}

apr_status_t scep_ejbca_latest_crl(void *cav, X509_CRL **found, apr_pool_t *p)
{
    scep_ejbca_t *ca = cav;
    scep_http_response_t response;
    const char *error, *issuer = issuer_of(ca, &error, p);
    apr_status_t rv;

    if (!issuer)
        return APR_EGENERAL;
    rv = scep_ejbca_call(ca, "GET", scep_ejbca_proto_crl(issuer, p), NULL,
                         &response, p);
    if (rv != APR_SUCCESS)
        return rv;
    return response.status == 200
               ? scep_ejbca_proto_read_crl(response.body, response.body_len,
                                           found, p)
               : APR_EGENERAL;
}

apr_status_t scep_ejbca_revoke(void *cav, const X509 *certificate, int reason,
                               const char **error, apr_pool_t *p)
{
    scep_ejbca_t *ca = cav;
    scep_http_response_t response;
    const char *issuer = issuer_of(ca, error, p);

    if (!issuer)
        return APR_EGENERAL;
    if (scep_ejbca_call(ca, "PUT",
                        scep_ejbca_proto_revoke(issuer, certificate, reason,
                                                p),
                        NULL, &response, p) != APR_SUCCESS) {
        *error = response.error;
        return APR_EGENERAL;
    }
    /* 409: it is revoked already */
    if (response.status == 200 || response.status == 409)
        return APR_SUCCESS;
    *error = response.status == 202
                 ? "EJBCA waits for an approval of the revocation"
                 : scep_ejbca_proto_error(response.status, response.body,
                                          response.body_len, p);
    return APR_EGENERAL;
}

apr_status_t scep_ejbca_health(void *cav, const char **text, apr_pool_t *p)
{
    scep_http_response_t response;
    apr_status_t rv =
        scep_ejbca_call(cav, "GET", EJBCA_STATUS, NULL, &response, p);

    if (rv != APR_SUCCESS) {
        *text = response.error;
        return rv;
    }
    return scep_ejbca_proto_status(response.status, response.body,
                                   response.body_len, text, p)
               ? APR_SUCCESS
               : APR_EGENERAL;
}
