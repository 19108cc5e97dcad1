"""The ledger on SQLite and PostgreSQL: what is written, found and kept.

The calls come from ledger_probe, in processes and threads of a real httpd.

SPDX-License-Identifier: Apache-2.0
"""
import concurrent.futures

import pytest

import ledgers
from ledgers import Ledger, record

SUBMITTED, ISSUED, REJECTED, FAILED = 3, 16, 17, 18
LIVE, SUPERSEDED, REVOKED, REVOKING = range(4)


def make_ledger(kind, request, **options):
    if kind == "sqlite":
        return Ledger("sqlite3", **options)
    cluster = request.getfixturevalue("postgres")
    name = "ledger%d" % next(ledgers.numbers)
    return Ledger("pgsql", cluster.create(name), **options)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def ledger(request):
    made = make_ledger(request.param, request)
    made.kind = request.param
    try:
        yield made.start()
    finally:
        made.remove()


@pytest.fixture(autouse=True)
def check_log(ledger):
    ledger.log.mark()
    yield
    ledger.log.verify()


def together(count, call):
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return list(pool.map(call, range(count)))


def received(ledger, events="8", **members):
    made = record(**members)
    assert ledger.receive(**made, events=events).status == "ok"
    return made


def updated(ledger, made, events="", cert=(), **members):
    """The next state of a record, written."""
    now = {**made, **members}
    answer = ledger.update(**{**now, "token": made["token"],
                              "new_token": now["token"], **dict(cert)},
                           events=events)
    assert answer.status == "ok"
    return now


def issued(ledger, made=None, not_after=10**15, **cert):
    made = made or received(ledger)
    serial = "%032x" % next(ledgers.keys)
    return updated(ledger, made, events="13,14", state=ISSUED, serial=serial,
                   settled=1, token="", lease=0,
                   cert={"der": "octets", "not_after": not_after,
                         "not_before": 5, **cert})


def rows(ledger, call, **filters):
    answer = ledger.call(call, **filters)
    assert answer.status == "ok", answer
    return answer["rows"]


# ---------------------------------------------------------------- enrolments

def test_what_is_received_is_found_as_it_was(ledger):
    made = received(ledger, events="7,8", subject="CN=B\u00fcro 50%,O=\u65e5",
                    sans="dns:a\x01b", tid="any \xff text\n%41", reason=15,
                    fail_info=2, detail="'; DROP TABLE x; --", tries=3,
                    approvals="alice\nbob", handle="42", renews="0a",
                    grant="{}", settled=1, device="mac:1",
                    submitted=1700000000123456)
    assert ledger.get(key=made["key"])["record"] == made
    found = rows(ledger, "seen", profile="default", signer=made["signer"],
                 tid=made["tid"])
    assert found == [{**made, "csr": ""}]
    assert ledger.get(key="f" * 64).status == "none"


def test_octets_of_any_length_come_back(ledger):
    for length in (0, 1, 2, 3, 6000):
        made = received(ledger, csr="x" * length)
        assert ledger.get(key=made["key"])["record"]["csr"] == "x" * length


def test_the_same_key_is_received_once(ledger):
    made = record()
    answers = together(24, lambda i: ledger.receive(
        **{**made, "token": "%016x" % i}, events="7,8,9,10,11,12"))
    assert sorted(a.status for a in answers) == ["exists"] * 23 + ["ok"]
    assert len({a["pid"] for a in answers}) > 1
    winner = [i for i, a in enumerate(answers) if a.status == "ok"]
    assert ledger.get(key=made["key"])["record"]["token"] \
        == "%016x" % winner[0]
    # of those that lost nothing is there
    assert len(rows(ledger, "events", enrolment=made["key"])) == 6


