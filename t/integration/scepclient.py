"""A SCEP client whose encoder is not OpenSSL's CMS, and a strict reader.

SPDX-License-Identifier: Apache-2.0

Request builds any pkiMessage, right or wrong; CertRep reads a reply and
raises AssertionError where it is not what RFC 8894 and the statements of
the tests ask for.
"""
import base64
import datetime
import http.client
import os
import socket
import urllib.parse

from asn1crypto import cms
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

import der
from der import DER

DIGESTS = {
    "md5": ("1.2.840.113549.2.5", hashes.MD5),
    "sha1": ("1.3.14.3.2.26", hashes.SHA1),
    "sha224": ("2.16.840.1.101.3.4.2.4", hashes.SHA224),
    "sha256": ("2.16.840.1.101.3.4.2.1", hashes.SHA256),
    "sha384": ("2.16.840.1.101.3.4.2.2", hashes.SHA384),
    "sha512": ("2.16.840.1.101.3.4.2.3", hashes.SHA512),
}
RSA_WITH = {
    "md5": "1.2.840.113549.1.1.4", "sha1": "1.2.840.113549.1.1.5",
    "sha224": "1.2.840.113549.1.1.14", "sha256": "1.2.840.113549.1.1.11",
    "sha384": "1.2.840.113549.1.1.12", "sha512": "1.2.840.113549.1.1.13",
}
ECDSA_WITH = {
    "sha1": "1.2.840.10045.4.1", "sha256": "1.2.840.10045.4.3.2",
    "sha384": "1.2.840.10045.4.3.3", "sha512": "1.2.840.10045.4.3.4",
}
# name: OID, key octets, block octets, algorithm
CIPHERS = {
    "des": ("1.3.14.3.2.7", 8, 8, algorithms.TripleDES),
    "des3": ("1.2.840.113549.3.7", 24, 8, algorithms.TripleDES),
    "aes128": ("2.16.840.1.101.3.4.1.2", 16, 16, algorithms.AES),
    "aes192": ("2.16.840.1.101.3.4.1.22", 24, 16, algorithms.AES),
    "aes256": ("2.16.840.1.101.3.4.1.42", 32, 16, algorithms.AES),
    "camellia128": ("1.2.392.200011.61.1.1.1.2", 16, 16,
                    algorithms.Camellia),
}
# Under Valgrind everything takes its time
PATIENCE = float(os.environ.get("SCEP_HTTPD_WAIT", "30"))
RSA_ENCRYPTION = "1.2.840.113549.1.1.1"
RSAES_OAEP = "1.2.840.113549.1.1.7"
MGF1 = "1.2.840.113549.1.1.8"
DATA = "1.2.840.113549.1.7.1"
SIGNED_DATA = "1.2.840.113549.1.7.2"
ENVELOPED_DATA = "1.2.840.113549.1.7.3"

CONTENT_TYPE = "1.2.840.113549.1.9.3"
MESSAGE_DIGEST = "1.2.840.113549.1.9.4"
SIGNING_TIME = "1.2.840.113549.1.9.5"
CHALLENGE_PASSWORD = "1.2.840.113549.1.9.7"
EXTENSION_REQUEST = "1.2.840.113549.1.9.14"
MESSAGE_TYPE = "2.16.840.1.113733.1.9.2"
PKI_STATUS = "2.16.840.1.113733.1.9.3"
FAIL_INFO = "2.16.840.1.113733.1.9.4"
SENDER_NONCE = "2.16.840.1.113733.1.9.5"
RECIPIENT_NONCE = "2.16.840.1.113733.1.9.6"
TRANSACTION_ID = "2.16.840.1.113733.1.9.7"
FAIL_INFO_TEXT = "1.3.6.1.5.5.7.24.1"

SUBJECT_ALT_NAME = "2.5.29.17"
MS_UPN = "1.3.6.1.4.1.311.20.2.3"
MS_SID = "1.3.6.1.4.1.311.25.2"

