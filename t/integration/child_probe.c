/* child_probe.c - a module that looks on how httpd's children end
 * SPDX-License-Identifier: Apache-2.0
 *
 * The first child that finds the file "end-newborn" in ServerRoot is told to
 * end while it gives up its privileges; with "end-at-birth" before that.
 */
#include <httpd.h>
#include <http_config.h>
#include <http_log.h>
#include <mpm_common.h>

#include <apr_allocator.h>
#include <openssl/crypto.h>

#include <signal.h>
#include <string.h>
#include <unistd.h>

extern module AP_MODULE_DECLARE_DATA child_probe_module;
APLOG_USE_MODULE(child_probe);

static int ends_at_birth;

static void say(const char *text)
{
    (void)!write(STDERR_FILENO, text, strlen(text));
}

static int is_wished(const char *name, apr_pool_t *p)
{
    return apr_file_remove(ap_server_root_relative(p, name), p) == APR_SUCCESS;
}

static int end_at_birth(apr_pool_t *p, server_rec *s)
{
    (void)s;
    ends_at_birth = is_wished("end-at-birth", p);
    if (ends_at_birth)
        raise(SIGTERM);
    return OK;
}

static int end_newborn(apr_pool_t *p, server_rec *s)
{
    if (!is_wished("end-newborn", p))
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
    say("child_probe: OpenSSL is torn down\n");
}

__attribute__((destructor)) static void tidy_up(void)
{
    if (ends_at_birth)
        say("child_probe: libraries tidy up\n");
}

static void register_hooks(apr_pool_t *p)
{
    static int registered;

    (void)p;
    /* OpenSSL keeps this module in the process. */
    if (!registered)
        registered = OPENSSL_atexit(torn_down);
    /* while they may remove a file; mod_scep's is really the first */
    ap_hook_drop_privileges(end_at_birth, NULL, NULL,
                            APR_HOOK_REALLY_FIRST - 1);
    ap_hook_drop_privileges(end_newborn, NULL, NULL, APR_HOOK_FIRST);
    ap_hook_child_init(look_at_pool, NULL, NULL, APR_HOOK_REALLY_LAST);
}

module AP_MODULE_DECLARE_DATA child_probe_module = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks,
    AP_MODULE_FLAG_NONE
};
