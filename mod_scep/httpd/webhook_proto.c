/* webhook_proto.c - what is said to a webhook and what it answers
 * SPDX-License-Identifier: Apache-2.0
 */
#include "webhook_proto.h"

#include <string.h>

#include <apr_strings.h>
#include <jansson.h>
#include <openssl/err.h>
#include <openssl/hmac.h>

#include "core/name.h"
#include "webhook_names.h"

/* Most octets of what a webhook says that goes into the log. */
#define CODE_MAX 64
#define MESSAGE_MAX 160

static apr_status_t key_cleanup(void *keyv)
{
    scep_webhook_key_t *key = keyv;

    OPENSSL_cleanse(key->octets, key->len);
    return APR_SUCCESS;
}

const char *scep_webhook_key(scep_webhook_key_t *key, const char *base64,
                             apr_pool_t *p)
{
    size_t text = strlen(base64);
    size_t digits = strspn(base64, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   "abcdefghijklmnopqrstuvwxyz0123456789+/");
    size_t padding = strspn(base64 + digits, "=");
    scep_webhook_key_t *kept = apr_palloc(p, sizeof(*kept));

    if (text > 65536)
        return "it is too long";
    if (digits + padding != text || text % 4 || padding > 2)
        return "it is no base64";
    kept->octets = apr_palloc(p, text + 1);
    kept->len = text / 4 * 3 - padding;
    if (kept->len < SCEP_WEBHOOK_KEY_MIN)
        return "it has fewer than 16 octets";
    apr_pool_cleanup_register(p, kept, key_cleanup, apr_pool_cleanup_null);
    /* The padding is decoded to zeros. */
    if (EVP_DecodeBlock(kept->octets, (const unsigned char *)base64,
                        (int)text) < 0) {
        ERR_clear_error();
        return "it is no base64";
    }
    *key = *kept;
    return NULL;
}

apr_status_t scep_webhook_sign(const scep_webhook_key_t *key, const char *body,
                               apr_size_t len, char *signature)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned int mac_len = 0;

    if (!HMAC(EVP_sha256(), key->octets, (int)key->len,
              (const unsigned char *)body, len, mac, &mac_len) ||
        2 * mac_len + 1 != SCEP_WEBHOOK_SIGNATURE_SIZE) {
        ERR_clear_error();
        return APR_EGENERAL;
    }
    for (unsigned int i = 0; i < mac_len; i++)
        apr_snprintf(signature + 2 * i, 3, "%02x", mac[i]);
    return APR_SUCCESS;
}

static const char *time_text(apr_time_t time, apr_pool_t *p)
{
    apr_time_exp_t t;

    apr_time_exp_gmt(&t, time);
    return apr_psprintf(p, "%04d-%02d-%02dT%02d:%02d:%02dZ", t.tm_year + 1900,
                        t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min,
                        t.tm_sec);
}

/* Frees a document, first overwriting what of it holds the challenge. */
static void forget(json_t *root)
{
    json_t *secrets[] = {
        json_object_get(root, "scepChallenge"),
        json_object_get(json_object_get(root, "x509CertificateRequest"),
                        "raw"),
    };

    for (int i = 0; i < 2; i++) {
        char *text = (char *)json_string_value(secrets[i]);
        if (text)
            OPENSSL_cleanse(text, json_string_length(secrets[i]));
    }
    json_decref(root);
}

/* The text of a document in the pool; NULL where there is no memory. */
static char *text_of(const json_t *root, apr_size_t *len, apr_pool_t *p)
{
    char *text = NULL;

    *len = root ? json_dumpb(root, NULL, 0, JSON_COMPACT) : 0;
    if (*len) {
        text = apr_palloc(p, *len + 1);
        json_dumpb(root, text, *len, JSON_COMPACT);
        text[*len] = '\0';
    }
    return text;
}

const char *scep_webhook_question(char **body, apr_size_t *len,
                                  const char *profile,
                                  const scep_verify_request_t *request,
                                  apr_pool_t *p)
{
    const char *fault = "a part of it is no UTF-8";
    json_t *root = json_pack("{s:s, s:s, s:s, s:s}", "timestamp",
                             time_text(request->now, p), "provisionerName",
                             profile, "scepChallenge", request->challenge,
                             "scepTransactionID", request->transaction_id);
    json_t *csr = root ? scep_webhook_csr_json(request, &fault, p) : NULL;

    *body = NULL;
    if (csr && !json_object_set_new(root, "x509CertificateRequest", csr) &&
        !json_object_set_new(csr, "raw",
                             scep_webhook_base64(request->csr,
                                                 request->csr_len)))
        *body = text_of(root, len, p);
    forget(root);
    if (*body)
        return NULL;
    return fault ? fault : "out of memory";
}

