"""Beside mod_ssl, mod_http2, mod_deflate, mod_cache; CustomLog and ap_expr.

SPDX-License-Identifier: Apache-2.0
"""
import gzip
import http.client
import json
import ssl
import subprocess

import pytest

import certrep
import gateway
import pki
import pkimessage
import scepclient
from gateway import Sandbox, make_csr, wait_until
from pkimessage import FAILURE, SUCCESS
from scepclient import get_message

LINES = """\
LoadModule socache_shmcb_module modules/mod_socache_shmcb.so
LoadModule ssl_module modules/mod_ssl.so
LoadModule http2_module modules/mod_http2.so
LoadModule filter_module modules/mod_filter.so
LoadModule deflate_module modules/mod_deflate.so
LoadModule cache_module modules/mod_cache.so
LoadModule cache_disk_module modules/mod_cache_disk.so
LoadModule headers_module modules/mod_headers.so
LoadModule dir_module modules/mod_dir.so
LoadModule mime_module modules/mod_mime.so
LoadModule alias_module modules/mod_alias.so
LoadModule request_module modules/mod_request.so
LoadModule reqtimeout_module modules/mod_reqtimeout.so
TypesConfig /dev/null
AddType application/x-wrong .exe
Protocols h2c http/1.1
Listen 127.0.0.1:@TLS@ https
SSLSessionCache "shmcb:@DIR@/run/ssl(65536)"
SSLRandomSeed startup builtin
StartServers 1
ServerLimit 1
ThreadsPerChild 5
MaxRequestWorkers 5
MinSpareThreads 1
MaxSpareThreads 5
MaxKeepAliveRequests 0
<VirtualHost 127.0.0.1:@TLS@>
    ServerName 127.0.0.1
    Protocols h2 http/1.1
    SSLEngine on
    SSLCertificateFile "@PKI@/tls.pem"
    <Location "/cgi-bin/pkiclient.exe">
        SetHandler scep
        ScepProfile default
        Require all granted
    </Location>
    <Location "/insist">
        SetHandler scep
        ScepProfile default
        Require expr %{HTTPS} == 'on'
        SSLRequireSSL
    </Location>
</VirtualHost>
<Location "/deflate">
    SetHandler scep
    ScepProfile default
    Require all granted
    SetOutputFilter DEFLATE
</Location>
<Location "/inflate">
    SetHandler scep
    ScepProfile default
    Require all granted
    SetInputFilter DEFLATE
    DeflateInflateRatioLimit 100000
</Location>
LoadModule proxy_module modules/mod_proxy.so
LoadModule proxy_http_module modules/mod_proxy_http.so
<Location "/front">
    ProxyPass "http://127.0.0.1:${SANDBOX_PORT}/cgi-bin/pkiclient.exe"
    Require all granted
</Location>
LoadModule remoteip_module modules/mod_remoteip.so
RemoteIPHeader X-Forwarded-For
RemoteIPInternalProxy 127.0.0.1
<Location "/remote-admin">
    SetHandler scep-admin
    Require ip 192.0.2.0/24
</Location>
CacheRoot "@DIR@/cache"
CacheEnable disk "/cached"
CacheDefaultExpire 3600
CacheIgnoreNoLastMod On
CacheIgnoreCacheControl On
CacheQuickHandler off
<Location "/cached">
    SetHandler scep
    ScepProfile default
    Require all granted
</Location>
DirectoryIndex index.html
FallbackResource /fallback
<Location "/expr">
    SetHandler scep
    ScepProfile default
    Require all granted
    Header set X-Outcome "%{scep-status}e/%{scep-fail-info}e"
</Location>
LogFormat "status=%{scep-status}n reason=%{scep-reason}n \
fail=%{scep-fail-info}n tid=%{scep-transaction-id}n \
type=%{scep-message-type}n profile=%{scep-profile}n \
serial=%{scep-serial}n http=%>s" scepnotes
CustomLog notes.log scepnotes
CustomLog failures.log scepnotes "expr=note('scep-status') == 'FAILURE'"
"""


