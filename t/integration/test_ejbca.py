"""Devices that enrol through the gateway with EJBCA, or its emulator.

SPDX-License-Identifier: Apache-2.0
"""
import base64
import concurrent.futures
import os
import re

import pytest
from cryptography import x509

import scepclient
import softhsm
from gateway import make_csr, wait_until
from other_ca import (ALARM, ISSUED, OtherCa, REFUSED, SINGLE, WAITS,
                      World, beside, ejbca_afresh, ejbca_secrets)
from pki import dns, name
from pkimessage import BAD_ALG, BAD_REQUEST, PENDING, SUCCESS

CA = """\
<ScepCA ejbca {name}>
    ScepCAChain pki/ca.pem
    ScepEjbcaURL ${{SANDBOX_CA_URL}}{path}
    ScepEjbcaCAFile ca/tls/management.pem
    ScepEjbcaCA {ca}
{lines}
</ScepCA>
<ScepProfile {name}>
    ScepCA {name}
    ScepRACertificate pki/ra.pem
    ScepRAKey pki/ra.key
    ScepEmptySubject on
{verify}
</ScepProfile>
<Location "/p/{name}">
    SetHandler scep
    ScepProfile {name}
    Require all granted
</Location>
"""
NAMES = """\
    ScepEjbcaCertificateProfile SCEP-DEVICE
    ScepEjbcaEndEntityProfile SCEP-EEP
"""
CLIENT = """\
    ScepEjbcaClientCertificate ca/tls/gateway.pem ca/tls/gateway.key
"""


def profile(profile_name, lines=NAMES + CLIENT, verify="", path="",
            ca="IssuingCA"):
    return CA.format(name=profile_name, lines=lines, verify=verify, path=path,
                     ca=ca)


PROFILES = (
    "LogLevel trace8\n"
    + profile("token", NAMES + "ScepEjbcaToken file:ca/secrets/token\n")
    + profile("wrong-token", NAMES + "ScepEjbcaToken file:ca/wrong-token\n")
    + profile("oauth", NAMES + "ScepEjbcaOAuth ${SANDBOX_CA_TOKEN_URL} "
              "mod-scep file:ca/secrets/client\n")
    + profile("patient-oauth", NAMES + "ScepEjbcaTimeout 10min\n"
              "ScepEjbcaOAuth ${SANDBOX_CA_TOKEN_URL} mod-scep "
              "file:ca/secrets/client\n")
    + profile("wrong-oauth", NAMES + "ScepEjbcaOAuth "
              "${SANDBOX_CA_TOKEN_URL} mod-scep file:ca/wrong-token\n")
    + profile("stranger", NAMES + "ScepEjbcaClientCertificate "
              "ca/tls/stranger.pem ca/tls/stranger.key\n")
    # of a CA that EJBCA's TLS does not know
    + profile("foreign", NAMES + "ScepEjbcaClientCertificate pki/ra.pem "
              "pki/ra.key\n")
    + profile("no-ca", ca="NoSuchCA")
    + profile("no-cp", "ScepEjbcaCertificateProfile NO-SUCH\n"
              "ScepEjbcaEndEntityProfile SCEP-EEP\n" + CLIENT)
    + profile("no-eep", "ScepEjbcaCertificateProfile SCEP-DEVICE\n"
              "ScepEjbcaEndEntityProfile NO-SUCH\n" + CLIENT)
    + profile("no-path", path="/nowhere")
    + profile("code", CLIENT + "ScepEjbcaMode preregistered\n",
              "ScepVerify ca\n")
    + profile("unbound", NAMES + CLIENT + "ScepEjbcaAccountBinding off\n")
    + profile("hasty", NAMES + CLIENT + "ScepEjbcaTimeout 2s\n")
    # waits for as long as a test under Valgrind takes
    + profile("patient", NAMES + CLIENT + "ScepEjbcaTimeout 10min\n")
    + profile("by-key", NAMES + CLIENT + "ScepEjbcaUsername dev-%{SHA256}\n")
    + profile("by-dns", NAMES + CLIENT
              + "ScepEjbcaUsername host-%{DNS}-scep\n")
    + profile("by-serial", NAMES + CLIENT
              + "ScepEjbcaUsername scep-%{serialNumber}\n"))

