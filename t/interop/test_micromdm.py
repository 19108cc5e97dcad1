"""micromdm's scepclient: single DES and SHA-1, several recipients.

SPDX-License-Identifier: Apache-2.0
"""
import hashlib
import subprocess

import pytest


@pytest.fixture
def client(url, tmp_path):
    def run(profile, secret, *more, cn="micromdm", timeout=60):
        return subprocess.run(
            ["scepclient", "-server-url", url(profile), "-challenge", secret,
             "-private-key", "client.key", "-certificate", "client.pem",
             "-cn", cn, "-debug", *more], cwd=tmp_path, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=timeout)
    return run


def fingerprint(server, profile):
    cert = server.endpoint(profile).identity.encrypt_cert
    return hashlib.sha256(cert).hexdigest()


def test_q18_enrols_where_legacy_crypto_is_on(server, client, verify,
                                              tmp_path):
    done = client("legacy", server.challenge("legacy"), "-ca-fingerprint",
                  fingerprint(server, "legacy"))
    assert done.returncode == 0, done.stdout
    text = verify(tmp_path / "client.pem", tmp_path / "client.key", "legacy")
    assert "CN = micromdm" in text


@pytest.mark.parametrize("profile", ["rsachain", "reversed"])
def test_q11_one_recipient_for_every_certificate(server, client, verify,
                                                 tmp_path, profile):
    done = client(profile, server.challenge(profile))
    assert done.returncode == 0, done.stdout
    verify(tmp_path / "client.pem", tmp_path / "client.key", profile)


def test_c04_a_ca_identifier_does_no_harm(server, client, verify, tmp_path):
    done = client("rsachain", server.challenge("rsachain"),
                  "-cacert-message", "some identifier")
    assert done.returncode == 0, done.stdout
    verify(tmp_path / "client.pem", tmp_path / "client.key", "rsachain")


def test_c63_a_wrong_challenge_is_refused(server, client, tmp_path):
    done = client("rsachain", "0" * 32)
    assert done.returncode != 0
    assert "badRequest" in done.stdout or "FAILURE" in done.stdout.upper() \
        or "failed" in done.stdout, done.stdout
    assert not (tmp_path / "client.pem").exists()


def test_q18_single_des_is_refused_elsewhere(server, client, tmp_path):
    found = server.issue()
    done = client("default", found["challenge"], "-ca-fingerprint",
                  fingerprint(server, "default"))
    assert done.returncode != 0
    assert not (tmp_path / "client.pem").exists()
    assert server.state(found["id"]) == "issued"


def test_a_challenge_serves_once(server, client, tmp_path):
    secret = server.challenge("rsachain")
    assert client("rsachain", secret).returncode == 0
    for name in ("client.key", "client.pem", "csr.pem", "self.pem"):
        (tmp_path / name).unlink(missing_ok=True)
    server.log.expect("SCEP0103")
    assert client("rsachain", secret, cn="second").returncode != 0