@pytest.fixture(scope="module")
def rich(keys):
    sandbox = Sandbox()
    tls = pki.certificate(
        keys.rsa(), pki.name(("CN", "127.0.0.1")),
        extensions=[pki.subject_alt_name(pki.ip("127.0.0.1"))])
    path = sandbox.dir / "tls.pem"
    path.write_bytes(pki.pem_cert(tls) + pki.pem_key(
        keys.rsa()))
    (sandbox.dir / "cache").mkdir()
    (sandbox.dir / "cache").chmod(0o777)
    sandbox.tls = gateway.free_port()
    sandbox.lines = LINES.replace("@TLS@", str(sandbox.tls)).replace(
        "@PKI@", str(sandbox.dir))
    try:
        sandbox.start()
        yield sandbox
    finally:
        sandbox.remove()


@pytest.fixture
def try_at(rich, keys):
    """Enrols at a URL; returns the reply."""
    def run(url, context=None, challenge=None, method="POST", **members):
        endpoint = scepclient.Endpoint(url, context)
        endpoint.identity = rich.endpoint().identity
        message = endpoint.request(
            keys.rsa(), make_csr(keys.rsa(), challenge or rich.challenge()),
            keys.signer(), **members)
        return endpoint.send(message, method)
    return run


def tls_context(version=None):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if version:
        context.minimum_version = context.maximum_version = version
    return context


def secure(rich):
    return "https://127.0.0.1:%d/cgi-bin/pkiclient.exe" % rich.tls


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2,
                                     ssl.TLSVersion.TLSv1_3])
def test_c09_r09_plain_http_and_tls(rich, try_at, keys, version):
    for method in ("POST", "GET"):
        try_at(secure(rich), tls_context(version),
               method=method).check_issued(keys.rsa())
        try_at(rich.values["SCEP_URL"],
               method=method).check_issued(keys.rsa())


def test_tls_never_permits_leaving_out_the_challenge(rich, try_at):
    reply = try_at(secure(rich), tls_context(), challenge="0" * 32)
    assert reply.status == FAILURE


def test_a_failure_leaves_no_entry_in_openssls_error_queue(rich, keys):
    """mod_ssl on the same thread breaks on what is left there."""
    context = tls_context()
    connection = http.client.HTTPSConnection(
        "127.0.0.1", rich.tls, context=context,
        timeout=scepclient.PATIENCE)
    endpoint = rich.endpoint()
    faults = [{"spoil_signature": True}, {"spoil_envelope": "padding"},
              {"spoil_envelope": "key"}, {"data": b"garbage"},
              {"recipients": [keys.signer()]}, {"certificates": []},
              {"spoil_envelope": "transport"}, {"cipher": "des"},
              {"transport": pkimessage.Oaep("sha256"),
               "spoil_envelope": "transport"}, {}]
    connection.connect()
    local = connection.sock.getsockname()
    for _ in range(3):
        for fault in faults:
            message = endpoint.request(
                keys.rsa(), make_csr(keys.rsa(), rich.challenge()),
                keys.signer(), **fault)
            data = message.build()
            connection.request("POST", "/cgi-bin/pkiclient.exe", data)
            answer = connection.getresponse()
            assert answer.status == 200
            endpoint.read(scepclient.Response(
                200, {k.lower(): v for k, v in answer.getheaders()},
                answer.read()), message)
            assert connection.sock.getsockname() == local
            # httpd itself closes a connection after a 400
            answer = scepclient.request(secure(rich), "POST", data[:100],
                                        context=context)
            assert answer.status == 400
    connection.close()
    # and for new connections, whose handshakes run on those threads
    for _ in range(20):
        answer = scepclient.request(
            secure(rich) + "?operation=GetCACaps", context=tls_context())
        assert answer.status == 200


def test_ssl_require_ssl(rich, try_at, keys):
    try_at("https://127.0.0.1:%d/insist" % rich.tls,
           tls_context()).check_issued(keys.rsa())


