"""The rules of the tree that no compiler checks; each gives complaints.

SPDX-License-Identifier: Apache-2.0

Every rule takes a directory and returns a list of lines, empty where all is
well, so that test_rules.py can show each of them a tree that breaks it.
"""
import pathlib
import re
import subprocess

SOURCES = ("mod_scep", "ca-connectors", "t")
COMMENT = re.compile(r"""/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|'\\?[^\n]'""",
                     re.DOTALL)
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.MULTILINE)

# What the core may include from outside the tree.
CORE_HEADERS = re.compile(
    r"^(apr_\w+\.h|openssl/\w+\.h|std\w+\.h|string\.h|strings\.h|limits\.h"
    r"|ctype\.h|inttypes\.h|stdatomic\.h|errno\.h|sys/types\.h"
    r"|arpa/inet\.h)$")
CORE_CALLS = re.compile(
    r"\b(ap_\w+|apr_(?:file|socket|sockaddr|proc|dir|shm|mmap)_\w+"
    r"|apr_time_now|apr_sleep|apr_generate_random_bytes|RAND_\w+|fopen|open"
    r"|socket|time|gettimeofday|clock_gettime|getpid|kill|exit|_exit|abort"
    r"|assert|printf|fprintf|puts|OBJ_create|OPENSSL_cleanup)\s*\(")
# A content key is nobody's input: OpenSSL makes it where it is used.
CORE_MAY = {("message_envelope.c", "RAND_bytes")}
CONNECTOR_HEADERS = ("mod_scep.h", "../../mod_scep/mod_scep.h")

# What a tarball has beside the sources.
GENERATED = {"ar-lib", "compile", "config.guess", "config.sub", "depcomp",
             "install-sh", "ltmain.sh", "missing", "test-driver", "py-compile",
             "libtool.m4", "ltoptions.m4", "ltsugar.m4", "ltversion.m4",
             "lt~obsolete.m4", "Makefile.in"}
WIDE = {".md", ".load", ".supp"}


def files(tree, *tops, suffixes=None):
    for top in tops:
        for path in sorted((tree / top).rglob("*")):
            if (path.is_file() and "__pycache__" not in path.parts
                    and (suffixes is None or path.suffix in suffixes)):
                yield path


def read(path):
    return path.read_text(errors="replace")


def code(path):
    """C without comments and strings."""
    return COMMENT.sub(" ", read(path))


def includes(path):
    return INCLUDE.findall(read(path))


def core_is_pure(tree):
    """The core: APR, OpenSSL, itself; no I/O, clock, randomness, exit."""
    bad = []
    for path in files(tree, "mod_scep/core", suffixes={".c", ".h"}):
        for kind, name in includes(path):
            if kind == "<" and not CORE_HEADERS.match(name):
                bad.append(f"{path}: includes <{name}>")
            if kind == '"' and name != "../mod_scep.h" \
                    and (pathlib.Path(name).name != name
                         or not (path.parent / name).is_file()):
                bad.append(f"{path}: includes \"{name}\"")
        bad += [f"{path}: calls {call}"
                for call in CORE_CALLS.findall(code(path))
                if (path.name, call) not in CORE_MAY]
    return bad


def formatted(tree):
    """C files are as clang-format leaves them, by the tree's own rules."""
    paths = list(files(tree, *SOURCES, suffixes={".c", ".h"}))
    done = subprocess.run(
        ["clang-format", f"--style=file:{tree / '.clang-format'}",
         "--dry-run", "-Werror", *paths], text=True, stderr=subprocess.PIPE)
    complaints = [line for line in done.stderr.splitlines()
                  if "error:" in line]
    return complaints or (["clang-format failed"] if done.returncode else [])


def connectors_stand_alone(tree):
    """A connector: mod_scep.h, its own directory, and what all share."""
    bad = []
    for path in files(tree, "ca-connectors", suffixes={".c", ".h"}):
        for kind, name in includes(path):
            if kind == '"' and name not in CONNECTOR_HEADERS \
                    and pathlib.Path(name).parent.name not in (
                        "", "http", "state"):
                bad.append(f"{path}: includes \"{name}\"")
    return bad


