/* mod_scep_ca_ejbca.c - connector to EJBCA by its REST API
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ejbca.h"

#include <ap_provider.h>
#include <apr_strings.h>
#include <http_core.h>
#include <http_log.h>
#include <openssl/crypto.h>

#include <stdlib.h>
#include <sys/mman.h>

#include "ejbca_username.h"

#define TIMEOUT_DEFAULT apr_time_from_sec(30)

/* The turns outlive a reload: children of before and after share them. */
#define RETAINED_TURNS "mod_scep_ca_ejbca-turns-1"

/* ------------------------------------------------------------------ */
/* The provider                                                         */

static const char *missing(const scep_ejbca_conf_t *conf)
{
    if (!conf->url)
        return "ScepEjbcaURL is missing";
    if (!conf->ca)
        return "ScepEjbcaCA is missing";
    if (!conf->preregistered && !conf->certificate_profile)
        return "ScepEjbcaCertificateProfile is missing";
    if (!conf->preregistered && !conf->end_entity_profile)
        return "ScepEjbcaEndEntityProfile is missing";
    if (!conf->certificate && !conf->token && !conf->oauth_url) {
        return "say with ScepEjbcaClientCertificate, ScepEjbcaToken or "
               "ScepEjbcaOAuth how to authenticate";
    }
    if (!!conf->certificate + !!conf->token + !!conf->oauth_url > 1) {
        return "ScepEjbcaClientCertificate, ScepEjbcaToken and "
               "ScepEjbcaOAuth exclude each other: EJBCA would look at the "
               "certificate alone";
    }
    return NULL;
}

/* libcurl reads them when it is too late to say so. */
static const char *check_files(const scep_ejbca_conf_t *conf, apr_pool_t *p)
{
    const char *err;

    if (conf->ca_file && (err = scep_http_check_ca_file(conf->ca_file, p)))
        return apr_pstrcat(p, "ScepEjbcaCAFile: ", err, NULL);
    if (!conf->certificate)
        return NULL;
    err = conf->key_uri
              ? scep_http_check_ca_file(conf->certificate, p)
              : scep_http_check_certificate(conf->certificate, conf->key, p);
    return err ? apr_pstrcat(p, "ScepEjbcaClientCertificate: ", err, NULL)
               : NULL;
}

static const char *make_clients(scep_ejbca_t *ca, const scep_ca_setup_t *setup)
{
    const scep_ejbca_conf_t *conf = ca->conf;
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

    if (conf->token) {
        settings.auth = SCEP_HTTP_AUTH_BEARER;
        err =
            setup->load_secret(setup, conf->token, &settings.secret, setup->p);
        if (err)
            return apr_psprintf(setup->p, "ScepEjbcaToken: %s", err);
    }
    ca->client = scep_http_client_create(&settings, setup->p);
    if (!conf->oauth_url)
        return ca->client ? NULL : "there is no memory";
    settings.certificate = settings.key = settings.key_uri = NULL;
    settings.auth = SCEP_HTTP_AUTH_BASIC;
    settings.user = conf->oauth_client;
    err = setup->load_secret(setup, conf->oauth_secret, &settings.secret,
                             setup->p);
    if (err)
        return apr_psprintf(setup->p, "ScepEjbcaOAuth: %s", err);
    ca->oauth = scep_http_client_create(&settings, setup->p);
    return ca->client && ca->oauth ? NULL : "there is no memory";
}

static const char *check(const scep_ca_setup_t *setup, void **cav)
{
    scep_ejbca_conf_t *conf =
        ap_get_module_config(setup->conf, &scep_ca_ejbca_module);
    scep_ejbca_t *ca = apr_pcalloc(setup->p, sizeof(*ca));
    const char *err;

    if (!conf)
        return "ScepEjbcaURL is missing";
    if (!conf->username)
        conf->username = EJBCA_USERNAME_DEFAULT;
    if (!conf->timeout)
        conf->timeout = TIMEOUT_DEFAULT;
    ca->conf = conf;
    err = missing(conf);
    if (!err)
        err = check_files(conf, setup->p);
    if (!err)
        err = make_clients(ca, setup);
    if (!err)
        *cav = ca;
    return err;
}

static apr_status_t open_turns(void *cav, server_rec *s, apr_pool_t *pconf)
{
    scep_ejbca_t *ca = cav;
    void **mem = ap_retained_data_get(RETAINED_TURNS);

    (void)pconf;
    if (!mem)
        mem = ap_retained_data_create(RETAINED_TURNS, sizeof(*mem));
    if (!*mem) {
        void *fresh =
            mmap(NULL, scep_ejbca_turns_size(), PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

        if (fresh == MAP_FAILED) {
            ap_log_error(APLOG_MARK, APLOG_EMERG, apr_get_os_error(), s,
                         SCEPLOGNO(0400) "no shared memory for the turns of "
                                         "usernames");
            return apr_get_os_error();
        }
        *mem = fresh;
    }
    ca->turns = scep_ejbca_turns_open(*mem);
    return APR_SUCCESS;
}

static apr_status_t forget(void *cav)
{
    scep_ejbca_t *ca = cav;

    free(ca->issuer);
    ca->issuer = NULL;
    if (ca->bearer) {
        OPENSSL_cleanse(ca->bearer, strlen(ca->bearer));
        free(ca->bearer);
        ca->bearer = NULL;
    }
    return APR_SUCCESS;
}

static apr_status_t child_init(void *cav, server_rec *s, apr_pool_t *p)
{
    scep_ejbca_t *ca = cav;

    (void)s;
    apr_pool_cleanup_register(p, ca, forget, apr_pool_cleanup_null);
    return apr_thread_mutex_create(&ca->mutex, APR_THREAD_MUTEX_DEFAULT, p);
}

static int checks_challenge(void *cav)
{
    return ((const scep_ejbca_t *)cav)->conf->preregistered;
}

/* Waiting for a turn, and what follows. */
static apr_interval_time_t longest(void *cav)
{
    const scep_ejbca_t *ca = cav;

    return (1 + EJBCA_CALLS_MAX) * ca->conf->timeout;
}

static const scep_ca_provider_t provider = {
    .check = check,
    .child_init = child_init,
    .submit = scep_ejbca_submit,
    .poll = scep_ejbca_poll,
    .ca_chain = scep_ejbca_chain,
    .crl = scep_ejbca_latest_crl,
    .revoke = scep_ejbca_revoke,
    .health = scep_ejbca_health,
    .open = open_turns,
    .checks_challenge = checks_challenge,
    .longest = longest,
    .lookup = scep_ejbca_lookup,
};

/* ------------------------------------------------------------------ */
/* The module                                                           */

static void init_http(apr_pool_t *p, server_rec *s)
{
    const char *err = scep_http_init();

    (void)p;
    if (err) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, s,
                     SCEPLOGNO(0401) "libcurl cannot be initialised: %s", err);
    }
}

static void register_hooks(apr_pool_t *p)
{
    ap_register_provider(p, SCEP_CA_PROVIDER_GROUP, "ejbca",
                         SCEP_PROVIDER_VERSION, &provider);
    /* before mod_watchdog starts threads in its own */
    ap_hook_child_init(init_http, NULL, NULL, APR_HOOK_FIRST);
}

AP_DECLARE_MODULE(scep_ca_ejbca)
= { STANDARD20_MODULE_STUFF,
    scep_ejbca_conf_create,
    scep_ejbca_conf_merge,
    NULL, /* server config */
    NULL, /* server merge */
    scep_ejbca_commands,
    register_hooks,
    AP_MODULE_FLAG_NONE };
