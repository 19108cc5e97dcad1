"""Static secrets: one for many devices, with an end, networks and a limit.

SPDX-License-Identifier: Apache-2.0
"""
import base64
import concurrent.futures
import datetime
import hashlib
import json
import os
import pathlib
import re
import secrets
import shutil
import subprocess
import time

import pytest

import der
import gateway
import pki
from configuration import GOOD, Configuration
from gateway import make_csr, wait_until
from pkimessage import BAD_REQUEST, FAILURE, SUCCESS

ENDS, ENDED = "SCEP0380", "SCEP0381"
DOWN = "SCEP0104: no certificate, verifier-down"

PROFILE = """\
<ScepProfile plant>
    ScepCA issuing
    ScepRACertificate pki/ra.pem
    ScepRAKey pki/ra.key
    %s
</ScepProfile>
<Location "/p/plant">
    SetHandler scep
    ScepProfile plant
    Require all granted
</Location>
"""
STATIC = "ScepVerify static\n    ScepStaticSecrets static-secrets"
ONE_PROCESS = """\
StartServers 1
ServerLimit 1
ThreadsPerChild 25
MaxRequestWorkers 25
MinSpareThreads 1
"""
REMOTE_IP = """\
LoadModule remoteip_module modules/mod_remoteip.so
RemoteIPHeader X-Test-Address
RemoteIPInternalProxy 127.0.0.1
"""
# under Valgrind, which takes time, or a sanitizer: both take memory
SLOW = "SCEP_HTTPD_WRAPPER" in os.environ
WATCHED = SLOW or "SCEP_HTTPD_ENV" in os.environ


def b64(octets):
    return base64.b64encode(octets).decode().rstrip("=")


def line(name, secret, *options, ln=8, p=1):
    """As scepctl static hash makes it, but made by Python."""
    salt = os.urandom(16)
    made = hashlib.scrypt(secret.encode(), salt=salt, n=1 << ln, r=8, p=p,
                          maxmem=1 << 28, dklen=32)
    return " ".join((name, "$scrypt$ln=%d,r=8,p=%d$%s$%s"
                     % (ln, p, b64(salt), b64(made)), *options))


def moment(seconds):
    """A time from now, as a line has it."""
    when = (datetime.datetime.now(datetime.timezone.utc)
            + datetime.timedelta(seconds=seconds))
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def new_secret():
    return secrets.token_hex(16).upper()


class Plant:
    """A server with one profile, its file of secrets, and a device."""

    def __init__(self, make_server, keys, lines, verify=STATIC, extra="",
                 startup=(), mpm="event"):
        self.server = make_server(PROFILE % verify + extra, mpm, start=False)
        self.server.startup += startup
        self.file = self.server.dir / "static-secrets"
        self.write(*lines)
        start = time.monotonic()
        self.server.start()
        # seconds in which this machine surely starts or reloads httpd
        self.pace = 3 + 3 * (time.monotonic() - start)
        self.key = keys.rsa()
        self.signer = keys.signer()

    def write(self, *lines):
        self.file.write_text("# secrets of the plant\n\n"
                             + "\n".join(lines) + "\n")
        self.file.chmod(0o600)

    def secret(self):
        made = new_secret()
        self.server.secrets.add(made)
        return made

    def reload(self):
        old = set(self.server.children())
        self.server.reload()
        wait_until(lambda: self.server.children()
                   and not old & set(self.server.children()))

    def post(self, challenge, headers=None, sans=(), cn="device"):
        endpoint = self.server.endpoint("plant")
        attributes = [] if challenge is None else [
            pki.challenge_password(challenge, der.UTF8)]
        if sans:
            attributes.append(pki.extension_request(
                pki.subject_alt_name(*sans)))
        message = endpoint.request(
            self.key, pki.csr(self.key, pki.name(("CN", cn)),
                              *attributes), self.signer)
        return endpoint.post(message.build(), **(headers or {})), message, \
            endpoint

    def tries(self, challenge, headers=None, sans=(), cn="device"):
        response, message, endpoint = self.post(challenge, headers, sans, cn)
        reply = endpoint.read(response, message)
        if reply.status == SUCCESS:
            reply.check_issued(self.key)
        else:
            assert (reply.status, reply.fail_info) == (FAILURE, BAD_REQUEST)
        return reply.status == SUCCESS

    def takes(self, challenge, times=3):
        """The shortest of some tries, in seconds."""
        def once():
            start = time.monotonic()
            self.tries(challenge)
            return time.monotonic() - start
        return min(once() for _ in range(times))

    def said(self, pattern):
        return [outcome.text for outcome in self.server.log.outcomes()
                if re.search(pattern, outcome.text)]

    def metrics(self):
        answer = self.server.admin("GET", "/metrics")
        assert answer.status == 200, answer
        found = {}
        for text in answer.body.decode().splitlines():
            parts = re.fullmatch(r'scep_static_secret_(\w+)\{profile="plant",'
                                 r'name="([^"]+)"\} (\d+)', text)
            if parts:
                found[parts[2], parts[1]] = int(parts[3])
        return found


