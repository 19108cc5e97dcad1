"""The challenge cache behind a real httpd: once, for one device, for a time.

SPDX-License-Identifier: Apache-2.0
"""
import concurrent.futures
import http.client
import json
import os
import struct
import time

import pytest

import der
import pki
import stores
from gateway import make_csr
from outages import OUTAGES
from pki import dns, email, ip, name
from pkimessage import BAD_REQUEST, FAILURE, SUCCESS

SPENT = "SCEP0103"


class Device:
    """One key that tries challenges against one server."""

    def __init__(self, server, keys, profile="default", number=0):
        self.endpoint = server.endpoint(profile)
        self.key = keys.rsa(number=number)
        self.signer = keys.signer(number)

    def message(self, secret, **csr):
        return self.endpoint.request(
            self.key, make_csr(self.key, secret, **csr), self.signer)

    def tries(self, secret, **csr):
        reply = self.endpoint.send(self.message(secret, **csr))
        if reply.status == SUCCESS:
            reply.check_issued(self.key)
        else:
            assert (reply.status, reply.fail_info) == (FAILURE, BAD_REQUEST)
        return reply.status == SUCCESS


@pytest.fixture
def device(server, keys):
    return Device(server, keys)


# --------------------------------------------------------------- once only

def test_once_only(server, device, log):
    found = server.issue()
    assert server.state(found["id"]) == "issued"
    assert device.tries(found["challenge"])
    assert server.state(found["id"]) == "spent"
    log.expect(SPENT)
    assert not device.tries(found["challenge"])
    assert not device.tries(found["challenge"])


def test_c70_one_winner_of_100_parallel_requests(server, keys, log):
    secret = server.challenge()
    devices = [Device(server, keys, number=n) for n in range(4)]
    messages = []
    for turn in range(100):
        one = devices[turn % 4]
        built = one.message(secret)
        messages.append((one, built, built.build()))
    devices[0].endpoint.identity

    def send(item):
        one, built, data = item
        one.endpoint.identity = devices[0].endpoint.identity
        return one.endpoint.send(built, data=data).status

    with concurrent.futures.ThreadPoolExecutor(25) as pool:
        statuses = list(pool.map(send, messages))
    assert statuses.count(SUCCESS) == 1
    assert statuses.count(FAILURE) == 99
    if SPENT in log.raw():
        log.expect(SPENT)
    issued = [line for line in log.outcomes() if "SCEP0100" in line.text]
    assert len(issued) == 1


def test_r57_30_identical_requests_get_one_certificate(server, keys, log):
    one = Device(server, keys)
    built = one.message(server.challenge())
    data = built.build()
    one.endpoint.identity
    with concurrent.futures.ThreadPoolExecutor(15) as pool:
        replies = list(pool.map(
            lambda _: one.endpoint.send(built, data=data), range(30)))
    made = {reply.cert for reply in replies if reply.status == SUCCESS}
    assert len(made) == 1
    assert one.endpoint.send(built, data=data).cert in made
    if SPENT in log.raw():
        log.expect(SPENT)


def test_many_devices_at_once_each_with_its_own(server, keys):
    devices = [Device(server, keys, number=n) for n in range(4)]
    work = [(devices[n % 4], server.challenge()) for n in range(40)]
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        done = list(pool.map(lambda item: item[0].tries(item[1]), work))
    assert all(done)


def test_q21_letter_case_and_blanks_are_not_forgiven(server, device):
    secret = server.challenge()
    for wrong in (secret.lower(), " " + secret, secret + " ", secret[:-1],
                  secret + "0"):
        if wrong != secret:
            assert not device.tries(wrong)
    assert device.tries(secret)


def test_c42_alphabet_of_challenges(server):
    secrets = {server.challenge() for _ in range(20)}
    assert len(secrets) == 20
    for secret in secrets:
        assert len(secret) == 32
        assert set(secret) <= set("0123456789ABCDEF")


# ---------------------------------------------------------------- bindings

def test_bound_to_its_profile(server, device, keys):
    secret = server.challenge("absent")
    assert not device.tries(secret)
    other = Device(server, keys)
    other.endpoint = server.endpoint("absent", absent=True)
    assert other.tries(secret)


SUBJECT = name(("C", "CH"), ("O", "Example"), ("CN", "host"))


@pytest.mark.parametrize("text", [
    "CN=host,O=Example,C=CH", "C=CH,O=Example,CN=host", "/C=CH/O=Example/"
    "CN=host", "CN = host, O = Example, C = CH"])
