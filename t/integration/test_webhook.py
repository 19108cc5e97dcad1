"""The verifier webhook against a validator that misbehaves in every way.

SPDX-License-Identifier: Apache-2.0
"""
import base64
import concurrent.futures
import json
import os
import re
import shutil
import time

import pytest
from asn1crypto import x509 as asn1_x509

import gateway
import pki
import profiles
import webhook
from gateway import make_csr, wait_until
from pki import certificate, dns, email, ip, name, uri
from pkimessage import BAD_REQUEST, FAILURE, SUCCESS
from webhook import CHALLENGE, NOTIFY

PROFILE = """\
LogLevel trace8
<ScepProfile hook>
    ScepCA issuing
    ScepRACertificate pki/ra.pem
    ScepRAKey pki/ra.key
    ScepVerify {verify}
    ScepSubjectAltNames dns ip email uri upn
    ScepWebhook {url}/challenge
    ScepWebhookSecret {id} file:{dir}/key
    ScepWebhookCAFile {dir}/ca.pem
    {more}
</ScepProfile>
<Location "/p/hook">
    SetHandler scep
    ScepProfile hook
    Require all granted
</Location>
"""

NOTIFYING = "ScepWebhookNotify {url}/notify"

# one process of eight workers: four of them may wait for the validator
SINGLE = """\
StartServers 1
ServerLimit 1
MinSpareThreads 1
MaxSpareThreads 8
ThreadsPerChild 8
MaxRequestWorkers 8
"""

UNAVAILABLE = "SCEP0104: no certificate, verifier-down"
UNTAKEN = "SCEP0334"


class World:
    """A validator and the server that asks it."""

    def __init__(self, validator, server, keys):
        self.validator = validator
        self.server = server
        self.keys = keys
        self.log = server.log

    def challenge(self, *refusal):
        challenge = self.validator.issue(*refusal)
        self.server.secrets.add(challenge)
        return challenge

    def post(self, challenge=None, **members):
        """A request's answer as it came, and what reads it."""
        if challenge is None:
            challenge = self.challenge()
        key = self.keys.rsa()
        endpoint = self.server.endpoint("hook")
        message = endpoint.request(
            key, make_csr(key, challenge or None, **members),
            self.keys.signer())
        return endpoint, message, endpoint.post(message.build())

    def enrol(self, *challenge, **members):
        endpoint, message, response = self.post(*challenge, **members)
        return endpoint.read(response, message)

    def issued(self, *challenge, **members):
        reply = self.enrol(*challenge, **members)
        assert reply.status == SUCCESS
        reply.check_issued(self.keys.rsa())
        return reply

    def is_refused(self, *challenge, **members):
        reply = self.enrol(*challenge, **members)
        assert reply.status == FAILURE
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

    def asked(self):
        return self.validator.requests(CHALLENGE)

    def told(self):
        """Notifications that were taken."""
        return [seen.body for seen in self.validator.requests(NOTIFY)
                if seen.status == 200]

    def waiting(self):
        return list((self.server.dir / "state" / "webhook-hook").iterdir())


@pytest.fixture(scope="module")
def files():
    """Certificates of the validator and the gateway, of one small CA."""
    path = gateway.scratch()
    ca_key, key = pki.rsa_key(), pki.rsa_key()
    ca_name = name(("CN", "Webhook CA"))
    ca = certificate(ca_key, ca_name,
                     extensions=[profiles.CA, profiles.CA_USAGE])
    (path / "ca.pem").write_bytes(pki.pem_cert(ca))
    for stem, address in (("tls", "127.0.0.1"), ("other", "127.0.0.2"),
                          ("client", "192.0.2.1")):
        cert = certificate(key, name(("CN", stem)), ca_name, ca_key,
                           extensions=[pki.subject_alt_name(ip(address))])
        (path / (stem + ".pem")).write_bytes(pki.pem_cert(cert))
    (path / "key.pem").write_bytes(pki.pem_key(key))
    (path / "key.pem").chmod(0o600)
    yield path
    shutil.rmtree(path)


def write_secret(path, text):
    path.write_text(text + "\n")
    path.chmod(0o600)


