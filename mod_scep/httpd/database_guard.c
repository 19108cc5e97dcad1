/* database_guard.c - no statement holds up a thread for ever
 * SPDX-License-Identifier: Apache-2.0
 */
#include "database_guard.h"

#include <apr_dso.h>
#include <apr_optional.h>
#include <apr_thread_mutex.h>
#include <http_main.h>
#include <mod_watchdog.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#define WATCHDOG_NAME "_mod_scep_database_"

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

static apr_status_t tick(int state, void *guardv, apr_pool_t *p)
{
    scep_guard_t *guard = guardv;
    apr_time_t limit = apr_time_now() - LIMIT;
    int cut = 0;

    (void)p;
    if (state != AP_WATCHDOG_STATE_RUNNING || !guard->lock)
        return APR_SUCCESS;
    apr_thread_mutex_lock(guard->lock);
    for (scep_watch_t *watch = guard->running; watch; watch = watch->next) {
        if (watch->fd < 0 || watch->since > limit)
            continue;
        shutdown(watch->fd, SHUT_RDWR);
        cut++;
    }
    apr_thread_mutex_unlock(guard->lock);
    if (cut) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, ap_server_conf,
                     SCEPLOGNO(0236) "the database has not answered for %d "
                                     "seconds: cut %d connection(s)",
                     (int)apr_time_sec(LIMIT), cut);
    }
    return APR_SUCCESS;
}

apr_status_t mod_scep_guard_start(scep_guard_t *guard, server_rec *s,
                                  apr_pool_t *pconf)
{
    APR_OPTIONAL_FN_TYPE(ap_watchdog_get_instance) *get =
        APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_get_instance);
    APR_OPTIONAL_FN_TYPE(ap_watchdog_register_callback) *add =
        APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_register_callback);
    ap_watchdog_t *watchdog;
    apr_status_t rv = APR_ENOTIMPL;

    /* one in each child; where mod_watchdog is missing, watchdog.c says so */
    if (get && add)
        rv = get(&watchdog, WATCHDOG_NAME, 0, 0, pconf);
    if (rv == APR_SUCCESS)
        rv = add(watchdog, apr_time_from_sec(1), guard, tick);
    if (get && add && rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_ERR, rv, s,
                     SCEPLOGNO(0239) "cannot register with mod_watchdog: "
                                     "statements would have no limit");
    }
    return get && add ? rv : APR_SUCCESS;
}

apr_status_t mod_scep_guard_child_init(scep_guard_t *guard, server_rec *s,
                                       apr_pool_t *p)
{
    apr_dso_handle_t *library;
    apr_dso_handle_sym_t found;

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
    return apr_thread_mutex_create(&guard->lock, APR_THREAD_MUTEX_DEFAULT, p);
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
