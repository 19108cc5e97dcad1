/* secret.c - secrets that directives name: file:PATH or exec:PROGRAM
 * SPDX-License-Identifier: Apache-2.0
 */
#include "secret.h"

#include <apr_file_io.h>
#include <apr_strings.h>
#include <http_core.h>
#include <openssl/crypto.h>

/* room for a secret, CR LF, one octet too many and a NUL */
#define ROOM (SCEP_SECRET_MAX + 4)

/* What programs have said, for a reload at which they fail.  It hangs on the
 * process's pool and points to nothing in this DSO. */
#define RETAINED_SECRETS "mod_scep-secrets"

typedef struct kept_t {
    struct kept_t *next;
    char *program;
    char text[SCEP_SECRET_MAX + 1];
} kept_t;

static kept_t *find_kept(const char *program)
{
    kept_t **head = ap_retained_data_get(RETAINED_SECRETS);

    for (kept_t *it = head ? *head : NULL; it; it = it->next)
        if (!strcmp(it->program, program))
            return it;
    return NULL;
}

static void keep(server_rec *s, const char *program, const char *text)
{
    kept_t **head = ap_retained_data_get(RETAINED_SECRETS);
    kept_t *kept = find_kept(program);
    apr_pool_t *pool = s->process->pool;

    if (!head)
        head = ap_retained_data_create(RETAINED_SECRETS, sizeof(*head));
    if (!kept) {
        kept = apr_pcalloc(pool, sizeof(*kept));
        kept->program = apr_pstrdup(pool, program);
        kept->next = *head;
        *head = kept;
    }
    OPENSSL_cleanse(kept->text, sizeof(kept->text));
    apr_cpystrn(kept->text, text, sizeof(kept->text));
}

/* Cuts the end of the line and checks that it is one. */
static const char *one_line(char *text, apr_size_t len)
{
    if (len && text[len - 1] == '\n')
        len--;
    if (len && text[len - 1] == '\r')
        len--;
    text[len] = '\0';
    if (len == 0)
        return "it is empty";
    if (len > SCEP_SECRET_MAX)
        return "it is longer than 4096 octets";
    return strlen(text) == len && !strpbrk(text, "\r\n")
               ? NULL
               : "it is not one line of text";
}

static const char *read_file(const char *path, char *buf, apr_size_t *len,
                             apr_pool_t *p)
{
    apr_file_t *file;
    apr_finfo_t info;
    char reason[120];
    const char *err = NULL;
    apr_status_t rv =
        apr_file_open(&file, path, APR_READ | APR_BINARY, APR_OS_DEFAULT, p);

    if (rv != APR_SUCCESS) {
        return apr_psprintf(p, "cannot open %s: %s", path,
                            apr_strerror(rv, reason, sizeof(reason)));
    }
    rv = apr_file_info_get(&info, APR_FINFO_PROT | APR_FINFO_TYPE, file);
    if (rv == APR_SUCCESS && info.filetype != APR_REG) {
        err = apr_psprintf(p, "%s is no file", path);
    } else if (rv == APR_SUCCESS &&
               (info.protection &
                (APR_FPROT_WREAD | APR_FPROT_GWRITE | APR_FPROT_WWRITE))) {
        err = apr_psprintf(p,
                           "%s can be read or changed by others: chmod 600 "
                           "it",
                           path);
    } else if (rv == APR_SUCCESS) {
        rv = apr_file_read_full(file, buf, ROOM - 1, len);
    }
    apr_file_close(file);
    if (!err && rv != APR_SUCCESS && !APR_STATUS_IS_EOF(rv)) {
        err = apr_psprintf(p, "cannot read %s: %s", path,
                           apr_strerror(rv, reason, sizeof(reason)));
    }
    return err;
}

