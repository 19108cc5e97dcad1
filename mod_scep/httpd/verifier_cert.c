/* verifier_cert.c - verifier "cert": the certificate that is being renewed
 * SPDX-License-Identifier: Apache-2.0
 */
#include "verifier_cert.h"

#include <apr_escape.h>
#include <apr_strings.h>
#include <apr_thread_mutex.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "core/renewal.h"
#include "providers.h"

/* A CRL is read by whichever child needs it, when its file has changed. */
typedef struct scep_cert_verifier_t {
    const scep_renewal_conf_t *conf;
    const STACK_OF(X509) *chain;
    const apr_array_header_t *ext_key_usage;
    apr_thread_mutex_t *mutex; /**< of the child, over what follows */
    X509_CRL *crl;
    apr_time_t crl_mtime;
    apr_ino_t crl_inode;
    apr_off_t crl_size;
} scep_cert_verifier_t;

static scep_renewal_conf_t *renewal_of(cmd_parms *cmd, void *dirv,
                                       const char **err)
{
    scep_profile_t *profile = mod_scep_conf_section(cmd, dirv, err);

    if (*err)
        return NULL;
    if (!profile->renewal)
        profile->renewal = apr_pcalloc(cmd->pool, sizeof(*profile->renewal));
    return profile->renewal;
}

const char *mod_scep_set_renewal_revocation(cmd_parms *cmd, void *dirv,
                                            const char *how)
{
    const char *err;
    scep_renewal_conf_t *renewal = renewal_of(cmd, dirv, &err);

    if (err)
        return err;
    if (!strcasecmp(how, "off"))
        renewal->crl_file = NULL;
    else if (strncasecmp(how, "crl:", 4) || !how[4])
        return mod_scep_conf_error(cmd, "give crl:FILE or off");
    else if (!(renewal->crl_file =
                   ap_server_root_relative(cmd->pool, how + 4)))
        return mod_scep_conf_error(cmd, "'%s' is no valid path", how + 4);
    renewal->revocation_set = 1;
    return NULL;
}

const char *mod_scep_set_renewal_grace(cmd_parms *cmd, void *dirv,
                                       const char *time)
{
    const char *err;
    scep_renewal_conf_t *renewal = renewal_of(cmd, dirv, &err);

    if (!err && (err = mod_scep_conf_time(&renewal->grace, time, cmd->pool)))
        err = mod_scep_conf_error(cmd, "%s", err);
    return err;
}

/* PEM or DER; NULL where it is neither. */
static X509_CRL *read_crl(const char *file)
{
    BIO *in = BIO_new_file(file, "rb");
    X509_CRL *crl = in ? PEM_read_bio_X509_CRL(in, NULL, NULL, NULL) : NULL;

    if (in && !crl && BIO_reset(in) == 0)
        crl = d2i_X509_CRL_bio(in, NULL);
    BIO_free(in);
    ERR_clear_error();
    return crl;
}

static const char *check(const scep_verifier_setup_t *setup, void **data)
{
    const scep_dir_conf_t *dir =
        ap_get_module_config((ap_conf_vector_t *)setup->conf, &scep_module);
    const scep_profile_t *profile = dir->profile_section;
    scep_cert_verifier_t *verifier = apr_pcalloc(setup->p, sizeof(*verifier));
    const char *fault;
    X509_CRL *crl;

    if (!profile->renewal || !profile->renewal->revocation_set) {
        return "say with ScepRenewalRevocation how revoked certificates are "
               "known: crl:FILE, or off";
    }
    verifier->conf = profile->renewal;
    verifier->chain = setup->chain;
    verifier->ext_key_usage = profile->ext_key_usage;
    *data = verifier;
    if (!profile->renewal->crl_file)
        return NULL;
    if (!(crl = read_crl(profile->renewal->crl_file))) {
        return apr_psprintf(setup->p, "there is no CRL in %s",
                            profile->renewal->crl_file);
    }
    /* One that is only out of date is replaced while the server runs. */
    fault = scep_renewal_check_crl(crl, sk_X509_value(setup->chain, 0),
                                   apr_time_now());
    X509_CRL_free(crl);
    return fault && strstr(fault, "signed")
               ? apr_psprintf(setup->p, "%s: %s", profile->renewal->crl_file,
                              fault)
               : NULL;
}

static apr_status_t free_crl(void *data)
{
    scep_cert_verifier_t *verifier = data;

    X509_CRL_free(verifier->crl);
    verifier->crl = NULL;
    return APR_SUCCESS;
}

static apr_status_t child_init(void *data, server_rec *s, apr_pool_t *p)
{
    scep_cert_verifier_t *verifier = data;

    (void)s;
    apr_pool_cleanup_register(p, verifier, free_crl, apr_pool_cleanup_null);
    return apr_thread_mutex_create(&verifier->mutex, APR_THREAD_MUTEX_DEFAULT,
                                   p);
}

/* The CRL as it is now, to be freed; NULL: there is none that can be read. */
static X509_CRL *current_crl(scep_cert_verifier_t *verifier, apr_pool_t *p)
{
    const char *file = verifier->conf->crl_file;
    X509_CRL *crl = NULL;
    apr_finfo_t info;

    if (apr_stat(&info, file,
                 APR_FINFO_TYPE | APR_FINFO_MTIME | APR_FINFO_SIZE |
                     APR_FINFO_INODE,
                 p) != APR_SUCCESS ||
        info.filetype != APR_REG)
        return NULL;
    apr_thread_mutex_lock(verifier->mutex);
    if (!verifier->crl || info.mtime != verifier->crl_mtime ||
        info.size != verifier->crl_size || info.inode != verifier->crl_inode) {
        X509_CRL_free(verifier->crl);
        verifier->crl = read_crl(file);
        verifier->crl_mtime = info.mtime;
        verifier->crl_size = info.size;
        verifier->crl_inode = info.inode;
    }
    if (verifier->crl && X509_CRL_up_ref(verifier->crl))
        crl = verifier->crl;
    apr_thread_mutex_unlock(verifier->mutex);
    return crl;
}

static const char *judge(scep_cert_verifier_t *verifier,
                         const scep_verify_request_t *request, apr_pool_t *p)
{
    scep_renewal_rule_t rule = { .chain = verifier->chain,
                                 .grace = verifier->conf->grace,
                                 .ext_key_usage = verifier->ext_key_usage };
    const char *fault;

    if (verifier->conf->crl_file && !(rule.crl = current_crl(verifier, p)))
        return "the CRL of ScepRenewalRevocation cannot be read";
    fault = scep_renewal_check(&rule, request->signer, request->subject,
                               request->sans, request->now, p);
    X509_CRL_free(rule.crl);
    return fault;
}

static void verify(void *data, const scep_verify_request_t *request,
                   scep_verify_result_t *result, apr_pool_t *p)
{
    const char *fault = request->signer
                            ? judge(data, request, p)
                            : "the request is not signed by a certificate";

    if (!fault) {
        const ASN1_INTEGER *serial = X509_get0_serialNumber(request->signer);

        result->outcome = SCEP_VERIFY_GRANTED;
        result->id =
            apr_pstrcat(p, "certificate ",
                        apr_pescape_hex(p, serial->data, serial->length, 0),
                        NULL);
        return;
    }
    result->outcome = SCEP_VERIFY_PASS;
    result->reason = fault;
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

const scep_verifier_provider_t mod_scep_verifier_cert = { .verify = verify,
                                                          .settle = settle,
                                                          .check = check,
                                                          .child_init =
                                                              child_init,
                                                          .explain = verify,
                                                          .by_signer = 1 };
