"""What an ADCS decides: templates, rights, requests and their numbers.

SPDX-License-Identifier: Apache-2.0

Names and values of the errors are Windows' own; which of them comes when is
believed, see the manual's adcs.md: nothing here has been compared with a CA
on Windows yet.
"""
import datetime
import os
import pathlib
import subprocess
import tempfile

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID

import pkcs10

ISSUED, PENDING, DENIED, FAILED = "issued", "pending", "denied", "failed"

AGENT = "1.3.6.1.4.1.311.20.2.1"

# what a template may add: names of the account that asks, or fixed ones
SID = x509.ObjectIdentifier("1.3.6.1.4.1.311.25.2")
# OtherName { 1.3.6.1.4.1.311.25.2.1, S-1-5-21-1-2-500 }
ACCOUNT_SID = bytes.fromhex(
    "3022a020060a2b060104018237190201a0120410") + b"S-1-5-21-1-2-500"
ACCOUNT_UPN = x509.OtherName(
    x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"),
    b"\x0c\x14administrator@lab.ad")
ADDED = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Sandbox AG")]

# as an administrator sets them, and a test by PUT settings
SETTINGS = {
    "language": "en",
    "approval": False,          # by a CA manager
    "suspended": False,
    "accounts": ["svc-scep", "gateway"],     # with the right to enrol
    "rsa_bits": 2048,
    "required": ["CN"],
}

# name: whether it demands a signature of an enrolment agent
TEMPLATES = {"ScepDevice": False, "ScepSigned": True}

ERRORS = {
    0x80070005: ("E_ACCESSDENIED", "Access is denied."),
    0x800706BA: ("RPC_S_SERVER_UNAVAILABLE",
                 "The RPC server is unavailable."),
    0x8009310B: ("CRYPT_E_ASN1_BADTAG", "ASN1 bad tag value met."),
    0x80094001: ("CERTSRV_E_BAD_REQUESTSUBJECT", "The request subject name "
                 "is invalid or too long."),
    0x80094002: ("CERTSRV_E_NO_REQUEST", "The request does not exist."),
    0x80094003: ("CERTSRV_E_BAD_REQUESTSTATUS", "The request's current "
                 "status does not allow this operation."),
    0x80094006: ("CERTSRV_E_SERVER_SUSPENDED", "The certificate authority's "
                 "certificate service has been suspended."),
    0x80094009: ("CERTSRV_E_RESTRICTEDOFFICER", "The operation is denied. "
                 "It can only be performed by a certificate manager that is "
                 "allowed to manage certificates for the current requester."),
    0x8009400F: ("CERTSRV_E_NO_DB_SESSIONS", "An attempt was made to open a "
                 "Certification Authority database session, but there are "
                 "already too many active sessions."),
    0x80094011: ("CERTSRV_E_ENROLL_DENIED", "The permissions on this "
                 "certification authority do not allow the current user to "
                 "enroll for certificates."),
    0x80094012: ("CERTSRV_E_TEMPLATE_DENIED", "The permissions on the "
                 "certificate template do not allow the current user to "
                 "enroll for this type of certificate."),
    0x80094014: ("CERTSRV_E_ADMIN_DENIED_REQUEST", "The request was denied "
                 "by a certificate manager or CA administrator."),
    0x80094015: ("CERTSRV_E_NO_POLICY_SERVER", "An enrollment policy server "
                 "cannot be located."),
    0x80094016: ("CERTSRV_E_WEAK_SIGNATURE_OR_KEY", "A signature algorithm "
                 "or public key length does not meet the system's minimum "
                 "required strength."),
    0x80094800: ("CERTSRV_E_UNSUPPORTED_CERT_TYPE", "The requested "
                 "certificate template is not supported by this CA."),
    0x80094801: ("CERTSRV_E_NO_CERT_TYPE", "The request contains no "
                 "certificate template information."),
    0x80094802: ("CERTSRV_E_TEMPLATE_CONFLICT", "The request contains "
                 "conflicting template information."),
    0x80094803: ("CERTSRV_E_SUBJECT_ALT_NAME_REQUIRED", "The request is "
                 "missing a required Subject Alternate name extension."),
    0x80094809: ("CERTSRV_E_SIGNATURE_POLICY_REQUIRED", "The request is "
                 "missing a required signature policy extension."),
    0x8009480A: ("CERTSRV_E_SIGNATURE_COUNT", "The request is missing one "
                 "or more required signatures."),
    0x8009480B: ("CERTSRV_E_SIGNATURE_REJECTED", "One or more signatures did "
                 "not include the required application or issuance "
                 "policies."),
    0x8009480F: ("CERTSRV_E_SUBJECT_DNS_REQUIRED", "The DNS name is "
                 "unavailable and cannot be added to the Subject Alternate "
                 "name."),
    0x80094811: ("CERTSRV_E_KEY_LENGTH", "The public key does not meet the "
                 "minimum size required by the specified certificate "
                 "template."),
    0x80092012: ("CRYPT_E_NO_REVOCATION_CHECK", "The revocation function was "
                 "unable to check revocation for the certificate."),
    0x80092013: ("CRYPT_E_REVOCATION_OFFLINE", "The revocation function was "
                 "unable to check revocation because the revocation server "
                 "was offline."),
}


class Refused(Exception):
    """An HRESULT; number is set where the request was filed."""

    def __init__(self, code, number=None, invalid=True):
        super().__init__("0x%08X" % code)
        self.code = code
        self.number = number
        self.invalid = invalid


def signed(code):
    return code - (1 << 32) if code & 0x80000000 else code


