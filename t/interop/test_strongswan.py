"""strongSwan's pki: AES by default where SHA-384 is listed, unsorted CSRs.

SPDX-License-Identifier: Apache-2.0
"""
import pytest


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
