"""Devices that enrol through the gateway with ADCS, or its emulator.

SPDX-License-Identifier: Apache-2.0

The emulator says what public descriptions say that ADCS says: these tests do
not show what a CA on Windows does.
"""
import concurrent.futures
import os
import re

import pytest
from cryptography import x509

import kerberos
import softhsm
from gateway import wait_until
from other_ca import (ALARM, ISSUED, OtherCa, REFUSED, SINGLE, WAITS, World,
                      beside)
from pki import dns, extension, name, other_name, uri, upn
from pkimessage import BAD_ALG, BAD_REQUEST, PENDING

CES, WEB = "ces", "certsrv"
BOTH = (CES, WEB)
ACCOUNT = "svc-scep"
PASSWORD = "LAB\\svc-scep file:ca/secrets/password"

CA = """\
<ScepCA adcs {name}>
    ScepCAChain pki/ca.pem
    ScepAdcsURL ${{SANDBOX_CA_{server}}}{path}
    ScepAdcsInterface {interface}
    ScepAdcsTemplate {template}
    ScepAdcsAuth {auth}
    ScepAdcsCAFile {trusted}
{lines}
</ScepCA>
<ScepProfile {name}>
    ScepCA {name}
    ScepRACertificate pki/ra.pem
    ScepRAKey pki/ra.key
{rules}
</ScepProfile>
<Location "/p/{name}">
    SetHandler scep
    ScepProfile {name}
    Require all granted
</Location>
"""


# whatever a request may ask for
ALL = """\
    ScepSubjectAltNames dns ip email uri upn sid rid dirname other
    ScepEmptySubject on
    ScepExtensions 1.3.6.1.4.1.311.25.2 1.3.6.1.4.1.311.20.2 \\
        1.3.6.1.4.1.311.21.7 1.3.6.1.4.1.311.21.10"""


def path_of(interface, way):
    if interface == WEB:
        return "/%s/certsrv" % way
    return "/Sandbox%%20Issuing%%20CA_CES_%s/service.svc/CES" % (
        "UsernamePassword" if way == "usernametoken" else way.capitalize())


def profile(profile_name, interface, way="basic", words=PASSWORD, lines="",
            template="ScepDevice", trusted="ca/tls/management.pem",
            path=None, server="BASE", rules=ALL):
    return CA.format(
        name=profile_name, server=server, interface=interface,
        auth="%s %s" % (way, words),
        path=path or path_of(interface, way), lines=lines, template=template,
        trusted=trusted, rules=rules)


def both(profile_name, *words, **members):
    """One profile for each interface: NAME-ces and NAME-certsrv."""
    return "".join(profile("%s-%s" % (profile_name, interface), interface,
                           *words, **members) for interface in BOTH)


AGENT = "    ScepAdcsSigner ca/tls/agent.pem ca/tls/agent.key\n"
CERTIFICATE = "ca/tls/gateway.pem ca/tls/gateway.key"
KERBEROS = "svc-scep@%s svc-scep.keytab" % kerberos.REALM
NTLM = "    ScepAdcsAllowNTLM on\n"

PROFILES = (
    "LogLevel trace8\n"
    + profile("usernametoken-ces", CES, "usernametoken")
    + both("basic")
    + both("kerberos", "kerberos", KERBEROS)
    + both("bound", "kerberos", KERBEROS, server="BOUND")
    + both("ntlm", "ntlm", lines=NTLM)
    + both("certificate", "certificate", CERTIFICATE)
    + both("stranger", "certificate", "ca/tls/stranger.pem "
           "ca/tls/stranger.key")
    + both("agent", lines=AGENT, template="ScepSigned")
    + both("no-agent", template="ScepSigned")
    + both("bad-agent", lines="    ScepAdcsSigner ca/tls/stranger.pem "
           "ca/tls/stranger.key\n", template="ScepSigned")
    + both("no-template", template="NoSuchTemplate")
    + both("wrong", "basic", "LAB\\svc-scep file:wrong-password")
    + both("wrong-ntlm", "ntlm", "LAB\\svc-scep file:wrong-password",
           lines=NTLM)
    + profile("wrong-token-ces", CES, "usernametoken",
              "LAB\\svc-scep file:wrong-password")
    + both("not-trusted", trusted="pki/ca.pem")
    + both("no-path", path="/nowhere")
    + both("hasty", lines="    ScepAdcsTimeout 2s\n")
    + both("allow", lines="    ScepAdcsMicrosoftNames allow\n")
    + both("plain", rules="")
    + both("example", rules="    ScepSubjectAllow CN=* \"O=Example AG\"")
    + both("exact", rules="    ScepIssuedNames request")
    + both("any", rules="    ScepIssuedNames any"))


