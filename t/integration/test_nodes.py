"""Two servers before one PostgreSQL and one CA: one queue, whoever dies.

SPDX-License-Identifier: Apache-2.0
"""
import os

import pytest

import stores
from configuration import sandbox
from fleet import Device
from gateway import BUILD, Sandbox, wait_until
from other_ca import OtherCa
from pkimessage import FAILURE, PENDING, SUCCESS

PROFILE = """\
<IfModule !scep_ca_ejbca_module>
    LoadModule scep_ca_ejbca_module %(build)s/.libs/mod_scep_ca_ejbca.so
</IfModule>
<ScepCA ejbca shared>
    ScepCAChain %(dir)s/pki/ca.pem
    ScepCAWait 100ms
    ScepEjbcaURL %(url)s
    ScepEjbcaCAFile %(dir)s/ca/tls/management.pem
    ScepEjbcaClientCertificate %(dir)s/ca/tls/gateway.pem \
        %(dir)s/ca/tls/gateway.key
    ScepEjbcaCA IssuingCA
    ScepEjbcaCertificateProfile SCEP-DEVICE
    ScepEjbcaEndEntityProfile SCEP-EEP
    ScepEjbcaTimeout %(timeout)s
</ScepCA>
<ScepProfile shared>
    ScepCA shared
    ScepRACertificate %(dir)s/pki/ra.pem
    ScepRAKey %(dir)s/pki/ra.key
    ScepPendingLife 10min
</ScepProfile>
<Location "/p/shared">
    SetHandler scep
    ScepProfile shared
    Require all granted
</Location>
"""
NOT_KNOWN, OPENS = "SCEP0646", "SCEP0641"


class Nodes:
    """The one that the CA is beside, and the other."""

    def __init__(self, postgres, timeout):
        self.postgres = postgres
        self.key = os.urandom(32)
        database = stores.postgres(postgres)
        self.name = database.split("dbname=")[1].split()[0]
        self.one = self.node(database, "ejbca")
        self.one.lines += PROFILE % {
            "build": BUILD, "dir": self.one.dir, "timeout": timeout,
            "url": "${SANDBOX_CA_URL}"}
        self.one.start()
        self.ca = OtherCa(self.one)
        self.ca.set(unique_key=False)
        self.other = self.node(database)
        self.other.lines += PROFILE % {
            "build": BUILD, "dir": self.one.dir, "timeout": timeout,
            "url": self.one.values["CA_URL"]}
        self.other.start()
        self.both = self.one, self.other

    def node(self, database, ca=None):
        made = Sandbox("event", database, ca=ca)
        path = made.dir / "challenges.key"
        path.write_bytes(self.key)
        path.chmod(0o600)
        return made

    def sql(self, text):
        return self.postgres.sql(text, self.name)

    def devices(self, keys, count):
        """Pairs: the same device at the one and at the other."""
        pairs = []
        for number in range(count):
            here = Device(self.both[number % 2], keys, number % 4, "shared")
            there = Device(self.both[1 - number % 2], keys, number % 4,
                           "shared", here.challenge)
            there.message, there.cn = here.message, here.cn
            there.subject = here.subject
            pairs.append((here, there))
        return pairs

    def made_once(self, devices):
        """Each was asked for once, made once, and kept once."""
        orders = [one["body"]["username"]
                  for one in self.ca.requests("pkcs10enroll")]
        made = [one["username"] for one in self.ca.state["certificates"]]
        wanted = sorted("scep-" + device.cn for device in devices)
        assert sorted(orders) == sorted(made) == wanted
        kept = self.sql(
            "SELECT e.subject, e.state, count(*) FROM ledger_enrolment e "
            "JOIN ledger_certificate c ON c.enrolment = e.key "
            "GROUP BY e.subject, e.state")
        assert sorted(kept) == sorted(["CN=" + device.cn, "16", "1"]
                                      for device in devices)

    def allow(self, *patterns):
        for node in self.both:
            node.log.allow(*patterns)

    def remove(self):
        for node in reversed(self.both):
            node.remove()


@pytest.fixture
def make_nodes(postgres, keys):
    made = []
    for number in range(5):
        keys.signer(number)

    def make(timeout="10min"):
        made.append(Nodes(postgres, timeout))
        return made[-1]

    yield make
    for nodes in made:
        try:
            for node in nodes.both:
                node.log.verify()
                for secret in node.secrets:
                    assert secret not in node.log.raw()
        finally:
            nodes.ca.release()
            nodes.remove()


def test_what_one_has_begun_the_other_answers(make_nodes, keys):
    nodes = make_nodes()
    nodes.allow("SCEP0103")
    (here, there), = nodes.devices(keys, 1)
    thief = Device(nodes.other, keys, 4, "shared", here.challenge)
    nodes.ca.fault("hold")
    here.is_pending()
    assert there.asks() == there.polls() == PENDING
    assert thief.asks() == FAILURE
    # nobody else has it, even if both die before they say that it is spent
    assert nodes.sql("SELECT lease >= expires FROM challenges_challenge") \
        == [["t"]]
    wait_until(lambda: nodes.ca.state["held"] == 1)
    nodes.ca.release()
    there.gets_it(there.polls)
    there.gets_it()
    assert here.gets_it() == there.cert
    assert thief.asks() == FAILURE
    nodes.made_once([here])


def test_they_share_the_queue(make_nodes, keys):
    nodes = make_nodes()
    nodes.allow(OPENS)
    pairs = nodes.devices(keys, 12)
    nodes.ca.down()
    for here, there in pairs:
        here.is_pending()
        assert there.asks() == there.polls() == PENDING
    nodes.ca.up()
    for here, there in pairs:
        there.gets_it()
        assert here.gets_it(here.polls) == there.cert
    nodes.made_once([here for here, _ in pairs])


def test_who_dies_while_the_ca_works_is_taken_over(make_nodes, keys):
    nodes = make_nodes("2s")
    nodes.allow(NOT_KNOWN, OPENS, "SCEP0103")
    pairs = [pair for pair in nodes.devices(keys, 6)
             if pair[0].server is nodes.one]
    nodes.ca.fault("hold", times=-1)
    for here, _ in pairs:
        assert here.asks() == PENDING
    wait_until(lambda: nodes.ca.state["held"] == len(pairs))
    nodes.one.kill(nodes.one.pid, *nodes.one.children())
    under_way = nodes.sql("SELECT state, token <> '' FROM ledger_enrolment")
    assert ["3", "t"] in under_way, under_way
    nodes.ca.control("DELETE", "/faults")
    for here, there in pairs:
        thief = Device(nodes.other, keys, 4, "shared", here.challenge)
        there.gets_it()
        assert thief.asks() == FAILURE
    nodes.made_once([here for here, _ in pairs])
    # who comes back has missed nothing
    sandbox.end_processes(nodes.one.dir)
    sandbox.launch_gateway(nodes.one.dir, nodes.one.port)
    nodes.one.startup += [NOT_KNOWN, OPENS, "SCEP0103"]
    nodes.one.skip_startup()
    for here, there in pairs:
        assert here.asks() == SUCCESS and here.cert == there.cert
    nodes.made_once([here for here, _ in pairs])
