/* ces_proto.c - what goes to the enrolment web service and comes back
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ces_proto.h"

#include <apr_escape.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include <libxml/parser.h>
#include <openssl/crypto.h>

#include <string.h>

#include "adcs_decode.h"
#include "ces_xml.h"
#include "hresult.h"

#define NS_ADDRESSING "http://www.w3.org/2005/08/addressing"
#define NS_AUTHORIZATION "http://schemas.xmlsoap.org/ws/2006/12/authorization"
#define NS_TOKEN                                                              \
    "http://docs.oasis-open.org/wss/2004/01/"                                 \
    "oasis-200401-wss-username-token-profile-1.0"
#define TYPE_X509                                                             \
    "http://docs.oasis-open.org/wss/2004/01/"                                 \
    "oasis-200401-wss-x509-token-profile-1.0#X509v3"

#define ERROR_TEXT_MAX 300
#define REQUEST_ID_MAX 64

void scep_ces_proto_init(void)
{
    xmlInitParser();
}

int scep_ces_proto_is_text(const char *text)
{
    for (const char *at = text; *at; at++)
        if (apr_iscntrl(*at))
            return 0;
    return xmlCheckUTF8((const unsigned char *)text);
}

/* ------------------------------------------------------------------ */
/* Requests                                                             */

static const char *escape(const char *text, apr_pool_t *p)
{
    return apr_pescape_entity(p, text, 0);
}

static const char *security(const scep_ces_order_t *order, apr_pool_t *p)
{
    const char *password, *text;

    if (!order->user)
        return "";
    password = escape(order->password, p);
    text = apr_pstrcat(
        p,
        "<o:Security s:mustUnderstand=\"1\" xmlns:o=\"" CES_NS_SECURITY "\">",
        "<o:UsernameToken><o:Username>", escape(order->user, p),
        "</o:Username><o:Password Type=\"" NS_TOKEN "#PasswordText\">",
        password, "</o:Password></o:UsernameToken></o:Security>", NULL);
    if (password != order->password)
        OPENSSL_cleanse((char *)password, strlen(password));
    return text;
}

static const char *issue(const scep_ces_order_t *order, apr_pool_t *p)
{
    return apr_pstrcat(
        p, "<RequestType>" CES_NS_TRUST "/Issue</RequestType>",
        "<BinarySecurityToken ValueType=\"",
        order->is_cms ? CES_NS_SECURITY "#PKCS7" : CES_NS_ENROLLMENT "#PKCS10",
        "\" EncodingType=\"" CES_NS_SECURITY
        "#base64binary\" xmlns=\"" CES_NS_SECURITY "\">",
        scep_adcs_encode(order->der, order->len, p), "</BinarySecurityToken>",
        "<AdditionalContext xmlns=\"" NS_AUTHORIZATION "\">",
        "<ContextItem Name=\"CertificateTemplate\"><Value>",
        escape(order->template, p),
        "</Value></ContextItem></AdditionalContext>",
        "<RequestID xsi:nil=\"true\" xmlns=\"" CES_NS_ENROLLMENT "\"/>", NULL);
}

static const char *query(const scep_ces_order_t *order, apr_pool_t *p)
{
    return apr_pstrcat(p,
                       "<RequestType>" CES_NS_ENROLLMENT
                       "/QueryTokenStatus</RequestType>",
                       "<RequestID xmlns=\"" CES_NS_ENROLLMENT "\">",
                       escape(order->request_id, p), "</RequestID>", NULL);
}

const char *scep_ces_proto_order(const scep_ces_order_t *order, apr_pool_t *p)
{
    const char *header = security(order, p);
    const char *text = apr_pstrcat(
        p,
        "<s:Envelope xmlns:s=\"" CES_NS_SOAP "\" xmlns:a=\"" NS_ADDRESSING
        "\"><s:Header><a:Action s:mustUnderstand=\"1\">" CES_NS_ENROLLMENT
        "/RST/wstep</a:Action><a:MessageID>",
        order->message_id, "</a:MessageID><a:To s:mustUnderstand=\"1\">",
        escape(order->url, p),
        "</a:To><a:ReplyTo><a:Address>" NS_ADDRESSING
        "/anonymous</a:Address></a:ReplyTo>",
        header,
        "</s:Header><s:Body xmlns:xsi="
        "\"http://www.w3.org/2001/XMLSchema-instance\">"
        "<RequestSecurityToken xmlns=\"" CES_NS_TRUST
        "\"><TokenType>" TYPE_X509 "</TokenType>",
        order->request_id ? query(order, p) : issue(order, p),
        "</RequestSecurityToken></s:Body></s:Envelope>", NULL);

    if (*header)
        OPENSSL_cleanse((char *)header, strlen(header));
    return text;
}

/* ------------------------------------------------------------------ */
/* Handles                                                              */