class Adcs(World):
    """Certificates and requests as the emulator tells of them."""

    def filed(self, **of):
        return [one for one in self.ca.state["filed"]
                if all(one[key] == value for key, value in of.items())]

    def certificates(self, **of):
        return self.filed(status="issued", **of)

    def submits(self):
        return self.ca.requests("submit")

    def is_pending(self, *words, **members):
        assert self.enrol(*words, **members).status == PENDING, \
            self.outcomes()
        self.says(WAITS)


@pytest.fixture(scope="module")
def realm():
    with kerberos.Realm() as realm:
        realm.password = os.urandom(12).hex()
        realm.add_user(ACCOUNT, realm.password)
        realm.svc = realm.keytab_of(ACCOUNT)
        yield realm


def prepare(realm):
    def make(directory):
        (directory / "svc-scep.keytab").write_bytes(realm.svc.read_bytes())
        (directory / "wrong-password").write_text("not-the-password\n")
        for path in ("svc-scep.keytab", "wrong-password"):
            (directory / path).chmod(0o600)
    return make


def environment(realm):
    return {**realm.environment, "SANDBOX_KEYTAB": str(realm.keytab)}


@pytest.fixture(scope="module")
def gateway_before_adcs(realm):
    with beside("adcs-ces", SINGLE + PROFILES, prepare(realm),
                environment=environment(realm),
                startup=["SCEP0421"]) as server:
        server.secrets.add(OtherCa(server).secret("password"))
        yield server


@pytest.fixture
def world(gateway_before_adcs, keys):
    world = Adcs(gateway_before_adcs, keys)
    world.ca.up()
    world.ca.forget()
    yield world
    world.ca.up()
    world.ca.release()
    state = world.ca.state
    assert [one for one in state["requests"] if "mistake" in one] == []
    assert state["san_attributes"] == 0
    log = world.log.raw()
    assert "not-the-password" not in log
    assert not re.search(r"(?i)\b(basic|negotiate|ntlm) [a-z0-9+/]{16}", log)


# ---------------------------------------------------------------- enrolment

@pytest.mark.parametrize("profile, scheme", [
    ("default", "UsernameToken"), ("usernametoken-ces", "UsernameToken"),
    ("basic-ces", "Basic"), ("basic-certsrv", "Basic"),
    ("kerberos-ces", "Negotiate"), ("kerberos-certsrv", "Negotiate"),
    ("ntlm-ces", "NTLM"), ("ntlm-certsrv", "NTLM"),
    ("certificate-ces", ""), ("certificate-certsrv", "")])
def test_a_device_enrols(world, profile, scheme):
    cert = world.issued(profile, sans=[dns("a.example"), dns("b.example")])
    sans = cert.extensions.get_extension_for_class(
        x509.SubjectAlternativeName)
    assert sans.value.get_values_for_type(x509.DNSName) == \
        ["a.example", "b.example"]
    world.challenge_is("spent")
    world.says(ISSUED, "certificate %x issued" % cert.serial_number)
    asked, = world.submits()
    assert asked["template"] == "ScepDevice"
    assert asked["attributes"] == ["CertificateTemplate"]
    assert asked["scheme"] == scheme
    filed, = world.filed()
    assert filed["account"] == ("gateway" if not scheme else ACCOUNT)
    assert filed["agent"] is None
    assert int(filed["serial"], 16) == cert.serial_number