SUCCESS, FAILURE, PENDING = "0", "2", "3"
BAD_ALG, BAD_MESSAGE_CHECK, BAD_REQUEST, BAD_TIME, BAD_CERT_ID = "01234"

NAME_TYPES = {"CN": "2.5.4.3", "C": "2.5.4.6", "L": "2.5.4.7",
              "O": "2.5.4.10", "OU": "2.5.4.11", "SN": "2.5.4.5",
              "UN": "1.2.840.113549.1.9.2",
              "E": "1.2.840.113549.1.9.1"}


def algorithm(dotted, parameters=der.null(), enc=DER):
    return enc.seq(der.oid(dotted), parameters)


# ---------------------------------------------------------------- names

def name(*pairs):
    """A Name from ("CN", "x") pairs; a third member is the string's tag."""
    rdns = []
    for kind, value, *tag in pairs:
        string = der.text(tag[0] if tag else der.UTF8, value)
        rdns.append(DER.set_(DER.seq(der.oid(NAME_TYPES[kind]), string)))
    return DER.seq(*rdns)


def dns(value):
    return der.tlv(0x82, value.encode())


def email(value):
    return der.tlv(0x81, value.encode())


def uri(value):
    return der.tlv(0x86, value.encode())


def ip(value):
    family = socket.AF_INET6 if ":" in value else socket.AF_INET
    return der.tlv(0x87, socket.inet_pton(family, value))


def rid(dotted):
    return der.tlv(0x88, der.oid(dotted)[2:])


def dirname(*pairs):
    return der.tlv(0xa4, name(*pairs))


def other_name(dotted, value):
    return der.tlv(0xa0, der.oid(dotted) + der.tlv(0xa0, value))


def upn(value):
    return other_name(MS_UPN, der.text(der.UTF8, value))


def edi_party(value):
    return der.tlv(0xa5, der.tlv(0xa1, der.text(der.UTF8, value)))


# --------------------------------------------------- keys, certs, requests

def rsa_key(size=2048):
    return rsa.generate_private_key(65537, size)


def ec_key(curve=ec.SECP256R1):
    return ec.generate_private_key(curve())


def spki(key):
    return key.public_key().public_bytes(
        serialization.Encoding.DER,
        serialization.PublicFormat.SubjectPublicKeyInfo)


def pem_key(key):
    return key.private_bytes(serialization.Encoding.PEM,
                             serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption())


def pem_cert(certificate):
    body = base64.encodebytes(certificate).decode()
    return ("-----BEGIN CERTIFICATE-----\n%s"
            "-----END CERTIFICATE-----\n" % body).encode()


