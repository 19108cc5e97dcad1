"""How the HTTP client authenticates to a CA: Kerberos, bound; NTLM.

SPDX-License-Identifier: Apache-2.0

With a real KDC, real acceptors (httpd's mod_auth_gssapi, a server that
demands channel binding) and clients of another make for what must be refused.
"""
import contextlib
import hashlib
import http.client
import json
import os
import pathlib
import socket
import ssl
import subprocess
import sys
import threading
import time

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

import gateway
import kerberos
import pki
import softhsm
from gateway import Sandbox

HERE = pathlib.Path(__file__).resolve().parent
EPA = gateway.TREE / "t" / "emulators" / "epa.py"
PROBE = gateway.BUILD / "t" / "integration" / "http_probe"
BODY = "some body"
PASSWORD = "ntlm-of-svc"


def make_certificate(path, keys, key=None, digest="sha256", number=0):
    key = key or keys.rsa()
    path.write_bytes(pki.pem_cert(pki.certificate(
        key, pki.name(("CN", "ca%d" % number)), digest=digest,
        extensions=[pki.subject_alt_name(pki.dns("localhost"),
                                         pki.ip("127.0.0.1"),
                                         pki.ip("127.0.0.2"))]))
        + pki.pem_key(key))
    return path


@pytest.fixture(scope="module")
def realm():
    with kerberos.Realm() as made:
        for user in ("svc", "other"):
            made.admin("addprinc -randkey " + user)
        (made.dir / "ntlm").write_text("LAB:svc:%s\n" % PASSWORD)
        (made.dir / "ntlm").chmod(0o644)
        yield made


@pytest.fixture(scope="module")
def certificate(realm, keys):
    return make_certificate(realm.dir / "server.pem", keys)


class Call:
    """One line of the probe."""

    def __init__(self, line):
        client, status, sent, self.text = line.split("\t", 3)
        self.client, self.status, self.sent = (int(client), int(status),
                                               int(sent))
        # a token in SPNEGO's form, in base64
        assert "YII" not in line, "a token is told of"
        assert PASSWORD not in line

    @property
    def told(self):
        return json.loads(self.text)

    def __repr__(self):
        return "%d %d %s" % (self.status, self.sent, self.text)


