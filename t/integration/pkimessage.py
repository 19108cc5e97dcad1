"""pkiMessages, right or wrong, by an encoder that is not OpenSSL's CMS.

SPDX-License-Identifier: Apache-2.0
"""
import os

from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

import der
from der import DER
from pki import DIGESTS, RSA_ENCRYPTION, algorithm, sign

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
RSAES_OAEP = "1.2.840.113549.1.1.7"
MGF1 = "1.2.840.113549.1.1.8"
DATA = "1.2.840.113549.1.7.1"
SIGNED_DATA = "1.2.840.113549.1.7.2"
ENVELOPED_DATA = "1.2.840.113549.1.7.3"

CONTENT_TYPE = "1.2.840.113549.1.9.3"
MESSAGE_DIGEST = "1.2.840.113549.1.9.4"
SIGNING_TIME = "1.2.840.113549.1.9.5"
MESSAGE_TYPE = "2.16.840.1.113733.1.9.2"
PKI_STATUS = "2.16.840.1.113733.1.9.3"
FAIL_INFO = "2.16.840.1.113733.1.9.4"
SENDER_NONCE = "2.16.840.1.113733.1.9.5"
RECIPIENT_NONCE = "2.16.840.1.113733.1.9.6"
TRANSACTION_ID = "2.16.840.1.113733.1.9.7"
FAIL_INFO_TEXT = "1.3.6.1.5.5.7.24.1"

SUCCESS, FAILURE, PENDING = "0", "2", "3"
BAD_ALG, BAD_MESSAGE_CHECK, BAD_REQUEST, BAD_TIME, BAD_CERT_ID = "01234"


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
             spoil=None, inner_type=DATA):
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
    content_info = enc.seq(der.oid(inner_type),
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