def symbols(libraries):
    """A module exports itself alone and asks mod_scep.so for nothing."""
    bad = []
    for path in map(pathlib.Path, libraries):
        wanted = path.stem.removeprefix("mod_") + "_module"
        listing = subprocess.run(["nm", "-D", path], text=True, check=True,
                                 stdout=subprocess.PIPE).stdout
        defined, undefined = [], []
        for line in listing.splitlines():
            *_, kind, name = line.split()
            (undefined if kind in "Uwv" else defined).append(name)
        if defined != [wanted]:
            bad.append(f"{path.name}: exports {' '.join(defined)}")
        bad += [f"{path.name}: needs {name}" for name in undefined
                if re.match(r"(mod_)?scep_", name)]
    return bad


def directive_tables(tree):
    """Names in the command tables of mod_scep and the connectors."""
    names = set()
    for path in files(tree, "mod_scep", "ca-connectors",
                      suffixes={".c", ".h"}):
        # every macro that makes a row has the name first
        names |= set(re.findall(r'\b[A-Z][A-Z0-9_]+\(\s*"(<?Scep\w+)"',
                                read(path)))
    return names


def directives_documented(tree):
    """Command tables, manual and sample configuration name the same."""
    manual = read(tree / "mod_scep/manual/directives.md")
    headings = {heading.replace("&lt;", "<").replace("&gt;", "")
                for heading in re.findall(r"^### (\S+)$", manual,
                                          re.MULTILINE)}
    sample = "".join(read(path) for path in
                     sorted((tree / "conf").glob("*.conf")))
    shown = set(re.findall(r"^\s*#(<?Scep\w+)", sample, re.MULTILINE))
    known = directive_tables(tree)
    bad = []
    for where, names in (("the manual", headings), ("conf/", shown)):
        bad += [f"{name} is not in {where}" for name in known - names]
        bad += [f"{name} is in {where} alone" for name in names - known]
    for default in re.findall(r"^\| Default \| `([^`]+)` \|$", manual,
                              re.MULTILINE):
        line = default.replace("\\|", "|")
        if not re.search(rf"^\s*#{re.escape(line)}$", sample, re.MULTILINE):
            bad.append(f"conf/ does not show the default: {line}")
    for section in re.split(r"^### ", manual, flags=re.MULTILINE)[1:]:
        bad += [f"{section.split()[0]}: no {row} in the manual"
                for row in ("Description", "Syntax", "Context", "Module")
                if f"| {row} |" not in section]
    return bad


def log_numbers(tree):
    """SCEPLOGNO: each once, each in errors.md, which lists no others."""
    used, bad = {}, []
    for path in files(tree, "mod_scep", "ca-connectors",
                      suffixes={".c", ".h"}):
        for number in re.findall(r"SCEPLOGNO\((\d+)\)", code(path)):
            if number in used:
                bad.append(f"{number}: in {used[number]} and {path}")
            used[number] = path
    listed = re.findall(r"^### SCEP(\d{4})\b",
                        read(tree / "mod_scep/manual/errors.md"),
                        re.MULTILINE)
    bad += [f"{number}: not in errors.md" for number in used.keys()
            - set(listed)]
    bad += [f"{number}: in errors.md alone" for number in set(listed)
            - used.keys()]
    bad += [f"{number}: twice in errors.md" for number in set(listed)
            if listed.count(number) > 1]
    return bad


def log_levels(tree):
    """errors.md gives each message the level that it has."""
    words = {"EMERG": "emerg", "ERR": "error", "WARNING": "warning",
             "NOTICE": "notice", "INFO": "info", "DEBUG": "debug"}
    manual = read(tree / "mod_scep/manual/errors.md")
    bad = []
    for path in files(tree, "mod_scep", "ca-connectors", suffixes={".c"}):
        for call, number in re.findall(
                r"\bap_log_\w+\(([^;]*?)SCEPLOGNO\((\d+)\)", code(path)):
            level = re.findall(r"APLOG_(" + "|".join(words) + r")\b", call)
            if level and not re.search(
                    rf"^### SCEP{number}\n\n\*{words[level[-1]]}\*", manual,
                    re.MULTILINE):
                bad.append(f"{number}: is {words[level[-1]]}")
    return bad


