"""Directives of the webhook, the manual's validator, and secrets of programs.

SPDX-License-Identifier: Apache-2.0
"""
import base64
import os
import re
import shutil
import subprocess
import sys

import pytest

import configuration
import gateway
import pki
import webhook
from configuration import GOOD
from gateway import make_csr, wait_until
from pkimessage import BAD_REQUEST, FAILURE, SUCCESS

KEY = base64.b64encode(b"k" * 32).decode()


def write(path, text, mode=0o600):
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(mode)


@pytest.fixture(scope="module")
def config(keys):
    made = configuration.Configuration(keys)
    for name, text in {"key": KEY + "\n", "crlf": KEY + "\r\n", "bare": KEY,
                       "empty": "", "blank": "\n", "lines": KEY + "\n\n",
                       "nul": b"a\0b\n", "text": "no base64!\n",
                       "short": "c2hvcnQ=\n", "spaced": " " + KEY,
                       "long": "a" * 4097}.items():
        write(made.dir / name, text)
    write(made.dir / "open", KEY + "\n", 0o644)
    write(made.dir / "group", KEY + "\n", 0o620)
    (made.dir / "directory").mkdir()
    write(made.dir / "program", "#!/bin/sh\ntouch \"$0.ran\"\nexit 1\n",
          0o755)
    yield made
    shutil.rmtree(made.dir)


LINES = {"verify": "ScepVerify webhook",
         "url": "ScepWebhook https://mdm.example/scep",
         "secret": "ScepWebhookSecret id file:key"}


def check(config, more="", **change):
    lines = [*{**LINES, **change}.values(), more, ""]
    return config.check(GOOD.replace("    ScepValidity 365d\n",
                                     "\n".join(lines)))


@pytest.mark.parametrize("change, says", [
    ({"url": ""}, "ScepVerify webhook: ScepWebhook is missing"),
    ({"url": "ScepWebhookTimeout 5s"}, "ScepWebhook is missing"),
    ({"secret": ""}, "ScepWebhookSecret is missing"),
    ({"url": "ScepWebhook mdm.example"}, "mdm.example"),
    ({"url": "ScepWebhook http://mdm.example/"}, "https://"),
    ({"url": "ScepWebhook ftp://mdm.example/"}, "https://"),
    ({"url": "ScepWebhook https://u:p@mdm.example/"}, "user's name"),
    ({"url": "ScepWebhook 'https://mdm.example/a b'"}, "ScepWebhook"),
    ({"more": "ScepWebhookNotify http://mdm.example/"}, "https://"),
    ({"secret": "ScepWebhookSecret id"}, "takes two arguments"),
    ({"secret": "ScepWebhookSecret id key"}, "file:PATH or exec:PROGRAM"),
    ({"secret": "ScepWebhookSecret id file:"}, "no valid path"),
    ({"secret": "ScepWebhookSecret id file:none"}, "none"),
    ({"secret": "ScepWebhookSecret id file:directory"}, "is no file"),
    ({"secret": "ScepWebhookSecret id file:open"}, "chmod 600"),
    ({"secret": "ScepWebhookSecret id file:group"}, "chmod 600"),
    ({"secret": "ScepWebhookSecret id file:empty"}, "empty"),
    ({"secret": "ScepWebhookSecret id file:blank"}, "empty"),
    ({"secret": "ScepWebhookSecret id file:lines"}, "one line"),
    ({"secret": "ScepWebhookSecret id file:nul"}, "one line"),
    ({"secret": "ScepWebhookSecret id file:long"}, "4096"),
    ({"secret": "ScepWebhookSecret id file:text"}, "no base64"),
    ({"secret": "ScepWebhookSecret id file:spaced"}, "no base64"),
    ({"secret": "ScepWebhookSecret id file:short"}, "16 octets"),
    ({"secret": "ScepWebhookSecret 'i d' file:key"}, "is no id"),
    ({"secret": "ScepWebhookSecret id exec:none"}, "no program .*none"),
    ({"secret": "ScepWebhookSecret id exec:key"}, "no program .*key"),
    ({"more": "ScepWebhookAuth basic file:key"}, "basic USER"),
    ({"more": "ScepWebhookAuth bearer u file:key"}, "basic USER"),
    ({"more": "ScepWebhookAuth digest u file:key"}, "digest"),
    ({"more": "ScepWebhookAuth basic a:b file:key"}, "user's name"),
    ({"more": "ScepWebhookAuth bearer file:open"}, "chmod 600"),
    ({"more": "ScepWebhookTimeout soon"}, "ScepWebhookTimeout"),
    ({"more": "ScepWebhookTimeout 0"}, "ScepWebhookTimeout"),
    ({"more": "ScepWebhookTimeout 61s"}, "more than a minute"),
    ({"more": "ScepWebhookCAFile pki/nothing.pem"}, "nothing.pem"),
    ({"more": "ScepWebhookCAFile pki/text.pem"}, "text.pem"),
    ({"more": "ScepWebhookCertificate pki/text.pem"}, "text.pem"),
    ({"more": "ScepWebhookCertificate pki/ra.pem"}, "ra.pem"),
    ({"more": "ScepWebhookCertificate pki/ra.pem pki/none.key"}, "none.key"),
    ({"more": "ScepWebhookCertificate pki/ra.pem pki/other.key"},
     "another certificate's"),
    ({"more": "ScepWebhookCertificate pki/ra.pem pki/locked.key"},
     "encrypted"),
], ids=lambda value: str(value)[:40])
def test_configtest_finds_the_mistake(config, change, says):
    status, output = check(config, **change)
    assert status != 0
    assert re.search(says, output) and "test.conf" in output, output
    assert "ScepWebhook" in output
    assert KEY not in output


