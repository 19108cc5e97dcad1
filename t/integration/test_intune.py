"""The verifier intune against an emulator of Microsoft's side.

SPDX-License-Identifier: Apache-2.0
"""
import base64
import concurrent.futures
import contextlib
import http.client
import json
import os
import re
import shutil
import socket
import socketserver
import threading
import time

import pytest
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes

import configuration
import gateway
import intune
import pki
from gateway import make_csr, wait_until
from intune import FAILURE, GRAPH, SUCCESS, TOKEN, VALIDATE
from pki import certificate, dns, name
from pkimessage import BAD_REQUEST, PENDING
from pkimessage import FAILURE as REFUSED
from pkimessage import SUCCESS as ISSUED

PROFILE = """\
LogLevel trace8
<ScepProfile intune>
    ScepCA issuing
    ScepRACertificate pki/ra.pem
    ScepRAKey pki/ra.key
    ScepVerify {verify}
    ScepSubjectAltNames none
    ScepIntuneTenant {tenant}
    ScepIntuneClient {client} file:{dir}/secret
    ScepIntuneLogin {url}
    ScepIntuneGraph {url}/
    ScepIntuneCAFile {dir}/tls.pem
    ScepIntuneTimeout {timeout}
</ScepProfile>
<Location "/p/intune">
    SetHandler scep
    ScepProfile intune
    Require all granted
</Location>
"""

# one process, so that there is one cache to look at
SINGLE = """\
StartServers 1
ServerLimit 1
MinSpareThreads 1
MaxSpareThreads 8
ThreadsPerChild 8
MaxRequestWorkers 8
"""

UNAVAILABLE = "SCEP0104: no certificate, verifier-down"
UNTOLD = "SCEP0354"
NOT_YET = "SCEP0600"
WAITING = "SCEP0357"


class World:
    """An emulator and the server that asks it."""

    def __init__(self, emulator, server, keys):
        self.emulator = emulator
        self.server = server
        self.keys = keys
        self.log = server.log

    def challenge(self, **members):
        challenge = self.emulator.issue(**members)
        self.server.secrets.add(challenge)
        return challenge

    def post(self, challenge=None, **members):
        """A request's answer as it came, and what reads it."""
        if challenge is None:
            challenge = self.challenge()
        key = self.keys.rsa()
        endpoint = self.server.endpoint("intune")
        message = endpoint.request(
            key, make_csr(key, challenge or None, **members),
            self.keys.signer())
        return endpoint, message, endpoint.post(message.build())

    def enrol(self, *challenge, **members):
        endpoint, message, response = self.post(*challenge, **members)
        return endpoint.read(response, message)

    def issued(self):
        reply = self.enrol()
        reply.check_issued(self.keys.rsa())
        return reply

    def is_refused(self, *challenge, **members):
        reply = self.enrol(*challenge, **members)
        assert reply.status == REFUSED
        assert reply.fail_info == BAD_REQUEST

    def is_put_off(self, *challenge):
        """503: the device comes again, and nothing was issued to it."""
        self.log.expect(UNAVAILABLE)
        *_, response = self.post(*challenge)
        assert response.status == 503, response
        assert int(response.headers["retry-after"]) > 0

    def outcome(self):
        return [line.text for line in self.log.outcomes()
                if re.search("SCEP010[0-4]", line.text)][-1]

    @property
    def queue(self):
        return self.server.dir / "state" / "intune-intune"

    def waiting(self):
        return sorted(path.name for path in self.queue.iterdir())

    def heals(self):
        """The fault is gone, and so is what it did, without a restart."""
        if not self.log.expected:
            self.log.allow(UNAVAILABLE)

        def works():
            endpoint, message, response = self.post()
            if response.status == 200:
                endpoint.read(response, message).check_issued(self.keys.rsa())
            return response.status == 200
        wait_until(works, step=0.2)


@pytest.fixture(scope="module")
def tls():
    """A certificate that vouches for itself, and the secret's place."""
    path = gateway.scratch()
    key = pki.rsa_key()
    cert = certificate(key, name(("CN", "127.0.0.1")), extensions=[
        pki.subject_alt_name(pki.ip("127.0.0.1"))])
    (path / "tls.pem").write_bytes(pki.pem_cert(cert))
    (path / "tls.key").write_bytes(pki.pem_key(key))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def make_emulator(tls):
    started = []

    def make():
        made = intune.Emulator(tls / "tls.pem", tls / "tls.key")
        started.append(made)
        (tls / "secret").write_text(made.secret + "\n")
        (tls / "secret").chmod(0o600)
        return made

    yield make
    for emulator in started:
        emulator.down()
        assert emulator.malformed == []


