"""The admin API: challenges are made as they were asked for, or not at all.

SPDX-License-Identifier: Apache-2.0
"""
import gzip
import json
import re

import pytest

import scepclient
from adminapi import expires, problem
from pkimessage import FAILURE

# ------------------------------------------------------------------ issuing

def test_issue_answers_with_the_challenge(server):
    answer = server.admin("POST", body={
        "profile": "default", "subject": "CN=x,O=y",
        "sans": ["dns:a.example", "ip:2001:db8::1"], "ttl": 3600})
    assert answer.status == 201
    assert answer.headers["content-type"].startswith("application/json")
    assert "no-store" in answer.headers["cache-control"]
    found = json.loads(answer.body)
    server.secrets.add(found["challenge"])
    assert set(found) == {"id", "challenge", "profile", "expires", "url",
                          "subject", "sans"}
    assert re.fullmatch("[0-9A-F]{32}", found["challenge"])
    assert re.fullmatch("[0-9a-f]{16}", found["id"])
    assert found["profile"] == "default"
    assert 3590 <= expires(found) <= 3601


def test_issue_without_bindings(server):
    found = server.issue()
    assert set(found) == {"id", "challenge", "profile", "expires", "url"}


def test_the_answer_says_every_binding(server):
    members = {"subject": "CN=x", "sans": [], "device": "Pad-1",
               "network": "192.0.2.0/24", "uses": 2, "note": "Büro, 3. Stock",
               "reusable": False}
    found = server.issue(**members)
    assert {member: found[member] for member in members} == members
    found = server.issue(subject="CN=x", reusable=True)
    assert found["reusable"] is True and "uses" not in found


def test_the_url_is_where_the_profile_is_served(server, enrol, keys):
    assert server.issue()["url"] == server.values["SCEP_URL"]
    found = server.issue("pkcs1")
    assert found["url"] == server.base + "/p/pkcs1"
    enrol("pkcs1", challenge=found["challenge"],
          path=found["url"]).check_issued(keys.rsa())


@pytest.mark.parametrize("ttl,seconds", [
    (60, 60), ("90", 90), ("90s", 90), ("10min", 600), ("2h", 7200),
    ("1d", 86400), ("7d", 604800)])
def test_ttl_forms(server, ttl, seconds):
    assert seconds - 3 <= expires(server.issue(ttl=ttl)) <= seconds + 1


def test_ttl_defaults_and_caps_are_the_profiles(server):
    assert 3590 <= expires(server.issue()) <= 3601
    assert 290 <= expires(server.issue("ttl")) <= 301
    assert 590 <= expires(server.issue("ttl", ttl="10min")) <= 601
    answer = server.admin("POST", body={"profile": "ttl", "ttl": 601})
    problem(answer, 400, "ttl", "600")


@pytest.mark.parametrize("ttl", [
    0, -1, -2 ** 63, 2 ** 63, 10 ** 30, 1.5, True, None, [], {}, "", "x",
    "-1h", "1y", "h", "8d", 604801, "99999999999999999999h", "0", "1h30"])
def test_wrong_ttl_is_400(server, ttl):
    answer = server.admin("POST", body={"profile": "default", "ttl": ttl})
    problem(answer, 400)
    assert "ttl" in answer.body.decode() or abs(ttl) > 2 ** 62


@pytest.mark.parametrize("member", ["Profile", "challenge", "san", "Uses",
                                    "", "x\u0000y", "a" * 1000,
                                    "\u001b[1m"])
def test_unknown_member_is_named(server, member):
    answer = server.admin("POST", body={"profile": "default", member: 1})
    text = problem(answer, 400)
    if member.isprintable():
        assert '"%s"' % member in text["detail"]


@pytest.mark.parametrize("body,word", [
    ({"profile": 5}, "profile"), ({"profile": None}, "profile"),
    ({"profile": []}, "profile"), ({"profile": "nowhere"}, "nowhere"),
    ({}, "profile"), ({"profile": ""}, "profile"),
    ({"profile": "default", "subject": 5}, "subject"),
    ({"profile": "default", "subject": None}, "subject"),
    ({"profile": "default", "subject": ["CN=x"]}, "subject"),
    ({"profile": "default", "sans": "dns:x"}, "sans"),
    ({"profile": "default", "sans": {"dns": "x"}}, "sans"),
    ({"profile": "default", "sans": [5]}, "sans"),
    ({"profile": "default", "sans": ["dns:x", None]}, "sans"),
    ({"profile": "default", "sans": None}, "sans"),
    ({"profile": "default", "device": 5}, "device"),
    ({"profile": "default", "device": None}, "device"),
    ({"profile": "default", "network": 5}, "network"),
    ({"profile": "default", "note": ["x"]}, "note"),
    ({"profile": "default", "uses": "2"}, "uses"),
    ({"profile": "default", "uses": 1.5}, "uses"),
    ({"profile": "default", "uses": 1.0}, "uses"),
    ({"profile": "default", "uses": True}, "uses"),
    ({"profile": "default", "uses": None}, "uses"),
    ({"profile": "default", "reusable": 1}, "reusable"),
    ({"profile": "default", "reusable": "true"}, "reusable"),
    ({"profile": "default", "reusable": None}, "reusable")])
