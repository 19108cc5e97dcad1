"""scepctl audit verify: what somebody changes in the database is named.

SPDX-License-Identifier: Apache-2.0
"""
import json
import re
import subprocess

import pytest

import outages
import pki
import scepctl
import trails
from gateway import Sandbox, wait_until
from trails import Trail

TEXTS = ["profile", "actor", "address", "challenge", "enrolment", "ca",
         "ca_request", "serial", "detail"]


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def trail(request):
    """Four seals or more, over six events or more, of a server that is left
    alone: what it does by itself is done."""
    lines, database = trails.SEALING, None
    if request.param == "postgres":
        cluster = request.getfixturevalue("postgres")
        lines += trails.postgres_lines(cluster)
        database = trails.Database(cluster, lines)
    sandbox = Sandbox(lines=lines)
    try:
        sandbox.start()
        made = Trail(sandbox, database)
        for turn in range(4):
            sandbox.issue(note="turn %d" % turn)
            sandbox.issue(subject="CN=caf\u00e9 %d%%,O='\"" % turn)
            made.sealed(turn + 1)
        yield made
    finally:
        sandbox.remove()


@pytest.fixture
def tamper(trail):
    """Runs SQL; afterwards all is as it was."""
    tables = {name: trail.sql("SELECT * FROM " + name)
              for name in ("ledger_event", "ledger_seal")}
    for name in tables:
        trail.sql("CREATE TABLE %s_was AS SELECT * FROM %s" % (name, name))
    yield trail.sql
    for name in tables:
        trail.sql("DELETE FROM " + name)
        trail.sql("INSERT INTO %s SELECT * FROM %s_was" % (name, name))
        trail.sql("DROP TABLE %s_was" % name)
    assert trail.findings() == []


