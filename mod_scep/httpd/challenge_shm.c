/* challenge_shm.c - challenge store "shm": a table in a shared mapping
 * SPDX-License-Identifier: Apache-2.0
 *
 * The parent maps the file once, before there are children, and keeps the
 * mapping over reloads; children inherit it and open nothing.
 */
#include "providers.h"

#include <apr_file_info.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include <http_main.h>
#include <openssl/err.h>
#include <openssl/rand.h>

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "challenge_file.h"
#include "log.h"

#define RETAINED_FILES "mod_scep_challenge_files_1"

typedef struct scep_challenge_shm_t {
    const char *name;
    apr_uint64_t capacity; /**< as configured */
    const scep_challenge_file_t *file;
    scep_table_t *table;
} scep_challenge_shm_t;

static const char *shm_create(void **storev, const char *name,
                              const char *args, apr_pool_t *pconf)
{
    scep_challenge_shm_t *store = apr_pcalloc(pconf, sizeof(*store));
    const char *c;
    char *end;

    for (c = name; apr_isalnum(*c) || (*c && strchr("-_", *c)); c++) {
    }
    if (*c || c == name || c - name > 64) {
        return "a name in shm:NAME(CAPACITY) is of letters, digits, '-' and "
               "'_', 64 at most";
    }
    errno = 0;
    store->name = name;
    store->capacity = (apr_uint64_t)apr_strtoi64(args, &end, 10);
    if (!apr_isdigit(*args) || *end || errno) {
        return apr_psprintf(pconf,
                            "the capacity '%s' in shm:NAME(CAPACITY) is not "
                            "a number",
                            args);
    }
    if (scep_table_size(store->capacity) == 0) {
        return apr_psprintf(pconf,
                            "the capacity %s in shm:NAME(CAPACITY) is too "
                            "%s",
                            args, store->capacity ? "large" : "small");
    }
    *storev = store;
    return NULL;
}

/** The file of a path that an earlier configuration has mapped. */
static scep_challenge_file_t *find_file(scep_challenge_file_t *const *files,
                                        const char *path)
{
    scep_challenge_file_t *file = *files;

    while (file && strcmp(file->path, path))
        file = file->next;
    return file;
}

static apr_status_t map_file(scep_challenge_shm_t *store,
                             const char *state_dir, server_rec *s,
                             apr_pool_t *pconf)
{
    const char *path =
        apr_pstrcat(pconf, state_dir, "/", store->name, ".shm", NULL);
    scep_challenge_file_t **files = ap_retained_data_get(RETAINED_FILES);
    scep_challenge_file_t *file;
    apr_status_t rv;

    if (!files)
        files = ap_retained_data_create(RETAINED_FILES, sizeof(*files));
    file = find_file(files, path);
    if (!file) {
        file = apr_pcalloc(ap_pglobal, sizeof(*file));
        file->path = apr_pstrdup(ap_pglobal, path);
        file->key_path =
            apr_pstrcat(ap_pglobal, state_dir, "/", store->name, ".key", NULL);
        rv = mod_scep_challenge_file_open(file, store->capacity, s, pconf);
        if (rv != APR_SUCCESS)
            return rv;
        file->next = *files;
        *files = file;
    } else if (mod_scep_challenge_file_replaced(file)) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     SCEPLOGNO(0220) "challenge store: %s was removed or "
                                     "replaced; the former file stays in use "
                                     "until httpd is stopped, and its "
                                     "challenges end with it",
                     path);
    }
    store->file = file;
    return APR_SUCCESS;
}

static apr_status_t shm_open_store(void *storev, const char *state_dir,
                                   server_rec *s, apr_pool_t *pconf)
{
    scep_challenge_shm_t *store = storev;
    const char *error;
    apr_status_t rv =
        apr_dir_make(state_dir, APR_UREAD | APR_UWRITE | APR_UEXECUTE, pconf);

    if (rv != APR_SUCCESS && !APR_STATUS_IS_EEXIST(rv)) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, rv, s,
                     SCEPLOGNO(0221) "cannot create ScepStateDir %s",
                     state_dir);
        return rv;
    }
    rv = map_file(store, state_dir, s, pconf);
    if (rv != APR_SUCCESS)
        return rv;
    rv = scep_table_open(&store->table, store->file->mem, store->file->size,
                         store->file->key, &error, pconf);
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, rv, s,
                     SCEPLOGNO(0222) "challenge store: cannot use %s: %s",
                     store->file->path, error);
        return rv;
    }
    scep_table_attach(store->table, getpid());
    if (scep_table_capacity(store->table) != store->capacity) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     SCEPLOGNO(0223) "challenge store: %s stays at %lu "
                                     "challenges; a capacity of %lu takes "
                                     "effect at the next full start that has "
                                     "room for the live ones",
                     store->file->path,
                     (unsigned long)scep_table_capacity(store->table),
                     (unsigned long)store->capacity);
    }
    return APR_SUCCESS;
}

static int is_another(pid_t pid)
{
    return pid != getpid();
}

