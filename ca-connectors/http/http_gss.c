/* http_gss.c - Kerberos tokens of our own, bound to the server's certificate
 * SPDX-License-Identifier: Apache-2.0
 */
#include "http_gss.h"

#include "http_binding.h"
#include "http_keytab.h"

#include <string.h>
#include <unistd.h>

#include <apr_base64.h>
#include <apr_strings.h>
#include <apr_thread_mutex.h>
#include <gssapi/gssapi.h>
#include <gssapi/gssapi_ext.h>
#include <gssapi/gssapi_krb5.h>

/* Since MIT krb5 1.19; the client says that it binds. */
#ifndef GSS_C_CHANNEL_BOUND_FLAG
#define GSS_C_CHANNEL_BOUND_FLAG 0
#endif

#define TOKEN_MAX (64 * 1024)

/* Tickets last for hours; where they do not, these give way to a quarter. */
#define RENEW_BEFORE apr_time_from_sec(600)
/* After a renewal that failed, while the old tickets are good. */
#define RENEW_AGAIN apr_time_from_sec(60)
/* What a KDC that answers takes less than, and how long it is left alone
 * where it took more: one caller's patience is enough. */
#define SLOW apr_time_from_sec(2)
#define SILENCE apr_time_from_sec(10)
/* Between two times that refused tickets are let go. */
#define REFRESH_AGAIN apr_time_from_sec(60)

struct scep_http_gss_t {
    scep_http_keytab_t keytab;
    apr_thread_mutex_t *mutex;
    /* below: under the mutex */
    pid_t owner; /**< of the tickets */
    gss_cred_id_t cred;
    char cache[64];               /**< where the tickets are, or empty */
    unsigned int caches, current; /**< made so far; the number of this one */
    apr_time_t renew_at, expires, refreshed_at;
    apr_time_t silent_until;
    char silence[256]; /**< what was said of the KDC then */
};

struct scep_http_gss_exchange_t {
    gss_ctx_id_t context;
    gss_name_t target;
    unsigned int cache; /**< whose ticket it has */
    int complete;
};

static gss_OID_desc spnego = { 6, "\x2b\x06\x01\x05\x05\x02" };
static gss_OID_desc krb5 = { 9, "\x2a\x86\x48\x86\xf7\x12\x01\x02\x02" };
static gss_OID_set_desc only_spnego = { 1, &spnego };
static gss_OID_set_desc only_krb5 = { 1, &krb5 };

static const char *add_texts(const char *text, OM_uint32 status, int type,
                             apr_pool_t *p)
{
    OM_uint32 minor, more = 0;
    gss_buffer_desc line;

    do {
        if (GSS_ERROR(
                gss_display_status(&minor, status, type, &krb5, &more, &line)))
            break;
        text = apr_psprintf(p, "%s%s%.*s", text, *text ? ": " : "",
                            (int)line.length, (const char *)line.value);
        gss_release_buffer(&minor, &line);
    } while (more);
    return text;
}

/* The major text of a plain failure says only that there is a minor one. */
static const char *status_text(OM_uint32 major, OM_uint32 minor, apr_pool_t *p)
{
    const char *text = "";

    if (GSS_ROUTINE_ERROR(major) != GSS_S_FAILURE || !minor)
        text = add_texts(text, major, GSS_C_GSS_CODE, p);
    if (minor)
        text = add_texts(text, minor, GSS_C_MECH_CODE, p);
    return text;
}

static apr_status_t gss_cleanup(void *gssv)
{
    scep_http_gss_t *gss = gssv;
    OM_uint32 minor;

    /* A child's copy of its parent's tickets is its own memory. */
    if (gss->cred)
        gss_release_cred(&minor, &gss->cred);
    if (*gss->cache)
        scep_http_keytab_end_cache(gss->cache);
    *gss->cache = '\0';
    return APR_SUCCESS;
}

const char *scep_http_gss_create(scep_http_gss_t **gssp, const char *keytab,
                                 const char *principal, apr_pool_t *p)
{
    scep_http_gss_t *gss = apr_pcalloc(p, sizeof(*gss));
    const char *err =
        scep_http_keytab_read(keytab, principal, &gss->keytab, p);

    if (err)
        return err;
    gss->cred = GSS_C_NO_CREDENTIAL;
    gss->owner = getpid();
    if (apr_thread_mutex_create(&gss->mutex, APR_THREAD_MUTEX_TIMED, p))
        return "no mutex can be made";
    apr_pool_cleanup_register(p, gss, gss_cleanup, apr_pool_cleanup_null);
    *gssp = gss;
    return NULL;
}

const char *scep_http_gss_principal(const scep_http_gss_t *gss)
{
    return gss->keytab.principal;
}

/*
 * Gets the tickets of the principal into the cache.  The first credential is
 * of Kerberos alone and so fails with Kerberos' own reason; the second, from
 * the same cache, is what SPNEGO takes.
 */
