"""docs/coverage.md says what the readers do; every match, target and set type stands in it, with a line behind it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent)]

import coverage_page  # noqa: E402

from fwaudit.netfilter import ipset  # noqa: E402
from fwaudit.netfilter.matches import MATCHES  # noqa: E402
from fwaudit.netfilter.targets import TARGETS  # noqa: E402

TEXT = coverage_page.PAGE.read_text(encoding="utf-8")


def test_the_page_is_what_the_readers_do() -> None:
    assert coverage_page.page(TEXT) == TEXT, "python tests/docs/coverage_page.py"


@pytest.mark.parametrize(("names", "of"), [(MATCHES, "match"), (TARGETS, "target")], ids=["matches", "targets"])
def test_every_name_of_the_registry_has_a_line_in_the_tables_and_a_row(names: dict, of: str) -> None:
    for name in names:
        assert coverage_page.used(name, of), name
        assert f"\n| `{name}` | " in TEXT


def test_every_option_stands_in_a_table() -> None:
    written = "".join(path.read_text(encoding="utf-8") for path in coverage_page.TABLES.glob("*/*.t"))
    words = set(written.split())
    lacking = {option for kind in (*MATCHES.values(), *TARGETS.values()) for option in kind.options} - words
    assert not lacking


def test_every_type_of_set_has_a_row() -> None:
    assert all(f"\n| `{kind}` | " in TEXT for kind in ipset.TYPES)