static apr_status_t shm_child_init(void *storev, server_rec *s, apr_pool_t *p)
{
    scep_challenge_shm_t *store = storev;

    (void)s;
    (void)p;
    scep_table_attach(store->table, getpid());
    /* What bears this number already, a dead process of it has left. */
    scep_table_sweep(store->table, apr_time_now(), is_another);
    return APR_SUCCESS;
}

static apr_status_t shm_issue(void *storev, const scep_challenge_spec_t *spec,
                              char id[SCEP_CHALLENGE_ID_SIZE], apr_pool_t *p)
{
    scep_challenge_shm_t *store = storev;
    apr_uint32_t random;

    (void)p;
    if (RAND_bytes((unsigned char *)&random, sizeof(random)) != 1) {
        ERR_clear_error();
        return APR_EGENERAL;
    }
    return scep_table_issue(store->table, spec, random, id);
}

static scep_challenge_outcome_t shm_claim(void *storev, const char *secret,
                                          const scep_challenge_facts_t *facts,
                                          apr_time_t now,
                                          apr_interval_time_t lease,
                                          scep_challenge_claim_t *claim,
                                          apr_pool_t *p)
{
    scep_challenge_shm_t *store = storev;

    (void)p;
    return scep_table_claim(store->table, secret, facts, now, lease, claim);
}

static scep_challenge_outcome_t shm_check(void *storev, const char *secret,
                                          const scep_challenge_facts_t *facts,
                                          apr_time_t now,
                                          char id[SCEP_CHALLENGE_ID_SIZE],
                                          apr_pool_t *p)
{
    scep_challenge_shm_t *store = storev;

    (void)p;
    return scep_table_check(store->table, secret, facts, now, id);
}

static apr_status_t shm_commit(void *storev,
                               const scep_challenge_claim_t *claim,
                               apr_pool_t *p)
{
    scep_challenge_shm_t *store = storev;

    (void)p;
    return scep_table_commit(store->table, claim);
}

static apr_status_t shm_release(void *storev,
                                const scep_challenge_claim_t *claim,
                                apr_pool_t *p)
{
    scep_challenge_shm_t *store = storev;

    (void)p;
    return scep_table_release(store->table, claim);
}

static apr_status_t shm_hold(void *storev, scep_challenge_claim_t *claim,
                             apr_time_t until, apr_pool_t *p)
{
    scep_challenge_shm_t *store = storev;

    (void)p;
    return scep_table_hold(store->table, claim, until);
}

static apr_status_t shm_revoke(void *storev, const char *id, apr_time_t now,
                               apr_pool_t *p)
{
    scep_challenge_shm_t *store = storev;

    (void)p;
    return scep_table_revoke(store->table, id, now);
}

static apr_status_t shm_extend(void *storev, const char *id,
                               apr_time_t expires, apr_time_t now,
                               apr_pool_t *p)
{
    scep_challenge_shm_t *store = storev;

    (void)p;
    return scep_table_extend(store->table, id, expires, now);
}

static apr_status_t shm_get(void *storev, const char *id, apr_time_t now,
                            const apr_array_header_t *profiles,
                            scep_challenge_info_t *info, apr_pool_t *p)
{
    scep_challenge_shm_t *store = storev;

    return scep_table_get(store->table, id, now, profiles, info, p);
}

static apr_status_t shm_list(void *storev, apr_time_t now,
                             const apr_array_header_t *profiles,
                             const char *after,
                             int (*visit)(void *baton,
                                          const scep_challenge_info_t *info),
                             void *baton, apr_pool_t *p)
{
    scep_challenge_shm_t *store = storev;

    return scep_table_list(store->table, now, profiles, after, visit, baton,
                           p);
}

static apr_status_t shm_stats(void *storev, apr_time_t now,
                              scep_challenge_stats_t *stats, apr_pool_t *p)
{
    scep_challenge_shm_t *store = storev;

    (void)p;
    scep_table_stats(store->table, now, stats);
    return APR_SUCCESS;
}

static apr_status_t shm_count(void *storev, const char *requester,
                              apr_uint64_t limit, apr_time_t now,
                              apr_uint64_t *count, apr_pool_t *p)
{
    scep_challenge_shm_t *store = storev;

    (void)p;
    *count = scep_table_count(store->table, requester, limit, now);
    return APR_SUCCESS;
}

static int process_lives(pid_t pid)
{
    return kill(pid, 0) == 0 || errno != ESRCH;
}

static apr_status_t shm_maintain(void *storev, apr_time_t now, apr_pool_t *p)
{
    scep_challenge_shm_t *store = storev;

    (void)p;
    scep_table_sweep(store->table, now, process_lives);
    return msync(store->file->mem, store->file->size, MS_SYNC) == 0
               ? APR_SUCCESS
               : errno;
}

const scep_challenge_provider_t mod_scep_challenge_shm = {
    .create = shm_create,
    .open = shm_open_store,
    .child_init = shm_child_init,
    .issue = shm_issue,
    .claim = shm_claim,
    .commit = shm_commit,
    .release = shm_release,
    .revoke = shm_revoke,
    .list = shm_list,
    .stats = shm_stats,
    .maintain = shm_maintain,
    .extend = shm_extend,
    .get = shm_get,
    .check = shm_check,
    .count = shm_count,
    .hold = shm_hold
};
