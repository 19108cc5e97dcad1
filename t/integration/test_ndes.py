"""The NDES page: what every parser of it finds, bindings, and what is wrong.

SPDX-License-Identifier: Apache-2.0
"""
import concurrent.futures
import hashlib
import json
import re
import urllib.parse

import pytest

import ndesclients
import profiles
import scepclient
import stores
from gateway import Sandbox, make_csr, wait_until
from pki import dns, name
from pkimessage import SUCCESS
from postgres import Postgres

FULL = "The password cache is full."
FORBIDDEN = "You do not have sufficient permission to enroll with SCEP."

LINES = """\
LoadModule dir_module modules/mod_dir.so
DocumentRoot "@DIR@/htdocs"
<Directory "/">
    Require all granted
</Directory>
<ScepProfile bound>
    ScepCA issuing
    ScepRACertificate pki/ra.pem
    ScepRAKey pki/ra.key
    ScepChallengeRequire subject device
</ScepProfile>
<ScepProfile short>
    ScepCA issuing
    ScepRACertificate pki/ra.pem
    ScepRAKey pki/ra.key
    ScepChallengeTTL 90s
    ScepChallengeMaxTTL 10min
</ScepProfile>
<Location "/long">
    ScepNdesPasswordLength 64
</Location>
<Location "/plain/mscep_admin">
    SetHandler scep-ndes
    ScepProfile default
    Require ip 127.0.0.1
</Location>
<LocationMatch "(?i)^/utf16/mscep_admin/?$">
    SetHandler scep-ndes
    ScepProfile default
    ScepNdesPasswordLength 32
    ScepNdesEncoding UTF-16LE
    Require ip 127.0.0.1
</LocationMatch>
<Location "/utf16/mscep_admin">
    ScepNdesPasswordLength 16
</Location>
<Location "/long/mscep_admin">
    SetHandler scep-ndes
    ScepProfile default
    ScepNdesEncoding utf-16le
    Require ip 127.0.0.1
</Location>
<Location "/bound/mscep_admin">
    SetHandler scep-ndes
    ScepProfile bound
    Require ip 127.0.0.1
</Location>
<Location "/short/mscep_admin">
    SetHandler scep-ndes
    ScepProfile short
    Require ip 127.0.0.1
</Location>
<Location "/open/mscep_admin">
    SetHandler scep-ndes
    ScepProfile default
</Location>
<Location "/none/mscep_admin">
    SetHandler scep-ndes
    Require ip 127.0.0.1
</Location>
<Location "/allow/mscep_admin">
    SetHandler scep-ndes
    ScepProfile default
    ScepChallengeAllow * profile=default subject=CN=*.example,O=y
    Require ip 127.0.0.1
</Location>
<Location "/p/short">
    SetHandler scep
    ScepProfile short
    Require all granted
</Location>
<Location "/p/bound">
    SetHandler scep
    ScepProfile bound
    Require all granted
</Location>
"""

PAGES = ("/certsrv/mscep_admin/", "/utf16/mscep_admin/")


@pytest.fixture(scope="module")
def ndes():
    sandbox = Sandbox(lines=LINES)
    # mod_dir would take these paths for itself
    for path in ("certsrv/mscep_admin", "certsrv/mscep/mscep.dll",
                 "plain/mscep_admin"):
        (sandbox.dir / "htdocs" / path).mkdir(parents=True)
    try:
        sandbox.start()
        yield sandbox
    finally:
        sandbox.remove()


def get(server, path, method="GET", query="", body=None, **headers):
    return scepclient.request(
        server.base + path + (query and "?" + query), method, body,
        {k.replace("_", "-"): v for k, v in headers.items()})


def text_of(answer):
    assert answer.status == 200, answer
    assert answer.headers["cache-control"] == "no-store"
    wide = answer.body[:2] == b"<\0"
    assert answer.headers["content-type"] == (
        "text/html" if wide else "text/html; charset=UTF-8")
    return ndesclients.decode_as_fleet(answer.body)


def password_of(server, answer):
    text_of(answer)
    password = ndesclients.fleet(answer.body)
    assert password, answer
    server.secrets.add(password)
    return password


def without_password(answer, *words):
    """No parser takes anything of this page for a password."""
    text = text_of(answer)
    for word in words:
        assert word in text, text
    wide = answer.body[:2] == b"<\0"
    for parse in (ndesclients.UTF_16LE if wide
                  else ndesclients.UTF_8).values():
        assert parse(answer.body) is None, parse.__name__
    if wide:
        assert ndesclients.ilo(8)(answer.body) is None
    return text


