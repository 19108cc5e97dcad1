"""ADCS by its two interfaces over HTTP, as far as a gateway sees them.

SPDX-License-Identifier: Apache-2.0

  python3 adcs.py DIR

serves CES (adcs_ces.py) and web enrolment (adcs_certsrv.py) behind the httpd
that ca_server.py describes, which authenticates and says in headers whom.
Emulated after public descriptions and other clients: not yet verified on
Windows.  /control is for the tests and for people who play with it, on the
port of this program alone:

  GET    /control            what it knows and what it was asked
  PUT    /control/settings   members of adcs_ca.SETTINGS
  POST   /control/faults     {"what": name of FAULTS, "step": "submit",
                             "times": 1, "delay": 0.2, "hresult": N, ...}
  DELETE /control/faults     all is well again
  POST   /control/release    what is held goes on
  POST   /control/issue      {"id": N}: a pending request
  POST   /control/deny       {"id": N}
  DELETE /control            forgets everything, faults and settings too
"""
import contextlib
import json
import pathlib
import sys
import threading
import time

import adcs_ces
import adcs_certsrv
from adcs_ca import Authority, Refused, account_name
from ejbca import Answer, Handler, Server

HTML_500 = ("<html><head><title>500 - Internal server error.</title></head>"
            "<body><h2>500 - Internal server error.</h2></body></html>")
SIGN_IN = "<html><body><form>Sign in</form></body></html>"

# What may go wrong: "file" says whether the CA gets the request before it.
FAULTS = {
    "none": {},
    "hresult": {"file": False},
    "internal": {"internal": True, "file": False},
    "500": {"status": 500, "body": HTML_500, "file": False},
    "500-filed": {"status": 500, "body": HTML_500},
    "503": {"status": 503, "body": HTML_500, "file": False},
    "404": {"status": 404, "body": HTML_500, "file": False},
    "html": {"status": 200, "body": SIGN_IN, "file": False},
    "html-filed": {"status": 200, "body": SIGN_IN},
    "empty": {"status": 200, "body": ""},
    "garbage": {"status": 200, "body": "\0\1\2 certnew.cer <a><b>"},
    "endless": {"status": 200, "body": " " * (4 << 20)},
    "bomb": {"status": 200, "body": (
        '<!DOCTYPE a [<!ENTITY b "bbbbbbbb"><!ENTITY c "&b;&b;&b;">'
        '<!ENTITY d SYSTEM "file:///etc/passwd">]><a>&c;&d;</a>')},
    "cut": {"how": "cut"},
    "close": {"how": "close", "file": False},
    "close-filed": {"how": "close"},
    "hang": {"hold": True, "how": "close", "file": False},
    "hold": {"hold": True},
    "other-key": {"stray": "other-key"},
    "other-issuer": {"stray": "other-issuer"},
    "upn": {"stray": "upn"},
    "sid": {"stray": "sid"},
    "organization": {"stray": "organization"},
}


class Emulator:
    def __init__(self, place):
        options = json.loads((place / "place.json").read_text())
        self.bases = ["https://127.0.0.1:%d" % options[port]
                      for port in ("https", "bound")]
        self.authority = Authority(pathlib.Path(options["pki"]),
                                   place / "tls")
        self.password = (place / "secrets/password").read_text().strip()
        self.lock = threading.RLock()
        self.released = threading.Condition(self.lock)
        self.releases = 0
        self.held = 0
        self.faults = []
        self.seen = []
        self.connections = set()
        self.verdicts = []
        self.san_attributes = 0

    # -------------------------------------------------------------- control

    def control(self, method, path, body):
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
                self.faults.append({"step": "submit", "times": 1,
                                    **FAULTS[given.pop("what", "none")],
                                    **given})
            elif (method, path) == ("DELETE", "/faults"):
                self.faults.clear()
            elif (method, path) == ("POST", "/release"):
                self.releases += 1
                self.released.notify_all()
            elif (method, path) == ("POST", "/issue"):
                self.authority.issue(given["id"])
            elif (method, path) == ("POST", "/deny"):
                self.authority.deny(given["id"])
            elif (method, path) == ("DELETE", ""):
                for known in (self.seen, self.connections, self.faults,
                              self.verdicts):
                    known.clear()
                self.san_attributes = 0
                self.authority.forget()
            else:
                return Answer(404, "no such wish")
        return Answer(200, "")

    def state(self):
        return {
            "settings": self.authority.settings, "faults": self.faults,
            "requests": self.seen, "held": self.held,
            "connections": len(self.connections),
            "san_attributes": self.san_attributes,
            "verdicts": self.verdicts,
            "filed": [{**one, "csr": None, "cert": None,
                       "serial": one["cert"] and "%x"
                       % one["cert"].serial_number}
                      for one in self.authority.requests.values()],
        }

    # -------------------------------------------------------------- answers

    def answer(self, method, target, headers, body):
        """The answer and what becomes of it on its way; noted for tests."""
        call = Call(self, method, target, headers, body)
        with self.lock:
            self.connections.add(headers.get("X-Client-Port"))
            self.seen.append(call.entry)
        interface = adcs_ces if "_CES_" in target else adcs_certsrv
        try:
            found = interface.serve(call)
        except Exception as mistake:
            found = Answer(500, repr(mistake), "text/plain")
            call.entry["mistake"] = repr(mistake)
        call.entry["status"] = found.status
        return found, call.fault.get("how", "whole")


