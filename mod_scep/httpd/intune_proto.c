/* intune_proto.c - the texts that Intune's SCEP validation is spoken in
 * SPDX-License-Identifier: Apache-2.0
 */
#include "intune_proto.h"

#include <apr_encode.h>
#include <apr_escape.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>

/* The application that Intune itself is in every tenant. */
#define INTUNE_APP "0000000a-0000-0000-c000-000000000000"
#define SERVICE "ScepRequestValidationFEService"

/* Longest word of an answer that is shown: a challenge is longer. */
#define WORD_MAX 48
/* A token that is said to live longer is not believed. */
#define LIFETIME_MAX 86400

/* ------------------------------------------------------------------ */
/* Text                                                                 */

/* Printable ASCII, cut: what JSON and a log can always hold. */
static const char *plain(const char *text, apr_size_t most, apr_pool_t *p)
{
    char *copy = apr_pstrndup(p, text, most);

    for (char *c = copy; *c; c++)
        if ((unsigned char)*c < ' ' || (unsigned char)*c > '~')
            *c = '?';
    return copy;
}

/* The same, if no word of it is so long that it may be a secret. */
static const char *harmless(const char *text, apr_pool_t *p)
{
    const char *shown = plain(text, SCEP_INTUNE_DESCRIPTION_MAX, p);
    const char *word = shown;

    while (*word) {
        size_t len = strcspn(word, " ");

        if (len > WORD_MAX)
            return "";
        word += len + strspn(word + len, " ");
    }
    return shown;
}

/* Without the slashes at its end. */
static const char *trimmed(const char *url, apr_pool_t *p)
{
    apr_size_t len = strlen(url);

    while (len > 0 && url[len - 1] == '/')
        len--;
    return apr_pstrmemdup(p, url, len);
}

static const char *base64(const unsigned char *data, apr_size_t len,
                          apr_pool_t *p)
{
    char *text = apr_palloc(p, 4 * ((len + 2) / 3) + 1);

    EVP_EncodeBlock((unsigned char *)text, data, (int)len);
    return text;
}

static const char *hex(const unsigned char *data, apr_size_t len,
                       apr_pool_t *p)
{
    char *text = apr_palloc(p, 2 * len + 1);

    text[0] = '\0';
    for (apr_size_t i = 0; i < len; i++)
        apr_snprintf(text + 2 * i, 3, "%02X", data[i]);
    return text;
}

/* Text of a JSON value, whose reference it takes. */
static const char *dump(json_t *json, apr_pool_t *p)
{
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    const char *copy = text ? apr_pstrdup(p, text) : NULL;

    free(text);
    json_decref(json);
    return copy;
}

static json_t *load(const char *text, apr_size_t len)
{
    json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);

    if (json_is_object(json))
        return json;
    json_decref(json);
    return NULL;
}

/* ------------------------------------------------------------------ */
/* Token                                                                */

const char *mod_scep_intune_token_url(const char *login, const char *tenant,
                                      apr_pool_t *p)
{
    return apr_pstrcat(p, trimmed(login, p), "/", tenant, "/oauth2/v2.0/token",
                       NULL);
}

char *mod_scep_intune_token_form(const char *client, const char *secret,
                                 const char *scope, apr_pool_t *p)
{
    const char *escaped = apr_pescape_urlencoded(p, secret);
    char *form =
        apr_pstrcat(p, "grant_type=client_credentials&client_id=",
                    apr_pescape_urlencoded(p, client),
                    "&client_secret=", escaped,
                    "&scope=", apr_pescape_urlencoded(p, scope), NULL);

    /* where nothing had to be escaped it is no copy */
    if (escaped != secret)
        OPENSSL_cleanse((char *)escaped, strlen(escaped));
    return form;
}

const char *mod_scep_intune_graph_scope(const char *graph, apr_pool_t *p)
{
    return apr_pstrcat(p, trimmed(graph, p), "/.default", NULL);
}

