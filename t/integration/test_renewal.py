"""The verifier cert: an existing certificate proves its successor.

SPDX-License-Identifier: Apache-2.0
"""
import datetime
import os

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

import gateway
import pki
from gateway import make_csr, wait_until
from pki import name
from pkimessage import BAD_REQUEST, FAILURE, SUCCESS

RENEWAL_REQ = "17"
DEVICE = name(("CN", "device"))
SANS = (pki.dns("a.example"), pki.dns("b.example"))

PROFILE = """\
<ScepProfile {name}>
    ScepCA issuing
    ScepRACertificate pki/ra.pem
    ScepRAKey pki/ra.key
    {lines}
</ScepProfile>
<Location "/p/{name}/pkiclient.exe">
    SetHandler scep
    ScepProfile {name}
    Require all granted
</Location>
"""

PROFILES = {
    "renew": "ScepVerify cert otp\nScepRenewalRevocation off",
    "listed": "ScepVerify cert otp\nScepRenewalRevocation crl:crl.pem",
    "server": ("ScepVerify cert otp\nScepRenewalRevocation off\n"
               "ScepExtendedKeyUsage serverAuth"),
    "short": ("ScepVerify cert otp\nScepRenewalRevocation off\n"
              "ScepValidity 1s"),
    "grace": ("ScepVerify cert otp\nScepRenewalRevocation off\n"
              "ScepValidity 1s\nScepRenewalGrace 1h"),
    "later": "ScepVerify otp cert\nScepRenewalRevocation off",
}
LINES = "".join(PROFILE.format(name=key, lines=value)
                for key, value in PROFILES.items())


def write_crl(directory, *serials, days=1, key="issuing"):
    """A CRL of the sandbox's issuing CA, put in place at once."""
    issuer = x509.load_pem_x509_certificate(
        (directory / "pki/issuing.pem").read_bytes())
    signer = serialization.load_pem_private_key(
        (directory / ("pki/%s.key" % key)).read_bytes(), None)
    now = datetime.datetime.utcnow()
    builder = x509.CertificateRevocationListBuilder().issuer_name(
        issuer.subject).last_update(
            now - datetime.timedelta(days=2)).next_update(
                now + datetime.timedelta(days=days))
    for serial in serials:
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder().serial_number(
                serial).revocation_date(now).build())
    new = directory / "crl.new"
    new.write_bytes(builder.sign(signer, hashes.SHA256()).public_bytes(
        serialization.Encoding.PEM))
    new.chmod(0o644)
    new.rename(directory / "crl.pem")


@pytest.fixture(scope="module")
def server():
    sandbox = gateway.Sandbox("event", LINES)
    # its PKI has to be there before its CRL can be
    sandbox.lines = ""
    sandbox.start()
    sandbox.stop()
    write_crl(sandbox.dir)
    sandbox.lines = LINES
    try:
        sandbox.start()
        yield sandbox
    finally:
        sandbox.remove()


class Device:
    """A device with its first certificate."""

    def __init__(self, server, keys, profile="renew", challenge=None,
                 sans=SANS):
        self.server = server
        self.keys = keys
        self.endpoint = server.endpoint(profile)
        self.key = keys.rsa()
        csr = make_csr(self.key, challenge or server.challenge(profile),
                       DEVICE, sans)
        reply = self.endpoint.send(self.endpoint.request(
            self.key, csr, keys.signer()))
        reply.check_issued(self.key)
        self.certificate = reply.certificates[0]

    @property
    def serial(self):
        return x509.load_der_x509_certificate(
            self.certificate).serial_number

    def renew(self, profile=None, number=1, challenge=None, subject=DEVICE,
              sans=SANS, key=None, certificate=None, same_key=False,
              **members):
        endpoint = (self.server.endpoint(profile) if profile
                    else self.endpoint)
        self.new_key = self.key if same_key else self.keys.rsa(number=number)
        csr = make_csr(self.new_key, challenge, subject, sans)
        members.setdefault("message_type", RENEWAL_REQ)
        return endpoint.send(endpoint.request(
            key or self.key, csr, certificate or self.certificate,
            **members))


