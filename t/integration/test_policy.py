"""What a profile lets a certificate be: each rule, by its name.

SPDX-License-Identifier: Apache-2.0
"""
import base64
import hashlib
import itertools
import json
import sqlite3
import time

import pytest
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives.asymmetric import rsa

import gateway
import pki
from gateway import make_csr
from pki import dns, email, extension, ip, name
from pkimessage import BAD_ALG, BAD_REQUEST, FAILURE, SUCCESS
from test_renewal import RENEWAL_REQ

PROFILE = """\
<ScepProfile {name}>
    ScepCA issuing
    ScepRACertificate pki/ra.pem
    ScepRAKey pki/ra.key
    {lines}
</ScepProfile>
<Location "/p/{name}/pkiclient.exe">
    SetHandler scep
    ScepProfile {name}
    Require all granted
</Location>
"""

PROFILES = {
    "plain": "",
    "names": """ScepSubjectRequire CN O
    ScepSubjectAllow "CN=*.example.com" O=Example
    ScepSubjectAllow OU=*
    ScepSubjectAltNames dns ip upn
    ScepSubjectAltNameRequire dns
    ScepSubjectAltNameAllow dns:*.example.com ip:192.0.2.0/24
    ScepSubjectAltNameAllow upn:*@example.com""",
    "usages": "ScepExtendedKeyUsageAllow clientAuth 1.2.3.4",
    "exponent": "ScepRSAExponent 3",
    "forced": """ScepVerify cert otp
    ScepRenewalRevocation off
    ScepChallengeRequire device
    ScepDeviceIdFrom cn serialNumber dns
    ScepSubjectForce "CN=%{{device}}" "O=Example AG" OU=""",
    "renamed": """ScepVerify cert otp
    ScepRenewalRevocation off
    ScepRenewalNames any
    ScepChallengeRequire device
    ScepSubjectForce "O=Example AG" CN=%{{device}}""",
    "local": """ScepCondition here "-R '127.0.0.0/8'"
    ScepCondition named "%{{note:scep-cn}} =~ /^[a-z]+$/\\
 && %{{note:scep-sans}} == 'dns:a.example'\\
 && %{{note:scep-profile}} == 'local'\\
 && %{{note:scep-message-type}} == '19'" """,
    "elsewhere": """ScepCondition always "true"
    ScepCondition on-site "-R '192.0.2.0/24'" """,
    "two": """ScepVerify cert otp
    ScepRenewalRevocation off
    ScepMaxCertificates 2""",
    "once": "ScepKeyReuse off",
    "never": "ScepCondition night \"%{{TIME_HOUR}} -gt 24\"",
}
LINES = ("LogLevel warn scep:trace8\nScepWeakKeys weak\n"
         'LogFormat "rule=%{scep-rule}n reason=%{scep-reason}n" rules\n'
         "CustomLog rules.log rules\n"
         + "".join(PROFILE.format(name=key, lines=value.format())
                   for key, value in PROFILES.items()))


def modulus_line(key):
    """As "openssl rsa -noout -modulus | sha1sum" has it, and the list."""
    text = "Modulus=%X\n" % key.public_key().public_numbers().n
    return hashlib.sha1(text.encode()).hexdigest()[20:]


@pytest.fixture(scope="module")
def listed():
    return pki.rsa_key()


@pytest.fixture(scope="module")
def server(listed):
    sandbox = gateway.Sandbox("event", LINES)
    (sandbox.dir / "weak").write_text(
        "# as long as those of openssl-blacklist\n"
        + "".join("%020x\n" % number for number in range(100000))
        + modulus_line(listed) + "\nffffffffffffffffffff\n")
    try:
        sandbox.start()
        yield sandbox
    finally:
        sandbox.remove()


class Ledger:
    """The inventory, with rows of the test's own."""

    numbers = itertools.count(1)

    def __init__(self, server):
        self.path = server.dir / "ledger" / "ledger.db"

    def add(self, cn, profile="two", serial=None, key=None, state=0,
            days=1):
        row = {
            "serial": serial or "%032x" % next(self.numbers),
            "ca": "issuing", "profile": profile, "enrolment": "",
            "record": 0, "subject": "CN=" + cn, "sans": "", "device": "",
            # scep_policy_holder: of scep_name_canonical
            "names": hashlib.sha256(
                b"2.5.4.3=%d:%s" % (len(cn), cn.encode())).hexdigest(),
            "spki": hashlib.sha256(pki.spki(key)).hexdigest() if key else "",
            "der": "", "not_before": 0,
            "not_after": int((time.time() + days * 86400) * 1e6),
            "state": state, "reason": 0, "changed": 0, "due": 0,
            "successor": ""}
        database = sqlite3.connect(self.path, timeout=30)
        with database:
            database.execute(
                "INSERT OR REPLACE INTO ledger_certificate (%s) VALUES (%s)"
                % (",".join(row), ",".join("?" * len(row))),
                list(row.values()))
        database.close()


