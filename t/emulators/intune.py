"""Microsoft's side of Intune's SCEP validation, as far as a gateway sees it:
login, Graph, and ScepRequestValidationFEService, over TLS on 127.0.0.1.

SPDX-License-Identifier: Apache-2.0

What each serves is what the vendor's own clients ask for
(github.com/microsoft/Intune-Resource-Access, src/CsrValidation).
"""
import base64
import collections
import contextlib
import http.server
import json
import os
import re
import socket
import ssl
import threading
import time
import urllib.parse
import uuid

from asn1crypto import csr as asn1_csr

INTUNE_APP = "0000000a-0000-0000-c000-000000000000"
SERVICE = "ScepRequestValidationFEService"
API_VERSION = "2018-02-20"
INTUNE_SCOPE = "https://api.manage.microsoft.com//.default"

CODES = """Unknown CertificateRequestDecodingFailed ChallengePasswordMissing
ChallengeDeserializationError ChallengeDecryptionError ChallengeDecodingError
ChallengeInvalidTimestamp ChallengeExpired SubjectNameMissing
SubjectNameMismatch SubjectAltNameMissing SubjectAltNameMismatch
KeyUsageMismatch KeyLengthMismatch EnhancedKeyUsageMissing
EnhancedKeyUsageMismatch AadKeyIdentifierListMissing RegisteredKeyMismatch
SigningCertThumbprintMismatch ScepProfileNoLongerTargetedToTheClient
SignatureValidationFailed BadCertificateRequestIdInChallenge
BadDeviceIdInChallenge BadUserIdInChallenge""".split()

# the steps that a fault can be set for
TOKEN, GRAPH = "token", "graph"
VALIDATE = "validateRequest"
SUCCESS, FAILURE = "successNotification", "failureNotification"

Seen = collections.namedtuple("Seen", "step headers body status")


class Answer(Exception):
    """What a step says instead of carrying on."""

    def __init__(self, status, body=b"", headers=None, how="whole"):
        super().__init__(status)
        self.status = status
        self.body = (json.dumps(body).encode() if isinstance(body, dict)
                     else body)
        self.headers = {"Content-Type": "application/json", **(headers or {})}
        self.how = how


def code(name, description=""):
    return Answer(200, {"code": name, "errorDescription": description})


FAULTS = {
    "500": Answer(500, {"error": "server_error"}),
    "503": Answer(503, b"busy", {"Retry-After": "1"}),
    "html": Answer(200, b"<html>Sign in</html>",
                   {"Content-Type": "text/html"}),
    "empty": Answer(200, b""),
    "array": Answer(200, b"[]"),
    "other": Answer(200, {"value": "of something else", "code": 0}),
    "endless": Answer(200, b" " * (2 << 20)),
    "cut": Answer(200, {"code": "Success"}, how="cut"),
    "hang": Answer(200, {"code": "Success"}, how="hang"),
    "close": Answer(200, how="close"),
}

