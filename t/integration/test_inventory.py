"""The inventory of certificates, and what the ledger keeps for how long.

SPDX-License-Identifier: Apache-2.0
"""
import json
import re
import shutil
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

import adminapi
import configuration
import pki
import scepctl
import stores
import trails
from adminapi import Caller, problem
from gateway import Sandbox, make_csr, wait_until
from test_approval import ADMIN, PROFILE

DAY = 86400 * 1000000

# the second CA has the same key, as one that was renewed may
LINES = ("""\
<ScepCA openssl other>
    ScepCAChain pki/ca.pem
    ScepOpenSSLKey pki/issuing.key
</ScepCA>
""" + PROFILE.format(name="one", lines="ScepValidity 10d")
         + PROFILE.format(name="long", lines="ScepValidity 300d")
         + ADMIN.format(path="/narrow",
                        lines="ScepChallengeAllow alice profile=one"))


def start(request, lines):
    database = None
    if request.param == "postgres":
        cluster = request.getfixturevalue("postgres")
        lines += trails.postgres_lines(cluster)
        database = trails.Database(cluster, lines)
    sandbox = Sandbox(lines=lines)
    adminapi.write_users(sandbox, "alice")
    sandbox.start()
    return trails.Trail(sandbox, database)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def trail(request):
    made = start(request, LINES)
    yield made
    made.server.remove()


@pytest.fixture
def server(trail):
    return trail.server


@pytest.fixture
def issued(server, keys):
    """What a device got, and the row of it."""
    def run(profile="one", common="device"):
        challenge = server.challenge(profile)
        endpoint = server.endpoint(profile)
        reply = endpoint.send(endpoint.request(
            keys.rsa(), make_csr(keys.rsa(), challenge,
                                 pki.name(("CN", common))), keys.signer()))
        reply.check_issued(keys.rsa())
        cert = x509.load_der_x509_certificate(reply.certificates[0])
        row, = rows(server, "?serial=%x" % cert.serial_number)
        return cert, row
    return run


def get(server, path, **headers):
    return server.admin(path="/certificates" + path, **headers)


def rows(server, query=""):
    answer = get(server, query)
    assert answer.status == 200, answer
    return json.loads(answer.body)["certificates"]


# ------------------------------------------------------------------ inventory

def test_a_certificate_is_listed_with_what_bought_it(trail, server, issued):
    cert, row = issued(common="Inventory 1")
    assert int(row["serial"], 16) == cert.serial_number
    assert (row["ca"], row["profile"], row["state"]) == \
        ("issuing", "one", "live")
    assert row["subject"] == "CN=Inventory 1"
    assert row["not_after"] == cert.not_valid_after.strftime(
        "%Y-%m-%dT%H:%M:%SZ")
    assert not {"reason", "due", "successor", "pem"} & set(row)
    enrolment = json.loads(server.admin(
        path="/enrolments/" + row["enrolment"]).body)
    assert enrolment["serial"] == row["serial"]
    assert enrolment["certificate"] == \
        "certificates/%s?ca=issuing" % row["serial"]
    answer = server.admin(path="/" + enrolment["certificate"])
    assert json.loads(answer.body)["subject"] == "CN=Inventory 1"


def test_one_by_its_serial_in_any_form_and_as_pem(server, issued):
    cert, row = issued()
    pem = cert.public_bytes(serialization.Encoding.PEM)
    serial = row["serial"]
    pairs = [serial[i:i + 2] for i in range(0, len(serial), 2)]
    for text in (serial, serial.upper(), ":".join(pairs), "00" + serial):
        answer = get(server, "/" + text)
        assert answer.status == 200, answer
        found = json.loads(answer.body)
        assert found["serial"] == serial
        assert found["pem"].encode() == pem
        assert found["events"] == "events?serial=" + serial
    answer = get(server, "/" + serial, Accept="application/x-pem-file")
    assert answer.body == pem
    assert answer.headers["content-type"] == "application/x-pem-file"
    assert "Accept" in answer.headers["vary"]


def test_a_serial_of_two_cas_wants_the_name_of_one(trail, server, issued):
    _, row = issued()
    columns = ("record, serial, profile, enrolment, subject, sans, device, "
               "names, spki, der, not_before, not_after, state, reason, "
               "changed, due, successor")
    trail.sql("INSERT INTO ledger_certificate (ca, %s) SELECT 'other', %s "
              "FROM ledger_certificate WHERE serial = '%s'"
              % (columns, columns, row["serial"]))
    problem(get(server, "/" + row["serial"]), 409, "issuing", "other")
    for ca in ("issuing", "other"):
        found = json.loads(get(server, "/%s?ca=%s" % (row["serial"],
                                                      ca)).body)
        assert found["ca"] == ca
    problem(get(server, "/%s?ca=nowhere" % row["serial"]), 404)


