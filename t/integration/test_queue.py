"""A CA that is slow, hangs or is away: devices wait, and nothing is lost.

SPDX-License-Identifier: Apache-2.0
"""
import concurrent.futures

import pytest

import fleet
from fleet import Device, rows
from gateway import wait_until
from other_ca import beside, ejbca_afresh
from pkimessage import FAILURE, PENDING, SUCCESS

# fewer workers than devices that wait for the CA; and room for a child of
# before a reload, which ends its calls
FEW_WORKERS = """\
StartServers 1
ServerLimit 4
MinSpareThreads 1
MaxSpareThreads 8
ThreadsPerChild 8
MaxRequestWorkers 8
"""
PROFILE = """\
<ScepCA ejbca {name}>
    ScepCAChain pki/ca.pem
    ScepEjbcaURL {url}
    ScepEjbcaCAFile ca/tls/management.pem
    ScepEjbcaClientCertificate ca/tls/gateway.pem ca/tls/gateway.key
    ScepEjbcaCA IssuingCA
    ScepEjbcaCertificateProfile SCEP-DEVICE
    ScepEjbcaEndEntityProfile SCEP-EEP
    {ca}
</ScepCA>
<ScepProfile {name}>
    ScepCA {name}
    ScepRACertificate pki/ra.pem
    ScepRAKey pki/ra.key
    {profile}
</ScepProfile>
<Location "/p/{name}">
    SetHandler scep
    ScepProfile {name}
    Require all granted
</Location>
"""


def profile(name, ca="", more="", url="${SANDBOX_CA_URL}"):
    return PROFILE.format(name=name, ca=ca, profile=more, url=url)


MOST = 3
LINES = (FEW_WORKERS
         + profile("narrow", "ScepCAMaxConcurrent %d\n"
                   "ScepEjbcaTimeout 10min" % MOST)
         # waits for as long as a test under Valgrind takes
         + profile("patient", "ScepEjbcaTimeout 10min")
         + profile("hasty", "ScepEjbcaTimeout 1s")
         + profile("brief", more="ScepPendingLife 3s",
                   url="https://127.0.0.1:1/nobody"))

OPENS, CLOSES = "SCEP0641", "SCEP0640"
NOT_KNOWN, TOO_LATE, SPENT = "SCEP0646", "SCEP0645", "SCEP0103"

# a child that has a call to end, before it is killed
SLOW_END = "AH0004[56]"


@pytest.fixture(scope="module")
def gateway_with_ledger():
    with beside("ejbca", LINES, startup=(OPENS, NOT_KNOWN, SPENT, SLOW_END),
                ledger=True) as server:
        yield server


@pytest.fixture
def world(gateway_with_ledger, keys):
    for number in range(12):
        keys.signer(number)
    with ejbca_afresh(gateway_with_ledger, keys) as world:
        yield world


def all_at_once(calls):
    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        return [one.result() for one in [pool.submit(c) for c in calls]]


def orders(world, device=None):
    """Requests for a certificate that the CA has seen."""
    return [one for one in world.ca.requests("pkcs10enroll")
            if device is None
            or one["body"]["username"] == "scep-" + device.cn]


def has_one(world, device):
    """One certificate was made for it, and that is what it has."""
    made, = world.certificates(username="scep-" + device.cn)
    assert int(made["serial"], 16) == int(device.serial, 16)
    kept = rows(world.server, "SELECT e.state, e.settled, c.serial "
                "FROM ledger_enrolment e JOIN ledger_certificate c "
                "ON c.enrolment = e.key WHERE e.subject = 'CN=%s'"
                % device.cn)
    assert kept == [(16, 1, device.serial)]


def state_of(server, device):
    (state,), = rows(server, "SELECT state FROM ledger_enrolment "
                     "WHERE subject = 'CN=%s'" % device.cn)
    return state


# ------------------------------------------------------------ a CA that hangs

def test_while_the_ca_hangs_everybody_else_is_served(world, keys):
    devices = [Device(world.server, keys, number, "narrow")
               for number in range(12)]
    world.ca.fault("hold", times=-1)
    # all are told while the CA still holds the calls, and twice, for the
    # same request is a poll
    for _ in range(2):
        assert all_at_once([one.asks for one in devices]) == [PENDING] * 12
    assert all_at_once([one.polls for one in devices]) == [PENDING] * 12
    endpoint = world.server.endpoint("narrow")
    assert "AES" in endpoint.caps() and endpoint.ca_certificates()
    state = world.ca.state
    assert state["held"] == MOST and len(orders(world)) == MOST
    world.ca.control("DELETE", "/faults")
    world.ca.release()

    def polls():
        fleet.look_now(world.server)
        return device.polls()
    for number, device in enumerate(devices):
        device.gets_it(polls if number % 2 else device.asks)
        has_one(world, device)
    assert len(orders(world)) == 12
    assert world.ca.state["most_working"] == MOST
    assert not [line for line in world.outcomes() if "SCEP0102" in line]


