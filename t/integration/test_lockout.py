"""ScepLockout: who is refused too often waits, whoever asks beside him not.

SPDX-License-Identifier: Apache-2.0
"""
import concurrent.futures
import http.client
import re
import shutil
import time

import pytest

import gateway
from configuration import GOOD, Configuration
from gateway import wait_until
from pki import dns, extension, name, subject_alt_name
from pkimessage import FAILURE, SENDER_NONCE, SUCCESS

LOCKED = "SCEP0147"
REMOTE = """\
LoadModule remoteip_module modules/mod_remoteip.so
RemoteIPHeader X-Client
RemoteIPInternalProxy 127.0.0.1
LogLevel warn scep:debug
LogFormat "%%a %%>s %%{scep-reason}n" notes
CustomLog notes.log notes
%s
"""
WRONG = "0123456789ABCDEF0123456789ABCDEF"
ONE, OTHER = "192.0.2.1", "192.0.2.2"


class Client:
    """A device that comes from an address of its own."""

    def __init__(self, server, keys, address, path=None):
        self.address = address
        self.key = keys.rsa()
        self.signer = keys.signer()
        self.endpoint = server.endpoint(path=path)

    def message(self, challenge=WRONG, csr=None, **members):
        return self.endpoint.request(
            self.key, gateway.make_csr(self.key, challenge, **(csr or {})),
            self.signer, **members)

    def post(self, data):
        return self.endpoint.post(data, **{"X-Client": self.address})

    def send(self, challenge=WRONG, csr=None, **members):
        message = self.message(challenge, csr, **members)
        response = self.post(message.build())
        assert response.status == 200, response
        return self.endpoint.read(response, message).status

    def refused(self, times):
        for _ in range(times):
            assert self.send() == FAILURE

    @property
    def locked(self):
        """What is no message by GET is answered with 400, and not counted."""
        answer = gateway.scepclient.request(
            self.endpoint.url + "?operation=PKIOperation",
            headers={"X-Client": self.address})
        assert answer.status in (400, 429)
        return answer.status == 429


@pytest.fixture
def lockout(make_server, keys):
    """A server with ScepLockout, and what makes its clients."""
    def make(words, **options):
        server = make_server(REMOTE % ("ScepLockout " + words), **options)

        def client(address=ONE, path=None):
            return Client(server, keys, address, path)

        return server, client
    return make


# ------------------------------------------------------------ who is locked

@pytest.mark.parametrize("mpm", ["event", "prefork"])
def test_the_nth_refusal_locks_and_says_so_once(lockout, mpm):
    server, client = lockout("3 1h", mpm=mpm)
    one = client()
    one.refused(2)
    assert not one.locked
    server.log.expect(LOCKED + r": 192\.0\.2\.1 is locked out for 3600 s "
                      "after 3 refusals.*profile default: bad-challenge")
    one.refused(1)
    for _ in range(3):
        answer = one.post(one.message(server.challenge()).build())
        assert answer.status == 429
        assert 3590 < int(answer.headers["retry-after"]) <= 3601
        assert answer.headers["content-type"] == "text/plain"
    assert server.log.raw().count(LOCKED) == 1


def test_the_ca_stays_known_to_whom_is_locked(lockout):
    server, client = lockout("1 1h")
    server.log.expect(LOCKED)
    one = client()
    one.refused(1)
    for operation in ("GetCACaps", "GetCACert"):
        answer = gateway.scepclient.request(
            one.endpoint.url + "?operation=" + operation,
            headers={"X-Client": ONE})
        assert answer.status == 200
    assert one.locked


def test_a_good_challenge_of_another_address_is_granted(lockout):
    server, client = lockout("2 1h")
    server.log.expect(LOCKED)
    client().refused(2)
    assert client().locked
    assert client(OTHER).send(server.challenge()) == SUCCESS