@pytest.fixture
def make_plant(make_server, keys):
    def make(*lines, **members):
        return Plant(make_server, keys, lines, **members)
    return make


# ------------------------------------------------------------ right or wrong

def test_a_secret_is_good_for_many_and_the_log_names_it(make_plant):
    good = new_secret()
    plant = make_plant(line("plant-2026", good, ln=15))
    plant.server.secrets.add(good)
    for _ in range(3):
        assert plant.tries(good)
    assert len(plant.said("SCEP0100: .*challenge static:plant-2026,")) == 3
    assert not plant.tries(good + "x")
    assert not plant.tries(good[:-1])
    assert not plant.tries(good.lower())
    assert len(plant.said("SCEP0102: refused, bad-challenge: .*no such static "
                          "secret")) == 3
    assert plant.metrics() == {("plant-2026", "used"): 3}


def test_a_request_without_a_challenge_is_refused(make_plant):
    plant = make_plant(line("a", new_secret()))
    assert not plant.tries(None)
    assert plant.said("no challengePassword")


def test_odd_secrets_are_compared_octet_by_octet(make_plant):
    odd = "gr\u00fc\u00dfe \u20ac $ # % 'x\" \\"
    plant = make_plant(line("odd", odd), line("other", "  two  blanks "))
    assert plant.tries(odd)
    assert plant.tries("  two  blanks ")
    assert not plant.tries("two blanks")
    assert not plant.tries(odd.upper())


