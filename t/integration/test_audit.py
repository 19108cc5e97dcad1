"""The audit trail: which events there are, and ScepAuditLog.

SPDX-License-Identifier: Apache-2.0
"""
import concurrent.futures
import json
import os
import re
import signal
import socket
import stat

import pytest
from cryptography import x509

import adminapi
import outages
import scepclient
import scepctl
import stores
import trails
from adminapi import problem
from gateway import make_csr, wait_until
from pki import serial_text
from pkimessage import FAILURE, SUCCESS
from trails import Trail

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
BROKEN = "CREATE TRIGGER no BEFORE INSERT ON ledger_event " \
         "BEGIN SELECT RAISE(ABORT, 'no'); END"
DOWN = (r"\[dbd:", "DBD", "SCEP0230", "SCEP0231")

LINES = trails.SEALING + """\
<Directory "/">
    Require all granted
</Directory>
<Location "/some">
    SetHandler scep-admin
    Require ip 127.0.0.1
    ScepChallengeAllow * profile=default
</Location>
<Location "/all">
    SetHandler scep-admin
    AuthType Basic
    AuthName "admin"
    AuthBasicProvider file
    AuthUserFile "@DIR@/users"
    Require valid-user
    ScepChallengeAllow *
</Location>
"""


@pytest.fixture(scope="module")
def server():
    sandbox = stores.sandbox("event", LINES, None)
    adminapi.write_users(sandbox, "alice")
    try:
        sandbox.start()
        yield sandbox
    finally:
        sandbox.remove()


@pytest.fixture
def trail(server):
    return Trail(server)


def enrol(server, keys, challenge, number=0):
    """The status of a device's request, and its CertRep."""
    key, device = keys.rsa(number=number), server.endpoint()
    reply = device.send(device.request(key, make_csr(key, challenge),
                                       keys.signer(number)))
    return reply.status, reply


def of_challenge(trail, ident):
    rows = trail.events("--challenge", ident)
    kept = [{key: value for key, value in row.items()
             if key not in ("number", "seal")} for row in rows]
    assert kept == [row for row in trail.log()
                    if row.get("challenge") == ident]
    return rows


# ------------------------------------------------------------------ events

def test_a_challenge_from_its_making_to_its_end(server, trail):
    found = server.issue(subject="CN=a,O=b", uses=3, note="caf\u00e9",
                         sans=["dns:x.example"], device="SN-1")
    path = "/challenges/" + found["id"]
    assert server.admin("PATCH", path, body={"ttl": "2h"}).status == 200
    assert server.admin("DELETE", path).status == 204
    issued, extended, revoked = of_challenge(trail, found["id"])
    for row, event in ((issued, "challenge-issued"),
                       (extended, "challenge-extended"),
                       (revoked, "challenge-revoked")):
        assert TIME.fullmatch(row["time"]) and row["event"] == event
        assert (row["profile"], row["actor"], row["address"]) == \
            ("default", "127.0.0.1", "127.0.0.1")
        assert not {"serial", "ca", "enrolment", "ca_request"} & set(row)
    assert issued["number"] < extended["number"] < revoked["number"]
    assert issued["detail"] == (
        "admin, expires %s, subject CN=a,O=b, sans, device, 3 uses, "
        "note: caf\u00e9" % found["expires"])
    assert re.fullmatch(r"expires \S+Z", extended["detail"])
    assert "detail" not in revoked


def test_whoever_httpd_authenticated_is_the_actor(server, trail):
    found = adminapi.Caller(server, "alice", "/all").issue()
    row, = of_challenge(trail, found["id"])
    assert (row["actor"], row["address"]) == ("alice", "127.0.0.1")


