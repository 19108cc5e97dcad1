/* verifier_cert.c - verifier "cert": the certificate that is being renewed
 * SPDX-License-Identifier: Apache-2.0
 *
 * What the certificate itself shows is looked at first, so that nobody is
 * asked about, or led to a URL by, what the CA has not signed.
 */
#include "verifier_cert.h"

#include <apr_escape.h>
#include <apr_strings.h>

#include "providers.h"

typedef struct scep_cert_verifier_t {
    const scep_renewal_conf_t *conf;
    const char *state_dir;
    scep_renewal_rule_t rule;
} scep_cert_verifier_t;

static const char *check(const scep_verifier_setup_t *setup, void **data)
{
    const scep_dir_conf_t *dir =
        ap_get_module_config((ap_conf_vector_t *)setup->conf, &scep_module);
    const scep_profile_t *profile = dir->profile_section;
    scep_cert_verifier_t *verifier = apr_pcalloc(setup->p, sizeof(*verifier));

    if (!profile->renewal || !profile->renewal->revocation.sources) {
        return "say with ScepRenewalRevocation how revoked certificates are "
               "known: crl:FILE, crl:URL, ca, ocsp, or off";
    }
    verifier->conf = profile->renewal;
    verifier->state_dir = setup->state_dir;
    verifier->rule = profile->renewal->rule;
    verifier->rule.chain = setup->chain;
    verifier->rule.ext_key_usage = profile->ext_key_usage;
    *data = verifier;
    return mod_scep_revocation_check(&profile->renewal->revocation, profile,
                                     setup->p);
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

/* Who cannot tell now, because a CRL is missing or a responder is down,
 * refuses nobody: the device comes again. */
static scep_verify_outcome_t judge(const scep_cert_verifier_t *verifier,
                                   const scep_verify_request_t *request,
                                   const char **reason, apr_pool_t *p)
{
    *reason =
        scep_renewal_check(&verifier->rule, request->signer, request->subject,
                           request->sans, request->now, p);
    if (*reason)
        return SCEP_VERIFY_PASS;
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
    const ASN1_INTEGER *serial;

    if (!request->signer) {
        result->outcome = SCEP_VERIFY_PASS;
        result->reason = "the request is not signed by a certificate";
        return;
    }
    result->outcome = judge(data, request, &result->reason, p);
    if (result->outcome != SCEP_VERIFY_GRANTED)
        return;
    result->renews = request->signer;
    serial = X509_get0_serialNumber(request->signer);
    result->id =
        apr_pstrcat(p, "certificate ",
                    apr_pescape_hex(p, serial->data, serial->length, 0), NULL);
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
