"""A server that demands Kerberos bound to its certificate, as IIS may.

    epa.py --certificate FILE [--certificate FILE ...] --keytab FILE
           [--clients FILE] [--host ADDRESS] [--port PORT] [--log FILE]

SPDX-License-Identifier: Apache-2.0

Extended Protection: a token must carry the channel binding of the TLS
connection it comes on (RFC 5929, tls-server-end-point).  Prints PORT=n when
it answers.  Where several certificates are given, each new connection shows
the next, as servers behind a load balancer.  --clients demands certificates
of clients, by the issuers in a file.  Every path answers a good token with 200
and what was seen in JSON, but

    /silent   sends no token of its own
    /forged   sends one that proves nothing
    /once     refuses the first token that a connection brings
    /hang-up  closes the connection without an answer
    /last     closes it behind its answer
    /any      takes tokens that are not bound
"""
import argparse
import base64
import hashlib
import http.server
import json
import socketserver
import ssl
import sys
import threading

import gssapi
from cryptography import x509
from gssapi.raw import ChannelBindings, set_neg_mechs

SPNEGO = gssapi.OID.from_int_seq("1.3.6.1.5.5.2")
KRB5 = gssapi.OID.from_int_seq("1.2.840.113554.1.2.2")


def binding(certificate):
    """RFC 5929, computed apart from the client's way."""
    md = certificate.signature_hash_algorithm
    name = md.name if md else "sha256"
    if name in ("md5", "sha1"):
        name = "sha256"
    der = certificate.public_bytes(x509.base.serialization.Encoding.DER)
    return b"tls-server-end-point:" + hashlib.new(name, der).digest()


class Refused(Exception):
    def __init__(self, verdict, token=b""):
        super().__init__(verdict)
        self.token = token


def accept(keytab, token, bound_to):
    """The name of the client, and the token that answers it."""
    answer = None
    try:
        # one that may negotiate: gss-ntlmssp would take part else
        credentials = gssapi.Credentials(
            usage="accept", mechs=[SPNEGO], store={"keytab": keytab})
        set_neg_mechs(credentials, [KRB5])
        context = gssapi.SecurityContext(
            usage="accept", creds=credentials,
            channel_bindings=bound_to and ChannelBindings(
                application_data=bound_to))
        answer = context.step(token)
        # a step that has a token for the client fails only here
        complete = context.complete
    except gssapi.exceptions.BadChannelBindingsError:
        raise Refused("BAD_BINDINGS", answer)
    except gssapi.exceptions.GSSError as error:
        raise Refused("GSS_ERROR " + str(error), answer)
    if not complete:
        raise Refused("INCOMPLETE", answer)
    if context.mech != KRB5:
        raise Refused("NOT_KERBEROS")
    if bound_to and not (context.actual_flags
                         & gssapi.RequirementFlag.channel_bound):
        raise Refused("NOT_BOUND")
    return str(context.initiator_name), answer or b""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        self.served = 0
        self.refused = False

    def log_message(self, *_):
        pass

    def reply(self, status, told, token=None):
        page = json.dumps(told).encode()
        self.send_response(status)
        if status == 401 or token is not None:
            text = base64.b64encode(token or b"").decode()
            self.send_header("WWW-Authenticate",
                             ("Negotiate " + text).strip())
        if self.path == "/last":
            self.send_header("Connection", "close")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def handle_request(self):
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(size)
        self.served += 1
        told = {"path": self.path, "connection": self.request.number,
                "request": self.served, "body": len(body),
                "certificate": self.request.shown}
        shown = self.request.getpeercert()
        if shown:
            told["client"] = shown["subject"][0][0][1]
        status, token = 200, None
        if self.path == "/hang-up":
            self.close_connection = True
            self.server.note({**told, "verdict": "HANG_UP"})
            return
        scheme, _, text = self.headers.get("Authorization", "").partition(" ")
        try:
            if scheme != "Negotiate":
                raise Refused("NO_TOKEN")
            bound_to = self.server.bindings[self.request.shown]
            told["user"], token = accept(
                self.server.keytab, base64.b64decode(text),
                None if self.path == "/any" else bound_to)
            if self.path == "/once" and not self.refused:
                self.refused = True
                raise Refused("ONCE")
            told["verdict"] = "BOUND"
        except Refused as reason:
            status, token = 401, reason.token
            told["verdict"] = str(reason)
        if status == 200 and self.path == "/silent":
            token = None
        if status == 200 and self.path == "/forged":
            token = token[:-8] + bytes(8)
        self.server.note(told)
        self.reply(status, told, token)

    do_GET = do_POST = handle_request


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address, certificates, clients, keytab, log):
        super().__init__(address, Handler)
        self.keytab = keytab
        self.log = log
        self.lock = threading.Lock()
        self.accepted = 0
        self.contexts, self.bindings = [], []
        for path in certificates:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(path)
            if clients:
                context.load_verify_locations(clients)
                context.verify_mode = ssl.CERT_REQUIRED
            self.contexts.append(context)
            with open(path, "rb") as stream:
                self.bindings.append(binding(
                    x509.load_pem_x509_certificate(stream.read())))

    def finish_request(self, request, client_address):
        with self.lock:
            number = self.accepted
            self.accepted += 1
        shown = number % len(self.contexts)
        try:
            tls = self.contexts[shown].wrap_socket(request, server_side=True)
        except (ssl.SSLError, OSError):
            return
        tls.number, tls.shown = number, shown
        try:
            super().finish_request(tls, client_address)
        except OSError:
            pass
        finally:
            tls.close()

    def note(self, told):
        if self.log:
            with self.lock, open(self.log, "a") as stream:
                stream.write(json.dumps(told) + "\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--certificate", action="append", required=True)
    parser.add_argument("--keytab", required=True)
    parser.add_argument("--clients")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log")
    words = parser.parse_args()
    server = Server((words.host, words.port), words.certificate,
                    words.clients, words.keytab, words.log)
    print("PORT=%d" % server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    sys.exit(main())
