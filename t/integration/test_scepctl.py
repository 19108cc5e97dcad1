"""scepctl: the admin API from the command line.

SPDX-License-Identifier: Apache-2.0
"""
import contextlib
import http.server
import json
import os
import pathlib
import pty
import re
import socket
import subprocess
import threading
import time

import pytest

import adminapi
import gateway
import kerberos
import pki
import profiles
from gateway import Sandbox
from scepctl import (DONE, LATER, NOT_FOUND, REFUSED, SCEPCTL, UNREACHABLE,
                     USAGE, Ctl, environment, run)

LINES = """\
LoadModule auth_gssapi_module modules/mod_auth_gssapi.so
LoadModule socache_shmcb_module modules/mod_socache_shmcb.so
LoadModule ssl_module modules/mod_ssl.so
SSLSessionCache "shmcb:@DIR@/run/ssl(65536)"
SSLRandomSeed startup builtin
Listen 127.0.0.1:@TLS@ https
<Directory "/">
    Require all granted
</Directory>
<Location "/basic">
    SetHandler scep-admin
    AuthType Basic
    AuthName "admin"
    AuthBasicProvider file
    AuthUserFile "@DIR@/users"
    Require valid-user
    ScepChallengeQuota bob 1
    ScepChallengeAllow * "subject=CN=*,O=Example"
</Location>
<Location "/kerberos">
    SetHandler scep-admin
    @GSSAPI@
</Location>
<Location "/closed">
    SetHandler scep-admin
    Require ip 192.0.2.1
</Location>
<VirtualHost 127.0.0.1:@TLS@>
    ServerName localhost
    SSLEngine on
    SSLCertificateFile "@DIR@/tls.pem"
    SSLCACertificateFile "@DIR@/ca.pem"
    SSLVerifyClient optional
    <Location "/certificate">
        SetHandler scep-admin
        SSLUserName SSL_CLIENT_S_DN_CN
        Require ssl-verify-client
    </Location>
</VirtualHost>
"""


@pytest.fixture(scope="module")
def realm():
    with kerberos.Realm() as made:
        made.add_user("alice", "secret-of-alice")
        yield made


def write_certificates(directory, keys):
    ca_key, ca_name = keys.rsa(number=1), pki.name(("CN", "scepctl's CA"))
    ca = pki.certificate(ca_key, ca_name,
                         extensions=[profiles.CA, profiles.CA_USAGE])
    (directory / "ca.pem").write_bytes(pki.pem_cert(ca))
    names = pki.subject_alt_name(pki.dns("localhost"), pki.ip("127.0.0.1"))
    for stem, common, extensions in (("tls", "localhost", [names]),
                                     ("client", "carol", [])):
        cert = pki.certificate(keys.rsa(), pki.name(("CN", common)), ca_name,
                               ca_key, extensions=extensions)
        (directory / (stem + ".pem")).write_bytes(
            pki.pem_cert(cert) + pki.pem_key(keys.rsa()))
        (directory / (stem + "-cert.pem")).write_bytes(pki.pem_cert(cert))
        (directory / (stem + "-key.pem")).write_bytes(pki.pem_key(keys.rsa()))
    other = pki.certificate(keys.rsa(number=2), pki.name(("CN", "other")),
                            extensions=[profiles.CA, profiles.CA_USAGE])
    (directory / "other.pem").write_bytes(pki.pem_cert(other))


@pytest.fixture(scope="module")
def server(realm, keys):
    sandbox = Sandbox(environment=realm.environment)
    write_certificates(sandbox.dir, keys)
    adminapi.write_users(sandbox, "alice", "bob")
    for name, password in (("good", "secret"), ("wrong", "hunter2")):
        path = sandbox.dir / name
        path.write_text(password + "\n")
        path.chmod(0o600)
    sandbox.tls = gateway.free_port()
    sandbox.lines = LINES.replace("@TLS@", str(sandbox.tls)).replace(
        "@GSSAPI@", realm.lines("").strip() + "\n    Require valid-user")
    try:
        sandbox.start()
        yield sandbox
    finally:
        sandbox.remove()


@pytest.fixture
def ctl(server):
    return Ctl(server, "--url", server.values["ADMIN_URL"])


