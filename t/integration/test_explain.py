"""POST explain: which rule would decide what, and nothing is touched.

SPDX-License-Identifier: Apache-2.0
"""
import base64
import json

import pytest

import gateway
import pki
from adminapi import Caller, problem, write_users
from gateway import make_csr
from pki import dns, email, extension, ip, name
from pkimessage import FAILURE, SUCCESS

PROFILES = """\
<ScepProfile %s>
    ScepCA issuing
    ScepRACertificate pki/ra.pem
    ScepRAKey pki/ra.key
    %s
</ScepProfile>
<Location "/p/%s">
    SetHandler scep
    ScepProfile %s
    Require all granted
</Location>
"""
RULES = {
    "plain": "",
    "narrow": "ScepKeyTypes rsa:3072\n    ScepDigests sha512\n"
              "    ScepSubjectAltNames dns",
    "renewing": "ScepVerify otp cert\n    ScepRenewalRevocation off",
}
LINES = "LogLevel warn scep:trace8\n" + "".join(
    PROFILES % (profile, rules, profile, profile)
    for profile, rules in RULES.items())
WITH_USERS = LINES + """
<Location "/mine">
    SetHandler scep-admin
    AuthType Basic
    AuthName "x"
    AuthBasicProvider file
    AuthUserFile "@DIR@/users"
    Require valid-user
    ScepChallengeAllow alice profile=plain
    ScepChallengeAllow bob profile=plain subject=CN=bob-*
</Location>
"""
ORDER = ["messageType", "PKCS#10", "signature", "ScepDigests", "attributes",
         "ScepKeyTypes", "names", "ScepVerify otp", "ScepRSAExponent",
         "ScepWeakKeys", "ScepEmptySubject", "ScepSubjectAltNames",
         "ScepExtensions"]


@pytest.fixture(scope="module", params=["event"])
def sandbox(request):
    made = gateway.Sandbox(request.param, WITH_USERS)
    try:
        write_users(made, "alice", "bob", "carol")
        made.start()
        yield made
    finally:
        made.remove()


def pem(csr, label="CERTIFICATE REQUEST"):
    return "-----BEGIN %s-----\n%s-----END %s-----\n" % (
        label, base64.encodebytes(csr).decode(), label)


def ask(sandbox, csr, profile="plain", **members):
    answer = sandbox.admin("POST", "/explain", body={
        "profile": profile,
        "csr": base64.b64encode(csr).decode() if isinstance(csr, bytes)
        else csr, **members})
    assert answer.status == 200, answer
    found = json.loads(answer.body)
    found["by_rule"] = {step["rule"]: step for step in found["steps"]}
    return found


def refused(found):
    return [step["rule"] for step in found["steps"]
            if step["result"] in ("refused", "unavailable")]


# ------------------------------------------------------- nothing is touched

def table(sandbox):
    """The challenges as they are listed, and as they are in the file: but
    for the header, in which the watchdog notes when it swept."""
    path = sandbox.dir / "state" / "challenges.shm"
    return sandbox.listing(), path.read_bytes()[4096:]


def test_the_challenge_is_as_good_as_before(sandbox, keys):
    found = sandbox.issue("plain", subject="CN=device")
    csr = make_csr(keys.rsa(), found["challenge"])
    before = table(sandbox)
    for _ in range(3):
        assert ask(sandbox, csr)["allowed"] is True
        assert ask(sandbox, make_csr(keys.rsa()),
                   challenge=found["challenge"])["allowed"] is True
        assert ask(sandbox, csr, challenge="WRONG")["allowed"] is False
    assert table(sandbox) == before
    assert sandbox.state(found["id"]) == "issued"
    endpoint = sandbox.endpoint("plain")
    assert endpoint.send(endpoint.request(keys.rsa(), csr)).status == SUCCESS
    told = ask(sandbox, csr)
    assert told["allowed"] is False
    assert told["by_rule"]["ScepVerify otp"]["reason"] == "spent-challenge"


def test_a_use_of_several_is_not_taken(sandbox, keys):
    found = sandbox.issue("plain", uses=2)
    csr = make_csr(keys.rsa(), found["challenge"])
    for _ in range(5):
        assert ask(sandbox, csr)["allowed"] is True
    endpoint = sandbox.endpoint("plain")
    for _ in range(2):
        assert endpoint.send(
            endpoint.request(keys.rsa(), csr)).status == SUCCESS
    assert ask(sandbox, csr)["allowed"] is False


def test_the_challenge_is_not_in_the_log(sandbox, keys):
    secret = sandbox.challenge("plain")
    sandbox.log.mark()
    ask(sandbox, make_csr(keys.rsa(), secret))
    ask(sandbox, make_csr(keys.rsa()), challenge=secret)
    sandbox.admin("POST", "/explain", body={
        "profile": "plain", "csr": "!", "challenge": secret})
    sandbox.admin("POST", "/explain", body={
        "profile": "plain", "csr": "!", "challenge": [secret]})
    assert "SCEP0149" in sandbox.log.raw()
    assert secret not in sandbox.log.raw()


