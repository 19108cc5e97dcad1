"""People decide: requests that wait, who may approve or reject them.

SPDX-License-Identifier: Apache-2.0
"""
import concurrent.futures
import json
import re
import shutil

import pytest
from asn1crypto import x509 as asn1_x509

import adminapi
import configuration
import der
import pki
import scepctl
import stores
import trails
from adminapi import Caller, problem
from gateway import Sandbox, make_csr, wait_until
from pkimessage import BAD_REQUEST, FAILURE, PENDING, SUCCESS

PROFILE = """\
<ScepProfile {name}>
    ScepCA issuing
    ScepRACertificate pki/ra.pem
    ScepRAKey pki/ra.key
    {lines}
</ScepProfile>
<Location "/p/{name}">
    SetHandler scep
    ScepProfile {name}
    Require all granted
</Location>
"""

PROFILES = {
    "one": "ScepApproval required",
    "two": "ScepApproval required\nScepApprovers 2",
    "loose": "ScepApproval required\nScepApprovalFourEyes off",
    "pair": "ScepApproval required\nScepApprovalFourEyes off\n"
            "ScepApprovers 2",
    "soon": "ScepApproval required\nScepApprovalLife 1s",
    "named": "ScepApproval \"expr=%{note:scep-cn} =~ /^device/\"",
    "some": "ScepApproval \"expr=%{REQUEST_METHOD} == 'GET'\"",
}

ADMIN = """\
<Location "{path}">
    SetHandler scep-admin
    AuthType Basic
    AuthName "admin"
    AuthBasicProvider file
    AuthUserFile "@DIR@/users"
    Require valid-user
    {lines}
</Location>
"""

LINES = ("".join(PROFILE.format(name=name, lines=lines)
                 for name, lines in PROFILES.items())
         + ADMIN.format(path="/basic", lines="")
         + ADMIN.format(path="/narrow", lines="""\
ScepChallengeAllow alice profile=two
    ScepChallengeAllow bob profile=one profile=two
    ScepChallengeAllow carol profile=one subject=CN=*"""))

LONG = "somebody.with.a.name.of.more.octets.than.stores.keep@example.net"
USERS = ("alice", "bob", "carol", LONG, LONG + ".au")


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def trail(request):
    """A server and what it has written down."""
    lines, database = LINES, None
    if request.param == "postgres":
        cluster = request.getfixturevalue("postgres")
        lines += trails.postgres_lines(cluster)
        database = trails.Database(cluster, lines)
    sandbox = Sandbox(lines=lines)
    adminapi.write_users(sandbox, *USERS)
    try:
        sandbox.start()
        yield trails.Trail(sandbox, database)
    finally:
        sandbox.remove()


@pytest.fixture
def server(trail):
    return trail.server


class Device:
    """One that has asked, and asks again."""

    def __init__(self, server, keys, profile="one", requester=None,
                 method="POST", subject=None):
        self.key, self.method = keys.rsa(), method
        self.made = (requester.issue(profile) if requester
                     else server.issue(profile))
        self.endpoint = server.endpoint(profile)
        csr = make_csr(self.key, self.made["challenge"], subject)
        self.message = self.endpoint.request(self.key, csr, keys.signer())

    def ask(self):
        return self.endpoint.send(self.message, self.method)

    def poll(self):
        ca = pki_issuer(self.endpoint)
        message = self.endpoint.request(
            self.key, der.DER.seq(ca, pki.name(("CN", "device"))),
            self.message.signer, message_type="20",
            transaction_id=self.message.transaction_id)
        return self.endpoint.send(message)

    def waits(self):
        reply = self.ask()
        assert reply.status == PENDING, reply
        return self

    def gets(self):
        """The certificate, once the watchdog has gone on."""
        replies = []
        wait_until(lambda: replies.append(self.ask()) or
                   replies[-1].status != PENDING)
        return replies[-1].check_issued(self.key)

    def is_refused(self):
        reply = self.ask()
        assert (reply.status, reply.fail_info) == (FAILURE, BAD_REQUEST)
        return reply


def pki_issuer(endpoint):
    signer = endpoint.identity.encrypt_cert
    return asn1_x509.Certificate.load(signer).issuer.dump()


@pytest.fixture
def device(server, keys):
    return lambda *words, **members: Device(server, keys, *words, **members)


@pytest.fixture
def who(server):
    return lambda name, path="/basic": Caller(server, name, path)


