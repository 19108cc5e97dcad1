"""Two servers before one PostgreSQL: one store, whichever of them dies.

SPDX-License-Identifier: Apache-2.0
"""
import concurrent.futures
import contextlib
import http.client
import itertools
import os
import threading
import time

import pytest

import stores
from gateway import Sandbox, make_csr, wait_until
from pki import name
from pkimessage import FAILURE, SUCCESS

SPENT = "SCEP0103"
# what may be said while the database is away
DOWN = (r"\[dbd:", "SCEP0124", "SCEP0127", "SCEP0230",
        "SCEP0104: .*the challenge store failed")
REMOTE = """\
LoadModule remoteip_module modules/mod_remoteip.so
RemoteIPHeader X-Forwarded-For
RemoteIPInternalProxy 127.0.0.1
"""


class Node(Sandbox):
    """One of the servers before a database.  Without a ledger: test_nodes.py
    has one."""

    def __init__(self, lines, key, keys):
        super().__init__(lines=lines, ledger=False)
        self.keys = keys
        if key:
            path = self.dir / "challenges.key"
            path.write_bytes(key)
            path.chmod(0o600)

    def start(self, check=True):
        done = super().start(check)
        self.device = self.endpoint()
        return done

    def built(self, secret, number=0, **csr):
        """A request that is ready to be sent."""
        key = self.keys.rsa(number=number)
        message = self.device.request(key, make_csr(key, secret, **csr),
                                      self.keys.signer(number))
        return message, message.build()

    def post(self, built, **headers):
        """The HTTP status, or that of SCEP where there is one."""
        response = self.device.post(built[1], **headers)
        if response.status != 200:
            return "http %d" % response.status
        return self.device.read(response, built[0]).status

    def tries(self, secret, number=0, **csr):
        return self.post(self.built(secret, number, **csr))

    def row(self, ident):
        rows = self.listing()["challenges"]
        return next((row for row in rows if row["id"] == ident), None)

    def asked(self):
        return stores.asked(self)


class Cluster:
    """Nodes with one key and one database of their own."""

    def __init__(self, postgres, keys):
        self.postgres = postgres
        self.keys = keys
        self.key = os.urandom(32)
        self.lines = stores.postgres(postgres)
        self.database = self.lines.split("dbname=")[1].split()[0]
        self.nodes = []

    def node(self, start=True, key=None, lines=""):
        made = Node(self.lines + lines, key or self.key, self.keys)
        self.nodes.append(made)
        if start:
            made.start()
        return made

    def sql(self, text):
        return self.postgres.sql(text, self.database)

    def allow(self, *patterns):
        for node in self.nodes:
            node.log.allow(*patterns)

    def end_leases(self):
        """As if they had run out."""
        self.sql("UPDATE challenges_challenge SET lease = 0")


@pytest.fixture
def cluster(postgres, keys):
    made = Cluster(postgres, keys)
    for number in range(8):
        # before threads ask for them
        keys.signer(number)
    try:
        yield made
        for node in made.nodes:
            node.log.verify()
            for secret in node.secrets:
                assert secret not in node.log.raw()
    finally:
        if postgres.process is None:
            postgres.start()
        for node in made.nodes:
            node.remove()


@pytest.fixture
def pair(cluster):
    return cluster.node(), cluster.node()


def in_parallel(*calls):
    """Starts them at one moment; their results."""
    gate = threading.Barrier(len(calls))

    def run(call):
        gate.wait()
        return call()

    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


# -------------------------------------------------------------- one store

def test_issued_on_one_it_is_used_on_the_other_once(pair):
    one, other = pair
    found = one.issue(subject="CN=device")
    assert other.tries(found["challenge"], subject=name(("CN", "x"))) \
        == FAILURE
    assert other.tries(found["challenge"]) == SUCCESS
    one.log.expect(SPENT)
    other.log.expect(SPENT)
    for node in pair:
        assert node.row(found["id"])["state"] == "spent"
        assert node.tries(found["challenge"]) == FAILURE


def test_a_race_of_both_has_one_winner(pair):
    for node in pair:
        node.log.allow(SPENT)
    for turn in range(40):
        secret = pair[turn % 2].challenge()
        # each with a key of its own: one that asks twice has one answer
        ready = [(pair[number % 2], pair[number % 2].built(secret, number))
                 for number in range(4)]
        statuses = in_parallel(*[lambda node=node, built=built:
                                 node.post(built) for node, built in ready])
        assert statuses.count(SUCCESS) == 1, statuses
        assert statuses.count(FAILURE) == 3, statuses


