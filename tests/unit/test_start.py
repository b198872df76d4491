"""What each command imports before it answers. A start is short as long as nobody loads what it does not need; so this
counts modules, and no milliseconds (scripts/bench has those)."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import fwaudit
from fwaudit.cli.app import COMMANDS

DEMO = str(Path(fwaudit.__file__).parent / "cli" / "demo.tar.gz")
READING = "errors host model netfilter packet parse records"
VERDICTS = f"{READING} exposure intent path render"
REPORT = f"{VERDICTS} audit findings"
LIBRARIES = {"annotated_doc": "typer", "click": "typer", "shellingham": "typer", "typing_extensions": "typer",
             "markupsafe": "jinja2", "wcwidth": "tabulate"}
"""What comes with a library and has no cost worth a word."""
HEAVY = {"asyncio", "concurrent", "email", "http", "importlib.metadata", "logging", "multiprocessing", "sqlite3", "ssl",
         "unittest", "xml"}
"""Of Python's own library, what takes milliseconds."""

# command line, at most so many modules of ours, folders of ours besides cli, other libraries, heavy modules
STARTS = [
    ("--version", 1, "", "", ""),
    ("--help", 4, "errors", "typer", ""),
    ("nope", 6, "errors render", "typer", ""),
    ("report --help", 5, "errors", "typer", ""),
    ("report --snapshot DEMO", 191, REPORT, "typer tabulate", ""),
    ("report --snapshot DEMO --format json", 187, REPORT, "typer", ""),
    ("report --snapshot DEMO --format markdown", 196, REPORT, "typer", ""),
    ("report --snapshot DEMO --format html", 197, REPORT, "typer jinja2", ""),
    ("report --snapshot DEMO --format sarif", 193, REPORT, "typer", ""),
    ("report --snapshot DEMO --format junit", 194, REPORT, "typer", "xml"),
    ("report --snapshot DEMO --format prometheus", 191, REPORT, "typer", ""),
    ("report --snapshot DEMO --format nagios", 193, REPORT, "typer", ""),
    ("report --snapshot DEMO --format ocsf", 192, REPORT, "typer", ""),
    ("demo", 188, REPORT, "typer tabulate", ""),
    ("check --snapshot DEMO", 198, REPORT, "typer", ""),
    ("preview TMP/compose --snapshot DEMO", 226, f"{REPORT} preview", "typer tabulate yaml", ""),
    ("check --snapshot DEMO --history TMP/runs", 225, REPORT, "typer", "sqlite3"),
    ("history --history TMP/runs", 16, "errors host model records render", "typer", "sqlite3"),
    ("diff DEMO DEMO", 183, REPORT, "typer", ""),
    ("fleet report DEMO --jobs 1", 200, REPORT, "typer tabulate", "concurrent logging multiprocessing sqlite3"),
    ("schedule install --dry-run --root TMP", 27, "errors host model records render", "typer", ""),
    ("policy init --snapshot DEMO -o -", 186, REPORT, "typer netaddr", ""),
    ("policy check TMP/policy", 16, "errors intent model packet records", "typer", ""),
    ("trace --snapshot DEMO --in eth0 --from 198.51.100.7 --to 203.0.113.10:5432", 128, VERDICTS, "typer", ""),
    ("trace --snapshot DEMO --batch TMP/questions", 128, VERDICTS, "typer", ""),
    ("fix --snapshot DEMO", 138, f"{VERDICTS} fix", "typer netaddr", ""),
    ("findings ufw-drift", 164, "errors exposure findings intent model netfilter packet parse path records render",
     "typer", ""),
    ("verify --snapshot DEMO --plan", 128, VERDICTS, "typer", "xml"),
    ("snapshot --snapshot DEMO --redact -o TMP/shared", 188, f"{REPORT} disguise", "typer", ""),
    ("snapshot -o TMP/taken", 100, f"{READING} render", "typer", ""),
]
ASK_THE_HOST_FIRST = {"triage", "watch"}
MAY_FAIL = {"nope", "snapshot -o TMP/taken"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("start")
    question = {"in": "eth0", "src": "198.51.100.7", "dst": "203.0.113.10", "dport": 5432, "proto": "tcp"}
    (made / "questions").write_text(json.dumps(question) + "\n")
    (made / "compose").write_text("services: {new: {image: redis, ports: ['7000:6379']}}\n")
    (made / "policy").write_text("schema_version = 1\n")
    return made


def imported(command: str, folder: Path) -> set[str]:
    words = command.replace("DEMO", DEMO).replace("TMP", str(folder)).split()
    done = subprocess.run([sys.executable, "-X", "importtime", "-m", "fwaudit", *words], capture_output=True, text=True,
                          check=False, timeout=60)
    assert done.returncode != 3 or command in MAY_FAIL, done.stderr
    return set(re.findall(r"^import time: .*\| +(\S+)$", done.stderr, re.M))


@pytest.mark.parametrize(("command", "most", "folders", "libraries", "heavy"), STARTS, ids=[row[0] for row in STARTS])
def test_what_a_command_imports(command, most, folders, libraries, heavy, folder):
    found = imported(command, folder)
    mine = {name for name in found if name.split(".")[0] == "fwaudit"}
    assert len(mine) <= most, sorted(mine)
    assert {name.split(".")[1] for name in mine if "." in name} - {"cli"} == set(folders.split())
    top = {name.split(".")[0] for name in found}
    site = {name for name in top if name.startswith("_") or name in sys.stdlib_module_names}
    others = {LIBRARIES.get(name, name) for name in top - site - {"fwaudit", "sitecustomize", "org"}}
    assert others == set(libraries.split())
    assert found & HEAVY == set(heavy.split())


def test_every_command_is_in_the_list():
    assert {row[0].split()[0] for row in STARTS} - {"--version", "--help", "nope"} == set(COMMANDS) - ASK_THE_HOST_FIRST
