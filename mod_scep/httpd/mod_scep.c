/* mod_scep.c - the module record and its hooks
 * SPDX-License-Identifier: Apache-2.0
 */
#include "log.h"

#include <ap_provider.h>
#include <http_core.h>
#include <http_request.h>

#include "../../ca-connectors/http/http_client.h"
#include "audit.h"
#include "child.h"
#include "conf.h"
#include "counters.h"
#include "database.h"
#include "handler.h"
#include "jamf.h"
#include "ledger.h"
#include "metrics.h"
#include "ndes.h"
#include "providers.h"
#include "watchdog.h"
#include "work.h"

typedef apr_status_t (*verifier_step_t)(void *verifier, server_rec *s,
                                        apr_pool_t *p);

/* Takes a step with each verifier of each profile that has it. */
static apr_status_t each_verifier(const scep_conf_t *conf, int in_child,
                                  server_rec *s, apr_pool_t *p)
{
    for (int i = 0; i < conf->profiles->nelts; i++) {
        const apr_array_header_t *verifiers =
            APR_ARRAY_IDX(conf->profiles, i, scep_profile_t *)->verifiers;

        for (int j = 0; j < verifiers->nelts; j++) {
            const scep_verifier_t *verifier =
                &APR_ARRAY_IDX(verifiers, j, scep_verifier_t);
            verifier_step_t step = in_child ? verifier->provider->child_init
                                            : verifier->provider->open;
            apr_status_t rv = step ? step(verifier->data, s, p) : APR_SUCCESS;

            if (rv != APR_SUCCESS)
                return rv;
        }
    }
    return APR_SUCCESS;
}

static apr_status_t open_cas(const scep_conf_t *conf, server_rec *s,
                             apr_pool_t *pconf)
{
    apr_status_t rv = APR_SUCCESS;

    for (int i = 0; rv == APR_SUCCESS && i < conf->cas->nelts; i++) {
        scep_ca_t *ca = APR_ARRAY_IDX(conf->cas, i, scep_ca_t *);

        if (ca->provider->open)
            rv = ca->provider->open(ca->data, s, pconf);
    }
    return rv;
}

static int pre_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp)
{
    (void)plog;
    (void)ptemp;
    return mod_scep_database_register(pconf) == APR_SUCCESS
               ? OK
               : HTTP_INTERNAL_SERVER_ERROR;
}

static int post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                       server_rec *s)
{
    const scep_conf_t *conf = mod_scep_conf_get(s);
    const char *state_dir = ap_server_root_relative(pconf, conf->state_dir);
    apr_status_t rv;

    (void)plog;
    (void)ptemp;
    /* The first of two passes would do everything twice.  A module that a
     * graceful restart loads sees only one. */
    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG ||
        conf->profiles->nelts == 0)
        return OK;
    rv = conf->store_provider->open(conf->store, state_dir, s, pconf);
    if (rv == APR_SUCCESS && conf->ledger)
        rv = mod_scep_ledger_open(conf->ledger, s);
    if (rv == APR_SUCCESS)
        rv = mod_scep_audit_open(s, pconf);
    if (rv == APR_SUCCESS)
        rv = mod_scep_counters_open(state_dir, s, pconf);
    if (rv == APR_SUCCESS)
        rv = mod_scep_metrics_open(s, pconf);
    if (rv == APR_SUCCESS)
        rv = each_verifier(conf, 0, s, pconf);
    if (rv == APR_SUCCESS)
        rv = open_cas(conf, s, pconf);
    if (rv == APR_SUCCESS)
        rv = mod_scep_work_open(conf, s, pconf);
    if (rv != APR_SUCCESS || mod_scep_watchdog_start(s, pconf) != APR_SUCCESS)
        return HTTP_INTERNAL_SERVER_ERROR;
    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s,
                 SCEPLOGNO(0001) "mod_scep " SCEP_VERSION " serves %d "
                                 "profile(s) before %d CA(s), challenges in "
                                 "%s",
                 conf->profiles->nelts, conf->cas->nelts, conf->store_name);
    return OK;
}

/* libcurl wants to be initialised before there are threads, and mod_watchdog
 * starts some in its own child_init. */
static void child_init_http(apr_pool_t *p, server_rec *s)
{
    const char *err = scep_http_init();

    (void)p;
    if (err) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, s,
                     SCEPLOGNO(0330) "libcurl cannot be initialised: %s", err);
    }
}