def enrolments(caller, query=""):
    answer = caller.call(path="/enrolments" + query)
    assert answer.status == 200, answer
    return json.loads(answer.body)["enrolments"]


def entry(caller, device):
    """The row of what a device has asked for."""
    row, = enrolments(caller, "?challenge=" + device.made["id"])
    return row


def decide(caller, ident, verb, **body):
    return caller.call("POST", "/enrolments/%s/%s" % (ident, verb), body)


def done(answer):
    assert answer.status == 200, answer
    return json.loads(answer.body)


# -------------------------------------------------------------- configuration

@pytest.fixture(scope="module")
def config(keys):
    made = configuration.Configuration(keys)
    yield made
    shutil.rmtree(made.dir)


LEDGER = stores.LOAD + """\
DBDriver sqlite3
DBDParams ledger.db
ScepLedger dbd:ledger
"""


@pytest.mark.parametrize("lines,word", [
    ("ScepApproval", "ScepApproval"), ("ScepApproval maybe", "expr="),
    ("ScepApproval required off", "one argument"),
    ("ScepApproval expr=", "expression"),
    ("ScepApproval \"expr=%{nothing\"", "expression"),
    ("ScepApprovers 0", "1 to 10"), ("ScepApprovers 11", "1 to 10"),
    ("ScepApprovers two", "1 to 10"), ("ScepApprovers 1 2", "ScepApprovers"),
    ("ScepApprovalFourEyes maybe", "On or Off"),
    ("ScepApprovalLife 0", "ScepApprovalLife"),
    ("ScepApprovalLife soon", "ScepApprovalLife"),
    ("ScepApproval required\nScepApprovalLife 15d", "ScepPendingLife"),
    ("ScepApproval required\nScepPendingLife 6d", "ScepPendingLife")])
def test_lines_that_are_none(config, lines, word):
    status, told = config.check(LEDGER + configuration.GOOD.replace(
        "ScepValidity 365d", lines))
    assert status != 0 and "ScepApprov" in told and word in told, told


def test_approval_needs_a_ledger(config):
    status, told = config.check(configuration.GOOD.replace(
        "ScepValidity 365d", "ScepApproval required"))
    assert status != 0 and re.search("ScepApproval.*needs ScepLedger", told)
    status, told = config.check("ScepApproval required\n"
                                + configuration.GOOD)
    assert status != 0 and "belongs into <ScepProfile>" in told


# ------------------------------------------------------------ approve, reject

def test_a_request_waits_until_somebody_approves_it(trail, server, device,
                                                    who):
    one = device().waits()
    row = entry(who("alice"), one)
    assert row["state"] == "approval" and row["profile"] == "one"
    assert (row["approvals"], row["approvals_missing"]) == ([], 1)
    assert row["subject"] == "CN=device" and row["requester"] == "127.0.0.1"
    assert row["transaction_id"] == one.message.transaction_id
    assert one.poll().status == PENDING
    one.waits()
    answer = done(decide(who("alice"), row["id"], "approve", note="caf\u00e9"))
    assert answer["state"] == "received" and answer["approvals"] == ["alice"]
    cert = one.gets()
    assert one.poll().check_issued(one.key) == cert
    whole = json.loads(who("alice").call(
        path="/enrolments/" + row["id"]).body)
    assert whole["state"] == "issued" and whole["approvals"] == ["alice"]
    assert int(whole["serial"], 16) == cert.serial_number
    assert server.state(one.made["id"]) == "spent"
    events = trail.events("--enrolment", row["id"])
    assert [event["event"] for event in events] == [
        "request-received", "challenge-used", "approval-wanted", "approved",
        "ca-called", "certificate-issued"]
    assert (events[3]["actor"], events[3]["address"], events[3]["detail"]) \
        == ("alice", "127.0.0.1", "caf\u00e9")
    assert events[3]["challenge"] == one.made["id"]
    assert any("SCEP0660" in line.text and "approved by alice" in line.text
               for line in server.log.outcomes())


def test_the_record_is_whole_and_without_the_csr(device, who):
    one = device().waits()
    row = entry(who("alice"), one)
    answer = who("alice").call(path="/enrolments/" + row["id"])
    whole = json.loads(answer.body)
    assert whole["events"] == "events?enrolment=" + row["id"]
    assert re.fullmatch("[0-9a-f]{64}", whole["key_digest"])
    assert one.made["challenge"].encode() not in answer.body
    assert not {"csr", "grant", "token"} & set(whole)
    assert who("alice").call("HEAD", "/enrolments/" + row["id"]).body == b""
    done(decide(who("alice"), row["id"], "reject"))