def test_bound_to_a_subject_however_it_is_written(server, device, text):
    found = server.issue(subject=text)
    for wrong in (name(("CN", "host")), name(("CN", "other")),
                  name(("C", "CH"), ("O", "Example"), ("CN", "Host")),
                  name(("C", "CH"), ("O", "Example"), ("CN", "host"),
                       ("OU", "x")),
                  name(("O", "CH"), ("C", "Example"), ("CN", "host"))):
        assert not device.tries(found["challenge"], subject=wrong)
    assert server.state(found["id"]) == "issued"
    assert device.tries(found["challenge"], subject=SUBJECT)


def test_subject_matches_across_string_types(server, device):
    for tag in (der.PRINTABLE, der.UTF8, der.BMP, der.T61):
        secret = server.challenge(subject="CN=host")
        assert device.tries(secret, subject=name(("CN", "host", tag)))


def test_bound_to_a_set_of_sans(server, device):
    found = server.issue(sans=["dns:a.example", "ip:192.0.2.1",
                               "email:x@b.example"])
    right = [dns("a.example"), ip("192.0.2.1"), email("x@b.example")]
    for wrong in (right[:2], right[1:], [], right + [dns("c.example")],
                  [dns("b.example"), *right[1:]],
                  [dns("a.example"), ip("192.0.2.2"), right[2]]):
        assert not device.tries(found["challenge"], sans=wrong)
    assert server.state(found["id"]) == "issued"
    assert device.tries(found["challenge"], sans=[
        right[2], dns("A.Example"), right[1]])


def test_bound_to_no_san_at_all(server, device):
    secret = server.challenge(sans=[])
    assert not device.tries(secret, sans=[dns("a.example")])
    assert device.tries(secret)


def test_unbound_takes_any_name(server, device):
    assert device.tries(server.challenge(), subject=SUBJECT,
                        sans=[dns("whatever.example")])


@pytest.mark.parametrize("subject,good", [
    (name(("CN", "4711-AB")), True), (name(("CN", "4711-ab")), True),
    (name(("CN", "host"), ("SN", "4711-AB")), True),
    (name(("CN", "4711-ABC")), False), (name(("CN", "711-AB")), False),
    (name(("OU", "4711-AB"), ("CN", "host")), False)])
def test_bound_to_a_device(server, device, subject, good):
    found = server.issue(device="4711-Ab")
    assert device.tries(found["challenge"], subject=subject) == good
    assert server.state(found["id"]) == ("spent" if good else "issued")


@pytest.mark.parametrize("network,good", [
    ("127.0.0.1", True), ("127.0.0.0/8", True), ("0.0.0.0/0", True),
    ("127.0.0.0/32", False), ("127.0.0.2", False), ("128.0.0.0/1", False),
    ("192.0.2.0/24", False), ("::1", False), ("::/0", True),
    ("2001:db8::/32", False)])
def test_bound_to_a_network(server, device, network, good):
    found = server.issue(network=network)
    assert device.tries(found["challenge"]) == good
    assert server.state(found["id"]) == ("spent" if good else "issued")


# ------------------------------------------------------------ several uses

def test_so_many_uses_and_no_more(server, device, log):
    found = server.issue(uses=3)
    for _ in range(3):
        assert server.state(found["id"]) == "issued"
        assert device.tries(found["challenge"])
    assert server.state(found["id"]) == "spent"
    log.expect(SPENT)
    assert not device.tries(found["challenge"])


def test_a_race_for_several_uses_has_so_many_winners(server, keys, log):
    log.allow(SPENT)
    devices = [Device(server, keys, number=n) for n in range(4)]
    for _ in range(3):
        secret = server.challenge(uses=5)
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            # of one key and one name, it would be one enrolment
            done = list(pool.map(lambda n, secret=secret: devices[n % 4].tries(
                secret, subject=pki.name(("CN", "device %d" % n))),
                range(12)))
        assert done.count(True) == 5


def test_what_policy_refuses_takes_no_use(server, device):
    found = server.issue(uses=2)
    for _ in range(3):
        assert not device.tries(found["challenge"], sans=[
            pki.upn("boss@example")])
    assert device.tries(found["challenge"])
    assert device.tries(found["challenge"])
    assert server.state(found["id"]) == "spent"


def test_a_reusable_one_is_good_for_its_subject_until_revoked(server, device):
    found = server.issue(subject="CN=device", reusable=True)
    for _ in range(3):
        assert device.tries(found["challenge"])
        assert not device.tries(found["challenge"], subject=SUBJECT)
    assert server.admin("DELETE", "/challenges/" + found["id"]).status == 204
    assert not device.tries(found["challenge"])