def test_scepctl_makes_lines_that_work(make_plant):
    done = subprocess.run(
        [gateway.BUILD / "scepctl", "static", "hash", "--name", "made",
         "--generate", "--cost", "10"], text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    made, = re.findall(r"\b[0-9A-F]{32}\b", done.stderr)
    assert made not in done.stdout
    plant = make_plant(done.stdout)
    plant.server.secrets.add(made)
    assert plant.tries(made)


# ----------------------------------------------------------------- rotation

def test_rotation_needs_no_outage(make_plant):
    old, new = new_secret(), new_secret()
    plant = make_plant(line("old", old))
    plant.server.secrets |= {old, new}
    assert plant.tries(old)
    plant.write(line("old", old), line("new", new))
    plant.reload()
    assert plant.tries(old) and plant.tries(new)
    plant.write(line("new", new))
    plant.reload()
    assert plant.tries(new)
    assert not plant.tries(old)


def test_not_before_and_not_after(make_plant):
    early, late, now, day = [new_secret() for _ in range(4)]
    plant = make_plant(
        line("early", early, "not-before=" + moment(3600)),
        line("late", late, "not-after=" + moment(-2)),
        line("now", now, "not-before=" + moment(-3600),
             "not-after=" + moment(30 * 86400)),
        line("day", day, "not-before=2026-01-01", "not-after=2099-12-31"),
        startup=[ENDED])
    plant.server.secrets |= {early, late, now, day}
    assert not plant.tries(early)
    assert not plant.tries(late)
    assert plant.tries(now) and plant.tries(day)
    assert plant.said("static secret early: its time has not come")
    assert plant.said("static secret late: its time is over")


def test_a_secret_ends_while_it_is_in_use(make_plant):
    good = new_secret()
    plant = make_plant(line("short", good), startup=[ENDS])
    plant.server.secrets.add(good)
    plant.write(line("short", good, "not-after=" + moment(plant.pace)))
    plant.reload()
    plant.server.log.expect(ENDED)
    assert plant.tries(good)
    wait_until(lambda: not plant.tries(good), step=0.3)
    assert plant.said("static secret short: its time is over")
    wait_until(lambda: plant.said(ENDED))


# ----------------------------------------------------------------- networks

def test_networks_of_clients(make_plant):
    here, there = new_secret(), new_secret()
    plant = make_plant(
        line("here", here, "network=192.0.2.0/24,2001:db8::/32"),
        line("there", there, "network=198.51.100.7"), extra=REMOTE_IP)
    plant.server.secrets |= {here, there}

    def comes_from(secret, address):
        return plant.tries(secret, {"X-Test-Address": address})

    assert comes_from(here, "192.0.2.1")
    assert comes_from(here, "192.0.2.255")
    assert comes_from(here, "2001:db8::1")
    assert not comes_from(here, "192.0.3.1")
    assert not comes_from(here, "2001:db9::1")
    assert not comes_from(there, "192.0.2.1")
    assert comes_from(there, "198.51.100.7")
    assert not plant.tries(here)
    assert plant.said("static secret here: it is not for the client's "
                      "network")


def test_one_secret_with_two_lines(make_plant):
    good = new_secret()
    plant = make_plant(line("lab", good, "network=192.0.2.0/24", "limit=1/d"),
                       line("hall", good, "network=127.0.0.1"),
                       extra=REMOTE_IP)
    plant.server.secrets.add(good)
    assert plant.tries(good)
    assert plant.tries(good, {"X-Test-Address": "192.0.2.9"})
    assert not plant.tries(good, {"X-Test-Address": "192.0.2.9"})
    assert plant.tries(good)
    assert plant.metrics() == {("lab", "used"): 1, ("hall", "used"): 2}


# -------------------------------------------------------------- daily limit

def test_a_limit_holds_over_processes_and_restart(make_plant):
    good = new_secret()
    plant = make_plant(line("few", good, "limit=3/d"))
    plant.server.secrets.add(good)
    assert plant.tries(good)
    plant.reload()
    assert plant.tries(good)
    plant.server.restart()
    assert plant.tries(good)
    assert not plant.tries(good)
    assert plant.said("static secret few: its limit of today is reached")
    plant.server.restart()
    assert not plant.tries(good)
    assert plant.metrics() == {("few", "used"): 3}


@pytest.mark.parametrize("mpm", ["event", "prefork"])
def test_a_limit_holds_in_parallel(make_plant, mpm):
    good = new_secret()
    plant = make_plant(line("few", good, "limit=5/d"),
                       extra="StartServers 3\n", mpm=mpm)
    plant.server.secrets.add(good)
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        # of one key and one name, it would be one enrolment
        won = list(pool.map(lambda n: plant.tries(good, cn="device %d" % n),
                            range(24)))
    assert sum(won) == 5
    assert plant.metrics() == {("few", "used"): 5}


def test_what_gets_no_certificate_does_not_count(make_plant):
    good = new_secret()
    plant = make_plant(line("few", good, "limit=1/d"),
                       verify=STATIC + "\n    ScepSubjectAltNames none")
    plant.server.secrets.add(good)
    for _ in range(3):
        assert not plant.tries(good, sans=[pki.dns("a.example")])
    assert plant.metrics() == {("few", "used"): 0}
    assert plant.tries(good)
    assert not plant.tries(good)


# ------------------------------------------------------- the end comes near

def test_warning_of_the_end_at_start_once_a_day_and_in_metrics(make_plant):
    near, far, over = [new_secret() for _ in range(3)]
    plant = make_plant(
        line("near", near, "not-after=" + moment(13 * 86400)),
        line("far", far, "not-after=" + moment(15 * 86400)),
        line("over", over, "not-after=2026-01-31"),
        line("endless", new_secret()), startup=[ENDS, ENDED])
    # a few turns of the watchdog, and no second word
    time.sleep(3)
    text = (plant.server.dir / "error.log").read_text()
    assert text.count(ENDS) == 1 and text.count(ENDED) == 1
    assert "plant: the static secret near ends at " in text
    assert "the static secret over has ended at 2026-01-31T23:59:59Z" in text
    shown = plant.metrics()
    assert ("endless", "not_after_seconds") not in shown
    assert shown["over", "not_after_seconds"] == 1769904000
    left = shown["near", "not_after_seconds"] - time.time()
    assert 13 * 86400 - 60 < left <= 13 * 86400 + 1


def test_the_watchdog_warns_when_the_time_has_come(make_plant):
    good = new_secret()
    plant = make_plant(line("soon", good),
                       verify=STATIC + "\n    ScepStaticWarn 1h")
    plant.write(line("soon", good, "not-after=" + moment(3600 + plant.pace)))
    plant.reload()
    plant.server.log.expect(ENDS + ": profile plant: the static secret soon")
    wait_until(lambda: plant.said(ENDS))


def test_metrics_are_what_prometheus_reads(make_plant):
    plant = make_plant(line("a", new_secret(), "not-after=2099-01-01"))
    text = plant.server.admin("GET", "/metrics").body.decode()
    for name in ("used", "not_after_seconds"):
        name = "scep_static_secret_" + name
        assert text.count("# TYPE %s gauge\n" % name) == 1
        assert text.index("# TYPE " + name) < text.index(name + "{")


# ---------------------------------------------------- beside other verifiers

def test_otp_first_and_static_behind_it(make_plant):
    good = new_secret()
    plant = make_plant(line("fallback", good), verify=STATIC.replace(
        "ScepVerify static", "ScepVerify otp static"))
    plant.server.secrets.add(good)
    challenge = plant.server.challenge("plant")
    assert plant.tries(challenge)
    assert plant.tries(good)
    assert plant.said("SCEP0100: .*challenge static:fallback,")
    assert not plant.tries(plant.secret())
    plant.server.log.expect("SCEP0103")
    assert not plant.tries(challenge)


def test_static_first_and_otp_behind_it(make_plant):
    good = new_secret()
    plant = make_plant(
        line("limited", good, "limit=1/d"), verify=STATIC.replace(
            "ScepVerify static", "ScepVerify static otp"))
    plant.server.secrets.add(good)
    assert plant.tries(plant.server.challenge("plant"))
    assert plant.tries(good)
    assert not plant.tries(good)


def test_another_profile_knows_no_secret_of_this_one(make_plant):
    good = new_secret()
    plant = make_plant(line("a", good))
    plant.server.secrets.add(good)
    endpoint = plant.server.endpoint()
    message = endpoint.request(plant.key, make_csr(plant.key, good),
                               plant.signer)
    assert endpoint.send(message).status == FAILURE


# ------------------------------------------------------------------- explain

def test_explain_says_what_would_be_and_counts_nothing(make_plant):
    good, ended = new_secret(), new_secret()
    plant = make_plant(line("one", good, "limit=1/d", "network=127.0.0.0/8"),
                       line("ended", ended, "not-after=2026-01-31"),
                       startup=[ENDED])
    plant.server.secrets |= {good, ended}
    request = base64.b64encode(pki.csr(
        plant.key, pki.name(("CN", "device")))).decode()

    def explain(challenge, address="127.0.0.1"):
        answer = plant.server.admin("POST", "/explain", {
            "profile": "plant", "csr": request, "challenge": challenge,
            "address": address})
        assert answer.status == 200, answer
        assert challenge.encode() not in answer.body
        return json.loads(answer.body)["allowed"], answer.body.decode()

    for _ in range(2):
        assert explain(good)[0] is True
    assert plant.metrics()["one", "used"] == 0
    allowed, said = explain(good, "192.0.2.1")
    assert allowed is False and "not for the client's network" in said
    allowed, said = explain(ended)
    assert allowed is False and "its time is over" in said
    allowed, said = explain(plant.secret())
    assert allowed is False and "no such static secret" in said
    assert plant.tries(good)
    allowed, said = explain(good)
    assert allowed is False and "its limit of today is reached" in said


# --------------------------------------------------------------- what it costs

def test_wrong_guesses_pay_and_a_known_secret_does_not(make_plant):
    good, ended = new_secret(), new_secret()
    plant = make_plant(
        line("good", good, ln=15, p=2),
        line("ended", ended, "not-after=2026-01-31", ln=15, p=2),
        verify=STATIC.replace("ScepVerify static", "ScepVerify otp static"),
        extra=ONE_PROCESS, startup=[ENDED])
    plant.server.secrets |= {good, ended}
    plant.server.log.expect("SCEP0103")
    spent = plant.server.challenge("plant")
    assert plant.tries(spent) and plant.tries(good)
    known = plant.takes(good)
    wrong = plant.takes(plant.secret())
    assert 2 * known < wrong
    # what is right but refused, and what otp has refused, take their time
    assert plant.takes(ended) > wrong / 2
    assert plant.takes(spent) > wrong / 2
    # and there is no cache in the next process
    old = plant.server.children()
    plant.server.kill(*old)
    wait_until(lambda: plant.server.children() not in ([], old))
    start = time.monotonic()
    assert plant.tries(good)
    assert time.monotonic() - start > wrong / 2


def test_memory_stays_bounded_under_many_guesses(make_plant):
    plant = make_plant(line("a", new_secret(), ln=16), extra=ONE_PROCESS)
    guess = plant.secret()
    plant.tries(guess)

    def peak():
        pid, = plant.server.children()
        status = pathlib.Path("/proc/%d/status" % pid).read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])

    before = peak()
    plant.server.log.allow(DOWN)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: plant.post(guess)[0], range(8)))
    assert {answer.status for answer in answers} <= {200, 503}
    # the first one has left 64 MiB, and there is room for one more
    assert WATCHED or peak() - before < 110 * 1024