@pytest.fixture
def make_world(make_server, make_emulator, tls, keys):
    made = []

    # without a ledger but where a test is about it
    def make(extra="", timeout="10s", mpm="event", verify="intune",
             ledger=False):
        emulator = make_emulator()
        server = make_server(extra + PROFILE.format(
            dir=tls, url=emulator.url, tenant=emulator.tenant,
            client=emulator.client, timeout=timeout, verify=verify),
            mpm=mpm, ledger=ledger)
        made.append(World(emulator, server, keys))
        return made[-1]

    yield make
    for world in made:
        world.server.secrets |= {world.emulator.secret,
                                 *world.emulator.all_tokens}


@pytest.fixture
def world(make_world):
    return make_world(SINGLE)


# ---------------------------------------------------------------- enrolment

@pytest.mark.parametrize("mpm", ["event", "prefork"])
def test_a_device_enrols_and_intune_hears_of_it(make_world, mpm):
    world = make_world(mpm=mpm)
    reply = world.issued()
    emulator = world.emulator
    asked, = emulator.requests(VALIDATE)
    told, = emulator.notified(SUCCESS)
    assert asked.body["request"]["callerInfo"].startswith("mod_scep/")
    assert told["transactionId"] == asked.body["request"]["transactionId"]
    assert told["certificateRequest"] == \
        asked.body["request"]["certificateRequest"]
    cert = x509.load_der_x509_certificate(reply.certificates[0])
    assert told["certificateThumbprint"] == \
        cert.fingerprint(hashes.SHA1()).hex().upper()
    assert int(told["certificateSerialNumber"], 16) == cert.serial_number
    assert told["certificateExpirationDateUtc"] == \
        cert.not_valid_after.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    assert told["issuingCertificateAuthority"] == \
        cert.issuer.rfc4514_string()
    assert told["certificateAuthority"] == "issuing"
    assert emulator.requests(FAILURE) == []
    assert "challenge intune:%s" % asked.headers["client-request-id"] \
        in world.outcome()
    assert world.waiting() == []
    assert world.queue.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("code", [*intune.CODES, "NoCodeThatAnybodyKnows",
                                  "success", "Success ", ""])
def test_every_code_but_success_refuses(shared, code):
    shared.emulator.fault(VALIDATE, intune.code(code, "says the test"))
    shared.is_refused()
    shared.emulator.fault(VALIDATE, None)
    said = shared.outcome()
    assert "SCEP0102: refused, bad-challenge" in said
    assert "Intune: " in said and "says the test" in said
    assert code.strip() in said
    assert ("not known" in said) == (code not in intune.CODES)
    assert shared.waiting() == []
    assert shared.emulator.requests(SUCCESS) == []


@pytest.fixture(scope="module")
def shared_world(tls, keys):
    emulator = intune.Emulator(tls / "tls.pem", tls / "tls.key")
    (tls / "secret").write_text(emulator.secret + "\n")
    (tls / "secret").chmod(0o600)
    server = gateway.Sandbox("event", SINGLE + PROFILE.format(
        dir=tls, url=emulator.url, tenant=emulator.tenant,
        client=emulator.client, timeout="1s", verify="intune"),
        ledger=False)
    try:
        server.start()
        yield World(emulator, server, keys)
    finally:
        emulator.down()
        server.remove()
    assert emulator.malformed == []


@pytest.fixture
def shared(shared_world):
    """One server for tests that leave nothing behind."""
    shared_world.emulator.seen.clear()
    yield shared_world
    for step in (TOKEN, GRAPH, VALIDATE, SUCCESS, FAILURE):
        shared_world.emulator.fault(step, None)
    shared_world.server.secrets |= {shared_world.emulator.secret,
                                    *shared_world.emulator.all_tokens}


def test_an_expired_challenge_is_refused(shared):
    shared.is_refused(shared.challenge(life=-1))
    assert "ChallengeExpired" in shared.outcome()


