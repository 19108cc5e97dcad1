"""GET health, and what metrics tells of the ledger and the CAs.

SPDX-License-Identifier: Apache-2.0
"""
import json
import re

import pytest

import trails
from adminapi import problem
from gateway import make_csr, wait_until
from other_ca import World, beside
from pki import name
from pkimessage import PENDING, SUCCESS
from test_approval import PROFILE


def health(server, query=""):
    answer = server.admin(path="/health" + query)
    assert answer.status in (200, 503), answer
    found = json.loads(answer.body)
    assert (found["status"] == "ok") == (answer.status == 200)
    return found


def metrics(server):
    answer = server.admin(path="/metrics")
    assert answer.status == 200, answer
    return {name: int(value) for name, value in re.findall(
        r"^([^#\s]+) (\d+)$", answer.body.decode(), re.MULTILINE)}


def test_all_is_well(make_server):
    server = make_server()
    found = health(server)
    assert found == {"store": "ok", "ledger": "ok", "status": "ok", "cas": [
        {"name": "issuing", "connector": "openssl", "status": "ok"}]}
    ca, = health(server, "?ask=cas")["cas"]
    assert ca["answers"] is True
    problem(server.admin("POST", "/health", {}), 405)
    for query in ("?ask=all", "?x=1", "?ask=cas&ask=cas"):
        problem(server.admin(path="/health" + query), 400)


def test_without_a_ledger_there_is_none_to_tell_of(make_server):
    server = make_server(ledger=False)
    assert "ledger" not in health(server)
    assert not [name for name in metrics(server)
                if name.startswith(("scep_ledger", "scep_enrolments"))]


def test_a_ledger_that_is_gone(make_server):
    server = make_server()
    assert metrics(server)["scep_ledger_up"] == 1
    server.log.expect("SCEP0230")
    server.log.allow("DBD", r"\[dbd:", "SCEP05")
    tables = ("enrolment", "seal")
    for table in tables:
        trails.Sqlite(server).sql(
            "ALTER TABLE ledger_%s RENAME TO away_%s" % (table, table))
    wait_until(lambda: health(server)["ledger"] == "down")
    found = metrics(server)
    assert found["scep_ledger_up"] == 0
    assert not [name for name in found if "waiting{" in name]
    for table in tables:
        trails.Sqlite(server).sql(
            "ALTER TABLE away_%s RENAME TO ledger_%s" % (table, table))
    wait_until(lambda: health(server)["status"] == "ok")


def waiting(server):
    return {re.search('state="(.*)"', name)[1]: value
            for name, value in metrics(server).items()
            if name.startswith("scep_enrolments_waiting{")}


def test_what_waits_is_counted_by_state(make_server, keys):
    server = make_server(PROFILE.format(name="one",
                                        lines="ScepApproval required"))
    assert waiting(server) == dict.fromkeys(
        ("received", "approval", "queued", "submitted", "ca-pending",
         "unknown"), 0)
    for number in range(3):
        for profile, status in (("one", PENDING), ("default", SUCCESS)):
            endpoint = server.endpoint(profile)
            csr = make_csr(keys.rsa(), server.challenge(profile),
                           name(("CN", "waits %d" % number)))
            assert endpoint.send(endpoint.request(
                keys.rsa(), csr, keys.signer())).status == status
    assert waiting(server)["approval"] == 3
    trails.Sqlite(server).sql("UPDATE ledger_enrolment SET state = 5, due = "
                              "9000000000000000 WHERE number = 1")
    assert waiting(server) == {"received": 0, "approval": 2, "queued": 0,
                               "submitted": 0, "ca-pending": 0, "unknown": 1}


@pytest.fixture(scope="module")
def ejbca():
    with beside("ejbca", "", ledger=True) as server:
        yield server


def test_a_ca_that_is_down_and_left_alone(ejbca, keys):
    world = World(ejbca, keys)
    left_alone = 'scep_ca_left_alone{ca="issuing"}'

    def row(query=""):
        found, = health(ejbca, query)["cas"]
        return found

    assert row("?ask=cas")["answers"] is True
    assert metrics(ejbca)[left_alone] == 0
    ejbca.log.expect("SCEP0641")
    ejbca.log.allow("SCEP064[5-9]")
    world.ca.down()
    found = row("?ask=cas")
    assert found["answers"] is False and found["status"] == "down"
    assert found["detail"]
    # asked nobody: that it is down, enrolments find out
    assert row()["status"] == "ok"
    for number in range(5):
        assert world.enrol(cn="down %d" % number).status == PENDING
    wait_until(lambda: metrics(ejbca)[left_alone] == 1)
    assert row() == {"name": "issuing", "connector": "ejbca", "status": "down"}
    # nor is it asked while it is left alone
    assert "answers" not in row("?ask=cas")
    world.ca.up()
    wait_until(lambda: metrics(ejbca)[left_alone] == 0, 120)
    assert row("?ask=cas")["answers"] is True
    wait_until(lambda: waiting(ejbca)["queued"] == 0, 120)
