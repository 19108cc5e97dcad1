/* admin_explain.c - POST explain: which rule would decide what
 * SPDX-License-Identifier: Apache-2.0
 */
#include "admin.h"

#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "callers.h"
#include "conf.h"
#include "core/explain.h"
#include "core/network.h"
#include "core/utf8.h"
#include "http.h"
#include "policy_request.h"

static const char *const members[] = { "profile",   "csr",     "message_type",
                                       "challenge", "address", NULL };

/* What is asked, as far as it was read. */
typedef struct question_t {
    request_rec *r;
    json_t *body;
    const scep_profile_t *profile;
    scep_explain_request_t request;
} question_t;

/* ------------------------------------------------------------------ */
/* Reading.  Each says what is wrong in words for the caller, or NULL.  */

static const char *read_profile(question_t *question)
{
    request_rec *r = question->r;
    const char *name;
    const char *err =
        mod_scep_json_text(question->body, "profile", &name, r->pool);

    if (err)
        return err;
    question->profile =
        name ? mod_scep_conf_find_profile(mod_scep_conf_get(r->server), name)
             : mod_scep_conf_profile(r);
    if (question->profile)
        return NULL;
    return name ? apr_psprintf(r->pool, "There is no profile \"%s\".",
                               scep_utf8_clean(name, 100, r->pool))
                : "Say in \"profile\" which profile the request is for.";
}

/* base64, with white space or without.  Zero: it is none. */
static int read_base64(const char *text, unsigned char *der, apr_size_t *len)
{
    EVP_ENCODE_CTX *ctx = EVP_ENCODE_CTX_new();
    int some = 0, rest = 0, good = 0;

    if (ctx) {
        EVP_DecodeInit(ctx);
        good = EVP_DecodeUpdate(ctx, der, &some, (const unsigned char *)text,
                                (int)strlen(text)) >= 0 &&
               EVP_DecodeFinal(ctx, der + some, &rest) == 1;
    }
    EVP_ENCODE_CTX_free(ctx);
    *len = (apr_size_t)(some + rest);
    return good && *len > 0;
}

/* PEM.  Zero: it is none, or another thing than a request. */
static int read_pem(const char *text, unsigned char *der, apr_size_t *len)
{
    BIO *in = BIO_new_mem_buf(text, -1);
    unsigned char *data = NULL;
    char *name = NULL, *header = NULL;
    long size = 0;
    int good = in && PEM_read_bio(in, &name, &header, &data, &size) == 1 &&
               (!strcmp(name, PEM_STRING_X509_REQ) ||
                !strcmp(name, PEM_STRING_X509_REQ_OLD));

    if (good) {
        memcpy(der, data, (size_t)size);
        *len = (apr_size_t)size;
    }
    OPENSSL_clear_free(data, (size_t)size);
    OPENSSL_free(name);
    OPENSSL_free(header);
    BIO_free(in);
    ERR_clear_error();
    return good;
}

static const char *read_csr(question_t *question)
{
    request_rec *r = question->r;
    scep_explain_request_t *request = &question->request;
    const char *text;
    const char *err =
        mod_scep_json_text(question->body, "csr", &text, r->pool);
    unsigned char *der;
    apr_size_t room;

    if (err)
        return err;
    if (!text)
        return "Give the PKCS#10 in \"csr\", as PEM or base64.";
    room = strlen(text) + 1;
    der = apr_palloc(r->pool, room);
    mod_scep_http_forget(r, der, room);
    request->csr = der;
    if (strstr(text, "-----BEGIN ")
            ? !read_pem(text, der, &request->csr_len)
            : !read_base64(text, der, &request->csr_len))
        return "\"csr\" is no PKCS#10 as PEM or base64.";
    return NULL;
}

static const char *read_address(question_t *question)
{
    scep_explain_request_t *request = &question->request;
    unsigned char octets[16];
    const char *err = mod_scep_json_text(question->body, "address",
                                         &request->address, question->r->pool);

    if (!err && request->address &&
        !scep_network_address(octets, request->address))
        err = "\"address\" must be an IP address.";
    return err;
}

static const char *read_type(question_t *question)
{
    const char *name;
    const char *err = mod_scep_json_text(question->body, "message_type", &name,
                                         question->r->pool);

    question->request.type = SCEP_TYPE_PKCS_REQ;
    if (err || !name || !strcmp(name, "PKCSReq"))
        return err;
    question->request.type = SCEP_TYPE_RENEWAL_REQ;
    return strcmp(name, "RenewalReq")
               ? "\"message_type\" must be PKCSReq or RenewalReq."
               : NULL;
}

static const char *read_question(question_t *question)
{
    apr_pool_t *p = question->r->pool;
    const char *err = mod_scep_json_known(question->body, members, p);

    if (!err)
        err = read_profile(question);
    if (!err)
        err = read_csr(question);
    if (!err) {
        err = mod_scep_json_text(question->body, "challenge",
                                 &question->request.challenge, p);
    }
    if (!err)
        err = read_type(question);
    return err ? err : read_address(question);
}

