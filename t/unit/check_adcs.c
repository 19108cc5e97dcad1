/* check_adcs.c - what the enrolment web service is told, and what it answers
 * SPDX-License-Identifier: Apache-2.0
 *
 * The answers are those of MS-WSTEP's examples, with certificates of ours.
 */
#include <apr_strings.h>
#include <openssl/cms.h>
#include <openssl/err.h>

#include "../../ca-connectors/adcs/adcs_cms.h"
#include "../../ca-connectors/adcs/adcs_decode.h"
#include "../../ca-connectors/adcs/ces_proto.h"
#include "../../ca-connectors/adcs/ces_xml.h"
#include "../../ca-connectors/adcs/hresult.h"
#include "run.h"
#include "support.h"

#define URL "https://ces.example/CA_CES_UsernamePassword/service.svc/CES"
#define POLL_URL "https://ces.example/CA_CES_Certificate/service.svc/CES"
#define XSD CES_NS_SECURITY

static apr_pool_t *pool;
static EVP_PKEY *key, *ca_key;
static X509 *cert, *ca, *root;
static const char *cert_text, *cms_text; /* base64 */

static const char *base64_of(unsigned char *der, int len)
{
    const char *text = scep_adcs_encode(der, (apr_size_t)len, pool);

    ck_assert_int_gt(len, 0);
    OPENSSL_free(der);
    return text;
}

/* As the CMC response has them: in no order, the leaf among them. */
static const char *cms_of(STACK_OF(X509) *certs)
{
    BIO *in = BIO_new_mem_buf("PKIResponse", -1);
    CMS_ContentInfo *cms = CMS_sign(ca, ca_key, certs, in, CMS_BINARY);
    unsigned char *der = NULL;
    int len = i2d_CMS_ContentInfo(cms, &der);

    CMS_ContentInfo_free(cms);
    BIO_free(in);
    return base64_of(der, len);
}

static void setup(void)
{
    STACK_OF(X509) *certs = sk_X509_new_null();
    EVP_PKEY *root_key;
    unsigned char *der = NULL;
    int len;

    pool = support_pool();
    key = support_ec("P-256", pool);
    ca_key = support_ec("P-256", pool);
    root_key = support_ec("P-256", pool);
    root = support_cert("root", root_key, NULL, NULL, "keyCertSign", pool);
    ca = support_cert("ca", ca_key, root, root_key, "keyCertSign", pool);
    cert = support_cert("device", key, ca, ca_key, "digitalSignature", pool);
    len = i2d_X509(cert, &der);
    cert_text = base64_of(der, len);
    sk_X509_push(certs, root);
    sk_X509_push(certs, cert);
    cms_text = cms_of(certs);
    sk_X509_free(certs);
    scep_ces_proto_init();
}

/* As it is written on the wire: lines that end with an entity. */
static const char *wrapped(const char *text)
{
    const char *lines = "";

    for (; strlen(text) > 64; text += 64)
        lines = apr_pstrcat(pool, lines, apr_pstrmemdup(pool, text, 64),
                            "&#xD;\n", NULL);
    return apr_pstrcat(pool, lines, text, "&#xD;\n", NULL);
}

static const char *envelope(const char *body)
{
    return apr_pstrcat(
        pool,
        "<s:Envelope xmlns:s=\"" CES_NS_SOAP "\" xmlns:a=\"http://"
        "www.w3.org/2005/08/addressing\"><s:Header><a:Action "
        "s:mustUnderstand=\"1\">x</a:Action></s:Header><s:Body>",
        body, "</s:Body></s:Envelope>", NULL);
}

/* words are what people read, in whatever language */
static const char *response(const char *words, const char *requested,
                            const char *id)
{
    return envelope(apr_pstrcat(
        pool,
        "<RequestSecurityTokenResponseCollection xmlns=\"" CES_NS_TRUST
        "\"><RequestSecurityTokenResponse><TokenType>x</TokenType>"
        "<DispositionMessage xml:lang=\"x\" xmlns=\"" CES_NS_ENROLLMENT "\">",
        words,
        "</DispositionMessage><BinarySecurityToken ValueType=\"" XSD
        "#PKCS7\" xmlns=\"" XSD "\">",
        wrapped(cms_text), "</BinarySecurityToken><RequestedSecurityToken>",
        requested,
        "</RequestedSecurityToken><RequestID xmlns=\"" CES_NS_ENROLLMENT "\">",
        id,
        "</RequestID></RequestSecurityTokenResponse>"
        "</RequestSecurityTokenResponseCollection>",
        NULL));
}

