"""Devices that ask until they have their certificate, and what is kept of it.

SPDX-License-Identifier: Apache-2.0
"""
import contextlib
import http.client
import itertools
import sqlite3

from asn1crypto import x509 as asn1_x509

import outages
from configuration import sandbox
from der import DER
from gateway import make_csr, wait_until
from pki import name, serial_text
from pkimessage import FAILURE, PENDING, SUCCESS

numbers = itertools.count(1)

CERT_POLL = "20"
NO_ANSWER = None
UNAVAILABLE = 503


class Device:
    """One with a key, a name and a challenge of its own."""

    def __init__(self, server, keys, number=0, profile="default",
                 challenge=None):
        self.cn = "device-of-fleet-%d" % next(numbers)
        self.server = server
        self.endpoint = server.endpoint(profile)
        if challenge is None:
            challenge = server.challenge(profile)
        self.challenge = challenge
        self.key = keys.rsa(number=number)
        self.subject = name(("CN", self.cn))
        self.signer = keys.signer(number)
        self.message = self.endpoint.request(
            self.key, make_csr(self.key, challenge, self.subject),
            self.signer)
        self.cert = None

    def _send(self, message):
        """What it is told; without an answer it is NO_ANSWER."""
        try:
            response = self.endpoint.post(message.build())
        except (OSError, http.client.HTTPException):
            return NO_ANSWER
        if response.status != 200:
            assert response.status == UNAVAILABLE, response
            assert int(response.headers["retry-after"]) > 0
            return UNAVAILABLE
        reply = self.endpoint.read(response, message)
        if reply.status == SUCCESS:
            reply.check_issued(self.key)
            assert self.cert in (None, reply.certificates[0]), self.cn
            self.cert = reply.certificates[0]
        return reply.status

    def asks(self):
        """Sends its request, the same each time."""
        return self._send(self.message)

    def polls(self):
        issuer = asn1_x509.Certificate.load(
            self.endpoint.identity.sign_cert).issuer.dump()
        message = self.endpoint.request(
            self.key, DER.seq(issuer, self.subject), self.signer,
            message_type=CERT_POLL,
            transaction_id=self.message.transaction_id)
        return self._send(message)

    def gets_it(self, how=None, step=0.2):
        """Asks until it has its certificate, and is never refused."""
        def has_it():
            told = (how or self.asks)()
            assert told != FAILURE, self.history()
            return told == SUCCESS
        # a lease that a dead process left behind may have to end first
        wait_until(has_it, 300, step)
        return self.cert

    def history(self):
        """What the log says of it."""
        return [line.text for line in self.server.log.lines()
                if '"CN=%s"' % self.cn in line.text]

    @property
    def serial(self):
        """Of its certificate, as the ledger writes it."""
        return serial_text(asn1_x509.Certificate.load(self.cert))

    def is_pending(self):
        told = self.asks()
        assert told == PENDING, (told, self.history())


def rows(server, statement):
    """Of the ledger of one server: an SQLite file, or what its sql asks."""
    if hasattr(server, "sql"):
        return server.sql(statement)
    path = server.dir / "ledger" / "ledger.db"
    with contextlib.closing(sqlite3.connect(path, timeout=30)) as database:
        with database:
            return database.execute(statement).fetchall()


def end_leases(server):
    """As if they had run out: whoever had them is no more."""
    rows(server, "UPDATE ledger_enrolment SET lease = 0")


def look_now(server):
    """As if the time between two looks at what is not decided were over."""
    rows(server, "UPDATE ledger_enrolment SET due = created "
         "WHERE state < 16 AND token = ''")


def end_calls(server):
    """As if so much time had passed that no call to EJBCA can still be under
    way: what is not found there now was never asked for."""
    rows(server, "UPDATE ledger_enrolment SET lease = 0, handle = '', "
         "submitted = submitted - 700000000, due = created "
         "WHERE state IN (3, 5)")


def relaunch(server, kill=False, meanwhile=None):
    """The gateway ends and starts; the CA beside it knows nothing of it."""
    if kill:
        children = server.children()
        server.kill(server.pid, *children)
        sandbox.end_processes(server.dir)
    else:
        sandbox.end_processes(server.dir)
    if meanwhile:
        meanwhile(server)
    sandbox.launch_gateway(server.dir, server.port)
    server.skip_startup()


def relaunch_killed(server):
    relaunch(server, kill=True)


def reload(server):
    """A child of before stays for as long as the CA has calls of it."""
    old = set(server.children())
    server.reload()
    wait_until(lambda: set(server.children()) - old)


OUTAGES = [reload, outages.kill_children, relaunch,
           relaunch_killed]
