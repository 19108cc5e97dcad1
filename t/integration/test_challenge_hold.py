"""Challenges of enrolments that wait: kept for them on every store.

SPDX-License-Identifier: Apache-2.0
"""
import time

import pytest

import stores
from gateway import Sandbox, make_csr, wait_until
from other_ca import OtherCa
from outages import graceful
from pki import name
from pkimessage import FAILURE, PENDING, SUCCESS

ALARM = "SCEP0104"


@pytest.fixture(params=[*stores.MPMS, *stores.DATABASES])
def server(request):
    kind = request.param
    made = Sandbox(kind if kind in stores.MPMS else "event", ca="ejbca")
    if kind == "sqlite":
        made.lines = stores.sqlite(made)
    elif kind == "postgres":
        made.lines = stores.postgres(request.getfixturevalue("postgres"))
    try:
        made.start()
        yield made
        made.log.verify()
    finally:
        made.remove()


class Device:
    """A device that asks, and asks again with the same octets."""

    def __init__(self, server, keys, challenge, number=0):
        key = keys.rsa(number=number)
        self.endpoint = server.endpoint()
        self.message = self.endpoint.request(
            key, make_csr(key, challenge, name(("CN", "held"))),
            keys.signer(number))
        self.octets = self.message.build()

    def ask(self):
        return self.endpoint.read(self.endpoint.post(self.octets),
                                  self.message)


def expire(server, ident):
    """Waits until a challenge's own time is over."""
    row, = (row for row in server.listing()["challenges"]
            if row["id"] == ident)
    expires = time.strptime(row["expires"], "%Y-%m-%dT%H:%M:%SZ")
    end = time.mktime(expires) - time.timezone
    wait_until(lambda: time.time() > end + 1)


def test_a_challenge_is_its_enrolments_until_the_ca_is_back(server, keys):
    ca = OtherCa(server)
    found = server.issue(ttl=4, uses=1)
    ca.down()
    device = Device(server, keys, found["challenge"])
    server.log.allow(ALARM)
    assert device.ask().status == PENDING
    assert server.state(found["id"]) == "claimed"
    # beyond its own end, for nobody else, and not to be taken away
    expire(server, found["id"])
    assert Device(server, keys, found["challenge"], 1).ask().status == FAILURE
    gone = server.admin("DELETE", "/challenges/" + found["id"])
    assert gone.status == 409
    # over a reload, processes that are killed, and a full restart
    graceful(server)
    server.kill(*server.children())
    server.stop()
    server.log.allow(ALARM)
    server.start()
    assert server.state(found["id"]) == "claimed"
    assert device.ask().status == PENDING
    ca.up()
    wait_until(lambda: device.ask().status == SUCCESS)
    # what has held it is gone, and what ends it is another process
    wait_until(lambda: server.state(found["id"]) == "spent")
    server.log.expect("SCEP0103")
    assert Device(server, keys, found["challenge"], 1).ask().status == FAILURE
