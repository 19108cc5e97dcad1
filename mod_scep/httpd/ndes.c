/* ndes.c - SetHandler scep-ndes: the page that hands out passwords
 * SPDX-License-Identifier: Apache-2.0
 *
 * Nobody reads this page but programs, each with a pattern of its own.  What
 * they look for is marked below and must stay as it is, octet by octet and in
 * this order; test_ndes.py has their patterns.
 */
#include "ndes.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <util_script.h>

#include "challenge_order.h"
#include "core/utf8.h"
#include "http.h"

struct scep_ndes_conf_t {
    enum { ENCODING_UNSET = 0, ENCODING_UTF_8, ENCODING_UTF_16LE } encoding;
    unsigned int digits; /**< 0: not set */
};

/* A POST says nothing that counts, but some clients send a form. */
#define BODY_MAX 65536

/* impacket looks for the title. */
#define PAGE_BEGIN                                                            \
    "<html><head><meta http-equiv=\"Content-Type\" content=\"text/html; "     \
    "charset=UTF-8\"><title>Network Device Enrollment Service</title>"        \
    "</head><body><h1>SCEP enrollment</h1>"
#define PAGE_END "</body></html>\n"

/* One character stands between '>' and "The": a script counts it.  No "</B>"
 * and no " minutes" may follow on the page, and "challenge password" must not
 * come before. */
#define PASSWORD                                                              \
    "<P> The thumbprint (hash value) for the CA certificate is: <B> %s </B> " \
    "<P> The enrollment challenge password is: <B> %s </B> "                  \
    "<P> This password can be used only once and will expire within "         \
    "%" APR_TIME_T_FMT " minutes. "                                           \
    "<P> Load the page again for another one. </P>"
/* Fleet asks again after the first of these and gives up after the second. */
#define FULL "<P> The password cache is full. <P> %s </P>"
#define FORBIDDEN                                                             \
    "<P> You do not have sufficient permission to enroll with SCEP. "         \
    "<P> %s </P>"
#define WRONG "<P> No password was made. <P> %s </P>"

/* ------------------------------------------------------------------ */
/* directives                                                           */

static scep_ndes_conf_t *conf_of(cmd_parms *cmd, scep_dir_conf_t *dir)
{
    if (!dir->ndes)
        dir->ndes = apr_pcalloc(cmd->pool, sizeof(*dir->ndes));
    return dir->ndes;
}

const char *mod_scep_ndes_set_encoding(cmd_parms *cmd, void *dirv,
                                       const char *arg)
{
    const char *err = mod_scep_conf_context(cmd, dirv, 1);

    if (err)
        return err;
    if (!strcasecmp(arg, "UTF-8"))
        conf_of(cmd, dirv)->encoding = ENCODING_UTF_8;
    else if (!strcasecmp(arg, "UTF-16LE"))
        conf_of(cmd, dirv)->encoding = ENCODING_UTF_16LE;
    else
        return mod_scep_conf_unknown(cmd, arg, "UTF-8 UTF-16LE");
    return NULL;
}

const char *mod_scep_ndes_set_password_length(cmd_parms *cmd, void *dirv,
                                              const char *arg)
{
    const char *err = mod_scep_conf_context(cmd, dirv, 1);
    apr_int64_t digits = strlen(arg) < 4 && !arg[strspn(arg, "0123456789")]
                             ? apr_atoi64(arg)
                             : 0;

    if (err)
        return err;
    if (digits < 16 || digits > 64 || digits % 2) {
        return mod_scep_conf_error(cmd, "give an even number of hexadecimal "
                                        "digits from 16 to 64");
    }
    conf_of(cmd, dirv)->digits = (unsigned int)digits;
    return NULL;
}

scep_ndes_conf_t *mod_scep_ndes_merge(apr_pool_t *p,
                                      const scep_ndes_conf_t *base,
                                      const scep_ndes_conf_t *add)
{
    scep_ndes_conf_t *conf;

    if (!base && !add)
        return NULL;
    conf = apr_pmemdup(p, add ? add : base, sizeof(*conf));
    if (base && !conf->encoding)
        conf->encoding = base->encoding;
    if (base && !conf->digits)
        conf->digits = base->digits;
    return conf;
}

/* ------------------------------------------------------------------ */
/* the page                                                             */

/*
 * Text as HTML in ASCII alone, so that the page is the same in both encodings
 * but for every other octet; and with no eight hexadecimal digits in a row:
 * SCEPwright takes those of any page for a password.
 */
