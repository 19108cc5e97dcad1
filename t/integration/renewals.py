"""Devices that renew, and the CRLs and OCSP responses that judge them.

SPDX-License-Identifier: Apache-2.0
"""
import contextlib
import datetime
import http.server
import pathlib
import subprocess
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp

import gateway
import pki
from gateway import make_csr, wait_until
from pki import name
from pkimessage import BAD_REQUEST, FAILURE

RENEWAL_REQ = "17"
DEVICE = name(("CN", "device"))
SANS = (pki.dns("a.example"), pki.dns("b.example"))
# what the log says where a device has to come again
PUT_OFF = "SCEP0104.*verifier-down"

PROFILE = """\
<ScepProfile {name}>
    ScepCA {ca}
    ScepRACertificate pki/ra.pem
    ScepRAKey pki/ra.key
    {lines}
</ScepProfile>
<Location "/p/{name}/pkiclient.exe">
    SetHandler scep
    ScepProfile {name}
    Require all granted
</Location>
"""


def profile(name_, lines, ca="issuing"):
    return PROFILE.format(name=name_, lines=lines, ca=ca)


def start(lines, **options):
    """A server whose PKI is there before its configuration needs it.

    lines: or what makes them, given the server."""
    sandbox = gateway.Sandbox(**options)
    try:
        if callable(lines):
            sandbox.start()
            sandbox.stop()
        sandbox.lines = lines(sandbox) if callable(lines) else lines
        sandbox.start()
    except BaseException:
        sandbox.remove()
        raise
    return sandbox


class Device:
    """A device with its first certificate."""

    def __init__(self, server, keys, profile="renew", challenge=None,
                 sans=SANS):
        self.server = server
        self.keys = keys
        self.endpoint = server.endpoint(profile)
        self.key = keys.rsa()
        csr = make_csr(self.key, challenge or server.challenge(profile),
                       DEVICE, sans)
        reply = self.endpoint.send(self.endpoint.request(
            self.key, csr, keys.signer()))
        reply.check_issued(self.key)
        self.certificate = reply.certificates[0]

    @property
    def x509(self):
        return x509.load_der_x509_certificate(self.certificate)

    @property
    def serial(self):
        return self.x509.serial_number

    def post(self, profile=None, number=1, challenge=None, subject=DEVICE,
             sans=SANS, key=None, certificate=None, same_key=False,
             **members):
        """Asks for the next one: the answer as it came, what reads it."""
        endpoint = (self.server.endpoint(profile) if profile
                    else self.endpoint)
        self.new_key = self.key if same_key else self.keys.rsa(number=number)
        csr = make_csr(self.new_key, challenge, subject, sans)
        members.setdefault("message_type", RENEWAL_REQ)
        message = endpoint.request(key or self.key, csr,
                                   certificate or self.certificate, **members)
        return endpoint, message, endpoint.post(message.build())

    def renew(self, *words, **members):
        endpoint, message, response = self.post(*words, **members)
        return endpoint.read(response, message)

    def adopt(self, reply):
        """Goes on with what it got."""
        reply.check_issued(self.new_key)
        self.key, self.certificate = self.new_key, reply.certificates[0]

    def is_put_off(self, reason, *words, **members):
        """503: nobody can tell now, and the device comes again."""
        self.server.log.expect(PUT_OFF)
        *_, response = self.post(*words, **members)
        assert response.status == 503, response
        assert int(response.headers["retry-after"]) > 0
        assert reason in self.server.log.outcomes()[-1].text, \
            self.server.log.raw()

    def is_refused(self, reason, *words, **members):
        refused(self.renew(*words, **members), self.server, reason)


def refused(reply, server, reason):
    assert (reply.status, reply.fail_info) == (FAILURE, BAD_REQUEST)
    assert reason in server.log.outcomes()[-1].text, server.log.raw()


# ------------------------------------------------------------------ CRLs

def issuer_of(directory, key="issuing"):
    issuer = x509.load_pem_x509_certificate(
        (directory / "pki/issuing.pem").read_bytes())
    signer = serialization.load_pem_private_key(
        (directory / ("pki/%s.key" % key)).read_bytes(), None)
    return issuer, signer


def make_crl(directory, *serials, life=86400, age=2 * 86400, key="issuing"):
    """A CRL of the sandbox's issuing CA; life and age are seconds from now."""
    issuer, signer = issuer_of(directory, key)
    now = datetime.datetime.utcnow()
    builder = x509.CertificateRevocationListBuilder().issuer_name(
        issuer.subject).last_update(
            now - datetime.timedelta(seconds=age)).next_update(
                now + datetime.timedelta(seconds=life))
    for serial in serials:
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder().serial_number(
                serial).revocation_date(now).build())
    return builder.sign(signer, hashes.SHA256())


