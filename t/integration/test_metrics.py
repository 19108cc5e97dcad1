"""GET metrics, the breach signal, and refusals that look alike from outside.

SPDX-License-Identifier: Apache-2.0
"""
import concurrent.futures
import re
import secrets

import pytest

import gateway
from adminapi import problem
from gateway import make_csr, wait_until
from pki import dns
from pkimessage import BAD_REQUEST, FAILURE, SUCCESS
from test_static import line

BREACH = "SCEP0103"
PROFILE = """\
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
LINES = """\
LoadModule remoteip_module modules/mod_remoteip.so
RemoteIPHeader X-Client
RemoteIPInternalProxy 127.0.0.1
LogLevel warn scep:debug
LogFormat "%>s %{scep-status}n %{scep-reason}n %{scep-event}n" notes
CustomLog notes.log notes
CustomLog alarm.log notes "expr=note('scep-event') == 'breach'"
""" + "".join(PROFILE % (profile, words, profile, profile)
              for profile, words in (
                  ("plain", "ScepVerify otp"),
                  ("both", "ScepVerify otp static\n"
                           "    ScepStaticSecrets static-secrets"),
                  ("renewing", "ScepVerify cert otp\n"
                               "    ScepRenewalRevocation off")))
SAMPLE = re.compile(r'^([a-z_]+)(?:\{((?:[a-z_]+="[^"\\\n]*",?)*)\})? (\d+)$')


@pytest.fixture
def sandbox(make_server):
    made = make_server(LINES, start=False)
    (made.dir / "static-secrets").write_text(
        line("plant", secrets.token_hex(16)) + "\n")
    (made.dir / "static-secrets").chmod(0o600)
    made.start()
    return made


def send(sandbox, keys, challenge, profile="plain", address=None, **csr):
    endpoint = sandbox.endpoint(profile)
    message = endpoint.request(
        keys.rsa(), make_csr(keys.rsa(), challenge, **csr), keys.signer())
    headers = {"X-Client": address} if address else {}
    response = endpoint.post(message.build(), **headers)
    reply = endpoint.read(response, message)
    reply.octets = len(response.body)
    return reply


def read(sandbox):
    """{name: {labels: value}} of a text that is as Prometheus has it."""
    answer = sandbox.admin(path="/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"] == \
        "text/plain; version=0.0.4; charset=utf-8"
    text = answer.body.decode()
    assert text.endswith("\n")
    found, current = {}, None
    for row in text.splitlines():
        if row.startswith("# HELP "):
            continue
        if row.startswith("# TYPE "):
            _, _, current, kind = row.split(" ")
            assert current not in found and kind in ("counter", "gauge"), row
            found[current] = {}
            continue
        parts = SAMPLE.match(row)
        assert parts, row
        assert parts[1] == current, "not in the group of its metric: " + row
        assert parts[2] not in found[current], "twice: " + row
        found[current][parts[2]] = int(parts[3])
    return found


def requests(sandbox, profile, status, reason):
    return read(sandbox).get("scep_requests_total", {}).get(
        'profile="%s",status="%s",reason="%s"' % (profile, status, reason), 0)


# ------------------------------------------------------------------ metrics

def test_requests_by_their_outcome(sandbox, keys):
    assert send(sandbox, keys, sandbox.challenge("plain")).status == SUCCESS
    for _ in range(3):
        assert send(sandbox, keys, "WRONG").status == FAILURE
    assert sandbox.endpoint("plain").post(b"no CMS").status == 400
    assert sandbox.endpoint("plain").post(b"x" * 70000).status == 413
    assert requests(sandbox, "plain", "413", "bad-query") == 1
    assert requests(sandbox, "plain", "SUCCESS", "none") == 1
    assert requests(sandbox, "plain", "FAILURE", "bad-challenge") == 3
    assert requests(sandbox, "plain", "400", "not-cms") == 1


def test_what_can_be_alerted_on_is_there_from_the_start(sandbox):
    found = read(sandbox)
    for name in ("scep_breach_total", "scep_lockouts_total"):
        assert found[name]['profile="plain"'] == 0
        assert found[name]['profile="both"'] == 0


def test_challenges_by_door(sandbox):
    for _ in range(2):
        sandbox.challenge("plain")
    assert read(sandbox)["scep_challenges_issued_total"] == {
        'profile="plain",door="admin"': 2}


def test_the_store_s_numbers(sandbox, keys):
    before = read(sandbox)
    assert before["scep_challenge_store_up"][None] == 1
    assert before["scep_challenge_store_capacity"][None] == 100000
    live = before["scep_challenges_live"][None]
    secret = sandbox.challenge("plain")
    sandbox.challenge("plain")
    assert read(sandbox)["scep_challenges_live"][None] == live + 2
    send(sandbox, keys, secret)
    assert read(sandbox)["scep_challenges_live"][None] == live + 1


def test_kept_over_a_reload_and_begun_anew_by_a_restart(sandbox, keys):
    send(sandbox, keys, "WRONG")
    sandbox.reload()
    send(sandbox, keys, "WRONG")
    assert requests(sandbox, "plain", "FAILURE", "bad-challenge") == 2
    sandbox.restart()
    assert requests(sandbox, "plain", "FAILURE", "bad-challenge") == 0


@pytest.mark.parametrize("mpm", ["event", "prefork"])
def test_none_is_lost_between_processes(make_server, keys, mpm):
    sandbox = make_server(mpm=mpm)
    endpoint = sandbox.endpoint()

    def refuse(_):
        return endpoint.post(b"no CMS").status

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        assert set(pool.map(refuse, range(300))) == {400}
    assert requests(sandbox, "default", "400", "not-cms") == 300


def test_a_child_that_is_killed_leaves_them(sandbox, keys):
    send(sandbox, keys, "WRONG")
    sandbox.kill(*sandbox.children())
    wait_until(lambda: len(sandbox.children()) > 0)
    assert requests(sandbox, "plain", "FAILURE", "bad-challenge") == 1


def test_no_label_is_a_client_s(sandbox, keys):
    endpoint = sandbox.endpoint("plain")
    word = "intruder" + secrets.token_hex(8)
    endpoint.get("operation=" + word)
    endpoint.get("operation=PKIOperation&message=" + word)
    message = endpoint.request(keys.rsa(), make_csr(keys.rsa(), word),
                               keys.signer(), transaction_id=word)
    endpoint.post(message.build(), User_Agent=word)
    assert word not in sandbox.admin(path="/metrics").body.decode()


def test_only_get_and_only_whom_require_lets_in(sandbox):
    answer = sandbox.admin("POST", "/metrics", body={})
    problem(answer, 405)
    assert "GET" in answer.headers["allow"]
    sandbox.lines += """
