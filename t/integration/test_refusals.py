"""ScepAuditRefusals: a flood of refusals is a few events, and a number.

SPDX-License-Identifier: Apache-2.0
"""
import concurrent.futures
import contextlib
import datetime
import hashlib
import re
import secrets
import sqlite3
import struct
import time

import pytest

import outages
import trails
from gateway import make_csr, wait_until
from pkimessage import BAD_REQUEST, FAILURE, SUCCESS
from test_audit import BROKEN, DOWN
from test_static import line
from trails import Trail

# the watchdog comes once, after a start, and not again
ONCE = trails.SEALING + "ScepAuditRefusals %d 1h\n"
WRONG = "0" * 32
FEW, FLOOD = 5, 60
LOCKED = 14  # seconds, in which the watchdog fails twice
TOLD = re.compile(r"(\d+)( or more)? without an event of their own "
                  r"since (\S+)")


def seconds(text):
    return datetime.datetime.fromisoformat(
        text.replace("Z", "+00:00")).timestamp()


class Server:
    """A server, its trail, and a stranger who is refused."""

    def __init__(self, sandbox, keys):
        self.sandbox = sandbox
        self.trail = Trail(sandbox)
        self.keys = keys
        # the watchdog has begun
        wait_until(lambda: self.trail.logged("configuration-loaded"))
        time.sleep(1.5)

    def enrol(self, challenge, profile="default", number=0):
        key, device = self.keys.rsa(number=number), \
            self.sandbox.endpoint(profile)
        return device.send(device.request(key, make_csr(key, challenge),
                                          self.keys.signer(number)))

    def flood(self, times, profile="default", challenge=WRONG):
        """What each request got: status and failInfo."""
        device, key = self.sandbox.endpoint(profile), self.keys.rsa()
        message = device.request(key, make_csr(key, challenge),
                                 self.keys.signer())
        data = message.build()

        def ask(_):
            reply = device.read(device.post(data), message)
            return reply.status, reply.fail_info

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            return list(pool.map(ask, range(times)))

    def alone(self, profile="default", event="challenge-refused"):
        return [row for row in self.trail.log()
                if row["event"] == event and row["profile"] == profile]

    def told(self, profile="default"):
        """The numbers that the trail has of a profile."""
        rows = self.alone(profile, "requests-refused")
        for row in rows:
            assert set(row) == {"time", "event", "profile", "actor", "detail"}
            assert row["actor"] == "gateway"
        return [int(TOLD.fullmatch(row["detail"])[1]) for row in rows]

    def since(self, profile="default"):
        """When what the numbers count began, and when it was told."""
        return [(seconds(TOLD.fullmatch(row["detail"])[3]),
                 seconds(row["time"]))
                for row in self.alone(profile, "requests-refused")]

    def same_in_the_ledger(self):
        rows = [{key: value for key, value in row.items()
                 if key not in ("number", "seal")}
                for row in self.trail.events()]
        assert sorted(rows, key=str) == sorted(self.trail.log(), key=str)


@pytest.fixture
def serve(make_server, keys):
    def make(lines, **options):
        return Server(make_server(lines, **options), keys)
    return make


# ---------------------------------------------------------------- the flood

@pytest.mark.parametrize("mpm", ["event", "prefork"])
def test_a_flood_is_a_few_events_and_a_number(serve, mpm):
    server = serve(ONCE % FEW, mpm=mpm)
    answers = server.flood(FLOOD) + server.flood(7, "legacy")
    assert set(answers) == {(FAILURE, BAD_REQUEST)}
    assert (len(server.alone()), server.told()) == (FEW, [])
    assert (server.alone("legacy"), server.told("legacy")) == ([], [])
    outages.graceful(server.sandbox)
    wait_until(lambda: server.told() and server.told("legacy"))
    assert server.told() == [FLOOD - FEW]
    assert server.told("legacy") == [7]
    # none is told twice, and the next have events again
    time.sleep(1.5)
    server.flood(FEW)
    assert (len(server.alone()), server.told()) == (2 * FEW, [FLOOD - FEW])
    server.same_in_the_ledger()
    server.trail.sealed()
    assert server.trail.findings() == []


def test_each_time_has_its_own_events_and_its_number(serve):
    server = serve(trails.SEALING + "ScepAuditRefusals 2 2s\n")
    total, began = 0, time.monotonic()
    for turn in range(1, 4):
        total += len(server.flood(20))
        wait_until(lambda: len(server.alone()) + sum(server.told()) == total)
        assert len(server.told()) >= turn
        time.sleep(2.5)
    times = int((time.monotonic() - began) / 2) + 2
    assert 3 * 2 <= len(server.alone()) <= times * 2
    assert len(server.told()) <= times
    server.same_in_the_ledger()