/* ------------------------------------------------------------------ */
/* Answering                                                            */

static const apr_array_header_t *verifiers_of(const scep_profile_t *profile,
                                              apr_pool_t *p)
{
    apr_array_header_t *verifiers =
        apr_array_make(p, profile->verifiers->nelts,
                       sizeof(scep_explain_verifier_t));

    for (int i = 0; i < profile->verifiers->nelts; i++) {
        const scep_verifier_t *from =
            &APR_ARRAY_IDX(profile->verifiers, i, scep_verifier_t);
        scep_explain_verifier_t *to = apr_array_push(verifiers);

        to->name = from->name;
        to->provider = from->provider;
        to->data = from->data;
    }
    return verifiers;
}

/* What came from outside as JSON may have it. */
static json_t *shown(const char *text, apr_pool_t *p)
{
    return text ? json_string(scep_utf8_clean(text, 1024, p)) : json_null();
}

static json_t *show_steps(const apr_array_header_t *steps, apr_pool_t *p)
{
    json_t *array = json_array();

    for (int i = 0; i < steps->nelts; i++) {
        const scep_step_t *step = &APR_ARRAY_IDX(steps, i, scep_step_t);
        json_t *row = json_pack("{s:s, s:s}", "rule", step->rule, "result",
                                scep_explain_result_name(step->result));

        if (step->reason != SCEP_REASON_NONE) {
            json_object_set_new(row, "reason",
                                json_string(
                                    scep_result_reason_name(step->reason)));
        }
        if (step->detail)
            json_object_set_new(row, "detail", shown(step->detail, p));
        json_array_append_new(array, row);
    }
    return array;
}

static int answer(request_rec *r, const question_t *question,
                  const scep_explanation_t *explanation)
{
    const scep_step_t *decided_by = explanation->decided_by;
    const scep_csr_t *csr = explanation->csr;
    json_t *object = json_object();

    json_object_set_new(object, "allowed",
                        explanation->unknown ? json_null()
                                             : json_boolean(!decided_by));
    if (decided_by) {
        json_object_set_new(object, "decided_by",
                            json_string(decided_by->rule));
    }
    json_object_set_new(object, "profile",
                        json_string(question->profile->name));
    json_object_set_new(object, "subject",
                        shown(csr ? scep_name_text(csr->subject, r->pool)
                                  : NULL,
                              r->pool));
    json_object_set_new(object, "sans",
                        shown(csr ? scep_name_sans_text(csr->sans, r->pool)
                                  : NULL,
                              r->pool));
    json_object_set_new(object, "steps",
                        show_steps(explanation->steps, r->pool));
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                  SCEPLOGNO(0149) "explained to %s: profile %s, %s",
                  ap_escape_logitem(r->pool, mod_scep_admin_actor(r)),
                  question->profile->name,
                  decided_by ? decided_by->rule : "nothing refuses");
    return mod_scep_json_send(r, HTTP_OK, object);
}

static int explain(question_t *question)
{
    request_rec *r = question->r;
    const scep_conf_t *conf = mod_scep_conf_get(r->server);
    scep_explanation_t explanation;
    const char *why;

    question->request.profile = &question->profile->enrol;
    question->request.verifiers = verifiers_of(question->profile, r->pool);
    question->request.now = r->request_time;
    question->request.policy_ops =
        mod_scep_policy_ops(r, question->profile, question->request.address);
    scep_explain(&question->request, conf->alg, &explanation, r->pool);
    why = mod_scep_callers_refuse(r, question->profile,
                                  explanation.csr ? explanation.csr->subject
                                                  : NULL);
    return why ? mod_scep_json_problem(r, HTTP_FORBIDDEN, "%s", why)
               : answer(r, question, &explanation);
}

/* A challenge stands in the one, and may in the other. */
static void forget(const json_t *body)
{
    static const char *const secrets[] = { "challenge", "csr" };

    for (int i = 0; i < 2; i++) {
        const json_t *value = json_object_get(body, secrets[i]);

        if (json_is_string(value))
            OPENSSL_cleanse((char *)json_string_value(value),
                            json_string_length(value));
    }
}

int mod_scep_admin_explain(request_rec *r)
{
    question_t question = { .r = r };
    const char *err;
    int status;

    if (r->method_number != M_POST)
        return mod_scep_json_not_allowed(r, "POST");
    status = mod_scep_json_read(r, &question.body);
    if (!question.body)
        return status;
    err = read_question(&question);
    status = err ? mod_scep_json_problem(r, HTTP_BAD_REQUEST, "%s", err)
                 : explain(&question);
    forget(question.body);
    json_decref(question.body);
    return status;
}
