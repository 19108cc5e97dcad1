"""The admin API: JSON in and out, and nobody let in by accident.

SPDX-License-Identifier: Apache-2.0
"""
import base64
import datetime
import json
import re

import pytest

import scepclient
from gateway import Sandbox

PROBLEM = "application/problem+json"


def problem(answer, status, *words):
    """An error in RFC 7807's form that names what is wrong."""
    assert answer.status == status, answer
    assert answer.headers["content-type"].startswith(PROBLEM), answer
    text = json.loads(answer.body)
    assert text["status"] == status
    for word in words:
        assert word in text["detail"], text
    return text


def expires(found):
    when = datetime.datetime.strptime(found["expires"], "%Y-%m-%dT%H:%M:%SZ")
    return (when - datetime.datetime.utcnow()).total_seconds()


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
    assert set(found) == {"id", "challenge", "profile", "expires", "subject",
                          "sans"}
    assert re.fullmatch("[0-9A-F]{32}", found["challenge"])
    assert re.fullmatch("[0-9a-f]{16}", found["id"])
    assert found["profile"] == "default"
    assert 3590 <= expires(found) <= 3601


def test_issue_without_bindings(server):
    found = server.issue()
    assert set(found) == {"id", "challenge", "profile", "expires"}


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


@pytest.mark.parametrize("member", ["Profile", "challenge", "san", "uses",
                                    "", "x\u0000y", "a" * 1000])
def test_unknown_member_is_named(server, member):
    answer = server.admin("POST", body={"profile": "default", member: 1})
    text = problem(answer, 400)
    if "\0" not in member:
        assert member[:100] in text["detail"]


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
    ({"profile": "default", "sans": None}, "sans")])
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

def test_list_shows_state_and_no_secret(server):
    found = server.issue("absent", subject="CN=x", sans=["dns:x"])
    answer = server.admin()
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("application/json")
    assert found["challenge"].encode() not in answer.body
    listing = json.loads(answer.body)
    assert set(listing) == {"challenges", "capacity", "live"}
    assert listing["live"] <= listing["capacity"]
    row, = [r for r in listing["challenges"] if r["id"] == found["id"]]
    assert set(row) == {"id", "state", "profile", "created", "expires",
                        "requester", "bound"}
    assert row["state"] == "issued" and row["profile"] == "absent"
    assert row["expires"] == found["expires"]
    assert row["requester"] == "127.0.0.1"
    assert {"subject", "sans"} <= set(row["bound"])


def test_live_counts(server):
    before = server.listing()["live"]
    found = server.issue()
    assert server.listing()["live"] == before + 1
    server.admin("DELETE", "/challenges/" + found["id"])
    assert server.listing()["live"] == before


@pytest.mark.parametrize("path", [
    "/challenges/0000000000000000", "/challenges/x", "/challenges/../x",
    "/challenges/" + "f" * 200, "/challenges/ffffffffffffffff",
    "/challenges/0/0", "/challenges/%00"], ids=lambda p: p[:30])
def test_delete_of_nothing_is_404(server, path):
    assert server.admin("DELETE", path).status == 404


@pytest.mark.parametrize("path", ["", "/", "/nothing", "/challengesx",
                                  "/enrolments"])
def test_unknown_resource_is_404(server, path):
    problem(server.admin("GET", path), 404)


@pytest.mark.parametrize("method,path,allowed", [
    ("PUT", "/challenges", {"GET", "POST"}),
    ("DELETE", "/challenges", {"GET", "POST"}),
    ("PATCH", "/challenges/0123456789abcdef", {"DELETE"}),
    ("POST", "/challenges/0123456789abcdef", {"DELETE"})])
def test_methods(server, method, path, allowed):
    answer = server.admin(method, path, body={} if method == "POST" else None)
    assert answer.status == 405
    assert allowed <= {w.strip() for w in answer.headers["allow"].split(",")}


def test_head_lists_without_a_body(server):
    answer = server.admin("HEAD")
    assert answer.status == 200 and answer.body == b""


def test_a_trailing_slash_is_the_same_resource(server):
    answer = server.admin("GET", "/challenges/")
    assert answer.status == 200


# --------------------------------------------------------------- who may ask

