"""CONTRIBUTING.md: every place that it names is there, every command can be run, and its recipes work as they stand."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
NEW = {"fwaudit/findings/many_ports.py", "tests/unit/findings/test_many_ports.py", "fwaudit/cli/greet.py"}
"""What its recipes make."""


def recipe(title: str) -> str:
    return PAGE.split(f"\n### {title}\n", 1)[1].split("\n## ")[0].split("\n### ")[0]


def code(text: str) -> str:
    return re.search(r"```python\n(.*?)```", text, re.DOTALL).group(1)


def test_every_place_is_there():
    places = set(re.findall(r"`((?:fwaudit|tests|scripts|release|contrib|locks|docs)/[\w/.-]*)`", PAGE))
    assert len(places) > 20
    assert {place for place in places if not (ROOT / place).exists()} == NEW


def test_every_row_of_the_table_names_a_place():
    table = PAGE.split("\n## Where would I add …?\n", 1)[1].split("\n## ")[0]
    rows = [row for row in table.splitlines() if row.startswith("| a")]
    assert len(rows) >= 8
    assert [row for row in rows if not re.search(r"`[\w/.-]+`", row.split("|")[2])] == []


def test_commands_start_what_is_there():
    blocks = [text for kind, text in re.findall(r"^```(\w*)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL) if not kind]
    commands = [shlex.split(line) for block in blocks for line in block.splitlines() if line]
    assert commands
    for words in commands:
        words = words[1:] if words[0] == "sudo" else words
        for word in words:
            if "/" in word:
                assert (ROOT / word).exists(), word
        assert words[0].startswith(("./", "scripts/")) or words[0] in ("fwaudit", "python"), words


@pytest.fixture
def tree(tmp_path):
    """A copy of the package, to which a recipe may add."""
    shutil.copytree(ROOT / "fwaudit", tmp_path / "fwaudit", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def run(tree: Path, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-m", "fwaudit", *arguments], cwd=tree, capture_output=True, text=True,
                          check=False, env={**os.environ, "PYTHONPATH": str(tree)})
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_the_recipe_for_a_finding(tree):
    text = recipe("A finding")
    (tree / "fwaudit/findings/many_ports.py").write_text(code(text), encoding="utf-8")
    change(tree / "fwaudit/findings/__init__.py", "import (\n", "import (\n    many_ports,\n")
    change(tree / "fwaudit/findings/__init__.py", "= (\n", "= (\n    many_ports,\n")
    page = run(tree, "findings", "many-ports")
    assert "very many published ports" in page
    assert "docker port CONTAINER" in page
    run(tree, "demo")  # where no container has so many


def test_the_recipe_for_a_command(tree):
    text = recipe("A command")
    (tree / "fwaudit/cli/greet.py").write_text(code(text), encoding="utf-8")
    line = re.search(r'`("greet": .*,)`', text).group(1)
    change(tree / "fwaudit/cli/app.py", "COMMANDS = {\n", f"COMMANDS = {{\n    {line}\n")
    assert run(tree, "greet", "world") == "Hello world.\n"
    assert "Say hello." in run(tree, "--help")
    assert "fwaudit greet world" in run(tree, "greet", "--help")