@pytest.mark.parametrize("interface", BOTH)
def test_a_device_enrols_where_extended_protection_is_required(world,
                                                               interface):
    for _ in range(3):
        world.issued("bound-" + interface)
    assert {one["user"] for one in world.submits()} == {
        "%s@%s" % (ACCOUNT, kerberos.REALM)}
    assert "BOUND" in world.ca.state["verdicts"]
    assert set(world.ca.state["verdicts"]) <= {"BOUND", "NO_TOKEN"}


@pytest.mark.parametrize("language", ["de", "fr"])
@pytest.mark.parametrize("interface", BOTH)
def test_the_language_of_the_server_does_not_matter(world, interface,
                                                    language):
    world.ca.set(language=language)
    world.issued("basic-" + interface)
    world.ca.set(rsa_bits=4096)
    world.fails(BAD_ALG, "basic-" + interface)
    world.says(REFUSED, "0x80094811")
    world.ca.set(rsa_bits=2048, approval=True)
    world.is_pending("basic-" + interface)


@pytest.mark.parametrize("interface", BOTH)
def test_an_enrolment_agent_signs_where_the_template_wants_it(world,
                                                              interface):
    world.issued("agent-" + interface)
    filed, = world.filed()
    assert "CN=agent" in filed["agent"]
    if interface == CES:
        assert world.submits()[0]["value_type"] == "PKCS7"


@pytest.mark.parametrize("profile", [
    "default", "basic-ces", "basic-certsrv", "kerberos-ces",
    "kerberos-certsrv", "ntlm-ces", "ntlm-certsrv", "certificate-ces"])
def test_connections_to_the_ca_are_used_again(world, profile):
    for _ in range(8):
        world.issued(profile)
    assert len(world.submits()) == 8
    assert world.ca.state["connections"] == 1


@pytest.mark.parametrize("profile", ["kerberos-ces", "basic-certsrv"])
def test_many_devices_at_once(world, profile):
    for number in range(8):
        world.keys.rsa(number=number)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        certs = list(pool.map(lambda number: world.issued(
            profile, cn="device-%d" % number,
            key=world.keys.rsa(number=number)), range(8)))
    assert len({cert.serial_number for cert in certs}) == 8
    assert len(world.certificates()) == 8


# ------------------------------------------------------------------ pending

@pytest.mark.parametrize("interface", BOTH)
def test_what_waits_for_a_manager_is_pending(world, interface):
    world.ca.set(approval=True)
    world.is_pending("basic-" + interface)
    world.challenge_is("spent")
    filed, = world.filed()
    assert filed["status"] == "pending"
    assert len(world.submits()) == 1


# ------------------------------------------------------- names of Microsoft

SID = "tag:microsoft.com,2022-09-14:sid:S-1-5-21-1-2-3-500"


@pytest.mark.parametrize("interface", BOTH)
@pytest.mark.parametrize("members, told", [
    ({"sans": [upn("administrator@lab.test")]}, "a UPN"),
    ({"sans": [dns("a.example"), upn("administrator@lab.test")]}, "a UPN"),
    ({"sans": [other_name("1.2.3.4", b"\x0c\x01x")]}, "an otherName"),
    ({"sans": [uri(SID)]}, "a URI"),
    ({"sans": [uri(SID.upper())]}, "a URI"),
    ({"extensions": [extension("1.3.6.1.4.1.311.25.2", b"\x30\x00")]},
     "a SID"),
    ({"extensions": [extension("1.3.6.1.4.1.311.20.2", b"\x0c\x01x")]},
     "a template"),
    ({"extensions": [extension("1.3.6.1.4.1.311.21.7", b"\x30\x00")]},
     "a template"),
    ({"extensions": [extension("1.3.6.1.4.1.311.21.10", b"\x30\x00")]},
     "application policies"),
])
def test_names_that_mean_an_account_do_not_reach_the_ca(world, interface,
                                                        members, told):
    world.fails(BAD_REQUEST, "basic-" + interface, **members)
    world.says(REFUSED, told)
    assert world.ca.state["requests"] == []