# ---------------------------------------------------------- expiry, refusal

def test_expiry(server, device):
    found = server.issue(ttl=2)
    time.sleep(3.1)
    assert not device.tries(found["challenge"])
    assert server.state(found["id"]) in ("expired", None)


def test_revocation(server, device):
    found = server.issue()
    assert server.admin("DELETE", "/challenges/" + found["id"]).status == 204
    assert not device.tries(found["challenge"])
    assert server.state(found["id"]) in ("revoked", None)
    again = server.admin("DELETE", "/challenges/" + found["id"])
    assert again.status == 404


def test_a_spent_challenge_cannot_be_revoked(server, device):
    found = server.issue()
    assert device.tries(found["challenge"])
    assert server.admin("DELETE",
                        "/challenges/" + found["id"]).status in (404, 409)
    assert server.state(found["id"]) == "spent"


def test_refused_by_policy_the_challenge_stays_good(server, device):
    found = server.issue()
    assert not device.tries(found["challenge"], sans=[
        pki.upn("boss@example")])
    assert server.state(found["id"]) == "issued"
    assert device.tries(found["challenge"])


# -------------------------------------------------------------- persistence

@pytest.fixture(params=["event", "prefork"])
def own(request, make_server):
    """A server of one test's own, its challenges in a table."""
    return make_server(mpm=request.param)


@pytest.fixture(params=stores.MPMS + stores.DATABASES)
def any_store(request, make_on):
    """A server of one test's own on every store."""
    return make_on(request.param)


@pytest.mark.parametrize("how", OUTAGES)
def test_c77_challenges_outlive(any_store, keys, how):
    own = any_store
    device = Device(own, keys)
    good, spent, revoked, bound = (own.issue(), own.issue(), own.issue(),
                                   own.issue(subject="CN=bound"))
    assert device.tries(spent["challenge"])
    own.admin("DELETE", "/challenges/" + revoked["id"])
    before = own.listing()
    how(own)
    device = Device(own, keys)
    rows = {row["id"]: row for row in own.listing()["challenges"]}
    assert rows == {row["id"]: row for row in before["challenges"]}
    own.log.expect(SPENT)
    assert not device.tries(spent["challenge"])
    assert not device.tries(revoked["challenge"])
    assert not device.tries(bound["challenge"])
    assert device.tries(good["challenge"])
    assert device.tries(bound["challenge"], subject=name(("CN", "bound")))
    assert not device.tries(good["challenge"])
    assert device.tries(own.challenge())


