"""Servers, keys and the rule that every line of the error log is declared.

SPDX-License-Identifier: Apache-2.0
"""
import contextlib
import shutil
import socket
import sys
import threading

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

import gateway
import pki
import profiles
import softhsm
import stores
from gateway import Sandbox
from postgres import Postgres

sys.path.append(str(gateway.TREE / "t" / "emulators"))

ON_EVERY_STORE = ("test_challenge", "test_admin", "test_admin_list",
                  "test_callers")
TOOLS = ("openssl", "curl", "apache2")


def pytest_sessionstart(session):
    missing = [tool for tool in TOOLS
               if not shutil.which(tool, path="/usr/sbin:/usr/bin:/bin")]
    if missing:
        pytest.exit("missing: %s; run build/setup" % ", ".join(missing), 3)
    if not (gateway.BUILD / ".libs" / "mod_scep.so").exists():
        pytest.exit("no mod_scep.so in %s; build it, or set SCEP_BUILD"
                    % gateway.BUILD, 3)


class Keys:
    """Each key is made once in a session, when it is first asked for."""

    def __init__(self):
        self.made = {}

    def _once(self, what, make):
        if what not in self.made:
            self.made[what] = make()
        return self.made[what]

    def rsa(self, size=2048, number=0):
        return self._once(("rsa", size, number),
                          lambda: pki.rsa_key(size))

    def ec(self, curve=ec.SECP256R1):
        return self._once(("ec", curve), lambda: pki.ec_key(curve))

    def signer(self, number=0):
        return self._once(("signer", number), lambda: pki.certificate(
            self.rsa(number=number), pki.name(("CN", "signer"))))


@pytest.fixture(scope="session")
def keys():
    return Keys()


@pytest.fixture(scope="session")
def extra_pki():
    path = gateway.scratch()
    profiles.make_pki(path)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def postgres():
    """A cluster that tests put databases into."""
    cluster = Postgres()
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.remove()


def pytest_generate_tests(metafunc):
    """What is about challenges runs on every store, the rest on one."""
    if "main_server" in metafunc.fixturenames:
        kinds = list(stores.MPMS)
        if metafunc.module.__name__ in ON_EVERY_STORE:
            kinds += stores.DATABASES
        metafunc.parametrize("main_server", kinds, indirect=True,
                             scope="session")


@pytest.fixture(scope="session")
def main_server(request, extra_pki):
    """The server that most tests share, with every profile they need."""
    sandbox = stores.sandbox(
        request.param, profiles.lines(extra_pki),
        lambda: request.getfixturevalue("postgres"))
    try:
        sandbox.start()
        yield sandbox
    finally:
        sandbox.remove()


@pytest.fixture
def server(main_server):
    return main_server


@pytest.fixture
def make_server():
    """Starts servers for one test alone: make_server(lines, mpm, bare)."""
    started = []

    def make(lines="", mpm="event", bare=False, start=True,
             environment=None, ca=None, ledger=True):
        sandbox = Sandbox(mpm, lines, bare, environment, ca, ledger)
        started.append(sandbox)
        if start:
            sandbox.start()
        return sandbox

    yield make
    _judge(started)


def _judge(started):
    for sandbox in started:
        try:
            sandbox.log.verify()
            _check_secrets(sandbox)
        finally:
            sandbox.remove()


def _check_secrets(sandbox):
    written = sandbox.log.raw()
    for secret in sandbox.secrets:
        assert secret not in written, "a challenge stands in the log"


@pytest.fixture(autouse=True)
def check_logs():
    """No test passes with a line in the log that it did not declare."""
    for sandbox in Sandbox.instances:
        sandbox.log.mark()
    yield
    for sandbox in Sandbox.instances:
        sandbox.log.verify()
        _check_secrets(sandbox)


@pytest.fixture
def make_on(postgres):
    """Starts a server for one test alone on any of the stores."""
    started = []

    def make(kind, lines=""):
        sandbox = stores.sandbox(kind, lines, lambda: postgres)
        started.append(sandbox)
        sandbox.start()
        return sandbox

    yield make
    _judge(started)


@pytest.fixture
def log(server):
    return server.log


@pytest.fixture
def enrol(server, keys):
    """Enrols at one profile of the shared server; returns the CertRep.

    csr: members for gateway.make_csr; forms: members for Endpoint; the rest
    are members of the Request.
    """
    def run(profile="default", key=None, challenge=None, csr=None, forms=None,
            method="POST", signer=None, path=None, **members):
        key = key or keys.rsa()
        if challenge is None:
            challenge = server.challenge(profile)
        request_csr = gateway.make_csr(key, challenge, **(csr or {}))
        endpoint = server.endpoint(profile, path, **(forms or {}))
        if signer is None and key is keys.rsa():
            signer = keys.signer()
        message = endpoint.request(key, request_csr, signer, **members)
        return endpoint.send(message, method)

    return run


@pytest.fixture
def proxy():
    """Its port, and the heads of what it was asked; it lets anybody through
    to 127.0.0.1."""
    def pass_on(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def serve(client):
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(4096)
        asked.append(head)
        port = int(head.split(b" ")[1].rpartition(b":")[2])
        server = socket.create_connection(("127.0.0.1", port))
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        threading.Thread(target=pass_on, args=(server, client),
                         daemon=True).start()
        pass_on(client, server)

    def accept():
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],),
                                 daemon=True).start()

    asked = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1], asked
        listener.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def token():
    """A PKCS #11 token without a key."""
    directory = gateway.scratch()
    yield softhsm.Token(directory)
    shutil.rmtree(directory)
