"""A CA that is another server, which build/sandbox runs beside the gateway.

SPDX-License-Identifier: Apache-2.0

Such a CA is an httpd of its own in DIR/ca, with TLS as the product would
have it, and programs behind or beside that httpd.  The sandbox starts and
ends all of them; what they are is here.  To add a kind, add a class to KINDS
that says

  connector   the gateway's module is mod_scep_ca_<connector>
  modules     what its httpd loads beside MODULES
  prepare()   makes keys, users, tickets: once, in a new DIR/ca
  programs()  (name, command, port) of what runs beside its httpd, in the
              foreground, port None where there is none to wait for; each
              command is told from all others on the machine by the directory
              in its words
  front()     the lines of its httpd; both ports are open already
  environment()  variables for its httpd and its programs
  gateway_environment()  variables for the gateway's httpd
  gateway()   <ScepCA ... issuing> of the gateway
  values()    what the sandbox prints of it

The gateway's configuration may use ${SANDBOX_CA_URL} and what else values()
gives as ${SANDBOX_<KEY>}; paths in it are relative to DIR, so this one's keys
are ca/tls/..., and the secrets that the gateway shows it ca/secrets/...
"""
import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent

MODULES = ("unixd", "log_config", "authn_core", "authz_core", "mime", "alias",
           "headers", "ssl")
EC = ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")

# Both ports, as a CA has them: TLS for who enrols, and none for who asks for
# CRLs or for its health.
FRONT = """\
# Written by build/sandbox at each start.
ServerRoot "{dir}"
ServerName 127.0.0.1
Listen 127.0.0.1:{http}
Listen 127.0.0.1:{https}
PidFile httpd.pid
DefaultRuntimeDir run
{loads}
{user}
ErrorLog error.log
LogLevel warn
LogFormat "%h:%{{remote}}p %k %u \\"%r\\" %>s %b %DUus" ca
StartServers 2
MaxSpareThreads 400
KeepAliveTimeout 600
MaxKeepAliveRequests 0
TypesConfig /dev/null
SSLSessionCache none
<Directory />
    AllowOverride None
    Require all denied
</Directory>
"""

TLS = """\
    SSLEngine on
    SSLProtocol -all +TLSv1.2 +TLSv1.3
    SSLCertificateFile tls/server.pem
    SSLCertificateKeyFile tls/server.key
"""

# gss-ntlmssp cannot read the first message of curl, which has no version in
# it: it is given one.
ADCS_FRONT = """\
Protocols http/1.1
<VirtualHost 127.0.0.1:%d>
%s    SSLCACertificateFile tls/management.pem
    SSLVerifyClient optional
    CustomLog access.log ca
    RequestHeader edit Authorization "^NTLM TlRMTVNTUAABAAAABoIIAAAAAAAAAAA\
AAAAAAAAAAAA=$" "NTLM TlRMTVNTUAABAAAABgIIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
==" early
    RequestHeader set X-Account "expr=%%{REMOTE_USER}"
    RequestHeader set X-Client-CN "%%{SSL_CLIENT_S_DN_CN}s"
    RequestHeader set X-Client-Port "expr=%%{REMOTE_PORT}"
%s</VirtualHost>
"""