@pytest.mark.parametrize("door", ["ndes", "jamf"])
def test_challenges_of_the_other_doors(server, trail, door):
    before = trail.events("--type", "challenge-issued")
    if door == "ndes":
        answer = scepclient.request(server.values["NDES_URL"])
        server.secrets.update(re.findall(rb"[0-9A-F]{32}", answer.body)[0]
                              .decode().split())
    else:
        answer = scepclient.request(
            server.base + "/scep-jamf", "POST", json.dumps(
                {"event": {"targetDevice": {"serialNumber": "C02"}},
                 "webhook": {"webhookEvent": "SCEPChallenge"}}),
            {"Content-Type": "application/json"})
        server.secrets.add(answer.body.decode())
    assert answer.status == 200, answer
    row, = trail.events("--type", "challenge-issued")[len(before):]
    assert row["detail"].startswith(door + ", expires ")
    assert of_challenge(trail, row["challenge"]) == [row]


def test_what_was_refused_is_no_challenge_of_the_trail(server, trail):
    before = trail.events()
    assert server.admin("POST", body={"profile": "none"}).status == 400
    assert server.admin("POST", body={
        "profile": "default", "reusable": True}).status == 400
    assert server.admin("DELETE", "/challenges/" + 16 * "0").status == 404
    found = server.issue(ttl="2h")
    assert server.admin("PATCH", "/challenges/" + found["id"],
                        body={"ttl": "1h"}).status == 409
    assert [row["event"] for row in trail.events()[len(before):]] == \
        ["challenge-issued"]


def test_each_configuration_is_told_once(make_server):
    server = make_server(trails.SEALING)
    server.startup.append("AH10392: children are killed successively")
    trail = Trail(server)
    loaded = "configuration-loaded"
    wait_until(lambda: len(trail.logged(loaded)) == 1)
    first, = trail.events("--type", loaded)
    assert (first["actor"], first["address"]) == ("httpd",
                                                  socket.gethostname())
    assert re.fullmatch(r"mod_scep \S+, sha256:[0-9a-f]{64}",
                        first["detail"])
    # the one that had the watchdog dies, and another one takes it over
    outages.kill_children(server)
    outages.graceful(server)
    wait_until(lambda: len(trail.logged(loaded)) == 2)
    server.lines += "ScepAuditSeal 2s\n"
    outages.graceful(server)
    wait_until(lambda: len(trail.logged(loaded)) == 3)
    # what is not ours does not count
    server.lines += "TimeOut 59\n"
    outages.restart(server)
    wait_until(lambda: len(trail.logged(loaded)) == 4)
    details = [row["detail"] for row in trail.events("--type", loaded)]
    assert details[0] == details[1] != details[2] == details[3]


# ------------------------------------------- nothing that is not recorded

@pytest.fixture
def broken(server, trail):
    """The ledger takes no event."""
    trail.sql(BROKEN)
    server.log.allow(*DOWN)
    yield server
    trail.sql("DROP TRIGGER no")
    wait_until(lambda: stores.asked(server) == 201)


def live(server):
    return server.listing()["live"]


def test_what_is_not_on_record_is_given_to_nobody(broken):
    before = live(broken)
    broken.log.expect("SCEP0535: .*: it is revoked, and nobody has got it")
    answer = broken.admin("POST", body={"profile": "default"})
    problem(answer, 503, "The ledger does not work now")
    answer = scepclient.request(broken.values["NDES_URL"])
    assert answer.status == 503
    assert b"ledger" in answer.body and b"password is" not in answer.body
    answer = scepclient.request(
        broken.base + "/scep-jamf", "POST", json.dumps(
            {"event": {"targetDevice": {"serialNumber": "C02"}},
             "webhook": {"webhookEvent": "SCEPChallenge"}}),
        {"Content-Type": "application/json"})
    assert answer.status == 503 and b"ledger" in answer.body
    assert live(broken) == before


