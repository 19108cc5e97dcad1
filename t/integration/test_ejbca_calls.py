"""Calls of the connector to EJBCA that no device can cause: by a program.

SPDX-License-Identifier: Apache-2.0
"""
import hashlib
import subprocess
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

import gateway
from other_ca import beside, ejbca_afresh
from pki import name, spki

PROBE = gateway.BUILD / "t" / "integration" / "ejbca_probe"


@pytest.fixture(scope="module")
def gateway_before_ejbca():
    with beside("ejbca", "LogLevel scep:debug\n") as server:
        yield server


@pytest.fixture
def world(gateway_before_ejbca, keys):
    with ejbca_afresh(gateway_before_ejbca, keys) as world:
        yield world


def settings(**changes):
    return lambda world: world.ca.set(**changes)


def fault(**members):
    return lambda world: world.ca.fault(**members)


def nothing(world):
    pass


def ask(world, *words, **settings):
    """The connector's own calls, from a process with these settings."""
    tls = world.ca.dir / "tls"
    given = {"url": world.server.values["CA_URL"], "ca": "IssuingCA",
             "ca-file": tls / "management.pem",
             "certificate": tls / "gateway.pem", "key": tls / "gateway.key",
             **settings}
    done = subprocess.run(
        [PROBE, *["%s=%s" % pair for pair in given.items()],
         *map(str, words)], text=True, check=True, stdout=subprocess.PIPE)
    return done.stdout.splitlines()


def handle_of(world, key, began=None, binding="-"):
    digest = hashlib.sha256(spki(key)).hexdigest()
    return "scep-%s %s %s %d" % (
        world.cn, binding, digest, (began or time.time()) * 1000000)


def test_poll_finds_what_was_made_meanwhile(world):
    began = time.time()
    cert = world.issued()
    order, = world.ca.requests("pkcs10enroll")
    for binding in ("-", order["body"]["account_binding_id"]):
        found = ask(world, "poll", handle_of(world, world.keys.rsa(), began,
                                             binding))
        assert found[0] == "ISSUED", found
        pem = "\n".join(found[3:]) + "\n"
        assert x509.load_pem_x509_certificate(pem.encode()) == cert
    assert len(world.certificates()) == 1


def test_poll_of_nothing_is_unknown_until_nothing_can_come_any_more(world):
    key = world.keys.rsa()
    handle = handle_of(world, key)
    outcome, reason, kept = ask(world, "poll", handle)
    assert (outcome, kept) == ("UNKNOWN", handle)
    assert "no certificate is found" in reason
    outcome, reason, _ = ask(world, "poll", handle_of(
        world, key, time.time() - 3600))
    assert outcome == "UNAVAILABLE" and "no certificate was made" in reason


def csr_of(world, tmp_path):
    made = x509.load_der_x509_csr(gateway.make_csr(
        world.keys.rsa(), subject=name(("CN", world.cn))))
    path = tmp_path / "probe.csr"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return path


def certificate_of(found):
    assert found[0] == "ISSUED", found
    return x509.load_pem_x509_certificate(
        ("\n".join(found[3:]) + "\n").encode())


def is_the_only_one(world, cert):
    only, = world.certificates()
    assert int(only["serial"], 16) == cert.serial_number


@pytest.mark.parametrize("what", ["hang-issued", "close-issued", "cut"])
def test_the_handle_of_a_submission_is_good_in_another_process(
        world, tmp_path, what):
    csr = csr_of(world, tmp_path)
    world.ca.fault(what)
    world.ca.fault("html", step="search", times=-1)
    outcome, _, handle = ask(world, "submit", csr, "b1")
    assert outcome == "UNKNOWN" and handle
    assert ask(world, "poll", handle)[0] == "UNKNOWN"
    world.ca.control("DELETE", "/faults")
    is_the_only_one(world, certificate_of(ask(world, "poll", handle)))
    assert len(world.ca.requests("pkcs10enroll")) == 1


def test_lookup_finds_what_a_killed_process_had_made(world, tmp_path):
    csr = csr_of(world, tmp_path)
    began = int(time.time())
    assert ask(world, "submit", csr, "b1")[0] == "ISSUED"
    for binding in ("b1", "one-that-EJBCA-does-not-keep"):
        is_the_only_one(world, certificate_of(
            ask(world, "lookup", csr, binding, began)))
    assert len(world.ca.requests("pkcs10enroll")) == 1


def test_lookup_of_nothing_is_unknown_while_something_may_come(world,
                                                               tmp_path):
    csr = csr_of(world, tmp_path)
    outcome, _, handle = ask(world, "lookup", csr, "b1", int(time.time()))
    assert outcome == "UNKNOWN"
    assert ask(world, "poll", handle)[0] == "UNKNOWN"
    long_ago = int(time.time()) - 3600
    outcome, reason, _ = ask(world, "lookup", csr, "b1", long_ago)
    assert outcome == "UNAVAILABLE" and "no certificate was made" in reason
    world.ca.fault("html", step="search", times=-1)
    assert ask(world, "lookup", csr, "b1", long_ago)[0] == "UNKNOWN"
    world.ca.down()
    assert ask(world, "lookup", csr, "b1", long_ago)[0] == "UNKNOWN"
    world.ca.up()
    assert world.ca.requests("pkcs10enroll") == []


def test_poll_takes_no_certificate_of_another_key(world):
    world.issued()
    assert ask(world, "poll", handle_of(
        world, world.keys.rsa(number=1)))[0] == "UNKNOWN"


