"""The admin API: what is seen of challenges, extending and revoking them.

SPDX-License-Identifier: Apache-2.0
"""
import datetime
import json
import threading

import pytest

import stores
from adminapi import expires, problem
from gateway import make_csr, wait_until


@pytest.fixture(scope="module", params=["event"] + stores.DATABASES)
def own(request):
    """A server whose challenges are those of one test after the other."""
    sandbox = stores.sandbox(request.param, """\
<ScepProfile short>
    ScepCA issuing
    ScepRACertificate pki/ra.pem
    ScepRAKey pki/ra.key
    ScepChallengeTTL 5min
    ScepChallengeMaxTTL 10min
</ScepProfile>
<Location "/short">
    SetHandler scep
    ScepProfile short
    Require all granted
</Location>
""", lambda: request.getfixturevalue("postgres"))
    try:
        sandbox.start()
        yield sandbox
    finally:
        sandbox.remove()


def get(server, query=""):
    answer = server.admin(path="/challenges" + query)
    assert answer.status == 200, answer
    return json.loads(answer.body)


def ids(server, query=""):
    return [row["id"] for row in get(server, query)["challenges"]]


def one(server, ident):
    answer = server.admin(path="/challenges/" + ident)
    assert answer.status == 200, answer
    return json.loads(answer.body)


def extend(server, ident, **members):
    return server.admin("PATCH", "/challenges/" + ident, body=members)


def enrol(server, keys, secret, profile="default", path=None):
    endpoint = server.endpoint(profile, path)
    key = keys.rsa()
    return endpoint.send(endpoint.request(key, make_csr(key, secret),
                                          keys.signer()))


# -------------------------------------------------------------------- seeing

def test_a_row_shows_state_and_bindings_and_no_secret(own):
    found = own.issue("short", subject="CN=x", sans=["dns:x"], device="D",
                      network="192.0.2.0/24", uses=3, note="Büro")
    answer = own.admin()
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert found["challenge"].encode() not in answer.body
    listing = json.loads(answer.body)
    assert set(listing) == {"challenges", "capacity", "live"}
    # a database has no capacity of its own
    assert listing["capacity"] in (0, 100000)
    row, = [r for r in listing["challenges"] if r["id"] == found["id"]]
    created = row.pop("created")
    assert created < row["expires"]
    assert row == {
        "id": found["id"], "state": "issued", "profile": "short",
        "expires": found["expires"], "requester": "127.0.0.1",
        "bound": ["profile", "subject", "sans", "device", "network"],
        "reusable": False, "uses_left": 3, "note": "Büro"}
    assert one(own, found["id"]) == {**row, "created": created}


def test_a_reusable_one_has_no_count(own):
    row = one(own, own.issue(subject="CN=x", reusable=True)["id"])
    assert row["reusable"] is True and "uses_left" not in row


def test_uses_left_goes_down(own, keys):
    found = own.issue(uses=2)
    enrol(own, keys, found["challenge"]).check_issued(keys.rsa())
    row = one(own, found["id"])
    assert (row["state"], row["uses_left"]) == ("issued", 1)
    single = own.issue()
    assert one(own, single["id"])["uses_left"] == 1
    enrol(own, keys, single["challenge"]).check_issued(keys.rsa())
    assert one(own, single["id"])["uses_left"] == 0


def test_live_counts(own):
    before = get(own)["live"]
    found = own.issue()
    assert get(own)["live"] == before + 1
    own.admin("DELETE", "/challenges/" + found["id"])
    assert get(own)["live"] == before


@pytest.mark.parametrize("path", ["0000000000000000", "x", "f" * 200,
                                  "ffffffffffffffff", "0/0",
                                  "FFFFFFFFFFFFFFFF", "%C3%A4"])
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_what_is_not_there_is_404(own, method, path):
    body = {"ttl": 60} if method == "PATCH" else None
    problem(own.admin(method, "/challenges/" + path, body=body), 404)


# ----------------------------------------------------------- filters and pages

