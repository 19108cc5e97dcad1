"""What a caller may have: ScepChallengeAllow and ScepChallengeQuota.

SPDX-License-Identifier: Apache-2.0
"""
import json
import re
import shutil
import threading

import pytest

import configuration
import stores
from adminapi import Caller, problem, write_users
from gateway import make_csr

PROFILE = """\
<ScepProfile %s>
    ScepCA issuing
    ScepRACertificate pki/ra.pem
    ScepRAKey pki/ra.key
</ScepProfile>
"""
LOCATION = """\
<Location "/%s">
    SetHandler scep-admin
    AuthType Basic
    AuthName "x"
    AuthBasicProvider file
    AuthUserFile "@DIR@/users"
    Require valid-user
    %s
</Location>
"""
LONG = "operator-with-a-long-name-%s@example.com"
PLACES = {
    "all": "",
    "some": """\
    ScepChallengeAllow alice profile=pads profile=phones
    ScepChallengeAllow bob profile=pads
    ScepChallengeAllow bob profile=phones "subject=CN=*,O=Example Corp"
    ScepChallengeAllow carol
    ScepChallengeAllow * profile=open
""",
    "subjects": """\
    ScepChallengeAllow alice "subject=CN=a-*,O=Example" subject=CN=\\*
    ScepChallengeAllow bob "subject=CN=*,O=Example"
""",
    "some/inner": "    ScepChallengeQuota * 1\n",
    "quota": """\
    ScepChallengeQuota * 3
    ScepChallengeQuota alice 5
    ScepChallengeQuota bob 0
""",
}
USERS = ("alice", "bob", "carol", "dave", LONG % 1, LONG % 2, b"j\xf6rg",
         "j\u00f6rg", "*", "Alice")


@pytest.fixture(scope="module", params=["event"] + stores.DATABASES)
def offices(request):
    lines = "".join(PROFILE % name for name in ("pads", "phones", "open"))
    lines += "".join(LOCATION % place for place in PLACES.items())
    lines += ('<Location "/nobody">\nSetHandler scep-admin\n'
              "Require ip 127.0.0.1\n"
              "ScepChallengeAllow alice\n"
              "ScepChallengeAllow * profile=open\n"
              "ScepChallengeQuota * 4\n</Location>\n")
    sandbox = stores.sandbox(request.param, lines,
                             lambda: request.getfixturevalue("postgres"))
    write_users(sandbox, *USERS)
    try:
        sandbox.start()
        yield sandbox
    finally:
        sandbox.remove()


@pytest.fixture(autouse=True)
def none_left(offices):
    yield
    for row in offices.listing()["challenges"]:
        offices.admin("DELETE", "/challenges/" + row["id"])


# ---------------------------------------------------------------------- allow

def test_without_a_line_everybody_may_have_everything(offices):
    for user in ("alice", "dave"):
        caller = Caller(offices, user, "/all")
        for profile in ("pads", "phones", "open", "default"):
            caller.issue(profile)


@pytest.mark.parametrize("user,profiles", [
    ("alice", {"pads", "phones", "open"}), ("bob", {"pads", "open"}),
    ("carol", {"pads", "phones", "open", "default"}), ("dave", {"open"}),
    ("*", {"open"}), ("Alice", {"open"})])
def test_profiles_of_a_caller(offices, user, profiles):
    caller = Caller(offices, user, "/some")
    for profile in ("pads", "phones", "open", "default"):
        answer = caller.ask(profile)
        if profile in profiles:
            assert answer.status == 201, (profile, answer)
        else:
            problem(answer, 403, profile)
    assert len(offices.log.outcomes()) >= 4


def test_a_refusal_names_the_caller_in_the_log(offices):
    problem(Caller(offices, "dave", "/some").ask("pads"), 403)
    assert any("SCEP0126" in line.raw and "dave" in line.raw
               for line in offices.log.outcomes())