def sign(key, digest, data):
    """The AlgorithmIdentifier and the signature."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return DER.seq(der.oid("1.3.101.112")), key.sign(data)
    hash_ = DIGESTS[digest][1]()
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return (DER.seq(der.oid(ECDSA_WITH[digest])),
                key.sign(data, ec.ECDSA(hash_)))
    return (algorithm(RSA_WITH[digest]),
            key.sign(data, padding.PKCS1v15(), hash_))


def extension(dotted, value, critical=False):
    parts = [der.oid(dotted)]
    if critical:
        parts.append(der.boolean(True))
    return DER.seq(*parts, DER.octets(value))


def subject_alt_name(*names, critical=False):
    return extension(SUBJECT_ALT_NAME, DER.seq(*names), critical)


def key_usage(*numbers):
    value = 0
    for number in numbers:
        value |= 0x80 >> number
    unused = (value & -value).bit_length() - 1
    return extension("2.5.29.15", der.bits(bytes([value]), unused), True)


def _time(when):
    # GeneralizedTime only where UTCTime cannot say it, as RFC 5280 has it
    if 1950 <= when.year < 2050:
        return der.tlv(0x17, when.strftime("%y%m%d%H%M%SZ").encode())
    return der.tlv(0x18, when.strftime("%Y%m%d%H%M%SZ").encode())


def certificate(key, subject, issuer=None, issuer_key=None, version=3,
                serial=None, days=30, age=0, extensions=(), digest="sha256"):
    """A certificate in DER, self-signed where no issuer is given."""
    issuer = issuer or subject
    issuer_key = issuer_key or key
    if serial is None:
        serial = int.from_bytes(os.urandom(8), "big") >> 1
    now = datetime.datetime.utcnow()
    start = now - datetime.timedelta(days=age, minutes=10)
    end = now + datetime.timedelta(days=days)
    algorithm_id, _ = sign(issuer_key, digest, b"")
    parts = [der.tlv(0xa0, der.integer(version - 1))] if version > 1 else []
    parts += [der.integer(serial), algorithm_id, issuer,
              DER.seq(_time(start), _time(end)), subject, spki(key)]
    if extensions:
        parts.append(der.tlv(0xa3, DER.seq(*extensions)))
    tbs = DER.seq(*parts)
    return DER.seq(tbs, algorithm_id,
                   der.bits(sign(issuer_key, digest, tbs)[1]))


def attribute(dotted, *values):
    return DER.seq(der.oid(dotted), DER.set_(*values))


def challenge_password(text, tag=der.PRINTABLE):
    return attribute(CHALLENGE_PASSWORD, der.text(tag, text))


def extension_request(*extensions):
    return attribute(EXTENSION_REQUEST, DER.seq(*extensions))


def csr(key, subject, *attributes, digest="sha256", sort=True,
        claimed_key=None, spoil=False):
    """A PKCS#10; claimed_key puts another key in than the one that signs."""
    attributes = sorted(attributes) if sort else attributes
    info = DER.seq(der.integer(0), subject, spki(claimed_key or key),
                   der.tlv(0xa0, b"".join(attributes)))
    algorithm_id, signature = sign(key, digest, info)
    if spoil:
        signature = signature[:-1] + bytes([signature[-1] ^ 1])
    return DER.seq(info, algorithm_id, der.bits(signature))


# ------------------------------------------------------------- pkiMessage

class Pkcs1:
    """Key transport RSAES-PKCS1-v1_5."""
    oid = RSA_ENCRYPTION

    def algorithm(self):
        return algorithm(self.oid)

    def padding(self):
        return padding.PKCS1v15()


class Oaep:
    """Key transport RSAES-OAEP.

    params: explicit (hash and mask written out), empty (an empty SEQUENCE),
    null, absent; the last three say SHA-1.
    """
    oid = RSAES_OAEP

    def __init__(self, digest="sha1", mgf=None, params="explicit"):
        self.digest = digest
        self.mgf = mgf or digest
        self.params = params

    def algorithm(self):
        if self.params == "absent":
            return DER.seq(der.oid(self.oid))
        if self.params == "null":
            return algorithm(self.oid)
        if self.params == "empty":
            return algorithm(self.oid, DER.seq())
        mask = algorithm(MGF1, algorithm(DIGESTS[self.mgf][0]))
        return algorithm(self.oid, DER.seq(
            der.tlv(0xa0, algorithm(DIGESTS[self.digest][0])),
            der.tlv(0xa1, mask)))

    def padding(self):
        return padding.OAEP(padding.MGF1(DIGESTS[self.mgf][1]()),
                            DIGESTS[self.digest][1](), None)


def issuer_and_serial(cert):
    tbs = asn1_x509.Certificate.load(cert)["tbs_certificate"]
    return DER.seq(tbs["issuer"].dump(), tbs["serial_number"].dump())


def public_key(cert):
    parsed = asn1_x509.Certificate.load(cert)
    return serialization.load_der_public_key(
        parsed["tbs_certificate"]["subject_public_key_info"].dump())


def crypt(cipher, key, iv, data, decrypt=False):
    mode = Cipher(CIPHERS[cipher][3](key), modes.CBC(iv))
    operation = mode.decryptor() if decrypt else mode.encryptor()
    return operation.update(data) + operation.finalize()


