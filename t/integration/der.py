"""BER and DER by hand, so that a test can encode what no library would.

SPDX-License-Identifier: Apache-2.0
"""
from asn1crypto import core

SEQUENCE, SET, OCTETS, BITS = 0x30, 0x31, 0x04, 0x03
INTEGER, NULL, OID, BOOLEAN = 0x02, 0x05, 0x06, 0x01
UTF8, PRINTABLE, T61, IA5, BMP, UNIVERSAL = (0x0c, 0x13, 0x14, 0x16, 0x1e,
                                             0x1c)


def length(n):
    if n < 0x80:
        return bytes([n])
    octets = n.to_bytes((n.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(octets)]) + octets


def tlv(tag, content):
    return bytes([tag]) + length(len(content)) + content


def integer(value):
    return tlv(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big",
                                       signed=True))


def oid(dotted):
    return core.ObjectIdentifier(dotted).dump()


def null():
    return tlv(NULL, b"")


def bits(content, unused=0):
    return tlv(BITS, bytes([unused]) + content)


def boolean(value):
    return tlv(BOOLEAN, b"\xff" if value else b"\x00")


def text(tag, value):
    codec = {BMP: "utf-16-be", UNIVERSAL: "utf-32-be", T61: "latin-1",
             UTF8: "utf-8"}.get(tag, "ascii")
    return tlv(tag, value if isinstance(value, bytes) else value.encode(codec))


class Der:
    """Definite lengths, primitive strings, sorted sets."""

    def cons(self, tag, *parts):
        return tlv(tag, b"".join(parts))

    def seq(self, *parts):
        return self.cons(SEQUENCE, *parts)

    def set_(self, *parts):
        return self.cons(SET, *sorted(parts))

    def explicit(self, n, *parts):
        return self.cons(0xa0 | n, *parts)

    def octets(self, content, tag=OCTETS):
        return tlv(tag, content)


class Ber(Der):
    """Indefinite lengths everywhere, octet strings cut into pieces.

    `piece` is the size of a piece; with `nested` the pieces are themselves
    constructed, as BER allows.
    """

    def __init__(self, piece=100, indefinite=True, nested=False):
        self.piece = piece
        self.indefinite = indefinite
        self.nested = nested

    def cons(self, tag, *parts):
        content = b"".join(parts)
        if self.indefinite:
            return bytes([tag, 0x80]) + content + b"\0\0"
        # the long form where the short one would do is BER too
        return bytes([tag, 0x84]) + len(content).to_bytes(4, "big") + content

    def set_(self, *parts):
        return self.cons(SET, *parts)

    def octets(self, content, tag=OCTETS):
        pieces = [tlv(OCTETS, content[at:at + self.piece])
                  for at in range(0, len(content), self.piece)]
        if self.nested:
            pieces = [self.cons(OCTETS | 0x20, piece) for piece in pieces]
        return self.cons(tag | 0x20, *pieces)


DER = Der()


def split(data):
    """The (tag, content, whole) of each value in a DER string of them."""
    at = 0
    while at < len(data):
        tag, header, size = _header(data, at)
        end = at + header + size
        if end > len(data):
            raise ValueError("cut off at %d" % at)
        yield tag, data[at + header:end], data[at:end]
        at = end


def _header(data, at):
    if len(data) < at + 2:
        raise ValueError("cut off at %d" % at)
    tag, first = data[at], data[at + 1]
    if tag & 0x1f == 0x1f:
        raise ValueError("high tag number at %d" % at)
    if first < 0x80:
        return tag, 2, first
    if first == 0x80:
        raise ValueError("indefinite length at %d" % at)
    octets = data[at + 2:at + 2 + (first & 0x7f)]
    size = int.from_bytes(octets, "big")
    if octets[:1] == b"\0" or size < 0x80:
        raise ValueError("length not minimal at %d" % at)
    return tag, 2 + len(octets), size


def check_der(data, sorted_sets=True):
    """Refuses what is BER and not DER, at every level."""
    values = list(split(data))
    for tag, content, _ in values:
        if tag & 0x20:
            if tag & 0xdf in (OCTETS, BITS, UTF8, PRINTABLE, T61, IA5, BMP):
                raise ValueError("constructed string")
            parts = [whole for _, _, whole in check_der(content, sorted_sets)]
            if tag == SET and sorted_sets and parts != sorted(parts):
                raise ValueError("SET OF not sorted")
        elif tag == BOOLEAN and content not in (b"\0", b"\xff"):
            raise ValueError("BOOLEAN not DER")
        elif tag == INTEGER and not content:
            raise ValueError("empty INTEGER")
        elif tag == INTEGER and len(content) > 1 and (
                content[0] == 0 and content[1] < 0x80
                or content[0] == 0xff and content[1] >= 0x80):
            raise ValueError("INTEGER not minimal")
    return values
