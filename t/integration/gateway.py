"""One httpd from build/sandbox, its log, and devices that enrol with it.

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse

import scepclient
from pki import (challenge_password, csr, extension_request, name,
                 subject_alt_name)


TREE = pathlib.Path(__file__).resolve().parents[2]
SANDBOX = TREE / "build" / "sandbox"
BUILD = pathlib.Path(os.environ.get("SCEP_BUILD", TREE / "_build")).resolve()

LEVELS = ["emerg", "alert", "crit", "error", "warn", "notice", "info",
          "debug"]
LOG_LINE = re.compile(r"^\[[^\]]+\] \[(?P<module>\w*):(?P<level>\w+)\] "
                      r"(?:\[[^\]]*\] )*(?P<text>.*)$")
# what may be said at every start
STARTUP = [
    r"ScepLegacyCrypto",
    # mod_ssl, of a distribution that has built it with a later OpenSSL
    r"AH01882"]


def scratch():
    """A directory that the server's own user can enter."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="scep-test-"))
    path.chmod(0o755)
    return path


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition, seconds=scepclient.PATIENCE, step=0.02):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited %s s in vain" % seconds
        time.sleep(step)


class LogLine:
    def __init__(self, text):
        self.raw = text
        found = LOG_LINE.match(text)
        self.module = found["module"] if found else ""
        self.level = found["level"] if found else "emerg"
        self.text = found["text"] if found else text

    def at_least(self, level):
        known = self.level if self.level in LEVELS else "debug"
        return LEVELS.index(known) <= LEVELS.index(level)

    @property
    def matters(self):
        """Warnings, errors, and what httpd only notes: a child crashed."""
        return self.at_least("warn") or re.search("exit signal (?!Killed)",
                                                  self.raw) is not None

    @property
    def ours(self):
        return self.module.startswith("scep")


class Log:
    """What error.log gained since the last look, against what may be there."""

    def __init__(self, path):
        self.path = path
        self.offset = 0
        self.expected = []
        self.allowed = []

    def mark(self):
        self.offset = self.path.stat().st_size if self.path.exists() else 0
        self.expected = []
        self.allowed = []

    def expect(self, *patterns):
        """Declares lines of level warn or above; each must appear."""
        self.expected += [re.compile(pattern) for pattern in patterns]

    def allow(self, *patterns):
        """Declares lines that may appear, as timing has it."""
        self.allowed += [re.compile(pattern) for pattern in patterns]

    def raw(self):
        if not self.path.exists():
            return ""
        with open(self.path, errors="replace") as stream:
            stream.seek(self.offset)
            return stream.read()

    def lines(self):
        return [LogLine(line) for line in self.raw().splitlines()]

    def outcomes(self):
        """mod_scep's own lines that an admin sees at LogLevel info."""
        return [line for line in self.lines()
                if line.ours and line.at_least("info")]

    def verify(self):
        seen = set()
        for line in self.lines():
            if not line.matters or any(p.search(line.raw)
                                       for p in self.allowed):
                continue
            hits = [p for p in self.expected if p.search(line.raw)]
            assert hits, "unexpected in the error log: " + line.raw
            seen.update(hits)
        missing = [p.pattern for p in self.expected if p not in seen]
        assert not missing, "not in the error log: %s" % missing