class Call:
    """One request on its way through an interface."""

    def __init__(self, emulator, method, target, headers, body):
        self.emulator = emulator
        self.authority = emulator.authority
        self.method = method
        self.path, _, self.query = target.partition("?")
        self.headers = headers
        self.body = body
        self.fault = {}
        name = headers.get("X-Client-CN", "(null)")
        self.user = headers.get("X-Account") or (
            name if "ertificate/" in target and name != "(null)"
            else None)
        self.entry = {
            "step": None, "method": method, "path": self.path,
            "query": self.query, "account": self.user and account_name(
                self.user), "user": self.user,
            "scheme": headers.get("Authorization", "").partition(" ")[0],
            "agent": headers.get("User-Agent", "")}

    @property
    def language(self):
        return self.authority.settings["language"]

    def begin(self, step):
        """What is wanted is known; what may go wrong is decided."""
        self.entry["step"] = step
        with self.emulator.lock:
            for fault in self.emulator.faults:
                if fault["step"] in (step, "*") and fault["times"] != 0:
                    fault["times"] -= 1
                    self.fault = dict(fault)
                    break

    def plain(self):
        """What a fault has it say in place of an answer, if anything."""
        if "body" in self.fault:
            return Answer(self.fault["status"], self.fault["body"],
                          self.fault.get("type", "text/html"))
        return None

    def submit(self, blob, template, attributes=()):
        """Hands it to the CA, unless a fault comes first."""
        fault, authority = self.fault, self.authority
        self.entry.update(template=template, attributes=list(attributes))
        time.sleep(fault.get("delay", 0))
        request = None
        with self.emulator.lock:
            self.emulator.san_attributes += sum(
                name.strip().lower() == "san" for name in attributes)
            if fault.get("file", True):
                request = authority.submit(blob, template, self.user)
            if fault.get("stray"):
                request["cert"] = authority.sign(request["csr"],
                                                 fault["stray"])
        self.wait()
        if "hresult" in fault:
            raise Refused(fault["hresult"], fault.get("id"),
                          fault.get("invalid", True))
        return request

    def poll(self, number):
        self.wait()
        if "hresult" in self.fault:
            raise Refused(self.fault["hresult"], self.fault.get("id"),
                          self.fault.get("invalid", True))
        with self.emulator.lock:
            return self.authority.find(number, self.user)

    def wait(self):
        emulator = self.emulator
        if not self.fault.get("hold"):
            return
        with emulator.lock:
            emulator.held += 1
            seen = emulator.releases
            emulator.released.wait_for(lambda: emulator.releases != seen)
            emulator.held -= 1


def main():
    place = pathlib.Path(sys.argv[1])
    options = json.loads((place / "place.json").read_text())
    server = Server(("127.0.0.1", options["backend"]), Handler)
    server.emulator = emulator = Emulator(place)
    if options["keytab"]:
        import adcs_epa
        emulator.verdicts = adcs_epa.start(emulator, place, options["bound"],
                                           options["keytab"])
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()


if __name__ == "__main__":
    main()