static const char *token(const char *text)
{
    return apr_pstrcat(pool,
                       "<BinarySecurityToken ValueType=\"x\" xmlns=\"" XSD
                       "\">",
                       text, "</BinarySecurityToken>", NULL);
}

static const char *reference(const char *uri)
{
    return apr_pstrcat(pool,
                       "<SecurityTokenReference xmlns=\"" XSD
                       "\"><Reference URI=\"",
                       uri, "\"/></SecurityTokenReference>", NULL);
}

static const char *fault(const char *code, const char *detail)
{
    return envelope(apr_pstrcat(
        pool, "<s:Fault><s:Code><s:Value>", code,
        "</s:Value></s:Code><s:Reason><s:Text xml:lang=\"de\">Verweigert"
        "&#10;durch</s:Text></s:Reason>",
        detail, "</s:Fault>", NULL));
}

static const char *detail(const char *number, const char *invalid,
                          const char *id)
{
    return apr_pstrcat(
        pool,
        "<s:Detail><CertificateEnrollmentWSDetail xmlns=\"" CES_NS_ENROLLMENT
        "\"><BinaryResponse>MII=</BinaryResponse>"
        "<ErrorCode>",
        number, "</ErrorCode>", invalid, id,
        "</CertificateEnrollmentWSDetail></s:Detail>", NULL);
}

#define INVALID "<InvalidRequest>true</InvalidRequest>"
#define VALID "<InvalidRequest>false</InvalidRequest>"
#define ID66 "<RequestID>66</RequestID>"

static scep_ca_result_t answer(int status, const char *body,
                               const char *polled)
{
    scep_ca_result_t result = { 0 };

    scep_ces_proto_answered(status, body, strlen(body), polled, &result, pool);
    ck_assert_uint_eq(ERR_peek_error(), 0);
    if (result.outcome != SCEP_CA_ISSUED)
        ck_assert_ptr_nonnull(result.reason);
    ck_assert_int_eq(result.outcome == SCEP_CA_ISSUED,
                     result.certificate != NULL);
    return result;
}

/* ------------------------------------------------------------------ */
/* Requests                                                             */

static scep_ces_order_t an_order(void)
{
    static const unsigned char csr[] = { 0x30, 0x03, 0x02, 0x01, 0xfb };
    scep_ces_order_t order = { .url = URL,
                               .message_id = "urn:uuid:1",
                               .template = "Scep<Device>",
                               .der = csr,
                               .len = sizeof(csr) };

    return order;
}

static xmlDoc *order_doc(const scep_ces_order_t *order)
{
    const char *text = scep_ces_proto_order(order, pool);
    xmlDoc *doc = scep_ces_xml_parse(text, strlen(text));

    ck_assert_ptr_nonnull(doc);
    return doc;
}

static const xmlNode *part(const xmlDoc *doc, const char *name)
{
    const xmlNode *node =
        scep_ces_xml_child(scep_ces_xml_envelope(doc), CES_NS_SOAP, name);

    ck_assert_ptr_nonnull(node);
    return node;
}

static const xmlNode *asked(const xmlDoc *doc)
{
    return scep_ces_xml_child(part(doc, "Body"), CES_NS_TRUST,
                              "RequestSecurityToken");
}

START_TEST(a_request_names_template_and_kind)
{
    scep_ces_order_t order = an_order();
    xmlDoc *doc = order_doc(&order);
    const xmlNode *binary =
        scep_ces_xml_child(asked(doc), CES_NS_SECURITY, "BinarySecurityToken");

    ck_assert_str_eq(scep_ces_xml_text(binary, pool), "MAMCAfs=");
    ck_assert_str_eq(scep_ces_xml_attribute(binary, "ValueType", pool),
                     CES_NS_ENROLLMENT "#PKCS10");
    ck_assert_str_eq(
        scep_ces_xml_text(
            scep_ces_xml_child(
                asked(doc),
                "http://schemas.xmlsoap.org/ws/2006/12/authorization",
                "AdditionalContext"),
            pool),
        "Scep<Device>");
    ck_assert_ptr_null(
        scep_ces_xml_child(part(doc, "Header"), CES_NS_SECURITY, "Security"));
    xmlFreeDoc(doc);
}
END_TEST

