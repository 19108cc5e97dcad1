"""What the local CA writes into certificates (point 7).

SPDX-License-Identifier: Apache-2.0
"""
import datetime
import subprocess

import pytest
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

import der
import pki
import profiles
from gateway import make_csr
from pki import (dirname, dns, edi_party, email, extension, ip,
                 other_name, rid, subject_alt_name, upn, uri)
from pkimessage import BAD_REQUEST, FAILURE, SUCCESS


def parsed(reply):
    return asn1_x509.Certificate.load(reply.certificates[0])


def extensions(reply):
    """OID: (critical, value in DER), each once."""
    found = {}
    for item in parsed(reply)["tbs_certificate"]["extensions"]:
        dotted = item["extn_id"].dotted
        assert dotted not in found
        found[dotted] = item["critical"].native, item["extn_value"].native \
            if isinstance(item["extn_value"].native, bytes) \
            else item["extn_value"].contents
    return found


@pytest.fixture
def issue(enrol, keys):
    def run(profile="default", **members):
        reply = enrol(profile, **members)
        reply.check_issued(members.get("key") or keys.rsa())
        return reply
    return run


@pytest.fixture
def refuse(server, keys):
    """The request fails for its content, and the challenge is not spent."""
    def run(profile, **csr):
        found = server.issue(profile)
        endpoint = server.endpoint(profile)
        message = endpoint.request(
            keys.rsa(), make_csr(keys.rsa(), found["challenge"], **csr),
            keys.signer())
        reply = endpoint.send(message)
        assert (reply.status, reply.fail_info) == (FAILURE, BAD_REQUEST)
        assert server.state(found["id"]) == "issued"
        return reply
    return run


def test_serial_numbers_are_random_and_positive(issue):
    serials = {issue().cert.serial_number for _ in range(10)}
    assert len(serials) == 10
    for serial in serials:
        assert 0 < serial < 1 << 159
    assert max(serials) >> 64, "at least 64 random bits"


def test_it_is_a_version_3_leaf(issue):
    reply = issue()
    assert parsed(reply)["tbs_certificate"]["version"].native == "v3"
    cert = reply.cert
    basic = cert.extensions.get_extension_for_class(x509.BasicConstraints)
    assert not basic.value.ca


def test_lifetime_and_backdating(issue, server):
    now = datetime.datetime.utcnow()
    minute = datetime.timedelta(minutes=1)
    cert = issue("extra").cert
    assert abs(cert.not_valid_before
               - (now - datetime.timedelta(hours=1))) < minute
    cert = issue().cert
    # never before the CA's own time has come; the sandbox's is minutes old
    chain = server.endpoint().identity.chain
    ca = x509.load_der_x509_certificate(chain[0])
    wanted = max(now - datetime.timedelta(minutes=10), ca.not_valid_before)
    assert abs(cert.not_valid_before - wanted) < minute
    assert abs(cert.not_valid_after
               - (now + datetime.timedelta(days=365))) < minute
    cert = issue("usage").cert
    assert abs(cert.not_valid_after
               - (now + datetime.timedelta(days=30))) < minute


def test_never_longer_than_the_ca(issue, server):
    """The extra CA of the tests ends in ten years, its RA in 30 days."""
    chain = server.endpoint("extra").identity.chain
    ca = x509.load_der_x509_certificate(chain[0])
    assert issue("extra").cert.not_valid_after == ca.not_valid_after
    assert "the CA: the lifetime is cut to the CA's own" in server.log.raw()


def test_key_usage_by_default(issue):
    usage = issue().cert.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.digital_signature and usage.value.key_encipherment
    assert not usage.value.key_cert_sign and not usage.value.crl_sign
    assert not usage.value.content_commitment
    purposes = issue().cert.extensions.get_extension_for_class(
        x509.ExtendedKeyUsage).value
    assert list(purposes) == [ExtendedKeyUsageOID.CLIENT_AUTH]


def test_key_usage_of_the_profile(issue):
    cert = issue("usage").cert
    usage = cert.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature and not usage.key_encipherment
    purposes = cert.extensions.get_extension_for_class(
        x509.ExtendedKeyUsage).value
    assert {p.dotted_string for p in purposes} == {
        "1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2", "1.3.6.1.5.5.7.3.17"}


def test_usages_that_the_csr_asks_for_are_not_taken(issue):
    wanted = [pki.key_usage(5, 6), extension(
        "2.5.29.37", der.DER.seq(der.oid("1.3.6.1.5.5.7.3.3")))]
    plain, asked = issue(), issue(csr={"extensions": wanted})
    for dotted in ("2.5.29.15", "2.5.29.37"):
        assert extensions(plain)[dotted] == extensions(asked)[dotted]