@pytest.fixture
def basic(server):
    def user(name="alice", file="good"):
        return Ctl(server, "--url", server.base + "/basic", "--user", name,
                   "--password-file", server.dir / file)
    return user


# ------------------------------------------------------------ challenge new

def test_new_prints_what_it_made(ctl, server):
    ran = ctl("challenge", "new", "--profile", "default", "--subject",
              "CN=a,O=b", "--san", "dns:a.example", "--san", "ip:192.0.2.1",
              "--device", "SN-1", "--network", "192.0.2.0/24", "--ttl",
              "10min", "--note", "caf\u00e9")
    assert ran.status == DONE and ran.err == "", ran
    shown = dict(re.split(" {2,}", line, maxsplit=1)
                 for line in ran.out.splitlines())
    assert re.fullmatch("[0-9A-F]{32}", shown["challenge"])
    assert shown["sans"] == "dns:a.example, ip:192.0.2.1"
    assert shown["device"] == "SN-1" and shown["note"] == "caf\u00e9"
    assert shown["url"] == server.values["SCEP_URL"]
    row, = [row for row in server.listing()["challenges"]
            if row["id"] == shown["id"]]
    assert set(row["bound"]) == {"profile", "subject", "sans", "device",
                                 "network"}


def test_new_in_json(ctl, server):
    made = ctl.new("--uses", "3", "--no-san", "--ttl=1h")
    assert made["uses"] == 3 and made["sans"] == []
    assert server.state(made["id"]) == "issued"
    assert ctl.new("--subject", "CN=a", "--reusable")["reusable"] is True


def test_quiet_is_the_challenge_alone_and_a_device_enrols_with_it(
        ctl, server, keys):
    ran = ctl("challenge", "new", "--profile=default", "--quiet")
    assert re.fullmatch("[0-9A-F]{32}\n", ran.out) and ran.err == ""
    endpoint = server.endpoint()
    message = endpoint.request(
        keys.rsa(), gateway.make_csr(keys.rsa(), ran.out.strip()),
        keys.signer())
    endpoint.send(message).check_issued(keys.rsa())


@pytest.mark.parametrize("words,told", [
    (["--ttl", "8d"], "604800"), (["--ttl", "soon"], "ttl"),
    (["--subject", "x"], "subject"), (["--san", "x"], "sans"),
    (["--network", "192.0.2.1/8"], "network"), (["--uses", "0"], "uses"),
    (["--uses", "many"], "uses"), (["--reusable"], "subject"),
    (["--note", "x" * 100], "note"), (["--device", ""], "device")])
def test_what_the_server_refuses_is_1_with_its_sentence(ctl, words, told):
    ctl("challenge", "new", "--profile", "default", *words).fails(
        REFUSED, told, "HTTP 400")


def test_an_unknown_profile_is_1(ctl):
    ctl("challenge", "new", "--profile", "nowhere").fails(REFUSED, "nowhere")


# ----------------------------------------------------- list, show and others

def test_list_in_both_forms(ctl, server):
    mine = [ctl.new("--note", "of a list %d" % i)["id"] for i in range(3)]
    ran = ctl("challenge", "list")
    assert ran.status == DONE and ran.err == ""
    head, *rows = ran.out.splitlines()
    assert head.split() == ["ID", "STATE", "PROFILE", "EXPIRES", "REQUESTER",
                            "NOTE"]
    assert {row.split()[0] for row in rows} == \
        {row["id"] for row in server.listing()["challenges"]}
    assert re.search(mine[0] + "  issued   default .* 127.0.0.1 .* of a list "
                     "0$", ran.out, re.MULTILINE)
    ran = ctl("challenge", "list", "--json")
    assert set(mine) <= {row["id"] for row in ran.json}
    assert ran.json[0]["bound"]
    assert not re.search("[0-9A-F]{32}", ran.out)


def test_list_filters_and_ends(ctl):
    made = ctl.new()["id"]
    assert ctl("challenge", "revoke", made).status == DONE
    rows = ctl("challenge", "list", "--state", "revoked", "--json").json
    assert made in {row["id"] for row in rows}
    assert {row["state"] for row in rows} == {"revoked"}
    ctl.new()
    ctl.new()
    assert len(ctl("challenge", "list", "--limit", "2", "--json").json) == 2
    ran = ctl("challenge", "list", "--profile", "legacy", "--requester",
              "no & body+%", "--json")
    assert ran.status == DONE and ran.json == []
    ctl("challenge", "list", "--limit=0").fails(USAGE, "limit")
    ran = ctl("challenge", "list", "--state=odd")
    assert ran.status == REFUSED and "issued, claimed" in ran.err