START_TEST(what_an_agent_signed_goes_as_pkcs7)
{
    scep_ces_order_t order = an_order();
    xmlDoc *doc;

    order.is_cms = 1;
    doc = order_doc(&order);
    ck_assert_str_eq(
        scep_ces_xml_attribute(scep_ces_xml_child(asked(doc), CES_NS_SECURITY,
                                                  "BinarySecurityToken"),
                               "ValueType", pool),
        CES_NS_SECURITY "#PKCS7");
    xmlFreeDoc(doc);
}
END_TEST

START_TEST(name_and_password_stand_in_the_header)
{
    scep_ces_order_t order = an_order();
    const xmlNode *user;
    xmlDoc *doc;

    order.user = "LAB\\svc-scep";
    order.password = "a<b>&\"'\xc3\xa4";
    doc = order_doc(&order);
    user = scep_ces_xml_child(scep_ces_xml_child(part(doc, "Header"),
                                                 CES_NS_SECURITY, "Security"),
                              CES_NS_SECURITY, "UsernameToken");
    ck_assert_str_eq(scep_ces_xml_text(
                         scep_ces_xml_child(user, CES_NS_SECURITY, "Username"),
                         pool),
                     order.user);
    ck_assert_str_eq(scep_ces_xml_text(
                         scep_ces_xml_child(user, CES_NS_SECURITY, "Password"),
                         pool),
                     order.password);
    xmlFreeDoc(doc);
}
END_TEST

START_TEST(a_question_has_the_number_and_no_request)
{
    scep_ces_order_t order = an_order();
    xmlDoc *doc;

    order.request_id = "66";
    doc = order_doc(&order);
    ck_assert_str_eq(scep_ces_xml_text(scep_ces_xml_child(asked(doc),
                                                          CES_NS_ENROLLMENT,
                                                          "RequestID"),
                                       pool),
                     "66");
    ck_assert_str_eq(scep_ces_xml_text(scep_ces_xml_child(asked(doc),
                                                          CES_NS_TRUST,
                                                          "RequestType"),
                                       pool),
                     CES_NS_ENROLLMENT "/QueryTokenStatus");
    ck_assert_ptr_null(scep_ces_xml_child(asked(doc), CES_NS_SECURITY,
                                          "BinarySecurityToken"));
    xmlFreeDoc(doc);
}
END_TEST

START_TEST(what_is_no_text_does_not_go_into_an_envelope)
{
    ck_assert_int_eq(scep_ces_proto_is_text("LAB\\b\xc3\xa4r"), 1);
    ck_assert_int_eq(scep_ces_proto_is_text("b\xe4r"), 0);
    ck_assert_int_eq(scep_ces_proto_is_text("a\nb"), 0);
}
END_TEST

START_TEST(an_agent_wraps_the_request)
{
    apr_size_t csr_len, len;
    const unsigned char *csr = support_csr("d", key, NULL, &csr_len, pool);
    const unsigned char *der, *at;
    CMS_ContentInfo *cms;
    BIO *out = BIO_new(BIO_s_mem());
    char *content;

    ck_assert_ptr_null(
        scep_adcs_cms_wrap(ca, ca_key, csr, csr_len, &der, &len, pool));
    at = der;
    cms = d2i_CMS_ContentInfo(NULL, &at, (long)len);
    ck_assert_int_eq(OBJ_obj2nid(CMS_get0_eContentType(cms)), NID_pkcs7_data);
    ck_assert_int_eq(CMS_verify(cms, NULL, NULL, NULL, out,
                                CMS_NO_SIGNER_CERT_VERIFY | CMS_BINARY),
                     1);
    ck_assert_int_eq(BIO_get_mem_data(out, &content), (long)csr_len);
    ck_assert_mem_eq(content, csr, csr_len);
    BIO_free(out);
    CMS_ContentInfo_free(cms);
    ck_assert_ptr_nonnull(
        scep_adcs_cms_wrap(ca, key, csr, csr_len, &der, &len, pool));
    ck_assert_uint_eq(ERR_peek_error(), 0);
}
END_TEST

/* ------------------------------------------------------------------ */
/* Answers                                                              */