def pad(data, block):
    padder = PKCS7(block * 8).padder()
    return padder.update(data) + padder.finalize()


def envelope(data, recipients, cipher="aes128", transport=None, enc=DER,
             spoil=None):
    """An EnvelopedData in its ContentInfo.

    recipients are certificates in DER.  spoil: "key" (the content key is
    wrong), "padding" (the content's padding is), "content" (last octet),
    "transport" (the encrypted key itself).
    """
    transport = transport or Pkcs1()
    cipher_oid, key_size, block, _ = CIPHERS[cipher]
    key, iv = os.urandom(key_size), os.urandom(block)
    plain = pad(data, block)
    if spoil == "padding":
        plain = plain[:-1] + b"\xee"
    content = crypt(cipher, key, iv, plain)
    if spoil == "content":
        content = content[:-1] + bytes([content[-1] ^ 0x55])
    if spoil == "key":
        key = os.urandom(key_size)
    infos = []
    for recipient in recipients:
        encrypted = public_key(recipient).encrypt(key, transport.padding())
        if spoil == "transport":
            encrypted = encrypted[:40] + bytes(8) + encrypted[48:]
        infos.append(enc.seq(der.integer(0), issuer_and_serial(recipient),
                             transport.algorithm(), enc.octets(encrypted)))
    content_info = enc.seq(der.oid(DATA),
                           algorithm(cipher_oid, der.tlv(der.OCTETS, iv),
                                     enc),
                           enc.octets(content, 0x80))
    return enc.seq(der.oid(ENVELOPED_DATA), enc.explicit(0, enc.seq(
        der.integer(0), enc.set_(*infos), content_info)))


class Request:
    """One pkiMessage.

    Set any member before build(); `attributes` may add, replace (by OID) or
    with None remove signed attributes, each given as its encoded value (the
    octets alone for messageDigest and senderNonce) or a list of values.
    """

    def __init__(self, key, csr_der, signer, recipients):
        self.key = key
        self.data = csr_der
        self.signer = signer
        self.recipients = recipients
        self.message_type = "19"
        self.transaction_id = os.urandom(16).hex()
        self.transaction_id_tag = der.PRINTABLE
        self.sender_nonce = os.urandom(16)
        self.digest = "sha256"
        self.cipher = "aes128"
        self.transport = Pkcs1()
        self.enc = DER
        self.sort_attributes = True
        self.attributes = {}
        self.signature_oid = RSA_ENCRYPTION
        self.spoil_envelope = None
        self.spoil_signature = False
        self.certificates = None
        self.econtent = None
        self.econtent_type = DATA
        # false: the server may not be able to tell what it says
        self.readable = True

    def _signed_attributes(self, content):
        """The attributes in DER order, each as it is signed and as sent."""
        def both(make):
            return make(DER), make(self.enc)

        digest = hashes.Hash(DIGESTS[self.digest][1]())
        digest.update(content)
        values = {
            CONTENT_TYPE: der.oid(self.econtent_type),
            MESSAGE_DIGEST: digest.finalize(),
            MESSAGE_TYPE: der.text(der.PRINTABLE, self.message_type),
            TRANSACTION_ID: der.text(self.transaction_id_tag,
                                     self.transaction_id),
            SENDER_NONCE: self.sender_nonce,
        }
        values.update(self.attributes)
        parts = []
        for dotted, value in values.items():
            if value is None:
                continue
            value = value if isinstance(value, list) else [value]
            if dotted in (MESSAGE_DIGEST, SENDER_NONCE):
                parts.append(both(lambda enc: enc.seq(
                    der.oid(dotted), enc.set_(*map(enc.octets, value)))))
            else:
                parts.append(both(lambda enc: enc.seq(
                    der.oid(dotted), enc.set_(*value))))
        return sorted(parts)

    def _signer_info(self, content):
        enc = self.enc
        attributes = self._signed_attributes(content)
        to_sign = [signed for signed, _ in attributes]
        attributes = [sent for _, sent in attributes]
        algorithm_id, signature = sign(self.key, self.digest,
                                       DER.set_(*to_sign))
        if self.signature_oid and isinstance(self.key, rsa.RSAPrivateKey):
            algorithm_id = algorithm(self.signature_oid)
        if self.spoil_signature:
            signature = signature[:-1] + bytes([signature[-1] ^ 1])
        if not self.sort_attributes:
            attributes.reverse()
        return enc.seq(der.integer(1), issuer_and_serial(self.signer),
                       algorithm(DIGESTS[self.digest][0]),
                       enc.cons(0xa0, *attributes), algorithm_id,
                       enc.octets(signature))

    def build(self):
        enc = self.enc
        content = self.econtent
        if content is None:
            content = envelope(self.data, self.recipients, self.cipher,
                               self.transport, enc, self.spoil_envelope)
        certificates = self.certificates
        if certificates is None:
            certificates = [self.signer]
        parts = [der.integer(1),
                 enc.set_(algorithm(DIGESTS[self.digest][0])),
                 enc.seq(der.oid(self.econtent_type),
                         enc.explicit(0, enc.octets(content)))]
        if certificates:
            parts.append(enc.cons(0xa0, *certificates))
        parts.append(enc.set_(self._signer_info(content)))
        return enc.seq(der.oid(SIGNED_DATA),
                       enc.explicit(0, enc.seq(*parts)))


