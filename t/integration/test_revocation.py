"""ScepRenewalRevocation: where a profile learns what is revoked.

SPDX-License-Identifier: Apache-2.0
"""
import os
import subprocess
import time

import pytest
from cryptography.hazmat.primitives import serialization

import outages
import pki
import renewals
from gateway import wait_until
from pkimessage import SUCCESS
from renewals import (Device, Publisher, Responder, make_crl, ocsp_response,
                      profile, running, write_crl)

NO_CRL = "SCEP0582"
KEPT = "SCEP0581"
AGAIN = "SCEP0583"


def sources(*words, more=""):
    return "ScepVerify cert otp\nScepRenewalRevocation %s\n%s" % (
        " ".join(words), more)


@pytest.fixture(scope="module")
def publisher():
    found = Publisher()
    yield found
    found.close()


def der(crl):
    return crl.public_bytes(serialization.Encoding.DER)


# ------------------------------------------------------------- crl:FILE

class TestFile:
    @pytest.fixture(scope="class")
    def server(self):
        def lines(sandbox):
            write_crl(sandbox.dir)
            return profile("listed", sources("crl:crl.pem"))

        sandbox = renewals.start(lines)
        yield sandbox
        sandbox.remove()

    @pytest.fixture
    def device(self, server, keys):
        return lambda: Device(server, keys, "listed")

    @pytest.mark.parametrize("encoding", ["PEM", "DER"])
    def test_a_revoked_one_is_refused_at_once(self, server, device, encoding):
        form = {"encoding": serialization.Encoding[encoding]}
        first, other = device(), device()
        assert first.renew().status == SUCCESS
        write_crl(server.dir, first.serial, **form)
        first.is_refused("is revoked (crl:crl.pem)")
        assert other.renew().status == SUCCESS
        write_crl(server.dir, **form)
        assert first.renew().status == SUCCESS

    def test_openssl_made_it(self, server, device, tmp_path):
        """openssl ca -revoke, -gencrl"""
        first, other = device(), device()
        for path, text in (("index.txt", ""), ("crlnumber", "01\n"),
                           ("ca.cnf", CA_CNF % {"dir": server.dir})):
            (tmp_path / path).write_text(text)
        (tmp_path / "old.pem").write_bytes(pki.pem_cert(first.certificate))
        for words in (["-revoke", "old.pem", "-crl_reason", "keyCompromise"],
                      ["-gencrl", "-crldays", "1", "-out", "crl.pem"]):
            subprocess.run(["openssl", "ca", "-config", "ca.cnf", *words],
                           cwd=tmp_path, check=True, capture_output=True)
        try:
            new = server.dir / "crl.new"
            new.write_bytes((tmp_path / "crl.pem").read_bytes())
            new.chmod(0o644)
            new.rename(server.dir / "crl.pem")
            first.is_refused("is revoked")
            assert other.renew().status == SUCCESS
        finally:
            write_crl(server.dir)

    @pytest.mark.parametrize("spoil, reason", [
        (lambda path: path.unlink(), "cannot be read"),
        (lambda path: path.write_text("nothing"), "cannot be read"),
        (lambda path: path.write_bytes(path.read_bytes()[:200]),
         "cannot be read"),
        (lambda path: write_crl(path.parent, life=-60), "out of date"),
        (lambda path: write_crl(path.parent, age=-60), "from the future"),
        (lambda path: write_crl(path.parent, key="ra"), "not signed"),
    ], ids=["gone", "garbage", "cut", "old", "future", "forged"])
    def test_no_good_crl_no_renewal(self, server, device, spoil, reason):
        first = device()
        spoil(server.dir / "crl.pem")
        try:
            first.is_put_off(reason)
        finally:
            write_crl(server.dir)
        assert first.renew().status == SUCCESS

    def test_a_fifo_in_its_place_holds_nobody_up(self, server, device):
        first = device()
        (server.dir / "crl.pem").unlink()
        os.mkfifo(server.dir / "crl.pem", 0o644)
        try:
            first.is_put_off("cannot be read")
        finally:
            (server.dir / "crl.pem").unlink()
            write_crl(server.dir)

    def test_who_is_no_device_of_ours_is_told_so(self, server, device, keys):
        """A missing CRL does not make a stranger come again."""
        first = device()
        forged = pki.certificate(keys.rsa(number=2), renewals.DEVICE)
        (server.dir / "crl.pem").unlink()
        try:
            first.is_refused("not signed by a certificate",
                             certificate=forged, key=keys.rsa(number=2))
        finally:
            write_crl(server.dir)


CA_CNF = """\
[ca]
default_ca = issuing
[issuing]
database = index.txt
crlnumber = crlnumber
certificate = %(dir)s/pki/issuing.pem
private_key = %(dir)s/pki/issuing.key
default_md = sha256
"""