def write_crl(directory, *serials, encoding=serialization.Encoding.PEM,
              **members):
    """The same, put in place at once."""
    new = directory / "crl.new"
    new.write_bytes(make_crl(directory, *serials,
                             **members).public_bytes(encoding))
    new.chmod(0o644)
    new.rename(directory / "crl.pem")


# ------------------------------------------------------- who publishes them

class Publisher:
    """A web server with what the CA publishes, right or wrong.

    answers: PATH to octets, to a number (the status), or to None: nothing
    is ever answered.
    """

    def __init__(self):
        publisher = self
        self.answers = {}
        self.asked = []
        self.release = threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                length = int(self.headers.get("Content-Length", 0))
                body = self.rfile.read(length)
                publisher.asked.append(self.path)
                answer = publisher.answers.get(self.path, 404)
                if callable(answer):
                    answer = answer(body)
                if answer is None:
                    publisher.release.wait()
                    return
                if isinstance(answer, int):
                    self.send_error(answer)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_POST = do_GET

            def log_message(self, *words):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0),
                                                      Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    @property
    def url(self):
        return "http://127.0.0.1:%d" % self.server.server_port

    def count(self, path):
        return self.asked.count(path)

    def close(self):
        self.release.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


# ------------------------------------------------------------------ OCSP

def ocsp_response(directory, request, status="good", age=60, life=3600,
                  key="issuing"):
    """What a responder says; request: octets, or the certificate."""
    issuer, _ = issuer_of(directory)
    _, signer = issuer_of(directory, key)
    responder = x509.load_pem_x509_certificate(
        (directory / ("pki/%s.pem" % key)).read_bytes())
    asked = ocsp.load_der_ocsp_request(request)
    now = datetime.datetime.utcnow()
    revoked = now if status == "revoked" else None
    # the builder wants a certificate; its serial number is what counts
    stand_in = x509.CertificateBuilder().subject_name(
        issuer.subject).issuer_name(issuer.subject).public_key(
            issuer.public_key()).serial_number(
                asked.serial_number).not_valid_before(
                    now).not_valid_after(
                        now + datetime.timedelta(days=1)).sign(
                            signer, hashes.SHA256())
    builder = ocsp.OCSPResponseBuilder().add_response(
        cert=stand_in, issuer=issuer, algorithm=hashes.SHA1(),
        cert_status={"good": ocsp.OCSPCertStatus.GOOD,
                     "revoked": ocsp.OCSPCertStatus.REVOKED}[status],
        this_update=now - datetime.timedelta(seconds=age),
        next_update=now + datetime.timedelta(seconds=life),
        revocation_time=revoked, revocation_reason=None).responder_id(
            ocsp.OCSPResponderEncoding.HASH, responder).certificates(
                [responder])
    return builder.sign(signer, hashes.SHA256()).public_bytes(
        serialization.Encoding.DER)


class Responder:
    """openssl ocsp, with an index of its own."""

    def __init__(self, server, signer="issuing", *options):
        self.dir = server.dir
        self.index = self.dir / ("index-%s.txt" % signer)
        self.index.write_text("")
        self.options = [
            "-index", self.index, "-CA", self.dir / "pki/issuing.pem",
            "-rsigner", self.dir / ("pki/%s.pem" % signer),
            "-rkey", self.dir / ("pki/%s.key" % signer), *options]
        self.port = gateway.free_port()
        self.process = None
        self.rows = {}

    @property
    def url(self):
        return "http://127.0.0.1:%d" % self.port

    def start(self):
        self.log = open(str(self.index) + ".log", "ab")
        self.process = subprocess.Popen(
            ["openssl", "ocsp", "-port", str(self.port),
             *map(str, self.options)], stdin=subprocess.DEVNULL,
            stdout=self.log, stderr=self.log)
        wait_until(self.listens)

    def listens(self):
        assert self.process.poll() is None, \
            pathlib.Path(str(self.index) + ".log").read_text()
        return any(
            line.split()[1].endswith(":%04X" % self.port)
            and line.split()[3] == "0A"
            for table in ("/proc/net/tcp", "/proc/net/tcp6")
            for line in pathlib.Path(table).read_text().splitlines()[1:])

    def knows(self, device, revoked=False):
        """Has it say so of a certificate."""
        serial = "%X" % device.serial
        serial = serial if len(serial) % 2 == 0 else "0" + serial
        self.rows[serial] = ("R\t390101000000Z\t240101000000Z"
                             if revoked else "V\t390101000000Z\t")
        self.stop()
        self.index.write_text("".join(
            "%s\t%s\tunknown\t/CN=%s\n" % (row, number, number)
            for number, row in self.rows.items()))
        self.start()

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait()
            self.log.close()
            self.process = None


@contextlib.contextmanager
def running(responder):
    responder.start()
    try:
        yield responder
    finally:
        responder.stop()