/* A token goes into a header: RFC 6750 section 2.1 says what it is of. */
static int is_token(const char *text)
{
    size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyz"
                              "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~+/");

    len += strspn(text + len, "=");
    return len > 0 && text[len] == '\0';
}

const char *mod_scep_intune_read_token(const char *text, apr_size_t len,
                                       scep_intune_token_t *token,
                                       apr_pool_t *p)
{
    json_t *json = load(text, len);
    const char *word =
        json_string_value(json_object_get(json, "access_token"));
    const json_t *life = json_object_get(json, "expires_in");
    json_int_t seconds = json_is_integer(life) ? json_integer_value(life)
                         : json_is_string(life)
                             ? apr_atoi64(json_string_value(life))
                             : 0;
    const char *fault = !json ? "the token's answer is no JSON object"
                        : !word || !is_token(word)
                            ? "the token's answer has no access_token"
                        : seconds < 1 ? "the token's answer has no expires_in"
                                      : NULL;

    if (!fault) {
        token->text = apr_pstrdup(p, word);
        token->lifetime =
            apr_time_from_sec(seconds < LIFETIME_MAX ? seconds : LIFETIME_MAX);
    }
    if (word)
        OPENSSL_cleanse((char *)word, strlen(word));
    json_decref(json);
    return fault;
}

/* ------------------------------------------------------------------ */
/* Where the service is                                                 */

const char *mod_scep_intune_services_url(const char *graph, apr_pool_t *p)
{
    return apr_pstrcat(p, trimmed(graph, p),
                       "/v1.0/servicePrincipals/appId=" INTUNE_APP
                       "/endpoints",
                       NULL);
}

const char *mod_scep_intune_read_services(const char *text, apr_size_t len,
                                          const char **location, apr_pool_t *p)
{
    json_t *json = load(text, len);
    const json_t *list = json_object_get(json, "value");
    const char *fault = json_is_array(list)
                            ? "Graph's list has no " SERVICE
                            : "Graph's answer is no list of services";
    size_t i;
    const json_t *entry;

    json_array_foreach(list, i, entry)
    {
        const char *name =
            json_string_value(json_object_get(entry, "providerName"));
        const char *uri = json_string_value(json_object_get(entry, "uri"));

        if (!name)
            name = json_string_value(json_object_get(entry, "serviceName"));
        if (name && uri && !strcasecmp(name, SERVICE)) {
            *location = trimmed(uri, p);
            fault = NULL;
            break;
        }
    }
    json_decref(json);
    return fault;
}

const char *mod_scep_intune_action_url(const char *location,
                                       const char *action, apr_pool_t *p)
{
    return apr_pstrcat(p, trimmed(location, p), "/ScepActions/", action, NULL);
}

/* ------------------------------------------------------------------ */
/* Actions                                                              */

/* What all three have; the caller adds to it. */
static json_t *about(const scep_intune_request_t *request, apr_pool_t *p)
{
    return json_pack("{s:s,s:s,s:s}", "transactionId",
                     plain(request->transaction_id, 255, p),
                     "certificateRequest",
                     base64(request->csr, request->csr_len, p), "callerInfo",
                     request->caller);
}

const char *mod_scep_intune_validate(const scep_intune_request_t *request,
                                     apr_pool_t *p)
{
    return dump(json_pack("{s:o}", "request", about(request, p)), p);
}

static const char *thumbprint(const X509 *certificate, apr_pool_t *p)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int len;
    int good = X509_digest(certificate, EVP_sha1(), digest, &len);

    ERR_clear_error();
    return good ? hex(digest, len, p) : NULL;
}

/* ISO 8601 with milliseconds, as the vendor's documentation asks for. */
static const char *expiry(const X509 *certificate, apr_pool_t *p)
{
    struct tm tm;
    int good = ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &tm);

    ERR_clear_error();
    return good ? apr_psprintf(p, "%04d-%02d-%02dT%02d:%02d:%02d.000Z",
                               tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
                               tm.tm_hour, tm.tm_min, tm.tm_sec)
                : NULL;
}