@pytest.fixture(scope="module")
def ledger(server, keys):
    # its tables are made when it is first asked
    explain(server, "two", make_csr(keys.rsa()))
    return Ledger(server)


def explain(server, profile, csr, **members):
    answer = server.admin("POST", "/explain", body={
        "profile": profile, "csr": base64.b64encode(csr).decode(),
        **members})
    assert answer.status == 200, answer
    return json.loads(answer.body)


def subject_of(certificate):
    return asn1_x509.Certificate.load(certificate).subject.native


class Device:
    """One that has a challenge."""

    def __init__(self, server, keys, profile, key=None, bound=None,
                 **members):
        self.server = server
        self.profile = profile
        self.key = key or keys.rsa()
        self.found = server.issue(profile, **(bound or {}))
        self.csr = make_csr(self.key, self.found["challenge"], **members)

    def explain(self, **members):
        return explain(self.server, self.profile, self.csr, **members)

    def enrol(self):
        self.server.log.mark()
        endpoint = self.server.endpoint(self.profile)
        return endpoint.send(endpoint.request(self.key, self.csr))

    def gets(self):
        found = self.explain(address="127.0.0.1")
        assert found["allowed"] is True, found
        reply = self.enrol()
        assert reply.status == SUCCESS, self.server.log.raw()
        return reply.certificates[0]

    def is_refused(self, rule, detail, reason="policy", fail=BAD_REQUEST):
        """By the log, the note and explain alike, and its challenge is as
        good as before."""
        found = self.explain(address="127.0.0.1")
        assert found["allowed"] is False
        assert found["decided_by"] == rule, found
        step, = [step for step in found["steps"] if step["rule"] == rule]
        assert detail in step["detail"], step
        reply = self.enrol()
        assert (reply.status, reply.fail_info) == (FAILURE, fail)
        line, = [line.raw for line in self.server.log.lines()
                 if "SCEP0102" in line.raw]
        assert "refused, %s: profile %s, " % (reason, self.profile) in line
        assert '": %s: ' % rule in line and detail in line, line
        gateway.wait_until(
            lambda: (self.server.dir / "rules.log").read_text()
            .splitlines()[-1] == "rule=%s reason=%s" % (rule, reason))
        assert self.server.state(self.found["id"]) == "issued"


# ------------------------------------------------------------------- names

GOOD = {"subject": name(("CN", "a.example.com"), ("O", "Example")),
        "sans": [dns("a.example.com")]}


@pytest.mark.parametrize("members", [
    {},
    {"subject": name(("OU", "x"), ("CN", "a.example.com"), ("O", "Example"))},
    {"sans": [dns("a.example.com"), dns("B.EXAMPLE.com"), ip("192.0.2.9"),
              pki.upn("a@example.com")]},
], ids=["plain", "OU", "SANs"])
def test_names_that_fit(server, keys, members):
    Device(server, keys, "names", **{**GOOD, **members}).gets()


@pytest.mark.parametrize("members, rule, detail", [
    ({"subject": name(("CN", "a.example.com"))},
     "ScepSubjectRequire", "no O"),
    ({"subject": name(("CN", "a.example.org"), ("O", "Example"))},
     "ScepSubjectAllow", "CN=a.example.org"),
    ({"subject": name(("CN", "a.example.com"), ("O", "Example"),
                      ("O", "Other"))},
     "ScepSubjectAllow", "O=Other"),
    ({"subject": name(("CN", "a.example.com"), ("O", "Example"),
                      ("C", "CH"))},
     "ScepSubjectAllow", "C=CH"),
    ({"sans": [dns("a.example.com"), email("a@example.com")]},
     "ScepSubjectAltNames", "email:a@example.com"),
    ({"sans": [ip("192.0.2.9")]}, "ScepSubjectAltNameRequire", "type dns"),
    ({"sans": []}, "ScepSubjectAltNameRequire", "type dns"),
    ({"sans": [dns("a.example.com"), dns("example.com")]},
     "ScepSubjectAltNameAllow", "dns:example.com"),
    ({"sans": [dns("*.example.com")]},
     "ScepSubjectAltNameAllow", "dns:*.example.com"),
    ({"sans": [dns("a.example.com"), ip("192.0.3.9")]},
     "ScepSubjectAltNameAllow", "ip:192.0.3.9"),
    ({"sans": [dns("a.example.com"), pki.upn("a@example.org")]},
     "ScepSubjectAltNameAllow", "upn:a@example.org"),
])
def test_names_that_do_not_fit(server, keys, members, rule, detail):
    Device(server, keys, "names", **{**GOOD, **members}).is_refused(
        rule, detail)