/* Any string by its schema, a number from every CA there is. */
static int is_request_id(const char *text)
{
    size_t len = text ? strlen(text) : 0;

    return len > 0 && len <= REQUEST_ID_MAX &&
           strspn(text, "0123456789abcdefghijklmnopqrstuvwxyz"
                        "ABCDEFGHIJKLMNOPQRSTUVWXYZ.:_{}-") == len;
}

/* https://host:port of a URL. */
static size_t origin_len(const char *url)
{
    const char *host = strstr(url, "://");

    return host ? (size_t)(host - url) + 3 + strcspn(host + 3, "/?#") : 0;
}

static int is_url(const char *text)
{
    for (; *text; text++)
        if (*text <= ' ' || *text == 0x7f)
            return 0;
    return 1;
}

static int same_server(const char *one, const char *other)
{
    size_t len = origin_len(one);

    return len && len == origin_len(other) && !strncasecmp(one, other, len);
}

const char *scep_ces_proto_handle(const char *handle, const char *url,
                                  const char **request_id, apr_pool_t *p)
{
    const char *blank = strchr(handle, ' ');
    const char *id =
        blank ? apr_pstrmemdup(p, handle, (apr_size_t)(blank - handle))
              : handle;

    if (!is_request_id(id))
        return NULL;
    *request_id = id;
    return blank && is_url(blank + 1) && same_server(blank + 1, url)
               ? apr_pstrdup(p, blank + 1)
               : url;
}

static const char *handle_of(const xmlNode *in, const char *uri, apr_pool_t *p)
{
    const char *id = scep_ces_xml_text(
        scep_ces_xml_child(in, CES_NS_ENROLLMENT, "RequestID"), p);

    if (!is_request_id(id))
        return NULL;
    return uri && *uri && is_url(uri) ? apr_pstrcat(p, id, " ", uri, NULL)
                                      : id;
}

/* ------------------------------------------------------------------ */
/* Answers                                                              */

static void unknown(scep_ca_result_t *result, const char *handle,
                    const char *reason)
{
    result->outcome = SCEP_CA_UNKNOWN;
    result->handle = handle;
    result->reason = reason;
}

static void issued(const xmlNode *response, const xmlNode *token,
                   scep_ca_result_t *result, apr_pool_t *p)
{
    const char *text = scep_ces_xml_text(token, p);
    const char *cms =
        scep_ces_xml_text(scep_ces_xml_child(response, CES_NS_SECURITY,
                                             "BinarySecurityToken"),
                          p);

    result->certificate =
        text ? scep_adcs_certificate(text, strlen(text), p) : NULL;
    if (!result->certificate) {
        unknown(result, handle_of(response, NULL, p),
                "ADCS issued, but its answer has no certificate that can be "
                "read");
        return;
    }
    result->outcome = SCEP_CA_ISSUED;
    if (cms)
        result->chain =
            scep_adcs_chain(cms, strlen(cms), result->certificate, p);
}

static void answered(const xmlNode *body, scep_ca_result_t *result,
                     apr_pool_t *p)
{
    const xmlNode *response = scep_ces_xml_child(
        scep_ces_xml_child(body, CES_NS_TRUST,
                           "RequestSecurityTokenResponseCollection"),
        CES_NS_TRUST, "RequestSecurityTokenResponse");
    const xmlNode *requested =
        scep_ces_xml_child(response, CES_NS_TRUST, "RequestedSecurityToken");
    const xmlNode *token =
        scep_ces_xml_child(requested, CES_NS_SECURITY, "BinarySecurityToken");
    const xmlNode *reference =
        scep_ces_xml_child(scep_ces_xml_child(requested, CES_NS_SECURITY,
                                              "SecurityTokenReference"),
                           CES_NS_SECURITY, "Reference");

    if (token) {
        issued(response, token, result, p);
    } else if (reference) {
        result->handle =
            handle_of(response, scep_ces_xml_attribute(reference, "URI", p),
                      p);
        result->outcome = SCEP_CA_PENDING;
        result->reason = "ADCS waits for a manager's approval";
        if (!result->handle)
            unknown(result, NULL, "ADCS keeps the request, without an id");
    } else {
        unknown(result, handle_of(response, NULL, p),
                "the answer of ADCS is none to a request");
    }
}

/* What a fault says for people, on one line, cut between characters. */
static const char *said(const xmlNode *fault, apr_pool_t *p)
{
    const char *text = scep_ces_xml_text(
        scep_ces_xml_child(scep_ces_xml_child(fault, CES_NS_SOAP, "Reason"),
                           CES_NS_SOAP, "Text"),
        p);
    size_t len = text ? strlen(text) : 0;
    char *line;

    if (len > ERROR_TEXT_MAX)
        for (len = ERROR_TEXT_MAX; len && (text[len] & 0xc0) == 0x80;)
            len--;
    line = apr_pstrndup(p, text ? text : "", len);
    for (char *at = line; *at; at++)
        if (apr_iscntrl(*at))
            *at = ' ';
    return *line ? apr_pstrcat(p, ": ", line, NULL) : "";
}

