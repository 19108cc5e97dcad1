"""How httpd's children end: none crashes or hangs, whenever it is told to.

SPDX-License-Identifier: Apache-2.0
"""
import concurrent.futures
import os
import pathlib
import re
import signal
import sqlite3

import pytest

import scepclient
import stores
from gateway import BUILD, make_csr, wait_until
from stores import asked

PROBE = 'LoadModule child_probe_module "%s"\n' % (
    BUILD / ".libs" / "child_probe.so")
MPMS = [*stores.MPMS, "worker"]
# what every start says
START = "SCEP0011"
DOWN = (START, r"\[dbd:", "SCEP0230")


@pytest.fixture(params=MPMS)
def probed(make_server, request):
    return make_server(PROBE, mpm=request.param)


def test_a_newborn_child_that_is_told_to_end_is_a_child_first(probed):
    """In the middle of initgroups() its heap is nobody's."""
    probed.log.allow(START)
    wish = probed.dir / "end-newborn"
    wish.touch()
    probed.reload()
    wait_until(lambda: not wish.exists())
    probed.stop()
    assert "goes on after SIGTERM" in probed.log.path.read_text()


def test_a_child_that_is_told_to_end_at_its_birth_touches_nothing(probed):
    probed.log.allow(START)
    wish = probed.dir / "end-at-birth"
    wish.touch()
    probed.reload()
    wait_until(lambda: not wish.exists())
    probed.stop()
    assert "tidy up" not in probed.log.path.read_text()


def test_openssl_is_not_torn_down_under_the_threads_of_a_child(probed):
    probed.log.allow(START)
    before = set(probed.children())
    probed.reload()
    wait_until(lambda: not before & set(probed.children()))
    probed.stop()
    assert "torn down" not in probed.log.path.read_text()


def test_threads_share_the_pool_of_a_child(probed):
    """prefork's is meant for one thread, and we bring more."""
    wait_until(lambda: "the pool of a child has a mutex"
               in probed.log.path.read_text())


def answering(server):
    """How many requests are being answered, beside the one that asks."""
    page = scepclient.request(server.base + "/server-status?auto").body
    return re.search(rb"^Scoreboard: (.*)$", page, re.M)[1].count(b"W") - 1


def is_held(pid):
    """Whether a signal that is to end a process waits for it."""
    try:
        status = pathlib.Path("/proc/%d/status" % pid).read_text()
    except OSError:
        return False
    waiting = int(re.search(r"^ShdPnd:\s*(\w+)", status, re.M)[1], 16)
    return any(waiting & 1 << number - 1
               for number in (signal.SIGHUP, signal.SIGTERM))


def test_a_child_of_prefork_ends_with_no_connection_in_hand(make_server,
                                                            keys):
    """mod_dbd would abort it, or it would be at the head of the queue that
    its own threads wait in."""
    server = make_server(mpm="prefork")
    server.log.allow(*DOWN, "SCEP05")
    device, key = server.endpoint(), keys.rsa()
    message = device.request(key, make_csr(key, server.challenge()),
                             keys.signer()).build()
    writer = sqlite3.connect(server.dir / "ledger" / "ledger.db",
                             isolation_level=None)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        writer.execute("BEGIN IMMEDIATE")
        answer = pool.submit(device.post, message)
        wait_until(lambda: answering(server) > 0)
        before = set(server.children())
        os.kill(server.pid, signal.SIGHUP)
        wait_until(lambda: any(map(is_held, before))
                   or not before & set(server.children()))
        writer.close()
        answer.exception()
    wait_until(lambda: not before & set(server.children()))
    wait_until(lambda: asked(server) == 201)


LOCK = "BEGIN; LOCK TABLE %s; SELECT pg_sleep(100)"
WAITING = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
END_LOCK = ("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE query LIKE '%pg_sleep(100)'")


def test_a_child_ends_before_a_database_that_hangs(postgres):
    """A watchdog waits for it with a connection in hand, and what cuts that
    off works on to the end of the child."""
    server = stores.sandbox("postgres", "", lambda: postgres)
    database = re.search("dbname=([^ ]+)", server.lines)[1]
    try:
        server.start()
        assert asked(server) == 201
        server.log.allow(*DOWN, "SCEP0236", "SCEP05")
        with concurrent.futures.ThreadPoolExecutor() as pool:
            lock = pool.submit(postgres.sql, LOCK % "ledger_enrolment",
                               database)
            try:
                wait_until(lambda: postgres.sql(WAITING))
                before = set(server.children())
                postgres.freeze()
                os.kill(server.pid, signal.SIGUSR1)
                wait_until(lambda: not before & set(server.children()))
            finally:
                postgres.thaw()
                postgres.sql(END_LOCK)
                lock.exception()
        wait_until(lambda: asked(server) == 201)
        server.log.verify()
    finally:
        server.remove()
