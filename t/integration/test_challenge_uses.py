"""Challenges for more than one certificate, and for more time, everywhere.

SPDX-License-Identifier: Apache-2.0
"""
import concurrent.futures
import http.client
import json
import time

import pytest

import stores
from outages import OUTAGES
from pki import name
from pkimessage import SUCCESS
from test_challenge import SPENT, Device

NOTE = "for Jörg, room 12"


@pytest.fixture(params=stores.MPMS + stores.DATABASES)
def own(request, make_on):
    """A server of one test's own on every store."""
    return make_on(request.param)


def row_of(server, found):
    answer = server.admin(path="/challenges/" + found["id"])
    assert answer.status == 200, answer
    return json.loads(answer.body)


def at_once(device, secret, count, **csr):
    """How many of so many requests that come together are granted."""
    messages = [device.message(secret, **csr) for _ in range(count)]
    built = [(message, message.build()) for message in messages]
    device.endpoint.identity

    def send(item):
        try:
            return device.endpoint.send(item[0], data=item[1]).status
        except (OSError, http.client.HTTPException):
            return None

    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        return list(pool.map(send, built)).count(SUCCESS)


def test_as_many_are_let_in_as_there_are_uses(own, keys):
    device = Device(own, keys)
    found = own.issue(uses=5)
    assert row_of(own, found)["uses_left"] == 5
    own.log.expect(SPENT)
    assert at_once(device, found["challenge"], 20) == 5
    assert own.state(found["id"]) == "spent"
    assert not device.tries(found["challenge"])


def test_uses_go_one_by_one(own, keys):
    device = Device(own, keys)
    found = own.issue(uses=2, subject="CN=device")
    assert not device.tries(found["challenge"], subject=name(("CN", "x")))
    assert row_of(own, found)["uses_left"] == 2
    assert device.tries(found["challenge"])
    assert row_of(own, found)["uses_left"] == 1
    assert own.state(found["id"]) == "issued"
    assert device.tries(found["challenge"])
    own.log.expect(SPENT)
    assert not device.tries(found["challenge"])


def test_reusable_for_its_subject_until_revoked(own, keys):
    device = Device(own, keys)
    found = own.issue(reusable=True, subject="CN=device")
    assert at_once(device, found["challenge"], 20) == 20
    assert not device.tries(found["challenge"], subject=name(("CN", "x")))
    assert own.state(found["id"]) == "issued"
    assert own.admin("DELETE", "/challenges/" + found["id"]).status == 204
    assert not device.tries(found["challenge"])


@pytest.mark.parametrize("how", OUTAGES)
def test_uses_notes_and_extensions_outlive(own, keys, how):
    device = Device(own, keys)
    several = own.issue(uses=3, note=NOTE)
    reusable = own.issue(reusable=True, subject="CN=device")
    brief = own.issue(ttl=600)
    assert device.tries(several["challenge"])
    answer = own.admin("PATCH", "/challenges/" + brief["id"],
                       body={"ttl": 1200})
    assert answer.status == 200, answer
    before = {found["id"]: row_of(own, found)
              for found in (several, reusable, brief)}
    assert before[several["id"]]["note"] == NOTE
    assert before[several["id"]]["uses_left"] == 2
    assert before[brief["id"]]["expires"] > brief["expires"]
    how(own)
    device = Device(own, keys)
    assert before == {found["id"]: row_of(own, found)
                      for found in (several, reusable, brief)}
    own.log.allow(SPENT)
    assert at_once(device, several["challenge"], 6) == 2
    assert at_once(device, reusable["challenge"], 6) == 6
    assert device.tries(brief["challenge"])


def test_an_extended_challenge_outlives_its_first_expiry(own, keys):
    device = Device(own, keys)
    one, several = own.issue(ttl=2), own.issue(ttl=2, uses=2)
    left = own.issue(ttl=2)
    for found in (one, several):
        answer = own.admin("PATCH", "/challenges/" + found["id"],
                           body={"ttl": 60})
        assert answer.status == 200, answer
    time.sleep(3.2)
    assert own.state(left["id"]) in ("expired", None)
    assert device.tries(one["challenge"])
    assert device.tries(several["challenge"])
    assert device.tries(several["challenge"])
    assert not device.tries(left["challenge"])


def test_killed_children_let_nobody_in_too_often(own, keys):
    """What a killed child had of a challenge is lost, and given to nobody."""
    device = Device(own, keys)
    found = own.issue(uses=20)
    own.log.allow(SPENT)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        running = pool.submit(at_once, device, found["challenge"], 60)
        for _ in range(3):
            time.sleep(0.05)
            for pid in own.children():
                try:
                    own.kill(pid)
                except ProcessLookupError:
                    pass
        granted = running.result()
    issued = [line for line in own.log.lines() if "SCEP0100" in line.text]
    assert granted <= len(issued) <= 20
    assert Device(own, keys).tries(own.challenge())
