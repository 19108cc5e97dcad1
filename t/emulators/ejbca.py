"""EJBCA's REST API, as far as a gateway before it sees it.

SPDX-License-Identifier: Apache-2.0

  python3 ejbca.py DIR

serves behind the httpd that ca_server.py describes, which speaks TLS, asks
for client certificates and says in headers what it found.  The httpd passes
on /ejbca and /oauth; /control is for the tests and for people who play with
it, on the port of this program alone:

  GET    /control            what it knows and what it was asked
  PUT    /control/settings   members of ejbca_ca.SETTINGS
  POST   /control/faults     {"what": name of FAULTS, "step": "pkcs10enroll",
                             "times": 1, "delay": 0.2, ...}
  DELETE /control/faults     all is well again
  POST   /control/release    what is held goes on
  POST   /control/register   {"username": .., "password": .., "dn": ..}
  POST   /control/expire     no token of the token endpoint is good any more
  DELETE /control            forgets everything, faults and settings too
"""
import base64
import contextlib
import http.server
import json
import os
import pathlib
import sys
import threading
import time
import urllib.parse

from cryptography.hazmat.primitives.serialization import Encoding

from ejbca_ca import Authority, CA_NAME, Refused, der, dn_text

REST = "/ejbca/ejbca-rest-api"
HEALTH = "/ejbca/publicweb/healthcheck/ejbcahealth"
TOKEN = "/oauth/token"
ENROL, REQUEST = "pkcs10enroll", "certificaterequest"
REVISION = "EJBCA 8.2.0.1 Community (mod_scep's emulator)"

NO_CREDENTIALS = ("Error no client certificate or OAuth token received for "
                  "authentication.")
NO_ROLE = ("Administrator is not authorized to resource /administrator. "
           "Msg: .")
DISABLED = ("<html><head><title>Error</title></head><body>This service has "
            "been disabled.</body></html>")

# What may go wrong: "issue" says whether a certificate is made before it.
FAULTS = {
    "none": {},
    "500": {"status": 500, "message": "General failure.", "issue": False},
    "500-issued": {"status": 500, "message": "General failure."},
    "503": {"status": 503, "message": "Device was unavailable.",
            "issue": False},
    "202": {"status": 202, "issue": False, "body": json.dumps({
        "status_code": 202, "info_message": "Add Entity request has been "
        "added for approval by authorized administrators."})},
    "409": {"status": 409, "issue": False, "message": "Failed to generate "
            "certificate due to the new certificate conflicting with an "
            "existing one."},
    "500-bare": {"status": 500, "body": "", "issue": False},
    "html": {"status": 200, "body": "<html>Sign in</html>", "issue": False,
             "type": "text/html"},
    "empty": {"status": 201, "body": ""},
    "array": {"status": 201, "body": "[]"},
    "no-certificate": {"status": 201, "body": "{}"},
    "garbage": {"status": 201, "body": '{"certificate": "TUlJ"}'},
    "endless": {"status": 201, "body": " " * (4 << 20)},
    "cut": {"how": "cut"},
    "close": {"how": "close", "issue": False},
    "close-issued": {"how": "close"},
    "hold": {"hold": True},
    "hang": {"hold": True, "how": "close", "issue": False},
    "hang-issued": {"hold": True, "how": "close"},
    "other-key": {"stray": "other-key"},
    "other-issuer": {"stray": "other-issuer"},
    "pem": {"form": "PEM"},
    "no-chain": {"chain": False},
}


class Answer:
    def __init__(self, status, body, content_type="application/json"):
        self.status = status
        self.body = (body if isinstance(body, bytes) else
                     body.encode() if isinstance(body, str) else
                     json.dumps(body).encode())
        self.type = content_type


def error(status, message):
    return Answer(status, {"error_code": status, "error_message": message})


