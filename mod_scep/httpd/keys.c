/* keys.c - private keys: files and OSSL_STORE URIs, pass phrases
 * SPDX-License-Identifier: Apache-2.0
 */
#include "keys.h"

#include <apr_file_io.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include <http_core.h>
#include <openssl/err.h>
#include <openssl/store.h>
#include <openssl/ui.h>

#include "secret.h"

/* Pass phrases outlive a reload: the terminal is gone by then.  They hang
 * on the process's pool and point to nothing in this DSO. */
#define RETAINED_PHRASES "mod_scep-pass-phrases"

typedef struct phrase_t {
    struct phrase_t *next;
    char *location;
    char *text;
} phrase_t;

typedef struct phrase_request_t {
    server_rec *server;
    const char *location;
    apr_pool_t *p;
    int asked;       /**< somebody wanted a pass phrase */
    int unanswered;  /**< and there was none to give */
    const char *err; /**< the program's fault */
} phrase_request_t;

static phrase_t **phrases(void)
{
    phrase_t **head = ap_retained_data_get(RETAINED_PHRASES);

    return head ? head
                : ap_retained_data_create(RETAINED_PHRASES, sizeof(*head));
}

static const char *phrase_find(const char *location)
{
    for (const phrase_t *it = *phrases(); it; it = it->next)
        if (!strcmp(it->location, location))
            return it->text;
    return NULL;
}

static void phrase_keep(server_rec *s, const char *location, const char *text)
{
    phrase_t **head = phrases();
    apr_pool_t *pool = s->process->pool;
    phrase_t *phrase = apr_palloc(pool, sizeof(*phrase));

    phrase->location = apr_pstrdup(pool, location);
    phrase->text = apr_pstrdup(pool, text);
    phrase->next = *head;
    *head = phrase;
}

/* The administrator's program: gets the location, prints the phrase. */
static int phrase_from_program(phrase_request_t *request, const char *program,
                               char *buf, int size)
{
    const char *const argv[] = { program, request->location, NULL };
    apr_size_t len;

    request->err = mod_scep_secret_run(argv, buf, size, &len, request->p);
    if (request->err)
        return 0;
    buf[strcspn(buf, "\r\n")] = '\0';
    return (int)strlen(buf);
}

static int phrase_from_terminal(const phrase_request_t *request, char *buf,
                                int size)
{
    const char *prompt =
        apr_psprintf(request->p,
                     "mod_scep: pass phrase of %s: ", request->location);

    if (EVP_read_pw_string(buf, size, prompt, 0))
        return 0;
    return (int)strlen(buf);
}

static int phrase_callback(char *buf, int size, int rwflag, void *baton)
{
    phrase_request_t *request = baton;
    const scep_conf_t *conf = mod_scep_conf_get(request->server);
    const char *known = phrase_find(request->location);
    int first_start =
        ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG;
    int len = 0;

    (void)rwflag;
    request->asked = 1;
    if (known) {
        apr_cpystrn(buf, known, size);
        return (int)strlen(buf);
    }
    if (ap_state_query(AP_SQ_RUN_MODE) == AP_SQ_RM_NORMAL) {
        if (conf->pass_phrase_dialog) {
            len = phrase_from_program(request, conf->pass_phrase_dialog, buf,
                                      size);
        } else if (first_start) {
            len = phrase_from_terminal(request, buf, size);
        }
    }
    if (len <= 0) {
        request->unanswered = 1;
        return -1;
    }
    phrase_keep(request->server, request->location, buf);
    return len;
}

static apr_status_t key_cleanup(void *key)
{
    EVP_PKEY_free(key);
    return APR_SUCCESS;
}

/* A URI has a scheme of two letters or more; "C:" would be a drive. */
static int is_uri(const char *location)
{
    apr_size_t i = 0;

    while (apr_isalnum(location[i]) || strchr("+-.", location[i]))
        if (!location[i++])
            return 0;
    return i > 1 && location[i] == ':';
}

static EVP_PKEY *store_load(const char *location, UI_METHOD *ui,
                            phrase_request_t *request)
{
    OSSL_STORE_CTX *store = OSSL_STORE_open(location, ui, request, NULL, NULL);
    EVP_PKEY *key = NULL;

    if (!store)
        return NULL;
    (void)OSSL_STORE_expect(store, OSSL_STORE_INFO_PKEY);
    while (!key && !OSSL_STORE_eof(store)) {
        OSSL_STORE_INFO *info = OSSL_STORE_load(store);
        if (info && OSSL_STORE_INFO_get_type(info) == OSSL_STORE_INFO_PKEY)
            key = OSSL_STORE_INFO_get1_PKEY(info);
        OSSL_STORE_INFO_free(info);
        if (!info && OSSL_STORE_error(store))
            break;
    }
    OSSL_STORE_close(store);
    return key;
}