def test_no_refusal_is_counted(sandbox, keys):
    def metrics():
        answer = sandbox.admin(path="/metrics")
        return [line for line in answer.body.decode().splitlines()
                if "breach" in line or "requests_total" in line]

    before = metrics()
    ask(sandbox, make_csr(keys.rsa(), "WRONG"))
    assert metrics() == before


# ------------------------------------------------------------ what it tells

def test_every_rule_in_the_order_of_an_enrolment(sandbox, keys):
    secret = sandbox.challenge("plain")
    found = ask(sandbox, make_csr(keys.rsa(), secret,
                                  sans=[dns("a.example"), ip("192.0.2.1")]))
    assert [step["rule"] for step in found["steps"]] == ORDER
    assert {step["result"] for step in found["steps"]} == {"passed"}
    assert found["allowed"] is True and "decided_by" not in found
    assert found["profile"] == "plain" and found["subject"] == "CN=device"
    assert "a.example" in found["sans"] and "192.0.2.1" in found["sans"]


@pytest.mark.parametrize("form", ["pem", "new pem", "text before", "base64",
                                  "wrapped"])
def test_a_csr_in_any_form(sandbox, keys, form):
    csr = make_csr(keys.rsa(), sandbox.challenge("plain"))
    text = {"pem": pem(csr), "new pem": pem(csr, "NEW CERTIFICATE REQUEST"),
            "text before": "Certificate Request:\n  x\n" + pem(csr),
            "base64": base64.b64encode(csr).decode(),
            "wrapped": base64.encodebytes(csr).decode()}[form]
    assert ask(sandbox, text)["allowed"] is True


def test_all_faults_show_at_once(sandbox, keys):
    csr = make_csr(keys.rsa(), "WRONG", subject=name(),
                   sans=[dns("a.example"), email("a@b.example")],
                   extensions=[extension("1.2.3.4", b"\5\0", True),
                               extension("1.2.3.5", b"\5\0", True)])
    found = ask(sandbox, csr, profile="narrow")
    assert refused(found) == [
        "ScepDigests", "ScepKeyTypes", "ScepVerify", "ScepEmptySubject",
        "ScepSubjectAltNames", "ScepExtensions"]
    assert found["allowed"] is False
    assert found["decided_by"] == "ScepDigests"
    details = {step["rule"]: step.get("detail") for step in found["steps"]}
    assert "sha256" in details["ScepDigests"]
    assert "2048" in details["ScepKeyTypes"]
    assert "a@b.example" in details["ScepSubjectAltNames"]
    assert "a.example" not in details["ScepSubjectAltNames"].replace(
        "b.example", "")
    assert "1.2.3.4" in details["ScepExtensions"]
    assert "1.2.3.5" in details["ScepExtensions"]
    assert found["by_rule"]["ScepVerify otp"]["result"] == "not applicable"


