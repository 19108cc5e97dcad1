"""strongSwan's pki: AES by default where SHA-384 is listed, unsorted CSRs.

SPDX-License-Identifier: Apache-2.0
"""
import subprocess

import pytest


def pki(directory, *words, output=None):
    done = subprocess.run(["pki", *map(str, words)], cwd=directory,
                          stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=60)
    if output and done.returncode == 0:
        (directory / output).write_bytes(done.stdout)
    return done


@pytest.fixture
def client(url, tmp_path):
    def run(profile, secret, *more, dn="C=CH, O=test, CN=swan", san=None,
            size="2048"):
        for path in tmp_path.glob("*.crt"):
            path.unlink()
        got = pki(tmp_path, "--scepca", "--url", url(profile), "--caout",
                  "ca.crt", "--raout", "ra.crt", "--outform", "pem")
        assert got.returncode == 0, got.stderr
        made = pki(tmp_path, "--gen", "--type", "rsa", "--size", size,
                   "--outform", "pem", output="k.pem")
        assert made.returncode == 0, made.stderr
        words = ["--scep", "--url", url(profile), "--in", "k.pem", "--dn", dn,
                 "--password", secret, "--interval", "2", "--maxpolltime",
                 "6", "--outform", "pem", *more]
        ra = "ra.crt"
        words += ["--cacert-enc", "ra-2.crt" if profile == "split" else ra,
                  "--cacert-sig", ra]
        # root and issuing CA come as ca.crt and ca-1.crt
        for path in sorted(tmp_path.glob("ca*.crt")):
            words += ["--cacert", path.name]
        if san:
            words += ["--san", san]
        return pki(tmp_path, *words, output="c.pem")
    return run


def test_q03_defaults_aes_and_sha256(server, client, verify, tmp_path):
    done = client("default", server.challenge(), san="x.example.com")
    assert done.returncode == 0, done.stderr
    text = verify(tmp_path / "c.pem", tmp_path / "k.pem",
                  san="DNS:x.example.com")
    assert "CN = swan" in text


@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
def test_q02_digests(server, client, verify, tmp_path, digest):
    done = client("default", server.challenge(), "--cipher", "aes",
                  "--digest", digest)
    assert done.returncode == 0, done.stderr
    verify(tmp_path / "c.pem", tmp_path / "k.pem")


def test_3des_where_the_profile_has_it(server, client, verify, tmp_path):
    done = client("des3", server.challenge("des3"), "--cipher", "des3")
    assert done.returncode == 0, done.stderr
    verify(tmp_path / "c.pem", tmp_path / "k.pem")


def test_legacy_profile(server, client, verify, tmp_path):
    for cipher in ("aes", "des3"):
        done = client("legacy", server.challenge("legacy"), "--cipher",
                      cipher)
        assert done.returncode == 0, done.stderr
        verify(tmp_path / "c.pem", tmp_path / "k.pem", "legacy")


@pytest.mark.parametrize("profile", ["extra", "rsachain", "reversed",
                                     "replyca", "replychain", "nosigner",
                                     "pkcs1"])
def test_forms_of_the_reply(server, client, verify, tmp_path, profile):
    done = client(profile, server.challenge(profile))
    assert done.returncode == 0, done.stderr
    verify(tmp_path / "c.pem", tmp_path / "k.pem", profile)


def test_q09_bound_to_subject_and_san(server, client, verify, tmp_path):
    secret = server.challenge(subject="CN=swan,O=test,C=CH",
                              sans=["dns:x.example.com"])
    assert client("default", secret).returncode != 0
    done = client("default", secret, san="x.example.com")
    assert done.returncode == 0, done.stderr
    verify(tmp_path / "c.pem", tmp_path / "k.pem")


def test_rsa_4096(server, client, verify, tmp_path):
    done = client("default", server.challenge(), size="4096")
    assert done.returncode == 0, done.stderr
    verify(tmp_path / "c.pem", tmp_path / "k.pem")


@pytest.mark.parametrize("profile", ["default", "absent"])
def test_c63_a_wrong_challenge_is_refused(client, tmp_path, profile):
    done = client(profile, "0" * 32)
    assert done.returncode != 0
    assert not (tmp_path / "c.pem").exists()