@pytest.fixture
def make_world(make_server, files, keys):
    made = []

    def make(more="", verify="webhook", extra="", mpm="event", cert="tls",
             client_ca=None, **settings):
        validator = webhook.Validator(files / (cert + ".pem"),
                                      files / "key.pem", client_ca)
        write_secret(files / "key", base64.b64encode(validator.key).decode())
        more = more.format(url=validator.url, dir=files)
        server = make_server(extra + PROFILE.format(
            dir=files, url=validator.url, id=validator.id, verify=verify,
            more=more), mpm=mpm, **settings)
        server.secrets.add(validator.key.hex())
        made.append(World(validator, server, keys))
        return made[-1]

    yield make
    for world in made:
        world.validator.down()
        world.server.secrets.discard(world.validator.key.hex())
        encoded = base64.b64encode(world.validator.key).decode()
        assert encoded not in world.log.raw()
        for challenge in world.validator.known:
            hidden = base64.b64encode(challenge.encode()).decode()[:32]
            assert hidden not in world.log.raw()


@pytest.fixture
def world(make_world):
    return make_world(extra=SINGLE)


# ------------------------------------------------------- what it is asked

@pytest.mark.parametrize("mpm", ["event", "prefork"])
def test_allow_true_grants(make_world, mpm):
    world = make_world(mpm=mpm)
    world.issued()
    asked, = world.asked()
    assert world.validator.malformed == []
    assert "challenge webhook:" + asked.headers["X-Request-Id"] \
        in world.outcome()


def test_the_validator_learns_all_of_the_request(world):
    challenge = world.challenge()
    subject = name(("C", "CH"), ("O", "Example \"AG\""), ("OU", "a"),
                   ("OU", "b"), ("CN", "Gerät 7"), ("SN", "C02XK0"),
                   ("E", "x@example.org"))
    sans = (dns("a.example"), dns("b.example"), ip("192.0.2.7"),
            ip("2001:db8::7"), email("x@example.org"),
            uri("urn:device:7"), pki.upn("x@corp.example"))
    key = world.keys.rsa()
    world.issued(challenge, subject=subject, sans=sans)
    body = world.asked()[0].body
    csr = body.pop("x509CertificateRequest")
    raw = base64.b64decode(csr.pop("raw"))
    assert raw == make_csr(key, challenge, subject=subject, sans=sans)
    assert base64.b64decode(csr.pop("rawSubject")) == subject
    assert base64.b64decode(csr.pop("publicKey")) == pki.spki(key)
    (extension,) = csr.pop("extensions")
    assert extension["id"] == "2.5.29.17" and extension["critical"] is False
    assert pki.subject_alt_name(*sans).endswith(
        base64.b64decode(extension["value"]))
    assert csr == {
        "version": 0, "publicKeyAlgorithm": "RSA",
        "subject": {"country": ["CH"], "organization": ["Example \"AG\""],
                    "organizationalUnit": ["a", "b"],
                    "commonName": "Gerät 7", "serialNumber": "C02XK0",
                    "extraNames": [{"type": "1.2.840.113549.1.9.1",
                                    "value": "x@example.org"}]},
        "dnsNames": ["a.example", "b.example"],
        "ipAddresses": ["192.0.2.7", "2001:db8::7"],
        "emailAddresses": ["x@example.org"], "uris": ["urn:device:7"],
        "sans": [{"type": "dns", "value": "a.example"},
                 {"type": "dns", "value": "b.example"},
                 {"type": "ip", "value": "192.0.2.7"},
                 {"type": "ip", "value": "2001:db8::7"},
                 {"type": "email", "value": "x@example.org"},
                 {"type": "uri", "value": "urn:device:7"},
                 {"type": "upn", "value": "x@corp.example"}]}
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ",
                        body.pop("timestamp"))
    assert body.pop("scepTransactionID")
    assert body == {"provisionerName": "hook", "scepChallenge": challenge}


def test_a_name_that_the_form_would_hide_is_refused(world):
    world.is_refused(subject=name(("CN", "administrator"), ("CN", "device")))
    assert "two of commonName" in world.outcome()
    assert world.asked() == []


def test_without_a_challenge_nobody_is_asked(world):
    world.is_refused("")
    assert "no challengePassword" in world.outcome()
    assert world.asked() == []


def test_otp_and_webhook_are_asked_in_order(make_world):
    world = make_world(verify="otp webhook")
    world.issued(world.server.challenge("hook"))
    assert world.asked() == []
    world.issued()
    assert len(world.asked()) == 1


