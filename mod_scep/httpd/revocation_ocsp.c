/* revocation_ocsp.c - an OCSP responder is asked
 * SPDX-License-Identifier: Apache-2.0
 *
 * While a device waits, so within a short time, by half of the workers at
 * most, and not again for a while where the responder did not answer.
 */
#include "revocation.h"

#include <apr_strings.h>
#include <apr_thread_mutex.h>
#include <openssl/err.h>
#include <openssl/rand.h>

#include "../../ca-connectors/http/http_client.h"
#include "core/ocsp.h"
#include "gate.h"

#define CONNECT_TIMEOUT apr_time_from_sec(2)
#define ANSWER_MAX 65536
/* How long a responder that is down is left alone, by one process. */
#define PAUSE apr_time_from_sec(5)
/* What a process remembers, and how long at the very most: a device that
 * asks again does so within minutes. */
#define KEPT 64
#define KEPT_TIME apr_time_from_sec(300)

/* GOOD or REVOKED, of a certificate, by its digest. */
typedef struct kept_t {
    unsigned char digest[32];
    apr_time_t until;
    scep_revocation_t answer;
} kept_t;

typedef struct ocsp_t {
    scep_http_client_t *client;
    scep_gate_t *gate;
    apr_thread_mutex_t *mutex; /* of the child, over what follows */
    apr_time_t down_until;
    unsigned int next; /* of kept, to be overwritten */
    kept_t kept[KEPT];
} ocsp_t;

static const char *check(scep_revocation_source_t *source, apr_pool_t *p)
{
    const scep_http_settings_t settings = {
        .connect_timeout = CONNECT_TIMEOUT < source->timeout ? CONNECT_TIMEOUT
                                                             : source->timeout,
        .timeout = source->timeout,
        .max_response = ANSWER_MAX,
        .allow_http = SCEP_HTTP_ANY /* an answer is signed */
    };
    ocsp_t *ocsp = apr_pcalloc(p, sizeof(*ocsp));

    source->data = ocsp;
    ocsp->client = scep_http_client_create(&settings, p);
    return ocsp->client ? NULL : "out of memory";
}

static apr_status_t open_gate(scep_revocation_source_t *source,
                              const char *state_dir, server_rec *s,
                              apr_pool_t *pconf)
{
    ocsp_t *ocsp = source->data;

    (void)state_dir;
    (void)s;
    return mod_scep_gate_open(&ocsp->gate, pconf);
}

static apr_status_t child_init(scep_revocation_source_t *source, apr_pool_t *p)
{
    ocsp_t *ocsp = source->data;

    return apr_thread_mutex_create(&ocsp->mutex, APR_THREAD_MUTEX_DEFAULT, p);
}

/* ------------------------------------------------------------------ */
/* What was said a short time ago                                       */

static scep_revocation_t recall(ocsp_t *ocsp, const unsigned char digest[32],
                                apr_time_t now, int *down)
{
    scep_revocation_t answer = SCEP_REVOCATION_UNCLEAR;

    apr_thread_mutex_lock(ocsp->mutex);
    for (int i = 0; i < KEPT; i++)
        if (ocsp->kept[i].until > now &&
            !memcmp(ocsp->kept[i].digest, digest, 32))
            answer = ocsp->kept[i].answer;
    *down = ocsp->down_until > now;
    apr_thread_mutex_unlock(ocsp->mutex);
    return answer;
}

static void remember(ocsp_t *ocsp, const unsigned char digest[32],
                     scep_revocation_t answer, apr_time_t until,
                     apr_time_t now)
{
    kept_t *kept;

    if (until > now + KEPT_TIME)
        until = now + KEPT_TIME;
    if (until <= now ||
        (answer != SCEP_REVOCATION_GOOD && answer != SCEP_REVOCATION_REVOKED))
        return;
    apr_thread_mutex_lock(ocsp->mutex);
    kept = &ocsp->kept[ocsp->next++ % KEPT];
    memcpy(kept->digest, digest, 32);
    kept->until = until;
    kept->answer = answer;
    apr_thread_mutex_unlock(ocsp->mutex);
}

