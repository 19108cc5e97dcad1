/* revocation_fetch.c - CRLs that are fetched: from a URL, from the CA
 * SPDX-License-Identifier: Apache-2.0
 *
 * The watchdog fetches and puts the CRL on disk, for all processes and for
 * after a restart.  What is fetched takes the old one's place only if it is
 * good now and not older.
 */
#include "revocation_crl.h"

#include <apr_escape.h>
#include <apr_strings.h>
#include <http_core.h>
#include <openssl/err.h>
#include <unixd.h>

#include "../../ca-connectors/http/http_client.h"
#include "../../ca-connectors/state/state_dir.h"
#include "core/cert.h"

#define DIRECTORY "revocation"
#define CONNECT_TIMEOUT apr_time_from_sec(5)
#define FETCH_TIMEOUT apr_time_from_sec(30)

/* Fetched anew after half of what is left of its life. */
#define FRESH_LEAST apr_time_from_sec(5)
#define FRESH_MOST apr_time_from_sec(3600)
/* After a failure: doubled from the one to the other. */
#define RETRY_FIRST apr_time_from_sec(5)
#define RETRY_MOST apr_time_from_sec(300)

/* How far it has come with failing, as the log knows. */
typedef enum { WORKS = 0, KEPT_SERVES, NOTHING_SERVES } trouble_t;

typedef struct fetched_t {
    scep_crl_cache_t cache;
    const char *name; /* of the file */
    int dir;
    scep_http_client_t *client; /* of a URL */
    /* of maintain, which one thread at a time runs */
    apr_time_t due;
    apr_interval_time_t retry;
    trouble_t trouble;
} fetched_t;

/* Two CAs may be configured with one URL. */
static const char *file_name(const scep_revocation_source_t *source,
                             apr_pool_t *p)
{
    const char *text =
        apr_pstrcat(p, source->ca->name, "\n", source->word, NULL);
    unsigned char digest[EVP_MAX_MD_SIZE];

    if (!EVP_Digest(text, strlen(text), digest, NULL, EVP_sha256(), NULL)) {
        ERR_clear_error();
        return NULL;
    }
    return apr_pstrcat(p, "crl-", apr_pescape_hex(p, digest, 16, 0), NULL);
}

static const char *check(scep_revocation_source_t *source, apr_pool_t *p)
{
    static const scep_http_settings_t settings = {
        .connect_timeout = CONNECT_TIMEOUT,
        .timeout = FETCH_TIMEOUT,
        .max_response = SCEP_CRL_MAX,
        .allow_http = SCEP_HTTP_ANY /* a CRL is signed */
    };
    fetched_t *fetched = apr_pcalloc(p, sizeof(*fetched));

    fetched->cache.issuer = source->issuer;
    fetched->name = file_name(source, p);
    if (source->where)
        fetched->client = scep_http_client_create(&settings, p);
    else if (!source->ca->provider->crl)
        return apr_psprintf(p, "the connector %s has no CRL",
                            source->ca->connector);
    source->data = fetched;
    return fetched->name && (fetched->client || !source->where)
               ? NULL
               : "out of memory";
}

static apr_status_t open_directory(scep_revocation_source_t *source,
                                   const char *state_dir, server_rec *s,
                                   apr_pool_t *pconf)
{
    fetched_t *fetched = source->data;
    const char *what;
    apr_status_t rv =
        scep_state_dir_open(&fetched->dir, state_dir, DIRECTORY,
                            ap_unixd_config.user_id, ap_unixd_config.group_id,
                            &what, pconf);

    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, rv, s,
                     SCEPLOGNO(0580) "fetched CRLs: cannot %s %s/" DIRECTORY,
                     what, state_dir);
    }
    return rv;
}

static apr_status_t child_init(scep_revocation_source_t *source, apr_pool_t *p)
{
    fetched_t *fetched = source->data;

    return mod_scep_crl_cache_init(&fetched->cache, p);
}