def test_a_csr_that_asks_to_be_a_ca_is_refused(refuse):
    refuse("default", extensions=[profiles.CA])


def test_c26_key_identifiers(issue, server, keys):
    reply = issue()
    cert = reply.cert
    identity = server.endpoint().identity
    ca = x509.load_der_x509_certificate(identity.chain[0])
    ski = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    aki = cert.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    assert aki.value.key_identifier == ski.value.digest
    assert not aki.critical
    own = cert.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    assert not own.critical
    assert own.value == x509.SubjectKeyIdentifier.from_public_key(
        keys.rsa().public_key())


def test_key_identifiers_that_the_csr_claims_are_not_taken(issue):
    plain = issue()
    asked = issue(csr={"extensions": [
        extension("2.5.29.14", der.tlv(der.OCTETS, b"x" * 20)),
        extension("2.5.29.35", der.DER.seq(der.tlv(0x80, b"y" * 20)))]})
    for dotted in ("2.5.29.14", "2.5.29.35"):
        assert extensions(plain)[dotted] == extensions(asked)[dotted]


def test_urls_only_where_configured(issue):
    assert ExtensionOID.CRL_DISTRIBUTION_POINTS.dotted_string not in \
        extensions(issue())
    assert ExtensionOID.AUTHORITY_INFORMATION_ACCESS.dotted_string not in \
        extensions(issue())
    cert = issue("extra").cert
    points = cert.extensions.get_extension_for_class(
        x509.CRLDistributionPoints).value
    assert [n.value for p in points for n in p.full_name] == \
        [profiles.CRL_URL]
    access = cert.extensions.get_extension_for_class(
        x509.AuthorityInformationAccess).value
    assert {(a.access_method.dotted_string, a.access_location.value)
            for a in access} == {
        ("1.3.6.1.5.5.7.48.2", profiles.ISSUERS_URL),
        ("1.3.6.1.5.5.7.48.1", profiles.OCSP_URL)}


def test_signature_digests_and_key_types(issue):
    default = parsed(issue())["signature_algorithm"]
    assert default["algorithm"].native == "sha256_ecdsa"
    extra = parsed(issue("extra"))["signature_algorithm"]
    assert extra["algorithm"].native == "sha384_rsa"


def test_openssl_verify_accepts(issue, server, tmp_path):
    for profile in ("default", "extra"):
        reply = issue(profile)
        chain = server.endpoint(profile).identity.chain
        (tmp_path / "leaf").write_bytes(
            pki.pem_cert(reply.certificates[0]))
        (tmp_path / "root").write_bytes(pki.pem_cert(chain[-1]))
        (tmp_path / "middle").write_bytes(
            b"".join(map(pki.pem_cert, chain[:-1])))
        done = subprocess.run(
            ["openssl", "verify", "-x509_strict", "-purpose", "sslclient",
             "-CAfile", tmp_path / "root", "-untrusted", tmp_path / "middle",
             tmp_path / "leaf"], capture_output=True, text=True)
        # the test's own extra CA has no key identifiers
        if profile == "default":
            assert done.returncode == 0, done.stderr
        else:
            assert "key identifier" in done.stderr.lower() \
                or done.returncode == 0, done.stderr


# ---------------------------------------------------------- subjectAltNames

SANS = {
    "dns": dns("host.example"), "wildcard": dns("*.example"),
    "ipv4": ip("192.0.2.1"), "ipv6": ip("2001:db8::1"),
    "email": email("User@b.example"), "uri": uri("urn:uuid:1234"),
    "upn": upn("user@corp.example"), "rid": rid("1.2.3.4"),
    "dirname": dirname(("C", "CH"), ("CN", "x")),
    "other": other_name("1.2.3.4.5", der.text(der.UTF8, "x")),
    "hardware": other_name("1.3.6.1.5.5.7.8.4", der.DER.seq(
        der.oid("1.2.3"), der.tlv(der.OCTETS, b"serial"))),
    "edi": edi_party("party"),
    "sid": uri("tag:microsoft.com,2022-09-14:sid:S-1-5-21-1-2-3-500"),
}
BY_DEFAULT = {"dns", "wildcard", "ipv4", "ipv6", "email", "uri"}


@pytest.mark.parametrize("kind", SANS)
def test_c47_each_san_is_carried_byte_for_byte_or_refused(issue, refuse,
                                                          kind):
    wanted = subject_alt_name(SANS[kind])
    reply = issue("wide", csr={"sans": [SANS[kind]]})
    assert wanted in reply.certificates[0]
    if kind in BY_DEFAULT:
        assert wanted in issue(csr={"sans": [SANS[kind]]}).certificates[0]
    else:
        refuse("default", sans=[SANS[kind]])


