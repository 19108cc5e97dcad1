"""Calls of the connector to ADCS that no device can cause yet: by a program.

SPDX-License-Identifier: Apache-2.0
"""
import itertools
import re
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

import gateway
from other_ca import OtherCa, beside
from pki import name, spki
from pkimessage import BAD_ALG, BAD_CERT_ID, BAD_REQUEST

PROBE = gateway.BUILD / "t" / "integration" / "adcs_probe"
CES, WEB = "ces", "certsrv"
BOTH = pytest.mark.parametrize("interface", [CES, WEB])
PATHS = {CES: "/Sandbox%20Issuing%20CA_CES_Basic/service.svc/CES",
         WEB: "/basic/certsrv"}

numbers = itertools.count(1)


class Answer:
    def __init__(self, text):
        self.outcome, self.reason, self.handle, fail_info, *rest = \
            text.split("\n", 4)
        self.fail_info = fail_info
        self.certificates = [
            x509.load_pem_x509_certificate(
                (part + "-----END CERTIFICATE-----\n").encode())
            for part in "".join(rest).split("-----END CERTIFICATE-----\n")
            if "BEGIN" in part]


class World:
    def __init__(self, server, keys):
        self.server = server
        self.ca = OtherCa(server)
        self.key = keys.rsa()
        self.csr = server.dir / "probe.csr"
        self.cn = "device-%d" % next(numbers)
        made = x509.load_der_x509_csr(gateway.make_csr(
            self.key, subject=name(("CN", self.cn))))
        self.csr.write_bytes(made.public_bytes(serialization.Encoding.PEM))

    def text(self, interface, *words, **settings):
        given = {"interface": interface, "template": "ScepDevice",
                 "url": self.server.values["CA_BASE"] + PATHS[interface],
                 "ca-file": self.ca.dir / "tls/management.pem",
                 "user": "LAB\\svc-scep",
                 "password": self.ca.secret("password"), **settings}
        return subprocess.run(
            [PROBE, *["%s=%s" % pair for pair in given.items()],
             *map(str, words)], text=True, check=True,
            stdout=subprocess.PIPE).stdout

    def ask(self, *words, **settings):
        return Answer(self.text(*words, **settings))

    def submit(self, interface, **settings):
        return self.ask(interface, "submit", self.csr, **settings)

    def pending(self, interface):
        """The handle of a request that waits, and its number at the CA."""
        self.ca.set(approval=True)
        answer = self.submit(interface)
        assert answer.outcome == "PENDING", answer.reason
        return answer.handle, self.ca.state["filed"][-1]["id"]


@pytest.fixture(scope="module")
def gateway_before_adcs():
    with beside("adcs-ces", "LogLevel scep:debug\n") as server:
        yield server


@pytest.fixture
def world(gateway_before_adcs, keys):
    world = World(gateway_before_adcs, keys)
    world.ca.forget()
    yield world
    assert [one for one in world.ca.state["requests"]
            if "mistake" in one] == []


def is_the_certificate(world, answer):
    cert, = answer.certificates
    assert spki(cert) == spki(world.key)
    serial, = [one["serial"] for one in world.ca.state["filed"]]
    assert int(serial, 16) == cert.serial_number


@BOTH
@pytest.mark.parametrize("language", ["en", "de", "fr"])
def test_what_a_manager_issues_is_fetched(world, interface, language):
    world.ca.set(language=language)
    handle, number = world.pending(interface)
    for _ in range(2):
        answer = world.ask(interface, "poll", handle)
        assert (answer.outcome, answer.handle) == ("PENDING", handle)
    world.ca.control("POST", "/issue", {"id": number})
    answer = world.ask(interface, "poll", handle)
    assert answer.outcome == "ISSUED", answer.reason
    is_the_certificate(world, answer)
    again = world.ask(interface, "poll", handle)
    assert again.certificates == answer.certificates


@BOTH
@pytest.mark.parametrize("language", ["en", "de", "fr"])
def test_what_a_manager_denies_is_refused(world, interface, language):
    world.ca.set(language=language)
    handle, number = world.pending(interface)
    world.ca.control("POST", "/deny", {"id": number})
    answer = world.ask(interface, "poll", handle)
    assert answer.outcome == "REJECTED"
    assert answer.fail_info == BAD_REQUEST
    assert "0x80094014" in answer.reason


