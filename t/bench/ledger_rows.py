"""A ledger of any size: a few rows that the module wrote, many times over.

SPDX-License-Identifier: Apache-2.0

The probe writes one enrolment by a challenge, one renewal, their events and a
seal.  SQL makes the others of them, for three years: devices that enrol in the
first one and renew in each that follows.  What tells rows apart is random, as
digests are.  A column that is not named here is as the module wrote it.
"""
import os
import secrets
import sqlite3
import time

from ledgers import record

ISSUED = 16
SUPERSEDED = 1
USED, RECEIVED, CA_CALLED, ISSUANCE, RENEWED, SUPERSESSION, CHALLENGE = \
    5, 8, 13, 14, 15, 16, 2
# an enrolment's events, and a renewal's
FIRST = (USED, RECEIVED, CA_CALLED, ISSUANCE)
NEXT = (RECEIVED, CA_CALLED, RENEWED, SUPERSESSION)
# of three enrolments, the challenge's own among them
EVENTS = 1 + len(FIRST) + 2 * len(NEXT)
YEAR = 365 * 86400 * 1000000
# enrolments of a seal, and of a transaction
SEALED, TOGETHER = 230, 46000
UNSEALED = 20
WAITING = 50
STATIC = "static:default"
HEX = "0123456789abcdef" * 4


class SQLite:
    """The file of an httpd that is stopped."""

    def __init__(self, ledger):
        self.ledger = ledger
        self.file = ledger.file
        self.db = None

    def open(self):
        self.db = sqlite3.connect(self.file, isolation_level=None)
        # nothing of it must outlive a crash
        self.db.execute("PRAGMA journal_mode = DELETE").fetchall()
        for pragma in ("journal_mode = OFF", "synchronous = OFF",
                       "cache_size = -2000000"):
            self.db.execute("PRAGMA " + pragma).fetchall()
        self.db.execute("BEGIN")

    def close(self):
        self.db.execute("COMMIT")
        self.db.close()
        # what a disk does is measured where httpd writes
        with open(self.file, "rb") as stream:
            os.fsync(stream.fileno())
            while stream.read(1 << 20):
                pass

    def run(self, text):
        return self.db.execute(text).fetchall()

    def columns(self, table):
        return [row[1] for row in
                self.run("PRAGMA table_info(ledger_%s)" % table)]

    def size(self):
        return self.file.stat().st_size

    random = "lower(hex(randomblob(32)))"
    joined = "group_concat(%s, ' ')"


class PostgreSQL:
    """A database of a private cluster."""

    def __init__(self, cluster, name):
        self.cluster = cluster
        self.name = name

    def open(self):
        pass

    def close(self):
        # as autovacuum would, sooner or later
        self.run("VACUUM ANALYZE")
        self.run("CHECKPOINT")

    def run(self, text):
        return self.cluster.sql(text, self.name)

    def columns(self, table):
        return [row[0] for row in self.run(
            "SELECT column_name FROM information_schema.columns WHERE "
            "table_name = 'ledger_%s' ORDER BY ordinal_position" % table)]

    def size(self):
        return int(self.run("SELECT pg_database_size(current_database())")
                   [0][0])

    random = "md5(random()::text) || md5(random()::text)"
    joined = "string_agg(%s, ' ')"


# ----------------------------------------------------------------- templates

def octets(count):
    """Some that no database makes smaller, as text."""
    return secrets.token_urlsafe(count)[:count]


def certificate(serial, created):
    return {"serial": serial, "der": octets(1050), "not_before": created,
            "not_after": created + YEAR, "cert_state": 0, "successor": ""}


def a_record(**members):
    """One that looks like a device's; its key begins as its signer does."""
    signer = secrets.token_hex(32)
    now = int(time.time() * 1000000)
    made = record(
        key=signer[:32] + secrets.token_hex(16), signer=signer,
        tid=secrets.token_hex(20), spki=secrets.token_hex(32),
        names=secrets.token_hex(32), verified_by=secrets.token_hex(8),
        grant=secrets.token_hex(20), csr=octets(900), created=now,
        updated=now, event_time=now, event_actor="device",
        due=now + 60000000, lease=now + 60000000, token=octets(16))
    return {**made, **members}