NOT_TRUSTED = profile("not-trusted").replace("ca/tls/management.pem",
                                             "pki/ca.pem")

def prepare(directory):
    token = directory / "ca" / "wrong-token"
    token.parent.mkdir()
    token.write_text(os.urandom(24).hex() + "\n")
    token.chmod(0o600)


@pytest.fixture(scope="module")
def gateway_before_ejbca():
    with beside("ejbca", SINGLE + PROFILES + NOT_TRUSTED,
                prepare) as server:
        ca = OtherCa(server)
        server.secrets |= {
            ca.secret("token"), ca.secret("client"),
            (ca.dir / "wrong-token").read_text().strip()}
        yield server


@pytest.fixture
def world(gateway_before_ejbca, keys):
    with ejbca_afresh(gateway_before_ejbca, keys) as world:
        yield world


@pytest.fixture
def make_world(make_server, keys):
    made = []

    def make(lines="", mpm="event", environment=None):
        made.append(World(make_server(PROFILES + lines, mpm, ca="ejbca",
                                      ledger=False,
                                      start=False, environment=environment),
                          keys))
        prepare(made[-1].server.dir)
        made[-1].server.start()
        return made[-1]

    yield make
    for one in made:
        one.ca.release()
        ejbca_secrets(one)


# ---------------------------------------------------------------- enrolment

@pytest.mark.parametrize("profile", ["default", "token", "oauth", "unbound"])
def test_a_device_enrols(world, profile):
    cert = world.issued(profile, sans=[dns("a.example"), dns("b.example")])
    sans = cert.extensions.get_extension_for_class(
        x509.SubjectAlternativeName)
    assert sans.value.get_values_for_type(x509.DNSName) == \
        ["a.example", "b.example"]
    world.challenge_is("spent")
    world.says(ISSUED, "certificate %x issued" % cert.serial_number)
    asked, = world.ca.requests("pkcs10enroll")
    order = asked["body"]
    assert order["username"] == "scep-" + world.cn
    assert order["certificate_authority_name"] == "IssuingCA"
    assert order["certificate_profile_name"] == "SCEP-DEVICE"
    assert order["end_entity_profile_name"] == "SCEP-EEP"
    assert order["include_chain"] is True
    assert order["response_format"] == "DER"
    assert ("account_binding_id" in order) == (profile != "unbound")
    assert asked["bearer"] == (profile in ("token", "oauth"))
    assert asked["certificate"] == ("(null)" if asked["bearer"]
                                    else "gateway")


@pytest.mark.parametrize("mpm", ["prefork", "worker"])
def test_a_device_enrols_under_every_mpm(make_world, mpm):
    world = make_world(mpm=mpm)
    world.issued()
    world.issued("oauth", cn="other", key=world.keys.rsa(number=1))


def test_a_device_enrols_through_a_proxy(make_world, proxy):
    port, asked = proxy
    world = make_world(profile("proxied", NAMES + CLIENT + "ScepEjbcaProxy "
                               "http://127.0.0.1:%d\n" % port)
                       + profile("proxied-oauth", NAMES + "ScepEjbcaOAuth "
                                 "${SANDBOX_CA_TOKEN_URL} mod-scep "
                                 "file:ca/secrets/client\nScepEjbcaProxy "
                                 "http://127.0.0.1:%d\n" % port))
    world.issued("proxied")
    assert [head.split()[0] for head in asked] == [b"CONNECT"]
    world.issued("proxied-oauth")
    assert len(asked) == 3      # for the token too
    assert not any(b"Authorization" in head for head in asked)