def test_list_goes_through_all_pages(make_server):
    server = make_server()
    ids = {server.issue()["id"] for _ in range(1005)}
    ctl = Ctl(server, "--url", server.values["ADMIN_URL"])
    rows = ctl("challenge", "list", "--json").json
    assert len(rows) == 1005 and {row["id"] for row in rows} == ids
    assert len(ctl("challenge", "list").out.splitlines()) == 1006
    rows = ctl("challenge", "list", "--limit", "1003", "--json").json
    assert len(rows) == 1003


def test_show(ctl):
    made = ctl.new("--uses", "2", "--note", "x")
    shown = ctl("challenge", "show", made["id"], "--json").json
    assert shown["state"] == "issued" and shown["uses_left"] == 2
    ran = ctl("challenge", "show", made["id"])
    assert re.search("^state +issued$", ran.out, re.MULTILINE)
    assert re.search("^reusable +no$", ran.out, re.MULTILINE)
    assert made["challenge"] not in ran.out


def test_revoke_one_and_several(ctl, server):
    ids = [ctl.new()["id"] for _ in range(3)]
    ran = ctl("challenge", "revoke", ids[0])
    assert ran.status == DONE and ran.out == "revoked %s\n" % ids[0]
    ran = ctl("challenge", "revoke", ids[1], "0" * 16, ids[2], "--json")
    assert ran.status == NOT_FOUND
    assert ran.json == {"revoked": ids[1:]}
    assert "0" * 16 in ran.err and ran.err.count("\n") == 1
    assert {server.state(each) for each in ids} == {"revoked"}


def test_extend(ctl):
    made = ctl.new("--ttl", "10min")
    ran = ctl("challenge", "extend", made["id"], "--ttl", "2h", "--json")
    assert ran.status == DONE and 7100 < adminapi.expires(ran.json) <= 7201
    assert "expires" in ctl("challenge", "extend", made["id"], "--ttl",
                            "3h").out
    ctl("challenge", "extend", made["id"], "--ttl=1min").fails(
        REFUSED, "HTTP 409")
    ctl("challenge", "extend", made["id"], "--ttl=9d").fails(
        REFUSED, "HTTP 400")
    ctl("challenge", "extend", made["id"]).fails(USAGE, "--ttl")


@pytest.mark.parametrize("words", [["show"], ["revoke"],
                                   ["extend", "--ttl=1h"]])
@pytest.mark.parametrize("ident", ["0123456789abcdef", "x", "../health",
                                   "a?b=c", "%00", "\u00e9"])
def test_what_is_not_there_is_4(ctl, words, ident):
    verb, *options = words
    ran = ctl("challenge", verb, ident, *options)
    assert ran.status in (NOT_FOUND, REFUSED), ran
    if re.fullmatch("[0-9a-f]{16}|x", ident):
        assert ran.status == NOT_FOUND, ran
    assert ran.err.startswith("scepctl: ")


# ------------------------------------------------------------------ explain

@pytest.fixture
def csr(tmp_path, keys):
    def write(name, der):
        path = tmp_path / name
        path.write_bytes(der)
        return path
    made = gateway.make_csr(keys.rsa(), "of-the-csr")
    pem = subprocess.run(["openssl", "req", "-inform", "DER"], input=made,
                         stdout=subprocess.PIPE, check=True).stdout
    return {"der": write("csr.der", made), "pem": write("csr.pem", pem)}