def test_a_used_challenge_is_refused(shared):
    challenge = shared.challenge()
    shared.enrol(challenge).check_issued(shared.keys.rsa())
    shared.is_refused(challenge)
    assert "BadCertificateRequestIdInChallenge" in shared.outcome()


def test_a_challenge_for_another_subject_is_refused(shared):
    subject = asn1_x509.Name.load(name(("CN", "other"))).human_friendly
    shared.is_refused(shared.challenge(subject=subject))
    assert "SubjectNameMismatch" in shared.outcome()


def test_a_challenge_of_somebody_else_is_refused(shared):
    made_up = os.urandom(16).hex()
    shared.server.secrets.add(made_up)
    shared.is_refused(made_up)
    assert "ChallengeDecodingError" in shared.outcome()


def test_without_a_challenge_intune_is_not_asked(shared):
    shared.is_refused("")
    assert shared.emulator.seen == []


def test_otp_is_asked_first_and_its_refusals_take_as_long(make_world):
    world = make_world(SINGLE, verify="otp intune")
    world.emulator.fault(VALIDATE, intune.SLOW, 1)
    world.issued()
    assert len(world.emulator.requests(VALIDATE)) == 1
    good, bad = world.server.issue("intune"), world.server.issue("intune")
    assert world.enrol(good["challenge"]).check_issued(world.keys.rsa())
    assert world.server.admin("DELETE",
                              "/challenges/" + bad["id"]).status == 204
    start = time.monotonic()
    world.is_refused(bad["challenge"])
    assert time.monotonic() - start > 0.9
    assert len(world.emulator.requests(VALIDATE)) == 1


def test_what_intune_adds_is_shown_cut_and_only_if_harmless(shared):
    secret = os.urandom(40).hex()
    shared.server.secrets.add(secret)
    for words, shown in (("x" + 400 * " y", True), ("it is " + secret, False),
                         ("a\nb\x1b[31m", True)):
        shared.emulator.fault(VALIDATE, intune.code("Unknown", words))
        shared.is_refused()
        said = shared.outcome()
        assert len(said) < 1000
        assert ("Unknown: " in said) == shown


def explained(world, csr):
    answer = world.server.admin("POST", "/explain", {
        "profile": "intune", "csr": base64.b64encode(csr).decode()})
    assert answer.status == 200, answer
    found = json.loads(answer.body)
    step, = [step for step in found["steps"]
             if step["rule"] == "ScepVerify intune"]
    return found, step


def test_explain_asks_nobody(shared):
    key = shared.keys.rsa()
    found, step = explained(shared, make_csr(key, shared.challenge()))
    assert found["allowed"] is None
    assert step["result"] == "unknown" and "Intune" in step["detail"]
    found, step = explained(shared, make_csr(key))
    assert found["allowed"] is False
    assert step["result"] == "not applicable"
    assert shared.emulator.seen == []


def test_questions_and_queue_are_counted(world):
    world.issued()
    world.emulator.fault(VALIDATE, intune.code("ChallengeExpired"))
    world.is_refused()
    world.emulator.fault(VALIDATE, "html")
    world.is_put_off()
    text = world.server.admin(path="/metrics").body.decode()
    for outcome in ("allowed", "denied", "failed"):
        assert re.search(r'^scep_intune_questions_total\{[^}]*'
                         r'outcome="%s"[^}]*\} 1$' % outcome, text,
                         re.MULTILINE), text
    assert "# TYPE scep_intune_notifications_waiting gauge\n" in text
    assert 'scep_intune_notifications_waiting{profile="intune"} 0\n' in text


# ------------------------------------------------------- tokens and location

def test_tokens_and_location_are_kept(world):
    for _ in range(4):
        world.issued()
    assert len(world.emulator.requests(TOKEN)) == 2
    assert len(world.emulator.requests(GRAPH)) == 1
    assert len(world.emulator.requests(VALIDATE)) == 4


def test_parallel_enrolments_share_one_token(make_world):
    world = make_world(SINGLE.replace("8", "24"))
    challenges = [world.challenge() for _ in range(12)]
    assert world.keys.signer()
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        replies = list(pool.map(world.enrol, challenges))
    for reply in replies:
        reply.check_issued(world.keys.rsa())
    assert len(world.emulator.requests(TOKEN)) == 2
    assert len(world.emulator.requests(GRAPH)) == 1
    assert len(world.emulator.notified(SUCCESS)) == 12


