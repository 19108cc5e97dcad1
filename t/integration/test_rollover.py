"""While an RA or a CA is replaced: GetNextCACert, envelopes to the old and the
new one (RFC 8894 sections 4.7 and 5.1; R-20, R-21, Q-22).

SPDX-License-Identifier: Apache-2.0
"""
import re
import shutil
import subprocess

import pytest
from asn1crypto import cms
from cryptography.hazmat.primitives import hashes, serialization

import certrep
import configuration
import pki
import profiles
from certrep import read_degenerate, verify_issued
from gateway import make_csr
from pki import certificate, key_usage, name
from pkimessage import (BAD_MESSAGE_CHECK, BAD_REQUEST, CONTENT_TYPE, DATA,
                        FAILURE, MESSAGE_DIGEST, SUCCESS, issuer_and_serial,
                        public_key)

NEXT_CA_CERT = "application/x-x509-next-ca-cert"

# The CA "extra" is replaced by the sandbox's own, "issuing".
NOW = """\
<ScepCA openssl now>
    ScepCAChain {pki}/extra-chain.pem
    ScepOpenSSLKey {pki}/extra.key
    {ca}
</ScepCA>
<ScepProfile now>
    ScepCA now
    {ras}
    {profile}
</ScepProfile>
<Location "/p/now">
    SetHandler scep
    ScepProfile now
    Require all granted
</Location>
"""
RA = "ScepRACertificate {pki}/both.pem"
CHAIN = "ScepNextCAChain pki/ca.pem\n"
SIGNED = CHAIN + "ScepNextCASigner {pki}/extra.key"
ROLLOVER = "ScepRolloverProfile default"


def lines(path, ca="", ras=RA, profile=""):
    return NOW.format(pki=path, ca=ca.format(pki=path),
                      ras=ras.format(pki=path), profile=profile)


def next_ca(server, profile="now"):
    return server.endpoint(profile).get("operation=GetNextCACert")


def sandbox_chain(server):
    return profiles.read_pem(server.dir / "pki" / "ca.pem")


def current(path):
    return profiles.read_pem(path / "extra-chain.pem")[0]


def read_answer(body, signer, padding=None):
    """Verifies the signature; the certificates inside and those outside."""
    info = cms.ContentInfo.load(body, strict=True)
    assert info["content_type"].native == "signed_data"
    signed = info["content"]
    encap = signed["encap_content_info"]
    assert encap["content_type"].dotted == DATA
    content = encap["content"].native
    one, = signed["signer_infos"]
    assert one["sid"].chosen.dump() == issuer_and_serial(signer)
    values = {item["type"].dotted: item["values"][0]
              for item in one["signed_attrs"]}
    assert values[CONTENT_TYPE].dotted == DATA
    digest = hashes.Hash(hashes.SHA256())
    digest.update(content)
    assert values[MESSAGE_DIGEST].native == digest.finalize()
    public_key(signer).verify(
        one["signature"].native, b"\x31" + one["signed_attrs"].dump()[1:],
        padding or certrep.padding.PKCS1v15(), hashes.SHA256())
    outer = [choice.chosen.dump() for choice in signed["certificates"]]
    return read_degenerate(content), outer


# ---------------------------------------------------------- GetNextCACert

def test_r20_q22_the_next_ca_signed_by_the_current_one(make_server,
                                                       extra_pki):
    server = make_server(lines(extra_pki, SIGNED))
    assert "GetNextCACert" in server.endpoint("now").caps()
    response = next_ca(server)
    assert response.status == 200
    assert response.headers["content-type"] == NEXT_CA_CERT
    inside, outside = read_answer(response.body, current(extra_pki))
    assert inside == sandbox_chain(server)
    assert set(outside) == {*sandbox_chain(server), current(extra_pki)}
    # prepared: the same octets each time
    assert next_ca(server).body == response.body
    # and only where it is configured
    assert "GetNextCACert" not in server.endpoint().caps()
    assert next_ca(server, "default").status == 404


def test_a_client_of_another_kind_verifies_it(make_server, extra_pki,
                                              tmp_path):
    server = make_server(lines(extra_pki, SIGNED))
    (tmp_path / "answer").write_bytes(next_ca(server).body)
    for tool in ("cms", "smime"):
        subprocess.run(
            ["openssl", tool, "-verify", "-inform", "DER", "-in", "answer",
             "-CAfile", extra_pki / "extra-chain.pem", "-purpose", "any",
             "-out", "content"], cwd=tmp_path, check=True,
            capture_output=True)
        found = subprocess.run(
            ["openssl", "pkcs7", "-inform", "DER", "-in", "content",
             "-print_certs"], cwd=tmp_path, check=True, capture_output=True,
            text=True).stdout
        assert found.count("BEGIN CERTIFICATE") == len(sandbox_chain(server))