class Emulator:
    def __init__(self, place):
        options = json.loads((place / "place.json").read_text())
        self.https = "https://127.0.0.1:%d" % options["https"]
        self.authority = Authority(pathlib.Path(options["pki"]),
                                   place / "journal.jsonl")
        self.token = (place / "secrets/token").read_text().strip()
        self.client = "mod-scep", (place / "secrets/client").read_text(
            ).strip()
        self.lock = threading.RLock()
        self.released = threading.Condition(self.lock)
        self.releases = 0
        self.held = 0
        self.tokens = {}
        self.all_tokens = []
        self.faults = []
        self.seen = []
        self.connections = set()
        self.under_way = {}
        self.most_at_once = {}
        self.working = self.most_working = 0

    # -------------------------------------------------------------- control

    def control(self, method, path, body):
        """A test's or a player's wish."""
        given = json.loads(body) if body else {}
        with self.lock:
            if (method, path) == ("GET", ""):
                return Answer(200, self.state())
            if (method, path) == ("PUT", "/settings"):
                unknown = given.keys() - self.authority.settings.keys()
                if unknown:
                    return Answer(400, "unknown: %s" % sorted(unknown))
                self.authority.settings.update(given)
            elif (method, path) == ("POST", "/faults"):
                self.faults.append({"step": ENROL, "times": 1,
                                    **FAULTS[given.pop("what", "none")],
                                    **given})
            elif (method, path) == ("DELETE", "/faults"):
                self.faults.clear()
            elif (method, path) == ("POST", "/release"):
                self.releases += 1
                self.released.notify_all()
            elif (method, path) == ("POST", "/register"):
                self.authority.register(given["username"], given["password"],
                                        given.get("dn"))
            elif (method, path) == ("POST", "/expire"):
                self.tokens.clear()
            elif (method, path) == ("DELETE", ""):
                for known in (self.seen, self.connections, self.faults,
                              self.most_at_once, self.tokens):
                    known.clear()
                self.most_working = self.working
                self.authority.forget()
            else:
                return Answer(404, "no such wish")
        return Answer(200, "")

    def state(self):
        authority = self.authority
        return {
            "settings": authority.settings, "faults": self.faults,
            "requests": self.seen, "held": self.held,
            "connections": len(self.connections),
            "most_at_once": self.most_at_once,
            "most_working": self.most_working,
            "tokens": self.all_tokens,
            "entities": authority.entities,
            "certificates": [
                {"serial": "%X" % one.cert.serial_number,
                 "username": one.username, "binding": one.binding,
                 "dn": dn_text(one.cert.subject)}
                for one in authority.issued],
            "revoked": list(authority.revoked.values()),
        }

    # ------------------------------------------------------------ who calls

    def authenticate(self, headers):
        """EJBCA looks at the certificate first and then at nothing else."""
        name = headers.get("X-Client-CN", "(null)")
        if name != "(null)":
            if name not in self.authority.settings["administrators"]:
                raise Refused(403, NO_ROLE)
            return
        kind, _, token = headers.get("Authorization", "").partition(" ")
        if kind != "Bearer":
            raise Refused(403, NO_CREDENTIALS)
        if token != self.token and self.tokens.get(token, 0) < time.time():
            raise Refused(403, "Authentication failed using OAuth token")

    def give_token(self, headers, body):
        form = urllib.parse.parse_qs(body.decode("latin-1"))
        given = (form.get("client_id", [""])[0],
                 form.get("client_secret", [""])[0])
        kind, _, basic = headers.get("Authorization", "").partition(" ")
        if kind == "Basic":
            user, _, secret = base64.b64decode(basic).decode().partition(":")
            given = urllib.parse.unquote(user), urllib.parse.unquote(secret)
        if given != self.client:
            return Answer(401, {"error": "invalid_client"})
        if form.get("grant_type") != ["client_credentials"]:
            return Answer(400, {"error": "unsupported_grant_type"})
        token, life = os.urandom(64).hex(), \
            self.authority.settings["token_life"]
        with self.lock:
            self.tokens[token] = time.time() + life
            self.all_tokens.append(token)
        return Answer(200, {"access_token": token, "token_type": "Bearer",
                            "expires_in": life})

    # -------------------------------------------------------------- answers

    def answer(self, method, target, headers, body):
        """The answer and what becomes of it on its way; noted for tests."""
        path, _, query = target.partition("?")
        step = self.step_of(path)
        entry = {"step": step, "method": method, "path": path,
                 "query": query, "time": time.time(),
                 "bearer": headers.get("Authorization", "").startswith(
                     "Bearer "),
                 "certificate": headers.get("X-Client-CN", "(null)")}
        with self.lock:
            self.connections.add(headers.get("X-Client-Port"))
            self.seen.append(entry)
            fault = self.take_fault(step)
        with contextlib.suppress(ValueError, AttributeError):
            entry["body"] = json.loads(body)
            entry["body"].pop("certificate_request", None)
        try:
            found = self.serve(step, method, path, query, headers, body,
                               fault)
        except Refused as refused:
            found = error(refused.status, refused.message)
        except Exception as mistake:
            found = error(500, repr(mistake))
            entry["mistake"] = repr(mistake)
        entry["status"] = found.status
        return found, fault.get("how", "whole")

    @staticmethod
    def step_of(path):
        if path == TOKEN:
            return "token"
        if path == HEALTH:
            return "health"
        words = path[len(REST):].split("/")
        if not path.startswith(REST + "/v1/") or len(words) < 3:
            return "elsewhere"
        if words[2] == "ca":
            return words[-1] if len(words) > 3 else "ca"
        return words[-1] if words[2] == "certificate" else "elsewhere"

    def take_fault(self, step):
        for fault in self.faults:
            if fault["step"] in (step, "*") and fault["times"] != 0:
                fault["times"] -= 1
                return dict(fault)
        return {}

    def hold(self):
        with self.lock:
            self.held += 1
            seen = self.releases
            self.released.wait_for(lambda: self.releases != seen)
            self.held -= 1

    @contextlib.contextmanager
    def turn(self, username):
        """Counts who works on one end entity, or at all, at the same time."""
        with self.lock:
            self.working += 1
            self.most_working = max(self.working, self.most_working)
            count = self.under_way.get(username, 0) + 1
            self.under_way[username] = count
            self.most_at_once[username] = max(
                count, self.most_at_once.get(username, 0))
        try:
            yield
        finally:
            with self.lock:
                self.under_way[username] -= 1
                self.working -= 1

    def serve(self, step, method, path, query, headers, body, fault):
        if step == "token":
            if fault.get("hold"):
                self.hold()
            return self.plain(fault) or self.give_token(headers, body)
        if step == "health":
            return Answer(200, "ALLOK", "text/plain")
        if not self.authority.settings["protocol"]:
            return Answer(403, DISABLED, "text/html;charset=ISO-8859-1")
        if ("Sec-Fetch-Mode" in headers or "Sec-Fetch-Dest" in headers) \
                and "X-Keyfactor-Requested-With" not in headers:
            return Answer(403, DISABLED, "text/html;charset=ISO-8859-1")
        if step == "status":
            return Answer(200, {"status": "OK", "version": "1.0",
                                "revision": REVISION})
        serve = self.route(step, method, path)
        if not serve:
            return error(404, "RESTEASY003210: Could not find resource for "
                         "full path: %s%s" % (self.https, path))
        if method == "POST" and headers.get_content_type() \
                != "application/json":
            return error(415, "RESTEASY003065: Cannot consume content type")
        self.authenticate(headers)
        return serve(step, path, urllib.parse.parse_qs(query), body, fault)

    @staticmethod
    def plain(fault):
        """What a fault has it say in place of an answer, if anything."""
        if "body" in fault:
            return Answer(fault["status"], fault["body"],
                          fault.get("type", "application/json"))
        if "message" in fault:
            return error(fault["status"], fault["message"])
        return None

    def route(self, step, method, path):
        words = path.split("/")
        known = {
            ("POST", ENROL, 6): self.serve_order,
            ("POST", REQUEST, 6): self.serve_order,
            ("POST", "search", 6): self.serve_search,
            ("PUT", "revoke", 8): self.serve_revoke,
            ("GET", "revocationstatus", 8): self.serve_revocation_status,
        }
        if self.authority.settings["community"] >= 8.1:
            known.update({
                ("GET", "ca", 5): self.serve_cas,
                ("GET", "download", 8): self.serve_chain,
                ("GET", "getLatestCrl", 7): self.serve_crl,
            })
        return known.get((method, step, len(words)))

    # ------------------------------------------------------------ enrolment

    def serve_order(self, step, path, query, body, fault):
        order = json.loads(body)
        with self.turn(order.get("username")):
            time.sleep(fault.get("delay", 0))
            cert = None
            if fault.get("stray"):
                cert = self.authority.stray(order["certificate_request"],
                                            fault["stray"])
            elif fault.get("issue", True):
                with self.authority.lock:
                    cert = (self.authority.enrol(order) if step == ENROL
                            else self.authority.request(order))
            if fault.get("hold"):
                self.hold()
        return (self.plain(fault)
                or (error(500, "General failure.") if cert is None else
                    Answer(201, self.describe(cert, order, fault))))

    def describe(self, cert, order, fault):
        found = {"certificate": base64.b64encode(der(cert)).decode(),
                 "serial_number": "%X" % cert.serial_number,
                 "response_format": "DER"}
        if fault.get("form") == "PEM":
            # as some front ends have it
            found.update(response_format="PEM", certificate=(
                "-----BEGIN CERTIFICATE-----\n%s-----END CERTIFICATE-----\n"
                % base64.encodebytes(der(cert)).decode()))
        if order.get("include_chain") and fault.get("chain", True):
            found["certificate_chain"] = [
                base64.b64encode(der(one)).decode()
                for one in self.authority.chain]
        return found

    # --------------------------------------------------------------- others

    def serve_search(self, step, path, query, body, fault):
        if fault.get("hold"):
            self.hold()
        answer = self.plain(fault)
        if answer:
            return answer
        with self.authority.lock:
            found, more = self.authority.search(json.loads(body))
        # base64 twice, as EJBCA does by mistake
        return Answer(200, {"certificates": [
            {"certificate": base64.b64encode(base64.b64encode(
                der(one.cert))).decode(),
             "serial_number": "%X" % one.cert.serial_number,
             "response_format": "DER", "certificate_chain": None,
             "certificate_profile": "SCEP-DEVICE",
             "end_entity_profile": "SCEP-EEP"} for one in found],
            "more_results": more})

    @staticmethod
    def names(path):
        """Issuer's DN and serial number of /v1/certificate/DN/SERIAL/x."""
        words = path.split("/")
        return urllib.parse.unquote(words[5]), words[6]

    def revocation(self, issuer, serial, message):
        number = int(serial, 16)
        entry = self.authority.revoked.get(number)
        found = {"issuer_dn": issuer, "serial_number": serial,
                 "revoked": bool(entry), "message": message,
                 "revocation_reason": "NOT_REVOKED"}
        if entry:
            found.update(revocation_reason=entry["reason"],
                         revocation_date=entry["date"])
        return Answer(200, found)

    def serve_revoke(self, step, path, query, body, fault):
        issuer, serial = self.names(path)
        answer = self.plain(fault)
        if answer:
            return answer
        with self.authority.lock:
            self.authority.revoke(issuer, serial,
                                  query.get("reason", [""])[0])
            return self.revocation(issuer, serial, "Successfully revoked")

    def serve_revocation_status(self, step, path, query, body, fault):
        issuer, serial = self.names(path)
        with self.authority.lock:
            self.authority.find(issuer, serial)
            return self.revocation(issuer, serial, "Status")

    def serve_cas(self, step, path, query, body, fault):
        answer = self.plain(fault)
        if answer:
            return answer
        issuing, root = self.authority.chain
        return Answer(200, {"certificate_authorities": [
            {"id": -1207975468 + i, "name": name,
             "subject_dn": dn_text(cert.subject),
             "issuer_dn": dn_text(cert.issuer),
             "expiration_date": cert.not_valid_after.strftime(
                 "%Y-%m-%dT%H:%M:%SZ")}
            for i, (name, cert) in enumerate(
                ((CA_NAME, issuing), ("RootCA", root)))]})

    def check_dn(self, path):
        given = urllib.parse.unquote(path.split("/")[5])
        if given != self.authority.dn:
            raise Refused(404, "CA with DN: '%s' does not exist" % given)

    def serve_chain(self, step, path, query, body, fault):
        self.check_dn(path)
        return Answer(200, b"".join(one.public_bytes(Encoding.PEM)
                                    for one in self.authority.chain),
                      "application/octet-stream")

    def serve_crl(self, step, path, query, body, fault):
        self.check_dn(path)
        answer = self.plain(fault)
        if answer:
            return answer
        with self.authority.lock:
            # null until there is something to say, as before the first CRL
            crl = (base64.b64encode(der(self.authority.crl())).decode()
                   if self.authority.revoked else None)
        return Answer(200, {"crl": crl, "response_format": "DER"})


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def handle_error(self, request, client_address):
        """A client that went away is none of our business."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def serve(self):
        emulator = self.server.emulator
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        how = "whole"
        if self.path.startswith("/control"):
            answer = emulator.control(self.command,
                                      self.path[len("/control"):], body)
        else:
            answer, how = emulator.answer(self.command, self.path,
                                          self.headers, body)
        if how == "close":
            self.close_connection = True
            return
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if how == "cut":
            self.wfile.write(answer.body[:len(answer.body) // 2])
            self.close_connection = True
        else:
            self.wfile.write(answer.body)

    do_GET = do_POST = do_PUT = do_DELETE = serve


def main():
    place = pathlib.Path(sys.argv[1])
    options = json.loads((place / "place.json").read_text())
    server = Server(("127.0.0.1", options["backend"]), Handler)
    server.emulator = Emulator(place)
    server.serve_forever()


if __name__ == "__main__":
    main()