class Sandbox:
    """start, stop, reload ... of build/sandbox, with `lines` added."""

    instances = []

    def __init__(self, mpm="event", lines="", bare=False, environment=None,
                 ca=None, ledger=True):
        self.dir = scratch()
        self.environment = environment or {}
        self.mpm = mpm
        self.bare = bare
        self.ca = ca
        self.ledger = ledger
        self.lines = lines
        self.log = Log(self.dir / "error.log")
        self.secrets = set()
        self.values = {}
        self.startup = list(STARTUP)

    def command(self, *words, check=True):
        done = subprocess.run(
            [SANDBOX, words[0], "--dir", self.dir, *words[1:]], text=True,
            env={**os.environ, **self.environment, "SCEP_BUILD": str(BUILD)},
            stdin=subprocess.DEVNULL, capture_output=True)
        if check:
            assert done.returncode == 0, done.stdout + done.stderr
        return done

    def write_lines(self):
        path = self.dir / "test.conf"
        path.write_text(self.lines.replace("@DIR@", str(self.dir)))
        return path

    def start(self, check=True):
        self.log.mark()
        options = ["--mpm", self.mpm, "--config", self.write_lines()]
        if self.bare:
            options.append("--bare")
        if not self.ledger:
            options.append("--no-ledger")
        if self.ca:
            options += ["--ca", self.ca]
        done = self.command("start", *options, check=check)
        self.values = dict(line.split("=", 1) for line in
                           done.stdout.splitlines() if "=" in line)
        if self not in self.instances:
            self.instances.append(self)
        if check:
            self.skip_startup()
        return done

    def refuses_to_start(self, pattern):
        """What httpd says, which must be one line that has the pattern."""
        done = self.start(check=False)
        assert done.returncode != 0, "it started"
        told = [line for line in self.log.lines() if line.at_least("warn")
                and not any(re.search(p, line.raw) for p in self.startup)
                and "AH00020" not in line.raw]
        assert len(told) == 1 and re.search(pattern, told[0].raw), \
            [line.raw for line in told]
        self.log.mark()
        return done.stdout + done.stderr

    def skip_startup(self):
        """Judges what the start logged, then starts afresh."""
        for line in self.log.lines():
            assert (not line.at_least("warn")
                    or any(re.search(p, line.raw) for p in
                           self.startup + [e.pattern for e in
                                           self.log.expected])), line.raw
        expected = self.log.expected
        self.log.mark()
        self.log.expected = expected

    def stop(self):
        self.command("stop")

    def files_with_secrets(self):
        """No file of the instance may hold a challenge, state included; a
        CA beside it may know what it likes."""
        secrets = [secret.encode() for secret in self.secrets]
        secrets += [bytes.fromhex(secret) for secret in self.secrets]
        found = []
        for path in self.dir.rglob("*"):
            if path.is_file() and not path.is_symlink() \
                    and path.relative_to(self.dir).parts[0] != "ca":
                content = path.read_bytes()
                if any(secret in content for secret in secrets):
                    found.append(path)
        return found

    def remove(self):
        self.stop()
        if self in self.instances:
            self.instances.remove(self)
        leaks = self.files_with_secrets()
        assert not leaks, "a challenge stands in %s" % leaks
        if not os.environ.get("SCEP_KEEP"):
            shutil.rmtree(self.dir)

    def reload(self, check=True):
        self.write_lines()
        done = self.command("reload", check=check)
        if check:
            self.skip_startup()
        return done

    def restart(self):
        self.write_lines()
        self.command("restart")
        self.values = dict(line.split("=", 1) for line in
                           self.command("status").stdout.splitlines())
        self.skip_startup()

    @property
    def pid(self):
        return int((self.dir / "httpd.pid").read_text())

    def children(self):
        listing = pathlib.Path("/proc/%d/task/%d/children"
                               % (self.pid, self.pid)).read_text()
        return [int(pid) for pid in listing.split()]

    def kill(self, *pids):
        # event says so where several die before it starts new ones
        self.log.allow("AH10392: children are killed successively")
        for pid in pids:
            os.kill(pid, signal.SIGKILL)

    @property
    def port(self):
        return int(self.values["PORT"])

    @property
    def base(self):
        return "http://127.0.0.1:%d" % self.port

    # ------------------------------------------------------------ admin API

    def admin(self, method="GET", path="/challenges", body=None,
              content_type="application/json", **headers):
        fields = {k.replace("_", "-"): v for k, v in headers.items()}
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        if content_type and body is not None:
            fields["Content-Type"] = content_type
        return scepclient.request(self.values["ADMIN_URL"] + path, method,
                                  body, fields)

    def issue(self, profile="default", **members):
        """A new challenge, as the admin API describes it."""
        answer = self.admin("POST", body={"profile": profile, **members})
        assert answer.status == 201, answer
        found = json.loads(answer.body)
        self.secrets.add(found["challenge"])
        return found

    def challenge(self, profile="default", **members):
        return self.issue(profile, **members)["challenge"]

    def listing(self):
        """Every row, from as many pages as it takes."""
        rows, query = [], "?limit=10000"
        while True:
            answer = self.admin(path="/challenges" + query)
            assert answer.status == 200, answer
            page = json.loads(answer.body)
            rows += page["challenges"]
            if "next" not in page:
                return {**page, "challenges": rows}
            query = "?limit=10000&after=" + page["next"]

    def state(self, ident):
        answer = self.admin(path="/challenges/" + ident)
        assert answer.status in (200, 404), answer
        return json.loads(answer.body).get("state")

    # -------------------------------------------------------------- devices

    def endpoint(self, profile="default", path=None, **forms):
        """The SCEP URL of one profile."""
        if path:
            url = urllib.parse.urljoin(self.base, path)
        elif profile == "default":
            url = self.values["SCEP_URL"]
        elif profile == "legacy":
            url = self.values["LEGACY_URL"]
        else:
            url = "%s/p/%s/pkiclient.exe" % (self.base, profile)
        return scepclient.Endpoint(url, **forms)


def make_csr(key, challenge=None, subject=None, sans=(), extensions=(),
             digest="sha256"):
    """What a plain client sends."""
    attributes = []
    if challenge is not None:
        attributes.append(challenge_password(challenge))
    extensions = list(extensions)
    if sans:
        extensions.insert(0, subject_alt_name(*sans))
    if extensions:
        attributes.append(extension_request(*extensions))
    return csr(key, name(("CN", "device")) if subject is None else subject,
               *attributes, digest=digest)
