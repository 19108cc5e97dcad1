/* access.c - GetCert and GetCRL: certificates and CRLs for devices
 * SPDX-License-Identifier: Apache-2.0
 */
#include "access.h"

#include <apr_strings.h>

#include "core/cert_id.h"
#include "core/name.h"
#include "core/renewal.h"
#include "ledger.h"
#include "providers.h"
#include "verifier_cert.h"

/* What the steps below share. */
typedef struct access_t {
    scep_ledger_t *ledger; /**< or NULL */
    const scep_profile_t *profile;
    const scep_message_t *message;
    apr_time_t now;
    scep_cert_id_t id;
    scep_enrol_answer_t *answer;
    scep_result_t *res;
    apr_pool_t *p;
} access_t;

const char *mod_scep_set_get_cert(cmd_parms *cmd, void *dirv, int on)
{
    const char *err;
    scep_profile_t *profile = mod_scep_conf_section(cmd, dirv, &err);

    if (!err)
        profile->get_cert = on;
    return err;
}

const char *mod_scep_set_get_crl(cmd_parms *cmd, void *dirv, int on)
{
    const char *err;
    scep_profile_t *profile = mod_scep_conf_section(cmd, dirv, &err);

    if (!err)
        profile->get_crl = on;
    return err;
}

/* What the profile goes by when it renews, if it does. */
static const scep_revocation_conf_t *revocation_of(
    const scep_profile_t *profile)
{
    for (int i = 0; i < profile->verifiers->nelts; i++)
        if (APR_ARRAY_IDX(profile->verifiers, i, scep_verifier_t).provider ==
            &mod_scep_verifier_cert)
            return &profile->renewal->revocation;
    return NULL;
}

const char *mod_scep_access_check(const scep_conf_t *conf,
                                  const scep_profile_t *profile)
{
    if (profile->get_cert && !conf->ledger)
        return "ScepGetCert needs ScepLedger, where the certificates are";
    if (profile->get_crl &&
        !(revocation_of(profile) &&
          mod_scep_revocation_has_crl(revocation_of(profile)))) {
        return "ScepGetCRL needs ScepVerify cert and a CRL in "
               "ScepRenewalRevocation: crl:FILE, crl:URL or ca";
    }
    return NULL;
}

int mod_scep_access_serves(const scep_profile_t *profile,
                           const scep_message_t *message)
{
    return (message->type == SCEP_TYPE_GET_CERT && profile->get_cert) ||
           (message->type == SCEP_TYPE_GET_CRL && profile->get_crl);
}

/* ------------------------------------------------------------------ */
/* Who asks                                                             */

static scep_renewal_rule_t rule_of(const scep_profile_t *profile)
{
    const scep_renewal_rule_t rule = { .chain = profile->ca->chain,
                                       .ext_key_usage =
                                           profile->ext_key_usage };

    return rule;
}

static apr_status_t refuse(const access_t *access, const char *fault)
{
    return scep_result_fail(access->res, access->p, SCEP_REASON_SIGNER, "%s",
                            fault);
}

static apr_status_t check_signer(const access_t *access)
{
    const scep_renewal_rule_t rule = rule_of(access->profile);
    X509 *signer = access->message->signer;
    const char *fault = "it is not signed by a certificate of a CA";

    /* as if it asked for what it has */
    if (signer)
        fault =
            scep_renewal_check(&rule, signer, X509_get_subject_name(signer),
                               NULL, access->now, access->p);
    return fault ? refuse(access, fault) : APR_SUCCESS;
}

static apr_status_t check_revocation(const access_t *access)
{
    const scep_revocation_conf_t *revocation = revocation_of(access->profile);
    const char *reason = NULL;

    if (!revocation)
        return APR_SUCCESS;
    switch (mod_scep_revocation_ask(revocation, access->message->signer,
                                    access->now, &reason, access->p)) {
    case SCEP_REVOCATION_GOOD:
        return APR_SUCCESS;
    case SCEP_REVOCATION_UNCLEAR:
        return scep_result_fail(access->res, access->p,
                                SCEP_REASON_VERIFIER_DOWN,
                                "whether the signer's certificate is revoked "
                                "cannot be found out: %s",
                                reason);
    default:
        return refuse(access, reason);
    }
}

static apr_status_t cannot_ask(const access_t *access)
{
    return scep_result_fail(access->res, access->p, SCEP_REASON_LEDGER_DOWN,
                            "the ledger cannot be asked now");
}

/* @return APR_SUCCESS; APR_NOTFOUND; else res says that it cannot tell */
static apr_status_t look_up(const access_t *access, const char *serial,
                            scep_certificate_t *found)
{
    apr_status_t rv =
        mod_scep_ledger_certificate(access->ledger, access->profile->ca->name,
                                    serial, found, access->p);

    return rv == APR_SUCCESS || rv == APR_NOTFOUND ? rv : cannot_ask(access);
}