def test_filters(own, keys):
    spent, revoked, issued = (own.issue("short") for _ in range(3))
    enrol(own, keys, spent["challenge"],
          path="/short").check_issued(keys.rsa())
    own.admin("DELETE", "/challenges/" + revoked["id"])
    assert issued["id"] in ids(own, "?state=issued")
    assert spent["id"] in ids(own, "?state=spent")
    assert revoked["id"] in ids(own, "?state=revoked")
    for state in ("claimed", "expired"):
        assert not ids(own, "?state=" + state)
    assert {row["profile"] for row in
            get(own, "?profile=short")["challenges"]} == {"short"}
    both = get(own, "?state=spent&profile=short")["challenges"]
    assert {(row["state"], row["profile"]) for row in both} == {
        ("spent", "short")}
    assert ids(own, "?requester=127.0.0.1") == ids(own)
    assert ids(own, "?requester=127%2e0.0.1") == ids(own)
    assert not ids(own, "?requester=nobody")
    assert not ids(own, "?requester=127.0.0.")
    assert ids(own, "?") == ids(own)


def test_pages_have_every_row_once(own):
    for _ in range(25):
        own.issue()
    whole = ids(own)
    assert whole == sorted(whole) and len(set(whole)) == len(whole) >= 25
    pages, query = [], "?limit=10"
    while True:
        page = get(own, query)
        pages.append([row["id"] for row in page["challenges"]])
        if "next" not in page:
            break
        assert page["next"] == pages[-1][-1] and len(pages[-1]) == 10
        query = "?limit=10&after=" + page["next"]
    assert sum(pages, []) == whole


def test_a_page_that_ends_with_the_last_row_has_no_next(own):
    own.issue()
    count = len(ids(own))
    assert "next" not in get(own, "?limit=%d" % count)
    if count > 1:
        assert "next" in get(own, "?limit=%d" % (count - 1))
    last = ids(own)[-1]
    assert get(own, "?after=" + last)["challenges"] == []


def test_filters_hold_over_pages(own):
    for _ in range(3):
        own.issue("short")
        own.issue("default")
    wanted = ids(own, "?profile=short")
    page = get(own, "?profile=short&limit=1")
    assert [row["id"] for row in page["challenges"]] == wanted[:1]
    assert ids(own, "?profile=short&after=" + page["next"]) == wanted[1:]


