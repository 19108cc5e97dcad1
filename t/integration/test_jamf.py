"""Jamf Pro's webhook SCEPChallenge: events, the probe, who may send them.

SPDX-License-Identifier: Apache-2.0
"""
import base64
import copy
import json
import re

import pytest

import configuration
import scepclient
from gateway import Sandbox, make_csr
from pki import name
from pkimessage import SUCCESS

LINES = """\
<Directory "/">
    Require all granted
</Directory>
<ScepProfile device>
    ScepCA issuing
    ScepRACertificate pki/ra.pem
    ScepRAKey pki/ra.key
    ScepChallengeRequire device
    ScepDeviceIdFrom cn serialNumber
</ScepProfile>
<ScepProfile subject>
    ScepCA issuing
    ScepRACertificate pki/ra.pem
    ScepRAKey pki/ra.key
    ScepChallengeRequire subject
</ScepProfile>
<Location "/device/webhook">
    SetHandler scep-jamf
    ScepProfile device
    Require ip 127.0.0.1
</Location>
<Location "/device/scep">
    SetHandler scep
    ScepProfile device
    Require all granted
</Location>
<Location "/subject">
    SetHandler scep-jamf
    ScepProfile subject
    Require ip 127.0.0.1
</Location>
<Location "/none">
    SetHandler scep-jamf
    Require ip 127.0.0.1
</Location>
<Location "/open">
    SetHandler scep-jamf
    ScepProfile default
</Location>
<Location "/unguarded-secret">
    SetHandler scep-jamf
    ScepProfile default
    ScepJamfSecret X-Scep-Secret file:@DIR@/new.secret
</Location>
<Location "/basic">
    SetHandler scep-jamf
    ScepProfile default
    AuthType Basic
    AuthName "x"
    AuthBasicProvider file
    AuthUserFile "@DIR@/users"
    Require valid-user
</Location>
<Location "/secret">
    SetHandler scep-jamf
    ScepProfile default
    ScepJamfSecret X-Scep-Secret file:@DIR@/old.secret
    ScepJamfSecret X-Scep-Secret file:@DIR@/new.secret
    ScepJamfSecret Authorization exec:@DIR@/secret.sh
    Require all granted
</Location>
<Location "/secret/again">
    ScepJamfSecret X-Scep-Secret file:@DIR@/new.secret
</Location>
<Location "/allow">
    SetHandler scep-jamf
    ScepProfile default
    ScepChallengeAllow * profile=device
    Require ip 127.0.0.1
</Location>
"""

JAMF = {"webhook": {"webhookEvent": "SCEPChallenge", "id": 1,
                    "eventTimestamp": 1757435578, "name": ""},
        "event": {"scepServerUrl": "https://ca.example/scep",
                  "payloadIdentifier": "CDB0BC64-F3EB-4B1A-AA5E-9A5D994CA593",
                  "payloadTypes": ["com.apple.security.scep"]}}
SERIAL, UDID = "C02XK1ABJG5J", "0D8C1A0A-7F2B-5E1D-9C11-3A5E7F1B2C4D"
OLD, NEW, PROGRAM = "old secret", "new/secret+==", "Bearer from-a-program"


@pytest.fixture(scope="module")
def jamf():
    sandbox = Sandbox(lines=LINES)
    for stem, text in (("old", OLD + "\n"), ("new", NEW)):
        path = sandbox.dir / (stem + ".secret")
        path.write_text(text)
        path.chmod(0o600)
    program = sandbox.dir / "secret.sh"
    program.write_text("#!/bin/sh\necho '%s'\n" % PROGRAM)
    program.chmod(0o700)
    # user alice, password secret
    (sandbox.dir / "users").write_text(
        "alice:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n")
    try:
        sandbox.start()
        yield sandbox
    finally:
        sandbox.remove()


def event(webhook=None, **members):
    """Jamf's own event with members put in."""
    made = copy.deepcopy(JAMF)
    made["webhook"].update(webhook or {})
    made["event"].update(members)
    return made


def send(server, body, path="/scep-jamf", method="POST",
         content_type="application/json", **headers):
    if not isinstance(body, (bytes, str)):
        body = json.dumps(body)
    fields = {k.replace("_", "-"): v for k, v in headers.items()}
    if content_type:
        fields["Content-Type"] = content_type
    return scepclient.request(server.base + path, method, body, fields)


