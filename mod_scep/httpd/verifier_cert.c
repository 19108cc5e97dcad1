/* verifier_cert.c - verifier "cert": the certificate that is being renewed
 * SPDX-License-Identifier: Apache-2.0
 *
 * What the certificate itself shows is looked at first, so that nobody is
 * asked about, or led to a URL by, what the CA has not signed.
 */
#include "verifier_cert.h"

#include <apr_strings.h>

#include "core/cert_id.h"
#include "ledger.h"
#include "providers.h"

typedef struct scep_cert_verifier_t {
    const scep_renewal_conf_t *conf;
    const char *state_dir;
    server_rec *server;
    const scep_profile_t *profile;
    scep_renewal_rule_t rule;
} scep_cert_verifier_t;

/* What only a ledger can do. */
static const char *check_ledger(const scep_profile_t *profile,
                                const scep_conf_t *conf)
{
    const scep_renewal_conf_t *renewal = profile->renewal;

    if (!conf->ledger && renewal->old_set && renewal->old != SCEP_OLD_KEEP)
        return "ScepRenewalOld needs ScepLedger";
    if (!conf->ledger && renewal->unknown_refused)
        return "ScepRenewalUnknown refuse needs ScepLedger";
    if (renewal->old == SCEP_OLD_REVOKE && !profile->ca->provider->revoke)
        return "ScepRenewalOld revoke: this connector cannot revoke";
    return NULL;
}

static const char *check(const scep_verifier_setup_t *setup, void **data)
{
    const scep_dir_conf_t *dir =
        ap_get_module_config((ap_conf_vector_t *)setup->conf, &scep_module);
    const scep_profile_t *profile = dir->profile_section;
    scep_cert_verifier_t *verifier = apr_pcalloc(setup->p, sizeof(*verifier));
    const char *fault;

    if (!profile->renewal || !profile->renewal->revocation.sources) {
        return "say with ScepRenewalRevocation how revoked certificates are "
               "known: crl:FILE, crl:URL, ca, ocsp, or off";
    }
    verifier->conf = profile->renewal;
    verifier->state_dir = setup->state_dir;
    verifier->server = setup->server;
    verifier->profile = profile;
    verifier->rule = profile->renewal->rule;
    verifier->rule.chain = setup->chain;
    verifier->rule.ext_key_usage = profile->ext_key_usage;
    *data = verifier;
    fault = check_ledger(profile, mod_scep_conf_get(setup->server));
    return fault ? fault
                 : mod_scep_revocation_check(&profile->renewal->revocation,
                                             profile, setup->p);
}

static apr_status_t open_state(void *data, server_rec *s, apr_pool_t *pconf)
{
    const scep_cert_verifier_t *verifier = data;

    return mod_scep_revocation_open(&verifier->conf->revocation,
                                    verifier->state_dir, s, pconf);
}

static apr_status_t child_init(void *data, server_rec *s, apr_pool_t *p)
{
    const scep_cert_verifier_t *verifier = data;

    (void)s;
    return mod_scep_revocation_child_init(&verifier->conf->revocation, p);
}

/* One that has been renewed does it again for a while: the device may never
 * have got the answer.  One that was revoked by somebody has no successor. */
static int may_still(const scep_certificate_t *row,
                     const scep_renewal_conf_t *conf, apr_time_t now)
{
    return row->state == SCEP_CERTIFICATE_LIVE ||
           (row->state != SCEP_CERTIFICATE_REVOKED && *row->successor &&
            now < row->changed + conf->old_after);
}

/* Nobody knows under which profile it was issued. */
static scep_verify_outcome_t guess(const scep_cert_verifier_t *verifier,
                                   const scep_verify_request_t *request,
                                   const char **reason)
{
    *reason = scep_renewal_check_purpose(&verifier->rule, request->signer);
    return *reason ? SCEP_VERIFY_PASS : SCEP_VERIFY_GRANTED;
}