def test_a_number_is_an_event_that_one_asks_for(serve):
    server = serve(ONCE % 1)
    server.flood(3)
    outages.graceful(server.sandbox)
    wait_until(server.told)
    row, = server.trail.events("--type", "requests-refused")
    assert row["detail"].startswith("2 ")


def test_metrics_count_every_one(serve):
    server = serve(ONCE % FEW)
    server.flood(FLOOD)
    text = server.sandbox.admin(path="/metrics").body.decode()
    assert ('scep_requests_total{profile="default",status="FAILURE",'
            'reason="bad-challenge"} %d\n' % FLOOD) in text


def test_the_log_without_a_ledger(serve):
    server = serve("ScepLedger off\n" + ONCE % FEW)
    server.flood(FLOOD)
    outages.graceful(server.sandbox)
    wait_until(server.told)
    assert (len(server.alone()), server.told()) == (FEW, [FLOOD - FEW])


# ----------------------------------------------- what has its event always

def test_challenges_that_are_known_have_their_events(serve):
    server = serve(ONCE % 1)
    server.sandbox.log.allow("SCEP0103")
    server.flood(3)
    used = server.sandbox.issue()
    bound = server.sandbox.issue(subject="CN=other")
    assert server.enrol(used["challenge"]).status == SUCCESS
    for _ in range(3):
        assert server.enrol(used["challenge"], number=1).status == FAILURE
        assert server.enrol(bound["challenge"]).status == FAILURE
    breaches = server.alone(event="challenge-breach")
    assert [row["challenge"] for row in breaches] == 3 * [used["id"]]
    assert [row.get("challenge") for row in server.alone()] == \
        [None] + 3 * [bound["id"]]
    # nor do they take the place of others
    server.sandbox.log.verify()
    server.sandbox.log.mark()
    outages.graceful(server.sandbox)
    wait_until(server.told)
    assert server.told() == [2]
    time.sleep(1.5)
    assert server.enrol(bound["challenge"]).status == FAILURE
    server.flood(1)
    assert server.alone()[-1].get("challenge") is None


SHARED = """\
<ScepProfile shared>
    ScepCA issuing
    ScepRACertificate pki/ra.pem
    ScepRAKey pki/ra.key
    ScepVerify otp static
    ScepStaticSecrets static-secrets
    ScepSubjectRequire O
</ScepProfile>
<Location "/p/shared">
    SetHandler scep
    ScepProfile shared
    Require all granted
</Location>
"""


def test_what_many_know_is_no_challenge_of_the_store(make_server, keys):
    sandbox = make_server(ONCE % 1 + SHARED, start=False)
    secret = secrets.token_hex(16)
    (sandbox.dir / "static-secrets").write_text(line("plant", secret) + "\n")
    (sandbox.dir / "static-secrets").chmod(0o600)
    sandbox.start()
    server = Server(sandbox, keys)
    server.flood(5, "shared", secret)
    row, = server.alone("shared", "request-refused")
    assert row["challenge"] == "static:plant"


# --------------------------------------------------------- none is forgotten

def test_a_number_says_since_when(serve):
    server = serve(ONCE % 1)
    for _ in range(2):
        first = time.time()
        server.flood(3)
        last = time.time()
        time.sleep(2.5)
        server.flood(3)
        outages.graceful(server.sandbox)
        wait_until(lambda: server.since() and server.since()[-1][1] > last)
        since, told = server.since()[-1]
        assert first - 2 <= since <= last < told
        time.sleep(1.5)
    assert server.told() == [5, 5]


@pytest.mark.parametrize("outage", [
    outages.restart, outages.stop_and_start, outages.kill_everything],
    ids=lambda outage: outage.__name__)
def test_what_is_counted_outlives(serve, outage):
    server = serve(ONCE % FEW)
    server.flood(FLOOD)
    server.sandbox.log.verify()
    if outage is outages.kill_everything:
        server.sandbox.log.allow("AH00050", "AH00052", "SCEP0")
    counted = time.time()
    time.sleep(1.5)
    outage(server.sandbox)
    wait_until(server.told)
    assert (len(server.alone()), server.told()) == (FEW, [FLOOD - FEW])
    assert server.since()[0][0] <= counted


