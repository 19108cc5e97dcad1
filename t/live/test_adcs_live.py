"""One device at a real ADCS; see "At a real ADCS" in adcs.md.

SPDX-License-Identifier: Apache-2.0
"""
import os

import pytest
from cryptography import x509

import gateway
from conftest import Settings
from pki import dns, name, rsa_key
from pkimessage import FAILURE, PENDING

ADCS = Settings("SCEP_LIVE_ADCS")


def authentication():
    way, place = ADCS.text("AUTH"), ADCS.path("SECRET")
    if way == "certificate":
        return "ScepAdcsAuth certificate " + place
    if way != "kerberos":
        place = "file:" + place
    line = "ScepAdcsAuth %s %s %s" % (way, ADCS.text("USER"), place)
    return line + ("\nScepAdcsAllowNTLM on" if way == "ntlm" else "")


def configuration(template, *lines):
    common = ["ScepCAChain " + ADCS.path("CHAIN"),
              'ScepAdcsURL "%s"' % ADCS.text("URL"),
              "ScepAdcsInterface " + ADCS.text("INTERFACE"),
              "ScepAdcsTemplate " + template, authentication()]
    if ADCS.get("CA_FILE"):
        common.append("ScepAdcsCAFile " + ADCS.path("CA_FILE"))
    return "\n".join(["<ScepCA adcs live>", *common, *lines, "</ScepCA>"])


@pytest.fixture
def make(make_live):
    def make(template, *lines):
        return make_live("scep_ca_adcs", configuration(template, *lines),
                         ADCS.path("RA"), startup=["SCEP0421"])
    return make


@pytest.fixture
def cn():
    return "live-" + os.urandom(4).hex()


def status_of(live, cn):
    """The reply to a device that gets no certificate."""
    key = rsa_key()
    endpoint = live.server.endpoint(live.name)
    csr = gateway.make_csr(key, live.server.challenge(live.name),
                           subject=name(("CN", cn)))
    return endpoint.send(endpoint.request(key, csr)).status


def test_a_device_enrols(make, cn):
    cert = make(ADCS.text("TEMPLATE")).enrol(cn, sans=[dns(cn + ".example")])
    subject = cert.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    assert [part.value for part in subject] == [cn]
    names = cert.extensions.get_extension_for_class(
        x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [cn + ".example"]


def test_five_devices_one_after_the_other(make, cn):
    live = make(ADCS.text("TEMPLATE"))
    certs = [live.enrol("%s-%d" % (cn, number)) for number in range(5)]
    assert len({cert.serial_number for cert in certs}) == 5


def test_an_enrolment_agent_signs(make, cn):
    template = ADCS.text("SIGNED_TEMPLATE")
    make(template, "ScepAdcsSigner " + ADCS.path("SIGNER")).enrol(cn)


def test_manager_approval_is_pending(make, cn):
    assert status_of(make(ADCS.text("APPROVAL_TEMPLATE")), cn) == PENDING


@pytest.mark.parametrize("variable", ["FORBIDDEN_TEMPLATE", None])
def test_a_template_without_the_right_to_enrol(make, cn, variable):
    live = make(ADCS.text(variable) if variable else "NoSuchTemplate")
    live.server.log.expect("SCEP0104")
    assert status_of(live, cn) == FAILURE
