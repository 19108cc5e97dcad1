"""Names, keys, certificates and PKCS#10 requests, encoded by hand.

SPDX-License-Identifier: Apache-2.0
"""
import base64
import datetime
import os
import socket

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding
from cryptography.hazmat.primitives.asymmetric import rsa

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
RSA_ENCRYPTION = "1.2.840.113549.1.1.1"
CHALLENGE_PASSWORD = "1.2.840.113549.1.9.7"
EXTENSION_REQUEST = "1.2.840.113549.1.9.14"
SUBJECT_ALT_NAME = "2.5.29.17"
MS_UPN = "1.3.6.1.4.1.311.20.2.3"

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


def serial_text(cert):
    """As logs have it: an octet of zeros at its front is not there."""
    number = cert.serial_number
    return number.to_bytes((number.bit_length() + 7) // 8, "big").hex()