@pytest.fixture
def device(server, keys):
    return lambda *words, **more: Device(server, keys, *words, **more)


def refused(reply, server, reason):
    assert (reply.status, reply.fail_info) == (FAILURE, BAD_REQUEST)
    assert reason in server.log.outcomes()[-1].text, server.log.raw()


def test_c14_renewal_is_listed_where_it_works(server):
    assert "Renewal" in server.endpoint("renew").caps()
    assert "Renewal" not in server.endpoint("default").caps()


@pytest.mark.parametrize("message_type", [RENEWAL_REQ, "19"])
@pytest.mark.parametrize("same_key", [True, False])
def test_c71_renewed_by_both_message_types(device, message_type, same_key):
    first = device()
    reply = first.renew(message_type=message_type, same_key=same_key)
    cert = reply.check_issued(first.new_key)
    assert cert.serial_number != first.serial


def test_q12_the_identical_csr_and_id_give_a_new_certificate(server, keys):
    endpoint = server.endpoint("renew")
    key = keys.rsa()
    csr = make_csr(key, server.challenge("renew"), DEVICE)
    first = endpoint.send(endpoint.request(key, csr, keys.signer(),
                                           transaction_id="0"))
    again = endpoint.send(endpoint.request(
        key, csr, first.certificates[0], transaction_id="0",
        message_type=RENEWAL_REQ))
    assert again.check_issued(key).serial_number != \
        first.check_issued(key).serial_number


def test_the_log_names_the_certificate_that_proved_it(server, device):
    first = device()
    first.renew()
    assert "certificate %x" % first.serial in \
        server.log.outcomes()[-1].text.replace("certificate 0",
                                               "certificate ")


def test_c73_another_subject_is_refused(server, device):
    first = device()
    refused(first.renew(subject=name(("CN", "boss"))), server,
            "another subject")
    refused(first.renew(subject=name(("CN", "device"), ("O", "x"))), server,
            "another subject")


def test_c73_a_new_san_is_refused_and_fewer_are_not(server, device):
    first = device()
    refused(first.renew(sans=SANS + (pki.dns("c.example"),)), server,
            "subjectAltName")
    assert first.renew(sans=SANS[:1]).status == SUCCESS


def test_a_self_signed_renewal_is_refused(server, device, keys):
    first = device()
    forged = pki.certificate(keys.rsa(number=1), DEVICE)
    refused(first.renew(certificate=forged, key=keys.rsa(number=1)), server,
            "not signed by a certificate")
    # the same subject and another issuer's name, as of another CA
    forged = pki.certificate(keys.rsa(number=1), DEVICE, name(("CN", "CA")),
                             keys.rsa(number=2))
    refused(first.renew(certificate=forged, key=keys.rsa(number=1)), server,
            "another CA")


def test_a_certificate_in_the_cas_name_with_a_wrong_signature(server, device,
                                                              keys):
    issuer = x509.load_pem_x509_certificate(
        (server.dir / "pki/issuing.pem").read_bytes()).subject
    forged = pki.certificate(keys.rsa(number=1), DEVICE,
                             issuer.public_bytes(), keys.rsa(number=1))
    refused(device().renew(certificate=forged, key=keys.rsa(number=1)),
            server, "another CA")


def test_the_certificate_without_its_key_is_refused(device, keys):
    reply = device().renew(key=keys.rsa(number=2))
    assert reply.status == FAILURE


def test_one_for_another_end_is_refused(server, device):
    refused(device().renew("server"), server, "extended key usage")


def test_an_expired_one_is_refused_and_grace_lets_it(server, device):
    first = device("short")
    end = x509.load_der_x509_certificate(first.certificate).not_valid_after
    wait_until(lambda: datetime.datetime.utcnow() > end
               + datetime.timedelta(seconds=1))
    refused(first.renew(), server, "has expired")
    assert first.renew("grace").status == SUCCESS


