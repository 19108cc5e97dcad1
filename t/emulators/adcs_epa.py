"""IIS with Extended Protection before ADCS: Kerberos bound to its certificate.

SPDX-License-Identifier: Apache-2.0

mod_auth_gssapi knows no channel binding, so this takes the place of the httpd
for who comes to its port.
"""
import base64
import ssl
import threading

from cryptography import x509

import ejbca
import epa


class Handler(ejbca.Handler):
    """What the emulator answers, for who has a token that is bound."""

    def serve(self):
        kind, _, text = self.headers.get("Authorization", "").partition(" ")
        verdict, token = "NO_TOKEN", None
        if kind == "Negotiate":
            try:
                user, token = epa.accept(self.server.keytab,
                                         base64.b64decode(text),
                                         self.server.binding)
                verdict = "BOUND"
            except epa.Refused as refused:
                verdict = str(refused)
        self.server.verdicts.append(verdict)
        if verdict != "BOUND":
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.refuse()
            return
        self.token = base64.b64encode(token).decode()
        del self.headers["X-Account"]
        self.headers["X-Account"] = user
        self.headers["X-Client-Port"] = str(self.client_address[1])
        super().serve()

    token = None

    def refuse(self):
        self.token = None
        self.send_response(401)
        self.send_header("WWW-Authenticate", "Negotiate")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def end_headers(self):
        if self.token:
            self.send_header("WWW-Authenticate", "Negotiate " + self.token)
            self.token = None
        super().end_headers()

    do_GET = do_POST = serve


class Server(ejbca.Server):
    def finish_request(self, request, client_address):
        try:
            with self.context.wrap_socket(request, server_side=True) as tls:
                super().finish_request(tls, client_address)
        except (ssl.SSLError, OSError):
            """A client that went away is none of our business."""


def start(emulator, place, port, keytab):
    """Serves in a thread; @return what becomes of its tokens, a list"""
    server = Server(("127.0.0.1", port), Handler)
    server.emulator, server.keytab, server.verdicts = emulator, keytab, []
    server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.context.load_cert_chain(place / "tls/server.pem",
                                   place / "tls/server.key")
    server.binding = epa.binding(x509.load_pem_x509_certificate(
        (place / "tls/server.pem").read_bytes()))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.verdicts