# -------------------------------------------------------------- crl:URL

@pytest.fixture
def remote(publisher, keys):
    """Starts a server that goes by what the publisher has at a path."""
    started = []

    def make(path, answer=lambda sandbox: der(make_crl(sandbox.dir)),
             words=None):
        def lines(sandbox):
            publisher.answers[path] = answer(sandbox)
            word = "crl:%s%s" % (publisher.url, path)
            return profile("remote", sources(*(words or ()), word))

        sandbox = renewals.start(lines)
        started.append(sandbox)
        return sandbox

    yield make
    for sandbox in started:
        try:
            sandbox.log.verify()
        finally:
            sandbox.remove()


def fetched(server):
    return list((server.dir / "state/revocation").glob("crl-*"))


class TestUrl:
    def test_fetched_before_anybody_asks(self, remote, publisher, keys):
        server = remote("/a")
        wait_until(lambda: fetched(server))
        first = Device(server, keys, "remote")
        assert first.renew().status == SUCCESS
        assert publisher.count("/a") == 1

    def test_revoked(self, remote, publisher, keys):
        """In time before its nextUpdate it is fetched again."""
        server = remote("/b", lambda s: der(make_crl(s.dir, life=20)))
        first, other = (Device(server, keys, "remote") for _ in range(2))
        wait_until(lambda: fetched(server))
        assert first.renew().status == SUCCESS
        publisher.answers["/b"] = der(
            make_crl(server.dir, first.serial, age=60))
        seen = publisher.count("/b")
        wait_until(lambda: publisher.count("/b") > seen)
        wait_until(lambda: first.renew().status != SUCCESS)
        first.is_refused("is revoked (crl:http://")
        assert other.renew().status == SUCCESS

    @pytest.mark.parametrize("outage", [
        outages.graceful, outages.restart, outages.kill_everything])
    def test_an_outage_does_not_matter(self, remote, publisher, keys, outage):
        """The CRL is on disk, good until its nextUpdate."""
        path = "/c" + outage.__name__
        server = remote(path)
        wait_until(lambda: fetched(server))
        first = Device(server, keys, "remote")
        server.log.allow(KEPT)
        publisher.answers[path] = 503
        outage(server)
        assert first.renew().status == SUCCESS

    @pytest.mark.parametrize("answer, reason", [
        (lambda s: 404, "HTTP 404"),
        (lambda s: 500, "HTTP 500"),
        (lambda s: b"<html>", "no CRL"),
        (lambda s: b"", "no CRL"),
        (lambda s: der(make_crl(s.dir))[:100], "no CRL"),
        (lambda s: der(make_crl(s.dir, life=-60)), "out of date"),
        (lambda s: der(make_crl(s.dir, key="ra")), "not signed"),
    ], ids=["404", "500", "html", "empty", "cut", "old", "forged"])
    def test_nothing_good_comes(self, remote, publisher, keys, answer,
                                reason):
        server = remote("/d", answer)
        server.log.expect(NO_CRL + ".*" + reason)
        wait_until(lambda: NO_CRL in server.log.raw())
        first = Device(server, keys, "remote")
        first.is_put_off("cannot be read")
        assert server.log.raw().count(NO_CRL) == 1
        assert not fetched(server)
        # and as soon as it does
        server.log.allow(AGAIN)
        publisher.answers["/d"] = der(make_crl(server.dir))
        wait_until(lambda: fetched(server))
        assert first.renew().status == SUCCESS
        wait_until(lambda: AGAIN in server.log.raw())

    def test_a_server_that_hangs_holds_no_device_up(self, remote, publisher,
                                                    keys):
        server = remote("/hang", lambda s: None)
        server.log.allow(NO_CRL)
        wait_until(lambda: publisher.count("/hang"))
        first = Device(server, keys, "remote")
        start = time.monotonic()
        first.is_put_off("cannot be read")
        # libcurl's patience is 30 s
        assert time.monotonic() - start < 15

    def test_a_former_crl_takes_nothing_back(self, remote, publisher, keys):
        """It is signed as well, and the way to here is plain http."""
        server = remote("/e", lambda s: der(make_crl(s.dir, life=20)))
        wait_until(lambda: fetched(server))
        kept = fetched(server)[0].read_bytes()
        publisher.answers["/e"] = der(make_crl(server.dir, age=9 * 86400))
        server.log.expect(KEPT + ".*older than the one before")
        wait_until(lambda: KEPT in server.log.raw())
        assert fetched(server)[0].read_bytes() == kept
        server.log.allow(NO_CRL)

    def test_the_next_source_is_asked(self, remote, publisher, keys):
        server = remote("/f", words=["crl:%s/nothing" % publisher.url])
        server.log.expect(NO_CRL + ".*/nothing.*HTTP 404")
        wait_until(lambda: fetched(server) and NO_CRL in server.log.raw())
        assert Device(server, keys, "remote").renew().status == SUCCESS

    def test_the_first_source_that_can_tell_decides(self, remote, publisher,
                                                    keys):
        server = remote("/g", words=["crl:%s/first" % publisher.url])
        first = Device(server, keys, "remote")
        server.log.allow(NO_CRL, AGAIN)
        publisher.answers["/first"] = der(make_crl(server.dir, first.serial))
        wait_until(lambda: len(fetched(server)) == 2)
        first.is_refused("is revoked")
        del publisher.answers["/first"]