class Probe:
    """The HTTP client in a process of its own."""

    def __init__(self, realm, *words, **environment):
        assert PROBE.exists(), "no http_probe: make check TESTS="
        clean = {name: value for name, value in os.environ.items()
                 if not name.startswith(("KRB5", "NTLM"))}
        self.process = subprocess.Popen(
            [PROBE, *map(str, words)], text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, env={
                **clean, **realm.environment, "KRB5CCNAME":
                "FILE:%s/no-cache" % realm.dir, **environment})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        assert self.process.wait(gateway.scepclient.PATIENCE) == 0

    def command(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        calls = []
        while True:
            answer = self.process.stdout.readline()
            assert answer, "the probe died"
            if answer == "done\n":
                return calls
            calls.append(Call(answer.rstrip("\n")))

    def __call__(self, url, client=0, body=BODY):
        call, = self.command("call %d %s %s" % (client, url, body))
        return call

    def everyone(self, times, url):
        return self.command("all %d %s %s" % (times, url, BODY))

    def many(self, count, url):
        return self.command("many %d %s %s" % (count, url, BODY))


@pytest.fixture
def probe(realm, certificate):
    """Starts clients for one test alone."""
    with contextlib.ExitStack() as stack:
        def make(*identities, ca=certificate, **environment):
            return stack.enter_context(Probe(realm, "ca=%s" % ca, *identities,
                                             **environment))
        yield make


def kerberos_of(keytab, principal=None):
    return "kerberos:%s%s" % (keytab, "," + principal if principal else "")


@pytest.fixture(scope="module")
def keytab(realm):
    return realm.keytab_of("svc")


class Epa:
    """The server that demands a binding, in a process of its own."""

    def __init__(self, realm, *certificates, keytab=None, host="127.0.0.1",
                 clients=None):
        self.log = realm.dir / ("epa-%s" % os.urandom(4).hex())
        self.host = "localhost" if host == "127.0.0.1" else host
        words = ["--clients", clients] if clients else []
        for path in certificates:
            words += ["--certificate", path]
        self.process = subprocess.Popen(
            [sys.executable, EPA, *words, "--keytab", keytab or realm.keytab,
             "--log", self.log, "--host", host], text=True,
            stdout=subprocess.PIPE,
            env={**os.environ, **realm.environment})
        line = self.process.stdout.readline()
        assert line.startswith("PORT="), line
        self.port = int(line[5:])

    def url(self, path="/"):
        return "https://%s:%d%s" % (self.host, self.port, path)

    def seen(self):
        if not self.log.exists():
            return []
        return [json.loads(line) for line in
                self.log.read_text().splitlines()]

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def make_epa(realm):
    started = []

    def make(*words, **members):
        started.append(Epa(realm, *words, **members))
        return started[-1]

    yield make
    for epa in started:
        epa.stop()


@pytest.fixture
def epa(make_epa, certificate):
    return make_epa(certificate)


def bound(call, user="svc"):
    assert call.status == 200 and call.sent, call
    assert call.told["verdict"] == "BOUND", call
    assert call.told["user"] == user + "@SCEP.TEST"
    return call.told


def kept(call, *words):
    """Nothing went out, and the error says why."""
    assert (call.status, call.sent) == (0, 0), call
    for word in words:
        assert word in call.text, call


# ----------------------------------------------------------------- bindings

def test_a_token_is_bound_to_the_server(probe, epa, keytab):
    told = bound(probe(kerberos_of(keytab))(epa.url()))
    assert told["body"] == len(BODY)
    seen, = epa.seen()
    assert seen["request"] == 1, "it takes no first request without a token"


@pytest.mark.parametrize("digest", ["sha1", "sha224", "sha384", "sha512"])
def test_a_token_is_bound_by_the_hash_of_rsa(realm, probe, keys, make_epa,
                                             keytab, digest):
    path = make_certificate(realm.dir / "digest.pem", keys, digest=digest)
    bound(probe(kerberos_of(keytab), ca=path)(make_epa(path).url()))


@pytest.mark.parametrize("digest", ["sha256", "sha384"])
def test_a_token_is_bound_by_the_hash_of_ecdsa(realm, probe, keys, make_epa,
                                               keytab, digest):
    path = make_certificate(realm.dir / "ec.pem", keys, keys.ec(ec.SECP384R1),
                            digest)
    bound(probe(kerberos_of(keytab), ca=path)(make_epa(path).url()))


def test_a_token_is_bound_to_ed25519(realm, probe, make_epa, keytab):
    """Whose signature has no hash of its own."""
    path, key = realm.dir / "odd.pem", realm.dir / "odd.key"
    subprocess.run(["openssl", "req", "-x509", "-nodes", "-newkey", "ed25519",
                    "-keyout", key, "-out", path, "-subj", "/CN=localhost",
                    "-addext",
                    "subjectAltName=DNS:localhost"], check=True,
                   stderr=subprocess.PIPE)
    path.write_bytes(path.read_bytes() + key.read_bytes())
    bound(probe(kerberos_of(keytab), ca=path)(make_epa(path).url()))


@contextlib.contextmanager
def other_client(realm, user="other"):
    """The environment of one that has a ticket by kinit."""
    environment = {**os.environ, **realm.environment, "KRB5CCNAME":
                   "FILE:%s/cache-other" % realm.dir}
    kerberos.run(environment, "kinit", "-k", "-t", realm.keytab_of(user),
                 user)
    yield environment


def ask(epa, token, path="/"):
    """The verdict on a token that somebody else made."""
    context = ssl._create_unverified_context()
    connection = http.client.HTTPSConnection("127.0.0.1", epa.port,
                                             context=context)
    with contextlib.closing(connection):
        connection.request("GET", path, headers={
            "Authorization": "Negotiate " + token})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())["verdict"]


def test_the_server_refuses_what_is_not_bound(realm, epa, certificate):
    der = ssl.PEM_cert_to_DER_cert(
        certificate.read_text().partition("-----BEGIN PRIVATE")[0])
    right, wrong = ((b"tls-server-end-point:" + hashlib.new(name, der)
                     .digest()).hex() for name in ("sha256", "sha384"))
    with other_client(realm) as environment:
        def token(*binding):
            return subprocess.run(
                [sys.executable, HERE / "gsstoken.py", "HTTP@localhost",
                 *binding], env=environment, text=True, check=True,
                stdout=subprocess.PIPE).stdout.strip()
        assert ask(epa, token(right)) == (200, "BOUND")
        assert ask(epa, token()) == (401, "NOT_BOUND")
        assert ask(epa, token(wrong)) == (401, "BAD_BINDINGS")


