"""Who must hear of a certificate that came after PENDING hears of it once;
and a CA that lets devices wait until somebody has decided.

SPDX-License-Identifier: Apache-2.0
"""
import base64
import shutil

import pytest

import fleet
import gateway
import intune
import pki
import webhook
from fleet import Device, rows
from gateway import wait_until
from other_ca import OtherCa, beside
from pki import certificate, name
from pkimessage import FAILURE, PENDING, SUCCESS

PROFILE = """\
<ScepProfile %(name)s>
    ScepCA issuing
    ScepRACertificate pki/ra.pem
    ScepRAKey pki/ra.key
    ScepSubjectAltNames none
    ScepVerify %(name)s
    %(lines)s
</ScepProfile>
<Location "/p/%(name)s">
    SetHandler scep
    ScepProfile %(name)s
    Require all granted
</Location>
"""
WEBHOOK = """\
    ScepWebhook {url}/challenge
    ScepWebhookNotify {url}/notify
    ScepWebhookSecret {id} file:{dir}/key
    ScepWebhookCAFile {dir}/tls.pem
"""
INTUNE = """\
    ScepIntuneTenant {tenant}
    ScepIntuneClient {client} file:{dir}/secret
    ScepIntuneLogin {url}
    ScepIntuneGraph {url}/
    ScepIntuneCAFile {dir}/tls.pem
"""


@pytest.fixture(scope="module")
def tls():
    """A certificate that vouches for itself, and the secrets' place."""
    path = gateway.scratch()
    key = pki.rsa_key()
    cert = certificate(key, name(("CN", "127.0.0.1")), extensions=[
        pki.subject_alt_name(pki.ip("127.0.0.1"))])
    (path / "tls.pem").write_bytes(pki.pem_cert(cert))
    (path / "tls.key").write_bytes(pki.pem_key(key))
    yield path
    shutil.rmtree(path)


class Webhook:
    """A validator that is told of each certificate."""

    def __init__(self, tls):
        self.there = webhook.Validator(tls / "tls.pem", tls / "tls.key")
        text = base64.b64encode(self.there.key).decode()
        (tls / "key").write_text(text + "\n")
        (tls / "key").chmod(0o600)
        self.profile = "webhook"
        self.lines = WEBHOOK.format(url=self.there.url, id=self.there.id,
                                    dir=tls)

    def told(self):
        return [seen for seen in self.there.requests(webhook.NOTIFY)
                if seen.status == 200]


class Intune:
    """Intune, which hears of success and failure."""

    def __init__(self, tls):
        self.there = intune.Emulator(tls / "tls.pem", tls / "tls.key")
        (tls / "secret").write_text(self.there.secret + "\n")
        (tls / "secret").chmod(0o600)
        self.profile = "intune"
        self.lines = INTUNE.format(
            url=self.there.url, tenant=self.there.tenant,
            client=self.there.client, dir=tls)

    def told(self):
        return self.there.requests(intune.SUCCESS) \
            + self.there.requests(intune.FAILURE)


@pytest.fixture(params=[Webhook, Intune])
def service(request, tls):
    made = request.param(tls)
    yield made
    made.there.down()
    assert made.there.malformed == []


@pytest.mark.parametrize("outage", [None, fleet.relaunch_killed])
def test_it_is_told_once(make_server, keys, service, outage):
    server = make_server(PROFILE % {"name": service.profile,
                                    "lines": service.lines}, ca="ejbca")
    ca = OtherCa(server)
    device = Device(server, keys, 0, service.profile, service.there.issue())
    server.secrets.add(device.challenge)
    ca.fault("hold")
    device.is_pending()
    wait_until(lambda: ca.state["held"])
    device.is_pending()
    if outage:
        outage(server)
        server.log.allow("SCEP0646")
        fleet.end_leases(server)
    ca.release()
    device.gets_it()
    assert len(ca.requests("pkcs10enroll")) == 1
    wait_until(service.told)
    for _ in range(2):
        assert device.asks() == device.polls() == SUCCESS
    assert rows(server, "SELECT state, settled FROM ledger_enrolment") \
        == [(16, 1)]
    assert len(service.told()) == 1, service.told()


# ---------------------------------------------- a CA whose managers decide

@pytest.fixture(scope="module")
def adcs():
    with beside("adcs-ces", "", ledger=True,
                startup=("SCEP0103", "SCEP0645")) as server:
        yield server


@pytest.mark.parametrize("outage", [None, fleet.reload,
                                    fleet.relaunch_killed])
def test_what_a_manager_issues_is_delivered(adcs, keys, outage):
    ca = OtherCa(adcs)
    ca.forget()
    ca.set(approval=True)
    device = Device(adcs, keys)
    thief = Device(adcs, keys, 1, challenge=device.challenge)
    adcs.log.allow("SCEP0103")
    device.is_pending()
    assert rows(adcs, "SELECT state FROM ledger_enrolment "
                "WHERE subject = 'CN=%s'" % device.cn) == [(4,)]
    assert thief.asks() == FAILURE
    if outage:
        outage(adcs)
        adcs.log.allow("SCEP0103")
    fleet.look_now(adcs)
    device.is_pending()
    filed, = ca.state["filed"]
    ca.control("POST", "/issue", {"id": filed["id"]})

    def has_it():
        fleet.look_now(adcs)
        return device.polls()
    device.gets_it(has_it)
    filed, = ca.state["filed"]
    assert filed["status"] == "issued"
    assert len(ca.requests("submit")) == 1
    assert thief.asks() == FAILURE


def test_what_a_manager_denies_is_refused(adcs, keys):
    ca = OtherCa(adcs)
    ca.forget()
    ca.set(approval=True)
    device = Device(adcs, keys)
    device.is_pending()
    filed, = ca.state["filed"]
    ca.control("POST", "/deny", {"id": filed["id"]})

    def is_refused():
        fleet.look_now(adcs)
        told = device.polls()
        assert told in (PENDING, FAILURE)
        return told == FAILURE
    wait_until(is_refused)
    assert device.asks() == FAILURE
    assert len(ca.requests("submit")) == 1