def test_a_profile_that_forbids_them_does_so_before(world):
    world.fails(BAD_REQUEST, sans=[upn("administrator@lab.test")])
    assert world.ca.state["requests"] == []


@pytest.mark.parametrize("interface", BOTH)
def test_who_wants_those_names_may_have_them(world, interface):
    world.issued("allow-" + interface, sans=[uri(SID)])


# ------------------------------------------------------- answers that say no

def hresult(code, **members):
    return lambda world: world.ca.fault("hresult", hresult=code, **members)


@pytest.mark.parametrize("interface", BOTH)
@pytest.mark.parametrize("code, fail_info", [
    (0x80094014, BAD_REQUEST), (0x80094001, BAD_REQUEST),
    (0x80094803, BAD_REQUEST), (0x8009480F, BAD_REQUEST),
    (0x8009310B, BAD_REQUEST), (0x80094811, BAD_ALG), (0x80094016, BAD_ALG)])
def test_a_fault_of_the_request_spends_the_challenge(world, interface, code,
                                                     fail_info):
    hresult(code)(world)
    world.fails(fail_info, "basic-" + interface)
    world.challenge_is("spent")
    world.says(REFUSED, "ca-rejected", "0x%08x" % code)


@pytest.mark.parametrize("interface", BOTH)
@pytest.mark.parametrize("code", [
    0x80094800, 0x80094801, 0x80094802, 0x80094011, 0x80094012, 0x80070005,
    0x80094009, 0x80094809, 0x8009480A, 0x8009480B])
def test_a_fault_of_ours_leaves_the_challenge_and_raises_alarm(
        world, interface, code):
    hresult(code)(world)
    world.log.expect(ALARM)
    world.fails(BAD_REQUEST, "basic-" + interface)
    world.challenge_is("issued")
    world.says(ALARM, "ca-fault", "0x%08x" % code)


@pytest.mark.parametrize("interface", BOTH)
@pytest.mark.parametrize("profile, code", [
    ("no-template", 0x80094800), ("no-agent", 0x8009480A),
    ("bad-agent", 0x8009480B), ("stranger", 0x80094012)])
def test_settings_that_the_ca_does_not_accept(world, interface, profile,
                                              code):
    world.log.expect(ALARM)
    world.fails(BAD_REQUEST, "%s-%s" % (profile, interface))
    world.challenge_is("issued")
    world.says(ALARM, "ca-fault", "0x%08x" % code)
    assert world.certificates() == []


@pytest.mark.parametrize("profile", [
    "wrong-ces", "wrong-certsrv", "wrong-token-ces", "wrong-ntlm-ces",
    "wrong-ntlm-certsrv"])
def test_a_wrong_password_is_a_fault_of_ours(world, profile):
    world.log.expect(ALARM)
    world.fails(BAD_REQUEST, profile)
    world.challenge_is("issued")
    world.says(ALARM, "ca-fault")
    assert world.filed() == []


# ------------------------------------------------------ nothing was done yet

@pytest.mark.parametrize("interface", BOTH)
@pytest.mark.parametrize("code", [
    0x80094006, 0x8009400F, 0x80094015, 0x800706BA, 0x80092012, 0x80092013])
def test_a_fault_that_passes_gives_the_challenge_back(world, interface,
                                                      code):
    world.ca.fault("hresult", hresult=code, invalid=False)
    world.log.expect(ALARM)
    world.is_put_off("basic-" + interface)
    world.challenge_is("issued")
    world.says(ALARM, "ca-down", "0x%08x" % code)


@pytest.mark.parametrize("profile", [
    "default", "basic-ces", "basic-certsrv", "ntlm-certsrv",
    "kerberos-certsrv"])
def test_nobody_listens(world, profile):
    challenge = world.server.challenge(profile)
    world.ca.down()
    world.log.expect(ALARM)
    world.is_put_off(profile, challenge)
    world.says(ALARM, "ca-down")
    world.ca.up()
    world.issued(profile, challenge)


