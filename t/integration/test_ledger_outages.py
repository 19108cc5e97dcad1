"""The ledger when its database fails, and when its processes are killed.

SPDX-License-Identifier: Apache-2.0
"""
import concurrent.futures
import os
import pwd
import random
import re
import sqlite3
import subprocess
import time

import pytest

import ledgers
from gateway import wait_until
from ledgers import DOWN, Ledger, record
from pgproxy import AFTER, BEFORE, Proxy

FUTURE = "SCEP0502: ledger: the tables ledger_\\* are of version 99"
# how long a process that could not connect does not try again
PAUSE = 1.0


@pytest.fixture
def make(request):
    """Starts a ledger: make("sqlite") or make("postgres", cluster)."""
    started = []

    def start(kind, cluster=None, begin=True, **options):
        if kind == "postgres" and "params" not in options:
            options["params"] = (cluster or request.getfixturevalue(
                "postgres")).create("outage%d" % next(ledgers.numbers))
        made = Ledger("sqlite3" if kind == "sqlite" else "pgsql", **options)
        started.append(made)
        return made.start() if begin else made

    yield start
    for one in started:
        one.remove()


def rows(ledger, call, **filters):
    answer = ledger.call(call, **filters)
    assert answer.status == "ok", answer
    return answer["rows"]


def every_child(ledger, calls=60):
    """Statuses of calls of all processes."""
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        return {answer.status for answer in pool.map(
            lambda _: ledger.health(), range(calls))}


def back(ledger):
    wait_until(lambda: every_child(ledger) == {"ok"})
    time.sleep(PAUSE)


def sql(ledger, text, cluster=None):
    """Rows of what a statement gives, past the server."""
    if ledger.driver == "sqlite3":
        with sqlite3.connect(ledger.file, timeout=30) as other:
            found = [tuple(map(str, row)) for row in other.execute(text)]
        other.close()
        return found
    name = ledger.params.split("dbname=")[1].split()[0]
    return [tuple(row) for row in cluster.sql(text, name)]


# ------------------------------------------------------- a database that fails

