"""HTTP: URLs, methods, operations, base64, statuses (C-1 to C-12, R-1 to R-9).

SPDX-License-Identifier: Apache-2.0
"""
import base64
import http.client
import json
import re
import socket
import subprocess
import urllib.parse

import pytest

import certrep
import pkimessage
import scepclient
from gateway import make_csr
from pkimessage import SUCCESS
from scepclient import get_message

PKI_MESSAGE = "application/x-pki-message"


def head(method, target, *fields, version="1.1", host=True):
    lines = ["%s %s HTTP/%s" % (method, target, version)]
    if host:
        lines.append("Host: 127.0.0.1")
    lines += [*fields, "", ""]
    return "\r\n".join(lines).encode()


@pytest.fixture
def message(server, keys):
    """A good request of the default profile and how it is read."""
    def make(**members):
        endpoint = server.endpoint()
        csr_der = make_csr(keys.rsa(), server.challenge())
        built = endpoint.request(keys.rsa(), csr_der, keys.signer(),
                                 **members)
        return endpoint, built
    return make


def refused(log, response, status, pattern):
    """A 4xx in plain words, and one line in the log."""
    assert response.status == status, response
    lines = [line for line in log.outcomes() if "refused" in line.text]
    assert len(lines) == 1, [line.raw for line in lines]
    assert re.search(pattern, lines[0].text), lines[0].raw
    assert re.search(r"SCEP\d{4}: refused", lines[0].text)


# ------------------------------------------------------------------- paths

@pytest.mark.parametrize("suffix", [
    "/scep", "/scep/", "/scep/x", "/scep/x/", "/scep/x/pkiclient.exe",
    "/scep/pkiclient.exe/", "/cgi-bin/pkiclient.exe", "/scep/a%20b",
    "/certsrv/mscep/mscep.dll", "/certsrv/mscep/mscep.dll/pkiclient.exe"])
def test_c01_r03_any_path_below_the_endpoint(server, suffix):
    endpoint = server.endpoint(path=suffix)
    assert "AES" in endpoint.caps()
    assert endpoint.ca_certificates()


def test_q20_a_deep_path_enrols(enrol, keys):
    reply = enrol(path="/scep/any/where/pkiclient.exe")
    reply.check_issued(keys.rsa())


def test_c12_no_redirects(server):
    for path in ("/scep", "/scep/", "/p/absent", "/p/absent/"):
        response = scepclient.request(server.base + path
                                      + "?operation=GetCACaps")
        assert response.status == 200, path


def test_outside_the_endpoint_nothing_answers(server, log):
    log.expect("AH01630")
    for path in ("/sce", "/other?operation=GetCACaps"):
        assert scepclient.request(server.base + path).status in (403, 404)


def test_require_rules_the_endpoint(server, log):
    log.expect("AH01630")
    response = scepclient.request(server.base
                                  + "/denied?operation=GetCACaps")
    assert response.status == 403


# -------------------------------------------------------------- operations

@pytest.mark.parametrize("operation", [
    "", "getcacaps", "GETCACERT", "pkioperation", "GetCACaps2", "%00",
    "PKIOperation%00", "%3Cscript%3E", "x" * 3000])
def test_c02_unknown_operation_is_400(server, log, operation):
    response = server.endpoint().get("operation=" + operation)
    refused(log, response, 400, "operation")
    assert response.headers["content-type"].startswith("text/plain")
    assert b"<script>" not in response.body


@pytest.mark.parametrize("query", [None, "", "message=AAAA", "&&&", "=",
                                   "operation"])
def test_c02_get_without_operation_is_400(server, log, query):
    refused(log, server.endpoint().get(query), 400, "operation")


def test_c02_post_without_operation_is_pkioperation(message):
    for query in ("", "?", "?operation=", "?message=x"):
        endpoint, built = message()
        response = scepclient.request(endpoint.url + query, "POST",
                                      built.build(), {})
        assert endpoint.read(response, built).status == SUCCESS, query


def test_r04_post_with_another_operation_is_no_enrolment(message, log):
    endpoint, built = message()
    for operation in ("GetCACert", "GetCACaps", "nonsense"):
        response = scepclient.request(
            endpoint.url + "?operation=" + operation, "POST", built.build(),
            {})
        assert 400 <= response.status < 500, operation
    assert endpoint.send(built).status == SUCCESS


@pytest.mark.parametrize("query", [
    "operation=GetCACaps&operation=GetCACert",
    "operation=PKIOperation&message=AAAA&message=AAAA",
    "operation=GetCACaps&operation=GetCACaps"])
def test_duplicate_parameters_are_400(server, log, query):
    refused(log, server.endpoint().get(query), 400, "twice|duplicate|more than"
            " one|again")