@pytest.mark.parametrize("interface", BOTH)
def test_another_server_than_the_trusted_one_gets_nothing(world, interface):
    world.log.expect(ALARM)
    world.is_put_off("not-trusted-" + interface)
    world.challenge_is("issued")
    assert world.ca.state["requests"] == []


# ------------------------------------------------------- what cannot be told

@pytest.mark.parametrize("interface", BOTH)
@pytest.mark.parametrize("what", [
    "500-filed", "html-filed", "empty", "garbage", "endless", "bomb", "cut",
    "close-filed"])
def test_what_cannot_be_told_is_pending_and_never_sent_again(world,
                                                             interface, what):
    world.ca.fault(what)
    world.is_pending("basic-" + interface)
    world.challenge_is("spent")
    assert len(world.submits()) == 1
    assert len(world.filed()) == 1


@pytest.mark.parametrize("interface", BOTH)
def test_no_answer_in_time_is_pending(world, interface):
    world.ca.fault("hang")
    world.is_pending("hasty-" + interface)
    assert len(world.submits()) == 1


@pytest.mark.parametrize("what", ["html", "500", "cut", "empty"])
def test_a_page_instead_of_the_certificate_is_pending(world, what):
    world.ca.fault(what, step="fetch", times=-1)
    world.is_pending("basic-certsrv")
    assert len(world.submits()) == 1


@pytest.mark.parametrize("interface, what", [
    (CES, "other-key"), (CES, "other-issuer"), (WEB, "other-issuer")])
def test_a_wrong_certificate_is_not_delivered(world, interface, what):
    world.ca.fault(what)
    world.log.expect(ALARM)
    world.log.expect("SCEP0642: certificate")
    world.fails(BAD_REQUEST, "basic-" + interface)
    world.challenge_is("spent")
    world.says(ALARM, "ca-bad-certificate")


@pytest.mark.parametrize("interface", BOTH)
@pytest.mark.parametrize("profile_name, what, parts", [
    ("plain", "upn", ["administrator@lab.ad", "ScepSubjectAltNames"]),
    ("plain", "sid", ["SID of a Windows account"]),
    ("exact", "sid", ["SID of a Windows account"]),
    ("example", "organization", ["Sandbox AG", "ScepSubjectAllow"]),
    ("exact", "organization", ["Sandbox AG", "ScepIssuedNames request"])])
def test_names_that_the_ca_adds_keep_the_rules(world, interface, profile_name,
                                               what, parts):
    """Nobody gets a name that they could not have asked for."""
    world.ca.fault(what)
    world.log.expect(ALARM)
    world.log.expect("SCEP0642: certificate")
    world.fails(BAD_REQUEST, "%s-%s" % (profile_name, interface))
    world.challenge_is("spent")
    world.says(ALARM, "ca-bad-certificate", *parts)


@pytest.mark.parametrize("interface", BOTH)
@pytest.mark.parametrize("profile_name, what, part", [
    ("plain", "organization", "Sandbox AG"), ("any", "upn", "administrator"),
    ("any", "sid", ""), ("any", "organization", "Sandbox AG"),
    ("basic", "upn", "administrator"), ("basic", "sid", "")])
def test_names_that_the_rules_allow_are_told(world, interface, profile_name,
                                             what, part):
    world.ca.fault(what)
    world.issued("%s-%s" % (profile_name, interface))
    world.says(ISSUED, part)


def test_a_certificate_of_another_key_is_another_request_of_certsrv(world):
    """Its pages do not say for sure which number is the request's."""
    world.ca.fault("other-key")
    world.is_pending("basic-certsrv")
    world.says(WAITS, "another key")
    assert len(world.submits()) == 1


# ---------------------------------------------------- servers of their own

@pytest.fixture
def make_world(make_server, realm, keys):
    made = []

    def make(kind="adcs-certsrv", mpm="event", lines=PROFILES, more=()):
        server = make_server(lines, mpm, ca=kind, start=False, ledger=False,
                             environment={**environment(realm), **dict(more)})
        server.startup.append("SCEP0421")
        prepare(realm)(server.dir)
        server.start()
        made.append(Adcs(server, keys))
        server.secrets.add(made[-1].ca.secret("password"))
        return made[-1]

    yield make
    for world in made:
        world.ca.release()


