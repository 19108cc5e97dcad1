"""A PKCS #11 token in files, with one key.

SPDX-License-Identifier: Apache-2.0
"""
import os
import pathlib
import shutil
import subprocess
import tempfile

PIN = "123456"


class Token:
    """What of it a process needs stands in environment and uri()."""

    def __init__(self, directory):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="token-",
                                                 dir=directory))
        (self.dir / "tokens").mkdir()
        (self.dir / "softhsm2.conf").write_text(
            "directories.tokendir = %s/tokens\n" % self.dir)
        self.environment = {"SOFTHSM2_CONF": str(self.dir / "softhsm2.conf")}
        (self.dir / "pin").write_text(PIN)
        self.run("--init-token", "--free", "--label", "scep", "--pin", PIN,
                 "--so-pin", PIN)

    def run(self, *words):
        done = subprocess.run(
            ["softhsm2-util", *map(str, words)], text=True,
            env={**os.environ, **self.environment}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert done.returncode == 0, done.stdout

    def take(self, pem_file, label="connector"):
        """Imports a private key."""
        self.run("--import", pem_file, "--token", "scep", "--label", label,
                 "--id", "01", "--pin", PIN)

    def give_to(self, user):
        """A child of httpd opens the token itself."""
        self.dir.chmod(0o755)
        for path in (self.dir / "tokens", *(self.dir / "tokens").rglob("*")):
            shutil.chown(path, user)

    def uri(self, *attributes):
        return "pkcs11:%s?pin-source=file:%s/pin" % (
            ";".join(["token=scep", *attributes, "type=private"]), self.dir)
