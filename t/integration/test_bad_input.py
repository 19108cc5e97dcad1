"""Bad input: no 500, no certificate, no challenge spent, one line in the log.

SPDX-License-Identifier: Apache-2.0
"""
import os
import random

import pytest

import der
import pki
import pkimessage
from gateway import make_csr
from pki import certificate, csr, name
from pkimessage import FAILURE


class Victim:
    """A challenge that must survive what is thrown at the server."""

    def __init__(self, server, keys):
        self.server = server
        self.keys = keys
        self.endpoint = server.endpoint()
        self.issued = server.issue()
        self.csr = make_csr(keys.rsa(), self.issued["challenge"])
        self.message = self.endpoint.request(keys.rsa(), self.csr,
                                             keys.signer())

    def send(self, data):
        """An answer that is a 4xx or a CertRep FAILURE, and its log line."""
        log = self.server.log
        before = len(log.outcomes())
        response = self.endpoint.post(data)
        assert response.status in (200, 400, 413), (response, data[:80])
        if response.status == 200:
            self.message.readable = False
            reply = self.endpoint.read(response, self.message)
            assert reply.status == FAILURE
        lines = log.outcomes()[before:]
        assert len(lines) == 1, [line.raw for line in lines]
        return response

    def survives(self):
        assert self.server.state(self.issued["id"]) == "issued"
        message = self.endpoint.request(self.keys.rsa(), self.csr,
                                        self.keys.signer())
        self.endpoint.send(message).check_issued(self.keys.rsa())


@pytest.fixture
def victim(server, keys):
    return Victim(server, keys)


def test_cut_off_der(victim):
    data = victim.message.build()
    lengths = set(range(0, 64)) | set(range(64, len(data), 41))
    lengths |= set(range(len(data) - 16, len(data)))
    for length in sorted(lengths):
        victim.send(data[:length])
    victim.survives()


def test_cut_off_ber(victim):
    victim.message.enc = der.Ber(50)
    data = victim.message.build()
    # the last two octets close the outermost value, which has no more in it
    for length in range(1, len(data) - 2, 53):
        victim.send(data[:length])
    victim.survives()


def test_octets_after_the_end(victim):
    data = victim.message.build()
    for tail in (b"\0", b"\0\0", b"\x30", os.urandom(100)):
        response = victim.endpoint.post(data + tail)
        assert response.status in (200, 400)
        if response.status == 200:
            # what follows a good message is not looked at
            victim.endpoint.read(response, victim.message)
            victim = Victim(victim.server, victim.keys)
            data = victim.message.build()
    victim.survives()


def test_one_changed_octet_anywhere(victim):
    """Signed or not, no change of an octet gets more than the request."""
    data = victim.message.build()
    chance = random.Random(2)
    for position in range(0, len(data), 29):
        changed = bytearray(data)
        changed[position] ^= 1 << chance.randrange(8)
        response = victim.endpoint.post(bytes(changed))
        assert response.status in (200, 400), position
        if victim.server.state(victim.issued["id"]) != "issued":
            # not every octet is under the signature: an algorithm's
            # parameters or the signer's own certificate are not
            victim = Victim(victim.server, victim.keys)
            data = victim.message.build()
    victim.survives()


def test_random_octets(victim):
    chance = random.Random(3)
    for size in (1, 2, 3, 10, 100, 1000, 10000):
        victim.send(bytes(chance.randrange(256) for _ in range(size)))
    victim.survives()


@pytest.mark.parametrize("depth", [10, 100, 1000, 20000])
@pytest.mark.parametrize("form", ["definite", "indefinite"])
def test_deep_nesting(victim, depth, form):
    data = b""
    if form == "indefinite":
        data = b"\x30\x80" * depth + b"\0\0" * depth
    else:
        for _ in range(min(depth, 8000)):
            data = der.tlv(0x30, data)
    victim.send(data[:65536])
    signed = der.DER.seq(der.oid(pkimessage.SIGNED_DATA), der.tlv(0xa0, data))
    victim.send(signed[:65536])
    victim.survives()