def test_what_is_no_certificate(server):
    for path in ("/00", "/x", "/0g", "/" + 40 * "f", "/%2e%2e"):
        problem(get(server, path), 404)
    problem(get(server, "/00?x=1"), 400, "ca")
    problem(get(server, "/00?ca="), 400, "empty")
    problem(get(server, "/00/renew"), 404)
    problem(server.admin("POST", "/certificates", {}), 405)
    problem(server.admin("DELETE", "/certificates/00"), 405)


@pytest.mark.parametrize("query,word", [
    ("expiring=soon", "30d"), ("expiring=0", "30d"), ("state=odd", "live"),
    ("serial=x", "hexadecimal"), ("profile=", "empty"), ("limit=1001", "1000"),
    ("after=-1", "number"), ("x=1", "known are"),
    ("ca=issuing", "known are")])
def test_queries_that_are_none(server, query, word):
    problem(get(server, "?" + query), 400, word)


def test_filters(trail, server, issued):
    _, soon = issued("one", "Filter A")
    _, late = issued("long", "Filter B")

    def serials(query):
        return [row["serial"] for row in rows(server, query)]

    assert serials("?subject=fILTER") == [late["serial"], soon["serial"]]
    assert serials("?subject=Filter&profile=long") == [late["serial"]]
    assert serials("?subject=Filter&expiring=30d") == [soon["serial"]]
    assert serials("?subject=Filter&expiring=9d") == []
    assert serials("?subject=Filter&expiring=400d") == [late["serial"],
                                                        soon["serial"]]
    assert serials("?enrolment=" + late["enrolment"]) == [late["serial"]]
    assert serials("?device=FILTER%20A&subject=Filter") == \
        [soon["serial"]]
    assert serials("?serial=" + late["serial"].upper()) == [late["serial"]]
    trail.sql("UPDATE ledger_certificate SET state = 1, successor = 'ff' "
              "WHERE serial = '%s'" % soon["serial"])
    assert serials("?subject=Filter&state=live") == [late["serial"]]
    row, = rows(server, "?subject=Filter&state=superseded")
    assert (row["serial"], row["successor"]) == (soon["serial"], "ff")
    # it was renewed and may expire
    assert serials("?subject=Filter&expiring=30d") == []
    assert serials("?subject=Filter&expiring=30d&state=superseded") == \
        [soon["serial"]]
    trail.sql("UPDATE ledger_certificate SET state = 2, reason = 1 "
              "WHERE serial = '%s'" % soon["serial"])
    row, = rows(server, "?subject=Filter&state=revoked")
    assert row["reason"] == "keyCompromise"


def test_pages(server, issued):
    wanted = [issued(common="Paged")[1]["serial"] for _ in range(5)][::-1]
    seen, after = [], ""
    while True:
        answer = json.loads(get(server, "?subject=Paged&limit=2" + after).body)
        seen += [row["serial"] for row in answer["certificates"]]
        if "next" not in answer:
            break
        after = "&after=%d" % answer["next"]
    assert seen == wanted


def test_a_caller_of_one_profile_sees_its_certificates(server, issued):
    _, mine = issued("one", "Narrow")
    _, other = issued("long", "Narrow")
    alice = Caller(server, "alice", "/narrow")
    answer = alice.call(path="/certificates?subject=Narrow")
    assert [row["serial"] for row in
            json.loads(answer.body)["certificates"]] == [mine["serial"]]
    assert alice.call(path="/certificates/" + mine["serial"]).status == 200
    for query in ("", "?ca=issuing"):
        problem(alice.call(path="/certificates/%s%s" % (other["serial"],
                                                        query)), 404)
    problem(alice.call(path="/certificates?profile=long"), 403)


# ----------------------------------------------------------------- revocation

def revoke(caller, row, query="", **body):
    return caller("POST", "/certificates/%s/revoke%s" % (row["serial"],
                                                         query), body)


