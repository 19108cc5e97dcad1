"""kill -9 under load: nothing lost, nothing twice, and nobody else gets in.

SPDX-License-Identifier: Apache-2.0
"""
import collections
import contextlib
import os
import queue
import random
import threading

import pytest

import fleet
import stores
from fleet import Device
from gateway import Sandbox, wait_until
from other_ca import OtherCa
from pkimessage import FAILURE, PENDING, SUCCESS

DEVICES, THREADS, KILLS = 20, 4, 6
# of the gateway, whom kill -9 hits
KILLED = (r"AH0005[12]", "AH10392", "child died with signal 9", "SCEP0103",
          "SCEP0641", "SCEP0646", "AH00045",
          # a claim whose maker was killed before it was recorded
          "SCEP0104: .* being used by another request")
# while there is no database
NO_DATABASE = (r"\[dbd:", "DBD", "SCEP0104", "SCEP0124", "SCEP0127",
               "SCEP0230")
LINES = """\
<IfModule mpm_prefork_module>
    StartServers 3
    MinSpareServers 3
    MaxSpareServers 6
</IfModule>
"""


# ----------------------------------------------------------- whom it hits

def one_child(server):
    children = server.children()
    if children:
        server.kill(random.choice(children))


def all_children(server):
    server.kill(*server.children())


def each_child(server):
    """One after the other, the one that has the watchdog among them."""
    for pid in server.children():
        with contextlib.suppress(ProcessLookupError):
            server.kill(pid)


def everything(server):
    fleet.relaunch(server, kill=True)


KILLS_OF_HTTPD = [one_child, all_children, each_child, everything]


class Storm:
    """Devices that enrol in parallel while something is killed."""

    def __init__(self, server, keys, count=DEVICES):
        for number in range(THREADS + 1):
            keys.signer(number)
        self.server = server
        self.devices = [Device(server, keys, number % THREADS)
                        for number in range(count)]
        self.thieves = [Device(server, keys, THREADS,
                               challenge=device.challenge)
                        for device in self.devices]
        self.waiting = queue.Queue()
        for pair in zip(self.devices, self.thieves):
            self.waiting.put(pair)
        self.told = collections.Counter()
        self.asked = 0
        self.ends = False
        self.mistakes = []

    def turn(self, device, thief):
        """@return whether it has its certificate"""
        told = device.asks()
        self.asked += 1
        self.told[told] += 1
        assert told != FAILURE, device.history()
        if told in (PENDING, SUCCESS):
            stolen = thief.asks()
            self.told["thief %s" % stolen] += 1
            assert stolen not in (PENDING, SUCCESS), device.cn
        return told == SUCCESS

    def run(self):
        try:
            while not self.ends:
                device, thief = self.waiting.get()
                if not self.turn(device, thief):
                    self.waiting.put((device, thief))
        except BaseException as mistake:
            self.mistakes.append(mistake)
            raise

    def rages(self, kills):
        """As many requests as chance has it between two of them."""
        threads = [threading.Thread(target=self.run, daemon=True)
                   for _ in range(THREADS)]
        for one in threads:
            one.start()
        for kill in kills:
            until = self.asked + random.randint(1, 12)
            wait_until(lambda: self.asked >= until or self.mistakes
                       or self.waiting.empty(), step=0.001)
            kill(self.server)
        self.ends = True
        for _ in threads:
            # who waits for a device is woken
            self.waiting.put((self.devices[0], self.thieves[0]))
        for one in threads:
            one.join()
        assert not self.mistakes, self.mistakes

    def ends_well(self):
        """Everybody has one certificate, and it is the same each time."""
        for device in self.devices:
            device.gets_it()
        for device, thief in zip(self.devices, self.thieves):
            device.gets_it()
            assert thief.asks() == FAILURE
            kept = fleet.rows(
                self.server, "SELECT e.state, e.settled, e.serial, c.serial "
                "FROM ledger_enrolment e JOIN ledger_certificate c "
                "ON c.enrolment = e.key WHERE e.subject = 'CN=%s'"
                % device.cn)
            assert [list(map(str, row)) for row in kept] == \
                [["16", "1", device.serial, device.serial]]
            ends = fleet.rows(
                self.server, "SELECT state FROM ledger_enrolment "
                "WHERE subject = 'CN=%s'" % device.cn)
            assert [str(row[0]) for row in ends] == ["16"]
        serials = {device.serial for device in self.devices}
        assert len(serials) == len(self.devices)
        states = collections.Counter(
            row["state"] for row in self.server.listing()["challenges"])
        # claimed for good: whoever was to say that it is spent has died
        assert set(states) <= {"spent", "claimed"}, states
        print(dict(self.told))


def allow(server, *patterns):
    server.startup += patterns
    server.log.allow(*patterns)


@pytest.fixture
def seed():
    """Printed where a test fails: SCEP_SEED repeats it."""
    value = int(os.environ.get("SCEP_SEED", random.randrange(1 << 32)))
    random.seed(value)
    print("SCEP_SEED=%d" % value)


def survives(server, keys, kills):
    allow(server, *KILLED)
    storm = Storm(server, keys)
    storm.rages(kills)
    everything(server)
    server.log.allow(*KILLED)
    storm.ends_well()
    return storm


@pytest.mark.parametrize("mpm", stores.MPMS)
def test_the_local_ca(make_server, keys, seed, mpm):
    server = make_server(LINES, mpm)
    survives(server, keys, [random.choice(KILLS_OF_HTTPD)
                            for _ in range(KILLS)])


@pytest.mark.parametrize("mpm", stores.MPMS)
def test_another_ca(make_server, keys, seed, mpm):
    server = make_server(LINES, mpm, ca="ejbca")
    ca = OtherCa(server)
    ca.set(unique_key=False)
    allow(server, *KILLED)
    storm = Storm(server, keys)
    storm.rages([random.choice(KILLS_OF_HTTPD) for _ in range(KILLS)])
    fleet.relaunch(server, kill=True, meanwhile=fleet.end_calls)
    server.log.allow(*KILLED)
    fleet.end_leases(server)
    storm.ends_well()
    made = collections.Counter(one["username"]
                               for one in ca.state["certificates"])
    assert made == {"scep-" + device.cn: 1 for device in storm.devices}


# ---------------------------------------------------------------- PostgreSQL

def on_postgres(postgres):
    server = Sandbox("event", LINES + stores.postgres(postgres))
    database = server.lines.split("dbname=")[1].split()[0]
    server.sql = lambda text: postgres.sql(text, database)
    return server


@pytest.fixture
def server_on_postgres(postgres):
    server = on_postgres(postgres)
    server.start()
    try:
        yield server
        server.log.verify()
    finally:
        if postgres.process is None:
            postgres.start()
        server.remove()


def test_the_database_dies_too(server_on_postgres, postgres, keys, seed):
    server = server_on_postgres

    def database(_):
        postgres.kill()
        asked = storm.asked
        wait_until(lambda: storm.asked >= asked + 2 * THREADS
                   or storm.mistakes or storm.waiting.empty())
        postgres.start()

    allow(server, *KILLED, *NO_DATABASE)
    storm = Storm(server, keys)
    kills = [random.choice(KILLS_OF_HTTPD) for _ in range(KILLS // 2)]
    kills += [database] * 3
    random.shuffle(kills)
    storm.rages(kills)
    server.log.allow(*KILLED, *NO_DATABASE)
    storm.ends_well()
