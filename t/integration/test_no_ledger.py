"""A ledger that does not take records: 503, and nothing is issued.

SPDX-License-Identifier: Apache-2.0
"""
import contextlib
import re
import sqlite3

import pytest

import fleet
import stores
from fleet import UNAVAILABLE, Device
from gateway import wait_until
from other_ca import OtherCa, beside
from pkimessage import FAILURE, PENDING, SUCCESS

# what may be said while it does not work
DOWN = (r"\[dbd:", "DBD", "SCEP0535", "SCEP0104", "SCEP0127", "SCEP0230",
        "SCEP0646", "SCEP0647")
# no more pages than there are: a disk that is full
FULL = 'DBDInitSQL "PRAGMA max_page_count = 1"\n'


@pytest.fixture(scope="module")
def server():
    with beside("ejbca", "", startup=DOWN, ledger=True) as server:
        yield server


@pytest.fixture
def ca(server):
    ca = OtherCa(server)
    ca.forget()
    ca.set(unique_key=False)
    server.log.allow(*DOWN)
    stores.back(server)
    return ca


@contextlib.contextmanager
def foreign_writer(server):
    """Somebody else's program has the file and does not let go."""
    path = server.dir / "ledger" / "ledger.db"
    with contextlib.closing(sqlite3.connect(path, timeout=30,
                                            isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def recorded(server):
    return {row[0] for row in fleet.rows(
        server, "SELECT c.serial FROM ledger_enrolment e "
        "JOIN ledger_certificate c ON c.enrolment = e.key "
        "WHERE e.state = 16")}


def made(ca):
    return {one["serial"].lower() for one in ca.state["certificates"]}


def test_a_file_that_is_locked_stops_enrolment_and_nothing_else(
        server, ca, keys):
    before = Device(server, keys)
    before.gets_it()
    devices = [Device(server, keys, number) for number in range(3)]
    with foreign_writer(server):
        for device in devices:
            assert device.asks() == UNAVAILABLE
        assert server.endpoint().caps()
        # reading needs no lock: the same answer again
        wait_until(lambda: before.asks() == SUCCESS)
        assert len(ca.requests("pkcs10enroll")) == 1
    for device in devices:
        device.gets_it()
    assert len(ca.requests("pkcs10enroll")) == 4
    assert made(ca) <= recorded(server)


def test_a_lock_while_the_ca_works_loses_nothing(server, ca, keys):
    device = Device(server, keys)
    ca.fault("hold")
    device.is_pending()
    wait_until(lambda: ca.state["held"])
    with foreign_writer(server):
        ca.release()
        wait_until(lambda: re.search("SCEP0647", server.log.raw()))
        # it is there, and not recorded: nobody gets it
        assert device.asks() in (PENDING, UNAVAILABLE)
    fleet.end_leases(server)
    device.gets_it()
    assert len(ca.requests("pkcs10enroll")) == 1
    assert made(ca) <= recorded(server)


def test_a_full_disk_issues_nothing(server, ca, keys):
    lines = server.lines
    ready = [Device(server, keys, number % 4) for number in range(200)]
    server.lines += FULL
    fleet.reload(server)
    server.log.allow(*DOWN)
    devices = []
    # as long as there is room in the pages that there are
    while not devices or devices[-1].asks() != UNAVAILABLE:
        devices.append(ready.pop())
    last = devices.pop()
    orders = len(ca.requests("pkcs10enroll"))
    assert last.asks() == UNAVAILABLE
    assert len(ca.requests("pkcs10enroll")) == orders
    assert not [one for one in ca.state["certificates"]
                if one["username"] == "scep-" + last.cn]
    thief = Device(server, keys, 3, challenge=last.challenge)
    server.lines = lines
    fleet.reload(server)
    server.log.allow(*DOWN, "SCEP0103")
    fleet.end_leases(server)
    for device in [*devices, last]:
        device.gets_it()
    assert thief.asks() == FAILURE
    assert len(ca.state["certificates"]) == len(devices) + 1
    assert made(ca) <= recorded(server)