@pytest.mark.parametrize("more", [
    "ScepWebhook http://127.0.0.1:8080/x", "ScepWebhook http://[::1]/x",
    "ScepWebhook http://localhost/x", "ScepWebhookSecret id file:crlf",
    "ScepWebhookSecret id file:bare", "ScepWebhookTimeout 60s",
    "ScepWebhookCertificate pki/ra.pem pki/ra.key",
    "ScepWebhookAuth bearer exec:program",
    "ScepWebhookSecret id exec:program"])
def test_the_good_ones_are_good_and_nothing_is_run(config, more):
    status, output = check(config, more)
    assert status == 0, output
    assert not (config.dir / "program.ran").exists()
    assert not (config.dir / "state").exists()


def test_outside_of_a_profile_they_are_mistakes(config):
    status, output = config.check("ScepWebhook https://mdm.example/\n" + GOOD)
    assert status != 0 and "ScepProfile" in output, output


# ------------------------------------------------------ the secret's program

PROFILE = """\
<ScepProfile hook>
    ScepCA issuing
    ScepRACertificate pki/ra.pem
    ScepRAKey pki/ra.key
    ScepVerify webhook
    ScepWebhook {url}
    ScepWebhookSecret {id} {secret}
    ScepWebhookCAFile {dir}/tls.pem
</ScepProfile>
<Location "/p/hook">
    SetHandler scep
    ScepProfile hook
    Require all granted
</Location>
"""


@pytest.fixture
def files():
    path = gateway.scratch()
    key = pki.rsa_key()
    cert = pki.certificate(key, pki.name(("CN", "127.0.0.1")), extensions=[
        pki.subject_alt_name(pki.ip("127.0.0.1"))])
    write(path / "tls.pem", pki.pem_cert(cert), 0o644)
    write(path / "tls.key", pki.pem_key(key))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def validator(files):
    made = webhook.Validator(files / "tls.pem", files / "tls.key")
    yield made
    made.down()


def enrols(server, keys, challenge, device="device"):
    server.secrets.add(challenge)
    endpoint = server.endpoint("hook")
    message = endpoint.request(
        keys.rsa(), make_csr(keys.rsa(), challenge,
                             pki.name(("CN", device))), keys.signer())
    return endpoint.send(message)