def live(server):
    return server.listing()["live"]


def rows(server):
    return {row["id"]: row for row in server.listing()["challenges"]}


def send_event(server):
    """What Jamf Pro sends, to the sandbox's webhook."""
    return scepclient.request(
        server.values["JAMF_URL"], "POST", json.dumps(
            {"webhook": {"webhookEvent": "SCEPChallenge"},
             "event": {"payloadIdentifier": "x"}}),
        {"Content-Type": "application/json"})


class Device:
    def __init__(self, server, keys, path="/certsrv/mscep/mscep.dll"):
        self.endpoint = server.endpoint(path=path)
        self.key, self.signer = keys.rsa(), keys.signer()

    def tries(self, secret, **csr):
        reply = self.endpoint.send(self.endpoint.request(
            self.key, make_csr(self.key, secret, **csr), self.signer))
        if reply.status == SUCCESS:
            reply.check_issued(self.key)
        return reply.status == SUCCESS


# ------------------------------------------------------------- the password

@pytest.mark.parametrize("parser", ndesclients.UTF_8)
def test_every_parser_of_utf_8(ndes, parser):
    answer = get(ndes, "/certsrv/mscep_admin/")
    password = password_of(ndes, answer)
    assert re.fullmatch("[0-9A-F]{32}", password)
    assert ndesclients.UTF_8[parser](answer.body) == password


@pytest.mark.parametrize("parser", ndesclients.UTF_16LE)
@pytest.mark.parametrize("path,digits", [("/utf16/mscep_admin/", 16),
                                         ("/long/mscep_admin/", 64)])
def test_every_parser_of_utf_16(ndes, parser, path, digits):
    answer = get(ndes, path)
    password = password_of(ndes, answer)
    assert re.fullmatch("[0-9A-F]{%d}" % digits, password)
    assert ndesclients.UTF_16LE[parser](answer.body) == password


@pytest.mark.parametrize("path,digits", [("/utf16/mscep_admin/", 16),
                                         ("/long/mscep_admin/", 64)])