def test_deep_nesting_of_constructed_strings(victim):
    """Octet strings in octet strings, where the content is read."""
    nested = der.tlv(der.OCTETS, b"x")
    for _ in range(5000):
        nested = der.tlv(der.OCTETS | 0x20, nested)
    encap = der.DER.seq(der.oid(pkimessage.DATA), der.tlv(0xa0, nested))
    signed = der.DER.seq(der.integer(1), der.DER.set_(), encap,
                         der.DER.set_())
    victim.send(der.DER.seq(der.oid(pkimessage.SIGNED_DATA),
                            der.tlv(0xa0, signed)))
    victim.survives()


def test_lengths_that_lie(victim):
    for head in ("3084ffffffff", "3084 7fffffff", "3088ffffffffffffffff",
                 "30 89 010000000000000000", "30ff", "3080"):
        data = bytes.fromhex(head.replace(" ", ""))
        victim.send(data)
        victim.send(data + b"\x06\x09" + bytes(9))
    victim.survives()


def test_10_mb_bodies(victim):
    victim.send(bytes(10_000_000))
    victim.send(victim.message.build() + bytes(10_000_000))
    victim.survives()


def test_10_mb_in_a_length_only(victim):
    victim.send(bytes.fromhex("3083989680") + bytes(5000))
    victim.survives()


@pytest.mark.parametrize("count", [2, 50, 300])
def test_many_recipients(victim, keys, count):
    """None of them is us: refused, whatever their number."""
    stranger = certificate(keys.rsa(number=1), name(("CN", "s")))
    victim.message.recipients = [stranger] * count
    victim.send(victim.message.build())
    victim.survives()


@pytest.mark.parametrize("count", [2, 30, 70])
def test_many_certificates(victim, keys, count):
    other = certificate(keys.rsa(number=1), name(("CN", "other")))
    victim.message.certificates = [other] * count
    victim.send(victim.message.build())
    victim.survives()


@pytest.mark.parametrize("count", [50, 2000])
def test_many_signed_attributes(victim, count):
    victim.message.attributes = {
        "1.2.3.%d" % n: der.integer(n) for n in range(count)}
    victim.message.message_type = "18"
    victim.send(victim.message.build())
    victim.survives()


def test_two_signer_infos(victim):
    """Which of them would be believed?  Neither."""
    content = pkimessage.envelope(victim.csr, victim.message.recipients)
    info = victim.message._signer_info(content)
    signed = der.DER.seq(
        der.integer(1),
        der.DER.set_(pki.algorithm(pki.DIGESTS["sha256"][0])),
        der.DER.seq(der.oid(pkimessage.DATA),
                    der.tlv(0xa0, der.tlv(der.OCTETS, content))),
        der.tlv(0xa0, victim.message.signer), der.DER.set_(info, info))
    victim.send(der.DER.seq(der.oid(pkimessage.SIGNED_DATA),
                            der.tlv(0xa0, signed)))
    victim.survives()


def test_other_content_types(victim):
    """ContentInfo that is no SignedData at all."""
    inner = pkimessage.envelope(victim.csr, victim.message.recipients)
    victim.send(inner)
    victim.send(victim.csr)
    victim.send(victim.message.signer)
    victim.send(der.DER.seq(der.oid(pkimessage.DATA),
                            der.tlv(0xa0, der.tlv(der.OCTETS, b"x"))))
    victim.send(der.DER.seq(der.oid(pkimessage.SIGNED_DATA)))
    victim.send(der.DER.seq(der.oid("1.2.3"), der.tlv(0xa0, der.integer(1))))
    victim.survives()


def test_our_own_reply_sent_back(victim, server):
    """A CertRep is no request."""
    bad = victim.endpoint.request(victim.keys.rsa(), make_csr(
        victim.keys.rsa(), "no"), victim.keys.signer())
    reply = victim.endpoint.post(bad.build())
    victim.send(reply.body)
    victim.send(server.endpoint().get("operation=GetCACert").body)
    victim.survives()