# --------------------------------------------------------- the local CA

BRIEF_CA = """\
<ScepCA openssl brief>
    ScepCAChain pki/ca.pem
    ScepOpenSSLKey pki/issuing.key
    ScepOpenSSLCRLValidity 1min
</ScepCA>
"""

class TestLocalCa:
    @pytest.fixture
    def server(self):
        sandbox = renewals.start(profile("local", sources("ca")))
        yield sandbox
        sandbox.remove()

    def put(self, server, *devices, lines=None):
        """What another process would have written."""
        path = server.dir / "state/openssl-issuing/crl.pem"
        if lines is None:
            lines = ["%032x 1700000000 4 4000000000\n" % device.serial
                     for device in devices]
        new = path.with_suffix(".new")
        new.write_bytes("".join(lines).encode() + make_crl(
            server.dir, *(device.serial for device in devices)).public_bytes(
                serialization.Encoding.PEM))
        new.chmod(0o644)
        new.rename(path)

    def test_it_is_asked_itself(self, server, keys):
        first, other = (Device(server, keys, "local") for _ in range(2))
        assert first.renew().status == SUCCESS
        made, = server.dir.glob("state/openssl-issuing/crl.pem")
        text = subprocess.run(
            ["openssl", "crl", "-in", made, "-noout", "-text", "-CAfile",
             server.dir / "pki/issuing.pem"], capture_output=True, text=True,
            check=True)
        assert "verify OK" in text.stderr
        assert "No Revoked Certificates" in text.stdout
        self.put(server, first)
        first.is_refused("is revoked (ca)")
        assert other.renew().status == SUCCESS

    @pytest.mark.parametrize("spoil", [
        lambda path: path.write_text("nothing"),
        lambda path: path.write_text(path.read_text().replace(
            "-----BEGIN", "0a 1 4 9\n-----BEGIN")),
        lambda path: path.write_text(path.read_text()[:-40])],
        ids=["garbage", "line", "cut"])
    def test_a_damaged_list(self, server, keys, spoil):
        first = Device(server, keys, "local")
        assert first.renew().status == SUCCESS
        spoil(server.dir / "state/openssl-issuing/crl.pem")
        first.is_put_off("gives no CRL")

    def test_it_is_there_to_be_published(self, make_server):
        """Whether anybody renews or not; anew before its nextUpdate."""
        server = make_server(BRIEF_CA)
        path = server.dir / "state/openssl-brief/crl.pem"
        wait_until(path.exists)
        first = path.stat().st_mtime_ns
        wait_until(lambda: path.stat().st_mtime_ns != first, seconds=90)

    @pytest.mark.parametrize("outage", [outages.graceful,
                                        outages.kill_everything])
    def test_over_a_restart(self, server, keys, outage):
        first = Device(server, keys, "local")
        assert first.renew().status == SUCCESS
        self.put(server, first)
        outage(server)
        first.is_refused("is revoked (ca)")


# ----------------------------------------------------------------- OCSP

# Each process remembers for itself what a responder said.
ONE_PROCESS = """\
StartServers 1
ServerLimit 1
MinSpareThreads 1
MaxSpareThreads 32
ThreadsPerChild 32
MaxRequestWorkers 32
"""

OCSP_CA = """\
<ScepCA openssl named>
    ScepCAChain pki/issuing.pem
    ScepOpenSSLKey pki/issuing.key
    ScepOpenSSLOCSP %s
</ScepCA>
"""


def make_responders(directory):
    """A responder that the CA has certified, and keys that it has not."""
    issuer, issuer_key = renewals.issuer_of(directory)
    usage = pki.extension("2.5.29.37",
                          bytes.fromhex("300a06082b06010505070309"))
    for stem, extensions in (("delegate", [usage]), ("nobody", [])):
        key = pki.ec_key()
        cert = pki.certificate(key, pki.name(("CN", stem)),
                               issuer.subject.public_bytes(), issuer_key,
                               extensions=[pki.key_usage(0), *extensions])
        (directory / ("pki/%s.pem" % stem)).write_bytes(pki.pem_cert(cert))
        (directory / ("pki/%s.key" % stem)).write_bytes(pki.pem_key(key))