def test_the_gateways_key_may_be_in_a_token(make_world, token):
    world = make_world(
        profile("hsm", NAMES + "ScepEjbcaClientCertificate "
                'ca/tls/gateway.pem "%s"\n' % token.uri("object=connector"))
        + profile("no-hsm", NAMES + "ScepEjbcaClientCertificate "
                  'ca/tls/gateway.pem "%s"\n' % token.uri("object=none")),
        environment=token.environment)
    token.take(world.ca.dir / "tls/gateway.key")
    token.give_to(os.stat("/proc/%d" % world.server.children()[0]).st_uid)
    for _ in range(3):
        world.issued("hsm")
    assert {one["certificate"] for one in world.ca.requests(
        "pkcs10enroll")} == {"gateway"}
    # what libp11 says on stderr comes first
    world.log.expect(ALARM, "private key was not found", "PKCS11_get_private")
    world.is_put_off("no-hsm")
    world.says(ALARM, "ca-down", "cannot load the key pkcs11:")
    assert softhsm.PIN not in world.log.raw()


def test_answers_that_differ_in_form_are_understood(world):
    for what in ("pem", "no-chain"):
        world.ca.fault(what)
        world.issued()


def test_each_order_has_a_password_of_its_own(world):
    world.issued()
    world.issued()
    passwords = {one["body"]["password"]
                 for one in world.ca.requests("pkcs10enroll")}
    assert len(passwords) == 2
    assert all(len(password) >= 20 for password in passwords)


def test_a_renewal_keeps_the_end_entity(world):
    first = world.issued()
    second = world.issued(key=world.keys.rsa(number=1))
    assert first.serial_number != second.serial_number
    entity = world.ca.state["entities"]["scep-" + world.cn]
    assert (entity["dn"], entity["times"]) == ("CN=" + world.cn, 2)
    assert list(world.ca.state["entities"]) == ["scep-" + world.cn]


def test_connections_to_the_ca_are_used_again(world):
    for _ in range(10):
        world.issued()
    assert len(world.ca.requests("pkcs10enroll")) == 10
    assert world.ca.state["connections"] == 1


# ---------------------------------------------------------------- usernames

@pytest.mark.parametrize("cn", [
    "superadmin", "SUPERADMIN", "../superadmin", "x;|`$(id)", "a b", "\u00e4",
    "x" * 64, "scep-device", "%{CN}", "a\\b", "'\"<>&"])
def test_no_device_reaches_an_end_entity_of_somebody_else(world, cn):
    world.ca.control("POST", "/register", {
        "username": "superadmin", "password": "x", "dn": "CN=SuperAdmin"})
    before = world.ca.state["entities"]["superadmin"]
    world.issued(cn=cn)
    entities = world.ca.state["entities"]
    assert entities.pop("superadmin") == before
    username, = entities
    assert re.fullmatch(r"scep-[A-Za-z0-9._@-]{1,200}", username)


def test_names_that_cannot_be_usernames_stay_apart_and_the_same(world):
    world.ca.set(unique_key=False)
    for cn in ("a b", "a  b", "a;b", "a b"):
        world.issued(cn=cn)
    times = sorted(entity["times"]
                   for entity in world.ca.state["entities"].values())
    assert times == [1, 1, 2]


@pytest.mark.parametrize("profile, members, username", [
    ("by-key", {}, "dev-[0-9a-f]{48,64}"),
    ("by-dns", {"sans": [dns("a.example"), dns("b.example")]},
     r"host-a\.example-scep"),
    ("by-dns", {}, "host-[0-9a-f]{48,64}"),
    ("by-serial", {"subject": name(("CN", "x"), ("SN", "C02XK0"))},
     "scep-C02XK0"),
    ("default", {"subject": name(("CN", "x"), ("CN", "y"))}, "scep-x"),
    ("unbound", {"subject": name(("O", "no name")),
                 "sans": [dns("a.example")]}, "scep-[0-9a-f]{48,64}"),
])
def test_usernames_by_template(world, profile, members, username):
    world.ca.set(required=[])
    world.issued(profile, **members)
    found, = world.ca.state["entities"]
    assert re.fullmatch(username, found), found