static void note_down(ocsp_t *ocsp)
{
    apr_thread_mutex_lock(ocsp->mutex);
    ocsp->down_until = apr_time_now() + PAUSE;
    apr_thread_mutex_unlock(ocsp->mutex);
}

/* ------------------------------------------------------------------ */
/* The question                                                         */

/* @return NULL, or why there is no answer */
static const char *post(ocsp_t *ocsp, const char *url,
                        const unsigned char *der, apr_size_t len,
                        scep_http_response_t *response, apr_pool_t *p)
{
    apr_table_t *headers = apr_table_make(p, 2);
    const scep_http_request_t request = {
        .url = url, .headers = headers, .body = der, .body_len = len
    };
    const char *fault = NULL;

    apr_table_setn(headers, "Content-Type", SCEP_OCSP_REQUEST_TYPE);
    apr_table_setn(headers, "Accept", "application/ocsp-response");
    if (scep_http_client_call(ocsp->client, &request, response, p) !=
        APR_SUCCESS)
        fault = response->error ? response->error : "no answer";
    else if (response->status != 200)
        fault = apr_psprintf(p, "HTTP %d", response->status);
    if (fault) {
        note_down(ocsp);
        return apr_psprintf(p, "the OCSP responder does not answer: %s",
                            fault);
    }
    return NULL;
}

static scep_revocation_t put(scep_revocation_source_t *source, const char *url,
                             X509 *cert, apr_time_t now, apr_time_t *until,
                             const char **reason, apr_pool_t *p)
{
    unsigned char nonce[SCEP_OCSP_NONCE_LEN];
    scep_http_response_t response = { 0 };
    const unsigned char *der;
    apr_size_t len;
    scep_ocsp_t *question;

    if (RAND_bytes(nonce, sizeof(nonce)) != 1 ||
        scep_ocsp_ask(&question, cert, source->issuer, nonce, &der, &len, p) !=
            APR_SUCCESS) {
        ERR_clear_error();
        *reason = "the OCSP request cannot be made";
        return SCEP_REVOCATION_UNCLEAR;
    }
    if ((*reason = post(source->data, url, der, len, &response, p)))
        return SCEP_REVOCATION_UNCLEAR;
    return scep_ocsp_answer(question, (const unsigned char *)response.body,
                            response.body_len, source->issuer, now, until,
                            reason, p);
}

static scep_revocation_t ask(scep_revocation_source_t *source, X509 *cert,
                             apr_time_t now, const char **reason,
                             apr_pool_t *p)
{
    ocsp_t *ocsp = source->data;
    const char *url = source->where ? source->where : scep_ocsp_url(cert, p);
    unsigned char digest[EVP_MAX_MD_SIZE];
    scep_revocation_t answer = SCEP_REVOCATION_UNCLEAR;
    apr_time_t until = 0;
    scep_gate_place_t place;
    int down;

    *reason = "the certificate names no OCSP responder";
    if (!url || X509_digest(cert, EVP_sha256(), digest, NULL) != 1 ||
        scep_http_check_url(url, SCEP_HTTP_ANY, p))
        return answer;
    answer = recall(ocsp, digest, now, &down);
    *reason = "the certificate is revoked";
    if (answer != SCEP_REVOCATION_UNCLEAR)
        return answer;
    *reason = "the OCSP responder did not answer just now";
    if (down)
        return answer;
    *reason = "too many requests wait for OCSP responders";
    if (!mod_scep_gate_enter(ocsp->gate, apr_time_now(), 2 * source->timeout,
                             &place))
        return answer;
    answer = put(source, url, cert, now, &until, reason, p);
    scep_gate_leave(ocsp->gate, &place);
    remember(ocsp, digest, answer, until, now);
    return answer;
}

const scep_revocation_kind_t mod_scep_revocation_ocsp = {
    .check = check, .open = open_gate, .child_init = child_init, .ask = ask
};