def test_a_token_that_ended_early_is_replaced(shared):
    shared.issued()
    shared.emulator.expire_tokens()
    shared.emulator.seen.clear()
    shared.issued()
    assert [seen.status for seen in shared.emulator.requests(VALIDATE)] == \
        [401, "Success"]
    assert len(shared.emulator.requests(TOKEN)) == 1
    ids = {seen.headers["client-request-id"]
           for seen in shared.emulator.requests(VALIDATE)}
    assert len(ids) == 1


def test_a_token_that_is_refused_for_ever_is_not_fetched_for_ever(shared):
    shared.issued()
    shared.emulator.seen.clear()
    shared.emulator.fault(VALIDATE, intune.Answer(401, {
        "error": {"code": "InvalidAuthenticationToken"}}))
    shared.is_put_off()
    assert "HTTP status 401, InvalidAuthenticationToken" in shared.outcome()
    assert len(shared.emulator.requests(VALIDATE)) == 2
    assert len(shared.emulator.requests(TOKEN)) == 1


def test_a_token_is_renewed_before_its_end(world):
    world.emulator.token_life = 4
    end = time.monotonic() + 6
    while time.monotonic() < end:
        world.issued()
        time.sleep(0.3)
    assert all(seen.status != 401 for seen in world.emulator.seen)
    assert len(world.emulator.requests(TOKEN)) >= 3


def test_an_old_token_serves_while_the_login_is_down(world):
    world.emulator.token_life = 8
    world.issued()
    world.emulator.fault(TOKEN, "500")
    time.sleep(6.2)
    world.issued()
    assert world.emulator.requests(TOKEN)[-1].status == 500


def test_a_service_that_moved_is_found(shared):
    shared.issued()
    shared.emulator.move("elsewhere-%d" % time.monotonic_ns())
    shared.emulator.seen.clear()
    shared.issued()
    assert [seen.status for seen in shared.emulator.requests("elsewhere")] \
        == [404]
    # its token may have ended too
    assert [seen.status for seen in shared.emulator.requests(GRAPH)
            if seen.status != 401] == [200]


def test_a_wrong_secret_is_named_and_not_shown(shared):
    right, shared.emulator.secret = shared.emulator.secret, "another"
    shared.emulator.expire_tokens()
    shared.is_put_off()
    assert "invalid_client AADSTS7000215" in shared.outcome()
    shared.emulator.secret = right
    shared.heals()


@pytest.mark.parametrize("uri", ["http://127.0.0.1/x", "file:///etc/passwd",
                                 "https://", "x"])
def test_a_location_that_is_no_https_is_not_called(shared, uri):
    shared.emulator.move("elsewhere-%d" % time.monotonic_ns())
    shared.emulator.fault(GRAPH, intune.Answer(200, {
        "value": [{"providerName": intune.SERVICE, "uri": uri}]}))
    shared.is_put_off()
    assert shared.emulator.requests(VALIDATE) == []
    shared.emulator.fault(GRAPH, None)
    shared.heals()


# ------------------------------------------------------------------ outages

@pytest.mark.parametrize("step", [TOKEN, GRAPH, VALIDATE])
@pytest.mark.parametrize("what", list(intune.FAULTS))
def test_an_outage_issues_nothing_and_passes(shared, step, what):
    shared.issued()
    if step == TOKEN:
        shared.emulator.expire_tokens()
    elif step == GRAPH:
        shared.emulator.move("elsewhere-%d" % time.monotonic_ns())
    shared.emulator.seen.clear()
    shared.emulator.fault(step, what)
    shared.is_put_off()
    assert shared.emulator.requests(step)
    assert shared.emulator.requests(SUCCESS) == []
    shared.emulator.fault(step, None)
    shared.emulator.release()
    shared.heals()
    shared.emulator.released.clear()


def test_nobody_listens_and_then_somebody_does(shared):
    shared.issued()
    shared.emulator.down()
    shared.is_put_off()
    shared.is_put_off()
    shared.emulator.up()
    shared.heals()


@pytest.mark.parametrize("step", [VALIDATE, SUCCESS])
@pytest.mark.parametrize("what", ["close", "cut"])
def test_a_connection_that_ends_is_made_anew(shared, step, what):
    shared.issued()
    shared.emulator.seen.clear()
    shared.emulator.fault(step, what, 1)
    shared.issued()
    assert len(shared.emulator.requests(step)) == 2
    assert shared.waiting() == []