CASES = {
    "good": {},
    "digest": {"digest": "md5"},
    "empty subject": {"subject": name()},
    "SAN": {"sans": [pki.uri("https://a.example/"), pki.rid("1.2.3")]},
    "extension": {"extensions": [extension("1.2.3.4", b"\5\0", True)]},
    "CA": {"extensions": [extension("2.5.29.19", bytes.fromhex(
        "30030101ff"))]},
    "SID": {"extensions": [extension("1.3.6.1.4.1.311.25.2", b"\5\0")]},
    "two SANs": {"extensions": [pki.subject_alt_name(dns("a")),
                                pki.subject_alt_name(dns("b"))]},
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("profile", ["plain", "narrow"])
def test_it_says_what_the_enrolment_says(sandbox, keys, case, profile):
    csr = make_csr(keys.rsa(), sandbox.challenge(profile), **CASES[case])
    found = ask(sandbox, csr, profile=profile)
    endpoint = sandbox.endpoint(profile)
    sandbox.log.mark()
    # the message itself is as the narrow profile wants it
    reply = endpoint.send(endpoint.request(keys.rsa(), csr, digest="sha512"))
    assert (reply.status == SUCCESS) == found["allowed"]
    if reply.status == FAILURE:
        reason = found["by_rule"][found["decided_by"]]["reason"]
        assert "SCEP0102: refused, %s:" % reason in sandbox.log.raw()


@pytest.mark.parametrize("binding, request_, word", [
    ({"subject": "CN=other"}, {}, "subject"),
    ({"sans": ["dns:a.example"]}, {}, "subjectAltName"),
    ({"device": "serial-1"}, {}, "device"),
    ({"network": "192.0.2.0/24"}, {"address": "198.51.100.1"}, "network"),
    ({"network": "192.0.2.0/24"}, {}, "network"),
    ({}, {"challenge": "0" * 32}, "no such challenge"),
])
def test_which_binding_fails(sandbox, keys, binding, request_, word):
    secret = sandbox.challenge("plain", **binding)
    found = ask(sandbox, make_csr(keys.rsa(), secret), **request_)
    assert found["allowed"] is False
    step = found["by_rule"]["ScepVerify otp"]
    assert word in step["detail"]
    assert found["decided_by"] in ("ScepVerify otp", "ScepVerify")


def test_the_address_that_a_network_is_bound_to(sandbox, keys):
    secret = sandbox.challenge("plain", network="192.0.2.0/24")
    found = ask(sandbox, make_csr(keys.rsa(), secret), address="192.0.2.77")
    assert found["allowed"] is True


def test_another_profile_s_challenge(sandbox, keys):
    secret = sandbox.challenge("narrow")
    found = ask(sandbox, make_csr(keys.rsa(), secret))
    assert found["decided_by"] == "ScepVerify otp"
    assert "another profile" in found["by_rule"]["ScepVerify otp"]["detail"]


def test_a_signature_of_another_key(sandbox, keys):
    csr = pki.csr(keys.rsa(), name(("CN", "device")), spoil=True)
    found = ask(sandbox, csr)
    assert found["decided_by"] == "signature"
    assert found["by_rule"]["ScepDigests"]["result"] == "passed"


def test_renewal_is_for_verifiers_of_certificates(sandbox, keys):
    secret = sandbox.challenge("renewing")
    csr = make_csr(keys.rsa(), secret)
    assert ask(sandbox, csr, profile="renewing")["allowed"] is True
    found = ask(sandbox, csr, profile="renewing", message_type="RenewalReq")
    assert found["allowed"] is False
    assert found["by_rule"]["ScepVerify otp"]["result"] == "not applicable"
    found = ask(sandbox, csr, message_type="RenewalReq")
    assert found["decided_by"] == "messageType"


def test_a_csr_that_cannot_be_read(sandbox):
    found = ask(sandbox, b"\x30\x03\x02\x01\x05")
    assert found["decided_by"] == "PKCS#10"
    assert found["subject"] is None and found["allowed"] is False
    assert found["by_rule"]["ScepVerify"]["result"] == "not applicable"


# ---------------------------------------------------------------- bad input

@pytest.mark.parametrize("change, words", [
    ({"csr": None}, ["csr", "string"]),
    ({"csr": "!"}, ["csr"]),
    ({"csr": ""}, ["csr"]),
    ({"csr": pem(b"x", "CERTIFICATE")}, ["csr"]),
    ({"csr": pem(b"x")[:40]}, ["csr"]),
    ({"profile": "nowhere"}, ["nowhere"]),
    ({"profile": 5}, ["profile"]),
    ({"challenge": 5}, ["challenge", "string"]),
    ({"address": "here"}, ["address"]),
    ({"address": 5}, ["address"]),
    ({"message_type": "CertPoll"}, ["message_type", "RenewalReq"]),
    ({"message_type": 19}, ["message_type"]),
    ({"chalenge": "x"}, ["chalenge"]),
])
def test_what_is_wrong_is_said(sandbox, keys, change, words):
    body = {"profile": "plain", "csr": pem(make_csr(keys.rsa())), **change}
    problem(sandbox.admin("POST", "/explain", body=body), 400, *words)


def test_a_csr_has_to_be_there(sandbox):
    problem(sandbox.admin("POST", "/explain", body={"profile": "plain"}),
            400, "csr")


def test_over_the_limit(sandbox):
    problem(sandbox.admin("POST", "/explain", body={
        "profile": "plain", "csr": "A" * 1000000}), 413)


def test_only_post(sandbox):
    answer = sandbox.admin("GET", "/explain")
    problem(answer, 405)
    assert answer.headers["allow"] == "POST"


def test_a_challenge_as_long_as_intune_s(sandbox, keys):
    found = ask(sandbox, make_csr(keys.rsa(), "x" * 8000))
    assert found["decided_by"] == "ScepVerify"


# ------------------------------------------------------------------ callers

def test_a_caller_gets_what_it_may_have_challenges_of(sandbox, keys):
    def asks(user, subject, profile="plain"):
        csr = make_csr(keys.rsa(), subject=name(("CN", subject)))
        return Caller(sandbox, user, "/mine").call("POST", "/explain", {
            "profile": profile, "csr": pem(csr)})

    assert asks("alice", "any").status == 200
    problem(asks("alice", "any", "narrow"), 403, "narrow")
    assert asks("bob", "bob-1").status == 200
    problem(asks("bob", "alice-1"), 403)
    problem(asks("carol", "any"), 403)
    assert asks(None, "any").status == 401
