"""build/sandbox is part of the product: it starts, or says why not.

SPDX-License-Identifier: Apache-2.0
"""
import os
import pathlib
import shutil
import signal
import socket
import subprocess

import pytest

import gateway
import scepclient


class Box:
    """build/sandbox in a directory of its own, as somebody types it."""

    def __init__(self, directory):
        self.dir = directory

    def run(self, command, *words, status=0, **environment):
        done = subprocess.run(
            [gateway.SANDBOX, command, "--dir", self.dir, *map(str, words)],
            text=True, capture_output=True, stdin=subprocess.DEVNULL,
            env={**os.environ, "SCEP_BUILD": str(gateway.BUILD),
                 **environment})
        assert done.returncode == status, done.stdout + done.stderr
        return done

    def start(self, *words, **environment):
        return values(self.run("start", *words, **environment))

    def refuses(self, *words, **environment):
        done = self.run("start", *words, status=1, **environment)
        assert done.stdout == "" and self.processes() == []
        assert not (self.dir / "httpd.pid").exists()
        return done.stderr

    def config(self, text):
        path = self.dir.parent / "added.conf"
        path.write_text(text)
        return "--config", path

    def processes(self, part="httpd.conf"):
        found = []
        for path in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                command = (path / "cmdline").read_bytes()
                state = (path / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if state[0] != "Z" \
                    and os.fsencode(self.dir / part) in command:
                found.append(int(path.name))
        return found


def values(done):
    return dict(line.split("=", 1) for line in done.stdout.splitlines())


@pytest.fixture
def box():
    scratch = gateway.scratch()
    box = Box(scratch / "box")
    yield box
    box.run("stop")
    assert box.processes() == []
    shutil.rmtree(scratch)


def test_start_prints_where_it_is(box):
    told = box.start()
    for key in ("CA_CERT", "ROOT_CERT", "ISSUING_CERT", "RA_CERT",
                "ERROR_LOG"):
        assert pathlib.Path(told[key]).is_file(), key
    assert told["DIR"] == str(box.dir)
    assert int(told["PID"]) in box.processes()
    assert values(box.run("status")) == told
    for url in (told["SCEP_URL"], told["LEGACY_URL"]):
        answer = scepclient.request(url + "?operation=GetCACaps", "GET", None,
                                    {})
        assert answer.status == 200
    assert scepclient.request(told["ADMIN_URL"] + "/challenges", "GET", None,
                              {}).status == 200


def test_its_pki_verifies(box):
    told = box.start()
    for leaf in ("RA_CERT", "ISSUING_CERT"):
        subprocess.run(["openssl", "verify", "-x509_strict", "-CAfile",
                        told["ROOT_CERT"], "-untrusted", told["ISSUING_CERT"],
                        told[leaf]], check=True, stdout=subprocess.DEVNULL)
    for key in ("root", "issuing", "ra"):
        assert (box.dir / f"pki/{key}.key").stat().st_mode & 0o077 == 0


def test_starting_twice_is_once(box):
    assert box.start() == box.start()


def test_running_with_other_options_is_said(box):
    box.start("--mpm", "event")
    done = box.run("start", "--mpm", "prefork", status=1)
    assert "stop it first" in done.stderr


def test_what_is_not_given_again_stays(box):
    told = box.start("--mpm", "prefork", *box.config("LogLevel debug"))
    kept = (box.dir / "pki/ra.pem").read_bytes()
    box.run("stop")
    again = box.start()
    assert again["PORT"] == told["PORT"] and again["PID"] != told["PID"]
    text = (box.dir / "httpd.conf").read_text()
    assert "mpm_prefork" in text and "added.conf" in text
    assert (box.dir / "pki/ra.pem").read_bytes() == kept


def test_stop_leaves_nothing_and_may_be_repeated(box):
    box.start()
    box.run("stop")
    assert box.processes() == []
    box.run("stop")
    assert values(box.run("status", status=3))["PID"] == ""


def test_status_of_nothing(box):
    assert "never started" in box.run("status", status=3).stderr


@pytest.mark.parametrize("mpm", ["event", "prefork"])
def test_orphans_of_a_killed_parent_end_at_the_next_start(box, mpm):
    told = box.start("--mpm", mpm)
    old = box.processes()
    challenge = box.run("challenge").stdout.strip()
    os.kill(int(told["PID"]), signal.SIGKILL)
    again = box.start()
    assert again["PORT"] == told["PORT"]
    assert not set(old) & set(box.processes())
    listing = scepclient.request(again["ADMIN_URL"] + "/challenges", "GET",
                                 None, {}).body
    assert len(challenge) == 32 and b'"issued"' in listing


def test_stop_ends_orphans_too(box):
    told = box.start()
    os.kill(int(told["PID"]), signal.SIGKILL)
    box.run("stop")
    assert box.processes() == []


def test_wrong_configuration_is_said_with_file_and_line(box):
    told = box.refuses(*box.config("Listen 127.0.0.1:1\nNoSuchDirective x\n"))
    assert "NoSuchDirective" in told and "line 2 of" in told
    assert "added.conf" in told


def test_what_only_a_start_finds_is_said(box):
    assert "192.0.2.1" in box.refuses(*box.config("Listen 192.0.2.1:80\n"))


def test_a_failed_start_is_not_remembered(box):
    box.refuses(*box.config("Listen 192.0.2.1:80\n"))
    box.start()


def test_a_taken_port_is_said(box):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert f":{port}" in box.refuses("--port", port)


def test_a_server_that_hangs_is_ended(box):
    sleeper = "/usr/bin/python3 -c 'import time; time.sleep(60)'"
    told = box.refuses(SCEP_HTTPD_WRAPPER=sleeper, SCEP_HTTPD_WAIT="1")
    assert "did not answer" in told


def test_a_missing_build_is_said(box):
    told = box.refuses("--build", box.dir)
    assert "mod_scep.so" in told and "--build" in told


def test_reload_keeps_the_process_and_reads_anew(box):
    added = box.config("# nothing\n")
    told = box.start(*added)
    added[1].write_text("ServerTokens Prod\n")
    box.run("reload")
    assert values(box.run("status")) == told
    answer = scepclient.request(told["SCEP_URL"] + "?operation=GetCACaps",
                                "GET", None, {})
    assert answer.status == 200


def test_reload_of_a_mistake_leaves_it_running(box):
    added = box.config("# nothing\n")
    told = box.start(*added)
    added[1].write_text("NoSuchDirective x\n")
    assert "NoSuchDirective" in box.run("reload", status=1).stderr
    assert values(box.run("status")) == told


def test_reload_of_nothing(box):
    assert "not running" in box.run("reload", status=1).stderr


def test_restart_is_another_process(box):
    told = box.start()
    again = values(box.run("restart", "--mpm", "prefork"))
    assert again["PID"] != told["PID"] and again["PORT"] == told["PORT"]


def test_challenge_prints_it_and_nothing_else(box):
    box.start()
    done = box.run("challenge", "--profile", "legacy", "--subject", "CN=x",
                   "--san", "dns:x", "--san", "ip:192.0.2.1", "--ttl", "5min")
    assert len(done.stdout) == 33 and done.stderr == ""
    assert done.stdout.strip().isalnum() and done.stdout.isupper()


@pytest.mark.parametrize("words, told", [
    (("--profile", "nosuch"), "nosuch"),
    (("--ttl", "900d"), "ttl"),
    (("--subject", "no name"), "subject"),
])
def test_challenge_refused_says_why(box, words, told):
    box.start()
    done = box.run("challenge", *words, status=1)
    assert done.stdout == "" and told in done.stderr


def test_challenge_of_nothing(box):
    assert "not running" in box.run("challenge", status=1).stderr


def test_no_proxy_of_the_environment_is_asked(box):
    box.start()
    done = box.run("challenge", http_proxy="http://127.0.0.1:1/")
    assert len(done.stdout) == 33


def test_bare_has_httpd_and_the_pki_alone(box):
    told = box.start("--bare")
    answer = scepclient.request(told["SCEP_URL"] + "?operation=GetCACaps",
                                "GET", None, {})
    assert answer.status in (403, 404)


def test_wrapper_and_environment_are_for_httpd(box):
    # beside those that a run with sanitizers or Valgrind has already
    wrapper, variables = (os.environ.get(name, "") for name in
                          ("SCEP_HTTPD_WRAPPER", "SCEP_HTTPD_ENV"))
    told = box.start(SCEP_HTTPD_WRAPPER="env WRAPPED=1 " + wrapper,
                     SCEP_HTTPD_ENV="'MARK=a b' " + variables)
    environment = pathlib.Path(f"/proc/{told['PID']}/environ").read_bytes()
    assert b"WRAPPED=1\0" in environment and b"MARK=a b\0" in environment


# --------------------------------------------- with another CA beside it

@pytest.fixture
def ca_box(box):
    yield box
    box.run("stop")
    assert box.processes("ca") == []


def test_another_ca_is_started_and_ended_with_it(ca_box):
    told = ca_box.start("--ca", "ejbca")
    assert values(ca_box.run("status")) == told
    answer = scepclient.request(told["CA_HEALTH_URL"])
    assert (answer.status, answer.body) == (200, b"ALLOK")
    assert ca_box.start() == told
    running = ca_box.processes("ca")
    ca_box.run("reload")
    assert set(running) & set(ca_box.processes("ca"))
    ca_box.run("stop")
    assert ca_box.processes("ca") == []


@pytest.mark.parametrize("kind", ["adcs-ces", "adcs-certsrv"])
def test_adcs_is_started_and_ended_with_it(ca_box, kind):
    told = ca_box.start("--ca", kind)
    assert scepclient.request(told["CA_CONTROL"]).status == 200
    again = values(ca_box.run("restart"))
    assert again["CA_URL"] == told["CA_URL"]
    ca_box.run("stop")
    assert ca_box.processes("ca") == []


def test_another_ca_keeps_its_ports_and_what_it_knows(ca_box):
    told = ca_box.start("--ca", "ejbca")
    answer = scepclient.request(
        told["CA_CONTROL"] + "/register", "POST",
        '{"username": "kept", "password": "x"}')
    assert answer.status == 200
    again = values(ca_box.run("restart"))
    assert again["CA_URL"] == told["CA_URL"]
    assert b'"kept"' in scepclient.request(told["CA_CONTROL"]).body


def test_nothing_of_another_ca_is_left_by_a_start_that_fails(ca_box):
    ca_box.refuses("--ca", "ejbca", *ca_box.config("NoSuchDirective x\n"))
    assert ca_box.processes("ca") == []


def test_what_a_killed_sandbox_left_of_another_ca_ends(ca_box):
    ca_box.start("--ca", "ejbca")
    old = ca_box.processes("ca")
    for pid in ca_box.processes("ca/httpd.conf"):
        os.kill(pid, signal.SIGKILL)
    os.kill(ca_box.processes()[0], signal.SIGKILL)
    ca_box.run("stop")
    assert not set(old) & set(ca_box.processes("ca"))
    told = ca_box.start("--ca", "openssl")
    assert "CA_URL" not in told and ca_box.processes("ca") == []