def test_a_certificate_that_nobody_vouches_for_is_not_believed(
        make_world, tls):
    world = make_world(SINGLE)
    key = pki.rsa_key()
    cert = certificate(key, name(("CN", "127.0.0.1")), extensions=[
        pki.subject_alt_name(pki.ip("127.0.0.1"))])
    (tls / "other.pem").write_bytes(pki.pem_cert(cert) + pki.pem_key(key))
    world.emulator.tls.load_cert_chain(tls / "other.pem")
    world.is_put_off()
    assert world.emulator.seen == []


class Proxy(socketserver.StreamRequestHandler):
    """CONNECT, and then whatever comes from either side."""

    def handle(self):
        line = self.rfile.readline().split()
        while self.rfile.readline().strip():
            pass
        self.server.asked.append(line[:2])
        host, _, port = line[1].decode().partition(":")
        with socket.create_connection((host, int(port))) as there:
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=self.pump,
                                    args=(there, self.connection))
            back.start()
            self.pump(self.connection, there)
            back.join()

    @staticmethod
    def pump(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


def test_everything_goes_through_the_proxy(make_world):
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Proxy) as proxy:
        proxy.daemon_threads = True
        proxy.asked = []
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        world = make_world(SINGLE, "10s\n    ScepIntuneProxy "
                           "http://127.0.0.1:%d" % proxy.server_address[1])
        world.issued()
        host = b"127.0.0.1:%d" % world.emulator.port
        assert proxy.asked and all(asked == [b"CONNECT", host]
                                   for asked in proxy.asked)
        proxy.shutdown()
        world.emulator.down()
        world.server.stop()


def test_a_service_that_asks_for_peace_gets_it(world):
    world.issued()
    world.emulator.fault(VALIDATE, intune.Answer(
        503, b"", {"Retry-After": "600"}))
    world.is_put_off()
    world.emulator.fault(VALIDATE, None)
    world.emulator.seen.clear()
    world.is_put_off()
    assert "asked not to be called" in world.outcome()
    assert world.emulator.seen == []


@pytest.mark.parametrize("mpm, lines", [
    ("event", SINGLE),
    ("prefork", "StartServers 8\nMinSpareServers 8\nServerLimit 8\n"
                "MaxRequestWorkers 8\n")])
def test_caps_are_served_while_intune_hangs(make_world, mpm, lines):
    world = make_world(lines, "60s", mpm)
    world.emulator.fault(VALIDATE, "hang")
    world.log.expect(UNAVAILABLE)
    world.log.allow("reached MaxRequestWorkers", "MinSpareThreads")
    challenges = [world.challenge() for _ in range(12)]
    assert world.keys.signer()
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        replies = [pool.submit(world.post, challenge)
                   for challenge in challenges]
        wait_until(lambda: sum(reply.done() for reply in replies) == 8)
        assert not world.emulator.released.is_set()
        for _ in range(20):
            assert world.server.endpoint("intune").caps()
        assert sum(reply.done() for reply in replies) == 8
        world.emulator.down()
    assert all(reply.result()[2].status == 503 for reply in replies)
    full = [line for line in world.log.outcomes()
            if "too many requests wait for Intune" in line.text]
    assert len(full) == 8
    world.emulator.fault(VALIDATE, None)
    world.emulator.up()
    world.heals()


# ------------------------------------------------------------- notifications

@pytest.mark.parametrize("what", [
    "500", "html", "empty", "cut", "hang", "close",
    intune.code("Unknown", "not now"), intune.code("ChallengeExpired")],
    ids=lambda what: what if isinstance(what, str) else str(what.body[9:20]))
def test_a_certificate_that_intune_does_not_know_is_not_delivered(
        make_world, what):
    world = make_world(SINGLE, "1s")
    world.emulator.fault(SUCCESS, what)
    world.log.expect(UNTOLD)
    world.log.allow(WAITING)
    world.is_put_off()
    assert len(world.waiting()) == 1
    assert (world.queue / world.waiting()[0]).stat().st_mode & 0o777 == 0o600


class Waiting:
    """A device with a ledger's patience: it asks until it knows."""

    def __init__(self, world, number=0):
        key = world.keys.rsa(number=number)
        self.endpoint = world.server.endpoint("intune")
        self.message = self.endpoint.request(
            key, make_csr(key, world.challenge()), world.keys.signer(number))

    def ask(self):
        return self.endpoint.read(self.endpoint.post(self.message.build()),
                                  self.message).status