# ----------------------------------------------------- answers that say no

def entity_of_another_name(world):
    world.ca.control("POST", "/register", {
        "username": "other", "password": "x", "dn": "CN=" + world.cn})


def key_of_another_name(world):
    world.issued(cn="other")


def settings(**changes):
    return lambda world: world.ca.set(**changes)


def fault(what="none", **members):
    return lambda world: world.ca.fault(what, **members)


def says(message, status=400):
    return fault(status=status, message=message, issue=False)


def nothing(world):
    pass


@pytest.mark.parametrize("prepare, fail_info, told", [
    (says("Invalid certificate request"), BAD_REQUEST,
     "Invalid certificate request"),
    (settings(required=["CN", "O"]), BAD_REQUEST,
     "Subject DN field 'O' must exist"),
    (key_of_another_name, BAD_REQUEST, "same key as another user"),
    (settings(rsa_bits=4096), BAD_ALG, "Illegal key length"),
    (fault("409"), BAD_REQUEST, "conflicting with an existing one"),
    (says("Une erreur que personne ne connaît"), BAD_REQUEST, "Une erreur"),
    (says("x" * 5000), BAD_REQUEST, "xxxx"),
])
def test_a_fault_of_the_request_spends_the_challenge(world, prepare,
                                                     fail_info, told):
    prepare(world)
    world.fails(fail_info)
    world.challenge_is("spent")
    world.says(REFUSED, "ca-rejected", told)
    assert world.certificates(username="scep-" + world.cn) == []


@pytest.mark.parametrize("profile, prepare, told", [
    ("no-ca", nothing, "doesn't exist; see the names in <ScepCA>"),
    ("no-cp", nothing, "Certificate profile with name"),
    ("no-eep", nothing, "End entity profile with name"),
    ("no-path", nothing, "RESTEASY003210"),
    ("default", settings(approvals=True), "switch approvals off"),
    ("default", fault("202"), "switch approvals off"),
    ("default", entity_of_another_name, "ScepEjbcaUsername"),
    ("default", settings(protocol=False), "This service has been disabled"),
    ("stranger", nothing, "not authorized to resource /administrator"),
    ("wrong-token", nothing, "HTTP 403"),
])
def test_a_fault_of_ours_leaves_the_challenge_and_raises_alarm(
        world, profile, prepare, told):
    prepare(world)
    world.log.expect(ALARM)
    world.fails(BAD_REQUEST, profile)
    world.challenge_is("issued")
    world.says(ALARM, "ca-fault", told)
    assert world.certificates() == []
    assert world.ca.requests("search") == []


@pytest.mark.parametrize("profile, prepare, told", [
    ("default", settings(ca_active=False), "is not active"),
    ("default", settings(token_online=False), "CA token is offline"),
    ("default", fault("500"), "General failure"),
    ("default", fault("503"), "Device was unavailable"),
    ("default", fault("500-bare"), "HTTP 500"),
    ("unbound", fault("500"), "no certificate was made"),
    ("wrong-oauth", nothing, "no token"),
    ("not-trusted", nothing, ""),
    ("foreign", nothing, ""),
    ("default", lambda world: world.ca.down(), ""),
    ("oauth", lambda world: world.ca.down(), ""),
])
def test_where_nothing_was_made_the_device_comes_again(world, profile,
                                                       prepare, told):
    prepare(world)
    world.log.expect(ALARM)
    world.is_put_off(profile)
    world.challenge_is("issued")
    world.says(ALARM, "ca-down", told)
    world.ca.up()
    assert world.certificates() == []


def test_when_it_is_up_again_the_same_challenge_is_good(world):
    world.ca.down()
    challenge = world.server.challenge()
    world.log.expect(ALARM)
    world.is_put_off("default", challenge)
    world.ca.up()
    world.issued("default", challenge)