def test_who_is_rejected_gets_nothing(trail, server, device, who):
    one = device().waits()
    row = entry(who("alice"), one)
    answer = done(decide(who("alice"), row["id"], "reject",
                         reason="not one of ours"))
    assert (answer["state"], answer["reason"], answer["fail_info"]) == \
        ("rejected", "disapproved", "badRequest")
    assert answer["detail"] == "by alice: not one of ours"
    reply = one.is_refused()
    assert "ours" not in (reply.fail_text or "")
    assert (one.poll().status, one.is_refused().fail_info) == \
        (FAILURE, BAD_REQUEST)
    wait_until(lambda: server.state(one.made["id"]) == "spent")
    events = trail.events("--enrolment", row["id"])
    assert [event["event"] for event in events][3:] == [
        "disapproved", "enrolment-ended"]
    assert events[3]["actor"] == "alice"
    assert events[3]["detail"] == "not one of ours"
    for verb in ("approve", "reject"):
        problem(decide(who("bob"), row["id"], verb), 409, "rejected")


def test_the_expression_knows_who_it_is_for(device, who):
    one = device("named").waits()
    done(decide(who("alice"), entry(who("alice"), one)["id"], "approve"))
    one.gets()


def test_only_what_the_expression_wants_waits(device, who):
    assert device("some").ask().status == SUCCESS
    one = device("some", method="GET").waits()
    done(decide(who("alice"), entry(who("alice"), one)["id"], "approve"))
    one.gets()


def test_who_cannot_be_gone_on_with_holds_up_nobody(trail, device, who):
    """Of a verifier that is not there any more: the watchdog passes on."""
    lost = [device("loose", subject=pki.name(("CN", "lost-%d" % number)))
            .waits() for number in range(12)]
    one = device("loose").waits()
    trail.server.log.expect("SCEP0648")
    of_lost = "verified_by IN (%s)" % ", ".join(
        "'%s'" % each.made["id"] for each in lost)
    trail.sql("UPDATE ledger_enrolment SET verifier = 'gone', state = 0, "
              "due = 1, token = '' WHERE " + of_lost)
    done(decide(who("alice"), entry(who("alice"), one)["id"], "approve"))
    one.gets()
    wait_until(lambda: "0" == str(trail.sql(
        "SELECT count(*) FROM ledger_enrolment WHERE due = 1 AND "
        + of_lost)[0][0]))
    (first, last), = trail.sql("SELECT min(due), max(due) FROM "
                               "ledger_enrolment WHERE " + of_lost)
    # in one turn or two, and there is one each second
    assert int(last) - int(first) < 6000000
    trail.sql("UPDATE ledger_enrolment SET state = 17, settled = 1 WHERE "
              + of_lost)


def test_a_request_that_nobody_decides_expires(server, device, who):
    server.log.expect("SCEP0645: no certificate after PENDING, expired")
    one = device("soon").waits()
    row = entry(who("alice"), one)
    wait_until(lambda: one.ask().status == FAILURE)
    one.is_refused()
    assert entry(who("alice"), one)["reason"] == "expired"
    problem(decide(who("alice"), row["id"], "approve"), 409)


# --------------------------------------------------------------- how many, who

def test_as_many_must_approve_as_the_profile_says(trail, device, who):
    one = device("two").waits()
    ident = entry(who("alice"), one)["id"]
    answer = done(decide(who("alice"), ident, "approve"))
    assert answer["state"] == "approval" and answer["approvals_missing"] == 1
    problem(decide(who("alice"), ident, "approve"), 403, "already")
    assert one.ask().status == PENDING
    answer = done(decide(who("bob"), ident, "approve"))
    assert answer["approvals"] == ["alice", "bob"]
    one.gets()
    actors = [event["actor"] for event in
              trail.events("--enrolment", ident) if event["event"] ==
              "approved"]
    assert actors == ["alice", "bob"]


def test_two_at_once_are_two(device, who):
    """Neither's yes is lost, and no yes counts twice."""
    one = device("two").waits()
    ident = entry(who("alice"), one)["id"]

    def insist(name):
        while True:
            answer = decide(who(name), ident, "approve")
            if answer.status != 409 or b"being worked on" not in answer.body:
                return answer.status

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(insist, 4 * ["alice", "bob"]))
    assert statuses.count(200) == 2, statuses
    assert set(statuses) <= {200, 403, 409}
    one.gets()
    assert sorted(entry(who("alice"), one)["approvals"]) == ["alice", "bob"]