START_TEST(issued_has_certificate_and_chain)
{
    static const char *const words[] = { "Issued", "Ausgestellt",
                                         "\xc3\x89mis", "" };
    scep_ca_result_t result =
        answer(200, response(words[_i], token(wrapped(cert_text)), "61"),
               NULL);

    ck_assert_int_eq(result.outcome, SCEP_CA_ISSUED);
    ck_assert_int_eq(X509_cmp(result.certificate, cert), 0);
    ck_assert_int_eq(sk_X509_num(result.chain), 2);
    ck_assert_int_eq(X509_cmp(sk_X509_value(result.chain, 0), ca), 0);
    ck_assert_int_eq(X509_cmp(sk_X509_value(result.chain, 1), root), 0);
}
END_TEST

/* "Issued" says the text, and it is not. */
START_TEST(pending_has_number_and_address)
{
    scep_ca_result_t result =
        answer(200, response("Issued", reference(POLL_URL), "65"), NULL);
    const char *id;

    ck_assert_int_eq(result.outcome, SCEP_CA_PENDING);
    ck_assert_str_eq(result.handle, "65 " POLL_URL);
    ck_assert_str_eq(scep_ces_proto_handle(result.handle, URL, &id, pool),
                     POLL_URL);
    ck_assert_str_eq(id, "65");
}
END_TEST

START_TEST(pending_without_a_number_is_unknown)
{
    static const char *const ids[] = { "", " ", "6 5", "65\n66", "&lt;x&gt;" };
    scep_ca_result_t result =
        answer(200, response("", reference(POLL_URL), ids[_i]), NULL);

    ck_assert_int_eq(result.outcome, SCEP_CA_UNKNOWN);
    ck_assert_ptr_null(result.handle);
}
END_TEST

START_TEST(a_bad_certificate_is_unknown_and_can_be_asked_for)
{
    static const char *const bad[] = { "",     "!!!!", "MAMCAfs=",
                                       "MIIB", "A",    "====" };
    scep_ca_result_t result =
        answer(200, response("Issued", token(bad[_i]), "61"), NULL);

    ck_assert_int_eq(result.outcome, SCEP_CA_UNKNOWN);
    ck_assert_str_eq(result.handle, "61");
}
END_TEST

START_TEST(octets_behind_a_certificate_are_not_overlooked)
{
    unsigned char *der = NULL, *more;
    int len = i2d_X509(cert, &der);

    more = OPENSSL_malloc((size_t)len + 1);
    memcpy(more, der, (size_t)len);
    more[len] = 0;
    OPENSSL_free(der);
    ck_assert_int_eq(
        answer(200, response("", token(base64_of(more, len + 1)), "61"), NULL)
            .outcome,
        SCEP_CA_UNKNOWN);
}
END_TEST

#define BOMB                                                                  \
    "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b "                      \
    "\"&a;&a;&a;&a;&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;\">]>"    \
    "<x>&c;</x>"

/* clang-format off */
static const char *const nonsense[] = {
    "", "x", "<", "<html><body>Issued</body></html>", "<x/>", BOMB,
    "<s:Envelope xmlns:s=\"" CES_NS_SOAP "\"/>",
    "<s:Envelope xmlns:s=\"" CES_NS_SOAP "\"><s:Body/></s:Envelope>",
    "<s:Envelope xmlns:s=\"" CES_NS_SOAP "\"><s:Body>",
    "<Envelope><Body><Fault/></Body></Envelope>",
};
/* clang-format on */

START_TEST(what_is_no_answer_is_unknown)
{
    ck_assert_int_eq(answer(200, nonsense[_i], NULL).outcome, SCEP_CA_UNKNOWN);
    ck_assert_int_eq(answer(500, nonsense[_i], NULL).outcome, SCEP_CA_UNKNOWN);
}
END_TEST

START_TEST(a_document_type_is_refused)
{
    const char *body =
        apr_pstrcat(pool, "<!DOCTYPE s:Envelope [<!ENTITY c \"x\">]>",
                    response("", token(cert_text), "61"), NULL);

    ck_assert_int_eq(answer(200, body, NULL).outcome, SCEP_CA_UNKNOWN);
}
END_TEST

START_TEST(only_utf_8_is_read)
{
    const char *body = response("Ausgestellt", token(cert_text), "61");
    const char *latin = response("b\xe4r", token(cert_text), "61");
    scep_ca_result_t result = { 0 };
    char *split = apr_pstrdup(pool, body);

    body =
        apr_pstrcat(pool,
                    "\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"UTF-16\"?>",
                    body, NULL);
    ck_assert_int_eq(answer(200, body, NULL).outcome, SCEP_CA_ISSUED);
    ck_assert_int_eq(answer(200, latin, NULL).outcome, SCEP_CA_UNKNOWN);
    split[20] = '\0';
    scep_ces_proto_answered(200, split, strlen(latin), NULL, &result, pool);
    ck_assert_int_eq(result.outcome, SCEP_CA_UNKNOWN);
}
END_TEST