/* OpenSSL's words for a file that is not there help nobody.  And what others
 * can read is no secret. */
static const char *check_file(server_rec *s, const char *file, apr_pool_t *p)
{
    apr_finfo_t info;
    apr_file_t *handle;
    char reason[120];
    apr_status_t rv =
        apr_file_open(&handle, file, APR_READ, APR_OS_DEFAULT, p);

    if (rv != APR_SUCCESS)
        return apr_psprintf(p, "cannot open %s: %s", file,
                            apr_strerror(rv, reason, sizeof(reason)));
    if (apr_file_info_get(&info, APR_FINFO_PROT, handle) == APR_SUCCESS &&
        (info.protection &
         (APR_FPROT_WREAD | APR_FPROT_GWRITE | APR_FPROT_WWRITE)))
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     SCEPLOGNO(0020) "private key %s can be read or changed "
                                     "by others: chmod 600 it",
                     file);
    apr_file_close(handle);
    return NULL;
}

const char *mod_scep_keys_load(server_rec *s, const char *location,
                               EVP_PKEY **key, apr_pool_t *p)
{
    phrase_request_t request = { s, location, p, 0, 0, NULL };
    const char *errors;
    UI_METHOD *ui;

    *key = NULL;
    ERR_clear_error();
    if (!is_uri(location)) {
        location = ap_server_root_relative(p, location);
        if (!location)
            return "the path is not valid";
        request.location = location;
        errors = check_file(s, location, p);
        if (errors)
            return errors;
    }
    ui = UI_UTIL_wrap_read_pem_callback(phrase_callback, 0);
    if (!ui)
        return "out of memory";
    *key = store_load(location, ui, &request);
    UI_destroy_method(ui);
    errors = scep_result_openssl_errors(p);
    if (*key) {
        apr_pool_cleanup_register(p, *key, key_cleanup, apr_pool_cleanup_null);
        return NULL;
    }
    if (request.err) {
        return apr_psprintf(p, "the pass phrase of %s: %s", location,
                            request.err);
    }
    if (request.unanswered) {
        if (ap_state_query(AP_SQ_RUN_MODE) != AP_SQ_RM_NORMAL)
            return NULL;
        return apr_psprintf(p,
                            "%s is encrypted and its pass phrase is not "
                            "known: stop the server and start it again",
                            location);
    }
    if (request.asked) {
        return apr_psprintf(p, "%s: wrong pass phrase, or no private key",
                            location);
    }
    return apr_psprintf(p, "no private key in %s%s%s", location,
                        *errors ? ": " : "", errors);
}

const char *mod_scep_keys_load_for_ca(const scep_ca_setup_t *setup,
                                      const char *location, EVP_PKEY **key,
                                      apr_pool_t *p)
{
    return mod_scep_keys_load(setup->server, location, key, p);
}

const char *mod_scep_keys_read_file(const char **path, const char **text,
                                    apr_size_t *len, apr_pool_t *p)
{
    return mod_scep_keys_read_large(path, text, len, 1, p);
}

const char *mod_scep_keys_read_large(const char **path, const char **text,
                                     apr_size_t *len, int most, apr_pool_t *p)
{
    const char *name = ap_server_root_relative(p, *path);
    apr_file_t *file;
    apr_finfo_t info;
    apr_status_t rv;
    char reason[120];
    char *buf;

    if (!name)
        return apr_psprintf(p, "'%s' is no valid path", *path);
    *path = name;
    rv = apr_file_open(&file, name, APR_READ | APR_BINARY, APR_OS_DEFAULT, p);
    if (rv != APR_SUCCESS) {
        return apr_psprintf(p, "cannot open %s: %s", name,
                            apr_strerror(rv, reason, sizeof(reason)));
    }
    rv = apr_file_info_get(&info, APR_FINFO_SIZE | APR_FINFO_TYPE, file);
    if (rv == APR_SUCCESS && (info.filetype != APR_REG ||
                              info.size > (apr_off_t)most * 1024 * 1024)) {
        apr_file_close(file);
        return apr_psprintf(p, "%s is no file of up to %d MiB", name, most);
    }
    buf = apr_palloc(p, (apr_size_t)info.size + 1);
    if (rv == APR_SUCCESS)
        rv = apr_file_read_full(file, buf, (apr_size_t)info.size, len);
    apr_file_close(file);
    if (rv != APR_SUCCESS && !APR_STATUS_IS_EOF(rv)) {
        return apr_psprintf(p, "cannot read %s: %s", name,
                            apr_strerror(rv, reason, sizeof(reason)));
    }
    buf[*len] = '\0';
    *text = buf;
    return NULL;
}