static void child_init(apr_pool_t *p, server_rec *s)
{
    const scep_conf_t *conf = mod_scep_conf_get(s);
    apr_status_t rv;

    if (conf->profiles->nelts == 0)
        return;
    rv = mod_scep_child_share(p, s);
    if (rv == APR_SUCCESS && conf->store_provider->child_init)
        rv = conf->store_provider->child_init(conf->store, s, p);
    if (rv == APR_SUCCESS && conf->ledger)
        rv = mod_scep_ledger_child_init(conf->ledger, s, p);
    if (rv == APR_SUCCESS)
        rv = each_verifier(conf, 1, s, p);
    for (int i = 0; rv == APR_SUCCESS && i < conf->cas->nelts; i++) {
        const scep_ca_t *ca = APR_ARRAY_IDX(conf->cas, i, scep_ca_t *);
        if (ca->provider->child_init)
            rv = ca->provider->child_init(ca->data, s, p);
    }
    if (rv == APR_SUCCESS)
        rv = mod_scep_work_child_init(s, p);
    mod_scep_watchdog_child_init(p);
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_ERR, rv, s,
                     SCEPLOGNO(0002) "a child cannot be prepared");
    }
}

/*
 * mod_dir would redirect a path that is also a directory on disk, or hand
 * an absent one to FallbackResource; SCEP clients follow neither.
 */
static int keep_mod_dir_away(request_rec *r)
{
    if (r->handler && mod_scep_conf_is_handler(r->handler)) {
        r->finfo.filetype = APR_REG;
        return OK;
    }
    return DECLINED;
}

static void register_hooks(apr_pool_t *p)
{
    /* mod_watchdog's threads want what both make */
    static const char *const after_database[] = { "mod_dbd.c", NULL };
    static const char *const before_threads[] = { "mod_watchdog.c", NULL };

    mod_scep_child_hooks();
    ap_register_provider(p, SCEP_CHALLENGE_PROVIDER_GROUP, "shm",
                         SCEP_PROVIDER_VERSION, &mod_scep_challenge_shm);
    ap_register_provider(p, SCEP_CHALLENGE_PROVIDER_GROUP, "dbd",
                         SCEP_PROVIDER_VERSION, &mod_scep_challenge_dbd);
    ap_register_provider(p, SCEP_VERIFIER_PROVIDER_GROUP, "otp",
                         SCEP_PROVIDER_VERSION, &mod_scep_verifier_otp);
    ap_register_provider(p, SCEP_VERIFIER_PROVIDER_GROUP, "ca",
                         SCEP_PROVIDER_VERSION, &mod_scep_verifier_ca);
    ap_register_provider(p, SCEP_VERIFIER_PROVIDER_GROUP, "cert",
                         SCEP_PROVIDER_VERSION, &mod_scep_verifier_cert);
    ap_register_provider(p, SCEP_VERIFIER_PROVIDER_GROUP, "static",
                         SCEP_PROVIDER_VERSION, &mod_scep_verifier_static);
    ap_register_provider(p, SCEP_VERIFIER_PROVIDER_GROUP, "intune",
                         SCEP_PROVIDER_VERSION, &mod_scep_verifier_intune);
    ap_register_provider(p, SCEP_VERIFIER_PROVIDER_GROUP, "webhook",
                         SCEP_PROVIDER_VERSION, &mod_scep_verifier_webhook);
    ap_hook_pre_config(pre_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_check_config(mod_scep_check_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(post_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_init(child_init_http, NULL, NULL, APR_HOOK_FIRST);
    ap_hook_child_init(child_init, after_database, before_threads,
                       APR_HOOK_MIDDLE);
    ap_hook_fixups(keep_mod_dir_away, NULL, NULL, APR_HOOK_FIRST);
    ap_hook_handler(mod_scep_handler, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(mod_scep_admin_handler, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(mod_scep_ndes_handler, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(mod_scep_jamf_handler, NULL, NULL, APR_HOOK_MIDDLE);
}

module AP_MODULE_DECLARE_DATA scep_module = { STANDARD20_MODULE_STUFF,
                                              mod_scep_conf_create_dir,
                                              mod_scep_conf_merge_dir,
                                              mod_scep_conf_create_server,
                                              mod_scep_conf_merge_server,
                                              mod_scep_commands,
                                              register_hooks,
                                              AP_MODULE_FLAG_NONE };
