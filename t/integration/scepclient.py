"""HTTP requests to a SCEP endpoint, by a client or octet by octet.

SPDX-License-Identifier: Apache-2.0
"""
import base64
import http.client
import os
import socket
import urllib.parse

from pkimessage import Request
from pki import certificate, name
from certrep import CertRep, Identity, read_degenerate

# Under Valgrind everything takes its time
PATIENCE = float(os.environ.get("SCEP_HTTPD_WAIT", "30"))


class Response:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def __repr__(self):
        return "<%s %s %r>" % (self.status, self.headers.get("content-type"),
                               self.body[:200])


def read_response(stream, method="GET"):
    response = http.client.HTTPResponse(stream, method=method)
    response.begin()
    body = response.read()
    headers = {}
    for key, value in response.getheaders():
        headers[key.lower()] = value
    return Response(response.status, headers, body)


def raw(port, data, method="GET", timeout=PATIENCE, close=False):
    """Sends octets as they are; the response, or None where there is none."""
    with socket.create_connection(("127.0.0.1", port), timeout) as stream:
        try:
            stream.sendall(data)
            if close:
                stream.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass
        try:
            return read_response(stream, method)
        except (http.client.BadStatusLine, ConnectionResetError):
            return None


def request(url, method="GET", body=None, headers=None, context=None):
    """One request, no redirect followed."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(
            parts.hostname, parts.port, timeout=PATIENCE, context=context)
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port,
                                                timeout=PATIENCE)
    target = parts.path + ("?" + parts.query if parts.query else "")
    try:
        connection.request(method, target, body, headers or {})
        response = connection.getresponse()
        found = {key.lower(): value for key, value in response.getheaders()}
        return Response(response.status, found, response.read())
    finally:
        connection.close()


def get_message(data):
    """base64 with everything that is not a letter or digit escaped."""
    return urllib.parse.quote(base64.b64encode(data).decode(), safe="")


class Endpoint:
    """A SCEP URL with the forms of reply that its profile is set to."""

    def __init__(self, url, context=None, **forms):
        self.url = url
        self.context = context
        self.forms = forms
        self._identity = None

    def get(self, query):
        url = self.url + ("?" + query if query is not None else "")
        return request(url, context=self.context)

    def caps(self):
        response = self.get("operation=GetCACaps")
        assert response.status == 200, response
        return response.body.decode("ascii").split()

    def ca_certificates(self):
        response = self.get("operation=GetCACert&message=x")
        assert response.status == 200, response
        if response.headers["content-type"] == "application/x-x509-ca-cert":
            return [response.body]
        assert response.headers["content-type"] == \
            "application/x-x509-ca-ra-cert"
        return read_degenerate(response.body)

    @property
    def identity(self):
        if self._identity is None:
            self._identity = Identity(self.ca_certificates())
        return self._identity

    @identity.setter
    def identity(self, value):
        self._identity = value

    def request(self, key, csr_der, signer=None, **members):
        """A Request to this endpoint with members set."""
        if signer is None:
            signer = certificate(key, name(("CN", "signer")))
        message = Request(key, csr_der, signer,
                          [self.identity.encrypt_cert])
        for member, value in members.items():
            assert hasattr(message, member), member
            setattr(message, member, value)
        return message

    def post(self, data, content_type="application/x-pki-message", **headers):
        fields = {"Content-Type": content_type} if content_type else {}
        fields.update(headers)
        return request(self.url + "?operation=PKIOperation", "POST", data,
                       fields, self.context)

    def send(self, message, method="POST", data=None):
        """Sends a Request and reads the CertRep."""
        data = message.build() if data is None else data
        if method == "POST":
            response = self.post(data)
        else:
            response = self.get("operation=PKIOperation&message="
                                + get_message(data))
        return self.read(response, message)

    def read(self, response, message):
        assert response.status == 200, response
        assert response.headers["content-type"] == \
            "application/x-pki-message", response
        assert int(response.headers["content-length"]) == len(response.body)
        return CertRep(response.body, message, self.identity, **self.forms)