def test_with_a_ledger_it_is_told_before_the_device_gets_anything(make_world):
    world = make_world(SINGLE, "1s", ledger=True)
    world.emulator.fault(SUCCESS, "500")
    world.log.expect(NOT_YET)
    device = Waiting(world)
    assert device.ask() == PENDING
    wait_until(lambda: len(world.emulator.requests(SUCCESS)) >= 2)
    assert device.ask() == PENDING
    # the ledger keeps what is to be told, and no queue beside it
    assert world.waiting() == []
    assert world.emulator.notified(SUCCESS) == []
    world.emulator.fault(SUCCESS, None)
    wait_until(lambda: device.ask() == ISSUED)
    assert len(world.emulator.notified(SUCCESS)) == 1
    assert len(world.emulator.requests(VALIDATE)) == 1


def test_with_a_ledger_it_is_told_though_processes_are_killed(make_world):
    world = make_world(SINGLE, "1s", ledger=True)
    world.emulator.fault(SUCCESS, "500")
    world.log.allow(NOT_YET)
    device = Waiting(world)
    assert device.ask() == PENDING
    world.server.kill(*world.server.children())
    world.server.stop()
    world.server.startup.append(NOT_YET)
    world.server.start()
    world.log.allow(NOT_YET)
    assert device.ask() == PENDING
    world.emulator.fault(SUCCESS, None)
    wait_until(lambda: device.ask() == ISSUED)
    assert len(world.emulator.notified(SUCCESS)) == 1
    assert len(world.emulator.requests(VALIDATE)) == 1


def test_with_a_ledger_who_waits_keeps_nobody_from_asking(make_world):
    """Half of the eight workers may wait for Intune, and six devices do not
    while their certificates are not told."""
    world = make_world(SINGLE, "1s", ledger=True)
    world.emulator.fault(SUCCESS, "500")
    world.log.allow(NOT_YET)
    devices = [Waiting(world, number) for number in range(6)]
    assert [device.ask() for device in devices] == [PENDING] * 6
    world.emulator.fault(SUCCESS, None)
    for device in devices:
        wait_until(lambda: device.ask() == ISSUED)
    assert len(world.emulator.notified(SUCCESS)) == 6


def test_what_intune_was_not_told_it_is_told_later_and_once(make_world):
    world = make_world(SINGLE, "1s")
    world.emulator.fault(SUCCESS, "500")
    world.log.expect(UNTOLD, WAITING)
    world.is_put_off()
    wait_until(lambda: len(world.emulator.requests(SUCCESS)) >= 2)
    assert world.emulator.notified(SUCCESS) == []
    world.emulator.fault(SUCCESS, None)
    wait_until(lambda: world.waiting() == [])
    time.sleep(2.5)
    told, = world.emulator.notified(SUCCESS)
    first = world.emulator.requests(SUCCESS)[0].body["notification"]
    assert told == first
    assert any("SCEP0356" in line.text for line in world.log.outcomes())


def test_who_was_put_off_is_told_of_though_processes_are_killed(make_world):
    """Each device that got 503 is in the queue, whole and once, whatever
    children die of meanwhile."""
    world = make_world(SINGLE, "5s")
    world.emulator.fault(SUCCESS, "500")
    world.log.allow(UNTOLD, WAITING, UNAVAILABLE)
    endpoint = world.server.endpoint("intune")
    key, signer = world.keys.rsa(), world.keys.signer()
    assert endpoint.identity
    put_off = []

    def post():
        message = endpoint.request(key, make_csr(key, world.challenge()),
                                   signer)
        try:
            answer = endpoint.post(message.build())
        except (OSError, http.client.HTTPException):
            return
        assert answer.status == 503
        put_off.append(message.transaction_id)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for delay in range(0, 60, 5):
            posts = [pool.submit(post) for _ in range(4)]
            time.sleep(delay / 1000)
            world.server.kill(*world.server.children())
            for done in posts:
                done.result()
    assert put_off
    world.emulator.fault(SUCCESS, None)
    wait_until(lambda: not [name for name in world.waiting()
                            if not name.startswith("tmp-")], 60)
    told = [told["transactionId"] for told in world.emulator.notified(SUCCESS)]
    assert set(put_off) <= set(told)
    assert len(told) == len(set(told))