def curl(*words):
    done = subprocess.run(
        ["curl", "-sS", "--noproxy", "*", "-k", "-w", "%{stderr}%{json}",
         *map(str, words)], capture_output=True, check=True)
    return json.loads(done.stderr), done.stdout


@pytest.mark.parametrize("options", [["--http2"],
                                     ["--http2-prior-knowledge"]])
def test_http_2(rich, keys, tmp_path, options):
    url = secure(rich) if options == ["--http2"] else rich.values["SCEP_URL"]
    facts, body = curl(*options, url + "?operation=GetCACaps")
    assert facts["http_version"] == "2" and b"AES" in body
    endpoint = rich.endpoint()
    message = endpoint.request(
        keys.rsa(), make_csr(keys.rsa(), rich.challenge()), keys.signer())
    path = tmp_path / "message"
    path.write_bytes(message.build())
    facts, body = curl(*options, "--data-binary", "@%s" % path, "-H",
                       "Content-Type:", url + "?operation=PKIOperation")
    assert facts["http_version"] == "2" and facts["http_code"] == 200
    reply = certrep.CertRep(body, message, endpoint.identity)
    assert reply.status == SUCCESS


def test_mod_deflate_on_the_way_out(rich, keys, try_at):
    url = rich.base + "/deflate"
    plain = scepclient.request(url + "?operation=GetCACert")
    answer = scepclient.request(url + "?operation=GetCACert",
                                headers={"Accept-Encoding": "gzip"})
    content = answer.body
    if answer.headers.get("content-encoding") == "gzip":
        content = gzip.decompress(content)
    assert content == plain.body
    assert plain.headers["content-type"] == "application/x-x509-ca-ra-cert"
    # a client that knows no coding gets none
    assert try_at(url).status == SUCCESS


def test_mod_deflate_on_the_way_in(rich, keys):
    endpoint = scepclient.Endpoint(rich.base + "/inflate")
    endpoint.identity = rich.endpoint().identity
    message = endpoint.request(
        keys.rsa(), make_csr(keys.rsa(), rich.challenge()), keys.signer())
    answer = endpoint.post(gzip.compress(message.build()),
                           **{"Content-Encoding": "gzip"})
    assert endpoint.read(answer, message).status == SUCCESS


def test_a_bomb_of_deflate_is_413(rich):
    bomb = gzip.compress(bytes(5_000_000))
    answer = scepclient.request(rich.base + "/inflate", "POST", bomb,
                                {"Content-Encoding": "gzip"})
    assert answer.status == 413


def test_mod_cache_keeps_no_answer(rich, keys):
    endpoint = scepclient.Endpoint(rich.base + "/cached/x")
    endpoint.identity = rich.endpoint().identity
    message = endpoint.request(
        keys.rsa(), make_csr(keys.rsa(), rich.challenge()), keys.signer())
    query = "operation=PKIOperation&message=" + get_message(message.build())
    first, second = endpoint.get(query), endpoint.get(query)
    for answer in first, second:
        assert endpoint.read(answer, message).status == SUCCESS
    # the same certificate, by an answer with a nonce of its own
    assert first.body != second.body


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_behind_a_reverse_proxy(rich, try_at, keys, method):
    for _ in range(3):
        try_at(rich.base + "/front/x", method=method).check_issued(keys.rsa())
    # raw + and / as macOS has them
    assert scepclient.request(
        rich.base + "/front?operation=GetCACert&message=a+b/c").status == 200


def test_mod_remoteip_names_the_requester(rich):
    answer = scepclient.request(
        rich.base + "/remote-admin/challenges", "POST",
        json.dumps({"profile": "default"}),
        {"Content-Type": "application/json", "X-Forwarded-For": "192.0.2.7"})
    assert answer.status == 201
    found = json.loads(answer.body)
    rich.secrets.add(found["challenge"])
    row, = [row for row in rich.listing()["challenges"]
            if row["id"] == found["id"]]
    assert row["requester"] == "192.0.2.7"