def test_c77_graceful_under_load_loses_nothing(any_store, keys):
    own = any_store
    device = Device(own, keys)
    device.endpoint.identity
    secrets = [own.challenge() for _ in range(60)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        running = [pool.submit(device.tries, secret,
                               subject=pki.name(("CN", "device %d" % n)))
                   for n, secret in enumerate(secrets)]
        for _ in range(3):
            own.reload()
        assert all(future.result() for future in running)


def state_files(server):
    """Sizes of what the store keeps, by name."""
    return {path: path.stat().st_size for path in
            (server.dir / "state").iterdir() if path.is_file()}


def test_the_state_is_private(own, keys):
    directory = own.dir / "state"
    assert directory.stat().st_mode & 0o777 == 0o700
    for path in state_files(own):
        assert path.stat().st_mode & 0o077 == 0, path


def test_r36_the_secret_stands_nowhere(any_store, keys):
    own = any_store
    secrets = [own.challenge() for _ in range(5)]
    device = Device(own, keys)
    assert device.tries(secrets[0])
    own.stop()
    assert not own.files_with_secrets()


def _key_and_table(server):
    """The small file is the key, the large one the table."""
    files = sorted(state_files(server).items(), key=lambda item: item[1])
    return files[0][0], files[-1][0]


def test_a_table_of_another_key_is_refused(own):
    own.challenge()
    own.stop()
    key, table = _key_and_table(own)
    content = key.read_bytes()
    saved = table.read_bytes()
    key.write_bytes(bytes(byte ^ 0x5a for byte in content))
    text = own.refuses_to_start("key")
    assert str(table.name) in text or str(key.name) in text
    # nothing was overwritten: with the old key all is well again
    assert table.read_bytes() == saved
    key.write_bytes(content)
    own.start()
    assert own.listing()["live"] == 1


def test_a_table_without_its_key_is_refused(own):
    own.challenge()
    own.stop()
    key, table = _key_and_table(own)
    content = key.read_bytes()
    key.unlink()
    own.refuses_to_start("key")
    key.write_bytes(content)
    key.chmod(0o600)
    own.start()
    assert own.listing()["live"] == 1


def test_a_table_of_another_version_is_refused(own):
    own.challenge()
    own.stop()
    _, table = _key_and_table(own)
    content = table.read_bytes()
    # the version follows the magic; whichever field it is, it is not ours
    table.write_bytes(content[:8] + struct.pack("<I", 0x7fffffff)
                      + content[12:])
    own.refuses_to_start("version|table")
    table.write_bytes(content)
    own.start()
    assert own.listing()["live"] == 1


@pytest.mark.parametrize("content", [b"", b"x" * 5000, os.urandom(8192)],
                         ids=["empty", "text", "random"])
def test_a_file_that_is_no_table_is_refused(own, content):
    own.stop()
    _, table = _key_and_table(own)
    table.write_bytes(content)
    own.refuses_to_start(table.name)


def test_a_table_that_is_cut_off_is_refused(own):
    own.challenge()
    own.stop()
    _, table = _key_and_table(own)
    table.write_bytes(table.read_bytes()[:-4096])
    own.refuses_to_start("cut|short|size|smaller|truncated")


# ----------------------------------------------------------------- capacity

def test_full_is_507_and_nothing_live_is_evicted(make_server, keys):
    server = make_server("ScepChallengeStore shm:small(100)\n")
    listing = server.listing()
    assert listing["capacity"] == 100
    issued = []
    while True:
        answer = server.admin("POST", body={"profile": "default"})
        if answer.status != 201:
            break
        issued.append(json.loads(answer.body))
        server.secrets.add(issued[-1]["challenge"])
        assert len(issued) <= 200
    assert len(issued) == 100
    assert answer.status == 507
    assert answer.headers["content-type"].startswith(
        "application/problem+json")
    server.log.expect("SCEP0123")
    device = Device(server, keys)
    assert device.tries(issued[0]["challenge"])
    # one was spent: room for one more and no more
    server.challenge()
    assert server.admin("POST", body={"profile": "default"}).status == 507
    server.admin("DELETE", "/challenges/" + issued[1]["id"])
    server.challenge()
    assert device.tries(issued[99]["challenge"])
    assert server.listing()["live"] == 99


def test_capacity_may_change_between_runs(make_server, keys):
    server = make_server("ScepChallengeStore shm:resized(100)\n")
    secrets = [server.challenge() for _ in range(20)]
    device = Device(server, keys)
    assert device.tries(secrets[0])
    server.stop()
    server.lines = "ScepChallengeStore shm:resized(5000)\n"
    server.start()
    assert server.listing()["capacity"] == 5000
    device = Device(server, keys)
    assert all(device.tries(secret) for secret in secrets[1:])


def test_two_stores_of_different_names_share_nothing(make_server, keys):
    server = make_server("ScepChallengeStore shm:one(100)\n")
    found = server.issue()
    server.stop()
    server.lines = "ScepChallengeStore shm:two(100)\n"
    server.start()
    assert server.listing()["live"] == 0
    assert not Device(server, keys).tries(found["challenge"])
    server.stop()
    server.lines = "ScepChallengeStore shm:one(100)\n"
    server.start()
    assert Device(server, keys).tries(found["challenge"])


def test_children_killed_in_the_middle_of_enrolments(any_store, keys):
    """Whatever a killed child held comes back; nothing is issued twice."""
    server = any_store
    device = Device(server, keys)
    device.endpoint.identity
    secrets = [server.challenge() for _ in range(60)]

    def attempt(secret):
        try:
            return device.tries(secret)
        except (OSError, http.client.HTTPException):
            return None

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        running = [pool.submit(attempt, secret) for secret in secrets]
        for _ in range(4):
            time.sleep(0.08)
            for pid in server.children():
                try:
                    server.kill(pid)
                except ProcessLookupError:
                    pass
        results = [future.result() for future in running]
    assert False not in results
    listing = server.listing()
    assert len(listing["challenges"]) <= 60
    states = {row["state"] for row in listing["challenges"]}
    assert states <= {"issued", "claimed", "spent"}
    spent = [r for r in listing["challenges"] if r["state"] == "spent"]
    assert len(spent) >= results.count(True)
    lines = [line for line in server.log.lines() if "SCEP0100" in line.text]
    assert len(lines) <= len(spent)
    assert device.tries(server.challenge())