def test_c02_parameters_in_any_order(server, message):
    endpoint, built = message()
    response = endpoint.get("x=1&message=%s&y&operation=PKIOperation"
                            % get_message(built.build()))
    assert endpoint.read(response, built).status == SUCCESS


def test_r20_no_next_ca_is_an_http_error(server):
    response = server.endpoint().get("operation=GetNextCACert&message=x")
    assert response.status in (400, 404)
    assert "GetNextCACert" not in server.endpoint().caps()


@pytest.mark.parametrize("message", [None, "", "CAIdentifier", "0", "1",
                                     "%%%", "%zz", "a b", "+/=", "x" * 2000])
@pytest.mark.parametrize("operation", ["GetCACaps", "GetCACert"])
def test_c04_ca_identifier_is_text_and_ignored(server, operation, message):
    query = "operation=" + operation
    plain = server.endpoint().get(query)
    if message is not None:
        query += "&message=" + message.replace(" ", "%20")
    response = server.endpoint().get(query)
    assert response.status == 200
    assert response.body == plain.body


# ---------------------------------------------------------------- methods

@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "PROPFIND",
                                    "OPTIONS", "MADEUP"])
@pytest.mark.parametrize("query", ["?operation=GetCACaps",
                                   "?operation=PKIOperation", ""])
def test_r07_other_methods_are_405_with_allow(server, method, query):
    response = scepclient.request(server.endpoint().url + query, method)
    assert response.status == 405
    allow = {word.strip() for word in response.headers["allow"].split(",")}
    assert {"GET", "POST"} <= allow <= {"GET", "HEAD", "POST", "OPTIONS",
                                       "TRACE"}


@pytest.mark.parametrize("operation", ["GetCACaps", "GetCACert"])
def test_c17_head_is_get_without_body(server, operation):
    url = server.endpoint().url + "?operation=" + operation
    full = scepclient.request(url)
    response = scepclient.request(url, "HEAD")
    assert response.status == 200 and response.body == b""
    for field in ("content-type", "content-length"):
        assert response.headers[field] == full.headers[field]


def test_head_never_spends_a_challenge(message):
    endpoint, built = message()
    response = scepclient.request(
        endpoint.url + "?operation=PKIOperation&message="
        + get_message(built.build()), "HEAD")
    assert response.status in (400, 405)
    assert endpoint.send(built).status == SUCCESS


# ------------------------------------------------------------ GET messages

def _lines(text, end):
    return end.join(text[at:at + 64] for at in range(0, len(text), 64))


GET_FORMS = {
    "escaped": lambda b64: urllib.parse.quote(b64, safe=""),
    "plus as space": lambda b64: urllib.parse.quote(b64.replace("+", " "),
                                                    safe=""),
    "raw plus and slash": lambda b64: b64.replace("=", "%3D"),
    "all raw": lambda b64: b64,
    "lower-case escapes": lambda b64: urllib.parse.quote(
        b64, safe="").replace("%2B", "%2b").replace("%2F", "%2f"),
    "escaped LF": lambda b64: urllib.parse.quote(_lines(b64, "\n"), safe=""),
    "escaped CRLF": lambda b64: urllib.parse.quote(_lines(b64, "\r\n"),
                                                   safe=""),
    "ends with LF": lambda b64: urllib.parse.quote(b64 + "\n", safe=""),
    "no padding": lambda b64: urllib.parse.quote(b64.rstrip("="), safe=""),
    "base64url": lambda b64: b64.translate(str.maketrans("+/", "-_")),
    "base64url, no padding": lambda b64: b64.translate(
        str.maketrans("+/", "-_")).rstrip("="),
    "every octet escaped": lambda b64: "".join("%%%02X" % ord(c)
                                               for c in b64),
}


@pytest.mark.parametrize("form", GET_FORMS)
def test_c03_q04_r02_get_message_forms(server, keys, message, form):
    endpoint, built = message()
    data = built.build()
    while base64.b64encode(data).count(b"=") == 0 or not (
            {b"+", b"/"} <= {bytes([c]) for c in base64.b64encode(data)}):
        endpoint, built = message(transaction_id="x" * (len(data) % 7 + 1))
        data = built.build()
    text = GET_FORMS[form](base64.b64encode(data).decode())
    target = "/cgi-bin/pkiclient.exe?operation=PKIOperation&message=" + text
    response = scepclient.raw(server.port, head("GET", target))
    assert endpoint.read(response, built).status == SUCCESS


@pytest.mark.parametrize("text", [
    "", "!!!!", "AAAA====AAAA", "A", "AAAAA", "%zz", "%", "%4", "AAA%00A",
    "=", "MII%FF", "%C3%A4", "MIIA*"])