static const char *load(scep_revocation_source_t *source, X509_CRL **crl,
                        apr_pool_t *p)
{
    fetched_t *fetched = source->data;

    return mod_scep_crl_load(&fetched->cache, fetched->dir, fetched->name, crl,
                             p);
}

/* ------------------------------------------------------------------ */
/* Fetching                                                             */

/* @return NULL, or why it did not come */
static const char *fetch_url(scep_revocation_source_t *source,
                             const char **data, apr_size_t *len, apr_pool_t *p)
{
    const fetched_t *fetched = source->data;
    const scep_http_request_t request = { .url = source->where };
    scep_http_response_t response = { 0 };

    if (scep_http_client_call(fetched->client, &request, &response, p) !=
        APR_SUCCESS)
        return response.error ? response.error : "no answer";
    if (response.status != 200)
        return apr_psprintf(p, "HTTP %d", response.status);
    *data = response.body;
    *len = response.body_len;
    return NULL;
}

static const char *fetch_from_ca(scep_revocation_source_t *source,
                                 const char **data, apr_size_t *len,
                                 apr_pool_t *p)
{
    X509_CRL *crl = NULL;
    unsigned char *der = NULL;
    apr_status_t rv = source->ca->provider->crl(source->ca->data, &crl, p);
    int size;
    char text[120];

    if (rv != APR_SUCCESS) {
        return apr_psprintf(p, "the CA does not give it: %s",
                            apr_strerror(rv, text, sizeof(text)));
    }
    if (!crl)
        return "the CA has made none yet";
    size = i2d_X509_CRL(crl, &der);
    if (size < 0) {
        ERR_clear_error();
        return "it cannot be encoded";
    }
    *data = apr_pmemdup(p, der, (apr_size_t)size);
    *len = (apr_size_t)size;
    OPENSSL_free(der);
    return NULL;
}

/* Somebody on the way may show a former CRL, which is signed as well. */
static int is_older(const X509_CRL *crl, const X509_CRL *kept)
{
    return kept && scep_cert_time(X509_CRL_get0_lastUpdate(crl)) <
                       scep_cert_time(X509_CRL_get0_lastUpdate(kept));
}

/* @param crl  set to the one that came, to be freed */
static const char *fetch(scep_revocation_source_t *source, X509_CRL *kept,
                         X509_CRL **crl, apr_time_t now, apr_pool_t *p)
{
    const fetched_t *fetched = source->data;
    const char *data = NULL, *fault;
    apr_size_t len = 0;

    fault = source->where ? fetch_url(source, &data, &len, p)
                          : fetch_from_ca(source, &data, &len, p);
    if (fault)
        return fault;
    if (!(*crl = mod_scep_crl_parse(data, len)))
        return "what came is no CRL";
    if ((fault = scep_revocation_check_crl(*crl, source->issuer)) ||
        (fault = scep_revocation_check_time(*crl, now)))
        return fault;
    if (is_older(*crl, kept))
        return "the CRL is older than the one before";
    if (scep_state_dir_write(fetched->dir, fetched->name, data, len, p) !=
        APR_SUCCESS)
        return "it cannot be written to ScepStateDir";
    return NULL;
}

static apr_time_t next_fetch(const X509_CRL *crl, apr_time_t fetched)
{
    apr_interval_time_t wait =
        (scep_cert_time(X509_CRL_get0_nextUpdate(crl)) - fetched) / 2;

    return fetched + (wait < FRESH_LEAST  ? FRESH_LEAST
                      : wait > FRESH_MOST ? FRESH_MOST
                                          : wait);
}

