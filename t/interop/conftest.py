"""A server for clients that no one here wrote.

SPDX-License-Identifier: Apache-2.0
"""
import pathlib
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "integration"))

import pytest  # noqa: E402

import gateway  # noqa: E402
import pki  # noqa: E402
import profiles  # noqa: E402
import strongswan  # noqa: E402

TOOLS = {"scepclient": "scep", "pki": "strongswan-pki",
         "certmonger": "certmonger", "getcert": "certmonger",
         "openssl": "openssl"}

# A CA with RSA keys, for clients that encrypt to every certificate they get.
LINES = """\
<ScepProfile rsachain>
    ScepCA extra
    ScepRACertificate {pki}/both.pem
    ScepLegacyCrypto on
</ScepProfile>
<ScepProfile reversed>
    ScepCA extra
    ScepRACertificate {pki}/both.pem
    ScepLegacyCrypto on
    ScepGetCACert ra+ca+root reverse
</ScepProfile>
<ScepProfile getonly>
    ScepCA issuing
    ScepRACertificate pki/ra.pem
    ScepRAKey pki/ra.key
    ScepCapabilities -POSTPKIOperation -SCEPStandard
</ScepProfile>
<ScepProfile des3>
    ScepCA issuing
    ScepRACertificate pki/ra.pem
    ScepRAKey pki/ra.key
    ScepCiphers des3 aes128
    ScepDigests sha1 sha256 sha384
</ScepProfile>
<ScepProfile bigra>
    ScepCA extra
    ScepRACertificate {pki}/big.pem
</ScepProfile>
<ScepProfile renew>
    ScepCA issuing
    ScepRACertificate pki/ra.pem
    ScepRAKey pki/ra.key
    ScepVerify cert otp
    ScepRenewalRevocation off
</ScepProfile>
<ScepProfile renewlegacy>
    ScepCA extra
    ScepRACertificate {pki}/both.pem
    ScepLegacyCrypto on
    ScepVerify cert otp
    ScepRenewalRevocation off
</ScepProfile>
"""


def pytest_sessionstart(session):
    missing = ["%s (package %s)" % item for item in TOOLS.items()
               if not shutil.which(item[0])]
    if missing:
        pytest.exit("missing: %s; run build/setup" % ", ".join(missing), 3)
    if not (gateway.BUILD / ".libs" / "mod_scep.so").exists():
        pytest.exit("no mod_scep.so in %s; build it, or set SCEP_BUILD"
                    % gateway.BUILD, 3)


@pytest.fixture(scope="session")
def server():
    pki = gateway.scratch()
    profiles.make_pki(pki)
    profiles.make_big_ra(pki)
    # with the request line that httpd has by default
    lines = profiles.lines(pki).replace("LimitRequestLine 16384\n", "")
    lines += LINES.format(pki=pki)
    lines += "".join(profiles.LOCATION.format(name=name) for name in (
        "rsachain", "reversed", "getonly", "des3", "bigra", "renew",
        "renewlegacy"))
    sandbox = gateway.Sandbox("event", lines)
    try:
        sandbox.start()
        yield sandbox
    finally:
        sandbox.remove()
        shutil.rmtree(pki)


@pytest.fixture(autouse=True)
def check_log(server):
    server.log.mark()
    yield
    server.log.verify()
    written = server.log.raw()
    for secret in server.secrets:
        assert secret not in written


class Verifier:
    """openssl's own opinion of what a client got."""

    def __init__(self, server, directory):
        self.server = server
        self.directory = directory

    def __call__(self, certificate, key, profile="default", san=None):
        chain = self.server.endpoint(profile).identity.chain
        bundle = self.directory / "chain.pem"
        bundle.write_bytes(b"".join(
            map(pki.pem_cert, chain)))
        done = subprocess.run(
            ["openssl", "verify", "-CAfile", bundle, certificate],
            capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        assert self.modulus("x509", certificate) == \
            self.modulus("rsa", key)
        text = subprocess.run(
            ["openssl", "x509", "-noout", "-text", "-in", certificate],
            capture_output=True, text=True, check=True).stdout
        assert san is None or san in text, text
        return text

    @staticmethod
    def modulus(kind, path):
        return subprocess.run(
            ["openssl", kind, "-noout", "-modulus", "-in", path],
            capture_output=True, text=True, check=True).stdout


@pytest.fixture
def verify(server, tmp_path):
    return Verifier(server, tmp_path)


@pytest.fixture
def url(server):
    return lambda profile: server.endpoint(profile).url


@pytest.fixture
def client(url, tmp_path):
    """strongSwan's: client(profile, challenge, more words ...)."""
    return strongswan.Client(url, tmp_path)
