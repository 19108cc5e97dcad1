"""An httpd whose one module is ledger_probe, and the ledger that it has.

SPDX-License-Identifier: Apache-2.0
"""
import http.client
import itertools
import json
import os
import pathlib
import pwd
import shlex
import shutil
import signal
import subprocess
import urllib.parse

from gateway import BUILD, Log, free_port, scratch, wait_until

CONF = """\
ServerRoot "{dir}"
ServerName 127.0.0.1
Listen 127.0.0.1:{port}
PidFile httpd.pid
DefaultRuntimeDir run
GracefulShutdownTimeout 20
{user}
{loads}
LoadModule scep_module "{build}/.libs/ledger_probe.so"
ErrorLog error.log
LogLevel warn scep:info
DBDriver {driver}
DBDParams "{params}"
DBDMax 16
DBDKeep 16
ProbeLedger ledger
<Location "/probe">
    SetHandler ledger-probe
</Location>
{lines}
"""
PROCESSES = """\
StartServers 3
ServerLimit 3
ThreadsPerChild 8
MaxRequestWorkers 24
MinSpareThreads 1
MaxSpareThreads 24
"""
DOWN = (r"\[dbd:", r"DBD", "SCEP0230")

numbers = itertools.count()
keys = itertools.count(1)


def output(*words):
    return subprocess.run(words, text=True, check=True,
                          stdout=subprocess.PIPE).stdout.strip()


def program(*wanted):
    """The httpd that is installed here, and lines to load modules."""
    apxs = shutil.which("apxs") or shutil.which("apxs2")
    binary = pathlib.Path(output(apxs, "-q", "SBINDIR"),
                          output(apxs, "-q", "PROGNAME"))
    modules = output(apxs, "-q", "LIBEXECDIR")
    built_in = output(binary, "-l").split()
    return binary, "\n".join(
        f'LoadModule {name}_module "{modules}/mod_{name}.so"'
        for name in wanted if f"mod_{name}.c" not in built_in)


class Answer(dict):
    """What the probe says, its status at hand."""

    @property
    def status(self):
        return self["status"]


class Ledger:
    """One httpd on SQLite or PostgreSQL."""

    def __init__(self, driver, params=None, mpm="event", lines=PROCESSES,
                 user="nobody"):
        self.dir = scratch()
        self.driver = driver
        self.mpm = mpm
        self.lines = lines
        self.user = user
        self.log = Log(self.dir / "error.log")
        (self.dir / "run").mkdir()
        self.data = self.dir / "data"
        self.data.mkdir()
        if os.geteuid() == 0:
            os.chown(self.data, pwd.getpwnam(user).pw_uid, -1)
        self.file = self.data / "ledger.db"
        self.params = params or str(self.file)
        self.port = free_port()
        self.process = None

    def start(self):
        binary, loads = program("mpm_" + self.mpm, "watchdog", "authz_core",
                                "dbd")
        conf = self.dir / "httpd.conf"
        conf.write_text(CONF.format(
            dir=self.dir, port=self.port, loads=loads, build=BUILD,
            driver=self.driver, params=self.params,
            lines=self.lines if self.mpm == "event" else "",
            user="User %s\nGroup #%d" % (
                self.user, pwd.getpwnam(self.user).pw_gid)
            if os.geteuid() == 0 else ""))
        self.log.mark()
        # as build/sandbox: for valgrind and the sanitizers
        added = dict(word.split("=", 1) for word in
                     shlex.split(os.environ.get("SCEP_HTTPD_ENV", "")))
        self.process = subprocess.Popen(
            [*shlex.split(os.environ.get("SCEP_HTTPD_WRAPPER", "")),
             binary, "-f", conf, "-DFOREGROUND"], cwd=self.dir,
            env={**os.environ, **added}, stdin=subprocess.DEVNULL,
            start_new_session=True)
        wait_until(lambda: self.process.poll() is not None
                   or self._listens())
        assert self.process.poll() is None, self.log.raw()
        return self

    def _listens(self):
        try:
            self.request("/")
            return True
        except OSError:
            return False

    def stop(self):
        """Gracefully: event's child looks at sockets when SIGTERM comes, and
        dies where a worker that has just answered frees one (2.4.71)."""
        if self.process:
            self.process.send_signal(signal.SIGWINCH)
            self.process.wait()
            self.process = None

    def remove(self):
        # what event says of a connection that is open at the end
        self.log.allow("AH03093")
        self.stop()
        try:
            self.log.verify()
        finally:
            shutil.rmtree(self.dir)

    def children(self):
        pid = self.process.pid
        listing = pathlib.Path("/proc/%d/task/%d/children" % (pid, pid))
        return [int(child) for child in listing.read_text().split()]

    def kill_children(self):
        self.log.allow("AH00051", "AH00052", "AH10392",
                       "child died with signal 9")
        for pid in self.children():
            os.kill(pid, signal.SIGKILL)

    def request(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port,
                                                timeout=120)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def call(self, name, **members):
        query = urllib.parse.urlencode(members,
                                       quote_via=urllib.parse.quote)
        status, body = self.request("/probe/%s?%s" % (name, query))
        assert status == 200, (status, body)
        return Answer(json.loads(body))

    def __getattr__(self, name):
        """ledger.receive(key=...) and so on."""
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda **members: self.call(name, **members)


def record(**members):
    """A record that has everything, and is unlike any other."""
    number = next(keys)
    made = {
        "key": "%064x" % number, "profile": "default", "ca": "issuing",
        "tid": "transaction %d" % number, "signer": "%064x" % (number + 2**60),
        "spki": "%064x" % (number + 2**61), "names": "%064x" % (
            number + 2**62), "type": 19, "csr": "a PKCS#10",
        "subject": "CN=device-%d" % number, "sans": "dns:d%d" % number,
        "address": "192.0.2.1", "verifier": "otp", "grant": "g",
        "verified_by": "%016x" % number, "requester": "alice", "renews": "",
        "device": "",
        "created": 1000, "state": 0, "handle": "", "serial": "",
        "reason": 0, "fail_info": 0, "detail": "", "settled": 0, "tries": 0,
        "due": 2000, "approvals": "", "submitted": 0, "updated": 1000,
        "token": "%016x" % (number + 2**40), "lease": 3000}
    return {**made, **members}
