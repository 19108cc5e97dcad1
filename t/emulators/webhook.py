"""A customer's validator and who is notified, over TLS on 127.0.0.1.

SPDX-License-Identifier: Apache-2.0
"""
import base64
import collections
import contextlib
import hashlib
import hmac
import json
import os
import socket
import ssl
import threading

from intune import Answer, Server

CHALLENGE, NOTIFY = "/challenge", "/notify"

Seen = collections.namedtuple("Seen", "path headers raw body status")

ALLOW = {"allow": True}

# What it may say instead of a word about the request.
FAULTS = {
    "500": Answer(500, ALLOW),
    "502": Answer(502, b"<html>Bad Gateway</html>"),
    "503": Answer(503, ALLOW, {"Retry-After": "1"}),
    "429": Answer(429, ALLOW),
    "408": Answer(408, ALLOW),
    "400": Answer(400, ALLOW),
    "401": Answer(401, ALLOW),
    "403": Answer(403, {"allow": False}),
    "404": Answer(404, ALLOW),
    "redirect": Answer(302, ALLOW, {"Location": CHALLENGE}),
    "permanent": Answer(308, ALLOW, {"Location": CHALLENGE}),
    "created": Answer(201, ALLOW),
    "no content": Answer(204),
    "html": Answer(200, b"<html>Sign in</html>",
                   {"Content-Type": "text/html"}),
    "empty": Answer(200, b""),
    "null": Answer(200, b"null"),
    "true": Answer(200, b"true"),
    "array": Answer(200, b'[{"allow": true}]'),
    "missing": Answer(200, {"data": {"allow": True}}),
    "text": Answer(200, {"allow": "true"}),
    "number": Answer(200, {"allow": 1}),
    "nothing": Answer(200, {"allow": None}),
    "object": Answer(200, {"allow": ALLOW}),
    "letters": Answer(200, {"Allow": True}),
    "twice": Answer(200, b'{"allow": true, "allow": true}'),
    "behind": Answer(200, b'{"allow": true} {"allow": true}'),
    "deep": Answer(200, b'{"allow": true, "data": ' + b"[" * 30000),
    "utf-16": Answer(200, json.dumps(ALLOW).encode("utf-16")),
    "endless": Answer(200, b'{"allow": true}' + b" " * (1 << 20)),
    "cut": Answer(200, b'{"allow": true}' + b" " * 20, how="cut"),
    "hang": Answer(200, ALLOW, how="hang"),
    "close": Answer(200, ALLOW, how="close"),
}

# Right, but it takes its time.
SLOW = Answer(200, ALLOW, how="slow")


class CountingServer(Server):
    def get_request(self):
        self.emulator.accepted += 1
        return super().get_request()


class Validator:
    """Knows challenges, each good for one device, as often as it asks."""

    def __init__(self, cert_file, key_file, client_ca=None):
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(cert_file, key_file)
        if client_ca:
            self.tls.load_verify_locations(client_ca)
            self.tls.verify_mode = ssl.CERT_REQUIRED
        self.id = "7d3c64dc-ec0e-4a0f"
        self.key = os.urandom(32)
        self.authorization = None
        self.lock = threading.RLock()
        self.released = threading.Event()
        self.accepted = 0
        self.known = {}
        self.faults = {}
        self.seen = []
        self.malformed = []
        self.server = None
        self.port = 0
        self.up()

    # ------------------------------------------------------------- its life

    def up(self):
        self.released.clear()
        self.server = CountingServer(self, self.port)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever,
                         kwargs={"poll_interval": 0.02}, daemon=True).start()

    def down(self):
        """Nobody listens any more, and open connections end."""
        if self.server is None:
            return
        self.released.set()
        self.server.shutdown()
        self.hang_up()
        self.server.server_close()
        self.server = None

    def hang_up(self):
        for connection in list(self.server.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    @property
    def url(self):
        return "https://127.0.0.1:%d" % self.port

    # ------------------------------------------------- what the tests change

    def fault(self, path, what, times=None):
        """The path answers so, `times` times or for good; None: no more."""
        with self.lock:
            self.faults[path] = ([FAULTS.get(what, what), times]
                                 if what is not None else None)

    def release(self):
        """Ends the requests that hang."""
        self.released.set()

    def issue(self, refusal=None):
        """A challenge; refusal: the member error of what it says to it."""
        challenge = os.urandom(16).hex()
        with self.lock:
            self.known[challenge] = refusal
        return challenge

    # -------------------------------------------------- what the tests see

    def requests(self, path):
        with self.lock:
            return [seen for seen in self.seen if seen.path == path]

    # -------------------------------------------------------------- answers

    def answer(self, method, path, headers, raw):
        answer = Answer(404, b"not here")
        body = None
        with self.lock:
            set_for = self.faults.get(path)
            if set_for and set_for[1] != 0:
                if set_for[1] is not None:
                    set_for[1] -= 1
                answer = set_for[0]
            else:
                set_for = None
        try:
            body = self.check(method, headers, raw)
            if not set_for:
                answer = Answer(200, self.judge(body)
                                if path == CHALLENGE else {})
        except (AssertionError, KeyError, ValueError) as fault:
            self.malformed.append(repr(fault))
            answer = Answer(401, b"no")
        with self.lock:
            self.seen.append(Seen(path, headers, raw, body, answer.status))
        return answer

    def check(self, method, headers, raw):
        assert method == "POST"
        assert headers["Content-Type"] == "application/json"
        assert headers["X-Smallstep-Webhook-ID"] == self.id
        assert len(headers["X-Request-Id"]) == 32
        assert headers.get("Expect") is None
        assert headers.get("Authorization") == self.authorization
        assert headers["X-Smallstep-Signature"] == hmac.new(
            self.key, raw, hashlib.sha256).hexdigest()
        return json.loads(raw)

    def judge(self, body):
        challenge = body["scepChallenge"]
        raw = base64.b64decode(body["x509CertificateRequest"]["raw"],
                               validate=True)
        assert challenge.encode() in raw
        if challenge not in self.known:
            return {"allow": False}
        refusal = self.known[challenge]
        return ALLOW if refusal is None else {"allow": False,
                                              "error": refusal}