static const char *escape(const char *text, apr_pool_t *p)
{
    const unsigned char *s = (const unsigned char *)ap_escape_html(p, text);
    int left = (int)strlen((const char *)s), digits = 0;
    char *escaped = apr_palloc(p, 6 * (apr_size_t)left + 1), *end = escaped;

    while (left > 0) {
        unsigned long c;
        int n = UTF8_getc(s, left, &c);

        if (n < 1) {
            c = '?';
            n = 1;
        }
        digits = c < 0x80 && apr_isxdigit(c) ? digits + 1 : 0;
        if (c < 0x80 && digits < 8) {
            *end++ = (char)c;
        } else {
            end += apr_snprintf(end, 12, "&#%lu;", c);
            digits = 0;
        }
        s += n;
        left -= n;
    }
    *end = '\0';
    return escaped;
}

/* Sends a page that is over with the request: a password may be in it. */
static int send_page(request_rec *r, const scep_ndes_conf_t *conf, char *page)
{
    apr_size_t len = strlen(page);
    char *wide;

    if (!conf || conf->encoding != ENCODING_UTF_16LE) {
        mod_scep_http_forget(r, page, len);
        return mod_scep_http_send(r, "text/html; charset=UTF-8", page, len);
    }
    wide = apr_pcalloc(r->pool, 2 * len);
    for (apr_size_t i = 0; i < len; i++)
        wide[2 * i] = page[i];
    OPENSSL_cleanse(page, len);
    mod_scep_http_forget(r, wide, 2 * len);
    /* NDES names no charset, and its readers expect none. */
    return mod_scep_http_send(r, "text/html", wide, 2 * len);
}

/* The digest that NDES shows and that devices display is MD5; where OpenSSL
 * must do without it, another is better than none. */
static const char *thumbprint(X509 *cert, apr_pool_t *p)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int len = 0;
    const char *text = "";

    if (!X509_digest(cert, EVP_md5(), digest, &len) &&
        !X509_digest(cert, EVP_sha256(), digest, &len))
        len = 0;
    ERR_clear_error();
    for (unsigned int i = 0; i + 4 <= len; i += 4) {
        text = apr_psprintf(p, "%s%s%02X%02X%02X%02X", text, i ? " " : "",
                            digest[i], digest[i + 1], digest[i + 2],
                            digest[i + 3]);
    }
    return text;
}

static int answer_issued(request_rec *r, const scep_ndes_conf_t *conf,
                         const scep_order_t *order, scep_issued_t *issued)
{
    /* Whoever is told less than a minute reads it as none. */
    apr_time_t minutes =
        apr_time_sec(order->spec.expires - r->request_time) / 60;
    X509 *ca = sk_X509_value(order->profile->ca->chain, 0);
    char *page = apr_psprintf(r->pool, PAGE_BEGIN PASSWORD PAGE_END,
                              thumbprint(ca, r->pool), issued->secret,
                              minutes > 0 ? minutes : 1);

    OPENSSL_cleanse((char *)issued->secret, strlen(issued->secret));
    return send_page(r, conf, page);
}

static int answer_wrong(request_rec *r, const scep_ndes_conf_t *conf,
                        const char *detail)
{
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                  SCEPLOGNO(0300) "no password on the NDES page: %s",
                  ap_escape_logitem(r->pool, detail));
    return send_page(r, conf,
                     apr_psprintf(r->pool, PAGE_BEGIN WRONG PAGE_END,
                                  escape(detail, r->pool)));
}

/* ------------------------------------------------------------------ */
/* the query string                                                     */

typedef struct wish_t {
    const char *profile;
    const char *subject;
    const char *device;
    const char *ttl;
    apr_array_header_t *sans; /**< const char * */
} wish_t;

/* Says what is wrong with a parameter, or NULL. */
static const char *read_parameter(wish_t *wish, const char *name,
                                  const char *value, apr_pool_t *p)
{
    const char **place = !strcmp(name, "profile")   ? &wish->profile
                         : !strcmp(name, "subject") ? &wish->subject
                         : !strcmp(name, "device")  ? &wish->device
                         : !strcmp(name, "ttl")     ? &wish->ttl
                                                    : NULL;

    /* What a management system fills in may turn out to be nothing. */
    if (!*value)
        return apr_psprintf(p, "The parameter \"%s\" is empty.", name);
    if (!strcmp(name, "san")) {
        if (!wish->sans)
            wish->sans = apr_array_make(p, 4, sizeof(const char *));
        APR_ARRAY_PUSH(wish->sans, const char *) = value;
        return NULL;
    }
    if (!place) {
        return apr_psprintf(p,
                            "There is no parameter \"%s\"; known are profile, "
                            "subject, san, device and ttl.",
                            name);
    }
    if (*place)
        return apr_psprintf(p, "The parameter \"%s\" is there twice.", name);
    *place = value;
    return NULL;
}