def test_the_ra_may_sign_for_clients_that_want_it_so(make_server, extra_pki):
    server = make_server(lines(extra_pki, CHAIN + "ScepNextCASigner ra"))
    ra, = profiles.read_pem(extra_pki / "both.pem")
    inside, outside = read_answer(next_ca(server).body, ra)
    assert inside == sandbox_chain(server)
    assert set(outside) == {*sandbox_chain(server), ra}


def test_capabilities_may_leave_it_out(make_server, extra_pki):
    server = make_server(lines(extra_pki, SIGNED,
                               profile="ScepCapabilities -GetNextCACert"))
    assert "GetNextCACert" not in server.endpoint("now").caps()
    assert next_ca(server).status == 200


def sign_elsewhere(path, certs, key, cert, form="DER"):
    """What an administrator does where the CA's key is."""
    content = path / "content"
    subprocess.run(
        ["openssl", "crl2pkcs7", "-nocrl", "-certfile", certs, "-outform",
         "DER", "-out", content], check=True, capture_output=True)
    subprocess.run(
        ["openssl", "cms", "-sign", "-binary", "-nodetach", "-in", content,
         "-signer", cert, "-inkey", key, "-outform", form, "-out",
         path / "answer"], check=True, capture_output=True)
    return path / "answer"


@pytest.mark.parametrize("form", ["DER", "PEM"])
def test_an_answer_that_was_signed_elsewhere(make_server, extra_pki,
                                             tmp_path, form):
    server = make_server(start=False)
    certs = server.dir / "next.pem"
    server.start()
    certs.write_bytes((server.dir / "pki" / "ca.pem").read_bytes())
    signed = sign_elsewhere(server.dir, certs, extra_pki / "extra.key",
                            extra_pki / "extra-chain.pem", form)
    server.lines = lines(extra_pki, CHAIN + "ScepNextCASigned %s" % signed)
    server.reload()
    inside, _ = read_answer(next_ca(server).body, current(extra_pki))
    assert sorted(inside) == sorted(sandbox_chain(server))
    assert "GetNextCACert" in server.endpoint("now").caps()


@pytest.fixture(scope="module")
def config(keys, extra_pki):
    made = configuration.Configuration(keys)
    made.extra = extra_pki
    for what, certs, key, cert in (
            ("wrong-signer", made.pki / "ca.pem", made.pki / "issuing.key",
             made.pki / "ca.pem"),
            ("wrong-content", extra_pki / "extra-chain.pem",
             extra_pki / "extra.key", extra_pki / "extra-chain.pem")):
        sign_elsewhere(made.dir, certs, key, cert).rename(made.dir / what)
    yield made
    shutil.rmtree(made.dir)


@pytest.mark.parametrize("ca,word", [
    (CHAIN, "ScepNextCASigner"),
    ("ScepNextCASigner ra", "ScepNextCAChain"),
    (CHAIN + "ScepNextCASigner ra\nScepNextCASigned x", "one of"),
    (CHAIN + "ScepNextCASigner pki/ra.key", "not that of the first"),
    (CHAIN + "ScepNextCASigner pki/none.key", "none.key"),
    (CHAIN + "ScepNextCASigned pki/none", "none"),
    (CHAIN + "ScepNextCASigned pki/ca.pem", "no CMS"),
    (CHAIN + "ScepNextCASigned wrong-signer", "not signed by"),
    (CHAIN + "ScepNextCASigned wrong-content", "not in its content"),
    ("ScepNextCAChain pki/ra.pem\nScepNextCASigner ra", "no CA"),
    ("ScepNextCAChain {pki}/extra-chain.pem\nScepNextCASigner ra",
     "not the next one"),
    ("ScepNextCAChain pki/none.pem\nScepNextCASigner ra", "none.pem")])
def test_mistakes_are_found_at_configtest(config, ca, word):
    status, said = config.check(lines(config.extra, ca)
                                + configuration.GOOD)
    assert status != 0
    assert re.search(r"(on )?line \d+ of ", said) and word in said, said


def test_no_capability_without_the_next_ca(config):
    status, said = config.check(
        lines(config.extra, profile="ScepCapabilities +GetNextCACert")
        + configuration.GOOD)
    assert status != 0 and "ScepNextCAChain" in said, said


def test_a_key_that_needs_a_pass_phrase_is_not_asked_for(config):
    status, said = config.check(
        lines(config.extra, CHAIN + "ScepNextCASigner pki/locked.key")
        + configuration.GOOD)
    assert status == 0, said


# ------------------------------------------------------ rollover of the RA

@pytest.fixture(scope="module")
def two_ras(extra_pki):
    """A second RA of the same CA, that replaces the first."""
    key = pki.rsa_key()
    ca_key = serialization.load_pem_private_key(
        (extra_pki / "extra.key").read_bytes(), None)
    ra = certificate(key, name(("CN", "New RA")),
                     name(("O", "test"), ("CN", "Extra Issuing")), ca_key,
                     extensions=[key_usage(0, 2)])
    path = extra_pki / "new-ra.pem"
    path.write_bytes(pki.pem_cert(ra) + pki.pem_key(key))
    path.chmod(0o600)
    return ["ScepRACertificate {pki}/new-ra.pem", RA]