def test_ntlm_is_never_offered(realm, probe, epa, certificate, keytab):
    """Though gss-ntlmssp is there and knows the user; curl falls back."""
    user_file = {"NTLM_USER_FILE": str(realm.dir / "ntlm")}
    environment = {**os.environ, **realm.environment, **user_file,
                   "KRB5CCNAME": "FILE:%s/no-cache" % realm.dir}
    subprocess.run(["curl", "-sk", "--negotiate", "-u", ":", "--noproxy", "*",
                    epa.url()], env=environment, stdout=subprocess.PIPE)
    assert all(seen["verdict"] != "BOUND" for seen in epa.seen())
    before = len(epa.seen())
    client = probe(kerberos_of(keytab), **user_file)
    realm.stop()
    try:
        kept(client(epa.url()), "no ticket of svc@SCEP.TEST")
    finally:
        realm.resume()
    assert len(epa.seen()) == before
    bound(client(epa.url()))


def test_servers_behind_one_address_show_several_certificates(
        realm, probe, keys, make_epa, keytab):
    """Each connection is bound to its own, a kept one and a new one."""
    paths = [make_certificate(realm.dir / ("lb%d.pem" % number), keys,
                              keys.rsa(number=number), digest, number)
             for number, digest in ((1, "sha256"), (2, "sha512"))]
    both = realm.dir / "lb.pem"
    both.write_bytes(b"".join(path.read_bytes() for path in paths))
    epa = make_epa(*paths)
    client = probe(kerberos_of(keytab), ca=both)
    shown = []
    for _ in range(4):
        shown += [bound(client(epa.url(path)))["certificate"]
                  for path in ("/", "/last")]
    assert shown == [0, 0, 1, 1, 0, 0, 1, 1]
    assert all(seen["verdict"] == "BOUND" for seen in epa.seen())


def test_a_token_is_bound_through_a_proxy(probe, epa, keytab, proxy):
    """Which sees none of it."""
    port, asked = proxy
    bound(probe("proxy=http://127.0.0.1:%d" % port,
                kerberos_of(keytab))(epa.url()))
    head, = asked
    assert head.startswith(b"CONNECT localhost:")
    assert b"Authorization" not in head


# -------------------------------------------------------------- connections

def test_connections_are_kept(probe, epa, keytab):
    client = probe(kerberos_of(keytab))
    told = [bound(client(epa.url())) for _ in range(5)]
    assert {one["connection"] for one in told} == {0}
    assert [one["request"] for one in told] == [1, 2, 3, 4, 5]


def test_a_post_that_was_not_answered_is_not_sent_again(probe, epa, keytab):
    client = probe(kerberos_of(keytab))
    bound(client(epa.url()))
    call = client(epa.url("/hang-up"))
    assert (call.status, call.sent) == (0, 1), call
    assert [seen["path"] for seen in epa.seen()] == ["/", "/hang-up"]


def test_a_refusal_is_tried_once_more_with_new_tickets(probe, epa, keytab):
    client = probe(kerberos_of(keytab))
    bound(client(epa.url("/once")))
    assert [seen["verdict"] for seen in epa.seen()] == ["ONCE", "BOUND"]


def test_a_refusal_is_told_of(realm, probe, certificate, make_epa, keytab):
    """The server has another key than the KDC thinks."""
    stale = realm.dir / "stale.keytab"
    stale.write_bytes(realm.keytab.read_bytes())
    realm.admin("ktadd -k %s HTTP/localhost" % realm.keytab)
    epa = make_epa(certificate, keytab=stale)
    client = probe(kerberos_of(keytab))
    for requests in (2, 3, 4):
        call = client(epa.url())
        assert call.status == 401 and call.sent, call
        assert ("refused the ticket of svc@SCEP.TEST for HTTP/localhost"
                in call.text)
        # new tickets do not help, so they are not got for every call
        assert len(epa.seen()) == requests


def test_a_server_with_a_new_key_gets_a_new_ticket(realm, probe, epa,
                                                   keytab):
    client = probe(kerberos_of(keytab))
    bound(client(epa.url()))
    realm.keytab.unlink()
    for host in ("localhost", "127.0.0.1"):
        realm.admin("ktadd -k %s HTTP/%s" % (realm.keytab, host))
    realm.keytab.chmod(0o644)
    bound(client(epa.url()))
    verdicts = [seen["verdict"][:9] for seen in epa.seen()]
    assert verdicts == ["BOUND", "GSS_ERROR", "BOUND"]


