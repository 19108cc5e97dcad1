"""The verifier cert: an existing certificate proves its successor.

SPDX-License-Identifier: Apache-2.0
"""
import datetime

import pytest
from cryptography import x509

import pki
import profiles
import renewals
from gateway import make_csr, wait_until
from pki import name
from pkimessage import BAD_REQUEST, FAILURE, SUCCESS
from renewals import DEVICE, RENEWAL_REQ, SANS, Device, profile, refused

CLIENT_AUTH = bytes.fromhex("300a06082b06010505070302")

PROFILES = {
    "renew": "ScepVerify cert otp\nScepRenewalRevocation off",
    "server": ("ScepVerify cert otp\nScepRenewalRevocation off\n"
               "ScepExtendedKeyUsage serverAuth"),
    "short": ("ScepVerify cert otp\nScepRenewalRevocation off\n"
              "ScepValidity 1s"),
    "grace": ("ScepVerify cert otp\nScepRenewalRevocation off\n"
              "ScepValidity 1s\nScepRenewalGrace 1h"),
    "later": "ScepVerify otp cert\nScepRenewalRevocation off",
    "window": ("ScepVerify cert otp\nScepRenewalRevocation off\n"
               "ScepValidity 90d\nScepRenewalWindow 30d"),
    "percent": ("ScepVerify cert otp\nScepRenewalRevocation off\n"
                "ScepValidity 90d\nScepRenewalWindow 33%"),
    "early": ("ScepVerify cert otp\nScepRenewalRevocation off\n"
              "ScepValidity 20d\nScepRenewalWindow 30d"),
    "macs": ("ScepVerify cert otp\nScepRenewalRevocation off\n"
             "ScepValidity 90d\nScepRenewalWindow 30d\n"
             "ScepChallengeMaxTTL 730d\nScepSubjectAltNames dns"),
    "samenames": ("ScepVerify cert otp\nScepRenewalRevocation off\n"
                  "ScepRenewalNames same"),
    "anyname": ("ScepVerify cert otp\nScepRenewalRevocation off\n"
                "ScepRenewalNames any\nScepSubjectAltNames dns"),
}
LINES = "".join(profile(*pair) for pair in PROFILES.items())


@pytest.fixture(scope="module")
def server():
    sandbox = renewals.start(LINES, ledger=False)
    try:
        yield sandbox
    finally:
        sandbox.remove()


@pytest.fixture
def device(server, keys):
    return lambda *words, **more: Device(server, keys, *words, **more)


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


def test_the_window(server, device):
    """Too early is a refusal that names its rule."""
    for name_ in ("window", "percent"):
        refused(device(name_).renew(), server, "(ScepRenewalWindow)")
    assert device("early").renew().status == SUCCESS
    # a challenge is as good as ever
    reply = device("window").renew(
        challenge=server.challenge("window"), message_type="19",
        same_key=True)
    assert reply.status == SUCCESS


def test_c73_the_same_names_or_any(server, device):
    first = device("samenames")
    refused(first.renew(sans=SANS[:1]), server, "ScepRenewalNames same")
    refused(first.renew(subject=name(("CN", "boss"))), server,
            "another subject")
    assert first.renew(sans=SANS[::-1]).status == SUCCESS
    first = device("anyname")
    boss = {"subject": name(("CN", "boss")), "sans": [pki.dns("c.example")]}
    assert first.renew(**boss).status == SUCCESS
    # policy has its word all the same
    refused(first.renew(sans=[pki.email("a@b.example")]), server,
            "refused, policy")


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
    """Without a ledger that is all that tells profiles apart."""
    refused(device().renew("server"), server, "extended key usage")


def test_an_expired_one_is_refused_and_grace_lets_it(server, device):
    first = device("short")
    end = first.x509.not_valid_after
    wait_until(lambda: datetime.datetime.utcnow() > end
               + datetime.timedelta(seconds=1))
    refused(first.renew(), server, "has expired")
    assert first.renew("grace").status == SUCCESS


@pytest.mark.parametrize("message_type", [
    str(number) for number in range(-1, 32)
    if number not in (3, 17, 19, 20, 21, 22)] + ["99", "255", "65555"])
def test_messagetype_18_and_others_are_refused(server, device, message_type):
    """CVE-2026-30836 was a type that nobody had thought of."""
    first = device()
    key = first.keys.rsa(number=1)
    for challenge in (None, server.challenge("renew")):
        assert first.renew(message_type=message_type,
                           challenge=challenge).status == FAILURE
        assert first.endpoint.send(first.endpoint.request(
            key, make_csr(key, challenge, DEVICE), first.keys.signer(1),
            message_type=message_type)).status == FAILURE


def made_by_the_ca(server, key, subject=DEVICE, **members):
    """A certificate that the CA's key signs, as no profile would have it."""
    issuer, issuer_key = renewals.issuer_of(server.dir)
    members.setdefault("extensions", [
        pki.key_usage(0), pki.extension("2.5.29.37", CLIENT_AUTH)])
    return pki.certificate(key, subject, issuer.subject.public_bytes(),
                           issuer_key, **members)