/* Once each time that it gets worse. */
static void note_failure(scep_revocation_source_t *source, const char *fault,
                         int serves, server_rec *s, apr_time_t now,
                         apr_pool_t *p)
{
    fetched_t *fetched = source->data;
    trouble_t trouble = serves ? KEPT_SERVES : NOTHING_SERVES;

    fetched->retry = fetched->retry ? 2 * fetched->retry : RETRY_FIRST;
    if (fetched->retry > RETRY_MOST)
        fetched->retry = RETRY_MOST;
    fetched->due = now + fetched->retry;
    if (trouble == fetched->trouble)
        return;
    if (serves) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     SCEPLOGNO(0581) "CA %s, %s: no new CRL, the one before "
                                     "serves until its nextUpdate: %s",
                     source->ca->name, source->word,
                     ap_escape_logitem(p, fault));
    } else {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, s,
                     SCEPLOGNO(0582) "CA %s, %s: there is no CRL to go by, "
                                     "so that renewals have to wait: %s",
                     source->ca->name, source->word,
                     ap_escape_logitem(p, fault));
    }
    fetched->trouble = trouble;
}

static void note_success(scep_revocation_source_t *source, apr_time_t due,
                         server_rec *s)
{
    fetched_t *fetched = source->data;

    fetched->due = due;
    fetched->retry = 0;
    if (fetched->trouble != WORKS) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s,
                     SCEPLOGNO(0583) "CA %s, %s: the CRL is fetched again",
                     source->ca->name, source->word);
    }
    fetched->trouble = WORKS;
}

static void maintain(scep_revocation_source_t *source, server_rec *s,
                     apr_time_t now, apr_pool_t *p)
{
    fetched_t *fetched = source->data;
    X509_CRL *kept = NULL, *crl = NULL;
    const char *fault;
    apr_time_t due;

    if (now < fetched->due)
        return;
    /* Another profile, or the process that did this before, may have
     * fetched it just now. */
    if (!mod_scep_crl_load(&fetched->cache, fetched->dir, fetched->name, &kept,
                           p) &&
        !scep_revocation_check_time(kept, now)) {
        due =
            next_fetch(kept,
                       apr_time_from_sec(fetched->cache.file.st_mtim.tv_sec));
        if (now < due) {
            note_success(source, due, s);
            goto leave;
        }
    }
    fault = fetch(source, kept, &crl, now, p);
    if (fault) {
        note_failure(source, fault,
                     kept && !scep_revocation_check_time(kept, now), s, now,
                     p);
    } else {
        note_success(source, next_fetch(crl, now), s);
    }
leave:
    X509_CRL_free(crl);
    X509_CRL_free(kept);
}

/* ------------------------------------------------------------------ */
/* The source "ca" where the CA is in this process: it is asked itself    */

static const char *load_from_ca(scep_revocation_source_t *source,
                                X509_CRL **crl, apr_pool_t *p)
{
    fetched_t *fetched = source->data;
    X509_CRL *made = NULL;
    const char *fault;

    if (!source->ca->provider->signs_here)
        return load(source, crl, p);
    if (source->ca->provider->crl(source->ca->data, &made, p) != APR_SUCCESS ||
        !made)
        return "the CA gives no CRL";
    fault = mod_scep_crl_verify(&fetched->cache, made);
    if (fault || !X509_CRL_up_ref(made))
        return fault ? fault : "the CRL cannot be kept";
    *crl = made;
    return NULL;
}

static void maintain_ca(scep_revocation_source_t *source, server_rec *s,
                        apr_time_t now, apr_pool_t *p)
{
    if (!source->ca->provider->signs_here)
        maintain(source, s, now, p);
}

const scep_revocation_kind_t mod_scep_revocation_url = {
    .check = check,
    .open = open_directory,
    .child_init = child_init,
    .ask = mod_scep_crl_ask,
    .crl = load,
    .maintain = maintain
};

const scep_revocation_kind_t mod_scep_revocation_ca = {
    .check = check,
    .open = open_directory,
    .child_init = child_init,
    .ask = mod_scep_crl_ask,
    .crl = load_from_ca,
    .maintain = maintain_ca
};