def test_a_page_is_a_thousand_unless_asked(make_server):
    server = make_server("ScepChallengeStore shm:many(20000)\n"
                         "LogLevel warn")

    def issue():
        for _ in range(260):
            server.issue()

    threads = [threading.Thread(target=issue) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    page = get(server)
    assert len(page["challenges"]) == 1000 and "next" in page
    rest = get(server, "?after=" + page["next"])
    assert len(rest["challenges"]) == 40 and "next" not in rest
    assert len(get(server, "?limit=10000")["challenges"]) == 1040


@pytest.mark.parametrize("query,word", [
    ("nothing=1", "nothing"), ("State=issued", "State"), ("=1", "parameter"),
    ("state=live", "state"), ("state=none", "state"), ("state=", "state"),
    ("state", "state"), ("profile=nowhere", "nowhere"), ("profile=", ""),
    ("limit=0", "limit"), ("limit=10001", "10000"), ("limit=-1", "limit"),
    ("limit=x", "limit"), ("limit=", "limit"), ("limit=1e3", "limit"),
    ("limit=99999999999999999999", "limit"), ("after=", "after"),
    ("after=x", "after"), ("after=000000000000000G", "after"),
    ("state=issued&state=issued", "twice"), ("limit=1&limit=2", "twice"),
    ("state=%zz", "escape"), ("state=%00", "escape"), ("state=%ff", "state"),
    ("%ff=1", "parameter"), ("requester=a&requester=b", "twice"),
    ("a=1&&b=2", "parameter")])
def test_a_wrong_query_is_400(own, query, word):
    problem(own.admin(path="/challenges?" + query), 400, word)


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_a_query_for_one_is_400(own, method):
    found = own.issue()
    body = {"ttl": "2h"} if method == "PATCH" else None
    problem(own.admin(method, "/challenges/%s?x=1" % found["id"], body=body),
            400, "query")
    assert one(own, found["id"])["state"] == "issued"


# ----------------------------------------------------------------- extending

def test_extend_counts_from_now(own):
    found = own.issue(ttl=60)
    answer = extend(own, found["id"], ttl="2h")
    assert answer.status == 200
    row = json.loads(answer.body)
    assert 7190 <= expires(row) <= 7201
    assert row == one(own, found["id"])
    assert "challenge" not in row
    assert any("SCEP0128" in line.raw for line in own.log.outcomes())


def test_extend_to_an_earlier_time_is_409(own):
    found = own.issue(ttl="1h")
    for ttl in (60, "59min"):
        problem(extend(own, found["id"], ttl=ttl), 409, found["id"])
    assert one(own, found["id"])["expires"] == found["expires"]


def test_extend_goes_up_to_the_profiles_cap_in_all(own):
    found = own.issue("short")
    problem(extend(own, found["id"], ttl="11min"), 400, "ttl", "short")
    assert extend(own, found["id"], ttl="9min").status == 200
    created = one(own, found["id"])["created"]
    answer = extend(own, found["id"], ttl=601)
    text = problem(answer, 400, "ttl")
    # the time that it names is the last one that can be had
    form = "%Y-%m-%dT%H:%M:%SZ"
    last = (datetime.datetime.strptime(created, form)
            + datetime.timedelta(minutes=10))
    assert last.strftime(form) in text["detail"]


@pytest.mark.parametrize("body,word", [
    ({}, "ttl"), ({"ttl": 60, "uses": 2}, "uses"), ({"ttl": None}, "ttl"),
    ({"ttl": 0}, "second"), ({"ttl": -1}, "second"), ({"ttl": "x"}, "time"),
    ({"ttl": 1.5}, "ttl"), ({"ttl": True}, "ttl"), ({"ttl": []}, "ttl"),
    ({"ttl": 2 ** 63 - 1}, "ttl"), ({"ttl": "99999999d"}, "ttl"),
    ({"ttl": "8d"}, "ttl"), ({"subject": "CN=x"}, "subject")])
def test_a_wrong_extension_is_400(own, body, word):
    found = own.issue()
    problem(extend(own, found["id"], **body), 400, word)
    assert one(own, found["id"])["expires"] == found["expires"]


def test_what_is_not_live_cannot_be_extended(own, keys):
    spent, revoked = own.issue(), own.issue()
    enrol(own, keys, spent["challenge"]).check_issued(keys.rsa())
    own.admin("DELETE", "/challenges/" + revoked["id"])
    for found in (spent, revoked):
        problem(extend(own, found["id"], ttl="2h"), 409, "live")


def test_extend_needs_json(own):
    found = own.issue()
    path = "/challenges/" + found["id"]
    problem(own.admin("PATCH", path, body="{}", content_type="text/plain"),
            415)
    problem(own.admin("PATCH", path, body="{"), 400)
    problem(own.admin("PATCH", path, body={"ttl": "2h"},
                      Origin="http://evil.example"), 403)


def test_an_extended_one_is_good_after_its_first_expiry(own, keys):
    """Also over a restart: extension is in the store."""
    found = own.issue(ttl=2)
    assert extend(own, found["id"], ttl="1h").status == 200
    own.restart()
    wait_until(lambda: expires(found) < 0)
    assert expires(one(own, found["id"])) > 3500
    enrol(own, keys, found["challenge"]).check_issued(keys.rsa())


# ------------------------------------------------------------------ revoking

def test_revoke_once(own):
    found = own.issue()
    path = "/challenges/" + found["id"]
    assert own.admin("DELETE", path).status == 204
    assert one(own, found["id"])["state"] == "revoked"
    problem(own.admin("DELETE", path), 404, "live")