def test_a_server_must_prove_its_name_where_it_says_so(probe, epa, keytab):
    client = probe(kerberos_of(keytab))
    bound(client(epa.url("/silent")))
    call = client(epa.url("/forged"))
    assert (call.status, call.sent) == (0, 1), call
    assert "the server's proof is not good" in call.text


# ---------------------------------------------------------------- the ticket

def test_a_keytab_is_read_once(realm, probe, epa):
    keytab = realm.keytab_of("other")
    client = probe(kerberos_of(keytab), "none:")
    assert client(epa.url(), 1).told["verdict"] == "NO_TOKEN"
    keytab.unlink()
    bound(client(epa.url()), "other")


def test_a_keytab_that_cannot_be_used(realm, probe, epa, keytab):
    client = probe(kerberos_of(realm.dir / "none.keytab"),
                   kerberos_of(keytab, "other"))
    kept(client(epa.url()), "cannot read the keytab", "none.keytab")
    kept(client(epa.url(), 1), "has no key of other@SCEP.TEST")
    assert not epa.seen()


def test_a_keytab_whose_key_has_changed(realm, probe, epa):
    client = probe(kerberos_of(realm.keytab_of("other")), "none:")
    assert client(epa.url(), 1).told["verdict"] == "NO_TOKEN"
    realm.keytab_of("other")
    kept(client(epa.url()), "no ticket of other@SCEP.TEST",
         "Decrypt integrity check failed")
    assert len(epa.seen()) == 1


def test_a_principal_that_nobody_knows(realm, probe, epa):
    realm.admin("addprinc -randkey gone")
    keytab = realm.keytab_of("gone")
    realm.admin("delprinc -force gone")
    kept(probe(kerberos_of(keytab))(epa.url()), "no ticket of gone@SCEP.TEST",
         "not found in Kerberos database")


def test_a_server_that_nobody_knows(probe, certificate, make_epa, keytab):
    epa = make_epa(certificate, host="127.0.0.2")
    kept(probe(kerberos_of(keytab))(epa.url()), "for HTTP/127.0.0.2",
         "not found in Kerberos database")


@pytest.mark.parametrize("skew", [-3600, 3600])
def test_a_clock_that_is_wrong(probe, epa, keytab, skew):
    kept(probe("skew=%d" % skew, kerberos_of(keytab))(epa.url()),
         "no ticket of svc@SCEP.TEST", "Clock skew too great")


def test_tickets_outlast_the_kdc(realm, probe, epa, keytab):
    early, late = probe(kerberos_of(keytab)), probe(kerberos_of(keytab))
    bound(early(epa.url()))
    realm.stop()
    try:
        bound(early(epa.url()))
        kept(late(epa.url()), "no ticket of svc@SCEP.TEST",
             "Cannot contact any KDC")
    finally:
        realm.resume()
    bound(late(epa.url()))


def test_many_share_one_identity(probe, epa, keytab):
    client = probe(kerberos_of(keytab))
    calls = client.many(48, epa.url())
    assert len(calls) == 48
    for call in calls:
        bound(call)


@contextlib.contextmanager
def speechless(realm, seconds):
    """In the KDC's place: takes connections, closes them later."""
    realm.stop()
    with socket.create_server(("127.0.0.1", realm.port)) as listener:
        def serve():
            with contextlib.suppress(OSError):
                while True:
                    taken, _ = listener.accept()
                    threading.Timer(seconds, taken.close).start()
        threading.Thread(target=serve, daemon=True).start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)
    realm.resume()


def test_a_kdc_that_says_nothing_holds_up_one_caller(realm, probe, epa,
                                                     keytab):
    """Kerberos waits as long as it likes; nobody else need do so."""
    client = probe("timeout=2", kerberos_of(keytab))
    with speechless(realm, 6):
        calls = client.many(8, epa.url())
        for call in calls:
            kept(call, "no ticket")
        late = [call for call in calls if "in time" in call.text]
        assert len(late) == 7, calls
        # and for a while it is not asked again
        start = time.monotonic()
        kept(client(epa.url()), "no ticket of svc@SCEP.TEST")
        assert time.monotonic() - start < 5
    assert not epa.seen()


