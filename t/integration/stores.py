"""Configuration of every challenge store, for tests that run on each.

SPDX-License-Identifier: Apache-2.0
"""
import itertools
import time

from gateway import Sandbox, wait_until

MPMS = ["event", "prefork"]
# event and prefork have the store shm; these have event
DATABASES = ["sqlite", "postgres"]

# the sandbox has it where it has a ledger
LOAD = """\
<IfModule !dbd_module>
    LoadModule dbd_module modules/mod_dbd.so
</IfModule>
"""
DBD = LOAD + """\
DBDriver %s
DBDParams "%s"
ScepChallengeStore dbd:challenges(challenges.key)
"""

# how long a child that could not connect does not try again
PAUSE = 1.0

numbers = itertools.count()


def sqlite(sandbox):
    """Lines for a file that the server's own user can write."""
    path = sandbox.dir / "db"
    path.mkdir()
    path.chmod(0o777)
    return DBD % ("sqlite3", path / "challenges.db")


def postgres(cluster):
    """Lines for a new, empty database of a cluster."""
    return DBD % ("pgsql", cluster.create("store%d" % next(numbers)))


def sandbox(kind, lines, get_cluster):
    """A server that is not started: one of MPMS or of DATABASES."""
    made = Sandbox(kind if kind in MPMS else "event", lines)
    if kind == "sqlite":
        made.lines += sqlite(made)
    elif kind == "postgres":
        made.lines += postgres(get_cluster())
    return made


def asked(server):
    """The status of asking for a challenge."""
    return server.admin("POST", body={"profile": "default"}).status


def back(server):
    """Waits until every child of a server has the database again."""
    wait_until(lambda: asked(server) == 201)
    time.sleep(PAUSE)