START_TEST(a_long_text_is_cut_between_characters)
{
    char words[2 * 400 + 1];
    const char *body, *end;

    for (int i = 0; i < 800; i += 2)
        memcpy(words + i, "\xc3\xa4", 2);
    words[800] = '\0';
    body = envelope(apr_pstrcat(pool, "<s:Fault><s:Reason><s:Text>x", words,
                                "</s:Text></s:Reason></s:Fault>", NULL));
    end = answer(500, body, NULL).reason;
    ck_assert_int_lt(strlen(end), 400);
    ck_assert(scep_ces_proto_is_text(end));
}
END_TEST

START_TEST(an_answer_that_was_cut_off_is_unknown)
{
    const char *body = response("", token(cert_text), "61");

    for (size_t len = 0; len < strlen(body); len += 7) {
        scep_ca_result_t result = { 0 };

        scep_ces_proto_answered(200, apr_pstrmemdup(pool, body, len), len,
                                NULL, &result, pool);
        ck_assert_int_eq(result.outcome, SCEP_CA_UNKNOWN);
    }
}
END_TEST

START_TEST(the_same_status_with_the_other_content_is_unknown)
{
    ck_assert_int_eq(
        answer(500, response("", token(cert_text), "61"), NULL).outcome,
        SCEP_CA_UNKNOWN);
    ck_assert_int_eq(answer(200, fault("s:Sender", ""), NULL).outcome,
                     SCEP_CA_UNKNOWN);
}
END_TEST

/* ------------------------------------------------------------------ */
/* Faults                                                               */

START_TEST(denied_is_a_refusal)
{
    scep_ca_result_t result =
        answer(500, fault("s:Receiver", detail("-2146877420", INVALID, ID66)),
               NULL);

    ck_assert_int_eq(result.outcome, SCEP_CA_REJECTED);
    ck_assert_int_eq(result.fail_info, SCEP_FAIL_BAD_REQUEST);
    ck_assert_int_eq(result.device_fault, 1);
    ck_assert_ptr_nonnull(strstr(result.reason, "0x80094014"));
    ck_assert_ptr_nonnull(strstr(result.reason, "Verweigert durch"));
}
END_TEST

START_TEST(a_number_that_is_not_known_goes_by_invalid_request)
{
    const char *denied = fault("s:Receiver", detail("-1", INVALID, ID66));
    const char *open = fault("s:Receiver", detail("-1", VALID, ID66));
    const char *lost = fault("s:Receiver", detail("-1", "", ""));

    ck_assert_int_eq(answer(500, denied, NULL).outcome, SCEP_CA_REJECTED);
    ck_assert_int_eq(answer(500, open, NULL).outcome, SCEP_CA_PENDING);
    ck_assert_str_eq(answer(500, open, NULL).handle, "66");
    ck_assert_int_eq(answer(500, lost, NULL).outcome, SCEP_CA_UNKNOWN);
}
END_TEST

START_TEST(what_passes_is_asked_for_again_by_its_number)
{
    const char *filed =
        fault("s:Receiver", detail("-2147023174", VALID, ID66));
    const char *not_filed = fault("s:Receiver", detail("-2147023174", "", ""));

    ck_assert_int_eq(answer(500, filed, NULL).outcome, SCEP_CA_PENDING);
    ck_assert_str_eq(answer(500, filed, NULL).handle, "66");
    ck_assert_int_eq(answer(500, not_filed, NULL).outcome,
                     SCEP_CA_UNAVAILABLE);
}
END_TEST

START_TEST(what_passes_but_is_denied_wants_a_new_request)
{
    const char *body =
        fault("s:Receiver", detail("-2146885613", INVALID, ID66));

    ck_assert_int_eq(answer(500, body, NULL).outcome, SCEP_CA_UNAVAILABLE);
    ck_assert_int_eq(answer(500, body, "66").outcome, SCEP_CA_UNAVAILABLE);
}
END_TEST