class World:
    """A server, and the responders that its profiles ask."""

    def is_asked_again(self, other):
        """Waits until the fake one, which failed before, is asked again."""
        self.publisher.answers["/fake"] = \
            lambda asked: ocsp_response(self.server.dir, asked)
        self.server.log.allow(renewals.PUT_OFF)
        wait_until(lambda: other.post()[2].status == 200)
        self.server.log.mark()


@pytest.fixture(scope="module")
def world(publisher):
    found = World()
    found.publisher = publisher

    def lines(sandbox):
        make_responders(sandbox.dir)
        found.ca = Responder(sandbox, "issuing")
        found.delegate = Responder(sandbox, "delegate", "-nmin", "5")
        found.nobody = Responder(sandbox, "nobody")
        fake = "ocsp:%s/fake" % publisher.url
        by_ca = "ocsp:" + found.ca.url
        return (
            ONE_PROCESS + OCSP_CA % found.ca.url
            + profile("ca", sources(by_ca))
            + profile("named", sources("ocsp"), ca="named")
            + profile("unnamed", sources("ocsp"))
            + profile("delegate", sources("ocsp:" + found.delegate.url))
            + profile("nobody", sources("ocsp:" + found.nobody.url))
            + profile("fake", sources(fake, more="ScepRenewalTimeout 1s"))
            + profile("both", sources(fake, by_ca)))

    sandbox = renewals.start(lines)
    found.server = sandbox
    try:
        with running(found.ca), running(found.delegate), \
                running(found.nobody):
            yield found
    finally:
        sandbox.remove()


@pytest.fixture
def device(world, keys):
    return lambda name: Device(world.server, keys, name)


class TestOcsp:
    @pytest.mark.parametrize("name", ["ca", "named", "delegate"])
    def test_good_and_revoked(self, world, device, name):
        responder = world.delegate if name == "delegate" else world.ca
        first, other = device(name), device(name)
        responder.knows(other)
        responder.knows(first, revoked=True)
        first.is_refused("is revoked (ocsp")
        assert other.renew().status == SUCCESS

    def test_one_that_it_does_not_know(self, device):
        device("ca").is_refused("does not know the certificate")

    def test_a_certificate_that_names_none(self, device):
        device("unnamed").is_put_off("names no OCSP responder")

    def test_a_wrong_signer(self, world, device):
        first = device("nobody")
        world.nobody.knows(first)
        first.is_put_off("not signed by")

    def test_an_answer_serves_for_minutes(self, world, device):
        """Where it has a nextUpdate, and no longer than that."""
        first = device("delegate")
        world.delegate.knows(first)
        assert first.renew().status == SUCCESS
        world.delegate.stop()
        try:
            assert first.renew().status == SUCCESS
        finally:
            world.delegate.start()

    @pytest.mark.parametrize("make, reason", [
        (lambda d, asked: ocsp_response(d, asked, age=7200, life=-3600),
         "out of date"),
        (lambda d, asked: ocsp_response(d, asked, age=-3600),
         "from the future"),
        (lambda d, asked: ocsp_response(d, asked, key="ra"), "not signed"),
        (lambda d, asked: b"<html>", "no OCSP response"),
        (lambda d, asked: b"", "no OCSP response"),
        (lambda d, asked: bytes.fromhex("30030a0106"), "unauthorized"),
        (lambda d, asked: 500, "HTTP 500"),
        (lambda d, asked: None, "does not answer"),
    ], ids=["stale", "future", "forged", "html", "empty", "unauthorized",
            "500", "hangs"])
    def test_no_good_answer(self, world, device, make, reason):
        first = device("fake")
        world.is_asked_again(device("fake"))
        world.publisher.answers["/fake"] = \
            lambda asked: make(world.server.dir, asked)
        first.is_put_off(reason)

    def test_a_good_answer_without_a_nonce(self, world, device):
        """As from a responder that signs in advance."""
        first = device("fake")
        world.is_asked_again(device("fake"))
        world.publisher.answers["/fake"] = \
            lambda asked: ocsp_response(world.server.dir, asked)
        assert first.renew().status == SUCCESS

    def test_the_next_one_is_asked(self, world, device):
        first, other = device("both"), device("both")
        world.publisher.answers["/fake"] = 404
        world.ca.knows(first)
        world.ca.knows(other, revoked=True)
        assert first.renew().status == SUCCESS
        other.is_refused("is revoked (ocsp")

    def test_one_that_is_down_is_left_alone(self, world, device):
        first = device("fake")
        world.is_asked_again(device("fake"))
        world.publisher.answers["/fake"] = 500
        world.server.log.expect(renewals.PUT_OFF)
        seen = world.publisher.count("/fake")
        for _ in range(20):
            assert first.post()[2].status == 503
        # for 5 s, which twenty requests do not take
        assert world.publisher.count("/fake") - seen <= 2