# --------------------------------------------------- answers that say little

@pytest.mark.parametrize("profile", ["default", "unbound"])
@pytest.mark.parametrize("what", ["500-issued", "close-issued", "cut",
                                  "empty", "endless", "array", "garbage",
                                  "no-certificate"])
def test_what_was_made_all_the_same_is_found_and_delivered(world, profile,
                                                           what):
    world.ca.fault(what)
    cert = world.issued(profile)
    only, = world.certificates()
    assert int(only["serial"], 16) == cert.serial_number
    world.challenge_is("spent")
    world.says(ISSUED, "the certificate was found in EJBCA")
    assert len(world.ca.requests("pkcs10enroll")) == 1


def test_what_is_found_is_of_this_request_alone(world):
    """The end entity has certificates of other keys and of other days."""
    for number in (1, 2, 3):
        world.issued(key=world.keys.rsa(number=number))
    world.ca.fault("500-issued")
    cert = world.issued()
    assert len(world.certificates()) == 4
    assert int(world.certificates()[3]["serial"], 16) == cert.serial_number


def test_an_older_certificate_of_the_same_key_is_not_found_instead(world):
    world.ca.set(backdate=7 * 86400)
    world.issued("unbound")
    world.ca.set(backdate=600)
    world.log.expect(ALARM)
    world.ca.fault("500")
    world.is_put_off("unbound")
    assert len(world.certificates()) == 1


def test_the_binding_finds_it_whatever_the_username_has(world):
    world.ca.fault("500-issued")
    world.issued()
    searches = world.ca.requests("search")
    order, = world.ca.requests("pkcs10enroll")
    criterion, = searches[0]["body"]["criteria"]
    assert criterion == {
        "property": "EXTERNAL_ACCOUNT_BINDING_ID", "operation": "EQUAL",
        "value": order["body"]["account_binding_id"]}
    assert len(searches) == 1


def with_certificates_of_other_keys(world, profile, backdate):
    """More than EJBCA tells at once, and the device's own comes last."""
    world.ca.set(query_count=2, backdate=backdate)
    for number in (1, 2, 3):
        world.issued(profile, key=world.keys.rsa(number=number))
    world.ca.set(backdate=600)


def test_one_of_many_certificates_of_a_device_is_found(world):
    with_certificates_of_other_keys(world, "unbound", 7 * 86400)
    world.ca.fault("500-issued")
    cert = world.issued("unbound")
    assert int(world.certificates()[3]["serial"], 16) == cert.serial_number
    first, second = world.ca.requests("search")
    assert [len(one["body"]["criteria"]) for one in (first, second)] == [1, 2]


@pytest.mark.parametrize("profile", ["default", "unbound"])
def test_what_may_be_among_the_rest_is_not_taken_for_missing(world, profile):
    with_certificates_of_other_keys(world, profile, 600)
    world.ca.fault("500")
    assert world.enrol(profile).status == PENDING
    world.challenge_is("spent")
    world.says(WAITS)


def test_no_answer_in_time_is_looked_up(world):
    world.ca.fault("hang-issued")
    cert = world.issued("hasty")
    only, = world.certificates()
    assert int(only["serial"], 16) == cert.serial_number
    world.says(ISSUED, "the certificate was found in EJBCA")


@pytest.mark.parametrize("profile, what, search", [
    ("hasty", "hang", None),
    ("default", "close", None),
    ("default", "html", None),
    ("default", "500-issued", "500"),
    ("default", "empty", "html"),
    ("default", "empty", "no-certificate"),
    ("hasty", "hang-issued", "hang"),
])
def test_what_cannot_be_told_is_pending_and_never_sent_again(world, profile,
                                                             what, search):
    world.ca.fault(what)
    if search:
        world.ca.fault(search, step="search", times=2)
    assert world.enrol(profile).status == PENDING
    world.challenge_is("spent")
    world.says(WAITS)
    assert len(world.ca.requests("pkcs10enroll")) == 1
    assert len(world.certificates()) <= 1