def test_who_has_to_wait_too_long_is_told_to_come_again(make_plant):
    secret = new_secret()
    lines = [line("s%d" % i, secret, ln=14, p=16)
             for i in range(1 if SLOW else 6)]
    plant = make_plant(*lines, extra=ONE_PROCESS)
    plant.server.secrets.add(secret)
    assert plant.tries(secret)
    guess = plant.secret()
    plant.server.log.expect(DOWN + ".*too many static secrets")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(plant.post, guess) for _ in range(8)]
        # who is known does not have to wait
        assert plant.tries(secret)
        answers = [future.result()[0] for future in waiting]
    statuses = [answer.status for answer in answers]
    assert statuses.count(200) >= 2 and 503 in statuses
    late = next(answer for answer in answers if answer.status == 503)
    assert int(late.headers["retry-after"]) > 0


def test_no_secret_stands_in_a_log_and_no_hash_either(make_plant):
    good = new_secret()
    text = line("a", good)
    plant = make_plant(text)
    plant.server.secrets.add(good)
    plant.tries(good)
    plant.tries(plant.secret())
    written = (plant.server.dir / "error.log").read_text() \
        + (plant.server.dir / "access.log").read_text()
    assert good not in written
    assert text.rsplit("$", 1)[1] not in written


# -------------------------------------------------------------- file mistakes