const char *mod_scep_secret_run(const char *const argv[], char *buf,
                                apr_size_t size, apr_size_t *len,
                                apr_pool_t *p)
{
    apr_procattr_t *attr;
    apr_proc_t proc;
    apr_exit_why_e why;
    int code = -1;

    *len = 0;
    if (apr_procattr_create(&attr, p) != APR_SUCCESS ||
        apr_procattr_io_set(attr, APR_NO_PIPE, APR_FULL_BLOCK, APR_NO_PIPE) !=
            APR_SUCCESS ||
        apr_procattr_cmdtype_set(attr, APR_PROGRAM_ENV) != APR_SUCCESS ||
        apr_proc_create(&proc, argv[0], argv, NULL, attr, p) != APR_SUCCESS)
        return apr_psprintf(p, "cannot run %s", argv[0]);
    apr_file_read_full(proc.out, buf, size - 1, len);
    apr_file_close(proc.out);
    apr_proc_wait(&proc, &code, &why, APR_WAIT);
    buf[*len] = '\0';
    if (why != APR_PROC_EXIT || code != 0) {
        OPENSSL_cleanse(buf, size);
        return apr_psprintf(p, "%s failed", argv[0]);
    }
    return NULL;
}

static const char *check_program(const char *program, apr_pool_t *p)
{
    apr_finfo_t info;

    if (apr_stat(&info, program, APR_FINFO_TYPE | APR_FINFO_PROT, p) !=
            APR_SUCCESS ||
        info.filetype != APR_REG ||
        !(info.protection &
          (APR_FPROT_UEXECUTE | APR_FPROT_GEXECUTE | APR_FPROT_WEXECUTE)))
        return apr_psprintf(p, "there is no program %s", program);
    return NULL;
}

static const char *ask_program(server_rec *s, const char *what,
                               const char *program, char *buf, apr_pool_t *p)
{
    const char *const argv[] = { program, NULL };
    const char *err = check_program(program, p);
    const kept_t *kept = find_kept(program);
    apr_size_t len;

    /* In the first pass nothing is used yet; asked twice, the program might
     * give the second secret to a server that knows the first. */
    if (!err &&
        (ap_state_query(AP_SQ_RUN_MODE) != AP_SQ_RM_NORMAL ||
         ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG))
        return NULL;
    if (!err)
        err = mod_scep_secret_run(argv, buf, ROOM, &len, p);
    if (!err) {
        err = one_line(buf, len);
        if (err)
            err = apr_psprintf(p, "what %s prints: %s", program, err);
    }
    if (!err) {
        keep(s, program, buf);
    } else if (kept) {
        /* An error here would end the server that is to be reloaded. */
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     SCEPLOGNO(0331) "%s: %s; its last answer stays in use",
                     what, err);
        apr_cpystrn(buf, kept->text, ROOM);
        err = NULL;
    }
    return err;
}

static apr_status_t secret_cleanup(void *text)
{
    OPENSSL_cleanse(text, strlen(text));
    return APR_SUCCESS;
}

const char *mod_scep_secret_load(server_rec *s, const char *what,
                                 const char *location, const char **secret,
                                 apr_pool_t *p)
{
    int is_file = !strncasecmp(location, "file:", 5);
    char buf[ROOM] = "";
    apr_size_t len = 0;
    const char *path, *err;
    char *copy;

    if (!is_file && strncasecmp(location, "exec:", 5))
        return "give the secret as file:PATH or exec:PROGRAM";
    path = location[5] ? ap_server_root_relative(p, location + 5) : NULL;
    if (!path)
        return apr_psprintf(p, "'%s' is no valid path", location + 5);
    if (!is_file) {
        err = ask_program(s, what, path, buf, p);
    } else if (!(err = read_file(path, buf, &len, p))) {
        err = one_line(buf, len);
        if (err)
            err = apr_psprintf(p, "%s: %s", path, err);
    }
    if (!err) {
        copy = apr_pstrdup(p, buf);
        apr_pool_cleanup_register(p, copy, secret_cleanup,
                                  apr_pool_cleanup_null);
        *secret = copy;
    }
    OPENSSL_cleanse(buf, sizeof(buf));
    return err;
}

const char *mod_scep_secret_read(cmd_parms *cmd, const char *location,
                                 const char **secret)
{
    const char *what = apr_psprintf(cmd->temp_pool, "line %d of %s: %s",
                                    cmd->directive->line_num,
                                    cmd->directive->filename, cmd->cmd->name);

    return mod_scep_secret_load(cmd->server, what, location, secret,
                                cmd->pool);
}

const char *mod_scep_secret_load_for_ca(const scep_ca_setup_t *setup,
                                        const char *location,
                                        const char **secret, apr_pool_t *p)
{
    return mod_scep_secret_load(setup->server,
                                apr_psprintf(p, "<ScepCA> %s", setup->name),
                                location, secret, p);
}