class CaServer:
    """What all kinds have in common: DIR/ca, its ports and its programs."""

    connector = None
    modules = ()

    def __init__(self, directory):
        self.dir = directory / "ca"
        self.pki = directory / "pki"
        self.ports = {}
        with contextlib.suppress(FileNotFoundError):
            self.ports = json.loads((self.dir / "place.json").read_text())

    # ------------------------------------------------------- for the sandbox

    def make(self, free_port, make_certificate):
        """DIR/ca with keys; ports, the same as before where they are free."""
        self.new_certificate = make_certificate
        (self.dir / "run").mkdir(parents=True, exist_ok=True)
        for name in ("http", "https", "backend"):
            self.ports[name] = free_port(self.ports.get(name))
        self.ports["pki"] = str(self.pki)
        (self.dir / "place.json").write_text(json.dumps(self.ports) + "\n")
        if not (self.dir / "prepared").exists():
            for name in ("tls", "secrets"):
                (self.dir / name).mkdir(exist_ok=True)
            (self.dir / "secrets").chmod(0o700)
            self.prepare()
            (self.dir / "prepared").touch()

    def httpd_conf(self, load, user):
        """The text of its httpd.conf; load gives one LoadModule line."""
        loads = load("mpm_event") + "".join(
            load(name) for name in (*MODULES, *self.modules))
        return FRONT.format(dir=self.dir, http=self.ports["http"],
                            https=self.ports["https"], loads=loads,
                            user=user) + self.front()

    def defines(self):
        return "".join('Define SANDBOX_%s "%s"\n' % pair
                       for pair in self.values().items())

    def start_programs(self, seconds):
        """@return None, or what went wrong"""
        for name, command, port in self.programs():
            with open(self.dir / (name + ".out"), "wb") as out:
                process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=out,
                    stderr=out, cwd=self.dir, start_new_session=True,
                    env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1",
                         **self.environment()})
            if port and not wait_until(
                    lambda: process.poll() is not None
                    or connects(port), seconds) \
                    or process.poll() is not None:
                return "%s does not start:\n%s" % (
                    name, (self.dir / (name + ".out")).read_text())
        return None

    def end_programs(self):
        """@return whether all have ended"""
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in self.pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            if wait_until(lambda: not self.pids(), 5):
                return True
        return False

    def pids(self):
        """By their very command lines, whoever started them."""
        if not self.ports:
            return []
        commands = [[os.fsencode(str(word)) for word in command]
                    for _, command, _ in self.programs()]
        found = []
        for name in os.listdir("/proc"):
            if name.isdigit() and command_line(int(name)) in commands:
                found.append(int(name))
        return found

    # -------------------------------------------------------- for each kind

    def prepare(self):
        self.make_tls()

    def programs(self):
        return []

    def environment(self):
        return {}

    def gateway_environment(self):
        return {}

    def make_certificate(self, name, subject, extensions, issuer):
        self.new_certificate(self.dir / "tls", name, subject, EC, extensions,
                             issuer)

    def make_tls(self):
        """The CA of the servers and administrators, its server's
        certificate, and one for the gateway."""
        self.make_certificate(
            "management", "/O=mod_scep sandbox/CN=Management CA",
            ("basicConstraints=critical,CA:true",
             "keyUsage=critical,keyCertSign,cRLSign"), None)
        self.make_certificate(
            "server", "/O=mod_scep sandbox/CN=localhost",
            ("subjectAltName=IP:127.0.0.1,DNS:localhost",
             "extendedKeyUsage=serverAuth"), "management")
        self.make_client("gateway")

    def make_client(self, name):
        self.make_certificate(name, "/O=mod_scep sandbox/CN=" + name,
                              ("keyUsage=critical,digitalSignature",
                               "extendedKeyUsage=clientAuth"), "management")

    def make_secret(self, name):
        path = self.dir / "secrets" / name
        path.write_text(os.urandom(24).hex() + "\n")
        path.chmod(0o600)


class Ejbca(CaServer):
    """EJBCA: ejbca.py behind the httpd, which asks for certificates."""

    connector = "ejbca"
    modules = ("proxy", "proxy_http")

    def prepare(self):
        self.make_tls()
        # an administrator without a role
        self.make_client("stranger")
        for name in ("token", "client"):
            self.make_secret(name)

    def programs(self):
        return [("ejbca", [sys.executable, str(HERE / "ejbca.py"),
                           str(self.dir)], self.ports["backend"])]

    def front(self):
        # An encoded slash in a path is refused, as WildFly does by default.
        backend = "http://127.0.0.1:%d" % self.ports["backend"]
        proxy = ("    ProxyPass {path} %s{path} nocanon disablereuse=On "
                 "timeout=600\n" % backend)
        health = proxy.format(path="/ejbca/publicweb/healthcheck")
        return ("""\
<VirtualHost 127.0.0.1:%d>
    CustomLog access.log ca "expr=%%{HTTP_USER_AGENT} != 'sandbox'"
%s</VirtualHost>
<VirtualHost 127.0.0.1:%d>
%s    SSLCACertificateFile tls/management.pem
    SSLVerifyClient optional
    CustomLog access.log ca
    RequestHeader set X-Client-CN "%%{SSL_CLIENT_S_DN_CN}s"
    RequestHeader set X-Client-Serial "%%{SSL_CLIENT_M_SERIAL}s"
    RequestHeader set X-Client-Port "expr=%%{REMOTE_PORT}"
%s</VirtualHost>
""" % (self.ports["http"], health, self.ports["https"], TLS,
            health + proxy.format(path="/ejbca/ejbca-rest-api")
            + proxy.format(path="/oauth")))

    def gateway(self):
        return """\
<ScepCA ejbca issuing>
    ScepCAChain pki/ca.pem
    ScepEjbcaURL ${SANDBOX_CA_URL}
    ScepEjbcaCAFile ca/tls/management.pem
    ScepEjbcaClientCertificate ca/tls/gateway.pem ca/tls/gateway.key
    ScepEjbcaCA IssuingCA
    ScepEjbcaCertificateProfile SCEP-DEVICE
    ScepEjbcaEndEntityProfile SCEP-EEP
</ScepCA>"""

    def values(self):
        base = "https://127.0.0.1:%d" % self.ports["https"]
        return {
            "CA_URL": base + "/ejbca/ejbca-rest-api",
            "CA_TOKEN_URL": base + "/oauth/token",
            "CA_HEALTH_URL": "http://127.0.0.1:%d/ejbca/publicweb/"
            "healthcheck/ejbcahealth" % self.ports["http"],
            "CA_CONTROL": "http://127.0.0.1:%d/control"
            % self.ports["backend"],
        }