@pytest.mark.parametrize("what", ["500", "500-bare", "html", "empty",
                                  "array", "cut"])
def test_poll_believes_no_answer_that_is_none(world, what):
    world.ca.fault(what, step="search", times=-1)
    outcome, reason, _ = ask(world, "poll", handle_of(
        world, world.keys.rsa(), time.time() - 3600))
    assert outcome == "UNKNOWN", reason


def test_poll_of_a_ca_that_is_down_is_unknown(world):
    handle = handle_of(world, world.keys.rsa(), time.time() - 3600)
    world.ca.down()
    assert ask(world, "poll", handle)[0] == "UNKNOWN"


@pytest.mark.parametrize("handle", [
    "", " ", "x", "a b c", "a b c d", "a - " + "0" * 63 + " 1",
    "a - " + "0" * 64, "a - " + "g" * 64 + " 1"])
def test_poll_of_a_strange_handle_asks_nobody(world, handle):
    assert ask(world, "poll", handle)[0] == "REJECTED"
    assert world.ca.state["requests"] == []


def write_pem(path, cert):
    path.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.mark.parametrize("issuer", [
    {}, {"issuer": "CN=Sandbox Issuing CA,O=mod_scep sandbox"}])
def test_revocation_and_the_crl(world, tmp_path, issuer):
    cert = world.issued()
    assert ask(world, "crl", **issuer) == ["none"]
    pem = write_pem(tmp_path / "cert.pem", cert)
    assert ask(world, "revoke", pem, 1, **issuer) == ["revoked", ""]
    only, = world.ca.state["revoked"]
    assert only["reason"] == "KEY_COMPROMISE"
    # once more changes nothing
    assert ask(world, "revoke", pem, 4, **issuer)[0] == "revoked"
    found = ask(world, "crl", **issuer)
    crl = x509.load_pem_x509_crl(("\n".join(found[1:]) + "\n").encode())
    assert [entry.serial_number for entry in crl] == [cert.serial_number]


def test_each_reason_has_ejbcas_name(world, tmp_path):
    reasons = []
    for number in (0, 2, 3, 4, 5, 6, 8, 9, 10, 7, 99):
        pem = write_pem(tmp_path / "cert.pem", world.issued())
        assert ask(world, "revoke", pem, number)[0] == "revoked"
        reasons.append(world.ca.state["revoked"][-1]["reason"])
    assert reasons == [
        "UNSPECIFIED", "CA_COMPROMISE", "AFFILIATION_CHANGED", "SUPERSEDED",
        "CESSATION_OF_OPERATION", "CERTIFICATE_HOLD", "REMOVE_FROM_CRL",
        "PRIVILEGES_WITHDRAWN", "AA_COMPROMISE", "UNSPECIFIED",
        "UNSPECIFIED"]


@pytest.mark.parametrize("prepare, settings, told", [
    (settings(community=8.0), {}, "RESTEASY003210"),
    (nothing, {"ca": "NoSuchCA"}, "ScepEjbcaIssuer"),
    (nothing, {"issuer": "CN=NoSuchCA"}, "does not exist"),
    (nothing, {"issuer": "CN=with/slash"}, "404"),
    (settings(administrators=[]), {}, "not authorized"),
    (fault(step="revoke", status=202, body="{}"), {}, "approval"),
    (fault(step="revoke", status=500, message="General failure."), {},
     "General failure"),
    (fault(step="ca", status=200, body="<html>"), {}, "ScepEjbcaIssuer"),
    (lambda world: world.ca.down(), {}, ""),
])
def test_what_hinders_a_revocation_is_said(world, tmp_path, prepare,
                                           settings, told):
    pem = write_pem(tmp_path / "cert.pem", world.issued())
    prepare(world)
    outcome, reason = ask(world, "revoke", pem, 1, **settings)
    assert outcome == "error" and reason and told in reason
    world.ca.up()
    assert world.ca.state["revoked"] == []


@pytest.mark.parametrize("issuer", [
    {}, {"issuer": "CN=Sandbox Issuing CA,O=mod_scep sandbox"}])
def test_the_chain_is_what_ejbca_has_now(world, issuer):
    told, *pem = ask(world, "chain", **issuer)
    assert told == "chain"
    assert "\n".join(pem) + "\n" == (
        world.server.dir / "pki/ca.pem").read_text()


def test_no_chain_of_a_ca_that_is_down(world):
    world.ca.down()
    assert ask(world, "chain") == ["error"]
    world.ca.up()
    assert ask(world, "chain", issuer="CN=absent") == ["error"]


@pytest.mark.parametrize("members", [
    {"status": 200, "body": "<html>"}, {"status": 200, "body": "{}"},
    {"status": 200, "body": '{"crl": "AAAA"}'}, {"how": "cut"},
    {"how": "close"}, {"status": 500, "message": "General failure."}])
def test_no_crl_is_made_of_what_is_none(world, tmp_path, members):
    pem = write_pem(tmp_path / "cert.pem", world.issued())
    ask(world, "revoke", pem, 1)
    world.ca.fault(step="getLatestCrl", times=2, **members)
    assert ask(world, "crl") == ["error"]


def test_health(world):
    outcome, text = ask(world, "health")
    assert outcome == "well" and "EJBCA" in text
    world.ca.set(protocol=False)
    outcome, text = ask(world, "health")
    assert outcome == "ill" and "disabled" in text
    world.ca.down()
    outcome, text = ask(world, "health")
    assert outcome == "ill" and text
