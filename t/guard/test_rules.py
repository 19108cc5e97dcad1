"""The tree keeps its rules, and each rule notices when it is broken.

SPDX-License-Identifier: Apache-2.0
"""
import os
import pathlib
import subprocess

import pytest

import rules

TREE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("SCEP_BUILD", TREE / "_build"))
SPDX = " * SPDX-License-Identifier: Apache-2.0\n */\n"

MANUAL = """### ScepOne

| Description | x |
| Syntax | x |
| Default | `ScepOne off` |
| Context | x |
| Module | x |
"""
TABLE = 'AP_INIT_FLAG("ScepOne", set, NULL, RSRC_CONF, "x"),\n'


def plant(tree, contents):
    for name, text in contents.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tree


def c_file(name, body=""):
    return f"/* {name} - purpose\n{SPDX}{body}"


RULES = [rules.core_is_pure, rules.connectors_stand_alone,
         rules.directives_documented, rules.log_numbers, rules.log_levels,
         rules.reasons_documented, rules.log_modules, rules.form,
         rules.formatted, rules.tests_registered]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_tree_keeps(rule):
    assert rule(TREE) == []


def test_modules_export_themselves_alone():
    built = sorted((BUILD / ".libs").glob("mod_*.so"))
    assert {path.name for path in built} == {
        "mod_scep.so", "mod_scep_ca_adcs.so", "mod_scep_ca_ejbca.so",
        "mod_scep_ca_openssl.so"}
    assert rules.symbols(built) == []


@pytest.mark.parametrize("source, complaint", [
    ("int extra(void); int extra(void) { return 1; }", "exports"),
    ("int scep_x(void); int a_module(void); int a_module(void) "
     "{ return scep_x(); }", "needs scep_x"),
])
def test_symbols_notices(tmp_path, source, complaint):
    library = tmp_path / "mod_a.so"
    (tmp_path / "a.c").write_text(source)
    subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-o",
                    library, tmp_path / "a.c"], check=True)
    assert complaint in " ".join(rules.symbols([library]))


@pytest.mark.parametrize("body", [
    "#include <httpd.h>\n", "#include <curl/curl.h>\n",
    "#include <sys/socket.h>\n", '#include "../httpd/conf.h"\n',
    "int f(void) { return (int)apr_time_now(); }\n",
    "void f(void) { RAND_bytes(b, 1); }\n", "void f(void) { exit(1); }\n",
])
def test_core_is_pure_notices(tmp_path, body):
    plant(tmp_path, {"mod_scep/core/a.c": c_file("a.c", body),
                     "mod_scep/httpd/conf.h": ""})
    assert rules.core_is_pure(tmp_path)


def test_core_is_pure_reads_no_comments(tmp_path):
    plant(tmp_path, {"mod_scep/core/a.c": c_file(
        "a.c", '#include <apr_pools.h>\n/* never exit() */\n')})
    assert rules.core_is_pure(tmp_path) == []


def test_formatted_notices(tmp_path):
    plant(tmp_path, {".clang-format": rules.read(TREE / ".clang-format"),
                     "mod_scep/a.c": c_file("a.c", "int  x ;\n")})
    assert rules.formatted(tmp_path)


@pytest.mark.parametrize("header", ["core/alg.h", "../../mod_scep/core/alg.h",
                                    "../../mod_scep/httpd/conf.h"])
def test_connectors_stand_alone_notices(tmp_path, header):
    plant(tmp_path, {"ca-connectors/x/a.c": f'#include "{header}"\n',
                     "mod_scep/core/alg.h": ""})
    assert rules.connectors_stand_alone(tmp_path)