def test_nothing_is_extended_off_the_record(server, trail):
    found = server.issue(ttl="1h")
    path = "/challenges/" + found["id"]
    server.log.allow(*DOWN)
    trail.sql(BROKEN)
    try:
        problem(server.admin("PATCH", path, body={"ttl": "2h"}), 503,
                "is not extended")
        server.log.expect("SCEP0536: .*, which is not extended",
                          "SCEP0536: .*, which is revoked all the same")
        row = json.loads(server.admin(path=path).body)
        assert row["expires"] == found["expires"]
        problem(server.admin("DELETE", path), 503, "is revoked all the same")
        assert server.state(found["id"]) == "revoked"
    finally:
        trail.sql("DROP TRIGGER no")
    wait_until(lambda: stores.asked(server) == 201)


# ------------------------------------------------------------- ScepAuditLog

def test_a_file_is_for_its_owner_and_reopened_by_graceful(make_server):
    server = make_server("ScepLedger off\n" + trails.SEALING)
    trail = Trail(server)
    one = server.issue()
    path = server.dir / "audit.log"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    path.rename(server.dir / "audit.log.1")
    two = server.issue()
    outages.graceful(server)
    three = server.issue()
    issued = [row["challenge"] for row in
              trail.logged("challenge-issued", "audit.log.1")]
    assert issued == [one["id"], two["id"]]
    row, = trail.logged("challenge-issued")
    assert row["challenge"] == three["id"]


@pytest.mark.parametrize("mpm", ["event", "prefork"])
def test_lines_of_many_processes_do_not_mix(make_server, mpm):
    server = make_server(
        'ScepLedger off\nScepAuditLog "|$/bin/cat >@DIR@/piped.log"\n'
        "StartServers 4\n" + ("ServerLimit 4\nThreadsPerChild 8\n"
                              "MaxRequestWorkers 32\nMinSpareThreads 8\n"
                              "MaxSpareThreads 32\n"
                              if mpm == "event" else ""), mpm=mpm)
    trail = Trail(server)
    subject = "CN=" + "x" * 60 + ",OU=" + "y" * 60
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        found = list(pool.map(lambda _: server.issue(subject=subject),
                              range(240)))
    wait_until(lambda: len(trail.logged("challenge-issued", "piped.log"))
               == 240)
    assert {row["challenge"] for row in trail.logged("challenge-issued",
                                                     "piped.log")} == \
        {row["id"] for row in found}


def test_a_program_that_ends_is_started_again(make_server):
    server = make_server(start=False)
    program = server.dir / "collect"
    program.write_text('#!/bin/sh\necho $$ >>"$1.pids"\n'
                       'exec /bin/cat >>"$1"\n')
    program.chmod(0o755)
    server.lines = 'ScepAuditLog "|@DIR@/collect @DIR@/piped.log"\n'
    server.start()
    trail = Trail(server)

    def pids():
        return (server.dir / "piped.log.pids").read_text().split()

    def issued():
        return len(trail.logged("challenge-issued", "piped.log"))

    server.issue()
    wait_until(lambda: issued() == 1)
    ended = ("AH00106: piped log program .* failed", "AH00488: long lost")
    server.startup += ended
    server.log.allow(*ended)
    before = pids()
    os.kill(int(before[-1]), signal.SIGTERM)
    wait_until(lambda: len(pids()) > len(before))
    server.issue()
    wait_until(lambda: issued() == 2)
    outages.graceful(server)
    server.log.allow(*ended)
    server.issue()
    wait_until(lambda: issued() == 3)


@pytest.mark.parametrize("ledger", ["", "ScepLedger off\n"])
def test_a_log_that_cannot_be_written_stops_nobody(make_server, ledger):
    server = make_server(start=False)
    server.lines = ledger + "ScepAuditLog /dev/full\nScepAuditSeal off\n" \
        "ServerLimit 1\nStartServers 1\nThreadsPerChild 25\n" \
        "MaxRequestWorkers 25\n"
    server.startup.append("SCEP0531")
    server.start()
    for _ in range(5):
        server.issue()
    text = (server.dir / "error.log").read_text()
    assert text.count("SCEP0531: ScepAuditLog /dev/full cannot be") == 1
    assert "No space left on device" in text
    if not ledger:
        assert len(Trail(server).events("--type", "challenge-issued")) == 5
    server.log.allow("SCEP0531")


