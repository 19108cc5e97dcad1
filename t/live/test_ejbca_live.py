"""One device at a real EJBCA; see "Before a real EJBCA" in ejbca.md.

SPDX-License-Identifier: Apache-2.0
"""
import concurrent.futures
import os

import pytest
from cryptography import x509

from conftest import Settings
from pki import dns, rsa_key

EJBCA = Settings("SCEP_LIVE_EJBCA")


def configuration(*lines):
    common = ["ScepCAChain " + EJBCA.path("CHAIN"),
              "ScepEjbcaURL " + EJBCA.text("URL"),
              'ScepEjbcaCA "%s"' % EJBCA.text("CA")]
    if EJBCA.get("CA_FILE"):
        common.append("ScepEjbcaCAFile " + EJBCA.path("CA_FILE"))
    if EJBCA.get("TOKEN"):
        common.append("ScepEjbcaToken file:" + EJBCA.path("TOKEN"))
    else:
        common.append("ScepEjbcaClientCertificate " + EJBCA.path("CLIENT"))
    return "\n".join(["<ScepCA ejbca live>", *common, *lines, "</ScepCA>"])


def enrolling(*lines):
    return configuration(
        'ScepEjbcaCertificateProfile "%s"'
        % EJBCA.text("CERTIFICATE_PROFILE"),
        'ScepEjbcaEndEntityProfile "%s"' % EJBCA.text("END_ENTITY_PROFILE"),
        *lines)


@pytest.fixture
def live(make_live):
    return make_live("scep_ca_ejbca", enrolling(), EJBCA.path("RA"))


@pytest.fixture
def cn():
    return "live-" + os.urandom(4).hex()


def test_a_device_enrols_and_renews(live, cn):
    first = live.enrol(cn)
    second = live.enrol(cn)
    for cert in (first, second):
        subject = cert.subject.get_attributes_for_oid(
            x509.NameOID.COMMON_NAME)
        assert [part.value for part in subject] == [cn]
    assert first.serial_number != second.serial_number


def test_a_dns_name_is_in_the_certificate(live, cn):
    cert = live.enrol(cn, sans=[dns(cn + ".example")])
    names = cert.extensions.get_extension_for_class(
        x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [cn + ".example"]


def test_without_an_account_binding(make_live, cn):
    live = make_live("scep_ca_ejbca", enrolling(
        "ScepEjbcaAccountBinding off"), EJBCA.path("RA"))
    live.enrol(cn)


def test_eight_at_once(live, cn):
    keys = [rsa_key() for _ in range(8)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        certs = list(pool.map(
            lambda number: live.enrol("%s-%d" % (cn, number), keys[number]),
            range(8)))
    assert len({cert.serial_number for cert in certs}) == 8


def test_an_enrolment_code(make_live):
    username, code = EJBCA.text("USERNAME"), EJBCA.text("CODE")
    live = make_live("scep_ca_ejbca", configuration(
        "ScepEjbcaMode preregistered", "ScepEjbcaUsername " + username),
        EJBCA.path("RA"), "ScepVerify ca")
    live.enrol(username, challenge=code)