def test_wrong_base64_is_400(server, log, text):
    response = server.endpoint().get("operation=PKIOperation&message=" + text)
    refused(log, response, 400, "message|base64|SignedData|CMS")


def test_get_without_message_is_400(server, log):
    refused(log, server.endpoint().get("operation=PKIOperation"), 400,
            "message")


def test_q05_get_with_rsa_4096(enrol, keys):
    key = keys.rsa(4096)
    enrol(key=key, method="GET").check_issued(key)


def test_c08_get_of_a_long_challenge(server, keys):
    """Intune's are of several kilobytes: 414 is for what is longer still."""
    endpoint = server.endpoint()
    built = endpoint.request(keys.rsa(), make_csr(keys.rsa(), "A" * 5000),
                             keys.signer())
    assert endpoint.send(built, "GET").fail_info == pkimessage.BAD_REQUEST


def test_r07_request_line_over_the_limit_is_414(server, log):
    for size in (16400, 70000):
        target = ("/cgi-bin/pkiclient.exe?operation=PKIOperation&message="
                  + "A" * size)
        response = scepclient.raw(server.port, head("GET", target))
        assert response.status == 414


def test_r08_get_message_over_the_cap_is_414(server, log):
    target = "/small?operation=PKIOperation&message=" + "A" * 5500
    response = scepclient.raw(server.port, head("GET", target))
    refused(log, response, 414, "message")


# ------------------------------------------------------------- POST bodies

@pytest.mark.parametrize("content_type", [
    None, PKI_MESSAGE, "application/octet-stream",
    "application/x-www-form-urlencoded", "text/plain; charset=utf-8",
    "multipart/form-data", "nonsense"])
def test_c05_q06_content_type_of_post_does_not_matter(message, content_type):
    endpoint, built = message()
    response = endpoint.post(built.build(), content_type)
    assert endpoint.read(response, built).status == SUCCESS


def chunked(data, size=500):
    parts = [data[at:at + size] for at in range(0, len(data), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part)
                    for part in parts) + b"0\r\n\r\n"


def test_c07_chunked_body(server, message):
    endpoint, built = message()
    data = head("POST", "/scep?operation=PKIOperation",
                "Transfer-Encoding: chunked") + chunked(built.build())
    response = scepclient.raw(server.port, data, "POST")
    assert endpoint.read(response, built).status == SUCCESS


def test_c07_expect_100_continue(server, message):
    endpoint, built = message()
    data = built.build()
    with socket.create_connection(("127.0.0.1", server.port),
                                  scepclient.PATIENCE) as stream:
        stream.sendall(head("POST", "/scep?operation=PKIOperation",
                            "Expect: 100-continue",
                            "Content-Length: %d" % len(data)))
        assert stream.recv(1000).startswith(b"HTTP/1.1 100 ")
        stream.sendall(data)
        response = scepclient.read_response(stream, "POST")
    assert endpoint.read(response, built).status == SUCCESS


def test_c07_replies_are_not_chunked(server, message):
    endpoint, built = message()
    for response in (endpoint.post(built.build()),
                     endpoint.get("operation=GetCACert"),
                     endpoint.get("operation=GetCACaps"),
                     endpoint.get("operation=nonsense")):
        assert "transfer-encoding" not in response.headers
        assert int(response.headers["content-length"]) == len(response.body)


def test_c06_http_10_without_host(server, message):
    endpoint, built = message()
    response = scepclient.raw(server.port, head(
        "GET", "/scep?operation=GetCACaps", version="1.0", host=False))
    assert response.status == 200 and b"AES" in response.body
    target = ("/scep?operation=PKIOperation&message="
              + get_message(built.build()))
    response = scepclient.raw(server.port, head("GET", target, version="1.0",
                                                host=False))
    assert endpoint.read(response, built).status == SUCCESS


@pytest.mark.parametrize("path", ["/small", "/limited"])
@pytest.mark.parametrize("size", [4097, 10_000_000])
def test_r08_body_over_the_cap_is_413(server, log, path, size):
    data = head("POST", path + "?operation=PKIOperation",
                "Content-Length: %d" % size) + bytes(min(size, 100000))
    response = scepclient.raw(server.port, data, "POST")
    assert response.status == 413
    if path == "/small":
        refused(log, response, 413, "ScepMaxMessageSize")


@pytest.mark.parametrize("path", ["/small", "/limited"])
@pytest.mark.parametrize("size", [4097, 200_000])
def test_r08_chunked_body_over_the_cap_is_413(server, log, path, size):
    data = head("POST", path + "?operation=PKIOperation",
                "Transfer-Encoding: chunked") + chunked(bytes(size), 4096)
    response = scepclient.raw(server.port, data, "POST")
    assert response.status == 413
    if path == "/small":
        refused(log, response, 413, "ScepMaxMessageSize")