/* Whether the certificate is one of this profile, and as good as new. */
static scep_verify_outcome_t ask_ledger(const scep_cert_verifier_t *verifier,
                                        const scep_verify_request_t *request,
                                        const char **reason, apr_pool_t *p)
{
    scep_ledger_t *ledger = mod_scep_conf_get(verifier->server)->ledger;
    scep_certificate_t row;
    apr_status_t rv;

    if (!ledger)
        return guess(verifier, request, reason);
    rv =
        mod_scep_ledger_certificate_of(ledger, verifier->profile->ca->name,
                                       scep_cert_id_serial(request->signer, p),
                                       request->signer, &row, p);
    if (APR_STATUS_IS_NOTFOUND(rv)) {
        *reason = "the ledger does not know the certificate "
                  "(ScepRenewalUnknown)";
        return verifier->conf->unknown_refused
                   ? SCEP_VERIFY_PASS
                   : guess(verifier, request, reason);
    }
    if (rv != APR_SUCCESS) {
        *reason = "the ledger does not work now";
        return SCEP_VERIFY_ERROR;
    }
    if (!mod_scep_ledger_is_that(&row, request->signer))
        *reason = "the ledger knows another certificate of this number";
    else if (strcmp(row.profile, verifier->profile->name))
        *reason = apr_psprintf(p, "the certificate is one of profile %s",
                               row.profile);
    else if (row.state == SCEP_CERTIFICATE_REVOKED)
        *reason = "the certificate is revoked (ledger)";
    else if (!may_still(&row, verifier->conf, request->now))
        *reason = *row.successor
                      ? apr_psprintf(p,
                                     "the certificate has been renewed by %s "
                                     "(ScepRenewalOld)",
                                     row.successor)
                      : "the certificate is to be revoked (ledger)";
    else
        return SCEP_VERIFY_GRANTED;
    return SCEP_VERIFY_PASS;
}

/* Who cannot tell now, because a CRL is missing or a responder is down,
 * refuses nobody: the device comes again. */
static scep_verify_outcome_t judge(const scep_cert_verifier_t *verifier,
                                   const scep_verify_request_t *request,
                                   const char **reason, apr_pool_t *p)
{
    scep_verify_outcome_t outcome;

    *reason =
        scep_renewal_check(&verifier->rule, request->signer, request->subject,
                           request->sans, request->now, p);
    if (*reason)
        return SCEP_VERIFY_PASS;
    outcome = ask_ledger(verifier, request, reason, p);
    if (outcome != SCEP_VERIFY_GRANTED)
        return outcome;
    switch (mod_scep_revocation_ask(&verifier->conf->revocation,
                                    request->signer, request->now, reason,
                                    p)) {
    case SCEP_REVOCATION_GOOD:
        return SCEP_VERIFY_GRANTED;
    case SCEP_REVOCATION_UNCLEAR:
        *reason = apr_pstrcat(p,
                              "whether the certificate is revoked cannot "
                              "be found out: ",
                              *reason, NULL);
        return SCEP_VERIFY_ERROR;
    default:
        return SCEP_VERIFY_PASS;
    }
}

static void verify(void *data, const scep_verify_request_t *request,
                   scep_verify_result_t *result, apr_pool_t *p)
{
    if (!request->signer) {
        result->outcome = SCEP_VERIFY_PASS;
        result->reason = "the request is not signed by a certificate";
        return;
    }
    result->outcome = judge(data, request, &result->reason, p);
    if (result->outcome != SCEP_VERIFY_GRANTED)
        return;
    result->renews = request->signer;
    result->id = apr_pstrcat(p, "certificate ",
                             scep_cert_id_serial(request->signer, p), NULL);
}

static apr_status_t settle(void *data, void *token,
                           const scep_verify_end_t *end, apr_pool_t *p)
{
    (void)data;
    (void)token;
    (void)end;
    (void)p;
    return APR_SUCCESS;
}

static void maintain(void *data, server_rec *s, apr_time_t now, apr_pool_t *p)
{
    const scep_cert_verifier_t *verifier = data;

    mod_scep_revocation_fetch(&verifier->conf->revocation, s, now, p);
}

const scep_verifier_provider_t mod_scep_verifier_cert = { .verify = verify,
                                                          .settle = settle,
                                                          .check = check,
                                                          .open = open_state,
                                                          .child_init =
                                                              child_init,
                                                          .explain = verify,
                                                          .maintain = maintain,
                                                          .by_signer = 1,
                                                          .tells_device = 1 };
