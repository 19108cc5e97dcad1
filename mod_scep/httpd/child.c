/* child.c - how httpd's children begin and end
 * SPDX-License-Identifier: Apache-2.0
 *
 * Every MPM has children that are ended by exit() in the handler of SIGTERM:
 * event and worker until a child has started, prefork always.  The signal may
 * have come in the middle of malloc(), and what exit() then calls finds no
 * heap that it could use: glibc aborts the process, or it waits for ever for
 * a lock of its own.  A graceful restart with a stop behind it does so.
 */
#include "child.h"

#include <apr_allocator.h>
#include <apr_thread_mutex.h>
#include <mpm_common.h>
#include <openssl/crypto.h>

#include <unistd.h>

/* Of a child: it has come so far that it drops its privileges. */
static int grown;
static sigset_t before_drop;

void mod_scep_child_hold(sigset_t *before)
{
    sigset_t deadly;

    sigemptyset(&deadly);
    sigaddset(&deadly, SIGTERM);
    sigaddset(&deadly, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &deadly, before);
}

void mod_scep_child_release(const sigset_t *before)
{
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

/* Until then httpd alone has done anything, and nothing that needs an end:
 * libraries that tidy up at exit, GnuTLS is one, never see that heap. */
static void leave_at_once(apr_pool_t *pchild, int graceful)
{
    (void)pchild;
    (void)graceful;
    if (!grown)
        _exit(0);
}

/* Most of the time until a child has started goes into initgroups(), which
 * reads files and loads libraries of NSS. */
static int before_privileges_drop(apr_pool_t *pchild, server_rec *s)
{
    (void)pchild;
    (void)s;
    mod_scep_child_hold(&before_drop);
    grown = 1;
    return OK;
}

static int after_privileges_drop(apr_pool_t *pchild, server_rec *s)
{
    (void)pchild;
    (void)s;
    mod_scep_child_release(&before_drop);
    return OK;
}

void mod_scep_child_hooks(void)
{
    /* It would free all that it has at exit(), in that handler or under the
     * feet of threads that mod_watchdog leaves running.  The process ends:
     * there is nothing to tidy up.  The first word on it counts. */
    (void)OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL);
    ap_hook_child_stopping(leave_at_once, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_drop_privileges(before_privileges_drop, NULL, NULL,
                            APR_HOOK_REALLY_FIRST);
    ap_hook_drop_privileges(after_privileges_drop, NULL, NULL,
                            APR_HOOK_REALLY_LAST);
}

/*
 * prefork gives its child an allocator that one thread alone may use, and
 * mod_dbd's connections, which all our threads do, are on it.  The mutex is
 * nested, for prefork destroys the pool in the handler of SIGTERM.
 */
apr_status_t mod_scep_child_share(apr_pool_t *pchild, server_rec *s)
{
    apr_allocator_t *allocator = apr_pool_allocator_get(pchild);
    apr_thread_mutex_t *mutex;
    apr_status_t rv;

    if (apr_allocator_mutex_get(allocator))
        return APR_SUCCESS;
    rv = apr_thread_mutex_create(&mutex, APR_THREAD_MUTEX_NESTED,
                                 s->process->pconf);
    if (rv == APR_SUCCESS)
        apr_allocator_mutex_set(allocator, mutex);
    return rv;
}
