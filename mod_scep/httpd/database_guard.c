/* database_guard.c - no statement holds up a thread for ever
 * SPDX-License-Identifier: Apache-2.0
 */
#include "database_guard.h"

#include <apr_dso.h>
#include <apr_thread_mutex.h>
#include <apr_thread_proc.h>
#include <http_main.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

/* A statement over a few rows takes milliseconds. */
#define LIMIT apr_time_from_sec(5)

typedef int (*socket_fn_t)(const void *connection);

struct scep_guard_t {
    apr_thread_mutex_t *lock; /**< NULL: not in a child of PostgreSQL's */
    scep_watch_t *running;
    socket_fn_t socket; /**< PQsocket */
};

scep_guard_t *mod_scep_guard_create(apr_pool_t *pconf)
{
    return apr_pcalloc(pconf, sizeof(scep_guard_t));
}

static void cut(scep_guard_t *guard)
{
    apr_time_t limit = apr_time_now() - LIMIT;
    int count = 0;

    apr_thread_mutex_lock(guard->lock);
    for (scep_watch_t *watch = guard->running; watch; watch = watch->next) {
        if (watch->fd < 0 || watch->since > limit)
            continue;
        shutdown(watch->fd, SHUT_RDWR);
        count++;
    }
    apr_thread_mutex_unlock(guard->lock);
    if (count) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, ap_server_conf,
                     SCEPLOGNO(0236) "the database has not answered for %d "
                                     "seconds: cut %d connection(s)",
                     (int)apr_time_sec(LIMIT), count);
    }
}

/* No watchdog of mod_watchdog's: those end before the workers of a child do,
 * and a statement that hangs then would keep the child for ever. */
static void *APR_THREAD_FUNC keep_watch(apr_thread_t *thread, void *guardv)
{
    (void)thread;
    for (;;) {
        apr_sleep(apr_time_from_sec(1));
        cut(guardv);
    }
    return NULL;
}

apr_status_t mod_scep_guard_child_init(scep_guard_t *guard, server_rec *s)
{
    apr_pool_t *p = s->process->pconf; /* no child destroys it */
    apr_dso_handle_t *library;
    apr_dso_handle_sym_t found;
    apr_threadattr_t *attributes;
    apr_thread_t *thread;
    apr_status_t rv = apr_dso_load(&library, "libpq.so.5", p);

    /* It is loaded already, by the driver, which does not tell the socket. */
    if (rv == APR_SUCCESS)
        rv = apr_dso_sym(&found, library, "PQsocket");
    if (rv == APR_SUCCESS) {
        memcpy(&guard->socket, &found, sizeof(found));
    } else {
        ap_log_error(APLOG_MARK, APLOG_WARNING, rv, s,
                     SCEPLOGNO(0237) "no libpq.so.5: a statement that hangs "
                                     "cannot be cut off");
    }
    rv = apr_thread_mutex_create(&guard->lock, APR_THREAD_MUTEX_DEFAULT, p);
    if (rv == APR_SUCCESS)
        rv = apr_threadattr_create(&attributes, p);
    if (rv == APR_SUCCESS)
        rv = apr_threadattr_detach_set(attributes, 1);
    if (rv == APR_SUCCESS)
        rv = apr_thread_create(&thread, attributes, keep_watch, guard, p);
    return rv;
}

void mod_scep_guard_enter(scep_guard_t *guard, scep_watch_t *watch,
                          const apr_dbd_driver_t *driver, apr_dbd_t *handle)
{
    watch->fd = -1;
    watch->since = apr_time_now();
    /* A duplicate: the library may close its own, and the number may be
     * somebody else's before this watch has ended. */
    if (guard->socket) {
        int fd = guard->socket(apr_dbd_native_handle(driver, handle));

        watch->fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
    }
    if (!guard->lock)
        return;
    apr_thread_mutex_lock(guard->lock);
    watch->next = guard->running;
    guard->running = watch;
    apr_thread_mutex_unlock(guard->lock);
}

void mod_scep_guard_leave(scep_guard_t *guard, scep_watch_t *watch)
{
    if (guard->lock) {
        scep_watch_t **link = &guard->running;

        apr_thread_mutex_lock(guard->lock);
        while (*link != watch)
            link = &(*link)->next;
        *link = watch->next;
        apr_thread_mutex_unlock(guard->lock);
    }
    if (watch->fd >= 0)
        close(watch->fd);
}