@pytest.mark.parametrize("what", ["other-key", "other-issuer"])
def test_a_wrong_certificate_is_not_delivered(world, what):
    world.ca.fault(what)
    world.log.expect(ALARM)
    # it is one of another issuer, or none that EJBCA knows
    world.log.expect("SCEP064[23]: certificate")
    world.fails(BAD_REQUEST)
    world.challenge_is("spent")
    world.says(ALARM, "ca-bad-certificate")


# ------------------------------------------------------------------- tokens

def test_a_token_is_asked_for_once_and_again_when_it_ends(world):
    world.ca.set(token_life=3600)
    for _ in range(3):
        world.issued("oauth")
    tokens = len(world.ca.requests("token"))
    assert tokens <= 1
    world.ca.control("POST", "/expire")
    world.issued("oauth")
    assert len(world.ca.requests("token")) == tokens + 1
    # the one that was refused did nothing
    assert len(world.certificates()) == 4


def test_a_token_that_ends_at_once_is_good_for_one_request(world):
    world.ca.control("POST", "/expire")
    world.ca.set(token_life=1)
    for _ in range(3):
        world.issued("oauth")
    assert len(world.ca.requests("token")) >= 3


def test_what_authenticates_is_in_no_log(world):
    """Here in the forms that it goes over the wire in; as it is, each test
    looks for it."""
    world.ca.control("POST", "/expire")
    world.issued("oauth")
    world.issued("token")
    basic = base64.b64encode(b"mod-scep:%s" % world.ca.secret(
        "client").encode()).decode()
    written = world.server.log.path.read_text()
    assert basic not in written and basic.rstrip("=") not in written
    assert "Bearer" not in written
    assert "BEGIN CERTIFICATE REQUEST" not in written


def test_many_at_once_share_a_token(world):
    world.ca.control("POST", "/expire")
    world.ca.set(unique_key=False)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: world.issued(
            "oauth", cn="device-%d" % number), range(8)))
    # at most one more than needed for each of those that were refused
    assert 1 <= len(world.ca.requests("token")) <= 9
    assert len(world.certificates()) == 8


@pytest.mark.parametrize("members, told", [
    ({"status": 401, "message": "invalid_client"}, "no token"),
    ({"status": 200, "body": "<html>"}, "no token"),
    ({"status": 200, "body": '{"access_token": 1}'}, "no token"),
    ({"how": "close"}, "no token"),
])
def test_no_token_no_request(world, members, told):
    world.ca.control("POST", "/expire")
    world.issued("oauth")   # whatever the child had is the latest now
    world.ca.control("POST", "/expire")
    world.ca.fault(step="token", times=2, **members)
    world.log.expect(ALARM)
    world.is_put_off("oauth")
    world.challenge_is("issued")
    world.says(ALARM, "ca-down", told)
    assert len(world.certificates()) == 1


def test_a_token_service_that_hangs_is_waited_for_once(world):
    # each request needs a new one
    world.ca.control("POST", "/expire")
    world.ca.set(token_life=1)
    world.issued("patient-oauth")
    world.ca.fault("hang", step="token")
    asked = len(world.ca.requests("token"))
    challenges = [world.server.issue("patient-oauth") for _ in range(4)]
    world.log.expect(ALARM)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(world.is_put_off, "patient-oauth",
                               one["challenge"], cn="device-" + one["id"])
                   for one in challenges]
        wait_until(lambda: world.ca.state["held"] == 1)
        wait_until(lambda: {world.server.state(one["id"])
                            for one in challenges} == {"claimed"})
        world.ca.release()
        for one in waiting:
            one.result()
    assert len(world.ca.requests("token")) == asked + 1
    world.issued("patient-oauth")


# ------------------------------------------------- preregistered end entities