def test_c47_several_sans_keep_their_order(issue):
    names = [SANS[kind] for kind in ("uri", "dns", "ipv6", "email", "ipv4",
                                     "wildcard")]
    for order in (names, names[::-1]):
        assert subject_alt_name(*order) in issue(
            csr={"sans": order}).certificates[0]


def test_c47_one_that_is_not_allowed_among_others(refuse):
    for kind in ("upn", "sid", "rid", "other"):
        refuse("default", sans=[SANS["dns"], SANS[kind]])


def test_c47_none_means_none(refuse, issue):
    refuse("nosans", sans=[SANS["dns"]])
    assert "2.5.29.17" not in extensions(issue("nosans"))


def test_c47_hundreds_of_sans_and_no_more_than_256(issue, refuse):
    names = [dns("host%d.example" % n) for n in range(257)]
    assert subject_alt_name(*names[:256]) in issue(
        csr={"sans": names[:256]}).certificates[0]
    refuse("default", sans=names)


def test_a_critical_san_is_carried(issue):
    san = subject_alt_name(SANS["dns"], critical=True)
    reply = issue(csr={"extensions": [san]})
    assert extensions(reply)["2.5.29.17"][1]


# --------------------------------------------------------------- extensions

MICROSOFT = {
    "template name": ("1.3.6.1.4.1.311.20.2", der.text(der.BMP, "Machine")),
    "template info": ("1.3.6.1.4.1.311.21.7", der.DER.seq(
        der.oid("1.3.6.1.4.1.311.21.8.1"), der.integer(100))),
    "sid": ("1.3.6.1.4.1.311.25.2", der.DER.seq(der.tlv(0xa0, der.oid(
        "1.3.6.1.4.1.311.25.2.1") + der.tlv(0xa0, der.tlv(
            der.OCTETS, b"S-1-5-21-1-2-3-500"))))),
}


@pytest.mark.parametrize("label", MICROSOFT)
@pytest.mark.parametrize("profile", ["default", "wide"])
def test_c48_microsofts_extensions_are_refused(refuse, profile, label):
    dotted, value = MICROSOFT[label]
    refuse(profile, extensions=[extension(dotted, value)])


def test_extensions_by_the_allow_list(issue, refuse):
    listed = extension(profiles.EXTRA_OID, der.text(der.UTF8, "x"))
    reply = issue("wide", csr={"extensions": [listed]})
    assert listed in reply.certificates[0]
    # elsewhere it is left out, and the log says so
    reply = issue(csr={"extensions": [listed]})
    assert profiles.EXTRA_OID not in extensions(reply)


def test_left_out_extensions_are_told(issue, log):
    issue(csr={"extensions": [extension("1.2.3.4", der.null())]})
    assert "1.2.3.4" in log.outcomes()[-1].text


def test_critical_extensions_off_the_list_are_refused(refuse, issue):
    refuse("default", extensions=[extension("1.2.3.4", der.null(), True)])
    listed = extension(profiles.EXTRA_OID, der.null(), True)
    assert listed in issue("wide",
                           csr={"extensions": [listed]}).certificates[0]


def test_name_constraints_and_policies_are_not_the_devices(issue):
    asked = [extension("2.5.29.32", der.DER.seq(der.DER.seq(
        der.oid("2.23.140.1.1")))),
        extension("1.3.6.1.5.5.7.1.1", der.DER.seq(der.DER.seq(
            der.oid("1.3.6.1.5.5.7.48.1"), uri("http://evil.example/")))),
        extension("2.5.29.31", der.DER.seq())]
    reply = issue(csr={"extensions": asked})
    assert set(extensions(reply)) <= set(extensions(issue()))
    assert b"evil.example" not in reply.certificates[0]


def test_legacy_profile_issues_with_strong_digests(issue):
    reply = issue("legacy", digest="md5", cipher="des",
                  csr={"digest": "md5"})
    algorithm = parsed(reply)["signature_algorithm"]["algorithm"].native
    assert algorithm == "sha256_ecdsa"


def test_log_line_of_an_issue(issue, log, server):
    """Serial, profile, CA, names, challenge and transaction in one line."""
    found = server.issue()
    reply = issue(challenge=found["challenge"],
                  csr={"sans": [SANS["dns"]]}, transaction_id="trace me")
    line, = [entry for entry in log.outcomes() if "SCEP0100" in entry.text]
    serial = pki.serial_text(reply.cert)
    for fact in (serial, "default", "issuing", "CN=device", "host.example",
                 found["id"], "trace me"):
        assert fact in line.text, (fact, line.text)
    assert line.level == "info"
    assert reply.status == SUCCESS