# ----------------------------------------------------------------- replies

def read_degenerate(data):
    """The certificates of a certificates-only SignedData, order kept."""
    der.check_der(data)
    info = cms.ContentInfo.load(data, strict=True)
    assert info["content_type"].native == "signed_data"
    signed = info["content"]
    assert signed["version"].native == "v1"
    assert len(signed["digest_algorithms"]) == 0
    assert len(signed["signer_infos"]) == 0
    inner = signed["encap_content_info"]
    assert inner["content_type"].native == "data"
    assert inner.dump() == DER.seq(der.oid(DATA)), "content must be absent"
    assert not signed["crls"]
    return [choice.chosen.dump() for choice in signed["certificates"]]


def verify_issued(cert, issuer):
    """Checks the signature of one certificate (DER) by another."""
    child = x509.load_der_x509_certificate(cert)
    parent = x509.load_der_x509_certificate(issuer)
    assert child.issuer == parent.subject
    key = parent.public_key()
    arguments = [child.signature, child.tbs_certificate_bytes]
    if isinstance(key, rsa.RSAPublicKey):
        arguments.append(padding.PKCS1v15())
        arguments.append(child.signature_hash_algorithm)
    else:
        arguments.append(ec.ECDSA(child.signature_hash_algorithm))
    key.verify(*arguments)


def verify_chain(chain):
    for child, parent in zip(chain, chain[1:]):
        verify_issued(child, parent)


