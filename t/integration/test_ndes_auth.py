"""Who may have a password of the NDES page: Basic, Kerberos, certificates.

SPDX-License-Identifier: Apache-2.0

httpd's own modules decide; curl is the client, as a management system uses
its library.
"""
import os
import subprocess

import pytest

import gateway
import kerberos
import ndesclients
import pki
import profiles
from gateway import Sandbox, make_csr

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
<LocationMatch "(?i)^/[a-z]+/mscep_admin/?$">
    SetHandler scep-ndes
    ScepProfile default
</LocationMatch>
<LocationMatch "(?i)^/basic/mscep_admin/?$">
    SetHandler scep-ndes
    AuthType Basic
    AuthName "NDES"
    AuthBasicProvider file
    AuthUserFile "@DIR@/users"
    Require user mdm
</LocationMatch>
<LocationMatch "(?i)^/kerberos/mscep_admin/?$">
    SetHandler scep-ndes
    @GSSAPI@
    Require user mdm@SCEP.TEST other@SCEP.TEST
    ScepChallengeAllow mdm@SCEP.TEST
</LocationMatch>
<LocationMatch "(?i)^/both/mscep_admin/?$">
    SetHandler scep-ndes
    @GSSAPI@
    GssapiBasicAuth On
    Require valid-user
</LocationMatch>
<LocationMatch "(?i)^/open/mscep_admin/?$">
    SetHandler scep-ndes
</LocationMatch>
<VirtualHost 127.0.0.1:@TLS@>
    ServerName 127.0.0.1
    SSLEngine on
    SSLCertificateFile "@DIR@/tls.pem"
    SSLCACertificateFile "@DIR@/clients.pem"
    SSLVerifyClient optional
    <LocationMatch "(?i)^/verified/mscep_admin/?$">
        SetHandler scep-ndes
        ScepProfile default
        SSLUserName SSL_CLIENT_S_DN_CN
        Require ssl-verify-client
    </LocationMatch>
    <LocationMatch "(?i)^/named/mscep_admin/?$">
        SetHandler scep-ndes
        ScepProfile default
        Require expr %{SSL_CLIENT_VERIFY} == 'SUCCESS' && \\
            %{SSL_CLIENT_S_DN_CN} == 'mdm'
    </LocationMatch>
    <LocationMatch "(?i)^/faked/mscep_admin/?$">
        SetHandler scep-ndes
        ScepProfile default
        SSLOptions +FakeBasicAuth
        AuthType Basic
        AuthName "NDES"
        AuthBasicProvider file
        AuthUserFile "@DIR@/users"
        Require user "/O=test/CN=mdm"
    </LocationMatch>
</VirtualHost>
<VirtualHost 127.0.0.1:@TLS@>
    ServerName localhost
    SSLEngine on
    SSLCertificateFile "@DIR@/tls.pem"
    SSLCACertificateFile "@DIR@/clients.pem"
    <LocationMatch "(?i)^/demanded/mscep_admin/?$">
        SetHandler scep-ndes
        ScepProfile default
        SSLVerifyClient require
        Require ssl-verify-client
    </LocationMatch>