def test_a_locked_one_gets_no_work_done(lockout):
    server, client = lockout("1 1h")
    server.log.expect(LOCKED)
    one = client()
    found = server.issue()
    one.refused(1)
    assert one.post(one.message(found["challenge"]).build()).status == 429
    assert server.state(found["id"]) == "issued"
    assert client(OTHER).send(found["challenge"]) == SUCCESS


def test_a_locked_one_may_go_on_with_its_connection(lockout):
    server, client = lockout("1 1h")
    server.log.expect(LOCKED)
    client().refused(1)
    connection = http.client.HTTPConnection("127.0.0.1", server.port,
                                            timeout=30)
    path = "/cgi-bin/pkiclient.exe?operation="
    for _ in range(3):
        for query, body, status in (("PKIOperation", b"x" * 60000, 429),
                                    ("GetCACaps", None, 200)):
            connection.request("POST" if body else "GET", path + query, body,
                               {"X-Client": ONE})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == status
    connection.close()


def test_ipv6_is_locked_by_the_network_of_64_bits(lockout):
    server, client = lockout("3 1h")
    server.log.expect(LOCKED + r": 2001:db8:0:1::/64 is locked out")
    for host in ("::1", "::ffff:1", ":a:b:c:d"):
        client("2001:db8:0:1" + host).refused(1)
    assert client("2001:db8:0:1:ffff::9").locked
    assert not client("2001:db8:0:2::1").locked


def test_an_ipv4_address_in_ipv6_is_the_same(lockout):
    server, client = lockout("2 1h")
    server.log.expect(LOCKED + r": 192\.0\.2\.1 ")
    client().refused(1)
    client("::ffff:192.0.2.1").refused(1)
    assert client().locked
    assert not client("::ffff:192.0.2.2").locked


def test_one_address_beside_many(lockout):
    server, client = lockout("2 1h")
    server.log.expect(LOCKED)
    for n in range(10, 30):
        client("192.0.2.%d" % n).refused(1)
    client("192.0.2.20").refused(1)
    locked = [n for n in range(10, 30) if client("192.0.2.%d" % n).locked]
    assert locked == [20]


# -------------------------------------------------------------- what counts

COUNTED = {
    "wrong challenge": {},
    "no challenge": {"challenge": None},
    "spoilt signature": {"spoil_signature": True},
    "spoilt envelope": {"spoil_envelope": "key"},
    "no senderNonce": {"attributes": {SENDER_NONCE: None}},
    "two subjectAltNames": {"csr": {"extensions": [
        subject_alt_name(dns("a")), subject_alt_name(dns("b"))]}},
}


@pytest.mark.parametrize("kind", COUNTED)
def test_counted_is(lockout, kind):
    server, client = lockout("2 1h")
    server.log.expect(LOCKED)
    one = client()
    for _ in range(2):
        assert not one.locked
        answer = one.post(one.message(**COUNTED[kind]).build())
        assert answer.status == 200
    assert one.locked


def test_counted_is_a_spent_challenge(lockout):
    server, client = lockout("2 1h")
    server.log.expect(LOCKED + ".*spent-challenge", "SCEP0103")
    secret = server.challenge()
    assert client(OTHER).send(secret) == SUCCESS
    for _ in range(2):
        assert client().send(secret) == FAILURE
    assert client().locked


def test_counted_is_what_is_no_message(lockout):
    server, client = lockout("2 1h")
    server.log.expect(LOCKED)
    one = client()
    assert one.post(b"no CMS").status == 400
    assert gateway.scepclient.request(
        one.endpoint.url + "?operation=PKIOperation&message=!",
        headers={"X-Client": ONE}).status == 400
    assert one.locked


def test_not_counted_is_what_a_proven_device_may_not_have(lockout):
    server, client = lockout("1 1h")
    one = client()
    for csr in ({"subject": name()}, {"digest": "md5"},
                {"extensions": [extension("1.2.3.4", b"\5\0", True)]}):
        assert one.send(server.challenge(), csr=csr) == FAILURE
    assert one.send(server.challenge(), message_type="20") == FAILURE
    data = one.message(server.challenge(), digest="md5").build()
    assert one.post(data).status == 200
    assert not one.locked
    assert one.send(server.challenge()) == SUCCESS


