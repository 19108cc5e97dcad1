"""Renewal with a ledger: whose certificate it is, and what becomes of it.

SPDX-License-Identifier: Apache-2.0
"""
import contextlib
import sqlite3
import subprocess

import pytest
from cryptography import x509

import other_ca
import renewals
from gateway import wait_until
from pkimessage import PENDING, SUCCESS
from renewals import Device, profile, refused

LIVE, SUPERSEDED, REVOKED, REVOKING = 0, 1, 2, 3
OFF = "ScepVerify cert otp\nScepRenewalRevocation off\n"
PROFILES = {
    "plain": OFF,
    "other": OFF,
    "keep": OFF + "ScepRenewalOld keep",
    "once": OFF + "ScepRenewalOld supersede after 0",
    "later": OFF + "ScepRenewalOld revoke after 1h",
    "revoke": ("ScepVerify cert otp\nScepRenewalRevocation ca\n"
               "ScepRenewalOld revoke after 0"),
    "known": OFF + "ScepRenewalUnknown refuse",
    "people": OFF + "ScepApproval required\nScepApprovalFourEyes off",
}


class Ledger:
    """The one that every sandbox has."""

    def __init__(self, server):
        self.path = server.dir / "ledger" / "ledger.db"

    def sql(self, text, *values):
        with contextlib.closing(sqlite3.connect(self.path, timeout=30)) as db:
            with db:
                return [list(row) for row in db.execute(text, values)]

    def row(self, serial):
        columns = ("state", "reason", "successor", "changed", "due")
        found, = self.sql("SELECT %s FROM ledger_certificate WHERE serial = ?"
                          % ", ".join(columns), text_of(serial))
        return dict(zip(columns, found))

    def state(self, serial):
        return self.row(serial)["state"]

    def events(self, serial, kind):
        """Details and actors of the events of one type."""
        return self.sql("SELECT detail, actor FROM ledger_event WHERE serial "
                        "= ? AND type = ? ORDER BY 1", text_of(serial), kind)


def text_of(serial):
    text = "%x" % serial
    return text if len(text) % 2 == 0 else "0" + text


@pytest.fixture(scope="module")
def server():
    sandbox = renewals.start("".join(profile(*pair)
                                     for pair in PROFILES.items()))
    yield sandbox
    sandbox.remove()


@pytest.fixture(scope="module")
def ledger(server):
    return Ledger(server)


@pytest.fixture
def device(server, keys):
    return lambda *words: Device(server, keys, *words)


def renewed(first):
    """The serial number of what it gets."""
    reply = first.renew()
    assert reply.status == SUCCESS
    return reply.check_issued(first.new_key).serial_number


SUPERSEDED_EVENT, REVOKED_EVENT = 16, 17


def test_superseded(device, ledger):
    first = device("plain")
    assert ledger.state(first.serial) == LIVE
    new = renewed(first)
    row = ledger.row(first.serial)
    assert (row["state"], row["reason"]) == (SUPERSEDED, 4)
    assert row["successor"] == text_of(new)
    assert ledger.state(new) == LIVE
    (detail, actor), = ledger.events(first.serial, SUPERSEDED_EVENT)
    assert (detail, actor) == ("renewed by " + text_of(new), "gateway")


def test_the_answer_may_have_been_lost(device, ledger):
    """For a week it renews again; what was first remains so."""
    first = device("plain")
    new = renewed(first)
    assert renewed(first) != new
    assert ledger.row(first.serial)["successor"] == text_of(new)


def test_after_that_it_renews_no_more(device, ledger):
    first = device("once")
    new = renewed(first)
    first.is_refused("has been renewed by %s (ScepRenewalOld)"
                     % text_of(new), number=2)
    assert ledger.state(first.serial) == SUPERSEDED


def test_kept(device, ledger):
    first = device("keep")
    renewed(first)
    assert ledger.state(first.serial) == LIVE
    renewed(first)


def test_c71_of_another_profile(device):
    """The same CA, the same usages, and yet not the same."""
    device("plain").is_refused("the certificate is one of profile plain",
                               profile="other")


def test_of_another_scep_ca_for_the_same_ca(device, ledger):
    """As where two <ScepCA> stand for one CA, or one was renamed."""
    first = device("plain")
    ledger.sql("UPDATE ledger_certificate SET ca = 'before' WHERE serial = ?",
               text_of(first.serial))
    first.is_refused("the certificate is one of profile plain",
                     profile="other")
    new = renewed(first)
    row = ledger.row(first.serial)
    assert (row["state"], row["successor"]) == (SUPERSEDED, text_of(new))
    ledger.sql("UPDATE ledger_certificate SET state = ? WHERE serial = ?",
               REVOKED, text_of(first.serial))
    first.is_refused("the certificate is revoked (ledger)", number=2)
    first.is_refused("the certificate is one of profile plain", number=3,
                     profile="other")


