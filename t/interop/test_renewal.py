"""Renewal by clients that no one here wrote.

SPDX-License-Identifier: Apache-2.0
"""
import subprocess

import pytest
from cryptography import x509


def run(directory, *words, output=None):
    done = subprocess.run(list(map(str, words)), cwd=directory,
                          stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    if output:
        (directory / output).write_bytes(done.stdout)


def serial(path):
    return x509.load_pem_x509_certificate(path.read_bytes()).serial_number


def test_q13_micromdm_renews_by_renewalreq(server, url, verify, tmp_path):
    """It sends the identical CSR, signed by the certificate it got."""
    words = ["scepclient", "-server-url", url("renewlegacy"), "-private-key",
             "client.key", "-certificate", "client.pem", "-cn", "micromdm"]
    run(tmp_path, *words, "-challenge", server.challenge("renewlegacy"))
    first = serial(tmp_path / "client.pem")
    run(tmp_path, *words)
    assert serial(tmp_path / "client.pem") != first
    verify(tmp_path / "client.pem", tmp_path / "client.key", "renewlegacy")


@pytest.mark.parametrize("new_key", [False, True])
def test_q13_strongswan_renews_by_renewalreq(server, url, verify, tmp_path,
                                             new_key):
    run(tmp_path, "pki", "--scepca", "--url", url("renew"), "--caout",
        "ca.crt", "--raout", "ra.crt", "--outform", "pem")
    for name in ("k.pem", "k2.pem"):
        run(tmp_path, "pki", "--gen", "--type", "rsa", "--size", "2048",
            "--outform", "pem", output=name)
    words = ["pki", "--scep", "--url", url("renew"), "--dn",
             "C=CH, O=test, CN=swan", "--san", "x.example.com",
             "--cacert-enc", "ra.crt", "--cacert-sig", "ra.crt",
             "--outform", "pem"]
    for path in sorted(tmp_path.glob("ca*.crt")):
        words += ["--cacert", path.name]
    run(tmp_path, *words, "--in", "k.pem", "--password",
        server.challenge("renew"), output="c.pem")
    key = "k2.pem" if new_key else "k.pem"
    run(tmp_path, *words, "--in", key, "--cert", "c.pem", "--key", "k.pem",
        output="c2.pem")
    assert serial(tmp_path / "c2.pem") != serial(tmp_path / "c.pem")
    verify(tmp_path / "c2.pem", tmp_path / key, "renew",
           san="DNS:x.example.com")