static const char *issuer(const X509 *certificate, apr_pool_t *p)
{
    BIO *bio = BIO_new(BIO_s_mem());
    const char *text = NULL;
    char *data;
    long len;

    if (bio && X509_NAME_print_ex(bio, X509_get_issuer_name(certificate), 0,
                                  XN_FLAG_RFC2253) >= 0) {
        len = BIO_get_mem_data(bio, &data);
        text = apr_pstrmemdup(p, data, len > 0 ? (apr_size_t)len : 0);
    }
    BIO_free(bio);
    ERR_clear_error();
    return text ? plain(text, 1024, p) : NULL;
}

const char *mod_scep_intune_success(const scep_intune_request_t *request,
                                    const X509 *certificate, const char *ca,
                                    apr_pool_t *p)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(certificate);
    const char *print = thumbprint(certificate, p);
    const char *until = expiry(certificate, p);
    const char *by = issuer(certificate, p);
    json_t *body;

    if (!print || !until || !by)
        return NULL;
    body = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s}", "certificateThumbprint",
                     print, "certificateSerialNumber",
                     hex(ASN1_STRING_get0_data(serial),
                         (apr_size_t)ASN1_STRING_length(serial), p),
                     "certificateExpirationDateUtc", until,
                     "issuingCertificateAuthority", by, "caConfiguration", ca,
                     "certificateAuthority", ca);
    if (body && json_object_update_new(body, about(request, p)) != 0) {
        json_decref(body);
        return NULL;
    }
    return dump(json_pack("{s:o}", "notification", body), p);
}

/*
 * An HRESULT of our own ([MS-ERREF] section 2.1: severity and customer bit)
 * with the failInfo as its code; the manual lists them.  Signed, so that it
 * fits into 32 bits however the service reads it.
 */
static json_int_t hresult(scep_fail_info_t fail_info)
{
    return (json_int_t)0xa0000000 - ((json_int_t)1 << 32) +
           (json_int_t)fail_info;
}

const char *mod_scep_intune_failure(const scep_intune_request_t *request,
                                    scep_fail_info_t fail_info,
                                    const char *reason, apr_pool_t *p)
{
    json_t *body = json_pack("{s:I,s:s}", "hResult", hresult(fail_info),
                             "errorDescription",
                             plain(reason && *reason ? reason : "failed",
                                   SCEP_INTUNE_DESCRIPTION_MAX, p));

    if (body && json_object_update_new(body, about(request, p)) != 0) {
        json_decref(body);
        return NULL;
    }
    return dump(json_pack("{s:o}", "notification", body), p);
}