@pytest.mark.parametrize("ca", ["issuing", "before"])
@pytest.mark.parametrize("revoked", [0, 1])
def test_one_that_is_revoked_while_its_renewal_waits(server, device, ledger,
                                                     revoked, ca):
    first = device("plain")
    # as if people had let it in
    ledger.sql("UPDATE ledger_certificate SET profile = 'people', ca = ? "
               "WHERE serial = ?", ca, text_of(first.serial))
    endpoint, message, response = first.post("people")
    assert endpoint.read(response, message).status == PENDING
    (key,), = ledger.sql("SELECT key FROM ledger_enrolment WHERE renews = ?",
                         text_of(first.serial))
    if revoked:
        ledger.sql("UPDATE ledger_certificate SET state = ? WHERE serial = ?",
                   REVOKED, text_of(first.serial))
    answer = server.admin("POST", "/enrolments/%s/approve" % key, {})
    assert answer.status == 200, answer

    wait_until(lambda: ledger.sql("SELECT 1 FROM ledger_enrolment WHERE "
                                  "key = ? AND state >= 16", key))
    reply = endpoint.read(endpoint.post(message.build()), message)
    if revoked:
        server.log.expect("SCEP0645")
        refused(reply, server, "the certificate that it renews has been "
                "revoked")
    else:
        assert reply.status == SUCCESS


def test_one_that_the_ledger_does_not_know(device, ledger):
    for name, known in (("plain", True), ("known", False)):
        first = device(name)
        ledger.sql("DELETE FROM ledger_certificate WHERE serial = ?",
                   text_of(first.serial))
        if known:
            renewed(first)
        else:
            first.is_refused("does not know the certificate "
                             "(ScepRenewalUnknown)")
    renewed(device("known"))


def test_one_that_has_the_number_alone(device, ledger):
    first, other = device("plain"), device("plain")
    ledger.sql("UPDATE ledger_certificate SET der = (SELECT der FROM "
               "ledger_certificate WHERE serial = ?) WHERE serial = ?",
               text_of(other.serial), text_of(first.serial))
    first.is_refused("another certificate of this number")


@pytest.mark.parametrize("state, reason", [
    (REVOKED, "is revoked (ledger)"), (REVOKING, "is to be revoked (ledger)"),
    (SUPERSEDED, "is to be revoked (ledger)")])
def test_the_ledgers_word_counts(device, ledger, state, reason):
    """Whatever the sources say, and while the CA has not done it yet."""
    first = device("plain")
    ledger.sql("UPDATE ledger_certificate SET state = ?, due = ? "
               "WHERE serial = ?", state, 2**62, text_of(first.serial))
    first.is_refused(reason)


def crl_of(server):
    return x509.load_pem_x509_crl(
        (server.dir / "state/openssl-issuing/crl.pem").read_bytes())


def test_revoked_in_time(server, device, ledger):
    first, other = device("revoke"), device("revoke")
    new = renewed(first)
    wait_until(lambda: ledger.state(first.serial) == REVOKED)
    entry = crl_of(server).get_revoked_certificate_by_serial_number(
        first.serial)
    assert entry.extensions.get_extension_for_class(
        x509.CRLReason).value.reason == x509.ReasonFlags.superseded
    assert ledger.events(first.serial, REVOKED_EVENT) == \
        [["by the CA, superseded", "watchdog"]]
    assert ledger.row(first.serial)["successor"] == text_of(new)
    first.is_refused("is revoked (ledger)", number=2)
    renewed(other)
    # the CA's word alone is enough
    ledger.sql("UPDATE ledger_certificate SET state = 0 WHERE serial = ?",
               text_of(first.serial))
    first.is_refused("is revoked (ca)", number=2)


def test_not_before_its_time(device, ledger):
    first = device("later")
    renewed(first)
    row = ledger.row(first.serial)
    assert row["state"] == REVOKING
    assert row["due"] - row["changed"] == 3600 * 10**6
    renewed(first)
    assert ledger.state(first.serial) == REVOKING
    ledger.sql("UPDATE ledger_certificate SET due = 1 WHERE serial = ?",
               text_of(first.serial))
    wait_until(lambda: ledger.state(first.serial) == REVOKED)


