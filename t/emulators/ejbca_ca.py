"""What an EJBCA knows and decides: end entities, profiles, certificates.

SPDX-License-Identifier: Apache-2.0

Its words and its order of checks are those of EJBCA's REST API as clients of
it have reported them; English, as EJBCA speaks unless told otherwise.
"""
import base64
import collections
import datetime
import json
import os
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

import pkcs10

CA_NAME = "IssuingCA"
CERTIFICATE_PROFILES = ("SCEP-DEVICE",)
END_ENTITY_PROFILES = ("SCEP-EEP",)

NEW, GENERATED = 10, 40

SHORT = {NameOID.COMMON_NAME: "CN", NameOID.ORGANIZATION_NAME: "O",
         NameOID.ORGANIZATIONAL_UNIT_NAME: "OU", NameOID.COUNTRY_NAME: "C",
         NameOID.LOCALITY_NAME: "L", NameOID.SERIAL_NUMBER: "SN"}

# as an administrator sets them, and a test by PUT settings
SETTINGS = {
    "protocol": True,           # REST Certificate Management is switched on
    "ca_active": True,
    "token_online": True,       # of the CA's key
    "approvals": False,
    "unique_dn": True,
    "unique_key": True,
    "required": ["CN"],         # fields that the end entity profile demands
    "curves": ["secp256r1", "secp384r1"],
    "rsa_bits": 2048,
    "days": 365,
    "backdate": 600,            # EJBCA's own default, seconds
    "community": 8.2,           # before 8.1 there is no /v1/ca
    "administrators": ["gateway"],   # common names of client certificates
    "token_life": 3600,
    "query_count": 500,         # "Maximum Query Count" of a search
}

REASONS = ("UNSPECIFIED", "KEY_COMPROMISE", "CA_COMPROMISE",
           "AFFILIATION_CHANGED", "SUPERSEDED", "CESSATION_OF_OPERATION",
           "CERTIFICATE_HOLD", "REMOVE_FROM_CRL", "PRIVILEGES_WITHDRAWN",
           "AA_COMPROMISE")

Issued = collections.namedtuple("Issued", "cert username binding")


