/* admin_revoke.c - POST certificates/SERIAL/revoke
 * SPDX-License-Identifier: Apache-2.0
 */
#include "admin.h"

#include <apr_strings.h>
#include <http_protocol.h>

#include "admin_query.h"
#include "revocation_job.h"

static const char *read_reason(request_rec *r, const json_t *body, int *reason)
{
    static const char *const members[] = { "reason", NULL };
    const char *name;
    const char *err = mod_scep_json_known(body, members, r->pool);

    if (!err)
        err = mod_scep_json_text(body, "reason", &name, r->pool);
    if (err)
        return err;
    *reason = name ? scep_crl_reason_find(name) : CRL_REASON_UNSPECIFIED;
    return *reason < 0
               ? "\"reason\" is a CRLReason such as keyCompromise, "
                 "superseded, cessationOfOperation or privilegeWithdrawn."
               : NULL;
}

static int answer_revoked(request_rec *r, int status,
                          const scep_certificate_t *certificate,
                          const char *detail)
{
    scep_certificate_t now;

    if (mod_scep_ledger_certificate(mod_scep_conf_get(r->server)->ledger,
                                    certificate->ca, certificate->serial, &now,
                                    r->pool) != APR_SUCCESS)
        return mod_scep_admin_ledger_down(r);
    return mod_scep_admin_send_certificate(r, status, &now, detail);
}

static int revoke_it(request_rec *r, const scep_certificate_t *certificate,
                     int reason)
{
    const scep_revocation_order_t order = {
        .ca = certificate->ca,
        .serial = certificate->serial,
        .reason = reason,
        .actor = mod_scep_admin_actor(r),
        .address = r->useragent_ip,
    };
    const char *error = "no reason given";
    apr_status_t rv =
        mod_scep_revoke_certificate(r->server, &order, apr_time_now(), &error,
                                    r->pool);

    switch (rv) {
    case APR_SUCCESS:
        return answer_revoked(r, HTTP_OK, certificate, NULL);
    case APR_EINPROGRESS:
        return answer_revoked(r, HTTP_ACCEPTED, certificate, error);
    case APR_EEXIST:
        return mod_scep_json_problem(r, HTTP_CONFLICT,
                                     "Certificate %s was revoked before.",
                                     certificate->serial);
    case APR_NOTFOUND:
    case APR_ENOTIMPL:
        return mod_scep_json_problem(r, HTTP_CONFLICT,
                                     "Certificate %s cannot be revoked from "
                                     "here: %s.",
                                     certificate->serial, error);
    case APR_EINVAL:
        return mod_scep_json_problem(r, HTTP_BAD_REQUEST,
                                     "\"reason\": %s is no reason to revoke "
                                     "it for.",
                                     scep_crl_reason_name(reason));
    default:
        return mod_scep_admin_ledger_down(r);
    }
}

int mod_scep_admin_revoke(request_rec *r, const char *serial)
{
    scep_certificate_t certificate;
    json_t *body = NULL;
    const char *err;
    int status, reason;

    if (!mod_scep_admin_has_ledger(r, "POST", &status))
        return status;
    status = mod_scep_json_read(r, &body);
    if (!body)
        return status;
    err = read_reason(r, body, &reason);
    json_decref(body);
    if (err)
        return mod_scep_json_problem(r, HTTP_BAD_REQUEST, "%s", err);
    return mod_scep_admin_find_certificate(r, serial, &certificate, &status)
               ? revoke_it(r, &certificate, reason)
               : status;
}