def test_a_ca_that_does_not_revoke_is_asked_again(server, device, ledger):
    """Meanwhile the certificate renews nothing."""
    first = device("revoke")
    renewed(device("revoke"))
    path = server.dir / "state/openssl-issuing/crl.pem"
    good = path.read_bytes()
    later = device("later")
    renewed(later)
    server.log.expect("SCEP0585.*is damaged")
    path.write_bytes(b"nothing")
    try:
        ledger.sql("UPDATE ledger_certificate SET due = 1, changed = 1 "
                   "WHERE serial = ?", text_of(later.serial))
        wait_until(lambda: "SCEP0585" in server.log.raw())
        wait_until(lambda: ledger.row(later.serial)["due"] > 1)
        assert ledger.state(later.serial) == REVOKING
        later.is_refused("has been renewed", number=2)
    finally:
        path.write_bytes(good)
    wait_until(lambda: ledger.state(later.serial) == REVOKED)
    assert first.serial != later.serial


def test_a_ca_that_is_gone(server, device, ledger):
    first = device("later")
    renewed(first)
    server.log.expect("SCEP0586")
    ledger.sql("UPDATE ledger_certificate SET due = 1, ca = 'gone' "
               "WHERE serial = ?", text_of(first.serial))
    wait_until(lambda: ledger.row(first.serial)["due"] > 1)
    assert server.log.raw().count("SCEP0586") == 1


@pytest.mark.parametrize("lines, error", [
    ("ScepRenewalOld", "ScepRenewalOld"),
    ("ScepRenewalOld drop", "keep supersede revoke"),
    ("ScepRenewalOld revoke in 7d", "after TIME"),
    ("ScepRenewalOld revoke after", "ScepRenewalOld"),
    ("ScepRenewalOld keep after 7d", "give keep"),
    ("ScepRenewalOld revoke after soon", "no time"),
    ("ScepRenewalUnknown", "ScepRenewalUnknown"),
    ("ScepRenewalUnknown perhaps", "allow refuse"),
])
def test_mistakes_are_found_by_configtest(make_server, lines, error):
    sandbox = make_server(profile("bad", OFF + lines), start=False)
    done = sandbox.start(check=False)
    assert done.returncode != 0 and error in done.stdout + done.stderr
    sandbox.log.mark()


@pytest.mark.parametrize("lines, fits", [
    ("ScepRenewalOld keep", True), ("", True),
    ("ScepRenewalUnknown allow", True),
    ("ScepRenewalOld supersede", False), ("ScepRenewalOld revoke", False),
    ("ScepRenewalUnknown refuse", False)])
def test_what_needs_a_ledger(make_server, lines, fits):
    sandbox = make_server("ScepLedger off\n" + profile("bad", OFF + lines),
                          start=False)
    done = sandbox.start(check=False)
    assert (done.returncode == 0) == fits
    assert fits or "needs ScepLedger" in done.stdout + done.stderr
    sandbox.log.mark()


def test_openssl_reads_the_crl(server, device, ledger):
    first = device("revoke")
    renewed(first)
    wait_until(lambda: ledger.state(first.serial) == REVOKED)
    text = subprocess.run(
        ["openssl", "crl", "-noout", "-text", "-CAfile",
         server.dir / "pki/issuing.pem", "-in",
         server.dir / "state/openssl-issuing/crl.pem"], check=True,
        capture_output=True, text=True)
    assert "verify OK" in text.stderr
    assert text_of(first.serial).upper() in text.stdout


class TestEjbca:
    @pytest.fixture
    def server(self):
        lines = profile("later", OFF + "ScepRenewalOld revoke after 1h")
        with other_ca.beside("ejbca", lines, ledger=True) as server:
            yield server

    def test_its_outage_does_not_matter(self, server, keys):
        ca, ledger = other_ca.OtherCa(server), Ledger(server)
        server.secrets.add(ca.secret("client"))
        first = Device(server, keys, "later")
        renewed(first)
        assert ledger.state(first.serial) == REVOKING
        assert not ca.state["revoked"]
        server.log.expect("SCEP0585.*CA issuing")
        ca.down()
        ledger.sql("UPDATE ledger_certificate SET due = 1 WHERE serial = ?",
                   text_of(first.serial))
        wait_until(lambda: ledger.row(first.serial)["due"] > 1)
        ca.up()
        wait_until(lambda: ledger.state(first.serial) == REVOKED)
        entry, = ca.state["revoked"]
        assert int(entry["serial"], 16) == first.serial
        assert entry["reason"] == "SUPERSEDED"