@pytest.mark.parametrize("subject,status", [
    ("CN=x,O=Example Corp", 201), ("O=Example Corp,CN=x", 201),
    ("/O=Example Corp/CN=x", 201), ("CN=x y\\, z,O=Example Corp", 201),
    ("CN=x,O=Example corp", 403), ("CN=x", 403), ("O=Example Corp", 403),
    ("CN=x,O=Example Corp,C=CH", 403), ("CN=x+O=Example Corp", 403),
    ('CN="evil,O=Example Corp"', 403), ("CN=evil\\,O=Example Corp", 403),
    ("CN=x,OU=y,O=Example Corp", 403), ("", 403), (None, 403)])
def test_subjects_of_a_caller(offices, subject, status):
    members = {} if subject is None else {"subject": subject}
    answer = Caller(offices, "bob", "/some").ask("phones", **members)
    assert answer.status == status, answer


@pytest.mark.parametrize("user,subject,status", [
    ("alice", "CN=a-1,O=Example", 201), ("alice", "CN=*", 201),
    ("alice", "CN=b-1,O=Example", 403), ("alice", "CN=x", 403),
    ("bob", "CN=b-1,O=Example", 201), ("carol", "CN=a-1,O=Example", 403)])
def test_patterns_in_one_line_are_alternatives(offices, user, subject,
                                               status):
    answer = Caller(offices, user, "/subjects").ask("pads", subject=subject)
    assert answer.status == status, answer


def test_a_deeper_container_does_not_lose_the_lines_above(offices):
    caller = Caller(offices, "dave", "/some/inner")
    problem(caller.ask("pads"), 403)
    caller.issue("open")
    problem(caller.ask("open"), 429)


def test_who_has_no_name_is_anybody(offices):
    caller = Caller(offices, None, "/nobody")
    caller.issue("open")
    problem(caller.ask("pads"), 403)


# ------------------------------------------------- what a caller sees and does

def test_a_caller_sees_and_changes_those_of_its_profiles(offices):
    everything = Caller(offices, "alice", "/all")
    made = {profile: everything.issue(profile)["id"]
            for profile in ("pads", "phones", "open", "default")}
    visible = {"alice": {"pads", "phones", "open"},
               "bob": {"pads", "open"}, "carol": set(made),
               "dave": {"open"}}
    for user, profiles in visible.items():
        caller = Caller(offices, user, "/some")
        assert caller.ids("?state=issued") == {
            made[profile] for profile in profiles}
        for profile, ident in made.items():
            path = "/challenges/" + ident
            seen = profile in profiles
            assert caller.call(path=path).status == (200 if seen else 404)
            if not seen:
                problem(caller.call("PATCH", path, {"ttl": "2h"}), 404)
                problem(caller.call("DELETE", path), 404)
    rows = {row["id"]: row for row in offices.listing()["challenges"]}
    assert {rows[ident]["state"] for ident in made.values()} == {"issued"}
    dave = Caller(offices, "dave", "/some")
    path = "/challenges/" + made["open"]
    assert dave.call("PATCH", path, {"ttl": "2h"}).status == 200
    assert dave.call("DELETE", path).status == 204


def test_a_refusal_looks_as_if_there_were_none(offices):
    """Who may not see a challenge does not learn that there is one."""
    ident = Caller(offices, "alice", "/all").issue("pads")["id"]
    dave = Caller(offices, "dave", "/some")
    there = dave.call(path="/challenges/" + ident)
    absent = dave.call(path="/challenges/" + ident[:8] + "00000000")
    assert (there.status, there.body.replace(ident.encode(), b"")) == (
        absent.status,
        absent.body.replace(ident[:8].encode() + b"00000000", b""))


def test_with_subjects_a_caller_sees_what_it_asked_for(offices):
    """A store does not tell subjects: others' may be of any."""
    own = Caller(offices, "bob", "/subjects").issue(
        "pads", subject="CN=b,O=Example")["id"]
    other = Caller(offices, "alice", "/subjects").issue(
        "pads", subject="CN=a-b,O=Example")["id"]
    bob = Caller(offices, "bob", "/subjects")
    assert bob.ids("?state=issued") == {own}
    problem(bob.call("DELETE", "/challenges/" + other), 404)
    assert bob.call("DELETE", "/challenges/" + own).status == 204
    assert not Caller(offices, "dave", "/subjects").ids()