static OM_uint32 acquire(const scep_http_gss_t *gss, const char *cache,
                         gss_cred_id_t *cred, OM_uint32 *lifetime,
                         OM_uint32 *minor)
{
    gss_key_value_element_desc elements[] = {
        { "ccache", cache }, { "client_keytab", gss->keytab.name }
    };
    gss_key_value_set_desc both = { 2, elements }, tickets = { 1, elements };
    gss_buffer_desc text = { strlen(gss->keytab.principal),
                             (void *)gss->keytab.principal };
    gss_cred_id_t first = GSS_C_NO_CREDENTIAL;
    gss_name_t name = GSS_C_NO_NAME;
    OM_uint32 major, ignored;

    major = gss_import_name(minor, &text, (gss_OID)GSS_KRB5_NT_PRINCIPAL_NAME,
                            &name);
    if (!GSS_ERROR(major))
        major =
            gss_acquire_cred_from(minor, name, GSS_C_INDEFINITE, &only_krb5,
                                  GSS_C_INITIATE, &both, &first, NULL, NULL);
    if (!GSS_ERROR(major))
        major = gss_inquire_cred(minor, first, NULL, lifetime, NULL, NULL);
    if (!GSS_ERROR(major))
        major =
            gss_acquire_cred_from(minor, name, GSS_C_INDEFINITE, &only_spnego,
                                  GSS_C_INITIATE, &tickets, cred, NULL, NULL);
    if (!GSS_ERROR(major))
        major = gss_set_neg_mechs(minor, *cred, &only_krb5);
    if (GSS_ERROR(major) && *cred)
        gss_release_cred(&ignored, cred);
    gss_release_cred(&ignored, &first);
    gss_release_name(&ignored, &name);
    return major;
}

static void take_tickets(scep_http_gss_t *gss, gss_cred_id_t cred,
                         const char *cache, unsigned int number,
                         apr_time_t expires)
{
    apr_interval_time_t early = (expires - apr_time_now()) / 4;

    gss_cleanup(gss);
    gss->cred = cred;
    gss->current = number;
    apr_cpystrn(gss->cache, cache, sizeof(gss->cache));
    gss->expires = expires;
    gss->renew_at = expires - (early > RENEW_BEFORE ? RENEW_BEFORE : early);
}

static const char *renew(scep_http_gss_t *gss, apr_pool_t *p)
{
    apr_time_t now = apr_time_now();
    int valid = gss->cred && now < gss->expires;
    gss_cred_id_t cred = GSS_C_NO_CREDENTIAL;
    OM_uint32 major, minor = 0, lifetime = 0;
    unsigned int number;
    char cache[sizeof(gss->cache)];

    if (valid && now < gss->renew_at)
        return NULL;
    gss->renew_at = now + RENEW_AGAIN;
    number = ++gss->caches;
    apr_snprintf(cache, sizeof(cache), "MEMORY:scep-%ld-%pp-%u",
                 (long)gss->owner, (void *)gss, number);
    /* While the old tickets are good nobody else need wait for new ones. */
    if (valid)
        apr_thread_mutex_unlock(gss->mutex);
    major = acquire(gss, cache, &cred, &lifetime, &minor);
    if (valid)
        apr_thread_mutex_lock(gss->mutex);
    if (!GSS_ERROR(major)) {
        take_tickets(gss, cred, cache, number,
                     now + apr_time_from_sec(lifetime));
        return NULL;
    }
    scep_http_keytab_end_cache(cache);
    if (gss->cred && apr_time_now() < gss->expires)
        return NULL;
    return apr_psprintf(p, "no ticket of %s: %s", gss->keytab.principal,
                        status_text(major, minor, p));
}

static apr_status_t exchange_cleanup(void *exchangev)
{
    scep_http_gss_exchange_t *exchange = exchangev;
    OM_uint32 minor;

    if (exchange->context)
        gss_delete_sec_context(&minor, &exchange->context, NULL);
    gss_release_name(&minor, &exchange->target);
    return APR_SUCCESS;
}

static char *encoded(const gss_buffer_desc *token, apr_pool_t *p)
{
    char *text = apr_palloc(p, apr_base64_encode_len((int)token->length));

    apr_base64_encode_binary(text, token->value, (int)token->length);
    return text;
}

/* The first and only token that the client sends. */
static const char *first_token(scep_http_gss_t *gss,
                               const scep_http_gss_peer_t *peer,
                               scep_http_gss_exchange_t *exchange,
                               char **token, apr_pool_t *p)
{
    unsigned char binding[SCEP_HTTP_BINDING_MAX];
    struct gss_channel_bindings_struct bindings = { 0 };
    gss_buffer_desc made = GSS_C_EMPTY_BUFFER;
    OM_uint32 major, minor = 0, ignored;
    OM_uint32 flags = GSS_C_MUTUAL_FLAG;

    if (peer->leaf) {
        bindings.application_data.value = binding;
        bindings.application_data.length =
            scep_http_binding_make(peer->leaf, binding);
        if (!bindings.application_data.length)
            return "nothing can be bound to the server's certificate";
        flags |= GSS_C_CHANNEL_BOUND_FLAG;
    }
    major = gss_init_sec_context(&minor, gss->cred, &exchange->context,
                                 exchange->target, &spnego, flags, 0,
                                 peer->leaf ? &bindings
                                            : GSS_C_NO_CHANNEL_BINDINGS,
                                 GSS_C_NO_BUFFER, NULL, &made, NULL, NULL);
    if (GSS_ERROR(major)) {
        return apr_psprintf(p, "no ticket of %s for HTTP/%s: %s",
                            gss->keytab.principal, peer->host,
                            status_text(major, minor, p));
    }
    exchange->complete = major == GSS_S_COMPLETE;
    if (made.length && made.length <= TOKEN_MAX)
        *token = encoded(&made, p);
    gss_release_buffer(&ignored, &made);
    return *token ? NULL : "the ticket makes no token of a fit length";
}

