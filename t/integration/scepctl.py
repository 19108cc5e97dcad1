"""scepctl as tests run it.

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import re
import subprocess

import gateway

SCEPCTL = gateway.BUILD / "scepctl"
DONE, REFUSED, USAGE, UNREACHABLE, NOT_FOUND, LATER = range(6)


class Ran:
    def __init__(self, done):
        self.status = done.returncode
        self.out = done.stdout
        self.err = done.stderr

    def __repr__(self):
        return "<%d %r %r>" % (self.status, self.out, self.err)

    @property
    def json(self):
        return json.loads(self.out)

    def fails(self, status, *words):
        """Says why in one line, and nothing on standard output."""
        assert self.status == status, self
        assert self.out == "", self
        assert self.err.startswith("scepctl: ") and \
            self.err.count("\n") == 1, self
        for word in words:
            assert word in self.err, self
        return self


def environment(**added):
    clean = {key: value for key, value in os.environ.items()
             if not key.startswith(("SCEPCTL_", "KRB5"))}
    return {**clean, **added}


def run(*words, given=None, **members):
    members.setdefault("env", environment())
    if given is None:
        members["stdin"] = subprocess.DEVNULL
    done = subprocess.run([SCEPCTL, *map(str, words)], text=True, input=given,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=60, **members)
    return Ran(done)


class Ctl:
    """scepctl with the options of one caller."""

    def __init__(self, server, *options):
        self.server = server
        self.options = options

    def __call__(self, *words, **members):
        ran = run(*words, *self.options, **members)
        for found in re.findall(r"\b[0-9A-F]{32}\b", ran.out):
            self.server.secrets.add(found)
        return ran

    def new(self, *words):
        ran = self("challenge", "new", "--profile", "default", "--json",
                   *words)
        assert ran.status == DONE, ran
        return ran.json