class CertRep:
    """A reply, checked against the request that it answers.

    identity  what GetCACert gave: an Identity
    absent    the profile says ScepFailureContent absent
    pkcs1     the profile says ScepReplyKeyTransport pkcs1
    signer    the reply carries the RA's certificate
    """

    def __init__(self, data, request, identity, absent=False, pkcs1=False,
                 signer=True, digest=None):
        der.check_der(data)
        info = cms.ContentInfo.load(data, strict=True)
        assert info["content_type"].native == "signed_data"
        signed = info["content"]
        assert signed["version"].native == "v1"
        self.request = request
        self.identity = identity
        digest_oid = DIGESTS[digest or request.digest][0]
        digests = [item["algorithm"].dotted
                   for item in signed["digest_algorithms"]]
        assert digests == [digest_oid], digests
        content = self._content(signed)
        self._verify(signed, content, digest_oid, signer)
        self._read_attributes()
        self.certificates = []
        self.cert = None
        if self.status == SUCCESS:
            assert content
            self._open(content, pkcs1)
        elif absent:
            assert content is None
        else:
            assert content == b""

    @staticmethod
    def _content(signed):
        encap = signed["encap_content_info"]
        assert encap["content_type"].dotted == DATA
        parts = list(der.split(encap.dump()))
        inner = list(der.split(parts[0][1]))
        if len(inner) == 1:
            return None
        assert inner[1][0] == 0xa0
        (tag, octets, _), = der.split(inner[1][1])
        assert tag == der.OCTETS
        return octets

    def _verify(self, signed, content, digest_oid, signer):
        info, = signed["signer_infos"]
        assert info["version"].native == "v1"
        ra = self.identity.sign_cert
        assert info["sid"].chosen.dump() == issuer_and_serial(ra)
        certs = [choice.chosen.dump() for choice in signed["certificates"]]
        assert certs == ([ra] if signer else [])
        assert info["digest_algorithm"]["algorithm"].dotted == digest_oid
        assert info["signature_algorithm"].dump() == \
            algorithm(RSA_ENCRYPTION)
        attributes = info["signed_attrs"]
        hash_ = next(h for o, h in DIGESTS.values() if o == digest_oid)
        public_key(ra).verify(info["signature"].native,
                              b"\x31" + attributes.dump()[1:],
                              padding.PKCS1v15(), hash_())
        self.values = {}
        for item in attributes:
            dotted = item["type"].dotted
            assert dotted not in self.values
            (_, values, _), = [part for part in der.split(item.dump())]
            (_, one, _) = list(der.split(values))[1]
            value, = der.split(one)
            self.values[dotted] = value
        digest = hashes.Hash(hash_())
        digest.update(content or b"")
        assert self.values[MESSAGE_DIGEST][1] == digest.finalize()
        assert self.values[CONTENT_TYPE][2] == der.oid(DATA)
        assert len(info["unsigned_attrs"]) == 0

    def _printable(self, dotted):
        tag, content, _ = self.values[dotted]
        assert tag == der.PRINTABLE, (dotted, tag)
        return content.decode()

    def _read_attributes(self):
        request = self.request
        assert self._printable(MESSAGE_TYPE) == "3"
        self.status = self._printable(PKI_STATUS)
        assert self.status in (SUCCESS, FAILURE, PENDING)
        wanted = {CONTENT_TYPE, MESSAGE_DIGEST, MESSAGE_TYPE, PKI_STATUS,
                  SENDER_NONCE}
        wanted |= self._check_echo()
        tag, nonce, _ = self.values[SENDER_NONCE]
        assert tag == der.OCTETS and len(nonce) == 16
        self.sender_nonce = nonce
        self.fail_info = self.fail_text = None
        if self.status == FAILURE:
            wanted.add(FAIL_INFO)
            self.fail_info = self._printable(FAIL_INFO)
            assert self.fail_info in "01234"
            if FAIL_INFO_TEXT in self.values:
                wanted.add(FAIL_INFO_TEXT)
                tag, content, _ = self.values[FAIL_INFO_TEXT]
                assert tag == der.UTF8 and len(content) <= 200
                self.fail_text = content.decode()
        # CMS's own, which clients know (C-60)
        wanted |= {SIGNING_TIME} & set(self.values)
        assert set(self.values) == wanted, set(self.values) ^ wanted

    def _check_echo(self):
        """What of the request the reply repeats, where it could be read."""
        request = self.request
        echo = {TRANSACTION_ID, RECIPIENT_NONCE}
        if not request.readable:
            return echo & set(self.values)
        if TRANSACTION_ID in request.attributes:
            echo.remove(TRANSACTION_ID)
        else:
            tag, content, _ = self.values[TRANSACTION_ID]
            codec = {der.PRINTABLE: "ascii", der.UTF8: "utf-8"}[tag]
            assert content.decode(codec) == request.transaction_id
        if SENDER_NONCE in request.attributes:
            echo.remove(RECIPIENT_NONCE)
        else:
            assert self.values[RECIPIENT_NONCE][:2] == \
                (der.OCTETS, request.sender_nonce)
        return echo

    def _open(self, content, pkcs1):
        request = self.request
        info = cms.ContentInfo.load(content, strict=True)
        assert info["content_type"].native == "enveloped_data"
        enveloped = info["content"]
        assert enveloped["version"].native == "v0"
        recipient = enveloped["recipient_infos"]
        assert len(recipient) == 1
        recipient = recipient[0].chosen
        assert recipient["rid"].chosen.dump() == \
            issuer_and_serial(request.signer)
        transport = Pkcs1() if pkcs1 else request.transport
        self._check_transport(recipient["key_encryption_algorithm"],
                              transport)
        key = request.key.decrypt(recipient["encrypted_key"].native,
                                  transport.padding())
        inner = enveloped["encrypted_content_info"]
        assert inner["content_type"].native == "data"
        cipher = inner["content_encryption_algorithm"]
        assert cipher["algorithm"].dotted == CIPHERS[request.cipher][0]
        iv = cipher["parameters"].native
        plain = crypt(request.cipher, key, iv,
                      inner["encrypted_content"].native, True)
        unpad = PKCS7(CIPHERS[request.cipher][2] * 8).unpadder()
        plain = unpad.update(plain) + unpad.finalize()
        self.certificates = read_degenerate(plain)
        self.cert = x509.load_der_x509_certificate(self.certificates[0])

    @staticmethod
    def _check_transport(sent, transport):
        assert sent["algorithm"].dotted == transport.oid
        parts = [whole for _, _, whole in der.split(
            next(der.split(sent.dump()))[1])]
        if transport.oid == RSA_ENCRYPTION:
            assert parts[1:] == [der.null()]
            return
        # C-55: an explicit SEQUENCE, empty where all is default
        assert len(parts) == 2 and parts[1][0] == der.SEQUENCE
        params = sent["parameters"]
        assert params["hash_algorithm"]["algorithm"].native == \
            transport.digest
        assert params["mask_gen_algorithm"]["parameters"][
            "algorithm"].native == transport.mgf

    def check_issued(self, key):
        """SUCCESS: the certificate has this key and the CA's signature."""
        assert self.status == SUCCESS, (self.fail_info, self.fail_text)
        issued = self.certificates[0]
        assert self.cert.public_key().public_bytes(
            serialization.Encoding.DER,
            serialization.PublicFormat.SubjectPublicKeyInfo) == spki(key)
        verify_issued(issued, self.identity.chain[0])
        return self.cert