def challenge_of(server, answer):
    """The body is the challenge: no JSON, no new line, no charset."""
    assert answer.status == 200, answer
    assert answer.headers["content-type"] == "text/plain"
    assert answer.headers["cache-control"] == "no-store"
    assert re.fullmatch(b"[0-9A-F]{32}", answer.body), answer
    server.secrets.add(answer.body.decode())
    return answer.body.decode()


def refused(server, answer, status, *words):
    assert answer.status == status, answer
    assert answer.headers["content-type"] == "text/plain"
    for word in words:
        assert word in answer.body.decode(), answer
    assert not re.search(b"[0-9A-F]{16}", answer.body)


def live(server):
    return server.listing()["live"]


class Device:
    def __init__(self, server, keys, path="/device/scep"):
        self.endpoint = server.endpoint(path=path)
        self.key, self.signer = keys.rsa(), keys.signer()

    def tries(self, secret, *subject, **csr):
        reply = self.endpoint.send(self.endpoint.request(
            self.key, make_csr(self.key, secret,
                               subject and name(*subject) or None, **csr),
            self.signer))
        if reply.status == SUCCESS:
            reply.check_issued(self.key)
        return reply.status == SUCCESS


# ------------------------------------------------------------------- events

def test_from_the_event_to_a_certificate(jamf, keys):
    secret = challenge_of(jamf, send(jamf, JAMF))
    device = Device(jamf, keys, "/cgi-bin/pkiclient.exe")
    assert device.tries(secret)
    jamf.log.expect("SCEP0103")
    assert not device.tries(secret, ("CN", "another"))


@pytest.mark.parametrize("members,named", [
    ({"device": {"serialNumber": SERIAL, "uuid": UDID}}, SERIAL),
    ({"device": {"uuid": UDID}}, UDID),
    ({"device": {"udid": UDID, "serialNumber": ""}}, UDID),
    ({"device": {"uuid": UDID, "serialNumber": None}}, UDID),
    ({"targetDevice": {"serialNumber": SERIAL, "udid": UDID,
                       "deviceName": "x", "model": ["x"]}}, SERIAL),
    ({"targetDevice": {"udid": UDID}}, UDID),
    ({"serialNumber": SERIAL, "udid": UDID}, SERIAL),
    ({"udid": UDID}, UDID), ({"uuid": UDID}, UDID),
    ({"device": None, "targetDevice": None, "serialNumber": SERIAL}, SERIAL),
    ({"device": {"uuid": UDID}, "serialNumber": SERIAL}, SERIAL),
    ({"device": {"serialNumber": SERIAL}, "serialNumber": "other"}, SERIAL),
    ({"username": "alice"}, "alice"),
    ({"device": {"username": "alice"}}, "alice"),
    ({"username": "alice", "udid": UDID}, UDID)], ids=str)
def test_the_device_of_the_event_binds(jamf, keys, members, named):
    device = Device(jamf, keys)
    secret = challenge_of(jamf, send(jamf, event(**members),
                                     "/device/webhook"))
    assert not device.tries(secret)
    assert not device.tries(secret, ("CN", named + "x"))
    assert device.tries(secret, ("CN", named.lower()))


def test_a_serial_number_in_the_subject(jamf, keys):
    secret = challenge_of(jamf, send(jamf, event(serialNumber=SERIAL),
                                     "/device/webhook"))
    assert Device(jamf, keys).tries(secret, ("CN", "x"), ("SN", SERIAL))


@pytest.mark.parametrize("webhook", [
    {"eventTimestamp": 1757435578123}, {"eventTimestamp": "1757435578"},
    {"eventTimestamp": 1757435578.25}, {"eventTimestamp": None},
    {"eventTimestamp": -1}, {"eventTimestamp": 10 ** 40},
    {"eventTimestamp": "2025-09-09T16:32:58Z"}, {"id": "x"}, {"id": None},
    {"name": "SCEPChallenge"}, {"name": None}, {"name": 5},
    {"anything": {"else": [1, 2, {}]}}], ids=str)
def test_what_does_not_matter_is_passed_over(jamf, webhook):
    challenge_of(jamf, send(jamf, event(webhook, more=[{}])))


@pytest.mark.parametrize("missing", [
    "id", "eventTimestamp", "name", "scepServerUrl", "payloadTypes"])
def test_what_may_be_missing(jamf, missing):
    made = copy.deepcopy(JAMF)
    made["webhook"].pop(missing, None)
    made["event"].pop(missing, None)
    challenge_of(jamf, send(jamf, made))