def test_r08_the_body_is_counted_while_it_comes(server, log):
    """413 comes without the end of the body having been sent."""
    data = head("POST", "/small?operation=PKIOperation",
                "Transfer-Encoding: chunked")
    data += b"%x\r\n%s\r\n" % (8192, bytes(8192))
    response = scepclient.raw(server.port, data, "POST")
    refused(log, response, 413, "ScepMaxMessageSize")


def test_r08_the_default_cap_is_64_kib(server, log):
    endpoint = server.endpoint()
    assert endpoint.post(bytes(65537)).status == 413
    assert endpoint.post(bytes(65536)).status == 400


def test_r08_a_body_at_the_cap_is_read_whole(server, log, message):
    response = scepclient.request(server.base + "/small", "POST", bytes(4096))
    refused(log, response, 400, "SignedData|CMS|pkiMessage")


def test_a_body_that_ends_early_is_no_message(server, log, message):
    endpoint, built = message()
    data = built.build()
    sent = head("POST", "/scep?operation=PKIOperation",
                "Content-Length: %d" % len(data)) + data[:-1]
    scepclient.raw(server.port, sent, "POST", close=True)
    assert endpoint.send(built).status == SUCCESS


@pytest.mark.parametrize("broken", [
    b"zz\r\n", b"ffffffffffffffffff\r\n", b"5\r\nabc"])
def test_broken_chunks_are_400(server, log, broken):
    data = head("POST", "/scep?operation=PKIOperation",
                "Transfer-Encoding: chunked") + broken
    response = scepclient.raw(server.port, data, "POST", close=True)
    assert response is None or response.status in (400, 413)


@pytest.mark.parametrize("body", [b"", b"\0", b"\x30", b"\x30\x80",
                                  b"GET / HTTP/1.0\r\n\r\n",
                                  b"<xml/>", bytes(1000), b"\x30" * 5000])
def test_c10_no_cms_is_400(server, log, body):
    response = server.endpoint().post(body)
    refused(log, response, 400, "SignedData|CMS|pkiMessage|empty")
    assert response.headers["content-type"].startswith("text/plain")


def test_r01_base64_in_a_post_body_is_400(message, log):
    """R-1: the body is the CMS itself."""
    endpoint, built = message()
    response = endpoint.post(base64.b64encode(built.build()))
    refused(log, response, 400, "SignedData|CMS|pkiMessage")
    assert endpoint.send(built).status == SUCCESS


# --------------------------------------------------------------- responses

def test_c11_q17_r06_content_types_are_bare(server, message):
    endpoint, built = message()
    wanted = {"operation=GetCACaps": "text/plain",
              "operation=GetCACert": "application/x-x509-ca-ra-cert"}
    for query, content_type in wanted.items():
        for path in ("/scep", "/charset"):
            response = scepclient.request(server.base + path + "?" + query)
            assert response.headers["content-type"] == content_type
    response = scepclient.request(server.base + "/charset", "POST",
                                  built.build(), {})
    assert response.headers["content-type"] == PKI_MESSAGE


def test_answers_with_certificates_are_not_cached(message):
    endpoint, built = message()
    response = endpoint.post(built.build())
    assert "no-store" in response.headers["cache-control"]


def test_keep_alive_carries_many_requests(server, keys):
    endpoint = server.endpoint()
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.connect()
    local = connection.sock.getsockname()
    for turn in range(6):
        bad = turn % 2
        csr_der = make_csr(keys.rsa(), server.challenge())
        built = endpoint.request(keys.rsa(), csr_der, keys.signer(),
                                 spoil_signature=bool(bad))
        connection.request("POST", "/scep", built.build())
        response = connection.getresponse()
        found = {k.lower(): v for k, v in response.getheaders()}
        reply = endpoint.read(scepclient.Response(
            response.status, found, response.read()), built)
        assert reply.status == ("2" if bad else "0")
        assert connection.sock.getsockname() == local
    connection.close()


def test_curl_enrols_as_a_plain_http_client(server, message, tmp_path):
    endpoint, built = message()
    (tmp_path / "request").write_bytes(built.build())
    done = subprocess.run(
        ["curl", "-sS", "--noproxy", "*", "-w", "%{json}", "-o",
         tmp_path / "reply", "--data-binary", "@%s" % (tmp_path / "request"),
         endpoint.url + "?operation=PKIOperation"],
        capture_output=True, text=True, check=True)
    facts = json.loads(done.stdout)
    assert facts["http_code"] == 200
    assert facts["content_type"] == PKI_MESSAGE
    reply = certrep.CertRep((tmp_path / "reply").read_bytes(), built,
                               endpoint.identity)
    assert reply.status == SUCCESS