class Identity:
    """What GetCACert says: RA certificates and the CA's chain."""

    def __init__(self, certificates):
        self.certificates = certificates
        cas = [c for c in certificates if _is_ca(c)]
        ras = [c for c in certificates if not _is_ca(c)]
        self.chain = order_chain(cas)
        self.sign_cert = self._pick(ras, "digital_signature") or cas[0]
        self.encrypt_cert = self._pick(ras, "key_encipherment") or cas[0]

    @staticmethod
    def _pick(certs, usage):
        for cert in certs:
            value = asn1_x509.Certificate.load(cert).key_usage_value
            if value is None or usage in value.native:
                return cert
        return None

    def verify(self):
        for cert in (self.sign_cert, self.encrypt_cert):
            if cert not in self.chain:
                verify_issued(cert, self.chain[0])
        verify_chain(self.chain)


def _is_ca(cert):
    value = asn1_x509.Certificate.load(cert).basic_constraints_value
    return bool(value and value["ca"].native)


def order_chain(certs):
    """CA certificates, issuing CA first."""
    parsed = {c: asn1_x509.Certificate.load(c) for c in certs}
    issuers = {p.issuer.dump() for c, p in parsed.items()
               if p.issuer.dump() != p.subject.dump()}
    first = [c for c, p in parsed.items()
             if p.subject.dump() not in issuers] or certs[:1]
    chain = first[:1]
    while chain:
        issuer = parsed[chain[-1]].issuer.dump()
        above = [c for c, p in parsed.items()
                 if p.subject.dump() == issuer and c not in chain]
        if not above:
            break
        chain.append(above[0])
    return chain