/* Cuts a text to what the log takes, between two characters. */
static const char *bounded(const json_t *text, apr_size_t max, apr_pool_t *p)
{
    const char *value = json_string_value(text);
    apr_size_t len = value ? strlen(value) : 0;

    if (len > max) {
        len = max;
        while (len && ((unsigned char)value[len] & 0xc0) == 0x80)
            len--;
    }
    return len ? apr_pstrmemdup(p, value, len) : NULL;
}

/* Why it said no: {"code": …, "message": …}, or a text. */
static const char *refusal(const json_t *error, apr_pool_t *p)
{
    const char *code = bounded(json_object_get(error, "code"), CODE_MAX, p);
    const char *message =
        bounded(json_is_string(error) ? error
                                      : json_object_get(error, "message"),
                MESSAGE_MAX, p);

    if (!code && !message)
        return "the webhook refuses it";
    return apr_psprintf(p, "the webhook refuses it: %s%s%s", code ? code : "",
                        code && message ? ": " : "", message ? message : "");
}

void scep_webhook_answer(int status, const char *body, apr_size_t len,
                         scep_webhook_answer_t *answer, apr_pool_t *p)
{
    json_error_t error;
    json_t *root = NULL;
    const json_t *allow;

    answer->outcome = SCEP_WEBHOOK_DOWN;
    answer->reason = NULL;
    if (status == 200 && len <= SCEP_WEBHOOK_ANSWER_MAX)
        root = json_loadb(body, len, JSON_REJECT_DUPLICATES, &error);
    allow = json_object_get(root, "allow");
    if (status != 200) {
        answer->reason =
            apr_psprintf(p, "the webhook answers with HTTP %d", status);
    } else if (!root) {
        answer->reason = "the webhook's answer is no JSON";
    } else if (!json_is_boolean(allow)) {
        answer->reason = "the webhook's answer has no \"allow\" of true or "
                         "false";
    } else if (json_is_true(allow)) {
        answer->outcome = SCEP_WEBHOOK_ALLOWED;
    } else {
        answer->outcome = SCEP_WEBHOOK_DENIED;
        answer->reason = refusal(json_object_get(root, "error"), p);
    }
    json_decref(root);
}

/* What it tells of a request's own words may be no UTF-8. */
static json_t *description(const char *reason)
{
    json_t *json = json_string(reason ? reason : "");

    return json ? json : json_string("");
}

#define TRANSACTION "scepTransactionID"
#define REQUEST "x509CertificateRequest"

int scep_webhook_grant(scep_webhook_grant_t *grant,
                       const scep_verify_request_t *request, apr_pool_t *p)
{
    const char *fault;
    json_t *csr = scep_webhook_csr_json(request, &fault, p);
    json_t *root = csr ? json_pack("{s:s, s:o}", TRANSACTION,
                                   request->transaction_id, REQUEST, csr)
                       : NULL;
    apr_size_t len;

    grant->transaction_id = request->transaction_id;
    grant->text = text_of(root, &len, p);
    json_decref(root);
    return grant->text != NULL;
}

/* The document of a grant; NULL where the text is none. */
static json_t *load_grant(const char *text)
{
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

    if (json_is_string(json_object_get(root, TRANSACTION)) &&
        json_is_object(json_object_get(root, REQUEST)) &&
        json_object_size(root) == 2)
        return root;
    json_decref(root);
    return NULL;
}

int scep_webhook_thaw(scep_webhook_grant_t *grant, const char *text,
                      apr_pool_t *p)
{
    json_t *root = load_grant(text);

    if (!root)
        return 0;
    grant->transaction_id =
        apr_pstrdup(p, json_string_value(json_object_get(root, TRANSACTION)));
    grant->text = apr_pstrdup(p, text);
    json_decref(root);
    return 1;
}

const char *scep_webhook_notice(const char *profile,
                                const scep_webhook_grant_t *grant,
                                const scep_verify_end_t *end, apr_pool_t *p)
{
    json_t *root = load_grant(grant->text);
    apr_size_t len;
    char *text;
    int failed =
        !root ||
        json_object_set_new(root, "timestamp",
                            json_string(time_text(end->now, p))) ||
        json_object_set_new(root, "provisionerName", json_string(profile));

    if (!failed && end->certificate) {
        failed =
            json_object_set_new(root, "x509Certificate",
                                scep_webhook_cert_json(end->certificate, p));
    } else if (!failed) {
        failed = json_object_set_new(root, "scepErrorCode",
                                     json_integer(end->fail_info)) ||
                 json_object_set_new(root, "scepErrorDescription",
                                     description(end->reason));
    }
    text = failed ? NULL : text_of(root, &len, p);
    json_decref(root);
    return text;
}