/* Every code that the vendor's clients know beside Success. */
static int is_known(const char *code)
{
    static const char *const known[] = {
        "Unknown",
        "CertificateRequestDecodingFailed",
        "ChallengePasswordMissing",
        "ChallengeDeserializationError",
        "ChallengeDecryptionError",
        "ChallengeDecodingError",
        "ChallengeInvalidTimestamp",
        "ChallengeExpired",
        "SubjectNameMissing",
        "SubjectNameMismatch",
        "SubjectAltNameMissing",
        "SubjectAltNameMismatch",
        "KeyUsageMismatch",
        "KeyLengthMismatch",
        "EnhancedKeyUsageMissing",
        "EnhancedKeyUsageMismatch",
        "AadKeyIdentifierListMissing",
        "RegisteredKeyMismatch",
        "SigningCertThumbprintMismatch",
        "ScepProfileNoLongerTargetedToTheClient",
        "SignatureValidationFailed",
        "BadCertificateRequestIdInChallenge",
        "BadDeviceIdInChallenge",
        "BadUserIdInChallenge",
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (!strcmp(code, known[i]))
            return 1;
    return 0;
}

const char *mod_scep_intune_read_answer(const char *text, apr_size_t len,
                                        scep_intune_answer_t *answer,
                                        apr_pool_t *p)
{
    json_t *json = load(text, len);
    const char *code = json_string_value(json_object_get(json, "code"));
    const char *more =
        json_string_value(json_object_get(json, "errorDescription"));

    if (!code) {
        json_decref(json);
        return "the answer is no JSON object with a code";
    }
    more = more ? harmless(more, p) : "";
    answer->success = !strcmp(code, "Success");
    code = answer->success || is_known(code)
               ? apr_pstrdup(p, code)
               : apr_psprintf(p, "a code that is not known (%s)",
                              harmless(code, p));
    answer->words = *more ? apr_pstrcat(p, code, ": ", more, NULL) : code;
    json_decref(json);
    return NULL;
}

/* Letters, digits and "_": what codes are made of. */
static const char *code_word(const char *text, apr_pool_t *p)
{
    size_t len = text ? strspn(text, "abcdefghijklmnopqrstuvwxyz"
                                     "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
                      : 0;

    return len > 0 && len <= WORD_MAX && !text[len] ? apr_pstrdup(p, text)
                                                    : "";
}

const char *mod_scep_intune_fault(const char *text, apr_size_t len,
                                  apr_pool_t *p)
{
    json_t *json = load(text, len);
    const json_t *error = json_object_get(json, "error");
    const char *description =
        json_string_value(json_object_get(json, "error_description"));
    const char *aadsts = description ? strstr(description, "AADSTS") : NULL;
    /* Entra ID has a word there, Graph an object with a code. */
    const char *word =
        code_word(json_string_value(json_is_object(error)
                                        ? json_object_get(error, "code")
                                        : error),
                  p);

    if (aadsts) {
        size_t digits = strspn(aadsts + 6, "0123456789");

        word = apr_psprintf(p, "%s%sAADSTS%.*s", word, *word ? " " : "",
                            digits < 16 ? (int)digits : 16, aadsts + 6);
    }
    json_decref(json);
    return word;
}

/* ------------------------------------------------------------------ */
/* The queue                                                            */

const char *mod_scep_intune_freeze(const scep_intune_request_t *request,
                                   apr_pool_t *p)
{
    return dump(json_pack("{s:s,s:s}", "transactionId",
                          plain(request->transaction_id, 255, p),
                          "certificateRequest",
                          base64(request->csr, request->csr_len, p)),
                p);
}

int mod_scep_intune_thaw(const char *text, scep_intune_request_t *request,
                         apr_pool_t *p)
{
    json_t *json = load(text, strlen(text));
    const char *id = json_string_value(json_object_get(json, "transactionId"));
    const char *csr =
        json_string_value(json_object_get(json, "certificateRequest"));
    int good = id && csr && json_object_size(json) == 2 &&
               apr_pdecode_base64_binary(p, csr, APR_ENCODE_STRING,
                                         APR_ENCODE_NONE, NULL) != NULL;

    if (good) {
        request->transaction_id = apr_pstrdup(p, id);
        request->csr =
            apr_pdecode_base64_binary(p, csr, APR_ENCODE_STRING,
                                      APR_ENCODE_NONE, &request->csr_len);
        good = request->csr_len > 0;
    }
    json_decref(json);
    return good;
}

const char *mod_scep_intune_pack(const char *action, const char *body,
                                 apr_pool_t *p)
{
    return dump(json_pack("{s:s,s:s}", "action", action, "body", body), p);
}

int mod_scep_intune_unpack(const char *text, apr_size_t len,
                           const char **action, const char **body,
                           apr_pool_t *p)
{
    json_t *json = load(text, len);
    const char *name = json_string_value(json_object_get(json, "action"));
    const char *content = json_string_value(json_object_get(json, "body"));
    int good = name && content &&
               (!strcmp(name, SCEP_INTUNE_SUCCESS) ||
                !strcmp(name, SCEP_INTUNE_FAILURE));

    if (good) {
        *action = apr_pstrdup(p, name);
        *body = apr_pstrdup(p, content);
    }
    json_decref(json);
    return good;
}