def test_c12_mod_dir_and_mod_mime_keep_away(rich):
    """A FallbackResource, a DirectoryIndex and an AddType for .exe exist."""
    for path in ("/cached", "/cached/", "/cgi-bin/pkiclient.exe",
                 "/cgi-bin/pkiclient.exe/"):
        answer = scepclient.request(rich.base + path
                                    + "?operation=GetCACaps")
        assert answer.status == 200, path
        assert answer.headers["content-type"] == "text/plain"


def lines_of(rich, name, count):
    path = rich.dir / name
    wait_until(lambda: path.exists()
               and len(path.read_text().splitlines()) >= count)
    return path.read_text().splitlines()


def test_notes_for_custom_log(rich, try_at):
    (rich.dir / "notes.log").open("a").close()
    seen = len((rich.dir / "notes.log").read_text().splitlines())
    reply = try_at(rich.values["SCEP_URL"], transaction_id="abc123")
    try_at(rich.values["SCEP_URL"], challenge="wrong", transaction_id="def")
    lines = lines_of(rich, "notes.log", seen + 3)
    good, = [line for line in lines if "tid=abc123" in line]
    serial = pki.serial_text(reply.cert)
    assert good == ("status=SUCCESS reason=- fail=- tid=abc123 type=19 "
                    "profile=default serial=%s http=200" % serial)
    bad, = [line for line in lines if "tid=def" in line]
    assert bad == ("status=FAILURE reason=bad-challenge fail=badRequest "
                   "tid=def type=19 profile=default serial=- http=200")
    failures = lines_of(rich, "failures.log", 1)
    assert bad in failures and good not in failures


def test_environment_for_header_and_expr(rich, keys):
    endpoint = scepclient.Endpoint(rich.base + "/expr")
    endpoint.identity = rich.endpoint().identity
    for secret, outcome in ((rich.challenge(), "SUCCESS/(null)"),
                            ("wrong", "FAILURE/badRequest")):
        message = endpoint.request(
            keys.rsa(), make_csr(keys.rsa(), secret), keys.signer())
        answer = endpoint.post(message.build())
        assert answer.headers["x-outcome"] == outcome


def test_a_400_is_noted(rich):
    seen = len((rich.dir / "notes.log").read_text().splitlines())
    scepclient.request(rich.values["SCEP_URL"] + "?operation=x")
    line = lines_of(rich, "notes.log", seen + 1)[-1]
    assert "status=- reason=bad-query" in line and "http=400" in line


def test_slow_clients_are_reqtimeouts(make_server):
    server = make_server(
        "LoadModule reqtimeout_module modules/mod_reqtimeout.so\n"
        "RequestReadTimeout header=1 body=1\n")
    answer = scepclient.raw(
        server.port, b"POST /cgi-bin/pkiclient.exe HTTP/1.1\r\nHost: x\r\n"
        b"Content-Length: 100\r\n\r\nabc", "POST")
    assert answer is None or answer.status in (400, 408)


def test_secrets_stand_in_no_log(make_server, keys):
    """At trace8 for every module, after what can go right and wrong."""
    server = make_server("LogLevel trace8\n")
    server.log.expected = []
    endpoint = server.endpoint()
    for fault in ({}, {"spoil_envelope": "content"},
                  {"spoil_signature": True}, {"message_type": "18"},
                  {"digest": "sha1"}):
        message = endpoint.request(
            keys.rsa(), make_csr(keys.rsa(), server.challenge()),
            keys.signer(), **fault)
        endpoint.post(message.build())
    bound = server.challenge(subject="CN=other")
    message = endpoint.request(keys.rsa(), make_csr(keys.rsa(), bound),
                               keys.signer())
    endpoint.post(message.build())
    written = server.log.path.read_text(errors="replace")
    for secret in server.secrets:
        assert secret not in written
    # the checks after the test look at every file, the state's too