def test_others_are_not_taken_along_by_one_that_loses(ledger):
    made = received(ledger)
    fresh = [record() for _ in range(20)]

    def call(i):
        if i % 2:
            return ledger.receive(**{**made, "token": "x"}, events="8")
        return ledger.receive(**fresh[i // 2], events="8,9")
    answers = together(40, call)
    assert [a.status for a in answers] == ["ok", "exists"] * 20
    for one in fresh:
        assert ledger.get(key=one["key"])["record"] == one
        assert len(rows(ledger, "events", enrolment=one["key"])) == 2


def test_many_write_at_once_and_each_is_there(ledger):
    answer = ledger.load(threads=8, count=200)
    assert (answer["failed"], answer["done"]) == (0, 200)
    answers = together(3, lambda i: ledger.load(threads=6, count=100))
    assert [a["failed"] for a in answers] == [0, 0, 0]


def test_an_ended_one_steps_aside_and_no_other(ledger):
    made = received(ledger)
    again = {**made, "token": "another"}
    assert ledger.receive(**again, revive=1).status == "exists"
    updated(ledger, made, state=FAILED, token="", settled=0, due=2000)
    assert ledger.receive(**again).status == "exists"
    assert ledger.receive(**again, revive=1, events="8").status == "ok"
    assert ledger.get(key=made["key"])["record"] == again
    found = rows(ledger, "seen", profile="default", signer=made["signer"],
                 tid=made["tid"])
    assert [r["state"] for r in found] == [0, FAILED]
    aside = found[1]["key"]
    assert aside != made["key"] and aside.startswith(made["key"])
    # it is not settled, and still is
    assert aside in ledger.due(now=2000, limit=1000)["rows"]
    # each has the events of its own time
    assert len(rows(ledger, "events", enrolment=made["key"])) == 1
    assert len(rows(ledger, "events", enrolment=aside)) == 1


def test_revived_by_several_at_once_it_is_one(ledger):
    made = received(ledger)
    updated(ledger, made, state=FAILED, token="")
    answers = together(12, lambda i: ledger.receive(
        **{**made, "token": "%d" % i}, revive=1))
    assert sorted(a.status for a in answers) == ["exists"] * 11 + ["ok"]


def test_a_signer_sees_its_own_of_one_profile(ledger):
    made = received(ledger)
    pending = received(ledger, signer=made["signer"])
    ended = received(ledger, signer=made["signer"])
    updated(ledger, ended, state=REJECTED, token="")
    received(ledger, signer=made["signer"], profile="other")
    received(ledger, tid=made["tid"])

    def seen(**members):
        return [r["key"] for r in rows(ledger, "seen", **{
            "profile": "default", "signer": made["signer"],
            "tid": made["tid"], **members})]
    assert seen() == [pending["key"], made["key"]]
    assert seen(tid=ended["tid"]) == [ended["key"], pending["key"],
                                      made["key"]]
    assert seen(signer="nobody") == [] and seen(profile="none") == []


# ------------------------------------------------------------ who works on it

def test_one_takes_it_until_the_lease_is_over(ledger):
    made = received(ledger, lease=3000)

    def take(token, now, lease=5000):
        return ledger.take(key=made["key"], token=token, now=now, lease=lease)
    assert take("b", 2999).status == "busy"
    assert take(made["token"], 2999)["record"]["lease"] == 5000
    answer = take("b", 5000, 9000)
    assert answer["record"] == {**made, "token": "b", "lease": 9000}
    assert take("c", 8999).status == "busy"
    assert ledger.take(key="0" * 64, token="b", now=1, lease=2).status \
        == "busy"


def test_of_many_one_takes_it(ledger):
    made = received(ledger, token="", lease=0)
    answers = together(24, lambda i: ledger.take(
        key=made["key"], token="%d" % i, now=10, lease=20))
    assert sorted(a.status for a in answers) == ["busy"] * 23 + ["ok"]


def test_who_has_lost_it_changes_nothing(ledger):
    made = received(ledger, lease=3000)
    ledger.take(key=made["key"], token="b", now=3000, lease=9000)
    late = {**made, "state": ISSUED, "serial": "%032x" % next(ledgers.keys),
            "detail": "late", "new_token": "", "not_after": 9}
    assert ledger.update(**late, events="14").status == "taken"
    assert ledger.get(key=made["key"])["record"]["token"] == "b"
    assert ledger.certificate(ca="issuing", serial=late["serial"]).status \
        == "none"
    assert len(rows(ledger, "events", enrolment=made["key"])) == 1
    # and who holds nothing
    assert ledger.update(**{**late, "token": ""}).status == "taken"


def test_an_update_writes_what_may_change(ledger):
    made = received(ledger)
    now = updated(
        ledger, made, state=SUBMITTED, handle="h", serial="0b", reason=17,
        fail_info=4, detail="d", settled=1, tries=7, due=77, approvals="a\nb",
        submitted=88, updated=99, token="new", lease=111)
    assert ledger.get(key=made["key"])["record"] == now


def test_an_update_does_not_change_what_never_does(ledger):
    made = received(ledger)
    fixed = ("profile", "ca", "tid", "signer", "spki", "names", "csr",
             "subject", "sans", "address", "verifier", "grant",
             "verified_by", "requester", "renews", "device")
    updated(ledger, made, **{name: "changed" for name in fixed},
            created=7, type=17)
    assert ledger.get(key=made["key"])["record"] == made


def test_what_is_due_is_what_nobody_holds(ledger):
    base = 5 * 10**12
    late, soon, held, free = (
        received(ledger, due=base + due, token=token, lease=base + lease)
        for due, token, lease in ((3, "", 0), (1, "", 0), (2, "t", 50),
                                  (4, "t", 10)))
    ended = updated(ledger, received(ledger, due=base), state=ISSUED,
                    token="", settled=1, due=base)
    unsettled = updated(ledger, received(ledger, due=base), state=ISSUED,
                        token="", settled=0, due=base)

    def due(now, limit=1000):
        ours = {r["key"] for r in (late, soon, held, free, ended, unsettled)}
        return [key for key in ledger.due(now=base + now, limit=limit)["rows"]
                if key in ours]
    assert due(2) == [unsettled["key"], soon["key"]]
    assert due(20) == [unsettled["key"], soon["key"], late["key"],
                       free["key"]]
    assert due(50) == [unsettled["key"], soon["key"], held["key"],
                       late["key"], free["key"]]
    assert len(ledger.due(now=base + 50, limit=3)["rows"]) == 3


def test_lists_by_filter_and_page(ledger):
    tag = "list%d" % next(ledgers.numbers)
    made = [received(ledger, profile=tag, created=10**15 + i * 3600 * 10**6,
                     subject="CN=%s_%d%%,O=\u00c4" % ("Ab" if i % 2 else "cd",
                                                     i))
            for i in range(6)]
    for one in made[:3]:
        updated(ledger, one, state=ISSUED, token="")

    def found(**filters):
        keys = [m["key"] for m in made]
        return [keys.index(r["key"]) for r in rows(ledger, "list",
                                                   profile=tag, **filters)]
    assert found() == [5, 4, 3, 2, 1, 0]
    assert found(limit=2) == [5, 4]
    number = rows(ledger, "list", profile=tag, limit=2)[1]["number"]
    assert found(after=number, limit=3) == [3, 2, 1]
    assert found(state=ISSUED) == [2, 1, 0] and found(state=0) == [5, 4, 3]
    assert found(pending=1) == [5, 4, 3]
    assert found(pending=1, after=number) == [3]
    assert found(subject="aB_") == [5, 3, 1] and found(subject="d_4%") == [4]
    assert found(subject="%") == [5, 4, 3, 2, 1, 0]
    assert found(subject="\u00c4") == [5, 4, 3, 2, 1, 0]
    assert found(subject="no") == [] and found(subject="b%") == []
    assert found(since=10**15 + 4 * 3600 * 10**6) == [5, 4]
    assert found(challenge=made[2]["verified_by"]) == [2]
    assert found(challenge="none") == []


# -------------------------------------------------------------- certificates

def test_a_certificate_is_there_with_its_enrolment_and_events(ledger):
    made = issued(ledger, device="d1", cert_reason=4, changed=6, cert_due=7,
                  successor="0c")
    found = ledger.certificate(ca="issuing", serial=made["serial"])
    expected = {name: made[name] for name in (
        "serial", "ca", "profile", "key", "subject", "sans", "names", "spki")}
    assert found["certificate"] == {
        **expected, "device": "d1", "der": "octets", "not_before": 5,
        "not_after": 10**15, "cert_state": LIVE, "cert_reason": 4,
        "changed": 6, "cert_due": 7, "successor": "0c"}
    assert ledger.certificate(ca="other", serial=made["serial"]).status \
        == "none"
    for way in ({"enrolment": made["key"]}, {"serial": made["serial"]},
                {"challenge": made["verified_by"]}):
        types = [e["type"] for e in rows(ledger, "events", ascending=1,
                                         **way)]
        assert types == ([13, 14] if "serial" in way else [8, 13, 14]), way


def test_the_same_certificate_again_is_one(ledger):
    made = issued(ledger)
    other = received(ledger)
    updated(ledger, other, state=ISSUED, serial=made["serial"],
            cert={"der": "octets", "not_after": 9})
    assert ledger.get(key=other["key"])["record"]["state"] == ISSUED
    found = rows(ledger, "certificates", serial=made["serial"])
    assert [c["key"] for c in found] == [made["key"]]


def test_a_certificate_changes_from_one_state_once(ledger):
    made = issued(ledger)

    def change(origin, state, **members):
        return ledger.change(**{
            "ca": "issuing", "serial": made["serial"], "from": origin,
            "cert_state": state, "key": made["key"], "events": "17",
            **members}).status
    answers = together(8, lambda i: change(LIVE, REVOKING, cert_due=5,
                                           changed=i, cert_reason=1))
    assert sorted(answers) == ["ok"] + ["taken"] * 7
    assert change(LIVE, REVOKED, changed=9) == "taken"
    due = [c for c in rows(ledger, "certificates_due", now=5, limit=1000)
           if c["serial"] == made["serial"]]
    assert due[0]["der"] == "octets" and due[0]["cert_reason"] == 1
    assert rows(ledger, "certificates_due", now=4) == []
    assert change(REVOKING, REVOKED, changed=9, successor="0d") == "ok"
    # the very same call again, as after a lost answer
    assert change(REVOKING, REVOKED, changed=9, successor="0d") == "ok"
    assert change(REVOKING, REVOKED, changed=9, successor="0e") == "taken"
    assert change(LIVE, REVOKED, serial="none") == "taken"
    assert len(rows(ledger, "events", enrolment=made["key"])) == 5


def test_live_certificates_are_counted(ledger):
    tag = "count%d" % next(ledgers.numbers)
    made = [issued(ledger, received(ledger, names=tag, spki=tag,
                                    profile=profile), not_after=not_after)
            for profile, not_after in (("p", 100), ("p", 200), ("q", 200))]

    def live(profile, now):
        return ledger.count_live(profile=profile, names=tag, now=now)["count"]
    assert [live("p", 99), live("p", 100), live("p", 200)] == [2, 1, 0]
    assert live("q", 1) == 1 and live("r", 1) == 0
    assert ledger.count_key(spki=tag, names="x", now=99)["count"] == 3
    assert ledger.count_key(spki=tag, names=tag, now=99)["count"] == 0
    ledger.change(**{"ca": "issuing", "serial": made[1]["serial"],
                     "from": LIVE, "cert_state": SUPERSEDED})
    assert live("p", 99) == 1
    assert ledger.count_key(spki=tag, names="x", now=99)["count"] == 2


def test_the_inventory_by_filter_and_page(ledger):
    tag = "inventory%d" % next(ledgers.numbers)
    made = [issued(ledger, received(ledger, profile=tag,
                                    subject="CN=Device %d" % i),
                   not_after=10**14 + i, device="dev%d" % (i % 2))
            for i in range(5)]
    ledger.change(**{"ca": "issuing", "serial": made[4]["serial"],
                     "from": LIVE, "cert_state": REVOKED})

    def found(**filters):
        serials = [m["serial"] for m in made]
        answer = rows(ledger, "certificates",
                      **{"profile": tag, **filters})
        assert all(c["der"] == "" for c in answer)
        return [serials.index(c["serial"]) for c in answer]
    assert found() == [4, 3, 2, 1, 0] and found(state=LIVE) == [3, 2, 1, 0]
    assert found(limit=2) == [4, 3] and found(device="dev1") == [3, 1]
    assert found(subject="device 3") == [3]
    assert found(expires_before=10**14 + 2) == [1, 0]
    assert found(expires_before=10**14 + 3, since=10**14 + 1) == [2, 1]
    assert found(expires_before=10**14 + 3, limit=1, state=LIVE) == [2]
    number = rows(ledger, "certificates", profile=tag, limit=2)[1]["number"]
    assert found(after=number) == [2, 1, 0]
    assert found(enrolment=made[3]["key"]) == [3]
    assert found(serial=made[1]["serial"]) == [1]
    assert found(serial=made[1]["serial"], profile="other") == []


# ------------------------------------------------------------ events and seals

def test_events_of_no_enrolment_are_found_by_what_they_say(ledger):
    number = next(ledgers.numbers)
    members = {"verified_by": "ch%d" % number, "serial": "5e%d" % number,
               "key": "no record %d" % number, "event_actor": "alice",
               "detail": "100%\u00e4", "handle": "77", "ca": "c",
               "profile": "p%d" % number, "address": "::1",
               "event_time": 1234567890123456}
    assert ledger.add(events="2,9", **members).status == "ok"
    for way in ({"challenge": members["verified_by"]},
                {"serial": members["serial"]},
                {"enrolment": members["key"]},
                {"profile": members["profile"]}):
        found = rows(ledger, "events", ascending=1, **way)
        assert [e["type"] for e in found] == [2, 9], way
    assert {k: found[0][k] for k in found[0] if k != "number"} == {
        "seal": 0, "type": 2, "time": 1234567890123456,
        "profile": members["profile"], "actor": "alice", "address": "::1",
        "challenge": members["verified_by"], "enrolment": members["key"],
        "ca": "c", "ca_request": "77", "serial": members["serial"],
        "detail": "100%\u00e4"}
    assert ledger.add(events="").status == "ok"


def test_events_by_filter_and_page(ledger):
    tag = "events%d" % next(ledgers.numbers)
    for i in range(7):
        ledger.add(events="2,5", profile=tag, verified_by=tag,
                   event_time=10**15 + i * 3600 * 10**6)

    def found(**filters):
        return rows(ledger, "events", **{"profile": tag, **filters})
    forward = found(ascending=1)
    assert found() == forward[::-1] and len(forward) == 14
    assert [e["number"] for e in forward] \
        == sorted(e["number"] for e in forward)
    assert found(ascending=1, limit=3) == forward[:3]
    assert found(ascending=1, limit=3, after=forward[2]["number"]) \
        == forward[3:6]
    assert found(limit=3, after=forward[9]["number"]) == forward[6:9][::-1]
    assert {e["type"] for e in found(type=5)} == {5}
    assert found(since=10**15 + 5 * 3600 * 10**6) == forward[10:][::-1]
    assert found(seal=0, ascending=1) == forward
    assert found(seal=0, limit=2) == forward[12:][::-1]
    assert found(challenge=tag, ascending=1, limit=2) == forward[:2]
    assert found(challenge=tag, enrolment="x") == []
    assert found(challenge=tag, serial="x") == []


def test_a_secret_of_many_finds_its_events(ledger):
    """More than can be put together go the long way."""
    tag = "static:%d" % next(ledgers.numbers)
    first = received(ledger, verified_by=tag)
    assert len(rows(ledger, "events", challenge=tag)) == 1
    for _ in range(3):
        received(ledger, verified_by=tag)
    found = rows(ledger, "events", challenge=tag, limit=3)
    assert len(found) == 3
    assert all(e["challenge"] == tag for e in found)
    assert first["key"] not in {e["enrolment"] for e in found}


def number_of_seal(ledger):
    last = rows(ledger, "seals", limit=-1)
    return last[0]["number"] + 1 if last else 1


def unsealed(ledger, count):
    for _ in range(count):
        ledger.add(events="2", profile="sealing")
    found = rows(ledger, "events", profile="sealing", seal=0, ascending=1)
    return [e["number"] for e in found]


def sealed(ledger, number, events, **members):
    return ledger.seal(number=number, numbers=",".join(map(str, events)),
                       **members).status


def test_a_seal_marks_its_events_once(ledger):
    events = unsealed(ledger, 6)
    number = number_of_seal(ledger)
    some = [events[i] for i in (0, 1, 3, 5)]
    what = {"signature": "s%d" % number, "time": 5, "root": "r",
            "previous": "p", "certificate": "c"}
    assert sealed(ledger, number, some[::-1], **what) == "ok"
    # as after a lost answer
    assert sealed(ledger, number, some, **what) == "ok"
    assert sealed(ledger, number, some, signature="other") == "exists"
    # the next one: none of a sealed event, of one that is not there
    for wrong in ([events[0], events[2]], [events[2], events[-1] + 1000],
                  [events[2], events[3], events[4]]):
        assert sealed(ledger, number + 1, wrong) == "exists"
    assert len(rows(ledger, "seals", after=number - 1)) == 1
    last = rows(ledger, "seals", limit=-1)
    assert len(last) == 1 and last[0]["number"] == number
    assert (last[0]["count"], last[0]["root"], last[0]["previous"],
            last[0]["certificate"], last[0]["time"]) == (4, "r", "p", "c", 5)
    found = rows(ledger, "events", seal=number, ascending=1)
    assert [e["number"] for e in found] == some
    assert {e["seal"] for e in found} == {number}
    left = rows(ledger, "events", profile="sealing", seal=0, ascending=1)
    assert [e["number"] for e in left] == [events[2], events[4]]
    assert rows(ledger, "events", seal=number + 500) == []


def test_of_many_seals_of_one_number_one_is_written(ledger):
    events = unsealed(ledger, 12)
    number = number_of_seal(ledger)
    answers = together(12, lambda i: sealed(ledger, number, [events[i]],
                                            signature="s%d" % i))
    assert sorted(answers) == ["exists"] * 11 + ["ok"]
    assert len(rows(ledger, "events", seal=number)) == 1


# -------------------------------------------------------------------- upkeep

def test_a_duty_has_one_node_at_a_time(ledger):
    duty = "duty%d" % next(ledgers.numbers)

    def ask(node, now, until):
        return ledger.duty(duty=duty, node=node, now=now, until=until).status
    answers = together(12, lambda i: ask("n%d" % i, 10, 20))
    assert sorted(answers) == ["busy"] * 11 + ["ok"]
    winner = "n%d" % answers.index("ok")
    assert ask("other", 19, 30) == "busy"
    assert ask(winner, 15, 25) == "ok"
    assert ask("other", 24, 30) == "busy" and ask("other", 25, 30) == "ok"
    assert ask(winner, 29, 40) == "busy"


def test_one_thread_of_many_processes_writes_as_well(ledger, request):
    """Under prefork, where each has one thread."""
    made = make_ledger(ledger.kind, request, mpm="prefork")
    try:
        made.start()
        answers = together(6, lambda i: made.load(threads=1, count=30))
        assert [a["failed"] for a in answers] == [0] * 6
        assert len({a["pid"] for a in answers}) > 1
        assert len(rows(made, "list", state=ISSUED)) == 180
    finally:
        made.remove()


def swept(ledger, before, now):
    """Deletes until a whole turn finds nothing more."""
    while any([ledger.retain(before=before, now=now)["deleted"]
               for _ in range(3)]):
        pass


@pytest.fixture
def fresh(ledger, request):
    """One of the same kind that nobody else has written to."""
    made = make_ledger(ledger.kind, request)
    try:
        yield made.start()
    finally:
        made.remove()


def test_only_what_is_old_and_done_goes(fresh):
    ledger = fresh
    old, new = {"created": 10, "updated": 10}, {"created": 10, "updated": 90}
    live = issued(ledger, received(ledger, **old), not_after=500)
    expired = issued(ledger, received(ledger, **old), not_after=40)
    recent = issued(ledger, received(ledger, **old), not_after=60)
    rejected = updated(ledger, received(ledger, **old), state=REJECTED,
                       settled=1, token="")
    unsettled = updated(ledger, received(ledger, **old), state=REJECTED,
                        settled=0, token="")
    pending = received(ledger, **old)
    later = updated(ledger, received(ledger, **old), state=REJECTED,
                    settled=1, token="", **new)
    for _ in range(450):
        received(ledger, **old)
    last = updated(ledger, received(ledger, **old), state=REJECTED,
                   settled=1, token="")
    ledger.add(events="2", event_time=10)
    ledger.add(events="2", event_time=90)
    events = rows(ledger, "events", ascending=1, limit=1000)
    assert sealed(ledger, 1, [e["number"] for e in events[3:10]]) == "ok"
    swept(ledger, before=50, now=100)
    for one in (live, recent, unsettled, pending, later):
        assert ledger.get(key=one["key"]).status == "ok", one
    for one in (expired, rejected, last):
        assert ledger.get(key=one["key"]).status == "none", one
    left = rows(ledger, "certificates")
    assert [c["serial"] for c in left] == [recent["serial"], live["serial"]]
    # those that are sealed are gone, unless younger
    left = {e["number"] for e in rows(ledger, "events", limit=1000)}
    assert left == {e["number"] for e in events[:3] + events[10:]}
    swept(ledger, before=400, now=300)
    assert ledger.get(key=live["key"]).status == "ok"
    assert [c["serial"] for c in rows(ledger, "certificates")] \
        == [live["serial"]]
    swept(ledger, before=900, now=900)
    assert rows(ledger, "certificates") == []
    assert ledger.get(key=live["key"]).status == "none"
    assert ledger.get(key=unsettled["key"]).status == "ok"
    # an event that is gone does not give its number to another
    before = rows(ledger, "events", limit=1)[0]["number"]
    ledger.add(events="2")
    assert rows(ledger, "events", limit=1)[0]["number"] > before