def test_wrong_types_are_named(server, body, word):
    problem(server.admin("POST", body=body), 400, word)


@pytest.mark.parametrize("subject", [
    "x", "CN", "=x", "CN=", "CN=x,", "CN=x,,O=y", "NOSUCH=x", "1.2.=x",
    "CN=x\u0000y", "C=Switzerland", "CN=x O=y=z,Q", "+CN=x", "CN=\\",
    "CN=x+", "CN=" + "x" * 10000, "CN=\ud800"], ids=lambda text: text[:20])
def test_bad_dn_is_400(server, subject):
    answer = server.admin("POST", body={"profile": "default",
                                        "subject": subject})
    if answer.status == 201:
        # what RFC 4514 has for odd but right names is a name
        found = json.loads(answer.body)
        server.secrets.add(found["challenge"])
        assert subject in ("CN=", "C=Switzerland", "CN=x O=y=z,Q",
                           "CN=" + "x" * 10000), subject
    else:
        problem(answer, 400)


@pytest.mark.parametrize("san", [
    "", "x", "dns", "dns:", ":x", "nosuch:x", "ip:1.2.3", "ip:x",
    "ip:300.1.1.1", "ip:1.2.3.4/24", "email:", "dns:a\u0000b", "uri:",
    "DNS:", "rid:x"])
def test_bad_san_is_400(server, san):
    answer = server.admin("POST", body={"profile": "default", "sans": [san]})
    problem(answer, 400, *([] if "\0" in san else ["sans"]))


@pytest.mark.parametrize("member,value,word", [
    ("uses", 0, "1 to 10000"), ("uses", -1, "1 to 10000"),
    ("uses", 10001, "1 to 10000"), ("uses", 2 ** 63 - 1, "1 to 10000"),
    ("device", "", "255"), ("device", "x" * 256, "255"),
    ("device", "a\nb", "control"), ("device", "\u009b1m", "control"),
    ("note", "x" * 32, "31"), ("note", "\u00e4" * 16, "31"),
    ("note", "a\tb", "control"), ("note", "\u007f", "control"),
    ("network", "", "address"), ("network", "x", "address"),
    ("network", "192.0.2.1/24", "prefix"), ("network", "192.0.2.0/33", "/32"),
    ("network", "2001:db8::/129", "/128"), ("network", "::1%lo", "address"),
    ("network", "192.0.2.0/-1", "/32"), ("network", "192.0.2.0/", "/32")])
def test_bad_values_are_named(server, member, value, word):
    answer = server.admin("POST", body={"profile": "default", member: value})
    problem(answer, 400, '"%s"' % member, word)


def test_the_longest_values(server):
    for members in ({"note": "x" * 31}, {"device": "x" * 255},
                    {"uses": 10000}, {"uses": 1}, {"network": "0.0.0.0/0"},
                    {"network": "2001:db8::/32"}, {"network": "::1"}):
        server.issue(**members)


def test_reusable_must_be_bound_to_a_subject(server):
    answer = server.admin("POST", body={"profile": "default",
                                        "reusable": True})
    problem(answer, 400, '"subject"')
    answer = server.admin("POST", body={"profile": "default", "uses": 2,
                                        "subject": "CN=x", "reusable": True})
    problem(answer, 400, '"uses"')


def test_bindings_that_the_profile_demands(server):
    """Each is named until none is missing; nothing is made before."""
    before = server.listing()["live"]
    members = {"profile": "require"}
    for member, value in (("subject", "CN=x"), ("sans", []),
                          ("device", "x"), ("network", "127.0.0.0/8")):
        answer = server.admin("POST", body=members)
        problem(answer, 400, "require", '"%s"' % member)
        members[member] = value
    assert server.listing()["live"] == before
    server.issue(**members)


@pytest.mark.parametrize("member,good,bad", [
    ("device", {"device": "DEVICE"}, {"device": "other"}),
    ("network", {"network": "127.0.0.0/8"}, {"network": "192.0.2.0/24"}),
    ("subject", {"subject": "CN=device"}, {"subject": "CN=device,O=x"}),
    ("sans", {"sans": []}, {"sans": ["dns:a.example"]})])
def test_a_binding_holds(server, enrol, keys, member, good, bad):
    refused = enrol(challenge=server.challenge(**bad))
    assert refused.status == FAILURE
    enrol(challenge=server.challenge(**good)).check_issued(keys.rsa())