# -------------------------------------------------------------- extensions

CLIENT_AUTH = bytes.fromhex("06082b06010505070302")
CODE_SIGNING = bytes.fromhex("06082b06010505070303")


def usages(*der):
    body = b"".join(der)
    return extension("2.5.29.37", b"\x30" + bytes([len(body)]) + body)


def test_usages_that_may_be_asked_for(server, keys):
    Device(server, keys, "usages", extensions=[usages(CLIENT_AUTH)]).gets()
    Device(server, keys, "plain", extensions=[usages(CODE_SIGNING)]).gets()
    Device(server, keys, "usages").gets()
    Device(server, keys, "usages",
           extensions=[usages(CLIENT_AUTH, CODE_SIGNING)]).is_refused(
               "ScepExtendedKeyUsageAllow", "codeSigning")


@pytest.mark.parametrize("oid", [
    "1.3.6.1.4.1.311.25.2", "1.3.6.1.4.1.311.20.2", "1.3.6.1.4.1.311.21.7",
    "1.3.6.1.4.1.311.21.10"])
def test_c48_microsoft_s_extensions(server, keys, oid):
    Device(server, keys, "plain",
           extensions=[extension(oid, b"\x30\0")]).is_refused(
               "ScepExtensions", "Microsoft's extension")


# -------------------------------------------------------------------- keys

def test_a_listed_key(server, keys, listed):
    Device(server, keys, "plain", key=listed).is_refused(
        "ScepWeakKeys", "list of known keys", "bad-key", BAD_ALG)


def test_a_small_exponent(server, keys):
    three = rsa.generate_private_key(3, 2048)
    Device(server, keys, "plain", key=three).is_refused(
        "ScepRSAExponent", "public exponent 3", "bad-key", BAD_ALG)
    Device(server, keys, "exponent", key=three).gets()


def test_the_reload_reads_the_list_again(server, keys):
    path = server.dir / "weak"
    before = path.read_text()
    other = keys.rsa(number=3)
    Device(server, keys, "plain", key=other).gets()
    try:
        path.write_text(before + modulus_line(other) + "\n")
        server.reload()
        gateway.wait_until(
            lambda: Device(server, keys, "plain", key=other)
            .explain().get("decided_by") == "ScepWeakKeys")
    finally:
        path.write_text(before)
        server.reload()
    gateway.wait_until(
        lambda: Device(server, keys, "plain", key=other)
        .explain()["allowed"] is True)


# ------------------------------------------------------------------ forced

def test_the_cn_is_the_device_that_the_challenge_is_for(server, keys):
    device = Device(
        server, keys, "forced", bound={"device": "Serial-1"},
        subject=name(("OU", "x"), ("O", "Other"), ("CN", "administrator"),
                     ("SN", "SERIAL-1")))
    assert subject_of(device.gets()) == {
        "organization_name": "Example AG", "common_name": "serial-1",
        "serial_number": "SERIAL-1"}


def test_whichever_of_its_values_that_is(server, keys):
    for members in ({"sans": [dns("d-7")]},
                    {"subject": name(("SN", "D-7"))},
                    {"subject": name(("CN", "x"), ("CN", "D-7"))}):
        device = Device(server, keys, "forced", bound={"device": "d-7"},
                        **members)
        subject = subject_of(device.gets())
        assert subject["common_name"] == "d-7", members
        assert subject["organization_name"] == "Example AG"


def test_another_device_s_challenge(server, keys):
    device = Device(server, keys, "forced", bound={"device": "d-8"},
                    subject=name(("CN", "d-7"), ("SN", "d-9")))
    found = device.explain()
    assert found["decided_by"] == "ScepVerify otp"
    assert device.enrol().status == FAILURE
    assert "for another device" in server.log.raw()
    assert server.state(device.found["id"]) == "issued"


def test_a_challenge_that_is_bound_to_no_device(server, keys):
    """One from before the profile wanted it."""
    lines = server.lines
    try:
        server.lines = lines.replace("ScepChallengeRequire device\n", "", 1) \
            .replace('ScepSubjectForce "CN=%{device}"', "ScepSubjectForce")
        server.reload()
        gateway.wait_until(lambda: server.admin("POST", body={
            "profile": "forced", "ttl": 60}).status == 201)
        device = Device(server, keys, "forced")
    finally:
        server.lines = lines
        server.reload()
    gateway.wait_until(lambda: server.admin("POST", body={
        "profile": "forced", "ttl": 60}).status != 201)
    device.is_refused("ScepSubjectForce", "bound to no device")


