"""httpd accepts the sample configuration and the examples as they stand.

SPDX-License-Identifier: Apache-2.0
"""
import importlib.machinery
import importlib.util
import os
import pathlib
import re
import subprocess
import sys

import pytest

TREE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("SCEP_BUILD", TREE / "_build"))
EXAMPLES = sorted((TREE / "conf/examples").glob("*.conf"))
MODULES = ("mpm_event", "authn_core", "authn_file", "authz_core",
           "authz_host", "authz_user", "auth_basic", "ssl")


def load_sandbox():
    """build/sandbox as a module: it knows httpd and makes a PKI."""
    loader = importlib.machinery.SourceFileLoader(
        "sandbox", str(TREE / "build/sandbox"))
    module = importlib.util.module_from_spec(
        importlib.util.spec_from_loader("sandbox", loader))
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    loader.exec_module(module)
    sys.dont_write_bytecode = writes
    return module


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A ServerRoot with the files that the examples name."""
    sandbox = load_sandbox()
    path = tmp_path_factory.mktemp("root")
    sandbox.make_pki(path)
    (path / "pki").rename(path / "scep")
    (path / "scep/ca.pem").rename(path / "scep/ca-chain.pem")
    (path / "scep/operators").write_text("")
    (path / "ssl").mkdir()
    (path / "logs").mkdir()
    for suffix, new in (("pem", "pem"), ("key", "key")):
        (path / f"ssl/gateway.{new}").write_bytes(
            (path / f"scep/ra.{suffix}").read_bytes())
    httpd = sandbox.Httpd()
    (path / "modules").symlink_to(httpd.modules)
    loads = "".join(httpd.load(name) for name in MODULES)
    for name in ("scep", "scep_ca_openssl"):
        loads += f'LoadModule {name}_module "{BUILD}/.libs/mod_{name}.so"\n'
    (path / "base.conf").write_text(
        f'ServerRoot "{path}"\nServerName localhost\nErrorLog error.log\n'
        f"Listen 127.0.0.1:1\n{loads}")
    (path / "httpd").write_text(str(httpd.binary))
    return path


def configtest(root, text):
    path = root / "httpd.conf"
    path.write_text(f'Include "{root}/base.conf"\n{text}')
    done = subprocess.run([(root / "httpd").read_text(), "-f", path, "-t"],
                          text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT,
                          env={**os.environ, **dict(
                              word.split("=", 1) for word in
                              re.findall(r"'([^']+)'", os.environ.get(
                                  "SCEP_HTTPD_ENV", "")))})
    return done.returncode, done.stdout


def uncomment(text):
    """The sample with every directive in force: "#Word", not "# prose"."""
    return re.sub(r"^(\s*)#(?=[<A-Z/])", r"\1", text, flags=re.MULTILINE)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_example_is_accepted(root, path):
    status, output = configtest(root, path.read_text())
    assert status == 0 and output == "Syntax OK\n"


def test_sample_is_accepted_as_it_stands(root):
    text = "".join((TREE / "conf" / name).read_text()
                   for name in ("scep.conf", "scep_ca_openssl.conf"))
    assert configtest(root, text) == (0, "Syntax OK\n")


def test_sample_is_accepted_with_every_directive(root):
    ca = uncomment((TREE / "conf/scep_ca_openssl.conf").read_text())
    sample = uncomment((TREE / "conf/scep.conf").read_text())
    container = re.compile(r"^<ScepCA .*?^</ScepCA>\n",
                           re.MULTILINE | re.DOTALL)
    text = container.sub(lambda _: container.search(ca)[0], sample)
    assert "ScepOpenSSLBackdate 10min" in text
    assert configtest(root, text) == (0, "Syntax OK\n")


def test_configtest_can_fail(root):
    text = EXAMPLES[0].read_text().replace("ScepCA issuing", "ScepCA other")
    status, output = configtest(root, text)
    assert status != 0 and "other" in output