def test_what_the_ledger_does_not_take_is_told_later(serve):
    server = serve(trails.SEALING + "ScepAuditRefusals 2 1s\n")
    server.sandbox.log.allow(*DOWN)
    server.trail.sql(BROKEN)
    try:
        assert set(server.flood(6)) == {(FAILURE, BAD_REQUEST)}
        # the watchdog tries, too
        time.sleep(3)
    finally:
        server.trail.sql("DROP TRIGGER no")
    wait_until(server.told)
    assert (server.alone(), sum(server.told())) == ([], 6)
    server.same_in_the_ledger()


def test_what_comes_while_the_ledger_is_tried_begins_no_later(serve, keys):
    """The watchdog has the number in its hands, and others are counted."""
    server = serve(trails.SEALING + "ScepAuditRefusals 1 1s\n")
    server.sandbox.log.allow(*DOWN, "SCEP0104")

    device, key = server.sandbox.endpoint(), keys.rsa()
    data = device.request(key, make_csr(key, WRONG), keys.signer()).build()

    def ask_on(_):
        answers = []
        while time.monotonic() < end:
            status = device.post(data).status
            answers.append((time.time(), status))
        return answers

    path = server.sandbox.dir / "ledger" / "ledger.db"
    with contextlib.closing(sqlite3.connect(path, timeout=30,
                                            isolation_level=None)) as other, \
            concurrent.futures.ThreadPoolExecutor(4) as pool:
        other.execute("BEGIN IMMEDIATE")
        end = time.monotonic() + LOCKED
        answers = sum(pool.map(ask_on, range(4)), [])
        other.execute("ROLLBACK")
    # who asks a ledger that is down is refused, too
    assert {status for _, status in answers} == {200, 503}
    wait_until(lambda: len(server.alone()) + sum(server.told()) +
               len(server.alone(event="request-refused")) == len(answers))
    assert min(server.since())[0] <= min(answers)[0]


def most_of(path, key):
    """Makes a count of a server that is stopped as high as counts get."""
    octets = bytearray(path.read_bytes())
    digest = hashlib.sha256(octets[16:32] + key.encode()).digest()
    name = struct.unpack("<Q", digest[:8])[0] >> 16
    place, = [at for at in range(4096, len(octets), 16)
              if struct.unpack_from("<Q", octets, at)[0] >> 16 == name]
    octets[place + 8:place + 11] = b"\xff\xff\xff"
    path.write_bytes(octets)


def test_a_number_that_has_no_room_says_so(serve):
    server = serve(ONCE % 1)
    server.flood(3)
    server.sandbox.stop()
    most_of(server.sandbox.dir / "state" / "counters.map",
            "refusals/untold/default")
    server.sandbox.start()
    wait_until(server.told)
    row, = server.alone(event="requests-refused")
    assert row["detail"].startswith("16777215 or more without an event")


def test_what_was_counted_before_it_was_turned_off(serve):
    server = serve(ONCE % 1)
    server.flood(3)
    server.sandbox.lines += "ScepAuditRefusals off\n"
    outages.graceful(server.sandbox)
    wait_until(server.told)
    server.flood(4)
    assert (len(server.alone()), server.told()) == (1 + 4, [2])


# ------------------------------------------------------------ configuration

@pytest.mark.parametrize("words, alone", [
    ("", 100), ("ScepAuditRefusals off\n", 130),
    ("ScepAuditRefusals 1\nScepAuditRefusals 120 1h\n", 120)],
    ids=["default", "off", "the last one counts"])
def test_how_many_have_their_own(serve, words, alone):
    server = serve(trails.SEALING + words)
    server.flood(130)
    assert len(server.alone()) == alone
    outages.graceful(server.sandbox)
    wait_until(lambda: alone + sum(server.told()) == 130)


@pytest.mark.parametrize("words, said", [
    ("0", "give a number of refusals from 1 to 1000000"),
    ("1000001", "give a number of refusals"),
    ("-1", "give a number of refusals"),
    ("many", "give a number of refusals"),
    ("5x 1min", "give a number of refusals"),
    ("off 1min", "give a number of refusals"),
    ('""', "takes 1-2 arguments"),
    ("5 1parsec", "'1parsec' is no time"),
    ("5 10ms", "one second is the least"),
    ("5 1s 1s", "takes 1-2 arguments"),
])
def test_mistakes(make_server, words, said):
    server = make_server("ScepAuditRefusals %s\n" % words, start=False)
    done = server.start(check=False)
    assert done.returncode != 0 and said in done.stdout + done.stderr, done
    assert "test.conf" in done.stdout + done.stderr


def test_not_in_a_location(make_server):
    server = make_server('<Location "/x">\nScepAuditRefusals off\n'
                         "</Location>\n", start=False)
    done = server.start(check=False)
    assert done.returncode != 0
    assert "not allowed in <Location>" in done.stdout + done.stderr