@pytest.mark.parametrize("body,word", [
    ('{"profile":"default"}'.encode("utf-16"), "UTF-8"),
    ('{"profile":"default"}'.encode("utf-16-le"), "UTF-8"),
    ('{"profile":"default"}'.encode("utf-32"), "UTF-8"),
    ('{"note":"\u00e4"}'.encode("latin-1"), "UTF-8"),
    (gzip.compress(b'{"profile":"default"}'), "compressed"),
    (b"\xef\xbb\xbf{}", "byte order mark"),
    (b'{"note":"a\\u0000b"}', "NUL"), (b'{"a\\u0000b":1}', "NUL")])
def test_another_encoding_is_400_and_says_what_to_change(server, body, word):
    problem(server.admin("POST", body=body), 400, word)


def test_what_cannot_be_read_is_not_quoted(server):
    """It may be a challenge."""
    answer = server.admin("POST", body=b'{"x" "SECRET-TEXT-42"}')
    problem(answer, 400, "line 1")
    assert b"SECRET" not in answer.body and "SECRET" not in server.log.raw()


def test_a_query_is_400(server):
    """It would be ignored, and was meant to bind."""
    answer = server.admin("POST", "/challenges?subject=CN=x",
                          body={"profile": "default"})
    problem(answer, 400, "query")


def test_a_full_store_is_507(make_server):
    server = make_server("ScepChallengeStore shm:small(16)")
    for _ in range(16):
        server.issue()
    server.log.expect("SCEP0123")
    answer = server.admin("POST", body={"profile": "default"})
    problem(answer, 507, "ScepChallengeStore")


PROFILE = """\
<ScepProfile %s>
    ScepCA issuing
    ScepRACertificate pki/ra.pem
    ScepRAKey pki/ra.key
</ScepProfile>
"""
HOSTS = "".join(PROFILE % name for name in (
    "regex", "tilde", "glob", "odd", "outer", "disk", "twice", "host",
    "none")) + """\
<LocationMatch "^/regex">
    SetHandler scep
    ScepProfile regex
    Require all granted
</LocationMatch>
<Location ~ "^/tilde">
    SetHandler scep
    ScepProfile tilde
    Require all granted
</Location>
<Location "/glob/*/x">
    SetHandler scep
    ScepProfile glob
    Require all granted
</Location>
<Location "/an odd/päth">
    SetHandler scep
    ScepProfile odd
    Require all granted
</Location>
<Location "/outer">
    ScepProfile outer
</Location>
<Location "/outer/inner">
    SetHandler scep
    Require all granted
</Location>
<Directory "@DIR@/disk">
    SetHandler scep
    ScepProfile disk
    Require all granted
</Directory>
<Location "/first">
    SetHandler scep
    ScepProfile twice
    Require all granted
</Location>
<Location "/second">
    SetHandler scep
    ScepProfile twice
    Require all granted
</Location>
<VirtualHost *:${SANDBOX_PORT}>
    ServerName 127.0.0.1
</VirtualHost>
<VirtualHost *:${SANDBOX_PORT}>
    ServerName other.example
    <Location "/other">
        SetHandler scep
        ScepProfile host
        Require all granted
    </Location>
    <Location "/nearer">
        SetHandler scep
        ScepProfile twice
        Require all granted
    </Location>
</VirtualHost>
"""


def test_the_url_is_left_out_where_it_is_not_sure(make_server):
    server = make_server(HOSTS)

    def url(profile, host=None):
        headers = {"Host": host} if host else {}
        answer = server.admin("POST", body={"profile": profile}, **headers)
        assert answer.status == 201, answer
        found = json.loads(answer.body)
        server.secrets.add(found["challenge"])
        return found.get("url")

    for profile in ("regex", "tilde", "glob", "outer", "disk", "none"):
        assert url(profile) is None, profile
    assert url("odd") == server.base + "/an%20odd/p%c3%a4th"
    assert url("twice") == server.base + "/first"
    assert url("host") is None
    other = "other.example:%d" % server.port
    assert url("host", other) == "http://%s/other" % other
    assert url("twice", other) == "http://%s/nearer" % other
    assert url("odd", other) == "http://%s/an%%20odd/p%%c3%%a4th" % other


@pytest.mark.parametrize("body", [
    b"", b"{", b"[]", b'"x"', b"null", b"5", b"{}x", b'{"profile":}',
    b"{'profile':'default'}", b"\xff\xfe{\x00}\x00", b'{"profile":"\xff"}',
    b'{"profile":"default","profile":"absent"}', b"\x00", b"profile=default",
    b"[" * 5000, b'{"a":' * 5000, b'{"profile":"default"}{}',
    '{"profile":"d\u00e9fault"}'.encode("latin-1"),
    '{"profile":"default"}'.encode("utf-16"), b"\xef\xbb\xbf{}"],
    ids=lambda body: repr(body[:12]))
