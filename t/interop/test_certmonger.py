"""certmonger with getcert: GET, AES-256, version 1 signer, strict reader.

SPDX-License-Identifier: Apache-2.0
"""
import os
import subprocess

import pytest

INNER = """\
cd "{work}" || exit 11
getcert add-scep-ca -c SC -u "{url}" || exit 10
# the daemon asks for the CA's certificates in its own time
for turn in 1 2 3 4 5 6 7 8 9 10; do
    getcert list-cas -c SC | grep -q 'SCEP CA certificate' && break
    sleep 0.3
done
getcert request -c SC -k "{work}/k.pem" -f "{work}/c.pem" -G rsa -g {size} \
    -N "CN=monger" -D monger.example -L {secret} -I t1 -w \
    --wait-timeout 25 > request.out 2>&1
echo $? > request.status
getcert list -i t1 > list.out 2>&1
"""
RENEWAL = """\
cp c.pem first.pem
getcert {command} -i t1 -w --wait-timeout 25 > renewal.out 2>&1
getcert list -i t1 > list.out 2>&1
"""


@pytest.fixture
def client(url, tmp_path):
    def run(profile, secret, size=2048, more=""):
        environment = dict(os.environ)
        for name in ("CONFIG", "CAS", "REQUESTS", "LOCAL_CA"):
            path = tmp_path / name.lower()
            path.mkdir()
            environment["CERTMONGER_%s_DIR" % name] = str(path)
        environment["CERTMONGER_TMPDIR"] = str(tmp_path)
        environment["CERTMONGER_SYSTEM_LOCK_FILE"] = str(tmp_path / "lock")
        (tmp_path / "inner.sh").write_text(INNER.format(
            work=tmp_path, url=url(profile), secret=secret, size=size) + more)
        done = subprocess.run(
            ["certmonger", "-s", "-L", "-P", tmp_path / "sock", "-n", "-d",
             "3", "-c", "sh %s/inner.sh" % tmp_path], env=environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=120)
        state = (tmp_path / "list.out").read_text() \
            if (tmp_path / "list.out").exists() else done.stdout[-3000:]
        return state
    return run


@pytest.mark.parametrize("size", [2048, 4096])
def test_q05_enrols_by_get(server, client, verify, tmp_path, size):
    state = client("default", server.challenge(), size)
    assert "status: MONITORING" in state, state
    verify(tmp_path / "c.pem", tmp_path / "k.pem",
           san="DNS:monger.example")
    gets = [line for line in (server.dir / "access.log").read_text()
            .splitlines() if "CN=monger" in line or "GET" in line]
    assert gets


def test_q05_rsa_4096_to_an_ra_of_4096_bits(server, client, verify, tmp_path):
    state = client("bigra", server.challenge("bigra"), 4096)
    assert "status: MONITORING" in state, state
    verify(tmp_path / "c.pem", tmp_path / "k.pem", "bigra")


@pytest.mark.parametrize("profile", [
    "split", "extra", "legacy", "pubreverse", "replychain", "getonly"])
def test_forms_that_it_reads(server, client, verify, tmp_path, profile):
    state = client(profile, server.challenge(profile))
    assert "status: MONITORING" in state, state
    verify(tmp_path / "c.pem", tmp_path / "k.pem", profile)


def test_q08_a_failure_is_ca_rejected(client, tmp_path):
    state = client("default", "0" * 32)
    assert "status: CA_REJECTED" in state, state
    assert not (tmp_path / "c.pem").exists()


def test_q15_bound_challenge(server, client, verify, tmp_path):
    state = client("default", server.challenge(
        subject="CN=monger", sans=["dns:monger.example"]))
    assert "status: MONITORING" in state, state


@pytest.mark.parametrize("command", ["resubmit", "rekey"])
def test_q13_renews_by_pkcsreq_of_the_old_certificate(server, client, verify,
                                                      tmp_path, command):
    """Its old, spent challenge comes along and is no breach."""
    state = client("renew", server.challenge("renew"),
                   more=RENEWAL.format(command=command))
    assert "status: MONITORING" in state, state
    assert (tmp_path / "first.pem").read_text() != \
        (tmp_path / "c.pem").read_text()
    verify(tmp_path / "c.pem", tmp_path / "k.pem", "renew",
           san="DNS:monger.example")