@pytest.mark.parametrize("form", ["der", "pem"])
def test_explain_says_what_decides_and_spends_nothing(ctl, server, csr, form,
                                                      tmp_path):
    made = ctl.new("--network", "192.0.2.0/24")
    challenge = tmp_path / "challenge"
    challenge.write_text(made["challenge"] + "\n")
    challenge.chmod(0o600)
    words = ("explain", csr[form], "--profile=default", "--challenge-file",
             challenge)
    ran = ctl(*words, "--address", "192.0.2.1")
    assert ran.status == DONE and ran.err == "", ran
    assert ran.out.startswith("allowed\nprofile  default\n"
                              "subject  CN=device\n"), ran
    assert re.search("^passed  +", ran.out, re.MULTILINE)
    assert made["challenge"] not in ran.out
    assert server.state(made["id"]) == "issued"
    ran = ctl(*words, "--address", "192.0.3.1", "--json")
    assert ran.status == REFUSED and ran.json["allowed"] is False
    assert made["challenge"] not in ran.out
    ran = ctl("explain", csr[form], "--profile=default")
    assert ran.status == REFUSED
    assert ran.out.startswith("refused by ") and "of-the-csr" not in ran.out
    assert server.state(made["id"]) == "issued"


@pytest.mark.parametrize("words,told", [
    (["--profile=nowhere"], "nowhere"), (["--address=x"], "address"),
    (["--message-type=x"], "message_type")])
def test_explain_of_nonsense_is_1(ctl, csr, words, told):
    ctl("explain", csr["pem"], *(words if "--profile" in words[0] else
                                 ["--profile=default", *words])).fails(
        REFUSED, told, "HTTP 400")


@pytest.mark.parametrize("content,status,word", [
    (None, USAGE, "cannot read"), (b"", USAGE, "empty"),
    (bytes(60000), USAGE, "too long"), (b"\x00\xff", REFUSED, "PKCS#10"),
    (b"-----BEGIN \xff", USAGE, "UTF-8")],
    ids=["missing", "empty", "long", "binary", "text"])
def test_explain_of_what_is_no_csr(ctl, tmp_path, content, status, word):
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    ran = ctl("explain", path, "--profile=default")
    assert ran.status == status and word in ran.out + ran.err, ran


# ------------------------------------------------------------ who is calling

def test_basic(basic, server):
    made = basic().new("--subject", "CN=a,O=Example")
    row, = [row for row in server.listing()["challenges"]
            if row["id"] == made["id"]]
    assert row["requester"] == "alice"


def test_basic_with_a_wrong_password_is_1(basic, server):
    server.log.expect("AH01617")
    basic("alice", "wrong")("challenge", "list").fails(REFUSED, "401")


def test_nobody_is_1(server):
    run("challenge", "list", "--url", server.base + "/basic").fails(
        REFUSED, "401", "who you are")
    server.log.expect("AH01630")
    run("challenge", "list", "--url", server.base + "/closed").fails(
        REFUSED, "403")


def test_what_a_caller_may_not_have_is_1(basic):
    basic()("challenge", "new", "--profile", "default", "--subject",
            "CN=a,O=Other").fails(REFUSED, "HTTP 403")


def test_over_the_quota_is_5(basic):
    words = ("challenge", "new", "--profile", "default", "--subject",
             "CN=b,O=Example", "--quiet")
    assert basic("bob")(*words).status == DONE
    basic("bob")(*words).fails(LATER, "HTTP 429", "live challenges")


def test_settings_from_the_environment(server):
    made = run("challenge", "new", "--profile=default", "--subject",
               "CN=env,O=Example", "--json", env=environment(
                   SCEPCTL_URL=server.base + "/basic", SCEPCTL_USER="alice",
                   SCEPCTL_PASSWORD_FILE=str(server.dir / "good")))
    assert made.status == DONE, made
    server.secrets.add(made.json["challenge"])
    # an option goes before the environment
    run("challenge", "list", "--url", "ftp://x", env=environment(
        SCEPCTL_URL=server.base + "/basic")).fails(USAGE, "https")


def test_client_certificate(server):
    url = "https://localhost:%d/certificate" % server.tls
    trusts = ("--url", url, "--cacert", server.dir / "ca.pem")
    for words in (("--cert", server.dir / "client.pem"),
                  ("--cert", server.dir / "client-cert.pem", "--key",
                   server.dir / "client-key.pem")):
        made = Ctl(server, *trusts, *words).new()
        row, = [row for row in server.listing()["challenges"]
                if row["id"] == made["id"]]
        assert row["requester"] == "carol"
    assert run("challenge", "list", *trusts).status == REFUSED
    server.log.allow("AH0")