# ---------------------------------------------------------------------- quota

def live(offices, requester):
    return [row for row in offices.listing()["challenges"]
            if row["requester"] == requester and row["state"] == "issued"]


def test_quota_of_live_challenges(offices):
    caller = Caller(offices, "dave", "/quota")
    made = [caller.issue() for _ in range(3)]
    before = offices.listing()["challenges"]
    problem(caller.ask(), 429, "3")
    assert len(live(offices, "dave")) == 3
    # nor does a refusal leave one that is revoked
    assert offices.listing()["challenges"] == before
    assert caller.call("DELETE",
                       "/challenges/" + made[0]["id"]).status == 204
    caller.issue()
    problem(caller.ask(), 429)


def test_each_caller_has_a_quota_of_its_own(offices):
    for user, number in (("alice", 5), ("carol", 3), ("dave", 3)):
        caller = Caller(offices, user, "/quota")
        for _ in range(number):
            caller.issue()
        problem(caller.ask(), 429, str(number))
    problem(Caller(offices, "bob", "/quota").ask(), 429, "0")
    Caller(offices, "alice", "/all").issue()


def test_a_used_challenge_does_not_count(offices, keys):
    caller = Caller(offices, "dave", "/quota")
    made = [caller.issue() for _ in range(3)]
    endpoint, key = offices.endpoint(), keys.rsa()
    endpoint.send(endpoint.request(key, make_csr(key, made[0]["challenge"]),
                                   keys.signer())).check_issued(key)
    caller.issue()


def test_a_race_never_exceeds_the_quota(offices):
    caller = Caller(offices, "dave", "/quota")
    made, other = [], []

    def run():
        for _ in range(12):
            answer = caller.ask()
            (made if answer.status == 201 else other).append(answer)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status for answer in other} == {429}
    assert 1 <= len(made) <= 3
    ids = {json.loads(answer.body)["id"] for answer in made}
    assert {row["id"] for row in live(offices, "dave")} == ids


def test_long_names_do_not_share_a_quota(offices):
    first, second = (Caller(offices, LONG % i, "/quota") for i in (1, 2))
    for _ in range(3):
        first.issue()
    problem(first.ask(), 429)
    second.issue()
    rows = offices.listing()["challenges"]
    names = {row["requester"] for row in rows if row["state"] == "issued"}
    assert len(names) == 2
    for requester in names:
        assert len(requester) == 31 and requester.startswith(
            LONG[:22] + "~"), requester
    answer = first.call(path="/challenges?state=issued&requester="
                        + LONG % 1)
    assert len(json.loads(answer.body)["challenges"]) == 3


def test_a_name_that_is_no_text_is_shown_all_the_same(offices):
    latin = Caller(offices, b"j\xf6rg", "/quota")
    utf8 = Caller(offices, "j\u00f6rg", "/quota")
    for _ in range(3):
        latin.issue()
    problem(latin.ask(), 429)
    utf8.issue()
    names = {row["requester"] for row in offices.listing()["challenges"]
             if row["state"] == "issued"}
    shown, = names - {"j\u00f6rg"}
    assert shown.startswith("j?rg~")


def test_nobody_counts_by_address(offices):
    caller = Caller(offices, None, "/nobody")
    for _ in range(4):
        caller.issue("open")
    problem(caller.ask("open"), 429, "4")


def test_quota_holds_over_a_restart(offices):
    caller = Caller(offices, "dave", "/quota")
    for _ in range(3):
        caller.issue()
    offices.restart()
    problem(Caller(offices, "dave", "/quota").ask(), 429)


# -------------------------------------------------------------- configuration

@pytest.fixture(scope="module")
def config(keys):
    made = configuration.Configuration(keys)
    yield made
    shutil.rmtree(made.dir)


ADMIN = """\
<Location "/admin">
    SetHandler scep-admin
    %s
    Require valid-user
</Location>
"""