@pytest.mark.parametrize("members, reason", [
    ({"age": -1}, "not yet valid"),
    ({"age": 60, "days": -1}, "has expired"),
    ({"extensions": [profiles.CA, profiles.CA_USAGE]}, "not for signatures"),
    ({"extensions": [profiles.CA, pki.key_usage(0, 5), pki.extension(
        "2.5.29.37", CLIENT_AUTH)]}, "that of a CA"),
    ({"extensions": [pki.key_usage(2), pki.extension(
        "2.5.29.37", CLIENT_AUTH)]}, "not for signatures"),
    ({"version": 1, "extensions": []}, "lacks an extended"),
    ({"subject": name(("CN", "device"), ("CN", "x"))}, "another subject"),
], ids=["future", "past", "ca", "client-ca", "encrypts", "v1", "subject"])
def test_what_the_ca_signed_and_is_no_proof(server, device, keys, members,
                                            reason):
    key = keys.rsa(number=2)
    first = device()
    good = made_by_the_ca(server, key)
    assert first.renew(certificate=good, key=key,
                       sans=()).status == SUCCESS
    refused(first.renew(certificate=made_by_the_ca(server, key, **members),
                        key=key, sans=()), server, reason)


@pytest.mark.parametrize("stem", ["issuing", "ra"])
def test_the_gateways_own_certificates_renew_nothing(server, device, stem):
    """Even with their keys, which sign as RA and CA."""
    certificate = profiles.read_pem(server.dir / ("pki/%s.pem" % stem))[0]
    _, key = renewals.issuer_of(server.dir, stem)
    reply = device().renew(certificate=certificate, key=key)
    assert reply.status == FAILURE


def test_a_self_signed_copy_of_the_certificate(server, device, keys):
    """All as in the old one, the issuer too, but for key and signature."""
    first = device()
    key = keys.rsa(number=2)
    issuer, _ = renewals.issuer_of(server.dir)
    copy = pki.certificate(
        key, DEVICE, issuer.subject.public_bytes(), key, serial=first.serial,
        extensions=[pki.key_usage(0), pki.extension("2.5.29.37",
                                                    CLIENT_AUTH)])
    refused(first.renew(certificate=copy, key=key), server, "another CA")


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


@pytest.mark.parametrize("lines, error", [
    ("ScepVerify cert", "ScepRenewalRevocation"),
    ("ScepRenewalRevocation crl:", "give crl:FILE, crl:URL, ca"),
    ("ScepRenewalRevocation on", "give crl:FILE, crl:URL, ca"),
    ("ScepRenewalRevocation", "give crl:FILE, crl:URL, ca"),
    ("ScepRenewalRevocation ocsp off", "or off alone"),
    ("ScepRenewalRevocation crl:http://", "crl:http://: "),
    ("ScepRenewalRevocation ocsp:ftp://ca.example/", "ocsp:ftp:"),
    ("ScepRenewalTimeout 0", "ScepRenewalTimeout"),
    ("ScepRenewalTimeout 2min", "more than a minute"),
    ("ScepRenewalWindow 100%", "give 1% to 99%"),
    ("ScepRenewalWindow 0", "ScepRenewalWindow"),
    ("ScepRenewalWindow %", "ScepRenewalWindow"),
    ("ScepRenewalNames all", "subset"),
    ("ScepVerify cert\nScepRenewalRevocation crl:absent", "no CRL in"),
    ("ScepVerify cert\nScepRenewalRevocation crl:pki/ra.pem", "no CRL in"),
    ("ScepRenewalGrace x", "no time"),
])
def test_mistakes_are_found_by_configtest(make_server, lines, error):
    sandbox = make_server(profile("bad", lines),
                          start=False)
    done = sandbox.start(check=False)
    assert done.returncode != 0 and error in done.stdout + done.stderr
    sandbox.log.mark()


class TestMacos:
    """C-74: a PKCSReq, self-signed, with the challenge of the profile."""

    def ask(self, server, keys, challenge, number=1, **members):
        key = keys.rsa(number=number)
        endpoint = server.endpoint("macs")
        reply = endpoint.send(endpoint.request(
            key, make_csr(key, challenge, **members), keys.signer(number)))
        return key, reply

    def test_it_renews_for_as_long_as_the_challenge_lives(self, server, keys):
        """The window is not for it: nothing shows the old certificate."""
        found = server.issue("macs", reusable=True, subject="CN=device",
                             ttl="30d")
        serials = {self.issued(server, keys, found, number)
                   for number in (1, 2, 1)}
        assert len(serials) == 3
        assert found["id"] in server.log.outcomes()[-1].text
        assert server.state(found["id"]) == "issued"

    def issued(self, server, keys, found, number=1):
        key, reply = self.ask(server, keys, found["challenge"], number)
        return reply.check_issued(key).serial_number

    def test_for_that_subject_alone(self, server, keys):
        found = server.issue("macs", reusable=True, subject="CN=device")
        self.issued(server, keys, found)
        _, reply = self.ask(server, keys, found["challenge"],
                            subject=name(("CN", "boss")))
        refused(reply, server, "another subject")

    def test_policy_has_its_word(self, server, keys):
        found = server.issue("macs", reusable=True, subject="CN=device")
        _, reply = self.ask(server, keys, found["challenge"],
                            sans=[pki.email("a@b.example")])
        refused(reply, server, "refused, policy")
        self.issued(server, keys, found)

    def test_once_only_is_spent(self, server, keys):
        found = server.issue("macs", subject="CN=device")
        self.issued(server, keys, found)
        server.log.expect("SCEP0103")
        _, reply = self.ask(server, keys, found["challenge"], number=2)
        assert reply.status == FAILURE

    def test_its_certificate_is_under_the_window(self, server, keys):
        """What it got so proves a RenewalReq as any other does."""
        found = server.issue("macs", reusable=True, subject="CN=device")
        key, reply = self.ask(server, keys, found["challenge"])
        reply.check_issued(key)
        endpoint = server.endpoint("macs")
        new = keys.rsa(number=2)
        again = endpoint.send(endpoint.request(
            key, make_csr(new), reply.certificates[0],
            message_type=RENEWAL_REQ))
        refused(again, server, "(ScepRenewalWindow)")