def test_a_race_for_several_uses_grants_so_many(pair):
    for node in pair:
        node.log.allow(SPENT)
    for _ in range(5):
        found = pair[0].issue(uses=5)
        ready = [(pair[number % 2],
                  pair[number % 2].built(found["challenge"], number))
                 for number in range(8)]
        statuses = in_parallel(*[lambda node=node, built=built:
                                 node.post(built) for node, built in ready])
        assert statuses.count(SUCCESS) == 5, statuses
        assert statuses.count(FAILURE) == 3, statuses
        assert pair[1].row(found["id"])["state"] == "spent"


def test_a_reusable_one_is_good_on_both(pair):
    found = pair[0].issue(subject="CN=device", reusable=True)
    for turn in range(4):
        assert pair[turn % 2].tries(found["challenge"]) == SUCCESS
        assert pair[turn % 2].tries(found["challenge"],
                                    subject=name(("CN", "x"))) == FAILURE
    assert pair[1].row(found["id"])["state"] == "issued"


def test_the_other_node_lists_extends_and_revokes(pair):
    one, other = pair
    found = one.issue(ttl="10min", note="by one")
    row = other.row(found["id"])
    assert row == one.row(found["id"])
    assert (row["note"], row["requester"]) == ("by one", "127.0.0.1")
    answer = other.admin("PATCH", "/challenges/" + found["id"],
                         body={"ttl": "2h"})
    assert answer.status == 200, answer
    assert one.row(found["id"])["expires"] > row["expires"]
    assert other.admin("DELETE", "/challenges/" + found["id"]).status == 204
    assert one.row(found["id"])["state"] == "revoked"
    assert one.tries(found["challenge"]) == FAILURE


def test_a_race_of_both_never_exceeds_a_quota(cluster):
    quota = '<Location "/scep-admin">\nScepChallengeQuota * 5\n</Location>\n'
    nodes = [cluster.node(lines=quota) for _ in range(2)]

    def ask(node):
        return [node.admin("POST", body={"profile": "default"}).status
                for _ in range(6)]

    statuses = sum(in_parallel(*[lambda node=node: ask(node)
                                 for node in nodes for _ in range(2)]), [])
    assert set(statuses) == {201, 429}
    live = [row for row in nodes[0].listing()["challenges"]
            if row["state"] == "issued"]
    assert len(live) == statuses.count(201) <= 5
    while len(live) < 5:
        live.append(nodes[1].issue())
    assert nodes[0].admin("POST", body={"profile": "default"}).status == 429


def test_networks_and_ids_do_not_sort_in_danish(cluster):
    """In the database's locale "aa" comes after every other pair."""
    assert cluster.sql("SELECT 'aa' > 'ff'") == [["t"]]
    node = cluster.node(lines=REMOTE)

    def tries(secret, address):
        return node.post(node.built(secret), X_Forwarded_For=address)

    node.device.post = post_with_header(node.device)
    for network, inside, outside in (
            ("10.128.0.0/9", "10.170.170.170", "10.0.170.170"),
            ("10.0.0.0/16", "10.0.255.1", "10.170.0.1"),
            ("2001:db8:a000::/36", "2001:db8:aaaa::1", "2001:db8:9aaa::"),
            ("10.170.170.170", "10.170.170.170", "10.170.170.171")):
        secret = node.challenge(network=network)
        assert tries(secret, outside) == FAILURE, network
        assert tries(secret, inside) == SUCCESS, network
    for _ in range(600):
        node.challenge()
    ids = [row["id"] for row in node.listing()["challenges"]]
    assert len(ids) == 604 and ids == sorted(ids)
    assert any("aa" in ident[:3] for ident in ids)


def post_with_header(endpoint):
    """post() whose keywords become fields with hyphens."""
    post = endpoint.post
    return lambda data, **fields: post(
        data, **{k.replace("_", "-"): v for k, v in fields.items()})


# ---------------------------------------------------------- starting, keys

def test_both_start_at_once_on_an_empty_database(cluster):
    nodes = [cluster.node(start=False) for _ in range(2)]
    for _ in range(5):
        cluster.sql("DROP TABLE IF EXISTS challenges_challenge, "
                    "challenges_meta")
        in_parallel(*[node.start for node in nodes])
        found = in_parallel(*[node.issue for node in nodes])
        for node, row in zip(reversed(nodes), found):
            assert node.tries(row["challenge"]) == SUCCESS
        for node in nodes:
            node.log.verify()
            node.stop()


def test_a_node_with_another_key_grants_nothing_and_says_so(cluster):
    one = cluster.node()
    found = one.issue()
    other = cluster.node(key=os.urandom(32), start=False)
    other.startup += ("SCEP0235", *DOWN)
    other.start()
    other.log.allow("SCEP0235", *other.startup, *DOWN)
    assert other.asked() == 503
    assert other.tries(found["challenge"]) == "http 503"
    assert other.admin().status == 503
    wait_until(lambda: "SCEP0235" in other.log.raw())
    assert one.row(found["id"])["state"] == "issued"
    (other.dir / "challenges.key").write_bytes(cluster.key)
    other.command("reload")
    stores.back(other)
    assert other.tries(found["challenge"]) == SUCCESS