def test_approve_and_reject_at_once_are_one(trail, device, who):
    for _ in range(4):
        one = device().waits()
        ident = entry(who("alice"), one)["id"]
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            yes = pool.submit(decide, who("alice"), ident, "approve")
            no = pool.submit(decide, who("bob"), ident, "reject")
        answers = (yes.result().status, no.result().status)
        assert answers in ((200, 409), (409, 200), (200, 200)), answers
        if no.result().status == 200:
            # it had not gone to the CA
            one.is_refused()
            assert "certificate-issued" not in [
                event["event"] for event in
                trail.events("--enrolment", ident)]
        else:
            one.gets()


@pytest.mark.parametrize("name", ["alice", LONG])
def test_nobody_approves_what_they_asked_for(device, who, name):
    one = device(requester=who(name)).waits()
    ident = entry(who("bob"), one)["id"]
    problem(decide(who(name), ident, "approve"), 403, "somebody else")
    assert one.ask().status == PENDING
    # whoever else, however alike the names are
    other = LONG + ".au" if name == LONG else "bob"
    done(decide(who(other), ident, "approve"))
    one.gets()


def test_four_eyes_may_be_off(device, who):
    one = device("loose", requester=who("alice")).waits()
    done(decide(who("alice"), entry(who("alice"), one)["id"], "approve"))
    one.gets()


def test_one_without_a_name_is_not_two_people(server, device, who):
    class Nobody:
        call = staticmethod(lambda method="GET", path="", body=None:
                            server.admin(method, path, body))

    for profile, status in (("one", 403), ("pair", 403), ("loose", 200)):
        one = device(profile, requester=who("alice")).waits()
        answer = decide(Nobody, entry(who("alice"), one)["id"], "approve")
        assert answer.status == status, (profile, answer)
        if status == 403:
            problem(answer, 403, "no name")
            done(decide(Nobody, entry(who("alice"), one)["id"], "reject"))
        else:
            one.gets()


# ---------------------------------------------------------------- bad requests

def test_what_is_not_there(who):
    for ident in ("0" * 64, "x", "0" * 63, "0" * 64 + ".1", "%2e%2e"):
        for verb in ("approve", "reject"):
            assert decide(who("alice"), ident, verb).status == 404
        assert who("alice").call(path="/enrolments/" + ident).status == 404
    problem(decide(who("alice"), "0" * 64, "delete"), 404, "approve")


def test_calls_that_are_none(server, device, who):
    one = device().waits()
    ident = entry(who("alice"), one)["id"]
    alice = who("alice")
    for body, word in (({"notes": ""}, "notes"), ({"note": 1}, "note"),
                       ({"note": "x" * 256}, "255"), ({"note": "a\nb"}, "255"),
                       ({"submit_again": 1}, "submit_again"),
                       ({"reason": "x"}, "reason")):
        problem(decide(alice, ident, "approve", **body), 400, word)
    problem(decide(alice, ident, "reject", note="x"), 400, "note")
    problem(decide(alice, ident, "approve", submit_again=True), 409,
            "submit_again")
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        answer = alice.call(method, "/enrolments/%s/approve" % ident)
        problem(answer, 405)
        assert answer.headers["allow"] == "POST"
    problem(alice.call("POST", "/enrolments/" + ident, {}), 405)
    problem(alice.call("POST", "/enrolments", {}), 405)
    path = "/enrolments/%s/approve" % ident
    problem(alice.call("POST", path + "?x=1", {}), 400)
    problem(server.admin("POST", path, "{}", content_type="text/plain"), 415)
    problem(server.admin("POST", path, "{}", Origin="http://evil.example"),
            403)
    problem(server.admin("POST", path, "[]"), 400)
    assert one.ask().status == PENDING
    done(decide(alice, ident, "reject"))


def test_without_a_ledger_there_are_none(make_server):
    server = make_server(ledger=False)
    for path in ("/enrolments", "/certificates"):
        problem(server.admin(path=path), 404, "ScepLedger")


# ------------------------------------------------------------------- listings