def test_ilo_is_told_the_length_and_asks_by_post(ndes, path, digits):
    answer = get(ndes, path, "POST", body="UserName=x&Password=y",
                 Content_Type="application/x-www-form-urlencoded")
    assert ndesclients.ilo(digits // 2)(answer.body) == \
        password_of(ndes, answer)


def test_both_encodings_have_one_text(ndes):
    """And it is ASCII, with neither a mark in front nor half a character."""
    pages = [get(ndes, path) for path in PAGES]
    texts = [text_of(page).replace(password_of(ndes, page), "X")
             for page in pages]
    assert texts[0] == texts[1] and texts[0].isascii()
    assert pages[1].body[:4] == b"<\0h\0" and len(pages[1].body) % 2 == 0


def test_phrases_stand_in_order(ndes):
    text = text_of(get(ndes, "/certsrv/mscep_admin/"))
    ndes.secrets.add(ndesclients.fleet(text.encode()))
    assert re.search(
        "The thumbprint \\(hash value\\) for the CA certificate is: "
        "<B> [0-9A-F]{8}( [0-9A-F]{8}){3} </B>.*"
        "The enrollment challenge password is: <B> [0-9A-F]{32} </B>.*"
        "This password can be used only once and will expire within "
        "60 minutes\\.", text)


def test_the_thumbprint_is_md5_of_the_issuing_ca(ndes):
    answer = get(ndes, "/certsrv/mscep_admin/")
    password_of(ndes, answer)
    cert, = profiles.read_pem(ndes.dir / "pki" / "issuing.pem")
    shown = re.search("certificate is: <B> ([0-9A-F ]+) </B>",
                      text_of(answer))[1]
    assert shown.replace(" ", "").lower() == hashlib.md5(cert).hexdigest()


@pytest.mark.parametrize("path,query,minutes", [
    ("/certsrv/mscep_admin/", "ttl=10min", 10),
    ("/certsrv/mscep_admin/", "ttl=1h", 60),
    ("/certsrv/mscep_admin/", "ttl=7d", 10080),
    ("/certsrv/mscep_admin/", "ttl=179", 2),
    ("/certsrv/mscep_admin/", "ttl=5s", 1),
    ("/certsrv/mscep_admin/", "profile=short", 1),
    ("/short/mscep_admin/", "", 1), ("/short/mscep_admin/", "ttl=10min", 10)])
def test_the_time_is_the_real_one(ndes, path, query, minutes):
    answer = get(ndes, path, query=query)
    password_of(ndes, answer)
    assert "will expire within %d minutes." % minutes in text_of(answer)


def test_every_page_is_another_password(ndes):
    found = {password_of(ndes, get(ndes, path)) for path in PAGES * 3}
    assert len(found) == 6


def test_pages_at_the_same_time(ndes):
    before = live(ndes)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        pages = list(pool.map(
            lambda turn: get(ndes, PAGES[turn % 2],
                             ("GET", "POST", "HEAD")[turn % 3]), range(96)))
    found = [password_of(ndes, page) for page in pages if page.body]
    assert len(found) == len(set(found)) == 64
    assert live(ndes) == before + 64


# ------------------------------------------------------------ enrolling by it

@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("path", [
    "/certsrv/mscep/mscep.dll", "/certsrv/mscep/mscep.dll/pkiclient.exe",
    "/CertSrv/mscep/MSCEP.DLL/PKICLIENT.EXE", "/certsrv/mscep/mscep.dll/"])
def test_from_the_page_to_a_certificate(ndes, keys, page, path):
    device = Device(ndes, keys, path)
    assert "POSTPKIOperation" in device.endpoint.caps()
    assert device.tries(password_of(ndes, get(ndes, page)))


def test_a_password_is_good_once(ndes, keys):
    device = Device(ndes, keys)
    password = password_of(ndes, get(ndes, "/certsrv/mscep_admin/"))
    assert device.tries(password)
    ndes.log.expect("SCEP0103")
    assert not device.tries(password, subject=name(("CN", "another")))


def test_a_short_password_enrols(ndes, keys):
    password = password_of(ndes, get(ndes, "/utf16/mscep_admin/"))
    assert len(password) == 16
    assert Device(ndes, keys).tries(password)


# ----------------------------------------------------------------- bindings

def bound(server, keys, query, path="/certsrv/mscep/mscep.dll"):
    password = password_of(server, get(server, "/certsrv/mscep_admin/",
                                       query=query))
    return Device(server, keys, path), password


def test_subject_binds(ndes, keys):
    before = rows(ndes)
    device, password = bound(ndes, keys, "subject=CN%3Dx.example%2CO%3Dy+z")
    new, = rows(ndes).keys() - before.keys()
    assert rows(ndes)[new]["bound"] == ["profile", "subject"]
    assert not device.tries(password)
    assert device.tries(password, subject=name(("O", "y z"),
                                               ("CN", "x.example")))


def test_sans_bind_as_a_set(ndes, keys):
    device, password = bound(
        ndes, keys, "san=dns:a.example&san=dns%3Ab.example")
    assert not device.tries(password, sans=[dns("a.example")])
    assert device.tries(password, sans=[dns("b.example"), dns("a.example")])


def test_device_binds(ndes, keys):
    device, password = bound(ndes, keys, "device=C02XK1ABJG5J")
    assert not device.tries(password)
    assert device.tries(password, subject=name(("CN", "c02xk1abjg5j")))


def test_profile_binds(ndes, keys):
    device, password = bound(ndes, keys, "profile=short", "/p/short")
    assert not Device(ndes, keys).tries(password)
    assert device.tries(password)


def test_all_of_them_at_once(ndes, keys):
    device, password = bound(
        ndes, keys, "profile=bound&subject=CN%3DC02&device=c02&ttl=5min&"
        "san=dns:x.example", "/p/bound")
    assert device.tries(password, subject=name(("CN", "C02")),
                        sans=[dns("x.example")])


# ----------------------------------------------------- pages without password

@pytest.mark.parametrize("query,word", [
    ("profle=default", "profle"), ("PROFILE=default", "PROFILE"),
    ("x", "empty"), ("x=y", "no parameter"), ("=x", "no parameter"),
    ("profile=nowhere", "nowhere"),
    ("profile=", "profile"), ("subject=", "subject"), ("subject=x", "subject"),
    ("subject=CN%3Dx&subject=CN%3Dx", "twice"), ("ttl=1h&ttl=1h", "twice"),
    ("profile=default&profile=short", "twice"), ("device=a&device=b", "twice"),
    ("san=", "san"), ("san=x", "san"), ("san=nosuch:x", "san"),
    ("san=dns:a&san=ip:1.2.3", "san"), ("device=", "device"),
    ("device=%01", "UTF-8"), ("device=" + "x" * 256, "device"),
    ("ttl=", "ttl"), ("ttl=x", "ttl"), ("ttl=0", "ttl"), ("ttl=-1h", "ttl"),
    ("ttl=1y", "ttl"), ("ttl=8d", "ttl"), ("ttl=1h30", "ttl"),
    ("ttl=" + "9" * 30, "ttl"), ("profile=short&ttl=11min", "ttl"),
    ("profile=deadbeef00", "profile"), ("subject=" + "A" * 64, "subject"),
    ("device=%00", "UTF-8"), ("device=%", "UTF-8"), ("device=%4", "UTF-8"),
    ("device=%zz", "UTF-8"), ("device=%ff", "UTF-8"),
    ("device=%c0%af", "UTF-8"), ("device=%ed%a0%80", "UTF-8")],
    ids=lambda text: text[:24])
def test_what_is_wrong_is_said_and_no_password_made(ndes, query, word):
    before = live(ndes)
    for path in PAGES:
        without_password(get(ndes, path, query=query), "No password", word)
    assert live(ndes) == before
    assert len([line for line in ndes.log.outcomes()
                if "SCEP0300" in line.text]) == 2


def test_nothing_in_the_query_becomes_html(ndes):
    evil = "<script>\"'&\u00e9\U0001f600"
    query = urllib.parse.urlencode({evil: "x"})
    for path in PAGES:
        text = without_password(get(ndes, path, query=query))
        assert "<script" not in text and text.isascii()
        assert "&lt;script&gt;&quot;'&amp;&#233;&#128512;" in text


def test_a_binding_that_the_profile_demands(ndes):
    before = live(ndes)
    for query in ("", "device=x", "subject=CN%3Dx", "ttl=1h"):
        without_password(get(ndes, "/bound/mscep_admin/", query=query),
                         FORBIDDEN)
    without_password(get(ndes, "/certsrv/mscep_admin/",
                         query="profile=bound"), FORBIDDEN, "subject")
    assert live(ndes) == before


def test_what_a_caller_may_not_have(ndes):
    for query in ("", "subject=CN%3Dx", "profile=short",
                  "subject=CN%3Da.example%2CO%3Dz"):
        without_password(get(ndes, "/allow/mscep_admin/", query=query),
                         FORBIDDEN)
    password_of(ndes, get(ndes, "/allow/mscep_admin/",
                          query="subject=CN%3Da.example%2CO%3Dy"))


def test_a_full_store_and_then_room_again(make_server):
    server = make_server("ScepChallengeStore shm:small(100)\n")
    while "password is:" in text_of(
            answer := get(server, "/certsrv/mscep_admin/")):
        server.secrets.add(ndesclients.fleet(answer.body))
    server.log.expect("SCEP0123")
    without_password(answer, FULL)
    some = server.listing()["challenges"][0]["id"]
    assert server.admin("DELETE", "/challenges/" + some).status == 204
    password_of(server, get(server, "/certsrv/mscep_admin/"))
    without_password(get(server, "/certsrv/mscep_admin/"), FULL)


def test_a_quota_is_a_full_cache_too(make_server):
    server = make_server("ScepChallengeQuota * 2\n"
                         '<LocationMatch "(?i)^/certsrv/mscep_admin/$">\n'
                         "ScepNdesEncoding UTF-16LE\n</LocationMatch>\n")
    for _ in range(2):
        password_of(server, get(server, "/certsrv/mscep_admin/"))
    for _ in range(2):
        without_password(get(server, "/certsrv/mscep_admin/"), FULL)
    assert live(server) == 2


def test_a_store_that_is_down_is_503_until_it_is_back(make_server):
    cluster = Postgres()
    try:
        cluster.start()
        server = make_server(stores.postgres(cluster))
        password_of(server, get(server, "/certsrv/mscep_admin/"))
        cluster.kill()
        server.log.expect("SCEP0124")
        server.log.allow("SCEP023", r"\[dbd:")
        for method in ("GET", "POST"):
            answer = get(server, "/certsrv/mscep_admin/", method)
            assert answer.status == 503 and b"challenge store" in answer.body
            assert not re.search(b"[0-9A-F]{16}", answer.body)
        assert send_event(server).status == 503
        cluster.start()
        wait_until(lambda: get(server,
                               "/certsrv/mscep_admin/").status == 200)
        wait_until(lambda: send_event(server).status == 200)
    finally:
        cluster.remove()


# --------------------------------------------------------------- HTTP itself

@pytest.mark.parametrize("path", [
    "/certsrv/mscep_admin/", "/CertSrv/mscep_admin/", "/CERTSRV/MSCEP_ADMIN/",
    "/certsrv/MSCEP_Admin/", "/certsrv//mscep_admin/", "/plain/mscep_admin/",
    "/certsrv/mscep_admin/mscep.dll", "/CertSrv/mscep_admin/MSCEP.DLL",
    "/plain/mscep_admin/mscep.dll"])
def test_letter_case_of_the_path(ndes, path):
    password_of(ndes, get(ndes, path))


@pytest.mark.parametrize("query", ["", "ttl=10min&device=x"])
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
@pytest.mark.parametrize("path", [
    "/certsrv/mscep_admin", "/CertSrv/MSCEP_Admin", "/plain/mscep_admin",
    "/utf16/mscep_admin"])
def test_a_missing_slash_is_added(ndes, path, method, query):
    before = live(ndes)
    answer = get(ndes, path, method, query)
    assert answer.status == 301
    assert answer.headers["location"] == \
        ndes.base + path + "/" + (query and "?" + query)
    assert live(ndes) == before


def test_no_header_is_made_of_the_query(ndes):
    answer = get(ndes, "/certsrv/mscep_admin", query="a%0d%0aX-Evil:%20b")
    assert answer.status == 301 and "x-evil" not in answer.headers


@pytest.mark.parametrize("path", ["/plain/mscep_admin/x",
                                  "/plain/mscep_admin/x/",
                                  "/plain/mscep_admin/mscep.dll/",
                                  "/plain/mscep_admin/index.html"])
def test_below_the_page_is_nothing(ndes, path):
    assert get(ndes, path).status == 404


def test_head_makes_no_password(ndes):
    before = live(ndes)
    for path in PAGES:
        answer = get(ndes, path, "HEAD")
        assert answer.status == 200 and answer.body == b""
        assert answer.headers["content-type"].startswith("text/html")
        assert answer.headers["cache-control"] == "no-store"
    assert live(ndes) == before


@pytest.mark.parametrize("body", [
    b"", b"\0\xff" * 100, b"profile=nowhere&x=y", b"x" * 65536])
def test_the_body_of_a_post_is_ignored(ndes, body):
    password_of(ndes, get(ndes, "/certsrv/mscep_admin/", "POST", body=body))


def test_the_query_of_a_post_counts(ndes):
    answer = get(ndes, "/certsrv/mscep_admin/", "POST", "ttl=10min", b"x")
    password_of(ndes, answer)
    assert "within 10 minutes." in text_of(answer)


def test_a_body_too_long_or_cut_off_makes_no_password(ndes):
    before = live(ndes)
    assert get(ndes, "/certsrv/mscep_admin/", "POST",
               body=b"x" * 65537).status == 413
    target = b"POST /certsrv/mscep_admin/ HTTP/1.1\r\nHost: x\r\n"
    for fields in (b"Content-Length: 10\r\n\r\nx",
                   b"Transfer-Encoding: chunked\r\n\r\n5\r\nx"):
        answer = scepclient.raw(ndes.port, target + fields, "POST",
                                close=True)
        assert answer is None or answer.status == 400
    assert live(ndes) == before


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "X"])
def test_other_methods(ndes, method):
    answer = get(ndes, "/certsrv/mscep_admin/", method)
    assert answer.status in (405, 501)
    assert {"GET", "HEAD", "POST"} <= {
        word.strip() for word in answer.headers["allow"].split(",")}


def test_nobody_is_let_in_without_a_require(ndes):
    ndes.log.expect("SCEP0121: SetHandler scep-ndes")
    for path in ("/open/mscep_admin/", "/open/mscep_admin"):
        for method in ("GET", "POST", "HEAD"):
            assert get(ndes, path, method).status == 403


def test_a_location_without_a_profile_takes_it_from_the_query(ndes):
    without_password(get(ndes, "/none/mscep_admin/"), "profile")
    password_of(ndes, get(ndes, "/none/mscep_admin/", query="profile=short"))