def test_a_server_that_cannot_be_trusted_is_3(server):
    url = "https://localhost:%d/certificate" % server.tls
    words = ("challenge", "list", "--url", url, "--cert",
             server.dir / "client.pem")
    server.log.allow("AH0")
    run(*words).fails(UNREACHABLE, "certificate")
    run(*words, "--cacert", server.dir / "other.pem").fails(UNREACHABLE,
                                                            "certificate")


def test_negotiate_with_a_ticket_and_without(server, realm):
    options = ("--negotiate", "--url",
               "http://localhost:%d/kerberos" % server.port)
    ticket = realm.login("alice", "secret-of-alice")
    ran = run("challenge", "new", "--profile=default", "--json", *options,
              env=environment(KRB5_CONFIG=ticket["KRB5_CONFIG"],
                              KRB5CCNAME=ticket["KRB5CCNAME"]))
    assert ran.status == DONE, ran
    server.secrets.add(ran.json["challenge"])
    row, = [row for row in server.listing()["challenges"]
            if row["id"] == ran.json["id"]]
    assert row["requester"] == "alice@SCEP.TEST"
    run("challenge", "list", *options, env=environment(
        KRB5_CONFIG=ticket["KRB5_CONFIG"],
        KRB5CCNAME="FILE:%s/none" % server.dir)).fails(REFUSED, "401")


# ---------------------------------------------------------------- no answer

def test_a_server_that_is_down_is_3(server):
    port = gateway.free_port()
    run("challenge", "list", "--url", "http://127.0.0.1:%d/x" % port).fails(
        UNREACHABLE, str(port))
    run("challenge", "list", "--url", "https://host.invalid/x").fails(
        UNREACHABLE, "host.invalid")


def test_a_server_that_does_not_answer_is_3_after_the_timeout():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()
        run("challenge", "list", "--timeout", "1", "--url",
            "http://127.0.0.1:%d/" % silent.getsockname()[1]).fails(
                UNREACHABLE, "time")
        assert time.monotonic() - start >= 1


class Fake(http.server.BaseHTTPRequestHandler):
    """Answers with what the test has set."""

    def do_GET(self):
        self.send_response(self.server.status)
        for name, value in self.server.fields.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.server.body)

    do_POST = do_GET

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def fake(status, body, content_type="application/json", **fields):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Fake) as server:
        server.status, server.body = status, body
        server.fields = {"Content-Type": content_type,
                         "Content-Length": str(len(body)),
                         **{k.replace("_", "-"): v
                            for k, v in fields.items()}}
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield "http://127.0.0.1:%d/x" % server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("status,body,code,word", [
    (200, b"", REFUSED, "JSON"), (200, b"<html>", REFUSED, "JSON"),
    (200, b"[]", REFUSED, "JSON"), (200, b'{"a":1,"a":2}', REFUSED, "JSON"),
    (200, b'{"challenges":[', REFUSED, "JSON"),
    (302, b"", REFUSED, "302"), (404, b"<html>", REFUSED, "404"),
    (500, b"", REFUSED, "500"), (502, b"", LATER, "502"),
    (503, b"<html>", LATER, "503"), (429, b"", LATER, "429")])
def test_an_answer_of_something_else(status, body, code, word):
    with fake(status, body, "text/html", Location="http://127.0.0.1:1/",
              Retry_After="7") as url:
        run("challenge", "show", "x", "--url", url).fails(code, word)
        if code == LATER:
            run("challenge", "show", "x", "--url", url).fails(code, "7 s")


def test_an_answer_without_a_challenge_is_no_success():
    with fake(201, b'{"id":"x"}') as url:
        run("challenge", "new", "--quiet", "--url", url).fails(
            REFUSED, "no challenge")
        run("challenge", "list", "--url", url).fails(REFUSED, "no challenges")


def test_what_others_wrote_cannot_move_the_cursor():
    row = {"id": "\x1b[2J\u009bx", "note": "a\nb\r\x7f"}
    body = json.dumps({"challenges": [row]}).encode()
    with fake(200, body) as url:
        for words in ([], ["--json"]):
            ran = run("challenge", "list", *words, "--url", url)
            assert ran.status == DONE
            assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", ran.out)
        assert ran.json == [row]
        assert "a?b??" in run("challenge", "list", "--url", url).out
    problem = json.dumps({"detail": "\x1b[31mred\nscepctl: fine"}).encode()
    with fake(400, problem, "application/problem+json") as url:
        run("challenge", "list", "--json", "--url", url)
        ran = run("challenge", "show", "x", "--url", url)
        assert ran.err == "scepctl: ?[31mred?scepctl: fine (HTTP 400)\n"