# Right, but it takes its time.
SLOW = Answer(200, {"code": "Success", "errorDescription": ""}, how="slow")


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, emulator, port):
        self.emulator = emulator
        self.connections = set()
        super().__init__(("127.0.0.1", port), Handler)

    def get_request(self):
        connection, address = self.socket.accept()
        # The handshake belongs to the thread of the connection.
        connection = self.emulator.tls.wrap_socket(
            connection, server_side=True, do_handshake_on_connect=False)
        self.connections.add(connection)
        return connection, address

    def shutdown_request(self, request):
        self.connections.discard(request)
        with contextlib.suppress(OSError):
            super().shutdown_request(request)

    def handle_error(self, request, client_address):
        """A client that went away is none of our business."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def serve(self):
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        self.send(self.server.emulator.answer(
            self.command, self.path, self.headers, body))

    do_GET = do_POST = serve

    def send(self, answer):
        if answer.how == "slow":
            time.sleep(1)
        if answer.how == "hang":
            self.server.emulator.released.wait()
        if answer.how in ("hang", "close"):
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if answer.how == "cut":
            self.wfile.write(answer.body[:len(answer.body) // 2])
            self.close_connection = True
        else:
            self.wfile.write(answer.body)


class Emulator:
    """One tenant with one registered application."""

    def __init__(self, cert_file, key_file, tenant="example.onmicrosoft.com"):
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(cert_file, key_file)
        self.tenant = tenant
        self.client = str(uuid.uuid4())
        self.secret = os.urandom(20).hex()
        self.lock = threading.RLock()
        self.released = threading.Event()
        self.shard = "shard1"
        self.token_life = 3600
        self.tokens = {}
        self.all_tokens = []
        self.challenges = {}
        self.faults = {}
        self.seen = []
        self.malformed = []
        self.server = None
        self.port = 0
        self.up()

    # ------------------------------------------------------------- its life

    def up(self):
        self.released.clear()
        self.server = Server(self, self.port)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever,
                         kwargs={"poll_interval": 0.02}, daemon=True).start()

    def down(self):
        """Nobody listens any more, and open connections end."""
        if self.server is None:
            return
        self.released.set()
        self.server.shutdown()
        for connection in list(self.server.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.server.server_close()
        self.server = None

    @property
    def url(self):
        return "https://127.0.0.1:%d" % self.port

    # ------------------------------------------------- what the tests change

    def fault(self, step, what, times=None):
        """The step answers so, for the next `times` requests or for good.

        what: a key of FAULTS, an Answer, or None for no fault any more
        """
        with self.lock:
            self.faults[step] = ([FAULTS.get(what, what), times]
                                 if what is not None else None)

    def release(self):
        """Ends the requests that hang."""
        self.released.set()

    def move(self, shard):
        """The service is elsewhere from now on."""
        with self.lock:
            self.shard = shard

    def expire_tokens(self):
        with self.lock:
            self.tokens.clear()

    def issue(self, subject=None, life=3600):
        """A challenge as a device gets it; hexadecimal, for the leak check
        of the tests, where the real one is base64."""
        challenge = os.urandom(1500).hex()
        with self.lock:
            self.challenges[challenge] = {
                "expires": time.time() + life, "subject": subject,
                "used": False}
        return challenge

    # -------------------------------------------------- what the tests see

    def requests(self, step):
        with self.lock:
            return [seen for seen in self.seen if seen.step == step]

    def notified(self, step):
        """Notifications that were taken, by transactionId."""
        return [seen.body["notification"] for seen in self.requests(step)
                if seen.status == "Success"]

    # -------------------------------------------------------------- answers

    def answer(self, method, path, headers, body):
        step, serve = self.route(method, path)
        status = None
        try:
            with self.lock:
                set_for = self.faults.get(step)
                if set_for and set_for[1] != 0:
                    if set_for[1] is not None:
                        set_for[1] -= 1
                    raise set_for[0]
                found = self.judge(serve, headers, body)
            status = found.get("code")
            raise Answer(200, found)
        except Answer as answer:
            with self.lock:
                self.seen.append(Seen(step, dict(headers), parse(body),
                                      status or answer.status))
            return answer

    def judge(self, serve, headers, body):
        """What is malformed, the tests hear of: a client must not send it."""
        try:
            return serve(headers, body)
        except (AssertionError, KeyError, ValueError) as fault:
            self.malformed.append(repr(fault))
            raise Answer(400, {"error": {"code": "BadRequest"}}) from fault

    def route(self, method, path):
        login = "/%s/oauth2/v2.0/token" % self.tenant
        graph = "/v1.0/servicePrincipals/appId=%s/endpoints" % INTUNE_APP
        action = re.fullmatch("/%s/ScepActions/(%s|%s|%s)"
                              % (self.shard, VALIDATE, SUCCESS, FAILURE),
                              path)
        if method == "POST" and path == login:
            return TOKEN, self.serve_token
        if method == "GET" and path == graph:
            return GRAPH, self.serve_graph
        if method == "POST" and action:
            return action[1], lambda headers, body: self.serve_action(
                action[1], headers, body)
        return "elsewhere", self.serve_nothing

    @staticmethod
    def serve_nothing(headers, body):
        raise Answer(404, b"not here", {"Content-Type": "text/plain"})

    def serve_token(self, headers, body):
        form = urllib.parse.parse_qs(body.decode(), strict_parsing=True)
        wanted = {"grant_type": ["client_credentials"],
                  "client_id": [self.client], "client_secret": [self.secret],
                  "scope": form.get("scope")}
        scopes = ([INTUNE_SCOPE], [self.url + "/.default"])
        if form != wanted or form["scope"] not in scopes \
                or headers["Content-Type"] != \
                "application/x-www-form-urlencoded":
            raise Answer(401, {
                "error": "invalid_client",
                "error_description": "AADSTS7000215: Invalid client secret "
                "provided: " + form.get("client_secret", ["none"])[0]})
        token = os.urandom(600).hex()
        self.tokens[token] = (form["scope"][0],
                              time.time() + self.token_life)
        self.all_tokens.append(token)
        return {"token_type": "Bearer", "expires_in": self.token_life,
                "ext_expires_in": self.token_life, "access_token": token}

    def check_token(self, headers, scope):
        kind, _, token = headers.get("Authorization", "").partition(" ")
        known, expires = self.tokens.get(token, (None, 0))
        if kind != "Bearer" or known != scope or expires < time.time():
            raise Answer(401, {"error": {"code": "InvalidAuthenticationToken",
                                         "message": "expired"}})
        uuid.UUID(headers["client-request-id"])

    def serve_graph(self, headers, body):
        self.check_token(headers, self.url + "/.default")
        endpoint = {"capability": "Endpoint", "providerId": str(uuid.uuid4())}
        return {"value": [
            {**endpoint, "providerName": "PkiConnectorFEService",
             "uri": self.url + "/elsewhere"},
            {**endpoint, "providerName": SERVICE,
             "uri": "%s/%s" % (self.url, self.shard)}]}

    def serve_action(self, action, headers, body):
        self.check_token(headers, INTUNE_SCOPE)
        if headers["api-version"] != API_VERSION \
                or headers["Content-Type"] != "application/json":
            raise Answer(400, {"error": {"code": "BadRequest"}})
        content = json.loads(body)
        (outer, inner), = content.items()
        assert outer == ("request" if action == VALIDATE else "notification")
        assert inner["transactionId"] and inner["callerInfo"]
        challenge, subject = read_csr(inner["certificateRequest"])
        known = self.challenges.get(challenge)
        if known is None:
            raise code("ChallengeDecodingError")
        if action == VALIDATE:
            self.validate(known, subject)
        elif action == SUCCESS:
            check_success(inner)
            known["used"] = True
        else:
            check_failure(inner)
        return {"code": "Success", "errorDescription": ""}

    @staticmethod
    def validate(known, subject):
        if known["expires"] < time.time():
            raise code("ChallengeExpired", "The challenge has expired")
        if known["used"]:
            raise code("BadCertificateRequestIdInChallenge",
                       "The request is complete already")
        if known["subject"] not in (None, subject):
            raise code("SubjectNameMismatch", "The subject is another one")


def parse(body):
    """A body as JSON or form, for the tests."""
    try:
        return json.loads(body)
    except ValueError:
        return urllib.parse.parse_qs(body.decode("latin-1"))


def read_csr(text):
    """The challenge in a PKCS#10, and its subject."""
    try:
        request = asn1_csr.CertificationRequest.load(
            base64.b64decode(text, validate=True), strict=True)
        info = request["certification_request_info"]
        subject = info["subject"].human_friendly
        attributes = {entry["type"].native: entry["values"]
                      for entry in info["attributes"]}
    except ValueError:
        raise code("CertificateRequestDecodingFailed") from None
    if "challenge_password" not in attributes:
        raise code("ChallengePasswordMissing")
    return attributes["challenge_password"][0].native, subject


def check_success(inner):
    assert set(inner) == {
        "transactionId", "certificateRequest", "callerInfo",
        "certificateThumbprint", "certificateSerialNumber",
        "certificateExpirationDateUtc", "issuingCertificateAuthority",
        "caConfiguration", "certificateAuthority"}, inner
    assert re.fullmatch("[0-9A-F]{40}", inner["certificateThumbprint"])
    assert re.fullmatch("([0-9A-F]{2})+", inner["certificateSerialNumber"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",
                        inner["certificateExpirationDateUtc"])


def check_failure(inner):
    assert set(inner) == {"transactionId", "certificateRequest", "callerInfo",
                          "hResult", "errorDescription"}, inner
    assert -1 << 31 <= inner["hResult"] < 0
    assert 0 < len(inner["errorDescription"]) <= 255
