"""certsrv, the web enrolment pages of ADCS.

SPDX-License-Identifier: Apache-2.0

Each answer is a page with status 200, in the language of the server; what
does not change with the language are addresses, elements' ids and codes.
"""
import base64
import urllib.parse
from html import escape

from cryptography.hazmat.primitives.serialization import Encoding

from adcs_ca import ISSUED, Refused, der, words_of
from ejbca import Answer

WORDS = {
    "en": {
        "issued": "Certificate Issued",
        "was": "The certificate you requested was issued to you.",
        "pending": "Certificate Pending",
        "wait": "Your certificate request has been received. However, you "
        "must wait for an administrator to issue the certificate you "
        "requested.",
        "denied": "Certificate Request Denied",
        "no": "Your certificate request was denied.",
        "id": "Your Request Id is %d.",
        "message": "The disposition message is \"%s\".",
        "by": "Denied by Policy Module  %s",
        "taken": "Taken Under Submission",
        "unknown": "(unknown)",
        "done": "The operation completed successfully.",
    },
    "de": {
        "issued": "Zertifikat wurde ausgestellt",
        "was": "Das angeforderte Zertifikat wurde für Sie ausgestellt.",
        "pending": "Zertifikat ausstehend",
        "wait": "Ihre Zertifikatanforderung ist eingegangen. Sie müssen "
        "jedoch warten, bis ein Administrator das Zertifikat ausstellt.",
        "denied": "Zertifikatanforderung wurde verweigert",
        "no": "Ihre Zertifikatanforderung wurde verweigert.",
        "id": "Die Anforderungskennung lautet %d.",
        "message": "Die Dispositionsmeldung lautet \"%s\".",
        "by": "Vom Richtlinienmodul verweigert  %s",
        "taken": "Zur Bearbeitung angenommen",
        "unknown": "(unbekannt)",
        "done": "Der Vorgang wurde erfolgreich beendet.",
    },
    "fr": {
        "issued": "Certificat émis",
        "was": "Le certificat que vous avez demandé a été émis.",
        "pending": "Certificat en attente",
        "wait": "Votre demande de certificat a été reçue. Cependant, vous "
        "devez attendre qu’un administrateur émette le certificat.",
        "denied": "Demande de certificat refusée",
        "no": "Votre demande de certificat a été refusée.",
        "id": "Votre identificateur de demande est %d.",
        "message": "Le message de disposition est « %s ».",
        "by": "Refusé par le module de stratégie  %s",
        "taken": "Pris pour soumission",
        "unknown": "(inconnu)",
        "done": "L’opération a réussi.",
    },
}

PAGE = """\
<HTML><Head>
<Meta HTTP-Equiv="Content-Type" Content="text/html; charset=UTF-8">
<Title>Microsoft Active Directory Certificate Services</Title>
</Head><Body BgColor=#FFFFFF Link=#0000FF>
<Font Face="Arial"><LocID ID=locMSCertSrv>Microsoft Active Directory \
Certificate Services</LocID> &nbsp;--&nbsp; Sandbox CA 2016</Font>
<P ID=locPageTitle><Font Face="Arial" Size=-1><B>{title}</B></Font>
{body}
</Body></HTML>
"""

LINKS = """\
<A Href="certnew.cer?ReqID={id}&Enc=bin" ID=locDownloadCert3>cer</A>
<A Href="certnew.p7b?ReqID={id}&Enc=bin" ID=locDownloadCert4>p7b</A>
"""

ERROR = """\
<DL>
<DT ID=locDispLabel><B>Disposition:</B><DD>  {disposition} \
<LocID ID=locDispSpacer>-</LocID> <LocID ID=locDispUnknown>{unknown}</LocID>
<DT ID=locDispMsgLabel><B>Disposition message:</B><DD>
\t\t{message}
<DT ID=locResultLabel><B>Result:</B><DD>  {done} 0x0 (WIN32: 0)
<DT ID=locLastStatLabel><B>LastStatus:</B><DD>
\t\t{last}
</DL>
"""


