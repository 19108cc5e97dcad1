"""The admin API: nobody is let in by accident, whatever the containers say.

SPDX-License-Identifier: Apache-2.0
"""
import json

import pytest

import scepclient
from adminapi import Caller, credentials, write_users
from gateway import Sandbox

OPEN_DIRECTORY = """\
LoadModule alias_module modules/mod_alias.so
DocumentRoot "@DIR@/htdocs"
<Directory "/">
    AllowOverride All
    Require all granted
</Directory>
<Location "/open">
    SetHandler scep-admin
</Location>
<Location "/granted">
    Require all granted
</Location>
<Location "/granted/inside">
    SetHandler scep-admin
</Location>
<Location "/told">
    SetHandler scep-admin
    Require all granted
</Location>
<Location "/told/deeper">
    LimitRequestBody 60000
</Location>
<Location "/any">
    SetHandler scep-admin
    <RequireAny>
        Require ip 127.0.0.1
        Require ip 192.0.2.1
    </RequireAny>
</Location>
<Location "/some">
    SetHandler scep-admin
    <Limit GET>
        Require all granted
    </Limit>
</Location>
<Location "/most">
    SetHandler scep-admin
    <LimitExcept POST>
        Require all denied
    </LimitExcept>
</Location>
<Location "/not">
    SetHandler scep-admin
    Require ip 192.0.2.1
</Location>
<Location "/basic">
    SetHandler scep-admin
    AuthType Basic
    AuthName "x"
    AuthBasicProvider file
    AuthUserFile "@DIR@/users"
    Require valid-user
</Location>
"""

HTACCESS = """\
SetHandler scep-admin
Require all granted
"""


@pytest.fixture(scope="module")
def open_server():
    sandbox = Sandbox(lines=OPEN_DIRECTORY)
    documents = sandbox.dir / "htdocs"
    documents.mkdir()
    for name in ("challenges", "file"):
        (documents / name).write_text("x")
    (documents / ".htaccess").write_text(HTACCESS)
    write_users(sandbox, "alice")
    try:
        sandbox.start()
        yield sandbox
    finally:
        sandbox.remove()


def ask(server, path, **headers):
    return scepclient.request(server.base + path, headers=headers)


@pytest.mark.parametrize("path", ["/open/challenges",
                                  "/granted/inside/challenges"])
def test_no_require_in_the_container_is_403(open_server, path):
    open_server.log.expect("SCEP0121")
    assert ask(open_server, path).status == 403


def test_require_in_the_container_lets_in(open_server):
    for path in ("/told/challenges", "/any/challenges"):
        assert ask(open_server, path).status == 200


def test_a_deeper_container_inherits(open_server):
    assert ask(open_server, "/told/deeper/challenges").status in (200, 404)


def test_require_keeps_out(open_server):
    open_server.log.expect("AH01630")
    assert ask(open_server, "/not/challenges").status == 403


@pytest.mark.parametrize("path", ["/some", "/most"])
def test_require_for_some_methods_lets_in_by_no_other(open_server, path):
    open_server.log.expect("SCEP0121")
    answer = scepclient.request(
        open_server.base + path + "/challenges", "POST",
        json.dumps({"profile": "default"}),
        {"Content-Type": "application/json"})
    assert answer.status == 403


def test_htaccess_cannot_enable_the_api(open_server):
    open_server.log.expect("SCEP0121")
    assert ask(open_server, "/challenges").status == 403


def test_the_authenticated_user_is_the_requester(open_server):
    assert ask(open_server, "/basic/challenges").status == 401
    found = Caller(open_server, "alice", "/basic").issue()
    row, = [r for r in open_server.listing()["challenges"]
            if r["id"] == found["id"]]
    assert row["requester"] == "alice"
    assert credentials("alice").split()[1] not in open_server.log.raw()