# ------------------------------------------------------------ configuration

@pytest.mark.parametrize("line, said", [
    ("ScepAuditLog /nowhere/audit.log", "there is no directory for "
     "/nowhere/audit.log"),
    ("ScepAuditLog /tmp", "/tmp is a directory"),
    ('ScepAuditLog ""', "takes one argument"),
    ('ScepAuditLog "|"', "needs a program behind the |"),
    ("ScepAuditSeal 0", "one second is the least"),
    ("ScepAuditSeal never", "'never' is no time"),
    ('<Location "/x">\nScepAuditLog a\n</Location>',
     "not allowed in <Location>"),
    ('<Location "/x">\nScepAuditSeal off\n</Location>',
     "not allowed in <Location>"),
])
def test_mistakes(make_server, line, said):
    server = make_server(line + "\n", start=False)
    done = server.start(check=False)
    assert done.returncode != 0 and said in done.stdout + done.stderr, done
    assert "test.conf" in done.stdout + done.stderr


# ------------------------------------------------------------- GET events

def get(server, path):
    answer = server.admin(path="/" + path)
    assert answer.status == 200, answer
    return json.loads(answer.body)


def test_filters_of_events(server, trail):
    one, two = server.issue(), server.issue("legacy")
    server.admin("DELETE", "/challenges/" + one["id"])
    every = trail.events()
    numbers = [row["number"] for row in every]
    assert numbers == sorted(numbers) and len(every) > 3

    def matches(*options, **members):
        expected = [row for row in every if all(
            row.get(key) == value for key, value in members.items())]
        assert expected and trail.events(*options) == expected

    trail.sealed()
    every = trail.events()
    matches("--type", "challenge-revoked", event="challenge-revoked")
    matches("--profile", "legacy", profile="legacy")
    matches("--challenge", one["id"], challenge=one["id"])
    matches("--seal", "1", seal=1)
    matches("--since", every[-1]["time"], time=every[-1]["time"])
    assert trail.events("--since", "2100-01-01") == []
    assert trail.events("--serial", "00") == []
    assert trail.events("--enrolment", "00") == []
    assert trail.events("--seal", "0") == []
    newest = get(server, "events?limit=2")
    assert newest["events"] == every[:-3:-1]
    after = get(server, "events?limit=2&after=%d" % newest["next"])
    assert after["events"] == every[-3:-5:-1]
    assert trail.ctl("audit", "list", "--json", "--limit", "3").json == \
        every[:-4:-1]
    assert two["id"] in trail.ctl("audit", "list").out


@pytest.mark.parametrize("query, said", [
    ("events?limit=0", '"limit" is a number from 1 to 1000.'),
    ("events?limit=1001", '"limit" is a number from 1 to 1000.'),
    ("events?limit=9999999999999999999", '"limit" is a number'),
    ("events?after=-1", '"after" is a number from 0'),
    ("events?seal=x", '"seal" is a number from 0'),
    ("events?type=issued", '"type" is that of an event'),
    ("events?since=yesterday", '"since" is a time'),
    ("events?order=up", '"order" is oldest or newest'),
    ("events?serial=", '"serial" is empty'),
    ("events?a=b", 'There is no parameter "a"'),
    ("events?after=1&after=2", '"after" is given twice.'),
    ("events?type=%zz", "an escape that is none"),
    ("seals?limit=101", '"limit" is a number from 1 to 100.'),
    ("seals?after=x", '"after" is a number'),
    ("seals?seal=1", 'There is no parameter "seal"'),
])
def test_questions_that_are_none(server, query, said):
    problem(server.admin(path="/" + query), 400, said)


