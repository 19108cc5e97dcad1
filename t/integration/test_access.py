"""GetCert and GetCRL (RFC 8894 sections 4.5 and 4.6; R-55, R-56, Q-12).

SPDX-License-Identifier: Apache-2.0
"""
import contextlib
import sqlite3

import pytest
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import serialization

import configuration
import der
import pki
import profiles
import renewals
from der import DER, Ber
from pkimessage import (BAD_CERT_ID, BAD_MESSAGE_CHECK, BAD_REQUEST,
                        FAILURE, SUCCESS, issuer_and_serial)
from pki import certificate, key_usage, name
from renewals import PUT_OFF, Device, write_crl

GET_CERT, GET_CRL = "21", "22"
CLIENT_AUTH = "1.3.6.1.5.5.7.3.2"

RENEWS = """\
ScepVerify otp cert
ScepRenewalRevocation crl:crl.pem
"""


def lines(server):
    write_crl(server.dir)
    return (renewals.profile("access", RENEWS + "ScepGetCert on\n"
                             "ScepGetCRL on\n")
            + renewals.profile("other", RENEWS)
            + renewals.profile("plain", "ScepGetCert on\n"))


@pytest.fixture(scope="module", params=["event", "prefork"])
def gateway(request):
    server = renewals.start(lines, mpm=request.param)
    yield server
    server.remove()


@pytest.fixture
def server(gateway):
    gateway.log.mark()
    write_crl(gateway.dir)
    yield gateway
    gateway.log.verify()