def test_lists_filter_and_go_page_by_page(trail, device, who):
    alice = who("alice")
    mine = [device("two", subject=pki.name(("CN", "Listed %d" % i)))
            for i in range(5)]
    ids = [entry(alice, one.waits())["id"] for one in mine]
    found = enrolments(alice, "?subject=lISTED&profile=two&pending=true")
    assert [row["id"] for row in found] == ids[::-1]
    seen, after = [], ""
    while True:
        answer = json.loads(alice.call(
            path="/enrolments?subject=Listed&limit=2" + after).body)
        seen += [row["id"] for row in answer["enrolments"]]
        if "next" not in answer:
            break
        after = "&after=%d" % answer["next"]
    assert seen == ids[::-1]
    done(decide(alice, ids[0], "reject"))
    rest = enrolments(alice, "?subject=Listed&state=approval")
    assert [row["id"] for row in rest] == ids[:0:-1]
    gone, = enrolments(alice, "?subject=Listed&state=rejected")
    assert gone["id"] == ids[0]
    assert enrolments(alice, "?challenge=%s&pending=true"
                      % mine[0].made["id"]) == []
    assert enrolments(alice, "?since=2099-01-01") == []
    assert len(enrolments(alice, "?since=2020-01-01&subject=Listed")) == 5
    assert enrolments(alice, "?subject=%25") == []
    for ident in ids[1:]:
        done(decide(alice, ident, "reject"))


@pytest.mark.parametrize("query,word", [
    ("state=odd", "approval"), ("pending=yes", "true"), ("profile=", "empty"),
    ("limit=0", "1 to 1000"), ("limit=1001", "1 to 1000"),
    ("after=x", "after"), ("since=then", "2027"), ("x=1", "known are"),
    ("limit=1&limit=2", "twice"), ("subject=%zz", "escape")])
def test_queries_that_are_none(who, query, word):
    problem(who("alice").call(path="/enrolments?" + query), 400, word)


def test_a_caller_of_some_profiles_sees_and_decides_those(device, who):
    one, two = device("one").waits(), device("two").waits()
    first = entry(who("alice"), one)["id"]
    second = entry(who("alice"), two)["id"]
    narrow = who("alice", "/narrow")
    assert {row["profile"] for row in enrolments(narrow)} == {"two"}
    problem(narrow.call(path="/enrolments?profile=one"), 403, "one")
    assert narrow.call(path="/enrolments/" + first).status == 404
    for verb in ("approve", "reject"):
        problem(decide(narrow, first, verb), 404)
    done(decide(narrow, second, "approve"))
    both = who("bob", "/narrow")
    problem(both.call(path="/enrolments"), 400, "one,two")
    assert first in [row["id"] for row in enrolments(both, "?profile=one")]
    done(decide(both, first, "reject"))
    done(decide(both, second, "reject"))
    # rights to some subjects alone are none here
    carol = who("carol", "/narrow")
    problem(carol.call(path="/enrolments"), 403)
    problem(decide(carol, first, "reject"), 404)
    problem(who(LONG, "/narrow").call(path="/enrolments"), 403)


# ---------------------------------------------------- what the watchdog holds

def test_what_is_worked_on_is_not_decided(trail, device, who):
    one = device().waits()
    ident = entry(who("alice"), one)["id"]
    trail.sql("UPDATE ledger_enrolment SET token = 'x', lease = "
              "9000000000000000 WHERE key = '%s'" % ident)
    for verb in ("approve", "reject"):
        problem(decide(who("alice"), ident, verb), 409, "being worked on")
    # whoever held it is gone
    trail.sql("UPDATE ledger_enrolment SET lease = 1 WHERE key = '%s'" % ident)
    done(decide(who("alice"), ident, "approve"))
    one.gets()


def test_what_is_unknown_is_submitted_again_when_somebody_has_looked(
        trail, device, who):
    one = device().waits()
    ident = entry(who("alice"), one)["id"]
    # as it is where a process died in a CA's call and the CA cannot tell
    trail.sql("UPDATE ledger_enrolment SET state = 5, submitted = created, "
              "due = 9000000000000000, handle = 'r1' WHERE key = '%s'" % ident)
    problem(decide(who("alice"), ident, "approve"), 409, "look there")
    answer = done(decide(who("alice"), ident, "approve", submit_again=True,
                         note="nothing there"))
    assert answer["state"] == "queued" and "ca_request" not in answer
    one.gets()
    event, = [event for event in trail.events("--enrolment", ident)
              if event["event"] == "approved"]
    assert event["detail"] == "to be submitted again: nothing there"
    assert (event["actor"], event["ca"], event["ca_request"]) == \
        ("alice", "issuing", "r1")


