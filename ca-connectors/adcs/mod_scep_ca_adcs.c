/* mod_scep_ca_adcs.c - connector to Microsoft's ADCS by its web services
 * SPDX-License-Identifier: Apache-2.0
 *
 * It cannot revoke and fetches no CRL: neither way of asking offers that.
 */
#include "adcs.h"

#include <ap_provider.h>
#include <apr_strings.h>
#include <http_log.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "adcs_cms.h"
#include "adcs_names.h"
#include "certsrv_page.h"
#include "ces_proto.h"

#define TIMEOUT_DEFAULT apr_time_from_sec(30)

/* Web enrolment writes other pages for what is not a browser. */
#define BROWSER "Mozilla/5.0 (compatible; mod_scep)"

/* ------------------------------------------------------------------ */
/* Checks                                                               */

static const char *missing(const scep_adcs_conf_t *conf)
{
    if (!conf->url)
        return "ScepAdcsURL is missing";
    if (!conf->template)
        return "ScepAdcsTemplate is missing";
    if (conf->auth == SCEP_ADCS_AUTH_UNSET)
        return "say with ScepAdcsAuth how to authenticate";
    if (conf->auth == SCEP_ADCS_AUTH_NTLM && !conf->allow_ntlm) {
        return "ScepAdcsAuth ntlm needs ScepAdcsAllowNTLM on; take kerberos "
               "where you can";
    }
    if (conf->auth == SCEP_ADCS_AUTH_USERNAMETOKEN &&
        conf->interface == SCEP_ADCS_CERTSRV) {
        return "ScepAdcsAuth usernametoken is for ScepAdcsInterface ces; web "
               "enrolment takes basic or kerberos";
    }
    return NULL;
}

/* libcurl reads them when it is too late to say so. */
static const char *check_files(const scep_adcs_conf_t *conf, apr_pool_t *p)
{
    const char *err;

    if (conf->ca_file && (err = scep_http_check_ca_file(conf->ca_file, p)))
        return apr_pstrcat(p, "ScepAdcsCAFile: ", err, NULL);
    if (!conf->certificate)
        return NULL;
    err = conf->key_uri
              ? scep_http_check_ca_file(conf->certificate, p)
              : scep_http_check_certificate(conf->certificate, conf->key, p);
    return err ? apr_pstrcat(p, "ScepAdcsAuth: ", err, NULL) : NULL;
}

static const char *make_client(scep_adcs_t *ca, const scep_ca_setup_t *setup)
{
    static const scep_http_auth_t auth[] = {
        [SCEP_ADCS_AUTH_BASIC] = SCEP_HTTP_AUTH_BASIC,
        [SCEP_ADCS_AUTH_KERBEROS] = SCEP_HTTP_AUTH_KERBEROS,
        [SCEP_ADCS_AUTH_NTLM] = SCEP_HTTP_AUTH_NTLM,
    };
    const scep_adcs_conf_t *conf = ca->conf;
    scep_http_settings_t settings = { .timeout = conf->timeout,
                                      .ca_file = conf->ca_file,
                                      .certificate = conf->certificate,
                                      .key = conf->key,
                                      .key_uri = conf->key_uri,
                                      .proxy = conf->proxy,
                                      .max_idle = 64,
                                      .allow_http = SCEP_HTTP_LOOPBACK,
                                      .ask_first = 1 };
    const char *err = NULL;

    if (conf->interface == SCEP_ADCS_CERTSRV)
        settings.user_agent = BROWSER;
    if (conf->secret)
        err = setup->load_secret(setup, conf->secret, &ca->password, setup->p);
    if (!err && ca->password && !scep_ces_proto_is_text(ca->password))
        err = "the password is no UTF-8 text";
    if (err)
        return apr_psprintf(setup->p, "ScepAdcsAuth: %s", err);
    if (conf->auth < sizeof(auth) / sizeof(*auth))
        settings.auth = auth[conf->auth];
    if (conf->auth == SCEP_ADCS_AUTH_KERBEROS) {
        settings.principal = conf->user;
        settings.keytab = conf->keytab;
    } else if (settings.auth) {
        settings.user = conf->user;
        settings.secret = ca->password;
    }
    ca->client = scep_http_client_create(&settings, setup->p);
    return ca->client ? NULL : "there is no memory";
}

static apr_status_t free_certificate(void *certificate)
{
    X509_free(certificate);
    return APR_SUCCESS;
}

static const char *load_signer(scep_adcs_t *ca, const scep_ca_setup_t *setup)
{
    const scep_adcs_conf_t *conf = ca->conf;
    BIO *in = BIO_new_file(conf->signer, "r");
    const char *err = NULL;

    ca->signer = in ? PEM_read_bio_X509(in, NULL, NULL, NULL) : NULL;
    BIO_free(in);
    ERR_clear_error();
    if (!ca->signer)
        return apr_psprintf(setup->p,
                            "ScepAdcsSigner %s: no certificate in PEM can be "
                            "read",
                            conf->signer);
    apr_pool_cleanup_register(setup->p, ca->signer, free_certificate,
                              apr_pool_cleanup_null);
    err = setup->load_key(setup, conf->signer_key, &ca->signer_key, setup->p);
    if (err)
        return apr_psprintf(setup->p, "ScepAdcsSigner %s: %s",
                            conf->signer_key, err);
    if (ca->signer_key &&
        X509_check_private_key(ca->signer, ca->signer_key) != 1)
        err = "does not match its key";
    ERR_clear_error();
    return err ? apr_psprintf(setup->p, "ScepAdcsSigner %s %s", conf->signer,
                              err)
               : NULL;
}