def test_tickets_are_renewed(realm, probe, epa):
    """Before they expire; meanwhile the old ones serve."""
    realm.admin("addprinc -randkey -maxlife 4seconds brief")
    client = probe(kerberos_of(realm.keytab_of("brief")))

    def issued():
        log = (realm.private / "kdc.log").read_text()
        return sum("AS_REQ" in line and "ISSUE" in line and "brief@" in line
                   for line in log.splitlines())

    bound(client(epa.url()), "brief")
    first = issued()
    bound(client(epa.url()), "brief")
    assert issued() == first
    time.sleep(5)
    bound(client(epa.url()), "brief")
    assert issued() > first
    realm.stop()
    try:
        time.sleep(5)
        kept(client(epa.url()), "no ticket of brief@SCEP.TEST",
             "Cannot contact any KDC")
    finally:
        realm.resume()
    bound(client(epa.url()), "brief")


def test_identities_do_not_mix(realm, probe, epa, keytab):
    """Two in one process, in parallel, and one of two in a keytab."""
    several = realm.keytab_of("other", "HTTP/127.0.0.1")
    client = probe(kerberos_of(keytab),
                   kerberos_of(several, "other@SCEP.TEST"),
                   kerberos_of(several, "HTTP/127.0.0.1"), "none:")
    calls = client.everyone(25, epa.url())
    assert len(calls) == 100
    users = ["svc", "other", "HTTP/127.0.0.1"]
    for call in calls:
        if call.client < 3:
            bound(call, users[call.client])
        else:
            assert call.told["verdict"] == "NO_TOKEN"
    assert len({seen["connection"] for seen in epa.seen()}) == 4


# -------------------------------------------------------------- client's key

class Token(softhsm.Token):
    """With the certificate of its key."""

    def __init__(self, realm, key):
        super().__init__(realm.dir)
        (self.dir / "key").write_bytes(pki.pem_key(key))
        self.take(self.dir / "key")
        (self.dir / "key").unlink()
        self.certificate = self.dir / "certificate.pem"
        self.certificate.write_bytes(pki.pem_cert(pki.certificate(
            key, pki.name(("CN", "connector")))))

    def words(self, *attributes):
        return ("certificate=%s" % self.certificate,
                "key-uri=" + self.uri(*attributes))


@pytest.fixture(params=["rsa", "ec"])
def token(request, realm, keys):
    key = keys.rsa(number=1) if request.param == "rsa" else keys.ec()
    return Token(realm, key)


def test_a_key_may_be_in_a_token(probe, certificate, make_epa, keytab, token):
    epa = make_epa(certificate, clients=token.certificate)
    client = probe(*token.words("object=connector"), kerberos_of(keytab),
                   *3 * ["none:"], **token.environment)
    for _ in range(2):
        told = bound(client(epa.url()))
        assert told["client"] == "connector"
        assert told["connection"] == 0
    calls = client.everyone(5, epa.url())
    assert len(calls) == 20
    assert {call.told["client"] for call in calls} == {"connector"}


def test_a_key_that_is_not_in_the_token(probe, certificate, make_epa, token):
    epa = make_epa(certificate, clients=token.certificate)
    client = probe(*token.words("object=none"), "none:", **token.environment)
    kept(client(epa.url()), "cannot load the key pkcs11:token=scep")
    (token.dir / "pin").write_text("654321")
    client = probe(*token.words("object=connector"), "none:",
                   **token.environment)
    call = client(epa.url())
    kept(call, "cannot load the key pkcs11:token=scep;object=connector")
    assert "pin-source" not in call.text
    # a token may count wrong PINs, so it is not asked twice
    (token.dir / "pin").write_text("123456")
    assert client(epa.url()).text == call.text
    client = probe(*token.words("object=connector")[1:], "none:",
                   **token.environment)
    kept(client(epa.url()), "a key without a certificate")


def test_a_key_of_another_certificate(realm, probe, certificate, make_epa,
                                      token, keys):
    other = realm.dir / "other-client.pem"
    other.write_bytes(pki.pem_cert(pki.certificate(
        keys.rsa(number=2), pki.name(("CN", "other")))))
    epa = make_epa(certificate, clients=other)
    client = probe("certificate=%s" % other,
                   *token.words("object=connector")[1:], "none:",
                   **token.environment)
    kept(client(epa.url()))


# -------------------------------------------------------------------- httpd

