"""The challenge store in a database: its configuration, its key, its file.

SPDX-License-Identifier: Apache-2.0
"""
import os
import sqlite3
import time

import pytest

import configuration
import stores
from gateway import make_csr, wait_until
from stores import asked, back

LOAD = stores.LOAD
DRIVER = "DBDriver sqlite3\nDBDParams challenges.db\n"
STORE = "ScepChallengeStore %s\n"
GOOD = "dbd:challenges(challenges.key)"
DOWN = (r"\[dbd:", "SCEP0124", "SCEP0127", "SCEP0230",
        "SCEP0104: .*the challenge store failed",
        "SCEP0104: .*the ledger does not answer")


@pytest.fixture(scope="module")
def config(keys):
    return configuration.Configuration(keys)


def key_file(config, content=b"k" * 32, mode=0o600, name="some.key"):
    path = config.dir / name
    path.write_bytes(content)
    path.chmod(mode)
    return name


# ------------------------------------------------------------- configtest

@pytest.mark.parametrize("before,store,word", [
    ("", GOOD, "mod_dbd"),
    (LOAD, GOOD, "DBDriver"),
    (LOAD + "DBDriver nosuch\n", GOOD, "driver"),
    (LOAD + DRIVER, "dbd:(challenges.key)", "PROVIDER:NAME"),
    (LOAD + DRIVER, "dbd:a-b(challenges.key)", "letters"),
    (LOAD + DRIVER, "dbd:a'b(challenges.key)", "letters"),
    (LOAD + DRIVER, "dbd:A(challenges.key)", "letters"),
    (LOAD + DRIVER, "dbd:1a(challenges.key)", "letters"),
    (LOAD + DRIVER, "dbd:%s(challenges.key)" % ("x" * 33), "letters"),
    (LOAD + DRIVER, "dbd:challenges()", "KEYFILE"),
    (LOAD + DRIVER, "dbd:challenges(nowhere/challenges.key)", "directory"),
    (LOAD + DRIVER, "dbd:challenges(pki)", "no file")])
def test_mistakes_are_found_with_file_and_line(config, before, store, word):
    status, said = config.check(configuration.GOOD
                                + STORE.replace("%s", '"%s"') % store, before)
    assert status != 0
    assert word in said and "on line" in said, said


@pytest.mark.parametrize("content,mode,word", [
    (b"k" * 32, 0o604, "chmod"), (b"k" * 31, 0o600, "32"),
    (b"k" * 33, 0o600, "32"), (b"", 0o600, "32")])
def test_a_key_that_cannot_be_is_found(config, content, mode, word):
    name = key_file(config, content, mode)
    status, said = config.check(
        configuration.GOOD + STORE % ("dbd:challenges(%s)" % name),
        LOAD + DRIVER)
    assert status != 0 and word in said and name in said, said


def test_what_is_right_is_accepted_and_nothing_is_made(config):
    status, said = config.check(configuration.GOOD + STORE % GOOD,
                                LOAD + DRIVER)
    assert status == 0, said
    assert not (config.dir / "challenges.key").exists()
    assert not (config.dir / "challenges.db").exists()
    name = key_file(config)
    assert config.check(
        configuration.GOOD + STORE % ("dbd:challenges(%s)" % name),
        LOAD + DRIVER)[0] == 0


def test_the_directives_may_stand_in_any_order(config):
    for after in (DRIVER,
                  "<IfModule mod_dbd.c>\n%s</IfModule>\n" % DRIVER):
        status, said = config.check(
            configuration.GOOD + STORE % GOOD + after, LOAD)
        assert status == 0, said


def test_a_virtual_hosts_database_is_not_it(config):
    host = "<VirtualHost *:8>\n%s</VirtualHost>\n" % DRIVER
    status, said = config.check(configuration.GOOD + STORE % GOOD + host,
                                LOAD)
    assert status != 0 and "DBDriver" in said, said


def test_a_database_that_may_be_waited_for_is_warned_of(make_server, keys):
    server = make_server(start=False)
    server.lines = LOAD + STORE % GOOD + (
        'DBDriver pgsql\nDBDParams "host=127.0.0.1 port=1 user=x"\n')
    server.startup += ["SCEP0233", "SCEP0501", *DOWN]
    server.start()
    server.log.allow(*DOWN)
    assert asked(server) == 503


# ------------------------------------------------------------------- sqlite

@pytest.fixture
def server(make_on):
    return make_on("sqlite")


def tries(server, keys, secret):
    endpoint = server.endpoint()
    key = keys.rsa()
    return endpoint.post(endpoint.request(
        key, make_csr(key, secret), keys.signer()).build())


def test_the_key_is_private_and_stays(server):
    key = server.dir / "challenges.key"
    assert key.stat().st_mode & 0o777 == 0o600 and key.stat().st_size == 32
    content = key.read_bytes()
    found = server.issue()
    server.restart()
    assert key.read_bytes() == content
    assert server.state(found["id"]) == "issued"


def test_names_of_stores_are_apart(make_on, keys):
    server = make_on("sqlite")
    found = server.issue()
    server.stop()
    server.lines = server.lines.replace("dbd:challenges(", "dbd:others(")
    server.start()
    assert server.listing()["challenges"] == []
    server.stop()
    server.lines = server.lines.replace("dbd:others(", "dbd:challenges(")
    server.start()
    assert server.state(found["id"]) == "issued"


def test_a_file_that_cannot_be_written_grants_nothing(server, keys):
    found = server.issue()
    server.log.allow(*DOWN)
    server.stop()
    for path in (server.dir / "db").iterdir():
        path.chmod(0o444)
        os.chown(path, 0, 0)
    (server.dir / "db").chmod(0o755)
    server.startup += DOWN
    server.start()
    server.log.allow(*DOWN)
    assert asked(server) == 503
    assert tries(server, keys, found["challenge"]).status == 503
    (server.dir / "db").chmod(0o777)
    for path in (server.dir / "db").iterdir():
        path.chmod(0o666)
    # SQLite does not open a file anew
    server.command("reload")
    server.log.allow(*server.startup)
    back(server)
    assert tries(server, keys, found["challenge"]).status == 200
    assert server.state(found["id"]) == "spent"


def test_a_writer_that_does_not_end_is_not_waited_for_for_ever(server, keys):
    found = server.issue()
    server.log.allow(*DOWN)
    other = sqlite3.connect(server.dir / "db" / "challenges.db",
                            isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    begun = time.monotonic()
    assert asked(server) == 503
    assert tries(server, keys, found["challenge"]).status == 503
    assert time.monotonic() - begun < 20
    # who reads does not wait for it
    wait_until(lambda: b'"issued"' in server.admin().body)
    other.execute("ROLLBACK")
    other.close()
    back(server)
    assert tries(server, keys, found["challenge"]).status == 200
    assert server.state(found["id"]) == "spent"


def test_both_nodes_on_one_file(make_on, keys):
    one, other = make_on("sqlite"), make_on("sqlite")
    other.stop()
    (other.dir / "challenges.key").write_bytes(
        (one.dir / "challenges.key").read_bytes())
    other.lines = one.lines
    other.start()
    found = one.issue()
    assert tries(other, keys, found["challenge"]).status == 200
    assert one.state(found["id"]) == "spent"
