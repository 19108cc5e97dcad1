/* child_probe.c - a module that looks on how httpd's children end
 * SPDX-License-Identifier: Apache-2.0
 *
 * The first child that finds the file "end-newborn" in ServerRoot is told to
 * end while it gives up its privileges.
 */
#include <httpd.h>
#include <http_config.h>
#include <http_log.h>
#include <mpm_common.h>

#include <apr_allocator.h>
#include <openssl/crypto.h>

#include <signal.h>
#include <unistd.h>

extern module AP_MODULE_DECLARE_DATA child_probe_module;
APLOG_USE_MODULE(child_probe);

static int end_newborn(apr_pool_t *p, server_rec *s)
{
    const char *wish = ap_server_root_relative(p, "end-newborn");

    if (apr_file_remove(wish, p) != APR_SUCCESS)
        return DECLINED;
    raise(SIGTERM);
    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s,
                 "a newborn child goes on after SIGTERM");
    return OK;
}

static void look_at_pool(apr_pool_t *p, server_rec *s)
{
    if (apr_allocator_mutex_get(apr_pool_allocator_get(p))) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s,
                     "the pool of a child has a mutex");
    }
}

static void torn_down(void)
{
    static const char text[] = "child_probe: OpenSSL is torn down\n";

    (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
}

static void register_hooks(apr_pool_t *p)
{
    static int registered;

    (void)p;
    /* OpenSSL keeps this module in the process. */
    if (!registered)
        registered = OPENSSL_atexit(torn_down);
    /* while it may remove the file */
    ap_hook_drop_privileges(end_newborn, NULL, NULL, APR_HOOK_FIRST);
    ap_hook_child_init(look_at_pool, NULL, NULL, APR_HOOK_REALLY_LAST);
}

module AP_MODULE_DECLARE_DATA child_probe_module = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks,
    AP_MODULE_FLAG_NONE
};