def ended(made, serial):
    """What update says of a record that has got its certificate."""
    return {**made, **certificate(serial, made["created"]),
            "token": made["token"], "new_token": "", "state": ISSUED,
            "serial": serial, "settled": 1}


def types(events):
    return ",".join(map(str, events))


def expect(answer):
    assert answer.status == "ok", answer
    return answer


def write_templates(ledger, created):
    """Enrolments 1 and 2, certificates of theirs, events from 1 on."""
    first = a_record(created=created, updated=created, event_time=created)
    old, new = secrets.token_hex(16), secrets.token_hex(16)
    renewal = {**a_record(created=created, updated=created,
                          event_time=created),
               "type": 17, "verifier": "cert", "renews": old,
               "verified_by": old, "requester": "", "grant": ""}
    expect(ledger.add(events=str(CHALLENGE), event_time=created,
                      event_actor="alice", address="192.0.2.1",
                      profile="default", verified_by=first["verified_by"]))
    for made, serial, events in ((first, old, FIRST), (renewal, new, NEXT)):
        expect(ledger.receive(**made, events=types(events[:2])))
        expect(ledger.update(**ended(made, serial), events=types(events[2:])))
    numbers = types(range(1, 2 + len(FIRST) + len(NEXT)))
    expect(ledger.seal(number=1, numbers=numbers, time=created, root=HEX,
                       previous="", certificate=octets(1400),
                       signature=octets(344)))


def write_waiting(ledger):
    """What the watchdog has to do, as far as it is ever much."""
    now = int(time.time() * 1000000)
    for number in range(WAITING):
        expect(ledger.receive(**a_record(
            state=2, token="", lease=0, due=now - number * 1000000)))


# ---------------------------------------------------------------------- rows

def copy(db, table, source, rows):
    """Inserts what source gives; t is the row that is like them, rows has the
    columns that are not as in t."""
    columns = [name for name in db.columns(table) if name != "number"]
    db.run("INSERT INTO ledger_%s (%s) %s" % (
        table, ", ".join(columns),
        source % ", ".join(rows.get(name, "t." + name) for name in columns)))


def digits(count, column):
    return "substr(x.%s, 1, %d)" % (column, count)


def copy_enrolments(db, first, last, devices, step, start):
    """Enrolments of these numbers; those after the first devices renew."""
    renewals = first > devices
    # what is random is so once a row, whoever asks for it
    source = "WITH RECURSIVE "
    if renewals:
        source += (
            "x AS MATERIALIZED (SELECT number + %d AS i, names, subject, "
            "sans, serial AS old, %s AS a, %s AS b, %s AS c, %s AS d "
            "FROM ledger_enrolment WHERE number >= %d AND number <= %d) "
            % ((devices,) + (db.random,) * 4
               + (first - devices, last - devices)))
    else:
        source += (
            "n(i) AS (SELECT %d UNION ALL SELECT i + 1 FROM n WHERE i < %d), "
            "x AS MATERIALIZED (SELECT i, %s AS a, %s AS b, %s AS c, %s AS d "
            "FROM n) " % ((first, last) + (db.random,) * 4))
    source += ("SELECT %s FROM x JOIN ledger_enrolment t ON t.number = "
               + ("2" if renewals else "1") + " ORDER BY x.i")
    created = "%d + CAST(x.i AS BIGINT) * %d" % (start, step)
    rows = {
        "signer": "x.a", "key": "substr(x.a, 1, 32) || substr(x.b, 1, 32)",
        "transaction_id": digits(40, "c"), "spki": "x.d",
        "serial": "substr(x.c, 33, 32)", "created": created,
        "updated": created, "due": created,
    }
    if renewals:
        rows.update(names="x.names", subject="x.subject", sans="x.sans",
                    renews="x.old", verified_by="x.old")
    else:
        # the tenth by a secret that all of them know
        rows.update(names="substr(x.b, 33, 32) || substr(x.d, 1, 32)",
                    subject="'CN=device-' || x.i || ',O=Bench'",
                    sans="'dns:device-' || x.i || '.example.com'",
                    granted=digits(40, "d"),
                    verified_by="CASE WHEN x.i % 10 = 0 THEN '" + STATIC
                    + "' ELSE substr(x.d, 49, 16) END")
    copy(db, "enrolment", source, rows)