def test_the_webhook_may_pass_what_it_does_not_need(make_world):
    world = make_world(verify="webhook otp")
    world.is_refused(world.server.challenge("hook"))
    assert len(world.asked()) == 1


def test_the_time_does_not_tell_that_the_webhook_was_not_asked(make_world):
    world = make_world(verify="otp webhook", extra=SINGLE)
    world.validator.fault(CHALLENGE, webhook.SLOW, 1)
    world.issued()
    found = world.server.issue("hook")
    assert world.server.admin("DELETE",
                              "/challenges/" + found["id"]).status == 204
    start = time.monotonic()
    world.is_refused(found["challenge"])
    assert time.monotonic() - start > 0.9
    assert len(world.asked()) == 1


def test_explain_asks_nobody_and_says_that_it_cannot_tell(make_world):
    world = make_world()
    csr = make_csr(world.keys.rsa(), world.challenge())
    answer = world.server.admin("POST", "/explain", body={
        "profile": "hook", "csr": base64.b64encode(csr).decode()})
    step, = [step for step in json.loads(answer.body)["steps"]
             if step["rule"] == "ScepVerify webhook"]
    assert step["result"] == "unknown"
    assert "would be asked" in step["detail"]
    assert json.loads(answer.body)["allowed"] is not True
    assert world.asked() == []


@pytest.mark.parametrize("directive, authorization", [
    ("basic gateway file:{dir}/password",
     "Basic " + base64.b64encode(b"gateway:c0ffee c0ffee").decode()),
    ("bearer file:{dir}/password", "Bearer c0ffee c0ffee")])
def test_credentials_go_along(make_world, files, directive, authorization):
    write_secret(files / "password", "c0ffee c0ffee")
    world = make_world("ScepWebhookAuth " + directive + "\n" + NOTIFYING)
    world.is_put_off()
    world.validator.authorization = authorization
    world.issued()
    wait_until(world.told)
    assert "c0ffee" not in world.log.raw()


def test_a_client_certificate_is_shown(make_world, files):
    world = make_world("ScepWebhookCertificate {dir}/client.pem {dir}/key.pem",
                       client_ca=files / "ca.pem")
    # the children cannot read the key
    (files / "key.pem").rename(files / "away.pem")
    try:
        world.issued()
    finally:
        (files / "away.pem").rename(files / "key.pem")


def test_who_needs_a_client_certificate_gets_no_answer_without(make_world,
                                                               files):
    world = make_world(client_ca=files / "ca.pem")
    world.is_put_off()


# ---------------------------------------------------------- what it answers

def test_allow_false_refuses_and_says_why_in_the_log(world):
    world.is_refused(world.challenge({
        "code": "device.unknown", "message": "no \"such\" device\n[x] ü"}))
    outcome = world.outcome()
    assert re.search(r"the webhook refuses it: device\.unknown: "
                     r"no \\+\"such\\+\" device\\+n\[x\]", outcome)
    assert world.asked()[0].headers["X-Request-Id"] in outcome
    world.is_refused(world.challenge("as text"))
    assert "refuses it: as text" in world.outcome()
    world.is_refused(world.challenge({}))
    assert "the webhook refuses it (" in world.outcome()
    world.is_refused(world.challenge({"code": 7, "message": ["x"]}))
    assert "the webhook refuses it (" in world.outcome()
    world.is_refused(world.challenge({"message": "m" * 60000}))
    assert len(world.outcome()) < 1000
    world.is_refused(os.urandom(16).hex())


@pytest.mark.parametrize("what", [
    "500", "502", "503", "429", "408", "400", "401", "403", "404",
    "redirect", "permanent", "created", "no content", "html", "empty",
    "null", "true", "array", "missing", "text", "number", "nothing",
    "object", "letters", "twice", "behind", "deep", "utf-16", "endless",
    "cut", "close"])
def test_no_other_answer_grants_and_the_device_may_try_again(shared, what):
    shared.validator.fault(CHALLENGE, what, 1)
    before = len(shared.asked())
    challenge = shared.challenge()
    shared.is_put_off(challenge)
    assert len(shared.asked()) == before + 1
    shared.issued(challenge)
    assert shared.validator.malformed == []