def test_an_answer_that_never_ends_is_3():
    with socket.create_server(("127.0.0.1", 0)) as server:
        def pour():
            stream = server.accept()[0]
            with stream, contextlib.suppress(OSError):
                stream.recv(65536)
                stream.sendall(b"HTTP/1.1 200 OK\r\n\r\n{")
                for _ in range(200):
                    stream.sendall(bytes(1 << 20))
        thread = threading.Thread(target=pour)
        thread.start()
        run("challenge", "show", "x", "--url", "http://127.0.0.1:%d/"
            % server.getsockname()[1]).fails(UNREACHABLE, "too long")
        thread.join()


def test_a_full_store_is_5(make_server):
    server = make_server("ScepChallengeStore shm:challenges(2)\n")
    ctl = Ctl(server, "--url", server.values["ADMIN_URL"])
    words = ("challenge", "new", "--profile", "default", "--quiet")
    assert [ctl(*words).status for _ in range(2)] == [DONE, DONE]
    server.log.expect("SCEP0123")
    ctl(*words).fails(LATER, "HTTP 507", "full")


def test_an_output_that_cannot_be_written_is_no_success(server):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [SCEPCTL, "challenge", "list", "--url",
             server.values["ADMIN_URL"]], stdout=full, text=True,
            stderr=subprocess.PIPE, env=environment())
    assert done.returncode == USAGE and "written" in done.stderr


# ------------------------------------------------------------- wrong usage

@pytest.mark.parametrize("words,told", [
    ([], "command"), (["challenge"], "command"), (["nothing"], "command"),
    (["challenge", "nothing"], "command"), (["--url", "x"], "command"),
    (["challenge", "new", "--nothing"], "--nothing"),
    (["challenge", "new", "-x"], "-x"),
    (["challenge", "new", "--subject"], "value"),
    (["challenge", "new", "--quiet=1"], "no value"),
    (["challenge", "new", "--ttl=1h", "--ttl=2h"], "twice"),
    (["challenge", "new", "extra"], "too many"),
    (["challenge", "new", "--san=dns:a", "--no-san"], "--no-san"),
    (["challenge", "new", "--quiet", "--json"], "--quiet"),
    (["challenge", "show"], "missing"),
    (["challenge", "show", "a", "b"], "too many"),
    (["challenge", "revoke"], "missing"),
    (["challenge", "list", "--password", "hunter2"], "--password"),
    (["challenge", "list", "--user=a:b"], "':'"),
    (["challenge", "list", "--user=a", "--negotiate"], "--negotiate"),
    (["challenge", "list", "--key=x"], "--cert"),
    (["challenge", "list", "--timeout=0"], "timeout"),
    (["challenge", "list", "--timeout=1h"], "timeout"),
    (["static", "hash", "--url=x", "--name=a"], "--url")])
def test_wrong_usage_is_2(words, told):
    if words[:1] == ["challenge"] and len(words) > 2:
        words[2:2] = ["--url=http://127.0.0.1:1/"]
    ran = run(*words).fails(USAGE, told)
    assert "hunter2" not in ran.err


@pytest.mark.parametrize("url", [
    "http://scep.example/x", "http://192.0.2.1/x", "ftp://localhost/x", "x",
    "", "https://", "https://a:b@localhost/x", "https://localhost/x?y",
    "http://localhost.example/x", "file:///etc/passwd"])
def test_urls_that_are_not_called_are_2(url):
    run("challenge", "list", "--url", url).fails(USAGE, "--url")


def test_no_url_is_2():
    run("challenge", "list").fails(USAGE, "SCEPCTL_URL")


@pytest.mark.parametrize("content,mode,word", [
    ("secret\n", 0o644, "chmod 600"), ("secret\n", 0o620, "chmod 600"),
    ("", 0o600, "empty"), ("\nsecret\n", 0o600, "empty"),
    ("x" * 2000, 0o600, "too long"), ("a\0b", 0o600, "NUL"),
    (None, 0, "No such file")])