def words_of(code):
    """As the CA puts it: text, code, decimal value and name."""
    name, text = ERRORS.get(code, ("", "Error"))
    return "%s 0x%08x (%d %s)" % (text, code, signed(code), name)


def der(thing):
    return thing.public_bytes(serialization.Encoding.DER)


def account_name(user):
    """LAB\\svc-scep, svc-scep@LAB.TEST and svc-scep are the same one."""
    return user.rpartition("\\")[2].partition("@")[0].lower()


class Authority:
    def __init__(self, pki, tls):
        self.settings = dict(SETTINGS)
        self.chain = [x509.load_pem_x509_certificate(
            (pki / name).read_bytes()) for name in ("issuing.pem",
                                                    "root.pem")]
        self.key = serialization.load_pem_private_key(
            (pki / "issuing.key").read_bytes(), None)
        self.stray_key = ec.generate_private_key(ec.SECP256R1())
        self.agents = tls / "management.pem"
        self.last = 60
        self.requests = {}

    def forget(self):
        self.settings = dict(SETTINGS)
        self.requests.clear()

    # ------------------------------------------------------------- requests

    def submit(self, blob, template, user):
        """@return the request, issued or pending; else raises Refused"""
        if self.settings["suspended"]:
            raise Refused(0x80094006, invalid=False)
        csr, agent = self.read(blob)
        self.last += 1
        request = {"id": self.last, "status": FAILED, "template": template,
                   "account": account_name(user), "agent": agent, "code": 0,
                   "csr": csr, "cert": None}
        self.requests[self.last] = request
        try:
            self.judge(request, csr)
        except Refused as refused:
            request.update(status=DENIED, code=refused.code)
            raise Refused(refused.code, request["id"]) from None
        if self.settings["approval"]:
            request["status"] = PENDING
        else:
            self.issue(request["id"])
        return request

    def judge(self, request, csr):
        if request["account"] not in self.settings["accounts"]:
            raise Refused(0x80094012)
        if not request["template"]:
            raise Refused(0x80094801)
        if request["template"] not in TEMPLATES:
            raise Refused(0x80094800)
        if TEMPLATES[request["template"]] and not request["agent"]:
            raise Refused(0x8009480A)
        if "CN" in self.settings["required"] and \
                not csr.subject.get_attributes_for_oid(NameOID.COMMON_NAME):
            raise Refused(0x80094001)
        key = csr.public_key()
        if isinstance(key, rsa.RSAPublicKey) \
                and key.key_size < self.settings["rsa_bits"]:
            raise Refused(0x80094811)

    def read(self, blob):
        """A PKCS#10, or one in a CMS that an enrolment agent signed."""
        csr = pkcs10.load(blob)
        if csr:
            return csr, None
        with tempfile.TemporaryDirectory() as scratch:
            signer = pathlib.Path(scratch, "signer.pem")
            done = subprocess.run(
                ["openssl", "cms", "-verify", "-inform", "DER", "-binary",
                 "-CAfile", self.agents, "-purpose", "any",
                 "-signer", signer], input=blob, capture_output=True)
            if done.returncode:
                raise Refused(0x8009310B)
            agent = x509.load_pem_x509_certificate(signer.read_bytes())
        usages = agent.extensions.get_extension_for_class(
            x509.ExtendedKeyUsage).value
        if AGENT not in [usage.dotted_string for usage in usages]:
            raise Refused(0x8009480B)
        csr = pkcs10.load(done.stdout)
        if csr is None:
            raise Refused(0x8009310B)
        return csr, agent.subject.rfc4514_string()

    def find(self, number, user):
        """A request, for the account alone that made it."""
        request = self.requests.get(number)
        if request is None:
            raise Refused(0x80094002)
        if request["account"] != account_name(user):
            raise Refused(0x80070005)
        if request["status"] == DENIED:
            raise Refused(request["code"], number)
        return request

    def issue(self, number):
        request = self.requests[number]
        request.update(status=ISSUED, cert=self.sign(request["csr"]))

    def deny(self, number):
        self.requests[number].update(status=DENIED, code=0x80094014)

    # --------------------------------------------------------- certificates

    def sign(self, csr, how=None):
        """how: other-key, other-issuer, for one that nobody asked for; upn,
        sid, organization: what a template adds that builds the subject from
        the account, or has it fixed."""
        now = datetime.datetime.utcnow()
        key = self.stray_key if how == "other-issuer" else self.key
        builder = x509.CertificateBuilder(
            issuer_name=self.chain[0].subject,
            subject_name=x509.Name([*csr.subject, *ADDED]
                                   if how == "organization" else csr.subject),
            public_key=(self.stray_key if how == "other-key"
                        else csr).public_key(),
            serial_number=int.from_bytes(b"\x61" + os.urandom(18), "big"),
            not_valid_before=now - datetime.timedelta(minutes=10),
            not_valid_after=now + datetime.timedelta(days=365))
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
                self.chain[0].extensions.get_extension_for_class(
                    x509.SubjectKeyIdentifier).value), critical=False)
        if how == "sid":
            builder = builder.add_extension(
                x509.UnrecognizedExtension(SID, ACCOUNT_SID), critical=False)
        try:
            asked = csr.extensions.get_extension_for_class(
                x509.SubjectAlternativeName)
            sans, critical = list(asked.value), asked.critical
        except x509.ExtensionNotFound:
            sans, critical = [], False
        if how == "upn":
            sans.append(ACCOUNT_UPN)
        if sans:
            builder = builder.add_extension(
                x509.SubjectAlternativeName(sans), critical=critical)
        return builder.sign(key, hashes.SHA256())

    def pkcs7(self, *certs):
        return pkcs7.serialize_certificates(
            [*certs, *self.chain], serialization.Encoding.DER)
