#!/usr/bin/python3
# make_vectors.py - requests that OpenSSL's CMS calls would not make
# SPDX-License-Identifier: Apache-2.0
"""Writes message-*.der beside itself, the same octets every time.

Every length and tag is written by hand here, because that is what most of
these requests are about; names and serial numbers come from asn1crypto.
The keys in ra.pem and client.pem exist for these tests only.
"""
import hashlib
import random
from pathlib import Path

from asn1crypto import core, pem, x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

HERE = Path(__file__).parent
RANDOM = random.Random()

DATA = '1.2.840.113549.1.7.1'
SIGNED = '1.2.840.113549.1.7.2'
ENVELOPED = '1.2.840.113549.1.7.3'
AUTH_ENVELOPED = '1.2.840.113549.1.9.16.1.23'
RSA = '1.2.840.113549.1.1.1'
OAEP = '1.2.840.113549.1.1.7'
PSS = '1.2.840.113549.1.1.10'
MGF1 = '1.2.840.113549.1.1.8'
SHA = {'md5': '1.2.840.113549.2.5', 'sha1': '1.3.14.3.2.26',
       'sha256': '2.16.840.1.101.3.4.2.1', 'sha384': '2.16.840.1.101.3.4.2.2',
       'sha512': '2.16.840.1.101.3.4.2.3'}
CIPHERS = {'des': ('1.3.14.3.2.7', 8, 8),
           'des3': ('1.2.840.113549.3.7', 24, 8),
           'aes128': ('2.16.840.1.101.3.4.1.2', 16, 16),
           'aes256': ('2.16.840.1.101.3.4.1.42', 32, 16),
           'aes128-gcm': ('2.16.840.1.101.3.4.1.6', 16, 12)}
MESSAGE_TYPE = '2.16.840.1.113733.1.9.2'
SENDER_NONCE = '2.16.840.1.113733.1.9.5'
TRANSACTION_ID = '2.16.840.1.113733.1.9.7'
CONTENT_TYPE = '1.2.840.113549.1.9.3'
MESSAGE_DIGEST = '1.2.840.113549.1.9.4'
SIGNING_TIME = '1.2.840.113549.1.9.5'


