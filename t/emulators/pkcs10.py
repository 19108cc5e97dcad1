"""Certificate requests as CAs read them, which is not as strict as Python.

SPDX-License-Identifier: Apache-2.0

strongSwan does not sort a request's attributes as DER wants a SET sorted.
CAs verify the octets as they came; python3-cryptography refuses them.
"""
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

ATTRIBUTES = 0xA0


def header(octets):
    """How long a value's tag and length are, and the value."""
    length, used = octets[1], 2
    if length & 0x80:
        used += length & 0x7F
        length = int.from_bytes(octets[2:used], "big")
    if len(octets) < used + length:
        raise ValueError("cut off")
    return used, length


def children(octets):
    """The values inside of one, each with tag and length."""
    used, length = header(octets)
    octets, found = octets[used:used + length], []
    while octets:
        size = sum(header(octets))
        found.append(octets[:size])
        octets = octets[size:]
    return found


def wrap(tag, parts):
    content = b"".join(parts)
    size = len(content)
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag]) + (bytes([size]) if size < 0x80 else
                           bytes([0x80 | len(length)]) + length) + content


def is_signed(csr, octets):
    key, digest = csr.public_key(), csr.signature_hash_algorithm
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(csr.signature, octets, padding.PKCS1v15(), digest)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(csr.signature, octets, ec.ECDSA(digest))
        else:
            key.verify(csr.signature, octets)
    except InvalidSignature:
        return False
    return True


def load(der):
    """@return the request, or None where it is none or not signed"""
    try:
        info, *rest = children(der)
        parts = [wrap(ATTRIBUTES, sorted(children(part)))
                 if part[0] == ATTRIBUTES else part
                 for part in children(info)]
        csr = x509.load_der_x509_csr(wrap(0x30, [wrap(0x30, parts), *rest]))
        return csr if is_signed(csr, info) else None
    except (ValueError, IndexError, TypeError, UnsupportedAlgorithm):
        return None