def test_every_event_has_a_challenge_of_its_own(jamf):
    assert len({challenge_of(jamf, send(jamf, JAMF)) for _ in range(5)}) == 5


def test_the_user_stands_beside_the_challenge(jamf):
    before = {row["id"] for row in jamf.listing()["challenges"]}
    challenge_of(jamf, send(jamf, event(udid=UDID, username="alice")))
    challenge_of(jamf, send(jamf, event(udid=UDID, username="x" * 32)))
    rows = [row for row in jamf.listing()["challenges"]
            if row["id"] not in before]
    assert sorted(row.get("note") or "" for row in rows) == ["", "alice"]


# -------------------------------------------------------------------- probe

PROBES = [event({"name": ""}, payloadIdentifier=""),
          {"webhook": {"webhookEvent": "SCEPChallenge"}},
          {"webhook": {"webhookEvent": "SCEPChallenge", "name": None},
           "event": None},
          event({"name": ""}, payloadIdentifier=None, device={}),
          event({"name": ""}, payloadIdentifier="", serialNumber="")]


@pytest.mark.parametrize("path,scep", [
    ("/device/webhook", "/device/scep"), ("/subject", None),
    ("/scep-jamf", "/cgi-bin/pkiclient.exe")])
@pytest.mark.parametrize("probe", PROBES, ids=lambda p: json.dumps(p)[:60])
def test_a_probe_gets_a_text_that_opens_nothing(jamf, keys, probe, path,
                                                scep):
    before = live(jamf)
    text = challenge_of(jamf, send(jamf, probe, path))
    assert live(jamf) == before
    assert "SCEP0312" in jamf.log.raw()
    if scep:
        assert not Device(jamf, keys, scep).tries(text)


def test_an_event_with_a_device_is_no_probe(jamf, keys):
    made = event({"name": ""}, payloadIdentifier="", udid=UDID)
    secret = challenge_of(jamf, send(jamf, made, "/device/webhook"))
    assert Device(jamf, keys).tries(secret, ("CN", UDID))


# ---------------------------------------------------------------- refusals

@pytest.mark.parametrize("made,word", [
    ([], "object"), ("x", "JSON"), (None, "JSON"), (5, "JSON"),
    ({}, "webhook"), ({"webhook": []}, "webhook"), ({"webhook": 5}, "webhook"),
    ({"webhook": {}}, "webhookEvent"), ({"event": {}}, "webhook"),
    (event({"webhookEvent": "ComputerAdded"}), "webhookEvent"),
    (event({"webhookEvent": "scepchallenge"}), "webhookEvent"),
    (event({"webhookEvent": ""}), "webhookEvent"),
    (event({"webhookEvent": None}), "webhookEvent"),
    (event({"webhookEvent": ["SCEPChallenge"]}), "webhookEvent"),
    ({"webhook": JAMF["webhook"], "event": []}, "event"),
    ({"webhook": JAMF["webhook"], "event": "x"}, "event"),
    (event(device="x"), "device"), (event(device=[]), "device"),
    (event(targetDevice=5), "targetDevice"),
    (event(serialNumber=5), "serialNumber"), (event(udid={}), "udid"),
    (event(device={"uuid": [UDID]}), "uuid"),
    (event(device={"serialNumber": SERIAL, "uuid": 5}), "uuid"),
    (event(username=["x"]), "username"),
    (event(serialNumber="x" * 256), "device"),
    (event(serialNumber="a\nb"), "device"),
    (event(serialNumber="x", username="a\nb"), "note")], ids=str)
def test_an_event_that_is_none_is_400(jamf, made, word):
    before = live(jamf)
    refused(jamf, send(jamf, json.dumps(made)), 400, word)
    assert live(jamf) == before
    assert "SCEP0310" in jamf.log.raw()


GOOD = json.dumps(event(serialNumber=SERIAL)).encode()


@pytest.mark.parametrize("body", [
    b"", b"{", GOOD[:-1], GOOD + b"x", GOOD + GOOD, b"\xff\xfe" + GOOD,
    GOOD.decode().encode("utf-16"), b"\0", b"x=y",
    GOOD.replace(b'"serialNumber"', b'"serialNumber":"y","serialNumber"'),
    GOOD.replace(SERIAL.encode(), b"\xff"),
    GOOD.replace(SERIAL.encode(), b"a\\u0000b"), b"[" * 5000,
    b'{"webhook":' * 5000], ids=lambda body: repr(body[-12:]))