def test_password_files_that_are_none_are_2(tmp_path, content, mode, word):
    path = tmp_path / "password"
    if content is not None:
        path.write_text(content)
        path.chmod(mode)
    run("challenge", "list", "--url=http://127.0.0.1:1/", "--user=alice",
        "--password-file", path).fails(USAGE, word, str(path))


def test_text_that_is_no_utf_8_is_2():
    for option in ("--note", "--subject", "--san"):
        done = subprocess.run(
            [SCEPCTL, b"challenge", b"new", b"--url=http://127.0.0.1:1/",
             option.encode(), b"caf\xe9"], stderr=subprocess.PIPE,
            env=environment())
        assert done.returncode == USAGE
        assert option in done.stderr.decode() and b"UTF-8" in done.stderr
    done = subprocess.run(
        [SCEPCTL, b"challenge", b"extend", b"x", b"--ttl=\xe9",
         b"--url=http://127.0.0.1:1/"], stderr=subprocess.PIPE,
        env=environment())
    assert done.returncode == USAGE and b"--ttl is no UTF-8" in done.stderr


def test_files_of_tls_that_are_none_are_told(server):
    for option in ("--cert", "--cacert"):
        ran = run("challenge", "list", "--url=https://127.0.0.1:1/", option,
                  server.dir / "nowhere.pem")
        assert ran.status == USAGE and "nowhere.pem" in ran.err, ran
    run("challenge", "list", "--url=https://127.0.0.1:1/", "--cert",
        server.dir / "ca.pem").fails(USAGE, "no private key")


# ------------------------------------------------------------- the terminal