def test_tables_of_a_newer_version_are_left_alone(cluster):
    node = cluster.node()
    found = node.issue()
    node.stop()
    cluster.sql("UPDATE challenges_meta SET value = '99' "
                "WHERE name = 'version'")
    node.startup += ("SCEP0234", *DOWN)
    node.start()
    node.log.allow("SCEP0234", *DOWN)
    assert node.asked() == 503
    assert node.tries(found["challenge"]) == "http 503"
    wait_until(lambda: "SCEP0234" in node.log.raw())


def test_it_starts_without_the_database_and_needs_no_restart(cluster):
    cluster.postgres.stop()
    node = cluster.node(start=False)
    node.startup += DOWN
    node.start()
    node.log.allow(*DOWN)
    assert node.device.get("operation=GetCACaps").status == 200
    assert node.asked() == 503
    wait_until(lambda: "SCEP0230" in (node.dir / "error.log").read_text())
    cluster.postgres.start()
    stores.back(node)
    assert node.tries(node.challenge()) == SUCCESS
    # each child says it when it next asks the database
    wait_until(lambda: node.asked() == 201 and "SCEP0231" in node.log.raw())


def test_a_new_node_of_an_old_cluster_sees_everything(cluster):
    one = cluster.node()
    found = one.issue()
    other = cluster.node()
    assert other.tries(found["challenge"]) == SUCCESS


# ------------------------------------------------------------------- deaths

def all_day(node, secrets, results, end):
    """Enrols with one secret after the other, whatever happens."""
    for turn, secret in enumerate(secrets):
        if end.is_set():
            return
        try:
            status = node.tries(secret, turn % 4)
        except (OSError, http.client.HTTPException):
            status = None
        results.setdefault(secret, []).append(status)


def certificates(cluster):
    """How many both logs say were issued."""
    return sum((node.dir / "error.log").read_text().count("SCEP0100:")
               for node in cluster.nodes)


def settle(cluster, secrets, results):
    """Nothing was granted twice, and what was not used is good still."""
    cluster.end_leases()
    states = dict(cluster.sql(
        "SELECT state, count(*) FROM challenges_challenge GROUP BY state"))
    spent = int(states.get("1", 0))
    assert certificates(cluster) <= spent
    for secret, statuses in results.items():
        assert statuses.count(SUCCESS) <= 1, statuses
    node = cluster.nodes[-1]
    cluster.allow(SPENT)
    good = [node.tries(secret) for secret in secrets]
    assert good.count(SUCCESS) == len(secrets) - spent, good


def test_a_killed_node_loses_nothing_and_lets_nobody_in(cluster, pair):
    one, other = pair
    secrets = [one.challenge() for _ in range(80)]
    results, end = {}, threading.Event()
    users = [threading.Thread(target=all_day, args=(
        node, order, results, end)) for node, order in
        ((one, secrets), (other, secrets[::-1]))]
    cluster.allow(SPENT, *DOWN)
    for user in users:
        user.start()
    for _ in range(3):
        time.sleep(0.1)
        pids = [one.pid, *one.children()]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                one.kill(pid)
        one.start()
        one.log.allow(SPENT, *DOWN)
    for user in users:
        user.join()
    assert any(SUCCESS in statuses for statuses in results.values())
    settle(cluster, secrets, results)


def test_a_killed_database_loses_nothing_and_lets_nobody_in(cluster, pair):
    postgres = cluster.postgres
    # it may die between a signature and the end of its challenge
    cluster.allow(SPENT, "SCEP0104: .*not delivered", *DOWN)
    secrets = [pair[0].challenge() for _ in range(120)]
    results, end = {}, threading.Event()
    users = [threading.Thread(target=all_day, args=(
        node, itertools.cycle(order), results, end)) for node, order in
        ((pair[0], secrets), (pair[1], secrets[::-1]))]
    for user in users:
        user.start()
    for _ in range(2):
        time.sleep(0.3)
        postgres.kill()
        # no connection: neither issued nor granted
        for node in pair:
            assert node.asked() == 503
            assert node.tries(secrets[0]) in ("http 503", FAILURE)
        postgres.start()
    for node in pair:
        stores.back(node)
    end.set()
    for user in users:
        user.join()
    seen = {status for statuses in results.values() for status in statuses}
    assert "http 503" in seen and seen <= {"http 503", SUCCESS, FAILURE}
    settle(cluster, secrets, results)