@pytest.mark.parametrize("resource", ["events", "seals"])
def test_who_sees_the_trail(server, resource):
    problem(adminapi.Caller(server, None, "/some").call(path="/" + resource),
            403, "callers who may have every challenge")
    caller = adminapi.Caller(server, "alice", "/all")
    assert caller.call(path="/" + resource).status == 200
    assert server.admin("POST", "/" + resource, body={}).status == 405
    assert server.admin("DELETE", "/" + resource).status == 405


def test_without_a_ledger_there_is_no_trail_to_be_seen(make_server):
    server = make_server("ScepLedger off\n")
    for resource in ("events", "seals"):
        problem(server.admin(path="/" + resource), 404, "ScepLedger is off")
    trail = Trail(server)
    trail.ctl("audit", "list").fails(scepctl.NOT_FOUND, "ScepLedger is off")
    trail.verify().fails(scepctl.NOT_FOUND, "ScepLedger is off")


def test_a_ledger_that_is_down(server, trail):
    server.log.allow(*DOWN)
    trail.sql("ALTER TABLE ledger_event RENAME TO gone")
    try:
        problem(server.admin(path="/events"), 503, "The ledger does not work")
        trail.ctl("audit", "list").fails(scepctl.LATER, "ledger")
    finally:
        trail.sql("ALTER TABLE gone RENAME TO ledger_event")
    wait_until(lambda: server.admin(path="/events").status == 200)
    wait_until(lambda: stores.asked(server) == 201)


def test_no_secret_is_in_the_trail(server, trail):
    found = server.issue()
    assert found["challenge"] not in (server.dir / "audit.log").read_text()
    assert found["challenge"] not in str(trail.sql(
        "SELECT * FROM ledger_event"))


# -------------------------------------------------------------- enrolments

def test_from_a_certificate_back_to_who_asked_for_its_challenge(
        server, trail, keys):
    found = adminapi.Caller(server, "alice", "/all").issue()
    status, reply = enrol(server, keys, found["challenge"])
    assert status == SUCCESS
    cert = x509.load_der_x509_certificate(reply.certificates[0])
    serial = serial_text(cert)
    issued, = [row for row in trail.events("--serial", serial)
               if row["event"] == "certificate-issued"]
    steps = trail.events("--enrolment", issued["enrolment"])
    names = [row["event"] for row in steps]
    assert names[0] == "request-received" and "challenge-used" in names
    assert "ca-called" in names and names[-1] == "certificate-issued"
    assert {row.get("challenge") for row in steps} == {found["id"]}
    assert {row["profile"] for row in steps} == {"default"}
    assert {row["address"] for row in steps if row["actor"] == "device"} == \
        {"127.0.0.1"}
    assert issued["ca"] == "issuing"
    first = of_challenge(trail, found["id"])[0]
    assert (first["event"], first["actor"]) == ("challenge-issued", "alice")


def test_refusals_are_events_too(server, trail, keys):
    found = server.issue(subject="CN=other")
    server.log.allow("SCEP0103")
    assert enrol(server, keys, found["challenge"])[0] == FAILURE
    assert enrol(server, keys, "0" * 32)[0] == FAILURE
    used = server.issue()
    assert enrol(server, keys, used["challenge"])[0] == SUCCESS
    assert enrol(server, keys, used["challenge"], number=1)[0] == FAILURE
    rows = trail.ctl("audit", "list", "--json", "--limit", "20").json
    names = [row["event"] for row in rows]
    assert names[0] == "challenge-breach"
    assert names.count("challenge-refused") >= 2
    assert rows[0]["address"] == "127.0.0.1"
    assert rows[0]["challenge"] == used["id"]
    assert found["id"] in {row.get("challenge") for row in rows
                           if row["event"] == "challenge-refused"}
    trail.sealed()
    assert trail.findings() == []