@pytest.fixture(scope="module")
def configuration(keys):
    made = Configuration(keys)
    yield made
    shutil.rmtree(made.dir)


def configure(configuration, text, mode=0o600, more="", verify="static"):
    path = configuration.dir / "static-secrets"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)
    return configuration.check(GOOD.replace(
        "ScepValidity 365d", "ScepVerify %s\nScepStaticSecrets "
        "static-secrets\n%s" % (verify, more)))


def test_a_good_file_passes(configuration):
    code, said = configure(configuration, "# x\n\n%s\r\n%s" % (
        line("a", "x", "limit=5/d"), line("b", "y")), 0o640,
        "ScepStaticWarn 0")
    assert code == 0, said


@pytest.mark.parametrize("number,fault,word", [
    (3, "name", "hash"), (3, "name hunter2", "hash"),
    (3, "name $scrypt$ln=20,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$"
     + "A" * 43, "64 MiB"),
    (3, line("b", "x", "not-after=2026-02-30"), "no such day"),
    (3, line("b", "x", "network=192.0.2.1/24"), "bits"),
    (3, line("b", "x", "limit=0/d"), "limit"),
    (3, line("b", "x", "hunter2"), "behind the hash"),
    (3, line("good", "x"), "a secret good already"),
    (3, line("b", "x")[:-1] + "\0", "NUL"),
    (3, "\ufeff" + line("b", "x"), "name"),
    (3, "hunter2/", "name"), (3, "\x1b[31mhunter2", "name")])
