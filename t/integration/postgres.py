"""A private PostgreSQL, to be shared by servers and to be ill-treated.

SPDX-License-Identifier: Apache-2.0
"""
import contextlib
import os
import pathlib
import pwd
import secrets
import shutil
import signal
import subprocess
import time

from gateway import free_port, scratch, wait_until

USERS = ("postgres", "nobody")


def find_binaries():
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"),
                   key=lambda path: float(path.parts[-3]))
    assert found, "no PostgreSQL; run build/setup"
    return found[-1].parent


def unprivileged():
    """Whom PostgreSQL, which refuses to be root, is to be."""
    if os.geteuid() != 0:
        return {}
    for name in USERS:
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": user.pw_uid, "group": user.pw_gid,
                "extra_groups": []}
    raise AssertionError("none of the users %s exists" % (USERS,))


class Postgres:
    """One cluster, in a locale where "aa" sorts after "z"."""

    def __init__(self):
        self.binaries = find_binaries()
        self.dir = scratch()
        self.who = unprivileged()
        if self.who:
            os.chown(self.dir, self.who["user"], self.who["group"])
        self.data = self.dir / "data"
        self.port = free_port()
        self.password = secrets.token_hex(8)
        self.process = None
        secret = self.dir / "password"
        secret.write_text(self.password)
        self._run("initdb", "-D", self.data, "-U", "scep", "-A",
                  "scram-sha-256", "--pwfile", secret, "--no-sync",
                  "--encoding", "UTF8", "--locale-provider", "icu",
                  "--icu-locale", "da-DK", "--locale", "C.UTF-8")

    def _run(self, name, *words, **options):
        done = subprocess.run(
            [self.binaries / name, *map(str, words)], text=True,
            cwd=self.dir, stdin=subprocess.DEVNULL, capture_output=True,
            env={**os.environ, "PGPASSWORD": self.password}, **self.who,
            **options)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self):
        """As soon as what a killed one left behind lets it."""
        settings = {
            "port": self.port, "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self.dir, "fsync": "off",
            "max_connections": 200, "shared_buffers": "16MB",
            "log_line_prefix": "%m [%p] "}
        options = [word for item in settings.items()
                   for word in ("-c", "%s=%s" % item)]
        end = time.monotonic() + 60
        while time.monotonic() < end:
            with open(self.dir / "log", "ab") as log:
                self.process = subprocess.Popen(
                    [self.binaries / "postgres", "-D", self.data, *options],
                    cwd=self.dir, stdin=subprocess.DEVNULL, stdout=log,
                    stderr=log, start_new_session=True, **self.who)
            wait_until(lambda: self.process.poll() is not None
                       or self._answers())
            if self.process.poll() is None:
                return
            time.sleep(0.2)
        raise AssertionError((self.dir / "log").read_text()[-2000:])

    def _answers(self):
        return subprocess.run(
            [self.binaries / "pg_isready", "-q", "-h", "127.0.0.1", "-p",
             str(self.port)], stdin=subprocess.DEVNULL).returncode == 0

    def pids(self):
        """The first process and its children."""
        first = self.process.pid
        listing = pathlib.Path("/proc/%d/task/%d/children" % (first, first))
        return [first] + [int(pid) for pid in listing.read_text().split()]

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait()
        self.process = None

    def kill(self):
        for pid in self.pids():
            os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self.process = None

    def _signal(self, number):
        """To each of its processes that has not ended meanwhile."""
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def freeze(self):
        """Its processes hold their connections and answer nothing."""
        self._signal(signal.SIGSTOP)

    def thaw(self):
        self._signal(signal.SIGCONT)

    def remove(self):
        if self.process and self.process.poll() is None:
            self.thaw()
        self.stop()
        shutil.rmtree(self.dir)

    def sql(self, text, database="postgres"):
        """Rows of what a statement gives, columns as text."""
        out = self._run("psql", "-X", "-q", "-t", "-A", "-F", "\t", "-h",
                        "127.0.0.1", "-p", self.port, "-U", "scep", "-v",
                        "ON_ERROR_STOP=1", "-d", database, "-c", text)
        return [line.split("\t") for line in out.splitlines()]

    def create(self, name):
        """A new database; returns its DBDParams."""
        self.sql("CREATE DATABASE " + name)
        return ("host=127.0.0.1 port=%d dbname=%s user=scep password=%s "
                "connect_timeout=3 options='-c statement_timeout=4000'"
                % (self.port, name, self.password))