def test_as_soon_as_the_database_is_back_so_are_both(cluster, pair):
    found = [node.issue() for node in pair]
    cluster.allow(*DOWN)
    for node in pair:
        in_parallel(*[node.issue] * 10)
    cluster.postgres.kill()
    cluster.postgres.start()
    # every connection is dead, and nobody has noticed yet
    for node, row in zip(reversed(pair), found):
        assert node.asked() == 201
        assert node.tries(row["challenge"]) == SUCCESS


def test_a_database_that_hangs_holds_up_nobody(cluster, pair):
    secret = pair[0].challenge()
    cluster.allow(*DOWN)
    pair[1].log.allow("SCEP0236")
    in_parallel(*[pair[0].issue] * 5)
    pair[0].log.expect("SCEP0236")
    cluster.postgres.freeze()
    try:
        for node in pair:
            begun = time.monotonic()
            statuses = in_parallel(*[node.asked] * 5)
            assert set(statuses) == {503}
            assert node.tries(secret) == "http 503"
            assert time.monotonic() - begun < 25
            # what needs no database is as quick as ever
            begun = time.monotonic()
            for _ in range(20):
                assert node.device.get("operation=GetCACaps").status == 200
            assert time.monotonic() - begun < 5
    finally:
        cluster.postgres.thaw()
    for node in pair:
        stores.back(node)
    cluster.end_leases()
    assert pair[1].tries(secret) == SUCCESS


def test_what_cannot_be_spent_is_not_delivered(cluster):
    """The database fails between the claim and its end."""
    node = cluster.node()
    found = node.issue()
    cluster.sql("""
        CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
        $$BEGIN RAISE EXCEPTION 'no'; END$$;
        CREATE TRIGGER fail BEFORE UPDATE ON challenges_challenge
        FOR EACH ROW WHEN (NEW.state = 1) EXECUTE FUNCTION fail()""")
    node.log.allow(*DOWN)
    node.log.expect("SCEP0104: .*not delivered")
    assert node.tries(found["challenge"]) == "http 503"
    assert node.row(found["id"])["state"] == "claimed"
    cluster.sql("DROP TRIGGER fail ON challenges_challenge")
    cluster.end_leases()
    stores.back(node)
    assert node.tries(found["challenge"]) == SUCCESS


@pytest.mark.parametrize("mpm,lines", [
    ("event", "DBDPersist Off\n"), ("prefork", ""),
    ("event", "DBDMin 0\nDBDKeep 1\nDBDMax 1\n")])
def test_however_connections_are_kept(cluster, mpm, lines):
    node = cluster.node(start=False, lines=lines)
    node.mpm = mpm
    node.start()
    secrets = [row["challenge"] for row in in_parallel(*[node.issue] * 8)]
    for secret in secrets:
        assert node.tries(secret) == SUCCESS
    cluster.postgres.kill()
    cluster.postgres.start()
    node.log.allow(*DOWN)
    stores.back(node)


# ------------------------------------------------------------------ upkeep

def test_rows_go_an_hour_after_their_expiry_and_not_before(cluster):
    node = cluster.node()
    old, fresh, spent = (node.issue() for _ in range(3))
    assert node.tries(spent["challenge"]) == SUCCESS
    node.stop()
    cluster.sql("UPDATE challenges_challenge SET expires = expires - 7300 "
                "WHERE id = '%s'" % old["id"])
    cluster.sql("UPDATE challenges_challenge SET expires = expires - 3700 "
                "WHERE id = '%s'" % fresh["id"])
    node.start()
    wait_until(lambda: node.row(old["id"]) is None)
    assert node.row(fresh["id"])["state"] == "expired"
    assert node.row(spent["id"])["state"] == "spent"
    assert node.tries(fresh["challenge"]) == FAILURE
    assert "has expired" in node.log.raw()


def test_no_secret_and_no_name_of_a_device_is_in_the_database(cluster):
    node = cluster.node()
    found = node.issue(subject="CN=device,O=Secret Corp", device="MX-4711",
                       sans=["dns:inside.example"], note="for the boss")
    rows = str(cluster.sql("SELECT * FROM challenges_challenge")).lower()
    for text in (found["challenge"], "secret corp", "4711", "inside"):
        assert text.lower() not in rows
    assert "for the boss" in rows


def test_the_password_of_the_database_is_not_in_the_log(cluster):
    cluster.postgres.stop()
    node = cluster.node(start=False)
    node.startup += DOWN
    node.start()
    node.log.allow(*DOWN)
    assert node.asked() == 503
    text = (node.dir / "error.log").read_text()
    assert cluster.postgres.password not in text
    cluster.postgres.start()