def test_no_json_is_400(server, body):
    problem(server.admin("POST", body=body), 400)


def test_a_body_of_1_mb_is_413(server):
    big = b'{"profile":"default","subject":"CN=' + b"x" * 1_000_000 + b'"}'
    problem(server.admin("POST", body=big), 413)
    chunks = b"".join(b"8000\r\n%s\r\n" % bytes(0x8000) for _ in range(4))
    path = server.values["ADMIN_URL"].split(str(server.port), 1)[1]
    answer = scepclient.raw(server.port, (
        "POST %s/challenges HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
        "chunked\r\nContent-Type: application/json\r\n\r\n" % path).encode()
        + chunks, "POST")
    problem(answer, 413)


@pytest.mark.parametrize("content_type", [
    None, "text/plain", "application/x-www-form-urlencoded", "",
    "application/jsonx", "text/json", "application/json; charset=utf-16",
    "application/json; charset=iso-8859-1", "multipart/form-data"])
def test_wrong_content_type_is_415(server, content_type):
    answer = server.admin("POST", body={"profile": "default"},
                          content_type=content_type)
    problem(answer, 415)


@pytest.mark.parametrize("content_type", [
    "application/json", "Application/JSON", "application/json; charset=utf-8",
    "application/json;charset=UTF-8", 'application/json; charset="utf-8"'])
def test_good_content_types(server, content_type):
    answer = server.admin("POST", body={"profile": "default"},
                          content_type=content_type)
    assert answer.status == 201
    server.secrets.add(json.loads(answer.body)["challenge"])


def test_a_coded_body_is_415(server):
    for coding in ("gzip", "deflate", "br"):
        answer = server.admin("POST", body={"profile": "default"},
                              Content_Encoding=coding)
        problem(answer, 415)


# ------------------------------------------------------------------- Origin

@pytest.mark.parametrize("origin", [
    "http://evil.example", "null", "https://127.0.0.1", "", "http://",
    "http://127.0.0.1", "http://127.0.0.1.evil.example"])
def test_a_foreign_origin_changes_nothing(server, origin):
    found = server.issue()
    before = len(server.listing()["challenges"])
    answer = server.admin("POST", body={"profile": "default"}, Origin=origin)
    problem(answer, 403)
    answer = server.admin("DELETE", "/challenges/" + found["id"],
                          Origin=origin)
    problem(answer, 403)
    assert len(server.listing()["challenges"]) == before
    assert server.state(found["id"]) == "issued"


def test_the_own_origin_may(server):
    answer = server.admin("POST", body={"profile": "default"},
                          Origin=server.base)
    assert answer.status == 201
    found = json.loads(answer.body)
    server.secrets.add(found["challenge"])
    assert server.admin("DELETE", "/challenges/" + found["id"],
                        Origin=server.base).status == 204


# ---------------------------------------------------------------- resources

@pytest.mark.parametrize("path", [
    "/challenges/0000000000000000", "/challenges/x", "/challenges/../x",
    "/challenges/" + "f" * 200, "/challenges/ffffffffffffffff",
    "/challenges/0/0", "/challenges/%00"], ids=lambda p: p[:30])
def test_delete_of_nothing_is_404(server, path):
    assert server.admin("DELETE", path).status == 404


@pytest.mark.parametrize("path", ["", "/", "/nothing", "/challengesx",
                                  "/enrolment"])
def test_unknown_resource_is_404(server, path):
    problem(server.admin("GET", path), 404)


@pytest.mark.parametrize("method,path,allowed", [
    ("PUT", "/challenges", {"GET", "POST"}),
    ("DELETE", "/challenges", {"GET", "POST"}),
    ("PATCH", "/challenges", {"GET", "POST"}),
    ("PUT", "/challenges/0123456789abcdef", {"GET", "PATCH", "DELETE"}),
    ("POST", "/challenges/0123456789abcdef", {"GET", "PATCH", "DELETE"})])
def test_methods(server, method, path, allowed):
    answer = server.admin(method, path, body={} if method == "POST" else None)
    problem(answer, 405, *allowed)
    assert allowed <= {w.strip() for w in answer.headers["allow"].split(",")}


def test_head_lists_without_a_body(server):
    answer = server.admin("HEAD")
    assert answer.status == 200 and answer.body == b""


def test_a_trailing_slash_is_the_same_resource(server):
    answer = server.admin("GET", "/challenges/")
    assert answer.status == 200


def test_sandbox_prints_a_challenge_and_nothing_else(server, enrol, keys):
    done = server.command("challenge", "--subject", "CN=device",
                          "--ttl", "10min")
    assert re.fullmatch("[0-9A-F]{32}\n", done.stdout)
    server.secrets.add(done.stdout.strip())
    enrol(challenge=done.stdout.strip()).check_issued(keys.rsa())