def copy_certificates(db, first, last, devices, total):
    source = (
        "SELECT %s FROM ledger_enrolment e JOIN ledger_certificate t "
        + "ON t.number = 1 WHERE e.number >= %d AND e.number <= %d "
        "ORDER BY e.number" % (first, last))
    live = "e.number > %d" % (total - devices)
    rows = {name: "e." + name for name in (
        "serial", "subject", "sans", "names", "spki")}
    rows.update(
        record="e.number", enrolment="e.key", not_before="e.created",
        not_after="e.created + %d" % YEAR,
        state="CASE WHEN %s THEN 0 ELSE %d END" % (live, SUPERSEDED),
        changed="CASE WHEN %s THEN 0 ELSE e.created + %d END" % (live, YEAR),
        successor="CASE WHEN %s THEN '' ELSE substr(e.key, 1, 32) END" % live)
    copy(db, "certificate", source, rows)


def copy_events(db, first, last, total):
    """Of each enrolment those of the template that it is like."""
    of_first = 1 + len(FIRST)
    source = (
        "SELECT %s FROM ledger_enrolment e JOIN ledger_event t "
        + "ON t.number <= %d AND (e.renews = '') = (t.number <= %d) "
        "WHERE e.number >= %d AND e.number <= %d ORDER BY e.number, t.number"
        % (of_first + len(NEXT), of_first, first, last))
    sealed = "CASE WHEN e.number > %d THEN 0 ELSE 2 + (e.number - 1) / %d END"
    rows = {name: "CASE WHEN t.%s = '' THEN '' ELSE e.%s END" % (name, column)
            for name, column in (("challenge", "verified_by"),
                                 ("enrolment", "key"), ("serial", "serial"))}
    rows.update(
        record="CASE WHEN t.record = 0 THEN 0 ELSE e.number END",
        time="e.created + t.number * 1000", detail="e.subject",
        seal=sealed % (total - UNSEALED, SEALED))
    copy(db, "event", source, rows)


def copy_seals(db, after):
    """Of the events after this number."""
    source = (
        "SELECT %s FROM (SELECT seal, max(time) AS time, count(*) AS count, "
        + db.joined % ("number || ':%s'" % HEX) + " AS leaves FROM "
        "ledger_event WHERE number > " + str(after)
        + " AND seal > 0 GROUP BY seal) x "
        "JOIN ledger_seal t ON t.number = 1 ORDER BY x.seal")
    columns = db.columns("seal")
    rows = {"number": "x.seal", "time": "x.time", "count": "x.count",
            "leaves": "x.leaves", "previous": "'%s'" % HEX}
    db.run("INSERT INTO ledger_seal (%s) " % ", ".join(columns)
           + source % ", ".join(rows.get(name, "t." + name)
                                for name in columns))


def enrolments_for(events):
    """So many have these events: of three years, each in whole seals."""
    return 3 * SEALED * max(1, events // EVENTS // SEALED)


def fill(db, total, start, told):
    """Makes the templates' ledger one of total enrolments.
    told(n): so many are there"""
    devices = total // 3
    step = 3 * YEAR // total
    number = 3
    while number <= total:
        year = (number - 1) // devices
        last = min((number - 1) // TOGETHER * TOGETHER + TOGETHER,
                   (year + 1) * devices, total)
        newest = db.run("SELECT max(number) FROM ledger_event")[0][0]
        copy_enrolments(db, number, last, devices, step, start)
        copy_certificates(db, number, last, devices, total)
        copy_events(db, number, last, total)
        copy_seals(db, newest)
        told(last)
        number = last + 1