START_TEST(a_number_that_is_none_is_a_fault_of_the_service)
{
    static const char *const bad[] = {
        "", "x", "0", "1x", "99999999999999999999", "4294967296"
    };

    ck_assert_int_eq(answer(500,
                            fault("s:Receiver", detail(bad[_i], "", ID66)),
                            NULL)
                         .outcome,
                     SCEP_CA_UNKNOWN);
}
END_TEST

START_TEST(what_the_service_does_not_take_is_our_fault)
{
    static const char *const codes[] = { "s:Sender", "env:MustUnderstand",
                                         "Sender", "s:VersionMismatch" };
    scep_ca_result_t result = answer(500, fault(codes[_i], ""), NULL);

    ck_assert_int_eq(result.outcome, SCEP_CA_REJECTED);
    ck_assert_int_eq(result.device_fault, 0);
}
END_TEST

START_TEST(a_fault_of_the_service_does_not_say_how_far_it_came)
{
    ck_assert_int_eq(answer(500, fault("s:Receiver", ""), NULL).outcome,
                     SCEP_CA_UNKNOWN);
    ck_assert_int_eq(answer(500, fault("", ""), NULL).outcome,
                     SCEP_CA_UNKNOWN);
}
END_TEST

static const struct {
    int status;
    scep_ca_outcome_t outcome;
} statuses[] = {
    { 204, SCEP_CA_UNKNOWN },     { 302, SCEP_CA_REJECTED },
    { 401, SCEP_CA_REJECTED },    { 403, SCEP_CA_REJECTED },
    { 404, SCEP_CA_REJECTED },    { 415, SCEP_CA_REJECTED },
    { 408, SCEP_CA_UNAVAILABLE }, { 429, SCEP_CA_UNAVAILABLE },
    { 502, SCEP_CA_UNKNOWN },     { 503, SCEP_CA_UNAVAILABLE },
    { 504, SCEP_CA_UNKNOWN },
};

START_TEST(without_the_service_the_status_tells)
{
    scep_ca_result_t result = answer(statuses[_i].status, "<html/>", NULL);

    ck_assert_int_eq(result.outcome, statuses[_i].outcome);
    ck_assert_int_eq(result.device_fault, 0);
    ck_assert_int_eq(answer(statuses[_i].status, "", "66").outcome,
                     SCEP_CA_PENDING);
}
END_TEST

/* ------------------------------------------------------------------ */
/* Polls                                                                */

START_TEST(only_the_ca_ends_what_is_pending)
{
    const char *const vague[] = {
        "",
        "<html/>",
        fault("s:Sender", ""),
        fault("s:Receiver", ""),
        fault("s:Receiver", detail("-2147024891", VALID, "")), /* rights */
        /* RPC_S_SERVER_UNAVAILABLE */
        fault("s:Receiver", detail("-2147023174", "", "")),
        fault("s:Receiver", detail("-1", VALID, ID66)),
    };

    for (size_t i = 0; i < sizeof(vague) / sizeof(*vague); i++) {
        scep_ca_result_t result = answer(500, vague[i], "66 " POLL_URL);

        ck_assert_int_eq(result.outcome, SCEP_CA_PENDING);
        ck_assert_ptr_nonnull(result.handle);
    }
}
END_TEST

START_TEST(what_was_pending_is_issued_denied_or_lost)
{
    const char *denied =
        fault("s:Receiver", detail("-2146877420", INVALID, ID66));
    const char *lost = fault("s:Receiver", detail("-2146877438", VALID, ""));

    ck_assert_int_eq(
        answer(200, response("", token(cert_text), "66"), "66").outcome,
        SCEP_CA_ISSUED);
    ck_assert_int_eq(answer(500, denied, "66").outcome, SCEP_CA_REJECTED);
    ck_assert_int_eq(answer(500, denied, "66").device_fault, 1);
    ck_assert_int_eq(answer(500, lost, "66").outcome, SCEP_CA_REJECTED);
    ck_assert_int_eq(answer(500, lost, "66").fail_info, SCEP_FAIL_BAD_CERT_ID);
}
END_TEST

/* A password goes there. */
START_TEST(another_server_is_not_asked)
{
    static const char *const elsewhere[] = {
        "66 https://evil.example/CES",
        "66 http://ces.example/CES",
        "66 https://ces.example:444/CES",
        "66 https://ces.example@evil.example/CES",
        "66 https://ces.example.evil.example/CES",
        "66 https://ces.example",
        "66 file:///etc/passwd",
        "66 x",
        "66 ",
        "66 https://ces.example/a b",
        "66",
    };
    const char *id = NULL;
    const char *url = scep_ces_proto_handle(elsewhere[_i], URL, &id, pool);

    ck_assert_str_eq(id, "66");
    if (strcmp(elsewhere[_i], "66 https://ces.example"))
        ck_assert_str_eq(url, URL);
}
END_TEST