# -------------------------------------------------------------------- HTTP

class Response:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def __repr__(self):
        return "<%s %s %r>" % (self.status, self.headers.get("content-type"),
                               self.body[:200])


def read_response(stream, method="GET"):
    response = http.client.HTTPResponse(stream, method=method)
    response.begin()
    body = response.read()
    headers = {}
    for key, value in response.getheaders():
        headers[key.lower()] = value
    return Response(response.status, headers, body)


def raw(port, data, method="GET", timeout=PATIENCE, close=False):
    """Sends octets as they are; the response, or None where there is none."""
    with socket.create_connection(("127.0.0.1", port), timeout) as stream:
        try:
            stream.sendall(data)
            if close:
                stream.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass
        try:
            return read_response(stream, method)
        except (http.client.BadStatusLine, ConnectionResetError):
            return None


def request(url, method="GET", body=None, headers=None, context=None):
    """One request, no redirect followed."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(
            parts.hostname, parts.port, timeout=PATIENCE, context=context)
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port,
                                                timeout=PATIENCE)
    target = parts.path + ("?" + parts.query if parts.query else "")
    try:
        connection.request(method, target, body, headers or {})
        response = connection.getresponse()
        found = {key.lower(): value for key, value in response.getheaders()}
        return Response(response.status, found, response.read())
    finally:
        connection.close()


def get_message(data):
    """base64 with everything that is not a letter or digit escaped."""
    return urllib.parse.quote(base64.b64encode(data).decode(), safe="")


class Endpoint:
    """A SCEP URL with the forms of reply that its profile is set to."""

    def __init__(self, url, context=None, **forms):
        self.url = url
        self.context = context
        self.forms = forms
        self._identity = None

    def get(self, query):
        url = self.url + ("?" + query if query is not None else "")
        return request(url, context=self.context)

    def caps(self):
        response = self.get("operation=GetCACaps")
        assert response.status == 200, response
        return response.body.decode("ascii").split()

    def ca_certificates(self):
        response = self.get("operation=GetCACert&message=x")
        assert response.status == 200, response
        if response.headers["content-type"] == "application/x-x509-ca-cert":
            return [response.body]
        assert response.headers["content-type"] == \
            "application/x-x509-ca-ra-cert"
        return read_degenerate(response.body)

    @property
    def identity(self):
        if self._identity is None:
            self._identity = Identity(self.ca_certificates())
        return self._identity

    @identity.setter
    def identity(self, value):
        self._identity = value

    def request(self, key, csr_der, signer=None, **members):
        """A Request to this endpoint with members set."""
        if signer is None:
            signer = certificate(key, name(("CN", "signer")))
        message = Request(key, csr_der, signer,
                          [self.identity.encrypt_cert])
        for member, value in members.items():
            assert hasattr(message, member), member
            setattr(message, member, value)
        return message

    def post(self, data, content_type="application/x-pki-message", **headers):
        fields = {"Content-Type": content_type} if content_type else {}
        fields.update(headers)
        return request(self.url + "?operation=PKIOperation", "POST", data,
                       fields, self.context)

    def send(self, message, method="POST", data=None):
        """Sends a Request and reads the CertRep."""
        data = message.build() if data is None else data
        if method == "POST":
            response = self.post(data)
        else:
            response = self.get("operation=PKIOperation&message="
                                + get_message(data))
        return self.read(response, message)

    def read(self, response, message):
        assert response.status == 200, response
        assert response.headers["content-type"] == \
            "application/x-pki-message", response
        assert int(response.headers["content-length"]) == len(response.body)
        return CertRep(response.body, message, self.identity, **self.forms)