static const char *read_query(wish_t *wish, const char *args, apr_pool_t *p)
{
    const char *err = NULL;

    while (!err && args && *args) {
        char *value = ap_getword(p, &args, '&');
        char *name = ap_getword_nc(p, &value, '=');

        if (!*name && !*value)
            continue;
        err = ap_unescape_urlencoded(name) != OK ||
                      ap_unescape_urlencoded(value) != OK ||
                      !scep_utf8_is_printable(name) ||
                      !scep_utf8_is_printable(value)
                  ? "A parameter is no text in UTF-8, its special characters "
                    "written with percent signs."
                  : read_parameter(wish, name, value, p);
    }
    return err;
}

static const char *read_order(scep_order_t *order, const wish_t *wish)
{
    apr_interval_time_t ttl;
    const char *err = mod_scep_order_profile(order, wish->profile);

    if (!err)
        err = mod_scep_order_subject(order, wish->subject);
    if (!err && wish->sans)
        err = mod_scep_order_sans(order, wish->sans);
    if (!err)
        err = mod_scep_order_device(order, wish->device);
    if (!err && wish->ttl) {
        err = mod_scep_conf_time(&ttl, wish->ttl, order->r->pool);
        err = err ? apr_psprintf(order->r->pool, "\"ttl\": %s.", err)
                  : mod_scep_order_ttl(order, ttl);
    }
    return err;
}

/* ------------------------------------------------------------------ */
/* the handler                                                          */

static int answer(request_rec *r, const scep_ndes_conf_t *conf)
{
    unsigned int octets =
        conf && conf->digits ? conf->digits / 2 : SCEP_SECRET_OCTETS;
    wish_t wish = { 0 };
    scep_order_t order;
    scep_issued_t issued;
    const char *detail = read_query(&wish, r->args, r->pool);

    mod_scep_order_init(&order, r);
    if (!detail)
        detail = read_order(&order, &wish);
    if (detail)
        return answer_wrong(r, conf, detail);
    switch (mod_scep_order_issue(&order, octets, &issued, &detail)) {
    case SCEP_ORDER_DONE:
        return answer_issued(r, conf, &order, &issued);
    case SCEP_ORDER_INCOMPLETE:
    case SCEP_ORDER_FORBIDDEN:
        return send_page(r, conf,
                         apr_psprintf(r->pool, PAGE_BEGIN FORBIDDEN PAGE_END,
                                      escape(detail, r->pool)));
    case SCEP_ORDER_QUOTA:
    case SCEP_ORDER_FULL:
        return send_page(r, conf,
                         apr_psprintf(r->pool, PAGE_BEGIN FULL PAGE_END,
                                      escape(detail, r->pool)));
    case SCEP_ORDER_DOWN:
        break;
    }
    return mod_scep_http_refuse(r, HTTP_SERVICE_UNAVAILABLE, detail);
}

/* NDES is a DLL, and some clients are told so. */
static int is_page(const char *path)
{
    return !strcmp(path, "/") || !strcasecmp(path, "/mscep.dll");
}

/* The path below the endpoint, "" for the endpoint itself.  Where a regular
 * expression says what that is, all of the path may be it. */
static const char *path_below(const request_rec *r, const char *base)
{
    apr_size_t len = strlen(base);
    const char *last = strrchr(r->uri, '/');

    while (len && base[len - 1] == '/')
        len--;
    if (!strncmp(r->uri, base, len) && (!r->uri[len] || r->uri[len] == '/'))
        return r->uri + len;
    return last && is_page(last) ? last : "";
}

static int add_slash(request_rec *r)
{
    const char *path =
        ap_escape_uri(r->pool, apr_pstrcat(r->pool, r->uri, "/", NULL));

    if (r->args)
        path = apr_pstrcat(r->pool, path, "?", r->args, NULL);
    apr_table_setn(r->headers_out, "Location",
                   ap_construct_url(r->pool, path, r));
    return HTTP_MOVED_PERMANENTLY;
}

int mod_scep_ndes_handler(request_rec *r)
{
    const scep_dir_conf_t *dir;
    const unsigned char *body;
    const char *path;
    apr_size_t len;
    int status;

    if (!r->handler || strcmp(r->handler, "scep-ndes"))
        return DECLINED;
    dir = ap_get_module_config(r->per_dir_config, &scep_module);
    if (!mod_scep_http_is_guarded(r))
        return HTTP_FORBIDDEN;
    ap_allow_standard_methods(r, REPLACE_ALLOW, M_GET, M_POST, -1);
    if (r->method_number != M_GET && r->method_number != M_POST)
        return HTTP_METHOD_NOT_ALLOWED;
    path = path_below(r, dir->base);
    if (!*path)
        return add_slash(r);
    if (!is_page(path))
        return HTTP_NOT_FOUND;
    if (r->method_number == M_POST &&
        (status = mod_scep_http_body(r, BODY_MAX, &body, &len)) != OK)
        return status;
    /* Who only asks whether the page is there gets no password made. */
    if (r->header_only)
        return send_page(r, dir->ndes, apr_pstrdup(r->pool, ""));
    return answer(r, dir->ndes);
}