<Location "/closed">
    SetHandler scep-admin
    Require all denied
</Location>
"""
    sandbox.reload()
    sandbox.log.expect("AH01630: client denied")
    assert gateway.scepclient.request(
        sandbox.base + "/closed/metrics").status == 403


def test_a_location_for_the_scraper_alone(make_server):
    sandbox = make_server("""
<Location "/scep-metrics">
    SetHandler scep-admin
    <RequireAll>
        Require method GET
        Require ip 127.0.0.1
    </RequireAll>
    ScepChallengeAllow nobody
</Location>
""")
    url = sandbox.base + "/scep-metrics"
    sandbox.issue()
    assert b"scep_challenges_live 1" in gateway.scepclient.request(
        url + "/metrics").body
    assert b'"challenges":[]' in gateway.scepclient.request(
        url + "/challenges").body.replace(b" ", b"").replace(b"\n", b"")
    sandbox.log.expect("AH01630: client denied")
    assert gateway.scepclient.request(
        url + "/challenges", "POST", '{"profile": "default"}',
        {"Content-Type": "application/json"}).status == 403


# ------------------------------------------------------------ breach signal

def test_a_spent_challenge_that_comes_again_is_a_breach(sandbox, keys):
    secret = sandbox.challenge("plain")
    assert send(sandbox, keys, secret).status == SUCCESS
    assert read(sandbox)["scep_breach_total"]['profile="plain"'] == 0
    sandbox.log.expect(BREACH + ": a spent challenge came again.*plain")
    assert send(sandbox, keys, secret).status == FAILURE
    found = read(sandbox)["scep_breach_total"]
    assert found['profile="plain"'] == 1 and found['profile="both"'] == 0
    # httpd writes it when the answer has gone out
    for name in ("notes.log", "alarm.log"):
        wait_until(lambda: "breach" in (sandbox.dir / name).read_text())
    notes = (sandbox.dir / "notes.log").read_text().splitlines()
    assert "200 FAILURE spent-challenge breach" in notes
    assert sum("breach" in note for note in notes) == 1
    assert (sandbox.dir / "alarm.log").read_text() == \
        "200 FAILURE spent-challenge breach\n"


def test_one_of_several_uses_is_a_breach_when_all_are_used(sandbox, keys):
    secret = sandbox.challenge("plain", uses=2)
    for _ in range(2):
        assert send(sandbox, keys, secret).status == SUCCESS
    assert read(sandbox)["scep_breach_total"]['profile="plain"'] == 0
    sandbox.log.expect(BREACH)
    assert send(sandbox, keys, secret).status == FAILURE
    assert read(sandbox)["scep_breach_total"]['profile="plain"'] == 1


@pytest.mark.parametrize("profile", ["both", "renewing"])
def test_a_breach_is_one_whatever_verifiers_stand_around(sandbox, keys,
                                                         profile):
    secret = sandbox.challenge(profile)
    assert send(sandbox, keys, secret, profile).status == SUCCESS
    sandbox.log.expect(BREACH)
    assert send(sandbox, keys, secret, profile).status == FAILURE
    assert read(sandbox)["scep_breach_total"]['profile="%s"' % profile] == 1


def test_a_wrong_or_revoked_challenge_is_no_breach(sandbox, keys):
    found = sandbox.issue("plain")
    sandbox.admin("DELETE", "/challenges/" + found["id"])
    for secret in (found["challenge"], "WRONG", None):
        assert send(sandbox, keys, secret).status == FAILURE
    assert read(sandbox)["scep_breach_total"]['profile="plain"'] == 0


# --------------------------------------- told apart inside, alike outside

def prepare(sandbox, keys, case, profile):
    """A challenge that will be refused, and what else the request says."""
    if case == "unknown":
        return secrets.token_hex(16).upper(), {}
    if case == "none":
        return None, {}
    bindings = {"subject": {"subject": "CN=other"},
                "names": {"sans": ["dns:other.example"]},
                "device": {"device": "other"},
                "network": {"network": "192.0.2.0/24"},
                "used up": {"uses": 2}}.get(case, {})
    found = sandbox.issue("plain" if case == "profile" and profile != "plain"
                          else "both" if case == "profile" else profile,
                          **bindings)
    secret = found["challenge"]
    if case == "revoked":
        assert sandbox.admin("DELETE", "/challenges/"
                             + found["id"]).status == 204
    for _ in range({"spent": 1, "used up": 2}.get(case, 0)):
        assert send(sandbox, keys, secret, profile).status == SUCCESS
    return secret, {"address": "198.51.100.7"} if case == "network" else {}


CASES = {
    "unknown": "no such challenge|is none|is known|no secret",
    "none": "no challengePassword",
    "revoked": "revoked",
    "spent": "used before",
    "used up": "used before",
    "profile": "another profile",
    "subject": "another subject",
    "names": "other subjectAltNames",
    "device": "another device",
    "network": "another network",
}


@pytest.mark.parametrize("profile", ["plain", "both", "renewing"])
def test_refusals_are_told_apart_in_the_log_and_alike_to_the_client(
        sandbox, keys, profile):
    said, logged = {}, {}
    for case, words in CASES.items():
        secret, more = prepare(sandbox, keys, case, profile)
        sandbox.log.mark()
        sandbox.log.allow(BREACH)
        reply = send(sandbox, keys, secret, profile, sans=[dns("a.example")],
                     **more)
        said[case] = (reply.status, reply.fail_info, reply.fail_text,
                      reply.octets)
        logged[case] = [row.text for row in sandbox.log.outcomes()
                        if re.search("SCEP010[23]", row.text)]
    assert len(set(said.values())) == 1, said
    assert said["spent"][:2] == (FAILURE, BAD_REQUEST)
    for case, words in CASES.items():
        assert len(logged[case]) == 1
        if profile == "plain" or case not in ("unknown", "none"):
            assert re.search(words, logged[case][0]), logged[case]
