"""strongSwan's pki as a device: it fetches certificates, then enrols.

SPDX-License-Identifier: Apache-2.0
"""
import subprocess


class Client:
    """Puts its key and what it got into the directory: k.pem, c.pem."""

    def __init__(self, url, directory):
        self.url = url
        self.dir = directory

    def pki(self, *words, output=None):
        done = subprocess.run(["pki", *map(str, words)], cwd=self.dir,
                              stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=60)
        if output and done.returncode == 0:
            (self.dir / output).write_bytes(done.stdout)
        return done

    def __call__(self, profile, secret, *more, dn="C=CH, O=test, CN=swan",
                 san=None, size="2048"):
        for path in self.dir.glob("*.crt"):
            path.unlink()
        got = self.pki("--scepca", "--url", self.url(profile), "--caout",
                       "ca.crt", "--raout", "ra.crt", "--outform", "pem")
        assert got.returncode == 0, got.stderr
        made = self.pki("--gen", "--type", "rsa", "--size", size,
                        "--outform", "pem", output="k.pem")
        assert made.returncode == 0, made.stderr
        words = ["--scep", "--url", self.url(profile), "--in", "k.pem",
                 "--dn", dn, "--password", secret, "--interval", "2",
                 "--maxpolltime", "6", "--outform", "pem", *more]
        ra = "ra.crt"
        words += ["--cacert-enc", "ra-2.crt" if profile == "split" else ra,
                  "--cacert-sig", ra]
        # root and issuing CA come as ca.crt and ca-1.crt
        for path in sorted(self.dir.glob("ca*.crt")):
            words += ["--cacert", path.name]
        if san:
            words += ["--san", san]
        return self.pki(*words, output="c.pem")