def enrol(server, keys, recipient, identity, profile="now", number=0,
          challenge=None):
    """Enrols at /p/now, enveloped to one certificate of the RA."""
    endpoint = server.endpoint("now")
    endpoint.identity = identity
    if challenge is None:
        challenge = server.challenge(profile)
    message = endpoint.request(keys.rsa(number=number),
                               make_csr(keys.rsa(number=number), challenge),
                               recipients=[recipient])
    return endpoint.send(message)


@pytest.mark.parametrize("reverse", [False, True])
def test_r21_envelopes_to_the_old_and_to_the_new_ra(make_server, extra_pki,
                                                    keys, two_ras, reverse):
    ras = two_ras[::-1] if reverse else two_ras
    server = make_server(lines(extra_pki, ras="\n    ".join(ras)))
    certs = [profiles.read_pem(extra_pki / ("both.pem" if "both" in ra
                                            else "new-ra.pem"))[0]
             for ra in ras]
    published = server.endpoint("now").ca_certificates()
    # in the order of the configuration, then the CA's
    assert published == certs + profiles.read_pem(
        extra_pki / "extra-chain.pem")
    for recipient in certs:
        # the first signs replies, whichever the envelope was for
        reply = enrol(server, keys, recipient, certrep.Identity(published))
        assert reply.status == SUCCESS
        verify_issued(reply.certificates[0], current(extra_pki))


def test_a_client_that_knows_the_old_ra_survives_a_reload(make_server,
                                                          extra_pki, keys,
                                                          two_ras):
    server = make_server(lines(extra_pki))
    before = server.endpoint("now").identity
    server.lines = lines(extra_pki, ras="\n    ".join(two_ras))
    server.reload()
    now = server.endpoint("now").identity
    assert now.encrypt_cert != before.encrypt_cert
    reply = enrol(server, keys, before.encrypt_cert, now)
    assert reply.status == SUCCESS
    # what that client trusts vouches for the new RA too
    verify_issued(now.sign_cert, before.chain[0])
    # without the old one its envelopes are for nobody
    server.lines = lines(extra_pki, ras=two_ras[0])
    server.reload()
    reply = enrol(server, keys, before.encrypt_cert, now)
    assert (reply.status, reply.fail_info) == (FAILURE, BAD_MESSAGE_CHECK)


# ------------------------------------------------------ rollover of the CA

def test_r21_the_recipient_says_which_ca_issues(make_server, extra_pki,
                                                keys):
    server = make_server(lines(extra_pki, SIGNED, profile=ROLLOVER))
    now = server.endpoint("now").identity
    inside, _ = read_answer(next_ca(server).body, current(extra_pki))
    # the next CA's RA too: a device has to envelope to it
    later = certrep.Identity(inside)
    assert inside == server.endpoint().ca_certificates()
    reply = enrol(server, keys, now.encrypt_cert, now)
    assert reply.status == SUCCESS
    verify_issued(reply.certificates[0], current(extra_pki))
    reply = enrol(server, keys, later.encrypt_cert, later, "default")
    assert reply.status == SUCCESS
    verify_issued(reply.certificates[0], sandbox_chain(server)[0])


def test_each_profile_has_its_own_challenges(make_server, extra_pki, keys):
    server = make_server(lines(extra_pki, profile=ROLLOVER))
    now = server.endpoint("now").identity
    later = server.endpoint().identity
    for recipient, identity, profile in (
            (now.encrypt_cert, now, "default"),
            (later.encrypt_cert, later, "now")):
        reply = enrol(server, keys, recipient, identity, profile)
        assert (reply.status, reply.fail_info) == (FAILURE, BAD_REQUEST)
    # not the other way round: the other profile names nobody
    endpoint = server.endpoint()
    message = endpoint.request(
        keys.rsa(), make_csr(keys.rsa(), server.challenge("now")),
        recipients=[now.encrypt_cert])
    reply = endpoint.send(message)
    assert (reply.status, reply.fail_info) == (FAILURE, BAD_MESSAGE_CHECK)


@pytest.mark.parametrize("profile,word", [
    ("ScepRolloverProfile none", "no <ScepProfile> none"),
    ("ScepRolloverProfile now", "itself"),
    ("ScepRolloverProfile default default", "another profile's too"),
    ("ScepRolloverProfile a b c d e", "at most")])
def test_mistakes_in_rollover_are_found(config, profile, word):
    status, said = config.check(lines(config.extra, profile=profile)
                                + configuration.GOOD)
    assert status != 0 and word in said, said