def test_a_mistake_in_the_file_is_named_with_its_line(configuration, number,
                                                      fault, word):
    code, said = configure(configuration, "# x\n%s\n%s\n%s\n" % (
        line("good", "x"), fault, line("behind", "x")))
    assert code != 0
    assert re.search(r"AH00526: Syntax error on line \d+ of", said), said
    assert "ScepStaticSecrets: " in said, said
    assert "static-secrets line %d: " % number in said, said
    assert word in said, said
    assert "hunter2" not in said


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o620, 0o602, 0o666])
def test_a_file_that_others_can_read_or_change_is_refused(configuration,
                                                          mode):
    code, said = configure(configuration, line("a", "x"), mode)
    assert code != 0
    assert "can be read or changed by others: chmod 600" in said, said


@pytest.mark.parametrize("text,word", [
    ("", "ScepStaticSecrets"), ("# nothing\n", "ScepStaticSecrets"),
    ("\n".join(line("s%d" % i, "x") for i in range(17)), "16 secrets")])
def test_too_few_and_too_many(configuration, text, word):
    code, said = configure(configuration, text)
    assert code != 0 and word in said, said


def test_two_files_share_their_names_and_their_number(configuration):
    other = configuration.dir / "other-secrets"
    other.write_text(line("b", "x"))
    other.chmod(0o600)
    more = "ScepStaticSecrets other-secrets"
    code, said = configure(configuration, line("a", "x"), more=more)
    assert code == 0, said
    code, said = configure(configuration, line("b", "x"), more=more)
    assert code != 0 and "other-secrets line 1: " in said, said


@pytest.mark.parametrize("lines,word", [
    ("ScepVerify static", "ScepStaticSecrets"),
    ("ScepStaticSecrets nowhere", "nowhere"),
    ("ScepStaticSecrets pki", "pki"),
    ("ScepStaticSecrets", "one argument"),
    ("ScepStaticWarn soon", "ScepStaticWarn"),
    ("ScepStaticWarn", "one argument")])
def test_mistakes_of_directives(configuration, lines, word):
    code, said = configuration.check(
        GOOD.replace("ScepValidity 365d", lines))
    assert code != 0 and word in said, said


@pytest.mark.parametrize("directive", ["ScepStaticSecrets x",
                                       "ScepStaticWarn 1d"])
def test_they_belong_into_a_profile(configuration, directive):
    code, said = configuration.check(GOOD + directive + "\n")
    assert code != 0 and "belongs into <ScepProfile>" in said, said


def test_children_never_open_the_file(make_plant):
    good = new_secret()
    plant = make_plant(line("a", good))
    plant.server.secrets.add(good)
    plant.file.unlink()
    old = set(plant.server.children())
    plant.server.kill(*old)
    wait_until(lambda: set(plant.server.children()) - old)
    assert plant.tries(good)
