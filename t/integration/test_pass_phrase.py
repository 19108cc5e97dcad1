"""Keys under a pass phrase: who is asked for it, when, and how often.

SPDX-License-Identifier: Apache-2.0
"""
import os
import pty
import re
import signal
import time

import pytest

import configuration
from configuration import GOOD, sandbox
from gateway import wait_until

RAKEY = "ScepRAKey pki/ra.key"
LOCKED = "ScepRAKey pki/locked.key"
PHRASE = b"open-sesame"
OPEN = '<Location "/scep">\nRequire all granted\n</Location>\n'


def lock_key(server):
    key = configuration.serialization.load_pem_private_key(
        (server.dir / "pki" / "ra.key").read_bytes(), None)
    configuration.write_key(server.dir / "pki" / "locked.key", key, PHRASE)


def answer_prompt(arguments, answers, seconds=30):
    """Runs a program on a terminal of its own and types; its status, what
    it printed.  The end of the terminal must not end what was started."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve("/bin/sh", ["sh", "-c", "trap '' HUP; \"$@\"", "sh",
                              *arguments], sandbox.httpd_environment())
    printed, answers = b"", list(answers)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            piece = os.read(terminal, 4096)
        except OSError:
            break
        if not piece:
            break
        printed += piece
        if answers and printed.rstrip().endswith(b":"):
            time.sleep(0.3)  # the echo is switched off after the prompt
            os.write(terminal, answers.pop(0) + b"\n")
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), printed.decode()


@pytest.fixture
def locked(make_server):
    """A server that ran once with an open key; its RA key is now locked."""
    server = make_server(GOOD + OPEN, bare=True)
    server.stop()
    lock_key(server)
    for path in server.dir.glob("*.conf"):
        path.write_text(path.read_text().replace(RAKEY, LOCKED))
    return server, sandbox.httpd_command(server.dir)


def test_pass_phrase_at_the_terminal_outlives_a_graceful(locked):
    server, arguments = locked
    status, printed = answer_prompt(arguments, [PHRASE])
    assert status == 0, printed
    assert "pass phrase of" in printed and "locked.key" in printed
    assert printed.count("pass phrase of") == 1, "asked in one pass only"
    assert PHRASE.decode() not in printed, "no echo"
    wait_until((server.dir / "httpd.pid").exists)
    pid = server.pid
    try:
        wait_until(server.children)
        before = set(server.children())
        assert server.endpoint(path="/scep").caps()
        os.kill(pid, signal.SIGUSR1)
        wait_until(lambda: set(server.children()) - before)
        wait_until(lambda: not before & set(server.children()))
        assert server.endpoint(path="/scep").caps()
    finally:
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not os.path.exists("/proc/%d" % pid))


def test_wrong_pass_phrase_at_the_terminal_starts_nothing(locked):
    server, arguments = locked
    status, printed = answer_prompt(arguments, [b"wrong", b"wrong", b"wrong"])
    assert status != 0
    assert "locked.key" in printed
    assert not (server.dir / "httpd.pid").exists()


def test_pass_phrase_by_program_outlives_a_graceful(make_server, keys):
    server = make_server(start=False, bare=True)
    program = server.dir / "dialog"
    program.write_text("#!/bin/sh\necho \"$1\" >> %s/asked\necho %s\n"
                       % (server.dir, PHRASE.decode()))
    program.chmod(0o755)
    server.lines = ("ScepPassPhraseDialog exec:%s\n" % program
                    + GOOD.replace(RAKEY, LOCKED) + OPEN)
    sandbox.make_pki(server.dir)
    lock_key(server)
    server.start()
    assert server.endpoint(path="/scep").caps()
    for _ in range(2):
        server.reload()
        time.sleep(0.2)
        assert server.endpoint(path="/scep").caps()
    asked = (server.dir / "asked").read_text()
    assert "locked.key" in asked
    assert PHRASE.decode() not in server.log.path.read_text()


def test_wrong_pass_phrase_is_told(make_server, keys):
    server = make_server(start=False, bare=True)
    program = server.dir / "dialog"
    program.write_text("#!/bin/sh\necho wrong\n")
    program.chmod(0o755)
    server.lines = ("ScepPassPhraseDialog exec:%s\n" % program
                    + GOOD.replace(RAKEY, LOCKED))
    sandbox.make_pki(server.dir)
    lock_key(server)
    done = server.start(check=False)
    assert done.returncode != 0
    assert re.search("locked.key.*pass phrase", done.stdout + done.stderr)
