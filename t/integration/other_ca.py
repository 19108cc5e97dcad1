"""The CA that build/sandbox --ca NAME runs beside the gateway.

SPDX-License-Identifier: Apache-2.0
"""
import contextlib
import itertools
import json
import os
import re

from cryptography import x509

import configuration
import scepclient
from gateway import Sandbox, make_csr
from pki import name
from pkimessage import FAILURE, SUCCESS

sandbox = configuration.sandbox
ca_server = sandbox.ca_server


class OtherCa:
    """Its emulator's control port, and its httpd, which may go away."""

    def __init__(self, server):
        self.server = server
        self.dir = server.dir / "ca"

    def control(self, method="GET", path="", body=None):
        answer = scepclient.request(
            self.server.values["CA_CONTROL"] + path, method,
            json.dumps(body) if body is not None else None)
        assert answer.status == 200, answer
        return json.loads(answer.body) if answer.body else None

    @property
    def state(self):
        return self.control()

    def requests(self, step):
        """What it was asked for, oldest first."""
        return [one for one in self.state["requests"] if one["step"] == step]

    def set(self, **settings):
        self.control("PUT", "/settings", settings)

    def fault(self, what="none", **members):
        """The next answers are so: see FAULTS in the emulator."""
        self.control("POST", "/faults", {"what": what, **members})

    def release(self):
        self.control("POST", "/release")

    def forget(self):
        self.release()
        self.control("DELETE")

    def secret(self, name):
        return (self.dir / "secrets" / name).read_text().strip()

    def down(self):
        """Nobody listens any more."""
        sandbox.end_processes(self.dir)

    def up(self):
        if not sandbox.running_pid(self.dir):
            kind = ca_server.KINDS[self.server.ca](self.server.dir)
            sandbox.launch(self.dir, kind.ports["http"], environment={
                **os.environ, **self.server.environment,
                **kind.environment()})


@contextlib.contextmanager
def beside(kind, lines, prepare=None, mpm="event", environment=None,
           startup=(), ledger=False):
    """A server that several tests share, with such a CA beside it.  Without
    a ledger what the CA says is what the device is told."""
    server = Sandbox(mpm, lines, ca=kind, environment=environment,
                     ledger=ledger)
    server.startup += startup
    try:
        if prepare:
            prepare(server.dir)
        server.start()
        yield server
    finally:
        server.remove()


# one process, so that there is one set of connections to look at
SINGLE = """\
StartServers 1
ServerLimit 1
MinSpareThreads 1
MaxSpareThreads 32
ThreadsPerChild 32
MaxRequestWorkers 32
"""

# the lines of one outcome
ISSUED, WAITS, REFUSED, ALARM = "SCEP0100", "SCEP0101", "SCEP0102", "SCEP0104"

numbers = itertools.count(1)


class World:
    """The CA, the gateway before it, and devices that nobody has seen yet."""

    def __init__(self, server, keys):
        self.server = server
        self.keys = keys
        self.log = server.log
        self.ca = OtherCa(server)
        self.cn = "device-%d" % next(numbers)
        self.ident = None

    def post(self, profile="default", challenge=None, cn=None, key=None,
             **members):
        """A request's answer as it came, and what reads it."""
        key = key or self.keys.rsa()
        if challenge is None:
            issued = self.server.issue(profile)
            self.ident, challenge = issued["id"], issued["challenge"]
        members.setdefault("subject", name(("CN", cn or self.cn)))
        endpoint = self.server.endpoint(profile)
        message = endpoint.request(key, make_csr(key, challenge, **members))
        return endpoint, message, endpoint.post(message.build())

    def enrol(self, *words, **members):
        endpoint, message, response = self.post(*words, **members)
        return endpoint.read(response, message)

    def issued(self, *words, **members):
        """A device that gets its certificate."""
        reply = self.enrol(*words, **members)
        assert reply.status == SUCCESS, self.outcomes()
        reply.check_issued(members.get("key") or self.keys.rsa())
        return x509.load_der_x509_certificate(reply.certificates[0])

    def fails(self, fail_info, *words, **members):
        reply = self.enrol(*words, **members)
        assert (reply.status, reply.fail_info) == (FAILURE, fail_info), \
            self.outcomes()

    def is_put_off(self, *words, **members):
        *_, response = self.post(*words, **members)
        assert response.status == 503, (response, self.outcomes())
        assert int(response.headers["retry-after"]) > 0

    def challenge_is(self, state):
        assert self.server.state(self.ident) == state

    def outcomes(self):
        return [line.text for line in self.log.outcomes()
                if re.search("SCEP010[0-4]", line.text)]

    def says(self, number, *parts):
        """The last outcome's line."""
        line = self.outcomes()[-1]
        assert number in line, line
        for part in parts:
            assert part in line, line

    def certificates(self, **of):
        return [cert for cert in self.ca.state["certificates"]
                if all(cert[key] == value for key, value in of.items())]


def ejbca_secrets(world):
    """What went over the wire to EJBCA must be in no log."""
    state = world.ca.state
    world.server.secrets |= set(state["tokens"])
    world.server.secrets |= {
        one["body"]["password"] for one in state["requests"]
        if one["step"] == "pkcs10enroll" and "body" in one}
    assert [one for one in state["requests"] if "mistake" in one] == []


@contextlib.contextmanager
def ejbca_afresh(server, keys):
    """A World for one test, with an EJBCA as on its first day."""
    world = World(server, keys)
    world.ca.up()
    world.ca.forget()
    yield world
    world.ca.up()
    world.ca.release()
    ejbca_secrets(world)