def test_no_json_is_400(jamf, body):
    before = live(jamf)
    refused(jamf, send(jamf, body), 400, "JSON")
    assert live(jamf) == before


@pytest.mark.parametrize("content_type", [
    None, "text/plain", "text/xml", "application/x-www-form-urlencoded",
    "application/json; charset=utf-16", "multipart/form-data"])
def test_another_type_is_415(jamf, content_type):
    refused(jamf, send(jamf, JAMF, content_type=content_type), 415)


@pytest.mark.parametrize("content_type", [
    "application/json", "Application/JSON", "application/json;charset=UTF-8"])
def test_good_types(jamf, content_type):
    challenge_of(jamf, send(jamf, JAMF, content_type=content_type))


def test_the_body_is_bounded(jamf):
    made = json.dumps(event(more="x" * 60000))
    challenge_of(jamf, send(jamf, made + " " * (65536 - len(made))))
    refused(jamf, send(jamf, made + " " * (65537 - len(made))), 413)
    refused(jamf, send(jamf, b"x" * 1_000_000), 413)


def test_a_body_cut_off(jamf):
    before = live(jamf)
    head = (b"POST /scep-jamf HTTP/1.1\r\nHost: x\r\n"
            b"Content-Type: application/json\r\n")
    for fields in (b"Content-Length: %d\r\n\r\n" % (len(GOOD) + 1) + GOOD,
                   b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(GOOD)
                   + GOOD):
        answer = scepclient.raw(jamf.port, head + fields, "POST", close=True)
        assert answer is None or answer.status == 400
    assert live(jamf) == before


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
def test_only_post(jamf, method):
    answer = send(jamf, b"", method=method)
    assert answer.status == 405
    assert answer.headers["allow"].replace("TRACE", "").strip(", ") == "POST"


@pytest.mark.parametrize("path,members,status", [
    ("/device/webhook", {}, 422), ("/subject", {"udid": UDID}, 422),
    ("/none", {"udid": UDID}, 400), ("/allow", {"udid": UDID}, 403)])
def test_what_may_not_be(jamf, path, members, status):
    before = live(jamf)
    refused(jamf, send(jamf, event(**members), path), status)
    assert live(jamf) == before


def test_a_full_store_and_a_quota(make_server):
    server = make_server("ScepChallengeStore shm:small(100)\n")
    while (answer := send(server, JAMF)).status == 200:
        challenge_of(server, answer)
    server.log.expect("SCEP0123")
    refused(server, answer, 507, "full")
    server = make_server("ScepChallengeQuota * 1\n")
    challenge_of(server, send(server, JAMF))
    refused(server, send(server, JAMF), 429)


# -------------------------------------------------------------- who may send

def basic(password):
    return "Basic " + base64.b64encode(b"alice:" + password).decode()


def test_nobody_is_let_in_without_a_require(jamf):
    jamf.log.expect("SCEP0121: SetHandler scep-jamf")
    assert send(jamf, JAMF, "/open").status == 403
    assert send(jamf, JAMF, "/unguarded-secret",
                X_Scep_Secret=NEW).status == 403


def test_basic_by_httpd(jamf):
    assert send(jamf, JAMF, "/basic").status == 401
    challenge_of(jamf, send(jamf, JAMF, "/basic",
                            Authorization=basic(b"secret")))
    assert any(row["requester"] == "alice"
               for row in jamf.listing()["challenges"])
    jamf.log.expect("AH01617")
    assert send(jamf, JAMF, "/basic",
                Authorization=basic(b"wrong")).status == 401


@pytest.mark.parametrize("header,value", [
    ("X-Scep-Secret", OLD), ("X-Scep-Secret", NEW), ("x-scep-secret", NEW),
    ("Authorization", PROGRAM)])
def test_any_of_the_secrets_is_good(jamf, header, value):
    challenge_of(jamf, send(jamf, JAMF, "/secret", **{header: value}))


@pytest.mark.parametrize("header,value", [
    ("X-Other", NEW), ("X-Scep-Secret", ""), ("X-Scep-Secret", "wrong"),
    ("X-Scep-Secret", NEW[:-1]), ("X-Scep-Secret", NEW + "x"),
    ("X-Scep-Secret", NEW.upper()), ("X-Scep-Secret", PROGRAM),
    ("Authorization", NEW), ("Authorization", basic(b"secret")),
    ("X-Scep-Secret", "%s, %s" % (NEW, NEW)), ("X-Scep-Secret", "x" * 5000)],
    ids=lambda text: text[:20])