def test_not_counted_is_a_verifier_that_is_down(lockout):
    server, client = lockout("""1 1h
<ScepProfile hook>
    ScepCA issuing
    ScepRACertificate pki/ra.pem
    ScepRAKey pki/ra.key
    ScepVerify webhook
    ScepWebhook https://127.0.0.1:%d/
    ScepWebhookSecret id file:hook-key
</ScepProfile>
<Location "/hook">
    SetHandler scep
    ScepProfile hook
    Require all granted
</Location>""" % gateway.free_port(), start=False)
    (server.dir / "hook-key").write_text("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz\n")
    (server.dir / "hook-key").chmod(0o600)
    server.start()
    one = client(path="/hook")
    server.log.expect("SCEP0104: no certificate, verifier-down")
    for _ in range(3):
        assert one.post(one.message().build()).status == 503
    assert not one.locked


def test_refusals_further_apart_than_the_time_do_not_add_up(lockout):
    server, client = lockout("2 1s 1h")
    for _ in range(3):
        client().refused(1)
        time.sleep(2.1)
    assert not client().locked


# -------------------------------------------------------- how long it lasts

def test_it_ends_and_begins_at_nought(lockout):
    server, client = lockout("2 1h 2s")
    server.log.expect(LOCKED)
    client().refused(2)
    answer = client().post(b"")
    assert answer.status == 429
    assert 1 <= int(answer.headers["retry-after"]) <= 4
    wait_until(lambda: not client().locked, step=0.2)
    client().refused(1)
    assert not client().locked
    assert client().send(server.challenge()) == SUCCESS


def test_requests_while_it_lasts_do_not_make_it_longer(lockout):
    server, client = lockout("1 1h 3s")
    server.log.expect(LOCKED)
    client().refused(1)
    waits = []
    while client().locked:
        answer = client().post(b"no CMS")
        if answer.status == 429:
            waits.append(int(answer.headers["retry-after"]))
        time.sleep(0.2)
        assert len(waits) < 100
    assert waits == sorted(waits, reverse=True) and len(waits) > 3


@pytest.mark.parametrize("how", ["reload", "restart", "kill"])
def test_it_outlives(lockout, how):
    server, client = lockout("3 1h")
    client(OTHER).refused(2)
    server.log.expect(LOCKED)
    client().refused(3)
    server.log.verify()
    server.log.mark()
    if how == "kill":
        server.kill(server.pid, *server.children())
        server.log.allow("AH00050", "AH00052")
        server.restart()
    else:
        getattr(server, how)()
    assert client().locked
    server.log.expect(LOCKED + r": 192\.0\.2\.2")
    client(OTHER).refused(1)
    assert client(OTHER).locked


def test_a_reload_with_another_number(lockout):
    server, client = lockout("10 1h")
    client().refused(4)
    client(OTHER).refused(1)
    server.lines = server.lines.replace("ScepLockout 10", "ScepLockout 5")
    server.reload()
    assert not client().locked
    server.log.expect(LOCKED + ".*after 5 refusals")
    client().refused(1)
    assert client().locked
    server.log.verify()
    server.log.mark()
    server.lines = server.lines.replace("ScepLockout 5 1h", "ScepLockout off")
    server.reload()
    assert not client().locked


def everything_logged(server):
    return (server.dir / "error.log").read_text()


@pytest.mark.parametrize("damage, why", [
    (lambda octets: octets[:5000], "cut off"),
    (lambda octets: b"x" + octets[1:], "no table of counts"),
    (lambda octets: b"", "no table of counts"),
    (lambda octets: octets[:8] + b"\x09" + octets[9:], "another version"),
])
def test_a_damaged_file_is_replaced_and_said(lockout, damage, why):
    server, client = lockout("1 1h")
    server.log.expect(LOCKED)
    client().refused(1)
    server.log.verify()
    server.stop()
    path = server.dir / "state" / "counters.map"
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    server.startup.append("SCEP0140")
    server.log.mark()
    server.restart()
    assert re.search("SCEP0140: .*counters.map is replaced.*" + why,
                     everything_logged(server))
    assert not client().locked
    assert path.stat().st_size == len(whole)
    assert path.stat().st_mode & 0o777 == 0o600