START_TEST(what_is_no_handle_is_none)
{
    static const char *const bad[] = { "", " ", " https://ces.example/", "6<6",
                                       "6\n6" };
    const char *id;

    ck_assert_ptr_null(scep_ces_proto_handle(bad[_i], URL, &id, pool));
}
END_TEST

/* ------------------------------------------------------------------ */
/* Numbers                                                              */

static const struct {
    apr_uint32_t code;
    scep_ca_outcome_t outcome; /* denied 0, without a handle */
    scep_fail_info_t fail_info;
    int device_fault;
} numbers[] = {
    { 0x80094014, SCEP_CA_REJECTED, SCEP_FAIL_BAD_REQUEST, 1 },
    { 0x80094001, SCEP_CA_REJECTED, SCEP_FAIL_BAD_REQUEST, 1 },
    { 0x80094803, SCEP_CA_REJECTED, SCEP_FAIL_BAD_REQUEST, 1 },
    { 0x8009480f, SCEP_CA_REJECTED, SCEP_FAIL_BAD_REQUEST, 1 },
    { 0x8009310b, SCEP_CA_REJECTED, SCEP_FAIL_BAD_REQUEST, 1 },
    { 0x80094811, SCEP_CA_REJECTED, SCEP_FAIL_BAD_ALG, 1 },
    { 0x80094016, SCEP_CA_REJECTED, SCEP_FAIL_BAD_ALG, 1 },
    { 0x80094800, SCEP_CA_REJECTED, SCEP_FAIL_BAD_REQUEST, 0 },
    { 0x80094801, SCEP_CA_REJECTED, SCEP_FAIL_BAD_REQUEST, 0 },
    { 0x80094802, SCEP_CA_REJECTED, SCEP_FAIL_BAD_REQUEST, 0 },
    { 0x80094011, SCEP_CA_REJECTED, SCEP_FAIL_BAD_REQUEST, 0 },
    { 0x80094012, SCEP_CA_REJECTED, SCEP_FAIL_BAD_REQUEST, 0 },
    { 0x80070005, SCEP_CA_REJECTED, SCEP_FAIL_BAD_REQUEST, 0 },
    { 0x80094009, SCEP_CA_REJECTED, SCEP_FAIL_BAD_REQUEST, 0 },
    { 0x80094809, SCEP_CA_REJECTED, SCEP_FAIL_BAD_REQUEST, 0 },
    { 0x8009480a, SCEP_CA_REJECTED, SCEP_FAIL_BAD_REQUEST, 0 },
    { 0x8009480b, SCEP_CA_REJECTED, SCEP_FAIL_BAD_REQUEST, 0 },
    { 0x80094002, SCEP_CA_REJECTED, SCEP_FAIL_BAD_CERT_ID, 0 },
    { 0x80094006, SCEP_CA_UNAVAILABLE, 0, 0 },
    { 0x8009400f, SCEP_CA_UNAVAILABLE, 0, 0 },
    { 0x80094015, SCEP_CA_UNAVAILABLE, 0, 0 },
    { 0x800706ba, SCEP_CA_UNAVAILABLE, 0, 0 },
    { 0x80092012, SCEP_CA_UNAVAILABLE, 0, 0 },
    { 0x80092013, SCEP_CA_UNAVAILABLE, 0, 0 },
    { 0x800706be, SCEP_CA_UNKNOWN, 0, 0 },
    { 0x80072ee2, SCEP_CA_UNKNOWN, 0, 0 },
    { 0x80094003, SCEP_CA_UNKNOWN, 0, 0 },
    { 0x8009480c, SCEP_CA_REJECTED, SCEP_FAIL_BAD_REQUEST, 0 },
    { 0x800706bf, SCEP_CA_UNAVAILABLE, 0, 0 },
    { 0x80072efd, SCEP_CA_UNAVAILABLE, 0, 0 },
    { 0x80072efe, SCEP_CA_UNKNOWN, 0, 0 },
    { 0x800705b4, SCEP_CA_UNKNOWN, 0, 0 },
    { 0x8009ffff, SCEP_CA_UNKNOWN, 0, 0 },
};