def at_terminal(words, answers, seconds=30):
    """Runs scepctl on a terminal of its own and types at each prompt."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(SCEPCTL, ["scepctl", *map(str, words)], environment())
    printed, answers, seen = b"", list(answers), 0
    arguments = b""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            piece = os.read(terminal, 4096)
        except OSError:
            break
        if not piece:
            break
        printed += piece
        if answers and printed[seen:].endswith(b": "):
            arguments = pathlib.Path("/proc/%d/cmdline" % pid).read_bytes()
            seen = len(printed)
            time.sleep(0.2)  # the echo is switched off after the prompt
            os.write(terminal, answers.pop(0) + b"\n")
    os.close(terminal)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return status, printed.decode(), arguments


def test_a_password_is_asked_for_at_the_terminal(server):
    words = ("challenge", "list", "--url", server.base + "/basic", "--user",
             "alice")
    status, printed, arguments = at_terminal(words, [b"secret"])
    assert status == DONE, printed
    assert "Password of alice: " in printed and "REQUESTER" in printed
    assert "secret" not in printed and b"secret" not in arguments
    server.log.expect("AH01617")
    status, printed, _ = at_terminal(words, [b"hunter2"])
    assert status == REFUSED and "hunter2" not in printed
    run(*words).fails(USAGE, "--password-file")


def test_a_secret_is_typed_twice():
    words = ("static", "hash", "--name", "typed", "--cost", "4")
    status, printed, arguments = at_terminal(words, [b"a long secret"] * 2)
    assert status == DONE, printed
    assert "a long secret" not in printed
    assert b"a long secret" not in arguments
    assert re.search(r"^typed \$scrypt\$ln=4,r=8,p=1\$\S+\s*$", printed,
                     re.MULTILINE)
    status, printed, _ = at_terminal(words, [b"a long secret", b"another"])
    assert status == USAGE and "$scrypt$" not in printed


def test_the_pass_phrase_of_a_key_is_asked_for(server):
    locked = server.dir / "locked.pem"
    subprocess.run(["openssl", "rsa", "-aes128", "-passout", "pass:open-it",
                    "-in", server.dir / "client-key.pem", "-out", locked],
                   check=True, stderr=subprocess.DEVNULL)
    words = ("challenge", "list", "--limit=1", "--url",
             "https://localhost:%d/certificate" % server.tls, "--cacert",
             server.dir / "ca.pem", "--cert", server.dir / "client-cert.pem",
             "--key", locked)
    status, printed, _ = at_terminal(words, [b"open-it"])
    assert status == DONE and "Pass phrase of " in printed, printed
    assert "open-it" not in printed
    status, printed, _ = at_terminal(words, [b"wrong"])
    assert status == USAGE and "another pass phrase" in printed, printed
    run(*words).fails(USAGE, "no terminal")


# -------------------------------------------------------------- static hash

def test_static_hash_reads_a_line_of_standard_input():
    words = ("static", "hash", "--name", "a", "--cost=4", "--not-before",
             "2027-01-01", "--not-after", "2027-12-31T12:00:00Z",
             "--network", "192.0.2.0/24", "--network", "2001:db8::/32",
             "--limit", "20")
    ran = run(*words, given="a secret of a plant\nand more\n")
    assert ran.status == DONE and ran.err == ""
    assert re.fullmatch(
        r"a \$scrypt\$ln=4,r=8,p=1\$[\w+/]{22}\$[\w+/]{43} "
        "not-before=2027-01-01 not-after=2027-12-31T12:00:00Z "
        "network=192.0.2.0/24,2001:db8::/32 limit=20/d\n", ran.out)
    again = run(*words, given="a secret of a plant\n")
    assert again.out != ran.out, "a salt of its own"
    shown = run(*words, "--json", given="a secret of a plant").json
    assert shown["name"] == "a" and shown["line"].startswith("a $scrypt$")


def test_static_hash_generates():
    one, two = [run("static", "hash", "--name=a", "--generate", "--cost=4")
                for _ in range(2)]
    for ran in (one, two):
        assert ran.status == DONE
        secret, = re.findall(r"\b[0-9A-F]{32}\b", ran.err)
        assert secret not in ran.out and ran.out.count("\n") == 1
    assert one.err != two.err


def test_a_short_secret_is_warned_of():
    ran = run("static", "hash", "--name=a", "--cost=4", given="short\n")
    assert ran.status == DONE and "guessed" in ran.err
    assert "short" not in ran.out + ran.err


@pytest.mark.parametrize("words,given,word", [
    ([], "secret", "--name"), (["--name=a b"], "secret", "space"),
    (["--name=#a"], "secret", "name"), (["--name="], "secret", "name"),
    (["--name=a", "--cost=17"], "secret", "64 MiB"),
    (["--name=a", "--cost=x"], "secret", "--cost"),
    (["--name=a", "--not-after=soon"], "secret", "2027-03-31"),
    (["--name=a", "--not-after=2027-01-01 limit=5/d"], "secret", "space"),
    (["--name=a", "--limit=0"], "secret", "limit"),
    (["--name=a", "--network=x"], "secret", "IP"),
    (["--name=a"], "", "standard input"), (["--name=a"], "\n", "standard"),
    (["--name=a"], "x" * 2000, "standard input")])
def test_static_hash_of_nonsense_is_2(words, given, word):
    run("static", "hash", *words, given=given).fails(USAGE, word)


# ---------------------------------------------------------- help and manual

def commands():
    listing = run("--help").out
    found = re.findall(r"^  scepctl ([a-z]+(?: [a-z]+)?)", listing,
                       re.MULTILINE)
    assert len(found) >= 6, listing
    return found


def options_of(text):
    return set(re.findall(r"(?<![\w-])--([a-z][a-z-]*)", text))


def test_help_and_version():
    for command in commands():
        ran = run(*command.split(), "--help")
        assert ran.status == DONE and ran.err == ""
        assert ran.out.startswith("usage: scepctl %s " % command)
        assert all(len(line) < 80 for line in ran.out.splitlines()), ran.out
    assert run("--version").out.startswith("scepctl ")
    assert "Exit status" in run("--help").out


def manual():
    page = gateway.TREE / "mod_scep" / "manual" / "scepctl.1"
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", "-P-cbou", str(page)], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return done.stdout.replace("\u2010", "-").replace("\u2212", "-")


def test_the_manual_page_has_each_command_and_option_and_no_other():
    text = manual()
    helps = [run(*command.split(), "--help").out for command in commands()]
    for command in commands():
        assert "scepctl " + command in text or command in text
    assert options_of(text) == set().union(
        {"version"}, *(options_of(each) for each in helps))
    assert set(re.findall(r"SCEPCTL_\w+", text)) == set().union(
        *(re.findall(r"SCEPCTL_\w+", each) for each in helps))