def middle(trail):
    """An event that has others before and behind it."""
    rows = trail.events("--type", "challenge-issued")
    return rows[len(rows) // 2]


def test_what_nobody_touched_is_as_it_was(trail):
    ran = trail.verify()
    assert ran.status == scepctl.DONE and ran.err == "", ran
    shown = dict(re.split(" {2,}", line, maxsplit=1)
                 for line in ran.out.splitlines())
    head = int(trail.sql("SELECT max(number) FROM ledger_seal")[0][0])
    assert re.fullmatch(r"%d:[0-9a-f]{64}" % head, shown["head"])
    assert shown["signed"].startswith("seals 1 to %d by CN=Sandbox RA" % head)
    assert shown["seals"] == str(head)
    events = len(trail.events())
    assert shown["events"].startswith("%d as they were sealed, 0 not" % events)
    answer = trail.verify("--json").json
    assert answer["intact"] and answer["head"] == shown["head"]
    assert (answer["events"], answer["unsealed"]) == (events, 0)
    assert [signer["last"] for signer in answer["signers"]] == [head]


def test_each_column_counts(trail, tamper):
    row = middle(trail)
    was = tamper("SELECT * FROM ledger_event WHERE number = %d"
                 % row["number"])
    for column in TEXTS:
        tamper("UPDATE ledger_event SET %s = %s || 'x' WHERE number = %d"
               % (column, column, row["number"]))
        assert trail.findings() == [("changed", row["seal"], row["number"])]
        tamper("UPDATE ledger_event SET %s = (SELECT %s FROM ledger_event_was"
               " WHERE number = %d) WHERE number = %d"
               % (column, column, row["number"], row["number"]))
    for column in ("time", "type"):
        tamper("UPDATE ledger_event SET %s = %s + 1 WHERE number = %d"
               % (column, column, row["number"]))
        assert trail.findings() == [("changed", row["seal"], row["number"])]
        tamper("UPDATE ledger_event SET %s = %s - 1 WHERE number = %d"
               % (column, column, row["number"]))
    assert tamper("SELECT * FROM ledger_event WHERE number = %d"
                  % row["number"]) == was


def test_it_is_said_to_people_too(trail, tamper):
    row = middle(trail)
    tamper("UPDATE ledger_event SET actor = 'nobody' WHERE number = %d"
           % row["number"])
    ran = trail.verify()
    assert ran.status == scepctl.REFUSED
    assert ("changed   event %d (challenge-issued) is not what was sealed "
            "with seal %d\n" % (row["number"], row["seal"])) in ran.out
    assert ran.err == ("scepctl: the audit trail is not as it was sealed: "
                       "1 finding\n")


@pytest.mark.parametrize("value", ["-1", "99999999999999999", "0"])
def test_a_time_or_type_that_is_none(trail, tamper, value):
    """The ledger may not even list it."""
    row = middle(trail)
    for column in ("time", "type"):
        tamper("UPDATE ledger_event SET %s = %s WHERE number = %d"
               % (column, value, row["number"]))
        (what, *found), = trail.findings()
        assert what in ("changed", "removed")
        assert found == [row["seal"], row["number"]]


def test_removed_and_inserted_events(trail, tamper):
    row = middle(trail)
    tamper("DELETE FROM ledger_event WHERE number = %d" % row["number"])
    assert trail.findings() == [("removed", row["seal"], row["number"])]
    last = int(tamper("SELECT max(number) FROM ledger_event")[0][0])
    columns = "time, type, " + ", ".join(TEXTS)
    tamper("INSERT INTO ledger_event (number, seal, %s) SELECT %d, %d, %s "
           "FROM ledger_event WHERE number = %d"
           % (columns, last + 5, row["seal"], columns, last))
    assert trail.findings() == [
        ("removed", row["seal"], row["number"]),
        ("inserted", row["seal"], last + 5)]
    tamper("UPDATE ledger_event SET seal = 4711 WHERE number = %d"
           % (last + 5))
    assert trail.findings() == [
        ("removed", row["seal"], row["number"]),
        ("inserted", 4711, last + 5)]


def test_an_event_cannot_change_its_seal(trail, tamper):
    row = middle(trail)
    tamper("UPDATE ledger_event SET seal = 1 WHERE number = %d"
           % row["number"])
    assert set(trail.findings()) == {
        ("inserted", 1, row["number"]), ("removed", row["seal"],
                                         row["number"])}


def test_swapped_events(trail, tamper):
    one, two = trail.events("--type", "challenge-issued")[1:3]
    for number, other in ((one, two), (two, one)):
        tamper("UPDATE ledger_event SET detail = (SELECT detail FROM "
               "ledger_event_was WHERE number = %d) WHERE number = %d"
               % (other["number"], number["number"]))
    assert set(trail.findings()) == {("changed", row["seal"], row["number"])
                                     for row in (one, two)}


def test_removed_seals_and_the_head(trail, tamper):
    head = trail.verify("--json").json["head"]
    last = int(head.split(":")[0])
    assert trail.findings("--head", head) == []
    first = trail.sql("SELECT min(number) FROM ledger_event "
                      "WHERE seal = %d" % last)[0][0]
    tamper("DELETE FROM ledger_event WHERE seal = %d" % last)
    tamper("DELETE FROM ledger_seal WHERE number = %d" % last)
    # without the head nobody sees that the end is gone
    assert trail.findings() == []
    assert trail.findings("--head", head) == [("removed", last, 0)]
    assert int(first) > 0
    tamper("DELETE FROM ledger_seal WHERE number = 2")
    assert ("removed", 2, 0) in trail.findings()


def test_all_seals_gone_is_no_proof(trail, tamper):
    # the seal job would make new ones
    tamper("UPDATE ledger_event SET seal = 4711")
    tamper("DELETE FROM ledger_seal")
    ran = trail.verify("--json")
    assert ran.status == scepctl.REFUSED and not ran.json["intact"]
    tamper("DELETE FROM ledger_event")
    assert trail.verify("--json").json["head"] == "none"


@pytest.mark.parametrize("column", ["time", "count", "leaves", "root",
                                    "previous", "certificate", "signature"])
def test_each_column_of_a_seal_counts(trail, tamper, column):
    value = "%s + 1" if column in ("time", "count") else "'00' || %s"
    tamper(("UPDATE ledger_seal SET %s = " + value + " WHERE number = 2")
           % (column, column))
    assert 2 in {seal for _, seal, event in trail.findings() if event == 0}


def test_whom_it_trusts(trail, keys):
    pki_dir = trail.server.dir / "pki"
    assert trail.findings(trust=pki_dir / "issuing.pem") == []
    assert trail.findings(trust=pki_dir / "ca.pem") == []
    other = trail.server.dir / "other.pem"
    other.write_bytes(pki.pem_cert(pki.certificate(
        keys.rsa(), pki.name(("CN", "Sandbox RA")))))
    assert {what for what, _, _ in trail.findings(trust=other)} == \
        {"untrusted"}


def test_what_retention_deleted(trail, tamper):
    last = trail.events()[-1]["time"]
    tamper("DELETE FROM ledger_event WHERE seal = 1")
    assert {what for what, _, _ in trail.findings()} == {"removed"}
    answer = trail.verify("--json", "--kept-since", last).json
    assert answer["intact"] and answer["deleted"] >= 1


@pytest.mark.parametrize("options, said", [
    ([], "say with --trust"),
    (["--trust", "/nowhere"], "--trust: cannot read /nowhere"),
    (["--trust", "/dev/null"], "--trust: /dev/null: "),
    (["--trust", "RA", "--head", "1"], "--head is a number and 64"),
    (["--trust", "RA", "--head", "0:" + 64 * "0"], "--head is a number"),
    (["--trust", "RA", "--head", "1:" + 64 * "A"], "--head is a number"),
    (["--trust", "RA", "--kept-since", "400d"], "--kept-since is a time"),
])
def test_wrong_options(trail, options, said):
    ra = trail.server.dir / "pki" / "ra.pem"
    options = [ra if word == "RA" else word for word in options]
    trail.ctl("audit", "verify", *options).fails(scepctl.USAGE, said)


# -------------------------------------------------------------------- seals

def test_two_nodes_make_one_chain(postgres):
    lines = trails.SEALING + trails.postgres_lines(postgres)
    nodes = [Sandbox(lines=lines) for _ in range(2)]
    try:
        for node in nodes:
            node.start()
        trail = Trail(nodes[0], trails.Database(postgres, lines))
        for turn in range(3):
            for node in nodes:
                node.issue()
            trail.sealed(turn + 1)
        both = nodes[0].dir / "both.pem"
        both.write_text("".join((node.dir / "pki" / "ra.pem").read_text()
                                for node in nodes))
        assert trail.findings(trust=both) == []
        hosts = trail.events("--type", "configuration-loaded")
        assert len(hosts) == 2
        # the one that makes the seals dies
        outages.kill_everything(nodes[0])
        nodes[1].issue()
        trail.sealed()
        assert trail.findings(trust=both) == []
    finally:
        for node in nodes:
            node.remove()


def test_a_new_ra_certificate_goes_on_with_the_chain(make_server, keys):
    server = make_server(trails.SEALING)
    trail = Trail(server)
    server.issue()
    trail.sealed()
    ra = server.dir / "pki" / "ra.pem"
    old = ra.read_text()
    (server.dir / "old.pem").write_text(old)
    renew_ra(server)
    outages.graceful(server)
    server.issue()
    trail.sealed(2)
    both = server.dir / "both.pem"
    both.write_text(old + ra.read_text())
    assert trail.findings(trust=both) == []
    signers = trail.verify("--json", trust=both).json["signers"]
    assert len(signers) == 2 and signers[0]["last"] + 1 == \
        signers[1]["first"]
    found = trail.findings(trust=ra)
    assert found and all(what == "untrusted" and seal <= signers[0]["last"]
                         for what, seal, _ in found)


def renew_ra(server):
    """A new certificate for the same key."""
    pki_dir = server.dir / "pki"

    def run(*words):
        subprocess.run(["openssl", *words], check=True, cwd=pki_dir,
                       stdin=subprocess.DEVNULL, capture_output=True)

    (pki_dir / "new.ext").write_text(
        "basicConstraints=critical,CA:false\n"
        "keyUsage=critical,digitalSignature,keyEncipherment\n"
        "authorityKeyIdentifier=keyid\n")
    run("req", "-new", "-key", "ra.key", "-subj", "/CN=new RA", "-out",
        "new.csr")
    run("x509", "-req", "-in", "new.csr", "-CA", "issuing.pem", "-CAkey",
        "issuing.key", "-days", "30", "-set_serial", "4711", "-extfile",
        "new.ext", "-out", "ra.pem")


def test_seals_may_be_off_and_come_later(make_server):
    server = make_server("ScepAuditSeal off\n")
    trail = Trail(server)
    for _ in range(3):
        server.issue()
    wait_until(lambda: trail.unsealed() == 4)
    assert trail.verify("--json").status == scepctl.REFUSED
    assert trail.seals() == 0
    server.lines = trails.SEALING
    outages.graceful(server)
    trail.sealed()
    assert trail.findings() == []


def test_many_events_make_full_batches(make_server):
    server = make_server("ScepAuditSeal off\n")
    trail = Trail(server)
    server.issue()
    wait_until(lambda: trail.unsealed() == 2)
    columns = "time, type, " + ", ".join(TEXTS)
    trail.sql("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
              " WHERE i < 2500) INSERT INTO ledger_event (%s) SELECT %s FROM "
              "ledger_event, n WHERE number = 1" % (columns, columns))
    server.lines = trails.SEALING
    outages.graceful(server)
    trail.sealed(3)
    counts = [row[0] for row in trail.sql(
        "SELECT count FROM ledger_seal ORDER BY number")]
    assert counts[:3] == [1000, 1000, sum(counts[2:]) - sum(counts[3:])]
    answer = trail.verify("--json").json
    assert answer["intact"] and answer["events"] == sum(counts) >= 2503


def test_a_chain_that_was_broken_is_not_gone_on_with(make_server):
    server = make_server(trails.SEALING)
    trail = Trail(server)
    server.issue()
    trail.sealed()
    trail.sql("CREATE TABLE was AS SELECT number, signature FROM ledger_seal")
    last = trail.seals()
    trail.sql("UPDATE ledger_seal SET signature = '?'")
    server.log.expect(r"SCEP0533: events are not sealed: seal %d, which the "
                      r"next one would follow, cannot be read" % last)
    server.issue()
    wait_until(lambda: "SCEP0533" in server.log.raw())
    assert trail.unsealed() == 1
    trail.sql("UPDATE ledger_seal SET signature = (SELECT signature FROM was "
              "WHERE was.number = ledger_seal.number)")
    trail.sealed(last + 1)
    wait_until(lambda: "SCEP0534" in (server.dir / "error.log").read_text())
    assert trail.findings() == []


def test_an_event_under_a_number_far_away_holds_up_nobody(make_server):
    server = make_server(trails.SEALING)
    trail = Trail(server)
    server.issue()
    trail.sealed()
    columns = "time, type, " + ", ".join(TEXTS)
    far = 9 * 10 ** 18
    trail.sql("INSERT INTO ledger_event (number, seal, %s) SELECT %d, 1, %s "
              "FROM ledger_event WHERE number = 1" % (columns, far, columns))
    assert trail.findings() == [("inserted", 1, far)]
    assert trail.events()[-1]["number"] == far
    newest = trail.ctl("audit", "list", "--json").json
    assert [newest[0]["number"], newest[-1]["number"]] == [far, 1]


def test_a_time_far_away_hides_no_other_event(make_server):
    server = make_server(trails.SEALING)
    trail = Trail(server)
    for _ in range(4):
        server.issue()
    trail.sealed()
    row = middle(trail)
    trail.sql("UPDATE ledger_event SET time = -%d WHERE number = %d"
              % (10 ** 17, row["number"]))
    (_, *found), = trail.findings()
    assert found == [row["seal"], row["number"]]


def test_what_devices_sent_is_sealed_as_it_is_shown(make_server):
    """Octets that are no UTF-8, in a table that takes anything."""
    server = make_server("ScepAuditSeal off\n")
    trail = Trail(server)
    server.issue()
    wait_until(lambda: trail.unsealed() == 2)
    trail.sql("UPDATE ledger_event SET detail = 'a%FF%0A%1B[31mb'")
    server.lines = trails.SEALING
    outages.graceful(server)
    trail.sealed()
    assert trail.findings() == []
    assert "a???[31mb" in {row["detail"] for row in trail.events()}
    assert json.dumps(trail.events())