@pytest.mark.parametrize("message_type", ["18", "0", "99"])
def test_messagetype_18_and_others_are_refused(device, message_type):
    assert device().renew(message_type=message_type).status == FAILURE


def test_a_profile_without_cert_renews_nothing(server, device):
    first = device()
    refused(first.renew("default"), server, "renewal is not offered")
    refused(first.renew("default", message_type="19"), server,
            "another key")


def test_a_challenge_does_not_prove_a_request_of_another_key(server, device,
                                                             keys):
    """A valid challenge and a forged signer: the challenge stays good."""
    found = server.issue("later")
    forged = pki.certificate(keys.rsa(number=1), DEVICE, name(("CN", "CA")),
                             keys.rsa(number=2))
    first = device("later")
    for message_type in (RENEWAL_REQ, "19"):
        refused(first.renew(challenge=found["challenge"], certificate=forged,
                            key=keys.rsa(number=1), number=3,
                            message_type=message_type), server, "another CA")
    assert server.state(found["id"]) == "issued"


def test_r34_a_renewal_with_its_old_challenge(server, device):
    """Where cert stands first, a spent challenge that comes along is no
    breach: certmonger sends it again."""
    found = server.issue("renew")
    first = device(challenge=found["challenge"])
    assert first.renew(challenge=found["challenge"], message_type="19",
                       same_key=True).status == SUCCESS


class TestRevocation:
    def test_a_revoked_one_is_refused_at_once(self, server, device):
        first, other = device("listed"), device("listed")
        assert first.renew().status == SUCCESS
        write_crl(server.dir, first.serial)
        refused(first.renew(), server, "is revoked")
        assert other.renew().status == SUCCESS
        write_crl(server.dir)
        assert first.renew().status == SUCCESS

    @pytest.mark.parametrize("spoil, reason", [
        (lambda path: path.unlink(), "cannot be read"),
        (lambda path: path.write_text("nothing"), "cannot be read"),
        (lambda path: path.write_bytes(path.read_bytes()[:200]),
         "cannot be read"),
        (lambda path: write_crl(path.parent, days=-1), "out of date"),
        (lambda path: write_crl(path.parent, key="ra"), "not signed"),
    ], ids=["gone", "garbage", "cut", "old", "forged"])
    def test_no_good_crl_no_renewal(self, server, device, spoil, reason):
        first = device("listed")
        spoil(server.dir / "crl.pem")
        try:
            refused(first.renew(), server, reason)
        finally:
            write_crl(server.dir)
        assert first.renew().status == SUCCESS

    def test_a_fifo_in_its_place_holds_nobody_up(self, server, device):
        first = device("listed")
        (server.dir / "crl.pem").unlink()
        os.mkfifo(server.dir / "crl.pem", 0o644)
        try:
            refused(first.renew(), server, "cannot be read")
        finally:
            (server.dir / "crl.pem").unlink()
            write_crl(server.dir)


@pytest.mark.parametrize("lines, error", [
    ("ScepVerify cert", "ScepRenewalRevocation"),
    ("ScepVerify cert\nScepRenewalRevocation crl:", "give crl:FILE or off"),
    ("ScepVerify cert\nScepRenewalRevocation on", "give crl:FILE or off"),
    ("ScepVerify cert\nScepRenewalRevocation crl:absent", "no CRL in"),
    ("ScepVerify cert\nScepRenewalRevocation crl:pki/ra.pem", "no CRL in"),
    ("ScepRenewalGrace x", "no time"),
], ids=["missing", "empty", "word", "absent", "certificate", "grace"])
def test_mistakes_are_found_by_configtest(make_server, lines, error):
    sandbox = make_server(PROFILE.format(name="bad", lines=lines),
                          start=False)
    done = sandbox.start(check=False)
    assert done.returncode != 0 and error in done.stdout + done.stderr
    sandbox.log.mark()
