/* secret_input.c - passwords and secrets, from anywhere but the command line
 * SPDX-License-Identifier: Apache-2.0
 */
#include "secret_input.h"

#include <apr_file_io.h>
#include <apr_strings.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ui.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* room for a CR LF, one octet too many and a NUL */
#define ROOM (CTL_SECRET_MAX + 4)

static apr_status_t cleanse(void *buf)
{
    OPENSSL_cleanse(buf, ROOM);
    return APR_SUCCESS;
}

static char *room(ctl_t *ctl)
{
    char *buf = apr_pcalloc(ctl->p, ROOM);

    apr_pool_cleanup_register(ctl->p, buf, cleanse, apr_pool_cleanup_null);
    return buf;
}

/* Cuts the end of the first line off, with all that follows. */
static const char *first_line(char *buf, apr_size_t len)
{
    if (memchr(buf, '\0', len))
        return "it has a NUL in it";
    buf[strcspn(buf, "\r\n")] = '\0';
    if (!*buf)
        return "it is empty";
    return strlen(buf) > CTL_SECRET_MAX ? "it is too long" : NULL;
}

static const char *read_handle(apr_file_t *file, char *buf)
{
    apr_size_t len = 0;
    apr_status_t rv = apr_file_read_full(file, buf, ROOM - 1, &len);

    if (rv != APR_SUCCESS && !APR_STATUS_IS_EOF(rv))
        return "it cannot be read";
    return first_line(buf, len);
}

const char *ctl_secret_file(ctl_t *ctl, const char *name, char **secret)
{
    apr_file_t *file;
    apr_finfo_t info;
    char reason[120];
    const char *err = NULL;
    apr_status_t rv = apr_file_open(&file, name, APR_READ | APR_BINARY,
                                    APR_OS_DEFAULT, ctl->p);

    if (rv != APR_SUCCESS) {
        return apr_psprintf(ctl->p, "cannot open %s: %s", name,
                            apr_strerror(rv, reason, sizeof(reason)));
    }
    *secret = room(ctl);
    if (apr_file_info_get(&info, APR_FINFO_PROT | APR_FINFO_TYPE, file) !=
            APR_SUCCESS ||
        (info.filetype == APR_REG &&
         (info.protection &
          (APR_FPROT_WREAD | APR_FPROT_GWRITE | APR_FPROT_WWRITE))))
        err = "it can be read or changed by others: chmod 600 it";
    if (!err)
        err = read_handle(file, *secret);
    apr_file_close(file);
    return err ? apr_psprintf(ctl->p, "%s: %s", name, err) : NULL;
}

/* From the terminal, without an echo; UI minds signals. */
static const char *ask(char *buf, const char *prompt, int twice)
{
    int failed = UI_UTIL_read_pw_string(buf, CTL_SECRET_MAX, prompt, twice);

    ERR_clear_error();
    if (failed)
        return twice ? "no secret was given, or two different ones"
                     : "no password was given";
    return *buf ? NULL : "it is empty";
}

const char *ctl_secret_password(ctl_t *ctl, const char *file, char **password)
{
    if (file)
        return ctl_secret_file(ctl, file, password);
    if (!isatty(STDIN_FILENO)) {
        return "there is no terminal to ask for the password: give "
               "--password-file";
    }
    *password = room(ctl);
    return ask(*password,
               apr_psprintf(ctl->p,
                            "Password of %s: ", ctl_option(ctl, "user")),
               0);
}

typedef struct phrase_t {
    ctl_t *ctl;
    const char *file, *err;
    char *text;
} phrase_t;

static int ask_phrase(char *buf, int size, int writing, void *phrasev)
{
    phrase_t *phrase = phrasev;
    apr_pool_t *p = phrase->ctl->p;

    (void)writing;
    phrase->text = room(phrase->ctl);
    phrase->err =
        isatty(STDIN_FILENO)
            ? ask(phrase->text,
                  apr_psprintf(p, "Pass phrase of %s: ", phrase->file), 0)
            : apr_psprintf(p,
                           "%s is encrypted, and there is no "
                           "terminal to ask for its pass phrase",
                           phrase->file);
    if (phrase->err)
        return -1;
    apr_cpystrn(buf, phrase->text, (apr_size_t)size);
    return (int)strlen(buf);
}

const char *ctl_secret_phrase(ctl_t *ctl, const char *file, char **phrase)
{
    phrase_t baton = { .ctl = ctl, .file = file };
    BIO *in = BIO_new_file(file, "r");
    EVP_PKEY *key =
        in ? PEM_read_bio_PrivateKey(in, NULL, ask_phrase, &baton) : NULL;

    if (!key && !baton.err) {
        baton.err = apr_psprintf(ctl->p, "%s %s", file,
                                 baton.text ? "has another pass phrase"
                                            : "has no private key in PEM");
    }
    EVP_PKEY_free(key);
    BIO_free(in);
    ERR_clear_error();
    *phrase = baton.text;
    return baton.err;
}

const char *ctl_secret_new(ctl_t *ctl, char **secret)
{
    char *buf = room(ctl);
    apr_file_t *file;

    *secret = buf;
    if (isatty(STDIN_FILENO))
        return ask(buf, "Secret: ", 1);
    if (apr_file_open_stdin(&file, ctl->p) != APR_SUCCESS)
        return "standard input cannot be read";
    return read_handle(file, buf)
               ? "standard input: give the secret on one line"
               : NULL;
}