static int is_true(const char *text)
{
    return text && (!strcmp(text, "true") || !strcmp(text, "1"));
}

/* Of the CA, with its number. */
static int detailed(const xmlNode *fault, int polled, scep_ca_result_t *result,
                    apr_pool_t *p)
{
    const xmlNode *detail =
        scep_ces_xml_child(scep_ces_xml_child(fault, CES_NS_SOAP, "Detail"),
                           CES_NS_ENROLLMENT, "CertificateEnrollmentWSDetail");
    const char *number = scep_ces_xml_text(
        scep_ces_xml_child(detail, CES_NS_ENROLLMENT, "ErrorCode"), p);
    int denied = is_true(scep_ces_xml_text(
        scep_ces_xml_child(detail, CES_NS_ENROLLMENT, "InvalidRequest"), p));
    char *end;
    apr_int64_t code = number ? apr_strtoi64(number, &end, 10) : 0;

    /* signed, or unsigned from who does not read the specification so */
    if (!number || end == number || *end || code < APR_INT32_MIN ||
        code > (apr_int64_t)APR_UINT32_MAX)
        code = 0;
    if (!detail || (!code && !denied))
        return 0;
    scep_hresult_decide((apr_uint32_t)code, denied, handle_of(detail, NULL, p),
                        result, p);
    result->reason = apr_pstrcat(p, result->reason, said(fault, p), NULL);
    /* of an answer to a question these are about the asking */
    if (polled && !denied &&
        (result->outcome == SCEP_CA_UNAVAILABLE ||
         (result->outcome == SCEP_CA_REJECTED && !result->device_fault &&
          result->fail_info != SCEP_FAIL_BAD_CERT_ID)))
        result->outcome = SCEP_CA_UNKNOWN;
    return 1;
}

static void reject(scep_ca_result_t *result, const char *reason)
{
    result->outcome = SCEP_CA_REJECTED;
    result->fail_info = SCEP_FAIL_BAD_REQUEST;
    result->device_fault = 0;
    result->reason = reason;
}

/* SOAP 1.2, part 1, 5.4.6: it did not like the envelope, its credentials for
 * one, and did nothing.  "Receiver" does not say how far it had come. */
static int is_refusal(const char *code)
{
    static const char *const codes[] = { "Sender", "MustUnderstand",
                                         "VersionMismatch",
                                         "DataEncodingUnknown" };
    const char *colon = strrchr(code, ':');

    for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++)
        if (!strcmp(colon ? colon + 1 : code, codes[i]))
            return 1;
    return 0;
}

/* Of the service, or through it of the CA. */
static void faulted(const xmlNode *fault, int polled, scep_ca_result_t *result,
                    apr_pool_t *p)
{
    const char *code = scep_ces_xml_text(
        scep_ces_xml_child(scep_ces_xml_child(fault, CES_NS_SOAP, "Code"),
                           CES_NS_SOAP, "Value"),
        p);

    if (detailed(fault, polled, result, p))
        return;
    if (!polled && code && is_refusal(code))
        reject(result,
               apr_pstrcat(p,
                           "the enrolment web service refuses the gateway's "
                           "call",
                           said(fault, p), NULL));
    else
        unknown(result, NULL,
                apr_pstrcat(p, "the enrolment web service failed",
                            said(fault, p), NULL));
}

/* Below the service: IIS, or a proxy. */
static void http_status(int status, int polled, scep_ca_result_t *result,
                        apr_pool_t *p)
{
    const char *reason =
        apr_psprintf(p, "the enrolment web service answered HTTP %d", status);

    if (!polled && (status == 408 || status == 429 || status == 503)) {
        result->outcome = SCEP_CA_UNAVAILABLE;
        result->reason = reason;
    } else if (!polled && status >= 300 && status < 500) {
        reject(result, reason);
    } else {
        unknown(result, NULL, reason);
    }
}

void scep_ces_proto_answered(int status, const char *body, apr_size_t len,
                             const char *polled, scep_ca_result_t *result,
                             apr_pool_t *p)
{
    xmlDoc *doc =
        status == 200 || status == 500 ? scep_ces_xml_parse(body, len) : NULL;
    const xmlNode *content =
        scep_ces_xml_child(scep_ces_xml_envelope(doc), CES_NS_SOAP, "Body");
    const xmlNode *fault = scep_ces_xml_child(content, CES_NS_SOAP, "Fault");

    if (status == 200 && content && !fault)
        answered(content, result, p);
    else if (status == 500 && fault)
        faulted(fault, polled != NULL, result, p);
    else
        http_status(status, polled != NULL, result, p);
    xmlFreeDoc(doc);
    if (polled && result->outcome == SCEP_CA_UNKNOWN) {
        result->outcome = SCEP_CA_PENDING;
        result->handle = polled;
    }
}