def mark(server, cert, state):
    """Has the ledger know a certificate in another state."""
    serial = x509.load_der_x509_certificate(cert).serial_number
    serial = serial.to_bytes((serial.bit_length() + 7) // 8, "big").hex()
    path = server.dir / "ledger" / "ledger.db"
    with contextlib.closing(sqlite3.connect(path, timeout=20)) as db, db:
        changed = db.execute(
            "UPDATE ledger_certificate SET state = ? WHERE serial = ? AND "
            "ca = 'issuing'", (state, serial)).rowcount
    assert changed == 1


def ask(device, message_type, data, profile=None, **members):
    """Sends a GetCert or GetCRL signed by the device's certificate."""
    endpoint = (device.server.endpoint(profile) if profile
                else device.endpoint)
    members.setdefault("message_type", message_type)
    message = endpoint.request(members.pop("key", device.key), data,
                               members.pop("signer", device.certificate),
                               **members)
    return endpoint.send(message)


def get_cert(device, cert, **members):
    return ask(device, GET_CERT, issuer_and_serial(cert), **members)


def get_crl(device, **members):
    return ask(device, GET_CRL, issuer_and_serial(device.certificate),
               **members)


def refused(server, reply, fail_info, reason):
    assert (reply.status, reply.fail_info) == (FAILURE, fail_info)
    assert reason in server.log.outcomes()[-1].text, server.log.raw()


@pytest.fixture
def device(server, keys):
    return Device(server, keys, "access")


# ------------------------------------------------------------------ GetCert

def test_a_device_gets_its_certificate_and_the_ca_s(server, device):
    reply = get_cert(device, device.certificate)
    assert reply.status == SUCCESS
    assert reply.certificates == [device.certificate]
    outcome = server.log.outcomes()[-1].text
    assert "SCEP0601" in outcome and "certificate" in outcome
    # nothing was issued for that
    assert server.log.raw().count("SCEP0100") == 1


def test_and_that_of_another_device_of_its_profile(server, device, keys):
    other = Device(server, keys, "access")
    mark(server, other.certificate, 2)
    reply = get_cert(device, other.certificate)
    # a revoked one is a certificate too
    assert reply.certificates == [other.certificate]


def test_what_is_not_there_is_badcertid(server, device, keys):
    tbs = asn1_x509.Certificate.load(device.certificate)["tbs_certificate"]
    data = DER.seq(tbs["issuer"].dump(), der.integer(4711))
    refused(server, ask(device, GET_CERT, data), BAD_CERT_ID,
            "no-certificate")
    # nor is what another profile has
    other = Device(server, keys, "other")
    refused(server, get_cert(device, other.certificate), BAD_CERT_ID,
            "no-certificate")


def test_another_issuer_is_badcertid(server, device):
    tbs = asn1_x509.Certificate.load(device.certificate)["tbs_certificate"]
    data = DER.seq(name(("CN", "Other CA")), tbs["serial_number"].dump())
    for message_type in (GET_CERT, GET_CRL):
        refused(server, ask(device, message_type, data), BAD_CERT_ID,
                "another than the CA")


@pytest.mark.parametrize("message_type", [GET_CERT, GET_CRL])
def test_q12_constant_transactionids_do_not_collide(server, device, keys,
                                                    message_type):
    other = Device(server, keys, "access")
    for asking in (device, other, device):
        reply = ask(asking, message_type,
                    issuer_and_serial(asking.certificate),
                    transaction_id="0")
        assert reply.status == SUCCESS
        if message_type == GET_CERT:
            assert reply.certificates == [asking.certificate]


def test_ber_is_read(server, device):
    assert get_cert(device, device.certificate, enc=Ber()).status == SUCCESS
    tbs = asn1_x509.Certificate.load(device.certificate)["tbs_certificate"]
    data = Ber().seq(tbs["issuer"].dump(), tbs["serial_number"].dump())
    assert ask(device, GET_CERT, data).certificates == [device.certificate]


def bad_ids(cert):
    tbs = asn1_x509.Certificate.load(cert)["tbs_certificate"]
    issuer, serial = tbs["issuer"].dump(), tbs["serial_number"].dump()
    whole = issuer_and_serial(cert)
    return {
        "nothing": b"\x04\x00",
        "csr": pki.csr(pki.ec_key(), name(("CN", "x"))),
        "cut off": whole[:-1],
        "more": whole + b"\x00",
        "no serial": DER.seq(issuer),
        "no issuer": DER.seq(serial),
        "other order": DER.seq(serial, issuer),
        "third member": DER.seq(issuer, serial, serial),
        "negative": DER.seq(issuer, b"\x02\x01\xff"),
        "empty number": DER.seq(issuer, b"\x02\x00"),
        "endless number": DER.seq(issuer, der.tlv(2, b"\x01" * 65)),
        "no name": DER.seq(DER.seq(b"\x05\x00"), serial),
    }


@pytest.mark.parametrize("message_type", [GET_CERT, GET_CRL])
@pytest.mark.parametrize("fault", list(bad_ids(certificate(
    pki.ec_key(), name(("CN", "x"))))))
def test_what_is_no_issuer_and_serial_is_refused(server, device, message_type,
                                                 fault):
    reply = ask(device, message_type, bad_ids(device.certificate)[fault])
    if fault in ("nothing", "cut off"):
        # as if it had been encrypted with a wrong key
        refused(server, reply, BAD_MESSAGE_CHECK, "bad-message-check")
    else:
        refused(server, reply, BAD_REQUEST, "bad-attributes")


# ------------------------------------------------------------------- GetCRL

def test_the_current_crl_alone(server, device, keys):
    reply = get_crl(device)
    assert reply.status == SUCCESS and reply.certificates == []
    crl, = reply.crls
    with open(server.dir / "crl.pem", "rb") as stream:
        expected = x509.load_pem_x509_crl(stream.read())
    assert crl == expected.public_bytes(serialization.Encoding.DER)
    # the most recent one
    gone = Device(server, keys, "access")
    write_crl(server.dir, gone.serial)
    crl, = get_crl(device).crls
    assert x509.load_der_x509_crl(
        crl).get_revoked_certificate_by_serial_number(gone.serial)
    assert "CRL sent" in server.log.outcomes()[-1].text


def test_a_long_crl(server, device):
    write_crl(server.dir, *range(1 << 64, (1 << 64) + 20000))
    crl, = get_crl(device).crls
    assert len(crl) > 500000


def test_without_a_current_crl_it_comes_again(server, device):
    write_crl(server.dir, life=-60)
    server.log.expect(PUT_OFF)
    message = device.endpoint.request(
        device.key, issuer_and_serial(device.certificate),
        device.certificate, message_type=GET_CRL)
    response = device.endpoint.post(message.build())
    assert response.status == 503 and response.headers["retry-after"]


# ----------------------------------------------------------------- who asks

@pytest.mark.parametrize("message_type", [GET_CERT, GET_CRL])
def test_r55_who_has_no_certificate_of_the_ca_gets_nothing(
        server, device, keys, message_type):
    key = keys.rsa(number=3)
    data = issuer_and_serial(device.certificate)
    issuer = asn1_x509.Certificate.load(
        device.certificate)["tbs_certificate"]["issuer"].dump()
    forged = certificate(key, name(("CN", "device")), issuer, keys.rsa(
        number=4), extensions=[key_usage(0, 2)])
    for signer in (keys.signer(3), forged):
        refused(server, ask(device, message_type, data, key=key,
                            signer=signer), BAD_REQUEST, "bad-signer")


@pytest.mark.parametrize("message_type", [GET_CERT, GET_CRL])
def test_an_expired_certificate_gets_nothing(server, device, keys,
                                             message_type):
    ca = profiles.read_pem(server.dir / "pki" / "issuing.pem")[0]
    ca_key = serialization.load_pem_private_key(
        (server.dir / "pki" / "issuing.key").read_bytes(), None)
    usage = pki.extension("2.5.29.37", DER.seq(der.oid(CLIENT_AUTH)))
    subject = asn1_x509.Certificate.load(ca).subject.dump()
    for days, age, status in ((-1, 30, FAILURE), (1, 30, SUCCESS)):
        cert = certificate(device.key, name(("CN", "device")), subject,
                           ca_key, days=days, age=age,
                           extensions=[key_usage(0, 2), usage])
        reply = ask(device, message_type,
                    issuer_and_serial(device.certificate), signer=cert)
        assert reply.status == status
    # one that the CA made for another end
    cert = certificate(device.key, name(("CN", "device")), subject, ca_key,
                       extensions=[key_usage(0, 2)])
    reply = ask(device, message_type, issuer_and_serial(device.certificate),
                signer=cert)
    refused(server, reply, BAD_REQUEST, "bad-signer")


@pytest.mark.parametrize("message_type", [GET_CERT, GET_CRL])
def test_a_certificate_of_another_profile_gets_nothing(server, device, keys,
                                                       message_type):
    other = Device(server, keys, "other")
    reply = ask(other, message_type, issuer_and_serial(device.certificate),
                "access")
    refused(server, reply, BAD_REQUEST, "another profile's")


@pytest.mark.parametrize("message_type", [GET_CERT, GET_CRL])
def test_a_revoked_certificate_gets_nothing(server, device, keys,
                                            message_type):
    write_crl(server.dir, device.serial)
    data = issuer_and_serial(device.certificate)
    refused(server, ask(device, message_type, data), BAD_REQUEST,
            "bad-signer")
    # nor one that the ledger alone knows to be revoked, or about to be
    write_crl(server.dir)
    assert ask(device, message_type, data).status == SUCCESS
    for state in (2, 3):
        mark(server, device.certificate, state)
        refused(server, ask(device, message_type, data), BAD_REQUEST,
                "bad-signer")
    mark(server, device.certificate, 1)
    assert ask(device, message_type, data).status == SUCCESS


@pytest.mark.parametrize("message_type", [GET_CERT, GET_CRL])
def test_r56_off_unless_it_is_switched_on(server, keys, message_type):
    device = Device(server, keys, "other")
    reply = ask(device, message_type, issuer_and_serial(device.certificate))
    refused(server, reply, BAD_REQUEST, "bad-message-type")


def test_a_profile_without_renewal_serves_getcert(server, keys):
    device = Device(server, keys, "plain")
    reply = get_cert(device, device.certificate)
    assert reply.certificates == [device.certificate]
    refused(server, get_crl(device), BAD_REQUEST, "bad-message-type")


def test_a_get_carries_them_too(server, device):
    message = device.endpoint.request(
        device.key, issuer_and_serial(device.certificate),
        device.certificate, message_type=GET_CERT)
    reply = device.endpoint.send(message, "GET")
    assert reply.certificates == [device.certificate]


# ------------------------------------------------------------ configuration

@pytest.fixture(scope="module")
def config(keys):
    return configuration.Configuration(keys)


@pytest.mark.parametrize("extra,word", [
    ("ScepGetCert on", "ScepLedger"),
    ("ScepGetCRL on", "ScepVerify cert"),
    ("ScepGetCRL on\nScepVerify otp cert\nScepRenewalRevocation off",
     "ScepRenewalRevocation"),
    ("ScepGetCRL on\nScepVerify otp cert\nScepRenewalRevocation ocsp",
     "ScepRenewalRevocation"),
    ("ScepGetCRL maybe", "On or Off")])
def test_mistakes_are_found(config, extra, word):
    status, said = config.check(configuration.GOOD.replace(
        "ScepValidity 365d", extra))
    assert status != 0 and word in said, said