def test_who_is_revoked_renews_no_more(trail, server, issued):
    _, row = issued()
    found = json.loads(revoke(server.admin, row, "?ca=issuing",
                              reason="keyCompromise").body)
    assert (found["state"], found["reason"]) == ("revoked", "keyCompromise")
    assert found["serial"] == row["serial"] and "pem" in found
    assert json.loads(get(server, "/" + row["serial"]).body)["state"] == \
        "revoked"
    # ordered, and done by the CA
    events = [event for event in trail.events("--serial", row["serial"])
              if event["event"] == "certificate-revoked"]
    assert [event["actor"] for event in events] == 2 * ["127.0.0.1"]
    assert events[0]["address"] == "127.0.0.1"
    problem(revoke(server.admin, row), 409, "before")


def test_without_a_reason_it_is_unspecified(server, issued):
    _, row = issued()
    found = json.loads(revoke(server.admin, row).body)
    assert (found["state"], found["reason"]) == ("revoked", "unspecified")


def test_revocations_that_are_none(server, issued):
    _, row = issued()
    for body, word in (({"reason": "because"}, "CRLReason"),
                       ({"reason": 1}, "string"), ({"why": "x"}, "reason"),
                       ({"reason": "removeFromCRL"}, "removeFromCRL")):
        problem(revoke(server.admin, row, **body), 400, word)
    problem(revoke(server.admin, row, "?ca=nowhere"), 404)
    problem(revoke(server.admin, {"serial": "00"}), 404)
    path = "/certificates/%s/revoke" % row["serial"]
    problem(server.admin(path=path), 405)
    problem(server.admin("POST", path, "{}", content_type="text/plain"), 415)
    problem(server.admin("POST", path, "{}", Origin="http://evil.example"),
            403)
    narrow = Caller(server, "alice", "/narrow").call
    _, other = issued("long")
    problem(revoke(narrow, other), 404)
    assert json.loads(get(server, "/" + row["serial"]).body)["state"] == "live"
    assert revoke(narrow, row).status == 200


# -------------------------------------------------------------------- scepctl

def test_scepctl_lists_shows_and_revokes(trail, server, issued):
    cert, row = issued("one", "With scepctl")
    pem = cert.public_bytes(serialization.Encoding.PEM).decode()
    serial = row["serial"]
    ran = trail.ctl("certificate", "list", "--expiring", "30d", "--subject",
                    "with scepctl")
    head, line = ran.out.splitlines()
    assert head.split() == ["SERIAL", "STATE", "PROFILE", "EXPIRES",
                            "SUBJECT"]
    assert line.split()[:3] == [serial, "live", "one"]
    assert trail.ctl("certificate", "list", "--serial", serial,
                     "--json").json == [row]
    ran = trail.ctl("certificate", "show", serial, "--pem")
    assert (ran.status, ran.out) == (scepctl.DONE, pem)
    ran = trail.ctl("certificate", "show", serial, "--ca", "issuing")
    assert ran.status == scepctl.DONE and "BEGIN" not in ran.out
    assert trail.ctl("certificate", "show", serial, "--json").json["pem"] == \
        pem
    trail.ctl("certificate", "show", serial, "--json", "--pem").fails(
        scepctl.USAGE, "--pem or --json")
    trail.ctl("certificate", "revoke", serial, "--reason", "because").fails(
        scepctl.REFUSED, "CRLReason", "HTTP 400")
    ran = trail.ctl("certificate", "revoke", serial, "--ca", "issuing",
                    "--reason", "superseded", "--json")
    assert ran.json["state"] == "revoked" and \
        ran.json["reason"] == "superseded"
    trail.ctl("certificate", "revoke", serial).fails(scepctl.REFUSED, "before")
    for verb in ("show", "revoke"):
        trail.ctl("certificate", verb, "00").fails(scepctl.NOT_FOUND)
        trail.ctl("certificate", verb).fails(scepctl.USAGE, "SERIAL")
        ran = trail.ctl("certificate", verb, "../health")
        assert ran.status in (scepctl.NOT_FOUND, scepctl.REFUSED), ran


# ------------------------------------------------------------------ retention

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


@pytest.mark.parametrize("before,lines,word", [
    (LEDGER, "90", "a day is the least"),
    (LEDGER, "23h", "a day is the least"), (LEDGER, "0", "0"),
    (LEDGER, "soon", "soon"), (LEDGER, "-1d", "-1d"),
    ("", "30d", "line 1 of .*: ScepRetention 30d: needs ScepLedger"),
    (LEDGER, "30d\n<IfDefine !x>\nScepRetention\n</IfDefine>", "one arg"),
    (LEDGER, "30d\n<Location /x>\nScepRetention 1d\n</Location>", "")],
    ids=lambda value: str(value)[:6])