</VirtualHost>
"""


@pytest.fixture(scope="module")
def realm():
    with kerberos.Realm() as made:
        for user in ("mdm", "other"):
            made.add_user(user, "secret-of-" + user)
        yield made


def write_certificates(directory, keys):
    ca_key, ca_name = keys.rsa(number=1), pki.name(("CN", "Clients"))
    ca = pki.certificate(ca_key, ca_name,
                         extensions=[profiles.CA, profiles.CA_USAGE])
    (directory / "clients.pem").write_bytes(pki.pem_cert(ca))
    host = pki.certificate(
        keys.rsa(), pki.name(("CN", "localhost")),
        extensions=[pki.subject_alt_name(pki.dns("localhost"),
                                         pki.dns("127.0.0.1"))])
    (directory / "tls.pem").write_bytes(pki.pem_cert(host)
                                        + pki.pem_key(keys.rsa()))
    for stem, issuer_key in (("mdm", ca_key), ("other", ca_key),
                             ("foreign", keys.rsa(number=2))):
        common = "mdm" if stem == "foreign" else stem
        cert = pki.certificate(
            keys.rsa(), pki.name(("O", "test"), ("CN", common)), ca_name,
            issuer_key)
        (directory / (stem + ".pem")).write_bytes(
            pki.pem_cert(cert) + pki.pem_key(keys.rsa()))


@pytest.fixture(scope="module")
def server(realm, keys):
    sandbox = Sandbox(environment=realm.environment)
    write_certificates(sandbox.dir, keys)
    # mdm has the password secret; mod_ssl gives every DN the password
    # "password"
    (sandbox.dir / "users").write_text(
        "mdm:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n"
        "other:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n"
        "/O=test/CN=mdm:xxj31ZMTZzkVA\n/O=test/CN=other:xxj31ZMTZzkVA\n")
    sandbox.tls = gateway.free_port()
    sandbox.lines = LINES.replace("@TLS@", str(sandbox.tls)).replace(
        "@GSSAPI@", realm.lines("").strip())
    try:
        sandbox.start()
        yield sandbox
    finally:
        sandbox.remove()


class Curl:
    def __init__(self, server):
        self.server = server
        self.nobody = {**os.environ,
                       "KRB5CCNAME": "FILE:%s/no-cache" % server.dir}

    def __call__(self, url, *words, environment=None):
        """The status and the page."""
        done = subprocess.run(
            ["curl", "-sS", "--noproxy", "*", "-k", "-o", "-", "-w",
             "\n%{http_code}", *words, url],
            env=environment or self.nobody, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        page, _, status = done.stdout.rpartition(b"\n")
        found = ndesclients.fleet(page)
        if found:
            self.server.secrets.add(found)
        return int(status), page

    def http(self, path, *words, host="127.0.0.1", **members):
        return self("http://%s:%d%s" % (host, self.server.port, path),
                    *words, **members)

    def https(self, path, stem=None, *words, host="127.0.0.1"):
        if stem:
            words += ("--cert", self.server.dir / (stem + ".pem"))
        return self("https://%s:%d%s" % (host, self.server.tls, path), *words)


@pytest.fixture
def curl(server):
    return Curl(server)


METHODS = {"GET": (), "POST": ("-d", "UserName=x&Password=y"),
           "EMPTY": ("-X", "POST", "-H", "Content-Length: 0")}


@pytest.fixture(params=METHODS)
def method(request):
    return METHODS[request.param]


def newest(server, before):
    row, = [row for row in server.listing()["challenges"]
            if row["id"] not in before]
    return row


def ids(server):
    return {row["id"] for row in server.listing()["challenges"]}


def enrols(server, keys, page):
    """What the page gave is good for a certificate at mscep.dll."""
    endpoint = server.endpoint(path="/CertSrv/mscep/mscep.dll/pkiclient.exe")
    endpoint.send(endpoint.request(
        keys.rsa(), make_csr(keys.rsa(), ndesclients.fleet(page)),
        keys.signer())).check_issued(keys.rsa())


def let_in(server, keys, answer, before, requester):
    status, page = answer
    assert status == 200 and ndesclients.fleet(page), answer
    assert newest(server, before)["requester"] == requester
    enrols(server, keys, page)


def kept_out(server, answer, before, status=401):
    assert answer[0] == status, answer
    for parse in ndesclients.UTF_8.values():
        assert parse(answer[1]) is None
    assert ids(server) == before


# -------------------------------------------------------------------- Basic

def test_basic(server, keys, curl, method):
    before = ids(server)
    let_in(server, keys, curl.http("/basic/mscep_admin/", "-u", "mdm:secret",
                                   *method), before, "mdm")


@pytest.mark.parametrize("words,logged", [
    ((), None), (("-u", "mdm:wrong"), "AH01617"),
    (("-u", "nobody:secret"), "AH01618"), (("-u", "other:secret"), "AH01631"),
    (("-u", ":"), "AH01618"), (("--negotiate", "-u", ":"), None),
    (("-H", "Authorization: NTLM TlRMTVNTUAABAAAA"), "AH01614")])
def test_basic_keeps_out(server, curl, words, logged, method):
    if logged:
        server.log.expect(logged)
    before = ids(server)
    for path in ("/basic/mscep_admin/", "/BASIC/MSCEP_ADMIN"):
        kept_out(server, curl.http(path, *words, *method), before)


def test_basic_after_the_first_401_and_a_redirect(server, keys, curl):
    """As a client that tries another scheme first, and without the slash."""
    before = ids(server)
    answer = curl.http("/Basic/MSCEP_Admin", "--anyauth", "-L",
                       "--location-trusted", "-u", "mdm:secret")
    let_in(server, keys, answer, before, "mdm")


def test_no_secret_of_a_caller_is_logged(server, curl):
    curl.http("/basic/mscep_admin/", "-u", "mdm:secret")
    assert "bWRtOnNlY3JldA==" not in server.log.raw()


# ----------------------------------------------------------------- Kerberos

@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_kerberos(server, realm, keys, curl, method, host):
    before = ids(server)
    answer = curl.http("/kerberos/mscep_admin/", "--negotiate", "-u", ":",
                       *method, host=host,
                       environment=realm.login("mdm", "secret-of-mdm"))
    let_in(server, keys, answer, before, "mdm@SCEP.TEST")


def test_kerberos_over_the_redirect(server, realm, keys, curl):
    before = ids(server)
    answer = curl.http("/KERBEROS/Mscep_Admin", "--negotiate", "-L", "-u",
                       ":", environment=realm.login("mdm", "secret-of-mdm"))
    let_in(server, keys, answer, before, "mdm@SCEP.TEST")


def test_a_principal_without_permission_reads_so(server, realm, curl, method):
    """Require lets it in, ScepChallengeAllow names another."""
    before = ids(server)
    answer = curl.http("/kerberos/mscep_admin/", "--negotiate", "-u", ":",
                       *method,
                       environment=realm.login("other", "secret-of-other"))
    kept_out(server, answer, before, 200)
    assert (b"You do not have sufficient permission to enroll with SCEP."
            in answer[1])


def test_kerberos_keeps_out(server, curl, method):
    """Without a ticket, and with what is none."""
    before = ids(server)
    kept_out(server, curl.http("/kerberos/mscep_admin/", "--negotiate", "-u",
                               ":", *method), before)
    kept_out(server, curl.http("/kerberos/mscep_admin/", "-u",
                               "mdm:secret-of-mdm", *method), before)
    server.log.expect("mod_auth_gssapi|GSS ERROR")
    kept_out(server, curl.http("/kerberos/mscep_admin/", "-H",
                               "Authorization: Negotiate YIIBBgYGKwYBBQUC",
                               *method), before)


def test_kerberos_or_basic_with_the_same_password(server, realm, keys, curl):
    """What a client falls back to that has no ticket."""
    before = ids(server)
    answer = curl.http("/both/mscep_admin/", "-u", "mdm:secret-of-mdm")
    let_in(server, keys, answer, before, "mdm@SCEP.TEST")
    before = ids(server)
    answer = curl.http("/both/mscep_admin/", "--negotiate", "-u", ":",
                       environment=realm.login("other", "secret-of-other"))
    let_in(server, keys, answer, before, "other@SCEP.TEST")
    before = ids(server)
    server.log.expect("auth_gssapi")
    kept_out(server, curl.http("/both/mscep_admin/", "-u", "mdm:wrong"),
             before)


# ------------------------------------------------------------- certificates

@pytest.mark.parametrize("path,requester", [
    ("/verified/mscep_admin/", "mdm"), ("/VERIFIED/Mscep_Admin/", "mdm"),
    ("/named/mscep_admin/", "127.0.0.1"),
    ("/faked/mscep_admin/", "/O=test/CN=mdm")])
def test_a_certificate(server, keys, curl, method, path, requester):
    before = ids(server)
    let_in(server, keys, curl.https(path, "mdm", *method), before, requester)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_certificate_that_is_asked_for_later(server, keys, curl, method,
                                               version):
    """SSLVerifyClient in the location, after the request line is read."""
    before = ids(server)
    answer = curl.https("/demanded/mscep_admin/", "mdm", *method, "--tlsv1.2",
                        "--tls-max", version, host="localhost")
    let_in(server, keys, answer, before, "127.0.0.1")


@pytest.mark.parametrize("path,status,logged", [
    ("/verified/mscep_admin/", 403, ["AH01630|AH01631", "AH02227"]),
    ("/named/mscep_admin/", 403, ["AH01630|AH01631"]),
    ("/faked/mscep_admin/", 401, [])])
def test_no_certificate(server, curl, method, path, status, logged):
    server.log.expect(*logged)
    before = ids(server)
    kept_out(server, curl.https(path, None, *method), before, status)


@pytest.mark.parametrize("path,status", [("/named/mscep_admin/", 403),
                                         ("/faked/mscep_admin/", 401)])
def test_the_certificate_of_another(server, curl, method, path, status):
    server.log.expect("AH01630|AH01631")
    before = ids(server)
    kept_out(server, curl.https(path, "other", *method), before, status)


@pytest.mark.parametrize("path", ["/verified/mscep_admin/",
                                  "/named/mscep_admin/",
                                  "/faked/mscep_admin/"])
def test_a_certificate_of_another_ca_ends_the_connection(server, curl, path):
    server.log.allow("AH0203|AH0226|AH02008|SSL Library Error")
    before = ids(server)
    kept_out(server, curl.https(path, "foreign"), before, 0)


def test_a_faked_user_needs_its_certificate(server, curl):
    """The DN and the password that mod_ssl gives it are known to all."""
    before = ids(server)
    server.log.expect("AH02|AH016|FakeBasicAuth")
    status, page = curl.https("/faked/mscep_admin/", None, "-u",
                              "/O=test/CN=mdm:password")
    kept_out(server, (status, page), before, status)
    assert status in (401, 403)


# ---------------------------------------------------------------- no Require

def test_an_inner_handler_is_not_guarded_by_an_outer_require(server, curl):
    server.log.expect("SCEP0121")
    before = ids(server)
    kept_out(server, curl.http("/open/mscep_admin/"), before, 403)