class Refused(Exception):
    """What EJBCA answers instead: a status and its error_message."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status
        self.message = message


def dn_text(name):
    """A DN as EJBCA writes it: the common name first."""
    parts = []
    for attribute in reversed(list(name)):
        kind = SHORT.get(attribute.oid, attribute.oid.dotted_string)
        value = attribute.value
        parts.append("%s=%s" % (kind, value.replace(",", "\\,")))
    return ",".join(parts)


def spki(thing):
    return thing.public_key().public_bytes(
        serialization.Encoding.DER,
        serialization.PublicFormat.SubjectPublicKeyInfo)


def der(thing):
    return thing.public_bytes(serialization.Encoding.DER)


def read_csr(text):
    """PEM, or its base64 alone."""
    lines = [line for line in text.splitlines() if "-----" not in line]
    try:
        csr = pkcs10.load(base64.b64decode("".join(lines)))
    except ValueError:
        csr = None
    if csr is None:
        raise Refused(400, "Invalid certificate request")
    return csr


class Authority:
    """One CA with its end entities; what it knows outlives its process."""

    def __init__(self, pki, journal):
        self.settings = dict(SETTINGS)
        self.lock = threading.RLock()
        self.chain = x509.load_pem_x509_certificate(
            (pki / "issuing.pem").read_bytes()), \
            x509.load_pem_x509_certificate((pki / "root.pem").read_bytes())
        self.key = serialization.load_pem_private_key(
            (pki / "issuing.key").read_bytes(), None)
        self.stray_key = ec.generate_private_key(ec.SECP256R1())
        self.entities = {}
        self.issued = []
        self.revoked = {}
        self.journal = journal
        self.load()

    @property
    def dn(self):
        return dn_text(self.chain[0].subject)

    def forget(self):
        """As on the first day."""
        with self.lock:
            self.settings = dict(SETTINGS)
            for known in (self.entities, self.issued, self.revoked):
                known.clear()
            self.journal.unlink(missing_ok=True)

    # -------------------------------------------------------------- journal

    def load(self):
        lines = (self.journal.read_text().splitlines()
                 if self.journal.exists() else [])
        for line in lines:
            kind, value = json.loads(line)
            if kind == "entity":
                self.entities[value["username"]] = value
            elif kind == "issued":
                self.issued.append(Issued(
                    x509.load_der_x509_certificate(
                        base64.b64decode(value["certificate"])),
                    value["username"], value["binding"]))
            else:
                self.revoked[int(value["serial"], 16)] = value

    def note(self, kind, value):
        with open(self.journal, "a") as journal:
            journal.write(json.dumps([kind, value]) + "\n")

    def keep_entity(self, entity):
        self.entities[entity["username"]] = entity
        self.note("entity", entity)

    # ------------------------------------------------------------ enrolment

    def check_ca(self, name):
        if name != CA_NAME:
            raise Refused(400, 'CA with name "%s" doesn\'t exist' % name)

    def check_working(self):
        if not self.settings["ca_active"]:
            raise Refused(400, "CA '%s' is not active. CA status=5"
                          % CA_NAME)
        if not self.settings["token_online"]:
            raise Refused(400, "CA token is offline for CA '%s'." % CA_NAME)

    def check_key(self, csr):
        key = csr.public_key()
        if isinstance(key, rsa.RSAPublicKey):
            good = key.key_size >= self.settings["rsa_bits"]
            what = "RSA %d" % key.key_size
        else:
            curve = getattr(key, "curve", None)
            what = curve.name if curve else type(key).__name__
            good = what in self.settings["curves"]
        if not good:
            raise Refused(400, "Illegal key length/algorithm, not authorized "
                          "by certificate profile: " + what)

    def check_unique(self, username, subject, key):
        if self.settings["unique_dn"]:
            others = [name for name, entity in self.entities.items()
                      if name != username and entity["dn"] == subject]
            if others:
                raise Refused(400, "User '%s' is not allowed to use same "
                              "subject DN as the user(s) %s is/are using "
                              "while issued by the same CA. See setting for "
                              "'Enforce unique DN' in the section "
                              "Certification Authorities."
                              % (username, others))
        if self.settings["unique_key"] and any(
                issued.username != username and spki(issued.cert) == key
                for issued in self.issued):
            raise Refused(400, "User '%s' is not allowed to use same key as "
                          "another user is using." % username)

    def enrol(self, order):
        """pkcs10enroll: adds or overwrites the end entity, then signs."""
        csr = read_csr(order["certificate_request"])
        for member, kind, known in (
                ("certificate_profile_name", "Certificate",
                 CERTIFICATE_PROFILES),
                ("end_entity_profile_name", "End entity",
                 END_ENTITY_PROFILES)):
            if order.get(member) not in known:
                raise Refused(400, '%s profile with name "%s" doesn\'t exist'
                              % (kind, order.get(member)))
        self.check_ca(order.get("certificate_authority_name"))
        if order.get("response_format", "DER") not in ("DER", "PKCS7"):
            raise Refused(400, "Invalid input. Response format can only be "
                          "DER or PKCS7")
        username = order.get("username")
        if not username:
            raise Refused(400, "User name must be specified")
        if self.settings["approvals"]:
            raise Refused(400, "Single transaction enrollment request "
                          "rejected since approvals are enabled for this CA "
                          "(-1207975468) or Certificate Profile (7).")
        subject = dn_text(csr.subject)
        present = {SHORT.get(part.oid) for part in csr.subject}
        for field in self.settings["required"]:
            if field not in present:
                raise Refused(400, "Subject DN field '%s' must exist."
                              % field)
        self.check_working()
        self.check_key(csr)
        self.check_unique(username, subject, spki(csr))
        self.keep_entity({
            "username": username, "dn": subject, "status": GENERATED,
            "profile": order["end_entity_profile_name"],
            "binding": order.get("account_binding_id"), "password": None,
            "times": self.entities.get(username, {}).get("times", 0) + 1})
        return self.sign(csr, csr.subject, username,
                         order.get("account_binding_id"))

    def register(self, username, password, subject=None):
        """What an administrator does in the RA web, or a script in its
        place: an end entity that waits for its request."""
        with self.lock:
            self.keep_entity({
                "username": username, "password": password, "status": NEW,
                "dn": subject, "profile": END_ENTITY_PROFILES[0],
                "binding": None, "times": 0})

    def request(self, order):
        """certificaterequest: the end entity is there and has a code."""
        csr = read_csr(order["certificate_request"])
        self.check_ca(order.get("certificate_authority_name"))
        username = order.get("username")
        entity = self.entities.get(username)
        if entity is None:
            raise Refused(400, "Wrong username or password")
        if entity["status"] != NEW:
            raise Refused(400, "Got request with status GENERATED (40), NEW, "
                          "FAILED or INPROCESS required: %s." % username)
        if entity["password"] != order.get("password"):
            raise Refused(400, "Wrong username or password")
        self.check_working()
        self.check_key(csr)
        subject = csr.subject
        if entity["dn"]:
            # the names are the end entity's, whatever the request says
            subject = x509.Name.from_rfc4514_string(entity["dn"])
        self.check_unique(username, dn_text(subject), spki(csr))
        self.keep_entity({**entity, "status": GENERATED, "password": None,
                          "dn": dn_text(subject),
                          "times": entity["times"] + 1})
        return self.sign(csr, subject, username, None)

    def sign(self, csr, subject, username, binding, key=None):
        now = datetime.datetime.utcnow()
        builder = x509.CertificateBuilder(
            issuer_name=self.chain[0].subject, subject_name=subject,
            public_key=key or csr.public_key(),
            serial_number=int.from_bytes(b"\x4a" + os.urandom(15), "big"),
            not_valid_before=now
            - datetime.timedelta(seconds=self.settings["backdate"]),
            not_valid_after=now
            + datetime.timedelta(days=self.settings["days"]))
        builder = builder.add_extension(
            x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(
            x509.SubjectKeyIdentifier.from_public_key(csr.public_key()),
            critical=False)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
                self.chain[0].extensions.get_extension_for_class(
                    x509.SubjectKeyIdentifier).value), critical=False)
        try:
            sans = csr.extensions.get_extension_for_class(
                x509.SubjectAlternativeName)
            builder = builder.add_extension(sans.value, sans.critical)
        except x509.ExtensionNotFound:
            pass
        cert = builder.sign(self.key, hashes.SHA256())
        self.issued.append(Issued(cert, username, binding))
        self.note("issued", {
            "username": username, "binding": binding,
            "certificate": base64.b64encode(der(cert)).decode()})
        return cert

    def stray(self, csr_text, how):
        """A certificate that is not what was asked for."""
        csr = read_csr(csr_text)
        if how == "other-key":
            return self.sign(csr, csr.subject, "nobody", None,
                             self.stray_key.public_key())
        now = datetime.datetime.utcnow()
        return x509.CertificateBuilder(
            issuer_name=self.chain[0].subject, subject_name=csr.subject,
            public_key=csr.public_key(), serial_number=7,
            not_valid_before=now, not_valid_after=now
            + datetime.timedelta(days=1)).sign(self.stray_key,
                                               hashes.SHA256())

    # --------------------------------------------------------------- asking

    def search(self, query):
        found = list(self.issued)
        for criterion in query["criteria"]:
            value = criterion["value"]
            what = criterion["property"]
            if what == "ISSUED_DATE" and criterion["operation"] == "AFTER":
                after = datetime.datetime.strptime(value,
                                                   "%Y-%m-%dT%H:%M:%SZ")
                found = [one for one in found
                         if one.cert.not_valid_before > after]
            elif criterion["operation"] not in ("EQUAL", "LIKE"):
                raise Refused(400, "Invalid criteria operation value.")
            elif what == "QUERY":
                found = [one for one in found if value in
                         (one.username, dn_text(one.cert.subject))]
            elif what == "EXTERNAL_ACCOUNT_BINDING_ID":
                # compared in capitals
                found = [one for one in found if one.binding
                         and one.binding.upper() == value.upper()]
            else:
                raise Refused(400, "Invalid criteria property value.")
        most = query["max_number_of_results"]
        if not 0 < most <= 400:
            raise Refused(400, "Invalid maximum number of results.")
        most = min(most, self.settings["query_count"])
        return found[:most], len(found) > most

    def find(self, issuer, serial):
        if issuer != self.dn:
            raise Refused(404, "CA with DN: '%s' does not exist" % issuer)
        try:
            number = int(serial, 16)
        except ValueError:
            raise Refused(400, "Invalid serial number format. Should be "
                          "hexadecimal.") from None
        for one in self.issued:
            if one.cert.serial_number == number:
                return one.cert
        raise Refused(404, "Certificate with serial number '%s' and issuer "
                      "DN '%s' was not found" % (serial, issuer))

    def revoke(self, issuer, serial, reason):
        cert = self.find(issuer, serial)
        if reason not in REASONS:
            raise Refused(400, "Invalid revocation reason.")
        if cert.serial_number in self.revoked:
            raise Refused(409, "Certificate with serial number '%s' has "
                          "already been revoked" % serial)
        entry = {"serial": serial, "reason": reason,
                 "date": datetime.datetime.utcnow().strftime(
                     "%Y-%m-%dT%H:%M:%SZ")}
        self.revoked[cert.serial_number] = entry
        self.note("revoked", entry)
        return cert

    def crl(self):
        now = datetime.datetime.utcnow()
        builder = x509.CertificateRevocationListBuilder(
            issuer_name=self.chain[0].subject, last_update=now,
            next_update=now + datetime.timedelta(days=1))
        for number, entry in self.revoked.items():
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder(
                    serial_number=number,
                    revocation_date=datetime.datetime.strptime(
                        entry["date"], "%Y-%m-%dT%H:%M:%SZ")).build())
        return builder.sign(self.key, hashes.SHA256())
