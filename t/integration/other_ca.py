"""The CA that build/sandbox --ca NAME runs beside the gateway.

SPDX-License-Identifier: Apache-2.0
"""
import contextlib
import json
import os

import configuration
import scepclient
from gateway import Sandbox

sandbox = configuration.sandbox
ca_server = sandbox.ca_server


class OtherCa:
    """Its emulator's control port, and its httpd, which may go away."""

    def __init__(self, server):
        self.server = server
        self.dir = server.dir / "ca"

    def control(self, method="GET", path="", body=None):
        answer = scepclient.request(
            self.server.values["CA_CONTROL"] + path, method,
            json.dumps(body) if body is not None else None)
        assert answer.status == 200, answer
        return json.loads(answer.body) if answer.body else None

    @property
    def state(self):
        return self.control()

    def requests(self, step):
        """What it was asked for, oldest first."""
        return [one for one in self.state["requests"] if one["step"] == step]

    def set(self, **settings):
        self.control("PUT", "/settings", settings)

    def fault(self, what="none", **members):
        """The next answers are so: see FAULTS in the emulator."""
        self.control("POST", "/faults", {"what": what, **members})

    def release(self):
        self.control("POST", "/release")

    def forget(self):
        self.release()
        self.control("DELETE")

    def secret(self, name):
        return (self.dir / "secrets" / name).read_text().strip()

    def down(self):
        """Nobody listens any more."""
        sandbox.end_processes(self.dir)

    def up(self):
        if not sandbox.running_pid(self.dir):
            kind = ca_server.KINDS[self.server.ca](self.server.dir)
            sandbox.launch(self.dir, kind.ports["http"], environment={
                **os.environ, **self.server.environment,
                **kind.environment()})


@contextlib.contextmanager
def beside(kind, lines, prepare=None, mpm="event", environment=None):
    """A server that several tests share, with such a CA beside it."""
    server = Sandbox(mpm, lines, ca=kind, environment=environment)
    try:
        if prepare:
            prepare(server.dir)
        server.start()
        yield server
    finally:
        server.remove()