@pytest.mark.parametrize("word,pattern", [
    ("ScepChallengeAllow", "caller"),
    ('ScepChallengeAllow ""', "caller"),
    ("ScepChallengeAllow bob everything", "everything.*profile=NAME"),
    ("ScepChallengeAllow bob pads", "pads.*profile=NAME"),
    ("ScepChallengeAllow bob profile=nosuch", "nosuch"),
    ("ScepChallengeAllow bob profile=", "no <ScepProfile>"),
    ("ScepChallengeAllow bob profile=default profile=nosuch", "nosuch"),
    ("ScepChallengeAllow bob subject=", "attribute"),
    ("ScepChallengeAllow bob subject=*", "="),
    ("ScepChallengeAllow bob subject=NOSUCH=x", "NOSUCH"),
    ("ScepChallengeAllow bob subject=CN=a+CN=b", "one type"),
    ('ScepChallengeAllow bob subject="CN=a b"', "subject|CN"),
    ("ScepChallengeQuota", "ScepChallengeQuota takes two"),
    ("ScepChallengeQuota bob", "ScepChallengeQuota takes two"),
    ("ScepChallengeQuota bob 1 2", "ScepChallengeQuota takes two"),
    ('ScepChallengeQuota "" 1', "caller"),
    ("ScepChallengeQuota bob x", "'x'"), ("ScepChallengeQuota bob -1", "-1"),
    ("ScepChallengeQuota bob 1.5", "1.5"),
    ("ScepChallengeQuota bob 1000000001", "1000000000"),
    ("ScepChallengeQuota bob 99999999999999999999", "1000000000"),
    ("ScepChallengeQuota bob 1\nScepChallengeQuota bob 2", "twice"),
    ("ScepChallengeQuota * 1\nScepChallengeQuota * 1", "twice")])
def test_mistakes_are_found_with_file_and_line(config, word, pattern):
    text = configuration.GOOD + ADMIN % word
    status, output = config.check(text)
    assert status > 0, "accepted: " + word
    line = text[:text.index(word)].count("\n") + 1 + word.count("\n")
    assert "line %d of " % line in output and "test.conf" in output, output
    assert word.split()[0] in output and re.search(pattern, output), output


@pytest.mark.parametrize("word", [
    "ScepChallengeAllow bob", "ScepChallengeAllow *",
    "ScepChallengeAllow bob PROFILE=default", "ScepChallengeQuota bob 0",
    "ScepChallengeAllow bob profile=default subject=CN=*",
    'ScepChallengeAllow bob "subject=CN=*,O=Example Corp" subject=C=CH',
    "ScepChallengeAllow bob\nScepChallengeAllow bob profile=default",
    "ScepChallengeQuota bob 1\nScepChallengeQuota * 1000000000"])
def test_what_is_right_is_accepted(config, word):
    status, output = config.check(configuration.GOOD + ADMIN % word)
    assert status == 0, output


@pytest.mark.parametrize("word", ["ScepChallengeAllow bob",
                                  "ScepChallengeQuota bob 1"])
@pytest.mark.parametrize("opening", ["<ScepCA openssl issuing>",
                                     "<ScepProfile default>"])
def test_they_do_not_belong_into_our_containers(config, word, opening):
    status, output = config.check(configuration.GOOD.replace(
        opening, opening + "\n" + word))
    assert status > 0 and "does not belong" in output, output


def test_a_profile_may_follow_further_down(config):
    text = ADMIN % "ScepChallengeAllow bob profile=default"
    status, output = config.check(text + configuration.GOOD)
    assert status == 0, output


def test_a_virtual_host_is_checked_too(config):
    text = configuration.GOOD + "<VirtualHost *:8>\n" + \
        ADMIN % "ScepChallengeAllow bob profile=nosuch" + "</VirtualHost>\n"
    status, output = config.check(text)
    line = text[:text.index("ScepChallengeAllow")].count("\n") + 1
    assert status > 0 and "line %d of " % line in output, output