def test_times_that_are_none(config, before, lines, word):
    status, told = config.check("ScepRetention %s\n%s%s"
                                % (lines, before, configuration.GOOD))
    assert status != 0
    assert "ScepRetention" in told and re.search(word, told), told


@pytest.mark.parametrize("value", ["off", "Off", "1d", "3650d"])
def test_times_that_are_good(config, value):
    status, told = config.check("ScepRetention %s\n%s%s" % (
        value, LEDGER, configuration.GOOD))
    assert status == 0, told


@pytest.fixture(params=["sqlite", "postgres"])
def old(request):
    """A server with a ledger that nobody has tidied up."""
    made = start(request, LINES + "ScepAuditSeal off\n")
    yield made
    made.server.remove()


def enrol(server, keys, common):
    """The key of what came of it."""
    challenge = server.challenge("one")
    endpoint = server.endpoint("one")
    endpoint.send(endpoint.request(
        keys.rsa(), make_csr(keys.rsa(), challenge, pki.name(("CN", common))),
        keys.signer())).check_issued(keys.rsa())
    row, = rows(server, "?subject=" + common)
    return row["enrolment"]


def test_nothing_goes_that_is_unsealed_live_or_under_way(old, keys):
    """What may go is older than ScepRetention, at its end, expired, and
    sealed; each of the others lacks one of these."""
    server, sql = old.server, old.sql
    now = int(time.time() * 1000000)
    was, lately = now - 3 * DAY, now - DAY // 2
    names = ("gone", "live", "revoked", "lately", "queued", "unsettled",
             "rejected")
    made = {name: enrol(server, keys, name) for name in names}
    sql("UPDATE ledger_enrolment SET created = %d, updated = %d" % (was, was))
    sql("UPDATE ledger_event SET time = %d" % was)
    sql("UPDATE ledger_event SET seal = 1 WHERE enrolment IN ('%s', '%s')"
        % (made["gone"], made["live"]))

    def certificate(name, values):
        sql("UPDATE ledger_certificate SET %s WHERE enrolment = '%s'"
            % (values, made[name]))

    def enrolment(name, values):
        sql("UPDATE ledger_enrolment SET %s WHERE key = '%s'"
            % (values, made[name]))

    certificate("gone", "not_after = %d" % was)
    certificate("revoked", "state = 2, changed = %d" % was)
    certificate("lately", "not_after = %d" % lately)
    enrolment("lately", "updated = %d" % lately)
    for name, values in (("queued", "state = 2"),
                         ("unsettled", "state = 17, settled = 0"),
                         ("rejected", "state = 17")):
        sql("DELETE FROM ledger_certificate WHERE enrolment = '%s'"
            % made[name])
        enrolment(name, values + ", serial = '', due = 9000000000000000")
    # events before the oldest that is not sealed alone may go: these are
    # the oldest
    sealed = [row[0] for row in
              sql("SELECT number FROM ledger_event WHERE seal = 1")]
    unsealed = [row[0] for row in
                sql("SELECT number FROM ledger_event WHERE seal = 0")]
    assert sealed and unsealed
    server.lines += "ScepRetention 1d\n"
    server.reload()
    wait_until(lambda: any("SCEP0662" in line.text
                           for line in server.log.outcomes()), 60)
    left = {row[0] for row in sql("SELECT key FROM ledger_enrolment")}
    assert {name for name in names if made[name] in left} == \
        {"live", "revoked", "lately", "queued", "unsettled"}
    assert {row[0] for row in
            sql("SELECT enrolment FROM ledger_certificate")} == \
        {made[name] for name in ("live", "revoked", "lately")}
    left = [row[0] for row in sql("SELECT number FROM ledger_event")]
    assert set(unsealed) <= set(left)
    assert not set(sealed) & set(left)


def test_off_keeps_for_ever(old, keys):
    server, sql = old.server, old.sql
    key = enrol(server, keys, "kept")
    sql("UPDATE ledger_enrolment SET created = 1, updated = 1")
    sql("UPDATE ledger_certificate SET not_after = 2")
    # some rounds of every watchdog
    mark = len(old.events())
    for _ in range(3):
        server.issue("one")
        time.sleep(1)
    assert len(old.events()) > mark
    assert sql("SELECT key FROM ledger_enrolment") == [[key]]
    assert len(sql("SELECT serial FROM ledger_certificate")) == 1
