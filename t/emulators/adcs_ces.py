"""CES, the Certificate Enrollment Web Service: MS-WSTEP over SOAP 1.2.

SPDX-License-Identifier: Apache-2.0
"""
import base64
import binascii
import uuid
import xml.etree.ElementTree as ET
from xml.sax.saxutils import escape

from adcs_ca import ERRORS, ISSUED, Refused, der, signed, words_of
from ejbca import Answer

SOAP = "http://www.w3.org/2003/05/soap-envelope"
ADDRESSING = "http://www.w3.org/2005/08/addressing"
TRUST = "http://docs.oasis-open.org/ws-sx/ws-trust/200512"
ENROLL = "http://schemas.microsoft.com/windows/pki/2009/01/enrollment"
OASIS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
WSSE = OASIS + "wssecurity-secext-1.0.xsd"
CONTEXT = "http://schemas.xmlsoap.org/ws/2006/12/authorization"
X509V3 = OASIS + "x509-token-profile-1.0#X509v3"
TEXT = OASIS + "username-token-profile-1.0#PasswordText"
PKCS7, PKCS10 = WSSE + "#PKCS7", ENROLL + "#PKCS10"
TYPE = "application/soap+xml; charset=utf-8"

WORDS = {
    "en": ("en-US", "Issued", "Taken Under Submission"),
    "de": ("de-DE", "Ausgestellt", "Übernommen zur Bearbeitung"),
    "fr": ("fr-FR", "Émis", "Pris pour soumission"),
}

ENVELOPE = """\
<s:Envelope xmlns:s="%s" xmlns:a="%s"><s:Header>\
<a:Action s:mustUnderstand="1">{action}</a:Action>\
<a:RelatesTo>{relates}</a:RelatesTo></s:Header>\
<s:Body>{body}</s:Body></s:Envelope>""" % (SOAP, ADDRESSING)

ANSWER = """\
<RequestSecurityTokenResponseCollection xmlns="%s">\
<RequestSecurityTokenResponse><TokenType>%s</TokenType>\
<DispositionMessage xml:lang="{language}" xmlns="%s">{words}\
</DispositionMessage>\
<BinarySecurityToken ValueType="%s" EncodingType="%s#base64binary" \
xmlns="%s">{response}</BinarySecurityToken>\
<RequestedSecurityToken>{token}</RequestedSecurityToken>\
<RequestID xmlns="%s">{number}</RequestID>\
</RequestSecurityTokenResponse></RequestSecurityTokenResponseCollection>\
""" % (TRUST, X509V3, ENROLL, PKCS7, WSSE, WSSE, ENROLL)

FAULT = """\
<s:Fault><s:Code><s:Value>s:{code}</s:Value>{subcode}</s:Code>\
<s:Reason><s:Text xml:lang="{language}">{words}</s:Text></s:Reason>\
{detail}</s:Fault>"""

DETAIL = """\
<s:Detail><CertificateEnrollmentWSDetail xmlns="%s" \
xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">\
<BinaryResponse xsi:nil="true"/><ErrorCode>{code}</ErrorCode>\
<InvalidRequest>{invalid}</InvalidRequest>{number}\
</CertificateEnrollmentWSDetail></s:Detail>""" % ENROLL


class Unauthenticated(Exception):
    pass


def wrapped(data):
    """Base64 as WCF writes it: lines end with an entity and a newline."""
    return base64.encodebytes(data).decode().replace("\n", "&#xD;\n")


def tag(namespace, name):
    return "{%s}%s" % (namespace, name)


def serve(call):
    call.begin("submit" if b"/Issue<" in call.body else "poll")
    if not call.path.endswith("/service.svc/CES"):
        return Answer(404, "", "text/html")
    if call.method != "POST":
        return Answer(405, "", "text/html")
    if not call.headers.get("Content-Type", "").startswith(
            "application/soap+xml"):
        return Answer(415, "", "text/html")
    envelope = ET.fromstring(call.body)
    relates = envelope.findtext(".//" + tag(ADDRESSING, "MessageID"))
    try:
        check_header(call, envelope)
        authenticate(call, envelope)
        body = answer(call, envelope)
        plain = call.plain()
        if plain:
            return plain
        if call.fault.get("internal"):
            return internal(call, relates)
        return reply(200, ENROLL + "/RSTRC/wstep", relates, body)
    except Unauthenticated:
        return fault(call, relates, "Sender", ADDRESSING + "/soap/fault",
                     "At least one security token in the message could not "
                     "be validated.", "<s:Subcode><s:Value xmlns:o=\"%s\">"
                     "o:FailedAuthentication</s:Value></s:Subcode>" % WSSE)
    except Refused as refused:
        return call.plain() or denied(call, relates, refused)