def test_a_wrong_or_absent_secret_is_401(jamf, header, value):
    """Though Require grants all; and before the body is looked at."""
    before = live(jamf)
    for body in (JAMF, b"x", PROBES[0]):
        answer = send(jamf, body, "/secret", **{header: value})
        refused(jamf, answer, 401)
        assert "www-authenticate" in answer.headers
    assert live(jamf) == before
    raw = jamf.log.raw()
    assert "SCEP0311" in raw and NEW[:-1] not in raw


def test_an_inner_location_has_secrets_of_its_own(jamf):
    refused(jamf, send(jamf, JAMF, "/secret/again", X_Scep_Secret=OLD), 401)
    challenge_of(jamf, send(jamf, JAMF, "/secret/again", X_Scep_Secret=NEW))


def test_a_secret_is_changed_by_a_reload(make_server):
    server = make_server(start=False)
    path = server.dir / "jamf.secret"
    path.write_text("one\n")
    path.chmod(0o600)
    server.lines = ('<Location "/scep-jamf">\nScepJamfSecret X-Secret '
                    "file:%s\n</Location>\n" % path)
    server.start()
    challenge_of(server, send(server, JAMF, X_Secret="one"))
    path.write_text("two\n")
    server.reload()
    challenge_of(server, send(server, JAMF, X_Secret="two"))
    refused(server, send(server, JAMF, X_Secret="one"), 401)


# ------------------------------------------------------------- configuration

@pytest.fixture(scope="module")
def config(keys):
    return configuration.Configuration(keys)


@pytest.mark.parametrize("line,word", [
    ("ScepJamfSecret X-A", "ScepJamfSecret"),
    ("ScepJamfSecret X-A secret", "file:"),
    ("ScepJamfSecret X-A file:none", "none"),
    ("ScepJamfSecret X-A file:open.secret", "open.secret"),
    ("ScepJamfSecret X-A file:empty.secret", "empty.secret"),
    ("ScepJamfSecret X-A exec:none", "none"),
    ('ScepJamfSecret "" file:good.secret', "header"),
    ('ScepJamfSecret "X A" file:good.secret', "X A"),
    ("ScepJamfSecret X-A: file:good.secret", "X-A:"),
    ("ScepNdesEncoding", "ScepNdesEncoding"),
    ("ScepNdesEncoding UTF-16", "UTF-16LE"),
    ("ScepNdesEncoding utf8", "UTF-8"),
    ("ScepNdesPasswordLength 15", "16 to 64"),
    ("ScepNdesPasswordLength 14", "16 to 64"),
    ("ScepNdesPasswordLength 17", "even"),
    ("ScepNdesPasswordLength 66", "16 to 64"),
    ("ScepNdesPasswordLength 0x20", "16 to 64"),
    ("ScepNdesPasswordLength 99999999999999999999", "16 to 64"),
    ("ScepNdesPasswordLength -32", "16 to 64")])
def test_mistakes_are_found_by_configtest(config, line, word):
    for stem, text, mode in (("good", "x\n", 0o600), ("empty", "\n", 0o600),
                             ("open", "x\n", 0o644)):
        path = config.dir / (stem + ".secret")
        path.write_text(text)
        path.chmod(mode)
    status, output = config.check(configuration.GOOD + "<Location /x>\n%s\n"
                                  "</Location>\n" % line)
    assert status != 0 and word in output, output
    assert "test.conf" in output and line.split()[0] in output


@pytest.mark.parametrize("line", [
    "ScepJamfSecret X-A file:good.secret", "ScepNdesEncoding utf-16le",
    "ScepNdesPasswordLength 16", "ScepNdesPasswordLength 64"])
def test_good_lines(config, line):
    path = config.dir / "good.secret"
    path.write_text("x\n")
    path.chmod(0o600)
    for text in (line, "<Location /x>\n%s\n</Location>" % line):
        status, output = config.check(configuration.GOOD + text + "\n")
        assert status == 0, output
    status, output = config.check(configuration.GOOD.replace(
        "ScepValidity 365d", line))
    assert status != 0 and "ScepProfile" in output, output