def serve(call):
    name = call.path.rpartition("/")[2].lower()
    query = urllib.parse.parse_qs(call.query)
    if name == "certfnsh.asp" and call.method == "POST":
        call.begin("submit")
        return submit(call)
    if name == "certcarc.asp":
        call.begin("chain")
        return call.plain() or page(
            call, "CA", "<Script Language=\"VBScript\">var nRenewals=0;"
            "</Script>")
    if name in ("certnew.cer", "certnew.p7b"):
        number = query.get("ReqID", [""])[0]
        call.begin("chain" if number == "CACert" else "fetch")
        return fetch(call, name, number, query.get("Enc", ["bin"])[0])
    return Answer(404, "", "text/html")


def page(call, title, body):
    return Answer(200, PAGE.format(title=escape(title, quote=False),
                                   body=body), "text/html")


def submit(call):
    words = WORDS[call.language]
    form = {key: values[0] for key, values in urllib.parse.parse_qs(
        call.body.decode("latin-1"), keep_blank_values=True).items()}
    attributes = dict(line.split(":", 1) for line in
                      form.get("CertAttrib", "").split("\r\n") if ":" in line)
    try:
        if form.get("Mode") != "newreq":
            raise ValueError("mode " + str(form.get("Mode")))
        lines = [line for line in form["CertRequest"].splitlines()
                 if "-----" not in line]
        request = call.submit(base64.b64decode("".join(lines)),
                              attributes.get("CertificateTemplate"),
                              attributes)
        plain = call.plain()
        if plain:
            return plain
        if call.fault.get("internal"):
            raise Refused(0x800706BA, invalid=False)
    except Refused as refused:
        return call.plain() or page(call, words["denied"], "\n".join((
            "<P ID=locInfo>" + words["no"],
            "<P ID=locReqID>" + words["id"] % (refused.number or 0),
            words["message"] % escape(
                words["by"] % localised(call, refused.code), quote=False))))
    if request is None:
        return page(call, "", "")
    if request["status"] == ISSUED:
        return page(call, words["issued"], "<P ID=locInfo>" + words["was"]
                    + LINKS.format(id=request["id"]))
    return page(call, words["pending"], "<P ID=locInfo>%s\n<P ID=locReqID>%s"
                % (words["wait"], words["id"] % request["id"]))


def localised(call, code):
    """The code is the same in every language, its text is not."""
    text = words_of(code)
    return text if call.language == "en" else "Meldung " + text[
        text.index("0x"):]


def fetch(call, name, number, encoding):
    plain = call.plain()
    if plain:
        call.wait()
        return plain
    try:
        if number == "CACert":
            call.wait()
            certs, request = call.authority.chain, None
        else:
            request = call.poll(int(number))
            certs = [request["cert"]]
    except Refused as refused:
        return error(call, 2, WORDS[call.language]["by"] % "",
                     localised(call, refused.code))
    if request and request["status"] != ISSUED:
        words = WORDS[call.language]
        return error(call, 5, words["taken"], words["done"]
                     + " 0x0 (WIN32: 0)")
    kind = "application/pkix-cert"
    if name == "certnew.p7b":
        kind = "application/x-pkcs7-certificates"
        data = call.authority.pkcs7(*([] if request is None else certs))
        return Answer(200, data if encoding == "bin" else
                      "-----BEGIN PKCS7-----\r\n%s-----END PKCS7-----\r\n"
                      % base64.encodebytes(data).decode(), kind)
    data = der(certs[0])
    if not call.headers.get("User-Agent", "").startswith("Mozilla/"):
        # as other clients have found
        kind = "text/html"
    return Answer(200, data if encoding == "bin" else
                  certs[0].public_bytes(Encoding.PEM), kind)


def error(call, disposition, message, last):
    return page(call, "Error", ERROR.format(
        disposition=disposition, message=escape(message, quote=False),
        last=escape(last, quote=False),
        unknown=WORDS[call.language]["unknown"],
        done=WORDS[call.language]["done"]))