def test_where_the_file_cannot_be_used_it_holds_until_the_stop(lockout):
    server, client = lockout("1 1h", start=False)
    (server.dir / "state" / "counters.map").mkdir(parents=True)
    server.startup.append("SCEP0141")
    server.start()
    assert re.search("SCEP0141: .*counters.map cannot be used",
                     everything_logged(server))
    server.log.expect(LOCKED)
    client().refused(1)
    assert client().locked
    server.log.verify()
    server.log.mark()
    server.reload()
    assert client().locked


# --------------------------------------------------------------- in parallel

@pytest.mark.parametrize("mpm", ["event", "prefork"])
def test_in_parallel_over_processes_none_is_forgotten(lockout, mpm):
    server, client = lockout("40 1h", mpm=mpm)
    one = client()
    message = one.message()
    data = message.build()

    def send(number):
        return one.post(data).status

    with concurrent.futures.ThreadPoolExecutor(13) as pool:
        assert set(pool.map(send, range(39))) == {200}
    assert not one.locked
    server.log.expect(LOCKED)
    with concurrent.futures.ThreadPoolExecutor(13) as pool:
        assert 429 in set(pool.map(send, range(39)))
    assert server.log.raw().count(LOCKED) == 1


# ----------------------------------------------------------- where it stands

def test_in_a_location_alone(lockout):
    server, client = lockout("""1 1h
<Location "/lax">
    SetHandler scep
    ScepProfile default
    ScepLockout off
    Require all granted
</Location>
<Location "/scep">
    SetHandler scep
    ScepProfile default
    Require all granted
</Location>""")
    client(path="/lax").refused(3)
    assert not client().locked
    server.log.expect(LOCKED)
    client(path="/scep").refused(1)
    assert client().locked and client(path="/scep").locked
    assert not client(path="/lax").locked


def test_off_by_default(make_server, keys):
    server = make_server(REMOTE % "")
    one = Client(server, keys, ONE)
    one.refused(30)
    assert not one.locked


def test_noted_for_the_access_log(lockout):
    server, client = lockout("1 1h")
    server.log.expect(LOCKED)
    client().refused(1)
    assert client().locked
    notes = (server.dir / "notes.log").read_text()
    assert "192.0.2.1 429 lockout\n" in notes


@pytest.fixture(scope="module")
def configuration(keys):
    made = Configuration(keys)
    yield made
    shutil.rmtree(made.dir)


@pytest.mark.parametrize("words, complaint", [
    ("5", "give a number of refusals from 1 to 1000000 and a time"),
    ("0 1min", "give a number of refusals"),
    ("1000001 1min", "give a number of refusals"),
    ("many 1min", "give a number of refusals"),
    ("5x 1min", "give a number of refusals"),
    ("off 1min", "give a number of refusals"),
    ("5 1parsec", "'1parsec' is no time"),
    ("5 0", "one second is the least"),
    ("5 1min 10ms", "one second is the least"),
    ("5 1min 1h 1d", "takes one, two or three arguments"),
    ("", "takes one, two or three arguments"),
])
def test_configtest_finds(configuration, words, complaint):
    status, told = configuration.check(GOOD + "ScepLockout " + words + "\n")
    assert status == 1 and complaint in told and "test.conf" in told


def test_configtest_finds_it_in_a_profile(configuration):
    text = GOOD.replace("ScepValidity 365d", "ScepLockout 5 1min")
    status, told = configuration.check(text)
    assert status == 1 and "does not belong into <ScepProfile>" in told
