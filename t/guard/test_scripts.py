"""The scripts that judge other tests can be trusted to say no.

SPDX-License-Identifier: Apache-2.0
"""
import pathlib
import subprocess

import pytest

BUILD = pathlib.Path(__file__).resolve().parents[2] / "build"

GOOD = "100%: Checks: 9, Failures: 0, Errors: 0\n"
JUNIT = "<testsuites><testsuite>{}</testsuite></testsuites>"
PASSED = '<testcase name="a"/>'
LEAK = """<error><kind>Leak_DefinitelyLost</kind><xwhat><text>7 bytes</text>
</xwhat><stack><frame><fn>f</fn><dir>{}</dir><file>a.c</file><line>1</line>
</frame></stack></error>"""


def tally(build, *tests):
    """What build/tally says of (result, log, report or None) ..."""
    for number, (result, log, report) in enumerate(tests):
        base = build / "t/unit" / f"test{number}"
        base.parent.mkdir(parents=True, exist_ok=True)
        base.with_suffix(".trs").write_text(f":test-result: {result}\n")
        base.with_suffix(".log").write_text(log)
        if report:
            base.with_suffix(".junit.xml").write_text(report)
    done = subprocess.run([BUILD / "tally", build], text=True,
                          stdout=subprocess.PIPE)
    return done.stdout.splitlines()[-1], done.returncode


@pytest.mark.parametrize("test, line", [
    (("PASS", GOOD, None), "9 passed, 0 failed"),
    (("PASS", GOOD + GOOD, None), "18 passed, 0 failed"),
    (("FAIL", "88%: Checks: 9, Failures: 1, Errors: 0\n", None),
     "8 passed, 1 failed"),
    (("FAIL", GOOD, None), "9 passed, 1 failed"),
    (("PASS", "replayed\n", None), "1 passed, 0 failed"),
    (("FAIL", "Segmentation fault\n", None), "0 passed, 1 failed"),
    (("SKIP", "", None), "0 passed, 1 failed"),
    (("ERROR", "", None), "0 passed, 1 failed"),
    (("PASS", "", JUNIT.format(PASSED * 3)), "3 passed, 0 failed"),
    (("FAIL", "", JUNIT.format(PASSED + '<testcase name="b"><failure/>'
                               "</testcase>")), "1 passed, 1 failed"),
    (("PASS", "", JUNIT.format('<testcase name="b"><skipped/></testcase>')),
     "0 passed, 1 failed"),
    (("FAIL", "", "<testsuites><cut o"), "0 passed, 1 failed"),
])
def test_tally_counts(tmp_path, test, line):
    assert tally(tmp_path, test) == (line, 0 if ", 0 failed" in line else 1)


def test_tally_adds_up(tmp_path):
    assert tally(tmp_path, ("PASS", GOOD, None), ("FAIL", "", None)) \
        == ("9 passed, 1 failed", 1)


def test_tally_of_nothing_fails(tmp_path):
    assert tally(tmp_path) == ("0 passed, 1 failed", 1)


@pytest.mark.parametrize("text, status", [
    ("<valgrindoutput></valgrindoutput>\n", 0),
    ("<valgrindoutput>" + LEAK.format("/usr/lib") + "</valgrindoutput>\n", 0),
    ("<valgrindoutput>" + LEAK.format("/x/mod_scep/core")
     + "</valgrindoutput>\n", 1),
    ("<valgrindoutput>" + LEAK.format("/x/ca-connectors/openssl")
     + "<error><cut", 1),
])
def test_valgrind_report_judges(tmp_path, text, status):
    (tmp_path / "1.xml").write_text(text)
    done = subprocess.run([BUILD / "valgrind-report", tmp_path],
                          stdout=subprocess.DEVNULL)
    assert done.returncode == status


def test_valgrind_report_of_nothing_fails(tmp_path):
    assert subprocess.run([BUILD / "valgrind-report", tmp_path],
                          stdout=subprocess.DEVNULL).returncode == 1