OPEN_DIRECTORY = """\
LoadModule alias_module modules/mod_alias.so
DocumentRoot "@DIR@/htdocs"
<Directory "/">
    AllowOverride All
    Require all granted
</Directory>
<Location "/open">
    SetHandler scep-admin
</Location>
<Location "/granted">
    Require all granted
</Location>
<Location "/granted/inside">
    SetHandler scep-admin
</Location>
<Location "/told">
    SetHandler scep-admin
    Require all granted
</Location>
<Location "/told/deeper">
    LimitRequestBody 60000
</Location>
<Location "/any">
    SetHandler scep-admin
    <RequireAny>
        Require ip 127.0.0.1
        Require ip 192.0.2.1
    </RequireAny>
</Location>
<Location "/some">
    SetHandler scep-admin
    <Limit GET>
        Require all granted
    </Limit>
</Location>
<Location "/most">
    SetHandler scep-admin
    <LimitExcept POST>
        Require all denied
    </LimitExcept>
</Location>
<Location "/not">
    SetHandler scep-admin
    Require ip 192.0.2.1
</Location>
<Location "/basic">
    SetHandler scep-admin
    AuthType Basic
    AuthName "x"
    AuthBasicProvider file
    AuthUserFile "@DIR@/users"
    Require valid-user
</Location>
"""

HTACCESS = """\
SetHandler scep-admin
Require all granted
"""


@pytest.fixture(scope="module")
def open_server():
    sandbox = Sandbox(lines=OPEN_DIRECTORY)
    documents = sandbox.dir / "htdocs"
    documents.mkdir()
    for name in ("challenges", "file"):
        (documents / name).write_text("x")
    (documents / ".htaccess").write_text(HTACCESS)
    # user alice, password secret
    (sandbox.dir / "users").write_text(
        "alice:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n")
    try:
        sandbox.start()
        yield sandbox
    finally:
        sandbox.remove()


def ask(server, path, **headers):
    return scepclient.request(server.base + path, headers=headers)


@pytest.mark.parametrize("path", ["/open/challenges",
                                  "/granted/inside/challenges"])
def test_no_require_in_the_container_is_403(open_server, path):
    open_server.log.expect("SCEP0121")
    assert ask(open_server, path).status == 403


def test_require_in_the_container_lets_in(open_server):
    for path in ("/told/challenges", "/any/challenges"):
        assert ask(open_server, path).status == 200


def test_a_deeper_container_inherits(open_server):
    assert ask(open_server, "/told/deeper/challenges").status in (200, 404)


def test_require_keeps_out(open_server):
    open_server.log.expect("AH01630")
    assert ask(open_server, "/not/challenges").status == 403


@pytest.mark.parametrize("path", ["/some", "/most"])
def test_require_for_some_methods_lets_in_by_no_other(open_server, path):
    open_server.log.expect("SCEP0121")
    answer = scepclient.request(
        open_server.base + path + "/challenges", "POST",
        json.dumps({"profile": "default"}),
        {"Content-Type": "application/json"})
    assert answer.status == 403


def test_htaccess_cannot_enable_the_api(open_server):
    open_server.log.expect("SCEP0121")
    assert ask(open_server, "/challenges").status == 403


def test_the_authenticated_user_is_the_requester(open_server):
    assert ask(open_server, "/basic/challenges").status == 401
    credentials = base64.b64encode(b"alice:secret").decode()
    answer = scepclient.request(
        open_server.base + "/basic/challenges", "POST",
        json.dumps({"profile": "default"}),
        {"Content-Type": "application/json",
         "Authorization": "Basic " + credentials})
    assert answer.status == 201
    found = json.loads(answer.body)
    open_server.secrets.add(found["challenge"])
    row, = [r for r in open_server.listing()["challenges"]
            if r["id"] == found["id"]]
    assert row["requester"] == "alice"
    assert credentials not in open_server.log.raw()


def test_sandbox_prints_a_challenge_and_nothing_else(server, enrol, keys):
    done = server.command("challenge", "--subject", "CN=device",
                          "--ttl", "10min")
    assert re.fullmatch("[0-9A-F]{32}\n", done.stdout)
    server.secrets.add(done.stdout.strip())
    enrol(challenge=done.stdout.strip()).check_issued(keys.rsa())