def register(world, **members):
    code = os.urandom(12).hex()
    world.server.secrets.add(code)
    world.ca.control("POST", "/register", {
        "username": "scep-" + world.cn, "password": code,
        "dn": "CN=%s,O=As registered" % world.cn, **members})
    return code


def test_the_enrolment_code_is_the_challenge(world):
    cert = world.issued("code", register(world))
    assert cert.subject.rfc4514_string() == \
        "CN=%s,O=As registered" % world.cn
    world.says(ISSUED, "challenge of the CA")
    assert world.ca.requests("pkcs10enroll") == []


@pytest.mark.parametrize("code", ["wrong", "0" * 24, "x" * 1000])
def test_a_wrong_enrolment_code_gets_nothing(world, code):
    right = register(world)
    world.fails(BAD_REQUEST, "code", code)
    world.says(REFUSED, "ca-rejected", "Wrong username or password")
    assert code not in world.log.raw()
    world.issued("code", right)


def test_an_enrolment_code_is_good_once(world):
    code = register(world)
    world.issued("code", code)
    world.fails(BAD_REQUEST, "code", code)
    world.says(REFUSED, "GENERATED")
    assert len(world.certificates()) == 1


def test_an_end_entity_that_nobody_registered_gets_nothing(world):
    code = os.urandom(12).hex()
    world.server.secrets.add(code)
    world.fails(BAD_REQUEST, "code", code)
    assert world.ca.state["entities"] == {}


def test_without_a_challenge_ejbca_is_not_asked(world):
    register(world)
    key = world.keys.rsa()
    endpoint = world.server.endpoint("code")
    message = endpoint.request(key, make_csr(
        key, None, subject=name(("CN", world.cn))))
    assert endpoint.send(message).fail_info == BAD_REQUEST
    assert world.ca.requests("certificaterequest") == []


def test_a_code_that_was_used_though_500_was_answered(world):
    code = register(world)
    world.ca.fault("500-issued", step="certificaterequest")
    world.issued("code", code)
    assert len(world.certificates()) == 1


def test_one_code_in_parallel_is_one_certificate(world):
    code = register(world)
    world.ca.fault(step="certificaterequest", times=-1, delay=0.05)
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        replies = list(pool.map(
            lambda number: world.enrol(
                "code", code, key=world.keys.rsa(number=number)), range(6)))
    assert sorted(reply.status == SUCCESS for reply in replies) == \
        [False] * 5 + [True]
    assert len(world.certificates()) == 1


# ------------------------------------------------------------ many at a time

@pytest.fixture
def default_settings(make_world):
    return make_world()


def test_devices_with_one_username_take_turns(default_settings):
    world = default_settings
    world.ca.set(unique_key=False)
    world.ca.fault(times=-1, delay=0.1)
    challenges = [world.server.challenge() for _ in range(6)]
    for number in range(6):
        world.keys.rsa(number=number)
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        certs = list(pool.map(
            lambda number: world.issued(
                "default", challenges[number], cn="twin",
                key=world.keys.rsa(number=number)), range(6)))
    assert len({cert.serial_number for cert in certs}) == 6
    assert world.ca.state["most_at_once"] == {"scep-twin": 1}
    assert world.ca.state["entities"]["scep-twin"]["times"] == 6


def test_who_waits_too_long_for_a_turn_comes_again(default_settings):
    world = default_settings
    world.ca.set(unique_key=False)
    world.ca.fault("hold")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        first = pool.submit(world.issued, cn="twin")
        wait_until(lambda: world.ca.state["held"] == 1)
        world.log.expect(ALARM)
        world.is_put_off("hasty", cn="twin", key=world.keys.rsa(number=1))
        world.challenge_is("issued")
        world.says(ALARM, "ca-down", "same username is under way")
        world.ca.release()
        first.result()
    assert len(world.ca.requests("pkcs10enroll")) == 1