@pytest.fixture(scope="module")
def shared_world(files, keys):
    """One server for many answers."""
    validator = webhook.Validator(files / "tls.pem", files / "key.pem")
    write_secret(files / "key", base64.b64encode(validator.key).decode())
    sandbox = gateway.Sandbox("event", SINGLE + PROFILE.format(
        dir=files, url=validator.url, id=validator.id, verify="webhook",
        more=""))
    sandbox.start()
    yield World(validator, sandbox, keys)
    validator.down()
    sandbox.remove()


@pytest.fixture
def shared(shared_world):
    return shared_world


# ----------------------------------------------------------------- outages

def test_a_validator_that_is_down_and_comes_back(world):
    world.issued()
    world.validator.down()
    challenge = world.challenge()
    world.is_put_off(challenge)
    assert world.validator.url + CHALLENGE in world.outcome()
    world.validator.up()
    world.issued(challenge)


def test_a_validator_that_hangs_takes_half_of_the_workers(make_world):
    world = make_world("ScepWebhookTimeout 20s", extra=SINGLE)
    world.issued()
    world.log.expect(UNAVAILABLE, "too many requests wait for the webhook")
    world.validator.fault(CHALLENGE, "hang", 4)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        hanging = [pool.submit(world.post) for _ in range(4)]
        wait_until(lambda: len(world.asked()) == 5)
        # no fifth one waits, and the others are served
        *_, response = world.post()
        assert response.status == 503
        assert world.server.endpoint("hook").caps()
        world.validator.release()
        assert [it.result()[2].status for it in hanging] == [503] * 4
    world.issued()


def test_a_slow_validator_is_not_waited_for(make_world):
    world = make_world("ScepWebhookTimeout 1s")
    world.validator.fault(CHALLENGE, "hang", 1)
    world.is_put_off()
    assert "no answer in time" in world.outcome()
    world.validator.release()
    world.issued()


@pytest.mark.parametrize("cert", ["other", "client"])
def test_a_validator_of_another_name_is_not_asked(make_world, cert):
    world = make_world(cert=cert)
    world.is_put_off()
    assert world.asked() == []


def test_a_proxy_of_the_environment_is_not_used(make_world):
    world = make_world(environment={"https_proxy": "http://127.0.0.1:1",
                                    "ALL_PROXY": "http://127.0.0.1:1"})
    world.issued()


# ------------------------------------------------------------- connections

def test_one_connection_serves_many_requests(world):
    for _ in range(10):
        world.issued()
    assert len(world.asked()) == 10
    assert world.validator.accepted == 1


def test_a_connection_that_ended_meanwhile_is_replaced(world):
    world.issued()
    world.validator.hang_up()
    wait_until(lambda: not world.validator.server.connections)
    world.issued()
    assert world.validator.accepted == 2
    assert len(world.asked()) == 2