def test_reloads_while_the_queue_is_delivered_send_nothing_twice(make_world):
    world = make_world(SINGLE, "5s")
    world.emulator.fault(SUCCESS, "500")
    world.log.expect(UNTOLD)
    world.log.allow(WAITING)
    for _ in range(10):
        world.is_put_off()
    assert len(world.waiting()) == 10
    world.log.verify()
    world.log.mark()
    world.server.startup.append(WAITING)
    world.emulator.fault(SUCCESS, None)
    for _ in range(4):
        world.server.reload()
    world.log.allow(WAITING)
    wait_until(lambda: world.waiting() == [])
    told = [told["transactionId"] for told in world.emulator.notified(SUCCESS)]
    assert len(told) == len(set(told)) == 10


@pytest.mark.parametrize("mpm", ["event", "prefork"])
def test_what_waits_survives_kill_9(make_world, mpm):
    world = make_world("" if mpm == "prefork" else SINGLE, "1s", mpm)
    world.emulator.fault(SUCCESS, "500")
    world.log.expect(UNTOLD)
    world.log.allow(WAITING)
    world.is_put_off()
    waiting, = world.waiting()
    server = world.server
    server.kill(server.pid, *server.children())
    wait_until(lambda: server.command("status", check=False).returncode)
    server.log.verify()
    assert world.waiting() == [waiting]
    world.emulator.fault(SUCCESS, None)
    server.start()
    wait_until(lambda: world.waiting() == [])
    told, = world.emulator.notified(SUCCESS)
    assert told == \
        world.emulator.requests(SUCCESS)[0].body["notification"]
    world.issued()


def test_a_graceful_restart_keeps_the_queue_and_reads_the_secret(
        make_world, tls):
    world = make_world(SINGLE, "1s")
    world.emulator.fault(SUCCESS, "500")
    world.log.expect(UNTOLD)
    world.log.allow(WAITING)
    world.is_put_off()
    world.server.secrets.add(world.emulator.secret)
    world.emulator.secret = os.urandom(20).hex()
    (tls / "secret").write_text(world.emulator.secret)
    world.emulator.expire_tokens()
    world.log.verify()
    world.log.mark()
    world.server.startup.append(WAITING)
    world.server.reload()
    world.log.allow(WAITING)
    world.emulator.fault(SUCCESS, None)
    wait_until(lambda: world.waiting() == [])
    assert len(world.emulator.notified(SUCCESS)) == 1
    world.heals()


def test_a_refusal_after_intunes_word_is_told_without_delay(shared):
    shared.emulator.fault(FAILURE, "500", 1)
    shared.log.allow(WAITING)
    shared.is_refused(shared.challenge(), sans=[dns("not.allowed")])
    assert "SCEP0102: refused, policy" in shared.outcome()
    wait_until(lambda: shared.emulator.notified(FAILURE))
    told, = shared.emulator.notified(FAILURE)
    assert told["hResult"] == -1610612734
    assert "subjectAltName" in told["errorDescription"] \
        or "dns" in told["errorDescription"]
    wait_until(lambda: shared.waiting() == [])


def test_one_that_is_refused_waits_longer_and_holds_up_no_other(make_world):
    world = make_world(SINGLE)
    world.emulator.fault(SUCCESS, intune.code("Unknown"))
    world.log.expect(UNTOLD)
    world.is_put_off()
    first, = world.waiting()
    wait_until(lambda: world.waiting()[0].endswith("-0001"))
    second, = world.waiting()
    assert second[:33] == first[:33]
    wait = int(second.split("-")[2], 16) - int(first.split("-")[2], 16)
    assert 30 <= wait / 10 ** 6 < 60
    world.is_refused(world.challenge(), sans=[dns("not.allowed")])
    wait_until(lambda: world.emulator.notified(FAILURE))
    wait_until(lambda: world.waiting() == [second])
    world.log.expect("SCEP0355")
    last = second[:34] + "%016x-0014" % 1
    (world.queue / second).rename(world.queue / last)
    wait_until(lambda: world.waiting() == [])
    assert world.emulator.notified(SUCCESS) == []


def file_name(created, due, attempts=0):
    return "%016x-%s-%016x-%04x" % (created * 10 ** 6, os.urandom(8).hex(),
                                    due * 10 ** 6, attempts)