static const char *check(const scep_ca_setup_t *setup, void **cav)
{
    scep_adcs_conf_t *conf =
        ap_get_module_config(setup->conf, &scep_ca_adcs_module);
    scep_adcs_t *ca = apr_pcalloc(setup->p, sizeof(*ca));
    const char *err;

    if (!conf)
        return "ScepAdcsURL is missing";
    if (!conf->timeout)
        conf->timeout = TIMEOUT_DEFAULT;
    ca->conf = conf;
    ca->chain = setup->chain;
    ca->name = setup->name;
    err = missing(conf);
    if (!err)
        err = check_files(conf, setup->p);
    if (!err)
        err = make_client(ca, setup);
    if (!err && conf->signer)
        err = load_signer(ca, setup);
    if (!err)
        *cav = ca;
    return err;
}

/* ------------------------------------------------------------------ */
/* The provider                                                         */

static apr_status_t warn_of_ntlm(void *cav, server_rec *s, apr_pool_t *pconf)
{
    const scep_adcs_t *ca = cav;

    (void)pconf;
    if (ca->conf->auth == SCEP_ADCS_AUTH_NTLM) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     SCEPLOGNO(0421) "CA %s: the gateway authenticates with "
                                     "NTLM, which can be relayed and which "
                                     "Windows is giving up",
                     ca->name);
    }
    return APR_SUCCESS;
}

const char *scep_adcs_order(const scep_adcs_t *ca,
                            const scep_ca_request_t *request,
                            const unsigned char **der, apr_size_t *len,
                            apr_pool_t *p)
{
    *der = request->csr;
    *len = request->csr_len;
    return ca->signer
               ? scep_adcs_cms_wrap(ca->signer, ca->signer_key, request->csr,
                                    request->csr_len, der, len, p)
               : NULL;
}

static void submit(void *cav, const scep_ca_request_t *request,
                   scep_ca_result_t *result, apr_pool_t *p)
{
    scep_adcs_t *ca = cav;
    const char *found =
        ca->conf->microsoft_names
            ? NULL
            : scep_adcs_names_check(request->csr, request->csr_len, p);

    if (found) {
        result->outcome = SCEP_CA_REJECTED;
        result->fail_info = SCEP_FAIL_BAD_REQUEST;
        result->device_fault = 1;
        result->reason = found;
    } else if (ca->conf->interface == SCEP_ADCS_CERTSRV) {
        scep_certsrv_submit(ca, request, result, p);
    } else {
        scep_ces_submit(ca, request, result, p);
    }
}

static void poll_request(void *cav, const char *handle,
                         scep_ca_result_t *result, apr_pool_t *p)
{
    scep_adcs_t *ca = cav;

    if (ca->conf->interface == SCEP_ADCS_CERTSRV)
        scep_certsrv_poll(ca, handle, result, p);
    else
        scep_ces_poll(ca, handle, result, p);
}

static apr_status_t free_chain(void *chain)
{
    sk_X509_pop_free(chain, X509_free);
    return APR_SUCCESS;
}

/* CES sends the chain with certificates alone: it is the configured one. */
static apr_status_t ca_chain(void *cav, STACK_OF(X509) **chain, apr_pool_t *p)
{
    scep_adcs_t *ca = cav;
    STACK_OF(X509) *copy;

    if (ca->conf->interface == SCEP_ADCS_CERTSRV)
        return scep_certsrv_chain(ca, chain, p);
    copy = X509_chain_up_ref((STACK_OF(X509) *)ca->chain);
    if (!copy)
        return APR_ENOMEM;
    apr_pool_cleanup_register(p, copy, free_chain, apr_pool_cleanup_null);
    *chain = copy;
    return APR_SUCCESS;
}

static apr_status_t health(void *cav, const char **text, apr_pool_t *p)
{
    scep_adcs_t *ca = cav;

    return ca->conf->interface == SCEP_ADCS_CERTSRV
               ? scep_certsrv_health(ca, text, p)
               : scep_ces_health(ca, text, p);
}

/* Web enrolment is asked for the certificate in calls of their own. */
static apr_interval_time_t longest(void *cav)
{
    const scep_adcs_conf_t *conf = ((const scep_adcs_t *)cav)->conf;
    int calls =
        conf->interface == SCEP_ADCS_CERTSRV ? 1 + SCEP_CERTSRV_IDS_MAX : 1;

    return calls * conf->timeout;
}

static const scep_ca_provider_t provider = {
    .check = check,
    .submit = submit,
    .poll = poll_request,
    .ca_chain = ca_chain,
    .health = health,
    .open = warn_of_ntlm,
    .longest = longest,
};

/* ------------------------------------------------------------------ */
/* The module                                                           */

static void init_libraries(apr_pool_t *p, server_rec *s)
{
    const char *err = scep_http_init();

    (void)p;
    scep_ces_proto_init();
    if (err) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, s,
                     SCEPLOGNO(0420) "libcurl cannot be initialised: %s", err);
    }
}

static void register_hooks(apr_pool_t *p)
{
    ap_register_provider(p, SCEP_CA_PROVIDER_GROUP, "adcs",
                         SCEP_PROVIDER_VERSION, &provider);
    /* before mod_watchdog starts threads in its own */
    ap_hook_child_init(init_libraries, NULL, NULL, APR_HOOK_FIRST);
}

AP_DECLARE_MODULE(scep_ca_adcs)
= { STANDARD20_MODULE_STUFF,
    scep_adcs_conf_create,
    scep_adcs_conf_merge,
    NULL, /* server config */
    NULL, /* server merge */
    scep_adcs_commands,
    register_hooks,
    AP_MODULE_FLAG_NONE };