class Adcs(CaServer):
    """ADCS: adcs.py behind the httpd, which is IIS with every way of
    authentication at a path of its own.

    With SANDBOX_KEYTAB, a file with the key of HTTP/127.0.0.1, there are
    Kerberos and NTLM too, and a port with Extended Protection; KRB5_CONFIG
    says of which realm."""

    connector = "adcs"
    BASIC = ("auth_basic", "authn_file", "authz_user", "proxy", "proxy_http")
    ACCOUNT = "svc-scep"
    CES = "Sandbox Issuing CA_CES_"

    def make(self, free_port, make_certificate):
        self.ports["keytab"] = os.environ.get("SANDBOX_KEYTAB", "")
        self.ports["bound"] = free_port(self.ports.get("bound"))
        super().make(free_port, make_certificate)

    @property
    def modules(self):
        return self.BASIC + (("auth_gssapi",) if self.ports["keytab"] else ())

    def prepare(self):
        self.make_tls()
        # somebody without the right to enrol, and an enrolment agent
        self.make_client("stranger")
        self.make_certificate("agent", "/O=mod_scep sandbox/CN=agent",
                              ("keyUsage=critical,digitalSignature",
                               "extendedKeyUsage=1.3.6.1.4.1.311.20.2.1"),
                              "management")
        self.make_secret("password")
        password = (self.dir / "secrets/password").read_text().strip()
        digest = subprocess.run(
            ["openssl", "passwd", "-apr1", "-stdin"], text=True, check=True,
            input=password, stdout=subprocess.PIPE).stdout.strip()
        users = (self.ACCOUNT, "LAB\\" + self.ACCOUNT)
        (self.dir / "run/users").write_text("".join(
            "%s:%s\n" % (user, digest) for user in users))
        (self.dir / "run/ntlm_users").write_text(
            "LAB:%s:%s\n" % (self.ACCOUNT, password))

    def programs(self):
        return [("adcs", [sys.executable, str(HERE / "adcs.py"),
                          str(self.dir)], self.ports["backend"])]

    def environment(self):
        return {"KRB5_KTNAME": "FILE:" + self.ports["keytab"],
                "NTLM_USER_FILE": str(self.dir / "run/ntlm_users")}

    def front(self):
        basic = ("AuthType Basic", 'AuthName "certsrv"',
                 "AuthBasicProvider file", "AuthUserFile run/users",
                 "Require valid-user")
        gssapi = ("AuthType GSSAPI", 'AuthName "certsrv"',
                  "Require valid-user")
        kerberos = (*gssapi, "GssapiAllowedMech krb5")
        ntlm = (*gssapi, "GssapiAllowedMech ntlmssp",
                "GssapiConnectionBound On")
        certificate = ("Require expr %{SSL_CLIENT_VERIFY} == 'SUCCESS'",)
        places = [(self.CES + "UsernamePassword", ("Require all granted",)),
                  (self.CES + "Certificate", certificate)]
        ways = [("basic", basic)]
        if self.ports["keytab"]:
            ways += [("kerberos", kerberos), ("ntlm", ntlm)]
        for name, lines in ways:
            places += [(self.CES + name.capitalize(), lines),
                       (name + "/certsrv", lines)]
        places.append(("certificate/certsrv", certificate))
        places.append(("certsrv", basic))
        text = "".join('    <Location "/%s">\n        %s\n    </Location>\n'
                       '    ProxyPass "/%s" "http://127.0.0.1:%d/%s" '
                       "disablereuse=On timeout=600\n"
                       % (path, "\n        ".join(lines), path,
                          self.ports["backend"], path)
                       for path, lines in places)
        return ADCS_FRONT % (self.ports["https"], TLS, text)

    def values(self):
        base = "https://127.0.0.1:%d" % self.ports["https"]
        told = {
            "CA_URL": base + self.path,
            "CA_BASE": base,
            "CA_CONTROL": "http://127.0.0.1:%d/control"
            % self.ports["backend"],
        }
        if self.ports["keytab"]:
            told["CA_BOUND"] = "https://127.0.0.1:%d" % self.ports["bound"]
        return told

    def gateway(self):
        return """\
<ScepCA adcs issuing>
    ScepCAChain pki/ca.pem
    ScepAdcsURL ${SANDBOX_CA_URL}
    ScepAdcsInterface %s
    ScepAdcsTemplate ScepDevice
    ScepAdcsAuth %s LAB\\%s file:ca/secrets/password
    ScepAdcsCAFile ca/tls/management.pem
</ScepCA>""" % (self.interface, self.auth, self.ACCOUNT)


class AdcsCes(Adcs):
    path = "/" + Adcs.CES.replace(" ", "%20") + \
        "UsernamePassword/service.svc/CES"
    interface, auth = "ces", "usernametoken"


class AdcsCertsrv(Adcs):
    path = "/certsrv"
    interface, auth = "certsrv", "basic"


KINDS = {"ejbca": Ejbca, "adcs-ces": AdcsCes, "adcs-certsrv": AdcsCertsrv}


def command_line(pid):
    """Words of a process; of one that is a zombie, none."""
    try:
        words = pathlib.Path("/proc/%d/cmdline" % pid).read_bytes()
    except OSError:
        return []
    return words.split(b"\0")[:-1]


def connects(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(condition, seconds):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
