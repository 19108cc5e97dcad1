"""What tests of the admin API share.

SPDX-License-Identifier: Apache-2.0
"""
import base64
import datetime
import json

import scepclient

PROBLEM = "application/problem+json"

# users of AuthUserFile, all with the password "secret"
PASSWORD_HASH = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="


def problem(answer, status, *words):
    """An error in RFC 9457's form that names what is wrong."""
    assert answer.status == status, answer
    assert answer.headers["content-type"].startswith(PROBLEM), answer
    text = json.loads(answer.body)
    assert text["status"] == status
    for word in words:
        assert word in text["detail"], text
    return text


def expires(found):
    """Seconds until a challenge expires."""
    when = datetime.datetime.strptime(found["expires"], "%Y-%m-%dT%H:%M:%SZ")
    return (when - datetime.datetime.utcnow()).total_seconds()


def write_users(sandbox, *names):
    (sandbox.dir / "users").write_bytes(b"".join(
        (name if isinstance(name, bytes) else name.encode())
        + b":" + PASSWORD_HASH.encode() + b"\n" for name in names))


def credentials(user):
    if isinstance(user, str):
        user = user.encode()
    return "Basic " + base64.b64encode(user + b":secret").decode()


class Caller:
    """A user of an admin endpoint; None is nobody."""

    def __init__(self, sandbox, user, path="/scep-admin"):
        self.sandbox = sandbox
        self.url = sandbox.base + path
        self.headers = {"Authorization": credentials(user)} if user else {}

    def call(self, method="GET", path="/challenges", body=None):
        headers = dict(self.headers)
        if body is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(body)
        return scepclient.request(self.url + path, method, body, headers)

    def ask(self, profile="default", **members):
        """What comes of asking for a challenge."""
        answer = self.call("POST", body={"profile": profile, **members})
        if answer.status == 201:
            self.sandbox.secrets.add(json.loads(answer.body)["challenge"])
        return answer

    def issue(self, profile="default", **members):
        answer = self.ask(profile, **members)
        assert answer.status == 201, answer
        return json.loads(answer.body)

    def ids(self, query=""):
        """Those that it sees."""
        answer = self.call(path="/challenges" + query)
        assert answer.status == 200, answer
        return {row["id"] for row in json.loads(answer.body)["challenges"]}
