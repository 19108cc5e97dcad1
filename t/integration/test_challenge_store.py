"""The file behind the store: resized, shared, removed, never reset.

SPDX-License-Identifier: Apache-2.0
"""
import contextlib
import struct

import pytest

from outages import graceful

STAYS = "SCEP0223"
REPLACED = "SCEP0220"
MOVED = "SCEP0207"


def store(capacity):
    return "ScepChallengeStore shm:sized(%d)\n" % capacity


@contextlib.contextmanager
def warned(server, number):
    """A start or reload in here logs this message, once."""
    def count():
        return (server.dir / "error.log").read_text().count(number + ":")

    before = count()
    server.startup.append(number)
    yield
    assert count() == before + 1
    server.startup.remove(number)


def table(server, name="sized"):
    return server.dir / "state" / (name + ".shm")


def live(server):
    listing = server.listing()
    return listing["capacity"], listing["live"]


def test_100000_by_default_in_less_than_32_mib(make_server):
    server = make_server()
    assert live(server) == (100000, 0)
    assert table(server, "challenges").stat().st_size < 32 << 20


def test_a_million_by_the_directive(make_server):
    server = make_server(store(1000000))
    assert live(server) == (1000000, 0)
    assert table(server).stat().st_size < 252 * 1000000 + 8192
    found = server.issue(uses=2)
    server.stop()
    server.start()
    assert live(server) == (1000000, 1)
    assert server.state(found["id"]) == "issued"


def test_a_capacity_waits_for_a_full_start(make_server):
    server = make_server(store(50))
    size = table(server).stat().st_size
    server.challenge()
    server.lines = store(5000)
    with warned(server, STAYS):
        graceful(server)
    assert live(server) == (50, 1)
    assert table(server).stat().st_size == size
    server.stop()
    with warned(server, MOVED):
        server.start()
    assert live(server) == (5000, 1)
    assert table(server).stat().st_size > size


def test_a_capacity_may_shrink_to_what_lives_and_no_further(make_server):
    server = make_server(store(500))
    for _ in range(40):
        server.challenge()
    server.stop()
    server.lines = store(39)
    with warned(server, STAYS):
        server.start()
    assert live(server) == (500, 40)
    server.stop()
    server.lines = store(40)
    server.start()
    assert live(server) == (40, 40)
    server.log.expect("SCEP0123")
    assert server.admin("POST", body={"profile": "default"}).status == 507
    assert {path.name for path in table(server).parent.glob("sized*")} == {
        "sized.shm", "sized.key"}


def test_ids_of_before_a_move_hit_nothing(make_server):
    server = make_server(store(50))
    old = [server.issue()["id"] for _ in range(50)]
    server.stop()
    server.lines = store(500)
    server.start()
    new = {row["id"] for row in server.listing()["challenges"]}
    gone = [ident for ident in old if ident not in new]
    assert gone
    for ident in gone:
        assert server.admin("DELETE", "/challenges/" + ident).status == 404
    assert live(server) == (500, 50)


def test_two_servers_share_one_table(make_server):
    one = make_server(store(50))
    found = one.issue()
    two = make_server("ScepStateDir %s/state\n%s" % (one.dir, store(50)))
    assert live(two) == (50, 1)
    other = two.issue()
    assert one.state(other["id"]) == "issued"
    # neither a reload nor a full start of one resets what the other uses
    graceful(two)
    two.restart()
    assert live(one) == (50, 2)
    assert one.admin("DELETE", "/challenges/" + other["id"]).status == 204
    assert two.state(other["id"]) == "revoked"
    # no other size while both run, alone it is taken
    two.stop()
    two.lines = two.lines.replace("(50)", "(70)")
    with warned(two, STAYS):
        two.start()
    assert live(two) == (50, 1)
    assert one.state(found["id"]) == "issued"
    one.stop()
    two.restart()
    assert live(two) == (70, 1)


def test_a_file_removed_under_a_running_server(make_server):
    server = make_server(store(50))
    found = server.issue()
    table(server).unlink()
    with warned(server, REPLACED):
        graceful(server)
    assert server.state(found["id"]) == "issued"
    server.stop()
    server.start()
    assert live(server) == (50, 0)


def test_a_key_removed_under_a_running_server(make_server):
    server = make_server(store(50))
    found = server.issue()
    key = server.dir / "state" / "sized.key"
    content = key.read_bytes()
    key.unlink()
    graceful(server)
    assert server.state(found["id"]) == "issued"
    server.stop()
    server.refuses_to_start("SCEP0202")
    key.write_bytes(content)
    key.chmod(0o644)
    with warned(server, "SCEP0204"):
        server.start()
    assert server.state(found["id"]) == "issued"


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 33])
def test_a_key_of_another_length_is_refused(make_server, content):
    server = make_server(store(50))
    server.stop()
    (server.dir / "state" / "sized.key").write_bytes(content)
    server.refuses_to_start("SCEP0203")


def test_a_slot_that_a_dead_process_left_half_written(make_server):
    server = make_server(store(10))
    server.stop()
    content = bytearray(table(server).read_bytes())
    # state WRITING, the process number 4711, in each of the 32 slots
    for slot in range(32):
        struct.pack_into("<Q", content, 4096 + 8 * slot, 1 << 61 | 4711)
    table(server).write_bytes(content)
    server.start()
    for _ in range(10):
        server.challenge()
    assert live(server) == (10, 10)


@pytest.mark.parametrize("text", [
    "shm:a/b(10)", "shm:../x(10)", "shm:.x(10)", "shm:%s(10)" % ("x" * 65),
    "shm:x(ten)", "shm:x()", "shm:x(0)", "shm:x(-1)", "shm:x(10k)",
    "shm:x(99999999999999999999)", "shm:x(1000000000)"])
def test_configtest_names_a_store_that_cannot_be(make_server, text):
    server = make_server("ScepChallengeStore %s\n" % text, start=False)
    done = server.start(check=False)
    assert done.returncode != 0
    said = done.stdout + done.stderr + server.log.raw()
    assert "ScepChallengeStore" in said and "line 1 of" in said
    assert not (server.dir / "state").exists()
    server.log.mark()
