"""A Kerberos realm of one test session: a real KDC in a scratch directory.

SPDX-License-Identifier: Apache-2.0
"""
import os
import secrets
import shutil
import socket
import subprocess

import gateway

REALM = "SCEP.TEST"
TOOLS = "/usr/sbin:/usr/bin:/sbin:/bin"

KRB5_CONF = """\
[libdefaults]
    default_realm = {realm}
    dns_lookup_realm = false
    dns_lookup_kdc = false
    dns_canonicalize_hostname = false
    rdns = false
    udp_preference_limit = 1
[realms]
    {realm} = {{
        kdc = 127.0.0.1:{port}
    }}
[domain_realm]
    localhost = {realm}
    127.0.0.1 = {realm}
"""

KDC_CONF = """\
[kdcdefaults]
    kdc_listen = ""
    kdc_tcp_listen = 127.0.0.1:{port}
[realms]
    {realm} = {{
        database_name = {dir}/principal
        key_stash_file = {dir}/stash
    }}
[logging]
    kdc = FILE:{dir}/kdc.log
"""


def tool(name):
    path = shutil.which(name, path=TOOLS)
    assert path, "%s is missing; run build/setup" % name
    return path


def run(environment, name, *words, given=""):
    done = subprocess.run([tool(name), *map(str, words)], text=True,
                          env=environment, input=given + "\n",
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout


class Realm:
    """Started by start(), ended by remove(); or a with statement."""

    def __init__(self):
        self.dir = gateway.scratch()
        self.port = gateway.free_port()
        self.process = None
        self.caches = 0
        self.keytab = self.dir / "http.keytab"
        self.private = self.dir / "kdc"
        self.replays = self.dir / "replays"
        # for httpd and the clients; what the KDC is told is its own
        self.environment = {"KRB5_CONFIG": str(self.dir / "krb5.conf"),
                            "KRB5RCACHEDIR": str(self.replays)}

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.remove()

    def _kdc_environment(self):
        return {**os.environ, **self.environment,
                "KRB5_KDC_PROFILE": str(self.private / "kdc.conf")}

    def _answers(self):
        assert self.process.poll() is None, \
            (self.private / "kdc.out").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def start(self):
        self.private.mkdir(mode=0o700)
        self.replays.mkdir()
        self.replays.chmod(0o1777)
        values = {"realm": REALM, "port": self.port, "dir": self.private}
        (self.dir / "krb5.conf").write_text(KRB5_CONF.format(**values))
        (self.private / "kdc.conf").write_text(KDC_CONF.format(**values))
        run(self._kdc_environment(), "kdb5_util", "create", "-s", "-r", REALM,
            "-P", secrets.token_hex(16))
        for host in ("localhost", "127.0.0.1"):
            self.admin("addprinc -randkey HTTP/" + host)
            self.admin("ktadd -k %s HTTP/%s" % (self.keytab, host))
        # of this realm and this session: the server's user may read it
        self.keytab.chmod(0o644)
        self.resume()

    def resume(self):
        """The KDC answers, after stop() too."""
        with open(self.private / "kdc.out", "wb") as out:
            self.process = subprocess.Popen(
                [tool("krb5kdc"), "-n", "-r", REALM],
                env=self._kdc_environment(), stdin=subprocess.DEVNULL,
                stdout=out, stderr=out)
        gateway.wait_until(self._answers)

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(gateway.scepclient.PATIENCE)
            self.process = None

    def remove(self):
        self.stop()
        shutil.rmtree(self.dir)

    def admin(self, query):
        run(self._kdc_environment(), "kadmin.local", "-r", REALM, "-q", query)

    def add_user(self, user, password):
        self.admin("addprinc -pw %s %s" % (password, user))

    def keytab_of(self, *users):
        """New keys for these, in a file that their owner alone reads."""
        path = self.dir / (users[0].replace("/", "-") + ".keytab")
        path.unlink(missing_ok=True)
        for user in users:
            self.admin("ktadd -k %s %s" % (path, user))
        path.chmod(0o600)
        return path

    def login(self, user, password):
        """kinit; the environment for a client of this user alone."""
        self.caches += 1
        environment = {**os.environ, **self.environment, "KRB5CCNAME":
                       "FILE:%s/cache-%d" % (self.dir, self.caches)}
        run(environment, "kinit", "%s@%s" % (user, REALM), given=password)
        return environment

    def lines(self, *require):
        """What makes a location ask for a ticket, for its container."""
        return "\n".join((
            "AuthType GSSAPI", 'AuthName "realm"',
            "GssapiCredStore keytab:%s" % self.keytab,
            *(require or ["Require valid-user"]), ""))