def test_requests_in_parallel_each_get_their_own_answer(make_world):
    world = make_world(extra=SINGLE)
    good = [world.challenge() for _ in range(12)]
    bad = [world.challenge({"code": "no"}) for _ in range(12)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        # of one key and one name, it would be one enrolment
        results = list(pool.map(
            lambda numbered: (numbered[1], world.enrol(
                numbered[1],
                subject=name(("CN", "device %d" % numbered[0]))).status),
            enumerate(it for pair in zip(good, bad) for it in pair)))
    assert all((status == SUCCESS) == (challenge in good)
               for challenge, status in results)
    assert world.validator.accepted <= 4
    assert world.validator.malformed == []


def test_reload_and_restart_in_between(make_world):
    world = make_world(NOTIFYING)
    world.issued()
    world.server.reload()
    world.issued()
    world.server.restart()
    world.issued()
    wait_until(lambda: len(world.told()) == 3)


# ----------------------------------------------------------- notifications

def test_the_webhook_is_told_of_the_certificate(make_world):
    world = make_world(NOTIFYING)
    challenge = world.challenge()
    reply = world.issued(challenge, sans=(dns("a.example"),))
    wait_until(world.told)
    seen, = world.validator.requests(NOTIFY)
    told = seen.body
    asked = world.asked()[0].body
    cert = told.pop("x509Certificate")
    der = base64.b64decode(cert["raw"])
    assert der == reply.certificates[0]
    parsed = asn1_x509.Certificate.load(der)
    assert int(cert["serialNumber"]) == parsed.serial_number
    assert cert["subject"] == {"commonName": "device"}
    assert cert["notAfter"] == parsed.not_valid_after.strftime(
        "%Y-%m-%dT%H:%M:%SZ")
    csr = told.pop("x509CertificateRequest")
    assert csr["dnsNames"] == ["a.example"] and "raw" not in csr
    assert told.pop("scepTransactionID") == asked["scepTransactionID"]
    assert told.pop("provisionerName") == "hook"
    assert set(told) == {"timestamp"}
    assert challenge.encode() not in seen.raw
    assert base64.b64encode(challenge.encode())[:32] not in seen.raw
    wait_until(lambda: not world.waiting())


def test_the_webhook_is_told_of_a_failure(make_world):
    world = make_world(NOTIFYING)
    challenge = world.challenge()
    reply = world.enrol(challenge, sans=(pki.rid("1.2.3"),))
    assert reply.status == FAILURE
    wait_until(world.told)
    told, = world.told()
    assert told["scepErrorCode"] == 2
    assert "SAN rid:1.2.3" in told["scepErrorDescription"]
    assert "x509Certificate" not in told
    # allowed but not issued: its challenge is the validator's to judge
    world.issued(challenge)


def test_nobody_is_told_of_what_was_not_allowed(make_world):
    world = make_world(NOTIFYING)
    world.is_refused(world.challenge("no"))
    world.validator.fault(CHALLENGE, "500", 1)
    world.is_put_off()
    world.issued()
    wait_until(world.told)
    assert len(world.validator.requests(NOTIFY)) == 1


def test_a_notification_keeps_no_device_waiting(make_world):
    world = make_world(NOTIFYING)
    world.validator.fault(NOTIFY, "hang", 1)
    world.issued()
    world.issued()
    wait_until(lambda: world.validator.requests(NOTIFY))
    world.log.allow(UNTAKEN)
    world.validator.release()


def test_a_webhook_that_hangs_keeps_nothing_from_being_durable(make_world):
    world = make_world(NOTIFYING + "\nScepWebhookTimeout 60s")
    world.validator.fault(NOTIFY, "hang", 1)
    world.issued()
    wait_until(lambda: world.validator.requests(NOTIFY))
    # the header says when the watchdog was there
    path = world.server.dir / "state" / "challenges.shm"
    before = path.read_bytes()[:4096]
    wait_until(lambda: path.read_bytes()[:4096] != before)
    world.log.allow(UNTAKEN)
    world.validator.release()


@pytest.mark.parametrize("what", ["500", "404", "redirect", "close"])
def test_a_notification_that_is_not_taken_waits(make_world, what):
    world = make_world(NOTIFYING)
    world.validator.fault(NOTIFY, what)
    world.log.expect(UNTAKEN)
    world.issued()
    wait_until(lambda: world.validator.requests(NOTIFY))
    wait_until(lambda: UNTAKEN in world.log.raw())
    assert len(world.waiting()) == 1
    assert world.server.log.raw().count(UNTAKEN) == 1


def test_notifications_outlive_the_server_and_its_webhook(make_world):
    world = make_world(NOTIFYING)
    world.server.startup.append(UNTAKEN)
    world.log.allow(UNTAKEN)
    world.validator.fault(NOTIFY, "503")
    for _ in range(3):
        world.issued()
    wait_until(lambda: world.validator.requests(NOTIFY))
    world.server.kill(*world.server.children(), world.server.pid)
    assert len(world.waiting()) == 3
    world.validator.fault(NOTIFY, None)
    world.server.start()
    wait_until(lambda: len(world.told()) == 3)
    wait_until(lambda: not world.waiting())
    ids = [seen.headers["X-Request-Id"]
           for seen in world.validator.requests(NOTIFY)]
    assert len(set(ids)) == 3


def test_metrics_tell_what_came_of_questions(make_world):
    world = make_world(NOTIFYING)
    world.issued()
    world.is_refused(world.challenge("no"))
    world.validator.fault(CHALLENGE, "500", 1)
    world.is_put_off()
    text = world.server.admin(path="/metrics").body.decode()
    for outcome in ("allowed", "denied", "failed"):
        assert re.search(r"^scep_webhook_questions_total\{profile=\"hook\","
                         r"outcome=\"%s\"\} 1$" % outcome, text, re.MULTILINE)
    assert "scep_webhook_notifications_waiting{profile=\"hook\"}" in text