/* The ledger knows whose it is, and what the gateway itself has revoked may
 * not be in a CRL yet; of what it does not know the purpose has to tell. */
static apr_status_t check_state(const access_t *access)
{
    const scep_renewal_rule_t rule = rule_of(access->profile);
    X509 *signer = access->message->signer;
    apr_status_t rv = APR_NOTFOUND;
    const char *fault = NULL;
    scep_certificate_t own;

    if (access->ledger)
        rv = mod_scep_ledger_certificate_of(
            access->ledger, access->profile->ca->name,
            scep_cert_id_serial(signer, access->p), signer, &own, access->p);
    if (rv == APR_NOTFOUND)
        fault = scep_renewal_check_purpose(&rule, signer);
    else if (rv != APR_SUCCESS)
        return cannot_ask(access);
    else if (strcmp(own.profile, access->profile->name))
        fault = "the signer's certificate is another profile's";
    else if (own.state == SCEP_CERTIFICATE_REVOKED ||
             own.state == SCEP_CERTIFICATE_REVOKING)
        fault = "the signer's certificate is revoked";
    return fault ? refuse(access, fault) : APR_SUCCESS;
}

/* ------------------------------------------------------------------ */
/* What is asked for                                                    */

static apr_status_t read_id(access_t *access)
{
    const char *fault =
        scep_cert_id_parse(&access->id, access->message->data,
                           access->message->data_len, access->p);

    if (fault)
        return scep_result_fail(access->res, access->p, SCEP_REASON_ATTRIBUTES,
                                "%s", fault);
    if (X509_NAME_cmp(access->id.issuer,
                      X509_get_subject_name(
                          sk_X509_value(access->profile->ca->chain, 0)))) {
        return scep_result_fail(access->res, access->p, SCEP_REASON_CERT_ID,
                                "the issuer is another than the CA: %s",
                                scep_name_text(access->id.issuer, access->p));
    }
    return APR_SUCCESS;
}

static apr_status_t free_cert(void *cert)
{
    X509_free(cert);
    return APR_SUCCESS;
}

static void get_cert(const access_t *access)
{
    scep_certificate_t found;
    apr_status_t rv = look_up(access, access->id.serial, &found);
    const unsigned char *der;
    X509 *cert;

    if (rv != APR_SUCCESS && rv != APR_NOTFOUND)
        return;
    if (rv == APR_NOTFOUND || strcmp(found.profile, access->profile->name)) {
        scep_result_fail(access->res, access->p, SCEP_REASON_CERT_ID,
                         "the profile has no certificate %s",
                         access->id.serial);
        return;
    }
    der = found.der;
    cert = d2i_X509(NULL, &der, (long)found.der_len);
    if (!cert) {
        scep_result_fail(access->res, access->p, SCEP_REASON_INTERNAL,
                         "the certificate %s in the ledger cannot be read",
                         access->id.serial);
        return;
    }
    apr_pool_cleanup_register(access->p, cert, free_cert,
                              apr_pool_cleanup_null);
    access->answer->certificate = cert;
    access->answer->sent =
        apr_pstrcat(access->p, "certificate ", access->id.serial, NULL);
}

static apr_status_t free_crl(void *crl)
{
    X509_CRL_free(crl);
    return APR_SUCCESS;
}

static void get_crl(const access_t *access)
{
    X509_CRL *crl = NULL;
    const char *fault = mod_scep_revocation_crl(revocation_of(access->profile),
                                                access->now, &crl, access->p);

    if (fault) {
        scep_result_fail(access->res, access->p, SCEP_REASON_VERIFIER_DOWN,
                         "there is no CRL to send: %s", fault);
        return;
    }
    apr_pool_cleanup_register(access->p, crl, free_crl, apr_pool_cleanup_null);
    access->answer->crl = crl;
    access->answer->sent = "CRL";
}

void mod_scep_access_run(request_rec *r, const scep_profile_t *profile,
                         const scep_message_t *message, apr_time_t now,
                         scep_enrol_answer_t *answer, scep_result_t *res)
{
    access_t access = { .ledger = mod_scep_conf_get(r->server)->ledger,
                        .profile = profile,
                        .message = message,
                        .now = now,
                        .answer = answer,
                        .res = res,
                        .p = r->pool };

    memset(answer, 0, sizeof(*answer));
    if (check_signer(&access) != APR_SUCCESS)
        return;
    answer->subject =
        scep_name_text(X509_get_subject_name(message->signer), r->pool);
    if (scep_message_can_reply(message, res, r->pool) == APR_SUCCESS &&
        check_revocation(&access) == APR_SUCCESS &&
        check_state(&access) == APR_SUCCESS &&
        read_id(&access) == APR_SUCCESS) {
        if (message->type == SCEP_TYPE_GET_CERT)
            get_cert(&access);
        else
            get_crl(&access);
    }
}