def test_a_full_queue_is_an_error_and_delivers_nothing(make_world):
    world = make_world(SINGLE, "1s")
    now = int(time.time())
    for _ in range(4096):
        (world.queue / file_name(now, now + 3000)).touch()
    world.emulator.fault(SUCCESS, "500")
    world.log.expect("SCEP0353")
    world.is_put_off()
    assert len(world.waiting()) == 4096


def test_what_is_no_notification_is_given_up(make_world):
    world = make_world(SINGLE)
    world.log.expect("SCEP0355")
    now = int(time.time())
    bad = {"empty": b"", "text": b"text", "zeros": b"\0" * 100,
           "cut": b'{"action":"successNotification","bo',
           "other": b'{"action":"validateRequest","body":"{}"}'}
    for content in bad.values():
        path = world.queue / (".new-" + os.urandom(4).hex())
        path.write_bytes(content)
        shutil.chown(path, world.queue.owner())
        path.rename(world.queue / file_name(now, now))
    wait_until(lambda: not [name for name in world.waiting()
                            if not name.startswith(".")])
    assert sum("SCEP0355" in line.text for line in world.log.lines()) == \
        len(bad)
    assert world.emulator.seen == []


def test_what_a_killed_process_left_half_written_goes(make_world):
    world = make_world(SINGLE)
    old, new = world.queue / "tmp-old", world.queue / "tmp-new"
    for path in (old, new):
        path.write_text("half")
    os.utime(old, (time.time() - 90, time.time() - 90))
    wait_until(lambda: not old.exists())
    assert new.exists()


# ------------------------------------------------------------ configuration

@pytest.fixture(scope="module")
def config(keys):
    made = configuration.Configuration(keys)
    (made.dir / "secret").write_text("secret\n")
    (made.dir / "secret").chmod(0o600)
    (made.dir / "open").write_text("secret\n")
    (made.dir / "open").chmod(0o644)
    yield made
    shutil.rmtree(made.dir)


LINES = {"verify": "ScepVerify intune",
         "tenant": "ScepIntuneTenant example.onmicrosoft.com",
         "client": "ScepIntuneClient 0-1 file:secret"}


@pytest.mark.parametrize("change, says", [
    ({"tenant": ""}, "ScepIntuneTenant is missing"),
    ({"client": ""}, "ScepIntuneClient is missing"),
    ({"tenant": "ScepIntuneTenant a/b"}, "is no tenant"),
    ({"client": "ScepIntuneClient 0-1"}, "takes two arguments"),
    ({"client": "ScepIntuneClient 0&1 file:secret"}, "is no id"),
    ({"client": "ScepIntuneClient 0-1 file:nothing"}, "nothing"),
    ({"client": "ScepIntuneClient 0-1 file:open"}, "open"),
    ({"client": "ScepIntuneClient 0-1 secret"}, "file:"),
    ({"more": "ScepIntuneLogin http://login.example"}, "https://"),
    ({"more": "ScepIntuneGraph ftp://graph.example"}, "https://"),
    ({"more": "ScepIntuneGraph https://graph.example/?x=1"}, "query"),
    ({"more": "ScepIntuneProxy nonsense"}, "nonsense"),
    ({"more": "ScepIntuneCAFile pki/nothing.pem"}, "nothing.pem"),
    ({"more": "ScepIntuneCAFile pki/text.pem"}, "text.pem"),
    ({"more": "ScepIntuneTimeout 0"}, "one second"),
    ({"more": "ScepIntuneTimeout soon"}, "no time"),
], ids=lambda value: str(value)[:40])
def test_configtest_finds_the_mistake(config, change, says):
    lines = "\n".join({**LINES, **change}.values())
    status, output = config.check(configuration.GOOD.replace(
        "    ScepValidity 365d\n", lines + "\n"))
    assert status != 0
    assert says in output and "test.conf" in output, output
    assert "ScepIntune" in output or "ScepVerify" in output


def test_the_good_one_is_good_and_calls_nobody(config):
    status, output = config.check(configuration.GOOD.replace(
        "    ScepValidity 365d\n", "\n".join(
            [*LINES.values(), "ScepIntuneProxy http://proxy.example:3128",
             "ScepIntuneLogin https://login.example/", ""])))
    assert status == 0, output
    assert not (config.dir / "state").exists()