def test_64_under_way_leave_workers_for_everybody_else(default_settings):
    world = default_settings
    world.ca.set(unique_key=False)
    world.ca.fault("hold", times=64)
    challenges = [world.server.challenge("patient") for _ in range(64)]
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        under_way = [
            pool.submit(world.issued, "patient", challenge,
                        cn="held-%d" % number)
            for number, challenge in enumerate(challenges)]
        wait_until(lambda: world.ca.state["held"] == 64)
        for _ in range(20):
            assert "AES" in world.server.endpoint().caps()
        with concurrent.futures.ThreadPoolExecutor(16) as others:
            answers = list(others.map(
                lambda _: world.server.endpoint().ca_certificates(),
                range(32)))
        assert len(answers) == 32
        assert world.ca.state["held"] == 64
        world.ca.release()
        serials = {cert.result().serial_number for cert in under_way}
    assert len(serials) == 64
    first = world.ca.state["connections"]
    assert first <= 64
    for number in range(10):
        world.issued("patient", cn="later-%d" % number)
    # a child that had none of the 64 makes its own
    assert world.ca.state["connections"] <= \
        first + len(world.server.children())


def test_a_ca_that_hangs_leaves_half_of_the_workers(world):
    """Of 32 that SINGLE has."""
    world.ca.set(unique_key=False)
    world.ca.fault("hold", times=16)
    challenges = [world.server.challenge("patient") for _ in range(16)]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        under_way = [
            pool.submit(world.issued, "patient", challenge,
                        cn="held-%d" % number)
            for number, challenge in enumerate(challenges)]
        wait_until(lambda: world.ca.state["held"] == 16)
        world.log.expect(ALARM)
        for _ in range(4):
            world.is_put_off("patient")
            world.challenge_is("issued")
            world.says(ALARM, "ca-down", "too many requests wait for the CA")
        # what is known of another <ScepCA> is not known of this one
        world.issued("token", cn="other")
        assert "AES" in world.server.endpoint().caps()
        world.ca.release()
        for one in under_way:
            one.result()
    world.issued()


# ----------------------------------------------------------- starts and ends

def test_a_graceful_restart_drops_no_request(default_settings):
    world = default_settings
    world.ca.set(unique_key=False)
    world.ca.fault("hold", times=4)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        under_way = [pool.submit(world.issued, cn="held-%d" % number)
                     for number in range(4)]
        wait_until(lambda: world.ca.state["held"] == 4)
        world.server.reload()
        world.issued("oauth", cn="meanwhile")
        world.ca.release()
        for cert in under_way:
            cert.result()
    assert len(world.certificates()) == 5


def test_turns_are_kept_over_a_graceful_restart(default_settings):
    world = default_settings
    world.ca.set(unique_key=False)
    world.ca.fault("hold")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        before = pool.submit(world.issued, cn="twin")
        wait_until(lambda: world.ca.state["held"] == 1)
        world.server.reload()
        after = pool.submit(world.issued, cn="twin",
                            key=world.keys.rsa(number=1))
        world.ca.control()
        world.ca.release()
        before.result()
        after.result()
    assert world.ca.state["most_at_once"] == {"scep-twin": 1}


def test_killed_children_hold_up_nobody_else(default_settings):
    world = default_settings
    world.ca.set(unique_key=False)
    world.ca.fault("hold", times=2)
    children = world.server.children()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        lost = [pool.submit(world.post, cn="held-%d" % number)
                for number in range(2)]
        wait_until(lambda: world.ca.state["held"] == 2)
        world.server.kill(*children)
        for one in lost:
            with pytest.raises((OSError, scepclient.http.client
                                .HTTPException)):
                one.result()
        wait_until(lambda: world.server.children()
                   and not set(children) & set(world.server.children()))
    world.issued(cn="other")
    world.ca.release()


def test_after_a_restart_of_ejbca_connections_are_made_anew(world):
    world.issued()
    world.ca.down()
    world.ca.up()
    world.issued()
    assert len(world.certificates()) == 2