static const char *begin(scep_http_gss_t *gss,
                         const scep_http_gss_peer_t *peer,
                         scep_http_gss_exchange_t *exchange, char **token,
                         apr_pool_t *p)
{
    apr_time_t began = apr_time_now();
    const char *err;

    if (gss->owner != getpid()) {
        gss_cleanup(gss);
        gss->owner = getpid();
    }
    if (began < gss->silent_until)
        return apr_pstrdup(p, gss->silence);
    err = renew(gss, p);
    exchange->cache = gss->current;
    if (!err)
        err = first_token(gss, peer, exchange, token, p);
    if (err && apr_time_now() - began >= SLOW) {
        apr_cpystrn(gss->silence, err, sizeof(gss->silence));
        gss->silent_until = apr_time_now() + SILENCE;
    }
    return err;
}

static const char *name_target(scep_http_gss_exchange_t *exchange,
                               const char *host, apr_pool_t *p)
{
    const char *service = apr_pstrcat(p, "HTTP@", host, NULL);
    gss_buffer_desc text = { strlen(service), (void *)service };
    OM_uint32 minor = 0;
    OM_uint32 major =
        gss_import_name(&minor, &text, (gss_OID)GSS_C_NT_HOSTBASED_SERVICE,
                        &exchange->target);

    return GSS_ERROR(major) ? status_text(major, minor, p) : NULL;
}

const char *scep_http_gss_begin(scep_http_gss_t *gss,
                                const scep_http_gss_peer_t *peer,
                                scep_http_gss_exchange_t **exchangep,
                                char **token, apr_pool_t *p)
{
    scep_http_gss_exchange_t *exchange = apr_pcalloc(p, sizeof(*exchange));
    apr_interval_time_t patience = peer->deadline - apr_time_now();
    const char *err;

    apr_pool_cleanup_register(p, exchange, exchange_cleanup,
                              apr_pool_cleanup_null);
    *token = NULL;
    err = name_target(exchange, peer->host, p);
    if (err)
        return err;
    /* Another thread may be waiting for the KDC. */
    if (apr_thread_mutex_timedlock(gss->mutex, patience > 0 ? patience : 0))
        return "no ticket in time";
    err = begin(gss, peer, exchange, token, p);
    apr_thread_mutex_unlock(gss->mutex);
    if (!err && apr_time_now() >= peer->deadline)
        err = "no ticket in time";
    *exchangep = exchange;
    return err;
}

const char *scep_http_gss_end(scep_http_gss_exchange_t *exchange,
                              const char *token, apr_pool_t *p)
{
    gss_buffer_desc given = GSS_C_EMPTY_BUFFER, made = GSS_C_EMPTY_BUFFER;
    OM_uint32 major, minor = 0, ignored, flags = 0;

    if (exchange->complete || !exchange->context)
        return "it was not asked for a token";
    if (strlen(token) > TOKEN_MAX)
        return "its token is too long";
    given.value = apr_palloc(p, apr_base64_decode_len(token));
    given.length = apr_base64_decode_binary(given.value, token);
    major =
        gss_init_sec_context(&minor, GSS_C_NO_CREDENTIAL, &exchange->context,
                             exchange->target, &spnego, GSS_C_MUTUAL_FLAG, 0,
                             GSS_C_NO_CHANNEL_BINDINGS, &given, NULL, &made,
                             &flags, NULL);
    gss_release_buffer(&ignored, &made);
    if (GSS_ERROR(major))
        return status_text(major, minor, p);
    if (major != GSS_S_COMPLETE)
        return "it wants more than a ticket";
    exchange->complete = 1;
    return flags & GSS_C_MUTUAL_FLAG ? NULL : "it did not prove its name";
}

int scep_http_gss_refresh(scep_http_gss_t *gss,
                          const scep_http_gss_exchange_t *refused)
{
    apr_time_t now = apr_time_now();
    int fresh;

    apr_thread_mutex_lock(gss->mutex);
    fresh = !gss->cred || refused->cache != gss->current;
    if (!fresh && now - gss->refreshed_at >= REFRESH_AGAIN) {
        gss->refreshed_at = now;
        gss_cleanup(gss);
        fresh = 1;
    }
    apr_thread_mutex_unlock(gss->mutex);
    return fresh;
}