@BOTH
def test_what_the_ca_has_lost_is_no_certificate(world, interface):
    handle, _ = world.pending(interface)
    world.ca.forget()
    answer = world.ask(interface, "poll", handle)
    assert answer.outcome in ("REJECTED", "PENDING", "UNKNOWN")
    assert not answer.certificates
    if answer.outcome == "REJECTED":
        assert answer.fail_info == BAD_CERT_ID


SAY_NOTHING = ("500", "503", "html", "empty", "garbage", "endless", "bomb",
               "cut", "close")


@pytest.mark.parametrize("interface, what", [
    *itertools.product([CES, WEB], SAY_NOTHING), (CES, "internal")])
def test_an_answer_that_says_nothing_leaves_it_pending(world, interface,
                                                       what):
    handle, number = world.pending(interface)
    world.ca.control("POST", "/issue", {"id": number})
    step = "poll" if interface == CES else "fetch"
    # a GET is sent once more where a connection ends without an answer
    world.ca.fault(what, step=step, times=2)
    answer = world.ask(interface, "poll", handle)
    assert answer.outcome in ("PENDING", "UNKNOWN"), answer.reason
    assert answer.handle == handle
    world.ca.control("DELETE", "/faults")
    assert world.ask(interface, "poll", handle).outcome == "ISSUED"


@BOTH
@pytest.mark.parametrize("handle", ["", "0", "x", "-1", "61; rm", "9" * 40,
                                    "61 https://evil.example/", "61\n62"])
def test_a_handle_that_is_none_gets_nothing(world, interface, handle):
    answer = world.ask(interface, "poll", handle)
    assert answer.outcome != "ISSUED"
    assert not answer.certificates


def test_a_certificate_of_another_key_is_not_taken_from_certsrv(world):
    """Its pages do not say for sure which number is the request's."""
    handle, number = world.pending(WEB)
    world.ca.control("POST", "/issue", {"id": number})
    digest, = re.findall("[0-9a-f]{64}", handle)
    other = handle.replace(digest, "0" * 64)
    assert world.ask(WEB, "poll", other).outcome != "ISSUED"


@BOTH
def test_a_submission_that_is_issued(world, interface):
    answer = world.submit(interface)
    assert answer.outcome == "ISSUED", answer.reason
    is_the_certificate(world, answer)


@BOTH
def test_a_submission_that_is_denied(world, interface):
    world.ca.set(rsa_bits=4096)
    answer = world.submit(interface)
    assert (answer.outcome, answer.fail_info) == ("REJECTED", BAD_ALG)


@BOTH
def test_a_wrong_password_is_no_pending_request(world, interface):
    answer = world.submit(interface, password="not-it")
    assert answer.outcome == "REJECTED"
    assert "not-it" not in answer.reason


def test_the_chain_is_that_of_certcarc(world):
    outcome, *_ = world.text(WEB, "chain").splitlines()
    assert outcome == "chain"
    certs = Answer("\n\n\n0\n" + world.text(WEB, "chain").split(
        "\n", 1)[1]).certificates
    pki = world.server.dir / "pki"
    expected = [x509.load_pem_x509_certificate((pki / path).read_bytes())
                for path in ("issuing.pem", "root.pem")]
    assert certs == expected


@pytest.mark.parametrize("what", ["html", "500", "empty", "cut", "endless"])
def test_a_page_is_no_chain(world, what):
    world.ca.fault(what, step="chain", times=-1)
    assert world.text(WEB, "chain").splitlines() == ["error"]


@BOTH
def test_health(world, interface):
    assert world.text(interface, "health").startswith("well\n")
    told = world.text(interface, "health", password="not-it")
    assert told.startswith("ill\n") and "HTTP 401" in told
    assert "not-it" not in told
    told = world.text(interface, "health",
                      url="https://127.0.0.1:%d/" % gateway.free_port())
    assert told.startswith("ill\n") and "connect" in told


def test_a_page_without_the_chain_is_ill_health(world):
    world.ca.fault("html", step="chain", times=-1)
    told = world.text(WEB, "health")
    assert told.startswith("ill\n") and "certsrv answered HTTP 200" in told