def test_a_breaker_leaves_a_ca_that_hangs_alone(world, keys):
    devices = [Device(world.server, keys, number, "hasty")
               for number in range(5)]
    world.log.expect(OPENS, NOT_KNOWN)
    world.ca.fault("hang", times=-1)
    assert all_at_once([one.asks for one in devices]) == [PENDING] * 5
    wait_until(lambda: OPENS in world.log.raw())
    sent = len(orders(world))
    assert sent == 5
    late = Device(world.server, keys, 6, "hasty")
    late.is_pending()
    # nobody asks, but from time to time somebody who finds out
    assert len(orders(world, late)) <= 1
    world.ca.control("DELETE", "/faults")
    world.ca.release()
    after = Device(world.server, keys, 7, "hasty")
    after.gets_it()
    wait_until(lambda: CLOSES in world.log.raw())
    has_one(world, after)
    # it may have made a certificate: nobody sends that again
    for device in devices:
        device.is_pending()
        assert len(orders(world, device)) == 1


# ----------------------------------------------------------- a CA that is away

def test_once_the_ca_is_back_everybody_gets_it(world, keys):
    devices = [Device(world.server, keys, number) for number in range(6)]
    world.log.expect(OPENS)
    world.ca.down()
    assert all_at_once([one.asks for one in devices]) == [PENDING] * 6
    wait_until(lambda: OPENS in world.log.raw())
    for device in devices:
        assert device.polls() == PENDING
    world.ca.up()
    for number, device in enumerate(devices):
        device.gets_it(device.polls if number % 2 else device.asks)
        has_one(world, device)
    assert CLOSES in world.log.raw()
    assert len(orders(world)) == 6


@pytest.mark.parametrize("outage", fleet.OUTAGES)
def test_what_is_queued_outlives(world, keys, outage):
    device = Device(world.server, keys)
    thief = Device(world.server, keys, 1, challenge=device.challenge)
    world.log.allow(OPENS, SPENT)
    world.ca.down()
    device.is_pending()
    assert thief.asks() == FAILURE
    outage(world.server)
    world.log.allow(OPENS, SPENT)
    assert thief.asks() == FAILURE
    device.is_pending()
    fleet.end_leases(world.server)
    world.ca.up()
    device.gets_it()
    has_one(world, device)
    assert len(orders(world)) == 1
    assert thief.asks() == FAILURE
    device.gets_it()


@pytest.mark.parametrize("outage", fleet.OUTAGES)
def test_what_the_ca_has_in_hand_outlives(world, keys, outage):
    device = Device(world.server, keys, 0, "patient")
    thief = Device(world.server, keys, 1, "patient", device.challenge)
    world.log.allow(NOT_KNOWN, SPENT)
    world.ca.fault("hold")
    device.is_pending()
    wait_until(lambda: world.ca.state["held"])
    assert thief.asks() == FAILURE
    outage(world.server)
    world.log.allow(NOT_KNOWN, SPENT, OPENS)
    assert thief.asks() == FAILURE
    device.is_pending()
    world.ca.release()
    if outage is not fleet.reload:
        fleet.end_leases(world.server)
    device.gets_it()
    has_one(world, device)
    assert len(orders(world)) == 1
    assert thief.asks() == FAILURE


# -------------------------------------------------------------- not known

def test_what_is_not_known_is_looked_up_and_never_sent_again(world, keys):
    device = Device(world.server, keys)
    world.log.expect(NOT_KNOWN)
    world.ca.fault("close-issued")
    world.ca.fault("500", step="search", times=-1)
    device.is_pending()
    wait_until(lambda: len(world.ca.requests("search")) >= 4)
    device.is_pending()
    assert state_of(world.server, device) == 5
    world.ca.control("DELETE", "/faults")
    device.gets_it()
    has_one(world, device)
    assert len(orders(world)) == 1


def test_who_waits_for_too_long_is_refused(world, keys):
    device = Device(world.server, keys, 0, "brief")
    thief = Device(world.server, keys, 1, "brief", device.challenge)
    world.log.allow(SPENT)
    world.log.expect(TOO_LATE)
    device.is_pending()
    wait_until(lambda: device.asks() == FAILURE)
    assert device.polls() == FAILURE
    assert state_of(world.server, device) == 17
    assert thief.asks() == FAILURE
