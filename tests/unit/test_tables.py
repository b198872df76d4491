"""Every match and target module against its table in tests/tables, and the tables against the real iptables."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from _needs import needs
from _tables import TABLES, Line, read_table, replay, show_all, show_target

import fwaudit.netfilter
from fwaudit.model.ruleset import Rule
from fwaudit.netfilter.iptables_save import parse

PACKAGE = Path(fwaudit.netfilter.__file__).parent
FILES = sorted(TABLES.glob("*/*.t"))
LINES = [line for path in FILES for line in read_table(path)]


def rule_of(line: Line, text: str) -> Rule:
    """The rule that a dump with ``text`` in the line's chain holds."""
    dump = f"*{line.table}\n:{line.chain} ACCEPT [0:0]\n-A {line.chain} {text}".rstrip() + "\nCOMMIT\n"
    (table,) = parse(dump, family=line.family, backend="nft", source="table").tables
    (rule,) = table.chains[line.chain].rules
    return rule


@pytest.mark.parametrize("folder", ["matches", "targets"])
def test_every_module_has_a_table_and_every_table_a_module(folder: str) -> None:
    modules = {path.stem for path in (PACKAGE / folder).glob("*.py") if not path.name.startswith("_")}
    assert {path.stem for path in (TABLES / folder).glob("*.t")} == modules


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.where)
def test_a_rule_denotes_what_its_table_says(line: Line) -> None:
    rule = rule_of(line, line.saved)
    is_target = line.where.startswith("targets/")
    said = show_target(rule.target, line.family) if is_target else show_all(rule.conditions, line.family)
    assert said == line.denotes
    assert rule.text == f"-A {line.chain} {line.saved}".rstrip()


@pytest.mark.parametrize("line", [line for line in LINES if line.saved], ids=lambda line: line.where)
def test_a_rule_as_a_person_writes_it_denotes_the_same_or_is_unknown(line: Line) -> None:
    written, saved = rule_of(line, line.rule), rule_of(line, line.saved)
    said = show_target(written.target, line.family), show_all(written.conditions, line.family)
    meant = show_target(saved.target, line.family), show_all(saved.conditions, line.family)
    assert sorted(said[1].split(" & ")) == sorted(meant[1].split(" & ")) or "unknown[" in said[1]
    assert said[0] == meant[0] or said[0].startswith("Undecidable")


@pytest.mark.lab
@pytest.mark.parametrize("tool", ["nft", "legacy"])
@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_real_iptables_saves_a_rule_as_its_table_says(path: Path, tool: str) -> None:
    needs("root", "unshare", "iptables-nft")
    if shutil.which(f"iptables-{tool}") is None:
        pytest.skip("no iptables-legacy here")
    lines = [line for line in read_table(path) if tool in line.tools]
    differ = [f"{line.where}: {line.rule}\n  table {line.saved}\n  real  {said}"
              for line, said in replay(tool, lines) if said.replace("!nothing", "") != line.saved]
    assert not differ, "\n".join(differ)