def reasons_documented(tree):
    """Every name that scep-reason can have is explained."""
    names = re.findall(r'\[SCEP_REASON_\w+\]\s*=\s*\{\s*"([\w-]+)"',
                       read(tree / "mod_scep/core/result.c"))
    manual = read(tree / "mod_scep/manual/errors.md")
    return [f"{name}: not in errors.md" for name in names
            if name != "none" and f"`{name}`" not in manual]


def log_modules(tree):
    """Who logs says as which module, itself or in a header of its own."""
    def names_module(path, seen):
        if path in seen or not path.is_file():
            return False
        seen.add(path)
        return re.search(r"\b(APLOG_USE|AP_DECLARE)_MODULE\(",
                         code(path)) or any(
            names_module(base / name, seen)
            for kind, name in includes(path) if kind == '"'
            for base in (path.parent, tree / "mod_scep"))
    return [f"{path}: logs without APLOG_USE_MODULE"
            for path in files(tree, "mod_scep", "ca-connectors",
                              suffixes={".c"})
            if re.search(r"\bap_log_\w*error\(", code(path))
            and not names_module(path, set())]


def ours(tree):
    """Every file that somebody wrote."""
    tops = ("mod_scep", "ca-connectors", "conf", "build", "t", ".ci")
    for path in files(tree, *tops):
        relative = path.relative_to(tree)
        if path.name not in GENERATED and path.suffix != ".pyc" \
                and relative.parts[:2] not in (("t", "data"), ("t", "fuzz")) \
                or path.suffix in {".c", ".h"}:
            yield path
    for name in ("Makefile.am", "configure.ac", "README", ".clang-format"):
        if (tree / name).is_file():
            yield tree / name


def form(tree):
    """Licence line, purpose line, width, white space, no leftovers."""
    bad = []
    for path in ours(tree):
        text = read(path)
        lines = text.split("\n")
        prose = path.suffix in WIDE or path.name == "README"
        if not prose and "SPDX-License-Identifier: Apache-2.0" not in text:
            bad.append(f"{path}: no SPDX line")
        if path.suffix in {".c", ".h"} \
                and not lines[0].startswith(f"/* {path.name} - "):
            bad.append(f"{path}: does not begin with its name and purpose")
        if lines[-1] != "":
            bad.append(f"{path}: does not end with a new line")
        for number, line in enumerate(lines, 1):
            where = f"{path}:{number}"
            if len(line) > 79 and path.suffix not in WIDE:
                bad.append(f"{where}: over 79 columns")
            if line != line.rstrip():
                bad.append(f"{where}: white space at the end")
            if "\t" in line and path.suffix in {".c", ".h", ".py"}:
                bad.append(f"{where}: a tab")
            if re.search(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b", line):
                bad.append(f"{where}: unfinished")
            if re.search(r"(?<![\w.])/(work|home|root)/", line):
                bad.append(f"{where}: a path of somebody's machine")
    return bad


def tests_registered(tree):
    """No test is written and never run or never packed."""
    fragments = "".join(read(path) for path in
                        files(tree, "t", suffixes={".mk"}))
    bad = []
    for path in files(tree, "t", suffixes={".py", ".sh", ".c", ".h"}):
        if path.parent == tree / "t/data":
            continue  # packed as a whole
        if not re.search(rf"/{re.escape(path.name)}(?!\S)", fragments):
            bad.append(f"{path}: in no fragment of the Makefile")
    for path in files(tree, "t/unit", suffixes={".c"}):
        text = code(path)
        for name in re.findall(r"\bSTART_TEST\((\w+)\)", text):
            if not re.search(rf"\btcase_add_\w*test\w*\([^;]*\b{name}\b",
                             text):
                bad.append(f"{path}: {name} is never added")
    return bad