class Program:
    """Prints the validator's key."""

    def __init__(self, path, validator):
        self.path = path
        self.validator = validator
        self.prints()

    def prints(self, status=0):
        key = base64.b64encode(self.validator.key).decode()
        write(self.path, "#!/bin/sh\necho run >>\"$0.runs\"\necho %s\n"
              "exit %d\n" % (key, status), 0o700)

    def runs(self):
        runs = self.path.with_name(self.path.name + ".runs")
        return len(runs.read_text().splitlines()) if runs.exists() else 0


def test_a_program_gives_the_key_once_a_start(make_server, validator, files,
                                              keys):
    program = Program(files / "program", validator)
    server = make_server(PROFILE.format(
        url=validator.url + "/challenge", id=validator.id, dir=files,
        secret="exec:%s" % program.path))
    assert program.runs() == 1
    assert enrols(server, keys, validator.issue()).status == SUCCESS

    validator.key = os.urandom(32)
    program.prints()
    server.reload()
    # the command's own configtest runs nothing
    assert program.runs() == 2
    assert enrols(server, keys, validator.issue()).status == SUCCESS

    program.prints(status=1)
    server.startup.append("SCEP0331.*ScepWebhookSecret.*failed")
    server.reload()
    assert "SCEP0331" in server.log.path.read_text()
    assert program.runs() == 3
    assert enrols(server, keys, validator.issue()).status == SUCCESS
    assert validator.malformed == []


def test_a_program_that_fails_keeps_httpd_from_starting(make_server,
                                                        validator, files):
    program = Program(files / "program", validator)
    program.prints(status=1)
    server = make_server(PROFILE.format(
        url=validator.url + "/challenge", id=validator.id, dir=files,
        secret="exec:%s" % program.path), start=False)
    done = server.start(check=False)
    assert done.returncode != 0
    assert "ScepWebhookSecret" in done.stdout + done.stderr
    server.log.mark()


# ------------------------------------------------------- the manual's example

def test_the_manuals_validator_works(make_server, files, keys):
    manual = (gateway.TREE / "mod_scep/manual/webhook.md").read_text()
    code, = re.findall(r"^    #!/usr/bin/python3\n(?:(?:    .*)?\n)*", manual,
                       re.MULTILINE)
    program = files / "validator.py"
    port = gateway.free_port()
    code = re.sub(r"^    ", "", code, flags=re.MULTILINE)
    for old, new in (("/etc/scep/webhook.key", str(files / "hook.key")),
                     ("/etc/scep/validator.pem", str(files / "both.pem")),
                     ("8443", str(port))):
        assert old in code
        code = code.replace(old, new)
    write(program, code)
    write(files / "hook.key", KEY + "\n")
    write(files / "both.pem", (files / "tls.pem").read_text()
          + (files / "tls.key").read_text())
    process = subprocess.Popen([sys.executable, program],
                               stderr=subprocess.DEVNULL)
    try:
        server = make_server(PROFILE.format(
            url="https://127.0.0.1:%d/" % port, id="one", dir=files,
            secret="file:%s/hook.key" % files))
        server.log.allow("SCEP0104.*verifier-down")
        device, known = re.search(r'"(\w+)": "([0-9a-f]{32})"', code).groups()

        def answers():
            try:
                return enrols(server, keys, known, device).status == SUCCESS
            except AssertionError:
                return False
        wait_until(answers, step=0.2)
        for challenge, name in ((os.urandom(16).hex(), device),
                                (known, "another")):
            reply = enrols(server, keys, challenge, name)
            assert (reply.status, reply.fail_info) == (FAILURE, BAD_REQUEST)
        write(files / "hook.key", base64.b64encode(b"x" * 32).decode())
        server.log.expect("SCEP0104.*HTTP 401")
        server.reload()
        with pytest.raises(AssertionError):
            enrols(server, keys, known, device)
    finally:
        process.terminate()
        process.wait()