@pytest.mark.parametrize("mpm", ["prefork", "worker"])
def test_a_device_enrols_under_every_mpm(make_world, mpm):
    world = make_world(mpm=mpm)
    for profile in ("default", "kerberos-ces", "ntlm-certsrv"):
        world.issued(profile)


def test_a_device_enrols_through_a_proxy(make_world, proxy):
    port, asked = proxy
    lines = "    ScepAdcsProxy http://127.0.0.1:%d\n" % port
    world = make_world(lines=PROFILES + both("proxied", lines=lines)
                       + profile("proxied-bound", CES, "kerberos", KERBEROS,
                                 lines=lines, server="BOUND"))
    for number, name in enumerate(("proxied-ces", "proxied-certsrv",
                                   "proxied-bound"), 1):
        world.issued(name)
        assert len(asked) == number
    assert not any(b"Authorization" in head for head in asked)


@pytest.mark.parametrize("interface", BOTH)
def test_the_gateways_key_may_be_in_a_token(make_world, token, interface):
    world = make_world(lines=PROFILES + profile(
        "hsm", interface, "certificate",
        'ca/tls/gateway.pem "%s"' % token.uri("object=connector")),
        more=token.environment)
    token.take(world.ca.dir / "tls/gateway.key")
    token.give_to(os.stat("/proc/%d" % world.server.children()[0]).st_uid)
    world.issued("hsm")
    assert world.filed()[0]["account"] == "gateway"
    assert softhsm.PIN not in world.log.raw()


def test_without_a_kdc_the_device_comes_again(make_world, realm):
    world = make_world()
    world.issued()      # by a password, which needs none
    realm.stop()
    try:
        challenge = world.server.challenge("kerberos-certsrv")
        world.log.expect(ALARM)
        world.is_put_off("kerberos-certsrv", challenge)
        world.says(ALARM, "ca-down")
        assert len(world.submits()) == 1
    finally:
        realm.resume()
    world.issued("kerberos-certsrv", challenge)


def test_with_a_ticket_no_kdc_is_needed(make_world, realm):
    world = make_world(lines=SINGLE + PROFILES)
    world.issued("kerberos-ces")
    realm.stop()
    try:
        world.issued("kerberos-ces")
    finally:
        realm.resume()


def test_a_graceful_restart_drops_no_request(make_world):
    world = make_world()
    world.ca.fault("hold", times=3)
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        under_way = [
            pool.submit(world.issued, profile, cn="held-" + profile)
            for profile in ("default", "kerberos-ces", "ntlm-certsrv")]
        wait_until(lambda: world.ca.state["held"] == 3)
        world.server.reload()
        world.issued("kerberos-certsrv", cn="meanwhile")
        world.ca.release()
        for cert in under_way:
            cert.result()
    assert len(world.certificates()) == 4


def test_32_under_way_leave_workers_for_everybody_else(make_world):
    world = make_world(lines=SINGLE.replace("32", "64") + PROFILES)
    world.ca.fault("hold", times=32)
    challenges = [world.server.challenge() for _ in range(32)]
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        under_way = [pool.submit(world.issued, "default", challenge,
                                 cn="held-%d" % number)
                     for number, challenge in enumerate(challenges)]
        wait_until(lambda: world.ca.state["held"] == 32)
        for _ in range(20):
            assert "AES" in world.server.endpoint().caps()
        world.ca.release()
        serials = {cert.result().serial_number for cert in under_way}
    assert len(serials) == 32


def test_ntlm_is_warned_of_at_each_start(make_world):
    world = make_world()
    warnings = [line for line in world.log.path.read_text().splitlines()
                if "SCEP0421" in line]
    assert any("ntlm-certsrv" in line for line in warnings)
    assert not any("kerberos" in line for line in warnings)