LINES = """\
LoadModule auth_gssapi_module modules/mod_auth_gssapi.so
LoadModule alias_module modules/mod_alias.so
LoadModule cgid_module modules/mod_cgid.so
LoadModule headers_module modules/mod_headers.so
LoadModule socache_shmcb_module modules/mod_socache_shmcb.so
LoadModule ssl_module modules/mod_ssl.so
SSLSessionCache "shmcb:@DIR@/run/ssl(65536)"
SSLRandomSeed startup builtin
ScriptSock "@DIR@/run/cgisock"
LogFormat "%>s %k %{Content-Length}i %u" calls
CustomLog "@DIR@/calls.log" calls
Listen 127.0.0.1:@TLS@ https
ScriptAliasMatch ".*" "@DIR@/who"
<Directory "/">
    Require all granted
</Directory>
<VirtualHost 127.0.0.1:@TLS@>
    ServerName localhost
    SSLEngine on
    SSLCertificateFile "@CERTIFICATE@"
    Protocols http/1.1
    # gss-ntlmssp reads longer first messages than curl sends
    RequestHeader edit Authorization \\
        "^NTLM TlRMTVNTUAABAAAABoIIAAAAAAAAAAAAAAAAAAAAAAA=$" \\
        "NTLM TlRMTVNTUAABAAAABgIIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==" early
    <Location "/kerberos">
        @GSSAPI@
        GssapiAllowedMech krb5
    </Location>
    <Location "/ntlm">
        AuthType GSSAPI
        AuthName "realm"
        GssapiAllowedMech ntlmssp
        GssapiConnectionBound On
        Require valid-user
    </Location>
</VirtualHost>
"""

WHO = """\
#!/bin/sh
length=$(wc -c)
printf 'Content-Type: text/plain\\n\\n%s %s' "$REMOTE_USER" "$length"
"""


@pytest.fixture(scope="module")
def server(realm, certificate):
    sandbox = Sandbox(environment={**realm.environment, "NTLM_USER_FILE":
                                   str(realm.dir / "ntlm")})
    (sandbox.dir / "who").write_text(WHO)
    (sandbox.dir / "who").chmod(0o755)
    sandbox.tls = gateway.free_port()
    sandbox.lines = LINES.replace("@TLS@", str(sandbox.tls)).replace(
        "@CERTIFICATE@", str(certificate)).replace(
        "@GSSAPI@", realm.lines().strip())
    try:
        sandbox.start()
        yield sandbox
    finally:
        sandbox.remove()


@pytest.fixture
def calls(server):
    """What the access log has gained: status, keep-alive, length, user."""
    path = server.dir / "calls.log"
    before = path.stat().st_size if path.exists() else 0

    def read(count):
        def lines():
            with open(path) as stream:
                stream.seek(before)
                return [line.split(maxsplit=3) for line in stream]
        gateway.wait_until(lambda: len(lines()) >= count)
        return lines()

    return read


def test_httpd_takes_a_bound_token_too(server, probe, keytab, calls):
    client = probe(kerberos_of(keytab))
    url = "https://localhost:%d/kerberos" % server.tls
    for _ in range(3):
        call = client(url)
        assert (call.status, call.text) == (200, "svc@SCEP.TEST 9"), call
    assert [line[:2] for line in calls(3)] == [
        ["200", "0"], ["200", "1"], ["200", "2"]]


def test_ntlm(server, probe, calls):
    """The body goes with the last message alone."""
    client = probe("ntlm:LAB\\svc," + PASSWORD)
    url = "https://localhost:%d/ntlm" % server.tls
    call = client(url)
    assert (call.status, call.text) == (200, "LAB\\svc 9"), call
    first, last = calls(2)
    assert first[:3] == ["401", "0", "0"] and last[:3] == ["200", "1", "9"]
    assert client(url).status == 200
    assert calls(3)[2][:3] == ["200", "2", "9"]


def test_ntlm_with_a_wrong_password(server, probe, calls):
    server.log.allow("auth_gssapi|GSS ERROR")
    call = probe("ntlm:LAB\\svc,wrong")(
        "https://localhost:%d/ntlm" % server.tls)
    assert call.status == 401 and call.sent
    assert all(line[0] == "401" for line in calls(2))


def test_a_client_of_ntlm_offers_nothing_else(server, probe, epa):
    call = probe("ntlm:LAB\\svc," + PASSWORD)(epa.url())
    assert call.status == 401 and call.told["verdict"] == "NO_TOKEN", call