START_TEST(each_number_has_its_outcome)
{
    scep_ca_result_t result = { 0 };

    scep_hresult_decide(numbers[_i].code, 0, NULL, &result, pool);
    ck_assert_int_eq(result.outcome, numbers[_i].outcome);
    ck_assert_int_eq(result.fail_info, numbers[_i].fail_info);
    ck_assert_int_eq(result.device_fault, numbers[_i].device_fault);
    ck_assert_ptr_nonnull(
        strstr(result.reason, apr_psprintf(pool, "0x%08x", numbers[_i].code)));
    if (result.outcome != SCEP_CA_REJECTED) {
        scep_hresult_decide(numbers[_i].code, 0, "66", &result, pool);
        ck_assert_int_eq(result.outcome, SCEP_CA_PENDING);
        ck_assert_str_eq(result.handle, "66");
    }
}
END_TEST

/* ------------------------------------------------------------------ */

static void add_requests(Suite *suite)
{
    TCase *requests = tcase_create("requests");

    tcase_add_unchecked_fixture(requests, setup, NULL);
    tcase_add_test(requests, a_request_names_template_and_kind);
    tcase_add_test(requests, what_an_agent_signed_goes_as_pkcs7);
    tcase_add_test(requests, name_and_password_stand_in_the_header);
    tcase_add_test(requests, a_question_has_the_number_and_no_request);
    tcase_add_test(requests, what_is_no_text_does_not_go_into_an_envelope);
    tcase_add_test(requests, an_agent_wraps_the_request);
    suite_add_tcase(suite, requests);
}

#define LENGTH(array) ((int)(sizeof(array) / sizeof(*(array))))

static void add_answers(Suite *suite)
{
    TCase *answers = tcase_create("answers");

    tcase_add_unchecked_fixture(answers, setup, NULL);
    tcase_add_loop_test(answers, issued_has_certificate_and_chain, 0, 4);
    tcase_add_test(answers, pending_has_number_and_address);
    tcase_add_loop_test(answers, pending_without_a_number_is_unknown, 0, 5);
    tcase_add_loop_test(answers,
                        a_bad_certificate_is_unknown_and_can_be_asked_for, 0,
                        6);
    tcase_add_test(answers, octets_behind_a_certificate_are_not_overlooked);
    tcase_add_loop_test(answers, what_is_no_answer_is_unknown, 0,
                        LENGTH(nonsense));
    tcase_add_test(answers, a_document_type_is_refused);
    tcase_add_test(answers, only_utf_8_is_read);
    tcase_add_test(answers, a_long_text_is_cut_between_characters);
    tcase_add_test(answers, an_answer_that_was_cut_off_is_unknown);
    tcase_add_test(answers, the_same_status_with_the_other_content_is_unknown);
    suite_add_tcase(suite, answers);
}

static void add_faults(Suite *suite)
{
    TCase *faults = tcase_create("faults");

    tcase_add_unchecked_fixture(faults, setup, NULL);
    tcase_add_test(faults, denied_is_a_refusal);
    tcase_add_test(faults, a_number_that_is_not_known_goes_by_invalid_request);
    tcase_add_test(faults, what_passes_is_asked_for_again_by_its_number);
    tcase_add_test(faults, what_passes_but_is_denied_wants_a_new_request);
    tcase_add_loop_test(faults,
                        a_number_that_is_none_is_a_fault_of_the_service, 0, 6);
    tcase_add_loop_test(faults, what_the_service_does_not_take_is_our_fault, 0,
                        4);
    tcase_add_test(faults,
                   a_fault_of_the_service_does_not_say_how_far_it_came);
    tcase_add_loop_test(faults, without_the_service_the_status_tells, 0,
                        LENGTH(statuses));
    tcase_add_loop_test(faults, each_number_has_its_outcome, 0,
                        LENGTH(numbers));
    tcase_add_test(faults, only_the_ca_ends_what_is_pending);
    tcase_add_test(faults, what_was_pending_is_issued_denied_or_lost);
    tcase_add_loop_test(faults, another_server_is_not_asked, 0, 11);
    tcase_add_loop_test(faults, what_is_no_handle_is_none, 0, 5);
    suite_add_tcase(suite, faults);
}

int main(void)
{
    Suite *suite = suite_create("adcs");

    add_requests(suite);
    add_answers(suite);
    add_faults(suite);
    return run_suite(suite);
}