@pytest.mark.parametrize("profile, subject, status", [
    ("forced", None, SUCCESS),
    ("forced", name(("CN", "administrator")), FAILURE),
    ("renamed", name(("CN", "administrator")), SUCCESS),
], ids=["its own", "another", "another may be asked for"])
def test_who_renews_keeps_the_name(server, keys, profile, subject, status):
    device = Device(server, keys, profile, bound={"device": "d-7"},
                    subject=name(("CN", "x"), ("SN", "D-7")))
    old = device.gets()
    assert subject_of(old)["common_name"] == "d-7"
    csr = make_csr(keys.rsa(number=1), None,
                   subject or asn1_x509.Certificate.load(old).subject.dump())
    endpoint = server.endpoint(profile)
    reply = endpoint.send(endpoint.request(
        device.key, csr, old, message_type=RENEWAL_REQ))
    assert reply.status == status, server.log.raw()
    if status == SUCCESS:
        new = subject_of(reply.certificates[0])
        assert new["common_name"] == "d-7"
        assert new["organization_name"] == "Example AG"


# ----------------------------------------------------------------- numbers

def test_a_subject_has_as_many_as_it_may(server, keys, ledger):
    members = {"subject": name(("CN", "many"))}
    ledger.add("many")
    ledger.add("many", days=-1)
    ledger.add("many", state=1)
    ledger.add("many", state=2)
    ledger.add("many", profile="plain")
    ledger.add("other")
    assert Device(server, keys, "two",
                  **members).explain()["allowed"] is True
    ledger.add("many")
    Device(server, keys, "two", **members).is_refused(
        "ScepMaxCertificates", "2 live certificate(s) already")
    # another name beside it makes no other subject of it
    Device(server, keys, "two", sans=[dns("a.example")],
           **members).is_refused("ScepMaxCertificates", "2 live")
    Device(server, keys, "two",
           subject=name(("CN", "few"))).gets()


def test_certificates_of_its_own_count(server, keys):
    subject = name(("CN", "own"))
    for number in (0, 1):
        Device(server, keys, "two", key=keys.rsa(number=number),
               subject=subject).gets()
    Device(server, keys, "two", key=keys.rsa(number=2),
           subject=subject).is_refused("ScepMaxCertificates", "2 live")


def test_who_renews_replaces_his_own(server, keys, ledger):
    subject = name(("CN", "renewing"))
    device = Device(server, keys, "two", subject=subject)
    old = device.gets()
    ledger.add("renewing")
    Device(server, keys, "two", subject=subject).is_refused(
        "ScepMaxCertificates", "2 live")
    endpoint = server.endpoint("two")

    def renew():
        return endpoint.send(endpoint.request(
            device.key, make_csr(keys.rsa(number=1), None, subject), old,
            message_type=RENEWAL_REQ))

    ledger.add("renewing")
    assert renew().status == FAILURE
    assert "ScepMaxCertificates: the subject has 2 live" in server.log.raw()
    ledger.add("renewing", serial="%032x" % (next(ledger.numbers) - 1),
               state=2)
    assert renew().status == SUCCESS


def test_a_key_is_for_one_subject(server, keys, ledger):
    key = keys.rsa(number=4)
    ledger.add("first", key=key, profile="plain")
    Device(server, keys, "once", key=key, subject=name(("CN", "first"))).gets()
    Device(server, keys, "once", key=key,
           subject=name(("CN", "second"))).is_refused(
               "ScepKeyReuse", "2 live certificate(s) for another subject",
               "bad-key", BAD_ALG)
    Device(server, keys, "plain", key=key,
           subject=name(("CN", "second"))).gets()


# -------------------------------------------------------------- conditions

def test_conditions_that_hold(server, keys):
    Device(server, keys, "local", sans=[dns("a.example")]).gets()


@pytest.mark.parametrize("profile, members, rule", [
    ("local", {"sans": [dns("b.example")]}, "ScepCondition named"),
    ("local", {"sans": [dns("a.example")],
               "subject": name(("CN", "device1"))}, "ScepCondition named"),
    ("elsewhere", {}, "ScepCondition on-site"),
    ("never", {}, "ScepCondition night"),
])
def test_conditions_that_do_not_hold(server, keys, profile, members, rule):
    Device(server, keys, profile, **members).is_refused(
        rule, "the condition does not hold")


def test_explain_looks_from_the_address_that_is_given(server, keys):
    device = Device(server, keys, "elsewhere")
    found = device.explain(address="192.0.2.1")
    assert found["allowed"] is True
    found = device.explain()
    assert found["allowed"] is None
    by_rule = {step["rule"]: step for step in found["steps"]}
    assert by_rule["ScepCondition on-site"]["result"] == "unknown"
    assert "address" in by_rule["ScepCondition on-site"]["detail"]


def test_explain_leaves_no_notes_of_the_request(server, keys):
    Device(server, keys, "never").explain(address="192.0.2.1")
    log = (server.dir / "rules.log").read_text
    gateway.wait_until(lambda: log().splitlines()[-1] == "rule=- reason=-")