class Der:
    """Definite lengths, strings in one piece."""

    def tlv(self, tag, *parts):
        body = b''.join(parts)
        size = len(body)
        if size < 128:
            return bytes([tag, size]) + body
        length = size.to_bytes((size.bit_length() + 7) // 8, 'big')
        return bytes([tag, 0x80 | len(length)]) + length + body

    def string(self, tag, octets):
        return self.tlv(tag, octets)


class Ber(Der):
    """Indefinite lengths, strings in pieces, as Apple and jscep send."""

    def tlv(self, tag, *parts):
        if tag & 0x20:
            return bytes([tag, 0x80]) + b''.join(parts) + b'\0\0'
        return super().tlv(tag, *parts)

    def string(self, tag, octets):
        pieces = [Der.tlv(self, 4, octets[at:at + 100])
                  for at in range(0, len(octets), 100)]
        return self.tlv(tag | 0x20, *pieces)


DER, BER = Der(), Ber()


def oid(dotted):
    return core.ObjectIdentifier(dotted).dump()


def integer(number):
    return core.Integer(number).dump()


def algorithm(dotted, parameters=b'\x05\0'):
    return DER.tlv(0x30, oid(dotted), parameters)


def load(name):
    text = (HERE / name).read_bytes()
    key = serialization.load_pem_private_key(text, None)
    certificates = [der for kind, _, der in pem.unarmor(text, multiple=True)
                    if kind == 'CERTIFICATE']
    return key, certificates[0]


def issuer_and_serial(certificate):
    tbs = x509.Certificate.load(certificate)['tbs_certificate']
    return DER.tlv(0x30, tbs['issuer'].dump(), tbs['serial_number'].dump())


RA_KEY, RA = load('ra.pem')
KEY, SIGNER = load('client.pem')
CSR = (HERE / 'client-csr.der').read_bytes()


def raw_rsa(block):
    numbers = RA_KEY.public_key().public_numbers()
    return pow(int.from_bytes(block, 'big'), numbers.e,
               numbers.n).to_bytes(256, 'big')


def pkcs1(key, block_type=2):
    fill = bytes(RANDOM.randrange(1, 256) for _ in range(253 - len(key)))
    return raw_rsa(bytes([0, block_type]) + fill + b'\0' + key)


def mgf1(seed, size, name):
    mask = b''.join(hashlib.new(name, seed + i.to_bytes(4, 'big')).digest()
                    for i in range(size // 20 + 1))
    return mask[:size]


def xor(left, right):
    return bytes(a ^ b for a, b in zip(left, right))


def oaep(key, label_hash, mask_hash, label=b''):
    label = hashlib.new(label_hash, label).digest()
    size = 255 - len(label)
    block = label.ljust(size - len(key) - 1, b'\0') + b'\1' + key
    seed = RANDOM.randbytes(len(label))
    block = xor(block, mgf1(seed, size, mask_hash))
    seed = xor(seed, mgf1(block, len(label), mask_hash))
    return raw_rsa(b'\0' + seed + block)


def oaep_parameters(label_hash, mask_hash, label=None):
    mask = algorithm(MGF1, algorithm(SHA[mask_hash]))
    parts = [DER.tlv(0xa0, algorithm(SHA[label_hash])), DER.tlv(0xa1, mask)]
    if label is not None:
        parts.append(DER.tlv(0xa2, algorithm('1.2.840.113549.1.1.9',
                                             DER.tlv(4, label))))
    return DER.tlv(0x30, *parts)


def encrypt(cipher, key, iv, data, pad=True):
    size = len(iv)
    if pad:
        fill = size - len(data) % size
        data += bytes([fill]) * fill
    if cipher.startswith('des'):
        method = algorithms.TripleDES(key * 3 if len(key) == 8 else key)
    else:
        method = algorithms.AES(key)
    encryptor = Cipher(method, modes.CBC(iv)).encryptor()
    return encryptor.update(data) + encryptor.finalize()


def recipient(key, rid=None, wrapped=None, method=None, version=0):
    return DER.tlv(0x30, integer(version), rid or issuer_and_serial(RA),
                   method or algorithm(RSA),
                   DER.tlv(4, wrapped or pkcs1(key)))


def envelope(form=DER, cipher='aes128', data=CSR, inner=DATA, kind=ENVELOPED,
             recipients=None, spoil=None, iv=None, absent=False, **kt):
    dotted, key_size, block = CIPHERS[cipher]
    key = RANDOM.randbytes(key_size)
    vector = iv or RANDOM.randbytes(block)
    if 'transport' in kt:
        kt['wrapped'], kt['method'] = kt.pop('transport')(key)
    if cipher.endswith('gcm'):
        sealed = RANDOM.randbytes(len(data) + 16)
    else:
        sealed = encrypt(cipher, key, vector[:block].ljust(block, b'\0'),
                         data, pad=spoil != 'padding')
    known = recipients(key) if recipients else [recipient(key, **kt)]
    encrypted = [oid(inner), algorithm(dotted, DER.tlv(4, vector))]
    if not absent:
        encrypted.append(form.string(0x80, sealed))
    return form.tlv(0x30, oid(kind), form.tlv(
        0xa0, form.tlv(0x30, integer(0), form.tlv(0x31, *known),
                       form.tlv(0x30, *encrypted))))


def attribute(dotted, *values):
    return DER.tlv(0x30, oid(dotted), DER.tlv(0x31, *values))


def standard(content, digest, **change):
    """The attributes of a good PKCSReq, by name; change replaces some."""
    known = {
        'content_type': [attribute(CONTENT_TYPE, oid(DATA))],
        'message_digest': [attribute(MESSAGE_DIGEST, DER.tlv(
            4, hashlib.new(digest, content).digest()))],
        'type': [attribute(MESSAGE_TYPE, DER.tlv(0x13, b'19'))],
        'nonce': [attribute(SENDER_NONCE, DER.tlv(4, bytes(range(16))))],
        'id': [attribute(TRANSACTION_ID, DER.tlv(0x13, b'vector'))],
    }
    known.update(change)
    return [one for several in known.values() for one in several]


def message(form=DER, content=None, digest='sha256', order='sorted',
            sign_as='sorted', certificates=None, signers=1, sid=None,
            spoil=None, type_=DATA, key=KEY, signature_algorithm=RSA,
            absent=False, pss=False, **change):
    content = envelope(form) if content is None else content
    attributes = standard(content, digest, **change)
    ordered = sorted(attributes)
    sent = {'sorted': ordered, 'reversed': ordered[::-1]}[order]
    signed = DER.tlv(0x31, *(ordered if sign_as == 'sorted' else sent))
    signature = key.sign(signed, padding.PKCS1v15(),
                         getattr(hashes, digest.upper())())
    if spoil == 'signature':
        signature = signature[:-1] + bytes([signature[-1] ^ 1])
    if pss:
        signature = key.sign(signed, padding.PSS(
            padding.MGF1(hashes.SHA256()), 0), hashes.SHA256())
    method = algorithm(SHA[digest])
    signer = form.tlv(
        0x30, integer(1), sid or issuer_and_serial(SIGNER), method,
        *([form.tlv(0xa0, *sent)] if attributes else []),
        algorithm(signature_algorithm), DER.tlv(4, signature))
    inner = [oid(type_)]
    if not absent:
        inner.append(form.tlv(0xa0, form.string(4, content)))
    data = form.tlv(
        0x30, integer(1), form.tlv(0x31, method), form.tlv(0x30, *inner),
        form.tlv(0xa0, *(certificates or [SIGNER])),
        form.tlv(0x31, *[signer] * signers))
    return form.tlv(0x30, oid(SIGNED), form.tlv(0xa0, data))


def text(tag, octets):
    return {'id': [attribute(TRANSACTION_ID, DER.tlv(tag, octets))]}


def nonce(octets, tag=4):
    return {'nonce': [attribute(SENDER_NONCE, DER.tlv(tag, octets))]}


def kind(octets, tag=0x13):
    return {'type': [attribute(MESSAGE_TYPE, DER.tlv(tag, octets))]}


def transport(*hashes_, **options):
    """OAEP with these digests, and parameters as given or as they follow."""
    label = options.get('label')

    def make(key):
        parameters = options.get('parameters')
        if parameters is None:
            parameters = oaep_parameters(*hashes_, label)
        return (oaep(key, *hashes_, label or b''),
                algorithm(OAEP, parameters))
    return make


def other_recipient():
    """Somebody's IssuerAndSerialNumber."""
    return DER.tlv(0x30, issuer_and_serial(SIGNER)[2:-1] + b'\x7f')


def odd_certificate(**change):
    """The signer's certificate with fields changed, its signature spoilt."""
    certificate = x509.Certificate.load(SIGNER)
    tbs = certificate['tbs_certificate']
    for field, value in change.items():
        tbs[field] = value
    if change.get('version') == 'v1':
        del tbs['extensions']
    return certificate.dump(force=True)


def key_id(certificate):
    octets = x509.Certificate.load(certificate).key_identifier
    return DER.tlv(0x80, octets)


def bomb(depth):
    """So many SEQUENCEs in each other."""
    body = b''
    for _ in range(depth):
        body = DER.tlv(0x30, body)
    return body


V1 = odd_certificate(version='v1', serial_number=1 << 255)
NEGATIVE = odd_certificate(serial_number=-5)
PADDING = CSR[:len(CSR) // 16 * 16]

VECTORS = {
    # what must be read
    'plain': lambda: message(),
    'ber': lambda: message(BER),
    'ber-in-der': lambda: message(content=envelope(BER)),
    'unsorted': lambda: message(order='reversed'),
    'unsorted-as-sent': lambda: message(order='reversed', sign_as='sent'),
    'sha1': lambda: message(digest='sha1'),
    'sha384': lambda: message(digest='sha384'),
    'sha512': lambda: message(digest='sha512'),
    'aes256': lambda: message(content=envelope(cipher='aes256')),
    'des3': lambda: message(content=envelope(cipher='des3')),
    'des-md5': lambda: message(content=envelope(cipher='des'), digest='md5'),
    'oaep-absent': lambda: message(content=envelope(
        transport=transport('sha1', 'sha1', parameters=b''))),
    'oaep-null': lambda: message(content=envelope(
        transport=transport('sha1', 'sha1', parameters=b'\x05\0'))),
    'oaep-empty': lambda: message(content=envelope(
        transport=transport('sha1', 'sha1', parameters=b'\x30\0'))),
    'oaep-sha256': lambda: message(content=envelope(
        transport=transport('sha256', 'sha256'))),
    'oaep-sha256-mgf1-sha1': lambda: message(content=envelope(
        transport=transport('sha256', 'sha1'))),
    'oaep-label': lambda: message(content=envelope(
        transport=transport('sha1', 'sha1', label=b'label'))),
    'two-recipients': lambda: message(content=envelope(
        recipients=lambda key: [recipient(key, other_recipient(),
                                          wrapped=bytes(256)),
                                recipient(key)])),
    'recipient-key-id': lambda: message(content=envelope(
        rid=key_id(RA), version=2)),
    'unknown-recipient-kind': lambda: message(content=envelope(
        recipients=lambda key: [DER.tlv(0xa3, integer(0)),
                                recipient(key)])),
    'signer-last': lambda: message(certificates=[RA, SIGNER]),
    'signer-key-id': lambda: message(sid=key_id(SIGNER)),
    'signer-v1': lambda: message(certificates=[V1],
                                 sid=issuer_and_serial(V1)),
    'signer-negative': lambda: message(certificates=[NEGATIVE],
                                       sid=issuer_and_serial(NEGATIVE)),
    'pss': lambda: message(pss=True, signature_algorithm=PSS),
    'many-certificates': lambda: message(certificates=[RA] * 15 + [SIGNER]),
    'id-utf8': lambda: message(**text(0x0c, 'Gerät 1'.encode())),
    'id-bmp': lambda: message(**text(0x1e, 'Gerät 1'.encode('utf-16-be'))),
    'id-t61': lambda: message(**text(0x14, b'Ger\xe4t 1')),
    'id-ia5': lambda: message(**text(0x16, b'a@b_c')),
    'id-odd-printable': lambda: message(**text(0x13, b'a@b_c')),
    'id-255': lambda: message(**text(0x13, b'x' * 255)),
    'nonce-8': lambda: message(**nonce(bytes(8))),
    'nonce-32': lambda: message(**nonce(bytes(32))),
    'type-18': lambda: message(**kind(b'18')),
    'signing-time': lambda: message(time=[attribute(
        SIGNING_TIME, DER.tlv(0x17, b'260101120000Z'))]),
    # what must be refused
    'bad-signature': lambda: message(spoil='signature'),
    'bad-digest': lambda: message(message_digest=[
        attribute(MESSAGE_DIGEST, DER.tlv(4, bytes(32)))]),
    'no-digest': lambda: message(message_digest=[]),
    'no-attributes': lambda: message(content_type=[], message_digest=[],
                                     type=[], nonce=[], id=[]),
    'no-content-type': lambda: message(content_type=[]),
    'wrong-content-type': lambda: message(
        content_type=[attribute(CONTENT_TYPE, oid(SIGNED))]),
    'wrong-econtent-type': lambda: message(type_=ENVELOPED),
    'no-content': lambda: message(absent=True),
    'two-signers': lambda: message(signers=2),
    'no-signers': lambda: message(signers=0),
    'no-signer-certificate': lambda: message(certificates=[RA]),
    'too-many-certificates': lambda: message(
        certificates=[RA] * 16 + [SIGNER]),
    'no-id': lambda: message(id=[]),
    'no-type': lambda: message(type=[]),
    'no-nonce': lambda: message(nonce=[]),
    'two-ids': lambda: message(id=[
        attribute(TRANSACTION_ID, DER.tlv(0x13, b'one')),
        attribute(TRANSACTION_ID, DER.tlv(0x13, b'two'))]),
    'two-values': lambda: message(id=[attribute(
        TRANSACTION_ID, DER.tlv(0x13, b'one'), DER.tlv(0x13, b'two'))]),
    'no-value': lambda: message(id=[attribute(TRANSACTION_ID)]),
    'id-nul': lambda: message(**text(0x0c, b'a\0b')),
    'id-empty': lambda: message(**text(0x13, b'')),
    'id-256': lambda: message(**text(0x13, b'x' * 256)),
    'id-octets': lambda: message(**text(4, b'octets')),
    'nonce-7': lambda: message(**nonce(bytes(7))),
    'nonce-33': lambda: message(**nonce(bytes(33))),
    'nonce-text': lambda: message(**nonce(b'0123456789abcdef', 0x13)),
    'type-word': lambda: message(**kind(b'PKCSReq')),
    'type-zero': lambda: message(**kind(b'019')),
    'type-long': lambda: message(**kind(b'9' * 40)),
    'wrong-recipient': lambda: message(content=envelope(
        rid=other_recipient())),
    'bad-padding': lambda: message(content=envelope(
        transport=lambda key: (pkcs1(key, 1), algorithm(RSA)))),
    'bad-key-length': lambda: message(content=envelope(
        transport=lambda key: (pkcs1(key + b'x'), algorithm(RSA)))),
    'bad-key': lambda: message(content=envelope(
        transport=lambda key: (pkcs1(key[::-1]), algorithm(RSA)))),
    'bad-key-size': lambda: message(content=envelope(wrapped=bytes(255))),
    'bad-oaep': lambda: message(content=envelope(
        transport=lambda key: (pkcs1(key), algorithm(OAEP, b'\x30\0')))),
    'bad-content': lambda: message(content=envelope(
        data=PADDING, spoil='padding')),
    'bad-iv': lambda: message(content=envelope(iv=bytes(15))),
    'no-encrypted-content': lambda: message(content=envelope(absent=True)),
    'inner-signed': lambda: message(content=envelope(inner=SIGNED)),
    'auth-enveloped': lambda: message(content=envelope(kind=AUTH_ENVELOPED)),
    'bare-data': lambda: message(content=DER.tlv(
        0x30, oid(DATA), DER.tlv(0xa0, DER.tlv(4, CSR)))),
    'gcm': lambda: message(content=envelope(cipher='aes128-gcm')),
    'oaep-md5': lambda: message(content=envelope(
        transport=transport('md5', 'md5'))),
    'bomb-in-content': lambda: message(content=bomb(5000)),
    'bomb': lambda: bomb(5000),
}

if __name__ == '__main__':
    for name, make in VECTORS.items():
        RANDOM.seed(name)
        (HERE / f'message-{name}.der').write_bytes(make())
