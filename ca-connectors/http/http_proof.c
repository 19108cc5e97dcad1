/* http_proof.c - the Authorization field of Kerberos in one call
 * SPDX-License-Identifier: Apache-2.0
 */
#include "http_proof.h"

#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>
#include <openssl/crypto.h>
#include <openssl/ssl.h>

#define FIELD "Authorization: Negotiate "
#define SCHEME "Negotiate"

static const char *host_of(const char *url, apr_pool_t *p)
{
    CURLU *parts = curl_url();
    char *host = NULL;
    const char *copy = NULL;

    if (parts && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK)
        copy = apr_pstrdup(p, host);
    curl_free(host);
    curl_url_cleanup(parts);
    return copy;
}

static apr_status_t field_cleanup(void *proofv)
{
    scep_http_proof_t *proof = proofv;

    if (proof->field.data)
        OPENSSL_cleanse(proof->field.data, strlen(proof->field.data));
    return APR_SUCCESS;
}

int scep_http_proof_init(scep_http_proof_t *proof,
                         const scep_http_client_t *client,
                         const scep_http_request_t *request,
                         struct curl_slist *fields, apr_pool_t *p)
{
    memset(proof, 0, sizeof(*proof));
    proof->gss = client->gss;
    proof->peer.host = host_of(request->url, p);
    proof->peer.deadline = apr_time_now() + client->settings.timeout;
    proof->tls = !strncasecmp(request->url, "https:", 6);
    proof->field.data = apr_pstrdup(p, "Authorization:");
    proof->field.next = fields;
    return proof->peer.host != NULL;
}

static X509 *leaf_of(CURL *curl)
{
    struct curl_tlssessioninfo *tls = NULL;

    if (curl_easy_getinfo(curl, CURLINFO_TLS_SSL_PTR, &tls) != CURLE_OK ||
        !tls || tls->backend != CURLSSLBACKEND_OPENSSL || !tls->internals)
        return NULL;
    return SSL_get1_peer_certificate(tls->internals);
}

int scep_http_proof_offer(scep_http_proof_t *proof, CURL *curl, apr_pool_t *p)
{
    X509 *leaf = proof->tls ? leaf_of(curl) : NULL;
    char *token = NULL;

    if (proof->tls && !leaf) {
        proof->error = "libcurl does not show the server's certificate";
        return 0;
    }
    proof->peer.leaf = leaf;
    proof->error = scep_http_gss_begin(proof->gss, &proof->peer,
                                       &proof->exchange, &token, p);
    proof->peer.leaf = NULL;
    X509_free(leaf);
    if (proof->error)
        return 0;
    field_cleanup(proof);
    proof->field.data = apr_pstrcat(p, FIELD, token, NULL);
    OPENSSL_cleanse(token, strlen(token));
    return 1;
}

const char *scep_http_proof_token(const char *rest, apr_pool_t *p)
{
    size_t len;

    while (rest && *rest) {
        while (*rest == ',' || apr_isspace(*rest))
            rest++;
        if (!strncasecmp(rest, SCHEME " ", strlen(SCHEME " "))) {
            rest += strlen(SCHEME " ");
            rest += strspn(rest, " ");
            len = strcspn(rest, ", \t");
            return len ? apr_pstrndup(p, rest, len) : NULL;
        }
        while (*rest && *rest != ',') {
            if (*rest == '"') {
                const char *end = strchr(rest + 1, '"');
                rest = end ? end : rest + strlen(rest) - 1;
            }
            rest++;
        }
    }
    return NULL;
}

const char *scep_http_proof_check(scep_http_proof_t *proof,
                                  const scep_http_response_t *response,
                                  apr_pool_t *p)
{
    const char *token = scep_http_proof_token(
        apr_table_get(response->headers, "WWW-Authenticate"), p);
    const char *err =
        token ? scep_http_gss_end(proof->exchange, token, p) : NULL;

    if (response->status == 401)
        return apr_psprintf(
            p, "the server refused the ticket of %s for HTTP/%s%s%s",
            scep_http_gss_principal(proof->gss), proof->peer.host,
            err ? ": " : "", err ? err : "");
    return err ? apr_psprintf(p, "the server's proof is not good: %s", err)
               : NULL;
}
