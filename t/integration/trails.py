"""The audit trail of a server: its log, its ledger, who tampers with it.

SPDX-License-Identifier: Apache-2.0
"""
import contextlib
import json
import re
import sqlite3

import scepctl
import stores
from gateway import wait_until

SEALING = """\
ScepAuditLog "@DIR@/audit.log"
ScepAuditSeal 1s
"""


class Sqlite:
    """The ledger that every sandbox has."""

    def __init__(self, sandbox):
        self.path = sandbox.dir / "ledger" / "ledger.db"

    def sql(self, text):
        with contextlib.closing(sqlite3.connect(self.path, timeout=30)) as db:
            with db:
                return [list(row) for row in db.execute(text)]


class Database:
    """A ledger in PostgreSQL."""

    def __init__(self, cluster, lines):
        self.cluster = cluster
        self.name = re.search(r"dbname=(\w+)", lines)[1]

    def sql(self, text):
        return self.cluster.sql(text, self.name)


def postgres_lines(cluster):
    """DBDriver and DBDParams for a new database."""
    return "".join(line + "\n" for line in
                   stores.postgres(cluster).splitlines()
                   if line.startswith(("DBDriver", "DBDParams")))


class Trail:
    """What one server has written."""

    def __init__(self, server, database=None):
        self.server = server
        self.database = database or Sqlite(server)
        self.ctl = scepctl.Ctl(server, "--url", server.values["ADMIN_URL"])
        self.sql = self.database.sql

    def log(self, name="audit.log"):
        """The events of ScepAuditLog, each line for itself."""
        path = self.server.dir / name
        text = path.read_text() if path.exists() else ""
        assert not text or text.endswith("\n")
        return [json.loads(line) for line in text.splitlines()]

    def logged(self, event, name="audit.log"):
        return [row for row in self.log(name) if row["event"] == event]

    def events(self, *options):
        ran = self.ctl("audit", "list", "--json", "--order", "oldest",
                       *options)
        assert ran.status == scepctl.DONE, ran
        return ran.json

    def unsealed(self):
        return int(self.sql("SELECT count(*) FROM ledger_event "
                            "WHERE seal = 0")[0][0])

    def seals(self):
        return int(self.sql("SELECT count(*) FROM ledger_seal")[0][0])

    def sealed(self, least=1):
        """Waits until every event is, with so many seals at least."""
        wait_until(lambda: self.unsealed() == 0 and self.seals() >= least)

    def verify(self, *options, trust=None):
        return self.ctl("audit", "verify", "--trust",
                        trust or self.server.dir / "pki" / "ra.pem", *options)

    def findings(self, *options, **members):
        """As "what seal event", of a run that says so by its status, too."""
        ran = self.verify("--json", *options, **members)
        found = [(row["what"], row["seal"], row["event"])
                 for row in ran.json["findings"]]
        assert ran.json["intact"] == (ran.status == scepctl.DONE)
        assert bool(found) == (ran.status == scepctl.REFUSED), ran
        return found
