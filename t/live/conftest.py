"""A sandbox before a CA that somebody has.

SPDX-License-Identifier: Apache-2.0

Environment variables say which CA that is; the manual's page on the connector
lists them.  Without them a test is skipped.
"""
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "integration"))

import pytest  # noqa: E402
from cryptography import x509  # noqa: E402

import gateway  # noqa: E402
import pki  # noqa: E402

PROFILE = """\
LogLevel scep:debug
LoadModule {module}_module "{build}/.libs/mod_{module}.so"
{ca}
<ScepProfile {name}>
    ScepCA {name}
    ScepRACertificate {ra}
{verify}
</ScepProfile>
<Location "/p/{name}">
    SetHandler scep
    ScepProfile {name}
    Require all granted
</Location>
"""


class Settings:
    """The variables of one CA: PREFIX_NAME."""

    def __init__(self, prefix):
        self.prefix = prefix

    def get(self, name):
        return os.environ.get("%s_%s" % (self.prefix, name))

    def text(self, name):
        if not self.get(name):
            pytest.skip("%s_%s is not set" % (self.prefix, name))
        return self.get(name)

    def path(self, name):
        return os.path.abspath(self.text(name))


class Live:
    """Devices that enrol through one CA of the server's configuration."""

    def __init__(self, server, name):
        self.server = server
        self.name = name

    def enrol(self, cn, key=None, challenge=None, **members):
        """The CertRep, and the log's lines on it in any assertion's way."""
        key = key or pki.rsa_key()
        if challenge is None:
            challenge = self.server.challenge(self.name)
        endpoint = self.server.endpoint(self.name)
        csr = gateway.make_csr(key, challenge,
                               subject=pki.name(("CN", cn)), **members)
        reply = endpoint.send(endpoint.request(key, csr))
        assert reply.certificates, [line.text for line in
                                    self.server.log.outcomes()]
        reply.check_issued(key)
        return x509.load_der_x509_certificate(reply.certificates[0])


@pytest.fixture
def make_live():
    """make_live(module, "<ScepCA ...>", ra, verify): a server before it."""
    started = []

    def make(module, ca, ra, verify="", name="live", startup=()):
        server = gateway.Sandbox("event", PROFILE.format(
            module=module, build=gateway.BUILD, ca=ca, ra=ra, name=name,
            verify=verify))
        server.startup += startup
        started.append(server)
        server.start()
        return Live(server, name)

    yield make
    for server in started:
        server.remove()
