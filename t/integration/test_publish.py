"""GetCACaps and GetCACert, per profile (C-13 to C-27, R-10 to R-19).

SPDX-License-Identifier: Apache-2.0
"""
import pytest

import certrep
import profiles
from certrep import verify_chain, verify_issued

RFC_WORDS = {"AES", "DES3", "GetNextCACert", "POSTPKIOperation", "Renewal",
             "SHA-1", "SHA-256", "SHA-512", "SCEPStandard"}
CA_CERT = "application/x-x509-ca-cert"
CA_RA_CERT = "application/x-x509-ca-ra-cert"


# --------------------------------------------------------------- GetCACaps

def test_c13_r10_r11_one_word_a_line_under_1024_octets(server):
    response = server.endpoint().get("operation=GetCACaps")
    assert response.headers["content-type"] == "text/plain"
    body = response.body.decode("ascii")
    assert len(body) < 1024
    assert body.endswith("\n") and not body.startswith("\ufeff")
    words = body.replace("\r\n", "\n").rstrip("\n").split("\n")
    assert all(word and word == word.strip() for word in words)
    assert len(words) == len(set(words))


def test_q03_default_capabilities(server):
    caps = set(server.endpoint().caps())
    assert {"AES", "SHA-256", "SHA-384", "SHA-512", "POSTPKIOperation",
            "SCEPStandard"} <= caps
    assert caps <= RFC_WORDS | {"SHA-384"}


def test_c14_nothing_that_does_not_work(server):
    caps = server.endpoint().caps()
    assert not {"DES3", "SHA-1", "GetNextCACert"} & set(caps)


def test_c15_r12_the_standard_and_the_single_words(server):
    assert {"SCEPStandard", "AES", "SHA-256",
            "POSTPKIOperation"} <= set(server.endpoint().caps())


def test_c14_capabilities_follow_the_algorithms(server):
    caps = server.endpoint("old").caps()
    assert {"SHA-1", "DES3", "SHA-256", "AES"} <= set(caps)
    assert not {"SHA-512", "SHA-384"} & set(caps)
    narrow = set(server.endpoint("narrow").caps())
    assert "SHA-512" in narrow
    # AES-128 and SHA-256 are part of SCEPStandard
    assert not {"SHA-256", "SCEPStandard", "SHA-1", "DES3"} & narrow
    legacy = set(server.endpoint("legacy").caps())
    assert {"SHA-1", "DES3"} <= legacy


def test_c16_c25_capabilities_are_edited_per_profile(server):
    plain = set(server.endpoint().caps())
    edited = set(server.endpoint("capsedit").caps())
    assert edited == plain - {"SHA-512"} | {"X-Example-Word"}
    assert server.endpoint("capsnew").caps() == ["AES", "POSTPKIOperation"]


# --------------------------------------------------------------- GetCACert

def publish(server, profile):
    response = server.endpoint(profile).get("operation=GetCACert")
    return response.headers["content-type"], server.endpoint(
        profile).ca_certificates()


def sandbox_pki(server):
    files = [server.dir / "pki" / (name + ".pem")
             for name in ("ra", "issuing", "root")]
    return [profiles.read_pem(path)[0] for path in files]


def test_c22_q16_default_is_ra_then_issuing_ca_then_root(server):
    kind, certs = publish(server, "default")
    assert kind == CA_RA_CERT
    assert certs == sandbox_pki(server)
    verify_chain(certs)


def test_c24_without_root(server):
    kind, certs = publish(server, "pubraca")
    assert kind == CA_RA_CERT
    assert certs == sandbox_pki(server)[:2]


def test_c22_reverse_order(server):
    kind, certs = publish(server, "pubreverse")
    assert kind == CA_RA_CERT
    assert certs == sandbox_pki(server)[::-1]


def test_c18_c21_just_the_ca_is_one_der_certificate(server):
    kind, certs = publish(server, "pubca")
    assert kind == CA_CERT
    assert certs == sandbox_pki(server)[1:2]


def test_ca_chain_without_ra(server):
    kind, certs = publish(server, "pubcachain")
    assert kind == CA_RA_CERT
    assert certs == sandbox_pki(server)[1:]


def test_r17_ca_that_is_its_own_ra(server, enrol, keys):
    kind, certs = publish(server, "lone")
    assert kind == CA_CERT and len(certs) == 1
    enrol("lone").check_issued(keys.rsa())


def test_c23_split_pair_is_published_by_usage(server, extra_pki):
    kind, certs = publish(server, "split")
    assert kind == CA_RA_CERT
    wanted = [profiles.read_pem(extra_pki / (n + ".pem"))[0]
              for n in ("sign", "encrypt")]
    assert certs[:2] == wanted
    assert certs[2:] == profiles.read_pem(extra_pki / "extra-chain.pem")
    identity = server.endpoint("split").identity
    identity.verify()
    assert identity.sign_cert != identity.encrypt_cert


def test_c23_r60_the_ra_is_issued_by_the_ca_beside_it(server):
    for profile in ("default", "legacy", "split", "extra"):
        identity = server.endpoint(profile).identity
        identity.verify()
        root = identity.chain[-1]
        verify_issued(root, root)


def test_c20_r18_content_is_absent_and_the_encoding_der(server):
    # read_degenerate, which every other test uses, is the check
    response = server.endpoint().get("operation=GetCACert")
    assert len(certrep.read_degenerate(response.body)) == 3


@pytest.mark.parametrize("operation", ["GetCACertChain"])
def test_c02_get_ca_cert_chain_of_old_drafts(server, operation):
    response = server.endpoint().get("operation=" + operation)
    assert response.status in (200, 400)
    if response.status == 200:
        assert certrep.read_degenerate(response.body)