@pytest.mark.parametrize("changed, complaint", [
    ({"mod_scep/a.c": TABLE.replace("One", "Two")}, "is not in the manual"),
    ({"mod_scep/a.c": ""}, "in the manual alone"),
    ({"conf/scep.conf": ""}, "is not in conf/"),
    ({"conf/scep.conf": "#ScepOne on\n"}, "does not show the default"),
    ({"conf/scep.conf": "#ScepOne off\n#ScepTwo on\n"}, "in conf/ alone"),
    ({"mod_scep/manual/directives.md": "### ScepOne\n"}, "no Syntax"),
])
def test_directives_documented_notices(tmp_path, changed, complaint):
    whole = {"mod_scep/a.c": TABLE, "conf/scep.conf": "#ScepOne off\n",
             "mod_scep/manual/directives.md": MANUAL}
    assert rules.directives_documented(plant(tmp_path, whole)) == []
    found = rules.directives_documented(plant(tmp_path, changed))
    assert complaint in " ".join(found)


@pytest.mark.parametrize("source, errors, complaint", [
    ("SCEPLOGNO(0001) SCEPLOGNO(0001)", "### SCEP0001\n", "0001: in"),
    ("SCEPLOGNO(0001)", "", "not in errors.md"),
    ("", "### SCEP0001\n", "in errors.md alone"),
    ("SCEPLOGNO(0001)", "### SCEP0001\n### SCEP0001\n", "twice"),
])
def test_log_numbers_notices(tmp_path, source, errors, complaint):
    plant(tmp_path, {"mod_scep/a.c": source,
                     "mod_scep/manual/errors.md": errors})
    assert complaint in " ".join(rules.log_numbers(tmp_path))


def test_log_levels_notices(tmp_path):
    plant(tmp_path, {
        "mod_scep/a.c": "ap_log_error(M, APLOG_INFO, 0, SCEPLOGNO(0001) x);",
        "mod_scep/manual/errors.md": "### SCEP0001\n\n*error* x\n"})
    assert rules.log_levels(tmp_path) == ["0001: is info"]


def test_reasons_documented_notices(tmp_path):
    plant(tmp_path, {
        "mod_scep/core/result.c": '[SCEP_REASON_A] = { "bad-a", 0 },\n',
        "mod_scep/manual/errors.md": "| `bad-b` | x |\n"})
    assert rules.reasons_documented(tmp_path)


def test_log_modules_notices(tmp_path):
    call = "void f(void) { ap_log_error(APLOG_MARK); }\n"
    plant(tmp_path, {"mod_scep/httpd/a.c": call})
    assert rules.log_modules(tmp_path)
    plant(tmp_path, {"mod_scep/httpd/a.c": '#include "b.h"\n' + call,
                     "mod_scep/httpd/b.h": "APLOG_USE_MODULE(scep);\n"})
    assert rules.log_modules(tmp_path) == []


@pytest.mark.parametrize("text, complaint", [
    ("/* a.c - x */\n", "no SPDX"),
    (f"/* b.c - x\n{SPDX}", "its name and purpose"),
    (c_file("a.c") + "int a;", "end with a new line"),
    (c_file("a.c") + "x" * 80 + "\n", "79 columns"),
    (c_file("a.c") + "int a; \n", "white space"),
    (c_file("a.c") + "\tint a;\n", "a tab"),
    (c_file("a.c") + "/* TO" "DO */\n", "unfinished"),
    (c_file("a.c") + '#include "/ho' 'me/me/a.h"\n', "machine"),
])
def test_form_notices(tmp_path, text, complaint):
    plant(tmp_path, {"mod_scep/a.c": text})
    found = rules.form(tmp_path)
    assert len(found) == 1 and complaint in found[0]


def test_tests_registered_notices(tmp_path):
    body = "START_TEST(c01_a) {} END_TEST\nSTART_TEST(c02_b) {} END_TEST\n"
    plant(tmp_path, {"t/unit/test_a.c": body + "tcase_add_test(t, c01_a);\n",
                     "t/unit/tests.mk": "", "t/integration/test_b.py": ""})
    found = " ".join(rules.tests_registered(tmp_path))
    assert "c02_b" in found and "c01_a" not in found
    assert "test_a.c: in no" in found and "test_b.py: in no" in found