@pytest.mark.parametrize("state", [0, 2, 3, 4, 5])
def test_whatever_is_not_at_its_end_can_be_rejected(trail, device, who,
                                                    state):
    one = device().waits()
    ident = entry(who("alice"), one)["id"]
    trail.sql("UPDATE ledger_enrolment SET state = %d, "
              "due = 9000000000000000 WHERE key = '%s'" % (state, ident))
    if state < 5:
        problem(decide(who("alice"), ident, "approve"), 409, "does not wait")
    done(decide(who("alice"), ident, "reject"))
    one.is_refused()


def test_a_ledger_that_is_gone_is_503(make_server, keys):
    server = make_server(LINES)
    adminapi.write_users(server, *USERS)
    one = Device(server, keys).waits()
    row = entry(Caller(server, "alice", "/basic"), one)
    server.log.expect("SCEP0230")
    server.log.allow("DBD", r"\[dbd:")
    broken = trails.Sqlite(server)
    broken.sql("ALTER TABLE ledger_enrolment RENAME TO elsewhere")
    alice = Caller(server, "alice", "/basic")
    for answer in (alice.call(path="/enrolments"),
                   alice.call(path="/enrolments/" + row["id"]),
                   decide(alice, row["id"], "approve")):
        problem(answer, 503, "ledger")
    broken.sql("ALTER TABLE elsewhere RENAME TO ledger_enrolment")
    wait_until(lambda: alice.call(path="/enrolments").status == 200)


# -------------------------------------------------------------------- scepctl

@pytest.fixture
def ctl(server):
    (server.dir / "password").write_text("secret\n")
    (server.dir / "password").chmod(0o600)

    def user(name):
        return scepctl.Ctl(server, "--url", server.base + "/basic", "--user",
                           name, "--password-file", server.dir / "password")
    return user


def test_scepctl_lists_shows_and_approves(ctl, device):
    one = device("two", subject=pki.name(("CN", "By scepctl"))).waits()
    alice = ctl("alice")
    ran = alice("enrolment", "list", "--state", "approval", "--subject",
                "by scepctl")
    head, line = ran.out.splitlines()
    assert head.split() == ["ID", "STATE", "PROFILE", "CREATED", "REQUESTER",
                            "SUBJECT"]
    ident = line.split()[0]
    assert line.endswith("CN=By scepctl") and " approval " in line
    row, = alice("enrolment", "list", "--pending", "--subject", "by scepctl",
                 "--json").json
    assert row["id"] == ident
    assert re.search("^approvals_missing +2$",
                     alice("enrolment", "show", ident).out, re.MULTILINE)
    ran = alice("enrolment", "approve", ident, "--note", "by hand")
    assert (ran.status, ran.out) == (scepctl.DONE,
                                     "%s  approval\n" % ident), ran
    alice("enrolment", "approve", ident).fails(scepctl.REFUSED, "already",
                                               "HTTP 403")
    row, = ctl("bob")("enrolment", "approve", ident, "--json").json
    assert row["approvals"] == ["alice", "bob"]
    one.gets()
    assert alice("enrolment", "show", ident, "--json").json["state"] == \
        "issued"


def test_scepctl_rejects_several_and_tells_the_first_trouble(ctl, device):
    several = [device("one", subject=pki.name(("CN", "Several %d" % i)))
               .waits() for i in range(2)]
    alice = ctl("alice")
    ids = [row["id"] for row in alice("enrolment", "list", "--subject",
                                      "several", "--json").json]
    ran = alice("enrolment", "reject", ids[0], "0" * 64, ids[1], "--reason",
                "no & more", "--json")
    assert ran.status == scepctl.NOT_FOUND and ran.err.count("\n") == 1
    assert [(row["id"], row["state"], row["detail"]) for row in ran.json] == [
        (ident, "rejected", "by alice: no & more") for ident in ids]
    for one in several:
        one.is_refused()
    for words in (["show"], ["approve", "--submit-again"], ["reject"]):
        ran = alice("enrolment", words[0], "../challenges", *words[1:])
        assert ran.status in (scepctl.NOT_FOUND, scepctl.REFUSED), ran
        alice("enrolment", *words).fails(scepctl.USAGE, "ID")
    alice("enrolment", "approve", ids[0], "--note", b"\xff".decode(
        errors="surrogateescape")).fails(scepctl.USAGE, "UTF-8")
    assert "--submit-again" in alice("enrolment", "approve", "--help").out