def test_a_foreign_writer_is_not_waited_for_for_ever(make):
    ledger = make("sqlite")
    first = record()
    assert ledger.receive(**first, events="8").status == "ok"
    ledger.log.allow(*DOWN)
    other = sqlite3.connect(ledger.file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    begun = time.monotonic()
    made = record()
    assert ledger.receive(**made, events="8").status == "failed"
    assert time.monotonic() - begun < 20
    wait_until(lambda: ledger.get(key=first["key"]).status == "ok")
    other.execute("ROLLBACK")
    other.close()
    back(ledger)
    assert ledger.receive(**made, events="8").status == "ok"
    assert len(rows(ledger, "events", enrolment=made["key"])) == 1


def test_a_short_foreign_write_is_waited_for(make):
    ledger = make("sqlite")
    other = sqlite3.connect(ledger.file, isolation_level=None,
                            check_same_thread=False)
    ledger.health()
    other.execute("BEGIN IMMEDIATE")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        answer = pool.submit(lambda: ledger.receive(**record()))
        time.sleep(0.3)
        other.execute("ROLLBACK")
        assert answer.result().status == "ok"
    other.close()


def limit_files(ledger, size):
    """What the children's user may do, and root without it may not."""
    who = {}
    if os.geteuid() == 0:
        user = pwd.getpwnam(ledger.user)
        who = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    for pid in ledger.children():
        subprocess.run(["prlimit", "--pid", str(pid), "--fsize=%s:" % size],
                       check=True, **who)


def test_a_full_disk_takes_nothing_half_and_can_be_read(make):
    ledger = make("sqlite")
    ledger.log.allow(*DOWN)
    assert ledger.load(threads=4, count=40)["failed"] == 0
    wal = ledger.file.with_name("ledger.db-wal")
    # as many octets more as a part of a transaction has
    limit_files(ledger, wal.stat().st_size + 30000)
    known, refused = [], []
    while len(refused) < 20:
        made = record(csr="x" * 3000)
        status = ledger.receive(**made, events="8,9").status
        assert status in ("ok", "failed")
        (known if status == "ok" else refused).append(made)
    for made in known[-3:]:
        wait_until(lambda: ledger.get(key=made["key"]).status == "ok")
    limit_files(ledger, "unlimited")
    back(ledger)
    for made in known:
        assert ledger.get(key=made["key"])["record"] == made
    for made in refused:
        assert ledger.get(key=made["key"]).status == "none"
        assert rows(ledger, "events", enrolment=made["key"]) == []
    wait_until(lambda: ledger.receive(**refused[0]).status == "ok")
    assert sql(ledger, "PRAGMA integrity_check") == [("ok",)]


def test_a_file_that_is_gone_takes_nothing(make):
    ledger = make("sqlite")
    made = record()
    assert ledger.receive(**made).status == "ok"
    back(ledger)
    ledger.log.expect("SCEP0230: .*its file was removed or replaced")
    aside = ledger.data / "aside"
    aside.mkdir()
    parts = list(ledger.data.glob("ledger.db*"))
    for part in parts:
        part.rename(aside / part.name)
    assert every_child(ledger) == {"failed"}
    assert ledger.receive(**record()).status == "failed"
    # another of its name is not it
    ledger.file.write_bytes(b"")
    assert every_child(ledger) == {"failed"}
    for part in parts:
        (aside / part.name).rename(part)
    back(ledger)
    assert ledger.get(key=made["key"])["record"] == made


def test_a_file_that_is_no_database_takes_nothing(make):
    ledger = make("sqlite", begin=False)
    ledger.file.write_bytes(b"no database" * 1000)
    ledger.start()
    ledger.log.expect("SCEP0230: .*not a database")
    assert ledger.receive(**record()).status == "failed"
    assert ledger.file.read_bytes() == b"no database" * 1000


def test_it_comes_back_with_postgres(make, postgres):
    ledger = make("postgres")
    made = record()
    assert ledger.receive(**made, events="8").status == "ok"
    ledger.log.allow(*DOWN)
    postgres.stop()
    try:
        begun = time.monotonic()
        assert every_child(ledger) == {"failed"}
        assert ledger.receive(**record()).status == "failed"
        assert time.monotonic() - begun < 20
    finally:
        postgres.start()
    back(ledger)
    assert ledger.get(key=made["key"])["record"] == made
    wait_until(lambda: ledger.receive(**record()).status == "ok")


def test_a_postgres_that_restarts_is_not_noticed(make, postgres):
    """Connections of before are dead, and nothing was sent on them."""
    ledger = make("postgres")
    back(ledger)
    postgres.stop()
    postgres.start()
    made = record()
    assert ledger.receive(**made, events="8,9").status == "ok"
    assert ledger.add(events="2", profile="restart").status == "ok"
    assert len(rows(ledger, "events", enrolment=made["key"])) == 2
    assert len(rows(ledger, "events", profile="restart")) == 1


# ----------------------------------------------------- the answer to a COMMIT

@pytest.fixture
def proxied(make, postgres):
    proxy = Proxy(postgres.port)
    params = postgres.create("proxied%d" % next(ledgers.numbers))
    ledger = make("postgres", params=params.replace(
        "port=%d" % postgres.port, "port=%d" % proxy.port),
        lines="StartServers 1\nServerLimit 1\nMaxRequestWorkers 25\n")
    ledger.log.allow("AH10159")
    ledger.health()
    yield ledger, proxy
    proxy.close()


@pytest.mark.parametrize("how", [BEFORE, AFTER])
def test_an_answer_that_is_lost_is_found_out(proxied, how):
    ledger, proxy = proxied
    made = record()

    def losing(call, **members):
        proxy.cut = how
        cuts = proxy.cuts
        answer = ledger.call(call, **members)
        wait_until(lambda: proxy.cuts == cuts + 1)
        return answer.status
    assert losing("receive", **made, events="7,8") == "ok"
    assert ledger.get(key=made["key"])["record"] == made
    after = {**made, "state": 16, "serial": "0a", "settled": 1,
             "new_token": "", "not_after": 9, "der": "x"}
    assert losing("update", **after, events="13,14") == "ok"
    assert ledger.get(key=made["key"])["record"]["state"] == 16
    assert [e["type"] for e in rows(ledger, "events", ascending=1)] \
        == [7, 8, 13, 14]
    change = {"ca": "issuing", "serial": "0a", "from": 0, "cert_state": 2,
              "changed": 5, "key": made["key"], "events": "17"}
    assert losing("change", **change) == "ok"
    numbers = [e["number"] for e in rows(ledger, "events", ascending=1)]
    assert len(numbers) == 5
    assert losing("seal", number=1, time=3, signature="s",
                  numbers=",".join(map(str, numbers))) == "ok"
    assert {e["seal"] for e in rows(ledger, "events")} == {1}
    # and who comes second is told so, whatever was lost
    assert losing("receive", **{**made, "token": "b"}, revive=1) == "ok"
    assert ledger.receive(**{**made, "token": "c"}).status == "exists"
    assert ledger.update(**{**made, "new_token": ""}).status == "taken"


@pytest.mark.parametrize("how,written", [(BEFORE, 0), (AFTER, 2)])
def test_events_alone_are_never_twice(proxied, how, written):
    """Nothing tells them from others, so nothing is tried again: who adds
    them is told that they may not be there."""
    ledger, proxy = proxied
    ledger.log.allow(*DOWN)
    proxy.cut = how
    assert ledger.add(events="2,3", profile="a").status == "failed"
    back(ledger)
    assert len(rows(ledger, "events", profile="a")) == written
    assert ledger.add(events="2,3", profile="a").status == "ok"
    assert len(rows(ledger, "events", profile="a")) == written + 2


# ------------------------------------------------------- processes that die

COUNTS = """\
SELECT r.state, (SELECT count(*) FROM ledger_event e
WHERE e.record = r.number AND e.record > 0), (SELECT count(*)
FROM ledger_certificate c WHERE c.serial = r.serial AND c.ca = r.ca
AND c.record = r.number), count(*) FROM ledger_enrolment r
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"""


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_of_a_killed_process_nothing_is_half(make, postgres, kind):
    ledger = make(kind)
    ledger.log.allow(*DOWN)
    done = 0

    def load(_):
        try:
            answer = ledger.load(threads=6, count=400)
            return answer["done"] - answer["failed"]
        except OSError:
            return 0
    for _ in range(8):
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            loads = [pool.submit(load, i) for i in range(6)]
            time.sleep(random.uniform(0.02, 0.4))
            ledger.kill_children()
            done += sum(one.result() for one in loads)
    back(ledger)
    assert ledger.load(threads=6, count=60)["failed"] == 0
    found = {row[:3]: int(row[3]) for row in sql(ledger, COUNTS, postgres)}
    # received: two events; issued: three more and a certificate
    assert set(found) <= {("0", "2", "0"), ("16", "5", "1")}, found
    assert found[("16", "5", "1")] >= done + 60
    events = sql(ledger, "SELECT count(*) FROM ledger_event", postgres)
    assert int(events[0][0]) == 2 * found.get(("0", "2", "0"), 0) \
        + 5 * found[("16", "5", "1")]
    if kind == "sqlite":
        assert sql(ledger, "PRAGMA integrity_check") == [("ok",)]


def test_killed_in_the_middle_of_a_transaction(make, postgres):
    """When the record is written and its events are not yet."""
    ledger = make("postgres")
    ledger.health()
    sql(ledger, "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN PERFORM pg_sleep(3); RETURN NEW; END'", postgres)
    sql(ledger, "CREATE TRIGGER wait BEFORE INSERT ON ledger_event "
        "FOR EACH ROW EXECUTE FUNCTION wait()", postgres)
    made = record()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        answer = pool.submit(lambda: ledger.receive(**made, events="8"))
        wait_until(lambda: sql(
            ledger, "SELECT 1 FROM pg_stat_activity WHERE wait_event = "
            "'PgSleep'", postgres))
        ledger.kill_children()
        with pytest.raises(OSError):
            answer.result()
    sql(ledger, "DROP TRIGGER wait ON ledger_event", postgres)
    back(ledger)
    assert ledger.get(key=made["key"]).status == "none"
    wait_until(lambda: ledger.receive(**made, events="8").status == "ok")
    assert len(rows(ledger, "events", enrolment=made["key"])) == 1


# ----------------------------------------------------- versions of the tables

@pytest.fixture(params=["sqlite", "postgres"])
def kind(request):
    return request.param


def version(ledger, postgres):
    return sql(ledger, "SELECT value FROM ledger_meta WHERE name = 'ledger'",
               postgres)


def test_tables_of_the_future_are_left_alone(make, postgres, kind):
    ledger = make(kind)
    made = record()
    assert ledger.receive(**made).status == "ok"
    sql(ledger, "UPDATE ledger_meta SET value = '99'", postgres)
    ledger.stop()
    ledger.start()
    ledger.log.expect(FUTURE)
    assert every_child(ledger) == {"failed"}
    assert ledger.receive(**record()).status == "failed"
    # once for each process
    assert ledger.log.raw().count("SCEP0502") <= len(ledger.children())
    assert version(ledger, postgres) == [("99",)]
    sql(ledger, "UPDATE ledger_meta SET value = '1'", postgres)
    back(ledger)
    assert ledger.get(key=made["key"])["record"] == made


MIGRATION = """\
ProbeMigration "ALTER TABLE @enrolment ADD COLUMN more TEXT#" \\
"UPDATE @enrolment SET more = key"
"""
BROKEN = """\
ProbeMigration "ALTER TABLE @enrolment ADD COLUMN more TEXT#" \\
"UPDATE @enrolment SET missing = key"
"""


def test_older_tables_are_migrated_once(make, postgres, kind):
    ledger = make(kind)
    made = record()
    assert ledger.receive(**made).status == "ok"
    assert version(ledger, postgres) == [("1",)]
    ledger.stop()
    ledger.lines += MIGRATION
    ledger.start()
    assert every_child(ledger) == {"ok"}
    assert version(ledger, postgres) == [("2",)]
    assert ledger.get(key=made["key"])["record"] == made
    assert sql(ledger, "SELECT more FROM ledger_enrolment", postgres) \
        == [(made["key"],)]
    assert ledger.receive(**record()).status == "ok"
    # the way back is closed
    ledger.stop()
    ledger.lines = ledger.lines.replace(MIGRATION, "")
    ledger.start()
    ledger.log.expect("SCEP0502: ledger: .* of version 2, .* version 1")
    assert every_child(ledger) == {"failed"}


def test_none_becomes_the_last_version(make, postgres, kind):
    ledger = make(kind, lines=ledgers.PROCESSES + MIGRATION)
    assert every_child(ledger) == {"ok"}
    assert version(ledger, postgres) == [("2",)]


def test_a_migration_that_fails_leaves_the_tables_alone(make, postgres, kind):
    ledger = make(kind)
    made = record()
    assert ledger.receive(**made).status == "ok"
    ledger.stop()
    ledger.lines += BROKEN
    ledger.start()
    assert every_child(ledger) == {"failed"}
    # in the words of the database
    assert re.search("SCEP0230: .*missing", ledger.log.raw())
    ledger.log.mark()
    assert version(ledger, postgres) == [("1",)]
    ledger.stop()
    ledger.lines = ledger.lines.replace(BROKEN, MIGRATION)
    ledger.start()
    assert every_child(ledger) == {"ok"}
    assert ledger.get(key=made["key"])["record"] == made


def test_nodes_that_start_at_once_make_the_tables_once(make, postgres, kind):
    first = make(kind)
    nodes = [first] + [make(kind, params=first.params, begin=False)
                       for _ in range(2)]
    if kind == "sqlite":
        for node in nodes[1:]:
            node.file = first.file
    for node in nodes[1:]:
        node.start()
    with concurrent.futures.ThreadPoolExecutor(30) as pool:
        answers = list(pool.map(
            lambda i: nodes[i % 3].receive(**record(), events="8"),
            range(60)))
    assert {a.status for a in answers} == {"ok"}
    assert version(first, postgres) == [("1",)]
    assert len(rows(nodes[2], "list")) == 60


def test_two_nodes_on_one_ledger_behave_as_one(make, postgres, kind):
    one = make(kind)
    other = make(kind, params=one.params)
    made = record()
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(
            lambda i: (one, other)[i % 2].receive(
                **{**made, "token": "%d" % i}), range(12)))
    assert sorted(a.status for a in answers) == ["exists"] * 11 + ["ok"]
    token = one.get(key=made["key"])["record"]["token"]
    assert other.update(**{**made, "token": token, "new_token": "",
                           "state": 2}).status == "ok"
    assert one.get(key=made["key"])["record"]["state"] == 2
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        loads = list(pool.map(lambda node: node.load(threads=6, count=100),
                              (one, other)))
    assert [load["failed"] for load in loads] == [0, 0]