@pytest.mark.parametrize("exponent", [1, 3, 65537])
def test_odd_rsa_keys_in_the_signer(victim, keys, exponent):
    """A modulus of one, an even one, a huge exponent: no crash."""
    for modulus in (1, 4, 2 ** 2047, 2 ** 8192 + 1):
        key = der.DER.seq(
            pki.algorithm(pki.RSA_ENCRYPTION),
            der.bits(der.DER.seq(der.integer(modulus),
                                 der.integer(exponent))))
        original = pki.spki
        try:
            pki.spki = lambda _: key
            signer = certificate(keys.rsa(), name(("CN", "odd")))
            request_csr = csr(keys.rsa(), name(("CN", "odd")))
        finally:
            pki.spki = original
        victim.message.signer = signer
        victim.message.data = request_csr
        victim.send(victim.message.build())
    victim.survives()


def test_names_with_control_characters_in_the_log(victim, keys, log):
    """What a device writes into its names stays on its line."""
    nasty = "x\n[scep:emerg] forged\r\x1b[2J\0\x7f"
    challenge = victim.issued["challenge"]
    victim.message.data = make_csr(
        keys.rsa(), challenge[:-1] + "\x00", name(("CN", nasty)),
        [pki.dns("a\nforged")])
    victim.send(victim.message.build())
    victim.message.transaction_id = nasty
    victim.message.transaction_id_tag = der.UTF8
    victim.message.data = make_csr(keys.rsa(), "no", name(("CN", nasty)))
    victim.endpoint.post(victim.message.build())
    text = log.raw()
    assert "\x1b" not in text and "\n[scep:emerg]" not in text
    victim.survives()


@pytest.mark.parametrize("data", [
    b"", b"\x00", b"\x05\x00", b"\x30\x00", b"\x31\x00", b"\x30\x02\x01\x00",
    b"\x02\x01\x00", b"\x04\x00", b"\xa0\x00"], ids=lambda d: d.hex() or "-")
def test_minimal_contents_at_every_level(victim, data):
    signed = der.DER.seq(der.oid(pkimessage.SIGNED_DATA),
                         der.tlv(0xa0, data))
    victim.send(signed)
    victim.message.econtent = data
    victim.send(victim.message.build())
    victim.message.econtent = der.DER.seq(
        der.oid(pkimessage.ENVELOPED_DATA), der.tlv(0xa0, data))
    victim.send(victim.message.build())
    victim.message.econtent = None
    victim.message.data = data
    victim.send(victim.message.build())
    victim.survives()


def test_a_csr_cut_off_at_sampled_lengths(victim):
    whole = victim.csr
    for length in range(0, len(whole), 37):
        victim.message.data = whole[:length]
        victim.send(victim.message.build())
    victim.survives()


def test_extensions_that_are_no_extensions(victim, keys):
    secret = victim.issued["challenge"]
    attributes = [
        pki.attribute(pki.EXTENSION_REQUEST, value)
        for value in (der.null(), b"\x30\x02\x30\x00", der.tlv(0x30, b"\x05"),
                      der.integer(1))]
    attributes.append(pki.extension_request(
        pki.extension("2.5.29.17", b"garbage")))
    attributes.append(pki.extension_request(
        pki.extension("2.5.29.17", der.DER.seq())))
    attributes.append(pki.extension_request(
        pki.subject_alt_name(der.tlv(0x87, b"\1\2\3"))))
    attributes.append(pki.extension_request(
        pki.subject_alt_name(der.tlv(0x82, b"a\0b.example"))))
    attributes.append(pki.extension_request(
        pki.subject_alt_name(pki.dns("a")),
        pki.subject_alt_name(pki.dns("b"))))
    for attribute in attributes:
        victim.message.data = csr(
            keys.rsa(), name(("CN", "x")), attribute,
            pki.challenge_password(secret))
        victim.send(victim.message.build())
    victim.survives()


def test_two_extension_requests(victim, keys):
    request = pki.extension_request(
        pki.subject_alt_name(pki.dns("a.example")))
    victim.message.data = csr(
        keys.rsa(), name(("CN", "x")), request, request,
        pki.challenge_password(victim.issued["challenge"]), sort=False)
    victim.send(victim.message.build())
    victim.survives()
