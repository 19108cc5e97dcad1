"""httpd -t over one piece of configuration, with a PKI full of faults.

SPDX-License-Identifier: Apache-2.0
"""
import importlib.machinery
import importlib.util
import subprocess

from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives import serialization

import gateway
import pki
import profiles
from pki import certificate, key_usage, name

GOOD = """\
ScepStateDir state
<ScepCA openssl issuing>
    ScepCAChain pki/ca.pem
    ScepOpenSSLKey pki/issuing.key
</ScepCA>
<ScepProfile default>
    ScepCA issuing
    ScepRACertificate pki/ra.pem
    ScepRAKey pki/ra.key
    ScepValidity 365d
</ScepProfile>
<Location "/scep">
    SetHandler scep
    ScepProfile default
    ScepMaxMessageSize 65536
</Location>
"""


def load_sandbox():
    """build/sandbox as a module: one way to find httpd and its modules."""
    loader = importlib.machinery.SourceFileLoader("sandbox",
                                                  str(gateway.SANDBOX))
    spec = importlib.util.spec_from_loader("sandbox", loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


sandbox = load_sandbox()


def write_key(path, key, password=None):
    encryption = (serialization.BestAvailableEncryption(password) if password
                  else serialization.NoEncryption())
    path.write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        encryption))
    path.chmod(0o600)


class Configuration:
    def __init__(self, keys):
        self.dir = gateway.scratch()
        sandbox.make_pki(self.dir)
        self.pki = self.dir / "pki"
        self.keys = keys
        self.httpd = sandbox.Httpd()
        self._make_faulty_certificates()
        self._make_faulty_files()

    def _ra(self, stem, usages=(0, 2), key=None, issuer="issuing", **members):
        key = key or self.keys.rsa()
        ca = profiles.read_pem(self.pki / (issuer + ".pem"))[0]
        ca_key = serialization.load_pem_private_key(
            (self.pki / (issuer + ".key")).read_bytes(), None)
        subject = asn1_x509.Certificate.load(ca).subject.dump()
        cert = certificate(
            key, name(("CN", "RA " + stem)), subject, ca_key,
            extensions=[key_usage(*usages)] if usages else [], **members)
        (self.pki / (stem + ".pem")).write_bytes(pki.pem_cert(cert))
        write_key(self.pki / (stem + ".key"), key)
        return cert

    def _make_faulty_certificates(self):
        self._ra("expired", days=-2, age=30)
        self._ra("future", days=30, age=-10)
        self._ra("cannot", usages=(5, 6))
        self._ra("sign", usages=(0,))
        self._ra("encrypt", usages=(2,), key=self.keys.rsa(number=1))
        self._ra("nousage", usages=())
        self._ra("ec", key=self.keys.ec())
        self._ra("small", key=self.keys.rsa(1024))
        self._ra("byroot", issuer="root")
        selfsigned = certificate(self.keys.rsa(), name(("CN", "self")),
                                 extensions=[key_usage(0, 2)])
        (self.pki / "self.pem").write_bytes(pki.pem_cert(selfsigned))
        write_key(self.pki / "self.key", self.keys.rsa())
        write_key(self.pki / "other.key", self.keys.rsa(number=2))
        write_key(self.pki / "locked.key", self.keys.rsa(), b"phrase")
        for stem, days, age, extensions in (
                ("oldca", -1, 30, [profiles.CA, profiles.CA_USAGE]),
                ("noca", 30, 0, [key_usage(0)]),
                ("nosignca", 30, 0, [profiles.CA, key_usage(0, 2)])):
            cert = certificate(self.keys.rsa(), name(("CN", stem)), days=days,
                               age=age, extensions=extensions)
            (self.pki / (stem + ".pem")).write_bytes(
                pki.pem_cert(cert))
            write_key(self.pki / (stem + ".key"), self.keys.rsa())

    def _make_faulty_files(self):
        issuing = (self.pki / "issuing.pem").read_text()
        root = (self.pki / "root.pem").read_text()
        files = {"empty": "", "text": "no certificate\n",
                 "broken": issuing.replace("MII", "XII", 1),
                 "cut": issuing[:200], "upside-down": root + issuing,
                 "gap": issuing + (self.pki / "oldca.pem").read_text(),
                 "cutchain": issuing + root[:300]}
        for stem, text in files.items():
            (self.pki / (stem + ".pem")).write_text(text)
        (self.pki / "directory.pem").mkdir()

    def check(self, text, loads=""):
        """httpd -t: exit status and output."""
        path = self.dir / "test.conf"
        path.write_text(text)
        options = {"mpm": "event", "ca": "openssl", "bare": True,
                   "ledger": False, "port": 8, "build": str(gateway.BUILD),
                   "config": []}
        sandbox.write_configuration(self.dir, options, self.httpd)
        conf = self.dir / "httpd.conf"
        conf.write_text(conf.read_text() + loads
                        + 'Include "%s"\n' % path)
        done = subprocess.run(
            sandbox.httpd_command(self.dir, "-t"), text=True, timeout=60,
            env=sandbox.httpd_environment(), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True)
        return done.returncode, done.stdout