def reply(status, action, relates, body):
    return Answer(status, ENVELOPE.format(
        action=action, relates=escape(relates or ""), body=body), TYPE)


def fault(call, relates, code, action, words, subcode="", detail=""):
    return reply(500, action, relates, FAULT.format(
        code=code, subcode=subcode, language=WORDS[call.language][0],
        words=escape(words), detail=detail))


def internal(call, relates):
    return fault(call, relates, "Receiver", "http://schemas.microsoft.com/"
                 "net/2005/12/windowscommunicationfoundation/dispatcher/"
                 "fault", "The server was unable to process the request due "
                 "to an internal error.", "<s:Subcode><s:Value>"
                 "a:InternalServiceFault</s:Value></s:Subcode>")


def denied(call, relates, refused):
    words = words_of(refused.code)
    if call.language == "de":
        words = "Fehler: 0x%08x %s" % (refused.code,
                                       ERRORS.get(refused.code, ("",))[0])
    number = "<RequestID>%s</RequestID>" % refused.number \
        if refused.number else ""
    return fault(
        call, relates, "Receiver", ENROLL + "/RequestSecurityToken"
        "CertificateEnrollmentWSDetailFault", words,
        detail=DETAIL.format(code=signed(refused.code), number=number,
                             invalid=str(refused.invalid).lower()))


def check_header(call, envelope):
    action = envelope.findtext(".//" + tag(ADDRESSING, "Action"))
    to = envelope.findtext(".//" + tag(ADDRESSING, "To"))
    message = envelope.findtext(".//" + tag(ADDRESSING, "MessageID"))
    if action != ENROLL + "/RST/wstep":
        raise ValueError("action " + str(action))
    if to not in [base + call.path for base in call.emulator.bases]:
        raise ValueError("to %s at %s" % (to, call.path))
    uuid.UUID(message.removeprefix("urn:uuid:"))


def authenticate(call, envelope):
    """Where httpd has not, a name and a password in the header."""
    if call.user:
        return
    token = envelope.find(".//" + tag(WSSE, "UsernameToken"))
    if token is None:
        raise Unauthenticated
    password = token.find(tag(WSSE, "Password"))
    if password is None or password.get("Type", TEXT) != TEXT \
            or password.text != call.emulator.password:
        raise Unauthenticated
    call.user = token.findtext(tag(WSSE, "Username"))
    call.entry.update(user=call.user, scheme="UsernameToken",
                      account=call.user.rpartition("\\")[2])


def answer(call, envelope):
    wanted = envelope.find(".//" + tag(TRUST, "RequestSecurityToken"))
    kind = wanted.findtext(tag(TRUST, "RequestType"))
    if wanted.findtext(tag(TRUST, "TokenType")) != X509V3:
        raise ValueError("token type")
    if kind == TRUST + "/Issue":
        return describe(call, submit(call, wanted))
    if kind != ENROLL + "/QueryTokenStatus":
        raise ValueError("request type " + str(kind))
    number = wanted.findtext(tag(ENROLL, "RequestID"))
    # a text by its schema, a number to the CA
    return describe(call, call.poll(int(number) if number.isdecimal()
                                    else None))


def submit(call, wanted):
    blob = wanted.find(tag(WSSE, "BinarySecurityToken"))
    items = {item.get("Name"): item.findtext(tag(CONTEXT, "Value"))
             for item in wanted.iter(tag(CONTEXT, "ContextItem"))}
    if blob.get("ValueType") not in (PKCS10, PKCS7) \
            or blob.get("EncodingType") != WSSE + "#base64binary":
        raise ValueError("what kind of request is this")
    call.entry["value_type"] = blob.get("ValueType").rpartition("#")[2]
    try:
        data = base64.b64decode(blob.text)
    except binascii.Error:
        raise Refused(0x8009310B) from None
    return call.submit(data, items.get("CertificateTemplate"), items)


def describe(call, request):
    """Of what was never filed there is a fault in place of this."""
    if request is None:
        return ""
    language, issued, taken = WORDS[call.language]
    done = request["status"] == ISSUED
    token = ("<BinarySecurityToken ValueType=\"%s\" EncodingType=\"%s#base64"
             "binary\" xmlns=\"%s\">%s</BinarySecurityToken>"
             % (X509V3, WSSE, WSSE, wrapped(der(request["cert"])))
             if done else
             "<SecurityTokenReference xmlns=\"%s\"><Reference URI=\"%s\"/>"
             "</SecurityTokenReference>"
             % (WSSE, escape(call.emulator.bases[0] + call.path)))
    certs = [request["cert"]] if done else []
    return ANSWER.format(
        language=language, words=issued if done else taken, token=token,
        response=wrapped(call.authority.pkcs7(*certs)), number=request["id"])
